"""Text that wants to be SQL: two hundred payloads, and what hypothesis finds, through every argument for text."""

import asyncio
import itertools
from datetime import datetime
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_helpers import review
from test_cli import reviewlab as command

from reviewlab import ReviewLabError, connect, queries

BREAKS = [
    "'",
    "''",
    "\\'",
    '"',
    "$$",
    "$1",
    ":name",
    "\\",
    "%",
    "_",
    "%s",
    "{0}",
    "/*",
    "*/",
    "--",
    ")",
    "ʼ",
    "＇",
    "`",
    "E'",
]
COMMANDS = [
    "; drop table reviews",
    "; delete from reviews; commit",
    " or true",
    " union select private_review from reviews",
    ") to stdout; update reviews set rating = 0; copy (select 1",
    "; set transaction read write",
    "::regclass",
    "||(select string_agg(private_review, '') from reviews)",
    "; select pg_terminate_backend(pg_backend_pid())",
    "\n\\. \t\r",
]
PAYLOADS = [f"{begin}{command} {begin}--" for begin, command in itertools.product(BREAKS, COMMANDS)]


@pytest.fixture
async def known(writing_lab):
    """A review for each payload, which is its text."""
    made = [review(public_review=text, private_review="secret", rating=1 + at % 5) for at, text in enumerate(PAYLOADS)]
    await writing_lab.repo.create_reviews(made)
    return made


@pytest.fixture
def fingerprint(fetch):
    """What the table holds, and that it is there."""

    async def tell() -> tuple[int, str]:
        rows = await fetch("select count(*) n, md5(string_agg(r::text, '|' order by review_id)) hash from reviews r")
        return rows[0]["n"], rows[0]["hash"]

    return tell


def test_there_are_two_hundred_payloads():
    """
    As many as were promised, and no two alike.
    """
    assert len(set(PAYLOADS)) == 200


async def test_a_text_that_is_searched_for_is_a_text(lab, known, fingerprint):
    """
    Quotes, comments and patterns are characters like others.
    """
    before = await fingerprint()

    for text in PAYLOADS:
        holding = [one for one in PAYLOADS if text.lower() in one.lower()]
        counts = await lab.rating_counts("day", text=text)
        assert await lab.count(text=text) == len(holding), text
        assert sorted((await lab.reviews(text=text))["public_review"]) == sorted(holding), text
        assert counts["n"].sum() == len(holding), text
        assert (await lab.by_weekday_hour(text=text))["n"].sum() == len(holding), text
        assert (await lab.by_text_length(text=text))["n"].sum() == len(holding), text

    assert await fingerprint() == before


async def test_a_text_that_is_streamed_or_exported_by_is_a_text(lab, known, fingerprint, tmp_path):
    """
    The roads for large results take the same arguments.
    """
    before = await fingerprint()

    for text in PAYLOADS[::10]:
        holding = sorted(one for one in PAYLOADS if text.lower() in one.lower())
        async with lab.stream(text=text) as batches:
            streamed = [one async for batch in batches for one in batch["public_review"]]
        await lab.export_parquet(tmp_path / "reviews.parquet", text=text, progress=False)
        assert sorted(streamed) == holding, text
        assert sorted(pd.read_parquet(tmp_path / "reviews.parquet")["public_review"]) == holding, text

    assert await fingerprint() == before


async def test_a_value_of_a_statement_is_a_value(lab, known, fingerprint):
    """
    Inlined as a literal, it is read back as it was given, wherever it stands.
    """
    before = await fingerprint()

    for text in PAYLOADS:
        shown = await lab.sql(
            "select :text as a, $x$:text $1$x$ as b, (:text || '')::text as c, ':text' as d /* :text */ -- :text\n",
            text=text,
        )
        assert shown.iloc[0].tolist() == [text, ":text $1", text, ":text"], text
        assert await lab.value("select count(*) from reviews where public_review = :text", text=text) == 1, text
        assert await lab.value("select :texts::text[] = array[:text]", texts=[text], text=text), text

    assert await fingerprint() == before


NAMING = {
    "columns": lambda lab, text: lab.reviews(columns=[text]),
    "order_by": lambda lab, text: lab.reviews(order_by=text),
    "since": lambda lab, text: lab.reviews(since=text),
    "until": lambda lab, text: lab.count(until=text),
    "tz": lambda lab, text: lab.reviews(tz=text),
    "tz of extent": lambda lab, text: lab.extent(tz=text),
    "tz of counts": lambda lab, text: lab.rating_counts("day", tz=text),
    "tz of hours": lambda lab, text: lab.by_weekday_hour(tz=text),
    "every": lambda lab, text: lab.rating_counts(text),
    "week_start": lambda lab, text: lab.rating_counts("week", week_start=text),
    "edges": lambda lab, text: lab.rating_counts(edges=[text, "2030-01-01"]),
    "lengths": lambda lab, text: lab.by_text_length(edges=[text]),
    "ratings": lambda lab, text: lab.count(ratings=[text]),
    "a name": lambda lab, text: lab.sql("select 1", params={text: 1}),
    "decimal": lambda lab, text: lab.sql("select 1.5", decimal=text),
    "review_id": lambda lab, text: lab.repo.find_review_by_id(text),
    "review_ids": lambda lab, text: lab.repo.find_reviews_by_ids([text]),
    "a deleted id": lambda lab, text: lab.repo.delete_review(text),
    "isolation": lambda lab, text: lab.repo.run_transaction(lambda repo: repo.count_reviews(), isolation=text),
    "on_conflict": lambda lab, text: lab.repo.create_reviews([review()], on_conflict=text),
}


