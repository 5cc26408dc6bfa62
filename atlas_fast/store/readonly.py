"""An SQLite store that is looked at: all questions of a store, nothing that writes."""

from __future__ import annotations

import sqlite3

from atlas_fast.errors import StoreError
from atlas_fast.store.reading import ReadOnly
from atlas_fast.store.sqlite import SqliteStore
from atlas_fast.store.state import state_of

__all__ = ["SqliteView"]


class SqliteView(SqliteStore):
    """A store in an SQLite file that may lie where nothing can be written; see reading.ReadOnly.

    Raises StoreError when the file is not there or is no store of this version; `close` raises it
    when the answers may be wrong, as the file was written to.
    """

    def _open(self) -> sqlite3.Connection:
        self._readonly = ReadOnly(self.path)
        try:
            state = state_of(self._readonly.connection)
            if not state.current:
                raise StoreError(state.refusal(self.path))
        except BaseException:
            self._readonly.close()
            raise
        return self._readonly.connection

    def close(self) -> None:
        """Close the file; may be called twice."""
        super().close()
        self._readonly.check()
