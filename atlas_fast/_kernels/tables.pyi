from typing_extensions import Buffer

HEADER_BYTES: int
MAGIC: bytes

class Table:
    count: int
    size: int
    @staticmethod
    def of_value(value: Buffer, owner: object, kind: bytes, layout: int) -> Table: ...
    @staticmethod
    def of_copy(value: Buffer, kind: bytes, layout: int) -> Table: ...
    def checksum(self) -> bytes: ...

def digest(payload: Buffer) -> bytes: ...
def pack(
    kind: bytes, layout: int, count: int, payload: Buffer, date: int = 0, source: bytes = b""
) -> bytes: ...
