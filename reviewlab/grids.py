"""Which counts are there when every group has a row, those without reviews too?"""

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from reviewlab.buckets import Buckets

COUNTED = ("n", "n_public", "n_private")
MOST_POINTS = 1_001


def check_scale(scale: tuple[int, int]) -> tuple[int, int]:
    """Return a scale, or raise a ValueError if it is not two whole numbers, the lower one first."""
    if len(scale) != 2 or any(type(end) is not int for end in scale) or scale[0] >= scale[1]:
        raise ValueError(f"scale must be the lowest and the highest rating, such as (1, 5), not {scale!r}")
    return scale


def period_grid(counted: pd.DataFrame, made: "Buckets", *, scale: tuple[int, int]) -> pd.DataFrame:
    """Give every period a row for each point of the scale; ratings outside it follow where they occur.

    Parameters
    ----------
    counted : DataFrame
        As sql/rating_counts.sql returns it: k (period, from 1), rating, n; or as sql/text_counts.sql.

    Returns
    -------
    DataFrame
        bucket, bucket_end, complete, rating (int64), in_scale (bool), n (int64), by bucket and rating.
    """
    filled = _fill(counted, counted["k"].to_numpy(np.int64) - 1, n_groups=len(made.bucket), scale=scale)
    lost = filled.loc[~filled["in_scale"], "n"].sum()
    if lost:
        warnings.warn(
            f"{lost:,} reviews have a rating outside the scale {scale[0]} to {scale[1]}; "
            "they are counted in rows where in_scale is False",
            stacklevel=3,
        )
    at = filled.pop("group")
    for place, name in enumerate(("bucket", "bucket_end", "complete")):
        filled.insert(place, name, getattr(made, name)[at])
    return filled


def week_grid(counted: pd.DataFrame, *, scale: tuple[int, int]) -> pd.DataFrame:
    """Give each hour of the week a row per point of the scale; ratings outside it follow where they occur.

    Parameters
    ----------
    counted : DataFrame
        As sql/by_weekday_hour.sql returns it: weekday, hour, rating, n.
    """
    hours = (counted["weekday"].to_numpy(np.int64) - 1) * 24 + counted["hour"].to_numpy(np.int64)
    filled = _fill(counted, hours, n_groups=7 * 24, scale=scale)
    hour = filled.pop("group")
    filled.insert(0, "weekday", hour // 24 + 1)
    filled.insert(1, "hour", hour % 24)
    return filled


def length_grid(counted: pd.DataFrame, edges: Sequence[int], *, scale: tuple[int, int]) -> pd.DataFrame:
    """Give each length a row per point of the scale; ratings outside it follow where they occur.

    Parameters
    ----------
    counted : DataFrame
        As sql/by_text_length.sql returns it: k (0 for lengths below the first edge), rating, n.
    """
    first = 1 if edges[0] == 0 else 0  # nothing is shorter than 0
    names = length_names(edges)[first:]
    filled = _fill(counted, counted["k"].to_numpy(np.int64) - first, n_groups=len(names), scale=scale)
    kinds = pd.CategoricalDtype(names, ordered=True)
    filled.insert(0, "length_bin", pd.Series(pd.Categorical.from_codes(filled.pop("group"), dtype=kinds)))
    return filled


def length_names(edges: Sequence[int]) -> list[str]:
    """Name the gaps between edges, from that below the first one: ``empty``, ``1–19``, …, ``1000+``.

    Raises
    ------
    ValueError
        If the edges are no whole numbers from 0, or not sorted, each once.
    """
    if not len(edges) or any(not isinstance(edge, (int, np.integer)) or edge < 0 for edge in edges):
        raise ValueError(f"edges must be whole numbers of characters, at least one of them, not {edges!r}")
    for one, other in pairwise(edges):
        if one >= other:
            raise ValueError(f"edges must be sorted, each once: {other} does not come after {one}")
    below = "empty" if edges[0] == 1 else f"below {edges[0]}"
    gaps = [f"{one}–{other - 1}" if other - one > 1 else str(one) for one, other in pairwise(edges)]
    return [below, *gaps, f"{edges[-1]}+"]


def _fill(
    counted: pd.DataFrame, group: npt.NDArray[np.int64], *, n_groups: int, scale: tuple[int, int]
) -> pd.DataFrame:
    """Rows of every group and rating of the scale, and of other ratings where they occur, in order."""
    low, high = scale
    if high - low >= MOST_POINTS:
        raise ValueError(f"the ratings reach from {low:,} to {high:,}: name the scale, such as scale=(1, 5)")
    rating = counted["rating"].to_numpy(np.int64)
    inside = (rating >= low) & (rating <= high)
    points = np.arange(low, high + 1)
    columns = {
        "group": np.append(np.repeat(np.arange(n_groups), len(points)), group[~inside]),
        "rating": np.append(np.tile(points, n_groups), rating[~inside]),
        "in_scale": np.arange(n_groups * len(points) + (~inside).sum()) < n_groups * len(points),
    }
    for name in COUNTED:
        if name in counted:
            grid, n = np.zeros((n_groups, len(points)), np.int64), counted[name].to_numpy(np.int64)
            grid[group[inside], rating[inside] - low] = n[inside]
            columns[name] = np.append(grid, n[~inside])
    filled = pd.DataFrame(columns)
    return filled if inside.all() else filled.sort_values(["group", "rating"], ignore_index=True)
