"""Servers that are not what they should be, each of a few lines."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class Heard:
    """What a fake server was told, and where it listens."""

    port: int

    def __init__(self) -> None:
        self.data = b""

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        data = await reader.read(4096)
        self.data += data
        return data


@asynccontextmanager
async def fake(behave) -> AsyncIterator[Heard]:  # type: ignore[no-untyped-def]
    """Serve each connection by ``behave(heard, reader, writer)``."""
    heard, tasks = Heard(), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await behave(heard, reader, writer)
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    heard.port = server.sockets[0].getsockname()[1]
    try:
        yield heard
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(answer: bytes):  # type: ignore[no-untyped-def]
    """Answer everything with the same bytes."""

    async def behave(heard, reader, writer) -> None:  # type: ignore[no-untyped-def]
        while await heard.read(reader):
            writer.write(answer)

    return behave


async def silent(heard, reader, writer) -> None:  # type: ignore[no-untyped-def]
    """Take everything, say nothing."""
    while await heard.read(reader):
        pass


def asks(authentication: bytes):  # type: ignore[no-untyped-def]
    """Refuse TLS, then ask for a password by the message *authentication*."""

    async def behave(heard, reader, writer) -> None:  # type: ignore[no-untyped-def]
        while data := await heard.read(reader):
            writer.write(b"N" if data == SSL_REQUEST else authentication)

    return behave


def encrypts(context: ssl.SSLContext):  # type: ignore[no-untyped-def]
    """Agree to TLS with the certificate of *context*, and note what comes out of it."""

    async def behave(heard, reader, writer) -> None:  # type: ignore[no-untyped-def]
        assert await reader.read(8) == SSL_REQUEST
        writer.write(b"S")
        await writer.start_tls(context)
        await silent(heard, reader, writer)

    return behave


CLEARTEXT = b"R" + struct.pack("!ii", 8, 3)
MD5 = b"R" + struct.pack("!ii", 12, 5) + b"salt"
SCRAM = b"R" + struct.pack("!ii", 23, 10) + b"SCRAM-SHA-256\0\0"
TWO_GIGABYTES = b"R" + struct.pack("!i", 2**31 - 1)
