"""What does one page say about the reviews of a time?  As HTML or PDF; and how is a frame handed on as CSV?"""

import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import reviewlab
from reviewlab import buckets, queries
from reviewlab.errors import ConfigError
from reviewlab.lab import Moment, ReviewLab

MOST_DAYS = 100_000
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n\0]")
_LATER_FORMULA = re.compile(r"([,;|\t\r\n\"])(?=[=+\-@＝＋－＠])")


async def write(
    lab: ReviewLab,
    path: str | os.PathLike[str],
    *,
    since: Moment | None = None,
    until: Moment | None = None,
    every: str = "week",
    tz: str | None = None,
    title: str = "Review report",
    events: Mapping[object, str] | None = None,
    include_public: int = 0,
) -> Path:
    """Write one page about the ratings: figures, distribution and mean over time, what changed, the last year by day.

    Everything on it is of one moment.  Private texts are never read.

    Parameters
    ----------
    lab : ReviewLab
    path : path
        ``.html`` for one self-contained file, with every chart's numbers as a table; ``.pdf`` for one page A4.  It
        replaces an older one only as a whole, and only its owner may read it.
    since, until : str, date, datetime or Timestamp, optional
        Half-open range.  With *since*, the figures are compared with an equally long time before it; without, the
        last three months or so with those before.
    every, tz : str
        As for ``lab.rating_counts``.
    title : str
    events : mapping, optional
        Label of each moment to mark on the mean.
    include_public : int
        How many of the newest public texts to print, in HTML; none if left out.

    Returns
    -------
    Path
        Where the page is.

    Raises
    ------
    ValueError
        If the name ends in neither, *include_public* is no number from 0 or asked for in a PDF, or as
        ``lab.rating_counts`` says.
    ConfigError
        If the file cannot be written, or jinja2 is not installed: ``pip install 'reviewlab[report]'``.
    """
    target = Path(path)
    texts = queries.whole_number(include_public, name="include_public")
    if target.suffix.lower() not in (".html", ".pdf"):
        raise ValueError(f"a report's name must end in .html or .pdf, not {target.name!r}")
    if texts and target.suffix.lower() == ".pdf":
        raise ValueError("public texts are printed in HTML only: leave include_public out, or write to .html")
    with _replacing(target) as part:
        facts = await _read(lab, since=since, until=until, every=every, tz=tz, texts=texts)
        if target.suffix.lower() == ".pdf":
            _write_pdf(part, facts, title=title, events=events)
        else:
            part.write_text(_html(facts, title=title, events=events), encoding="utf-8")
    return target


