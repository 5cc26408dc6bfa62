from typing_extensions import Buffer

GROWTH: int
DIGITS: int

def stored_texts(
    data: Buffer, offsets: Buffer, cap: int, absent: Buffer, out: Buffer, stored: Buffer
) -> int: ...
def ipv4_texts(addresses: Buffer, out: Buffer, stored: Buffer) -> int: ...
def decimal_texts(numbers: Buffer, out: Buffer, stored: Buffer) -> int: ...
