"""The original's JSON routes: each path, method and key of its interface, and what was mended."""

import sqlite3
from contextlib import closing

import pytest
from webrig import HOST, TestClient

from atlas_fast import triage
from atlas_fast.store import SqliteStore
from atlas_fast.store.journal import begin_imap_run, open_account
from atlas_fast.web.app import create_app
from atlas_fast.web.legacy import mail

ACCOUNT, OTHER = "ann@mail.example", "bob@mail.example"

FLAG = {"email_uid": "7", "folder_name": "INBOX", "account_id": 2}
WRONG = {"email_uid": "8", "folder_name": "INBOX", "account_id": 999}

# method, path (or how it is filled), body, keys when it went well besides success, without success
ROUTES = [
    ("POST", "/api/timer/set", {"minutes": 5, "repeat_mode": True}, "message"),
    ("POST", "/api/timer/start", None, "message"),
    ("POST", "/api/timer/stop", None, "message"),
    ("GET", "/api/country-classifications/US", None, "country_code classifications"),
    ("GET", "/api/country-subcategories/US", None, "country_code subcategories"),
    ("GET", "/api/category-subcategories/Scams", None, "category subcategories"),
    ("POST", "/api/feedback",
     {"email_uid": "1", "feedback_type": "correct", "original_classification": "Phishing"},
     "message feedback_id deletion_result"),
    ("GET", "/api/feedback/stats", None, "stats"),
    ("GET", "/api/user-stats", None, "stats badges milestones"),
    ("POST", "/api/emails/flag", FLAG, "message email_uid folder_name"),
    ("GET", "/api/emails/flag-status/2/INBOX/7", None, "is_flagged email_uid folder_name account_id"),
    ("GET", "/api/emails/flag-status-detailed/2/INBOX/7", None,
     "email_uid folder_name account_id flag_type is_protected is_flagged_for_deletion has_any_flag"),
    ("GET", "/api/emails/flagged", None, "flagged_emails total_count returned_count"),
    ("POST", "/api/emails/unflag", FLAG, "message email_uid folder_name"),
    ("POST", "/api/emails/bulk-flag",
     {"account_id": 2, "emails": [{"email_uid": "9", "folder_name": "INBOX"}]},
     "message successful_flags failed_flags results"),
    ("POST", "/api/emails/flag-for-deletion", FLAG | {"email_uid": "10"},
     "message email_uid folder_name"),
    ("GET", "/api/emails/deletion-flagged", None,
     "deletion_flagged_emails total_count returned_count"),
    ("POST", "/api/flag-for-research", FLAG | {"email_uid": "11"}, "message email_uid"),
    ("GET", "/api/emails/research-flagged", None,
     "research_flagged_emails total_count returned_count"),
    ("POST", "/api/unflag-research", FLAG | {"email_uid": "11"}, "message email_uid"),
    ("GET", "/api/validation/emails/Phishing?page=1", None, "emails pagination"),
    ("POST", "/api/validation/feedback", {"email_id": 1, "feedback": "up"}, "message"),
    ("POST", "/api/validation/feedback", {"email_id": 2, "feedback": "down"},
     "message reclassification"),
    ("POST", "/api/validation/save", {"email_id": 3},
     "message protection_message patterns_learned reclassification"),
    ("POST", "/api/reclassify-thumbs-down", None, "summary"),
    ("GET", "/api/last-import/info", None, "session"),
    ("GET", "/api/accounts", None, "accounts"),
    ("GET", "/api/single-account/1/emails/1", None, "emails count account_id session_id next"),
    ("GET", "/api/single-account/2/all-emails", None,
     "emails count account_id account_email note"),
    ("GET", '/api/all-accounts/emails?session_ids=[{"session_id": 1}]', None,
     "emails count session_count"),
    ("POST", "/api/config/save", {"section": "ml", "config": {"enabled": False}}, "message"),
    ("POST", "/api/config/save-raw", {"config": {"general": {"timer_minutes": 9}}}, "message"),
    ("POST", "/api/config/import", {"config": {"processing": {"timeout": 9}}}, "message"),
    ("POST", "/api/db/remove-duplicates", None, "removed_count message"),
    ("POST", "/api/last-import/remove", None, "message details"),
    ("POST", "/api/db/delete-last-import", None, "deleted_count message"),
    ("POST", "/api/db/clear-feedback", None, "cleared_count message"),
    ("POST", "/api/accounts/remove", {"email_address": ACCOUNT}, "message"),
]  # fmt: skip
ELSEWHERE = {  # tested with a keyring and a server of our own, below
    ("POST", "/api/batch/run"), ("POST", "/api/accounts/add"), ("POST", "/api/accounts/test"),
    ("POST", "/api/single-account/{account_id}/preview"),
    ("POST", "/api/single-account/{account_id}/process"), ("GET", "/api/config/export"),
}  # fmt: skip

