"""The original's worked examples, all of them: the same answer, or one whose row stands in
docs/compatibility.md."""

import email
import email.message
import email.policy
import json
from dataclasses import astuple
from pathlib import Path

import pytest

from atlas_fast.compat.core.email_authentication import (
    EmailAuthenticator,
    authenticate_email_headers,
)
from atlas_fast.compat.core.geographic_intelligence import GeographicIntelligenceProcessor
from atlas_fast.compat.core.two_factor_validator import TwoFactorEmailValidator
from atlas_fast.compat.ml.feature_extractor import MLFeatureExtractor
from atlas_fast.compat.models.database import DatabaseManager
from atlas_fast.compat.utils.domain_validator import (
    DomainValidator,
    decode_header_value,
    ml_domain_classification,
)
from atlas_fast.errors import ReferenceDataError
from atlas_fast.geo import open_geo

VECTORS = {
    path.stem: json.loads(path.read_text())
    for path in (Path(__file__).parent / "vectors").glob("*.json")
}
DOCS = Path(__file__).parents[2] / "docs" / "compatibility.md"
AUTHENTICATION = (
    "spf_result", "dkim_result", "dmarc_result", "is_authentic", "confidence_modifier",
    "auth_summary",
)  # fmt: skip


def each(name):
    return pytest.mark.parametrize("case", VECTORS[name], ids=lambda case: str(case["example"]))


def check(answer, case):
    assert answer == case.get("ours", case["original"])
    if "ours" in case:
        assert case["ours"] != case["original"]


def test_every_example_is_there():
    assert {case["example"] for cases in VECTORS.values() for case in cases} == set(range(1, 26))


def test_differences_are_documented():
    """A row holds the words that the vector names."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    for cases in VECTORS.values():
        for case in cases:
            assert ("ours" in case) == ("row" in case)
            if "row" in case:
                assert any(case["row"] in row for row in rows), case["row"]


@pytest.fixture(scope="module")
def _geography():
    try:
        open_geo()
    except ReferenceDataError as error:
        pytest.skip(f"no geography: {error}")


@pytest.mark.usefixtures("_geography")
@each("geography")
def test_geography(case):
    found = GeographicIntelligenceProcessor().process_email_geographic_intelligence(case["headers"])
    check(list(astuple(found)), case)


@each("risk")
def test_risk(case):
    check(GeographicIntelligenceProcessor().get_risk_assessment(case["country"]), case)


@each("authentication")
def test_authentication(case):
    found = authenticate_email_headers(case["headers"])
    check([found[key] for key in AUTHENTICATION], case)


@pytest.mark.parametrize("policy", [email.policy.compat32, email.policy.default])
@each("authentication")
def test_authentication_of_a_parsed_message(case, policy):
    """The same as of its text, whatever the parser made of it."""
    message = email.message_from_bytes(case["headers"].encode(), policy=policy)
    found = EmailAuthenticator().authenticate_email(message)
    check([found[key] for key in AUTHENTICATION], case)


def test_authentication_of_what_a_program_made():
    message = email.message.Message()
    message["From"] = "Ana <ana@example.org>"
    message["Authentication-Results"] = "mx.example; spf=pass; dkim=pass"
    message["X-Odd"] = "\ud800"
    assert EmailAuthenticator().authenticate_email(message)["is_authentic"] is True
    assert EmailAuthenticator().authenticate_email(email.message.Message())["details"] == {}


@each("decoding")
def test_decoding(case):
    value = case["value"] if "value" in case else case["bytes"].encode()
    check(decode_header_value(value), case)


@each("validation")
def test_validation(case):
    validator = DomainValidator()
    if "whois" in case:
        validator.lookup = lambda domain, provider: case["whois"]
    check(list(validator.validate_domain_before_deletion(case["sender"], "")), case)


@each("scores")
def test_scores(case):
    check(list(ml_domain_classification(*case["arguments"])), case)


@each("features")
def test_features(case, tmp_path):
    """Every number: those that the example does not name are 0, but for the twelve constants."""
    path = str(tmp_path / "mail.db")
    manager = DatabaseManager(path)
    for term, category, confidence in case["terms"]:
        manager.execute_insert(
            "INSERT INTO filter_terms (term, category, confidence_threshold) VALUES (?, ?, ?)",
            (term, category, confidence),
        )
    manager.close_connection()
    found = MLFeatureExtractor(path).extract_features_from_email(*case["arguments"])
    constants = {name: 1 for name in found if name.endswith("_match") and "category" in name}
    assert len(found) == 67 and len(constants) == 12
    assert found == dict.fromkeys(found, 0) | constants | case["original"]


@each("two_factor")
def test_two_factor(case):
    check(list(TwoFactorEmailValidator().validate_email_classification(*case["arguments"])), case)
