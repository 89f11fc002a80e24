"""Faults between a lab and its server: a proxy in front of the tests' server, and limits short enough for tests."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from proxy import Proxy, until

from reviewlab import ReviewLab, connect, connections, frames, queries
from reviewlab.server import Server

QUICK = {
    "statement_timeout": 1.0,
    "bulk_timeout": 1.0,
    "acquire_timeout": 1.0,
    "connect_timeout": 2.0,
    "host_timeout": 0.5,
    "close_timeout": 1.0,
}
GRACE = 0.5
FULL = bool(os.environ.get("REVIEWLAB_SOAK"))
"""Whether the long forms are asked for: make soak."""


def socket_of(dsn: str) -> Path:
    """The unix socket of a server."""
    options = parse_qs(urlsplit(dsn).query)
    return Path(options["host"][0]) / f".s.PGSQL.{options['port'][0]}"


def database_of(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Limits of seconds, so that a test of a dead network ends."""
    monkeypatch.setattr(connections, "CLIENT_GRACE", GRACE)
    monkeypatch.setattr(frames, "CLIENT_GRACE", GRACE, raising=False)
    return dict(QUICK)


@pytest.fixture
def dsn_outside(dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test's database, for another process: none that shares our Python's warnings as errors."""
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    return dsn


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the tests' server."""
    async with Proxy(socket_of(dsn)) as started:
        yield started


@pytest.fixture
def through(proxy: Proxy, dsn: str) -> str:
    """A DSN of the test's database that leads through the proxy."""
    return proxy.dsn(database_of(dsn))


@pytest.fixture
async def far_lab(through: str, quick: dict[str, float]) -> AsyncIterator[ReviewLab]:
    """A lab behind the proxy, with short limits."""
    async with connect(through, **quick) as opened:
        yield opened


class Backends:
    """The sessions of labs in one database, seen from beside them."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def count(self, condition: str = "true") -> int:
        return await self._connection.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() "
            f"and application_name = 'reviewlab' and pid <> pg_backend_pid() and {condition}"
        )

    async def kill(self, condition: str = "true") -> int:
        return await self._connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() "
            f"and application_name = 'reviewlab' and pid <> pg_backend_pid() and {condition}"
        )

    async def pids(self, condition: str = "true") -> list[int]:
        rows = await self._connection.fetch(
            "select pid from pg_stat_activity where datname = current_database() "
            f"and application_name = 'reviewlab' and {condition}"
        )
        return [row["pid"] for row in rows]

    async def all_gone(self, *, seconds: float = 3, condition: str = "true") -> float:
        """Wait until there are none; TimeoutError if some stay."""

        async def none() -> bool:
            return await self.count(condition) == 0

        return await until(none, seconds=seconds)

    async def running(self, text: str) -> None:
        """Wait until a statement with this text runs."""

        async def one() -> bool:
            return await self.count(f"state = 'active' and query like '%{text}%'") > 0

        await until(one)


@pytest.fixture
async def backends(dsn: str) -> AsyncIterator[Backends]:
    """Who is connected to the test's database, asked on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    yield Backends(connection)
    await connection.close()


class Restartable:
    """A server that is stopped and started while a lab is connected to it through the proxy."""

    def __init__(self, server: Server, datadir: Path) -> None:
        self.server = server
        self._datadir = datadir

    def signal(self, how: signal.Signals) -> None:
        """Send the postmaster a signal and wait for its end: SIGINT is fast, SIGQUIT immediate."""
        os.kill(int((self._datadir / "postmaster.pid").read_text().split()[0]), how)
        self.server._process.wait(20)

    async def start(self, proxy: Proxy) -> None:
        await asyncio.to_thread(self.server.start)
        proxy.upstream = socket_of(self.server.dsn)

    async def execute(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.server.dsn)
        try:
            return await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def restartable() -> AsyncIterator[Restartable]:
    """A server of the test's own, which may be stopped."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with Server(Path(folder) / "data", durable=True) as server:
            made = Restartable(server, Path(folder) / "data")
            await made.execute(queries.script("reviews"))
            yield made


OpenBehind = Callable[..., Any]


@pytest.fixture
def behind(quick: dict[str, float]) -> OpenBehind:
    """Open a lab through a proxy in front of a server."""

    @asynccontextmanager
    async def opened(server_dsn: str, **settings: Any) -> AsyncIterator[tuple[Proxy, ReviewLab]]:
        async with (
            Proxy(socket_of(server_dsn)) as proxy,
            connect(proxy.dsn(database_of(server_dsn)), **(quick | settings)) as lab,
        ):
            yield proxy, lab

    return opened


async def pool_is_whole(lab: ReviewLab) -> bool:
    """Whether nothing is in use, and a read works."""
    if await lab.count() < 0:
        return False
    stats = await lab.pool_stats()
    return stats["in_use"] == 0 and stats["open"] <= stats["most"]


async def gathered(awaitables: list[Awaitable[Any]]) -> list[Any]:
    """Results, or the errors in their places."""
    return await asyncio.gather(*awaitables, return_exceptions=True)
