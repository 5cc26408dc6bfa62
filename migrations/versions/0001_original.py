"""The tables of Atlas_Email's schema version 5.

An older database of the original gets what it lacks; one that has them all is only written down.
"""

from atlas_fast.migrations.steps import (
    add_columns,
    add_index,
    add_table,
    add_version,
    drop_columns,
    drop_index,
    drop_table,
    drop_version,
    remember,
    run,
)  # fmt: skip

revision = "0001"
down_revision = None

TABLES = {
    "schema_version": """
        version INTEGER PRIMARY KEY,
        applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    """,
    "accounts": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        email_address VARCHAR(255) UNIQUE NOT NULL,
        provider VARCHAR(50) NOT NULL,
        host VARCHAR(255) NOT NULL,
        port INTEGER NOT NULL,
        encrypted_password TEXT NOT NULL,
        target_folders TEXT,
        folder_setup_complete BOOLEAN DEFAULT FALSE,
        provider_optimizations TEXT,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_used TIMESTAMP,
        is_active BOOLEAN DEFAULT TRUE
    """,
    "sessions": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id INTEGER NOT NULL REFERENCES accounts(id),
        start_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        end_time TIMESTAMP,
        folders_processed TEXT,
        total_deleted INTEGER DEFAULT 0,
        total_preserved INTEGER DEFAULT 0,
        total_validated INTEGER DEFAULT 0,
        categories_summary TEXT,
        session_type VARCHAR(20) DEFAULT 'manual',
        is_preview BOOLEAN DEFAULT FALSE
    """,
    "processed_emails_bulletproof": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp TEXT NOT NULL DEFAULT (datetime('now','localtime')),
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
        created_at TEXT NOT NULL DEFAULT (datetime('now','localtime'))
    """,
    "domains": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        domain VARCHAR(255) UNIQUE NOT NULL,
        first_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        total_occurrences INTEGER DEFAULT 1,
        risk_score FLOAT DEFAULT 0.0,
        ml_confidence_scores TEXT,
        validation_results TEXT,
        associated_categories TEXT,
        action_taken VARCHAR(20),
        is_whitelisted BOOLEAN DEFAULT FALSE,
        notes TEXT
    """,
    "spam_categories": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        category VARCHAR(100) UNIQUE NOT NULL,
        total_count INTEGER DEFAULT 0,
        first_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        last_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        deletion_rate FLOAT DEFAULT 0.0,
        common_keywords TEXT,
        associated_domains TEXT,
        is_active BOOLEAN DEFAULT TRUE
    """,
    "user_feedback": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        email_uid TEXT NOT NULL,
        session_id INTEGER REFERENCES sessions(id),
        sender TEXT,
        subject TEXT,
        original_classification TEXT NOT NULL,
        user_classification TEXT,
        feedback_type TEXT NOT NULL,
        confidence_rating INTEGER,
        user_comments TEXT,
        timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        user_ip TEXT,
        account_email TEXT,
        processed BOOLEAN DEFAULT FALSE
    """,
    "logs": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        level VARCHAR(10) NOT NULL,
        category VARCHAR(50),
        account_id INTEGER REFERENCES accounts(id),
        session_id INTEGER REFERENCES sessions(id),
        message TEXT NOT NULL,
        metadata TEXT
    """,
    "performance_metrics": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        session_id INTEGER REFERENCES sessions(id),
        operation_type VARCHAR(50),
        duration_seconds FLOAT,
        items_processed INTEGER,
        memory_usage_mb FLOAT
    """,
    "error_reports": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        session_id INTEGER REFERENCES sessions(id),
        error_type VARCHAR(100),
        error_message TEXT,
        stack_trace TEXT,
        context_data TEXT,
        resolved BOOLEAN DEFAULT FALSE
    """,
    "configurations": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        account_id INTEGER REFERENCES accounts(id),
        config_type VARCHAR(50) NOT NULL,
        config_key VARCHAR(100) NOT NULL,
        config_value TEXT,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        is_active BOOLEAN DEFAULT TRUE,
        UNIQUE(account_id, config_type, config_key)
    """,
    "filter_terms": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        term VARCHAR(255) NOT NULL,
        category VARCHAR(50),
        is_active BOOLEAN DEFAULT TRUE,
        created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        created_by VARCHAR(50) DEFAULT 'user',
        confidence_threshold FLOAT DEFAULT 0.5
    """,
    "ml_settings": """
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        setting_name VARCHAR(100) UNIQUE NOT NULL,
        setting_value TEXT,
        description TEXT,
        last_updated TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        is_active BOOLEAN DEFAULT TRUE
    """,
}

INDEXES = {
    "idx_sessions_account": "sessions(account_id)",
    "idx_sessions_time": "sessions(start_time)",
    "idx_processed_emails_bulletproof_timestamp": "processed_emails_bulletproof(timestamp)",
    "idx_processed_emails_bulletproof_action": "processed_emails_bulletproof(action)",
    "idx_processed_emails_bulletproof_session": "processed_emails_bulletproof(session_id)",
    "idx_processed_emails_bulletproof_sender": "processed_emails_bulletproof(sender_email)",
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

DOMAINS = ("is_whitelisted BOOLEAN DEFAULT FALSE", "notes TEXT")
"""What the original's remove_whitelist.sql takes away."""


def upgrade():
    remember()
    for name, definition in TABLES.items():
        add_table(name, definition)
    add_columns("domains", *DOMAINS)
    for name, where in INDEXES.items():
        add_index(name, where)
    if (run("SELECT MAX(version) FROM schema_version").scalar() or 0) < 5:
        add_version(5)


def downgrade():
    drop_version(5)
    for name, where in INDEXES.items():
        drop_index(name, where)
    drop_columns("domains", *DOMAINS)
    for name in reversed(TABLES):
        drop_table(name)
    run("DROP TABLE first_state")
