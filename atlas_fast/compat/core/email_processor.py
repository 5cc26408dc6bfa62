"""`EmailProcessor` and its neighbours: the original's way into a mailbox, over the mail run.

Names, signatures, defaults, return shapes and stored strings are the original's; where it lost
mail or answered wrongly the difference stands in docs/compatibility.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from atlas_fast.classify.policy import Filters
from atlas_fast.compat.core.folders import (
    FETCH_HEADERS,
    FolderManager,
    answered,
    headers_by_uid,
)
from atlas_fast.compat.filters.keyword_processor import KeywordProcessor
from atlas_fast.compat.ml.ab_classifier_integration_simple import ABClassifierIntegrationSimple
from atlas_fast.compat.models.database import db
from atlas_fast.compat.models.db_logger import logger
from atlas_fast.errors import AtlasFastError
from atlas_fast.mailrun import FolderReport, Options, triage_folder
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources.imap.adopt import adopt
from atlas_fast.sources.imap.client import Client
from atlas_fast.sources.imap.mailbox import Mailbox
from atlas_fast.sources.imap.providers import provider_settings, provider_type, strategy_for
from atlas_fast.store import SqliteStore
from atlas_fast.store.base import Run
from atlas_fast.store.journal import (
    Account,
    account_of,
    begin_imap_run,
    note_validated,
    open_account,
    run_of,
)

__all__ = [
    "BatchProcessor", "EmailProcessor", "FolderManager", "PreviewModeHandler",
    "check_message_optimized", "compile_filter_patterns", "get_email_headers_batch_uid",
    "get_email_headers_single_uid", "get_provider_settings", "get_provider_type",
]  # fmt: skip

Six = tuple[int, int, int, int, int, dict[str, dict[str, Any]]]

NOTHING: Six = (0, 0, 0, 0, 0, {})
NO_ADDRESS = "unknown"
"""Address of the account row when the caller names none."""
STATS = (
    "total_fetched", "total_analyzed", "total_matched", "total_deleted", "total_preserved",
    "total_validated", "total_legitimate",
)  # fmt: skip


def get_provider_type(email_address: str | None) -> str:
    """icloud, gmail, outlook, yahoo, aol or generic, by the domain."""
    return provider_type(email_address)


def get_provider_settings(provider_type: str) -> dict[str, Any]:
    """A new dictionary of the provider's settings; an unknown one is generic."""
    return provider_settings(provider_type)


def compile_filter_patterns(
    filters: Sequence[str] | None,
) -> tuple[list[str], list[tuple[re.Pattern[str], str]]]:
    """Plain terms, lower-cased, and compiled patterns with their terms."""
    made = Filters(filters)
    return made.simple, made.compiled


def check_message_optimized(
    headers: str,
    simple_filters: list[str],
    compiled_patterns: list[tuple[re.Pattern[str], str]],
) -> tuple[bool, str]:
    """Whether a term matches, and the text that says which."""
    made = Filters(None)
    made.simple, made.compiled = simple_filters, compiled_patterns
    return made.match(headers)


def get_email_headers_batch_uid(
    mail: Any, uids: Iterable[str | bytes | int], batch_size: int = 50
) -> dict[str, str]:
    """Header sections by UID; a message that is not there is left out. No message is marked read.

    Answers are paired by the UID that they name, in whatever order they come.
    """
    wanted = [one.decode() if isinstance(one, bytes) else str(one) for one in uids]
    found: dict[str, str] = {}
    for start in range(0, len(wanted), max(1, batch_size)):
        some = wanted[start : start + max(1, batch_size)]
        try:
            status, data = mail.uid("fetch", ",".join(some), FETCH_HEADERS)
        except Exception as error:  # imaplib's own, or those of something of its shape
            print(f"headers of {len(some)} messages: {type(error).__name__}", file=sys.stderr)
            continue
        if status == "OK":
            found |= headers_by_uid(data, some)
    return found


def get_email_headers_single_uid(mail: Any, uid: str | bytes | int) -> str:
    """The header section of one message; "" when there is none."""
    return next(iter(get_email_headers_batch_uid(mail, [uid]).values()), "")


