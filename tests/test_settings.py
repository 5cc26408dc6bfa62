"""The settings file, and what geography takes from it."""

import os

import pytest

from atlas_fast import geo, settings
from atlas_fast.errors import SettingsError


@pytest.fixture
def file(monkeypatch, tmp_path):
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(path))
    return path


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("ATLAS_FAST_SETTINGS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings.settings_file() == tmp_path / "atlas_fast" / "settings.toml"
    assert settings.section("geo") == {}
    monkeypatch.setenv("ATLAS_FAST_SETTINGS", str(tmp_path / "absent.toml"))
    with pytest.raises(SettingsError, match="is not there"):
        settings.section("geo")


def test_risk_is_overridden(file):
    file.write_text("[geo.risk]\nCN = 0.2\nDE = 1\ndefault = 0.05\n")
    table, default = geo.risk_table()
    assert (table["CN"], table["DE"], table["RU"], default) == (0.2, 1.0, 0.90, 0.05)
    file.write_text("[geo.risk]\nCN = 0.25\n")
    os.utime(file, ns=(1, 1))
    assert geo.risk_table()[0]["CN"] == 0.25


@pytest.mark.parametrize(
    "text",
    [
        "[geo.risk]\nCN = 1.5\n", "[geo.risk]\nCN = 'x'\n", "[geo.risk]\nCN = true\n", "geo = 1\n",
        "[geo.risk]\ncn = 0.5\n", "[geo.risk]\nCHN = 0.5\n", "[geo]\nrisk = 1\n", "[geo]\nriks = 1\n",
        "[geo.risk]\nCN = nan\n", "not toml", "\xff",
    ],
)  # fmt: skip
def test_what_makes_no_sense(file, text):
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        geo.risk_table()
