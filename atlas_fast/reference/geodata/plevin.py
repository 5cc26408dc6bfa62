"""The data package `plevin-db-network`: networks of both families as the registries list them and
as they are announced, with country, AS number and holder."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference.geodata.ranges import Family, GeoData
from atlas_fast.reference.sources import Source, file_source

__all__ = ["PACKAGE", "find", "read"]

PACKAGE = "plevin-db-network"
LICENCE = "terms of RIPE NCC, NRO, CAIDA, PeeringDB and the registries"


def find() -> Source | None:
    """The installed package, or None."""
    if not (importlib.util.find_spec("plevin_db_network") and importlib.util.find_spec("plevin")):
        return None
    from plevin_db_network import PATH

    version = importlib.metadata.version(PACKAGE)
    year, month, day = (*version.split("."), "1", "1")[:3]
    date = f"{year}-{month:0>2}-{day:0>2}"
    return file_source(Path(PATH), PACKAGE, version, LICENCE, date, "plevin")


def read(path: str) -> GeoData:
    """All networks of the file. Raises ReferenceDataError when it is not what it should be."""
    from plevin.reader import File

    try:
        file = File(path)
        names, place = _Names(), file.sections
        asn, holder = _holders(place, names)
        codes = [code.encode("ascii") for code in file.head["vocabularies"]["countries"]]
        letters = np.array(
            [int.from_bytes(code, "little") if len(code) == 2 else 0 for code in codes], np.uint16
        )
        ipv4, country4, network4 = _family(place, "spine.v4")
        ipv6, country6, network6 = _family(place, "spine.v6")
    except (OSError, ValueError, KeyError, IndexError, EOFError) as error:
        raise ReferenceDataError(f"{path}: {error!r}") from error
    ipv4.record = np.arange(len(country4))
    ipv6.record = np.arange(len(country6)) + len(country4)
    country = letters[np.concatenate([country4, country6])]
    network = np.concatenate([network4, network6])
    return GeoData(ipv4, ipv6, country, asn[network], holder[network], names.all)


class _Names:
    """Organisations by number; 0 is the empty name."""

    def __init__(self) -> None:
        self.all = [""]
        self.numbers = {"": 0}

    def number(self, name: str) -> int:
        found = self.numbers.get(name)
        if found is None:
            found = self.numbers[name] = len(self.all)
            self.all.append(name)
        return found


def _column(section: Any) -> np.ndarray:
    blocks = [np.asarray(section.whole(i), dtype=np.int64) for i in range(section.blocks)]
    return np.concatenate(blocks)[: section.count]


def _family(place: Any, spine: str) -> tuple[Family, np.ndarray, np.ndarray]:
    index = place[spine]
    starts: list[int] = []
    for group in range(-(-index.count // index.per_group)):
        starts += index.values(group)
    packed = b"".join([start.to_bytes(16, "big") for start in starts])
    halves = np.frombuffer(packed, ">u8").reshape(-1, 2).astype(np.uint64)
    family = Family(halves[:, 0].copy(), halves[:, 1].copy(), np.zeros(0, np.int64))
    return family, _column(place[f"{spine}.country"]), _column(place[f"{spine}.network"])


def _holders(place: Any, names: _Names) -> tuple[np.ndarray, np.ndarray]:
    """AS number and organisation of each network; entry 0 is that of no network."""
    asn = np.append(0, _column(place["col.network.asn"])).astype(np.uint32)
    company = np.append(0, _column(place["col.operator.company"]))
    operator = _column(place["link.network.operator"])
    text = place["strings"]
    handles = _column(place["col.network.handle"])
    holder = [0]
    for handle, of in zip(handles.tolist(), operator.tolist(), strict=True):
        holder.append(names.number(text[int(company[of])] or text[handle]))
    return asn, np.array(holder, np.int64)
