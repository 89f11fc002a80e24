"""How does a file or a DataFrame get into the table?  Whole, or not at all."""

import csv
import gzip
import io
import os
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reviewlab.database import READ_WRITE, Database
from reviewlab.errors import ConfigError, ReviewDataError
from reviewlab.queries import REVIEW_COLUMNS
from reviewlab.receiver import in_thread

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
BLOCK_SIZE = 8 << 20
NO_LIMIT = 1e9
_UUID = r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
_KINDS = {"rating": "a whole number", "submitted_at": "a time such as 2026-01-31 12:00:00"}
Progress = Callable[[int, float], None]
"""Told how many rows were sent so far, and which share of the whole that is, 0 to 1."""


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

    Returns
    -------
    int
        How many rows were added.

    Raises
    ------
    ReviewDataError
        If a value cannot be stored, or a review_id is there already: names row and column, not the value.
    """
    return await _copy(database, _pieces(to_arrow(reviews)), progress)


async def send_reviews(connection: Any, table: pa.Table, *, progress: Progress | None = None) -> int:
    """Add the rows of `to_arrow` on a connection in a writing transaction, and return how many."""
    return await _send(connection, _pieces(table), progress)


async def load_csv(database: Database, path: str | os.PathLike[str], *, progress: Progress | None = None) -> int:
    """Add the reviews of a CSV file (``.csv``, or ``.csv.gz``) by COPY: all of them, or none; in little memory.

    The header names the five columns, in any order.  ``""`` is an empty text, nothing between two commas is NULL.

    Returns
    -------
    int
        How many rows were added.

    Raises
    ------
    ReviewDataError
        If the header has other columns, or a row cannot be stored: names line and column, not the value.
    """
    file = Path(path)
    _check_header(file)
    try:
        return await _copy(database, _read_csv(file), progress)
    except ReviewDataError as error:
        if error.row is None:
            raise ReviewDataError(f"{file.name}: {error}", column=error.column) from None
        line = await in_thread(_line_of, file, error.row)
        reason = str(error).partition(": ")[2]
        raise ReviewDataError(f"{file.name}, line {line}: {reason}", row=error.row, column=error.column) from None


def to_arrow(reviews: pd.DataFrame | pa.Table) -> pa.Table:
    """Check every value and return the columns of `SCHEMA`, or raise ReviewDataError."""
    if isinstance(reviews, pd.DataFrame):
        missing = [name for name in REVIEW_COLUMNS if name not in reviews.columns]
        if missing:
            raise ReviewDataError(f"the frame has no column {missing[0]}; needed are {', '.join(REVIEW_COLUMNS)}")
        reviews = pa.Table.from_pandas(reviews[list(REVIEW_COLUMNS)], preserve_index=False)
    table = pa.table([_cast(reviews[wanted.name], wanted) for wanted in SCHEMA], schema=SCHEMA)
    for name in SCHEMA.names:
        if name != "private_review":
            _refuse(pc.is_null(table[name]), name, "is missing")
    _refuse(pc.invert(pc.match_substring_regex(table["review_id"], _UUID)), "review_id", "is no UUID")
    for name in ("public_review", "private_review"):
        _refuse(pc.match_substring(table[name], "\0"), name, "holds a NUL character, which PostgreSQL cannot store")
    return table


def _pieces(table: pa.Table) -> Iterator[tuple[pa.Table, float]]:
    for at in range(0, table.num_rows, ROWS_AT_ONCE):
        yield table.slice(at, ROWS_AT_ONCE), (at + ROWS_AT_ONCE) / table.num_rows


async def _copy(database: Database, pieces: Iterable[tuple[pa.Table, float]], progress: Progress | None) -> int:
    async with database.transaction(doing="loading reviews", timeout=0, begin=READ_WRITE) as connection:
        return await _send(connection, pieces, progress)


async def _send(connection: Any, pieces: Iterable[tuple[pa.Table, float]], progress: Progress | None) -> int:
    status = await connection.copy_to_table(
        "reviews", source=_encode(pieces, progress), columns=SCHEMA.names, format="binary", timeout=NO_LIMIT
    )
    return int(status.split()[-1])


async def _encode(pieces: Iterable[tuple[pa.Table, float]], progress: Progress | None) -> AsyncIterator[bytes]:
    try:
        from pgpq import ArrowToPostgresBinaryEncoder
    except ImportError:
        raise ConfigError("loading reviews needs a package: pip install 'reviewlab[load]'") from None
    encoder = ArrowToPostgresBinaryEncoder(SCHEMA.set(0, pa.field("review_id", pa.binary(16))))
    yield encoder.write_header()
    iterator, sent = iter(pieces), 0
    while (piece := await in_thread(next, iterator, None)) is not None:
        table, share = piece
        yield await in_thread(_encode_rows, encoder, table)
        sent += table.num_rows
        if progress is not None:
            progress(sent, min(share, 1.0))
    yield encoder.finish()


def _encode_rows(encoder: Any, table: pa.Table) -> bytes:
    wire = table.set_column(0, "review_id", _uuid_bytes(table["review_id"]))
    return b"".join(encoder.write_batch(batch) for batch in wire.to_batches())


def _uuid_bytes(texts: pa.ChunkedArray) -> pa.Array:
    digits: Any = pc.replace_substring(texts, "-", "")
    joined = bytes.fromhex("".join(digits.to_pylist()))
    return pa.Array.from_buffers(pa.binary(16), len(texts), [None, pa.py_buffer(joined)])


def _cast(column: pa.ChunkedArray, wanted: pa.Field) -> pa.ChunkedArray:
    try:
        return column.cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        row = _first_row_that_fails(column, wanted.type)
        reason = f"is not {_KINDS.get(wanted.name, 'a text')}"
        raise ReviewDataError(f"row {row}: {wanted.name} {reason}", row=row, column=wanted.name) from None


def _first_row_that_fails(column: pa.ChunkedArray, wanted: pa.DataType) -> int:
    """Halve the column until one value is left; counted from 1."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(wanted)
            low = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
    return low + 1


