"""What pages ask of a store: every answer against counting the rows; bounded, with and without the
search index, while others write."""

import datetime
import sqlite3
from contextlib import suppress

import pytest

from atlas_fast import limits, triage
from atlas_fast.bench.webstore import fill
from atlas_fast.errors import StoreError, UsageError
from atlas_fast.store import SqliteStore, flags
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.search import SearchIndex, words_of
from atlas_fast.store.views import (
    Change,
    Filter,
    StoreReader,
    TooLong,
    accounts,
    analytics,
    category_subcategories,
    change,
    country_categories,
    message,
    messages,
    overview,
    performance,
    run,
    runs,
    validation_categories,
    validation_page,
    validation_queue,
)

N = 2_000
TODAY = datetime.date.today()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("views") / "made.db"
    fill(path, N, days=40)
    return path


@pytest.fixture(scope="module")
def rows(made):
    connection = sqlite3.connect(made)
    connection.row_factory = sqlite3.Row
    found = connection.execute(f"SELECT * FROM {MESSAGES} ORDER BY id DESC").fetchall()
    connection.close()
    return [dict(row) for row in found]


@pytest.fixture(params=["index", "half an index", "none"])
def asked(made, tmp_path, request, monkeypatch):
    """A reader of a copy, whose index has all rows, some of them, or is not there."""
    path = tmp_path / "a.db"
    path.write_bytes(made.read_bytes())
    index = SearchIndex(path)
    if request.param == "index":
        assert index.catch_up(60) == N and index.catch_up() == 0
    elif request.param == "half an index":
        monkeypatch.setattr("atlas_fast.store.search.STEP_ROWS", N // 2)
        assert index.catch_up(0) == N // 2
    made_reader = StoreReader(path)
    yield made_reader
    made_reader.close()


def common(rows):
    """Values that occur, so that no filter is empty for want of rows."""
    middle = rows[len(rows) // 3]
    return middle["subject"].split()[1], middle


def filters(rows):
    word, row = common(rows)
    day = row["timestamp"][:10]
    return {
        "nothing": (Filter(), lambda r: True),
        "word": (Filter(text=word), lambda r: word in r["subject"].split()),
        "two words": (
            Filter(text=" ".join(row["subject"].split()[:2])),
            lambda r: set(row["subject"].split()[:2]) <= set(r["subject"].split()),
        ),
        "sender": (
            Filter(sender=row["sender_email"]), lambda r: r["sender_email"] == row["sender_email"],
        ),
        "domain": (
            Filter(domain=row["sender_domain"]),
            lambda r: r["sender_domain"] == row["sender_domain"],
        ),
        "country": (Filter(country="US"), lambda r: r["sender_country_code"] == "US"),
        "new category": (Filter(category="Dangerous"), lambda r: r["category_v2"] == "Dangerous"),
        "old category": (Filter(category="Phishing"), lambda r: r["category"] == "Phishing"),
        "action": (Filter(action="DELETED"), lambda r: r["action"] == "DELETED"),
        "run": (Filter(run=7), lambda r: r["session_id"] == 7),
        "run, action": (
            Filter(run=7, action="PRESERVED"),
            lambda r: r["session_id"] == 7 and r["action"] == "PRESERVED",
        ),
        "dates": (
            Filter(since="2020-01-01", until=day), lambda r: r["timestamp"] < day,
        ),
        "since": (Filter(since=f"{day}T06:00"), lambda r: r["timestamp"] >= f"{day} 06:00"),
        "band": (Filter(band=2), lambda r: 40 <= r["confidence_score"] < 70),
        "uncertain": (
            Filter(uncertain=True, judged=False), lambda r: r["confidence_score"] < 70,
        ),
        "all at once": (
            Filter(text=word, action=row["action"], category=row["category"], since="2020-01-01"),
            lambda r: word in r["subject"].split() and r["category"] == row["category"],
        ),
        "none fits": (Filter(text="zyzzyva"), lambda r: False),
        "no such action in it": (
            Filter(category="Not Spam", action="DELETED"), lambda r: False,
        ),
    }  # fmt: skip


def all_of(asked, wanted, limit=40):
    """Every row of a filter, by pages."""
    found, after, pages = [], None, 0
    while True:
        page = messages(asked, wanted, after, limit)
        assert len(page.rows) <= limit
        found += [row.id for row in page.rows]
        after, pages = page.next, pages + 1
        if after is None:
            return found
        assert pages < 500


def test_every_filter_has_the_rows_that_fit(asked, rows):
    for name, (wanted, fits) in filters(rows).items():
        should = [row["id"] for row in rows if fits(row)]
        assert all_of(asked, wanted) == should, name
        first = messages(asked, wanted)
        if first.count is not None:
            assert first.count <= len(should), name
            assert first.more or first.count == len(should), name


def test_corrected_rows_are_found_under_what_they_are_now(asked):
    connection = PlainConnections(asked.path).connect()
    before = messages(asked, Filter(category="Phishing", action="DELETED"))
    chosen = [row.id for row in before.rows[:3]]
    done = change(connection, asked, chosen, Change("false_positive"))
    assert done.done == dict.fromkeys(chosen, "Not Spam")
    after = all_of(asked, Filter(category="Phishing", action="DELETED"))
    assert not set(chosen) & set(after)
    assert set(chosen) <= set(all_of(asked, Filter(category="Not Spam")))
    assert all_of(asked, Filter(judged=True)) == sorted(chosen, reverse=True)
    assert not set(chosen) & set(all_of(asked, Filter(judged=False)))
    connection.close()
    with SqliteStore(asked.path) as store:
        assert store.check() == []


def test_deleted_rows_are_found_no_more(asked):
    wanted = Filter(sender=messages(asked, Filter(run=20)).rows[0].sender_email)
    there = all_of(asked, wanted)
    with SqliteStore(asked.path) as store:
        store.delete_run(20)
        kept = [row for row in there if message(asked, row) is not None]
        assert len(kept) < len(there)
        assert all_of(asked, wanted) == kept
        assert store.check() == []


def test_an_index_of_another_store_is_not_believed(asked, tmp_path):
    SearchIndex(asked.path).catch_up(60)
    other = tmp_path / "b.db"
    triage("synthetic:20,1", other)
    (tmp_path / "b.db-search").write_bytes((tmp_path / "a.db-search").read_bytes())
    with_other = StoreReader(other)
    assert len(all_of(with_other, Filter(action="DELETED"))) < 20
    assert SearchIndex(other).catch_up(5) == 20  # made anew
    assert len(all_of(with_other, Filter(action="DELETED"))) < 20
    with_other.close()


@pytest.mark.parametrize(
    "content", [b"", b"no database at all", b"SQLite format 3\0" + b"x" * 4000]
)
def test_a_damaged_index_costs_time_and_nothing_else(made, tmp_path, rows, content):
    path = tmp_path / "a.db"
    path.write_bytes(made.read_bytes())
    (tmp_path / "a.db-search").write_bytes(content)
    asked = StoreReader(path)
    should = [row["id"] for row in rows if row["sender_country_code"] == "US"]
    assert all_of(asked, Filter(country="US")) == should
    index = SearchIndex(path)
    with suppress(StoreError):
        index.catch_up(60)
    index.catch_up(60)  # it was made anew
    assert all_of(asked, Filter(country="US")) == should and asked.searching()
    asked.close()


@pytest.mark.parametrize(
    "text",
    ['"', "'", "* * *", "NOT OR AND NEAR(", "a" * 10_000, "zq:*", "日本", "\u202e", "-", "^a"],
)
def test_any_text_may_be_searched_for(asked, text):
    assert messages(asked, Filter(text=text)).rows is not None


def test_words_of_a_search():
    assert words_of('desk "lamp* off') == ['"desk"', '"lamp"*', '"off"']
    assert words_of("a* b*") == ['"a"', '"b"']  # too short for a beginning
    assert len(words_of("w " * 100)) == 8


@pytest.mark.parametrize(
    "what",
    [{"since": "yesterday"}, {"until": "2026-1-1"}, {"action": "x"}, {"flag": "x"}, {"run": -1},
     {"band": 1 << 70}],
)  # fmt: skip
def test_a_filter_that_makes_no_sense(what):
    with pytest.raises(UsageError):
        Filter(**what)


def test_the_overview_is_what_the_rows_say(asked, rows):
    seen = overview(asked, 10, TODAY)
    assert seen.total == N and not seen.empty
    assert seen.deleted == sum(row["action"] == "DELETED" for row in rows)
    assert [day.day for day in seen.days][-1] == TODAY.isoformat() and len(seen.days) == 10
    recent = [row for row in rows if row["timestamp"][:10] >= seen.days[0].day]
    assert sum(day.total for day in seen.days) == len(recent) > 0
    assert sum(one.total for one in seen.categories) == len(recent)
    assert [row.id for row in seen.newest] == [row["id"] for row in rows[:15]]
    assert len(seen.runs) == 8


def test_the_analytics_are_what_the_rows_say(asked, rows):
    seen = analytics(asked, 14, TODAY)
    since = seen.daily[0].day
    recent = [row for row in rows if row["timestamp"][:10] >= since]
    deleted = [row for row in recent if row["action"] == "DELETED"]
    assert (seen.total, seen.deleted) == (len(recent), len(deleted))
    assert sum(seen.hours) == len(recent)
    assert seen.week == sum(row["timestamp"][:10] >= seen.daily[-7].day for row in deleted)
    months = [row for row in rows if row["timestamp"][:7] >= since[:7]]
    best = {}
    for row in months:
        best[row["sender_domain"]] = best.get(row["sender_domain"], 0) + (
            row["action"] == "DELETED"
        )
    assert [one.deleted for one in seen.domains] == sorted(best.values(), reverse=True)[:10]
    assert all(best[one.domain] == one.deleted for one in seen.domains)
    assert seen.networks[0].deleted == max(
        sum(r["sender_asn"] == n and r["action"] == "DELETED" for r in rows)
        for n in {r["sender_asn"] for r in rows} - {None}
    )
    for one in category_subcategories(asked, "Scams"):
        assert one.count == sum(row["subcategory"] == one.subcategory for row in rows)
    assert sum(one.count for one in country_categories(asked, "us")) == sum(
        row["sender_country_code"] == "US" for row in rows
    )


def test_runs_and_accounts(asked):
    found, before = [], None
    while True:
        page = runs(asked, before, 15)
        found += [row.id for row in page.rows]
        before = page.next
        if before is None:
            break
    assert found == list(range(40, 0, -1))
    one = run(asked, 7)
    assert one is not None and sum(a + b for _, a, b in one.categories) == one.row.total
    assert run(asked, 999) is None and run(asked, -1) is None and run(asked, 1 << 70) is None
    (local,) = accounts(asked)
    assert local.runs == 40 and local.deleted + local.preserved == N
    assert performance(asked).runs == []


def test_validation(asked, rows):
    queue = validation_queue(asked, limit=10)
    assert [row.id for row in queue.rows] == [
        row["id"] for row in rows if row["confidence_score"] < 70
    ][:10]
    for one in validation_categories(asked):
        fits = [r for r in rows if r["category"] == one.category and r["action"] == "DELETED"]
        assert one.total == one.unjudged == len(fits)
        got, total = validation_page(asked, one.category, 2)
        assert total == len(fits)
        if not asked.searching() or SearchIndex(asked.path).catch_up() == 0:
            assert [row.id for row in got] == [row["id"] for row in fits[10:20]]


def test_a_page_of_a_category_lacks_what_was_corrected_since(asked):
    there, total = validation_page(asked, "Phishing", 1)
    other, others = validation_page(asked, "Payment Scam", 1)
    connection = PlainConnections(asked.path).connect()
    number = other[0].id
    assert change(connection, asked, [number], Change("wrong", category="Phishing")).done
    connection.close()
    after, more = validation_page(asked, "Phishing", 1, 1_000)
    assert more == total + 1 and validation_page(asked, "Payment Scam", 1)[1] == others - 1
    assert number not in [row.id for row in validation_page(asked, "Payment Scam", 1)[0]]
    assert (number in [row.id for row in after]) is not asked.searching()
    assert there[0].id in [row.id for row in after] or asked.searching()


def test_judging_many_at_once_is_one_transaction(asked):
    connection = PlainConnections(asked.path).connect()
    ids = [row.id for row in messages(asked).rows]
    for what in ("right", "wrong", "protect", "unprotect", "save", "next"):
        assert set(change(connection, asked, ids, Change(what)).done) == set(ids)
    flagged = change(connection, asked, [*ids[:3], 10**9], Change("flag", flag="RESEARCH"))
    assert set(flagged.done) == set(ids[:3]) and flagged.missing == [10**9]
    assert [row.id for row in messages(asked, Filter(flag="RESEARCH")).rows] == ids[:3]
    change(connection, asked, ids[:3], Change("unflag"))
    assert messages(asked, Filter(flag="RESEARCH")).rows == []
    with pytest.raises(UsageError):
        change(connection, asked, list(range(limits.VIEW_IDS + 1)), Change("right"))
    with pytest.raises(UsageError):
        Change("explode")
    connection.close()
    with SqliteStore(asked.path) as store:
        assert store.check() == []


def test_of_a_change_that_fails_nothing_is_kept(asked):
    one, other = (row.id for row in messages(asked).rows[:2])
    connection = PlainConnections(asked.path).connect()
    connection.execute(f"UPDATE {MESSAGES} SET uid = NULL WHERE id = ?", (one,))
    connection.commit()
    whole = f"SELECT * FROM {MESSAGES} WHERE id = ?"
    before = tuple(connection.execute(whole, (one,)).fetchone())
    for what in ("save", "protect", "unprotect"):
        made = change(connection, asked, [one, other], Change(what))
        assert set(made.failed) == {one} and set(made.done) == {other}
        assert tuple(connection.execute(whole, (one,)).fetchone()) == before
    said = "SELECT COUNT(*) FROM user_feedback WHERE email_uid = ?"
    assert connection.execute(said, (f"internal_{one}",)).fetchone()[0] == 0
    connection.close()


def test_a_flag_is_that_of_its_own_account(asked):
    row = messages(asked).rows[0]
    connection = PlainConnections(asked.path).connect()
    mine = connection.execute(
        "SELECT account_id FROM sessions WHERE id = ?", (row.session_id,)
    ).fetchone()[0]
    connection.execute(
        "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
        "VALUES ('b@example.org', 'generic', '', 993, '')"
    )
    other = connection.execute("SELECT MAX(id) FROM accounts").fetchone()[0]
    where = str(row.uid), str(row.folder_name)
    flags.put(connection, *where, other, flags.DELETE)
    connection.commit()
    asked.forget()
    assert messages(asked).rows[0].flag is None
    assert all_of(asked, Filter(flag="DELETE")) == []
    flags.put(connection, *where, mine, flags.RESEARCH)  # and names no run
    connection.commit()
    assert messages(asked).rows[0].flag == "RESEARCH"
    assert all_of(asked, Filter(flag="RESEARCH")) == [row.id]
    assert all_of(asked, Filter(flag="RESEARCH", run=row.session_id)) == [row.id]
    assert all_of(asked, Filter(flag="RESEARCH", since="2999-01-01")) == []
    connection.close()


def test_one_message(asked, rows):
    row = rows[100]
    found = message(asked, row["id"])
    assert found is not None and found.row.subject == row["subject"]
    assert found.columns["message_key"] == row["message_key"].hex()
    assert (found.newer, found.older) == (rows[99]["id"], rows[101]["id"])
    assert found.account == "local" and found.feedback == [] and found.journal is None
    assert message(asked, 10**9) is None and message(asked, -1) is None


def test_nothing_is_written(asked):
    before = asked.path.read_bytes()
    overview(asked), analytics(asked), messages(asked), runs(asked), accounts(asked)
    with pytest.raises(StoreError):
        asked.ask(f"DELETE FROM {MESSAGES}")
    assert asked.path.read_bytes() == before


def test_a_question_that_takes_too_long_is_given_up(asked):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
    with pytest.raises(TooLong):
        asked.ask(endless, seconds=0.05)
    assert asked.ask("SELECT 1") == [(1,)]


PLANS = {
    "a page": lambda a: messages(a, Filter()),
    "a word": lambda a: messages(a, Filter(text="lamp")),
    "a run": lambda a: messages(a, Filter(run=3)),
    "dates": lambda a: messages(a, Filter(since="2026-01-01", until="2026-02-01")),
    "judged": lambda a: messages(a, Filter(judged=True)),
    "flag": lambda a: messages(a, Filter(flag="DELETE")),
    "message": lambda a: message(a, 5),
    "overview": overview, "analytics": analytics, "runs": runs, "run": lambda a: run(a, 3),
    "categories": validation_categories, "accounts": accounts, "performance": performance,
}  # fmt: skip


@pytest.fixture(scope="module")
def indexed(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("indexed") / "a.db"
    path.write_bytes(made.read_bytes())
    SearchIndex(path).catch_up(60)
    return path


@pytest.mark.parametrize("name", PLANS)
def test_no_question_scans_the_messages(indexed, name, monkeypatch):
    asked, plans = StoreReader(indexed), []
    plain = StoreReader.ask

    def ask(self, query, values=(), **more):
        if "PRAGMA" not in query:
            plans.extend(
                (row[3], query) for row in plain(self, f"EXPLAIN QUERY PLAN {query}", values)
            )
        return plain(self, query, values, **more)

    monkeypatch.setattr(StoreReader, "ask", ask)
    PLANS[name](asked)
    assert plans
    for step, query in plans:
        scans = step.startswith(("SCAN m", f"SCAN {MESSAGES}")) and "USING" not in step
        bounded = "LIMIT" in query and "id DESC" in query  # from the newest, as many as asked
        assert not scans or bounded, (step, query)
    if name == "flag":
        assert any("idx_email_flags_unique" in step for step, _ in plans)
        assert not any(step.startswith(("SCAN s", "SCAN f")) for step, _ in plans)
    asked.close()


def test_rows_are_plain_values(asked):
    for value in messages(asked).rows[0]:
        assert value is None or isinstance(value, int | float | str)
