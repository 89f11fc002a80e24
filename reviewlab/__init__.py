"""Customer reviews from PostgreSQL into pandas DataFrames, charts and notebooks.

::

    import reviewlab as rl

    lab = await rl.connect()
    counts = await lab.rating_counts("week")
    rl.charts.distribution(counts)

The modules `charts`, `ratings` and `report` are loaded when first used.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from reviewlab.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    OutcomeUnknownError,
    PoolTimeoutError,
    QueryError,
    QueryTimeoutError,
    ReadOnlyError,
    ResultTooLargeError,
    ReviewDataError,
    ReviewLabError,
    SchemaError,
    ServerError,
    WrongLoopError,
)
from reviewlab.jupyter import run
from reviewlab.lab import ReviewLab
from reviewlab.models import ReviewModel, ReviewPage
from reviewlab.opening import connect, demo
from reviewlab.repo import ReviewsRepo
from reviewlab.settings import Settings

if TYPE_CHECKING:
    from reviewlab import charts, ratings, report

__version__ = "0.1.0"
__all__ = [
    "ConfigError",
    "ConnectError",
    "ConnectionLostError",
    "OutcomeUnknownError",
    "PoolTimeoutError",
    "QueryError",
    "QueryTimeoutError",
    "ReadOnlyError",
    "ResultTooLargeError",
    "ReviewDataError",
    "ReviewLab",
    "ReviewLabError",
    "ReviewModel",
    "ReviewPage",
    "ReviewsRepo",
    "SchemaError",
    "ServerError",
    "Settings",
    "WrongLoopError",
    "charts",
    "connect",
    "demo",
    "ratings",
    "report",
    "run",
]

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in ("charts", "ratings", "report"):
        return importlib.import_module(f"reviewlab.{name}")
    raise AttributeError(f"module 'reviewlab' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """Answer ``%load_ext reviewlab``: see `reviewlab.magic`."""
    importlib.import_module("reviewlab.magic").load(shell)


def __dir__() -> list[str]:
    return sorted(__all__)