def _refuse(wrong: pa.ChunkedArray, column: str, reason: str) -> None:
    row = pc.index(wrong, True).as_py()
    if row >= 0:
        raise ReviewDataError(f"row {row + 1}: {column} {reason}", row=row + 1, column=column)


def _open(file: Path) -> Any:
    try:
        return gzip.open(file) if file.suffix == ".gz" else file.open("rb")
    except OSError as error:
        raise ReviewDataError(f"{file} cannot be read: {error.strerror or 'not a file'}") from None


def _records(file: Path) -> Generator[tuple[int, list[str]], None, None]:
    """The records of a CSV file, each with the line that it begins in."""
    with _open(file) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="") as text:
        reader, line = csv.reader(text), 1
        for record in reader:
            yield line, record
            line = reader.line_num + 1


def _check_header(file: Path) -> None:
    try:
        with closing(_records(file)) as records:
            header = next(records, (1, []))[1]
    except (gzip.BadGzipFile, EOFError):
        raise ReviewDataError(f"{file.name} is called .gz and is not compressed by gzip") from None
    except OSError as error:
        raise ReviewDataError(f"{file} cannot be read: {error.strerror}") from None
    needed = ", ".join(REVIEW_COLUMNS)
    if not header:
        raise ReviewDataError(f"{file.name} is empty; needed is a header with {needed}")
    missing = [name for name in REVIEW_COLUMNS if name not in header]
    extra = [name for name in header if name not in REVIEW_COLUMNS]
    if missing or extra or len(header) > len(REVIEW_COLUMNS):
        what = f"has no column {missing[0]}" if missing else f"has a column {(extra or header)[0]!r} too many"
        raise ReviewDataError(f"{file.name} {what}; needed are {needed}")


def _read_csv(file: Path) -> Iterator[tuple[pa.Table, float]]:
    """Read a file piece by piece; the number in an error's row is that of the file."""
    from pyarrow import csv as arrow_csv

    with file.open("rb") as raw:
        size, n_rows = max(os.fstat(raw.fileno()).st_size, 1), 0
        stream = pa.CompressedInputStream(raw, "gzip") if file.suffix == ".gz" else pa.PythonFile(raw)
        try:
            reader = arrow_csv.open_csv(
                stream,
                read_options=arrow_csv.ReadOptions(block_size=BLOCK_SIZE, use_threads=False),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(SCHEMA.names, pa.large_string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            for batch in reader:
                try:
                    yield to_arrow(pa.Table.from_batches([batch])), raw.tell() / size
                except ReviewDataError as error:
                    row = n_rows + (error.row or 0)
                    raise ReviewDataError(
                        f"row {row}: {str(error).partition(': ')[2]}", row=row, column=error.column
                    ) from None
                n_rows += batch.num_rows
        except (pa.ArrowInvalid, OSError, EOFError) as error:
            raise _unreadable(error) from None


def _unreadable(error: Exception) -> ReviewDataError:
    """What is wrong with a file that is no CSV; pyarrow's own message shows the row."""
    if "UTF8" in str(error):
        return ReviewDataError("a text is not UTF-8; save the file in that encoding")
    columns = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", str(error))
    if columns:
        row = int(columns[1]) - 1 if columns[1] else None  # the header is a row too
        return ReviewDataError(f"row {row}: it has {columns[3]} values, needed are {columns[2]}", row=row)
    return ReviewDataError("it cannot be read to its end as CSV; is it whole, and are its quotes closed?")


def _line_of(file: Path, row: int) -> int:
    """The line in which a row begins; rows are counted from 1, without the header and empty lines."""
    n = -1
    for line, record in _records(file):
        n += bool(record)
        if n == row:
            return line
    return row + 1
