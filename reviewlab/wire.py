"""How do the bytes of a binary COPY become Arrow columns?  With numpy and pyarrow, no I/O, no loop over rows.

Rows are found by the bytes that each begins with: the number of columns, and then the lengths of those of fixed width
that come first and have no nulls, or a constant marker column (`MARKER`) where there is none.  The computed end of
each row must be the beginning of the next, else the lengths are walked one by one.  So a pattern in the data can cost
time, never a wrong row.

Format: PostgreSQL documentation, COPY, "Binary Format"; the values are those of the types' send functions.
"""

import itertools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
_POOL = pa.system_memory_pool()  # the other pools take huge pages, and wait for each to be cleared: twice the time
_LARGEST = np.iinfo(np.int64).max
_NONE: Integers = np.zeros(0, np.int64)
_PIECE = 512 << 10  # bytes looked through at once: their mask stays in the cache, and takes no new memory


class DamagedError(Exception):
    """The bytes are no binary COPY of the expected columns."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How one PostgreSQL type crosses the wire.

    Attributes
    ----------
    arrow : pyarrow.DataType
        What it becomes.
    value : str
        The numpy type of a value on the wire; empty if its length varies.
    decode : callable
        From the values (where their length varies: the block, and where they begin and end in it) and the mask of
        nulls, whose values are zeros, to a column and the number of values that have no place in it.
    cast : str
        What follows the column in the statement, such as ``::text``.
    objects : str, optional
        What a DataFrame shows instead of the text: ``decimal``, or lists of this type of element.
    """

    arrow: pa.DataType
    value: str
    decode: Callable[[Any, Mask], tuple[pa.Array, int]]
    cast: str = ""
    objects: str | None = None


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
    if type_name.endswith("[]"):
        element = "decimal" if type_name == "numeric[]" and decimal == "exact" else type_name[:-2]
        return Kind(pa.large_binary(), "", _slices(pa.large_binary()), "::text[]", objects=element)
    if type_name == "numeric" and decimal == "exact":
        return _EXACT
    return _KINDS.get(type_name, _TEXT_FORM)


def decode(block: Bytes, columns: Sequence[tuple[str, Kind]], *, final: bool, marked: bool = True) -> Block:
    """Decode the whole rows of *block*, which begins with a row and is followed by `SLACK` bytes in memory.

    Parameters
    ----------
    block : array of uint8, including the slack
    columns : sequence of (name, Kind)
        What follows the marker in each row, or is all of it.
    final : bool
        True if the block ends with the last row; else a row may be cut at its end.
    marked : bool
        False if there is no marker: the first column has a fixed width, and hardly a null.

    Raises
    ------
    DamagedError
        If the bytes are not rows of these columns.
    """
    skip, prefix = _MARK.size if marked else 2, _prefix(columns, marked=marked)
    widths = [4 + np.dtype(kind.value).itemsize for _, kind in columns if kind.value]
    try:
        borders = _NONE
        if len(widths) == len(columns):
            borders = _even_rows(block, prefix, skip + sum(widths), final=final)
        if not len(borders):
            borders = _find_rows(block, prefix, final=final)
        return _decode_rows(block, borders, columns, skip=skip, nulls=marked)
    except (DamagedError, IndexError):
        borders = _walk_rows(block[: len(block) - SLACK], len(columns) + marked, final=final)
        return _decode_rows(block, borders, columns, skip=skip, nulls=True)


def table(blocks: Sequence[Sequence[pa.Array]], columns: Sequence[tuple[str, Kind]]) -> pa.Table:
    """Put decoded blocks together; without a block the columns are empty, of the same types."""
    schema = pa.schema([(name, kind.arrow) for name, kind in columns])
    return pa.Table.from_batches([pa.record_batch(list(block), schema=schema) for block in blocks], schema=schema)


def _prefix(columns: Sequence[tuple[str, Kind]], *, marked: bool) -> bytes:
    """What every row begins with; its last byte but the marker's is rare in texts."""
    if marked:
        return struct.pack(">hih", len(columns) + 1, 2, -512)
    return struct.pack(">hi", len(columns), np.dtype(columns[0][1].value).itemsize)


def _even_rows(block: Bytes, prefix: bytes, size: int, *, final: bool) -> Integers:
    """Take all rows to be of one size; there are none if they do not begin as they should."""
    whole = len(block) - SLACK
    if final and whole % size:
        return _NONE
    borders = np.arange(0, whole + 1, size)
    return borders if _begins(block, borders[:-1], prefix).all() else _NONE


