"""What is legal and a trap is a warning, in exactly these words; what is meant is none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sockrun.compiling.loading import load, load_text
from sockrun.compiling.traps import TRAPS
from tests import golden
from tests.command_line import CommandLine
from tests.playing import SCENARIOS

FILES = golden.files("traps")
OF_MATCHERS = {"open-repetition", "any-on-a-stream"}
TRAP = 'roles: {server: {protocol: tcp, side: server, port: 8080, payload: "hi"}}\n'
ERROR = "roles: {server: {protocol: tcp, side: server, paylod: x}}\n"


def warnings(text: str) -> list[str]:
    loaded = load_text(dedent(text), "scenario.yaml")
    assert not loaded.errors
    return [diagnostic.code for diagnostic in loaded.diagnostics]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_trap_is_told_in_these_words(path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    golden.check(path, update_golden, monkeypatch)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_with_traps_can_be_played(path: Path) -> None:
    loaded = load(path)
    assert loaded.programs
    assert {diagnostic.severity for diagnostic in loaded.diagnostics} == {"warning"}


def test_every_golden_text_has_its_file() -> None:
    assert golden.without_file("traps") == set()


def test_every_warning_has_a_golden_text() -> None:
    assert {diagnostic.code for path in FILES for diagnostic in load(path).diagnostics} == {*TRAPS, *OF_MATCHERS}


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_example_sets_off_a_warning(path: Path) -> None:
    assert [found for found in load(path).diagnostics if found.severity == "warning"] == []


def test_a_file_with_errors_is_not_searched_for_traps() -> None:
    loaded = load_text(TRAP + "vars: {a: '${nothing}'}\n", "scenario.yaml")
    assert [diagnostic.severity for diagnostic in loaded.diagnostics] == ["error"]


@pytest.mark.parametrize("port", ["0", "12321", '"${ports.mine}"', '"${number}"'])
def test_a_port_that_is_free_or_given_from_elsewhere_is_no_trap(port: str) -> None:
    text = f"ports: [mine]\nvars: {{number: 8080}}\nroles: {{one: {{protocol: tcp, side: server, port: {port}}}}}\n"
    assert warnings(text) == []


def test_a_bare_lf_where_no_line_ends_in_crlf_is_no_trap() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, expect: "a\\n", payload: "b\\n"}
          client: {side: client, to: server, payload: "a\\n", expect: "b\\n"}
    """
    assert warnings(text) == []


def test_a_step_with_a_framing_of_its_own_may_end_lines_as_it_likes() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, framing: crlf, steps: [{send: "a\\n", framing: none}]}
          client: {side: client, to: server, framing: crlf, steps: [{expect: "a\\n", framing: none}]}
    """
    assert warnings(text) == []


def test_a_block_text_on_an_unframed_stream_ends_as_it_is_written() -> None:
    text = """
        roles:
          server:
            protocol: tcp
            side: server
            payload: |
              hello
    """
    assert warnings(text) == []


@pytest.mark.parametrize(
    "step",
    [
        'send: "a\\n"',
        'expect: "a\\n", framing: none',
        'expect: "a\\n", framing: {delimiter: "\\r\\n"}',
        'expect: "a\\n", framing: {size: 2}',
        'expect: "a\\r"',
        'expect: {not: {contains: "\\n"}}',
        "expect: {regex: 'a(\\n|b)'}",
        "expect: {regex: 'a\\n?'}",
        'expect: {json: {text: "a\\n"}}',
        'expect: "${end}"',
    ],
)
def test_an_expectation_that_a_framed_message_can_meet_is_no_trap(step: str) -> None:
    text = f"roles: {{one: {{protocol: tcp, side: server, framing: line, steps: [{{set: {{end: a}}}}, {{{step}}}]}}}}"
    assert warnings(text) == []


def test_a_delimiter_that_no_text_holds_by_itself_is_no_trap() -> None:
    """The bytes around an expression may not meet."""
    text = """
        roles:
          one: {protocol: tcp, side: server, framing: {delimiter: "ab"}, steps: [{set: {x: c}}, {expect: "a${x}b"}]}
    """
    assert warnings(text) == []


@pytest.mark.parametrize("written", [r'"\\n"', r"'C:\dir'", r"'\ '", r"${index == '\n'}"])
def test_a_backslash_that_cannot_be_taken_for_an_escape_is_no_trap(written: str) -> None:
    text = f"""
        roles:
          one:
            protocol: udp
            side: server
            steps:
              - send: {written}
                to: 127.0.0.1:9
    """
    assert warnings(text) == []


@pytest.mark.parametrize(
    "steps",
    [
        "[{set: {x: 1}}, {send: a}]",
        "[{expect: {one_of: [{regex: 'a(?P<x>.)'}, {regex: 'b(?P<x>.)'}]}}]",
        "[{repeat: 2, steps: [{set: {x: 1}}]}]",
    ],
)
def test_a_variable_that_is_bound_in_one_place_is_no_trap(steps: str) -> None:
    text = f"""
        roles:
          one: {{protocol: udp, side: server, steps: {steps}}}
          two: {{side: client, to: one, payload: "${{one.x}}"}}
    """
    assert warnings(text) == []


def test_a_variable_that_nobody_else_reads_may_be_bound_again() -> None:
    text = "roles: {one: {protocol: udp, side: server, steps: [{set: {x: 1}}, {set: {x: 2}}, {send: '${x}'}]}}"
    assert warnings(text) == []


def test_validate_shows_warnings_and_passes(sockrun: CommandLine) -> None:
    sockrun.write("trap.yaml", TRAP)
    outcome = sockrun("validate", "trap.yaml")
    assert outcome.status == 0
    assert "trap.yaml:1:53: warning: port 8080" in outcome.out
    assert outcome.out.endswith("1 file, no errors, 1 warning\n")


def test_strict_makes_errors_of_warnings(sockrun: CommandLine) -> None:
    sockrun.write("trap.yaml", TRAP)
    outcome = sockrun("validate", "--strict", "trap.yaml")
    assert outcome.status == 2
    assert outcome.out.endswith("1 file, 1 error\n")


def test_strict_changes_nothing_for_a_file_without_warnings(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    assert sockrun("validate", "--strict", "good.yaml").status == 0


def test_a_run_shows_no_warnings(sockrun: CommandLine) -> None:
    text = "roles: {one: {protocol: tcp, side: server, payload: 'a\\n'}, two: {side: client, to: one}}\n"
    sockrun.write("trap.yaml", text)
    assert "warning" in sockrun("validate", "trap.yaml").out
    outcome = sockrun("run", "trap.yaml")
    assert "warning" not in outcome.out + outcome.err
