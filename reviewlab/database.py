"""Who may hold a connection, for how long, and what happens when it breaks?  Nothing else opens one."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, TypeVar

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched

from reviewlab.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    PoolTimeoutError,
    QueryError,
    QueryTimeoutError,
    ReadOnlyError,
    ReviewDataError,
    ReviewLabError,
    SchemaError,
    WrongLoopError,
)
from reviewlab.settings import Settings, Target

T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]

CLIENT_GRACE = 5.0
"""Seconds that the client waits longer than the server's own time limit, whose cancel is cheaper."""

READ_ONLY = "begin isolation level repeatable read read only"
"""How a read begins: all its statements see one moment."""

IDLE_LIFETIME = 60.0
_LOST = ("08", "57P01", "57P02", "57P03", "25P03", "25P04")


class Reader(Protocol):
    """What runs a read: the pool, or a snapshot."""

    async def read(self, work: Work[T], *, doing: str, timeout: float | None = None) -> T:
        """Run *work* with a connection in a READ ONLY transaction."""
        ...


class Database:
    """A pool of connections to one database, bounded in number and time, bound to one event loop."""

    def __init__(self, settings: Settings, *, write: bool = False) -> None:
        self.settings = settings
        self.write = write
        self.target = settings.target()
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._holders: dict[int, tuple[str, float]] = {}
        self._pool: asyncpg.Pool | None = _make_pool(settings, self.target)

    @classmethod
    async def open(cls, settings: Settings, *, write: bool = False) -> "Database":
        """Make the pool; no connection is opened before one is needed."""
        database = cls(settings, write=write)
        await database._check()
        return database

    async def read(self, work: Work[T], *, doing: str, timeout: float | None = None) -> T:
        """Run *work* with a connection in a READ ONLY transaction; a lost connection is tried again.

        Parameters
        ----------
        work : async callable
            Takes the connection; may run more than once, so it keeps nothing from a failed run.
        doing : str
            What messages call it, such as ``sql/reviews.sql``.
        timeout : float, optional
            Seconds for each statement; the setting ``statement_timeout`` if left out.
        """
        for attempt in range(self.settings.retries + 1):
            try:
                async with self.transaction(doing=doing, timeout=timeout) as connection:
                    return await work(connection)
            except ConnectionLostError as error:
                if attempt == self.settings.retries or not error.safe_to_retry or error.rows_delivered:
                    raise
                await self._expire()
                await asyncio.sleep(0.1 * 4**attempt)
        raise AssertionError  # the last attempt returns or raises

    @asynccontextmanager
    async def transaction(
        self, *, doing: str, timeout: float | None = None, begin: str = READ_ONLY
    ) -> AsyncIterator[Any]:
        """Lend a connection inside a transaction, committed at the end, rolled back on an error.

        *timeout* is the server's limit for each statement, in seconds; 0 for none.
        """
        limit = self.settings.statement_timeout if timeout is None else timeout
        async with self.acquire(doing) as connection:
            with self.translating(doing):
                try:
                    await connection.execute(self._begin(begin, limit))
                    yield connection
                    await connection.execute("commit")
                except BaseException:
                    await self._roll_back(connection)
                    raise

    @asynccontextmanager
    async def acquire(self, doing: str) -> AsyncIterator[Any]:
        """Lend a connection; the pool rolls back and takes back what is left of it."""
        pool = self._check()
        try:
            with self.translating(doing):
                connection = await pool.acquire(timeout=self.settings.acquire_timeout)
        except QueryTimeoutError:
            raise self._no_connection() from None
        self._holders[id(connection)] = (doing, time.monotonic())
        try:
            yield connection
        finally:
            del self._holders[id(connection)]
            with self.translating(doing):
                await pool.release(connection, timeout=self.settings.close_timeout)

    async def close(self) -> None:
        """Wait for running statements, then disconnect; closing twice is harmless, and bounded in time."""
        if self._pool is None:
            return
        self._check()
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(self.settings.close_timeout):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    def stats(self) -> dict[str, int]:
        """Connections that are open, idle, in use, and the most there may be."""
        pool = self._check()
        size, idle = pool.get_size(), pool.get_idle_size()
        return {"open": size, "idle": idle, "in_use": size - idle, "most": self.settings.max_connections}

    @contextmanager
    def translating(self, doing: str) -> Iterator[None]:
        """Turn whatever the driver, the system or TLS raises into the tree of `reviewlab.errors`."""
        try:
            yield
        except (ReviewLabError, asyncio.CancelledError):
            raise
        except Exception as error:
            translated = translate(error, doing=doing, where=self.target.where)
            if translated is None:
                raise
            raise translated from None

    def _begin(self, begin: str, limit: float) -> str:
        parts = [begin, f"set local statement_timeout = {int(limit * 1000)}", "set local timezone = 'UTC'"]
        if self.settings.db_schema is not None:
            name = self.settings.db_schema.replace('"', '""')
            parts.append(f'set local search_path = "{name}", public')
        return "; ".join(parts)

    def _check(self) -> asyncpg.Pool:
        if os.getpid() != self._pid:
            raise WrongLoopError(
                "this lab was opened in another process; connections do not survive a fork: await connect() here"
            )
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self._loop:
            raise WrongLoopError("this lab was opened on another event loop; open one here: await connect()")
        if self._pool is None:
            raise ConfigError("this lab is closed; open another one: await connect()")
        return self._pool

    def _no_connection(self) -> PoolTimeoutError:
        now = time.monotonic()
        held = "; ".join(f"{doing} for {now - since:.0f} s" for doing, since in self._holders.values())
        return PoolTimeoutError(
            f"no connection was free within {self.settings.acquire_timeout:g} s; "
            f"{len(self._holders)} of {self.settings.max_connections} are held ({held or 'none'}): "
            "leave what holds them, or raise max_connections"
        )

    async def _roll_back(self, connection: Any) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            if not connection.is_closed():
                await connection.execute("rollback", timeout=self.settings.close_timeout)

    async def _expire(self) -> None:
        if self._pool is not None:
            await self._pool.expire_connections()

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None and os.getpid() == self._pid:
            warnings.warn("a lab was dropped without close()", ResourceWarning, source=self, stacklevel=2)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(pool.terminate)


