"""A watch whose connection breaks, or whose consumer is slow: rows 40 to 42."""

import asyncio
import signal
import threading
import time

import pytest
from conftest import database_of
from proxy import until

from reviewlab import SchemaError, charts, connect, live, opening
from reviewlab.live_chart import live_chart
from reviewlab.settings import load_settings

ADD = "insert into reviews values (gen_random_uuid(), 'fine', null, 5, '2024-01-01')"
LISTENING = "query ilike 'listen%'"


@pytest.fixture(autouse=True)
async def announced(dsn, monkeypatch):
    """The table announces its changes, and a dead connection is found soon."""
    monkeypatch.setattr(live, "HEARTBEAT", 0.2)
    monkeypatch.setattr(live, "PATIENCE", 0.3)
    await opening.init(load_settings(dsn), notify=True)


async def next_of(changes, *operations, seconds=10):
    """Wait for a change of one of these kinds."""
    async with asyncio.timeout(seconds):
        while (change := await anext(changes)).operation not in operations:
            pass
    return change


async def test_a_killed_listener_is_back_with_a_gap(lab, backends, execute):
    """
    What was committed meanwhile is not told, so the consumer must know that it has to read again.
    """
    async with lab.watch() as changes:
        for _ in range(3):
            began = time.monotonic()
            assert await backends.kill(LISTENING) == 1
            assert (await next_of(changes, "gap", "insert")).operation == "gap"
            print(f"figure: a killed listener was back after {time.monotonic() - began:.2f} s")

            await execute(ADD)

            assert (await next_of(changes, "gap", "insert")).operation == "insert"
        assert await backends.count(LISTENING) == 1


async def test_a_listener_that_is_silently_cut_off_is_noticed(proxy, through, quick, backends, execute):
    """
    Nothing arrives on a dead connection, which is just what a quiet day looks like.
    """
    async with connect(through, **quick) as lab, lab.watch() as changes:
        began = time.monotonic()
        proxy.stall(new=False)
        await execute(ADD)  # lost

        assert (await next_of(changes, "gap", "insert")).operation == "gap"

        print(
            f"figure: a silent network was noticed and passed after {time.monotonic() - began:.2f} s, limits 0.2 + 0.3"
        )
        await execute(ADD)
        assert (await next_of(changes, "gap", "insert")).operation == "insert"


async def test_a_quiet_connection_that_lives_is_kept(lab, backends, execute):
    """
    A gap makes every consumer read all again: it must mean something.
    """
    async with lab.watch() as changes:
        pids = await backends.pids(LISTENING)
        n_beats = "select count(*) from pg_stat_activity where pid = any($1::int4[]) and query = 'select 1'"
        await until(lambda: backends._connection.fetchval(n_beats, pids))

        await execute(ADD)

        assert (await next_of(changes, "gap", "insert")).operation == "insert"
        assert await backends.count("query = 'select 1'") == 1
        assert await backends.pids("query = 'select 1'") == pids


async def test_an_outage_of_the_server_ends_with_a_gap(restartable, behind):
    """
    Nobody restarts every dashboard after an update of the server.
    """
    await opening.init(load_settings(restartable.server.dsn), notify=True)
    async with behind(restartable.server.dsn) as (proxy, lab), lab.watch() as changes:
        restartable.signal(signal.SIGINT)
        await restartable.start(proxy)

        assert (await next_of(changes, "gap", seconds=20)).operation == "gap"

        await restartable.execute(ADD)
        assert (await next_of(changes, "gap", "insert")).operation == "insert"


async def test_a_live_chart_outlives_an_outage(dsn, lab, backends, execute, admin, capsys):
    """
    A reading that fails because the server is away is made up for when it is back.
    """
    shown, may_go_on = [], threading.Event()

    def drawn(counts, ax):
        shown.append(counts["n"].sum())
        may_go_on.wait(10)
        return charts.updown(counts, ax=ax)

    await execute(ADD)
    showing = asyncio.create_task(live_chart(lab, chart=drawn))
    await until(lambda: asyncio.sleep(0, len(shown) == 1))

    await execute(ADD)
    await admin(f"alter database {database_of(dsn)} with allow_connections false")
    await backends.kill()
    may_go_on.set()
    await asyncio.wait({showing}, timeout=1.5)
    await admin(f"alter database {database_of(dsn)} with allow_connections true")

    await until(lambda: asyncio.sleep(0, showing.done() or shown[-1] == 2))
    showing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await showing


@pytest.mark.parametrize("heartbeat", [0.01, 30])
async def test_leaving_does_not_wait_for_a_dead_network(proxy, through, quick, monkeypatch, heartbeat):
    """
    Stop is pressed just because nothing comes any more, during a heartbeat or between two.
    """
    monkeypatch.setattr(live, "HEARTBEAT", heartbeat)
    monkeypatch.setattr(live, "PATIENCE", 30)
    async with connect(through, **quick | {"close_timeout": 30}) as lab:
        async with lab.watch():
            proxy.stall()
            await asyncio.sleep(0.1)
            began = time.monotonic()

        took = time.monotonic() - began
        proxy.resume()
    print(f"figure: a watch in a black hole was left after {took:.2f} s, limit 1 s")
    assert took < 10


async def test_what_cannot_pass_ends_the_watch(lab, backends, execute):
    """
    A table that says nothing any more would be waited for for ever.
    """
    async with lab.watch() as changes:
        await execute("drop function notify_reviews cascade")
        await backends.kill(LISTENING)

        with pytest.raises(SchemaError, match="init --notify"):
            await next_of(changes, "gap")
        with pytest.raises(SchemaError, match="init --notify"):
            await next_of(changes, "gap")


async def test_a_slow_consumer_gets_the_newest_and_is_told_what_it_missed(lab, execute):
    """
    Ten thousand changes that nobody takes must not fill the memory.
    """
    async with lab.watch(queue_size=10) as changes:
        await execute(f"do $$ begin for i in 1..10000 loop {ADD}; end loop; end $$")
        await execute("truncate reviews")
        async with asyncio.timeout(20):
            while changes._n_dropped < 9991:
                await asyncio.sleep(0.01)

        told = [await anext(changes) for _ in range(11)]

    assert (told[0].operation, told[0].count) == ("overflow", 9991)
    assert [change.operation for change in told[1:]] == ["insert"] * 9 + ["truncate"]


@pytest.mark.parametrize(
    "payload", ["x" * 7999, "", "{}", '{"operation": "drop"}', '{"operation": "insert", "ids": [1]}']
)
async def test_a_message_of_somebody_else_is_passed_over(lab, execute, payload):
    """
    Everybody who may connect may send to the channel.
    """
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with lab.watch() as changes:
        await execute("select pg_notify('reviews.public', $1)", payload)
        await execute(ADD)

        assert (await next_of(changes, "insert", "gap", "overflow")).operation == "insert"
    assert complaints == []


async def test_a_watch_may_be_stopped_at_any_time(lab, backends):
    """
    Stop while it connects, listens or leaves must not leave a listener on the server.
    """
    tasks = asyncio.all_tasks()

    async def look_on() -> None:
        async with lab.watch() as changes:
            await anext(changes)

    for number in range(40):
        watching = asyncio.create_task(look_on())
        await asyncio.sleep(number * 0.001)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    async def only_the_pool() -> bool:
        return await backends.count() == (await lab.pool_stats())["open"]

    await until(only_the_pool, seconds=3)
    assert asyncio.all_tasks() == tasks
