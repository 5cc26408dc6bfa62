"""Generations: building, opening, replacing, and what may go wrong on the way."""

import gc
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from atlas_fast.errors import ReferenceDamaged, ReferenceDataError
from atlas_fast.reference import build as building
from atlas_fast.reference import open as opening
from atlas_fast.reference.build import build
from atlas_fast.reference.inform import current_manifest, verify
from atlas_fast.reference.layout import DATA_FILE, MANIFEST_FILE, pointer_path
from atlas_fast.reference.open import open_reference

from . import small

TESTS = Path(__file__).parents[1]
CHILD = """
import logging, os, random, shutil, sys, time
from pathlib import Path
logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(message)s")
from reference import small
folder, source = Path(sys.argv[1]), sys.argv[2]
small.install(source, **eval(sys.argv[3]))
from atlas_fast.reference.build import build
from atlas_fast.reference.open import open_reference
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(b"some words")
    small.install(path)
    yield path
    small.undo()
    opening._registry.clear()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "reference"


def child(
    code: str, folder: Path, source: Path, *, prefix=(), stdin=None, **options
) -> subprocess.Popen:
    paths = [str(TESTS), *[path for path in os.environ.get("PYTHONPATH", "").split(":") if path]]
    return subprocess.Popen(
        [*prefix, sys.executable, "-X", "faulthandler", "-c", CHILD + code, str(folder),
         str(source), repr(options)],
        stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip


def finished(process: subprocess.Popen, timeout: float = 240) -> tuple[str, str]:
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return out.strip(), err.strip()


OPEN = "r = open_reference(folder); print(r.generation, small.right(r, source))"


def builds(source: Path) -> int:
    """How often table `one` was compiled."""
    log = Path(f"{source}.log")
    return (
        sum(line.startswith("one") for line in log.read_text().splitlines()) if log.exists() else 0
    )


def test_built_on_first_use(folder, source):
    reference = open_reference(folder)
    assert small.right(reference, source) and builds(source) == 1
    assert open_reference(folder) is reference
    assert reference.table(b"one") is reference.table(b"one")
    assert b"one" in reference and b"geo" not in reference and "one" not in reference
    with pytest.raises(ReferenceDataError, match="no table geo: unknown table"):
        reference.table(b"geo")
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([pointer_path(folder).name, reference.generation, "lock", "verified"])
    kept = {path.name for path in (folder / reference.generation).iterdir()}
    assert kept == {DATA_FILE, MANIFEST_FILE}, "no lock file: nothing writes there again"
    assert finished(child(OPEN, folder, source)) == (f"{reference.generation} True", "")
    assert builds(source) == 1


def test_the_manifest(folder, source):
    generation = build(folder)
    manifest = current_manifest(folder)
    assert manifest.generation == generation
    assert manifest.size == (folder / generation / DATA_FILE).stat().st_size
    entry = manifest.tables["one"]
    assert (entry.layout, entry.count) == (1, 10)
    (said,) = manifest.sources["one"]
    assert (said.name, said.licence, said.date, said.path) == (
        "words", "CC0-1.0", "2026-01-02", str(source),
    )  # fmt: skip
    assert [finding.error for finding in verify(folder)] == ["", "", "", ""]
    with open(folder / generation / DATA_FILE, "rb") as file:
        file.seek(entry.offset)
        assert file.read(4) == b"ATFT"


def test_a_newer_generation_is_picked_up(folder, source):
    first = open_reference(folder)
    table = first.table(b"one")
    old = table.checksum()
    source.write_bytes(b"other words")
    assert open_reference(folder) is first, "until it is built"
    generation = build(folder)
    second = open_reference(folder)
    assert second is not first and second.generation == generation != first.generation
    assert small.right(second, source)
    assert table.checksum() == old, "what is held stays"
    assert (folder / first.generation).exists()
    del first, table
    gc.collect()
    build(folder)
    assert {path.name for path in folder.glob("*-*") if path.is_dir()} == {generation}


def test_back_to_a_generation_that_is_held(folder, source, tmp_path):
    """LMDB refuses to open a file twice in a process."""
    other = tmp_path / "named.txt"
    other.write_bytes(b"named words")
    held = open_reference(folder).table(b"one")
    for _ in range(3):
        build(folder, named={"small": [other]})
        assert small.right(open_reference(folder), other)
        build(folder, named={})
        assert small.right(open_reference(folder), source)
    opening._registry.clear()
    assert small.right(open_reference(folder), source)
    assert held.checksum() == open_reference(folder).table(b"one").checksum()


def test_a_generation_that_another_process_holds_stays(folder, source):
    held = build(folder)
    reader = child(
        OPEN + "\nsys.stdout.flush(); t = r.table(b'one'); before = t.checksum(); input()\n"
        "print(t.checksum() == before)",
        folder, source, stdin=subprocess.PIPE,
    )  # fmt: skip
    assert reader.stdout.readline().strip() == f"{held} True"
    source.write_bytes(b"other words")
    build(folder)
    assert (folder / held).exists()
    out, err = reader.communicate("\n", timeout=60)
    assert out.strip() == "True", err
    build(folder)
    assert not (folder / held).exists()


def test_a_changed_source_is_built_anew_by_the_next_process(folder, source):
    first = build(folder)
    source.write_bytes(b"more words")
    generation, right = finished(child(OPEN, folder, source))[0].split()
    assert right == "True" and generation != first
    source.rename(source.with_suffix(".gone"))
    assert finished(child(OPEN.replace("small.right(r, source)", "b'one' in r"), folder, source))[
        0
    ] == (f"{generation} True"), "a source that is gone is no reason to build"


def test_two_layouts_side_by_side(folder, source):
    first = open_reference(folder)
    old_pointer = pointer_path(folder)
    small.install(source, number=2)
    second = open_reference(folder)
    assert first.generation != second.generation and small.right(second, source)
    assert old_pointer.exists() and pointer_path(folder) != old_pointer
    del first
    opening._registry.clear()
    gc.collect()
    build(folder)  # does not remove what the other version's pointer names
    assert finished(child(OPEN, folder, source, number=1))[0].endswith("True")
    assert finished(child(OPEN, folder, source, number=2))[0].endswith("True")
    assert builds(source) == 2


def test_one_builds_the_others_wait(folder, source):
    children = [child(OPEN, folder, source, delay=0.5) for _ in range(4)]
    answers = {finished(process)[0] for process in children}
    assert len(answers) == 1 and answers.pop().endswith("True")
    assert builds(source) == 1


def test_a_killed_builder(folder, source):
    """At moments from before the lock to after the pointer."""
    for attempt in range(14):
        process = child(OPEN, folder, source, delay=0.05)
        time.sleep(0.15 + attempt * 0.03)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert finished(child(OPEN, folder, source))[0].endswith("True")
    build(folder)
    assert not list(folder.glob("tmp-*"))
    assert [finding.error for finding in verify(folder)] == ["", "", "", ""]


@pytest.mark.parametrize("step", ["copy", "_describe", "rename", "_point", "remember"])
def test_a_builder_killed_at_a_step(folder, source, step):
    """The process ends inside the step, as by SIGKILL."""
    die = "os.kill(os.getpid(), 9)"
    before = {
        "copy": "import lmdb\nreal = lmdb.open\nclass E:\n"
        "    def __init__(self, *a, **k): self.own = real(*a, **k)\n"
        "    def __getattr__(self, name): return getattr(self.own, name)\n"
        f"    def copy(self, *a, **k): {die}\nlmdb.open = E",
        "rename": f"os.rename = lambda *a: {die}",
    }.get(step, f"import atlas_fast.reference.build as b; b.{step} = lambda *a: {die}")  # fmt: skip
    process = child(f"{before}\nbuild(folder)", folder, source)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert finished(child(OPEN, folder, source))[0].endswith("True")
    build(folder)
    assert not list(folder.glob("tmp-*"))


DAMAGE = """
original, answers, warned = folder, [], []
class Count(logging.Handler):
    def emit(self, record): warned.append(record.getMessage())
