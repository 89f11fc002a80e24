"""A connection of asyncpg itself: lent under the lab's rules, with everything that asyncpg can, and closed."""

import asyncio
import io
import json
import uuid
from datetime import datetime

import asyncpg
import pytest

from reviewlab import (
    ConfigError,
    ConnectionLostError,
    PoolTimeoutError,
    QueryError,
    QueryTimeoutError,
    ReadOnlyError,
    ReviewDataError,
    ReviewLabError,
    connect,
)

ROW = (uuid.UUID(int=1), "fine", None, 5, datetime(2024, 1, 1))
INSERT = "insert into reviews values ($1, $2, $3, $4, $5)"


@pytest.fixture
def n_backends(fetch):
    """How many connections labs have to the test's database."""

    async def count() -> int:
        [row] = await fetch(
            "select count(*) as n from pg_stat_activity where datname = current_database() "
            "and application_name = 'reviewlab'"
        )
        return row["n"]

    return count


async def gone(n_backends, *, but: int = 0) -> None:
    """Wait until only so many are left: a server ends a session a moment after its client has closed it."""
    async with asyncio.timeout(5):
        while await n_backends() > but:
            await asyncio.sleep(0.01)


async def settings_of(connection) -> dict[str, str]:
    names = "transaction_read_only transaction_isolation statement_timeout timezone search_path application_name"
    return {name: await connection.fetchval(f"show {name}") for name in names.split()}


async def test_a_reading_lab_lends_a_read_only_transaction_with_its_limits(dsn):
    """
    The raw driver must not be a way around the rules by accident.
    """
    async with connect(dsn, statement_timeout=7.0, db_schema="public") as lab, lab.connection() as connection:
        found = await settings_of(connection)

    assert found == {
        "transaction_read_only": "on",
        "transaction_isolation": "repeatable read",
        "statement_timeout": "7s",
        "timezone": "UTC",
        "search_path": "public, pg_temp",
        "application_name": "reviewlab",
    }


async def test_a_writing_lab_lends_a_transaction_that_writes(writing_lab):
    """
    Write access is asked for once, when the lab is opened.
    """
    async with writing_lab.connection() as connection:
        found = await settings_of(connection)

    assert (found["transaction_read_only"], found["transaction_isolation"]) == ("off", "read committed")
    assert found["statement_timeout"] == "1min"


async def test_a_write_on_a_reading_lab_is_refused(lab):
    """
    In reviewlab's words, which name the cure.
    """
    with pytest.raises(ReadOnlyError, match=r"writing needs connect\(write=True\)"):
        async with lab.connection() as connection:
            await connection.execute(INSERT, *ROW)


async def test_a_writing_block_is_committed_at_its_end(writing_lab):
    """
    As every transaction of reviewlab.
    """
    async with writing_lab.connection() as connection:
        await connection.execute(INSERT, *ROW)

    assert await writing_lab.count() == 1


async def test_an_error_undoes_a_writing_block(writing_lab):
    """
    All or nothing, whoever raises.
    """
    with pytest.raises(KeyError):
        async with writing_lab.connection() as connection:
            await connection.execute(INSERT, *ROW)
            raise KeyError("the caller's own")

    assert await writing_lab.count() == 0


async def test_a_cancelled_writing_block_is_undone_and_closed(writing_lab, n_backends):
    """
    Stop in the middle of a block leaves neither half of it nor its locks.
    """
    reached = asyncio.Event()

    async def write() -> None:
        async with writing_lab.connection() as connection:
            await connection.execute(INSERT, *ROW)
            reached.set()
            await connection.execute("select pg_sleep(60)")

    writing = asyncio.create_task(write())
    await reached.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    assert await writing_lab.count() == 0
    await gone(n_backends, but=1)


async def test_asyncpg_s_transactions_are_savepoints_within_the_block(writing_lab):
    """
    A duplicate key in one of them undoes that one, and is asyncpg's own error until it leaves the block.
    """
    async with writing_lab.connection() as connection:
        await connection.execute(INSERT, *ROW)
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute(INSERT, *ROW)

    assert await writing_lab.count() == 1


async def test_an_error_that_leaves_the_block_shows_no_row(writing_lab):
    """
    PostgreSQL's DETAIL quotes whole rows, private text and all.
    """
    with pytest.raises(QueryError) as caught:
        async with writing_lab.connection() as connection:
            await connection.execute(INSERT, ROW[0], None, "between us", 5, ROW[4])

    assert caught.value.column == "public_review"
    assert "between us" not in repr(caught.value) + repr(vars(caught.value.__context__))


@pytest.mark.parametrize(
    ("use", "kind", "words"),
    [
        (lambda c: c.fetch("select $1::int"), QueryError, "expects 1 argument"),
        (lambda c: c.fetch("select $1::int", "many"), ReviewDataError, r"value of \$1 cannot be sent"),
        (lambda c: c.fetch("select pg_sleep(9)", timeout=0.05), QueryTimeoutError, "did not answer"),
        (lambda c: c.execute("set local statement_timeout = 20; select pg_sleep(9)"), QueryTimeoutError, "cancelled"),
        (lambda c: c.execute("select pg_terminate_backend(pg_backend_pid())"), ConnectionLostError, "was lost"),
        (
            lambda c: c.set_type_codec("_int4", schema="pg_catalog", encoder=str, decoder=str),
            QueryError,
            "neither a scalar type",
        ),
    ],
)
async def test_what_leaves_the_block_is_of_reviewlab_s_tree(lab, use, kind, words):
    """
    A misuse of the driver must not look like a broken network, nor the other way round.
    """
    with pytest.raises(ReviewLabError, match=words) as caught:
        async with lab.connection() as connection:
            await use(connection)

    assert type(caught.value) is kind


