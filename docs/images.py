"""Draw the pictures of the README: python docs/images.py"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl

import reviewlab as rl
from reviewlab import charts, sample

mpl.use("agg")
FOLDER = Path(__file__).parent / "images"


async def main() -> None:
    """Draw from 20,000 synthetic reviews."""
    async with rl.demo(40_000) as lab:
        weekly = await lab.rating_counts("week")
        reviews = await lab.reviews(columns=["rating", "submitted_at"])
    planted = sample.events(datetime.now(UTC).replace(tzinfo=None))
    events = {moment: label for label, moment in planted.items() if "ends" not in label}
    charts.distribution(weekly).figure.savefig(FOLDER / "distribution.png", dpi=144)
    axes = charts.mean_rating(weekly, events=events, changepoints=rl.ratings.changepoints(reviews))
    axes.figure.savefig(FOLDER / "mean_rating.png", dpi=144)


if __name__ == "__main__":
    asyncio.run(main())
