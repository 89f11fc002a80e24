"""Private texts and the password are in nothing that a write or a read leaves behind, whatever goes wrong with it."""

import asyncio
import contextlib
import io
import logging
import pickle
import tempfile
import traceback
import warnings
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from review_helpers import review, reviews
from rich.console import Console
from rich.traceback import Traceback
from sweep import sweep
from test_cli import reviewlab as command

from reviewlab import ReviewLabError, connect, opening, run
from reviewlab.server import Server
from reviewlab.settings import load_settings

PRIVATE, PUBLIC = "canary-private-text-5083", "canary-public-text-5083"


def shown(error: BaseException) -> str:
    """What tools print of an error: its texts, attributes and tracebacks with the locals of every frame, by repr."""
    out, queue = Console(file=io.StringIO(), width=5000), [error]
    for current in queue:  # grows
        out.print(Traceback.from_exception(type(current), current, current.__traceback__, show_locals=True))
        report = traceback.TracebackException.from_exception(current, capture_locals=True)
        out.print("".join(report.format()), repr(current), str(current), vars(current), markup=False)
        linked = [current.__cause__, current.__context__, *getattr(current, "exceptions", ())]
        queue += [other for other in linked if other is not None and other not in queue]
    return out.file.getvalue()


def leaks(error: BaseException, log: str) -> list[str]:
    """Where a private or public text is to be seen."""
    pickled = pickle.dumps(error).decode(errors="replace") if isinstance(error, ReviewLabError) else ""
    places = {"traceback": shown(error), "log": log, "pickle": pickled}
    lines = [(place, line) for place, text in places.items() for line in text.splitlines()]
    return [f"{place}: {line.strip()[:300]}" for place, line in lines if "canary-p" in line]


@pytest.fixture(autouse=True)
def wide():
    """Frames in full, as analysts have them."""
    with pd.option_context("display.width", 10_000, "display.max_columns", None, "display.max_colwidth", None):
        yield


