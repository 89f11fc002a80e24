"""What is written comes back exactly, or is refused whole: every character, every time, and a disk without room."""

import os
import random
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest
from conftest import pool_is_whole
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_helpers import review, reviews

from reviewlab import QueryError, ReviewDataError, ReviewModel, connect

SCALARS = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x110000)]))
"""Every character that UTF-8 can hold, but NUL."""

WAYS = ["create_review", "upsert_review", "update_review", "models", "frame", "parquet", "csv", "skip", "update"]


async def write(repo, made: list[ReviewModel], way: str, folder: Path) -> None:
    """Bring reviews into the table."""
    if way in ("create_review", "upsert_review"):
        for one in made:
            await getattr(repo, way)(one)
    elif way == "update_review":
        for one in made:
            await repo.create_review(review(review_id=one.review_id))
            assert await repo.update_review(one)
    elif way in ("models", "skip", "update"):
        await repo.create_reviews(made, on_conflict="error" if way == "models" else way)
    else:
        rows = [{name: getattr(one, name) for name in ReviewModel.model_fields} for one in made]
        frame = pd.DataFrame(rows, dtype=object if way == "objects" else None)
        path = folder / f"{uuid4()}.{way}"
        if way == "parquet":
            frame.assign(review_id=frame["review_id"].astype(str)).to_parquet(path)
        if way == "csv":
            frame.to_csv(path, index=False, lineterminator="\n")
        await repo.create_reviews(path if way in ("parquet", "csv") else frame)


@pytest.mark.parametrize("way", WAYS)
async def test_every_character_is_written_and_read_exactly(writing_lab, tmp_path, way):
    """
    All 1,112,063 of them, in each order that a review may have; read as models and as a frame.
    """
    pieces = [SCALARS[at : at + 400_000] for at in range(0, len(SCALARS), 400_000)]
    made = [review(public_review=text, private_review=text[::-1]) for text in pieces]

    await write(writing_lab.repo, made, way, tmp_path)

    found = await writing_lab.repo.find_reviews_by_ids([one.review_id for one in made], include_private=True)
    frame = (await writing_lab.reviews(include_private=True)).set_index("review_id")
    assert found == made
    assert [frame["public_review"][str(one.review_id)] for one in made] == [one.public_review for one in made]


AWKWARD = [
    "",
    " ",
    "\\N",
    "NULL",
    "\\.",
    '"',
    '""',
    "'",
    "a,b",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\\",
    "\u202e",
    "👩\u200d🚀",
    "\ufeff",
    "\x01",
]
TEXTS = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
REVIEWS = st.builds(
    ReviewModel,
    public_review=TEXTS,
    private_review=st.one_of(st.none(), TEXTS),
    rating=st.integers(-(2**31), 2**31 - 1),
    submitted_at=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 31)),
)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "csv"])  # pandas writes None and "" alike
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(REVIEWS, min_size=1, max_size=60, unique_by=lambda one: one.review_id))
async def test_any_mixture_of_reviews_comes_back(writing_lab, tmp_path, way, made):
    """
    NULL beside an empty text, quotes, ends of lines, the year 1 and the year 9999.
    """
    await write(writing_lab.repo, made, way, tmp_path)

    ids = [one.review_id for one in made]
    assert await writing_lab.repo.find_reviews_by_ids(ids, include_private=True) == made


