"""Domains: registrable domain and public suffix, and what a name alone says about its owner.

`registrable` and `public_suffix` answer for one name; the `_many` forms take a list of str or
bytes, or a column (`data` uint8, `offsets` int64), which is read where it lies. `verdict` joins the
rules of the original's validation with Unicode's view of the name. Nothing here asks the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from time import monotonic
from typing import Any, Protocol, TypeGuard, cast, overload

import numpy as np

from atlas_fast._kernels import confusables, domains, suffix
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.namesets import NameSet
from atlas_fast._kernels.tables import Table
from atlas_fast.headers import TextColumn
from atlas_fast.records import DomainVerdict
from atlas_fast.reference.open import open_reference

__all__ = [
    "DomainColumns",
    "LookColumns",
    "SuffixColumns",
    "is_provider",
    "judge_many",
    "look_many",
    "public_suffix",
    "public_suffix_many",
    "reason_texts",
    "registrable",
    "registrable_many",
    "verdict",
    "verdict_many",
]

ROW_DTYPE = np.dtype(
    [
        ("entropy", np.float64),
        ("size", np.int32),
        ("labels", np.int32),
        ("words", np.int32),
        ("random_parts", np.int32),
        ("registered_start", np.int32),
        ("registered_stop", np.int32),
        ("reasons", np.uint32),
        ("traits", np.uint32),
        ("score", np.int16),
        ("provider", np.uint8),
        ("reputation", np.uint8),
    ],
    align=True,
)
"""One judged domain; `reasons` and `traits` are bits of REASONS and TRAITS."""

REASONS, TRAITS, PROVIDERS = domains.REASONS, domains.TRAITS, domains.PROVIDERS
LOOKS = confusables.FLAGS
SUSPICIOUS_SCORE = 50


class Column(Protocol):
    """UTF-8 texts, one behind the other: headers.TextColumn, or one's own."""

    data: Any
    offsets: Any


@dataclass(frozen=True, slots=True)
class SuffixColumns:
    """Public suffix and registrable domain of each name, as places within the name."""

    registrable: np.ndarray
    """int32: start of the registrable domain, or -1."""
    suffix: np.ndarray
    """int32: start of the public suffix, or -1."""
    stop: np.ndarray
    """int32: where both end (before a final dot)."""
    flags: np.ndarray
    """uint8: bits suffix.PRIVATE, UNKNOWN, ADDRESS, EMPTY of the kernel."""


@dataclass(frozen=True, slots=True)
class DomainColumns:
    """Judged domains: their names, and a row of ROW_DTYPE each."""

    names: TextColumn
    rows: np.ndarray

    def registered(self, index: int) -> str:
        """The registrable domain by the ICANN rules, or the whole name where no suffix is known."""
        row, start = self.rows[index], self.names.offsets[index]
        raw = self.names.data[start + row["registered_start"] : start + row["registered_stop"]]
        return bytes(raw).decode("utf-8", "surrogatepass").translate(_DOTS)


@dataclass(frozen=True, slots=True)
class LookColumns:
    """How names look: A-labels decoded, skeletons, scripts as bits, flags of LOOKS, brand or -1."""

    spelled: TextColumn
    skeletons: TextColumn
    scripts: np.ndarray
    flags: np.ndarray
    brand: np.ndarray


_DOTS = str.maketrans("\u3002\uff0e\uff61", "...")


def registrable(name: str | bytes, *, private: bool = True) -> str | None:
    """The registrable domain in lower case, or None: a public suffix, an address, an empty label.

    `private=False` leaves out the private section of the list (`a.github.io` gives `github.io`).
    A name under a suffix that is not listed has the rule `*`.
    """
    return suffix.suffix_texts(_rules(), [name], private, True)[0]


def public_suffix(name: str | bytes, *, private: bool = True) -> str | None:
    """The public suffix in lower case, or None for an address or a name with an empty label."""
    return suffix.suffix_texts(_rules(), [name], private, False)[0]


