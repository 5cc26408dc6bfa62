"""Columns of a message that the pages of Atlas_Email read.

Its loose scripts add some (version 6 is what the geographic one writes), nothing adds the others.
"""

from atlas_fast.migrations.steps import add_columns, add_version, drop_columns, drop_version

revision = "0003"
down_revision = "0002"

TABLE = "processed_emails_bulletproof"
COLUMNS = (
    "sender_ip TEXT",
    "sender_country_code TEXT",
    "sender_country_name TEXT",
    "geographic_risk_score REAL",
    "detection_method TEXT",
    "category_v2 TEXT",
    "subcategory TEXT",
    "category_confidence_v2 REAL",
    "classification_version INTEGER DEFAULT 1",
    "primary_category TEXT",
    "subcategory_confidence REAL",
    "threat_level INTEGER",
    "user_validated INTEGER DEFAULT 0",
    "validation_timestamp TEXT",
    "user_protected INTEGER DEFAULT 0",
    "protection_date TEXT",
    "protection_reason TEXT",
    "reviewed INTEGER DEFAULT 0",
)


def upgrade():
    add_columns(TABLE, *COLUMNS)
    add_version(6)


def downgrade():
    drop_version(6)
    drop_columns(TABLE, *COLUMNS)
