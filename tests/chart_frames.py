"""Which frames of counts do the tests of the charts draw?"""

from functools import cache

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("agg")

J_SHAPE = (0.10, 0.06, 0.12, 0.20, 0.52)
BAD_RELEASE = (0.30, 0.15, 0.15, 0.15, 0.25)
BOMB = (0.75, 0.07, 0.03, 0.05, 0.10)


def weekly(*, weeks=76, scale=(1, 5), tz=None, rate=60, seed=7):
    """
    Count ratings that look like life: J-shaped, a silent fortnight, a bad release, a bomb, both ends cut.
    """
    rng = np.random.default_rng(seed)
    edges = pd.date_range("2024-01-01", periods=weeks + 1, freq="W-MON", tz=tz).as_unit("us")
    points = np.arange(scale[0], scale[1] + 1)
    shapes = ((BOMB, {66, 67}), (BAD_RELEASE, set(range(36, 55))), (J_SHAPE, set(range(weeks))))
    rows = []
    for week in range(weeks):
        shape = next(shape for shape, when in shapes if week in when)
        shares = np.interp(np.linspace(0, 4, len(points)), range(5), shape)
        n = 0 if week in (24, 25) else rng.poisson(rate * (4 if week in (66, 67) else 1))
        rows.append(rng.multinomial(n, shares / shares.sum()))
    return counts(edges, points, np.array(rows), complete=np.isin(np.arange(weeks), (0, weeks - 1), invert=True))


def counts(edges, points, n, *, complete=True):
    """
    Arrange an array (periods, ratings) of counts as the long frame that the charts take.
    """
    edges = pd.DatetimeIndex(edges)
    k, periods = len(points), len(edges) - 1
    return pd.DataFrame(
        {
            "bucket": edges[:-1].repeat(k),
            "bucket_end": edges[1:].repeat(k),
            "complete": np.repeat(np.broadcast_to(complete, periods), k),
            "rating": np.tile(np.asarray(points, dtype=np.int64), periods),
            "in_scale": True,
            "n": np.asarray(n, dtype=np.int64).reshape(-1),
        }
    )


def daily(*, year=2025, tz="Europe/Paris", seed=11):
    """
    Count ratings per day of half a year.
    """
    rng = np.random.default_rng(seed)
    edges = pd.date_range(f"{year}-01-01", f"{year}-07-01", freq="D", tz=tz).as_unit("us")
    n = [rng.multinomial(rng.poisson(6), J_SHAPE) for _ in edges[1:]]
    return counts(edges, range(1, 6), n)


@cache
def edge_cases():
    """
    Name the frames that break careless charts: nothing, one period, one rating, one hundred and one, a thousand.
    """
    two = pd.DatetimeIndex(["2024-01-01", "2024-01-08"]).as_unit("us")
    hours = pd.date_range("2024-10-27", periods=26, freq="h", tz="Europe/Berlin").as_unit("us")
    return {
        "no rows": weekly(weeks=1).head(0),
        "no reviews": counts(two, range(1, 6), [[0] * 5]),
        "one review": counts(two, range(1, 6), [[0, 0, 1, 0, 0]], complete=False),
        "one period": counts(two, range(1, 6), [[3, 0, 2, 5, 40]]),
        "only five stars": weekly(rate=5).assign(n=lambda f: f["n"] * (f["rating"] == 5)),
        "hundred points": weekly(scale=(0, 100)),
        "ten points, aware": weekly(scale=(1, 10), tz="Europe/Paris"),
        "from zero": weekly(scale=(0, 10), rate=2),
        "thousand periods": weekly(weeks=1100, rate=3),
        "a day of 25 hours": counts(hours, range(1, 6), np.arange(125).reshape(25, 5)),
    }


def week_hours(*, seed=3, bad_monday=True):
    """
    Count ratings per weekday and hour, with worse ones on Monday mornings.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for weekday in range(1, 8):
        for hour in range(6, 24):
            shape = BAD_RELEASE if bad_monday and weekday == 1 and hour in (8, 9, 10) else J_SHAPE
            n = rng.multinomial(rng.poisson(40), np.array(shape) / sum(shape))
            rows += [(weekday, hour, rating, int(count)) for rating, count in enumerate(n, start=1)]
    return pd.DataFrame(rows, columns=["weekday", "hour", "rating", "n"])


def reviews(*, n=600, seed=5):
    """
    Make reviews whose texts are the longer, the lower they rate; one in fifty is empty.
    """
    rng = np.random.default_rng(seed)
    rating = rng.choice(5, n, p=J_SHAPE) + 1
    length = np.where(rng.random(n) < 0.02, 0, np.exp(rng.normal(5.2 - 0.3 * rating, 0.8))).astype(int)
    return pd.DataFrame(
        {
            "rating": rating,
            "submitted_at": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.random(n)) * 400, unit="D"),
            "public_review": ["x" * k for k in length],
        }
    )
