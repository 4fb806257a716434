"""What is built on of sockets holds on the system's and on simulated ones alike: the same calls, the same results.

Each check says what Linux does (tcp(7), udp(7), unix(7), ip(7), socket(7)) and is run on both, so that neither what is
believed of the system nor its simulation can be wrong alone.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from sockrun.network.aborting import reset_on_close
from sockrun.network.simulated.world import World
from sockrun.network.system import OperatingSystem, Socket, System

PATIENCE = 5.0  # seconds until something that must come is missed; virtual ones in the simulation
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
V4, V6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
HERE = "127.0.0.1"


class Bench:
    """Sockets of one system, and what they are asked."""

    def __init__(self, system: System, folder: str, stack: ExitStack) -> None:
        self.system = system
        self.folder = folder
        self._stack = stack

    def socket(self, family: int = V4, kind: int = TCP) -> Any:
        sock = self.system.socket(family, kind)
        self._stack.callback(sock.close)
        sock.setblocking(False)
        return sock

    def bound(self, family: int = V4, kind: int = TCP, host: str = HERE, port: int = 0) -> Any:
        sock = self.socket(family, kind)
        sock.bind((host, port))
        return sock

    def listener(self, backlog: int = 16) -> Any:
        sock = self.bound()
        sock.listen(backlog)
        return sock

    def path(self, name: str = "s") -> str:
        return f"{self.folder}/{name}"

    def ready(self, sock: Any, events: int, timeout: float = PATIENCE) -> int:
        """Which of the events have come, at the latest when the time has passed."""
        self.system.selector.register(sock, events)
        try:
            return sum(mask for _, mask in self.system.selector.select(timeout))
        finally:
            self.system.selector.unregister(sock)

    def comes(self, sock: Any, events: int = READ) -> None:
        assert self.ready(sock, events) & events

    def nothing(self, sock: Any, events: int = READ) -> None:
        assert not self.ready(sock, events, 0)

    def accepted(self, listener: Any) -> Any:
        self.comes(listener)
        sock, _ = listener.accept()
        self._stack.callback(sock.close)
        sock.setblocking(False)
        return sock

    def joined(self, client: Any, listener: Any) -> Any:
        """The server's end of a connection that the client makes."""
        assert client.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        server = self.accepted(listener)
        self.comes(client, WRITE)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        return server

    def pair(self) -> tuple[Any, Any]:
        """A TCP connection: the client's end, and the server's."""
        client = self.socket()
        return client, self.joined(client, self.listener())

    def unix_pair(self) -> tuple[Any, Any]:
        listener = self.socket(UNIX)
        listener.bind(self.path())
        listener.listen(1)
        client = self.socket(UNIX)
        client.connect(self.path())
        return client, self.accepted(listener)

    def read(self, sock: Any, size: int = 65536) -> bytes:
        """What the next recv(2) gives, once there is something."""
        self.comes(sock)
        return received(sock, size)

    def all_of(self, sock: Any) -> bytes:
        """What comes until FIN."""
        got = b""
        while data := self.read(sock):
            got += data
        return got

    def wait_until_left(self, sock: Any) -> None:
        while not self.system.all_left(sock):
            self.system.selector.select(0.001)


def received(sock: Any, size: int = 65536) -> bytes:
    data: bytes = sock.recv(size)
    return data


def datagram(sock: Any) -> tuple[bytes, Any]:
    data, sender = sock.recvfrom(65536)
    return data, sender


def refuses(call: Callable[..., object], *arguments: Any) -> int:
    """The error number of a call that fails."""
    try:
        answer = call(*arguments)
    except OSError as error:
        return error.errno or 0
    raise AssertionError(f"it was not refused, but gave {answer!r}")


def filled(sock: Any) -> int:
    """Send until there is no room; how many bytes it took."""
    total = 0
    with suppress(BlockingIOError):
        while True:
            total += sock.send(bytes(65536))
    return total


@pytest.fixture(params=["kernel", "simulated"])
def bench(request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)  # paths are relative, and so short enough
    system: System = OperatingSystem() if request.param == "kernel" else World()
    with ExitStack() as stack:
        stack.callback(system.close)
        yield Bench(system, ".", stack)


# --- TCP: the beginning ---------------------------------------------------------------------------


def test_a_connection_joins_two_names(bench: Bench) -> None:
    listener = bench.listener()
    client = bench.socket()
    server = bench.joined(client, listener)
    assert server.getsockname() == listener.getsockname()
    assert client.getsockname()[0] == HERE
    assert client.getsockname()[1] not in (0, listener.getsockname()[1])


