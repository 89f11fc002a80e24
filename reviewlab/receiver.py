"""Who takes the bytes of a COPY?  Blocks of them are decoded in a thread, one behind the socket."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from reviewlab import wire
from reviewlab.errors import ConnectionLostError, ResultTooLargeError

BLOCK_SIZE = 4 << 20
"""Bytes of a block: large enough for numpy to be fast, small enough for the processor's cache."""

SMALL = 256 << 10
"""Below this a block is decoded at once: a thread would take longer to wake up."""

_ROOM = 64 << 10  # in front of a block, for the row that its predecessor cut
_DECODERS = ThreadPoolExecutor(2, thread_name_prefix="reviewlab-decode")


@dataclass(slots=True)
class Result:
    """Decoded columns of a statement.

    Attributes
    ----------
    columns : list of (name, Kind)
        In the order of the wire.
    order : list of str
        Names in the order of the statement.
    marked : bool
        Whether each row begins with the marker.
    blocks : list of lists of pyarrow.Array
    beyond : Counter
        Per column, how many values became null because the column cannot hold them.
    """

    columns: list[tuple[str, wire.Kind]]
    order: list[str]
    marked: bool = True
    blocks: list[list[pa.Array]] = field(default_factory=list)
    n_rows: int = 0
    beyond: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Result") -> None:
        """Append the rows of another result of the same statement."""
        self.blocks += other.blocks
        self.n_rows += other.n_rows
        self.beyond.update(other.beyond)

    def table(self) -> pa.Table:
        """All rows so far as an Arrow table; the blocks are given up."""
        blocks, self.blocks = self.blocks, []
        return wire.table(blocks, self.columns).select(self.order)


@dataclass(slots=True)
class Meter:
    """What several receivers of one result have taken together.

    Attributes
    ----------
    max_bytes : int or None
        More than this is refused.
    progress : callable or None
        Told rows and bytes so far, after each block.
    """

    max_bytes: int | None = None
    progress: Callable[[int, int], None] | None = None
    n_rows: int = 0
    n_bytes: int = 0

    def restart(self) -> None:
        """Count from zero: what was read before was lost."""
        self.n_rows = self.n_bytes = 0

    def add_bytes(self, n: int) -> None:
        """Count bytes, or raise ResultTooLargeError."""
        self.n_bytes += n
        if self.max_bytes is not None and self.n_bytes > self.max_bytes:
            raise too_large(f"the result is larger than {self.max_bytes / 1e6:,.0f} MB", self.max_bytes)

    def add_rows(self, n: int) -> None:
        """Count rows, and show the progress."""
        self.n_rows += n
        if self.progress is not None:
            self.progress(self.n_rows, self.n_bytes)


def too_large(what: str, max_bytes: int) -> ResultTooLargeError:
    """Say that a result does not fit, and what to do instead."""
    return ResultTooLargeError(
        f"{what}, and max_bytes is {max_bytes:,}; take fewer rows with limit= or sample=, read piece by piece with "
        "stream(), write it to a file with export_parquet(), or count in the database with rating_counts()"
    )


