"""Connections that are killed, cut, reset or silently dropped, and servers that go away and come back."""

import asyncio
import os
import signal
import time

import pytest
from conftest import FULL, gathered, pool_is_whole

from reviewlab import ConnectError, ConnectionLostError, QueryTimeoutError, ReviewLabError, connect
from reviewlab.database import READ_WRITE, Database
from reviewlab.settings import load_settings

KILL_ALLS = 20
FIVE_THOUSAND = """
insert into reviews select gen_random_uuid(), repeat('x', 200), null, 5, '2024-01-01' from generate_series(1, 5000)
"""


async def test_killing_all_idle_connections_is_seen_by_no_read(dsn, backends):
    """
    A pool hands out what the server has just killed; overnight, that is every connection.
    """
    async with connect(dsn, max_connections=5) as lab:
        outcomes = []

        for _ in range(KILL_ALLS):
            await backends.kill()
            outcomes += [await lab.value("select :n::int", n=n) for n in range(20)]
            await backends.kill()
            outcomes += await gathered([lab.value("select :n::int", n=n) for n in range(60)])

        assert outcomes == (list(range(20)) + list(range(60))) * KILL_ALLS
        assert await pool_is_whole(lab)
    await backends.all_gone()


async def test_a_read_whose_backend_is_killed_is_done_again(lab, backends):
    """
    Nothing was handed over yet, so nobody needs to know.
    """
    reading = asyncio.create_task(lab.value("select 7 from pg_sleep(0.5)"))
    await backends.running("pg_sleep")

    killed = await backends.kill("state = 'active'")

    assert (killed, await reading) == (1, 7)
    assert await pool_is_whole(lab)


async def test_a_read_that_is_killed_each_time_gives_up_and_says_so(lab, backends):
    """
    A statement that crashes its backend must not be sent for ever.
    """
    reading = asyncio.create_task(lab.value("select 7 from pg_sleep(20)"))
    n_killed = 0

    while not reading.done():
        n_killed += await backends.kill("state = 'active' and query like '%pg_sleep%'")
        await asyncio.sleep(0.01)

    with pytest.raises(ConnectionLostError, match=r"connection to socket .* was lost") as raised:
        await reading
    assert (n_killed, raised.value.safe_to_retry) == (3, True)
    assert await pool_is_whole(lab)


async def test_a_write_that_is_cut_before_its_commit_is_not_done_and_not_repeated(dsn, backends, fetch):
    """
    A retry that nobody asked for writes twice.
    """
    database = await Database.open(load_settings(dsn), write=True)
    insert = "insert into reviews values (gen_random_uuid(), 'x', null, 5, '2024-01-01')"

    async def write_twice() -> None:
        async with database.transaction(doing="inserting", begin=READ_WRITE) as connection:
            await connection.execute(insert)
            await backends.kill()
            await connection.execute(insert)

    with pytest.raises(ConnectionLostError, match="nothing was written") as raised:
        await write_twice()

    assert raised.value.safe_to_retry
    assert await fetch("select 1 from reviews") == []
    await database.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restarted_server_is_found_again_at_once(restartable, behind, how):
    """
    A restart costs the reads of those seconds, and no notebook.
    """
    async with behind(restartable.server.dsn) as (proxy, lab):
        going, successes, errors = True, [], []

        async def work() -> None:
            while going:
                try:
                    await lab.value("select 1")
                    successes.append(time.monotonic())
                except ReviewLabError as error:
                    errors.append(error)
                await asyncio.sleep(0.01)

        workers = [asyncio.create_task(work()) for _ in range(8)]
        await asyncio.sleep(0.2)
        await asyncio.to_thread(restartable.signal, how)
        await asyncio.sleep(0.5)
        await restartable.start(proxy)
        accepted = time.monotonic()
        while not [moment for moment in successes if moment > accepted]:
            assert time.monotonic() < accepted + 10
            await asyncio.sleep(0.01)
        going = False
        await asyncio.gather(*workers)

        print(f"figure: first success {min(m for m in successes if m > accepted) - accepted:.2f} s after the start")
        assert {type(error) for error in errors} <= {ConnectError, ConnectionLostError}
        assert await pool_is_whole(lab)


async def test_a_crash_of_one_backend_is_waited_out(restartable, behind):
    """
    PostgreSQL then restarts all of them and refuses logins meanwhile; ten seconds later all is well.
    """
    async with behind(restartable.server.dsn, connect_timeout=10.0, acquire_timeout=15.0) as (_, lab):
        victim = await lab.value("select pg_backend_pid()")

        os.kill(victim, signal.SIGKILL)

        assert await lab.value("select 7") == 7


