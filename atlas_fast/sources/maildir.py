"""A Maildir: `cur` and `new` of a folder, and of its Maildir++ subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator

from atlas_fast.batch import Batch
from atlas_fast.errors import SourceError
from atlas_fast.sources.base import FileReader, is_regular


class Maildir:
    """Messages by the bytes of their place.

    A place is `cur/NAME` or `.Sub/cur/NAME` without the `:2,` flags, so that reading or flagging a
    message, or moving it from new to cur, does not make it another one: new and cur count as cur.
    A mail program may do so while we read: the message is then looked for again.
    """

    def __init__(self, path: str):
        self.root = os.path.realpath(path)
        if not any(os.path.isdir(os.path.join(self.root, box)) for box in ("cur", "new")):
            raise SourceError(f"{self.root}: no Maildir: it has neither cur nor new")
        self.identity = f"maildir:{self.root}"
        self.problems: list[str] = []
        self.headers_only = False
        self._listed: dict[str, tuple[int, dict[str, str]]] = {}

    def _folders(self) -> list[str]:
        with os.scandir(self.root) as entries:
            below = [
                entry.name
                for entry in entries
                if entry.name.startswith(".") and os.path.isdir(os.path.join(entry.path, "cur"))
            ]
        folders = ["", *(name + "/" for name in below)]
        return sorted(folders, key=lambda folder: os.fsencode(f"{folder}cur/"))

    def _paths(self, after: str) -> Iterator[tuple[str, str]]:
        mark = os.fsencode(after)
        for folder in self._folders():
            found = []
            for box in ("new", "cur"):
                where = os.path.join(self.root, folder, box)
                try:
                    with os.scandir(where) as listing:
                        entries = [entry for entry in listing if not entry.name.startswith(".")]
                except OSError as error:
                    self.problems.append(f"{folder}{box}: {error.strerror or error}")
                    continue
                for entry in entries:
                    if not is_regular(entry):
                        self.problems.append(f"{folder}{box}/{entry.name}: not a regular file")
                        continue
                    place = f"{folder}cur/{entry.name.partition(':')[0]}"
                    found.append((os.fsencode(place), place, f"{where}/{entry.name}"))
            found.sort()
            yield from ((place, path) for key, place, path in found if not after or key > mark)

    def again(self, place: str) -> str | None:
        """Where a message lies that was moved to cur, or got other flags, since it was listed.

        A folder is listed again only when it has changed, so that many dead links cost little.
        """
        folder, _, unique = place.rpartition("cur/")
        where = os.path.join(self.root, folder, "cur")
        try:
            changed = os.stat(where).st_mtime_ns
            if folder not in self._listed or self._listed[folder][0] != changed:
                with os.scandir(where) as entries:
                    regular = [entry for entry in entries if is_regular(entry)]
                names = {entry.name.partition(":")[0]: entry.path for entry in regular}
                self._listed[folder] = changed, names
        except OSError:
            return None
        return self._listed[folder][1].get(unique)

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        reader = FileReader(self.identity, self.problems, self.again, self.headers_only)
        yield from reader.batches(self._paths(after), max_messages, max_bytes)

    def estimate(self) -> int | None:
        return None
