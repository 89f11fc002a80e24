"""Where the database is, and what a connection string may say."""

import ssl

import pytest

from reviewlab.errors import ConfigError
from reviewlab.settings import load_settings

SECRET = "s3cr3t-canary"


def test_nothing_configured_says_what_to_do():
    """
    It is the first thing that a new user sees.
    """
    with pytest.raises(ConfigError, match=r"set DATABASE_URL, .* or try `await reviewlab\.demo\(\)`"):
        load_settings().target()


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u@localhost/d", (("localhost", 5432),)),
        ("postgres://u@127.0.0.1:6000/d", (("127.0.0.1", 6000),)),
        ("postgresql+asyncpg://u@[::1]:6000/d", (("::1", 6000),)),
        ("postgresql://u@localhost:1,127.0.0.1:2/d", (("localhost", 1), ("127.0.0.1", 2))),
        ("postgresql://u@/d?host=%2Ftmp%2Fs&port=7", (("/tmp/s", 7),)),
        ("postgresql://u@%2Ftmp%2Fs/d", (("/tmp/s", 5432),)),
    ],
)
def test_a_dsn_says_where(dsn, hosts):
    """
    People paste what their provider shows them.
    """
    target = load_settings(dsn).target()

    assert (target.hosts, target.user, target.database) == (hosts, "u", "d")


def test_percent_encoded_passwords_are_decoded_and_shown_nowhere():
    """
    A repr ends in a saved notebook.
    """
    settings = load_settings("postgresql://u:s3cr3t%2Dcanary%2F%40@localhost/d")

    target = settings.target()

    assert target.password.get_secret_value() == f"{SECRET}/@"
    assert "s3cr3t" not in repr(settings) + repr(target) + str(settings) + str(target)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}/x@localhost/d",
        f"postgresql://u:{SECRET}?x@localhost/d",
        f"postgresql://u:{SECRET}#x@localhost/d",
        f"mysql://u:{SECRET}@localhost/d",
        f"postgresql://u:{SECRET}@localhost:port/d",
        f"postgresql://u:{SECRET}@localhost/d?nonsense=1",
    ],
)
def test_a_malformed_dsn_is_refused_without_its_password(dsn):
    """
    Unescaped passwords are the usual fault, so the message must not repeat them.
    """
    with pytest.raises(ConfigError) as raised:
        load_settings(dsn).target()

    assert SECRET not in str(raised.value)


def test_tls_is_verified_unless_the_server_is_here():
    """
    Anything less shows the password to whoever sits on the path.
    """
    far = load_settings("postgresql://u@db.example.com/d").target()
    near = load_settings("postgresql://u@localhost/d").target()

    assert (far.sslmode, far.tls.verify_mode, far.tls.check_hostname) == ("verify-full", ssl.CERT_REQUIRED, True)
    assert near.sslmode == "prefer"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sslmode=prefer", "may fall back to an open connection"),
        ("sslmode=nonsense", "is not one of"),
        ("sslmode=require&channel_binding=require", "only be kept with sslmode=verify-full"),
        ("require_auth=scram-sha-256", "cannot be honoured"),
        ("gssencmode=require", "use TLS"),
        ("keepalives=1", "sets TCP keepalive itself"),
        ("connect_timeout=soon", "whole number"),
        ("sslkey=/some/key", "of no use without sslcert"),
        ("sslmode=disable&sslrootcert=system", "of no use with sslmode=disable"),
        ("sslrootcert=/does/not/exist", "cannot be read"),
    ],
)
def test_what_cannot_be_honoured_is_refused_in_a_sentence(options, message):
    """
    An option that is silently ignored is a promise that is silently broken.
    """
    with pytest.raises(ConfigError, match=message):
        load_settings(f"postgresql://u@db.example.com/d?{options}").target()


def test_encryption_without_proof_says_so():
    """
    It is allowed, but nobody should take it for more than it is.
    """
    with pytest.warns(UserWarning, match="does not prove who answers"):
        target = load_settings("postgresql://u@db.example.com/d?sslmode=require").target()

    assert target.tls.verify_mode == ssl.CERT_NONE


def test_the_environment_the_file_and_a_service_fill_in(monkeypatch, tmp_path):
    """
    PostgreSQL's own variables work as they do for psql.
    """
    (tmp_path / ".env").write_text("REVIEWLAB_STORED_TZ=Europe/Berlin\n")
    (tmp_path / "services").write_text("[reviews]\nhost=localhost\nport=6000\ndbname=d\n")
    monkeypatch.setenv("PGSERVICE", "reviews")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGUSER", "ana")

    settings = load_settings()

    target = settings.target()
    assert (target.hosts, target.database, target.user) == ((("localhost", 6000),), "d", "ana")
    assert settings.stored_tz == "Europe/Berlin"


def test_database_url_wins_over_single_variables(monkeypatch):
    """
    One rule, so that nobody has to guess.
    """
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@localhost:1/d")
    monkeypatch.setenv("PGPORT", "2")

    assert load_settings().target().hosts == (("localhost", 1),)


