"""Where does each period begin and end, in a time zone?  Edges are made here, and counted by PostgreSQL.

Edges are walked on the wall clock and then placed on the stored clock, because ``date_trunc`` merges the two hours of
an autumn night, ``date_bin`` knows no months, and both misplace days whose midnight comes twice.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

Moment = str | date | datetime | np.datetime64
SCALES = ((1, 5), (0, 5), (1, 10), (0, 10), (0, 100))
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY = re.compile(r"(?:(\d+) )?(minute|hour|day|week|month|quarter|year)s?")
_MONDAY = datetime(1970, 1, 5)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Periods, oldest first.

    Attributes
    ----------
    edges : list of datetime
        What is sent to the server: strictly increasing, on the stored clock, clipped to the range; one more than
        there are periods, or none.
    bucket, bucket_end : DatetimeIndex
        First moment of each whole period and of the next one; naive, or aware; microseconds.
    complete : array of bool
        False where a period is still open, or cut by the range.
    """

    edges: list[datetime]
    bucket: pd.DatetimeIndex
    bucket_end: pd.DatetimeIndex
    complete: npt.NDArray[np.bool_]


def pick_scale(lowest: int, highest: int) -> tuple[int, int]:
    """Return the smallest usual scale that holds both ratings, else the two themselves."""
    for low, high in SCALES:
        if low <= lowest and highest <= high:
            return low, high
    return lowest, highest


@lru_cache
def zone(name: str) -> ZoneInfo:
    """Return a time zone, or raise a ValueError with the nearest name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        near = get_close_matches(str(name), available_timezones(), n=1, cutoff=0.5)
        raise ValueError(f"no time zone {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")) from None


def stored(moment: Moment | None, *, tz: str | None, stored_tz: str, name: str = "a time") -> datetime | None:
    """Place a moment on the stored clock, without a zone; naive input is in *tz*, or on the stored clock.

    Strings are ISO 8601, so that nobody has to guess which of 01.02.2026 is the month.
    """
    if moment is None:
        return None
    given: Any = None
    # pandas would read a number as nanoseconds, and "now" on the clock of this machine
    if isinstance(moment, (date, np.datetime64)) or (isinstance(moment, str) and moment.strip()[:1].isdigit()):
        given = pd.to_datetime(moment, errors="coerce", format="ISO8601" if isinstance(moment, str) else None)
    if not isinstance(given, pd.Timestamp):
        raise ValueError(f"{name} must be a date or a time such as '2026-01-31' or '2026-01-31T12:00', not {moment!r}")
    wall = given.to_pydatetime(warn=False)
    if wall.tzinfo is None and tz is None:
        return wall
    try:
        aware = wall if wall.tzinfo is not None else wall.replace(tzinfo=zone(str(tz)))
        return aware.astimezone(zone(stored_tz)).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise ValueError(f"{name} must lie within the years 1 to 9999 in every time zone, not {moment!r}") from None


def make_buckets(
    every: str,
    since: datetime | None,
    until: datetime | None,
    *,
    as_of: datetime,
    tz: str | None,
    stored_tz: str = "UTC",
    week_start: str = "mon",
    since_is_cut: bool = True,
    until_is_cut: bool = True,
    max_buckets: int = 5000,
) -> Buckets:
    """Cut a range into the periods of a calendar.

    Parameters
    ----------
    every : str
        ``minute``, ``hour``, ``day``, ``week``, ``month``, ``quarter`` or ``year``, also with a number.  Several days
        or weeks are counted from a fixed Monday, several months from a January; periods below a day begin anew at
        each midnight, and must divide 24 hours: those up to an hour are steps of time, longer ones of the clock.
    since, until : datetime or None
        On the stored clock, half-open; None where there is no review, for no period at all.
    as_of : datetime
        Now, on the stored clock.
    since_is_cut, until_is_cut : bool
        True if the caller asked for that end, so that a period it cuts is not complete; False if it is the first or
        the last review, which then is part of the range.
    """
    number, unit = _parse_every(every)
    if week_start not in WEEKDAYS:
        raise ValueError(f"week_start must be one of {', '.join(WEEKDAYS)}, not {week_start!r}")
    if since is None or until is None:
        return _clip([], [], since=as_of, until=as_of, as_of=as_of, tz=tz)
    if not until_is_cut:
        until += timedelta(microseconds=1)
    if since >= until:
        raise ValueError(f"since must be before until; they are {since} and {until}")
    clock = _Clock(tz, stored_tz)
    if unit in ("minute", "hour"):
        clock.check_steady(since, until, every)
    _check_number((until - since) / (_LENGTHS[unit] * number), every, max_buckets)
    begin, end = clock.wall(since), clock.wall(until) + _DAY
    walls = _midnights(number, unit, WEEKDAYS.index(week_start), begin, end)
    moments = clock.moments(walls, _LENGTHS[unit] * number if unit in ("minute", "hour") else None)
    borders = [clock.store(moment) for moment in moments]
    made = _clip(moments, borders, since=since, until=until, as_of=as_of, tz=tz, cut=(since_is_cut, until_is_cut))
    _check_number(len(made.bucket), every, max_buckets)
    return made


def own_edges(edges: Sequence[Moment], *, as_of: datetime, tz: str | None, stored_tz: str = "UTC") -> Buckets:
    """Cut time at moments of the caller's own, such as release dates; periods are the gaps between them."""
    placed = [stored(edge, tz=tz, stored_tz=stored_tz, name="an edge") for edge in edges]
    borders = [edge for edge in placed if edge is not None]
    if len(borders) < 2 or len(borders) < len(placed):
        raise ValueError(f"periods need at least two edges, each a time; there are {len(borders)}")
    for before, after in pairwise(borders):
        if before >= after:
            raise ValueError(f"edges must be sorted, each once: {after} does not come after {before}")
    moments = [_Clock(tz, stored_tz).moment(border) for border in borders]
    return _clip(moments, borders, since=borders[0], until=borders[-1], as_of=as_of, tz=tz)


