"""Connections whose SQLite reads columns by itself, where that of this Python can be found."""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import sqlite3
import threading
from collections.abc import Callable
from functools import cache

from atlas_fast._kernels.sqltable import FUNCTIONS, RowTable, attach

__all__ = ["ROW_TABLE", "connected"]

ROW_TABLE = "temp.atlas_rows"
"""Where SQLite reads the columns of a block by itself (_kernels/sqltable.pyx). It stands in the
schema `temp`, so that no table of a file can take its place."""

_ATTACHING = threading.RLock()  # a signal's handler may open a store too


def _after_fork() -> None:
    global _ATTACHING
    _ATTACHING = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@cache
def functions() -> tuple[int, ...]:
    """Addresses in the library that the module `_sqlite3` is, or has loaded; empty where they
    cannot be found there. No library is loaded for it."""
    mode = getattr(os, "RTLD_NOLOAD", None)
    if mode is None:
        return ()
    try:
        library = ctypes.CDLL(getattr(_sqlite3, "__file__", None), mode | os.RTLD_LAZY)
        found = [ctypes.cast(getattr(library, name), ctypes.c_void_p).value for name in FUNCTIONS]
    except (OSError, AttributeError):
        return ()
    return tuple(one or 0 for one in found) if all(found) else ()


def connected(
    connect: Callable[[], sqlite3.Connection],
) -> tuple[sqlite3.Connection, RowTable | None]:
    """`connect()`, and its table of rows; None where there is none."""
    if not functions():
        return connect(), None
    with _ATTACHING:
        connection, table = attach(functions(), sqlite3.sqlite_version, connect)
    if table is not None:
        name = ROW_TABLE.removeprefix("temp.")
        try:
            connection.execute(f"CREATE VIRTUAL TABLE {ROW_TABLE} USING {name}")
        except sqlite3.Error:  # of a file that is none, say: who asks for its state tells
            table = None
    return connection, table
