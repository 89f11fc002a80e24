"""SQLAlchemy reaches the reviews under the rules of reviewlab's own connections."""

import asyncio
import subprocess
import sys
import traceback
import uuid
from datetime import datetime

import pandas as pd
import pytest
from sqlalchemy import delete, exc, func, insert, inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from reviewlab import ConfigError, ConnectError, ReadOnlyError, connect
from reviewlab.contrib.sqlalchemy import Review, engine
from reviewlab.settings import load_settings

MOMENT = datetime(2024, 1, 1, 12, 0, 0, 1)
NAMES = "transaction_read_only transaction_isolation statement_timeout timezone search_path application_name"


def review(**fields) -> Review:
    return Review(**({"public_review": "fine", "rating": 4, "submitted_at": MOMENT} | fields))


@pytest.fixture
async def reading(dsn):
    """An engine that only reads."""
    made = engine(load_settings(dsn))
    yield made
    await made.dispose()


@pytest.fixture
async def writing(dsn):
    """An engine that may write."""
    made = engine(load_settings(dsn), write=True)
    yield made
    await made.dispose()


@pytest.fixture
def sleeping(fetch):
    """How many statements sleep on the server."""

    async def count() -> int:
        rows = await fetch(
            "select from pg_stat_activity where datname = current_database() and state = 'active' "
            "and query like '%pg_sleep%' and pid <> pg_backend_pid()"
        )
        return len(rows)

    return count


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.01)


async def settings_of(connection) -> dict[str, str]:
    return {name: await connection.scalar(text(f"show {name}")) for name in NAMES.split()}


@pytest.mark.parametrize("pooler", [False, True])
async def test_transactions_have_the_same_limits_as_reviewlab_s_own(dsn, pooler):
    """
    One place for the rules; behind a pooler each transaction brings them along, so none stays on the connection.
    """
    settings = load_settings(dsn, statement_timeout=7.0, db_schema="my shop", pooler=pooler)
    made = engine(settings)

    async with made.connect() as connection:
        found = await settings_of(connection)
        raw = await connection.get_raw_connection()
        await connection.rollback()
        after = await raw.driver_connection.fetchval("show statement_timeout")

    await made.dispose()
    assert found == {
        "transaction_read_only": "on",
        "transaction_isolation": "repeatable read",
        "statement_timeout": "7s",
        "timezone": "UTC",
        "search_path": '"my shop", pg_temp',
        "application_name": "reviewlab",
    }
    assert after == ("0" if pooler else "7s")


async def test_an_engine_for_writing_writes(writing, fetch):
    """
    Create, change, delete, as a program does through a session.
    """
    one, two = review(private_review="between us"), review(rating=1)
    async with AsyncSession(writing, expire_on_commit=False) as session, session.begin():
        session.add_all([one, two])
    async with AsyncSession(writing) as session, session.begin():
        await session.execute(update(Review).where(Review.review_id == one.review_id).values(rating=5))
        await session.execute(delete(Review).where(Review.rating == 1))

    rows = await fetch("select * from reviews")

    [row] = rows
    assert tuple(row) == (one.review_id, "fine", "between us", 5, MOMENT)


@pytest.mark.parametrize("isolation", [{}, {"isolation_level": "AUTOCOMMIT"}])
async def test_writing_is_refused_in_one_sentence_unless_asked_for(reading, fetch, isolation):
    """
    Also where a transaction is left out.
    """
    with pytest.raises(ReadOnlyError, match=r"^this engine only reads; to write, make one by engine\(write=True\)$"):
        async with reading.execution_options(**isolation).connect() as connection:
            await connection.execute(
                insert(Review).values(review_id=uuid.uuid4(), public_review="x", rating=1, submitted_at=MOMENT)
            )

    assert await fetch("select from reviews") == []


async def test_private_text_is_read_only_on_request(reading, add_reviews):
    """
    A loop over reviews must not fetch it by the way, and a template must not show it by accident.
    """
    await add_reviews(private_review="between us")

    async with AsyncSession(reading) as session:
        plain = await session.scalar(select(Review))
        with pytest.raises(exc.InvalidRequestError, match="private_review"):
            _ = plain.private_review
    async with AsyncSession(reading) as session:
        asked = await session.scalar(select(Review).options(undefer(Review.private_review)))

    assert asked.private_review == "between us"
    assert "private" not in str(select(Review))


