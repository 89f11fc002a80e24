"""The notebooks in JupyterLab, as a first-time user meets them."""

import re
import time
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


def drawn_by(name: str) -> list[str]:
    """The lines of a notebook that draw a figure."""
    sources = [cell.source for cell in nbformat.read(FOLDER / name, 4).cells if cell.cell_type == "code"]
    return re.findall(r"^charts\.|live_chart\(|\.plot\(", "\n".join(sources), re.MULTILINE)


async def test_lab_opens_the_first_notebook_and_run_all_reaches_a_chart(jupyterlab, notebook):
    """
    The first minute decides whether there is a second one.
    """
    began = time.monotonic()
    await notebook.page.goto(f"{jupyterlab.url}/?token={jupyterlab.token}")
    await notebook.ready()
    loaded = time.monotonic()
    await notebook.shoot("opened")

    await notebook.run_all()
    await notebook.pictures().first.wait_for()

    print(f"figure: JupyterLab's page was ready after {loaded - began:.1f} s")
    print(f"figure: Run All reached the first chart {time.monotonic() - loaded:.1f} s later, limit 20 s")
    assert notebook.page.url.endswith("01_first_look.ipynb")


@pytest.mark.parametrize("name", NOTEBOOKS)
async def test_run_all_ends_with_every_figure_on_the_page_and_its_alt_text(notebook, no_backend, until, name):
    """
    A page that stops half-way, or shows nothing to a screen reader, is no notebook to start from.
    """
    await notebook.open(name)
    began = time.monotonic()

    await notebook.run_all()
    await notebook.ended()

    print(f"figure: Run All of {name} took {time.monotonic() - began:.1f} s")
    charts = drawn_by(name)
    assert await notebook.complaints().all_text_contents() == []
    assert await notebook.pictures().count() == len(charts)
    texts = await notebook.pictures().evaluate_all("images => images.map(image => image.alt).filter(Boolean)")
    assert len(texts) == len(charts) - charts.count(".plot(")
    for number, picture in enumerate(await notebook.pictures().all()):
        await picture.scroll_into_view_if_needed()
        assert await picture.evaluate("image => image.naturalWidth") > 300
        await notebook.shoot(f"figure {number + 1}")
    await until(no_backend)


async def test_after_a_restart_run_all_works_and_no_backend_stays(notebook, backends, no_backend, until):
    """
    Restart and Run All is what one does before trusting a notebook; the lab of before was never closed.
    """
    await notebook.open("01_first_look.ipynb")
    await notebook.run(0)
    await notebook.ended(0)
    assert await backends() > 0

    await notebook.click("restart-run-all")
    await notebook.shoot("asked")
    await notebook.page.get_by_role("button", name="Confirm Kernel Restart").click()
    await notebook.ended()

    assert await notebook.complaints().all_text_contents() == []
    assert await notebook.pictures().count() == len(drawn_by("01_first_look.ipynb"))
    await until(no_backend)
