"""Reviews as models: created, read, changed, deleted and paged."""

from datetime import datetime
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from review_helpers import NEW_YEAR, review, reviews

from reviewlab import ReadOnlyError, ReviewDataError, connect
from reviewlab.repo import ReviewsRepo


@pytest.fixture
def repo(writing_lab) -> ReviewsRepo:
    return writing_lab.repo


async def test_a_review_comes_back_as_it_was_created(repo):
    """
    Microseconds, empty and missing texts and every sign survive the way there and back.
    """
    made = review(
        public_review="", private_review="naïve 🙂 ‮ \\N \r\n'\"", submitted_at=datetime(2024, 2, 29, 1, 2, 3, 4)
    )

    created = await repo.create_review(made)

    assert created == made
    assert await repo.find_review_by_id(str(made.review_id), include_private=True) == made


async def test_private_text_is_unset_unless_asked_for(repo):
    """
    Not read and not there differ: what was not read must not look as if the customer wrote nothing.
    """
    made = await repo.create_review(review(private_review="to you only"))

    found = [
        await repo.find_review_by_id(made.review_id),
        *await repo.find_reviews_by_ids([made.review_id]),
        *await repo.list_reviews(),
        *(await repo.list_reviews_paginated()).reviews,
        *[one async for one in repo.iterate_reviews()],
    ]

    assert ["private_review" in one.model_fields_set for one in found] == [False] * 5
    assert "only" not in repr(found)


async def test_private_text_comes_when_asked_for(repo):
    """
    Every road has the same switch.
    """
    made = await repo.create_review(review(private_review="to you only"))

    found = [
        await repo.find_review_by_id(made.review_id, include_private=True),
        *await repo.find_reviews_by_ids([made.review_id], include_private=True),
        *await repo.list_reviews(include_private=True),
        *(await repo.list_reviews_paginated(include_private=True)).reviews,
        *[one async for one in repo.iterate_reviews(include_private=True)],
    ]

    assert found == [made] * 5
    assert "only" not in repr(found)


async def test_an_update_without_private_text_keeps_it(repo):
    """
    A program that reads without private texts and writes back must not erase them.
    """
    made = await repo.create_review(review(private_review="to you only"))
    read = await repo.find_review_by_id(made.review_id)

    there = await repo.update_review(read.model_copy(update={"rating": 1}))

    found = await repo.find_review_by_id(made.review_id, include_private=True)
    assert (there, found.rating, found.private_review) == (True, 1, "to you only")


async def test_an_update_with_private_text_none_erases_it(repo):
    """
    Who sets it to None means it.
    """
    made = await repo.create_review(review(private_review="to you only"))

    await repo.update_review(made.model_copy(update={"private_review": None}))

    assert (await repo.find_review_by_id(made.review_id, include_private=True)).private_review is None


async def test_an_upsert_creates_then_replaces_and_keeps_private_text(repo):
    """
    The second upsert, without private text, must neither fail nor erase.
    """
    made = await repo.upsert_review(review(private_review="to you only"))

    await repo.upsert_review(review(review_id=made.review_id, rating=2, public_review="now bad"))

    found = await repo.find_review_by_id(made.review_id, include_private=True)
    assert found == made.model_copy(update={"rating": 2, "public_review": "now bad"})


async def test_update_and_delete_tell_whether_there_was_one(repo):
    """
    A program answers 404 by this.
    """
    made = await repo.create_review(review())

    told = [
        await repo.update_review(review()),
        await repo.delete_review(uuid4()),
        await repo.delete_review(made.review_id),
        await repo.delete_review(made.review_id),
    ]

    assert told == [False, False, True, False]
    assert await repo.count_reviews() == 0


async def test_what_is_not_there_is_none(repo):
    """
    Looking for nothing is no error.
    """
    assert await repo.find_review_by_id(uuid4()) is None
    assert await repo.find_reviews_by_ids([]) == []


async def test_reviews_come_in_the_order_of_their_ids(repo):
    """
    Programs zip the answer with the question; unknown ids are left out, one that is asked twice comes twice.
    """
    made = reviews(5)
    await repo.create_reviews(made)
    asked = [made[3], made[0], made[3], made[1]]

    found = await repo.find_reviews_by_ids([asked[0].review_id, uuid4(), *(one.review_id for one in asked[1:])])

    assert found == asked


