"""What is read out of a message itself for its page: reasons, path, authentication, links.

The message is read where the run found it, and only when it still has the key of the row. Nothing
of its body is shown but the words of reasons and links, as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from atlas_fast.auth import AuthVerdict, Signal, authenticate
from atlas_fast.classify.reasons import GROUP_NAMES, Reason
from atlas_fast.geo import lookup
from atlas_fast.headers import parse_headers, parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.origin import origin
from atlas_fast.records import Received
from atlas_fast.sources.one import read_one
from atlas_fast.stages.explain import explain
from atlas_fast.store.views import Message
from atlas_fast.web.worldmap import WorldMap, map_of

__all__ = ["Link", "Original", "original_of"]

MOST_HOPS, MOST_LINKS, MOST_REASONS = 40, 60, 16
KINDS = ("link", "image", "form", "plain text", "frame")
GONE = "the message is not where the run found it, or has changed"


@dataclass(frozen=True, slots=True)
class Link:
    """`where` it leads and `text` that it shows, both the sender's words."""

    where: str
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Original:
    """`probabilities` by category; `reasons` the strongest first, `groups` as (name, share);
    `hops` the Received fields as they stand, the newest first, with the country code of each one's
    address in `countries`, a `map` of these, and `entered`, the number of the one that saw the
    sender; `authentication` and its `signals`; not `whole`: of a message whose
    body the run left aside, the header section only."""

    probability: float
    threshold: float
    probabilities: dict[str, float]
    reasons: list[Reason]
    groups: list[tuple[str, float]]
    terms: list[tuple[str, str]]
    hops: list[Received]
    countries: list[str | None]
    map: WorldMap | None
    entered: int
    origin: str
    authentication: AuthVerdict
    signals: list[str]
    links: list[Link]
    size: int
    whole: bool
    to: list[str] = field(default_factory=list)
    reply_to: str = ""
    message_id: str = ""


def original_of(found: Message) -> tuple[Original | None, str]:
    """The message read again, or None and why not."""
    key = bytes.fromhex(found.columns.get("message_key") or "")
    folder, place = found.row.folder_name or "", found.row.uid or ""
    if not key or not folder.startswith(("mbox:", "maildir:", "eml:")):
        return None, "only messages from files can be read again"
    there = read_one(folder, place, key)
    return (None, GONE) if there is None else (_read(*there), "")


def _read(raw: bytes, whole: bool) -> Original:
    told = explain(raw, limit=MOST_REASONS)
    headers = parse_headers(raw)
    came, verdict = origin(raw), authenticate(raw)
    hops = headers.received[:MOST_HOPS]
    countries = [lookup(hop.from_ip).country_code if hop.from_ip else None for hop in hops]
    return Original(
        probability=told.probability,
        threshold=told.threshold,
        probabilities=told.probabilities,
        reasons=told.reasons,
        groups=sorted(
            ((GROUP_NAMES.get(name, name), share) for name, share in told.groups.items()),
            key=lambda one: -abs(one[1]),
        ),
        terms=told.terms,
        hops=hops,
        countries=countries,
        map=map_of(countries),
        entered=came.hop,
        origin=came.text,
        authentication=verdict,
        signals=[one.name.lower().replace("_", " ") for one in Signal
                 if one in verdict.signals and one.name],
        links=list(_links(raw)),
        size=len(raw),
        whole=whole,
        to=[one.address for one in headers.to[:10]],
        reply_to=headers.get("Reply-To") or "",
        message_id=headers.get("Message-ID") or "",
    )  # fmt: skip


def _links(raw: bytes) -> Iterator[Link]:
    mime = MimeColumns(parse_many([raw]))
    text = mime.text[0].encode("utf-8", "surrogatepass")
    for one in mime.links[:MOST_LINKS]:
        where = bytes(mime.strings[one["url_start"] : one["url_stop"]])
        words = text[one["text_start"] : one["text_stop"]]
        yield Link(
            where.decode("utf-8", "replace"), " ".join(words.decode("utf-8", "replace").split()),
            KINDS[one["kind"]] if 0 <= one["kind"] < len(KINDS) else "link",
        )  # fmt: skip
