"""Do a lab's figures equal plain SQL and pandas, on real reviews and on made-up tables?"""

import uuid
from datetime import datetime

import asyncpg
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reviewlab import connect, opening, ratings, run
from reviewlab.settings import load_settings

SUMMARY = """
select date_trunc(:every, (submitted_at at time zone 'UTC') at time zone :tz) as bucket,
       count(*) as n, avg(rating)::float8 as mean, stddev_samp(rating)::float8 as sd,
       percentile_cont(0.5) within group (order by rating) as median,
       percentile_cont(0.1) within group (order by rating) as p10,
       percentile_cont(0.25) within group (order by rating) as p25,
       percentile_cont(0.75) within group (order by rating) as p75,
       percentile_cont(0.9) within group (order by rating) as p90,
       avg((rating >= 7)::int)::float8 as share_positive, avg((rating <= 4)::int)::float8 as share_negative,
       avg((rating = 10)::int)::float8 as share_top, avg((rating in (1, 10))::int)::float8 as share_extreme,
       avg((rating >= 9)::int - (rating <= 6)::int)::float8 as net_score,
       mode() within group (order by rating) as mode
from reviews group by 1 order by 1
"""
HURTING = [
    "Europe/Berlin",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Gaza",
    "Antarctica/Troll",
    "UTC",
]
# around changes of those clocks, and on both sides of a year
MOMENTS = [
    datetime(2024, 3, 31, 0, 59, 59, 999_999),
    datetime(2024, 11, 3, 4, 30),
    datetime(2024, 10, 27, 1),
    datetime(2024, 4, 25, 22),
    datetime(2024, 4, 6, 15, 15),
    datetime(2024, 1, 1),
    datetime(2023, 12, 31, 23, 59, 59, 999_999),
]
BLANK_AND_FILLED = [("", None, 1), (" \t\n", "", 2), ("fine", " \r\n", 3), ("fine", "SECRET", 3), ("fine", "SECRET", 9)]
REVIEWS = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(MOMENTS),
            st.datetimes(datetime(2023, 10, 1), datetime(2024, 12, 1)),
        ),
        st.integers(0, 6),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def real_lab(server, real_reviews):
    """
    A lab on the real reviews, loaded once.
    """
    dsn = server.dsn_for("postgres")
    run(execute(dsn, "create database real_reviews"))
    run(opening.fill(load_settings(server.dsn_for("real_reviews")), csv=real_reviews))
    lab = run(connect(server.dsn_for("real_reviews")))
    yield lab
    run(lab.close())
    run(execute(dsn, "drop database real_reviews with (force)"))


async def execute(dsn, statement):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(("every", "tz"), [("week", "UTC"), ("month", "Asia/Seoul"), ("day", "America/New_York")])
def test_summaries_of_real_reviews_equal_plain_sql(real_lab, every, tz):
    """
    Every figure of every period, as PostgreSQL makes it of the rows.
    """
    summary = run(real_lab.rating_summary(every, tz=tz))

    expected = run(real_lab.sql(SUMMARY, every=every, tz=tz))
    found = summary[summary["n"] > 0]
    assert found.index.tz_localize(None).equals(pd.DatetimeIndex(expected.pop("bucket")))
    assert found["mode"].tolist() == expected.pop("mode").tolist()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name].astype(float), rtol=1e-12, atol=1e-12, err_msg=name)


def test_the_longest_summary_of_real_reviews_is_that_of_the_table(real_lab):
    """
    148,011 reviews, one row.
    """
    counts = run(real_lab.rating_counts("week"))

    whole = ratings.summarize(ratings.total(counts)).iloc[0]

    row = run(real_lab.sql("select avg(rating)::float8 mean, stddev_samp(rating)::float8 sd, count(*) n from reviews"))
    assert whole[["mean", "sd", "n"]].tolist() == pytest.approx(row.iloc[0].tolist(), rel=1e-12)


