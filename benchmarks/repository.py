"""What does the repository cost beside the bare driver?  ``python -m benchmarks.repository [--rounds N] [--rows N]``."""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pandas as pd
import pyarrow as pa
from pgpq import ArrowToPostgresBinaryEncoder
from pydantic import TypeAdapter

import reviewlab as rl
from benchmarks import data, memory
from benchmarks.__main__ import RESULTS, heading
from reviewlab import queries, sample
from reviewlab.models import ReviewModel
from reviewlab.server import Server

Call = Callable[[], Awaitable[Any]]
PAUSE = 0.05
BY_ID = "select review_id, public_review, rating, submitted_at from reviews where review_id = $1"
ALL = queries.load("reviews_page").numbered
INSERT = queries.load("create_review").numbered
HALF = "truncate reviews; insert into reviews select * from half"
TITLE = """# The repository

Medians of the rounds, which are interleaved, in one process. Ratios say more than seconds: the machine is shared."""
MODELS = TypeAdapter(list[ReviewModel])


async def reads(dsn: str, *, rounds: int, rows: int) -> list[dict[str, Any]]:
    """One review, and many, from a table with *rows* of them."""
    async with rl.connect(dsn) as lab, asyncpg.create_pool(dsn, min_size=1) as pool:
        review_id = await pool.fetchval("select review_id from reviews limit 1")

        async def find() -> Any:
            async with pool.acquire() as connection, connection.transaction(readonly=True):
                return ReviewModel(**await connection.fetchrow(BY_ID, review_id))

        async def list_all() -> Any:
            async with pool.acquire() as connection, connection.transaction(readonly=True):
                return MODELS.validate_python([dict(row) for row in await connection.fetch(ALL, None, 0)])

        one = await _measure(
            {"ours": lambda: lab.repo.find_review_by_id(review_id), "bare": find}, rounds=60 * rounds + 1
        )
        many = await _measure({"ours": lab.repo.list_reviews, "bare": list_all}, rounds=rounds)
    return [
        _row("find_review_by_id / bare fetchrow + model", "wall", one["ours"], one["bare"], 1.25),
        _row(f"list_reviews of {rows:,} / fetch + TypeAdapter", "wall", many["ours"], many["bare"], 1.1),
    ]


async def writes(dsn: str, *, rounds: int, rows: int) -> list[dict[str, Any]]:
    """Many reviews from a DataFrame into the table with its keys, empty or with half of them."""
    frame = sample.synthetic_reviews(rows, seed=1, until=datetime(2026, 1, 1))
    async with rl.connect(dsn, write=True) as lab, asyncpg.create_pool(dsn, min_size=1, command_timeout=600) as pool:
        bare = await asyncpg.connect(dsn, command_timeout=600)
        await bare.execute("truncate reviews")
        await lab.repo.create_reviews(frame.sample(frac=0.5, random_state=1))
        await bare.execute("drop table if exists half; create table half as table reviews")

        def load(on_conflict: Any) -> Call:
            return lambda: lab.repo.create_reviews(frame, on_conflict=on_conflict)

        plain = {
            "ours": load("error"),
            "pgpq": lambda: _bare(pool, lambda connection: _pgpq(connection, "reviews", frame)),
            "records": lambda: _bare(pool, lambda connection: _records(connection, frame)),
            "executemany": lambda: _bare(pool, lambda connection: connection.executemany(INSERT, _tuples(frame))),
        }
        added = await _measure(plain, rounds=rounds, before=lambda: bare.execute("truncate reviews; checkpoint"))
        staged: dict[str, Call] = {"skip": load("skip"), "update": load("update")}
        for name in ("merge_skip", "merge_update_private"):
            staged[name] = lambda name=name: _bare(pool, lambda connection: _by_hand(connection, name, frame))
        merged = await _measure(staged, rounds=rounds, before=lambda: bare.execute(f"{HALF}; checkpoint"))
        await bare.close()
    what = f"{rows:,} reviews from a DataFrame"
    return [
        _row(f"{what} / copy_records_to_table", "CPU", added["ours"], added["records"], 0.35),
        _row(f"{what} / bare pgpq COPY", "wall", added["ours"], added["pgpq"], 1.3),
        _row(f"{what} / executemany", "wall", added["ours"], added["executemany"], 0.6),
        _row(
            "the same, half of them there, skip / same SQL by hand", "wall", merged["skip"], merged["merge_skip"], 1.2
        ),
        _row(
            "the same, half of them there, update / same SQL by hand",
            "wall",
            merged["update"],
            merged["merge_update_private"],
            1.2,
        ),
    ]


