"""What reports hold, written from results made by hand."""

from __future__ import annotations

import io
import json
import re
import socket
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.cli.options import Format
from sockrun.commands import (
    Address,
    Barrier,
    Close,
    Command,
    Connect,
    Ended,
    Event,
    Fact,
    Failed,
    Match,
    Mismatch,
    Receive,
    Send,
    Shutdown,
    Sleep,
    Tell,
    TimedOut,
)
from sockrun.compiling.endings import Nothing
from sockrun.diagnostics import Diagnostic
from sockrun.program import Place
from sockrun.reporters import FILE_REPORTERS
from sockrun.reporters import transcript as describing
from sockrun.reporters.base import Progress, Target, gravest
from sockrun.reporters.failures import explain
from sockrun.reporters.findings import FORMATS
from sockrun.reporters.style import Style
from sockrun.reporters.terminal import Terminal
from sockrun.reporters.transcript import line, transcript
from sockrun.results import Failure, Result, Status, Trace, Waiting
from sockrun.source import Source, Span
from tests.command_line import CommandLine
from tests.peers import pair
from tests.playing import play

SOURCE = Source("x.yaml", "roles:\n  - expect: abc\n")
SPAN = Span(SOURCE, 2, 5, 2, 16)
PLACE = Place("1", "expect abc", SPAN)
PASSED = Result("x.yaml[1]", "one", "x.yaml", ("smoke",), Status.PASSED, 0.0031)
FAILED = replace(
    PASSED,
    status=Status.FAILED,
    reason="byte 1 is 0x78, not 0x62",
    failure=Failure("mismatch", "client", PLACE, "byte 1 is 0x78, not 0x62", b"abc", b"axc", 1, (("n", b"3"),)),
    waiting=(Waiting("client", "waits for abc", PLACE), Waiting("server", "has ended", None)),
    unread=(("client", b"axc"), ("server", b"\x00\xff")),
    trace=[Trace(0.0031, "client", PLACE, Send(b"hi\n"), None)],
)


def told(reporter: Any, *results: Result) -> None:
    """A whole run of these results."""
    progress = Progress(files=len(results), read=len(results), selected=len(results))
    reporter.begin(progress)
    for result in results:
        progress.results[result.status] += 1
        reporter.result(result)
    reporter.end()


# --- transcript --------------------------------------------------------------------------------

RECEIVE = Receive(Nothing("the end"), 1.0)


@pytest.mark.parametrize(
    ("command", "event", "words"),
    [
        (Send(b"hi\n"), None, '> "hi\\n"'),
        (Send(b"hi", Address("::1", 7)), None, '> "hi" to [::1]:7'),
        (RECEIVE, Match(b"\x00\x01\xff"), "< 3 bytes (00 01 ff)"),
        (RECEIVE, Mismatch("is wrong", b"no"), '! "no" came: is wrong'),
        (RECEIVE, Ended("fin", b"x"), '! the peer closes behind "x"'),
        (RECEIVE, TimedOut(0.5), "! nothing within 0.5 s"),
        (RECEIVE, Failed("it cannot be"), "! it cannot be"),
        (replace(RECEIVE, expects="fin"), Ended("fin"), "< the peer closes"),
        (replace(RECEIVE, expects="silence"), TimedOut(0.2), "< nothing within 0.2 s"),
        (Connect(Address("127.0.0.1", 80)), None, "connects to 127.0.0.1:80"),
        (Shutdown(), None, "half-closes"),
        (Close(), None, "closes"),
        (Sleep(0.25), None, "pauses 0.25 s"),
        (Tell((Fact("signal", "go"),)), None, "tells the signal 'go'"),
        (Barrier("all"), None, "passes the barrier 'all'"),
        ("accept", None, "accepts a connection"),
        ("end", Ended("fin", b"left"), 'is at its end; never took "left"'),
    ],
)
def test_a_line_says_when_who_what_and_which_step(command: Command | str, event: Event, words: str) -> None:
    assert line(Trace(0.0031, "client", PLACE, command, event)) == f"  0.003 client   {words}   step 1"


def test_every_command_can_be_told() -> None:
    """No command or fact is missing in the tables."""
    assert set(describing._DONE) == set(get_args(Command))
    assert set(describing._FACTS) == set(get_args(get_type_hints(Fact)["kind"]))


def test_a_long_transcript_loses_its_middle_and_says_so() -> None:
    trace = [Trace(float(k), "r", None, Send(b"%d" % k), None) for k in range(100)]
    lines = transcript(trace, 60)
    assert len(lines) == 61
    assert '"29"' in lines[29]
    assert "40 lines left out" in lines[30]
    assert '"70"' in lines[31]


