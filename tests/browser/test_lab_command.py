"""``reviewlab lab`` begins with copies and ends without a trace; no browser is needed for that."""

import signal

import httpx
import psutil
from lab_process import started_lab


def test_told_to_end_it_takes_jupyterlab_kernels_and_server_along(home, environment):
    """
    Each evening's forgotten kernel or server would be there in the morning, holding memory and a port.
    """
    place = home / "ended"
    place.mkdir(mode=0o711)
    with started_lab(place, environment) as lab:
        headers = {"Authorization": f"token {lab.token}"}
        assert httpx.post(f"{lab.url}/api/kernels", headers=headers, timeout=60).is_success
        family = psutil.Process(lab.process.pid).children(recursive=True)
        names = " ".join(word for process in family for word in process.cmdline())
        assert all(name in names for name in ("jupyterlab", "ipykernel", "postgres"))

        lab.process.send_signal(signal.SIGTERM)

        assert lab.process.wait(60) == 0
        _, alive = psutil.wait_procs(family, timeout=30)
        assert alive == []
