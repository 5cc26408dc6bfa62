"""Corrections of users into a model: `learn`, and the way back.

The features of a corrected message are made anew from the message itself, which is read at its
place in its source and must have the key that the store has, whole or, as a run that left bodies
aside has seen it, by its header section. They are kept in the file of lessons,
so that each message is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from atlas_fast import decision, limits
from atlas_fast.batch import Batch
from atlas_fast.classify import rollout
from atlas_fast.classify.lessons import Lesson, Lessons, content_digest, read_lessons
from atlas_fast.classify.model import Model, load_model
from atlas_fast.classify.rollout import ModelFile, State
from atlas_fast.errors import ModelError, SourceError, UsageError
from atlas_fast.records import CATEGORIES, FIRST_SPAM, OLD_CATEGORIES
from atlas_fast.sources import open_source
from atlas_fast.sources.one import without_bodies
from atlas_fast.stages import features, parse
from atlas_fast.store import feedback
from atlas_fast.store.feedback import Correction

if TYPE_CHECKING:
    from atlas_fast.store.sql import SqlStore
    from atlas_fast.store.sqlite import SqliteStore

__all__ = ["Learned", "learn", "undo", "wanted_kind", "wanted_label"]

NOT_SPAM = frozenset((
    "Legitimate", "Legitimate Marketing", "Not Spam", "Promotional Email", "Community Email",
    "Transactional Email", "Account Notification", "Subscription Management", "Trusted Domain",
    "Legitimate Billing/Delivery", "Whitelisted", "BUSINESS_TRANSACTION", "Personal",
))  # fmt: skip
SPAM = frozenset(CATEGORIES[FIRST_SPAM:])
SPAM_WORDS = ("spam", "scam", "phish", "fraud", "impersonation", "dangerous", "malware")


@dataclass(slots=True)
class Learned:
    """`model`: the new file, None when there was nothing to learn; `lessons`: new ones, `total` all
    in it; `turned`: new ones whose verdict (or kind, where the user said it) it changed, `open_`:
    those that it still has wrong.
    `skipped`: corrections that could not be used, with the reason."""

    model: str | None = None
    lessons: int = 0
    total: int = 0
    turned: int = 0
    open_: int = 0
    skipped: list[str] = field(default_factory=list)


def wanted_label(kind: str, original: str, user: str | None) -> int:
    """1 spam, -1 not, 0 when the feedback does not tell.

    `false_positive` says it is no spam; else what the user called it counts; else `correct` means
    the original classification and `incorrect` its opposite.
    """
    if kind == "false_positive":
        return -1
    if user:
        return _label(user)
    if kind not in ("correct", "incorrect"):
        return 0
    return _label(original) * (1 if kind == "correct" else -1)


KINDS = {name: number for number, name in enumerate(CATEGORIES)}
KINDS |= {OLD_CATEGORIES[name]: number for name, number in KINDS.items()}
"""Category by its name, and by the original's name for it."""


def wanted_kind(kind: str, original: str, user: str | None) -> int:
    """Position in CATEGORIES that the user says the message is of; -1 where that is not said."""
    said = user or (original if kind == "correct" else "")
    found = KINDS.get(said, -1)
    spam = wanted_label(kind, original, user) > 0
    return found if found >= 0 and (found >= FIRST_SPAM) == spam else -1


def _label(category: str) -> int:
    if category in NOT_SPAM:
        return -1
    if category in SPAM or any(word in category.lower() for word in SPAM_WORDS):
        return 1
    return 0


def learn(store: SqliteStore, sources: Iterable[str] = (), *, again: bool = False) -> Learned:
    """Make a model of the current one and the corrections that were not used yet (`again`: of all),
    and let it be the current one. `sources`: where else to look for messages whose own source has
    moved. Nothing changes when there is nothing to learn. Raises ModelError, StoreError."""
    before = decision.state_of(store)
    base = _lessons_of(before.current)
    below = load_model(base.base)
    done = Learned()
    wanted: dict[bytes, tuple[Correction, int]] = {}
    used: dict[bytes, list[int]] = {}
    for one in feedback.corrections(store, again):
        label = wanted_label(one.kind, one.original, one.user)
        if not label:
            done.skipped.append(f"feedback {one.id}: does not tell whether it is spam")
        elif not one.key:
            done.skipped.append(f"feedback {one.id}: no single message of the store fits it")
        else:
            wanted[one.key] = one, label
            used.setdefault(one.key, []).append(one.id)
    found = _read(wanted, sources, done)
    if not found:
        return done
    made = base.add(list(found.values())).fitted(below)
    folder = Path(f"{store.path}.models").resolve()
    folder.mkdir(exist_ok=True)
    path = _save(made, folder)
    file = decision.model_file(path)

    def become(state: State, at: str) -> State:
        if state.current != before.current:
            raise ModelError("another process has changed the model meanwhile; try again")
        return rollout.learned(state, file, at, len(found))

    try:
        with store.transaction() as connection:
            decision.change(store, become)
            feedback.mark_processed(connection, [n for key in found for n in used[key]])
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    model, old = load_model(path), decision.model_of(before.current)
    done.model, done.lessons, done.total = str(path), len(found), len(made.lessons)
    for lesson in found.values():
        was, now = (_says(m, lesson) for m in (old, model))
        done.turned += was[0] != now[0] if lesson.kind < 0 else was[1] != now[1]
        done.open_ += now[0] != (lesson.label > 0) or lesson.kind not in (-1, now[1])
    return done


