"""In a `repeat`, every report says in which round something happened."""

from __future__ import annotations

import json

from sockrun.reporters.transcript import line
from sockrun.results import Result
from tests.command_line import CommandLine
from tests.peers import failure, pair
from tests.playing import play

# The second round of the third round goes wrong.
NESTED = pair(
    '[{repeat: 4, steps: [{repeat: 2, steps: [{expect: "a"}]}]}]',
    '[{repeat: 2, steps: [{send: "a"}, {send: "a"}]}, {send: "a"}, {send: "b"}, expect_close]',
)


def transcript(result: Result, role: str) -> list[str]:
    return [line(entry) for entry in result.trace if entry.role == role]


def test_a_failure_says_in_which_round_of_which_repeat_it_happened(sockrun: CommandLine) -> None:
    sockrun.write("nested.yaml", NESTED)
    outcome = sockrun("run", "nested.yaml")
    assert 'server, step 1.1.1 (round 3 of 4, round 2 of 2): expect "a"' in outcome.out


def test_a_transcript_says_the_round_of_each_step() -> None:
    result = play(NESTED)
    lines = [line for line in transcript(result, "server") if "step 1.1.1" in line]
    assert [line.partition("step 1.1.1 ")[2] for line in lines] == [
        f"(round {outer} of 4, round {inner} of 2)" for outer in (1, 2, 3) for inner in (1, 2)
    ]
    assert not any("round" in line for line in transcript(result, "client") if "step 2" in line)


def test_what_the_others_were_doing_says_the_round(sockrun: CommandLine) -> None:
    steps = '[{repeat: 10, steps: [{expect: "a"}, {send: "b"}]}]'
    sockrun.write("waits.yaml", pair(steps, '[{send: "a"}, {expect: "b"}, {check: "1 == 2"}]'))
    assert "step 1.1 (round 2 of 10), waits.yaml:4" in sockrun("run", "waits.yaml").out


def test_a_deadlock_says_the_round() -> None:
    text = pair('[{repeat: 3, steps: [{expect: "a"}]}]', '[{send: "a"}, {expect: "b"}]')
    assert failure(play(text), "deadlock").rounds == ((1, 3),)


def test_what_is_done_in_any_case_is_in_no_round() -> None:
    text = pair('[{repeat: 3, steps: [{expect: "a"}]}]', '[{send: "ab"}]', of_server='finally: [{send: "bye"}]')
    result = play(text)
    failure(result, "mismatch")
    assert [line.endswith("step finally.1") for line in transcript(result, "server") if "bye" in line] == [True]


def test_the_json_report_has_the_rounds(sockrun: CommandLine) -> None:
    sockrun.write("nested.yaml", NESTED)
    events = [json.loads(line) for line in sockrun("run", "nested.yaml", "--json", "-").out.splitlines()]
    (result,) = (event for event in events if event["event"] == "scenario")
    rounds = [{"round": 3, "of": 4}, {"round": 2, "of": 2}]
    assert result["failure"]["rounds"] == rounds
    (server,) = (who for who in result["waiting"] if who["role"] == "server")
    assert server["rounds"] == rounds
    assert [entry["rounds"] for entry in result["transcript"] if entry["step"] == "1.1.1"][-1] == rounds


def test_the_junit_report_has_the_rounds(sockrun: CommandLine) -> None:
    sockrun.write("nested.yaml", NESTED)
    sockrun("run", "nested.yaml", "--junit", "report.xml")
    text = (sockrun.folder / "report.xml").read_text()
    assert text.count("round 3 of 4, round 2 of 2") >= 2  # the failure, and the transcript
