"""How long does a small answer take?  In one process, calls interleaved: ``python -m benchmarks.latency``."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pandas as pd

import reviewlab as rl
from benchmarks import data
from benchmarks.cases import FULL
from benchmarks.roads import query, same
from reviewlab import queries
from reviewlab.server import Server

THOUSAND = f"{query(FULL, text_ids=False)} limit 1000"
AS_TEXT = f"{query(FULL, text_ids=True)} limit 1000"


async def compare(dsn: str, *, rounds: int) -> list[dict[str, Any]]:
    """Measure pairs of calls.

    Returns
    -------
    list of dict
        what, ours and bare (ms, medians), ratio, and the target in words.
    """
    async with rl.connect(dsn) as lab, asyncpg.create_pool(dsn, min_size=1) as pool:
        edges = (await lab.rating_counts("week"))["bucket"].unique()
        edges = [*pd.to_datetime(edges).to_pydatetime(), pd.Timestamp("2100-01-01").to_pydatetime()]
        counts = queries.load("rating_counts").numbered

        async def frame_of_rows() -> pd.DataFrame:
            return same(pd.DataFrame(await pool.fetch(AS_TEXT), columns=FULL))

        async def in_transaction() -> Any:
            async with pool.acquire() as connection, connection.transaction(readonly=True):
                return await connection.fetchval("select count(*) from reviews where rating = 9")

        pairs: list[tuple[str, Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]], str]] = [
            ("1,000 rows", lambda: lab.sql(THOUSAND, progress=False), frame_of_rows, "at most 1.0 x"),
            (
                "rating_counts by week",
                lambda: lab.rating_counts("week"),
                lambda: pool.fetch(counts, edges, None, None),
                "1.1 x + 3 ms",
            ),
            ("count", lambda: lab.count(ratings=[9]), in_transaction, "at most 1.25 x"),
        ]
        return [await _pair(what, ours, bare, target, rounds) for what, ours, bare, target in pairs]


async def _pair(
    what: str, ours: Callable[[], Awaitable[Any]], bare: Callable[[], Awaitable[Any]], target: str, rounds: int
) -> dict[str, Any]:
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 3):
        for call, measured in zip((ours, bare), times, strict=True):
            begin = time.perf_counter()
            await call()
            if turn >= 3:  # the first ones prepare
                measured.append(1000 * (time.perf_counter() - begin))
    mine, other = (statistics.median(measured) for measured in times)
    return {"what": what, "ours": mine, "bare": other, "ratio": mine / other, "target": target}


async def main() -> None:
    """Measure on a million rows and print."""
    with Server() as server:
        dsn = await data.make(server, "full_rows", 1_000_000)
        assert dsn is not None
        for row in await compare(dsn, rounds=31):
            print(
                f"{row['what']}: {row['ours']:.2f} ms against {row['bare']:.2f} ms, {row['ratio']:.2f} x ({row['target']})"
            )


if __name__ == "__main__":
    asyncio.run(main())
