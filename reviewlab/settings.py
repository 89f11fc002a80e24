"""Where is the database, and what is allowed?  From arguments, the environment, `.env` and a service file."""

import ipaddress
import os
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from reviewlab import dsn as dsn_syntax
from reviewlab.errors import ConfigError

SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DEFAULT_PORT = 5432


def _variable(name: str, *variables: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(f"REVIEWLAB_{name.upper()}", *variables))


def _split(scale: Any) -> Any:
    return scale.split(",") if isinstance(scale, str) else scale


def _in_order(scale: tuple[int, int] | None) -> tuple[int, int] | None:
    if scale is not None and scale[0] >= scale[1]:
        raise ValueError("a scale is the lowest and the highest rating, such as 1,5")
    return scale


def _schema_name(name: str | None) -> str | None:
    if name is None:
        return None
    if "\0" in name or not 0 < len(name.encode(errors="replace")) <= 63 or name == "$user" or name[:3] == "pg_":
        raise ValueError("the name of a schema has 1 to 63 bytes, is not $user, and does not begin with pg_")
    return name


class Settings(BaseSettings):
    """How reviewlab connects, and its limits; frozen, and no repr shows a secret.

    Each field is an argument of `reviewlab.connect`, an environment variable ``REVIEWLAB_<FIELD>`` or a line of
    ``.env``; those of the connection also have PostgreSQL's own variables (``PGHOST``, ``PGPASSFILE``, …).
    A DSN wins over the single fields, these over a service file.  Times are in seconds.
    """

    model_config = SettingsConfigDict(
        env_prefix="REVIEWLAB_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    dsn: SecretStr | None = _variable("dsn", "REVIEWLAB_DATABASE_URL", "DATABASE_URL")
    host: str | None = _variable("host", "PGHOST")
    port: str | None = _variable("port", "PGPORT")
    user: str | None = _variable("user", "PGUSER")
    password: SecretStr | None = _variable("password", "PGPASSWORD")
    database: str | None = _variable("database", "PGDATABASE")
    service: str | None = _variable("service", "PGSERVICE")
    servicefile: Path | None = _variable("servicefile", "PGSERVICEFILE")
    passfile: Path | None = _variable("passfile", "PGPASSFILE")
    sslmode: str | None = _variable("sslmode", "PGSSLMODE")
    sslrootcert: str | None = _variable("sslrootcert", "PGSSLROOTCERT")
    sslcert: str | None = _variable("sslcert", "PGSSLCERT")
    sslkey: str | None = _variable("sslkey", "PGSSLKEY")
    channel_binding: str | None = _variable("channel_binding", "PGCHANNELBINDING")
    target_session_attrs: str | None = _variable("target_session_attrs", "PGTARGETSESSIONATTRS")
    options: str | None = _variable("options", "PGOPTIONS")
    application_name: str | None = _variable("application_name", "PGAPPNAME")
    pooler: bool | None = None
    """Whether a transaction pooler stands between; None recognises one."""

    db_schema: Annotated[str | None, AfterValidator(_schema_name)] = None
    """The schema that holds ``reviews``, and the only one that is searched; None leaves it to the server."""

    row_security: bool = False
    """Whether policies may hide rows from what is read and counted; False makes that an error."""

    stored_tz: str = "UTC"
    """The clock that ``submitted_at`` was written by."""

    scale: Annotated[tuple[int, int] | None, NoDecode, BeforeValidator(_split), AfterValidator(_in_order)] = None
    """Lowest and highest possible rating, ``1,5`` in the environment; None finds it in the table."""

    max_text_length: PositiveInt = 1_000_000
    """Characters; a longer text of a review is not written."""

    max_connections: PositiveInt = 5
    connect_timeout: PositiveFloat = Field(
        default=10.0,
        validation_alias=AliasChoices("REVIEWLAB_CONNECT_TIMEOUT", "PGCONNECT_TIMEOUT"),
    )
    host_timeout: PositiveFloat = 3.0
    """Time for one host of several."""

    acquire_timeout: PositiveFloat = 30.0
    statement_timeout: PositiveFloat = 60.0
    """Time for one statement of a helper; bulk reads have ``bulk_timeout``."""

    bulk_timeout: PositiveFloat = 300.0
    close_timeout: PositiveFloat = 5.0
    retries: NonNegativeInt = 2
    """How often a read is tried again after a lost connection."""

    def target(self) -> "Target":
        """Work out where to connect to and how, or raise ConfigError."""
        return _target(self)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect to: hosts to try in order, credentials, TLS; its repr shows no secret."""

    hosts: tuple[tuple[str, int], ...]
    database: str | None
    user: str | None
    password: SecretStr | None
    tls: ssl.SSLContext | str = field(repr=False)
    sslmode: str
    passfile: Path | None
    target_session_attrs: str | None
    server_settings: Mapping[str, str]
    connect_timeout: float
    transaction_pooler: bool

    @property
    def where(self) -> str:
        """The hosts as host:port, for messages."""
        return ", ".join(
            f"socket {host}" if host.startswith("/") else f"{f'[{host}]' if ':' in host else host}:{port}"
            for host, port in self.hosts
        )


def load_settings(dsn: str | None = None, **overrides: Any) -> Settings:
    """Read the settings; arguments win over the environment, that over ``.env``.

    Raises
    ------
    ConfigError
        If a setting is unknown or has an impossible value; the value is not shown.
    """
    unknown = sorted(set(overrides) - set(Settings.model_fields))
    if unknown:
        raise ConfigError(f"no setting {unknown[0]!r}; there are {', '.join(sorted(Settings.model_fields))}")
    if dsn is not None:
        overrides["dsn"] = SecretStr(dsn)
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigError(f"the setting {'.'.join(map(str, first['loc']))} cannot be used: {first['msg']}") from None


def _target(settings: Settings) -> Target:
    parts = _parts(settings)
    hosts = _host_list(parts)
    sslmode, context = _tls(parts, hosts)
    password = parts.get("password")
    return Target(
        hosts=hosts,
        database=parts.get("database"),
        user=parts.get("user"),
        password=None if password is None else SecretStr(password),
        tls=context,
        sslmode=sslmode,
        passfile=Path(parts["passfile"]) if "passfile" in parts else None,
        target_session_attrs=parts.get("target_session_attrs"),
        server_settings={name: parts[name] for name in ("application_name", "options") if name in parts},
        connect_timeout=_seconds(parts, settings.connect_timeout),
        transaction_pooler=_is_pooler(settings, parts, hosts),
    )


def _parts(settings: Settings) -> dict[str, str]:
    """libpq's keywords and their values: the DSN's before single settings, these before a service's."""
    parts = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name in dsn_syntax.HONOURED & set(Settings.model_fields) - {"connect_timeout"}
        if (value := getattr(settings, name)) is not None
    }
    if settings.dsn is not None:
        parts |= dsn_syntax.parse(settings.dsn.get_secret_value())
    if "service" in parts:
        file = settings.servicefile or Path("~/.pg_service.conf").expanduser()
        parts = dsn_syntax.read_service(parts["service"], file) | parts
    if not {"host", "database", "service", "user"} & parts.keys() and settings.dsn is None:
        raise ConfigError(
            "no database is configured: set DATABASE_URL, pass a DSN to connect(), or try `await reviewlab.demo()`"
        )
    promised = {name: os.environ.get(variable) for variable, name in dsn_syntax.REFUSED_VARIABLES.items()}
    dsn_syntax.check({name: value for name, value in promised.items() if value})
    return {"application_name": "reviewlab"} | parts


