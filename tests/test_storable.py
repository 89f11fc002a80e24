"""What cannot be stored is refused before it is sent, by row and column; what can be is not changed."""

import uuid
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from review_helpers import review

from reviewlab import ReviewDataError, connect
from reviewlab.settings import Settings
from reviewlab.storable import SCHEMA, check_table

IDS = [uuid.UUID(int=n) for n in range(1, 4)]
SECRET = "SECRET-TEXT"
TIMES = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03 04:05:06.789"], format="ISO8601")


def frame(**columns) -> pd.DataFrame:
    """Three plain reviews, with columns replaced."""
    plain = {
        "review_id": [str(one) for one in IDS],
        "public_review": "fine",
        "rating": [1, 2, 3],
        "submitted_at": TIMES,
    }
    return pd.DataFrame(plain | columns)


def objects(*values) -> pd.Series:
    return pd.Series(values, dtype=object)


def checked(reviews, **settings) -> pa.Table:
    return check_table(reviews, settings=Settings(_env_file=None, **settings))


SAME = {
    "UUIDs": {"review_id": objects(*IDS)},
    "ids without dashes, in capitals": {"review_id": [one.hex.upper() for one in IDS]},
    "ids as UUIDs and as texts": {"review_id": objects(IDS[0], str(IDS[1]), IDS[2].hex)},
    "ids as categories": {"review_id": pd.Categorical([str(one) for one in IDS])},
    "ratings as floats": {"rating": [1.0, 2.0, 3.0]},
    "ratings as texts": {"rating": ["1", "2", "3"]},
    "ratings as objects": {"rating": objects(1, np.int64(2), np.uint8(3))},
    "ratings as nullable integers": {"rating": pd.array([1, 2, 3], dtype="Int8")},
    "times in nanoseconds": {"submitted_at": TIMES.as_unit("ns")},
    "times as texts": {"submitted_at": [one.isoformat() for one in TIMES]},
    "times as objects": {"submitted_at": objects(date(2024, 1, 1), datetime(2024, 1, 2), TIMES[2])},
    "texts as categories": {"public_review": pd.Categorical(["fine"] * 3)},
    "texts as objects": {"public_review": objects("fine", "fine", "fine")},
    "no private texts as floats": {"private_review": [np.nan] * 3},
}


@pytest.mark.parametrize("columns", SAME.values(), ids=SAME)
def test_frames_of_other_types_hold_the_same_reviews(columns):
    """
    Frames come from many places; what they mean must not depend on how pandas keeps it.
    """
    table = checked(frame(**columns))

    public = [name for name in SCHEMA.names if name != "private_review"]
    assert table.select(public).equals(checked(frame()))
    assert "private_review" not in columns or table["private_review"].to_pylist() == [None] * 3


def test_a_part_of_a_table_is_that_part():
    """
    A slice shares the memory of the whole, and begins somewhere in it.
    """
    whole = pa.Table.from_pandas(frame(review_id=[str(uuid.uuid4()) for _ in IDS]), preserve_index=False)

    part = checked(pa.concat_tables([whole.slice(1, 1), whole.slice(2)]))

    assert part.equals(checked(whole).slice(1))


