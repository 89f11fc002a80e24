"""Every type of PostgreSQL arrives as itself, with a dtype that depends on the type alone."""

import math
import warnings
from datetime import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reviewlab.errors import QueryError

DTYPES = {
    "bool": "boolean",
    "int2": "Int16",
    "int4": "Int32",
    "int8": "Int64",
    "oid": "Int64",
    "float4": "float32",
    "float8": "float64",
    "numeric": "float64",
    "numeric(6,2)": "float64",
    "text": "str",
    "varchar(9)": "str",
    "char(4)": "str",
    "name": "str",
    '"char"': "str",
    "uuid": "str",
    "json": "str",
    "jsonb": "str",
    "inet": "str",
    "interval": "str",
    "timetz": "str",
    "int4range": "str",
    "tstzmultirange": "str",
    "xid8": "str",
    "point": "str",
    "tsvector": "str",
    "bit(3)": "str",
    "date": "datetime64[us]",
    "timestamp": "datetime64[us]",
    "timestamptz": "datetime64[us, UTC]",
    "time": "object",
    "bytea": "object",
    "int4[]": "object",
    "text[]": "object",
    "mood": "str",
    "stars": "Int32",
    "place": "str",
}
TEXTS = {
    "text": ["", " ", "NULL", "\\N", "a\tb\r\nc", "'\"\\", "\x01\x7f\u00a0\u2028", "🙂👩‍👩‍👧", "שלום", "\ufeff"],
    "varchar(9)": ["", "ab"],
    "char(4)": ["ab", ""],
    "name": ["x"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "ffffffff-fefe-fefe-fefe-fffffffffffe"],
    "json": ['{"a" : 1}', "[]"],
    "jsonb": ['{"a" : [1, null]}', "null"],
    "inet": ["::1", "10.0.0.1/8"],
    "interval": ["1 day -00:00:01", "infinity", "-1 year"],
    "timetz": ["12:00:00+02", "24:00:00-15"],
    "int4range": ["[1,5)", "empty", "(,)"],
    "mood": ["fine", "bad"],
    "place": ["(1,x)", '(,"a b")'],
    "point": ["(1,2)"],
    "bit(3)": ["101"],
}


@pytest.fixture
async def typed(lab, execute):
    """A lab on a database with an enum, a domain and a composite type."""
    await execute("create type mood as enum ('fine', 'bad')")
    await execute("create domain stars as int check (value between 1 and 5)")
    await execute("create type place as (x int, y text)")
    return lab


@pytest.mark.parametrize("kind", DTYPES)
async def test_a_dtype_is_the_same_for_no_rows_and_for_nothing_but_nulls(typed, kind):
    """
    A notebook that ran yesterday must run on a day without reviews.
    """
    empty = await typed.sql(f"select null::{kind} as x where false")
    nulls = await typed.sql(f"select null::{kind} as x from generate_series(1, 3)")

    assert (str(empty["x"].dtype), str(nulls["x"].dtype)) == (DTYPES[kind], DTYPES[kind])
    assert nulls["x"].isna().all()


