"""Every file in sql/ keeps the contract of its header."""

import re

import asyncpg
import pytest

from reviewlab import queries

NAMES = sorted(path.stem for path in queries.folder().glob("*.sql"))
SHORT = {"timestamp without time zone": "timestamp", "integer": "int4", "bigint": "int8", "boolean": "bool"}


def test_there_are_statements():
    """
    An empty list would make every test below pass.
    """
    assert "rating_counts" in NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_postgresql_confirms_the_header(dsn, name):
    """
    Frames take names and dtypes from the header, and values their casts: it must not lie.
    """
    statement = queries.load(name)
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"begin; {queries.script('staging')}")

    prepared = await connection.prepare(statement.numbered)

    columns = [(attribute.name, attribute.type.name) for attribute in prepared.get_attributes()]
    types = [kind.name for kind in prepared.get_parameters()]
    await connection.close()
    assert columns == list(statement.columns)
    assert types == list(statement.types)


@pytest.mark.parametrize("name", NAMES)
def test_every_use_of_a_parameter_has_its_cast(name):
    """
    COPY gets literals, and a literal without a cast has no type.
    """
    text = (queries.folder() / f"{name}.sql").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))

    uses = re.findall(r"\$(\d+)(::[\w\[\]]+)?", body)

    types = dict(re.findall(r"^-- param \$(\d+) \w+ ([^:\n]+)", text, re.MULTILINE))
    assert [(number, f"::{types[number]}") for number, _ in uses] == uses


@pytest.mark.parametrize("name", NAMES)
def test_no_statement_takes_every_column(name):
    """
    A star would read private_review without being asked.
    """
    text = (queries.folder() / f"{name}.sql").read_text()

    assert "*" not in text.replace("count(*)", "")


@pytest.mark.parametrize("name", NAMES)
def test_no_parameter_stands_in_a_string(name):
    """
    Parameters of the files are found by their $, which therefore stands nowhere else.
    """
    text = (queries.folder() / f"{name}.sql").read_text()

    assert not re.search(r"'[^'\n]*\$\d[^'\n]*'", text)
