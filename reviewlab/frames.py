"""How does a statement become a DataFrame?  By COPY in binary, decoded while the socket goes on."""

import asyncio
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from reviewlab import wire
from reviewlab.database import Reader
from reviewlab.errors import ConnectionLostError, ReadOnlyError
from reviewlab.queries import Statement

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
NULLABLE = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
}
BLOCK_SIZE = 4 << 20
"""Bytes of a block: large enough for numpy to be fast, small enough for the processor's cache."""

SMALL = 256 << 10
"""Below this a block is decoded at once: a thread would take longer to wake up."""

_ROOM = 64 << 10  # in front of a block, for the row that its predecessor cut
_DECODERS = ThreadPoolExecutor(2, thread_name_prefix="reviewlab-decode")
Decimals = Literal["float", "exact"]


@dataclass(slots=True)
class Result:
    """Decoded columns of a statement."""

    columns: list[tuple[str, wire.Kind]]
    order: list[str]
    blocks: list[list[pa.Array]] = field(default_factory=list)
    n_rows: int = 0
    beyond: Counter[str] = field(default_factory=Counter)
    decimals: tuple[str, ...] = ()


async def fetch(
    reader: Reader,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    timeout: float | None = None,
    nullable: bool = False,
    decimal: Decimals = "float",
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
    """

    async def work(connection: Any) -> Result:
        return await receive(connection, statement, values, timeout=timeout, decimal=decimal)

    return to_frame(await reader.read(work, doing=statement.doing, timeout=timeout), nullable=nullable)


async def fetch_row(reader: Reader, statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a statement of ``sql/`` that returns one row."""

    async def work(connection: Any) -> dict[str, Any]:
        return await receive_row(connection, statement, values)

    return await reader.read(work, doing=statement.doing)


async def receive_row(connection: Any, statement: Statement, values: Mapping[str, Any]) -> dict[str, Any]:
    """Run a statement of ``sql/`` that returns one row, on a connection in a transaction."""
    return dict(await connection.fetchrow(statement.inlined(values)))


def to_frame(result: Result, *, nullable: bool) -> pd.DataFrame:
    """Turn decoded columns into a DataFrame; they are used up.  Warns of values that had no place in it."""
    _warn_of_lost_values(result.beyond)
    table = wire.table(result.blocks, result.columns).select(result.order)
    result.blocks = []
    if not result.order:
        return pd.DataFrame(index=pd.RangeIndex(result.n_rows))
    exact = {name: wire.to_decimals(table[name]) for name in result.decimals}
    types = {pa.large_string(): TEXT} | (NULLABLE if nullable else {})
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get, split_blocks=True, self_destruct=True)
    return frame.assign(**exact) if exact else frame


async def receive(
    connection: Any,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    timeout: float | None = None,
    decimal: Decimals = "float",
) -> Result:
    """Run a reading statement on a connection in a transaction; arguments as those of `fetch`."""
    # the bare statement, prepared under no name: several statements are refused here, and types are learned
    prepared = await connection.prepare(statement.numbered, name="")
    attributes = prepared.get_attributes()
    types = [_quoted(kind) for kind in prepared.get_parameters()]
    text = statement.inlined(values, types)
    kinds = [wire.kind_of(attribute.type.name, decimal=decimal) for attribute in attributes]
    names = _distinct([attribute.name for attribute in attributes])
    if _first_word(text) in ("explain", "show"):
        return await _receive_rows(connection, text, names)
    result = Result(
        # texts last: in front of them every row has the same shape
        columns=sorted(zip(names, kinds, strict=True), key=lambda column: not column[1].value),
        order=names,
        decimals=tuple(
            name
            for name, attribute in zip(names, attributes, strict=True)
            if decimal == "exact" and attribute.type.name == "numeric"
        ),
    )
    receiver = Receiver(result)
    status = await connection.copy_from_query(
        _marked(text, names, result.columns), output=receiver, format="binary", timeout=_patience(timeout)
    )
    await receiver.finish()
    if status != f"COPY {result.n_rows}":
        raise ConnectionLostError(f"{statement.doing}: the result arrived damaged; nothing was kept of it")
    return result


