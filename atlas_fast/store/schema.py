"""Tables, columns and indexes of the SQLite store.

Names, types and order are those of Atlas_Email's schema version 5, so that its own queries run
here; what is new stands behind the old columns. `SCHEMA_VERSION` is the version that this code
writes: 6 was taken by a loose script for the geographic columns, 7 adds the message key.

Left out on purpose: idx_accounts_email, idx_domains_domain and idx_spam_categories_category, as
the UNIQUE constraint of the same column already has an index.
"""

from __future__ import annotations

SCHEMA_VERSION = 7

MESSAGES = "processed_emails_bulletproof"
"""The table with one row a message."""

_PK = "id INTEGER PRIMARY KEY AUTOINCREMENT"
_NOW = "TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
_LOCAL = "TEXT NOT NULL DEFAULT (datetime('now','localtime'))"

TABLES = {
    "schema_version": f"""
        version INTEGER PRIMARY KEY,
        applied_at {_NOW}""",
    "accounts": f"""
        {_PK},
        email_address VARCHAR(255) UNIQUE NOT NULL,
        provider VARCHAR(50) NOT NULL,
        host VARCHAR(255) NOT NULL,
        port INTEGER NOT NULL,
        encrypted_password TEXT NOT NULL,
        target_folders TEXT,
        folder_setup_complete BOOLEAN DEFAULT FALSE,
        provider_optimizations TEXT,
        created_at {_NOW},
        last_used TIMESTAMP,
        is_active BOOLEAN DEFAULT TRUE""",
    "sessions": f"""
        {_PK},
        account_id INTEGER NOT NULL REFERENCES accounts(id),
        start_time {_NOW},
        end_time TIMESTAMP,
        folders_processed TEXT,
        total_deleted INTEGER DEFAULT 0,
        total_preserved INTEGER DEFAULT 0,
        total_validated INTEGER DEFAULT 0,
        categories_summary TEXT,
        session_type VARCHAR(20) DEFAULT 'manual',
        is_preview BOOLEAN DEFAULT FALSE""",
    MESSAGES: f"""
        {_PK},
        timestamp {_LOCAL},
        session_id INTEGER REFERENCES sessions(id),
        folder_name TEXT,
        uid TEXT,
        sender_email TEXT NOT NULL,
        sender_domain TEXT,
        subject TEXT NOT NULL,
        action TEXT NOT NULL CHECK (action IN ('DELETED','PRESERVED')),
        reason TEXT,
        category TEXT,
        confidence_score REAL,
        ml_validation_method TEXT,
        raw_data TEXT,
        created_at {_LOCAL},
        sender_ip TEXT,
        sender_country_code TEXT,
        sender_country_name TEXT,
        geographic_risk_score REAL,
        detection_method TEXT,
        category_v2 TEXT,
        subcategory TEXT,
        category_confidence_v2 REAL,
        classification_version INTEGER DEFAULT 1,
        sender_name TEXT,
        flags INTEGER NOT NULL DEFAULT 0,
        message_key BLOB""",
    "domains": f"""
        {_PK},
        domain VARCHAR(255) UNIQUE NOT NULL,
        first_seen {_NOW},
        last_seen {_NOW},
        total_occurrences INTEGER DEFAULT 1,
        risk_score FLOAT DEFAULT 0.0,
        ml_confidence_scores TEXT,
        validation_results TEXT,
        associated_categories TEXT,
        action_taken VARCHAR(20),
        is_whitelisted BOOLEAN DEFAULT FALSE,
        notes TEXT""",
    "spam_categories": f"""
        {_PK},
        category VARCHAR(100) UNIQUE NOT NULL,
        total_count INTEGER DEFAULT 0,
        first_seen {_NOW},
        last_seen {_NOW},
        deletion_rate FLOAT DEFAULT 0.0,
        common_keywords TEXT,
        associated_domains TEXT,
        is_active BOOLEAN DEFAULT TRUE""",
    "user_feedback": f"""
        {_PK},
        email_uid TEXT NOT NULL,
        session_id INTEGER REFERENCES sessions(id),
        sender TEXT,
        subject TEXT,
        original_classification TEXT NOT NULL,
        user_classification TEXT,
        feedback_type TEXT NOT NULL,
        confidence_rating INTEGER,
        user_comments TEXT,
        timestamp {_NOW},
        user_ip TEXT,
        account_email TEXT,
        processed BOOLEAN DEFAULT FALSE""",
    "logs": f"""
        {_PK},
        timestamp {_NOW},
        level VARCHAR(10) NOT NULL,
        category VARCHAR(50),
        account_id INTEGER REFERENCES accounts(id),
        session_id INTEGER REFERENCES sessions(id),
        message TEXT NOT NULL,
        metadata TEXT""",
    "performance_metrics": f"""
        {_PK},
        timestamp {_NOW},
        session_id INTEGER REFERENCES sessions(id),
        operation_type VARCHAR(50),
        duration_seconds FLOAT,
        items_processed INTEGER,
        memory_usage_mb FLOAT""",
    "error_reports": f"""
        {_PK},
        timestamp {_NOW},
        session_id INTEGER REFERENCES sessions(id),
        error_type VARCHAR(100),
        error_message TEXT,
        stack_trace TEXT,
        context_data TEXT,
        resolved BOOLEAN DEFAULT FALSE""",
    "configurations": f"""
        {_PK},
        account_id INTEGER REFERENCES accounts(id),
        config_type VARCHAR(50) NOT NULL,
        config_key VARCHAR(100) NOT NULL,
        config_value TEXT,
        created_at {_NOW},
        updated_at {_NOW},
        is_active BOOLEAN DEFAULT TRUE,
        UNIQUE(account_id, config_type, config_key)""",
    "filter_terms": f"""
        {_PK},
        term VARCHAR(255) NOT NULL,
        category VARCHAR(50),
        is_active BOOLEAN DEFAULT TRUE,
        created_at {_NOW},
        created_by VARCHAR(50) DEFAULT 'user',
        confidence_threshold FLOAT DEFAULT 0.5""",
    "ml_settings": f"""
        {_PK},
        setting_name VARCHAR(100) UNIQUE NOT NULL,
        setting_value TEXT,
        description TEXT,
        last_updated {_NOW},
        is_active BOOLEAN DEFAULT TRUE""",
}
"""Table name to its column definitions, in the order of creation."""

