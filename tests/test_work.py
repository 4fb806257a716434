"""How much is asked of the system, and how many bytes are looked at, counted: a step that costs one call more is seen
here, on a machine of any speed."""

from __future__ import annotations

import selectors
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import scenarios
from sockrun.commands import Match, Matcher
from sockrun.network.kernel import Kernel
from sockrun.network.loop import FAIRNESS
from sockrun.network.system import OperatingSystem
from sockrun.playing.runner import Runner
from sockrun.wire import frames
from tests.matching_tools import matcher
from tests.peers import passes
from tests.playing import programs

ROUNDS = 500
ONCE = 20  # calls that a scenario costs however long it is: connecting, a look that finds nothing, the end


class Counted(socket.socket):
    """A socket that counts what is asked of the system."""

    calls: Counter[str]

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls["accept"] += 1
        accepted, address = super().accept()
        return counted(self.calls, accepted.family, accepted.type, accepted.detach()), address

    def recv(self, *given: Any) -> bytes:
        self.calls["receive"] += 1
        return super().recv(*given)

    def recvfrom(self, *given: Any) -> tuple[bytes, Any]:
        self.calls["receive"] += 1
        return super().recvfrom(*given)

    def send(self, *given: Any) -> int:
        self.calls["send"] += 1
        return super().send(*given)

    def sendto(self, *given: Any) -> int:
        self.calls["send"] += 1
        return super().sendto(*given)


def counted(calls: Counter[str], family: int, kind: int, number: int | None = None) -> Counted:
    made = Counted(family, kind, 0, number)
    made.calls = calls
    return made


class CountedSelector(selectors.DefaultSelector):
    def __init__(self, calls: Counter[str]) -> None:
        super().__init__()
        self._calls = calls

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._calls["select"] += 1
        return super().select(timeout)

    def register(self, *given: Any) -> selectors.SelectorKey:
        self._calls["interest"] += 1
        return super().register(*given)

    def modify(self, *given: Any) -> selectors.SelectorKey:
        self._calls["interest"] += 1
        return super().modify(*given)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._calls["interest"] += 1
        return super().unregister(fileobj)


class CountedSystem(OperatingSystem):
    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        super().__init__(CountedSelector(self.calls))

    def socket(self, family: int, kind: int) -> Counted:  # type: ignore[override]
        return counted(self.calls, family, kind)


def calls_of(text: str) -> Counter[str]:
    """What a scenario that passes asks of the system."""
    system = CountedSystem()
    network = Kernel(system=system)
    try:
        (result,) = Runner(network).run(programs(text))
    finally:
        network.close()
    passes(result)
    return system.calls


@pytest.mark.parametrize("text", [scenarios.exchange(1, ROUNDS), scenarios.datagrams(ROUNDS)], ids=["tcp", "udp"])
def test_a_round_trip_is_two_sends_and_two_receives_and_nothing_else(text: str) -> None:
    """The peer is in this process, so that nothing is received on suspicion, and no selector asked in between."""
    calls = calls_of(text)

    assert calls["send"] == 2 * ROUNDS
    assert calls["receive"] <= 2 * ROUNDS + ONCE
    assert calls["interest"] <= ONCE
    assert calls["select"] <= 4 * ROUNDS / FAIRNESS + ONCE


@pytest.mark.parametrize("name", ["send", "receive", "accept", "interest", "select"])
def test_twice_the_connections_ask_twice_as_much(name: str) -> None:
    few, many = (calls_of(scenarios.exchange(number, 3))[name] for number in (50, 100))
    assert many <= 2 * few + ONCE


class Looked(bytearray):
    """Unread bytes that count how many of them are looked at."""

    looked = 0

    def find(self, wanted: Any, start: Any = 0, end: Any = None) -> int:
        self.looked += len(range(*slice(start, end).indices(len(self))))
        return super().find(wanted, start, end)

    def startswith(self, wanted: Any, *given: Any) -> bool:
        self.looked += len(wanted)
        return super().startswith(wanted, *given)

    def __getitem__(self, at: Any) -> Any:
        self.looked += len(range(*at.indices(len(self)))) if isinstance(at, slice) else 1
        return super().__getitem__(at)


FROM_HEADER = frames.LengthInHeader(2, lambda header: int.from_bytes(header, "big"), 0)


def framed(cut: Callable[[], frames.Cut]) -> Matcher:
    return frames.FramedMatcher(cut, matcher("{any: true}", message=True))


def looked_at(wanted: Matcher, stream: bytes) -> int:
    """How many bytes, when they come one by one and the last of them is the end of a match."""
    reader, buffer = wanted.reader(), Looked()
    for byte in stream[:-1]:
        buffer.append(byte)
        assert reader.feed(buffer, False) is None
    buffer.append(stream[-1])
    assert isinstance(reader.feed(buffer, False), Match)
    return buffer.looked


@pytest.mark.parametrize(
    ("wanted", "stream"),
    [
        (matcher('{contains: "\\r\\n"}'), b"x" * 8_000 + b"\r\n"),
        (matcher("{length: 8000}"), b"x" * 8_000),
        (matcher("{length: 100000}"), b"x" * 100_000),
        (framed(lambda: frames.Delimited(b"\r\n", "CR LF", 100_000)), b"x" * 8_000 + b"\r\n"),
        (framed(lambda: frames.Counted(FROM_HEADER, 100_000)), b"\x1f\x40" + b"x" * 8_000),
    ],
    ids=["a delimiter", "a length", "a length that is only counted", "lines", "a length in a header"],
)
def test_bytes_that_come_one_by_one_are_looked_at_a_few_times_each(wanted: Matcher, stream: bytes) -> None:
    assert looked_at(wanted, stream) <= 4 * len(stream)


def test_many_bytes_are_received_as_they_were_sent() -> None:
    """64 kB at a time: what is received in smaller pieces costs as many calls more."""
    calls = calls_of(scenarios.bulk(64 * 65_536))
    assert calls["send"] <= 64 + ONCE
    assert calls["receive"] <= 64 + ONCE
