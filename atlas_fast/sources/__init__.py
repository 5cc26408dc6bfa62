"""Where messages come from: mbox, Maildir, `.eml` files, standard input, generated mail."""

from __future__ import annotations

import os
import stat

from atlas_fast._kernels.mboxscan import looks_like_separator
from atlas_fast.errors import SourceError, UsageError
from atlas_fast.sources.base import Source
from atlas_fast.sources.eml import EmlFile, EmlFolder
from atlas_fast.sources.maildir import Maildir
from atlas_fast.sources.mbox import Mbox
from atlas_fast.sources.stdin import Stdin
from atlas_fast.sources.synthetic import Synthetic

__all__ = ["Source", "open_source"]

FORMS = frozenset(("mbox", "maildir", "eml"))
MBOX_NAMES = (".mbox", ".mbx")


def open_source(name: str) -> Source:
    """The source that `name` means.

    `-` is one message on standard input, `synthetic:N` or `synthetic:N,SEED` generated mail. A
    folder with `cur` and `new` is a Maildir, another folder stands for the `.eml` files below it. A
    file is an mbox if it begins with a `From ` line (empty lines may come before) or its name ends
    in `.mbox` or `.mbx`, unless its name ends in `.eml`; any other file is one message. `mbox:`,
    `maildir:` or `eml:` before a path decides.
    Raises UsageError for a form that makes no sense, SourceError for what cannot be read.
    """
    if name == "-":
        return Stdin()
    form, colon, rest = name.partition(":")
    if colon and form == "synthetic":
        return Synthetic.of_text(rest)
    if colon and form in FORMS and not os.path.exists(name):
        if not rest:
            raise UsageError(f"{name}: the path is missing")
        return _open_as(form, rest)
    if stat.S_ISDIR(_mode(name)):
        is_maildir = all(os.path.isdir(os.path.join(name, box)) for box in ("cur", "new"))
        return Maildir(name) if is_maildir else EmlFolder(name)
    try:
        with open(name, "rb", buffering=0) as file:  # a buffer may be many pages
            head = file.read(2048)
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror}") from error
    lower = name.lower()
    is_mbox = looks_like_separator(head.lstrip(b"\r\n")) or not head or lower.endswith(MBOX_NAMES)
    return Mbox(name) if is_mbox and not lower.endswith(".eml") else EmlFile(name)


def _mode(path: str) -> int:
    """The mode of a file or folder; SourceError for anything else, which might block a reader."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SourceError(f"{path}: not a file or folder; - reads one message from standard input")
    return mode


def _open_as(form: str, path: str) -> Source:
    is_folder = stat.S_ISDIR(_mode(path))
    if form == "mbox" or form == "maildir":
        if is_folder != (form == "maildir"):
            raise UsageError(f"{path}: not a {'folder' if form == 'maildir' else 'file'}")
        return Mbox(path) if form == "mbox" else Maildir(path)
    return EmlFolder(path) if is_folder else EmlFile(path)
