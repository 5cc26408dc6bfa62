"""The original's domain rules in plain Python, and how it reads a name.

`judge(sender, domain, context, rules, known, words)` gives a dict; `rules` is an
oracles.suffix.Rules, `known` maps a domain to (provider, reputation, preserved).
"""

import math
import re

DOTS = str.maketrans("\u3002\uff0e\uff61", "...")
IPV4 = re.compile(r"(?:(?:[0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])(?:\.(?!\Z)|\Z)){4}")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")


def entropy(text: str, total: int | None = None) -> float:
    counts: dict[str, int] = {}
    for c in text.lower():
        counts[c] = counts.get(c, 0) + 1
    bits = 0.0
    for count in counts.values():
        share = count / (total or len(text))
        bits -= share * math.log2(share)
    return bits


def real_words(text: str, words: set[str]) -> int:
    pieces = re.split(r"[.\-_]", re.sub(r"[0-9]", "", text.lower()))
    return sum(len(piece) >= 3 and piece in words for piece in pieces)


def natural(text: str) -> bool:
    letters = re.findall(r"[a-z]", text.lower(), re.ASCII)
    vowels = [c for c in letters if c in "aeiou"]
    return bool(letters) and 0.25 <= len(vowels) / len(letters) <= 0.55


def keyboard(text: str) -> bool:
    return any(row[i : i + 3] in text for row in KEYS for i in range(len(row) - 2))


def repetitive(text: str) -> bool:
    most = max((text.count(c) for c in set(text) if c.isalnum()), default=0)
    return len(text) >= 4 and most / len(text) > 0.4


def gibberish(text: str) -> bool:
    if len(text) >= 6 and not re.search(r"[aeiou\s\d]", text):
        return True
    if len(text) < 4:
        return False
    if re.search(r"[bcdfghjklmnpqrstvwxyz]{8}", text):
        return True
    letters, digits = sum(c.isalpha() for c in text), sum(c.isdigit() for c in text)
    if letters > 0 and digits / letters > 0.6 and len(text) > 6:
        return True
    return len(text) > 10 and not re.search(r"[aeiou]", text)


def host(text: str) -> str:
    at = text.find("//")
    if at == 0:
        text = text[2:]
    elif at >= 2 and text[at - 1] == ":" and re.fullmatch(r"[a-zA-Z0-9+.\-]*", text[: at - 1]):
        text = text[at + 2 :]
    text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    if text.startswith("[") and "]" in text:
        return text.partition("]")[0] + "]"
    return text.partition(":")[0].strip().rstrip(".\u3002\uff0e\uff61")


def split(text: str, rules) -> tuple[str, str, str]:
    """Subdomain, label, suffix; the suffix is empty where none is known."""
    text = host(text).translate(DOTS)
    labels = text.split(".")
    raw = text.encode("utf-8", "surrogatepass")
    _, suffix, _, flags = rules.find(raw, private=False)
    if suffix < 0 or "UNKNOWN" in flags:
        six = re.fullmatch(r"\[[0-9a-f.:]*\]", text) and text.count(":") >= 2 and len(text) >= 4
        if six or IPV4.fullmatch(text):
            return "", text, ""
        return ".".join(labels[:-1]), labels[-1], ""
    end = raw[suffix:].decode("utf-8", "surrogatepass")
    before = labels[: len(labels) - end.count(".") - 1]
    return ".".join(before[:-1]), before[-1] if before else "", end


def gibberish_sender(sender: str, rules) -> bool:
    parts = sender.lower().split("@")
    if len(parts) != 2:
        return True
    subdomain, label, _ = split(parts[1].replace("<", "").replace(">", ""), rules)
    return (
        gibberish(label)
        or (len(subdomain) > 4 and gibberish(subdomain))
        or (len(parts[0]) > 12 and gibberish(parts[0]))
    )


def provider_of(sender: str, known) -> str:
    if "@" not in sender:
        return "unknown"
    name = sender.split("@")[1].lower().replace(">", "").strip()
    return known.get(name, ("", 0, 0))[0] or "unknown"