NESTED = {
    "/api/feedback/stats": ("stats", "total_feedback feedback_by_type feedback_last_7d "
                            "accuracy_rate false_positive_count"),
    "/api/user-stats": ("milestones", "next_email_milestone next_feedback_milestone "
                        "next_deletion_milestone email_progress feedback_progress "
                        "deletion_progress"),
    "/api/validation/emails/Phishing?page=1": (
        "pagination", "current_page total_pages total_emails has_next has_prev"),
    "/api/last-import/info": ("session", "id account_email start_time end_time total_emails "
                              "total_deleted total_preserved session_type"),
    "/api/reclassify-thumbs-down": (
        "summary", "total_processed reclassified category_breakdown message"),
    "/api/last-import/remove": ("details", "emails_removed session_id account_email import_time"),
}  # fmt: skip
ITEMS = {
    "classifications": "category count percentage",
    "subcategories": "subcategory count percentage",
    "flagged_emails": "id email_uid folder_name account_id sender_email subject flag_type "
    "flag_reason created_at created_by account_email",
    "accounts": "id email_address provider last_used target_folders folder_count",
    "results": "email_uid success message",
}
EMAIL = (
    "id sender subject category confidence action timestamp domain uid folder_name account_id "
    "is_flagged flag_type is_protected is_flagged_for_deletion is_research_flagged"
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    where = tmp_path_factory.mktemp("legacy") / "atlas.db"
    triage("synthetic:300,4", where)
    with SqliteStore(where) as store:
        account = open_account(store, ACCOUNT, "generic", "imap.mail.example", 993)
        assert account.id == 2
        triage("synthetic:40,5", store)
    return where


@pytest.fixture(scope="module")
def client(stored):
    return visitor(stored)


def visitor(path):
    return TestClient(create_app(path), base_url=HOST, raise_server_exceptions=False)


def ask(client, method, path, body=None):
    answer = client.request(method, path, **({} if body is None else {"json": body}))
    client.cookies.clear()
    return answer


@pytest.mark.parametrize(("method", "path", "body", "keys"), ROUTES)
def test_keys_of_the_answer(client, method, path, body, keys):
    answer = ask(client, method, path, body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["success"] is True, found
    assert set(found) == {"success", *keys.split()}
    if path in NESTED:
        name, inner = NESTED[path]
        assert set(found[name]) == set(inner.split())
    for name, inner in ITEMS.items():
        for one in found.get(name, ()):
            assert set(one) == set(inner.split())
    if "all-accounts" in path or "single-account" in path:
        extra = {"account_email"} if "all-accounts" in path else set()
        extra |= {"session_id"} if "all-emails" in path else set()
        assert found["count"] == len(found["emails"])
        for one in found["emails"]:
            assert set(one) == set(EMAIL.split()) | extra


def test_every_route_is_there_and_no_other(client):
    schema = ask(client, "GET", "/openapi.json").json()
    there = {
        (method.upper(), path)
        for path, methods in schema["paths"].items() for method in methods
        if path.startswith("/api/") and not path.startswith("/api/live")
    }  # fmt: skip
    called = set()
    for method, path, _, _ in ROUTES:
        for known_method, known in there:
            parts = known.split("/")
            given = path.partition("?")[0].split("/")
            same = len(parts) == len(given) and all(
                a == b or a[:1] == "{" for a, b in zip(parts, given, strict=True)
            )
            if same and known_method == method:
                called.add((known_method, known))
    assert there == called | ELSEWHERE
    assert len(there) == 43  # 53 routes of the original are these and ten pages


@pytest.mark.parametrize(
    ("method", "path", "body", "key"),
    [
        ("POST", "/api/feedback", {}, "message"),
        ("POST", "/api/emails/flag", {"email_uid": "1"}, "message"),
        ("POST", "/api/emails/flag", WRONG, "message"),
        ("POST", "/api/emails/unflag", WRONG, "message"),
        ("POST", "/api/emails/bulk-flag", {"account_id": 2}, "message"),
        ("POST", "/api/validation/feedback", {"email_id": 999_999, "feedback": "up"}, "message"),
        ("POST", "/api/validation/feedback", {"email_id": 1, "feedback": "sideways"}, "message"),
        ("POST", "/api/validation/save", {}, "message"),
        ("GET", "/api/validation/emails/Phishing?page=5000", None, "message"),
        ("POST", "/api/single-account/99/preview", None, "error"),
        ("POST", "/api/single-account/-1/process", None, "error"),
        ("GET", "/api/single-account/99/emails/1", None, "error"),
        ("GET", "/api/single-account/99/all-emails", None, "error"),
        ("GET", "/api/all-accounts/emails?session_ids=nonsense", None, "error"),
        ("GET", '/api/all-accounts/emails?session_ids=[{"session_id":"1"}]', None, "error"),
        ("POST", "/api/accounts/test", {"email_address": "nobody@example.org"}, "message"),
        ("POST", "/api/accounts/add", {"email_address": "a@b.example"}, "message"),
        ("POST", "/api/config/save", {"section": "x", "config": {"a": 1}}, "message"),
        ("POST", "/api/config/save", {"section": "ml", "config": {"enabled": "no"}}, "message"),
    ],
)
def test_what_cannot_be_done_says_so(client, method, path, body, key):
    answer = ask(client, method, path, body)
    assert answer.status_code == 200
    assert answer.json()["success"] is False and answer.json()[key]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/timer/set", {"minutes": 0}),
        ("POST", "/api/timer/set", {"minutes": 10_081}),
        ("GET", f"/api/all-accounts/emails?session_ids={'1' * 8_001}", None),
        ("POST", "/api/timer/set", {"minutes": "soon"}),
        ("POST", "/api/validation/save", {"email_id": 1 << 70}),
        ("GET", "/api/validation/emails/Phishing?page=-1", None),
        ("GET", "/api/emails/flagged?limit=1000000", None),
        ("POST", "/api/emails/bulk-flag", {"account_id": 2, "emails": [{}] * 501}),
    ],
)
def test_another_type_is_refused(client, method, path, body):
    assert ask(client, method, path, body).status_code == 422


