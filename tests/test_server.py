"""The embedded PostgreSQL starts, keeps what it should, and leaves nothing else behind."""

import asyncio
from pathlib import Path

import pytest
from server_helpers import PID, ask, ended, reachable_folder, socket_folder

from reviewlab.errors import ServerError
from reviewlab.server import Server

folder = pytest.fixture(reachable_folder)


async def test_a_temporary_server_answers_and_then_leaves_nothing() -> None:
    """
    A demo must not fill a disk: data, socket and process are gone after it.
    """
    with Server() as server:
        dsn = server.dsn
        pid = await ask(dsn, PID)
        assert await ask(dsn, "select 6 * 7") == 42

    assert ended(pid)
    assert not socket_folder(dsn).parent.exists()


def test_stopping_twice_is_harmless_and_a_stopped_server_has_no_dsn() -> None:
    """
    Notebooks run their last cell twice; a DSN of a server that is gone would fail far from the cause.
    """
    server = Server().start()

    server.stop()
    server.stop()

    with pytest.raises(ServerError, match="is not running; start it"):
        _ = server.dsn


def test_starting_a_running_server_leaves_it_alone() -> None:
    """
    A cell that starts the server may be run again without losing what was loaded.
    """
    with Server() as server:
        before = server.dsn

        assert server.start().dsn == before


async def test_it_may_start_in_a_thread_beside_another() -> None:
    """
    An event loop must not stand still while a server starts, and two notebooks may each have one.
    """
    servers = [Server(), Server()]
    try:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))

        assert [await ask(server.dsn, "select 1") for server in servers] == [1, 1]
    finally:
        for server in servers:
            server.stop()


@pytest.mark.parametrize("name", ["data", "mit Lücke é", "/".join(["long" * 20] * 3)], ids=["plain", "spaces", "long"])
async def test_data_in_a_folder_are_there_again(folder: Path, name: str) -> None:
    """
    What an analyst loaded today is there tomorrow, whatever the folder is called.
    """
    datadir = folder / name / "pg"
    with Server(datadir) as server:
        await ask(server.dsn, "create table kept as select 7 as n")

    with Server(datadir) as server:
        assert await ask(server.dsn, "select n from kept") == 7
        assert datadir.stat().st_mode & 0o777 == 0o700


async def test_another_database_has_a_dsn_too() -> None:
    """
    Tests and tools make databases of their own, with any name.
    """
    with Server() as server:
        await ask(server.dsn, 'create database "a/b?é"')

        assert await ask(server.dsn_for("a/b?é"), "select current_database()") == "a/b?é"


async def test_only_lasting_data_pay_for_durability(folder: Path) -> None:
    """
    Loaded reviews survive a power cut; a temporary server does not wait for the disk.
    """
    with Server() as temporary, Server(folder / "pg") as lasting:
        answers = [await ask(server.dsn, "show fsync") for server in (temporary, lasting)]

    assert answers == ["off", "on"]


def test_a_second_owner_of_the_same_data_is_refused(folder: Path) -> None:
    """
    Two servers on the same files would destroy them.
    """
    with Server(folder / "pg"), pytest.raises(ServerError, match="in use by another reviewlab process"):
        Server(folder / "pg").start()


async def test_a_refused_second_owner_does_not_disturb_the_first(folder: Path) -> None:
    """
    The clean-up after a failed start must not touch what belongs to somebody else.
    """
    with Server(folder / "pg") as server:
        with pytest.raises(ServerError):
            Server(folder / "pg").start()

        assert await ask(server.dsn, "select 1") == 1


def test_a_folder_with_other_things_in_it_is_refused_and_kept(folder: Path) -> None:
    """
    A mistyped folder must not be turned into a database.
    """
    (folder / "work").mkdir()
    (folder / "work" / "thesis.txt").write_text("three years")

    with pytest.raises(ServerError, match="other things than PostgreSQL's data; use an empty or a new folder"):
        Server(folder / "work").start()

    assert [path.name for path in (folder / "work").iterdir()] == ["thesis.txt"]


def test_data_of_another_version_are_refused_with_the_way_out(folder: Path) -> None:
    """
    PostgreSQL's own message would come from a log, and would not say what to do.
    """
    (folder / "pg").mkdir()
    (folder / "pg" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ServerError, match=r"are of PostgreSQL 9, but the programs are of \d+; use a new folder"):
        Server(folder / "pg").start()


def test_a_setting_that_postgresql_refuses_is_named_and_nothing_is_left() -> None:
    """
    The reason stands in the server's log, which is gone with the server.
    """
    server = Server(settings={"no_such_setting": "1"})

    with pytest.raises(ServerError, match='unrecognized configuration parameter "no_such_setting"'):
        server.start()

    assert not server._run.exists()


async def test_upper_and_lower_case_are_known_in_every_language() -> None:
    """
    A search for a text that ignores case must find Ärger in ÄRGER.
    """
    with Server() as server:
        assert await ask(server.dsn, "select 'GROSSER ÄRGER' ilike '%ärger'")
