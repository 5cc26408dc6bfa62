import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

FIELD_NAMES: tuple[str, ...]
TEXT_COLUMNS: tuple[str, ...]
NO_DATE: int

def headers_batch(
    messages: Messages,
    caps: tuple[int, int, int, int],
    first: NDArray[np.int16],
    body: NDArray[np.int32],
    n_fields: NDArray[np.int32],
    n_received: NDArray[np.int32],
    date: NDArray[np.int64],
    zone: NDArray[np.int32],
    fields: Bytes,
    field_indptr: NDArray[np.int64],
    texts: list[Bytes],
    text_offsets: NDArray[np.int64],
    to_name: Bytes,
    to_address: Bytes,
    to_ends: Bytes,
    to_indptr: NDArray[np.int64],
    flags: NDArray[np.uint32],
) -> None: ...
def header_ends(messages: Messages, cap: int, ends: NDArray[np.int64]) -> None: ...
def identify_field(name: Buffer) -> int: ...
