"""The analyst's face: each helper answers one question with a DataFrame."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from reviewlab import displays, live
from reviewlab.errors import ConfigError, ReviewLabError, WrongLoopError
from reviewlab.lab.aggregates import Aggregates
from reviewlab.lab.base import Moment
from reviewlab.lab.reads import Reads
from reviewlab.lending import lend_session, lend_transaction
from reviewlab.live import Change
from reviewlab.repo import ReviewsRepo
from reviewlab.snapshot import open_snapshot

if TYPE_CHECKING:
    from reviewlab.explore import Explorer

__all__ = ["Moment", "ReviewLab"]


class ReviewLab(Reads, Aggregates):
    """Reviews and rating aggregates as DataFrames; made by `connect` or `demo`.

    One rule of time for every helper: ``submitted_at`` has no zone.  With ``tz=None`` frames are naive, exactly as
    stored; with ``tz="Europe/Berlin"`` the stored clock (setting ``stored_tz``) is converted, and frames are aware.
    ``since`` and ``until`` are half-open and take a str, a date, a datetime or a Timestamp; naive ones are in *tz*
    where that is given.
    """

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["ReviewLab"]:
        """Let several helpers see one moment.

        ::

            async with lab.snapshot() as frozen:
                counts = await frozen.rating_counts("week")
                newest = await frozen.reviews(limit=10)

        It holds one connection, so it shall not stay open for long; reads take their turn on it.
        """
        async with open_snapshot(self._database) as reader:
            yield ReviewLab(self._database, replace(self.facts, scale=self._scale), reader=reader)

    @asynccontextmanager
    async def connection(self, *, transaction: bool = True) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection of asyncpg, for everything that asyncpg can; it is closed afterwards.

        ::

            async with lab.connection() as connection:
                async for record in connection.cursor("select rating from reviews"):
                    ...

        It is no connection of the pool, so whatever is changed of it harms nobody; there are at most
        ``max_connections`` at once, and the next waits for ``acquire_timeout``.  Its statements have the time limit
        ``statement_timeout``.  Within the block asyncpg's own errors are raised; what leaves it is translated.

        Parameters
        ----------
        transaction : bool
            True for one transaction around the block: READ ONLY and of one moment, or after ``connect(write=True)``
            one that is committed at the end, and rolled back on an error; ``connection.transaction()`` makes
            savepoints.  False for none, READ ONLY by default unless ``connect(write=True)``: each statement is its
            own then, which LISTEN, VACUUM and isolation levels of one's own need; not through a transaction pooler.

        Raises
        ------
        PoolTimeoutError
            If too many are lent already.
        """
        if self._reader is not self._database:
            raise ReviewLabError("a snapshot lends no connection: it would see another moment; ask the lab for it")
        lend = lend_transaction if transaction else lend_session
        async with lend(self._database) as connection:
            yield connection

    @asynccontextmanager
    async def watch(self, *, queue_size: int = 1000) -> AsyncIterator[AsyncIterator[Change]]:
        """Hear of changes of the table as they are committed, on a connection of its own.

        ::

            async with lab.watch() as changes:
                async for change in changes:
                    reviews = await lab.repo.find_reviews_by_ids(change.ids)

        A change names ids, never a text; more than 100 reviews of one statement are one "bulk" with a count.  After a
        lost connection comes a "gap", and where nobody takes the changes in time an "overflow": read again then.  The
        table's owner runs ``reviewlab init --notify`` once.

        Parameters
        ----------
        queue_size : int
            How many changes wait to be taken; beyond that the oldest give way.

        Raises
        ------
        SchemaError
            If the table does not announce its changes.
        ConfigError
            If a transaction pooler or a standby stands there, over which no notification comes.
        """
        if self._reader is not self._database:
            raise ReviewLabError("a snapshot does not change: watch on the lab itself")
        async with live.watch(self._database, queue_size=queue_size) as changes:
            yield changes

    async def explore(self) -> "Explorer":
        """Look around without writing code: a widget whose chart follows its controls, and which shows its code.

        Needs the extra ``jupyter``.
        """
        try:
            from reviewlab.explore import explore
        except ImportError as error:
            raise ConfigError(f"the explorer needs a package, {error.name}: pip install 'reviewlab[jupyter]'") from None
        return await self._await(explore(self))

    @property
    def repo(self) -> ReviewsRepo:
        """The program's face: reviews as models; writes after ``connect(write=True)``."""
        return ReviewsRepo(self._database, reader=self._reader)

    async def server_version(self) -> str:
        """Return the version of the server that answers now, such as ``18.6``."""

        async def work(connection: Any) -> str:
            return str(connection.get_settings().server_version).split()[0]

        return await self._await(self._reader.read(work, doing="server version"))

    async def pool_stats(self) -> dict[str, int]:
        """Return how many connections are ``open``, ``idle``, ``in_use``, and the ``most`` there may be."""
        return self._database.stats()

    async def close(self) -> None:
        """Wait for running statements, then disconnect; closing twice is harmless.  A demo's server goes with it."""
        await self._database.close()
        if self._server is not None:
            server, self._server = self._server, None
            await asyncio.to_thread(server.stop)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return displays.lines("ReviewLab", self._rows())

    def _repr_html_(self) -> str:
        return displays.table("ReviewLab", self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        try:
            stats = self._database.stats()
            pool = f"{stats['open']} of at most {stats['most']} connections open, {stats['in_use']} in use"
        except WrongLoopError:  # that of `reviewlab.run`, as a rule
            pool = f"at most {self.settings.max_connections} connections"
        except ReviewLabError as error:
            pool = str(error)
        return [*self.facts.rows(), ("pool", pool)]
