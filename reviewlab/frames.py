"""How does a statement become a DataFrame?  By COPY in binary; there is no other road."""

import asyncio
import re
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from asyncpg.protocol import NO_TIMEOUT

from reviewlab import arrays, wire
from reviewlab.database import CLIENT_GRACE, Reader
from reviewlab.errors import ConnectionLostError, QueryError, ReadOnlyError
from reviewlab.queries import Statement
from reviewlab.receiver import BLOCK_SIZE, Meter, Receiver, Result, in_thread
from reviewlab.transactions import abandoned

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
}
Decimals = Literal["float", "exact"]
_WRITES = frozenset(
    ("insert", "update", "delete", "merge", "truncate", "create", "drop", "alter", "copy", "call", "do", "grant")
)
_FIRST_WORD = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*([a-zA-Z]+)", re.DOTALL)


async def fetch(
    reader: Reader,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    timeout: float | None = None,
    nullable: bool = False,
    decimal: Decimals = "float",
    max_bytes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Run one reading statement and return its rows.

    Parameters
    ----------
    reader : Reader
    statement : Statement
    values : mapping
        A value for each of its parameters.
    timeout : float, optional
        Seconds for the statement.
    nullable : bool
        True for pandas' nullable integers and booleans; False for numpy's, where a column has no NULL.
    decimal : {"float", "exact"}
        Whether numeric becomes float64 or Decimal objects.
    max_bytes : int, optional
        ResultTooLargeError beyond this.
    progress : callable, optional
        Told rows and bytes so far.
    """

    async def work(connection: Any) -> Result:
        meter = Meter(max_bytes, progress)
        return await receive(connection, statement, values, timeout=timeout, decimal=decimal, meter=meter)

    try:
        result = await reader.read(work, doing=statement.doing, timeout=timeout)
    except QueryError as error:
        if error.sqlstate == "0A000" and first_word(statement.pieces[0]) == "with":
            raise ReadOnlyError(f"{error}; sql() only reads", sqlstate=error.sqlstate) from None
        raise mark_position(error, statement) from None
    return await frame_of(result, nullable=nullable)


async def fetch_row(reader: Reader, statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a statement of ``sql/`` that returns one row."""

    async def work(connection: Any) -> dict[str, Any]:
        return await receive_row(connection, statement, values)

    return await reader.read(work, doing=statement.doing)


async def receive_row(connection: Any, statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a statement of ``sql/`` that returns one row, on a connection in a transaction."""
    row = dict(await connection.fetchrow(statement.inlined(values)))
    if list(row) != [name for name, _ in statement.columns]:
        raise ConnectionLostError(f"{statement.doing}: the result arrived damaged; nothing was kept of it")
    return row


async def receive(
    connection: Any,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    timeout: float | None = None,
    decimal: Decimals = "float",
    meter: Meter | None = None,
    on_block: Callable[[Result], Awaitable[None]] | None = None,
    block_size: int = BLOCK_SIZE,
) -> Result:
    """Run a reading statement on a connection in a transaction; arguments as those of `fetch`.

    *on_block* is awaited whenever the result has grown; the socket waits meanwhile.
    """
    # the bare statement, prepared under no name: several statements are refused here, and types are learned
    prepared = await connection.prepare(statement.numbered, name="")
    attributes = prepared.get_attributes()
    types = [_quoted(kind) for kind in prepared.get_parameters()]
    # EXPLAIN learns the types of its parameters only when it runs
    text = statement.inlined(values, types or [""] * len(statement.names))
    names = [attribute.name for attribute in attributes]
    _check_distinct(names)
    if first_word(text) in ("explain", "show"):
        return await _receive_rows(connection, text, names)
    kinds = [wire.kind_of(attribute.type.name, decimal=decimal) for attribute in attributes]
    # texts last: in front of them every row has the same shape
    columns = sorted(zip(names, kinds, strict=True), key=lambda column: not column[1].value)
    # in our own statements what comes first has no nulls; in others it needs a marker, which costs the server a tenth
    result = Result(columns, names, marked=not (statement.columns and columns[0][1].value))
    grown = None if on_block is None else lambda: on_block(result)
    receiver = Receiver(result, meter, on_block=grown, block_size=block_size)
    async with asyncio.timeout(timeout + CLIENT_GRACE if timeout else None):
        try:
            status = await connection.copy_from_query(
                _arranged(text, result),
                output=receiver,
                format="binary",
                # asyncpg's own limit costs a task for every few rows, which is a sixth of the whole
                timeout=None if timeout is None else NO_TIMEOUT,
            )
        except asyncio.CancelledError as error:
            abandoned(connection, error)  # at once: others may await before the transaction ends
            raise
    await receiver.finish()
    if status != f"COPY {result.n_rows}":
        raise ConnectionLostError(f"{statement.doing}: the result arrived damaged; nothing was kept of it")
    return result


async def frame_of(result: Result, *, nullable: bool) -> pd.DataFrame:
    """Turn decoded columns into a DataFrame, beside the loop if they are large.  Warns of values lost."""
    warn_of_lost_values(result.beyond)
    if result.n_rows * max(len(result.columns), 1) < BLOCK_SIZE // 64:
        return to_frame(result.table(), result, nullable=nullable)
    frame: pd.DataFrame = await in_thread(lambda: to_frame(result.table(), result, nullable=nullable))
    return frame


def to_frame(table: pa.Table, result: Result, *, nullable: bool) -> pd.DataFrame:
    """Turn rows of a result into a DataFrame; the table is used up."""
    if not result.order:
        return pd.DataFrame(index=pd.RangeIndex(result.n_rows))
    objects = {
        name: arrays.to_objects(table[name], kind.objects) for name, kind in result.columns if kind.objects is not None
    }
    types = {pa.large_string(): TEXT} | (NULLABLE if nullable else {})
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get, split_blocks=True, self_destruct=True)
    return frame.assign(**objects) if objects else frame


def mark_position(error: QueryError, statement: Statement) -> QueryError:
    """Show in the message where in the user's statement PostgreSQL's complaint points."""
    if error.position is None or error.position > len(statement.numbered) or statement.columns:
        return error
    text, position = statement.named(error.position - 1)
    line_start = text.rfind("\n", 0, position) + 1
    line = text[line_start:].split("\n", 1)[0]
    number, column = text.count("\n", 0, position) + 1, position - line_start
    error.args = (f"{error.args[0]}, in line {number}:\n    {line}\n    {' ' * column}^",)
    error.position = position + 1
    return error


def check_reads(text: str) -> None:
    """Raise ReadOnlyError if a statement begins with a word that does not read."""
    word = first_word(text)
    if word in _WRITES:
        raise ReadOnlyError(
            f"sql() only reads, and the statement begins with {word.upper()}; programs write by lab.repo"
        )


def first_word(text: str) -> str:
    """The first word of a statement, in small letters; comments and parentheses before it are passed over."""
    match = _FIRST_WORD.match(text)
    return match[1].lower() if match else ""


def warn_of_lost_values(beyond: Mapping[str, int]) -> None:
    """Warn once of values that became missing or infinite because a column cannot hold them."""
    if beyond:
        lost = ", ".join(f"{n:,} in {name}" for name, n in beyond.items())
        warnings.warn(
            f"values that a column cannot hold (infinite or far times, huge numbers) became missing or inf: {lost}",
            stacklevel=2,
        )


async def _receive_rows(connection: Any, text: str, names: list[str]) -> Result:
    """EXPLAIN and SHOW cannot be copied: their few rows of text are fetched."""
    rows = await connection.fetch(text)
    columns = [(name, wire.kind_of("text")) for name in names]
    blocks = [[pa.array([str(row[at]) for row in rows], pa.large_string()) for at in range(len(names))]]
    return Result(columns, names, blocks=blocks if rows else [], n_rows=len(rows))


def _arranged(text: str, result: Result) -> str:
    """Select the columns in the order of the wire, those without a decoder in their text form."""
    place = {name: f"c{number}" for number, name in enumerate(result.order, start=1)}
    wanted = [f"{place[name]}{kind.cast}" for name, kind in result.columns]
    aliases = f"({', '.join(place.values())})" if place else ""
    return f"select {', '.join([wire.MARKER] * result.marked + wanted)} from (\n{text}\n) r{aliases}"


def _quoted(kind: Any) -> str:
    name, array = (kind.name[:-2], "[]") if kind.name.endswith("[]") else (kind.name, "")
    schema, name = (part.replace('"', '""') for part in (kind.schema, name))
    return f'"{schema}"."{name}"{array}'


def _check_distinct(names: list[str]) -> None:
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(f"several columns are called {twice[0]!r}: give each a name of its own with AS")