def test_accept_tells_who_came(bench: Bench) -> None:
    listener, client = bench.listener(), bench.socket()
    client.connect_ex(listener.getsockname())
    bench.comes(listener)
    server, name = listener.accept()
    assert name == client.getsockname()
    server.close()


def test_nobody_has_come_yet(bench: Bench) -> None:
    listener = bench.listener()
    assert refuses(listener.accept) == errno.EAGAIN
    bench.nothing(listener)


def test_a_port_that_nobody_listens_at_refuses(bench: Bench) -> None:
    """The error is told once."""
    deaf, client = bench.bound(), bench.socket()
    status = client.connect_ex(deaf.getsockname())
    if status == errno.EINPROGRESS:
        bench.comes(client, WRITE)
        status = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert status == errno.ECONNREFUSED
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_connecting_twice_says_so(bench: Bench) -> None:
    listener, client = bench.listener(), bench.socket()
    bench.joined(client, listener)
    assert client.connect_ex(listener.getsockname()) in (0, errno.EISCONN)
    assert client.connect_ex(listener.getsockname()) == errno.EISCONN


def test_bytes_may_come_before_a_connection_is_accepted(bench: Bench) -> None:
    """So does an end: what waits in the queue is a connection like any other."""
    listener, client = bench.listener(), bench.socket()
    client.connect_ex(listener.getsockname())
    bench.comes(client, WRITE)
    client.send(b"early")
    client.close()
    server = bench.accepted(listener)
    assert bench.all_of(server) == b"early"


def test_a_connection_that_was_reset_in_the_queue_is_accepted_and_reset(bench: Bench) -> None:
    listener, client = bench.listener(), bench.socket()
    client.connect_ex(listener.getsockname())
    bench.comes(client, WRITE)
    reset_on_close(client)
    client.close()
    server = bench.accepted(listener)
    bench.comes(server)
    assert refuses(received, server) == errno.ECONNRESET


def test_a_listener_that_closes_resets_those_who_wait(bench: Bench) -> None:
    listener, client = bench.listener(), bench.socket()
    client.connect_ex(listener.getsockname())
    bench.comes(client, WRITE)
    listener.close()
    bench.comes(client)
    assert refuses(received, client) == errno.ECONNRESET


def test_a_queue_holds_one_more_than_its_backlog(bench: Bench) -> None:
    """Who comes then is neither refused nor connected."""
    listener = bench.listener(backlog=1)
    clients = [bench.socket() for _ in range(3)]
    for client in clients:
        assert client.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
    for client in clients[:2]:
        bench.comes(client, WRITE)
    bench.nothing(clients[2], WRITE)


def test_a_listener_is_no_connection(bench: Bench) -> None:
    listener = bench.listener()
    assert refuses(received, listener) == errno.ENOTCONN
    assert refuses(listener.send, b"x") == errno.EPIPE


def test_a_socket_that_is_not_connected_sends_and_reads_nothing(bench: Bench) -> None:
    sock = bench.socket()
    assert refuses(received, sock) == errno.ENOTCONN
    assert refuses(sock.send, b"x") == errno.EPIPE
    assert refuses(sock.shutdown, socket.SHUT_WR) == errno.ENOTCONN


# --- TCP: names -----------------------------------------------------------------------------------


def test_a_port_is_taken_while_somebody_listens(bench: Bench) -> None:
    listener = bench.listener()
    other = bench.socket()
    assert refuses(other.bind, listener.getsockname()) == errno.EADDRINUSE
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    assert refuses(other.bind, listener.getsockname()) == errno.EADDRINUSE


def test_a_wildcard_takes_the_port_of_all_addresses(bench: Bench) -> None:
    wildcard = bench.bound(host="0.0.0.0")
    assert refuses(bench.socket().bind, (HERE, wildcard.getsockname()[1])) == errno.EADDRINUSE


def test_two_loopback_addresses_are_two(bench: Bench) -> None:
    one = bench.bound()
    other = bench.bound(host="127.0.0.2", port=one.getsockname()[1])
    assert other.getsockname() == ("127.0.0.2", one.getsockname()[1])


def test_tcp_and_udp_have_ports_of_their_own(bench: Bench) -> None:
    one = bench.bound()
    assert bench.bound(kind=UDP, port=one.getsockname()[1]).getsockname() == one.getsockname()


def test_a_closed_listener_gives_its_port_back(bench: Bench) -> None:
    listener = bench.listener()
    name = listener.getsockname()
    listener.close()
    assert bench.bound(port=name[1]).getsockname() == name


