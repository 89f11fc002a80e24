"""How do many reviews get into the table?  Whole, or not at all."""

import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import asyncpg
import pandas as pd
import pyarrow as pa

from reviewlab import files, frames, queries, storable
from reviewlab.database import READ_WRITE, Database, Reader
from reviewlab.errors import ConfigError, QueryError, ReviewDataError
from reviewlab.files import ROWS_AT_ONCE, Pieces
from reviewlab.models import ReviewModel
from reviewlab.receiver import in_thread
from reviewlab.settings import Settings
from reviewlab.translation import forget

NO_LIMIT = 1e9
TABLE, STAGING = {"table_name": "reviews"}, {"schema_name": "pg_temp", "table_name": "new_reviews"}
OnConflict = Literal["error", "skip", "update"]
Progress = Callable[[int, float], None]
"""Told how many rows were sent so far, and which share of the whole that is, 0 to 1."""

Source: TypeAlias = Iterable[ReviewModel] | pd.DataFrame | pa.Table | str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Unshown:
    """Reviews on their way: a traceback shows the locals of its frames, and a DataFrame there its texts."""

    reviews: Source = field(repr=False)


_Numbered = Iterator[tuple[pa.Table, int, float]]


async def load_reviews(
    database: Database,
    reviews: Source | Unshown,
    *,
    on_conflict: OnConflict = "error",
    progress: Progress | None = None,
    within: Reader | None = None,
) -> int:
    """Write reviews into the table by COPY: all of them, or none.

    Parameters
    ----------
    database : Database
    reviews : iterable of ReviewModel, DataFrame, pyarrow.Table or path
        A frame or a file has the columns review_id, public_review, rating, submitted_at, the last one naive, and
        perhaps private_review; a file is ``.csv``, ``.csv.gz`` or ``.parquet``, and is read piece by piece.
    on_conflict : {"error", "skip", "update"}
        What to do about a review_id that is there already.  Within the input, "skip" takes the first review of an
        id, and "update" the last; "update" changes all columns that the input has, so a private_review that is
        unset stays as it is in the table.  Both need the right to create temporary tables.
    progress : callable, optional
        With "skip" and "update" the table is written when all rows were sent.
    within : Transaction, optional
        What runs it, instead of a transaction of its own.

    Returns
    -------
    int
        How many reviews were written: added or, with "update", changed; not those that were skipped.

    Raises
    ------
    ReviewDataError
        If a value cannot be stored, or a review_id is there already: names row (of a CSV file the line) and column,
        not the value.

    Source: sql/schema/staging.sql, sql/merge_skip.sql, sql/merge_update.sql, sql/merge_update_private.sql,
    sql/merge_update_unread.sql, sql/schema/staging_index.sql, sql/server.sql
    """
    if on_conflict not in get_args(OnConflict):
        raise ValueError(f"no on_conflict {on_conflict!r}; there are {', '.join(get_args(OnConflict))}")
    source = reviews if isinstance(reviews, Unshown) else Unshown(reviews)
    del reviews
    path = _path(source)

    try:
        pieces = await in_thread(_pieces, source, database.settings, on_conflict)

        async def work(connection: Any) -> int:
            with closing(pieces):
                return await _write(connection, pieces, on_conflict, progress)

        async with nullcontext() if path is None else files.naming(path):
            if within is not None:
                return await within.read(work, doing="loading reviews")
            async with database.transaction(doing="loading reviews", timeout=0, begin=READ_WRITE) as connection:
                return await work(connection)
    except ReviewDataError as error:
        forget(error)
        raise


def _path(source: Unshown) -> Path | None:
    return Path(source.reviews) if isinstance(source.reviews, (str, os.PathLike)) else None


def _pieces(source: Unshown, settings: Settings, on_conflict: OnConflict) -> Pieces:
    reviews: Any = source.reviews
    if isinstance(reviews, (str, os.PathLike)):
        return files.read(Path(reviews), settings=settings)
    if isinstance(reviews, (pd.DataFrame, pa.Table)):
        return _slices([storable.check_table(reviews, settings=settings)])
    return _slices(storable.check_models(reviews, settings=settings, last_wins=on_conflict == "update"))


def _slices(tables: list[pa.Table]) -> Pieces:
    total, n = sum(table.num_rows for table in tables), 0
    for table in tables:
        for at in range(0, table.num_rows, ROWS_AT_ONCE):
            piece = table.slice(at, ROWS_AT_ONCE)
            n += piece.num_rows
            yield piece, n / total


async def _write(connection: Any, pieces: Pieces, on_conflict: OnConflict, progress: Progress | None) -> int:
    n_written = 0
    # those without private texts are written by another statement
    groups = itertools.groupby(_numbered(pieces), key=lambda piece: piece[0].schema)
    while (group := await in_thread(next, groups, None)) is not None:
        schema, some = group
        if on_conflict == "error":
            n_written += await _copy(connection, TABLE, schema, some, progress)
        else:
            await _stage(connection, on_conflict)
            await _copy(connection, STAGING, schema, some, progress)
            n_written += await _merge(connection, on_conflict, private=storable.PRIVATE in schema.names)
    return n_written


def _numbered(pieces: Pieces) -> _Numbered:
    n = 0
    for table, share in pieces:
        n += table.num_rows
        yield table, n, share


async def _stage(connection: Any, on_conflict: str) -> None:
    try:
        await connection.execute(queries.script("staging"))
    except asyncpg.InsufficientPrivilegeError:
        pass
    else:
        return
    raise QueryError(
        f"on_conflict={on_conflict!r} needs a temporary table, and the role may not make one: "
        "`grant temporary on database … to …` lets it, or use on_conflict='error'",
        sqlstate="42501",
    )


async def _merge(connection: Any, on_conflict: str, *, private: bool) -> int:
    name = "merge_skip" if on_conflict == "skip" else "merge_update_private" if private else "merge_update"
    if name == "merge_update_private":
        server = await frames.receive_row(connection, queries.load("server"), {})
        if not server["reads_private"]:
            name = "merge_update_unread"
            await connection.execute(queries.script("staging_index"), timeout=NO_LIMIT)
    status = await connection.execute(queries.load(name).numbered, timeout=NO_LIMIT)
    return int(status.split()[-1])


async def _copy(
    connection: Any, table: dict[str, str], schema: pa.Schema, pieces: _Numbered, progress: Progress | None
) -> int:
    status = await connection.copy_to_table(
        **table, source=_encode(schema, pieces, progress), columns=schema.names, format="binary", timeout=NO_LIMIT
    )
    return int(status.split()[-1])


async def _encode(schema: pa.Schema, pieces: _Numbered, progress: Progress | None) -> AsyncIterator[bytes]:
    try:
        from pgpq import ArrowToPostgresBinaryEncoder
    except ImportError:
        raise ConfigError("loading reviews needs a package: pip install 'reviewlab[load]'") from None
    encoder = ArrowToPostgresBinaryEncoder(schema)
    yield encoder.write_header()
    while (piece := await in_thread(next, pieces, None)) is not None:
        table, n_sent, share = piece
        yield await in_thread(_encode_rows, encoder, table)
        if progress is not None:
            progress(n_sent, share)
    yield encoder.finish()


def _encode_rows(encoder: Any, table: pa.Table) -> bytes:
    return b"".join(encoder.write_batch(batch) for batch in table.to_batches())