INDEXES = {
    "idx_sessions_account": "sessions(account_id)",
    "idx_sessions_time": "sessions(start_time)",
    f"idx_{MESSAGES}_timestamp": f"{MESSAGES}(timestamp)",
    f"idx_{MESSAGES}_action": f"{MESSAGES}(action)",
    f"idx_{MESSAGES}_session": f"{MESSAGES}(session_id)",
    f"idx_{MESSAGES}_sender": f"{MESSAGES}(sender_email)",
    "idx_user_feedback_uid": "user_feedback(email_uid)",
    "idx_user_feedback_timestamp": "user_feedback(timestamp)",
    "idx_user_feedback_type": "user_feedback(feedback_type)",
    "idx_logs_timestamp": "logs(timestamp)",
    "idx_logs_level": "logs(level)",
    "idx_logs_category": "logs(category)",
    "idx_logs_session": "logs(session_id)",
    "idx_performance_session": "performance_metrics(session_id)",
    "idx_errors_timestamp": "error_reports(timestamp)",
    "idx_errors_resolved": "error_reports(resolved)",
    "idx_config_type": "configurations(config_type)",
    "idx_config_account": "configurations(account_id)",
    "idx_filter_terms_active": "filter_terms(is_active)",
    "idx_ml_settings_active": "ml_settings(is_active)",
}
"""Index name to table and columns; none of them unique."""

UNIQUE_INDEXES = {f"idx_{MESSAGES}_key": f"{MESSAGES}(message_key)"}
"""Rows that the original writes have no key: NULLs do not collide."""

INSERT_COLUMNS = (
    "timestamp",
    "session_id",
    "folder_name",
    "uid",
    "sender_email",
    "sender_domain",
    "subject",
    "action",
    "reason",
    "category",
    "confidence_score",
    "ml_validation_method",
    "created_at",
    "category_v2",
    "category_confidence_v2",
    "classification_version",
    "sender_name",
    "flags",
    "message_key",
    "sender_ip",
    "sender_country_code",
    "sender_country_name",
    "geographic_risk_score",
    "detection_method",
)
"""Columns of a message row that the engine fills, in the order of rows.py; the rest is NULL."""

INSERT_MESSAGE = (
    f"INSERT INTO {MESSAGES} ({', '.join(INSERT_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(INSERT_COLUMNS))}) ON CONFLICT(message_key) DO NOTHING"
)


def statements() -> list[str]:
    """All statements that make an empty store, the version row included."""
    made = [f"CREATE TABLE {name} ({columns}\n)" for name, columns in TABLES.items()]
    made += [f"CREATE INDEX {name} ON {where}" for name, where in INDEXES.items()]
    made += [f"CREATE UNIQUE INDEX {name} ON {where}" for name, where in UNIQUE_INDEXES.items()]
    made.append(f"INSERT INTO schema_version (version) VALUES ({SCHEMA_VERSION})")
    return made