@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
def test_sockets_that_say_so_share_a_port(bench: Bench, kind: int) -> None:
    """SO_REUSEPORT, on all of them (socket(7))."""
    one, other, third = (bench.socket(kind=kind) for _ in range(3))
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind((HERE, 0))
    other.bind(one.getsockname())
    assert refuses(third.bind, one.getsockname()) == errno.EADDRINUSE
    if kind == TCP:
        one.listen(1)
        other.listen(1)


def test_a_socket_has_one_name_only(bench: Bench) -> None:
    sock = bench.bound()
    assert refuses(sock.bind, (HERE, 0)) == errno.EINVAL


def test_an_address_of_others_is_none_to_bind(bench: Bench) -> None:
    """192.0.2.0/24 is nobody's (RFC 5737). In the simulation every address is there, since nothing leaves it."""
    if isinstance(bench.system, World):
        bench.socket().bind(("192.0.2.1", 0))
        return
    assert refuses(bench.socket().bind, ("192.0.2.1", 0)) == errno.EADDRNOTAVAIL


def test_a_client_may_choose_its_name(bench: Bench) -> None:
    listener, client = bench.listener(), bench.bound(host="127.0.0.3")
    name = client.getsockname()
    server = bench.joined(client, listener)
    assert client.getsockname() == name
    assert name[0] == "127.0.0.3"
    client.send(b"x")
    assert bench.read(server) == b"x"


def test_a_server_on_all_addresses_sees_the_one_that_was_dialled(bench: Bench) -> None:
    listener = bench.bound(host="0.0.0.0")
    listener.listen(1)
    client = bench.socket()
    assert client.connect_ex(("127.0.0.9", listener.getsockname()[1])) in (0, errno.EINPROGRESS)
    server = bench.accepted(listener)
    assert server.getsockname() == ("127.0.0.9", listener.getsockname()[1])
    assert client.getsockname()[0] == HERE


def test_ipv6_has_its_own_names(bench: Bench) -> None:
    listener = bench.socket(V6)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(("::1", 0))
    listener.listen(1)
    client = bench.socket(V6)
    server = bench.joined(client, listener)
    assert server.getsockname() == listener.getsockname()
    assert client.getsockname()[0] == "::1"
    assert len(client.getsockname()) == 4


# --- TCP: bytes -----------------------------------------------------------------------------------


def test_bytes_come_in_order_and_both_ways(bench: Bench) -> None:
    client, server = bench.pair()
    assert client.send(b"abc") == 3
    assert client.send(memoryview(b"def")) == 3
    assert server.send(b"back") == 4
    got = b""
    while len(got) < 6:
        got += bench.read(server)
    assert got == b"abcdef"
    assert bench.read(client) == b"back"
    assert refuses(received, server) == errno.EAGAIN


def test_a_small_read_leaves_the_rest(bench: Bench) -> None:
    client, server = bench.pair()
    client.send(b"abcdef")
    assert bench.read(server, 2) == b"ab"
    assert received(server, 3) == b"cde"
    assert received(server) == b"f"


def test_nothing_to_send_is_nothing_sent(bench: Bench) -> None:
    client, server = bench.pair()
    assert client.send(b"") == 0
    bench.nothing(server)


def test_an_idle_connection_has_room_and_nothing_to_read(bench: Bench) -> None:
    client, server = bench.pair()
    assert bench.ready(client, READ | WRITE) == WRITE
    assert bench.ready(server, READ | WRITE) == WRITE


def test_a_peer_that_does_not_read_leaves_no_room(bench: Bench) -> None:
    """And nothing is lost: once it reads, all comes, and there is room again."""
    client, server = bench.pair()
    total = filled(client)
    assert refuses(client.send, b"x") == errno.EAGAIN
    bench.nothing(client, WRITE)
    client.shutdown(socket.SHUT_WR)
    assert len(bench.all_of(server)) == total


def test_there_is_room_again_when_the_peer_has_read(bench: Bench) -> None:
    client, server = bench.pair()
    left = filled(client)
    while left:
        left -= len(bench.read(server))
    bench.comes(client, WRITE)
    assert client.send(b"x") == 1
    assert bench.read(server) == b"x"


def test_small_buffers_hold_little(bench: Bench) -> None:
    """SO_SNDBUF and SO_RCVBUF bound what waits between two ends; the system doubles them (socket(7))."""
    listener = bench.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind((HERE, 0))
    listener.listen(1)
    client = bench.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 16384
    server = bench.joined(client, listener)
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == 8192
    assert 1 <= filled(client) < 200_000


