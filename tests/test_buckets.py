"""Do periods begin and end where the clocks on the wall say so?"""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reviewlab import buckets

QUARTER_HOUR = timedelta(minutes=15)
LATER = datetime(2040, 1, 1)
# zone, and a day near which its clocks do something odd
CHANGES = [
    ("Europe/Berlin", date(2024, 3, 31)),  # 23 hours
    ("Europe/Berlin", date(2024, 10, 27)),  # 25 hours
    ("America/Havana", date(2024, 3, 10)),  # midnight is skipped
    ("America/Havana", date(2024, 11, 3)),  # midnight comes twice
    ("Africa/Cairo", date(2024, 4, 26)),  # midnight is skipped
    ("Africa/Cairo", date(2023, 10, 27)),  # the last hour before midnight comes twice
    ("Asia/Tehran", date(2021, 3, 22)),  # half-hour zone, midnight is skipped
    ("Asia/Tehran", date(2021, 9, 22)),
    ("Australia/Lord_Howe", date(2024, 4, 7)),  # half an hour back
    ("Australia/Lord_Howe", date(2024, 10, 6)),  # half an hour forward
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that never was
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # midnight is skipped
    ("Asia/Gaza", date(2011, 8, 30)),  # summer time paused for Ramadan
    ("Asia/Gaza", date(2024, 4, 20)),
    ("Antarctica/Troll", date(2024, 3, 31)),  # two hours forward
    ("Antarctica/Troll", date(2024, 10, 27)),
    ("UTC", date(2024, 2, 29)),
]
PERIOD_OF = {
    "6 hours": lambda wall: (wall.date(), wall.hour // 6),
    "day": lambda wall: wall.date(),
    "28 days": lambda wall: (wall.toordinal() - date(1970, 1, 5).toordinal()) // 28,
    "week": lambda wall: (wall.toordinal() - 1) // 7,
    "2 weeks": lambda wall: (wall.toordinal() - date(1970, 1, 5).toordinal()) // 14,
    "month": lambda wall: (wall.year, wall.month),
    "quarter": lambda wall: (wall.year, (wall.month - 1) // 3),
    "5 months": lambda wall: (wall.year * 12 + wall.month - 1) // 5,
    "year": lambda wall: wall.year,
}


def walked(every, zone, since, until):
    """
    Walk through time by quarters of an hour, and note each moment at which the wall clock first shows a new period.
    """
    starts, latest, moment = [], None, since.replace(tzinfo=UTC)
    while moment < until.replace(tzinfo=UTC):
        period = PERIOD_OF[every](moment.astimezone(zone))
        if latest is None or period > latest:
            starts.append(moment)
            latest = period
        moment += QUARTER_HOUR
    return [start.replace(tzinfo=None) for start in starts]


def make(every, since, until, **options):
    return buckets.make_buckets(every, since, until, **{"as_of": LATER, "tz": None} | options)


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize("every", ["6 hours", "day", "28 days", "week", "2 weeks", "month", "quarter", "5 months"])
def test_periods_begin_where_a_walk_through_time_meets_them(zone, day, every):
    """
    The server's own functions are wrong in the zones where this is hard; a review must count in the right period.
    """
    since = datetime(day.year, day.month, day.day) - timedelta(days=17, hours=5, minutes=45)
    until = since + timedelta(days=45)

    made = make(every, since, until, tz=zone)

    assert made.edges == [*walked(every, ZoneInfo(zone), since, until), until]


@settings(deadline=None)
@given(
    zone=st.sampled_from(sorted({zone for zone, _ in CHANGES})),
    every=st.sampled_from(["6 hours", "day", "week", "month", "year"]),
    since=st.integers(0, 17 * 365 * 24).map(lambda hours: datetime(2008, 1, 1) + timedelta(hours=hours)),
    days=st.integers(1, 40),
)
@example(zone="Pacific/Apia", every="day", since=datetime(2011, 12, 30, 9), days=2)
def test_periods_begin_there_at_any_time(zone, every, since, days):
    """
    Seventeen years of changes, also those that a government announced a week before.
    """
    until = since + timedelta(days=days)

    made = make(every, since, until, tz=zone)

    assert made.edges == [*walked(every, ZoneInfo(zone), since, until), until]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
@pytest.mark.parametrize(("every", "minutes"), [("hour", 60), ("15 minutes", 15)])
def test_hours_are_steps_of_time_from_each_midnight(zone, day, every, minutes):
    """
    Two hours of an autumn night must not be merged into one.
    """
    since = datetime(day.year, day.month, day.day) - timedelta(days=1, minutes=30)
    until = since + timedelta(days=3)

    made = make(every, since, until, tz=zone)

    days = [*walked("day", ZoneInfo(zone), since - timedelta(days=2), until + timedelta(days=2))]
    steps = {
        begin + timedelta(minutes=minutes) * step
        for begin, end in pairwise(days)
        for step in range(-((begin - end) // timedelta(minutes=minutes)))
    }
    assert made.edges == [since, *sorted(step for step in steps if since < step < until), until]


def test_a_long_day_has_twenty_five_hours_and_a_short_one_twenty_three():
    """
    Bars per hour must show what happened in each hour that there was.
    """
    long = make("hour", datetime(2024, 10, 26, 22), datetime(2024, 10, 27, 23), tz="Europe/Berlin")
    short = make("hour", datetime(2024, 3, 30, 23), datetime(2024, 3, 31, 22), tz="Europe/Berlin")

    assert (len(long.bucket), len(short.bucket)) == (25, 23)
    assert long.bucket[2:4].strftime("%H:%M%z").tolist() == ["02:00+0200", "02:00+0100"]


def test_borders_are_aware_in_the_zone_and_edges_naive_on_the_stored_clock():
    """
    The frame is read by people in their zone, the edges are compared with what is stored.
    """
    made = make("day", datetime(2024, 7, 1, 3), datetime(2024, 7, 3), tz="America/New_York", stored_tz="Europe/Berlin")

    assert made.edges == [datetime(2024, 7, 1, 3), *(datetime(2024, 7, day, 6) for day in (1, 2)), datetime(2024, 7, 3)]
    assert made.bucket.equals(pd.date_range("2024-06-30", periods=3, tz="America/New_York", unit="us"))
    assert made.bucket_end.equals(pd.date_range("2024-07-01", periods=3, tz="America/New_York", unit="us"))


def test_without_a_zone_borders_are_naive():
    """
    Without tz everything is as it is stored.
    """
    made = make("month", datetime(2024, 1, 31), datetime(2024, 3, 2), stored_tz="Europe/Berlin")

    assert made.bucket.dtype == "datetime64[us]"
    assert made.bucket.strftime("%F").tolist() == ["2024-01-01", "2024-02-01", "2024-03-01"]


@pytest.mark.parametrize(("week_start", "first"), [("mon", "2024-01-01"), ("sun", "2023-12-31"), ("tue", "2023-12-26")])
def test_weeks_begin_on_the_day_that_was_asked_for(week_start, first):
    """
    Half of the world begins its week on Sunday; the label is the first day.
    """
    made = make("week", datetime(2024, 1, 1, 12), datetime(2024, 1, 2), week_start=week_start)

    assert made.bucket.strftime("%F").tolist()[0] == first


def test_long_strides_are_the_same_whatever_the_range():
    """
    Two analysts who ask for "28 days" over different ranges must be able to lay their results side by side.
    """
    early = make("28 days", datetime(2023, 5, 5), datetime(2025, 1, 1))
    late = make("28 days", datetime(2024, 6, 7), datetime(2025, 1, 1))

    assert set(late.bucket) <= set(early.bucket)
    assert {border.weekday() for border in early.bucket} == {0}


@pytest.mark.parametrize(
    ("since", "until", "as_of", "options", "expected"),
    [
        ("2024-01-01", "2024-01-03", "2024-02-01", {}, [True, True]),
        ("2024-01-01T06:00", "2024-01-03", "2024-02-01", {}, [False, True]),
        ("2024-01-01", "2024-01-02T06:00", "2024-02-01", {}, [True, False]),
        ("2024-01-01T06:00", "2024-01-02T06:00", "2024-02-01", {"since_is_cut": False}, [True, False]),
        ("2024-01-01T06:00", "2024-01-02T06:00", "2024-02-01", {"until_is_cut": False}, [False, True]),
        ("2024-01-01", "2024-01-03", "2024-01-02T23:59", {}, [True, False]),
        ("2024-01-01", "2024-01-03", "2024-01-03", {}, [True, True]),
        ("2024-01-01T01:00", "2024-01-01T02:00", "2024-02-01", {}, [False]),
    ],
)
def test_a_period_is_complete_unless_cut_or_open(since, until, as_of, options, expected):
    """
    Half a day beside whole ones looks like a fall; it must be possible to mark it, at both ends.
    """
    moments = [datetime.fromisoformat(moment) for moment in (since, until)]

    made = make("day", *moments, as_of=datetime.fromisoformat(as_of), **options)

    assert made.complete.tolist() == expected


def test_the_last_review_is_part_of_the_range_that_was_not_asked_for():
    """
    Edges are half-open; a review at the very end must be counted all the same.
    """
    last = datetime(2024, 1, 2)

    made = make("day", datetime(2024, 1, 1), last, until_is_cut=False)

    assert made.edges == [datetime(2024, 1, 1), last, last + timedelta(microseconds=1)]


def test_no_review_gives_no_period():
    """
    An empty table is an empty frame with the same dtypes, not an error.
    """
    made = make("week", None, None, tz="Asia/Tokyo")

    assert (made.edges, len(made.bucket), len(made.complete)) == ([], 0, 0)
    assert str(made.bucket.dtype) == "datetime64[us, Asia/Tokyo]"


def test_own_edges_are_the_borders_of_periods():
    """
    Before and after a release is the question most asked.
    """
    made = buckets.own_edges(
        ["2024-01-10", "2024-02-01T12:00", "2024-03-01"], as_of=datetime(2024, 2, 15), tz="Asia/Tokyo"
    )

    assert made.edges == [datetime(2024, 1, 9, 15), datetime(2024, 2, 1, 3), datetime(2024, 2, 29, 15)]
    assert made.bucket_end[0] == made.bucket[1] == pd.Timestamp("2024-02-01T12:00", tz="Asia/Tokyo")
    assert made.complete.tolist() == [True, False]


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (["2024-01-01"], "at least two edges, each a time; there are 1"),
        (["2024-01-01", None], "at least two edges"),
        (["2024-02-01", "2024-01-01"], "edges must be sorted"),
        (["2024-01-01", "2024-01-01"], "2024-01-01 00:00:00 does not come after 2024-01-01 00:00:00"),
        (
            ["2024-01-01", "soon"],
            "an edge must be a date or a time such as '2026-01-31' or",
        ),
    ],
)
def test_own_edges_that_make_no_periods_are_refused(edges, message):
    """
    width_bucket would answer nonsense for them without a word.
    """
    with pytest.raises(ValueError, match=message):
        buckets.own_edges(edges, as_of=LATER, tz=None)


@pytest.mark.parametrize(
    ("every", "options", "message"),
    [
        ("fortnight", {}, "every must be such as 'day', 'week', '15 minutes' or '3 months', not 'fortnight'"),
        ("0 days", {}, "not '0 days'"),
        (7, {}, "not 7"),
        ("7 hours", {}, "must divide 24 hours, and '7 hours' does not"),
        ("25 hours", {}, "must divide 24 hours"),
        ("week", {"week_start": "monday"}, "week_start must be one of mon, tue, wed, thu, fri, sat, sun, not 'monday'"),
        ("week", {"tz": "Europe/Berln"}, "no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'"),
        ("week", {"tz": "../etc/passwd"}, "no time zone"),
        ("hour", {"max_buckets": 100}, "every='hour' makes 8,784 periods here, more than 100: take longer"),
        ("day", {"max_buckets": 365}, "every='day' makes 366 periods here, more than 365"),
        (
            "hour",
            {"tz": "UTC", "stored_tz": "Europe/Berlin", "max_buckets": 10_000},
            "the stored clock Europe/Berlin was put",
        ),
    ],
)
def test_periods_that_cannot_be_are_refused(every, options, message):
    """
    Says what was asked for, and what to ask for instead.
    """
    with pytest.raises(ValueError, match=message):
        make(every, datetime(2024, 1, 1), datetime(2025, 1, 1), **options)


def test_an_empty_range_is_refused():
    """
    Swapped arguments are a slip, and would give an empty chart.
    """
    with pytest.raises(ValueError, match="since must be before until; they are 2024-01-02 00:00:00 and 2024-01-01"):
        make("day", datetime(2024, 1, 2), datetime(2024, 1, 1))


@pytest.mark.parametrize(("every", "years"), [("day", 1), ("month", 31), ("year", 366)])
def test_as_many_periods_as_allowed_are_made(every, years):
    """
    The limit guards against a slip; it must not refuse what it allows.
    """
    since, until = datetime(1900, 1, 1), datetime(1900 + years, 1, 1)
    n = {"day": (until - since).days, "month": 12 * years, "year": years}[every]

    made = make(every, since, until, max_buckets=n)

    assert len(made.bucket) == n


def test_hours_are_counted_up_to_the_day_before_the_stored_clock_changes():
    """
    The change is refused only where it lies in the range.
    """
    made = make("hour", datetime(2024, 3, 28), datetime(2024, 3, 31), tz="Europe/Berlin", stored_tz="Europe/Berlin")

    assert len(made.bucket) == 72


@pytest.mark.parametrize(
    ("moment", "tz", "stored_tz", "expected"),
    [
        (None, None, "UTC", None),
        ("2024-07-01", None, "UTC", datetime(2024, 7, 1)),
        ("2024", None, "UTC", datetime(2024, 1, 1)),
        ("2024-07-01 10:00", "Europe/Berlin", "UTC", datetime(2024, 7, 1, 8)),
        ("2024-07-01T10:00+05:30", "Europe/Berlin", "UTC", datetime(2024, 7, 1, 4, 30)),
        (date(2024, 7, 1), "Europe/Berlin", "Asia/Tokyo", datetime(2024, 7, 1, 7)),
        (datetime(2024, 7, 1, 10, tzinfo=UTC), None, "Europe/Berlin", datetime(2024, 7, 1, 12)),
        (pd.Timestamp("2024-07-01T10:00:00.123456789", tz="UTC"), None, "UTC", datetime(2024, 7, 1, 10, 0, 0, 123456)),
        (np.datetime64("2024-07-01T10:00"), None, "UTC", datetime(2024, 7, 1, 10)),
    ],
)
def test_moments_are_placed_on_the_stored_clock(moment, tz, stored_tz, expected):
    """
    One rule for since, until and edges of every helper.
    """
    assert buckets.stored(moment, tz=tz, stored_tz=stored_tz) == expected


@pytest.mark.parametrize(
    "moment", ["01.02.2024", "31.02.2024", "02/01/2024", "2024-02-30", "now", "", "infinity", 20240101, True, pd.NaT]
)
def test_moments_that_one_would_have_to_guess_are_refused(moment):
    """
    01.02.2024 is a day in January for some and in February for others; "now" is not the server's now.
    """
    with pytest.raises(ValueError, match="since must be a date or a time such as"):
        buckets.stored(moment, tz=None, stored_tz="UTC", name="since")


def test_moments_that_another_zone_cannot_show_are_refused():
    """
    A ValueError as for every bad argument, not an OverflowError.
    """
    with pytest.raises(ValueError, match="must lie within the years 1 to 9999"):
        buckets.stored("0001-01-01", tz="Asia/Tokyo", stored_tz="UTC")


@pytest.mark.parametrize("kind", [pd.DatetimeIndex, pd.Series])
def test_localize_takes_the_first_of_two_and_shifts_what_never_was(kind):
    """
    The stored clock shows some times twice and others never; every review keeps a time all the same.
    """
    times = kind(pd.DatetimeIndex(["2024-03-31 02:30", "2024-10-27 02:30", pd.NaT, "2024-07-01"]).as_unit("us"))

    aware = buckets.localize(times, tz="UTC", stored_tz="Europe/Berlin")

    expected = ["2024-03-31 01:00", "2024-10-27 00:30", pd.NaT, "2024-06-30 22:00"]
    assert list(aware)[:2] == [pd.Timestamp(moment, tz="UTC") for moment in expected[:2]]
    assert pd.isna(list(aware)[2])
    assert str(aware.dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("lowest", "highest", "scale"),
    [
        (1, 5, (1, 5)),
        (3, 3, (1, 5)),
        (0, 5, (0, 5)),
        (1, 6, (1, 10)),
        (0, 6, (0, 10)),
        (0, 99, (0, 100)),
        (-1, 5, (-1, 5)),
    ],
)
def test_pick_scale_takes_the_smallest_usual_scale(lowest, highest, scale):
    """
    Nobody should have to say that ratings of 1 to 5 are on the scale of 1 to 5.
    """
    assert buckets.pick_scale(lowest, highest) == scale
