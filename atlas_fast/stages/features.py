"""Feature rows of a batch: a CSR matrix."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.features import GROUPS, LAYOUT, N_SEEN, features_batch
from atlas_fast._kernels.features import N_BUCKETS as BUCKETS
from atlas_fast._kernels.lexicon import KIND, Lexicon
from atlas_fast.auth import AuthColumns
from atlas_fast.batch import Batch
from atlas_fast.classify.lexicon import lexicon, terms_digest
from atlas_fast.headers import FIELD_NAMES, HeaderColumns
from atlas_fast.mime import MimeColumns
from atlas_fast.reference.open import open_existing

__all__ = ["BUCKETS", "GROUPS", "LAYOUT", "Features", "current_lexicon", "extract", "run"]

_scratch = threading.local()


@dataclass
class Features:
    """CSR rows: `indptr` int64 (n + 1,), `indices` int32 below BUCKETS, `data` float32; `ends`
    int32 (n, len(GROUPS)): where each group ends within its row; `terms` uint8 (n, categories of
    the lexicon): its terms in text and subject, 255 at most; `bulk` bool (n,): has
    List-Unsubscribe and no List-Post, as mail of a sender to its customers has."""

    indptr: np.ndarray
    ends: np.ndarray
    terms: np.ndarray
    bulk: np.ndarray
    _indices: Bytes
    _data: Bytes

    @cached_property
    def indices(self) -> np.ndarray:
        return np.frombuffer(self._indices, np.int32)

    @cached_property
    def data(self) -> np.ndarray:
        return np.frombuffer(self._data, np.float32)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def take(self, rows: np.ndarray) -> Features:
        """A copy of these rows, in this order."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        at = np.repeat(self.indptr[:-1][rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        made = Features(
            indptr, self.ends[rows], self.terms[rows], self.bulk[rows], Bytes(), Bytes()
        )
        made.indices, made.data = self.indices[at], self.data[at]
        return made


def scratch() -> np.ndarray:
    """Scratch of the kernel: one array a thread."""
    array: np.ndarray | None = getattr(_scratch, "seen", None)
    if array is None:
        array = _scratch.seen = np.empty(N_SEEN, np.uint32)
    return array


@lru_cache(maxsize=1)
def current_lexicon() -> Lexicon:
    """The automaton over the shipped terms: the one of the reference data, where a generation is
    there that was made from this very file; else it is made here, in a tenth of a second.

    It is copied out of the map: its kernel follows positions that were checked once.
    """
    found = open_existing()
    if found is None or found.manifest is None or KIND not in found:
        return lexicon()
    name, manifest = KIND.decode(), found.manifest
    digests = [one.digest for one in manifest.sources.get(name, ())]
    if digests != [terms_digest()]:
        return lexicon()
    table = found.table(KIND).copied()
    if table.checksum().hex() != manifest.tables[name].checksum:
        return lexicon()
    try:
        return Lexicon(table)
    except ValueError:
        return lexicon()


def extract(
    headers: HeaderColumns, mime: MimeColumns, trusted: np.ndarray | None = None
) -> Features:
    """Features of messages whose header and MIME columns are filled. `trusted` int32 (n,): number
    of the Authentication-Results field that counts, -1 for none, as AuthColumns.counted; found
    here when it is not given, as no configured names say."""
    words = current_lexicon()
    if trusted is None:
        trusted = _trusted(headers)
    made = Features(
        np.empty(len(headers) + 1, np.int64),
        np.empty((len(headers), len(GROUPS)), np.int32),
        np.empty((len(headers), words.n_categories), np.uint8),
        headers.has("List-Unsubscribe") & ~headers.has("List-Post"),
        Bytes(),
        Bytes(),
    )
    inputs = [*headers.for_features(), *mime.for_features(), headers.flags, trusted]
    inputs += [words, scratch(), made.indptr, made.ends, made.terms, made._indices, made._data]
    features_batch(*inputs)
    return made


def run(batch: Batch) -> None:
    """Fill `features`."""
    assert batch.headers is not None and batch.mime is not None, "parse comes before features"
    auth = getattr(batch.enrichment, "auth", None)
    trusted = None if auth is None else auth.counted
    batch.features = extract(batch.headers, batch.mime, trusted)


RESULTS = FIELD_NAMES.index("Authentication-Results")


def _trusted(headers: HeaderColumns) -> np.ndarray:
    """The field of results that counts in each message; few ask where no message has one."""
    if (headers.first[:, RESULTS] < 0).all():
        return np.full(len(headers), -1, np.int32)
    return AuthColumns(headers).counted
