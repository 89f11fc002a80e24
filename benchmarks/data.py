"""What is read?  Tables of a million and more reviews, made by the server itself."""

from pathlib import Path

import asyncpg

from reviewlab import load, opening
from reviewlab.database import Database
from reviewlab.server import Server
from reviewlab.settings import load_settings

REAL = Path(__file__).parents[2] / "shared" / "data" / "reviews_sample.csv.gz"
FULL = """
insert into reviews
select gen_random_uuid(), left(repeat(md5(i::text) || ' and so on ', 6), 30 + (i * 7919::int8 % 180)::int),
       case when i % 2 = 0 then left(repeat(md5((-i)::text) || ' ', 6), 40 + (i * 104729::int8 % 150)::int) end,
       1 + (i * 31::int8 % 5)::int, '2020-01-01'::timestamp + i * interval '97 seconds'
from generate_series(1, {rows}) i
"""
NARROW = """
insert into reviews
select gen_random_uuid(), 'fine', null, 1 + (i * 31::int8 % 5)::int, '2015-01-01'::timestamp + i * interval '97 seconds'
from generate_series(1, {rows}) i
"""
LONG = """
insert into reviews
select gen_random_uuid(), repeat(md5(i::text), 32768), null, 1 + i % 5, '2024-01-01'::timestamp + i * interval '1 hour'
from generate_series(1, {rows}) i
"""
AGAIN = """
insert into reviews
select gen_random_uuid(), public_review, private_review, rating, submitted_at from reviews, generate_series(2, 7)
"""


async def make(server: Server, name: str, rows: int) -> str | None:
    """Make the database *name* with its table, and return its DSN; None if its source is not there."""
    if name == "korean" and not REAL.exists():
        return None
    admin = await asyncpg.connect(server.dsn)
    dsn = server.dsn_for(name)
    try:
        await admin.execute(f"create database {name}")
    except asyncpg.DuplicateDatabaseError:  # an earlier case has made it
        return dsn
    finally:
        await admin.close()
    await opening.init(load_settings(dsn))
    if name == "korean":
        await _load_real(dsn)
    connection = await asyncpg.connect(dsn)
    if name != "korean":
        await connection.execute({"narrow": NARROW, "long_texts": LONG}.get(name, FULL).format(rows=rows))
    elif rows >= 1_000_000:
        await connection.execute(AGAIN)
    await connection.execute("vacuum (analyze, freeze) reviews")
    await connection.close()
    return dsn


async def _load_real(dsn: str) -> None:
    database = await Database.open(load_settings(dsn), write=True)
    try:
        await load.load_reviews(database, REAL)
    finally:
        await database.close()
