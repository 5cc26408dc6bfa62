"""Mail for the benchmarks: real where it is at hand, generated otherwise."""

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from atlas_fast.bench.material import material

# Debian 12 has Python 3.11.2, whose tarfile has no filters yet.
SAFE: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
CORPORA = Path(os.environ.get("ATLAS_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))
GENERATED = 2_000


@pytest.fixture(scope="session")
def mail(tmp_path_factory):
    """A Material: .eml files and an mbox of the same messages."""
    archive, corpus = CORPORA / "spamassassin.tar.xz", None
    if archive.is_file():
        corpus = tmp_path_factory.mktemp("corpus")
        with tarfile.open(archive) as tar:
            tar.extractall(corpus, **SAFE)
    with material(corpus, GENERATED) as data:
        yield data
