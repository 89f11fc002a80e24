"""What does a chart say to those who cannot see it, and how does that reach a notebook page?"""

import base64
import html
import io
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_TEXTS: WeakKeyDictionary[Axes, str] = WeakKeyDictionary()


class Shown:
    """A drawn chart as an HTML figure with alt text, and as PNG where HTML is not wanted."""

    def __init__(self, png: bytes, text: str) -> None:
        self.png, self.text = png, text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return bundle(base64.b64encode(self.png).decode("ascii"), self.text)


def bundle(image: str, text: str, *, width: int | None = None) -> dict[str, str]:
    """Give Jupyter HTML first: nbconvert and JupyterLab keep its alt text, not that of an image.

    Parameters
    ----------
    image : str
        A PNG in base64.
    text : str
        What it shows.
    width : int, optional
        In CSS pixels, where that is not the width of the image.
    """
    size = "" if width is None else f' width="{width}"'
    page = (
        f'<figure style="margin:0"><img alt="{html.escape(text)}" style="max-width:100%"{size} '
        f'src="data:image/png;base64,{image}"></figure>'
    )
    return {"text/html": page, "image/png": image, "text/plain": text}


def alt_text(chart: Axes | Figure) -> str:
    """Tell in words what a chart shows: kind, n, range, extremes, gaps; of a figure, of all its charts.

    Raises
    ------
    ValueError
        If nothing here drew it.
    """
    axes = chart.get_axes() if isinstance(chart, Figure) else [chart]
    texts = [_TEXTS[ax] for ax in axes if ax in _TEXTS]
    if not texts:
        raise ValueError("only a chart drawn by reviewlab.charts has an alt text")
    return "\n".join(texts)


def show(chart: Axes | Figure, *, dpi: float = 144) -> Shown:
    """Render the figure of *chart* for a notebook, with its alt text, and close it so that it appears once.

    Parameters
    ----------
    dpi
        Pixels per inch of the picture.
    """
    text, figure = alt_text(chart), chart if isinstance(chart, Figure) else chart.get_figure(root=True)
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor=figure.get_facecolor(), metadata={"Description": text})
    plt.close(figure)
    return Shown(buffer.getvalue(), text)


def describe(ax: Axes, *sentences: str) -> None:
    """Keep the alt text of *ax*, for as long as that lives."""
    _TEXTS[ax] = " ".join(filter(None, sentences))


def describe_more(ax: Axes, sentence: str) -> None:
    """Add to the alt text of *ax*, where it has one."""
    if ax in _TEXTS:
        _TEXTS[ax] += f" {sentence}"
