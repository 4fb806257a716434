"""Sequence diagrams: a send and its receive are one arrow, waits are bars, and what went wrong is seen."""

from __future__ import annotations

from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.commands import Receive
from sockrun.compiling.endings import Nothing
from sockrun.compiling.loading import load
from sockrun.diagnostics import cells
from sockrun.drawing import diagram
from sockrun.playing.simulation import Simulation
from sockrun.program import Program
from sockrun.reporters.pictures import mermaid
from sockrun.reporters.pictures.diagram import Diagram, Row, Step
from sockrun.reporters.pictures.flows import Stream
from sockrun.reporters.pictures.text import ASCII, Look, draw
from sockrun.reporters.pictures.tracing import of_result
from sockrun.wire.frames import Delimited, FramedMatcher
from tests.command_line import FAILS, CommandLine
from tests.playing import SCENARIOS, programs

EXCHANGE = """
roles:
  server: {protocol: tcp, side: server, port: 7, expect: "ping\\n", payload: "pong\\n"}
  client: {side: client, to: server, payload: "ping\\n", expect: "pong\\n"}
"""


def drawn(text: str, lines: int = 8) -> Diagram:
    (program,) = programs(text)
    return of_result(Simulation(program, traced=True).run(), lines)


def lines(text: str, look: Look | None = None) -> list[str]:
    found = draw(drawn(text), look or Look())
    assert found is not None
    return found


def arrows(found: Diagram) -> list[tuple[str, str, str, str]]:
    """From whom to whom, the words, and how it ended."""
    names = [line.name for line in found.lifelines]
    return [
        (names[row.by], names[row.to], row.words, row.state)
        for row in found.rows
        if row.by is not None and row.to is not None
    ]


# --- a send and its receive ---------------------------------------------------------------------


def test_a_send_and_its_receive_are_one_arrow() -> None:
    assert lines(EXCHANGE) == [
        "         client        server",
        "  0.000     ├╌ connect ╌╌▷│    to 127.0.0.1:7",
        '  0.000     ├─ "ping\\n" ─▶│    step 1 → step 1',
        '  0.000     │◀─ "pong\\n" ─┤    step 2 → step 2',
        "  0.000     ┴             ┴    is at its end",
    ]


def test_plain_ascii_says_the_same() -> None:
    assert lines(EXCHANGE, Look(signs=ASCII))[2:4] == [
        '  0.000     |- "ping\\n" ->|    step 1 -> step 1',
        '  0.000     |<- "pong\\n" -|    step 2 -> step 2',
    ]


def test_a_message_sent_in_chunks_is_taken_once() -> None:
    found = drawn("""
        roles:
          server: {protocol: tcp, side: server, framing: line, steps: [expect: "one"]}
          client: {side: client, to: server, steps: [{send: "one\\n", chunk: 2}]}
        """)
    assert [row.words or row.note for row in found.rows] == [
        "connect", '"on"', '"e\\n"', 'takes "one"', "is at its end",
    ]  # fmt: skip


def test_what_is_taken_in_part_or_never_says_so() -> None:
    found = drawn("""
        roles:
          server: {protocol: tcp, side: server, payload: "Hello World\\n"}
          client: {side: client, to: server, expect: "Hello"}
        """)
    assert arrows(found)[1] == ("server", "client", '"Hello World\\n"', "lost")
    assert [row.note for row in found.rows if row.state == "failed"] == ["bytes came that no step took"]
    lost = drawn("""
        network: {loss: 100%}
        roles:
          server: {protocol: udp, side: server, steps: [{expect: "a", optional: 10ms}]}
          client: {side: client, to: server, payload: "a"}
        """)
    assert ("client", "server", '"a"', "lost") in arrows(lost)


