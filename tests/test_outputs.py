"""A command never writes over what it reads, nor over a database; devices are written to."""

import os
import stat
import threading

import pytest

from atlas_fast.cli import main
from atlas_fast.export import export

MAIL = b"From a@b.example Mon Jan  5 10:00:00 2026\nFrom: a@b.example\nSubject: x\n\nhello\n"


@pytest.fixture
def store(tmp_path):
    path = tmp_path / "a.db"
    assert main(["run", "synthetic:20", "--store", str(path), "--no-enrich", "--json"]) == 0
    return path


@pytest.mark.parametrize("link", [False, True])
def test_an_export_spares_its_store_and_every_database(store, tmp_path, link, capsys):
    before = store.read_bytes()
    target = tmp_path / "other"
    if link:
        target.symlink_to(store)
    else:
        target = store
    for source in (store, tmp_path / "absent.db"):
        arguments = ["export", "--store", str(source), "--out", str(target), "--format", "csv"]
        assert main(arguments) == 2
    assert store.read_bytes() == before
    assert "overwritten" in capsys.readouterr().err


def test_a_trace_spares_mailbox_and_store(tmp_path, store):
    mbox = tmp_path / "in.mbox"
    mbox.write_bytes(MAIL)
    run = ["run", "--no-enrich", "--store", str(store)]
    for name in (str(mbox), f"mbox:{mbox}"):
        assert main([*run, name, "--profile", str(mbox)]) == 2
    assert main([*run, str(mbox), "--profile", str(store)]) == 2
    assert mbox.read_bytes() == MAIL


def test_a_model_does_not_take_the_place_of_a_database(store, tmp_path):
    assert main(["train", str(tmp_path), "--out", str(store)]) == 2


def test_a_pipe_is_written_to_and_stays_one(store, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    assert export(store, pipe, "csv") == 20
    reader.join(20)
    assert got[0].count(b"\r\n") >= 20 and stat.S_ISFIFO(pipe.stat().st_mode)


def test_links_are_followed_and_modes_kept(store, tmp_path):
    target, link = tmp_path / "t.csv", tmp_path / "link.csv"
    target.write_bytes(b"")
    target.chmod(0o640)
    link.symlink_to(target)
    export(store, link, "csv")
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_size > 0


@pytest.mark.parametrize("content", [b"", b"\n\n", b"hello world\n", b"\0" * 50])
def test_what_is_no_mail_is_no_spam_and_says_why(tmp_path, content):
    from atlas_fast import scan, triage

    path = tmp_path / "a.eml"
    path.write_bytes(content)
    report = triage(str(path), tmp_path / "s.db")
    assert report.errors == 1 and report.problems == ["a.eml: no header field"]
    [batch] = scan(str(path))
    assert batch.verdict.action.tolist() == [0] and batch.verdict.probability[0] < 0.5
