"""Which charts are there? Frames in, matplotlib Axes out; none of them queries, saves or shows."""

from reviewlab.charts.alt import alt_text, show
from reviewlab.charts.distribution import distribution

__all__ = ["alt_text", "distribution", "show"]
