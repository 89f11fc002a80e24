"""Reviews by hour of the week and by length of text equal what pandas makes of the rows."""

import pytest

SPRING_AND_AUTUMN = {
    "2024-03-31 00:59": 1,  # 01:59 in Berlin
    "2024-03-31 01:01": 5,  # 03:01: the clock skips 02
    "2024-10-27 00:30": 3,  # 02:30, first time
    "2024-10-27 01:30": 3,  # 02:30, second time
    "2024-06-30 22:30": 4,  # Monday already
}


@pytest.mark.parametrize("tz", [None, "Europe/Berlin", "Asia/Kathmandu"])
async def test_hours_of_the_week_equal_those_that_pandas_finds(lab, add_reviews, tz):
    """
    A zone that changes its clock, or lies beside the hour, must not misplace a review.
    """
    await add_reviews(SPRING_AND_AUTUMN)
    reviews = await lab.reviews(tz=tz)

    counts = await lab.by_weekday_hour(tz=tz)

    moments = reviews["submitted_at"].dt
    expected = reviews.groupby([moments.day_of_week + 1, moments.hour, reviews["rating"]]).size()
    found = counts[counts["n"] > 0].set_index(["weekday", "hour", "rating"])["n"]
    assert found.to_dict() == expected.to_dict()
    assert list(zip(counts["weekday"], counts["hour"], counts["rating"], strict=True)) == [
        (day, hour, rating) for day in range(1, 8) for hour in range(24) for rating in range(1, 6)
    ]


async def test_hours_of_the_week_keep_to_the_range_and_leave_infinite_times_out(lab, add_reviews, execute):
    """
    Two ranges side by side count each review once, and infinity has no hour.
    """
    await add_reviews({"2024-01-01": 1, "2024-01-02": 5})
    await execute("insert into reviews values (gen_random_uuid(), '', null, 2, 'infinity')")

    first = await lab.by_weekday_hour(until="2024-01-02")
    second = await lab.by_weekday_hour(since="2024-01-02")

    assert [first.query("n > 0")["rating"].tolist(), second.query("n > 0")["rating"].tolist()] == [[1], [5]]


async def test_a_rating_outside_the_scale_is_counted_where_it_occurs(lab, add_reviews):
    """
    Counted, never lost, and never a row of 168 zeros.
    """
    await add_reviews({"2024-01-01 07:00": 9, "2024-01-01 08:00": 2})

    hours = await lab.by_weekday_hour(scale=(1, 5))
    lengths = await lab.by_text_length(scale=(1, 5))

    assert hours[~hours["in_scale"]].to_numpy().tolist() == [[1, 7, 9, False, 1]]
    assert lengths[~lengths["in_scale"]].to_numpy().tolist() == [["1–19", 9, False, 1]]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ((1, 3, 4), {"empty": 2, "1–2": 1, "3": 1, "4+": 2}),
        ((0, 5), {"0–4": 5, "5+": 1}),
        ((4,), {"below 4": 4, "4+": 2}),
    ],
)
async def test_lengths_are_counted_in_characters_between_the_edges(lab, add_reviews, edges, expected):
    """
    Blank texts are empty, an emoji is one character, and the first of a group belongs to it.
    """
    for text in ("", " \t\n", " ab ", "a😀b", "日本語字", "12345"):
        await add_reviews({"2024-01-01": 5}, public_review=text)

    lengths = await lab.by_text_length(edges=edges)

    assert lengths.groupby("length_bin", observed=False)["n"].sum().to_dict() == expected
    assert lengths["length_bin"].cat.ordered
    assert lengths["rating"].tolist() == [1, 2, 3, 4, 5] * len(expected)


async def test_an_empty_table_has_every_group(lab):
    """
    A chart of nothing must say so, not fail.
    """
    hours, lengths = await lab.by_weekday_hour(), await lab.by_text_length()

    assert (len(hours), hours["n"].sum()) == (7 * 24 * 5, 0)
    assert (len(lengths), lengths["n"].sum()) == (8 * 5, 0)
    assert hours.dtypes.astype(str).tolist() == ["int64", "int64", "int64", "bool", "int64"]
    assert lengths.drop(columns="length_bin").dtypes.astype(str).tolist() == ["int64", "bool", "int64"]


@pytest.mark.parametrize(
    ("edges", "message"), [((), "at least one"), ((1.5,), "whole numbers"), ((-1, 2), "whole"), ((2, 2), "each once")]
)
async def test_wrong_edges_are_refused(lab, edges, message):
    """
    PostgreSQL would count between unsorted edges, wrongly.
    """
    with pytest.raises(ValueError, match=message):
        await lab.by_text_length(edges=edges)


async def test_groups_can_be_drawn(lab, add_reviews):
    """
    The frames are what the charts take.
    """
    from matplotlib import pyplot as plt

    from reviewlab import charts

    await add_reviews(SPRING_AND_AUTUMN)

    drawn = [charts.weekday_hour(await lab.by_weekday_hour()), charts.text_length(await lab.by_text_length())]

    texts = [charts.alt_text(ax) for ax in drawn]
    plt.close("all")
    assert all("of 5 ratings" in text for text in texts)
