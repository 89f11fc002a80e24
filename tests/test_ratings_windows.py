"""Are sums of periods what one would get by counting the longer periods anew?"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewlab import buckets, grids, ratings

ZONES = [None, "UTC", "America/Havana", "Australia/Lord_Howe"]
NOTHING = pd.DataFrame({"submitted_at": pd.DatetimeIndex([]), "rating": [], "private": []}).astype({"private": bool})
COLUMNS = ["bucket", "bucket_end", "complete", "rating", "in_scale", "n", "n_private"]


@st.composite
def written(draw):
    """
    Make up reviews of a year: times on the stored clock, ratings of which some are outside the scale.
    """
    day = st.integers(0, 364 * 24)
    each = st.lists(st.tuples(day, st.integers(0, 6), st.booleans()), min_size=1, max_size=60)
    hours, given_ratings, private = zip(*draw(each), strict=True)
    times = pd.Timestamp("2024-01-01") + pd.to_timedelta(hours, unit="h")
    return pd.DataFrame({"submitted_at": times.as_unit("us"), "rating": given_ratings, "private": private})


def count(reviews, every, *, tz=None, since="2024-01-01", until="2025-01-01", week_start="mon"):
    """
    Count reviews by periods, by the simplest means there are.
    """
    begin, end = (pd.Timestamp(moment).to_pydatetime() for moment in (since, until))
    made = buckets.make_buckets(every, begin, end, as_of=end, tz=tz, week_start=week_start)
    at = np.searchsorted(np.array(made.edges, "datetime64[us]"), reviews["submitted_at"].to_numpy(), side="right") - 1
    here = reviews.assign(at=at)[(at >= 0) & (at < len(made.bucket))]
    counted = here.groupby(["at", "rating"])["private"].agg(n="size", n_private="sum")
    grid = pd.MultiIndex.from_product([range(len(made.bucket)), range(1, 6)], names=["at", "rating"])
    frame = counted.reindex(grid.union(counted.index), fill_value=0).reset_index()
    frame["in_scale"] = frame["rating"].between(1, 5)
    for column in ("bucket", "bucket_end", "complete"):
        frame[column] = getattr(made, column)[frame["at"]]
    return frame[COLUMNS].astype({"rating": "int64", "n": "int64", "n_private": "int64"})


@settings(deadline=None, max_examples=40)
@given(written(), st.sampled_from(ZONES), st.sampled_from(["week", "2 weeks", "month", "quarter", "year"]))
def test_days_regrouped_are_the_longer_periods(reviews, zone, every):
    """
    Counts add; a mean of means does not.  Ratings outside the scale and private texts are not lost on the way.
    """
    days = count(reviews, "day", tz=zone, since="2024-01-03T12:00", until="2024-12-20")

    longer = ratings.regroup(days, every)

    expected = count(reviews, every, tz=zone, since="2024-01-03T12:00", until="2024-12-20")
    pd.testing.assert_frame_equal(longer, expected)


@settings(deadline=None, max_examples=40)
@given(written(), st.integers(1, 6))
def test_rolling_sums_are_those_of_the_last_periods(reviews, window):
    """
    A rolling mean weighs each review alike only if it is made of sums.
    """
    months = count(reviews, "month", since="2024-01-15")

    rolled = ratings.rolling(months, window)

    wide, expected = ratings.to_wide(rolled), ratings.to_wide(months).rolling(window).sum().dropna()
    assert wide.equals(expected.astype("int64"))
    complete = rolled.drop_duplicates("bucket")["complete"].tolist()
    assert complete == [False, *[True] * (12 - window)]
    assert rolled["n_private"].dtype == rolled["n"].dtype == "int64"


@settings(deadline=None, max_examples=40)
@given(written())
def test_cumulated_counts_end_with_the_total(reviews):
    """
    The all-time mean beside the monthly one is drawn from these.
    """
    months = count(reviews, "month")

    cumulated, whole = ratings.cumulate(months), ratings.total(months)

    last = cumulated[cumulated["bucket"] == cumulated["bucket"].max()]
    for column in ("rating", "in_scale", "n", "n_private"):
        assert last[column].tolist() == whole[column].tolist()
    assert whole["n"].sum() == len(reviews)
    assert ratings.to_wide(cumulated).equals(ratings.to_wide(months).cumsum())


def test_the_total_is_one_period_from_the_first_moment_to_the_last():
    """
    It is complete only if nothing in it is open or cut.
    """
    reviews = pd.DataFrame({"submitted_at": [pd.Timestamp("2024-05-05")], "rating": [4], "private": [False]})

    whole, cut = (ratings.total(count(reviews, "month", tz="UTC", until=end)) for end in ("2024-06-01", "2024-06-07"))

    first = whole.iloc[0]
    assert (first["bucket"], first["bucket_end"]) == (
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timestamp("2024-06-01", tz="UTC"),
    )
    assert (whole["complete"].all(), cut["complete"].any()) == (True, False)


@pytest.mark.parametrize(
    "add",
    [
        lambda counts: ratings.rolling(counts, 3),
        ratings.cumulate,
        ratings.total,
        lambda counts: ratings.regroup(counts, "year"),
    ],
    ids=["rolling", "cumulate", "total", "regroup"],
)
@pytest.mark.parametrize("zone", ZONES)
def test_sums_are_counts_again_with_the_same_types(add, zone):
    """
    Every chart takes them, also where there is no period at all.
    """
    months = count(NOTHING, "month", tz=zone)

    added, empty = add(months), add(months[:0])

    assert added.dtypes.to_dict() == empty.dtypes.to_dict() == months.dtypes.to_dict()
    assert len(empty) == 0


def test_weeks_do_not_make_months():
    """
    Half of that week belongs to another month; nobody can say which reviews.
    """
    weeks = count(NOTHING, "week")

    with pytest.raises(ValueError, match="2024-01-29 00:00:00 reaches into the next month: count by 'month' instead"):
        ratings.regroup(weeks, "month")


def test_weeks_from_sunday_are_made_of_days():
    """
    The start of the week is the reader's choice.
    """
    days = count(NOTHING, "day", until="2024-02-01")

    weeks = ratings.regroup(days, "week", week_start="sun")

    assert weeks["bucket"].dt.day_name().unique().tolist() == ["Sunday"]


def test_a_longer_period_that_lacks_one_of_its_days_is_not_complete():
    """
    A day that was dropped must not make the month look like a bad one.
    """
    days = count(NOTHING, "day", until="2024-03-01")

    months = ratings.regroup(days[days["bucket"] != "2024-02-10"], "month")

    assert months.drop_duplicates("bucket")["complete"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("window", "message"), [(0, "window must be at least one period, not 0"), (2, "there is a gap after 2024-01-10")]
)
def test_windows_that_cannot_be_are_refused(window, message):
    """
    Seven rows are not seven days when some days are missing.
    """
    days = count(NOTHING, "day", until="2024-02-01")

    with pytest.raises(ValueError, match=message):
        ratings.rolling(days[days["bucket"] != "2024-01-10"], window)


def test_own_periods_of_unequal_length_add_up():
    """
    Release dates are periods, too.
    """
    made = buckets.own_edges(["2024-01-01", "2024-01-05", "2024-03-01"], as_of=pd.Timestamp("2025-01-01"), tz=None)
    counted = pd.DataFrame({"k": [1, 2, 2], "rating": [5, 1, 5], "n": [3, 2, 1]})
    frame = grids.period_grid(counted, made, scale=(1, 5))

    whole = ratings.to_wide(ratings.total(frame))

    assert whole.to_numpy().tolist() == [[2, 0, 0, 0, 4]]
    assert np.array_equal(whole.index, [pd.Timestamp("2024-01-01")])
