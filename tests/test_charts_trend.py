"""Do the charts of means, shares and control bands draw what the statistics say?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from chart_frames import counts, weekly
from matplotlib.collections import PolyCollection

from reviewlab import charts, ratings

EDGES = pd.date_range("2024-01-01", periods=7, freq="W-MON").as_unit("us")
SIX_WEEKS = [[1, 0, 0, 0, 3], [0, 2, 0, 2, 0], [0] * 5, [0, 0, 0, 4, 4], [1, 1, 1, 1, 1], [0, 0, 0, 0, 2]]
GIVEN = counts(EDGES, range(1, 6), SIX_WEEKS, complete=[True, True, True, True, True, False])


@pytest.fixture(autouse=True)
def close_figures():
    """
    Give each test a pyplot without figures.
    """
    yield
    plt.close("all")


def middles():
    start = mpl.dates.date2num(EDGES)
    return (start[1:] + start[:-1]) / 2


def drawn(ax, gid):
    return next(artist for artist in ax.get_children() if artist.get_gid() == gid)


def facts(ax):
    return drawn(ax, "facts").get_text()


def test_mean_rating_puts_the_mean_of_each_period_at_its_middle():
    """
    A mean belongs to a whole period, not to its first moment.
    """
    ax = charts.mean_rating(GIVEN, cumulative=False)

    dots = np.vstack([line.get_xydata() for line in ax.get_lines() if line.get_marker() == "o"])
    expected = np.column_stack((middles(), [4, 3, np.nan, 4.5, 3, 5]))
    np.testing.assert_allclose(dots, expected[[0, 1, 3, 4, 5]])


def test_mean_rating_breaks_the_line_at_an_empty_period_and_dashes_into_an_open_one():
    """
    A line across silence would claim a rating that nobody gave.
    """
    ax = charts.mean_rating(GIVEN)

    solid, dashed = drawn(ax, "line"), drawn(ax, "dashes")
    assert [len(path) for path in solid.get_segments()] == [2, 2]
    assert [list(path[:, 1]) for path in dashed.get_segments()] == [[3, 5]]


def test_mean_rating_marks_an_open_period_with_a_hollow_dot():
    """
    Two reviews on Monday morning are not yet a week.
    """
    ax = charts.mean_rating(GIVEN)

    (hollow,) = [line for line in ax.get_lines() if line.get_markerfacecolor() == "#ffffff"]
    np.testing.assert_allclose(hollow.get_xydata(), [[middles()[-1], 5]])
    assert "hollow: incomplete week" in facts(ax)


def test_mean_rating_draws_the_interval_that_summarize_gives():
    """
    The band is a statistic, not an ornament.
    """
    ax = charts.mean_rating(GIVEN)

    summary = ratings.summarize(GIVEN)
    outline = np.vstack([path.vertices for path in drawn(ax, "band").get_paths()])
    assert summary["mean_lo"].min() == pytest.approx(outline[:, 1].min())
    assert summary["mean_hi"].max() == pytest.approx(outline[:, 1].max())


def test_mean_rating_without_interval_draws_and_says_none():
    """
    What is not drawn is not explained.
    """
    ax = charts.mean_rating(GIVEN, interval=None)

    assert not [artist for artist in ax.collections if isinstance(artist, PolyCollection)]
    assert "band" not in facts(ax)
    with pytest.raises(ValueError, match="'credible' or None, got 'bootstrap'"):
        charts.mean_rating(GIVEN, interval="bootstrap")


def test_mean_rating_to_date_pools_reviews_not_means():
    """
    A mean of means gives a week of two reviews the weight of a week of thousands.
    """
    ax = charts.mean_rating(GIVEN)

    n, total = np.array(SIX_WEEKS).sum(axis=1).cumsum(), (np.array(SIX_WEEKS) @ range(1, 6)).cumsum()
    np.testing.assert_allclose(drawn(ax, "mean to date").get_ydata(), total / n)


def test_mean_rating_shows_the_whole_scale():
    """
    Cut axes turn noise into news.
    """
    ax = charts.mean_rating(weekly(scale=(1, 10)))

    assert ax.get_ylim()[0] < 1 < 10 < ax.get_ylim()[1]
    assert list(ax.get_yticks()) == [1, 4, 7, 10]


def test_mean_rating_takes_events_and_changepoints():
    """
    A change is explained by what happened then.
    """
    found = pd.DataFrame({"at": pd.to_datetime(["2024-01-20"])})

    ax = charts.mean_rating(GIVEN, events={"2024-01-17": "v2"}, changepoints=found)

    assert drawn(ax, "event")
    assert drawn(ax, "changepoints")
    assert "▲ detected change" in facts(ax)
    assert charts.alt_text(ax).endswith("Events: v2 (2024-01-17). Detected changes: 20 Jan 2024.")


def test_share_draws_the_share_at_or_above_the_threshold_with_its_interval():
    """
    80 % of five is not 80 % of five hundred.
    """
    ax = charts.share(GIVEN, threshold=5)

    shares = np.vstack([dots.get_offsets() for dots in ax.collections if dots.get_gid() == "share"])[:, 1]
    bars = np.array(drawn(ax, "interval").get_segments())[:, :, 1]
    summary = ratings.summarize(GIVEN, positive=5).dropna(subset="mean")
    np.testing.assert_allclose(shares, [0.75, 0, 0.5, 0.2, 1])
    np.testing.assert_allclose(bars, summary[["share_positive_lo", "share_positive_hi"]])
    assert ax.get_title(loc="left") == "Share of 5★ and above by week"


def test_share_draws_the_overall_share_of_all_reviews():
    """
    The line that the dots are read against.
    """
    ax = charts.share(GIVEN)

    assert drawn(ax, "overall").get_ydata()[0] == pytest.approx(17 / 23)


def test_share_refuses_a_threshold_outside_the_scale():
    """
    A share of what cannot be is 0 % and would look like a fact.
    """
    with pytest.raises(ValueError, match=r"positive \(7\)"):
        charts.share(GIVEN, threshold=7)


def test_control_colours_the_periods_outside_the_band_and_names_the_furthest():
    """
    The bomb is the two red dots; the rest is chance.
    """
    frame = weekly()

    ax = charts.control(frame, baseline=frame[frame["bucket"] < "2024-09-01"])

    found = ratings.control(frame, baseline=frame[frame["bucket"] < "2024-09-01"])
    out = found.index[found["outside"].isin(["low", "high"])]
    dots = drawn(ax, "outside").get_xydata()
    np.testing.assert_allclose(dots[:, 0], mpl.dates.date2num(out) + 3.5)
    assert {pd.Timestamp("2025-04-07"), pd.Timestamp("2025-04-14")} <= set(out)
    assert f"{len(out)} outside the band" in facts(ax)
    assert any(text.get_text().startswith(("7 Apr 2025: ", "14 Apr 2025: ")) for text in ax.texts)


def test_control_draws_the_band_of_each_period():
    """
    It widens where reviews are few, so that three reviews raise no alarm.
    """
    ax = charts.control(GIVEN, values=[1, 2], baseline=0.25)

    found = ratings.control(GIVEN, values=[1, 2], baseline=0.25).dropna(subset="share")
    bands = [path.get_extents() for path in drawn(ax, "band").get_paths()]
    np.testing.assert_allclose([(box.y0, box.y1) for box in bands], found[["lo", "hi"]])
    assert drawn(ax, "baseline").get_ydata()[0] == 0.25
    assert ax.get_title(loc="left") == "Share of 1–2★ against its baseline, by week"


def test_control_takes_the_complete_periods_for_ordinary():
    """
    A week that is cut has no say in what is usual.
    """
    ax = charts.control(GIVEN, values=[5])

    assert drawn(ax, "baseline").get_ydata()[0] == pytest.approx(8 / 21)


def test_control_refuses_ratings_outside_the_scale():
    """
    The share of a rating that cannot be given is never out of control.
    """
    with pytest.raises(ValueError, match=r"values \[9\] do not lie within the scale 1 to 5"):
        charts.control(GIVEN, values=[9])
    assert plt.get_fignums() == []