def _make_pool(settings: Settings, target: Target) -> asyncpg.Pool:
    async def open_connection(*_: Any, **pool_arguments: Any) -> asyncpg.Connection:
        return await _open_any(settings, target, pool_arguments)

    async def keep_session(_: asyncpg.Connection) -> None:
        """Nothing to reset: settings are made by SET LOCAL, and a lent connection is closed afterwards."""

    return asyncpg.create_pool(
        min_size=0,
        max_size=settings.max_connections,
        max_inactive_connection_lifetime=IDLE_LIFETIME,
        connect=open_connection,
        reset=keep_session,
    )


async def _open_any(settings: Settings, target: Target, pool_arguments: dict[str, Any]) -> asyncpg.Connection:
    """Try the hosts in order; several share the connect timeout, each with a limit of its own."""
    several = len(target.hosts) > 1
    async with asyncio.timeout(target.connect_timeout) as whole:
        for number, (host, port) in enumerate(target.hosts, start=1):
            try:
                async with asyncio.timeout(settings.host_timeout if several else None):
                    return await _open_one(settings, target, host, port, pool_arguments)
            except (OSError, TimeoutError, asyncpg.CannotConnectNowError, TargetServerAttributeNotMatched):
                if number == len(target.hosts) or whole.expired():
                    raise
    raise AssertionError  # there is at least one host


