from typing_extensions import Buffer

MAX_ROWS: int

def intern_batch(
    data: Buffer, starts: Buffer, stops: Buffer, key: Buffer, ids: Buffer, first: Buffer
) -> int: ...
def hash_batch(data: Buffer, starts: Buffer, stops: Buffer, key: Buffer, out: Buffer) -> None: ...
