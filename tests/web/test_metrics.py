"""/metrics: each metric is listed, documented, on the board, and in Prometheus' own format."""

import json
import re
from pathlib import Path

import pytest
from webrig import HOST, TestClient

from atlas_fast import triage
from atlas_fast.observe.live import LiveFile, live_folder
from atlas_fast.web import metrics
from atlas_fast.web.app import create_app

DOCS = Path(__file__).parents[2] / "docs"


def client(path):
    return TestClient(create_app(path), base_url=HOST, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("metrics") / "a.db"
    triage("synthetic:300,4", path)
    file = LiveFile(live_folder(path), 2)
    file.tick(
        lambda: {
            "messages": 7, "stored": 5, "memory": 1, "queue": 0, "stages": {'a"b\n': 0.5},
            "caches": {"geo": {"known_rate": 0.5}, "odd": None},
        }
    )  # fmt: skip
    answer = client(path).get("/metrics")
    assert answer.headers["content-type"] == metrics.FORMAT
    file.close()
    return answer.text


def test_it_is_prometheus_format(text):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is absent")
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families.values()}
    assert names <= set(metrics.METRICS)
    for name, family in families.items():
        listed = metrics.METRICS[f"{name}_total" if family.type == "counter" else name]
        assert family.type == listed.kind and family.documentation == listed.text
        for sample in family.samples:
            assert set(sample.labels) == set(listed.labels)
    (stage,) = families["atlas_fast_run_stage_seconds"].samples
    assert stage.labels == {"run": "2", "stage": 'a"b\n'} and stage.value == 0.5
    total = sum(sample.value for sample in families["atlas_fast_messages"].samples)
    assert total == 300


def test_what_there_is_is_told(text):
    told = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    silent = {"atlas_fast_feedback_total"}  # nobody has said anything
    assert told == set(metrics.METRICS) - silent


def test_without_a_store_it_says_so(tmp_path):
    answer = client(tmp_path / "none.db").get("/metrics")
    assert answer.status_code == 200 and "atlas_fast_up 0\n" in answer.text


def test_docs_and_board_name_them_all():
    named = set(re.findall(r"\batlas_fast_\w+", (DOCS / "metrics.md").read_text()))
    assert set(metrics.METRICS) <= named
    board = (DOCS / "grafana.json").read_text()
    on_board = set(re.findall(r"\batlas_fast_\w+", board))
    assert on_board <= set(metrics.METRICS) and len(on_board) > 12
    panels = json.loads(board)["panels"]
    assert all(panel["title"] and panel["targets"] for panel in panels)


def test_health(tmp_path):
    assert client(tmp_path / "none.db").get("/healthz").text == "ok\n"
