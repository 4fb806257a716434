"""`sockrun audit`: what a scenario does not test is found, and nothing else."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sockrun as package
from sockrun.auditing import Audit, Auditor
from sockrun.auditing.auditor import Progress
from sockrun.auditing.expectations import Mutant, expectations
from sockrun.auditing.matchers import CHANGES, Falsified, Never, changed, changes, sampled
from sockrun.auditing.patterns import changed as changed_patterns
from sockrun.auditing.probe import Probe
from sockrun.auditing.report import progress
from sockrun.auditing.sendings import sendings
from sockrun.auditing.sites import altered
from sockrun.commands import Match, Matcher, Mismatch
from sockrun.matching import FORMS
from sockrun.matching.shapes import Anything
from sockrun.playing.simulation import Simulation, impossible
from sockrun.results import Status
from tests.command_line import COMMAND, FAILS, INVALID, PASSES, CommandLine
from tests.matching_tools import matcher
from tests.playing import SCENARIOS, example, programs

HOLE = """
name: looks at nothing
roles:
  server: {protocol: udp, side: server, steps: [{expect: {any: true}}]}
  client: {side: client, to: server, payload: "hi"}
"""


def audit(text: str) -> Audit:
    """The audit of a scenario's text, all of it."""
    auditor = Auditor(budget=60)
    try:
        (found,) = auditor.run(programs(text))
    finally:
        auditor.close()
    assert not found.cut_short
    return found


def messages(found: Audit) -> list[str]:
    return [hole.message for hole in found.holes]


def holes(steps: str, client: str, framing: str = "line") -> list[str]:
    """What is found in a server with these steps, when a client with those comes."""
    return messages(
        audit(f"""
name: one
roles:
  server: {{protocol: tcp, side: server, framing: {framing}, steps: {steps}}}
  client: {{side: client, to: server, framing: {framing}, steps: {client}}}
""")
    )


# --- what is found -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tcp_hello", "udp_reverse"])
def test_the_seed_examples_test_all_that_they_say(name: str) -> None:
    auditor = Auditor()
    (found,) = auditor.run(example(name))
    auditor.close()
    assert (found.score, found.bytes.share, found.holes) == (1.0, 1.0, ())


def test_an_expectation_of_anything_is_a_hole() -> None:
    found = audit(HOLE)
    assert found.score == 0
    assert messages(found) == [
        "anything is taken here, and nobody looks at what it is",
        'nobody looks at bytes 0-1 of the 2 that client sends in step 1 ("hi")',
    ]


def test_anything_that_is_looked_at_later_is_none() -> None:
    assert holes("[{expect: {any: true}}, {check: \"received == 'hi'\"}]", '[{send: "hi"}]') == []


def test_an_alternative_that_nobody_takes_is_one_hole() -> None:
    assert holes('[{expect: {one_of: ["hi", "hello"]}}]', '[{send: "hi"}]') == [
        'the alternative "hello" can be left out, and the scenario still passes'
    ]


def test_a_piece_of_a_pattern_that_nothing_needs_is_a_hole() -> None:
    assert holes('[{expect: {regex: "a+b*c?", whole: true}}]', '[{send: "aa"}]') == [
        'bytes 2-4 of the pattern ("b*c") can be changed, and the scenario still passes'
    ]


def test_bytes_behind_a_prefix_are_looked_at_by_nobody() -> None:
    assert holes('[{expect: {prefix: "GET"}}]', '[{send: "GET / HTTP"}]') == [
        'nobody looks at bytes 3-9 of the 11 that client sends in step 1 (" / HTTP")'
    ]


