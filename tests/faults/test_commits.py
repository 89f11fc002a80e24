"""A write says truly whether it happened."""

import asyncio
import contextlib
import subprocess
import sys
import uuid

import asyncpg
import pytest
from conftest import pool_is_whole
from review_helpers import review, reviews
from sweep import sweep

from reviewlab import ConnectionLostError, OutcomeUnknownError, QueryError, QueryTimeoutError, connect
from reviewlab.database import READ_WRITE, Database
from reviewlab.repo import ReviewsRepo
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


async def two_at_once(repo, one) -> None:
    async with repo.transaction(key=one.review_id) as inner:
        await inner.upsert_review(one)
        await inner.delete_review(uuid.uuid4())


WRITES = {
    "create_review": lambda repo, one: repo.create_review(one),
    "upsert_review": lambda repo, one: repo.upsert_review(one),
    "update_review": lambda repo, one: repo.update_review(one),
    "delete_review": lambda repo, one: repo.delete_review(one.review_id),
    "create_reviews": lambda repo, one: repo.create_reviews([one]),
    "create_reviews, skip": lambda repo, one: repo.create_reviews([one], on_conflict="skip"),
    "create_reviews, update": lambda repo, one: repo.create_reviews([one], on_conflict="update"),
    "transaction": two_at_once,
    "run_transaction": lambda repo, one: repo.run_transaction(lambda it: it.upsert_review(one), key=one.review_id),
}
"""Each way of the repository to write."""

ADDS = ("create_review", "create_reviews", "create_reviews, skip")


@pytest.fixture
async def known(dsn):
    """Reviews that are there already, all with the rating 4."""
    async with connect(dsn, write=True) as lab:
        made = reviews(60)
        await lab.repo.create_reviews(made)
        return made


def targets(known, way: str):
    """What a way to write is tried with, one after another: each with the rating 1."""
    if way in ADDS:
        return (review(rating=1) for _ in range(1000))
    return (one.model_copy(update={"rating": 1}) for one in known)


async def written(fetch, known, way: str) -> set[uuid.UUID]:
    """The ids of what was written."""
    if way == "delete_review":
        there = {row[0] for row in await fetch("select review_id from reviews")}
        return {one.review_id for one in known} - there
    return {row[0] for row in await fetch("select review_id from reviews where rating = 1")}


@pytest.mark.parametrize("way", WRITES)
async def test_a_lost_reply_to_the_commit_of_any_write_names_the_key(known, through, proxy, quick, fetch, way):
    """
    Who knows the key can look; whoever tries again blindly may write twice, so nothing here does.
    """
    one, loop, n_commits = next(targets(known, way)), asyncio.get_running_loop(), 0

    def stall_after_commit(data: bytes) -> bool:
        nonlocal n_commits
        if b"commit\0" in data and n_commits == 0:
            n_commits += 1
            loop.call_soon(proxy.stall)
        return False

    async with connect(through, write=True, **quick) as lab:
        await lab.repo.list_reviews_paginated()  # a read commits too, before
        proxy.drop = stall_after_commit

        with pytest.raises(OutcomeUnknownError, match="it may have been written, or not") as raised:
            await WRITES[way](lab.repo, one)

        proxy.resume()
        assert raised.value.key == (None if way.startswith("create_reviews") else one.review_id)
        assert await written(fetch, known, way) == {one.review_id}
        assert await pool_is_whole(lab)


@pytest.mark.parametrize("way", WRITES)
async def test_any_write_that_is_stopped_anywhere_says_whether_it_happened(known, dsn, fetch, backends, way):
    """
    All or nothing, and the cell that was stopped tells which of the two.
    """
    said: dict[uuid.UUID, bool] = {}
    tried = targets(known, way)
    async with connect(dsn, write=True, retries=0) as lab:

        async def attempt() -> None:
            one = next(tried)
            said[one.review_id] = False
            try:
                await WRITES[way](lab.repo, one)
                said[one.review_id] = True
            except asyncio.CancelledError as stopped:
                said[one.review_id] = "was committed before it was stopped" in str(stopped)
                raise

        async def look() -> None:
            assert await pool_is_whole(lab)
            await backends.all_gone(condition="state <> 'idle'", seconds=1)

        n_points = await sweep(attempt, look)

    print(f"figure: {way} was stopped at {n_points} points; {sum(said.values()) - 2} times it had been committed")
    assert {key for key, committed in said.items() if committed} == await written(fetch, known, way)
    assert n_points > 2


async def test_a_transaction_that_is_cut_before_its_commit_wrote_nothing(dsn, backends, fetch):
    """
    The program may begin again, and is told so.
    """

    async def cut_between(repo) -> None:
        async with repo.transaction() as inner:
            await inner.create_review(review())
            await backends.kill()
            await inner.create_review(review())

    async with connect(dsn, write=True) as lab:
        with pytest.raises(ConnectionLostError, match="nothing was written") as raised:
            await cut_between(lab.repo)

        assert raised.value.safe_to_retry
        assert await fetch("select from reviews") == []
        assert await pool_is_whole(lab)


