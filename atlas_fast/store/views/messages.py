"""Lists of messages, filtered, a page at a time.

A page begins behind the id of the last row of the page before it (never at an offset), newest
first. With a search index a filter goes through it; rows that it does not have yet, and whatever
there is without it, are looked at one by one, up to LOOKED_AT of them: then the page says that it
is not complete, and the next one goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from atlas_fast.errors import UsageError
from atlas_fast.limits import VIEW_COUNTED, VIEW_COUNTED_TOGETHER, VIEW_LOOKED_AT, VIEW_PAGE
from atlas_fast.records import CATEGORIES
from atlas_fast.store.schema import MESSAGES
from atlas_fast.store.search import key, words_of
from atlas_fast.store.summaries import BAND_SQL
from atlas_fast.store.views.reader import StoreReader, TooLong

__all__ = ["Filter", "MessageRow", "Page", "messages", "rows_of"]

SLACK_HOURS = 2
"""Ids follow times but for this: writers that overlap, and the end of summer time."""

WINDOW = 5_000
"""Ids looked at in one question."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2})?)?")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages; None or an empty text is no filter, all that is given must hold.

    `text`: words of subject, sender or name, `begin*` the beginning of one; `sender` an address,
    `domain` that of the sender, `country` its code; `category` the original's name or the new one;
    `action` DELETED or PRESERVED; `run` its number; `since` and `until` local times as
    `YYYY-MM-DD` or `YYYY-MM-DD HH:MM[:SS]`, `until` is not part; `band` of confidence: 3 from 70,
    2 from 40, 1 below, 0 none; `uncertain`: bands 1 and 2; `judged`: has a user said right or
    wrong, `flag` its active flag.
    Raises UsageError for another form of a date, action or flag.
    """

    text: str | None = None
    sender: str | None = None
    domain: str | None = None
    country: str | None = None
    category: str | None = None
    action: str | None = None
    run: int | None = None
    since: str | None = None
    until: str | None = None
    band: int | None = None
    uncertain: bool | None = None
    judged: bool | None = None
    flag: str | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            if getattr(self, one.name) == "":
                object.__setattr__(self, one.name, None)
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None:
                if not _DATE.fullmatch(value):
                    raise UsageError(
                        f"{name}: a date as 2026-01-31 or '2026-01-31 08:00' is needed"
                    )
                object.__setattr__(self, name, value.replace("T", " "))
        if self.action not in (None, "DELETED", "PRESERVED"):
            raise UsageError("action: DELETED or PRESERVED is needed")
        if self.flag not in (None, "PROTECT", "DELETE", "RESEARCH"):
            raise UsageError("flag: PROTECT, DELETE or RESEARCH is needed")
        for name in ("run", "band"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1 << 63:
                raise UsageError(f"{name}: a number from 0 is needed")

    @property
    def given(self) -> frozenset[str]:
        """Names of the fields that filter."""
        return frozenset(one.name for one in fields(self) if getattr(self, one.name) is not None)


class MessageRow(NamedTuple):
    """A message in a list. `user_validated`: 1 right, -1 wrong, 0 not judged; `flag`: PROTECT,
    DELETE, RESEARCH or None."""

    id: int
    timestamp: str
    session_id: int | None
    folder_name: str | None
    uid: str | None
    sender_email: str
    sender_name: str | None
    sender_domain: str | None
    subject: str
    action: str
    reason: str | None
    category: str | None
    category_v2: str | None
    subcategory: str | None
    confidence_score: float | None
    sender_country_code: str | None
    sender_country_name: str | None
    user_validated: int
    validation_timestamp: str | None
    user_protected: int
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first. `next`: the key of the page behind this one, None at the end.

    `count`: how many messages the filter has, None where nobody counted; `more`: there are more
    than `count`. `complete` False: the page ended as enough rows were looked at, and older ones
    may fit. `indexed` False: there is no search index (yet).
    """

    rows: list[MessageRow]
    next: int | None
    count: int | None = None
    more: bool = False
    complete: bool = True
    indexed: bool = True


_COLUMNS = tuple(name for name in MessageRow._fields if name != "flag")
_SELECT = ", ".join(
    f"COALESCE(m.{name}, 0) AS {name}" if name.startswith("user_") else f"m.{name}"
    for name in _COLUMNS
)


