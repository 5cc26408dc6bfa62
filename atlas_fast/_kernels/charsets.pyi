from typing_extensions import Buffer

SINGLE_BYTE: list[str]
MULTI_BYTE: list[str]
EXTRA_NAMES: dict[str, str | None]

def decode_charset(charset: int, raw: Buffer) -> tuple[bytes, int]: ...
def charset_number(name: Buffer) -> int: ...
