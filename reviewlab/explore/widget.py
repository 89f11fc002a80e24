"""What happens when a control moves: the newest question wins, and nothing of it stays on the server."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import ipywidgets as widgets
import pandas as pd
import traitlets

from reviewlab import buckets
from reviewlab.errors import ReviewLabError
from reviewlab.explore import views
from reviewlab.explore.question import CHARTS, PERIODS, Question

if TYPE_CHECKING:
    from reviewlab.lab import ReviewLab

TYPING = 0.3
"""Seconds without a further key until a text is searched for."""
PAGE = 50
_pen = ThreadPoolExecutor(1, "reviewlab-draw")  # one chart at a time; one that waits here can still be cancelled


async def explore(lab: "ReviewLab") -> "Explorer":
    """Make a widget whose chart follows its controls, with the first chart drawn.

    Raises
    ------
    ReviewLabError
        If the table cannot be read; later errors show in the widget.
    """
    explorer = Explorer(lab, await lab.extent())
    try:
        await explorer.settled()
    except BaseException:
        explorer.close()
        await explorer.settled()  # then its connections are back
        raise
    return explorer


class _Day(widgets.DatePicker):  # type: ignore[misc]
    """A date that is not moved between its limits while its year is being typed."""

    @traitlets.validate("value")
    def _validate_value(self, proposal: Any) -> Any:
        return proposal["value"]


class Explorer(widgets.VBox):  # type: ignore[misc]
    """A chart and the reviews behind it, chosen by `controls`; closed by `close`.

    Messages of controls may come on another thread (a kernel's subshell), so all work is handed to the lab's loop.
    """

    def __init__(self, lab: "ReviewLab", extent: "pd.Series[Any]") -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[asyncio.Task[None], widgets.HTML] = {}
        self._lab, self._name = lab, _name_of(lab)
        self._limits = (None, None) if pd.isna(extent["first"]) else (extent["first"].date(), extent["last"].date())
        self._read: tuple[Any, pd.DataFrame] = (None, pd.DataFrame())
        self._page, self._listed = 0, ()
        self.controls = _controls(self._limits, extent["scale"] or buckets.SCALES[0])
        self.picture, self.code, self.status, self.table = (widgets.HTML() for _ in range(4))
        self.tabs = widgets.Tab()
        super().__init__(_rows(self))
        for name, control in self.controls.items():
            if isinstance(control, widgets.Button):
                control.on_click(lambda _, name=name: self._call(self._press, name))
            else:
                control.observe(lambda _, name=name: self._call(self._change, name), "value")
        self.tabs.observe(lambda _: self._call(self._turn, 0), "selected_index")
        self.comm.on_close(lambda _: self.close())
        self._change("chart")

    @property
    def question(self) -> Question:
        """Where the controls stand."""
        chosen = {name: control.value for name, control in self.controls.items() if hasattr(control, "value")}
        (first, last), (begin, end) = self._limits, (chosen["first"], chosen["last"])
        scale = self.controls["ratings"].options
        filters = {
            "since": begin.isoformat() if begin and first and begin > first else None,
            "until": (end + timedelta(1)).isoformat() if end and last and end < last else None,
            "ratings": list(chosen["ratings"]) if len(chosen["ratings"]) < len(scale) else None,
            "text": chosen["text"],
            "tz": chosen["tz"],
        }
        return Question(chosen["chart"], chosen["every"], {name: value for name, value in filters.items() if value})

    @property
    def data(self) -> pd.DataFrame:
        """What the chart was last drawn from."""
        return self._read[1]

    async def settled(self) -> None:
        """Wait until everything that the controls asked for is drawn."""
        await asyncio.sleep(0)  # what they have just said is heard now
        while self._running:
            await asyncio.wait(self._running)

    def close(self) -> None:
        """Cancel what goes on, give the connections back, and leave the page; closing twice is harmless."""
        if self.comm is None:
            return
        if not self._loop.is_closed():
            self._call(self._stop)
        for part in (*self.controls.values(), self.picture, self.code, self.status, self.table, self.tabs):
            part.close()
        super().close()

    def __repr__(self) -> str:
        return f"<Explorer: {self.question.code(self._name).splitlines()[-1]}>"

    def _call(self, work: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(work, *arguments)

    def _press(self, name: str) -> None:
        if name != "stop":
            self._turn(self._page + (1 if name == "next" else -1))
            return
        for place in self._running.values():
            place.value = views.status("stopped")
        self._stop()

    def _change(self, name: str) -> None:
        if name == "period":
            if self.controls["period"].value != self._listed:
                self._turn(0)
            return
        self.controls["every"].disabled = not self.question.drawn.takes_period
        self._start(self.status, self._draw, after=TYPING if name == "text" else 0)

    def _turn(self, page: int) -> None:
        """Show a page of the reviews, where somebody looks at them."""
        self._page = page
        if self.tabs.selected_index == 1:
            self._start(self.table, self._list)

    def _stop(self, place: widgets.HTML | None = None) -> None:
        for task, used in self._running.items():
            if place in (None, used):
                task.cancel()

    def _start(self, place: widgets.HTML, work: Callable[[], Awaitable[str]], *, after: float = 0) -> None:
        """Begin work whose end is told in a place, instead of what goes on for it; a new chart makes all else old."""
        self._stop(None if place is self.status else place)
        task = self._loop.create_task(self._run(place, work, [*self._running], after))
        self._running[task] = place
        task.add_done_callback(self._end)
        self.controls["stop"].disabled = False

    def _end(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.controls["stop"].disabled = not self._running

    async def _run(
        self, place: widgets.HTML, work: Callable[[], Awaitable[str]], before: list[asyncio.Task[None]], after: float
    ) -> None:
        await asyncio.sleep(after)
        if before:
            await asyncio.wait(before)  # one query at a time: until then the server has not given up the last one
        place.value = views.status("reading …")
        try:
            place.value = await work()
        except (ReviewLabError, ValueError) as error:
            place.value = views.alarm(str(error))
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            place.value = views.alarm(f"this cannot be shown: {type(error).__name__}: {error}")

    async def _draw(self) -> str:
        question, began = self.question, time.monotonic()
        data = self.data if self._read[0] == question.asked else await question.ask(self._lab)
        self._read = question.asked, data
        self.picture.value = await self._loop.run_in_executor(_pen, views.picture, data, question)
        self.code.value = views.code(question.code(self._name))
        self._turn(0)
        return views.status(f"{views.n_reviews(data):,} reviews · {time.monotonic() - began:.2f} s")

    async def _list(self) -> str:
        self._offer(self.data)
        period, begin = self.controls["period"], self._page * PAGE
        _, _, filters = self._read[0]
        filters = filters | dict(zip(("since", "until"), period.value, strict=False))
        filters |= {"columns": views.COLUMNS, "order_by": "submitted_at desc", "limit": begin + PAGE + 1}
        found = await self._lab.reviews(**filters, progress=False)
        page = found.iloc[begin : begin + PAGE]
        self.controls["previous"].disabled = begin == 0
        self.controls["next"].disabled = len(found) <= begin + PAGE
        caption = f"{period.label}, newest first: {begin + 1:,} to {begin + len(page):,}" if len(page) else "no reviews"
        return views.table(page, caption=caption)

    def _offer(self, frame: pd.DataFrame) -> None:
        """Offer the periods of a chart, and stay in the chosen one where it is among them."""
        control, choices = self.controls["period"], tuple(views.periods(frame))
        if control.options != choices:
            chosen = control.value
            control.options = choices
            control.value = chosen if chosen in [value for _, value in choices] else ()
        self._listed = control.value


def _controls(limits: tuple[date | None, date | None], scale: tuple[int, int]) -> dict[str, Any]:
    look = {"style": {"description_width": "initial"}, "layout": {"width": "auto", "margin": "2px 8px 2px 2px"}}
    wide = {"layout": {"width": "9em", "flex": "0 0 auto"}}
    first, last = limits
    ratings = tuple(range(scale[0], scale[1] + 1))
    zones = [("as stored", ""), *((zone, zone) for zone in sorted(available_timezones() - {"localtime"}))]
    days = {"min": first, "max": last}
    return {
        "chart": widgets.Dropdown(description="Chart", options=list(CHARTS), **look),
        "every": widgets.Dropdown(description="Period", options=PERIODS, value="week", **look),
        "first": _Day(description="First day", value=first, **days, **look),
        "last": _Day(description="Last day", value=last, **days, **look),
        "tz": widgets.Dropdown(description="Time zone", options=zones, **look),
        "ratings": widgets.SelectMultiple(
            description="Ratings", options=ratings, value=ratings, rows=min(len(ratings), 5), **look | wide
        ),
        "text": widgets.Text(description="Text", placeholder="part of a public review", **look),
        "stop": widgets.Button(description="Stop", disabled=True, layout=look["layout"]),
        "period": widgets.Dropdown(description="Reviews of", options=[("", ())], **look),
        "previous": widgets.Button(description="Newer", disabled=True, layout=look["layout"]),
        "next": widgets.Button(description="Older", disabled=True, layout=look["layout"]),
    }


def _rows(explorer: Explorer) -> list[Any]:
    """Lay the parts out: controls, what is going on, and tabs of the chart and of the reviews."""
    control, wrap = explorer.controls, {"flex_flow": "row wrap", "flex": "1 1 0"}
    names = ("chart", "every", "first", "last", "tz", "text", "stop")
    asking = widgets.HBox([control[name] for name in names], layout=wrap)
    turning = widgets.HBox([control[name] for name in ("period", "previous", "next")])
    chart, reviews = [explorer.picture, explorer.code], [turning, explorer.table]
    explorer.tabs.children = (widgets.VBox(chart), widgets.VBox(reviews))
    explorer.tabs.titles = ("Chart", "Reviews")
    return [widgets.HBox([asking, control["ratings"]]), explorer.status, explorer.tabs]


def _name_of(lab: "ReviewLab") -> str:
    """What the notebook calls the lab."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    names = [name for name, value in (shell.user_ns if shell else {}).items() if value is lab and name[0] != "_"]
    return names[0] if names else "lab"
