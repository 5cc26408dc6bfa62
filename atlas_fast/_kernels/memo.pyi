from typing_extensions import Buffer

WAYS: int
FIRST_ENTRIES: int
SEAL_BYTES: int
MAX_VALUE_BYTES: int
GOOD: int
STALE: int
EXPIRED: int
DAMAGED: int

class Memo:
    def __init__(self, capacity: int, value_size: int, first: int = 1024) -> None: ...
    def __len__(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def value_size(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    def get_batch(self, keys: Buffer, now: int, values: Buffer, found: Buffer) -> int: ...
    def put_batch(self, keys: Buffer, expires: Buffer, values: Buffer, now: int) -> None: ...
    def clear(self) -> None: ...
    def counters(self) -> dict[str, int]: ...

def seal_batch(
    keys: Buffer, expires: Buffer, values: Buffer, stamp: int, secret: Buffer, out: Buffer
) -> None: ...
def unseal_batch(
    rows: Buffer,
    keys: Buffer,
    stamp: int,
    now: int,
    secret: Buffer,
    values: Buffer,
    expires: Buffer,
    state: Buffer,
) -> int: ...
