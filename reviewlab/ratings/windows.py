"""How do counts add up over longer times?  Sums of rows, so there is never a mean of means."""

from dataclasses import replace

import numpy as np
import pandas as pd

from reviewlab import buckets
from reviewlab.ratings.counts import read_counts


def rolling(counts: pd.DataFrame, window: int) -> pd.DataFrame:
    """Add up *window* periods at each period: itself and those before it.

    Returns
    -------
    DataFrame
        Counts again, ratings outside the scale left out, each row with the bucket of its last period; the first
        ``window - 1`` periods have none.  complete is True where all periods of the window are.
    """
    read = read_counts(counts)
    if window < 1:
        raise ValueError(f"window must be at least one period, not {window}")
    summed = np.vstack([np.zeros((1, len(read.scale)), np.int64), read.n.cumsum(axis=0)])
    n = summed[window:] - summed[:-window] if window < len(summed) else summed[:0]
    complete = read.periods["complete"].rolling(window).sum().to_numpy()[window - 1 :] == window
    periods = read.periods.iloc[window - 1 :].reset_index(drop=True).assign(complete=complete)
    return replace(read, periods=periods, n=n).frame()


def cumulate(counts: pd.DataFrame) -> pd.DataFrame:
    """Add up all periods so far at each period; counts again, ratings outside the scale left out."""
    read = read_counts(counts)
    return replace(read, n=read.n.cumsum(axis=0)).frame()


def total(counts: pd.DataFrame) -> pd.DataFrame:
    """Add up all periods into one, from the first bucket to the last; counts again.

    complete is True where all periods are.  No period gives no row.
    """
    read = read_counts(counts)
    if not len(read.periods):
        return read.frame()
    whole = read.periods.iloc[:1].assign(
        bucket_end=read.periods["bucket_end"].iloc[-1:].to_numpy(), complete=bool(read.periods["complete"].all())
    )
    whole["bucket_end"] = whole["bucket_end"].astype(read.periods["bucket_end"].dtype)
    return replace(read, periods=whole, n=read.n.sum(axis=0, keepdims=True)).frame()


def regroup(counts: pd.DataFrame, every: str, *, week_start: str = "mon") -> pd.DataFrame:
    """Add up periods into longer ones of the same zone, such as days into months; counts again.

    A longer period is complete where its periods are, and cover it.

    Raises
    ------
    ValueError
        If a period reaches over the border of a longer one, as weeks do with months: count anew then.
    """
    read = read_counts(counts)
    if not len(read.periods):
        return read.frame()
    begin, end = (pd.DatetimeIndex(read.periods[name]) for name in ("bucket", "bucket_end"))
    zone = None if begin.tz is None else str(begin.tz)
    naive = [times if zone is None else times.tz_convert("UTC").tz_localize(None) for times in (begin, end)]
    since, until = naive[0][0].to_pydatetime(), naive[1][-1].to_pydatetime()
    made = buckets.make_buckets(every, since, until, as_of=until, tz=zone, week_start=week_start, max_buckets=100_000)
    which = made.bucket.searchsorted(begin, side="right") - 1
    over = end > made.bucket_end[which]
    if over.any():
        raise ValueError(
            f"the period from {begin[over][0]} reaches into the next {every}; count with every={every!r} instead"
        )
    n = np.zeros((len(made.bucket), len(read.scale)), np.int64)
    np.add.at(n, which, read.n)
    complete = np.ones(len(made.bucket), np.bool_)
    np.logical_and.at(complete, which, read.periods["complete"].to_numpy(bool))
    complete[0] &= begin[0] == made.bucket[0]
    complete[-1] &= end[-1] == made.bucket_end[-1]
    periods = pd.DataFrame({"bucket": made.bucket, "bucket_end": made.bucket_end, "complete": complete})
    return replace(read, periods=periods, n=n).frame()
