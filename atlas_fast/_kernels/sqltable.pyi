from collections.abc import Callable, Sequence
from typing import Any, TypeVar

C = TypeVar("C")

MAX_COLUMNS: int
FUNCTIONS: tuple[str, ...]
TEXT: int
INTEGER: int
REAL: int
BLOB: int
NONE: int

class RowTable:
    def show(self, columns: Sequence[tuple[Any, ...]], n: int) -> None: ...
    def hide(self) -> None: ...

def attach(
    functions: Sequence[int], version: str, connect: Callable[[], C]
) -> tuple[C, RowTable | None]: ...
