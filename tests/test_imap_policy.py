"""One policy: a mailbox is decided as files are, rule by rule, on a server of the tests."""

import numpy as np
import pytest
from dovecot import Dovecot, needs_dovecot
from imaprig import mail_run, rows
from test_imap_delete import protect

from atlas_fast import triage
from atlas_fast.classify.policy import Filters
from atlas_fast.pipeline import Pipeline
from atlas_fast.sources import open_source
from atlas_fast.stages.decide import Verdicts
from atlas_fast.store import open_store

pytestmark = needs_dovecot


@pytest.fixture(scope="module")
def server():
    made = Dovecot()
    yield made
    made.close()


FORGED = "dmarc=fail header.from=friend.example"
PROVED = "dkim=pass header.d=paypal.com"
EACH_RULE = [  # (name, From, Subject, the model's category and probability, results)
    ("", "a@b.example", "hello", 0, 0.1, ""),
    ("", "a@b.example", "hello", 4, 0.95, ""),
    ("", "a@b.example", "hello", 2, 0.93, "spf=softfail smtp.mailfrom=b.example"),
    ("FLAG_PROTECTED", "a@b.example", "kelp", 4, 0.95, ""),
    ("USER_PROTECTED", "a@b.example", "kelp and tides", 3, 0.95, ""),
    ("APPOINTMENT", "x@calendly.com", "Your appointment", 2, 0.7, ""),
    ("TRANSACTION", "x@paypal.com", "Receipt for kelp", 2, 0.95, PROVED),
    ("FLAGGED_FOR_DELETION", "a@b.example", "hello", 0, 0.1, ""),
    ("MULTI_MATCH", "a@b.example", "kelp", 2, 0.95, ""),
    ("USER_KEYWORD", "a@b.example", "Kelp", 1, 0.1, ""),
    ("DOMAIN", "rosa@gmail.com", "hello", 2, 0.8, ""),
    ("DOMAIN", "rosa@gmail.com", "hello", 2, 0.92, "spf=pass smtp.mailfrom=gmail.com"),
    ("WHITELIST", "a@friend.example", "hello", 4, 0.99, ""),
    ("SPOOFED_WHITELIST", "a@friend.example", "hello", 0, 0.1, FORGED),
]


def by_the_field(batch):
    """The verdict that a field of the message names."""
    texts = [bytes(batch.raw[a:b]) for a, b in zip(batch.starts, batch.stops, strict=True)]
    said = [text.split(b"X-Verdict: ")[1].split(b"\r\n")[0].split() for text in texts]
    n, category = len(batch), np.array([int(code) for code, _ in said], np.uint8)
    batch.verdict = Verdicts(
        np.array([float(p) for _, p in said], np.float32), category,
        (category >= 2).astype(np.uint8), np.zeros((n, 5), np.float32),
        np.full(n, 255, np.uint8), None, np.zeros(n, np.uint8),
    )  # fmt: skip


def test_the_same_decisions_as_over_files(server, tmp_path):
    """Each rule: a run over the mailbox and one over files store the same about a message."""
    raws = [
        "\r\n".join((
            *([f"Authentication-Results: mx.home.example; {results}"] if results else []),
            f"From: {sender}", f"Subject: {subject}", f"X-Verdict: {category} {probability}",
            "", "text",
        )).encode()
        for _, sender, subject, category, probability, results in EACH_RULE
    ]  # fmt: skip
    server.fill("rules", raws)
    mail = tmp_path / "mail"
    mail.mkdir()
    for number, raw in enumerate(raws, 1):
        (mail / f"{number:02}.eml").write_bytes(raw)
    names = [name for name, *_ in EACH_RULE]
    flagged = {names.index("FLAG_PROTECTED") + 1: "PROTECT",
               names.index("FLAGGED_FOR_DELETION") + 1: "DELETE"}  # fmt: skip
    store, query = tmp_path / "x.db", (
        "SELECT reason, action, category, category_v2, confidence_score, category_confidence_v2 "
        "FROM processed_emails_bulletproof WHERE folder_name = ? AND action = ? "
        "ORDER BY CAST(uid AS INTEGER)"
    )  # fmt: skip
    source = open_source(str(mail)).identity
    with open_store(store) as opened:
        opened.begin_run([])
        with opened.transaction() as connection:
            connection.execute("INSERT INTO filter_terms (term) VALUES ('kelp')")
            connection.execute(
                "INSERT INTO protected_patterns (pattern_type, pattern_value) "
                "VALUES ('subject_keyword', 'tides')"
            )
            connection.execute(
                "INSERT INTO domains (domain, is_whitelisted) VALUES ('friend.example', TRUE)"
            )
            ((local,),) = connection.execute(
                "SELECT id FROM accounts WHERE email_address = 'local'"
            ).fetchall()
            for number, kind in flagged.items():
                connection.execute(
                    "INSERT INTO email_flags (email_uid, folder_name, account_id, flag_type) "
                    "VALUES (?, ?, ?, ?)", (f"{number:02}.eml", source, local, kind),
                )  # fmt: skip
    for number, kind in flagged.items():
        protect(store, "rules", [number], kind)

    def engine():
        made = Pipeline()
        made.stages = [
            (name, by_the_field if name == "decide" else stage) for name, stage in made.stages
        ]
        return made

    files = triage(str(mail), store, pipeline=engine())
    box = mail_run(
        server.port, "rules", store, preview=True, filters=Filters(()), pipeline=engine()
    )
    assert files.rules == box.rules and set(names) == {"", *box.rules}
    for action in ("DELETED", "PRESERVED"):
        assert rows(store, query, "rules", action) == rows(store, query, source, action)
    deleted = rows(store, query, "rules", "DELETED")
    assert len(deleted) == box.chosen == 6
    assert "Hybrid Classifier: Business Opportunity Spam (100.0% confidence) [AUTO_DETECTED] " \
        "[PREVIEW]" in [reason for reason, *_ in deleted]  # fmt: skip
    server.drop("rules")
