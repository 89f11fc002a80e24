"""At which hours of the week are how many ratings given, and which?"""

from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize, to_hex
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import WEEKDAYS
from reviewlab.charts.marks import no_reviews, shade_bar
from reviewlab.charts.periods import need_columns
from reviewlab.charts.style import RATING_MAP, canvas, headline, inks, readable_on

COLUMNS = ("weekday", "hour", "rating", "n")
FALSE_DISCOVERIES = 0.05
LEAST = 5


class _Week(NamedTuple):
    """Reviews and mean rating of each cell, (7, 24), and over all."""

    n: NDArray[np.int64]
    mean: NDArray[np.float64]
    apart: NDArray[np.bool_]
    overall: float
    quarter: float


def weekday_hour(
    data: pd.DataFrame,
    *,
    shrink: float = 20,
    span: float | None = None,
    zone: str = "",
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the mean rating of each hour of the week as a shade, with its number of reviews.

    Parameters
    ----------
    data
        What ``lab.by_weekday_hour`` returns: weekday (1 Monday to 7 Sunday), hour (0 to 23), rating, n, and perhaps
        in_scale: ratings outside the scale are left out.
    shrink
        Reviews at the overall mean that are added to each cell, so that small cells do not shout.
    span
        Points of the scale from the middle of the shades to either end; by default a quarter of the scale. It is
        fixed, because shades stretched over the data show patterns in pure noise.
    zone
        The time zone that the hours are in, for the label.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. A box marks the cells of at least 5 reviews whose mean differs from what a random draw of
        as many of all reviews gives (normal approximation of the permutation test), at a false discovery rate of 5 %
        over all cells (Benjamini and Hochberg 1995, ``scipy.stats.false_discovery_control``).

    Raises
    ------
    ValueError
        If a column is missing, or *shrink* or *span* is negative.
    """
    need_columns(data, COLUMNS)
    data = data[data["in_scale"]] if "in_scale" in data else data
    if shrink < 0 or (span is not None and span <= 0):
        raise ValueError(f"shrink needs 0 or more and span more than 0, got {shrink} and {span}")
    heading = "Rating by weekday and hour" if title is None else title
    with canvas(ax, size=(9.6, 3.6)) as ax:
        if not data["n"].any():
            return no_reviews(ax, heading)
        week = _read_week(data)
        shrunk = (np.nan_to_num(week.mean) * week.n + week.overall * shrink) / np.maximum(week.n + shrink, 1)
        _draw_cells(ax, week, shrunk=shrunk, reach=week.quarter if span is None else span)
        _draw_week(ax, zone)
        n, found = f"{int(week.n.sum()):,}", int(week.apart.sum())
        tested = f"boxed: {found} differ" if found else "no cell differs"
        said = [f"n = {n}", "numbers: reviews in the cell", f"{tested} from the overall mean (FDR 5%)"]
        headline(ax, heading, said=said)
        where = f"weekday and hour, {zone}" if zone else "weekday and hour"
        describe(ax, f"Heat map of the mean of {n} ratings by {where}.", _alt_week(week))
        return ax


def _read_week(data: pd.DataFrame) -> _Week:
    cells = data.pivot_table(index=["weekday", "hour"], columns="rating", values="n", aggfunc="sum")
    every = pd.MultiIndex.from_product([range(1, 8), range(24)])
    counts = cells.reindex(every).fillna(0).to_numpy(dtype=np.int64)
    points = cells.columns.to_numpy(dtype=np.float64)
    n, total = counts.sum(axis=1), counts.sum()
    overall = float(counts.sum(axis=0) @ points / total)
    variance = float(counts.sum(axis=0) @ (points - overall) ** 2 / total)
    mean = np.divide(counts @ points, n, out=np.full(len(n), np.nan), where=n > 0)
    return _Week(
        n=n.reshape(7, 24),
        mean=mean.reshape(7, 24),
        apart=_apart(n, mean - overall, variance=variance).reshape(7, 24),
        overall=overall,
        quarter=float(np.ptp(points)) / 4 or 1.0,
    )


def _apart(n: NDArray[np.int64], off: NDArray[np.float64], *, variance: float) -> NDArray[np.bool_]:
    """Tell which cells lie further *off* than a random draw of n of all reviews, without replacement, would."""
    from scipy import stats  # here: it takes 0.5 s

    total, tested = n.sum(), (n >= LEAST) & (n < n.sum())
    if not tested.any() or variance == 0:
        return np.zeros(len(n), dtype=np.bool_)
    error = np.sqrt(variance / n[tested] * (total - n[tested]) / (total - 1))
    p = 2 * stats.norm.sf(np.abs(off[tested]) / error)
    apart = np.zeros(len(n), dtype=np.bool_)
    apart[tested] = stats.false_discovery_control(p) <= FALSE_DISCOVERIES
    return apart


def _draw_cells(ax: Axes, week: _Week, *, shrunk: NDArray[np.float64], reach: float) -> None:
    limits = Normalize(week.overall - reach, week.overall + reach)
    look: dict[str, Any] = {"edgecolor": inks(ax).paper, "linewidth": 2}
    ax.pcolormesh(np.ma.masked_where(week.n > 0, week.n), cmap=ListedColormap([inks(ax).grid]), alpha=0.45, **look)
    filled = np.ma.masked_where(week.n == 0, shrunk)
    shades = ax.pcolormesh(filled, cmap=RATING_MAP, norm=limits, **look)
    for day, hour in np.argwhere(week.n > 0):
        n, colour = int(week.n[day, hour]), to_hex(RATING_MAP(limits(shrunk[day, hour])))
        text = ax.text(hour + 0.5, day + 0.5, f"{n:,}" if n < 10_000 else f"{n / 1000:.0f}k")
        text.set_gid("in a cell")
        text.set(ha="center", va="center", color=readable_on(colour), fontsize=0.78 * mpl.rcParams["font.size"])
    for day, hour in np.argwhere(week.apart):
        box = Rectangle((hour + 0.06, day + 0.06), 0.88, 0.88, fill=False, linewidth=1.6, zorder=4)
        box.set(edgecolor=inks(ax).strong, gid="apart")
        ax.add_patch(box)
    ends = [week.overall - reach, week.overall, week.overall + reach]
    shade_bar(ax, shades, label="mean rating (shrunk)", ticks=ends, labels=[f"{end:.1f}" for end in ends])


def _draw_week(ax: Axes, zone: str) -> None:
    ink, size = inks(ax), mpl.rcParams["font.size"]
    ax.invert_yaxis()
    ax.set_xticks(range(0, 25, 3), [f"{hour:02d}" for hour in range(0, 25, 3)])
    ax.set_yticks(np.arange(7) + 0.5, WEEKDAYS)
    ax.tick_params(length=0, colors=ink.muted, labelsize=size)
    ax.set_xlabel(f"hour of day, {zone}" if zone else "hour of day", color=ink.muted, fontsize=size)
    ax.spines[:].set_visible(False)


def _alt_week(week: _Week) -> str:
    day, hour = np.unravel_index(int(week.n.argmax()), week.n.shape)
    busiest = (
        f"Most reviews {WEEKDAYS[day]} {hour:02d}:00 (n = {int(week.n.max()):,}); overall mean {week.overall:.2f}."
    )
    cells = [f"{WEEKDAYS[d]} {h:02d}:00 ({week.mean[d, h]:.2f})" for d, h in np.argwhere(week.apart)]
    return f"{busiest} Different from it: {', '.join(cells[:8]) or 'none'}."
