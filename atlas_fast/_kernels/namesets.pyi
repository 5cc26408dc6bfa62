from collections.abc import Iterable

from typing_extensions import Buffer

class NameSet:
    count: int
    longest: int
    def __init__(self, names: Iterable[bytes]) -> None: ...
    def __len__(self) -> int: ...
    def position(self, name: Buffer) -> int: ...
