"""How does the mean rating, or the share of some ratings, move over time?"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.dates import PERIODIC, date_axis
from reviewlab.charts.marks import (
    DOTS_FROM,
    broken_line,
    casing,
    dot_size,
    end_labels,
    no_reviews,
    rating_ticks,
    unbroken,
)
from reviewlab.charts.overlays import annotate_events, mark_changepoints
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, facts, read_periods
from reviewlab.charts.style import canvas, frame, headline, inks


def mean_rating(
    counts: pd.DataFrame,
    *,
    interval: Literal["credible"] | None = "credible",
    cumulative: bool = True,
    events: Mapping[object, str] | None = None,
    changepoints: pd.DataFrame | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the mean rating of each period with its interval, on the full scale.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns: bucket, bucket_end, complete, rating, n, and perhaps in_scale.
    interval
        "credible" draws the 95 % interval of ``ratings.summarize``, which holds at n = 3; None draws none.
    cumulative
        Draw the mean of all reviews up to each period too.
    events
        Label of each moment to mark; see `annotate_events`.
    changepoints
        What ``ratings.changepoints`` returns; see `mark_changepoints`.
    ax
        Where to draw, best in a figure with ``layout="constrained"``; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. Lines break at empty periods; incomplete ones are hollow and dashed.

    Raises
    ------
    ValueError
        If a column is missing, a count is negative, or *interval* is neither value.
    """
    if interval not in ("credible", None):
        raise ValueError(f"interval needs 'credible' or None, got {interval!r}")
    periods = read_periods(counts)
    with canvas(ax) as ax:
        heading = "Mean rating" if title is None else title
        if not periods.total.any():
            return no_reviews(ax, heading)
        summary = ratings.summarize(counts)
        _rating_axes(ax, periods)
        if interval:
            _band(ax, periods, summary=summary)
        labels = [_mean_line(ax, periods, summary=summary)]
        if cumulative:
            labels.append(_cumulative_line(ax, periods, summary=ratings.summarize(ratings.cumulate(counts))))
        end_labels(ax, labels)
        said = [*facts(periods, mark="hollow"), "band: 95% credible interval of the mean" if interval else ""]
        if changepoints is not None:
            said.append("▲ detected change")
        headline(ax, f"Mean rating by {periods.name}" if title is None else title, said=said)
        extremes = alt_extremes(periods, summary["mean"].to_numpy(), show="{:.2f}".format)
        describe(ax, alt_start(periods, "Line of the mean"), extremes, alt_end(periods))
        annotate_events(ax, events or {})
        return ax if changepoints is None else mark_changepoints(ax, changepoints)


def _rating_axes(ax: Axes, periods: Periods) -> None:
    frame(ax, y_label="rating")
    rating_ticks(ax, low=periods.low, high=periods.high)
    date_axis(ax, start=periods.bucket[0], end=periods.bucket_end[-1])


def _band(ax: Axes, periods: Periods, *, summary: pd.DataFrame) -> None:
    x = periods.span.mean(axis=1)
    low, high = summary["mean_lo"].to_numpy(), summary["mean_hi"].to_numpy()
    runs = unbroken(periods, periods.total > 0)
    outlines = [np.r_[np.c_[x[run], low[run]], np.c_[x[run], high[run]][::-1]] for run in runs]
    ax.add_collection(PolyCollection(outlines, facecolor=inks(ax).band, linewidth=0, gid="band"))
    alone = np.array([run[0] for run in runs if len(run) == 1], dtype=np.intp)
    ax.vlines(x[alone], low[alone], high[alone], color=inks(ax).band, linewidth=4, zorder=1)


def _mean_line(ax: Axes, periods: Periods, *, summary: pd.DataFrame) -> tuple[float, str, str]:
    mean = summary["mean"].to_numpy()
    colour = inks(ax).accent
    broken_line(ax, periods, values=mean, colour=colour)
    told = np.flatnonzero(periods.total > 0)
    last = next((i for i in told[::-1] if periods.complete[i]), told[-1])
    return float(mean[last]), f"{PERIODIC[periods.name]} mean\n{mean[last]:.2f}", colour


def _cumulative_line(ax: Axes, periods: Periods, *, summary: pd.DataFrame) -> tuple[float, str, str]:
    mean, colour = summary["mean"].to_numpy(), inks(ax).second
    (line,) = ax.plot(periods.span.mean(axis=1), mean, color=colour, linestyle=(0, (6, 2)), linewidth=1.6)
    line.set(gid="mean to date", zorder=1.8)
    if dot_size(len(mean)) <= DOTS_FROM:  # a dense line would hide it
        line.set(path_effects=casing(ax), zorder=4)
    return float(mean[-1]), f"mean to date\n{mean[-1]:.2f}", colour
