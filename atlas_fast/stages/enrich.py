"""Origin, geography, domains and authentication of a batch.

Each is a stage of its own, so that a run tells what it costs. Equal values of a batch are made one
(`intern`), the distinct ones are asked for at the cache, and what nobody knows is computed by the
kernels, all of it at once; columns are gathered from there. What is kept where is in docs/cache.md.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from atlas_fast import domains, limits
from atlas_fast._kernels.buffers import Bytes
from atlas_fast._kernels.claims import claims_batch
from atlas_fast._kernels.hosts import hosts_batch
from atlas_fast._kernels.intern import intern_batch
from atlas_fast.auth import AuthColumns, AuthSettings, Judged
from atlas_fast.batch import Batch
from atlas_fast.cache import Cache, CachedKind, open_cache
from atlas_fast.errors import ReferenceDataError
from atlas_fast.geo import GEO_DTYPE, UNKNOWN, Geo, open_geo
from atlas_fast.headers import TextColumn
from atlas_fast.origin import OriginColumns, Trusted
from atlas_fast.stages.relays import relays_of

__all__ = ["DOMAIN_DTYPE", "Enricher", "Enrichment"]

log = logging.getLogger("atlas_fast.enrich")

DOMAIN_DTYPE = np.dtype(
    [
        ("registrable", np.int16),
        ("stop", np.int16),
        ("suffix", np.int16),
        ("score", np.int16),
        ("reasons", np.uint32),
        ("traits", np.uint32),
        ("looks", np.uint32),
        ("brand", np.int16),
        ("places", np.uint8),
        ("reputation", np.uint8),
        ("entropy", np.float32),
    ]
)
"""What the name of a domain says. `registrable`, `suffix`: where they start in the name, or -1;
both end at `stop`. `score`, `reasons`, `traits`, `reputation`, `entropy`: as in domains.ROW_DTYPE,
judged without a sender; `looks` and `brand` as in domains.LookColumns; `places`: flags of
domains.SuffixColumns. Without a domain all are 0, and the places -1."""

GEO_VALUE = np.dtype([("risk", "<f4")])
AUTH_VALUE = np.dtype([("dmarc", "u1", (2,)), ("columns", "u1", (8,)), ("modifier", "<f4")])
_NO_DOMAIN = np.zeros(1, DOMAIN_DTYPE)
for _place in ("registrable", "stop", "suffix", "brand"):
    _NO_DOMAIN[_place] = -1

LOOK_SECONDS = 1.0
"""How long reference data are used before a run looks for newer ones."""

SUSPICIOUS_SCORE = domains.SUSPICIOUS_SCORE
_UNKNOWN_CONTEXT = domains.PROVIDERS.index("unknown")


@dataclass(slots=True)
class Enrichment:
    """What is known of the messages of a batch; None where it was not asked or cannot be had.

    `origin`: OriginColumns. `geo`: GEO_DTYPE (n,), record UNKNOWN without an address.
    `domain`: DOMAIN_DTYPE (n,) of the From domains. `reply_elsewhere` bool (n,): replies go to
    another registrable domain; `links_elsewhere` int32 (n,): links that do; `link_score` int16
    (n,): the worst score of a link's domain. `auth`: AuthColumns. `verified`: VerifiedColumns.
    """

    origin: OriginColumns
    geo: np.ndarray | None = None
    domain: np.ndarray | None = None
    reply_elsewhere: np.ndarray | None = None
    links_elsewhere: np.ndarray | None = None
    link_score: np.ndarray | None = None
    auth: AuthColumns | None = None
    verified: Any = None

    @property
    def suspicious(self) -> np.ndarray | None:
        """bool (n,): the From domain's score is at least SUSPICIOUS_SCORE."""
        return None if self.domain is None else self.domain["score"] >= SUSPICIOUS_SCORE


