"""What every helper needs: the database, the range that was asked for, and a wait that a notebook's Stop ends."""

from collections.abc import Awaitable
from datetime import date, datetime
from typing import TypeVar

import pandas as pd

from reviewlab import buckets, frames, grids, jupyter, queries
from reviewlab.database import Database, Reader
from reviewlab.facts import Facts
from reviewlab.server import Server

Moment = str | date | datetime | pd.Timestamp
T = TypeVar("T")


class Base:
    """One database, read directly or as of one moment."""

    def __init__(
        self, database: Database, facts: Facts, *, reader: Reader | None = None, server: Server | None = None
    ) -> None:
        self.settings = database.settings
        self._database = database
        self._reader: Reader = reader or database
        self.facts = facts
        self._scale = facts.scale
        self._server = server

    async def _await(self, work: Awaitable[T]) -> T:
        """Await so that a notebook's Stop ends it at once."""
        return await jupyter.promptly(work)

    async def _find_scale(self, asked: tuple[int, int] | None) -> tuple[int, int]:
        if asked is not None:
            return grids.check_scale(asked)
        if self.settings.scale is not None:
            return self.settings.scale
        if self._scale is None:
            row = await frames.fetch_row(self._reader, queries.load("scale"), {})
            if row["lowest"] is None:
                return buckets.SCALES[0]
            self._scale = buckets.pick_scale(row["lowest"], row["highest"])
        return self._scale

    def _range(
        self, since: Moment | None, until: Moment | None, tz: str | None
    ) -> tuple[datetime | None, datetime | None]:
        begin = buckets.stored(since, tz=tz, stored_tz=self.settings.stored_tz, name="since")
        end = buckets.stored(until, tz=tz, stored_tz=self.settings.stored_tz, name="until")
        if begin is not None and end is not None and begin >= end:
            raise ValueError(f"since must be before until; they are {since} and {until}")
        return begin, end
