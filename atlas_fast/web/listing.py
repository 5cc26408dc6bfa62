"""Rows of messages as HTML.

A list has a hundred rows of a dozen values each, and is the page that is asked for most. A template
makes it at five times the cost, so this one table is made here; `safe` is the same that
templates have.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from atlas_fast.store.views import MessageRow
from atlas_fast.web.charts import tone_of
from atlas_fast.web.escape import confidence, cut, safe

__all__ = ["action", "category", "chip", "marks", "message_rows"]

WORDS = {"DELETED": "delete", "PRESERVED": "keep"}
FLAGS = {"PROTECT": ("good", "protected"), "DELETE": ("bad", "to delete"),
         "RESEARCH": ("info", "research")}  # fmt: skip
JUDGED = {1: ("good", "right"), -1: ("warn", "wrong")}

HEAD = (
    '<th scope="col" class="far">Time</th><th scope="col" class="far">Sender</th>'
    '<th scope="col">Subject</th><th scope="col">Category</th>'
    '<th scope="col" class="n far">Confidence</th><th scope="col">Action</th>'
    '<th scope="col" class="far">Marks</th></tr></thead>\n<tbody>\n'
)
CHOOSE_ALL = (
    '<th scope="col"><span hidden><input type="checkbox" data-all '
    'aria-label="Choose all messages of this page"></span></th>'
)


def chip(name: str | None) -> Markup:
    """A category's name in its colour."""
    return Markup(_chip(tone_of(name), name or "unknown"))


def category(row: MessageRow) -> Markup:
    """A row's category with its subcategory."""
    return Markup(_category(row))


def action(name: str) -> Markup:
    """What was decided, in a word."""
    return Markup(_action(name))


def marks(row: MessageRow) -> Markup:
    """Flags of a row, and what people said of it."""
    return Markup(_marks(row))


def message_rows(rows: Sequence[MessageRow], choose: bool = False) -> Markup:
    """Head and body of the table; with boxes to choose rows where `choose` says so."""
    made = ["<thead><tr>", CHOOSE_ALL if choose else "", HEAD]
    for row in rows:
        subject, sender = row.subject or "", row.sender_email or ""
        title, time = safe(cut(subject, 160)), safe(row.timestamp)
        short, address = safe(row.timestamp[5:16]), safe(cut(sender, 80))
        near = address if len(sender) <= 60 else safe(cut(sender, 60))
        if choose:
            label = title if len(subject) <= 60 else safe(cut(subject, 60))
            made.append(
                f'<tr><td><input type="checkbox" name="id" value="{row.id}" '
                f'aria-label="Choose message {row.id}: {label}"></td>'
            )
        else:
            made.append("<tr>")
        name = row.sender_name
        who = f"{safe(cut(name, 60))}</bdi><small><bdi>{address}</bdi></small>" if name else (
            f"{address}</bdi>"
        )  # fmt: skip
        made.append(
            f'<td class="when far"><time datetime="{time}">{short}</time></td>'
            f'<td class="sender far"><bdi>{who}</td>'
            f'<td class="subject"><a href="/messages/{row.id}"><bdi>{title or "(no subject)"}</bdi>'
            f'</a><small class="near">{short} · <bdi>{near}</bdi></small></td>'
            f'<td>{_category(row)}</td><td class="n far">{confidence(row.confidence_score)}</td>'
            f'<td>{_action(row.action)}</td><td class="far">{_marks(row)}</td></tr>\n'
        )
    made.append("</tbody>\n")
    return Markup("".join(made))


def _chip(tone: str, text: str) -> str:
    return f'<span class="chip {tone}">{safe(text)}</span>'


def _category(row: MessageRow) -> str:
    name = row.category_v2 or row.category
    more = f" <small>{safe(row.subcategory)}</small>" if row.subcategory else ""
    return _chip(tone_of(name), name or "unknown") + more


def _action(name: str) -> str:
    return _chip("bad" if name == "DELETED" else "good", WORDS.get(name, name))


def _marks(row: MessageRow) -> str:
    if row.flag is None and not row.user_protected and not row.user_validated:
        return ""
    made = []
    if row.user_protected and row.flag != "PROTECT":
        made.append(_chip(*FLAGS["PROTECT"]))
    if row.flag in FLAGS:
        made.append(_chip(*FLAGS[row.flag]))
    if row.user_validated in JUDGED:
        made.append(_chip(*JUDGED[row.user_validated]))
    return " ".join(made)
