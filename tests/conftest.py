"""A real PostgreSQL for all tests: one server a process, a database of its own for each test."""

import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import matplotlib as mpl
import pytest

from reviewlab import ReviewLab, connect, queries
from reviewlab.server import Server

mpl.use("agg")

SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "reviews_sample.csv.gz"

AddReviews = Callable[..., Awaitable[list[uuid.UUID]]]


@pytest.fixture(autouse=True)
def no_configured_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own database must not be found by a test."""
    for name in list(os.environ):
        if name.startswith(("PG", "REVIEWLAB_")) or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server whose database ``template_reviews`` has the table."""
    settings = {"max_connections": "60", "timezone": "America/St_Johns"}  # a zone that no result may depend on
    with Server(durable=False, settings=settings) as started:
        yield started


@pytest.fixture(scope="session")
def admin(server: Server) -> Callable[[str], Awaitable[Any]]:
    """Run a statement as superuser, outside every test's database."""

    async def execute(statement: str, database: str = "postgres") -> Any:
        connection = await asyncpg.connect(server.dsn_for(database))
        try:
            return await connection.execute(statement)
        finally:
            await connection.close()

    return execute


_templates: set[str] = set()


@pytest.fixture
async def dsn(server: Server, admin: Callable[..., Awaitable[Any]]) -> AsyncIterator[str]:
    """A DSN of a database of this test's own, with an empty table ``reviews``."""
    if server.dsn not in _templates:
        await admin("create database template_reviews")
        await admin(queries.script("reviews"), "template_reviews")
        _templates.add(server.dsn)
    name = f"test_{uuid.uuid4().hex}"
    await admin(f"create database {name} template template_reviews strategy file_copy")
    yield server.dsn_for(name)
    await admin(f"drop database {name} with (force)")


@pytest.fixture
async def lab(dsn: str) -> AsyncIterator[ReviewLab]:
    """A read-only lab on the test's database."""
    async with connect(dsn) as opened:
        yield opened


@pytest.fixture
async def writing_lab(dsn: str) -> AsyncIterator[ReviewLab]:
    """A lab on the test's database that may write."""
    async with connect(dsn, write=True) as opened:
        yield opened


@pytest.fixture
async def execute(dsn: str) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """Run a statement on the test's database, beside the lab."""
    connection = await asyncpg.connect(dsn)
    yield connection.execute
    await connection.close()


@pytest.fixture
async def fetch(dsn: str) -> AsyncIterator[Callable[..., Awaitable[list[Any]]]]:
    """Ask the test's database beside the lab, by the bare driver."""
    connection = await asyncpg.connect(dsn)
    yield connection.fetch
    await connection.close()


@pytest.fixture
async def add_reviews(execute: Callable[..., Awaitable[Any]]) -> AddReviews:
    """Insert reviews: ``{"2024-01-01": 5}`` or keyword columns; returns their ids."""

    async def add(
        ratings: Mapping[str, int] | None = None,
        *,
        public_review: str = "fine",
        private_review: str | None = None,
        rating: int = 5,
        submitted_at: str = "2024-01-01",
    ) -> list[uuid.UUID]:
        ids = []
        for moment, stars in (ratings or {submitted_at: rating}).items():
            ids.append(uuid.uuid4())
            await execute(
                "insert into reviews values ($1, $2, $3, $4, $5)",
                ids[-1],
                public_review,
                private_review,
                stars,
                datetime.fromisoformat(moment),
            )
        return ids

    return add


@pytest.fixture(scope="session")
def real_reviews() -> Path:
    """148,011 real reviews, which the project does not ship."""
    if not SAMPLE.exists():
        pytest.skip(f"the real reviews are not there: {SAMPLE}")
    return SAMPLE