def test_a_lone_half_of_a_character_is_no_error(client):
    answer = client.post(
        "/api/emails/flag", headers={"content-type": "application/json"},
        content=b'{"email_uid": "\\ud800", "folder_name": "a\\u0000b", "account_id": 2}',
    )  # fmt: skip
    assert answer.status_code == 200 and answer.json()["success"] is True


def test_thumbs_down_never_proposes_what_was_rejected(tmp_path):
    store = tmp_path / "a.db"
    triage("synthetic:60,9", store)
    client = visitor(store)
    with closing(sqlite3.connect(store)) as connection:
        ((number, first),) = connection.execute(
            "SELECT id, category FROM processed_emails_bulletproof WHERE action = 'DELETED' LIMIT 1"
        ).fetchall()
    seen = [first]
    for _ in range(4):
        body = {"email_id": number, "feedback": "down"}
        seen.append(ask(client, "POST", "/api/validation/feedback", body).json()
                    ["reclassification"]["new_category"])  # fmt: skip
    assert len(set(seen)) == 5  # the original swung between two for ever
    last = ask(client, "POST", "/api/validation/feedback", body).json()
    assert last["success"] and last["reclassification"] is None
    with SqliteStore(store) as opened:
        assert opened.check() == []  # the summaries follow


def test_a_folder_with_a_slash_has_a_status(client):
    flag = {"email_uid": "1", "folder_name": "INBOX/Old mail", "account_id": 2}
    assert ask(client, "POST", "/api/emails/flag", flag).json()["success"]
    answer = ask(client, "GET", "/api/emails/flag-status/2/INBOX/Old%20mail/1").json()
    assert answer["is_flagged"] is True and answer["folder_name"] == "INBOX/Old mail"
    answer = ask(client, "GET", "/api/emails/flag-status/2/a%0Ab%2F%0A/1%0A").json()
    assert answer["success"] and answer["is_flagged"] is False


