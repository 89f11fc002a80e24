"""Every public road by which reviews are read, each telling how many it has seen: for promises that hold for all."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pandas as pd

from reviewlab import ReviewLab

Road = Callable[[ReviewLab, Path], Awaitable[int]]
COUNT = "select count(*) as n from reviews"


async def reviews(lab: ReviewLab, _: Path) -> int:
    return len(await lab.reviews())


async def reviews_in_parts(lab: ReviewLab, _: Path) -> int:
    return len(await lab.reviews(parallel=3))


async def reviews_of_a_range(lab: ReviewLab, _: Path) -> int:
    return len(await lab.reviews(parallel=2, since="2020-01-01", text="e", order_by="rating"))


async def reviews_of_a_sample(lab: ReviewLab, _: Path) -> int:
    return len(await lab.reviews(sample=1.0))


async def stream(lab: ReviewLab, _: Path) -> int:
    async with lab.stream(batch_rows=2) as batches:
        return sum([len(batch) async for batch in batches])


async def export_parquet(lab: ReviewLab, folder: Path) -> int:
    await lab.export_parquet(folder / "reviews.parquet")
    return len(pd.read_parquet(folder / "reviews.parquet"))


async def count(lab: ReviewLab, _: Path) -> int:
    return await lab.count()


async def extent(lab: ReviewLab, _: Path) -> int:
    return int((await lab.extent())["n"])


async def rating_counts(lab: ReviewLab, _: Path) -> int:
    return int((await lab.rating_counts("year"))["n"].sum())


async def rating_counts_with_texts(lab: ReviewLab, _: Path) -> int:
    return int((await lab.rating_counts("year", texts=True))["n"].sum())


async def rating_summary(lab: ReviewLab, _: Path) -> int:
    return int((await lab.rating_summary("year"))["n"].sum())


async def by_weekday_hour(lab: ReviewLab, _: Path) -> int:
    return int((await lab.by_weekday_hour())["n"].sum())


async def by_text_length(lab: ReviewLab, _: Path) -> int:
    return int((await lab.by_text_length())["n"].sum())


async def sql(lab: ReviewLab, _: Path) -> int:
    return int((await lab.sql(COUNT))["n"][0])


async def value(lab: ReviewLab, _: Path) -> int:
    return await lab.value(COUNT)


async def snapshot(lab: ReviewLab, _: Path) -> int:
    async with lab.snapshot() as frozen:
        return len(await frozen.reviews())


async def connection(lab: ReviewLab, _: Path) -> int:
    async with lab.connection() as lent:
        return await lent.fetchval(COUNT)


async def session(lab: ReviewLab, _: Path) -> int:
    async with lab.connection(transaction=False) as lent:
        return await lent.fetchval(COUNT)


async def explore(lab: ReviewLab, _: Path) -> int:
    explorer = await lab.explore()
    await explorer.settled()
    n = int(explorer.data["n"].sum())
    explorer.close()
    return n


async def count_reviews(lab: ReviewLab, _: Path) -> int:
    return await lab.repo.count_reviews()


async def list_reviews(lab: ReviewLab, _: Path) -> int:
    return len(await lab.repo.list_reviews())


async def list_reviews_paginated(lab: ReviewLab, _: Path) -> int:
    return (await lab.repo.list_reviews_paginated(limit=1)).total


async def iterate_reviews(lab: ReviewLab, _: Path) -> int:
    return len([one async for one in lab.repo.iterate_reviews(batch_rows=2)])


async def find_reviews_by_ids(lab: ReviewLab, _: Path) -> int:
    ids = (await lab.reviews(columns=["review_id"]))["review_id"]
    return len(await lab.repo.find_reviews_by_ids(ids))


async def find_review_by_id(lab: ReviewLab, _: Path) -> int:
    ids = (await lab.reviews(columns=["review_id"]))["review_id"]
    return len([one for review_id in ids if (one := await lab.repo.find_review_by_id(review_id))])


PRIVATE: dict[str, Road] = {
    "reviews": lambda lab, _: texts(lab.reviews(include_private=True)),
    "reviews_in_parts": lambda lab, _: texts(lab.reviews(include_private=True, parallel=3)),
    "reviews_of_a_sample": lambda lab, _: texts(lab.reviews(include_private=True, sample=1.0)),
    "rating_counts": lambda lab, _: written(lab.rating_counts("year", texts=True, include_private=True)),
    "sql": lambda lab, _: texts(lab.sql("select private_review from reviews")),
    "list_reviews": lambda lab, _: models(lab.repo.list_reviews(include_private=True)),
    "list_reviews_paginated": lambda lab, _: models(lab.repo.list_reviews_paginated(include_private=True)),
    "iterate_reviews": lambda lab, _: models(iterated(lab)),
}
"""Those that can read private texts, each telling how many it has seen."""


async def texts(reading: Awaitable[pd.DataFrame]) -> int:
    return int((await reading)["private_review"].count())


async def written(counting: Awaitable[pd.DataFrame]) -> int:
    return int((await counting)["n_private"].sum())


async def models(reading: Awaitable[object]) -> int:
    found = await reading
    return sum(one.private_review is not None for one in getattr(found, "reviews", found))


async def iterated(lab: ReviewLab) -> list[object]:
    return [one async for one in lab.repo.iterate_reviews(include_private=True)]


PUBLIC: dict[str, Road] = {
    road.__name__: road
    for road in (
        *(reviews, reviews_in_parts, reviews_of_a_range, reviews_of_a_sample, stream, export_parquet, count, extent),
        *(rating_counts, rating_counts_with_texts, rating_summary, by_weekday_hour, by_text_length, sql, value),
        *(snapshot, connection, session, explore),
        *(count_reviews, list_reviews, list_reviews_paginated, iterate_reviews, find_reviews_by_ids, find_review_by_id),
    )
}
"""Those that read no private text."""
