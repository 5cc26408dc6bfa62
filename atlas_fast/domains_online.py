"""What only the network knows of a domain: its age (WHOIS), and whether it takes mail (DNS).

Nothing in a run calls this: whoever wants it makes an `OnlineDomains` and hands its `age` to
`validate` as `lookup`. Questions are rate-limited, answers are cached, and a question that cannot
be answered is an answer of its own. Needs the extra `online` (python-whois, dnspython).
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from atlas_fast import limits
from atlas_fast.domains import is_provider
from atlas_fast.errors import UsageError, extra

__all__ = ["ExpiringCache", "MemoryCache", "OnlineDomains", "age_class"]

DAY = 86_400


class ExpiringCache(Protocol):
    """What a cache must have. Values are numbers and short strings; None means "not there"."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any, ttl: float) -> None: ...


class MemoryCache:
    """At most `size` answers of this process; the oldest go first."""

    def __init__(
        self, size: int = limits.ONLINE_ANSWERS, clock: Callable[[], float] = time.monotonic
    ):
        self._rows: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._size, self._clock = size, clock

    def get(self, key: str) -> Any:
        row = self._rows.get(key)
        if row is None or row[0] < self._clock():
            return None
        return row[1]

    def set(self, key: str, value: Any, ttl: float) -> None:
        self._rows.pop(key, None)
        self._rows[key] = (self._clock() + ttl, value)
        while len(self._rows) > self._size:
            self._rows.popitem(last=False)


def age_class(created: datetime | None, provider: str, now: datetime) -> str:
    """ "SAFE", "QUARANTINE" or "SUSPICIOUS" by age in whole days; unknown is "QUARANTINE".

    A date without a zone counts as UTC. Mail by iCloud has lower bounds, as in the original.
    """
    if created is None:
        return "QUARANTINE"
    if created.tzinfo is None:
        created = created.replace(tzinfo=UTC)
    days = (now - created).days
    young, middle = (14, 60) if provider == "icloud" else (30, 90)
    if days < young:
        return "SUSPICIOUS"
    return "QUARANTINE" if days < middle else "SAFE"


class OnlineDomains:
    """Answers about registrable domains, one question at a time.

    `per_second` bounds the questions of each kind; `timeout` (seconds) one question. `whois` takes
    a domain and gives what python-whois gives; `resolver` is one of dnspython's. Both are made from
    the extra's packages when first needed: UsageError when they are absent.
    """

    def __init__(
        self,
        *,
        cache: ExpiringCache | None = None,
        per_second: float = 1.0,
        timeout: float = 10.0,
        ttl: float = 7 * DAY,
        failure_ttl: float = 3600.0,
        whois: Callable[[str], Any] | None = None,
        resolver: Any = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        if per_second <= 0 or timeout <= 0:
            raise UsageError("per_second and timeout must be above 0")
        self._cache: ExpiringCache = MemoryCache() if cache is None else cache
        self._interval, self._timeout = 1.0 / per_second, timeout
        self._ttl, self._failure_ttl = ttl, failure_ttl
        self._whois, self._resolver = whois, resolver
        self._clock, self._sleep, self._now = clock, sleep, now
        self._next = {"whois": 0.0, "dns": 0.0}
        self._locks = {"whois": threading.Lock(), "dns": threading.Lock()}

    def age(self, domain: str, provider: str = "unknown") -> str:
        """The age class of a registrable domain: a `lookup` for `validate`."""
        return self.known_age(domain, provider)[0]

    def known_age(self, domain: str, provider: str = "unknown") -> tuple[str, bool]:
        """The class, and whether it is known: the domain is a provider's, or WHOIS gave a date."""
        if is_provider(domain):
            return "SAFE", True
        created = self.created(domain)
        return age_class(created, provider, self._now()), created is not None

    def created(self, domain: str) -> datetime | None:
        """When a registrable domain was registered, or None when WHOIS does not say."""
        stamp = self._answer("whois", domain, self._ask_whois)
        return None if stamp == "" else datetime.fromtimestamp(stamp, UTC)

    def accepts_mail(self, domain: str) -> bool | None:
        """Has it an MX or an address (RFC 5321, 5.1) and no null MX (RFC 7505)? None: no answer."""
        return {"yes": True, "no": False}.get(self._answer("dns", domain, self._ask_dns))

    def _answer(self, kind: str, domain: str, ask: Callable[[str], Any]) -> Any:
        """From the cache, or asked; "" is kept for what had no answer, for a shorter time."""
        domain = domain.lower().rstrip(".")
        if not 0 < len(domain) <= limits.MAX_NAME_CHARACTERS:
            return ""
        key = f"{kind}:{domain}"
        found = self._cache.get(key)
        if found is not None:
            return found
        with self._locks[kind]:  # one question of a kind at a time
            found = self._cache.get(key)
            if found is not None:
                return found
            wait = self._next[kind] - self._clock()
            if wait > 0:
                self._sleep(wait)
            found = ask(domain)  # raises only where nobody can be asked
            self._next[kind] = self._clock() + self._interval
            self._cache.set(key, found, self._failure_ttl if found == "" else self._ttl)
        return found

    def _ask_whois(self, domain: str) -> int | str:
        """Seconds since 1970 of the creation date, or ""."""
        ask = self._whois or self._python_whois()
        try:
            date = ask(domain)["creation_date"]
        except Exception:  # the package raises what servers and sockets make it raise
            return ""
        if isinstance(date, list):
            date = date[0] if date else None
        if not isinstance(date, datetime):
            return ""
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())

    def _python_whois(self) -> Callable[[str], Any]:
        try:
            from whois import whois
        except ImportError:
            raise UsageError(f"WHOIS needs python-whois: {extra('online')}") from None
        self._whois = lambda domain: whois(domain, timeout=max(1, int(self._timeout)), quiet=True)
        return self._whois

    def _ask_dns(self, domain: str) -> str:
        """ "yes", "no", or "" when nobody answered."""
        try:
            import dns.exception
            import dns.name
            import dns.resolver
        except ImportError:
            raise UsageError(f"DNS needs dnspython: {extra('online')}") from None
        if self._resolver is None:
            self._resolver = dns.resolver.Resolver()
        for kind in ("MX", "A", "AAAA"):
            try:
                found = self._resolver.resolve(domain, kind, lifetime=self._timeout)
            except dns.resolver.NXDOMAIN:
                return "no"
            except dns.resolver.NoAnswer:
                continue
            except (dns.exception.DNSException, OSError, UnicodeError):
                return ""
            if kind == "MX" and all(row.exchange == dns.name.root for row in found):
                return "no"
            return "yes"
        return "no"