def domain_of(sender: str) -> str:
    parts = sender.split("@")
    return re.sub(r"[<>\s]", "", parts[1].lower()) if len(parts) > 1 else ""


def reputation(domain: str, known) -> int:
    if not domain:
        return 0
    if domain.endswith((".edu", ".gov", ".org")):
        return 85
    if known.get(domain, ("", 0, 0))[1]:
        return known[domain][1]
    labels = domain.split(".")
    cheap = domain.endswith((".tk", ".ml", ".ga", ".cf"))
    return 60 if len(labels) == 2 and len(labels[0]) > 3 and not cheap else 30


def interleaved(label: str) -> bool:
    return bool(re.search(r"[0-9]{2,}[a-z]{2,}[0-9]{2,}|[a-z]{2,}[0-9]{2,}[a-z]{2,}", label))


def hard(domain: str, sender: str) -> bool:
    labels = domain.split(".")
    return (
        any(
            len(label) > 15 or re.fullmatch(r"[a-z0-9]{12,}", label) or interleaved(label)
            for label in labels[:-1]
        )
        or len(labels) > 4
        or sum(len(label) > 8 for label in labels[:-1]) >= 3
        or len(sender.partition("@")[0]) > 15
    )


def weak(domain: str) -> bool:
    labels = domain.split(".")
    return bool(domain) and bool(
        len(labels[0]) > 10
        or len(labels) > 4
        or any(
            re.fullmatch(r"[a-z0-9]{8,}|[a-z]{15,}", label) or interleaved(label)
            for label in labels[:2]
        )
        or re.search(r"\d{4}", domain)
    )


def obvious(domain: str) -> bool:
    text = domain.partition(".")[0]
    return bool(domain) and bool(
        (re.fullmatch(r"[a-z0-9]{10,}", text) and len(set(text)) > 6)
        or (sum(c.isdigit() for c in text) > 0.4 * len(text) and len(text) > 8)
        or (len(text) > 20 and not re.search(r"[aeiou]{2}", text))
        or re.search(r"(?:[a-z][0-9]){3}", text)
    )


def score(domain: str, sender: str, context: str, rules, known, words):
    """(score, names of the reasons)."""
    rep = reputation(domain, known)
    if not domain:
        return 0, set()
    if context and rep >= 85:
        return 0, {"MAJOR_IN_CONTEXT"}
    bare = domain.replace(".", "")
    found = real_words(bare, words)
    bits = entropy(bare)
    base = {"icloud": 3.5, "gmail": 3.0, "outlook": 3.0}.get(context, 3.2)
    user = sender.partition("@")[0]
    parts = sum(len(p) > 6 and entropy(p) > 3.0 for p in domain.split(".")[:-1])
    rows = [
        ("GIBBERISH_SENDER", 30, bool(sender) and gibberish_sender(sender, rules)),
        ("VERY_HIGH_ENTROPY", 25, bits > base + 0.6),
        ("HIGH_ENTROPY", 15, base < bits <= base + 0.6),
        ("NO_WORDS", 20, found == 0 and len(bare) > 8),
        ("VOWELS", 15, not natural(bare) and len(bare) > 6),
        ("KEYBOARD", 10, keyboard(bare)),
        ("REPETITION", 15, repetitive(bare)),
        ("LONG_NO_WORDS", 15, len(bare) > 20 and found == 0),
        ("USERNAME", 10, "@" in sender
         and (len(user) > 15 or entropy(user) > 3.5 or not natural(user))),
        ("RANDOM_PARTS", 10, parts >= 2),
        ("ALPHANUMERIC", 20, bool(re.fullmatch(r"[a-z0-9]{12,}", bare)) and not natural(bare)),
    ]  # fmt: skip
    total = sum(points for _, points, holds in rows if holds)
    reasons = {name for name, _, holds in rows if holds}
    if context == "icloud" and ("icloud" in domain or "apple" in domain):
        total, reasons = max(0, total - 30), reasons | {"ICLOUD_RELATED"}
    if context == "gmail" and total > 40:
        total, reasons = total + 10, reasons | {"ON_GMAIL"}
    if rep >= 85:
        total, reasons = max(0, total - 40), reasons | {"MAJOR"}
    return total, reasons


