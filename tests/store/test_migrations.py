"""Migrations: up and down, on stores of ours and on every database of the original."""

import importlib
import sqlite3
import subprocess
import sys

import pytest

pytest.importorskip("alembic", reason="Alembic is not installed (extra `db`)")

from atlas_fast.errors import StoreError, UsageError
from atlas_fast.store import SqliteStore, migrate, schema
from atlas_fast.store.rows import row_block
from store import original
from store.fake import FakeBatch

REVISIONS = [step.revision for step in migrate.history()]


def shape(path):
    """Columns, foreign keys and indexes of each table."""
    connection = sqlite3.connect(path)
    found = {}
    for kind, name, text in connection.execute("SELECT type, name, sql FROM sqlite_master"):
        if kind == "table":
            found[name] = (
                connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
                connection.execute(f"PRAGMA foreign_key_list({name})").fetchall(),
                text.endswith("WITHOUT ROWID"),
            )
        elif text is not None:
            found[name] = text
    connection.close()
    return found


VERSIONS = {"0001": 5, "0002": 5, "0003": 6, "0004": 7, "0005": 8, "0006": 8, "0007": 9}
"""What the original's code finds in `schema_version` at each revision: 5 is its own newest."""


def versions(path):
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT version FROM schema_version ORDER BY 1").fetchall()
    connection.close()
    return [version for (version,) in found]


def write_some(path, n=30):
    with SqliteStore(path) as store:
        run = store.begin_run(["mbox:/new"])
        batch = FakeBatch([{"place": i, "spam": i % 2 * 0.9} for i in range(n)])
        assert store.write(run, [row_block(batch, run.session_id, "2026-03-04 05:06:07")]) == n
        store.finish_run(run)
        assert store.check() == []


def test_the_newest_revision_is_that_of_the_schema():
    assert REVISIONS[-1] == schema.REVISION
    assert sorted(REVISIONS) == REVISIONS  # `State.newer` compares them as texts


def test_a_new_store_has_the_schema_of_the_migrations(tmp_path):
    SqliteStore(tmp_path / "made.db").close()
    assert migrate.upgrade(tmp_path / "moved.db") == migrate.Move(None, REVISIONS[-1], None)
    assert shape(tmp_path / "made.db") == shape(tmp_path / "moved.db")
    write_some(tmp_path / "moved.db")


@pytest.mark.parametrize("made_by", ["schema", "migrations"])
def test_every_step_down_and_up(tmp_path, made_by):
    path = tmp_path / "a.db"
    if made_by == "migrations":
        migrate.upgrade(path)
    write_some(path)
    shapes, rows = {}, {}
    for revision in reversed(REVISIONS):
        migrate.downgrade(path, revision, keep=False)
        assert migrate.current(path).revision == revision
        assert versions(path)[-1] == VERSIONS.get(revision, schema.SCHEMA_VERSION)
        shapes[revision], rows[revision] = shape(path), original.content(path)
    for revision in REVISIONS:
        migrate.upgrade(path, revision, keep=False)
        assert shape(path) == shapes[revision]
        assert versions(path)[-1] == VERSIONS.get(revision, schema.SCHEMA_VERSION)
        kept = original.content(path)[schema.MESSAGES]
        assert len(kept) == 30
        if revision < "0003":  # what a dropped column held is gone
            assert kept == rows[revision][schema.MESSAGES]
    with SqliteStore(path) as store:
        assert store.check() == []
    migrate.downgrade(path, "base", keep=False)
    assert set(shape(path)) <= {"sqlite_sequence"}


@pytest.mark.parametrize("variant", original.VARIANTS)
def test_a_database_of_the_original_and_back(tmp_path, variant):
    path = tmp_path / "mail_filter.db"
    original.make(path, variant)
    before = original.content(path)
    with pytest.raises(StoreError, match="db upgrade"):
        SqliteStore(path)
    assert original.content(path) == before
    move = migrate.upgrade(path)
    assert original.content(move.backup) == before
    adopted(path, before)
    with SqliteStore(path) as store:
        assert store.check() == []
    migrate.downgrade(path, "base", keep=False)
    assert original.content(path) == before


