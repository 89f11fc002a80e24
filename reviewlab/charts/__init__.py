"""Which charts are there? Frames in, matplotlib Axes out; none of them queries, saves or shows."""

from reviewlab.charts.alt import alt_text, show
from reviewlab.charts.distribution import distribution, updown
from reviewlab.charts.heatmap import heatmap
from reviewlab.charts.hours import weekday_hour
from reviewlab.charts.overlays import annotate_events, mark_changepoints
from reviewlab.charts.sequence import sequence
from reviewlab.charts.texts import text_length

__all__ = [
    "alt_text",
    "annotate_events",
    "distribution",
    "heatmap",
    "mark_changepoints",
    "sequence",
    "show",
    "text_length",
    "updown",
    "weekday_hour",
]