class Receiver:
    """Takes the bytes of a COPY and has them decoded.

    Parameters
    ----------
    result : Result
        Gets the decoded blocks.
    meter : Meter
    on_block : async callable, optional
        Awaited after each block; the socket waits meanwhile.
    block_size : int
        Bytes of a block.
    """

    def __init__(
        self,
        result: Result,
        meter: Meter | None = None,
        *,
        on_block: Callable[[], Awaitable[None]] | None = None,
        block_size: int = BLOCK_SIZE,
    ) -> None:
        self.result = result
        self.meter = meter or Meter()
        self._on_block = on_block
        self._header = bytearray()
        self._buffer, self._spare = bytearray(), bytearray()
        self._begin = self._end = _ROOM
        self._block_size = self._enough = block_size
        self._decoding: asyncio.Future[wire.Block] | None = None
        self._decoded: tuple[bytearray, int, int] = (bytearray(), 0, 0)

    async def __call__(self, data: bytearray) -> None:
        """Take the next bytes."""
        self.meter.add_bytes(len(data))
        if len(self._header) < wire.HEADER_SIZE:
            missing = wire.HEADER_SIZE - len(self._header)
            self._header += data[:missing]
            data = data[missing:]
        self._append(data)
        if self._end - self._begin >= self._enough:
            await self._hand_over()

    async def finish(self) -> None:
        """Decode what is left; the trailer must have come."""
        await self._collect()
        n = len(wire.TRAILER)
        trailer = bytes(memoryview(self._buffer)[self._end - n : self._end])
        if self._end - self._begin < n or trailer != wire.TRAILER:
            raise ConnectionLostError("the result was cut before its end; nothing was kept of it")
        self._end -= n
        if self._end > self._begin:
            await self._keep(await self._decode(final=True))

    def _append(self, data: bytearray) -> None:
        needed = self._end + len(data) + wire.SLACK
        if needed > len(self._buffer):
            # doubled, so that one long value is not moved over and over
            size = max(needed, 2 * len(self._buffer)) if self._buffer else max(needed, SMALL)
            self._buffer += bytes(size - len(self._buffer))
        self._buffer[self._end : self._end + len(data)] = data
        self._end += len(data)

    async def _hand_over(self) -> None:
        await self._collect()
        self._decoded = (self._buffer, self._begin, self._end)
        self._decoding = self._decode(final=False)
        self._buffer, self._spare = self._spare or bytearray(_ROOM + self._block_size + SMALL), bytearray()
        self._begin = self._end = _ROOM

    async def _collect(self) -> None:
        """Wait for the block before; the row that it cut goes in front of what has come since."""
        if self._decoding is None:
            return
        decoding, self._decoding = self._decoding, None
        block = await decoding
        old, begin, end = self._decoded
        self._decoded = (bytearray(), 0, 0)
        rest = memoryview(old)[begin + block.consumed : end]
        if len(rest) <= self._begin:
            self._buffer[self._begin - len(rest) : self._begin] = rest
            self._begin -= len(rest)
        else:  # a row longer than the room: everything moves
            self._buffer = bytearray(_ROOM) + rest + memoryview(self._buffer)[self._begin :]
            self._end += _ROOM + len(rest) - self._begin
            self._begin = _ROOM
        # a block that holds no whole row is not decoded again before there is twice as much of it
        self._enough = self._block_size if block.n_rows else 2 * len(rest)
        rest.release()
        if len(old) <= 2 * self._block_size:
            self._spare = old
        await self._keep(block)

    def _decode(self, *, final: bool) -> "asyncio.Future[wire.Block]":
        block = np.frombuffer(self._buffer, np.uint8)[self._begin : self._end + wire.SLACK]
        loop = asyncio.get_running_loop()
        if len(block) >= SMALL:
            return loop.run_in_executor(_DECODERS, _decode, block, self.result, final)
        done = loop.create_future()
        done.set_result(_decode(block, self.result, final))
        return done

    async def _keep(self, block: wire.Block) -> None:
        self.result.n_rows += block.n_rows
        self.result.beyond.update(block.beyond)
        self.meter.add_rows(block.n_rows)
        if block.n_rows:
            self.result.blocks.append(block.columns)
            if self._on_block is not None:
                await self._on_block()


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function beside the loop, in one of the threads that decode; a cancellation waits for its end."""
    running = asyncio.get_running_loop().run_in_executor(_DECODERS, function, *arguments)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])  # what it works on, such as a file, shall not be closed under its hands
        raise


def _decode(block: wire.Bytes, result: Result, final: bool) -> wire.Block:
    try:
        return wire.decode(block, result.columns, final=final, marked=result.marked)
    except wire.DamagedError as error:
        raise ConnectionLostError(f"the result arrived damaged ({error}); nothing was kept of it") from None