def adopted(path, before):
    """No row and no column is lost, and the original's code finds what it asks for."""
    connection = sqlite3.connect(path)
    connection.text_factory = lambda raw: raw
    for table in before:
        if table.startswith("sqlite_") or table == "schema_version":
            continue
        old = [
            row[1].decode() if isinstance(row[1], bytes) else row[1]
            for row in connection.execute(f"PRAGMA table_info({table})")
        ][: len(before[table][0]) if before[table] else None]
        there = connection.execute(f"SELECT {', '.join(old)} FROM {table}").fetchall()
        assert sorted(there, key=repr) == before[table], table
    head = {name: text for name, text in schema.TABLES.items()}
    for table in head:
        assert connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] >= 0
    run = connection.execute
    assert run("SELECT MAX(version) FROM schema_version").fetchone()[0] > 5  # it touches nothing
    run(
        f"INSERT INTO {schema.MESSAGES} (timestamp, session_id, folder_name, uid, sender_email, "
        "sender_domain, subject, action, reason, category, confidence_score, "
        "ml_validation_method, raw_data, created_at, sender_ip, sender_country_code, "
        "sender_country_name, geographic_risk_score, detection_method) "
        "VALUES ('t', NULL, 'f', '1', 's', 'd', 'x', 'DELETED', '', '', 1.0, '', '{}', 't', "
        "NULL, NULL, NULL, NULL, NULL)"
    )
    run(f"SELECT primary_category, subcategory, user_validated FROM {schema.MESSAGES}").fetchall()
    run(
        "INSERT INTO email_flags (email_uid, folder_name, account_id, flag_type) "
        "VALUES ('9', 'INBOX', 1, 'DELETE')"
    )
    run("UPDATE user_feedback SET contributed_to_accuracy = TRUE, processed = TRUE")
    run("INSERT OR REPLACE INTO domains (domain, is_whitelisted, notes) VALUES ('x', TRUE, 'n')")
    connection.rollback()
    connection.close()


@pytest.mark.parametrize("variant", ["1 with logger", "5", "6 with categories"])
def test_rows_written_meanwhile_stay_after_the_way_back(tmp_path, variant):
    path = tmp_path / "mail_filter.db"
    original.make(path, variant)
    before = original.content(path)
    migrate.upgrade(path, keep=False)
    write_some(path)
    migrate.downgrade(path, "base", keep=False)
    after = original.content(path)
    assert after["sqlite_master"] == before["sqlite_master"]
    assert len(after[schema.MESSAGES]) == len(before[schema.MESSAGES]) + 30
    assert set(before[schema.MESSAGES]) < set(after[schema.MESSAGES])
    assert len(after["sessions"]) == len(before["sessions"]) + 1


@pytest.mark.parametrize("variant", ["2", "5 with categories"])
def test_each_step_on_an_adopted_database(tmp_path, variant):
    path = tmp_path / "mail_filter.db"
    original.make(path, variant)
    seen = []
    for revision in REVISIONS:
        seen.append(original.content(path))
        migrate.upgrade(path, revision, keep=False)
    for revision in [*reversed(REVISIONS[:-1]), "base"]:
        migrate.downgrade(path, revision, keep=False)
        now, then = original.content(path), seen.pop()
        for found in (now, then):
            found.pop("alembic_version", None)
            for rows in found.get("first_state", []), found.get("schema_version", []):
                rows.sort()
        # a version row that is made again has a new time
        assert [row[0] for row in now.pop("schema_version")] == [
            row[0] for row in then.pop("schema_version")
        ]
        assert now == then, revision


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path, revision, way, monkeypatch):
    """The last statement of the step fails, after all others were executed."""
    path = tmp_path / "mail_filter.db"
    original.make(path, "5")
    if way == "down":
        migrate.upgrade(path, keep=False)
    before = original.content(path)
    migrate._folder()
    steps = importlib.import_module("atlas_fast.migrations.steps")
    real = steps.run

    def run(statement, values=()):
        made = real(statement, values)
        if marker in statement:
            raise sqlite3.OperationalError("the disk is gone")
        return made

    marker = {
        ("0001", "up"): "MAX(version)", ("0001", "down"): "DROP TABLE first_state",
        ("0002", "up"): "contributed_to_accuracy", ("0002", "down"): "DROP TABLE user_analytics",
        ("0003", "up"): "reviewed", ("0003", "down"): "DROP COLUMN sender_ip",
        ("0004", "up"): "_key ON", ("0004", "down"): "DROP COLUMN sender_name",
        ("0005", "up"): "INSERT INTO summary_domains", ("0005", "down"): "DROP TABLE summary_hours",
        ("0006", "up"): "idx_imap_journal_session", ("0006", "down"): "DROP TABLE imap_journal",
        ("0007", "up"): "summary_classifiers", ("0007", "down"): "DROP TABLE summary_classifiers",
        ("0008", "up"): "INTO summary_kinds", ("0008", "down"): "DROP COLUMN sender_asn",
    }[revision, way]  # fmt: skip
    monkeypatch.setattr(steps, "run", run)
    with pytest.raises(StoreError, match="nothing was changed: the disk is gone"):
        if way == "up":
            migrate.upgrade(path, keep=False)
        else:
            migrate.downgrade(path, "base", keep=False)
    assert original.content(path) == before


