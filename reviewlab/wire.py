"""How do the bytes of a binary COPY become Arrow columns?  With numpy and pyarrow, no I/O, no loop over rows.

The first column of every statement is a constant marker (`MARKER`).  Its bytes are looked for to find the rows; the
computed end of each row must be the beginning of the next, else the lengths are walked one by one.  So a pattern in
the data can cost time, never a wrong row.

Format: PostgreSQL documentation, COPY, "Binary Format"; the values are those of the types' send functions.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MARKER = "(-512)::int2"
HEADER_SIZE = 19
TRAILER = b"\xff\xff"
SLACK = 64
"""Bytes that must follow a block in memory; they are read, and thrown away."""

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_MARK = struct.Struct(">hih")  # number of fields, then length and value of the marker
_EPOCH = 946_684_800_000_000  # microseconds from 1970 to 2000, where PostgreSQL begins to count
_DAY = 86_400_000_000
_LARGEST = np.iinfo(np.int64).max


class DamagedError(Exception):
    """The bytes are no binary COPY of the expected columns."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one PostgreSQL type crosses the wire.

    Attributes
    ----------
    arrow : pyarrow.DataType
        What it becomes.
    width : int
        Bytes of a value; 0 if they vary.
    decode : callable
        From the fields (length and value; where the width varies, the block with begins and ends) and the mask
        of nulls, whose fields are zeros, to a column and the number of values that have no place in it.
    cast : str
        What follows the column in the statement, such as ``::text``.
    """

    arrow: pa.DataType
    width: int
    decode: Callable[[Any, Mask], tuple[pa.Array, int]]
    cast: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Decoded rows.

    Attributes
    ----------
    columns : list of pyarrow.Array
    n_rows : int
    consumed : int
        Bytes that were used; the rest is the beginning of a row.
    beyond : dict of str to int
        Per column, how many values became null because the column cannot hold them.
    """

    columns: list[pa.Array]
    n_rows: int
    consumed: int
    beyond: dict[str, int]


def kind_of(type_name: str, *, decimal: Literal["float", "exact"] = "float") -> Kind:
    """Tell how a type of the catalog, such as ``int4``, is read; unknown ones by their text form."""
    if type_name == "numeric" and decimal == "exact":
        return _EXACT
    return _KINDS.get(type_name, _TEXT_FORM)


def decode(block: Bytes, columns: Sequence[tuple[str, Kind]], *, final: bool) -> Block:
    """Decode the whole rows of *block*, which begins with a row and is followed by `SLACK` bytes in memory.

    Parameters
    ----------
    block : array of uint8, including the slack
    columns : sequence of (name, Kind)
        What follows the marker in each row.
    final : bool
        True if the block ends with the last row; else a row may be cut at its end.

    Raises
    ------
    DamagedError
        If the bytes are not rows of these columns.
    """
    size = len(block) - SLACK
    borders = _find_rows(block[:size], len(columns), final=final)
    try:
        return _decode_rows(block, borders, columns)
    except (DamagedError, IndexError):
        return _decode_rows(block, _walk_rows(block[:size], len(columns), final=final), columns)


def table(blocks: Sequence[Sequence[pa.Array]], columns: Sequence[tuple[str, Kind]]) -> pa.Table:
    """Put decoded blocks together; without a block the columns are empty, of the same types."""
    schema = pa.schema([(name, kind.arrow) for name, kind in columns])
    return pa.Table.from_batches([pa.record_batch(list(block), schema=schema) for block in blocks], schema=schema)


def _find_rows(block: Bytes, n_columns: int, *, final: bool) -> Integers:
    mark = _MARK.pack(n_columns + 1, 2, -512)
    at = np.flatnonzero(block == 0xFE) - 6  # occurs in no UTF-8 text
    at = at[(at >= 0) & (at <= len(block) - len(mark))]
    if len(at):
        words = np.ndarray((len(block) - 7,), ">u8", block, strides=(1,))
        at = at[words[at] == struct.unpack(">Q", mark)[0]]
    return np.append(at, len(block)) if final else at


def _walk_rows(block: Bytes, n_columns: int, *, final: bool) -> Integers:
    view, size, at = block.data, len(block), 0
    borders = [0]
    while at + 2 <= size:
        if struct.unpack_from(">h", view, at)[0] != n_columns + 1:
            raise DamagedError("a row has another number of columns")
        at += 2
        for _ in range(n_columns + 1):
            if at + 4 > size:
                at = size + 1
                break
            length = struct.unpack_from(">i", view, at)[0]
            if length < -1:
                raise DamagedError("a value has a negative length")
            at += 4 + max(length, 0)
        if at > size:
            break
        borders.append(at)
    if final and borders[-1] != size:
        raise DamagedError("the last row is cut")
    return np.array(borders, np.int64)


