"""Results that arrive slowly, in pieces, or from a table that has changed meanwhile."""

import pandas as pd
import pytest

from reviewlab import ConnectionLostError, SchemaError, connect


@pytest.fixture
async def known(execute):
    """2,000 reviews, some 600 kB."""
    await execute(
        "insert into reviews"
        " select gen_random_uuid(), repeat('ä', i % 200), case when i % 2 = 0 then '' end, 1 + i % 5,"
        " '2024-01-01'::timestamp + i * interval '1 hour' from generate_series(1, 2000) i"
    )


@pytest.mark.parametrize("how", [{"chunk": 3}, {"delay": 0.005}, {"chunk": 1000, "rate": 2e6}])
async def test_a_slow_network_brings_the_same_frame(lab, proxy, through, known, how):
    """
    Borders of packets are not borders of rows.
    """
    direct = await lab.reviews(include_private=True, order_by="review_id", limit=500)
    for name, value in how.items():
        setattr(proxy, name, value)

    async with connect(through) as far_lab:
        slow = await far_lab.reviews(include_private=True, order_by="review_id", limit=500)

    pd.testing.assert_frame_equal(slow, direct)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("what", ["reviews", "sql", "stream"])
async def test_a_connection_that_is_cut_brings_one_clear_error(proxy, through, quick, known, what, share):
    """
    Never a part of a frame that passes for the whole.
    """
    async with connect(through, **quick | {"retries": 0}) as lab:
        proxy.cut_after = int(share * 500_000)

        async def read() -> None:
            if what == "stream":
                async with lab.stream() as batches:
                    assert not [batch async for batch in batches if len(batch) == 2_000]
            elif what == "reviews":
                await lab.reviews()
            else:
                await lab.sql("select * from reviews")

        with pytest.raises(ConnectionLostError, match="was lost"):
            await read()

        proxy.cut_after = 0
        assert await lab.count() == 2_000


async def test_a_column_that_was_added_or_changed_is_read_right_at_once(lab, known, execute):
    """
    A plan that was made before must not be used.
    """
    before = await lab.sql("select * from reviews limit 1")
    await execute("alter table reviews add column note text default 'new'")
    added = await lab.sql("select * from reviews limit 1")
    await execute("alter table reviews alter column note drop default, alter column note type int using 7")
    changed = await lab.sql("select * from reviews limit 1")

    assert "note" not in before
    assert added["note"].tolist() == ["new"]
    assert changed["note"].tolist() == [7]
    assert len(await lab.reviews()) == 2_000


async def test_a_column_that_was_dropped_is_named(lab, known, execute):
    """
    The cure is not in the notebook.
    """
    await execute("alter table reviews drop column public_review")

    with pytest.raises(SchemaError, match='column "public_review" does not exist'):
        await lab.reviews()
