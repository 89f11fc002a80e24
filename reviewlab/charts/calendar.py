"""On which days of a year are how many ratings given, and which?"""

from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.dates import WEEKDAYS, day_words, zone_words
from reviewlab.charts.marks import no_reviews, shade_bar
from reviewlab.charts.periods import rating_words, read_periods
from reviewlab.charts.style import RATING_MAP, canvas, headline, inks

LARGEST = 0.95


def calendar(daily: pd.DataFrame, *, year: int | None = None, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw each day of a year as a square: its colour is the mean rating, its area the number of reviews.

    Parameters
    ----------
    daily
        What ``lab.rating_counts("day")`` returns. Days of other years are left out.
    year
        Which year; by default the last one of *daily*.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. Weeks run from left to right, Monday on top; days without reviews are blank, the largest
        squares stand for the 95 % quantile of the reviews per day and more.

    Raises
    ------
    ValueError
        If a column is missing, or the periods are not days.
    """
    periods = read_periods(daily)
    if len(periods.bucket) and periods.name != "day":
        raise ValueError(f"the calendar needs daily counts, the frame's periods are {periods.name}s")
    year = year or (int(periods.bucket[-1].year) if len(periods.bucket) else 0)
    n = periods.total * (periods.bucket.year == year)
    with canvas(ax, size=(9.6, 1.95)) as ax:
        heading = f"Daily ratings, {year or 'no year'}" if title is None else title
        if not n.any():
            return no_reviews(ax, heading)
        mean = ratings.summarize(daily)["mean"].to_numpy()
        full = n > 0
        days = _Days(periods.bucket[full], n[full], mean[full])
        _draw_year(ax, year)
        shades = _draw_days(ax, days, low=periods.low, high=periods.high)
        ends = [periods.low, (periods.low + periods.high) / 2, periods.high]
        shade_bar(ax, shades, ticks=ends, labels=[rating_words(end, periods.high) for end in ends])
        zone = zone_words(periods.bucket.tz)
        said = [f"n = {int(n.sum()):,}", f"days in {zone}" if zone else ""]
        headline(ax, heading, said=[*said, "colour: mean of the day", "area: number of reviews"])
        start = f"Calendar of {int(n.sum()):,} ratings on {len(days.n):,} days of {year}."
        describe(ax, start, _alt_days(days))
        return ax


class _Days(NamedTuple):
    """Days with reviews: when, how many, their mean."""

    day: pd.DatetimeIndex
    n: NDArray[np.int64]
    mean: NDArray[np.float64]


def _place(days: pd.DatetimeIndex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Column (week of the year, Mondays first) and row (weekday) of each day."""
    first = days.year.to_numpy()
    offset = np.array([pd.Timestamp(year, 1, 1).weekday() for year in first], dtype=np.float64)
    order = days.day_of_year.to_numpy() - 1 + offset
    return order // 7, order % 7


def _draw_year(ax: Axes, year: int) -> None:
    ink, size = inks(ax), mpl.rcParams["font.size"]
    every = pd.date_range(f"{year}-01-01", f"{year}-12-31", freq="D")
    week, weekday = _place(every)
    ax.add_collection(PolyCollection(_squares(week, weekday, side=0.94), facecolor=ink.grid, alpha=0.45))
    ax.set_xlim(-0.1, 53.1)
    ax.set_ylim(7.05, -0.05)
    ax.set_aspect("equal", anchor="NW")
    first = every.day == 1
    lines = [
        [(w + (d > 0), 0), (w + (d > 0), d), (w, d), (w, 7)] for w, d in zip(week[first], weekday[first], strict=True)
    ]
    ax.add_collection(LineCollection(lines[1:], color=ink.muted, linewidth=0.8))
    middle = every.day == 15
    ax.set_xticks(week[middle] + 0.5, [f"{day:%b}" for day in every[middle]])
    ax.set_yticks(np.arange(0, 7, 2) + 0.5, WEEKDAYS[::2])
    ax.tick_params(length=0, labelcolor=ink.muted, labelsize=0.95 * size)
    ax.spines[:].set_visible(False)


def _draw_days(ax: Axes, days: _Days, *, low: int, high: int) -> PolyCollection:
    week, weekday = _place(days.day)
    largest = max(float(np.quantile(days.n, LARGEST)), 1.0)
    side = 0.94 * np.sqrt(np.minimum(days.n / largest, 1))
    squares = PolyCollection(
        _squares(week, weekday, side=side), array=days.mean, cmap=RATING_MAP, norm=Normalize(low, max(high, low + 1))
    )
    ax.add_collection(squares)
    return squares


def _squares(
    week: NDArray[np.float64], weekday: NDArray[np.float64], *, side: NDArray[np.float64] | float
) -> list[NDArray[np.float64]]:
    x, y, half = week + 0.5, weekday + 0.5, np.broadcast_to(np.asarray(side) / 2, week.shape)
    corners = [x - half, y - half, x - half, y + half, x + half, y + half, x + half, y - half]
    return list(np.stack(corners, axis=1).reshape(-1, 4, 2))


def _alt_days(days: _Days) -> str:
    said = [
        f"{word} mean {days.mean[i]:.2f} on {day_words(days.day[i])} (n = {days.n[i]:,})"
        for word, i in (("Lowest", int(days.mean.argmin())), ("highest", int(days.mean.argmax())))
    ]
    return ", ".join(said) + "."
