"""Reviews as frames: which ones, in which columns, of which moment."""

import asyncio
import threading
from datetime import date, datetime

import pandas as pd
import pytest

from reviewlab import connect, frames, receiver, wire
from reviewlab.errors import ResultTooLargeError, SchemaError

COLUMNS = {
    "review_id": "str",
    "public_review": "str",
    "rating": "int32",
    "submitted_at": "datetime64[us]",
}


@pytest.fixture
async def many(execute):
    """20,000 reviews, an hour apart, on many pages."""
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('text ', i % 50), case i % 3 when 0 then 'private' end,"
        " 1 + i % 5, '2024-01-01'::timestamp + i * interval '1 hour' from generate_series(0, 19999) i"
    )
    await execute("analyze reviews")


async def test_a_frame_has_its_columns_and_dtypes_also_without_a_row(lab):
    """
    What a notebook does with a frame must not depend on the day.
    """
    frame = await lab.reviews()

    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS
    assert isinstance(frame.index, pd.RangeIndex)


async def test_private_text_is_read_only_when_asked_for(lab, add_reviews):
    """
    It was written to the company, not to whoever opens a notebook.
    """
    await add_reviews({"2024-01-01": 5}, private_review="call me")

    public = await lab.reviews()
    private = await lab.reviews(include_private=True)

    assert "private_review" not in public
    assert private["private_review"].tolist() == ["call me"]
    with pytest.raises(ValueError, match="only with include_private=True"):
        await lab.reviews(columns=["private_review"])


async def test_null_and_empty_private_text_stay_apart(lab, add_reviews):
    """
    Having written nothing is not the same as not having been asked.
    """
    await add_reviews({"2024-01-01": 5}, private_review="")
    await add_reviews({"2024-01-02": 5}, private_review=None)

    frame = await lab.reviews(include_private=True, order_by="submitted_at")

    assert frame["private_review"].isna().tolist() == [False, True]
    assert frame["private_review"].iloc[0] == ""


@pytest.mark.parametrize(
    ("since", "until", "n"),
    [
        ("2024-01-02", None, 2),
        (None, "2024-01-02", 1),
        ("2024-01-01", "2024-01-03", 2),
        (date(2024, 1, 2), datetime(2024, 1, 2, 0, 0, 1), 1),
        (pd.Timestamp("2024-01-02T01:00", tz="Europe/Berlin"), None, 2),
        ("2025-01-01", None, 0),
    ],
)
async def test_the_range_includes_its_beginning_and_not_its_end(lab, add_reviews, since, until, n):
    """
    Two ranges side by side have each review once.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 2, "2024-01-03": 3})

    assert len(await lab.reviews(since=since, until=until)) == n
    assert await lab.count(since=since, until=until) == n


async def test_filters_combine(lab, add_reviews):
    """
    Each narrows the others.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 2}, public_review="100% BAD_")
    await add_reviews({"2024-01-03": 1, "2024-01-04": 5}, public_review="fine\\")

    assert len(await lab.reviews(ratings=[1, 2], text="bad_")) == 2
    assert len(await lab.reviews(text="0% b")) == 2
    assert len(await lab.reviews(text="_")) == 2
    assert len(await lab.reviews(text="%")) == 2
    assert len(await lab.reviews(text="\\", ratings=[5])) == 1
    assert len(await lab.reviews(ratings=[])) == 0
    assert await lab.count(text="'; drop table reviews; --") == 0


async def test_a_limit_takes_the_newest_and_orders_are_stable(lab, many):
    """
    "The last ten" is what one means by ten.
    """
    newest = await lab.reviews(limit=3)
    worst = await lab.reviews(order_by="rating", limit=3)

    assert newest["submitted_at"].is_monotonic_decreasing
    assert newest["submitted_at"].iloc[0] == pd.Timestamp("2026-04-13 07:00")
    assert worst["rating"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="no order 'random'; there are submitted_at"):
        await lab.reviews(order_by="random")


async def test_columns_come_as_asked(lab, many):
    """
    Texts are most of the bytes.
    """
    frame = await lab.reviews(columns=["rating", "review_id"], limit=1)

    assert frame.columns.tolist() == ["rating", "review_id"]
    with pytest.raises(ValueError, match="no column 'stars'; there are review_id"):
        await lab.reviews(columns=["stars"])
    with pytest.raises(ValueError, match="each column can be asked for once"):
        await lab.reviews(columns=["rating", "rating"])


