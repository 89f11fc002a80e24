"""One page, safe to hand on."""

import html.parser
import re
import stat
from pathlib import Path

import pandas as pd
import pytest

from reviewlab import report
from reviewlab.errors import ConfigError, ReviewLabError

PAYLOADS = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "</td></table></details><img src=x onerror=alert(1)>",
    r"$\href{javascript:alert(1)}{x}$",
    "{{ 7 * 7 }}",
]

TAGS = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "dl", "div", "dt", "dd", "main"}
TAGS |= {"section", "figure", "img", "details", "summary", "table", "caption", "thead", "tbody", "tr", "th", "td"}
TAGS |= {"footer"}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "alt", "src", "scope"}


class Page(html.parser.HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
async def lively(execute):
    """A year of reviews, some of them hostile."""
    await execute(
        "insert into reviews select gen_random_uuid(), 'fine', 'SECRET', 1 + i % 5,"
        " '2024-01-01'::timestamp + i * interval '7 hours' from generate_series(0, 1200) i"
    )
    for payload in PAYLOADS:
        await execute("insert into reviews values (gen_random_uuid(), $1, 'SECRET', 5, '2024-12-30')", payload)


async def test_a_page_holds_no_code_no_address_and_no_private_text(lab, lively, tmp_path):
    """
    Review texts are written by anybody.
    """
    path = await report.write(lab, tmp_path / "page.html", include_public=20)

    text = path.read_text()
    page = Page(text)
    assert "SECRET" not in text
    assert page.tags <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    assert all(value.startswith("data:image/png;base64,") for name, value in page.attributes if name == "src")
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes
    assert ("content", "no-referrer") in page.attributes
    assert not re.search(r"https?:|//\w", re.sub(r"base64,[\w+/=]+", "", text))
    assert set(PAYLOADS) <= set(page.text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_every_chart_has_a_description_and_its_table(lab, lively, tmp_path):
    """
    Who cannot see the picture can read the numbers.
    """
    path = await report.write(lab, tmp_path / "page.html")

    text = path.read_text()
    images = text.count("<img")
    assert images >= 5
    assert text.count("<details") >= images
    assert all(len(value) > 20 for name, value in Page(text).attributes if name == "alt")
    assert "fine" not in text


async def test_a_page_can_be_printed(lab, lively, tmp_path):
    """
    Some people want paper.
    """
    path = await report.write(lab, tmp_path / "page.pdf", since="2024-06-01", tz="Europe/Berlin")

    assert path.read_bytes().startswith(b"%PDF")


async def test_an_existing_page_is_replaced_only_as_a_whole(lab, lively, tmp_path, monkeypatch):
    """
    Yesterday's page is better than half of today's.
    """
    path = tmp_path / "page.html"
    path.write_text("yesterday")

    with pytest.raises(ValueError, match="since must be before until"):
        await report.write(lab, path, since="2024-02-01", until="2024-01-01")

    assert path.read_text() == "yesterday"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


async def test_the_range_is_compared_with_an_equally_long_time_before(lab, add_reviews, tmp_path):
    """
    Thirty-one days against four weeks would show growth where there is none.
    """
    await add_reviews({f"2024-01-{day:02}": 1 for day in range(1, 11)})  # of 1 to 10, the last 5 days come before
    await add_reviews({f"2024-01-{day:02}": 5 for day in range(11, 16)})

    path = await report.write(lab, tmp_path / "page.html", since="2024-01-11", until="2024-01-16", every="day")

    shares = "".join(f"<td>{cell}</td>" for cell in ("5", "5", "100.0%", "0", "0.0%"))
    assert shares in path.read_text()
    assert '<dd class="change">+0%</dd>' in path.read_text()


async def test_few_reviews_are_not_told_apart_in_a_table(lab, add_reviews, tmp_path):
    """
    One customer's rating of one day is nobody's business.
    """
    await add_reviews({f"2024-01-0{day}": 2 for day in range(1, 5)})

    path = await report.write(lab, tmp_path / "page.html", every="day")

    assert "<td>2024-01-01</td><td>&lt;5</td><td>–</td>" in path.read_text()
    assert "<td>4</td>" not in path.read_text().replace("<tr><td>4</td>", "")  # but for the rating 4 itself


async def test_public_texts_are_not_for_paper(lab, tmp_path):
    """
    To leave them out without a word would be a surprise.
    """
    with pytest.raises(ValueError, match="in HTML only"):
        await report.write(lab, tmp_path / "page.pdf", include_public=3)


@pytest.mark.parametrize("name", ["missing/page.html", "page.docx"])
async def test_a_place_that_cannot_be_written_is_named(lab, lively, tmp_path, name):
    """
    Before a minute of reading.
    """
    with pytest.raises(
        (ConfigError, ValueError, ReviewLabError), match=Path(name).suffix if "docx" in name else "missing"
    ):
        await report.write(lab, tmp_path / name)


async def test_a_page_without_reviews_says_so(lab, tmp_path):
    """
    The first day of a new product.
    """
    path = await report.write(lab, tmp_path / "page.html")

    assert "no reviews" in path.read_text().lower()


def test_a_table_holds_no_formula(tmp_path):
    """
    A spreadsheet runs what begins with an equals sign.
    """
    frame = pd.DataFrame({"=head": ["=1+1", "+1", "-1", "@x", "\t=1", "＝1", "fine", "a,=b"], "n": [-1.5] * 8})

    report.to_csv(frame, tmp_path / "table.csv")
    report.to_csv(frame, tmp_path / "raw.csv", raw=True)

    guarded = pd.read_csv(tmp_path / "table.csv")
    assert guarded.iloc[:6, 0].str.startswith("'").all()
    assert guarded.iloc[6, 0] == "fine"
    assert guarded["n"].tolist() == [-1.5] * 8
    assert guarded.iloc[7, 0] == "a,'=b"
    assert guarded.columns[0] == "'=head"
    assert "\n=1+1" in (tmp_path / "raw.csv").read_text()


def test_a_table_keeps_its_index_and_any_names(tmp_path):
    """
    Counts side by side have numbers for names, and periods for an index.
    """
    frame = pd.DataFrame({1: [3], 2: pd.Categorical(["=x"])}, index=pd.Index(["@a"], name="bucket"))

    path = report.to_csv(frame, tmp_path / "table.csv", bom=True)

    assert path.read_bytes() == b"\xef\xbb\xbfbucket,1,2\n'@a,3,'=x\n"
