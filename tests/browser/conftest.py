"""One JupyterLab, as ``reviewlab lab`` opens it for the first time, and one Chromium for all tests of this folder."""

import asyncio
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
import pytest_asyncio
from lab_process import JupyterLab, started_lab
from notebook_page import NotebookPage
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

SCREENSHOTS = Path(__file__).parents[2] / "build" / "browser"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder in which everything lies that a person would have at home; PostgreSQL's account may pass through it."""
    with tempfile.TemporaryDirectory(prefix="reviewlab-browser-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture(scope="session")
def environment(home: Path) -> dict[str, str]:
    """An environment without a database, a proxy or a setting of the user's."""
    ours = re.compile("PG|REVIEWLAB|DATABASE_URL|JUPYTER|IPYTHON|XDG|PYTEST|PYTHONWARN|MPL|.*proxy", re.IGNORECASE)
    kept = {name: value for name, value in os.environ.items() if not ours.match(name)}
    return kept | {"HOME": str(home), "JUPYTER_TOKEN": secrets.token_hex(16)}


@pytest.fixture(scope="session")
def program() -> str:
    """Chromium; nothing here runs without it, and says so."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("BROWSER TESTS DID NOT RUN: there is no Chromium; apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def jupyterlab(program: str, home: Path, environment: dict[str, str]) -> Iterator[JupyterLab]:
    """JupyterLab on copies of the notebooks and a private PostgreSQL, as ``make lab`` opens it."""
    began = time.monotonic()
    with started_lab(home, environment) as lab:
        print(f"figure: JupyterLab answered {time.monotonic() - began:.1f} s after `reviewlab lab`, with new data")
        yield lab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(program: str) -> AsyncIterator[Browser]:
    """A browser that knows no other machine than this one."""
    arguments = ["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A window without history, from which nothing is asked of another machine."""
    context = await chromium.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    yield context
    await context.close()
    foreign = [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:", "blob:", "file:"))]
    assert foreign == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(window: BrowserContext) -> Page:
    """An empty tab."""
    return await window.new_page()


@pytest.fixture
def shoot(page: Page, request: pytest.FixtureRequest) -> Callable[[str], Awaitable[object]]:
    """Keep a picture of the tab for a person to look at: ``build/browser/<test>/<number>_<step>.png``."""
    folder = SCREENSHOTS / re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def take(step: str) -> Awaitable[object]:
        return page.screenshot(path=folder / f"{len(list(folder.iterdir())) + 1:02}_{step.replace(' ', '_')}.png")

    return take


@pytest_asyncio.fixture(loop_scope="session")
async def notebook(
    jupyterlab: JupyterLab, page: Page, shoot: Callable[[str], Awaitable[object]]
) -> AsyncIterator[NotebookPage]:
    """JupyterLab in a tab; its kernels end with the test."""
    yield NotebookPage(page, jupyterlab.url, jupyterlab.token, jupyterlab.folder, shoot)
    await shoot("end")
    await page.close()
    headers = {"Authorization": f"token {jupyterlab.token}"}
    async with httpx.AsyncClient(base_url=jupyterlab.url, headers=headers, timeout=30) as client:
        for session in (await client.get("/api/sessions")).json():
            await client.delete(f"/api/sessions/{session['id']}")


@pytest_asyncio.fixture(loop_scope="session")
async def backends(jupyterlab: JupyterLab) -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Count the labs' connections on the server, where a condition holds."""
    connection = await asyncpg.connect(jupyterlab.dsn)

    async def count(condition: str = "true") -> int:
        return await connection.fetchval(
            f"select count(*) from pg_stat_activity where application_name = 'reviewlab' and {condition}"
        )

    yield count
    await connection.close()


@pytest.fixture
def no_backend(backends: Callable[..., Awaitable[int]]) -> Callable[[], Awaitable[bool]]:
    """Whether the labs have left the server; it hears of that a moment after they do."""

    async def left() -> bool:
        return await backends() == 0

    return left


@pytest.fixture
def until() -> Callable[..., Awaitable[float]]:
    """Wait for a condition, and return the seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]], *, seconds: float = 60) -> float:
        began = time.monotonic()
        while not await condition():
            assert time.monotonic() - began < seconds, "the condition did not come true"
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    return wait
