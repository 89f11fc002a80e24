"""What the README shows works as it stands."""

import ast
import inspect
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from reviewlab.opening import fill
from reviewlab.settings import load_settings

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
async def test_every_python_block_of_the_readme_runs(dsn, monkeypatch, block):
    """
    The first thing that a stranger copies.
    """
    await fill(load_settings(dsn), rows=2_000)
    monkeypatch.setenv("DATABASE_URL", dsn)
    namespace: dict[str, object] = {}
    code = compile("import reviewlab as rl\n" + block, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        await result

    plt.close("all")
    assert "rl" in namespace


def test_every_picture_and_target_of_the_readme_is_there():
    """
    A broken picture is the first thing that a stranger sees.
    """
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()

    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    targets = re.findall(r"make (\w+)", readme)

    assert pictures
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)
    assert all(f"\n{target}:" in makefile for target in targets)
