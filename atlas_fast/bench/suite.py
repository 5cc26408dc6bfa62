"""The comparisons behind `atlas-fast bench`.

Each checks answers before it takes times, and says what its figures include.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from atlas_fast.bench.material import Material
from atlas_fast.bench.paired import Paired, compare
from atlas_fast.bench.runs import end_to_end, filters, memory, postgres, scaling, store
from atlas_fast.bench.scale import scale

__all__ = ["SUITES"]

HEADER_MESSAGES = 10_000
"""Messages of the header comparison at most."""

KERNEL_MESSAGES = 2_000
"""Messages of the kernels' comparison at most: a batch."""

KERNEL_ROUNDS = 60
"""Rounds of the kernels' comparison at least: short turns, so that the quartiles are close."""

KERNEL_SECONDS = 0.02
"""A kernel's turn in a round, about."""


def kernels(data: Material, rounds: int) -> list[Paired]:
    """Each kernel beside a yardstick: what `--against` compares with an earlier run."""
    import numpy as np

    from atlas_fast.bench.kernels import contestants

    raws = [path.read_bytes() for path in data.paths[:KERNEL_MESSAGES]]
    sides = contestants(raws, np.fromfile(data.mbox, np.uint8), len(data.paths))

    def check(answers: dict[str, Any]) -> None:
        counts = [len(answers[name]) for name in ("headers", "mime", "features", "score")]
        if counts != [len(raws)] * 4 or answers["mboxscan"][0] != len(data.paths):
            raise AssertionError(
                f"{counts}, {answers['mboxscan'][0]} of {len(data.paths)} messages"
            )

    done = compare(
        "kernels",
        sides,
        rounds=max(rounds, KERNEL_ROUNDS),
        min_seconds=KERNEL_SECONDS,
        check=check,
        clock=time.process_time,  # one thread that never waits: what others do to the machine
    )
    return [done]


def headers(data: Material, rounds: int) -> list[Paired]:
    """The header kernel against what users would pick, one core."""
    from atlas_fast.bench.headers import check, contestants

    raws = [path.read_bytes() for path in data.paths[:HEADER_MESSAGES]]
    sides, absent = contestants(raws)
    data.absent += absent
    return [compare("headers", sides, rounds=rounds, check=lambda answers: check(raws))]


def features(data: Material, rounds: int) -> list[Paired]:
    """The feature kernel against a hashing vectorizer, one core."""
    from atlas_fast.bench.features import contestants

    raws = [path.read_bytes() for path in data.paths[:HEADER_MESSAGES]]
    sides, absent = contestants(raws)
    data.absent += absent

    def check(answers: dict[str, Any]) -> None:
        """Both see most texts in about the same number of columns."""
        ours = answers[sides[0].name][0]
        if len(sides) > 2:
            step = max(1, len(raws) // 600)
            theirs = answers[sides[2].name].getnnz(axis=1)
            mine = (ours[1:] - ours[:-1])[::step]
            close = abs(mine - theirs) <= 0.1 * theirs + 20
            assert close.mean() > 0.9, close.mean()

    return [compare("features", sides, rounds=rounds, check=check)]


def lexicon(data: Material, rounds: int) -> list[Paired]:
    """2,000 terms in texts of ordinary mail, and in texts of nothing but terms."""
    from atlas_fast.bench.lexicon import N_TEXTS, chosen_terms, contestants, dense_texts
    from atlas_fast.headers import parse_many
    from atlas_fast.mime import MimeColumns

    def check(answers: dict[str, Any]) -> None:
        """The kernel finds what Hyperscan finds, and at most what its folding adds."""
        if "hyperscan" in answers:
            ours, theirs = answers["atlas_fast"].ravel(), answers["hyperscan"].ravel()
            assert (abs(ours - np.minimum(theirs, 255)) <= 2 + 0.05 * theirs).mean() > 0.95

    raws = [path.read_bytes() for path in data.paths[:: max(1, len(data.paths) // N_TEXTS)]]
    sparse = [text.encode() for text in MimeColumns(parse_many(raws)).text.tolist()]
    made = []
    for name, texts in (("sparse", sparse), ("dense", dense_texts(chosen_terms()))):
        sides, absent = contestants(texts)
        data.absent += [peer for peer in absent if peer not in data.absent]
        made.append(compare(f"lexicon, {name}", sides, rounds=rounds, check=check))
    return made


def domains(data: Material, rounds: int) -> list[Paired]:
    """Registrable domains against the peers; the rules over distinct senders; processor time."""
    from atlas_fast.bench import domains as names_bench

    names = names_bench.host_names([path.read_bytes() for path in data.paths])
    sides, absent = names_bench.suffix_contestants(names)
    data.absent += absent

    def check(answers: dict[str, Any]) -> None:
        names_bench.check_suffixes(names, answers)

    def check_looks(answers: dict[str, Any]) -> None:
        names_bench.check_looks(names, answers)

    return [
        compare("registrable domain", sides, rounds=rounds, check=check, clock=process_time),
        compare("domain rules", names_bench.rule_contestants(names), rounds=rounds),
        compare("looks of names", names_bench.look_contestants(names), rounds=rounds,
                check=check_looks, clock=process_time),
    ]  # fmt: skip


def auth(data: Material, rounds: int) -> list[Paired]:
    """One field at a time against authres; origin and verdict of messages against patterns."""
    from atlas_fast.bench import auth as peers

    raws = [path.read_bytes() for path in data.paths[:HEADER_MESSAGES]]
    fields, absent = peers.result_contestants()
    data.absent += absent
    messages, _ = peers.verdict_contestants(raws)
    return [
        compare(
            "Authentication-Results, one body", fields, rounds=rounds, check=peers.check_results
        ),
        compare("origin and verdict", messages, rounds=rounds, check=peers.check_origins),
    ]


def geo(data: Material, rounds: int) -> list[Paired]:
    """Addresses to country, AS number and organisation against the readers of MMDB files."""
    from atlas_fast.bench import geo as peers
    from atlas_fast.errors import ReferenceDataError

    try:
        found = peers.material(data.scratch)
    except ReferenceDataError as error:
        data.absent.append(f"geo: {error}")
        return []
    messages = [path.read_bytes() for path in data.paths]
    done = peers.comparisons(found, messages, rounds)
    data.absent += found.absent
    return done


def imap(data: Material, rounds: int) -> list[Paired]:
    """A folder on a server of our own, against imaplib and the original's way."""
    from atlas_fast.bench.imap import ABSENT, measure

    done = measure(data.paths, data.scratch, rounds)
    if done is None:
        data.absent.append(ABSENT)
        return []
    return [done]


SUITES: dict[str, Callable[[Material, int], list[Paired]]] = {
    "kernels": kernels,
    "headers": headers,
    "features": features,
    "domains": domains,
    "auth": auth,
    "geo": geo,
    "lexicon": lexicon,
    "store": store,
    "postgres": postgres,
    "end-to-end": end_to_end,
    "scaling": scaling,
    "scale": scale,
    "memory": memory,
    "filters": filters,
    "imap": imap,
}
"""Comparisons by the name that the command line takes."""
