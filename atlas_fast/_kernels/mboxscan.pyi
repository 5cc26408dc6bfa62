import numpy as np
from typing_extensions import Buffer

def scan_mbox(
    raw: Buffer,
    start: int,
    max_bytes: int,
    trust_length: bool,
    places: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
) -> tuple[int, int]: ...
def looks_like_separator(raw: Buffer) -> bool: ...
def states_length(raw: Buffer) -> bool: ...