async def test_times_are_shown_in_the_zone_that_is_asked_for(dsn, add_reviews):
    """
    One rule for every helper: naive as stored, or aware.
    """
    await add_reviews({"2024-07-01T23:30": 5})
    async with connect(dsn, stored_tz="Europe/Berlin") as lab:
        naive = await lab.reviews()
        aware = await lab.reviews(tz="UTC", since="2024-07-01T21:30", until="2024-07-01T21:31")

    assert naive["submitted_at"].tolist() == [pd.Timestamp("2024-07-01T23:30")]
    assert aware["submitted_at"].tolist() == [pd.Timestamp("2024-07-01T21:30", tz="UTC")]
    assert str(aware["submitted_at"].dtype) == "datetime64[us, UTC]"


async def test_infinite_times_are_missing_and_counted(lab, add_reviews, execute):
    """
    PostgreSQL has them, pandas has not.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-02": 1})
    await execute("update reviews set submitted_at = 'infinity' where rating = 1")

    with pytest.warns(UserWarning, match="1 in submitted_at"):
        frame = await lab.reviews(order_by="submitted_at")
    extent = await lab.extent()

    assert frame["submitted_at"].isna().tolist() == [False, True]
    assert (extent["n"], extent["n_infinite"], extent["last"]) == (2, 1, pd.Timestamp("2024-01-01"))


@pytest.mark.parametrize(
    "argument", [{"since": "2024-02-01", "until": "2024-01-01"}, {"since": "2024-01-01", "until": "2024-01-01"}]
)
async def test_an_empty_range_is_a_mistake(lab, argument):
    """
    Zero reviews would look like an answer.
    """
    with pytest.raises(ValueError, match="since must be before until"):
        await lab.reviews(**argument)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"since": "31.02.2024"}, "must be a date or a time"),
        ({"tz": "Europe/Berln", "since": "2024-01-01"}, "no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'"),
        ({"limit": -1}, "limit must be a whole number from 0"),
        ({"sample": 2}, "sample must be a share"),
        ({"parallel": 0}, "parallel must be a whole number from 1"),
        ({"ratings": ["5"]}, "a rating must be a whole number"),
    ],
)
async def test_bad_arguments_say_what_was_needed(lab, argument, message):
    """
    Before a query is sent.
    """
    with pytest.raises(ValueError, match=message):
        await lab.reviews(**argument)


@pytest.mark.parametrize("parallel", [1, 2, 4, 9])
@pytest.mark.parametrize("filters", [{}, {"ratings": [1, 2]}, {"since": "2024-06-01", "until": "2025-06-01"}])
async def test_reading_in_parallel_is_the_same_as_reading_alone(lab, many, fetch, parallel, filters):
    """
    Each review once, whatever the parts.
    """
    frame = await lab.reviews(include_private=True, parallel=parallel, **filters)

    alone = await lab.reviews(include_private=True, order_by="review_id", **filters)
    pd.testing.assert_frame_equal(frame.sort_values("review_id", ignore_index=True), alone)
    assert lab._database.stats()["in_use"] == 0


async def test_parallel_parts_see_one_moment_while_others_write(lab, many, dsn):
    """
    Sums over parts of different moments are of no moment at all.
    """
    import asyncpg

    writer = await asyncpg.connect(dsn)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():  # rows move to the end of the table: late pages would show them twice
            await writer.execute(
                "update reviews set rating = rating where review_id in (select review_id from reviews limit 500);"
                "delete from reviews where review_id in (select review_id from reviews offset 9000 limit 3);"
                "insert into reviews select gen_random_uuid(), 'new', null, 5, now() from generate_series(1, 3)"
            )

    writing = asyncio.create_task(write())
    frames = [await lab.reviews(parallel=4) for _ in range(20)]
    stop.set()
    await writing
    await writer.close()

    assert [len(frame) for frame in frames] == [20_000] * 20
    assert all(frame["review_id"].is_unique for frame in frames)


@pytest.mark.parametrize("size", [1, 2, 4])
async def test_many_parallel_reads_never_wait_for_each_other(dsn, many, size):
    """
    Reads that each hold a connection and want more would wait for ever.
    """
    async with connect(dsn, max_connections=size) as lab, asyncio.timeout(60):
        frames = await asyncio.gather(*(lab.reviews(parallel=4) for _ in range(8)))

    assert [len(frame) for frame in frames] == [20_000] * 8


async def test_a_read_in_parallel_survives_the_loss_of_its_first_connection(lab, many, execute):
    """
    Before a row was handed over, a read is simply made again.
    """
    reading = asyncio.create_task(lab.reviews(parallel=3))
    await asyncio.sleep(0.02)
    await execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )

    frame = await reading

    assert len(frame) == 20_000
    assert frame["review_id"].is_unique


async def test_a_sample_is_seeded_and_of_its_share(lab, many):
    """
    A colleague must see the same sample.
    """
    first = await lab.reviews(sample=0.1, order_by="review_id")
    again = await lab.reviews(sample=0.1, order_by="review_id")
    other = await lab.reviews(sample=0.1, seed=2, order_by="review_id")

    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert 1_700 < len(first) < 2_300


async def test_a_result_that_does_not_fit_is_refused_before_it_is_read(lab, many, dsn):
    """
    A kernel that dies takes the work of a day with it.
    """
    async with connect(dsn) as fresh:
        with pytest.raises(ResultTooLargeError, match=r"about 20,000 reviews would take about \d MB.*export_parquet"):
            await fresh.reviews(max_bytes=100_000)


async def test_a_result_that_grows_too_large_is_stopped_while_it_is_read(lab, many):
    """
    Estimates may be wrong; bytes are not.
    """
    for read in (lab.reviews(max_bytes=100_000, ratings=[1]), lab.sql("select * from reviews", max_bytes=100_000)):
        with pytest.raises(ResultTooLargeError, match="larger than 0 MB, and max_bytes is 100,000"):
            await read

    assert lab._database.stats()["in_use"] == 0
    assert await lab.count() == 20_000


async def test_a_snapshot_sees_one_moment(lab, add_reviews):
    """
    Numbers of one page must add up.
    """
    await add_reviews({"2024-01-01": 5})

    async with lab.snapshot() as frozen:
        await add_reviews({"2024-01-02": 1})
        seen = (await frozen.count(), len(await frozen.reviews()), int((await frozen.rating_counts("day"))["n"].sum()))

    assert seen == (1, 1, 1)
    assert await lab.count() == 2
    with pytest.raises(Exception, match="the snapshot has ended"):
        await frozen.count()


async def test_an_error_in_a_snapshot_does_not_end_it(lab, add_reviews):
    """
    A typing mistake must not cost the moment.
    """
    await add_reviews({"2024-01-01": 5})

    async with lab.snapshot() as frozen:
        with pytest.raises(Exception, match="division by zero"):
            await frozen.sql("select 1/0")
        both = await asyncio.gather(frozen.count(), frozen.count())

    assert both == [1, 1]


async def test_rating_counts_cover_every_period_and_point_of_the_scale(lab, add_reviews):
    """
    A gap is a finding, so it must not be left out.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-15": 1, "2024-01-16": 1})

    counts = await lab.rating_counts("week")

    assert counts.groupby("bucket")["n"].sum().tolist() == [1, 0, 2]
    assert counts["rating"].tolist() == [1, 2, 3, 4, 5] * 3
    assert counts["complete"].all()
    assert {name: str(dtype) for name, dtype in counts.dtypes.items()} == {
        "bucket": "datetime64[us]",
        "bucket_end": "datetime64[us]",
        "complete": "bool",
        "rating": "int64",
        "in_scale": "bool",
        "n": "int64",
    }


