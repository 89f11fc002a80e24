"""Reviews that are there already are refused, skipped or updated: whole, or not at all."""

import asyncio
from urllib.parse import urlsplit

import pandas as pd
import pytest
from review_helpers import review, reviews

from reviewlab import QueryError, ReadOnlyError, ReviewDataError, ReviewModel, connect
from reviewlab.repo import ReviewsRepo

SECRET = "SECRET-TEXT"
SOURCES = ["models", "frame", "csv", "csv.gz", "parquet"]


@pytest.fixture
def repo(writing_lab) -> ReviewsRepo:
    return writing_lab.repo


@pytest.fixture
def source_of(tmp_path):
    """The same reviews as models, as a frame, or as the path of a file."""

    def make(models: list[ReviewModel], kind: str):
        if kind == "models":
            return iter(models)
        left_out = set() if "private_review" in models[0].model_fields_set else {"private_review"}
        columns = [name for name in ReviewModel.model_fields if name not in left_out]
        frame = pd.DataFrame([{name: getattr(one, name) for name in columns} for one in models])
        if kind == "frame":
            return frame
        path = tmp_path / f"reviews.{kind}"
        frame = frame.astype({"review_id": "str"})
        frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
        return path

    return make


async def ratings(repo: ReviewsRepo) -> dict[str, int]:
    return {one.public_review: one.rating for one in await repo.list_reviews()}


@pytest.mark.parametrize("kind", SOURCES)
async def test_what_is_there_is_skipped(repo, source_of, kind):
    """
    An export that is loaded every night brings most reviews again; of two with one id the first is the older.
    """
    old, new = review(public_review="old", rating=1), review(review_id=review().review_id, public_review="new")
    await repo.create_review(old)
    again = [old.model_copy(update={"rating": 5}), new, new.model_copy(update={"rating": 2})]

    n = await repo.create_reviews(source_of(again, kind), on_conflict="skip")

    assert n == 1
    assert await ratings(repo) == {"old": 1, "new": 4}


@pytest.mark.parametrize("kind", SOURCES)
async def test_what_is_there_is_updated(repo, source_of, kind):
    """
    Of two with one id the last is the newest; each review counts once.
    """
    old, new = review(public_review="old", rating=1), review(review_id=review().review_id, public_review="new")
    await repo.create_review(old)
    again = [old.model_copy(update={"rating": 5}), new, new.model_copy(update={"rating": 2})]

    n = await repo.create_reviews(source_of(again, kind), on_conflict="update")

    assert n == 2
    assert await ratings(repo) == {"old": 5, "new": 2}


@pytest.mark.parametrize("kind", SOURCES)
async def test_what_is_there_is_an_error_that_names_the_row(repo, source_of, kind):
    """
    By default nothing is lost unseen, and nothing else is added.
    """
    old = review(public_review=SECRET)
    await repo.create_review(old)
    place = {"models": "^row 3", "frame": "^row 3", "parquet": "^reviews.parquet: row 3"}.get(kind, "line 4")

    with pytest.raises(ReviewDataError, match=f"{place}: its review_id is there already") as caught:
        await repo.create_reviews(source_of([*reviews(2), old, *reviews(1)], kind))

    assert (caught.value.row, caught.value.column) == (3, "review_id")
    assert SECRET not in str(caught.value)
    assert await repo.count_reviews() == 1


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("on_conflict", ["skip", "update"])
async def test_unset_private_texts_stay(repo, source_of, on_conflict, kind):
    """
    What was read without private texts and is written back must not erase them.
    """
    old = await repo.create_review(review(private_review=SECRET))
    known = await repo.find_review_by_id(old.review_id)

    await repo.create_reviews(source_of([known.model_copy(update={"rating": 1})], kind), on_conflict=on_conflict)

    found = await repo.find_review_by_id(old.review_id, include_private=True)
    assert (found.rating, found.private_review) == (1 if on_conflict == "update" else 4, SECRET)