@overload
def registrable_many(names: Column, *, private: bool = True) -> SuffixColumns: ...
@overload
def registrable_many(names: Iterable[str | bytes], *, private: bool = True) -> list[str | None]: ...
def registrable_many(names: Any, *, private: bool = True) -> SuffixColumns | list[str | None]:
    """Registrable domains of many names: a list for texts, places for a column.

    Raises TypeError for an item that is neither str nor bytes.
    """
    if not _is_column(names):
        return suffix.suffix_texts(_rules(), names, private, True)
    n = len(names.offsets) - 1
    registrable, start, stop = (np.empty(n, np.int32) for _ in range(3))
    out = SuffixColumns(registrable, start, stop, np.empty(n, np.uint8))
    suffix.suffix_batch(
        _rules(), names.data, names.offsets, private,
        out.registrable, out.suffix, out.stop, out.flags,
    )  # fmt: skip
    return out


def public_suffix_many(names: Iterable[str | bytes], *, private: bool = True) -> list[str | None]:
    """Public suffixes of many names."""
    return suffix.suffix_texts(_rules(), names, private, False)


def judge_many(
    senders: Column | Sequence[str],
    names: Column | Sequence[str] | None = None,
    contexts: np.ndarray | None = None,
) -> DomainColumns:
    """A row for each sender: its domain by the original's rules.

    The domain is what stands behind the first `@` of the sender, unless `names` has it. `contexts`
    (uint8, positions in PROVIDERS; default: the sender's provider) sets the thresholds.
    """
    lists = _lists()
    sender_column = _lowered(senders)
    n = len(sender_column.offsets) - 1
    sizes = _user_sizes(senders)
    given = None if names is None else _lowered(names)
    out, offsets = Bytes(), np.empty(n + 1, np.int64)
    rows = np.empty(n, ROW_DTYPE)
    if contexts is None:
        contexts = np.full(n, domains.CONTEXT_FROM_SENDER, np.uint8)
    domains.judge_batch(
        _rules(), lists.known, lists.providers, lists.reputations, lists.preserved, lists.words,
        sender_column.data, sender_column.offsets, sizes,
        None if given is None else given.data, None if given is None else given.offsets,
        contexts, out, offsets, rows.view(np.uint8),
    )  # fmt: skip
    return DomainColumns(TextColumn(out, offsets), rows)


def look_many(names: Column | Sequence[str]) -> LookColumns:
    """Scripts, skeletons and lookalike brands of names; labels of the suffix are no brands."""
    column = _lowered(names)
    n = len(column.offsets) - 1
    suffixes = registrable_many(column).suffix
    data = _unicode()
    brands, brand_skeletons, _ = _brand_sets(data)
    spelled, skeletons = Bytes(), Bytes()
    ends = np.empty((2, n + 1), np.int64)
    scripts, flags = np.empty(n, np.uint64), np.empty(n, np.uint32)
    brand = np.empty(n, np.int32)
    confusables.look_batch(
        data, brands, brand_skeletons, column.data, column.offsets, suffixes,
        spelled, ends[0], skeletons, ends[1], scripts, flags, brand,
    )  # fmt: skip
    return LookColumns(
        TextColumn(spelled, ends[0]), TextColumn(skeletons, ends[1]), scripts, flags, brand
    )


def verdict(name: str, *, sender: str = "", context: str = "unknown") -> DomainVerdict:
    """What the name of a domain alone says; `sender` adds the rules about the whole address.

    `context` is the provider whose thresholds apply, as in the original; empty for none.
    """
    return verdict_many([name], senders=[sender], context=context)[0]


