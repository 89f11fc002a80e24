"""Coroutines from synchronous code: run(), its thread, and Ctrl-C."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reviewlab import WrongLoopError, connect, jupyter, queries, run

_numbers = itertools.count()


@pytest.fixture
def dsn_for_threads(server, admin):
    """A database for a test without an event loop of its own."""
    name = f"threads_{os.getpid()}_{next(_numbers)}"
    run(admin(f"create database {name}"))
    run(admin(queries.script("reviews"), name))
    yield server.dsn_for(name)
    run(admin(f"drop database {name} with (force)"))


def test_run_opens_and_asks_from_synchronous_code(dsn_for_threads):
    """
    Scripts, threads and %timeit have no event loop.
    """
    lab = run(connect(dsn_for_threads))

    counts = [run(lab.count()) for _ in range(3)]

    assert counts == [0, 0, 0]
    run(lab.close())


def test_run_serves_many_threads(dsn_for_threads):
    """
    A web framework's workers share one lab.
    """
    lab = run(connect(dsn_for_threads))

    with ThreadPoolExecutor(8) as workers:
        numbers = list(workers.map(lambda n: run(lab.value("select :n::int", n=n)), range(40)))

    assert numbers == list(range(40))
    run(lab.close())


async def test_run_works_beside_a_running_loop(dsn):
    """
    A notebook's cell without await runs inside the kernel's loop.
    """

    async def ask() -> int:
        async with connect(dsn) as lab:
            return await lab.count()

    assert run(ask()) == 0


def test_run_within_run_is_refused():
    """
    It would wait for itself for ever.
    """

    async def outer() -> None:
        run(asyncio.sleep(0))

    with pytest.raises(WrongLoopError, match="would never end: await instead"):
        run(outer())


def test_run_gives_up_after_its_timeout(dsn_for_threads):
    """
    The coroutine is cancelled, not left running.
    """
    stopped = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    with pytest.raises(TimeoutError):
        run(endless(), timeout=0.1)

    assert stopped.wait(5)


INTERRUPTED = """
import sys
from reviewlab import connect, run
lab = run(connect(sys.argv[1]))
print("ready", flush=True)
try:
    run(lab.value("select pg_sleep(30)"))
except KeyboardInterrupt:
    print(run(lab.value("select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' "
        "and state = 'active' and pid <> pg_backend_pid()")), run(lab.pool_stats())["in_use"])
run(lab.close())
"""


def test_ctrl_c_stops_the_query_and_keeps_the_lab(dsn_for_threads):
    """
    In a terminal, the query would go on and its connection would be lost.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, dsn_for_threads], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=20) == ("0 0\n", "")


def test_a_forked_child_gets_a_loop_of_its_own():
    """
    The parent's thread does not exist in the child, which would wait for it for ever.
    """
    code = """
import asyncio, os
from reviewlab import run
async def one():
    return 1
run(one())
child = os.fork()
if child == 0:
    os._exit(run(one(), timeout=10))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (result.stdout, result.stderr) == ("1\n", "")


async def test_a_taken_wakeup_descriptor_is_left_alone():
    """
    Whoever has it, such as uvloop, needs it.
    """
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno())
    try:
        taken = jupyter.make_interruptible()

        assert not taken
        assert signal.set_wakeup_fd(sender.fileno()) == sender.fileno()
    finally:
        signal.set_wakeup_fd(before)
        receiver.close()
        sender.close()


async def test_the_ticker_ends_with_what_it_stands_beside():
    """
    A timer that outlives its query keeps a laptop awake.
    """
    before = asyncio.all_tasks()

    assert await jupyter.interruptible(asyncio.sleep(0.01, "done")) == "done"

    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
