"""How much memory is there for a result?"""

from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """Memory that is free now: the smaller of the machine's and the control group's."""
    free = [psutil.virtual_memory().available]
    for limit, used in (
        (CGROUP / "memory.max", CGROUP / "memory.current"),
        (CGROUP / "memory/memory.limit_in_bytes", CGROUP / "memory/memory.usage_in_bytes"),
    ):
        try:
            free.append(int(limit.read_text()) - int(used.read_text()))
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
    return max(min(free), 0)


def allowed_bytes(max_bytes: int | None) -> int:
    """The limit of a result: what the caller says, else half of the free memory."""
    return free_bytes() // 2 if max_bytes is None else max_bytes
