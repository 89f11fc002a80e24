"""Every notebook runs from top to bottom on the demonstration's data."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from reviewlab import opening
from reviewlab.settings import load_settings

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(path.name for path in FOLDER.glob("*.ipynb"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", NOTEBOOKS)
async def test_a_notebook_runs_draws_and_says_what_it_draws(dsn, tmp_path, name):
    """
    A stranger presses Run All first; who cannot see the charts gets their alt texts.
    """
    await opening.fill(load_settings(dsn), rows=20_000)

    # in a process of its own, like a person's; nbclient leaves event loops behind
    program = f"from reviewlab import demonstration; demonstration.run_notebook('out', dsn={dsn!r}, name={name!r})"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=170
    )

    assert done.returncode == 0, done.stderr[-3000:]
    files = list((tmp_path / "out").iterdir())
    assert len(files) > 1
    assert all(file.stat().st_size > 5_000 for file in files)
    sources = [cell.source for cell in nbformat.read(FOLDER / name, 4).cells if cell.cell_type == "code"]
    charts = re.findall(r"^charts\.|live_chart\(", "\n".join(sources), re.MULTILINE)
    page = (tmp_path / "out" / name).with_suffix(".html").read_text()
    assert len(re.findall('<figure[^>]*><img alt="[^"]', page)) == len(charts)
