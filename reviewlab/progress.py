"""How does a person see that a long read goes on?  By one line that updates itself, and then is gone."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 0.5
"""Seconds without a display: a quick read shall not flicker."""

INTERVAL = 0.1


@contextmanager
def showing(wanted: bool | None, *, total: int | None = None) -> Iterator[Callable[[int, int], None] | None]:
    """Show rows, bytes and seconds while a result is read.

    Parameters
    ----------
    wanted : bool or None
        None shows it where a person looks: in JupyterLab and in a terminal, but not where output is captured.
    total : int, optional
        How many rows are expected.

    Yields
    ------
    callable or None
        To be told rows and bytes so far.
    """
    display = None if wanted is False else _notebook() or _terminal(forced=bool(wanted))
    if display is None:
        yield None
        return
    started, last = time.monotonic(), 0.0

    def tell(n_rows: int, n_bytes: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - started >= PATIENCE and now - last >= INTERVAL:
            last = now
            display.show(describe(n_rows, n_bytes, now - started, total))

    try:
        yield tell
    finally:
        display.clear()


def describe(n_rows: int, n_bytes: int, seconds: float, total: int | None) -> str:
    """Say how far a read has come."""
    of = f" of about {total:,}" if total and total >= n_rows else ""
    return f"{n_rows:,}{of} rows · {n_bytes / 1e6:,.0f} MB · {seconds:.1f} s"


class _Notebook:
    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def show(self, text: str) -> None:
        data = {"text/plain": text}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def clear(self) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": ""}, raw=True)


class _Terminal:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True, highlight=False), transient=True, auto_refresh=False)
        self._started = False

    def show(self, text: str) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(text, refresh=True)

    def clear(self) -> None:
        if self._started:
            self._live.stop()


def _notebook() -> _Notebook | None:
    shell = sys.modules.get("IPython")
    kernel = None if shell is None else getattr(shell.get_ipython(), "kernel", None)
    # a front end with a person can ask for input; nbclient, which captures output, cannot
    if kernel is None or not getattr(kernel, "_allow_stdin", False):
        return None
    from IPython.display import display

    return _Notebook(display)


def _terminal(*, forced: bool) -> _Terminal | None:
    return _Terminal() if forced or sys.stderr.isatty() else None
