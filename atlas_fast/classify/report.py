"""The report of an evaluation as one HTML file: tables, and curves as inline SVG.

Nothing is loaded from elsewhere and no script runs; every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

__all__ = ["html_report"]

SIZE, EDGE = 280, 36
COLOURS = ("#1f5fa8", "#b5462a")
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;border-bottom:1px solid #ccc;
text-align:right}td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:1em}
svg{background:#fafafa}text{font:11px system-ui,sans-serif;fill:#444}"""
FIGURES = (
    ("precision", "precision", 4), ("recall", "recall", 4), ("f1", "F1", 4),
    ("false_positive_rate", "false-positive rate", 4),
    ("recall_at_fpr_0_001", "recall at 0.1 % false positives", 4),
    ("expected_calibration_error", "expected calibration error", 4), ("n", "messages", 0),
    ("false_positives", "false positives", 0), ("false_negatives", "false negatives", 0),
)  # fmt: skip


def html_report(title: str, named: Sequence[tuple[str, dict[str, Any]]], note: str = "") -> str:
    """The page for one or two (name, scores) of classify.evaluate."""
    names = [name for name, _ in named]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{escape(title)}</title><style>{STYLE}</style><h1>{escape(title)}</h1>",
        f"<p>{escape(note)}</p>" if note else "",
        _table(["", *names], [
            [text, *(f"{scores[key]:,.{digits}f}" for _, scores in named)]
            for key, text, digits in FIGURES
        ]),
    ]  # fmt: skip
    for name, scores in named:
        confusion, classes = scores["confusion"], scores["classes"]
        parts.append(f"<h2>{escape(name)}</h2>")
        rows = [
            [actual, *(f"{confusion[actual][called]:,}" for called in ("ham", "spam")),
             f"{classes[actual]['precision']:.4f}", f"{classes[actual]['recall']:.4f}"]
            for actual in ("ham", "spam")
        ]  # fmt: skip
        parts.append(_table(["is", "called ham", "called spam", "precision", "recall"], rows))
        parts.append(_kinds(scores["kinds"]))
    curves = [scores["curves"] for _, scores in named]
    parts += [
        _plot("ROC, to 2 % false positives", "false-positive rate", "recall",
              [one["roc"] for one in curves], x_end=0.02, y_start=0.8, names=names),
        _plot("precision and recall", "recall", "precision",
              [one["precision_recall"] for one in curves], x_start=0.8, y_start=0.8, names=names),
        _plot("calibration", "probability given", "share of spam",
              [one["calibration"] for one in curves], diagonal=True, names=names),
    ]  # fmt: skip
    return "".join(parts) + "</html>\n"


def _kinds(found: dict[str, Any]) -> str:
    """The five categories, over the messages whose own is known."""
    if not found["labelled"]:
        return "<p>No message here has a label of its category.</p>"
    rows = [
        [name, *(f"{count:,}" for count in counts), *(
            "" if found["classes"][name][key] is None else f"{found['classes'][name][key]:.4f}"
            for key in ("precision", "recall")
        )]
        for name, counts in zip(found["names"], found["confusion"], strict=True)
    ]  # fmt: skip
    head = ["is", *(f"called {name}" for name in found["names"]), "precision", "recall"]
    return (
        f"<h3>Five categories, {found['labelled']:,} labelled messages</h3>{_table(head, rows)}"
        f"<p>{escape(found['note'])}</p>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<th>{escape(cell)}" for cell in head)]
    lines += ["".join(f"<td>{escape(cell)}" for cell in row) for row in rows]
    return f"<table><tr>{'<tr>'.join(lines)}</table>"


def _plot(
    title: str,
    x_name: str,
    y_name: str,
    lines: Sequence[Sequence[Sequence[float]]],
    names: Sequence[str],
    x_start: float = 0.0,
    x_end: float = 1.0,
    y_start: float = 0.0,
    diagonal: bool = False,
) -> str:
    def at(x: float, y: float) -> str:
        across = EDGE + (min(max(x, x_start), x_end) - x_start) / (x_end - x_start) * SIZE
        up = EDGE / 2 + (1 - (max(y, y_start) - y_start) / (1 - y_start)) * SIZE
        return f"{across:.1f},{up:.1f}"

    left, top, bottom = EDGE, EDGE / 2, EDGE / 2 + SIZE
    parts = [
        f'<figure><figcaption>{escape(title)}</figcaption><svg width="{SIZE + 2 * EDGE}" '
        f'height="{SIZE + 2 * EDGE}" role="img" aria-label="{escape(title)}">',
        f'<rect x="{left}" y="{top}" width="{SIZE}" height="{SIZE}" fill="#fff" stroke="#999"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = x_start + share * (x_end - x_start), y_start + share * (1 - y_start)
        parts.append(f'<text x="{left + share * SIZE - 8}" y="{bottom + 14}">{x:g}</text>')
        parts.append(f'<text x="4" y="{bottom - share * SIZE + 4}">{y:g}</text>')
    parts.append(f'<text x="{left + SIZE / 2 - 40}" y="{bottom + 28}">{escape(x_name)}</text>')
    parts.append(f'<text x="{left + 6}" y="{top + 14}">{escape(y_name)}</text>')
    if diagonal:
        parts.append(f'<polyline points="{at(0, 0)} {at(1, 1)}" stroke="#bbb" fill="none"/>')
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(at(point[0], point[1]) for point in line)
        parts.append(
            f'<polyline points="{points}" stroke="{colour}" stroke-width="1.5" fill="none"/>'
        )
        if len(lines) > 1:
            parts.append(
                f'<text x="{left + SIZE / 2}" y="{bottom - 30 + 14 * number}" '
                f'style="fill:{colour}">{escape(names[number])}</text>'
            )
    return "".join(parts) + "</svg></figure>"
