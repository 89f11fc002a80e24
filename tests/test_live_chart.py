"""A chart in a real kernel that is drawn again as reviews arrive."""

import asyncio
import queue
import re
import time
import uuid
from collections.abc import Iterator

import pytest
from test_kernel import Beside, Kernel, start_kernel, wait_until

from reviewlab import SchemaError, opening, run
from reviewlab.explore import live_chart
from reviewlab.settings import load_settings

ADD = "insert into reviews select gen_random_uuid(), 'x', null, 5, '2024-01-01' from generate_series(1, {})"
LISTENING = "query ilike 'listen%'"


@pytest.fixture(scope="module")
def live_dsn(server, admin) -> Iterator[str]:
    name = f"live_{uuid.uuid4().hex}"
    run(admin(f"create database {name}"))
    run(opening.init(load_settings(server.dsn_for(name)), notify=True))
    yield server.dsn_for(name)
    run(admin(f"drop database {name} with (force)"))


@pytest.fixture(scope="module")
def kernel(live_dsn) -> Iterator[Kernel]:
    started = start_kernel()
    started.run(
        "import reviewlab as rl\nfrom reviewlab import charts\nfrom reviewlab.explore import live_chart\n"
        f"lab = await rl.connect({live_dsn!r})"
    )
    yield started
    started.close()


@pytest.fixture
def beside(live_dsn) -> Iterator[Beside]:
    opened = Beside(live_dsn)
    opened.execute(f"delete from reviews; {ADD.format(1)}")
    yield opened
    opened.close()


def picture(kernel: Kernel) -> tuple[str, str, int]:
    """The next picture: kind of message, id of its place, and of how many ratings its alt text speaks."""
    ended = time.monotonic() + 30
    while True:
        try:
            message = kernel.client.get_iopub_msg(timeout=ended - time.monotonic())
        except (queue.Empty, ValueError):
            raise TimeoutError("no picture came") from None
        content = message["content"]
        assert message["msg_type"] != "error", content["evalue"]
        if "image/png" in content.get("data", {}):
            n = re.search(r"([\d,]+) ratings?", content["data"]["text/plain"])
            return message["msg_type"], content["transient"]["display_id"], int(n[1].replace(",", ""))


def test_it_follows_new_reviews_in_one_place_until_stop(kernel, beside):
    """
    A page that grows by a picture for each review is of no use, nor is one that cannot be ended.
    """
    sent = kernel.send("await live_chart(lab)")
    first = picture(kernel)
    beside.execute(ADD.format(2))
    second = picture(kernel)
    beside.execute("delete from reviews where review_id = (select review_id from reviews limit 1)")
    third = picture(kernel)

    kernel.manager.interrupt_kernel()

    assert kernel.wait_for(sent, seconds=20).error in ("CancelledError", "KeyboardInterrupt")
    place = first[1]
    assert [first, second, third] == [
        ("display_data", place, 1),
        ("update_display_data", place, 3),
        ("update_display_data", place, 2),
    ]
    wait_until(lambda: beside.count(LISTENING) == 0)
    assert kernel.run("print((await lab.pool_stats())['in_use'], await lab.count())") == "0 2\n"


DRAWN = (
    "shown = []\n"
    "def drawn(counts, ax):\n"
    "    shown.append(int(counts['n'].sum()))\n"
    "    return charts.updown(counts, ax=ax)\n"
)


def test_many_changes_are_few_pictures_and_the_last_shows_all(kernel, beside):
    """
    An import of an hour must not keep the browser drawing for a day.
    """
    sent = kernel.send(f"{DRAWN}await live_chart(lab, chart=drawn, seconds=4)\nprint(len(shown), shown[-1])")
    picture(kernel)
    for _ in range(100):
        beside.execute(ADD.format(1))

    n_pictures, last = kernel.wait_for(sent).printed.split()

    print(f"figure: 100 changes within 4 s were {n_pictures} pictures")
    assert last == "101"
    assert int(n_pictures) <= 2 * 4 + 2


def test_a_lost_connection_is_no_end(kernel, beside):
    """
    A dashboard outlives the night's restart of the server, and shows what came meanwhile.
    """
    sent = kernel.send("await live_chart(lab)")
    picture(kernel)
    beside.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
        "and application_name = 'reviewlab'"
    )
    beside.execute(ADD.format(1))

    while picture(kernel)[2] != 2:
        pass

    kernel.manager.interrupt_kernel()
    assert kernel.wait_for(sent, seconds=20).error in ("CancelledError", "KeyboardInterrupt")


def test_it_ends_by_itself_after_the_time_that_was_asked_for(kernel, beside):
    """
    Run All has to reach the next cell.
    """
    how = "'week', since='2023-12-01', tz='Europe/Berlin', chart=drawn, seconds=1"

    printed = kernel.run(f"{DRAWN}await live_chart(lab, {how})\nprint(shown)")

    assert printed == "[1]\n"
    wait_until(lambda: beside.count(LISTENING) == 0)


async def test_a_table_that_says_nothing_is_refused_before_anything_is_drawn(lab, capsys):
    """
    A picture that never changes looks like a quiet day.
    """
    with pytest.raises(SchemaError, match="init --notify"):
        async with asyncio.timeout(10):
            await live_chart(lab)

    assert capsys.readouterr().out == ""