async def test_a_keyed_transaction_that_is_cut_before_its_commit_is_done_again_once(dsn, backends, fetch):
    """
    A restart of the server during an import is none of the program's business.
    """
    one, n_runs = review(), 0

    async def work(repo) -> None:
        nonlocal n_runs
        n_runs += 1
        await repo.create_review(one)
        if n_runs == 1:
            await backends.kill()
        await repo.count_reviews()

    async with connect(dsn, write=True) as lab:
        await lab.repo.run_transaction(work, key=one.review_id)

    assert n_runs == 2
    assert [row[0] for row in await fetch("select review_id from reviews")] == [one.review_id]


async def at_once(lab, first, second) -> list[int]:
    """Two keyed transactions that each have begun before the other goes on; tells how often each ran."""
    both, n_runs = asyncio.Barrier(2), [0, 0]

    async def run(number: int, before, after) -> None:
        async def work(repo) -> None:
            n_runs[number] += 1
            await before(repo)
            if n_runs[number] == 1:
                await both.wait()
            await after(repo)

        await lab.repo.run_transaction(work, key=number)

    await asyncio.gather(run(0, *first), run(1, *second))
    return n_runs


async def test_a_deadlock_undoes_one_transaction_which_is_done_again(writing_lab, known):
    """
    Two jobs that change the same reviews in another order must both succeed.
    """
    a, b = (one.model_copy(update={"rating": 1}) for one in known[:2])
    first = (lambda repo: repo.update_review(a), lambda repo: repo.update_review(b))

    n_runs = await at_once(writing_lab, first, first[::-1])

    assert sorted(n_runs) == [1, 2]


async def test_a_serialization_failure_is_done_again(writing_lab, known):
    """
    Each adds a review because it has seen that there are sixty: one of them must look again.
    """
    seen = []

    async def look(repo) -> None:
        seen.append(await repo.count_reviews())

    n_runs = await at_once(
        writing_lab,
        (look, lambda repo: repo.create_review(review())),
        (look, lambda repo: repo.create_review(review())),
    )

    assert sorted(n_runs) == [1, 2]
    assert seen == [60, 60, 61]


async def test_what_fails_three_times_is_given_up(writing_lab, known, execute):
    """
    Otherwise a busy table would keep a job for ever.
    """
    n_runs = 0

    async def late(repo) -> None:
        nonlocal n_runs
        n_runs += 1
        await repo.find_review_by_id(known[0].review_id)
        await execute("update reviews set rating = rating + 1")
        await repo.update_review(known[0])

    with pytest.raises(QueryError, match="could not serialize access") as raised:
        await writing_lab.repo.run_transaction(late, key="job", isolation="repeatable read")

    assert (n_runs, raised.value.sqlstate) == (3, "40001")


async def test_a_transaction_without_a_key_is_never_done_again(writing_lab, known, execute):
    """
    Only who gives a key has said that it may run twice.
    """

    async def late() -> None:
        async with writing_lab.repo.transaction(isolation="serializable") as repo:
            await repo.find_review_by_id(known[0].review_id)
            await execute("update reviews set rating = 5")
            await repo.update_review(known[0])

    with pytest.raises(QueryError, match="could not serialize access"):
        await late()

    assert (await writing_lab.repo.find_review_by_id(known[0].review_id)).rating == 5
    assert await pool_is_whole(writing_lab)


WAITS = [("statement_timeout", way) for way in WRITES if not way.startswith("create_reviews")]
WAITS += [("lock_timeout", way) for way in WRITES]  # a load may take hours, so this alone bounds it


@pytest.mark.parametrize(("limit", "way"), WAITS)
async def test_a_write_waits_for_a_lock_only_so_long(known, dsn, execute, quick, limit, way):
    """
    A migration that holds the table must not stop every import for the night.
    """
    options, words = "", "cancelled on the server"
    if limit == "lock_timeout":
        options, words = "&options=-c%20lock_timeout%3D100ms", "somebody else holds the lock"
    await execute("begin; lock table reviews in access exclusive mode")
    limits = quick | {"statement_timeout": 5.0 if options else 0.2}
    database = await Database.open(load_settings(f"{dsn}{options}", **limits), write=True)

    with pytest.raises(QueryTimeoutError, match=words):
        await WRITES[way](ReviewsRepo(database), next(targets(known, way)))

    await execute("rollback")
    assert await ReviewsRepo(database).count_reviews() == 60
    await database.close()


KILLED = """
import asyncio, sys, time
from datetime import datetime
from reviewlab import ReviewModel, connect
made = [ReviewModel(public_review="x", rating=1, submitted_at=datetime(2024, 1, 1)) for _ in range(50)]
def ready(*_):
    print("ready", flush=True)
    time.sleep(60)
async def main():
    async with connect(sys.argv[1], write=True) as lab:
        if sys.argv[2] == "transaction":
            async with lab.repo.transaction() as repo:
                await repo.create_review(made[0])
                ready()
        else:
            await lab.repo.create_reviews(made, on_conflict=sys.argv[2], progress=ready)
asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["transaction", "error", "skip"])
async def test_a_client_that_is_killed_while_it_writes_has_written_nothing(dsn_outside, backends, fetch, what):
    """
    A kernel that runs out of memory in the middle of a load.
    """
    with subprocess.Popen([sys.executable, "-c", KILLED, dsn_outside, what], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"

        process.kill()

    print(f"figure: the session of a killed client ({what}) was gone after {await backends.all_gone(seconds=5):.1f} s")
    assert await fetch("select from reviews") == []
