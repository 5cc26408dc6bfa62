"""Which way imports point, read from the syntax trees; and what every source file keeps to.

The layers are those of docs/architecture.md. A module may import its own layer's room and the
layers below it.
"""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "atlas_fast"
PYX = ROOT / "src_pyx" / "atlas_fast" / "_kernels"

LEAVES = {
    "_kernels",
    "errors",
    "files",
    "flags",
    "limits",
    "quoting",
    "records",
    "visible",
    "_version",
}
ROOM = {  # of each first name below atlas_fast: the first names that it may import
    **{leaf: set() for leaf in LEAVES},
    "_version": {"_kernels"},
    "_arrow": LEAVES | {"headers", "batch"},
    "headers": LEAVES | {"_arrow"},
    "origin": LEAVES | {"headers"},
    "auth": LEAVES | {"headers", "origin"},
    "verify": LEAVES | {"batch", "headers", "origin", "auth"},
    "reference": LEAVES,
    "domains": LEAVES | {"headers", "reference"},
    "validation": LEAVES | {"domains"},
    "domains_online": LEAVES | {"domains"},
    "mime": LEAVES | {"headers"},
    "batch": LEAVES | {"headers", "mime", "_arrow"},
    "classify": LEAVES | {"batch", "headers", "mime"},
    "settings": LEAVES,
    "countries": set(),
    "geo": LEAVES | {"countries", "reference", "settings"},
    "cache": LEAVES,
    "stages": LEAVES | {
        "auth", "batch", "cache", "classify", "domains", "geo", "headers", "mime", "origin",
        "reference", "validation", "verify",
    },
    "ml": LEAVES | {"headers", "mime", "classify", "stages"},
    "sources": LEAVES | {"batch"},
    "store": LEAVES | {"batch", "countries"},
    "observe": LEAVES | {"batch"},
    "export": LEAVES | {"store"},
    "decision": LEAVES | {"classify", "settings", "stages", "store"},
    "learn": LEAVES | {"batch", "classify", "decision", "sources", "stages", "store"},
    "pipeline": LEAVES | {
        "batch", "cache", "classify", "decision", "stages", "sources", "store", "observe",
    },
    "preferences": LEAVES | {"decision", "origin", "store"},
    "mailrun": LEAVES | {
        "batch", "classify", "decision", "stages", "sources", "store", "observe", "pipeline",
    },
    "quarantine": LEAVES | {"sources", "store"},
    "accounts": LEAVES | {"observe", "sources", "store", "pipeline", "mailrun", "quarantine"},
    "compat": (LEAVES - {"_kernels"}) | {
        "accounts", "auth", "batch", "classify", "countries", "decision", "domains",
        "domains_online", "geo", "headers", "learn", "mailrun", "origin", "pipeline", "sources",
        "stages", "store", "validation",
    },
    "web": (LEAVES - {"_kernels"}) | {
        "accounts", "auth", "classify", "decision", "export", "geo", "headers", "mailrun", "mime",
        "observe", "origin", "preferences", "settings", "sources", "stages", "store",
    },
    "drop_in": set(),
    "cli": (LEAVES - {"_kernels"}) | {
        "accounts", "bench", "cache", "classify", "export", "mailrun", "observe", "pipeline",
        "decision", "learn", "reference", "settings", "store", "web",
    },
    "bench": LEAVES | {
        "batch", "headers", "mime", "classify", "stages", "sources", "store", "observe", "pipeline",
        "auth", "domains", "geo", "mailrun", "origin", "reference",
    },
    "__init__": LEAVES | {"batch", "export", "observe", "pipeline", "sources", "store"},
    "__main__": {"cli"},
}  # fmt: skip
JOINS = {  # (module, first name): why it may look upward
    ("classify.labels", "sources"): "training reads labelled mail through the sources",
    ("classify.labels", "stages"): "and makes its features by the stages, as a run does",
    ("classify.train", "stages"): "the size of the feature space",
    ("classify.train", "sources"): "generated mail stands in training",
    ("cli.explain", "stages"): "one message through its stages",
    ("compat.api.app", "web"): "the original's api is the web interface",
    ("reference.tables.lexicon", "classify"): "the compiler of the lexicon",
}

