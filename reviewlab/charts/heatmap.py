"""Where on the scale do the ratings of each period fall?"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import PercentFormatter

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import date_axis
from reviewlab.charts.marks import GAPS_UP_TO, label_gaps, no_reviews, shade_bar, volume_strip
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, class_ticks, facts, read_periods
from reviewlab.charts.style import SHARE_MAP, canvas, frame, headline, inks


def heatmap(counts: pd.DataFrame, *, strip: bool = True, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the share of each rating within its period as a shade; best for scales of more than five points.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns. A scale of more than 11 points is drawn in ten classes.
    strip
        Draw the number of reviews above.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. The darkest shade is the 99 % quantile of the shares; incomplete periods are hatched.

    Raises
    ------
    ValueError
        If a column is missing or a count is negative.
    """
    periods = read_periods(counts)
    with canvas(ax) as ax:
        if not periods.total.any():
            return no_reviews(ax, "Where the ratings fall" if title is None else title)
        shades = _draw_cells(ax, periods)
        frame(ax, y_label="rating")
        ax.grid(visible=False)
        ax.set_yticks(*class_ticks(periods))
        ax.set_ylim(0, len(periods.labels))
        date_axis(ax, start=periods.bucket[0], end=periods.bucket_end[-1])
        label_gaps(ax, periods)
        bar = shade_bar(ax, shades, label=f"share of the {periods.name}")
        bar.yaxis.set_major_formatter(PercentFormatter(1, 0))
        top = 1.0
        if strip:
            top = volume_strip(ax, periods.span, n=periods.total, incomplete=~periods.complete)
        heading = f"Where the ratings fall, by {periods.name}" if title is None else title
        headline(ax, heading, said=[*facts(periods), "each column sums to 100%"], top=top)
        most = int(periods.n.sum(axis=0).argmax())
        extremes = alt_extremes(periods, periods.share[:, most], show="{:.0%}".format)
        told = (
            f"Most frequent: {periods.labels[most]}, {periods.n[:, most].sum() / periods.total.sum():.0%}. {extremes}"
        )
        describe(ax, alt_start(periods, "Heat map"), told, alt_end(periods))
        return ax


def _draw_cells(ax: Axes, periods: Periods) -> PolyCollection:
    full = periods.total > 0
    k = len(periods.labels)
    left, right = periods.span[full].repeat(k, axis=0).T
    low = np.tile(np.arange(k), full.sum())
    corners = np.stack([left, low, left, low + 1, right, low + 1, right, low], axis=1).reshape(-1, 4, 2)
    share = periods.share[full].reshape(-1)
    limits = Normalize(0, max(float(np.quantile(share, 0.99)), 0.01))
    edges = {"edgecolor": inks(ax).paper, "linewidth": 0.6} if len(full) <= GAPS_UP_TO else {"linewidth": 0}
    cells = PolyCollection(list(corners), array=share, cmap=SHARE_MAP, norm=limits, **edges)
    ax.add_collection(cells)
    part = np.repeat(~periods.complete[full], k)
    if part.any():
        hatched = PolyCollection(list(corners[part]), facecolor="none", edgecolor=inks(ax).paper, linewidth=0)
        hatched.set_hatch("////")
        ax.add_collection(hatched)
    return cells
