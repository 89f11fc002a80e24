"""How does one look around without writing code?  By a widget whose chart follows its controls."""

from reviewlab.explore.widget import Explorer, explore

__all__ = ["Explorer", "explore"]
