import numpy as np

from atlas_fast._kernels.buffers import Bytes

def score_batch(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    weights: np.ndarray,
    bias: float,
    out: np.ndarray,
) -> None: ...
def contributions_batch(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    bias: float,
    logits: np.ndarray,
    groups: np.ndarray,
    top: np.ndarray,
    of: np.ndarray,
    share: np.ndarray,
) -> None: ...
def reasons_text(
    groups: np.ndarray,
    top: np.ndarray,
    of: np.ndarray,
    share: np.ndarray,
    layout: int,
    largest: int,
    out: Bytes,
    offsets: np.ndarray,
) -> None: ...
