"""Who may connect to the embedded server, and as whom it runs."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from server_helpers import ask, reachable_folder, socket_folder

import reviewlab.server
from reviewlab.errors import ServerError
from reviewlab.server import Server
from reviewlab.server.binaries import find_programs

ACCOUNTS = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another account")
folder = pytest.fixture(reachable_folder)


async def test_settings_do_not_open_the_server() -> None:
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


async def test_the_one_who_started_it_is_superuser() -> None:
    """
    Schema, roles and extensions are made through the same DSN.
    """
    with Server() as server:
        assert await ask(server.dsn, "show is_superuser") == "on"