def test_hours_of_real_reviews_equal_those_that_pandas_finds(real_lab):
    """
    Days without a time of day are one hour of the zone, by summer time or not.
    """
    moments = run(real_lab.reviews(tz="Europe/Berlin"))

    counts = run(real_lab.by_weekday_hour(tz="Europe/Berlin"))

    at = moments["submitted_at"].dt
    expected = moments.groupby([at.day_of_week + 1, at.hour, moments["rating"]]).size()
    assert counts[counts["n"] > 0].set_index(["weekday", "hour", "rating"])["n"].to_dict() == expected.to_dict()


def test_lengths_of_real_reviews_equal_those_that_pandas_finds(real_lab):
    """
    Characters, not bytes: the texts are Korean.
    """
    reviews = run(real_lab.reviews(since="2010-01-01"))

    counts = run(real_lab.by_text_length(since="2010-01-01"))

    length = reviews["public_review"].str.strip(" \t\n\x0b\f\r").str.len()
    bins = pd.cut(length, [0, 1, 20, 50, 100, 200, 500, 1000, 10**9], right=False, labels=False)
    expected = reviews.groupby([bins, reviews["rating"]]).size()
    codes = counts["length_bin"].cat.codes
    assert counts[counts["n"] > 0].set_index([codes[counts["n"] > 0], "rating"])["n"].to_dict() == expected.to_dict()


@pytest.fixture(scope="module")
def table(server):
    """
    A lab on a table that each example fills anew.
    """
    name = f"aggregates_{uuid.uuid4().hex}"
    run(execute(server.dsn_for("postgres"), f"create database {name}"))
    run(opening.init(load_settings(server.dsn_for(name))))
    lab = run(connect(server.dsn_for(name), scale=(1, 5)))
    yield server.dsn_for(name), lab
    run(lab.close())
    run(execute(server.dsn_for("postgres"), f"drop database {name} with (force)"))


async def put(dsn, reviews):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("truncate reviews")
        rows = [(uuid.uuid4(), "text", None, rating, moment) for moment, rating in reviews]
        await connection.copy_records_to_table("reviews", records=rows)
    finally:
        await connection.close()


@settings(deadline=None, max_examples=60)
@given(
    reviews=REVIEWS, tz=st.sampled_from([None, *HURTING]), every=st.sampled_from(["day", "week", "month", "6 hours"])
)
@pytest.mark.filterwarnings("ignore:.*outside the scale")
def test_counts_equal_a_count_between_the_borders_of_each_period(table, reviews, tz, every):
    """
    Each review is in the one period whose borders it lies between, and none is lost, whatever the clocks do.
    """
    dsn, lab = table
    run(put(dsn, reviews))

    counts = run(lab.rating_counts(every, tz=tz))

    borders = counts[["bucket", "bucket_end"]].drop_duplicates()
    if tz is not None:
        borders = borders.apply(lambda column: column.dt.tz_convert("UTC").dt.tz_localize(None))
    begin, end = borders["bucket"], borders["bucket_end"]
    expected = [
        sum(low <= moment < high and stars == rating for moment, stars in reviews)
        for low, high in borders.itertuples(index=False)
        for rating in range(1, 6)
    ]
    assert counts.loc[counts["in_scale"], "n"].tolist() == expected
    outside = counts[~counts["in_scale"]]
    assert sorted(outside["rating"].repeat(outside["n"])) == sorted(stars for _, stars in reviews if stars in (0, 6))
    assert counts["n"].sum() == len(reviews)
    assert (begin[1:].to_numpy() == end[:-1].to_numpy()).all()


