import numpy as np

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.lexicon import Lexicon
from atlas_fast._kernels.messages import Messages

GROUPS: tuple[str, ...]
LAYOUT: int
N_BUCKETS: int
N_TEXT_BUCKETS: int
N_SEEN: int

def features_batch(
    messages: Messages,
    first: np.ndarray,
    fields: Bytes,
    field_indptr: np.ndarray,
    texts: list[Bytes],
    text_offsets: np.ndarray,
    to_indptr: np.ndarray,
    body: Bytes,
    body_offsets: np.ndarray,
    parts: Bytes,
    part_indptr: np.ndarray,
    links: Bytes,
    link_indptr: np.ndarray,
    strings: Bytes,
    n_hidden: np.ndarray,
    flags: np.ndarray,
    trusted: np.ndarray,
    lexicon: Lexicon,
    seen: np.ndarray,
    indptr: np.ndarray,
    ends: np.ndarray,
    terms: np.ndarray,
    indices: Bytes,
    data: Bytes,
) -> None: ...
