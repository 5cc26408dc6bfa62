"""What modules share that read folders: `FolderManager`, which asks on the terminal which to
process, and the headers in an answer of imaplib."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

from atlas_fast.errors import AtlasFastError
from atlas_fast.sources.imap.adopt import adopt

__all__ = ["FETCH_HEADERS", "FolderManager", "answered", "headers_by_uid"]

FETCH_HEADERS = "(UID BODY.PEEK[HEADER])"
_UID = re.compile(rb"\bUID (\d+)", re.IGNORECASE)

TARGETS = ("bulk", "spam", "junk", "trash", "deleted")
CAREFUL = ("inbox", "sent", "important", "all mail")
"""A folder whose name has one of these is taken only after the word YES."""


def answered(question: str) -> str:
    """What the user types; nothing where there is nobody to ask."""
    try:
        return input(question).strip()
    except EOFError:
        return ""


def headers_by_uid(data: Any, asked: Sequence[str]) -> dict[str, str]:
    """Header sections of imaplib's answer; the UID may stand before the literal or behind it."""
    items = list(data or ())
    found = {}
    for number, item in enumerate(items):
        if not isinstance(item, tuple):
            continue
        behind = items[number + 1] if number + 1 < len(items) else b""
        told = _UID.search(item[0]) or _UID.search(behind if isinstance(behind, bytes) else b"")
        uid = told[1].decode() if told else asked[0] if len(asked) == 1 else ""
        if uid in asked:
            found[uid] = item[1].decode("utf-8", "ignore")
    return found


class FolderManager:
    """Folders of a connection like imaplib's, by their decoded names."""

    def __init__(self, mail_connection: Any):
        self.mail = mail_connection

    def find_target_folders(self) -> list[tuple[str, int]]:
        """(name, messages) of folders for spam and rubbish that have messages."""
        return [
            (name, number)
            for name, number in self._all()
            if number and any(target in name.lower() for target in TARGETS)
        ]

    def select_folders_to_process(self, target_candidates: Sequence[tuple[str, int]]) -> list[str]:
        """Names that the user picks of the candidates."""
        return self._pick(target_candidates, answered)

    def setup_account_folders(self, account_email: str, credential_manager: Any) -> list[str]:
        """Names that the user picks of all folders, saved as the account's."""
        return self._save(self._pick(self._all(), answered), account_email, credential_manager, [])

    def update_account_folders(
        self, account_email: str, current_folders: Sequence[str] | None, credential_manager: Any
    ) -> list[str]:
        """The same, with what is set now shown; no answer leaves it."""
        current = list(current_folders or ())
        print(f"Now: {', '.join(map(visible, current)) or 'none'}")
        picked = self._pick(self._all(), answered)
        if not picked:
            return current
        return self._save(picked, account_email, credential_manager, current)

    def _all(self) -> list[tuple[str, int]]:
        """Every folder that can be selected, and its number of messages; [] on an error."""
        try:
            with adopt(self.mail) as client:
                return [
                    (folder.name, client.count(folder.name))
                    for folder in client.folders()
                    if folder.selectable
                ]
        except AtlasFastError as error:
            print(f"folders: {error}", file=sys.stderr)
            return []

    @staticmethod
    def _pick(candidates: Sequence[tuple[str, int]], ask: Callable[[str], str]) -> list[str]:
        if not candidates:
            print("No folders")
            return []
        for number, (name, messages) in enumerate(candidates, 1):
            print(f"{number}. {visible(name)} ({messages} messages)")
        text = ask("Numbers with commas between, 'all', or nothing: ").lower()
        if text == "all":
            picked = [name for name, _ in candidates]
        else:
            numbers = [int(part) for part in text.replace(",", " ").split() if part.isdecimal()]
            picked = [candidates[n - 1][0] for n in numbers if 0 < n <= len(candidates)]
        return [name for name in dict.fromkeys(picked) if _sure(name, ask)]

    @staticmethod
    def _save(
        picked: list[str], account_email: str, credential_manager: Any, before: list[str]
    ) -> list[str]:
        if picked and not credential_manager.update_folder_preferences(account_email, picked):
            print("The folders could not be saved", file=sys.stderr)
            return before
        return picked


def visible(name: str) -> str:
    """A name as a terminal may be given it."""
    return name if name.isprintable() else ascii(name)


def _sure(name: str, ask: Callable[[str], str]) -> bool:
    if not any(word in name.lower() for word in CAREFUL):
        return True
    return ask(f"{visible(name)} may have mail that you need. Type YES to take it: ") == "YES"