def undo(store: SqlStore) -> State:
    """Back to the model before the last lessons; their file and the feedback stay as they are.
    UsageError when that was not the last change."""
    return decision.change(store, rollout.undo)


def _lessons_of(current: ModelFile | None) -> Lessons:
    """The lessons in the current model, none yet on top of any other."""
    if current is None:
        return Lessons((), None)
    decision.model_of(current)
    return read_lessons(Path(current.path).read_bytes(), current.path) or Lessons((), current.path)


def _save(made: Lessons, folder: Path) -> Path:
    """Under the next free number."""
    taken = [int(p.stem.rpartition("-")[2]) for p in folder.glob("learned-[0-9]*.npz")]
    first = max(taken, default=0) + 1
    for number in range(first, first + 100):
        path = folder / f"learned-{number:04}.npz"
        try:
            made.save(path)
            return path
        except ModelError:
            if not path.exists():
                raise
    raise ModelError(f"{folder}: no free number for a model")


def _says(model: Model, lesson: Lesson) -> tuple[bool, int]:
    """Is it spam, and of which category?"""
    rows = lesson.rows()
    probability = model.probabilities(rows)
    _, category, _ = model.categories(probability, rows)
    return bool(probability[0] >= model.threshold), int(category[0])


def _read(
    wanted: dict[bytes, tuple[Correction, int]], sources: Iterable[str], done: Learned
) -> dict[bytes, Lesson]:
    """Lessons of the messages that can be found, in the order of their corrections."""
    found: dict[bytes, Lesson] = {}
    by_source: dict[str, dict[str, list[bytes]]] = {}
    for key, (one, _) in wanted.items():
        by_source.setdefault(one.source, {}).setdefault(one.place, []).append(key)
    for name, places in by_source.items():
        for where in (name, *sources):
            if all(key in found for keys in places.values() for key in keys):
                break
            try:
                _look(where, name, places, wanted, found)
            except (SourceError, UsageError) as error:
                if where != name:
                    raise
                done.skipped.append(f"{name}: {error}")
    for key, (one, _) in wanted.items():
        if key not in found:
            done.skipped.append(
                f"feedback {one.id}: the message at {one.place} of {one.source} is not there any "
                "more, or has changed"
            )
    return {key: found[key] for key in wanted if key in found}


def _look(
    where: str,
    name: str,
    places: dict[str, list[bytes]],
    wanted: dict[bytes, tuple[Correction, int]],
    found: dict[bytes, Lesson],
) -> None:
    """Read the places of a source that was called `name` when the messages were stored."""
    for batch in open_source(where).batches(limits.BATCH_MESSAGES, limits.BATCH_BYTES):
        rows = [i for i, place in enumerate(batch.places) if place in places]
        if not rows:
            continue
        part = _named(batch, np.array(rows), name)
        _take(part, wanted, found)
        asked = {key for place in part.places for key in places[place]}
        if not found.keys() >= asked:  # of a run that left bodies aside
            _take(without_bodies(part), wanted, found)


def _take(
    part: Batch, wanted: dict[bytes, tuple[Correction, int]], found: dict[bytes, Lesson]
) -> None:
    """Lessons of the wanted messages in a batch."""
    rows = [i for i, key in enumerate(map(bytes, part.keys)) if key in wanted and key not in found]
    if not rows:
        return
    part = part.take(np.array(rows))
    parse.run(part)
    features.run(part)
    made = part.features
    for i, key in enumerate(map(bytes, part.keys)):
        one, label = wanted[key]
        start, stop = made.indptr[i], made.indptr[i + 1]
        found[key] = Lesson(
            key.hex(), content_digest(part.message(i)), label, one.user or one.original, one.at,
            made.indices[start:stop].copy(), made.data[start:stop].copy(),
            wanted_kind(one.kind, one.original, one.user), made.terms[i].copy(),
            bool(made.bulk[i]),
        )  # fmt: skip


def _named(batch: Batch, rows: Sequence[int] | np.ndarray, name: str) -> Batch:
    """These messages, with the keys that they have in a source of that name."""
    at = np.asarray(rows)
    places = [batch.places[i] for i in at.tolist()]
    return Batch(
        batch.raw, batch.starts[at], batch.stops[at], source=name, places=places,
        quoting=batch.quoting,
    )  # fmt: skip
