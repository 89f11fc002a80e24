"""How to behave in a kernel: prompt Stop, coroutines from synchronous code, nested event loops on request."""

import asyncio
import importlib
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from reviewlab.errors import ConfigError, WrongLoopError

T = TypeVar("T")

_background: "_Background | None" = None
_starting = threading.Lock()
_wakeup: tuple[asyncio.AbstractEventLoop, socket.socket, socket.socket] | None = None


def run(awaitable: Awaitable[T], *, timeout: float | None = None) -> T:
    """Run a coroutine, or ``connect()``, from synchronous code and return its result.

    They all run on one event loop in a daemon thread, so a lab that was opened by ``run(connect())`` works in
    every later ``run(…)``: in scripts, threads, terminals, ``%timeit``, and in notebooks too.  Ctrl-C and a notebook's
    Stop cancel the coroutine, and with it the query on the server.  A call costs about 0.2 ms.

    Parameters
    ----------
    awaitable : coroutine or other awaitable
    timeout : float, optional
        Seconds; TimeoutError after that, and the coroutine is cancelled.

    Raises
    ------
    WrongLoopError
        If called from a coroutine that itself runs here: it would wait for itself.
    """
    global _background
    with _starting:
        if _background is None or _background.pid != os.getpid():
            _background = _Background()
    return _background.call(awaitable, timeout)


def make_interruptible() -> bool:
    """Have signals wake the running event loop, so that a notebook's Stop reaches an awaiting cell at once.

    ipykernel turns an interrupt into ``task.cancel()`` but does not wake the loop (ipython/ipykernel#881), so an
    awaiting cell goes on until something else happens.  Uses public interfaces only.  Returns False, and changes
    nothing, outside the main thread or where something else already listens for signals (uvloop, for one).
    """
    global _wakeup
    loop = asyncio.get_running_loop()
    if _wakeup is not None and _wakeup[0] is loop:
        return True
    if threading.current_thread() is not threading.main_thread():
        return False
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    if before != -1 and (_wakeup is None or before != _wakeup[2].fileno()):
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        receiver.close()
        sender.close()
        return False
    _forget_wakeup()
    loop.add_reader(receiver, receiver.recv, 4096)
    _wakeup = loop, receiver, sender
    return True


async def promptly(awaitable: Awaitable[T]) -> T:
    """Await so that a notebook's Stop ends it at once."""
    if in_kernel() and not make_interruptible():
        return await interruptible(awaitable)
    return await awaitable


async def interruptible(awaitable: Awaitable[T]) -> T:
    """Await with a timer beside it that wakes the loop ten times a second: where `make_interruptible` cannot."""

    async def tick() -> None:
        while True:  # noqa: ASYNC110 - waking the loop is all it is for
            await asyncio.sleep(0.1)

    ticker = asyncio.create_task(tick())
    try:
        return await awaitable
    finally:
        ticker.cancel()


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def show_alt_texts() -> None:
    """Have this kernel show each chart of `reviewlab.charts` with its alt text; other figures stay as they are."""
    formatter = sys.modules["IPython"].get_ipython().display_formatter

    def with_alt_text(figure: Any) -> Any:
        charts: Any = sys.modules.get("reviewlab.charts")
        try:
            text = charts.alt_text(figure) if charts else None
        except ValueError:  # not drawn here
            text = None
        image = text and formatter.formatters["image/png"](figure)
        if not image:
            return {}
        data, size = image if isinstance(image, tuple) else (image, {})
        return charts.alt.bundle(data, text, width=size.get("width"))

    formatter.mimebundle_formatter.for_type_by_name("matplotlib.figure", "Figure", with_alt_text)


def enable_nested() -> str:
    """Allow ``asyncio.run(…)`` inside cells, for scripts and ``%timeit`` lines that use it; off unless called.

    Patches asyncio for the whole process, and cannot be undone.  Prefers nest-asyncio2.  Not for cells that also
    await (Stop would not work), nor for several tasks at once (they can deadlock): `run` has neither fault.

    Returns
    -------
    str
        The package that was used.

    Raises
    ------
    ConfigError
        If neither package is installed, or only nest-asyncio on Python 3.14, which it breaks.
    """
    if hasattr(asyncio, "_nest_patched"):
        return "nest_asyncio"
    for name in ("nest_asyncio2", "nest_asyncio"):
        try:
            package = importlib.import_module(name)
        except ImportError:
            continue
        if name == "nest_asyncio":
            _check_old_package()
        package.apply()
        return name
    raise ConfigError("nested event loops need a package: pip install nest-asyncio2")


def _check_old_package() -> None:
    if sys.version_info >= (3, 14):
        raise ConfigError("nest-asyncio breaks asyncio on Python 3.14: pip install nest-asyncio2")
    kernel = sys.modules.get("ipykernel")
    if kernel is not None and kernel.version_info[0] >= 7:
        warnings.warn(
            "nest-asyncio loses messages of ipykernel 7, so queued cells never run: pip install nest-asyncio2",
            stacklevel=3,
        )


def _forget_wakeup() -> None:
    if _wakeup is not None:
        loop, receiver, sender = _wakeup
        if not loop.is_closed():
            loop.remove_reader(receiver)
        receiver.close()
        sender.close()


class _Background:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="reviewlab-loop", daemon=True)
        self.thread.start()

    def call(self, awaitable: Awaitable[T], timeout: float | None) -> T:
        if threading.current_thread() is self.thread:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise WrongLoopError("run() inside a coroutine that itself runs by run() would never end: await instead")
        main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGINT) if main else None
        # ipykernel's handler for cells with an await does not raise, and we block here
        swap = callable(before) and before is not signal.default_int_handler
        if swap:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        future = asyncio.run_coroutine_threadsafe(_awaited(awaitable), self.loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise
        finally:
            if swap:
                signal.signal(signal.SIGINT, before)


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable
