from collections.abc import Callable, Sequence
from typing import Any, TypeVar

C = TypeVar("C")

MAX_COLUMNS: int
TEXT: int
INTEGER: int
REAL: int
BLOB: int
NONE: int

class RowTable:
    def show(self, columns: Sequence[tuple[Any, ...]], n: int) -> None: ...
    def hide(self) -> None: ...

def attach(
    library: str | None, version: str, connect: Callable[[], C]
) -> tuple[C, RowTable | None]: ...
