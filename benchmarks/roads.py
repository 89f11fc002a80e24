"""Which roads lead from PostgreSQL to a DataFrame?  Each ends in the same frame.

A road is an async function of a DSN and the columns wanted.  It yields once when it is connected, and then once more
with the frame: what lies between is measured.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pandas as pd

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
Road = Callable[[str, Sequence[str]], AsyncIterator[Any]]


def query(columns: Sequence[str], *, text_ids: bool) -> str:
    """The statement, with ids as text where that is how a road gets them fastest."""
    wanted = ("review_id::text as review_id" if text_ids and name == "review_id" else name for name in columns)
    return f"select {', '.join(wanted)} from reviews"


def same(frame: pd.DataFrame) -> pd.DataFrame:
    """Give a frame the dtypes that all roads end in."""
    types = {"rating": "int32", "submitted_at": "datetime64[us]"}
    return frame.astype({name: types.get(name, TEXT) for name in frame.columns})


def from_arrow(table: Any) -> pd.DataFrame:
    """The fastest way from Arrow to that frame."""
    import pyarrow as pa

    texts = {pa.string(): TEXT, pa.large_string(): TEXT, pa.string_view(): TEXT}
    return same(table.to_pandas(types_mapper=texts.get, split_blocks=True, self_destruct=True))


def reviewlab(parallel: int) -> Road:
    async def road(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
        import reviewlab as rl

        async with rl.connect(dsn) as lab:
            yield None
            private = "private_review" in columns
            yield await lab.reviews(columns=columns, include_private=private, parallel=parallel, progress=False)

    return road


async def drain(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
    """The floor: the same COPY, thrown away."""
    import asyncpg

    connection = await asyncpg.connect(dsn)

    async def forget(data: bytes) -> None:
        pass

    yield None
    await connection.copy_from_query(query(columns, text_ids=False), output=forget, format="binary")
    yield None
    await connection.close()


async def adbc(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
    import adbc_driver_postgresql.dbapi
    import pyarrow  # noqa: F401 - loaded by the road, so before it is timed

    with adbc_driver_postgresql.dbapi.connect(dsn) as connection, connection.cursor() as cursor:
        yield None
        cursor.execute(query(columns, text_ids=True))
        yield from_arrow(cursor.fetch_arrow_table())


def connectorx(kind: str, *, partitions: int | None = None) -> Road:
    async def road(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
        import connectorx
        import pyarrow  # noqa: F401

        url = _with_host_as_folder(dsn)
        yield None
        parts = {} if partitions is None else {"partition_on": "rating", "partition_num": partitions}
        result = connectorx.read_sql(url, query(columns, text_ids=True), return_type=kind, protocol="binary", **parts)
        yield from_arrow(result) if kind == "arrow" else same(result)

    return road


def polars(engine: str) -> Road:
    async def road(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
        import polars

        url = _with_host_as_folder(dsn) if engine == "connectorx" else dsn
        yield None
        frame = polars.read_database_uri(query(columns, text_ids=True), url, engine=engine)
        yield from_arrow(frame.to_arrow())

    return road


async def read_sql(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
    import sqlalchemy

    parts = urlsplit(dsn)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    address = sqlalchemy.URL.create("postgresql+psycopg", "postgres", database=parts.path[1:], query=options)
    with sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool).connect() as connection:
        yield None
        yield same(pd.read_sql(sqlalchemy.text(query(columns, text_ids=True)), connection))


async def asyncpg_fetch(dsn: str, columns: Sequence[str]) -> AsyncIterator[Any]:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    yield None
    rows = await connection.fetch(query(columns, text_ids=True))
    yield same(pd.DataFrame(rows, columns=list(columns)))
    await connection.close()


def _with_host_as_folder(dsn: str) -> str:
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query)["host"][0]
    return f"postgresql://postgres@{quote(folder, safe='')}{parts.path}"


ROADS: dict[str, Road] = {
    "draining the COPY": drain,
    "reviewlab, 1 connection": reviewlab(1),
    "reviewlab, 2 connections": reviewlab(2),
    "reviewlab, 4 connections": reviewlab(4),
    "ADBC": adbc,
    "connectorx, Arrow": connectorx("arrow"),
    "connectorx, Arrow, 4 partitions": connectorx("arrow", partitions=4),
    "connectorx, pandas": connectorx("pandas"),
    "polars, ADBC": polars("adbc"),
    "polars, connectorx": polars("connectorx"),
    "pandas.read_sql, psycopg": read_sql,
    "asyncpg fetch": asyncpg_fetch,
}
