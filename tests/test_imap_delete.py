"""Removal on a real server: exactly the chosen messages go, and nothing else is touched."""

import pytest
from dovecot import Dovecot, mails, needs_dovecot
from imaprig import STRATEGIES, deleted_uids, mail_run, mailbox, rows, states

from atlas_fast import quarantine
from atlas_fast.errors import ImapError
from atlas_fast.pipeline import Pipeline
from atlas_fast.store import open_store
from atlas_fast.store.journal import open_account

pytestmark = needs_dovecot

N = 300
BIG = 10_000


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    made.fill("small", mails(N))
    made.flag("small", "1:50", "\\Seen")
    made.flag("small", "2,5,8", "\\Flagged $Work")
    made.flag("small", "11,14", "\\Deleted")  # by another client; none of them is to go
    yield made
    made.close()


@pytest.fixture(scope="module")
def big(server):
    server.fill("big", mails(BIG))
    server.flag("big", "1:3000", "\\Seen")
    server.flag("big", "2,5,8,9998", "\\Deleted")
    return server


@pytest.fixture
def folder(server):
    server.copy("small", "work")
    yield "work"
    server.drop("work")


def to_go(n):
    return {i + 1 for i in range(n) if i % 3 == 0}


def without(snapshot, uids):
    return {uid: what for uid, what in snapshot.items() if uid not in uids}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ten_thousand_messages(big, tmp_path, strategy):
    big.copy("big", "much")
    before, store = big.snapshot("much"), tmp_path / "x.db"
    assert len(before) == BIG
    preview = mail_run(big.port, "much", store, strategy=strategy, preview=True)
    assert (preview.messages, preview.chosen, preview.removed) == (BIG, len(to_go(BIG)), 0)
    assert big.snapshot("much") == before
    done = mail_run(big.port, "much", store, strategy=strategy)
    assert done.outcomes == {"deleted": len(to_go(BIG))}
    assert big.snapshot("much") == without(before, to_go(BIG))
    assert deleted_uids(store, "much") == to_go(BIG)
    with open_store(store) as opened:
        assert opened.check() == []
    big.drop("much")


