"""Does charts.distribution draw each share where it belongs, and say what it shows?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from chart_frames import counts, edge_cases, weekly
from matplotlib.collections import PolyCollection

from reviewlab import charts

EDGES = pd.DatetimeIndex(["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22"])


@pytest.fixture(autouse=True)
def close_figures():
    """
    Give each test a pyplot without figures.
    """
    yield
    plt.close("all")


def rectangles(ax):
    return [path.get_extents() for drawn in polygons(ax) for path in drawn.get_paths()]


def polygons(ax):
    return [drawn for drawn in ax.collections if isinstance(drawn, PolyCollection)]


def test_distribution_fills_each_period_with_shares_that_sum_to_one():
    """
    A stack that does not reach 100 % hides a rating.
    """
    frame = weekly(tz="Europe/Paris")

    ax = charts.distribution(frame)

    heights = pd.Series([box.height for box in rectangles(ax)]).groupby([box.x0 for box in rectangles(ax)]).sum()
    reviews = frame.groupby("bucket")["n"].sum()
    assert len(rectangles(ax)) == 76 * 5
    np.testing.assert_allclose(heights, (reviews > 0).astype(float), atol=1e-12)


def test_distribution_puts_the_worst_rating_at_the_bottom_and_the_best_at_the_top():
    """
    The two shares that matter most each have a fixed base line.
    """
    ax = charts.distribution(counts(EDGES[:2], range(1, 6), [[1, 2, 3, 4, 10]]))

    assert [(round(box.y0, 2), round(box.y1, 2)) for box in rectangles(ax)] == [
        (0, 0.05),
        (0.05, 0.15),
        (0.15, 0.3),
        (0.3, 0.5),
        (0.5, 1),
    ]


def test_distribution_of_counts_is_as_high_as_the_reviews_of_a_period():
    """
    Volume is lost in shares; the other kind keeps it.
    """
    ax = charts.distribution(counts(EDGES, range(1, 3), [[1, 2], [0, 0], [30, 4]]), kind="count")

    assert max(box.y1 for box in rectangles(ax)) == 34
    assert not ax.child_axes


def test_distribution_hatches_incomplete_periods_only():
    """
    A period still open must not be read as a change.
    """
    frame = counts(EDGES, range(1, 3), [[1, 2], [4, 4], [3, 4]], complete=[True, True, False])

    ax = charts.distribution(frame)

    hatched = [drawn for drawn in polygons(ax) if drawn.get_hatch()]
    start = mpl.dates.date2num(EDGES[2])
    assert len(hatched) == 2
    assert all(path.get_extents().x0 >= start for drawn in hatched for path in drawn.get_paths())


def test_distribution_draws_a_bar_as_wide_as_its_period_is_long():
    """
    Months differ, and so do days where clocks change.
    """
    edges = pd.DatetimeIndex(["2024-10-26", "2024-10-27", "2024-10-28"], tz="Europe/Berlin")

    ax = charts.distribution(counts(edges, range(1, 3), [[1, 2], [2, 1]]))

    widths = {round(box.width / 0.9 * 24, 6) for box in rectangles(ax)}
    assert widths == {24, 25}


def test_distribution_ticks_are_on_the_clock_of_the_frame():
    """
    Midnight in Tokyo is not midnight in London.
    """
    edges = pd.date_range("2024-05-01", periods=31, tz="Asia/Tokyo").as_unit("us")

    ax = charts.distribution(counts(edges, range(1, 6), np.ones((30, 5))))

    ticks = pd.to_datetime(ax.get_xticks(), unit="D", utc=True).tz_convert("Asia/Tokyo")
    assert (ticks == ticks.normalize()).all()


def test_distribution_shows_the_number_of_reviews_above_the_shares():
    """
    71 % of 233 and 70 % of 6 must not look alike.
    """
    ax = charts.distribution(counts(EDGES, range(1, 3), [[1, 2], [0, 0], [30, 4]]))

    (strip,) = ax.child_axes
    assert [round(box.height) for box in rectangles(strip)] == [3, 0, 34]
    assert strip.get_yticklabels()[0].get_text() == "n 34"


def test_distribution_draws_ten_classes_of_a_scale_of_101_points():
    """
    A hundred colours tell nothing.
    """
    ax = charts.distribution(weekly(scale=(0, 100)))

    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["0–9", "10–19", "20–29", "30–39", "40–49", "50–59", "60–69", "70–79", "80–89", "90–100"]


def test_distribution_says_how_many_ratings_lie_outside_the_scale():
    """
    They are counted, never lost.
    """
    frame = counts(EDGES, range(1, 6), np.ones((3, 5)))
    stray = frame.head(1).assign(rating=77, in_scale=False, n=12)

    ax = charts.distribution(pd.concat([frame, stray]))

    assert "12 outside the scale not drawn" in facts(ax)
    assert len(rectangles(ax)) == 15


def facts(ax):
    return next(text.get_text() for text in ax.texts if text.get_gid() == "facts")


def test_distribution_subtitle_says_n_range_zone_and_hatching():
    """
    A chart without its n, range and zone cannot be checked.
    """
    edges = pd.date_range("2024-01-01", periods=3, freq="MS", tz="Europe/Paris")

    ax = charts.distribution(counts(edges, range(1, 3), [[600, 2], [2, 1000]], complete=[True, False]))

    assert facts(ax) == "n = 1,604 · 1 Jan – 29 Feb 2024, Europe/Paris · hatched: incomplete month"
    assert ax.get_title(loc="left") == "Ratings by month"


def test_distribution_labels_a_gap():
    """
    An empty fortnight must not look like a mistake of the chart.
    """
    ax = charts.distribution(weekly())

    assert [text.get_text() for text in ax.texts].count("no reviews") == 1


def test_distribution_alt_text_tells_n_range_extremes_gap_and_open_period():
    """
    Who cannot see the chart gets its facts from the data.
    """
    frame = counts(
        pd.date_range("2024-01-01", periods=6, freq="W-MON"),
        range(1, 6),
        [[0, 0, 0, 1, 1], [0, 0, 0, 0, 4], [0] * 5, [3, 0, 0, 0, 1], [0, 0, 0, 0, 2]],
        complete=[True, True, True, True, False],
    )

    told = charts.alt_text(charts.distribution(frame))

    assert told == (
        "100 % stacked bars of 12 ratings by week, 1 Jan – 4 Feb 2024. Share of 5★: 67%. "
        "Lowest 25% in the week of 22 Jan 2024 (n = 4), highest 100% in the week of 8 Jan 2024 (n = 4), "
        "last complete 25% in the week of 22 Jan 2024 (n = 4). No reviews 15–21 Jan 2024. "
        "Incomplete: the week of 29 Jan 2024."
    )


@pytest.mark.parametrize("case", edge_cases())
def test_distribution_of_counts_draws_every_edge_case_without_a_warning(case):
    """
    Warnings are errors here: empty frames and odd scales must be drawn, not tolerated.
    """
    ax = charts.distribution(edge_cases()[case], kind="count")

    ax.figure.canvas.draw()
    assert "rating" in charts.alt_text(ax).lower()


def test_distribution_refuses_negative_counts_doubled_rows_and_unknown_kinds():
    """
    Wrong input gets a sentence, not a wrong picture.
    """
    frame = weekly()

    with pytest.raises(ValueError, match="a count is negative"):
        charts.distribution(frame.assign(n=-1))
    with pytest.raises(ValueError, match="a rating twice"):
        charts.distribution(pd.concat([frame, frame]))
    with pytest.raises(ValueError, match="'share' or 'count', got 'pie'"):
        charts.distribution(frame, kind="pie")
    assert plt.get_fignums() == []
