"""The journal of deletions: states, what an outcome adds, and every writer in each position."""

import pytest

from atlas_fast.sources.imap.client import Moved as NewPlace
from atlas_fast.store import SqliteStore
from atlas_fast.store.journal import (
    OPEN,
    Journal,
    account_of,
    begin_imap_run,
    key_variant,
    note_restored,
    note_validated,
    open_account,
    quarantined,
    run_of,
)  # fmt: skip
from store.original import content

MESSAGES = "processed_emails_bulletproof"


def row(uid, reason="Hybrid Classifier: Phishing (99.0% confidence) [AUTO_DETECTED]"):
    return {
        "folder_name": "Junk", "uid": str(uid), "sender_email": "eve@bad.example",
        "sender_domain": "bad.example", "subject": f"subject {uid}", "action": "DELETED",
        "reason": reason, "category": "Phishing", "confidence_score": 99.0,
        "ml_validation_method": "m", "category_v2": "Dangerous", "category_confidence_v2": 0.99,
        "classification_version": 2, "sender_name": "", "flags": 0,
        "message_key": uid.to_bytes(8, "big") + bytes(16),
    }  # fmt: skip


def decided(uids):
    return [(uid, f"<{uid}@bad.example>", row(uid)) for uid in uids]


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "a.db") as made:
        yield made
        assert made.check() == []


@pytest.fixture
def account(store):
    return open_account(store, "ann@example.org", "generic", "imap.example.org", 993)


@pytest.fixture
def run(store, account):
    return begin_imap_run(store, account.id, ["Junk"], preview=False)


@pytest.fixture
def journal(store, account, run):
    made = Journal(store, run, account, "Junk", 7, " [Bulk-Optimized]")
    made.see()
    made.decide(decided([1, 2, 3]))
    made.decide(decided([4, 5]), "Held", proposed=True)
    return made


def states(store):
    return dict(store._execute("SELECT uid, state FROM imap_journal").fetchall())


def told(store):
    return store._execute(
        f"SELECT uid, action, reason, confidence_score FROM {MESSAGES} ORDER BY id"
    ).fetchall()


def test_an_account_has_no_password(store, account):
    assert account_of(store, account.id) == account == open_account(store, account.address)
    assert account_of(store, 999) is None and run_of(store, 999) is None
    found = store._execute(
        "SELECT encrypted_password, host, port FROM accounts WHERE id = ?", (account.id,)
    )
    assert found.fetchall() == [("", "imap.example.org", 993)]


def test_states(store, journal):
    assert states(store) == {1: "decided", 2: "decided", 3: "decided", 4: "proposed", 5: "proposed"}
    (left,) = journal.open()
    assert (left.uidvalidity, left.target, left.uids) == (7, None, [1, 2, 3])
    journal.confirm()
    assert [one.target for one in journal.open()] == [None, "Held"]
    journal.sent([1, 4])
    assert journal.states([1, 2, 4, 9]) == {1: "sent", 2: "decided", 4: "sent"}


def test_decided_again_only_when_it_is_finished(store, journal):
    journal.sent([1])
    journal.decide(decided([1, 2]), "Held")
    assert states(store)[1] == "sent" and journal.open()[0].target is None
    journal.outcome("failed", [1], "no")
    journal.decide(decided([1]), "Held")
    assert states(store)[1] == "decided"


@pytest.mark.parametrize(
    ("state", "sent", "final", "action", "reason"),
    [
        ("deleted", True, "deleted", "DELETED", "[AUTO_DETECTED] [Bulk-Optimized]"),
        ("missing", True, "deleted", "DELETED", "[AUTO_DETECTED] [Bulk-Optimized]"),
        ("missing", False, "gone", "DELETED", "[AUTO_DETECTED] [Already Deleted]"),
        ("protected", False, "protected", "PRESERVED", "Protected by user flag [FLAG_PROTECTED]"),
        ("failed", True, "failed", "PRESERVED", "Deletion failed: why\u2400"),
        ("flagged", True, "flagged", None, None),
        ("void", False, "void", None, None),
    ],
)
def test_outcomes(store, journal, state, sent, final, action, reason):
    if sent:
        journal.sent([1])
    journal.outcome(state, [1], "why\0")
    assert states(store)[1] == final and journal.counts == {final: 1}
    if action is None:
        assert told(store) == []
        return
    ((uid, said, why, confidence),) = told(store)
    assert (uid, said, confidence) == ("1", action, 99.0) and why.endswith(reason)
    journal.outcome(state, [1], "why\0")  # a second time changes nothing
    assert len(told(store)) == 1 and journal.counts == {final: 1}


