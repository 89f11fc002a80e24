"""Several services keep their own reviews apart, in schemas of one database."""

import inspect
from urllib.parse import urlsplit

import pytest
from reading import PUBLIC
from review_helpers import review, reviews

from reviewlab import ConfigError, QueryError, ReviewLab, SchemaError, connect, opening
from reviewlab.queries import identifier
from reviewlab.repo import ReviewsRepo
from reviewlab.settings import load_settings

NASTY = 'Größe "5"; drop table reviews; --$1 %I'
SIZES = {"public": 7, "shop": 3, NASTY: 5}
NO_READ = {"close", "pool_stats", "server_version", "repo", "watch"}  # watch: in test_live
WRITES = {"create_review", "create_reviews", "update_review", "upsert_review", "delete_review"}
WRITES |= {"transaction", "run_transaction"}


@pytest.fixture
async def schemas(dsn, execute):
    """Three tables, each with another number of reviews."""
    for schema, n in SIZES.items():
        await opening.init(load_settings(dsn, db_schema=schema))
        await execute(
            f"insert into {identifier(schema)}.reviews select gen_random_uuid(), 'text ' || n, 'private', 1 + n % 5, "
            f"'2024-01-01'::timestamp + n * interval '1 hour' from generate_series(1, {n}) n"
        )


async def rows(fetch, schema: str) -> list[tuple]:
    found = await fetch(f"select r::text from {identifier(schema)}.reviews r order by review_id")
    return [tuple(row) for row in found]


def test_every_public_helper_is_tested_here():
    """
    A new one must not read the neighbours' reviews either.
    """
    public = {name for kind in (ReviewLab, ReviewsRepo) for name, _ in inspect.getmembers(kind) if name[0] != "_"}

    assert public - NO_READ - WRITES <= PUBLIC.keys()


@pytest.mark.parametrize("schema", ["shop", NASTY])
@pytest.mark.parametrize("road", PUBLIC)
async def test_a_helper_reads_the_table_of_its_schema(dsn, schemas, tmp_path, road, schema):
    """
    One that forgets the schema shows one customer the reviews of another.
    """
    async with connect(dsn, db_schema=schema) as lab:
        n = await PUBLIC[road](lab, tmp_path)

    assert n == SIZES[schema]


@pytest.mark.parametrize("schema", ["shop", NASTY])
async def test_writes_meet_the_table_of_their_schema_alone(dsn, schemas, fetch, schema):
    """
    Each way to write, with a table in the way that is called like the one in which a load waits.
    """
    others = [name for name in SIZES if name != schema]
    before = [await rows(fetch, name) for name in others]
    await fetch(f"create table {identifier(schema)}.new_reviews (like {identifier(schema)}.reviews)")
    async with connect(dsn, db_schema=schema, write=True) as lab:
        repo = lab.repo
        one = await repo.create_review(review())
        await repo.update_review(one.model_copy(update={"rating": 1}))
        await repo.upsert_review(review(review_id=one.review_id, rating=2))
        for on_conflict in ("error", "skip", "update"):
            await repo.create_reviews(reviews(2), on_conflict=on_conflict)
        async with repo.transaction() as inner:
            await inner.create_reviews(reviews(1))
        await repo.run_transaction(lambda inner: inner.create_review(review()), key="any")
        await repo.delete_review(one.review_id)

        assert await lab.count() == SIZES[schema] + 8

    assert [await rows(fetch, name) for name in others] == before
    assert await fetch(f"select from {identifier(schema)}.new_reviews") == []


async def test_a_temporary_table_is_not_read_instead(dsn, schemas, execute, fetch):
    """
    PostgreSQL looks into temporary tables first, and a session that a pooler shares may have one from somebody else.
    """
    async with connect(dsn, db_schema="shop", max_connections=1, write=True) as lab:

        async def leave_a_table(connection) -> None:
            await connection.execute("create temporary table reviews (like public.reviews)")

        async with lab._database.acquire("a neighbour") as connection:
            await leave_a_table(connection)
        n = await lab.count()
        await lab.repo.create_review(review())

        assert (n, await lab.count()) == (3, 4)


@pytest.mark.parametrize("gone", ["alter table shop.reviews rename to other", "drop schema shop cascade"])
async def test_the_table_of_another_schema_is_not_read_instead(dsn, schemas, execute, gone):
    """
    Where the own table is gone, that of the public schema is somebody else's.
    """
    async with connect(dsn, db_schema="shop") as lab:
        await execute(gone)

        with pytest.raises(SchemaError, match="does not exist"):
            await lab.count()

    with pytest.raises(SchemaError, match="there is no table reviews"):
        await connect(dsn, db_schema="shop")


@pytest.mark.parametrize("schema", ["shop", NASTY, "long" * 15])
async def test_init_creates_the_schema_where_it_is_missing(dsn, fetch, schema):
    """
    And is harmless where it is there already.
    """
    settings = load_settings(dsn, db_schema=schema)

    await opening.init(settings)
    await opening.init(settings)

    assert [row[0] for row in await fetch("select schemaname from pg_tables where tablename = 'reviews'")] == [
        "public",
        schema,
    ]


async def test_init_in_a_schema_that_is_there_needs_no_right_to_make_one(dsn, execute, fetch):
    """
    The administrator gives a service its schema, and no more.
    """
    role = f"service_of_{urlsplit(dsn).path[1:]}"
    await execute(f"create role {role}; create schema shop authorization {role}")
    as_service = f"{dsn}&options=-c%20role%3D{role}"

    await opening.init(load_settings(as_service, db_schema="shop"))
    with pytest.raises(QueryError, match="permission denied for database"):
        await opening.init(load_settings(as_service, db_schema="other"))

    assert len(await fetch("select from pg_tables where tablename = 'reviews' and schemaname = 'shop'")) == 1
    await execute(f"drop owned by {role} cascade; drop role {role}")


@pytest.mark.parametrize("schema", ["", "x" * 64, "é" * 32, "a\0b", "pg_temp", "pg_catalog", "$user"])
def test_a_name_that_no_schema_of_reviews_has_is_refused(schema):
    """
    A longer name is cut by the server, so that two services would share a table unseen.
    """
    with pytest.raises(ConfigError, match="db_schema cannot be used: .*has 1 to 63 bytes"):
        load_settings("postgresql://u@localhost/d", db_schema=schema)
