"""What is at the other end of a connection: which server, which role, which table?"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reviewlab import buckets, displays, frames, queries
from reviewlab.database import Database
from reviewlab.errors import QueryTimeoutError, SchemaError

COLUMNS = {
    "review_id": "uuid",
    "public_review": "text",
    "private_review": "text",
    "rating": "integer",
    "submitted_at": "timestamp without time zone",
}
SCALE_PATIENCE = 2.0
"""Seconds to spend on finding the scale; a larger table is asked when the scale is first needed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a lab knows of its connection since it was opened."""

    where: str
    server: str
    server_number: int
    database: str
    role: str
    bypasses_rights: bool
    write: bool
    reads_private: bool
    reads_ctid: bool
    n_estimated: int | None
    first: datetime | None
    last: datetime | None
    scale: tuple[int, int] | None
    indexed: bool
    row_security: bool
    bytes_per_review: float | None
    as_of: datetime

    def __repr__(self) -> str:
        return displays.lines("Facts", self.rows())

    def _repr_html_(self) -> str:
        return displays.table("Facts", self.rows())

    def rows(self) -> list[tuple[str, str]]:
        """Name and value, for a person."""
        n = "not counted yet" if self.n_estimated is None else f"about {self.n_estimated:,}"
        span = "none" if self.first is None or self.last is None else f"{self.first:%d %b %Y} – {self.last:%d %b %Y}"
        return [
            ("server", f"PostgreSQL {self.server} at {self.where}"),
            ("database", self.database),
            ("role", self.role + (" (superuser: beyond every GRANT)" if self.bypasses_rights else "")),
            ("access", "read and write" if self.write else "read-only"),
            ("reviews", n),
            ("submitted", span),
            ("ratings", "unknown" if self.scale is None else f"{self.scale[0]} to {self.scale[1]}"),
            ("as of", f"{self.as_of:%d %b %Y %H:%M}"),
        ]


async def find_facts(database: Database) -> Facts:
    """Ask once what a lab shows of its connection.

    Raises
    ------
    SchemaError
        If there is no table ``reviews``, or it has other columns than reviewlab needs.

    Source: sql/server.sql, sql/table_columns.sql, sql/range.sql, sql/scale.sql
    """

    async def work(connection: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        server = await frames.receive_row(connection, queries.load("server"), {})
        check_table(await connection.fetch(queries.load("table_columns").numbered))
        span = queries.load("range")
        return server, await frames.receive_row(connection, span, {"stored_tz": database.settings.stored_tz})

    server, span = await database.read(work, doing="connecting")
    estimated = server["estimated_reviews"]
    return Facts(
        where=database.target.where,
        server=server["server"],
        server_number=server["server_number"],
        database=server["database"],
        role=server["role"],
        bypasses_rights=server["bypasses_rights"],
        write=database.write,
        reads_private=server["reads_private"],
        reads_ctid=bool(server["reads_ctid"]),
        n_estimated=int(estimated) if estimated is not None and estimated >= 0 else None,
        first=span["first"],
        last=span["last"],
        scale=database.settings.scale or await _find_scale(database),
        indexed=server["indexed"],
        row_security=server["row_security"],
        bytes_per_review=server["width"],
        as_of=span["as_of"],
    )


async def check_connection(database: Database) -> None:
    """Raise what `find_facts` would, without finding out more."""

    async def work(connection: Any) -> None:
        check_table(await connection.fetch(queries.load("table_columns").numbered))

    await database.read(work, doing="connecting")


def check_table(columns: list[Any]) -> None:
    """Raise SchemaError unless *columns*, the rows of sql/table_columns.sql, are those that reviewlab needs."""
    if not columns:
        raise SchemaError("there is no table reviews on the search path: run `reviewlab init`, or set db_schema")
    found = {row["name"]: row["type"] for row in columns}
    wrong = [
        f"{name} is {found.get(name, 'missing')}, needed is {kind}"
        for name, kind in COLUMNS.items()
        if found.get(name) != kind
    ]
    if wrong:
        raise SchemaError(f"the table reviews has other columns than reviewlab needs: {'; '.join(wrong)}")


async def _find_scale(database: Database) -> tuple[int, int] | None:
    async def work(connection: Any) -> dict[str, Any]:
        return await frames.receive_row(connection, queries.load("scale"), {})

    try:
        row = await database.read(work, doing="sql/scale.sql", timeout=SCALE_PATIENCE)
    except QueryTimeoutError:
        return None
    return None if row["lowest"] is None else buckets.pick_scale(row["lowest"], row["highest"])
