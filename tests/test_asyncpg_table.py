"""The table for those who come from asyncpg leaves nothing out.  Its examples are run with those of all pages."""

import re
from pathlib import Path

import asyncpg
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "asyncpg.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| (.*) \| (.*) \| \[example\]\(#(.*)\) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("kind", [asyncpg.Connection, asyncpg.Pool])
def test_every_method_of_asyncpg_has_its_line(kind):
    """
    Whoever looks for the one that they know shall find it, also those that a new asyncpg brings.
    """
    listed = {name for first, _, _ in TABLE for name in re.findall(r"\w+", first)}

    missing = {name for name in dir(kind) if not name.startswith("_")} - listed

    assert not missing


def test_every_line_leads_to_an_example():
    """
    A table without examples is a promise only.
    """
    sections = {
        re.sub(r"[^\w]+", "-", title.lower()): text
        for title, text in re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    }

    without = [anchor for _, _, anchor in TABLE if "```python" not in sections.get(anchor, "")]

    assert len(TABLE) > 25
    assert not without