@settings(deadline=None, max_examples=40)
@given(reviews=REVIEWS, tz=st.sampled_from([None, "Europe/Berlin", "Asia/Tehran"]))
@pytest.mark.filterwarnings("ignore:.*outside the scale")
def test_summaries_equal_what_pandas_makes_of_the_rows(table, reviews, tz):
    """
    Ratings outside the scale are left out on both sides.
    """
    dsn, lab = table
    run(put(dsn, reviews))

    summary = run(lab.rating_summary("month", tz=tz))

    frame = run(lab.reviews(tz=tz, ratings=[1, 2, 3, 4, 5]))
    months = frame.groupby(frame["submitted_at"].dt.strftime("%Y-%m"))["rating"]
    found = summary[summary["n"] > 0]
    assert found.index.strftime("%Y-%m").tolist() == sorted(months.groups)
    expected = {"n": months.size(), "mean": months.mean(), "sd": months.std(), "median": months.median()}
    expected |= {f"p{at}": months.quantile(at / 100) for at in (10, 25, 75, 90)}
    expected["net_score"] = months.agg(lambda stars: (stars == 5).mean() - (stars <= 3).mean())
    expected["share_positive"] = months.agg(lambda stars: (stars >= 4).mean())
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values.to_numpy(float), rtol=1e-12, atol=1e-12, err_msg=name)
    assert found["mode"].tolist() == [values.mode().min() for _, values in sorted(months)]


async def test_texts_are_counted_where_there_is_more_than_white_space(lab, add_reviews):
    """
    An empty text says nothing; whether there was one is seen by its share.
    """
    for public, private, rating in BLANK_AND_FILLED:
        await add_reviews(public_review=public, private_review=private, rating=rating)

    with pytest.warns(UserWarning, match="1 reviews have a rating outside the scale 1 to 5"):
        counts = await lab.rating_counts("month", include_private=True, scale=(1, 5))
    with pytest.warns(UserWarning, match="outside the scale"):
        public = await lab.rating_counts("month", texts=True, scale=(1, 5))

    assert public.equals(counts.drop(columns="n_private"))
    by_rating = counts.set_index("rating")[["n", "n_public", "n_private"]]
    assert by_rating.to_numpy().tolist() == [[1, 0, 0], [1, 0, 0], [2, 2, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert ratings.summarize(counts)[["share_public", "share_private"]].iloc[0].tolist() == [0.5, 0.25]


async def test_a_role_without_private_texts_counts_public_ones(lab, add_reviews):
    """
    Private texts are read only when asked for, each time.
    """
    await add_reviews(private_review="SECRET")

    counts = [await lab.rating_counts("day"), await lab.rating_counts("day", texts=True)]

    assert [[name for name in frame if name.startswith("n")] for frame in counts] == [["n"], ["n", "n_public"]]
    assert counts[0].equals(counts[1].drop(columns="n_public"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (5, 1)}, "scale must be the lowest and the highest rating, such as (1, 5), not (5, 1)"),
        ({"scale": (1, 2.5)}, "not (1, 2.5)"),
        ({"scale": (1,)}, "not (1,)"),
        ({"since": "01.02.2024"}, "since must be a date or a time such as"),
        ({"until": "soon"}, "until must be a date or a time such as"),
        ({"since": "2024-02-01", "until": "2024-01-01"}, "since must be before until"),
        ({"edges": ["2024-01-01", "2024-02-01"], "until": "2024-01-15"}, "leave out since and until"),
        ({"edges": ["2024-02-01", "2024-01-01"]}, "edges must be sorted"),
        ({"tz": "Europe/Berln"}, "did you mean 'Europe/Berlin'?"),
        ({"every": "fortnight"}, "every must be such as"),
    ],
)
async def test_arguments_that_cannot_be_are_named(lab, add_reviews, options, message):
    """
    Before a single review is counted wrongly.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-20": 5})

    with pytest.raises(ValueError) as caught:
        await lab.rating_counts(**options)

    assert message in str(caught.value)


async def test_a_rating_far_from_all_others_asks_for_the_scale(lab, add_reviews):
    """
    One slip of the keyboard must not fill the memory with zeros.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-20": 2_000_000_000})

    with pytest.raises(ValueError) as caught:
        await lab.rating_counts("day")
    with pytest.warns(UserWarning, match="1 reviews have a rating outside the scale"):
        counts = await lab.rating_counts("day", scale=(1, 5))

    assert "from 5 to 2,000,000,000: name the scale, such as scale=(1, 5)" in str(caught.value)
    assert ratings.to_wide(counts).to_numpy().sum() == 1


