"""What do plausible reviews look like?  Synthetic ones, seeded: every text, rating and date is invented.

Three years of reviews of an app that nobody sells, with planted events that charts and tests can look for:

- ratings are J-shaped, `NORMAL`, at all times but two: after a bad release, `BAD_RELEASE`, until its repair, and in a
  review bomb, `BOMB`, when four times as many people write; `BREAKS` says when, `events` on which dates
- reviews grow threefold over the years and have a rhythm of weeks and hours; in `GAP` nobody could write
- about a third have a private text, more often the unhappy ones
- eight languages, one without spaces, one from right to left; emoji, quotes, commas, backslashes, line breaks; about
  one review in a hundred has stars but no words: an empty public text
"""

import tomllib
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

UNTIL = datetime(2025, 11, 19, 15, 30)
# days before the Monday of until's week, so that the gap and most breaks fall between weeks
SPAN = 156 * 7
BREAKS = {"bad release 2.0": 77 * 7, "repair 2.1": 58 * 7, "review bomb begins": 29 * 7, "review bomb ends": 27 * 7 + 4}
GAP = (108 * 7, 106 * 7)

NORMAL = (0.10, 0.05, 0.09, 0.20, 0.56)
BAD_RELEASE = (0.31, 0.13, 0.14, 0.17, 0.25)
BOMB = (0.74, 0.06, 0.03, 0.04, 0.13)

_REGIMES = np.array([NORMAL, BAD_RELEASE, NORMAL, BOMB, NORMAL])  # before, between and after the four breaks
_VOLUMES = np.array([1.0, 1.2, 1.0, 4.0, 1.0])
_GROWTH = 3.0
_WEEKDAYS = np.array([0.95, 0.9, 0.9, 0.92, 0.95, 1.1, 1.28])  # Monday first
_HOURS = np.array([5, 3, 2, 1, 1, 2, 4, 7, 9, 9, 9, 10, 12, 11, 9, 9, 9, 11, 13, 16, 18, 17, 13, 8])
_MOODS = ("awful", "poor", "mixed", "good", "great")
_TOPICS = ("praise", "complaint", "release", "bomb")
_MORE_SENTENCES = np.array([0.62, 0.62, 0.6, 0.5, 0.42])  # the chance of one more, by rating: complaints are longer
_MOST_SENTENCES = 5
_WITH_EMOJI = 0.2
_WITH_LINE_BREAK = 0.12
_WITHOUT_WORDS = 0.01
_WITH_PRIVATE = np.array([0.6, 0.5, 0.4, 0.29, 0.24])


def synthetic_reviews(rows: int = 200_000, *, seed: int = 1, until: datetime | None = None) -> pd.DataFrame:
    """Invent reviews, oldest first; the same arguments give the same reviews.

    Parameters
    ----------
    seed : int
        Of numpy's generator, 0 or more.
    until : datetime, optional
        The moment after the last review, without a zone; 2025-11-19 15:30 if not given, so that nothing depends on
        the clock. The planted events move with it.

    Returns
    -------
    DataFrame, *rows* rows:

        review_id       str             canonical uuid, unique
        public_review   str             never missing; may be empty
        private_review  str             missing where there is none
        rating          int32           1 to 5
        submitted_at    datetime64[us]  no zone; in the 156 weeks before the week of *until*, or in it

    Raises
    ------
    ValueError
        If *rows* or *seed* is negative, or *until* has a time zone.
    """
    if rows < 0:
        raise ValueError(f"rows needs a number from 0, got {rows}")
    rng = np.random.default_rng(seed)
    submitted_at = _times(rng, rows, until=until or UNTIL)
    regime = np.searchsorted(_moments(until), submitted_at, side="right")
    mood = (rng.random(rows)[:, None] > _REGIMES[regime].cumsum(axis=1)[:, :-1]).sum(axis=1)
    language = rng.choice(len(_languages()), size=rows, p=[spoken["share"] for spoken in _languages()])
    return pd.DataFrame(
        {
            "review_id": pd.array(_uuids(rng, rows), dtype="str"),
            "public_review": pd.array(_public(rng, language, mood=mood, regime=regime), dtype="str"),
            "private_review": pd.array(_private(rng, language, mood=mood), dtype="str"),
            "rating": (mood + 1).astype(np.int32),
            "submitted_at": submitted_at,
        }
    )


def events(until: datetime | None = None) -> dict[str, datetime]:
    """Date the planted breaks of `synthetic_reviews`, called with the same *until*; oldest first.

    Returns
    -------
    dict, label -> first moment, a midnight without a zone, `BREAKS` days before the Monday of *until*'s week

    Raises
    ------
    ValueError
        If *until* has a time zone.
    """
    monday = _monday(until or UNTIL)
    return {label: monday - timedelta(days=days) for label, days in BREAKS.items()}


def _monday(until: datetime) -> datetime:
    if until.tzinfo is not None:
        raise ValueError("until needs a datetime without a time zone, on the stored clock; this one has a zone")
    return datetime.combine(until, time()) - timedelta(days=until.weekday())


def _moments(until: datetime | None) -> NDArray[np.datetime64]:
    return np.array(list(events(until).values()), dtype="datetime64[us]")


