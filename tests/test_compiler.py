"""Steps become instructions, and what is known becomes bytes once."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.commands import (
    Address,
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Fact,
    Match,
    Mismatch,
    Receive,
    Reset,
    Send,
    SendPieces,
    Shutdown,
    Sleep,
    Tell,
)
from sockrun.compiling.endings import Anything, Nothing
from sockrun.compiling.loading import Options, load_text
from sockrun.compiling.model import VERBS
from sockrun.compiling.steps import VERBS as COMPILED
from sockrun.program import Assign, Block, Check, Do, Instruction, Make, Program, Repeat, RoleProgram, Wait
from sockrun.reading import schema
from sockrun.values import ExpressionError, Value
from tests.playing import play


class Scope:
    """Values for expressions: alone, or as 'base.attribute'."""

    def __init__(self, **values: Value) -> None:
        self.values = values

    def name(self, name: str) -> Value:
        return self.values[name]

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        return self.values[f"{base}_{attribute}"]

    def now(self) -> float:
        return 0.0

    def random_bytes(self, count: int) -> bytes:
        return bytes(count)


def program(text: str, options: Options | None = None) -> Program:
    loaded = load_text(dedent(text), "scenario.yaml", options)
    assert [d for d in loaded.diagnostics if d.severity == "error"] == []
    (found,) = loaded.programs
    return found


def role(keys: str, name: str = "it", **others: str) -> RoleProgram:
    return program(f"roles:\n  {name}:\n{indent(dedent(keys).strip(), '    ')}\n").roles[name]


def steps(text: str, protocol: str = "tcp", **options: float) -> Block:
    """The instructions of a client's steps."""
    listed = indent(dedent(text).strip(), "      ")
    scenario = f"roles:\n  it:\n    protocol: {protocol}\n    side: client\n    port: 9\n    steps:\n{listed}\n"
    return program(scenario, Options(time_scale=options.get("scale", 1.0))).roles["it"].sequences[0]


def only(block: Block) -> Instruction:
    (instruction,) = block
    return instruction


def commands(instruction: Instruction, **values: Value) -> list[Command]:
    if isinstance(instruction, Do):
        return list(instruction.commands)
    assert isinstance(instruction, Make)
    return list(instruction.make(Scope(**values)))


def sent(instruction: Instruction, **values: Value) -> list[bytes]:
    return [command.data for command in commands(instruction, **values) if isinstance(command, Send)]


# --- verbs -------------------------------------------------------------------------------------


def test_every_verb_of_the_language_is_built() -> None:
    assert set(COMPILED) == VERBS == schema.verbs()


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("- close", (Close(),)),
        ("- shutdown", (Shutdown(),)),
        ("- reset", (Reset(),)),
        ("- reset: now", (Reset(now=True),)),
        ("- pause: 50ms", (Sleep(0.05),)),
        ("- send: 'hi'", (Send(b"hi"),)),
        ("- signal: a", (Tell((Fact("signal", "a"),)),)),
        ("- signal: [a, b]", (Tell((Fact("signal", "a"), Fact("signal", "b"))),)),
    ],
)
def test_a_step_that_needs_no_value_is_made_once(step: str, wanted: tuple[Command, ...]) -> None:
    instruction = only(steps(step))
    assert isinstance(instruction, Do)
    assert instruction.commands == wanted


def test_a_wait_is_for_signals_and_a_barrier_is_known_to_its_role() -> None:
    text = """
        roles:
          server:
            protocol: tcp
            side: server
            steps: [{signal: a}, {repeat: 2, steps: [{barrier: here}]}]
          client: {side: client, to: server, steps: [{wait: a}, {barrier: here}, {barrier: here}]}
    """
    roles = program(text).roles
    first, second, _ = roles["client"].sequences[0]
    assert commands(first) == [Await((Fact("signal", "a"),))]
    assert commands(second) == [Barrier("here")]
    assert roles["server"].barriers == roles["client"].barriers == {"here"}


@pytest.mark.parametrize(
    ("step", "wanted", "matcher"),
    [
        ("expect_close", "fin", Nothing("the close")),
        ("expect_reset", "reset", Nothing("the reset")),
        ("expect_refused", "refused", Nothing("the refusal")),
    ],
)
def test_an_ending_is_awaited_as_long_as_the_timeout(step: str, wanted: str, matcher: Nothing) -> None:
    instruction = only(steps(f"- {step}:\n  timeout: 2s", scale=3.0))
    assert isinstance(instruction, Wait)
    assert instruction.wanted == wanted
    assert instruction.command == Receive(matcher, 6.0, wanted)


def test_a_close_may_be_preceded_by_bytes_and_may_be_a_reset() -> None:
    instruction = only(steps("- expect_close: {discard: true, reset: allow}"))
    assert isinstance(instruction, Wait)
    assert (instruction.discard, instruction.reset_too) == (True, True)
    assert instruction.command == Receive(Anything("the close"), 5.0, "fin")


