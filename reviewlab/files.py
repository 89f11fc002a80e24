"""Which reviews does a CSV or Parquet file hold?  Read piece by piece, in little memory."""

import csv
import gzip
import io
import os
import re
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from reviewlab.errors import ReviewDataError
from reviewlab.receiver import in_thread
from reviewlab.settings import Settings
from reviewlab.storable import SCHEMA, check_names, check_table

Pieces = Generator[tuple[pa.Table, float], None, None]
"""Some rows that were checked, and which share of the whole has come with them, 0 to 1."""

ROWS_AT_ONCE = 20_000
BLOCK_SIZE = 8 << 20


def read(file: Path, *, settings: Settings) -> Pieces:
    """Look at the columns of a ``.parquet`` file, else of a CSV file, and read its rows as they are asked for.

    The header of a CSV file names the columns, in any order; private_review may be left out.  ``""`` is an empty
    text, nothing between two commas is NULL.  A ``.gz`` is compressed.

    Raises
    ------
    ReviewDataError
        If it cannot be read or has other columns, or later, with the number of a row, if that cannot be stored.
    """
    if file.suffix == ".parquet":
        return _read_parquet(file, settings)
    _check_header(file)
    return _read_csv(file, settings)


@asynccontextmanager
async def naming(file: Path) -> AsyncIterator[None]:
    """Say, in an error about a row, which file it is of; and of a CSV file the line, not the row."""
    try:
        yield
    except ReviewDataError as error:
        wrong = error
    else:
        return
    place, reason = file.name, str(wrong)
    if wrong.row is not None and file.suffix != ".parquet":
        place = f"{file.name}, line {await in_thread(_line_of, file, wrong.row)}"
        reason = reason.partition(": ")[2]
    raise ReviewDataError(f"{place}: {reason}", row=wrong.row, column=wrong.column)


def _read_parquet(file: Path, settings: Settings) -> Pieces:
    from pyarrow import parquet

    _open(file).close()  # says better why it cannot be read
    try:
        source = parquet.ParquetFile(file)
    except (pa.ArrowInvalid, OSError):
        raise ReviewDataError(f"{file.name} is not a Parquet file, or not a whole one") from None
    check_names(source.schema_arrow.names, of=file.name)
    return _parquet_rows(source, settings)


def _parquet_rows(source: Any, settings: Settings) -> Pieces:
    n_rows = 0
    with source:
        try:
            for batch in source.iter_batches(ROWS_AT_ONCE):
                yield _check(batch, n_rows, settings), (n_rows + batch.num_rows) / source.metadata.num_rows
                n_rows += batch.num_rows
        except (pa.ArrowInvalid, OSError):
            raise ReviewDataError("it cannot be read to its end; is it whole?") from None


def _check(batch: pa.RecordBatch, n_before: int, settings: Settings) -> pa.Table:
    """Check some rows; the number in an error's row is that of the file."""
    try:
        return check_table(pa.Table.from_batches([batch]), settings=settings)
    except ReviewDataError as error:
        if error.row is None:
            raise
        row, reason = n_before + error.row, str(error).partition(": ")[2]
        raise ReviewDataError(f"row {row}: {reason}", row=row, column=error.column) from None


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
    if not header:
        raise ReviewDataError(f"{file.name} is empty; needed is a header with {', '.join(SCHEMA.names)}")
    check_names(header, of=file.name)


def _read_csv(file: Path, settings: Settings) -> Pieces:
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
                yield _check(batch, n_rows, settings), min(raw.tell() / size, 1.0)
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