@pytest.mark.parametrize("argument", NAMING)
async def test_what_names_a_thing_is_one_of_the_known_names(writing_lab, known, fingerprint, argument):
    """
    It never reaches the server, and the refusal is a sentence.
    """
    before = await fingerprint()

    for text in PAYLOADS:
        with pytest.raises((ValueError, TypeError, ReviewLabError)):
            await NAMING[argument](writing_lab, text)

    assert await fingerprint() == before


async def test_what_is_written_is_stored_as_it_was_given(writing_lab, known, fetch):
    """
    A text is a text on the way in too, and the others stay as they are.
    """
    repo, others = (
        writing_lab.repo,
        "select md5(string_agg(r::text, '|' order by review_id)) hash from reviews r where rating > 0",
    )
    before = await fetch(others)

    for at, text in enumerate(PAYLOADS):
        made = review(public_review=text, private_review=text, rating=-1 - at)
        await repo.create_review(made)
        await repo.update_review(made.model_copy(update={"public_review": text + text}))
        await repo.upsert_review(made)
        assert await repo.find_review_by_id(made.review_id, include_private=True) == made

    assert await fetch(others) == before


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_what_is_loaded_is_stored_as_it_was_given(writing_lab, tmp_path, on_conflict):
    """
    COPY, staging and files have escapes of their own.
    """
    frame = pd.DataFrame(
        {
            "review_id": [str(uuid4()) for _ in PAYLOADS],
            "public_review": PAYLOADS,
            "private_review": PAYLOADS[::-1],
            "rating": 3,
            "submitted_at": datetime(2024, 1, 1),
        }
    )
    frame.iloc[:100].to_csv(tmp_path / "reviews.csv", index=False)

    await writing_lab.repo.create_reviews(tmp_path / "reviews.csv", on_conflict=on_conflict)
    await writing_lab.repo.create_reviews(frame.iloc[100:], on_conflict=on_conflict)

    stored = (await writing_lab.reviews(include_private=True)).set_index("review_id").loc[frame["review_id"]]
    assert stored["public_review"].tolist() == PAYLOADS
    assert stored["private_review"].tolist() == PAYLOADS[::-1]


@pytest.mark.parametrize("setting", ["db_schema", "stored_tz", "application_name", "database", "user", "options"])
async def test_a_setting_names_and_does_nothing_else(dsn, known, fingerprint, setting):
    """
    Whoever may set one in a shared notebook shall not thereby write.
    """
    before = await fingerprint()

    for text in PAYLOADS[::9]:
        try:
            async with connect(dsn, **{setting: text}) as lab:
                assert await lab.count() == 200
        except (ValueError, ReviewLabError):
            pass

    assert await fingerprint() == before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
async def test_any_text_is_a_value(lab, known, fetch, text):
    """
    What nobody has thought of.
    """
    found = await lab.sql("select :text as t, count(*) as n from reviews where public_review = :text", text=text)

    assert found["t"].tolist() == [text]
    assert found["n"].tolist() == [PAYLOADS.count(text)]


def fits(text: str) -> bool:
    """Whether PostgreSQL takes it for a name; prefixes of its own are refused."""
    return len(text.encode()) <= 63


async def test_a_name_is_a_name(known, execute, fetch, fingerprint):
    """
    The scripts of init and roles are the only statements into which text is put, by whoever may do anything.
    """
    before, names = await fingerprint(), [text for text in PAYLOADS if fits(text)]
    roles = ("reader", "private", "writer", "login")

    for name in names:
        await execute(queries.script("schema", schema=name))
    for at in range(0, len(names) - 4, 4):
        some = names[at : at + 4]
        script = queries.script("roles", database="postgres", schema="public", **dict(zip(roles, some, strict=True)))
        await execute(script.replace("commit;", f"set local role {queries.identifier(some[0])}; rollback;"))

    assert {row[0] for row in await fetch("select nspname from pg_namespace")} >= set(names)
    assert len(names) > 150
    assert await fingerprint() == before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(fits))
async def test_any_name_is_a_name(fetch, name):
    """
    As PostgreSQL itself reads it.
    """
    [row] = await fetch(f"select 1 as {queries.identifier(name)}")

    assert list(row.keys()) == [name]


async def test_an_argument_of_a_command_is_an_argument(dsn, known, fingerprint, tmp_path):
    """
    A job whose arguments come from a form.
    """
    before = await fingerprint()
    commands = [
        *(("report", f"--{name}", text, "--out", str(tmp_path / "page.html"))
          for name in ("since", "until", "tz", "every") for text in PAYLOADS[7:8]),
        ("load", PAYLOADS[7]),
        ("load", "--on-conflict", PAYLOADS[7], __file__),
        ("load", __file__),
    ]  # fmt: skip

    done = await asyncio.gather(*(command(*arguments, DATABASE_URL=dsn) for arguments in commands))

    assert [one.returncode > 0 for one in done] == [True] * len(commands)
    assert not any("Traceback" in one.stderr for one in done)
    assert await fingerprint() == before