def test_protecting_takes_a_flag_for_deletion_away(client):
    flag = {"email_uid": "77", "folder_name": "INBOX", "account_id": 2}
    assert ask(client, "POST", "/api/emails/flag-for-deletion", flag).json()["success"]
    assert ask(client, "POST", "/api/emails/flag", flag).json()["success"]
    answer = ask(client, "GET", "/api/emails/flag-status-detailed/2/INBOX/77").json()
    assert answer["flag_type"] == "PROTECT" and not answer["is_flagged_for_deletion"]
    assert not ask(client, "POST", "/api/flag-for-research", flag).json()["success"]


def test_settings_are_kept_and_exported(tmp_path):
    store = tmp_path / "a.db"
    SqliteStore(store).close()
    client = visitor(store)
    before = ask(client, "GET", "/api/config/export").json()
    assert before["general"] == {"batch_size": 50, "timer_minutes": 30, "auto_delete": False}
    body = {"section": "general", "config": {"timer_minutes": 7}}
    assert ask(client, "POST", "/api/config/save", body).json()["success"]
    after = ask(client, "GET", "/api/config/export").json()
    assert after["general"]["timer_minutes"] == 7 and after["ml"] == before["ml"]
    assert ask(client, "POST", "/api/config/import", {"config": before}).json()["success"]
    assert ask(client, "GET", "/api/config/export").json() == before


def test_a_preview_over_imap_is_no_import(tmp_path):
    path = tmp_path / "a.db"
    triage("synthetic:20,1", path)
    with SqliteStore(path) as store:
        account = open_account(store, ACCOUNT, "generic", "imap.mail.example", 993)
        begin_imap_run(store, account.id, ["INBOX"], preview=True)
    client = visitor(path)
    assert ask(client, "GET", "/api/last-import/info").json()["session"]["id"] == 1
    removed = ask(client, "POST", "/api/last-import/remove").json()
    assert removed["details"]["emails_removed"] == 20
    assert ask(client, "POST", "/api/last-import/remove").json()["success"] is False
    with SqliteStore(path) as store:
        assert store.count_messages() == 0 and store.check() == []


def test_without_a_store_every_route_says_so(tmp_path):
    client = visitor(tmp_path / "none.db")
    for method, path, body, _ in ROUTES:
        answer = ask(client, method, path, body)
        assert answer.status_code == 200
        if "/timer/" not in path:
            assert answer.json()["success"] is False
    assert not (tmp_path / "none.db").exists()


@pytest.fixture
def two_accounts(tmp_path):
    path = tmp_path / "two.db"
    with SqliteStore(path) as store:
        for address in (ACCOUNT, OTHER):
            open_account(store, address, "generic", "imap.mail.example", 993)
    return path


