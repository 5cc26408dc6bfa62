"""The policy against a plain one, each rule with its stored strings, and rules through a run."""

import sqlite3
from contextlib import closing
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_fast import triage
from atlas_fast.auth import Result
from atlas_fast.batch import Batch
from atlas_fast.cache import Cache
from atlas_fast.classify.policy import Filters, Policy, Rule, from_settings
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.errors import SettingsError
from atlas_fast.limits import MAX_POLICY_TEXTS
from atlas_fast.sources import open_source
from atlas_fast.stages import parse, policy
from atlas_fast.stages.decide import Verdicts
from atlas_fast.stages.enrich import Enricher
from atlas_fast.store import open_store, schema
from atlas_fast.store.rows import row_block
from atlas_fast.validation import allowed, validate_many
from tests.oracles import policy as oracle

PROBABILITIES = (0.1, 0.7, 0.899, 0.95, 1.0)


def mail(subject="Hello", sender="Rosa <rosa@tide.example>", results=None):
    lines = [f"From: {sender}", f"Subject: {subject}", "To: me@home.example"]
    if results:
        lines.insert(0, f"Authentication-Results: mx.home.example; {results}")
    return "\r\n".join([*lines, "", "text"]).encode()


def judged(raws, categories, probabilities, enricher=None):
    """A batch with verdicts that a test chose."""
    stops = np.cumsum([len(raw) for raw in raws]).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1]])
    places = [str(i) for i in range(len(raws))]
    batch = Batch(np.frombuffer(b"".join(raws), np.uint8), starts, stops, source="t", places=places)
    parse.run(batch)
    for _, stage in (enricher or Enricher(cache=Cache(None))).stages:
        stage(batch)
    category = np.array(categories, np.uint8)
    n = len(raws)
    batch.verdict = Verdicts(
        np.array(probabilities, np.float32), category, (category >= 2).astype(np.uint8),
        np.zeros((n, 5), np.float32), np.full(n, 255, np.uint8), None, np.zeros(n, np.uint8),
    )  # fmt: skip
    return batch


def one(raw, rules, category=2, probability=0.95, flag=None):
    """(rule, action, ruling) of one message."""
    if flag:
        rules = rules.and_(Policy(flags={"t": {"0": flag}}))
    batch = judged([raw], [category], [probability])
    policy.run(batch, rules)
    verdict = batch.verdict
    ruling = verdict.rulings.get(0)
    assert (Rule(int(verdict.rule[0])).name == ruling.rule) if ruling else not verdict.rule.any()
    return (ruling.rule if ruling else ""), int(verdict.action[0]), ruling


SUBJECTS = (
    "Hello", "YOUR Appointment", "ford", "Order Confirmation", "invoice #4", "win", "\u0130win",
    "family", "Zahn\u00e4rzt", "", "\u2029", "keep this",
)  # fmt: skip
subjects = st.lists(st.sampled_from(SUBJECTS), max_size=3).map(" ".join)
ADDRESSES = (
    "a@paypal.com", "service@mail.paypal.com", "a@paypal.com.evil.example", "x@calendly.com",
    "boss@work.example", "win@gmail.com", "rosa@tide.com", "q@sub.friend.example",
    "xkcdqwrtzpsdf@bcdfghjklm.com", "rosa@kelpfarm.com", "",
)  # fmt: skip
addresses = st.sampled_from(ADDRESSES)
results = st.sampled_from(
    [None, "spf=pass smtp.mailfrom={d}; dmarc=pass header.from={d}", "dmarc=fail header.from={d}",
     "spf=fail smtp.mailfrom={d}", "dkim=pass header.d={d}", "spf=pass smtp.mailfrom=other.example"]
)  # fmt: skip
names = st.sampled_from(["", "Rosa", "Ford Service Center", "Winner"])
RULES = {
    "keywords": ("win", "family"),
    "subjects": ("keep this", "zahn\u00e4rzt"),
    "protected": frozenset({"boss@work.example"}),
    "whitelist": frozenset({"friend.example", "paypal.com", "rosa@tide.com"}),
}
POLICY = Policy(RULES["keywords"], RULES["subjects"], RULES["protected"], RULES["whitelist"])


