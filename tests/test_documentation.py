"""What the README and the documentation show works as it stands."""

import ast
import asyncio
import contextlib
import importlib.util
import inspect
import io
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
import typer.main

import reviewlab as rl
from reviewlab import cli
from reviewlab.opening import fill
from reviewlab.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery" / "README.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
CHANGING = re.compile(
    r"(?<=^  (?:server  |database|role    |pool    )   ).*|\d\d [A-Z][a-z]{2} \d{4}(?: \d\d:\d\d)?", re.MULTILINE
)
"""What a page shows of somebody's server and day."""

OTHER_COMMANDS = {"cd", "conda", "export", "git", "nbstripout", "psql", "pgbouncer", "python", "chmod"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """The language and the lines of each fenced block."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [(language, textwrap.dedent(code)) for _, language, code in found]


def named(pages: list[Path]) -> Any:
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


def steady(shown: str) -> list[str]:
    """The words of an output, without what changes."""
    return CHANGING.sub("…", shown).split()


async def execute_like_a_cell(code: str, namespace: dict[str, Any], *, page: Path) -> str:
    """Run with top-level await; give back what was printed, and the repr of a last expression."""
    tree = ast.parse(code)
    if isinstance(tree.body[-1], ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], tree.body[-1].value), tree.body[-1])
    compiled = compile(ast.fix_missing_locations(tree), str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace["_"] = None
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = eval(compiled, namespace)
        if inspect.iscoroutine(result):
            await result
    shown = "" if namespace["_"] is None else f"{namespace['_']!r}\n"
    return printed.getvalue() + shown


async def beforehand(page: Path) -> dict[str, Any]:
    """What a page may use without making it: the gallery's frames are made by the script that draws it."""
    if page != GALLERY:
        return {}
    spec = importlib.util.spec_from_file_location("gallery", GALLERY.parents[1] / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    lab = await rl.connect()
    return {"rl": rl, "charts": rl.charts, "ratings": rl.ratings, "lab": lab, **await gallery.frames(lab)}


@named([page for page in PAGES if any(language in ("python", "sql") for language, _ in blocks(page))])
async def test_every_block_runs_in_order_and_shows_what_the_page_says(dsn, execute, monkeypatch, page):
    """
    The first thing that a stranger copies; a block of text after it is what it shows.
    """
    await fill(load_settings(dsn), rows=2_000)
    monkeypatch.setenv("DATABASE_URL", dsn)
    namespace = await beforehand(page)
    found = blocks(page)
    differing = []

    for (language, code), (following, said) in zip(found, [*found[1:], ("", "")], strict=True):
        if language == "sql":
            await execute(code)
        if language == "sh" and "reviewlab init" in code:
            await asyncio.to_thread(cli.app, words_of(code)[0][1:], standalone_mode=False)
        if language == "python":
            shown = await execute_like_a_cell(code, namespace, page=page)
            if following == "text" and steady(said) != steady(shown):
                differing.append(f"{code}\nshows\n{shown}\nnot\n{said}")

    plt.close("all")
    for lab in [value for value in namespace.values() if isinstance(value, rl.ReviewLab)]:
        await lab.close()
    assert not differing, "\n\n".join(differing)


def words_of(code: str) -> list[list[str]]:
    """The words of every command of a shell block."""
    lines = re.split(r"\n|&&|(?<!\|)\|(?!\|)", code.replace("\\\n", " "))
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands(page: Path) -> list[list[str]]:
    """The words of every command in the shell blocks."""
    return [words for language, code in blocks(page) if language == "sh" for words in words_of(code)]


def fault_of(words: list[str], targets: set[str], extras: set[str]) -> str | None:
    """Why a command would not be understood; None where it would."""
    first, *rest = words[: words.index(">")] if ">" in words else words
    if first == "make":
        return None if set(rest) <= targets else f"no target {rest}"
    if first == "pip":
        wanted = {extra for word in rest for extra in re.findall(r"\[(.*)\]", word)}
        missing = {name for extra in wanted for name in extra.split(",")} - extras
        return f"no extra {missing}" if missing else None
    if first == "reviewlab":
        if not rest:
            return None
        group = typer.main.get_command(cli.app)
        command = group.commands.get(rest[0])  # type: ignore[attr-defined]
        if command is None:
            return f"no command {rest[0]}"
        try:
            command.make_context(rest[0], rest[1:])
        except Exception as error:
            return str(error)
        return None
    return None if first in OTHER_COMMANDS or re.match(r"[A-Z_]+=", first) else f"unknown {first}"


@named([page for page in PAGES if commands(page)])
def test_every_command_is_one_that_there_is(page):
    """
    A command with an option that was renamed is a bad beginning.
    """
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])

    faults = [fault for words in commands(page) if (fault := fault_of(words, targets, extras))]

    assert not faults


