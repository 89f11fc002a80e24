"""What does a chart read off a frame of counts?"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reviewlab.charts.dates import period_name, period_words, positions, span_words, zone_words
from reviewlab.ratings.counts import COLUMNS, Counts, read_counts

ONE_COLOUR_EACH = 11
CLASSES = 10


class Periods(NamedTuple):
    """Reviews per period and rating class, oldest period first.

    read: the counts per period and rating; bucket, bucket_end: first moment of each period and of the next; complete:
    (periods,) bool; n: (periods, classes) int64, ratings outside the scale left out; labels: one per class, worst
    first; group: where in the scale each class begins; low, high: the scale, 1 and 5 where there is no row.
    """

    read: Counts
    bucket: pd.DatetimeIndex
    bucket_end: pd.DatetimeIndex
    complete: NDArray[np.bool_]
    n: NDArray[np.int64]
    labels: list[str]
    group: list[int]
    low: int
    high: int

    @property
    def total(self) -> NDArray[np.int64]:
        """Reviews per period, within the scale."""
        return np.asarray(self.n.sum(axis=1), dtype=np.int64)

    @property
    def share(self) -> NDArray[np.float64]:
        """Share of each class within its period; 0 where a period has no reviews."""
        return self.n / np.maximum(self.total, 1)[:, None]

    def only(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Reviews per period and class, of the *chosen* points of the scale only."""
        return np.add.reduceat(self.read.n * chosen, self.group, axis=1)

    @property
    def outside(self) -> int:
        """Reviews with a rating outside the scale."""
        return int(self.read.outside.sum())

    @property
    def name(self) -> str:
        """What one period is called: "week"."""
        return period_name(self.bucket, self.bucket_end)

    @property
    def span(self) -> NDArray[np.float64]:
        """Positions of begin and end on a date axis, (periods, 2)."""
        return np.column_stack((positions(self.bucket), positions(self.bucket_end)))


def need_columns(frame: pd.DataFrame, columns: Iterable[str]) -> None:
    """Refuse a frame that lacks one of *columns*.

    Raises
    ------
    ValueError
        Naming the missing columns and those that came.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"the chart needs columns {missing}, the frame has {list(frame.columns)}")


def read_periods(counts: pd.DataFrame) -> Periods:
    """Turn the long frame of counts into arrays; scales of more than 11 points become ten classes or fewer.

    Raises
    ------
    ValueError
        If a column is missing, a count is negative, a period has two rows for one rating, or scales are mixed.
    """
    need_columns(counts, COLUMNS)
    read = read_counts(counts)
    low, high = (int(read.scale[0]), int(read.scale[-1])) if len(read.scale) else (1, 5)
    labels, group = rating_classes(low, high)
    n = (
        np.add.reduceat(read.n, group, axis=1)
        if len(read.scale)
        else np.zeros((len(read.periods), len(labels)), np.int64)
    )
    return Periods(
        read=read,
        bucket=pd.DatetimeIndex(read.periods["bucket"]),
        bucket_end=pd.DatetimeIndex(read.periods["bucket_end"]),
        complete=read.periods["complete"].to_numpy(dtype=bool),
        n=n,
        labels=labels,
        group=group,
        low=low,
        high=high,
    )


def rating_classes(low: int, high: int) -> tuple[list[str], list[int]]:
    """Labels of the classes of a scale, and where in the scale each class begins; the last one is closed."""
    k = high - low + 1
    if k <= ONE_COLOUR_EACH:
        return [rating_words(rating, high) for rating in range(low, high + 1)], list(range(k))
    width = -(-(k - 1) // CLASSES)
    begin = list(range(0, k - 1, width))
    last = [low + offset - 1 for offset in begin[1:]] + [high]
    return [f"{low + first}–{end}" for first, end in zip(begin, last, strict=True)], begin


def class_ticks(periods: Periods) -> tuple[list[float], list[str]]:
    """Where on an axis of classes to write what: each rating in its middle, or the ends of each class."""
    if len(periods.labels) == periods.high - periods.low + 1:
        return [at + 0.5 for at in range(len(periods.labels))], periods.labels
    ends = [periods.low + at for at in periods.group] + [periods.high]
    return [float(at) for at in range(len(ends))], [str(end) for end in ends]


def rating_words(rating: float, high: int) -> str:
    """Name a rating: with a star on scales that end at 5."""
    return f"{rating:g}★" if high == 5 else f"{rating:g}"


def range_words(ratings: Sequence[int], high: int) -> str:
    """Name several ratings, in ascending order: "4–5★" where they follow each other, else "1★, 5★"."""
    if len(ratings) > 1 and ratings[-1] - ratings[0] == len(ratings) - 1:
        return f"{ratings[0]}–{rating_words(ratings[-1], high)}"
    return ", ".join(rating_words(rating, high) for rating in ratings) or "no rating"


def facts(periods: Periods, *, mark: str = "hatched") -> list[str]:
    """List what a subtitle says: n, range and zone, the *mark* of incomplete periods, what is not drawn."""
    start, end = periods.bucket[0], periods.bucket_end[-1]
    zone = zone_words(periods.bucket.tz)
    said = [f"n = {int(periods.total.sum()):,}", span_words(start, end) + (f", {zone}" if zone else "")]
    if mark and not periods.complete.all():
        said.append(f"{mark}: incomplete {periods.name}")
    if periods.outside:
        said.append(f"{periods.outside:,} outside the scale not drawn")
    return said


def empty_runs(periods: Periods) -> list[tuple[int, int]]:
    """First and last index of each run of periods without reviews, longest run first."""
    empty = np.concatenate(([False], periods.total == 0, [False]))
    edges = np.flatnonzero(empty[1:] != empty[:-1]).reshape(-1, 2)
    runs = [(int(first), int(after) - 1) for first, after in edges]
    return sorted(runs, key=lambda run: periods.bucket[run[0]] - periods.bucket_end[run[1]])


def alt_start(periods: Periods, kind: str) -> str:
    """Begin an alt text: kind, n, range and zone."""
    start, end, zone = periods.bucket[0], periods.bucket_end[-1], zone_words(periods.bucket.tz)
    where = f"{span_words(start, end)}, {zone}" if zone else span_words(start, end)
    return f"{kind} of {int(periods.total.sum()):,} ratings by {periods.name}, {where}."


def alt_extremes(periods: Periods, values: NDArray[np.float64], *, show: Callable[[float], str]) -> str:
    """Name the lowest, the highest and the last value among the complete periods with reviews."""
    told = np.flatnonzero(periods.complete & (periods.total > 0))
    if len(told) < 2:
        return ""
    chosen = {
        "Lowest": told[values[told].argmin()],
        "highest": told[values[told].argmax()],
        "last complete": told[-1],
    }
    where = {word: period_words(periods.bucket[i], periods.name) for word, i in chosen.items()}
    said = [f"{word} {show(values[i])} in {where[word]} (n = {periods.total[i]:,})" for word, i in chosen.items()]
    return ", ".join(said) + "."


def alt_end(periods: Periods) -> str:
    """End an alt text: longest gap, incomplete periods, ratings outside the scale."""
    said = []
    for first, last in empty_runs(periods)[:1]:
        said.append(f"No reviews {span_words(periods.bucket[first], periods.bucket_end[last])}.")
    cut = [period_words(at, periods.name) for at in periods.bucket[~periods.complete]]
    if cut:
        said.append(f"Incomplete: {', '.join(cut[:3])}.")
    if periods.outside:
        said.append(f"{periods.outside:,} ratings outside the scale are not drawn.")
    return " ".join(said)