def word(result):
    return Result(int(result)).name.lower()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            subjects, names, addresses, results, st.integers(0, 4), st.sampled_from(PROBABILITIES),
            st.sampled_from([None, None, "PROTECT", "RESEARCH", "DELETE"]),
        ), min_size=1, max_size=12,
    )
)  # fmt: skip
def test_the_policy_is_the_plain_one(mails):
    raws = []
    for subject, name, address, said, *_ in mails:
        encoded = "".join(f"=?utf-8?q?{''.join(f'={b:02X}' for b in subject.encode())}?=")
        domain = address.partition("@")[2]
        raws.append(mail(encoded, f'"{name}" <{address}>', said and said.format(d=domain)))
    batch = judged(raws, [m[4] for m in mails], [m[5] for m in mails])
    flags = {str(i): m[6] for i, m in enumerate(mails) if m[6]}
    rules = POLICY.and_(Policy(flags={"t": flags, "other": dict.fromkeys("0123456789", "DELETE")}))
    trust = policy.trust(batch)
    auth = batch.enrichment.auth
    assert policy.shift(batch).tolist() == [
        oracle.shifted(m[4] >= 2, word(auth.spf[i]), word(auth.dkim[i]))
        for i, m in enumerate(mails)
    ]
    policy.run(batch, rules)
    headers = batch.headers
    senders = headers.from_address.tolist()
    may_go = [triple[0] for triple in validate_many(senders)]
    for i, (*_, category, probability, flag) in enumerate(mails):
        expected = oracle.ruled(
            {
                "subject": headers.subject[i], "name": headers.from_name[i], "address": senders[i],
                "domain": headers.from_domain[i], "trust": int(trust[i]),
                "dmarc_failed": auth.dmarc[i] == Result.FAIL, "category": category,
                "probability": float(np.float32(probability)), "flag": flag,
                "spf": word(auth.spf[i]), "dkim": word(auth.dkim[i]),
            },
            RULES, may_go[i],
        )  # fmt: skip
        ruling = batch.verdict.rulings.get(i)
        found = (ruling.rule, ruling.category) if ruling else ("", None)
        assert (found[0], int(batch.verdict.action[i]), found[1]) == expected
        assert (Rule[found[0]] if ruling else 0) == (
            batch.verdict.rule[i] if len(batch.verdict.rule) else 0
        )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(addresses, st.text(max_size=30), st.emails()), max_size=8),
       st.sampled_from([None, "icloud", "gmail", "aol"]))  # fmt: skip
def test_allowed_is_first_and_last_of_the_triples(senders, provider):
    triples = validate_many(senders, account_provider=provider)
    go, looked = allowed(senders, account_provider=provider)
    assert go.tolist() == [t[0] for t in triples]
    assert looked.tolist() == [t[2] for t in triples]


def test_each_rule_by_hand():
    rules = Policy(("kelp",), ("tides",), frozenset({"sea.example"}), frozenset({"friend.example"}))
    assert one(mail(), rules) == ("", 1, None)
    assert one(mail(), rules, category=0, probability=0.1) == ("", 0, None)
    kept = one(mail(), rules, flag="PROTECT")
    assert kept[:2] == ("FLAG_PROTECTED", 0)
    assert kept[2].reason == "Protected by user flag [FLAG_PROTECTED]"
    assert one(mail("kelp tides"), rules, flag="DELETE")[:2] == ("USER_PROTECTED", 0)
    assert one(mail("Kelp"), rules, category=0, probability=0.1)[2].reason == (
        "Matched: kelp [USER_KEYWORD]"
    )
    assert one(mail("Kelp"), rules)[2].reason == (
        "Hybrid Classifier: Business Opportunity Spam (95.0% confidence) + Matched: kelp "
        "[MULTI_MATCH] | Category: Business Opportunity Spam"
    )
    assert one(mail("Kelp"), rules, 0, 0.1, "DELETE")[2].reason == (
        "Matched: kelp [FLAGGED_FOR_DELETION+USER_KEYWORD]"
    )
    assert one(mail(), rules, 0, 0.1, "DELETE")[2].reason == (
        "Manually flagged for deletion [FLAGGED_FOR_DELETION]"
    )
    domain = one(mail(sender="rosa@gmail.com"), rules, probability=0.8)
    assert domain[:2] == ("DOMAIN", 0)
    assert domain[2].reason == (
        "Major email provider (gmail) - PRESERVED [HYBRID_CLASSIFIER override]"
    )
    assert one(mail(sender="rosa@gmail.com"), rules, probability=0.9)[0] == ""
    assert one(mail(sender="a@b.friend.example"), rules)[:2] == ("WHITELIST", 0)