async def test_a_bad_argument_of_the_driver_stays_a_value_error(lab):
    """
    As everywhere in reviewlab: it says what is wrong, and nothing is lost.
    """
    with pytest.raises(ValueError, match="unknown type: public.nothing"):
        async with lab.connection() as connection:
            await connection.set_type_codec("nothing", encoder=str, decoder=str)


async def test_what_is_changed_of_a_connection_meets_nobody_else(lab, n_backends):
    """
    Codecs and session settings survive what a pool does on release: so it is closed.
    """
    async with lab.connection() as connection:
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        await connection.execute("set session timezone = 'Asia/Tokyo'")
        before = await n_backends()

    assert before == 2
    await gone(n_backends, but=1)
    assert await lab.value("select current_setting('timezone')") == "UTC"


async def test_no_more_are_lent_than_the_pool_may_have(dsn, n_backends):
    """
    A loop over a thousand ids must not take every connection of the server.
    """
    async with connect(dsn, max_connections=2, acquire_timeout=0.2) as lab:
        async with lab.connection(), lab.connection():
            with pytest.raises(PoolTimeoutError, match="all of 2"):
                async with lab.connection():
                    pass
            n_lent = await n_backends()
        async with lab.connection() as connection:
            again = await connection.fetchval("select 1")

    assert (n_lent, again) == (3, 1)


async def test_many_blocks_take_turns(dsn):
    """
    The limit is a queue, not a refusal.
    """
    async with connect(dsn, max_connections=2) as lab:

        async def ask(n: int) -> int:
            async with lab.connection() as connection:
                return await connection.fetchval("select $1::int", n)

        answers = await asyncio.gather(*map(ask, range(12)))

    assert answers == list(range(12))


async def test_closing_the_lab_cuts_what_is_lent(dsn, n_backends):
    """
    A block that somebody forgot in another cell holds locks.
    """
    lab = await connect(dsn)
    block = lab.connection()
    connection = await block.__aenter__()

    await lab.close()

    assert connection.is_closed()
    await gone(n_backends)
    with pytest.raises(ReviewLabError):
        await block.__aexit__(None, None, None)


async def test_a_snapshot_lends_none(lab):
    """
    What it lent would see another moment, silently.
    """
    async with lab.snapshot() as frozen:
        with pytest.raises(ReviewLabError, match="another moment"):
            async with frozen.connection():
                pass


async def test_without_a_transaction_each_statement_is_its_own(writing_lab):
    """
    VACUUM, and isolation levels of one's own, allow no transaction around them.
    """
    async with writing_lab.connection(transaction=False) as connection:
        await connection.execute(INSERT, *ROW)
        beside = await writing_lab.count()
        await connection.execute("vacuum reviews")
        async with connection.transaction(isolation="serializable"):
            isolation = await connection.fetchval("show transaction_isolation")

    assert (beside, isolation) == (1, "serializable")


async def test_a_session_of_a_reading_lab_has_the_same_limits(dsn):
    """
    Without a transaction there is no SET LOCAL: the session itself has them.
    """
    async with (
        connect(dsn, statement_timeout=7.0, db_schema="public") as lab,
        lab.connection(transaction=False) as connection,
    ):
        found = await settings_of(connection)
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("create table public.mine ()")

    assert found["transaction_read_only"], found["statement_timeout"] == ("on", "7s")
    assert (found["transaction_isolation"], found["search_path"]) == ("repeatable read", "public, pg_temp")


async def test_a_loss_between_statements_that_were_written_is_not_safe_to_retry(writing_lab):
    """
    Each statement was committed on its own, so a second run would write again.
    """
    with pytest.raises(ConnectionLostError) as caught:
        async with writing_lab.connection(transaction=False) as connection:
            await connection.execute(INSERT, *ROW)
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    assert not caught.value.safe_to_retry


async def test_listeners_hear_without_a_transaction(writing_lab, execute):
    """
    A server tells a session in a transaction nothing before it ends.
    """
    heard = asyncio.Queue()
    async with writing_lab.connection(transaction=False) as connection, asyncio.timeout(5):
        await connection.add_listener("news", lambda _, __, channel, payload: heard.put_nowait((channel, payload)))
        await execute("notify news, 'here'")
        message = await heard.get()

    assert message == ("news", "here")


async def test_a_session_is_refused_behind_a_pooler(dsn):
    """
    Its settings would stay on a server connection that others get next.
    """
    async with connect(dsn, pooler=True) as lab:
        with pytest.raises(ConfigError, match="keeps no session"):
            async with lab.connection(transaction=False):
                pass


async def test_copy_out_and_in(writing_lab):
    """
    The fastest roads of the driver, at whose ends are the caller's own bytes.
    """
    sink = io.BytesIO()
    async with writing_lab.connection() as connection:
        await connection.copy_records_to_table("reviews", records=[ROW])
        status = await connection.copy_from_query("select rating, public_review from reviews", output=sink)

    assert (status, sink.getvalue()) == ("COPY 1", b"5\tfine\n")


async def test_a_copy_that_is_cancelled_leaves_nothing(lab, n_backends):
    """
    asyncpg leaves a cancelled COPY running where data had just arrived.
    """
    for delay in (0, 0.001, 0.01, 0.05):
        reading = asyncio.create_task(copy_much(lab))
        await asyncio.sleep(delay)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    await gone(n_backends, but=1)


async def copy_much(lab) -> None:
    async with lab.connection() as connection:
        await connection.copy_from_query(
            "select repeat('x', 1000) from generate_series(1, 1000000)", output=io.BytesIO()
        )
