"""Summaries for the pages, counted from the messages that are there; and where sources go on."""

from atlas_fast.migrations.steps import (
    add_index,
    add_table,
    add_version,
    drop_index,
    drop_table,
    drop_version,
    run,
)  # fmt: skip

revision = "0005"
down_revision = "0004"

MESSAGES = "processed_emails_bulletproof"

MARKS = """
    source TEXT PRIMARY KEY,
    mark TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT '',
    messages BIGINT NOT NULL DEFAULT 0,
    session_id INTEGER REFERENCES sessions(id),
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
"""

# What is outside its range, or no number, adds nothing: a sum of such may be more than an integer
# holds.
CONFIDENCE_TENTHS = (
    "CASE WHEN confidence_score BETWEEN 0 AND 100 "
    "THEN CAST(ROUND(confidence_score * 10) AS INTEGER) ELSE 0 END"
)
RISK_THOUSANDTHS = (
    "CASE WHEN geographic_risk_score BETWEEN 0 AND 1 "
    "THEN CAST(ROUND(geographic_risk_score * 1000) AS INTEGER) ELSE 0 END"
)

KEYED = {
    "pruned_keys": "message_key BLOB PRIMARY KEY",
    "summary_hours": """
        hour TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        confidence_tenths BIGINT NOT NULL,
        PRIMARY KEY (hour, category, action)
    """,
    "summary_runs": """
        session_id INTEGER NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        band INTEGER NOT NULL,
        n BIGINT NOT NULL,
        PRIMARY KEY (session_id, category, action, band)
    """,
    "summary_countries": """
        country_code TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        risk_thousandths BIGINT NOT NULL,
        PRIMARY KEY (country_code, category, action)
    """,
    "summary_domains": """
        month TEXT NOT NULL,
        domain TEXT NOT NULL,
        deleted BIGINT NOT NULL,
        preserved BIGINT NOT NULL,
        PRIMARY KEY (month, domain)
    """,
}

DOMAINS_INDEX = "idx_summary_domains_deleted"
DOMAINS_DELETED = "summary_domains(month, deleted)"

COUNTS = (
    f"""INSERT INTO summary_hours
        SELECT substr(timestamp, 1, 13), COALESCE(category, ''), action, COUNT(*),
            SUM({CONFIDENCE_TENTHS})
        FROM {MESSAGES} GROUP BY 1, 2, 3""",
    f"""INSERT INTO summary_runs
        SELECT session_id, COALESCE(category, ''), action,
            CASE WHEN confidence_score IS NULL THEN 0 WHEN confidence_score >= 70 THEN 3
            WHEN confidence_score >= 40 THEN 2 ELSE 1 END, COUNT(*)
        FROM {MESSAGES} WHERE session_id IS NOT NULL GROUP BY 1, 2, 3, 4""",
    f"""INSERT INTO summary_countries
        SELECT sender_country_code, COALESCE(category, ''), action, COUNT(*),
            SUM({RISK_THOUSANDTHS})
        FROM {MESSAGES} WHERE sender_country_code IS NOT NULL GROUP BY 1, 2, 3""",
    f"""INSERT INTO summary_domains
        SELECT substr(timestamp, 1, 7), COALESCE(sender_domain, ''),
            SUM(CASE action WHEN 'DELETED' THEN 1 ELSE 0 END),
            SUM(CASE action WHEN 'DELETED' THEN 0 ELSE 1 END)
        FROM {MESSAGES} GROUP BY 1, 2""",
)


def upgrade():
    add_table("resume_marks", MARKS)
    for name, definition in KEYED.items():
        add_table(name, definition, rowid=False)
    add_index(DOMAINS_INDEX, DOMAINS_DELETED)
    for count in COUNTS:
        run(count)
    add_version(8)


def downgrade():
    drop_version(8)
    drop_index(DOMAINS_INDEX, DOMAINS_DELETED)
    for name in ("resume_marks", *KEYED):
        drop_table(name)
