import numpy as np
from numpy.typing import NDArray

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

MEDIA_NAMES: tuple[str, ...]
ENCODING_NAMES: tuple[str, ...]
DISPOSITION_NAMES: tuple[str, ...]

def mime_batch(
    messages: Messages,
    bodies: NDArray[np.int32],
    types: NDArray[np.int32],
    encodings: NDArray[np.int32],
    dispositions: NDArray[np.int32],
    caps: tuple[int, int, int, int, int],
    text: Bytes,
    text_offsets: NDArray[np.int64],
    parts: Bytes,
    part_indptr: NDArray[np.int64],
    links: Bytes,
    link_indptr: NDArray[np.int64],
    strings: Bytes,
    n_hidden: NDArray[np.int32],
    flags: NDArray[np.uint32],
) -> None: ...
