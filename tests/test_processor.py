"""The ways to do a thing (processor.pxd) that this machine would not take by itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
KERNELS = TESTS.parent / "src_pyx" / "atlas_fast" / "_kernels"
WAYS = ["plain", "avx2", "avx512"]
AGREE = "agree or every_place or across_the_border"
SLOW = "corpus or lines or any_bytes or caps"


def child(most, *arguments):
    environment = os.environ | {"ATLAS_FAST_PROCESSOR": most}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=TESTS.parent, capture_output=True, text=True
    )  # fmt: skip


def taken(most):
    code = "from atlas_fast._version import build_info; print(build_info()['processor'])"
    return child(most, "-c", code).stdout.strip()


def test_no_more_is_taken_than_the_machine_has():
    here = taken("")
    for most, limit in (("plain", 0), ("avx2", 1), ("avx512", 2), ("other", 2)):
        assert taken(most) == WAYS[min(limit, WAYS.index(here))]


def test_kernels_ask():
    """Each module has an answer of its own; one that does not ask takes the plain way."""
    for path in KERNELS.glob("*.pyx"):
        text = path.read_text()
        if re.search(r"_kernels\.(classes|counts|lanes|shares) cimport", text):
            assert "processor_ask()\n" in text, path


@pytest.mark.parametrize("most", ["plain", "avx2"])
def test_all_ways_agree_with_the_oracles(most):
    files = [
        str(TESTS / f"test_{name}.py") for name in ("folding", "lexicon", "features", "reasons")
    ]
    selected = f"({AGREE}) and not ({SLOW})"
    done = child(most, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", selected, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout and "skipped" not in done.stdout, done.stdout