@pytest.mark.parametrize(
    ("sender", "said", "probability", "kept"),
    [
        ("service@paypal.com", None, 0.8, True),
        ("service@paypal.com", None, 0.95, False),  # only claims it
        ("service@paypal.com", "dkim=pass header.d=paypal.com", 0.999, True),
        ("service@paypal.com", "dmarc=fail header.from=paypal.com", 0.8, False),
        ("service@paypal.com.evil.example", None, 0.8, False),
        ("service@paypal.com.evil.example", "dkim=pass header.d=evil.example", 0.8, False),
        ('"paypal.com" <x@evil.example>', None, 0.8, False),
    ],
)
def test_a_transaction_is_one_of_the_business(sender, said, probability, kept):
    found = one(mail("Payment confirmation", sender, said), Policy(validate_domains=False),
                probability=probability)  # fmt: skip
    assert (found[0] == "TRANSACTION") == kept
    assert found[1] == (not kept)


@pytest.mark.parametrize(
    ("sender", "subject", "kept"),
    [
        ("Calendly <no-reply@calendly.com>", "Your appointment", True),
        ("x <x@mail.Xtime.com>", "Appointment reminder: Monday", True),
        ("Honda of Town <s@h.example>", "Service appointment", True),
        ("x <x@h.example>", "Appointment scheduled at your dealership", True),
        ("x <x@h.example>", "Your appointment", False),
        ('"calendly.com" <x@evil.example>', "Your appointment", False),
        ("x <x@calendly.com.evil.example>", "Your appointment", False),
        ("Calendly <no-reply@calendly.com>", "Big sale", False),
        ("x <x@Mail.Amazon.com>", "ORDER CONFIRMATION 12", True),
        ("x <x@notpaypal.com>", "Receipt for your payment", False),
        ("x <x@paypal.com>", "You won", False),
    ],
)
def test_business(sender, subject, kept):
    """Not even a keyword of the user's takes what is protected."""
    for rules in (Policy(validate_domains=False), Policy(filters=Filters(["subject"]))):
        rule, action, ruling = one(mail(subject, sender), rules, probability=0.8)
        assert (rule in ("APPOINTMENT", "TRANSACTION")) is kept and action == (not kept)
        if kept:
            assert ruling.category == "BUSINESS_TRANSACTION" and ruling.certain
            assert ruling.reason.endswith("protection override")


SAID = "Hybrid Classifier: Phishing (80.0% confidence)"
TERM = Filters(["x-test: it"])


@pytest.mark.parametrize(
    ("spam", "filters", "flag", "expected"),
    [
        (True, None, None, (1, "", None)),
        (False, None, None, (0, "", None)),
        (False, TERM, None, (1, "Matched: x-test: it [USER_KEYWORD]", "User Keyword")),
        (
            True, Filters(["x-te[rs]t"]), None,
            (1, f"{SAID} + Matched regex: x-te[rs]t [MULTI_MATCH] | Category: Phishing", "User Keyword"),
        ),
        (
            False, None, "DELETE",
            (1, "Manually flagged for deletion [FLAGGED_FOR_DELETION]", "Flagged for Deletion"),
        ),
        (True, None, "DELETE", (1, f"{SAID} [FLAGGED_FOR_DELETION]", "Flagged for Deletion")),
        (
            False, TERM, "DELETE",
            (
                1, "Matched: x-test: it [FLAGGED_FOR_DELETION+USER_KEYWORD]",
                "Flagged for Deletion",
            ),
        ),
        (True, TERM, "PROTECT", (0, "Protected by user flag [FLAG_PROTECTED]", None)),
        (False, TERM, "RESEARCH", (0, "Protected by user flag [FLAG_PROTECTED]", None)),
    ],
)  # fmt: skip
def test_stored_strings(spam, filters, flag, expected):
    """Filters look at the whole header section; reasons have the category that is stored."""
    raw = b"X-Test: it\r\n" + mail()
    category, probability = (4, 0.8) if spam else (0, 0.1)
    rules = Policy(filters=filters or Filters())
    _, action, ruling = one(raw, rules, category, probability, flag)
    found = (ruling.reason, ruling.category) if ruling else ("", None)
    assert (action, *found) == expected