class Recorder(logging.Handler):
    """Everything that is logged, with its arguments, which other handlers may print."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(f"{record.getMessage()} {vars(record)}")


@pytest.fixture
def log():
    """Everything that is logged, at any level, and every warning."""
    recorder, root = Recorder(), logging.getLogger()
    before = root.level
    root.addHandler(recorder)
    root.setLevel(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield lambda: "\n".join([*recorder.records, *(str(one.message) for one in warned)])
    root.removeHandler(recorder)
    root.setLevel(before)


def bad(**fields):
    """A review that says something in private; its own repr does not."""
    return review(public_review=PUBLIC, private_review=PRIVATE, rating=2).model_copy(update=fields)


def frame(one) -> pd.DataFrame:
    """Three reviews, of which the last is this one."""
    rows = [*reviews(2, private_review=f"{PRIVATE} too"), one]
    return pd.DataFrame([{name: getattr(row, name) for name in type(one).model_fields} for row in rows], dtype=object)


def parquet(one, folder: Path) -> Path:
    frame(one).astype({"review_id": str, "rating": "int64"}).to_parquet(folder / "reviews.parquet")
    return folder / "reviews.parquet"


def csv(one, folder: Path) -> Path:
    frame(one).to_csv(folder / "reviews.csv", index=False)
    return folder / "reviews.csv"


WAYS = {
    "create_review": lambda repo, one, _: repo.create_review(one),
    "upsert_review": lambda repo, one, _: repo.upsert_review(one),
    "update_review": lambda repo, one, _: repo.update_review(one),
    "models": lambda repo, one, _: repo.create_reviews([*reviews(2, private_review=PRIVATE), one]),
    "frame": lambda repo, one, _: repo.create_reviews(frame(one)),
    "skip": lambda repo, one, _: repo.create_reviews(frame(one), on_conflict="skip"),
    "update": lambda repo, one, _: repo.create_reviews(frame(one), on_conflict="update"),
    "parquet": lambda repo, one, folder: repo.create_reviews(parquet(one, folder)),
    "csv": lambda repo, one, folder: repo.create_reviews(csv(one, folder)),
    "transaction": lambda repo, one, _: in_transaction(repo, one),
}


async def in_transaction(repo, one) -> None:
    async with repo.transaction(isolation="serializable") as outer, outer.transaction() as inner:
        await inner.upsert_review(one)


KEY = "5083aaaa-0000-0000-0000-000000000001"
REFUSALS = {
    "check": "alter table reviews add constraint stars check (rating <> 2) not valid",
    "another type": "alter table reviews alter rating type bool using true",
    "no such column": "alter table reviews rename private_review to confidential",
    "no table": "alter table reviews rename to others",
    "no right": "select 1",
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_what_the_server_refuses_is_not_shown(dsn, execute, log, tmp_path, refusal):
    """
    PostgreSQL's DETAIL is the whole row; a traceback's locals are the arguments.
    """
    found = []
    async with connect(dsn, write=refusal != "no right") as lab:
        await execute(f"insert into reviews values ('{KEY}', '{PUBLIC}', '{PRIVATE}', 1, '2024-01-01')")
        await execute(REFUSALS[refusal])
        for way in WAYS:
            try:
                await WAYS[way](lab.repo, bad(review_id=KEY if way == "update_review" else bad().review_id), tmp_path)
            except ReviewLabError as error:
                found += [f"{way}, {leak}" for leak in leaks(error, log())]
            else:
                found.append(f"{way} was not refused")

    assert found == []


WRONG = {"scale": {"rating": 9}, "NUL": {"private_review": f"{PRIVATE}\0"}, "long": {"public_review": PUBLIC * 10}}


@pytest.mark.parametrize("way", WAYS)
async def test_what_reviewlab_refuses_is_not_shown(dsn, log, tmp_path, way):
    """
    Before it is sent: the value is in the input, and nowhere else.
    """
    found = []
    async with connect(dsn, write=True, scale=(1, 5), max_text_length=100) as lab:
        for wrong in WRONG:
            with pytest.raises(ReviewLabError) as raised:
                await WAYS[way](lab.repo, bad(**WRONG[wrong]), tmp_path)
            found += [f"{wrong}, {leak}" for leak in leaks(raised.value, log())]

    assert found == []


@pytest.mark.parametrize(
    "way", [way for way in WAYS if way not in ("update_review", "upsert_review", "skip", "update", "transaction")]
)
async def test_a_duplicate_shows_its_key_alone(dsn, execute, log, tmp_path, way):
    """
    The commonest refusal of an import.
    """
    await execute(f"insert into reviews values ('{KEY}', '{PUBLIC}', '{PRIVATE}', 1, '2024-01-01')")
    async with connect(dsn, write=True) as lab:
        with pytest.raises(ReviewLabError, match="duplicate key|is there already") as raised:
            await WAYS[way](lab.repo, bad(review_id=KEY), tmp_path)

    assert leaks(raised.value, log()) == []


SINGLE = ("create_review", "upsert_review", "update_review", "models", "frame", "skip", "csv", "transaction")


@pytest.mark.parametrize("how", ["stopped", "killed", "timed out"])
async def test_a_write_that_is_broken_off_shows_nothing(dsn, execute, backends, log, tmp_path, how):
    """
    The values are in the driver's hands then, in the variables of a dozen frames; and the server sees them as $1.
    """
    found = []
    await execute(f"insert into reviews values ('{KEY}', 'x', 'x', 1, '2024-01-01')")
    options = "&options=-c%20lock_timeout%3D300ms" if how == "timed out" else ""
    async with connect(f"{dsn}{options}", write=True) as lab:
        for way in SINGLE:
            one = bad(review_id=KEY if way == "update_review" else bad().review_id)
            await execute("begin; lock table reviews in access exclusive mode")
            writing = asyncio.ensure_future(WAYS[way](lab.repo, one, tmp_path))
            await backends.running("reviews")
            assert await backends.count("query like '%canary%'") == 0, way
            if how == "stopped":
                writing.cancel()
            elif how == "killed":
                await backends.kill("state = 'active'")
            [error] = await asyncio.gather(writing, return_exceptions=True)
            await execute("rollback")
            if not isinstance(error, (ReviewLabError, asyncio.CancelledError)):
                found.append(f"{way} ended with {error!r}")
            else:
                found += [f"{way}, {leak}" for leak in leaks(error, log())]

    assert found == []


async def too_large(lab, _) -> None:
    await lab.reviews(include_private=True, max_bytes=100_000)


async def into_no_folder(lab, folder) -> None:
    await lab.export_parquet(folder / "none" / "reviews.parquet", include_private=True)


async def fails_in_the_consumer(lab, _) -> None:
    async with lab.stream(include_private=True) as batches:
        await anext(batches)
        await lab.sql("select 1 / 0")


READS = {
    "cast": lambda lab, _: lab.sql("select private_review::int from reviews"),
    "json": lambda lab, _: lab.sql("select private_review::json from reviews"),
    "time": lambda lab, _: lab.sql("select private_review::timestamp from reviews"),
    "regular expression": lambda lab, _: lab.sql("select 'x' ~ ('(' || private_review) from reviews"),
    "format": lambda lab, _: lab.sql("select format('%' || private_review) from reviews"),
    "array": lambda lab, _: lab.sql("select private_review::int[] from reviews"),
    "enum": lambda lab, _: lab.sql('select (\'{"a":"\' || private_review)::jsonb from reviews'),
    "uuid": lambda lab, _: lab.sql("select private_review::uuid from reviews"),
    "lost column": lambda lab, _: lab.sql("select private_review, nothing from reviews"),
    "too large": too_large,
    "no folder": into_no_folder,
    "a consumer": fails_in_the_consumer,
}


@pytest.mark.parametrize("road", READS)
async def test_a_read_that_fails_shows_nothing(dsn, execute, log, tmp_path, road):
    """
    PostgreSQL quotes the value that it cannot convert.
    """
    await execute(
        f"insert into reviews select gen_random_uuid(), '{PUBLIC}', '{PRIVATE}', 1, '2024-01-01' "
        "from generate_series(1, 5000)"
    )
    async with connect(dsn) as lab:
        with pytest.raises((ReviewLabError, ValueError)) as raised:
            await READS[road](lab, tmp_path)

    assert leaks(raised.value, log()) == []


@pytest.mark.parametrize("after", [3_000, 100_000, 400_000])
async def test_a_read_that_is_cut_shows_nothing(through, proxy, execute, quick, log, after):
    """
    Half of the texts have come by then.
    """
    await execute(
        f"insert into reviews select gen_random_uuid(), '{PUBLIC}', '{PRIVATE}', 1, '2024-01-01' "
        "from generate_series(1, 5000)"
    )
    async with connect(through, retries=0, **quick) as lab:
        proxy.cut_after = after

        for ask in (lambda: lab.reviews(include_private=True), lambda: lab.repo.list_reviews(include_private=True)):
            with pytest.raises(ReviewLabError) as raised:
                await ask()
            assert leaks(raised.value, log()) == []


async def test_a_read_that_is_stopped_shows_nothing(dsn, execute, log):
    """
    At every point where it waits, with blocks of texts in its hands.
    """
    await execute(
        f"insert into reviews select gen_random_uuid(), repeat('{PUBLIC} ', 10), '{PRIVATE}', 1, '2024-01-01' "
        "from generate_series(1, 300)"
    )
    found, stopped = [], []
    async with connect(dsn) as lab:

        async def read() -> None:
            try:
                await lab.reviews(include_private=True)
                await lab.repo.list_reviews_paginated(include_private=True)
            except asyncio.CancelledError as error:
                stopped.append(error)
                raise

        async def look() -> None:
            found.extend(leaks(stopped.pop(), log()))

        n_points = await sweep(read, look)

    assert found == []
    assert n_points > 5


async def test_a_traceback_still_leads_to_the_line_of_the_caller(lab):
    """
    What is taken out lies behind it; within a block the line counts that failed, not the one that began the block.
    """
    failed = []
    for ask in (lab.value, in_a_snapshot(lab)):
        try:
            await ask("select 1 / 0")
        except ReviewLabError as error:
            failed.append([entry.name for entry in traceback.extract_tb(error.__traceback__)])

    assert failed[0][0] == failed[1][0] == "test_a_traceback_still_leads_to_the_line_of_the_caller"
    assert failed[1][-1] == "fails_within"
    assert "value" in failed[0]


def in_a_snapshot(lab):
    async def fails_within(statement: str) -> None:
        async with lab.snapshot() as frozen:
            await frozen.value(statement)

    return fails_within


LOUD = {"log_statement": "all", "log_min_error_statement": "error", "log_error_verbosity": "terse"}


@pytest.fixture
def folder():
    """One that PostgreSQL may enter, also as another account."""
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


async def test_the_log_of_the_server_shows_no_text(folder, tmp_path):
    """
    It is read by others than the reviews, and kept for longer; with each statement in it.
    """
    with Server(folder / "data", durable=False, settings=LOUD) as server:
        await opening.init(load_settings(server.dsn))
        async with connect(server.dsn, write=True, scale=(1, 5)) as lab:
            await lab.repo.create_review(bad(review_id=KEY))
            for way in WAYS:
                for wrong in ({"rating": 9}, {"private_review": f"{PRIVATE}\0"}, {"review_id": KEY}):
                    with contextlib.suppress(ReviewLabError):
                        await WAYS[way](lab.repo, bad(**wrong), tmp_path)
            async with lab.connection() as connection:
                await connection.execute("alter table reviews add constraint stars check (rating <> 2) not valid")
            for way in WAYS:
                with contextlib.suppress(ReviewLabError):
                    await WAYS[way](lab.repo, bad(), tmp_path)
            await lab.reviews(include_private=True)
            await lab.repo.list_reviews(include_private=True)
        [log] = [path.read_text() for path in folder.glob("*.log")]

    assert "duplicate key" in log
    assert "violates check constraint" in log
    assert "canary" not in log


async def test_what_a_command_prints_shows_neither_a_text_nor_the_password(tmp_path):
    """
    A nightly job's output is mailed.
    """
    with Server(tcp=True, durable=False) as server:
        await opening.init(load_settings(server.dsn))
        password = urlsplit(server.dsn).password
        file = csv(bad(), tmp_path)
        twice, wrong, broken = (tmp_path / name for name in ("twice.csv", "wrong.csv", "broken.csv"))
        lines = file.read_text().splitlines()
        twice.write_text("\n".join([*lines, lines[-1]]))
        wrong.write_text("\n".join([*lines, f"{KEY},{PUBLIC},{PRIVATE},{PRIVATE},2024-01-01"]))
        broken.write_text("\n".join([*lines, f'{KEY},{PUBLIC},"{PRIVATE},2']))
        unknown = server.dsn.replace("//postgres:", "//nobody:")

        loads = [
            await command("load", *arguments, DATABASE_URL=server.dsn)
            for arguments in (
                *([str(path)] for path in (twice, wrong, broken, file, file)),
                ["--on-conflict", "update", str(file)],
            )
        ]
        page = str(tmp_path / "page.html")
        others = await asyncio.gather(
            *(
                command(*arguments, DATABASE_URL=server.dsn)
                for arguments in (["doctor"], ["roles"], ["init", "--notify"])
            ),
            command("report", "--out", page, DATABASE_URL=server.dsn),
            command("report", "--out", page, "--since", PRIVATE, DATABASE_URL=server.dsn),
            *(
                command("doctor", DATABASE_URL=dsn)
                for dsn in (unknown, f"{server.dsn}?sslmode=none", f"{server.dsn}/x")
            ),
        )

    printed = "".join(one.stdout + one.stderr for one in [*loads, *others])
    assert [one.returncode for one in loads] == [1, 1, 1, 0, 1, 0]
    assert [one.returncode for one in others] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert password not in printed
    assert PRIVATE not in printed.replace(f"'{PRIVATE}'", "")  # the argument that was typed
    assert PUBLIC not in printed
    assert "canary" not in (tmp_path / "page.html").read_text()


CELLS = [
    "%xmode Verbose\nimport os\nimport reviewlab as rl\nfrom datetime import datetime\nfrom reviewlab import charts",
    "lab = await rl.connect(write=True)\nlab",
    "lab.settings, lab.repo, vars(lab), lab._database.target",
    (
        "made = rl.ReviewModel(public_review='fine', private_review=os.environ['TEXT'], rating=4, "
        "submitted_at=datetime(2024, 1, 1))\nmade"
    ),
    "await lab.repo.create_review(made)",
    "await lab.repo.create_review(made)",
    "await lab.repo.create_reviews([made, made])",
    "await lab.repo.create_reviews(await lab.reviews(include_private=True))",
    "await lab.repo.update_review(made.model_copy(update={'rating': 'x'}))",
    "page = await lab.repo.list_reviews_paginated(include_private=True)\npage",
    "await lab.reviews()",
    "await lab.extent()",
    "charts.distribution(await lab.rating_counts('month'));",
    "await lab.sql('select private_review::int from reviews')",
    "await rl.connect(os.environ['WRONG'])",
    "await rl.connect(os.environ['WRONG'] + '?sslmode=verify-full')",
    "await lab.close()",
]
FAIL = [5, 6, 7, 8, 13, 14, 15]
"""Which of them end with an error."""


def test_a_saved_notebook_shows_neither_a_text_nor_the_password(monkeypatch, tmp_path):
    """
    It is committed, mailed and published, with the most talkative tracebacks.
    """
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with Server(tcp=True, durable=False) as server:
        run(opening.init(load_settings(server.dsn)))
        password = urlsplit(server.dsn).password
        monkeypatch.setenv("DATABASE_URL", server.dsn)
        monkeypatch.setenv("WRONG", server.dsn.replace(password, "canary-password-5083"))
        monkeypatch.setenv("TEXT", PRIVATE)

        NotebookClient(notebook, allow_errors=True, timeout=60, kernel_name="python3").execute()

    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    saved = (tmp_path / "notebook.ipynb").read_text()
    failed = [cell.source for cell in cells if any(output.output_type == "error" for output in cell.outputs)]
    assert failed == [CELLS[at] for at in FAIL]
    assert [line[:300] for line in saved.splitlines() if "canary" in line or password in line] == []
