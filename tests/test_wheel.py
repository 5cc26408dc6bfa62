"""What is shipped: the files of sdist and wheel, how the installed modules were compiled."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import atlas_fast
from atlas_fast._version import build_info

# Debian 12 has Python 3.11.2, whose tarfile has no filters yet.
SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
ROOT = Path(__file__).parent.parent
FOLDERS = ("src_pyx", "tests", "fuzz", "benches", "docs", "scripts")
MAX_INSTALLED = 6 << 20
KERNELS = {path.stem for path in (ROOT / "src_pyx/atlas_fast/_kernels").glob("*.pyx")}


def installed() -> list[Path]:
    """Files of the installed package; skips where it runs from its source folder."""
    if Path(atlas_fast.__file__).parent.parent == ROOT:
        pytest.skip("atlas_fast is imported from the source folder, not installed")
    if os.environ.get("ATLAS_FAST_SANITIZED"):
        pytest.skip("a sanitizer build is in use")
    files = importlib.metadata.files("atlas_fast")
    assert files
    return [Path(str(file.locate())) for file in files if file.parts[0] == "atlas_fast"]


def rules(names: list[str]) -> None:
    """What the names of a wheel's files keep to."""
    names = [name for name in names if "__pycache__" not in name and ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {"atlas_fast"}
    suffixes = {name.rpartition(".")[2] for name in names if not name.endswith("py.typed")}
    assert suffixes == {"py", "pyi", "so", "npz", "txt", "json", "html", "css", "js", "svg"}
    assert "atlas_fast/py.typed" in names
    for name in ("model.npz", "words.txt", "brands.txt", "known_domains.txt"):
        assert f"atlas_fast/data/{name}" in names
    kernel = re.compile(r"atlas_fast/_kernels/(\w+)\.(?:cpython[^/]*\.so|abi3\.so|pyi)")
    found = [match for match in map(kernel.fullmatch, names) if match]
    assert {m[1] for m in found if m[0].endswith(".pyi")} == KERNELS
    assert {m[1] for m in found if m[0].endswith(".so")} == KERNELS | {"_cyutility"}
    python = {str(p.relative_to(ROOT)) for p in (ROOT / "atlas_fast").rglob("*.py")}
    moved = {f"atlas_fast/{p.relative_to(ROOT)}" for p in (ROOT / "migrations").rglob("*.py")}
    assert len(moved) > 5
    python |= moved
    assert {name for name in names if name.endswith(".py")} == python


def test_installed_files():
    files = installed()
    where = Path(atlas_fast.__file__).parent.parent
    rules([str(path.relative_to(where)) for path in files])
    assert sum(path.stat().st_size for path in files if path.suffix != ".pyc") <= MAX_INSTALLED


def test_installed_modules_are_release_builds():
    files = installed()
    info = build_info()
    assert info["mode"] == "release" and info["optimized"] is True
    objects = [path for path in files if path.suffix == ".so"]
    assert len(objects) == len(KERNELS) + 1
    for path in objects:
        content = path.read_bytes()
        assert b".debug_info" not in content, f"{path.name} has debug symbols"
        assert b"__asan_init" not in content and b"__ubsan" not in content


def test_versions_agree():
    installed()
    assert importlib.metadata.version("atlas_fast") == atlas_fast.__version__


def builds() -> None:
    for name in ("setuptools", "Cython"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed (dependency group `build`)")


def build(where: Path, kind: str, out: Path, mode: str) -> Path:
    """Call the build backend as an isolated build would, in this environment."""
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=where, env=os.environ | {"ATLAS_FAST_BUILD": mode}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return out / done.stdout.split()[-1]


@pytest.mark.slow
def test_sdist_then_wheel(tmp_path):
    """The wheel is built from what the sdist holds, so that a forgotten file shows.

    In debug mode, which compiles fastest; how the shipped modules are compiled is tested above.
    """
    builds()
    tree, out = tmp_path / "tree", tmp_path / "dist"
    skip = shutil.ignore_patterns(
        ".*", "build", "dist", "*.egg-info", "*.so", "__pycache__", "*.db*"
    )
    shutil.copytree(ROOT, tree, ignore=skip)
    sdist = build(tree, "sdist", out, "debug")
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
        tar.extractall(tmp_path / "unpacked", **SAFE)
    generated = {name for name in names if name.endswith((".c", ".so", ".pyc"))}
    assert generated == {"fuzz/main.c"}
    wanted = {
        str(path.relative_to(tree))
        for folder in (*FOLDERS, "atlas_fast", "migrations")
        for path in (tree / folder).rglob("*")
        if path.is_file() and path.suffix not in (".c", ".html")
    }
    assert wanted <= names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = build(unpacked, "wheel", out, "debug")
    with zipfile.ZipFile(wheel) as archive:
        rules(archive.namelist())
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
    assert "License-Expression: MIT" in text
    needs = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", text, re.MULTILINE)
    assert set(needs) == {
        "numpy", "orjson", "rich", "lmdb", "plevin", "plevin-db-network", "publicsuffixlist",
        "confusable-homoglyphs",
    }  # fmt: skip