def test_preview_changes_nothing(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    report = mail_run(server.port, folder, store, preview=True)
    assert server.snapshot(folder) == before
    assert report.chosen == len(to_go(N)) and report.removed == 0
    assert states(store) == {}
    (told,) = rows(
        store,
        "SELECT COUNT(*) FROM processed_emails_bulletproof WHERE reason LIKE '%[PREVIEW]'",
    )
    assert told == (len(to_go(N)),)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_reason_says_how(server, folder, tmp_path, strategy):
    mail_run(server.port, folder, tmp_path / "x.db", strategy=strategy)
    reasons = rows(
        tmp_path / "x.db",
        "SELECT DISTINCT reason, category FROM processed_emails_bulletproof WHERE action='DELETED'",
    )
    suffix = {"standard": "", "bulk": " [Bulk-Optimized]", "icloud": " [iCloud-UID-EXPUNGE]"}
    assert reasons == [
        ("Matched: x-test: take-me [USER_KEYWORD]" + suffix[strategy], "User Keyword")
    ]


def test_a_second_run_adds_nothing(server, folder, tmp_path):
    store = tmp_path / "x.db"
    mail_run(server.port, folder, store)
    before = rows(store, "SELECT COUNT(*) FROM processed_emails_bulletproof")
    again = mail_run(server.port, folder, store)
    assert (again.messages, again.chosen) == (N - len(to_go(N)), 0)
    assert rows(store, "SELECT COUNT(*) FROM processed_emails_bulletproof") == before


def test_not_confirmed_is_not_removed_now_or_later(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    report = mail_run(server.port, folder, store, confirm=lambda report: report.chosen == 0)
    assert not report.confirmed and server.snapshot(folder) == before
    assert states(store) == {"proposed": len(to_go(N))}
    from atlas_fast.classify.policy import Filters

    mail_run(server.port, folder, store, filters=Filters(["nothing has this"]))
    assert server.snapshot(folder) == before
    mail_run(server.port, folder, store, confirm=lambda report: report.chosen == len(to_go(N)))
    assert server.snapshot(folder) == without(before, to_go(N))


# -- protection ------------------------------------------------------------------------------


def protect(store, folder, uids, kind="PROTECT"):
    with open_store(store) as opened:
        account = open_account(opened, "ann@example.org")
        with opened.transaction() as connection:
            for uid in uids:
                connection.execute(
                    "INSERT INTO email_flags (email_uid, folder_name, account_id, flag_type) "
                    "VALUES (?, ?, ?, ?)",
                    (str(uid), folder, account.id, kind),
                )


def test_protection_flags_win(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    protect(store, folder, [1, 4])
    protect(store, folder, [7], "RESEARCH")
    mail_run(server.port, folder, store)
    assert server.snapshot(folder) == without(before, to_go(N) - {1, 4, 7})
    kept = rows(
        store,
        "SELECT uid FROM processed_emails_bulletproof WHERE "
        "reason = 'Protected by user flag [FLAG_PROTECTED]' AND action = 'PRESERVED'",
    )
    assert {uid for (uid,) in kept} == {"1", "4", "7"}


def test_a_flag_set_after_the_decision_wins(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"

    def confirm(report):
        protect(store, folder, [1, 298])
        return True

    report = mail_run(server.port, folder, store, confirm=confirm)
    assert report.outcomes == {"deleted": len(to_go(N)) - 2, "protected": 2}
    assert server.snapshot(folder) == without(before, to_go(N) - {1, 298})


def test_deletion_flags_choose(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    protect(store, folder, [2, 3], "DELETE")
    mail_run(server.port, folder, store)
    assert server.snapshot(folder) == without(before, to_go(N) | {2, 3})
    found = rows(
        store,
        "SELECT reason, category FROM processed_emails_bulletproof WHERE uid = '2' AND action = "
        "'DELETED'",
    )
    assert found == [
        ("Manually flagged for deletion [FLAGGED_FOR_DELETION]", "Flagged for Deletion")
    ]


def test_deletion_flags_of_another_uidvalidity_choose_nothing(server, tmp_path):
    store = tmp_path / "x.db"
    server.copy("small", "again")
    mail_run(server.port, "again", store, preview=True)
    protect(store, "again", [2], "DELETE")
    server.drop("again")
    server.copy("small", "other")  # so that the folder made anew has another UIDVALIDITY
    server.drop("other")
    server.copy("small", "again")
    before = server.snapshot("again")
    mail_run(server.port, "again", store)
    assert server.snapshot("again") == without(before, to_go(N))
    server.drop("again")


# -- servers that can less -------------------------------------------------------------------


class Less:
    """A server that hides capabilities, and refuses their commands as one without would."""

    def __init__(self, server, hidden):
        from breakable import Breakable

        def edit(data, from_server):
            if from_server:
                for name in hidden:
                    data = data.replace(b" " + name, b" X" + name[1:])
                return data
            if b"UIDPLUS" in hidden:
                assert b"UID EXPUNGE" not in data, "UID EXPUNGE where there is none"
            if b"MOVE" in hidden:
                assert b"UID MOVE" not in data
            return data

        self.proxy = Breakable(server.port, edit)


def test_without_uidplus_others_flagged_are_not_taken(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Less(server, [b"UIDPLUS"]).proxy as proxy:
        report = mail_run(proxy.port, folder, store)
        assert report.outcomes == {"flagged": len(to_go(N))}
        after = server.snapshot(folder)
        assert set(after) == set(before)
        assert {uid: what for uid, what in after.items() if uid not in to_go(N)} == without(
            before, to_go(N)
        )
        with server.client() as other:  # the other client comes to a decision: it keeps them
            other.select(folder)
            other.uid("store", "11,14", "-FLAGS", "(\\Deleted)")
        before = server.snapshot(folder)
        again = mail_run(proxy.port, folder, store)
    assert again.finished == {"deleted": len(to_go(N))}
    assert server.snapshot(folder) == without(before, to_go(N))
    assert deleted_uids(store, folder) == to_go(N)


def test_protected_while_flagged_is_unflagged(server, folder, tmp_path):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Less(server, [b"UIDPLUS"]).proxy as proxy:
        mail_run(proxy.port, folder, store)
    assert b"\\Deleted" in server.snapshot(folder)[1][0]
    protect(store, folder, [1])
    report = mail_run(server.port, folder, store)
    assert report.finished == {"deleted": len(to_go(N)) - 1, "protected": 1}
    assert server.snapshot(folder) == without(before, to_go(N) - {1})


@pytest.mark.parametrize("hidden", [[], [b"MOVE"]], ids=["MOVE", "COPY"])
def test_quarantine_and_restore(server, folder, tmp_path, hidden):
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Less(server, hidden).proxy as proxy:
        report = mail_run(proxy.port, folder, store, quarantine="Held/atlas é")
        assert report.outcomes == {"moved": len(to_go(N))}
        assert server.snapshot(folder) == without(before, to_go(N))
        held = server.snapshot('"Held/atlas &AOk-"')
        assert sorted(d for _, d in held.values()) == sorted(before[u][1] for u in to_go(N))
        with open_store(store) as opened, mailbox(proxy.port) as box:
            account = open_account(opened, "ann@example.org")
            done = quarantine.restore(box, opened, account)
            assert (done.restored, done.problems) == (len(to_go(N)), [])
            assert quarantine.restore(box, opened, account).restored == 0
        after = server.snapshot(folder)
        assert sorted(d for _, d in after.values()) == sorted(d for _, d in before.values())
        assert server.snapshot('"Held/atlas &AOk-"') == {}
        again = mail_run(proxy.port, folder, store)  # what was restored is not taken again
        assert again.removed == 0 and server.snapshot(folder) == after
    server.drop('"Held/atlas &AOk-"')


def test_restore_by_message_id(server, folder, tmp_path):
    """UIDs in quarantine that mean nothing any more: the folder was made anew."""
    store = tmp_path / "x.db"
    mail_run(server.port, folder, store, quarantine="Held2")
    server.copy("Held2", "Held3")
    server.drop("Held2")
    server.copy("Held3", "Held2")
    with open_store(store) as opened, mailbox(server.port) as box:
        account = open_account(opened, "ann@example.org")
        done = quarantine.restore(box, opened, account, folder=folder)
    assert (done.restored, done.problems) == (len(to_go(N)), [])
    assert len(server.snapshot(folder)) == N
    for name in ("Held2", "Held3"):
        server.drop(name)


def test_a_folder_that_can_only_be_read(server, folder, tmp_path):
    def edit(data, from_server):
        return data.replace(b"[READ-WRITE]", b"[READ-ONLY]") if from_server else data

    from breakable import Breakable

    before = server.snapshot(folder)
    with Breakable(server.port, edit) as proxy, pytest.raises(ImapError, match="can only be read"):
        mail_run(proxy.port, folder, tmp_path / "x.db")
    assert server.snapshot(folder) == before
    assert states(tmp_path / "x.db") == {"decided": len(to_go(N))}


def test_the_shipped_model_decides(server, tmp_path):
    """The whole pipeline: what a preview names is what a run takes."""
    from atlas_fast.classify.policy import Filters
    from atlas_fast.sources import open_source

    (batch,) = open_source("synthetic:400,3").batches(400, 1 << 30)
    server.fill("generated", list(batch))
    before, store = server.snapshot("generated"), tmp_path / "x.db"
    whole = {"pipeline": Pipeline(), "filters": Filters(())}
    preview = mail_run(server.port, "generated", store, preview=True, **whole)
    named = rows(
        store,
        "SELECT uid FROM processed_emails_bulletproof WHERE reason LIKE '%[PREVIEW]'",
    )
    assert 50 < preview.chosen < 350 and len(named) == preview.chosen
    mail_run(server.port, "generated", store, **whole)
    assert server.snapshot("generated") == without(before, {int(uid) for (uid,) in named})
    server.drop("generated")


def test_a_rollout_over_a_folder(server, tmp_path):
    """The candidate decides its share, its counts are stored, and the order of decisions stands."""
    from dataclasses import replace

    from atlas_fast import decision
    from atlas_fast.classify.model import load_model
    from atlas_fast.classify.policy import Filters
    from atlas_fast.sources import open_source
    from atlas_fast.store import open_store

    (batch,) = open_source("synthetic:300,3").batches(300, 1 << 30)
    server.fill("rollout", list(batch))
    store, candidate = tmp_path / "x.db", tmp_path / "m.npz"
    replace(load_model(), threshold=0.2).save(candidate)
    with open_store(store) as opened:
        decision.set_rollout(opened, 30, candidate=candidate, sample=20)
    run = {"pipeline": Pipeline(), "filters": Filters(())}
    mail_run(server.port, "rollout", store, preview=True, **run)
    with open_store(store) as opened:
        found = decision.status(opened)["metrics"]
        assert opened.check() == []
    assert found["total_classifications"] == 300
    assert 50 < found["new_classifier_uses"] < 130 and 30 < found["total_comparisons"] < 100
    server.drop("rollout")


# -- only what is new ------------------------------------------------------------------------


def test_only_what_is_new_is_read(server, folder, tmp_path):
    store = tmp_path / "x.db"
    first = mail_run(server.port, folder, store, only_new=True)
    assert first.messages == N
    assert mail_run(server.port, folder, store, only_new=True).messages == 0
    server.fill(folder, mails(7))
    protect(store, folder, [2], "DELETE")  # an old message, flagged since
    before = server.snapshot(folder)
    third = mail_run(server.port, folder, store, only_new=True)
    assert (third.messages, third.chosen) == (8, 4)
    assert server.snapshot(folder) == without(before, {2, N + 1, N + 4, N + 7})
    assert mail_run(server.port, folder, store).messages == N - len(to_go(N)) - 1 + 4


def test_what_was_not_confirmed_is_not_taken_as_read(server, folder, tmp_path):
    store = tmp_path / "x.db"
    mail_run(server.port, folder, store, only_new=True, confirm=lambda report: False)
    again = mail_run(server.port, folder, store, only_new=True)
    assert (again.messages, again.removed) == (N, len(to_go(N)))


def test_as_a_source_of_triage(server, folder, tmp_path):
    """A folder is a source as others are: stored once, resumed at its mark."""
    from atlas_fast.pipeline import triage
    from atlas_fast.sources.imap.folder import ImapFolder

    before, store = server.snapshot(folder), tmp_path / "x.db"
    with mailbox(server.port) as box:
        first = triage(ImapFolder(box, folder), store)
        again = triage(ImapFolder(box, folder), store)
        server.fill(folder, mails(5))
        third = triage(ImapFolder(box, folder), store, workers=2)
    assert (first.stored, again.stored, third.stored) == (N, 0, 5)
    assert without(server.snapshot(folder), set(range(N + 1, N + 6))) == before


def test_a_refused_deletion_is_stored(server, folder, tmp_path):
    """The server says NO for one message: the others go, and the refusal is told."""
    import re

    from breakable import Breakable

    from atlas_fast.sources.imap.grammar import parse_set

    refused = set()

    def edit(data, from_server):
        if from_server:
            for tag in refused:
                data = data.replace(tag + b" OK", tag + b" NO [CANNOT]")
            return data
        found = re.match(rb"(\S+) UID STORE (\S+) \+FLAGS", data)
        if found and 7 in parse_set(found[2], 1000):
            refused.add(found[1])
            return found[1] + b" NOOP\r\n"
        return data

    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Breakable(server.port, edit) as proxy:
        report = mail_run(proxy.port, folder, store)
    assert report.outcomes == {"deleted": len(to_go(N)) - 1, "failed": 1}
    assert server.snapshot(folder) == without(before, to_go(N) - {7})
    (told,) = rows(store, "SELECT action, reason FROM processed_emails_bulletproof WHERE uid = '7'")
    assert told[0] == "PRESERVED" and told[1].startswith("Deletion failed: ")


def test_a_message_that_fetch_leaves_out_is_not_taken_for_gone(server, folder, tmp_path):
    """A server that forgets some FETCH answers: SEARCH still names the messages."""
    import re

    from breakable import Breakable

    def edit(data, from_server):
        if from_server:
            return re.sub(rb"\* \d+ FETCH \(UID [14] FLAGS \([^)]*\)\)\r\n", b"", data)
        return data

    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Breakable(server.port, edit) as proxy:
        report = mail_run(proxy.port, folder, store)
    assert report.outcomes == {"deleted": len(to_go(N))}
    assert server.snapshot(folder) == without(before, to_go(N))


def test_quarantine_on_a_server_that_can_neither(server, folder, tmp_path):
    """Copies are made once, however often the removal of the originals has to wait."""
    before, store = server.snapshot(folder), tmp_path / "x.db"
    with Less(server, [b"MOVE", b"UIDPLUS"]).proxy as proxy:
        report = mail_run(proxy.port, folder, store, quarantine="Held4")
        assert report.outcomes == {"copied": len(to_go(N))}
        again = mail_run(proxy.port, folder, store, quarantine="Held4")
        assert again.finished == {"copied": len(to_go(N))}
        assert len(server.snapshot("Held4")) == len(to_go(N))
        assert set(server.snapshot(folder)) == set(before)
        with server.client() as other:
            other.select(folder)
            other.uid("store", "11,14", "-FLAGS", "(\\Deleted)")
        before = server.snapshot(folder)
        last = mail_run(proxy.port, folder, store, quarantine="Held4")
    assert last.finished == {"moved": len(to_go(N))}
    assert server.snapshot(folder) == without(before, to_go(N))
    assert len(server.snapshot("Held4")) == len(to_go(N))
    server.drop("Held4")
