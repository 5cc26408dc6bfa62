import numpy as np
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

RANGE_CODES: dict[str, int]
REASONS: tuple[str, ...]

def origin_batch(
    messages: Messages,
    first: np.ndarray,
    fields: Bytes,
    field_indptr: np.ndarray,
    starts: np.ndarray,
    codes: np.ndarray,
    names: Buffer,
    name_ends: np.ndarray,
    caps: tuple[int, int],
    address: np.ndarray,
    family: np.ndarray,
    hop: np.ndarray,
    border: np.ndarray,
    reason: np.ndarray,
) -> None: ...
