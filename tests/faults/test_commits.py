"""A write says truly whether it happened."""

import asyncio
import contextlib
import uuid

import asyncpg
import pytest
from sweep import sweep

from reviewlab import OutcomeUnknownError, QueryError
from reviewlab.database import READ_WRITE, Database
from reviewlab.settings import load_settings

INSERT = "insert into reviews values ($1, 'x', null, 5, '2024-01-01')"


@pytest.fixture
async def database(through, quick):
    opened = await Database.open(load_settings(through, **quick), write=True)
    yield opened
    await opened.close()


async def write(database: Database, key: uuid.UUID) -> None:
    async with database.transaction(doing="inserting", begin=READ_WRITE, key=key) as connection:
        await connection.execute(INSERT, key)


async def test_a_lost_reply_to_commit_leaves_the_outcome_open(database, proxy, fetch):
    """
    The review is there, although the connection broke: a retry would be a second one.
    """
    key = uuid.uuid4()
    loop = asyncio.get_running_loop()
    proxy.drop = lambda data: b"commit" in data and loop.call_soon(proxy.stall) is None

    with pytest.raises(
        OutcomeUnknownError, match=f"may have been written, or not; look for {key} in the table"
    ) as raised:
        await write(database, key)

    proxy.resume()
    assert raised.value.key == key
    assert len(await fetch("select 1 from reviews where review_id = $1", key)) == 1


async def test_a_write_that_is_stopped_anywhere_says_whether_it_happened(database, fetch):
    """
    Of fifty cancelled transactions, forty-three had committed, and nobody knew which.
    """
    said: dict[uuid.UUID, bool] = {}

    async def attempt() -> None:
        key = uuid.uuid4()
        said[key] = False
        try:
            await write(database, key)
            said[key] = True
        except asyncio.CancelledError as stopped:
            said[key] = "was committed before it was stopped" in str(stopped)
            raise

    async def nothing() -> None:
        """The table is looked at once, at the end."""

    n_points = await sweep(attempt, nothing)

    there = {row["review_id"] for row in await fetch("select review_id from reviews")}
    n_done = sum(said.values()) - 2
    print(f"figure: a write was stopped at {n_points} points; {n_done} times it had been committed, and said so")
    assert {key for key, committed in said.items() if committed} == there
    assert n_points > 2
    assert sum(said.values()) > 2


async def test_a_refused_commit_is_no_open_question(database, execute, fetch):
    """
    The server has said no, so nothing is there.
    """
    await execute("create table pairs (n int unique deferrable initially deferred)")

    async def twice() -> None:
        async with database.transaction(doing="pairing", begin=READ_WRITE) as connection:
            await connection.execute("insert into pairs values (1), (1)")

    with pytest.raises(QueryError, match="duplicate key") as raised:
        await twice()

    assert raised.value.sqlstate == "23505"
    assert await fetch("select * from pairs") == []


async def test_a_swallowed_error_does_not_pass_for_a_commit(database, fetch):
    """
    PostgreSQL answers COMMIT with ROLLBACK then, and no error.
    """

    async def careless() -> None:
        async with database.transaction(doing="writing", begin=READ_WRITE) as connection:
            await connection.execute(INSERT, uuid.uuid4())
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute("select 1 / 0")

    with pytest.raises(QueryError, match="nothing was written, because a statement before the commit had failed"):
        await careless()

    assert await fetch("select 1 from reviews") == []
