"""What is in a frame of counts?"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

COLUMNS = ("bucket", "bucket_end", "complete", "rating", "n")
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

    def frame(self) -> pd.DataFrame:
        """The long frame of counts again, ratings outside the scale left out."""
        k = len(self.scale)
        repeated = self.periods.loc[np.repeat(np.arange(len(self.periods)), k)].reset_index(drop=True)
        in_scale = np.ones(len(repeated), np.bool_)
        return repeated.assign(rating=np.tile(self.scale, len(self.periods)), in_scale=in_scale, n=self.n.ravel())


def read_counts(counts: pd.DataFrame) -> Counts:
    """Check a frame of counts and take it apart.

    Raises
    ------
    ValueError
        If a column is missing, a count is negative, or a period has a rating twice.
    """
    missing = [name for name in COLUMNS if name not in counts.columns]
    if missing:
        raise ValueError(f"counts need the columns {', '.join(missing)}; the frame has {', '.join(map(str, counts))}")
    if (counts["n"] < 0).any():
        raise ValueError("a count is negative; n is how many reviews there are")
    if counts.duplicated(["bucket", "rating"]).any():
        raise ValueError("a period has a rating twice; are these the counts of two frames? add them up first")
    inside = counts["in_scale"].to_numpy(bool) if "in_scale" in counts else np.ones(len(counts), bool)
    ratings = counts["rating"].to_numpy(np.int64)
    scale = np.arange(ratings[inside].min(), ratings[inside].max() + 1) if inside.any() else np.empty(0, np.int64)
    if (~inside & np.isin(ratings, scale)).any():
        raise ValueError("the periods have different scales; count them all with the same scale=")
    periods = counts[["bucket", "bucket_end", "complete"]].drop_duplicates("bucket").sort_values("bucket")
    row = pd.Index(periods["bucket"]).get_indexer(counts["bucket"])
    n = np.zeros((len(periods), len(scale)), np.int64)
    outside = np.zeros(len(periods), np.int64)
    counted = counts["n"].to_numpy(np.int64)
    if len(scale):
        n[row[inside], ratings[inside] - scale[0]] = counted[inside]
    np.add.at(outside, row[~inside], counted[~inside])
    return Counts(periods.reset_index(drop=True), scale, n, outside)


def sides(counts: Counts, positive: int | None, negative: int | None) -> tuple[int, int]:
    """The least positive and the most negative rating; by default the top and bottom 40 % of the scale."""
    if not len(counts.scale):
        return positive or 0, negative or 0
    low, high = int(counts.scale[0]), int(counts.scale[-1])
    n = round(0.4 * len(counts.scale))
    least = high - n + 1 if positive is None else positive
    most = low + n - 1 if negative is None else negative
    if not low <= least <= high or not low - 1 <= most < least:
        raise ValueError(
            f"positive ({least}) and negative ({most}) must lie apart within the scale {low} to {high}: "
            "ratings from the one up, and to the other down"
        )
    return least, most
