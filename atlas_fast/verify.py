"""Real checks of DKIM, ARC, SPF and DMARC: the extra `verify` (dkimpy, pyspf, dnspython).

Nothing imports this module unless it is asked for: it waits for the DNS. `run` takes a batch and
a resolver of dnspython; answers are kept in a mapping with their time to live. Old mail fails
honestly: keys are withdrawn and networks change hands, so what is checked today is not what the
receiver saw (docs/authentication.md).
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from atlas_fast import limits
from atlas_fast.auth import Alignment, Result, parse_dkim_signature
from atlas_fast.headers import HeaderColumns, Headers
from atlas_fast.origin import OriginColumns, Reason, Trusted

if TYPE_CHECKING:
    from atlas_fast.batch import Batch

__all__ = ["Answer", "DnsCache", "Lookup", "SignatureCheck", "Verified", "run", "verify_message"]

Organizational = Callable[[str], str | None]
"""A domain to its organizational domain, or None."""


class Answer(NamedTuple):
    """What the DNS said: `values` of one type, empty where there are none."""

    expires: float  # seconds since the epoch
    values: tuple[Any, ...]  # TXT: tuples of bytes; A, AAAA, PTR: str; MX: (int, str)


class DnsTimeout(Exception):
    """No answer in time, or a budget is spent: a result may be had another time."""


class DnsCache(MutableMapping[tuple[str, str], Answer]):
    """Answers by (name, type), bounded: the one that was used longest ago goes first."""

    def __init__(self, limit: int = limits.MAX_DNS_ANSWERS):
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._limit = limit

    def __getitem__(self, key: tuple[str, str]) -> Answer:
        answer = self._answers[key]
        self._answers.move_to_end(key)
        return answer

    def __setitem__(self, key: tuple[str, str], answer: Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > self._limit:
            self._answers.popitem(last=False)

    def __delitem__(self, key: tuple[str, str]) -> None:
        del self._answers[key]

    def __iter__(self):
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)


class Lookup:
    """Questions of one message: through the cache, within a number and a time."""

    def __init__(
        self,
        resolver: Any,
        cache: MutableMapping[tuple[str, str], Answer],
        clock: Callable[[], float] = time.time,
    ):
        self._resolver = resolver
        self._cache = cache
        self._clock = clock
        self._queries = 0
        self._waited = 0.0

    def get(self, name: str, kind: str) -> tuple[Any, ...]:
        """Values of a name; DnsTimeout where nobody says whether there are any."""
        key = name.lower().removesuffix("."), kind
        known = self._cache.get(key)
        if known is not None and known.expires > self._clock():
            return known.values
        if self._queries >= limits.MAX_DNS_QUERIES or self._waited >= limits.MAX_DNS_SECONDS:
            raise DnsTimeout("the budget of the message is spent")
        self._queries += 1
        start = time.monotonic()
        try:
            values, ttl = self._ask(key[0], kind, limits.MAX_DNS_SECONDS - self._waited)
        finally:
            self._waited += time.monotonic() - start
        ttl = max(0, min(ttl, limits.MAX_DNS_TTL))
        self._cache[key] = Answer(self._clock() + ttl, values)
        return values

    def _ask(self, name: str, kind: str, left: float) -> tuple[tuple[Any, ...], int]:
        import dns.exception
        import dns.name
        import dns.rdatatype
        import dns.resolver

        lifetime = min(left, self._resolver.lifetime)
        try:
            answer = self._resolver.resolve(name, kind, lifetime=lifetime, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return (), limits.NEGATIVE_DNS_TTL
        except (dns.exception.Timeout, dns.resolver.NoNameservers) as error:
            raise DnsTimeout(type(error).__name__) from None
        except (dns.exception.DNSException, UnicodeError, ValueError):  # a name that is none
            return (), limits.NEGATIVE_DNS_TTL
        return tuple(_plain(rdata, kind) for rdata in answer), int(answer.rrset.ttl)

    def txt(self, name: str) -> list[bytes]:
        """TXT records, the strings of each joined."""
        return [b"".join(strings) for strings in self.get(name, "TXT")]


def _plain(rdata: Any, kind: str) -> Any:
    if kind in ("A", "AAAA"):
        return rdata.address
    if kind == "MX":
        return rdata.preference, rdata.exchange.to_text(True)
    if kind == "PTR":
        return rdata.target.to_text(True)
    return tuple(rdata.strings)


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """One DKIM-Signature: whose, and what became of it."""

    domain: str
    selector: str
    result: Result
    reason: str


@dataclass(frozen=True, slots=True)
class Verified:
    """One message. `spf_domain` is the domain that SPF was asked for; `policy` the DMARC policy
    that applies, empty without a record."""

    spf: Result
    spf_domain: str
    dkim: Result
    signatures: tuple[SignatureCheck, ...]
    arc: Result
    dmarc: Result
    policy: str


class _Silent:
    """The logger that dkimpy wants: what it says of hostile mail is nobody's news."""

    def debug(self, *_: Any) -> None: ...
    def info(self, *_: Any) -> None: ...
    def warning(self, *_: Any) -> None: ...
    def error(self, *_: Any) -> None: ...


