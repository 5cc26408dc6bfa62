"""A store of many messages over two years, made through the store's own row path.

Senders and domains follow a power law, as in a mailbox; countries, networks, categories,
subcategories and confidences vary. Every row is made from its number and the seed.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from atlas_fast.store import SqliteStore
from atlas_fast.store.base import ErrorRow
from atlas_fast.store.columns import Same
from atlas_fast.store.rows import OLD_CATEGORIES, block_of
from atlas_fast.store.sqlite import local_now

__all__ = ["DAYS", "WORDS", "fill", "rows"]

DAYS = 730
A_WRITE = 20_000
DOMAINS, SENDERS = 30_000, 120_000

_WORDS = """
account agenda alert answer approval balance bargain best bill bonus booking budget calendar
cancel card change cheap choice claim client code comment conference confirm contract coupon
credit customer deal delivery deposit desk discount document draft due event exclusive fee
final finance flight follow free friend garden gift guest holiday hotel invoice january job
lamp last letter limited loan lunch market meeting member message monthly music new news
note notice offer office open order parcel party password payment photo plan prize project
quick quote receipt refund release reminder renewal report request reservation review reward
sale sample school security service shipment shop spring statement summary support survey
team ticket today travel trial update urgent vacation verify visit voucher weekly welcome
winner workshop your
"""
WORDS = _WORDS.split()

_COUNTRIES = """
US DE GB FR NL PL IT ES CN RU BR IN JP KR VN UA TR CA AU SE NO FI DK CH AT BE CZ RO BG HU GR
PT IE ZA NG EG KE MX AR CL CO PE ID TH MY SG PH PK BD IR IL SA AE HK TW NZ LT LV EE SK SI HR
"""
COUNTRIES = _COUNTRIES.split()

SUBCATEGORIES = {
    "Legitimate": (None,),
    "Legitimate Marketing": ("Newsletter subscriptions", "Promotional emails"),
    "Commercial Spam": (
        "General product marketing", "Health & medical spam", "Gambling spam",
        "Auto warranty & insurance",
    ),
    "Scams": ("Advance fee fraud", "Fake invoices", "Lottery & prize scams"),
    "Dangerous": ("Phishing attempts", "Malware distribution", "Account takeover attempts"),
}  # fmt: skip

SHARES = (0.55, 0.18, 0.15, 0.05, 0.07)
CATEGORIES = tuple(SUBCATEGORIES)


def rows(first: int, n: int, session_id: int, timestamp: str, seed: int = 1) -> dict[str, Any]:
    """Columns of n rows, from the number `first` on; the same numbers give the same rows."""
    rng = np.random.default_rng((seed, first))
    kind = rng.choice(len(CATEGORIES), n, p=SHARES)
    sender = np.minimum((rng.pareto(0.9, n) * 40).astype(np.int64), SENDERS - 1)
    domain = sender % DOMAINS
    country = np.minimum((rng.pareto(1.1, n) * 6).astype(np.int64), len(COUNTRIES) - 1)
    country = np.where(rng.random(n) < 0.12, -1, (country + sender) % len(COUNTRIES))
    words = rng.integers(0, len(WORDS), (n, 5))
    sure = np.where(rng.random(n) < 0.9, 700, 400) + rng.integers(0, 300, n)
    categories = [CATEGORIES[one] for one in kind.tolist()]
    actions = ["DELETED" if one >= 2 else "PRESERVED" for one in kind.tolist()]
    codes = [COUNTRIES[one] if one >= 0 else None for one in country.tolist()]
    percents = (sure / 10.0).tolist()
    which = rng.integers(0, 12, n).tolist()
    subjects = [" ".join(WORDS[w] for w in line) for line in words.tolist()]
    domains = [f"host{one}.example" for one in domain.tolist()]
    keys = np.zeros((n, 3), ">u8")
    keys[:, 0] = first + np.arange(n)
    keys[:, 1:] = rng.integers(0, 1 << 62, (n, 2))
    return {
        "timestamp": Same(timestamp, n),
        "session_id": Same(session_id, n),
        "folder_name": Same("mbox:bench", n),
        "uid": [str(number) for number in range(first, first + n)],
        "sender_email": [f"user{s}@{d}" for s, d in zip(sender.tolist(), domains, strict=True)],
        "sender_domain": domains,
        "subject": subjects,
        "action": actions,
        "reason": [
            f"Not flagged by spam detection (category: {name})"
            if action == "PRESERVED"
            else f"Hybrid Classifier: {name} ({percent:.1f}% confidence) [AUTO_DETECTED] [PREVIEW]"
            for name, action, percent in zip(categories, actions, percents, strict=True)
        ],
        "category": [OLD_CATEGORIES[name] for name in categories],
        "confidence_score": percents,
        "ml_validation_method": Same("atlas_fast linear", n),
        "created_at": Same(timestamp, n),
        "sender_ip": [f"192.0.2.{one}" for one in rng.integers(1, 255, n).tolist()],
        "sender_country_code": codes,
        "sender_country_name": codes,
        "geographic_risk_score": (rng.integers(0, 10, n) / 10.0).tolist(),
        "detection_method": Same("GEOIP2FAST_LOOKUP", n),
        "sender_asn": [
            None if code is None else 64512 + one % 4_000
            for code, one in zip(codes, sender.tolist(), strict=True)
        ],
        "category_v2": categories,
        "subcategory": [
            SUBCATEGORIES[name][one % len(SUBCATEGORIES[name])]
            for name, one in zip(categories, which, strict=True)
        ],
        "category_confidence_v2": (sure / 1000.0).tolist(),
        "classification_version": Same(2, n),
        "sender_name": [f"User {one}" for one in sender.tolist()],
        "flags": Same(0, n),
        "message_key": keys.view("V24").ravel().tolist(),
    }


def fill(
    path: str | Path, messages: int, seed: int = 1, *, days: int = DAYS,
    told: Callable[[int], None] | None = None,
) -> int:  # fmt: skip
    """Make a store of so many messages, a run a day up to today; returns how many it has.

    A store that is there is taken as it is when it has them. Statistics are made in the end, as
    `db vacuum` does.
    """
    with SqliteStore(path) as store:
        there = store.count_messages()
        if there >= messages:
            return there
        days = min(days, max(1, messages // 50))
        today = datetime.date.today()
        done = 0
        for back in range(days):
            day = (today - datetime.timedelta(days - 1 - back)).isoformat()
            until = messages * (back + 1) // days
            run = store.begin_run([f"mbox:bench-{day}"])
            begun, parts = done, 4
            for part in range(parts):
                stop = begun + (until - begun) * (part + 1) // parts
                hour = 6 * part + back % 6
                while done < stop:
                    n = min(A_WRITE, stop - done)
                    block = block_of(
                        rows(done, n, run.session_id, f"{day} {hour:02}:{back % 60:02}:00", seed)
                    )
                    store.write(run, [block], _errors(done) if back % 50 == 0 else ())
                    done += n
            with store.transaction() as connection:
                connection.execute(
                    "UPDATE sessions SET start_time = ?, end_time = datetime(?, '+2 seconds') "
                    "WHERE id = ?",
                    (f"{day} 00:00:00", f"{day} 00:00:00", run.session_id),
                )
            if told is not None:
                told(done)
        store.vacuum()
        return store.count_messages()


def _errors(place: int) -> list[ErrorRow]:
    return [ErrorRow(str(place), "ValueError", f"made up at {local_now()}", "no trace")]
