"""Databases as Atlas_Email leaves them: each schema version, fresh, upgraded, or scripted over.

Made from what is known of its tables; foreign keys stand at the end of a table, where they can, so
that adding and dropping columns has something to trip over.
"""

from __future__ import annotations

import sqlite3

PK = "id INTEGER PRIMARY KEY AUTOINCREMENT"
NOW = "TIMESTAMP DEFAULT CURRENT_TIMESTAMP"
MESSAGES = "processed_emails_bulletproof"

BASE = f"""
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at {NOW});
CREATE TABLE accounts ({PK}, email_address VARCHAR(255) UNIQUE NOT NULL,
    provider VARCHAR(50) NOT NULL, host VARCHAR(255) NOT NULL, port INTEGER NOT NULL,
    encrypted_password TEXT NOT NULL, target_folders TEXT,
    folder_setup_complete BOOLEAN DEFAULT FALSE, provider_optimizations TEXT, created_at {NOW},
    last_used TIMESTAMP, is_active BOOLEAN DEFAULT TRUE
);
CREATE TABLE sessions ({PK}, account_id INTEGER NOT NULL, start_time {NOW}, end_time TIMESTAMP,
    folders_processed TEXT, total_deleted INTEGER DEFAULT 0, total_preserved INTEGER DEFAULT 0,
    total_validated INTEGER DEFAULT 0, categories_summary TEXT,
    session_type VARCHAR(20) DEFAULT 'manual', is_preview BOOLEAN DEFAULT FALSE,
    FOREIGN KEY (account_id) REFERENCES accounts(id));
CREATE TABLE domains ({PK}, domain VARCHAR(255) UNIQUE NOT NULL, first_seen {NOW}, last_seen {NOW},
    total_occurrences INTEGER DEFAULT 1, risk_score FLOAT DEFAULT 0.0, ml_confidence_scores TEXT,
    validation_results TEXT, associated_categories TEXT, action_taken VARCHAR(20),
    is_whitelisted BOOLEAN DEFAULT FALSE, notes TEXT);
CREATE TABLE spam_categories ({PK}, category VARCHAR(100) UNIQUE NOT NULL,
    total_count INTEGER DEFAULT 0, first_seen {NOW}, last_seen {NOW},
    deletion_rate FLOAT DEFAULT 0.0, common_keywords TEXT, associated_domains TEXT,
    is_active BOOLEAN DEFAULT TRUE);
CREATE TABLE logs ({PK}, timestamp {NOW}, level VARCHAR(10) NOT NULL, category VARCHAR(50),
    account_id INTEGER, session_id INTEGER, message TEXT NOT NULL, metadata TEXT,
    FOREIGN KEY (account_id) REFERENCES accounts(id),
    FOREIGN KEY (session_id) REFERENCES sessions(id));
CREATE TABLE performance_metrics ({PK}, timestamp {NOW}, session_id INTEGER,
    operation_type VARCHAR(50), duration_seconds FLOAT, items_processed INTEGER,
    memory_usage_mb FLOAT, FOREIGN KEY (session_id) REFERENCES sessions(id));
CREATE TABLE error_reports ({PK}, timestamp {NOW}, session_id INTEGER, error_type VARCHAR(100),
    error_message TEXT, stack_trace TEXT, context_data TEXT, resolved BOOLEAN DEFAULT FALSE,
    FOREIGN KEY (session_id) REFERENCES sessions(id));
CREATE TABLE configurations ({PK}, account_id INTEGER, config_type VARCHAR(50) NOT NULL,
    config_key VARCHAR(100) NOT NULL, config_value TEXT, created_at {NOW}, updated_at {NOW},
    is_active BOOLEAN DEFAULT TRUE, FOREIGN KEY (account_id) REFERENCES accounts(id),
    UNIQUE(account_id, config_type, config_key));
CREATE TABLE filter_terms ({PK}, term VARCHAR(255) NOT NULL, category VARCHAR(50),
    is_active BOOLEAN DEFAULT TRUE, created_at {NOW}, created_by VARCHAR(50) DEFAULT 'user',
    confidence_threshold FLOAT DEFAULT 0.5);
CREATE TABLE ml_settings ({PK}, setting_name VARCHAR(100) UNIQUE NOT NULL, setting_value TEXT,
    description TEXT, last_updated {NOW}, is_active BOOLEAN DEFAULT TRUE);
CREATE INDEX idx_accounts_email ON accounts(email_address);
CREATE INDEX idx_sessions_account ON sessions(account_id);
CREATE INDEX idx_sessions_time ON sessions(start_time);
CREATE INDEX idx_domains_domain ON domains(domain);
CREATE INDEX idx_spam_categories_category ON spam_categories(category);
CREATE INDEX idx_logs_timestamp ON logs(timestamp);
CREATE INDEX idx_logs_level ON logs(level);
CREATE INDEX idx_logs_category ON logs(category);
CREATE INDEX idx_logs_session ON logs(session_id);
CREATE INDEX idx_performance_session ON performance_metrics(session_id);
CREATE INDEX idx_errors_timestamp ON error_reports(timestamp);
CREATE INDEX idx_errors_resolved ON error_reports(resolved);
CREATE INDEX idx_config_type ON configurations(config_type);
CREATE INDEX idx_config_account ON configurations(account_id);
CREATE INDEX idx_filter_terms_active ON filter_terms(is_active);
CREATE INDEX idx_ml_settings_active ON ml_settings(is_active);
"""

