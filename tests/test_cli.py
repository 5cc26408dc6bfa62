"""The command: output, exit codes, errors in one line, hostile text on a terminal."""

import argparse
import json
import os
import pty
import re
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
from atlas_fast.observe.report import Report
from atlas_fast.store import schema

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


def test_version_is_light():
    """Neither numpy nor a kernel is loaded for it."""
    code = (
        "import sys\nfrom atlas_fast.cli import main\n"
        "try:\n    main(['--version'])\n"
        "except SystemExit as end:\n    print(end.code)\n"
        "print(sorted({'numpy', 'sqlite3', 'rich', 'lmdb', 'orjson'} & set(sys.modules)))\n"
        "print([name for name in sys.modules if name.startswith('atlas_fast._kernels')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"atlas-fast {__version__}", "0", "[]", "[]"]


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


def test_problems_of_several_sources_name_theirs(folder, capsys):
    other = folder.parent / "other"
    other.mkdir()
    for place in (folder, other):
        (place / "lost.eml").symlink_to("nowhere")
    (other / "empty.eml").touch()
    assert main(["run", str(folder), "--no-store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == ["lost.eml: not a regular file"]
    assert main(["run", str(folder), str(other), "--no-store", "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["problems"] == [
        f"eml:{folder}: lost.eml: not a regular file",
        f"eml:{other}: empty.eml: no header field",
        f"eml:{other}: lost.eml: not a regular file",
    ]
    assert f"eml:{other}: empty.eml" in out.err


def test_a_run_that_finds_nothing_says_what_it_looked_for(tmp_path, capsys):
    (tmp_path / "message.txt").write_bytes(MAIL)
    assert main(["run", str(tmp_path), "--no-store", "--json"]) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["messages"] == 0 and "*.eml" in out.err


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
        (["run", "mail", "--workers", "0"], 2, "0: a whole number from 1 to 1,000"),
        (["run", "mail", "--workers", "two"], 2, "two: a whole number from 1 to 1,000"),
        (["run", ""], 2, "behind `run` is empty"),
        (["run", "mail", "--store="], 2, "--store is empty"),
        (["export", "--store", "no.db"], 1, "no such file"),
        (["export", "--since", "2026-13-45"], 2, "2026-01-31"),
        (["export", "--run", "1e3"], 2, "a whole number"),
        (["run", "mbox:"], 2, "mbox:: the path is missing"),
        (["run", "mail", "--store", "x.db", "--no-store"], 2, "not allowed with"),
        (["db", "check", "--store", "mail"], 1, "mail: is a folder"),
        (["reference", "build", "--psl", "absent"], 1, "absent: No such file"),
        (["rollout", "status", "--days", "0"], 2, "from 1 to 36,500"),
        (["rollout", "set", "nan"], 2, "from 0 to 100"),
        (["db", "delete-run", "9" * 25], 2, "a whole number"),
        (["db", "prune", "--older-than", "999999w"], 2, "before 1970"),
        (["db", "backup", "/"], 1, "no such file"),
        (["explain", os.devnull], 1, "is empty"),
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
    for verb in ("run", "demo", "explain", "train", "evaluate", "reference", "bench", "version"):
        assert verb in out


def test_sigint_stops_cleanly(folder):
    process = subprocess.Popen(
        command("run", "synthetic:2000000,1", "--store", "big.db", "--workers", "2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline and _count("big.db") == 0:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    n = _count("big.db")
    assert n > 0 and f"{n:,} new rows" in out


def test_killed_runs_are_completed_by_the_next(folder):
    run = command("run", "synthetic:30000,3", "--json", "--store")
    subprocess.run([*run, "whole.db"], check=True, capture_output=True)
    for fraction in (1, 2):  # committed rows to wait for before the kill: some, then more
        process = subprocess.Popen([*run, "cut.db"], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if _count("cut.db") >= 10_000 * fraction:
                break
            time.sleep(0.002)
        process.kill()
        process.wait(60)
    done = subprocess.run([*run, "cut.db"], check=True, capture_output=True)
    assert json.loads(done.stdout)["messages"] == 30_000
    assert _rows("cut.db") == _rows("whole.db")


def _rows(path):
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = connection.execute(
        "SELECT uid, sender_email, subject, action, category_v2, flags, message_key "
        "FROM processed_emails_bulletproof ORDER BY message_key"
    ).fetchall()
    totals = connection.execute(
        "SELECT SUM(total_deleted + total_preserved) FROM sessions"
    ).fetchone()
    connection.close()
    assert totals == (len(found),)
    return found


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
    assert (process.wait(60), err) == (141, b"")  # as of a program that SIGPIPE ended


@pytest.mark.parametrize(
    ("verb", "into", "code", "said"),
    [
        ("export --store x.db", "> /dev/full", 1, "standard output: No space left on device"),
        ("export --store x.db --format csv --out /dev/full", "", 1, "/dev/full: No space left"),
        ("export --store x.db --format csv --out no/x.csv", "", 1, "no/x.csv: No such file"),
        ("run mail --no-store", "> /dev/full", 1, "standard output: No space left on device"),
        ("run mail --store /dev/full", "", 1, "/dev/full: database or disk is full"),
        ("version", ">&-", 2, "standard output is closed"),
        ("explain -", "<&-", 1, "standard input is closed"),
        ("version", "2>&-", 0, ""),
    ],
)
def test_output_that_goes_nowhere(folder, verb, into, code, said):
    assert main(["run", "synthetic:5", "--store", "x.db", "--no-enrich", "--json"]) == 0
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m atlas_fast {verb} {into}', sys.executable],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == bool(said) and said in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_names_and_texts_that_the_output_cannot_hold(folder, encoding):
    """Bytes that are no text, look-alikes, direction marks, controls of both kinds."""
    name = b"m\xff\x1b[31m\xc2\x9b\xe2\x80\xae\xe6\xbc\xa2"
    hostile = os.fsdecode(name)
    (folder.parent / hostile).mkdir()
    (folder.parent / hostile / "a.eml").write_bytes(
        MAIL.replace(b"lunch", b"=?utf-8?q?=1B[31m=C2=9B=E2=80=AE_=E6=BC=A2?=")
    )
    (folder.parent / hostile / (hostile + ".eml")).symlink_to("nowhere")
    (folder.parent / hostile / "b.eml").write_bytes(b"nothing")
    store = hostile + ".db"
    verbs = [
        ["run", hostile, "--store", store, "--json", "--profile", hostile + ".json"],
        ["run", hostile, "--no-resume", "--store", store, "--authserv-id", hostile],
        ["db", "check", "--store", store],
        ["db", "check", "--store", store, "--json"],
        ["db", "runs", "--store", store],
        ["db", "current", "--store", store],
        ["db", "backup", hostile + ".copy", "--store", store],
        ["explain", f"{hostile}/a.eml"],
        ["explain", f"{hostile}/a.eml", "--json"],
        ["rollout", "status", "--store", store],
        ["export", "--store", store, "--out", hostile + ".csv"],
    ]
    code = (
        "import sys; from atlas_fast.cli import main\n"
        f"for verb in {verbs!r}: assert main(verb) == 0, verb; print('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for bad in (b"\x1b", b"\x9b", "\u202e".encode()):
        assert bad not in done.stdout + done.stderr
    found = json.loads(done.stdout.partition(b"done\n")[0])
    assert found["store"] == store and found["sources"] == [f"eml:{folder.parent}/{hostile}"]
    assert found["problems"] == ["b.eml: no header field", f"{hostile}.eml: not a regular file"]


def test_a_very_long_argument_makes_a_short_error(capsys):
    assert main(["run", "x" * 100_000]) == 1
    err = capsys.readouterr().err
    assert len(err) < 3_000 and "name too long" in err


def test_no_bar_when_piped_and_a_bar_on_a_terminal(folder):
    piped = subprocess.run(command("run", folder, "--no-store"), capture_output=True)
    assert b"\x1b" not in piped.stdout + piped.stderr and piped.stderr == b""
    try:
        leader, follower = pty.openpty()
    except OSError as error:
        pytest.skip(f"no pseudo-terminal here: {error}")
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


DOCS = Path(__file__).parents[1] / "docs"


def option_strings(parser) -> set[str]:
    """Of a verb and of the actions below it."""
    out = {name for action in parser._actions for name in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            out |= {name for inner in action.choices.values() for name in option_strings(inner)}
    return out


def test_docs_name_every_verb_and_option_and_no_other():
    text = (DOCS / "cli.md").read_text()
    verbs = build_parser()._subparsers._group_actions[0].choices
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(verbs)
    for verb, parser in verbs.items():
        options = option_strings(parser)
        assert all(
            f"`{verb} {name}" in sections[verb]
            for a in parser._actions
            if isinstance(a.choices, dict)
            for name in a.choices
        ), verb
        named = set(re.findall(r"--[a-z][a-z-]*", sections[verb]))
        wanted = {name for name in options if name.startswith("--")} - {"--help"}
        assert named == wanted, verb


def test_docs_name_every_key_of_the_report():
    text = (DOCS / "cli.md").read_text()
    for key in Report().to_dict():
        assert f"`{key}`" in text, key


def test_docs_name_every_column_of_a_message_row():
    text = (DOCS / "store.md").read_text()
    for line in schema.TABLES[schema.MESSAGES].splitlines():
        name = line.split()[0] if line.split() else "id"
        assert name == "id" or f"`{name}`" in text, name
