"""What is a review, and which can be stored?  Pydantic models for programs; their reprs show no review's text."""

import gc
import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    TypeAdapter,
    ValidationError,
)

from reviewlab import displays
from reviewlab.errors import ReviewDataError

T = TypeVar("T")


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("a text holds a NUL character, which PostgreSQL cannot store")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair, which UTF-8 cannot store") from None
    return text


def _as_int(value: Any) -> Any:
    """Take numpy's integers too; whatever else is no int is left for the strict check."""
    return operator.index(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value


def _naive(moment: datetime) -> datetime:
    if moment.tzinfo is not None:
        raise ValueError("submitted_at has no time zone: convert it to the stored clock first")
    return moment


Text = Annotated[str, AfterValidator(_storable)]
Rating = Annotated[StrictInt, Field(ge=-(2**31), lt=2**31), BeforeValidator(_as_int)]


_SHOWN = ("review_id", "rating", "submitted_at", "public_review")


class ReviewModel(BaseModel):
    """One review.

    An unset `private_review` was not read (or shall not be written); None is NULL, there is no private text.
    `submitted_at` has no time zone: it is on the clock that `Settings.stored_tz` names.  `datetime.max` and
    `datetime.min` stand for PostgreSQL's infinity and -infinity.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid", revalidate_instances="always")

    review_id: UUID = Field(default_factory=uuid4)
    public_review: Text = Field(repr=False)
    private_review: Text | None = Field(default=None, repr=False)
    rating: Rating
    submitted_at: Annotated[datetime, AfterValidator(_naive)]

    def _repr_html_(self) -> str:
        return displays.table("Review", zip(_SHOWN, _shown(self), strict=True))


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

    def __repr__(self) -> str:
        return f"<ReviewPage: {self._caption}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return displays.grid(self._caption, _SHOWN, map(_shown, self.reviews))

    @property
    def _caption(self) -> str:
        last = self.offset + len(self.reviews)
        return (
            f"reviews {self.offset + 1:,} to {last:,} of {self.total:,}"
            if self.reviews
            else f"none of {self.total:,} reviews"
        )


def _shown(review: ReviewModel) -> list[str]:
    return [str(getattr(review, name)) for name in _SHOWN]


_REVIEWS = TypeAdapter(list[ReviewModel])


def to_models(rows: Iterable[Mapping[str, Any]]) -> list[ReviewModel]:
    """Turn rows of the table into models; what was not read stays unset."""
    with _uncollected():
        return _validate(_REVIEWS, [dict(row) for row in rows], first_row=None)


def check_reviews(
    reviews: Iterable[ReviewModel],
    *,
    scale: tuple[int, int] | None,
    max_text_length: int,
    first_row: int | None = None,
) -> list[ReviewModel]:
    """Return the reviews if each can be stored.

    They are validated although they are models: ``model_copy(update=…)`` and ``model_construct`` check nothing.

    Parameters
    ----------
    reviews : iterable of ReviewModel
    scale : (int, int) or None
        Lowest and highest possible rating.
    max_text_length : int
        Characters.
    first_row : int, optional
        The number of the first one, for messages; none if left out.

    Raises
    ------
    ReviewDataError
        Names row and column and the reason, not the value.
    """
    checked = _validate(_REVIEWS, list(reviews), first_row=first_row)
    lowest, highest = scale or (-math.inf, math.inf)
    for place, review in enumerate(checked):
        if not lowest <= review.rating <= highest:
            raise _refusal(place, first_row, "rating", f"must be from {lowest} to {highest}")
        for column, text in (("public_review", review.public_review), ("private_review", review.private_review)):
            if len(text or "") > max_text_length:
                reason = f"has {len(text or ''):,} characters, allowed are {max_text_length:,} (max_text_length)"
                raise _refusal(place, first_row, column, reason)
    return checked


def check_column(name: str, values: list[Any]) -> list[Any]:
    """Return the values of one field of many reviews, as a model would hold them; None stays.

    Raises
    ------
    ReviewDataError
        Names the row, counted from 1, and the reason, not the value.
    """
    field = ReviewModel.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    adapter = TypeAdapter(list[kind | None], config=ConfigDict(hide_input_in_errors=True))
    return _validate(adapter, values, first_row=1, column=name)


def as_uuid(review_id: UUID | str) -> UUID:
    """Return a review_id, also from its text form, or raise a ValueError."""
    if isinstance(review_id, UUID):
        return review_id
    try:
        return UUID(review_id)
    except (ValueError, AttributeError, TypeError):
        pass
    raise ValueError("a review_id is a UUID or its text form, such as 123e4567-e89b-12d3-a456-426614174000")


def _validate(
    adapter: TypeAdapter[list[T]], values: list[Any], *, first_row: int | None, column: str | None = None
) -> list[T]:
    try:
        with _uncollected():
            return adapter.validate_python(values)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)[0]
    # out here the error, which keeps its input, is no context of the new one
    place, *field = wrong["loc"]
    reason = wrong["msg"].removeprefix("Value error, ")
    name = column or (str(field[0]) if field else None)
    raise _refusal(int(place), first_row, name, f"{reason[0].lower()}{reason[1:]}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Make many objects without the garbage collector, which looks at all of them again and again: half the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _refusal(place: int, first_row: int | None, column: str | None, reason: str) -> ReviewDataError:
    row = None if first_row is None else first_row + place
    about = " ".join(part for part in ("" if row is None else f"row {row}:", column or "review") if part)
    return ReviewDataError(f"{about}: {reason}", row=row, column=column)
