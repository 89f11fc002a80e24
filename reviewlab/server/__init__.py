"""How do I get a PostgreSQL when there is none? A private one, which ends with the process that started it.

It listens on a unix socket in a folder of its own and believes the kernel about who is calling (peer), so there is no
password that could leak.
"""

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from reviewlab.errors import ServerError
from reviewlab.server.binaries import apart, default_datadir, find_binaries, find_programs
from reviewlab.server.data import RUN_PREFIX, beside, claim, create

__all__ = ["Server", "default_datadir", "find_binaries"]

START_TIMEOUT = 60.0  # seconds; recovery after a crash is part of it
STOP_TIMEOUT = 20.0  # seconds for each of: a fast shutdown, an immediate one
ATTEMPTS = 20
# What passes by itself: children of a killed server that are still ending; a port that somebody else took first.
TRANSIENT = ("is still in use", "could not create any TCP/IP sockets")
# Queries of a kernel that is gone are cancelled, and no text of a review gets into the log.
DEFAULTS = {
    "client_connection_check_interval": "2s",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

# Its standard input is a pipe from this process: however we die, the pipe closes. Then it stops the server, if the
# process is the one that serves from our folder; for a second it looks again, for one that had only just been started.
_WATCHDOG = r"""
read -r word; [ "$word" = stopped ] && exit
tries=0
while [ $tries -lt 150 ]; do
    pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null)
    case $({ tr '\0' ' ' <"/proc/$pid/cmdline" || ps -ww -o command= -p "$pid"; } 2>/dev/null) in
        *"$2"*) if [ $tries -lt 100 ]; then kill -INT "$pid"; else kill -QUIT "$pid"; fi ;;
        *) [ $tries -ge 10 ] && break ;;
    esac
    tries=$((tries + 1)); sleep 0.1
done
rm -rf -- "$2"
"""


class Server:
    """A private PostgreSQL, started on entering, stopped on leaving and at the latest when this process ends.

    Parameters
    ----------
    datadir : path, optional
        Where the data stay; made if it is missing. Without it they are removed with the server.
    tcp : bool
        Also listen on 127.0.0.1, on a free port; `dsn` then names that, with a random password new at every start.
    durable : bool, optional
        Whether commits survive a crash of the machine. Default: only with *datadir*.
    settings : mapping of str to str, optional
        Further settings of PostgreSQL. Where it listens and who may log in is not up to them.
    """

    def __init__(
        self,
        datadir: str | os.PathLike[str] | None = None,
        *,
        tcp: bool = False,
        durable: bool | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._chosen = None if datadir is None else Path(datadir).expanduser().resolve()
        self._tcp = tcp
        self._durable = datadir is not None if durable is None else durable
        self._settings = DEFAULTS | ({} if self._durable else NOT_DURABLE) | dict(settings or {})
        self._guard = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._held = contextlib.ExitStack()
        self._started_by = 0  # the process that may stop it: a forked child runs our exit handler too

    @property
    def dsn(self) -> str:
        """Where to connect to the database ``postgres``; ServerError if the server is not running."""
        return self.dsn_for("postgres")

    def dsn_for(self, database: str) -> str:
        """Return where to connect to *database*; ServerError if the server is not running."""
        if not self._running():
            raise ServerError("the embedded server is not running; start it with start() or a with statement")
        name = quote(database, safe="")
        if self._tcp:
            return f"postgresql://postgres:{self._password}@127.0.0.1:{self._port}/{name}"
        return f"postgresql://postgres@/{name}?host={quote(str(self._run / 's'), safe='')}&port={self._port}"

    def start(self) -> Self:
        """Start the server and wait until it answers, about 1 s for new data; a running one is left alone.

        Raises
        ------
        ServerError
            No binaries; data in use, of another version or out of reach; a server that refuses to start.
        """
        with self._guard:
            if self._running():
                return self
            self.stop()
            self._started_by = os.getpid()
            atexit.register(self.stop)
            try:
                self._prepare()
                self._launch_patiently()
            except BaseException as error:
                self.stop()
                if isinstance(error, OSError):
                    raise ServerError(f"the embedded server could not be started: {error}") from error
                raise
            return self

    def stop(self) -> None:
        """Stop the server, and remove its data if they are temporary; stopping twice is harmless."""
        with self._guard:
            if self._started_by != os.getpid():
                return
            atexit.unregister(self.stop)
            process, self._process = self._process, None
            if process is not None:
                _end(process)
            self._held.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self._running() else "stopped"
        return f"<Server {state}, data in {self._chosen or 'a temporary folder'}>"

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _prepare(self) -> None:
        """Whatever is taken here is given back by stop(), last first."""
        self._run = Path(tempfile.mkdtemp(prefix=Path(RUN_PREFIX).name, dir=Path(RUN_PREFIX).parent))
        self._held.callback(shutil.rmtree, self._run, ignore_errors=True)
        self._data = self._chosen or self._run / "data"
        watch: list[str | Path] = ["/bin/sh", "-c", _WATCHDOG, "reviewlab-watchdog", self._data, self._run]
        watchdog = subprocess.Popen(watch, stdin=subprocess.PIPE, **apart())
        self._held.callback(lambda: watchdog.communicate(b"stopped\n"))
        self._run.chmod(0o711)
        self._programs = find_programs(copy_to=self._run / "pg")
        self._write_access_rules()
        self._held.enter_context(claim(self._data, self._programs))
        if not (self._data / "PG_VERSION").exists():
            create(self._data, self._programs, durable=self._durable)

    def _write_access_rules(self) -> None:
        """They belong to this run, not to the data: another user may open the folder tomorrow."""
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise ServerError(
                f"the user id {os.geteuid()} has no name on this machine, and PostgreSQL needs one; "
                "add it to /etc/passwd, or set DATABASE_URL to a server elsewhere"
            ) from None
        (self._run / "hba").write_text("local all all peer map=me\nhost all all 127.0.0.1/32 scram-sha-256\n")
        (self._run / "ident").write_text(f'me "{user}" postgres\n')
        for name in ("hba", "ident"):
            (self._run / name).chmod(0o644)
        self._programs.make_private(self._run / "s")

    def _launch_patiently(self) -> None:
        for remaining in reversed(range(ATTEMPTS)):
            try:
                return self._launch()
            except ServerError as error:
                if not remaining or not any(words in str(error) for words in TRANSIENT):
                    raise
            time.sleep(0.2)
        return None

    def _launch(self) -> None:
        self._port = _free_port() if self._tcp else 5432
        access = {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(self._port),
            "unix_socket_directories": str(self._run / "s"),
            "unix_socket_permissions": "0700",
            "hba_file": str(self._run / "hba"),
            "ident_file": str(self._run / "ident"),
        }
        settings = (self._settings | access).items()
        options = ["-D", str(self._data), *(part for item in settings for part in ("-c", "=".join(item)))]
        if self._tcp:
            self._set_password(options)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(beside(self._data, ".log"), flags, 0o600), "wb") as log:
            self._process = self._programs.spawn("postgres", *options, log=log)
        self._wait_until_ready(self._process)

    def _set_password(self, options: list[str]) -> None:
        """In single-user mode, which needs no login, no client and no file with the password in it."""
        self._password = secrets.token_urlsafe(24)
        text = f"alter role postgres password '{self._password}'\n"
        result = self._programs.run("postgres", "--single", *options, "postgres", text=text)
        if result.returncode:
            raise ServerError(f"the embedded server's password could not be set:\n{result.stderr.strip()}")

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = (self._data / "postmaster.pid").read_text(errors="replace").splitlines()
                if lines[:1] == [str(process.pid)] and lines[7:] and lines[7].strip() == "ready":
                    return
            time.sleep(0.01)
        what = f"was not ready after {START_TIMEOUT:.0f} s" if process.poll() is None else "stopped at once"
        tail = "\n".join(beside(self._data, ".log").read_text(errors="replace").splitlines()[-10:])
        raise ServerError(f"the embedded server {what}; the end of its log:\n{tail}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast; immediate, to recover at the next start; hard
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