def test_silence_and_pauses_are_no_timeouts() -> None:
    silence, pause = steps("- expect_silence: 200ms\n- pause: 1s", scale=10.0)
    assert isinstance(silence, Wait)
    assert silence.command == Receive(Nothing("the end of the silence"), 0.2, "silence")
    assert commands(pause) == [Sleep(1.0)]


def test_nothing_refuses_the_first_byte_and_leaves_it_alone() -> None:
    buffer = bytearray(b"x")
    verdict = Nothing("the close").feed(buffer, end=False)
    assert verdict is not None
    assert verdict == Mismatch("unread bytes before the close", b"x")
    assert bytes(buffer) == b"x"
    assert Nothing("the close").feed(bytearray(), end=True) is None


# --- send --------------------------------------------------------------------------------------


def test_chunks_are_cut_from_the_framed_bytes_with_a_pause_between() -> None:
    instruction = only(steps("- send: 'abcde'\n  framing: line\n  chunk: 4\n  every: 10ms"))
    assert commands(instruction) == [Send(b"abcd"), Sleep(0.01), Send(b"e\n")]


def test_without_chunks_the_pause_is_between_the_repetitions() -> None:
    instruction = only(steps("- send: 'x'\n  repeat: 3\n  every: 10ms"))
    assert commands(instruction) == [Send(b"x"), Sleep(0.01), Send(b"x"), Sleep(0.01), Send(b"x")]


@settings(max_examples=60)
@given(data=st.binary(min_size=1, max_size=40), chunk=st.integers(1, 50), repeat=st.integers(0, 4))
def test_chunks_lose_nothing_and_are_no_longer_than_asked_for(data: bytes, chunk: int, repeat: int) -> None:
    parts = sent(only(steps(f"- {{send: {{hex: {data.hex()!r}}}, chunk: {chunk}, repeat: {repeat}}}")))
    assert b"".join(parts) == data * repeat
    assert all(len(part) <= chunk for part in parts)


def test_a_long_series_is_made_as_it_is_played() -> None:
    instruction = only(steps("- send: 'x'\n  repeat: 100000"))
    assert isinstance(instruction, Make)
    assert sum(1 for _ in instruction.make(Scope())) == 100_000


def test_a_payload_of_values_is_made_when_they_are_there() -> None:
    _, instruction = steps("- set: {name: ann}\n- send: 'hi ${name}'\n  framing: line")
    assert sent(instruction, name=b"bob") == [b"hi bob\n"]


def test_a_large_unframed_payload_is_sent_in_pieces() -> None:
    (command,) = commands(only(steps("- send: {times: 100000, of: 'abc'}")))
    assert isinstance(command, SendPieces)
    pieces = list(command.pieces())
    assert b"".join(pieces) == b"abc" * 100_000
    assert max(map(len, pieces)) <= 65_536
    assert list(command.pieces()) == pieces


def test_a_payload_that_turns_out_to_be_empty_is_an_error_on_a_stream_only() -> None:
    text = "- set: {name: ann}\n- send: ${name}"
    with pytest.raises(ExpressionError, match="empty payload"):
        commands(steps(text)[1], name=b"")
    assert sent(steps(text, protocol="udp")[1], name=b"") == [b""]


def test_a_datagram_that_turns_out_too_large_is_an_error() -> None:
    instruction = steps("- set: {name: ann}\n- send: ${name}", protocol="udp")[1]
    with pytest.raises(ExpressionError, match="65,507"):
        commands(instruction, name=bytes(65_508))
    assert sent(instruction, name=bytes(65_507)) == [bytes(65_507)]


def test_a_datagram_goes_to_the_address_that_the_step_names() -> None:
    assert commands(only(steps("- send: 'x'\n  to: '[::1]:53'", "udp"))) == [Send(b"x", Address("::1", 53))]


# --- expect, values ----------------------------------------------------------------------------


def test_an_expectation_without_values_is_compiled_once() -> None:
    instruction = only(steps("- expect: 'hi'\n  as: greeting\n  timeout: 1s"))
    assert isinstance(instruction, Wait)
    assert instruction.make is None
    assert instruction.keep == "greeting"
    assert instruction.command is not None
    assert instruction.command.seconds == 1.0


def test_an_expectation_of_values_is_made_when_they_are_there() -> None:
    _, instruction = steps("- set: {name: ann}\n- expect: 'hi ${name}'")
    assert isinstance(instruction, Wait)
    assert instruction.command is None
    assert instruction.make is not None
    receive = instruction.make(Scope(name=b"bob"))
    assert receive.matcher.reader().feed(bytearray(b"hi bob"), False) is not None


