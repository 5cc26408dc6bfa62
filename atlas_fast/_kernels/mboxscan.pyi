import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

def scan_mbox(
    raw: Buffer,
    start: int,
    max_bytes: int,
    trust_length: bool,
    places: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> tuple[int, int]: ...
def looks_like_separator(raw: Buffer) -> bool: ...
def states_length(raw: Buffer) -> bool: ...
