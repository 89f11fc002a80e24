"""How do the package's docstrings become pages?  They say more of what is returned than numpy's format knows."""

import re
from textwrap import dedent, indent
from typing import Any

import griffe

SECTION = re.compile(r"^(?=\w+\n-{3,}$)", re.MULTILINE)
SOURCE = re.compile(r"\n*^Source: .*?(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"(?:^ {4}.*\n?|^\n)+", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one."""
        if obj.docstring:
            obj.docstring.value = tidy(obj.docstring.value)


def tidy(text: str) -> str:
    """Put the source before the sections, and keep what is returned in one piece, its table as a code block."""
    source = SOURCE.search(text)
    first, *sections = SECTION.split(SOURCE.sub("", text))
    first = re.sub(r"^::\n\n", "", first, flags=re.MULTILINE).strip()
    where = [re.sub(r"[\w/]+\.sql", r"`\g<0>`", source[0].strip())] if source else []
    return "\n\n".join([first, *where, *(_in_one_piece(section.strip()) for section in sections)])


def _in_one_piece(section: str) -> str:
    kind, _, rest = section.partition("\n\n")
    if not section.startswith("Returns\n") or not rest:
        return section
    fenced = TABLE.sub(
        lambda table: f"\n```text\n{dedent(table[0]).strip()}\n```\n\n" if table[0].strip() else "\n", rest
    )
    return f"{kind}\n\n{indent(fenced, '    ')}"
