"""Labelled mail: the label is in the name of the folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast.classify.kinds import read_kinds
from atlas_fast.classify.lessons import content_digest
from atlas_fast.errors import SourceError, UsageError
from atlas_fast.headers import parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.sources import open_source
from atlas_fast.stages import features, parse


@dataclass(frozen=True)
class Labelled:
    """Features of labelled messages: CSR rows, `ends` of their groups, `terms` of the lexicon and
    `bulk` as stages.features.Features has them, `labels` int8 (1 spam, -1 ham), `kinds` int8
    (position in records.CATEGORIES, -1 where nobody said), file `names`. `skipped`:
    messages that were left out because a model was corrected with them; `problems`: what could
    not be read, one line each."""

    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    ends: np.ndarray
    terms: np.ndarray
    bulk: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    names: list[str]
    skipped: int = 0
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def left_out(self) -> dict[str, Any]:
        """What is not among the messages, for a report."""
        return {"skipped": self.skipped, "problems": list(self.problems)}

    def take(self, rows: np.ndarray) -> Labelled:
        """The rows of these numbers, in this order."""
        counts = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        at = np.repeat(self.indptr[rows] - indptr[:-1], counts) + np.arange(indptr[-1])
        return Labelled(
            indptr,
            self.indices[at],
            self.data[at],
            self.ends[rows],
            self.terms[rows],
            self.bulk[rows],
            self.labels[rows],
            self.kinds[rows],
            [self.names[row] for row in rows],
        )

    def half(self, text: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, indices, data) of the words of text and subject alone, or of all the rest."""
        middle = self.indptr[:-1] + self.ends[:, 0]
        starts, stops = (self.indptr[:-1], middle) if text else (middle, self.indptr[1:])
        counts = stops - starts
        indptr = np.concatenate([[0], np.cumsum(counts)])
        at = np.repeat(starts - indptr[:-1], counts) + np.arange(indptr[-1])
        return indptr, self.indices[at], self.data[at]

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


KIND_WORDS = {
    1: (("commercial", 2), ("scam", 3), ("danger", 4), ("phish", 4), ("malware", 4)),
    -1: (("marketing", 1), ("legitimate", 0)),
}
"""Category by a word in the name of a folder, by its label."""


def kinds_of(folder: Path, label: int, names: Sequence[str]) -> np.ndarray:
    """int8 (n,): the kind that the folder's name says, else the one that was read by hand."""
    name = folder.name.lower()
    said = next((kind for word, kind in KIND_WORDS[label] if word in name), -1)
    read = read_kinds()
    found = [read.get(os.path.basename(one)[:14], said) for one in names]
    return np.array(found, np.int8)


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


def read_labelled(
    folders: Sequence[str | Path], without: Collection[str] = frozenset()
) -> Labelled:
    """Read labelled folders into features, but for messages whose content digest is in `without`.
    UsageError when one of the two labels is missing."""
    made, labels, kinds, problems = [], [], [], []
    skipped = 0
    for folder, label in labelled_folders(folders):
        source = open_source(str(folder))
        for batch in source.batches(limits.BATCH_MESSAGES, limits.BATCH_BYTES):
            if without:
                kept = [i for i, raw in enumerate(batch) if content_digest(raw) not in without]
                skipped += len(batch) - len(kept)
                if not kept:
                    continue
                batch = batch.take(np.array(kept))
            parse.run(batch)
            features.run(batch)
            made.append((batch.features, list(batch.places)))
            labels.append(np.full(len(batch), label, np.int8))
            kinds.append(kinds_of(folder, label, batch.places))
        problems += [f"{folder}: {text}" for text in getattr(source, "problems", ())]
    if not any((one > 0).any() for one in labels) or not any((one < 0).any() for one in labels):
        unread = f" ({len(problems)} could not be read: {problems[0]}, ...)" if problems else ""
        raise UsageError(f"both ham and spam are needed, in folders named *ham* and *spam*{unread}")
    read = joined(made, np.concatenate(labels), np.concatenate(kinds))
    return replace(read, skipped=skipped, problems=tuple(problems))


def joined(
    made: Sequence[tuple[Any, list[str]]], labels: np.ndarray, kinds: np.ndarray
) -> Labelled:
    """One Labelled of (Features, names) of batches."""
    indptr, total = [np.zeros(1, np.int64)], 0
    for rows, _ in made:
        indptr.append(rows.indptr[1:] + total)
        total += int(rows.indptr[-1])
    return Labelled(
        np.concatenate(indptr),
        np.concatenate([rows.indices for rows, _ in made]),
        np.concatenate([rows.data for rows, _ in made]),
        np.concatenate([rows.ends for rows, _ in made]),
        np.concatenate([rows.terms for rows, _ in made]),
        np.concatenate([rows.bulk for rows, _ in made]),
        labels,
        kinds,
        [name for _, names in made for name in names],
    )


def of_messages(messages: Sequence[bytes], labels: np.ndarray, names: list[str]) -> Labelled:
    """Features of messages in memory."""
    headers = parse_many(messages)
    rows = features.extract(headers, MimeColumns(headers))
    return joined([(rows, names)], labels, np.full(len(labels), -1, np.int8))
