"""The command: output, exit codes, errors in one line, hostile text on a terminal."""

import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

import atlas_fast
from atlas_fast import __version__
from atlas_fast.cli import build_parser, main
from atlas_fast.cli.terminal import visible

MAIL = b"From: Ann <ann@example.org>\nSubject: lunch\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\nhi\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    where = tmp_path / "mail"
    where.mkdir()
    for number in range(12):
        (where / f"{number:02d}.eml").write_bytes(MAIL.replace(b"lunch", b"lunch %d" % number))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(atlas_fast.__file__).parents[1]))  # the one tested
    return where


def command(*arguments):
    return [sys.executable, "-m", "atlas_fast", *map(str, arguments)]


def test_run_json(folder, capsys):
    assert main(["run", str(folder), "--json", "--store", "x.db"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert {
        "messages", "stored", "errors", "seconds", "messages_per_second", "categories", "stages",
    } <= set(found)  # fmt: skip
    assert (found["messages"], found["stored"], found["errors"]) == (12, 12, 0)
    assert sum(found["categories"].values()) == 12
    assert all(isinstance(seconds, float) for seconds in found["stages"].values())
    assert out.err == ""


def test_run_table_and_default_store(folder, capsys):
    assert main(["run", str(folder)]) == 0
    out = capsys.readouterr().out
    for said in ("messages", "12", "rate", "slowest stage", "atlas.db", "12 new rows"):
        assert said in out
    assert main(["run", str(folder)]) == 0
    assert "0 new rows, 12 were there already" in capsys.readouterr().out
    connection = sqlite3.connect("atlas.db")
    n = connection.execute("SELECT COUNT(*) FROM processed_emails_bulletproof").fetchone()[0]
    connection.close()
    assert n == 12


def test_run_without_store(folder, capsys):
    assert main(["run", str(folder), "--no-store", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["messages"], found["stored"], found["store"]) == (12, 0, None)
    assert not os.path.exists("atlas.db")


def test_standard_input(folder):
    done = subprocess.run(
        command("run", "-", "--json", "--store", "in.db"), input=MAIL, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["stored"] == 1


def test_demo(folder, capsys):
    assert main(["demo", "--messages", "200", "--store", "demo.db"]) == 0
    out = capsys.readouterr().out
    assert "200 new rows" in out and "demo.db" in out and "The last messages" in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "absent.mbox"], 1, "absent.mbox"),
        (["run", "mail", "--store", "no/such/folder.db"], 1, "does not exist"),
        (["run", "mail", "--store", "mysql://x"], 2, "mysql"),
        (["run"], 2, "SOURCE"),
        (["run", "mail", "--workers", "0"], 2, "not a positive number"),
        (["run", "mail", "--workers", "two"], 2, "two"),
        ([], 2, "VERB"),
        (["fly"], 2, "fly"),
        (["evaluate"], 2, "FOLDER"),
        (["evaluate", "mail", "--train", "mail"], 2, "either"),
        (["bench", "nothing"], 2, "nothing"),
    ],
)
def test_errors_are_one_line_and_a_code(folder, arguments, code, said):
    done = subprocess.run(command(*arguments), capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and said in done.stderr
    assert done.stderr.startswith("atlas-fast: ")


def test_a_store_that_is_none(folder):
    (folder.parent / "notes.txt").write_text("shopping list " * 100)
    done = subprocess.run(
        command("run", folder, "--store", "notes.txt"), capture_output=True, text=True
    )
    assert done.returncode == 1 and "notes.txt" in done.stderr and done.stderr.count("\n") == 1


def test_version(capsys):
    assert main(["version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"atlas-fast {__version__}\n") and "release" in out


def test_help_names_every_verb(capsys):
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for verb in ("run", "demo", "train", "evaluate", "bench", "version"):
        assert verb in out


def test_sigint_stops_cleanly(folder):
    process = subprocess.Popen(
        command("run", "synthetic:2000000,1", "--store", "big.db", "--workers", "2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _count("big.db") == 0:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    n = _count("big.db")
    assert n > 0 and f"{n:,} new rows" in out


def _count(path):
    if not os.path.exists(path):
        return 0
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT COUNT(*) FROM processed_emails_bulletproof").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


def test_closed_pipe_is_no_traceback(folder):
    process = subprocess.Popen(
        command("run", folder, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) in (0, 1) and b"Traceback" not in err


def test_no_bar_when_piped_and_a_bar_on_a_terminal(folder):
    piped = subprocess.run(command("run", folder, "--no-store"), capture_output=True)
    assert b"\x1b" not in piped.stdout + piped.stderr and piped.stderr == b""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command("run", "synthetic:20000,1", "--no-store"),
        stdout=subprocess.PIPE, stderr=follower, env=os.environ | {"TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    out = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 0
    assert b"messages" in shown and b"\x1b[" in shown
    assert b"\x1b" not in out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢字 😀", "plain é 漢字 😀"),
        ("red \x1b[31m alert\x07", "red \\u{1b}[31m alert\\u{7}"),
        ("invoice\u202egnp.exe", "invoice\\u{202e}gnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"),
        ("\u2066isolate\u2069", "\\u{2066}isolate\\u{2069}"),
        ("line\u2028break\r\n", "line\\u{2028}break\\u{d}\\u{a}"),
        ("no-break\xa0space", "no-break space"),
        ("lone \udce9", "lone \\u{dce9}"),
    ],
)
def test_visible(text, shown):
    assert visible(text) == shown
