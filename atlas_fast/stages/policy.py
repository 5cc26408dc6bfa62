"""The policy of a batch: which verdicts of the model stand, and which rule decides the others.

It is the one order of decisions, of runs over files and over mailboxes.

Rules are asked column by column. Python looks at single messages only where a rule has to be told
in words, or where a list of the user's can only be asked by name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from atlas_fast.auth import Alignment, Result
from atlas_fast.batch import Batch
from atlas_fast.classify.policy import (
    APPOINTMENT,
    CERTAIN_SPAM,
    PROTECT,
    TRANSACTION,
    Business,
    Policy,
    Rule,
    Validate,
    lowered,
)
from atlas_fast.errors import ReferenceDataError
from atlas_fast.headers import HeaderColumns, TextColumn
from atlas_fast.records import CATEGORIES, FIRST_SPAM, OLD_CATEGORIES, Ruling
from atlas_fast.stages.decide import DELETE, PRESERVE, Verdicts
from atlas_fast.validation import Triple, allowed, validate_many

__all__ = ["FAILED", "PASSED", "UNKNOWN", "Counts", "listed", "protected", "run", "trust"]

UNKNOWN, PASSED, FAILED = 0, 1, 2
"""Is the sender who it says? See `trust`."""

DANGEROUS = 4
"""Category code of mail that pretends to be of somebody."""

# Categories that the original deletes whatever the domain looks like (its list of promotional
# categories, through OLD_CATEGORIES): Scams and Dangerous; not Commercial Spam.
DOMAIN_CATEGORY = 2


@dataclass(slots=True)
class Counts:
    """`marked`: messages that the model calls spam, or that a rule wants deleted; `validated`:
    senders whose domain was looked at."""

    marked: int = 0
    validated: int = 0


def run(batch: Batch, policy: Policy) -> Counts:
    """Apply the policy to `batch.verdict`: its action, `rule`, `rulings` and `shift`."""
    verdict: Verdicts = batch.verdict
    work = _Work(batch, policy)
    work.apply()
    if work.shift.any():
        batch.verdict = verdict = replace(verdict, shift=work.shift)
    if work.rulings:
        batch.verdict = replace(verdict, action=work.action, rule=work.rule, rulings=work.rulings)
    forged = work.rule == Rule.SPOOFED_WHITELIST
    return Counts(int(np.count_nonzero(work.marked | forged)), work.validated)


def protected(batch: Batch, policy: Policy) -> np.ndarray:
    """bool (n,): rows that patterns of the user's protect; the verdict stays as it is."""
    work = _Work(batch, policy)
    work.protect()
    return work.rule == Rule.USER_PROTECTED


def trust(batch: Batch) -> np.ndarray:
    """uint8 (n,). PASSED: DMARC passed, or SPF or DKIM did for the sender's own domain. FAILED:
    DMARC failed, or nothing of these passed and SPF or DKIM failed. UNKNOWN: nobody said."""
    out = np.zeros(len(batch), np.uint8)
    auth = getattr(batch.enrichment, "auth", None)
    if auth is None:
        return out
    none = Alignment.NONE
    passed = (auth.dmarc == Result.PASS) | (auth.spf_aligned != none) | (auth.dkim_aligned != none)
    failed = (auth.spf == Result.FAIL) | (auth.dkim == Result.FAIL)
    out[failed] = FAILED
    out[passed] = PASSED
    out[auth.dmarc == Result.FAIL] = FAILED
    return out


def shift(batch: Batch) -> np.ndarray:
    """int16 (n,): percent points that authentication adds to the confidence in the category: the
    original's modifier, which is negative where a sender failed, so that it is taken from the
    confidence in spam."""
    auth = getattr(batch.enrichment, "auth", None)
    if auth is None:
        return np.zeros(len(batch), np.int16)
    points = auth.confidence_modifier.astype(np.int16)
    return np.where(batch.verdict.category >= FIRST_SPAM, -points, points)


