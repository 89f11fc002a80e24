"""How is JupyterLab started and ended?  By the command that a person types, and by the signal that ends it."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

QUIET = {"fetchNews": "false", "checkForUpdates": False}
"""Settings without which JupyterLab asks about news of itself, and the network for updates."""


@dataclass(frozen=True)
class JupyterLab:
    """A running one."""

    url: str
    token: str
    folder: Path
    dsn: str
    process: subprocess.Popen[bytes]


@contextmanager
def started_lab(home: Path, environment: dict[str, str]) -> Iterator[JupyterLab]:
    """Start ``reviewlab lab`` with its data and copies of the notebooks below *home*; end it as ``kill`` does."""
    settings = Path(environment["HOME"], ".jupyter", "lab", "user-settings", "@jupyterlab", "apputils-extension")
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(QUIET))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "reviewlab.cli", "lab", "--no-browser", f"--port={port}"]
    command += [f"--folder={home / 'notebooks'}", f"--data={home / 'pg'}"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, process, home / "log")
        children = psutil.Process(process.pid).children()
        dsn = next(child.environ()["DATABASE_URL"] for child in children if "jupyterlab" in child.cmdline())
        yield JupyterLab(url, environment["JUPYTER_TOKEN"], home / "notebooks", dsn, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < 90:
        try:
            if httpx.get(f"{url}/login", timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
