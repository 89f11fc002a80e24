"""Private texts and the password are in nothing that a write or a read leaves behind, whatever goes wrong with it."""

import io
import logging
import pickle
import traceback
import warnings
from pathlib import Path

import pandas as pd
import pytest
from review_helpers import review, reviews
from rich.console import Console
from rich.traceback import Traceback

from reviewlab import ReviewLabError, connect

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