async def test_infinite_times_are_in_no_period(lab, add_reviews, execute):
    """
    They would make the range endless; the extent says how many there are.
    """
    await add_reviews({"2024-01-01": 5, "2024-01-20": 5})
    for moment in ("infinity", "-infinity"):
        await execute(f"insert into reviews values (gen_random_uuid(), '', null, 1, '{moment}')")

    counts = await lab.rating_counts("month")

    assert counts["bucket"].unique().tolist() == [pd.Timestamp("2024-01-01")]
    assert counts["n"].sum() == 2
    assert (await lab.extent())["n_infinite"] == 2


async def test_an_empty_table_has_no_period_and_the_same_types(lab, add_reviews):
    """
    Without a range there is nothing to make periods of; with one each of them counts 0.
    """
    nothing = await lab.rating_counts("week", tz="Asia/Tokyo")
    zeros = await lab.rating_counts("week", tz="Asia/Tokyo", since="2024-01-01", until="2024-01-15")
    await add_reviews({"2024-01-03": 4})
    some = await lab.rating_counts("week", tz="Asia/Tokyo")

    assert [len(nothing), zeros["n"].tolist()] == [0, [0] * 10]
    assert nothing.dtypes.to_dict() == zeros.dtypes.to_dict() == some.dtypes.to_dict()


async def test_a_stored_clock_of_its_own_moves_every_count_alike(dsn, add_reviews):
    """
    A table written by the clock of an office in Berlin, read by somebody in Havana.
    """
    at = {"2024-03-31 01:59": 1, "2024-03-31 03:00": 2, "2024-10-27 01:59": 3, "2024-10-27 03:00": 4, "2024-01-01": 5}
    await add_reviews(at)

    async with connect(dsn, stored_tz="Europe/Berlin") as lab:
        reviews = await lab.reviews(tz="America/Havana")
        days = await lab.rating_counts("day", tz="America/Havana")
        hours = await lab.by_weekday_hour(tz="America/Havana")

    moments = pd.DatetimeIndex(list(at)).tz_localize("Europe/Berlin").tz_convert("America/Havana")
    assert sorted(reviews["submitted_at"]) == sorted(moments)
    found = days[days["n"] > 0].set_index("rating")["bucket"]
    assert found.to_dict() == dict(zip(at.values(), moments.normalize(), strict=True))
    found = hours[hours["n"] > 0].set_index("rating")[["weekday", "hour"]]
    assert found.sort_index().to_numpy().tolist() == [[m.isoweekday(), m.hour] for m in moments]


@pytest.mark.parametrize("texts", [False, True])
async def test_counts_of_some_ratings_and_a_text_keep_the_periods_of_all(lab, add_reviews, texts):
    """
    A search must not shift the axis of time, and what was left out must not look like a gap in the table.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 5}, public_review="it CRASHES, 100%")
    await add_reviews({"2024-01-02 12:00": 1, "2024-01-04": 2}, public_review="it crashes")

    found = await lab.rating_counts("day", ratings=[1, 5], text="crashes, 100%", texts=texts)

    assert found["bucket"].dt.day.unique().tolist() == [1, 2, 3, 4]
    assert found.query("n > 0")[["rating", "n"]].to_numpy().tolist() == [[1, 1], [5, 1]]
    assert found["rating"].unique().tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("helper", ["by_weekday_hour", "by_text_length"])
async def test_groups_of_some_ratings_and_a_text_hold_no_other(lab, add_reviews, helper):
    """
    The same filters mean the same reviews in every helper.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 5, "2024-01-03": 3}, public_review="it crashes")
    await add_reviews({"2024-01-04": 1}, public_review="fine")

    found = await getattr(lab, helper)(ratings=[1, 5], text="CRASH")

    assert found.query("n > 0")[["rating", "n"]].to_numpy().tolist() == [[1, 1], [5, 1]]
