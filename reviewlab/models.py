"""What is a review?  Pydantic models for programs; their reprs show no review's text."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

MAX_TEXT = 1_000_000


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds a NUL character, which PostgreSQL cannot store")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair, which UTF-8 cannot store") from None
    return text


def _naive(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise ValueError("submitted_at has no time zone: convert it to the stored clock first")
    return moment


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(_storable)]
Rating = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31)]


class ReviewModel(BaseModel):
    """One review.

    An unset `private_review` was not read (or shall not be written); None is NULL, there is no private text.
    `submitted_at` has no time zone: it is on the clock that `Settings.stored_tz` names.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    review_id: UUID = Field(default_factory=uuid4)
    public_review: Text = Field(repr=False)
    private_review: Text | None = Field(default=None, repr=False)
    rating: Rating
    submitted_at: Annotated[datetime, AfterValidator(_naive)]


class ReviewPage(BaseModel):
    """Some reviews, and how many there are in all; unpacks as ``reviews, total``."""

    model_config = ConfigDict(frozen=True)

    reviews: tuple[ReviewModel, ...]
    total: int
    limit: int
    offset: int

    def __iter__(self) -> Iterator[tuple[ReviewModel, ...] | int]:  # type: ignore[override]
        """Unpack as ``reviews, total``."""
        yield self.reviews
        yield self.total