EXTRAS = {  # optional package: the only modules that may import it
    "alembic": {"store.migrate"},
    "sqlalchemy": {"store.migrate"},
    "pyarrow": {"_arrow", "batch", "headers", "export.columnar", "store.parquet"},
    "psycopg": {"store.postgres", "store.server"},
    "sklearn": {"bench.features", "ml"},
    "scipy": {"ml"},
    "hyperscan": {"bench.lexicon"},
    "ahocorasick": {"bench.lexicon"},
    "re2": {"bench.lexicon"},
    "fast_mail_parser": {"bench.headers"},
    "geoip2fast": {"bench.baseline"},
    "authres": {"bench.auth"},
    "dkim": {"verify"},
    "spf": {"verify"},
    "tldextract": {"bench.domains"},
    "pydomainextractor": {"bench.domains"},
    "confusable_homoglyphs": {"bench.domains"},
    "maxminddb": {"bench.geo", "reference.geodata.mmdb"},
    "maxminddb_rust": {"bench.geo"},
    "dns": {"domains_online", "stages.enrich", "verify"},
    "whois": {"domains_online"},
    "fastapi": {"web"},
    "starlette": {"web"},
    "anyio": {"web"},
    "jinja2": {"web"},
    "markupsafe": {"web"},
    "argon2": {"web"},
    "plotly": {"web"},
    "uvicorn": {"cli.serve", "bench.web", "compat.api.app"},
    "keyring": {"sources.imap.credentials"},
}
IS_THE_EXTRA = {
    "web",
    "_arrow",
    "export.columnar",
    "store.parquet",
    "store.postgres",
    "store.server",
}  # imported by functions only; "web" is the whole room
KERNELS_MAY_IMPORT = {"encodings", "html"}  # tables made at import
SOFT, HARD = 500, 800
LONGER_THAN_SOFT = {
    "authverdict", "domains", "facts", "geo", "headers", "html", "mime",
}  # kernels: one subject each  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(path: Path):
    """(full name, does it wait for a call or a type checker) of every import of a file."""
    tree = ast.parse(path.read_text())
    later = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING")
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in later
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "atlas_fast":
                for alias in node.names:
                    yield f"atlas_fast.{alias.name}", id(node) in later
            else:
                yield node.module, id(node) in later


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downward(module):
    room = module.partition(".")[0]
    assert room in ROOM, f"{room} has no place in the layers"
    for name, _ in imported(MODULES[module]):
        head, _, rest = name.partition(".")
        if head != "atlas_fast" or not rest:
            continue
        target = rest.partition(".")[0]
        if target == room or (module, target) in JOINS:
            continue
        if f"{target}.py" in os.listdir(PACKAGE) or (PACKAGE / target).is_dir():
            assert target in ROOM[room], f"{module} imports {name}"


def test_the_exceptions_are_needed():
    found = {
        (module, name.split(".")[1])
        for module, path in MODULES.items()
        for name, _ in imported(path)
        if name.startswith("atlas_fast.")
    }
    assert set(JOINS) <= found


@pytest.mark.parametrize("module", MODULES)
def test_optional_packages_stay_in_their_module(module):
    for name, lazy in imported(MODULES[module]):
        head = name.partition(".")[0]
        if head in EXTRAS:
            names = {module, module.partition(".")[0]}
            assert names & EXTRAS[head], f"{module} imports {head}"
            assert lazy or names & IS_THE_EXTRA, f"{module} needs {head} to be imported itself"


