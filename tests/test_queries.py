"""Statements, their parameters, and how values get into them."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import asyncpg
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewlab import queries


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("select :a, :b, :a", ("a", "b")),
        ("select :a::int, x::text", ("a",)),
        ("select * from t limit :limit offset :date", ("limit", "date")),
        ("select ':no', \":no\", $$ :no $$, $tag$ :no $tag$, E'\\' :no'", ()),
        ("select 1 -- :no\n /* :no /* :no */ :no */ + :yes", ("yes",)),
        ("select x[1:2], x[:n], x[1:n], (array[:a, :b])[1]", ("a", "b")),
        ("select j->>'a', j @> :j, a ? 'b', b #>> '{a,b}'", ("j",)),
        ("select f(a => :a, b := :b)", ("a", "b")),
        ("select :größe", ("größe",)),
        ("select t at time zone :tz, trim(both :x from a), 1 operator(pg_catalog.+) :n", ("tz", "x", "n")),
        ("select json_object('key':value)", ()),
    ],
)
def test_only_names_outside_strings_comments_casts_and_slices_are_parameters(query, names):
    """
    A colon means many things in SQL.
    """
    assert queries.parse(query).names == names


def test_the_text_around_parameters_is_kept_to_the_letter():
    """
    Positions in error messages, and strings, depend on it.
    """
    query = "select ':a'  , :a /* x */\n, :b::int;"

    assert queries.parse(query).numbered == "select ':a'  , $1 /* x */\n, $2::int"


def test_missing_and_unused_values_are_named():
    """
    A misspelled name must not silently mean NULL.
    """
    statement = queries.parse("select :since, :until")

    with pytest.raises(ValueError, match=r"no value for :until; the statement has :since, :until"):
        queries.check_names(statement, {"since": 1})
    with pytest.raises(ValueError, match=r"'sinc' is not used: .*; did you mean 'since'\?"):
        queries.check_names(statement, {"since": 1, "until": 2, "sinc": 3})


@pytest.mark.parametrize("query", ["", "  -- nothing\n", "select 'open", "select $1"])
def test_statements_that_cannot_be_read_are_refused(query):
    """
    PostgreSQL's message would speak of positions that the user never wrote.
    """
    with pytest.raises(ValueError):
        queries.parse(query)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "text"),
        ('it\'s \\ "quoted" $1 :a %s', "text"),
        ("", "text"),
        (True, "bool"),
        (np.int64(5), "int8"),
        (1.5, "float8"),
        (float("nan"), "float8"),
        (Decimal("1.10"), "numeric"),
        (uuid.UUID(int=5), "uuid"),
        (date(2024, 2, 29), "date"),
        (time(12, 30), "time"),
        (datetime(2024, 2, 29, 12, 30, 0, 1), "timestamp"),
        (datetime(2024, 2, 29, tzinfo=UTC), "timestamptz"),
        (pd.Timestamp("2024-02-29T12:00", tz="Europe/Berlin"), "timestamptz"),
        (timedelta(days=-1, microseconds=3), "interval"),
        (b"\x00\xff", "bytea"),
        ([1, None, 3], "int4[]"),
        (["a,b", '"', "{x}", "NULL", "", "back\\slash", None], "text[]"),
        ([[1, 2], [3, 4]], "int4[]"),
    ],
)
async def test_a_literal_is_what_the_driver_would_have_bound(dsn, value, kind):
    """
    COPY takes no bound values: the literal must mean exactly the same.
    """
    connection = await asyncpg.connect(dsn)
    bound = value.item() if isinstance(value, np.generic) else value

    inlined = await connection.fetchval(f"select {queries.literal(value, kind)}::text")

    expected = await connection.fetchval(f"select $1::{kind}::text", bound)
    await connection.close()
    assert inlined == expected


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_text_cannot_leave_its_quotes(text):
    """
    Values come from anywhere.
    """
    literal = queries.literal(text, "text")

    inside = literal.removeprefix("(").removeprefix("E").removesuffix("::text)")
    assert inside.startswith("'")
    assert inside.endswith("'")
    body = inside[1:-1].replace("\\\\", "").replace("''", "")
    assert "'" not in body
    assert "\\" not in body or not literal.startswith("(E")


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_texts_that_postgresql_cannot_hold_are_refused_without_being_shown(value):
    """
    The server would refuse them too, and write them to its log.
    """
    with pytest.raises(ValueError, match=r":name holds"):
        queries.literal(value, "text", name="name")


def test_unknown_columns_and_orders_are_refused_with_the_known_ones():
    """
    Identifiers come from lists, never from the caller.
    """
    reviews = queries.load("reviews")

    with pytest.raises(ValueError, match=r"no column 'x; drop'; there are review_id"):
        queries.select(reviews, ["x; drop"])
    with pytest.raises(ValueError, match=r"no order 'random\(\)'; there are submitted_at"):
        queries.select(reviews, ["rating"], order_by="random()")
    with pytest.raises(ValueError, match=r"limit must be a whole number from 0, not '5'"):
        queries.select(reviews, ["rating"], limit="5")
