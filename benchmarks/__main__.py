"""``python -m benchmarks [case …] [--rounds N] [--rows N] [--out FOLDER]``: measure, and write tables and a chart."""

import argparse
import asyncio
import os
import platform
import statistics
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks import data, latency, memory
from benchmarks.cases import CASES, Case
from benchmarks.measure import measure
from reviewlab.server import Server

RESULTS = Path(__file__).with_name("results")
PEERS = ("asyncpg", "adbc-driver-postgresql", "connectorx", "polars", "pandas", "pyarrow", "numpy", "psycopg")
Rows = dict[str, list[dict[str, float]]]


async def main() -> None:
    """Measure the cases that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("case", nargs="*", choices=[[], *CASES, "latency", "memory"], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, help="fewer rows, for a trial")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    parts = [heading()]
    with Server() as server:
        warm = await data.make(server, "warm", 1_000)
        assert warm is not None
        for name in asked.case or [*CASES, "latency", "memory"]:
            if name == "latency":
                dsn = server.dsn_for("full_rows")
                if "full_rows" not in (asked.case or CASES):
                    await data.make(server, "full_rows", asked.rows or 1_000_000)
                parts.append(latency_table(await latency.compare(dsn, rounds=6 * asked.rounds + 1)))
                continue
            if name == "memory":
                parts.append(await memory_table(server, warm, asked.rows))
                print(parts[-1])
                continue
            case = CASES[name]
            dsn_or_none = await data.make(server, case.table, asked.rows or case.rows)
            if dsn_or_none is None:
                print(f"SKIPPED {case.title}: the real reviews are not there")
                continue
            measured = run(case, dsn_or_none, asked.rounds, warm=warm)
            parts.append(table(case, measured))
            draw(case, measured, asked.out / f"{case.name}.png")
            print(parts[-1])
    (asked.out / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(parts[-1])


def run(case: Case, dsn: str, rounds: int, *, warm: str) -> Rows:
    """Measure every road once a round."""
    measured: Rows = {road: [] for road in case.roads}
    for _ in range(rounds):
        for road, results in measured.items():
            results.append(measure(road, dsn, case.columns, warm=warm))
    n = {result["rows"] for road, results in measured.items() if not road.startswith("draining") for result in results}
    if len(n) != 1:
        raise RuntimeError(f"{case.title}: the roads do not agree: {n}")
    return measured


def median(measured: Rows, road: str, what: str) -> float:
    """The median over the rounds."""
    return statistics.median(result[what] for result in measured[road])


def heading() -> str:
    """When, and on what."""
    packages = ", ".join(f"{name} {version(name)}" for name in PEERS)
    memory = psutil.virtual_memory().total / 2**30
    return (
        "# Benchmarks\n\n"
        "Every figure is the median of the rounds (in brackets the range); each measurement is a process of its own, and\n"
        "the rounds are interleaved. Ratios say more than seconds: the machine is shared.\n\n"
        f"{datetime.now(UTC):%d %B %Y}; {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; "
        f"Python {platform.python_version()}, {packages}; the embedded PostgreSQL on its socket."
    )


def table(case: Case, measured: Rows) -> str:
    """The case as a table, and what was to be reached."""
    lines = [
        f"## {case.title}",
        "",
        "| road | wall, s | CPU, s | peak, MB | longest stall, ms |",
        "| --- | --- | --- | --- | --- |",
    ]
    for road, results in measured.items():
        walls = [result["wall"] for result in results]
        lines.append(
            f"| {road} | {median(measured, road, 'wall'):.2f} ({min(walls):.2f}–{max(walls):.2f}) "
            f"| {median(measured, road, 'cpu'):.2f} | {median(measured, road, 'peak'):,.0f} "
            f"| {1000 * median(measured, road, 'stall'):,.0f} |"
        )
    lines += ["", "| ratio | to reach | measured | |", "| --- | --- | --- | --- |"]
    for target in case.targets:
        best = min(target.ours, key=lambda road: median(measured, road, target.what))
        ratio = median(measured, best, target.what) / median(measured, target.against, target.what)
        reached = "reached" if ratio <= target.most else "not reached"
        lines.append(f"| {best}, {target.what} / {target.against} | {target.most:g} | {ratio:.2f} | {reached} |")
    return "\n".join(lines)


def latency_table(rows: list[dict[str, Any]]) -> str:
    """Small answers as a table."""
    lines = [
        "## Small answers",
        "",
        "| what | reviewlab, ms | bare asyncpg, ms | ratio | to reach |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {r['what']} | {r['ours']:.2f} | {r['bare']:.2f} | {r['ratio']:.2f} | {r['target']} |" for r in rows]
    return "\n".join(lines)


async def memory_table(server: Server, warm: str, rows: int | None) -> str:
    """What a stream takes, as a table."""
    lines = [
        "## Memory of what goes through a table",
        "",
        "| what | table | rows | MB above the start | to reach |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, whole in memory.TABLES.items():
        dsn = await data.make(server, name, min(whole, rows or whole))
        assert dsn is not None
        for how in memory.WAYS:
            if (name, how) == ("long_texts", "repo.iterate_reviews"):
                continue  # a batch of models is bounded by its rows, batch_rows
            result = memory.measure(how, dsn, warm)
            limit = f"at most {memory.LIMITS[how]}" if how in memory.LIMITS else "bounded"
            lines.append(f"| {how} | {name} | {result['rows']:,} | {result['added']:.0f} | {limit} |")
    return "\n".join(lines)


def draw(case: Case, measured: Rows, path: Path) -> None:
    """The case as a chart: a bar per road, its range as a line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    roads = sorted(measured, key=lambda road: median(measured, road, "wall"), reverse=True)
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(roads) + 1), layout="constrained")
    for at, road in enumerate(roads):
        walls = [result["wall"] for result in measured[road]]
        colour = "#154a86" if road.startswith("reviewlab") else "#a7aeb6"
        axes.barh(at, statistics.median(walls), color=colour)
        axes.plot([min(walls), max(walls)], [at, at], color="#222222", linewidth=1)
        axes.text(max(walls), at, f"  {statistics.median(walls):.2f} s", va="center")
    axes.set_yticks(range(len(roads)), roads)
    axes.set_xlabel("seconds, median and range")
    axes.set_title(case.title, loc="left", fontweight="bold")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.12)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    asyncio.run(main())
