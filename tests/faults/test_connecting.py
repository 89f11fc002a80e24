"""Servers that do not answer, are none, or want to be taken for another; and TLS that proves who answers."""

import asyncio
import datetime as dt
import os
import pwd
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil
import pytest
import trustme
from conftest import FULL, database_of, socket_of
from fake_servers import CLEARTEXT, MD5, SCRAM, TWO_GIGABYTES, asks, encrypts, fake, says, silent
from proxy import Proxy
from sqlalchemy import text

from reviewlab import ConfigError, ConnectError, ReadOnlyError, ReviewLabError, connect
from reviewlab.contrib.sqlalchemy import engine
from reviewlab.database import READ_WRITE, Database
from reviewlab.server import Server
from reviewlab.settings import load_settings

SECRET = "canary-password"
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"^127\.0\.0\.1:1: nothing listens there"),
        ("nohost.invalid", r"^nohost\.invalid:5432: the host's name is not known"),
        ("%2Fnowhere", r"^socket /nowhere: nothing listens there"),
    ],
)
async def test_a_server_that_is_not_there_is_named_at_once(quick, address, message):
    """
    The name is misspelled or the server is down, and waiting helps neither.
    """
    began = time.monotonic()

    with pytest.raises(ConnectError, match=message):
        await connect(f"postgresql://u:{SECRET}@{address}/d", **quick)

    print(f"figure: {address} was given up after {time.monotonic() - began:.2f} s")


async def test_a_server_that_never_answers_is_given_up_in_time(quick):
    """
    A firewall swallows the packets and says nothing.
    """
    async with fake(silent) as server:
        began = time.monotonic()

        with pytest.raises(ConnectError, match=r"timed out: no complete answer within 0\.5 s"):
            await connect(f"postgresql://u@127.0.0.1:{server.port}/d", **(quick | {"connect_timeout": 0.5}))

        print(f"figure: a silent server was given up after {time.monotonic() - began:.2f} s, limit 0.5 s")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0" * 64,
        b"\xff" * 64,
        TWO_GIGABYTES,
        b"N" * 9,
    ],
    ids=["http", "ssh", "zeros", "ones", "two gigabytes", "no tls"],
)
async def test_something_else_than_postgresql_is_said_to_be_that(quick, answer):
    """
    A wrong port is the usual cause, and the driver then fails in five different ways.
    """
    before = psutil.Process().memory_info().rss
    async with fake(says(answer)) as server:
        with pytest.raises(ConnectError, match=r"is not a PostgreSQL server|timed out|cannot be reached"):
            await connect(f"postgresql://u:{SECRET}@127.0.0.1:{server.port}/d", **(quick | {"connect_timeout": 0.5}))

    assert psutil.Process().memory_info().rss - before < 20e6


@pytest.mark.parametrize("authentication", [CLEARTEXT, MD5, SCRAM], ids=["cleartext", "md5", "scram"])
async def test_no_password_goes_to_a_server_without_tls(quick, authentication):
    """
    Whoever sits on the path answers "no TLS" and then asks for the password in clear.
    """
    async with fake(asks(authentication)) as server:
        with pytest.raises(ConnectError, match=r"offers no TLS, .* sslmode=verify-full asks for TLS; no password was"):
            await connect(f"postgresql://u:{SECRET}@127.0.0.1:{server.port}/d?sslmode=verify-full", **quick)

        assert SECRET.encode() not in server.data
        assert len(server.data) == 8


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def files_of(certificate: trustme.LeafCert, folder: Path) -> tuple[Path, Path]:
    chain, key = folder / "server.crt", folder / "server.key"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    key.write_bytes(certificate.private_key_pem.bytes())
    return chain, key