def test_newer_and_foreign_files_are_refused(tmp_path):
    newer, foreign, later = (tmp_path / name for name in ("newer.db", "foreign.db", "later.db"))
    SqliteStore(newer).close()
    original.make(later, "5")
    with sqlite3.connect(newer) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    with sqlite3.connect(later) as connection:
        connection.execute("INSERT INTO schema_version (version) VALUES (99)")
    connection.close()
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE songs (name)")
    connection.close()
    for path, said in ((newer, "0999"), (later, "99"), (foreign, "not a store")):
        before = path.read_bytes()
        for attempt in (
            lambda path=path: SqliteStore(path),
            lambda path=path: migrate.upgrade(path),
            lambda path=path: migrate.downgrade(path, "base"),
        ):
            with pytest.raises(StoreError, match=said):
                attempt()
        assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.backup-*"))


def test_an_older_store_is_refused_by_a_run_with_the_way_out(tmp_path):
    migrate.upgrade(tmp_path / "a.db", "0003")
    with pytest.raises(StoreError, match=r"0003.*db upgrade"):
        SqliteStore(tmp_path / "a.db")


def test_wrong_requests(tmp_path):
    path = tmp_path / "a.db"
    with pytest.raises(StoreError, match="no such file"):
        migrate.downgrade(path, "base")
    migrate.upgrade(path, "0003")
    with pytest.raises(UsageError, match="no such revision"):
        migrate.upgrade(path, "0777")
    with pytest.raises(UsageError, match="db downgrade"):
        migrate.upgrade(path, "0001")
    with pytest.raises(UsageError, match="db upgrade"):
        migrate.downgrade(path, "0005")
    assert migrate.upgrade(path, "0003") == migrate.Move("0003", "0003", None)


def test_backup_is_one_moment_and_overwrites_nothing(tmp_path):
    path = tmp_path / "a.db"
    SqliteStore(path).close()
    write_some(path)
    with SqliteStore(path) as store, store.transaction() as connection:
        connection.execute(f"DELETE FROM {schema.MESSAGES}")
        copy = migrate.backup(path)  # while another writes
        assert len(original.content(copy)[schema.MESSAGES]) == 30
    with pytest.raises(StoreError, match="overwrites nothing"):
        migrate.backup(path, copy)
    with pytest.raises(StoreError, match="no such file"):
        migrate.backup(tmp_path / "absent.db")
    assert not (tmp_path / "absent.db").exists()
    text = tmp_path / "text"
    text.write_text("no database at all, but long enough to be looked at\n" * 100)
    with pytest.raises(StoreError, match="not a database"):
        migrate.backup(text, tmp_path / "copy")
    assert not (tmp_path / "copy").exists() and not (tmp_path / "copy.part").exists()


def test_a_store_without_alembic(tmp_path):
    """A run needs none; a migration says what to install."""
    code = (
        "import sys; sys.modules['alembic'] = None\n"
        "from atlas_fast.store import SqliteStore, migrate\n"
        "from atlas_fast.errors import StoreError\n"
        "import sys; SqliteStore(sys.argv[1]).close(); assert 'sqlalchemy' not in sys.modules\n"
        "try: migrate.upgrade(sys.argv[1])\n"
        "except StoreError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.db")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "atlas_fast[db]" in done.stdout