def test_a_validator_of_the_caller():
    """It is asked in place of the engine, only where its answer counts, and fails safe."""
    asked = []

    def no(sender, subject):
        asked.append((sender, subject))
        return False, "Legitimate company", True

    def broken(sender, subject):
        raise RuntimeError("whois")

    rules = Policy(validate=no, validate_domains=False)
    raws = [mail(sender="Ann <ann@firm.example>")] * 4
    batch = judged(raws, [2, 2, 4, 0], [0.8, 0.9, 0.8, 0.1])
    counts = policy.run(batch, rules)
    assert (counts.marked, counts.validated) == (3, 1)
    assert batch.verdict.action.tolist() == [0, 1, 1, 0]
    assert asked == [("ann@firm.example", "Hello")]
    reason = batch.verdict.rulings[0].reason
    assert reason == "Legitimate company [HYBRID_CLASSIFIER override]"
    found = one(raws[0], Policy(validate=broken), probability=0.8)
    assert found[:2] == ("DOMAIN", 0) and "RuntimeError" in found[2].reason


@pytest.mark.parametrize(
    ("said", "stored", "kept"),
    [
        (None, 88.0, True),
        ("spf=fail smtp.mailfrom=gmail.com", 100.0, False),  # 88 + 25
        ("spf=softfail smtp.mailfrom=gmail.com", 98.0, False),
        ("spf=pass smtp.mailfrom=gmail.com; dkim=pass header.d=gmail.com", 78.0, True),
    ],
)
def test_authentication_counts_in_the_confidence(said, stored, kept):
    """A sender that failed is surer spam, so that its domain is not asked; one that passed less."""
    batch = judged([mail(sender="rosa@gmail.com", results=said)] * 2, [2, 0], [0.88, 0.05])
    policy.run(batch, Policy())
    block = row_block(batch, 1, "2026-03-04 05:06:07")
    column = dict(zip(block.names, map(list, block.columns), strict=True))
    assert column["action"] == ["PRESERVED" if kept else "DELETED", "PRESERVED"]
    ham = min(max(95.0 + 88.0 - (113.0 if "spf=fail" in str(said) else stored), 0), 100)
    assert column["confidence_score"] == [stored, ham]
    assert column["category_confidence_v2"] == [0.88, 0.95]
    if not kept:
        assert f"({stored}% confidence)" in column["reason"][0]


def test_filters():
    """Nothing of a message is read without one; a pattern that is none is a plain term."""
    filters = Filters(["[unclosed", "*"])
    assert filters.match("x [UNCLOSED y") == (True, "Matched: [unclosed")
    assert not Filters(None) and not Filters([])


def test_a_forged_sender_of_the_whitelist_is_spam():
    rules = Policy(whitelist=frozenset({"friend.example"}))
    forged = mail(sender="a@friend.example", results="dmarc=fail header.from=friend.example")
    assert one(forged, rules, category=0, probability=0.1)[:2] == ("SPOOFED_WHITELIST", 1)
    doubtful = mail(sender="a@friend.example", results="spf=fail smtp.mailfrom=friend.example")
    assert one(doubtful, rules)[:2] == ("", 1)
    assert one(doubtful, rules, category=0, probability=0.1)[:2] == ("", 0)
    assert one(mail(sender="a@friend.example"), rules)[:2] == ("WHITELIST", 0)


def test_no_text_matches_across_two_messages():
    raws = [mail("aaab"), mail("aab"), mail("baa"), mail("a")]
    batch = judged(raws, [0] * 4, [0.1] * 4)
    hay = policy.Haystack(batch.headers.subject)
    assert hay.rows_with("ba") == [2]
    assert hay.rows_with("aab") == [0, 1]
    assert hay.rows_with("a") == [0, 1, 2, 3]


def test_a_run_follows_its_store(tmp_path):
    """Rules set by the original's interface, columns as stored, summaries that add up."""
    folder = tmp_path / "mail"
    folder.mkdir()
    texts = ["kelp offer", "plain", "flagged", "protected"]
    for i, text in enumerate(texts):
        (folder / f"{i}.eml").write_bytes(mail(text))
    path = tmp_path / "a.db"
    manager = DatabaseManager(str(path))
    source = open_source(str(folder)).identity
    with open_store(path) as store:
        store.begin_run([])  # makes the account of files
    account = manager.execute_query("SELECT id FROM accounts WHERE email_address = 'local'")[0][0]
    manager.execute_insert("INSERT INTO filter_terms (term) VALUES ('KELP')")
    manager.execute_insert("INSERT INTO filter_terms (term, is_active) VALUES ('plain', FALSE)")
    manager.execute_insert("INSERT INTO filter_terms (term, created_by) VALUES ('plain', 'system')")
    manager.execute_insert(
        "INSERT INTO filter_terms (term, category) VALUES ('plain', 'Gambling Spam')"
    )
    assert manager.flag_email_for_deletion("2.eml", source, account)
    assert manager.flag_email_for_protection("3.eml", source, account)
    manager.add_to_whitelist("nobody.example")
    report = triage(str(folder), path)
    assert report.rules == {"USER_KEYWORD": 1, "FLAGGED_FOR_DELETION": 1, "FLAG_PROTECTED": 1}
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT action, category, category_v2, reason, confidence_score "
            f"FROM {schema.MESSAGES} ORDER BY uid"
        ).fetchall()
    assert [row[:2] for row in rows] == [
        ("DELETED", "User Keyword"), ("PRESERVED", "Not Spam"),
        ("DELETED", "Flagged for Deletion"), ("PRESERVED", "Not Spam"),
    ]  # fmt: skip
    assert rows[0][3] == "Matched: kelp [USER_KEYWORD] [PREVIEW]" and rows[0][4] == 100
    assert rows[3][3] == "Protected by user flag [FLAG_PROTECTED]"
    assert {row[2] for row in rows} == {"Legitimate"}
    with open_store(path) as store:
        assert store.check() == []


