"""How does what was found look in the widget?  HTML in the colours of the notebook's theme; every text is escaped."""

import base64
import html
import io

import pandas as pd
from matplotlib.figure import Figure

from reviewlab import charts
from reviewlab.charts.dates import moment_words, period_words
from reviewlab.charts.periods import read_periods
from reviewlab.explore.question import Question

DPI = 120
COLUMNS = ("submitted_at", "rating", "public_review")
INK = "var(--jp-content-font-color1, inherit)"
LINE = "var(--jp-border-color2, #bdbdbd)"
ALARM = "var(--jp-error-color1, #d32f2f)"
Period = tuple[pd.Timestamp, ...]
"""Begin and end of a period; nothing for the whole range."""


def picture(frame: pd.DataFrame, question: Question) -> str:
    """Draw a chart into a figure of its own, which pyplot does not know: this may run in a thread."""
    chart = question.drawn
    figure = Figure(figsize=chart.size, layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr,call-arg]
    getattr(charts, chart.function)(frame, ax=figure.add_subplot(), **question.options)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 1})  # larger, and sooner there
    image = base64.b64encode(buffer.getvalue()).decode("ascii")
    return charts.alt.bundle(image, charts.alt_text(figure), width=round(chart.size[0] * 100))["text/html"]


def code(text: str) -> str:
    """Code that one click selects."""
    style = f"color:{INK}; white-space:pre-wrap; user-select:all; margin:0"
    return f'<pre tabindex="0" role="region" aria-label="Code of this chart" style="{style}">{html.escape(text)}</pre>'


def status(text: str) -> str:
    """What is going on."""
    return f'<div role="status" style="color:{INK}">{html.escape(text)}</div>'


def alarm(text: str) -> str:
    """What went wrong."""
    return f'<div role="alert" style="color:{ALARM}">{html.escape(text)}</div>'


def periods(frame: pd.DataFrame) -> list[tuple[str, Period]]:
    """Names of the periods that have reviews, newest first, below one for the whole range."""
    choices: list[tuple[str, Period]] = [(f"the whole range ({n_reviews(frame):,})", ())]
    if "bucket" not in frame:
        return choices
    read = read_periods(frame)
    for begin, end, n in zip(read.bucket[::-1], read.bucket_end[::-1], read.read.n.sum(axis=1)[::-1], strict=True):
        if n:
            choices.append((f"{period_words(begin, read.name)} ({n:,})", (begin, end)))
    return choices


def n_reviews(frame: pd.DataFrame) -> int:
    """How many reviews a chart's data stands for."""
    return int(frame["n"].sum()) if "n" in frame else len(frame)


def table(reviews: pd.DataFrame, *, caption: str) -> str:
    """Public texts of some reviews, with time and rating."""
    cell = f'style="text-align:left; vertical-align:top; padding:2px 8px; border-bottom:1px solid {LINE}'
    wide = f'{cell}; white-space:pre-wrap; overflow-wrap:anywhere"'
    rows = "".join(
        f'<tr><td {cell}; white-space:nowrap">{_when(when)}</td><td {cell}">{rating}</td>'
        f"<td {wide}>{html.escape(text)}</td></tr>"
        for when, rating, text in zip(*(reviews[name] for name in COLUMNS), strict=True)
    )
    head = "".join(f'<th scope="col" {cell}">{name}</th>' for name in ("submitted", "rating", "public review"))
    style = f"max-height:30em; overflow:auto; line-height:1.4; color:{INK}"
    return (
        f'<div tabindex="0" role="region" aria-label="Reviews" style="{style}">'
        f'<table style="border-collapse:collapse"><caption style="text-align:left">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _when(moment: pd.Timestamp) -> str:
    return "infinite" if pd.isna(moment) else f"{moment_words(moment.normalize())} {moment:%H:%M}"
