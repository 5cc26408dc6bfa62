"""Scripts that need a process of their own (tests/isolated/): each prints `sound` at its end."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from atlas_fast.bench.server import find_programs

FOLDER = Path(__file__).parent / "isolated"
EXIT_CODE = {"exit_in_the_middle": 7}
NEEDS_SERVER = {"kill_server"}
UNDER_SANITIZER = "the sanitizer keeps freed memory, so size says nothing"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-X", "faulthandler", *arguments],
        capture_output=True, text=True, timeout=240, check=False,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("script", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_isolated(script):
    if script == "leak" and os.environ.get("ATLAS_FAST_SANITIZED"):
        pytest.skip(UNDER_SANITIZER)
    if script in NEEDS_SERVER and (find_programs() is None or find_spec("psycopg") is None):
        pytest.skip("PostgreSQL or psycopg is not installed")
    done = run(str(FOLDER / f"{script}.py"))
    assert done.stdout == "sound\n", done.stdout + done.stderr
    assert done.returncode == EXIT_CODE.get(script, 0), done.stderr


def test_there_are_scripts():
    assert len(list(FOLDER.glob("*.py"))) >= 5