class _Keys:
    """What dkimpy asks for keys; remembers what went wrong, as dkimpy does not tell."""

    def __init__(self, lookup: Lookup):
        self._lookup = lookup
        self.timed_out = self.missing = False

    def __call__(self, name: bytes, timeout: float = 5) -> bytes | None:
        try:
            found = self._lookup.txt(name.decode("utf-8", "replace"))
        except DnsTimeout:
            self.timed_out = True
            return None
        if not found:
            self.missing = True
            return None
        return found[0]

    def outcome(self) -> tuple[Result, str]:
        """Why a check without an error of its own did not pass."""
        if self.timed_out:
            return Result.TEMPERROR, "no answer from the DNS"
        if self.missing:
            return Result.PERMERROR, "no key"
        return Result.FAIL, "signature does not fit"


def check_dkim(raw: bytes, lookup: Lookup) -> tuple[SignatureCheck, ...]:
    """The first signatures of a message, at most limits.MAX_VERIFIED_SIGNATURES."""
    import dkim

    try:
        message = dkim.DKIM(raw, logger=_Silent())
    except dkim.DKIMException:
        return ()
    bodies = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    found = []
    for number, body in enumerate(bodies[: limits.MAX_VERIFIED_SIGNATURES]):
        tags, keys = parse_dkim_signature(body), _Keys(lookup)
        try:
            if message.verify(number, dnsfunc=keys):
                result, reason = Result.PASS, "signature fits"
            else:
                result, reason = keys.outcome()
        except dkim.DKIMException as error:
            reason = str(error)
            mismatch = reason.startswith("body hash mismatch")
            result = Result.FAIL if mismatch else Result.PERMERROR
            reason = "body hash does not fit" if mismatch else reason
        except Exception as error:  # hostile tags reach code that does not expect them
            result, reason = Result.PERMERROR, f"{type(error).__name__}: {error}"
        found.append(SignatureCheck(tags.domain, tags.selector, result, reason[:200]))
    return tuple(found)


def check_arc(raw: bytes, lookup: Lookup) -> Result:
    """The ARC chain (RFC 8617, 5.2): NONE without one."""
    import dkim

    keys = _Keys(lookup)
    try:
        cv, results, _ = dkim.ARC(raw, logger=_Silent()).verify(dnsfunc=keys)
    except dkim.DKIMException:
        return Result.FAIL
    except Exception:  # as above
        return Result.FAIL
    if cv == dkim.CV_Pass:
        return Result.PASS
    if cv == dkim.CV_None and not results:
        return Result.NONE
    return Result.TEMPERROR if keys.timed_out else Result.FAIL


def check_spf(ip: str, sender: str, helo: str, lookup: Lookup) -> Result:
    """RFC 7208 for an address, an envelope sender (empty: postmaster@helo) and a HELO name."""
    import spf

    class Query(spf.query):
        """pyspf, asking our cache."""

        def dns(self, name, qtype, cnames=None, ignore_void=False):
            text = str(name).removesuffix(".")
            labels = text.split(".")
            if not all(0 < len(label) < 64 for label in labels) or len(text) > 253:
                return []
            try:
                found = list(lookup.get(text, qtype))
            except DnsTimeout as error:
                raise spf.TempError(f"DNS {error}") from None
            if not found and not ignore_void:
                self.void_lookups += 1
                if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                    raise spf.PermError("too many void lookups")
            return found

    try:
        word, _, _ = Query(i=ip, s=sender, h=helo, querytime=limits.MAX_DNS_SECONDS).check()
    except Exception:  # hostile records and macros reach code that does not expect them
        return Result.PERMERROR
    return Result.__members__.get(word.upper(), Result.OTHER)


def _align(a: str, b: str, organizational: Organizational | None) -> Alignment:
    if not a or not b:
        return Alignment.NONE
    if a == b:
        return Alignment.STRICT
    if organizational is None:
        return Alignment.NONE
    mine = organizational(a)
    same = mine is not None and mine == organizational(b)
    return Alignment.RELAXED if same else Alignment.NONE


def _dmarc_tags(lookup: Lookup, domain: str) -> dict[str, str] | None:
    """The tags of the only DMARC record of a domain, or None."""
    found = [
        record
        for record in lookup.txt(f"_dmarc.{domain}")
        if re.match(rb"v\s*=\s*DMARC1\b", record)
    ]
    if len(found) != 1:  # RFC 7489, 6.6.3
        return None
    tags = parse_dkim_signature(found[0]).tags  # the same form
    return {name.lower(): value.strip().lower() for name, value in tags.items()}


