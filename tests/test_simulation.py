"""The simulated network plays what the real one plays: the same verdicts, transcripts and words, and no time passes."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sockrun.compiling.loading import load_text
from sockrun.network.kernel import Kernel
from sockrun.network.simulated.conditions import PLAIN, Conditions, Plain
from sockrun.playing.runner import Runner
from sockrun.playing.simulation import Simulation, Simulator
from sockrun.program import Faults, Program
from sockrun.reporters.transcript import describe, transcript
from sockrun.results import Result, Trace
from tests.peers import datagrams, failure, pair, passes
from tests.playing import example as example_named
from tests.playing import programs
from tests.test_examples import EXAMPLES

SEEDS = 1000
FEWER = {"many_clients": 25, "smtp_starttls": 100, "tls_matrix": 25}  # 200 connections each, and cryptography
AT_ONCE = 250  # seeds that one test plays, so that they spread over the processor's cores


def simulated(text: str, seed: int = 0, conditions: Conditions = PLAIN) -> Result:
    (program,) = programs(text)
    return Simulation(program, seed, conditions).run()


def on_sockets(program: Program) -> tuple[Result, list[Trace]]:
    network = Kernel()
    entries: list[Trace] = []
    try:
        (result,) = Runner(network, watcher=lambda _, entry: entries.append(entry)).run([program])
    finally:
        network.close()
    return result, entries


def in_memory(program: Program, seed: int = 0, conditions: Conditions = PLAIN) -> tuple[Result, list[Trace]]:
    entries: list[Trace] = []
    result = Simulation(program, seed, conditions, lambda _, entry: entries.append(entry)).run()
    return result, entries


# --- the examples ---------------------------------------------------------------------------------


def _portions() -> Iterable[tuple[str, int, int]]:
    for name in EXAMPLES:
        seeds = FEWER.get(name, SEEDS)
        yield from ((name, first, min(first + AT_ONCE, seeds)) for first in range(0, seeds, AT_ONCE))


@pytest.mark.parametrize(("name", "first", "end"), list(_portions()))
def test_an_example_passes_whatever_the_seed(name: str, first: int, end: int) -> None:
    for program in example_named(name):
        for seed in range(first, end):
            result = Simulation(program, seed).run()
            assert result.passed, (seed, result.reason)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_seed_is_the_same_transcript(name: str) -> None:
    """Byte for byte, with ports and times. Where fewer seeds are played, any two give the same: more tell nothing."""
    for program in example_named(name):
        first, again, other = (list(transcript(in_memory(program, seed)[1])) for seed in (1, 1, 2))
        assert first == again
        assert first == other or name not in FEWER


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_has_the_transcript_of_real_sockets(name: str) -> None:
    """Role by role and step by step, but for times, ports and what the example takes from `random_bytes`."""
    for program in example_named(name):
        (real, real_entries), (fake, fake_entries) = on_sockets(program), in_memory(program)
        assert (real.status, fake.status) == ("passed", "passed")
        ours = by_role(fake_entries)
        ours.pop("network", None)  # what the simulated network says of itself
        assert ours == by_role(real_entries)


def by_role(entries: Iterable[Trace]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        number = entry.place.number if entry.place is not None else "-"
        found[entry.role].append(f"{number} {neutral(describe(entry))}")
    return dict(found)


def neutral(text: str) -> str:
    """Without what no two runs have in common."""
    text = re.sub(r"sockrun-\w+", "DIR", text)
    text = re.sub(r"(127,0,0,1),\d+,\d+", r"\1,PORT", text)
    return re.sub(r"(127\.0\.0\.1|localhost|\[::1\]):\d+", r"\1:PORT", text)


# --- scenarios at random --------------------------------------------------------------------------

WORDS = ["a", "bc", "def"]
WORD = st.sampled_from(WORDS)
ANYWHERE = st.one_of(
    WORD.map(lambda word: f'{{send: "{word}"}}'),
    WORD.map(lambda word: f'{{expect: "{word}"}}'),
    st.integers(1, 3).map(lambda size: f"{{expect: {{length: {size}}}}}"),
    st.sampled_from(["one", "two"]).map(lambda name: f"{{signal: {name}}}"),
    st.sampled_from(["one", "two"]).map(lambda name: f"{{wait: {name}}}"),
    st.just("{barrier: both}"),
    st.just("{pause: 1ms}"),
)
ON_STREAMS = st.one_of(ANYWHERE, st.sampled_from(["close", "shutdown", "expect_close"]))


@st.composite
def steps(draw: st.DrawFn, of: st.SearchStrategy[str]) -> str:
    """Of one role; behind its own `close` nothing more can be done."""
    drawn = draw(st.lists(of, min_size=1, max_size=5))
    if "close" in drawn:
        drawn = drawn[: drawn.index("close") + 1]
    return f"[{', '.join(drawn)}]"


@st.composite
def conversations(draw: st.DrawFn) -> tuple[str, str]:
    """The steps of two roles that belong together, one of which may be missing."""
    server: list[str] = []
    client: list[str] = []
    for word, heading in draw(st.lists(st.tuples(WORD, st.booleans()), min_size=1, max_size=5)):
        sender, receiver = (server, client) if heading else (client, server)
        sender.append(f'{{send: "{word}"}}')
        receiver.append(f'{{expect: "{word}"}}')
        if draw(st.booleans()):
            sender.append("{pause: 1ms}")
    for one in (server, client):
        if one and draw(st.integers(0, 3)) == 0:
            del one[draw(st.integers(0, len(one) - 1))]
    return f"[{', '.join(server)}]", f"[{', '.join(client)}]"


@st.composite
def scenarios(draw: st.DrawFn) -> str:
    """Two or three roles over TCP or UDP, sound ones and unsound ones."""
    udp = draw(st.booleans())
    if draw(st.booleans()):
        server, client = draw(conversations())
    else:
        of = ANYWHERE if udp else ON_STREAMS
        server, client = draw(steps(of)), draw(steps(of))
    client = client.replace("1ms", "7ms")  # two roles that pause equally long could go on in either order
    third, keys = "", "timeout: 400ms"
    if draw(st.booleans()):
        theirs = draw(steps(ANYWHERE if udp else ON_STREAMS)).replace("1ms", "13ms")
        third = f"  third: {{side: client, to: server, timeout: 400ms, steps: {theirs}}}"
    of_server = f"{keys}, connections: 2" if third else keys
    text = (datagrams if udp else pair)(server, client, of_server=of_server, of_client=keys, more=third)
    return text + "\ntimeout: 2s\n"


def valid(text: str) -> Program:
    """The program of a scenario; where the file itself is wrong there is nothing to play."""
    loaded = load_text(textwrap.dedent(text), "test.yaml")
    assume(all(found.severity != "error" for found in loaded.diagnostics))
    (program,) = loaded.programs
    return program


def verdict(result: Result) -> tuple[str, str, str]:
    kind = result.failure.kind if result.failure is not None else ""
    return result.status, kind, neutral(result.reason)


@settings(max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(scenarios())
def test_any_scenario_has_the_same_verdict_on_both_networks(text: str) -> None:
    """In the same words, a deadlock's too. Where two things go wrong within a millisecond, a busy machine may tell the
    other one first; not every time."""
    program = valid(text)
    simulated = verdict(in_memory(program)[0])
    real = [verdict(on_sockets(program)[0])]
    while simulated not in real and len(real) < 5:
        real.append(verdict(on_sockets(program)[0]))
    assert simulated in real
    assert {status for status, _, _ in real} == {simulated[0]}


class Cut(Plain):
    """Streams arrive in pieces, as they are drawn; 0 is later, with what is sent until then."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw

    def together(self, stream: int, offset: int, size: int) -> int:
        return self._draw(size)


