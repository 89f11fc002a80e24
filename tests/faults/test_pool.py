"""Too few connections, too many readers, and labs that are dropped, shared or taken to the wrong place."""

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import time

import asyncpg
import psutil
import pytest
from conftest import gathered, pool_is_whole

from reviewlab import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    PoolTimeoutError,
    QueryTimeoutError,
    WrongLoopError,
    connect,
    transactions,
)
from reviewlab.database import Database
from reviewlab.errors import QueryError
from reviewlab.server import Server
from reviewlab.settings import load_settings

N_READS = 10_000


async def test_ten_thousand_reads_share_five_connections(dsn, backends):
    """
    A loop over customers with gather is written quickly.
    """
    async with connect(dsn, max_connections=5, acquire_timeout=60.0) as lab:
        await asyncio.gather(*(lab.count() for _ in range(50)))
        before = psutil.Process().memory_info().rss
        began = time.monotonic()

        counts = await asyncio.gather(*(lab.count() for _ in range(N_READS)))

        print(f"figure: 10,000 reads on 5 connections took {time.monotonic() - began:.1f} s")
        grown = psutil.Process().memory_info().rss - before
        print(f"figure: 10,000 reads on 5 connections took {grown / 1e6:.0f} MB more memory")
        assert counts == [0] * N_READS
        assert await backends.count() <= 5
        assert grown < 60e6


async def test_an_exhausted_pool_says_who_holds_it(dsn, quick):
    """
    "Timeout" alone sends people looking at the network.
    """
    async with connect(dsn, max_connections=2, **(quick | {"acquire_timeout": 0.3, "bulk_timeout": 5.0})) as lab:
        holders = [asyncio.create_task(lab.sql("select pg_sleep(1)")) for _ in range(2)]
        await asyncio.sleep(0.1)

        with pytest.raises(PoolTimeoutError, match=r"within 0\.3 s; 2 of 2 are held \(.* for \d+ s; .* for \d+ s\)"):
            await lab.count()

        await asyncio.gather(*holders)
        assert await pool_is_whole(lab)


async def test_a_full_server_is_named_as_the_cause_and_used_once_it_has_room(quick):
    """
    It passes by itself, unlike a wrong password.
    """
    settings = {"max_connections": "4", "superuser_reserved_connections": "0", "max_wal_senders": "0"}
    with Server(durable=False, settings=settings) as server:
        database = await Database.open(load_settings(server.dsn, **(quick | {"acquire_timeout": 5.0})))
        others = [await asyncpg.connect(server.dsn) for _ in range(4)]

        with pytest.raises(ConnectError, match="no connection left: .*try again later"):
            await database.read(one, doing="asking")

        asyncio.get_running_loop().call_later(0.3, others.pop().terminate)
        assert await database.read(one, doing="asking") == 1
        for other in others:
            await other.close()
        await database.close()


async def one(connection):
    return await connection.fetchval("select 1")


async def test_a_dropped_lab_says_so_and_leaves_no_connection(dsn, backends):
    """
    A cell that is run twice makes a new lab each time, and nobody closes the old one.
    """
    lab = await connect(dsn)
    await lab.count()

    with pytest.warns(ResourceWarning, match=r"dropped without close"):  # noqa: PT031 - both are the act
        del lab
        gc.collect()

    await backends.all_gone(seconds=2)


async def test_closing_is_bounded_and_may_be_repeated(dsn, quick, backends):
    """
    Somebody still holds a connection, and the notebook must close all the same.
    """
    lab = await connect(dsn, **(quick | {"close_timeout": 0.3, "bulk_timeout": 30.0}))
    reading = asyncio.create_task(lab.sql("select pg_sleep(20)"))
    await backends.running("pg_sleep")
    began = time.monotonic()

    await lab.close()
    await lab.close()

    assert time.monotonic() - began < 5
    with pytest.raises((ConnectionLostError, ConfigError)):
        await reading
    await backends.all_gone()


async def test_closing_while_a_read_connects_ends_both(proxy, far_lab):
    """
    The order of two cells is nobody's guarantee.
    """
    lab = far_lab
    proxy.stall()
    reading = asyncio.create_task(lab.count())
    await asyncio.sleep(0.05)

    async with asyncio.timeout(5):
        await lab.close()
        (outcome,) = await gathered([reading])

    assert isinstance(outcome, ConfigError | ConnectError | ConnectionLostError)
    proxy.resume()


async def test_a_closed_lab_says_that_it_is_closed(lab):
    """
    The driver would say that its pool is closing.
    """
    await lab.close()

    with pytest.raises(ConfigError, match="this lab is closed; open another one"):
        await lab.count()


async def test_another_event_loop_is_refused_before_the_driver_sees_it(dsn):
    """
    The driver crashed the interpreter in three of seven such uses.
    """

    async def in_own_loop() -> list[object]:
        return await asyncio.gather(lab.count(), lab.reviews(), lab.pool_stats(), lab.close(), return_exceptions=True)

    lab = await connect(dsn)
    errors = []
    for _ in range(50):
        errors += await asyncio.to_thread(asyncio.run, in_own_loop())

    assert {type(error) for error in errors} == {WrongLoopError}
    assert {str(error) for error in errors} == {
        "this lab was opened on another event loop; open one here: await connect()"
    }
    assert await lab.count() == 0
    await lab.close()


