"""Results of any size in little memory."""

import asyncio

import pandas as pd
import psutil
import pyarrow.parquet as pq
import pytest

from reviewlab.errors import ConfigError, ConnectionLostError


@pytest.fixture
async def many(execute):
    """60,000 reviews, some 30 MB."""
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('text ', 100), null,"
        " 1 + i % 5, '2024-01-01'::timestamp + i * interval '1 hour' from generate_series(0, 59999) i"
    )


async def in_transaction(fetch) -> int:
    """How many other backends are at work, when those whose connection was cut have had time to notice."""
    for _ in range(50):
        n = await _at_work(fetch)
        if n == 0:
            break
        await asyncio.sleep(0.1)
    return n


async def _at_work(fetch) -> int:
    return (
        await fetch(
            "select count(*) as n from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and state <> 'idle'"
        )
    )[0]["n"]


async def test_a_stream_brings_every_row_once_in_small_batches(lab, many):
    """
    Piece by piece the same as at once.
    """
    async with lab.stream(order_by="review_id", batch_rows=7_000) as batches:
        frames = [batch async for batch in batches]

    assert max(map(len, frames)) <= 7_000
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), await lab.reviews(order_by="review_id"))


async def test_a_stream_without_rows_brings_one_empty_frame(lab):
    """
    Its columns and dtypes are part of the answer.
    """
    async with lab.stream() as batches:
        frames = [batch async for batch in batches]

    assert [len(frame) for frame in frames] == [0]
    assert str(frames[0]["rating"].dtype) == "int32"


@pytest.mark.parametrize("leave", ["break", "error", "cancel"])
async def test_leaving_a_stream_early_gives_the_connection_back(lab, many, fetch, leave):
    """
    However one leaves.
    """

    async def read() -> None:
        async with lab.stream() as batches:
            async for _ in batches:
                if leave == "error":
                    raise ZeroDivisionError
                if leave == "cancel":
                    await asyncio.sleep(60)
                break

    task = asyncio.create_task(read())
    if leave == "cancel":
        await asyncio.sleep(0.3)
        task.cancel()
    await asyncio.wait([task])

    assert lab._database.stats()["in_use"] == 0
    assert await in_transaction(fetch) == 0
    assert await lab.count() == 60_000


async def test_the_memory_of_a_stream_does_not_depend_on_its_length(lab, execute):
    """
    A table may be larger than the machine.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), repeat(md5(i::text), 60), null, 5, '2024-01-01'"
        " from generate_series(1, 120000) i"  # 240 MB
    )
    process, most, n_bytes = psutil.Process(), 0, 0

    async with lab.stream() as batches:
        async for batch in batches:
            start = locals().get("start") or process.memory_info().rss
            n_bytes += int(batch["public_review"].str.len().sum())
            most = max(most, process.memory_info().rss - start)

    assert n_bytes == 120_000 * 60 * 32
    assert most < 64 << 20


async def test_a_slow_consumer_holds_the_server_back_and_trips_no_limit(lab, many):
    """
    Who looks at each batch must not lose the rest.
    """
    seen = 0
    async with lab.stream() as batches:
        async for batch in batches:
            seen += len(batch)
            await asyncio.sleep(0.05)

    assert seen == 60_000


async def test_a_stream_that_is_cut_says_how_far_it_came(lab, many, execute):
    """
    A silent end would pass for the whole.
    """
    seen = 0

    with pytest.raises(ConnectionLostError) as raised:
        async with lab.stream(batch_rows=1_000) as batches:
            async for batch in batches:
                seen += len(batch)
                if 3_000 <= seen < 3_000 + len(batch):
                    await execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )

    assert 3_000 <= seen < 60_000
    assert raised.value.rows_delivered >= seen


async def test_an_export_is_the_same_reviews(lab, many, tmp_path):
    """
    A file for whoever has no database.
    """
    n = await lab.export_parquet(tmp_path / "reviews.parquet", ratings=[1, 2])

    frame = pq.read_table(tmp_path / "reviews.parquet").to_pandas().sort_values("review_id", ignore_index=True)
    expected = await lab.reviews(ratings=[1, 2], order_by="review_id")
    assert n == len(expected)
    pd.testing.assert_frame_equal(frame.astype(expected.dtypes.to_dict()), expected)


async def test_an_interrupted_export_leaves_no_file_and_keeps_the_old_one(lab, many, tmp_path):
    """
    Half a file looks whole.
    """
    (tmp_path / "reviews.parquet").write_text("old")

    task = asyncio.create_task(lab.export_parquet(tmp_path / "reviews.parquet"))
    while not list(tmp_path.glob(".*.part")):
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()
    assert [path.name for path in tmp_path.iterdir()] == ["reviews.parquet"]
    assert (tmp_path / "reviews.parquet").read_text() == "old"


async def test_a_folder_that_is_not_there_is_named(lab, tmp_path):
    """
    Before a row is read.
    """
    with pytest.raises(ConfigError, match="there is no folder .*missing"):
        await lab.export_parquet(tmp_path / "missing" / "reviews.parquet")
