"""The password and private texts are in no message, repr, log or traceback, whatever goes wrong."""

import asyncio
import io
import logging
import traceback
import warnings

import pytest
from conftest import database_of
from fake_servers import CLEARTEXT, MD5, SCRAM, TWO_GIGABYTES, asks, fake, says, silent

from reviewlab import ReviewLabError, connect
from reviewlab.database import READ_WRITE, Database
from reviewlab.server import Server
from reviewlab.settings import load_settings

PASSWORD = "canary-password-7319"
PRIVATE = "canary-private-text-7319"


def everything_shown(error: BaseException) -> str:
    """What any tool could print of an error: texts, attributes, and the locals of every frame, along the chain."""
    shown, queue, seen = io.StringIO(), [error], set()
    while queue:
        current = queue.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        queue += [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]
        report = traceback.TracebackException.from_exception(current, capture_locals=True)
        print(*report.format(), repr(current), str(current), vars(current), file=shown)
        frame = current.__traceback__
        while frame is not None:
            if "/tests/" not in frame.tb_frame.f_code.co_filename:
                for value in frame.tb_frame.f_locals.values():
                    print(repr(value), getattr(value, "__dict__", ""), file=shown)
            frame = frame.tb_next
    # this test's own frames hold the canaries by name
    return "\n".join(line for line in shown.getvalue().splitlines() if "canary = " not in line)


@pytest.fixture
def log():
    """Everything that is logged, at any level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root, before = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(before)


async def failing(dsn: str, quick: dict[str, float]) -> BaseException:
    """Connect to where it cannot succeed; the DSN is in no frame of the error but in ours."""
    canary = dsn
    try:
        async with connect(canary, **quick):
            raise AssertionError("it connected")
    except ReviewLabError as error:
        return error


@pytest.mark.parametrize(
    "behave",
    [silent, says(b"HTTP/1.1 400\r\n\r\n"), says(TWO_GIGABYTES), asks(CLEARTEXT), asks(MD5), asks(SCRAM)],
    ids=["silent", "http", "garbage", "cleartext", "md5", "scram"],
)
@pytest.mark.parametrize("sslmode", ["prefer", "verify-full"])
async def test_no_failure_to_connect_shows_the_password(quick, log, behave, sslmode):
    """
    The driver keeps it in the locals of every frame, and IPython's verbose tracebacks print them.
    """
    async with fake(behave) as server:
        dsn = f"postgresql://u:{PASSWORD}@127.0.0.1:{server.port}/d?sslmode={sslmode}"
        with warnings.catch_warnings(record=True) as warned:
            error = await failing(dsn, quick | {"connect_timeout": 0.5})

    shown = everything_shown(error).replace(dsn, "")
    assert PASSWORD not in shown + log.getvalue() + str([str(warning.message) for warning in warned])


async def test_a_refused_login_does_not_show_the_password(quick, log):
    """
    It is the commonest error of all.
    """
    with Server(tcp=True, durable=False) as server:
        right = server.dsn.split(":")[2].split("@")[0]
        dsn = server.dsn.replace(right, PASSWORD)

        error = await failing(dsn, quick)

    shown = everything_shown(error).replace(dsn, "")
    assert "refused the login" in shown
    assert PASSWORD not in shown + log.getvalue()


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{PASSWORD}/@localhost/d",
        f"postgresql://u:{PASSWORD}?@localhost/d",
        f"postgresql://u:{PASSWORD}@localhost:99999/d",
        f"postgresql://u:{PASSWORD}@localhost/d?sslmode=none",
        f"host=localhost password={PASSWORD} port=no",
        f"mysql://u:{PASSWORD}@localhost/d",
    ],
)
async def test_a_malformed_dsn_does_not_come_back_in_the_error(quick, dsn):
    """
    A part of a password that ends in another field is shown by a naive parser.
    """
    error = await failing(dsn, quick)

    assert PASSWORD not in str(error) + repr(error) + str(error.__context__) + str(error.__cause__)


async def test_an_open_lab_shows_no_password(proxy, dsn, quick):
    """
    Its repr is the output of a notebook's first cell.
    """
    address = proxy.dsn(database_of(dsn)).replace("postgres@", f"postgres:{PASSWORD}@")

    async with connect(address, **quick) as lab:
        database = lab._database
        shown = repr([lab, lab._repr_html_(), lab.settings, database, vars(database), database.target])

    assert PASSWORD not in shown


VIOLATIONS = {
    "check": f"insert into guarded values (1, '{PRIVATE}', 9)",
    "not null": f"insert into guarded values (null, '{PRIVATE}', 1)",
    "unique": f"insert into guarded values (1, '{PRIVATE}', 1), (1, '{PRIVATE}', 1)",
    "cast": f"select '{PRIVATE}'::int",
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_an_error_of_the_server_shows_no_row(dsn, execute, quick, log, violation):
    """
    PostgreSQL's DETAIL is the whole row, and str() of the driver's error prints it.
    """
    await execute("create table guarded (id int primary key, secret text, rating int check (rating < 6))")
    database = await Database.open(load_settings(dsn, **quick), write=True)

    async def write() -> None:
        async with database.transaction(doing="writing", begin=READ_WRITE) as connection:
            await connection.execute(VIOLATIONS[violation])

    with pytest.raises(ReviewLabError) as raised:
        await write()

    original = raised.value.__context__
    assert PRIVATE not in str(raised.value) + repr(vars(raised.value)) + log.getvalue()
    assert PRIVATE not in str(original) + repr(vars(original)) + repr(original)
    assert original.sqlstate == raised.value.sqlstate
    await database.close()


async def test_a_value_that_cannot_be_sent_is_not_shown(dsn, quick, log):
    """
    The driver's message is the value itself.
    """
    database = await Database.open(load_settings(dsn, **quick))

    with pytest.raises(ReviewLabError, match=r"writing: the value of \$1 cannot be sent") as raised:
        await database.read(lambda connection: connection.fetchval("select $1::int", PRIVATE), doing="writing")

    assert PRIVATE not in str(raised.value) + str(raised.value.__context__) + log.getvalue()
    await database.close()


async def test_errors_of_the_caller_pass_unchanged(lab):
    """
    A missing file in the body of a stream is not a lost connection.
    """
    for error in (FileNotFoundError("mine"), TimeoutError("mine"), ConnectionResetError("mine"), KeyError("mine")):
        with pytest.raises(type(error)) as raised:
            await in_a_stream(lab, error)
        assert raised.value is error


async def in_a_stream(lab, error: Exception) -> None:
    async with lab.snapshot() as frozen:
        await frozen.count()
        raise error


async def test_nothing_else_than_our_errors_comes_out(through, proxy, quick, execute):
    """
    A caller who catches ReviewLabError must have caught everything.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('x', 50), null, 1 + n % 5, '2024-01-01' "
        "from generate_series(1, 200) n"
    )
    others = []
    async with connect(through, retries=0, **quick) as lab:
        for cut in range(20, 4000, 150):
            for reset in (False, True):
                proxy.cut_after, proxy.reset_at_cut = cut, reset
                for ask in (lab.count, lab.reviews, lab.extent, lab.rating_counts, lambda: lab.sql("select 1 as n")):
                    try:
                        await ask()
                    except ReviewLabError:
                        pass
                    except Exception as error:
                        others.append(error)
        proxy.cut_after = 0
        await asyncio.sleep(0)
        assert await lab.count() == 200

    assert others == []
