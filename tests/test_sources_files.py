"""Folders and Maildirs: what is no file, what moves, and what ends a name oddly."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from atlas_fast.errors import SourceError, UsageError
from atlas_fast.sources import open_source
from atlas_fast.sources.eml import EmlFolder
from atlas_fast.sources.maildir import Maildir
from atlas_fast.sources.stdin import Stdin
from atlas_fast.sources.synthetic import Synthetic, compose, generate

MAIL = b"Subject: x\n\ny\n"


def read(source, after=""):
    return [place for batch in source.batches(3, 1 << 20, after) for place in batch.places]


@pytest.fixture
def alarm():
    """Ends a test that waits for a pipe."""

    def ring(*_):
        raise AssertionError("waited for too long")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def odd_things(folder, end):
    """A pipe, a socket, a folder, and links to nothing, to themselves and to a file."""
    os.mkfifo(folder / f"pipe{end}")
    (folder / f"loop{end}").symlink_to(folder / f"loop{end}")
    (folder / f"nowhere{end}").symlink_to(folder / "absent")
    (folder / f"one{end}").write_bytes(MAIL)
    (folder / f"link{end}").symlink_to(folder / f"one{end}")
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket has to be short
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"door{end}")
    os.chdir(here)


@pytest.mark.usefixtures("alarm")
def test_a_folder_with_odd_things(tmp_path):
    odd_things(tmp_path, ".eml")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "folder.eml").mkdir()
    source = EmlFolder(str(tmp_path))
    assert read(source) == ["link.eml", "one.eml"]
    assert sorted(source.problems) == [
        f"{name}.eml: not a regular file" for name in ("door", "loop", "nowhere", "pipe")
    ]


@pytest.fixture
def box(tmp_path):
    for name in ("cur", "new", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


@pytest.mark.usefixtures("alarm")
def test_a_maildir_with_odd_things(box):
    odd_things(box / "cur", "")
    (box / ".loop").symlink_to(box / ".loop")
    (box / "cur" / ".hidden").write_bytes(MAIL)
    (box / "tmp" / "unfinished").write_bytes(MAIL)
    source = Maildir(str(box))
    assert read(source) == ["cur/link", "cur/one"]
    assert sorted(source.problems) == [
        f"cur/{name}: not a regular file" for name in ("door", "loop", "nowhere", "pipe")
    ]


def test_messages_that_move_meanwhile_are_read(box):
    """Delivered, read and flagged by a mail program between the listing and the reading."""
    for number in range(9):
        (box / "new" / f"{number}.host").write_bytes(MAIL)
    source = Maildir(str(box))
    batches = source.batches(3, 1 << 20)
    places = list(next(batches).places)
    for number in range(3, 8):
        os.rename(box / "new" / f"{number}.host", box / "cur" / f"{number}.host:2,S")
    places += next(batches).places
    os.rename(box / "cur" / "6.host:2,S", box / "cur" / "6.host:2,RS")
    (box / "cur" / "7.host:2,S").unlink()
    places += [place for batch in batches for place in batch.places]
    assert places == [f"cur/{number}.host" for number in (0, 1, 2, 3, 4, 5, 6, 8)]
    assert source.problems == ["cur/7.host: No such file or directory"]


def test_names_are_bytes(tmp_path):
    names = [b"\xff.eml", b"a\n\x1b[31m.eml", "\u00e9.eml".encode(), b"Z.eml"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(MAIL)
    source = EmlFolder(str(tmp_path))
    batch = next(source.batches(9, 1 << 20))
    assert [os.fsencode(place) for place in batch.places] == sorted(names)
    assert len({key.tobytes() for key in batch.keys}) == 4
    for number, place in enumerate(batch.places):
        assert read(source, place) == batch.places[number + 1 :]


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize("form", ["", "mbox:", "eml:", "maildir:"])
def test_a_pipe_is_not_waited_for(tmp_path, form):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a file or folder"):
        open_source(f"{form}{tmp_path / 'pipe'}")


def test_forms_that_do_not_fit(tmp_path):
    with pytest.raises(UsageError, match="not a file"):
        open_source(f"mbox:{tmp_path}")
    (tmp_path / "a").write_bytes(MAIL)
    with pytest.raises(UsageError, match="not a folder"):
        open_source(f"maildir:{tmp_path / 'a'}")
    with pytest.raises(UsageError, match="expected"):
        open_source("synthetic:5," + "9" * 6000)


def test_standard_input_that_is_closed():
    script = (
        "from atlas_fast.errors import SourceError\n"
        "from atlas_fast.sources import open_source\n"
        "try:\n"
        "    list(open_source('-').batches(1, 1))\n"
        "except SourceError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        ["sh", "-c", 'exec "$0" -P -c "$1" <&-', sys.executable, script],
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.stdout == "standard input is closed\n", run.stderr


def test_standard_input_goes_on_behind_its_message():
    assert list(Stdin().batches(1, 1, "-")) == []


@pytest.mark.parametrize("mark", ["x", "-1", "\u00b2", "9" * 6000])
def test_marks_of_generated_mail(mark):
    with pytest.raises(SourceError, match="no message has the number"):
        list(Synthetic(5).batches(9, 1 << 20, mark))


def test_generated_mail_does_not_depend_on_what_came_before():
    whole = list(generate(60, 4))
    assert [compose(4, index) for index in (59, 3, 31)] == [whole[59], whole[3], whole[31]]
    assert list(generate(60, 4, start=50)) == whole[50:]
    assert whole != list(generate(60, 5))
