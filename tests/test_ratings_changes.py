"""Are changes found when they happened, and nothing found when nothing did?"""

import sys

import numpy as np
import pandas as pd
import pytest
from chart_frames import BAD_RELEASE, BOMB, J_SHAPE, counts

from reviewlab import ratings, sample
from reviewlab.errors import ConfigError

COLUMNS = ["at", "n_before", "n_after", "mean_before", "mean_after"]


def reviews(*parts, tz=None, seed=5):
    """
    Draw reviews, one an hour: each part is how many, and the shares of their ratings.
    """
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([rng.choice(range(1, 6), size=n, p=shape / np.sum(shape)) for n, shape in parts])
    times = pd.date_range("2024-01-01", periods=len(drawn), freq="h", unit="us", tz=tz)
    return pd.DataFrame({"submitted_at": times, "rating": drawn.astype("int32")})


@pytest.mark.parametrize(("rows", "days"), [(6_000, 5), (20_000, 2), (60_000, 2)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_planted_changes_of_the_sample_are_found_within_two_days(rows, days, seed):
    """
    A bad release, its repair, the begin and the end of a review bomb: all four and nothing else.  Six reviews a day,
    fewer than are taken in blocks, leave a few days of doubt.
    """
    found = ratings.changepoints(sample.synthetic_reviews(rows, seed=seed))

    planted = pd.Series(list(sample.events().values()))
    assert len(found) == 4
    assert ((found["at"] - planted).abs() <= pd.Timedelta(days=days)).all()


def test_changes_are_described_by_what_was_before_and_after():
    """
    The table must say what changed, and how many reviews say so.
    """
    given = reviews((500, J_SHAPE), (300, BOMB), (700, BAD_RELEASE))

    found = ratings.changepoints(given)

    first, second = given.index[given["submitted_at"].isin(found["at"])]
    assert found.columns.tolist() == COLUMNS
    assert abs(first - 500) < 15 > abs(second - 800)
    assert found["n_before"].tolist() == [first, second - first]
    assert found["n_after"].tolist() == [second - first, 1_500 - second]
    parts = [given["rating"][:first].mean(), given["rating"][first:second].mean(), given["rating"][second:].mean()]
    assert found["mean_before"].tolist() == pytest.approx(parts[:2])
    assert found["mean_after"].tolist() == pytest.approx(parts[1:])


def test_a_short_change_among_many_reviews_is_found():
    """
    Six hundred bad ones of forty thousand are a release that was taken back the same week.
    """
    found = ratings.changepoints(reviews((20_000, J_SHAPE), (600, BAD_RELEASE), (20_000, J_SHAPE)))

    assert found["n_before"].tolist() == pytest.approx([20_000, 600], abs=60)


def test_a_polarisation_that_leaves_the_mean_is_found():
    """
    A method that looks at the mean alone is blind to it.
    """
    given = reviews((600, (0.1, 0.2, 0.4, 0.2, 0.1)), (600, (0.4, 0.05, 0.1, 0.05, 0.4)))

    found = ratings.changepoints(given)

    assert found["n_before"].tolist() == pytest.approx([600], abs=20)


def test_nothing_is_found_where_nothing_happened():
    """
    Of a hundred quiet histories, not one may show a break.
    """
    quiet = [len(ratings.changepoints(reviews((400, J_SHAPE), seed=seed))) for seed in range(100)]

    assert sum(quiet) == 0


def test_the_order_of_the_rows_does_not_matter():
    """
    Frames come sorted by time, by id or by rating, and many clocks know only days.
    """
    given = reviews((480, J_SHAPE), (408, BOMB))
    given["submitted_at"] = given["submitted_at"].dt.floor("D")
    given["review_id"] = pd.Series(np.random.default_rng(1).permutation(len(given))).map("{:06}".format)

    found = ratings.changepoints(given.sort_values("rating"))

    assert found.equals(ratings.changepoints(given))
    assert len(found) == 1


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_daily_counts_will_do(tz):
    """
    Two hundred thousand reviews need not be fetched to be examined.
    """
    rng = np.random.default_rng(2)
    edges = pd.date_range("2024-01-01", periods=15, freq="D", tz=tz, unit="us")
    shapes = [J_SHAPE] * 7 + [BOMB] * 7
    daily = counts(edges, range(1, 6), [rng.multinomial(400, np.divide(shape, sum(shape))) for shape in shapes])

    found = ratings.changepoints(daily)

    assert found["at"].tolist() == [edges[7]]
    assert found["at"].dtype == daily["bucket"].dtype


@pytest.mark.parametrize("n", [0, 1, 59, 60])
def test_few_reviews_have_no_changes_but_the_same_columns(n):
    """
    The overlay of a chart takes the table, however short the range is.
    """
    found = ratings.changepoints(reviews((n, J_SHAPE), tz="Asia/Tokyo"))

    types = ["datetime64[us, Asia/Tokyo]", "int64", "int64", "float64", "float64"]
    assert found.dtypes.astype(str).to_dict() == dict(zip(COLUMNS, types, strict=True))
    assert len(found) == 0


def test_times_that_are_missing_are_left_out():
    """
    A review of an infinite time comes as NaT and has no place in the order.
    """
    given = reviews((300, J_SHAPE), (300, BOMB))

    strange = pd.concat([given, given[:40]], ignore_index=True)
    strange.loc[600:, "submitted_at"] = pd.NaT

    assert ratings.changepoints(strange).equals(ratings.changepoints(given))


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pd.DataFrame({"stars": [1]}), {}, "change points need reviews with rating and submitted_at, or counts with"),
        (reviews((9, J_SHAPE)), {"min_size": 0}, "min_size must be at least 1 and penalty above 0, not 0 and 3"),
        (reviews((9, J_SHAPE)), {"penalty": -1}, "not 30 and -1"),
    ],
    ids=["columns", "min_size", "penalty"],
)
def test_what_cannot_be_examined_is_refused(frame, options, message):
    """
    Says what was needed and what came.
    """
    with pytest.raises(ValueError, match=message):
        ratings.changepoints(frame, **options)


def test_a_missing_package_is_named(monkeypatch):
    """
    The method is an extra; the message is the command that installs it.
    """
    monkeypatch.setitem(sys.modules, "ruptures", None)

    with pytest.raises(ConfigError, match=r"pip install 'reviewlab\[changepoints\]'"):
        ratings.changepoints(reviews((300, J_SHAPE), (300, BOMB)))
