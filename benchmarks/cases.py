"""What is compared, and which ratios are to be reached?"""

from dataclasses import dataclass

FULL = ("review_id", "public_review", "private_review", "rating", "submitted_at")
OURS = ("reviewlab, 1 connection", "reviewlab, 2 connections", "reviewlab, 4 connections")


@dataclass(frozen=True, slots=True)
class Target:
    """One ratio: the best of *ours* over *against* is to be at most *most*."""

    against: str
    most: float
    ours: tuple[str, ...] = OURS[:1]
    what: str = "wall"


@dataclass(frozen=True, slots=True)
class Case:
    """One table, the columns that are read of it, and what is to be reached."""

    name: str
    title: str
    table: str
    rows: int
    columns: tuple[str, ...]
    roads: tuple[str, ...]
    targets: tuple[Target, ...]


FAST = ("draining the COPY", *OURS, "ADBC", "connectorx, Arrow", "connectorx, Arrow, 4 partitions", "polars, ADBC")
CASES = {
    case.name: case
    for case in (
        Case(
            "full_rows",
            "1,000,000 full rows",
            "full_rows",
            1_000_000,
            FULL,
            (*FAST, "connectorx, pandas", "polars, connectorx", "pandas.read_sql, psycopg", "asyncpg fetch"),
            (
                Target("draining the COPY", 1.3),
                Target("ADBC", 1.0),
                Target("ADBC", 0.8, OURS),
                Target("connectorx, Arrow", 0.65),
                Target("pandas.read_sql, psycopg", 0.25),
                Target("asyncpg fetch", 0.14),
                Target("ADBC", 1.1, what="peak"),
            ),
        ),
        Case(
            "narrow_rows",
            "3,000,000 narrow rows (id, rating, time)",
            "narrow",
            3_000_000,
            ("review_id", "rating", "submitted_at"),
            FAST,
            (Target("ADBC", 0.8, (OURS[0], OURS[2])),),
        ),
        Case(
            "korean_texts",
            "1,036,077 rows of short Korean texts",
            "korean",
            1_036_077,
            FULL,
            FAST,
            (Target("ADBC", 0.8, OURS),),
        ),
    )
}
