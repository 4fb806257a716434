"""TLS with peers that are no roles: OpenSSL's own programs (scenarios/tls), and peers that end badly."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from sockrun.compiling.loading import Options
from sockrun.network import authority
from sockrun.network.kernel import Kernel
from sockrun.playing.runner import Runner
from sockrun.results import Result, Status
from tests.command_line import ROOT
from tests.peers import client_of, failure, passes
from tests.playing import SCENARIOS, example, hold_that_nothing_is_lacking, play_all, programs


class Files(NamedTuple):
    """A certificate with its key in one file, and the authority that signed it."""

    server: Path
    authority: Path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    made = Files(folder / "server.pem", folder / "ca.pem")
    issued = authority.issue(("localhost", "127.0.0.1", "::1"))
    made.server.write_bytes(issued.key + issued.certificate)
    made.authority.write_bytes(authority.authority_pem())
    return made


# --- OpenSSL -----------------------------------------------------------------------------------

ROWS = {"versions", "mutual", "wrong_name", "expired", "unknown_authority", "alpn", "alpn_refused", "old_version"}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_openssl_and_we_say_the_same(name: str) -> None:
    """Our client with its server, and its client with our server, in each version."""
    given = example(f"tls/{name}")
    hold_that_nothing_is_lacking(given)
    assert [result.reason for result in play_all(given) if not result.passed] == []


def test_each_file_of_the_folder_is_played() -> None:
    assert {path.stem for path in (SCENARIOS / "tls").glob("*.yaml")} == ROWS


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
print(result.status, result.reason, result.failure.span.line)
"""
    told = run_python(code)
    assert told.startswith(Status.REFUSED)
    assert told.endswith("pip install 'sockrun[tls]'` 4\n")  # the server's line
