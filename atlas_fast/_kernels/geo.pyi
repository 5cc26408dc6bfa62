from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

from atlas_fast._kernels.tables import Table

T = TypeVar("T", bound=tuple[Any, ...])

UNKNOWN: int
NO_ADDRESS: int

class GeoTable:
    n_records: int
    n_organisations: int
    def __init__(self, table: Table) -> None: ...

def locate_ipv4(table: GeoTable, addresses: NDArray[np.uint32], ids: NDArray[np.int32]) -> None: ...
def locate_ipv6(table: GeoTable, addresses: NDArray[np.uint8], ids: NDArray[np.int32]) -> None: ...
def locate_text(
    table: GeoTable, data: Buffer, offsets: NDArray[np.int64], ids: NDArray[np.int32]
) -> None: ...
def locate_items(table: GeoTable, items: list[object], ids: NDArray[np.int32]) -> None: ...
def locate(table: GeoTable, item: object) -> int: ...
def kept_record(
    table: GeoTable, item: object, kept: dict[int, tuple[Any, ...]], form: type[T]
) -> T | None: ...
def gather(
    table: GeoTable,
    ids: NDArray[np.int32],
    country: NDArray[np.uint16],
    asn: NDArray[np.uint32],
    organisation: NDArray[np.int32],
) -> None: ...
def record(table: GeoTable, number: int) -> tuple[int, int, int]: ...
def organisation_name(table: GeoTable, number: int) -> str: ...
