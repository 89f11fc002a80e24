"""Reviews for tests of the repository."""

from datetime import datetime, timedelta
from typing import Any

from reviewlab import ReviewModel

NEW_YEAR = datetime(2024, 1, 1)


def review(**fields: Any) -> ReviewModel:
    """A review, as plain as can be."""
    return ReviewModel(**({"public_review": "fine", "rating": 4, "submitted_at": NEW_YEAR} | fields))


def reviews(n: int, **fields: Any) -> list[ReviewModel]:
    """Reviews one second apart, the oldest first."""
    return [review(submitted_at=NEW_YEAR + timedelta(seconds=second), **fields) for second in range(n)]
