"""How does the share of the better ratings move?"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.marks import end_labels, no_reviews, share_axis
from reviewlab.charts.periods import (
    Periods,
    alt_end,
    alt_extremes,
    alt_start,
    facts,
    rating_words,
    read_periods,
)
from reviewlab.charts.style import BETTER, canvas, headline, inks
from reviewlab.ratings.counts import sides

LARGEST_DOT = 130.0


def share(
    counts: pd.DataFrame, *, threshold: int | None = None, ax: Axes | None = None, title: str | None = None
) -> Axes:
    """Draw the share of ratings at or above *threshold* as dots with intervals; the area of a dot is its reviews.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns.
    threshold
        The least rating that counts; by default the top 40 % of the scale.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into, 0 to 100 %. Bars are Wilson 95 % intervals (``ratings.summarize``); incomplete periods are
        hollow.

    Raises
    ------
    ValueError
        If a column is missing, or *threshold* lies outside the scale.
    """
    periods = read_periods(counts)
    least, _ = sides(periods.read, threshold, periods.low - 1)
    what = f"Share of {rating_words(least, periods.high)} and above"
    with canvas(ax) as ax:
        if not periods.total.any():
            return no_reviews(ax, what if title is None else title)
        summary = ratings.summarize(counts, positive=least)
        overall = float(ratings.summarize(ratings.total(counts), positive=least)["share_positive"].iloc[0])
        _draw_shares(ax, periods, summary=summary)
        share_axis(ax, periods, top=1.0)
        ax.axhline(overall, color=inks(ax).muted, linestyle="--", linewidth=1.4, gid="overall")
        end_labels(ax, [(overall, f"overall\n{overall:.0%}", inks(ax).muted)])
        said = [*facts(periods, mark="hollow"), "bar: Wilson 95% interval", "dot area: reviews"]
        headline(ax, f"{what} by {periods.name}" if title is None else title, said=said)
        extremes = alt_extremes(periods, summary["share_positive"].to_numpy(), show="{:.0%}".format)
        describe(ax, alt_start(periods, what), f"Overall {overall:.0%}.", extremes, alt_end(periods))
        return ax


def _draw_shares(ax: Axes, periods: Periods, *, summary: pd.DataFrame) -> None:
    ink, full = inks(ax), periods.total > 0
    x = periods.span.mean(axis=1)
    low, mid, high = (summary[name].to_numpy() for name in ("share_positive_lo", "share_positive", "share_positive_hi"))
    room = min(1.0, 90 / len(x))
    width = max(0.8, 3.2 * room)
    ax.vlines(
        x[full], low[full], high[full], color=BETTER, alpha=0.75, linewidth=width, capstyle="round", gid="interval"
    )
    area = np.maximum(LARGEST_DOT * room * periods.total / periods.total.max(), 4 * room + 1.5)
    for chosen, face in ((full & periods.complete, ink.accent), (full & ~periods.complete, ink.paper)):
        dots = ax.scatter(x[chosen], mid[chosen], s=area[chosen], facecolor=face, edgecolor=ink.accent, zorder=3)
        dots.set(clip_on=False, gid="share", linewidth=1.4 if face == ink.paper else 0)
