"""Sources and the batch: what is read, in which order, and where it goes on."""

import email
import hashlib
import io
import mailbox
import os
from pathlib import Path

import numpy as np
import pytest

from atlas_fast import limits
from atlas_fast.batch import Batch, message_keys
from atlas_fast.errors import SourceError, UsageError
from atlas_fast.flags import Flag
from atlas_fast.quoting import unquote
from atlas_fast.sources import open_source
from atlas_fast.sources.eml import EmlFile, EmlFolder
from atlas_fast.sources.maildir import Maildir
from atlas_fast.sources.mbox import Mbox
from atlas_fast.sources.stdin import Stdin
from atlas_fast.sources.synthetic import Synthetic, generate


def read(source, after="", n=3, size=1 << 20):
    batches = list(source.batches(n, size, after))
    places = [place for batch in batches for place in batch.places]
    return places, [raw for batch in batches for raw in batch], [batch.mark for batch in batches]


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.eml", "a.eml", "b/1.EML", "c/d/e.eml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"Subject: {name}\n\nx".encode())
    (tmp_path / "note.txt").write_text("no mail")
    return tmp_path


def test_open_source_by_looks(folder, tmp_path):
    (tmp_path / "box").write_bytes(b"From a@b.example Mon Jan  1 00:00:00 2024\nSubject: x\n\ny\n")
    (tmp_path / "one").write_bytes(b"Subject: x\n\ny\n")
    (tmp_path / "odd.eml").write_bytes(
        b"From a@b.example Mon Jan  1 00:00:00 2024\nSubject: x\n\ny\n"
    )
    mailbox.Maildir(tmp_path / "dir", create=True)
    for name, kind in (
        ("-", Stdin), ("synthetic:5", Synthetic), ("synthetic:5,9", Synthetic), (str(folder), EmlFolder),
        (str(tmp_path / "box"), Mbox), (str(tmp_path / "one"), EmlFile), (str(tmp_path / "odd.eml"), EmlFile),
        (str(tmp_path / "dir"), Maildir), (f"mbox:{tmp_path / 'one'}", Mbox), (f"eml:{tmp_path / 'box'}", EmlFile),
        (f"eml:{tmp_path / 'dir'}", EmlFolder), (f"maildir:{tmp_path / 'dir'}", Maildir),
    ):  # fmt: skip
        assert type(open_source(name)) is kind, name


@pytest.mark.parametrize("name", ["absent", "mbox:absent", "\0"])
def test_what_is_not_there_is_said(name):
    with pytest.raises(SourceError):
        open_source(name)


@pytest.mark.parametrize(
    "name", ["synthetic:", "synthetic:x", "synthetic:5,y", "synthetic:-1", "synthetic:9999999999"]
)
def test_forms_that_make_no_sense(name):
    with pytest.raises(UsageError, match="synthetic"):
        open_source(name)


def test_folder_is_sorted_and_resumes(folder):
    places, raws, marks = read(EmlFolder(str(folder)))
    assert places == ["a.eml", "b/1.EML", "b/2.eml", "c/d/e.eml"]
    assert raws[1] == b"Subject: b/1.EML\n\nx"
    assert marks == ["b/2.eml", "c/d/e.eml"]
    assert read(EmlFolder(str(folder)), after="b/1.EML")[0] == ["b/2.eml", "c/d/e.eml"]


def test_what_cannot_be_read_is_a_problem(folder):
    os.mkfifo(folder / "fifo.eml")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.eml").symlink_to(folder / "nowhere")
    (folder / "linked.eml").symlink_to(folder / "a.eml")
    source = EmlFolder(str(folder))
    places, _, _ = read(source)
    assert places == ["a.eml", "b/1.EML", "b/2.eml", "c/d/e.eml", "linked.eml"]
    assert sorted(text.partition(":")[0] for text in source.problems) == [
        "dangling.eml",
        "fifo.eml",
    ]


def test_large_and_small_files_in_one_batch(tmp_path):
    sizes = [10, 1 << 16, (1 << 16) - 1, (1 << 16) + 1, 3_000_000, 0, 70_000]
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.eml").write_bytes(bytes([65 + number]) * size)
    _, raws, _ = read(EmlFolder(str(tmp_path)), n=100, size=1 << 24)
    assert [len(raw) for raw in raws] == sizes
    assert all(set(raw) <= {65 + number} for number, raw in enumerate(raws))
    batches = list(EmlFolder(str(tmp_path)).batches(100, 100_000))
    assert sum(map(len, batches)) == len(sizes) and len(batches) > 2


def test_messages_are_cut_at_the_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_MESSAGE_BYTES", 100_000)
    (tmp_path / "a.eml").write_bytes(b"x" * 200_000)
    batch = next(EmlFolder(str(tmp_path)).batches(5, 1 << 20))
    assert len(batch.message(0)) == 100_000 and batch.flags[0] & Flag.MSG_CUT
    batch = next(Stdin(io.BytesIO(b"y" * 100_001)).batches(5, 1 << 20))
    assert len(batch.message(0)) == 100_000 and batch.flags[0] & Flag.MSG_CUT


