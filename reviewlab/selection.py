"""Which reviews are asked for, how much is that, and in which parts can it be read?"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from reviewlab import queries
from reviewlab.database import Database, Reader
from reviewlab.facts import Facts
from reviewlab.frames import receive, receive_row
from reviewlab.queries import Statement
from reviewlab.receiver import Meter, Result, too_large
from reviewlab.snapshot import read_in_parallel

LARGE = 48 << 20
"""Bytes from which several connections are worth their beginning."""

MOST_WORKERS = 4
PARTS_PER_WORKER = 4
"""More parts than connections: none shall wait long for the last one."""

Part: TypeAlias = tuple[Statement, Mapping[str, Any]]
"""A statement and the values of its parameters."""

_TID_RANGES = 140_000  # the server's number from which a range of pages is read without the others


@dataclass(frozen=True, slots=True)
class Selection:
    """A statement that reads reviews, and the values of its parameters."""

    statement: Statement
    values: Mapping[str, Any]
    whole_table: bool
    by_blocks: Statement | None
    """The same for a range of the table's blocks; None where there is an order, limit or sample, so no parts."""


def select_reviews(
    values: Mapping[str, Any],
    *,
    columns: Sequence[str] | None,
    include_private: bool,
    sample: float | None,
    seed: int,
    limit: int | None,
    order_by: str | None,
) -> Selection:
    """Name the statement for some reviews, or raise a ValueError for arguments that do not fit."""
    readable = [name for name in queries.REVIEW_COLUMNS if include_private or name != "private_review"]
    wanted = readable if columns is None else list(columns)
    if "private_review" in wanted and not include_private:
        raise ValueError("private_review is read only with include_private=True")
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"each column can be asked for once; they are {', '.join(wanted)}")
    sampled, private = "" if sample is None else "_sample", "_private" if include_private else ""
    divisible = limit is None and order_by is None and sample is None
    if limit is not None and order_by is None:
        order_by = "submitted_at desc"
    if sample is not None:
        if isinstance(sample, bool) or not 0 < sample <= 1:
            raise ValueError(f"sample must be a share of the reviews, more than 0 and at most 1, not {sample!r}")
        seed = queries.whole_number(seed, name="seed", least=-(2**31))
        values = {**values, "percent": 100 * sample, "seed": seed}
    return Selection(
        queries.select(queries.load(f"reviews{sampled}{private}"), wanted, order_by=order_by, limit=limit),
        values,
        whole_table=limit is None and sample is None and all(value is None for value in values.values()),
        by_blocks=queries.select(queries.load(f"reviews_blocks{private}"), wanted) if divisible else None,
    )


def filters(
    begin: datetime | None, end: datetime | None, ratings: Iterable[int] | None, text: str | None
) -> dict[str, Any]:
    """Values of the parameters that say which reviews, on the stored clock."""
    return {"since": begin, "until": end, **which_reviews(ratings, text)}


def which_reviews(ratings: Iterable[int] | None, text: str | None) -> dict[str, Any]:
    """Values of the parameters that say which reviews, whenever they were submitted."""
    wanted = None
    if ratings is not None:
        wanted = [queries.whole_number(rating, name="a rating", least=-(2**31)) for rating in ratings]
    return {"ratings": wanted, "pattern": None if text is None else queries.like_pattern(text)}


def check_size(selection: Selection, facts: Facts, max_bytes: int) -> None:
    """Refuse at once to read a whole table that cannot fit."""
    size = _estimated_bytes(selection, facts)
    if selection.whole_table and size > max_bytes:
        raise too_large(f"about {facts.n_estimated:,} reviews would take about {size / 1e6:,.0f} MB", max_bytes)


def how_many_workers(selection: Selection, facts: Facts, asked: int | None, most: int) -> int:
    """How many connections to read on: what was asked for, else by size."""
    if asked is not None:
        return min(queries.whole_number(asked, name="parallel", least=1), most) if selection.by_blocks else 1
    if not selection.by_blocks or _estimated_bytes(selection, facts) < LARGE:
        return 1
    return max(1, min(MOST_WORKERS, (os.cpu_count() or 1) // 2, most))


async def read(
    reader: Reader, selection: Selection, facts: Facts, *, workers: int, timeout: float, meter: Meter
) -> Result:
    """Read the selection on one connection, or in parts on several that see one moment."""

    async def receive_part(connection: Any, part: Part) -> Result:
        statement, values = part
        return await receive(connection, statement, values, timeout=timeout, meter=meter)

    doing = selection.statement.doing
    if workers == 1 or not isinstance(reader, Database):

        async def work(connection: Any) -> Result:
            meter.restart()
            return await receive_part(connection, (selection.statement, selection.values))

        return await reader.read(work, doing=doing, timeout=timeout)

    async def parts(connection: Any) -> list[Part]:
        meter.restart()
        return await _parts(connection, selection, facts, workers * PARTS_PER_WORKER)

    results = await read_in_parallel(reader, parts, receive_part, workers=workers, doing=doing, timeout=timeout)
    whole = results[0]
    for result in results[1:]:
        whole.add(result)
    return whole


async def _parts(connection: Any, selection: Selection, facts: Facts, n: int) -> list[Part]:
    """Ranges that hold each review once: of blocks, or of time where time is filtered or ctid may not be read."""
    since, until = selection.values["since"], selection.values["until"]
    statement, names, borders = selection.statement, ("since", "until"), list[Any]()
    if since is None and until is None and facts.reads_ctid and selection.by_blocks is not None:
        if facts.server_number < _TID_RANGES:
            return [(statement, selection.values)]
        pages = (await receive_row(connection, queries.load("table_size"), {}))["pages"]
        statement, names = selection.by_blocks, ("first_block", "end_block")
        borders = [f"({pages * number // n},0)" for number in range(1, n)] if pages >= n else []
    else:
        begin, end = since or facts.first, until or facts.last
        if begin is not None and end is not None and begin < end:
            borders = [begin + (end - begin) / n * number for number in range(1, n)]
    ranges = zip([since, *borders], [*borders, until], strict=True)
    return [(statement, {**selection.values, names[0]: low, names[1]: high}) for low, high in ranges]


def _estimated_bytes(selection: Selection, facts: Facts) -> float:
    if facts.n_estimated is None or facts.bytes_per_review is None:
        return 0.0
    whole = facts.n_estimated * facts.bytes_per_review
    begin, end = selection.values["since"], selection.values["until"]
    if facts.first is None or facts.last is None or (begin is None and end is None):
        return whole
    span = (facts.last - facts.first).total_seconds() or 1.0
    asked = (min(end or facts.last, facts.last) - max(begin or facts.first, facts.first)).total_seconds()
    return whole * min(max(asked / span, 0.0), 1.0)
