"""How does one look around without writing code?  By a widget whose chart follows its controls."""

from reviewlab.explore.widget import Explorer, explore
from reviewlab.live_chart import live_chart

__all__ = ["Explorer", "explore", "live_chart"]
