"""What the steps are made of: make it unless it is there, and take away only what was made.

A database of Atlas_Email comes in many shapes: five schema versions, each fresh or upgraded, with
or without the loose scripts. So a step makes what is missing. What was there before the first step
is written down in the table `first_state` (one row for each table, index, view, column and version
row), and a downgrade leaves that alone, so that the last one gives the database back as it was. In
a store that atlas_fast made, the table is empty.
"""

from alembic import op

from atlas_fast.store.dialect import postgres

STATE = "first_state"


def run(statement, values=()):
    """Execute a statement written for SQLite."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        statement = postgres(statement).replace("?", "%s")
    return bind.exec_driver_sql(statement, values)


def is_sqlite():
    return op.get_bind().dialect.name == "sqlite"


def columns(table):
    """Names of a table's columns."""
    if is_sqlite():
        return {row[1] for row in run(f"PRAGMA table_info({table})")}
    found = run(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = ?",
        (table,),
    )
    return {name for (name,) in found}


def exists(kind, name):
    """Is there a table or index of this name?"""
    if is_sqlite():
        found = run("SELECT 1 FROM sqlite_master WHERE type = ? AND name = ?", (kind, name))
    else:
        found = run(
            "SELECT 1 FROM pg_class WHERE relkind = ? AND relname = ? "
            "AND relnamespace = current_schema()::regnamespace",
            ("r" if kind == "table" else "i", name),
        )
    return found.first() is not None


def remember():
    """Make `first_state` of what there is."""
    before = run("SELECT type, name, tbl_name, sql FROM sqlite_master").all() if is_sqlite() else []
    run(f"CREATE TABLE {STATE} (kind TEXT NOT NULL, name TEXT NOT NULL, tbl_name TEXT NOT NULL, "
        "sql TEXT)")  # fmt: skip
    rows = [tuple(row) for row in before if row[1] != "alembic_version" and row[3] is not None]
    for kind, name, _, _ in list(rows):
        if kind == "table":
            rows += [("column", column, name, None) for column in sorted(columns(name))]
    if any(row[:2] == ("table", "schema_version") for row in rows):
        versions = run("SELECT version FROM schema_version ORDER BY 1").all()
        rows += [("version", str(version), "schema_version", None) for (version,) in versions]
    for row in rows:
        run(f"INSERT INTO {STATE} (kind, name, tbl_name, sql) VALUES (?, ?, ?, ?)", row)


def was_there(kind, name, table=None):
    """The first state's row of something, or None; its statement is the last column."""
    found = run(
        f"SELECT name, sql FROM {STATE} WHERE kind = ? AND name = ? AND tbl_name = ?",
        (kind, name, table or name),
    )
    return found.first()


def add_table(name, definition, *, rowid=True):
    """Make a table unless it is there."""
    if not exists("table", name):
        run(f"CREATE TABLE {name} ({definition})" + ("" if rowid else " WITHOUT ROWID"))


def drop_table(name):
    if was_there("table", name) is None:
        run(f"DROP TABLE {name}")


def add_columns(table, *definitions):
    """Add the columns that are missing."""
    there = columns(table)
    for definition in definitions:
        if definition.split()[0] not in there:
            run(f"ALTER TABLE {table} ADD COLUMN {definition}")


def drop_columns(table, *definitions):
    """Drop the columns that `add_columns` added, the last first."""
    for definition in reversed(definitions):
        name = definition.split()[0]
        if was_there("column", name, table) is None:
            run(f"ALTER TABLE {table} DROP COLUMN {name}")


def add_index(name, where, *, unique=False):
    """Make an index unless it is there."""
    if not exists("index", name):
        run(f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {where}")


def drop_index(name, where):
    """Drop an index that `add_index` made."""
    if was_there("index", name, where.partition("(")[0]) is None:
        run(f"DROP INDEX IF EXISTS {name}")


def lose_index(name):
    """Drop an index of the original for good; `find_index` is the way back."""
    run(f"DROP INDEX IF EXISTS {name}")


def find_index(name, where):
    """Make a lost index again, in the words in which it was made."""
    before = was_there("index", name, where.partition("(")[0])
    run(f"CREATE INDEX {name} ON {where}" if before is None else before[1])


def add_version(version):
    """A row of `schema_version`, which the original's code reads: it leaves higher ones alone."""
    found = run("SELECT 1 FROM schema_version WHERE version = ?", (version,))
    if found.first() is None:
        run("INSERT INTO schema_version (version) VALUES (?)", (version,))


def drop_version(version):
    """Take the row away. A store that `schema.py` made has this one only: then the version before
    takes its place, so that the original's code still finds a higher one than its own."""
    if was_there("version", str(version), "schema_version") is not None:
        return
    run("DELETE FROM schema_version WHERE version = ?", (version,))
    ours = was_there("table", "schema_version") is None
    if ours and run("SELECT COUNT(*) FROM schema_version").scalar() == 0:
        add_version(version - 1)
