"""TLS with peers that are no roles: OpenSSL's own programs in both directions, and peers that end badly."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from sockrun.commands import Address
from sockrun.compiling.loading import Options
from sockrun.compiling.swapping import Swaps
from sockrun.network import authority
from sockrun.network.kernel import Kernel
from sockrun.playing.runner import Runner
from sockrun.results import Result, Status
from tests.command_line import ROOT
from tests.peers import client_of, failure, pair, passes
from tests.playing import play_all, programs

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
NAMES = ("localhost", "127.0.0.1", "::1")


class Files(NamedTuple):
    """Certificates with their keys in one file each, and the authority that signed them."""

    server: Path
    expired: Path
    authority: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    made = Files(folder / "server.pem", folder / "expired.pem", folder / "ca.pem")
    for path, expired in ((made.server, False), (made.expired, True)):
        issued = authority.issue(NAMES, None, expired)
        path.write_bytes(issued.key + issued.certificate)
    made.authority.write_bytes(authority.authority_pem())
    return made


# --- our client, OpenSSL's server --------------------------------------------------------------


@contextmanager
def s_server(*options: object) -> Iterator[str]:
    """A server that sends every line back reversed; gives its port."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", *map(str, options)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        assert server.stdout is not None
        for line in server.stdout:
            if line.startswith(b"ACCEPT"):
                break
        yield line.decode().strip().rpartition(":")[2]
        server.kill()


def play_client(steps: str, tls: str, port: str) -> Result:
    (result,) = play_all(programs(client_of(steps, f"tls: {tls}"), Options(variables={"port": port})))
    return result


REVERSED = '{send: "abc\\n"}, {expect: "cba\\n"}'


@needs_openssl
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssls_server_is_understood(version: str, files: Files) -> None:
    with s_server("-cert", files.server, f"-tls{version}", "-alpn", "h2,smtp") as port:
        agreed = f"{{expect_tls: {{version: TLSv{version.replace('_', '.')}, alpn: smtp, peer: localhost}}}}"
        passes(play_client(f"[{agreed}, {REVERSED}]", f"{{ca: {files.authority}, alpn: [smtp]}}", port))


@needs_openssl
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssls_server_demands_a_certificate(version: str, files: Files) -> None:
    """In TLS 1.3 the client is told only when it reads on."""
    alert = "certificate_required" if version == "1_3" else "handshake_failure"
    options = (
        "-cert",
        files.server,
        f"-tls{version}",
        "-Verify",
        1,
        "-verify_return_error",
        "-CAfile",
        files.authority,
    )
    with s_server(*options) as port:
        trusting = f"ca: {files.authority}"
        passes(play_client(f"[{{expect_tls: {{alert: {alert}}}}}]", f"{{{trusting}}}", port))
        passes(play_client(f"[{REVERSED}]", f"{{{trusting}, cert: {files.server}}}", port))


@needs_openssl
@pytest.mark.parametrize(
    ("option", "tls", "told"),
    [
        ("-tls1_3", "ca: {ca}, max_version: TLSv1.2", "alert: protocol_version"),
        ("-tls1_2", "ca: {ca}, min_version: TLSv1.3", "alert: protocol_version"),
        ("-tls1_2", "ca: {ca}, server_name: wrong.test", 'failed: "is not for .wrong.test"'),
        ("-tls1_3", "verify: true", 'failed: "no authority that is trusted here"'),
        ("-alpn=h2", "ca: {ca}, alpn: [smtp]", "alert: no_application_protocol"),
    ],
)
def test_openssls_server_and_a_client_that_do_not_agree(option: str, tls: str, told: str, files: Files) -> None:
    with s_server("-cert", files.server, *option.split("=")) as port:
        result = play_client(f"[{{expect_tls: {{{told}}}}}]", f"{{{tls.format(ca=files.authority)}}}", port)
        passes(result)


@needs_openssl
def test_openssls_server_has_a_certificate_whose_time_is_over(files: Files) -> None:
    with s_server("-cert", files.expired) as port:
        failure(play_client(f"[{REVERSED}]", f"{{ca: {files.authority}}}", port), "tls", "has expired")
        passes(play_client(f"[{REVERSED}]", "{verify: false}", port))


# --- our server, OpenSSL's client --------------------------------------------------------------


def play_server(steps: str, tls: str, *options: object) -> tuple[Result, str]:
    """The result, and what `openssl s_client` told; it says one line."""
    clients: list[subprocess.Popen[bytes]] = []

    def start(_: str, address: Address) -> None:
        command = ["openssl", "s_client", "-quiet", "-connect", str(address), *map(str, options)]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert client.stdin is not None
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        clients.append(client)

    network = Kernel()
    text = pair(steps, "[]", of_server=f"tls: {tls}")
    (program,) = programs(text, Options(swaps=Swaps(play={"server": None})))
    try:
        (result,) = Runner(network, announce=start).run([program])
    finally:
        network.close()
        told = b"".join(client.communicate(timeout=20)[0] for client in clients)
    return result, told.decode()


