"""A program written for the original, on a real server: not one line of it knows of atlas_fast."""

import json
import os
import subprocess
import sys

import pytest
from dovecot import PASSWORD, USER, Dovecot, mails, needs_dovecot

ENV = os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path)}
N = 60
PROGRAM = """
import imaplib
import json
import sys

from atlas_email.core.email_processor import EmailProcessor, FolderManager
from atlas_email.core.geographic_intelligence import GeographicIntelligenceProcessor
from atlas_email.filters.keyword_processor import KeywordProcessor
from atlas_email.models.database import db
from atlas_email.utils.domain_validator import DomainValidator
import atlas_email.models.db_logger as db_logger

port, user, password, folder = int(sys.argv[1]), *sys.argv[2:5]
mail = imaplib.IMAP4("127.0.0.1", port)
mail.login(user, password)
account = db.execute_insert(
    "INSERT INTO accounts (email_address, provider, host, port, encrypted_password) "
    "VALUES (?, ?, ?, ?, ?)", (user, "generic", "127.0.0.1", port, ""),
)
db.flag_email_for_protection("1", folder, account)
validator = DomainValidator(account_provider="generic")
processor = EmailProcessor(mail, domain_validator=validator, account_email=user, account_id=account)
assert isinstance(processor.keyword_processor, KeywordProcessor)
folders = FolderManager(mail).find_target_folders()
filters = ["x-test: take-me"]
runs = []
for preview in (True, False):
    runs.append(processor.process_folder_messages(
        folder, filters, auto_confirm=True, preview_mode=preview, quiet_mode=True
    ))
rows = db.execute_query(
    "SELECT uid, action, reason, category, sender_ip, detection_method "
    "FROM processed_emails_bulletproof WHERE reason NOT LIKE '%[PREVIEW]'"
)
db_logger.logger.info("done", print_to_screen=False)
mail.logout()
print(json.dumps({"folders": len(folders), "runs": runs, "rows": [dict(row) for row in rows]}))
"""


@needs_dovecot
@pytest.mark.parametrize("form", ["program", "import"])
def test_it_runs_unchanged(tmp_path, form):
    server = Dovecot()
    try:
        server.fill("work", mails(N))
        before = server.snapshot("work")
        text = "import atlas_fast.drop_in\n" * (form == "import") + PROGRAM
        (tmp_path / "program.py").write_text(text)
        start = ["-m", "atlas_fast.drop_in"] if form == "program" else []
        done = subprocess.run(
            [sys.executable, *start, "program.py", str(server.port), USER, PASSWORD, "work"],
            cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        left = server.snapshot("work")
    finally:
        server.close()
    preview, run = found["runs"]
    deleted, processed, preserved, _, _, categories = run
    assert preview[:3] == run[:3] and processed == deleted + preserved == N
    assert sum(entry["count"] for entry in categories.values()) == deleted > 0
    assert len(left) == preserved and all(left[uid] == before[uid] for uid in left)
    assert 1 in left, "the protection flag"
    actions = {int(row["uid"]): row["action"] for row in found["rows"]}
    assert {uid for uid, action in actions.items() if action == "PRESERVED"} == set(left)
    assert len(actions) == N
    assert (tmp_path / "data" / "mail_filter.db").is_file()