def _decode_rows(block: Bytes, borders: Integers, columns: Sequence[tuple[str, Kind]]) -> Block:
    if not len(borders) or borders[0] != 0:
        raise DamagedError("the block does not begin with a row")
    at = borders[:-1] + _MARK.size
    arrays, beyond = [], {}
    values: Any
    for name, kind in columns:
        if kind.width:
            values, null, at = _fixed(block, at, kind.width)
        else:
            values, null, at = _variable(block, at)
        array, lost = kind.decode(values, null)
        arrays.append(array)
        if lost:
            beyond[name] = lost
    if not np.array_equal(at, borders[1:]):
        raise DamagedError("the rows do not join up")
    return Block(arrays, len(borders) - 1, int(borders[-1]), beyond)


def _gather(block: Bytes, at: Integers, width: int) -> npt.NDArray[np.void]:
    """Copy *width* bytes from each place: an unaligned view with a stride of one byte, indexed once."""
    view = np.ndarray((len(block) - width + 1,), f"V{width}", block, strides=(1,))
    return view[at]


def _lengths(fields: npt.NDArray[np.void]) -> tuple[Integers, Mask]:
    lengths = fields.view(np.dtype({"names": ["n"], "formats": [">i4"], "itemsize": fields.itemsize}))["n"]
    return lengths.astype(np.int64), lengths == -1


def _fixed(block: Bytes, at: Integers, width: int) -> tuple[npt.NDArray[np.void], Mask, Integers]:
    fields = _gather(block, at, 4 + width)
    lengths, null = _lengths(fields)
    step: Any = 4 + width
    if (lengths == width).all():
        null = _NO_NULLS
    elif ((lengths == width) | null).all():
        fields[null] = np.zeros((), fields.dtype)
        step = 4 + np.where(null, 0, width)
    else:
        raise DamagedError("a value has another length than its type")
    return fields, null, at + step


def _variable(block: Bytes, at: Integers) -> tuple[tuple[Bytes, Integers, Integers], Mask, Integers]:
    lengths, null = _lengths(_gather(block, at, 4))
    if null.any():
        lengths[null] = 0
    else:
        null = _NO_NULLS
    if (lengths < 0).any():
        raise DamagedError("a value has a negative length")
    ends = at + 4 + lengths
    if len(ends) and ends[-1] > len(block) - SLACK:
        raise DamagedError("a value reaches past the end")
    return (block, at + 4, ends), null, ends


_NO_NULLS: Mask = np.zeros(0, np.bool_)


def _mask(null: Mask) -> Mask | None:
    return null if len(null) else None


