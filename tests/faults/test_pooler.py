"""Through PgBouncer in transaction mode: each transaction may meet another server connection."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pandas as pd
import pytest
from conftest import gathered, pool_is_whole
from review_helpers import reviews
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from reviewlab import ConfigError, ReviewLabError, connect, opening, queries
from reviewlab.contrib.sqlalchemy import Review, engine
from reviewlab.server import Server
from reviewlab.settings import load_settings

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
POOL_SIZE = 3
CONFIG = """
[databases]
* = host=127.0.0.1 port={port} user=postgres password={password}
sessions = host=127.0.0.1 port={port} user=postgres password={password} dbname=postgres pool_mode=session
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
default_pool_size = {size}
unix_socket_dir =
logfile = {folder}/log
"""


@pytest.fixture(scope="module")
def pooled() -> Iterator[tuple[str, str]]:
    """A database with reviews: its DSN through PgBouncer, and directly."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed (apt-get install pgbouncer): poolers are NOT tested")
    with Server(tcp=True, durable=False) as server, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        asyncio.run(fill(server.dsn))
        upstream, listen = urlsplit(server.dsn), free_port()
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            CONFIG.format(port=upstream.port, password=upstream.password, listen=listen, size=POOL_SIZE, folder=folder)
        )
        Path(folder).chmod(0o777)
        config.chmod(0o644)
        account = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([PGBOUNCER, "-q", *account, str(config)], stderr=subprocess.DEVNULL)
        try:
            yield f"postgresql://postgres@127.0.0.1:{listen}/postgres", server.dsn
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def fill(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(queries.script("reviews"))
    await connection.execute(
        "insert into reviews select gen_random_uuid(), 'text ' || n, null, 1 + n % 5, '2024-01-01'::timestamp + "
        "n * interval '1 hour' from generate_series(1, 3000) n; analyze reviews"
    )
    await connection.close()


@pytest.fixture
async def pooled_dsn(pooled):
    """PgBouncer's DSN, once it answers."""
    async with asyncio.timeout(10):
        while True:
            try:
                await (await asyncpg.connect(pooled[0])).close()
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return pooled[0]


async def test_a_pooler_is_recognised_by_its_first_error(pooled_dsn):
    """
    Nobody tells an analyst that there is one; six of ten queries fail behind it.
    """
    labs = [await connect(pooled_dsn) for _ in range(6)]
    began = time.monotonic()

    outcomes = await gathered([lab.count() for _ in range(50) for lab in labs])

    print(f"figure: 300 counts of 6 labs through PgBouncer took {time.monotonic() - began:.1f} s")
    assert outcomes == [3000] * 300
    assert any(lab._database.pooler for lab in labs)
    for lab in labs:
        await lab.close()


@pytest.mark.parametrize("hint", ["?pgbouncer=true", ""])
async def test_every_helper_gives_the_same_through_a_pooler(pooled_dsn, pooled, hint, tmp_path):
    """
    The detour must not be seen in a result.
    """
    async with connect(pooled_dsn + hint) as through, connect(pooled[1]) as direct:
        for ask in (
            lambda lab: lab.reviews(order_by="submitted_at"),
            lambda lab: lab.reviews(order_by="submitted_at", limit=10),
            lambda lab: lab.rating_counts("week"),
            lambda lab: lab.sql(
                "select rating, count(*) n from reviews where rating > :least group by 1 order by 1", least=2
            ),
            streamed,
            frozen,
        ):
            here, there = await asyncio.gather(ask(through), ask(direct))
            pd.testing.assert_frame_equal(here, there)
        assert await through.count() == await direct.count() == 3000
        assert (await through.extent())["n"] == 3000
        await through.export_parquet(tmp_path / "reviews.parquet")
        assert len(pd.read_parquet(tmp_path / "reviews.parquet")) == 3000
        assert await through.server_version() == await direct.server_version()
        assert await pool_is_whole(through)


async def streamed(lab):
    async with lab.stream(order_by="submitted_at", batch_rows=500) as batches:
        return pd.concat([batch async for batch in batches], ignore_index=True)


async def frozen(lab):
    async with lab.snapshot() as moment:
        return await moment.rating_counts("month")


async def test_parallel_reads_do_not_wait_for_each_other_in_a_small_pooler(pooled_dsn):
    """
    A pooler with three connections cannot serve five at once; nor must five wait for ever.
    """
    async with connect(pooled_dsn, pooler=True) as lab, asyncio.timeout(20):
        frames = await asyncio.gather(*(lab.reviews(parallel=5) for _ in range(5)))

        assert [len(frame) for frame in frames] == [3000] * 5
        assert frames[0]["review_id"].nunique() == 3000


async def test_limits_hold_through_a_pooler(pooled_dsn):
    """
    Settings made by SET would stay on somebody else's connection, or be lost.
    """
    async with connect(pooled_dsn, statement_timeout=7.0) as lab:
        limits = await asyncio.gather(*(lab._database.read(show, doing="asking") for _ in range(20)))
        rest = await asyncpg.connect(pooled_dsn, statement_cache_size=0)

        assert set(limits) == {("7s", "on")}
        assert await rest.fetchval("show statement_timeout") == "0"
        await rest.close()


async def show(connection):
    return await connection.fetchval("show statement_timeout"), await connection.fetchval("show transaction_read_only")


@pytest.mark.parametrize("hint", ["?pgbouncer=true", ""])
async def test_many_reviews_are_written_through_a_pooler(pooled_dsn, hint):
    """
    The table in which they wait must be gone before the connection is somebody else's.
    """
    async with connect(pooled_dsn + hint, write=True) as lab:
        known = await lab.repo.list_reviews()

        written = await gathered([lab.repo.create_reviews(known, on_conflict="update") for _ in range(6)])
        skipped = await gathered([lab.repo.create_reviews(known, on_conflict="skip") for _ in range(6)])

        assert written + skipped == [3000] * 6 + [0] * 6
        assert await lab.repo.list_reviews() == known


async def test_what_a_pooler_refuses_is_said(pooled_dsn):
    """
    "unsupported startup parameter" is no help to anybody.
    """
    with pytest.raises(ConfigError, match="take options out of the DSN"):
        await connect(f"{pooled_dsn}?options=-c%20work_mem%3D64MB")


async def test_a_stopped_read_through_a_pooler_is_stopped_on_the_server(pooled_dsn, pooled):
    """
    The request to cancel goes to the pooler, which passes it on.
    """
    watch = await asyncpg.connect(pooled[1])
    async with connect(pooled_dsn) as lab:
        reading = asyncio.create_task(lab.sql("select pg_sleep(20)"))
        sleeping = "select count(*) from pg_stat_activity where state = 'active' and query ilike 'copy%pg_sleep%'"
        async with asyncio.timeout(5):
            while not await watch.fetchval(sleeping):
                await asyncio.sleep(0.02)

        reading.cancel()

        with pytest.raises(asyncio.CancelledError):
            await reading
        async with asyncio.timeout(2):
            while await watch.fetchval(sleeping):
                await asyncio.sleep(0.02)
        assert await pool_is_whole(lab)
    await watch.close()


async def test_a_killed_server_behind_the_pooler_is_seen_by_no_read(pooled_dsn, pooled):
    """
    The pooler reports the loss in words of its own.
    """
    watch = await asyncpg.connect(pooled[1])
    async with connect(pooled_dsn) as lab:
        await lab.count()

        await watch.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
        outcomes = await gathered([lab.count() for _ in range(20)])

        assert [outcome for outcome in outcomes if isinstance(outcome, ReviewLabError)] == []
    await watch.close()


async def test_lent_connections_work_through_a_pooler(pooled_dsn):
    """
    As far as the driver's do: within a transaction that is one connection of the server.
    """

    async def read(lab) -> tuple[int, int, str]:
        async with lab.connection() as connection:
            prepared = await connection.prepare("select count(*) from reviews where rating >= $1", name="")
            n = await prepared.fetchval(3)
            rows = [row async for row in connection.cursor("select 1 from reviews limit 7")]
            async with connection.transaction():
                return n, len(rows), await connection.fetchval("show statement_timeout")

    async with connect(pooled_dsn, pooler=True, statement_timeout=7.0) as lab:
        found = await asyncio.gather(*(read(lab) for _ in range(20)))

    assert set(found) == {(1800, 7, "7s")}


async def test_sqlalchemy_works_through_a_pooler(pooled_dsn):
    """
    It keeps prepared statements, and each transaction may meet another server connection that knows none of them.
    """
    made = engine(load_settings(pooled_dsn, pooler=True, statement_timeout=7.0))

    async def read(least: int) -> tuple[int, str, str]:
        async with AsyncSession(made) as session:
            n = await session.scalar(select(func.count()).select_from(Review).where(Review.rating >= least))
            await session.commit()
            limit = await session.scalar(select(func.current_setting("statement_timeout")))
            return n, limit, await session.scalar(select(func.current_setting("transaction_read_only")))

    found = await asyncio.gather(*(read(3) for _ in range(20)))

    await made.dispose()
    rest = await asyncpg.connect(pooled_dsn, statement_cache_size=0)
    left = [
        await rest.fetchval("select count(*) from pg_prepared_statements where statement like '%current_setting%'"),
        await rest.fetchval("show statement_timeout"),
    ]
    await rest.close()
    assert set(found) == {(1800, "7s", "on")}
    assert left == [0, "0"]


@pytest.mark.parametrize("hint", ["?pgbouncer=true", ""])
async def test_a_watch_over_transactions_is_refused_and_changes_nothing_there(pooled_dsn, pooled, hint):
    """
    No notification would ever come, and what one sets stays on somebody else's connection.
    """
    await opening.init(load_settings(pooled[1]), notify=True)
    async with connect(pooled_dsn + hint) as lab:
        with pytest.raises(ConfigError, match="connect past it, to PostgreSQL itself, to watch"):
            async with lab.watch():
                pass

        rest = await asyncpg.connect(pooled_dsn, statement_cache_size=0)
        left = [await rest.fetchval(f"show {name}") for name in ("statement_timeout", "default_transaction_read_only")]
        await rest.close()
        assert left == ["0", "off"]
        assert await pool_is_whole(lab)


async def test_a_watch_over_a_pooler_of_sessions_works(pooled_dsn, pooled):
    """
    There each client keeps its connection of the server.
    """
    await opening.init(load_settings(pooled[1]), notify=True)
    async with connect(pooled_dsn.removesuffix("/postgres") + "/sessions") as lab, lab.watch() as changes:
        direct = await asyncpg.connect(pooled[1])
        await direct.execute("update reviews set rating = rating where submitted_at = '2024-01-02'")
        await direct.close()

        async with asyncio.timeout(5):
            change = await anext(changes)

    assert (change.operation, change.count) == ("update", 1)


async def test_services_keep_apart_through_a_pooler(pooled_dsn, pooled):
    """
    Each transaction names its schema, whoever had the server connection before, and whatever they left there.
    """
    schemas = {"shop": 3, 'Größe "5"': 5}
    for schema, n in schemas.items():
        await opening.init(load_settings(pooled[1], db_schema=schema))
        async with connect(pooled[1], db_schema=schema, write=True) as direct:
            await direct.repo.create_reviews(reviews(n))
    rude = await asyncpg.connect(pooled_dsn, statement_cache_size=0)
    labs = [await connect(pooled_dsn, db_schema=schema, pooler=True, write=True) for schema in schemas]

    async def leave_tables() -> None:
        for _ in range(30):
            await rude.execute("begin; create temporary table if not exists reviews (like public.reviews); commit")

    outcomes = await gathered([leave_tables(), *(lab.count() for _ in range(30) for lab in labs)])
    loaded = await gathered([lab.repo.create_reviews(reviews(2), on_conflict="skip") for lab in labs])

    assert outcomes == [None, *[3, 5] * 30]
    assert loaded == [2, 2]
    assert [await lab.count() for lab in labs] == [5, 7]
    for lab in labs:
        await lab.close()
    await rude.close()
    async with connect(pooled[1]) as direct:  # the tables of the rude one go with their sessions
        await direct.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )
