"""What a value says of itself at the end of a cell."""

import asyncio
import re
import uuid
from datetime import UTC, datetime

import pandas as pd
import pytest

import reviewlab
from reviewlab import connect, ratings
from reviewlab.live import Change
from reviewlab.models import ReviewModel

NASTY = "<script>alert('x')</script>"


def read(markup):
    """Cells of a table as a person sees them, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", markup, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


async def test_a_lab_says_where_as_whom_and_what_is_there(dsn, execute, add_reviews):
    """
    The first look of every session: is this the right database, and may I write?
    """
    await add_reviews({"2024-01-01": 2, "2024-05-31": 5})
    await execute("analyze reviews")
    async with connect(dsn, max_connections=3) as lab:
        shown = dict(read(lab._repr_html_()))
        plain = repr(lab)

    assert "PostgreSQL" in shown["server"]
    assert (shown["access"], shown["reviews"], shown["ratings"]) == ("read-only", "about 2", "1 to 5")
    assert shown["submitted"] == "01 Jan 2024 – 31 May 2024"
    assert shown["pool"] == "1 of at most 3 connections open, 0 in use"
    assert all(f"{name} " in plain for name in shown)


async def test_a_closed_lab_says_so_and_one_of_run_can_be_shown(dsn):
    """
    A notebook shows whatever a cell ends with, and must not fail in doing so.
    """
    async with connect(dsn, max_connections=3) as lab:
        elsewhere = await asyncio.to_thread(repr, lab)

    assert "at most 3 connections" in elsewhere
    assert "this lab is closed" in repr(lab)


async def test_an_extent_is_a_small_table(lab, add_reviews):
    """
    Seven values at a glance, not a listing of objects.
    """
    await add_reviews({"2024-01-01": 2, "2024-05-31 12:30": 4})
    extent = await lab.extent(tz="Europe/Berlin")

    shown = dict(read(extent._repr_html_()))

    assert (shown["first"], shown["last"]) == ("01 Jan 2024 01:00 CET", "31 May 2024 14:30 CEST")
    assert (shown["n"], shown["ratings"], shown["scale"]) == ("2", "2 to 4", "1 to 5")


async def test_an_empty_extent_can_be_shown(lab):
    """
    A new table is where one looks first.
    """
    shown = dict(read((await lab.extent())._repr_html_()))

    assert (shown["first"], shown["n"], shown["ratings"]) == ("–", "0", "–")


async def test_a_comparison_is_a_small_table_and_a_series_all_the_same(lab, add_reviews):
    """
    It is read by people, and its values are taken by name.
    """
    await add_reviews({f"2024-01-{day:02d}": 1 + day % 5 for day in range(1, 31)})
    one = await lab.rating_counts("day", until="2024-01-16")
    other = await lab.rating_counts("day", since="2024-01-16", scale=(1, 5))

    compared = ratings.compare(one, other)

    shown = dict(read(compared._repr_html_()))
    assert (shown["n_a"], shown["n_b"], shown["mean_a"]) == ("15", "15", "3")
    assert type(compared * 2) is pd.Series
    assert compared["n_a"] == 15


async def test_reviews_and_pages_show_public_texts_escaped_and_no_private_one(writing_lab):
    """
    Whoever writes a review writes into the analyst's page, and a saved notebook is sent around.
    """
    for n in range(3):
        await writing_lab.repo.create_review(
            ReviewModel(
                public_review=f"{NASTY} {n} " + "long " * 200,
                private_review="SECRET",
                rating=n,
                submitted_at=pd.Timestamp(f"2024-01-0{n + 1}").to_pydatetime(),
            )
        )
    page = await writing_lab.repo.list_reviews_paginated(limit=2, offset=1, include_private=True)

    markup = page._repr_html_() + page.reviews[0]._repr_html_()

    assert repr(page) == str(page) == "<ReviewPage: reviews 2 to 3 of 3>"
    assert markup.count("&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;") == 3
    assert "<script" not in markup
    assert "SECRET" not in markup + repr(page) + repr(page.reviews[0])
    assert len(markup) < 4_000


async def test_a_long_page_is_no_wall_of_text(lab, add_reviews):
    """
    A page of ten thousand would make the notebook itself slow to open.
    """
    await add_reviews({f"2024-01-01 00:{minute:02d}": 1 for minute in range(40)})

    page = await lab.repo.list_reviews_paginated(limit=1000)

    assert len(read(page._repr_html_())) == 1 + 20 + 1
    assert "reviews 1 to 40 of 40" in page._repr_html_()


async def test_a_page_beyond_the_end_says_how_many_there_are(lab, add_reviews):
    """
    An empty table without a word looks like an error.
    """
    await add_reviews()

    page = await lab.repo.list_reviews_paginated(offset=10)

    assert "none of 1 reviews" in page._repr_html_()


async def test_facts_are_shown_as_the_lab_shows_them(lab):
    """
    Fifteen fields in one line hide the one that is asked for.
    """
    shown = dict(read(lab.facts._repr_html_()))

    assert shown == dict(lab.facts.rows())
    assert repr(lab.facts).splitlines()[0] == "Facts"


def test_a_change_says_what_happened_and_names_three_of_its_reviews():
    """
    A loop that shows each change must not fill the page with a hundred ids.
    """
    ids = tuple(uuid.uuid4() for _ in range(100))

    change = Change(operation="insert", ids=ids, count=100, moment=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))

    shown = dict(read(change._repr_html_()))
    assert (shown["operation"], shown["n"]) == ("insert", "100")
    assert shown["ids"] == f"{ids[0]} {ids[1]} {ids[2]} …"
    assert repr(change).startswith(f"<Change: insert, 100, {ids[0]}")
    assert repr(Change(operation="gap")).startswith("<Change: gap, not known, none")


@pytest.mark.parametrize("make", [reviewlab.connect, reviewlab.demo])
def test_a_lab_that_nobody_awaited_says_what_to_write(make):
    """
    The forgotten await is the first mistake that everybody makes.
    """
    assert "lab = await" in repr(make())
