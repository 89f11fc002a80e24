"""The explorer in JupyterLab, by its controls."""

from functools import partial
from statistics import median

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Locator, expect
from reader_barriers import serious_barriers

CELLS = ("import reviewlab as rl\nlab = await rl.connect()", "await lab.explore()")
CHANGE = """
async (area, [label, chosen]) => {
    const named = [...area.querySelectorAll("label")].find(each => each.textContent === label);
    const select = document.getElementById(named.htmlFor), before = area.querySelector("figure img").src;
    const began = performance.now();
    select.value = chosen;
    select.dispatchEvent(new Event("change", {bubbles: true}));
    const drawn = () => [...area.querySelectorAll("figure img")].find(image => image.src !== before);
    await new Promise((resolve, reject) => {
        setTimeout(reject, 60_000, new Error(`no new picture for ${chosen}`));
        const observer = new MutationObserver(() => { if (drawn()) { observer.disconnect(); resolve(); } });
        observer.observe(area, {childList: true, subtree: true, attributes: true});
    });
    await drawn().decode();
    return [performance.now() - began, drawn().alt];
}
"""

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


@pytest_asyncio.fixture(loop_scope="session")
async def explorer(notebook) -> Locator:
    """An explorer whose first chart is drawn."""
    await notebook.open_cells(*CELLS)
    await notebook.run_all()
    await notebook.ended()
    await notebook.pictures().first.wait_for()
    assert await notebook.complaints().all_text_contents() == []
    await notebook.shoot("opened")
    return notebook.cell(1).locator(".jp-OutputArea")


async def test_controls_change_the_picture(notebook, explorer):
    """
    Looking around is a matter of tries, so that a picture must follow its control soon, and say what it shows.
    """
    charts = ["mean rating", "all ratings together", "weekday and hour", "share of each rating"]
    told = [(await explorer.evaluate(CHANGE, ["Chart", chart]))[1] for chart in charts]
    took = [(await explorer.evaluate(CHANGE, ["Period", ("month", "week")[n % 2]]))[0] for n in range(20)]

    print(f"figure: a new picture {median(took):.0f} ms after a change, longest {max(took):.0f} ms, limit 400 ms")
    await notebook.shoot("changed")
    assert all(told)
    assert len(set(told)) == len(charts)
    await expect(explorer.get_by_label("Code of this chart")).to_contain_text('lab.rating_counts("week")')


async def test_of_two_fast_changes_one_query_stays_on_the_server(notebook, jupyterlab, explorer, backends, until):
    """
    Ten moves of a slider must not become ten scans that nobody waits for.
    """
    active = "state = 'active' and wait_event_type = 'Lock'"
    blocker = await asyncpg.connect(jupyterlab.dsn)

    async def waiting(since: str) -> bool:
        return await backends(f"{active} and query_start > '{since}'") == 1

    async def choose(period: str) -> None:
        now = await blocker.fetchval("select clock_timestamp()::text")
        await explorer.get_by_label("Period", exact=True).select_option(period)
        await until(partial(waiting, now))

    try:
        async with blocker.transaction():
            await blocker.execute("lock table reviews in access exclusive mode")
            await choose("day")
            await choose("month")
            n_active = await backends("state = 'active'")
            await notebook.shoot("waiting")
    finally:
        await blocker.close()

    assert n_active == 1
    await expect(explorer.get_by_label("Code of this chart")).to_contain_text('lab.rating_counts("month")')


async def test_the_explorer_has_no_serious_barrier(notebook, explorer):
    """
    It is used by keyboard and by ear too: each control has its name, each tab its role.
    """
    barriers = await serious_barriers(notebook.page, ".jp-OutputArea .widget-vbox")
    await explorer.get_by_role("tab", name="Reviews").click()
    await explorer.get_by_role("cell").first.wait_for()
    await notebook.shoot("reviews")

    barriers += await serious_barriers(notebook.page, ".jp-OutputArea .widget-vbox")

    assert barriers == []