def test_what_was_sent_has_left_once_it_has_arrived(bench: Bench) -> None:
    """The peer need not read it, but where its window is full the rest stays."""
    client, server = bench.pair()
    client.send(b"abc")
    bench.wait_until_left(client)
    filled(client)
    assert not bench.system.all_left(client)
    bench.comes(server)


# --- TCP: the end ---------------------------------------------------------------------------------


def test_a_half_close_ends_one_direction(bench: Bench) -> None:
    client, server = bench.pair()
    client.send(b"last")
    client.shutdown(socket.SHUT_WR)
    assert bench.all_of(server) == b"last"
    assert received(server) == b""  # and stays so
    server.send(b"answer")
    assert bench.read(client) == b"answer"
    assert refuses(client.send, b"x") == errno.EPIPE


def test_a_second_half_close_changes_nothing(bench: Bench) -> None:
    client, server = bench.pair()
    client.shutdown(socket.SHUT_WR)
    client.shutdown(socket.SHUT_WR)
    assert bench.all_of(server) == b""


def test_a_close_ends_both_directions(bench: Bench) -> None:
    """What is sent then is answered with RST; behind the FIN, so that it is EPIPE (RFC 9293, tcp_reset)."""
    client, server = bench.pair()
    client.close()
    assert bench.all_of(server) == b""
    assert server.send(b"into the void") == 13
    assert refuses(server.send, b"x") == errno.EPIPE
    assert received(server) == b""


def test_after_both_have_closed_nobody_is_told_anything(bench: Bench) -> None:
    client, server = bench.pair()
    client.shutdown(socket.SHUT_WR)
    server.shutdown(socket.SHUT_WR)
    assert bench.all_of(server) == b""
    assert bench.all_of(client) == b""
    assert refuses(client.shutdown, socket.SHUT_WR) == errno.ENOTCONN


def test_bytes_before_a_reset_are_read(bench: Bench) -> None:
    client, server = bench.pair()
    client.send(b"before")
    bench.wait_until_left(client)
    reset_on_close(client)
    client.close()
    assert bench.read(server) == b"before"
    assert refuses(received, server) == errno.ECONNRESET
    assert received(server) == b""  # it is told once
    assert refuses(server.send, b"x") == errno.EPIPE


def test_a_send_takes_the_reset_with_it(bench: Bench) -> None:
    client, server = bench.pair()
    reset_on_close(client)
    client.close()
    bench.comes(server)
    assert refuses(server.send, b"x") == errno.ECONNRESET
    assert refuses(server.send, b"x") == errno.EPIPE
    assert received(server) == b""


def test_a_reset_behind_a_fin_is_a_broken_pipe(bench: Bench) -> None:
    client, server = bench.pair()
    client.shutdown(socket.SHUT_WR)
    bench.comes(server)
    reset_on_close(client)
    client.close()
    bench.comes(server)
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
    assert received(server) == b""


def test_unread_bytes_turn_a_close_into_a_reset(bench: Bench) -> None:
    client, server = bench.pair()
    client.send(b"never read")
    bench.comes(server)
    server.close()
    bench.comes(client)
    assert refuses(received, client) == errno.ECONNRESET


def test_unread_bytes_reset_what_was_said_before_too(bench: Bench) -> None:
    """The answer that came before the reset is still read."""
    client, server = bench.pair()
    client.send(b"never read")
    server.send(b"answer")
    bench.comes(server)
    bench.comes(client)
    server.close()
    assert bench.read(client) == b"answer"
    assert refuses(received, client) == errno.ECONNRESET


def test_a_fin_that_was_not_read_is_no_unread_byte(bench: Bench) -> None:
    client, server = bench.pair()
    client.shutdown(socket.SHUT_WR)
    bench.comes(server)
    server.close()
    assert bench.all_of(client) == b""


def test_a_close_in_order_delivers_what_is_in_the_buffer(bench: Bench) -> None:
    client, server = bench.pair()
    total = filled(client)
    client.close()
    assert len(bench.all_of(server)) == total


def test_bytes_on_their_way_to_a_closed_socket_reset_the_sender(bench: Bench) -> None:
    client, server = bench.pair()
    server.close()
    assert client.send(b"too late") == 8
    bench.comes(client)
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE


def test_a_reset_leaves_no_connection_to_shut_down(bench: Bench) -> None:
    client, server = bench.pair()
    reset_on_close(client)
    client.close()
    bench.comes(server)
    assert refuses(server.shutdown, socket.SHUT_WR) == errno.ENOTCONN


def test_a_lingering_close_does_not_reset(bench: Bench) -> None:
    """SO_LINGER with a time is an orderly end; a socket that never blocks does not wait for it."""
    client, server = bench.pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1))
    client.send(b"all")
    client.close()
    assert bench.all_of(server) == b"all"


