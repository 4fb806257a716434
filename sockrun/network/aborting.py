"""What it takes to abort a TCP connection, and to know that nothing is lost by it."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockrun.network.system import Socket


def all_left(sock: socket.socket) -> bool:
    """Whether all that was sent has been acknowledged (SIOCOUTQ, tcp(7)); True where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return True
    queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return queued == bytes(4)


def reset_on_close(sock: Socket) -> None:
    """Closing it sends RST instead of FIN (SO_LINGER 0, RFC 9293 section 3.10.5)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def has_unread(sock: object) -> bool:
    """Whether something was received and not read, so that closing it aborts (FIONREAD, tcp(7))."""
    if not isinstance(sock, socket.socket):
        return False  # a simulated one: all its peers are ours
    return fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0" * 4) != bytes(4)
