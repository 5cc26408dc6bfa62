import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.namesets import NameSet
from atlas_fast._kernels.suffix import SuffixRules

REASONS: dict[str, int]
TRAITS: dict[str, int]
PROVIDERS: tuple[str, ...]
CONTEXT_FROM_SENDER: int
ROW_BYTES: int

def judge_batch(
    rules: SuffixRules,
    known: NameSet,
    providers: NDArray[np.uint8],
    reputations: NDArray[np.uint8],
    preserved: NDArray[np.uint8],
    words: NameSet,
    senders: Buffer,
    sender_offsets: NDArray[np.int64],
    user_sizes: NDArray[np.int32] | None,
    domains: Buffer | None,
    domain_offsets: NDArray[np.int64] | None,
    contexts: NDArray[np.uint8],
    names: Bytes,
    name_offsets: NDArray[np.int64],
    rows: NDArray[np.uint8],
) -> None: ...
