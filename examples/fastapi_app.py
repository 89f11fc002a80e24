"""How does a web service use the reviews?  A whole one: pages, one review, create, delete.

Run it with the extra ``examples``::

    pip install 'reviewlab[examples]'
    export DATABASE_URL=postgresql://service@localhost/shop
    export PRIVATE_KEY=$(openssl rand -hex 32)    # who sends it as X-Private-Key may read private texts
    uvicorn examples.fastapi_app:app

There is nothing here but what the service itself decides: who may do what, and which status an error has.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, NaiveDatetime

import reviewlab as rl


class PublicReview(BaseModel):
    """What everybody may read of a review."""

    model_config = ConfigDict(from_attributes=True)

    review_id: UUID
    public_review: str
    rating: int
    submitted_at: datetime


class PrivateReview(PublicReview):
    """What those may read whom the customer wrote to."""

    private_review: str | None


class Page(BaseModel):
    """Some reviews, newest first, and how many there are in all."""

    model_config = ConfigDict(from_attributes=True)

    reviews: list[PublicReview]
    total: int


class NewReview(rl.ReviewModel):
    """What a client sends; who makes the id may send it twice, and there is one review."""

    rating: int = Field(ge=1, le=5, strict=True)
    submitted_at: NaiveDatetime = Field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold one pool from the start of the service to its end."""
    async with rl.connect(write=True) as lab:
        app.state.repo = lab.repo
        yield


app = FastAPI(title="Reviews", lifespan=lifespan)


def repository(request: Request) -> rl.ReviewsRepo:
    """The repository of this service."""
    repo: rl.ReviewsRepo = request.app.state.repo
    return repo


def may_read_private(x_private_key: Annotated[str, Header()] = "") -> None:
    """Let only those pass who send the key; without a key in the environment, nobody."""
    key = os.environ.get("PRIVATE_KEY", "")
    if not key or not secrets.compare_digest(x_private_key.encode(), key.encode()):
        raise HTTPException(403, "private texts need the header X-Private-Key")


Repo = Annotated[rl.ReviewsRepo, Depends(repository)]


@app.get("/reviews")
async def list_reviews(
    repo: Repo, limit: Annotated[int, Query(ge=1, le=100)] = 10, offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Page:
    """List a page of reviews, newest first."""
    return Page.model_validate(await repo.list_reviews_paginated(limit=limit, offset=offset))


@app.get("/reviews/{review_id}")
async def find_review(repo: Repo, review_id: UUID) -> PublicReview:
    """Return one review."""
    return PublicReview.model_validate(found(await repo.find_review_by_id(review_id)))


@app.get("/reviews/{review_id}/private", dependencies=[Depends(may_read_private)])
async def find_private_review(repo: Repo, review_id: UUID) -> PrivateReview:
    """Return one review with its private text."""
    return PrivateReview.model_validate(found(await repo.find_review_by_id(review_id, include_private=True)))


@app.post("/reviews", status_code=201)
async def create_review(repo: Repo, new: NewReview, response: Response) -> PublicReview:
    """Add a review."""
    created = await repo.create_review(new)
    response.headers["Location"] = f"/reviews/{created.review_id}"
    return PublicReview.model_validate(created)


@app.delete("/reviews/{review_id}", status_code=204)
async def delete_review(repo: Repo, review_id: UUID) -> None:
    """Delete a review."""
    if not await repo.delete_review(review_id):
        raise HTTPException(404, "there is no review with this id")


@app.exception_handler(rl.ReviewLabError)
async def answer_error(_: Request, error: rl.ReviewLabError) -> JSONResponse:
    """Answer with a status that says what to do; the messages themselves are for the service's log."""
    if isinstance(error, rl.QueryError) and error.sqlstate == "23505":
        return JSONResponse({"detail": "there is a review with this id already"}, 409)
    if isinstance(error, rl.ReviewDataError):
        return JSONResponse({"detail": str(error)}, 422)
    if isinstance(error, rl.OutcomeUnknownError):
        return JSONResponse({"detail": f"it may have been written, or not: look for {error.key}"}, 503)
    busy = (rl.ConnectError, rl.ConnectionLostError, rl.PoolTimeoutError, rl.QueryTimeoutError)
    if isinstance(error, busy):
        return JSONResponse({"detail": "the database does not answer now"}, 503, {"Retry-After": "5"})
    return JSONResponse({"detail": "something is wrong with the service"}, 500)


@app.exception_handler(RequestValidationError)
async def answer_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Say where and why, and do not repeat what was sent: it may be a private text."""
    return JSONResponse(
        {"detail": [{name: each[name] for name in ("loc", "msg", "type")} for each in error.errors()]}, 422
    )


def found(review: rl.ReviewModel | None) -> rl.ReviewModel:
    """The review, or 404."""
    if review is None:
        raise HTTPException(404, "there is no review with this id")
    return review
