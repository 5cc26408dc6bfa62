from typing_extensions import Buffer

LATIN: str
TWINS: str

def fold_text(text: Buffer) -> bytes: ...
def tokens_of(text: Buffer) -> list[tuple[int, int, int, int]]: ...
