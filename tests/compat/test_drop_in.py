"""`atlas_email` is atlas_fast.compat: for imports of every form, for programs, with and without the
original beside it."""

import os
import subprocess
import sys

import pytest

ENV = os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path)}

FORMS = """
import sys
import atlas_email.core.geographic_intelligence
import atlas_email.core.geographic_intelligence as geography
from atlas_email.core import email_authentication
from atlas_email.models.database import db, DatabaseManager
from atlas_email.utils.cache_manager import LRUCache
import atlas_fast.compat.core.geographic_intelligence as ours
import atlas_fast.compat.models.database as database
assert atlas_email.core.geographic_intelligence is geography is ours
assert db is database.db and DatabaseManager is database.DatabaseManager
assert LRUCache.__module__ == "atlas_fast.compat.utils.cache_manager"
assert ours.__name__ == ours.__spec__.name == "atlas_fast.compat.core.geographic_intelligence"
assert ours.__spec__.loader is ours.__loader__ and ours.__package__ == "atlas_fast.compat.core"
import pickle
data = geography.GeographicData("192.0.2.1")
assert pickle.loads(pickle.dumps(data)) == data
import importlib
importlib.reload(geography)
try:
    import atlas_email.core.nothing
except ModuleNotFoundError as error:
    assert error.name == "atlas_email.core.nothing"
else:
    raise SystemExit("no error")
print("sound", *sys.argv[1:])
"""


def run(*arguments, cwd, path=()):
    env = ENV | {"PYTHONPATH": os.pathsep.join([*map(str, path), ENV["PYTHONPATH"]])}
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd, env=env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def original(folder):
    """A package of the original's name, which must not be imported."""
    package = folder / "installed" / "atlas_email"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('the original was imported')\n")
    return package.parent


@pytest.mark.parametrize("installed", [False, True])
def test_a_program(tmp_path, installed):
    program = tmp_path / "program.py"
    program.write_text(FORMS)
    path = [original(tmp_path)] if installed else []
    done = run("-m", "atlas_fast.drop_in", str(program), "--one", "2", cwd=tmp_path, path=path)
    assert (done.returncode, done.stdout.strip()) == (0, "sound --one 2"), done.stderr


def test_a_module(tmp_path):
    (tmp_path / "prog.py").write_text(FORMS)
    done = run("-m", "atlas_fast.drop_in", "-m", "prog", "x", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "sound x"), done.stderr


def test_one_import(tmp_path):
    done = run("-c", "import atlas_fast.drop_in\n" + FORMS, cwd=tmp_path)
    assert done.stdout.strip() == "sound", done.stderr


def test_a_program_finds_its_neighbours_and_its_exit_code_counts(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "neighbour.py").write_text("import atlas_email.utils.domain_cache\n")
    (tmp_path / "sub" / "program.py").write_text("import neighbour, sys\nsys.exit(7)\n")
    done = run("-m", "atlas_fast.drop_in", "sub/program.py", cwd=tmp_path)
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "import atlas_fast_absent\n",
        "from os import absent\n",
        "x = = 1\n",
        "def f():\n    raise ValueError('no')\nf()\n",
        "import neighbour\n",
        "import importlib\nimportlib.import_module('absent')\n",
    ],
)
def test_an_exception_is_shown_as_python_shows_it(tmp_path, text):
    (tmp_path / "program.py").write_text(text)
    (tmp_path / "neighbour.py").write_text("import json\njson.loads('[')\n")
    env = ENV | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ENV['PYTHONPATH']}"}
    plain, ours = (
        subprocess.run(
            [sys.executable, *way, str(tmp_path / "program.py")],
            cwd=tmp_path, env=env, capture_output=True, text=True,
        )
        for way in ([], ["-m", "atlas_fast.drop_in"])
    )  # fmt: skip
    assert ours.returncode == plain.returncode == 1
    assert ours.stderr == plain.stderr and "program.py" in ours.stderr


def test_a_module_of_the_original_that_is_not_there(tmp_path):
    (tmp_path / "program.py").write_text("import atlas_email.absent\n")
    done = subprocess.run(
        [sys.executable, "-m", "atlas_fast.drop_in", "program.py"],
        cwd=tmp_path, env=ENV, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.splitlines()[1:] == [
        '  File "program.py", line 1, in <module>',
        "    import atlas_email.absent",
        "ModuleNotFoundError: No module named 'atlas_email.absent': atlas_fast.compat has none",
    ]


def test_usage(tmp_path):
    assert run("-m", "atlas_fast.drop_in", cwd=tmp_path).returncode == 2
    helped = run("-m", "atlas_fast.drop_in", "--help", cwd=tmp_path)
    assert helped.returncode == 0 and "PROGRAM" in helped.stdout


def test_the_original_that_was_imported_before_is_forgotten(tmp_path):
    package = tmp_path / "atlas_email"
    package.mkdir()
    (package / "__init__.py").write_text("mine = 1\n")
    code = (
        "import atlas_email; assert atlas_email.mine == 1\n"
        "import atlas_fast.drop_in as d; d.install()\n"
        "import atlas_email, sys; assert not hasattr(atlas_email, 'mine')\n"
        "d.uninstall(); d.uninstall()\n"
        "import atlas_email; assert atlas_email.mine == 1\n"
        "print('sound')"
    )
    done = run("-c", code, cwd=tmp_path, path=[tmp_path])
    assert done.stdout.strip() == "sound", done.stderr


def test_every_module_makes_no_file_when_it_is_imported(tmp_path):
    """The original made a database as soon as any of its modules was imported, and printed."""
    code = (
        "import atlas_fast.drop_in, importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    theirs = importlib.import_module('atlas_email.' + name)\n"
        "    assert theirs is importlib.import_module('atlas_fast.compat.' + name), name\n"
        "from atlas_email.filters.keyword_processor import KeywordProcessor\n"
        "from atlas_email.ml.feature_extractor import MLFeatureExtractor\n"
        "KeywordProcessor().process_keywords('', 'a@example.org', 'Hello')\n"
        "MLFeatureExtractor().extract_features_from_email('a@example.org', 'Hello')\n"
    )
    import json

    from compat.test_contract import CONTRACT

    done = run("-c", code, json.dumps(list(CONTRACT["modules"])), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert list(tmp_path.iterdir()) == []
