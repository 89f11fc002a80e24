"""Are two sets of ratings told apart when they differ, and left alone when they do not?"""

import numpy as np
import pandas as pd
import pytest
from chart_frames import J_SHAPE, counts, weekly
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reviewlab import ratings

SHAPE = np.array(J_SHAPE) / np.sum(J_SHAPE)
SEVERAL = st.lists(st.integers(0, 30), min_size=5, max_size=5).filter(any)


def weeks(n, scale=range(1, 6)):
    """
    Arrange counts, one row per week, as the frame that a lab returns.
    """
    edges = pd.date_range("2024-01-01", periods=len(n) + 1, freq="7D").as_unit("us")
    return counts(edges, list(scale), n)


@settings(deadline=None)
@given(SEVERAL, SEVERAL)
def test_a_comparison_says_what_the_reviews_themselves_say(a, b):
    """
    Means, distance and effect from the reviews written out one by one.
    """
    one, other = (np.repeat(np.arange(1, 6), n) for n in (a, b))

    found = ratings.compare(weeks([a]), weeks([b]))

    assert (found["n_a"], found["n_b"]) == (len(one), len(other))
    np.testing.assert_allclose([found["mean_a"], found["mean_b"]], [one.mean(), other.mean()], rtol=1e-12)
    steps = [np.searchsorted(np.sort(side), np.arange(1, 5), side="right") / len(side) for side in (one, other)]
    np.testing.assert_allclose(found["wasserstein"], np.abs(steps[0] - steps[1]).sum(), atol=1e-12)
    shares = [np.bincount(side, minlength=6)[1:] / len(side) for side in (one, other)]
    np.testing.assert_allclose(found.filter(like="diff_"), shares[0] - shares[1], atol=1e-12)
    table = np.array([a, b])[:, np.array([a, b]).any(axis=0)]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chi_squared, freedom = ((table - expected) ** 2 / expected).sum(), table.shape[1] - 1
    np.testing.assert_allclose(found["cramers_v"], np.sqrt(chi_squared / table.sum()), atol=1e-12)
    np.testing.assert_allclose(found["p_shape"], stats.chi2.sf(chi_squared, freedom) if freedom else 1, rtol=1e-9)
    if freedom:  # linear by linear: the correlation of side and rating, as a normal deviate
        sides = np.repeat([0, 1], [len(one), len(other)])
        deviate = stats.pearsonr(sides, np.concatenate([one, other])).statistic * np.sqrt(len(sides) - 1)
        exact_variance = deviate * np.sqrt(len(sides) / (len(sides) - 1))
        p = [2 * stats.norm.sf(abs(value)) for value in (deviate, exact_variance)]
        assert min(p) - 1e-9 <= found["p_level"] <= max(p) + 1e-9


def test_tests_of_change_are_right_when_nothing_changed():
    """
    At 5 % one comparison in twenty cries wolf, not more and not fewer.
    """
    draws = np.random.default_rng(20_240_101).multinomial(400, SHAPE, size=(2_000, 2))
    week = weeks([[0] * 5])

    found = pd.DataFrame([ratings.compare(week.assign(n=a), week.assign(n=b)) for a, b in draws])

    for test in ("p_shape", "p_level"):
        assert 0.035 <= (found[test] < 0.05).mean() <= 0.065, test


def test_a_polarisation_that_leaves_the_mean_is_seen_by_the_shape_alone():
    """
    The mean hides it, which is why both tests are printed.
    """
    found = ratings.compare(weeks([[50, 100, 100, 100, 50]]), weeks([[150, 25, 50, 25, 150]]))

    assert found["mean_a"] == found["mean_b"] == 3
    assert found["p_shape"] < 1e-9 < 0.9 < found["p_level"]


def test_a_drop_of_the_level_is_seen_by_the_level_first():
    """
    A small drop over all ratings: the ordered test has more power than the shape's.
    """
    found = ratings.compare(weeks([[40, 24, 48, 80, 208]]), weeks([[52, 30, 54, 84, 180]]))

    assert found["p_level"] < 0.05 < found["p_shape"]


def test_frames_are_compared_as_wholes():
    """
    However many periods they have.
    """
    halves, whole = weeks([[1, 2, 3, 4, 5], [5, 4, 3, 2, 9]]), weeks([[6, 6, 6, 6, 14]])

    assert ratings.compare(halves, whole).filter(like="diff_").eq(0).all()


