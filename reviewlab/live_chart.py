"""How does one see reviews arrive?  By a chart in the notebook that is drawn again when the table changes."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reviewlab import charts
from reviewlab.errors import ConfigError, ConnectError, ConnectionLostError
from reviewlab.live import Change

if TYPE_CHECKING:
    from reviewlab.lab import Moment, ReviewLab

INTERVAL = 0.5
"""Seconds from one picture to the next, at least."""

DPI = 100
_pen = ThreadPoolExecutor(1, "reviewlab-live-chart")


async def live_chart(
    lab: "ReviewLab",
    every: str = "day",
    *,
    since: "Moment | None" = None,
    tz: str | None = None,
    chart: Callable[..., Axes] = charts.distribution,
    seconds: float | None = None,
) -> None:
    """Show a chart of ratings per period, and draw it again as reviews arrive, at most twice a second.

    It stands in one place of the cell's output, until Stop, which ends it and leaves the last picture.  Where the
    connection is lost the picture stays as it is, and is drawn again once there is another one.

    Parameters
    ----------
    every, since, tz
        As for ``lab.rating_counts``; a late *since* keeps each reading short.
    chart : callable
        Takes what ``lab.rating_counts`` returns, and *ax*: `charts.distribution`, `charts.updown`, or one of your own.
        It is called in a thread.
    seconds : float, optional
        After so many it ends by itself.

    Raises
    ------
    SchemaError, ConfigError
        If the table does not announce its changes, or nobody could hear of them: see ``lab.watch``.
    """
    show, loop = _one_place(), asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    async with lab.watch() as changes:
        changed = True
        while changed:
            next_at = loop.time() + INTERVAL
            with contextlib.suppress(ConnectError, ConnectionLostError):  # the gap that follows is a change too
                counts = await lab.rating_counts(every, since=since, tz=tz)
                show(await loop.run_in_executor(_pen, _picture, counts, chart))
            changed = (end is None or loop.time() < end) and await _change(changes, before=end)
            while changed and await _change(changes, before=next_at):
                pass  # what comes meanwhile needs no picture of its own


def _picture(counts: pd.DataFrame, chart: Callable[..., Axes]) -> charts.alt.Shown:
    """Draw into a figure of its own, which pyplot does not know: the cell may end while a thread draws."""
    figure = Figure(figsize=(9.6, 4.2), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr,call-arg]
    chart(counts, ax=figure.add_subplot())
    return charts.show(figure, dpi=DPI)


def _one_place() -> Callable[[Any], None]:
    """Make what shows a thing in the cell's output, and each next one in its place."""
    try:
        from IPython.display import DisplayHandle
    except ImportError:
        raise ConfigError("a live chart needs a notebook: pip install 'reviewlab[jupyter]'") from None
    handle: Any = DisplayHandle()  # type: ignore[no-untyped-call]
    ways = itertools.chain([handle.display], itertools.repeat(handle.update))
    return lambda picture: next(ways)(picture)


async def _change(changes: AsyncIterator[Change], *, before: float | None) -> bool:
    """Wait for a change until some time of the loop's clock; what waits already is always taken."""
    try:
        async with asyncio.timeout_at(before):
            await anext(changes)
    except TimeoutError:
        return False
    return True
