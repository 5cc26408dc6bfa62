import numpy as np
from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.messages import Messages

KINDS: tuple[str, ...]
SOURCES: tuple[str, ...]
SIGNALS: tuple[str, ...]

def evidence_batch(
    messages: Messages,
    first: np.ndarray,
    fields: Bytes,
    field_indptr: np.ndarray,
    border: np.ndarray,
    ids: Buffer,
    id_ends: np.ndarray,
    below: bool,
    caps: tuple[int, ...],
    evidence: Bytes,
    indptr: np.ndarray,
    domains: Bytes,
    results: np.ndarray,
    arc_sets: np.ndarray,
    signals: np.ndarray,
    untrusted: np.ndarray,
    counted: np.ndarray,
) -> None: ...
def verdict_batch(
    senders: Buffer,
    sender_ends: np.ndarray,
    sender_org: np.ndarray,
    evidence: Bytes,
    indptr: np.ndarray,
    domains: Bytes,
    org: np.ndarray,
    results: np.ndarray,
    columns: np.ndarray,
    modifier: np.ndarray,
) -> None: ...
