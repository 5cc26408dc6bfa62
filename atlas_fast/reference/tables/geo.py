"""Table `geo`: ranges of both families to country, AS number and organisation.

Made from the MMDB files that the user named; what they do not have (countries, or AS numbers)
comes from the installed data package.
"""

from __future__ import annotations

from collections.abc import Sequence

from atlas_fast.reference.sources import Named, Source

NAME = b"geo"
LAYOUT = 1


def sources(named: Named) -> list[Source]:
    from atlas_fast.reference.geodata import mmdb, plevin

    found = [mmdb.find(path) for path in named.get("mmdb", ())]
    package = plevin.find()
    return found if package is None else [*found, package]


def compile(sources: Sequence[Source]) -> tuple[int, bytes]:
    from atlas_fast.reference.geodata import mmdb, payload, plevin, ranges

    readers = {"mmdb": mmdb.read, "plevin": plevin.read}
    data: list[ranges.GeoData] = []
    for source in sources:
        # The package comes last; it is not read when the named files have all.
        if not (any(one.has_country for one in data) and any(one.has_asn for one in data)):
            data.append(readers[source.kind](source.path))
    return payload.encode(ranges.merge(data))
