"""Which addresses a run may use: loopback, and those that whoever started it has allowed.

A scenario file may come from anywhere, and must not make this machine talk to the network by itself. An
address counts as what it resolves to; 0.0.0.0 and :: (all interfaces), broadcast and multicast lie beyond
loopback, whatever interface they use. Numeric addresses are judged without the `ipaddress` module, whose
import costs a run more than all that it would judge.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from functools import cached_property

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused

LOOPBACK_BROADCAST = "127.255.255.255"


def is_loopback(host: str) -> bool:
    """Of a numeric address: 127.0.0.0/8 (RFC 1122 section 3.2.1.3), ::1 (RFC 4291 section 2.5.3)."""
    if ":" not in host:
        return host.startswith("127.") and host != LOOPBACK_BROADCAST
    host = _canonical(host)
    return host == "::1" or (host.startswith("::ffff:") and is_loopback(host.removeprefix("::ffff:")))


class Guard:
    """`allowed`: hosts, by name or address. `untrusted`: nobody is a peer who is no role."""

    def __init__(self, allowed: Iterable[str] = (), *, untrusted: bool = False) -> None:
        self._named = tuple(allowed)
        self.untrusted = untrusted

    def check(self, written: str, numeric: Address) -> None:
        """Hold that the address may be used. Raises: EnvironmentRefused."""
        host = numeric.host
        if numeric.path or is_loopback(host) or _canonical(host) in self._allowed:
            return
        resolved = "" if written == host else f" (it resolves to {host})"
        raise EnvironmentRefused(f"{written} is beyond loopback{resolved}: allow it with `--allow-host {written}`")

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(host for name in self._named for host in _addresses_of(name))


def _addresses_of(name: str) -> Iterable[str]:
    """All that a host stands for. Raises: EnvironmentRefused."""
    try:
        return [_canonical(str(found[4][0])) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise EnvironmentRefused(f"--allow-host {name}: the host cannot be resolved: {reason}") from None


def _canonical(host: str) -> str:
    """One spelling for each address, without a zone."""
    if ":" not in host:
        return host
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, host.partition("%")[0]))
