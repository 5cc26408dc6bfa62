"""The feature kernel against scikit-learn's HashingVectorizer, on the same texts.

Both make words and pairs of words, hashed into 2**18 columns, presence only, unit rows. The kernel
reads the text column as the MIME kernel leaves it; the vectorizer gets the same texts as str, made
beforehand. `all groups` is the whole feature row: subject, links, parts, identity as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from atlas_fast.bench.paired import Contestant


def contestants(messages: Sequence[bytes]) -> tuple[list[Contestant], list[str]]:
    """The kernel over words alone first, then over all groups, then scikit-learn."""
    from atlas_fast._kernels.buffers import Bytes
    from atlas_fast._kernels.features import N_SEEN
    from atlas_fast._kernels.wording import word_rows
    from atlas_fast.headers import parse_many
    from atlas_fast.mime import MimeColumns
    from atlas_fast.stages.features import BUCKETS, extract

    headers = parse_many(messages)
    parts = MimeColumns(headers)
    texts = parts.text.tolist()
    n = len(messages)

    def words() -> tuple[np.ndarray, Any, Any]:
        made = np.empty(n + 1, np.int64), Bytes(), Bytes()
        word_rows(parts.for_features()[0], parts.text_offsets, np.empty(N_SEEN, np.uint32), *made)
        return made

    rows = [
        Contestant("atlas_fast, words and pairs", words, n, "word rows of the text column"),
        Contestant(
            "atlas_fast, all groups", lambda: extract(headers, parts), n, "whole feature rows"
        ),
    ]
    if not find_spec("sklearn"):
        return rows, ["scikit-learn"]
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        ngram_range=(1, 2), n_features=BUCKETS, binary=True, alternate_sign=False
    )
    step = max(1, n // 600)
    some = texts[::step]
    rows.append(
        Contestant(
            "HashingVectorizer, words and pairs", lambda: vectorizer.transform(some), len(some),
            "scikit-learn's transform of the same texts, every k-th",
        )
    )  # fmt: skip
    return rows, []
