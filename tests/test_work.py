"""How much is asked of the system, counted: a step that costs one call more is seen here, on a machine of any speed."""

from __future__ import annotations

import selectors
import socket
from collections import Counter
from typing import Any

import pytest

from benchmarks import scenarios
from sockrun.network.kernel import Kernel
from sockrun.network.loop import FAIRNESS
from sockrun.network.system import OperatingSystem
from sockrun.playing.runner import Runner
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


def test_many_bytes_are_received_as_they_were_sent() -> None:
    """64 kB at a time: what is received in smaller pieces costs as many calls more."""
    calls = calls_of(scenarios.bulk(64 * 65_536))
    assert calls["send"] <= 64 + ONCE
    assert calls["receive"] <= 64 + ONCE
