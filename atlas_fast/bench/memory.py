"""Peak memory of whole processes: runs of several sizes, a batch held as the original holds it.

Beside each peak stands what the process had before its first message: the interpreter with numpy
alone is more than a tenth of the baseline.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_fast.errors import AtlasFastError

__all__ = ["Peak", "peak_of_run", "peaks"]

NOTE = """
import os, sys
def note(file):
    if file != "-":
        with open("/proc/self/statm") as size, open(file, "w") as out:
            out.write(str(int(size.read().split()[1]) * os.sysconf("SC_PAGESIZE")))
"""
"""Says what a process has in memory at a moment, where the system tells."""

HOLD = (
    NOTE
    + """
from email.parser import BytesHeaderParser
paths = open(sys.argv[1]).read().splitlines()
parse = BytesHeaderParser().parsebytes
held = []
try:
    from geoip2fast import GeoIP2Fast
    held.append(GeoIP2Fast())
except ImportError:
    pass
note(sys.argv[3])
for number in range(int(sys.argv[2])):
    with open(paths[number % len(paths)], "rb") as file:
        held.append(parse(file.read()))
assert len(held) >= int(sys.argv[2])
"""
)
"""Headers of a whole batch as message objects, and a geography object: what the original keeps
while it works on a batch. At rest it has the modules and that object."""

WAIT = (
    NOTE
    + """
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from atlas_fast import cli
from atlas_fast.sources.synthetic import Synthetic
def batches(source, *where):
    note(sys.argv[1])
    return iter(())
Synthetic.batches = batches
sys.exit(cli.main(sys.argv[2:]))
"""
)
"""A run up to its first message: modules, model and tables, the store open; no worker yet."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Peak resident memory of a process, in bytes; `rest`: what it had before its first message,
    None where the system does not tell."""

    name: str
    messages: int
    bytes: int
    rest: int | None

    @property
    def above(self) -> int | None:
        """What the messages added."""
        return None if self.rest is None else self.bytes - self.rest


def peaks(paths: Sequence[Path], scratch: Path, sizes: Sequence[int], held: int) -> list[Peak]:
    """Runs over generated mail of `sizes` into new stores with two workers; `held` messages held
    by the baseline."""
    found, rest = [], _rest_of_run(scratch)
    for size in sizes:
        peak = peak_of_run(f"synthetic:{size},7", scratch / f"memory-{size}.db", 2)
        found.append(Peak(f"atlas_fast run, {size:,} messages", size, peak, rest))
    listed, noted = scratch / "paths.txt", scratch / "rest.txt"
    listed.write_text("\n".join(map(str, paths)))
    hold = [sys.executable, "-P", "-c", HOLD, str(listed), str(held)]
    peak = _peak([*hold, "-"])
    rest = _noted(noted, [*hold, str(noted)])
    found.append(Peak(f"baseline, headers of {held:,} messages held", held, peak, rest))
    return found


def peak_of_run(source: str, store: Path, workers: int) -> int:
    """Bytes of a whole `atlas-fast run` into a new store, which is taken away again."""
    try:
        return _peak([sys.executable, "-P", "-m", "atlas_fast", *_run(source, store, workers)])
    finally:
        _clear(store)


def _rest_of_run(scratch: Path) -> int | None:
    store, noted = scratch / "memory-rest.db", scratch / "rest.txt"
    run = _run("synthetic:1,7", store, 2)
    try:
        return _noted(noted, [sys.executable, "-P", "-c", WAIT, str(noted), *run])
    finally:
        _clear(store)


def _run(source: str, store: Path, workers: int) -> list[str]:
    return ["run", source, "--workers", str(workers), "--store", str(store)]


def _clear(store: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{store}{suffix}").unlink(missing_ok=True)


def _noted(file: Path, command: Sequence[str]) -> int | None:
    """What a process notes in the file."""
    if not Path("/proc/self/statm").exists():
        return None
    _peak(command)
    try:
        return int(file.read_text())
    finally:
        file.unlink()


START = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process between: a child begins with the peak of the process that started it."""


def _peak(command: Sequence[str]) -> int:
    """Bytes, as the kernel counted them for the finished process."""
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", START, *command], capture_output=True, check=False
    )
    if done.returncode:
        raise AtlasFastError(
            f"{' '.join(command[:5])} ended with {done.returncode}: {done.stderr!r}"
        )
    return int(done.stdout) * 1024