def test_compat_uses_public_names():
    """It is a face: what it needs of the engine has a name without an underscore."""
    for module, path in MODULES.items():
        if not module.startswith("compat"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("atlas_fast"):
                private = [alias.name for alias in node.names if alias.name.startswith("_")]
                assert not private, f"{module}: {node.module}: {private}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                engine = node.value.id in ("domains", "engine", "actions", "feedback", "flags")
                assert not (engine and node.attr.startswith("_")), f"{module}: {ast.unparse(node)}"


def test_sql_is_in_the_store_only():
    """And in the baseline, which does what the original did."""
    users = {
        module
        for module, path in MODULES.items()
        if "sqlite3" in {name for name, _ in imported(path)}
    }
    assert {name for name in users if not name.startswith("store")} <= {
        "bench.baseline", "bench.readyrows", "bench.runs", "compat.models.database", "pipeline",
        # the type of a connection, and of what it raises
        "web.site", "web.legacy.answers", "web.legacy.flagging",
    }  # fmt: skip


@pytest.mark.parametrize("path", sorted(PYX.glob("*.p[yx][xd]")), ids=lambda path: path.name)
def test_kernels_know_nothing_of_the_rest(path):
    for line in path.read_text().splitlines():
        match = re.match(r"\s*(?:from ([\w.]+) c?import|c?import ([\w.]+))", line)
        if not match:
            continue
        name = match[1] or match[2]
        head = name.split(".")[0]
        if " cimport " in f" {line}":
            assert head in ("libc", "cpython") or name.startswith("atlas_fast._kernels"), line
        else:
            assert head in KERNELS_MAY_IMPORT, line


def test_header_only_files_cimport_header_only_files():
    modules = {path.stem for path in PYX.glob("*.pyx")}
    for path in PYX.glob("*.pxd"):
        if path.stem in modules:
            continue
        for name in re.findall(r"from atlas_fast\._kernels\.(\w+) cimport", path.read_text()):
            assert name not in modules, f"{path.name} cimports {name}"


def test_kernels_cimport_in_one_direction():
    needs = {
        path.stem: {
            name
            for file in (path, path.with_suffix(".pxd"))
            if file.exists()
            for name in re.findall(r"from atlas_fast\._kernels\.(\w+) cimport", file.read_text())
        }
        - {path.stem}
        for path in PYX.glob("*.pyx")
    }
    while needs:
        ready = {name for name, of in needs.items() if not of & set(needs)}
        assert ready, f"a circle among {sorted(needs)}"
        for name in ready:
            del needs[name]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "oracles").glob("*.py")), ids=lambda path: path.name
)
def test_oracles_import_nothing_of_the_package(path):
    assert not [name for name, _ in imported(path) if name.startswith("atlas_fast")]


SOURCES = [
    path
    for folder in ("atlas_fast", "src_pyx", "tests", "benches", "fuzz")
    for path in sorted((ROOT / folder).rglob("*.p[yx]*"))
    if path.suffix in (".py", ".pyx", ".pxd")
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_readable(path):
    lines = path.read_text().count("\n")
    assert lines <= HARD
    if lines > SOFT:
        assert path.suffix == ".pyx" and path.stem in LONGER_THAN_SOFT, f"{lines} lines"


def missing(module: str) -> str | None:
    """The optional package that a module needs as it is imported, if it is absent."""
    if module.startswith("web.") and importlib.util.find_spec("fastapi") is None:
        return "fastapi"  # by way of another module of the room
    for name, lazy in imported(MODULES[module]):
        head = name.partition(".")[0]
        if not lazy and head in EXTRAS and importlib.util.find_spec(head) is None:
            return head
    return None


def test_every_module_alone():
    """Each in a fresh interpreter with warnings as errors; a few at a time."""
    names = [
        f"atlas_fast.{module}".removesuffix(".__init__")
        for module in MODULES
        if module != "__main__" and not missing(module)
    ]
    names += [f"atlas_fast._kernels.{path.stem}" for path in PYX.glob("*.pyx")]
    assert len(names) > 50
    failed = []
    for start in range(0, len(names), 4):
        children = [
            subprocess.Popen(
                [sys.executable, "-P", "-W", "error", "-c", f"import {name}"],
                stderr=subprocess.PIPE, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            )
            for name in names[start : start + 4]
        ]  # fmt: skip
        for name, child in zip(names[start : start + 4], children, strict=True):
            _, errors = child.communicate(timeout=120)
            if child.returncode:
                failed.append((name, errors.strip().splitlines()[-1:]))
    assert not failed