HELLO = '{expect: "hello\\n"}, {send: "world\\n"}'


@needs_openssl
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_openssls_client_is_understood(version: str, files: Files) -> None:
    """It trusts the run's authority, verifies our certificate, and sees close_notify."""
    agreed = f"{{expect_tls: {{version: TLSv{version.replace('_', '.')}, alpn: h2, server_name: localhost}}}}"
    options = ("-CAfile", files.authority, "-verify_return_error", "-verify_ip", "127.0.0.1")
    result, told = play_server(
        f"[{agreed}, {HELLO}]", "{alpn: [h2]}", f"-tls{version}", *options, "-alpn", "h2", "-servername", "localhost"
    )
    passes(result)
    assert "world\n" in told
    assert "unexpected eof" not in told


@needs_openssl
def test_openssls_client_does_not_trust_us(files: Files) -> None:
    result, told = play_server("[{expect_tls: {alert: unknown_ca}}]", "true", "-verify_return_error")
    passes(result)
    assert "unable to get local issuer certificate" in told or "unable to verify" in told


@needs_openssl
def test_openssls_client_shows_its_certificate_or_is_refused(files: Files) -> None:
    tls = f"{{client_ca: {files.authority}, cert: {files.server}}}"
    passes(play_server(f"[{{expect_tls: {{peer: localhost}}}}, {HELLO}]", tls, "-cert", files.server)[0])
    result, told = play_server('[{expect_tls: {failed: "shows no certificate"}}]', tls)
    passes(result)
    assert "certificate required" in told


@needs_openssl
def test_openssls_client_is_too_old_for_us() -> None:
    result, told = play_server('[{expect_tls: {failed: "no version"}}]', "{min_version: TLSv1.3}", "-tls1_2")
    passes(result)
    assert "protocol version" in told


@needs_openssl
def test_openssls_client_speaks_no_protocol_of_ours() -> None:
    result, told = play_server('[{expect_tls: {failed: "ALPN"}}]', "{alpn: [smtp]}", "-alpn", "h2")
    passes(result)
    assert "no application protocol" in told


# --- peers that end badly ----------------------------------------------------------------------


class Peer:
    """A server under TLS that says `x` once hands are shaken, and then closes, with or without close_notify."""

    def __init__(self, network: Kernel, files: Files, notify: bool) -> None:
        self._network = network
        self._notify = notify
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.server)
        context.num_tickets = 0
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)

    def hear(self) -> None:
        self._in.write(self._socket.recv(65536))
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._socket.sendall(self._out.read())
            return
        self._tls.write(b"x")
        if self._notify:
            with pytest.raises(ssl.SSLWantReadError):
                self._tls.unwrap()
        self._socket.sendall(self._out.read())
        self._network.selector.unregister(self._socket)
        self._socket.close()

    def come(self, listener: socket.socket) -> None:
        self._socket, _ = listener.accept()
        self._network.wake_on(self._socket, self.hear)


def play_with_peer(steps: str, files: Files, *, notify: bool) -> Result:
    network = Kernel()
    peer = Peer(network, files, notify)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        network.wake_on(listener, lambda: peer.come(listener))
        options = Options(variables={"port": str(listener.getsockname()[1])})
        (result,) = Runner(network).run(programs(client_of(steps, f"tls: {{ca: {files.authority}}}"), options))
        network.close()
    return result


def test_a_bare_fin_is_no_close_notify(files: Files) -> None:
    """Who cuts the connection can cut a message; only close_notify says that it is whole (RFC 8446 section 6.1)."""
    strict = '[{expect: "x"}, {expect_close: {notify: required}}]'
    passes(play_with_peer(strict, files, notify=True))
    failure(play_with_peer(strict, files, notify=False), "check", "the peer closed without close_notify")


def test_a_bare_fin_is_a_close_where_nothing_else_is_asked_for(files: Files) -> None:
    passes(play_with_peer('[{expect: "x"}, expect_close]', files, notify=False))


# --- what is not there -------------------------------------------------------------------------


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_run_without_tls_never_loads_openssl() -> None:
    """Loading it takes as long as a small scenario."""
    code = """
import sys
from tests.peers import pair
from tests.playing import play
assert play(pair('[{send: x}]', '[{expect: x}]')).passed
print([name for name in ('ssl', 'trustme', 'cryptography') if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"


def test_where_trustme_is_missing_the_command_to_type_is_told() -> None:
    code = """
import sys
sys.modules['trustme'] = None
from tests.peers import pair
from tests.playing import play
result = play(pair('[{send: x}]', '[{expect: x}]', of_server='tls: true'))
print(result.status, result.reason)
"""
    told = run_python(code)
    assert told.startswith(Status.REFUSED)
    assert "pip install 'sockrun[tls]'" in told
