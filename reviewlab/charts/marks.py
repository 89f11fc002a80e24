"""Which marks do several charts draw?"""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import date_axis
from reviewlab.charts.periods import Periods, empty_runs
from reviewlab.charts.style import VOLUME, frame, headline, inks

Numbers = NDArray[np.float64] | NDArray[np.int64]
GAP = 0.1
GAPS_UP_TO = 120
LABELLED_GAP = 0.022
DOTS_FROM = 2.5
MARGIN = 0.0375


def columns(
    ax: Axes, span: Numbers, *, bottom: Numbers, top: Numbers, colour: str, incomplete: NDArray[np.bool_]
) -> None:
    """Draw one rectangle per period of *span* (left, right), with white gaps where there is room for them."""
    inset = GAP / 2 * (span[:, 1] - span[:, 0]) if len(span) <= GAPS_UP_TO else np.zeros(len(span))
    narrow = np.column_stack((span[:, 0] + inset, span[:, 1] - inset))
    boxes(ax, narrow, bottom=bottom, top=top, colour=colour, incomplete=incomplete)


def boxes(
    ax: Axes, span: Numbers, *, bottom: Numbers, top: Numbers, colour: str, incomplete: NDArray[np.bool_]
) -> None:
    """Draw one rectangle per row of *span* (left, right), those of *incomplete* periods paler and hatched.

    Two collections at most, however many rectangles: 5,000 take 0.1 s, as patches they take 4 s.
    """
    left, right = span[:, 0], span[:, 1]
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=1).reshape(-1, 4, 2)
    looks: list[tuple[NDArray[np.bool_], dict[str, Any]]] = [
        (~incomplete, {}),
        (incomplete, {"hatch": "////", "alpha": 0.75, "edgecolor": inks(ax).paper}),
    ]
    for chosen, look in looks:
        if chosen.any():
            ax.add_collection(PolyCollection(list(corners[chosen]), facecolor=colour, linewidth=0, **look))


def volume_strip(ax: Axes, span: Numbers, *, n: NDArray[np.int64], incomplete: NDArray[np.bool_]) -> float:
    """Draw the number of reviews above *ax* and say its maximum; give the height where that ends."""
    strip = ax.inset_axes((0, 1.03, 1, 0.16), sharex=ax)
    strip.set_gid("volume")
    columns(strip, span, bottom=np.zeros(len(n)), top=n, colour=VOLUME, incomplete=incomplete)
    strip.set_ylim(0, float(n.max()))
    strip.tick_params(labelbottom=False, length=0)
    strip.set_yticks([float(n.max())], [f"n {n.max():,}"])
    strip.tick_params(axis="y", colors=inks(ax).muted, labelsize=0.95 * mpl.rcParams["font.size"])
    strip.patch.set_visible(False)
    strip.spines[["top", "right", "left"]].set_visible(False)
    strip.spines["bottom"].set_color(inks(ax).line)
    return 1.19