def test_a_reset_drops_what_has_not_left(bench: Bench) -> None:
    client, server = bench.pair()
    total = filled(client)
    reset_on_close(client)
    client.close()
    got = 0
    with suppress(ConnectionResetError):
        while data := bench.read(server):
            got += len(data)
    assert got < total


# --- unix streams ---------------------------------------------------------------------------------


def test_a_unix_connection_has_one_name(bench: Bench) -> None:
    client, server = bench.unix_pair()
    assert server.getsockname() == bench.path()
    assert client.getsockname() == ""
    client.send(b"abc")
    assert bench.read(server) == b"abc"


def test_an_abstract_name_has_no_file(bench: Bench) -> None:
    name = f"\0sockrun-{id(bench)}"
    listener = bench.socket(UNIX)
    listener.bind(name)
    listener.listen(1)
    assert listener.getsockname() == name.encode()
    client = bench.socket(UNIX)
    client.connect(name)
    assert bench.accepted(listener).getsockname() == name.encode()


def test_a_unix_path_that_is_not_there(bench: Bench) -> None:
    assert bench.socket(UNIX).connect_ex(bench.path("nobody")) == errno.ENOENT
    assert bench.socket(UNIX).connect_ex("\0sockrun-nobody") == errno.ECONNREFUSED


@pytest.mark.parametrize("kind", [TCP, UDP], ids=["stream", "datagram"])
def test_a_unix_path_outlives_its_socket_and_refuses(bench: Bench, kind: int) -> None:
    """Until it is removed it also keeps others from binding it (unix(7))."""
    sock = bench.socket(UNIX, kind)
    sock.bind(bench.path())
    if kind == TCP:
        sock.listen(1)
    sock.close()
    assert bench.socket(UNIX, kind).connect_ex(bench.path()) == errno.ECONNREFUSED
    assert refuses(bench.socket(UNIX, kind).bind, bench.path()) == errno.EADDRINUSE


def test_a_unix_path_that_does_not_listen_refuses(bench: Bench) -> None:
    bench.socket(UNIX).bind(bench.path())
    assert bench.socket(UNIX).connect_ex(bench.path()) == errno.ECONNREFUSED


def test_a_unix_path_of_the_other_kind_is_the_wrong_one(bench: Bench) -> None:
    bench.socket(UNIX, UDP).bind(bench.path())
    assert bench.socket(UNIX, TCP).connect_ex(bench.path()) == errno.EPROTOTYPE
    assert refuses(bench.socket(UNIX, TCP).bind, bench.path()) == errno.EADDRINUSE


def test_a_full_unix_queue_says_so(bench: Bench) -> None:
    listener = bench.socket(UNIX)
    listener.bind(bench.path())
    listener.listen(0)
    assert bench.socket(UNIX).connect_ex(bench.path()) == 0
    assert bench.socket(UNIX).connect_ex(bench.path()) == errno.EAGAIN


def test_a_closed_unix_peer_is_a_broken_pipe_at_once(bench: Bench) -> None:
    client, server = bench.unix_pair()
    server.close()
    assert bench.all_of(client) == b""
    assert refuses(client.send, b"x") == errno.EPIPE


def test_unread_bytes_reset_a_unix_connection(bench: Bench) -> None:
    client, server = bench.unix_pair()
    client.send(b"never read")
    server.close()
    assert bench.ready(client, READ) & READ
    assert refuses(received, client) == errno.ECONNRESET
    assert received(client) == b""


def test_a_unix_stream_knows_no_linger(bench: Bench) -> None:
    """SO_LINGER 0 resets TCP only: a unix stream is closed in order."""
    client, server = bench.unix_pair()
    client.send(b"all")
    reset_on_close(client)
    client.close()
    assert bench.all_of(server) == b"all"


def test_a_unix_listener_that_closes_resets_those_who_wait(bench: Bench) -> None:
    listener, client = bench.socket(UNIX), bench.socket(UNIX)
    listener.bind(bench.path())
    listener.listen(1)
    client.connect(bench.path())
    listener.close()
    bench.comes(client)
    assert refuses(received, client) == errno.ECONNRESET


def test_a_unix_half_close(bench: Bench) -> None:
    client, server = bench.unix_pair()
    client.send(b"all")
    client.shutdown(socket.SHUT_WR)
    assert bench.all_of(server) == b"all"
    assert refuses(client.send, b"x") == errno.EPIPE
    assert server.send(b"back") == 4
    assert bench.read(client) == b"back"


