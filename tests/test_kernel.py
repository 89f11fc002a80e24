"""Stop, Run All, a cell run twice and a restarted kernel, in a real ipykernel."""

import os
import queue
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest
from jupyter_client.manager import KernelManager

from reviewlab import queries, run

DATABASE = "kernel_reviews"
SHORT = 5.0
"""Seconds that a stopped cell may take: far less than the thirty that it would run."""


OTHER_PYTHON = os.environ.get("REVIEWLAB_KERNEL_PYTHON")
"""That of an environment with another ipykernel."""


@dataclass
class Outcome:
    """How a cell ended."""

    error: str | None
    printed: str
    seconds: float


class Kernel:
    """A kernel that cells are sent to."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client = manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def send(self, code: str) -> str:
        return self.client.execute(code)

    def wait_for(self, sent: str, *, seconds: float = 60) -> Outcome:
        began, printed, error = time.monotonic(), "", None
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=began + seconds - time.monotonic())
            except (queue.Empty, ValueError):
                raise TimeoutError(f"a cell did not end within {seconds} s") from None
            if message["parent_header"].get("msg_id") != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            elif kind == "error":
                error = content["ename"]
                printed += content["evalue"]
            elif kind == "status" and content["execution_state"] == "idle":
                return Outcome(error, printed, time.monotonic() - began)

    def run(self, code: str) -> str:
        """Run a cell that must work, and return what it printed."""
        outcome = self.wait_for(self.send(code))
        assert outcome.error is None, outcome.printed
        return outcome.printed

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def start_kernel() -> Kernel:
    manager = KernelManager(kernel_name="python3")
    if OTHER_PYTHON:
        manager.kernel_spec.argv[0] = OTHER_PYTHON
    manager.start_kernel()
    return Kernel(manager)


def wait_until(condition, *, seconds: float = 10) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


class Beside:
    """The kernel's database, seen from here."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._connection = run(asyncpg.connect(dsn))
        self._locker = run(asyncpg.connect(dsn))  # within a transaction, pg_stat_activity stands still

    def execute(self, statement: str) -> None:
        run(self._locker.execute(statement))

    def count(self, condition: str) -> int:
        return run(
            self._connection.fetchval(
                "select count(*) from pg_stat_activity where datname = current_database() "
                f"and application_name = 'reviewlab' and {condition}"
            )
        )

    def busy(self) -> bool:
        return self.count("state = 'active'") > 0

    def close(self) -> None:
        run(self._connection.close())
        run(self._locker.close())


@pytest.fixture(scope="module")
def kernel_dsn(server, admin) -> Iterator[str]:
    run(admin(f"create database {DATABASE}"))
    run(admin(queries.script("reviews"), DATABASE))
    fill = (
        "insert into reviews select gen_random_uuid(), repeat('x', 2000), null, 1 + n % 5, '2024-01-01' "
        "from generate_series(1, 3000) n; analyze reviews"
    )
    run(admin(fill, DATABASE))
    yield server.dsn_for(DATABASE)
    run(admin(f"drop database {DATABASE} with (force)"))


@pytest.fixture
def beside(kernel_dsn) -> Iterator[Beside]:
    opened = Beside(kernel_dsn)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def kernel(kernel_dsn) -> Iterator[Kernel]:
    started = start_kernel()
    started.run(f"import asyncio, gc, os, signal, warnings\nimport reviewlab as rl\nDSN = {kernel_dsn!r}")
    started.run("lab = await rl.connect(DSN)\nwriter = await rl.connect(DSN, write=True)")
    yield started
    started.close()


CELLS = {
    "sql": "await lab.sql('select pg_sleep(30)')",
    "reviews": "await lab.reviews()",
    "a parallel read": "await lab.reviews(parallel=3)",
    "rating_counts": "await lab.rating_counts('week')",
    "a stream": "async with lab.stream() as batches:\n    async for batch in batches:\n        pass",
    "a stream's slow consumer": (
        "async with lab.stream(batch_rows=10) as batches:\n"
        "    async for batch in batches:\n        await asyncio.sleep(30)"
    ),
    "a snapshot": "async with lab.snapshot() as frozen:\n    await frozen.count()",
    "export_parquet": "await lab.export_parquet('/tmp/never-written.parquet')",
    "load": ("from reviewlab.load import load_reviews\nawait load_reviews(writer._database, FRAME)"),
    "run": "rl.run(own.reviews())",
    "run beside an await": "await asyncio.sleep(0)\nrl.run(own.reviews())",
    "asyncio.sleep": "await asyncio.sleep(30)",
}
"""Cells that would go on until somebody lets go of the table, or for thirty seconds."""

FREE = ("asyncio.sleep", "sql", "a stream's slow consumer")


@pytest.fixture(scope="module")
def prepared(kernel) -> Kernel:
    kernel.run(
        "import pandas as pd, uuid\n"
        "FRAME = pd.DataFrame({'review_id': [str(uuid.uuid4())], 'public_review': ['x'], 'private_review': [None], "
        "'rating': [5], 'submitted_at': [pd.Timestamp('2024-01-01')]})\n"
        "own = rl.run(rl.connect(DSN))"
    )
    return kernel


