"""What can go wrong, as a tree; a bad argument is a plain ValueError.

::

    ReviewLabError
    ├── ConfigError            a setting, DSN or option that cannot be honoured
    ├── ConnectError           no connection: refused, timed out, TLS, authentication, not a PostgreSQL server
    ├── ConnectionLostError    it was there; safe_to_retry, rows_delivered
    ├── OutcomeUnknownError    a write that may or may not have happened; key
    ├── QueryError             PostgreSQL refused: sqlstate, constraint, column, position; never DETAIL
    │   ├── ReadOnlyError      a statement that writes, where only reading is allowed
    │   ├── SchemaError        the table is missing, or has other columns than reviewlab needs
    │   └── QueryTimeoutError  a statement ran past its time limit and was cancelled
    ├── PoolTimeoutError       no connection was free in time; who holds them
    ├── ResultTooLargeError    how large a result is, and what to do instead
    ├── WrongLoopError         opened on another event loop, thread or process
    ├── ReviewDataError        a value that cannot be stored: row, column, reason; never the value
    └── ServerError            the embedded server

Messages say what was needed, what came and what to do; never a password, a DSN or a review's text.
"""

from typing import Any


class ReviewLabError(Exception):
    """Whatever reviewlab raises, except a ValueError for a bad argument."""


class ConfigError(ReviewLabError):
    """A setting, DSN or option that cannot be honoured."""


class ConnectError(ReviewLabError):
    """No connection: refused, timed out, TLS, authentication, or not a PostgreSQL server."""


class ConnectionLostError(ReviewLabError):
    """The connection broke while it was used.

    Attributes
    ----------
    safe_to_retry : bool
        True if nothing can have been written.
    rows_delivered : int
        Rows that a stream had already handed over.
    """

    def __init__(self, message: str, *, safe_to_retry: bool = True, rows_delivered: int = 0) -> None:
        super().__init__(message)
        self.safe_to_retry = safe_to_retry
        self.rows_delivered = rows_delivered


class OutcomeUnknownError(ReviewLabError):
    """A write that may or may not have happened; look for *key* in the table.

    Attributes
    ----------
    key : object
        What identifies the rows that were written, such as a review_id; None where there is none.
    """

    def __init__(self, message: str, *, key: Any = None) -> None:
        super().__init__(message)
        self.key = key


class QueryError(ReviewLabError):
    """PostgreSQL refused a statement.

    Attributes
    ----------
    sqlstate : str or None
        PostgreSQL's error code, such as ``42703``.
    constraint, column : str or None
        What the error is about, where PostgreSQL says so.
    position : int or None
        Where in the statement, counted in characters from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        constraint: str | None = None,
        column: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.column = column
        self.position = position


class ReadOnlyError(QueryError):
    """A statement that writes, where only reading is allowed."""


class SchemaError(QueryError):
    """The table is missing, or has other columns than reviewlab needs."""


class QueryTimeoutError(QueryError):
    """A statement ran past its time limit and was cancelled on the server."""


class PoolTimeoutError(ReviewLabError):
    """No connection was free in time."""


class ResultTooLargeError(ReviewLabError):
    """A result is larger than allowed; nothing was kept of it."""


class WrongLoopError(ReviewLabError):
    """A lab was used from another event loop, thread or process than the one that opened it."""


class ReviewDataError(ReviewLabError):
    """A value that cannot be stored; the value itself is never shown.

    Attributes
    ----------
    row : int or None
        Which row, counted from 1 as in the input.
    column : str or None
        Which column.
    """

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class ServerError(ReviewLabError):
    """The embedded PostgreSQL server could not be started or used."""
