"""How do moments and periods become positions on an axis, tick labels and words?"""

from datetime import tzinfo

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from numpy.typing import NDArray

from reviewlab.charts.style import inks

# Shortest and longest length in days; a day has 23 to 25 hours where clocks change.
_PERIODS = {
    "hour": (0.02, 0.1),
    "day": (0.9, 1.1),
    "week": (6.9, 7.1),
    "month": (27.9, 31.1),
    "quarter": (89.9, 92.1),
    "year": (364.9, 366.1),
}

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PERIODIC = {
    "hour": "hourly",
    "day": "daily",
    "week": "weekly",
    "month": "monthly",
    "quarter": "quarterly",
    "year": "yearly",
    "period": "period",
}


def positions(moments: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Positions on matplotlib's date axis: days since its epoch, in UTC or on the frame's naive clock."""
    naive = moments if moments.tz is None else moments.tz_convert("UTC").tz_localize(None)
    return np.asarray(date2num(naive.to_numpy()), dtype=np.float64)  # type: ignore[no-untyped-call]


def position(ax: Axes, moment: object) -> float:
    """Position of one moment on the date axis of *ax*; a naive one is on the axis's own clock.

    Raises
    ------
    ValueError
        If *moment* has a time zone and the chart was drawn from naive periods, or if it is no moment.
    """
    zone = ax.xaxis.get_units()  # type: ignore[no-untyped-call]
    at = pd.Timestamp(moment)  # type: ignore[arg-type]  # what it cannot read, it refuses
    if pd.isna(at):
        raise ValueError(f"a mark on a chart needs a moment, not {moment!r}")
    if at.tz is not None and zone is None:
        raise ValueError(f"the chart's periods have no time zone, {moment!r} has one; leave it out")
    if at.tz is None and zone is not None:
        at = at.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return float(positions(pd.DatetimeIndex([at]))[0])


def date_axis(ax: Axes, *, start: pd.Timestamp, end: pd.Timestamp) -> None:
    """Make the x axis of *ax* run from *start* to *end*, with ticks on the clock of their time zone."""
    zone = start.tz
    ax.xaxis_date(zone)
    locator = AutoDateLocator(tz=zone, minticks=3, maxticks=10)  # type: ignore[no-untyped-call]
    formats = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S"]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator,
            tz=zone,
            formats=formats,
            zero_formats=["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"],
            offset_formats=["", "%Y", "%Y", "%b %Y", "%d %b %Y", "%d %b %Y %H:%M"],
        )
    )
    ax.xaxis.get_offset_text().set_color(inks(ax).muted)
    ax.set_xlim(*positions(pd.DatetimeIndex([start, end])))


def period_name(start: pd.DatetimeIndex, end: pd.DatetimeIndex) -> str:
    """Say "week" where every period is one, and "period" where they differ or have no name."""
    if len(start) == 0:
        return "period"
    days = positions(end) - positions(start)
    fitting = (name for name, (low, high) in _PERIODS.items() if low <= days.min() and days.max() <= high)
    return next(fitting, "period")


def span_words(start: pd.Timestamp, end: pd.Timestamp) -> str:
    """Name a half-open range by its first and last day, with hours where it is not whole days."""
    if start == start.normalize() and end == end.normalize():
        last = end - pd.Timedelta(1, "us")
        if last.date() == start.date():
            return day_words(start)
        same_year, same_month = start.year == last.year, (start.year, start.month) == (last.year, last.month)
        short = f"{start.day}" if same_month else f"{start.day} {start:%b}" if same_year else day_words(start)
        return f"{short}–{day_words(last)}" if same_month else f"{short} – {day_words(last)}"
    return f"{moment_words(start)} – {moment_words(end)}"


def period_words(start: pd.Timestamp, name: str) -> str:
    """Name one period in a sentence: "the week of 31 Mar 2025", "March 2025"."""
    if name in ("month", "year"):
        return f"{start:%B %Y}" if name == "month" else f"{start.year}"
    if name == "quarter" and start.month % 3 == 1 and start.day == 1:
        return f"Q{start.quarter} {start.year}"
    return moment_words(start) if name in ("day", "hour") else f"the {name} of {moment_words(start)}"


def row_words(start: pd.Timestamp, name: str) -> str:
    """Name one period in the margin of a chart: "Mar 2025", "31 Mar 2025"."""
    return f"{start:%b %Y}" if name == "month" else period_words(start, name).removeprefix(f"the {name} of ")


def moment_words(at: pd.Timestamp) -> str:
    """Name a day, with its time unless that is midnight."""
    return day_words(at) if at == at.normalize() else f"{day_words(at)} {at:%H:%M}"


def day_words(at: pd.Timestamp) -> str:
    """Name a day: 31 Mar 2025."""
    return f"{at.day} {at:%b %Y}"


def zone_words(zone: tzinfo | None) -> str:
    """Name a time zone; nothing for a clock without one."""
    return "" if zone is None else str(getattr(zone, "key", zone))
