"""Do the charts of counts, shares, hours, texts and order put their marks where the data are?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from chart_frames import counts, reviews, week_hours, weekly
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


def facts(ax):
    return next(text.get_text() for text in ax.texts if text.get_gid() == "facts")


def boxes(ax):
    polygons = [drawn for drawn in ax.collections if isinstance(drawn, PolyCollection)]
    return [path.get_extents() for drawn in polygons for path in drawn.get_paths()]


def test_updown_draws_the_extremes_outermost_and_states_the_neutral():
    """
    What is worst must reach lowest; what is left out must be said.
    """
    ax = charts.updown(counts(EDGES[:2], range(1, 6), [[5, 2, 100, 3, 20]]))

    spans = sorted((box.y0, box.y1) for box in boxes(ax))
    assert spans == [(-7, -2), (-2, 0), (0, 3), (3, 23)]
    assert "100 neutral not drawn" in facts(ax)


def test_updown_takes_thresholds_and_refuses_those_that_overlap():
    """
    What counts as positive differs from shop to shop, but nothing is both.
    """
    frame = counts(EDGES[:2], range(1, 6), [[5, 2, 100, 3, 20]])

    ax = charts.updown(frame, positive=5, negative=1)

    assert sorted((box.y0, box.y1) for box in boxes(ax)) == [(-5, 0), (0, 20)]
    with pytest.raises(ValueError, match=r"positive \(3\) and negative \(3\) must lie apart"):
        charts.updown(frame, positive=3, negative=3)
    with pytest.raises(ValueError, match=r"positive \(9\)"):
        charts.updown(frame, positive=9)


def test_heatmap_shades_each_rating_by_its_share_of_the_period():
    """
    Column by column, whatever the volume.
    """
    ax = charts.heatmap(counts(EDGES, range(1, 3), [[1, 3], [0, 0], [400, 400]]))

    cells = next(drawn for drawn in ax.collections if drawn.get_array() is not None)
    np.testing.assert_allclose(cells.get_array(), [0.25, 0.75, 0.5, 0.5])
    assert len(ax.child_axes) == 2


def test_heatmap_hatches_incomplete_periods_only():
    """
    A period still open must not be read as a change.
    """
    ax = charts.heatmap(counts(EDGES, range(1, 6), np.ones((3, 5)), complete=[False, True, True]))

    (hatched,) = [drawn for drawn in ax.collections if drawn.get_hatch()]
    assert {path.get_extents().x0 for path in hatched.get_paths()} == {mpl.dates.date2num(EDGES[0])}


def test_weekday_hour_boxes_the_hours_that_differ_and_none_in_noise():
    """
    With 168 cells, eight look odd by chance at 5 %; the false discovery rate keeps them out.
    """
    found = charts.weekday_hour(week_hours())
    noise = charts.weekday_hour(week_hours(bad_monday=False))

    boxed = {(int(patch.get_x()), int(patch.get_y())) for patch in found.patches}
    assert boxed >= {(8, 0), (9, 0), (10, 0)}
    assert len(boxed) <= 4
    assert list(noise.patches) == []
    assert "no cell differs" in facts(noise)


def test_weekday_hour_shrinks_small_cells_towards_the_overall_mean():
    """
    One angry review at 4 in the morning is not a pattern.
    """
    frame = pd.DataFrame({"weekday": [1, 2], "hour": [4, 12], "rating": [1, 5], "n": [1, 999]})

    ax = charts.weekday_hour(frame, shrink=19)

    shades = ax.collections[1].get_array()
    overall = (1 + 5 * 999) / 1000
    assert shades[0, 4] == pytest.approx((1 + 19 * overall) / 20)


def test_weekday_hour_refuses_a_span_of_nothing():
    """
    A scale of no width has no colours.
    """
    with pytest.raises(ValueError, match="span more than 0, got 20 and 0"):
        charts.weekday_hour(week_hours(), span=0)


def test_text_length_draws_the_median_of_the_texts_that_are_not_empty():
    """
    An empty text has no length to speak of; it is counted apart.
    """
    texts = ["", None, "  ", "xx", " xxxx ", "xxxxxxxx"]

    ax = charts.text_length(pd.DataFrame({"rating": [5] * 6, "public_review": texts}))

    assert "4" in [text.get_text() for text in ax.texts]
    assert facts(ax).startswith("n = 3 · 3 empty left out")


def test_text_length_draws_private_shares_only_where_the_column_came():
    """
    Private text is asked for by name, each time.
    """
    frame = reviews()
    with_private = frame.assign(private_review=np.where(np.arange(len(frame)) % 2, "secret", None))

    without, drawn = charts.text_length(frame), charts.text_length(with_private)

    assert "private\ntext" not in [text.get_text() for text in without.texts]
    assert "private\ntext" in [text.get_text() for text in drawn.texts]
    assert "secret" not in charts.alt_text(drawn)


def test_text_length_of_bins_stacks_the_ratings_of_each_length():
    """
    The aggregate comes from the server, without a single text.
    """
    bins = pd.Categorical(["none", "none", "1–19", "1–19"], categories=["none", "1–19", "20–49"], ordered=True)
    frame = pd.DataFrame({"length_bin": bins, "rating": [1, 5, 1, 5], "n": [0, 0, 30, 10]})

    ax = charts.text_length(frame)

    assert [label.get_text() for label in ax.get_xticklabels()] == ["none\nn 0", "1–19\nn 40", "20–49\nn 0"]
    assert max(box.y1 for box in boxes(ax)) == 1
    assert 0.75 in {round(box.y1, 6) for box in boxes(ax)}


def test_sequence_averages_in_the_order_of_submission():
    """
    A frame comes in any order.
    """
    frame = pd.DataFrame(
        {"rating": [5, 1, 3], "submitted_at": pd.to_datetime(["2024-03-01", "2024-01-01", "2024-02-01"])}
    )

    ax = charts.sequence(frame, window=2)

    line = ax.get_lines()[-1]
    np.testing.assert_allclose(line.get_ydata(), [np.nan, 2, 4])
    with pytest.raises(ValueError, match="window needs 1 or more"):
        charts.sequence(frame, window=0)


def test_events_are_drawn_on_the_clock_of_the_chart():
    """
    A release at midnight in Tokyo is not one at midnight in London.
    """
    ax = charts.distribution(weekly(tz="Asia/Tokyo"))

    charts.annotate_events(
        ax, {"2024-09-09": "naive", pd.Timestamp("2024-09-10", tz="UTC"): "aware", "1999-01-01": "gone"}
    )

    lines = [line for line in ax.get_lines() if line.get_gid() == "event"]
    drawn = [mpl.dates.num2date(line.get_xdata()[0]) for line in lines]
    assert [moment.isoformat() for moment in drawn] == ["2024-09-08T15:00:00+00:00", "2024-09-10T00:00:00+00:00"]
    assert "Events: naive (2024-09-09), aware (2024-09-10 00:00:00+00:00)." in charts.alt_text(ax)


def test_event_labels_that_would_collide_step_down():
    """
    Two releases in a week must both be legible.
    """
    ax = charts.distribution(weekly(), strip=False)

    charts.annotate_events(ax, {"2024-09-09": "the first release", "2024-09-12": "the second release"})

    ax.figure.canvas.draw()
    one, other = (text.get_window_extent() for text in ax.texts if text.get_gid() == "event")
    assert not one.overlaps(other)


def test_an_aware_event_on_a_naive_chart_is_refused():
    """
    Nobody knows how far apart the two clocks are.
    """
    ax = charts.distribution(weekly())

    with pytest.raises(ValueError, match="periods have no time zone"):
        charts.annotate_events(ax, {pd.Timestamp("2024-09-10", tz="UTC"): "v4"})
    with pytest.raises(ValueError, match="needs a moment, not None"):
        charts.annotate_events(ax, {None: "v4"})


def test_changepoints_are_marked_at_their_moments_and_told():
    """
    What was detected is a statement about dates.
    """
    ax = charts.distribution(weekly())

    charts.mark_changepoints(ax, pd.DataFrame({"at": pd.to_datetime(["2024-09-10 00:00", "2025-01-20 12:30"])}))

    (marks,) = [line for line in ax.get_lines() if line.get_gid() == "changepoints"]
    np.testing.assert_allclose(
        marks.get_xdata(), mpl.dates.date2num(pd.to_datetime(["2024-09-10 00:00", "2025-01-20 12:30"]))
    )
    assert charts.alt_text(ax).endswith("Detected changes: 10 Sep 2024, 20 Jan 2025 12:30.")
    with pytest.raises(ValueError, match=r"needs columns \['at'\]"):
        charts.mark_changepoints(ax, pd.DataFrame({"when": []}))