class Haystack:
    """The texts of a column in lower case, as one text with the places where each begins."""

    def __init__(self, column: TextColumn):
        offsets = np.asarray(column.offsets)
        first, last = int(offsets[0]), int(offsets[-1])
        used = np.asarray(column.data)[first:last]
        self._starts = offsets - first
        whole = used.tobytes().decode("utf-8", "replace")
        if len(whole) != last - first:
            characters = np.zeros(len(used) + 1, np.int64)
            np.cumsum((used & 0xC0) != 0x80, out=characters[1:])
            self._starts = characters[self._starts]
        self._whole = lowered(whole)

    def rows_with(self, text: str) -> list[int]:
        """Rows in which the text stands, in their order."""
        rows, whole, starts, size = [], self._whole, self._starts, len(text)
        at = whole.find(text)
        while at >= 0:
            row = int(np.searchsorted(starts, at, "right")) - 1
            stop = int(starts[row + 1])
            if at + size <= stop:
                rows.append(row)
                at = whole.find(text, stop)
            else:
                at = whole.find(text, at + 1)
        return rows


class _Work:
    def __init__(self, batch: Batch, policy: Policy):
        assert batch.headers is not None and batch.verdict is not None
        self.batch = batch
        self.policy = policy
        self.verdict: Verdicts = batch.verdict
        self.action = self.verdict.action.copy()
        self.rule = np.zeros(len(batch), np.uint8)
        self.rulings: dict[int, Ruling] = {}
        self.validated = 0
        self.shift = shift(batch)
        self._spam = self.verdict.action == DELETE
        self.marked = self._spam.copy()

    @cached_property
    def _trust(self) -> np.ndarray:
        return trust(self.batch)

    @cached_property
    def _subject(self) -> Haystack:
        return Haystack(self.batch.headers.subject)  # type: ignore[union-attr]

    @cached_property
    def _sender(self) -> tuple[Haystack, Haystack]:
        headers = self.batch.headers
        assert headers is not None
        return Haystack(headers.from_name), Haystack(headers.from_address)

    def apply(self) -> None:
        """The strongest rule first: what is decided stays."""
        policy = self.policy
        flags = self._flags()
        for row in (row for row, flag in flags.items() if flag in PROTECT):
            self._rule(row, Rule.FLAG_PROTECTED, "Protected by user flag [FLAG_PROTECTED]", None)
        self.protect()
        keywords = self._keywords()
        deleted = [row for row, flag in flags.items() if flag == "DELETE"]
        self.marked[deleted] = True
        self.marked[list(keywords)] = True
        if policy.protect_business and self.marked.any():
            why = "Appointment Confirmation protection override"
            self._business(APPOINTMENT, Rule.APPOINTMENT, why)
            why = "Business Transaction protection override"
            self._business(TRANSACTION, Rule.TRANSACTION, why)
        for row in deleted:
            self._delete_flag(row, keywords.get(row))
        for row, match in keywords.items():
            self._keyword(row, match)
        if policy.validate_domains or policy.validate is not None:
            self._domains()
        self._whitelist()

    def _rule(
        self, row: int, rule: Rule, reason: str, category: str | None, *,
        certain: bool = True, action: int = PRESERVE,
    ) -> None:  # fmt: skip
        if self.rule[row]:
            return
        self.rule[row], self.action[row] = rule, action
        self.rulings[row] = Ruling(rule.name, reason, category, certain)

    def _flags(self) -> dict[int, str]:
        """Flag by row."""
        from_user = self.policy.flags.get(self.batch.source)
        if not from_user:
            return {}
        there = enumerate(self.batch.places)
        return {row: from_user[place] for row, place in there if place in from_user}

    def protect(self) -> None:
        """Patterns of the user's. A sender whose authentication failed is not the one meant."""
        for text in self.policy.protected_subjects:
            for row in self._subject.rows_with(text):
                why = f"Protected pattern: subject {text} [USER_PROTECTED]"
                self._rule(row, Rule.USER_PROTECTED, why, None)
        if self.policy.protected:
            for row, name in self._listed(self.policy.protected, np.arange(len(self.batch))):
                if self._trust[row] != FAILED:
                    why = f"Protected pattern: sender {name} [USER_PROTECTED]"
                    self._rule(row, Rule.USER_PROTECTED, why, None)

    def _listed(self, names: frozenset[str], rows: np.ndarray) -> list[tuple[int, str]]:
        assert self.batch.headers is not None
        return listed(self.batch.headers, names, rows)

    def _keywords(self) -> dict[int, str]:
        """What matched first of the user's by row: a keyword in subject, sender's name or address,
        or a filter of the caller's in the header section."""
        found: dict[int, str] = {}
        for text in self.policy.keywords:
            for place in (self._subject, *self._sender):
                for row in place.rows_with(text):
                    found.setdefault(row, f"Matched: {text}")
        if self.policy.filters:
            for row in range(len(self.batch)):
                matched, text = self.policy.filters.match(self._headers(row))
                if matched:
                    found.setdefault(row, text)
        return found

    def _headers(self, row: int) -> str:
        """The header section as text, as filters see it."""
        batch = self.batch
        assert batch.headers is not None
        start = int(batch.starts[row])
        section = batch.raw[start : start + int(batch.headers.body[row])]
        return bytes(section).decode("utf-8", "ignore")

    @cached_property
    def _marked_subjects(self) -> tuple[np.ndarray, Haystack]:
        """Rows and texts of the marked, for both rules that ask; asked when all are marked."""
        rows = np.flatnonzero(self.marked)
        headers = self.batch.headers
        assert headers is not None
        return rows, Haystack(taken(headers.subject, rows))

    def _business(self, of: Business, rule: Rule, why: str) -> None:
        """Mail of a business: kept where the sender is proved, or nothing speaks against it and
        the model is not sure; never where authentication failed."""
        those, subjects = self._marked_subjects
        found: set[int] = set()
        for text in of.subjects:
            found.update(subjects.rows_with(text))
        if not found:
            return
        at = those[sorted(found)]
        sure = (_tenths(self.verdict)[at] >= CERTAIN_SPAM * 1000) | (
            self.verdict.category[at] == DANGEROUS
        )
        by_name = dict(self._listed(of.domains, at))
        for row, is_sure in zip(at.tolist(), sure.tolist(), strict=True):
            proved, failed = self._trust[row] == PASSED, self._trust[row] == FAILED
            named = row in by_name
            if failed or (is_sure and not (named and proved)):
                continue
            if named or self._has_word(row, of.words):
                self._rule(row, rule, why, "BUSINESS_TRANSACTION")

    def _has_word(self, row: int, words: tuple[str, ...]) -> bool:
        headers = self.batch.headers
        assert headers is not None
        columns = (headers.subject, headers.from_name, headers.from_address)
        text = lowered("\n".join(column[row] for column in columns))
        return any(word in text for word in words)

    def _percent(self, row: int) -> float:
        """The confidence in spam, 0 to 100, authentication counted in."""
        percent = float(self.verdict.probability[row]) * 100 + int(self.shift[row])
        return min(max(percent, 0.0), 100.0)

    def _category(self, row: int) -> str:
        """The stored category of the original."""
        return OLD_CATEGORIES[CATEGORIES[self.verdict.category[row]]]

    def _hybrid(self, row: int) -> str:
        """The original's words for a verdict of the classifier."""
        return f"Hybrid Classifier: {self._category(row)} ({self._percent(row):.1f}% confidence)"

    def _delete_flag(self, row: int, match: str | None) -> None:
        if self._spam[row]:
            why = f"{self._hybrid(row)}{f' + {match}' if match else ''} [FLAGGED_FOR_DELETION]"
        elif match:
            why = f"{match} [FLAGGED_FOR_DELETION+USER_KEYWORD]"
        else:
            why = "Manually flagged for deletion [FLAGGED_FOR_DELETION]"
        self._rule(row, Rule.FLAGGED_FOR_DELETION, why, "Flagged for Deletion", action=DELETE)

    def _keyword(self, row: int, match: str) -> None:
        if not self._spam[row]:
            why = f"{match} [USER_KEYWORD]"
            self._rule(row, Rule.USER_KEYWORD, why, "User Keyword", action=DELETE)
            return
        why = f"{self._hybrid(row)} + {match} [MULTI_MATCH] | Category: {self._category(row)}"
        self._rule(row, Rule.MULTI_MATCH, why, "User Keyword", certain=False, action=DELETE)

    def _domains(self) -> None:
        """Commercial spam that is not sure is kept where the validation of the sender's domain
        says so: the caller's own, or the original's."""
        tenths = _tenths(self.verdict) + self.shift.astype(np.int64) * 10
        rows = np.flatnonzero(
            (self.action == DELETE) & (self.rule == 0)
            & (self.verdict.category == DOMAIN_CATEGORY) & (tenths < CERTAIN_SPAM * 1000)
        )  # fmt: skip
        if not len(rows):
            return
        headers, validate = self.batch.headers, self.policy.validate
        assert headers is not None
        if validate is not None:
            for row in rows.tolist():
                go, why, looked = _asked(validate, headers.from_address[row], headers.subject[row])
                self.validated += looked
                if not go:
                    self._kept_by_domain(row, why)
            return
        if getattr(self.batch.enrichment, "domain", None) is None:
            return
        senders, provider = headers.from_address, self.policy.account_provider
        try:
            may_go, looked_at = allowed(taken(senders, rows), account_provider=provider)
        except ReferenceDataError:  # as for the enrichment: what needs it is unknown
            return
        self.validated += int(np.count_nonzero(looked_at))
        kept = rows[~may_go].tolist()
        texts = validate_many([senders[row] for row in kept], account_provider=provider)
        for row, (_, why, _) in zip(kept, texts, strict=True):
            self._kept_by_domain(row, why)

    def _kept_by_domain(self, row: int, why: str) -> None:
        reason = f"{why} [HYBRID_CLASSIFIER override]"
        self._rule(row, Rule.DOMAIN, reason, None, certain=False)

    def _whitelist(self) -> None:
        """A whitelisted sender is kept, unless authentication failed; where the domain's own policy
        failed (DMARC), it is spam whatever the model says."""
        if not self.policy.whitelist:
            return
        auth = getattr(self.batch.enrichment, "auth", None)
        forged = np.zeros(len(self.batch), bool) if auth is None else auth.dmarc == Result.FAIL
        rows = np.flatnonzero((self.rule == 0) & ((self.action == DELETE) | forged))
        for row, name in self._listed(self.policy.whitelist, rows):
            if forged[row]:
                why = f"Whitelisted sender {name} failed DMARC [SPOOFED_WHITELIST]"
                self._rule(
                    row, Rule.SPOOFED_WHITELIST, why, "Phishing", certain=False, action=DELETE
                )
            elif self._trust[row] != FAILED:
                why = "Sender domain is whitelisted [WHITELIST override]"
                self._rule(row, Rule.WHITELIST, why, "Whitelisted")