def judge(sender: str, domain: str | None, context: str | None, rules, known, words) -> dict:
    if domain is None:
        domain = domain_of(sender)
    provider = provider_of(sender, known)
    if context is None:
        context = provider
    bare = domain.replace(".", "")
    _, label, suffix = split(domain, rules)
    registered = f"{label}.{suffix}" if label and suffix else domain
    total, reasons = score(domain, sender, context, rules, known, words)
    traits = {
        "NO_AT": "@" not in sender,
        "IS_GIBBERISH": bool(sender) and gibberish_sender(sender, rules),
        "HARD": hard(domain, sender),
        "WEAK": weak(domain),
        "OBVIOUS": obvious(domain),
        "KNOWN": bool(known.get(registered, ("", 0, 0))[2]),
        "PROVIDER": bool(known.get(domain, ("", 0, 0))[0]),
        "UNKNOWN_SUFFIX": not (label and suffix),
        "NATURAL": natural(bare),
        "CHEAP_SUFFIX": domain.endswith((".tk", ".ml", ".ga", ".cf", ".us")),
    }
    return {
        "domain": domain,
        "registered": registered,
        "entropy": entropy(bare),
        "size": len(bare),
        "labels": domain.count(".") + 1,
        "words": real_words(bare, words),
        "random_parts": sum(len(p) > 6 and entropy(p) > 3.0 for p in domain.split(".")[:-1]),
        "provider": provider,
        "reputation": reputation(domain, known),
        "score": total,
        "reasons": reasons,
        "traits": {name for name, holds in traits.items() if holds},
    }


def triple(sender, account_provider, lookup, rules, known, words, texts):
    """The original's answer; `texts(judged)` gives the reasons in its words."""
    if not sender or "@" not in sender:
        return True, "Invalid sender format", False
    if gibberish_sender(sender, rules):
        return True, "Detected as highly gibberish email", True
    row = judge(sender, None, None, rules, known, words)
    domain, registered, provider = row["domain"], row["registered"], row["provider"]
    if "KNOWN" in row["traits"]:
        tail = "" if provider == "unknown" else f" ({provider})"
        return False, f"Major email provider{tail} - PRESERVED", False
    c, suspicious = min(row["score"], 100), row["score"] >= 50
    threshold = {"icloud": 75, "gmail": 80}.get(account_provider, 70)
    if suspicious and c >= threshold:
        return True, f"ML High Confidence Spam ({c}%): {'; '.join(texts(row)[:3])}", True
    if "HARD" in row["traits"]:
        return True, f"Traditional pattern detection: {domain}", True
    age = None if lookup is None else lookup(registered, provider)
    two = "; ".join(texts(row)[:2])
    if suspicious:
        limit = 65 if provider in ("icloud", "gmail", "outlook") else 60
        return {
            None: (True, f"ML Medium-High Confidence ({c}%): {two}", True)
            if c >= limit
            else (False, f"ML suspicious ({c}%) but WHOIS unavailable - preserved", True),
            "SAFE": (False, f"ML suspicious ({c}%) but domain age > 90 days: {registered}", True),
            "QUARANTINE": (
                False,
                f"ML suspicious ({c}%) and young domain - manual review needed: {registered}",
                True,
            ),
            "SUSPICIOUS": (True, f"ML suspicious ({c}%) and very new domain: {two}", True),
        }[age]
    if "WEAK" in row["traits"]:
        start = "Traditional suspicious pattern"
        young = (
            (True, f"{start} with obvious spam domain: {registered}", True)
            if "OBVIOUS" in row["traits"]
            else (False, f"{start} and young domain - manual review needed: {registered}", True)
        )
        return {
            None: (False, f"{start} but WHOIS unavailable - preserved: {domain}", True),
            "SAFE": (False, f"{start} but domain age > 90 days: {registered}", True),
            "QUARANTINE": young,
            "SUSPICIOUS": (True, f"{start} and very new domain (< 30 days): {registered}", True),
        }[age]
    return True, "Domain analysis complete - defer to ML classification", False
