"""One message from the pieces that the original's callers hold, through the engine's stages.

The classifiers of this package are names for one answer: they differ in the keys and categories
that they return it under.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from atlas_fast import decision
from atlas_fast.batch import Batch
from atlas_fast.classify.kinds import subcategory_name
from atlas_fast.classify.lexicon import terms
from atlas_fast.classify.policy import Policy
from atlas_fast.classify.reasons import summary
from atlas_fast.compat.models.database import db
from atlas_fast.errors import AtlasFastError
from atlas_fast.headers import parse_headers
from atlas_fast.pipeline import Pipeline
from atlas_fast.stages import policy
from atlas_fast.stages.judge import Judge
from atlas_fast.store.rows import CATEGORIES, OLD_CATEGORIES
from atlas_fast.store.rules import PATTERNS

__all__ = [
    "SPAM", "Answer", "Message", "answers", "classify", "classify_many", "forget", "judged",
    "message",
]  # fmt: skip

SPAM = frozenset(("Commercial Spam", "Scams", "Dangerous"))

_BREAKS = re.compile("[\r\n\0]+[ \t]*")
_BLANK = re.compile("\r?\n\r?\n")
_HTML = re.compile("<(?:html|body|table|div|p|br|a)[ >/]", re.IGNORECASE)
_OF_BODY = frozenset(("content-type", "content-transfer-encoding", "mime-version"))


class Answer(NamedTuple):
    """`category` of the engine, `old` its name in the original, `spam` its probability;
    `probabilities` by category, which add up to 1; `terms`: how many terms of the lexicon are
    there, by `category / subcategory`."""

    category: str
    old: str
    subcategory: str
    spam: float
    probabilities: dict[str, float]
    reason: str
    terms: dict[str, int]

    @property
    def is_spam(self) -> bool:
        return self.category in SPAM

    @property
    def confidence(self) -> float:
        """That the message is spam, or that it is not, whichever was said: 0 to 1."""
        return self.spam if self.is_spam else 1.0 - self.spam


def classify(
    sender: str | None, subject: str | None, headers: Any = "", body: str | None = ""
) -> Answer:
    """The engine's answer about one message."""
    return Message(sender, subject, headers, body).answer()


class Message:
    """One message, parsed and judged once, when it is first asked about; each question is answered
    from that. The arguments are those of `message`."""

    def __init__(
        self, sender: str | None, subject: str | None, headers: Any = "", body: str | None = ""
    ):
        self._pieces = (sender, subject, headers, body)

    @cached_property
    def _batch(self) -> Batch:
        return _processed(_pipeline(), [message(*self._pieces)])

    def answer(self) -> Answer:
        """The engine's."""
        return answers(self._batch)[0]

    def authentic(self, trusted: frozenset[str]) -> bool | None:
        """Is a sender of `trusted` (addresses, and domains for all below them) who it says? True or
        False as `stages.policy.trust` says; None where that is unknown, or the sender is none of
        these."""
        headers, whitelist = self._batch.headers, Policy(whitelist=trusted).whitelist
        assert headers is not None
        if not policy.listed(headers, whitelist, np.zeros(1, np.int64)):
            return None
        return {policy.PASSED: True, policy.FAILED: False}.get(int(policy.trust(self._batch)[0]))

    def protected(self) -> bool:
        """Do the patterns of the program's database, or of the settings, protect it?"""
        if not Path(db.db_path).is_file():
            return False
        rules = decision.protection_of(db.execute_query(PATTERNS))
        if not (rules.protected_subjects or rules.protected):
            return False
        return bool(policy.protected(self._batch, rules).any())


def classify_many(messages: Sequence[bytes]) -> list[Answer]:
    """Answers about raw messages, in one batch. Raises AtlasFastError when a stage fails."""
    return answers(_processed(_pipeline(), messages))


def judged(raw: bytes, judge: Judge) -> Batch:
    """A batch of one message with the verdict of a judge, and its trial where there is one."""
    stages = [stage for stage in _pipeline().stages if stage[0] not in ("decide", "policy")]
    return _processed(Pipeline([*stages, ("decide", judge.decide)]), [raw])