def test_copies_keep_their_own_conversations() -> None:
    """However their steps fall, an answer goes to who asked."""
    found = drawn("""
        roles:
          server: {protocol: tcp, side: server, framing: line, connections: 3,
                   steps: [{expect: {regex: "(?P<who>.)"}}, {send: "${who}!"}]}
          client: {side: client, to: server, framing: line, instances: 3,
                   steps: [{send: "${index}"}, {expect: "${index}!"}]}
        """)
    answers = [(who, words) for _, who, words, _ in arrows(found) if "!" in words]
    assert sorted(answers) == [(f"client[{k}]", f'"{k}!\\n"') for k in range(3)]
    assert not [row for row in found.rows if row.state]


def test_copies_share_a_lifeline_where_there_are_too_many() -> None:
    found = drawn(EXCHANGE.replace("port: 7,", "connections: 20,").replace("to: server", "to: server, instances: 20"))
    assert [line.name for line in found.lifelines] == ["client x 20", "server x 20"]
    assert draw(found, Look(width=80)) is not None


def test_a_datagram_goes_to_who_took_it() -> None:
    found = drawn("""
        roles:
          server: {protocol: udp, side: server, steps: [{repeat: 2, steps: [{expect: {any: true}}, {send: "got"}]}]}
          one: {protocol: udp, side: client, to: server, payload: "1", expect: "got"}
          two: {protocol: udp, side: client, to: server, payload: "2", expect: "got"}
        """)
    data = [arrow[:3] for arrow in arrows(found)]
    assert sorted(data) == [
        ("one", "server", '"1"'), ("server", "one", '"got"'), ("server", "two", '"got"'), ("two", "server", '"2"'),
    ]  # fmt: skip


def test_an_arrow_goes_through_a_proxy() -> None:
    found = drawn("""
        roles:
          server: {protocol: tcp, side: server, expect: "a", payload: "b"}
          link: {side: proxy, to: server}
          client: {side: client, to: link, payload: "a", expect: "b"}
        """)
    assert [line.name for line in found.lifelines] == ["client", "link", "server"]
    assert {(row.by, row.via, row.to) for row in found.rows if row.to is not None} == {(0, 1, 2), (2, 1, 0)}
    assert any("┼" in line for line in draw(found, Look()) or ())


# --- what went wrong ----------------------------------------------------------------------------


def test_the_bytes_that_differ_and_where_are_marked() -> None:
    found = drawn(FAILS)
    assert [(row.words or row.note, row.state) for row in found.rows if row.state] == [
        ('"pong\\n"', "failed"),
        ('"pong\\n" came: byte 1 is 0x6f, not 0x61', "failed"),
    ]


def test_a_deadlock_shows_who_waits_for_whom() -> None:
    text = EXCHANGE.replace('payload: "ping\\n", expect: "pong\\n"', 'expect: "pong\\n"')
    assert lines(text)[2:] == [
        '  0.000     ┃            ✗    waits for "ping\\n" from client   step 1',
        '  0.000     ✗            │    waits for "pong\\n" from server   step 1',
    ]


def test_who_waits_has_a_bar_as_long_as_that_takes() -> None:
    found = drawn("""
        roles:
          server: {protocol: tcp, side: server, steps: [{pause: 2s}, {send: "a"}]}
          client: {side: client, to: server, steps: [{expect: "a"}]}
        """)
    names = [line.name for line in found.lifelines]
    assert {(names[wait.line], round(wait.seconds)) for wait in found.waits} == {("client", 2), ("server", 2)}
    assert any("┊ 2.00 s" in line for line in draw(found, Look()) or ())


# --- laws ---------------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=6).map(lambda data: data.replace(b"\n", b"")), min_size=1),
    st.lists(st.integers(0, 30)),
    st.booleans(),
)
def test_the_bytes_of_a_receive_are_found_however_they_were_sent(
    messages: list[bytes], cuts: list[int], framed: bool
) -> None:
    """Each receive covers just those sends in which one of its bytes lies."""
    messages = messages if framed else [message for message in messages if message]
    ends = list(accumulate(len(message) + framed for message in messages))
    whole = b"".join(message + b"\n" * framed for message in messages)
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    stream, rows = Stream(), {}
    for start, stop in pairwise(places):
        rows[start, stop] = Row("bytes", Step(0.0, "a", None), data=whole[start:stop])
        stream.sent(rows[start, stop], whole[start:stop])
    matcher = FramedMatcher(lambda: Delimited(b"\n", "LF", 100), Nothing("")) if framed else Nothing("")
    for start, end, message in zip([0, *ends], ends, messages, strict=False):
        covered = stream.took(Receive(matcher, 1.0), message).rows
        expected = [row for (first, last), row in rows.items() if first < end and last > start]
        assert [id(row) for row in covered] == [id(row) for row in expected]