@pytest.mark.parametrize("kind", TEXTS)
async def test_texts_are_the_servers_own_text_form(typed, kind):
    """
    What PostgreSQL writes is what an analyst can look up.
    """
    values = [*TEXTS[kind], None]

    frame = await typed.sql(
        f"select x::{kind} as x, x::{kind}::text as t from unnest(:values::text[]) as x", values=values
    )

    assert frame["x"].isna().tolist() == [False] * len(TEXTS[kind]) + [True]
    shown = frame["x"].str.rstrip() if kind.startswith("char(") else frame["x"]
    assert shown.dropna().tolist() == frame["t"].dropna().tolist()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("int2", [-32768, 32767]),
        ("int4", [-(2**31), 0, 2**31 - 1]),
        ("int8", [-(2**63), 2**63 - 1, -512]),
        ("oid", [0, 2**32 - 1]),
    ],
)
async def test_integers_keep_their_extremes_beside_nulls(lab, kind, values):
    """
    A float in between would round them.
    """
    frame = await lab.sql(f"select x::{kind} as x from unnest(:values::text[]) as x", values=[*values, None])

    assert frame["x"].tolist() == [*values, pd.NA]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float8", ["NaN", "Infinity", "-Infinity", "-0.0", "5e-324", "1.7976931348623157e308", "0.1"]),
        ("float4", ["NaN", "-Infinity", "-0.0", "1e-45", "3.4028235e38"]),
        ("numeric", ["NaN", "Infinity", "1e-130", "-0.1", "123456789012345678901234567890.5"]),
    ],
)
async def test_floats_are_the_same_bits(lab, kind, values):
    """
    Not a number, infinity and the sign of zero are values too.
    """
    frame = await lab.sql(f"select x::{kind} as x from unnest(:values::text[]) as x", values=values)

    to = np.float32 if kind == "float4" else np.float64
    assert [repr(x) for x in frame["x"].to_numpy()] == [repr(to(float(value))) for value in values]


async def test_numerics_beyond_a_float_become_infinite_with_a_warning(lab):
    """
    A silent change of a number is a lie.
    """
    with pytest.warns(UserWarning, match="1 in x"):
        frame = await lab.sql("select ('1' || repeat('0', 999))::numeric as x union all select 'Infinity'")

    assert frame["x"].tolist() == [math.inf, math.inf]


async def test_exact_numerics_are_decimals(lab):
    """
    Money is not a float.
    """
    values = ["1.10", "1e-130", "-0.00", "9" * 1000, "NaN", None]

    frame = await lab.sql("select x::numeric as x from unnest(:values::text[]) as x", values=values, decimal="exact")

    expected = [Decimal("1.10"), Decimal("1e-130"), Decimal("0.00"), Decimal("9" * 1000), Decimal("NaN"), None]
    assert list(map(str, frame["x"])) == list(map(str, expected))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", ["2024-02-29 12:34:56.789012", "4714-11-24 BC", "0001-01-01", "294246-12-31 23:59:59.999999"]),
        ("timestamptz", ["2024-02-29 12:34:56+02", "4713-01-01 BC", "1500-01-01", "294246-12-31"]),
        ("date", ["2024-02-29", "4714-11-24 BC", "294246-12-31"]),
    ],
)
async def test_times_are_exact_from_the_first_to_the_last(lab, kind, values):
    """
    The server counts the microseconds; the frame must have the same number.
    """
    frame = await lab.sql(
        f"select x::{kind} as x, (extract(epoch from x::{kind}) * 1000000)::int8 as us "
        "from unnest(:values::text[]) as x",
        values=values,
    )

    assert frame["x"].astype("int64").tolist() == frame["us"].tolist()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", ["infinity", "-infinity", "294276-12-31"]),
        ("timestamptz", ["infinity", "-infinity", "294276-12-31"]),
        ("date", ["infinity", "-infinity", "5874897-12-31"]),
        ("time", ["24:00:00"]),
    ],
)
async def test_times_that_pandas_does_not_know_are_missing_and_counted(lab, kind, values):
    """
    They are rare, and must not stop a whole read, nor pass for something else.
    """
    with pytest.warns(UserWarning, match=f"{len(values)} in x"):
        frame = await lab.sql(f"select x::{kind} as x from unnest(:values::text[]) as x", values=values)

    assert frame["x"].isna().all()


