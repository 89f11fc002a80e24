"""Who may hold a connection, for how long, and what happens when it breaks?  Nothing else opens one."""

import asyncio
import contextlib
import logging
import os
import random
import time
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, NoReturn, Protocol, TypeVar

import asyncpg
import stamina

from reviewlab.connections import CLIENT_GRACE as CLIENT_GRACE
from reviewlab.connections import open_connection
from reviewlab.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    PoolTimeoutError,
    QueryError,
    ReadOnlyError,
    ReviewLabError,
    WrongLoopError,
)
from reviewlab.settings import Settings
from reviewlab.transactions import DRIVER_ERRORS, READ_ONLY, commit, cut, preamble, roll_back, stopped
from reviewlab.transactions import READ_WRITE as READ_WRITE
from reviewlab.translation import translating

T = TypeVar("T")
Work = Callable[[Any], Awaitable[T]]

IDLE_LIFETIME = 60.0  # firewalls forget a silent connection after minutes, and say so to nobody
MAX_AGE = 30 * 60.0
HELD_LONG = 60.0
_POOLED = ("26000", "42P05")  # a statement prepared on another server connection, or by somebody else on this one
_STALE = (*_POOLED, "0A000")  # a plan that was made before the table changed
_log = logging.getLogger(__name__)


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
        self.pooler = self.target.transaction_pooler
        """Whether a transaction pooler stands between: known from the DSN, or learned from an error."""
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._checks_client = True
        self._holders: dict[int, tuple[str, float]] = {}
        self.apart = asyncio.Semaphore(settings.max_connections)
        self.lent: set[asyncpg.Connection] = set()
        """Connections outside the pool that are in use, and how many more may be."""
        self._expire_now()
        self._pool: asyncpg.Pool | None = asyncpg.create_pool(
            min_size=0,
            max_size=settings.max_connections,
            max_inactive_connection_lifetime=IDLE_LIFETIME,
            connect=_opener(weakref.proxy(self)),  # a cycle would keep a dropped pool open
            reset=_keep_session,
        )

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
        try:
            return await self._read_once(work, doing=doing, timeout=timeout)
        except ReviewLabError as error:
            if not self.settings.retries or not _passes(error):
                raise
        again = stamina.retry_context(
            on=_passes, attempts=self.settings.retries, timeout=None, wait_initial=0.1, wait_max=0.4, wait_jitter=0.1
        )
        async for attempt in again:
            with attempt:
                return await self._read_once(work, doing=doing, timeout=timeout)
        raise AssertionError  # an attempt returns or raises

    async def _read_once(self, work: Work[T], *, doing: str, timeout: float | None) -> T:
        async with self.transaction(doing=doing, timeout=timeout) as connection:
            return await work(connection)

    @asynccontextmanager
    async def transaction(
        self,
        *,
        doing: str,
        timeout: float | None = None,
        begin: str = READ_ONLY,
        key: Any = None,
        acquire: Callable[..., AbstractAsyncContextManager[Any]] | None = None,
    ) -> AsyncIterator[Any]:
        """Lend a connection inside a transaction, committed at the end, rolled back on an error.

        A cancelled transaction is rolled back, unless its commit is under way: that is waited for.  The CancelledError
        says whether it was committed.

        Parameters
        ----------
        doing : str
            What messages call it.
        timeout : float, optional
            The server's limit for each statement, in seconds; 0 for none.
        begin : str
            `READ_ONLY`, `READ_WRITE`, or another way to begin.
        key : object, optional
            What to look for in the table if it remains unknown whether a write happened.
        acquire : callable, optional
            What lends the connection, perhaps in a transaction already; called as `acquire`, which it is if left out.

        Raises
        ------
        OutcomeUnknownError
            If the connection was lost, or the time was up, while the commit was under way.
        """
        self._check()
        limit = self.settings.statement_timeout if timeout is None else timeout
        reading, committed, began, n_cancelled = begin == READ_ONLY, False, time.monotonic(), _n_cancelled()
        try:
            acquire = acquire or self.acquire
            async with acquire(doing, outcome="" if reading else "nothing was written") as connection:
                try:
                    await self._begin(connection, begin, limit)
                    yield connection
                    await (connection.execute("commit") if reading else commit(connection, doing=doing, key=key))
                    committed = not reading
                except BaseException as error:
                    await roll_back(connection, error)
                    raise
        except ReviewLabError as error:
            await self._learn(error, began, reading=reading)
            if _n_cancelled() > n_cancelled:  # the driver says so of a connection that was cancelled and lost at once
                raise asyncio.CancelledError from None
            raise
        except asyncio.CancelledError as error:
            raise stopped(doing) if committed else error from None

    @asynccontextmanager
    async def acquire(self, doing: str, *, outcome: str = "") -> AsyncIterator[Any]:
        """Lend a connection, and translate what goes wrong with it; *outcome* as in `translating`."""
        pool = self._check()
        if time.monotonic() > self._expires_at:
            await self._expire()
        with self.translating(doing, outcome):
            connection = await self._take(pool)
            since = time.monotonic()
            self._holders[id(connection)] = (doing, since)
            try:
                yield connection
            finally:
                del self._holders[id(connection)]
                with contextlib.suppress(*DRIVER_ERRORS):  # it is closed then, and what was done is done
                    await self._give_back(pool, connection, since, doing)

    async def connect_apart(self, doing: str) -> asyncpg.Connection:
        """Open a connection outside the pool, for whoever keeps or changes it; the caller closes it."""
        self._check()
        with self.translating(doing):
            return await open_connection(self.settings, self.target, pooler=self.pooler)

    async def close(self) -> None:
        """Wait for running statements, then disconnect; closing twice is harmless, and bounded in time."""
        if self._pool is None:
            return
        self._check()
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(self.settings.close_timeout):
                await pool.close()
        except DRIVER_ERRORS:
            pool.terminate()
        for connection in tuple(self.lent):
            cut(connection)

    @property
    def n_free(self) -> int:
        """How many more connections may be used at once now; none beyond the first through a pooler."""
        return 0 if self.pooler else self.settings.max_connections - len(self._holders)

    def stats(self) -> dict[str, int]:
        """Connections that are open, idle, in use, and the most there may be."""
        pool = self._check()
        size, idle = pool.get_size(), pool.get_idle_size()
        return {"open": size, "idle": idle, "in_use": size - idle, "most": self.settings.max_connections}

    def translating(self, doing: str, outcome: str = "") -> AbstractContextManager[None]:
        """Turn whatever the driver, the system or TLS raises into the tree of `reviewlab.errors`."""
        return translating(doing=doing, where=self.target.where, outcome=outcome)

    async def _take(self, pool: asyncpg.Pool) -> Any:
        try:
            # a timer costs as much as the rest of this, and an idle connection is not waited for
            limit = None if pool.get_idle_size() else self.settings.acquire_timeout
            return await pool.acquire(timeout=limit)
        except TimeoutError:
            raise self._no_connection() from None
        except asyncpg.InterfaceError:
            if self._pool is None:
                raise _closed() from None
            raise

    async def _give_back(self, pool: asyncpg.Pool, connection: Any, since: float, doing: str) -> None:
        if time.monotonic() - since > HELD_LONG:
            _log.warning("%s held a connection for %.0f s", doing, time.monotonic() - since)
        # only one that has expired is closed here, over a network that may be dead
        limit = self.settings.close_timeout if since <= self._expired_at or connection.is_closed() else None
        await pool.release(connection, timeout=limit)

    async def _begin(self, connection: Any, begin: str, limit: float) -> None:
        """One round trip.  A connection that was idle and does not answer now has been cut unseen."""
        patience = self.settings.acquire_timeout if self.pooler else self.settings.host_timeout
        begin = "" if connection.is_in_transaction() else begin
        checks = self._checks_client and not self.pooler and connection.get_server_version().major >= 14
        try:
            await connection.execute(preamble(self.settings, begin, limit, checks_client=checks), timeout=patience)
        except TimeoutError:
            where = self.target.where
            if self.pooler:
                raise PoolTimeoutError(f"the pooler at {where} had no connection free within {patience:g} s") from None
            raise ConnectionLostError(f"the connection to {where} was lost: no answer within {patience:g} s") from None
        except asyncpg.InvalidParameterValueError:
            if not checks:
                raise
            self._checks_client = False  # a server on a system that cannot look
            await connection.execute("rollback")
            await self._begin(connection, begin, limit)

    async def _learn(self, error: ReviewLabError, began: float, *, reading: bool) -> None:
        """After the first loss the other connections are suspect too; a pooler shows itself by its errors."""
        code = getattr(error, "sqlstate", None)
        if code in _POOLED:
            self.pooler = True
        suspect = code in _STALE or isinstance(error, ConnectionLostError)
        if (suspect or (isinstance(error, ReadOnlyError) and not reading)) and began >= self._expired_at:
            await self._expire()

    async def _expire(self) -> None:
        self._expire_now()
        if self._pool is not None:
            await self._pool.expire_connections()

    def _expire_now(self) -> None:
        self._expired_at = time.monotonic()
        self._expires_at = self._expired_at + MAX_AGE * random.uniform(0.95, 1)  # noqa: S311 - not all labs at once

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
            raise _closed()
        return self._pool

    def _no_connection(self) -> ReviewLabError:
        if len(self._holders) < self.settings.max_connections:
            patience = self.settings.acquire_timeout
            return ConnectError(f"{self.target.where}: timed out: no new connection within {patience:g} s")
        now = time.monotonic()
        held = "; ".join(f"{doing} for {now - since:.0f} s" for doing, since in self._holders.values())
        return PoolTimeoutError(
            f"no connection was free within {self.settings.acquire_timeout:g} s; "
            f"{len(self._holders)} of {self.settings.max_connections} are held ({held or 'none'}): "
            "leave what holds them, or raise max_connections"
        )

    def __reduce__(self) -> NoReturn:
        raise WrongLoopError("a lab cannot be pickled or copied; open one in the other process: await connect()")

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None and os.getpid() == self._pid:
            warnings.warn("a lab was dropped without close()", ResourceWarning, source=self, stacklevel=2)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(pool.terminate)


def _opener(database: Database) -> Callable[..., Awaitable[asyncpg.Connection]]:
    async def open_for_pool(*_: Any, **pool_arguments: Any) -> asyncpg.Connection:
        return await open_connection(database.settings, database.target, pooler=database.pooler, **pool_arguments)

    return open_for_pool


async def _keep_session(_: asyncpg.Connection) -> None:
    """Nothing to reset: settings are made by SET LOCAL, and a connection that keeps more is closed after use."""


def _passes(error: Exception) -> bool:
    """Whether a read that failed so deserves another try."""
    if isinstance(error, ConnectionLostError):
        return error.safe_to_retry and not error.rows_delivered
    return isinstance(error, QueryError) and error.sqlstate in _STALE


def _n_cancelled() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _closed() -> ConfigError:
    return ConfigError("this lab is closed; open another one: await connect()")
