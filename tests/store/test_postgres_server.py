"""A PostgreSQL store from outside: its migrations, and passwords that nothing shows."""

import json
import logging
import traceback
from urllib.parse import quote

import pytest

from atlas_fast.cli import main
from atlas_fast.errors import StoreError
from atlas_fast.pipeline import Pipeline, triage
from atlas_fast.store import migrate, name_of, open_store, schema
from atlas_fast.store.reading import COLUMNS
from store.test_postgres import OLDEST, WRITTEN, content, summaries

psycopg = pytest.importorskip("psycopg")

from atlas_fast.store.postgres import PostgresStore  # noqa: E402
from atlas_fast.store.server import Dsn  # noqa: E402

PASSWORD = "geh@im/9 %:?#&=x"


def spoken(error):
    """Everything that a user might see of an error: its text, and the traceback with its causes."""
    return "".join(traceback.format_exception(error)) + str(error) + repr(error)


@pytest.mark.parametrize("form", [
    "postgresql://atlas:geheim@127.0.0.1:1/x", "postgres://atlas:geheim@127.0.0.1:1/x",
    "postgresql://127.0.0.1:1/x?user=atlas&password=geheim",
    "postgresql://atlas:geheim@h:eim@127.0.0.1:1/x", "postgresql://atlas:geheim/x@127.0.0.1:1/x",
    "postgresql://atlas:1/geheim@127.0.0.1:1/x", "postgresql://atlas:geheim@[127.0.0.1:1/x",
    "postgresql://atlas:x@127.0.0.1:1/x?sslpassword=geheim", "postgresql://atlas:geheim%zz@h/x",
    "postgresql://atlas:x@127.0.0.1:1/x?unknown=geheim", "postgresql://geheim",
])  # fmt: skip
def test_no_error_shows_a_password(form, capsys, caplog, tmp_path, monkeypatch):
    monkeypatch.setattr("atlas_fast.store.postgres.REACH_SECONDS", 0.0)
    shown = form.count("geheim") and form == "postgresql://geheim"  # there it is the host
    with pytest.raises(StoreError) as caught:
        open_store(form)
    texts = [spoken(caught.value)]
    with caplog.at_level(logging.DEBUG):
        for arguments in (
            ["run", "synthetic:3,1", "--store", form], ["db", "check", "--store", form],
            ["db", "current", "--store", form], ["db", "upgrade", "--store", form],
            ["db", "backup", "--store", form], ["db", "vacuum", "--store", form],
            ["export", "--store", form],
        ):  # fmt: skip
            assert main(arguments) in (1, 2), arguments
    heard = capsys.readouterr()
    texts += [heard.out, heard.err, caplog.text]
    if not shown:
        assert "geheim" not in "".join(texts)
    assert all(line.startswith("atlas-fast: ") for line in heard.err.splitlines())


def test_reports_name_the_store_without_its_password(server, url, capsys):
    base = url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE ROLE ann LOGIN SUPERUSER PASSWORD {}").format(PASSWORD)
        )
    secret = server.over_tcp(base, quote(PASSWORD, safe="")).replace("atlas:", "ann:")
    try:
        assert main(["run", "synthetic:20,1", "--store", secret, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["stored"] == 20 and report["store"] == name_of(secret)
        assert main(["demo", "--messages", "20", "--store", secret]) == 0
        for verb in ("current", "check", "runs", "vacuum", "upgrade"):
            assert main(["db", verb, "--store", secret]) == 0
        heard = capsys.readouterr()
        for text in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)):
            assert text not in heard.out + heard.err + json.dumps(report)
        assert repr(Dsn(secret)) == f"Dsn({name_of(secret)!r})"
        with pytest.raises(StoreError, match="authentication failed") as caught:
            open_store(secret.replace("%40", "%41"))
        assert PASSWORD.replace("@", "A") not in spoken(caught.value)
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY ann CASCADE; DROP ROLE ann")


def shape(url, order="ordinal_position"):
    """Columns, indexes, constraints, version; a column that comes back stands last, hence `order`."""
    with psycopg.connect(url) as connection:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT table_name, column_name, data_type, is_nullable, column_default "
                "FROM information_schema.columns WHERE table_schema = 'public' "
                f"ORDER BY 1, {order}",
                "SELECT tablename, indexname, indexdef FROM pg_indexes "
                "WHERE schemaname = 'public' ORDER BY 1, 2",
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM "
                "pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
                "SELECT MAX(version) FROM schema_version",
            )
        ]


def test_migrations_end_at_the_schema_of_a_new_store(server, url):
    pytest.importorskip("alembic")
    PostgresStore(url).close()
    other = server.database("migrated")
    assert migrate.upgrade(other).after == schema.REVISION
    assert shape(other) == shape(url)


def test_each_migration_down_and_up(url):
    pytest.importorskip("alembic")
    # No countries: their columns go with a step, and what they held does not come back. Nor does
    # what the kinds were counted from.
    triage("synthetic:1500,5", url, pipeline=Pipeline(enrich=False))
    with PostgresStore(url) as store, store.transaction() as connection:
        connection.execute(f"UPDATE {schema.MESSAGES} SET subcategory = NULL")
        connection.execute("DELETE FROM summary_kinds")
    rows = content(url)
    with PostgresStore(url) as store:
        counted = summaries(store)
    steps = [step.revision for step in migrate.history()]
    shapes = {schema.REVISION: shape(url, "column_name")}
    for revision in reversed(steps[:-1]):
        migrate.downgrade(url, revision)
        shapes[revision] = shape(url, "column_name")
        with pytest.raises(StoreError, match="bring it up to date"):
            open_store(url)
    assert len({str(one) for one in shapes.values()}) == len(steps)
    for revision in steps[1:]:
        migrate.upgrade(url, revision)
        assert shape(url, "column_name")[:3] == shapes[revision][:3]
    with PostgresStore(url) as store:
        assert summaries(store) == counted and store.check() == []
    dropped = {"sender_name", "flags", "message_key"}  # and with them what no earlier schema has
    kept = [name for name in COLUMNS if name not in WRITTEN]
    old = [i for i, name in enumerate(kept) if name in OLDEST - WRITTEN]
    assert old and dropped.isdisjoint(OLDEST)
    there = [tuple(row[i] for i in old) for row in content(url)]
    assert sorted(there) == sorted(tuple(row[i] for i in old) for row in rows)
    migrate.downgrade(url, "base")
    assert migrate.current(url).kind == "empty"


def test_a_failing_migration_leaves_nothing_behind(url):
    pytest.importorskip("alembic")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE VIEW resume_marks AS SELECT 1 AS one")
    with pytest.raises(StoreError, match="nothing was changed"):
        migrate.upgrade(url)
    assert migrate.current(url).kind == "empty"
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)
