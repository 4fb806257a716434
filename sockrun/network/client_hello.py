"""The application protocols that a client offers, read from its ClientHello (RFC 8446 section 4.1.2, RFC 7301).

The ssl module does not tell a server what was offered, and goes on without a protocol where none fits. The bytes
have been read by OpenSSL without complaint when this looks at them.
"""

from __future__ import annotations

HANDSHAKE = 22  # the type of a record
ALPN = 16  # the number of the extension
RECORD_HEADER, MESSAGE_HEADER = 5, 4
VERSION_AND_RANDOM = 2 + 32


def application_protocols(data: bytes) -> tuple[str, ...]:
    """The names offered, the client's favourite first; none where there is no such extension."""
    try:
        return tuple(_names(_extensions(_message(data)).get(ALPN, b"")))
    except (IndexError, ValueError):
        return ()


def _message(data: bytes) -> bytes:
    """The records' content, put together: a ClientHello may be longer than one."""
    content = b""
    while len(data) > RECORD_HEADER and data[0] == HANDSHAKE:
        end = RECORD_HEADER + int.from_bytes(data[3:RECORD_HEADER])
        content, data = content + data[RECORD_HEADER:end], data[end:]
    return content


def _extensions(message: bytes) -> dict[int, bytes]:
    rest = message[MESSAGE_HEADER + VERSION_AND_RANDOM :]
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        _, rest = _vector(rest, size)
    block, _ = _vector(rest, 2)
    found = {}
    while block:
        content, behind = _vector(block[2:], 2)
        found[int.from_bytes(block[:2])] = content
        block = behind
    return found


def _names(extension: bytes) -> list[str]:
    names, found = _vector(extension, 2)[0] if extension else b"", []
    while names:
        name, names = _vector(names, 1)
        found.append(name.decode("ascii", "replace"))
    return found


def _vector(data: bytes, size: int) -> tuple[bytes, bytes]:
    """A vector whose length is said in `size` bytes (RFC 8446 section 3.4), and what is behind it."""
    end = size + int.from_bytes(data[:size])
    if len(data) < max(size, end):
        raise ValueError("the vector is cut off")
    return data[size:end], data[end:]
