"""Who is at the other end: from the addresses that both ends have noted, else from what the file says.

The one theory: a conversation is known by its client's end, since every server's copy has one connection and a client
may have many, one after the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from sockrun.commands import Address, Connect
from sockrun.records import NamedTuple
from sockrun.results import Connection, Party, Trace

OUTSIDE = "outside"


class End(NamedTuple):
    """One end of a conversation: the copy that has it, and which of its connections it is, from 0."""

    name: str
    number: int = 0


class Peers:
    """Who speaks to whom; `meet` moves a client on to its next connection."""

    def __init__(self, parties: Sequence[Party], connections: Sequence[Connection], trace: Sequence[Trace]) -> None:
        self._parties = {party.name: party for party in parties}
        self._ends: dict[End, Connection] = {}
        self._passages = [one for one in connections if self._side(one.role) == "proxy" and not one.listens]
        self._listening = {one.role: one.local for one in connections if one.listens}
        counts: Counter[str] = Counter()
        for one in connections:
            if self._side(one.role) != "proxy" and not one.listens:
                self._ends[End(one.role, counts[one.role])] = one
                counts[one.role] += 1
        told = Counter(entry.role for entry in trace if isinstance(entry.command, Connect) and entry.event is None)
        self._number = {name: count - told[name] - 1 for name, count in counts.items() if self.is_client(name)}
        self._others: dict[End, End] = {}
        self._pair()

    def _side(self, name: str) -> str:
        party = self._parties.get(base(name))
        return OUTSIDE if party is None else party.side

    def is_client(self, name: str) -> bool:
        return self._side(name) == "client"

    def plays(self, name: str) -> bool:
        """Whether it is a role that is played, so that all it does is told."""
        return self._side(name) in ("client", "server")

    def is_proxy(self, name: str) -> bool:
        return self._side(name) == "proxy"

    # --- streams ---

    def _pair(self) -> None:
        """Each server's end and the client's: by address, those on unix paths in order."""
        clients = {one.local: end for end, one in self._ends.items() if self.is_client(end.name) and _named(one.local)}
        unnamed: dict[Address | None, list[End]] = defaultdict(list)
        for end, one in self._ends.items():
            if self.is_client(end.name) and not _named(one.local):
                unnamed[one.peer].append(end)
        for end, one in self._ends.items():
            if self.is_client(end.name):
                continue
            client = clients.get(self._came_from(one.peer)) if _named(one.peer) else None
            if client is None and unnamed.get(one.local) and not _named(one.peer):
                client = unnamed[one.local].pop(0)
            if client is not None:
                self._others[end], self._others[client] = client, end

    def _came_from(self, peer: Address | None) -> Address | None:
        """The client's address, where the server sees that of a proxy."""
        for _ in self._passages:
            behind = next((one for one in self._passages if one.local == peer), None)
            if behind is None:
                break
            peer = behind.peer
        return peer

    def meet(self, name: str) -> None:
        """The client's next connection is there."""
        self._number[name] = self._number.get(name, -1) + 1

    def end(self, name: str) -> End:
        """The present end of somebody."""
        return End(name, max(0, self._number.get(name, 0)))

    def conversation(self, name: str) -> End:
        """The same for both ends."""
        end = self.end(name)
        return end if self.is_client(name) else self._others.get(end, end)

    def other(self, name: str) -> str | None:
        """Who is at the other end, as far as that is known."""
        other = self._others.get(self.end(name))
        return other.name if other is not None else self.turned_to(name)

    def turned_to(self, name: str) -> str | None:
        """Who it should be, as the file has it."""
        party = self._parties.get(base(name))
        if party is None:
            return None
        if party.to is not None:
            return self.behind(party.to)
        connection = self._ends.get(self.end(name))
        listening = self.listening(connection.peer) if connection is not None and connection.peer is not None else None
        if listening is not None and self.is_client(name):
            return listening
        wanted = ("outside", "process") if self.is_client(name) else ("client", "outside", "process")
        turning = [one for one in self._parties.values() if one.to is not None and self.behind(one.to) == party.name]
        others = turning or [one for one in self._parties.values() if one.side in wanted and one.to is None]
        strangers = [one for one in others if one.side in ("outside", "process")] or others
        return strangers[0].name if len(strangers) == 1 else None

    def behind(self, name: str) -> str:
        """The server behind proxies."""
        for _ in self._parties:
            party = self._parties.get(name)
            if party is None or party.side != "proxy" or party.to is None:
                break
            name = party.to
        return name

    def proxy(self, name: str) -> str | None:
        """The proxy that a client turns to."""
        party = self._parties.get(base(name))
        to = self._parties.get(party.to) if party is not None and party.to is not None else None
        return to.name if to is not None and to.side == "proxy" else None

    # --- datagrams ---

    def is_datagram(self, name: str) -> bool:
        party = self._parties.get(base(name))
        return party is not None and party.datagram

    def at(self, address: Address, by: str) -> str | None:
        """Who hears datagrams that `by` sends to this address: of several the one who speaks to that alone."""
        own = self._ends.get(self.end(by))
        found = [
            (end.name, one.peer is not None and own is not None and self._came_from(one.peer) == own.local)
            for end, one in self._ends.items()
            if one.local is not None and end.name != by and self.is_datagram(end.name) and _same(one.local, address)
        ]
        return next((name for name, its_own in found if its_own), found[0][0] if found else self.listening(address))

    def listening(self, address: Address) -> str | None:
        """The role that listens or refuses there; behind a proxy its target."""
        for name, local in self._listening.items():
            if local is not None and _same(local, address):
                return self.behind(name)
        return None

    def destination(self, name: str) -> str | None:
        """Who a datagram without an address goes to, as far as that is known before any came."""
        one = self._ends.get(self.end(name))
        found = self.at(one.peer, name) if one is not None and one.peer is not None else None
        return found or self.other(name)


def base(name: str) -> str:
    """The role of a copy."""
    return name.partition("[")[0]


def _named(address: Address | None) -> bool:
    """A client on a unix path has no name (unix(7))."""
    return address is not None and bool(address.host)


def _same(bound: Address, address: Address) -> bool:
    return bound == address or (bound.port == address.port and bound.host in ("0.0.0.0", "::") and not address.path)
