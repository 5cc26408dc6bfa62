import numpy as np

def train_linear(
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    labels: np.ndarray,
    cost_positive: float,
    cost_negative: float,
    max_passes: int,
    tolerance: float,
    seed: int,
    weights: np.ndarray,
) -> tuple[float, int]: ...