FEEDBACK = f"""
CREATE TABLE user_feedback ({PK}, email_uid TEXT NOT NULL, session_id INTEGER, sender TEXT,
    subject TEXT, original_classification TEXT NOT NULL, user_classification TEXT,
    feedback_type TEXT NOT NULL, confidence_rating INTEGER, user_comments TEXT, timestamp {NOW},
    user_ip TEXT, account_email TEXT, processed BOOLEAN DEFAULT FALSE,
    FOREIGN KEY (session_id) REFERENCES sessions(id)
        );
CREATE INDEX idx_user_feedback_uid ON user_feedback(email_uid);
CREATE INDEX idx_user_feedback_timestamp ON user_feedback(timestamp);
CREATE INDEX idx_user_feedback_type ON user_feedback(feedback_type);
"""

VERSION_3 = f"""
CREATE TABLE user_analytics ({PK}, session_date DATE DEFAULT CURRENT_DATE,
    emails_analyzed INTEGER DEFAULT 0, feedback_given INTEGER DEFAULT 0,
    emails_deleted INTEGER DEFAULT 0, accuracy_contributions INTEGER DEFAULT 0, updated_at {NOW});
CREATE TABLE immediate_deletions ({PK}, account_name TEXT NOT NULL, email_uid TEXT NOT NULL,
    deleted_at {NOW}, user_feedback_id INTEGER, success BOOLEAN DEFAULT TRUE, error_message TEXT,
    provider TEXT, folder_name TEXT,
    FOREIGN KEY (user_feedback_id) REFERENCES user_feedback(id));
ALTER TABLE user_feedback ADD COLUMN contributed_to_accuracy BOOLEAN DEFAULT FALSE;
CREATE INDEX idx_user_analytics_date ON user_analytics(session_date);
CREATE INDEX idx_immediate_deletions_account ON immediate_deletions(account_name);
CREATE INDEX idx_immediate_deletions_timestamp ON immediate_deletions(deleted_at);
CREATE INDEX idx_immediate_deletions_success ON immediate_deletions(success);
"""

VERSION_4 = f"""
CREATE TABLE email_flags ({PK}, email_uid TEXT NOT NULL, folder_name TEXT NOT NULL,
    account_id INTEGER NOT NULL, session_id INTEGER, sender_email TEXT, subject TEXT,
    flag_type TEXT DEFAULT 'PROTECT', flag_reason TEXT, created_at {NOW},
    created_by TEXT DEFAULT 'user', is_active BOOLEAN DEFAULT TRUE,
    FOREIGN KEY (account_id) REFERENCES accounts(id),
    FOREIGN KEY (session_id) REFERENCES sessions(id));
CREATE INDEX idx_email_flags_uid_folder_account
    ON email_flags(email_uid, folder_name, account_id);
CREATE INDEX idx_email_flags_account ON email_flags(account_id);
CREATE INDEX idx_email_flags_active ON email_flags(is_active);
CREATE INDEX idx_email_flags_created ON email_flags(created_at);
CREATE UNIQUE INDEX idx_email_flags_unique ON email_flags(email_uid, folder_name, account_id)
    WHERE is_active = TRUE;
"""


