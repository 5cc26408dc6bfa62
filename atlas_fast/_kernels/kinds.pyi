import numpy as np

KINDS: int
STEPS: tuple[int, ...]

def kinds_logits(
    terms: np.ndarray, bulk: np.ndarray, weights: np.ndarray, out: np.ndarray
) -> None: ...
def kinds_choose(
    logits: np.ndarray,
    of_spam: np.ndarray,
    threshold: float,
    terms: np.ndarray,
    column: np.ndarray,
    owner: np.ndarray,
    fallback: np.ndarray,
    none: int,
    probabilities: np.ndarray,
    category: np.ndarray,
    subcategory: np.ndarray,
) -> None: ...
