"""What each role of ``reviewlab roles`` may and may not do, and that reviewlab works as each of them."""

import asyncio
import sys
from collections.abc import Iterator
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from reading import PRIVATE, PUBLIC
from review_helpers import review, reviews

from reviewlab import ConfigError, ConnectError, QueryError, connect, opening, queries, run
from reviewlab.server import Server
from reviewlab.settings import load_settings

SCHEMA, DATABASE = 'shop "1"; drop table orders; --', "shop $1's"
ROLES = {"reader": 'may "read"', "private": "private $$", "writer": "WRITER; --", "login": 'ana "the analyst"'}
LOGINS = {"reader": ROLES["login"], "private": "head", "writer": "import", "nobody": "stranger"}
PASSWORD = "correct-horse"
TABLE = f"{queries.identifier(SCHEMA)}.reviews"
COLUMNS = "review_id, public_review, rating, submitted_at"
N = 6


def printed(dsn: str, *more: str) -> str:
    """What the command prints."""
    options = [word for name, value in ROLES.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "reviewlab.cli", "roles", *options, "--schema", SCHEMA, *more]

    async def start() -> str:
        process = await asyncio.create_subprocess_exec(
            *command, env={"DATABASE_URL": dsn}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err
        return out.decode()

    return run(start())


async def make(dsn: str) -> None:
    """A database with reviews and each role of the script, each with a login."""
    administrator = await asyncpg.connect(dsn.replace("DATABASE", "postgres"))
    await administrator.execute(f"create database {queries.identifier(DATABASE)}")
    await administrator.close()


@pytest.fixture(scope="module")
def owner_dsn() -> Iterator[str]:
    """A server with passwords, a database whose owner we are, and the script run in it."""
    with Server(tcp=True, durable=False) as server:
        run(make(server.dsn))
        dsn = server.dsn_for(DATABASE)
        run(opening.init(load_settings(dsn, db_schema=SCHEMA), notify=True))
        run(do(dsn, printed(dsn)))
        run(do(dsn, logins()))
        yield dsn


def logins() -> str:
    """Passwords, and a login for the roles that the script makes none for."""
    quoted = {name: queries.identifier(login) for name, login in LOGINS.items()}
    members = [
        f"create role {quoted[name]} login in role {queries.identifier(ROLES[name])}" for name in ("private", "writer")
    ]
    passwords = [f"alter role {login} password '{PASSWORD}'" for login in quoted.values()]
    return "; ".join([*members, f"create role {quoted['nobody']} login", *passwords])


async def do(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def login_dsn(owner_dsn):
    """Where to connect as one of the roles; the table has reviews, of which each has a private text."""
    fill = (
        f"truncate {TABLE}; insert into {TABLE} "
        f"select gen_random_uuid(), 'text', 'private', 1 + n % 5, '2024-01-01'::timestamp + n * interval '1 day' "
        f"from generate_series(1, {N}) n; analyze {TABLE}"
    )
    run(do(owner_dsn, fill))
    parts = urlsplit(owner_dsn)

    def of(role: str) -> str:
        return f"postgresql://{quote(LOGINS[role], safe='')}:{PASSWORD}@127.0.0.1:{parts.port}{parts.path}"

    return of


async def outcome(dsn: str, statement: str) -> str:
    """What PostgreSQL says to a statement in a transaction that is taken back: "ok", or its SQLSTATE.

    As somebody who took the guards against accidents off.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("begin read write")
        statement = statement.replace("reviews", TABLE)
        if statement.startswith("copy"):
            await connection.copy_from_query(statement[6:-11], output=lambda _: asyncio.sleep(0))
        else:
            await connection.execute(statement)
        return "ok"
    except asyncpg.PostgresError as error:
        return error.sqlstate
    finally:
        await connection.close()


DENIED = "42501"
READS = [
    f"select {COLUMNS} from reviews",
    "select count(*) from reviews",
    f"copy (select {COLUMNS} from reviews) to stdout",
    "select rating from reviews tablesample bernoulli (50)",
    "select pg_export_snapshot()",
    "explain select rating from reviews",
    "listen news",
]
READS_PRIVATE = [
    "select private_review from reviews",
    "select * from reviews",
    "select r from reviews r",
    "select row_to_json(r) from reviews r",
    "select count(private_review) from reviews",
    "select rating from reviews where private_review like 'a%'",
    "select rating from reviews order by private_review",
    "copy (select * from reviews) to stdout",
    "copy (table reviews) to stdout",
]
ADD = "insert into reviews values (gen_random_uuid(), 'a', 'b', 1, '2024-01-01')"
WRITES = [
    f"{ADD} returning review_id",
    f"{ADD} on conflict (review_id) do nothing",
    f"{ADD} on conflict (review_id) do update set private_review = 'c'",
    "update reviews set rating = 1, private_review = 'c' where rating = 2 returning review_id",
    "delete from reviews where rating = 2 returning review_id",
    "create temporary table waiting (n int)",
    "lock table reviews in access exclusive mode",
]
RETURNS_PRIVATE = [
    f"{ADD} returning private_review",
    f"{ADD} returning *",
    "update reviews set rating = 1 returning private_review",
    "delete from reviews returning private_review",
    "update reviews set rating = 1 where private_review like 'a%'",
]
NEVER = [
    "update reviews set review_id = gen_random_uuid()",
    "truncate reviews",
    "drop table reviews",
    "alter table reviews add column more int",
    "alter table reviews disable trigger all",
    "create index on reviews (rating)",
    "create policy p on reviews",
    f"create table {queries.identifier(SCHEMA)}.mine (n int)",
    "create table public.mine (n int)",
    "create function mine() returns int language sql as 'select 1'",
    "create schema mine",
    "create role mine",
    "select pg_read_file('postgresql.conf')",
    "set role postgres",
    f"alter role {queries.identifier(ROLES['login'])} superuser",
]
RIGHTS = {
    "reader": [READS],
    "private": [READS, READS_PRIVATE],
    "writer": [READS, WRITES],
    "nobody": [["select pg_export_snapshot()", "listen news"]],
}
ALL = [READS, READS_PRIVATE, WRITES, RETURNS_PRIVATE, NEVER]


@pytest.mark.parametrize("role", RIGHTS)
async def test_a_role_may_do_what_it_is_for_and_nothing_else(login_dsn, role):
    """
    GRANT is the boundary, also for who takes off what guards against accidents.
    """
    allowed = {statement for group in RIGHTS[role] for statement in group}
    others = {statement for group in ALL for statement in group} - allowed

    found = {statement: await outcome(login_dsn(role), statement) for statement in sorted(allowed | others)}

    assert {statement: code for statement, code in found.items() if statement in allowed and code != "ok"} == {}
    assert {statement: code for statement, code in found.items() if statement in others and code != DENIED} == {}


async def test_the_names_of_the_roles_are_those_that_were_asked_for(owner_dsn):
    """
    A quote in a name must not end it: whoever runs the script is a superuser.
    """
    connection = await asyncpg.connect(owner_dsn)

    names = {row[0] for row in await connection.fetch("select rolname from pg_roles where oid >= 16384")}

    await connection.close()
    assert names == {*ROLES.values(), *LOGINS.values()}


async def test_a_login_is_guarded_against_accidents(login_dsn):
    """
    A query that runs for hours, or a delete in the wrong window, is no attack.
    """
    connection = await asyncpg.connect(login_dsn("reader"))
    names = "default_transaction_read_only statement_timeout idle_in_transaction_session_timeout search_path"

    found = [await connection.fetchval(f"show {name}") for name in names.split()]

    hidden = await connection.fetchval("select count(*) from pg_stats where attname = 'private_review'")
    await connection.close()
    assert found == ["on", "5min", "1min", f"pg_catalog, {queries.identifier(SCHEMA)}, pg_temp"]
    assert hidden == 0


async def test_a_login_has_ten_connections(login_dsn):
    """
    One person's forgotten kernels must not shut out the others.
    """
    held = [await asyncpg.connect(login_dsn("reader")) for _ in range(10)]

    with pytest.raises(ConnectError, match="no connection left: too many connections for role"):
        await connect(login_dsn("reader"))

    for connection in held:
        await connection.close()


@pytest.mark.parametrize("role", ["reader", "private", "writer"])
async def test_every_helper_works_without_the_right_to_read_private_texts(login_dsn, tmp_path, role):
    """
    Also where nobody named the schema: the login has it on its path.
    """
    named = {} if role == "reader" else {"db_schema": SCHEMA}

    async with connect(login_dsn(role), **named) as lab:
        found = {name: await road(lab, tmp_path) for name, road in PUBLIC.items()}

    assert found == dict.fromkeys(PUBLIC, N)


@pytest.mark.parametrize("road", PRIVATE)
async def test_private_texts_are_for_the_role_that_has_them(login_dsn, tmp_path, road):
    """
    The others learn in one sentence what is missing.
    """
    async with connect(login_dsn("private"), db_schema=SCHEMA) as lab:
        assert await PRIVATE[road](lab, tmp_path) == N

    for role in ("reader", "writer"):
        async with connect(login_dsn(role), db_schema=SCHEMA) as lab:
            with pytest.raises(QueryError, match="permission denied for table reviews; `reviewlab roles`") as raised:
                await PRIVATE[road](lab, tmp_path)
        assert raised.value.sqlstate == DENIED
        assert "\n" not in str(raised.value)


async def write_all_ways(lab) -> None:
    one = await lab.repo.create_review(review(private_review="x"))
    await lab.repo.update_review(one.model_copy(update={"private_review": "y"}))
    await lab.repo.upsert_review(one.model_copy(update={"private_review": "z"}))
    for on_conflict in ("error", "skip", "update"):
        await lab.repo.create_reviews(reviews(2, private_review="x"), on_conflict=on_conflict)
    async with lab.repo.transaction() as repo:
        await repo.delete_review(one.review_id)


async def test_the_writer_writes_every_way(login_dsn):
    """
    An import job needs no right to read what people wrote in private.
    """
    async with connect(login_dsn("writer"), db_schema=SCHEMA, write=True) as lab:
        await write_all_ways(lab)

        assert await lab.count() == N + 6


@pytest.mark.parametrize("role", ["reader", "private"])
async def test_others_cannot_write(login_dsn, role):
    """
    connect(write=True) asks, and the database answers.
    """
    async with connect(login_dsn(role), db_schema=SCHEMA, write=True) as lab:
        for work in (
            lambda: lab.repo.create_review(review()),
            lambda: lab.repo.create_reviews([review()]),
            lambda: lab.repo.create_reviews([review()], on_conflict="skip"),
            lambda: lab.repo.update_review(review()),
            lambda: lab.repo.upsert_review(review()),
            lambda: lab.repo.delete_review(uuid4()),
        ):
            with pytest.raises(QueryError, match="permission denied|read-only transaction|needs a temporary table"):
                await work()

        assert await lab.count() == N


async def test_a_reader_may_watch(login_dsn, owner_dsn):
    """
    Listening needs no right, and the message holds no text.
    """
    async with connect(login_dsn("reader")) as lab, lab.watch() as changes:
        await do(owner_dsn, f"update {TABLE} set rating = 1")

        assert (await anext(changes)).count == N


async def test_a_stranger_is_told_that_there_is_no_table_for_them(login_dsn):
    """
    Neither the rows nor the names of the columns.
    """
    with pytest.raises(Exception, match="there is no table reviews") as raised:
        await connect(login_dsn("nobody"), db_schema=SCHEMA)

    assert "private" not in str(raised.value)


async def test_the_script_needs_to_know_the_database(monkeypatch):
    """
    It grants nothing in a database that it guessed.
    """
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@localhost")
    from reviewlab import cli

    with pytest.raises(ConfigError, match="add --database"):
        cli.roles()
    assert 'database "shop"' in printed("postgresql://u@localhost", "--database", "shop")
    for wrong in ("x" * 64, "a\0b"):
        with pytest.raises(ValueError, match="1 to 63 bytes"):
            cli.roles(database=wrong)


@pytest.fixture
async def policed(dsn, execute):
    """A DSN of a role from which a policy hides four of six reviews; and what switches that on."""
    role = f"tenant_of_{urlsplit(dsn).path[1:]}"
    await execute(
        "insert into reviews select gen_random_uuid(), 'text', 'private', 1 + n % 3, '2024-01-01' "
        f"from generate_series(1, {N}) n; create policy two on reviews using (rating = 1); "
        f"create role {role}; grant select, insert, update, delete on reviews to {role}"
    )
    yield f"{dsn}&options=-c%20role%3D{role}", "alter table reviews enable row level security"
    await execute(f"drop owned by {role}; drop role {role}")


REFUSED = 'row-level security policy for table "reviews"; connect as a role that may see every row, or accept fewer'


@pytest.mark.parametrize("road", PUBLIC)
async def test_no_helper_leaves_out_rows_unseen(policed, execute, tmp_path, road):
    """
    A policy that hides rows makes every count wrong, and nobody sees it.
    """
    as_tenant, enable = policed
    async with connect(as_tenant) as lab:
        await execute(enable)

        with pytest.raises(QueryError, match=REFUSED):
            await PUBLIC[road](lab, tmp_path)


async def test_a_lab_is_not_opened_where_rows_are_hidden(policed, execute):
    """
    The first cell says it, not the chart that somebody else finds wrong.
    """
    as_tenant, enable = policed
    await execute(enable)

    with pytest.raises(QueryError, match=f"connecting: .*{REFUSED}"):
        await connect(as_tenant)


@pytest.mark.parametrize("road", PUBLIC)
async def test_a_part_of_the_rows_is_read_where_that_is_accepted(policed, execute, tmp_path, road):
    """
    A tenant's own reviews are all that a tenant wants.
    """
    as_tenant, enable = policed
    await execute(enable)

    async with connect(as_tenant, row_security=True) as lab:
        assert await PUBLIC[road](lab, tmp_path) == N // 3
        assert lab.facts.row_security


async def test_no_write_passes_by_rows_unseen(policed, execute):
    """
    An update that tells "there is none" of a review that is there would be believed.
    """
    as_tenant, enable = policed
    async with connect(as_tenant, write=True) as lab:
        known = (await lab.repo.list_reviews())[0]
        await execute(enable)

        for work in (
            lambda: lab.repo.update_review(known),
            lambda: lab.repo.upsert_review(known),
            lambda: lab.repo.delete_review(known.review_id),
            lambda: lab.repo.create_review(review()),
            lambda: lab.repo.create_reviews([review()], on_conflict="update"),
        ):
            with pytest.raises(QueryError, match=REFUSED):
                await work()


async def test_whom_no_policy_binds_reads_on(dsn, execute):
    """
    The owner of the table sees all of it, and needs no setting for that.
    """
    await execute("alter table reviews enable row level security; create policy none on reviews using (false)")
    await execute("insert into reviews values (gen_random_uuid(), 'text', null, 1, '2024-01-01')")

    async with connect(dsn) as lab:
        assert await lab.count() == 1


async def test_the_check_costs_no_round_trip(lab):
    """
    It goes with the statement that begins the transaction.
    """
    sent = []
    async with lab._database.acquire("looking") as connection:
        connection.add_query_logger(lambda record: sent.append(record.query))

    await lab.count()

    assert [text.split()[0] for text in sent] == ["begin", "select", "commit"]
    assert "row_security = off" in sent[0]
