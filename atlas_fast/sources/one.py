"""One message again, at the place where a run found it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from atlas_fast import limits
from atlas_fast.batch import Batch
from atlas_fast.errors import SourceError
from atlas_fast.sources.base import FileReader
from atlas_fast.sources.maildir import Maildir
from atlas_fast.sources.mbox import Mbox

__all__ = ["read_one", "without_bodies"]


def read_one(source: str, place: str, key: bytes) -> tuple[bytes, bool] | None:
    """The message at `place` of the source with the identity `source` (`mbox:`, `maildir:`, `eml:`
    and a path, as rows of a store name it), and whether that is all of it: a run that left bodies
    aside knew the header section alone, and only that is known to be the same. None when it is not
    there or is another one: its key must be `key`. Nothing else of the file is looked at. IMAP and
    made-up sources give None.
    """
    form, _, path = source.partition(":")
    readers = {"mbox": _of_mbox, "maildir": _of_maildir, "eml": _of_eml}
    if form not in readers or not path or not key:
        return None
    try:
        for batch in readers[form](path, place):
            if batch.source != source or not len(batch):
                return None
            if bytes(batch.keys[0]) == key:
                return batch.message(0), True
            batch = without_bodies(batch)
            return (batch.message(0), False) if bytes(batch.keys[0]) == key else None
    except (SourceError, OSError, ValueError):
        return None
    return None


def without_bodies(batch: Batch) -> Batch:
    """The header sections of these messages, as a run that leaves bodies aside has them."""
    part = Batch(
        batch.raw, batch.starts, batch.stops, source=batch.source, places=batch.places,
        quoting=batch.quoting,
    )  # fmt: skip
    part.leave_bodies()
    return part


def _of_mbox(path: str, place: str) -> Iterator[Batch]:
    return Mbox(path).batches(1, limits.BATCH_BYTES, place)


def _of_maildir(path: str, place: str) -> Iterator[Batch]:
    box = Maildir(path)
    folder, _, name = place.rpartition("cur/")
    where = _below(box.root, f"{folder}new/{name}")
    reader = FileReader(box.identity, [], box.again)
    return reader.batches([(place, where)], 1, limits.BATCH_BYTES)


def _of_eml(path: str, place: str) -> Iterator[Batch]:
    root = os.path.realpath(path)
    where = _below(root, place) if os.path.isdir(root) else root
    return FileReader(f"eml:{root}", []).batches([(place, where)], 1, limits.BATCH_BYTES)


def _below(root: str, place: str) -> str:
    """A path below a folder. Raises ValueError for one that leads out of it."""
    found = os.path.realpath(os.path.join(root, place))
    if not found.startswith(root.rstrip("/") + "/"):
        raise ValueError(f"{place}: is not below {root}")
    return found
