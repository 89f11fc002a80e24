"""Which reviews can be stored, of a frame or of models?  As Arrow columns, every value checked."""

import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reviewlab.errors import ReviewDataError
from reviewlab.models import ReviewModel, check_column, check_reviews
from reviewlab.settings import Settings

SCHEMA = pa.schema(
    [
        ("review_id", pa.binary(16)),
        ("public_review", pa.large_string()),
        ("private_review", pa.large_string()),
        ("rating", pa.int32()),
        ("submitted_at", pa.timestamp("us")),
    ]
)
PRIVATE = "private_review"
"""The column that may be left out: it is unset then."""

_FIRST_MOMENT = -210_866_803_200_000_000  # PostgreSQL's, in 4714 BC
_UUID = r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
_KINDS = {
    "review_id": "UUID",
    "rating": "whole number",
    "submitted_at": "time such as 2026-01-31 12:00:00, without a zone and to the microsecond",
}


def check_table(reviews: pd.DataFrame | pa.Table, *, settings: Settings) -> pa.Table:
    """Return the columns of `SCHEMA`, private_review only if it is there.

    Parameters
    ----------
    reviews : DataFrame or pyarrow.Table
        review_id may be text, UUID objects or 16 bytes; submitted_at has no time zone.
    settings : Settings
        Its `scale` and `max_text_length` hold.

    Raises
    ------
    ReviewDataError
        If a column is missing or too many, or a value cannot be stored: names row and column, not the value.
    """
    names = list(reviews.columns if isinstance(reviews, pd.DataFrame) else reviews.column_names)
    check_names(names, of="the frame")
    fields = [field for field in SCHEMA if field.name in names]
    arrays = [_convert(_column(reviews, field.name), field) for field in fields]
    table = pa.table(arrays, schema=pa.schema(fields))
    for name in ("public_review", PRIVATE):
        if name in names:
            _check_texts(table[name], name, settings.max_text_length)
    if settings.scale is not None:
        lowest, highest = settings.scale
        outside = pc.or_(pc.less(table["rating"], lowest), pc.greater(table["rating"], highest))
        _refuse(outside, "rating", f"must be from {lowest} to {highest}")
    moments = table["submitted_at"].cast(pa.int64())
    _refuse(pc.less(moments, _FIRST_MOMENT), "submitted_at", "is before 4714 BC, where PostgreSQL's time begins")
    return table


def check_names(names: list[Any], *, of: str) -> None:
    """Raise ReviewDataError unless these are the columns of reviews, each once."""
    needed = f"{', '.join(SCHEMA.names)}, of which {PRIVATE} may be left out"
    missing = [name for name in SCHEMA.names if name not in names and name != PRIVATE]
    extra = [name for at, name in enumerate(names) if name not in SCHEMA.names or name in names[:at]]
    if missing or extra:
        what = f"has no column {missing[0]}" if missing else f"has a column {extra[0]!r} too many"
        raise ReviewDataError(f"{of} {what}; needed are {needed}", column=str((missing or extra)[0]))


def check_models(reviews: Iterable[ReviewModel], *, settings: Settings, last_wins: bool) -> list[pa.Table]:
    """Return tables with the columns of `SCHEMA`; models are checked as for a single one.

    Parameters
    ----------
    reviews : iterable of ReviewModel
    settings : Settings
    last_wins : bool
        Whether of several with one id only the last is kept; then those whose private_review is unset come in a
        table of their own, without that column.
    """
    checked = check_reviews(reviews, scale=settings.scale, max_text_length=settings.max_text_length, first_row=1)
    for row, review in enumerate(checked, start=1):
        if review.submitted_at in (datetime.max, datetime.min):
            reason = f"row {row}: submitted_at is infinite: add it by create_review"
            raise ReviewDataError(reason, row=row, column="submitted_at")
    if not last_wins:
        return [_table_of(checked, SCHEMA)]
    last = {review.review_id: review for review in checked}.values()
    complete = [review for review in last if PRIVATE in review.model_fields_set]
    partial = [review for review in last if PRIVATE not in review.model_fields_set]
    public = SCHEMA.remove(SCHEMA.get_field_index(PRIVATE))
    return [_table_of(complete, SCHEMA), _table_of(partial, public)]


def _table_of(reviews: list[ReviewModel], schema: pa.Schema) -> pa.Table:
    columns = {name: [getattr(review, name) for review in reviews] for name in schema.names}
    columns["review_id"] = [review_id.bytes for review_id in columns["review_id"]]
    return pa.table(columns, schema=schema)


def _column(reviews: pd.DataFrame | pa.Table, name: str) -> pa.ChunkedArray:
    """A column as Arrow has it; Python objects are checked one by one, as a model's."""
    if isinstance(reviews, pa.Table):
        return reviews[name]
    column = reviews[name]
    if column.dtype != object:
        array = pa.array(column, from_pandas=True)
    else:
        values = check_column(name, column.where(column.notna(), None).tolist())
        array = pa.array(values, type=pa.uuid() if name == "review_id" else SCHEMA.field(name).type)
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _convert(column: pa.ChunkedArray, wanted: pa.Field) -> pa.ChunkedArray:
    name, kind = wanted.name, column.type
    if column.null_count and name != PRIVATE:
        _refuse(pc.is_null(column), name, "is missing")
    if column.null_count < len(column) and not _may_fit(kind, name):
        raise ReviewDataError(f"{name} is of the type {kind}, needed is a {_KINDS.get(name, 'text')}", column=name)
    if name == "review_id" and kind not in (pa.uuid(), pa.binary(16)):
        return _uuids(column.cast(pa.large_string()))
    try:
        return column.cast(wanted.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        row = _first_row_that_fails(column, wanted.type)
    raise ReviewDataError(f"row {row}: {name} is not a {_KINDS.get(name, 'text')}", row=row, column=name)


def _may_fit(kind: pa.DataType, name: str) -> bool:
    """Whether values of a type can be of a column; casts take more, such as a truth for 1, or drop a time zone."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return True
    if name == "rating":
        fits = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    elif name == "submitted_at":
        fits = pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None)
    else:
        fits = name == "review_id" and kind in (pa.uuid(), pa.binary(16))
    return bool(fits)


def _uuids(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    _refuse(pc.invert(pc.match_substring_regex(texts, _UUID)), "review_id", "is no UUID")
    digits = pc.replace_substring(texts, "-", "").combine_chunks()  # of a calculation: its texts begin at 0
    raw = binascii.unhexlify(memoryview(digits.buffers()[2] or b"")[: 32 * len(digits)])
    return pa.chunked_array([pa.Array.from_buffers(pa.binary(16), len(digits), [None, pa.py_buffer(raw)])])


def _check_texts(column: pa.ChunkedArray, name: str, longest: int) -> None:
    _refuse(pc.match_substring(column, "\0"), name, "holds a NUL character, which PostgreSQL cannot store")
    if (pc.max(pc.binary_length(column)).as_py() or 0) > longest:  # bytes, of which a character has one or more
        reason = f"has more than {longest:,} characters (max_text_length)"
        _refuse(pc.greater(pc.utf8_length(column), longest), name, reason)


def _first_row_that_fails(column: pa.ChunkedArray, wanted: pa.DataType) -> int:
    """Halve the column until one value is left; counted from 1."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            column.slice(low, middle - low).cast(wanted)
            low = middle
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            high = middle
    return low + 1


def _refuse(wrong: pa.ChunkedArray, column: str, reason: str) -> None:
    row = pc.index(wrong, True).as_py()
    if row >= 0:
        raise ReviewDataError(f"row {row + 1}: {column} {reason}", row=row + 1, column=column)
