"""What does a PostgreSQL connection string say?  Parsed into libpq's keywords, never templated."""

import configparser
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from reviewlab.errors import ConfigError

SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg", "postgresql+psycopg2")
HONOURED = frozenset(
    "host port user password database sslmode sslrootcert sslcert sslkey channel_binding connect_timeout options "  # noqa: SIM905
    "target_session_attrs application_name service passfile pgbouncer gssencmode".split()
)
REFUSED = {
    "require_auth": "reviewlab cannot require a method of authentication; remove it and use sslmode=verify-full",
    "sslcrl": "revocation lists are not read; remove it",
    "sslpassword": "encrypted client keys are not read; decrypt the key file and remove it",
    "sslnegotiation": "TLS is negotiated the classic way; remove it",
}
REFUSED_VARIABLES = {"PGREQUIREAUTH": "require_auth", "PGSSLCRL": "sslcrl", "PGGSSENCMODE": "gssencmode"}
"""Variables of the environment that would be a broken promise if they were overlooked."""

_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)")
KEEPALIVES = frozenset(("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"))


def parse(dsn: str) -> dict[str, str]:
    """Split a ``postgresql://`` URL, or ``keyword=value`` pairs, into libpq keywords and their values.

    ``host`` and ``port`` keep libpq's comma-separated lists.  SQLAlchemy's ``postgresql+asyncpg://`` is understood too.

    Raises
    ------
    ConfigError
        If the URL is malformed, or has an option that cannot be honoured.  The message shows no part of a
        password.
    """
    if _PAIR.match(dsn) and "://" not in dsn.partition("=")[0]:
        return _parse_pairs(dsn)
    scheme, separator, rest = dsn.strip().partition("://")
    if not separator or scheme not in SCHEMES:
        raise ConfigError("a DSN looks like postgresql://user@host:5432/database; this one does not")
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    user_info, at, host_list = authority.rpartition("@")
    if "@" in path or "@" in query.split("&")[0].partition("=")[0] or "#" in rest:
        raise ConfigError(
            "the DSN cannot be split into its parts; percent-encode / ? # @ and : in the user and the password "
            "(%2F %3F %23 %40 %3A)"
        )
    parts = dict(_hosts(host_list))
    if at:
        user, _, password = user_info.partition(":")
        parts |= {"user": unquote(user), "password": unquote(password)}
    parts["database"] = unquote(path)
    parts |= check(dict(parse_qsl(query, keep_blank_values=True)))
    return {keyword: value for keyword, value in parts.items() if value}


def check(options: dict[str, str]) -> dict[str, str]:
    """Return *options* under the names used here, or refuse one that cannot be honoured."""
    checked: dict[str, str] = {}
    for keyword, value in options.items():
        name = {"dbname": "database", "ssl": "sslmode", "fallback_application_name": "application_name"}.get(
            keyword, keyword
        )
        if name in REFUSED:
            raise ConfigError(f"the DSN's {keyword} cannot be honoured: {REFUSED[name]}")
        if name in KEEPALIVES:
            raise ConfigError(f"reviewlab sets TCP keepalive itself; remove {keyword} from the DSN")
        if name not in HONOURED:
            raise ConfigError(f"the DSN's option {keyword!r} is not known; known are {', '.join(sorted(HONOURED))}")
        if name == "gssencmode" and value == "require":
            raise ConfigError("gssencmode=require cannot be honoured; use TLS: sslmode=verify-full")
        checked[name] = value
    return checked


def read_service(name: str, file: Path) -> dict[str, str]:
    """Read the section *name* of a libpq service file as libpq keywords."""
    sections = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        found = sections.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"the service file {file} cannot be read: {type(error).__name__}") from None
    if not found:
        raise ConfigError(f"the service {name!r} is asked for, and there is no service file {file}")
    if name not in sections:
        raise ConfigError(f"no service {name!r} in {file}; it has {', '.join(sections.sections()) or 'none'}")
    return check(dict(sections[name]))


def _parse_pairs(dsn: str) -> dict[str, str]:
    pairs, at = {}, 0
    while dsn[at:].strip():
        pair = _PAIR.match(dsn, at)
        if pair is None:
            raise ConfigError("the DSN is not keyword=value all through; quote values with spaces: password='…'")
        pairs[pair[1]] = re.sub(r"\\(.)", r"\1", pair[2].removeprefix("'").removesuffix("'"))
        at = pair.end()
    return {keyword: value for keyword, value in check(pairs).items() if value}


def _hosts(host_list: str) -> dict[str, str]:
    hosts, ports = [], []
    for item in host_list.split(",") if host_list else ():
        if item.startswith("["):
            host, bracket, tail = item[1:].partition("]")
            if not bracket or (tail and not tail.startswith(":")):
                raise ConfigError("an IPv6 host in a DSN stands in brackets, such as [::1]:5432")
            port = tail[1:]
        else:
            host, _, port = item.partition(":")
        if port and not (port.isdigit() and 0 < int(port) < 65536):
            raise ConfigError(
                "a port in the DSN is not a number from 1 to 65535; percent-encode : @ and / in the password"
            )
        hosts.append(unquote(host))
        ports.append(port)
    return {"host": ",".join(hosts), "port": ",".join(ports) if any(ports) else ""}
