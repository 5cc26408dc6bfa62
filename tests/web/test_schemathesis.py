"""The OpenAPI document, and generated requests to all that it has: no 5xx, no answer off it."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from webrig import create_app

from atlas_fast import triage
from atlas_fast.store import SqliteStore
from atlas_fast.store.journal import open_account
from atlas_fast.web.settings import WebSettings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

EXAMPLES = 5
HEADERS = {"host": "localhost"}
CHECKS = ("not_a_server_error", "response_schema_conformance", "content_type_conformance",
          "status_code_conformance")  # fmt: skip


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    path = tmp_path_factory.mktemp("api") / "a.db"
    triage("synthetic:60,4", path)
    with SqliteStore(path) as store:
        open_account(store, "ann@mail.example", "generic", "127.0.0.1", 9)
    app = create_app(path, WebSettings(reads=100_000, writes=100_000))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers=HEADERS)


def test_no_5xx_and_no_broken_schema(document, monkeypatch):
    monkeypatch.setenv("ATLAS_FAST_IMAP_PASSWORD", "for nobody")
    schemathesis.checks.load_all_checks()
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    seen: dict[str, set[int]] = {}
    for found in document.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case):
            answer = case.call(headers=HEADERS)
            seen.setdefault(f"{case.method} {case.path}", set()).add(answer.status_code)
            case.validate_response(answer, checks=checks)

        ask()
    assert len(seen) > 45
    assert {200} <= set().union(*seen.values()) <= {200, 404, 422}, seen
