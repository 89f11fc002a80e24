"""What happened when: which events and detected changes can be drawn over a chart of time?"""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from reviewlab.charts.alt import describe_more
from reviewlab.charts.dates import moment_words, position
from reviewlab.charts.marks import casing
from reviewlab.charts.periods import need_columns
from reviewlab.charts.style import inks

ROWS = 4


def annotate_events(ax: Axes, events: Mapping[object, str]) -> Axes:
    """Draw a dotted line and a label at each moment, in a chart of time; labels that would collide step down.

    Parameters
    ----------
    events
        Label of each moment (str, date, datetime or Timestamp); a naive moment is on the clock of the
        chart. A moment outside the axis is not drawn.

    Raises
    ------
    ValueError
        If a moment has a time zone and the chart has none, or cannot be read.
    """
    ink, size = inks(ax), mpl.rcParams["font.size"]
    left, right = ax.get_xlim()
    wide = ax.get_window_extent().width * 72 / ax.figure.dpi
    taken = [float("-inf")] * ROWS
    drawn = []
    placed = sorted((position(ax, moment), str(moment), str(events[moment])) for moment in events)
    for at, moment, label in placed:
        if not left <= at <= right:
            continue
        x, needed = (at - left) / (right - left) * wide, 0.56 * size * len(label) + size
        mirrored = x + needed > wide and x > needed
        begin = x - needed if mirrored else x
        row = next((row for row in range(ROWS) if taken[row] <= begin), ROWS - 1)
        taken[row] = begin + needed
        ax.axvline(at, color=ink.strong, linestyle=":", linewidth=1.1, gid="event")
        text = ax.annotate(
            label,
            (at, 1),
            ((-0.5 if mirrored else 0.5) * size, -0.3 * size - 1.4 * size * row),
            xycoords=ax.get_xaxis_transform(),
            textcoords="offset points",
        )
        text.set(ha="right" if mirrored else "left", va="top", color=ink.strong, fontsize=0.95 * size)
        text.set(path_effects=casing(ax), gid="event", zorder=6)
        drawn.append(f"{label} ({moment})")
    if drawn:
        describe_more(ax, f"Events: {', '.join(drawn)}.")
    return ax


def mark_changepoints(ax: Axes, changepoints: pd.DataFrame) -> Axes:
    """Draw a triangle on the time axis at each detected change.

    Parameters
    ----------
    changepoints
        What ``ratings.changepoints`` returns; only the column at (datetime64) is read.

    Raises
    ------
    ValueError
        If the column is missing, or has a time zone where the chart has none.
    """
    need_columns(changepoints, ["at"])
    moments = [pd.Timestamp(at) for at in changepoints["at"]]
    x = [position(ax, at) for at in moments]
    raised = ax.get_xaxis_transform() + ScaledTranslation(0, 3 / 72, ax.figure.dpi_scale_trans)
    ax.plot(
        x,
        [0.0] * len(x),
        linestyle="none",
        marker="^",
        markersize=8,
        color=inks(ax).alarm,
        markeredgecolor=inks(ax).paper,
        transform=raised,
        clip_on=False,
        zorder=5,
        gid="changepoints",
    )
    if moments:
        describe_more(ax, f"Detected changes: {', '.join(moment_words(at) for at in moments)}.")
    return ax
