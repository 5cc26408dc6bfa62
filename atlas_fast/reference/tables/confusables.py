"""Table `confuse`: Unicode's scripts, and what characters are mistaken for (UTS 39).

Made from Unicode's own files that the user named (`confusables.txt`, `Scripts.txt`, told apart by
their first line), or from the installed data package. A skeleton here is for names, which have no
case: that of UTS 39 in lower case, with `l` for `i` (an upper-case `i` is what `l` looks like),
combining marks and invisible characters left out.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference.sources import Named, Source, file_source, installed_version, package_spec

NAME = b"confuse"
LAYOUT = 1

PACKAGE = "confusable-homoglyphs"
LICENCE = "Unicode-3.0"
FIRST = (
    "Common", "Inherited", "Latin", "Greek", "Cyrillic", "Han", "Hiragana", "Katakana", "Hangul",
    "Bopomofo", "Arabic", "Hebrew", "Armenian", "Georgian", "Thai", "Lao", "Khmer", "Tibetan",
    "Myanmar", "Ethiopic", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Sinhala", "Thaana",
)  # fmt: skip
"""The kernel knows the numbers up to Bopomofo. Then the scripts of UAX 31, table 5; the others
follow by their size, and what does not fit is `OTHER`."""
MAX_SCRIPTS = 63
OTHER = "Other"
DROPPED = ("Mn", "Me", "Cf")
"""Categories of combining marks and invisible characters."""
LAST_ASSIGNED = 0x323B0
"""No character above it has a decomposition, or is a mark outside of the range below."""
VARIATION_SELECTORS = range(0xE0000, 0xE0200)

Ranges = list[tuple[int, int, str]]
"""First and last code point, script."""


def sources(named: Named) -> list[Source]:
    files = [_named(Path(path)) for path in named.get("unicode", ())]
    found = {source.kind: source for source in files}
    spec = package_spec("confusable_homoglyphs")
    if spec is not None and spec.origin is not None:
        version = installed_version(PACKAGE)
        folder = Path(spec.origin).parent
        for kind in ("confusables", "categories"):
            if ("scripts" if kind == "categories" else kind) not in found:
                path = folder / f"{kind}.json"
                files.append(
                    file_source(path, PACKAGE, version, LICENCE, "not stated", f"{kind}.json")
                )
    have = {source.kind.removesuffix(".json") for source in files}
    whole = "confusables" in have and ("scripts" in have or "categories" in have)
    return files if whole else []


def _named(path: Path) -> Source:
    try:
        with open(path, encoding="utf-8-sig") as file:
            head = [file.readline() for _ in range(20)]
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceDataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if head[0].startswith("# confusables.txt"):
        kind = "confusables"
    elif head[0].startswith("# Scripts-"):
        kind = "scripts"
    else:
        raise ReferenceDataError(f"{path}: neither Unicode's confusables.txt nor its Scripts.txt")
    dates = [line.removeprefix("# Date: ")[:10] for line in head if line.startswith("# Date: ")]
    versions = [line.split()[-1] for line in head if line.startswith("# Version: ")]
    version = (versions or [head[0].strip().removesuffix(".txt").rpartition("-")[2]])[0]
    date = dates[0] if dates else ""
    return file_source(path, f"Unicode {path.name}", version, LICENCE, date, kind)


def compile(sources: Sequence[Source]) -> tuple[int, bytes]:
    """(number of mappings, payload). Raises ReferenceDataError when a file cannot be read."""
    import orjson

    by_kind = {source.kind: source for source in sources}
    ranges: Ranges = []
    prototypes: dict[str, str] = {}
    for kind, source in by_kind.items():
        try:
            if kind == "confusables":
                prototypes = read_confusables(_lines(source))
            elif kind == "scripts":
                ranges = read_scripts(_lines(source))
            elif kind == "confusables.json":
                prototypes = directed(orjson.loads(Path(source.path).read_bytes()))
            elif kind == "categories.json":
                ranges = categories(orjson.loads(Path(source.path).read_bytes()))
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ReferenceDataError(f"{source.path}: {error!r}") from error
    return payload(ranges, prototypes)


def _lines(source: Source) -> Iterable[str]:
    for line in Path(source.path).read_text("utf-8-sig").splitlines():
        data = line.partition("#")[0].strip()
        if data:
            yield data


def read_confusables(lines: Iterable[str]) -> dict[str, str]:
    """Character to prototype, from the data lines of confusables.txt."""
    found = {}
    for line in lines:
        source, target = line.split(";")[:2]
        found[chr(int(source, 16))] = "".join(chr(int(one, 16)) for one in target.split())
    return found


def read_scripts(lines: Iterable[str]) -> Ranges:
    """Ranges from the data lines of Scripts.txt."""
    found = []
    for line in lines:
        codes, script = line.split(";")
        first, _, last = codes.strip().partition("..")
        found.append((int(first, 16), int(last or first, 16), script.strip()))
    return found


def directed(pairs: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """Character to prototype, from a mapping that has each pair both ways.

    A prototype has many partners, the others have it alone; of two that have only each other,
    the smaller code point serves.
    """
    partners = {one: {other["c"] for other in others} for one, others in pairs.items()}
    found = {}
    for one, others in partners.items():
        if len(one) != 1 or len(others) != 1:
            continue
        (other,) = others
        if len(other) > 1 or len(partners.get(other, ())) > 1 or other < one:
            found[one] = other
    return found


def categories(data: dict[str, list]) -> Ranges:
    """Ranges from the package's table of code points."""
    names = [alias.title() for alias in data["iso_15924_aliases"]]
    return [(first, last, names[script]) for first, last, script, _ in data["code_points_ranges"]]


