"""What has just changed?  PostgreSQL tells whoever listens; a lost connection is replaced, and a gap says so."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
from pydantic import AwareDatetime, BaseModel, Field

from reviewlab import displays, jupyter, queries
from reviewlab.database import Database
from reviewlab.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    PoolTimeoutError,
    QueryTimeoutError,
    SchemaError,
)
from reviewlab.lending import lend
from reviewlab.transactions import CANCEL_GRACE, DRIVER_ERRORS, cut

HEARTBEAT = 10.0
"""Seconds without news after which the connection is asked whether it still lives: a dead one says nothing."""

PATIENCE = 5.0
"""Seconds to wait for its answer."""

PAUSES = 0.1, 10.0
"""Seconds from one try to connect to the next: the first, and the longest."""

_PROBE_PATIENCE = 2.0
_PASSING = (ConnectError, ConnectionLostError, PoolTimeoutError, QueryTimeoutError)
_ALL_TRIGGERS = 4
_log = logging.getLogger(__name__)


class Change(BaseModel, frozen=True):
    """What a statement did to the table, or what the watch itself has to say.

    Attributes
    ----------
    operation : str
        "insert", "update", "delete" with the `ids`; "bulk" for any of them that changed more than 100 reviews;
        "truncate"; "gap" after the connection was lost: what changed meanwhile is not told, so read again; "overflow"
        for what was dropped because nobody took it in time.
    ids : tuple of UUID
        Which reviews; empty where there are too many, or none are known.
    count : int or None
        How many reviews, for "overflow" how many changes; None where it is not known.
    moment : datetime
        When the statement ran, by the server's clock; of a gap or overflow, when it was told; in UTC.
    """

    operation: Literal["insert", "update", "delete", "truncate", "bulk", "gap", "overflow"]
    ids: tuple[UUID, ...] = ()
    count: int | None = None
    moment: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))

    def __repr__(self) -> str:
        return f"<Change: {', '.join(value for _, value in self._rows())}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return displays.table("Change", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        some = " ".join(map(str, self.ids[:3])) + (" …" if len(self.ids) > 3 else "")
        n = "not known" if self.count is None else f"{self.count:,}"
        return [
            ("operation", self.operation),
            ("n", n),
            ("ids", some or "none"),
            ("moment", f"{self.moment:%d %b %Y %H:%M:%S %Z}"),
        ]


class Changes(AsyncIterator[Change]):
    """The changes that nobody has taken yet, oldest first; waiting for the next one may be given up at any time."""

    def __init__(self, size: int) -> None:
        self.listening = asyncio.get_running_loop().create_future()
        self._waiting: asyncio.Queue[Change | None] = asyncio.Queue(size)
        self._n_dropped = 0
        self._error: BaseException | None = None

    def hear(self, _: Any, __: int, ___: str, payload: str) -> None:
        """Take a notification; one that is not of our trigger says nothing."""
        with contextlib.suppress(ValueError):
            self._put(Change.model_validate_json(payload))

    def begin(self) -> None:
        """From now on nothing is missed; whoever listened before has missed something."""
        if self.listening.done():
            self._put(Change(operation="gap"))
        else:
            self.listening.set_result(None)

    def end(self, keeper: "asyncio.Task[None]") -> None:
        """Nothing more will come."""
        self._error = None if keeper.cancelled() else keeper.exception()
        self._put(None)

    async def __anext__(self) -> Change:
        if self._n_dropped:
            n, self._n_dropped = self._n_dropped, 0
            return Change(operation="overflow", count=n)
        change = await jupyter.promptly(self._waiting.get())
        if change is None:
            self._put(None)  # for whoever asks again
            raise self._error or StopAsyncIteration
        return change

    def _put(self, change: Change | None) -> None:
        if self._waiting.full():
            self._waiting.get_nowait()
            self._n_dropped += 1
        self._waiting.put_nowait(change)


@asynccontextmanager
async def watch(database: Database, *, queue_size: int = 1000) -> AsyncIterator[Changes]:
    """Listen on a connection of its own, and hand over the changes; leaving closes it.

    Parameters
    ----------
    database : Database
    queue_size : int
        How many changes wait to be taken; beyond that the oldest give way.

    Raises
    ------
    SchemaError
        If there is no table, or it does not announce its changes: sql/schema/notify.sql is missing.
    ConfigError
        If a transaction pooler or a standby stands there, over which no notification comes.

    Source: sql/announced.sql
    """
    changes = Changes(queries.whole_number(queue_size, name="queue_size", least=1))
    keeper = asyncio.create_task(_keep(database, changes))
    keeper.add_done_callback(changes.end)
    try:
        await asyncio.wait({keeper, changes.listening}, return_when=asyncio.FIRST_COMPLETED)
        if keeper.done():
            await keeper
        yield changes
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})


async def _keep(database: Database, changes: Changes) -> None:
    """Listen until cancelled; what passes is waited out, once the first connection was made."""
    loop, (shortest, longest) = asyncio.get_running_loop(), PAUSES
    pause = shortest
    while True:
        began = loop.time()
        try:
            await _listen(database, changes)
        except _PASSING as error:
            if not changes.listening.done():
                raise
            _log.warning("the watch has no connection: %s", error)
        pause = shortest if loop.time() - began > longest else min(2 * pause, longest)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - not all labs at once


async def _listen(database: Database, changes: Changes) -> None:
    """Listen until the connection is lost."""
    if database.pooler:
        raise _pooled()
    channel = await database.read(_channel, doing="sql/announced.sql")
    async with lend(database, "watch") as connection:
        try:
            await _hear(database, connection, channel, changes)
        finally:
            with contextlib.suppress(*DRIVER_ERRORS):  # soon, also where the network is dead
                async with asyncio.timeout(CANCEL_GRACE):
                    await connection.close(timeout=CANCEL_GRACE)


async def _hear(database: Database, connection: asyncpg.Connection, channel: str, changes: Changes) -> None:
    lost = asyncio.get_running_loop().create_future()
    connection.add_termination_listener(lambda _: lost.set_result(None))
    if await connection.fetchval("select pg_backend_pid()") != connection.get_server_pid():
        await _probe(database, connection)  # something stands between
    await connection.add_listener(channel, changes.hear)
    changes.begin()
    while not (await asyncio.wait({lost}, timeout=HEARTBEAT))[0]:
        await _ask_whether_alive(connection)


async def _channel(connection: Any) -> str:
    found = await connection.fetchrow(queries.load("announced").numbered)
    if found["channel"] is None:
        raise SchemaError(
            "there is no table reviews on the search path: run `reviewlab init --notify`, or set db_schema"
        )
    if found["in_recovery"]:
        raise ConfigError("a standby takes no LISTEN: connect to the primary server to watch")
    if found["triggers"] < _ALL_TRIGGERS:
        raise SchemaError("the table reviews does not announce its changes: its owner runs `reviewlab init --notify`")
    return str(found["channel"])


async def _probe(database: Database, connection: asyncpg.Connection) -> None:
    """Have another connection send something: a pooler of sessions passes it on, one of transactions does not."""
    heard = asyncio.Event()
    channel = f"reviewlab_probe_{random.getrandbits(64):x}"

    async def send(other: Any) -> None:
        await other.execute(f"select pg_notify('{channel}', '')")

    await connection.add_listener(channel, lambda *_: heard.set())
    await database.read(send, doing="watch")
    try:
        async with asyncio.timeout(_PROBE_PATIENCE):
            await heard.wait()
    except TimeoutError:
        raise _pooled() from None
    await connection.execute(f"unlisten {channel}")


async def _ask_whether_alive(connection: asyncpg.Connection) -> None:
    try:
        await connection.execute("select 1", timeout=PATIENCE)
    except TimeoutError:
        cut(connection)  # closing in order would wait as long again
        raise


def _pooled() -> ConfigError:
    return ConfigError(
        "no notification comes over a transaction pooler: connect past it, to PostgreSQL itself, to watch"
    )