def check_dmarc(
    sender: str,
    spf: tuple[Result, str],
    signatures: tuple[SignatureCheck, ...],
    lookup: Lookup,
    organizational: Organizational | None = None,
) -> tuple[Result, str]:
    """(result, policy) of a From domain (RFC 7489, 6.6). Without `organizational` only the domain
    itself is asked and alignment is strict."""
    if not sender:
        return Result.NONE, ""
    try:
        tags, base = _dmarc_tags(lookup, sender), sender
        if tags is None and organizational is not None:
            base = organizational(sender) or sender
            if base != sender:
                tags = _dmarc_tags(lookup, base)
    except DnsTimeout:
        return Result.TEMPERROR, ""
    if tags is None:
        return Result.NONE, ""
    policy = tags.get("p", "none")
    if base != sender:
        policy = tags.get("sp", policy)
    if policy not in ("none", "quarantine", "reject"):
        return Result.PERMERROR, ""

    def enough(domain: str, mode: str) -> bool:
        found = _align(sender, domain, organizational)
        return found is Alignment.STRICT or (found is Alignment.RELAXED and tags.get(mode) != "s")

    aligned = [one.result for one in signatures if enough(one.domain, "adkim")]
    if enough(spf[1], "aspf"):
        aligned.append(spf[0])
    for result in (Result.PASS, Result.TEMPERROR):
        if result in aligned:
            return result, policy
    return Result.FAIL, policy


def _best(signatures: tuple[SignatureCheck, ...], sender: str, organizational) -> Result:
    """One word for all signatures: an aligned pass, any pass, else the first."""
    if not signatures:
        return Result.NONE
    return max(
        signatures,
        key=lambda one: (one.result is Result.PASS, _align(sender, one.domain, organizational)),
    ).result


def verify_message(
    raw: bytes,
    head: Headers,
    lookup: Lookup,
    *,
    sender: str,
    ip: str | None = None,
    hop: int = -1,
    organizational: Organizational | None = None,
) -> Verified:
    """All checks of one message. `ip`: the peer that the receiver saw at Received field `hop`;
    without it SPF is NONE. The envelope sender is that of the topmost Return-Path."""
    result, domain = Result.NONE, ""
    path = head.get_raw("Return-Path")
    if ip is not None and path is not None:
        envelope = path.decode("utf-8", "replace").strip().removeprefix("<").removesuffix(">")
        envelope = envelope[: limits.MAX_DOMAIN_BYTES * 2]
        trace = head.received
        helo = (trace[hop].helo or "") if 0 <= hop < len(trace) else ""
        domain = (envelope.rpartition("@")[2] or helo).lower().removesuffix(".")
        if domain:
            result = check_spf(ip, envelope, helo[: limits.MAX_DOMAIN_BYTES] or domain, lookup)
    signatures = check_dkim(raw, lookup)
    dmarc, policy = check_dmarc(sender, (result, domain), signatures, lookup, organizational)
    arc = check_arc(raw, lookup)
    best = _best(signatures, sender, organizational)
    return Verified(result, domain, best, signatures, arc, dmarc, policy)


class VerifiedColumns:
    """uint8 (n,) Results: `spf`, `dkim`, `arc`, `dmarc`; `rows`: a Verified for each message."""

    def __init__(self, rows: list[Verified]):
        self.rows = rows
        self.spf, self.dkim, self.arc, self.dmarc = (
            np.array([getattr(row, name) for row in rows], np.uint8)
            for name in ("spf", "dkim", "arc", "dmarc")
        )

    def __len__(self) -> int:
        return len(self.rows)


def run(
    batch: Batch,
    resolver: Any,
    cache: MutableMapping[tuple[str, str], Answer],
    *,
    trusted: Trusted | None = None,
    organizational: Organizational | None = None,
    clock: Callable[[], float] = time.time,
) -> VerifiedColumns:
    """Check every message of a batch whose headers are parsed; waits for the DNS.

    SPF is asked where the receiver saw an outside address (Reason.FIRST_EXTERNAL). Raises
    ValueError for a batch without header columns, ImportError without the extra.
    """
    headers: HeaderColumns | None = batch.headers
    if headers is None:
        raise ValueError("the headers of the batch are not parsed")
    origins, rows = OriginColumns(headers, trusted), []
    for i in range(len(batch)):
        seen, lookup = origins.row(i), Lookup(resolver, cache, clock)
        ip = str(seen.ip) if seen.reason is Reason.FIRST_EXTERNAL else None
        sender = headers.from_domain[i].removesuffix(".")
        rows.append(
            verify_message(
                batch.message(i), headers.row(i), lookup, sender=sender, ip=ip, hop=seen.hop,
                organizational=organizational,
            )
        )  # fmt: skip
    return VerifiedColumns(rows)
