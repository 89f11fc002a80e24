"""How do the ratings of one period differ from those of another?"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.dates import span_words
from reviewlab.charts.marks import casing, no_reviews
from reviewlab.charts.periods import Periods, rating_words, read_periods
from reviewlab.charts.style import WORSE, canvas, frame, headline, inks, scale_colours


def bars(
    counts: pd.DataFrame,
    *,
    compare: pd.DataFrame | None = None,
    labels: tuple[str, str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the share of each rating over all periods of *counts* as a bar, best on top, with its number and interval.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns, of any number of periods; they are added up.
    compare
        Counts on the same scale, drawn as a tick across each bar.
    labels
        What *counts* and *compare* are called; by default their date ranges.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. Whiskers are simultaneous 95 % intervals of all shares (Goodman 1965, as in statsmodels).

    Raises
    ------
    ValueError
        If a column is missing or the scales differ.
    """
    one, heading = read_periods(counts), "Rating distribution" if title is None else title
    other = None if compare is None else _same_scale(one, read_periods(compare))
    with canvas(ax, size=(6.4, 3.6)) as ax:
        if not one.total.any():
            return no_reviews(ax, heading)
        named = labels or (_range(one), "" if other is None else _range(other))
        lines = [f"{named[0]}: {_n_and_mean(counts)}"]
        if other is not None and compare is not None and other.total.any():
            lines.append(f"{named[1]}: {_n_and_mean(compare)}")
        _draw_bars(ax, one, other=other if len(lines) > 1 else None)
        compared = lines[1:]
        headline(ax, heading, said=[lines[0], "whisker: 95% CI\n", *(f"┃ {line}" for line in compared)])
        shares = ", ".join(f"{label} {share:.0%}" for label, share in zip(one.labels, _shares(one), strict=True))
        start = f"Bars of the shares of each rating, {lines[0]}: {shares}."
        describe(ax, start, *(f"Compared with {line}." for line in compared))
        return ax


