"""How does one get a connection of asyncpg itself, under the rules of the lab, and who closes it?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from reviewlab.database import Database
from reviewlab.errors import ConfigError, ConnectionLostError, PoolTimeoutError
from reviewlab.transactions import DRIVER_ERRORS, READ_ONLY, READ_WRITE, session_preamble


@asynccontextmanager
async def lend_transaction(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of its own in a transaction of the right kind, committed at the end."""
    reading = not database.write

    @asynccontextmanager
    async def begun(doing: str, *, outcome: str) -> AsyncIterator[asyncpg.Connection]:
        async with lend(database, doing, outcome=outcome) as connection:
            # begun by the driver, whose own transactions are savepoints only within one that it knows
            isolation = "repeatable_read" if reading else None
            await connection.transaction(isolation=isolation, readonly=reading).start()
            yield connection

    begin = READ_ONLY if reading else READ_WRITE
    async with database.transaction(doing="connection", begin=begin, acquire=begun) as connection:
        yield connection


@asynccontextmanager
async def lend_session(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """Lend a connection of its own in no transaction, with the same limits for its whole session."""
    if database.pooler:
        raise ConfigError("a transaction pooler keeps no session: connect past it, or leave transaction=False out")
    try:
        async with lend(database, "connection") as connection:
            await connection.execute(session_preamble(database.settings, write=database.write))
            yield connection
    except ConnectionLostError as error:
        error.safe_to_retry = not database.write
        raise


@asynccontextmanager
async def lend(database: Database, doing: str, *, outcome: str = "") -> AsyncIterator[asyncpg.Connection]:
    """Open a connection as it is, translate what goes wrong with it, and close it; bounded in number and time."""
    limit = database.settings.acquire_timeout
    try:
        async with asyncio.timeout(limit):
            await database.apart.acquire()
    except TimeoutError:
        raise PoolTimeoutError(
            f"no connection could be lent within {limit:g} s; all of {database.settings.max_connections} are: "
            "leave their blocks, or raise max_connections"
        ) from None
    try:
        connection = await database.connect_apart(doing)
        database.lent.add(connection)
        try:
            with database.translating(doing, outcome):
                yield connection
        finally:
            database.lent.discard(connection)
            with contextlib.suppress(*DRIVER_ERRORS):  # it is cut then, and what was done is done
                await connection.close(timeout=database.settings.close_timeout)
    finally:
        database.apart.release()
