"""The program's face: how are reviews created, read, changed and deleted, one by one or page by page?"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from reviewlab import frames, load, queries, writes
from reviewlab.database import CLIENT_GRACE, READ_WRITE, Database, Reader
from reviewlab.errors import ReviewDataError
from reviewlab.models import ReviewModel, ReviewPage, as_uuid, check_reviews, to_models
from reviewlab.queries import Statement, whole_number
from reviewlab.translation import forget
from reviewlab.writes import Isolation, Transaction

T = TypeVar("T")
Id = UUID | str


class ReviewsRepo:
    """Reviews as models, for programs: ``lab.repo``, or ``ReviewsRepo(database)``.

    Reading is always allowed, writing after ``connect(write=True)``.  `private_review` is read only with
    ``include_private=True``, and stays unset otherwise; what is unset is not written, so it is never erased.

    A cancelled write either happened or did not, never in part: it is undone, or, where its commit was under way
    already, the CancelledError says that it was committed.  Where nobody can tell, OutcomeUnknownError names the key
    to look for.  Writes are not tried again, but by `run_transaction`.
    """

    def __init__(self, database: Database, *, reader: Reader | None = None) -> None:
        self._database = database
        self._reader: Reader = reader or database

    async def find_review_by_id(self, review_id: Id, *, include_private: bool = False) -> ReviewModel | None:
        """Return one review, or None if there is none with that id.

        Source: sql/review_by_id.sql, sql/review_by_id_private.sql
        """
        found = await self._fetch("review_by_id", as_uuid(review_id), include_private=include_private)
        return found[0] if found else None

    async def find_reviews_by_ids(
        self, review_ids: Iterable[Id], *, include_private: bool = False
    ) -> list[ReviewModel]:
        """Return the reviews that there are, in the order of the ids.

        Source: sql/reviews_by_id.sql, sql/reviews_by_id_private.sql
        """
        wanted = [as_uuid(review_id) for review_id in review_ids]
        found = await self._fetch("reviews_by_id", wanted, include_private=include_private)
        by_id = {review.review_id: review for review in found}
        return [by_id[review_id] for review_id in wanted if review_id in by_id]

    async def count_reviews(self) -> int:
        """Count all reviews.

        Source: sql/count.sql
        """
        statement = queries.load("count")
        row = await frames.fetch_row(self._reader, statement, dict.fromkeys(statement.names))
        return int(row["n"])

    async def list_reviews(self, *, include_private: bool = False) -> list[ReviewModel]:
        """Return all reviews, newest first; `iterate_reviews` does so in little memory.

        Source: sql/reviews_page.sql, sql/reviews_page_private.sql
        """
        limit = self._database.settings.bulk_timeout
        return await self._fetch("reviews_page", None, 0, include_private=include_private, timeout=limit)

    async def list_reviews_paginated(
        self, limit: int = 10, offset: int = 0, *, include_private: bool = False
    ) -> ReviewPage:
        """Return some reviews, newest first, and how many there are in all, both of one moment.

        Beyond the last review a page is empty, and its total right.  The further the offset, the slower: use
        `iterate_reviews` to go through many.

        Raises
        ------
        ValueError
            If *limit* or *offset* is no whole number from 0.

        Source: sql/reviews_page.sql, sql/reviews_page_private.sql, sql/count.sql
        """
        limit, offset = whole_number(limit, name="limit"), whole_number(offset, name="offset")
        page, count = _reading("reviews_page", include_private=include_private), queries.load("count")

        async def work(connection: Any) -> tuple[list[Any], int]:
            counted = await frames.receive_row(connection, count, dict.fromkeys(count.names))
            return await _receive(connection, page, (limit, offset), timeout=None), counted["n"]

        rows, total = await self._reader.read(work, doing=page.doing)
        reviews = to_models(rows)
        return ReviewPage.model_construct(reviews=tuple(reviews), total=total, limit=limit, offset=offset)

    async def iterate_reviews(
        self, *, batch_rows: int = 1000, include_private: bool = False
    ) -> AsyncIterator[ReviewModel]:
        """Go through all reviews, newest first, in the memory of one batch.

        No connection is held in between, so this may take as long as it likes.  Each batch sees the moment at which
        it is read; within ``transaction(isolation="repeatable read")`` all of them see the same.

        Source: sql/reviews_page.sql, sql/reviews_after.sql, and their private forms
        """
        size = whole_number(batch_rows, name="batch_rows", least=1)
        batch = await self._fetch("reviews_page", size, 0, include_private=include_private)
        while batch:
            for review in batch:
                yield review
            if len(batch) < size:
                return
            last = batch[-1]
            batch = await self._fetch(
                "reviews_after", last.submitted_at, last.review_id, size, include_private=include_private
            )

    async def create_review(self, review: ReviewModel) -> ReviewModel:
        """Add a review, and return it.  An unset `private_review` becomes NULL.

        Raises
        ------
        ReadOnlyError
            If the lab was not opened by ``connect(write=True)``.
        ReviewDataError
            If a value cannot be stored: names the column, not the value; nothing was sent.
        QueryError
            If the table refuses it, such as for an id that is there already.

        Source: sql/create_review.sql
        """
        await self._write("create_review", review)
        return review

    async def create_reviews(
        self,
        reviews: load.Source,
        *,
        on_conflict: load.OnConflict = "error",
        progress: load.Progress | None = None,
    ) -> int:
        """Add many reviews by COPY: all of them, or none.

        Parameters
        ----------
        reviews : iterable of ReviewModel, DataFrame, pyarrow.Table or path
            A frame or a file has the columns review_id, public_review, rating, submitted_at (naive), and perhaps
            private_review; a file is ``.csv``, ``.csv.gz`` or ``.parquet``.
        on_conflict : {"error", "skip", "update"}
            What to do about a review_id that is there already.  Within the input "skip" takes the first review of an
            id, and "update" the last.  A private_review that the input leaves unset stays as it is in the table.
        progress : callable, optional
            Told how many rows were sent so far, and which share of the whole that is; "skip" and "update" write the
            table after that.

        Returns
        -------
        int
            How many were written: added or, by "update", replaced; not those that were skipped.

        Raises
        ------
        ReadOnlyError
            If the lab was not opened by ``connect(write=True)``.
        ReviewDataError
            If a value cannot be stored, or a review_id is there already: names row and column, not the value.
        QueryError
            If the role may not make the temporary table that "skip" and "update" need.

        Source: sql/schema/staging.sql, sql/merge_*.sql
        """
        source = load.Unshown(reviews)
        del reviews
        writes.check_allowed(self._database)
        within = self._reader if isinstance(self._reader, Transaction) else None
        return await load.load_reviews(
            self._database, source, on_conflict=on_conflict, progress=progress, within=within
        )

    async def update_review(self, review: ReviewModel) -> bool:
        """Replace what the review with this id holds; an unset `private_review` stays as it is in the table.

        Returns
        -------
        bool
            False if there is none with this id.

        Raises
        ------
        ReadOnlyError, ReviewDataError, QueryError
            As `create_review`.

        Source: sql/update_review.sql, sql/update_review_private.sql
        """
        return await self._write(_writing("update_review", review), review) > 0

    async def upsert_review(self, review: ReviewModel) -> ReviewModel:
        """Add a review or, if its id is there already, replace what that one holds; as `update_review` otherwise.

        Source: sql/upsert_review.sql, sql/upsert_review_private.sql
        """
        await self._write(_writing("upsert_review", review), review)
        return review

    async def delete_review(self, review_id: Id) -> bool:
        """Delete the review with this id; False if there is none.

        Source: sql/delete_review.sql
        """
        return await self._write("delete_review", as_uuid(review_id)) > 0

    @asynccontextmanager
    async def transaction(self, *, isolation: Isolation | None = None, key: Any = None) -> AsyncIterator["ReviewsRepo"]:
        """Let several writes happen together: all, or none if an error leaves the block.

        ::

            async with lab.repo.transaction() as repo:
                await repo.create_review(one)
                await repo.delete_review(another)

        Within, ``repo.transaction()`` makes a savepoint: an error that leaves the inner block undoes only that.

        Parameters
        ----------
        isolation : {"read committed", "repeatable read", "serializable"}, optional
            What its statements see of others; the first if left out.
        key : object, optional
            What OutcomeUnknownError shall name, to be looked for in the table.
        """
        if isinstance(self._reader, Transaction):
            if isolation is not None:
                raise ValueError("a transaction within another one has its isolation: leave that out")
            async with self._reader.savepoint():
                yield self
        else:
            opened = writes.open_transaction(self._database, isolation=isolation or "read committed", key=key)
            async with opened as transaction:
                yield ReviewsRepo(self._database, reader=transaction)

    async def run_transaction(
        self,
        work: Callable[["ReviewsRepo"], Awaitable[T]],
        *,
        key: Any,
        isolation: Isolation = "serializable",
    ) -> T:
        """Await ``work(repo)`` in a transaction, and again, three times at most, if that was undone for certain.

        That is after a serialization failure, a deadlock, or a connection that was lost before the commit.

        Parameters
        ----------
        work : async callable
            Takes the repository of the transaction; keeps nothing from a run that failed.
        key : object
            What identifies the rows that it writes, such as a review_id; OutcomeUnknownError names it.
        isolation : {"serializable", "repeatable read", "read committed"}
        """

        async def attempt() -> T:
            async with self.transaction(isolation=isolation, key=key) as repo:
                return await work(repo)

        return await writes.retry(attempt)

    async def _fetch(
        self, name: str, *values: Any, include_private: bool, timeout: float | None = None
    ) -> list[ReviewModel]:
        statement = _reading(name, include_private=include_private)

        async def work(connection: Any) -> list[Any]:
            return await _receive(connection, statement, values, timeout=timeout)

        rows = await self._reader.read(work, doing=statement.doing, timeout=timeout)
        return to_models(rows)

    async def _write(self, name: str, review: ReviewModel | UUID) -> int:
        """Run a statement that writes one review, or of which only the id matters; returns how many rows it met."""
        writes.check_allowed(self._database)
        statement, settings = queries.load(name), self._database.settings
        if isinstance(review, UUID):
            key, source = review, None
        else:
            try:
                [source] = check_reviews([review], scale=settings.scale, max_text_length=settings.max_text_length)
            except ReviewDataError as error:
                forget(error)
                raise
            key = source.review_id

        async def work(connection: Any) -> str:
            # only here are the texts in variables: a traceback shows those of the frames that it passes
            values = [key if name == "review_id" else getattr(source, name) for name in statement.names]
            return str(await connection.execute(statement.numbered, *values))

        doing = f"{statement.doing}: review {key}"
        if isinstance(self._reader, Transaction):
            status = await self._reader.read(work, doing=doing)
        else:
            async with self._database.transaction(doing=doing, begin=READ_WRITE, key=key) as connection:
                status = await work(connection)
        return int(status.rsplit(maxsplit=1)[-1])


def _reading(name: str, *, include_private: bool) -> Statement:
    return queries.load(f"{name}_private" if include_private else name)


def _writing(name: str, review: ReviewModel) -> str:
    return f"{name}_private" if "private_review" in review.model_fields_set else name


async def _receive(connection: Any, statement: Statement, values: Sequence[Any], *, timeout: float | None) -> list[Any]:
    limit = None if timeout is None else timeout + CLIENT_GRACE
    try:
        rows: list[Any] = await connection.fetch(statement.numbered, *values, timeout=limit)
    except OverflowError:
        rows = []
    else:
        return rows
    far = await connection.fetchval(queries.load("far_review").numbered)
    raise ReviewDataError(
        f"{statement.doing}: submitted_at of review {far} lies beyond what a datetime can hold: "
        "lab.reviews() reads it as a missing time",
        column="submitted_at",
    )
