"""What a person can type, as a process of its own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reviewlab import __version__


async def reviewlab(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command, beside the loop of the test."""
    command = [sys.executable, "-m", "reviewlab.cli", *arguments]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200", "PYTHONWARNINGS": "error"} | environment,
        timeout=110,
    )


async def test_the_version_is_shown():
    """
    The first thing that a bug report needs.
    """
    done = await reviewlab("--version")

    assert (done.returncode, done.stdout.strip()) == (0, __version__)


async def test_init_creates_the_table_and_may_be_repeated(dsn, execute, fetch):
    """
    It is what every error about a missing table recommends.
    """
    await execute("drop table reviews")

    first = await reviewlab("init", DATABASE_URL=dsn)
    second = await reviewlab("init", DATABASE_URL=dsn)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert await fetch("select from reviews") == []


async def test_init_has_the_table_announce_its_changes_on_demand(dsn, execute, lab):
    """
    It is what a watch on a silent table recommends.
    """
    done = await reviewlab("init", "--notify", DATABASE_URL=dsn)

    async with lab.watch() as changes, asyncio.timeout(10):
        await execute("truncate reviews")
        change = await anext(changes)
    assert done.stdout == "the table reviews is there, and announces its changes\n"
    assert change.operation == "truncate"


async def test_load_adds_a_file(dsn, fetch, tmp_path):
    """
    The way from an export to a table.
    """
    (tmp_path / "reviews.csv").write_text(
        "review_id,public_review,private_review,rating,submitted_at\n"
        "00000000-0000-0000-0000-000000000001,fine,,5,2024-01-01\n"
    )

    done = await reviewlab("load", str(tmp_path / "reviews.csv"), DATABASE_URL=dsn)

    assert (done.returncode, done.stdout.strip()) == (0, "1 reviews added")
    assert len(await fetch("select from reviews")) == 1


async def test_load_updates_what_is_there(dsn, execute, fetch, tmp_path):
    """
    Tonight's export has most of last night's reviews again, and knows nothing of private texts.
    """
    key = "00000000-0000-0000-0000-000000000001"
    await execute(f"insert into reviews values ('{key}', 'good', 'to you only', 4, '2024-01-01')")
    (tmp_path / "reviews.csv").write_text(
        f"review_id,public_review,rating,submitted_at\n{key},bad,1,2024-01-01\n{key[:-1]}2,fine,5,2024-01-02\n"
    )

    done = await reviewlab("load", "--on-conflict", "update", str(tmp_path / "reviews.csv"), DATABASE_URL=dsn)

    assert (done.returncode, done.stdout.strip()) == (0, "2 reviews added or replaced")
    found = await fetch("select public_review, private_review from reviews order by review_id")
    assert [tuple(row) for row in found] == [("bad", "to you only"), ("fine", None)]


async def test_report_writes_a_page_and_says_where(dsn, execute, tmp_path):
    """
    The whole way from a question to a page, without a notebook.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), 'fine', null, 1 + i % 5,"
        " '2024-01-01'::timestamp + i * interval '7 hours' from generate_series(0, 500) i"
    )
    page = tmp_path / "page.pdf"

    done = await reviewlab(
        *("report", "--since", "2024-02-01", "--every", "month", "--tz", "Europe/Berlin", "--out", str(page)),
        DATABASE_URL=dsn,
    )

    assert (done.returncode, done.stdout.strip()) == (0, str(page)), done.stderr
    assert page.read_bytes().startswith(b"%PDF")


async def test_doctor_says_what_to_do(dsn, execute):
    """
    A finding without advice helps nobody.
    """
    await execute("drop index reviews_submitted_at_review_id")

    done = await reviewlab("doctor", DATABASE_URL=dsn)

    assert done.returncode == 0, done.stderr
    assert "PostgreSQL 18" in done.stdout
    assert "a superuser is beyond every GRANT" in done.stdout
    assert "run `reviewlab init`" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "dsn_of", "message"),
    [
        (["doctor"], None, "no database is configured: set DATABASE_URL"),
        (["doctor"], "postgresql://u:hunter2@127.0.0.1:1/d", "nothing listens there"),
        (["doctor"], "postgresql://u:hunter2@nohost.invalid/d", "the host's name is not known"),
        (["doctor"], "mysql://u:hunter2@localhost/d", "a DSN looks like postgresql://"),
        (["load", "/does/not/exist.csv"], "there", "cannot be read"),
        (["doctor"], "no database", 'database "nowhere" does not exist'),
        (["doctor"], "no table", "run `reviewlab init`"),
        (["demo"], "no binaries", "REVIEWLAB_PG_BINDIR"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(server, dsn, execute, tmp_path, arguments, dsn_of, message):
    """
    No traceback, no password, and an exit code that scripts can see.
    """
    environment = {"DATABASE_URL": dsn_of} if dsn_of and "://" in dsn_of else {}
    if dsn_of in ("there", "no table"):
        environment = {"DATABASE_URL": dsn}
    if dsn_of == "no table":
        await execute("drop table reviews")
    if dsn_of == "no database":
        environment = {"DATABASE_URL": server.dsn_for("nowhere")}
    if dsn_of == "no binaries":
        environment = {"REVIEWLAB_PG_BINDIR": str(tmp_path)}

    done = await reviewlab(*arguments, **environment)

    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert done.stderr.count("\n") <= 2


async def test_a_wrong_password_says_so(tmp_path):
    """
    Over TCP, where passwords are.
    """
    from reviewlab.server import Server

    with Server(tcp=True) as server:
        dsn = server.dsn.replace(server.dsn.split(":")[2].split("@")[0], "hunter2")
        done = await reviewlab("doctor", DATABASE_URL=dsn)

    assert done.returncode == 1
    assert "password authentication failed" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("source", ["synthetic", "real"])
async def test_the_demonstration_ends_with_a_page_its_charts_and_numbers(tmp_path, source, request):
    """
    The first command that a stranger types.
    """
    arguments = ["--rows", "5000"]
    if source == "real":
        arguments = ["--csv", str(request.getfixturevalue("real_reviews"))]

    done = await reviewlab("demo", "--out", str(tmp_path / "demo"), *arguments, PYTHONWARNINGS="")

    files = [Path(line) for line in done.stdout.splitlines() if line.startswith(str(tmp_path))]
    assert done.returncode == 0, done.stderr
    assert [file.suffix for file in files] == [".html", *[".png"] * 4]
    assert all(file.stat().st_size > 10_000 for file in files)
    assert ("148,011" if source == "real" else "5,000") in done.stdout
    assert ("synthetic" in done.stdout) is (source == "synthetic")
    assert "Traceback" not in files[0].read_text()
