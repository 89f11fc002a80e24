"""How is one connection opened, and how does a dead one get noticed?"""

import asyncio
import contextlib
import functools
import logging
import socket
from typing import Any

import asyncpg
import stamina
from asyncpg.exceptions import TargetServerAttributeNotMatched

from reviewlab.settings import Settings, Target
from reviewlab.translation import translating_connect

# each attempt would be announced on stderr where nobody has configured logging
logging.getLogger("stamina").addHandler(logging.NullHandler())

CLIENT_GRACE = 5.0
"""Seconds that the client waits longer than the server's own time limit, whose cancel is cheaper."""

BUSY_PATIENCE = 1.0
"""Seconds to try again while the server has no connection left, or breaks off the login."""

_NEXT_HOST = (OSError, TimeoutError, asyncpg.CannotConnectNowError, TargetServerAttributeNotMatched)
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 30_000}


async def open_connection(
    settings: Settings, target: Target, *, pooler: bool, **pool_arguments: Any
) -> asyncpg.Connection:
    """Open a connection to the first host that takes us, or raise ConnectError or ConfigError.

    A server that is starting is asked again until ``connect_timeout`` is over, one that has no connection left, or
    breaks off, for a second.  Of several hosts each has ``host_timeout`` for itself.

    Parameters
    ----------
    settings : Settings
    target : Target
    pooler : bool
        Whether a transaction pooler stands between: statements are not prepared under a name then.
    **pool_arguments
        What an asyncpg pool hands to its connections.
    """
    with translating_connect(where=target.where, sslmode=target.sslmode, patience=target.connect_timeout):
        async with asyncio.timeout(target.connect_timeout):
            return await _try_patiently(settings, target, pooler, pool_arguments)


async def _try_patiently(
    settings: Settings, target: Target, pooler: bool, pool_arguments: dict[str, Any]
) -> asyncpg.Connection:
    limit = target.connect_timeout
    patiently = functools.partial(stamina.retry_context, attempts=None, wait_initial=0.1, wait_jitter=0.1)
    starting = patiently(on=asyncpg.CannotConnectNowError, timeout=0.8 * limit, wait_max=0.1 * limit)
    async for attempt in starting:
        with attempt:
            async for again in patiently(on=_passes, timeout=BUSY_PATIENCE, wait_max=0.3):
                with again:
                    return await _try_hosts(settings, target, pooler, pool_arguments)
    raise AssertionError  # an attempt returns or raises


def _passes(error: Exception) -> bool:
    """Whether a login fails for a moment only: the server is full, or it breaks off because another session crashed."""
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return True
    refused = isinstance(error, ConnectionRefusedError) or "SSL upgrade" in str(error)
    return isinstance(error, ConnectionError) and not refused


async def _try_hosts(
    settings: Settings, target: Target, pooler: bool, pool_arguments: dict[str, Any]
) -> asyncpg.Connection:
    several = len(target.hosts) > 1
    for number, (host, port) in enumerate(target.hosts, start=1):
        try:
            async with asyncio.timeout(settings.host_timeout if several else None):
                return await _try_host(settings, target, host, port, pooler, pool_arguments)
        except _NEXT_HOST:
            if number == len(target.hosts):
                raise
    raise AssertionError  # there is at least one host


async def _try_host(
    settings: Settings, target: Target, host: str, port: int, pooler: bool, pool_arguments: dict[str, Any]
) -> asyncpg.Connection:
    secret = target.password
    connection = await asyncpg.connect(
        host=host,
        port=port,
        user=target.user,
        # a callable: the driver's own frames then hold it for a shorter time, and no repr of them shows it
        password=None if secret is None else secret.get_secret_value,
        passfile=target.passfile,
        database=target.database,
        ssl=target.tls,
        target_session_attrs=target.target_session_attrs,
        timeout=target.connect_timeout,
        command_timeout=settings.statement_timeout + CLIENT_GRACE,
        statement_cache_size=0 if pooler else 100,
        server_settings=dict(target.server_settings),
        **pool_arguments,
    )
    if not host.startswith("/"):
        keep_alive(connection)
    return connection


def keep_alive(connection: asyncpg.Connection) -> None:
    """Have the system notice a dead peer: asyncpg leaves keepalive off (asyncpg#606)."""
    raw = connection._transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        with contextlib.suppress(AttributeError, OSError):  # not every system has each
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
