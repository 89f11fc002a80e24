"""A file gets into the table whole, or not at all."""

import gzip

import pandas as pd
import pytest

from reviewlab import files, load
from reviewlab.database import Database
from reviewlab.errors import ReviewDataError
from reviewlab.settings import load_settings

HEADER = "review_id,public_review,private_review,rating,submitted_at\n"
ID = "00000000-0000-0000-0000-00000000000"
SECRET = "SECRET-TEXT"


@pytest.fixture
async def database(dsn):
    """The test's database, for writing."""
    opened = await Database.open(load_settings(dsn), write=True)
    yield opened
    await opened.close()


async def test_a_file_is_loaded_with_its_nulls_quotes_and_lines(database, lab, tmp_path):
    """
    Empty and missing are different answers.
    """
    file = tmp_path / "reviews.csv"
    file.write_text(
        "rating,review_id,public_review,submitted_at,private_review\n"
        f'5,{ID}1,"a ""b""\nc, d",2024-01-01T10:00:00.123456,\n'
        f'1,{ID}2,"",2024-01-02,""\n',
        newline="",
    )

    n = await load.load_reviews(database, file)

    frame = await lab.reviews(include_private=True, order_by="submitted_at")
    assert n == 2
    assert frame["public_review"].tolist() == ['a "b"\nc, d', ""]
    assert frame["private_review"].isna().tolist() == [True, False]
    assert frame["submitted_at"].iloc[0] == pd.Timestamp("2024-01-01T10:00:00.123456")


BAD = {
    "empty.csv": ("", "is empty; needed is a header with review_id"),
    "missing.csv": ("review_id,rating\n", "has no column public_review; needed are review_id"),
    "extra.csv": (HEADER.strip() + ",stars\n", "has a column 'stars' too many"),
    "rating.csv": (
        HEADER + f'{ID}1,"{SECRET}\n{SECRET}",,5,2024-01-01\n{ID}2,{SECRET},,abc,2024-01-01\n',
        "line 4: rating is not a whole number",
    ),
    "large.csv": (HEADER + f"{ID}1,{SECRET},,9999999999,2024-01-01\n", "line 2: rating is not a whole number"),
    "time.csv": (HEADER + f"{ID}1,{SECRET},,5,31.02.2024\n", "line 2: submitted_at is not a time such as"),
    "february.csv": (HEADER + f"{ID}1,{SECRET},,5,2024-02-31\n", "line 2: submitted_at is not a time such as"),
    "nul.csv": (HEADER + f"{ID}1,{SECRET}\0,,5,2024-01-01\n", "line 2: public_review holds a NUL character"),
    "null.csv": (HEADER + f"{ID}1,,{SECRET},5,2024-01-01\n", "line 2: public_review is missing"),
    "id.csv": (HEADER + f"x,{SECRET},,5,2024-01-01\n", "line 2: review_id is no UUID"),
    "twice.csv": (
        HEADER + f'{ID}1,"{SECRET}\n",,5,2024-01-01\n{ID}1,{SECRET},,5,2024-01-01\n',
        "line 4: its review_id is there already",
    ),
    "there.csv": (HEADER + f"{ID}9,{SECRET},,5,2024-01-01\n", "line 2: its review_id is there already"),
    "short.csv": (HEADER + f"{ID}1,{SECRET},5\n", "line 2: it has 3 values, needed are 5"),
    "latin.csv": (HEADER.encode() + f"{ID}1,".encode() + b"\xe4\xff,,5,2024-01-01\n", "a text is not UTF-8"),
    "fake.parquet": (HEADER, "is not a Parquet file"),
    "fake.csv.gz": (HEADER, "is called .gz and is not compressed by gzip"),
    "cut.csv.gz": (gzip.compress((HEADER + f"{ID}1,{SECRET},,5,2024-01-01\n" * 99).encode())[:-20], "is it whole"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_file_is_named_by_line_and_column_and_changes_nothing(database, fetch, execute, tmp_path, name):
    """
    The text of a review is never shown, and half a file never stays.
    """
    content, message = BAD[name]
    await execute(f"insert into reviews values ('{ID}9', 'here', null, 5, '2024-01-01')")
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(ReviewDataError, match=message) as raised:
        await load.load_reviews(database, tmp_path / name)

    assert SECRET not in str(raised.value)
    assert [row["public_review"] for row in await fetch("select public_review from reviews")] == ["here"]


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.csv.gz", "reviews.parquet"])
async def test_a_file_that_is_not_there_is_said_so(database, tmp_path, name):
    """
    A path is easily misspelt.
    """
    with pytest.raises(ReviewDataError, match=f"{name} cannot be read: No such file or directory"):
        await load.load_reviews(database, tmp_path / name)


async def test_a_bad_row_late_in_a_large_file_undoes_all_of_it(database, fetch, tmp_path, monkeypatch):
    """
    Pieces are sent as they are read, in one transaction.
    """
    monkeypatch.setattr(files, "BLOCK_SIZE", 1 << 16)
    rows = [f"00000000-0000-0000-0000-{n:012},{SECRET},,5,2024-01-01\n" for n in range(5_000)]
    rows[4_321] = f"{ID}1,{SECRET},,five,2024-01-01\n"
    (tmp_path / "reviews.csv").write_text(HEADER + "".join(rows))

    with pytest.raises(ReviewDataError, match=r"line 4323: rating is not a whole number"):
        await load.load_reviews(database, tmp_path / "reviews.csv")

    assert await fetch("select from reviews") == []


async def test_a_frame_is_checked_before_it_is_sent(database, fetch):
    """
    Neither the server's log nor the error may show a row.
    """
    frame = pd.DataFrame(
        {
            "review_id": [f"{ID}1", f"{ID}2"],
            "public_review": ["fine", SECRET],
            "private_review": [None, SECRET],
            "rating": [5, 2.5],
            "submitted_at": pd.to_datetime(["2024-01-01", "2024-01-02"]),
        }
    )

    with pytest.raises(ReviewDataError, match="row 2: rating is not a whole number") as raised:
        await load.load_reviews(database, frame)

    assert (raised.value.row, raised.value.column) == (2, "rating")
    with pytest.raises(ReviewDataError, match="the frame has no column rating"):
        await load.load_reviews(database, frame.drop(columns="rating"))
    assert await fetch("select from reviews") == []


async def test_the_real_reviews_arrive_exactly(database, lab, fetch, real_reviews):
    """
    148,011 of them, nearly all in Korean.
    """
    n = await load.load_reviews(database, real_reviews)

    ratings = await lab.sql("select rating, count(*) as n from reviews group by rating order by rating")
    weekly = await lab.rating_counts("week")
    grouped = await fetch(
        "select date_trunc('week', submitted_at) as bucket, rating, count(*) as n"
        " from reviews group by 1, 2 order by 1, 2"
    )
    with gzip.open(real_reviews, "rt", encoding="utf-8", newline="") as file:
        expected = pd.read_csv(file, keep_default_na=False, dtype=str)
    found = await lab.reviews(order_by="review_id", include_private=True)
    assert n == 148_011
    assert ratings["n"].tolist() == [14679, 2995, 3240, 3697, 6406, 8981, 12784, 16520, 15009, 63700]
    assert [
        (row.bucket, row.rating, row.n) for row in weekly.query("n > 0")[["bucket", "rating", "n"]].itertuples()
    ] == [tuple(row) for row in grouped]
    assert found["public_review"].tolist() == expected.sort_values("review_id")["public_review"].tolist()
    assert found["private_review"].isna().all()
