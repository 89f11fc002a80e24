"""Which figures, charts and tables make a page about the ratings, for a template to lay out?"""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from reviewlab import charts, ratings
from reviewlab.charts.page import key_figures, split
from reviewlab.charts.periods import facts, read_periods

SMALL = 5
"""Fewer reviews than this are not told apart in a table."""
HALF = (4.8, 3.6)
"""Inches."""
FEW = f"numbers from 1 to {SMALL - 1} are shown as <{SMALL}"


class Table(NamedTuple):
    """The numbers of a chart, as text."""

    name: str
    caption: str
    head: list[str]
    rows: list[list[str]]


class Section(NamedTuple):
    """A chart as PNG (base64), in words, and as a table; *half* as wide as the page, or as wide as it."""

    png: str
    alt: str
    table: Table
    half: bool


def compose(
    counts: pd.DataFrame,
    daily: pd.DataFrame,
    *,
    before: pd.DataFrame | None,
    events: Mapping[object, str] | None,
    changepoints: pd.DataFrame | None,
    texts: pd.DataFrame,
) -> dict[str, Any]:
    """Draw the charts of a page.

    Parameters
    ----------
    counts, daily, before, events, changepoints
        As for ``charts.overview``.
    texts : DataFrame
        Public texts to print: submitted_at, rating, public_review; may be empty.

    Returns
    -------
    dict
        said (str), figures (list of KeyFigure), sections (list of Section), texts (Table or None).
    """
    now, earlier, named = split(counts, before=before)
    periods = read_periods(counts)
    told = facts(periods, mark="") if periods.total.any() else ["no reviews in this range"]
    compared = "" if earlier.empty else f", change from {named[1]}"
    return {
        "said": " · ".join([*filter(None, told), f"figures: {named[0]}{compared}"]),
        "figures": key_figures(now, earlier),
        "sections": [
            _section(charts.distribution(counts), _stacked(counts)),
            _section(charts.mean_rating(counts, events=events, changepoints=changepoints), _means(counts)),
            *_compared(now, earlier, named),
            _section(charts.calendar(daily), _days(daily)),
        ],
        "texts": None if texts.empty else _texts(texts),
    }


def _section(ax: Axes, table: Table, *, half: bool = False) -> Section:
    shown = charts.show(ax)
    return Section(base64.b64encode(shown.png).decode("ascii"), shown.text, table, half)


def _stacked(counts: pd.DataFrame) -> Table:
    wide = ratings.to_wide(counts)
    rows = [[_moment(at), *map(_number, row)] for at, row in zip(wide.index, wide.to_numpy(), strict=True)]
    return Table("Reviews by period and rating", FEW, ["from", *map(str, wide.columns)], rows)


def _means(counts: pd.DataFrame) -> Table:
    rows = []
    for row in ratings.summarize(counts).reset_index().to_dict("records"):
        shown = [f"{row['mean']:.2f}", f"{row['mean_lo']:.2f}–{row['mean_hi']:.2f}", f"{row['share_positive']:.0%}"]
        rows.append([_moment(row["bucket"]), _number(row["n"]), *(shown if row["n"] >= SMALL else ["–"] * 3)])
    return Table("Mean by period", FEW, ["from", "reviews", "mean", "95% interval", "positive"], rows)


def _days(daily: pd.DataFrame) -> Table:
    days = ratings.summarize(daily).reset_index()
    last = days[(days["n"] > 0) & (days["bucket"].dt.year == days["bucket"].max().year)]
    rows = [
        [_moment(row["bucket"]), _number(row["n"]), f"{row['mean']:.2f}" if row["n"] >= SMALL else "–"]
        for row in last.to_dict("records")
    ]
    return Table("Days", FEW, ["day", "reviews", "mean"], rows)


def _compared(now: pd.DataFrame, before: pd.DataFrame, named: tuple[str, str]) -> list[Section]:
    heading = named[0].capitalize()
    if before.empty:
        return [_section(charts.bars(now, title=heading), _shares([now], [named[0]]))]
    tests = [[str(name), _figure(str(name), value)] for name, value in ratings.compare(now, before).items()]
    comparison = Table("Comparison", f"a: {named[0]}, b: {named[1]}", ["", "value"], tests)
    return [
        _section(
            charts.bars(now, compare=before, labels=named, title=heading, ax=_half_axes()),
            _shares([now, before], list(named)),
            half=True,
        ),
        _section(
            charts.shift(now, before, labels=named, title="Change in distribution", ax=_half_axes()),
            comparison,
            half=True,
        ),
    ]


def _half_axes() -> Axes:
    """Axes for half of the page's width, where labels must be as large as on the other half."""
    return plt.figure(figsize=HALF, layout="constrained", facecolor="white").add_subplot()


def _shares(frames: list[pd.DataFrame], names: list[str]) -> Table:
    wholes = [ratings.to_wide(counts).sum() for counts in frames]
    rows = [
        [str(rating), *(cell for whole in wholes for cell in _part(int(whole[rating]), int(whole.sum())))]
        for rating in wholes[0].index[::-1]
    ]
    return Table("Shares", FEW, ["rating", *(head for name in names for head in (name, "share"))], rows)


def _part(n: int, total: int) -> tuple[str, str]:
    return _number(n), f"{n / total:.1%}" if total and not 0 < n < SMALL else "–"


def _texts(newest: pd.DataFrame) -> Table:
    rows = [
        [f"{row['submitted_at']:%Y-%m-%d %H:%M}", str(row["rating"]), row["public_review"]]
        for row in newest.to_dict("records")
    ]
    return Table("Newest public texts", "as customers wrote them", ["submitted", "rating", "text"], rows)


def _number(n: int) -> str:
    return f"<{SMALL}" if 0 < n < SMALL else f"{n:,}"


def _figure(name: str, value: float) -> str:
    if name.startswith("n_"):
        return f"{value:,.0f}"
    return "< 0.0001" if name.startswith("p_") and value < 0.0001 else f"{value:.4f}"


def _moment(at: pd.Timestamp) -> str:
    return f"{at:%Y-%m-%d}" if at == at.normalize() else f"{at:%Y-%m-%d %H:%M %Z}".rstrip()