logging.getLogger().handlers[:] = [Count()]
names = sorted(p.name for p in original.iterdir())
def opened(number, damage):
    place = original.parent / f"damaged-{number}"
    shutil.copytree(original, place, copy_function=shutil.copy2)
    damage(place)
    before = len(warned)
    reference = open_reference(place)
    answers.append((small.right(reference, source), len(warned) - before))
    del reference
    shutil.rmtree(place)
generation = next(p for p in original.iterdir() if p.is_dir() and p.name != "verified").name
data = original / generation / "data.mdb"
size = data.stat().st_size
def write(path, offset, change):
    with open(path, "r+b") as file:
        file.seek(offset); old = file.read(1); file.seek(offset); file.write(bytes([change(old[0])]))
"""


def damaged(folder, source, code):
    out, err = finished(child(DAMAGE + code + "\nprint(answers)", folder, source))
    return eval(out), err


def test_cut_at_every_page(folder, source):
    build(folder)
    answers, _ = damaged(
        folder, source,
        "for n, stop in enumerate([*range(0, size, 4096), 1, 100, 5000, size - 1, size + 1]):\n"
        "    opened(n, lambda place: os.truncate(place / generation / 'data.mdb', stop))",
    )  # fmt: skip
    assert len(answers) > 10 and set(answers) == {(True, 1)}


def test_flipped_bits_at_named_places(folder, source):
    """Of LMDB's pages and of every part of both headers; each is told, and built again."""
    build(folder)
    entries = current_manifest(folder).tables.values()
    places = [0, 8, 10, 16, 20, 24, 40, 80, 100, 4096, 4106, 4116, 4136]
    for entry in entries:
        head = entry.offset
        places += [head - 16, head - 6, head - 4]  # number, flags and count of its first page
        places += [head, head + 4, head + 6, head + 8, head + 16, head + 24, head + 32, head + 40]
        places += [head + 44, head + 48, head + 48 + entry.size // 2, head + 47 + entry.size]
        places += [head + 48 + entry.size]  # padding
    size = current_manifest(folder).size
    places += [size - 4096, size - 4086, size - 4080, size - 1]
    answers, _ = damaged(
        folder, source,
        f"for n, at in enumerate({places!r}):\n"
        "    for bit in (0, 6):\n"
        "        opened(f'{n}-{bit}', lambda place: write(\n"
        "            place / generation / 'data.mdb', at, lambda old: old ^ 1 << bit))",
    )  # fmt: skip
    assert len(answers) == 2 * len(places) and set(answers) == {(True, 1)}


def test_flipped_bits_anywhere(folder, source):
    build(folder)
    answers, _ = damaged(
        folder, source,
        "chosen = random.Random(1)\n"
        "for n in range(150):\n"
        "    at, bit = chosen.randrange(size), chosen.randrange(8)\n"
        "    opened(n, lambda place: write(\n"
        "        place / generation / 'data.mdb', at, lambda old: old ^ 1 << bit))",
    )  # fmt: skip
    assert set(answers) == {(True, 1)}


def test_damaged_manifest_and_pointer(folder, source):
    build(folder)
    answers, _ = damaged(
        folder, source,
        "pointer = next(n for n in names if n.startswith('CURRENT'))\n"
        "for n, name in enumerate([pointer, f'{generation}/manifest.json']):\n"
        "    for at in range(0, (original / name).stat().st_size, 7):\n"
        "        opened(f'{n}-{at}', lambda place: write(place / name, at, lambda old: old ^ 4))\n"
        "    opened(f'{n}-cut', lambda place: os.truncate(place / name, 3))\n"
        "    opened(f'{n}-empty', lambda place: os.truncate(place / name, 0))\n"
        "opened('gone', lambda place: shutil.rmtree(place / generation))\n"
        "opened('no data', lambda place: (place / generation / 'data.mdb').unlink())\n"
        "opened('no manifest', lambda place: (place / generation / 'manifest.json').unlink())\n",
    )  # fmt: skip
    assert len(answers) > 100 and set(answers) == {(True, 1)}


def test_damage_has_a_typed_error(folder, source):
    generation = build(folder)
    path = folder / generation / DATA_FILE
    entry = current_manifest(folder).tables["two"]
    with open(path, "r+b") as file:
        file.seek(entry.offset + 1000)
        file.write(b"!")
    with pytest.raises(ReferenceDamaged, match="checksum of table two"):
        opening._follow(folder, pointer_path(folder))
    assert [f.error for f in verify(folder) if f.part == "table two"] == ["checksum is wrong"]
    os.truncate(path, 4096)
    with pytest.raises(ReferenceDamaged, match="4096 bytes where"):
        opening._follow(folder, pointer_path(folder))
    pointer_path(folder).write_bytes(b"../../etc 0\n")
    with pytest.raises(ReferenceDamaged, match="is no pointer"):
        opening._follow(folder, pointer_path(folder))


def test_checksums_are_compared_once_for_a_file(folder, source, monkeypatch):
    generation = build(folder)
    asked = []
    real = opening.check_file

    def watched(handle, manifest, *, payloads):
        asked.append(payloads)
        real(handle, manifest, payloads=payloads)

    monkeypatch.setattr(opening, "check_file", watched)
    for _ in range(2):
        opening._registry.clear()
        open_reference(folder)
    assert asked == [False, False], "the builder wrote it down"
    os.utime(folder / generation / DATA_FILE)
    for _ in range(2):
        opening._registry.clear()
        open_reference(folder)
    assert asked[2:] == [True, False]


def test_where_nothing_can_be_written(tmp_path, source, caplog):
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        reference = open_reference(tmp_path / "file" / "reference")
    assert small.right(reference, source) and reference.manifest is None
    assert b"one" in reference and "in memory" in repr(reference)
    assert len(caplog.records) == 1 and "made in memory" in caplog.text
    assert open_reference(tmp_path / "file" / "reference") is reference and builds(source) == 1


READ_ONLY = ["unshare", "--mount", "sh", "-c",
             'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"']  # fmt: skip


def may_mount(folder: Path) -> bool:
    folder.mkdir(exist_ok=True)
    try:
        done = subprocess.run([*READ_ONLY, str(folder), "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def test_a_read_only_file_system(folder, source):
    if not may_mount(folder):
        pytest.skip("no right to mount a file system read-only here")
    prefix = [*READ_ONLY, str(folder)]
    out, err = finished(child(OPEN, folder, source, prefix=prefix))
    assert out.endswith("True") and err.count("made in memory") == 1 and "\n" not in err
    generation = build(folder)
    assert finished(child(OPEN, folder, source, prefix=prefix)) == (f"{generation} True", "")
    source.write_bytes(b"other words")
    out, err = finished(
        child(OPEN.replace("small.right(r, source)", "r"), folder, source, prefix=prefix)
    )
    assert out.startswith(generation) and "stays at generation" in err
    shutil.rmtree(folder / "verified")
    assert finished(
        child(OPEN.replace("small.right(r, source)", "r"), folder, source, prefix=prefix)
    )[0]


def test_no_source_at_all(folder, source):
    source.unlink()
    reference = open_reference(folder)
    with pytest.raises(ReferenceDataError, match="table one: no source is installed"):
        reference.table(b"one")


def test_named_files_are_remembered(folder, source, tmp_path):
    other = tmp_path / "named.txt"
    other.write_bytes(b"named words")
    build(folder, named={"small": [other]})
    assert small.right(open_reference(folder), other)
    small.install(source, number=2)  # a newer version of the package
    assert small.right(open_reference(folder), other)
    build(folder, named={})
    assert small.right(open_reference(folder), source)


@pytest.mark.parametrize("content", [b"[", b"[]", b'{"small": 7}', b"\xff"])
def test_a_damaged_list_of_named_files_is_said(folder, source, content, caplog):
    build(folder)
    assert building.named_before(folder) == {} and not caplog.messages
    (folder / "named.json").write_bytes(content)
    small.install(source, number=2)
    assert small.right(open_reference(folder), source)
    assert any("named.json: is damaged" in text for text in caplog.messages)
    caplog.clear()
    build(folder, named={"small": [source]})
    assert building.named_before(folder) == {"small": [source]} and not caplog.messages


def test_a_fork_goes_on_and_finds_newer_ones(folder, source):
    out, _ = finished(child(
        "r = open_reference(folder); t = r.table(b'one')\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    ok = open_reference(folder) is r and small.right(r, source)\n"
        "    Path(source).write_bytes(b'other words'); build(folder); new = open_reference(folder)\n"
        "    ok = ok and new is not r and small.right(new, source); del new, r, t\n"
        "    os._exit(0 if ok else 1)\n"
        "before = t.checksum()\n"
        "print(os.waitpid(pid, 0)[1], t.checksum() == before, small.right(open_reference(folder), source))",
        folder, source,
    ))  # fmt: skip
    assert out == "0 True True"


def test_a_table_outlives_its_reference(folder, source):
    table = open_reference(folder).table(b"one")
    before = table.checksum()
    opening._registry.clear()
    gc.collect()
    assert table.checksum() == before
    shutil.rmtree(folder)
    assert table.checksum() == before
