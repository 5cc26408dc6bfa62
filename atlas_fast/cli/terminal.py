"""Printing for people: tables and progress on a terminal, plain lines elsewhere.

Text that comes from mail never reaches a terminal raw: control, direction and other invisible
characters are written as `\\u{...}`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from atlas_fast.visible import visible

__all__ = [
    "fail",
    "fail_some",
    "print_json",
    "print_pairs",
    "print_table",
    "progress_bar",
    "progress_line",
    "say",
    "visible",
]

LONGEST = 2_000
"""Characters of an error: arguments may be long, and the reason stands at the end."""


def say(text: str) -> None:
    """One line on stdout."""
    print(visible(text))


def fail(text: str) -> None:
    """One line on stderr; of a very long one the middle is left out."""
    line = visible(" ".join(text.splitlines()))
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} [...] {line[-LONGEST // 2 :]}"
    print(f"atlas-fast: {line}", file=sys.stderr)


def fail_some(texts: Sequence[str], shown: int, rest: str) -> None:
    """The first of the texts on stderr, and `rest` where there are more."""
    for text in texts[:shown]:
        fail(text)
    if len(texts) > shown:
        fail(rest)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout, in ASCII: so it is the same in every encoding, holds bytes of a
    file name that are no text (as lone surrogates), and nothing in it acts on a terminal."""
    import json

    print(json.dumps(value, indent=2, default=lambda number: number.item()))  # numpy's


def print_pairs(title: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, one a line."""
    print_table(title, ("", ""), pairs, numeric=())


def print_table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: Sequence[int],
    out: TextIO | None = None,
) -> None:
    """A table; `numeric` are the columns that are set flush right."""
    out, title, head = out or sys.stdout, visible(title), list(map(visible, head))
    shown = [[visible(cell) for cell in row] for row in rows]
    if out.isatty():
        _rich_table(title, head, shown, numeric, out)
    else:
        _plain_table(title, head, shown, numeric, out)


def _plain_table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int],
    out: TextIO,
) -> None:
    lines = [list(head), *rows] if any(head) else list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if title:
        print(title, file=out)
    for line in lines:
        cells = [
            cell.rjust(width) if number in numeric else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), file=out)


def _rich_table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    numeric: Sequence[int],
    out: TextIO,
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, show_header=any(head), title_justify="left")
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=out, emoji=False, highlight=False, markup=False).print(table)


@contextmanager
def progress_bar(total_bytes: int | None) -> Iterator[Callable[[int, int], None] | None]:
    """A live bar on stderr where that is a terminal; otherwise None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[messages]:,} messages, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr, emoji=False, highlight=False)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total_bytes, messages=0, rate=0.0)

        def update(messages: int, done: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = messages / elapsed if elapsed else 0.0
            bar.update(task, completed=done, messages=messages, rate=rate)

        yield update


@contextmanager
def progress_line() -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is being done and goes in the end; on a terminal only."""
    shown = sys.stderr.isatty()

    def say(text: str) -> None:
        if shown:
            print(f"\r\x1b[K{visible(text)}", end="", file=sys.stderr, flush=True)

    try:
        yield say
    finally:
        say("")
