"""Many reviews on their way into the table: stopped or cut off, all of them are there, or none."""

import pytest
from conftest import pool_is_whole
from review_helpers import reviews
from sweep import sweep

from reviewlab import connect, load


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_a_load_may_be_stopped_wherever_it_waits(dsn, fetch, backends, monkeypatch, on_conflict):
    """
    Stop means: as if it had never begun, or as if it had not been stopped; and the lab goes on.
    """
    monkeypatch.setattr(load, "ROWS_AT_ONCE", 10)
    async with connect(dsn, write=True) as lab:

        async def fifty() -> None:
            await lab.repo.create_reviews(reviews(50, private_review="x"), on_conflict=on_conflict)

        async def look() -> None:
            assert len(await fetch("select from reviews")) % 50 == 0
            assert await pool_is_whole(lab)
            await backends.all_gone(condition="state <> 'idle'", seconds=1)

        n_points = await sweep(fifty, look)

        print(f"figure: a load ({on_conflict}) was stopped at {n_points} points")
        assert n_points > 5