async def test_times_of_day_and_bytes_are_python_objects(lab):
    """
    pandas has no dtype for them.
    """
    frame = await lab.sql("select time '23:59:59.999999' as t, '\\x00ff'::bytea as b")

    assert frame.iloc[0].tolist() == [time(23, 59, 59, 999999), b"\x00\xff"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("array[1, null, 3]::int2[]", [1, None, 3]),
        ("array[true, false]", [True, False]),
        ("array[[1, 2], [3, 4], [5, 6]]", [[1, 2], [3, 4], [5, 6]]),
        ("'[0:1]={7,8}'::int4[]", [7, 8]),
        ("array[]::text[]", []),
        ("array['', null, 'NULL', '{', 'a\"b']", ["", None, "NULL", "{", 'a"b']),
        ("array[1.5, 'NaN']::float8[]", [1.5, math.nan]),
        ("array['fine']::mood[]", ["fine"]),
        ("array[date '2024-02-29']", ["2024-02-29"]),
        ("array[row(1, 'x')::place]", ["(1,x)"]),
        ("null::int4[]", None),
    ],
)
async def test_arrays_are_lists(typed, expression, expected):
    """
    Numbers as numbers, everything else in its text form.
    """
    frame = await typed.sql(f"select {expression} as x")

    assert repr(frame["x"].iloc[0]) == repr(expected)


async def test_every_scalar_of_unicode_comes_through(lab):
    """
    All but NUL, which PostgreSQL does not store.
    """
    everything = "".join(chr(point) for point in range(1, 0x110000) if not 0xD800 <= point <= 0xDFFF)

    frame = await lab.sql("select :everything::text as x", everything=everything)

    assert frame["x"].iloc[0] == everything


async def test_a_text_of_64_megabytes_comes_through(lab):
    """
    A row longer than every buffer is still one row.
    """
    frame = await lab.sql(
        "select n, repeat('äbc', case n when 2 then 16777216 else 1 end) as x from generate_series(1, 3) n"
    )

    assert frame["x"].str.len().tolist() == [3, 3 * 16777216, 3]


async def test_results_without_columns_and_with_500_come_through(lab):
    """
    Both are legal SQL.
    """
    none = await lab.sql("select from generate_series(1, 3)")
    many = await lab.sql("select " + ", ".join(f"{number} as c{number}" for number in range(500)))

    assert none.shape == (3, 0)
    assert many.iloc[0].tolist() == list(range(500))


async def test_duplicate_column_names_are_refused_by_name(lab):
    """
    A frame with two columns of one name answers the wrong one.
    """
    with pytest.raises(ValueError, match="several columns are called 'a': give each a name"):
        await lab.sql("select 1 as a, 2 as b, 3 as a")


async def test_blocks_that_imitate_the_marker_are_read_right(lab):
    """
    The bytes that rows are found by may stand in the data; then the lengths are walked.
    """
    mark = "\\x000300000002fe00"

    frame = await lab.sql(f"select n, '{mark}'::bytea || '{mark}'::bytea as b from generate_series(1, 40000) n")

    assert frame["n"].tolist() == list(range(1, 40001))
    assert set(frame["b"]) == {bytes.fromhex(mark[2:]) * 2}


scalars = st.characters(exclude_characters="\0", exclude_categories=["Cs"])


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(scalars, max_size=8),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.floats(width=64),
            st.none() | st.binary(max_size=12),
            st.none() | st.uuids(),
        ),
        max_size=30,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_mixture_of_values_and_nulls_makes_the_round_trip(lab, rows):
    """
    In as literals, out by the wire.
    """
    columns = list(zip(*rows, strict=True)) or [()] * 5
    kinds = ("text", "int8", "float8", "bytea", "uuid")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = await lab.sql(
            "select * from unnest("
            + ", ".join(f":c{n}::{kind}[]" for n, kind in enumerate(kinds))
            + ") as t(a,b,c,d,e)",
            **{f"c{n}": list(column) for n, column in enumerate(columns)},
        )

    found = [[None if pd.isna(x) else x for x in frame[name]] for name in "abcde"]
    expected = [list(column) for column in columns]
    expected[2] = [None if x is None or math.isnan(x) else x for x in expected[2]]
    expected[4] = [None if x is None else str(x) for x in expected[4]]
    assert found == expected


async def test_a_type_that_cannot_be_cast_names_it(lab):
    """
    An error in the middle of a result would lose all of it.
    """
    with pytest.raises(QueryError, match="does not exist"):
        await lab.sql("select null::no_such_type")