async def test_a_duplicate_says_which_key(repo):
    """
    The key is needed to act; the text is nobody's business.
    """
    made = await repo.create_review(review(public_review="SECRET", private_review="SECRET"))

    with pytest.raises(Exception, match=f"review {made.review_id}: duplicate key") as caught:
        await repo.create_review(made)

    assert caught.value.sqlstate == "23505"
    assert caught.value.constraint == "reviews_pkey"
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("write", ["create_review", "update_review", "upsert_review", "delete_review"])
async def test_a_lab_that_only_reads_refuses_to_write(lab, write):
    """
    One sentence with the cure, before anything is sent.
    """
    target = uuid4() if write == "delete_review" else review()

    with pytest.raises(ReadOnlyError, match=r"this lab only reads; to write, open one by connect\(write=True\)"):
        await getattr(lab.repo, write)(target)


async def test_a_lab_that_only_reads_refuses_transactions_and_loads(lab):
    """
    No side door.
    """
    with pytest.raises(ReadOnlyError, match="only reads"):
        async with lab.repo.transaction():
            pass
    with pytest.raises(ReadOnlyError, match="only reads"):
        await lab.repo.create_reviews([review()])


BAD = {
    "true": ("rating", True, "integer"),
    "half": ("rating", 2.5, "integer"),
    "nan": ("rating", float("nan"), "integer"),
    "text": ("rating", "5", "integer"),
    "huge": ("rating", 2**31, "less than"),
    "below the scale": ("rating", 0, "must be from 1 to 5"),
    "above the scale": ("rating", 6, "must be from 1 to 5"),
    "billion": ("rating", 10**9, "must be from 1 to 5"),
    "NUL": ("private_review", "SECRET\0", "NUL"),
    "surrogate": ("public_review", "SECRET\ud800", "surrogate"),
    "long": ("public_review", "SECRET" * 10, "has 60 characters, allowed are 50"),
    "aware": ("submitted_at", pd.Timestamp("2024-01-01", tz="UTC").to_pydatetime(), "no time zone"),
    "no time": ("submitted_at", None, "datetime"),
}


@pytest.mark.parametrize(("column", "value", "reason"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("write", ["create_review", "update_review", "upsert_review", "create_reviews"])
async def test_a_value_that_cannot_be_stored_is_refused_before_it_is_sent(dsn, fetch, write, column, value, reason):
    """
    The server would write the whole row into its log; here the message names column and reason, and not the value.
    """
    async with connect(dsn, write=True, scale=(1, 5), max_text_length=50) as lab:
        wrong = review(private_review="PRIVATE").model_copy(update={column: value})

        with pytest.raises(ReviewDataError, match=reason) as caught:
            await getattr(lab.repo, write)([wrong] if write == "create_reviews" else wrong)

        assert caught.value.column == column
        assert not {"SECRET", "PRIVATE"} & set(str(caught.value).split())
        assert caught.value.__context__ is None
        assert await fetch("select from reviews") == []


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int64, np.uint8])
async def test_numpy_integers_are_ratings(repo, kind):
    """
    Values out of a DataFrame are numpy's.
    """
    made = await repo.create_review(review(rating=kind(3)))

    assert (await repo.find_review_by_id(made.review_id)).rating == 3


async def test_a_page_tells_the_right_total_everywhere(repo):
    """
    Beyond the last page too, where a window count would find no row to count on.
    """
    await repo.create_reviews(reviews(25))

    pages = [await repo.list_reviews_paginated(10, offset) for offset in (0, 10, 20, 30)]

    assert [(len(found), total) for found, total in pages] == [(10, 25), (10, 25), (5, 25), (0, 25)]


async def test_pages_overlap_nowhere_though_all_times_are_equal(repo):
    """
    Many reviews of one import have one time: the id decides then.
    """
    await repo.create_reviews([review(submitted_at=NEW_YEAR) for _ in range(25)])

    seen = [
        one.review_id for offset in range(0, 30, 5) for one in (await repo.list_reviews_paginated(5, offset)).reviews
    ]

    assert len(set(seen)) == len(seen) == 25