async def test_a_change_does_not_erase_private_text(writing, add_reviews, fetch):
    """
    What was not read is not written.
    """
    await add_reviews(private_review="between us")

    async with AsyncSession(writing) as session, session.begin():
        found = await session.scalar(select(Review))
        found.rating = 2

    [row] = await fetch("select rating, private_review from reviews")
    assert tuple(row) == (2, "between us")


async def test_the_repr_of_a_review_shows_no_text_and_asks_for_nothing(writing):
    """
    It comes into logs; what a session has let go would be an error.
    """
    made = review(public_review="open", private_review="between us", review_id=uuid.UUID(int=7))
    fresh = repr(made)
    async with AsyncSession(writing) as session, session.begin():
        session.add(made)
    expired = repr(made)

    assert fresh == f"Review(review_id={uuid.UUID(int=7)!r}, rating=4, submitted_at={MOMENT!r})"
    assert expired == "Review()"


async def test_pandas_reads_through_the_engine(reading, add_reviews):
    """
    Tools that want a synchronous connection get one by run_sync.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-02": 1})
    statement = select(Review.rating, Review.submitted_at).order_by(Review.submitted_at)

    async with reading.connect() as connection:
        frame = await connection.run_sync(lambda sync: pd.read_sql(statement, sync))

    assert frame["rating"].tolist() == [5, 1]
    assert frame["submitted_at"].dt.tz is None


async def test_a_slow_statement_is_ended_by_the_server(dsn):
    """
    The same setting as everywhere.
    """
    made = engine(load_settings(dsn, statement_timeout=0.05))

    with pytest.raises(exc.DBAPIError, match="cancelled on the server: canceling statement due to statement timeout"):
        async with made.connect() as connection:
            await connection.execute(select(func.pg_sleep(9)))

    await made.dispose()


async def test_a_cancelled_read_ends_on_the_server(reading, sleeping):
    """
    And the next one finds a whole pool.
    """

    async def read() -> None:
        async with AsyncSession(reading) as session:
            await session.execute(select(func.pg_sleep(60)))

    task = asyncio.create_task(read())
    await until(sleeping)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async def quiet() -> bool:
        return not await sleeping()

    await until(quiet)
    async with reading.connect() as connection:
        assert await connection.scalar(select(1)) == 1
    assert reading.pool.checkedout() == 0


async def test_a_connection_that_was_cut_is_replaced(reading, execute):
    """
    Servers restart, firewalls forget.
    """
    async with reading.connect() as connection:
        pid = await connection.scalar(select(func.pg_backend_pid()))
    await execute("select pg_terminate_backend($1)", pid)

    async with reading.connect() as connection:
        found = await connection.scalar(select(func.pg_backend_pid()))

    assert found != pid


async def test_a_connection_that_is_lost_in_a_statement_says_so(reading):
    """
    SQLAlchemy's class, for programs that look for it, and whether the connection is gone.
    """
    with pytest.raises(exc.DBAPIError, match="the connection to .* was lost") as caught:
        async with reading.connect() as connection:
            await connection.execute(select(func.pg_terminate_backend(func.pg_backend_pid())))

    assert caught.value.connection_invalidated


async def test_an_answer_that_does_not_come_is_an_error_in_time(dsn, monkeypatch):
    """
    The client's own limit is there for a server or a network that stands still; such a connection is not used again.
    """
    monkeypatch.setattr("reviewlab.connections.CLIENT_GRACE", -0.9)
    made = engine(load_settings(dsn, statement_timeout=1.0))

    with pytest.raises(Exception, match="did not answer within the time limit") as caught:
        async with made.connect() as connection:
            before = await connection.scalar(select(func.pg_backend_pid()))
            await connection.execute(select(func.pg_sleep(60)))
    async with made.connect() as connection:
        after = await connection.scalar(select(func.pg_backend_pid()))

    await made.dispose()
    assert type(caught.value).__name__ == "QueryTimeoutError"
    assert before != after


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rating": 2**40}, r"the value of \$4 cannot be sent"),
        ({"public_review": None}, "null value in column"),
        ({"review_id": uuid.UUID(int=1)}, "duplicate key"),
    ],
)
async def test_no_error_shows_a_review(writing, wrong, words):
    """
    PostgreSQL's DETAIL and SQLAlchemy's parameters are the whole row.
    """
    async with AsyncSession(writing) as session, session.begin():
        session.add(review(review_id=uuid.UUID(int=1)))

    with pytest.raises(exc.DBAPIError, match=words) as caught:
        async with AsyncSession(writing) as session, session.begin():
            await session.execute(
                insert(Review).values(
                    {
                        "review_id": uuid.uuid4(),
                        "public_review": "open",
                        "private_review": "between us",
                        "rating": 3,
                        "submitted_at": MOMENT,
                    }
                    | wrong
                )
            )

    told = "".join(traceback.format_exception(caught.value))
    error = caught.value
    while error is not None:
        told += repr(error) + repr(vars(error))
        error = error.__cause__ or error.__context__
    assert "between us" not in told
    assert str(2**40) not in told


async def test_errors_keep_sqlalchemy_s_classes(writing):
    """
    Programs know a duplicate by IntegrityError, and its SQLSTATE.
    """
    with pytest.raises(exc.IntegrityError) as caught:
        async with AsyncSession(writing) as session, session.begin():
            session.add_all([review(review_id=uuid.UUID(int=1))])
            await session.flush()
            await session.execute(
                insert(Review).values(review_id=uuid.UUID(int=1), public_review="x", rating=1, submitted_at=MOMENT)
            )

    assert caught.value.orig.sqlstate == "23505"


async def test_no_repr_or_address_shows_a_secret():
    """
    An engine comes into logs and notebooks.
    """
    made = engine(load_settings("postgresql://ana:canary@db.example.net/shop"))

    shown = f"{made!r} {made.url} {made.url.render_as_string(hide_password=False)} {made.sync_engine!r} {made.pool!r}"

    assert "canary" not in shown
    assert "ana@" in shown


async def test_the_settings_of_tls_are_taken_over(unused_tcp_port):
    """
    A server without TLS never sees the password.
    """
    seen, done = [], asyncio.Event()

    async def refuse_tls(reader, writer) -> None:
        seen.append(await reader.read(8))
        writer.write(b"N")
        seen.append(await reader.read())
        writer.close()
        await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(refuse_tls, "127.0.0.1", unused_tcp_port)
    made = engine(load_settings(f"postgresql://ana:canary@127.0.0.1:{unused_tcp_port}/shop?sslmode=verify-full"))

    async with server:
        with pytest.raises(ConnectError, match="offers no TLS, .* sslmode=verify-full asks for TLS"):
            async with made.connect():
                pass
        await done.wait()

    assert b"".join(seen) == bytes.fromhex("0000000804d2162f")
    await made.dispose()


async def test_no_more_connections_than_the_settings_allow(dsn):
    """
    A service shall not take the whole server.
    """
    made = engine(load_settings(dsn, max_connections=1, acquire_timeout=0.1))

    async with made.connect():
        with pytest.raises(exc.TimeoutError):
            async with made.connect():
                pass

    await made.dispose()


async def test_settings_come_from_the_environment(dsn, monkeypatch, add_reviews):
    """
    As for connect(): a program that has both needs one address.
    """
    await add_reviews()
    monkeypatch.setenv("DATABASE_URL", dsn)
    made = engine()

    async with connect() as lab, AsyncSession(made) as session:
        counted = await session.scalar(select(func.count()).select_from(Review))
        assert counted == await lab.count() == 1

    await made.dispose()


def test_no_configured_database_is_said_at_once():
    """
    Not by the first query, an hour later.
    """
    with pytest.raises(ConfigError, match="no database is configured"):
        engine()


async def test_the_mapped_columns_are_those_of_the_table(reading):
    """
    The table's script and the mapping must not drift apart.
    """
    async with reading.connect() as connection:
        columns = await connection.run_sync(lambda sync: inspect(sync).get_columns("reviews"))

    there = {column["name"]: (column["type"].compile(reading.dialect), column["nullable"]) for column in columns}
    mapped = {column.name: (column.type.compile(reading.dialect), column.nullable) for column in Review.__table__.c}
    assert mapped == there


def test_a_missing_package_is_named_in_one_sentence():
    """
    The extra is not installed with the rest.
    """
    code = "import sys; sys.modules['sqlalchemy'] = None; import reviewlab.contrib.sqlalchemy"

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.stderr.splitlines()[-1].endswith(
        "reviewlab.contrib.sqlalchemy needs a package: pip install 'reviewlab[sqlalchemy]'"
    )
