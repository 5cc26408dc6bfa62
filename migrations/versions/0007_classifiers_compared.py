"""Which classifier decided how many messages, and the sample that two of them judged."""

from atlas_fast.migrations.steps import (
    add_index,
    add_table,
    add_version,
    drop_index,
    drop_table,
    drop_version,
)  # fmt: skip

revision = "0007"
down_revision = "0006"

RESULTS = """
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    test_id TEXT NOT NULL,
    email_uid TEXT,
    sender TEXT,
    subject TEXT,
    old_category TEXT,
    old_confidence REAL,
    new_category TEXT,
    new_subcategory TEXT,
    new_confidence REAL,
    categories_match BOOLEAN,
    processing_time_old REAL,
    processing_time_new REAL,
    selected_classifier TEXT,
    user_feedback TEXT,
    timestamp TEXT DEFAULT CURRENT_TIMESTAMP
"""

COUNTS = """
    test_id TEXT NOT NULL,
    classifier TEXT NOT NULL,
    category TEXT NOT NULL,
    n BIGINT NOT NULL,
    nanoseconds BIGINT NOT NULL,
    PRIMARY KEY (test_id, classifier, category)
"""

INDEX = ("idx_ab_test_id", "ab_testing_results(test_id)")


def upgrade():
    add_table("ab_testing_results", RESULTS)
    add_index(*INDEX)
    add_table("summary_classifiers", COUNTS, rowid=False)
    add_version(9)


def downgrade():
    drop_version(9)
    drop_index(*INDEX)
    for name in ("summary_classifiers", "ab_testing_results"):
        drop_table(name)