class Receiver:
    """Takes the bytes of a COPY and has them decoded, one block behind the socket."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.n_bytes = 0
        self._header = bytearray()
        self._buffer, self._spare = bytearray(), bytearray()
        self._begin = self._end = _ROOM
        self._decoding: asyncio.Future[wire.Block] | None = None
        self._decoded: tuple[bytearray, int, int] | None = None

    async def __call__(self, data: bytearray) -> None:
        """Take the next bytes."""
        self.n_bytes += len(data)
        if len(self._header) < wire.HEADER_SIZE:
            missing = wire.HEADER_SIZE - len(self._header)
            self._header += data[:missing]
            data = data[missing:]
        self._append(data)
        if self._end - self._begin >= BLOCK_SIZE:
            await self._hand_over()

    async def finish(self) -> None:
        """Decode what is left; the trailer must have come."""
        await self._collect()
        with memoryview(self._buffer) as view:
            trailer = bytes(view[self._end - len(wire.TRAILER) : self._end])
        if trailer != wire.TRAILER or self._end - self._begin < len(wire.TRAILER):
            raise ConnectionLostError("the result was cut before its end; nothing was kept of it")
        self._end -= len(wire.TRAILER)
        if self._end > self._begin:
            self._keep(await self._decode(final=True))

    def _append(self, data: bytearray) -> None:
        needed = self._end + len(data) + wire.SLACK
        if needed > len(self._buffer):
            self._buffer += bytes(max(needed, _ROOM + BLOCK_SIZE + SMALL) - len(self._buffer))
        self._buffer[self._end : self._end + len(data)] = data
        self._end += len(data)

    async def _hand_over(self) -> None:
        await self._collect()
        if self._end - self._begin < BLOCK_SIZE:
            return
        self._decoded = (self._buffer, self._begin, self._end)
        self._decoding = self._decode(final=False)
        self._buffer, self._spare = self._spare, bytearray()
        self._begin = self._end = _ROOM

    async def _collect(self) -> None:
        """Wait for the block before; the row that it cut goes in front of what has come since."""
        if self._decoding is None or self._decoded is None:
            return
        block = await self._decoding
        (old, begin, end), self._decoding, self._decoded = self._decoded, None, None
        self._keep(block)
        rest = memoryview(old)[begin + block.consumed : end]
        if len(rest) <= self._begin:
            self._buffer[self._begin - len(rest) : self._begin] = rest
            self._begin -= len(rest)
        else:  # a row longer than the room: everything moves
            self._buffer = bytearray(_ROOM) + rest + memoryview(self._buffer)[self._begin :]
            self._end += _ROOM + len(rest) - self._begin
            self._begin = _ROOM
        self._spare = old

    def _decode(self, *, final: bool) -> "asyncio.Future[wire.Block]":
        block = np.frombuffer(self._buffer, np.uint8)[self._begin : self._end + wire.SLACK]
        loop = asyncio.get_running_loop()
        if len(block) >= SMALL:
            return loop.run_in_executor(_DECODERS, _decode, block, self.result.columns, final)
        done = loop.create_future()
        done.set_result(_decode(block, self.result.columns, final))
        return done

    def _keep(self, block: wire.Block) -> None:
        if block.n_rows:
            self.result.blocks.append(block.columns)
        self.result.n_rows += block.n_rows
        self.result.beyond.update(block.beyond)


def _decode(block: wire.Bytes, columns: Sequence[tuple[str, wire.Kind]], final: bool) -> wire.Block:
    try:
        return wire.decode(block, columns, final=final)
    except wire.DamagedError as error:
        raise ConnectionLostError(f"the result arrived damaged ({error}); nothing was kept of it") from None


async def _receive_rows(connection: Any, text: str, names: list[str]) -> Result:
    """EXPLAIN and SHOW cannot be copied: their few rows of text are fetched."""
    rows = await connection.fetch(text)
    kind = wire.kind_of("text")
    columns = [pa.array([str(row[at]) for row in rows], pa.large_string()) for at in range(len(names))]
    return Result([(name, kind) for name in names], names, [columns] if rows else [], len(rows))


def _marked(text: str, names: list[str], columns: Sequence[tuple[str, wire.Kind]]) -> str:
    """Select the marker and then *columns*, those without a decoder in their text form."""
    place = {name: f"c{number}" for number, name in enumerate(names, start=1)}
    wanted = "".join(f", {place[name]}{kind.cast}" for name, kind in columns)
    aliases = f"({', '.join(place.values())})" if place else ""
    return f"select {wire.MARKER}{wanted} from (\n{text}\n) r{aliases}"


def _quoted(kind: Any) -> str:
    name, array = (kind.name[:-2], "[]") if kind.name.endswith("[]") else (kind.name, "")
    return f'"{kind.schema}"."{name}"{array}'.replace('"pg_catalog".', "pg_catalog.")


def _distinct(names: list[str]) -> list[str]:
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(f"several columns are called {twice[0]!r}: give each a name of its own with AS")
    return names


def _first_word(text: str) -> str:
    words = text.split(None, 1)
    return words[0].lower() if words else ""


def check_reads(text: str) -> None:
    """Raise ReadOnlyError if a statement begins with a word that does not read."""
    word = _first_word(text.lstrip("( \n\t"))
    if word in (
        "insert",
        "update",
        "delete",
        "merge",
        "truncate",
        "create",
        "drop",
        "alter",
        "copy",
        "call",
        "do",
    ):
        raise ReadOnlyError(f"sql() only reads, and the statement begins with {word.upper()}")


def _patience(timeout: float | None) -> float | None:
    return None if timeout is None else timeout + 5 if timeout else 1e9


def _warn_of_lost_values(beyond: Mapping[str, int]) -> None:
    if beyond:
        lost = ", ".join(f"{n:,} in {name}" for name, n in beyond.items())
        warnings.warn(
            f"values that a column cannot hold (infinite or far times, huge numbers) became missing or inf: {lost}",
            stacklevel=4,
        )
