"""The reviews themselves, and the rows of any statement that reads."""

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, get_args

import numpy as np
import pandas as pd

from reviewlab import buckets, frames, memory, queries, selection, streams
from reviewlab.lab.base import Base, Moment
from reviewlab.progress import showing
from reviewlab.receiver import Meter

TOKENIZER = "sqlglot.dialects.postgres"


class Reads(Base):
    """Rows as DataFrames, at once or batch by batch."""

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
        returns them, of at most *batch_rows* rows and some 1 MB.

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
        if decimal not in get_args(frames.Decimals):
            raise ValueError(f"decimal is {' or '.join(get_args(frames.Decimals))}, not {decimal!r}")
        if TOKENIZER not in sys.modules:
            await asyncio.to_thread(importlib.import_module, TOKENIZER)  # 0.4 s
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
