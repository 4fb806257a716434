"""Which keys and which steps are for which roles: two tables, for `defaults` and for the checks.

`defaults` fill in a key only where it applies; a role that says one where it does not is told why.
"""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.records import NamedTuple


class Kind(NamedTuple):
    """What decides which keys a role may have."""

    protocol: str
    side: str
    datagram: bool


class Limit(NamedTuple):
    """The roles that a key is for; an empty set means all. `instead` tells the others what to do."""

    sides: frozenset[str] = frozenset()
    protocols: frozenset[str] = frozenset()
    streams_only: bool = False
    instead: str | None = None


_SERVER, _CLIENT = frozenset({"server"}), frozenset({"client"})
_PLAYED = _SERVER | _CLIENT
_INTERNET = frozenset({"tcp", "udp"})

ROLE_KEYS: Mapping[str, Limit] = {
    "datagram": Limit(protocols=frozenset({"unix"}), instead="udp always carries datagrams, tcp never does"),
    "host": Limit(protocols=_INTERNET, instead="a unix socket has a 'path'"),
    "port": Limit(protocols=_INTERNET, instead="a unix socket has a 'path'"),
    "path": Limit(protocols=frozenset({"unix"}), instead="give 'host' and 'port'"),
    "to": Limit(frozenset({"client", "proxy"}), instead="a server says where it listens: 'host', 'port' or 'path'"),
    "local_host": Limit(_CLIENT, _INTERNET, instead="a server's own address is 'host' and 'port'"),
    "local_port": Limit(_CLIENT, _INTERNET, instead="a server's own address is 'host' and 'port'"),
    "retry_for": Limit(_CLIENT, streams_only=True, instead="only the client of a stream is refused when it connects"),
    "payload": Limit(_PLAYED),
    "expect": Limit(_PLAYED),
    "steps": Limit(_PLAYED),
    "finally": Limit(_PLAYED),
    "framing": Limit(streams_only=True, instead="a datagram is a message already: leave 'framing' out"),
    "connections": Limit(_SERVER, instead="for several copies of a client say 'instances'"),
    "instances": Limit(_CLIENT, instead="for several connections to a server say 'connections'"),
    "hold": Limit(_PLAYED),
    "listen": Limit(_SERVER, instead="only a server listens"),
    "tls": Limit(_PLAYED, frozenset({"tcp", "unix"}), streams_only=True, instead="TLS runs over a stream"),
    "network": Limit(frozenset({"proxy"}), instead="put a role with 'side: proxy' between the two"),
}


STEPS: Mapping[str, Limit] = {
    "connect": Limit(_CLIENT, instead="a server serves the next connection with 'connections'"),
    "expect_refused": Limit(_CLIENT, instead="only a client is refused; to refuse, say 'listen: false'"),
    "reset": Limit(protocols=frozenset({"tcp"}), instead="only tcp has a reset: use 'close'"),
    "expect_reset": Limit(protocols=frozenset({"tcp"}), instead="only tcp has a reset: use 'expect_close'"),
    "starttls": Limit(protocols=frozenset({"tcp", "unix"}), streams_only=True, instead="TLS runs over a stream"),
    "expect_tls": Limit(protocols=frozenset({"tcp", "unix"}), streams_only=True, instead="TLS runs over a stream"),
    "shutdown": Limit(streams_only=True, instead="a datagram socket has no end to tell: leave it out"),
    "expect_close": Limit(streams_only=True, instead="a datagram peer never says that it ends: use 'expect_silence'"),
}


def obstacle(word: str, limit: Limit, kind: Kind) -> str | None:
    """Why a role of this kind cannot have this key or step, in a few words; None where it can."""
    if limit.sides and kind.side not in limit.sides:
        return f"{word!r} is not for a {kind.side}"
    if limit.protocols and kind.protocol not in limit.protocols:
        return f"{word!r} is not for {kind.protocol}"
    if limit.streams_only and kind.datagram:
        return f"{word!r} is not for datagrams"
    return None
