"""How does a transaction begin, and how does one learn truly how it ended?"""

import asyncio
import contextlib
from typing import Any

import asyncpg

from reviewlab import queries
from reviewlab.errors import ConnectionLostError, OutcomeUnknownError, QueryError
from reviewlab.settings import Settings
from reviewlab.translation import LOST

READ_ONLY = "begin isolation level repeatable read read only"
"""How a read begins: all its statements see one moment."""

READ_WRITE = "begin"
"""How a write begins: not as READ WRITE, which would overrule a server that was made read-only."""

REPEATABLE_READ = "default_transaction_isolation = 'repeatable read'"

CANCEL_GRACE = 1.0
"""Seconds to end a cancelled statement in peace; then its connection is cut, and the server notices."""

COMMIT_GRACE = 2.0
"""Seconds to learn how a commit ended that was cancelled while under way."""

CLIENT_CHECK = "1s"
"""How often the server looks whether the client of a running statement is still there."""

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection that is of no use any more may raise, TimeoutError among them."""


def preamble(settings: Settings, begin: str, limit: float, *, checks_client: bool) -> str:
    """Return what begins a transaction in one round trip: its settings end with it, so a pooler does no harm.

    Parameters
    ----------
    settings : Settings
    begin : str
        `READ_ONLY`, `READ_WRITE`, or another way to begin.
    limit : float
        The server's limit for each statement, in seconds; 0 for none.
    checks_client : bool
        Whether the server shall end a statement whose client is gone: PostgreSQL 14 and newer can.
    """
    limits = assignments(settings, limit)
    if checks_client:
        limits.append(f"client_connection_check_interval = '{CLIENT_CHECK}'")
    return "; ".join([begin, *(f"set local {each}" for each in limits)])


def session_preamble(settings: Settings, *, write: bool) -> str:
    """Return what sets the same for a whole session, for a connection that no pooler shares and nobody uses after."""
    reading = () if write else ("default_transaction_read_only = on", REPEATABLE_READ)
    return "; ".join(f"set {each}" for each in (*assignments(settings, settings.statement_timeout), *reading))


def assignments(settings: Settings, limit: float) -> list[str]:
    """Return what SET sets for every transaction of reviewlab; *limit* in seconds, 0 for none."""
    parts = [f"statement_timeout = {int(limit * 1000)}", "timezone = 'UTC'"]
    # off is an error where a policy would hide rows
    parts.append(f"row_security = {'on' if settings.row_security else 'off'}")
    if settings.db_schema is not None:
        # no other schema, whose table could be read instead; a temporary one would come first if it were not named
        parts.append(f"search_path = {queries.identifier(settings.db_schema)}, pg_temp")
    return parts


async def roll_back(connection: Any, error: BaseException, *, command: str = "rollback") -> None:
    """End a transaction or savepoint after *error*, in little time; where that fails, cut the connection."""
    if isinstance(error, (TimeoutError, ConnectionLostError, OutcomeUnknownError)) or abandoned(connection, error):
        cut(connection)
        return
    try:
        async with asyncio.timeout(CANCEL_GRACE):
            await connection.execute(command)
    except DRIVER_ERRORS:
        cut(connection)
    except BaseException:
        cut(connection)
        raise


def abandoned(connection: Any, error: BaseException) -> bool:
    """Cut a connection whose statement was cancelled but runs on, and say so.

    asyncpg does not cancel a COPY when the cancellation comes between the arrival of data and their being taken; what
    arrives then breaks its protocol.  So this is asked before anything else is awaited.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    driver = getattr(connection, "_con", connection)  # the pool lends a proxy, which is empty once it was cut
    if driver is not None and driver._protocol._is_cancelling():
        return False
    cut(connection)
    return True


def cut(connection: Any) -> None:
    """End a connection at once; the server notices and rolls back."""
    with contextlib.suppress(asyncpg.InterfaceError):  # it is cut already
        connection.terminate()


async def commit(connection: Any, *, doing: str, key: Any) -> None:
    """Commit a write so that its end is known, or said to be unknown.

    Raises
    ------
    OutcomeUnknownError
        If there was no answer.
    asyncio.CancelledError
        If it was cancelled; it says whether the write was committed before.
    """
    committing = asyncio.create_task(connection.execute("commit"))
    try:
        with contextlib.suppress(*DRIVER_ERRORS):
            await asyncio.shield(committing)
    except asyncio.CancelledError:
        with contextlib.suppress(asyncio.CancelledError):  # stopped twice
            await asyncio.wait({committing}, timeout=COMMIT_GRACE)
        if _ended(committing, doing, key) == "COMMIT":
            raise stopped(doing) from None
        raise
    if _ended(committing, doing, key) != "COMMIT":
        raise QueryError(f"{doing}: nothing was written, because a statement before the commit had failed")


def stopped(doing: str) -> asyncio.CancelledError:
    """Return the cancellation of a write that was committed all the same."""
    return asyncio.CancelledError(f"{doing}: was committed before it was stopped")


def _ended(committing: "asyncio.Task[str]", doing: str, key: Any) -> str:
    """The server's word on a commit; its error if it refused; OutcomeUnknownError if there is none."""
    if committing.done() and not committing.cancelled():
        error = committing.exception()
        if error is None:
            return committing.result()
        if isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "").startswith(LOST):
            raise error
    committing.cancel()
    look = "" if key is None else f"; look for {key} in the table"
    raise OutcomeUnknownError(
        f"{doing}: the connection was lost while the commit was under way: it may have been written, or not{look}",
        key=key,
    )
