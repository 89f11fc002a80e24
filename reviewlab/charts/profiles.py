"""Which shape do the ratings of each period have, beside that of all of them?"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.dates import row_words
from reviewlab.charts.marks import boxes, casing, no_reviews
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, class_ticks, facts, read_periods
from reviewlab.charts.style import canvas, frame, headline, inks, scale_colours

MOST = 36
TALL = 0.82


def profiles(counts: pd.DataFrame, *, most: int = MOST, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw one small histogram per period, newest at the bottom, with a line at each rating's share of all reviews.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns; months read best (``ratings.regroup``).
    most
        Periods to draw at most, the latest ones; the subtitle says when some are left out.
    ax
        Where to draw; without it, in a new pyplot figure as tall as the periods need.

    Returns
    -------
    Axes
        The one drawn into, with mean and n of each period at the right; incomplete periods are hatched.

    Raises
    ------
    ValueError
        If a column is missing, a count is negative, or *most* is below 1.
    """
    if most < 1:
        raise ValueError(f"most needs 1 or more periods, got {most}")
    whole = read_periods(counts)
    periods = read_periods(counts[counts["bucket"].isin(whole.bucket[-most:])])
    with canvas(ax, size=(6.6, 1.3 + 0.4 * len(periods.bucket))) as ax:
        if not periods.total.any():
            return no_reviews(ax, "Rating profiles" if title is None else title)
        _draw_profiles(ax, periods, expected=whole.n.sum(axis=0) / whole.total.sum())
        mean = ratings.summarize(counts)["mean"].to_numpy()[-len(periods.bucket) :]
        _label_rows(ax, periods, mean=mean)
        cut = f"latest {most} of {len(whole.bucket):,}" if len(whole.bucket) > most else ""
        heading = f"Rating profile, {periods.name} by {periods.name}" if title is None else title
        said = [*facts(periods), f"bar: share of the {periods.name}, line: share of all", cut]
        headline(ax, heading, said=said)
        extremes = alt_extremes(periods, mean, show="{:.2f}".format)
        describe(ax, alt_start(periods, "Small histograms"), f"Mean: {extremes}", alt_end(periods))
        return ax


def _draw_profiles(ax: Axes, periods: Periods, *, expected: NDArray[np.float64]) -> None:
    rows, k = len(periods.bucket), len(periods.labels)
    base = np.arange(rows, 0, -1, dtype=np.float64) - 1
    scale = TALL / max(float(periods.share.max()), float(expected.max()))
    for rating, colour in enumerate(scale_colours(k)):
        span = np.broadcast_to([rating + 0.07, rating + 0.93], (rows, 2))
        top = base + periods.share[:, rating] * scale
        boxes(ax, span, bottom=base, top=top, colour=colour, incomplete=~periods.complete)
    full = base[periods.total > 0]
    left = np.tile(np.arange(k), len(full))
    height = np.repeat(full, k) + np.tile(expected, len(full)) * scale
    lines = np.stack([np.c_[left + 0.07, height], np.c_[left + 0.93, height]], axis=1)
    drawn = LineCollection(list(lines), color=inks(ax).strong, linewidth=1.0, path_effects=casing(ax, 2.0))
    ax.add_collection(drawn)
    drawn.set_gid("expected")
    ax.set_xlim(0, k)
    ax.set_ylim(-0.06, rows)


def _label_rows(ax: Axes, periods: Periods, *, mean: NDArray[np.float64]) -> None:
    ink, size, rows = inks(ax), mpl.rcParams["font.size"], len(periods.bucket)
    frame(ax)
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.hlines(np.arange(rows), 0, len(periods.labels), color=ink.line, linewidth=0.8, zorder=0.5)
    ax.set_xticks(*class_ticks(periods))
    ax.tick_params(axis="x", length=0, labelcolor=ink.strong)
    ax.set_yticks(np.arange(rows, 0, -1) - 0.7, [row_words(at, periods.name) for at in periods.bucket])
    values = [f"{value:.2f}" if n else "–" for value, n in zip(mean, periods.total, strict=True)]
    for x, head, column, colour in (
        (4.6, "mean", values, ink.strong),
        (9.6, "n", [f"{n:,}" for n in periods.total], ink.muted),
    ):
        heights = [rows - 0.1, *(np.arange(rows, 0, -1) - 0.7)]
        for height, text in zip(heights, [head, *column], strict=True):
            drawn = ax.annotate(
                text, (1, height), (x * size, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points"
            )
            drawn.set(ha="right", va="center", color=colour, fontsize=0.95 * size)