def shift(
    a: pd.DataFrame,
    b: pd.DataFrame,
    *,
    labels: tuple[str, str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the cumulative shares of *a* against those of *b*; the area between them is how far the ratings moved.

    Parameters
    ----------
    a, b
        What ``lab.rating_counts`` returns, of any number of periods, on the same scale; each is added up. *b* is what
        *a* is compared with.
    labels
        What they are called; by default their date ranges.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. The shaded area is the Wasserstein distance in points of the scale; the step at the best
        rating, always 100 %, is left out. Test and effect size are those of ``ratings.compare``.

    Raises
    ------
    ValueError
        If a column is missing or the scales differ.
    """
    one = read_periods(a)
    other = _same_scale(one, read_periods(b))
    heading = "How the distribution moved" if title is None else title
    with canvas(ax, size=(6.4, 4.2)) as ax:
        if not (one.total.any() and other.total.any()):
            return no_reviews(ax, heading)
        test = ratings.compare(a, b)
        _draw_steps(ax, one, other=other)
        named = labels or (_range(one), _range(other))
        lines = [f"{name}: {_n_and_mean(counts)}" for name, counts in zip(named, (a, b), strict=True)]
        _name_lines(ax, lines)
        area = f"shaded area = {test['wasserstein']:.2f}{_star(one)} (Wasserstein)"
        said = [f"{area}\n", f"χ² {_p_words(test['p_shape'])}, V = {test['cramers_v']:.2f}"]
        headline(ax, heading, said=said)
        describe(ax, "Two cumulative distributions of ratings.", f"{lines[0]}; {lines[1]}.", f"{area}; {said[1]}.")
        return ax


def _same_scale(one: Periods, other: Periods) -> Periods:
    if (one.low, one.high) != (other.low, other.high):
        raise ValueError(f"both frames need one scale, got {one.low} to {one.high} and {other.low} to {other.high}")
    return other


def _shares(periods: Periods) -> NDArray[np.float64]:
    return np.asarray(periods.n.sum(axis=0) / max(int(periods.total.sum()), 1), dtype=np.float64)


def _draw_bars(ax: Axes, periods: Periods, *, other: Periods | None) -> None:
    from statsmodels.stats.proportion import multinomial_proportions_confint  # here: it takes 0.8 s

    ink, n, rows = inks(ax), periods.n.sum(axis=0), np.arange(len(periods.labels))
    low, high = multinomial_proportions_confint(n, alpha=0.05, method="goodman").T
    reach = high if other is None else np.maximum(high, _shares(other))
    ax.barh(rows, _shares(periods), height=0.66, color=scale_colours(len(rows)))
    drawn = ax.hlines(rows, low, high, color=ink.strong, linewidth=1.6, gid="whiskers")
    drawn.set_path_effects(casing(ax, 4))
    if other is not None:
        ticks = ax.vlines(_shares(other), rows - 0.42, rows + 0.42, color=ink.strong, linewidth=3.2)
        ticks.set(path_effects=casing(ax, 5.5), gid="compared")
    ax.set_xlim(0, float(reach.max()) * 1.32)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    frame(ax)
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    ax.set_xticks([])
    ax.set_yticks(rows, periods.labels)
    ax.tick_params(axis="y", labelcolor=ink.strong)
    _name_bars(ax, reach, n=n)


def _name_bars(ax: Axes, reach: NDArray[np.float64], *, n: NDArray[np.int64]) -> None:
    ink, size = inks(ax), mpl.rcParams["font.size"]
    for row, (end, count) in enumerate(zip(reach, n, strict=True)):
        share = ax.annotate(
            f"{count / n.sum():.0%}", (end, row), (0.8 * size, 0), textcoords="offset points", va="center"
        )
        share.set(color=ink.strong, fontweight="bold", fontsize=size)
        number = ax.text(1, row, f"{count:,}", transform=ax.get_yaxis_transform(), ha="right", va="center")
        number.set(color=ink.muted, fontsize=0.95 * size)


def _draw_steps(ax: Axes, one: Periods, *, other: Periods) -> None:
    ink, edges = inks(ax), np.arange(one.low, one.high + 1)
    upper, lower = _cumulative(one), _cumulative(other)
    if len(edges) > 1:
        ax.stairs(upper, edges, baseline=lower, fill=True, color=WORSE, alpha=0.45, linewidth=0)
        ax.stairs(lower, edges, baseline=None, color=ink.muted, linewidth=2.2)
        ax.stairs(upper, edges, baseline=None, color=ink.strong, linewidth=2.6)
    ax.set_xlim(one.low, max(one.high, one.low + 1))
    ax.set_ylim(0, 1)
    frame(ax, y_label="share of reviews rated …")
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    ax.tick_params(axis="x", length=0, labelcolor=ink.strong)
    if len(edges) > 11:
        ax.set_xlabel("… this or lower", color=ink.muted)
        return
    words = [rating_words(rating, one.high) for rating in edges[:-1]]
    middle = (edges[:-1] + 0.5).astype(np.float64)
    ax.set_xticks(middle, words[:1] + [f"≤ {word}" for word in words[1:]])
    _name_differences(ax, middle, upper=upper, lower=lower)


def _name_differences(
    ax: Axes, x: NDArray[np.float64], *, upper: NDArray[np.float64], lower: NDArray[np.float64]
) -> None:
    """Write the difference in percentage points into each step, or above it where it is too thin."""
    for at, one, other in zip(x, upper, lower, strict=True):
        thin = abs(one - other) < 0.07
        y = max(one, other) + 0.045 if thin else (one + other) / 2
        text = ax.text(at, y, points(one - other), ha="center", va="center", fontweight="bold")
        text.set(color=inks(ax).strong, fontsize=0.95 * mpl.rcParams["font.size"])


def _name_lines(ax: Axes, lines: list[str]) -> None:
    ink = inks(ax)
    handles = [
        Line2D([], [], color=c, linewidth=2.6, label=line)
        for c, line in zip((ink.strong, ink.muted), lines, strict=True)
    ]
    drawn = ax.legend(handles=handles, loc="best", frameon=False, labelcolor=ink.strong)
    drawn.set_gid("key")


def _cumulative(periods: Periods) -> NDArray[np.float64]:
    total = periods.read.n.sum(axis=0).cumsum()
    return np.asarray(total[:-1] / total[-1], dtype=np.float64)


def _n_and_mean(counts: pd.DataFrame) -> str:
    row = ratings.summarize(ratings.total(counts)).iloc[0]
    return f"n = {int(row['n']):,}, mean {row['mean']:.2f}"


def _range(periods: Periods) -> str:
    if not len(periods.bucket):
        return "no periods"
    return span_words(periods.bucket[0], periods.bucket_end[-1])


def _star(periods: Periods) -> str:
    return "★" if periods.high == 5 else " points"


def points(change: float) -> str:
    """Say a change of a share in percentage points."""
    rounded = round(100 * change)
    return f"{rounded:+d} pt".replace("-", "−") if rounded else "±0 pt"


def _p_words(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
