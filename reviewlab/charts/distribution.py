"""How are the ratings of each period distributed?"""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import date_axis
from reviewlab.charts.marks import columns, label_gaps, no_reviews, volume_strip
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, facts, range_words, read_periods
from reviewlab.charts.style import canvas, frame, headline, inks, scale_colours
from reviewlab.ratings.counts import sides


def distribution(
    counts: pd.DataFrame,
    *,
    kind: Literal["share", "count"] = "share",
    strip: bool = True,
    legend: bool = True,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one stacked bar per period, worst rating at the bottom, best hanging from the top.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns: bucket, bucket_end, complete, rating, n, and in_scale where some
        ratings lie outside the scale; those are counted in the subtitle, not drawn. A scale of more than 11
        points is drawn in ten classes.
    kind
        "share" lets each bar fill 100 %, "count" keeps the number of reviews.
    strip
        Draw the number of reviews above the shares: 71 % of 233 and 70 % of 6 must not look alike.
    ax
        Where to draw, best in a figure with ``layout="constrained"``; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. Incomplete periods are hatched, empty ones a gap.

    Raises
    ------
    ValueError
        If a column is missing, a count is negative, or *kind* is neither word.
    """
    if kind not in ("share", "count"):
        raise ValueError(f"kind needs 'share' or 'count', got {kind!r}")
    periods = read_periods(counts)
    with canvas(ax) as ax:
        if not periods.total.any():
            return no_reviews(ax, title or "Ratings")
        top = _draw_stack(ax, periods, kind=kind, strip=strip and kind == "share")
        colours = scale_colours(len(periods.labels))
        headline(
            ax,
            f"Ratings by {periods.name}" if title is None else title,
            said=facts(periods),
            top=top,
            key=dict(zip(periods.labels, colours, strict=True)) if legend else None,
        )
        describe(ax, alt_start(periods, _KINDS[kind]), _top_class(periods), alt_end(periods))
        return ax


def updown(
    counts: pd.DataFrame,
    *,
    positive: int | None = None,
    negative: int | None = None,
    legend: bool = True,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the number of positive reviews of each period upwards, of negative ones downwards, extremes outermost.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns.
    positive, negative
        Least positive and greatest negative rating; by default the top and bottom 40 % of the scale. What lies
        between is neutral: not drawn, its number stated.
    ax
        Where to draw; without it, in a new pyplot figure.

    Raises
    ------
    ValueError
        If a column is missing, or the thresholds overlap or lie outside the scale.
    """
    periods = read_periods(counts)
    up_from, down_to = sides(periods.read, positive, negative)
    with canvas(ax) as ax:
        if not periods.total.any():
            return no_reviews(ax, "Positive and negative reviews" if title is None else title)
        points = np.arange(periods.low, periods.high + 1)
        up, down = (periods.only(chosen) for chosen in (points >= up_from, points <= down_to))
        _draw_updown(ax, periods, up=up, down=down)
        heading = f"Positive and negative reviews by {periods.name}" if title is None else title
        shown = dict(zip(periods.labels, scale_colours(len(periods.labels)), strict=True))
        drawn = (up + down).sum(axis=0) > 0
        key = {label: colour for (label, colour), seen in zip(shown.items(), drawn.tolist(), strict=True) if seen}
        neutral = int(periods.total.sum() - up.sum() - down.sum())
        above = range_words(range(up_from, periods.high + 1), periods.high)
        below = range_words(range(periods.low, down_to + 1), periods.high)
        said = [*facts(periods), f"{above} above the line, {below} below"]
        said.append(f"{neutral:,} neutral not drawn" if neutral else "")
        headline(ax, heading, said=said, key=key if legend else None)
        told = f"{int(up.sum()):,} positive ({above}), {int(down.sum()):,} negative ({below}), {neutral:,} neutral."
        describe(ax, alt_start(periods, "Bars up and down"), told, alt_end(periods))
        return ax


_KINDS = {"share": "100 % stacked bars", "count": "Stacked bars"}


def _draw_stack(ax: Axes, periods: Periods, *, kind: str, strip: bool) -> float:
    heights = periods.share if kind == "share" else periods.n
    tops = heights.cumsum(axis=1)
    for k, colour in enumerate(scale_colours(len(periods.labels))):
        columns(
            ax,
            periods.span,
            bottom=tops[:, k] - heights[:, k],
            top=tops[:, k],
            colour=colour,
            incomplete=~periods.complete,
        )
    ax.set_ylim(0, 1 if kind == "share" else float(tops.max()) * 1.05)
    frame(ax, y_label="share of reviews" if kind == "share" else f"reviews per {periods.name}")
    if kind == "share":
        ax.set_yticks(np.linspace(0, 1, 5))
    ax.yaxis.set_major_formatter(PercentFormatter(1) if kind == "share" else StrMethodFormatter("{x:,.0f}"))
    date_axis(ax, start=periods.bucket[0], end=periods.bucket_end[-1])
    label_gaps(ax, periods)
    return volume_strip(ax, periods.span, n=periods.total, incomplete=~periods.complete) if strip else 1.0


def _draw_updown(ax: Axes, periods: Periods, *, up: NDArray[np.int64], down: NDArray[np.int64]) -> None:
    colours = scale_colours(len(periods.labels))
    for n, sign, order in ((up, 1, range(len(colours))), (down, -1, range(len(colours))[::-1])):
        reached = np.zeros(len(n), dtype=np.int64)
        for k in (k for k in order if n[:, k].any()):
            bottom, reached = reached, reached + sign * n[:, k]
            columns(ax, periods.span, bottom=bottom, top=reached, colour=colours[k], incomplete=~periods.complete)
    deep, tall = int(down.sum(axis=1).max()), int(up.sum(axis=1).max())
    ax.set_ylim(-1.05 * deep, 1.05 * tall or float(not deep))
    frame(ax, y_label=f"reviews per {periods.name}")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    ax.yaxis.set_major_formatter(lambda y, _: f"{abs(y):,.0f}")
    ax.axhline(0, color=inks(ax).strong, linewidth=1)
    date_axis(ax, start=periods.bucket[0], end=periods.bucket_end[-1])


def _top_class(periods: Periods) -> str:
    overall = periods.n[:, -1].sum() / periods.total.sum()
    extremes = alt_extremes(periods, periods.share[:, -1], show="{:.0%}".format)
    return f"Share of {periods.labels[-1]}: {overall:.0%}. {extremes}"