def messages(foreign_key: bool) -> str:
    local = "TEXT NOT NULL DEFAULT (datetime('now','localtime'))"
    key = ",\n    FOREIGN KEY (session_id) REFERENCES sessions(id)" if foreign_key else ""
    made = f"""
CREATE TABLE IF NOT EXISTS {MESSAGES} ({PK}, timestamp {local},
    session_id INTEGER, folder_name TEXT, uid TEXT, sender_email TEXT NOT NULL, sender_domain TEXT,
    subject TEXT NOT NULL, action TEXT NOT NULL CHECK (action IN ('DELETED','PRESERVED')),
    reason TEXT, category TEXT, confidence_score REAL, ml_validation_method TEXT, raw_data TEXT,
    created_at {local}{key}
);
CREATE INDEX idx_{MESSAGES}_timestamp ON {MESSAGES}(timestamp);
CREATE INDEX idx_{MESSAGES}_action ON {MESSAGES}(action);
"""
    if foreign_key:
        made += f"""
CREATE INDEX idx_{MESSAGES}_session ON {MESSAGES}(session_id);
CREATE INDEX idx_{MESSAGES}_sender ON {MESSAGES}(sender_email);
"""
    return made


GEOGRAPHY = f"""
ALTER TABLE {MESSAGES} ADD COLUMN sender_ip TEXT;
ALTER TABLE {MESSAGES} ADD COLUMN sender_country_code TEXT;
ALTER TABLE {MESSAGES} ADD COLUMN sender_country_name TEXT;
ALTER TABLE {MESSAGES} ADD COLUMN geographic_risk_score REAL;
ALTER TABLE {MESSAGES} ADD COLUMN detection_method TEXT;
CREATE INDEX idx_{MESSAGES}_country ON {MESSAGES}(sender_country_code);
INSERT INTO schema_version (version) VALUES (6);
"""

CATEGORIES = f"""
ALTER TABLE {MESSAGES} ADD COLUMN category_v2 TEXT;
ALTER TABLE {MESSAGES} ADD COLUMN subcategory TEXT;
ALTER TABLE {MESSAGES} ADD COLUMN category_confidence_v2 REAL;
ALTER TABLE {MESSAGES} ADD COLUMN classification_version INTEGER DEFAULT 1;
CREATE TABLE category_mappings (old_category TEXT PRIMARY KEY, new_category TEXT NOT NULL,
    subcategory TEXT, mapping_confidence REAL DEFAULT 1.0, created_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX idx_category_v2 ON {MESSAGES}(category_v2);
CREATE INDEX idx_subcategory ON {MESSAGES}(subcategory);
CREATE INDEX idx_classification_version ON {MESSAGES}(classification_version);
"""

INDEXES = f"""
CREATE INDEX idx_processed_emails_uid_folder ON {MESSAGES}(uid, folder_name);
CREATE INDEX idx_processed_emails_sender_domain ON {MESSAGES}(sender_domain);
CREATE INDEX idx_domains_domain_lastseen ON domains(domain, last_seen);
CREATE VIEW index_statistics AS SELECT name AS index_name, tbl_name AS table_name, COUNT(*) AS
    index_count FROM sqlite_master WHERE type = 'index' GROUP BY 2;
ANALYZE {MESSAGES};
ANALYZE domains;
"""

NO_WHITELIST = f"""
CREATE TABLE domains_new (domain VARCHAR(255) UNIQUE NOT NULL, first_seen {NOW}, last_seen {NOW},
    total_occurrences INTEGER DEFAULT 1, risk_score FLOAT DEFAULT 0.0, ml_confidence_scores TEXT,
    validation_results TEXT, associated_categories TEXT, action_taken VARCHAR(20));
DROP TABLE domains;
ALTER TABLE domains_new RENAME TO domains;
"""