@named(PAGES)
def test_every_setting_and_connection_string_is_understood(page, monkeypatch, recwarn):
    """
    What one copies into `.env` must mean something there.
    """
    text = page.read_text(encoding="utf-8")
    known = {f"REVIEWLAB_{name.upper()}" for name in Settings.model_fields} | {"REVIEWLAB_DATABASE_URL"}
    strings = [found.rstrip(".,;") for found in re.findall(r"postgresql://[^\s\"'`)…]+", text)]

    unknown = set(re.findall(r"\bREVIEWLAB_[A-Z_]+", text)) - known - {"REVIEWLAB_"}

    assert not unknown
    assert all(load_settings(string).target().hosts for string in strings)


def test_every_picture_and_target_of_the_readme_is_there():
    """
    A broken picture is the first thing that a stranger sees.
    """
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()

    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", readme)
    targets = re.findall(r"\bmake ([\w-]+)(?=`|  )", readme)

    assert pictures
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)
    assert all(f"\n{target}:" in makefile for target in targets)


@pytest.fixture(scope="module")
def site() -> Path:
    """The built documentation."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return ROOT / "build" / "site"


@pytest.mark.xdist_group("site")  # one folder, built once
def test_the_site_builds_strictly_and_fetches_nothing(site):
    """
    A link that leads nowhere is found here, and reading tells nobody who reads.
    """
    pages = {page: page.read_text(encoding="utf-8") for page in site.rglob("*.html")}

    fetched = {
        address
        for text in pages.values()
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", text)
        for address in re.findall(r"""(?:src|href)=["']?((?:https?:)?//[^\s"'>]+)""", tag)
    }

    assert len(pages) > 15
    assert not fetched


def test_every_page_is_in_the_navigation():
    """
    A page that no menu leads to is not read.
    """
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")

    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]]

    assert pages
    assert not [page for page in pages if f'"{page}"' not in navigation]


def public(owner: Any) -> list[str]:
    return [name for name in dir(owner) if not name.startswith("_")]


@pytest.mark.xdist_group("site")  # one folder, built once
def test_everything_public_has_its_place_in_the_reference(site):
    """
    A method that nobody finds was written for nobody.
    """
    anchors = {
        anchor.rsplit(".", 1)[-1]
        for page in (site / "api").glob("*.html")
        for anchor in re.findall(r'id="(reviewlab\.[\w.]+)"', page.read_text(encoding="utf-8"))
    }
    methods = [name for owner in (rl.ReviewLab, rl.ReviewsRepo) for name in public(owner)]
    functions = [*rl.charts.__all__, *rl.ratings.__all__, "write", "to_csv"]

    missing = {*methods, *functions, *rl.__all__} - anchors - {"charts", "ratings", "report"}

    assert not missing


def test_the_table_of_settings_has_each_of_them_with_its_default():
    """
    A limit that is documented wrongly is worse than none.
    """
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", (ROOT / "docs/api/settings.md").read_text(), re.MULTILINE)

    documented = {name: default.strip("` ") for name, default in rows}

    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert documented == {name: "" if default is None else str(default) for name, default in defaults.items()}