def _integers(fmt: str, to: str) -> Callable[[npt.NDArray[np.void], Mask], tuple[pa.Array, int]]:
    def numbers(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
        return pa.array(_numbers(values, fmt).astype(to), mask=_mask(null)), 0

    return numbers


def _numbers(fields: npt.NDArray[np.void], fmt: str) -> npt.NDArray[Any]:
    return fields.view(np.dtype([("length", ">i4"), ("value", fmt)]))["value"]


def _booleans(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
    return pa.array(_numbers(values, "u1") != 0, mask=_mask(null)), 0


def _timestamps(zone: str | None) -> Callable[[npt.NDArray[np.void], Mask], tuple[pa.Array, int]]:
    kind = pa.timestamp("us", zone)

    def moments(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
        since_2000 = _numbers(values, ">i8").astype(np.int64)
        lost = (since_2000 > _LARGEST - _EPOCH) | (since_2000 == -_LARGEST - 1)  # infinities, and after 294247
        return _moments(since_2000 + _EPOCH, null, lost, kind)

    return moments


def _dates(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
    days = _numbers(values, ">i4").astype(np.int64)
    limit = (_LARGEST - _EPOCH) // _DAY
    lost = (days > limit) | (days == np.iinfo(np.int32).min)
    return _moments(days * _DAY + _EPOCH, null, lost, pa.timestamp("us"))


def _moments(since_1970: Integers, null: Mask, lost: Mask, kind: pa.DataType) -> tuple[pa.Array, int]:
    n_lost = int(np.count_nonzero(lost))
    if n_lost:
        null = lost | null if len(null) else lost
    return pa.array(since_1970, mask=_mask(null)).cast(kind), n_lost


def _times(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
    since_midnight = _numbers(values, ">i8").astype(np.int64)
    lost = since_midnight >= _DAY  # 24:00:00, which Python does not know
    n_lost = int(np.count_nonzero(lost))
    if n_lost:
        null = lost | null if len(null) else lost
    return pa.array(since_midnight, mask=_mask(null)).cast(pa.time64("us")), n_lost


def _uuids(values: npt.NDArray[np.void], null: Mask) -> tuple[pa.Array, int]:
    digits = np.frombuffer(values.view(np.uint8).reshape(-1, 20)[:, 4:].tobytes().hex().encode(), np.uint8).reshape(
        -1, 32
    )
    text = np.full((len(values), 36), ord("-"), np.uint8)
    for target, source, width in ((0, 0, 8), (9, 8, 4), (14, 12, 4), (19, 16, 4), (24, 20, 12)):
        text[:, target : target + width] = digits[:, source : source + width]
    offsets = np.arange(0, 36 * (len(values) + 1), 36, dtype=np.int64)
    validity = None
    if len(null):
        validity = pa.py_buffer(np.packbits(~null, bitorder="little"))
    buffers = [validity, pa.py_buffer(offsets), pa.py_buffer(text)]
    return pa.Array.from_buffers(pa.large_string(), len(values), buffers), 0


def _slices(kind: pa.DataType) -> Callable[[Any, Mask], tuple[pa.Array, int]]:
    def slices(values: tuple[Bytes, Integers, Integers], null: Mask) -> tuple[pa.Array, int]:
        """Cut the texts out of the block: an array over it whose items are text, gap, text, … then the texts."""
        block, begins, ends = values
        offsets = np.empty(2 * len(begins) + 1, np.int64)
        offsets[0:-1:2], offsets[1::2], offsets[-1] = begins, ends, ends[-1] if len(ends) else 0
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block)]
        pieces = pa.Array.from_buffers(kind, 2 * len(begins), buffers)
        wanted = pa.array(np.arange(0, 2 * len(begins), 2), mask=_mask(null))
        return pieces.take(wanted), 0

    return slices


_text = _slices(pa.large_string())


def _floats(values: tuple[Bytes, Integers, Integers], null: Mask) -> tuple[pa.Array, int]:
    text, _ = _text(values, null)
    numbers = pc.cast(text, pa.float64())
    finite = pc.equal(pc.is_inf(numbers), pc.match_substring(text, "Infinity"))
    return numbers, pc.sum(pc.invert(finite)).as_py() or 0


def _decimals(values: tuple[Bytes, Integers, Integers], null: Mask) -> tuple[pa.Array, int]:
    return _text(values, null)


def to_decimals(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """Turn numbers in text form into Decimal objects; null is None."""
    return np.array([None if text is None else Decimal(text) for text in column.to_pylist()], dtype=object)


_TEXT = Kind(pa.large_string(), 0, _text)
_TEXT_FORM = Kind(pa.large_string(), 0, _text, "::text")
_EXACT = Kind(pa.large_string(), 0, _decimals, "::text")
_KINDS = {
    "bool": Kind(pa.bool_(), 1, _booleans),
    "int2": Kind(pa.int16(), 2, _integers(">i2", "i2")),
    "int4": Kind(pa.int32(), 4, _integers(">i4", "i4")),
    "int8": Kind(pa.int64(), 8, _integers(">i8", "i8")),
    "oid": Kind(pa.int64(), 4, _integers(">u4", "i8")),
    "float4": Kind(pa.float32(), 4, _integers(">f4", "f4")),
    "float8": Kind(pa.float64(), 8, _integers(">f8", "f8")),
    "numeric": Kind(pa.float64(), 0, _floats, "::text"),
    "timestamp": Kind(pa.timestamp("us"), 8, _timestamps(None)),
    "timestamptz": Kind(pa.timestamp("us", "UTC"), 8, _timestamps("UTC")),
    "date": Kind(pa.timestamp("us"), 4, _dates),
    "time": Kind(pa.time64("us"), 8, _times),
    "uuid": Kind(pa.large_string(), 16, _uuids),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "name": _TEXT,
    "json": _TEXT,
    "bytea": Kind(pa.large_binary(), 0, _slices(pa.large_binary())),
}