VARIANTS = {
    "1": (BASE, 1),
    "1 with logger": (BASE + messages(False), 1),
    "2": (BASE + FEEDBACK, 2),
    "3": (BASE + FEEDBACK + VERSION_3, 3),
    "4": (BASE + FEEDBACK + VERSION_3 + VERSION_4, 4),
    "4 with logger": (BASE + FEEDBACK + VERSION_3 + VERSION_4 + messages(False), 4),
    "2 upgraded to 5": (
        BASE + FEEDBACK + VERSION_3 + VERSION_4 + messages(False)
        + "INSERT INTO schema_version (version) VALUES (2);",
        5,
    ),
    "5": (BASE + FEEDBACK + messages(True), 5),
    "5 with indexes": (BASE + FEEDBACK + messages(True) + INDEXES, 5),
    "5 with categories": (BASE + FEEDBACK + messages(True) + CATEGORIES, 5),
    "5 without whitelist": (BASE + FEEDBACK + messages(True) + NO_WHITELIST, 5),
    "6": (BASE + FEEDBACK + messages(True) + GEOGRAPHY, 5),
    "6 with categories": (BASE + FEEDBACK + messages(True) + GEOGRAPHY + CATEGORIES, 5),
    "interrupted": (BASE, None),
    "logger only": (messages(False), None),
}  # fmt: skip
"""Name to (statements, version row)."""


def make(path, variant: str, rows: int = 50) -> None:
    """A database of this kind with something in each of its tables."""
    script, version = VARIANTS[variant]
    with sqlite3.connect(path) as connection:
        connection.executescript(script)
        if version is not None:
            connection.execute("INSERT INTO schema_version (version) VALUES (?)", (version,))
        names = {
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if "accounts" in names:
            _fill(connection, names)
        if MESSAGES in names:
            fill_messages(connection, rows, session="accounts" in names)
    connection.close()


def _fill(connection: sqlite3.Connection, names: set[str]) -> None:
    run = connection.execute
    for number in range(1, 4):
        run(
            "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
            "VALUES (?, 'gmail', 'imap.example.org', 993, ?)",
            (f"user{number}@example.org", b"\x00secret\xff"),
        )
        run(
            "INSERT INTO sessions (account_id, total_deleted, categories_summary, session_type) "
            "VALUES (?, 5, '{}', 'manual')",
            (number,),
        )
        run("INSERT INTO domains (domain) VALUES (?)", (f"d{number}.example",))
        run("INSERT INTO filter_terms (term) VALUES (?)", (f"'; DROP TABLE {number}; --",))
        run("INSERT INTO logs (level, session_id, message) VALUES ('INFO', ?, 'x')", (number,))
        run("INSERT INTO configurations (config_type, config_key) VALUES ('a', 'b')")
    if "user_feedback" in names:
        run(
            "INSERT INTO user_feedback (email_uid, session_id, original_classification, "
            "feedback_type) VALUES ('7', 1, 'Phishing', 'correct')"
        )
    if "email_flags" in names:
        run("INSERT INTO email_flags (email_uid, folder_name, account_id) VALUES ('7', 'INBOX', 1)")


def fill_messages(connection: sqlite3.Connection, rows: int, session: bool = True) -> None:
    connection.executemany(
        f"INSERT INTO {MESSAGES} (timestamp, session_id, folder_name, uid, sender_email, "
        "sender_domain, subject, action, reason, category, confidence_score, raw_data) "
        "VALUES (?, ?, 'INBOX', ?, ?, ?, ?, ?, 'because', ?, ?, '{}')",
        (
            (
                f"2026-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:00:00",
                1 + i % 3 if session else None,
                str(i % (rows // 2 + 1)),
                f"Sender {i} <s{i % 97}@d{i % 13}.example>",
                f"d{i % 13}.example" if i % 5 else None,
                f"subject \x00 {i} \u202e 'quoted'",
                "DELETED" if i % 3 else "PRESERVED",
                ("Phishing", "Not Spam", None)[i % 3],
                None if i % 4 == 0 else (i % 1000) / 10,
            )
            for i in range(rows)
        ),
    )


def content(path) -> dict[str, list]:
    """Every table's rows, and the text of every table, index and view."""
    connection = sqlite3.connect(path)
    connection.text_factory = lambda raw: raw
    found = {
        "sqlite_master": sorted(
            connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"), key=repr
        )
    }
    for kind, name, _, _ in found["sqlite_master"]:
        if kind == b"table":
            table = name.decode()
            found[table] = sorted(connection.execute(f'SELECT * FROM "{table}"'), key=repr)
    connection.close()
    return found
