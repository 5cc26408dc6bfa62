"""Bytes that end, or begin, at a page without access: an over-read dies at once in any build.

A `bytes` object ends in a NUL of its own and a small array comes from a pool, so both hide a read
of one byte too many. These copies do not.
"""

import ctypes
import mmap

PAGE = mmap.PAGESIZE
PROT_NONE = 0

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def _forbid(memory: mmap.mmap, offset: int) -> None:
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory, offset))
    if _libc.mprotect(start, PAGE, PROT_NONE):
        raise OSError(ctypes.get_errno(), "mprotect")


def before_guard(data: bytes) -> memoryview:
    """A writable copy whose last byte lies before a page without access."""
    pages = -(-max(len(data), 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    start = pages * PAGE - len(data)
    memory[start : pages * PAGE] = data
    _forbid(memory, pages * PAGE)
    return memoryview(memory)[start : pages * PAGE]


def behind_guard(data: bytes) -> memoryview:
    """A writable copy whose first byte lies behind a page without access."""
    pages = -(-max(len(data), 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    memory[PAGE : PAGE + len(data)] = data
    _forbid(memory, 0)
    return memoryview(memory)[PAGE : PAGE + len(data)]
