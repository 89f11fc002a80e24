"""``%%reviews`` in a real kernel: frames from SQL, names from the notebook, errors in a sentence, and Stop."""

import os
import re
import time

import asyncpg
import pytest
from jupyter_client.manager import KernelManager

from reviewlab import queries, run

DATABASE = "magic_reviews"


class Kernel:
    """A kernel that cells are sent to."""

    def __init__(self, **environment):
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=os.environ | environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def wait_for(self, sent, seconds=60):
        """Return what a cell showed: streams, results and errors, and how it ended."""
        shown, error = "", None
        until = time.monotonic() + seconds
        while True:
            message = self.client.get_iopub_msg(timeout=until - time.monotonic())
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown += content["text"]
            elif kind in ("execute_result", "display_data"):
                shown += content["data"].get("text/plain", "")
            elif kind == "error":
                error, shown = content["ename"], shown + "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                return error, shown

    def run(self, code):
        error, shown = self.wait_for(self.client.execute(code))
        assert error is None, shown
        return shown

    def fails(self, code):
        error, shown = self.wait_for(self.client.execute(code))
        return error, re.sub(r"\x1b\[[\d;]*m", "", shown)

    def completions(self, code):
        return self.client.complete(code, reply=True, timeout=30)["content"]["matches"]

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def magic_dsn(server, admin):
    run(admin(f"create database {DATABASE}"))
    run(admin(queries.script("reviews"), DATABASE))
    fill = (
        "insert into reviews select gen_random_uuid(), 'text', null, 1 + n % 5, '2024-01-01' "
        "from generate_series(1, 100) n"
    )
    run(admin(fill, DATABASE))
    yield server.dsn_for(DATABASE)
    run(admin(f"drop database {DATABASE} with (force)"))


@pytest.fixture(scope="module")
def kernel(magic_dsn):
    started = Kernel(DATABASE_URL=magic_dsn)
    started.run("import time\nbegan = time.perf_counter()\n%load_ext reviewlab")
    started.run("connection = %reviews")
    took = float(started.run("print(time.perf_counter() - began)"))
    print(f"figure: %load_ext and the first connection took {took:.2f} s, limit 1 s")
    yield started
    started.close()


def test_the_first_use_connects_from_the_environment_and_keeps_the_lab(kernel):
    """
    The shortest way from an empty notebook to reviews; helpers and magic shall share one pool.
    """
    printed = kernel.run("print(type(lab).__name__, lab is connection, await lab.count())")

    assert printed == "ReviewLab True 100\n"


def test_a_line_shows_the_connection(kernel):
    """
    The question after lunch: which database was that?
    """
    shown = kernel.run("%reviews")

    assert "ReviewLab" in shown
    assert DATABASE in shown


def test_a_cell_becomes_a_frame_under_a_name(kernel):
    """
    What was asked in SQL goes on in pandas.
    """
    shown = kernel.run(
        "%%reviews --as df\nselect rating, count(*) as n -- it's 'all'\nfrom reviews group by 1 order by 1"
    )

    assert shown == ""
    assert kernel.run("print(df['n'].tolist(), df.dtypes['n'])") == "[20, 20, 20, 20, 20] Int64\n"


def test_a_cell_without_a_name_shows_its_frame(kernel):
    """
    A look at the rows is the most frequent question.
    """
    assert "only_column" in kernel.run("%%reviews\nselect 7 as only_column")


def test_names_are_variables_of_the_notebook(kernel):
    """
    Values are never pasted into SQL: a quote in a text would change the statement.
    """
    kernel.run('stars = [1, 5]\nword = "o\'clock; drop table reviews"')

    kernel.run(
        "%%reviews --as found\nselect count(*) as n, :word as word from reviews where rating = any(:stars::int[])"
    )

    assert kernel.run("print([*found.loc[0].map(str)])") == "['40', \"o'clock; drop table reviews\"]\n"


@pytest.mark.parametrize(
    ("cell", "name", "words"),
    [
        ("%%reviews\nselect raitng from reviews", "QueryError", 'column "raitng" does not exist'),
        ("%%reviews\nselect :missing_name", "ValueError", "no value for :missing_name"),
        ("%%reviews\ndelete from reviews", "ReadOnlyError", "read"),
        ("%%reviews --as 7up\nselect 1 as a", "ValueError", "--as needs the name of a variable"),
        ("%%reviews --lab nowhere\nselect 1 as a", "ValueError", "there are lab, connection"),
    ],
)
def test_an_error_is_its_sentence_and_no_traceback(kernel, cell, name, words):
    """
    Forty lines of a library's insides hide the one that says what to do.
    """
    error, shown = kernel.fails(cell)

    assert error == name
    assert words in shown
    assert len(shown.strip().splitlines()) <= 3  # the line of the statement, and where in it
    assert kernel.run("print(await lab.count())") == "100\n"


def test_several_labs_are_told_apart(kernel):
    """
    The wrong database gives a wrong answer without an error.
    """
    kernel.run(
        "other = await __import__('reviewlab').connect()\nkept, lab_before = connection, lab\ndel lab, connection, kept"
    )
    error, shown = kernel.fails("%%reviews\nselect 1 as a")

    chosen = kernel.run("%%reviews --lab other\nselect 'yes' as a")

    assert error == "ValueError"
    assert "several labs, other, lab_before" in shown
    assert "yes" in chosen
    kernel.run("lab = connection = lab_before\nawait other.close()\ndel other, lab_before")


def test_columns_and_variables_are_completed(kernel):
    """
    Names are looked up less often than they are misspelled.
    """
    kernel.run("since_then = '2024-01-01'")

    assert kernel.completions("%%reviews\nselect submi") == ["submitted_at"]
    assert kernel.completions("%%reviews\nselect count(*) from reviews r where r.rat") == ["rating"]
    assert kernel.completions("%%reviews\nselect 1\nwhere submitted_at > :since") == ["since_then"]
    assert "submitted_at" not in kernel.completions("submi")


def test_stop_ends_the_cell_and_the_query(kernel, magic_dsn):
    """
    A magic that runs its own loop can do neither.
    """
    beside = run(asyncpg.connect(magic_dsn))
    active = "select count(*) from pg_stat_activity where query like '%pg_sleep(30)%' and pid <> pg_backend_pid()"
    sent = kernel.client.execute("%%reviews\nselect pg_sleep(30)")
    while not run(beside.fetchval(active)):
        time.sleep(0.02)

    kernel.manager.interrupt_kernel()
    error, shown = kernel.wait_for(sent, seconds=20)

    assert (error, shown) == ("CancelledError", "stopped, on the server too")
    assert run(beside.fetchval(active + " and state = 'active'")) == 0
    assert kernel.run("print((await lab.pool_stats())['in_use'])") == "0\n"
    run(beside.close())


def test_messages_are_answered_while_a_cell_waits(kernel):
    """
    Widgets and completion stand still where a magic blocks.
    """
    kernel.run("import asyncio, time\nticks, loop = [], asyncio.get_running_loop()")
    kernel.run("def tick():\n    ticks.append(time.time())\n    waiting = loop.call_later(0.01, tick)\ntick()")
    clock = "extract(epoch from clock_timestamp())"

    kernel.run(f"%%reviews --as span\nselect {clock} as began, pg_sleep(0.3), {clock} as ended")

    assert int(kernel.run("print(sum(span.began[0] < moment < span.ended[0] for moment in ticks))")) > 0


def test_loading_twice_awaits_once(kernel):
    """
    Cells are run again, the first one too.
    """
    kernel.run("%reload_ext reviewlab")

    assert "7" in kernel.run("%%reviews\nselect 7 as a")