CANARY = "canary-private-text-7319"
WRONG = {
    "NUL": {"private_review": f"{CANARY}\0"},
    "NUL alone": {"public_review": "\0"},
    "half a pair": {"private_review": f"{CANARY}\ud83d"},
    "the other half": {"public_review": f"\ude00{CANARY}"},
    "bytes": {"public_review": CANARY.encode() + b"\xff"},
    "list": {"private_review": [CANARY]},
    "half a star": {"rating": 2.5},
    "not a number": {"rating": float("nan")},
    "infinitely many": {"rating": float("inf")},
    "truth": {"rating": True},
    "text": {"rating": "5"},
    "none": {"rating": None},
    "beyond int4": {"rating": 2**31},
    "below int4": {"rating": -(2**31) - 1},
    "beyond int8": {"rating": 10**30},
    "off the scale": {"rating": 6},
    "a billion": {"rating": 10**9},
    "aware": {"submitted_at": pd.Timestamp("2024-01-01", tz="Europe/Berlin")},
    "words": {"submitted_at": CANARY},
    "no time": {"submitted_at": None},
    "no id": {"review_id": CANARY},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_cannot_be_stored_is_refused_before_it_is_sent(dsn, fetch, tmp_path, wrong):
    """
    Named by its column, not shown; nothing of it is there, and nothing was sent that a server could log.
    """
    column = next(iter(WRONG[wrong]))
    bad, sent = review(private_review=CANARY).model_copy(update=WRONG[wrong]), []
    async with connect(dsn, write=True, scale=(1, 5)) as lab:
        async with lab._database.acquire("looking") as connection:
            connection.add_query_logger(lambda record: sent.append(record.query))
        for way in ("create_review", "upsert_review", "update_review", "models", "objects", "skip", "update"):
            single = way.endswith("_review")

            with pytest.raises(ReviewDataError, match=column) as raised:
                if way == "update_review":
                    await lab.repo.update_review(bad)
                else:
                    await write(lab.repo, [bad] if single else [*reviews(2), bad], way, tmp_path)

            assert (raised.value.column, raised.value.row) == (column, None if single else 3), way
            assert CANARY not in str(raised.value) + str(raised.value.__context__) + str(raised.value.__cause__), way
        assert sent == []
        assert await fetch("select from reviews") == []
        assert await pool_is_whole(lab)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
async def test_a_filter_that_no_text_can_match_is_refused(lab, text):
    """
    Not an error of the driver that shows the filter.
    """
    for ask in (lab.count, lab.reviews, lab.rating_counts, lab.by_weekday_hour, lab.by_text_length):
        with pytest.raises(ValueError, match=":pattern holds (a NUL|half)") as raised:
            await ask(text=text)
        assert "b" not in str(raised.value).split()
    assert await pool_is_whole(lab)


async def test_times_of_the_table_that_nobody_can_write_are_read_and_those_that_can_be_are_kept(writing_lab, execute):
    """
    Infinite and far times come from SQL; a model writes every time that a datetime holds, never one with a zone.
    """
    ends = [
        datetime(1, 1, 2),
        datetime(1500, 2, 28, 23, 59, 59, 999999),
        datetime(2024, 3, 31, 2, 30),
        datetime(9999, 12, 30),
    ]
    made = [review(submitted_at=moment) for moment in ends]
    for one in made:
        await writing_lab.repo.create_review(one)
    await writing_lab.repo.create_reviews([review(submitted_at=moment) for moment in ends])
    for moment in ("infinity", "-infinity"):
        await execute(f"insert into reviews values (gen_random_uuid(), 'x', null, 3, '{moment}')")

    found = await writing_lab.repo.list_reviews()

    assert [one.submitted_at for one in found] == sorted([*ends, *ends, datetime.max, datetime.min], reverse=True)
    assert {one.submitted_at.tzinfo for one in found} == {None}


@pytest.fixture
def small_disk(tmp_path_factory):
    """A folder on a disk of 12 megabytes."""
    folder = Path("/tmp") / f"reviewlab-{uuid4().hex}"
    if os.name != "posix" or os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root on Linux can mount a small disk: a full disk is NOT tested")
    folder.mkdir()
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip(f"no disk can be mounted here: a full disk is NOT tested ({done.stderr.decode().strip()})")
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    finally:
        folder.rmdir()


@pytest.fixture
async def small_table(small_disk, fetch, execute):
    """The table, and temporary ones, on that disk."""
    [data_folder] = await fetch("show data_directory")
    owner = Path(data_folder[0]).stat()
    os.chown(small_disk, owner.st_uid, owner.st_gid)
    space = f"small_{uuid4().hex}"
    await execute(f"create tablespace {space} location '{small_disk}'")
    await execute(f"alter table reviews set tablespace {space}")
    await execute("alter table reviews alter public_review set storage external")
    yield f"&options=-c%20temp_tablespaces%3D{space}"
    await execute("drop table reviews")
    await execute(f"drop tablespace {space}")


@pytest.mark.parametrize("on_conflict", ["error", "skip", "update"])
async def test_a_full_disk_undoes_the_whole_load(small_table, small_disk, dsn, on_conflict):
    """
    And the same connection goes on, once there is room.
    """
    texts = random.Random(1)
    large = [one.model_copy(update={"public_review": texts.randbytes(4000).hex()}) for one in reviews(3000)]
    async with connect(f"{dsn}{small_table}", write=True, max_connections=1) as lab:
        [kept] = reviews(1)
        await lab.repo.create_review(kept)
        [before] = await lab._database.read(pids, doing="asking")

        with pytest.raises(QueryError, match="No space left on device") as raised:
            await lab.repo.create_reviews(large, on_conflict=on_conflict)

        assert raised.value.sqlstate == "53100"
        assert await lab.repo.list_reviews() == [kept]
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        assert await lab.repo.create_reviews(large[:10], on_conflict=on_conflict) == 10
        assert await lab._database.read(pids, doing="asking") == [before]
        assert await pool_is_whole(lab)


async def pids(connection) -> list[int]:
    return [connection.get_server_pid()]


@pytest.mark.parametrize("on_conflict", ["skip", "update"])
async def test_a_limit_for_temporary_files_undoes_the_whole_load(dsn, fetch, on_conflict):
    """
    Many hosted servers have one, and a load that is sorted meets it.
    """
    limited = f"{dsn}&options=-c%20temp_file_limit%3D64kB%20-c%20work_mem%3D64kB"
    async with connect(limited, write=True) as lab:
        with pytest.raises(QueryError, match="temporary file size exceeds") as raised:
            await lab.repo.create_reviews(reviews(5000), on_conflict=on_conflict)

        assert raised.value.sqlstate == "53400"
        assert await fetch("select from reviews") == []
        assert await pool_is_whole(lab)
