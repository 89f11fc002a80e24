"""How is a value shown that is no DataFrame?  By a small table with every text escaped, and cut where it is long."""

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    AnySeries = pd.Series[Any]
else:
    AnySeries = pd.Series

LONGEST = 300
"""Characters of a text."""
MOST_ROWS = 20
_LEFT = "style='text-align:left; vertical-align:top'"


class Summary(AnySeries):
    """A Series that a notebook shows as a small table, with its numbers made to be read."""

    def _repr_html_(self) -> str:
        return table(str(self.name), [(str(name), _words(value)) for name, value in self.items()])


def lines(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Names and values as plain text."""
    known = list(rows)
    width = max(len(name) for name, _ in known)
    return "\n".join([caption, *(f"  {name:<{width}}  {value}" for name, value in known)])


def table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Names and values as HTML."""
    named = "".join(f"<tr><th scope='row' {_LEFT}>{_cell(n)}</th><td {_LEFT}>{_cell(v)}</td></tr>" for n, v in rows)
    return _table(caption, f"<tbody>{named}</tbody>")


def grid(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows below names of columns as HTML."""
    above = "".join(f"<th scope='col' {_LEFT}>{_cell(name)}</th>" for name in head)
    known = list(rows)
    some = known if len(known) <= MOST_ROWS else [*known[:MOST_ROWS], ["…"] * len(head)]
    below = "".join("<tr>" + "".join(f"<td {_LEFT}>{_cell(value)}</td>" for value in row) + "</tr>" for row in some)
    return _table(caption, f"<thead><tr>{above}</tr></thead><tbody>{below}</tbody>")


def _table(caption: str, body: str) -> str:
    return f"<table><caption style='text-align:left'><b>{_cell(caption)}</b></caption>{body}</table>"


def _cell(text: str) -> str:
    return html.escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{value[0]} to {value[1]}"
    if value is None or pd.isna(value):
        return "–"
    if isinstance(value, pd.Timestamp):
        return f"{value:%d %b %Y %H:%M %Z}".rstrip()
    return f"{value:,.4g}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}"
