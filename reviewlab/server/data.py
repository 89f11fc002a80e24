"""How does a folder become PostgreSQL's data, and ours alone?"""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from io import TextIOWrapper
from pathlib import Path

from reviewlab.errors import ServerError
from reviewlab.server.binaries import Programs, default_datadir

RUN_PREFIX = "/tmp/rlpg-"  # noqa: S108 - not $TMPDIR, because the path of a unix socket has 103 bytes at most


def beside(data: Path, suffix: str) -> Path:
    """Return the path of a file next to the folder, where PostgreSQL does not trip over it."""
    return data.with_name(data.name + suffix)


def claim(data: Path, programs: Programs) -> TextIOWrapper:
    """Take the folder, which may not exist yet, for this process; closing the returned lock gives it back.

    Raises
    ------
    ServerError
        If it is out of reach, in use, of another version of PostgreSQL, or holds something else.
    """
    _make_parents(data, programs)
    lock = beside(data, ".lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (data / "PG_VERSION").exists():
            _check_version(data, programs)
            _clear_stale_pid(data)
        elif data.exists() and any(data.iterdir()):
            raise ServerError(f"{data} holds other things than PostgreSQL's data; use an empty or a new folder")
    except BlockingIOError:
        lock.close()
        raise ServerError(
            f"the data in {data} are in use by another reviewlab process; close that, or use another folder"
        ) from None
    except BaseException:
        lock.close()
        raise
    return lock


def create(data: Path, programs: Programs, *, durable: bool) -> None:
    """Make new data beside their place, then rename: killed half-way, nothing looks complete."""
    new = beside(data, ".new")
    shutil.rmtree(new, ignore_errors=True)
    programs.make_private(new)
    options = ["-U", "postgres", "-E", "UTF8", "-A", "reject", "--no-locale", *([] if durable else ["--no-sync"])]
    if int(programs.major_version()) >= 17:  # lower and upper case of every language
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        options.append("--lc-ctype=UTF-8" if sys.platform == "darwin" else "--lc-ctype=C.UTF-8")
    result = programs.run("initdb", "-D", new, *options)
    if result.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise ServerError(f"PostgreSQL could not make new data in {new}:\n{result.stderr.strip()}")
    new.rename(data)


def _make_parents(data: Path, programs: Programs) -> None:
    missing = [folder for folder in data.parents if not folder.exists()]
    nearest = data.parents[len(missing)]
    if programs.account and programs.run("/bin/sh", "-c", 'test -x "$0"', nearest).returncode:
        raise ServerError(
            f"for root, PostgreSQL runs as {pwd.getpwuid(programs.account['user']).pw_name}, which may not enter "
            f"{nearest}; choose a data folder outside of it, such as {default_datadir()}"
        )
    for folder in reversed(missing):
        folder.mkdir()
        if programs.account:
            folder.chmod(0o755)  # root's umask may be 077


def _check_version(data: Path, programs: Programs) -> None:
    here, there = programs.major_version(), (data / "PG_VERSION").read_text().strip()
    if here != there:
        raise ServerError(
            f"the data in {data} are of PostgreSQL {there}, but the programs are of {here}; use a new folder, "
            f"or set REVIEWLAB_PG_BINDIR to the bin folder of PostgreSQL {there}"
        )


def _clear_stale_pid(data: Path) -> None:
    """Remove what a killed server left, end one of ours that still runs: we hold the lock, so nobody needs it."""
    pidfile = data / "postmaster.pid"
    for attempt in range(100):
        try:
            pid = int(pidfile.read_text(errors="replace").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None
        command = _command_line(pid)
        if str(data) not in command:  # it is gone, or a zombie, or the number is another program's by now
            return pidfile.unlink(missing_ok=True)
        if RUN_PREFIX not in command:
            raise ServerError(f"another PostgreSQL, process {pid}, runs on the data in {data}; stop that first")
        if attempt == 0:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    raise ServerError(f"a server of an earlier session, process {pid}, does not end; end it: kill -QUIT {pid}")


def _command_line(pid: int) -> str:
    if not Path("/proc/self").exists():
        asked = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)
        return os.fsdecode(asked.stdout)
    with contextlib.suppress(OSError):
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
    return ""