def verdict_many(
    names: Sequence[str], *, senders: Sequence[str] | None = None, context: str = "unknown"
) -> list[DomainVerdict]:
    """Verdicts of many domains."""
    number = PROVIDERS.index(context) if context in PROVIDERS else PROVIDERS.index("unknown")
    lowered = [name.lower() for name in names]
    judged = judge_many(
        [""] * len(names) if senders is None else senders, lowered,
        np.full(len(names), number, np.uint8),
    )  # fmt: skip
    looks = look_many(lowered)
    places = registrable_many(judged.names)
    answers = (registrable_many(lowered), public_suffix_many(lowered))
    brands = _brand_sets(_unicode())[2]
    script_names = _unicode().scripts
    spelled, skeletons = looks.spelled.tolist(), looks.skeletons.tolist()
    out = []
    for i, row in enumerate(judged.rows):
        traits, look, brand = int(row["traits"]), int(looks.flags[i]), int(looks.brand[i])
        scripts, flags = int(looks.scripts[i]), int(places.flags[i])
        out.append(
            DomainVerdict(
                domain=lowered[i],
                registrable=answers[0][i],
                suffix=answers[1][i],
                private=bool(flags & suffix.PRIVATE),
                known_suffix=not flags & (suffix.UNKNOWN | suffix.ADDRESS),
                suspicious=bool(row["score"] >= SUSPICIOUS_SCORE),
                confidence=min(int(row["score"]), 100),
                reasons=tuple(reason_texts(row, context)),
                provider=PROVIDERS[row["provider"]],
                reputation=int(row["reputation"]),
                entropy=float(row["entropy"]),
                words=int(row["words"]),
                natural=bool(traits & TRAITS["NATURAL"]),
                patterns=tuple(name for name, bit in _PATTERNS if traits & bit),
                preserved=bool(traits & TRAITS["KNOWN"]),
                spelled=spelled[i],
                skeleton=skeletons[i],
                scripts=tuple(n for bit, n in enumerate(script_names) if scripts >> bit & 1),
                mixed_scripts=bool(look & LOOKS["MIXED_SCRIPTS"]),
                all_confusable=bool(look & LOOKS["ALL_CONFUSABLE"]),
                confusable_with=brands[brand] if brand >= 0 else None,
            )
        )
    return out


def is_provider(name: str) -> bool:
    """Is it a domain of the mail providers that the original knows?"""
    lists = _lists()
    found = lists.known.position(name.lower().encode("utf-8", "surrogatepass"))
    return found >= 0 and bool(lists.providers[found])


_PATTERNS = (
    ("hard", TRAITS["HARD"]),
    ("weak", TRAITS["WEAK"]),
    ("obvious", TRAITS["OBVIOUS"]),
    ("gibberish", TRAITS["IS_GIBBERISH"]),
)

_TEXTS = (
    ("MAJOR_IN_CONTEXT", "Major email provider ({context})"),
    ("MAJOR", "Major provider (reputation: {reputation})"),
    ("GIBBERISH_SENDER", "Detected as gibberish email (long non-vowel sequences)"),
    ("VERY_HIGH_ENTROPY", "Very high entropy ({entropy:.1f})"),
    ("HIGH_ENTROPY", "High entropy ({entropy:.1f})"),
    ("NO_WORDS", "No recognizable words"),
    ("VOWELS", "Unnatural vowel/consonant pattern"),
    ("KEYBOARD", "Contains keyboard patterns"),
    ("REPETITION", "Excessive character repetition"),
    ("LONG_NO_WORDS", "Very long domain ({size} chars) with no words"),
    ("USERNAME", "Suspicious email username"),
    ("RANDOM_PARTS", "Multiple random domain parts ({random_parts})"),
    ("ALPHANUMERIC", "Long alphanumeric string with no pattern"),
    ("ICLOUD_RELATED", "iCloud-related domain"),
    ("ON_GMAIL", "High suspicion on Gmail platform"),
)


def reason_texts(row: np.void, context: str) -> list[str]:
    """The reasons of a row in the original's words and order."""
    bits = int(row["reasons"])
    values = {name: row[name].item() for name in ("reputation", "entropy", "size", "random_parts")}
    return [text.format(context=context, **values) for name, text in _TEXTS if bits & REASONS[name]]


# columns of texts


def _is_column(texts: object) -> TypeGuard[Column]:
    return hasattr(texts, "offsets")