def _processed(pipeline: Pipeline, messages: Sequence[bytes]) -> Batch:
    n = len(messages)
    stops = np.cumsum([len(raw) for raw in messages], dtype=np.int64)
    starts = np.concatenate((np.zeros(1, np.int64), stops))[:n]
    raw = np.frombuffer(b"".join(messages), np.uint8)
    batch = Batch(raw, starts, stops, source="compat", places=[str(i) for i in range(n)])
    failures = pipeline.process(batch).failures
    if failures:
        raise AtlasFastError(f"{len(failures)} messages failed: {failures[0].text}")
    return batch


def _pipeline() -> Pipeline:
    """With the model and the trusted relays that the program's database says, if there is one."""
    return _opened(db.db_path, Path(db.db_path).is_file())


@lru_cache(maxsize=1)
def _opened(path: str, there: bool) -> Pipeline:
    pipeline = Pipeline()
    if there and pipeline.judge is not None:
        with db.store() as store:
            decision.use_store(pipeline.judge, store, models=True, policy=False)
            if pipeline.enricher is not None:
                decision.use_relays(pipeline.enricher, store)
        pipeline.judge.candidate = None  # one answer; the A/B classes are for two
    return pipeline


def forget() -> None:
    """The database names another model, or other relays: the next message is for these."""
    _opened.cache_clear()


def answers(batch: Batch) -> list[Answer]:
    """Of a batch that was judged."""
    verdict, names = batch.verdict, terms().categories
    made = []
    for i, (code, found) in enumerate(zip(verdict.category, batch.features.terms, strict=True)):
        category = CATEGORIES[code]
        shares = dict(zip(CATEGORIES, verdict.probabilities[i].tolist(), strict=True))
        there = {name: n for name, n in zip(names, found.tolist(), strict=True) if n}
        made.append(
            Answer(
                category,
                OLD_CATEGORIES[category],
                subcategory_name(int(verdict.subcategory[i])) or f"General {category}",
                float(verdict.probability[i]),
                shares,
                summary(verdict, i),
                there,
            )
        )
    return made


def message(
    sender: str | None, subject: str | None, headers: Any = "", body: str | None = ""
) -> bytes:
    """A message of these pieces.

    `headers`: text of a header section (what follows its blank line is the body, unless `body` is
    given), or a mapping of names to values. A From or Subject in it stays as it was sent when it
    says what `sender` and `subject` say; otherwise these count. Where there is no body, fields
    that describe one are left out: an empty message under them looks like spam that it is not.
    """
    head, rest = _split(headers)
    fields = _fields(head)
    wanted = [(name, _line(value)) for name, value in (("From", sender), ("Subject", subject))]
    if any(value for _, value in wanted):
        parsed = parse_headers(_encoded("".join(fields)))
        for name, value in wanted:
            if value and (parsed.get(name) or "").strip() != value:
                fields = [field for field in fields if _name(field) != name.lower()]
                fields.append(f"{name}: {value}\n")
    if body or not rest.strip():
        fields = [field for field in fields if _name(field) not in _OF_BODY]
    if body:
        kind = "html" if _HTML.search(body) else "plain"
        fields.append(f"Content-Type: text/{kind}; charset=utf-8\n")
        fields.append("Content-Transfer-Encoding: 8bit\n")
    return _encoded("".join(fields) + "\n" + (body or rest))


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes that a reader could not decode
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _line(value: Any) -> str:
    """A value that cannot start another field."""
    return _BREAKS.sub(" ", str(value)).strip() if value else ""


def _split(headers: Any) -> tuple[str, str]:
    if isinstance(headers, bytes):
        headers = headers.decode("utf-8", "replace")
    if isinstance(headers, Mapping):
        return "".join(f"{_line(k)}: {_line(v)}\n" for k, v in headers.items()), ""
    text = str(headers) if headers else ""
    blank = _BLANK.search(text)
    return (text[: blank.start()], text[blank.end() :]) if blank else (text, "")


def _fields(head: str) -> list[str]:
    """Fields with their continuation lines, each with its line end."""
    lines: list[list[str]] = []
    for line in head.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1].append(line)
        elif line:
            lines.append([line])
    return ["\n".join(field) + "\n" for field in lines]


def _name(field: str) -> str:
    return field.partition(":")[0].strip().lower()