def every_example() -> list[Program]:
    return [program for path in sorted(SCENARIOS.rglob("*.yaml")) for program in load(path).programs[:1]]


@pytest.mark.parametrize("program", every_example(), ids=lambda program: str(program.id))
def test_every_example_can_be_drawn(program: Program) -> None:
    """Within the width, whether it can be played in memory or not, and no arrow is left over."""
    found, _ = diagram(program)
    for width in (100, 200):
        for line in draw(found, Look(width)) or ():
            assert cells(line) <= width, line
            assert line.isprintable(), line
    assert draw(found, Look(200)) is not None
    assert mermaid.write(found, "")[0] == "sequenceDiagram"


# --- how it is asked for ------------------------------------------------------------------------


def test_show_draws_a_file(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", EXCHANGE)
    told = sockrun("show", "a.yaml", "--diagram")
    assert told.status == 0
    assert '├─ "ping\\n" ─▶│' in told.out
    assert "played in memory" in told.out


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_plain_locale_gets_plain_signs(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    sockrun.write("a.yaml", EXCHANGE)
    monkeypatch.setenv("LC_ALL", locale)
    assert sockrun("show", "a.yaml", "--diagram").out.isascii()


def test_what_is_not_played_is_drawn_from_its_steps(sockrun: CommandLine) -> None:
    sockrun.write(
        "a.yaml",
        """
        ports: [p]
        processes:
          cat: {command: [cat], ready: {port: "${ports.p}"}}
        roles:
          client: {protocol: tcp, side: client, port: "${ports.p}", steps: [{send: "a"}, {expect: "b"}]}
        """,
    )
    told = sockrun("show", "a.yaml", "--diagram")
    assert told.status == 0
    assert [line.split("step")[0].strip() for line in told.out.splitlines() if '"' in line] == [
        '├─── "a" ───▶│', '│◀─── "b" ───┤  →',
    ]  # fmt: skip


def test_mermaid_takes_no_text_for_its_own(sockrun: CommandLine) -> None:
    """`;` would end a statement and `#` begin an entity."""
    sockrun.write("a.yaml", EXCHANGE.replace("ping\\n", "a;b#c<script>%% end"))
    told = sockrun("show", "a.yaml", "--format", "mermaid")
    assert told.status == 0
    assert 'p0->>p1: "a#59;b#35;c#60;script#62;#37;#37; end"' in told.out


def test_a_secret_is_hidden_in_a_diagram(sockrun: CommandLine) -> None:
    sockrun.write(
        "a.yaml",
        """
        secrets: {key: hunter22}
        ports: [p]
        processes:
          cat: {command: [cat], ready: {port: "${ports.p}"}}
        roles:
          client: {protocol: tcp, side: client, port: "${ports.p}", steps: [{send: "key ${key}"}]}
        """,
    )
    sockrun.write(
        "b.yaml",
        """
        secrets: {key: hunter22}
        roles:
          server: {protocol: tcp, side: server, steps: [{expect: "key ${key}"}]}
          client: {side: client, to: server, steps: [{send: "key ${key}"}]}
        """,
    )
    for words in (("--diagram",), ("--format", "mermaid")):
        told = sockrun("show", ".", *words)
        assert told.status == 0
        assert "hunter22" not in told.out


def test_a_folder_shows_each_file(sockrun: CommandLine, tmp_path: Path) -> None:
    sockrun.write("a.yaml", EXCHANGE)
    sockrun.write("b.yaml", EXCHANGE)
    assert sockrun("show", ".", "--diagram").out.count("played in memory") == 2