def test_summaries_are_those_of_a_recount(tmp_path):
    raws = [mail("kelp"), mail("tides"), mail(), mail(sender="a@friend.example")] * 5
    batch = judged(raws, [0, 2, 3, 4] * 5, [0.2, 0.95, 0.7, 0.99] * 5)
    policy.run(batch, Policy(("kelp",), ("tides",), whitelist=frozenset({"friend.example"})))
    with open_store(tmp_path / "a.db") as store:
        run = store.begin_run(["t"])
        assert store.write(run, [row_block(batch, run.session_id, "2026-03-04 05:06:07")]) == 20
        assert store.check() == []


def test_hostile_rules_stay_text(tmp_path):
    term = "x'); DROP TABLE filter_terms;--\x1b[31m"
    batch = judged([mail("X'); drop table filter_terms;--=1B[31m")], [0], [0.1])
    policy.run(batch, Policy((term, "%", "")))
    assert one(mail("100 %"), Policy(("%",)), 0, 0.1)[0] == "USER_KEYWORD"
    batch = judged([mail("a" * 200)], [0], [0.1])
    policy.run(batch, Policy(("\x07" + "a" * 5000, "a" * 150)))
    block = row_block(batch, 1, "2026-03-04 05:06:07")
    reason = dict(zip(block.names, map(list, block.columns), strict=True))["reason"][0]
    assert len(reason) <= 1000 and reason.isprintable()


def test_settings():
    found = from_settings({"keywords": ["Kelp", "kelp", " "], "protected": ["@Sea.Example "],
                           "validate_domains": False, "account_provider": "icloud"})  # fmt: skip
    assert found.keywords == ("kelp",) and found.protected == {"sea.example"}
    for wrong in ({"keyword": []}, {"keywords": "kelp"}, {"keywords": [1]},
                  {"validate_domains": 1}, {"account_provider": True}):  # fmt: skip
        with pytest.raises(SettingsError, match="policy"):
            from_settings(wrong)
    with pytest.raises(SettingsError, match="keywords"):
        Policy(tuple(map(str, range(MAX_POLICY_TEXTS + 1))))


def test_settings_and_store_together(tmp_path, monkeypatch):
    (tmp_path / "s.toml").write_text('[policy]\nkeywords = ["plain"]\n')
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(tmp_path / "s.toml"))
    (tmp_path / "1.eml").write_bytes(mail("plain"))
    assert triage(str(tmp_path / "1.eml"), tmp_path / "a.db").rules == {"USER_KEYWORD": 1}
    assert triage(str(tmp_path / "1.eml")).rules == {"USER_KEYWORD": 1}


def test_what_is_drawn_from_meets_every_rule():
    """The comparison above means something only where each rule decides some messages."""
    random, seen = Random(20260105), set()
    for _ in range(20_000):
        address, forged = random.choice(ADDRESSES), random.random() < 0.5
        message = {
            "subject": " ".join(random.choices(SUBJECTS, k=random.randrange(4))), "name": "",
            "address": address, "trust": 2 if forged else random.randrange(3),
            "domain": address.partition("@")[2], "dmarc_failed": forged,
            "category": random.randrange(5), "probability": random.choice(PROBABILITIES),
            "flag": random.choice([None, "PROTECT", "DELETE"]), "spf": "none", "dkim": "none",
        }  # fmt: skip
        seen.add(oracle.ruled(message, RULES, random.random() < 0.5)[0])
    assert seen == {"", *(rule.name for rule in Rule if rule)}