class Enricher:
    """The enrichment stages with their settings; any thread may use it.

    `trusted_relays`: addresses, prefixes and names of the receiver's own relays; `authserv_ids`:
    the names under which the receiver writes results; `verify`: ask the DNS and check signatures,
    which takes long. Without reference data the columns that need it stay None, and `notes` has a
    line. Raises UsageError, SettingsError, and ImportError for `verify` without the extra.
    """

    def __init__(
        self,
        *,
        trusted_relays: Iterable[str] = (),
        authserv_ids: Iterable[str] = (),
        verify: bool = False,
        cache: Cache | None = None,
    ):
        self._relays, self._authserv_ids = tuple(trusted_relays), tuple(authserv_ids)
        self._checks: _Checks | None = None
        self.trust()
        self.cache = open_cache() if cache is None else cache
        self._notes: list[str] = []
        self._lock = threading.Lock()
        self._secret = np.frombuffer(os.urandom(16), np.uint64)
        self._geo: Geo | None = None
        self._next_look = 0.0
        self._checks = _Checks(self.trusted) if verify else None
        self._refresh()

    def trust(self, relays: Iterable[str] = ()) -> None:
        """Count these as the receiver's own, beside `trusted_relays`; not while a run lasts.
        Raises UsageError."""
        self.trusted = Trusted(*relays_of((*self._relays, *relays)))
        self.auth_settings = AuthSettings(self._authserv_ids, trusted=self.trusted)
        if self._checks is not None:
            self._checks = _Checks(self.trusted)

    @property
    def notes(self) -> list[str]:
        """Lines for people: what could not be had."""
        return [*self._notes, *self.cache.notes]

    @property
    def stages(self) -> list[tuple[str, Callable[[Batch], None]]]:
        """In their order; the first makes `batch.enrichment`."""
        made: list[tuple[str, Callable[[Batch], None]]] = [
            ("origin", self.origin), ("geo", self.geo), ("domains", self.domains),
            ("auth", self.auth), ("cache", self.keep),
        ]  # fmt: skip
        if self._checks is not None:
            made.append(("verify", self.verify))
        return made

    def _refresh(self) -> Geo | None:
        """Geography of the current reference data, or of the last that was right."""
        if self._geo is not None and time.monotonic() < self._next_look:
            return self._geo
        self._next_look = time.monotonic() + LOOK_SECONDS
        try:
            geo = open_geo()
        except (ReferenceDataError, OSError) as error:
            text = f"reference data cannot be had, what needs it is unknown: {error}"
            with self._lock:
                if text not in self._notes:
                    self._notes.append(text)
                    log.info("%s", text)
            return self._geo
        self._geo = geo
        return geo

    def origin(self, batch: Batch) -> None:
        """Where messages entered."""
        assert batch.headers is not None, "parse comes before enrich"
        batch.enrichment = Enrichment(OriginColumns(batch.headers, self.trusted))

    def geo(self, batch: Batch) -> None:
        """Country, AS number, organisation and risk of the origins."""
        geo = self._refresh()
        if geo is None:
            return
        origin: OriginColumns = batch.enrichment.origin
        out = np.zeros(len(batch), GEO_DTYPE)
        out["record"] = UNKNOWN
        there = np.flatnonzero(origin.family)
        if len(there):
            ids = geo.locate_many(origin.address[there])
            country, asn, organisation = geo.columns(ids)
            countries, inverse = np.unique(country, return_inverse=True)
            made_from = geo.reference.generation.encode() + geo.risks
            kind = self.cache.kind("geographic", GEO_VALUE, made_from)
            starts = np.arange(0, 2 * len(countries), 2, dtype=np.int64)
            keys = kind.keys(countries.view(np.uint8), starts, starts + 2)
            found = kind.find(keys, lambda m: _risks(geo, countries[m]), len(there))
            rows = np.zeros(len(there), GEO_DTYPE)
            rows["record"], rows["country"], rows["asn"] = ids, country.view("S2"), asn
            rows["organisation"], rows["risk"] = organisation, found["risk"][inverse]
            out[there] = rows
        batch.enrichment.geo = out

    def domains(self, batch: Batch) -> None:
        """Standing of From domains; whether replies and links lead elsewhere."""
        geo = self._geo
        if geo is None or not _has_domains(geo):
            return
        assert batch.headers is not None and batch.mime is not None
        n = len(batch)
        data, starts, stops = _named(batch)
        n_asked = len(starts)
        asked = np.flatnonzero((stops > starts) & (stops - starts <= limits.MAX_DOMAIN_BYTES))
        ids, first = self._intern(data, starts[asked], stops[asked])
        starts, stops = starts[asked][first], stops[asked][first]
        # The suffix rules answer sooner than a cache would: computed, not kept.
        places = domains.registrable_many(_column(data, starts, stops))
        known = np.flatnonzero(places.registrable >= 0)
        own_starts, own_stops = starts.copy(), stops.copy()
        own_starts[known] += places.registrable[known]
        own_stops[known] = starts[known] + places.stop[known]
        # Registrable domains by number, so that equal ones compare equal; -1 where there is none.
        numbers = np.full(len(starts), -1, np.int32)
        numbers[known], _ = self._intern(data, own_starts[known], own_stops[known])
        number = np.full(n_asked, -1, np.int32)
        number[asked] = numbers[ids]
        # A sender is judged by its whole name, a link and a reply by who registered theirs.
        n_senders = int(np.searchsorted(asked, n))
        whole = _present(ids[:n_senders], len(starts))
        owned = _present(ids[n_senders:], len(starts))
        lookup, first = self._intern(
            data,
            np.concatenate([starts[whole], own_starts[owned]]),
            np.concatenate([stops[whole], own_stops[owned]]),
        )
        at = np.concatenate([starts[whole], own_starts[owned]])[first]
        to = np.concatenate([stops[whole], own_stops[owned]])[first]
        kind = self.cache.kind("domain", DOMAIN_DTYPE, geo.reference.generation.encode())
        found = kind.find(kind.keys(data, at, to), lambda m: _judge(data, at[m], to[m]), len(asked))
        of_name = np.empty(len(starts), np.int32)
        of_name[whole] = lookup[: len(whole)]
        more = np.empty(len(found) + 1, DOMAIN_DTYPE)
        more[:-1], more[-1:] = found, _NO_DOMAIN
        row = np.full(n, len(found), np.intp)
        row[asked[:n_senders]] = of_name[ids[:n_senders]]
        values = more.take(row)
        of_name[owned] = lookup[len(whole) :]
        scores = np.zeros(n_asked, np.int16)
        scores[asked[n_senders:]] = found["score"][of_name[ids[n_senders:]]]
        own, reply, link = number[:n], number[n : 2 * n], number[2 * n :]
        enrichment: Enrichment = batch.enrichment
        enrichment.domain = values
        enrichment.reply_elsewhere = (reply >= 0) & (own >= 0) & (reply != own)
        per_message = np.diff(batch.mime.link_indptr)
        of = np.repeat(np.arange(n), per_message)
        elsewhere = (link >= 0) & (own[of] >= 0) & (link != own[of])
        enrichment.links_elsewhere = np.bincount(of[elsewhere], minlength=n).astype(np.int32)
        enrichment.link_score = np.zeros(n, np.int16)
        np.maximum.at(enrichment.link_score, of, scores[2 * n :])

    def auth(self, batch: Batch) -> None:
        """What the receiver says of SPF, DKIM, DMARC and ARC, and what follows from it."""
        assert batch.headers is not None
        geo = self._geo
        with_suffixes = geo is not None and _has_domains(geo)
        made_from = geo.reference.generation.encode() if geo and with_suffixes else b""
        kind = self.cache.kind("authentication", AUTH_VALUE, made_from)
        batch.enrichment.auth = AuthColumns(
            batch.headers, batch.enrichment.origin, self.auth_settings,
            _organizational if with_suffixes else None,
            lambda *given: self._standing(kind, *given),
        )  # fmt: skip

    def _standing(
        self,
        kind: CachedKind,
        columns: AuthColumns,
        sender: TextColumn,
        results: np.ndarray,
        judge: Callable[[], Judged],
    ) -> Judged:
        """Equal claims have equal verdicts: only new ones are judged."""
        out, offsets = Bytes(), np.empty(len(sender) + 1, np.int64)
        claims_batch(
            sender.data, sender.offsets, columns.evidence.view(np.uint8), columns.indptr,
            columns.domains.data, results[0], results[1], out, offsets,
        )  # fmt: skip
        data = np.frombuffer(out, np.uint8)
        ids, first = self._intern(data, offsets[:-1], offsets[1:])

        def compute(missing: np.ndarray) -> np.ndarray:
            judged, modifier = judge()
            rows = first[missing]
            made = np.zeros(len(rows), AUTH_VALUE)
            made["dmarc"] = results[:2, rows].T
            made["columns"] = judged[:, rows].T
            made["modifier"] = modifier[rows]
            return made

        keys = kind.keys(data, offsets[:-1][first], offsets[1:][first])
        values = kind.find(keys, compute, len(sender))[ids]
        results[:2] = values["dmarc"].T
        return np.ascontiguousarray(values["columns"].T), np.ascontiguousarray(values["modifier"])

    def keep(self, batch: Batch) -> None:
        """New knowledge into the shared file, in one transaction."""
        self.cache.flush()

    def verify(self, batch: Batch) -> None:
        """Real checks of signatures and senders, by the network."""
        assert self._checks is not None
        batch.enrichment.verified = self._checks.run(batch)

    def _intern(
        self, data: np.ndarray, starts: np.ndarray, stops: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Number of each value, and the row of each distinct one."""
        ids, first = np.empty((2, len(starts)), np.int32)
        count = intern_batch(data, starts, stops, self._secret, ids, first)
        return ids, first[:count]


class _Checks:
    """The checks of `atlas_fast.verify` with one resolver and one cache of answers."""

    def __init__(self, trusted: Trusted):
        import dns.resolver

        from atlas_fast import verify

        self._verify = verify
        self._resolver = dns.resolver.Resolver()
        self._answers = verify.DnsCache()
        self._trusted = trusted

    def run(self, batch: Batch) -> Any:
        return self._verify.run(
            batch, self._resolver, self._answers, trusted=self._trusted,
            organizational=domains.registrable,
        )  # fmt: skip


def _has_domains(geo: Geo) -> bool:
    return domains.suffix.KIND in geo.reference and domains.confusables.KIND in geo.reference


def _risks(geo: Geo, countries: np.ndarray) -> np.ndarray:
    out = np.empty(len(countries), GEO_VALUE)
    out["risk"] = geo.risk_of(countries)
    return out


def _organizational(column: TextColumn) -> np.ndarray:
    return domains.registrable_many(column).registrable


def _named(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All domains that messages name: of From (n), of Reply-To (n), of links, in one column."""
    headers, mime = batch.headers, batch.mime
    assert headers is not None and mime is not None
    own, reply, links = headers.from_domain, headers.reply_to, mime.links
    out, n = Bytes(), len(batch)
    reply_ends, link_ends = np.empty(n + 1, np.int64), np.empty(len(links) + 1, np.int64)
    cap = limits.MAX_DOMAIN_BYTES
    hosts_batch(reply.data, reply.offsets[:-1], reply.offsets[1:], False, cap, out, reply_ends)
    urls = np.ascontiguousarray(links["url_start"]), np.ascontiguousarray(links["url_stop"])
    hosts_batch(mime.strings, *urls, True, cap, out, link_ends)
    base = len(own.data)
    data = np.concatenate([own.data, np.frombuffer(out, np.uint8)])
    starts = np.concatenate([own.offsets[:-1], base + reply_ends[:-1], base + link_ends[:-1]])
    stops = np.concatenate([own.offsets[1:], base + reply_ends[1:], base + link_ends[1:]])
    return data, starts, stops


def _column(data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> TextColumn:
    """The texts at these places, one behind the other."""
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(stops - starts, out=offsets[1:])
    shift = np.repeat(starts - offsets[:-1], stops - starts)
    return TextColumn(data[np.arange(offsets[-1]) + shift], offsets)


def _present(ids: np.ndarray, count: int) -> np.ndarray:
    """The distinct ones of these numbers below `count`, ascending."""
    there = np.zeros(count, np.bool_)
    there[ids] = True
    return np.flatnonzero(there)


def _judge(data: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """DOMAIN_DTYPE of the names at these places."""
    n, names = len(starts), _column(data, starts, stops)
    nobody = TextColumn(np.empty(0, np.uint8), np.zeros(n + 1, np.int64))
    judged = domains.judge_many(nobody, names, np.full(n, _UNKNOWN_CONTEXT, np.uint8)).rows
    looks, places = domains.look_many(names), domains.registrable_many(names)
    out = np.empty(n, DOMAIN_DTYPE)
    for name in ("score", "reasons", "traits", "reputation", "entropy"):
        out[name] = judged[name]
    out["looks"], out["brand"] = looks.flags, looks.brand
    out["registrable"], out["suffix"] = places.registrable, places.suffix
    out["stop"], out["places"] = places.stop, places.flags
    return out
