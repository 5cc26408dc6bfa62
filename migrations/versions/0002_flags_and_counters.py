"""Tables of Atlas_Email that a new database of its lacks.

It makes most of them only when it upgrades an older database; `protected_patterns`, which its
validation page writes, never.
"""

from atlas_fast.migrations.steps import (
    add_columns,
    add_index,
    add_table,
    drop_columns,
    drop_index,
    drop_table,
)  # fmt: skip

revision = "0002"
down_revision = "0001"

TABLES = {
    "user_analytics": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_date DATE DEFAULT CURRENT_DATE,
        emails_analyzed INTEGER DEFAULT 0,
        feedback_given INTEGER DEFAULT 0,
        emails_deleted INTEGER DEFAULT 0,
        accuracy_contributions INTEGER DEFAULT 0,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    """,
    "immediate_deletions": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_name TEXT NOT NULL,
        email_uid TEXT NOT NULL,
        deleted_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        user_feedback_id INTEGER REFERENCES user_feedback(id),
        success BOOLEAN DEFAULT TRUE,
        error_message TEXT,
        provider TEXT,
        folder_name TEXT
    """,
    "email_flags": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        email_uid TEXT NOT NULL,
        folder_name TEXT NOT NULL,
        account_id INTEGER NOT NULL REFERENCES accounts(id),
        session_id INTEGER REFERENCES sessions(id),
        sender_email TEXT,
        subject TEXT,
        flag_type TEXT DEFAULT 'PROTECT',
        flag_reason TEXT,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        created_by TEXT DEFAULT 'user',
        is_active BOOLEAN DEFAULT TRUE
    """,
    "protected_patterns": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        pattern_type TEXT NOT NULL,
        pattern_value TEXT NOT NULL,
        confidence_score REAL,
        source_email_id INTEGER,
        notes TEXT,
        created_date TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_matched TIMESTAMP,
        match_count INTEGER DEFAULT 0
    """,
}

INDEXES = {
    "idx_user_analytics_date": "user_analytics(session_date)",
    "idx_immediate_deletions_account": "immediate_deletions(account_name)",
    "idx_immediate_deletions_timestamp": "immediate_deletions(deleted_at)",
    "idx_immediate_deletions_success": "immediate_deletions(success)",
    "idx_email_flags_account": "email_flags(account_id)",
    "idx_email_flags_active": "email_flags(is_active)",
    "idx_email_flags_created": "email_flags(created_at)",
}

UNIQUE = "email_flags(email_uid, folder_name, account_id) WHERE is_active = TRUE"

ACCURACY = "contributed_to_accuracy BOOLEAN DEFAULT FALSE"


def upgrade():
    for name, definition in TABLES.items():
        add_table(name, definition)
    for name, where in INDEXES.items():
        add_index(name, where)
    add_index("idx_email_flags_unique", UNIQUE, unique=True)
    add_columns("user_feedback", ACCURACY)


def downgrade():
    drop_columns("user_feedback", ACCURACY)
    drop_index("idx_email_flags_unique", UNIQUE)
    for name, where in INDEXES.items():
        drop_index(name, where)
    for name in reversed(TABLES):
        drop_table(name)
