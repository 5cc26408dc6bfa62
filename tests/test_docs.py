"""The docs name what there is, and nothing else."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

from atlas_fast import limits
from atlas_fast.flags import Flag

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TYPES = ROOT / "src_pyx" / "atlas_fast" / "_kernels" / "types.pxd"


def test_flags_are_those_of_the_kernels():
    bits = re.findall(r"^    ([A-Z0-9_]+) = 1 << (\d+)", TYPES.read_text(), re.MULTILINE)
    assert {name: 1 << int(bit) for name, bit in bits} == {flag.name: flag.value for flag in Flag}


def test_flags_are_documented():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (DOCS / "flags.md").read_text(), re.MULTILINE)
    assert {name: int(value) for name, value in rows} == {f.name: f.value for f in Flag}


def test_limits_are_documented():
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", (DOCS / "limits.md").read_text(), re.MULTILINE)
    there = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert {name: int(value.replace(",", "")) for name, value in rows} == there


KERNELS = ROOT / "src_pyx" / "atlas_fast" / "_kernels"
KERNEL_CAPS = {  # (kernel, its constant): the name in limits.py
    ("facts", "MAX_LINKS"): "FEATURE_LINKS", ("facts", "MAX_PARTS"): "FEATURE_PARTS",
    ("facts", "MAX_FIELDS"): "FEATURE_FIELDS", ("facts", "MAX_SITES"): "FEATURE_SITES",
    ("facts", "MAX_VALUE"): "FEATURE_FIELD_BYTES", ("features", "MAX_TERMS"): "FEATURE_TERMS",
    ("wording", "MAX_WORDS"): "FEATURE_WORDS", ("wording", "MAX_WORD"): "FEATURE_WORD_BYTES",
    ("wording", "MAX_TAIL"): "FEATURE_FOOTER_BYTES", ("lexicon", "RING"): "TERM_WORDS",
    ("lexicon", "MOST_SPELLED"): "SPELLED_LETTERS", ("score", "MAX_TOP"): "REASON_FEATURES",
    ("score", "MOST"): "REASON_HUNDREDTHS", ("html", "MAX_URL"): "URL_BYTES",
    ("html", "MAX_NAME"): "TAG_NAME_BYTES", ("mime", "MAX_BOUNDARY"): "BOUNDARY_BYTES",
    ("mime", "MAX_PADDING"): "DELIMITER_PADDING", ("mime", "MAX_PART_FIELDS"): "PART_FIELDS",
    ("mime", "MAX_LEVELS"): "MAX_LEVELS", ("params", "MAX_SECTIONS"): "PARAMETER_SECTIONS",
    ("dates", "MAX_TOKENS"): "DATE_TOKENS", ("words", "MAX_CHARSET"): "CHARSET_NAME_BYTES",
    ("mboxscan", "MAX_LINE"): "SEPARATOR_BYTES",
    ("mboxscan", "MAX_HEAD"): "CONTENT_LENGTH_HEAD_BYTES",
}  # fmt: skip
ROOM = {  # sizes of the kernels' own memory, bounded by caps of their callers or by types
    ("rows", "MOST"), ("rows", "MOST_SHAPE"), ("buffers", "MOST_SPARE"), ("rows", "MAX_STAMP"), ("authres", "MAX_PROPERTIES"),
    ("authverdict", "MAX_PROPERTIES"), ("suffix", "MAX_KEY"), ("memo", "MAX_VALUE"),
    ("charsets", "MAX_SINGLE"), ("shapes", "MAX_TERM"), ("intern", "MAX_ROWS"),
    ("sqltable", "MAX_COLUMNS"),
    ("buffers", "MOST_SPARE"),
}  # fmt: skip


def kernel_constants():
    """(kernel, name): value of each constant that looks like a cap."""
    pattern = re.compile(r"^ *((?:MAX|MOST)(?:_[A-Z]+)*|RING) = ([\d_]+)(?: << (\d+))?", re.M)
    return {
        (path.stem, name): int(value) << int(shift or 0)
        for path in sorted(KERNELS.glob("*.p[yx][xd]"))
        for name, value, shift in pattern.findall(path.read_text())
    }


def test_caps_of_kernels_are_named():
    """A cap in a kernel has a name in limits.py, with the same value."""
    found = kernel_constants()
    assert set(found) <= set(KERNEL_CAPS) | ROOM
    for place, name in KERNEL_CAPS.items():
        assert found[place] == getattr(limits, name), place
    assert found["rows", "MOST"] // 4 * 3 == limits.FEATURES
    assert limits.MAX_DEPTH <= limits.MAX_LEVELS


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(DOCS.glob("*.md")), ids=str)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_two_pages_say_the_same_of_a_file():
    rows = [
        re.search(r"^\| (a file that begins .*?) \| .*mbox", text, re.MULTILINE)[1]
        for text in ((DOCS / name).read_text() for name in ("cli.md", "sources.md"))
    ]
    assert rows[0] == rows[1]


def test_every_extra_is_named_where_it_is_explained():
    """In cli.md, and no other; a message that names one goes through `errors.extra`."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        extras = set(tomllib.load(file)["project"]["optional-dependencies"])
    text = re.search(r"is an extra: (.*)", (DOCS / "cli.md").read_text())[1]
    assert extras <= set(re.findall(r"`([a-z]+)`", text))
    sources = "".join(path.read_text() for path in (ROOT / "atlas_fast").rglob("*.py"))
    assert set(re.findall(r"\bextra\('(\w+)'\)", sources)) <= extras
    assert sources.count("pip install") == 2  # both in errors.extra


def test_every_kernel_has_its_rooms():
    """A stub, and a fuzz target that drives it; an oracle or a test names it elsewhere."""
    sources = ROOT / "src_pyx" / "atlas_fast" / "_kernels"
    kernels = {path.stem for path in sources.glob("*.pyx")}
    assert len(kernels) > 15
    stubs = {path.stem for path in (ROOT / "atlas_fast" / "_kernels").glob("*.pyi")}
    assert kernels == stubs
    table = runpy.run_path(str(ROOT / "fuzz" / "table.py"))["TARGETS"]
    assert {kernel for driven in table.values() for kernel in driven} == kernels
    oracles = {path.stem for path in (ROOT / "tests" / "oracles").glob("*.py")}
    assert kernels - oracles == {"messages", "buffers"}, "these two own memory and compute nothing"


def test_c_functions_say_how_they_fail():
    """Each cdef function states noexcept or except; none leaves it to the default."""
    seen = 0
    for path in (ROOT / "src_pyx").rglob("*.p[yx][xd]"):
        text = re.sub(r"#.*", "", path.read_text())
        for match in re.finditer(
            r"^ *cdef (?:inline )?[\w\* ]+?(\w+)\(([^)]*\)[^:\n]*(?:\n|:))", text, re.M
        ):
            tail = match[2]
            returns_object = re.match(r" *cdef (?:inline )?(?:bytes|tuple|list|object)\b", match[0])
            seen += 1
            assert "noexcept" in tail or "except" in tail or returns_object, (path.name, match[1])
    assert seen > 150
