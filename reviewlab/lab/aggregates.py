"""How many reviews there are: in all, per period, per hour of the week, per length."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from reviewlab import buckets, displays, frames, grids, queries, selection
from reviewlab.lab.base import Base, Moment


class Aggregates(Base):
    """Counted by PostgreSQL: only the counts travel."""

    async def count(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        tz: str | None = None,
    ) -> int:
        """Count reviews; the arguments are those of `reviews`.

        Source: sql/count.sql
        """
        values = selection.filters(*self._range(since, until, tz), ratings, text)
        row = await self._await(frames.fetch_row(self._reader, queries.load("count"), values))
        return int(row["n"])

    async def extent(self, *, tz: str | None = None) -> pd.Series:
        """Describe the whole table.

        Returns
        -------
        Series of object:

            first, last       Timestamp  of submitted_at, infinite ones left out; NaT for an empty table
            n                 int        reviews
            ratings           tuple      lowest and highest; None for an empty table
            scale             tuple      lowest and highest possible rating
            n_infinite        int        reviews whose submitted_at is infinite
            as_of             Timestamp  the server's clock

        Times are naive on the stored clock, or aware in *tz*.

        Source: sql/extent.sql
        """
        row = await self._await(
            frames.fetch_row(self._reader, queries.load("extent"), {"stored_tz": self.settings.stored_tz})
        )
        moments = pd.Series([row["first"], row["last"], row["as_of"]], dtype="datetime64[us]")
        if tz is not None:
            moments = buckets.localize(moments, tz=tz, stored_tz=self.settings.stored_tz)
        seen = None if row["rating_lowest"] is None else (row["rating_lowest"], row["rating_highest"])
        return displays.Summary(
            {
                "first": moments[0],
                "last": moments[1],
                "n": row["n"],
                "ratings": seen,
                "scale": self.settings.scale or (buckets.pick_scale(*seen) if seen else None),
                "n_infinite": row["n_infinite"],
                "as_of": moments[2],
            },
            name="extent",
            dtype=object,
        )

    async def rating_counts(
        self,
        every: str = "week",
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        tz: str | None = None,
        week_start: str = "mon",
        scale: tuple[int, int] | None = None,
        edges: Sequence[Moment] | None = None,
        texts: bool = False,
        include_private: bool = False,
        max_buckets: int = 5000,
    ) -> pd.DataFrame:
        """Count reviews per period and rating, oldest period first; empty periods count 0.

        Parameters
        ----------
        every : str
            ``hour``, ``day``, ``week``, ``month``, ``quarter`` or ``year``, also with a number: ``15 minutes``,
            ``2 weeks``.
        since, until : str, date, datetime or Timestamp, optional
            Half-open range; left out, from the first review to the last.
        ratings, text
            As for `reviews`; what is left out counts 0, and does not move the range.
        tz : str, optional
            The zone whose midnights begin the days.
        week_start : str
            ``mon`` to ``sun``.
        scale : (int, int), optional
            Lowest and highest possible rating; else the setting, else what the table's ratings fit in.
        edges : sequence, optional
            Periods of your own, such as release dates, instead of *every*, *since* and *until*.
        texts : bool
            True to count also how many have a public text, which takes reading the texts.
        include_private : bool
            True to count also how many have texts, public and private.
        max_buckets : int
            More periods than this are refused.

        Returns
        -------
        DataFrame, one row per period and rating, RangeIndex:

            bucket      datetime64[us]  first moment of the period; naive, or aware in *tz*
            bucket_end  datetime64[us]  first moment of the next one
            complete    bool            False while the period is still open, or cut by *since* or *until*
            rating      int64           each point of the scale; one outside it where it occurs
            in_scale    bool            False for a rating outside the scale
            n           int64           reviews, 0 or more
            n_public    int64           of those, with more than white space; only if asked for
            n_private   int64           the same of private texts; only if asked for

        Raises
        ------
        ValueError
            If *since* is not before *until*, there would be more than *max_buckets* periods, or *edges* come with a
            range.

        Source: sql/range.sql, sql/rating_counts.sql, sql/text_counts.sql, sql/text_counts_private.sql
        """
        if edges is not None and (since is not None or until is not None):
            raise ValueError("edges have a beginning and an end of their own: leave out since and until")
        limits = await self._find_scale(scale)
        stored_tz = self.settings.stored_tz
        name = "text_counts_private" if include_private else "text_counts" if texts else "rating_counts"
        begin, end = self._range(since, until, tz)
        wanted = selection.which_reviews(ratings, text)

        async def work(connection: Any) -> tuple[buckets.Buckets, pd.DataFrame]:
            span = await frames.receive_row(connection, queries.load("range"), {"stored_tz": stored_tz})
            if edges is not None:
                made = buckets.own_edges(edges, tz=tz, stored_tz=stored_tz, as_of=span["as_of"])
            else:
                made = buckets.make_buckets(
                    every,
                    begin or span["first"],
                    end or span["last"],
                    tz=tz,
                    stored_tz=stored_tz,
                    week_start=week_start,
                    as_of=span["as_of"],
                    since_is_cut=begin is not None,
                    until_is_cut=end is not None,
                    max_buckets=max_buckets,
                )
            result = await frames.receive(connection, queries.load(name), {"edges": made.edges, **wanted})
            return made, await frames.frame_of(result, nullable=False)

        made, counted = await self._await(self._reader.read(work, doing=f"sql/{name}.sql"))
        return grids.period_grid(counted, made, scale=limits)

    async def by_weekday_hour(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        tz: str | None = None,
        scale: tuple[int, int] | None = None,
    ) -> pd.DataFrame:
        """Count reviews per hour of the week and rating; hours without reviews count 0.

        Parameters
        ----------
        since, until : str, date, datetime or Timestamp, optional
            Half-open range of ``submitted_at``.
        ratings, text
            As for `reviews`; what is left out counts 0.
        tz : str, optional
            The zone whose clock tells weekday and hour; else the stored clock.
        scale : (int, int), optional
            As for `rating_counts`.

        Returns
        -------
        DataFrame, RangeIndex, 168 rows for each point of the scale:

            weekday   int64  1 for Monday to 7 for Sunday
            hour      int64  0 to 23; an hour that a clock shows twice in autumn holds the reviews of both
            rating    int64  each point of the scale; one outside it where it occurs
            in_scale  bool   False for a rating outside the scale
            n         int64  reviews, 0 or more

        Notes
        -----
        PostgreSQL converts the times: one that the stored clock showed twice is its second occurrence.

        Source: sql/by_weekday_hour.sql
        """
        begin, end = self._range(since, until, tz)
        clock = None if tz is None else buckets.zone(tz).key
        values = {"since": begin, "until": end, "stored_tz": self.settings.stored_tz, "tz": clock}
        values |= selection.which_reviews(ratings, text)
        limits = await self._find_scale(scale)
        return grids.week_grid(await self._count_groups("by_weekday_hour", values), scale=limits)

    async def by_text_length(
        self,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        ratings: Iterable[int] | None = None,
        text: str | None = None,
        tz: str | None = None,
        edges: Sequence[int] = (1, 20, 50, 100, 200, 500, 1000),
        scale: tuple[int, int] | None = None,
    ) -> pd.DataFrame:
        """Count reviews per length of the public text and rating; lengths without reviews count 0.

        Parameters
        ----------
        since, until : str, date, datetime or Timestamp, optional
            Half-open range of ``submitted_at``.
        ratings, text
            As for `reviews`; what is left out counts 0.
        tz : str, optional
            The zone of naive *since* and *until*.
        edges : sequence of int
            Characters at which the next group begins; white space at both ends of a text does not count.
        scale : (int, int), optional
            As for `rating_counts`.

        Returns
        -------
        DataFrame, RangeIndex, one row per length and rating:

            length_bin  category  ordered: ``empty``, ``1–19``, …, ``1000+``
            rating      int64     each point of the scale; one outside it where it occurs
            in_scale    bool      False for a rating outside the scale
            n           int64     reviews, 0 or more

        Raises
        ------
        ValueError
            If *edges* are no whole numbers from 0, or not sorted.

        Source: sql/by_text_length.sql
        """
        grids.length_names(edges)
        begin, end = self._range(since, until, tz)
        values = {"since": begin, "until": end, "edges": list(edges), **selection.which_reviews(ratings, text)}
        limits = await self._find_scale(scale)
        return grids.length_grid(await self._count_groups("by_text_length", values), edges, scale=limits)

    async def rating_summary(self, every: str = "week", **options: Any) -> pd.DataFrame:
        """Summarize ratings per period: `reviewlab.ratings.summarize` of `rating_counts`, same arguments.

        Source: sql/rating_counts.sql
        """
        from reviewlab import ratings

        summary: pd.DataFrame = ratings.summarize(await self.rating_counts(every, **options))
        return summary

    async def _count_groups(self, name: str, values: Mapping[str, Any]) -> pd.DataFrame:
        work = frames.fetch(self._reader, queries.load(name), values, nullable=False)
        return await self._await(work)
