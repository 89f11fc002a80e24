"""A long read shows that it goes on, and nothing where nobody looks."""

import io
import sys

from reviewlab import progress


def test_what_is_shown_counts_rows_bytes_and_seconds():
    """
    The three things that one wants to know while waiting.
    """
    assert progress.describe(1_234_567, 45_600_000, 1.25, None) == "1,234,567 rows · 46 MB · 1.2 s"
    assert progress.describe(10, 2_000_000, 1, 1_000) == "10 of about 1,000 rows · 2 MB · 1.0 s"
    assert progress.describe(2_000, 2_000_000, 1, 1_000) == "2,000 rows · 2 MB · 1.0 s"


def test_captured_output_stays_clean():
    """
    A log is no place for a line that rewrites itself.
    """
    with progress.showing(None) as tell:
        assert tell is None
    with progress.showing(False) as tell:
        assert tell is None


def test_a_terminal_gets_one_line_that_goes_away(monkeypatch):
    """
    Not before half a second, so that a quick read does not flicker.
    """
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    clock = iter([0.0, 0.4, 0.6, 0.65, 0.9])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    with progress.showing(None, total=100) as tell:
        tell(10, 1)
        early = screen.getvalue()
        tell(20, 1)
        tell(25, 1)
        tell(30, 1)

    assert early == ""
    assert "20 of about 100 rows" in screen.getvalue()
    assert "25 of about 100 rows" not in screen.getvalue()
    assert "30 of about 100 rows" in screen.getvalue()


async def test_a_read_tells_how_far_it_is(lab, execute, monkeypatch):
    """
    Rows and bytes add up to the whole.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), 'x', null, 5, '2024-01-01' from generate_series(1, 99)"
    )
    told = []
    monkeypatch.setattr(progress, "_notebook", lambda: None)
    monkeypatch.setattr(progress, "_terminal", lambda *, forced: Recorder(told))
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "INTERVAL", 0)

    await lab.reviews(progress=True)

    assert "99 rows" in told[-2]
    assert told[-1] == "cleared"


class Recorder:
    """A display that remembers."""

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def show(self, text: str) -> None:
        self.told.append(text)

    def clear(self) -> None:
        self.told.append("cleared")
