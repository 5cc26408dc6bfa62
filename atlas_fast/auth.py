"""What the receiver says of a message's authentication, and what follows from it.

`parse_authentication_results`, `parse_received_spf` and `parse_dkim_signature` take one field body
and never fail. `authenticate` takes one message, `AuthColumns` the header columns of many: only
results written on the receiver's side count (docs/authentication.md). Nothing here looks at a
signature or asks the DNS: `atlas_fast.verify` does. All text is the sender's or a relay's: escape
it wherever it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels import authres, authverdict
from atlas_fast._kernels.buffers import Bytes
from atlas_fast.errors import UsageError
from atlas_fast.headers import HeaderColumns, Headers, TextColumn, parse_many
from atlas_fast.origin import OriginColumns, Trusted

__all__ = [
    "Alignment", "AuthColumns", "AuthSettings", "AuthVerdict", "AuthenticationResults",
    "DkimSignature", "MethodResult", "Property", "ReceivedSpf", "Result", "Signal", "Source",
    "authenticate", "original_result", "parse_authentication_results", "parse_dkim_signature",
    "parse_received_spf",
]  # fmt: skip

Registrable = Callable[[TextColumn], np.ndarray]
"""Domains to int32 (n,): where the organizational domain starts in each, -1 where it has none."""

Judged = tuple[np.ndarray, np.ndarray]
Standing = Callable[["AuthColumns", TextColumn, np.ndarray, Callable[[], Judged]], Judged]
"""A cache: takes evidence, senders, results, their judgement; gives what that would give."""

EVIDENCE_DTYPE = np.dtype(
    [
        ("start", np.int32),
        ("stop", np.int32),
        ("field", np.int32),
        ("kind", np.uint8),
        ("result", np.uint8),
        ("source", np.uint8),
        ("unused", np.uint8),
    ]
)
"""One result or signature: its domain in `domains`, the number of its field, what it says."""

_CAPS = (
    limits.MAX_AUTH_FIELDS, limits.MAX_AUTH_METHODS, limits.MAX_AUTH_PROPERTIES, limits.MAX_TAGS,
    limits.MAX_ARC_SETS, limits.MAX_DOMAIN_BYTES, limits.MAX_FIELD_BYTES,
)  # fmt: skip


class Result(IntEnum):
    """The words of RFC 8601, 2.7. NONE also where nothing was said: see the source."""

    NONE = 0
    PASS = 1
    FAIL = 2
    SOFTFAIL = 3
    NEUTRAL = 4
    POLICY = 5
    TEMPERROR = 6
    PERMERROR = 7
    OTHER = 8

    @property
    def word(self) -> str:
        return self.name.lower()


class Source(IntEnum):
    """Who says so: nobody, Authentication-Results, Received-SPF, or computed from these."""

    NONE = 0
    RESULTS = 1
    RECEIVED_SPF = 2
    COMPUTED = 3


class Alignment(IntEnum):
    """RFC 7489, 3.1: STRICT is the same domain, RELAXED the same organizational domain."""

    NONE = 0
    RELAXED = 1
    STRICT = 2


class Signal(IntFlag):
    """What is odd about the authentication fields of a message."""

    UNTRUSTED = 1 << 0  # Authentication-Results of others: of earlier relays, or invented
    FORGED = 1 << 1  # such results under a name of the receiver's
    UNTRUSTED_SPF = 1 << 2  # a Received-SPF of others
    ARC_BROKEN = 1 << 3  # ARC fields that are no whole chain, or a chain that says it failed
    TOO_MANY = 1 << 4  # a cap was met; the rest was not read


for _enum, _names in (
    (Result, authres.RESULT_NAMES),
    (Source, authverdict.SOURCES),
    (Signal, authverdict.SIGNALS),
):
    if tuple(one.name for one in _enum) != _names:
        raise AssertionError(f"names of the kernel differ from {_enum.__name__}")


@dataclass(frozen=True, slots=True)
class Property:
    """`ptype.name=value`; ptype is empty where the field has none."""

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One statement; `word` is the result as written, `result` its meaning."""

    method: str
    version: str | None
    word: str
    result: Result
    reason: str | None
    properties: tuple[Property, ...]

    def get(self, ptype: str, name: str) -> str | None:
        """Value of the first property of this name, any case, or None."""
        for one in self.properties:
            if one.ptype.lower() == ptype and one.name.lower() == name:
                return one.value
        return None


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """RFC 8601, 2.2. `authserv_id` is empty where the field has none; `cut`: a cap was met."""

    authserv_id: str
    version: str | None
    none: bool
    results: tuple[MethodResult, ...]
    cut: bool


