"""Summaries: whatever is done to messages, they are what a recount gives."""

import math
import sqlite3
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_fast._kernels.sqltable import NONE
from atlas_fast.store import SqliteStore, schema
from atlas_fast.store.columns import Blobs, Integers, Reals, Same, Texts, factor
from atlas_fast.store.plain import PlainConnections
from atlas_fast.store.rows import RowBlock, block_of, row_block
from atlas_fast.store.summaries import SUMMARIES, Tally, tally_of, tally_of_blocks
from store.fake import FakeBatch

TIMES = ("2025-12-31 23:59:59", "2026-01-01 00:00:00", "2026-01-01 01:30:00")
message = st.fixed_dictionaries(
    {
        "place": st.integers(0, 40),
        "domain": st.sampled_from(["a.example", "b.example", "", "\x00'); --", "ü.example"]),
        "spam": st.sampled_from([0.0, 0.2, 0.5004, 0.7, 0.9731, 1.0, float("nan")]),
    }
)
step = st.one_of(
    st.tuples(st.just("write"), st.lists(message, min_size=1, max_size=30), st.sampled_from(TIMES)),
    st.tuples(st.just("new run")),
    st.tuples(st.just("delete run"), st.integers(1, 4)),
    st.tuples(st.just("prune"), st.sampled_from(TIMES)),
    st.tuples(st.just("update"), st.sampled_from(TIMES), st.sampled_from(["x", None])),
    st.tuples(st.just("delete"), st.integers(0, 40)),
    st.tuples(st.just("insert"), st.sampled_from(["DE", "CN", None])),
    st.tuples(st.just("roll back")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(step, max_size=12))
def test_any_history_leaves_the_summaries_right(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("s") / "a.db"
    with SqliteStore(path) as store:
        run = store.begin_run(["s"])
        for kind, *rest in steps:
            if kind == "write":
                block = row_block(FakeBatch(rest[0]), run.session_id, rest[1])
                store.write(run, [block])
            elif kind == "new run":
                run = store.begin_run(["s"])
            elif kind == "delete run" and rest[0] < run.session_id:
                if store._execute("SELECT 1 FROM sessions WHERE id = ?", rest).fetchall():
                    store.delete_run(rest[0])
            elif kind == "prune":
                store.prune(rest[0])
            elif kind in ("update", "delete", "insert"):
                by_sql(path, kind, rest)
            elif kind == "roll back":
                with pytest.raises(RuntimeError), store.transaction():
                    batch = FakeBatch([{"place": 99}])
                    store.write(run, [row_block(batch, run.session_id, TIMES[0])])
                    raise RuntimeError
        wrong = [finding for finding in store.check() if finding.kind != "total"]
        assert wrong == []
        store.recount()
        assert [finding for finding in store.check() if finding.kind != "total"] == []


def by_sql(path, kind, rest):
    """What users of the original's interface do."""
    connections = PlainConnections(path)
    with connections.lend() as connection:
        if kind == "update":
            connection.execute(
                f"UPDATE {schema.MESSAGES} SET category = ? WHERE timestamp = ?",
                (rest[1], rest[0]),
            )
        elif kind == "delete":
            connection.execute(f"DELETE FROM {schema.MESSAGES} WHERE uid = ?", (str(rest[0]),))
        else:
            connection.execute(
                f"INSERT INTO {schema.MESSAGES} (sender_email, subject, action, "
                "sender_country_code, geographic_risk_score) VALUES ('s', 'x', 'DELETED', ?, 0.95)",
                rest,
            )
        connection.commit()
    connections.close()


def test_summaries_count_what_pages_show(tmp_path):
    with SqliteStore(tmp_path / "a.db") as store:
        run = store.begin_run([])
        batch = FakeBatch(
            [{"place": i, "spam": 0.9 if i < 4 else 0.1, "domain": f"d{i % 2}"} for i in range(10)]
        )
        store.write(run, [row_block(batch, run.session_id, "2026-02-03 04:05:06")])
        read = lambda table: sorted(store._execute(f"SELECT * FROM {table}").fetchall())  # noqa: E731
        assert read("summary_hours") == [
            ("2026-02-03 04", "Business Opportunity Spam", "DELETED", 4, 4 * 900),
            ("2026-02-03 04", "Not Spam", "PRESERVED", 6, 6 * 900),
        ]
        assert read("summary_runs") == [
            (1, "Business Opportunity Spam", "DELETED", 3, 4),
            (1, "Not Spam", "PRESERVED", 3, 6),
        ]
        assert read("summary_domains") == [("2026-02", "d0", 2, 3), ("2026-02", "d1", 2, 3)]
        assert read("summary_countries") == []


def columns_of(**more):
    n = len(next(iter(more.values())))
    made = {
        "session_id": Same(1, n), "timestamp": Same(TIMES[1], n), "sender_domain": ["a"] * n,
        "category": ["Phishing"] * n, "action": ["DELETED"] * n, "confidence_score": [90.0] * n,
    }  # fmt: skip
    return made | more


def test_countries_are_counted_where_a_row_has_one():
    columns = columns_of(
        sender_country_code=["CN", None, "CN"], geographic_risk_score=[0.95, 0.5, None]
    )
    tally = tally_of(columns, 3)
    assert tally.counts["summary_countries"] == {("CN", "Phishing", "DELETED"): [2, 950]}


def test_any_columns_are_counted_as_a_recount_counts_them(tmp_path):
    """Lists and buffers, with NULLs where they may be."""
    n = 60
    names = ["Phishing", None, "Not Spam"]
    lists = {
        "timestamp": [TIMES[1]] * n, "session_id": [1] * n, "folder_name": ["f"] * n,
        "uid": list(map(str, range(n))), "sender_email": ["a@b.example"] * n,
        "sender_domain": [(None, "a.example", "", "ü.example")[i % 4] for i in range(n)],
        "subject": ["s"] * n, "action": [("DELETED", "PRESERVED")[i % 5 == 0] for i in range(n)],
        "reason": [None] * n, "category": [names[i % 3] for i in range(n)],
        "confidence_score": [
            (None, 0.0, 39.9, 40.0, 69.95, 70.0, 100.0, 150.0, -5.0, 1e300)[i % 10] for i in range(n)
        ],
        "created_at": [TIMES[1]] * n,
        "sender_country_code": [(None, "DE", "CN")[i % 3] for i in range(n)],
        "geographic_risk_score": [(0.25, None, 0.0005, 1.5, -0.2)[i % 5] for i in range(n)],
        "category_v2": [(None, "Scams")[i % 2] for i in range(n)],
        "subcategory": [(None, "x", "y", None)[i % 4] for i in range(n)],
        "sender_asn": [(None, 64500, 1, 0)[i % 4] for i in range(n)],
        "flags": [0] * n, "message_key": [bytes([i] * 24) for i in range(n)],
    }  # fmt: skip
    packed = {
        name: Integers(np.array([NONE if one is None else one for one in column], np.int64))
        if name in ("sender_asn", "flags")
        else Reals(np.array([math.nan if one is None else one for one in column], float))
        if name in ("confidence_score", "geographic_risk_score")
        else Blobs(np.frombuffer(b"".join(column), np.uint8).reshape(n, -1))
        if name == "message_key"
        else Same(column[0], n)
        if name in ("timestamp", "session_id", "reason")
        else coded(column)
        for name, column in lists.items()
    }
    found = []
    for place, columns in enumerate((lists, packed)):
        with SqliteStore(tmp_path / f"{place}.db") as store:
            run = store.begin_run([])
            block = RowBlock(n, tuple(columns), list(columns.values()))
            assert store.write(run, [block]) == n
            assert store.check() == []
            rows = f"SELECT {', '.join(columns)} FROM {schema.MESSAGES} ORDER BY id"
            found.append(store._execute(rows).fetchall())
    assert found[0] == found[1] == list(zip(*lists.values(), strict=True))


def coded(column):
    known = factor(column)
    return Texts.of(known.names, known.codes.astype(np.int32))


def test_short_cut_and_recount_agree(tmp_path):
    """A batch of which all rows are new is counted from its columns, another from the table."""
    made = []
    for known in (0, 1):
        with SqliteStore(tmp_path / f"{known}.db") as store:
            run = store.begin_run([])
            rows = [{"place": i, "spam": i / 50, "domain": f"d{i % 7}"} for i in range(50)]
            if known:
                store.write(run, [row_block(FakeBatch(rows[:1]), run.session_id, TIMES[0])])
            store.write(run, [row_block(FakeBatch(rows), run.session_id, TIMES[0])])
            assert store.check() == []
            made.append([sorted(store._execute(s.rows).fetchall()) for s in SUMMARIES])
    assert made[0] == made[1]


def test_blocks_are_counted_together_as_each_alone():
    """Of several hours, runs and shapes, some of them empty."""
    blocks = []
    for number, (run, time) in enumerate([(1, 0), (1, 0), (2, 0), (2, 1), (2, 1), (1, 0)]):
        rows = [{"place": i, "spam": i / 9, "domain": f"d{i % 4}"} for i in range(3 * number)]
        batch = FakeBatch(rows or [{"place": 0}])
        block = row_block(batch, run, TIMES[time])
        blocks.append(block if rows else block.take(np.arange(0)))
    blocks.append(block_of(columns_of(uid=["1", "2"], subcategory=["x", None])))
    alone = Tally()
    for block in blocks:
        if block.n:
            alone.merge(tally_of(dict(zip(block.names, block.columns, strict=True)), block.n))
    assert tally_of_blocks(blocks).counts == alone.counts
    assert not tally_of_blocks([]).stored


def test_check_sees_what_other_programs_did_and_recount_mends_it(tmp_path):
    path = tmp_path / "a.db"
    with SqliteStore(path) as store:
        run = store.begin_run([])
        store.write(run, [row_block(FakeBatch([{"place": 1}, {"place": 2}]), 1, TIMES[0])])
        with sqlite3.connect(path) as other:  # no triggers here
            other.execute(f"DELETE FROM {schema.MESSAGES} WHERE uid = '1'")
        other.close()
        kinds = Counter(finding.kind for finding in store.check())
        assert kinds["summary"] == 4 and kinds["integrity"] == 0
        store.recount()
        assert [finding.kind for finding in store.check()] == ["total"]


def test_reading_costs_the_same_however_many_messages(tmp_path):
    """The steps of SQLite's machine for each page's question, at ten and at ten thousand rows."""
    questions = (
        "SELECT category, action, SUM(n) FROM summary_hours WHERE hour >= '2025' GROUP BY 1, 2",
        "SELECT domain, deleted FROM summary_domains WHERE month = '2025-12' "
        "ORDER BY deleted DESC LIMIT 10",
        "SELECT category, SUM(n) FROM summary_runs WHERE session_id = 1 GROUP BY 1",
    )
    costs = []
    for n in (20, 10_000):
        with SqliteStore(tmp_path / f"{n}.db") as store:
            run = store.begin_run([])
            rows = [{"place": i, "spam": i % 2 * 0.9, "domain": f"d{i % 10}"} for i in range(n)]
            store.write(run, [row_block(FakeBatch(rows), run.session_id, TIMES[0])])
            steps = [0]

            def one_more(steps=steps):
                steps[0] += 1

            store._connection.set_progress_handler(one_more, 1)
            for question in questions:
                store._execute(question).fetchall()
            costs.append(steps[0])
    assert costs[0] == costs[1]
    for question in questions:
        with SqliteStore(tmp_path / "20.db") as store:
            plan = " ".join(row[3] for row in store._execute(f"EXPLAIN QUERY PLAN {question}"))
        assert "SCAN" not in plan and "processed_emails" not in plan, plan


def test_empty_tally():
    assert Tally().stored == 0 and not Tally().by_category()
