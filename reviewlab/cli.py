"""What can a person type?  ``reviewlab demo | lab | init | load | report | roles | doctor``."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import reviewlab
from reviewlab import connect, demonstration, diagnosis, facts, load, opening, queries, report
from reviewlab.database import Database
from reviewlab.errors import ConfigError, ReviewLabError
from reviewlab.server import Server, default_datadir
from reviewlab.settings import Settings, load_settings

T = TypeVar("T")
CSV = Annotated[Path | None, typer.Option(help="A CSV file of reviews, instead of the synthetic ones.")]

app = typer.Typer(
    help="Customer reviews from PostgreSQL: DATABASE_URL or the PG* variables say where.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out, err = Console(soft_wrap=True, highlight=False), Console(stderr=True, soft_wrap=True, highlight=False)


def main() -> None:
    """Run a command; what goes wrong is one sentence and a non-zero exit."""
    try:
        app()
    except (ReviewLabError, ValueError) as error:
        err.print(f"reviewlab: {error}", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
    if version:
        out.print(reviewlab.__version__)
        raise typer.Exit


@app.command()
def demo(
    csv: CSV = None,
    rows: Annotated[int, typer.Option(help="How many synthetic reviews.")] = 200_000,
    folder: Annotated[Path, typer.Option("--out", help="Where the page and the charts go.")] = Path("build/demo"),
) -> None:
    """Show what reviewlab does: on a private PostgreSQL, from reviews to a page with charts."""

    async def show() -> list[Path]:
        async with opening.demo(rows, csv=csv) as lab:
            _print_numbers(await demonstration.headlines(lab), synthetic=csv is None)
            return await asyncio.to_thread(demonstration.run_notebook, folder, dsn=lab.settings.dsn)

    for path in _run(show()):
        out.print(path)


@app.command(name="lab")
def open_lab(
    port: Annotated[int, typer.Option(help="Where JupyterLab listens.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open the browser.")] = True,
    folder: Annotated[Path | None, typer.Option(help="Where copies of the notebooks go; else your documents.")] = None,
    datadir: Annotated[Path | None, typer.Option("--data", help="Where a private PostgreSQL keeps its data.")] = None,
) -> None:
    """Open JupyterLab on the notebooks; without a configured database with a private one, whose data stay."""
    folder = demonstration.working_folder(folder)
    if opening.is_configured():
        _jupyterlab(folder, os.environ, port, browser=browser)
        return
    datadir = datadir or default_datadir()
    with Server(datadir) as server:
        settings = load_settings(server.dsn)
        _run(opening.fill(settings))
        out.print(f"a private PostgreSQL keeps its data in {datadir}")
        _jupyterlab(folder, os.environ | {"DATABASE_URL": server.dsn}, port, browser=browser)


@app.command()
def init(
    notify: Annotated[bool, typer.Option("--notify", help="Have the table announce its changes: lab.watch().")] = False,
) -> None:
    """Create the table reviews and its index where they are missing."""
    _run(opening.init(load_settings(), notify=notify))
    out.print("the table reviews is there" + (", and announces its changes" if notify else ""))


@app.command(name="load")
def load_file(
    file: Annotated[Path, typer.Argument(help="A .csv, .csv.gz or .parquet; private_review may be left out.")],
    on_conflict: Annotated[load.OnConflict, typer.Option(help="What to do about an id that is there.")] = "error",
) -> None:
    """Write the reviews of a file into the table: all of them, or none."""

    async def add(settings: Settings) -> int:
        database = await Database.open(settings, write=True)
        try:
            await facts.check_connection(database)
            with Progress(console=err, transient=True) as bar:
                task = bar.add_task(file.name, total=1.0)
                return await load.load_reviews(
                    database,
                    file,
                    on_conflict=on_conflict,
                    progress=lambda _, share: bar.update(task, completed=share),
                )
        finally:
            await database.close()

    out.print(f"{_run(add(load_settings())):,} reviews {'added' if on_conflict != 'update' else 'added or replaced'}")


@app.command(name="report")
def write_report(
    since: Annotated[str | None, typer.Option(help="Begin, such as 2026-01-01.")] = None,
    until: Annotated[str | None, typer.Option(help="End, which is left out.")] = None,
    every: Annotated[str, typer.Option(help="Length of a period, such as week.")] = "week",
    tz: Annotated[str | None, typer.Option(help="A time zone, such as Europe/Berlin.")] = None,
    target: Annotated[Path, typer.Option("--out", help="A .html or .pdf file.")] = Path("report.html"),
) -> None:
    """Write one page about the ratings: figures, charts and their tables; no review's text."""

    async def write() -> Path:
        async with connect() as lab:
            return await report.write(lab, target, since=since, until=until, every=every, tz=tz)

    out.print(_run(write()))


@app.command()
def roles(
    database: Annotated[str | None, typer.Option(help="Where the table is; else the configured one.")] = None,
    schema: Annotated[str | None, typer.Option(help="The schema of the table; else the configured one.")] = None,
    reader: Annotated[str, typer.Option(help="Who reads all but private texts.")] = "reviewlab_reader",
    private: Annotated[str, typer.Option(help="Who reads these too.")] = "reviewlab_private",
    writer: Annotated[str, typer.Option(help="Who writes, and reads no private text.")] = "reviewlab_writer",
    login: Annotated[str, typer.Option(help="A person who reads.")] = "analyst",
) -> None:
    """Print the script that makes roles with the rights that reading and writing need, for psql and the owner."""
    settings = load_settings()
    database = database or settings.target().database
    if database is None:
        raise ConfigError("the name of the database is missing: add --database")
    schema = schema or settings.db_schema or "public"
    names = {"reader": reader, "private": private, "writer": writer, "login": login}
    typer.echo(queries.script("roles", database=database, schema=schema, **names), nl=False)


@app.command()
def doctor() -> None:
    """Look at the connection, the role, the table and the packages, and say what to do about each finding."""

    async def look() -> list[diagnosis.Finding]:
        async with connect() as lab:
            return await diagnosis.examine(lab)

    findings = _run(look())
    table = Table("what", "found", "what to do", box=None)
    for finding in findings:
        table.add_row(finding.what, finding.found, finding.advice)
    out.print(table)


def _run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def _print_numbers(numbers: dict[str, str], *, synthetic: bool) -> None:
    table = Table("", "", box=None, show_header=False)
    for name, value in numbers.items():
        table.add_row(name, value)
    if synthetic:
        out.print("synthetic reviews of an app that nobody sells:")
    out.print(table)


def _jupyterlab(folder: Path, environment: Any, port: int, *, browser: bool) -> None:
    if shutil.which("jupyter-lab") is None and not (Path(sys.executable).parent / "jupyter-lab").exists():
        raise ReviewLabError("JupyterLab is not installed: pip install 'reviewlab[jupyter]'")
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", f"--port={port}"]
    command.append(f"--LabApp.default_url=/lab/tree/{demonstration.FIRST}")
    if os.name == "posix" and os.geteuid() == 0:
        command.append("--allow-root")
    if not browser:
        command.append("--no-browser")
    # a child process: the private server lives as long as this one
    with subprocess.Popen(command, env=dict(environment)) as jupyter:
        # Ctrl-C reaches JupyterLab too, which asks whether it is meant
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: jupyter.terminate())


if __name__ == "__main__":
    main()