async def test_an_outage_fails_fast_and_ends_with_the_outage(restartable, behind):
    """
    A pool that backs off for a minute would keep the notebook dead for a minute.
    """
    async with behind(restartable.server.dsn) as (proxy, lab):
        await asyncio.to_thread(restartable.signal, signal.SIGINT)
        failures = [await gathered([lab.count()]) for _ in range(3)]
        await asyncio.sleep(60 if FULL else 1)
        await restartable.start(proxy)

        came_back = await lab.value("select 7")

        assert {type(error) for (error,) in failures} <= {ConnectError, ConnectionLostError}
        assert came_back == 7


async def test_a_silent_network_is_given_up_and_comes_back(proxy, far_lab, backends):
    """
    Nothing ends a TCP connection that no packet comes from, but our own limits.
    """
    await far_lab.value("select 1")
    proxy.stall()
    began = time.monotonic()

    with pytest.raises(ReviewLabError, match=r"timed out|did not answer|no answer"):
        await far_lab.value("select 2")

    print(f"figure: a silent network was given up after {time.monotonic() - began:.1f} s")
    proxy.resume()
    assert await far_lab.value("select 3") == 3
    assert await pool_is_whole(far_lab)


async def test_connections_that_a_firewall_forgot_are_replaced(proxy, far_lab):
    """
    The usual morning: old connections are dead without a sign, new ones work.
    """
    await asyncio.gather(*(far_lab.value("select pg_sleep(0.1)") for _ in range(5)))
    proxy.stall(new=False)
    began = time.monotonic()

    outcomes = await gathered([far_lab.value("select :n::int", n=n) for n in range(20)])

    print(f"figure: 20 reads over 5 forgotten connections took {time.monotonic() - began:.1f} s")
    assert outcomes == list(range(20))
    proxy.resume()


async def test_a_black_hole_during_a_query_is_left_after_the_time_limit(proxy, far_lab, backends):
    """
    Without a limit of the client's own it would hang for ever, whatever the server's limit is.
    """
    await far_lab.value("select 1")
    reading = asyncio.create_task(far_lab.value("select 1 from pg_sleep(0.3)"))
    await backends.running("pg_sleep")
    proxy.stall()
    began = time.monotonic()

    with pytest.raises((QueryTimeoutError, ConnectError)):
        await reading

    print(f"figure: a black hole was left after {time.monotonic() - began:.1f} s, limit 1.5 s")
    proxy.resume()
    assert await far_lab.value("select 3") == 3


async def test_stop_in_a_black_hole_returns_soon(proxy, far_lab, backends):
    """
    The request to cancel goes through the same dead network.
    """
    reading = asyncio.create_task(far_lab.value("select pg_sleep(0.8)"))
    await backends.running("pg_sleep")
    proxy.stall()
    began = time.monotonic()

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    waited = time.monotonic() - began
    print(f"figure: a cancelled query in a black hole returned after {waited:.1f} s")
    proxy.resume()
    assert await far_lab.value("select 3") == 3
    assert waited < 5


async def test_a_frozen_backend_is_left_alone(far_lab, backends):
    """
    One process that stands still must not take the others along.
    """
    pid = await far_lab.value("select pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        other = await far_lab.value("select pg_backend_pid()")
    finally:
        os.kill(pid, signal.SIGCONT)

    assert other != pid


@pytest.mark.parametrize("reset", [True, False])
async def test_a_result_that_is_cut_is_never_handed_over_in_part(proxy, through, quick, execute, reset):
    """
    Half of the reviews look like all of the reviews.
    """
    await execute(FIVE_THOUSAND)
    async with connect(through, retries=0, **quick) as lab:
        proxy.cut_after, proxy.reset_at_cut = 100_000, reset

        with pytest.raises(ConnectionLostError):
            await lab.reviews()

        proxy.cut_after = 0
        assert len(await lab.reviews()) == 5000


async def test_a_cut_result_is_read_again_from_the_start(proxy, far_lab, execute):
    """
    The second try must not keep rows of the first.
    """
    await execute(FIVE_THOUSAND)
    proxy.cut_after = 500_000

    async def mend() -> None:
        while proxy.n_connections < 2:
            await asyncio.sleep(0.005)
        proxy.cut_after = 0

    mending = asyncio.create_task(mend())
    reviews = await far_lab.reviews()

    await mending
    assert (len(reviews), reviews["review_id"].nunique()) == (5000, 5000)