def unbroken(periods: Periods, chosen: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Split the indices of the *chosen* periods into runs that follow each other without a gap."""
    index = np.flatnonzero(chosen)
    follows = (np.diff(index) == 1) & (periods.span[index[1:], 0] == periods.span[index[:-1], 1])
    return [run for run in np.split(index, np.flatnonzero(~follows) + 1) if len(run)]


def broken_line(ax: Axes, periods: Periods, *, values: Numbers, colour: str, width: float = 2.2) -> None:
    """Draw *values* at the middle of their periods, broken at empty ones, hollow at incomplete ones."""
    points = np.column_stack((periods.span.mean(axis=1), values))
    full, complete = periods.total > 0, periods.complete
    runs = unbroken(periods, full)
    solid = [points[run] for run in unbroken(periods, full & complete)]
    pairs = [run[i : i + 2] for run in runs for i in range(len(run) - 1)]
    dashed = [points[pair] for pair in pairs if not complete[pair].all()]
    size = dot_size(len(points))
    style: dict[str, Any] = {"color": colour, "linewidth": width if size > DOTS_FROM else width / 2}
    ax.add_collection(LineCollection(solid, capstyle="round", joinstyle="round", gid="line", **style))
    ax.add_collection(LineCollection(dashed, linestyle=(0, (2, 2)), gid="dashes", **style))
    alone = np.isin(np.arange(len(points)), [run[0] for run in runs if len(run) == 1])
    dots = full if size > DOTS_FROM else full & (alone | ~complete)
    for chosen, face in ((dots & complete, colour), (dots & ~complete, inks(ax).paper)):
        (drawn,) = ax.plot(*points[chosen].T, "o", color=colour, markersize=max(size, 3))
        drawn.set(markerfacecolor=face, zorder=3)


def dot_size(n: int) -> float:
    """Diameter in points of a dot where *n* of them share a chart; below DOTS_FROM there is no room for dots."""
    return float(np.clip(420 / max(n, 1), 0, 5.5))


def label_gaps(ax: Axes, periods: Periods) -> None:
    """Write "no reviews" into each run of empty periods that is wide enough to hold it."""
    left, right = ax.get_xlim()
    for first, last in empty_runs(periods):
        begin, end = periods.span[first, 0], periods.span[last, 1]
        wide = (end - begin) / (right - left)
        if wide >= LABELLED_GAP:
            text = ax.text((begin + end) / 2, 0.5, "no reviews", transform=ax.get_xaxis_transform())
            text.set(rotation=90 if wide < 0.12 else 0, ha="center", va="center")
            text.set(color=inks(ax).muted, fontsize=0.9 * mpl.rcParams["font.size"])


def no_reviews(ax: Axes, title: str) -> Axes:
    """Say that there is nothing to draw, instead of an empty frame."""
    ax.set_axis_off()
    headline(ax, title, said=["n = 0"])
    ax.text(0.5, 0.5, "no reviews in this range", transform=ax.transAxes, ha="center", color=inks(ax).muted)
    describe(ax, f"{title}: n = 0, no reviews in this range.")
    return ax


def rating_ticks(ax: Axes, *, low: int, high: int) -> None:
    """Let the y axis hold the whole scale, with ticks at both ends and at points that divide it evenly."""
    margin = MARGIN * (high - low) or 0.5
    ax.set_ylim(low - margin, high + margin)
    parts = next((parts for parts in (4, 5, 3, 2) if (high - low) % parts == 0), 1)
    ax.set_yticks(sorted({low + (high - low) * i // parts for i in range(parts + 1)}))


def share_axis(ax: Axes, periods: Periods, *, top: float) -> None:
    """Give *ax* a time axis and shares from 0 to *top*."""
    ax.set_ylim(0, top)
    frame(ax, y_label="share of reviews")
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    date_axis(ax, start=periods.bucket[0], end=periods.bucket_end[-1])


def end_labels(ax: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write (height, text, colour) right of the drawing, each at its height, nudged apart."""
    size = mpl.rcParams["font.size"]
    low, high = ax.get_ylim()
    tall = ax.get_window_extent().height * 72 / ax.figure.dpi
    placed = sorted(labels)
    heights = np.array([height for height, _, _ in placed])
    for i in range(1, len(heights)):
        short = 2.9 * size / tall * (high - low) - (heights[i] - heights[i - 1])
        if short > 0:
            heights[:i] -= short / 2
            heights[i:] += short / 2
    for height, (_, text, colour) in zip(heights, placed, strict=True):
        drawn = ax.annotate(
            text, (1, height), (0.7 * size, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points"
        )
        drawn.set(color=colour, va="center", fontweight="bold", fontsize=0.95 * size, linespacing=1.2)


def shade_bar(
    ax: Axes,
    shades: ScalarMappable,
    *,
    label: str = "",
    ticks: Sequence[float] | None = None,
    labels: Sequence[str] | None = None,
) -> Axes:
    """Draw the key of *shades* right of *ax*; give the Axes of that."""
    ink, size = inks(ax), mpl.rcParams["font.size"]
    bar = ax.inset_axes((1.015, 0, 0.016, 1))
    drawn = ax.figure.colorbar(shades, cax=bar)
    drawn.outline.set_visible(False)
    if ticks is None:
        bar.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:
        bar.set_yticks(ticks, labels)
    bar.tick_params(colors=ink.muted, labelsize=0.95 * size, length=0)
    bar.set_ylabel(label, color=ink.muted, fontsize=size)
    return bar


def casing(ax: Axes, width: float = 3.0) -> list[AbstractPathEffect]:
    """Path effects that keep a line or text apart from what lies below it."""
    return [withStroke(linewidth=width, foreground=inks(ax).paper)]
