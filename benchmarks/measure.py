"""What does one road cost?  Measured in a process of its own: ``python -m benchmarks.measure ROAD DSN COLUMNS WARM``."""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.roads import ROADS

TICK = 0.002


def measure(road: str, dsn: str, columns: Sequence[str], *, warm: str) -> dict[str, float]:
    """Run a road in a fresh process, once on the small table at *warm* (so that all is imported), then measured.

    Returns
    -------
    dict
        wall, cpu (s), peak (MB, of the whole process), stall (s, the longest time the event loop was held), rows.
    """
    command = [sys.executable, "-m", "benchmarks.measure", road, dsn, ",".join(columns), warm]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{road}: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


async def _run(road: str, dsn: str, columns: Sequence[str], warm: str) -> dict[str, float]:
    async for _ in ROADS[road](warm, columns):
        pass
    stalls: list[float] = []
    ticking = asyncio.create_task(_tick(stalls))
    steps = ROADS[road](dsn, columns)
    await anext(steps)
    await asyncio.sleep(0.05)
    stalls.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    frame = await anext(steps)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await asyncio.sleep(2 * TICK)
    ticking.cancel()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 10 if sys.platform == "linux" else 1 << 20)
    async for _ in steps:
        pass
    return {"wall": wall, "cpu": cpu, "peak": peak, "stall": max(stalls, default=wall), "rows": _rows(frame)}


async def _tick(stalls: list[float]) -> None:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(TICK)
        stalls.append(time.perf_counter() - before - TICK)


def _rows(frame: Any) -> int:
    return 0 if frame is None else len(frame)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(sys.argv[1], sys.argv[2], sys.argv[3].split(","), sys.argv[4]))))
