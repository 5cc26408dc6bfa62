"""The command `atlas-fast`: verbs that parse arguments, call the library and print.

Exit codes: 0 done, 1 could not, 2 wrong usage, 130 interrupted, 141 when the reader of the output
has gone. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import NoReturn

from atlas_fast._version import __version__
from atlas_fast.cli.terminal import fail
from atlas_fast.cli.values import no_empty
from atlas_fast.errors import AtlasFastError, UsageError

__all__ = ["build_parser", "main"]

DONE, COULD_NOT, WRONG_USAGE, INTERRUPTED, NO_READER = 0, 1, 2, 130, 141


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message} (see {self.prog} --help)")
        sys.exit(WRONG_USAGE)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; each verb's module adds its own part."""
    from atlas_fast.cli import (
        bench,
        cache,
        db,
        explain,
        export,
        imap,
        reference,
        rollout,
        run,
        serve,
        train,
        version,
    )

    parser = _Parser(prog="atlas-fast", description="Mail triage: classify a mailbox into a store.")
    parser.add_argument("--version", action="version", version=f"atlas-fast {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in (
        run, explain, rollout, imap, serve, db, export, train, reference, cache, bench, version,
    ):  # fmt: skip
        module.add_verbs(verbs)
    return parser


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what waits is committed, the report is printed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code. argparse exits by itself on --help and wrong usage."""
    # Nothing here uses numpy's BLAS, whose threads would spin beside the workers at the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = sys.argv[1:] if arguments is None else list(arguments)
    if sys.stderr is None:  # closed: no store may be opened as the file of errors
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        if sys.stdout is None:
            raise UsageError("standard output is closed")
        if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is spelled out
            sys.stdout.reconfigure(errors="backslashreplace")
        no_empty(words)
        options = build_parser().parse_args(words)
        with _sigterm_as_interrupt():
            code = options.do(options)
        sys.stdout.flush()
        return code
    except UsageError as error:
        fail(str(error))
        return WRONG_USAGE
    except AtlasFastError as error:
        fail(str(error))
        return COULD_NOT
    except KeyboardInterrupt:
        fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER  # as if by SIGPIPE, which `head` and the like leave to others
    except OSError as error:
        # What a verb writes or reads has a name; what is left is what it prints.
        fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return COULD_NOT
