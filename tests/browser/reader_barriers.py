"""What keeps people who listen, or use only the keyboard, from reading a page?  As axe-core sees it."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page


async def serious_barriers(page: Page, within: str = "html") -> list[tuple[str, list[str]]]:
    """Rules that are broken seriously or critically, each with the elements that break it."""
    found = await Axe().run(page, within)
    return [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
