"""The examples pass in every way they can be played, and fail when one byte or one step of them is changed."""

from __future__ import annotations

import pytest

from sockrun.results import Result, Status
from tests.playing import SCENARIOS, both_networks, example, on_a_free_port, play, play_all, programs, real_sockets

pytestmark = both_networks

EXAMPLES = [
    "dns_query",
    "ftp_passive",
    "half_close",
    "interleaved",
    "length_prefixed_rpc",
    "line_echo",
    "lossy_datagrams",
    "many_clients",
    "mock_server",
    "refused",
    "retry_after_reset",
    "slow_link",
    "smtp_starttls",
    "tcp_hello",
    "tls_matrix",
    "tftp_read",
    "udp_reverse",
    "unix_datagram",
    "websocket_handshake",
]


def failures(results: list[Result]) -> list[tuple[str, Status, str]]:
    return [(result.id, result.status, result.reason) for result in results if not result.passed]


@real_sockets("in a simulation each has a world of its own")
def test_all_examples_pass_at_the_same_time() -> None:
    """Twenty rounds of all of them, in one loop; no port is taken, no verdict differs."""
    every = [program for name in EXAMPLES for program in example(name)]
    assert failures(play_all(every * 20)) == []


def test_all_examples_pass_byte_by_byte() -> None:
    """A stream cut into single bytes changes no verdict."""
    texts = [on_a_free_port((SCENARIOS / f"{name}.yaml").read_text()) for name in EXAMPLES]
    assert failures(play_all([program for text in texts for program in programs(text)], read_size=1)) == []


# example, what stands in it, what stands there instead, the expected bytes that the report must show
ONE_BYTE = [
    ("tcp_hello", 'expect: "Hello World\\n"', 'expect: "Hello Wurld\\n"', b"Hello Wurld\n"),
    ("udp_reverse", "expect: [8, 7, 6,", "expect: [8, 9, 6,", b"\x08\x09\x06\x05\x04\x03\x02\x01"),
    ("dns_query", 'fields: {rid: "${id}", flags: 0x8180', 'fields: {rid: "${id}", flags: 0x8181', None),
    ("ftp_passive", '- expect: "RETR hello.txt"', '- expect: "RETR hallo.txt"', b"RETR hallo.txt"),
    ("half_close", '- expect: "11 a591', '- expect: "11 b591', None),
    ("interleaved", '{expect: "news: hello"}', '{expect: "news: hallo"}', b"news: hallo"),
    ("length_prefixed_rpc", "status: 0", "status: 1", None),
    ("line_echo", '- expect: "echo two"', '- expect: "echo twp"', b"echo twp"),
    ("many_clients", '- expect: "hello ${index}"', '- expect: "hallo ${index}"', b"hallo "),
    ("mock_server", '- expect: "+OK logged in"', '- expect: "+OK lagged in"', b"+OK lagged in"),
    ("retry_after_reset", '- expect: "par"', '- expect: "pbr"', b"pbr"),
    ("tftp_read", '{hex: "00 04 00 01"}\n  client', '{hex: "00 04 00 02"}\n  client', b"\x00\x04\x00\x02"),
    ("slow_link", "- expect: {length: 500}", '- expect: "0123456798"', b"0123456798"),
    ("smtp_starttls", '- expect: "QUIT"', '- expect: "QUIX"', b"QUIX"),
    ("unix_datagram", '"<(?P<priority>', '"#(?P<priority>', None),
    (
        "websocket_handshake",
        '- expect: {join: [{hex: "81 05"}, "Hello"]}',
        '- expect: {join: [{hex: "81 06"}, "Hello"]}',
        b"\x81\x06Hello",
    ),
]


@pytest.mark.parametrize(("name", "there", "instead", "shown"), ONE_BYTE, ids=[row[0] for row in ONE_BYTE])
def test_one_changed_byte_of_an_expectation_fails_at_its_line(
    name: str, there: str, instead: str, shown: bytes | None
) -> None:
    """The failure names the line of the changed expectation, and shows what was expected and received."""
    text = _changed(name, there, instead)
    result = play(text)
    assert result.status is Status.FAILED
    assert result.failure is not None
    assert result.failure.kind == "mismatch", result.failure
    assert result.failure.place is not None
    span = result.failure.place.span
    assert span.line <= text[: text.rindex(instead)].count("\n") + 1 <= span.end_line
    assert result.failure.received
    if shown is not None:
        assert result.failure.expected is not None
        assert result.failure.expected.startswith(shown)


# example, the step that is taken out, whose failure it becomes, and how it is told
ONE_SEND = [
    ("tcp_hello", '    payload: "Hello World\\n"\n', "closed", "the peer closed before"),
    ("udp_reverse", "      - send: ${reversed(received)}\n", "deadlock", "client waits for"),
    ("ftp_passive", '      - send: "PASV"\n', "deadlock", "control_server waits for"),
    ("half_close", '      - send: "Hello World"\n', "closed", "the peer closed before"),
    ("interleaved", '  - publisher: {send: "PUB news hello"}\n', "closed", "the peer closed before"),
    ("length_prefixed_rpc", '      - send: {struct: "!IB", values: ["${id}", 0]}\n', "closed", "the peer closed"),
    ("line_echo", '      - send: "ee\\n"\n        framing: none\n', "deadlock", "server waits for"),
    ("many_clients", '      - send: "hello ${n}"\n', "closed", "the peer closed"),
    ("mock_server", '            steps: [{send: "+OK logged in"}]\n', "deadlock", "ann waits for"),
    ("tftp_read", '      - send: {hex: "00 04 00 01"}\n', "deadlock", "transfer waits for"),
    ("unix_datagram", '    payload: "<30>sockrun: started"\n', "deadlock", "logger waits for"),
]


@pytest.mark.parametrize(("name", "step", "kind", "told"), ONE_SEND, ids=[row[0] for row in ONE_SEND])
def test_one_missing_send_is_told_at_once(name: str, step: str, kind: str, told: str) -> None:
    """As a deadlock that names who waits for whom, or as 'the peer closed': never by a timeout."""
    result = play(_changed(name, step, "    steps: []\n" if step.startswith("    p") else ""))
    assert result.status is Status.FAILED
    assert result.failure is not None
    assert (result.failure.kind, told in result.reason) == (kind, True), result.reason
    assert result.seconds < 5


def _changed(name: str, there: str, instead: str) -> str:
    """The example's text with its last occurrence of `there` replaced, and a free port for the fixed one."""
    text = (SCENARIOS / f"{name}.yaml").read_text()
    assert there in text
    head, _, tail = text.rpartition(there)
    return on_a_free_port(head + instead + tail)
