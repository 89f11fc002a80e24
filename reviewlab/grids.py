"""Which counts are there when every group has a row, those without reviews too?"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd


def week_grid(counted: pd.DataFrame, *, scale: tuple[int, int]) -> pd.DataFrame:
    """Give each hour of the week a row per point of the scale; ratings outside it follow where they occur.

    Parameters
    ----------
    counted : DataFrame
        As sql/by_weekday_hour.sql returns it: weekday, hour, rating, n.
    """
    hours = pd.MultiIndex.from_product([range(1, 8), range(24)], names=["weekday", "hour"])
    return _fill(counted.set_index(["weekday", "hour"]), hours, scale=scale).astype({"weekday": int, "hour": int})


def length_grid(counted: pd.DataFrame, edges: Sequence[int], *, scale: tuple[int, int]) -> pd.DataFrame:
    """Give each length a row per point of the scale; ratings outside it follow where they occur.

    Parameters
    ----------
    counted : DataFrame
        As sql/by_text_length.sql returns it: k (0 for lengths below the first edge), rating, n.
    """
    names = length_names(edges)
    index = pd.Index(range(len(edges) + 1), name="length_bin")
    filled = _fill(counted.rename(columns={"k": "length_bin"}).set_index("length_bin"), index, scale=scale)
    if edges[0] == 0:  # nothing is shorter
        filled, names = filled[filled["length_bin"] > 0].reset_index(drop=True), names[1:]
        filled["length_bin"] -= 1
    kinds = pd.CategoricalDtype(names, ordered=True)
    return filled.assign(length_bin=pd.Categorical.from_codes(filled["length_bin"], dtype=kinds))


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


def _fill(counted: pd.DataFrame, groups: pd.Index, *, scale: tuple[int, int]) -> pd.DataFrame:
    """Rows of every group and rating of the scale, and of other ratings where they occur, in order."""
    wide = counted.set_index("rating", append=True)["n"].unstack("rating").reindex(groups)
    ratings = range(scale[0], scale[1] + 1)
    columns = pd.Index(np.union1d(wide.columns, ratings).astype(np.int64), name="rating")
    wide = wide.reindex(columns=columns)
    long = pd.DataFrame({"n": wide.fillna(0).astype(np.int64).stack()}).reset_index()
    long.insert(len(long.columns) - 1, "in_scale", long["rating"].between(*scale))
    return long[long["in_scale"] | (long["n"] > 0)].reset_index(drop=True)