def test_on_a_framed_stream_the_frame_is_taken_off() -> None:
    instruction = only(steps("- expect: 'hi'\n  framing: line"))
    assert isinstance(instruction, Wait)
    assert instruction.command is not None
    buffer = bytearray(b"hi\nmore")
    match = instruction.command.matcher.reader().feed(buffer, False)
    assert isinstance(match, Match)
    assert (match.data, bytes(buffer)) == (b"hi", b"more")


def test_set_binds_values_of_their_kind() -> None:
    instruction = only(steps("- set: {n: 0x1F, text: ann, list: [1, 2]}"))
    assert isinstance(instruction, Assign)
    assert [(name, value.evaluate(Scope())) for name, value in instruction.variables] == [
        ("n", 31),
        ("text", b"ann"),
        ("list", (1, 2)),
    ]


def test_a_check_holds_or_says_what_it_looked_at() -> None:
    _, instruction = steps("- set: {n: 1}\n- check: n > 3")
    assert isinstance(instruction, Check)
    assert instruction.test(Scope(n=4)) is None
    assert instruction.test(Scope(n=3)) is not None
    assert instruction.values(Scope(n=3)) == [("n", 3)]


def test_a_check_of_a_value_uses_a_matcher_on_the_whole_of_it() -> None:
    _, instruction = steps("- set: {n: 1}\n- check: {value: '${n}', is: {prefix: '12'}}")
    assert isinstance(instruction, Check)
    assert instruction.test(Scope(n=123)) == Match(b"123")
    mismatch = instruction.test(Scope(n=321))
    assert isinstance(mismatch, Mismatch)
    assert mismatch.received == b"321"
    assert instruction.values(Scope(n=321)) == [("${n}", 321)]


def test_steps_inside_a_repeat_are_numbered_behind_it() -> None:
    instruction = only(steps("- repeat: 2\n  steps:\n    - pause: 1s\n    - send: 'x'"))
    assert isinstance(instruction, Repeat)
    assert instruction.times.constant == 2
    assert [inner.place.number for inner in instruction.body] == ["1.1", "1.2"]


def test_a_place_tells_the_step_in_few_words() -> None:
    pause, send, note = steps(f"- pause: 50ms\n- send: '{'x' * 200}'\n- close:\n  note: enough")
    assert (pause.place.number, pause.place.label) == ("1", "pause 50ms")
    assert len(send.place.label) <= 60
    assert (note.place.label, note.place.note) == ("close", "enough")


# --- roles -------------------------------------------------------------------------------------


def test_the_short_form_of_a_client_sends_first_and_of_a_server_awaits_first() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, payload: "b", expect: "a"}
          client: {side: client, to: server, payload: "a", expect: "b"}
    """
    roles = program(text).roles
    assert [one.place.label.split()[0] for one in roles["server"].sequences[0]] == ["expect", "payload"]
    assert [one.place.label.split()[0] for one in roles["client"].sequences[0]] == ["payload", "expect"]


def test_a_client_takes_what_its_target_is() -> None:
    text = """
        roles:
          server: {protocol: unix, datagram: true, side: server, path: "${dir}/x"}
          client: {side: client, to: server}
    """
    client = program(text).roles["client"]
    assert (client.protocol, client.datagram, client.to) == ("unix", True, "server")


@pytest.mark.parametrize("own", ["port: 12321", "port: '${n}'", "host: 127.0.0.1, port: 12321"])
def test_a_client_of_a_servers_address_counts_as_to_it(own: str) -> None:
    text = f"""
        vars: {{n: 12321}}
        roles:
          server: {{protocol: tcp, side: server, port: 12321}}
          other: {{protocol: udp, side: server, port: 12321}}
          client: {{protocol: tcp, side: client, {own}}}
          stranger: {{protocol: tcp, side: client, port: 12322}}
    """
    roles = program(text).roles
    assert (roles["client"].to, roles["stranger"].to) == ("server", None)


def test_defaults_fill_in_what_a_role_does_not_say_and_can_have() -> None:
    text = """
        defaults: {protocol: tcp, timeout: 9s, framing: line, connections: 2, port: 80, payload: "x"}
        roles:
          server: {side: server, timeout: 1s, port: 0}
          client: {side: client, to: server, instances: 2, steps: []}
          packets: {side: server, protocol: udp, port: 0}
    """
    roles = program(text).roles
    assert (roles["server"].timeout, roles["client"].timeout) == (1.0, 9.0)
    assert (roles["server"].connections, roles["client"].connections) == (2, 1)
    assert sent(only(roles["server"].sequences[0])) == [b"x\n"]
    assert sent(only(roles["packets"].sequences[0])) == [b"x"]
    assert roles["client"].port is None
    assert roles["client"].sequences == ((),)


def test_defaults_may_say_whom_the_clients_connect_to() -> None:
    text = """
        defaults: {side: client, to: server}
        roles:
          server: {protocol: unix, side: server, path: "${dir}/x"}
          one: {}
          two: {protocol: udp, port: 9}
    """
    roles = program(text).roles
    assert (roles["server"].to, roles["one"].to, roles["two"].to) == (None, "server", None)
    assert (roles["one"].protocol, roles["two"].protocol) == ("unix", "udp")


def test_connections_may_each_have_steps_of_their_own() -> None:
    text = "{protocol: tcp, side: server, connections: [[{send: a}], [{send: b}, close]]}"
    found = program(f"roles: {{it: {text}}}").roles["it"]
    assert found.connections == 2
    assert [len(sequence) for sequence in found.sequences] == [1, 2]


@pytest.mark.parametrize(("written", "count"), [("any", None), ("0", 0), ("'${n}'", 3)])
def test_the_number_of_connections(written: str, count: int | None) -> None:
    text = f"vars: {{n: 3}}\nroles: {{it: {{protocol: tcp, side: server, connections: {written}}}}}"
    assert program(text).roles["it"].connections == count


def test_a_udp_server_with_connections_has_a_conversation_for_each_sender() -> None:
    text = """
        roles:
          one: {protocol: udp, side: server, connections: 2}
          two: {protocol: udp, side: server}
    """
    roles = program(text).roles
    assert (roles["one"].per_sender, roles["two"].per_sender) == (True, False)


def test_socket_options_keep_their_defaults_where_nothing_is_said() -> None:
    options = role(
        """
        protocol: tcp
        side: server
        socket: {nodelay: false, linger: 500ms, ttl: 4}
        """
    ).socket
    assert (options.nodelay, options.linger, options.ttl, options.backlog) == (False, 0.5, 4, None)


def test_a_start_waits_for_what_its_name_is() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, connections: 3}
          one: {side: client, to: server, steps: [{signal: go}]}
          two: {side: client, to: server, start: {after: one}}
          three: {side: client, to: server, start: {after: go}}
    """
    roles = program(text).roles
    assert roles["two"].start_after == (Fact("ended", "one"),)
    assert roles["three"].start_after == (Fact("signal", "go"),)