def to_csv(frame: pd.DataFrame, path: str | os.PathLike[str], *, raw: bool = False, bom: bool = False) -> Path:
    """Write a frame as CSV that a spreadsheet may open: no text of it can act as a formula there.

    Parameters
    ----------
    frame : DataFrame
        Its index is written too, unless it is a mere numbering.
    path : path
        Replaced only as a whole; only its owner may read it.
    raw : bool
        True to leave texts as they are; else ``'`` is put before what a spreadsheet would take for a formula, at the
        beginning of a text and after separators within it (CWE-1236).  Numbers stay numbers.
    bom : bool
        True for the mark by which some versions of Excel recognize UTF-8.

    Raises
    ------
    ConfigError
        If the file cannot be written.
    """
    flat = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    if not raw:
        texts = set(flat.select_dtypes(include=["object", "string", "category"]).columns)
        flat = flat.apply(lambda column: column.astype(object).map(_guard) if column.name in texts else column)
        flat = flat.rename(columns=_guard)
    target = Path(path)
    with _replacing(target) as part:
        flat.to_csv(part, index=False, encoding="utf-8-sig" if bom else "utf-8")
    return target


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was read for a page; *before* is None where the range has no beginning that was asked for."""

    counts: pd.DataFrame
    daily: pd.DataFrame
    before: pd.DataFrame | None
    texts: pd.DataFrame
    footer: str


async def _read(
    lab: ReviewLab, *, since: Moment | None, until: Moment | None, every: str, tz: str | None, texts: int
) -> _Facts:
    async with lab.snapshot() as frozen:
        extent = await frozen.extent()
        counts = await frozen.rating_counts(every, since=since, until=until, tz=tz)
        daily = await frozen.rating_counts("day", since=since, until=until, tz=tz, max_buckets=MOST_DAYS)
        edges = _equal_time_before(since, until, extent=extent, tz=tz, stored_tz=lab.settings.stored_tz)
        before = await frozen.rating_counts(edges=edges, tz=tz) if edges else None
        newest = pd.DataFrame()
        if texts:
            newest = await frozen.reviews(
                columns=["submitted_at", "rating", "public_review"], since=since, until=until, tz=tz, limit=texts
            )
    outside = int(counts.loc[~counts["in_scale"], "n"].sum())
    said = [
        f"since {since or 'the first review'}",
        f"until {until or 'the last review'}",
        f"every {every}",
        f"time zone {tz or f'as stored ({lab.settings.stored_tz})'}",
        f"as of {extent['as_of']:%Y-%m-%d %H:%M} ({lab.settings.stored_tz})",
        f"left out: {outside:,} outside the scale, {extent['n_infinite']:,} with an infinite time",
        f"reviewlab {reviewlab.__version__}",
    ]
    return _Facts(counts, daily, before, newest, " · ".join(said))


def _equal_time_before(
    since: Moment | None, until: Moment | None, *, extent: "pd.Series[Any]", tz: str | None, stored_tz: str
) -> list[Moment] | None:
    """The two ends of the time before *since* that is as long as the range, up to now."""
    begin = buckets.stored(since, tz=tz, stored_tz=stored_tz)
    if begin is None:
        return None
    asked = buckets.stored(until, tz=tz, stored_tz=stored_tz)
    end = min(asked, extent["as_of"]) if asked else extent["last"] + pd.Timedelta(1, "us")
    if end <= begin:
        return None
    ends = pd.DatetimeIndex([begin - (end - begin), begin]).as_unit("us")
    return list(ends if tz is None else buckets.localize(ends, tz=tz, stored_tz=stored_tz))


def _changes(facts: _Facts) -> pd.DataFrame | None:
    """Detected changes; None where the package for it is not installed."""
    from reviewlab import ratings

    try:
        return ratings.changepoints(facts.daily[facts.daily["in_scale"]])
    except ConfigError:
        return None


def _write_pdf(part: Path, facts: _Facts, *, title: str, events: Mapping[object, str] | None) -> None:
    from matplotlib import pyplot as plt

    from reviewlab import charts

    page = charts.overview(
        facts.counts,
        daily=facts.daily,
        before=facts.before,
        events=events,
        changepoints=_changes(facts),
        title=title,
        footer=facts.footer,
    )
    try:
        with warnings.catch_warnings():
            # matplotlib says this of its first pass over nested figures; the second one lays them out
            warnings.filterwarnings("ignore", "constrained_layout not applied")
            page.savefig(part, format="pdf", metadata={"Title": title, "Subject": charts.alt_text(page)})
    finally:
        plt.close(page)


def _html(facts: _Facts, *, title: str, events: Mapping[object, str] | None) -> str:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise ConfigError("a report in HTML needs a package: pip install 'reviewlab[report]'") from None
    from reviewlab import sections

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(Path(__file__).parent)
    )
    page = sections.compose(
        facts.counts, facts.daily, before=facts.before, events=events, changepoints=_changes(facts), texts=facts.texts
    )
    return environment.get_template("report.html.jinja").render(title=title, footer=facts.footer, **page)


def _guard(cell: Any) -> Any:
    """Put ``'`` before what a spreadsheet would take for a formula."""
    if not isinstance(cell, str):
        return cell
    inner = _LATER_FORMULA.sub(r"\1'", cell)
    return f"'{inner}" if _FORMULA.match(cell) else inner


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a file beside *target* to write to, which takes its place when all went well."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)  # mode 0600
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from None
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or type(error).__name__}") from None
    finally:
        part.unlink(missing_ok=True)
