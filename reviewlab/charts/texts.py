"""How long are the texts of each rating?"""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from reviewlab.charts.alt import describe
from reviewlab.charts.marks import casing, columns, no_reviews, volume_strip
from reviewlab.charts.periods import need_columns, rating_classes
from reviewlab.charts.style import canvas, frame, headline, inks, luminance, scale_colours

DOTS = 250
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def text_length(data: pd.DataFrame, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw how long the public texts are, by rating.

    Parameters
    ----------
    data
        Either what ``lab.by_text_length`` returns (length_bin, rating, n): one stacked bar of ratings per length. Or
        reviews: rating, and public_review or length (characters, white space at both ends left out): dots, median,
        middle 50 % and 90 % per rating; with private_review also the share of reviews that have one. Texts
        themselves are not drawn.
    ax
        Where to draw; without it, in a new pyplot figure.

    Returns
    -------
    Axes
        The one drawn into. Of reviews at most 250 dots per rating are drawn, evenly spaced by rank of length.

    Raises
    ------
    ValueError
        If the frame has neither form.
    """
    heading = "Review length by rating" if title is None else title
    if "length_bin" in data.columns:
        return _draw_bins(data, ax=ax, title=title)
    need_columns(data, ["rating"] + ([] if "length" in data.columns else ["public_review"]))
    length = data["length"] if "length" in data.columns else data["public_review"].str.strip().str.len()
    characters = np.asarray(length.fillna(0), dtype=np.int64)
    rating = data["rating"].to_numpy(dtype=np.int64)
    labels, begins = rating_classes(int(rating.min()), int(rating.max())) if len(rating) else ([], [])
    with canvas(ax, size=(6.8, 1.7 + 0.42 * len(labels))) as ax:
        if not (characters > 0).any():
            return no_reviews(ax, heading)
        group = np.searchsorted(begins, rating - rating.min(), side="right") - 1
        medians = _draw_lengths(ax, characters, group=group, k=len(labels))
        _label_lengths(ax, labels)
        if "private_review" in data.columns:
            _draw_private(ax, data["private_review"].fillna("").str.strip().ne("").to_numpy(), group=group)
        empty = int((characters == 0).sum())
        said = [
            f"n = {len(characters) - empty:,}",
            f"{empty:,} empty left out" if empty else "",
            "median, middle 50% and 90%",
        ]
        headline(ax, heading, said=said)
        told = ", ".join(f"{label} {median:,.0f}" for label, median in zip(labels, medians, strict=True) if median > 0)
        describe(
            ax, f"Lengths of {said[0].removeprefix('n = ')} public texts.", f"Median characters by rating: {told}."
        )
        return ax


def _draw_lengths(ax: Axes, length: NDArray[np.int64], *, group: NDArray[np.intp], k: int) -> list[float]:
    ink, size, medians = inks(ax), mpl.rcParams["font.size"], []
    rng = np.random.default_rng(0)
    for row, colour in enumerate(scale_colours(k)):
        ranked = np.sort(length[(group == row) & (length > 0)])
        if not len(ranked):
            medians.append(0.0)
            continue
        dots = ranked[np.linspace(0, len(ranked) - 1, min(DOTS, len(ranked))).astype(np.intp)]
        drawn = ax.scatter(dots, row + rng.uniform(-0.3, 0.3, len(dots)), s=7, alpha=0.75, linewidth=0)
        drawn.set_facecolor(_dot_colour(colour))
        low, left, median, right, high = np.quantile(ranked, QUANTILES)
        ax.hlines(row, low, high, color=ink.strong, linewidth=1.4)
        ax.hlines(row, left, right, color=ink.strong, linewidth=6)
        ax.plot(median, row, "o", color=ink.strong, markerfacecolor=ink.paper, markersize=6)
        text = ax.annotate(f"{median:,.0f}", (median, row), (0, 0.8 * size), textcoords="offset points", ha="center")
        text.set(color=ink.strong, fontweight="bold", fontsize=0.95 * size, path_effects=casing(ax))
        medians.append(float(median))
    return medians


def _dot_colour(colour: str) -> str:
    """Darken what a small dot on white paper would not show."""
    r, g, b = to_rgb(colour)
    return to_hex((0.8 * r, 0.8 * g, 0.8 * b)) if luminance(colour) > 0.5 else colour


def _label_lengths(ax: Axes, labels: list[str]) -> None:
    ink = inks(ax)
    ax.set_xscale("log")
    ax.set_ylim(-0.6, len(labels) - 0.25)
    frame(ax)
    ax.grid(visible=False)
    ax.grid(axis="x", color=ink.grid, linewidth=0.8)
    ax.xaxis.set_major_locator(LogLocator(10))
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("characters in the public text (log scale)", color=ink.muted, fontsize=mpl.rcParams["font.size"])
    ax.set_yticks(range(len(labels)), labels)
    ax.tick_params(axis="y", labelcolor=ink.strong)


def _draw_private(ax: Axes, private: NDArray[np.bool_], *, group: NDArray[np.intp]) -> None:
    ink, size = inks(ax), 0.95 * mpl.rcParams["font.size"]
    shares = [(row, f"{private[group == row].mean():.0%}") for row in np.unique(group)]
    top = ax.get_ylim()[1]
    for row, text in [*shares, (top, "private\ntext")]:
        drawn = ax.annotate(
            text, (1, row), (4.2 * size, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points"
        )
        drawn.set(ha="right", va="center", color=ink.muted, fontsize=size)


def _draw_bins(data: pd.DataFrame, *, ax: Axes | None, title: str | None) -> Axes:
    need_columns(data, ["length_bin", "rating", "n"])
    data = data[data["in_scale"]] if "in_scale" in data else data
    heading = "Ratings by length of the text" if title is None else title
    with canvas(ax, size=(7.6, 4.2)) as ax:
        if not data["n"].any():
            return no_reviews(ax, heading)
        wide = data.pivot_table(index="length_bin", columns="rating", values="n", aggfunc="sum", observed=False)
        points = range(int(data["rating"].min()), int(data["rating"].max()) + 1)
        labels, begins = rating_classes(points[0], points[-1])
        n = np.add.reduceat(wide.reindex(columns=points).fillna(0).to_numpy(dtype=np.int64), begins, axis=1)
        bins = [str(name) for name in wide.index]
        top = _draw_stacks(ax, n, bins=bins)
        key = dict(zip(labels, scale_colours(len(labels)), strict=True))
        headline(ax, heading, said=[f"n = {n.sum():,}", "by characters in the public text"], top=top, key=key)
        best = n[:, -1] / np.maximum(n.sum(axis=1), 1)
        told = ", ".join(f"{name} {share:.0%}" for name, share in zip(bins, best, strict=True))
        start = f"100 % stacked bars of {n.sum():,} ratings by characters in the public text."
        describe(ax, start, f"Share of {labels[-1]}: {told}.")
        return ax


def _draw_stacks(ax: Axes, n: NDArray[np.int64], *, bins: list[str]) -> float:
    total, nothing = n.sum(axis=1), np.zeros(len(n), dtype=np.bool_)
    tops = (n / np.maximum(total, 1)[:, None]).cumsum(axis=1)
    span = np.column_stack((np.arange(len(n)), np.arange(len(n)) + 1.0))
    bottom = np.zeros(len(n))
    for k, colour in enumerate(scale_colours(n.shape[1])):
        columns(ax, span, bottom=bottom, top=tops[:, k], colour=colour, incomplete=nothing)
        bottom = tops[:, k]
    ax.set_ylim(0, 1)
    frame(ax, y_label="share of reviews")
    ax.set_yticks(np.linspace(0, 1, 5))
    ax.yaxis.set_major_formatter(PercentFormatter(1, 0))
    ax.set_xlim(0, len(n))
    ticks = [f"{name}\nn {reviews:,}" for name, reviews in zip(bins, total, strict=True)]
    ax.set_xticks(np.arange(len(n)) + 0.5, ticks, linespacing=1.4)
    ax.tick_params(axis="x", length=0)
    return volume_strip(ax, span, n=total, incomplete=nothing)