@dataclass(frozen=True, slots=True)
class ReceivedSpf:
    """RFC 7208, 9.1. Absent keys are empty."""

    result: Result
    word: str
    pairs: tuple[tuple[str, str], ...]

    def get(self, key: str) -> str:
        return next((value for name, value in self.pairs if name.lower() == key), "")

    @property
    def client_ip(self) -> str:
        return self.get("client-ip")

    @property
    def envelope_from(self) -> str:
        return self.get("envelope-from").removeprefix("<").removesuffix(">")

    @property
    def helo(self) -> str:
        return self.get("helo")

    @property
    def receiver(self) -> str:
        return self.get("receiver")

    @property
    def identity(self) -> str:
        return self.get("identity")


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """RFC 6376, 3.5. `tags` as written, the first of each name; `problems` in words."""

    tags: Mapping[str, str]
    problems: tuple[str, ...]

    def _bare(self, tag: str) -> str:
        return re.sub(r"[ \t\r\n]+", "", self.tags.get(tag, ""))

    def _number(self, tag: str) -> int | None:
        text = self._bare(tag)
        return int(text) if re.fullmatch(r"[0-9]{1,12}", text) else None

    @property
    def domain(self) -> str:
        return self._bare("d").lower()

    @property
    def selector(self) -> str:
        return self._bare("s")

    @property
    def algorithm(self) -> str:
        return self._bare("a").lower()

    @property
    def identity(self) -> str:
        return self._bare("i")

    @property
    def headers(self) -> tuple[str, ...]:
        names = self._bare("h").lower()
        return tuple(names.split(":")) if names else ()

    @property
    def timestamp(self) -> int | None:
        return self._number("t")

    @property
    def expiration(self) -> int | None:
        return self._number("x")

    @property
    def length(self) -> int | None:
        return self._number("l")

    @property
    def body_hash(self) -> str:
        return self._bare("bh")

    @property
    def signature(self) -> str:
        return self._bare("b")


def _text(raw: bytes, span: tuple[int, int] | None) -> str:
    """A span without folding; quoted-pairs resolved where it lies inside quotes."""
    if span is None:
        return ""
    start, stop = span
    piece = raw[start:stop].replace(b"\r", b"").replace(b"\n", b"")
    if start and raw[start - 1] == 34:
        piece = re.sub(rb"\\(.)", rb"\1", piece, flags=re.DOTALL)
    return piece.decode("utf-8", "replace")


def parse_authentication_results(raw: bytes) -> AuthenticationResults:
    """The body of an Authentication-Results field."""
    id_, version, none, cut, found = authres.parse_results(
        raw, limits.MAX_AUTH_METHODS, limits.MAX_AUTH_PROPERTIES
    )
    results = tuple(
        MethodResult(
            _text(raw, method).lower(),
            _text(raw, mversion) or None,
            _text(raw, word),
            Result(code),
            None if reason is None else _text(raw, reason),
            tuple(Property(*(_text(raw, span) for span in one)) for one in properties),
        )
        for method, mversion, word, code, reason, properties in found
    )
    return AuthenticationResults(_text(raw, id_), _text(raw, version) or None, none, results, cut)


def parse_received_spf(raw: bytes) -> ReceivedSpf:
    """The body of a Received-SPF field."""
    word, code, pairs = authres.parse_spf(raw, limits.MAX_AUTH_PROPERTIES)
    texts = tuple((_text(raw, key), _text(raw, value)) for key, value in pairs)
    return ReceivedSpf(Result(code), _text(raw, word).lower(), texts)


def parse_dkim_signature(raw: bytes) -> DkimSignature:
    """The body of a DKIM-Signature field; ARC-Seal and ARC-Message-Signature have the same form."""
    tags: dict[str, str] = {}
    problems = []
    for name, value in authres.parse_tags(raw, limits.MAX_TAGS):
        tag = raw[slice(*name)].decode("utf-8", "replace")
        if tag in tags:
            problems.append(f"tag {tag} stands twice")
        else:
            tags[tag] = raw[slice(*value)].decode("utf-8", "replace")
    missing = [f"tag {tag} is missing" for tag in "vadshb" if not tags.get(tag)]
    if not tags.get("bh"):
        missing.append("tag bh is missing")
    return DkimSignature(tags, tuple(problems + missing))