def test_a_unix_peer_that_does_not_read_leaves_no_room(bench: Bench) -> None:
    client, server = bench.unix_pair()
    total = filled(client)
    bench.nothing(client, WRITE)
    client.close()
    assert len(bench.all_of(server)) == total


# --- UDP ------------------------------------------------------------------------------------------


def test_a_datagram_is_whole_and_tells_who_sent_it(bench: Bench) -> None:
    receiver, sender = bench.bound(kind=UDP), bench.bound(kind=UDP)
    assert sender.sendto(b"one", receiver.getsockname()) == 3
    assert sender.sendto(b"", receiver.getsockname()) == 0
    bench.comes(receiver)
    assert datagram(receiver) == (b"one", sender.getsockname())
    assert datagram(receiver) == (b"", sender.getsockname())
    assert refuses(datagram, receiver) == errno.EAGAIN


def test_a_socket_without_a_name_gets_one_when_it_sends(bench: Bench) -> None:
    receiver, sender = bench.bound(kind=UDP), bench.socket(kind=UDP)
    sender.sendto(b"x", receiver.getsockname())
    bench.comes(receiver)
    assert datagram(receiver)[1] == (HERE, sender.getsockname()[1])
    assert sender.getsockname()[0] == "0.0.0.0"


def test_a_connected_socket_hears_its_peer_only(bench: Bench) -> None:
    """And for others nobody is there; what had come before is still read."""
    receiver, peer, stranger = (bench.bound(kind=UDP) for _ in range(3))
    stranger.sendto(b"before", receiver.getsockname())
    receiver.connect(peer.getsockname())
    stranger.sendto(b"unheard", receiver.getsockname())
    peer.sendto(b"heard", receiver.getsockname())
    bench.comes(receiver)
    assert [datagram(receiver)[0], datagram(receiver)[0]] == [b"before", b"heard"]
    assert refuses(datagram, receiver) == errno.EAGAIN


def test_connecting_gives_a_udp_socket_the_name_by_which_it_is_seen(bench: Bench) -> None:
    receiver, sender = bench.bound(kind=UDP), bench.socket(kind=UDP)
    sender.connect(receiver.getsockname())
    assert sender.getsockname()[0] == HERE
    sender.send(b"x")
    bench.comes(receiver)
    assert datagram(receiver) == (b"x", sender.getsockname())


def test_nobody_is_told_to_a_connected_sender_once(bench: Bench) -> None:
    """ICMP 'port unreachable' (udp(7)): the next call fails, and the one after it does not."""
    nobody, sender = bench.bound(kind=UDP), bench.socket(kind=UDP)
    sender.connect(nobody.getsockname())
    nobody.close()
    assert sender.send(b"x") == 1
    bench.comes(sender)
    assert refuses(datagram, sender) == errno.ECONNREFUSED
    assert refuses(datagram, sender) == errno.EAGAIN
    assert sender.send(b"x") == 1
    bench.comes(sender)
    assert refuses(sender.send, b"x") == errno.ECONNREFUSED
    assert refuses(datagram, sender) == errno.EAGAIN


def test_nobody_is_not_told_to_a_sender_that_is_not_connected(bench: Bench) -> None:
    nobody, sender = bench.bound(kind=UDP), bench.bound(kind=UDP)
    name = nobody.getsockname()
    nobody.close()
    assert sender.sendto(b"x", name) == 1
    bench.nothing(sender)
    assert sender.sendto(b"x", name) == 1


def test_a_connected_sender_is_not_told_of_what_it_sent_elsewhere(bench: Bench) -> None:
    peer, nobody, sender = (bench.bound(kind=UDP) for _ in range(3))
    name = nobody.getsockname()
    nobody.close()
    sender.connect(peer.getsockname())
    sender.sendto(b"x", name)
    bench.nothing(sender)


def test_a_deaf_udp_socket_refuses_others(bench: Bench) -> None:
    """One connected to itself: that is how a UDP server refuses (RFC 1122 section 4.1.3.1)."""
    deaf, sender = bench.bound(kind=UDP), bench.socket(kind=UDP)
    deaf.connect(deaf.getsockname())
    sender.connect(deaf.getsockname())
    sender.send(b"x")
    bench.comes(sender)
    assert refuses(datagram, sender) == errno.ECONNREFUSED
    bench.nothing(deaf)


def test_answers_come_before_a_refusal_is_told_and_are_not_lost(bench: Bench) -> None:
    peer, sender = bench.bound(kind=UDP), bench.socket(kind=UDP)
    sender.connect(peer.getsockname())
    peer.sendto(b"answer", sender.getsockname())
    peer.close()
    sender.send(b"x")
    bench.comes(sender)
    assert refuses(datagram, sender) == errno.ECONNREFUSED
    assert datagram(sender)[0] == b"answer"