def messages(
    reader: StoreReader,
    wanted: Filter | None = None,
    after: int | None = None,
    limit: int = VIEW_PAGE,
    *,
    count: bool = True,
) -> Page:
    """A page of messages behind the id `after` (None: the newest), at most `limit` of them."""
    wanted = wanted or Filter()
    limit = max(1, min(limit, VIEW_PAGE))
    top = after if after is not None else (1 << 63) - 1
    low = _lowest(reader, wanted)
    top = min(top, _highest(reader, wanted))
    indexed = _has_index(reader, wanted)
    rows, complete, reached = _find(reader, wanted, top, low, limit, indexed)
    counted, more = None, False
    if count and after is None:
        if complete and len(rows) < limit:
            counted = len(rows)
        elif "action" in wanted.given and wanted.given - SUMMED:  # two long lists again
            counted, more = (len(rows), True) if len(rows) >= limit else (None, False)
        else:
            counted, more = _count(reader, wanted, low)
    following = rows[-1][0] if len(rows) >= limit else None if complete else reached
    return Page(_made(reader, rows), following, counted, more, complete, indexed)


def _find(
    reader: StoreReader, wanted: Filter, top: int, low: int, limit: int, indexed: bool
) -> tuple[list[tuple[Any, ...]], bool, int]:
    """Rows with low < id < top; whether all of the range was looked at, and how far down."""
    given = wanted.given
    if wanted.judged:
        return _judged(reader, wanted, top, low, limit), True, low
    if given <= {"since", "until"} or ("run" in given and given <= {"run", "since", "until"}):
        return _by_key(reader, wanted, top, low, limit), True, low
    if not indexed or "flag" in given:  # flags come and go, and the index has none
        return _look(reader, wanted, top, low, limit)
    last = reader.ask("SELECT last_id FROM search.state")[0][0]
    rows: list[tuple[Any, ...]] = []
    top = min(top, _newest(reader) + 1)
    if top > last + 1:
        rows, complete, reached = _look(reader, wanted, top, max(last, low), limit)
        if not complete or len(rows) >= limit:
            return rows, complete, reached
        top = last + 1
    found = _by_index(reader, wanted, top, low, limit - len(rows))
    if given & {"category", "band", "uncertain"}:  # these may have changed since they were indexed
        found = _merged(found, _judged(reader, wanted, top, low, limit - len(rows)))
    return rows + found[: limit - len(rows)], True, low


def _newest(reader: StoreReader) -> int:
    """The newest row of a moment ago: while a run writes, the index has these by then, and what
    came since need not be looked at one by one."""
    query = f"SELECT COALESCE(MAX(id), 0) FROM {MESSAGES}"
    return int(reader.kept("newest", lambda: reader.ask(query)[0][0]))


