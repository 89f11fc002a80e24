"""Ad-hoc SQL: what it may do, and what its errors say."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reviewlab import queries
from reviewlab.errors import QueryError, QueryTimeoutError, ReadOnlyError, ReviewLabError


async def test_values_are_passed_by_name(lab, add_reviews):
    """
    The way to ask a question twice with other numbers.
    """
    await add_reviews({"2024-01-01": 5, "2024-02-01": 1})

    frame = await lab.sql(
        "select rating, count(*) as n from reviews where submitted_at >= :since and rating = any(:stars) group by 1",
        since="2024-01-15",
        stars=[1, 2],
    )

    assert frame.to_dict("list") == {"rating": [1], "n": [1]}


async def test_value_returns_the_first_one_as_python_has_it(lab):
    """
    One number needs no frame.
    """
    assert await lab.value("select 5::int2") == 5
    assert await lab.value("select null::int") is None
    assert await lab.value("select 1 where false") is None
    assert await lab.value("select array[1, 2]") == [1, 2]


async def test_explain_and_show_come_as_text(lab):
    """
    COPY refuses them, and an analyst wants to see a plan.
    """
    plan = await lab.sql("explain select rating from reviews where rating = :stars", stars=5)
    zone = await lab.value("show timezone")

    assert plan.columns.tolist() == ["QUERY PLAN"]
    assert str(plan["QUERY PLAN"].dtype) == "str"
    assert zone == "UTC"


WRITES = [
    "insert into reviews (review_id) values (gen_random_uuid())",
    "/* a note */ (delete from reviews)",
    "update reviews set rating = 1",
    "truncate reviews",
    "drop table reviews",
    "create table x (y int)",
    "copy reviews to stdout",
    "do $$ begin delete from reviews; end $$",
    "with gone as (delete from reviews returning rating) select * from gone",
    "explain analyze delete from reviews",
    "select setval('counter', 5)",
    "select rating from reviews for update",
]


@pytest.mark.parametrize("query", WRITES)
async def test_a_statement_that_writes_is_refused(lab, add_reviews, execute, fetch, query):
    """
    Read-only is the promise under which people let analysts in.
    """
    await execute("create sequence counter")
    await add_reviews({"2024-01-01": 5})

    with pytest.raises(ReadOnlyError):
        await lab.sql(query)

    assert (await fetch("select rating from reviews"))[0]["rating"] == 5
    assert (await fetch("select last_value from counter"))[0]["last_value"] == 1


ESCAPES = [
    "select 1) to stdout; commit; delete from reviews; copy (select 2",
    "select 1; delete from reviews",
    "select 1; commit; delete from reviews",
    "commit",
    "begin read write",
    "rollback; delete from reviews",
    "set transaction read write",
    "set local transaction_read_only = off",
    "select set_config('transaction_read_only', 'off', true)",
    "reset all",
    "prepare x as delete from reviews",
    "select 1 -- ) to stdout; delete from reviews",
    "select 1 /* ) to stdout; */",
    "values (1) ; -- x",
]


@pytest.mark.parametrize("query", ESCAPES)
async def test_no_statement_leaves_its_read_only_transaction(lab, add_reviews, fetch, query):
    """
    Several statements in one, or a bracket closed early, must not reach the server as such.
    """
    await add_reviews({"2024-01-01": 5})

    with contextlib.suppress(ReviewLabError):
        await lab.sql(query)

    assert len(await fetch("select rating from reviews")) == 1
    assert await lab.value("select current_setting('transaction_read_only')") == "on"
    with pytest.raises(ReadOnlyError):
        await lab.sql("select rating from reviews for update")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_value_stays_a_value_whatever_it_holds(lab, value):
    """
    Also where it looks like another parameter, a quote or a comment.
    """
    frame = await lab.sql(
        "select :a::text as a, ':a $1 $2' as b, $q$ $1 :a $q$ as c, :b as d -- $1 :a", a=value, b=":a $1"
    )

    assert frame.iloc[0].tolist() == [value, ":a $1 $2", " $1 :a ", ":a $1"]


FRAGMENTS = st.sampled_from(
    ["select", " ", "\n", "1", "a", "'it''s :x'", "E'\\' :x'", '":x"', "$$ :x $$", "$t$ :x $$ $t$", "-- :x\n",
     "/* :x /* :x */ */", "::int", "[1:2]", "(", ")", ",", "->>", "@>", "?|", ":=", "=>", "::", ";"]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=20))
def test_text_without_names_is_never_changed(fragments):
    """
    Whatever is no parameter reaches PostgreSQL to the letter.
    """
    query = "select 1 " + " ".join(fragments)

    try:
        statement = queries.parse(query)
    except ValueError:
        return

    assert statement.names == ()
    assert query.startswith(statement.numbered)
    assert query[len(statement.numbered) :].strip(" \n;") in ("", *[f.strip() for f in fragments])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "select rating\nform reviews x y",
            r"syntax error at or near \"reviews\", in line 2:\n    form reviews x y\n {9}\^",
        ),
        (
            "select :a::int,\n ratng from reviews",
            r"\"ratng\" does not exist.*rating.*in line 2:\n     ratng from reviews\n {5}\^",
        ),
        ("select * from revews where rating = :a", r"relation \"revews\" does not exist, in line 1:"),
        ("select 'x'::text = :a::int", r"operator does not exist"),
    ],
)
async def test_an_error_shows_where_the_statement_is_wrong(lab, query, message):
    """
    As it was written, with its :names.
    """
    values = {"a": 1} if ":a" in query else {}

    with pytest.raises(QueryError, match=message):
        await lab.sql(query, **values)


async def test_a_value_of_the_wrong_type_is_not_shown(lab):
    """
    It may be a review's text.
    """
    with pytest.raises(QueryError, match="invalid input syntax for type integer") as raised:
        await lab.sql("select rating from reviews where rating = :stars", stars="SECRET TEXT")

    assert "SECRET" not in str(raised.value)


async def test_missing_and_unused_values_are_errors(lab):
    """
    A typing mistake must not change the answer.
    """
    with pytest.raises(ValueError, match="no value for :b; the statement has :a, :b"):
        await lab.sql("select :a, :b", a=1)
    with pytest.raises(ValueError, match="'c' is not used: the statement has :a"):
        await lab.sql("select :a", a=1, c=2)


async def test_params_carries_names_that_clash_with_arguments(lab):
    """
    A column may well be called timeout.
    """
    assert (await lab.sql("select :timeout as x", params={"timeout": "a"}))["x"].tolist() == ["a"]


async def test_a_statement_that_runs_too_long_is_cancelled_on_the_server(lab, fetch):
    """
    Its time limit is the server's, so that it does not go on unseen.
    """
    with pytest.raises(QueryTimeoutError, match="cancelled on the server"):
        await lab.sql("select pg_sleep(30)", timeout=0.2)

    rows = await fetch(
        "select query from pg_stat_activity"
        " where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()"
    )
    assert rows == []


async def test_the_pool_is_whole_after_every_kind_of_error(lab):
    """
    An error must not cost a connection.
    """
    for query in ["selec", "select 1/0", "select 'x'::int", "select pg_sleep(30)", "delete from reviews"]:
        with pytest.raises(ReviewLabError):
            await lab.sql(query, timeout=0.2)

    stats = lab._database.stats()
    assert (stats["in_use"], stats["idle"]) == (0, stats["open"])
    assert await lab.value("select 1") == 1
