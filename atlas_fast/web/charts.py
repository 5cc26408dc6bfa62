"""Figures that need no JavaScript: a table, and bars of it as SVG with plain attributes.

Where JavaScript runs, `static/charts.js` reads the same table and draws it with the chart library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Chart", "Series", "tone_of"]

WIDTH, HEIGHT = 720, 160

TONES = {
    "Legitimate": "good", "Legitimate Marketing": "info", "Commercial Spam": "warn",
    "Scams": "hot", "Dangerous": "bad", "DELETED": "bad", "PRESERVED": "good",
    "Not Spam": "good", "Promotional Email": "info", "Business Opportunity Spam": "warn",
    "Payment Scam": "hot", "Phishing": "bad",
}  # fmt: skip


def tone_of(name: str | None) -> str:
    """The colour class of a category, under its new or its original name, or of an action."""
    return TONES.get(name or "", "plain")


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a figure; `values` in the order of the figure's labels, None where unknown."""

    name: str
    values: Sequence[float | None]
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: position and size in the units of the SVG's view box."""

    x: float
    y: float
    width: float
    height: float
    tone: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure: `labels` along the axis and series of the same length, stacked as bars or drawn as
    lines (`kind`). `what` names the axis of the labels, `unit` the values."""

    id: str
    title: str
    what: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: str = "messages"
    kind: str = "bar"
    note: str = ""
    digits: int = 0
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)

    @property
    def empty(self) -> bool:
        return not any((value or 0) > 0 for one in self.series for value in one.values)

    @property
    def peak(self) -> float:
        """The highest bar's value; of lines the highest point."""
        columns = list(zip(*(one.values for one in self.series), strict=True))
        join = sum if self.kind == "bar" else max
        return max((join(max(value or 0, 0) for value in column) for column in columns), default=0)

    def bars(self) -> list[Bar]:
        """Rectangles of a stacked figure; lines are shown as bars beside each other."""
        if self.empty:
            return []
        step, scale = self.width / len(self.labels), self.height / self.peak
        stacked, n = self.kind == "bar", len(self.series)
        made = []
        for at in range(len(self.labels)):
            low = 0.0
            for number, one in enumerate(self.series):
                height = max(one.values[at] or 0, 0) * scale
                if height > 0:
                    wide = step * 0.82 if stacked else step * 0.82 / n
                    x = at * step + step * 0.09 + (0 if stacked else number * wide)
                    top = self.height - low - height
                    made.append(Bar(round(x, 2), round(top, 2), round(wide, 2), round(height, 2),
                                    one.tone))  # fmt: skip
                if stacked:
                    low += height
        return made
