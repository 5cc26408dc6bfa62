import numpy as np
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes

def word_rows(
    text: Bytes,
    offsets: np.ndarray,
    seen: np.ndarray,
    indptr: np.ndarray,
    indices: Bytes,
    data: Bytes,
) -> None: ...
def word_columns(text: Buffer, subject: bool = False) -> list[tuple[int, int, int]]: ...
