"""Synthetic reviews: reproducible, storable, and with the events that charts are shown to find."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewlab import sample
from reviewlab.sample import events, synthetic_reviews

ROWS = 60_000


@pytest.fixture(scope="module")
def reviews() -> pd.DataFrame:
    return synthetic_reviews(ROWS)


@pytest.fixture(scope="module")
def phases(reviews: pd.DataFrame) -> pd.Series:
    """Which of the five phases, that the four events divide, each review belongs to."""
    return pd.Series(np.searchsorted(pd.DatetimeIndex(list(events().values())), reviews.submitted_at, side="right"))


def shares(ratings: pd.Series) -> list[float]:
    return ratings.value_counts(normalize=True).reindex(range(1, 6), fill_value=0).tolist()


def test_the_same_seed_gives_the_same_reviews():
    """Figures in a notebook's story stay true, whenever and wherever it is run."""
    again = synthetic_reviews(500, seed=7)

    pd.testing.assert_frame_equal(synthetic_reviews(500, seed=7), again)
    assert not synthetic_reviews(500, seed=8).equals(again)


@pytest.mark.parametrize("rows", [0, 1, 50])
def test_columns_and_dtypes_do_not_depend_on_the_number_of_rows(rows):
    """Code that was tried on three reviews works on all of them, and on none."""
    frame = synthetic_reviews(rows)

    assert len(frame) == rows
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "review_id": "str",
        "public_review": "str",
        "private_review": "str",
        "rating": "int32",
        "submitted_at": "datetime64[us]",
    }


def test_review_ids_are_canonical_unique_uuids(reviews):
    """The table's primary key takes them as they are, and gives them back unchanged."""
    assert reviews.review_id.is_unique
    assert all(str(UUID(text)) == text and UUID(text).version == 4 for text in reviews.review_id.head(500))


@settings(deadline=None, max_examples=30)
@given(until=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)))
def test_reviews_are_older_than_until_and_oldest_first(until):
    """A demo that ends at the server's clock has no review from the future, and its last period is an open one."""
    moments = synthetic_reviews(3_000, until=until).submitted_at

    assert moments.is_monotonic_increasing
    assert moments.iloc[-1] < until
    assert moments.iloc[0] >= until - timedelta(days=sample.SPAN + 7)


def test_events_move_with_until():
    """The marks in a chart of the demo stand where its breaks are."""
    week_later = events(sample.UNTIL + timedelta(weeks=1))

    assert week_later == {label: moment + timedelta(weeks=1) for label, moment in events().items()}
    assert list(events().values()) == sorted(events().values())


def test_ratings_are_as_documented_before_between_and_after_the_events(reviews, phases):
    """Whoever tries a change point or a control band on the sample knows the right answer."""
    found = reviews.rating.groupby(phases).apply(lambda ratings: pd.Series(shares(ratings))).unstack()

    wanted = [sample.NORMAL, sample.BAD_RELEASE, sample.NORMAL, sample.BOMB, sample.NORMAL]
    np.testing.assert_allclose(found, wanted, atol=0.03)


def test_a_review_bomb_brings_four_times_as_many_reviews(reviews):
    """A bomb shows in the volume too, which is how one tells it from a bad release."""
    start, end = list(events().values())[2:]
    length = end - start

    during = reviews.submitted_at.between(start, end, inclusive="left").sum()
    before = reviews.submitted_at.between(start - length, start, inclusive="left").sum()

    assert during / before == pytest.approx(4, rel=0.15)


def test_two_whole_weeks_have_no_review(reviews):
    """Charts show a gap as a gap; the sample has one, with both ends between two weeks."""
    weekly = reviews.resample("W-MON", on="submitted_at", label="left", closed="left").size()

    empty = weekly[weekly == 0].index
    assert len(empty) == 2
    assert empty[1] - empty[0] == timedelta(weeks=1)


def test_reviews_grow_and_follow_the_week_and_the_hours(reviews):
    """Calendar and weekday charts have something to show."""
    moments = reviews.submitted_at
    first, last = ((moments.dt.year == year).sum() for year in (2023, 2025))

    assert last > 1.5 * first
    assert moments.dt.day_of_week.value_counts().idxmax() == 6
    assert moments.dt.hour.value_counts().loc[20] > 5 * moments.dt.hour.value_counts().loc[3]


def test_a_third_have_private_text_and_the_unhappy_more_often(reviews):
    """The share of private texts is a figure of the report; NULL must be missing, not an empty text."""
    private = reviews.private_review.notna()

    assert private.mean() == pytest.approx(1 / 3, abs=0.03)
    assert private.groupby(reviews.rating).mean().is_monotonic_decreasing
    assert not (reviews.private_review == "").any()


def test_texts_hold_what_breaks_careless_readers(reviews):
    """Every road for text, CSV, COPY, HTML, is tried on what customers really type."""
    texts = reviews.public_review

    for piece in ['"', ",", "\n", "\\", "«", "é", "ü", "¡", "ã", "電", "배터리", "البحث", "👩‍💻", "👍🏽"]:
        assert texts.str.contains(piece, regex=False).any(), piece
    assert texts.notna().all()
    assert (texts == "").mean() == pytest.approx(0.01, abs=0.005)
    assert texts.str.len().max() > 250
    assert not texts.str.contains("\0", regex=False).any()


def test_complaints_about_an_event_begin_with_it(reviews, phases):
    """Reading the texts of a bad week tells the analyst what happened."""
    release = reviews.public_review.str.contains("2.0", regex=False)
    bomb = reviews.public_review.str.contains("Lifetime licence", regex=False)

    assert set(phases[release]) == {1}
    assert set(phases[bomb]) == {3}
    assert reviews.rating[release | bomb].max() == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1}, "rows needs a number from 0, got -1"),
        ({"until": datetime(2026, 1, 1, tzinfo=UTC)}, "until needs a datetime without a time zone"),
        ({"seed": -1}, "non-negative"),
    ],
)
def test_a_bad_argument_is_named(arguments, message):
    """A zone silently dropped would shift every review by hours."""
    with pytest.raises(ValueError, match=message):
        synthetic_reviews(**arguments)
