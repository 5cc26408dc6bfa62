"""Seeds: what the fuzzer starts from, and what CI replays without it.

Kept ones stand in seeds/TARGET.b64, an input a line: a choice of what earlier runs found, and every
input that once failed. Others are made from the test vectors and from generated mail. The first
byte of an input is the choice of `targets.pyx`: 1 says "as it is".
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "tests" / "vectors"
MAX_INPUTS = 150
MAX_INPUT = 500  # bytes
N_GENERATED = 60


def kept(target: str) -> list[bytes]:
    path = HERE / "seeds" / f"{target}.b64"
    return [base64.b64decode(line) for line in path.read_text().split()] if path.exists() else []


def from_vectors(target: str) -> Iterator[bytes]:
    path = VECTORS / f"{target}.json"
    if path.exists():
        for vector in json.loads(path.read_text()):
            if isinstance(vector, dict) and isinstance(vector.get("raw"), str):
                yield b"\x01" + vector["raw"].encode("utf-8", "surrogateescape")


def generated(target: str) -> Iterator[bytes]:
    """Mail of the synthetic source; needs an importable atlas_fast, compiled or not by clang."""
    if target not in ("message", "mboxscan"):
        return
    from atlas_fast.sources import open_source

    for batch in open_source(f"synthetic:{N_GENERATED},1").batches(N_GENERATED, 1 << 24):
        raw = bytes(batch.raw)
        for start, stop in zip(batch.starts.tolist(), batch.stops.tolist(), strict=True):
            message = raw[start:stop]
            if target == "mboxscan":
                message = b"From a@b.example Mon Jan  1 00:00:00 2001\n" + message[:700]
                message += b"\n" + message
            yield b"\x01" + message[:4000]


def unpack(target: str, folder: Path, with_generated: bool = True) -> int:
    """Write all seeds of a target into a folder, one file each; returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    inputs = [*kept(target), *from_vectors(target)]
    if with_generated:
        inputs += generated(target)
    for data in inputs:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)
    return len(inputs)


def pack(target: str, folder: Path) -> int:
    """Keep a choice of a minimised folder, spread over all sizes, and all that was kept before."""
    lines = dict.fromkeys(kept(target))
    files = sorted((path.read_bytes() for path in folder.iterdir()), key=lambda d: (len(d), d))
    fitting = [data for data in files if len(data) <= MAX_INPUT]
    for data in fitting[:: -(-len(fitting) // MAX_INPUTS) or 1]:
        if len(lines) < MAX_INPUTS:
            lines[data] = None
    text = "".join(base64.b64encode(data).decode() + "\n" for data in lines)
    (HERE / "seeds" / f"{target}.b64").write_text(text)
    return len(lines)
