"""What a bad network does in one direction, without a socket or a clock: nothing but its faults."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.network.link import HELD_BACK, ROOM, DatagramLink, End, Link, StreamLink
from sockrun.program import Corrupt, Faults

LAW = settings(max_examples=60)
Left = list[tuple[float, bytes | End]]


def stream(**faults: Any) -> StreamLink:
    return StreamLink(Faults(**faults), Random(0))


def datagrams(seed: int = 0, **faults: Any) -> DatagramLink:
    return DatagramLink(Faults(**faults), Random(seed))


def passed(link: Link, *arrivals: tuple[float, bytes]) -> Left:
    """What leaves and when, for what comes and when; looked at in each moment that the link names."""
    left: Left = []
    for moment, data in arrivals:
        left += until(link, moment)
        link.take(data, moment)
    return [*left, *until(link, inf, arrivals[-1][0] if arrivals else 0.0)]


def until(link: Link, end: float, now: float = 0.0) -> Iterator[tuple[float, bytes | End]]:
    while (moment := now + link.wait(now)) <= end and moment < inf:
        now = moment
        while (what := link.leave(now)) is not None:
            yield now, what
        now += 1e-9  # a sum of floats may lie a hair before the moment


def data_of(left: Left) -> bytes:
    return b"".join(what for _, what in left if isinstance(what, bytes))


PIECES = st.lists(st.tuples(st.floats(0, 0.01), st.binary(min_size=1, max_size=300)), min_size=1, max_size=12)


@LAW
@given(PIECES, st.floats(0, 0.1), st.floats(0, 0.1), st.sampled_from([None, 1000.0, 1e6]), st.integers(1, 50))
def test_a_slow_stream_loses_and_reorders_no_byte(
    pieces: list[tuple[float, bytes]], latency: float, jitter: float, bandwidth: float | None, segment: int
) -> None:
    link = stream(latency=latency, jitter=jitter, bandwidth=bandwidth, segment=segment)
    moment, arrivals = 0.0, []
    for gap, data in pieces:
        moment += gap
        arrivals.append((moment, data))
    left = passed(link, *arrivals)
    assert data_of(left) == b"".join(data for _, data in pieces)
    assert [moment for moment, _ in left] == sorted(moment for moment, _ in left)
    assert link.idle
    assert not link.full


@LAW
@given(st.binary(max_size=400), st.integers(1, 9), st.integers(0, 500))
def test_a_cut_comes_behind_exactly_so_many_bytes(data: bytes, segment: int, after: int) -> None:
    left = passed(stream(segment=segment, reset_after=after), (0.0, data))
    assert data_of(left) == data[:after]
    assert ("reset_after" in [what for _, what in left]) == (len(data) >= after)
    assert "reset_after" not in [what for _, what in left[:-1]]


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"close_after": 3, "reset_after": 5}, "close_after"),
        ({"close_after": 5, "reset_after": 3}, "reset_after"),
        ({"close_after": 3, "reset_after": 3}, "reset_after"),
    ],
)
def test_of_two_cuts_the_first_happens(faults: dict[str, int], kind: str) -> None:
    left = [what for _, what in passed(stream(**faults), (0.0, b"abcdef"))]
    assert left == [b"abc", kind]


def test_segments_have_their_size_and_the_rest_is_shorter() -> None:
    assert [what for _, what in passed(stream(segment=3), (0.0, b"abcdefgh"))] == [b"abc", b"def", b"gh"]


def test_bandwidth_is_kept_over_all_pieces() -> None:
    """1,000 bytes at 1,000 bytes a second take a second, and half of them half of it; latency comes once on top."""
    left = passed(stream(bandwidth=1000.0, latency=2.0), (0.0, bytes(1000)))
    assert left[-1][0] == pytest.approx(3.0)
    assert len([moment for moment, _ in left if moment <= 2.5]) == pytest.approx(len(left) / 2, abs=1)


def test_latency_of_pieces_under_way_is_not_added_up() -> None:
    left = passed(stream(latency=1.0), (0.0, b"a"), (0.5, b"b"))
    assert [(round(moment, 3), what) for moment, what in left] == [(1.0, b"a"), (1.5, b"b")]


def test_the_end_waits_behind_the_bytes() -> None:
    link = stream(latency=1.0, jitter=1.0)
    link.take(b"last", 0.0)
    link.end("fin", 0.0)
    link.take(b"too late", 0.0)
    assert [what for _, what in until(link, inf)] == [b"last", "fin"]


def test_one_byte_is_changed_wherever_the_stream_is_split() -> None:
    for split in range(6):
        link = stream(corrupt=Corrupt(3, 0x20))
        assert data_of(passed(link, (0.0, b"abcdef"[:split]), (0.0, b"abcdef"[split:]))) == b"abcDef"


def test_a_link_that_holds_much_takes_no_more() -> None:
    link = stream(latency=1.0)
    link.take(bytes(ROOM - 1), 0.0)
    assert not link.full
    link.take(b"x", 0.0)
    assert link.full
    passed(link)
    assert not link.full


# --- datagrams ---------------------------------------------------------------------------------

TEN = [(0.001 * n, bytes([n])) for n in range(10)]


def test_a_good_link_hands_each_datagram_on_as_it_came() -> None:
    assert passed(datagrams(), *TEN) == TEN


def test_a_total_loss_lets_nothing_through_and_is_told() -> None:
    told: list[str] = []
    assert passed(DatagramLink(Faults(loss=1.0), Random(0), told.append), (0.0, b"abc")) == []
    assert told == ["loses a datagram of 3 bytes"]


def test_a_duplicate_arrives_twice() -> None:
    assert [what for _, what in passed(datagrams(duplicate=1.0), (0.0, b"a"), (1.0, b"b"))] == [b"a", b"a", b"b", b"b"]


def test_a_reordered_datagram_leaves_behind_the_next_one() -> None:
    assert [what for _, what in passed(datagrams(reorder=1.0), *TEN[:4])] == [b"\1", b"\0", b"\3", b"\2"]


def test_a_reordered_datagram_with_none_behind_it_leaves_alone() -> None:
    ((moment, what),) = passed(datagrams(reorder=1.0), (0.0, b"a"))
    assert moment == pytest.approx(HELD_BACK)
    assert what == b"a"


def test_each_datagram_has_a_byte_changed_if_it_is_long_enough() -> None:
    left = passed(datagrams(corrupt=Corrupt(1, 0xFF)), (0.0, b"a"), (0.1, b"\0\0"), (0.2, b"\0\0\0"))
    assert [what for _, what in left] == [b"a", b"\0\xff", b"\0\xff\0"]


@LAW
@given(st.integers(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.1))
def test_a_seed_repeats_what_is_random(seed: int, loss: float, duplicate: float, reorder: float, jitter: float) -> None:
    faults = {"loss": loss, "duplicate": duplicate, "reorder": reorder, "jitter": jitter}
    assert passed(datagrams(seed, **faults), *TEN) == passed(datagrams(seed, **faults), *TEN)


@LAW
@given(st.integers(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.1))
def test_without_loss_each_datagram_arrives(seed: int, duplicate: float, reorder: float, jitter: float) -> None:
    link = datagrams(seed, duplicate=duplicate, reorder=reorder, jitter=jitter)
    assert {what for _, what in passed(link, *TEN)} == {what for _, what in TEN}
    assert link.idle
