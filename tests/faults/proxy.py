"""A TCP proxy that does to a connection what networks do: stall, cut, reset, drip, delay, limit, flip."""

import asyncio
import random
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


@dataclass(eq=False)
class Link:
    """One client's connection and the one to the server behind it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    from_server: int = 0

    def close(self, *, reset: bool = False) -> None:
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            if reset and raw.fileno() >= 0 and raw.family != socket.AF_UNIX:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()


class Proxy:
    """Forwards a port of 127.0.0.1 to a server's unix socket or port.

    Attributes
    ----------
    upstream : Path or (str, int)
        The server; may change at any time, for the connections to come.
    chunk : int
        The largest piece that is passed on.
    delay : float
        Seconds that each piece from the server is late.
    rate : float
        Bytes a second from the server; 0 for no limit.
    flip : float
        The part of the server's bits that arrive wrong.
    cut_after : int
        Bytes from the server after which a connection ends; 0 for never.
    drop : callable
        Takes a piece from the client; True swallows it and stalls the connection from then on.
    """

    def __init__(self, upstream: Path | tuple[str, int], *, seed: int = 1) -> None:
        self.upstream = upstream
        self.chunk, self.delay, self.rate, self.flip, self.cut_after = 1 << 16, 0.0, 0.0, 0.0, 0
        self.drop = lambda _: False
        self.reset_at_cut = False
        self.links: set[Link] = set()
        self.n_connections = 0
        self._accepts_flow = True
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def dsn(self, database: str, *, options: str = "") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}{options}"

    def stall(self, *, new: bool = True) -> None:
        """Pass nothing on; with *new*, nothing of connections to come either."""
        self._accepts_flow = not new
        for link in self.links:
            link.flowing.clear()

    def resume(self) -> None:
        self._accepts_flow = True
        for link in self.links:
            link.flowing.set()

    def cut(self, *, reset: bool = False) -> None:
        """End every connection, in order or by RST."""
        for link in list(self.links):
            link.close(reset=reset)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.n_connections += 1
        try:
            await self._link(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self.upstream, Path):
            from_server, to_server = await asyncio.open_unix_connection(str(self.upstream))
        else:
            from_server, to_server = await asyncio.open_connection(*self.upstream)
        link = Link(writer, to_server)
        if self._accepts_flow:
            link.flowing.set()
        self.links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, to_server, link, down=False))
                group.create_task(self._pump(from_server, writer, link, down=True))
        except* OSError:
            pass
        finally:
            link.close()
            self.links.discard(link)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, link: Link, *, down: bool) -> None:
        while data := await source.read(self.chunk):
            await link.flowing.wait()
            if down:
                data = await self._spoil(data, link)
            elif self.drop(data):
                link.flowing.clear()
                await link.flowing.wait()
                continue
            sink.write(data)
            await sink.drain()
            if down and self.cut_after and link.from_server >= self.cut_after:
                await asyncio.sleep(0.01)  # what was sent arrives first
                link.close(reset=self.reset_at_cut)
        link.close()

    async def _spoil(self, data: bytes, link: Link) -> bytes:
        link.from_server += len(data)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.rate:
            await asyncio.sleep(len(data) / self.rate)
        if self.flip:
            wrong = bytearray(data)
            for _ in range(sum(self._random.random() < self.flip * 8 for _ in wrong)):
                wrong[self._random.randrange(len(wrong))] ^= 1 << self._random.randrange(8)
            data = bytes(wrong)
        return data


async def until(condition, *, seconds: float = 10) -> float:  # type: ignore[no-untyped-def]
    """Wait until an async condition holds; returns how long that took."""
    began = time.monotonic()
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)
    return time.monotonic() - began
