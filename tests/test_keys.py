"""Message keys: the kernel against hashlib, and what a key has to tell apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.keys import message_key

from atlas_fast._kernels.keys import KEY_BYTES, LANES_HERE, keys_batch
from atlas_fast._kernels.messages import Messages
from atlas_fast.batch import Batch

PLACES = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.from_regex(r"(cur/|new/|a1/)?[0-9]{0,20}[.a-z0-9]{0,8}", fullmatch=True),
)
LANES = [lanes for lanes in (0, 4, 8) if lanes <= LANES_HERE]
# Around the block of 128 bytes, where a last block is kept for the end.
SIZES = st.sampled_from([0, 1, 63, 127, 128, 129, 255, 256, 257, 4096])
CONTENTS = st.one_of(st.binary(max_size=300), SIZES.map(lambda size: b"x" * size))


def batch(contents, places, source):
    stops = np.cumsum([len(one) for one in contents]).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
    raw = np.frombuffer(b"".join(contents), np.uint8)
    return Batch(raw, starts, stops, source=source, places=places)


def keys_of(items, source, lanes):
    """The kernel's keys of (content, place) with so many messages at once."""
    keys = np.full((len(items), KEY_BYTES), 7, np.uint8)
    ends = np.cumsum([0, *(len(place) for _, place in items)])
    places = np.frombuffer(b"".join(place for _, place in items), np.uint8)
    messages = Messages.of_bytes([content for content, _ in items])
    keys_batch(messages, source, places, ends, keys, lanes)
    return [bytes(key) for key in keys]


@given(
    st.lists(st.tuples(CONTENTS, PLACES), min_size=1, max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=300),
)
def test_kernel_is_the_oracle(items, source):
    contents, places = zip(*items, strict=True)
    made = batch(contents, list(places), source).keys
    assert made.shape == (len(items), KEY_BYTES)
    assert [bytes(key) for key in made] == [
        message_key(source.encode(), place.encode(), content) for content, place in items
    ]


@pytest.mark.parametrize("lanes", LANES)
@given(
    st.lists(st.tuples(CONTENTS, PLACES.map(str.encode)), min_size=1, max_size=30),
    st.one_of(st.binary(max_size=20), SIZES.map(lambda size: b"s" * size)),
)
def test_lanes_are_the_oracle(lanes, items, source):
    expected = [message_key(source, place, content) for content, place in items]
    assert keys_of(items, source, lanes) == expected


@pytest.mark.parametrize("lanes", LANES)
def test_every_size_in_every_lane(lanes):
    """Sizes of content, and of source and place before it, around each border of a block."""
    rng = np.random.default_rng(1)
    for source in (b"", b"s" * 127, b"s" * 128, b"s" * 200):
        sizes = rng.permutation(np.repeat(np.arange(400), 2)).tolist()
        places = rng.integers(0, 300, len(sizes)).tolist()
        items = [(rng.bytes(a), b"p" * b) for a, b in zip(sizes, places, strict=True)]
        expected = [message_key(source, place, content) for content, place in items]
        assert keys_of(items, source, lanes) == expected


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("where", [0, 3, 8, 19])
def test_a_huge_message_among_small_ones(lanes, where):
    items = [(b"x" * (size * 7), b"%d" % size) for size in range(20)]
    items[where] = (b"huge" * 500_000, b"a/0")
    expected = [message_key(b"s", place, content) for content, place in items]
    assert keys_of(items, b"s", lanes) == expected


def test_lanes_that_the_machine_does_not_have():
    for lanes in (-1, 1, 2, 3, 16, *(n for n in (4, 8) if n > LANES_HERE)):
        with pytest.raises(ValueError, match="do not fit this machine"):
            keys_of([(b"a", b"b")], b"s", lanes)


def test_real_mail(corpus):
    some = corpus[::7]
    made = batch([raw for *_, raw in some], [f"{a}/{b}" for a, b, _ in some], "eml:/a").keys
    assert [bytes(key) for key in made] == [
        message_key(b"eml:/a", f"{a}/{b}".encode(), raw) for a, b, raw in some
    ]


def test_undecodable_names_have_keys():
    name = b"cur/12\xff".decode("utf-8", "surrogateescape")
    [key] = batch([b"x"], [name], "maildir:/a\udcff").keys
    assert bytes(key) == message_key(b"maildir:/a\xff", b"cur/12\xff", b"x")


def test_source_place_and_content_are_told_apart():
    """None of the three can borrow bytes from its neighbour."""
    cases = [("s", "ab", b"c"), ("sa", "b", b"c"), ("s", "a", b"bc"), ("s", "ab", b"d")]
    keys = {bytes(batch([content], [place], source).keys[0]) for source, place, content in cases}
    assert len(keys) == len(cases)


def test_neighbours_have_neighbouring_keys():
    made = batch([b"x"] * 4, ["8", "60", "700", "9000"], "mbox:/a").keys
    assert [bytes(key) for key in made] == sorted(bytes(key) for key in made)


def test_misuse_is_refused():
    messages = Messages.of_bytes([b"a", b"b"])
    keys = np.empty((2, KEY_BYTES), np.uint8)
    for offsets, out in (
        ([0, 1], keys), ([0, 1, 3], keys), ([0, 2, 1], keys), ([-1, 0, 1], keys),
        ([0, 1, 2], keys[:, :-1].copy()), ([0, 1, 2], keys[:1]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="do not fit"):
            keys_batch(messages, b"s", b"ab", np.array(offsets, np.int64), out)