def _texts(texts: Column | Sequence[str]) -> Sequence[str]:
    """One str a text; a byte that is no UTF-8 is U+FFFD."""
    if not _is_column(texts):
        return cast("Sequence[str]", texts)
    raw, ends = bytes(texts.data), texts.offsets.tolist()
    return [raw[a:b].decode("utf-8", "replace") for a, b in pairwise(ends)]


def _lowered(texts: Column | Sequence[str]) -> TextColumn:
    """A lower-cased column: ASCII in one go, other texts one by one, as their ends matter."""
    if _is_column(texts):
        raw = bytes(texts.data)
        if raw.isascii():
            return TextColumn(np.frombuffer(raw.lower(), np.uint8), np.asarray(texts.offsets))
    pieces = [text.lower().encode("utf-8", "surrogatepass") for text in _texts(texts)]
    offsets = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    return TextColumn(np.frombuffer(b"".join(pieces), np.uint8), offsets)


def _user_sizes(senders: Column | Sequence[str]) -> np.ndarray | None:
    """Characters before the `@` as written, where lower case changes their number: U+0130."""
    if _is_column(senders) and b"\xc4\xb0" not in bytes(senders.data):
        return None
    texts = _texts(senders)
    if not any("\u0130" in text for text in texts):
        return None
    return np.array([len(text.partition("@")[0]) for text in texts], np.int32)


# reference data and lists, loaded once


REFRESH_SECONDS = 1.0
"""How long a table is used before the reference data is asked for a newer one."""

_held: dict[bytes, tuple[float, Table, Any]] = {}
"""Of each kind: when to look again, the table, and what a kernel made of it."""


def _rules() -> suffix.SuffixRules:
    return _hold(suffix.KIND, suffix.SuffixRules)


def _unicode() -> confusables.Confusables:
    return _hold(confusables.KIND, confusables.Confusables)


def _hold(kind: bytes, make: Callable[[Table], Any]) -> Any:
    held, now = _held.get(kind), monotonic()
    if held is not None and now < held[0]:
        return held[2]
    table = open_reference().table(kind)
    made = held[2] if held is not None and held[1] is table else make(table)
    _held[kind] = (now + REFRESH_SECONDS, table, made)
    return made


@dataclass(frozen=True, slots=True)
class _Lists:
    words: NameSet
    known: NameSet
    providers: np.ndarray
    reputations: np.ndarray
    preserved: np.ndarray


def list_lines(name: str) -> list[str]:
    """The entries of a list in data/, in their order."""
    text = (files("atlas_fast") / "data" / name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def _lists() -> _Lists:
    rows = [line.split() for line in list_lines("known_domains.txt")]
    return _Lists(
        NameSet(word.encode() for word in list_lines("words.txt")),
        NameSet(row[0].encode() for row in rows),
        np.array([0 if row[1] == "-" else PROVIDERS.index(row[1]) for row in rows], np.uint8),
        np.array([0 if row[2] == "-" else int(row[2]) for row in rows], np.uint8),
        np.array([row[3] == "yes" for row in rows], np.uint8),
    )


@lru_cache(maxsize=2)
def _brand_sets(data: confusables.Confusables) -> tuple[NameSet, NameSet, list[str]]:
    """Brands as spelled, their distinct skeletons, and the brand of each skeleton."""
    brands = list_lines("brands.txt")
    column, n = _lowered(brands), len(brands)
    nothing = NameSet([b"-"])
    made, ends = Bytes(), np.empty((2, n + 1), np.int64)
    confusables.look_batch(
        data, nothing, nothing, column.data, column.offsets, np.full(n, -1, np.int32),
        Bytes(), ends[0], made, ends[1],
        np.empty(n, np.uint64), np.empty(n, np.uint32), np.empty(n, np.int32),
    )  # fmt: skip
    by_skeleton: dict[str, str] = {}
    for skeleton, brand in zip(TextColumn(made, ends[1]).tolist(), brands, strict=True):
        by_skeleton.setdefault(skeleton, brand)
    return (
        NameSet(brand.encode() for brand in brands),
        NameSet(skeleton.encode() for skeleton in by_skeleton),
        list(by_skeleton.values()),
    )