def test_stdin():
    assert read(Stdin(io.BytesIO(b"Subject: x\n\ny")))[1] == [b"Subject: x\n\ny"]
    assert read(Stdin(io.BytesIO(b"")))[1] == []


def test_maildir(tmp_path):
    box = mailbox.Maildir(tmp_path / "m", create=True)
    keys = [box.add(f"Subject: {number}\n\nx") for number in range(4)]
    below = box.add_folder("Sub")
    below.add("Subject: below\n\nx")
    source = Maildir(str(tmp_path / "m"))
    places, raws, _ = read(source)
    assert sorted(raws) == sorted(
        [f"Subject: {n}\n\nx".encode() for n in range(4)] + [b"Subject: below\n\nx"]
    )
    assert places == sorted(places) and places[0].startswith(".Sub/cur/")
    message = box[keys[1]]
    message.set_subdir("cur")
    message.add_flag("S")
    box[keys[1]] = message
    assert read(source)[0] == places  # read and seen: still the same messages
    assert len(read(source, after=places[1])[0]) == 3


def test_mbox_batches_resume_and_share_the_map(tmp_path):
    path = tmp_path / "box"
    one = "From a@b.example Mon Jan  1 00:00:00 2024\nSubject: {}\n\n>From here\n\n"
    path.write_text("".join(one.format(number) for number in range(7)))
    source = Mbox(str(path))
    _, raws, marks = read(source)
    assert len(raws) == 7 and raws[6] == b"Subject: 6\n\nFrom here\n"
    assert marks[-1] == str(path.stat().st_size)
    assert read(source, after=marks[0])[1] == raws[3:]
    batches = list(source.batches(3, 1 << 20))
    assert not batches[0].raw.flags.writeable
    assert (
        bytes(batches[0].raw[batches[0].starts[0] : batches[0].stops[0]])
        == b"Subject: 0\n\n>From here\n"
    )
    with pytest.raises(SourceError, match="has changed"):
        list(source.batches(3, 1 << 20, "999999"))
    path.write_bytes(b"")
    assert read(source)[1] == []


def test_unquote_takes_one_mark_off():
    raw = b">From a\n>>From b\n> From c\nx >From d\n>From "
    assert unquote(raw) == b"From a\n>From b\n> From c\nx >From d\nFrom "


def test_synthetic_is_the_same_everywhere():
    digest = hashlib.sha256()
    for kind, raw in generate(1000, 7):
        digest.update(kind.encode() + raw)
    assert digest.hexdigest() == DIGEST
    places, raws, _ = read(Synthetic(10, 7), n=4)
    assert places == [str(number) for number in range(10)]
    assert raws == [raw for _, raw in generate(10, 7)]
    assert read(Synthetic(10, 7), after="6")[1] == raws[7:]


DIGEST = "ff127ac312f2c386c87fcdb305394cc7b6a5f498ce671357b7dde4de502bfe6d"


def test_synthetic_is_mail():
    """Most messages are sound for the standard library, some are damaged, all classes come."""
    kinds, sound = set(), 0
    for kind, raw in generate(600, 3):
        kinds.add(kind)
        message = email.message_from_bytes(raw)
        sound += not message.defects and bool(message["Subject"] and message["From"])
        assert b"X-Class" not in raw
    assert kinds == {
        "personal",
        "work",
        "list",
        "transactional",
        "marketing",
        "spam",
        "scam",
        "phish",
    }
    assert 560 < sound < 600


def test_keys_are_stable_and_distinct():
    raw = np.frombuffer(b"sameSAME" * 2, np.uint8)
    starts, stops = np.array([0, 8], np.int64), np.array([8, 16], np.int64)

    def keys(source="s", places=("1", "2")):
        return Batch(raw, starts, stops, source=source, places=places).keys.tobytes()

    assert keys() == keys()
    assert len({keys(), keys(source="t"), keys(places=("1", "3"))}) == 3
    batch = Batch(raw, starts, stops, source="s", places=["1", "2"])
    assert message_keys(batch).shape == (2, 24)
    assert (batch.keys[0] != batch.keys[1]).any()
    assert batch.nbytes == 16
    with pytest.raises(ValueError, match="same length"):
        Batch(raw, starts, stops, source="s", places=["1"])
    with pytest.raises(ValueError, match="keys need"):
        Batch(raw, starts, stops, source="s", places=["1", "2"], keys=np.zeros((1, 16), np.uint8))


def test_reading_leaves_no_file_open(folder):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        read(EmlFolder(str(folder)))
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    assert Path(folder / "a.eml").exists()