def test_a_datagram_that_is_too_long_is_not_sent(bench: Bench) -> None:
    receiver, sender = bench.bound(kind=UDP), bench.bound(kind=UDP)
    assert refuses(sender.sendto, bytes(65508), receiver.getsockname()) == errno.EMSGSIZE
    assert sender.sendto(bytes(65507), receiver.getsockname()) == 65507
    bench.comes(receiver)
    assert len(datagram(receiver)[0]) == 65507


def test_whoever_is_not_connected_has_to_say_where_to(bench: Bench) -> None:
    assert refuses(bench.bound(kind=UDP).send, b"x") == errno.EDESTADDRREQ


def test_a_full_receive_buffer_loses_what_comes(bench: Bench) -> None:
    """The sender is not told, and always has room."""
    receiver, sender = bench.socket(kind=UDP), bench.bound(kind=UDP)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.bind((HERE, 0))
    for _ in range(64):
        assert sender.sendto(bytes(1000), receiver.getsockname()) == 1000
    assert bench.ready(sender, WRITE) & WRITE
    got = 0
    with suppress(BlockingIOError):
        while True:
            datagram(receiver)
            got += 1
    assert 1 <= got < 64


def test_udp_sockets_have_their_port_alone(bench: Bench) -> None:
    one, other = bench.bound(kind=UDP), bench.socket(kind=UDP)
    assert refuses(other.bind, one.getsockname()) == errno.EADDRINUSE


def test_of_two_that_share_a_port_the_connected_one_hears_its_peer(bench: Bench) -> None:
    one, other, peer = bench.socket(kind=UDP), bench.socket(kind=UDP), bench.bound(kind=UDP)
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((HERE, 0))
    other.bind(one.getsockname())
    one.connect(peer.getsockname())
    peer.sendto(b"x", one.getsockname())
    bench.comes(one)
    bench.nothing(other)


def test_udp_over_ipv6(bench: Bench) -> None:
    receiver, sender = bench.bound(V6, UDP, "::1"), bench.socket(V6, UDP)
    sender.connect(receiver.getsockname()[:2])
    sender.send(b"x")
    bench.comes(receiver)
    data, name = datagram(receiver)
    assert (data, name) == (b"x", sender.getsockname())


def test_a_udp_server_on_all_addresses(bench: Bench) -> None:
    receiver, sender = bench.bound(kind=UDP, host="0.0.0.0"), bench.socket(kind=UDP)
    sender.sendto(b"x", (HERE, receiver.getsockname()[1]))
    bench.comes(receiver)
    assert datagram(receiver) == (b"x", (HERE, sender.getsockname()[1]))


def test_a_broadcast_must_be_wanted(bench: Bench) -> None:
    sender = bench.bound(kind=UDP)
    assert refuses(sender.sendto, b"x", ("255.255.255.255", 9)) == errno.EACCES


def test_a_broadcast_is_heard_by_all_on_the_port(bench: Bench) -> None:
    receivers = [bench.socket(kind=UDP) for _ in range(2)]
    for sock in receivers:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    receivers[0].bind(("0.0.0.0", 0))
    port = receivers[0].getsockname()[1]
    receivers[1].bind(("0.0.0.0", port))
    sender = bench.bound(kind=UDP)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sender.sendto(b"all", ("127.255.255.255", port))
    for sock in receivers:
        bench.comes(sock)
        assert datagram(sock) == (b"all", sender.getsockname())


def test_a_group_is_heard_by_its_members(bench: Bench) -> None:
    member, stranger = bench.socket(kind=UDP), bench.bound(kind=UDP)
    group = "239.1.2.3"
    member.bind((group, 0))
    where = socket.inet_aton(group) + socket.inet_aton(HERE)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, where)
    sender = bench.bound(kind=UDP)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE))
    sender.sendto(b"members", (group, member.getsockname()[1]))
    bench.comes(member)
    assert datagram(member) == (b"members", sender.getsockname())
    bench.nothing(stranger)


# --- unix datagrams -------------------------------------------------------------------------------


def test_a_unix_datagram_tells_the_name_of_who_has_one(bench: Bench) -> None:
    receiver, named, unnamed = (bench.socket(UNIX, UDP) for _ in range(3))
    receiver.bind(bench.path("r"))
    named.bind(bench.path("n"))
    named.sendto(b"named", bench.path("r"))
    unnamed.sendto(b"unnamed", bench.path("r"))
    bench.comes(receiver)
    assert datagram(receiver) == (b"named", bench.path("n"))
    data, sender = datagram(receiver)
    assert data == b"unnamed"
    assert not sender


