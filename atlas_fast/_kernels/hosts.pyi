from typing_extensions import Buffer

from atlas_fast._kernels.buffers import Bytes

def hosts_batch(
    data: Buffer,
    starts: Buffer,
    stops: Buffer,
    urls: bool,
    max_size: int,
    out: Bytes,
    offsets: Buffer,
) -> None: ...
