"""A folder of `.eml` files, or one file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from atlas_fast.batch import Batch
from atlas_fast.sources.base import FileReader, file_size, file_state, is_folder, is_regular


class EmlFolder:
    """Every `*.eml` file below a folder, by the bytes of its relative path.

    Links to folders are not followed; what cannot be read, or is no regular file, becomes a
    problem.
    """

    def __init__(self, path: str):
        self.root = os.path.realpath(path)
        self.identity = f"eml:{self.root}"
        self.problems: list[str] = []
        self.headers_only = False

    def places(self) -> list[str]:
        """Relative paths, sorted."""
        found = []
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(os.path.join(self.root, folder)) as listing:
                    entries = list(listing)
            except OSError as error:
                self.problems.append(f"{folder or '.'}: {error.strerror or error}")
                continue
            for entry in entries:
                relative = f"{folder}{entry.name}"
                if is_folder(entry):
                    waiting.append(relative + "/")
                elif entry.name.lower().endswith(".eml"):
                    if is_regular(entry):
                        found.append(relative)
                    else:
                        self.problems.append(f"{relative}: not a regular file")
        return sorted(found, key=os.fsencode)

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        prefix = self.root + "/"
        mark = os.fsencode(after)
        paths = ((p, prefix + p) for p in self.places() if not after or os.fsencode(p) > mark)
        reader = FileReader(self.identity, self.problems, headers_only=self.headers_only)
        yield from reader.batches(paths, max_messages, max_bytes)

    def estimate(self) -> int | None:
        return None


class EmlFile:
    """One file that is one message."""

    def __init__(self, path: str):
        self.path = os.path.realpath(path)
        self.identity = f"eml:{self.path}"
        self.problems: list[str] = []
        self.headers_only = False

    def batches(self, max_messages: int, max_bytes: int, after: str = "") -> Iterator[Batch]:
        name = os.path.basename(self.path)
        paths = [] if after else [(name, self.path)]
        reader = FileReader(self.identity, self.problems, headers_only=self.headers_only)
        yield from reader.batches(paths, max_messages, max_bytes)

    def state(self) -> str:
        return file_state(self.path)

    def estimate(self) -> int | None:
        return file_size(self.path)