ENDS = ["", ", shutdown", ", expect_close"]


@settings(max_examples=200)
@given(st.data(), st.lists(st.tuples(WORD, st.booleans()), min_size=1, max_size=6), st.sampled_from(ENDS))
def test_no_cut_of_a_stream_changes_the_verdict(data: st.DataObject, words: list[tuple[str, bool]], end: str) -> None:
    """Where the roles agree on what is said, however it arrives; and where one byte is wrong it fails however."""
    server = [f'{{{"send" if heading else "expect"}: "{word}"}}' for word, heading in words]
    client = [f'{{{"expect" if heading else "send"}: "{word}"}}' for word, heading in words]
    if data.draw(st.booleans(), "a wrong byte"):
        client[-1] = client[-1].replace('"}', 'X"}')
    (program,) = programs(pair(f"[{', '.join(server)}]", f"[{', '.join(client)}{end}]"))
    plain = in_memory(program)[0]
    cut = in_memory(program, conditions=Cut(lambda size: data.draw(st.integers(0, size))))[0]
    assert cut.status == plain.status, (plain.reason, cut.reason)


@settings(max_examples=100)
@given(scenarios(), st.integers(0, 3), st.integers(1, 40), st.integers(1, 9))
def test_simulated_time_never_runs_backwards(text: str, seed: int, latency: int, size: int) -> None:
    program = replace(valid(text), network=Faults(latency=latency / 1000, jitter=0.01, segment=size, reorder=0.5))
    _, entries = in_memory(program, seed)
    moments = [entry.seconds for entry in entries]
    assert moments == sorted(moments)
    assert all(moment >= 0 for moment in moments)


