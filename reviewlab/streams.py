"""How does a result of any size pass through little memory?  Batch by batch, as fast as they are taken."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from reviewlab.database import Reader
from reviewlab.errors import ConfigError, ConnectionLostError
from reviewlab.frames import receive, warn_of_lost_values
from reviewlab.queries import Statement
from reviewlab.receiver import Meter, Result, in_thread

BATCH_SIZE = 1 << 20
"""Bytes of a batch on the wire; several are in memory at once, at different stages."""

ROW_GROUP = 100_000
GROUP_SIZE = 16 << 20
"""Rows and bytes of a row group in a file; whichever comes first."""


@asynccontextmanager
async def open_stream(
    reader: Reader,
    statement: Statement,
    values: Mapping[str, Any],
    *,
    batch_rows: int,
    timeout: float,
    meter: Meter | None = None,
) -> AsyncIterator[AsyncIterator[tuple[pa.Table, Result]]]:
    """Run a reading statement, and hand over its rows as they come; leaving early gives the connection back.

    Parameters
    ----------
    reader, statement, values
        As those of `frames.fetch`.
    batch_rows : int
        A batch has at most so many rows; it is also bounded by the bytes of a block.
    timeout : float
        Seconds that the server may take for a block; the consumer may take its time.
    """
    batches: asyncio.Queue[tuple[pa.Table, Result] | None] = asyncio.Queue(maxsize=1)
    delivered = 0

    async def work(connection: Any) -> None:
        if delivered:
            raise ConnectionLostError(
                f"{statement.doing}: the connection was lost after {delivered:,} rows had been handed over",
                rows_delivered=delivered,
            )
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout) as deadline:

            async def hand_over(result: Result) -> None:
                nonlocal delivered
                deadline.reschedule(None)
                table = result.table()
                for at in range(0, table.num_rows, batch_rows):
                    batch = table.slice(at, batch_rows)
                    await batches.put((batch, result))
                    delivered += batch.num_rows
                deadline.reschedule(loop.time() + timeout)

            result = await receive(
                connection, statement, values, timeout=0, meter=meter, on_block=hand_over, block_size=BATCH_SIZE
            )
            if not result.n_rows:
                await batches.put((result.table(), result))
        warn_of_lost_values(result.beyond)

    async def produce() -> None:
        try:
            # no statement timeout: a consumer that takes its time would trip it
            await reader.read(work, doing=statement.doing, timeout=0)
        finally:
            with contextlib.suppress(asyncio.QueueFull):
                batches.put_nowait(None)

    async def consume() -> AsyncGenerator[tuple[pa.Table, Result], None]:
        while True:
            if producer.done() and batches.empty():
                await producer
                return
            batch = await batches.get()
            if batch is not None:
                yield batch

    producer = asyncio.create_task(produce())
    try:
        async with contextlib.aclosing(consume()) as iterator:
            yield iterator
    finally:
        producer.cancel()
        await asyncio.wait([producer])
        if not producer.cancelled():
            producer.exception()  # it was raised to the consumer, or nobody waits for it any more


async def write_parquet(batches: AsyncIterator[tuple[pa.Table, Result]], path: str | os.PathLike[str]) -> int:
    """Write batches to a Parquet file, which appears under its name only when it is whole.

    Returns
    -------
    int
        How many rows were written.
    """
    from pyarrow import parquet

    target = Path(path)
    if not target.parent.is_dir():
        raise ConfigError(f"there is no folder {target.parent} to write {target.name} to")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    writer, waiting, n_rows = None, list[pa.Table](), 0
    try:
        async for table, _ in batches:
            waiting.append(table)
            n_rows += table.num_rows
            if writer is None:
                # texts and ids hardly repeat
                writer = parquet.ParquetWriter(part, table.schema, use_dictionary=["rating"])
            if (
                sum(item.num_rows for item in waiting) >= ROW_GROUP
                or sum(item.nbytes for item in waiting) >= GROUP_SIZE
            ):
                await in_thread(writer.write_table, pa.concat_tables(waiting))
                waiting = []
        if writer is not None:
            if waiting:
                await in_thread(writer.write_table, pa.concat_tables(waiting))
            writer.close()
        part.replace(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        with contextlib.suppress(OSError):
            if writer is not None:
                writer.close()
        part.unlink(missing_ok=True)
    return n_rows