class AuthSettings:
    """Whose results count.

    `authserv_ids`: the names under which the receiver writes results; without any, the name of
    the topmost field counts. `below`: accept results right below the receiver's own Received
    field. `trusted`: relays on the receiver's side. Raises UsageError above limits.MAX_TRUSTED.
    """

    def __init__(
        self, authserv_ids: Iterable[str] = (), *,
        below: bool = True, trusted: Trusted | None = None,
    ):  # fmt: skip
        names = {name.strip().lower() for name in authserv_ids}
        ids = sorted(name.encode(errors="surrogateescape") for name in names)
        if b"" in ids or len(ids) > limits.MAX_TRUSTED:
            raise UsageError(f"authserv-ids: an empty one, or more than {limits.MAX_TRUSTED}")
        self.ids = b"".join(ids)
        self.id_ends = np.cumsum([0, *map(len, ids)]).astype(np.int64)
        self.below = below
        self.trusted = trusted


class AuthColumns:
    """Authentication of the messages of header columns.

    uint8 (n,): `spf`, `dkim`, `dmarc`, `arc`, `iprev` are Results, `spf_source` and so on Sources;
    `spf_aligned`, `dkim_aligned` are the Alignment of a pass with From, `signed_aligned` that of
    the best DKIM-Signature, which nobody checked; `arc_sets` counts the sets of a whole chain;
    `signals` are Signal bits; `untrusted` counts Authentication-Results that do not count.
    `is_authentic` bool and `confidence_modifier` float32 (n,): the original's table over SPF and
    DKIM. `counted` int32 (n,): number of the first field that counts, or -1. `evidence`:
    EVIDENCE_DTYPE, of message i at indptr[i]:indptr[i + 1], with its `domains`. Without
    `registrable`, only STRICT alignment is found.
    """

    def __init__(
        self,
        headers: HeaderColumns,
        origins: OriginColumns | None = None,
        settings: AuthSettings | None = None,
        registrable: Registrable | None = None,
        standing: Standing | None = None,
    ):
        n, settings = len(headers), settings or AuthSettings()
        self.origins = origins or OriginColumns(headers, settings.trusted)
        self.indptr = np.zeros(n + 1, np.int64)
        self.counted, results = np.empty(n, np.int32), np.zeros((6, n), np.uint8)
        self.arc_sets, self.signals, self.untrusted = (np.empty(n, np.uint8) for _ in range(3))
        self._evidence, self._domains = Bytes(), Bytes()
        authverdict.evidence_batch(
            *headers.for_fields(), self.origins.border, settings.ids, settings.id_ends,
            settings.below, _CAPS, self._evidence, self.indptr, self._domains, results,
            self.arc_sets, self.signals, self.untrusted, self.counted,
        )  # fmt: skip
        self.evidence = np.frombuffer(self._evidence, EVIDENCE_DTYPE)
        self.domains = TextColumn(self._domains, np.zeros(len(self.evidence) + 1, np.int64))
        self.domains.offsets[1:] = self.evidence["stop"]
        sender = headers.from_domain
        find = registrable or (lambda column: np.full(len(column), -1, np.int32))

        def judge() -> Judged:
            columns, modifier = np.empty((8, n), np.uint8), np.empty(n, np.float32)
            authverdict.verdict_batch(
                sender.data, sender.offsets, find(sender), self._evidence, self.indptr,
                self._domains, find(self.domains), results, columns, modifier,
            )  # fmt: skip
            return columns, modifier

        judged = standing(self, sender, results, judge) if standing else judge()
        columns, self.confidence_modifier = judged
        self.dmarc, self.dmarc_source, self.arc, self.arc_source, *iprev = results
        self.iprev, self.iprev_source = iprev
        self.spf, self.spf_source, self.dkim, self.dkim_source = columns[:4]
        self.spf_aligned, self.dkim_aligned, self.signed_aligned = columns[4:7]
        self.is_authentic = columns[7].view(np.bool_)

    def __len__(self) -> int:
        return len(self.counted)

    @property
    def forged(self) -> np.ndarray:
        """bool (n,): results under the receiver's name that the receiver did not write."""
        return (self.signals & Signal.FORGED) != 0

    def row(self, index: int) -> AuthVerdict:
        """The verdict on message `index`."""
        results = {name: Result(int(getattr(self, name)[index])) for name in _METHODS}
        sources = {name: Source(int(getattr(self, f"{name}_source")[index])) for name in _METHODS}
        return AuthVerdict(
            **results,
            sources=sources,
            spf_aligned=Alignment(int(self.spf_aligned[index])),
            dkim_aligned=Alignment(int(self.dkim_aligned[index])),
            signed_aligned=Alignment(int(self.signed_aligned[index])),
            arc_sets=int(self.arc_sets[index]),
            signals=Signal(int(self.signals[index])),
            untrusted=int(self.untrusted[index]),
            counted=int(self.counted[index]),
            is_authentic=bool(self.is_authentic[index]),
            confidence_modifier=float(self.confidence_modifier[index]),
        )


