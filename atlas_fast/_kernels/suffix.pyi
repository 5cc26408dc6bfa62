from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.tables import Table

KIND: bytes
LAYOUT: int
FLAGS: dict[str, int]
PRIVATE: int
UNKNOWN: int
ADDRESS: int
EMPTY: int

class SuffixRules:
    count: int
    table: Table
    def __init__(self, table: Table) -> None: ...

def suffix_batch(
    rules: SuffixRules,
    data: Buffer,
    offsets: NDArray[np.int64],
    private: bool,
    registrable: NDArray[np.int32],
    suffix: NDArray[np.int32],
    stops: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> None: ...
def suffix_texts(
    rules: SuffixRules, names: Iterable[str | bytes], private: bool, registrable: bool
) -> list[str | None]: ...
def filter_bit(mixed: int, size: int) -> int: ...
def hash_name(name: Buffer) -> int: ...
