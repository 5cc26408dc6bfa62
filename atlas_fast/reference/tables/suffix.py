"""Table `suffix`: the rules of the Public Suffix List (publicsuffix.org).

Made from the file that the user named, or from the installed data package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference.sources import Named, Source, file_source, installed_version, package_spec

NAME = b"suffix"
LAYOUT = 2

PACKAGE = "publicsuffixlist"
LICENCE = "MPL-2.0"
MAX_NAME_BYTES = 255


def sources(named: Named) -> list[Source]:
    for path in named.get("psl", ())[-1:]:
        return [_source(Path(path), Path(path).name)]
    spec = package_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return []
    path = Path(spec.origin).parent / "public_suffix_list.dat"
    return [_source(path, PACKAGE, installed_version(PACKAGE))]


def _source(path: Path, name: str, version: str = "") -> Source:
    """The list states its own version: a date."""
    try:
        with open(path, encoding="utf-8") as file:
            head = file.read(4096)
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceDataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    found = re.search(r"^// VERSION: ((\d{4}-\d\d-\d\d)\S*)", head, re.MULTILINE)
    stated, date = found.groups() if found else ("", "")
    return file_source(path, name, version or stated, LICENCE, date)


def compile(sources: Sequence[Source]) -> tuple[int, bytes]:
    """(number of rules, payload). Raises ReferenceDataError for a rule that makes no sense."""
    path = sources[0].path
    try:
        count, made = payload(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ReferenceDataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if count == 0:
        raise ReferenceDataError(f"{path}: holds no rule")
    return count, made


def read_rules(text: str) -> list[tuple[str, bool]]:
    """(rule in lower case, is it of the private section) of each rule of a list's text."""
    rules, private = [], False
    for line in text.splitlines():
        if line.startswith("//"):
            if "===BEGIN PRIVATE DOMAINS===" in line:
                private = True
            elif "===END PRIVATE DOMAINS===" in line:
                private = False
        elif line.strip():
            rules.append((line.split()[0].lower(), private))
    return rules


def payload(text: str) -> tuple[int, bytes]:
    """(number of rules, payload) of a list's text.

    Raises ValueError for a rule that has an empty label, or a wildcard elsewhere than in front.
    """
    from atlas_fast._kernels.suffix import FLAGS

    nodes: dict[bytes, int] = {}
    rules = read_rules(text)
    letters: set[str] = set()
    for rule, private in rules:
        kind = FLAGS["RULE"]
        name = rule
        if rule.startswith("!"):
            kind, name = FLAGS["EXCEPTION"], rule[1:]
        elif rule.startswith("*."):
            kind, name = FLAGS["WILD"], rule[2:]
        labels = name.split(".")
        if not all(labels) or "*" in name or "!" in name:
            raise ValueError(f"rule {rule!r} is not understood")
        letters.update(c for c in name if c > "\x7f")
        for spelled in product(*map(_spellings, labels)):
            key = ".".join(spelled).encode()
            if len(key) > MAX_NAME_BYTES:
                raise ValueError(f"rule {rule!r} is too long")
            nodes[key] = nodes.get(key, 0) | kind << private
            while b"." in key:
                key = key.partition(b".")[2]
                nodes[key] = nodes.get(key, 0) | FLAGS["CHILDREN"]
    return len(rules), _pack(nodes, _folds(letters))


def _spellings(label: str) -> list[str]:
    """A U-label and its A-label (RFC 5890); the list has U-labels in their canonical form."""
    if label.isascii():
        return [label]
    return [label, "xn--" + label.encode("punycode").decode("ascii")]


def _folds(letters: set[str]) -> list[tuple[int, int]]:
    """Upper and lower code point of the letters beyond ASCII that have both in as many bytes."""
    pairs = {
        (ord(c.upper()), ord(c))
        for c in letters
        if len(c.upper()) == 1 and c.upper() != c and len(c.upper().encode()) == len(c.encode())
    }
    return sorted(pairs)


def _pack(nodes: dict[bytes, int], folds: list[tuple[int, int]]) -> bytes:
    from atlas_fast._kernels.suffix import FLAGS, filter_bit, hash_name

    node = FLAGS["NODE"]
    size = 1 << (2 * len(nodes)).bit_length()
    slots = bytearray(8 * size)
    bits = bytearray(max(8, size // 2))  # a bit in ten is set, or fewer
    texts = bytearray()
    for name, flags in sorted(nodes.items()):
        mixed = hash_name(name)
        bit = filter_bit(mixed, len(bits))
        bits[bit >> 3] |= 1 << (bit & 7)
        at = mixed % size
        while slots[8 * at + 4]:
            at = (at + 1) % size
        slots[8 * at : 8 * at + 8] = (
            len(texts).to_bytes(4, "little")
            + bytes((len(name), flags | node))
            + (mixed >> 48).to_bytes(2, "little")
        )
        texts += name
    head = b"".join(n.to_bytes(4, "little") for n in (size, len(folds), len(texts), len(bits)))
    pairs = b"".join(n.to_bytes(4, "little") for pair in folds for n in pair)
    return b"".join((head.ljust(64, b"\0"), bits, slots, pairs, texts))
