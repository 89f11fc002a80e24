"""Stop, at whatever moment it comes, leaves no connection, task or transaction behind."""

import asyncio
import inspect
import io
import random

import pytest
from conftest import FULL, gathered, pool_is_whole
from pyarrow import parquet
from sweep import sweep

from reviewlab import ReviewLab, connect, opening
from reviewlab.settings import load_settings

ARGUMENTS = {"sql": ("select 1 as n",), "value": ("select 1",)}
ELSEWHERE = {"close", "export_parquet"}
HELPERS = sorted(
    name
    for name, member in inspect.getmembers(ReviewLab, inspect.iscoroutinefunction)
    if not name.startswith("_") and name not in ELSEWHERE
)


@pytest.fixture
async def some_reviews(execute):
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('x', 2000), null, 1 + n % 5, '2024-01-01'::timestamp + "
        "n * interval '1 hour' from generate_series(1, 2000) n; analyze reviews"
    )


@pytest.fixture
async def leaves_nothing(lab, backends):
    """What must hold after each cancellation."""
    before, complaints = asyncio.all_tasks(), []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: complaints.append((context["message"], context.get("exception")))
    )

    async def check() -> None:
        assert await pool_is_whole(lab)
        await backends.all_gone(condition="state <> 'idle'", seconds=1)
        async with asyncio.timeout(1):
            while asyncio.all_tasks() - before - {asyncio.current_task()}:
                await asyncio.sleep(0)
        assert complaints == []

    return check


@pytest.mark.parametrize("name", HELPERS)
async def test_a_helper_may_be_stopped_wherever_it_waits(lab, some_reviews, leaves_nothing, name):
    """
    A leak at one await in thirty shows after a week.
    """
    n_points = await sweep(lambda: getattr(lab, name)(*ARGUMENTS.get(name, ())), leaves_nothing)

    print(f"figure: {name} was stopped at {n_points} points")
    assert n_points > 2 or name == "pool_stats"
    await leaves_nothing()


async def drain(lab: ReviewLab) -> None:
    async with lab.stream(batch_rows=500) as batches:
        async for _ in batches:
            pass


async def read_twice(lab: ReviewLab) -> None:
    async with lab.snapshot() as frozen:
        await frozen.count()
        await frozen.reviews(limit=10)


async def read_in_parallel(lab: ReviewLab) -> None:
    await lab.reviews(parallel=3)


async def use_a_lent_connection(lab: ReviewLab) -> None:
    async with lab.connection() as connection:
        async for _ in connection.cursor("select rating from reviews limit 3"):
            pass
        await connection.copy_from_query("select public_review from reviews", output=io.BytesIO())


async def use_a_session(lab: ReviewLab) -> None:
    async with lab.connection(transaction=False) as connection:
        await connection.add_listener("news", print)
        await connection.fetchval("select 1")


@pytest.mark.parametrize("operation", [drain, read_twice, read_in_parallel, use_a_lent_connection, use_a_session])
async def test_a_long_read_may_be_stopped_wherever_it_waits(lab, some_reviews, leaves_nothing, operation):
    """
    These hold a transaction over many awaits, or several transactions.
    """
    n_points = await sweep(lambda: operation(lab), leaves_nothing)

    print(f"figure: {operation.__name__} was stopped at {n_points} points")
    assert n_points > 5


async def test_a_watch_may_be_stopped_wherever_it_waits(lab, dsn, leaves_nothing, backends):
    """
    Its connection is none of the pool, which would not notice that it was left open.
    """
    await opening.init(load_settings(dsn), notify=True)
    message = '{"operation": "truncate", "moment": "2024-01-01T00:00:00Z"}'

    async def hear_one() -> None:
        async with lab.watch() as changes:
            await lab.value("select pg_notify('reviews.public', :message)::text", message=message)
            await anext(changes)

    async def look() -> None:
        await leaves_nothing()
        await backends.all_gone(condition="query ilike 'listen%'", seconds=1)

    n_points = await sweep(hear_one, look)

    print(f"figure: watching was stopped at {n_points} points")
    assert n_points > 5


async def test_an_export_may_be_stopped_wherever_it_waits(lab, some_reviews, leaves_nothing, tmp_path):
    """
    It must leave no file that looks whole either.
    """
    path = tmp_path / "reviews.parquet"

    async def look() -> None:
        await leaves_nothing()
        for file in tmp_path.glob("*.parquet"):  # stopped after the end
            assert parquet.read_metadata(file).num_rows == 2000
            file.unlink()

    n_points = await sweep(lambda: lab.export_parquet(path), look)

    assert n_points > 2
    assert path.exists()


async def test_connecting_may_be_stopped_wherever_it_waits(dsn, backends):
    """
    The half-open connection has nobody yet who would close it.
    """

    async def open_and_close() -> None:
        lab = await connect(dsn)
        await lab.close()

    async def look() -> None:
        await backends.all_gone(seconds=2)

    n_points = await sweep(open_and_close, look)

    print(f"figure: connect and close were stopped at {n_points} points")
    assert n_points > 10


async def test_a_helper_may_be_stopped_at_any_time(lab, some_reviews, leaves_nothing):
    """
    Between two awaits, the server and the background cancel are at work.
    """
    for number in range(40):
        reading = asyncio.create_task(lab.rating_counts("day"))
        await asyncio.sleep(number * 0.0005)
        reading.cancel()
        await gathered([reading])

    await leaves_nothing()


@pytest.mark.parametrize("how", ["timeout", "sibling"])
async def test_structured_cancellation_reaches_the_caller(lab, leaves_nothing, how):
    """
    asyncio.timeout and TaskGroup need their CancelledError back, or they hang or lie.
    """

    async def fail() -> None:
        await asyncio.sleep(0.1)
        raise KeyError("sibling")

    async def in_group() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(lab.value("select pg_sleep(10)"))
            group.create_task(fail())

    async def in_time() -> None:
        async with asyncio.timeout(0.1):
            await lab.value("select pg_sleep(10)")

    expected = TimeoutError if how == "timeout" else ExceptionGroup

    with pytest.raises(expected):
        await (in_time() if how == "timeout" else in_group())

    await leaves_nothing()


async def test_half_of_many_waiting_reads_may_be_stopped(lab, leaves_nothing):
    """
    The others get their own results, not those of the stopped.
    """
    chance = random.Random(7)
    n_reads = 2000 if FULL else 600
    reads = [asyncio.create_task(lab.value("select :n::int", n=n)) for n in range(n_reads)]
    stopped = set(chance.sample(range(n_reads), n_reads // 2))

    for n in stopped:
        asyncio.get_running_loop().call_later(chance.random() * 0.5, reads[n].cancel)
    outcomes = await gathered(reads)

    assert [outcome for n, outcome in enumerate(outcomes) if n not in stopped] == [
        n for n in range(n_reads) if n not in stopped
    ]
    await leaves_nothing()