@pytest.fixture
def root(authority, tmp_path) -> Path:
    path = tmp_path / "root.crt"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("wrong host", r"TLS failed under sslmode=verify-full: .*not valid for 'localhost'; connect by a name that"),
        (
            "unknown authority",
            r"TLS failed under sslmode=verify-full: .*local issuer.*; set sslrootcert",
        ),
        ("expired", r"TLS failed under sslmode=verify-full: certificate has expired"),
        ("cut", r"is not a PostgreSQL server, or it broke off|TLS failed|timed out"),
    ],
)
async def test_a_certificate_that_proves_nothing_ends_the_connection(authority, root, tmp_path, quick, case, message):
    """
    The password is sent only to whom the certificate names.
    """
    issuer = trustme.CA() if case == "unknown authority" else authority
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    certificate = issuer.issue_cert(
        "elsewhere.example" if case == "wrong host" else "localhost", not_after=past if case == "expired" else None
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files_of(certificate, tmp_path))

    async with fake(says(b"S") if case == "cut" else encrypts(context)) as server:
        dsn = f"postgresql://u:{SECRET}@localhost:{server.port}/d?sslmode=verify-full&sslrootcert={quote(str(root))}"
        with pytest.raises(ConnectError, match=message):
            await connect(dsn, **quick)

    assert SECRET.encode() not in server.data


@pytest.fixture(scope="module")
def tls_server(authority):
    """A real server with a certificate; the embedded one is built without TLS."""
    if not DEBIAN:
        pytest.skip("TLS needs Debian's package postgresql, which is not installed: these promises are NOT tested")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVIEWLAB_PG_BINDIR", str(DEBIAN[-1].parent))
        folder = Path(tempfile.mkdtemp(dir="/tmp"))
        folder.chmod(0o755)
        chain, key = files_of(authority.issue_cert("localhost"), folder)
        authority.cert_pem.write_to_path(folder / "clients.crt")
        own_key(key)
        settings = {"ssl": "on", "ssl_cert_file": chain, "ssl_key_file": key, "ssl_ca_file": folder / "clients.crt"}
        with Server(tcp=True, durable=False, settings={name: str(value) for name, value in settings.items()}) as server:
            yield server
        shutil.rmtree(folder)


def own_key(key: Path) -> None:
    """PostgreSQL reads a key of its own account, or of root's and its own group."""
    key.chmod(0o600)
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")  # Debian's package makes it
        os.chown(key, account.pw_uid, account.pw_gid)


@pytest.fixture
def tls_dsn(tls_server):
    """The server by the name in its certificate."""
    return tls_server.dsn.replace("127.0.0.1", "localhost")


async def ask(dsn: str, quick: dict[str, float], statement: str) -> object:
    database = await Database.open(load_settings(dsn, **quick))
    try:
        return await database.read(lambda connection: connection.fetchval(statement), doing="asking")
    finally:
        await database.close()


IS_TLS = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"


@pytest.mark.parametrize(
    ("mode", "host"),
    [("verify-full", "localhost"), ("verify-ca", "127.0.0.1"), ("require", "127.0.0.1"), ("prefer", "localhost")],
)
async def test_each_mode_of_tls_connects_to_a_server_that_deserves_it(tls_server, root, quick, mode, host):
    """
    A refusal without reason teaches people to switch TLS off.
    """
    dsn = tls_server.dsn.replace("127.0.0.1", host)

    proof = "" if mode == "prefer" else f"&sslrootcert={quote(str(root))}"

    assert await ask(f"{dsn}?sslmode={mode}{proof}", quick, IS_TLS) is True


async def test_sqlalchemy_proves_who_answers_too(tls_dsn, root, quick):
    """
    An engine beside the lab must not be the open window.
    """
    trusting, doubting = (
        engine(load_settings(f"{tls_dsn}?sslmode=verify-full{proof}", **quick))
        for proof in (f"&sslrootcert={quote(str(root))}", "")
    )

    async with trusting.connect() as connection:
        is_tls = await connection.scalar(text(IS_TLS))
    with pytest.raises(ConnectError, match="TLS failed under sslmode=verify-full"):
        async with doubting.connect():
            pass

    await trusting.dispose()
    assert is_tls is True


