"""Tables, columns and indexes of a new store: what all migrations together make.

Names, types and order are those of Atlas_Email's schema version 5, so that its own queries run
here; what is new stands behind the old columns. A new store is made from this file, without
Alembic; tests/store/test_migrations.py proves that the migrations end at the same schema.

Left out on purpose: idx_accounts_email, idx_domains_domain and idx_spam_categories_category, as
the UNIQUE constraint of the same column already has an index; and the original's indexes on action
and sender of a message, which cost a third of the writing and which no page needs.

The texts are SQLite's; `dialect.py` says them for PostgreSQL.
"""

from __future__ import annotations

REVISION = "0008"
"""The migration that this schema is at."""

SCHEMA_VERSION = 10
"""What `schema_version` holds for the original's code, which leaves a newer database alone."""

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
        primary_category TEXT,
        subcategory_confidence REAL,
        threat_level INTEGER,
        user_validated INTEGER DEFAULT 0,
        validation_timestamp TEXT,
        user_protected INTEGER DEFAULT 0,
        protection_date TEXT,
        protection_reason TEXT,
        reviewed INTEGER DEFAULT 0,
        sender_name TEXT,
        flags BIGINT NOT NULL DEFAULT 0,
        message_key BLOB,
        sender_asn BIGINT""",
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
        processed BOOLEAN DEFAULT FALSE,
        contributed_to_accuracy BOOLEAN DEFAULT FALSE""",
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
    "user_analytics": f"""
        {_PK},
        session_date DATE DEFAULT CURRENT_DATE,
        emails_analyzed INTEGER DEFAULT 0,
        feedback_given INTEGER DEFAULT 0,
        emails_deleted INTEGER DEFAULT 0,
        accuracy_contributions INTEGER DEFAULT 0,
        updated_at {_NOW}""",
    "immediate_deletions": f"""
        {_PK},
        account_name TEXT NOT NULL,
        email_uid TEXT NOT NULL,
        deleted_at {_NOW},
        user_feedback_id INTEGER REFERENCES user_feedback(id),
        success BOOLEAN DEFAULT TRUE,
        error_message TEXT,
        provider TEXT,
        folder_name TEXT""",
    "email_flags": f"""
        {_PK},
        email_uid TEXT NOT NULL,
        folder_name TEXT NOT NULL,
        account_id INTEGER NOT NULL REFERENCES accounts(id),
        session_id INTEGER REFERENCES sessions(id),
        sender_email TEXT,
        subject TEXT,
        flag_type TEXT DEFAULT 'PROTECT',
        flag_reason TEXT,
        created_at {_NOW},
        created_by TEXT DEFAULT 'user',
        is_active BOOLEAN DEFAULT TRUE""",
    "protected_patterns": f"""
        {_PK},
        pattern_type TEXT NOT NULL,
        pattern_value TEXT NOT NULL,
        confidence_score REAL,
        source_email_id INTEGER,
        notes TEXT,
        created_date {_NOW},
        last_matched TIMESTAMP,
        match_count INTEGER DEFAULT 0""",
    "first_state": """
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        tbl_name TEXT NOT NULL,
        sql TEXT""",
    "resume_marks": """
        source TEXT PRIMARY KEY,
        mark TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT '',
        messages BIGINT NOT NULL DEFAULT 0,
        session_id INTEGER REFERENCES sessions(id),
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP""",
    "pruned_keys": """
        message_key BLOB PRIMARY KEY""",
    "summary_hours": """
        hour TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        confidence_tenths BIGINT NOT NULL,
        PRIMARY KEY (hour, category, action)""",
    "summary_runs": """
        session_id INTEGER NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        band INTEGER NOT NULL,
        n BIGINT NOT NULL,
        PRIMARY KEY (session_id, category, action, band)""",
    "summary_countries": """
        country_code TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        risk_thousandths BIGINT NOT NULL,
        PRIMARY KEY (country_code, category, action)""",
    "summary_domains": """
        month TEXT NOT NULL,
        domain TEXT NOT NULL,
        deleted BIGINT NOT NULL,
        preserved BIGINT NOT NULL,
        PRIMARY KEY (month, domain)""",
    "imap_journal": f"""
        {_PK},
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
        UNIQUE(account_id, folder_name, uidvalidity, uid)""",
    "imap_folders": """
        account_id INTEGER NOT NULL REFERENCES accounts(id),
        folder_name TEXT NOT NULL,
        uidvalidity BIGINT NOT NULL,
        seen_at TEXT NOT NULL,
        PRIMARY KEY (account_id, folder_name)""",
    "ab_testing_results": f"""
        {_PK},
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
        timestamp TEXT DEFAULT CURRENT_TIMESTAMP""",
    "summary_classifiers": """
        test_id TEXT NOT NULL,
        classifier TEXT NOT NULL,
        category TEXT NOT NULL,
        n BIGINT NOT NULL,
        nanoseconds BIGINT NOT NULL,
        PRIMARY KEY (test_id, classifier, category)""",
    "summary_days": """
        day TEXT NOT NULL,
        category TEXT NOT NULL,
        action TEXT NOT NULL,
        n BIGINT NOT NULL,
        confidence_tenths BIGINT NOT NULL,
        PRIMARY KEY (day, category, action)""",
    "summary_kinds": """
        country_code TEXT NOT NULL,
        category TEXT NOT NULL,
        subcategory TEXT NOT NULL,
        n BIGINT NOT NULL,
        PRIMARY KEY (country_code, category, subcategory)""",
    "summary_networks": """
        asn BIGINT NOT NULL,
        deleted BIGINT NOT NULL,
        preserved BIGINT NOT NULL,
        PRIMARY KEY (asn)""",
    "run_reports": """
        session_id INTEGER PRIMARY KEY REFERENCES sessions(id),
        report TEXT NOT NULL""",
}
"""Table name to its column definitions, in the order of creation."""

