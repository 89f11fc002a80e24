"""What does an error of the driver, the system or TLS mean in reviewlab's words?"""

import asyncio
import re
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, TargetServerAttributeNotMatched

from reviewlab.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    QueryError,
    QueryTimeoutError,
    ReadOnlyError,
    ReviewDataError,
    ReviewLabError,
    SchemaError,
)

LOST = ("08", "57P01", "57P02", "57P03", "25P03", "25P04")
"""SQLSTATEs, or their beginnings, after which a connection is of no use."""

_ENDED = {
    "25P03": "it was idle in a transaction for too long, and the server ended it",
    "25P04": "its transaction took too long, and the server ended it",
    "57P01": "the server ended it, or is shutting down",
    "57P02": "the server crashed, or was stopped at once",
    "57P03": "the server is starting, stopping or recovering",
}
_POOLER = "a transaction pooler seems to stand between: connect(pooler=True)"
_ADVICE = {
    "26000": _POOLER,
    "42P05": _POOLER,
    "check_enable_rls": "connect as a role that may see every row, or accept fewer by connect(row_security=True)",
    "aclcheck_error": "`reviewlab roles` prints which rights are needed",
}
"""What to do, by SQLSTATE or by the server's function that refused: its name is the same in every language."""

_MESSAGE_SIZE = 200
_CLOSED = re.compile(r"connection (is|was|has been)|pool is")
_ARGUMENT = re.compile(r"invalid input for query argument (\$\d+)")


@contextmanager
def translating(*, doing: str, where: str, outcome: str = "") -> Iterator[None]:
    """Raise what the driver and the system raise as an error of `reviewlab.errors`; let everything else pass.

    The original stays reachable as ``__context__``: its kind and its SQLSTATE, without its traceback (whose locals
    hold the password) and without PostgreSQL's DETAIL (which shows rows).

    Parameters
    ----------
    doing : str
        What was being done, such as ``sql/reviews.sql``.
    where : str
        The server, as host:port.
    outcome : str, optional
        What a lost connection means for what was being done, such as ``nothing was written``.
    """
    try:
        yield
    except (ReviewLabError, asyncio.CancelledError) as error:
        forget(error)
        raise
    except Exception as error:
        translated = translate(error, doing=doing, where=where, outcome=outcome)
        if translated is None:
            raise
        disarm(error)
        raise translated from None


@contextmanager
def translating_connect(*, where: str, sslmode: str, patience: float) -> Iterator[None]:
    """Raise whatever goes wrong while connecting as a ConnectError; *patience* is the time limit, in seconds."""
    try:
        yield
    except ReviewLabError:
        raise
    except Exception as error:  # noqa: BLE001 - a server that is none can break the driver in any way
        translated = _translate_connect(error, where=where, sslmode=sslmode, patience=patience)
        disarm(error)
        raise translated from None


