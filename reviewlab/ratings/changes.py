"""When did the ratings change?"""

from itertools import pairwise

import numpy as np
import pandas as pd

from reviewlab.errors import ConfigError
from reviewlab.ratings.counts import Floats

MOST_POINTS = 8_000
"""The method takes time with the square of this; more reviews are taken in blocks of equal size."""


def changepoints(reviews: pd.DataFrame, *, min_size: int = 30, penalty: float = 3.0) -> pd.DataFrame:
    """Find where the distribution of ratings changed, in the order in which reviews were written.

    Parameters
    ----------
    reviews : DataFrame
        Reviews, with rating and submitted_at; or counts of short periods such as days, with bucket, rating and n.
    min_size : int
        The fewest reviews between two changes.
    penalty : float
        In units of variance x log(number of points); more finds fewer changes.

    Returns
    -------
    DataFrame, one row per change, oldest first:

        at                        datetime64[us]  the first review, or period, after it; in the zone of the input
        n_before, n_after         int64           reviews since the change before, and until the next one
        mean_before, mean_after   float64

    Notes
    -----
    Kernel change point detection with a linear kernel on one column per rating (Arlot, Celisse and Harchaoui, 2019),
    by `ruptures`.  It sees changes of the shape that leave the mean as it was.  More than `MOST_POINTS` reviews are
    replaced by the shares of consecutive blocks of equal size, so a change is found to within a block.

    Raises
    ------
    ConfigError
        If ruptures is not installed: ``pip install 'reviewlab[changepoints]'``.
    ValueError
        If columns are missing, *min_size* is less than one review, or *penalty* is not positive.
    """
    if min_size < 1 or penalty <= 0:
        raise ValueError(f"min_size must be at least 1 and penalty above 0, not {min_size} and {penalty}")
    times, rating = _sequence(reviews)
    borders = [0, *_borders(rating, min_size, penalty), len(rating)]
    sizes = np.diff(borders)
    means = [float(rating[a:b].mean()) for a, b in pairwise(borders) if b > a]
    found = borders[1:-1]
    return pd.DataFrame(
        {
            "at": times.iloc[found].reset_index(drop=True),
            "n_before": np.array(sizes[: len(found)], np.int64),
            "n_after": np.array(sizes[1 : len(found) + 1], np.int64),
            "mean_before": np.array(means[: len(found)], np.float64),
            "mean_after": np.array(means[1 : len(found) + 1], np.float64),
        }
    )


def _sequence(reviews: pd.DataFrame) -> tuple[pd.Series, Floats]:
    """When and what, one item per review, in order."""
    if {"rating", "submitted_at"} <= set(reviews.columns):
        # of reviews with equal times the id decides: a frame sorted by rating must not make a change of each day
        order = [name for name in ("submitted_at", "review_id") if name in reviews]
        ordered = reviews[["rating", *order]].dropna().sort_values(order, kind="stable")
        return ordered["submitted_at"], ordered["rating"].to_numpy(np.float64)
    if {"bucket", "rating", "n"} <= set(reviews.columns):
        ordered = reviews.sort_values(["bucket", "rating"])
        n = ordered["n"].to_numpy(np.int64)
        # within a period the order is unknown: ratings are spread evenly, so that none of them makes a change
        place = np.concatenate([(np.arange(count) + 0.5) / count for count in n if count] or [np.empty(0)])
        spread = ordered.loc[np.repeat(ordered.index, n)].assign(place=place).sort_values(["bucket", "place"])
        return spread["bucket"], spread["rating"].to_numpy(np.float64)
    raise ValueError(
        "change points need reviews with rating and submitted_at, or counts with bucket, rating and n; "
        f"the frame has {', '.join(map(str, reviews))}"
    )


def _borders(rating: Floats, min_size: int, penalty: float) -> list[int]:
    if len(rating) < 2 * min_size or len(np.unique(rating)) < 2:
        return []
    try:
        from ruptures import KernelCPD
    except ImportError:
        raise ConfigError("change points need a package: pip install 'reviewlab[changepoints]'") from None
    points = (rating[:, None] == np.unique(rating)).astype(np.float64)
    size = -(-len(points) // MOST_POINTS)
    variance = points.var(axis=0).sum() / size
    n_blocks = len(points) // size
    blocks = points[: n_blocks * size].reshape(n_blocks, size, -1).mean(axis=1)
    finder = KernelCPD(kernel="linear", min_size=max(-(-min_size // size), 1)).fit(blocks)
    return [border * size for border in finder.predict(pen=penalty * variance * np.log(n_blocks))[:-1]]