def payload(ranges: Ranges, prototypes: dict[str, str]) -> tuple[int, bytes]:
    sizes: Counter[str] = Counter()
    for first, last, script in ranges:
        sizes[script] += last - first + 1
    names = [*FIRST, *[name for name, _ in sizes.most_common() if name not in FIRST]]
    names = [*names[: MAX_SCRIPTS - 1], OTHER]
    numbers = {name: number for number, name in enumerate(names)}
    starts: list[tuple[int, int]] = []
    end = 0
    for first, last, script in sorted(ranges):
        if first > end:
            starts.append((end, 0))  # not assigned: as Common
        starts.append((first, numbers.get(script, MAX_SCRIPTS - 1)))
        end = last + 1
    starts.append((end, 0))
    merged = [one for i, one in enumerate(starts) if i == 0 or starts[i - 1][1] != one[1]]
    pool: list[int] = []
    maps = []
    for code, target in skeletons(prototypes):
        maps += [code, len(pool) << 8 | len(target)]
        pool += map(ord, target)
    text = "\n".join(names).encode()
    head = [len(merged), len(maps) // 2, len(pool), len(text)]
    numbers_ = [*head, *[0] * 12, *[n for one in merged for n in one], *maps, *pool]
    return len(maps) // 2, b"".join(n.to_bytes(4, "little") for n in numbers_) + text


def skeletons(prototypes: dict[str, str]) -> list[tuple[int, str]]:
    """(code point, skeleton) of each character that is not its own skeleton, in order."""
    found = []
    codes = {*range(LAST_ASSIGNED), *VARIATION_SELECTORS, *map(ord, prototypes)}
    for code in sorted(codes - {*range(0xAC00, 0xD7A4), *range(0xD800, 0xE000)}):
        plain = chr(code)
        if plain not in prototypes and plain != "i" and not unicodedata.decomposition(plain):
            if unicodedata.category(plain) in DROPPED:
                found.append((code, ""))
            continue
        text = unicodedata.normalize("NFD", plain)
        for _ in range(3):  # a prototype may have a prototype in another version of the data
            text = "".join(prototypes.get(c, c) for c in text)
        text = unicodedata.normalize("NFD", text)
        text = "".join(
            c.lower().replace("i", "l") if c.isascii() else c
            for c in text
            if unicodedata.category(c) not in DROPPED
        )
        if text != plain and len(text) < 32:
            found.append((code, text))
    return found