def passing(dsn: str, *, warm: str, rows: int) -> list[dict[str, Any]]:
    """What going through all reviews takes in a process of its own."""
    taken = memory.measure("repo.iterate_reviews", dsn, warm)
    what = f"iterate_reviews over {rows:,} rows, memory above the start"
    return [{"what": what, "figure": taken["added"], "most": 64, "unit": "MB"}]


async def news(dsn: str, *, rounds: int) -> list[dict[str, Any]]:
    """How long after its commit a change is told."""
    waits = []
    async with rl.connect(dsn) as lab:
        bare = await asyncpg.connect(dsn)
        await bare.execute(queries.script("notify"))
        async with lab.watch() as changes:
            for _ in range(20 * rounds + 1):
                begun = time.perf_counter()
                await bare.execute(
                    "update reviews set rating = rating where review_id = (select review_id from reviews limit 1)"
                )
                await anext(changes)
                waits.append(1000 * (time.perf_counter() - begun))
        await bare.close()
    what = "a change reaches lab.watch(), from the sending of its statement"
    return [{"what": what, "figure": statistics.median(waits), "most": 50, "unit": "ms"}]


async def _measure(
    calls: dict[str, Call], *, rounds: int, before: Call | None = None
) -> dict[str, dict[str, list[float]]]:
    """Seconds of each call, round by round; the first round only prepares."""
    times = {name: {"wall": list[float](), "CPU": list[float]()} for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            if before is not None:
                await before()
            wall, cpu = time.perf_counter(), time.process_time()
            await call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if turn:
                times[name]["wall"].append(wall)
                times[name]["CPU"].append(cpu)
    return times


def _row(
    what: str, of: str, ours: dict[str, list[float]], other: dict[str, list[float]], most: float
) -> dict[str, Any]:
    mine, its = statistics.median(ours[of]), statistics.median(other[of])
    return {"what": f"{what}, {of}", "ours": mine, "other": its, "figure": mine / its, "most": most, "unit": "x"}


async def _bare(pool: asyncpg.Pool, work: Callable[[Any], Awaitable[Any]]) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await work(connection)


async def _pgpq(connection: Any, table: str, frame: pd.DataFrame) -> None:
    """What a script would do: nothing is checked, all is encoded at once."""
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    ids = pa.array([bytes.fromhex(one.replace("-", "")) for one in frame["review_id"]], pa.binary(16))
    arrow = arrow.set_column(0, "review_id", ids)
    encoder = ArrowToPostgresBinaryEncoder(arrow.schema)
    parts = [encoder.write_header(), *map(encoder.write_batch, arrow.to_batches()), encoder.finish()]

    async def source() -> Any:
        for part in parts:
            yield part

    await connection.copy_to_table(table, source=source(), columns=arrow.column_names, format="binary")


def _tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    texts = frame["private_review"].astype(object)
    columns = frame.assign(private_review=texts.where(texts.notna(), None))
    return list(columns.itertuples(index=False, name=None))


async def _records(connection: Any, frame: pd.DataFrame) -> None:
    await connection.copy_records_to_table("reviews", records=_tuples(frame), columns=list(frame.columns))


async def _by_hand(connection: Any, name: str, frame: pd.DataFrame) -> None:
    await connection.execute(queries.script("staging"))
    await _pgpq(connection, "new_reviews", frame)
    await connection.execute(queries.load(name).numbered)


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [
        "| what | reviewlab | the other | figure | to reach | |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        reached = "reached" if row["figure"] <= row["most"] else "not reached"
        both = [f"{1000 * row[one]:,.2f} ms" if row.get(one) is not None else "" for one in ("ours", "other")]
        lines.append(
            f"| {row['what']} | {both[0]} | {both[1]} | {row['figure']:.2f} {row['unit']}"
            f" | at most {row['most']:g} {row['unit']} | {reached} |"
        )
    return "\n".join(lines)


async def main() -> None:
    """Measure all figures, print them, and write them down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repository")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=300_000, help="how many are written")
    parser.add_argument("--out", type=Path, default=RESULTS / "repository.md")
    asked = parser.parse_args()
    n_listed, n_passed = min(100_000, asked.rows), min(1_000_000, 4 * asked.rows)
    with Server() as server:
        watched = await data.make(server, "watched", 1_000)
        found = await news(watched, rounds=asked.rounds)
        print(table(found))
        found += await reads(await data.make(server, "listed", n_listed), rounds=asked.rounds, rows=n_listed)
        print(table(found))
        found += passing(await data.make(server, "full_rows", n_passed), warm=watched, rows=n_passed)
        print(table(found))
        found += await writes(await data.make(server, "written", 0), rounds=asked.rounds, rows=asked.rows)
    machine = heading().splitlines()[-1]
    text = f"{TITLE}\n\n{machine}\n\n{table(found)}\n"
    asked.out.write_text(text, encoding="utf-8")
    print(table(found))


if __name__ == "__main__":
    asyncio.run(main())
