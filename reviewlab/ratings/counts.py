"""What is in a frame of counts?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

COLUMNS = ("bucket", "bucket_end", "complete", "rating", "n")
MOST_POINTS = 1_001
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """Reviews per period and point of the scale.

    Attributes
    ----------
    periods : DataFrame
        bucket, bucket_end, complete; oldest first.
    scale : array of int64
        The points of the scale, K of them.
    n : array of int64, periods x K
    outside : array of int64
        Per period, the reviews with a rating outside the scale.
    """

    periods: pd.DataFrame
    scale: Integers
    n: Integers
    outside: Integers

    @property
    def total(self) -> Integers:
        """Reviews per period, within the scale."""
        return np.asarray(self.n.sum(axis=1), np.int64)


def read_counts(counts: pd.DataFrame) -> Counts:
    """Check a frame of counts and take it apart.

    Raises
    ------
    ValueError
        If a column is missing, a rating or a count is no whole number or a count is negative, a period has a rating
        twice, or periods have different scales.
    """
    missing = [name for name in COLUMNS if name not in counts.columns]
    if missing:
        raise ValueError(f"counts need the columns {', '.join(missing)}; the frame has {', '.join(map(str, counts))}")
    counted, ratings = _whole(counts["n"]), _whole(counts["rating"])
    if (counted < 0).any():
        raise ValueError("a count is negative; n is how many reviews there are")
    row, _ = pd.factorize(counts["bucket"], sort=True)
    if (row < 0).any():
        raise ValueError("a bucket is missing: every row needs the first moment of its period")
    # one number for both: unique pairs take ten times as long
    if len(np.unique(row * (np.ptp(ratings) + 1) + ratings if len(row) else row)) < len(row):
        raise ValueError("a period has a rating twice; are these the counts of two frames? add them up first")
    periods = counts[["bucket", "bucket_end", "complete"]].iloc[np.unique(row, return_index=True)[1]]
    inside = counts["in_scale"].to_numpy(bool) if "in_scale" in counts else np.ones(len(counts), bool)
    scale = _span(ratings[inside])
    full = inside.sum() == len(periods) * len(scale) and not np.isin(ratings[~inside], scale).any()
    if "in_scale" in counts and not full:
        raise ValueError(
            f"each of {len(periods):,} periods needs a row for each of the {len(scale)} ratings in the scale, also "
            f"where n is 0; there are {inside.sum():,} rows; count all periods with the same scale="
        )
    n = np.zeros((len(periods), len(scale)), np.int64)
    outside = np.zeros(len(periods), np.int64)
    if len(scale):
        n[row[inside], ratings[inside] - scale[0]] = counted[inside]
    np.add.at(outside, row[~inside], counted[~inside])
    return Counts(periods.reset_index(drop=True), scale, n, outside)


def sides(
    counts: Counts,
    positive: int | None,
    negative: int | None,
    *,
    shares: tuple[float, float] = (0.4, 0.4),
    names: tuple[str, str] = ("positive", "negative"),
) -> tuple[int, int]:
    """The least positive and the most negative rating; by default the top and bottom 40 % of the scale.

    A scale of a single point is all positive.

    Raises
    ------
    ValueError
        If one of them lies outside the scale, or they overlap.
    """
    k = len(counts.scale)
    if not k:
        return positive or 0, negative or 0
    low, high = int(counts.scale[0]), int(counts.scale[-1])
    least, most = high - max(round(shares[0] * k), 1) + 1, low + round(shares[1] * k) - 1
    # a default makes way for what was asked for
    least = positive if positive is not None else least if negative is None else max(least, negative + 1)
    most = negative if negative is not None else min(most, least - 1)
    if not low <= least <= high or not low - 1 <= most < least:
        raise ValueError(
            f"{names[0]} ({least}) and {names[1]} ({most}) must lie apart within the scale {low} to {high}: "
            "ratings from the one up, and to the other down"
        )
    return least, most


def _span(ratings: Integers) -> Integers:
    """All points from the lowest to the highest."""
    if not len(ratings):
        return np.empty(0, np.int64)
    low, high = int(ratings.min()), int(ratings.max())
    if high - low >= MOST_POINTS:
        raise ValueError(
            f"the ratings reach from {low:,} to {high:,}, too far for a scale; set in_scale to False outside it"
        )
    return np.arange(low, high + 1, dtype=np.int64)


def _whole(values: pd.Series) -> Integers:
    """Whole numbers, whatever type they came in."""
    if values.dtype.kind in "iu":
        return values.to_numpy(np.int64)
    numbers = pd.to_numeric(values, errors="coerce")
    broken = (numbers.isna() | (numbers % 1 != 0)).to_numpy(bool)
    if broken.any():
        raise ValueError(f"{values.name} must be whole numbers, {values[broken].tolist()[0]!r} is none")
    return numbers.to_numpy(np.int64)
