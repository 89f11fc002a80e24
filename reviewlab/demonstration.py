"""What does a demonstration show?  Headline numbers, and a notebook executed into a page with its charts."""

import base64
import os
import shutil
from pathlib import Path
from typing import Any

from platformdirs import user_documents_path
from pydantic import SecretStr

from reviewlab.errors import ConfigError, ReviewLabError
from reviewlab.lab import ReviewLab

FIRST = "01_first_look.ipynb"
CELL_LIMIT = 120
"""Seconds for one cell."""


def notebooks() -> Path:
    """Where the notebooks are: in the installed package, else beside it in the repository."""
    installed = Path(__file__).with_name("notebooks")
    return installed if installed.is_dir() else Path(__file__).parent.with_name("notebooks")


def working_folder(folder: Path | None = None) -> Path:
    """Copy the notebooks that are not there yet to *folder*, else to the user's documents, to be worked on there."""
    target = (folder or user_documents_path() / "reviewlab").absolute()
    try:
        target.mkdir(parents=True, exist_ok=True)
        for notebook in notebooks().glob("*.ipynb"):
            if not (target / notebook.name).exists():
                shutil.copy(notebook, target)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from None
    return target


async def headlines(lab: ReviewLab) -> dict[str, str]:
    """The numbers that one asks for first."""
    extent = await lab.extent()
    summary = (await lab.rating_summary(edges=[extent["first"], extent["last"]])) if extent["n"] > 1 else None
    numbers = {"reviews": f"{extent['n']:,}"}
    if summary is not None:
        row = summary.iloc[0]
        numbers |= {
            "submitted": f"{extent['first']:%d %b %Y} to {extent['last']:%d %b %Y}",
            "mean rating": f"{row['mean']:.2f} on a scale from {extent['scale'][0]} to {extent['scale'][1]}",
            "positive": f"{row['share_positive']:.0%}",
            "negative": f"{row['share_negative']:.0%}",
        }
    return numbers


def run_notebook(folder: Path, *, dsn: SecretStr | str | None, name: str = FIRST) -> list[Path]:
    """Execute a notebook on a database, and write the page and its charts to *folder*.

    Returns
    -------
    list of Path
        The page first, then the charts.

    Raises
    ------
    ReviewLabError
        If a cell fails; the message names the error.
    ConfigError
        If the packages for it are not installed, or the folder cannot be written.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError
        from nbconvert import HTMLExporter
    except ImportError:
        raise ConfigError("executing notebooks needs packages: pip install 'reviewlab[demo,jupyter]'") from None
    notebook = nbformat.read(notebooks() / name, as_version=4)
    secret = dsn.get_secret_value() if isinstance(dsn, SecretStr) else dsn
    environment = os.environ | ({"DATABASE_URL": secret} if secret else {})
    client = NotebookClient(notebook, timeout=CELL_LIMIT, kernel_name="python3")
    client.create_kernel_manager().transport = "ipc"  # no port that others on the machine could listen to
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        raise ReviewLabError(f"{name}: a cell failed: {error.ename}: {error.evalue}") from None
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(notebook)
    try:
        return _write(Path(folder).absolute(), Path(name).stem, page, notebook)
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror}") from None


def _write(folder: Path, stem: str, page: str, notebook: Any) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.html"]
    paths[0].write_text(page, encoding="utf-8")
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    images = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    for number, image in enumerate(images, start=1):
        paths.append(folder / f"{stem}_{number}.png")
        paths[-1].write_bytes(base64.b64decode(image))
    return paths
