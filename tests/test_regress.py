"""Two runs of the measurements: a planted change is reported, an unchanged build is not."""

import json
import random

import pytest

from atlas_fast.bench import kernels
from atlas_fast.bench.material import material
from atlas_fast.bench.paired import Contestant
from atlas_fast.bench.regress import FLOOR, changes, read
from atlas_fast.cli import main
from atlas_fast.errors import UsageError


def figures(seed, *, kernel=1.0, machine=1.0, noise=0.04, rounds=31, peer="yardstick"):
    """What `bench --json` writes for a group of a reference and one kernel."""
    rng = random.Random(seed)

    def seconds(mean):
        return [mean * (1 + abs(rng.gauss(0, noise))) for _ in range(rounds)]

    drift = [machine * (1 + 0.5 * number / rounds) for number in range(rounds)]
    sides = {peer: 1.0, "atlas_fast kernel": 0.1 * kernel}
    measured = [
        {
            "name": name, "items": 10,
            "seconds": [a * b for a, b in zip(seconds(mean), drift, strict=True)],
        }
        for name, mean in sides.items()
    ]  # fmt: skip
    return {"comparisons": [{"group": "g", "measured": measured}]}


@pytest.mark.parametrize("peer", ["yardstick", "some peer"])
@pytest.mark.parametrize("seed", range(10))
def test_unchanged_is_the_same_on_a_machine_of_another_speed(seed, peer):
    [found] = changes(figures(1, peer=peer), figures(seed + 2, machine=1.7, peer=peer))
    assert (found.group, found.name, found.verdict) == ("g", "atlas_fast kernel", "same")


@pytest.mark.parametrize("seed", range(10))
def test_a_fifth_slower_is_reported(seed):
    [found] = changes(figures(1), figures(seed + 2, kernel=1.2, machine=0.6))
    assert found.verdict == "slower" and found.change == pytest.approx(0.2, abs=0.05)
    [found] = changes(figures(1, kernel=1.2), figures(seed + 2))
    assert found.verdict == "faster"


def test_a_noisy_measurement_needs_a_larger_change():
    [found] = changes(figures(1, noise=0.8), figures(2, noise=0.8, kernel=1.2))
    assert found.threshold > 0.2 and found.verdict == "same"
    [found] = changes(figures(1, noise=0.001), figures(2, noise=0.001))
    assert found.threshold == FLOOR


def test_only_what_both_have_is_compared():
    after = figures(2)
    after["comparisons"][0]["group"] = "another"
    assert changes(figures(1), after) == []


def test_a_file_without_figures_is_refused(tmp_path):
    path = tmp_path / "a.json"
    for text in ("", "{}", "[]", '{"comparisons": 1}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="no figures"):
            read(path)
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "absent")


def test_the_command_compares_files(tmp_path, capsys):
    paths = [tmp_path / name for name in ("before.json", "after.json")]
    for path, kernel in zip(paths, (1.0, 1.3), strict=True):
        path.write_text(json.dumps(figures(1, kernel=kernel)))
    assert main(["bench", "--compare", *map(str, paths)]) == 1
    assert "slower" in capsys.readouterr().out
    assert main(["bench", "--compare", str(paths[1]), str(paths[0])]) == 0
    assert "faster" in capsys.readouterr().out


def test_every_kernel_of_the_suite_gives_its_answer(tmp_path):
    with material(None, 40) as data:
        import numpy as np

        raws = [path.read_bytes() for path in data.paths]
        sides = kernels.contestants(raws, np.fromfile(data.mbox, np.uint8), len(raws))
        answers = {one.name: one.call() for one in sides if isinstance(one, Contestant)}
    assert set(answers) >= {"yardstick", "mboxscan", "headers", "mime", "features", "score"}
    assert answers["mboxscan"][0] == len(answers["headers"]) == 40