def translate(error: Exception, *, doing: str, where: str, outcome: str = "") -> ReviewLabError | None:
    """Say what an error means that came while a connection was used; None if it is not the driver's."""
    lost = f"{doing}: the connection to {where} was lost"
    tail = f"; {outcome}" if outcome else ""
    if (number := _ARGUMENT.match(str(error))) is not None:  # a DataError that the driver makes, with the value in it
        return ReviewDataError(f"{doing}: the value of {number[1]} cannot be sent as it is; is it of the right type?")
    if isinstance(error, asyncpg.PostgresError):
        return _translate_sqlstate(error, doing=doing, lost=lost, tail=tail)
    origin = raised_in(error)
    if isinstance(error, TimeoutError) and origin in ("asyncpg", "reviewlab"):
        return QueryTimeoutError(
            f"{doing}: {where} did not answer within the time limit, so the connection was given up{tail}; "
            "the server or the network stands still, or the limit is too short"
        )
    if origin != "asyncpg" or (isinstance(error, ValueError | TypeError) and _is_refusal(error)):
        return None
    if isinstance(error, asyncpg.DataError | UnicodeEncodeError):
        number = re.search(r"\$\d+", str(error))
        return ReviewDataError(
            f"{doing}: the value of {number[0] if number else 'a parameter'} cannot be sent as it is"
        )
    if isinstance(error, OverflowError):
        return QueryError(f"{doing}: a value of the result lies beyond what Python can hold, such as the year 10000")
    if isinstance(error, OSError):
        return ConnectionLostError(f"{lost} ({type(error).__name__}){tail}")
    if isinstance(error, asyncpg.InterfaceError) and "another operation" in str(error):
        return QueryError(f"{doing}: a connection does one thing at a time; give each task a connection of its own")
    if isinstance(error, asyncpg.InterfaceError) and not _CLOSED.search(str(error)):
        return QueryError(f"{doing}: {str(error).splitlines()[0]}")  # a misuse of the driver, which a lent one allows
    if isinstance(error, asyncpg.InterfaceError):
        why = "by a limit of the server for idle transactions, by an administrator, or by close()"
        return ConnectionLostError(f"{lost}: it was closed meanwhile, {why}{tail}")
    return ConnectionLostError(f"{lost}: what came from there is damaged ({type(error).__name__}){tail}")


def raised_in(error: BaseException) -> str:
    """Return the package in whose code an error arose, the standard library left out: driver, ours or a caller's."""
    package = ""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        name = _package(traceback)
        package = package if name in sys.stdlib_module_names else name
        traceback = traceback.tb_next
    return package