# --- explanation -------------------------------------------------------------------------------


def test_a_failure_is_explained_in_full() -> None:
    text = "\n".join(explain(FAILED, Style(False)))
    assert text.splitlines() == [
        "client, step 1: expect abc",
        "x.yaml:2:5: error: byte 1 is 0x78, not 0x62",
        "   2 |   - expect: abc",
        "     |     ^^^^^^^^^^^",
        'expected "abc"',
        'received "axc"',
        "           ^",
        "the values in it",
        '  n = "3"',
        "what the others were doing",
        "  server  has ended",
        "bytes that no step took",
        "  server  2 bytes (00 ff)",
    ]


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        (
            "{regex: '220 mail (?P<x>[a-q]+)\\r\\n'}",
            [
                r"what came is not a match of /220 mail (?P<x>[a-q]+)\r\n/: byte 9 is 0x72",
                r'received "220 mail ready\r\n"',
                "                   ^",
            ],
        ),
        (
            r"""{one_of: ["221 bye\r\n", "220 mail redo\r\n", {regex: "23.\n"}]}""",
            [
                r'what came matches none of the 3; nearest is "220 mail redo\r\n": byte 11 is 0x61, not 0x64',
                r'expected "220 mail redo\r\n"',
                r'received "220 mail ready\r\n"',
                "                     ^",
            ],
        ),
        ("{length: 14}, framing: line", ["what came is 15 bytes long, not 14"]),
    ],
)
def test_what_came_is_shown_with_the_place_where_it_departs(expect: str, told: list[str]) -> None:
    server = r'[{send: "220 mail ready\r\n"}]'
    if "framing" in expect:
        server = server.replace(r"\r", "!")
    result = play(pair(server, f"[{{expect: {expect}}}]"))
    lines = "\n".join(explain(result, Style(False))).splitlines()
    assert any(told[0] in line for line in lines), lines
    places = [lines.index(line) for line in told[1:]]
    assert places == sorted(places)


def test_a_value_that_is_not_as_a_check_wants_it_is_told_as_a_sentence() -> None:
    text = pair("[]", "[{set: {x: abd}}, {check: {value: '${x}', is: {regex: 'abc'}}}]")
    assert play(text).reason == "the value is not a match of /abc/: byte 2 is 0x64"


def test_a_bug_says_that_it_is_ours() -> None:
    bug = replace(PASSED, status=Status.BUG, reason="KeyError: 'x'", detail="Traceback ...\n")
    text = "\n".join(explain(bug, Style(False)))
    assert "this is a bug in sockrun" in text
    assert "Traceback ..." in text


# --- terminal ----------------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Screen()


def shown(stream: io.StringIO, *results: Result) -> str:
    told(Terminal(Target(stream, "the screen")), *results)
    return stream.getvalue()


def test_colours_and_a_bar_are_for_terminals(screen: Screen) -> None:
    text = shown(screen, *[PASSED] * 30)
    assert "\x1b[32mPASS\x1b[0m" in text
    assert "15 of 30" in text
    # What is left on the screen, once each line has been erased, is what a file would get.
    left = re.sub(r"[^\n]*\r\x1b\[K", "", text)
    assert left.splitlines()[-1].endswith("in 0.00 s")
    assert " of 30" not in left


def test_few_scenarios_need_no_bar(screen: Screen) -> None:
    assert "\r" not in shown(screen, PASSED, PASSED)


