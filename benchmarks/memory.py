"""How much memory does a stream take?  In a process of its own each: ``python -m benchmarks.memory HOW DSN``."""

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil

import reviewlab as rl

TABLES = {"narrow": 3_000_000, "full_rows": 1_000_000, "long_texts": 500}
"""Reviews of `long_texts` have a text of 1 MB each."""
LIMITS = {"stream": 64, "repo.iterate_reviews": 64}
"""MB above the start, at most."""


async def stream(lab: rl.ReviewLab) -> int:
    """Go through all reviews."""
    n = 0
    async with lab.stream() as batches:
        async for batch in batches:
            n += len(batch)
    return n


async def export(lab: rl.ReviewLab) -> int:
    """Write all reviews into a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        return await lab.export_parquet(Path(folder) / "reviews.parquet", progress=False)


async def iterate(lab: rl.ReviewLab) -> int:
    """Go through all reviews as models."""
    n = 0
    async for _ in lab.repo.iterate_reviews():
        n += 1
    return n


WAYS = {"stream": stream, "export_parquet": export, "repo.iterate_reviews": iterate}


def measure(how: str, dsn: str, warm: str) -> dict[str, Any]:
    """Run one way in a fresh process, once on the small table at *warm*, then measured.

    Returns
    -------
    dict
        rows, and added: the most MB at once above those at the beginning.
    """
    command = [sys.executable, "-m", "benchmarks.memory", how, dsn, warm]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{how}: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


async def _run(how: str, dsn: str, warm: str) -> dict[str, Any]:
    async with rl.connect(warm) as lab:
        await WAYS[how](lab)
    async with rl.connect(dsn) as lab:
        process = psutil.Process()
        start = most = process.memory_info().rss
        done = threading.Event()

        def watch() -> None:
            nonlocal most
            while not done.wait(0.005):
                most = max(most, process.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            n = await WAYS[how](lab)
        finally:
            done.set()
            watching.join()
    return {"rows": n, "added": (most - start) / 2**20}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(*sys.argv[1:4]))))
