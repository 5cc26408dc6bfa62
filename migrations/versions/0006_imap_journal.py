"""The journal of deletions on IMAP servers: what was decided, sent, and what became of it."""

from atlas_fast.migrations.steps import add_index, add_table, drop_index, drop_table

revision = "0006"
down_revision = "0005"

JOURNAL = """
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id INTEGER REFERENCES sessions(id),
    account_id INTEGER NOT NULL REFERENCES accounts(id),
    folder_name TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    target_folder TEXT,
    state TEXT NOT NULL,
    message_id TEXT,
    target_uidvalidity BIGINT,
    target_uid BIGINT,
    decided_at TEXT NOT NULL,
    sent_at TEXT,
    finished_at TEXT,
    note TEXT,
    message_row TEXT NOT NULL,
    UNIQUE(account_id, folder_name, uidvalidity, uid)
"""

FOLDERS = """
    account_id INTEGER NOT NULL REFERENCES accounts(id),
    folder_name TEXT NOT NULL,
    uidvalidity BIGINT NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (account_id, folder_name)
"""

INDEXES = {
    "idx_imap_journal_state": "imap_journal(account_id, folder_name, state)",
    "idx_imap_journal_session": "imap_journal(session_id)",
}


def upgrade():
    add_table("imap_journal", JOURNAL)
    add_table("imap_folders", FOLDERS)
    for name, where in INDEXES.items():
        add_index(name, where)


def downgrade():
    for name in INDEXES:
        drop_index(name, INDEXES[name])
    drop_table("imap_folders")
    drop_table("imap_journal")