def _host_list(parts: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    hosts = parts.get("host", "localhost").split(",")
    ports = parts.get("port", str(DEFAULT_PORT)).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts) or not all(port.isdigit() or not port for port in ports):
        raise ConfigError(f"{len(hosts)} hosts need one port each or one for all; {len(ports)} were given")
    return tuple((host or "localhost", int(port or DEFAULT_PORT)) for host, port in zip(hosts, ports, strict=True))


def _is_local(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(parts: Mapping[str, str], hosts: tuple[tuple[str, int], ...]) -> tuple[str, ssl.SSLContext | str]:
    local = all(_is_local(host) for host, _ in hosts)
    proof = [name for name in ("sslrootcert", "sslcert", "sslkey") if name in parts]
    sslmode = parts.get("sslmode", "prefer" if local and not proof else "verify-full")
    sslmode = {"true": "verify-full", "false": "disable"}.get(sslmode, sslmode)
    if sslmode not in SSLMODES:
        raise ConfigError(f"sslmode {sslmode!r} is not one of {', '.join(SSLMODES)}")
    if sslmode in ("allow", "prefer") and not local:
        raise ConfigError(
            f"sslmode={sslmode} may fall back to an open connection and show the password to the network; "
            "use sslmode=verify-full, or require for encryption without proof of who answers"
        )
    if parts.get("channel_binding") == "require" and sslmode != "verify-full":
        raise ConfigError("channel_binding=require can only be kept with sslmode=verify-full: set that, or remove it")
    if sslmode in ("disable", "allow", "prefer"):
        if proof:
            raise ConfigError(
                f"{proof[0]} is of no use with sslmode={sslmode}: take it out, or use sslmode=verify-full"
            )
        if not local:
            warnings.warn("sslmode=disable: password and reviews cross the network unencrypted", stacklevel=2)
        return sslmode, sslmode
    return sslmode, _context(sslmode, parts)


def _context(sslmode: str, parts: Mapping[str, str]) -> ssl.SSLContext:
    root = parts.get("sslrootcert")
    if "sslkey" in parts and "sslcert" not in parts:
        raise ConfigError("sslkey is of no use without sslcert: set both, or neither")
    try:
        context = ssl.create_default_context(cafile=None if root in (None, "system") else Path(root).expanduser())
        if "sslcert" in parts:
            context.load_cert_chain(parts["sslcert"], parts.get("sslkey"))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"the files of sslrootcert, sslcert or sslkey cannot be read: {error.strerror or type(error).__name__}"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if sslmode != "verify-full":
        context.check_hostname = False
    if sslmode == "require" and root is None:
        context.verify_mode = ssl.CERT_NONE
        warnings.warn(
            "sslmode=require without sslrootcert encrypts, but does not prove who answers; use verify-full",
            stacklevel=2,
        )
    return context


def _seconds(parts: Mapping[str, str], default: float) -> float:
    value = parts.get("connect_timeout")
    if value is None:
        return default
    if not value.isdigit():
        raise ConfigError("connect_timeout in a DSN is a whole number of seconds")
    return float(value) or default


def _is_pooler(settings: Settings, parts: Mapping[str, str], hosts: tuple[tuple[str, int], ...]) -> bool:
    if settings.pooler is not None:
        return settings.pooler
    return parts.get("pgbouncer", "").lower() in ("true", "1") or any(
        port == 6543 or "-pooler." in host for host, port in hosts
    )