def test_moved_and_restored(store, account, journal):
    journal.confirm()
    journal.sent([4, 5])
    journal.outcome("moved", [4], moved=NewPlace(70, {4: 44}))
    journal.outcome("missing", [5])
    first, second = quarantined(store, account)
    assert (first.folder, first.target, first.target_uidvalidity, first.target_uid) == (
        "Junk", "Held", 70, 44,
    )  # fmt: skip
    assert second.target_uid is None and second.message_id == "<5@bad.example>"
    assert [why[-14:] for _, _, why, _ in told(store)] == [" [QUARANTINED]"] * 2
    note_restored(store, account, [first], {first.journal_id: 99})
    assert quarantined(store, account) == [second]
    assert journal.protected([4, 99]) == {99}


def test_another_uidvalidity_switches_deletion_flags_off(store, account, run, journal):
    for uid, kind in ((1, "DELETE"), (2, "PROTECT"), (3, "RESEARCH")):
        with store.transaction() as connection:
            connection.execute(
                "INSERT INTO email_flags (email_uid, folder_name, account_id, flag_type) "
                "VALUES (?, 'Junk', ?, ?)", (str(uid), account.id, kind),
            )  # fmt: skip
    assert journal.see() and journal.marked() == [1]
    other = Journal(store, run, account, "Junk", 8)
    assert not other.see() and other.see()
    assert other.flags() == {2: "PROTECT", 3: "RESEARCH"} and other.protected([1, 2, 3]) == {2, 3}


def test_prune_leaves_what_is_open_or_in_quarantine(store, account, journal):
    journal.confirm()
    journal.sent([1, 4])
    journal.outcome("deleted", [1])
    journal.outcome("moved", [4])
    store.prune("9999-01-01 00:00:00")
    assert set(states(store)) == {2, 3, 4, 5}


def test_a_variant_keeps_the_order_of_keys():
    key = bytes(range(24))
    assert key_variant(key, "PREVIEW")[:8] == key[:8] and len(key_variant(key, "PREVIEW")) == 24
    assert len({key, key_variant(key, "PREVIEW"), key_variant(key, "DELETED")}) == 3


# -- the grid --------------------------------------------------------------------------------

WRITERS = {
    "open_account": lambda j: open_account(j._store, "new@example.org"),
    "begin_imap_run": lambda j: begin_imap_run(j._store, j._account.id, ["x"], preview=True),
    "note_validated": lambda j: note_validated(j._store, j._run, 5),
    "see": lambda j: Journal(j._store, j._run, j._account, "Junk", 8).see(),
    "decide": lambda j: j.decide(decided([11, 12])),
    "confirm": lambda j: j.confirm(),
    "sent": lambda j: j.sent([1, 2]),
    "copied": lambda j: j.copied([1], NewPlace(70, {1: 2})),
    "outcome": lambda j: j.outcome("protected", [1, 2]),
    "deleted": lambda j: j.outcome("deleted", [3], moved=NewPlace(70, {3: 9})),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_alone_inside_and_taken_back(store, journal, writer):
    before = content(store.path)
    with pytest.raises(RuntimeError), store.transaction():
        WRITERS[writer](journal)
        raise RuntimeError
    assert content(store.path) == before
    with store.transaction():
        WRITERS[writer](journal)
        assert content(store.path) == before
    assert content(store.path) != before


@pytest.mark.parametrize("writer", WRITERS)
def test_an_error_at_each_statement_takes_all_of_it_back(store, journal, writer, monkeypatch):
    before = content(store.path)
    names = ("_execute", "_executemany")
    real = {name: getattr(store, name) for name in names}
    seen, fail_at = [0], [0]

    def failing(name):
        def call(*arguments):
            seen[0] += 1
            if seen[0] == fail_at[0]:
                raise RuntimeError("the disk is gone")
            return real[name](*arguments)

        return call

    for name in names:
        monkeypatch.setattr(store, name, failing(name))
    while True:
        seen[0], fail_at[0] = 0, fail_at[0] + 1
        try:
            WRITERS[writer](journal)
            break
        except RuntimeError:
            assert content(store.path) == before
    assert fail_at[0] > 1 and content(store.path) != before


def test_open_states_are_those_of_the_statements():
    assert OPEN == ("decided", "sent", "copied", "flagged")