_METHODS = ("spf", "dkim", "dmarc", "arc", "iprev")


@dataclass(frozen=True, slots=True)
class AuthVerdict:
    """One message of an AuthColumns; `sources` by method."""

    spf: Result
    dkim: Result
    dmarc: Result
    arc: Result
    iprev: Result
    sources: Mapping[str, Source]
    spf_aligned: Alignment
    dkim_aligned: Alignment
    signed_aligned: Alignment
    arc_sets: int
    signals: Signal
    untrusted: int
    counted: int
    is_authentic: bool
    confidence_modifier: float

    @property
    def forged(self) -> bool:
        return bool(self.signals & Signal.FORGED)


def authenticate(
    message: bytes | Headers,
    settings: AuthSettings | None = None,
    registrable: Registrable | None = None,
) -> AuthVerdict:
    """The verdict on one message; bytes are a message or its header section."""
    raw = message.raw if isinstance(message, Headers) else message
    return AuthColumns(parse_many([raw]), settings=settings, registrable=registrable).row(0)


def original_result(
    message: bytes | str | Headers | None,
    sender_ip: str | None = None,
    settings: AuthSettings | None = None,
) -> dict[str, Any]:
    """The dictionary of the original's `authenticate_email_headers`, from the same columns.

    Keys and texts are the original's; what it got wrong is mended (docs/compatibility.md). SPF and
    DKIM are what the receiver says: without its word both are `none`, whatever `sender_ip` is.
    """
    if isinstance(message, str):
        message = message.encode("utf-8", "surrogatepass")
    raw = message.raw if isinstance(message, Headers) else message
    columns = parse_many([b"" if raw is None else raw])
    head, sender = columns.row(0), columns.from_domain[0]
    answer: dict[str, Any] = {
        "spf_result": "none",
        "dkim_result": "none",
        "dmarc_result": "none",
        "is_authentic": False,
        "confidence_modifier": 0.0,
        "auth_summary": "Could not extract sender domain",
        "details": {},
    }
    if not sender:
        return answer
    verdict = AuthColumns(columns, settings=settings).row(0)
    answer |= {
        "spf_result": verdict.spf.word,
        "dkim_result": verdict.dkim.word,
        "dmarc_result": verdict.dmarc.word,
        "is_authentic": verdict.is_authentic,
        "confidence_modifier": verdict.confidence_modifier,
    }
    if verdict.counted >= 0:
        body = head.fields[verdict.counted].body.decode("utf-8", "replace")
        answer["found"] = True
        answer["auth_summary"] = "Used existing Authentication-Results header"
        answer["details"] = {"source": "header_parsing", "raw_header": body[:200]}
        return answer
    answer["auth_summary"] = f"SPF: {verdict.spf.word}, DKIM: {verdict.dkim.word}"
    answer["details"] = {
        "spf_details": _spf_details(verdict, sender, sender_ip),
        "dkim_details": _dkim_details(head),
    }
    return answer


def _spf_details(verdict: AuthVerdict, sender: str, sender_ip: str | None) -> dict[str, Any]:
    if verdict.sources["spf"] is Source.RECEIVED_SPF:
        reason = f"Received-SPF of the receiver: {verdict.spf.word}"
    elif sender_ip is None:
        reason = "No sender IP provided for SPF validation"
    else:
        reason = f"SPF of {sender} not looked up"
    return {"result": verdict.spf.word, "reason": reason, "record": None}


def _dkim_details(head: Headers) -> dict[str, Any]:
    body = head.get_raw("DKIM-Signature")
    if not body:
        return {"result": "none", "reason": "No DKIM signature found", "signature_info": None}
    tags = dict(parse_dkim_signature(body).tags)
    return {"result": "none", "reason": "DKIM signature not verified", "signature_info": tags}
