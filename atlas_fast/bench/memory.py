"""Peak memory of whole processes: runs of several sizes, a batch held as the original holds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_fast.errors import AtlasFastError

__all__ = ["Peak", "peak_of_run", "peaks"]

HOLD = """
import sys
from email.parser import BytesHeaderParser
paths = open(sys.argv[1]).read().splitlines()
parse = BytesHeaderParser().parsebytes
held = []
for number in range(int(sys.argv[2])):
    with open(paths[number % len(paths)], "rb") as file:
        held.append(parse(file.read()))
try:
    from geoip2fast import GeoIP2Fast
    held.append(GeoIP2Fast())
except ImportError:
    pass
assert len(held) >= int(sys.argv[2])
"""
"""Headers of a whole batch as message objects, and a geography object: what the original keeps
while it works on a batch."""


@dataclass(frozen=True, slots=True)
class Peak:
    """Peak resident memory of a process, in bytes."""

    name: str
    messages: int
    bytes: int


def peaks(paths: Sequence[Path], scratch: Path, sizes: Sequence[int], held: int) -> list[Peak]:
    """Runs over generated mail of `sizes` into new stores with two workers; `held` messages held
    by the baseline."""
    found = []
    for size in sizes:
        peak = peak_of_run(f"synthetic:{size},7", scratch / f"memory-{size}.db", 2)
        found.append(Peak(f"atlas_fast run, {size:,} messages", size, peak))
    listed = scratch / "paths.txt"
    listed.write_text("\n".join(map(str, paths)))
    peak = _peak([sys.executable, "-P", "-c", HOLD, str(listed), str(held)])
    found.append(Peak(f"baseline, headers of {held:,} messages held", held, peak))
    return found


def peak_of_run(source: str, store: Path, workers: int) -> int:
    """Bytes of a whole `atlas-fast run` into a new store, which is taken away again."""
    run = ["-m", "atlas_fast", "run", source, "--workers", str(workers), "--store", str(store)]
    try:
        return _peak([sys.executable, "-P", *run])
    finally:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{store}{suffix}").unlink(missing_ok=True)


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