async def test_a_lab_stays_in_its_process(lab):
    """
    A copy would talk on the same socket.
    """
    for attempt in (pickle.dumps, copy.deepcopy):
        with pytest.raises(WrongLoopError, match="cannot be pickled or copied"):
            attempt(lab)

    assert await lab.count() == 0


FORK = """
import asyncio, os, sys
from reviewlab import WrongLoopError, connect
async def main():
    lab = await connect(sys.argv[1])
    await lab.count()
    child = os.fork()
    if child == 0:
        try:
            await lab.count()
        except WrongLoopError as error:
            os._exit(7 if "do not survive a fork" in str(error) else 8)
        os._exit(9)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(status, await lab.count())
    await lab.close()
asyncio.run(main())
"""


def test_after_a_fork_the_child_is_refused_and_the_parent_goes_on(dsn_outside):
    """
    multiprocessing forks on Linux, and both processes would read one socket.
    """
    result = subprocess.run([sys.executable, "-c", FORK, dsn_outside], capture_output=True, text=True, timeout=60)

    assert (result.stdout, result.stderr) == ("7 0\n", "")


TWICE = """
import asyncio, sys, warnings
warnings.simplefilter("ignore", ResourceWarning)
from reviewlab import connect
async def once():
    global lab
    lab = await connect(sys.argv[1])
    return await lab.count()
print(asyncio.run(once()), asyncio.run(once()))
"""


def test_two_event_loops_one_after_another_each_work(dsn_outside):
    """
    Scripts call asyncio.run twice; the first lab's loop is closed by then.
    """
    result = subprocess.run([sys.executable, "-c", TWICE, dsn_outside], capture_output=True, text=True, timeout=60)

    assert (result.stdout, result.stderr) == ("0 0\n", "")


ENDLESS = """
import asyncio, sys
from reviewlab import connect
async def main():
    lab = await connect(sys.argv[1])
    print("ready", flush=True)
    await lab.sql(sys.argv[2], timeout=60)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "statement",
    ["select pg_sleep(30)", "select count(*) from generate_series(1, 10000000000)"],
)
async def test_a_killed_client_leaves_no_query_behind(dsn_outside, backends, statement):
    """
    A kernel that is restarted during a long query would leave it to the server for hours.
    """
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, dsn_outside, statement], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    await backends.running("pg_sleep" if "sleep" in statement else "generate_series")

    process.kill()
    process.wait()

    print(f"figure: the query of a killed client was gone after {await backends.all_gone(seconds=5):.1f} s")
    process.stdout.close()


async def test_an_idle_transaction_that_the_server_ends_says_why(lab):
    """
    The driver says "released back to the pool", which sends people to the wrong place.
    """

    async def idle(connection):
        await connection.execute("set local idle_in_transaction_session_timeout = 100")
        await asyncio.sleep(0.5)
        return await connection.fetchval("select 1")

    with pytest.raises(ConnectionLostError, match="limit of the server for idle transactions"):
        await lab._database.read(idle, doing="idling")

    assert await pool_is_whole(lab)


async def test_statements_beyond_their_time_are_cancelled_on_the_server(lab, backends):
    """
    The client's own limit would leave the query running.
    """
    with pytest.raises(
        QueryTimeoutError, match=r"cancelled on the server: .*narrow it down or raise the limit"
    ) as raised:
        await lab.sql("select pg_sleep(30)", timeout=0.2)

    assert raised.value.sqlstate == "57014"
    await backends.all_gone(condition="state = 'active'", seconds=1)
    assert await pool_is_whole(lab)


async def test_a_locked_table_is_waited_for_only_so_long(dsn, execute, quick):
    """
    Somebody's forgotten migration must not hold the notebook.
    """
    async with connect(dsn, **(quick | {"statement_timeout": 0.3})) as lab:
        await execute("begin; lock table reviews in access exclusive mode")

        with pytest.raises(QueryError, match=r"statement timeout|lock"):
            await lab.count()

        await execute("rollback")
        assert await lab.count() == 0


async def test_the_version_and_the_pool_are_told(lab):
    """
    They are the first questions when something is slow.
    """
    version, stats = await lab.server_version(), await lab.pool_stats()

    assert version.split(".")[0].isdigit()
    assert set(stats) == {"open", "idle", "in_use", "most"}
    assert (stats["in_use"], stats["most"]) == (0, 5)


async def test_the_server_is_told_to_look_after_its_client(lab):
    """
    Without it, the query of a killed kernel goes on to its end on most servers.
    """

    async def ask(connection) -> str:
        return await connection.fetchval("show client_connection_check_interval")

    assert await lab._database.read(ask, doing="asking") == "1s"


async def test_a_server_that_cannot_look_after_its_client_is_used_all_the_same(lab, monkeypatch):
    """
    PostgreSQL on Windows refuses the setting, and every read would fail.
    """
    monkeypatch.setattr(transactions, "CLIENT_CHECK", "-7s")

    assert await lab.count() == 0
    assert await lab.count() == 0
