"""Every notebook runs from top to bottom on the demonstration's data."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from reviewlab import opening
from reviewlab.settings import load_settings

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", NOTEBOOKS)
async def test_a_notebook_runs_and_draws(dsn, tmp_path, name):
    """
    A stranger presses Run All first.
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