def localize(moments: Any, *, tz: str, stored_tz: str = "UTC") -> Any:
    """Read naive times of a Series or DatetimeIndex on the stored clock, and show them in *tz*.

    A time that the stored clock showed twice is its first occurrence; one that it skipped is shifted forward.
    """
    zone(tz), zone(stored_tz)
    times = moments.dt if isinstance(moments, pd.Series) else moments
    if stored_tz == "UTC":
        aware = times.tz_localize("UTC")
    else:
        first = np.ones(len(moments), np.bool_)
        aware = times.tz_localize(stored_tz, ambiguous=first, nonexistent="shift_forward")
    return (aware.dt if isinstance(aware, pd.Series) else aware).tz_convert(tz)


class _Clock:
    """Moments in time, the wall clock that periods follow, and the stored clock."""

    def __init__(self, tz: str | None, stored_tz: str) -> None:
        self.here = zone(stored_tz)
        # without a zone the stored clock is taken as it is: no hour is missing, none comes twice
        self.local: tzinfo = UTC if tz is None else zone(tz)
        self.naive = tz is None

    def moment(self, border: datetime) -> datetime:
        """The moment, aware, at which the stored clock shows *border*."""
        return border.replace(tzinfo=UTC) if self.naive else border.replace(tzinfo=self.here).astimezone(self.local)

    def store(self, moment: datetime) -> datetime:
        """What the stored clock shows at a moment."""
        return moment.astimezone(UTC if self.naive else self.here).replace(tzinfo=None, fold=0)

    def wall(self, border: datetime) -> datetime:
        """What the wall clock shows when the stored clock shows *border*."""
        return self.moment(border).replace(tzinfo=None, fold=0)

    def moments(self, walls: list[datetime], step: timedelta | None) -> list[datetime]:
        """The moments of midnights, and of the steps between them, each once and in order."""
        starts = [wall.replace(tzinfo=self.local).astimezone(UTC) for wall in walls]
        if step is not None and step > timedelta(hours=1):
            strides = [step * number for number in range(_DAY // step)]
            starts = [
                (wall + stride).replace(tzinfo=self.local).astimezone(UTC) for wall in walls for stride in strides
            ]
        elif step is not None:
            starts = [
                begin + step * number for begin, end in pairwise(starts) for number in range(-((begin - end) // step))
            ]
        # a day that a zone skipped begins when the next one does
        return [start.astimezone(self.local) for start in sorted(set(starts))]

    def check_steady(self, since: datetime, until: datetime, every: str) -> None:
        """Raise a ValueError if the stored clock was put forward or back in the range."""
        if self.naive:
            return
        days = [since + _DAY * day for day in range((until - since).days + 1)]
        if len({self.here.utcoffset(day) for day in (*days, until)}) > 1:
            raise ValueError(
                f"the stored clock {self.here.key} was put forward or back in this range, so its {every}s cannot be "
                "told apart: take days or longer, or a range without the change"
            )


_LENGTHS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": _DAY,
    "week": _DAY * 7,
    # as long as they are on average over 400 years
    "month": _DAY * 30.436875,
    "quarter": _DAY * 91.310625,
    "year": _DAY * 365.2425,
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _parse_every(every: str) -> tuple[int, str]:
    match = _EVERY.fullmatch(every) if isinstance(every, str) else None
    if match is None or match[1] == "0":
        raise ValueError(f"every must be such as 'day', 'week', '15 minutes' or '3 months', not {every!r}")
    number, unit = int(match[1] or 1), match[2]
    if unit in ("minute", "hour") and _DAY % (_LENGTHS[unit] * number):
        raise ValueError(f"periods below a day must divide 24 hours, and {every!r} does not")
    return number, unit


def _check_number(n: float, every: str, most: int) -> None:
    if n > most + 2 or (n > most and n == int(n)):
        raise ValueError(
            f"every={every!r} makes {int(n):,} periods here, more than {most:,}: take longer ones, a shorter range, "
            "or raise max_buckets"
        )


def _midnights(number: int, unit: str, week_start: int, begin: datetime, end: datetime) -> list[datetime]:
    """The wall-clock midnights that periods begin at: from the last one before *begin* to the first one after *end*."""
    if unit in _MONTHS:
        step = _MONTHS[unit] * number
        first, last = ((moment.year * 12 + moment.month - 1) // step for moment in (begin, end))
        return [datetime(index * step // 12, index * step % 12 + 1, 1) for index in range(first, last + 2)]
    days = {"week": 7}.get(unit, 1) * (number if unit in ("day", "week") else 1)
    origin = _MONDAY + _DAY * week_start
    first, last = ((moment - origin) // (_DAY * days) for moment in (begin, end))
    return [origin + _DAY * days * index for index in range(first, last + 2)]


def _clip(
    moments: list[datetime],
    borders: list[datetime],
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
    tz: str | None,
    cut: tuple[bool, bool] = (False, False),
) -> Buckets:
    """Keep the periods that the range touches, and say which of them are complete."""
    first = max(bisect_right(borders, since) - 1, 0)
    last = bisect_left(borders, until)
    index = pd.DatetimeIndex(moments[first : last + 1], tz=UTC).as_unit("us")
    index = index.tz_localize(None) if tz is None else index.tz_convert(tz)
    kept = borders[first : last + 1]
    complete = np.array([end <= as_of for end in kept[1:]], np.bool_)
    if len(complete):
        complete[0] &= not cut[0] or kept[0] >= since
        complete[-1] &= not cut[1] or kept[-1] <= until
        kept = [max(kept[0], since), *kept[1:-1], min(kept[-1], until)]
    return Buckets(kept if len(complete) else [], index[:-1], index[1:], complete)