def test_all_accounts_tells_of_each_that_fails(two_accounts, monkeypatch):
    monkeypatch.setattr(mail, "connect", refuse)
    client = visitor(two_accounts)
    found = ask(client, "POST", "/api/single-account/all/preview").json()
    assert found["success"] is False
    assert found["data"]["account_breakdown"] == [
        {"email": address, "error": "no password"} for address in (ACCOUNT, OTHER)
    ]
    body = {"email_address": ACCOUNT}
    assert ask(client, "POST", "/api/accounts/test", body).json()["success"] is False
    assert ask(client, "POST", "/api/batch/run").json()["error"]


def test_all_accounts_are_summed_up(two_accounts, monkeypatch):
    def process(site, account, *, preview):
        n = 3 if account.address == ACCOUNT else 4
        return {"success": True, "total_deleted": n, "total_preserved": 10 * n,
                "categories": {"Phishing": n}, "session_id": n}  # fmt: skip

    monkeypatch.setattr(mail, "process", process)
    found = ask(visitor(two_accounts), "POST", "/api/single-account/all/process").json()
    assert found["success"] is True
    data = found["data"]
    assert (data["total_emails"], data["total_deleted"], data["total_preserved"]) == (77, 7, 70)
    assert data["categories"] == {"Phishing": 7} and data["mode"] == "process"
    assert data["account_breakdown"] == [
        {"email": ACCOUNT, "deleted": 3, "preserved": 30},
        {"email": OTHER, "deleted": 4, "preserved": 40},
    ]
    assert data["session_ids"] == [
        {"session_id": 3, "account_email": ACCOUNT}, {"session_id": 4, "account_email": OTHER},
    ]  # fmt: skip


class Box:
    """A mailbox that is never asked anything."""

    account = ACCOUNT

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_run_is_answered_when_it_has_ended(two_accounts, monkeypatch):
    report = {"preview": True, "chosen": 2, "removed": 0, "preserved": 5, "validated": 0,
              "legitimate": 5, "errors": 0, "problems": [],
              "categories": {"Phishing": {"count": 2}}}  # fmt: skip

    class Report:
        def to_dict(self):
            return report

    def run(mailbox, folders, store, options, progress):
        progress(7, 0)
        return [Report()]

    monkeypatch.setattr(mail, "connect", lambda *_, **__: Box())
    monkeypatch.setattr("atlas_fast.web.site.run_folders", run)
    client = visitor(two_accounts)
    found = ask(client, "POST", "/api/single-account/1/preview").json()
    assert found["success"] is True and found["data"]["total_deleted"] == 2
    assert found["data"]["categories"] == {"Phishing": 2}
    job = client.app.state.site.jobs.of(ACCOUNT)
    assert job.finished.is_set() and job.state == "done" and job.messages == 7

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("atlas_fast.web.site.run_folders", fail)
    monkeypatch.setattr("threading.excepthook", lambda _: None)  # told once more, on stderr
    found = ask(client, "POST", "/api/single-account/1/preview").json()
    assert found == {"success": False, "error": "an unexpected ZeroDivisionError"}


def test_a_flag_for_an_account_that_is_not_there(two_accounts):
    client = visitor(two_accounts)
    for path in ("emails/flag", "emails/flag-for-deletion", "flag-for-research"):
        found = ask(client, "POST", f"/api/{path}", WRONG).json()
        assert found["success"] is False and found["message"] == "There is no such account"


