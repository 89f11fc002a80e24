"""How are the ratings of each period distributed?"""

from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter, StrMethodFormatter

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import date_axis
from reviewlab.charts.marks import columns, label_gaps, no_reviews, volume_strip
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, facts, read_periods
from reviewlab.charts.style import canvas, frame, headline, scale_colours


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
            facts(periods),
            top=top,
            key=dict(zip(periods.labels, colours, strict=True)) if legend else None,
        )
        describe(ax, alt_start(periods, _KINDS[kind]), _top_class(periods), alt_end(periods))
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
    date_axis(ax, periods.bucket[0], periods.bucket_end[-1])
    label_gaps(ax, periods)
    return volume_strip(ax, periods.span, n=periods.total, incomplete=~periods.complete) if strip else 1.0


def _top_class(periods: Periods) -> str:
    overall = periods.n[:, -1].sum() / periods.total.sum()
    extremes = alt_extremes(periods, periods.share[:, -1], "{:.0%}".format)
    return f"Share of {periods.labels[-1]}: {overall:.0%}. {extremes}"