@pytest.mark.parametrize("how", ["signal", "message"])
@pytest.mark.parametrize("cell", CELLS)
def test_stop_ends_the_cell_and_the_query_and_the_next_cell_works(prepared, beside, cell, how):
    """
    The button is pressed because something takes too long; in JupyterLab it sends a signal, in VS Code a message.
    """
    kernel = prepared
    kernel.manager.kernel_spec.interrupt_mode = how
    beside.execute("begin" if cell in FREE else "begin; lock table reviews in access exclusive mode")
    try:
        sent = kernel.send(CELLS[cell])
        if cell in FREE:
            time.sleep(0.5)
        else:
            wait_until(beside.busy)

        kernel.manager.interrupt_kernel()

        stopped = kernel.wait_for(sent, seconds=20)
        gone = wait_until(lambda: not beside.busy(), seconds=SHORT)
    finally:
        beside.execute("rollback")
    print(f"figure: Stop by {how} in {cell} ended the cell after {stopped.seconds:.2f} s, the query {gone:.2f} s later")
    assert stopped.error in ("CancelledError", "KeyboardInterrupt")
    assert stopped.seconds < SHORT
    assert kernel.run("print(await lab.value('select 7'), (await lab.pool_stats())['in_use'])") == "7 0\n"


def test_stop_works_where_somebody_else_listens_for_signals(kernel_dsn, beside):
    """
    The wakeup descriptor exists once, and another library may have it.
    """
    kernel = start_kernel()
    try:
        kernel.run(
            "import signal, socket\nreceiver, sender = socket.socketpair()\nsender.setblocking(False)\n"
            "before = signal.set_wakeup_fd(sender.fileno())\n"
            f"import reviewlab as rl\nlab = await rl.connect({kernel_dsn!r})"
        )
        sent = kernel.send("await lab.sql('select pg_sleep(30)')")
        wait_until(beside.busy)

        kernel.manager.interrupt_kernel()

        stopped = kernel.wait_for(sent, seconds=20)
        print(f"figure: Stop beside another listener: the cell ended after {stopped.seconds:.2f} s")
        assert (stopped.error, stopped.seconds < SHORT) == ("CancelledError", True)
        assert kernel.run("print(await lab.value('select 7'))") == "7\n"
    finally:
        kernel.close()


def test_a_cell_that_is_run_twice_leaves_one_lab(kernel, beside):
    """
    Restarting the kernel each time is what people do instead.
    """
    for _ in range(5):
        kernel.run(
            "with warnings.catch_warnings():\n    warnings.simplefilter('ignore', ResourceWarning)\n"
            "    again = await rl.connect(DSN, application_name='reviewlab-again')\n"
            "    await again.count()\n    gc.collect()"
        )

    mine = "select count(*) from pg_stat_activity where application_name = 'reviewlab-again'"
    wait_until(lambda: run(beside._connection.fetchval(mine)) <= 1, seconds=5)
    kernel.run("await again.close()")


def test_a_lab_in_the_wrong_loop_is_refused_fifty_times_without_a_crash(kernel):
    """
    The driver ended the kernel with a segmentation fault in one of three tries.
    """
    printed = kernel.run(
        "errors = []\n"
        "for _ in range(50):\n"
        "    reading = asyncio.create_task(lab.value('select 1 from pg_sleep(0.01)'))\n"
        "    await asyncio.sleep(0.001)\n"
        "    try:\n"
        "        rl.run(lab.count())\n"
        "    except rl.WrongLoopError as error:\n"
        "        errors.append(str(error))\n"
        "    await reading\n"
        "print(len(errors), set(errors))"
    )

    assert printed == "50 {'this lab was opened on another event loop; open one here: await connect()'}\n"


def test_a_second_cell_runs_after_a_nested_call(kernel_dsn):
    """
    Run All queues the cells, and the usual package loses every one that comes while it nests.
    """
    kernel = start_kernel()
    try:
        kernel.run(f"import asyncio\nimport reviewlab as rl\nlab = await rl.connect({kernel_dsn!r})")
        assert kernel.run("print(rl.jupyter.enable_nested())") == "nest_asyncio2\n"
        nested = kernel.send("print(asyncio.run(lab.value('select 7 from pg_sleep(1)')))")
        second = kernel.send("print('second')")

        outcomes = [kernel.wait_for(nested), kernel.wait_for(second, seconds=20)]

        assert [outcome.printed for outcome in outcomes] == ["7\n", "second\n"]
    finally:
        kernel.close()


def test_a_restarted_kernel_leaves_nothing_on_the_server(kernel_dsn, beside):
    """
    An abandoned query goes on for hours, in everybody's way.
    """
    kernel = start_kernel()
    try:
        kernel.run(f"import reviewlab as rl\nlab = await rl.connect({kernel_dsn!r}, application_name='reviewlab')")
        kernel.send("await lab.sql('select count(*) from generate_series(1, 100000000000)')")
        wait_until(lambda: beside.count("query ilike '%generate_series%'") > 0)
        pid = kernel.manager.provisioner.pid

        os.kill(pid, signal.SIGKILL)

        gone = wait_until(lambda: beside.count("query ilike '%generate_series%'") == 0, seconds=10)
        print(f"figure: the query of a killed kernel was gone after {gone:.1f} s")
    finally:
        kernel.close()
