import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.namesets import NameSet
from atlas_fast._kernels.tables import Table

KIND: bytes
LAYOUT: int
MAX_LABEL: int
FLAGS: dict[str, int]

class Confusables:
    scripts: tuple[str, ...]
    table: Table
    def __init__(self, table: Table) -> None: ...

def look_batch(
    data: Confusables,
    brands: NameSet,
    skeletons: NameSet,
    names: Buffer,
    offsets: NDArray[np.int64],
    suffixes: NDArray[np.int32],
    spelled: Bytes,
    spelled_offsets: NDArray[np.int64],
    skeleton: Bytes,
    skeleton_offsets: NDArray[np.int64],
    scripts: NDArray[np.uint64],
    flags: NDArray[np.uint32],
    brand: NDArray[np.int32],
) -> None: ...
def decode_label(label: Buffer) -> str | None: ...
