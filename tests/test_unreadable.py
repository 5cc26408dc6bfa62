"""Sources that are damaged, change while they are read, or are no mail; keys over processes."""

import hashlib
import os
import subprocess
import sys
import threading

import pytest

from atlas_fast.errors import SourceError
from atlas_fast.sources import open_source
from atlas_fast.sources.eml import EmlFile, EmlFolder
from atlas_fast.sources.maildir import Maildir

ROOT = os.geteuid() == 0


def places_of(source, after=""):
    return [place for batch in source.batches(2, 1 << 20, after) for place in batch.places]


def mail(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"Subject: same\n\nsame\n")


@pytest.mark.skipif(ROOT, reason="root may read everything")
def test_a_file_without_permission_is_a_problem(tmp_path):
    mail(tmp_path, "a.eml", "b.eml", "c.eml")
    (tmp_path / "b.eml").chmod(0)
    source = EmlFolder(str(tmp_path))
    assert places_of(source) == ["a.eml", "c.eml"]
    assert source.problems == ["b.eml: Permission denied"]


def test_a_link_to_itself_is_a_problem(tmp_path):
    mail(tmp_path, "a.eml", "c.eml")
    (tmp_path / "b.eml").symlink_to(tmp_path / "b.eml")
    source = EmlFolder(str(tmp_path))
    assert places_of(source) == ["a.eml", "c.eml"]
    assert len(source.problems) == 1 and source.problems[0].startswith("b.eml: ")
    with pytest.raises(SourceError):
        open_source(str(tmp_path / "b.eml"))


def test_files_that_vanish_or_turn_are_problems(tmp_path):
    """Between listing and reading: gone, a folder now, a FIFO that nobody writes to."""
    mail(tmp_path, "a.eml", "b.eml", "c.eml", "d.eml", "e.eml")
    source = EmlFolder(str(tmp_path))
    listed = source.places()
    source.places = lambda: listed
    (tmp_path / "b.eml").unlink()
    (tmp_path / "c.eml").unlink()
    (tmp_path / "c.eml").mkdir()
    assert places_of(source) == ["a.eml", "d.eml", "e.eml"]
    assert [line.partition(":")[0] for line in source.problems] == ["b.eml", "c.eml"]


def test_a_folder_that_fails_while_it_is_listed_is_a_problem(tmp_path, monkeypatch):
    """As folders of /proc and of broken network file systems do."""
    (tmp_path / "bad").mkdir()
    mail(tmp_path, "a.eml", "c.eml")
    real = os.scandir

    class Listing:
        def __init__(self, path):
            self.path, self.real = path, real(path)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.real.close()

        def __iter__(self):
            if self.path.rstrip("/").endswith("bad"):
                raise PermissionError(13, "Permission denied")
            return self.real

    monkeypatch.setattr("os.scandir", Listing)
    source = EmlFolder(str(tmp_path))
    assert places_of(source) == ["a.eml", "c.eml"]
    assert source.problems == ["bad/: Permission denied"]


def test_a_fifo_does_not_block(tmp_path):
    """Neither in a folder, nor in a Maildir, nor by its name."""
    os.mkfifo(tmp_path / "a.eml")
    for box in ("cur", "new", "tmp"):
        (tmp_path / "m" / box).mkdir(parents=True)
    os.mkfifo(tmp_path / "m" / "new" / "1.fifo")
    mail(tmp_path / "m" / "cur", "2.mail")
    done = []

    def look():
        source = EmlFolder(str(tmp_path))
        places_of(source)
        box = Maildir(str(tmp_path / "m"))
        done.append((source.problems, places_of(box), box.problems))
        with pytest.raises(SourceError):
            open_source(str(tmp_path / "a.eml"))
        done.append("named")

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(20)
    assert len(done) == 2
    problems, places, of_box = done[0]
    assert problems == ["a.eml: not a regular file"]
    assert places == ["cur/2.mail"]
    assert of_box == ["new/1.fifo: not a regular file"]


def test_a_maildir_with_odd_folders(tmp_path):
    """A folder that is a loop, one without cur, one whose new is gone."""
    for box in ("cur", "new", "tmp", ".Sub/cur", ".empty"):
        (tmp_path / box).mkdir(parents=True)
    (tmp_path / ".loop").symlink_to(tmp_path / ".loop")
    mail(tmp_path / "new", "2.mail:2,S", ".hidden")
    mail(tmp_path / ".Sub" / "cur", "1.mail")
    source = Maildir(str(tmp_path))
    assert places_of(source) == [".Sub/cur/1.mail", "cur/2.mail"]
    assert source.problems == [".Sub/new: No such file or directory"]


def test_loops_of_links_end(tmp_path):
    (tmp_path / "x").mkdir()
    mail(tmp_path / "x", "a.eml")
    (tmp_path / "x" / "up").symlink_to(tmp_path)
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert places_of(EmlFolder(str(tmp_path))) == ["x/a.eml"]


def test_names_that_are_no_utf8(tmp_path):
    """They sort by their bytes, resume, and have keys."""
    for name in (b"\xff.eml", b"\xc3\xa9.eml", b"a.eml"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"Subject: x\n\n")
    source = EmlFolder(str(tmp_path))
    places = places_of(source)
    assert [os.fsencode(place) for place in places] == [b"a.eml", b"\xc3\xa9.eml", b"\xff.eml"]
    assert places_of(source, after=places[1]) == places[2:]
    keys = [batch.keys.tobytes() for batch in source.batches(9, 1 << 20)]
    assert len(keys[0]) == 3 * 24


def test_one_file_resumes_behind_itself(tmp_path):
    mail(tmp_path, "a.eml")
    source = EmlFile(str(tmp_path / "a.eml"))
    assert places_of(source) == ["a.eml"]
    assert places_of(source, after="a.eml") == []


def test_keys_tell_equal_messages_apart(tmp_path):
    """The same bytes at two places, in two folders, and again in another run and process."""
    for folder in ("m", "n"):
        (tmp_path / folder).mkdir()
        mail(tmp_path / folder, "a.eml", "b.eml")

    def keys(folder):
        found = []
        for batch in open_source(str(tmp_path / folder)).batches(1, 1 << 20):
            found += [row.tobytes() for row in batch.keys]
        return found

    assert len({*keys("m"), *keys("n")}) == 4
    assert keys("m") == keys("m")
    child = (
        "import sys; from atlas_fast.sources import open_source\n"
        "for b in open_source(sys.argv[1]).batches(9, 1 << 20): print(b.keys.tobytes().hex())"
    )
    done = run(child, str(tmp_path / "m"))
    assert done == b"".join(keys("m")).hex()


def run(code, *arguments, seed="0"):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": seed}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_generated_mail_does_not_hang_on_the_hash_seed():
    child = (
        "import hashlib; from atlas_fast.sources.synthetic import generate\n"
        "print(hashlib.sha256(b''.join(raw for _, raw in generate(300, 11))).hexdigest())"
    )
    first = run(child, seed="1")
    assert first == run(child, seed="2")
    from atlas_fast.sources.synthetic import generate

    assert first == hashlib.sha256(b"".join(raw for _, raw in generate(300, 11))).hexdigest()


def test_standard_input_is_one_message():
    child = (
        "from atlas_fast.sources import open_source\n"
        "print([m for b in open_source('-').batches(9, 1 << 20) for m in b])"
    )
    done = subprocess.run(
        [sys.executable, "-c", child], input=b"Subject: x\n\ny\n", capture_output=True, timeout=60
    )
    assert done.stdout.strip() == b"[b'Subject: x\\n\\ny\\n']", done.stderr
