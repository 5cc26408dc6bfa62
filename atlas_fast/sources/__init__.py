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


def open_source(name: str) -> Source:
    """The source that `name` means.

    `-` is one message on standard input, `synthetic:N` or `synthetic:N,SEED` generated mail. A
    folder with `cur` and `new` is a Maildir, another folder stands for the `.eml` files below it. A
    file that begins with a `From ` line is an mbox unless its name ends in `.eml`; any other file
    is one message. `mbox:`, `maildir:` or `eml:` before a path decides.
    Raises UsageError for a form that makes no sense, SourceError for what cannot be read.
    """
    if name == "-":
        return Stdin()
    form, colon, rest = name.partition(":")
    if colon and form == "synthetic":
        return Synthetic.of_text(rest)
    if colon and form in FORMS and not os.path.exists(name):
        return _open_as(form, rest)
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError) as error:
        raise SourceError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(mode):
        is_maildir = all(os.path.isdir(os.path.join(name, box)) for box in ("cur", "new"))
        return Maildir(name) if is_maildir else EmlFolder(name)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{name}: not a file or folder")
    try:
        with open(name, "rb") as file:
            head = file.read(2048)
    except OSError as error:
        raise SourceError(f"{name}: {error.strerror}") from error
    is_mbox = looks_like_separator(head) or not head
    return Mbox(name) if is_mbox and not name.lower().endswith(".eml") else EmlFile(name)


def _open_as(form: str, path: str) -> Source:
    if not os.path.exists(path):
        raise SourceError(f"{path}: no such file or folder")
    if form == "mbox" or form == "maildir":
        if os.path.isdir(path) != (form == "maildir"):
            raise UsageError(f"{path}: not a {'folder' if form == 'maildir' else 'file'}")
        return Mbox(path) if form == "mbox" else Maildir(path)
    return EmlFolder(path) if os.path.isdir(path) else EmlFile(path)
