"""The original's surface as data (contract.json), held against every module of atlas_fast.compat.

`modules`: functions, classes, methods and their parameters with defaults, fields of dataclasses,
constants. `returns`: calls, and the keys or types of what they give. All of it is there.
"""

import ast
import dataclasses
import importlib
import inspect
import json
from enum import Enum
from pathlib import Path

import pytest

CONTRACT = json.loads((Path(__file__).parent / "contract.json").read_text())

NOTHING = object()


def promised():
    """(dotted name below the package, kind, what the contract says)."""
    for module, surface in CONTRACT["modules"].items():
        for name, signature in surface["functions"].items():
            yield f"{module}.{name}", module, signature
        for name, of in surface["classes"].items():
            yield f"{module}.{name}", module, of
            for method, signature in of["methods"].items():
                yield f"{module}.{name}.{method}", module, signature


PROMISED = {name: (module, said) for name, module, said in promised()}


def find(name: str, module: str):
    """The object of a dotted name, or NOTHING."""
    try:
        found = importlib.import_module(f"atlas_fast.compat.{module}")
    except ModuleNotFoundError:
        return NOTHING
    for part in name[len(module) + 1 :].split("."):
        found = vars(found).get(part, NOTHING) if part else found
        if found is NOTHING:
            return NOTHING
    return found


def evaluated(source: str, module):
    try:
        return ast.literal_eval(source)
    except ValueError:
        return getattr(module, source)


def parameters_promised(signature: str, module):
    (function,) = ast.parse(f"def f({signature}): pass").body
    of = function.args
    names = [argument.arg for argument in of.args]
    defaults = [evaluated(ast.unparse(node), module) for node in of.defaults]
    made = list(zip(names, [NOTHING] * (len(names) - len(defaults)) + defaults, strict=True))
    assert not (of.kwonlyargs or of.vararg)
    return made + ([(f"**{of.kwarg.arg}", NOTHING)] if of.kwarg else [])


def parameters(function):
    return [
        ("**" * (p.kind is p.VAR_KEYWORD) + name, NOTHING if p.default is p.empty else p.default)
        for name, p in inspect.signature(function).parameters.items()
    ]


@pytest.mark.parametrize("name", PROMISED)
def test_it_is_there_as_promised(name):
    home, said = PROMISED[name]
    found = find(name, home)
    assert found is not NOTHING, f"{name} is missing"
    module = importlib.import_module(f"atlas_fast.compat.{home}")
    if isinstance(said, str):
        assert parameters(found) == parameters_promised(said, module)
        return
    assert inspect.isclass(found)
    if "Enum" in said["bases"]:
        assert issubclass(found, Enum)
    for attribute, value in said.get("class_attributes", {}).items():
        held = getattr(found, attribute)
        assert (held.value if isinstance(held, Enum) else held) == evaluated(value, module)
    if "dataclass_fields" in said:
        fields = {field.name: field.default for field in dataclasses.fields(found)}
        assert fields == {
            field: dataclasses.MISSING if default is None else evaluated(default, module)
            for field, (_, default) in said["dataclass_fields"].items()
        }


def test_every_module_of_compat_is_in_the_contract():
    """But for those that are ours."""
    root = Path(importlib.import_module("atlas_fast.compat").__file__).parent
    ours = {
        "core.folders", "engine", "lists", "ml.models", "ml.rollout", "terms", "utils.baseline",
        "utils.memory",
    }  # fmt: skip
    found = {
        ".".join(path.relative_to(root).with_suffix("").parts)
        for path in root.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert found - ours <= set(CONTRACT["modules"])
    assert ours <= found


@pytest.mark.parametrize("said", CONTRACT["returns"], ids=lambda said: said["call"][:60])
def test_shapes(said, tmp_path, monkeypatch):
    """Keys of dictionaries; types of what is returned, of each part where it is a tuple."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"atlas_fast.compat.{said['module']}")
    found = eval(said["call"], vars(module))
    if "keys" in said:
        keys = set(found) - set(said.get("optional", ()))
        assert keys >= set(said["keys"]) if said.get("more") else keys == set(said["keys"])
        assert not said.get("ordered") or list(found) == said["keys"]
    elif isinstance(said["types"], list):
        assert isinstance(found, tuple)
        assert [type(part).__name__ for part in found] == said["types"]
    else:
        assert type(found).__name__ == said["types"]