async def test_a_client_certificate_is_shown_to_the_server(tls_dsn, authority, root, tmp_path, quick):
    """
    Some servers let nobody in without one.
    """
    chain, key = files_of(authority.issue_cert("ana@example.com", common_name="ana"), tmp_path)
    options = f"sslmode=verify-full&sslrootcert={quote(str(root))}&sslcert={quote(str(chain))}&sslkey={quote(str(key))}"

    name = await ask(f"{tls_dsn}?{options}", quick, "select client_dn from pg_stat_ssl where pid = pg_backend_pid()")

    assert "CN=ana" in name


async def test_channel_binding_is_kept_or_refused(tls_dsn, root, quick):
    """
    Neon's URL asks for it; silently not doing it was a hole in other drivers.
    """
    full = f"{tls_dsn}?sslmode=verify-full&sslrootcert={quote(str(root))}&channel_binding=require"

    assert await ask(full, quick, IS_TLS) is True
    with pytest.raises(ConfigError, match="only be kept with sslmode=verify-full: set that, or remove it"):
        load_settings(full.replace("verify-full", "require")).target()


async def test_encryption_without_proof_connects_and_says_so_once(tls_dsn, quick):
    """
    It is what many providers' URLs ask for.
    """
    with pytest.warns(UserWarning, match="does not prove who answers") as told:
        assert await ask(f"{tls_dsn}?sslmode=require", quick, IS_TLS) is True

    assert len(told) == 1


async def test_a_wrong_password_is_named_without_being_shown(tls_dsn, quick):
    """
    The message is saved with the notebook.
    """
    wrong = tls_dsn.split(":")
    wrong[2] = f"{SECRET}@{wrong[2].split('@')[1]}"

    with pytest.raises(ConnectError, match="refused the login .*check user and password") as raised:
        await ask(":".join(wrong), quick, "select 1")

    assert SECRET not in str(raised.value)


async def test_flipped_bits_under_tls_change_no_result(tls_server, root, quick):
    """
    Without TLS, half of the flipped bits go unseen.
    """
    host, port = tls_server.dsn.split("@")[1].split("/")[0].split(":")
    wrong = 0
    for seed in range(200 if FULL else 10):
        async with Proxy((host, int(port)), seed=seed) as proxy:
            proxy.flip = 2e-5
            dsn = tls_server.dsn.replace(f"{host}:{port}", f"localhost:{proxy.port}")
            try:
                text = await ask(
                    f"{dsn}?sslmode=verify-full&sslrootcert={quote(str(root))}", quick, "select repeat('x', 20000)"
                )
                wrong += text != "x" * 20000
            except ReviewLabError:
                pass

    assert wrong == 0


FLIPPED_READ = """
import asyncio, sys
from reviewlab import ReviewLabError, connect
async def main():
    try:
        limits = dict(statement_timeout=2, bulk_timeout=2, connect_timeout=3, close_timeout=0.5)
        async with connect(sys.argv[1], retries=0, **limits) as lab:
            await lab.reviews()
    except ReviewLabError:
        print("one of ours")
asyncio.run(main())
"""


async def test_flipped_bits_end_in_a_result_or_in_one_of_our_errors(dsn, execute):
    """
    Damaged answers broke the driver with errors of eight kinds.

    asyncpg itself can crash the interpreter on a damaged length, so each read has a process of its own: without TLS
    nothing above the driver can help that.
    """
    await execute(
        "insert into reviews select gen_random_uuid(), repeat('x', 50), null, 1 + n % 5, '2024-01-01' "
        "from generate_series(1, 100) n"
    )

    async def read(seed: int) -> tuple[int, str, str]:
        async with Proxy(socket_of(dsn), seed=seed) as proxy:
            proxy.flip = 5e-5
            command = [sys.executable, "-c", FLIPPED_READ, proxy.dsn(database_of(dsn))]
            child = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
            out, err = await asyncio.wait_for(child.communicate(), 60)
            return child.returncode, out.decode().strip(), err.decode()

    ends = [end for seed in range(0, 12, 2) for end in await asyncio.gather(read(seed), read(seed + 1))]

    n_crashes = sum(code == -signal.SIGSEGV for code, _, _ in ends)
    print(
        f"figure: of 12 damaged reads {sum(bool(out) for _, out, _ in ends)} ended in our errors, {n_crashes} crashed"
    )
    assert all(code in (0, -signal.SIGSEGV) for code, _, _ in ends), [err[-300:] for code, _, err in ends if code]
    assert any(out == "one of ours" for _, out, _ in ends)