def _package(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_refusal(error: BaseException) -> bool:
    """Whether the driver refused an argument before its protocol came to work: a caller's mistake, no damage."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = "" if traceback is None else str(traceback.tb_frame.f_globals.get("__name__"))
    return not module.startswith(("asyncpg.protocol", "asyncpg.pgproto"))


def _translate_sqlstate(error: asyncpg.PostgresError, *, doing: str, lost: str, tail: str) -> ReviewLabError:
    code, message = error.sqlstate or "", without_values(error)
    if code.startswith(LOST):
        return ConnectionLostError(f"{lost}: {_ENDED.get(code, 'it broke in the middle of an answer')}{tail}")
    if code == "23505" and (line := re.search(r"^COPY \w+, line (\d+)", error.context or "")):
        row = int(line[1])
        return ReviewDataError(f"row {row}: its review_id is there already", row=row, column="review_id")
    details: dict[str, Any] = {
        "sqlstate": code or None,
        "constraint": error.constraint_name,
        "column": error.column_name,
        "position": int(error.position) if error.position else None,
    }
    if code == "42703" and error.hint:  # names of columns, never a value
        message += f"; {error.hint[0].lower()}{error.hint[1:].rstrip('.')}"
    if code == "57014":
        return QueryTimeoutError(
            f"{doing}: cancelled on the server: {message}; narrow it down or raise the limit", **details
        )
    if code == "55P03":
        return QueryTimeoutError(f"{doing}: {message}; somebody else holds the lock: try again later", **details)
    if advice := _ADVICE.get(code) or _ADVICE.get(error.server_source_function or ""):
        message += f"; {advice}"
    if code == "25006":
        return ReadOnlyError(f"{doing}: {message}; writing needs connect(write=True) and the primary server", **details)
    if code in ("42P01", "42703") and doing.startswith("sql/"):
        return SchemaError(f"{doing}: {message}; run `reviewlab init`, or check the search path", **details)
    return QueryError(f"{doing}: {message}", **details)


def _translate_connect(error: Exception, *, where: str, sslmode: str, patience: float) -> ReviewLabError:
    if isinstance(error, asyncpg.PostgresError):
        return _translate_refusal(error, where=where, sslmode=sslmode)
    if isinstance(error, TargetServerAttributeNotMatched):
        return ConnectError(f"{where}: no host is of the kind that target_session_attrs asks for")
    if isinstance(error, TimeoutError):
        return ConnectError(f"{where}: timed out: no complete answer within {patience:g} s; is a firewall between?")
    if isinstance(error, ssl.SSLError):
        reason = (getattr(error, "verify_message", "") or error.reason or type(error).__name__).rstrip(".")
        return ConnectError(f"{where}: TLS failed under sslmode={sslmode}: {reason}; {_cure(reason)}")
    if isinstance(error, socket.gaierror):
        return ConnectError(f"{where}: the host's name is not known; check its spelling and the network")
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return ConnectError(f"{where}: nothing listens there; is PostgreSQL running, and is this its port?")
    if isinstance(error, OSError) and "SSL upgrade" in str(error) and sslmode not in ("allow", "prefer"):
        return ConnectError(
            f"{where}: the server offers no TLS, or is not PostgreSQL, and sslmode={sslmode} asks for TLS; "
            "no password was sent"
        )
    if isinstance(error, ClientConfigurationError):
        return ConfigError(f"{where}: the driver refuses a setting; check sslcert, sslkey, passfile and options")
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionResetError):
        return ConnectError(f"{where}: cannot be reached: {error.strerror}")
    return ConnectError(
        f"{where}: what answers is not a PostgreSQL server, or it broke off the login ({type(error).__name__})"
    )


def _translate_refusal(error: asyncpg.PostgresError, *, where: str, sslmode: str) -> ReviewLabError:
    code, message = error.sqlstate or "", without_values(error)
    if code.startswith("28"):
        return ConnectError(
            f"{where}: PostgreSQL refused the login under sslmode={sslmode}: {message}; check user and password"
        )
    if code == "3D000":
        return ConnectError(f"{where}: {message}; check the name after the / of the DSN")
    if code == "53300":
        return ConnectError(
            f"{where}: the server has no connection left: {message}; try again later, or lower max_connections"
        )
    if code == "57P03":
        return ConnectError(f"{where}: {_ENDED[code]}; try again in a moment")
    if "startup parameter" in message:
        return ConfigError(f"{where}: {message}; a pooler stands between, so take options out of the DSN")
    return ConnectError(f"{where}: PostgreSQL did not let us in: {message or type(error).__name__}")


def without_values(error: asyncpg.PostgresError) -> str:
    """The primary message, cut to 200 characters; a data exception (class 22) quotes the value: taken out."""
    message = next(iter(str(error.args[0]).splitlines()), "") if error.args else ""
    if argument := _ARGUMENT.match(message):
        return argument[0]
    if (error.sqlstate or "").startswith("22"):
        message = re.sub(r'"(?:[^"]|"")*"?', '"…"', message)
    return message[:_MESSAGE_SIZE]


def _cure(reason: str) -> str:
    if "local issuer" in reason or "self-signed" in reason:
        return "set sslrootcert to the provider's CA file, or use sslmode=require without proof of who answers"
    if "mismatch" in reason or "not valid for" in reason:
        return "connect by a name that the certificate has, or use sslmode=verify-ca"
    return "check sslmode, sslrootcert and that this is PostgreSQL's port"


def forget(error: BaseException) -> None:
    """Take the driver's frames and ours out of a traceback, behind the caller's last one: their locals hold texts."""
    ours, nodes = {"reviewlab", "asyncpg"} | sys.stdlib_module_names, list[TracebackType]()
    traceback = error.__traceback__
    while traceback is not None:
        if _package(traceback) not in ours:
            nodes = []
        nodes.append(traceback)
        traceback = traceback.tb_next
    for node in nodes:  # each, since a context manager goes back to the one that it was left with
        node.tb_next = None
    if isinstance(error, ReviewDataError | asyncio.CancelledError):
        error.__context__ = None


def disarm(error: BaseException) -> None:
    """Leave of an error its kind, its SQLSTATE and its message without values: no locals, no rows."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    if isinstance(error, asyncpg.PostgresError):
        error.args = (without_values(error),)
        code = error.sqlstate
        vars(error).clear()
        error.sqlstate = code
    else:
        error.args = ("",)  # asyncpg's own cannot be shown without one
