"""How do several reads see one moment?  On one connection, or on several that import its snapshot."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from reviewlab.database import Database, Work
from reviewlab.errors import ConnectionLostError, QueryError, ReviewLabError
from reviewlab.transactions import roll_back

T = TypeVar("T")
Part = TypeVar("Part")


class Snapshot:
    """Reads that all see the moment at which it was opened, one after another on one connection."""

    def __init__(self, database: Database, connection: Any) -> None:
        self._database = database
        self._connection = connection
        self._turn = asyncio.Lock()

    async def read(self, work: Work[T], *, doing: str, timeout: float | None = None) -> T:
        """Run *work* within a savepoint, so that an error of one read does not end the others."""
        async with self._turn:
            if self._connection is None:
                raise ReviewLabError("the snapshot has ended: read within its `async with`")
            limit = self._database.settings.statement_timeout if timeout is None else timeout
            with self._database.translating(doing):
                await self._connection.execute(f"savepoint read; set local statement_timeout = {int(limit * 1000)}")
                try:
                    result = await work(self._connection)
                except BaseException as error:
                    await roll_back(self._connection, error, command="rollback to savepoint read")
                    raise
                await self._connection.execute("release savepoint read")
                return result

    def end(self) -> None:
        """Refuse further reads; the connection is somebody else's from now on."""
        self._connection = None


@asynccontextmanager
async def open_snapshot(database: Database) -> AsyncIterator[Snapshot]:
    """Hold a connection in a READ ONLY transaction, and read on it."""
    async with database.transaction(doing="snapshot") as connection:
        # a snapshot is taken by the first statement that reads, not by BEGIN
        await connection.execute("select 1")
        snapshot = Snapshot(database, connection)
        try:
            yield snapshot
        finally:
            snapshot.end()


async def read_in_parallel(
    database: Database,
    parts: Callable[[Any], Awaitable[Sequence[Part]]],
    work: Callable[[Any, Part], Awaitable[T]],
    *,
    workers: int,
    doing: str,
    timeout: float,
) -> list[T]:
    """Read parts of one result on several connections that see the same snapshot.

    The connection that exports the snapshot works on parts itself and takes others only if they are free now: reads
    that each hold one connection and wait for more would wait for each other.

    Parameters
    ----------
    database : Database
    parts : async callable
        Takes the first connection, and tells the parts.
    work : async callable
        Takes a connection and a part; its results are returned in the order of the parts.
    workers : int
        How many connections there may be in all.
    doing : str
    timeout : float
        Seconds for each statement.
    """

    async def coordinate(connection: Any) -> list[T]:
        exported = await connection.fetchval("select pg_export_snapshot()")
        todo = deque(enumerate(await parts(connection)))
        results: dict[int, T] = {}

        async def work_off(worker: Any) -> None:
            while todo:
                number, part = todo.popleft()
                results[number] = await work(worker, part)

        async def help_out(begun: asyncio.Event) -> None:
            try:
                async with database.transaction(doing=doing, timeout=timeout) as worker:
                    await worker.execute(f"set transaction snapshot '{exported}'")
                    begun.set()
                    await work_off(worker)
            except (ConnectionLostError, QueryError):
                if begun.is_set():
                    raise  # a part may be lost with it

        begun = [asyncio.Event() for _ in range(min(workers - 1, database.n_free, len(todo) - 1))]
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(help_out(event)) for event in begun]
                await work_off(connection)
                for helper, event in zip(helpers, begun, strict=True):
                    if not event.is_set():  # there is nothing left to do, and it may wait for long
                        helper.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        return [results[number] for number in sorted(results)]

    return await database.read(coordinate, doing=doing, timeout=timeout)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    return group
