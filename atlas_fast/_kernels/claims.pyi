from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes

EVIDENCE_BYTES: int

def claims_batch(
    senders: Buffer,
    sender_ends: Buffer,
    evidence: Buffer,
    indptr: Buffer,
    domains: Buffer,
    dmarc: Buffer,
    dmarc_source: Buffer,
    out: Bytes,
    offsets: Buffer,
) -> None: ...
