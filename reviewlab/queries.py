"""Which statement is ``sql/<name>.sql``, and how do values get into a statement?  Only as quoted literals.

COPY takes no bound values, so a value becomes a literal with its cast, at a place that was found by a tokenizer and
never inside a string or a comment.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

REVIEW_COLUMNS = ("review_id", "public_review", "private_review", "rating", "submitted_at")
ORDERS = {
    "submitted_at": "submitted_at, review_id",
    "submitted_at desc": "submitted_at desc, review_id desc",
    "rating": "rating, submitted_at desc, review_id desc",
    "rating desc": "rating desc, submitted_at desc, review_id desc",
    "review_id": "review_id",
    "review_id desc": "review_id desc",
}
_HEADER = re.compile(r"-- (param \$\d+|column) (\w+) ([^:]+)(?::.*)?")
_EXPLAIN = re.compile(r"\A((?:\s|--[^\n]*\n|/\*.*?\*/)*)explain\b", re.DOTALL | re.IGNORECASE)
_NAMED = re.compile(r':"(\w+)"')
_NUMBERED = re.compile(r"\$(\d+)\b")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in pieces: text, and between the texts the names of its parameters.

    Attributes
    ----------
    pieces : tuple of str
        Texts; one more than there are *slots*.
    slots : tuple of str
        Which parameter stands after each text, in order; a name may come more than once.
    columns : tuple of (name, type)
        What the header of the file promises; empty for a statement of the user's.
    types : tuple of str
        PostgreSQL's types of the `names`, from the header; empty for a statement of the user's.
    doing : str
        What messages call it.
    """

    pieces: tuple[str, ...]
    slots: tuple[str, ...]
    columns: tuple[tuple[str, str], ...] = ()
    types: tuple[str, ...] = ()
    doing: str = "the statement"

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, each once, in the order of ``$1``, ``$2``, …"""
        return tuple(dict.fromkeys(self.slots))

    @property
    def numbered(self) -> str:
        """The text with ``$1``, ``$2``, … for the parameters, as PREPARE takes it."""
        numbers = {name: f"${number}" for number, name in enumerate(self.names, start=1)}
        return self._fill(lambda name: numbers[name])

    def named(self, position: int) -> tuple[str, int]:
        """The text with ``:name`` for the parameters, and where in it a position of `numbered` is."""
        text, at, found = self.pieces[0], len(self.pieces[0]), min(position, len(self.pieces[0]))
        numbers = {name: f"${number}" for number, name in enumerate(self.names, start=1)}
        for name, piece in zip(self.slots, self.pieces[1:], strict=True):
            after = at + len(numbers[name])
            if at <= position:
                found = len(text) + (0 if position < after else 1 + len(name) + min(position - after, len(piece)))
            text += f":{name}{piece}"
            at = after + len(piece)
        return text, found

    def inlined(self, values: Mapping[str, Any], types: Sequence[str] | None = None) -> str:
        """The text with every parameter as a quoted literal of its type, as COPY needs it.

        Parameters
        ----------
        values : mapping
            A value for each name.
        types : sequence of str
            PostgreSQL's type of each name, in the order of `names`, quoted where needed; left out, those of the
            header.
        """
        kinds = self.types if types is None else types
        literals = {name: literal(values[name], kind, name=name) for name, kind in zip(self.names, kinds, strict=True)}
        return self._fill(lambda name: literals[name])

    def wrapped(self, before: str, after: str) -> "Statement":
        """The same statement between two texts."""
        first, *middle = self.pieces
        pieces = [before + first, *middle]
        pieces[-1] += after
        return replace(self, pieces=tuple(pieces))

    def _fill(self, text: Callable[[str], str]) -> str:
        parts = [self.pieces[0]]
        for name, piece in zip(self.slots, self.pieces[1:], strict=True):
            parts += [text(name), piece]
        return "".join(parts)


def folder() -> Path:
    """Where the SQL files are: in the installed package, else beside it in the repository."""
    installed = Path(__file__).with_name("sql")
    return installed if installed.is_dir() else Path(__file__).parent.with_name("sql")


@lru_cache
def load(name: str) -> Statement:
    """Read ``sql/<name>.sql``; its parameters and columns are those of its header."""
    text = (folder() / f"{name}.sql").read_text(encoding="utf-8")
    header = [match.groups() for line in text.splitlines() if (match := _HEADER.fullmatch(line))]
    parameters = [(column, kind.strip()) for what, column, kind in header if what != "column"]
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip().rstrip(";")
    parts = _NUMBERED.split(body)
    slots = tuple(parameters[int(number) - 1][0] for number in parts[1::2])
    return Statement(
        pieces=tuple(parts[::2]),
        slots=slots,
        types=tuple(dict(parameters)[name] for name in dict.fromkeys(slots)),
        columns=tuple((column, kind.strip()) for what, column, kind in header if what == "column"),
        doing=f"sql/{name}.sql",
    )


def script(name: str, **names: str) -> str:
    """Read ``sql/schema/<name>.sql``, a script of several statements; *names* stand in it as ``:"name"``."""
    text = (folder() / "schema" / f"{name}.sql").read_text(encoding="utf-8")
    return _NAMED.sub(lambda match: identifier(names[match[1]]), text) if names else text


def identifier(name: str) -> str:
    """Write the name of a role, schema or database in quotes, or raise a ValueError."""
    if "\0" in name or not 0 < len(name.encode(errors="replace")) <= 63:
        raise ValueError("PostgreSQL's names have 1 to 63 bytes, and no NUL character")
    quoted = name.replace('"', '""')
    return f'"{quoted}"'


def select(
    statement: Statement,
    columns: Sequence[str],
    *,
    order_by: str | None = None,
    limit: int | None = None,
) -> Statement:
    """Take *columns* of a statement, in one of the known orders, and at most *limit* rows.

    Raises
    ------
    ValueError
        If a column or the order is not one of the known ones; the message lists them.
    """
    known = [name for name, _ in statement.columns]
    for column in columns:
        if column not in known:
            raise ValueError(f"no column {column!r}; there are {', '.join(known)}")
    after = "\n) r"
    if order_by is not None:
        if order_by not in ORDERS:
            raise ValueError(f"no order {order_by!r}; there are {', '.join(ORDERS)}")
        after += f" order by {ORDERS[order_by]}"
    if limit is not None:
        after += f" limit {whole_number(limit, name='limit')}"
    return statement.wrapped(f"select {', '.join(columns)} from (\n", after)


def whole_number(value: Any, *, name: str, least: int = 0) -> int:
    """Return *value* as an int, or raise a ValueError that names it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be a whole number from {least}, not {value!r}")
    return int(value)