async def test_each_model_decides_for_itself_whether_its_private_text_is_written(repo):
    """
    Models with and without private texts come together, and None means: there is none any more.
    """
    kept, erased, changed = there = reviews(3, private_review=SECRET)
    await repo.create_reviews(there)
    new = review()
    told: list[tuple[int, float]] = []

    n = await repo.create_reviews(
        [
            review(review_id=kept.review_id),
            review(review_id=erased.review_id, private_review=None),
            new,
            review(review_id=changed.review_id, private_review="new"),
        ],
        on_conflict="update",
        progress=lambda *sent: told.append(sent),
    )

    found = await repo.find_reviews_by_ids(
        [kept.review_id, erased.review_id, changed.review_id, new.review_id], include_private=True
    )
    assert (n, [one.private_review for one in found]) == (4, [SECRET, None, "new", None])
    assert told == [(2, 0.5), (4, 1.0)]


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_a_row_that_the_table_refuses_undoes_all(repo, execute, on_conflict):
    """
    A half-loaded file is worse than none: nobody knows which half.
    """
    await execute("alter table reviews add check (rating < 5)")
    old, *_ = made = reviews(3)
    await repo.create_review(old)
    rows = [*made[1:], review(rating=5, public_review=SECRET)]

    with pytest.raises(QueryError, match="violates check constraint") as caught:
        await repo.create_reviews(rows, on_conflict=on_conflict)

    assert SECRET not in str(caught.value)
    assert await repo.list_reviews() == [old]


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_loads_in_a_transaction_belong_to_it(repo, on_conflict):
    """
    Several loads share one transaction, and an inner one that fails undoes itself only.
    """
    async with repo.transaction() as inner:
        await inner.create_reviews(reviews(2), on_conflict=on_conflict)
        with pytest.raises(ValueError, match="stop"):
            async with inner.transaction():
                await inner.create_reviews(reviews(3), on_conflict=on_conflict)
                raise ValueError("stop")
        n = await inner.create_reviews(reviews(4), on_conflict=on_conflict)
        seen = await repo.count_reviews()

    assert (n, seen, await repo.count_reviews()) == (4, 0, 6)


async def test_two_updates_at_once_do_not_wait_in_a_circle(dsn):
    """
    Two imports that bring the same reviews in opposite orders are no deadlock.
    """
    made = reviews(3000)
    async with connect(dsn, write=True) as one, connect(dsn, write=True) as other:
        await one.repo.create_reviews(made)

        for _ in range(3):
            await asyncio.gather(
                one.repo.create_reviews(made, on_conflict="update"),
                other.repo.create_reviews(made[::-1], on_conflict="update"),
            )

        assert await one.repo.count_reviews() == 3000


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_nothing_is_loaded_from_nothing(repo, on_conflict):
    """
    A night without reviews is no error.
    """
    assert await repo.create_reviews([], on_conflict=on_conflict) == 0
    assert await repo.create_reviews((await _empty(repo)), on_conflict=on_conflict) == 0


async def _empty(repo: ReviewsRepo) -> pd.DataFrame:
    await repo.create_reviews([review()])
    columns = ["review_id", "public_review", "rating", "submitted_at"]
    frame = pd.DataFrame([{name: getattr(one, name) for name in columns} for one in await repo.list_reviews()])
    return frame.iloc[:0]


async def test_what_to_do_about_conflicts_must_be_known(repo):
    """
    A misspelt word must not mean the default.
    """
    with pytest.raises(ValueError, match="no on_conflict 'ignore'; there are error, skip, update"):
        await repo.create_reviews([review()], on_conflict="ignore")


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_a_lab_that_only_reads_refuses(lab, on_conflict):
    """
    A lab for reading makes no temporary table either.
    """
    with pytest.raises(ReadOnlyError, match="only reads"):
        await lab.repo.create_reviews([review()], on_conflict=on_conflict)


@pytest.fixture
async def writer(dsn, execute):
    """A DSN for the role that README's script makes for writers: it cannot read private texts."""
    database = urlsplit(dsn).path[1:]
    role = f"writer_of_{database}"
    await execute(
        f"revoke temporary on database {database} from public; create role {role};"
        f"grant select (review_id, public_review, rating, submitted_at),"
        f" insert (review_id, public_review, private_review, rating, submitted_at),"
        f" update (public_review, private_review, rating, submitted_at), delete on reviews to {role};"
        f"grant temporary on database {database} to {role}"
    )
    yield f"{dsn}&options=-c%20role%3D{role}", f"revoke temporary on database {database} from {role}"
    await execute(f"drop owned by {role}; drop role {role}")


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_a_writer_needs_no_right_to_read_private_texts(writer, fetch, on_conflict):
    """
    An import job that leaks must have nothing to leak.
    """
    one, other = reviews(2, private_review=SECRET)
    async with connect(writer[0], write=True) as lab:
        with pytest.raises(QueryError, match="permission denied"):
            await lab.repo.list_reviews(include_private=True)
        if on_conflict != "error":
            await lab.repo.create_review(one.model_copy(update={"private_review": "old"}))

        n = await lab.repo.create_reviews([one, other], on_conflict=on_conflict)

    assert n == (1 if on_conflict == "skip" else 2)
    found = {row[0] for row in await fetch("select private_review from reviews")}
    assert found == ({"old", SECRET} if on_conflict == "skip" else {SECRET})


async def test_a_writer_without_temporary_tables_is_told_so(writer, execute, fetch):
    """
    It may add reviews, and learns what it needs for more.
    """
    await execute(writer[1])
    async with connect(writer[0], write=True) as lab:
        assert await lab.repo.create_reviews(reviews(2)) == 2

        with pytest.raises(QueryError, match="needs a temporary table.* `grant temporary on database") as caught:
            await lab.repo.create_reviews(reviews(1), on_conflict="skip")

    assert caught.value.sqlstate == "42501"
    assert len(await fetch("select from reviews")) == 2
