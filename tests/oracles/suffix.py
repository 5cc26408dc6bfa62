"""The Public Suffix List's algorithm over a set of rules, names as bytes.

`Rules(text)` reads a list; `find(name, private)` gives (registrable, suffix, stop, flags): byte
offsets, -1 for none, and the names of the flags that are set.
"""

DOTS = (b".", "\u3002".encode(), "\uff0e".encode(), "\uff61".encode())


class Rules:
    def __init__(self, text: str):
        self.rules: dict[tuple[str, ...], bool] = {}
        private = False
        for line in text.splitlines():
            if "===BEGIN PRIVATE" in line:
                private = True
            elif "===END PRIVATE" in line:
                private = False
            elif line.strip() and not line.startswith("//"):
                self.rules[tuple(line.split()[0].lower().split("."))] = private

    def find(self, name: bytes, private: bool = True):
        stop = len(name)
        for dot in DOTS:
            if name.endswith(dot):
                stop -= len(dot)
                break
        labels = split(name[:stop])
        flags = set()
        if any(not label for _, label in labels):
            flags.add("EMPTY")
        # the labels behind the last empty one take part
        part = []
        for start, label in reversed(labels):
            if not label:
                break
            part.insert(0, (start, label))
        if not part:
            return -1, -1, stop, flags | {"UNKNOWN"}
        texts = [normal(label) for _, label in part]
        best, kind, exception = 1, "UNKNOWN", False
        for n in range(1, len(texts) + 1):
            tail = tuple(texts[-n:])
            for rule, is_exception in (
                (tail, False), (("*", *tail[1:]), False), (("!" + tail[0], *tail[1:]), True),
            ):  # fmt: skip
                if rule not in self.rules or (self.rules[rule] and not private):
                    continue
                if rule[0] == "*" and n == 1:
                    continue
                if is_exception:
                    best, exception = n - 1, True
                    kind = "PRIVATE" if self.rules[rule] else ""
                elif not exception and (n > best or kind == "UNKNOWN" or rule is tail):
                    best, kind = n, "PRIVATE" if self.rules[rule] else ""
        if kind:
            flags.add(kind)
        suffix = part[-best][0]
        registrable = part[-best - 1][0] if best < len(part) else -1
        if kind == "UNKNOWN" and (part[-1][1].isdigit() or name.startswith(b"[")):
            flags.add("ADDRESS")
        return registrable, suffix, stop, flags


def split(name: bytes):
    """(start, label) of each label."""
    labels, start, i = [], 0, 0
    while i < len(name):
        dot = next((dot for dot in DOTS if name.startswith(dot, i)), None)
        if dot is None:
            i += 1
            continue
        labels.append((start, name[start:i]))
        i += len(dot)
        start = i
    return [*labels, (start, name[start:])]


def normal(label: bytes) -> str:
    """Lower case, and the U-label of an A-label."""
    text = "".join(map(fold, label.decode("utf-8", "surrogateescape")))
    if text.startswith("xn--") and text.isascii():
        try:
            decoded = text[4:].encode().decode("punycode")
            if "xn--" + decoded.encode("punycode").decode() == text and not decoded.isascii():
                return decoded
        except (UnicodeError, ValueError):
            pass
    return text


def fold(c: str) -> str:
    """Lower case where that takes as many bytes and can be undone."""
    if c.isascii():
        return c.lower()
    low = c.lower()
    if len(low) == 1 and low.upper() == c and not "\ud800" <= c <= "\udfff":
        return low if len(low.encode()) == len(c.encode()) else c
    return c
