"""Does a summary say what the reviews themselves would say?"""

import warnings

import numpy as np
import pandas as pd
import pytest
from chart_frames import J_SHAPE, counts
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reviewlab import ratings

SCALES = [(1, 5), (0, 5), (1, 10), (0, 10), (0, 100)]


@st.composite
def tables(draw):
    """
    Make up a few periods of counts on one of the scales, many of them empty.
    """
    low, high = draw(st.sampled_from(SCALES))
    k, periods = high - low + 1, draw(st.integers(1, 5))
    filled = st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, 40)), max_size=8)
    n = np.zeros((periods, k), np.int64)
    for period in range(periods):
        for rating, number in draw(filled):
            n[period, rating] = number
    return weeks(n, range(low, high + 1))


def weeks(n, scale=range(1, 6)):
    """
    Arrange counts, one row per week, as the frame that a lab returns.
    """
    edges = pd.date_range("2024-01-01", periods=len(n) + 1, freq="7D", tz="Europe/Berlin").as_unit("us")
    return counts(edges, list(scale), n)


def reviews_of(frame):
    """
    Write out every review of each period.
    """
    return [np.repeat(period["rating"], period["n"]) for _, period in frame.groupby("bucket")]


def close(got, expected):
    """
    Compare to 1e-12, NaN equal to NaN.
    """
    np.testing.assert_allclose(np.asarray(got, float), np.asarray(expected, float), rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(tables())
def test_means_deviations_and_percentiles_are_those_of_the_reviews(frame):
    """
    Counts are all that leaves the server; nothing may be lost by that.
    """
    summary = ratings.summarize(frame)

    with warnings.catch_warnings(action="ignore"):
        every = reviews_of(frame)
        close(summary["n"], [len(one) for one in every])
        close(summary["mean"], [one.mean() for one in every])
        close(summary["sd"], [one.std() for one in every])
        for name, q in {"p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}.items():
            close(summary[name], [one.quantile(q) for one in every])
    assert summary["mode"].tolist() == [one.mode().iloc[0] if len(one) else pd.NA for one in every]


@settings(deadline=None)
@given(tables())
def test_shares_are_those_of_the_reviews(frame):
    """
    By default the top and bottom 40 % of each scale are positive and negative, and NPS on 0 to 10 is what it always is.
    """
    low, high = int(frame["rating"].min()), int(frame["rating"].max())
    sides = {(1, 5): (4, 2, 5, 3), (0, 5): (4, 1, 5, 3), (1, 10): (7, 4, 9, 6), (0, 10): (7, 3, 9, 6)}
    positive, negative, promoter, detractor = sides.get((low, high), (61, 39, 81, 60))

    summary = ratings.summarize(frame)

    with warnings.catch_warnings(action="ignore"):
        every = reviews_of(frame)
        close(summary["share_positive"], [(one >= positive).mean() for one in every])
        close(summary["share_negative"], [(one <= negative).mean() for one in every])
        close(summary["share_top"], [(one == high).mean() for one in every])
        close(summary["share_extreme"], [one.isin([low, high]).mean() for one in every])
        close(summary["net_score"], [(one >= promoter).mean() - (one <= detractor).mean() for one in every])


@settings(deadline=None)
@given(tables(), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_interval_of_a_mean_has_the_moments_of_the_posterior(frame, level):
    """
    Documented as a Beta with mean and variance of the Dirichlet posterior; nothing else has been examined for coverage.
    """
    scale = np.sort(frame["rating"].unique())
    wide = ratings.to_wide(frame).to_numpy()
    pooled = (wide.sum(axis=0) + 0.5) / (wide.sum() + len(scale) / 2)

    summary = ratings.summarize(frame, level=level)

    for n, (_, row) in zip(wide, summary.iterrows(), strict=True):
        if not n.any():
            assert np.isnan([row["mean_lo"], row["mean_hi"]]).all()
            continue
        posterior = stats.dirichlet(n + 2 * pooled)
        mean, variance = posterior.mean() @ scale, scale @ posterior.cov() @ scale
        low, width = scale[0], scale[-1] - scale[0]
        x = (mean - low) / width
        size = x * (1 - x) / (variance / width**2) - 1
        lo, hi = low + width * np.array(stats.beta.interval(level, x * size, (1 - x) * size))
        np.testing.assert_allclose(row["mean_lo"], min(lo, row["mean"]), rtol=1e-9)
        np.testing.assert_allclose(row["mean_hi"], max(hi, row["mean"]), rtol=1e-9)


@settings(deadline=None)
@given(tables())
def test_intervals_of_shares_are_wilsons(frame):
    """
    Checked against another library than the one that is used.
    """
    frame["n_private"] = frame["n"] // 2

    summary = ratings.summarize(frame, level=0.9)

    for name in ("share_positive", "share_private"):
        for _, row in summary.iterrows():
            if row["n"]:
                test = stats.binomtest(round(row[name] * row["n"]), row["n"])
                expected = test.proportion_ci(0.9, method="wilson")
                np.testing.assert_allclose([row[f"{name}_lo"], row[f"{name}_hi"]], expected, atol=1e-9)


def test_the_interval_is_close_to_draws_from_the_posterior():
    """
    The Beta is an approximation; at 50 reviews it is within a hundredth of a star.
    """
    n = np.random.default_rng(3).multinomial(50, J_SHAPE)
    draws = stats.dirichlet(n + 2 * (n + 0.5) / 52.5).rvs(200_000, random_state=4) @ np.arange(1, 6)

    row = ratings.summarize(weeks([n])).iloc[0]

    assert [row["mean_lo"], row["mean_hi"]] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.011)


@pytest.mark.parametrize(("n", "least"), [(3, 0.97), (10, 0.92), (30, 0.93), (100, 0.94)])
def test_intervals_hold_the_true_mean_as_often_as_they_say(n, least):
    """
    seaborn's default, a bootstrap, holds it in 58 % of weeks with three reviews.
    """
    drawn = np.random.default_rng(n).multinomial(n, J_SHAPE / np.sum(J_SHAPE), size=4_000)
    truth = np.arange(1, 6) @ J_SHAPE / np.sum(J_SHAPE)

    summary = ratings.summarize(weeks(drawn))

    assert ((summary["mean_lo"] <= truth) & (truth <= summary["mean_hi"])).mean() > least


def test_nothing_but_the_highest_rating_is_no_certainty():
    """
    Three times five stars do not prove a mean of five; and the interval still holds the five.
    """
    row = ratings.summarize(weeks([[0, 0, 0, 0, 3], [2, 1, 3, 9, 20]])).iloc[0]

    assert row["sd"] == 0
    assert row["mean_lo"] < 4.5 < row["mean_hi"] == row["mean"] == 5
    assert row["share_positive_lo"] < 0.5


@pytest.mark.parametrize("n", [10**6, 10**9, 10**12])
def test_intervals_of_huge_numbers_are_narrow_and_not_missing(n):
    """
    Differences of large numbers must not eat up the variance.
    """
    rows = ratings.summarize(weeks([[0, 0, 0, 0, n], [n, 0, 0, 0, n]]))

    width = rows["mean_hi"] - rows["mean_lo"]
    assert width.iloc[0] * n == pytest.approx(11.76, rel=0.01)  # two thirds of a review among n, four stars apart
    assert width.iloc[1] == pytest.approx(2 * 1.96 * 2 / np.sqrt(2 * n), rel=0.01)


def test_ratings_outside_the_scale_are_left_out_and_counted():
    """
    A 0 on a scale of 1 to 5 must not move the mean, and must not vanish without a trace.
    """
    frame = weeks([[1, 0, 0, 0, 3]])
    strange = frame.iloc[:1].assign(rating=0, in_scale=False, n=7, n_private=7)
    both = pd.concat([strange, frame.assign(n_private=frame["n"])], ignore_index=True)

    summary, quality = ratings.summarize(both), ratings.quality(both)

    assert summary[["n", "mean", "share_private"]].iloc[0].tolist() == [4, 4.0, 1.0]
    assert ratings.to_wide(both).columns.tolist() == [1, 2, 3, 4, 5]
    assert quality.iloc[0].to_dict() == {"n": 11, "n_out_of_scale": 7, "n_infinite": 0}


def test_infinite_times_have_a_row_of_their_own():
    """
    They are in no period, yet the sum must be that of the table.
    """
    quality = ratings.quality(weeks([[1, 0, 0, 0, 3]]), n_infinite=2)

    assert quality["n"].sum() == 6
    assert quality.loc[pd.NaT, "n_infinite"] == 2


@pytest.mark.parametrize("frame", [weeks([[0] * 5]), weeks([[1, 2, 0, 0, 4]]), weeks([[0] * 5])[:0]])
def test_the_types_are_the_same_whether_or_not_there_are_reviews(frame):
    """
    Notebooks that ran yesterday must run on an empty range.
    """
    summary = ratings.summarize(frame.assign(n_public=frame["n"], n_private=0))

    types = {name: str(dtype) for name, dtype in summary.dtypes.items()}
    assert (types.pop("bucket_end"), types.pop("complete")) == ("datetime64[us, Europe/Berlin]", "bool")
    assert (types.pop("n"), types.pop("mode")) == ("int64", "Int64")
    assert set(types.values()) == {"float64"}
    assert {"share_public", "share_private"} <= set(types)
    assert ratings.to_wide(frame).index.dtype == summary.index.dtype == frame["bucket"].dtype


def test_text_shares_are_absent_where_texts_were_not_counted():
    """
    A role without the right to read private texts gets no column that pretends to know.
    """
    assert not [name for name in ratings.summarize(weeks([[1, 2, 3, 4, 5]])) if "private" in name or "public" in name]


def test_a_frame_made_by_hand_needs_no_in_scale_and_no_empty_rows():
    """
    A groupby of one's own is a frame of counts, too.
    """
    by_hand = weeks([[2, 0, 0, 0, 3], [0, 1, 0, 4, 0]]).query("n > 0").drop(columns="in_scale")

    wide = ratings.to_wide(by_hand.sample(frac=1, random_state=1))

    assert wide.to_numpy().tolist() == [[2, 0, 0, 0, 3], [0, 1, 0, 4, 0]]
    assert wide.columns.name == "rating"


def test_one_single_rating_is_a_scale():
    """
    Everybody gave five stars, and the frame was made by hand: all positive, and no crash.
    """
    row = ratings.summarize(weeks([[3]], [5]).drop(columns="in_scale")).iloc[0]

    assert row[["mean", "mean_lo", "mean_hi", "share_positive", "share_negative"]].tolist() == [5, 5, 5, 1, 0]


def test_thresholds_and_sets_can_be_chosen():
    """
    What counts as good differs from one business to the next.
    """
    frame = weeks([[1, 2, 3, 4, 10]])

    row = ratings.summarize(frame, positive=3, promoters=4, detractors=1).iloc[0]

    assert row[["share_positive", "share_negative", "net_score"]].tolist() == pytest.approx([17 / 20, 3 / 20, 13 / 20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positive": 6}, "positive (6) and negative (2) must lie apart within the scale 1 to 5"),
        ({"positive": 0}, "positive (0)"),
        ({"negative": 9}, "negative (9)"),
        ({"positive": 3, "negative": 3}, "positive (3) and negative (3) must lie apart"),
        ({"promoters": 11}, "promoters (11) and detractors (3)"),
        ({"level": 95}, "level must lie between 0 and 1, not 95"),
    ],
)
def test_thresholds_outside_the_scale_are_refused(options, message):
    """
    A threshold of 95 or of 6 is a slip, and would give shares of 0 or 1 without a word.
    """
    with pytest.raises(ValueError) as caught:
        ratings.summarize(weeks([[1, 2, 3, 4, 5]]), **options)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda frame: frame.drop(columns=["complete", "n"]),
            "counts need the columns complete, n; the frame has b",
        ),
        (lambda frame: frame.assign(n=-1), "a count is negative"),
        (lambda frame: frame.assign(n=0.5), "n must be whole numbers, 0.5 is none"),
        (lambda frame: frame.assign(rating=frame["rating"] + 0.5), "rating must be whole numbers, 1.5 is none"),
        (lambda frame: frame.assign(rating="five"), "rating must be whole numbers, 'five' is none"),
        (lambda frame: frame.assign(bucket=pd.NaT), "a bucket is missing"),
        (lambda frame: pd.concat([frame, frame]), "a period has a rating twice"),
        (lambda frame: frame.assign(rating=frame["rating"] ** 12), "the ratings reach from 1 to 244,140,625, too far"),
        (
            lambda frame: pd.concat([frame, weeks([[1] * 10] * 3, range(1, 11)).iloc[20:]]),
            "each of 2 periods needs a row for each of the 10 ratings in the scale",
        ),
        (lambda frame: frame.assign(in_scale=frame["rating"] != 3), "each of 1 periods needs a row for each of the 5"),
    ],
)
def test_frames_that_cannot_be_counts_are_refused(spoil, message):
    """
    Says what was needed and what came, before a number is wrong.
    """
    with pytest.raises(ValueError) as caught:
        ratings.to_wide(spoil(weeks([[1, 2, 3, 4, 5]])))

    assert message in str(caught.value)


def test_a_thousand_million_fives_have_an_interval():
    """
    There the shape of the Beta can no longer be told; a missing interval would break the chart.
    """
    row = ratings.summarize(weeks([[0, 0, 0, 0, 10**9]])).iloc[0]

    assert row[["mean_lo", "mean", "mean_hi", "net_score_lo", "net_score_hi"]].tolist() == [5, 5, 5, 1, 1]