class EmailProcessor:
    """Classifies the messages of a folder and removes what is to go.

    `mail_connection` is an `imaplib.IMAP4`, logged in, or something of its shape. It stays the
    caller's: nothing here logs out or closes it.
    """

    def __init__(
        self,
        mail_connection: Any,
        domain_validator: Any = None,
        account_email: str | None = None,
        account_id: int | None = None,
        enable_ab_testing: bool = False,
    ):
        self.mail = mail_connection
        self.domain_validator = domain_validator
        self.account_email = account_email
        self.account_id = account_id
        self.ab_testing_enabled = enable_ab_testing
        self.provider_type = get_provider_type(account_email)
        self.provider_settings = get_provider_settings(self.provider_type)
        self.stats = dict.fromkeys(STATS, 0)
        self.last_report: FolderReport | None = None
        self._pipeline: Pipeline | None = None

    @cached_property
    def keyword_processor(self) -> KeywordProcessor:
        """The keyword processor; the decisions of a folder do not need it."""
        return KeywordProcessor()

    @cached_property
    def ab_classifier(self) -> ABClassifierIntegrationSimple | None:
        """The A/B classifier when testing is on, else None. A folder follows the rollout of the
        store, whether it is on or not."""
        return ABClassifierIntegrationSimple() if self.ab_testing_enabled else None

    def process_folder_messages(
        self,
        folder_name: str,
        filters: Sequence[str] | None = None,
        auto_confirm: bool = False,
        preview_mode: bool = False,
        debug_mode: bool = False,
        quiet_mode: bool = False,
    ) -> Six:
        """(deleted, deleted + preserved, preserved, validated, legitimate, categories).

        In a preview the first is what would be deleted, and nothing changes on the server. When
        the server or the store fails, what was done before is returned, and the error is printed.
        """
        report = FolderReport(folder_name)
        try:
            with adopt(self.mail) as client:
                self._process(client, report, filters, preview_mode)
        except AtlasFastError as error:
            report.errors += 1
            report.problems.append(str(error))
            print(f"{folder_name}: {error}", file=sys.stderr)
        self.last_report = report
        deleted = report.chosen if preview_mode else report.removed
        self._count(report, deleted)
        if not quiet_mode:
            verb = "would be deleted" if preview_mode else "deleted"
            print(f"{folder_name}: {deleted} {verb}, {report.preserved} preserved")
        if debug_mode:
            print(f"{folder_name}: {report.to_dict()}")
        return (
            deleted, deleted + report.preserved, report.preserved, report.validated,
            report.legitimate, report.categories,
        )  # fmt: skip

    def process_folder_messages_with_new_architecture(
        self,
        folder_name: str,
        filters: Sequence[str] | None = None,
        domain_validator: Any = None,
        auto_confirm: bool = False,
        preview_mode: bool = False,
        debug_mode: bool = False,
        quiet_mode: bool = False,
    ) -> Six:
        """The same; a validator that is given stays."""
        if domain_validator is not None:
            self.domain_validator = domain_validator
        return self.process_folder_messages(
            folder_name, filters, auto_confirm, preview_mode, debug_mode, quiet_mode
        )

    def get_processing_stats(self) -> dict[str, int]:
        """A copy of the counters."""
        return dict(self.stats)

    def reset_stats(self) -> None:
        """All counters to zero."""
        self.stats = dict.fromkeys(STATS, 0)

    def _process(
        self, client: Client, report: FolderReport, filters: Sequence[str] | None, preview: bool
    ) -> None:
        address = self.account_email or NO_ADDRESS
        report.folder = folder = resolve(client, report.folder)
        validate = getattr(self.domain_validator, "validate_domain_before_deletion", None)
        self._pipeline = self._pipeline or Pipeline()
        with db.store() as store:
            account = self._account(store, address)
            run, ours = _run(store, account, folder, preview)
            triage_folder(
                Mailbox.of_client(client, address), folder, store, run, account,
                strategy_for(self.provider_type, address, self.provider_settings),
                Options(preview=preview, filters=Filters(filters), validate=validate),
                pipeline=self._pipeline, report=report,
            )  # fmt: skip
            if ours:
                note_validated(store, run, report.validated)
                store.finish_run(run)

    def _account(self, store: SqliteStore, address: str) -> Account:
        """The account row: by the id that the caller gave, if there is one, else by the address."""
        if self.account_id is not None:
            found = account_of(store, self.account_id)
            if found is not None:
                return found
        return open_account(store, address, self.provider_type)

    def _count(self, report: FolderReport, deleted: int) -> None:
        for name, number in zip(
            STATS,
            (
                report.messages, report.messages, report.matched, deleted, report.preserved,
                report.validated, report.legitimate,
            ),
            strict=True,
        ):  # fmt: skip
            self.stats[name] += number