@pytest.mark.parametrize("first", ["refused", "silent"])
async def test_the_next_host_is_tried_in_time(dsn, proxy, quick, first):
    """
    Failover is what the second host is for.
    """
    async with fake(silent) as server:
        dead = 1 if first == "refused" else server.port
        began = time.monotonic()

        async with connect(
            f"postgresql://postgres@127.0.0.1:{dead},127.0.0.1:{proxy.port}/{database_of(dsn)}", **quick
        ) as lab:
            assert await lab.count() == 0

        print(f"figure: past a first host that is {first}: {time.monotonic() - began:.2f} s")


async def test_a_writer_leaves_a_server_that_became_read_only(restartable, quick):
    """
    After a failover the old primary still answers, and the pool's connections still lead there.
    """
    await restartable.execute("create table notes (n int)")
    with Server(durable=False) as other:
        connection = await asyncpg.connect(other.dsn)
        await connection.execute("create table notes (n int)")
        async with Proxy(socket_of(restartable.server.dsn)) as proxy, Proxy(socket_of(other.dsn)) as second:
            database = await Database.open(load_settings(proxy.dsn("postgres"), **quick), write=True)

            async def note(n: int) -> None:
                async with database.transaction(doing="noting", begin=READ_WRITE) as writer:
                    await writer.execute(f"insert into notes values ({n})")

            await note(1)
            await restartable.execute("alter system set default_transaction_read_only = on")
            await restartable.execute("select pg_reload_conf()")
            await asyncio.sleep(0.2)
            with pytest.raises(ReadOnlyError, match=r"read-only transaction; writing needs .* the primary server"):
                await note(2)
            proxy.upstream = second.upstream
            await note(3)
            await database.close()

        assert [row["n"] for row in await connection.fetch("select n from notes")] == [3]
        await connection.close()


async def test_target_session_attrs_chooses_the_host(restartable, dsn, proxy, quick):
    """
    It is how a list of hosts says which of them is meant.
    """
    await restartable.execute("alter system set default_transaction_read_only = on")
    await restartable.execute("select pg_reload_conf()")
    async with Proxy(socket_of(restartable.server.dsn)) as read_only:
        hosts = f"postgresql://postgres@127.0.0.1:{read_only.port},127.0.0.1:{proxy.port}/postgres"
        asked = "show default_transaction_read_only"

        assert await ask(f"{hosts}?target_session_attrs=read-write", quick, asked) == "off"
        assert await ask(f"{hosts}?target_session_attrs=read-only", quick, asked) == "on"
        with pytest.raises(ConnectError, match="no host is of the kind that target_session_attrs asks for"):
            await ask(f"{hosts}?target_session_attrs=standby", quick, asked)


async def test_keepalive_is_on(far_lab):
    """
    Without it a firewall's forgetting is noticed by nobody.
    """
    values = {}

    async def look(connection):
        raw = connection._transport.get_extra_info("socket")
        values["alive"] = raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        values["idle"] = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        values["user"] = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)

    await far_lab._database.read(look, doing="looking")

    assert values == {"alive": 1, "idle": 30, "user": 30_000}


async def test_the_loop_stays_free_while_connecting_fails(quick):
    """
    A server on the path could otherwise freeze the notebook.
    """
    longest, last = 0.0, time.monotonic()

    async def watch() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    watching = asyncio.create_task(watch())
    async with fake(asks(SCRAM)) as server:
        with pytest.raises(ConnectError):
            await connect(f"postgresql://u:{SECRET}@127.0.0.1:{server.port}/d?sslmode=verify-full", **quick)
    watching.cancel()

    print(f"figure: the longest stall of the loop was {longest:.3f} s")
    assert longest < 1