def _times(rng: np.random.Generator, rows: int, *, until: datetime) -> NDArray[np.datetime64]:
    start, end = _monday(until) - timedelta(days=SPAN), np.datetime64(until, "us")
    hour = np.arange(np.datetime64(start, "us"), end, np.timedelta64(1, "h"))
    length = np.minimum(np.timedelta64(1, "h"), end - hour) // np.timedelta64(1, "us")  # until cuts the last one
    day = np.arange(hour.size) // 24
    weight = (
        length
        * _GROWTH ** (day / SPAN)
        * _WEEKDAYS[day % 7]
        * _HOURS[np.arange(hour.size) % 24]
        * _VOLUMES[np.searchsorted(_moments(until), hour, side="right")]
        * rng.gamma(60, size=SPAN + 7)[day]  # some days are livelier than others
        * ((day < SPAN - GAP[0]) | (day >= SPAN - GAP[1]))
    )
    per_hour = rng.multinomial(rows, weight / weight.sum())
    within = rng.integers(0, np.repeat(length, per_hour)).astype("timedelta64[us]")
    return np.sort(np.repeat(hour, per_hour) + within)


def _uuids(rng: np.random.Generator, rows: int) -> NDArray[np.object_]:
    raw = rng.integers(0, 256, size=(rows, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40  # version 4, the random kind
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.full((rows, 36), ord("-"), dtype=np.uint8)
    digits = np.delete(np.arange(36), [8, 13, 18, 23])
    text[:, digits] = np.frombuffer(raw.tobytes().hex().encode(), dtype=np.uint8).reshape(rows, 32)
    return text.view("S36").ravel().astype("U36").astype(object)


def _public(
    rng: np.random.Generator, language: NDArray[np.int64], *, mood: NDArray[np.int64], regime: NDArray[np.intp]
) -> NDArray[np.object_]:
    rows = len(language)
    turn = rng.integers(0, 1 << 30, size=rows)
    topic = _first_topics(rng, mood=mood, regime=regime)
    sentences = rng.geometric(1 - _MORE_SENTENCES[mood]) - 1
    text = _phrases(_MOODS, language, which=mood, turn=turn)
    for nth in range(_MOST_SENTENCES):
        more = np.flatnonzero(sentences > nth)
        about = _topics(topic[more], mood=mood[more], nth=nth)
        between = np.array([spoken["space"] for spoken in _languages()], dtype=object)[language[more]]
        between[rng.random(more.size) < _WITH_LINE_BREAK] = "\n\n"
        # the next turn is the next phrase: none comes twice before all have come
        text[more] += between + _phrases(_TOPICS, language[more], which=about, turn=turn[more] // 97 + nth)
    smiling = rng.random(rows) < _WITH_EMOJI
    text[smiling] += " " + _take(_emoji(), mood[smiling], turn=turn[smiling] // 89)
    text[rng.random(rows) < _WITHOUT_WORDS] = ""
    return text


def _first_topics(rng: np.random.Generator, *, mood: NDArray[np.int64], regime: NDArray[np.intp]) -> NDArray[np.int64]:
    topic = np.where(mood >= 3, _TOPICS.index("praise"), _TOPICS.index("complaint"))
    topical = (mood < 3) & (rng.random(len(mood)) < 0.7)
    topic[topical & (regime == 1)] = _TOPICS.index("release")
    topic[topical & (regime == 3)] = _TOPICS.index("bomb")
    return topic


def _topics(first: NDArray[np.int64], *, mood: NDArray[np.int64], nth: int) -> NDArray[np.int64]:
    """Three stars see both sides, by turns; a complaint about the day's event goes on to others."""
    about = np.where((mood == 2) & (nth % 2 == 1), _TOPICS.index("praise"), first)
    return np.where(nth >= 2, np.minimum(about, _TOPICS.index("complaint")), about)


def _private(rng: np.random.Generator, language: NDArray[np.int64], *, mood: NDArray[np.int64]) -> NDArray[np.object_]:
    written = np.flatnonzero(rng.random(len(mood)) < _WITH_PRIVATE[mood])
    text = np.full(len(mood), None, dtype=object)
    turn = rng.integers(0, 1 << 30, size=written.size)
    number = rng.integers(10_000, 100_000, size=written.size).astype(str).astype(object)
    happy = (mood[written] >= 3).astype(np.int64)
    text[written] = _phrases(("unhappy", "happy"), language[written], which=happy, turn=turn) + " #" + number
    return text


def _phrases(
    kinds: Sequence[str], language: NDArray[np.int64], *, which: NDArray[np.int64], turn: NDArray[np.int64]
) -> NDArray[np.object_]:
    pools = [spoken[kind] for spoken in _languages() for kind in kinds]
    return _take(pools, language * len(kinds) + which, turn=turn)


def _take(pools: list[list[str]], pool: NDArray[np.int64], *, turn: NDArray[np.int64]) -> NDArray[np.object_]:
    """Pick phrase number *turn*, counted round and round, of each row's pool."""
    sizes = np.array([len(phrases) for phrases in pools])
    every = np.array([phrase for phrases in pools for phrase in phrases], dtype=object)
    picked: NDArray[np.object_] = every[(sizes.cumsum() - sizes)[pool] + turn % sizes[pool]]
    return picked


def _languages() -> list[dict[str, Any]]:
    return list(_tables()["languages"].values())


def _emoji() -> list[list[str]]:
    return [_tables()["emoji"][mood] for mood in _MOODS]


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(files("reviewlab").joinpath("sample_phrases.toml").read_text(encoding="utf-8"))
