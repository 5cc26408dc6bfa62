import numpy as np

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
    groups: np.ndarray,
    top: np.ndarray,
    share: np.ndarray,
) -> None: ...