async def _open_one(
    settings: Settings, target: Target, host: str, port: int, pool_arguments: dict[str, Any]
) -> asyncpg.Connection:
    secret = target.password
    connection = await asyncpg.connect(
        host=host,
        port=port,
        user=target.user,
        password=None if secret is None else secret.get_secret_value,
        passfile=target.passfile,
        database=target.database,
        ssl=target.tls,
        target_session_attrs=target.target_session_attrs,
        timeout=target.connect_timeout,
        command_timeout=settings.statement_timeout + CLIENT_GRACE,
        statement_cache_size=0 if target.transaction_pooler else 100,
        server_settings=dict(target.server_settings),
        **pool_arguments,
    )
    if not host.startswith("/"):
        _keep_alive(connection)
    return connection


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Have the system notice a dead peer: asyncpg leaves keepalive off (asyncpg#606)."""
    raw = connection._transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    limits = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}
    for name, value in limits.items():
        with contextlib.suppress(AttributeError, OSError):  # not every system has each
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def translate(error: BaseException, *, doing: str, where: str) -> ReviewLabError | None:
    """Say in reviewlab's words what an error of the driver or the system means; None if it is neither."""
    if isinstance(error, asyncpg.PostgresError):
        return _translate_sqlstate(error, doing=doing, where=where)
    if isinstance(error, TargetServerAttributeNotMatched):
        return ConnectError(f"{where}: no host is of the kind that target_session_attrs asks for")
    if isinstance(error, TimeoutError):
        return QueryTimeoutError(
            f"{doing}: {where} did not answer within the time limit; narrow it down or raise the limit"
        )
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "verify_message", "") or error.reason or type(error).__name__
        return ConnectError(f"{where}: TLS failed: {reason}; check sslmode, sslrootcert and the host's name")
    if isinstance(error, socket.gaierror):
        return ConnectError(f"{where}: the host's name is not known")
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return ConnectError(f"{where}: nothing listens there; is PostgreSQL running, and is this its port?")
    if isinstance(error, OSError | asyncpg.InternalClientError):
        return ConnectionLostError(f"{doing}: the connection to {where} broke ({type(error).__name__})")
    if isinstance(error, asyncpg.InterfaceError):
        return ConnectionLostError(f"{doing}: the connection to {where} cannot be used any more")
    if isinstance(error, BufferError | AssertionError | OverflowError):
        return ConnectError(f"{where}: what answers is not a PostgreSQL server, or the answer was damaged")
    return None


def _translate_sqlstate(error: asyncpg.PostgresError, *, doing: str, where: str) -> ReviewLabError:
    code, message = error.sqlstate or "", _without_values(error)
    if code.startswith("28"):
        return ConnectError(f"{where}: PostgreSQL refused the login: {message}; check user and password")
    if code == "3D000":
        return ConnectError(f"{where}: {message}; check the name after the / of the DSN")
    if code == "53300":
        return ConnectError(f"{where}: the server has no connection left: {message}; try again later")
    if code.startswith(_LOST):
        reason = "it was idle in a transaction for too long" if code == "25P03" else message
        return ConnectionLostError(f"{doing}: the connection to {where} was lost: {reason}")
    if code == "23505" and (line := re.search(r"^COPY \w+, line (\d+)", error.context or "")):
        row = int(line[1])
        return ReviewDataError(f"row {row}: its review_id is there already", row=row, column="review_id")
    details: dict[str, Any] = {
        "sqlstate": code or None,
        "constraint": error.constraint_name,
        "column": error.column_name,
        "position": int(error.position) if error.position else None,
    }
    if code == "57014":
        return QueryTimeoutError(f"{doing}: cancelled on the server: {message}", **details)
    if code == "25006":
        return ReadOnlyError(f"{doing}: {message}; reads only: writes need connect(write=True)", **details)
    if code in ("42P01", "42703") and doing.startswith("sql/"):
        return SchemaError(f"{doing}: {message}; run `reviewlab init`, or check the search path", **details)
    return QueryError(f"{doing}: {message}", **details)


def _without_values(error: asyncpg.PostgresError) -> str:
    """The primary message, cut to 200 characters; a data exception (class 22) quotes the value: taken out."""
    message = str(error.args[0] if error.args else "").splitlines()[0] if error.args else ""
    if (error.sqlstate or "").startswith("22"):
        message = re.sub(r'"(?:[^"]|"")*"?', '"…"', message, count=0)
    return message[:200]
