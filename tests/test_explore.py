"""The explorer's chart follows its controls, says how it was made, and leaves nothing on the server."""

import ast
import asyncio
import html
import inspect
import re
import sys

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from reviewlab import ConfigError, charts, opening
from reviewlab.explore.question import CHARTS
from reviewlab.settings import load_settings

ACTIVE = (
    "select query_start from pg_stat_activity where datname = current_database() and application_name = 'reviewlab' "
    "and state = 'active'"
)


@pytest.fixture
async def filled(lab, dsn):
    """A lab with some reviews of two years."""
    await opening.fill(load_settings(dsn), rows=600)
    return lab


@pytest.fixture
async def explorer(filled):
    opened = await filled.explore()
    yield opened
    opened.close()


async def wait_until(condition):
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.01)


async def evaluate(code, **names):
    compiled = compile(code, "cell", "eval", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    return await result if inspect.iscoroutine(result) else result


def shown(part):
    """What a person reads there."""
    return html.unescape(re.sub(r"<[^>]*>", "", part.value))


def alt(explorer):
    return html.unescape(re.search(r'<img alt="([^"]*)"', explorer.picture.value)[1])


FILTERED = {"ratings": (1, 2), "text": "e", "tz": "America/Havana", "every": "month"}


@pytest.mark.parametrize("setting", [{}, FILTERED], ids=["as it opens", "filtered"])
@pytest.mark.parametrize("chart", CHARTS)
async def test_the_code_below_a_chart_makes_the_same_chart_of_the_same_data(filled, explorer, chart, setting):
    """
    Exploring ends in a cell that can be run again, by somebody else and next year.
    """
    explorer.controls["chart"].value = chart
    for name, value in setting.items():
        explorer.controls[name].value = value
    if setting:
        explorer.controls["first"].value += pd.Timedelta(days=300)
        explorer.controls["last"].value -= pd.Timedelta(days=100)
    await explorer.settled()

    needed, line = shown(explorer.code).split("\n")
    call = ast.parse(line, mode="eval").body
    data = await evaluate(ast.unparse(call.args[0]), lab=filled)
    drawn = await evaluate(line, lab=filled, charts=charts)

    assert (needed, "status" in explorer.status.value) == ("from reviewlab import charts", True)
    pd.testing.assert_frame_equal(data, explorer.data)
    assert charts.alt_text(drawn) == alt(explorer)
    plt.close("all")


@pytest.mark.parametrize(
    ("control", "value"),
    [
        ("chart", "mean rating"),
        ("every", "month"),
        ("ratings", (5,)),
        ("text", "the"),
        ("tz", "Pacific/Apia"),
        ("first", "later"),
        ("last", "earlier"),
    ],
)
async def test_the_picture_follows_each_control(explorer, control, value):
    """
    A control that changes nothing would be taken for an answer.
    """
    before = explorer.picture.value
    middle = explorer.controls["first"].value + (explorer.controls["last"].value - explorer.controls["first"].value) / 2
    explorer.controls[control].value = middle if control in ("first", "last") else value

    await explorer.settled()

    assert explorer.picture.value != before
    assert "<img alt=" in explorer.picture.value


async def test_fast_changes_leave_one_query_and_the_newest_answer(filled, explorer, execute, fetch):
    """
    Otherwise an impatient hand starts a dozen queries, and the slowest answer is shown last.
    """
    in_use = set()

    async def watch():
        while True:
            in_use.add((await filled.pool_stats())["in_use"])
            await asyncio.sleep(0)

    async def newer_than(moment):
        active = await fetch(ACTIVE)
        return len(active) == 1 and active[0]["query_start"] > moment

    watching = asyncio.create_task(watch())
    await execute("begin; lock table reviews in access exclusive mode")
    for every in ("month", "quarter", "year"):
        now = (await fetch("select clock_timestamp() as now"))[0]["now"]
        explorer.controls["every"].value = every
        await wait_until(lambda now=now: newer_than(now))

    await execute("rollback")
    await explorer.settled()
    watching.cancel()

    assert in_use == {0, 1}
    assert 'rating_counts("year")' in shown(explorer.code)
    assert "by year" in alt(explorer)


@pytest.mark.parametrize("how", ["Stop", "close", "comm"])
async def test_stop_and_closing_end_the_query_and_give_every_connection_back(filled, explorer, execute, fetch, how):
    """
    What nobody looks at any more must not hold what others wait for.
    """
    ending = {
        "Stop": explorer.controls["stop"].click,
        "close": explorer.close,
        "comm": lambda: explorer.comm.handle_close({}),  # what the page sends when it forgets the widget
    }[how]
    await execute("begin; lock table reviews in access exclusive mode")
    explorer.controls["every"].value = "year"
    await wait_until(lambda: fetch(ACTIVE))

    ending()
    await explorer.settled()

    assert await fetch(ACTIVE) == []
    assert (await filled.pool_stats())["in_use"] == 0
    assert (explorer.comm is None) == (how != "Stop")
    await execute("rollback")


async def test_stop_while_it_opens_leaves_nothing_that_goes_on(filled, monkeypatch):
    """
    The cell is stopped because its first chart takes too long; that chart is nobody's any more.
    """
    drawing = asyncio.Event()

    async def hang(*_, **__):
        drawing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(filled, "rating_counts", hang, raising=False)
    opening_it = asyncio.create_task(filled.explore())
    await drawing.wait()

    opening_it.cancel()
    await asyncio.wait([opening_it])
    await asyncio.sleep(0.1)

    assert opening_it.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_stopped_explorer_says_so_and_works_again(explorer, execute, fetch):
    """
    Stop is pressed because a search takes too long, to try another one.
    """
    await execute("begin; lock table reviews in access exclusive mode")
    explorer.controls["every"].value = "year"
    await wait_until(lambda: fetch(ACTIVE))
    explorer.controls["stop"].click()
    await explorer.settled()
    said, disabled = shown(explorer.status), explorer.controls["stop"].disabled
    await execute("rollback")

    explorer.controls["every"].value = "month"
    await explorer.settled()

    assert (said, disabled) == ("stopped", True)
    assert "by month" in alt(explorer)


async def test_hours_of_the_week_name_their_clock(explorer):
    """
    An evening in Havana is another one in Berlin.
    """
    explorer.controls["chart"].value = "weekday and hour"
    explorer.controls["tz"].value = "America/Havana"
    await explorer.settled()

    assert "by weekday and hour, America/Havana" in alt(explorer)


async def test_a_text_is_searched_for_when_its_typing_has_paused(filled, explorer, monkeypatch):
    """
    A search reads the whole table; one for each letter would be five too many.
    """
    asked = []
    rating_counts = filled.rating_counts

    async def heard(*arguments, **named):
        asked.append(named.get("text"))
        return await rating_counts(*arguments, **named)

    monkeypatch.setattr(filled, "rating_counts", heard, raising=False)

    for typed in ("t", "th", "the"):
        explorer.controls["text"].value = typed
        await asyncio.sleep(0.01)
    await explorer.settled()

    assert asked == ["the"]


async def test_another_chart_of_the_same_data_asks_the_server_nothing(explorer, execute):
    """
    To look at the same weeks in another way should take no longer than drawing them.
    """
    await execute("begin; lock table reviews in access exclusive mode")

    explorer.controls["chart"].value = "mean rating"
    await asyncio.wait_for(explorer.settled(), 10)

    assert "mean" in alt(explorer)
    await execute("rollback")


async def test_an_error_is_one_sentence_in_the_widget_and_goes_again(explorer):
    """
    A traceback in the log of the page would not be seen, and the chart taken for the answer.
    """
    explorer.controls["first"].value, explorer.controls["last"].value = (
        explorer.controls["last"].value,
        explorer.controls["first"].value,
    )
    await explorer.settled()
    error = explorer.status.value

    explorer.controls["last"].value = None
    await explorer.settled()

    assert 'role="alert"' in error
    assert "since must be before until" in error
    assert 'role="status"' in explorer.status.value


async def test_the_reviews_are_those_of_the_chart_that_is_shown(explorer):
    """
    While a control asks for what cannot be, chart, code and table still belong together.
    """
    explorer.controls["first"].value = explorer.controls["last"].value + pd.Timedelta(days=900)
    await explorer.settled()

    await open_table(explorer)

    assert 'role="alert"' in explorer.status.value
    assert len(texts(explorer)) == 50


async def test_an_error_that_nobody_foresaw_shows_too(explorer, monkeypatch):
    """
    A task of its own has nobody who would hear of it, and the widget would say "reading" for ever.
    """
    monkeypatch.setitem(CHARTS, "mean rating", CHARTS["mean rating"]._replace(function="never_written"))

    explorer.controls["chart"].value = "mean rating"
    await explorer.settled()

    assert "AttributeError" in explorer.status.value


async def test_controls_may_speak_on_another_thread(explorer):
    """
    JupyterLab has their messages handled by a subshell, so that widgets live while a cell runs.
    """
    asyncio.get_running_loop().set_debug(True)  # it refuses what is not safe from another thread

    await asyncio.to_thread(setattr, explorer.controls["every"], "value", "quarter")
    await explorer.settled()

    assert "by quarter" in alt(explorer)


async def open_table(explorer, period=0):
    explorer.tabs.selected_index = 1
    await explorer.settled()
    explorer.controls["period"].index = period
    await explorer.settled()


def texts(explorer):
    return re.findall(r"overflow-wrap:anywhere\">(.*?)</td>", explorer.table.value, re.DOTALL)


async def test_the_reviews_of_a_period_are_shown_fifty_at_a_time(lab, add_reviews):
    """
    A bad week raises one question: what did they write?
    """
    for n in range(120):
        await add_reviews({f"2024-03-05 {n // 60:02d}:{n % 60:02d}": 1}, public_review=f"review {n}")
    await add_reviews({"2024-03-06": 5}, public_review="another day")
    explorer = await lab.explore()
    explorer.controls["every"].value = "day"
    await explorer.settled()
    await open_table(explorer, period=2)
    first, pressable = texts(explorer), [explorer.controls[name].disabled for name in ("previous", "next")]

    pages = []
    for button in ("next", "next", "previous"):
        explorer.controls[button].click()
        await explorer.settled()
        pages.append(texts(explorer))

    expected = [f"review {n}" for n in reversed(range(120))]
    assert explorer.controls["period"].label == "5 Mar 2024 (120)"
    assert (first, pressable) == (expected[:50], [True, False])
    assert pages == [expected[50:100], expected[100:], expected[50:100]]
    explorer.close()


async def test_texts_are_escaped_and_private_ones_are_not_read(lab, add_reviews):
    """
    Anybody may write a review, and it must not run as a program in the analyst's notebook.
    """
    await add_reviews(public_review="<script>alert(1)</script> & more", private_review="SECRET")
    explorer = await lab.explore()

    await open_table(explorer)

    assert texts(explorer) == ["&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"]
    assert not any("SECRET" in str(part.get_state()) for part in (explorer.table, explorer.picture, explorer.code))
    explorer.close()


async def test_every_control_has_a_name_and_the_limits_of_the_data(explorer, filled):
    """
    One who cannot see the page hears the labels; one who can need not guess where the data end.
    """
    extent = await filled.extent()

    assert all(control.description for control in explorer.controls.values())
    assert {(day.min, day.max) for day in (explorer.controls["first"], explorer.controls["last"])} == {
        (extent["first"].date(), extent["last"].date())
    }
    assert explorer.controls["ratings"].options == (1, 2, 3, 4, 5)


async def test_a_year_that_is_being_typed_is_left_alone(explorer):
    """
    A date field sends the year 2 on the way to 2025, and would be overwritten while it is typed.
    """
    typed = explorer.controls["first"].min.replace(year=2)

    explorer.controls["first"].value = typed
    await explorer.settled()

    assert explorer.controls["first"].value == typed
    assert 'rating_counts("week")' in shown(explorer.code)


async def test_an_empty_table_can_be_explored(lab):
    """
    The first thing that somebody does with a table that was just created.
    """
    explorer = await lab.explore()

    await open_table(explorer)

    assert "no reviews" in alt(explorer).lower()
    assert "no reviews" in shown(explorer.table)
    explorer.close()


async def test_closing_takes_every_part_off_the_page(filled):
    """
    What is forgotten stays in the page's and the kernel's memory until the kernel ends.
    """
    explorer = await filled.explore()
    parts = [*explorer.controls.values(), explorer.picture, explorer.code, explorer.status, explorer.table]

    explorer.close()
    explorer.close()
    await explorer.settled()

    assert {part.comm for part in parts} == {None}


async def test_without_its_package_the_explorer_says_what_to_install(lab, monkeypatch):
    """
    Scripts do without widgets, and one who then wants them should not have to search.
    """
    for name in ("reviewlab.explore", "reviewlab.explore.widget"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)

    with pytest.raises(ConfigError, match="pip install 'reviewlab"):
        await lab.explore()
