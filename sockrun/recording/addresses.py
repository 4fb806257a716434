"""Where a conversation names the server's own address: there another run has another one.

Pure. Only `host:port` counts, as in HTTP's `Host` or in a redirect, since a port alone is a number like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sockrun.commands import Address
from sockrun.recording.parts import Known, Literal, Part

_LOCAL = ("localhost",)


def known(data: bytes, servers: Sequence[Address]) -> list[Part]:
    """The bytes, with the server's addresses as what both sides can say of it."""
    return list(_split(data, _pattern(servers)))


def readdressed(data: bytes, servers: Sequence[Address], others: Sequence[Address]) -> bytes:
    """The bytes, with each of the server's addresses as the one that stands in its place in `others`."""
    if servers == others:
        return data
    found = b""
    for part in known(data, servers):
        text = part.data.decode("latin-1")
        for one, other in zip(servers, others, strict=True) if isinstance(part, Known) else ():
            if text in (one.host, str(one.port)):
                text = other.host if text == one.host else str(other.port)
                break
        found += text.encode("latin-1")
    return found


def _pattern(servers: Sequence[Address]) -> re.Pattern[bytes] | None:
    """The host is the first group where it is the server's, and the port the last."""
    ports = "|".join(sorted({str(one.port) for one in servers if not one.path}))
    if not ports:
        return None
    hosts = "|".join(sorted({re.escape(one.host) for one in servers if not one.path}))
    local = "|".join(_LOCAL)
    regex = rf"(?<![\w.])(?:(?P<host>{hosts})|\[(?P<six>{hosts})\]|{local}):(?P<port>{ports})(?!\d)"
    return re.compile(regex.encode())


def _split(data: bytes, pattern: re.Pattern[bytes] | None) -> Iterator[Part]:
    at = 0
    for found in pattern.finditer(data) if pattern is not None else ():
        for group in ("host", "six", "port"):
            start, end = found.span(group)
            if start < 0:
                continue
            if start > at:
                yield Literal(data[at:start])
            yield Known(data[start:end], f"server.{'port' if group == 'port' else 'host'}")
            at = end
    if at < len(data):
        yield Literal(data[at:])
