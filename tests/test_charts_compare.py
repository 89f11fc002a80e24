"""Do the charts that compare periods draw shares, differences and days where they belong?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from chart_frames import counts, daily, weekly
from matplotlib.collections import PolyCollection
from statsmodels.stats.proportion import multinomial_proportions_confint

from reviewlab import charts, ratings

EDGES = pd.DatetimeIndex(["2024-01-01", "2024-01-08", "2024-01-15"]).as_unit("us")
NOW = counts(EDGES, range(1, 6), [[1, 2, 3, 4, 10], [1, 0, 0, 0, 9]])
BEFORE = counts(EDGES - pd.Timedelta(14, "D"), range(1, 6), [[10, 0, 0, 0, 10], [0] * 5])


@pytest.fixture(autouse=True)
def close_figures():
    """
    Give each test a pyplot without figures.
    """
    yield
    plt.close("all")


def drawn(ax, gid):
    return next(artist for artist in ax.get_children() if artist.get_gid() == gid)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_bars_add_all_periods_up_and_put_the_best_rating_on_top():
    """
    Five stars on top is what everybody has learned to read.
    """
    ax = charts.bars(NOW)

    assert [bar.get_width() for bar in ax.patches] == pytest.approx(np.array([2, 2, 3, 4, 19]) / 30)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1★", "2★", "3★", "4★", "5★"]
    assert {"63%", "19"} <= set(texts(ax))


def test_bars_have_simultaneous_intervals_as_whiskers():
    """
    Five intervals at once need Goodman's width, not Wald's.
    """
    ax = charts.bars(NOW)

    ends = np.array(drawn(ax, "whiskers").get_segments())[:, :, 0]
    np.testing.assert_allclose(ends, multinomial_proportions_confint([2, 2, 3, 4, 19], method="goodman"))


def test_bars_draw_another_period_as_ticks_and_say_both_ns():
    """
    Recent against overall is the question; n is the answer's weight.
    """
    ax = charts.bars(NOW, compare=BEFORE, labels=("this month", "last month"))

    ticks = np.array(drawn(ax, "compared").get_segments())[:, 0, 0]
    np.testing.assert_allclose(ticks, [0.5, 0, 0, 0, 0.5])
    assert drawn(ax, "facts").get_text() == (
        "this month: n = 30, mean 4.20 · whisker: 95% CI\n┃ last month: n = 20, mean 3.00"
    )


def test_bars_keep_the_other_period_in_view():
    """
    A tick outside the picture is a comparison that nobody sees.
    """
    ax = charts.bars(BEFORE, compare=counts(EDGES, range(1, 6), [[0, 0, 0, 0, 99], [1, 0, 0, 0, 0]]))

    assert ax.get_xlim()[1] > 0.99
    assert max(text.xy[0] for text in ax.texts if hasattr(text, "xy") and text.get_text() == "50%") == 0.99


def test_comparisons_refuse_frames_of_different_scales():
    """
    A 5 of 5 is not a 5 of 10.
    """
    other = weekly(scale=(1, 10))

    with pytest.raises(ValueError, match="both frames need one scale, got 1 to 5 and 1 to 10"):
        charts.bars(NOW, compare=other)
    with pytest.raises(ValueError, match="both frames need one scale"):
        charts.shift(NOW, other)


def test_shift_shades_the_wasserstein_distance():
    """
    The area is the statistic, so that the eye measures what the number says.
    """
    ax = charts.shift(NOW, BEFORE)

    upper, lower = (np.cumsum(n)[:-1] / 30 * s for n, s in (([2, 2, 3, 4, 19], 1), ([10, 0, 0, 0, 10], 1.5)))
    steps = [np.asarray(patch.get_data().values) for patch in ax.patches]
    area = np.abs(steps[0] - np.asarray(ax.patches[0].get_data().baseline)).sum()
    np.testing.assert_allclose(steps[2], upper)
    np.testing.assert_allclose(steps[1], lower)
    assert area == pytest.approx(ratings.compare(NOW, BEFORE)["wasserstein"])
    assert f"shaded area = {area:.2f}★ (Wasserstein)" in drawn(ax, "facts").get_text()


def test_shift_says_the_difference_of_each_step_in_points():
    """
    43 points fewer say the worst: that is the sentence for the meeting.
    """
    ax = charts.shift(NOW, BEFORE)

    assert [text for text in texts(ax) if text.endswith("pt")] == ["−43 pt", "−37 pt", "−27 pt", "−13 pt"]


def test_shift_names_the_date_ranges_where_no_labels_come():
    """
    A legend that says a and b says nothing.
    """
    ax = charts.shift(NOW, BEFORE)

    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "1–14 Jan 2024: n = 30, mean 4.20",
        "18–31 Dec 2023: n = 20, mean 3.00",
    ]


def test_profiles_draw_one_histogram_per_period_beside_the_share_of_all():
    """
    Small multiples, each against the same line.
    """
    ax = charts.profiles(NOW)

    boxes = [path.get_extents() for c in ax.collections if isinstance(c, PolyCollection) for path in c.get_paths()]
    newest = sorted((box.x0, box.height) for box in boxes if box.y0 == 0)
    lines = np.array(drawn(ax, "expected").get_segments())[:, 0, 1].reshape(2, 5) - [[1], [0]]
    unit = newest[4][1] / 0.9
    np.testing.assert_allclose([height for _, height in newest], np.array([0.1, 0, 0, 0, 0.9]) * unit)
    np.testing.assert_allclose(lines, np.tile(np.array([2, 2, 3, 4, 19]) / 30 * unit, (2, 1)))
    assert {"4.00", "4.60", "20", "10"} <= set(texts(ax))


def test_profiles_draw_the_latest_periods_and_say_what_is_left_out():
    """
    Six hundred rows are not a picture.
    """
    ax = charts.profiles(weekly(), most=10)

    assert len(ax.get_yticks()) == 10
    assert "latest 10 of 76" in drawn(ax, "facts").get_text()
    with pytest.raises(ValueError, match="most needs 1 or more"):
        charts.profiles(weekly(), most=0)


def test_calendar_puts_each_day_in_its_week_and_weekday():
    """
    Wednesday, 1 January 2025, is the third square of the first column; the Monday after begins the second.
    """
    edges = pd.DatetimeIndex(["2025-01-01", "2025-01-02", "2025-01-06", "2025-01-07"]).as_unit("us")
    frame = counts(edges, range(1, 6), [[0, 0, 0, 0, 2], [0] * 5, [8, 0, 0, 0, 0]])
    frame = frame[frame["bucket"] != edges[1]]
    frame.loc[frame["bucket"] == edges[0], "bucket_end"] = edges[1]

    ax = charts.calendar(frame)

    squares = next(artist for artist in ax.collections if artist.get_array() is not None)
    boxes = [path.get_extents() for path in squares.get_paths()]
    assert [((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2) for box in boxes] == [(0.5, 2.5), (1.5, 0.5)]
    np.testing.assert_allclose(squares.get_array(), [5, 1])


def test_calendar_area_is_proportional_to_the_reviews_of_the_day():
    """
    A day with a quarter of the reviews has a quarter of the ink.
    """
    edges = pd.date_range("2025-03-03", periods=3).as_unit("us")

    ax = charts.calendar(counts(edges, range(1, 6), [[0, 0, 0, 0, 4], [0, 0, 0, 0, 1]]))

    squares = next(artist for artist in ax.collections if artist.get_array() is not None)
    big, small = (path.get_extents() for path in squares.get_paths())
    largest = np.quantile([4, 1], 0.95)
    assert small.width**2 / 0.94**2 == pytest.approx(1 / largest)
    assert big.width == pytest.approx(0.94)


def test_calendar_takes_days_only_and_one_year():
    """
    Weeks do not fit into squares of days.
    """
    with pytest.raises(ValueError, match="needs daily counts, the frame's periods are weeks"):
        charts.calendar(weekly())
    ax = charts.calendar(daily(), year=1999)
    assert "no reviews in this range" in texts(ax)


def test_overview_is_one_a4_page_with_every_chart_told():
    """
    One page answers the question; its words reach those who cannot see it.
    """
    page = charts.overview(weekly(tz="Europe/Paris"), daily=daily(), events={"2024-09-09": "v4"}, footer="by week")

    page.canvas.draw()
    told = charts.alt_text(page).splitlines()
    assert tuple(page.get_size_inches()) == (8.27, 11.69)
    assert [line.split(" of ")[0] for line in told] == [
        "100 % stacked bars",
        "Line",
        "Bars",
        "Two cumulative distributions",
        "Calendar",
    ]
    assert plt.get_fignums() == [page.number]


def test_overview_compares_the_latest_complete_periods_with_those_before():
    """
    An open week on either side would compare days with weeks.
    """
    edges = pd.date_range("2024-01-01", periods=6, freq="W-MON").as_unit("us")
    frame = counts(edges, range(1, 6), np.eye(5, dtype=int) * [[1], [2], [3], [4], [5]], complete=[True] * 4 + [False])

    page = charts.overview(frame, recent=2)

    words = " ".join(text.get_text() for text in page.findobj(mpl.text.Text))
    assert "last 2 weeks: n = 7" in words
    assert "previous 2 weeks: n = 3" in words
    assert "+133%" in words


@pytest.mark.parametrize("frame", [weekly(weeks=1), weekly(weeks=2), weekly().assign(n=0), weekly().head(0)])
def test_overview_of_little_or_nothing_is_still_a_page(frame):
    """
    A young table gets its report too.
    """
    page = charts.overview(frame)

    page.canvas.draw()
    assert "Review report" in [text.get_text() for text in page.findobj(mpl.text.Text)]


def test_overview_refuses_a_window_of_nothing_and_leaves_no_figure():
    """
    A failed call may not leave half a page to the notebook.
    """
    with pytest.raises(ValueError, match="recent needs 1 or more periods, got 0"):
        charts.overview(weekly(), recent=0)
    with pytest.raises(ValueError, match="needs daily counts"):
        charts.overview(weekly(), daily=weekly())
    assert plt.get_fignums() == []
