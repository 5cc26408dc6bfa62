"""`validate`: may a message of this sender be deleted, by what its domain looks like?

The answers are those of the original's `validate_domain_before_deletion`, word for word. The age of
a domain is asked of `lookup` only; without one, the answers are the original's without WHOIS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from atlas_fast.domains import (
    PROVIDERS,
    SUSPICIOUS_SCORE,
    TRAITS,
    Column,
    DomainColumns,
    judge_many,
    reason_texts,
)

__all__ = ["Lookup", "Triple", "allowed", "validate", "validate_many"]

Triple = tuple[bool, str, bool]
"""May it be deleted, why, and did a suspicion rule decide."""

Lookup = Callable[[str, str], str]
"""(registrable domain, sender's provider) to "SAFE", "QUARANTINE" or "SUSPICIOUS": its age."""

_THRESHOLDS = {"icloud": 75, "gmail": 80}
_LENIENT = ("icloud", "gmail", "outlook")


def validate(
    sender: str | None,
    subject: str = "",
    *,
    account_provider: str | None = None,
    lookup: Lookup | None = None,
) -> Triple:
    """The original's triple for one sender; `subject` is not used, as there."""
    return validate_many([sender], account_provider=account_provider, lookup=lookup)[0]


def validate_many(
    senders: Sequence[str | None],
    *,
    account_provider: str | None = None,
    lookup: Lookup | None = None,
) -> list[Triple]:
    """Triples of many senders: one pass for all, then `lookup` where the age decides."""
    judged = judge_many([sender or "" for sender in senders])
    names = judged.names.tolist()
    threshold = _THRESHOLDS.get(account_provider or "", 70)
    return [_triple(judged, i, names[i], threshold, lookup) for i in range(len(names))]


def allowed(
    senders: Column | Sequence[str], *, account_provider: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Two of bool (n,): first and last part of the triples of many senders, without a lookup."""
    rows = judge_many(senders).rows
    traits, score = rows["traits"], rows["score"]
    threshold = _THRESHOLDS.get(account_provider or "", 70)
    lenient = np.isin(rows["provider"], [PROVIDERS.index(name) for name in _LENIENT])
    medium = np.minimum(score, 100) >= np.where(lenient, 65, 60)
    suspicious = score >= SUSPICIOUS_SCORE
    no_at, gibberish = (traits & TRAITS["NO_AT"]) != 0, (traits & TRAITS["IS_GIBBERISH"]) != 0
    known, hard = (traits & TRAITS["KNOWN"]) != 0, (traits & TRAITS["HARD"]) != 0
    weak = (traits & TRAITS["WEAK"]) != 0
    high = suspicious & (np.minimum(score, 100) >= threshold)
    go = np.select(  # the first that holds decides, as in _triple
        [no_at | gibberish, known, high, hard, suspicious, weak],
        [True, False, True, True, medium, False],
        True,
    )
    looked = np.select([no_at, gibberish, known], [False, True, False], suspicious | hard | weak)
    return go, looked


def _triple(
    judged: DomainColumns, i: int, domain: str, threshold: int, lookup: Lookup | None
) -> Triple:
    row = judged.rows[i]
    traits = int(row["traits"])
    if traits & TRAITS["NO_AT"]:
        return True, "Invalid sender format", False
    if traits & TRAITS["IS_GIBBERISH"]:
        return True, "Detected as highly gibberish email", True
    provider = PROVIDERS[row["provider"]]
    if traits & TRAITS["KNOWN"]:
        context = "" if provider == "unknown" else f" ({provider})"
        return False, f"Major email provider{context} - PRESERVED", False
    confidence = min(int(row["score"]), 100)
    reasons = reason_texts(row, provider)
    suspicious = row["score"] >= SUSPICIOUS_SCORE
    if suspicious and confidence >= threshold:
        why = "; ".join(reasons[:3])
        return True, f"ML High Confidence Spam ({confidence}%): {why}", True
    if traits & TRAITS["HARD"]:
        return True, f"Traditional pattern detection: {domain}", True
    if suspicious:
        registered = judged.registered(i)
        why = "; ".join(reasons[:2])
        return _medium(registered, confidence, why, provider, lookup)
    if traits & TRAITS["WEAK"]:
        obvious = bool(traits & TRAITS["OBVIOUS"])
        return _traditional(domain, judged.registered(i), obvious, provider, lookup)
    return True, "Domain analysis complete - defer to ML classification", False


def _medium(
    registered: str, confidence: int, why: str, provider: str, lookup: Lookup | None
) -> Triple:
    """A score below the threshold: the age decides."""
    found = f"ML suspicious ({confidence}%)"
    if lookup is None:
        if confidence >= (65 if provider in _LENIENT else 60):
            return True, f"ML Medium-High Confidence ({confidence}%): {why}", True
        return False, f"{found} but WHOIS unavailable - preserved", True
    age = lookup(registered, provider)
    if age == "SAFE":
        return False, f"{found} but domain age > 90 days: {registered}", True
    if age == "QUARANTINE":
        return False, f"{found} and young domain - manual review needed: {registered}", True
    return True, f"{found} and very new domain: {why}", True


def _traditional(
    domain: str, registered: str, obvious: bool, provider: str, lookup: Lookup | None
) -> Triple:
    """A weak pattern: the age decides."""
    found = "Traditional suspicious pattern"
    if lookup is None:
        return False, f"{found} but WHOIS unavailable - preserved: {domain}", True
    age = lookup(registered, provider)
    if age == "SAFE":
        return False, f"{found} but domain age > 90 days: {registered}", True
    if age == "QUARANTINE":
        if obvious:
            return True, f"{found} with obvious spam domain: {registered}", True
        return False, f"{found} and young domain - manual review needed: {registered}", True
    return True, f"{found} and very new domain (< 30 days): {registered}", True
