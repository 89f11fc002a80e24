"""Which colours, inks, titles and legends do the charts share?"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb, to_rgba
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

# Worst to best, never red against green: any two are more than 20 apart (CAM02-UCS) in normal, deutan, protan
# and tritan sight.
RATING_COLOURS = ("#9c3d00", "#f0a04b", "#dadada", "#6aaed6", "#154a86")
WORST, WORSE, NEUTRAL, BETTER, BEST = RATING_COLOURS
RATING_MAP = LinearSegmentedColormap.from_list("reviewlab.ratings", RATING_COLOURS)
SHARE_MAP = LinearSegmentedColormap.from_list(
    "reviewlab.shares", ("#f4f6f9", "#bcd5ec", "#62a6d2", "#2467ab", "#0b2b5a")
)
VOLUME = "#a9b0b8"

HOUSE: dict[Any, Any] = {  # to the stubs, its keys are literals
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "figure.facecolor": "white",
    "savefig.facecolor": "auto",
    "axes.facecolor": "white",
    "hatch.linewidth": 1.0,
}


class Inks(NamedTuple):
    """Text and line colours that can be read on the paper of one chart."""

    strong: str
    muted: str
    line: str
    grid: str
    accent: str
    second: str
    alarm: str
    band: str
    paper: str


_ON_LIGHT = Inks(
    strong="#20242a",
    muted="#5f6670",
    line="#b9bec4",
    grid="#e6e8ea",
    accent=BEST,
    second="#74458c",
    alarm="#b3301f",
    band="#d5e7f5",
    paper="#ffffff",
)
_ON_DARK = Inks(
    strong="#f2f4f6",
    muted="#b4bbc3",
    line="#6b737c",
    grid="#3a4047",
    accent=BETTER,
    second="#cda6e0",
    alarm="#ff8a70",
    band="#24425c",
    paper="#111111",
)


@contextmanager
def canvas(ax: Axes | None, *, size: tuple[float, float] = (9.6, 4.2)) -> Iterator[Axes]:
    """Give the Axes to draw into: *ax* itself, or the only one of a new pyplot figure in the house style.

    A new figure is *size* inches large, white in any notebook theme and laid out by "constrained"; it is
    closed again when drawing fails. Global rcParams are as before afterwards.
    """
    if ax is not None:
        yield ax
        return
    # outside the context: a kernel's first figure has it show figures, a setting that must outlast this one
    figure = plt.figure(figsize=size, layout="constrained", facecolor=HOUSE["figure.facecolor"])
    with mpl.rc_context(HOUSE):
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr,call-arg]
        try:
            yield figure.add_subplot()
        except BaseException:
            plt.close(figure)
            raise


def inks(ax: Axes) -> Inks:
    """Choose inks by the luminance of what lies behind *ax*."""
    paper = ax.get_facecolor()
    if to_rgba(paper)[3] < 1:
        paper = ax.figure.get_facecolor()
    chosen = _ON_LIGHT if luminance(to_hex(paper)) > 0.3 else _ON_DARK
    return chosen._replace(paper=to_hex(paper))


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, 0 to 1, as WCAG 2.2 defines it."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def readable_on(colour: str) -> str:
    """Black or white text, whichever has the higher contrast on *colour*."""
    return "#000000" if luminance(colour) > 0.18 else "#ffffff"


def scale_colours(k: int) -> list[str]:
    """Colours of *k* ratings, worst first; the neutral grey appears only where there is a middle."""
    chosen = {1: (BEST,), 2: (WORST, BEST), 4: (WORST, WORSE, BETTER, BEST)}
    return list(chosen.get(k) or (to_hex(RATING_MAP(x)) for x in np.linspace(0, 1, k)))


def headline(
    ax: Axes, title: str, *, said: Sequence[str], top: float = 1.0, key: Mapping[str, str] | None = None
) -> None:
    """Write a bold title, below it in grey what is *said* (n, range, zone, what marks mean), right of it a *key*.

    *top*, in fractions of the height of *ax*, is where the drawing ends; *key* gives each label its colour.
    Where *ax* is too narrow, lines break between two facts and the key goes below them.
    """
    ink, size = inks(ax), mpl.rcParams["font.size"]
    wider = 1.1 if ax.figure.get_layout_engine() else 1.0  # what a layout will win for ax, about
    width = ax.get_window_extent().width * 72 / ax.figure.dpi * wider
    lines = _lines(said, width / (0.52 * size))
    beside, rows = _place_key(key or {}, width=width, room=width - (0.85 * len(title) + 2) * size)
    raised = (0.8 + (0 if beside else 1.5 * rows)) * size
    heading = ax.set_title(title, loc="left", y=top, pad=raised + 1.35 * size * len(lines), color=ink.strong)
    heading.set(fontsize=1.3 * size, fontweight="bold")
    below = ax.annotate("\n".join(lines), (0, top), (0, raised), xycoords="axes fraction", textcoords="offset points")
    below.set(color=ink.muted, fontsize=0.95 * size, linespacing=1.25, gid="facts")
    below.set_in_layout(not title)  # a long line would push its neighbours off a composed page
    if key:
        rise = raised + 1.35 * size * len(lines) if beside else 0.8 * size
        _draw_key(ax, key, at=(1 if beside else 0, top), rise=rise, rows=rows)


def _lines(facts: Sequence[str], characters: float) -> list[str]:
    """Join facts with dots into lines of at most so many *characters*; a fact that ends in a newline ends its line."""
    lines: list[str] = []
    for fact in filter(None, facts):
        if lines and not lines[-1].endswith("\n") and len(lines[-1]) + 3 + len(fact) <= characters:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact)
    return [line.rstrip("\n") for line in lines]


def _place_key(key: Mapping[str, str], *, width: float, room: float) -> tuple[bool, int]:
    """Tell whether the key fits beside the title, else how many rows it needs above the drawing."""
    needed = sum(2.5 + 0.58 * len(label) for label in key) * mpl.rcParams["font.size"]
    return needed <= room, 1 if needed <= max(room, width) else 2


def _draw_key(ax: Axes, key: Mapping[str, str], *, at: tuple[float, float], rise: float, rows: int) -> None:
    size = mpl.rcParams["font.size"]
    drawn = ax.legend(
        handles=[Patch(facecolor=colour, label=label) for label, colour in key.items()],
        ncols=-(-len(key) // rows),
        loc="lower right" if at[0] else "lower left",
        bbox_to_anchor=at,
        bbox_transform=ax.transAxes + ScaledTranslation(0, rise / 72, ax.figure.dpi_scale_trans),
        fontsize=0.95 * size,
        labelcolor=inks(ax).strong,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        labelspacing=0.35,
        handlelength=0.9,
        handleheight=0.9,
        handletextpad=0.4,
        columnspacing=1.2,
    )
    drawn.set_gid("key")


def frame(ax: Axes, *, y_label: str = "") -> None:
    """Strip *ax* to a light horizontal grid, a base line and muted labels."""
    ink, size = inks(ax), mpl.rcParams["font.size"]
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(ink.line)
    ax.tick_params(colors=ink.muted, labelsize=size, which="both")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=ink.grid, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_ylabel(y_label, color=ink.muted, fontsize=size)
