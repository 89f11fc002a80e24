"""What is typical of each period, and how sure is that?"""

from typing import Any

import numpy as np
import pandas as pd

from reviewlab.ratings.counts import Counts, Floats, read_counts, sides

PSEUDO_REVIEWS = 2.0
"""Weight of all periods together in the interval of one: more would hide the very weeks that one looks for."""

PERCENTILES = {"median": 0.5, "p10": 0.1, "p25": 0.25, "p75": 0.75, "p90": 0.9}


def summarize(
    counts: pd.DataFrame,
    *,
    positive: int | None = None,
    negative: int | None = None,
    promoters: int | None = None,
    detractors: int | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """Summarize the ratings of each period.

    Parameters
    ----------
    counts : DataFrame
        What ``lab.rating_counts`` returns; ratings outside the scale are left out, see `quality`.
    positive, negative : int, optional
        The least positive and the most negative rating; by default the top and the bottom 40 % of the scale.
    promoters, detractors : int, optional
        The same for the net score; by default the top 20 % and the bottom 60 %: 5 against 1 to 3, and on a scale of
        0 to 10, where it is called NPS, 9 and 10 against 0 to 6.
    level : float
        Of the intervals.

    Returns
    -------
    DataFrame, one row per period, indexed by bucket:

        bucket_end                          as in counts
        complete                            bool
        n                                   int64    reviews
        mean, mean_lo, mean_hi              float64  and its credible interval
        sd                                  float64  of the sample; NaN for a single review
        median, p10, p25, p75, p90          float64  between two reviews by linear interpolation
        share_positive, …_lo, …_hi          float64  0 to 1, with Wilson's interval
        share_negative                      float64
        share_top, share_extreme            float64  of the highest rating; of the highest and the lowest
        net_score, …_lo, …_hi               float64  -1 to 1: share of promoters less that of detractors
        share_public, …_lo, …_hi            float64  with a public text; only where counts have n_public
        share_private, …_lo, …_hi           float64  with a private text; only where counts have n_private
        mode                                Int64    the most frequent rating, the lowest of several

    A period without reviews has NaN.

    Notes
    -----
    The intervals of mean and net score are those of the posterior under a Dirichlet prior: `PSEUDO_REVIEWS` reviews
    with the shares of all periods together, each rating counted half a review more often.  The mean of the scores has
    a known mean and variance there; a Beta distribution on the range of the scores with both gives the quantiles.  It
    holds at n = 3 and for periods with nothing but the highest rating, where it is widened to hold the mean itself;
    ``benchmarks/results/coverage.md`` says how often.  Shares: Wilson (1927), by statsmodels.

    Raises
    ------
    ValueError
        If columns are missing or counts cannot be, if a threshold lies outside the scale, and for a level that is none.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    read = read_counts(counts)
    least, most = sides(read, positive, negative)
    top, bottom = sides(read, promoters, detractors, shares=(0.2, 0.6), names=("promoters", "detractors"))
    scale = read.scale
    score = (scale >= top).astype(float) - (scale <= bottom)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns: dict[str, Any] = {"n": read.total}
        columns |= dict(zip(("mean", "mean_lo", "mean_hi"), _score(read, scale.astype(float), level), strict=True))
        columns["sd"] = _deviation(read)
        columns |= {name: _percentile(read, share) for name, share in PERCENTILES.items()}
        columns |= _share("share_positive", read.n[:, scale >= least].sum(axis=1), read.total, level)
        columns["share_negative"] = read.n[:, scale <= most].sum(axis=1) / read.total
        columns["share_top"] = read.n[:, -1:].sum(axis=1) / read.total
        columns["share_extreme"] = read.n[:, [0, -1] if len(scale) > 1 else [0][: len(scale)]].sum(axis=1) / read.total
        columns |= dict(zip(("net_score", "net_score_lo", "net_score_hi"), _score(read, score, level), strict=True))
        for text in ("public", "private"):
            if f"n_{text}" in counts:
                with_text = read_counts(counts.assign(n=counts[f"n_{text}"])).total
                columns |= _share(f"share_{text}", with_text, read.total, level)
    mode = pd.array(scale[read.n.argmax(axis=1)] if len(scale) else np.empty(0, np.int64), dtype="Int64")
    mode[read.total == 0] = pd.NA
    return read.periods.assign(**columns, mode=mode).set_index("bucket")


def to_wide(counts: pd.DataFrame) -> pd.DataFrame:
    """Put the ratings side by side: one row per period, one column per point of the scale.

    Returns
    -------
    DataFrame, indexed by bucket; columns int, named rating; int64 counts.  Ratings outside the scale are left out.
    """
    read = read_counts(counts)
    index = pd.DatetimeIndex(read.periods["bucket"], name="bucket")
    return pd.DataFrame(read.n, index=index, columns=pd.Index(read.scale, name="rating"))


def quality(counts: pd.DataFrame, *, n_infinite: int = 0) -> pd.DataFrame:
    """Count what the other functions leave out.

    Parameters
    ----------
    counts : DataFrame
    n_infinite : int
        How many reviews have an infinite time, as ``lab.extent`` says.

    Returns
    -------
    DataFrame, one row per period, indexed by bucket:

        n               int64  all reviews
        n_out_of_scale  int64  those with a rating outside the scale
        n_infinite      int64  those with an infinite time, which belong to no period: 0, but for a last row NaT
    """
    read = read_counts(counts)
    columns = {"n": read.total + read.outside, "n_out_of_scale": read.outside, "n_infinite": 0}
    frame = pd.DataFrame(columns, index=pd.DatetimeIndex(read.periods["bucket"], name="bucket"))
    if n_infinite:
        frame.loc[pd.NaT] = [n_infinite, 0, n_infinite]
    return frame


def _score(read: Counts, score: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Mean of a score per review, and its credible interval."""
    from scipy.stats import beta

    mean = read.n @ score / read.total
    if not len(score) or score.min() == score.max():
        return mean, mean.copy(), mean.copy()
    # half a review more per rating: where all periods have nothing but fives, the interval still has a width
    pooled = (read.n.sum(axis=0) + 0.5) / (read.n.sum() + 0.5 * len(score))
    weight = read.n + PSEUDO_REVIEWS * pooled
    sum_of_weights = weight.sum(axis=1)
    centre = weight @ score / sum_of_weights
    variance = (weight * (score - centre[:, None]) ** 2).sum(axis=1) / sum_of_weights / (sum_of_weights + 1)
    low, width = score.min(), score.max() - score.min()
    x = (centre - low) / width
    size = x * (1 - x) * width**2 / variance - 1
    lo, hi = (low + width * beta.ppf(q, x * size, (1 - x) * size) for q in ((1 - level) / 2, (1 + level) / 2))
    # no interval leaves out its own mean, also where all ratings are the highest; without reviews all three are NaN
    return mean, np.where(lo < mean, lo, mean), np.where(hi > mean, hi, mean)


def _deviation(read: Counts) -> Floats:
    mean = read.n @ read.scale / read.total
    squares = (read.n * (read.scale - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(np.where(read.total > 1, np.sqrt(squares / (read.total - 1)), np.nan), np.float64)


def _percentile(read: Counts, share: float) -> Floats:
    """As PostgreSQL's percentile_cont: linear between the two reviews around the place."""
    if not len(read.scale):
        return np.full(len(read.n), np.nan)
    place = share * np.maximum(read.total - 1, 0)
    below, above = np.floor(place), np.ceil(place)
    counted = read.n.cumsum(axis=1)
    at = [
        read.scale[np.minimum((counted <= rank[:, None]).sum(axis=1), len(read.scale) - 1)] for rank in (below, above)
    ]
    value = at[0] + (place - below) * (at[1] - at[0])
    return np.asarray(np.where(read.total > 0, value, np.nan), np.float64)


def _share(name: str, some: Any, all_: Any, level: float) -> dict[str, Floats]:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(some, np.maximum(all_, 1), alpha=1 - level, method="wilson")
    empty = all_ == 0
    return {
        name: some / all_,
        f"{name}_lo": np.where(empty, np.nan, low),
        f"{name}_hi": np.where(empty, np.nan, high),
    }
