"""A Maildir: `cur` and `new` of a folder, and of its Maildir++ subfolders."""

from __future__ import annotations

import os
from collections.abc import Iterator

from atlas_fast.batch import Batch
from atlas_fast.sources.base import FileReader


class Maildir:
    """Messages by the bytes of their place.

    A place is `cur/NAME` or `.Sub/cur/NAME` without the `:2,` flags, so that reading or flagging a
    message, or moving it from new to cur, does not make it another one: new and cur count as cur.
    """

    def __init__(self, path: str):
        self.root = os.path.realpath(path)
        self.identity = f"maildir:{self.root}"
        self.problems: list[str] = []

    def _folders(self) -> list[str]:
        with os.scandir(self.root) as entries:
            below = [
                entry.name
                for entry in entries
                if entry.name.startswith(".")
                and entry.is_dir()
                and os.path.isdir(os.path.join(entry.path, "cur"))
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
                    names = os.listdir(where)
                except OSError as error:
                    self.problems.append(f"{folder}{box}: {error.strerror or error}")
                    continue
                for name in names:
                    if not name.startswith("."):
                        place = f"{folder}cur/{name.partition(':')[0]}"
                        found.append((os.fsencode(place), place, f"{where}/{name}"))
            found.sort()
            yield from ((place, path) for key, place, path in found if not after or key > mark)

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        reader = FileReader(self.identity, self.problems)
        yield from reader.batches(self._paths(after), max_messages, max_bytes)

    def estimate(self) -> int | None:
        return None
