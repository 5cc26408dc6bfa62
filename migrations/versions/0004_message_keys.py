"""The key that makes a message one row however often it is run, and two columns of the engine.

The indexes on action and sender go: they cost a third of the writing (docs/store.md has the
figures), and a two-valued index helps no query.
"""

from atlas_fast.migrations.steps import (
    add_columns,
    add_index,
    add_version,
    drop_columns,
    drop_index,
    drop_version,
    find_index,
    lose_index,
)  # fmt: skip

revision = "0004"
down_revision = "0003"

TABLE = "processed_emails_bulletproof"
COLUMNS = ("sender_name TEXT", "flags BIGINT NOT NULL DEFAULT 0", "message_key BLOB")
KEY = f"{TABLE}(message_key)"
LOST = {f"idx_{TABLE}_action": f"{TABLE}(action)", f"idx_{TABLE}_sender": f"{TABLE}(sender_email)"}


def upgrade():
    add_columns(TABLE, *COLUMNS)
    add_index(f"idx_{TABLE}_key", KEY, unique=True)
    for name in LOST:
        lose_index(name)
    add_version(7)


def downgrade():
    drop_version(7)
    for name, where in LOST.items():
        find_index(name, where)
    drop_index(f"idx_{TABLE}_key", KEY)
    drop_columns(TABLE, *COLUMNS)
