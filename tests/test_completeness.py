"""Each kernel has its rooms: a stub that says what the module has, tests, and a measurement.

(Oracles and fuzz targets: test_docs.py.)
"""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KERNELS = sorted(path.stem for path in (ROOT / "src_pyx/atlas_fast/_kernels").glob("*.pyx"))
STUBS = ROOT / "atlas_fast" / "_kernels"
MEASURED_WITHIN = {  # kernels without a benchmark of their own: the one that contains them
    "buffers": "headers", "messages": "headers", "msgids": "headers", "received": "headers",
    "params": "mime", "score": "end_to_end", "kinds": "end_to_end",
    "hosts": "end_to_end", "claims": "end_to_end", "facts": "features", "folding": "lexicon",
    "wording": "features",
}  # fmt: skip
UNMEASURED = {"learn"}  # runs once, when a model is trained


def public(module) -> dict[str, object]:
    """What a kernel offers: its own functions, classes and constants."""
    own = {}
    for name, value in vars(module).items():
        if name.startswith("_") or inspect.ismodule(value):
            continue
        home = getattr(value, "__module__", module.__name__)
        if home == module.__name__ and (callable(value) or name.isupper()):
            own[name] = value
    return own


def declared(tree: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    out: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            out[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            out[node.target.id] = node
    return out


def parameters(function: ast.FunctionDef) -> list[tuple[str, bool]]:
    """(name, has it a default) of each parameter but self."""
    arguments = function.args
    names = [*arguments.posonlyargs, *arguments.args]
    optional = len(arguments.defaults)
    found = [(a.arg, i >= len(names) - optional) for i, a in enumerate(names)]
    return [item for item in found if item[0] != "self"]


def really(function) -> list[tuple[str, bool]]:
    return [
        (name, parameter.default is not parameter.empty)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    ]


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_stub_is_the_module(kernel):
    module = importlib.import_module(f"atlas_fast._kernels.{kernel}")
    stub = declared(ast.parse((STUBS / f"{kernel}.pyi").read_text()))
    own = public(module)
    assert set(stub) == set(own)
    for name, node in stub.items():
        if isinstance(node, ast.FunctionDef):
            assert parameters(node) == really(own[name]), name
        elif isinstance(node, ast.ClassDef):
            methods = set(declared(node))
            there = {m for m in vars(own[name]) if not m.startswith("_")}
            assert {m for m in methods if not m.startswith("_")} == there, name


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_test_uses_it(kernel):
    """Not one that only walks all of them."""
    pattern = re.compile(
        rf"_kernels\.{kernel}\b|from atlas_fast\._kernels import [^\n]*\b{kernel}\b"
        rf"|from atlas_fast\._kernels import \([^)]*\b{kernel}\b"
    )
    users = [p.name for p in (ROOT / "tests").rglob("test_*.py") if pattern.search(p.read_text())]
    faces = {"features": "stages.features", "messages": "_kernels.messages", "mime": "mime"}
    if kernel in faces:
        users += [
            p.name for p in (ROOT / "tests").glob("test_*.py") if faces[kernel] in p.read_text()
        ]
    assert users


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - UNMEASURED))
def test_it_is_measured(kernel):
    texts = [path.read_text() for path in (ROOT / "benches").glob("bench_*.py")]
    subject = MEASURED_WITHIN.get(kernel, kernel)
    face = {"headers": "headers.parse_many", "mime": "mime.MimeColumns"}.get(subject)
    other = {"features": "bench import features", "end_to_end": "triage("}.get(subject)
    used = rf"_kernels import .*\b{subject}\b"
    assert any(
        re.search(used, text) or (face and face in text) or (other and other in text)
        for text in texts
    ), f"no benchmark has {subject}"