@pytest.mark.parametrize("wrong", [{"limit": -1}, {"offset": -1}, {"limit": 1.5}, {"limit": True}, {"limit": None}])
async def test_a_page_must_be_of_whole_numbers(repo, wrong):
    """
    A negative offset is a bug of the caller's, and PostgreSQL's message would not name it.
    """
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number from 0"):
        await repo.list_reviews_paginated(**wrong)


@pytest.mark.parametrize("batch_rows", [1, 2, 7, 25, 26, 1000])
async def test_iterating_sees_each_review_once_newest_first(repo, execute, batch_rows):
    """
    A batch may end between two reviews of one time, or exactly at the last one; infinite times come first and last.
    """
    made = [*reviews(15), *[review(submitted_at=NEW_YEAR) for _ in range(8)]]
    await repo.create_reviews(made)
    for moment in ("infinity", "-infinity"):
        await execute("insert into reviews values (gen_random_uuid(), 'x', null, 1, $1::text::timestamp)", moment)

    seen = [one async for one in repo.iterate_reviews(batch_rows=batch_rows)]

    assert seen == sorted(seen, key=lambda one: (one.submitted_at, one.review_id.int), reverse=True)
    assert {one.review_id for one in seen} >= {one.review_id for one in made}
    assert len(seen) == 25


async def test_listing_and_iterating_agree(repo):
    """
    Both are newest first.
    """
    await repo.create_reviews(reviews(10))

    assert await repo.list_reviews() == [one async for one in repo.iterate_reviews(batch_rows=3)]


async def test_leaving_an_iteration_early_holds_no_connection(writing_lab):
    """
    Between two batches nobody else has to wait.
    """
    await writing_lab.repo.create_reviews(reviews(10))
    iteration = writing_lab.repo.iterate_reviews(batch_rows=2)

    await anext(iteration)

    assert (await writing_lab.pool_stats())["in_use"] == 0
    await iteration.aclose()


async def test_infinite_times_are_the_ends_of_datetime_and_go_back_as_infinite(repo, execute, fetch):
    """
    Reading and writing back a review must not turn "for ever" into a day of the year 9999.
    """
    await execute("insert into reviews values (gen_random_uuid(), 'x', null, 1, 'infinity')")
    [found] = await repo.list_reviews()

    await repo.update_review(found.model_copy(update={"rating": 2}))

    assert found.submitted_at == datetime.max
    assert [tuple(row) for row in await fetch("select rating, isfinite(submitted_at) from reviews")] == [(2, False)]


@pytest.mark.parametrize("moment", ["10000-01-01", "0044-03-15 BC"])
async def test_a_time_that_no_datetime_can_hold_is_named_by_its_id(repo, add_reviews, execute, moment):
    """
    One strange review must not be a riddle, nor spoil the connection.
    """
    await add_reviews({"2024-01-01": 5})
    await execute(
        "insert into reviews values ('00000000-0000-0000-0000-00000000000a', 'x', null, 1, $1::text::timestamp)", moment
    )

    with pytest.raises(ReviewDataError, match="review 00000000-0000-0000-0000-00000000000a lies beyond"):
        await repo.list_reviews()

    assert await repo.count_reviews() == 2


async def test_a_text_of_64_megabytes_comes_back(dsn, fetch):
    """
    The limit of length is a setting; the way itself has none.
    """
    async with connect(dsn, write=True, max_text_length=64 << 20) as lab:
        made = await lab.repo.create_review(review(public_review="a🙂é" * (64 << 18)))

        assert await lab.repo.find_review_by_id(made.review_id) == made


async def test_the_repository_of_a_snapshot_sees_its_moment(writing_lab):
    """
    Frames and models of one snapshot belong together.
    """
    async with writing_lab.snapshot() as frozen:
        await writing_lab.repo.create_review(review())

        seen = await frozen.repo.count_reviews(), await frozen.count()

    assert seen == (0, 0)
    assert await writing_lab.repo.count_reviews() == 1


@pytest.mark.parametrize("wrong", ["", "1 or true", "'; drop table reviews; --", None, 5])
async def test_an_id_that_is_none_is_a_bad_argument(repo, wrong):
    """
    It never reaches the server.
    """
    with pytest.raises(ValueError, match="a review_id is a UUID or its text form"):
        await repo.find_review_by_id(wrong)