def _merged(some: list[tuple[Any, ...]], others: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted({row[0]: row for row in (*some, *others)}.values(), reverse=True)


def _by_key(
    reader: StoreReader, wanted: Filter, top: int, low: int, limit: int
) -> list[tuple[Any, ...]]:
    """By the id, or the index of runs, alone."""
    terms, values = _terms(wanted)
    return reader.ask(
        f"SELECT {_SELECT} FROM {MESSAGES} m WHERE m.id < ? AND m.id > ?{terms} "
        "ORDER BY m.id DESC LIMIT ?",
        (top, low, *values, limit),
    )


def _by_index(
    reader: StoreReader, wanted: Filter, top: int, low: int, limit: int
) -> list[tuple[Any, ...]]:
    terms, values = _terms(wanted, words=False)
    return reader.ask(
        f"SELECT {_SELECT} FROM search.words w CROSS JOIN {MESSAGES} m ON m.id = -w.rowid "
        f"WHERE w.words MATCH ? AND w.rowid > ? AND w.rowid < ?{terms} "
        "ORDER BY w.rowid LIMIT ?",
        (_match(wanted), -top, -low, *values, limit),
    )


def _judged(
    reader: StoreReader, wanted: Filter, top: int, low: int, limit: int
) -> list[tuple[Any, ...]]:
    terms, values = _terms(wanted)
    return reader.ask(
        f"SELECT {_SELECT} FROM {MESSAGES} m INDEXED BY idx_{MESSAGES}_judged "
        f"WHERE m.validation_timestamp IS NOT NULL AND m.id < ? AND m.id > ?{terms} "
        "ORDER BY +m.id DESC LIMIT ?",
        (top, low, *values, limit),
    )


def _look(
    reader: StoreReader, wanted: Filter, top: int, low: int, limit: int
) -> tuple[list[tuple[Any, ...]], bool, int]:
    """Rows one by one, from the newest: as many as LOOKED_AT, or as time allows."""
    terms, values = _terms(wanted)
    query = (
        f"SELECT {_SELECT} FROM {MESSAGES} m WHERE m.id < ? AND m.id >= ?{terms} "
        "ORDER BY m.id DESC LIMIT ?"
    )
    rows: list[tuple[Any, ...]] = []
    for _ in range(VIEW_LOOKED_AT // WINDOW):
        found = reader.one(f"SELECT MAX(id) FROM {MESSAGES} WHERE id < ?", (top,))
        newest = found[0] if found and found[0] is not None else 0
        if newest <= low:
            return rows, True, low
        bottom = max(low + 1, newest - WINDOW + 1)
        try:
            rows += reader.ask(query, (top, bottom, *values, limit - len(rows)))
        except TooLong:
            return rows, False, top
        if len(rows) >= limit:
            return rows, True, bottom
        top = bottom
    return rows, top <= low + 1, top


FLAGGED = (
    "EXISTS (SELECT 1 FROM sessions s CROSS JOIN email_flags f ON f.account_id = s.account_id "
    "WHERE s.id = m.session_id AND f.email_uid = m.uid AND f.folder_name = m.folder_name "
    "AND f.is_active = TRUE AND f.flag_type = ?)"
)
"""Has the row's message an active flag? A flag need not name the run of the row."""


def _terms(wanted: Filter, words: bool = True) -> tuple[str, list[Any]]:
    """Conditions on a row, each behind ` AND `."""
    terms: list[str] = []
    values: list[Any] = []
    plain = {"domain": "sender_domain", "country": "sender_country_code", "run": "session_id",
             "sender": "sender_email", "action": "action"}  # fmt: skip
    for name, column in plain.items():
        if (value := getattr(wanted, name)) is not None:
            terms.append(f"m.{column} = ?")
            values.append(value)
    if wanted.category is not None:
        terms.append("? IN (m.category, m.category_v2)")
        values.append(wanted.category)
    if wanted.since is not None:
        terms.append("m.timestamp >= ?")
        values.append(wanted.since)
    if wanted.until is not None:
        terms.append("m.timestamp < ?")
        values.append(wanted.until)
    if wanted.band is not None:
        terms.append(f"{BAND_SQL} = ?")
        values.append(wanted.band)
    if wanted.uncertain:
        terms.append(f"{BAND_SQL} IN (1, 2)")
    if wanted.judged is not None:
        terms.append(f"COALESCE(m.user_validated, 0) {'<>' if wanted.judged else '='} 0")
    if wanted.flag is not None:
        terms.append(FLAGGED)
        values.append(wanted.flag)
    if wanted.text is not None and words:
        for word in words_of(wanted.text):
            like = "%" + re.sub(r"([%_\\])", r"\\\1", word.strip('"*')) + "%"
            terms.append(
                "(m.subject LIKE ? ESCAPE '\\' OR m.sender_email LIKE ? ESCAPE '\\' "
                "OR m.sender_name LIKE ? ESCAPE '\\')"
            )
            values += [like] * 3
    return "".join(f" AND {term}" for term in terms), values


_KEYS = {"sender": "s", "domain": "d", "country": "c", "action": "a", "run": "r", "band": "b"}


def _match(wanted: Filter) -> str:
    """The filter as an expression of FTS5."""
    parts = [
        f'"{key(letter, value)}"'
        for name, letter in _KEYS.items()
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.category is not None:
        named = f'"{key("k", wanted.category)}"'
        if wanted.category in CATEGORIES:
            named = f'({named} OR "{key("v", wanted.category)}")'
        parts.append(named)
    if wanted.uncertain:
        parts.append(f'("{key("b", 1)}" OR "{key("b", 2)}")')
    if wanted.text is not None:
        parts += words_of(wanted.text)
    return " AND ".join(parts)


def _has_index(reader: StoreReader, wanted: Filter) -> bool:
    """Is there an index, and a token to look for in it?"""
    return bool(_match(wanted)) and reader.searching()


def _lowest(reader: StoreReader, wanted: Filter) -> int:
    """An id below which no row is younger than `since`."""
    if wanted.since is None:
        return 0
    found = reader.one(
        f"SELECT id FROM {MESSAGES} WHERE timestamp >= strftime('%Y-%m-%d %H:%M:%S', ?, "
        f"'-{SLACK_HOURS} hours') ORDER BY timestamp, id LIMIT 1",
        (wanted.since,),
    )
    return found[0] - 1 if found else (1 << 63) - 2


def _most(wanted: Filter) -> int:
    """How far to count: what several lists of the index have in common is far apart."""
    named = wanted.given & {*_KEYS, "category", "uncertain"}
    lists = len(named) + len(words_of(wanted.text or ""))
    return VIEW_COUNTED if lists == 1 else VIEW_COUNTED_TOGETHER


SUMMED = frozenset(("category", "action", "run"))
"""Filters whose messages the summaries have counted."""


def _count(reader: StoreReader, wanted: Filter, low: int) -> tuple[int | None, bool]:
    """How many messages a filter has, from the summaries or the index; and whether there are more.
    None where only looking at rows would tell."""
    try:
        indexed = _indexed(reader)  # the index grows without a change of the store
        return reader.kept(("count", wanted, indexed), lambda: _counted(reader, wanted, low))
    except TooLong:
        return None, False


def _counted(reader: StoreReader, wanted: Filter, low: int) -> tuple[int | None, bool]:
    given, values = wanted.given, []
    if given <= SUMMED and wanted.category not in CATEGORIES:
        table = "summary_runs" if "run" in given else "summary_days"
        terms = []
        for name, column in (("category", "category"), ("action", "action"), ("run", "session_id")):
            if name in given:
                terms.append(f"{column} = ?")
                values.append(getattr(wanted, name))
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        found = reader.ask(f"SELECT COALESCE(SUM(n), 0) FROM {table}{where}", values)
        return int(found[0][0]), False
    if "judged" in given or "flag" in given or not _has_index(reader, wanted):
        return None, False
    most = _most(wanted)
    found = reader.ask(
        "SELECT COUNT(*) FROM (SELECT rowid FROM search.words WHERE words MATCH ? AND rowid > ? "
        "AND rowid < ? LIMIT ?)",
        (_match(wanted), -_highest(reader, wanted), -low, most + 1),
    )
    n = int(found[0][0])
    if n > most:
        return most, True
    return n, _indexed(reader) < _newest(reader)


def _indexed(reader: StoreReader) -> int:
    """The last row that the search index has."""
    return int(reader.ask("SELECT last_id FROM search.state")[0][0]) if reader.searching() else 0


def _highest(reader: StoreReader, wanted: Filter) -> int:
    """An id from which on all rows are younger than `until`."""
    if wanted.until is None:
        return (1 << 63) - 1
    found = reader.one(
        f"SELECT id FROM {MESSAGES} WHERE timestamp >= strftime('%Y-%m-%d %H:%M:%S', ?, "
        f"'+{SLACK_HOURS} hours') ORDER BY timestamp, id LIMIT 1",
        (wanted.until,),
    )
    return found[0] if found else (1 << 63) - 1


def _made(reader: StoreReader, rows: Sequence[tuple[Any, ...]]) -> list[MessageRow]:
    flags = _flags(reader, rows)
    return [MessageRow._make((*row, flags.get(row[0]))) for row in rows]


def _flags(reader: StoreReader, rows: Sequence[tuple[Any, ...]]) -> dict[int, str]:
    """Active flags of these rows by id."""
    uids = sorted({row[4] for row in rows if row[4] is not None})
    if not uids or not reader.kept("flags", lambda: _any_flags(reader)):
        return {}
    found = reader.ask(
        "SELECT account_id, folder_name, email_uid, flag_type FROM email_flags "
        f"WHERE is_active = TRUE AND email_uid IN ({', '.join('?' * len(uids))})",
        uids,
    )
    kinds = {tuple(place): kind for *place, kind in found}
    runs = sorted({row[2] for row in rows if row[2] is not None})
    accounts = dict(
        reader.ask(
            f"SELECT id, account_id FROM sessions WHERE id IN ({', '.join('?' * len(runs))})", runs
        )
    )
    places = ((row[0], (accounts.get(row[2]), row[3], row[4])) for row in rows)
    return {number: kinds[place] for number, place in places if place in kinds}


def _any_flags(reader: StoreReader) -> bool:
    return bool(reader.ask("SELECT 1 FROM email_flags WHERE is_active = TRUE LIMIT 1"))


def rows_of(reader: StoreReader, ids: Sequence[int]) -> list[MessageRow]:
    """The rows of these ids, newest first; those that are not there are left out."""
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(ids), 500):
        some = list(ids[start : start + 500])
        rows += reader.ask(
            f"SELECT {_SELECT} FROM {MESSAGES} m WHERE m.id IN ({', '.join('?' * len(some))})", some
        )
    return _made(reader, sorted(rows, reverse=True))
