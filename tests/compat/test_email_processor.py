"""The original's processor on a real server: shapes, stored strings, and mail that is safe."""

import contextlib
import imaplib
import inspect
import io
import socket
import sqlite3
import ssl

import pytest
from dovecot import PASSWORD, USER, Dovecot, mail, mails, needs_dovecot

from atlas_fast.compat.core import email_processor
from atlas_fast.compat.core.email_processor import (
    BatchProcessor,
    EmailProcessor,
    FolderManager,
    PreviewModeHandler,
    check_message_optimized,
    compile_filter_patterns,
    get_email_headers_batch_uid,
    get_email_headers_single_uid,
    get_provider_settings,
    get_provider_type,
)
from atlas_fast.compat.models.database import DatabaseManager, db
from atlas_fast.compat.models.db_logger import logger

N = 90
GO = {i + 1 for i in range(N) if i % 3 == 0}
TERMS = ["x-test: take-me"]

SIGNATURES = {
    "EmailProcessor.__init__": "self, mail_connection, domain_validator=None, account_email=None, "
    "account_id=None, enable_ab_testing=False",
    "EmailProcessor.process_folder_messages": "self, folder_name, filters=None, "
    "auto_confirm=False, preview_mode=False, debug_mode=False, quiet_mode=False",
    "EmailProcessor.process_folder_messages_with_new_architecture": "self, folder_name, "
    "filters=None, domain_validator=None, auto_confirm=False, preview_mode=False, "
    "debug_mode=False, quiet_mode=False",
    "EmailProcessor.get_processing_stats": "self",
    "EmailProcessor.reset_stats": "self",
    "FolderManager.__init__": "self, mail_connection",
    "FolderManager.find_target_folders": "self",
    "FolderManager.select_folders_to_process": "self, target_candidates",
    "FolderManager.setup_account_folders": "self, account_email, credential_manager",
    "FolderManager.update_account_folders": "self, account_email, current_folders, "
    "credential_manager",
    "BatchProcessor.__init__": "self, credential_manager, connection_manager",
    "BatchProcessor.process_all_accounts": "self, filters, auto_yes=False",
    "BatchProcessor.process_all_accounts_with_new_architecture": "self, filters, auto_yes=False",
    "PreviewModeHandler.__init__": "self, processor, folder_manager",
    "PreviewModeHandler.run_preview_analysis": "self, target_candidates, filters",
    "check_message_optimized": "headers, simple_filters, compiled_patterns",
    "compile_filter_patterns": "filters",
    "get_email_headers_batch_uid": "mail, uids, batch_size=50",
    "get_email_headers_single_uid": "mail, uid",
    "get_provider_settings": "provider_type",
    "get_provider_type": "email_address",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    target = email_processor
    for part in name.split("."):
        target = getattr(target, part)
    parameters = [
        one.name if one.default is one.empty else f"{one.name}={one.default!r}"
        for one in inspect.signature(target).parameters.values()
    ]
    assert ", ".join(parameters) == SIGNATURES[name]


PROVIDERS = {
    "icloud": (True, True, 25, True, 5),
    "gmail": (False, False, 50, False, 10),
    "outlook": (False, False, 30, False, 8),
    "yahoo": (False, False, 40, False, 8),
    "aol": (False, False, 30, False, 8),
    "generic": (False, False, 25, False, 5),
}


def test_providers():
    for address, kind in {
        "a@ICLOUD.com": "icloud", "a@me.com": "icloud", "a@mac.com": "icloud",
        "a@gmail.com": "gmail", "a@live.com": "outlook", "a@msn.com": "outlook",
        "a@hotmail.com": "outlook", "a@yahoo.co.uk": "yahoo", "a@yahoo.ca": "yahoo",
        "a@aol.com": "aol", "a@example.org": "generic", "nobody": "generic", "": "generic",
        None: "generic",
    }.items():  # fmt: skip
        assert get_provider_type(address) == kind
    for kind, values in PROVIDERS.items():
        found = get_provider_settings(kind)
        assert found == dict(
            zip(
                ("skip_individual_marking", "use_bulk_operations", "batch_size",
                 "requires_parentheses", "folder_reselect_frequency"), values, strict=True,
            )
        )  # fmt: skip
        assert found is not get_provider_settings(kind)
    assert get_provider_settings("nothing known") == get_provider_settings("generic")


def test_filters():
    simple, compiled = compile_filter_patterns(["Casino", "win*ner", "bad[", "a(b"])
    assert simple == ["casino", "bad[", "a(b"]
    assert [term for _, term in compiled] == ["win*ner"]
    assert check_message_optimized("Subject: CASINO", simple, compiled) == (True, "Matched: casino")
    assert check_message_optimized("Subject: WINNNER", simple, compiled) == (
        True, "Matched regex: win*ner",
    )  # fmt: skip
    assert check_message_optimized("Subject: lunch", simple, compiled) == (False, "")
    assert compile_filter_patterns(None) == ([], [])


def test_classifiers_of_a_processor(database):
    """They are objects that stay, and answer; a caller may put others in their place."""
    processor = EmailProcessor(None, enable_ab_testing=True)
    assert processor.keyword_processor is processor.keyword_processor
    assert processor.keyword_processor.process_keywords("", "a@b.example", "Hi")
    assert processor.keyword_processor.last_classification_confidence > 0
    made = processor.ab_classifier.classify_with_ab_testing("a@b.example", "Hi")
    assert made["ab_testing"]["rollout_percentage"] == 10.0
    assert processor.ab_classifier.get_performance_metrics()["total_classifications"] == 1
    assert EmailProcessor(None).ab_classifier is None
    processor.ab_classifier = "another"
    assert processor.ab_classifier == "another"


# -- on a server -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    made.fill("small", mails(N))
    made.flag("small", "2,5", "\\Seen \\Deleted")
    made.fill("Junk/Entw&APw-rfe", mails(6))
    yield made
    made.close()


@pytest.fixture
def database(tmp_path, monkeypatch):
    """The module's `db`, at a place of the test's own."""
    monkeypatch.setattr(db, "db_path", str(tmp_path / "data" / "mail_filter.db"))
    monkeypatch.setattr(db, "_lent", None)
    monkeypatch.setattr(logger, "current_session_id", None)
    yield db
    db.close_connection()


@pytest.fixture
def work(server):
    server.copy("small", "work")
    yield "work"
    server.drop("work")


@pytest.fixture
def mailbox(server):
    connection = imaplib.IMAP4("127.0.0.1", server.port)
    connection.login(USER, PASSWORD)
    yield connection
    try:
        connection.logout()
    except (imaplib.IMAP4.error, OSError):
        connection.file.close()
        connection.sock.close()


def rows(database, query, *values):
    with contextlib.closing(sqlite3.connect(database.db_path)) as connection:
        return connection.execute(query, values).fetchall()


class Asks:
    """A validator of the original's shape that answers the same to all."""

    def __init__(self, *answer):
        self.answer = answer

    def validate_domain_before_deletion(self, sender, subject):
        return self.answer


@needs_dovecot
def test_a_program_of_the_original(server, work, mailbox, database):
    """Connect, preview, process, read the six values and the table."""
    before = server.snapshot(work)
    processor = EmailProcessor(mailbox, account_email=USER, account_id=None)
    found = processor.process_folder_messages(work, TERMS, preview_mode=True, quiet_mode=True)
    deleted, processed, preserved, validated, legitimate, categories = found
    assert processed == deleted + preserved == N and server.snapshot(work) == before
    assert all(set(entry) == {"count", "reason"} for entry in categories.values())
    assert sum(entry["count"] for entry in categories.values()) == deleted
    assert (validated, legitimate) == (0, preserved)
    again = processor.process_folder_messages(work, TERMS, auto_confirm=True, quiet_mode=True)
    assert again[:3] == (deleted, N, preserved)
    left = server.snapshot(work)
    assert len(left) == preserved and not GO & set(left)
    assert all(left[uid] == before[uid] for uid in left)
    stats = processor.get_processing_stats()
    assert stats["total_fetched"] == 2 * N and stats["total_deleted"] == 2 * deleted
    processor.reset_stats()
    assert set(processor.get_processing_stats().values()) == {0}
    stored = rows(
        database,
        "SELECT uid, action, reason, folder_name, sender_email, category, confidence_score FROM "
        "processed_emails_bulletproof WHERE reason NOT LIKE '%[PREVIEW]' ORDER BY CAST(uid AS INT)",
    )
    assert [int(row[0]) for row in stored] == list(range(1, N + 1))
    for uid, action, reason, folder, sender, category, _ in stored:
        assert folder == work and sender.endswith("@example.org")
        if action == "PRESERVED":
            assert reason == f"Not flagged by spam detection (category: {category})"
        elif int(uid) in GO:
            assert reason.endswith((
                "Matched: x-test: take-me [USER_KEYWORD]", f"[MULTI_MATCH] | Category: {category}",
            )) or "[MULTI_MATCH]" in reason  # fmt: skip
            assert category == "User Keyword"
        else:
            assert reason.startswith("Hybrid Classifier: ") and reason.endswith("[AUTO_DETECTED]")
    previews = rows(
        database,
        "SELECT COUNT(*) FROM processed_emails_bulletproof WHERE action = 'DELETED' AND "
        "reason LIKE '% [PREVIEW]'",
    )
    assert previews == [(deleted,)]
    mailbox.select(work)  # the connection is the caller's, and usable
    assert mailbox.uid("search", None, "ALL")[0] == "OK"


@needs_dovecot
def test_flags_of_the_database_win(server, work, mailbox, database):
    before = server.snapshot(work)
    account = database.execute_insert(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
        "VALUES (?, 'generic', '', 0, '')", (USER,),
    )  # fmt: skip
    assert database.flag_email_for_protection("1", work, account)
    assert database.flag_email_for_research("4", work, account)
    assert database.flag_email_for_deletion("2", work, account)
    processor = EmailProcessor(mailbox, account_email=USER)  # no id: the address leads to it
    processor.process_folder_messages(work, TERMS, quiet_mode=True)
    left = server.snapshot(work)
    assert {1, 4} <= set(left) and 2 not in left and left[1] == before[1]


@needs_dovecot
def test_user_filters_and_validator(server, mailbox, database):
    """A domain that may not be deleted keeps a message, but not against the user's own term."""
    server.fill("few", [mail(1, go=True), mail(2)])
    processor = EmailProcessor(
        mailbox, domain_validator=Asks(False, "Legitimate domain", True), account_email=USER
    )
    found = processor.process_folder_messages("few", TERMS, preview_mode=True, quiet_mode=True)
    assert found[0] >= 1 and found[3] >= 0
    server.drop("few")


@needs_dovecot
def test_names_that_callers_have(server, mailbox, database):
    processor = EmailProcessor(mailbox, account_email=USER)
    for name in ("Junk/Entwürfe", '"Junk/Entw&APw-rfe"', "Junk/Entw&APw-rfe"):
        found = processor.process_folder_messages(name, preview_mode=True, quiet_mode=True)
        assert found[1] == 6
    stored = rows(database, "SELECT DISTINCT folder_name FROM processed_emails_bulletproof")
    assert stored == [("Junk/Entwürfe",)]


@needs_dovecot
def test_nothing_there(server, mailbox, database, capsys):
    processor = EmailProcessor(mailbox, account_email=USER)
    assert processor.process_folder_messages("nowhere") == (0, 0, 0, 0, 0, {})
    assert "nowhere" in capsys.readouterr().err
    mailbox.create("empty")
    assert processor.process_folder_messages("empty") == (0, 0, 0, 0, 0, {})
    capsys.readouterr()
    mailbox.sock.shutdown(socket.SHUT_RDWR)
    assert processor.process_folder_messages("small") == (0, 0, 0, 0, 0, {})
    assert "small: " in capsys.readouterr().err
    assert EmailProcessor(object()).process_folder_messages("x") == (0, 0, 0, 0, 0, {})
    with server.client() as box:
        box.delete("empty")


@needs_dovecot
@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_an_encrypted_connection(server, work, database, how):
    if server.ca is None:
        pytest.skip("no openssl to make a certificate with")
    context = ssl.create_default_context(cafile=server.ca)
    if how == "tls":
        box = imaplib.IMAP4_SSL("localhost", server.tls_port, ssl_context=context)
    else:
        box = imaplib.IMAP4("localhost", server.port)
        box.starttls(context)
    with box:
        box.login(USER, PASSWORD)
        before = server.snapshot(work)
        processor = EmailProcessor(box, account_email=USER)
        assert processor.process_folder_messages(work, TERMS, quiet_mode=True)[0] >= len(GO)
        left = server.snapshot(work)
        assert not GO & set(left) and all(left[uid] == before[uid] for uid in left)
        assert box.noop()[0] == "OK"


class Shaped:
    """Not an imaplib object, but of its shape."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        if name in ("uid", "select", "list", "response", "expunge", "capabilities"):
            return getattr(self._real, name)
        raise AttributeError(name)


@needs_dovecot
def test_a_connection_that_only_looks_like_one(server, work, mailbox, database):
    before = server.snapshot(work)
    mailbox.capability()
    processor = EmailProcessor(Shaped(mailbox), account_email=USER)
    found = processor.process_folder_messages(work, TERMS, preview_mode=True, quiet_mode=True)
    assert found[1] == N and server.snapshot(work) == before


@needs_dovecot
def test_headers_by_uid(server, work, mailbox):
    mailbox.select(work, readonly=True)
    found = get_email_headers_batch_uid(mailbox, ["3", b"1", 2, "999"], batch_size=2)
    assert set(found) == {"1", "2", "3"} and "message 0" in found["1"]
    assert "message 4" in get_email_headers_single_uid(mailbox, "5")
    assert get_email_headers_single_uid(mailbox, "999") == ""
    mailbox.sock.shutdown(socket.SHUT_RDWR)
    assert get_email_headers_single_uid(mailbox, "1") == ""


class Credentials:
    def __init__(self, *accounts):
        self.accounts, self.saved = accounts, []

    def load_credentials(self):
        return list(self.accounts)

    def update_folder_preferences(self, address, names):
        self.saved.append((address, names))
        return True


class Connections:
    def __init__(self, server):
        self.server, self.closed = server, 0

    def connect_to_imap(self, account, quiet_mode=False):
        if account["email_address"].startswith("broken"):
            raise OSError("no route")
        self.mail = self.server.client()
        return self.mail

    def disconnect(self):
        self.closed += 1
        self.mail.logout()


@needs_dovecot
def test_batch(server, work, database):
    credentials = Credentials(
        {"email_address": "broken@example.org", "provider": "generic", "target_folders": ["x"]},
        {"email_address": USER, "provider": "generic", "target_folders": [work]},
    )
    connections = Connections(server)
    first, second = BatchProcessor(credentials, connections).process_all_accounts(TERMS, True)
    assert first["account"] == "broken@example.org" and "no route" in first["error"]
    assert second["account"] == USER and second["provider"] == "generic"
    assert second["total_deleted"] >= len(GO) and connections.closed == 1
    assert not GO & set(server.snapshot(work))
    (session,) = rows(
        database,
        "SELECT session_type, total_deleted, total_preserved, end_time IS NOT NULL FROM sessions",
    )
    assert session == ("batch", second["total_deleted"], second["total_preserved"], 1)
    assert logger.current_session_id is None


@needs_dovecot
def test_folder_manager(server, mailbox, monkeypatch, capsys):
    manager, credentials = FolderManager(mailbox), Credentials()
    assert manager.find_target_folders() == [("Junk/Entwürfe", 6)]
    answers = []
    monkeypatch.setattr("builtins.input", lambda question: answers.pop(0))
    answers[:] = ["1,3, 9", "no"]
    candidates = [("Junk", 5), ("Spam", 1), ("INBOX", 7)]
    assert manager.select_folders_to_process(candidates) == ["Junk"]
    answers[:] = ["all", "YES"]
    assert manager.select_folders_to_process(candidates) == ["Junk", "Spam", "INBOX"]
    names = [name for name, _ in manager._all()]
    answers[:] = [str(names.index("small") + 1)]
    assert manager.setup_account_folders(USER, credentials) == ["small"]
    assert credentials.saved == [(USER, ["small"])]
    answers[:] = [""]
    assert manager.update_account_folders(USER, ["Junk"], credentials) == ["Junk"]


@needs_dovecot
def test_preview_handler(server, work, mailbox, database, monkeypatch, capsys):
    before = server.snapshot(work)
    processor = EmailProcessor(mailbox, account_email=USER)
    handler = PreviewModeHandler(processor, FolderManager(mailbox))
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert handler.run_preview_analysis([(work, N)], TERMS) is False
    assert server.snapshot(work) == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert handler.run_preview_analysis([(work, N)], TERMS) is True
    assert not GO & set(server.snapshot(work))


def test_nobody_to_ask(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert FolderManager(None).select_folders_to_process([("Junk", 1)]) == []


def test_the_database_is_the_original_s():
    assert isinstance(db, DatabaseManager)
