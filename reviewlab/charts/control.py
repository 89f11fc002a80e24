"""When does a share leave the band where chance alone would keep it?"""

from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from reviewlab import ratings
from reviewlab.charts.alt import describe
from reviewlab.charts.dates import row_words
from reviewlab.charts.marks import broken_line, casing, dot_size, end_labels, no_reviews, share_axis
from reviewlab.charts.periods import Periods, alt_end, alt_extremes, alt_start, facts, range_words, read_periods
from reviewlab.charts.style import canvas, headline, inks


def control(
    counts: pd.DataFrame,
    *,
    values: Iterable[int] | None = None,
    baseline: pd.DataFrame | float | None = None,
    level: float = 0.997,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the share of some ratings against the band where chance alone would leave it: it finds review bombs.

    Parameters
    ----------
    counts
        What ``lab.rating_counts`` returns.
    values
        Whose share; by default the lowest rating.
    baseline
        Counts of ordinary periods, or their share, 0 to 1; by default all complete periods of *counts*.
    level
        How often an ordinary period lies in the band.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. The band is exact binomial and widens where a period has few reviews
        (``ratings.control``); periods outside it are coloured, the one furthest out is named.

    Raises
    ------
    ValueError
        If a column is missing, or *values* lie outside the scale.
    """
    periods = read_periods(counts)
    chosen = sorted({periods.low} if values is None else set(values))
    what = f"Share of {range_words(chosen, periods.high)}"
    with canvas(ax) as ax:
        if not periods.total.any():
            return no_reviews(ax, what if title is None else title)
        band = ratings.control(counts, values=chosen, baseline=baseline, level=level)
        usual = _usual(periods, baseline, chosen=chosen)
        share_axis(ax, periods, top=min(1.03, 1.15 * float(np.nanmax(band[["share", "hi"]].to_numpy())) or 1.0))
        _draw_band(ax, periods, band=band)
        _draw_usual(ax, usual)
        outside = f"{int(_outside(band).sum())} outside the band"
        chance = f"band: {100 * level:g}% of {periods.name}s if nothing changed"
        heading = f"{what} against its baseline, by {periods.name}" if title is None else title
        headline(ax, heading, said=[*facts(periods, mark="hollow"), chance, outside])
        extremes = alt_extremes(periods, band["share"].to_numpy(), show="{:.0%}".format)
        told = f"Baseline {usual:.0%}, {outside}." if np.isfinite(usual) else "No complete period, so no baseline."
        describe(ax, alt_start(periods, what), told, extremes, alt_end(periods))
        return ax


def _usual(periods: Periods, baseline: pd.DataFrame | float | None, *, chosen: list[int]) -> float:
    """The share that the band is drawn around."""
    if isinstance(baseline, float | int):
        return float(baseline)
    source = periods if baseline is None else read_periods(baseline)
    n = source.read.n if baseline is not None else source.read.n[source.complete]
    return float(n[:, [rating - source.low for rating in chosen]].sum() / n.sum()) if n.any() else float("nan")


def _draw_usual(ax: Axes, usual: float) -> None:
    if np.isfinite(usual):
        ax.axhline(usual, color=inks(ax).muted, linestyle="--", linewidth=1.4, gid="baseline")
        end_labels(ax, [(usual, f"baseline\n{usual:.0%}", inks(ax).muted)])


def _outside(band: pd.DataFrame) -> pd.Series:
    return band["outside"].isin(["low", "high"])


def _draw_band(ax: Axes, periods: Periods, *, band: pd.DataFrame) -> None:
    ink, full = inks(ax), periods.total > 0
    (left, right), low, high = periods.span.T, band["lo"].to_numpy(), band["hi"].to_numpy()
    corners = np.stack([left, low, left, high, right, high, right, low], axis=1).reshape(-1, 4, 2)[full]
    ax.add_collection(PolyCollection(list(corners), facecolor=ink.grid, linewidth=0, zorder=0.5, gid="band"))
    share, out = band["share"].to_numpy(), _outside(band).to_numpy()
    broken_line(ax, periods, values=share, colour=ink.muted, width=1.4)
    x = (left + right) / 2
    (dots,) = ax.plot(x[out], share[out], "o", color=ink.alarm, markersize=max(1.5 * dot_size(len(x)), 4))
    dots.set(zorder=4, gid="outside", markeredgewidth=0)
    if out.any():
        off = np.where(out, np.fmax(share - high, low - share), -1.0)
        _name_furthest(ax, periods, at=int(off.argmax()), share=share)


def _name_furthest(ax: Axes, periods: Periods, *, at: int, share: NDArray[np.float64]) -> None:
    size, x = mpl.rcParams["font.size"], float(periods.span[at].mean())
    early = x < float(np.mean(ax.get_xlim()))
    when = row_words(periods.bucket[at], periods.name)
    text = ax.annotate(
        f"{when}: {share[at]:.0%} of {periods.total[at]:,}",
        (x, float(share[at])),
        (0.9 * size if early else -0.9 * size, 0),
        textcoords="offset points",
    )
    text.set(ha="left" if early else "right", va="center", color=inks(ax).alarm, fontweight="bold")
    text.set(fontsize=0.95 * size, path_effects=casing(ax), zorder=5)
