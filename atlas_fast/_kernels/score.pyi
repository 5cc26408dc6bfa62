import numpy as np

def score_batch(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    weights: np.ndarray,
    bias: float,
    out: np.ndarray,
) -> None: ...
