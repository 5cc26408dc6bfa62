"""One message explained: verdict, probabilities, and the reasons in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atlas_fast import limits
from atlas_fast._kernels.features import GROUPS
from atlas_fast.classify.kinds import subcategory_name
from atlas_fast.classify.lexicon import find
from atlas_fast.classify.model import Model, load_model
from atlas_fast.classify.reasons import Names, Reason, groups_of, name_of, names_in_message, unnamed
from atlas_fast.headers import HeaderColumns, parse_many
from atlas_fast.mime import MimeColumns
from atlas_fast.records import CATEGORIES
from atlas_fast.stages.decide import reasons
from atlas_fast.stages.features import extract

__all__ = ["Explanation", "explain"]

MOST_TERMS = 20


@dataclass(frozen=True)
class Explanation:
    """`probabilities` by category; `groups`: what each group of features adds to the logit;
    `reasons`, the strongest first; `terms`: (category of the lexicon, term) that were found."""

    category: str
    subcategory: str
    probability: float
    threshold: float
    probabilities: dict[str, float]
    groups: dict[str, float]
    reasons: list[Reason]
    terms: list[tuple[str, str]]


def explain(raw: bytes, model: Model | None = None, limit: int = 12) -> Explanation:
    """Why a message is judged as it is; any bytes give an answer."""
    model = load_model() if model is None else model
    headers = parse_many([raw])
    mime = MimeColumns(headers)
    rows = extract(headers, mime)
    logits, made = reasons(model, rows)
    probability = model.chances(logits, rows)
    probabilities, category, subcategory = model.categories(probability, rows)
    text, subject = mime.text[0], headers.subject[0]
    own = names_in_message(
        text.encode(), subject.encode(),
        [bytes(mime.strings[one["url_start"] : one["url_stop"]]) for one in mime.links[:100]],
        _forms(headers),
    )  # fmt: skip
    return Explanation(
        category=CATEGORIES[category[0]],
        subcategory=subcategory_name(int(subcategory[0])),
        probability=float(probability[0]),
        threshold=model.threshold,
        probabilities=dict(zip(CATEGORIES, map(float, probabilities[0]), strict=True)),
        groups=dict(zip(GROUPS, map(float, made.groups[0]), strict=True)),
        reasons=_strongest(rows.indices, rows.data, rows.ends[0], model.weights, own, limit),
        terms=[*dict.fromkeys(find(f"{subject}\n{text}"))][:MOST_TERMS],
    )


def _forms(headers: HeaderColumns) -> tuple[bytes, ...]:
    """Name, local-part, left side of the Message-ID, date and type, as the features take them."""
    address, domain = headers.from_address[0].encode(), headers.from_domain[0].encode()
    local = address[: max(len(address) - len(domain) - 1, 0)]
    left, at, _ = headers.message_id[0].encode().removesuffix(b">").rpartition(b"@")
    row = headers.row(0)
    most = limits.FEATURE_FIELD_BYTES
    values = [(row.get_raw(name) or b"")[:most] for name in ("Date", "Content-Type")]
    return (headers.from_name[0].encode(), local, left + at, *values)


def _strongest(
    indices: np.ndarray,
    data: np.ndarray,
    ends: np.ndarray,
    weights: np.ndarray,
    own: Names,
    limit: int,
) -> list[Reason]:
    """The features that add or take most; of equals the first."""
    shares = weights[indices] * data
    groups = groups_of(ends, len(indices))
    found = []
    for at in np.argsort(-np.abs(shares), kind="stable")[:limit].tolist():
        group = int(groups[at])
        text = name_of(group, int(indices[at]), own) or unnamed(group)
        found.append(Reason(text, GROUPS[group], float(shares[at])))
    return found