PIECES = st.lists(st.binary(min_size=1, max_size=120), min_size=1, max_size=4)
NETWORKS = st.builds(
    Faults,
    latency=st.sampled_from([0.0, 0.02]),
    jitter=st.sampled_from([0.0, 0.01]),
    bandwidth=st.none() | st.sampled_from([1000, 100_000]),
    segment=st.none() | st.integers(1, 50),
    buffer=st.none() | st.integers(1, 64),
)


def sent(pieces: list[bytes]) -> str:
    return ", ".join(f'{{send: {{hex: "{piece.hex()}"}}}}' for piece in pieces)


def taken(pieces: list[bytes]) -> str:
    """All of it, whatever the pieces; and the end comes behind."""
    whole = b"".join(pieces)
    return f'{{expect: {{length: {len(whole)}, sha256: "{sha256(whole).hexdigest()}"}}}}, expect_close'


@settings(max_examples=150)
@given(st.data(), NETWORKS, PIECES, PIECES, st.sampled_from(["protocol: tcp", 'protocol: unix, path: "${dir}/s"']))
def test_no_byte_is_lost_or_made_up(
    data: st.DataObject, faults: Faults, there: list[bytes], back: list[bytes], protocol: str
) -> None:
    """Whatever `network` says of a stream, and however its bytes are cut; back and forth, and at the same time."""
    if data.draw(st.booleans(), "at the same time"):
        server = f"[{sent(there)}, shutdown, {taken(back)}]"
        client = f"[{sent(back)}, shutdown, {taken(there)}]"
        faults = replace(faults, buffer=None)  # each sends first: with small buffers nobody would read
    else:
        server = f"[{sent(there)}, shutdown, {taken(back)}]"
        client = f"[{taken(there)}, {sent(back)}]"
    patient = "timeout: 5m"
    text = pair(server, client, of_server=patient, of_client=patient, top="timeout: 10m")
    (program,) = programs(text.replace("protocol: tcp", protocol))
    cut = Cut(lambda size: data.draw(st.integers(0, size)))
    passes(in_memory(replace(program, network=faults), conditions=cut)[0])


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=8), st.sampled_from([0.0, 0.02]), st.none() | st.just(999))
def test_no_datagram_is_lost_or_made_up(data: list[bytes], latency: float, bandwidth: int | None) -> None:
    """Where `network` says nothing of it: each comes once, whole and in its order, and nothing comes behind them."""
    expected = ", ".join(f'{{expect: {{hex: "{one.hex()}"}}}}' for one in data)
    (program,) = programs(datagrams(f"[{expected}, {{expect_silence: 1s}}]", f"[{sent(data)}]"))
    passes(in_memory(replace(program, network=Faults(latency=latency, bandwidth=bandwidth)))[0])


