"""Draw the pictures of the tutorial by its own lines: python docs/tutorial.py"""

import ast
import asyncio
import inspect
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

mpl.use("agg")
FOLDER = Path(__file__).parent


async def main() -> None:
    """Run block after block, and keep each figure."""
    page = (FOLDER / "tutorial.md").read_text(encoding="utf-8")
    namespace: dict[str, Any] = {}
    names = iter(re.findall(r"\(assets/(tutorial_\w+\.png)\)", page))
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        code = compile(block, "tutorial.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)  # noqa: S307 - the lines of the page
        if inspect.iscoroutine(result):
            await result
        for number in plt.get_fignums():
            plt.figure(number).savefig(FOLDER / "assets" / next(names), dpi=110)
            plt.close(number)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the page writes a report
        asyncio.run(main())
