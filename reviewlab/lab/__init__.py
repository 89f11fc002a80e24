"""The analyst's face: each helper answers one question with a DataFrame."""

import asyncio
import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from reviewlab.lab.aggregates import Aggregates
from reviewlab.lab.base import Moment
from reviewlab.lab.reads import Reads
from reviewlab.repo import ReviewsRepo
from reviewlab.snapshot import open_snapshot

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
        width = max(len(name) for name, _ in self.facts.rows())
        return "ReviewLab\n" + "\n".join(f"  {name:<{width}}  {value}" for name, value in self.facts.rows())

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self.facts.rows()
        )
        return f"<table><caption style='text-align:left'><b>ReviewLab</b></caption><tbody>{rows}</tbody></table>"
