"""Days, kinds and networks counted for the pages; what a run said of its speed; judged messages."""

from atlas_fast.migrations.steps import (
    add_columns,
    add_index,
    add_table,
    add_version,
    drop_columns,
    drop_index,
    drop_table,
    drop_version,
    run,
)  # fmt: skip

revision = "0008"
down_revision = "0007"

MESSAGES = "processed_emails_bulletproof"

COLUMN = "sender_asn BIGINT"

KEYED = {
    "summary_days": """
        day TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        confidence_tenths BIGINT NOT NULL,
        PRIMARY KEY (day, category, action)
    """,
    "summary_kinds": """
        country_code TEXT NOT NULL,
        category TEXT NOT NULL,
        subcategory TEXT NOT NULL,
        n BIGINT NOT NULL,
        PRIMARY KEY (country_code, category, subcategory)
    """,
    "summary_networks": """
        asn BIGINT NOT NULL,
        deleted BIGINT NOT NULL,
        preserved BIGINT NOT NULL,
        PRIMARY KEY (asn)
    """,
}

REPORTS = """
    session_id INTEGER PRIMARY KEY REFERENCES sessions(id),
    report TEXT NOT NULL
"""

INDEXES = {
    "idx_summary_networks_deleted": "summary_networks(deleted)",
    f"idx_{MESSAGES}_judged": f"{MESSAGES}(validation_timestamp) "
    "WHERE validation_timestamp IS NOT NULL",
}

COUNTS = (
    """INSERT INTO summary_days
        SELECT substr(hour, 1, 10), category, action, SUM(n), SUM(confidence_tenths)
        FROM summary_hours GROUP BY 1, 2, 3""",
    f"""INSERT INTO summary_kinds
        SELECT COALESCE(sender_country_code, ''), COALESCE(category_v2, category, ''),
            subcategory, COUNT(*)
        FROM {MESSAGES} WHERE subcategory IS NOT NULL GROUP BY 1, 2, 3""",
)


def upgrade():
    add_columns(MESSAGES, COLUMN)
    for name, definition in KEYED.items():
        add_table(name, definition, rowid=False)
    add_table("run_reports", REPORTS)
    for index in INDEXES.items():
        add_index(*index)
    for count in COUNTS:
        run(count)
    add_version(10)


def downgrade():
    drop_version(10)
    for index in INDEXES.items():
        drop_index(*index)
    for name in ("run_reports", *KEYED):
        drop_table(name)
    drop_columns(MESSAGES, COLUMN)