def _find_rows(block: Bytes, prefix: bytes, *, final: bool) -> Integers:
    """Find the prefix by one byte of it that no text holds (FE), or hardly any (a control character)."""
    size = len(block) - SLACK
    anchor = 6 if len(prefix) == _MARK.size else 5
    pieces = [
        np.flatnonzero(block[at : min(at + _PIECE, size)] == prefix[anchor]) + at for at in range(0, size, _PIECE)
    ]
    at = np.concatenate([_NONE, *pieces]) - anchor
    at = at[(at >= 0) & (at <= size - len(prefix))]
    at = at[_begins(block, at, prefix)]
    return np.append(at, size) if final else at


def _begins(block: Bytes, at: Integers, prefix: bytes) -> Mask:
    """Tell at which places the prefix stands."""
    places = np.ndarray((len(block) - 7,), "<u8", block, strides=(1,))
    found: Mask = places[at] & ((1 << 8 * len(prefix)) - 1) == int.from_bytes(prefix, "little")
    return found


def _walk_rows(block: Bytes, n_fields: int, *, final: bool) -> Integers:
    view, size, at = block.data, len(block), 0
    borders = [0]
    while at + 2 <= size:
        if struct.unpack_from(">h", view, at)[0] != n_fields:
            raise DamagedError("a row has another number of columns")
        at += 2
        for _ in range(n_fields):
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


def _decode_rows(
    block: Bytes, borders: Integers, columns: Sequence[tuple[str, Kind]], *, skip: int, nulls: bool
) -> Block:
    if not len(borders) or borders[0] != 0:
        raise DamagedError("the block does not begin with a row")
    borders, head, size = _head(block, borders, columns, skip=skip, nulls=nulls)
    at = borders[:-1] + (skip + size)
    arrays, beyond = [], {}
    for number, (name, kind) in enumerate(columns):
        values: Any
        if number < len(head):
            values, null = head[number], _NO_NULLS
        elif kind.value:
            values, null, at = _fixed(block, at, kind.value)
        else:
            values, null, at = _variable(block, at)
        array, lost = kind.decode(values, null)
        arrays.append(array)
        if lost:
            beyond[name] = lost
    if not np.array_equal(at, borders[1:]):
        raise DamagedError("the rows do not join up")
    return Block(arrays, len(borders) - 1, int(borders[-1]), beyond)


def _head(
    block: Bytes, borders: Integers, columns: Sequence[tuple[str, Kind]], *, skip: int, nulls: bool
) -> tuple[Integers, list[npt.NDArray[Any]], int]:
    """Read the columns of fixed width that come first, all at once.

    Where a length is another one, there is a null, and none of them is read; or, if there are *nulls* in no row, no
    row begins here, though its first bytes look like it.
    """
    fixed = list(itertools.takewhile(bool, (kind.value for _, kind in columns)))
    fields = [part for number, value in enumerate(fixed) for part in ((f"n{number}", ">i4"), (f"v{number}", value))]
    layout = np.dtype(fields)
    if not fixed or len(borders) < 2:
        return borders, [], 0
    head = _gather(block, borders[:-1] + skip, layout)
    whole = np.ones(len(head), np.bool_)
    for number, value in enumerate(fixed):
        whole &= head[f"n{number}"] == np.dtype(value).itemsize
    if not whole.all():
        if nulls:
            return borders, [], 0
        borders, head = borders[np.append(whole, True)], head[whole]
    return borders, [head[f"v{number}"] for number in range(len(fixed))], layout.itemsize


def _gather(block: Bytes, at: Integers, layout: np.dtype[Any]) -> npt.NDArray[Any]:
    """Copy one item from each place: an unaligned view with a stride of one byte, indexed once."""
    view = np.ndarray((len(block) - layout.itemsize + 1,), f"V{layout.itemsize}", block, strides=(1,))
    return view[at].view(layout)


def _fixed(block: Bytes, at: Integers, value: str) -> tuple[npt.NDArray[Any], Mask, Integers]:
    fields = _gather(block, at, np.dtype([("n", ">i4"), ("v", value)]))
    width, lengths, null = np.dtype(value).itemsize, fields["n"], fields["n"] == -1
    if not ((lengths == width) | null).all():
        raise DamagedError("a value has another length than its type")
    fields[null] = np.zeros((), fields.dtype)
    return fields["v"], null, at + 4 + np.where(null, 0, width)


def _variable(block: Bytes, at: Integers) -> tuple[tuple[Bytes, Integers, Integers], Mask, Integers]:
    lengths = _gather(block, at, np.dtype(">i4")).astype(np.int64)
    null = lengths == -1
    if null.any():
        lengths[null] = 0
    else:
        null = _NO_NULLS
    if len(lengths) and lengths.min() < 0:
        raise DamagedError("a value has a negative length")
    ends = at + 4 + lengths
    if len(ends) and ends.max() > len(block) - SLACK:  # pyarrow does not look
        raise DamagedError("a value reaches past the end")
    return (block, at + 4, ends), null, ends


_NO_NULLS: Mask = np.zeros(0, np.bool_)


def _mask(null: Mask) -> Mask | None:
    return null if len(null) else None