def test_a_unix_socket_may_have_its_name_chosen(bench: Bench) -> None:
    """Autobind: an abstract name of five hexadecimal digits (unix(7))."""
    sock = bench.socket(UNIX, UDP)
    sock.bind("")
    name = sock.getsockname()
    assert len(name) == 6
    assert name[:1] == b"\0"


def test_a_unix_datagram_to_nobody_is_refused_at_once(bench: Bench) -> None:
    sender = bench.socket(UNIX, UDP)
    assert refuses(sender.sendto, b"x", bench.path("nobody")) == errno.ENOENT
    assert refuses(sender.sendto, b"x", "\0sockrun-nobody") == errno.ECONNREFUSED
    gone = bench.socket(UNIX, UDP)
    gone.bind(bench.path("gone"))
    gone.close()
    assert refuses(sender.sendto, b"x", bench.path("gone")) == errno.ECONNREFUSED


def test_a_connected_unix_sender_is_told_that_its_peer_has_gone(bench: Bench) -> None:
    receiver, sender = bench.socket(UNIX, UDP), bench.socket(UNIX, UDP)
    receiver.bind(bench.path())
    sender.connect(bench.path())
    sender.send(b"x")
    receiver.close()
    assert refuses(sender.send, b"x") == errno.ECONNREFUSED


def test_a_unix_datagram_waits_where_the_receiver_has_no_room(bench: Bench) -> None:
    """Nothing is lost: the sender has to wait (unix(7)), and can once the receiver has read."""
    receiver, sender = bench.socket(UNIX, UDP), bench.socket(UNIX, UDP)
    receiver.bind(bench.path())
    sender.connect(bench.path())
    sent = 0
    with suppress(BlockingIOError):
        while True:
            sender.send(bytes([sent % 251]) * 500)
            sent += 1
    assert 1 <= sent < 100_000
    bench.nothing(sender, WRITE)
    for number in range(sent):
        assert datagram(receiver)[0] == bytes([number % 251]) * 500
    bench.comes(sender, WRITE)
    assert sender.send(b"x") == 1


def test_a_connected_unix_socket_hears_its_peer_only(bench: Bench) -> None:
    """Others are told that they may not (EPERM, unix(7))."""
    one, other, stranger = (bench.socket(UNIX, UDP) for _ in range(3))
    one.bind(bench.path("one"))
    other.bind(bench.path("other"))
    one.connect(bench.path("other"))
    assert refuses(stranger.sendto, b"x", bench.path("one")) == errno.EPERM
    other.sendto(b"x", bench.path("one"))
    bench.comes(one)


def test_a_unix_datagram_that_is_too_long(bench: Bench) -> None:
    receiver, sender = bench.socket(UNIX, UDP), bench.socket(UNIX, UDP)
    receiver.bind(bench.path())
    assert refuses(sender.sendto, bytes(1_000_000), bench.path()) == errno.EMSGSIZE


# --- closed sockets and options -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
def test_a_closed_socket_has_no_number(bench: Bench, kind: int) -> None:
    sock = bench.socket(kind=kind)
    assert sock.fileno() >= 0
    sock.close()
    sock.close()
    assert sock.fileno() == -1


def test_a_socket_knows_what_it_is(bench: Bench) -> None:
    for family in (V4, V6, UNIX):
        for kind in (TCP, UDP):
            sock = bench.socket(family, kind)
            assert (sock.family, sock.type) == (family, kind)


def test_an_option_that_is_unknown_is_refused(bench: Bench) -> None:
    """What the system refuses on the one network must not pass on the other."""
    sock = bench.socket()
    assert refuses(sock.setsockopt, socket.IPPROTO_IP, socket.IP_TTL, 256) == errno.EINVAL
    assert refuses(sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_MAXSEG, 40_000) == errno.EINVAL


def test_reserved_ports_are_free_for_both_protocols(bench: Bench) -> None:
    port = bench.system.reserve()
    assert bench.bound(port=port).getsockname()[1] == port
    assert bench.bound(kind=UDP, port=port).getsockname()[1] == port
    assert bench.system.bound("udp", port)
    bench.system.release(port)


def test_the_protocol_is_one(bench: Bench) -> None:
    """mypy holds that both satisfy `Socket`; this, that nobody forgot to say so."""
    sock: Socket = bench.socket()
    assert sock.fileno() >= 0