@lru_cache(maxsize=256)
def parse(query: str) -> Statement:
    """Find the ``:names`` of a statement; strings, comments, ``::casts`` and slices are left alone.

    Raises
    ------
    ValueError
        If the statement is empty, or uses ``$1``, which is how values are numbered inside.
    """
    from sqlglot.dialects.postgres import Postgres
    from sqlglot.errors import TokenError
    from sqlglot.tokens import Token, TokenType  # type: ignore[attr-defined]

    try:
        # sqlglot takes what follows EXPLAIN for one string, so it is shown a word of the same length
        tokens = Postgres().tokenize(_EXPLAIN.sub(r"\1select ", query))
    except TokenError:
        raise ValueError("the statement has a string, a name in quotes or a comment that does not end") from None
    if not tokens:
        raise ValueError("the statement is empty")
    operands = {
        TokenType.VAR, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.STRING, TokenType.R_PAREN, TokenType.R_BRACKET,
    }  # fmt: skip
    pieces, slots, brackets, start = [], [], list[bool](), 0
    before: Token | None = None
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type in (TokenType.L_PAREN, TokenType.L_BRACKET):
            subscript = token.token_type == TokenType.L_BRACKET and before and before.token_type in operands
            brackets.append(bool(subscript))
        elif token.token_type in (TokenType.R_PAREN, TokenType.R_BRACKET) and brackets:
            brackets.pop()
        elif token.token_type == TokenType.PARAMETER:
            raise ValueError("write :name for a value, and pass it by that name; $1 is not for use here")
        elif (
            token.token_type == TokenType.COLON
            and following is not None
            and following.start == token.end + 1
            and query[following.start : following.end + 1].isidentifier()
            and not (brackets and brackets[-1])
            # as in 'key':value; a word that touches no colon may be a keyword, as in at time zone :tz
            and not (before and before.end + 1 == token.start and before.token_type in operands)
        ):
            pieces.append(query[start : token.start])
            slots.append(query[following.start : following.end + 1])
            start = following.end + 1
        before = token
    end = tokens[-1].start if tokens[-1].token_type == TokenType.SEMICOLON else len(query)
    return Statement((*pieces, query[start:end]), tuple(slots))


def check_names(statement: Statement, given: Mapping[str, Any]) -> None:
    """Raise a ValueError unless *given* has exactly the statement's parameters."""
    missing = [name for name in statement.names if name not in given]
    unused = [name for name in given if name not in statement.names]
    if not missing and not unused:
        return
    there = f"the statement has {', '.join(':' + name for name in statement.names) or 'no :names'}"
    if missing:
        raise ValueError(f"no value for :{missing[0]}; {there}")
    near = get_close_matches(unused[0], statement.names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"the value {unused[0]!r} is not used: {there}{hint}")


def literal(value: Any, kind: str, *, name: str = "value") -> str:
    """Write *value* as a literal of the PostgreSQL type *kind*, in parentheses; with no kind, of a type yet unknown.

    Raises
    ------
    ValueError
        If the value holds a NUL character or half a surrogate pair; the value is not shown.
    """
    text = text_form(value, as_json="json" in kind)
    cast = f"::{kind}" if kind else ""
    if text is None:
        return f"(null{cast})"
    if "\0" in text:
        raise ValueError(f":{name} holds a NUL character, which PostgreSQL cannot store")
    if any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False:
        raise ValueError(f":{name} holds half of a surrogate pair, which UTF-8 cannot store")
    quoted = text.replace("'", "''")
    if "\\" in quoted:  # right whatever standard_conforming_strings is
        return "(E'" + quoted.replace("\\", "\\\\") + f"'{cast})"
    return f"('{quoted}'{cast})"


def text_form(value: Any, *, as_json: bool = False) -> str | None:
    """Write a Python, numpy or pandas value as PostgreSQL reads it; None, NA and NaT are NULL."""
    if isinstance(value, str):
        return value
    if as_json and isinstance(value, (dict, list, bool)):
        return json.dumps(value)
    if isinstance(value, dict):
        return json.dumps(value)
    if _is_array(value):
        return "{" + ",".join(map(_element, value)) + "}"
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return text_form(pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value))
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "\\x" + bytes(value).hex()
    if isinstance(value, np.generic):
        return str(value.item())
    return str(value)


def like_pattern(text: str) -> str:
    """A LIKE pattern that finds *text* anywhere, with ``%``, ``_`` and backslash meaning themselves."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _is_array(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset, range, np.ndarray, pd.Series, pd.Index)) or (
        hasattr(value, "__array__") and hasattr(value, "__len__")
    )


def _element(item: Any) -> str:
    text = text_form(item)
    if text is None:
        return "NULL"
    if _is_array(item):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