def test_no_other_message_is_flagged_for_deletion(tmp_path):
    store = tmp_path / "a.db"
    triage("synthetic:3,1", store)
    client = visitor(store)
    with closing(sqlite3.connect(store)) as connection, connection:
        ((account, folder, uid, at),) = connection.execute(
            "SELECT s.account_id, m.folder_name, m.uid, m.timestamp FROM sessions s "
            "JOIN processed_emails_bulletproof m ON m.session_id = s.id WHERE m.id = 1"
        ).fetchall()
        connection.execute(
            "INSERT INTO imap_folders (account_id, folder_name, uidvalidity, seen_at) "
            "VALUES (?, ?, 7, '2999-01-01 00:00:00')", (account, folder),
        )  # fmt: skip
    body = {"email_uid": uid, "folder_name": folder, "account_id": account, "session_id": 1}
    found = ask(client, "POST", "/api/emails/flag-for-deletion", body).json()
    assert found["success"] is False and "made anew" in found["message"]
    assert ask(client, "POST", "/api/emails/flag", body).json()["success"]
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE imap_folders SET seen_at = ?", (at,))
    assert ask(client, "POST", "/api/emails/flag-for-deletion", body).json()["success"]


def test_a_sender_is_learned_once(tmp_path):
    store = tmp_path / "a.db"
    triage("synthetic:3,1", store)
    client = visitor(store)
    learned = [
        ask(client, "POST", "/api/validation/save", {"email_id": 1}).json()["patterns_learned"]
        for _ in range(2)
    ]
    assert learned == [1, 0]


def test_messages_of_several_runs_are_shared_evenly(tmp_path):
    store = tmp_path / "a.db"
    triage("synthetic:120,1", store)
    client = visitor(store)
    path = "/api/all-accounts/emails?session_ids="
    found = ask(client, "GET", f'{path}[{{"session_id":1}},{{"session_id":99}}]').json()
    assert found["count"] == 100 and found["session_count"] == 2  # of 120 that the run has
    many = ",".join('{"session_id":1}' for _ in range(51))
    found = ask(client, "GET", f"{path}[{many}]").json()
    assert found["success"] is False and "50" in found["error"]


def test_an_account_needs_a_known_server(two_accounts, monkeypatch):
    from atlas_fast.web.legacy import accounts

    kept = {}
    monkeypatch.setattr(accounts, "keep_password", kept.__setitem__)
    body = {"email_address": "c@unknown.example", "password": "secret words"}
    client = visitor(two_accounts)
    found = ask(client, "POST", "/api/accounts/add", body).json()
    assert found["success"] is False and "server" in found["message"] and not kept
    known = body | {"email_address": "c@gmail.com"}
    assert ask(client, "POST", "/api/accounts/add", known).json()["success"] is True
    there = ask(client, "GET", "/api/accounts").json()["accounts"]
    assert {one["email_address"]: one["provider"] for one in there}["c@gmail.com"] == "gmail"


def refuse(*_, **__):
    from atlas_fast.errors import UsageError

    raise UsageError("no password")


def test_a_password_goes_to_the_keyring_and_nowhere_else(tmp_path, monkeypatch):
    from atlas_fast.web.legacy import accounts

    kept = {}
    monkeypatch.setattr(accounts, "keep_password", kept.__setitem__)
    path = tmp_path / "a.db"
    SqliteStore(path).close()
    body = {
        "email_address": "bob@example.org", "password": "hunter2 and more", "provider": "generic",
        "imap_server": "imap.example.org", "target_folders": ["INBOX", "Spam"],
    }  # fmt: skip
    client = visitor(path)
    assert ask(client, "POST", "/api/accounts/add", body).json()["success"]
    assert kept == {"bob@example.org": "hunter2 and more"}
    ((account,),) = [ask(client, "GET", "/api/accounts").json()["accounts"]]
    assert account["target_folders"] == ["INBOX", "Spam"] and account["folder_count"] == 2
    assert b"hunter2" not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


def test_the_timer_runs_all_accounts_and_stops():
    import threading

    ran = threading.Event()
    timer = mail.BatchTimer(ran.set)
    timer.minutes = 0  # no shorter wait can be set
    assert timer.start() and ran.wait(5)
    for _ in range(100):
        if not timer.active:
            break
        threading.Event().wait(0.01)
    assert not timer.active and timer.executions == 1
    timer.set(5, True)
    assert timer.start() and not timer.start()  # never two at once
    assert timer.stop() and not timer.stop()
