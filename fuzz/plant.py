"""Prove the harness: faults planted into a copy of the kernels must be found within a minute each.

Each plant is one change of the source text, behind conditions that random bytes do not meet. All go
into one build; the fuzzer starts from an empty corpus and must report the wanted kind of error in
the wanted function.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import build

SECONDS = 60


@dataclass(frozen=True)
class Plant:
    target: str
    kernel: str
    old: str
    new: str
    report: str
    function: str
    what: str


PLANTS = [
    Plant(
        "words", "words",
        "        if word.base64:\n",
        "        if word.base64 and buf[word.after] != 1:\n",
        "heap-buffer-overflow", "words_append",
        "read of the byte behind a base64 word that ends the input",
    ),
    Plant(
        "mime", "mime",
        "        if w.stop - pos < 2:\n",
        "        if w.stop - pos < 1:\n",
        "heap-buffer-overflow", "_walk",
        "read behind a last line `-` inside an open multipart",
    ),
]  # fmt: skip


def planted(root: Path, into: Path) -> None:
    """Copy what the build reads, and change it."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, into / name)
    for folder in ("src_pyx", "atlas_fast", "fuzz"):
        shutil.copytree(root / folder, into / folder, ignore=shutil.ignore_patterns("*.so"))
    for plant in PLANTS:
        path = into / "src_pyx/atlas_fast/_kernels" / f"{plant.kernel}.pyx"
        text = path.read_text()
        if text.count(plant.old) != 1:
            raise SystemExit(f"plant: the place in {plant.kernel}.pyx has changed: {plant.old!r}")
        path.write_text(text.replace(plant.old, plant.new))


def trial(fuzz: Callable) -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        root, where = Path(folder) / "tree", Path(folder) / "build"
        root.mkdir()
        planted(build.ROOT, root)
        build.build(where, "clang", root)
        for number, plant in enumerate(PLANTS):
            begin = time.monotonic()
            corpus, found = Path(folder) / f"corpus{number}", Path(folder) / f"found{number}"
            done = fuzz(where, plant.target, SECONDS, corpus, found)
            seconds = time.monotonic() - begin
            seen = plant.report in done.stderr and plant.function in done.stderr
            missed += not seen
            answer = f"found after {seconds:.1f} s" if seen else f"NOT found in {seconds:.0f} s"
            print(f"{plant.target}: {plant.what}: {answer}", flush=True)
            if not seen:
                print(done.stderr[-3000:])
    return 1 if missed else 0