def _tenths(verdict: Verdicts) -> np.ndarray:
    """Percent of spam in tenths, as the store has it: what is shown as 90 % is 90 %."""
    return np.rint(verdict.probability.astype(np.float64) * 1000)


def _asked(validate: Validate, sender: str, subject: str) -> Triple:
    try:
        go, why, looked = validate(sender, subject)
        return bool(go), str(why), bool(looked)
    except Exception as error:  # the caller's own code; what it cannot say keeps the message
        return False, f"Domain validation failed: {type(error).__name__}", False


def listed(
    headers: HeaderColumns, names: frozenset[str], rows: np.ndarray
) -> list[tuple[int, str]]:
    """(row, name of the list) where the From address, its domain or one above it is listed."""
    addresses, domains = headers.from_address, headers.from_domain
    known: dict[str, str] = {}
    found = []
    for row in rows.tolist():
        address = addresses[row].lower()
        if address in names:
            found.append((row, address))
            continue
        domain = domains[row]
        if domain not in known:
            known[domain] = _above(domain.lower(), names)
        if known[domain]:
            found.append((row, known[domain]))
    return found


def _above(domain: str, names: frozenset[str]) -> str:
    """The domain, or the nearest above it, that is listed; empty when none is."""
    while domain:
        if domain in names:
            return domain
        domain = domain.partition(".")[2]
    return ""


def taken(column: TextColumn, rows: np.ndarray) -> TextColumn:
    """The texts of these rows, as a column of its own."""
    starts, stops = column.offsets[:-1][rows], column.offsets[1:][rows]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(stops - starts, out=offsets[1:])
    at = np.repeat(starts - offsets[:-1], stops - starts) + np.arange(offsets[-1])
    return TextColumn(np.asarray(column.data, np.uint8)[at], offsets)
