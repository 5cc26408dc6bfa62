"""Files that are written whole or not at all, and devices that stay devices."""

import os
import stat
import threading

import numpy as np
import pytest

from atlas_fast.classify.model import load_model
from atlas_fast.errors import ModelError, SettingsError
from atlas_fast.files import read_file, whole_file
from atlas_fast.observe.trace import Trace
from atlas_fast.settings import section


def test_a_file_is_whole_or_what_it_was(tmp_path):
    path = tmp_path / "a"
    with whole_file(path) as file:
        file.write(b"one")
        assert not path.exists()
    path.chmod(0o640)
    with pytest.raises(KeyError), whole_file(path) as file:
        file.write(b"two")
        raise KeyError
    assert path.read_bytes() == b"one" and os.listdir(tmp_path) == ["a"]
    (tmp_path / "link").symlink_to("a")
    with whole_file(str(tmp_path / "link")) as file:
        file.write(b"three")
    assert path.read_bytes() == b"three" and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("place", ["no/a", "there", "/dev/full"])
def test_an_error_names_the_path_that_was_given(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError) as raised, whole_file(place) as file:
        file.write(b"x" * 100_000)
    assert raised.value.filename == place and os.listdir(tmp_path) == ["there"]


def test_only_regular_files_are_read_and_no_large_ones(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    os.mkfifo(tmp_path / "pipe")
    wrong = {str(path): "larger than 4", str(tmp_path): "regular", "/dev/zero": "regular",
             str(tmp_path / "pipe"): "regular", "a\0b": "null", "absent": "No such"}  # fmt: skip
    for place, said in wrong.items():
        with pytest.raises(OSError, match=said):
            read_file(place, 4)
        with pytest.raises(ModelError):
            load_model(place)
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(tmp_path / "pipe"))
    with pytest.raises(SettingsError, match="not a regular file"):
        section("policy")


def write_model(path):
    load_model().save(path)


def write_trace(path):
    Trace().write(path)


@pytest.mark.parametrize("write", [write_model, write_trace])
def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path, write):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write(path)
    reader.join(60)
    assert stat.S_ISFIFO(path.stat().st_mode) and len(got[0]) > 10
    if write is write_model:
        (tmp_path / "model.npz").write_bytes(got[0])
        again = load_model(tmp_path / "model.npz")
        assert np.array_equal(again.weights, load_model().weights)