# --- time -----------------------------------------------------------------------------------------


def test_a_pause_costs_nothing() -> None:
    """The clock jumps over it: it takes a few turns of the loop, as no pause would, and is shown in full."""
    (program,) = programs(
        pair('[{pause: 20s}, {send: "x"}]', '[{pause: 10s}, {expect: "x", timeout: 30s}]', top="timeout: 1m")
    )
    result = Simulation(program, turns=50).run()
    passes(result)
    assert result.seconds == pytest.approx(20)


def test_a_scenario_without_an_end_is_given_up() -> None:
    (program,) = programs(
        pair("[{repeat: 100000, steps: [{pause: 1ms}]}]", '[{expect: "x", timeout: 200s}]', top="timeout: 5m")
    )
    result = Simulation(program, turns=100).run()
    assert "comes to no end" in result.reason


def test_latency_is_seen_in_the_times() -> None:
    """A handshake and a byte there and back: two round trips (RFC 9293 section 3.5)."""
    text = pair('[{expect: "a"}, {send: "b"}]', '[{send: "a"}, {expect: "b"}]', top="network: {latency: 100ms}")
    (program,) = programs(text)
    _, entries = in_memory(program)
    (arrived,) = [entry.seconds for entry in entries if describe(entry) == '< "b"']
    assert arrived == pytest.approx(0.4)


def test_a_reset_overtakes_no_byte_and_no_end() -> None:
    """Behind a half-close as well, however long the way is."""
    text = pair(
        "[{expect: abc}, {expect_close: {reset: allow}}]",
        "[{send: abc}, shutdown, reset]",
        top="network: {latency: 50ms}",
    )
    passes(simulated(text))


def test_ctrl_c_ends_it() -> None:
    """Though the scenario keeps the loop busy; what was done by then is told, and no other is begun."""
    endless = pair("[{repeat: 100000, steps: [{pause: 1ms}]}]", '[{expect: "x", timeout: 200s}]', top="timeout: 5m")
    simulator = Simulator(watcher=lambda *_: simulator.stop())
    try:
        (result,) = simulator.run([*programs(endless), *programs(endless)])
    finally:
        simulator.close()
    assert result.status == "interrupted"
    assert result.trace


# --- what is lost ---------------------------------------------------------------------------------


def test_a_lost_datagram_is_a_deadlock_at_once() -> None:
    """Real sockets cannot know it and wait for the step's timeout; here it is known that nothing is under way."""
    result = simulated(datagrams('[{expect: "x"}]', '[{send: "x"}]') + "\nnetwork: {loss: 100%}\n")
    failure(result, "deadlock", 'server waits for "x" from client')
    assert any("loses a datagram of 1 byte" in describe(entry) for entry in result.trace)


def test_a_datagram_that_comes_twice_is_unread_the_second_time() -> None:
    failure(simulated(datagrams('[{expect: "x"}]', '[{send: "x"}]') + "\nnetwork: {duplicate: 100%}\n"), "unread")


def test_a_peer_that_does_not_read_is_told() -> None:
    """With small buffers after few bytes."""
    text = pair("[{wait: never}]", '[{send: "0123456789"}, {signal: never}]', top="network: {buffer: 4}")
    failure(simulated(text), "deadlock", "waits for room to send to server, who does not read")