def test_no_color_is_honoured(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(screen, *[FAILED] * 30)


def test_a_pipe_gets_neither_colours_nor_a_bar() -> None:
    text = shown(io.StringIO(), *[FAILED] * 30)
    assert "\x1b" not in text
    assert "\r" not in text


def test_what_a_file_says_never_reaches_the_terminal_raw(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(screen, replace(FAILED, id="a\x1b[2J", name="b\x07", reason="c\x1b]0;x\x07"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)


# --- JUnit -------------------------------------------------------------------------------------


def junit(tmp_path: Path, *results: Result) -> ET.Element:
    path = tmp_path / "report.xml"
    told(FILE_REPORTERS["junit"](str(path)), *results)
    return ET.parse(path).getroot()


def test_junit_names_cases_by_file_name_and_matrix(tmp_path: Path) -> None:
    case = junit(tmp_path, PASSED).find("testsuite/testcase")
    assert case is not None
    assert case.attrib == {"classname": "x", "name": "one[1]", "time": "0.003"}
    assert list(case) == []


@pytest.mark.parametrize(
    ("status", "element", "count"),
    [
        (Status.FAILED, "failure", "failures"),
        (Status.SKIPPED, "skipped", "skipped"),
        (Status.REFUSED, "error", "errors"),
        (Status.BUG, "error", "errors"),
        (Status.INTERRUPTED, "error", "errors"),
    ],
)
def test_junit_knows_every_status(tmp_path: Path, status: Status, element: str, count: str) -> None:
    root = junit(tmp_path, replace(PASSED, status=status, reason="why"), PASSED)
    (found,) = root.iter(element)
    assert found.get("message") == "why"
    (suite,) = root
    assert (suite.get("tests"), suite.get(count)) == ("2", "1")


def test_junit_has_the_explanation_and_the_transcript(tmp_path: Path) -> None:
    root = junit(tmp_path, FAILED)
    assert 'expected "abc"' in (root.findtext(".//failure") or "")
    assert '> "hi\\n"' in (root.findtext(".//system-out") or "")


def test_junit_has_invalid_files_as_errors(tmp_path: Path) -> None:
    reporter = FILE_REPORTERS["junit"](str(tmp_path / "r.xml"))
    reporter.begin(Progress(invalid=1))
    reporter.invalid("x.yaml", [Diagnostic("unknown-key", "no such key", SPAN)])
    reporter.end()
    root = ET.parse(tmp_path / "r.xml").getroot()
    assert root.get("errors") == "1"
    assert "x.yaml:2:5: error: no such key" in (root.findtext(".//error") or "")


@given(st.text(st.characters(codec=None)))
def test_junit_is_xml_whatever_the_texts_are(text: str) -> None:
    """Characters that XML does not allow are replaced, in attributes and in texts, lone surrogates too."""
    from sockrun.reporters.junit import _element

    element = ET.fromstring(_element("a", text, b=text).encode())
    assert len(element.get("b") or "") == len(text)


def test_a_report_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "real.xml").write_text("old")
    (tmp_path / "report.xml").symlink_to("real.xml")
    junit(tmp_path, PASSED)
    assert (tmp_path / "report.xml").is_symlink()
    assert (tmp_path / "real.xml").read_text().startswith("<?xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real.xml", "report.xml"]


# --- JSON --------------------------------------------------------------------------------------


def test_each_event_is_written_when_it_happens(tmp_path: Path) -> None:
    path = tmp_path / "events"
    reporter = FILE_REPORTERS["json"](str(path))
    reporter.begin(Progress(files=1))
    assert json.loads(path.read_text())["event"] == "run-start"
    reporter.trace("x.yaml", FAILED.trace[0])
    assert json.loads(path.read_text().splitlines()[-1]) == {
        "event": "trace",
        "id": "x.yaml",
        "seconds": 0.0031,
        "role": "client",
        "step": "1",
        "rounds": [],
        "text": '> "hi\\n"',
    }
    reporter.end()


def test_the_example_of_the_documentation_is_what_is_written(sockrun: CommandLine) -> None:
    page = (Path(__file__).parent.parent / "docs" / "json-events.md").read_text()
    blocks = dict(re.findall(r"```(yaml|json)[^\n]*\n(.*?)```", page, re.DOTALL))
    sockrun.write("hello.yaml", blocks["yaml"])
    written = [json.loads(line) for line in sockrun("run", "hello.yaml", "--json", "-").out.splitlines()]
    documented = [json.loads(event) for event in re.split(r"\n(?=\{)", blocks["json"].strip())]
    for event in written:
        event.pop("seconds", None)
        event.pop("transcript", None)
    assert written == documented


def test_every_member_and_event_is_documented() -> None:
    from sockrun.reporters.jsonl import as_json

    page = (Path(__file__).parent.parent / "docs" / "json-events.md").read_text()
    failure = as_json(FAILED)["failure"]
    assert isinstance(failure, dict)
    for name in [*as_json(FAILED), *failure, *(status.value for status in Status)]:
        assert f"`{name}`" in page or f'"{name}"' in page


# --- exit status -------------------------------------------------------------------------------


@given(st.sets(st.sampled_from([0, 1, 2, 3, 70, 130])))
def test_the_gravest_status_wins(statuses: set[int]) -> None:
    order = [130, 70, 2, 3, 1, 0]
    assert gravest(statuses) == min(statuses, key=order.index, default=0)


def test_a_run_of_nothing_is_status_2() -> None:
    assert Progress().exit_status == 2


# --- validate ----------------------------------------------------------------------------------


def test_the_formats_of_the_command_line_are_those_that_can_be_written() -> None:
    assert set(FORMATS) == set(Format)


# --- failures that are not at a step -----------------------------------------------------------

AT_NO_STEP = {
    "nobody listens": ("client", 2, "roles:\n  client: {protocol: tcp, side: client, port: %s, steps: [{send: x}]}\n"),
    "bytes came that no step took": (
        "server",
        2,
        "roles:\n  server: {protocol: tcp, side: server, steps: []}\n"
        "  client: {side: client, to: server, steps: [{send: x}]}\n",
    ),
    "one connection more than": (
        "server",
        2,
        "roles:\n  server: {protocol: tcp, side: server, steps: []}\n"
        "  client: {side: client, to: server, instances: 2, steps: []}\n",
    ),
    "scenario's timeout": ("server", 3, "timeout: 100ms\nroles:\n  server: {protocol: tcp, side: server, steps: []}\n"),
    "nobody can go on": (
        "server",
        2,
        "roles:\n  server: {protocol: tcp, side: server, connections: 2, steps: []}\n"
        "  client: {side: client, to: server, steps: []}\n",
    ),
    "beyond loopback": (
        "server",
        2,
        "roles:\n  server: {protocol: tcp, side: server, host: 0.0.0.0, steps: []}\n",
    ),
    "choose a shorter path": (
        "server",
        2,
        f"roles:\n  server: {{protocol: unix, side: server, path: '/tmp/{'x' * 120}', steps: []}}\n",
    ),
    "has no interface": (
        "client",
        3,
        "roles:\n  server: {protocol: udp, side: server, steps: []}\n"
        "  client: {side: client, to: server, socket: {multicast_interface: nowhere0}, steps: []}\n",
    ),
}


@pytest.mark.parametrize("words", AT_NO_STEP)
def test_a_failure_at_no_step_is_shown_where_its_role_stands(sockrun: CommandLine, words: str) -> None:
    """On the terminal, in JUnit and in JSON; with its line of the file."""
    role, number, text = AT_NO_STEP[words]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # it is bound and does not listen
        text = text.replace("%s", str(free.getsockname()[1]))
        sockrun.write("a.yaml", text)
        out = sockrun("run", "a.yaml", "--junit", "a.xml", "--json", "a.json").out
    lines = (sockrun.folder / "a.json").read_text().splitlines()
    (failure,) = (event["failure"] for event in map(json.loads, lines) if event["event"] == "scenario")
    assert words in failure["message"]
    assert (failure["role"], failure["step"], failure["file"], failure["line"]) == (role, None, "a.yaml", number)
    assert failure["column"] == 3
    excerpt = text.splitlines()[number - 1]
    for report in (out, "".join(ET.parse(sockrun.folder / "a.xml").getroot().itertext())):
        assert f"a.yaml:{number}" in report
        assert excerpt[:60] in report


@pytest.mark.parametrize("connect", ["", "close, connect, "])
def test_what_a_refused_client_sends_is_not_shown_as_sent(connect: str) -> None:
    text = """
        roles:
          nobody: {protocol: tcp, side: server, listen: false}
          client: {side: client, to: nobody, steps: [CONNECT{send: "x"}, {send: "y"}, {expect: "z"}]}
    """
    lines = [describing.describe(entry) for entry in play(text.replace("CONNECT", connect)).trace]
    assert lines[-3:-1] == ['! "x" goes nowhere', '! "y" goes nowhere']
    refusals = [line for line in lines if re.fullmatch(r"connects to .*: nobody listens \(connection refused\)", line)]
    assert len(refusals) == (2 if connect else 1)


def test_what_is_sent_once_somebody_listens_is_shown_as_sent() -> None:
    text = """
        roles:
          nobody: {protocol: tcp, side: server, listen: false}
          server: {protocol: tcp, side: server, expect: "y"}
          client:
            {side: client, to: nobody, steps: [expect_refused, {connect: {to: server}}, {send: "y"}, {expect: "z"}]}
    """
    assert '> "y"' in [describing.describe(entry) for entry in play(text).trace]


def test_many_copies_that_do_the_same_are_told_as_one() -> None:
    idle = [Waiting(f"client[{number}]", "has ended", None) for number in range(500)]
    busy = [Waiting("server[0]", "waits for a connection", None), Waiting("client[500]", "pauses", None)]
    unread = tuple((f"server[{number}]", b"x") for number in range(12))
    result = Result(
        "a.yaml", "", "a.yaml", (), Status.FAILED, 1.0, "no", waiting=(*idle[:250], *busy, *idle[250:]), unread=unread
    )
    told = "\n".join(explain(result, Style(False))).splitlines()
    start = told.index("what each role was doing")
    assert told[start + 1 : start + 4] == [
        "  client x 500  has ended",
        "  server[0]     waits for a connection",
        "  client[500]   pauses",
    ]
    assert told[-2:] == ['  server[9]  "x"', "  ... and of 2 more"]
