"""Many readers, and a new fault every two seconds, for as long as there is time."""

import asyncio
import os
import random
import time

import psutil
import pytest
from conftest import FULL, pool_is_whole

from reviewlab import ReviewLabError, connect

SECONDS = float(os.environ.get("REVIEWLAB_SOAK_SECONDS", "1800" if FULL else "30"))
EVERY = 2.0 if FULL else 1.0
N_WORKERS = 8
N_REVIEWS = 2000


async def misbehave(proxy, backends, chance: random.Random) -> str:
    """One fault, over when this returns."""
    fault = chance.choice(["kill", "kill one", "cut", "reset", "stall", "stall old", "drip", "delay", "limit"])
    if fault == "kill":
        await backends.kill()
    elif fault == "kill one":
        await backends.kill(f"pid % 5 = {chance.randrange(5)}")
    elif fault in ("cut", "reset"):
        proxy.cut(reset=fault == "reset")
    elif fault.startswith("stall"):
        proxy.stall(new=fault == "stall")
        await asyncio.sleep(chance.random())
    else:
        proxy.chunk, proxy.delay, proxy.rate = {
            "drip": (7, 0, 0),
            "delay": (1 << 16, 0.05, 0),
            "limit": (1 << 16, 0, 1e6),
        }[fault]
        await asyncio.sleep(chance.random())
        proxy.chunk, proxy.delay, proxy.rate = 1 << 16, 0.0, 0.0
    proxy.resume()
    return fault


@pytest.mark.timeout(SECONDS + 120)
async def test_hours_of_faults_give_no_wrong_result_and_leave_nothing(proxy, through, quick, backends, execute):
    """
    What one fault leaves behind is small, and adds up.
    """
    await execute(
        f"insert into reviews select gen_random_uuid(), repeat('x', 100), null, 1 + n % 5, '2024-01-01'::timestamp + "
        f"n * interval '1 hour' from generate_series(1, {N_REVIEWS}) n; analyze reviews"
    )
    chance, ends, wrong, faults = random.Random(58), time.monotonic() + SECONDS, [], []
    outcomes = {"right": 0, "stopped": 0}

    async def check(lab, number: int) -> None:
        kind = chance.randrange(5)
        if kind == 0:
            right = await lab.value("select :n::int", n=number) == number
        elif kind == 1:
            right = await lab.count() == N_REVIEWS
        elif kind == 2:
            right = (await lab.reviews())["review_id"].nunique() == N_REVIEWS
        elif kind == 3:
            right = (await lab.rating_counts("month"))["n"].sum() == N_REVIEWS
        else:
            async with lab.stream(batch_rows=700) as batches:
                right = sum([len(batch) async for batch in batches]) == N_REVIEWS
        outcomes["right"] += 1
        if not right:
            wrong.append(kind)

    async def work(lab, number: int) -> None:
        while time.monotonic() < ends:
            number += N_WORKERS
            try:
                async with asyncio.timeout(chance.choice([0.005, 5, 5, 5])):
                    await check(lab, number)
            except TimeoutError:
                outcomes["stopped"] += 1
            except ReviewLabError as error:
                name = type(error).__name__
                outcomes[name] = outcomes.get(name, 0) + 1
            await asyncio.sleep(0.01)

    async with connect(through, **quick) as lab:
        before, process = len(asyncio.all_tasks()), psutil.Process()
        workers = [asyncio.create_task(work(lab, number)) for number in range(N_WORKERS)]
        grown = []
        while time.monotonic() < ends:
            await asyncio.sleep(EVERY)
            faults.append(await misbehave(proxy, backends, chance))
            grown.append((process.memory_info().rss, process.num_fds()))
        await asyncio.gather(*workers)
        assert await pool_is_whole(lab)
        async with asyncio.timeout(10):
            while len(asyncio.all_tasks()) > before + 2 * len(proxy.links) + len(proxy.links):
                await asyncio.sleep(0.1)

    half = len(grown) // 2
    more = (grown[-1][0] - grown[half][0]) / 1e6
    print(f"figure: soak of {SECONDS:.0f} s with {len(faults)} faults: {outcomes}, {len(wrong)} wrong")
    print(f"figure: the soak's second half took {more:.1f} MB and {grown[-1][1] - grown[half][1]} descriptors more")
    assert wrong == []
    assert outcomes["right"] > 10 * SECONDS
    assert more < max(40.0, SECONDS / 60)
    assert grown[-1][1] - grown[half][1] <= 2 * N_WORKERS
    await backends.all_gone()