def _numbers(to: str) -> Callable[[npt.NDArray[Any], Mask], tuple[pa.Array, int]]:
    def numbers(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
        return pa.array(values.astype(to), mask=_mask(null)), 0

    return numbers


def _booleans(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
    return pa.array(values != 0, mask=_mask(null)), 0


def _timestamps(zone: str | None) -> Callable[[npt.NDArray[Any], Mask], tuple[pa.Array, int]]:
    kind = pa.timestamp("us", zone)

    def moments(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
        since_2000 = values.astype(np.int64)
        lost = (since_2000 > _LARGEST - _EPOCH) | (since_2000 == -_LARGEST - 1)  # infinities, and after 294247
        return _moments(since_2000 + _EPOCH, null, lost, kind)

    return moments


def _dates(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
    days = values.astype(np.int64)
    limit = (_LARGEST - _EPOCH) // _DAY
    lost = (days > limit) | (days == np.iinfo(np.int32).min)
    return _moments(days * _DAY + _EPOCH, null, lost, pa.timestamp("us"))


def _moments(since_1970: Integers, null: Mask, lost: Mask, kind: pa.DataType) -> tuple[pa.Array, int]:
    n_lost = int(np.count_nonzero(lost))
    if n_lost:
        null = lost | null if len(null) else lost
    return pa.array(since_1970, mask=_mask(null)).cast(kind), n_lost


def _times(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
    since_midnight = values.astype(np.int64)
    lost = since_midnight >= _DAY  # 24:00:00, which Python does not know
    n_lost = int(np.count_nonzero(lost))
    if n_lost:
        null = lost | null if len(null) else lost
    return pa.array(since_midnight, mask=_mask(null)).cast(pa.time64("us")), n_lost


_TWO_DIGITS = pa.array(np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint16))
_HEX = np.dtype([("a", "u8"), ("b", "u4"), ("c", "u4"), ("d", "u4"), ("e", "u8"), ("f", "u4")])
_UUID = np.dtype(
    {
        "names": ["a", "-1", "b", "-2", "c", "-3", "d", "-4", "e", "f"],
        "formats": ["u8", "u1", "u4", "u1", "u4", "u1", "u4", "u1", "u8", "u4"],
    }
)


def _uuids(values: npt.NDArray[Any], null: Mask) -> tuple[pa.Array, int]:
    raw = pa.Array.from_buffers(pa.uint8(), 16 * len(values), [None, pa.py_buffer(values.tobytes())])
    digits = np.frombuffer(_TWO_DIGITS.take(raw).buffers()[1], _HEX, count=len(values))
    text = np.empty(len(values), _UUID)
    for name in _UUID.names or ():
        text[name] = ord("-") if name.startswith("-") else digits[name]
    offsets = np.arange(0, 36 * (len(values) + 1), 36, dtype=np.int64)
    validity = pa.py_buffer(np.packbits(~null, bitorder="little")) if len(null) else None
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
        return pc.take(pieces, wanted, boundscheck=False, memory_pool=_POOL), 0

    return slices


_text = _slices(pa.large_string())


def _floats(values: tuple[Bytes, Integers, Integers], null: Mask) -> tuple[pa.Array, int]:
    text, _ = _text(values, null)
    numbers = pc.cast(text, pa.float64())
    finite = pc.equal(pc.is_inf(numbers), pc.match_substring(text, "Infinity"))
    return numbers, pc.sum(pc.invert(finite)).as_py() or 0


_TEXT = Kind(pa.large_string(), "", _text)
_TEXT_FORM = Kind(pa.large_string(), "", _text, "::text")
_EXACT = Kind(pa.large_string(), "", _text, "::text", objects="decimal")
_KINDS = {
    "bool": Kind(pa.bool_(), "u1", _booleans),
    "int2": Kind(pa.int16(), ">i2", _numbers("i2")),
    "int4": Kind(pa.int32(), ">i4", _numbers("i4")),
    "int8": Kind(pa.int64(), ">i8", _numbers("i8")),
    "oid": Kind(pa.int64(), ">u4", _numbers("i8")),
    "float4": Kind(pa.float32(), ">f4", _numbers("f4")),
    "float8": Kind(pa.float64(), ">f8", _numbers("f8")),
    "numeric": Kind(pa.float64(), "", _floats, "::text"),
    "timestamp": Kind(pa.timestamp("us"), ">i8", _timestamps(None)),
    "timestamptz": Kind(pa.timestamp("us", "UTC"), ">i8", _timestamps("UTC")),
    "date": Kind(pa.timestamp("us"), ">i4", _dates),
    "time": Kind(pa.time64("us"), ">i8", _times),
    "uuid": Kind(pa.large_string(), "V16", _uuids),
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "name": _TEXT,
    "json": _TEXT,
    "bytea": Kind(pa.large_binary(), "", _slices(pa.large_binary())),
}
