"""The command `atlas-fast`: verbs that parse arguments, call the library and print.

Exit codes: 0 done, 1 could not, 2 wrong usage, 130 interrupted. An error is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from atlas_fast._version import __version__
from atlas_fast.cli.terminal import fail
from atlas_fast.errors import AtlasFastError, UsageError

__all__ = ["build_parser", "main"]

DONE, COULD_NOT, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


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
        train,
        version,
    )

    parser = _Parser(prog="atlas-fast", description="Mail triage: classify a mailbox into a store.")
    parser.add_argument("--version", action="version", version=f"atlas-fast {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in (
        run, explain, rollout, imap, db, export, train, reference, cache, bench, version,
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
    options = build_parser().parse_args(arguments)
    try:
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
        return COULD_NOT
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return COULD_NOT
