"""Live figures: what a run says while it is on, who reads it, and what becomes of one that dies."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.resources import files

import orjson
import pytest
from webrig import HOST, TestClient

from atlas_fast import limits, triage
from atlas_fast.observe import live as module
from atlas_fast.observe.live import LiveFile, live_folder, live_run, live_runs
from atlas_fast.store.views import StoreReader, run
from atlas_fast.web import live as routes
from atlas_fast.web.app import create_app


def client(path):
    return TestClient(create_app(path), base_url=HOST, raise_server_exceptions=False)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_at_most_two_writes_a_second(tmp_path):
    clock, said = Clock(), []
    file = LiveFile(tmp_path / "live", 3, clock)
    for step in range(400):
        clock.now = step / 100
        file.tick(lambda step=step: said.append(step) or {"messages": step})
    assert len(said) == 8
    there = live_run(tmp_path / "live", 3)
    assert there is not None and there.state == "running" and there.alive
    assert there.report == {"messages": said[-1], "seconds": 3.5} and there.pid == os.getpid()
    file.close()
    file.close()
    assert not (tmp_path / "live").exists()


def test_a_long_run_keeps_a_short_series(tmp_path):
    clock = Clock()
    file = LiveFile(tmp_path / "live", 1, clock)
    for step in range(1_000):
        clock.now = step * 0.5
        file.tick(lambda step=step: {"messages": step, "stored": step, "memory": 1})
    there = live_run(tmp_path / "live", 1)
    assert 30 <= len(there.series) <= module.POINTS
    assert [row[0] for row in there.series] == sorted(row[0] for row in there.series)
    assert there.series[-1][0] > 480
    file.close()


def test_a_folder_that_cannot_be_written_ends_no_run(tmp_path):
    (tmp_path / "live").write_text("in the way")
    file = LiveFile(tmp_path / "live", 1)
    file.tick(dict)
    file.tick(dict)
    file.close()
    LiveFile(None, 1).tick(dict)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"nonsense", b'{"at": "x", "pid": 1}', b'{"at": 1, "pid": "x"}',
     b'{"at": 1e400, "pid": 1}', b" " * (limits.LIVE_BYTES + 5)],
)  # fmt: skip
def test_a_file_of_nonsense_is_no_run(tmp_path, content):
    (tmp_path / "7.json").write_bytes(content)
    (tmp_path / "x.json").write_bytes(content)
    assert live_runs(tmp_path) == []


def change_file(path, **values):
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | values))


def test_states(tmp_path):
    file = LiveFile(tmp_path, 1)
    file.tick(dict)
    path = tmp_path / "1.json"
    change_file(path, at=time.time() - 60)
    assert live_run(tmp_path, 1).state == "stalled"
    change_file(path, started="12345")  # another process has the number now
    assert live_run(tmp_path, 1).state == "killed"
    change_file(path, boot="another", started=module._started(os.getpid()))
    assert live_run(tmp_path, 1).state == "killed"
    change_file(path, host="elsewhere", at=time.time())
    assert live_run(tmp_path, 1).state == "running"  # nobody can look, but it was heard
    change_file(path, at=time.time() - 600)
    assert live_run(tmp_path, 1).state == "killed"


SCRIPT = files("atlas_fast.web") / "static" / "live.js"

RUN = """
import sys, time
from atlas_fast import pipeline
from atlas_fast.observe import live
real = pipeline.count
def slowly(report, done):
    time.sleep(0.3)
    real(report, done)
pipeline.count = slowly
pipeline.triage("synthetic:20000,5", sys.argv[1], pipeline=pipeline.Pipeline(max_messages=200))
"""


@pytest.fixture
def started(tmp_path):
    path = tmp_path / "a.db"
    places = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)], env=os.environ | {"PYTHONPATH": places}
    )
    deadline = time.monotonic() + 60
    while not live_runs(live_folder(path)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    yield path, process
    process.kill()
    process.wait()


def test_a_run_in_another_process_is_seen_and_its_death_too(started):
    path, process = started
    visitor = client(path)
    (one,) = visitor.get("/api/live").json()["runs"]
    assert one["run"] == 1 and one["state"] == "running" and one["pid"] == process.pid
    report = one["report"]
    assert {"messages", "stored", "stages", "caches", "queue", "memory", "categories"} <= set(
        report
    )
    assert report["messages"] > 0 and report["memory"] > 0
    shown = re.findall(r"\bof\.(\w+)", SCRIPT.read_text())
    assert "grouped" in shown and set(shown) <= set(report)
    metrics = visitor.get("/metrics").text
    assert 'atlas_fast_run_state{run="1",state="running"} 1' in metrics
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert visitor.get("/api/live/1").json()["state"] == "killed"
    assert [one.alive for one in visitor.app.state.site.live()] == [False]
    with visitor.stream("GET", "/api/live/1/events") as answer:
        assert events(answer.iter_text())[-1] == ("end", {"run": 1, "state": "killed"})


def test_a_run_that_is_interrupted_leaves_figures_and_no_file(started):
    path, process = started
    process.send_signal(signal.SIGINT)
    process.wait()
    assert live_runs(live_folder(path)) == [] and not live_folder(path).exists()
    asked = StoreReader(path)
    found = run(asked, 1)
    assert found.row.ended is None and found.report["interrupted"] is True
    assert found.report["series"]
    asked.close()


def events(chunks):
    """(name, data) of a stream's events."""
    found = []
    for block in "".join(chunks).split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_a_stream_follows_a_run_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, "LOOK_SECONDS", 0.01)
    path = tmp_path / "a.db"
    triage("synthetic:20,1", path)
    file, seen = LiveFile(live_folder(path), 9), []

    class Page:
        app = create_app(path)

        @staticmethod
        async def is_disconnected():
            seen.append(1)
            if len(seen) == 3:
                file._next = 0.0
                file.tick(lambda: {"messages": 77})
            if len(seen) == 8:
                file.close()
            return False

    file.tick(lambda: {"messages": 5})
    Page.app.state.streams = 0

    async def read():
        return [chunk.decode() async for chunk in routes._stream(Page, live_folder(path), 9)]

    found = events(asyncio.run(read()))
    assert [data["report"]["messages"] for name, data in found if name == "figures"] == [5, 77]
    assert found[-1] == ("end", {"run": 9, "state": "ended"})
    assert Page.app.state.streams == 0


def test_a_stream_of_no_run_ends_at_once(tmp_path):
    with client(tmp_path / "a.db").stream("GET", "/api/live/5/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert events(answer.iter_text()) == [("end", {"run": 5, "state": "unknown"})]


def test_streams_are_limited(tmp_path):
    visitor = client(tmp_path / "a.db")
    visitor.app.state.streams = limits.LIVE_STREAMS
    assert visitor.get("/api/live/1/events").status_code == 503


@pytest.mark.parametrize("number", ["0", "-1", "x", str(1 << 70)])
def test_a_number_that_is_none(tmp_path, number):
    assert client(tmp_path / "a.db").get(f"/api/live/{number}").status_code == 422
