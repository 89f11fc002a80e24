"""What do counts say?  Summaries, windows, comparisons, control bands and change points, all from frames of counts.

A frame of counts is what ``lab.rating_counts`` returns: bucket, bucket_end, complete, rating, in_scale, n, one row per
period and rating.  ``in_scale`` may be absent: then every rating is in the scale, which reaches from the lowest to the
highest.  Nothing here asks a database.
"""

from reviewlab.ratings.changes import changepoints
from reviewlab.ratings.compare import compare, control
from reviewlab.ratings.summary import quality, summarize, to_wide
from reviewlab.ratings.windows import cumulate, regroup, rolling, total

__all__ = [
    "changepoints",
    "compare",
    "control",
    "cumulate",
    "quality",
    "regroup",
    "rolling",
    "summarize",
    "to_wide",
    "total",
]
