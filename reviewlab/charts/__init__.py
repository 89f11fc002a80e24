"""Which charts are there? Frames in, matplotlib Axes out; none of them queries, saves or shows."""

from reviewlab.charts.alt import alt_text, show
from reviewlab.charts.calendar import calendar
from reviewlab.charts.compare import bars, shift
from reviewlab.charts.control import control
from reviewlab.charts.distribution import distribution, updown
from reviewlab.charts.heatmap import heatmap
from reviewlab.charts.hours import weekday_hour
from reviewlab.charts.overlays import annotate_events, mark_changepoints
from reviewlab.charts.page import overview
from reviewlab.charts.profiles import profiles
from reviewlab.charts.sequence import sequence
from reviewlab.charts.shares import share
from reviewlab.charts.texts import text_length
from reviewlab.charts.trend import mean_rating

__all__ = [
    "alt_text",
    "annotate_events",
    "bars",
    "calendar",
    "control",
    "distribution",
    "heatmap",
    "mark_changepoints",
    "mean_rating",
    "overview",
    "profiles",
    "sequence",
    "share",
    "shift",
    "show",
    "text_length",
    "updown",
    "weekday_hour",
]