async def test_rating_counts_leaves_out_the_until_instant(lab, add_reviews):
    """
    Two windows side by side count each review once.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-02": 1})

    counts = await lab.rating_counts("day", since="2024-01-01", until="2024-01-02")

    assert counts.query("n > 0")["rating"].tolist() == [5]


async def test_rating_counts_of_an_empty_table_has_its_dtypes(lab):
    """
    The first day of a new product.
    """
    empty = await lab.rating_counts("week", tz="Europe/Berlin")
    asked = await lab.rating_counts("day", since="2024-01-01", until="2024-01-03")

    assert empty.empty
    assert str(empty["bucket"].dtype) == "datetime64[us, Europe/Berlin]"
    assert (len(asked), asked["n"].sum()) == (10, 0)


async def test_ratings_outside_the_scale_are_counted_and_told(lab, add_reviews):
    """
    Never clipped, never silently dropped.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-02": 9})

    with pytest.warns(UserWarning, match="1 reviews have a rating outside the scale 1 to 5"):
        counts = await lab.rating_counts("week", scale=(1, 5))

    assert counts.query("not in_scale")[["rating", "n"]].to_numpy().tolist() == [[9, 1]]
    assert counts["n"].sum() == 2


async def test_rating_counts_by_edges_of_ones_own(lab, add_reviews):
    """
    Releases do not come weekly.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-20": 1, "2024-03-01": 1})

    counts = await lab.rating_counts(edges=["2024-01-01", "2024-01-20", "2024-03-01"])

    assert counts.groupby("bucket")["n"].sum().tolist() == [1, 1]
    with pytest.raises(ValueError, match="edges must be sorted"):
        await lab.rating_counts(edges=["2024-01-02", "2024-01-01"])


async def test_a_missing_table_says_what_to_run(dsn, execute):
    """
    It is the second thing that a new user sees.
    """
    await execute("drop table reviews")

    with pytest.raises(SchemaError, match="there is no table reviews on the search path: run `reviewlab init`"):
        await connect(dsn)


async def test_other_columns_than_needed_are_named(dsn, execute):
    """
    A table of the same name may be somebody else's.
    """
    await execute("alter table reviews alter rating type bigint; alter table reviews drop private_review")

    with pytest.raises(
        SchemaError, match="private_review is missing, needed is text; rating is bigint, needed is integer"
    ):
        await connect(dsn)


async def test_the_repr_tells_about_the_connection_without_asking_again(lab):
    """
    It is what one sees after connect().
    """
    await lab.close()

    assert "PostgreSQL 18" in repr(lab)
    assert "read-only" in lab._repr_html_()


@pytest.mark.parametrize(
    "columns",
    [
        ["review_id", "rating", "public_review"],
        ["rating", "public_review"],
        ["rating", "review_id", "private_review"],
        ["submitted_at", "rating", "public_review"],
        ["review_id", "submitted_at", "rating", "public_review", "private_review"],
    ],
)
async def test_rows_that_look_like_the_beginning_of_others_are_read_in_one_go(lab, execute, monkeypatch, columns):
    """
    A rating as large as the number of columns, before a text as long as an id: the same bytes begin each row.
    """
    await execute(
        "insert into reviews select gen_random_uuid(),"
        " repeat(chr(1 + i % 20), case i % 3 when 0 then 16 else i % 40 end),"
        " case when i % 2 = 0 then repeat(chr(16), i % 18) end, 1 + i % 5, timestamp '2024-01-01' + i * interval '1 s'"
        " from generate_series(1, 5000) i"
    )
    walked = []
    walk = wire._walk_rows
    monkeypatch.setattr(wire, "_walk_rows", lambda *given, **named: walked.append(given) or walk(*given, **named))

    frame = await lab.reviews(columns=columns, include_private=True, order_by="submitted_at")

    exact = await lab.sql(f"select {', '.join(columns)} from reviews order by submitted_at")
    pd.testing.assert_frame_equal(frame, exact, check_dtype=False)
    assert not walked


async def test_the_loop_is_left_to_others_while_rows_are_decoded(lab, execute, monkeypatch):
    """
    A notebook's widgets answer during a long read.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('text ', 50), null, 1 + i % 5, '2024-01-01'"
        " from generate_series(1, 60000) i"
    )
    decoded, framed = [], []
    decode, to_frame = wire.decode, frames.to_frame

    def note_decode(block, *given, **named):
        decoded.append((len(block), threading.current_thread()))
        return decode(block, *given, **named)

    def note_frame(*given, **named):
        framed.append(threading.current_thread())
        return to_frame(*given, **named)

    monkeypatch.setattr(wire, "decode", note_decode)
    monkeypatch.setattr(frames, "to_frame", note_frame)

    frame = await lab.reviews(parallel=1)

    large = {thread for size, thread in decoded if size > receiver.SMALL}
    assert len(frame) == 60_000
    assert len(decoded) >= 3
    assert threading.main_thread() not in large | set(framed)
