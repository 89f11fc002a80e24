"""How does a file or a DataFrame get into the table?  Whole, or not at all."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reviewlab.database import Database
from reviewlab.errors import ConfigError, ReviewDataError
from reviewlab.queries import REVIEW_COLUMNS

SCHEMA = pa.schema(
    [
        ("review_id", pa.large_string()),
        ("public_review", pa.large_string()),
        ("private_review", pa.large_string()),
        ("rating", pa.int32()),
        ("submitted_at", pa.timestamp("us")),
    ]
)
ROWS_AT_ONCE = 20_000
_UUID = r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
Progress = Callable[[int], None]


async def load_reviews(
    database: Database, reviews: pd.DataFrame | pa.Table, *, progress: Progress | None = None
) -> int:
    """Add reviews to the table by COPY: all of them, or none.

    Parameters
    ----------
    database : Database
    reviews : DataFrame or pyarrow.Table
        With the columns review_id, public_review, private_review, rating, submitted_at; the last one naive.
    progress : callable, optional
        Told how many rows were sent so far.

    Returns
    -------
    int
        How many rows were added.

    Raises
    ------
    ReviewDataError
        If a value cannot be stored, or a review_id is there already: names row and column, not the value.
    """
    table = to_arrow(reviews)
    async with database.transaction(doing="loading reviews", timeout=0, begin="begin") as connection:
        await connection.copy_to_table(
            "reviews", source=_encode(table, progress), columns=SCHEMA.names, format="binary", timeout=1e9
        )
    return int(table.num_rows)


def to_arrow(reviews: pd.DataFrame | pa.Table) -> pa.Table:
    """Check every value and return the columns of `SCHEMA`, or raise ReviewDataError."""
    if isinstance(reviews, pd.DataFrame):
        missing = [name for name in REVIEW_COLUMNS if name not in reviews.columns]
        if missing:
            raise ReviewDataError(f"the frame has no column {missing[0]}; needed are {', '.join(REVIEW_COLUMNS)}")
        reviews = pa.Table.from_pandas(reviews[list(REVIEW_COLUMNS)], preserve_index=False)
    columns = []
    for wanted in SCHEMA:
        try:
            columns.append(reviews[wanted.name].cast(wanted.type))
        except pa.ArrowInvalid:
            raise ReviewDataError(f"a value of {wanted.name} is no {wanted.type}", column=wanted.name) from None
    table = pa.table(columns, schema=SCHEMA)
    for name in SCHEMA.names:
        if name != "private_review":
            _refuse(pc.is_null(table[name]), name, "is missing")
    _refuse(pc.invert(pc.match_substring_regex(table["review_id"], _UUID)), "review_id", "is no UUID")
    for name in ("public_review", "private_review"):
        _refuse(pc.match_substring(table[name], "\0"), name, "holds a NUL character, which PostgreSQL cannot store")
    return table


def _refuse(wrong: pa.ChunkedArray, column: str, reason: str) -> None:
    row = pc.index(wrong.combine_chunks() if wrong.num_chunks != 1 else wrong.chunk(0), True).as_py()
    if row >= 0:
        raise ReviewDataError(f"row {row + 1}: {column} {reason}", row=row + 1, column=column)


async def _encode(table: pa.Table, progress: Progress | None) -> AsyncIterator[bytes]:
    try:
        from pgpq import ArrowToPostgresBinaryEncoder
    except ImportError:
        raise ConfigError("loading reviews needs a package: pip install 'reviewlab[load]'") from None
    wire = table.set_column(0, "review_id", _uuid_bytes(table["review_id"]))
    encoder = ArrowToPostgresBinaryEncoder(wire.schema)
    yield encoder.write_header()
    sent = 0
    for batch in wire.to_batches(max_chunksize=ROWS_AT_ONCE):
        yield encoder.write_batch(batch)
        sent += batch.num_rows
        if progress is not None:
            progress(sent)
    yield encoder.finish()


def _uuid_bytes(texts: pa.ChunkedArray) -> pa.Array:
    digits: Any = pc.replace_substring(texts, "-", "")
    joined = bytes.fromhex("".join(digits.to_pylist()))
    return pa.Array.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(joined)])
