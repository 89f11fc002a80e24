"""The benchmarks run, and all roads end in the same frame."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import data
from benchmarks.cases import FULL
from benchmarks.roads import ROADS

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore:make_block is deprecated")  # by connectorx
async def test_every_road_ends_in_the_same_frame(server):
    """
    A comparison of different results compares nothing.
    """
    dsn = await data.make(server, "full_rows", 500)
    frames = {}
    for name, road in ROADS.items():
        steps = [step async for step in road(dsn, FULL)]
        frames[name] = steps[-1]

    drained = frames.pop("draining the COPY")
    expected = frames["ADBC"].sort_values("review_id", ignore_index=True)
    assert drained is None
    assert len(expected) == 500
    for frame in frames.values():
        pd.testing.assert_frame_equal(frame.sort_values("review_id", ignore_index=True), expected)


@pytest.mark.timeout(300)
def test_a_case_is_measured_and_written(tmp_path):
    """
    What is committed must be the output of what is committed.
    """
    command = [sys.executable, "-m", "benchmarks", "narrow_rows", "latency", "--rounds", "1", "--rows", "2000"]

    subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)

    written = (tmp_path / "README.md").read_text()
    assert "| reviewlab, 1 connection |" in written
    assert "| rating_counts by week |" in written
    assert (tmp_path / "narrow_rows.png").stat().st_size > 5_000


def test_the_wait_for_a_change_is_measured_and_written(tmp_path):
    """
    A promise of milliseconds needs a figure that anybody can repeat.
    """
    command = [sys.executable, "-m", "benchmarks.live", "--changes", "2", "--out", str(tmp_path)]

    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    written = (tmp_path / "live.md").read_text()
    assert "| one review |" in written
    assert "| 10,000 reviews, one bulk |" in written
