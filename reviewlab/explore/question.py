"""What is asked of the lab when the controls stand like this, and which line of code asks the same?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    from reviewlab.lab import ReviewLab

WIDE = (9.6, 4.2)
"""Inches."""
PERIODS = ("hour", "day", "week", "month", "quarter", "year")


class Chart(NamedTuple):
    """Which function of `reviewlab.charts` draws what which helper of a lab returns, with which options."""

    function: str
    helper: str = "rating_counts"
    options: Mapping[str, Any] = {}
    size: tuple[float, float] = WIDE
    every: str | None = None
    """The only period that it draws."""

    @property
    def takes_period(self) -> bool:
        """Whether the person chooses the period."""
        return self.helper == "rating_counts" and self.every is None


CHARTS = {
    "share of each rating": Chart("distribution"),
    "number of each rating": Chart("distribution", options={"kind": "count"}),
    "positive up, negative down": Chart("updown"),
    "mean rating": Chart("mean_rating"),
    "share of positive ratings": Chart("share"),
    "lowest rating against its baseline": Chart("control"),
    "heat map of ratings": Chart("heatmap"),
    "profile of each period": Chart("profiles", options={"most": 12}, size=(9.6, 5.4)),
    "all ratings together": Chart("bars", size=(6.4, 3.2)),
    "calendar of the last year": Chart("calendar", every="day", size=(9.6, 1.95)),
    "weekday and hour": Chart("weekday_hour", "by_weekday_hour", size=(9.6, 3.6)),
    "length of the texts": Chart("text_length", "by_text_length", size=(6.8, 3.8)),
    "mean by number of the review": Chart("sequence", "reviews"),
}
"""By the names that a person chooses from."""


@dataclass(frozen=True, slots=True)
class Question:
    """Where the controls stand.

    Attributes
    ----------
    chart : str
        One of `CHARTS`.
    every : str
        One of `PERIODS`; charts without periods leave it out.
    filters : mapping
        What every helper takes: since, until, ratings, text, tz; without those that are not set.
    """

    chart: str
    every: str = "week"
    filters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def drawn(self) -> Chart:
        """How the chart is drawn."""
        return CHARTS[self.chart]

    @property
    def asked(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """Which helper is called with which arguments: charts with the same ones share their data."""
        chart, named = self.drawn, dict(self.filters)
        if chart.helper == "reviews":
            named |= {"columns": ["rating", "submitted_at"]}
        return chart.helper, (chart.every or self.every,) if chart.helper == "rating_counts" else (), named

    async def ask(self, lab: "ReviewLab") -> pd.DataFrame:
        """Get the chart's data."""
        helper, arguments, named = self.asked
        quiet = {"progress": False} if helper == "reviews" else {}
        frame: pd.DataFrame = await getattr(lab, helper)(*arguments, **named, **quiet)
        return frame

    @property
    def options(self) -> dict[str, Any]:
        """What the chart is told beside its data."""
        zone = {"zone": self.filters["tz"]} if self.drawn.function == "weekday_hour" and "tz" in self.filters else {}
        return dict(self.drawn.options) | zone

    def code(self, lab: str) -> str:
        """The line that draws the same chart of the lab with this name, below the import that it needs."""
        helper, arguments, named = self.asked
        data = f"await {lab}.{helper}({_written(arguments, named)})"
        return f"from reviewlab import charts\ncharts.{self.drawn.function}({_written((), self.options, data)})"


def _written(arguments: tuple[str, ...], named: Mapping[str, Any], *before: str) -> str:
    return ", ".join(
        [*before, *map(_literal, arguments), *(f"{name}={_literal(each)}" for name, each in named.items())]
    )


def _literal(value: Any) -> str:
    """As a formatter would write a text, a number or a list of them: JSON's are Python's, in double quotes."""
    return json.dumps(value, ensure_ascii=False)
