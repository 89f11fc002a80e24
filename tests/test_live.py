"""Changes of the table, heard as they are committed."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from reviewlab import ReviewLabError, SchemaError, connect, opening, queries
from reviewlab.settings import load_settings

ADD = (
    "insert into reviews select gen_random_uuid(), 'fine', null, 5, '2024-01-01' from generate_series(1, {}) "
    "returning review_id"
)
CHANNEL = "reviews.public"


@pytest.fixture(autouse=True)
async def announced(dsn):
    """The table announces its changes."""
    await opening.init(load_settings(dsn), notify=True)


@pytest.fixture
async def messages(dsn):
    """What a listener of another program gets."""
    listener, payloads = await asyncpg.connect(dsn), asyncio.Queue()
    await listener.add_listener(CHANNEL, lambda *message: payloads.put_nowait(message[3]))
    yield payloads
    await listener.close()


async def heard(changes, n=1):
    """The next changes, as operation and count."""
    async with asyncio.timeout(5):
        return [(change.operation, change.count) for change in [await anext(changes) for _ in range(n)]]


async def test_each_way_to_change_the_table_is_told_with_its_ids(lab, execute, add_reviews):
    """
    Whoever keeps a copy needs to know which reviews to read again.
    """
    async with lab.watch() as changes:
        ids = await add_reviews({"2024-01-01": 1, "2024-01-02": 2})
        await execute("update reviews set rating = 3")
        await execute("delete from reviews where review_id = $1", ids[0])
        await execute("truncate reviews")

        async with asyncio.timeout(5):
            told = [await anext(changes) for _ in range(5)]

    assert [(change.operation, change.count) for change in told] == [
        ("insert", 1),
        ("insert", 1),
        ("update", 2),
        ("delete", 1),
        ("truncate", None),
    ]
    assert [set(change.ids) for change in told] == [{ids[0]}, {ids[1]}, set(ids), {ids[0]}, set()]
    assert all(abs(datetime.now(UTC) - change.moment) < timedelta(minutes=1) for change in told)
    assert {change.moment.utcoffset() for change in told} == {timedelta()}


@pytest.mark.parametrize(("n", "operation", "n_ids"), [(100, "insert", 100), (101, "bulk", 0), (5000, "bulk", 0)])
async def test_many_changes_of_one_statement_are_one(lab, execute, n, operation, n_ids):
    """
    A load of a million reviews must neither send a million messages nor one of 39 MB.
    """
    async with lab.watch() as changes:
        await execute(ADD.format(n))

        async with asyncio.timeout(5):
            change = await anext(changes)

    assert (change.operation, change.count, len(set(change.ids))) == (operation, n, n_ids)


async def test_equal_changes_of_one_transaction_are_both_told(lab, execute):
    """
    The server sends one message of a transaction only once.
    """
    async with lab.watch() as changes:
        await execute(f"begin; {ADD.format(200)}; {ADD.format(200)}; commit")

        assert await heard(changes, 2) == [("bulk", 200), ("bulk", 200)]


async def test_a_statement_that_changes_nothing_says_nothing(execute, messages):
    """
    A nightly job that finds nothing to do must not redraw every chart.
    """
    await execute("update reviews set rating = 1 where false; delete from reviews where false")
    await execute(ADD.format(1))

    async with asyncio.timeout(5):
        assert json.loads(await messages.get())["operation"] == "insert"


async def test_a_changed_id_is_told_with_the_one_before(lab, execute, add_reviews):
    """
    Else a copy would keep a review that is gone.
    """
    before, after = (await add_reviews())[0], uuid.uuid4()

    async with lab.watch() as changes:
        await execute("update reviews set review_id = $1", after)

        async with asyncio.timeout(5):
            change = await anext(changes)

    assert (set(change.ids), change.count) == ({before, after}, 2)


async def test_a_message_holds_no_text_and_fits(execute, messages):
    """
    Everybody who may connect may listen, and a longer message would make the write fail.
    """
    await execute(ADD.format(100).replace("'fine', null", "'canary-public', 'canary-private'"))
    await execute("update reviews set private_review = 'canary-again'")
    await execute("delete from reviews")

    async with asyncio.timeout(5):
        found = [await messages.get() for _ in range(3)]

    assert all(len(payload.encode()) < 8000 for payload in found)
    assert not any("canary" in payload for payload in found)
    assert [set(json.loads(payload)) for payload in found] == [{"operation", "ids", "count", "moment"}] * 3


@pytest.mark.parametrize("schema", ["shop", 'Shop\'s "own"', "long" * 15])
async def test_tables_of_two_schemas_do_not_mix(dsn, lab, execute, schema):
    """
    Several services keep their own reviews in one database.
    """
    quoted = '"' + schema.replace('"', '""') + '"'
    await execute(f"create schema {quoted}")
    await opening.init(load_settings(dsn, db_schema=schema), notify=True)

    async with connect(dsn, db_schema=schema) as shop, shop.watch() as there, lab.watch() as here:
        await execute(ADD.format(2))
        await execute(ADD.format(1).replace("reviews", f"{quoted}.reviews", 1))

        assert await heard(there) == [("insert", 1)]
        assert await heard(here) == [("insert", 2)]


async def test_whoever_may_only_add_is_told_too(lab, fetch, execute):
    """
    The writer of an import cannot read private texts, and need not.
    """
    role = f"writer_{uuid.uuid4().hex}"
    await execute(f"create role {role}; grant insert on reviews to {role}")
    try:
        async with lab.watch() as changes:
            await execute(f"begin; set local role {role}; {ADD.format(3).replace('returning review_id', '')}; commit")

            assert await heard(changes) == [("insert", 3)]
    finally:
        await execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.parametrize(
    "missing", ["drop function notify_reviews cascade", "alter table reviews disable trigger user"]
)
async def test_a_table_that_says_nothing_is_refused(lab, execute, missing):
    """
    Else one would wait for ever, and believe that nothing changes.
    """
    await execute(missing)

    with pytest.raises(SchemaError, match="its owner runs `reviewlab init --notify`"):
        async with lab.watch():
            pass


async def test_a_table_that_is_gone_is_said(lab, execute):
    """
    Not as an error of the driver.
    """
    await execute("drop table reviews")

    with pytest.raises(SchemaError, match="there is no table reviews"):
        async with lab.watch():
            pass


async def test_the_trigger_may_be_installed_again(dsn, lab, execute):
    """
    Deployments run their scripts each time; nothing may be told twice then.
    """
    await opening.init(load_settings(dsn), notify=True)

    async with lab.watch() as changes:
        await execute(ADD.format(1))
        await execute("truncate reviews")

        assert await heard(changes, 2) == [("insert", 1), ("truncate", None)]


async def test_leaving_ends_the_watch_and_its_connection(lab, execute, fetch):
    """
    A forgotten listener holds a connection for days.
    """
    listening = "select 1 from pg_stat_activity where datname = current_database() and query ilike 'listen%'"
    tasks = asyncio.all_tasks()
    async with lab.watch() as changes:
        during = len(await fetch(listening))

    async with asyncio.timeout(5):
        while await fetch(listening):
            await asyncio.sleep(0.01)
    assert during == 1
    assert asyncio.all_tasks() == tasks
    assert [change async for change in changes] == []


async def test_waiting_may_be_given_up_and_taken_up_again(lab, execute):
    """
    Whoever looks every second whether something has changed must not end the watch by it.
    """
    async with lab.watch() as changes:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await anext(changes)
        await execute(ADD.format(1))

        assert await heard(changes) == [("insert", 1)]


async def test_several_may_watch_at_once(lab, execute):
    """
    Two charts in one notebook.
    """
    async with lab.watch() as one, lab.watch() as other:
        await execute(ADD.format(1))

        assert await heard(one) == await heard(other) == [("insert", 1)]


async def test_a_closed_lab_ends_the_watch(dsn, execute):
    """
    The loop over the changes would wait for ever.
    """
    lab = await connect(dsn)
    async with lab.watch() as changes:
        await lab.close()

        with pytest.raises(ReviewLabError, match="this lab is closed"):
            async with asyncio.timeout(5):
                await anext(changes)


async def test_a_snapshot_cannot_be_watched(lab):
    """
    It sees one moment, so nothing in it ever changes.
    """
    async with lab.snapshot() as frozen:
        with pytest.raises(ReviewLabError, match="watch on the lab itself"):
            async with frozen.watch():
                pass


async def test_a_queue_without_room_is_refused(lab):
    """
    To asyncio, no size means no limit.
    """
    with pytest.raises(ValueError, match="queue_size"):
        async with lab.watch(queue_size=0):
            pass


async def test_without_notify_nothing_is_installed(server, admin):
    """
    Announcing costs every writer a little, so it is asked for.
    """
    name = f"quiet_{uuid.uuid4().hex}"
    await admin(f"create database {name}")
    await opening.init(load_settings(server.dsn_for(name)))

    connection = await asyncpg.connect(server.dsn_for(name))
    found = await connection.fetchrow(queries.load("announced").numbered)
    await connection.close()

    await admin(f"drop database {name}")
    assert (found["channel"], found["triggers"]) == (CHANNEL, 0)
