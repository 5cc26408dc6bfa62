"""The command db: what each action prints, and its exit code."""

import json
import sqlite3

import pytest
from store import original

from atlas_fast.cli import main


@pytest.fixture
def db(tmp_path, capsys):
    path = tmp_path / "a.db"

    def call(*arguments, store=path, code=0):
        assert main(["db", *arguments, "--store", str(store)]) == code
        return capsys.readouterr()

    assert main(["run", "synthetic:300,2", "--store", str(path)]) == 0
    capsys.readouterr()
    call.path = path
    return call


def test_check_recount_and_vacuum(db):
    assert db("check").out == f"{db.path}: sound\n"
    with sqlite3.connect(db.path) as connection:
        connection.execute("UPDATE summary_hours SET n = n + 1")
    connection.close()
    found = db("check", code=1)
    assert found.err.startswith("atlas-fast: summary: summary_hours") and found.out == ""
    assert {kind for kind, _ in json.loads(db("check", "--json", code=1).out)["findings"]} == {
        "summary"
    }
    db("recount")
    assert json.loads(db("check", "--json").out) == {"store": str(db.path), "findings": []}
    assert "->" in db("vacuum").out


def test_runs_delete_and_prune(db, capsys):
    assert main(["run", "synthetic:400,2", "--store", str(db.path)]) == 0
    capsys.readouterr()
    lines = db("runs").out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "2", "1"]
    assert db("delete-run", "2").out == "run 2 and its 100 message rows deleted\n"
    assert "no run 2" in db("delete-run", "2", code=1).err
    assert db("prune", "--older-than", "90d").out.startswith("0 message rows")
    assert "expected an age" in db("prune", "--older-than", "90", code=2).err
    assert db("check").out.endswith("sound\n")


def test_migrations(db, tmp_path):
    pytest.importorskip("alembic")
    assert "0008" in db("current").out and "a store of atlas_fast" in db("current").out
    assert [line.split()[0] for line in db("history").out.splitlines()][1:] == [
        "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008",
    ]  # fmt: skip
    assert "is at 0008 already" in db("upgrade").out
    assert "0008 -> 0003" in db("downgrade", "0003", "--no-backup").out
    assert list(tmp_path.iterdir()) == [db.path]
    assert "db upgrade" in db("check", code=1).err
    assert "backup: " in db("upgrade").out
    assert "no such revision" in db("upgrade", "x", code=2).err
    assert "is there already" in db("backup", str(db.path), code=1).err
    old = tmp_path / "mail_filter.db"
    original.make(old, "5")
    assert "a database of Atlas_Email" in db("current", store=old).out
    assert "no store -> 0008" in db("upgrade", store=old).out
    assert "0008 -> as it was at first" in db("downgrade", "base", "--no-backup", store=old).out


def test_a_store_that_is_not_there_is_not_made(db, tmp_path):
    absent = tmp_path / "absent.db"
    for arguments in (
        ["check"], ["current"], ["vacuum"], ["backup"], ["runs"], ["delete-run", "1"],
        ["prune", "--older-than", "1d"], ["recount"], ["downgrade", "base"],
    ):  # fmt: skip
        assert "no such file" in db(*arguments, store=absent, code=1).err
    assert not absent.exists()
