"""How does a person work in JupyterLab?  By clicks on what is on the page."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from playwright.async_api import Error, Locator, Page, expect

PATIENCE = 90_000
"""Milliseconds until a cell must have ended: a limit for what hangs, no promise of speed."""


@dataclass(frozen=True)
class NotebookPage:
    """JupyterLab in a tab."""

    page: Page
    url: str
    token: str
    folder: Path
    shoot: Callable[[str], Awaitable[object]]

    async def open(self, name: str) -> None:
        """Open a notebook in a workspace of its own, and wait until its kernel is idle."""
        await self.page.goto(f"{self.url}/lab/workspaces/{uuid.uuid4().hex}/tree/{name}?token={self.token}")
        await self.ready()

    async def ready(self) -> None:
        """Wait until the notebook is there and its kernel idle."""
        await self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        status = self.page.locator(".jp-StatusBar-Widget, #jp-main-statusbar").filter(has_text="| Idle")
        await status.first.wait_for(timeout=PATIENCE)

    async def open_cells(self, *sources: str) -> None:
        """Open a new notebook with these cells."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        new = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        name = f"{uuid.uuid4().hex}.ipynb"
        nbformat.write(new, self.folder / name)
        await self.open(name)

    async def run_all(self) -> None:
        """Choose Run All Cells in the menu until the cells are queued, and do not wait for their end."""
        chosen = self.page.get_by_role("menuitem", name="Run All Cells", exact=True)
        for _ in range(5):
            await self.page.get_by_role("menuitem", name="Run", exact=True).click()
            try:
                await chosen.click(timeout=5_000)
                await expect(self.cell(0).locator(".jp-InputArea-prompt")).not_to_have_text("[ ]:", timeout=5_000)
                return
            except (Error, AssertionError):
                await self.page.keyboard.press("Escape")  # a notebook that has just come up takes the focus from a menu
        raise AssertionError("Run All Cells did not begin")

    async def run(self, number: int) -> None:
        """Run a cell by its number from 0, and do not wait."""
        await self.cell(number).locator(".jp-InputArea-editor").click()
        await self.page.keyboard.press("Control+Enter")

    async def click(self, command: str) -> None:
        """Click a button of the notebook's toolbar."""
        await self.page.locator(f'.jp-NotebookPanel-toolbar [data-command="notebook:{command}"]').click()

    async def ended(self, number: int = -1) -> None:
        """Wait until a cell has run; as a rule the last one."""
        prompts = ".jp-CodeCell .jp-InputArea-prompt"
        has_run = f"number => /\\[\\d+\\]/.test([...document.querySelectorAll('{prompts}')].at(number).textContent)"
        await self.page.wait_for_function(has_run, arg=number, timeout=PATIENCE)

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-CodeCell").nth(number)

    def complaints(self) -> Locator:
        """Errors, and what was written to stderr."""
        return self.page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')

    def pictures(self) -> Locator:
        return self.page.locator(".jp-OutputArea-output img")