def test_under_tls_it_is_the_plain_bytes_that_are_told() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, tls: true, framing: {size: 3}, steps: [{expect: {length: 3}}]}
          client: {side: client, to: server, tls: true, framing: {size: 3}, steps: [{send: "abc"}]}
        """
    assert messages(audit(text)) == ['nobody looks at bytes 0-2 of the 3 that client sends in step 1 ("abc")']


def test_what_is_never_reached_is_a_hole() -> None:
    server = """[{expect: "later", optional: 1s}, {react: [
        {expect: "bye", leave: true}, {expect: "hi", steps: [{expect: "you"}, {check: "1 == 1"}]}]}]"""
    assert holes(server, '[{send: "bye"}]') == [
        "this is optional, and never came in a plain run",
        "this case never took a message in a plain run",
        "this was never reached in a plain run",
        "this was never reached in a plain run",
    ]


def test_cases_and_their_conditions_are_held() -> None:
    server = """[{react: [{expect: {regex: "n(?P<n>.)"}, when: "n == '1'", steps: [{send: "one"}]},
        {expect: {regex: "n."}, steps: [{send: "other"}]}, {expect: "bye", leave: true}]}]"""
    client = '[{send: "n1"}, {expect: "one"}, {send: "n2"}, {expect: "other"}, {send: "bye"}]'
    assert holes(server, client) == ['nobody looks at byte 1 of the 3 that client sends in step 3 ("2")']


def test_a_condition_that_changes_nothing_is_a_hole() -> None:
    server = '[{react: [{expect: "hi", when: "1 == 1"}, {expect: {prefix: "h"}}, {expect: "bye", leave: true}]}]'
    found = holes(server, '[{send: "hi"}, {send: "ho"}, {send: "bye"}]')
    assert "this case can be left out, and the scenario still passes" in found


ENDINGS = [
    ("[expect_close]", "[close]"),
    ("[{expect_close: {discard: true}}]", '[{send: "x"}, close]'),
    ("[{expect_close: {reset: allow}}]", "[reset]"),
    ("[expect_reset]", "[reset]"),
    ("[{expect_silence: 1s}]", "[{pause: 2s}]"),
    (
        '[{expect_in_any_order: ["a", {json: {b: [1, "c", null, true]}}]}]',
        '[{send: {json: {b: [1, "c", null, true]}}}, {send: a}]',
    ),
    ('[{check: "1 < 2"}, {check: {value: "abc", is: {suffix: "c"}}}]', "[]"),
    ('[{expect: {struct: "!B3s", fields: {a: 7, b: "abc"}}}]', '[{send: {hex: "07 61 62 63"}}]'),
    ('[{expect: {length: {min: 2, max: 3}}}, {expect: {not: "abc"}}]', '[{send: "ab"}, {send: "ab"}]'),
    ('[{expect: {all_of: [{contains: "b"}, {hex: "61 * 6?"}]}}]', '[{send: "abc"}]'),
    ('[{repeat: 3, steps: [{expect: "n ${round}"}]}]', '[{repeat: 3, steps: [{send: "n ${round}"}]}]'),
]


@pytest.mark.parametrize(("server", "client"), ENDINGS)
def test_what_holds_something_is_no_hole(server: str, client: str) -> None:
    assert [hole for hole in holes(server, client) if not hole.startswith("nobody looks at")] == []


def test_the_sender_and_a_refusal_are_held() -> None:
    text = """
        ports: [here]
        roles:
          server: {protocol: udp, side: server, steps: [{expect: "hi", from: "127.0.0.1:${ports.here}"}]}
          client: {side: client, to: server, local_port: "${ports.here}", payload: "hi"}
          other: {protocol: tcp, side: server, listen: false}
          third: {side: client, to: other, steps: [expect_refused]}
        """
    assert audit(text).holes == ()


def test_one_combination_of_a_matrix_that_notices_is_enough() -> None:
    text = """
        matrix: {word: ["bye", "quit"]}
        roles:
          server: {protocol: udp, side: server, steps: [{expect: {one_of: ["bye", "quit"]}}]}
          client: {side: client, to: server, payload: "${word}"}
        """
    assert messages(audit(text)) == []


def test_a_place_is_in_the_file_that_is_included(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text("steps:\n  - expect: {any: true}\n")
    (tmp_path / "outer.yaml").write_text(HOLE.replace("{expect: {any: true}}", "{include: inner.yaml}"))
    (found,) = package.audit(tmp_path / "outer.yaml")
    assert [Path(hole.span.source.path).name for hole in found.holes] == ["inner.yaml", "outer.yaml"]


# --- what cannot be audited, and what is to fail -------------------------------------------------


def test_a_scenario_that_may_fail_in_any_way_holds_nothing() -> None:
    found = audit(f"{FAILS}expect_failure: true\n")
    assert found.score == 0
    assert messages(found) == ["any failure at all is the expected one"]


def test_a_scenario_that_is_to_fail_must_fail_where_it_did() -> None:
    """What comes before the failure is held; the step that fails is the test itself, and nothing comes behind it."""
    found = audit(f"{FAILS}expect_failure: 'byte 1 is 0x6f'\n")
    assert (found.score, found.expectations.tried) == (1.0, 5)
    assert messages(found) == ['nobody looks at bytes 2-4 of the 5 that server sends in step 2 ("ng\\n")']


def test_what_does_not_pass_or_cannot_be_simulated_is_said() -> None:
    (identity, reason), *_ = audit(FAILS).reasons
    assert identity == "test.yaml"
    assert reason == "it does not pass to begin with: byte 1 is 0x6f, not 0x61"
    process = "processes: {one: {command: ['true'], expect_exit: 0}}\n"
    found = audit(f"{process}{PASSES.format(name='x', tag='y')}")
    assert not found.audited
    assert found.reasons == (("test.yaml", "it starts one, and only roles can be simulated"),)


def test_who_is_outside_cannot_be_audited(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", "roles: {client: {protocol: tcp, side: client, port: 9, payload: ab}}")
    outcome = sockrun("audit")
    assert outcome.status == 0
    assert outcome.out.splitlines()[0] == "a.yaml: not audited: 127.0.0.1:9 is no role's address"


def test_secrets_are_shown_in_no_hole() -> None:
    text = """
        secrets: {word: open-sesame}
        roles:
          server: {protocol: udp, side: server, steps: [{expect: {one_of: ["${word}1", {prefix: "open"}]}}]}
          client: {side: client, to: server, payload: "open-sesame"}
        """
    found = audit(text)
    shown = json.dumps([hole.message for hole in found.holes]) + "".join(hole.span.source.text for hole in found.holes)
    assert len(found.holes) == 2
    assert "sesame" not in shown
    assert "esam" not in shown


# --- the tables --------------------------------------------------------------------------------

# Each form of a matcher, and what it takes.
EXAMPLES: dict[str, tuple[str, bytes]] = {
    "hex": ('{hex: "61 ?? 6? *"}', b"abcd"),
    "regex": (r'{regex: "a(?P<x>[b-d]+)\\d"}', b"abc1"),
    "prefix": ("{prefix: abc}", b"abcd"),
    "suffix": ("{suffix: cd}", b"abcd"),
    "contains": ("{contains: bc}", b"abcd"),
    "length": ("{length: {min: 1, max: 9}}", b"abcd"),
    "struct": ('{struct: "!BH?d2s", fields: {a: 1, b: any, c: true, d: 0.5, e: xy}}', b"\1\0\0\1?\xe0\0\0\0\0\0\0xy"),
    "json": ("{json: {a: [1, x, null, {}], any: false}}", b'{"a":[1,"x",null,{}],"any":false}'),
    "one_of": ("{one_of: [abcd, {length: 4}]}", b"abcd"),
    "all_of": ("{all_of: [{prefix: a}, {suffix: d}]}", b"abcd"),
    "not": ("{not: x}", b"abcd"),
    "any": ("{any: true}", b"abcd"),
}


def matcher_of(text: str) -> Matcher:
    return matcher(text, message=True)


def test_every_form_of_a_matcher_can_be_changed() -> None:
    assert set(EXAMPLES) == set(FORMS)


@pytest.mark.parametrize("form", [*FORMS, "literal"])
def test_a_change_is_a_matcher_that_does_not_take_the_same(form: str) -> None:
    """Each is told by its key, and what takes several things no longer takes at least what it took by that."""
    text, message = EXAMPLES.get(form, ("abcd", b"abcd"))
    made = matcher_of(text)
    found = list(changes(made))
    assert found
    assert len({change.key for change in found}) == len(found)
    verdict = made.judge(message)
    assert isinstance(verdict, Match)
    for change in found:
        assert type(changed(made, change.key)) is type(change.matcher)
        if form != "one_of":
            assert change.matcher.judge(message) != verdict, change.key


def test_a_change_that_is_not_there_changes_nothing() -> None:
    made = matcher_of("abc")
    assert changed(made, ("byte", 7)) is made
    assert {type(matcher_of(text)) for text, _ in EXAMPLES.values()} <= set(CHANGES)


def test_of_many_bytes_some_are_tried_with_both_ends() -> None:
    assert list(sampled(5)) == [0, 1, 2, 3, 4]
    some = sampled(10_000)
    assert len(some) == len(set(some)) < 1000
    assert list(some) == sorted(some)
    assert (some[0], some[-1]) == (0, 9999)


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        (rb"ab", [b"a", b"b"]),
        (rb"a{2,3}.*b$", [b"a", b"b"]),
        (rb"[^\r\]]+\d(?P<x>\w)(?:y|z)", [rb"[^\r\]]", rb"\d", rb"\w", b"y", b"z"]),
        (rb"(?!ab(c)d)e(?=f)(?i)g", [b"e", b"f", b"g"]),
        (rb"\x41\.\n(?P=x)\1", [rb"\x41", rb"\.", rb"\n"]),
        (rb"(?x) a b", []),
    ],
)
def test_the_pieces_of_a_pattern(pattern: bytes, pieces: list[bytes]) -> None:
    found = list(changed_patterns(pattern))
    assert [pattern[piece.at : piece.at + piece.size] for piece in found] == pieces
    assert all(piece.pattern != pattern for piece in found)


# --- the law -----------------------------------------------------------------------------------


def mutants(text: str) -> Iterator[tuple[package.Program, Mutant]]:
    for program in programs(text):
        probe = Probe()
        if impossible(program) or not Simulation(probe.planted(program), watcher=probe.trace).run().passed:
            continue
        yield from ((program, one) for one in expectations(program, probe) if isinstance(one, Mutant))
        yield from ((program, one) for one in sendings(program, probe))


SIMULATED = ["dns_query", "length_prefixed_rpc", "mock_server", "retry_after_reset", "websocket_handshake"]
MUTANTS = [one for name in SIMULATED for one in mutants((SCENARIOS / f"{name}.yaml").read_text())]


@settings(max_examples=60)
@given(st.sampled_from(MUTANTS), st.data())
def test_no_change_makes_sockrun_crash(mutant: tuple[package.Program, Mutant], data: st.DataObject) -> None:
    """Two at once, too."""
    program, first = mutant
    same = [other for of, other in MUTANTS if of is program]
    second = data.draw(st.sampled_from(same))
    for one in (first, second):
        program = altered(program, one.site, data.draw(st.sampled_from(one.alters)))
    result = Simulation(program, turns=100_000).run()
    assert result.status in (Status.PASSED, Status.FAILED), result.detail


def test_what_is_changed_already_has_no_further_changes() -> None:
    """A change may be asked for where another one has left its own matcher."""
    for unchangeable in (Never(), Falsified(Anything())):
        assert changed(unchangeable, ("byte", 0)) is unchangeable


def test_a_probe_changes_no_verdict() -> None:
    for name in SIMULATED:
        for program in example(name):
            assert Simulation(Probe().planted(program)).run().passed


# --- the command and Python --------------------------------------------------------------------


def test_a_file_with_a_full_score_is_status_0(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    outcome = sockrun("audit", "good.yaml")
    assert outcome.status == 0
    assert outcome.out == (
        "good.yaml: 8 of 8 changes of what is expected were noticed (100%), 8 of 8 bytes sent are looked at (100%)\n"
    )


def test_of_several_files_the_last_line_is_about_all(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    sockrun.write("hole.yaml", HOLE)
    sockrun.write("program.yaml", "processes: {one: {command: ['true'], expect_exit: 0}}")
    assert sockrun("audit").out.splitlines()[-1] == (
        "2 files audited, 1 not audited: 8 of 9 changes of what is expected were noticed (88%), "
        "8 of 10 bytes sent are looked at (80%)"
    )
    sockrun.write("hole.yaml", INVALID)
    assert sockrun("audit", "program.yaml", "hole.yaml").out.count("\n") == 1


def test_how_far_it_is_is_told() -> None:
    far: list[Progress] = []
    auditor = Auditor(budget=60, told=far.append)
    list(auditor.run(programs(HOLE)))
    auditor.close()
    assert far == [Progress("test.yaml", number, 3) for number in range(3)]
    assert progress(far[1], 2, 7) == "[2 of 7] test.yaml: 1 of 3 changes"


def test_a_budget_is_some_time(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    status, _, err = sockrun("audit", "--budget", "0s")
    assert status == 2
    assert "nothing can be tried in no time" in err


def test_a_hole_is_shown_with_its_place_and_is_status_1(sockrun: CommandLine) -> None:
    sockrun.write("hole.yaml", HOLE)
    outcome = sockrun("audit", "hole.yaml")
    assert outcome.status == 1
    assert outcome.out == textwrap.dedent("""\
        hole.yaml:4:49: warning: anything is taken here, and nobody looks at what it is
           4 |   server: {protocol: udp, side: server, steps: [{expect: {any: true}}]}
             |                                                 ^^^^^^^^^^^^^^^^^^^^^
        hole.yaml:5:47: warning: nobody looks at bytes 0-1 of the 2 that client sends in step 1 ("hi")
           5 |   client: {side: client, to: server, payload: "hi"}
             |                                               ^^^^
        hole.yaml: 0 of 1 change of what is expected were noticed (0%), 0 of 2 bytes sent are looked at (0%)
        """)


def test_the_least_score_can_be_given(sockrun: CommandLine) -> None:
    text = HOLE.replace("{expect: {any: true}}", "{expect: {one_of: [hi, ho]}}")
    sockrun.write("half.yaml", text)
    assert sockrun("audit").status == 1
    assert sockrun("audit", "--min-score", "70%").status == 0
    assert sockrun("audit", "--min-score", "81%").status == 1
    sockrun.write("half.yaml", text.replace("{one_of: [hi, ho]}", "{length: 2}"))
    assert sockrun("audit").status == 0
    assert sockrun("audit", "--min-bytes", "50%").status == 1
    assert "--min-score" in sockrun("audit", "--min-score", "lots").err


def test_a_budget_that_is_used_up_is_told(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    outcome = sockrun("audit", "--budget", "1us")
    assert re.search(
        r"^good.yaml: only [01] of 16 changes were tried, at random: the budget is used up$", outcome.out, re.M
    )
    assert sockrun("audit", "--budget", "soon").status == 2


def test_what_is_not_audited_is_told_and_what_fails_is_status_1(sockrun: CommandLine) -> None:
    sockrun.write("fails.yaml", FAILS)
    outcome = sockrun("audit")
    assert (outcome.status, outcome.out) == (
        1,
        "fails.yaml: not audited: it does not pass to begin with: byte 1 is 0x6f, not 0x61\n",
    )
    sockrun.write("fails.yaml", INVALID)
    assert sockrun("audit").status == 2


def test_scenarios_are_chosen_as_elsewhere(sockrun: CommandLine) -> None:
    sockrun.passing("one.yaml", tag="smoke")
    sockrun.passing("two.yaml", tag="slow")
    assert "one.yaml" not in sockrun("audit", "--tag", "slow").out
    assert "two.yaml" not in sockrun("audit", "-k", "one.yaml").out
    assert sockrun("audit", "-k", "three").status == 2


def test_json_has_every_hole_and_both_shares(sockrun: CommandLine) -> None:
    sockrun.write("hole.yaml", HOLE)
    report = json.loads(sockrun("audit", "--format", "json").out)
    (of_file,) = report["files"]
    assert of_file["score"] == 0
    assert of_file["bytes"] == {"total": 2, "tried": 2, "noticed": 0}
    assert [(hole["code"], hole["line"]) for hole in of_file["holes"]] == [("unnoticed-change", 4), ("unseen-bytes", 5)]


def test_from_python_files_and_programs_are_audited(tmp_path: Path) -> None:
    (tmp_path / "hole.yaml").write_text(HOLE)
    (found,) = package.audit(tmp_path)
    assert isinstance(found, package.Audit)
    assert found.score == 0
    (other,) = package.audit(package.loads(HOLE, name=found.path))
    assert other == replace(found, holes=other.holes)
    assert package.audit(tmp_path, text="three") == []


def test_an_audit_that_is_stopped_says_how_far_it_came() -> None:
    auditor = Auditor()
    auditor.stop()
    (found,) = auditor.run(programs(HOLE))
    auditor.close()
    assert found.interrupted


def test_a_mismatch_is_what_a_change_gives() -> None:
    """Whatever is left alone by the original is left alone by the change."""
    for change in changes(matcher_of("abcd")):
        buffer = bytearray(b"abcd")
        assert isinstance(change.matcher.reader().feed(buffer, False), Mismatch)
        assert buffer == b"abcd"


def test_ctrl_c_ends_it_in_order_and_shows_how_far_it_came(sockrun: CommandLine) -> None:
    """The first file is done, the second is under way."""
    sockrun.passing("a.yaml")
    many = "roles: {server: {protocol: tcp, side: server, connections: 90, payload: 'hello'}, "
    sockrun.write(
        "b.yaml", many + "client: {side: client, to: server, instances: 90, expect: {one_of: [hallo, hello]}}}\n"
    )
    words = [*COMMAND, "audit", "--budget", "10m", "a.yaml", "b.yaml"]
    with subprocess.Popen(
        words, cwd=sockrun.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (first.partition(":")[0], process.returncode, err) == ("a.yaml", 130, "")
    assert "Traceback" not in out