def test_the_scale_may_come_from_the_environment(monkeypatch):
    """
    A scale of 1 to 7 is no usual one, and would have to be passed with each call.
    """
    monkeypatch.setenv("REVIEWLAB_SCALE", "1, 7")

    assert load_settings().scale == (1, 7)


@pytest.mark.parametrize("scale", [(5, 1), (3, 3), "1", "1,x", (1, 2, 3)])
def test_a_scale_that_is_none_is_refused(scale):
    """
    Counts on a scale from 5 to 1 would be empty.
    """
    with pytest.raises(ConfigError, match="the setting scale"):
        load_settings(scale=scale)


def test_an_unknown_setting_lists_the_known_ones():
    """
    A misspelled limit would otherwise not limit anything.
    """
    with pytest.raises(ConfigError, match="no setting 'statement_timout'; there are .*statement_timeout"):
        load_settings("postgresql://u@localhost/d", statement_timout=5)


def test_an_impossible_value_is_named_and_not_shown():
    """
    The value may be a password in the wrong place.
    """
    with pytest.raises(ConfigError, match="max_connections cannot be used") as raised:
        load_settings("postgresql://u@localhost/d", max_connections=SECRET)

    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("dsn", "pooled"),
    [
        ("postgresql://u@localhost:6543/d", True),
        ("postgresql://u@ep-x-pooler.eu.neon.tech/d", True),
        ("postgresql://u@localhost/d?pgbouncer=true", True),
        ("postgresql://u@localhost/d", False),
    ],
)
def test_a_transaction_pooler_is_recognised(dsn, pooled):
    """
    Prepared statements break behind one.
    """
    assert load_settings(dsn).target().transaction_pooler is pooled


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        (
            "postgresql://postgres.abcdefghijklm:p%40ss@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
            ("aws-0-eu-central-1.pooler.supabase.com", 6543, "postgres.abcdefghijklm", "p@ss", "verify-full", True),
        ),
        (
            "postgresql://neondb_owner:npg_x@ep-a-1-pooler.eu.neon.tech/d?sslmode=verify-full&channel_binding=require",
            ("ep-a-1-pooler.eu.neon.tech", 5432, "neondb_owner", "npg_x", "verify-full", True),
        ),
        (
            "postgres://master:p@db.c1.eu-west-1.rds.amazonaws.com:5432/reviews?sslmode=verify-full",
            ("db.c1.eu-west-1.rds.amazonaws.com", 5432, "master", "p", "verify-full", False),
        ),
        (
            "host=x.postgres.database.azure.com port=5432 dbname=d user=ana@x password='it''s' sslmode=verify-full",
            None,
        ),
        (
            r"host=x.postgres.database.azure.com port=5432 dbname=d user=ana@x password='it\'s \\' sslmode=verify-full",
            ("x.postgres.database.azure.com", 5432, "ana@x", "it's \\", "verify-full", False),
        ),
    ],
)
def test_the_urls_of_providers_work_as_pasted(dsn, expected):
    """
    People copy what the provider's page shows.
    """
    if expected is None:
        with pytest.raises(ConfigError, match="quote values with spaces"):
            load_settings(dsn).target()
        return

    target = load_settings(dsn).target()

    (host, port) = target.hosts[0]
    found = (host, port, target.user, target.password.get_secret_value(), target.sslmode, target.transaction_pooler)
    assert found == expected


def test_neons_url_names_the_edit_that_it_needs():
    """
    Their page shows sslmode=require beside channel_binding=require, which asyncpg would silently not do.
    """
    dsn = "postgresql://u:p@ep-a-1.eu-central-1.aws.neon.tech/d?sslmode=require&channel_binding=require"

    with pytest.raises(ConfigError, match="only be kept with sslmode=verify-full: set that, or remove it"):
        load_settings(dsn).target()


@pytest.mark.parametrize("variable", ["PGREQUIREAUTH", "PGSSLCRL"])
def test_a_variable_that_promises_safety_is_not_overlooked(monkeypatch, variable):
    """
    psql would keep the promise, and so people rely on it.
    """
    monkeypatch.setenv(variable, "scram-sha-256")

    with pytest.raises(ConfigError, match="cannot be honoured"):
        load_settings("postgresql://u@localhost/d").target()


def test_a_root_certificate_is_used_on_loopback_too():
    """
    Through an ssh tunnel the server is "localhost", and its certificate still the proof.
    """
    assert load_settings("postgresql://u@localhost/d?sslrootcert=system").target().sslmode == "verify-full"


def test_common_variables_of_the_environment_are_not_ours(monkeypatch):
    """
    Every login has USER, many have HOST and PORT.
    """
    for name in ("USER", "HOST", "PORT", "PASSWORD", "DATABASE", "SERVICE", "OPTIONS", "DSN", "POOLER", "SCALE"):
        monkeypatch.setenv(name, "canary")

    settings = load_settings("postgresql://localhost/d")

    assert "canary" not in repr(settings.model_dump())