def resolve(client: Client, name: str) -> str:
    """A folder by the name that callers have: as people write it, quoted, or as on the wire."""
    bare = name[1:-1].replace('\\"', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name
    folders = client.folders()
    names = {folder.name for folder in folders}
    for one in (name, bare):
        if one in names or one.upper() == "INBOX":
            return one
    raw = {folder.raw.decode("utf-8", "replace"): folder.name for folder in folders}
    return raw.get(bare, bare)


def _run(store: SqliteStore, account: Account, folder: str, preview: bool) -> tuple[Run, bool]:
    """The run of the logger's context, or a new one; whether it is ours to end."""
    current = logger.current_session_id
    if current is not None:
        run = run_of(store, current)
        if run is not None:
            return run, False
    return begin_imap_run(store, account.id, [folder], preview=preview), True


class BatchProcessor:
    """All accounts of a credential manager, one after the other."""

    def __init__(self, credential_manager: Any, connection_manager: Any):
        self.credential_manager = credential_manager
        self.connection_manager = connection_manager

    def process_all_accounts(
        self, filters: Sequence[str] | None, auto_yes: bool = False
    ) -> list[dict[str, Any]]:
        """A dictionary for each account: `account`, `provider`, and totals or `error`."""
        return [
            self._account(account, filters, auto_yes)
            for account in self.credential_manager.load_credentials()
        ]

    def process_all_accounts_with_new_architecture(
        self, filters: Sequence[str] | None, auto_yes: bool = False
    ) -> list[dict[str, Any]]:
        return self.process_all_accounts(filters, auto_yes)

    def _account(
        self, account: dict[str, Any], filters: Sequence[str] | None, auto_yes: bool
    ) -> dict[str, Any]:
        address = account.get("email_address", "")
        result: dict[str, Any] = {"account": address, "provider": account.get("provider", "")}
        before = logger.current_session_id
        try:
            mail = self.connection_manager.connect_to_imap(account, quiet_mode=auto_yes)
            if not mail:
                return result | {"error": "Connection failed"}
            try:
                return result | self._folders(mail, account, filters, auto_yes)
            finally:
                self.connection_manager.disconnect()
        except Exception as error:  # the managers' own: one account does not stop the next
            return result | {"error": f"{type(error).__name__}: {error}"}
        finally:
            logger.current_session_id = before

    def _folders(
        self, mail: Any, account: dict[str, Any], filters: Sequence[str] | None, auto_yes: bool
    ) -> dict[str, Any]:
        address = account.get("email_address", "")
        folders = account.get("target_folders") or [
            name for name, _ in FolderManager(mail).find_target_folders()
        ]
        with db.store() as store:
            kind = account.get("provider") or provider_type(address)
            row = open_account(
                store, address, kind, account.get("host") or "", account.get("port") or 0
            )
            run = begin_imap_run(store, row.id, folders, preview=False, kind="batch")
            logger.set_session_context(run.session_id, row.id)
            processor = EmailProcessor(mail, account_email=address, account_id=row.id)
            totals = dict.fromkeys(
                ("total_deleted", "total_processed", "total_preserved", "total_validated",
                 "total_legitimate"), 0,
            )  # fmt: skip
            categories: dict[str, int] = {}
            problems: list[str] = []
            for folder in folders:
                *numbers, found = processor.process_folder_messages(
                    folder, filters, auto_confirm=auto_yes, quiet_mode=True
                )
                for name, number in zip(totals, numbers, strict=True):
                    totals[name] += number
                for category, entry in found.items():
                    categories[category] = categories.get(category, 0) + entry["count"]
                if processor.last_report is not None:
                    problems += processor.last_report.problems
            note_validated(store, run, totals["total_validated"])
            store.finish_run(run)
        summary = {"folders_processed": len(folders), "session_id": run.session_id}
        return totals | summary | {"categories": categories, "errors": problems}


class PreviewModeHandler:
    """A preview over folders, and the question whether to go through with it."""

    def __init__(self, processor: EmailProcessor, folder_manager: FolderManager):
        self.processor = processor
        self.folder_manager = folder_manager

    def run_preview_analysis(
        self, target_candidates: Sequence[tuple[str, int]], filters: Sequence[str] | None
    ) -> bool:
        """True when the user said yes and the folders were processed."""
        names = [name for name, _ in target_candidates]
        total, kept = 0, 0
        for name in names:
            deleted, _, preserved, _, _, categories = self.processor.process_folder_messages(
                name, filters, preview_mode=True, quiet_mode=True
            )
            total, kept = total + deleted, kept + preserved
            print(f"{name}: {deleted} would be deleted, {preserved} preserved")
            for category, entry in sorted(categories.items()):
                print(f"  {category}: {entry['count']}")
        print(f"{total} would be deleted, {kept} preserved, in {len(names)} folders")
        question = "Process these folders now? (y/n): "
        if not total or answered(question).lower() not in ("y", "yes"):
            return False
        for name in names:
            self.processor.process_folder_messages(name, filters, auto_confirm=True)
        return True
