"""Does every chart keep the same promises?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from chart_frames import daily, edge_cases, reviews, week_hours, weekly
from matplotlib.colors import to_rgb

from reviewlab import charts
from reviewlab.charts.style import luminance


def shift_of_halves(frame, **options):
    """
    Compare the later half of a frame with the earlier one, so that shift is called like the others.
    """
    if "bucket" not in frame:
        return charts.shift(frame, frame, **options)
    late = frame["bucket"] >= frame["bucket"].median()
    return charts.shift(frame[late], frame[~late] if (~late).any() else frame, **options)


# Each chart, and the frame that it draws.
CHARTS = {
    "distribution": (charts.distribution, weekly),
    "updown": (charts.updown, weekly),
    "heatmap": (charts.heatmap, weekly),
    "weekday_hour": (charts.weekday_hour, week_hours),
    "mean_rating": (charts.mean_rating, weekly),
    "share": (charts.share, weekly),
    "control": (charts.control, weekly),
    "bars": (charts.bars, weekly),
    "profiles": (charts.profiles, weekly),
    "shift": (shift_of_halves, weekly),
    "calendar": (charts.calendar, daily),
    "text_length": (charts.text_length, reviews),
    "sequence": (charts.sequence, reviews),
}
OF_COUNTS = [name for name, (_, frame) in CHARTS.items() if frame is weekly]


@pytest.fixture(autouse=True)
def close_figures():
    """
    Give each test a pyplot without figures.
    """
    yield
    plt.close("all")


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_draws_into_the_axes_it_is_given_and_changes_nothing_else(name):
    """
    Charts are put side by side by analysts; global state and frames are theirs.
    """
    chart, make = CHARTS[name]
    figure, (left, right) = plt.subplots(1, 2, layout="constrained")
    before, frame = dict(mpl.rcParams), make()
    untouched = frame.copy(deep=True)

    drawn = chart(frame, ax=right)

    figure.canvas.draw()
    assert drawn is right
    assert plt.get_fignums() == [figure.number]
    assert not left.has_data()
    assert dict(mpl.rcParams) == before
    pd.testing.assert_frame_equal(frame, untouched)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_its_own_is_one_figure_with_title_n_and_alt_text(name):
    """
    A notebook shows one picture per call, and each says how much data it stands on.
    """
    chart, make = CHARTS[name]

    ax = chart(make(), title="What we see")

    written = " ".join(text.get_text() for text in ax.findobj(mpl.text.Text))
    n = written.split("n = ")[1].split(" ")[0].rstrip(",")
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.get_title(loc="left") == "What we see"
    assert n in charts.alt_text(ax)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_the_columns_it_misses_and_leaves_no_figure(name):
    """
    The reader learns what to bring, and what came.
    """
    chart, _ = CHARTS[name]

    with pytest.raises(ValueError, match=r"the chart needs columns \[.*\], the frame has \['stars', 'day'\]"):
        chart(pd.DataFrame({"stars": [5], "day": ["2024-01-01"]}))
    assert plt.get_fignums() == []


@pytest.mark.parametrize("case", edge_cases())
@pytest.mark.parametrize("name", OF_COUNTS)
def test_a_chart_of_counts_draws_every_edge_case_without_a_warning(name, case):
    """
    Warnings are errors here: empty frames, odd scales and a thousand periods must be drawn, not tolerated.
    """
    chart, _ = CHARTS[name]

    ax = chart(edge_cases()[case])

    ax.figure.canvas.draw()
    assert any(word in charts.alt_text(ax) for word in ("n = 0", "rating"))


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_nothing_says_so(name):
    """
    An empty frame is an answer.
    """
    chart, make = CHARTS[name]

    ax = chart(make().head(0))

    ax.figure.canvas.draw()
    assert "no reviews in this range" in [text.get_text() for text in ax.texts]
    assert "n = 0" in charts.alt_text(ax)


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("name", CHARTS)
def test_all_text_of_a_chart_can_be_read_on_its_paper(name, style):
    """
    Grey on white and black on black are not read; 4.5 : 1 is.
    """
    chart, make = CHARTS[name]
    with plt.style.context(style):
        figure, ax = plt.subplots(layout="constrained")

        chart(make(), ax=ax)
        figure.canvas.draw()

        paper = figure.get_facecolor()
    written = [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    on_paper = [text for text in written if text.get_gid() != "in a cell"]
    assert len(on_paper) > 5
    assert {
        text.get_text(): contrast(text.get_color(), paper)
        for text in on_paper
        if contrast(text.get_color(), paper) < 4.5
    } == {}


def contrast(ink, paper):
    dark, light = sorted(luminance(to_rgb(colour)) for colour in (ink, paper))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_stays_within_its_figure(name):
    """
    Nothing that is written may be cut off at the edge of the picture.
    """
    chart, make = CHARTS[name]

    ax = chart(make())

    ax.figure.canvas.draw()
    inches = ax.figure.get_tightbbox()
    facts = next(text for text in ax.texts if text.get_gid() == "facts")  # left out of the layout
    assert min(inches.x0, inches.y0) >= -0.01
    assert inches.x1 <= ax.figure.get_figwidth() + 0.01
    assert inches.y1 <= ax.figure.get_figheight() + 0.01
    assert facts.get_window_extent().x1 <= ax.figure.bbox.x1


def test_show_gives_a_figure_with_alt_text_and_closes_the_chart():
    """
    Jupyter and nbconvert drop the alt text of an image; that of an HTML figure stays.
    """
    ax = charts.distribution(weekly(), title="<b>Ratings</b> & more")
    charts.annotate_events(ax, {"2024-09-09": "v4.0 <beta>"})

    bundle = charts.show(ax)._repr_mimebundle_()

    assert 'alt="100 % stacked bars of' in bundle["text/html"]
    assert "v4.0 &lt;beta&gt;" in bundle["text/html"]
    assert bundle["image/png"].startswith("iVBOR")
    assert plt.get_fignums() == []


def test_alt_text_of_a_strange_axes_is_refused():
    """
    An empty alt text would pass unseen.
    """
    _, ax = plt.subplots()

    with pytest.raises(ValueError, match=r"only a chart drawn by reviewlab\.charts"):
        charts.alt_text(ax)
