"""How often do 95 % intervals hold the truth?  ``python -m benchmarks.coverage`` prints it, and writes the table.

Weeks of reviews are drawn from known shares, and each interval is asked whether it holds the true value.  The seed is
fixed: the table is the same each time.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from reviewlab import ratings
from reviewlab.ratings import summary

RESULT = Path(__file__).parent / "results" / "coverage.md"
SEED = 20_240_101
WEEKS, RESAMPLES = 2_000, 500
SCALE = np.arange(1, 6)
INTRODUCTION = """\
Written by `python -m benchmarks.coverage`: {weeks:,} weeks a line, seed {seed}. The intervals of `ratings.summarize` are
those in the columns *pooled m = {m:g}* and *wilson*; the other columns show why it is these."""
SHAPES = """\
*J* is {j} for 1★ to 5★, *85 % 5★* is {fives}. *bomb among J* are weeks of
{bomb} among very many weeks of J: what is usual pulls a week of three reviews towards itself, so a
heavier weight than m = 2 would hide the bomb."""
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Row = dict[str, str | int | float]

J = np.array([0.10, 0.06, 0.10, 0.20, 0.54])
FIVES = np.array([0.03, 0.01, 0.03, 0.08, 0.85])
BOMB = np.array([0.75, 0.07, 0.03, 0.05, 0.10])
WITHIN_WEEK = [3, 10, 30, 100]


class Weeks(NamedTuple):
    """Weeks of *n* reviews with the same true shares, and the shares of all other weeks."""

    name: str
    shares: Floats
    usual: Floats
    n: int

    @property
    def label(self) -> Row:
        """What begins the line of a table."""
        return {"true shares": self.name, "n": self.n}


CASES = [
    Weeks(name, shares, usual, n)
    for name, shares, usual in (("J", J, J), ("85 % 5★", FIVES, FIVES), ("bomb among J", BOMB, J))
    for n in WITHIN_WEEK
]


def main() -> None:
    """Print the tables, and write them beside the other results."""
    text = "\n\n".join(
        [
            "# How often 95 % intervals hold the truth",
            INTRODUCTION.format(weeks=WEEKS, seed=SEED, m=summary.PSEUDO_REVIEWS),
            "## Mean rating",
            table([case.label | mean_coverage(case) for case in CASES]),
            SHAPES.format(j=percentages(J), fives=percentages(FIVES), bomb=percentages(BOMB)),
            "## Net score",
            table([case.label | score_coverage(case) for case in CASES]),
            "## Shares",
            table([share_coverage(n, p) for n in (5, 20, 100) for p in (0.05, 0.5, 0.95)]),
        ]
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n", encoding="utf-8")
    print(text)


def mean_coverage(case: Weeks) -> Row:
    """Shares of weeks whose interval holds the true mean, one per method."""
    drawn, truth = draw(case), float(case.shares @ SCALE)
    methods: dict[str, Callable[[Integers], tuple[Floats, Floats]]] = {
        "t": t_interval,
        "bootstrap": bootstrap,
        "Dirichlet ½": partial(posterior, usual=np.full(5, 0.2), pseudo_reviews=2.5),
        "pooled m = 2": partial(posterior, usual=case.usual, pseudo_reviews=2.0),
        "pooled m = 5": partial(posterior, usual=case.usual, pseudo_reviews=5.0),
    }
    return {name: held(*interval(drawn), truth=truth) for name, interval in methods.items()}


def score_coverage(case: Weeks) -> Row:
    """Shares of weeks whose interval holds the true net score."""
    score = np.array([-1, -1, -1, 0, 1])
    lo, hi = posterior(draw(case), usual=case.usual, pseudo_reviews=2.0, of="net_score")
    return {"pooled m = 2": held(lo, hi, truth=float(case.shares @ score))}


def share_coverage(n: int, p: float) -> Row:
    """Shares of weeks whose interval holds the true share, for two methods."""
    some = np.random.default_rng(SEED).binomial(n, p, WEEKS)
    found: Row = {"n": n, "true share": p}
    for method in ("normal", "wilson"):
        found[method] = held(*proportion_confint(some, n, method=method), truth=p)
    return found


def draw(case: Weeks) -> Integers:
    """Counts of each rating in each week."""
    return np.random.default_rng(SEED + case.n).multinomial(case.n, case.shares, size=WEEKS)


def t_interval(drawn: Integers) -> tuple[Floats, Floats]:
    """Student's interval; of no width where all ratings are the same."""
    n = drawn[0].sum()
    mean = drawn @ SCALE / n
    sd = np.sqrt((drawn * (SCALE - mean[:, None]) ** 2).sum(axis=1) / (n - 1))
    half = stats.t.ppf(0.975, n - 1) * sd / np.sqrt(n)
    return mean - half, mean + half


def bootstrap(drawn: Integers) -> tuple[Floats, Floats]:
    """Percentiles of the means of resampled weeks, as charts in Python have them by default."""
    n = int(drawn[0].sum())
    again = np.random.default_rng(SEED).multinomial(n, (drawn / n)[:, None, :], size=(len(drawn), RESAMPLES))
    lo, hi = np.quantile(again @ SCALE / n, [0.025, 0.975], axis=1)
    return lo, hi


def posterior(drawn: Integers, *, usual: Floats, pseudo_reviews: float, of: str = "mean") -> tuple[Floats, Floats]:
    """The interval of `ratings.summarize` among very many reviews as *usual*, which weigh *pseudo_reviews*."""
    others = np.round(usual * 10_000_000).astype(np.int64)
    n = np.vstack([others, drawn])
    edges = pd.date_range("1990-01-01", periods=len(n) + 1, freq="7D", unit="us")
    frame = pd.DataFrame(
        {
            "bucket": edges[:-1].repeat(5),
            "bucket_end": edges[1:].repeat(5),
            "complete": True,
            "rating": np.tile(SCALE, len(n)),
            "n": n.ravel(),
        }
    )
    with mock.patch.object(summary, "PSEUDO_REVIEWS", pseudo_reviews):
        found = ratings.summarize(frame)[1:]
    return found[f"{of}_lo"].to_numpy(), found[f"{of}_hi"].to_numpy()


def percentages(shares: Floats) -> str:
    """Shares as they are read."""
    return ", ".join(f"{share:.0%}" for share in shares)


def held(lo: Floats, hi: Floats, *, truth: float) -> float:
    """How many of the intervals hold the truth, 0 to 1; rounding must not decide."""
    return float(((lo <= truth + 1e-9) & (truth <= hi + 1e-9)).mean())


def table(rows: list[Row]) -> str:
    """Rows as a table in Markdown; shares of weeks with three digits."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head)]
    lines += [[f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
