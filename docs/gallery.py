"""Draw every chart on synthetic and on real reviews: python docs/gallery.py [CSV of real reviews]"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

import reviewlab as rl
from reviewlab import charts, ratings, sample

mpl.use("agg")
FOLDER = Path(__file__).parent / "gallery"
REAL = Path(__file__).parents[2] / "shared" / "data" / "reviews_sample.csv.gz"
CODE = {
    "distribution": "charts.distribution(weekly)",
    "distribution_count": 'charts.distribution(monthly, kind="count")',
    "updown": "charts.updown(weekly)",
    "mean_rating": "charts.mean_rating(weekly, events=events, changepoints=ratings.changepoints(reviews))",
    "share": "charts.share(monthly)",
    "control": "charts.control(weekly, baseline=first_year)",
    "heatmap": "charts.heatmap(monthly)",
    "bars": "charts.bars(recent, compare=before)",
    "profiles": "charts.profiles(quarterly)",
    "shift": "charts.shift(recent, before)",
    "weekday_hour": 'charts.weekday_hour(hours, zone="UTC")',
    "calendar": "charts.calendar(daily)",
    "text_length": "charts.text_length(texts)",
    "text_length_bins": "charts.text_length(lengths)",
    "sequence": "charts.sequence(reviews)",
    "overview": "charts.overview(weekly, daily=daily, changepoints=ratings.changepoints(reviews))",
}


async def frames(lab: rl.ReviewLab) -> dict[str, Any]:
    """What the charts are drawn from."""
    extent = await lab.extent()
    last = extent["last"]
    half = timedelta(days=90)
    first_year = await lab.rating_counts("week", since=extent["first"], until=extent["first"] + timedelta(days=365))
    return {
        "first_year": first_year,
        "daily": await lab.rating_counts("day"),
        "weekly": await lab.rating_counts("week"),
        "monthly": await lab.rating_counts("month"),
        "quarterly": await lab.rating_counts("quarter"),
        "recent": await lab.rating_counts("day", since=last - half, until=last),
        "before": await lab.rating_counts("day", since=last - 2 * half, until=last - half),
        "hours": await lab.by_weekday_hour(),
        "lengths": await lab.by_text_length(),
        "reviews": await lab.reviews(columns=["rating", "submitted_at"]),
        "texts": await lab.reviews(columns=["rating", "public_review"], limit=20_000),
        "events": {},
    }


def draw(name: str, given: dict[str, Any]) -> None:
    """Draw all charts into the folder *name*."""
    (FOLDER / name).mkdir(parents=True, exist_ok=True)
    for chart, code in CODE.items():
        drawn = eval(code, {"charts": charts, "ratings": ratings} | given)  # noqa: S307 - the lines above
        figure = drawn if isinstance(drawn, plt.Figure) else drawn.figure
        figure.savefig(FOLDER / name / f"{chart}.png", dpi=100)
        plt.close(figure)


def page(names: list[str]) -> str:
    """The gallery as Markdown."""
    lines = [
        "# Gallery",
        "",
        "Every chart takes a frame and gives back its Axes. Left on synthetic reviews of an app that nobody sells,",
        "right on 148,011 real reviews of films (Naver, CC0). `make gallery` draws it anew. The frames:",
        "",
        "```python",
        'daily, weekly, monthly = [await lab.rating_counts(every) for every in ("day", "week", "month")]',
        'reviews = await lab.reviews(columns=["rating", "submitted_at"])',
        "hours, lengths = await lab.by_weekday_hour(), await lab.by_text_length()",
        "```",
    ]
    for chart, code in CODE.items():
        pictures = " ".join(
            f'<img src="{name}/{chart}.png" width="49%" alt="{chart} on {name} reviews">' for name in names
        )
        lines += ["", f"## {chart.replace('_', ' ')}", "", "```python", code, "```", "", pictures]
    return "\n".join(lines) + "\n"


async def main() -> None:
    """Draw both sets; without the real reviews only the first."""
    real = Path(sys.argv[1]) if len(sys.argv) > 1 else REAL
    names = ["synthetic"]
    async with rl.demo(60_000) as lab:
        given = await frames(lab)
    planted = sample.events(datetime.now(UTC).replace(tzinfo=None))
    draw("synthetic", given | {"events": {moment: label for label, moment in planted.items() if "ends" not in label}})
    if real.exists():
        names.append("real")
        async with rl.demo(csv=real) as lab:
            draw("real", await frames(lab))
    (FOLDER / "README.md").write_text(page(names), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
