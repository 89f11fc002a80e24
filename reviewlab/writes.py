"""How do several statements make one transaction: whole or not at all, and tried again when that is safe?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar, get_args

import stamina

from reviewlab.database import READ_WRITE, Database, Work
from reviewlab.errors import ConnectionLostError, QueryError, ReadOnlyError, ReviewLabError

T = TypeVar("T")
Isolation = Literal["read committed", "repeatable read", "serializable"]

ATTEMPTS = 3
_UNDONE = ("40001", "40P01")  # serialization failure, deadlock: the server has undone all of it


class Transaction:
    """Reads and writes on one connection, one after another."""

    def __init__(self, database: Database, connection: Any) -> None:
        self._database = database
        self._connection = connection
        self._turn = asyncio.Lock()

    async def read(self, work: Work[T], *, doing: str, timeout: float | None = None) -> T:
        """Run *work*, which may write too; its statements have the time limit of the transaction."""
        async with self._turn:
            if self._connection is None:
                raise ReviewLabError("the transaction has ended: read and write within its `async with`")
            with self._database.translating(doing, "nothing was written"):
                return await work(self._connection)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo on an error what was done within, and nothing else."""
        await self.read(lambda connection: connection.execute("savepoint nested"), doing="savepoint")
        try:
            yield
        except BaseException:
            if self._connection is not None and not self._connection.is_closed():
                back = "rollback to savepoint nested; release savepoint nested"
                await self.read(lambda connection: connection.execute(back), doing="rollback")
            raise
        await self.read(lambda connection: connection.execute("release savepoint nested"), doing="savepoint")

    def end(self) -> None:
        """Refuse further statements; the connection is somebody else's from now on."""
        self._connection = None


def check_allowed(database: Database) -> None:
    """Raise ReadOnlyError unless the database was opened for writing."""
    if not database.write:
        raise ReadOnlyError("this lab only reads; to write, open one by connect(write=True)")


def begin_of(isolation: str) -> str:
    """How a write begins whose statements see *isolation*."""
    if isolation not in get_args(Isolation):
        raise ValueError(f"no isolation {isolation!r}; there are {', '.join(get_args(Isolation))}")
    return READ_WRITE.replace("begin", f"begin isolation level {isolation}", 1)


@asynccontextmanager
async def open_transaction(database: Database, *, isolation: str, key: Any) -> AsyncIterator[Transaction]:
    """Hold a connection in a transaction that may write, if the database was opened for that."""
    check_allowed(database)
    async with database.transaction(doing="transaction", begin=begin_of(isolation), key=key) as connection:
        transaction = Transaction(database, connection)
        try:
            yield transaction
        finally:
            transaction.end()


async def retry(attempt: Callable[[], Awaitable[T]]) -> T:
    """Await *attempt*, again if all it did was undone for certain; three times at most."""
    again = stamina.retry_context(
        on=_was_undone, attempts=ATTEMPTS, timeout=None, wait_initial=0.05, wait_max=0.5, wait_jitter=0.1
    )
    async for one in again:
        with one:
            return await attempt()
    raise AssertionError  # an attempt returns or raises


def _was_undone(error: Exception) -> bool:
    if isinstance(error, ConnectionLostError):
        return error.safe_to_retry
    return isinstance(error, QueryError) and error.sqlstate in _UNDONE
