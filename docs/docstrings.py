"""How do the package's docstrings become pages?  They say more of what is returned than numpy's format knows."""

import re
from textwrap import dedent, indent
from typing import Any

import griffe

SECTION = re.compile(r"^(?=\w+\n-{3,}$)", re.MULTILINE)
SOURCE = re.compile(r"\n*^Source: .*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
EXAMPLE = re.compile(r"^::\n\n((?: {4}.*\n?|\n)+)", re.MULTILINE)
TABLE = re.compile(r"(?:^ {4}.*\n?|^\n)+", re.MULTILINE)
NAME = re.compile(r"(?<![`\w])`(\w+)`(?!`)")
EVERYWHERE = ("connect", "demo", "ReviewLab", "ReviewModel", "Settings")
SHOWN_AS = {
    "reviewlab.lab": "reviewlab.ReviewLab",
    "reviewlab.repo": "reviewlab.ReviewsRepo",
    "reviewlab.charts": "reviewlab.charts",
    "reviewlab.ratings": "reviewlab.ratings",
}
"""Where pages show the members of classes under another name, or of another class or module."""


class Docstrings(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one."""
        if obj.docstring:
            obj.docstring.value = NAME.sub(lambda found: _link(found[1], obj), tidy(obj.docstring.value))


def tidy(text: str) -> str:
    """Put the source before the sections, and keep what is returned in one piece, its table as a code block."""
    source = SOURCE.search(text)
    first, *sections = SECTION.split(SOURCE.sub("", text))
    first = EXAMPLE.sub(lambda found: _fenced(found[1], "text" if "──" in found[1] else "python"), first).strip()
    where = [re.sub(r"[\w/]+\.sql", r"`\g<0>`", source[0].strip())] if source else []
    return "\n\n".join([first, *where, *(_in_one_piece(section.strip()) for section in sections)])


def _link(name: str, obj: griffe.Object) -> str:
    """Link a name in single backticks to its place, if it has one: beside the object, or known everywhere."""
    beside = obj.parent.path if obj.parent else obj.path
    scope = next((shown for prefix, shown in SHOWN_AS.items() if beside.startswith(prefix)), beside)
    path = f"reviewlab.{name}" if name in EVERYWHERE else f"{scope}.{name}"
    return f'<autoref identifier="{path}" optional>`{name}`</autoref>'


def _in_one_piece(section: str) -> str:
    kind, _, rest = section.partition("\n\n")
    if not section.startswith("Returns\n") or not rest:
        return section
    fenced = TABLE.sub(lambda table: _fenced(table[0], "text") if table[0].strip() else "\n", rest)
    return f"{kind}\n\n{indent(fenced, '    ')}"


def _fenced(block: str, language: str) -> str:
    return f"\n```{language}\n{dedent(block).strip()}\n```\n\n"
