"""What does one page say about the ratings?"""

from collections.abc import Mapping
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from reviewlab import ratings
from reviewlab.charts.calendar import calendar
from reviewlab.charts.compare import bars, points, shift
from reviewlab.charts.distribution import distribution, updown
from reviewlab.charts.periods import facts, rating_words, read_periods
from reviewlab.charts.style import HOUSE, inks
from reviewlab.charts.trend import mean_rating
from reviewlab.ratings.counts import sides

A4 = (8.27, 11.69)
BANDS = (0.95, 2.5, 2.0, 2.15, 1.35)
RECENT = pd.Timedelta(92, "D")


class KeyFigure(NamedTuple):
    """One figure at the head of the page: what, how much, and how that changed."""

    name: str
    value: str
    change: str


def overview(
    counts: pd.DataFrame,
    *,
    daily: pd.DataFrame | None = None,
    recent: int | None = None,
    before: pd.DataFrame | None = None,
    events: Mapping[object, str] | None = None,
    changepoints: pd.DataFrame | None = None,
    title: str = "Review report",
    footer: str = "",
) -> Figure:
    """Compose a page: headline figures, distribution and mean over time, the latest periods against those before.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns.
    daily
        The same by day, for the calendar of its last year; without it, positive and negative counts are drawn.
    recent
        How many of the latest complete periods to compare with as many before them; by default about three months,
        at most half of what there is.
    before
        Counts of the time before *counts* to compare all of them with, instead of *recent*.
    events, changepoints
        Marks on the mean; see `mean_rating`.
    footer
        A small line at the foot, such as the parameters of the query.

    Returns
    -------
    Figure
        A4, portrait, of pyplot; ``savefig("page.pdf")`` writes vectors. `alt_text` gives the words of all its charts.

    Raises
    ------
    ValueError
        If a column is missing, *recent* is below 1, or *daily* is not daily.
    """
    if recent is not None and recent < 1:
        raise ValueError(f"recent needs 1 or more periods, got {recent}")
    now, before, named = split(counts, recent, before=before)
    page = plt.figure(figsize=A4, layout="constrained", facecolor=HOUSE["figure.facecolor"])  # outside: see canvas
    with mpl.rc_context(HOUSE | {"font.size": 7.5}):
        page.get_layout_engine().set(w_pad=0.16, h_pad=0.09)  # type: ignore[union-attr,call-arg]
        try:
            bands: list[SubFigure] = list(page.subfigures(len(BANDS), 1, height_ratios=BANDS))  # type: ignore[arg-type]
            figures = key_figures(now, before)
            _draw_head(bands[0], counts, figures=figures, named=named, compared=not before.empty, title=title)
            distribution(counts, ax=bands[1].subplots())
            mean_rating(counts, events=events, changepoints=changepoints, ax=bands[2].subplots())
            _draw_comparison(bands[3], now, before=before, named=named)
            last = bands[4].subplots()
            updown(counts, ax=last) if daily is None else calendar(daily, ax=last)
            page.text(0.02, 0.006, footer, color=inks(last).muted, fontsize=5.5)
        except BaseException:
            plt.close(page)
            raise
    return page


def split(
    counts: pd.DataFrame, recent: int | None = None, *, before: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, str]]:
    """Take the latest complete periods, as many before them, and what to call both; or *counts* and *before*."""
    if before is not None:
        return counts, before if before["n"].any() else before[:0], ("this period", "the one before")
    periods = read_periods(counts)
    complete, end = periods.bucket[periods.complete], periods.bucket_end[periods.complete]
    if recent is None:
        recent = int((complete > end[-1] - RECENT).sum()) if len(complete) else 1
    recent = max(min(recent, len(complete) // 2), 1)
    unit = periods.name if recent == 1 else f"{recent} {periods.name}s"
    now = counts[counts["bucket"].isin(complete[-recent:])]
    before = counts[counts["bucket"].isin(complete[-2 * recent : -recent])]
    return now, before, (f"last {unit}", f"previous {unit}")


def key_figures(now: pd.DataFrame, before: pd.DataFrame) -> list[KeyFigure]:
    """Sum up the latest periods: each figure with its interval or its change against those before."""
    one, other = read_periods(now), read_periods(before)
    if not one.total.any():
        return [KeyFigure("Reviews", "0", "")]
    row, n, m = ratings.summarize(ratings.total(now)).iloc[0], int(one.total.sum()), int(other.total.sum())
    up, _ = sides(one.read, None, None)
    mean, share = (
        f"95% interval {low}–{high}"
        for low, high in (
            (f"{row['mean_lo']:.2f}", f"{row['mean_hi']:.2f}"),
            (f"{row['share_positive_lo']:.0%}", f"{row['share_positive_hi']:.0%}"),
        )
    )
    ends = [
        KeyFigure(
            one.labels[at],
            f"{one.n[:, at].sum() / n:.0%}",
            points(one.n[:, at].sum() / n - other.n[:, at].sum() / m) if m else "",
        )
        for at in (-1, 0)
    ]
    return [
        KeyFigure("Reviews", f"{n:,}", f"{n / m - 1:+.0%}".replace("-", "−") if m else ""),
        KeyFigure("Mean rating", f"{row['mean']:.2f}", mean),
        KeyFigure(f"{rating_words(up, one.high)} and above", f"{row['share_positive']:.0%}", share),
        *ends,
    ]


def _draw_head(
    band: SubFigure,
    counts: pd.DataFrame,
    *,
    figures: list[KeyFigure],
    named: tuple[str, str],
    compared: bool,
    title: str,
) -> None:
    ax = band.subplots()
    ax.set_axis_off()
    ink, size, periods = inks(ax), mpl.rcParams["font.size"], read_periods(counts)
    band.text(0.02, 0.8, title, fontsize=2.4 * size, fontweight="bold", color=ink.strong, va="center")
    said = [" · ".join(facts(periods, mark=""))] if periods.total.any() else []
    said.append(f"figures: {named[0]}" + (f", change from {named[1]}" if compared else ""))
    right = band.text(0.98, 0.8, "\n".join(said), fontsize=1.1 * size, color=ink.muted, linespacing=1.5)
    right.set(va="center", ha="right")
    for at, figure in enumerate(figures):
        x = 0.02 + 0.2 * at
        band.text(x, 0.46, figure.name, fontsize=1.1 * size, color=ink.muted)
        band.text(x, 0.2, figure.value, fontsize=2.5 * size, fontweight="bold", color=ink.strong)
        band.text(x, 0.06, figure.change, fontsize=size, color=ink.muted)


def _draw_comparison(band: SubFigure, now: pd.DataFrame, *, before: pd.DataFrame, named: tuple[str, str]) -> None:
    heading = named[0].capitalize()
    if before.empty:
        bars(now, ax=band.subplots(), title=heading)
        return
    left, right = band.subplots(1, 2)
    bars(now, compare=before, labels=named, ax=left, title=heading)
    shift(now, before, labels=named, ax=right, title="Change in distribution")
