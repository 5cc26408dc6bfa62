"""Runs over the accounts that the program's database lists.

An account is named by its id there. Its password comes from the environment or the keyring, as
for `atlas-fast imap`; what the database holds as `encrypted_password` is not read.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from atlas_fast import accounts
from atlas_fast.compat.core.folders import TARGETS, answered
from atlas_fast.compat.models.analytics import DatabaseAnalyticsMenu
from atlas_fast.compat.models.database import db
from atlas_fast.errors import AtlasFastError, UsageError
from atlas_fast.mailrun import FolderReport, Options
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.visible import visible

__all__ = [
    "analytics_reporting", "batch_processing", "batch_processing_for_timer", "email_action_viewer",
    "run_exact_cli_processing_for_account", "run_preview_for_account", "single_account_filtering",
]  # fmt: skip

SHOWN = 20


def run_exact_cli_processing_for_account(
    account_id: int, preview_mode: bool = False
) -> dict[str, Any]:
    """A run over the folders of an account; messages that are chosen are deleted, unless
    `preview_mode`. Never raises for what server or store do: `success` is False then, and
    `message` says why. Keys as the original's."""
    result: dict[str, Any] = {
        "success": False, "account_email": "", "session_id": None, "total_deleted": 0,
        "total_preserved": 0, "total_validated": 0, "total_legitimate": 0, "categories": {},
        "folders_processed": 0, "message": "",
    }  # fmt: skip
    try:
        account = _account(account_id)
        result["account_email"] = account["email_address"]
        with _connected(account) as mailbox, db.store() as store:
            folders = account["target_folders"] or _targets(mailbox)
            reports = accounts.run_folders(mailbox, folders, store, Options(preview=preview_mode))
        result |= _totals(reports)
        if not result["success"]:
            problems = [text for report in reports for text in report.problems]
            result["message"] = problems[0] if problems else "a folder could not be processed"
    except AtlasFastError as error:
        result["message"] = str(error)
    return result


def run_preview_for_account(
    account_id: int, debug_mode: bool = False, preview_mode: bool = True
) -> dict[str, Any]:
    """The same as a preview; `debug_mode` prints the result."""
    result = run_exact_cli_processing_for_account(account_id, preview_mode)
    if debug_mode:
        print(json.dumps(result, indent=2, default=str))
    return result


def batch_processing_for_timer() -> bool:
    """A run over every active account; did all succeed? One account does not stop the next; where
    there is none, nothing did."""
    told = [_told(row["id"], False) for row in _accounts()]
    return bool(told) and all(told)


def batch_processing() -> bool:
    """The same after a question on the terminal; False when the answer is not yes."""
    rows = _accounts()
    print(f"{len(rows)} accounts: {', '.join(visible(row['email_address']) for row in rows)}")
    if not rows or answered("Process them now? (y/n): ").lower() not in ("y", "yes"):
        return False
    return batch_processing_for_timer()


def single_account_filtering() -> bool:
    """Ask for an account and show its preview; run it when the answer is yes."""
    rows = _accounts()
    for number, row in enumerate(rows, 1):
        print(f"{number}. {visible(row['email_address'])}")
    choice = answered("Account: ")
    if not choice.isdecimal() or not 0 < int(choice) <= len(rows):
        return False
    account_id = rows[int(choice) - 1]["id"]
    if not _told(account_id, True):
        return False
    if answered("Process it now? (y/n): ").lower() not in ("y", "yes"):
        return False
    return _told(account_id, False)


def analytics_reporting() -> None:
    """The figures, chosen on the terminal."""
    DatabaseAnalyticsMenu().run()


def email_action_viewer() -> None:
    """The newest decisions."""
    for row in db.get_session_email_actions(SHOWN):
        cells = (row["timestamp"], row["action"], row["sender_email"], row["subject"],
                 row["category"], row["reason"])  # fmt: skip
        print("  ".join(visible(str(cell)) for cell in cells))


def _accounts() -> list[dict[str, Any]]:
    """Active mailboxes, the one that was used last first; the account of file runs is none."""
    rows = db.execute_query(
        "SELECT id, email_address FROM accounts WHERE is_active = TRUE AND email_address LIKE "
        "'%@%' ORDER BY last_used DESC, id"
    )
    return [dict(row) for row in rows]


def _account(account_id: int) -> dict[str, Any]:
    rows = db.execute_query(
        "SELECT id, email_address, host, port, target_folders, provider_optimizations "
        "FROM accounts WHERE id = ? AND is_active = TRUE",
        (account_id,),
    )
    if not rows:
        raise UsageError(f"there is no active account {account_id}")
    account = dict(rows[0])
    account["target_folders"] = _json(account["target_folders"], list)
    account["provider_optimizations"] = _json(account["provider_optimizations"], dict)
    return account


def _json(text: str | None, kind: type) -> Any:
    try:
        found = json.loads(text or "null")
    except ValueError:
        found = None
    return found if isinstance(found, kind) else kind()


def _connected(account: dict[str, Any]) -> Mailbox:
    """By TLS; `tls` in `provider_optimizations` may be `starttls`, or `none` for this machine."""
    tls = account["provider_optimizations"].get("tls", "tls")
    if tls not in accounts.PORTS:
        raise UsageError(f"tls is {tls!r}; there are {', '.join(accounts.PORTS)}")
    return accounts.connect(
        account["email_address"], host=account["host"] or None, port=account["port"] or None,
        tls=tls,
    )  # fmt: skip


def _targets(mailbox: Mailbox) -> list[str]:
    """Folders whose names say that they hold unwanted mail."""
    return [
        name
        for name, messages in accounts.count_folders(mailbox)
        if messages and any(word in name.lower() for word in TARGETS)
    ]


def _totals(reports: list[FolderReport]) -> dict[str, Any]:
    categories: dict[str, int] = {}
    for report in reports:
        for name, entry in report.categories.items():
            categories[name] = categories.get(name, 0) + entry["count"]
    deleted = sum(report.chosen if report.preview else report.removed for report in reports)
    kept = sum(report.preserved for report in reports)
    return {
        "success": not any(report.errors for report in reports),
        "session_id": reports[0].session_id if reports else None,
        "total_deleted": deleted,
        "total_preserved": kept,
        "total_validated": sum(report.validated for report in reports),
        "total_legitimate": sum(report.legitimate for report in reports),
        "categories": categories,
        "folders_processed": len(reports),
        "message": f"{deleted} deleted, {kept} preserved in {len(reports)} folders",
    }


def _told(account_id: int, preview: bool) -> bool:
    """Run, and say what came of it."""
    found = run_exact_cli_processing_for_account(account_id, preview)
    told = f"{visible(found['account_email'])}: {visible(found['message'])}"
    print(told, file=sys.stdout if found["success"] else sys.stderr)
    return bool(found["success"])
