import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.messages import Messages

KEY_BYTES: int
LANES_HERE: int

def keys_batch(
    messages: Messages,
    source: bytes,
    places: Buffer,
    offsets: NDArray[np.int64],
    keys: NDArray[np.uint8],
    lanes: int = ...,
) -> None: ...
