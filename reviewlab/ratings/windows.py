"""How do counts add up over longer times?  Sums of rows, so there is never a mean of means."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from reviewlab import buckets
from reviewlab.ratings.counts import Integers, read_counts

COUNTED = ("n", "n_public", "n_private")
"""The columns that add up; of texts only those that came."""


def rolling(counts: pd.DataFrame, window: int) -> pd.DataFrame:
    """Add up *window* periods at each period: itself and those before it.

    Returns
    -------
    DataFrame
        Counts again, each row with the bucket of its last period; the first ``window - 1`` periods have none.
        complete is True where all periods of the window are.

    Raises
    ------
    ValueError
        If *window* is less than one period, or periods do not follow each other without a gap.
    """
    if window < 1:
        raise ValueError(f"window must be at least one period, not {window}")
    periods = read_counts(counts).periods
    gap = np.flatnonzero(periods["bucket"][1:].to_numpy() != periods["bucket_end"][:-1].to_numpy())
    if len(gap):
        raise ValueError(f"there is a gap after {periods['bucket_end'][gap[0]]}: add periods with n = 0")
    complete = periods["complete"].astype(float).rolling(window).sum() == window

    def last(n: Integers) -> Integers:
        summed = np.vstack([np.zeros_like(n[:1]), n.cumsum(axis=0)])
        return np.asarray(summed[window:] - summed[:-window], np.int64)

    return _add(counts, periods.assign(complete=complete)[window - 1 :], last)


def cumulate(counts: pd.DataFrame) -> pd.DataFrame:
    """Add up all periods so far at each period; counts again, each row with the bucket of its last period."""
    return _add(counts, read_counts(counts).periods, lambda n: n.cumsum(axis=0))


def total(counts: pd.DataFrame) -> pd.DataFrame:
    """Add up all periods into one, from the first bucket to the last; counts again.

    complete is True where all periods are.  No period gives no row.
    """
    periods = read_counts(counts).periods
    if not len(periods):
        return _add(counts, periods, lambda n: n)
    whole = periods[:1].assign(bucket_end=periods["bucket_end"].max(), complete=bool(periods["complete"].all()))
    return _add(counts, whole, lambda n: n.sum(axis=0, keepdims=True))


def regroup(counts: pd.DataFrame, every: str, *, week_start: str = "mon") -> pd.DataFrame:
    """Add up periods into longer ones of the same zone, such as days into months; counts again.

    A longer period is complete where its periods are, and cover it.

    Raises
    ------
    ValueError
        If a period reaches over the border of a longer one, as weeks do with months: count anew then.
    """
    periods = read_counts(counts).periods
    if not len(periods):
        return _add(counts, periods, lambda n: n)
    begin, end = (pd.DatetimeIndex(periods[name]) for name in ("bucket", "bucket_end"))
    zone = None if begin.tz is None else str(begin.tz)
    since, until = (moment.tz_convert("UTC").tz_localize(None) if zone else moment for moment in (begin[0], end[-1]))
    made = buckets.make_buckets(every, since, until, as_of=until, tz=zone, week_start=week_start, max_buckets=100_000)
    group, which = np.unique(made.bucket.searchsorted(begin, side="right") - 1, return_inverse=True)
    borders = pd.DataFrame({"bucket": made.bucket[group], "bucket_end": made.bucket_end[group]})
    over = end > made.bucket_end[group[which]]
    if over.any():
        raise ValueError(f"the period from {begin[over][0]} reaches into the next {every}: count by {every!r} instead")
    grouped = pd.DataFrame({"length": end - begin, "complete": periods["complete"]}).groupby(which)
    covered = grouped["length"].sum() == borders["bucket_end"] - borders["bucket"]

    def sums(n: Integers) -> Integers:
        summed = np.zeros((len(group), n.shape[1]), np.int64)
        np.add.at(summed, which, n)
        return summed

    return _add(counts, borders.assign(complete=covered & grouped["complete"].all()), sums)


def _add(counts: pd.DataFrame, periods: pd.DataFrame, add: Callable[[Integers], Integers]) -> pd.DataFrame:
    """Counts of *periods*, each number added up by *add*, which takes and gives an array of periods x ratings.

    A rating outside the scale has a row only where it occurs.
    """
    read = read_counts(counts)
    rating = counts["rating"].to_numpy(np.int64)
    seen = np.union1d(read.scale, rating).astype(np.int64)
    row, column = pd.Index(read.periods["bucket"]).get_indexer(counts["bucket"]), np.searchsorted(seen, rating)
    long = periods.loc[np.repeat(periods.index, len(seen))].reset_index(drop=True)
    long["rating"] = np.tile(seen, len(periods))
    long["in_scale"] = np.isin(long["rating"], read.scale)
    for name in COUNTED:
        if name in counts:
            wide = np.zeros((len(read.periods), len(seen)), np.int64)
            wide[row, column] = counts[name]
            long[name] = add(wide).ravel() if len(periods) else np.empty(0, np.int64)
    return long[long["in_scale"] | (long["n"] > 0)].reset_index(drop=True)
