"""Which Python objects stand for values that have no column type: lists and exact decimals?"""

import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_ELEMENTS: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: text == "true",
    "int2": int,
    "int4": int,
    "int8": int,
    "oid": int,
    "float4": float,
    "float8": float,
    "numeric": float,
    "decimal": Decimal,
}


def to_objects(column: pa.ChunkedArray, kind: str) -> npt.NDArray[np.object_]:
    """Turn a column into objects; null is None.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Numbers in text form (large_string), or arrays of texts in PostgreSQL's binary form (large_binary).
    kind : str
        What the number, or each element, is: integers, floats, booleans and decimals are converted; everything
        else stays in its text form.
    """
    objects = np.empty(len(column), dtype=object)
    convert = _ELEMENTS.get(kind, str)
    for row, value in enumerate(column.to_pylist()):
        if isinstance(value, bytes):
            objects[row] = _nested(value, convert)
        elif value is not None:
            objects[row] = convert(value)
    return objects


def _nested(array: bytes, convert: Callable[[str], Any]) -> list[Any]:
    """Read an array of texts: number of dimensions, flags, type; per dimension length and lower bound; elements."""
    n_dimensions = struct.unpack_from(">i", array)[0]
    if n_dimensions == 0:
        return []
    lengths = [struct.unpack_from(">i", array, 12 + 8 * number)[0] for number in range(n_dimensions)]
    items: list[Any] = list(_elements(array, 12 + 8 * n_dimensions, convert))
    for length in reversed(lengths[1:]):
        items = [items[at : at + length] for at in range(0, len(items), length)]
    return items


def _elements(array: bytes, at: int, convert: Callable[[str], Any]) -> Iterator[Any]:
    while at < len(array):
        length = struct.unpack_from(">i", array, at)[0]
        at += 4
        if length < 0:
            yield None
        else:
            yield convert(array[at : at + length].decode())
            at += length
