"""Do two sets of ratings differ, and is a period out of the ordinary?"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reviewlab import displays
from reviewlab.ratings.counts import Counts, read_counts

OUTSIDE = pd.CategoricalDtype(["low", "in", "high"], ordered=True)


def compare(a: pd.DataFrame, b: pd.DataFrame) -> "pd.Series[float]":
    """Compare the ratings of two frames of counts, each taken as a whole.

    Returns
    -------
    Series of float64:

        n_a, n_b          reviews within the scale
        mean_a, mean_b    NaN without reviews
        wasserstein       in points of the scale: the area between the two cumulative distributions
        cramers_v         0 to 1, how different the shapes are
        p_shape           chi-squared test (without correction) that the shapes are the same
        p_level           linear-by-linear test that the level is the same; shapes of one mean do not show
        diff_<rating>     share in a less the share in b, one for each point of the scale

    Without reviews on a side everything but the n is NaN.

    Source: scipy.stats.chi2_contingency, contingency.association, wasserstein_distance; Agresti (2013), section 3.4,
    by statsmodels' Table.test_ordinal_association.
    """
    first, second = read_counts(a), read_counts(b)
    if len(first.scale) and len(second.scale) and not np.array_equal(first.scale, second.scale):
        raise ValueError(
            f"the frames have different scales, {_range(first)} and {_range(second)}; count both with the same scale="
        )
    scale = first.scale if len(first.scale) else second.scale
    n = np.array([_whole(first, len(scale)), _whole(second, len(scale))])
    result = pd.Series({"n_a": float(n[0].sum()), "n_b": float(n[1].sum())})
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = n / n.sum(axis=1, keepdims=True)
    differences = {f"diff_{rating}": shares[0, at] - shares[1, at] for at, rating in enumerate(scale)}
    compared = pd.concat([result, pd.Series(_tests(scale, n)), pd.Series(differences, dtype=float)])
    return displays.Summary(compared, name="comparison")


def control(
    counts: pd.DataFrame,
    *,
    values: Iterable[int] | None = None,
    baseline: pd.DataFrame | float | None = None,
    level: float = 0.997,
) -> pd.DataFrame:
    """Compare a share with the band in which it would lie by chance: review bombs stand out of it.

    Parameters
    ----------
    counts : DataFrame
    values : iterable of int, optional
        The ratings whose share is looked at; by default the lowest.
    baseline : DataFrame or float, optional
        Counts of ordinary periods, or their share; by default all complete periods of *counts*.
    level : float
        How often an ordinary period lies in the band.

    Returns
    -------
    DataFrame, indexed by bucket: bucket_end, complete, n (int64), share, lo, hi (float64), outside (category low < in
    < high; missing without reviews).  The band is that of the binomial distribution for each n, so it widens for few
    reviews.

    Source: exact p-chart; scipy.stats.binom.ppf
    """
    from scipy.stats import binom

    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    read = read_counts(counts)
    chosen = set(read.scale[:1].tolist() if values is None else values)
    if len(read.scale) and not chosen:
        raise ValueError(f"values need at least one rating of the scale {_range(read)}")
    if len(read.scale) and not chosen <= set(read.scale.tolist()):
        raise ValueError(f"values {sorted(chosen)} do not lie within the scale {_range(read)}")
    wanted = np.isin(read.scale, list(chosen))
    ordinary = _ordinary_share(read, wanted, baseline, chosen)
    n, some = read.total, read.n[:, wanted].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = some / n
        lo, hi = (binom.ppf(q, n, ordinary) / n for q in ((1 - level) / 2, (1 + level) / 2))
    code = np.where(n == 0, -1, np.where(share < lo, 0, np.where(share > hi, 2, 1)))
    outside = pd.Categorical.from_codes(code, dtype=OUTSIDE)
    return read.periods.assign(n=n, share=share, lo=lo, hi=hi, outside=outside).set_index("bucket")


def _ordinary_share(read: Counts, wanted: np.ndarray, baseline: pd.DataFrame | float | None, chosen: set[int]) -> float:
    if isinstance(baseline, pd.DataFrame):
        other = read_counts(baseline)
        some, all_ = other.n[:, np.isin(other.scale, list(chosen))].sum(), other.n.sum()
    elif baseline is not None:
        if not 0 <= baseline <= 1:
            raise ValueError(f"a baseline share lies between 0 and 1, not {baseline}")
        return float(baseline)
    else:
        complete = read.periods["complete"].to_numpy(bool)
        some, all_ = read.n[complete][:, wanted].sum(), read.n[complete].sum()
    return float(some / all_) if all_ else float("nan")


def _tests(scale: np.ndarray, n: np.ndarray) -> dict[str, float]:
    names = ("mean_a", "mean_b", "wasserstein", "cramers_v", "p_shape", "p_level")
    if not n.sum(axis=1).all():
        return dict.fromkeys(names, float("nan"))
    from scipy.stats import chi2_contingency, wasserstein_distance
    from scipy.stats.contingency import association
    from statsmodels.stats.contingency_tables import Table

    means = n @ scale / n.sum(axis=1)
    distance = wasserstein_distance(scale, scale, n[0], n[1])
    seen = n.any(axis=0)
    if seen.sum() < 2:  # everybody gave the same rating
        return dict(zip(names, (*means, distance, 0.0, 1.0, 1.0), strict=True))
    table = n[:, seen]
    level = Table(table, shift_zeros=False).test_ordinal_association(col_scores=scale[seen].astype(float))
    tests = (association(table, method="cramer"), chi2_contingency(table, correction=False).pvalue, level.pvalue)
    return {name: float(value) for name, value in zip(names, (*means, distance, *tests), strict=True)}


def _whole(read: Counts, k: int) -> np.ndarray:
    return read.n.sum(axis=0) if len(read.scale) else np.zeros(k, np.int64)


def _range(read: Counts) -> str:
    return f"{read.scale[0]} to {read.scale[-1]}"
