"""Labelled mail: the label is in the name of the folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from atlas_fast import limits
from atlas_fast.errors import SourceError, UsageError
from atlas_fast.sources import open_source
from atlas_fast.stages import features, parse


@dataclass(frozen=True)
class Labelled:
    """Features of labelled messages: CSR rows, `labels` int8 (1 spam, -1 ham), `names` of files."""

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    labels: np.ndarray
    names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Labelled:
        """The rows of these numbers, in this order."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        at = np.repeat(self.indptr[rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        names = [self.names[row] for row in rows]
        return Labelled(indptr, self.indices[at], self.data[at], self.labels[rows], names)

    def fold(self, folds: int) -> np.ndarray:
        """int64 (n,): the fold of each message, by a hash of its file name."""
        return np.array([fold_of(name, folds) for name in self.names])


def fold_of(name: str, folds: int) -> int:
    """BLAKE2b of the file name, modulo the number of folds."""
    raw = os.path.basename(name).encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big") % folds


def label_of(folder: Path) -> int:
    """1 for a folder named *spam*, -1 for *ham*, 0 for neither; UsageError for both."""
    name = folder.name.lower()
    spam, ham = "spam" in name, "ham" in name
    if spam and ham:
        raise UsageError(f"{folder}: the name says both ham and spam")
    return spam - ham


def labelled_folders(folders: Sequence[str | Path]) -> list[tuple[Path, int]]:
    """(folder, label) of the given folders, or of the labelled folders right below them."""
    found = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder")
        label = label_of(folder.resolve()) if not _labelled_below(folder) else 0
        below = [(folder, label)] if label else _labelled_below(folder)
        if not below:
            raise UsageError(f"{folder}: no folder named *ham* or *spam* here")
        found += below
    return found


def _labelled_below(folder: Path) -> list[tuple[Path, int]]:
    below = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    return [(path, label_of(path)) for path in below if label_of(path)]


def read_labelled(folders: Sequence[str | Path]) -> Labelled:
    """Read labelled folders into features. UsageError when one of the two labels is missing."""
    indptr, indices, data, labels = [np.zeros(1, np.int64)], [], [], []
    names: list[str] = []
    total = 0
    for folder, label in labelled_folders(folders):
        source = open_source(str(folder))
        for batch in source.batches(limits.BATCH_MESSAGES, limits.BATCH_BYTES):
            parse.run(batch)
            features.run(batch)
            rows = batch.features
            indptr.append(rows.indptr[1:] + total)
            total += int(rows.indptr[-1])
            indices.append(rows.indices)
            data.append(rows.data)
            labels.append(np.full(len(batch), label, np.int8))
            names += batch.places
    joined = np.concatenate(labels) if labels else np.zeros(0, np.int8)
    if not (joined > 0).any() or not (joined < 0).any():
        raise UsageError("both ham and spam are needed, in folders named *ham* and *spam*")
    return Labelled(
        np.concatenate(indptr), np.concatenate(indices), np.concatenate(data), joined, names
    )
