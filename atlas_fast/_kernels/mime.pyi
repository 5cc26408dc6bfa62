import numpy as np

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

MEDIA_NAMES: tuple[str, ...]
ENCODING_NAMES: tuple[str, ...]
DISPOSITION_NAMES: tuple[str, ...]

def mime_batch(
    messages: Messages,
    bodies: np.ndarray,
    types: np.ndarray,
    encodings: np.ndarray,
    dispositions: np.ndarray,
    caps: tuple[int, int, int, int, int],
    text: Bytes,
    text_offsets: np.ndarray,
    parts: Bytes,
    part_indptr: np.ndarray,
    links: Bytes,
    link_indptr: np.ndarray,
    strings: Bytes,
    n_hidden: np.ndarray,
    flags: np.ndarray,
) -> None: ...
