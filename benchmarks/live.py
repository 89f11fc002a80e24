"""How soon is a change heard?  In one process, beside a bare listener: ``python -m benchmarks.live [--changes N]``."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import numpy as np

import reviewlab as rl
from benchmarks.__main__ import RESULTS, heading
from reviewlab import opening
from reviewlab.server import Server
from reviewlab.settings import load_settings

LIMIT = 50
"""Milliseconds from the commit."""
ADD = "insert into reviews select gen_random_uuid(), 'fine', null, 5, '2024-01-01' from generate_series(1, {})"
CASES = {"one review": 1, "100 reviews": 100, "10,000 reviews, one bulk": 10_000}
TITLE = """# How soon a change is heard

Milliseconds from the moment at which the writer knows of its commit; less than 0 where the listener knew sooner. Both listen
to the same statements, in the same process."""


async def compare(dsn: str, *, changes: int) -> list[dict[str, str | float]]:
    """Write, and note when a watch and a bare listener hear of it.

    Returns
    -------
    list of dict
        what, and the median and 95th percentile (ms) of ours and bare.
    """
    rows: list[dict[str, str | float]] = []
    async with rl.connect(dsn) as lab, lab.watch() as watched, _bare(dsn) as bare:
        writer = await asyncpg.connect(dsn)
        for what, n in CASES.items():
            statement = ADD.format(n)
            late = np.array([await _once(writer, statement, watched, bare) for _ in range(changes + 3)])[3:] * 1000
            middle, high = np.percentile(late, [50, 95], axis=0)
            rows.append({"what": what, "ours": middle[0], "ours 95": high[0], "bare": middle[1], "bare 95": high[1]})
        await writer.close()
    return rows


def table(rows: list[dict[str, str | float]]) -> str:
    """The figures as a table."""
    lines = [
        f"| one statement adds | watch(): median | 95 % within | bare add_listener: median | 95 % within | at most {LIMIT} |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        reached = "reached" if float(row["ours 95"]) <= LIMIT else "not reached"
        lines.append(
            f"| {row['what']} | {row['ours']:.2f} | {row['ours 95']:.2f} | {row['bare']:.2f} | {row['bare 95']:.2f} | {reached} |"
        )
    return "\n".join(lines)


async def _once(
    writer: asyncpg.Connection, statement: str, watched: AsyncIterator[object], bare: "asyncio.Queue[float]"
) -> tuple[float, float]:
    """Seconds from the writer's knowledge of its commit to ours, and to the bare listener's."""

    async def hear() -> float:
        await anext(watched)
        return time.perf_counter()

    hearing = asyncio.create_task(hear())
    await asyncio.sleep(0.005)
    await writer.execute(statement)
    committed = time.perf_counter()
    return await hearing - committed, await bare.get() - committed


@asynccontextmanager
async def _bare(dsn: str) -> AsyncIterator["asyncio.Queue[float]"]:
    heard: asyncio.Queue[float] = asyncio.Queue()
    connection = await asyncpg.connect(dsn)
    await connection.add_listener("reviews.public", lambda *_: heard.put_nowait(time.perf_counter()))
    try:
        yield heard
    finally:
        await connection.close()


async def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    with Server() as server:
        await opening.init(load_settings(server.dsn), notify=True)
        found = table(await compare(server.dsn, changes=asked.changes))
    print(found)
    asked.out.mkdir(parents=True, exist_ok=True)
    conditions = heading().rpartition("\n\n")[2]
    (asked.out / "live.md").write_text(f"{TITLE}\n\n{conditions}\n\n{found}\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