WRONG = {
    "id": ({"review_id": [str(IDS[0]), SECRET, str(IDS[2])]}, "row 2: review_id is no UUID"),
    "id object": ({"review_id": objects(IDS[0], IDS[1], 5)}, "row 3: review_id: "),
    "no id": ({"review_id": objects(IDS[0], None, IDS[2])}, "row 2: review_id is missing"),
    "text": ({"public_review": [1, 2, 3]}, "public_review is of the type int64, needed is a text"),
    "text object": ({"public_review": objects(SECRET, 5, SECRET)}, "row 2: public_review: "),
    "no text": ({"public_review": ["a", None, SECRET]}, "row 2: public_review is missing"),
    "NUL": ({"private_review": ["a", None, f"{SECRET}\0"]}, "row 3: private_review holds a NUL character"),
    "surrogate": ({"private_review": objects("a", None, f"{SECRET}\ud800")}, "row 3: private_review: .* surrogate"),
    "long": ({"public_review": ["é" * 20, "é" * 21, SECRET]}, r"row 2: public_review has more than 20 characters"),
    "half": ({"rating": [1, 2.5, 3]}, "row 2: rating is not a whole number"),
    "half object": ({"rating": objects(1, 2.5, None)}, "row 2: rating: input should be a valid integer"),
    "mixed": ({"rating": objects(1, 2, SECRET)}, "row 3: rating: "),
    "truth": ({"rating": [True, False, True]}, "rating is of the type bool, needed is a whole number"),
    "truth object": ({"rating": objects(1, 2, True)}, "row 3: rating: "),
    "no rating": ({"rating": [1, np.nan, 3]}, "row 2: rating is missing"),
    "huge": ({"rating": [1, 2**31, 3]}, "row 2: rating is not a whole number"),
    "scale": ({"rating": [1, 5, 6]}, "row 3: rating must be from 1 to 5"),
    "aware": (
        {"submitted_at": TIMES.tz_localize("Europe/Berlin")},
        r"submitted_at is of the type timestamp\[us, tz=Europe/Berlin\], needed is a time .* without a zone",
    ),
    "aware object": (
        {"submitted_at": objects(*TIMES[:2], datetime(2024, 1, 1, tzinfo=UTC))},
        "row 3: submitted_at: submitted_at has no time zone",
    ),
    "nanosecond": ({"submitted_at": TIMES.as_unit("ns") + pd.Timedelta(1, "ns")}, "row 1: .* to the microsecond"),
    "no time": ({"submitted_at": [TIMES[0], pd.NaT, TIMES[2]]}, "row 2: submitted_at is missing"),
    "number": ({"submitted_at": [1, 2, 3]}, "submitted_at is of the type int64"),
    "old": ({"submitted_at": np.array(["-6000", "2024", "2024"], "M8[us]")}, "row 1: submitted_at is before 4714 BC"),
    "extra": ({"stars": 5}, "the frame has a column 'stars' too many"),
}


@pytest.mark.parametrize(("columns", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_stored_is_named_by_row_and_column(columns, message):
    """
    The value is not shown: it may be a customer's word; and nothing is rounded, cut or moved to another zone.
    """
    with pytest.raises(ReviewDataError, match=message) as caught:
        checked(frame(**columns), scale=(1, 5), max_text_length=20)

    assert caught.value.column == next(iter(columns))
    assert SECRET not in str(caught.value)


def test_a_column_twice_is_refused():
    """
    Which of them is meant?
    """
    doubled = pd.concat([frame(), frame()[["rating"]]], axis=1)

    with pytest.raises(ReviewDataError, match="the frame has a column 'rating' too many"):
        checked(doubled)


async def test_the_earliest_and_latest_times_come_back(dsn):
    """
    At the ends of PostgreSQL's time a shift by an epoch must not turn into another time.
    """
    ends = np.array([-210_866_803_200_000_000, 2**63 - 1], "M8[us]")
    async with connect(dsn, write=True) as lab:
        await lab.repo.create_reviews(frame(submitted_at=[*ends, TIMES[0]]).astype({"submitted_at": "M8[us]"}))

        found = await lab.reviews(order_by="submitted_at")

    assert found["submitted_at"].to_numpy()[[0, 2]].tolist() == ends.tolist()


async def test_models_are_stored_like_frames(dsn):
    """
    Both ways into the table are one.
    """
    made = review(public_review="naïve 🙂", private_review="", submitted_at=datetime(1, 1, 2))
    async with connect(dsn, write=True) as lab:
        await lab.repo.create_reviews([made])
        frame = await lab.reviews(include_private=True)
        await lab.repo.delete_review(made.review_id)
        await lab.repo.create_reviews(frame)

        assert await lab.repo.list_reviews(include_private=True) == [made]