def test_connect_goes_to_the_address_its_role_has_then() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, connections: 2}
          client: {side: client, to: server, steps: [{connect: {retry_for: 1s}}]}
    """
    instruction = only(program(text).roles["client"].sequences[0])
    made = commands(instruction, server_host=b"127.0.0.1", server_port=4000)
    assert made == [Connect(Address("127.0.0.1", 4000), 1.0)]


def test_a_unix_client_connects_to_the_path_of_its_target() -> None:
    text = """
        roles:
          server: {protocol: unix, side: server, path: "${dir}/x", connections: 2}
          client: {side: client, to: server, steps: [connect]}
    """
    instruction = only(program(text).roles["client"].sequences[0])
    assert commands(instruction, server_host=b"/tmp/x") == [Connect(Address("/tmp/x", 0, True))]


def test_one_order_over_several_roles() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server}
          client: {side: client, to: server}
        steps:
          - client: {send: "a"}
          - client: {send: "b"}
          - server: {expect: "ab"}
          - client: close
    """
    roles = program(text).roles
    first, second, told, awaited, close = roles["client"].sequences[0]
    assert (sent(first), sent(second), commands(close)) == ([b"a"], [b"b"], [Close()])
    assert commands(told) == [Tell((Fact("turn", "2"),))]
    assert commands(awaited) == [Await((Fact("turn", "3"),))]
    before, expect, after = roles["server"].sequences[0]
    assert commands(before) == [Await((Fact("turn", "2"),))]
    assert expect.place.number == "3"
    assert commands(after) == [Tell((Fact("turn", "3"),))]


def test_files_are_written_with_their_mode() -> None:
    text = """
        files: {a.txt: "hello", sub/run.sh: {content: {hex: "00 01"}, mode: "755"}}
        roles: {server: {protocol: tcp, side: server}}
    """
    plain, script = program(text).files
    assert (plain.name.constant, plain.content.constant, plain.mode) == (b"a.txt", b"hello", None)
    assert (script.name.constant, script.content.constant, script.mode) == (b"sub/run.sh", b"\0\1", 0o755)


@pytest.mark.parametrize(
    "matcher", ["{regex: '(?P<code>[0-9]+) '}", "{struct: '!3s4s', fields: {code: any, rest: any}}"]
)
def test_a_check_of_a_value_binds_what_its_matcher_names(matcher: str) -> None:
    result = play(f"""
        roles:
          server: {{protocol: udp, side: server, expect: "220"}}
          client: {{side: client, to: server, steps: [{{set: {{line: "220 ann"}}}},
            {{check: {{value: "${{line}}", is: {matcher}}}}}, {{send: "${{code}}"}}]}}
    """)
    assert result.passed, result.reason
