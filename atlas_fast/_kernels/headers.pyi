import numpy as np
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

FIELD_NAMES: tuple[str, ...]
TEXT_COLUMNS: tuple[str, ...]
NO_DATE: int

def headers_batch(
    messages: Messages,
    caps: tuple[int, int, int, int],
    first: np.ndarray,
    body: np.ndarray,
    n_fields: np.ndarray,
    n_received: np.ndarray,
    date: np.ndarray,
    zone: np.ndarray,
    fields: Bytes,
    field_indptr: np.ndarray,
    texts: list[Bytes],
    text_offsets: np.ndarray,
    to_name: Bytes,
    to_address: Bytes,
    to_ends: Bytes,
    to_indptr: np.ndarray,
    flags: np.ndarray,
) -> None: ...
def identify_field(name: Buffer) -> int: ...
