"""The HTML report in a browser, as somebody opens it who got it by mail."""

import pytest
import pytest_asyncio
from reader_barriers import serious_barriers

from reviewlab import connect, report

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("browser")]


@pytest_asyncio.fixture(loop_scope="session")
async def written(jupyterlab, tmp_path):
    """A report about the demonstration's reviews, with some of their texts."""
    async with connect(jupyterlab.dsn) as lab:
        return await report.write(lab, tmp_path / "report.html", include_public=5, events={"2025-06-01": "release"})


async def test_a_report_opens_without_a_complaint_and_asks_for_nothing(page, shoot, written):
    """
    It is read offline, in mail programs, years later: whatever it fetched would be missing then.
    """
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    await page.goto(written.as_uri())
    await page.wait_for_load_state("networkidle")

    await shoot("opened")
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [written.as_uri()]
    pictures = await page.locator("img").evaluate_all("images => images.map(image => [image.naturalWidth, image.alt])")
    assert len(pictures) > 3
    assert all(width > 300 and alt for width, alt in pictures)


async def test_a_report_has_no_serious_barrier(page, shoot, written):
    """
    A page for everybody is one for those who hear it or use only the keyboard too; all its tables are open here.
    """
    await page.goto(written.as_uri())
    await page.locator("details").evaluate_all("all => all.forEach(details => details.open = true)")
    await shoot("tables open")

    assert await serious_barriers(page) == []
