"""Geography in each form that addresses come in, and the opening of reference data."""

import numpy as np
import pytest

from atlas_fast._kernels import geo, tables
from atlas_fast.bench.geo import material, random_addresses, random_ipv6, texts_of
from atlas_fast.errors import ReferenceDataError
from atlas_fast.reference import open as opening

N = 200_000
FORMS = ("integers", "spans", "list", "IPv6", "one")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    try:
        return material(tmp_path_factory.mktemp("geo"))
    except ReferenceDataError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.benchmark(group="geography, 200,000 addresses")
def bench_geo(benchmark, data, form):
    """The peers, and their answers, are in atlas_fast/bench/geo.py."""
    ipv4 = random_addresses(N)
    texts, wide = texts_of(ipv4), random_ipv6(data, N)
    column = np.frombuffer("".join(texts).encode(), np.uint8)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    face = data.geo
    expected = face.locate_many(ipv4)
    assert (face.locate_text(column, offsets) == expected).all()
    assert (face.locate_many(texts) == expected).all()
    assert (expected != geo.NO_ADDRESS).all()
    calls = {
        "integers": lambda: face.lookup_many(ipv4),
        "spans": lambda: face.records(face.locate_text(column, offsets)),
        "list": lambda: face.lookup_many(texts),
        "IPv6": lambda: face.lookup_many(wide),
        "one": lambda: [face.lookup(text) for text in texts],
    }
    benchmark(calls[form])


@pytest.mark.benchmark(group="opening reference data that is built")
def bench_tables(benchmark, data):
    """Size, pages and headers are checked each time; mapped and compared before."""
    folder = data.scratch / "reference"

    def opened():
        opening._registry.clear()
        return opening.open_reference(folder)

    reference = opened()
    assert reference.table(b"geo").size > tables.HEADER_BYTES
    benchmark(opened)
    benchmark.extra_info.update(bytes=reference.manifest.size)
