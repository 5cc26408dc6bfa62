"""Fixtures: real mail where it is at hand."""

import atexit
import os
import shutil
import signal
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Real machines stall: an example may take long, a run may not; CI draws the same examples always.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# Tests' child processes import the installed package, not a checkout without built kernels.
os.environ["PYTHONSAFEPATH"] = "1"

# A job in the background of a script begins with Ctrl-C ignored, and so would the tests' children.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Nothing is read from, or written to, the user's folders; children of the tests share these.
for name in ("ATLAS_FAST_REFERENCE", "ATLAS_FAST_CACHE"):
    if name not in os.environ:
        os.environ[name] = tempfile.mkdtemp(prefix="atlas-fast-tests-")
        atexit.register(shutil.rmtree, os.environ[name], ignore_errors=True)

# Debian 12 has Python 3.11.2, whose tarfile has no filters yet.
SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
CORPORA = Path(os.environ.get("ATLAS_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory):
    archive = CORPORA / "spamassassin.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no real mail: {archive} is absent (set ATLAS_CORPORA)")
    where = tmp_path_factory.mktemp("corpus")
    with tarfile.open(archive) as tar:
        tar.extractall(where, **SAFE)
    return where / "spamassassin"


@pytest.fixture(scope="session")
def corpus(corpus_dir):
    """(folder, file name, bytes) of every message, sorted."""
    return [
        (path.parent.name, path.name, path.read_bytes())
        for path in sorted(corpus_dir.glob("*/*.eml"))
    ]
