"""The original's surface as data (contract.json), held against every module of atlas_fast.compat.

`modules`: functions, classes, methods and their parameters with defaults, fields of dataclasses,
constants. `returns`: calls, and the keys or types of what they give. What is not there is listed in
MISSING with its reason; an entry that is there fails the test, so that the list can only shrink.
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

UNDOCUMENTED = "what it does and returns is documented nowhere"
ONE_MODEL = "there is one model, the engine's; `atlas-fast evaluate` measures it on labelled mail"
LEXICON = "terms are those of the engine's lexicon, which has no effectiveness of its own"

MISSING = {
    "ml.four_category_classifier.FourCategoryClassifier.prepare_training_data": UNDOCUMENTED,
    "ml.naive_bayes.NaiveBayesClassifier.evaluate_on_test_data": ONE_MODEL,
    "ml.random_forest.ProductionRandomForestClassifier.get_performance_metrics": ONE_MODEL,
    "ml.random_forest.integrate_random_forest_with_hybrid": ONE_MODEL,
    "ml.subcategory_tagger.SubcategoryTagger.update_pattern_effectiveness": LEXICON,
}

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


def listed(name: str) -> bool:
    return any(name == entry or name.startswith(entry + ".") for entry in MISSING)


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


@pytest.mark.parametrize("name", [name for name in PROMISED if not listed(name)])
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


@pytest.mark.parametrize("entry", MISSING)
def test_what_is_listed_as_missing_is_missing(entry):
    """And was promised: nothing is listed for good measure."""
    mine = [name for name in PROMISED if name == entry or name.startswith(entry + ".")]
    assert mine and MISSING[entry]
    for name in mine:
        assert find(name, PROMISED[name][0]) is NOTHING, f"{name} is there: strike it off"


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