def test_a_comparison_with_nothing_is_no_finding():
    """
    A range without reviews is not a change to zero.
    """
    found = ratings.compare(weeks([[0] * 5]), weeks([[1, 2, 3, 4, 5]]))

    assert found[["n_a", "n_b"]].tolist() == [0, 15]
    assert found.drop(["n_a", "n_b", "mean_b"]).isna().all()
    assert found.dtype == "float64"


def test_different_scales_are_not_compared():
    """
    Four of five is not four of ten.
    """
    with pytest.raises(ValueError, match="the frames have different scales, 1 to 5 and 1 to 10; count both with"):
        ratings.compare(weeks([[1] * 5]), weeks([[1] * 10], range(1, 11)))


@settings(deadline=None)
@given(st.lists(SEVERAL, min_size=1, max_size=6), st.sets(st.integers(1, 5), min_size=1))
def test_the_band_is_where_a_binomial_lies(n, values):
    """
    Exact for every n, unlike three sigmas: at most so many ordinary periods fall out, and none that could have stayed.
    """
    wide = np.array(n)
    chosen = wide[:, [rating - 1 for rating in sorted(values)]].sum(axis=1)
    ordinary = chosen.sum() / wide.sum()

    band = ratings.control(weeks(n), values=values, level=0.9)

    for some, total, (_, row) in zip(chosen, wide.sum(axis=1), band.iterrows(), strict=True):
        possible = stats.binom(total, ordinary)
        low, high = possible.cdf(some), possible.sf(some - 1)
        assert row["share"] == some / total
        assert row["outside"] == ("low" if low < 0.05 - 1e-12 else "high" if high < 0.05 - 1e-12 else "in")
        assert row["lo"] <= ordinary <= row["hi"] or possible.var() == 0


def test_a_review_bomb_stands_out_against_ordinary_weeks():
    """
    The weeks before the bomb are the baseline; the bomb must not widen its own band.
    """
    frame = weekly()

    band = ratings.control(frame, baseline=frame[frame["bucket"] < "2024-09-01"])

    bomb = band.loc["2025-04-07":"2025-04-14"]
    assert bomb["outside"].tolist() == ["high", "high"]
    assert (band.loc[:"2024-08-31", "outside"].dropna() == "in").mean() > 0.97
    assert band.loc["2024-06-17"].isna()[["share", "lo", "hi", "outside"]].all()


def test_the_baseline_may_be_a_share_or_other_counts():
    """
    Last year's share is often known by heart.
    """
    frame = weeks([[5, 0, 0, 0, 5]])

    given_share = ratings.control(frame, baseline=0.2)
    given_counts = ratings.control(frame, baseline=weeks([[20, 0, 0, 0, 80]]))

    pd.testing.assert_frame_equal(given_share, given_counts)
    assert given_share["hi"].iloc[0] == stats.binom.ppf(0.9985, 10, 0.2) / 10


def test_periods_that_are_still_open_are_not_ordinary():
    """
    By default the band is made from complete periods.
    """
    frame = weeks([[1, 0, 0, 0, 9], [9, 0, 0, 0, 1]])
    frame["complete"] = frame["bucket"] < "2024-01-08"

    band = ratings.control(frame, level=0.9)

    assert band["hi"].tolist() == [stats.binom.ppf(0.95, 10, 0.1) / 10] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": [6]}, "values [6] do not lie within the scale 1 to 5"),
        ({"values": []}, "values need at least one rating of the scale 1 to 5"),
        ({"baseline": 20}, "a baseline share lies between 0 and 1, not 20"),
        ({"level": 99.7}, "level must lie between 0 and 1, not 99.7"),
    ],
)
def test_bands_that_cannot_be_are_refused(options, message):
    """
    A share of 20 is 20 % for the one who typed it, and would give a band without end.
    """
    with pytest.raises(ValueError) as caught:
        ratings.control(weeks([[1, 2, 3, 4, 5]]), **options)

    assert message in str(caught.value)


def test_ratings_that_are_all_the_same_are_no_change():
    """
    Nothing but five stars before and after: no test can be made, and there is nothing to find.
    """
    found = ratings.compare(weeks([[0, 0, 0, 0, 8]]), weeks([[0, 0, 0, 0, 3]]))

    assert found[["wasserstein", "cramers_v", "p_shape", "p_level"]].tolist() == [0, 0, 1, 1]