WITHOUT_ROWID = frozenset(
    (
        "pruned_keys",
        "summary_hours",
        "summary_runs",
        "summary_countries",
        "summary_domains",
        "summary_classifiers",
        "summary_days",
        "summary_kinds",
        "summary_networks",
    )
)
"""Tables that are nothing but their primary key and counters: one B-tree in place of two."""

INDEXES = {
    "idx_sessions_account": "sessions(account_id)",
    "idx_sessions_time": "sessions(start_time)",
    f"idx_{MESSAGES}_timestamp": f"{MESSAGES}(timestamp)",
    f"idx_{MESSAGES}_session": f"{MESSAGES}(session_id)",
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
    "idx_user_analytics_date": "user_analytics(session_date)",
    "idx_immediate_deletions_account": "immediate_deletions(account_name)",
    "idx_immediate_deletions_timestamp": "immediate_deletions(deleted_at)",
    "idx_immediate_deletions_success": "immediate_deletions(success)",
    "idx_email_flags_account": "email_flags(account_id)",
    "idx_email_flags_active": "email_flags(is_active)",
    "idx_email_flags_created": "email_flags(created_at)",
    "idx_summary_domains_deleted": "summary_domains(month, deleted)",
    "idx_imap_journal_state": "imap_journal(account_id, folder_name, state)",
    "idx_imap_journal_session": "imap_journal(session_id)",
    "idx_ab_test_id": "ab_testing_results(test_id)",
    "idx_summary_networks_deleted": "summary_networks(deleted)",
    f"idx_{MESSAGES}_judged": f"{MESSAGES}(validation_timestamp) "
    "WHERE validation_timestamp IS NOT NULL",
}
"""Index name to table and columns; none of them unique."""

UNIQUE_INDEXES = {
    f"idx_{MESSAGES}_key": f"{MESSAGES}(message_key)",
    "idx_email_flags_unique": "email_flags(email_uid, folder_name, account_id) "
    "WHERE is_active = TRUE",
}
"""Rows that the original writes have no key: NULLs do not collide."""


def statements() -> list[str]:
    """All statements that make an empty store, its version rows included; in SQLite's words."""
    made = [
        f"CREATE TABLE {name} ({columns}\n)" + (" WITHOUT ROWID" * (name in WITHOUT_ROWID))
        for name, columns in TABLES.items()
    ]
    made += [f"CREATE INDEX {name} ON {where}" for name, where in INDEXES.items()]
    made += [f"CREATE UNIQUE INDEX {name} ON {where}" for name, where in UNIQUE_INDEXES.items()]
    made.append(f"INSERT INTO schema_version (version) VALUES ({SCHEMA_VERSION})")
    made.append(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    made.append(f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')")
    return made
