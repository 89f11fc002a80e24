"""The analyst's face: each helper answers one question with a DataFrame."""

import asyncio
import html
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd

from reviewlab import buckets, frames, grids, jupyter, memory, queries, selection, streams
from reviewlab.database import Database, Reader
from reviewlab.facts import Facts
from reviewlab.progress import showing
from reviewlab.receiver import Meter
from reviewlab.repo import ReviewsRepo
from reviewlab.server import Server
from reviewlab.snapshot import open_snapshot

Moment = str | date | datetime | pd.Timestamp
T = TypeVar("T")


class ReviewLab:
    """Reviews and rating aggregates as DataFrames; made by `connect` or `demo`.

    One rule of time for every helper: ``submitted_at`` has no zone.  With ``tz=None`` frames are naive, exactly as
    stored; with ``tz="Europe/Berlin"`` the stored clock (setting ``stored_tz``) is converted, and frames are aware.
    ``since`` and ``until`` are half-open and take a str, a date, a datetime or a Timestamp; naive ones are in *tz*
    where that is given.
    """

    def __init__(
        self, database: Database, facts: Facts, *, reader: Reader | None = None, server: Server | None = None
    ) -> None:
        self.settings = database.settings
        self._database = database
        self._reader: Reader = reader or database
        self.facts = facts
        self._scale = facts.scale
        self._server = server

    async def reviews(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        columns: Sequence[str] | None = None,
        sample: float | None = None,
        seed: int = 1,
        limit: int | None = None,
        order_by: str | None = None,
        include_private: bool = False,
        tz: str | None = None,
        parallel: int | None = None,
        max_bytes: int | None = None,
        progress: bool | None = None,
    ) -> pd.DataFrame:
        """Bring reviews into a DataFrame, one row each.

        Parameters
        ----------
        since, until : str, date, datetime or Timestamp, optional
            Half-open range of ``submitted_at``.
        ratings : iterable of int, optional
            Only these ratings.
        text : str, optional
            Only reviews whose public text contains this, ignoring case.
        columns : sequence of str, optional
            Only these columns, in this order.
        sample : float, optional
            A random share of the table, such as 0.01; each review is chosen by itself.
        seed : int
            The same seed chooses the same reviews of an unchanged table.
        limit : int, optional
            At most so many; the newest ones unless *order_by* says otherwise.
        order_by : str, optional
            ``submitted_at``, ``rating`` or ``review_id``, each also with `` desc``; else the order is unspecified.
        include_private : bool
            True to read ``private_review`` too: personal data, so it is asked for each time.
        tz : str, optional
            A time zone for ``submitted_at``.
        parallel : int, optional
            How many connections to read on, all seeing one moment; left out, by size.  One where there is an order,
            a limit or a sample.
        max_bytes : int, optional
            More is refused; left out, half of the memory that is free.
        progress : bool, optional
            True or False to show rows and bytes while reading, or not; left out, in JupyterLab and in a terminal.

        Returns
        -------
        DataFrame, RangeIndex:

            review_id       str             canonical text of the uuid
            public_review   str
            private_review  str             missing where there is none; only with *include_private*
            rating          int32
            submitted_at    datetime64[us]  naive, or aware in *tz*; NaT for infinite times

        Raises
        ------
        ValueError
            If *since* is not before *until*, or an argument is none of the known ones.
        ResultTooLargeError
            If the result does not fit *max_bytes*; nothing is kept of it.

        Source: sql/reviews.sql, sql/reviews_private.sql, sql/reviews_sample.sql, sql/reviews_sample_private.sql
        """
        wanted = self._select(
            since, until, ratings, text, tz,
            columns=columns, include_private=include_private, sample=sample, seed=seed, limit=limit, order_by=order_by,
        )  # fmt: skip
        allowed = memory.allowed_bytes(max_bytes)
        selection.check_size(wanted, self.facts, allowed)
        workers = selection.how_many_workers(wanted, self.facts, parallel, self.settings.max_connections)
        with showing(progress, total=self.facts.n_estimated if wanted.whole_table else None) as tell:
            result = await self._await(
                selection.read(
                    self._reader,
                    wanted,
                    self.facts,
                    workers=workers,
                    timeout=self.settings.bulk_timeout,
                    meter=Meter(allowed, tell),
                )
            )
        return self._localize(await frames.frame_of(result, nullable=False), "submitted_at", tz)

    @asynccontextmanager
    async def stream(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        columns: Sequence[str] | None = None,
        sample: float | None = None,
        seed: int = 1,
        limit: int | None = None,
        order_by: str | None = None,
        include_private: bool = False,
        tz: str | None = None,
        batch_rows: int = 50_000,
    ) -> AsyncIterator[AsyncIterator[pd.DataFrame]]:
        """Go through reviews of any number in little memory, batch by batch.

        ::

            async with lab.stream(since="2026-01-01") as batches:
                async for batch in batches:
                    ...

        Leaving early gives the connection back.  The arguments are those of `reviews`; the batches are frames as it
        returns them, of at most *batch_rows* rows and some 4 MB.

        Raises
        ------
        ConnectionLostError
            If the connection is lost after the first batch; ``rows_delivered`` says how many rows had come.
        """
        wanted = self._select(
            since, until, ratings, text, tz,
            columns=columns, include_private=include_private, sample=sample, seed=seed, limit=limit, order_by=order_by,
        )  # fmt: skip
        async with self._open_stream(wanted, queries.whole_number(batch_rows, name="batch_rows", least=1)) as batches:

            async def framed() -> AsyncGenerator[pd.DataFrame, None]:
                async for table, result in batches:
                    yield self._localize(frames.to_frame(table, result, nullable=False), "submitted_at", tz)

            async with aclosing(framed()) as iterator:
                yield iterator

    async def export_parquet(
        self,
        path: str | os.PathLike[str],
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        columns: Sequence[str] | None = None,
        sample: float | None = None,
        seed: int = 1,
        limit: int | None = None,
        order_by: str | None = None,
        include_private: bool = False,
        progress: bool | None = None,
    ) -> int:
        """Write reviews to a Parquet file, in little memory; the arguments are those of `reviews`.

        Times are naive, as stored.  The file appears only when it is whole, and replaces an older one.

        Returns
        -------
        int
            How many reviews were written.

        Raises
        ------
        ConfigError
            If the file cannot be written.
        """
        wanted = self._select(
            since, until, ratings, text, None,
            columns=columns, include_private=include_private, sample=sample, seed=seed, limit=limit, order_by=order_by,
        )  # fmt: skip
        with showing(progress, total=self.facts.n_estimated if wanted.whole_table else None) as tell:
            async with self._open_stream(wanted, streams.ROW_GROUP, Meter(progress=tell)) as batches:
                return await self._await(streams.write_parquet(batches, path))

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

    async def count(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        tz: str | None = None,
    ) -> int:
        """Count reviews; the arguments are those of `reviews`.

        Source: sql/count.sql
        """
        values = selection.filters(*self._range(since, until, tz), ratings, text)
        row = await self._await(frames.fetch_row(self._reader, queries.load("count"), values))
        return int(row["n"])

    async def extent(self, *, tz: str | None = None) -> pd.Series:
        """Describe the whole table.

        Returns
        -------
        Series of object:

            first, last       Timestamp  of submitted_at, infinite ones left out; NaT for an empty table
            n                 int        reviews
            ratings           tuple      lowest and highest; None for an empty table
            scale             tuple      lowest and highest possible rating
            n_infinite        int        reviews whose submitted_at is infinite
            as_of             Timestamp  the server's clock

        Times are naive on the stored clock, or aware in *tz*.

        Source: sql/extent.sql
        """
        row = await self._await(
            frames.fetch_row(self._reader, queries.load("extent"), {"stored_tz": self.settings.stored_tz})
        )
        moments = pd.Series([row["first"], row["last"], row["as_of"]], dtype="datetime64[us]")
        if tz is not None:
            moments = buckets.localize(moments, tz=tz, stored_tz=self.settings.stored_tz)
        seen = None if row["rating_lowest"] is None else (row["rating_lowest"], row["rating_highest"])
        return pd.Series(
            {
                "first": moments[0],
                "last": moments[1],
                "n": row["n"],
                "ratings": seen,
                "scale": self.settings.scale or (buckets.pick_scale(*seen) if seen else None),
                "n_infinite": row["n_infinite"],
                "as_of": moments[2],
            },
            name="extent",
            dtype=object,
        )

    async def rating_counts(
        self,
        every: str = "week",
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        tz: str | None = None,
        week_start: str = "mon",
        scale: tuple[int, int] | None = None,
        edges: Sequence[Moment] | None = None,
        texts: bool = False,
        include_private: bool = False,
        max_buckets: int = 5000,
    ) -> pd.DataFrame:
        """Count reviews per period and rating, oldest period first; empty periods count 0.

        Parameters
        ----------
        every : str
            ``hour``, ``day``, ``week``, ``month``, ``quarter`` or ``year``, also with a number: ``15 minutes``,
            ``2 weeks``.
        since, until : str, date, datetime or Timestamp, optional
            Half-open range; left out, from the first review to the last.
        tz : str, optional
            The zone whose midnights begin the days.
        week_start : str
            ``mon`` to ``sun``.
        scale : (int, int), optional
            Lowest and highest possible rating; else the setting, else what the table's ratings fit in.
        edges : sequence, optional
            Periods of your own, such as release dates, instead of *every*, *since* and *until*.
        texts : bool
            True to count also how many have a public text, which takes reading the texts.
        include_private : bool
            True to count also how many have texts, public and private.
        max_buckets : int
            More periods than this are refused.

        Returns
        -------
        DataFrame, one row per period and rating, RangeIndex:

            bucket      datetime64[us]  first moment of the period; naive, or aware in *tz*
            bucket_end  datetime64[us]  first moment of the next one
            complete    bool            False while the period is still open, or cut by *since* or *until*
            rating      int64           each point of the scale; one outside it where it occurs
            in_scale    bool            False for a rating outside the scale
            n           int64           reviews, 0 or more
            n_public    int64           of those, with more than white space; only if asked for
            n_private   int64           the same of private texts; only if asked for

        Raises
        ------
        ValueError
            If *since* is not before *until*, there would be more than *max_buckets* periods, or *edges* come with a
            range.

        Source: sql/range.sql, sql/rating_counts.sql, sql/text_counts.sql, sql/text_counts_private.sql
        """
        if edges is not None and (since is not None or until is not None):
            raise ValueError("edges have a beginning and an end of their own: leave out since and until")
        limits = await self._find_scale(scale)
        stored_tz = self.settings.stored_tz
        name = "text_counts_private" if include_private else "text_counts" if texts else "rating_counts"
        begin, end = self._range(since, until, tz)

        async def work(connection: Any) -> tuple[buckets.Buckets, pd.DataFrame]:
            span = await frames.receive_row(connection, queries.load("range"), {"stored_tz": stored_tz})
            if edges is not None:
                made = buckets.own_edges(edges, tz=tz, stored_tz=stored_tz, as_of=span["as_of"])
            else:
                made = buckets.make_buckets(
                    every,
                    begin or span["first"],
                    end or span["last"],
                    tz=tz,
                    stored_tz=stored_tz,
                    week_start=week_start,
                    as_of=span["as_of"],
                    since_is_cut=begin is not None,
                    until_is_cut=end is not None,
                    max_buckets=max_buckets,
                )
            result = await frames.receive(connection, queries.load(name), {"edges": made.edges})
            return made, await frames.frame_of(result, nullable=False)

        made, counted = await self._await(self._reader.read(work, doing=f"sql/{name}.sql"))
        return grids.period_grid(counted, made, scale=limits)

    async def by_weekday_hour(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        tz: str | None = None,
        scale: tuple[int, int] | None = None,
    ) -> pd.DataFrame:
        """Count reviews per hour of the week and rating; hours without reviews count 0.

        Parameters
        ----------
        since, until : str, date, datetime or Timestamp, optional
            Half-open range of ``submitted_at``.
        tz : str, optional
            The zone whose clock tells weekday and hour; else the stored clock.
        scale : (int, int), optional
            As for `rating_counts`.

        Returns
        -------
        DataFrame, RangeIndex, 168 rows for each point of the scale:

            weekday   int64  1 for Monday to 7 for Sunday
            hour      int64  0 to 23; an hour that a clock shows twice in autumn holds the reviews of both
            rating    int64  each point of the scale; one outside it where it occurs
            in_scale  bool   False for a rating outside the scale
            n         int64  reviews, 0 or more

        Notes
        -----
        PostgreSQL converts the times: one that the stored clock showed twice is its second occurrence.

        Source: sql/by_weekday_hour.sql
        """
        begin, end = self._range(since, until, tz)
        clock = None if tz is None else buckets.zone(tz).key
        values = {"since": begin, "until": end, "stored_tz": self.settings.stored_tz, "tz": clock}
        limits = await self._find_scale(scale)
        return grids.week_grid(await self._count_groups("by_weekday_hour", values), scale=limits)

    async def by_text_length(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        tz: str | None = None,
        edges: Sequence[int] = (1, 20, 50, 100, 200, 500, 1000),
        scale: tuple[int, int] | None = None,
    ) -> pd.DataFrame:
        """Count reviews per length of the public text and rating; lengths without reviews count 0.

        Parameters
        ----------
        since, until : str, date, datetime or Timestamp, optional
            Half-open range of ``submitted_at``.
        tz : str, optional
            The zone of naive *since* and *until*.
        edges : sequence of int
            Characters at which the next group begins; white space at both ends of a text does not count.
        scale : (int, int), optional
            As for `rating_counts`.

        Returns
        -------
        DataFrame, RangeIndex, one row per length and rating:

            length_bin  category  ordered: ``empty``, ``1–19``, …, ``1000+``
            rating      int64     each point of the scale; one outside it where it occurs
            in_scale    bool      False for a rating outside the scale
            n           int64     reviews, 0 or more

        Raises
        ------
        ValueError
            If *edges* are no whole numbers from 0, or not sorted.

        Source: sql/by_text_length.sql
        """
        grids.length_names(edges)
        begin, end = self._range(since, until, tz)
        values = {"since": begin, "until": end, "edges": list(edges)}
        limits = await self._find_scale(scale)
        return grids.length_grid(await self._count_groups("by_text_length", values), edges, scale=limits)

    async def rating_summary(self, every: str = "week", **options: Any) -> pd.DataFrame:
        """Summarize ratings per period: `reviewlab.ratings.summarize` of `rating_counts`, same arguments.

        Source: sql/rating_counts.sql
        """
        from reviewlab import ratings

        summary: pd.DataFrame = ratings.summarize(await self.rating_counts(every, **options))
        return summary

    async def sql(
        self,
        query: str,
        /,
        *,
        params: Mapping[str, Any] | None = None,
        decimal: frames.Decimals = "float",
        max_bytes: int | None = None,
        timeout: float | None = None,
        progress: bool | None = None,
        **named: Any,
    ) -> pd.DataFrame:
        """Run one reading statement; values stand in it as ``:name`` and are passed by name.

        Parameters
        ----------
        query : str
            One statement that reads: SELECT, WITH, VALUES, TABLE, EXPLAIN, SHOW.
        params : mapping, optional
            Values whose names are no Python identifiers, or clash with an argument here.
        decimal : {"float", "exact"}
            Whether ``numeric`` becomes float64 or Decimal objects.
        max_bytes, progress
            As for `reviews`.
        timeout : float, optional
            Seconds; the setting ``bulk_timeout`` if left out.

        Returns
        -------
        DataFrame
            Its dtypes depend on the statement's column types alone: Int16, Int32, Int64, boolean, float, str,
            datetime64[us] (dates too), datetime64[us, UTC]; time, bytea and exact decimals as objects, arrays as
            lists; everything else as str in PostgreSQL's text form.

        Raises
        ------
        ValueError
            If a value is missing or not used, or two columns have one name.
        ReadOnlyError
            If the statement writes.
        QueryError
            If PostgreSQL refuses it.
        """
        statement = queries.parse(query)
        values = {**(params or {}), **named}
        queries.check_names(statement, values)
        frames.check_reads(query)
        with showing(progress) as tell:
            return await self._await(
                frames.fetch(
                    self._reader,
                    statement,
                    values,
                    timeout=self.settings.bulk_timeout if timeout is None else timeout,
                    nullable=True,
                    decimal=decimal,
                    max_bytes=memory.allowed_bytes(max_bytes),
                    progress=tell,
                )
            )

    async def value(self, query: str, /, **named: Any) -> Any:
        """Return the first value of a reading statement; None if it is NULL or there is no row."""
        frame = await self.sql(query, **named)
        if frame.empty:
            return None
        first: Any = frame.iat[0, 0]
        if not isinstance(first, (list, dict)) and pd.isna(first):
            return None
        return first.item() if isinstance(first, np.generic) else first

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

    async def _await(self, work: Awaitable[T]) -> T:
        """Await so that a notebook's Stop ends it at once."""
        if jupyter.in_kernel() and not jupyter.make_interruptible():
            return await jupyter.interruptible(work)
        return await work

    async def _count_groups(self, name: str, values: Mapping[str, Any]) -> pd.DataFrame:
        work = frames.fetch(self._reader, queries.load(name), values, nullable=False)
        return await self._await(work)

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

    def _select(
        self,
        since: Moment | None,
        until: Moment | None,
        ratings: Iterable[int] | None,
        text: str | None,
        tz: str | None,
        **options: Any,
    ) -> selection.Selection:
        return selection.select_reviews(selection.filters(*self._range(since, until, tz), ratings, text), **options)

    def _open_stream(
        self, wanted: selection.Selection, batch_rows: int, meter: Meter | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        return streams.open_stream(
            self._reader,
            wanted.statement,
            wanted.values,
            batch_rows=batch_rows,
            timeout=self.settings.bulk_timeout,
            meter=meter,
        )

    def _localize(self, frame: pd.DataFrame, column: str, tz: str | None) -> pd.DataFrame:
        if tz is None or column not in frame:
            return frame
        return frame.assign(**{column: buckets.localize(frame[column], tz=tz, stored_tz=self.settings.stored_tz)})
