"""Do later reviews rate lower than earlier ones?"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reviewlab.charts.alt import describe
from reviewlab.charts.dates import span_words, zone_words
from reviewlab.charts.marks import end_labels, no_reviews, rating_ticks
from reviewlab.charts.periods import need_columns
from reviewlab.charts.style import canvas, frame, headline, inks

POINTS = 2000


def sequence(reviews: pd.DataFrame, *, window: int = 100, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the mean of each *window* of reviews by the number of the review, not by its date.

    On an axis of review numbers a burst of reviews takes the room it deserves, and an order effect (the n-th review
    lower than the one before: Godes and Silva 2012) shows as a slope.

    Parameters
    ----------
    reviews
        rating (integer) and submitted_at (datetime64); sorted here, by review_id too where that is present.
    window
        Reviews per mean; fewer reviews than that are drawn as one mean of all.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into, x being the number of the last review of each window.

    Raises
    ------
    ValueError
        If a column is missing, or *window* is below 1.
    """
    need_columns(reviews, ["rating", "submitted_at"])
    if window < 1:
        raise ValueError(f"window needs 1 or more reviews, got {window}")
    order = ["submitted_at", "review_id"] if "review_id" in reviews.columns else ["submitted_at"]
    rows = reviews.dropna(subset="submitted_at").sort_values(order, kind="stable")
    heading = f"Mean of {window} consecutive ratings" if title is None else title
    with canvas(ax) as ax:
        if rows.empty:
            return no_reviews(ax, heading)
        window = min(window, len(rows))
        means = rows["rating"].rolling(window).mean().to_numpy()
        overall = float(rows["rating"].mean())
        _draw_means(ax, means, overall=overall)
        rating_ticks(ax, low=int(rows["rating"].min()), high=int(rows["rating"].max()))
        last = (float(means[-1]), f"last {window:,}\n{means[-1]:.2f}", inks(ax).accent)
        end_labels(ax, [last, (overall, f"all\n{overall:.2f}", inks(ax).second)])
        said = [f"n = {len(rows):,}", _when(rows["submitted_at"])]
        headline(ax, heading, said=[*said, "in the order of submission"])
        low, high = np.nanmin(means), np.nanmax(means)
        told = f"First {means[window - 1]:.2f}, lowest {low:.2f}, highest {high:.2f}, last {means[-1]:.2f}."
        describe(ax, f"Line of the mean of {window} consecutive ratings; {', '.join(said)}.", told)
        return ax


def _when(moments: pd.Series) -> str:
    first, last = moments.iloc[0].normalize(), moments.iloc[-1].normalize() + pd.Timedelta(1, "D")
    zone = zone_words(moments.dt.tz)
    return f"{span_words(first, last)}, {zone}" if zone else span_words(first, last)


def _draw_means(ax: Axes, means: NDArray[np.float64], *, overall: float) -> None:
    ink = inks(ax)
    chosen = np.unique(np.linspace(0, len(means) - 1, POINTS).astype(np.intp))
    ax.axhline(overall, color=ink.second, linestyle=(0, (6, 2)), linewidth=1.6)
    ax.plot(chosen + 1, means[chosen], color=ink.accent, linewidth=1.6)
    ax.set_xlim(1, max(len(means), 2))
    frame(ax, y_label="rating")
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    ax.set_xlabel("number of the review", color=ink.muted, fontsize=mpl.rcParams["font.size"])
