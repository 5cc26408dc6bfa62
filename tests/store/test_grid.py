"""Each writer alone, inside a transaction that commits, and inside one that rolls back.

Looked at through a second connection: nothing shows before the commit, everything after it,
nothing after a rollback.
"""

import pytest

from atlas_fast.store import SqliteStore
from atlas_fast.store.base import ErrorRow, Mark
from atlas_fast.store.grouping import GroupedWrites
from atlas_fast.store.rows import row_block
from store.fake import FakeBatch
from store.original import content

OLD, NEW = "2025-01-01 00:00:00", "2026-01-01 00:00:00"


def block(run, first, n, when):
    rows = [{"place": i, "spam": i % 2 * 0.9} for i in range(first, first + n)]
    return row_block(FakeBatch(rows), run.session_id, when)


def write(store, run):
    store.write(
        run, [block(run, 100, 7, NEW)], [ErrorRow("1", "E", "t", "t")], [Mark("s", "9", "x", 7)]
    )


def grouped(store, run):
    writes = GroupedWrites(store, run)
    writes.write([block(run, 100, 7, NEW)], mark=Mark("s", "9", "x", 7))
    writes.close()


WRITERS = {
    "begin_run": lambda store, run: store.begin_run(["z"]),
    "write": write,
    "grouped": grouped,
    "finish_run": lambda store, run: store.finish_run(run),
    "delete_run": lambda store, run: store.delete_run(run.session_id),
    "prune": lambda store, run: store.prune("2025-06-01 00:00:00"),
    "recount": lambda store, run: store.recount(),
    "change_setting": lambda store, run: store.change_setting("s", lambda old: [old], "x"),
}


@pytest.fixture
def store(tmp_path):
    with SqliteStore(tmp_path / "a.db") as made:
        yield made


@pytest.fixture
def run(store):
    made = store.begin_run(["a"])
    store.write(made, [block(made, 0, 5, OLD), block(made, 5, 5, NEW)])
    store._execute("UPDATE summary_hours SET n = n + 1")  # for recount
    return made


@pytest.mark.parametrize("writer", WRITERS)
def test_alone(store, run, writer):
    before = content(store.path)
    WRITERS[writer](store, run)
    assert not store._connection.in_transaction
    assert content(store.path) != before


@pytest.mark.parametrize("writer", WRITERS)
def test_outer_commits(store, run, writer):
    before = content(store.path)
    with store.transaction():
        WRITERS[writer](store, run)
        assert content(store.path) == before
    assert content(store.path) != before


@pytest.mark.parametrize("writer", WRITERS)
def test_outer_rolls_back(store, run, writer):
    before = content(store.path)
    with pytest.raises(RuntimeError), store.transaction():
        WRITERS[writer](store, run)
        raise RuntimeError
    assert content(store.path) == before
    WRITERS[writer](store, run)  # and it works afterwards
    assert content(store.path) != before


@pytest.mark.parametrize("writer", WRITERS)
def test_an_inner_failure_that_is_caught_takes_back_its_part_only(store, run, writer):
    with store.transaction():
        store.begin_run(["outer"])
        with pytest.raises(RuntimeError), store.transaction():
            WRITERS[writer](store, run)
            raise RuntimeError
    kept = content(store.path)
    assert len(kept.pop("sessions")) == 2
    assert len(kept["processed_emails_bulletproof"]) == 10
    assert kept["resume_marks"] == kept["pruned_keys"] == []


@pytest.mark.parametrize("writer", WRITERS)
def test_an_error_at_each_statement_takes_all_of_it_back(store, run, writer, monkeypatch):
    """The n-th statement of the writer fails, for every n."""
    before = content(store.path)
    names = ("_execute", "_executemany")
    real = {name: getattr(store, name) for name in names}
    seen, fail_at = [0], [0]

    def failing(name):
        def call(*arguments):
            seen[0] += 1
            if seen[0] == fail_at[0]:
                raise RuntimeError("here")
            return real[name](*arguments)

        return call

    for name in names:
        monkeypatch.setattr(store, name, failing(name))
    for number in range(1, 100):
        seen[0], fail_at[0] = 0, number
        try:
            WRITERS[writer](store, run)
        except RuntimeError:
            assert content(store.path) == before, number
        else:
            break
    assert number > 1 and content(store.path) != before


def test_every_writer_is_in_the_grid():
    """Whoever opens a transaction in the store's class is one."""
    import inspect

    from atlas_fast.store import sql

    source = inspect.getsource(sql.SqlStore)
    functions = [part.split("(")[0] for part in source.split("    def ")[1:]]
    bodies = dict(zip(functions, source.split("    def ")[1:], strict=True))
    opens = {name for name, body in bodies.items() if "with self.transaction()" in body}
    assert opens - {"check"} == set(WRITERS) - {"grouped"}
