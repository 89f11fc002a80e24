"""Whatever is killed, no server is left over and no data are lost."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from server_helpers import PID, ask, ended, reachable_folder, socket_folder

from reviewlab.errors import ServerError
from reviewlab.server import Server

folder = pytest.fixture(reachable_folder)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def python(code: str, *arguments: str | Path, **options: Any) -> "subprocess.Popen[str]":
    """Run *code* in a Python of its own, which has no place in Ctrl-C's process group here."""
    imports = "import asyncio, os, signal, sys, asyncpg\nfrom reviewlab.server import Server"
    command = [sys.executable, "-c", f"{imports}\n{code}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    return subprocess.Popen([*command, *map(str, arguments)], **pipes, **options)


SERVE = """
server = Server(*sys.argv[1:]).start()
print(server.dsn, flush=True)
input()
"""


async def test_a_killed_parent_leaves_no_server_and_no_temporary_data() -> None:
    """
    A kernel that is killed cannot clean up, and an orphan would hold memory and disk for ever.
    """
    with python(SERVE) as parent:
        dsn = parent.stdout.readline().strip()
        pid = await ask(dsn, PID)

        parent.kill()

        await until(lambda: ended(pid) and not socket_folder(dsn).parent.exists())


async def test_data_can_be_opened_the_moment_their_owner_was_killed(folder: Path) -> None:
    """
    A kernel is restarted at once; the old server may still be shutting down then.
    """
    with python(SERVE, folder / "pg") as parent:
        dsn = parent.stdout.readline().strip()
        await ask(dsn, "create table kept as select 7 as n")
        parent.kill()

    with Server(folder / "pg") as server:
        assert await ask(server.dsn, "select n from kept") == 7


async def test_an_orphan_without_its_watchdog_is_ended_before_the_data_are_opened(folder: Path) -> None:
    """
    When everything but PostgreSQL was killed, the next start must not be told that the data are in use.
    """
    with python(SERVE, folder / "pg") as parent:
        dsn = parent.stdout.readline().strip()
        pid = await ask(dsn, PID)
        watchdog = next(child for child in psutil.Process(parent.pid).children() if child.name() == "sh")
        watchdog.kill()
        parent.kill()

    with Server(folder / "pg") as server:
        assert ended(pid)
        assert await ask(server.dsn, PID) != pid
    shutil.rmtree(socket_folder(dsn).parent)


async def test_data_survive_a_killed_server(folder: Path) -> None:
    """
    The machine's memory killer takes PostgreSQL without asking.
    """
    with Server(folder / "pg") as server:
        await ask(server.dsn, "create table kept as select 7 as n")
        os.kill(await ask(server.dsn, PID), signal.SIGKILL)

        await until(lambda: repr(server).startswith("<Server stopped"))
        server.start()

        assert await ask(server.dsn, "select n from kept") == 7


@pytest.mark.parametrize("whose", ["another program's", "a zombie's", "nobody's"])
async def test_a_stale_pid_file_is_no_obstacle(folder: Path, whose: str) -> None:
    """
    After a crash the number in the file may belong to anybody, and nobody but our server may be ended for it.
    """
    with Server(folder / "pg"):
        pass
    with subprocess.Popen(["sleep", "600"]) as other:
        if whose != "another program's":
            other.kill()
        if whose == "nobody's":
            other.wait()
        (folder / "pg" / "postmaster.pid").write_text(f"{other.pid}\n{folder / 'pg'}\n0\n5432\n\n\n0 0\nready\n")

        with Server(folder / "pg") as server:
            assert await ask(server.dsn, "select 1") == 1
            assert other.poll() is None or whose != "another program's"
        other.kill()


def test_a_server_that_somebody_else_started_on_the_data_is_left_alone(folder: Path) -> None:
    """
    Only what reviewlab started may reviewlab end.
    """
    with Server(folder / "pg"):
        pass
    with subprocess.Popen(["sh", "-c", "read line", "postgres", "-D", folder / "pg"], stdin=subprocess.PIPE) as other:
        (folder / "pg" / "postmaster.pid").write_text(f"{other.pid}\n")

        with pytest.raises(ServerError, match=f"another PostgreSQL, process {other.pid}, runs on the data"):
            Server(folder / "pg").start()

        assert other.poll() is None


async def test_what_a_killed_first_start_left_is_no_obstacle(folder: Path) -> None:
    """
    Data that were half-made look like data; they are made beside and moved into place when whole.
    """
    (folder / "pg.new").mkdir()
    (folder / "pg.new" / "PG_VERSION").write_text("18\n")

    with Server(folder / "pg") as server:
        assert await ask(server.dsn, "select 1") == 1
    assert not (folder / "pg.new").exists()


def test_interrupting_the_process_group_leaves_the_server_alive() -> None:
    """
    Jupyter's Stop signals every process of the kernel's group; the data must outlive a stopped cell.
    """
    code = """
server = Server().start()
signal.signal(signal.SIGINT, lambda *_: None)
os.killpg(0, signal.SIGINT)
async def main():
    connection = await asyncpg.connect(server.dsn)
    await asyncio.sleep(0.3)
    print(await connection.fetchval("select 1"))
    await connection.close()
asyncio.run(main())
"""
    with python(code) as kernel:
        output, _ = kernel.communicate()

    assert output == "1\n"


def test_a_forked_child_that_ends_leaves_its_parents_server_alive() -> None:
    """
    A child of multiprocessing runs the exit handlers that it inherited.
    """
    code = """
server = Server().start()
if not (child := os.fork()):
    sys.exit()
os.waitpid(child, 0)
async def main():
    connection = await asyncpg.connect(server.dsn)
    print(await connection.fetchval("select 1"))
    await connection.close()
asyncio.run(main())
"""
    with python(code) as parent:
        output, _ = parent.communicate()

    assert output == "1\n"
