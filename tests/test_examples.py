"""The example of a web service answers rightly, keeps private texts, and leaves nothing behind."""

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from uuid import UUID

import httpx
import pytest

import reviewlab as rl

FILE = Path(__file__).parents[1] / "examples" / "fastapi_app.py"
NOBODY = UUID(int=0)
KEY = {"X-Private-Key": "sesame"}
NEW = {"public_review": "fine", "private_review": "between us", "rating": 4, "submitted_at": "2024-01-01T12:00:00"}


@pytest.fixture
def example(dsn, monkeypatch) -> ModuleType:
    """The example, loaded as its own module, on the test's database."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    spec = importlib.util.spec_from_file_location("fastapi_app", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def client(example):
    """A client of the running service."""
    transport = httpx.ASGITransport(example.app, raise_app_exceptions=False)
    async with (
        example.app.router.lifespan_context(example.app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as opened,
    ):
        yield opened


async def test_a_review_is_created_found_and_deleted(client):
    """
    One life of a review, with the status codes that clients rely on.
    """
    created = await client.post("/reviews", json=NEW)
    place = created.headers["Location"]
    found = await client.get(place)
    deleted = await client.delete(place)
    gone = await client.get(place)

    assert [created.status_code, found.status_code, deleted.status_code, gone.status_code] == [201, 200, 204, 404]
    assert found.json() == created.json()
    assert found.json() == {
        "review_id": place.rsplit("/")[-1],
        "public_review": "fine",
        "rating": 4,
        "submitted_at": "2024-01-01T12:00:00",
    }


async def test_pages_are_stable_and_count_all(client, add_reviews):
    """
    The total is right beyond the last page too.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 2, "2024-01-03": 3})

    first, rest, beyond = [(await client.get(f"/reviews?limit=2&offset={n}")).json() for n in (0, 2, 4)]

    ratings = [[review["rating"] for review in page["reviews"]] for page in (first, rest, beyond)]
    assert ratings == [[3, 2], [1], []]
    assert [page["total"] for page in (first, rest, beyond)] == [3, 3, 3]


async def test_private_text_is_in_no_answer_without_the_key(client, monkeypatch):
    """
    It was written to the company, not to the public.
    """
    monkeypatch.setenv("PRIVATE_KEY", "sesame")
    created = await client.post("/reviews", json=NEW)
    place = created.headers["Location"]

    answers = [
        created,
        await client.get(place),
        await client.get("/reviews"),
        await client.get(f"{place}/private"),
        await client.get(f"{place}/private", headers={"X-Private-Key": "guess"}),
        await client.post("/reviews", json=NEW | {"rating": 6}),
        await client.post("/reviews", json=NEW | {"review_id": created.json()["review_id"]}),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 403, 403, 422, 409]
    assert not [answer.text for answer in answers if "between us" in answer.text or "private_review" in answer.text]


@pytest.mark.parametrize(("key", "status"), [("sesame", 200), ("", 403)])
async def test_private_text_needs_the_key_of_the_environment(client, monkeypatch, key, status):
    """
    A service that was started without one must not take the empty key.
    """
    monkeypatch.setenv("PRIVATE_KEY", key)
    place = (await client.post("/reviews", json=NEW)).headers["Location"]

    answer = await client.get(f"{place}/private", headers={"X-Private-Key": key})

    assert answer.status_code == status
    assert answer.json().get("private_review") == ("between us" if status == 200 else None)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/reviews/{NOBODY}", None, 404),
        ("DELETE", f"/reviews/{NOBODY}", None, 404),
        ("GET", "/reviews/seven", None, 422),
        ("GET", "/reviews?limit=0", None, 422),
        ("GET", "/reviews?limit=101", None, 422),
        ("GET", "/reviews?offset=-1", None, 422),
        ("POST", "/reviews", NEW | {"rating": 0}, 422),
        ("POST", "/reviews", NEW | {"public_review": "x" * 1_000_001}, 422),
        ("POST", "/reviews", NEW | {"public_review": "a\0b"}, 422),
        ("POST", "/reviews", NEW | {"submitted_at": "2024-01-01T12:00:00Z"}, 422),
        ("POST", "/reviews", NEW | {"is_admin": True}, 422),
    ],
)
async def test_each_mistake_has_its_status(client, fetch, method, path, body, status):
    """
    A client can mend what is its own fault, and must be told which it is.
    """
    answer = await client.request(method, path, json=body)

    assert answer.status_code == status
    assert answer.json()["detail"]
    assert "between us" not in answer.text
    assert await fetch("select from reviews") == []


async def test_a_review_sent_twice_is_there_once(client, fetch):
    """
    A client that heard no answer sends again, with the id that it made.
    """
    body = NEW | {"review_id": str(UUID(int=7))}

    answers = [await client.post("/reviews", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert len(await fetch("select from reviews")) == 1


async def test_a_busy_database_is_503_and_says_nothing_of_it(example, client, execute, monkeypatch):
    """
    Where the database is, and what it said, is nobody's business outside.
    """
    repo = example.app.state.repo
    monkeypatch.setattr(
        repo._database, "settings", repo._database.settings.model_copy(update={"statement_timeout": 0.1})
    )
    await execute("begin; lock table reviews")

    answer = await client.get("/reviews")

    await execute("rollback")
    assert answer.status_code == 503
    assert answer.json() == {"detail": "the database does not answer now"}
    assert answer.headers["Retry-After"] == "5"


async def test_a_broken_service_is_500_without_details(client, execute):
    """
    A missing table is for the log of the service.
    """
    await execute("drop table reviews")

    answer = await client.get("/reviews")

    assert (answer.status_code, answer.json()) == (500, {"detail": "something is wrong with the service"})


async def test_many_clients_share_one_pool_and_the_end_leaves_nothing(example, fetch, add_reviews):
    """
    A service that is restarted every day must not fill the server.
    """
    await add_reviews()
    count = "select from pg_stat_activity where application_name = 'reviewlab' and datname = current_database()"
    async with (
        example.app.router.lifespan_context(example.app),
        httpx.AsyncClient(transport=httpx.ASGITransport(example.app), base_url="http://service") as client,
    ):
        answers = await asyncio.gather(*(client.get("/reviews") for _ in range(60)))
        most = len(await fetch(count))

    async with asyncio.timeout(5):
        while await fetch(count):
            await asyncio.sleep(0.01)
    assert {answer.status_code for answer in answers} == {200}
    assert most <= 5


async def test_it_runs_as_its_first_lines_say(dsn):
    """
    With uvicorn, until it is told to stop.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "examples.fastapi_app:app", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=FILE.parents[1], env=os.environ | {"DATABASE_URL": dsn}, stderr=subprocess.PIPE, text=True
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(30):
            answer = None
            while answer is None:
                try:
                    answer = await client.get("/reviews")
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
    finally:
        process.terminate()
        _, log = await asyncio.to_thread(process.communicate, timeout=20)

    assert answer.json() == {"reviews": [], "total": 0}
    assert "Application shutdown complete" in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (rl.OutcomeUnknownError("the connection was lost", key=7), 503, "it may have been written, or not: look for 7"),
        (rl.ConnectionLostError("db.example.net is gone"), 503, "the database does not answer now"),
        (rl.ConfigError("a secret in the wrong place"), 500, "something is wrong with the service"),
    ],
)
async def test_what_breaks_beneath_has_its_status(example, error, status, words):
    """
    A client must know whether to send again, to look, or to give up.
    """
    answer = await example.answer_error(None, error)

    assert (answer.status_code, json.loads(answer.body)) == (status, {"detail": words})
