"""`sockrun explore`: every planted fault is found and brought down to its cause, and what is sound stays sound."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.compiling.loading import load
from sockrun.exploring.decisions import (
    KINDS,
    Apart,
    Befalls,
    Cut,
    Decision,
    Ends,
    Joined,
    Kind,
    Slow,
    Slowest,
    Stall,
    Turn,
    decided,
    token,
)
from sockrun.exploring.searching import Budget, Explored, Explorer, Finding
from sockrun.exploring.telling import progress
from sockrun.exploring.trials import Stage
from sockrun.exploring.wording import cause
from sockrun.playing.simulation import impossible
from sockrun.program import Program
from sockrun.reporters import transcript
from sockrun.results import Status
from tests.command_line import COMMAND, CommandLine
from tests.playing import SCENARIOS, programs

FOLDER = Path(__file__).parent / "exploring"
ENOUGH = Budget(seconds=60.0, runs=150)  # runs: what is fast on one machine must not be seconds on another
HOW = ("sound", "faulty")
DEFAULT_RUNS = 1000  # what ten seconds are good for, at the least

# The words of the shortest cause of each planted fault. TLS is never twice the same, so there it is one of two.
CAUSES = {
    "banner_alone": "server -> client is cut after byte 1 of 25",
    "behind_starttls": "server begins 15 ms later | client -> server arrives 15 ms later",
    "between_cr_and_lf": "client -> server is cut after byte 7 of 8",
    "body_with_its_header": "client -> server is cut after byte 8 of 12",
    "closes_before_it_has_read": "server -> client is half-closed after byte 1 of 8",
    "counted_too_early": "client[0] begins 10 ms later",
    "counted_twice": '"order 1" of client (step 1) comes twice',
    "each_waits": "first begins 10 ms later",
    "end_in_the_next_segment": "client -> server is cut after byte 8 of 14",
    "half_close_for_the_end": "server -> client is half-closed after byte 13 of 51",
    "length_prefix_in_two": "client -> server is cut after byte 1 of 7",
    "lost_acknowledgement": '"ack" of server (step 2) is lost',
    "one_read": "client -> server is cut after byte 1 of 12",
    "order_of_connections": "one begins 10 ms later",
    "overtaken": '"part 1" of client (step 1) comes late',
    "pause_for_a_signal": "subscriber begins 30 ms later",
    "stale_reply": '"ask 1" of client (step 1) comes twice',
    "timeout_too_short": "everything takes 80 ms, which is the latency with all of the jitter",
    "truncated_log": "client -> server is half-closed before its first byte",
    "wrong_peer": "ann begins 10 ms later",
}


def explored(path: Path, budget: Budget = ENOUGH, kinds: Sequence[Kind] = KINDS) -> list[Explored]:
    return [Explorer(kinds, budget).explore(program) for program in load(path).programs]


def found(program: Program, kinds: Sequence[Kind] = KINDS) -> Finding:
    finding = Explorer(kinds, Budget(60.0, DEFAULT_RUNS)).explore(program).finding
    assert isinstance(finding, Finding)
    return finding


def conditions(text: str, kinds: Sequence[Kind]) -> Explored:
    (program,) = programs(text)
    return Explorer(kinds, Budget(60.0, DEFAULT_RUNS)).explore(program)


# --- the pairs ---------------------------------------------------------------------------------


def test_every_pair_is_complete() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {f"{name}_{how}" for name in CAUSES for how in HOW}


@pytest.mark.parametrize("name", CAUSES)
def test_a_planted_fault_passes_until_it_is_explored_and_has_one_cause(name: str) -> None:
    """It is found within the default budget, and told by the one thing that has to happen."""
    program = load(FOLDER / f"{name}_faulty.yaml").programs[0]
    assert Stage(program).play().result.passed
    finding = found(program)
    (line,) = cause(finding, program, Stage(program).pace)
    assert line in CAUSES[name].split(" | ")


@pytest.mark.parametrize("name", CAUSES)
def test_its_sound_twin_holds(name: str) -> None:
    for one in explored(FOLDER / f"{name}_sound.yaml"):
        assert one.finding is None, one.finding
        assert one.runs > 1


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_sound(path: Path) -> None:
    budget = ENOUGH._replace(runs=12 if path.stem in ("many_clients", "tls_matrix", "smtp_starttls") else 150)
    for one in explored(path, budget):
        assert one.finding is None, one.finding
        assert one.skipped == "" or impossible(one.program) is not None


def test_the_lossy_example_holds_whatever_befalls_its_datagrams() -> None:
    """Each one lost, doubled or late, any two of them drawn, and as its dice may fall."""
    (one,) = explored(SCENARIOS / "lossy_datagrams.yaml", Budget(60.0, 400), ["loss"])
    assert one.finding is None
    assert one.tried["loss"] > 300


# --- decisions ---------------------------------------------------------------------------------

NUMBER = st.integers(0, 10_000)
DECISIONS: st.SearchStrategy[Decision] = st.one_of(
    st.builds(Cut, NUMBER, NUMBER),
    st.builds(Stall, NUMBER, NUMBER),
    st.builds(Turn, NUMBER, NUMBER),
    st.builds(Apart, st.none() | NUMBER),
    st.builds(Joined, st.none() | NUMBER),
    st.builds(Slow, NUMBER),
    st.builds(Slowest),
    st.builds(Befalls, NUMBER, st.sampled_from(["lost", "doubled", "late"])),
    st.builds(Ends, NUMBER, NUMBER, st.sampled_from(["fin", "half-close", "reset", "silence"])),
)


@given(st.lists(DECISIONS).map(tuple))
def test_a_token_names_decisions(decisions: tuple[Decision, ...]) -> None:
    assert decided(token(decisions)) == decisions


LINES = """
roles:
  server:
    protocol: tcp
    side: server
    framing: line
    steps: [{expect: "one"}, {expect: "two"}, {send: "three"}]
  client: {side: client, to: server, framing: line, steps: [{send: "one"}, {send: "two"}, {expect: "three"}]}
"""


@given(st.sets(st.tuples(st.integers(0, 1), st.integers(1, 7))))
def test_no_cut_of_a_stream_changes_the_verdict(cuts: set[tuple[int, int]]) -> None:
    (program,) = programs(LINES)
    assert Stage(program).play(tuple(Cut(*cut) for cut in sorted(cuts))).result.passed


@given(st.lists(DECISIONS, max_size=4).map(tuple))
def test_any_decisions_come_to_an_end_and_the_same_run_again(decisions: tuple[Decision, ...]) -> None:
    (program,) = programs(LINES)
    first, second = Stage(program).play(decisions), Stage(program).play(decisions)
    assert first.result.status in (Status.PASSED, Status.FAILED)
    assert list(transcript.transcript(first.trace)) == list(transcript.transcript(second.trace))


# --- the kinds ---------------------------------------------------------------------------------


def test_every_split_point_of_every_stream_is_tried() -> None:
    one = conditions(LINES, ["split"])
    assert one.whole
    assert one.tried["split"] == (8 - 1) + (6 - 1) + 2  # and byte by byte, and all together


def test_every_end_of_every_stream_is_tried() -> None:
    """By each way to end at each byte, and by reset and silence behind the last one."""
    one = conditions(LINES, ["end"])
    assert one.whole
    assert one.tried["end"] == 4 * (8 + 6) + 2 * 2


def crowd(size: int, steps: str) -> str:
    clients = "".join(
        f"  c{number}: {{side: client, to: server{number}, steps: [{steps.format(number)}]}}\n"
        for number in range(size)
    )
    servers = "".join(
        f'  server{number}: {{protocol: unix, path: "@s{number}", side: server, unread: allow}}\n'
        for number in range(size)
    )
    return f"roles:\n{servers}{clients}"


def orders(text: str) -> int:
    """How many orders of roles are worth a run, slow ones apart."""
    (program,) = programs(text)
    one = Explorer(["order"], Budget(60.0, DEFAULT_RUNS)).explore(program)
    assert one.whole
    plain = Stage(program).play()
    return one.tried["order"] - len(plain.steered.turns) - len(plain.steered.chunks)


ONE_DOOR = """
roles:
  server: {{protocol: tcp, side: server, unread: allow, connections: {0}}}
  client: {{side: client, to: server, instances: {0}, steps: []}}
"""


@pytest.mark.parametrize(("clients", "tried"), [(1, 1), (2, 2), (3, 6), (4, 24)])
def test_every_order_of_clients_at_one_door_is_tried(clients: int, tried: int) -> None:
    assert orders(ONE_DOOR.format(clients)) >= tried


def test_an_order_that_nobody_can_notice_is_not_tried() -> None:
    """Four pairs that have nothing to do with each other could go on in 24 orders, all alike."""
    assert orders(crowd(4, 'send: "x"')) < 4


def test_nothing_befalls_datagrams_where_the_network_is_good() -> None:
    text = """
    roles:
      server: {protocol: udp, side: server, expect: "ping", payload: "pong"}
      client: {side: client, to: server, payload: "ping", expect: "pong"}
    """
    one = conditions(text, ["loss"])
    assert one.finding is None
    assert one.tried["loss"] == 0


def test_a_scenario_that_is_expected_to_fail_has_to_fail_in_any_case() -> None:
    wrong = LINES.replace('{expect: "three"}', '{expect: "four"}') + "expect_failure: true\n"
    assert conditions(wrong, KINDS).finding is None


def test_who_retries_by_design_notices_the_end() -> None:
    """The first answer may be cut off: the client looks, and asks again."""
    text = """
    roles:
      server:
        protocol: tcp
        side: server
        framing: line
        unread: allow
        connections: any
        steps:
          - expect: "ask"
          - send: "answer"
      client:
        side: client
        to: server
        framing: line
        steps:
          - send: "ask"
          - expect: "answer"
            optional: 100ms
          - connect
          - send: "ask"
          - expect: "answer"
    """
    assert conditions(text, ["end"]).finding is None


# --- the command -------------------------------------------------------------------------------


def place(sockrun: CommandLine, *names: str) -> None:
    for name in names:
        sockrun.write(f"{name}.yaml", (FOLDER / f"{name}.yaml").read_text())


def test_what_is_sound_is_told_with_its_figures(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    status, out, err = sockrun("explore", "one_read_sound.yaml")
    assert (status, err) == (0, "")
    assert out.startswith("SOUND one_read_sound.yaml  a request is a line  (")
    assert "17 split" in out
    assert "72 end" in out
    assert "everything was tried" in out
    assert out.splitlines()[-1].startswith("1 sound; ")


def test_a_fault_is_told_with_its_cause_and_played_again_by_another_process(sockrun: CommandLine) -> None:
    place(sockrun, "between_cr_and_lf_faulty")
    status, out, _ = sockrun("explore", "between_cr_and_lf_faulty.yaml")
    assert status == 1
    assert "client -> server is cut after byte 7 of 8" in out
    assert "between_cr_and_lf_faulty.yaml:9:9: error" in out
    command = out[out.index("to see it again") :].splitlines()[1].split()
    assert command[:2] == ["sockrun", "explore"]
    again = subprocess.run([*COMMAND, *command[1:]], capture_output=True, text=True, cwd=sockrun.folder, timeout=60)
    assert again.returncode == 1
    of_the_first = out[out.index("  it fails") : out.index("  to see it again")]
    assert of_the_first in again.stdout


def test_the_matrix_value_that_fails_is_named_in_the_command(sockrun: CommandLine) -> None:
    place(sockrun, "order_of_connections_faulty")
    _, out, _ = sockrun("explore")
    wanted = (
        "sockrun explore order_of_connections_faulty.yaml -k 'order_of_connections_faulty.yaml[bye]' --replay slow=0"
    )
    assert wanted in out


def test_a_budget_in_runs(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    status, out, _ = sockrun("explore", "--budget", "20 runs")
    assert status == 0
    assert "(19 conditions" in out
    assert "the budget of 20 runs was used up" in out
    assert "the budget of 1 run was used up" in sockrun("explore", "--budget", "1 run").out


def test_progress_counts_conditions_and_not_the_plain_run() -> None:
    """As the line at the end does, which stands in its place."""
    (program,) = programs(LINES)
    seen: list[str] = []
    explorer = Explorer(["split"], Budget(60.0, 4), told=lambda one: seen.append(progress(one, 1, 2)))
    explorer.explore(program)
    assert [line.partition(": ")[2] for line in seen] == [
        "1 condition so far",
        "2 conditions so far",
        "3 conditions so far",
    ]


def test_only_the_faults_that_are_asked_for(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_faulty")
    status, out, _ = sockrun("explore", "--faults", "order")
    assert status == 0
    assert "split" not in out


def test_json_for_other_programs(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_faulty", "one_read_sound")
    status, out, _ = sockrun("explore", "--format", "json", "one_read_faulty.yaml", "one_read_sound.yaml")
    faulty, sound = json.loads(out)["scenarios"]
    assert status == 1
    assert (faulty["status"], faulty["fault"]["replay"]) == ("fault", "cut=0:1")
    assert faulty["fault"]["command"] == "sockrun explore one_read_faulty.yaml --replay cut=0:1"
    assert (sound["status"], sound["everything"], sound["tried"]["split"]) == ("sound", True, 17)


def test_one_that_fails_anyway_is_told_as_that(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    status, out, _ = sockrun("explore", "one_read_sound.yaml", "--replay", "plain")
    assert status == 0
    text = (FOLDER / "one_read_sound.yaml").read_text().replace('expect: "200"', 'expect: "404"')
    sockrun.write("wrong.yaml", text)
    status, out, _ = sockrun("explore", "wrong.yaml")
    assert status == 1
    assert "it does not pass, though nothing was done to it" in out


def test_who_is_outside_cannot_be_simulated(sockrun: CommandLine) -> None:
    """As `run --simulate` has it, also where it shows only when a role turns there; and `--live` is named."""
    sockrun.write("a.yaml", "roles: {client: {protocol: tcp, side: client, port: 9, payload: ab}}")
    sockrun.write("b.yaml", "processes: {cat: {command: [cat], expect_exit: 0}}")
    status, out, _ = sockrun("explore")
    assert status == 0
    first, second, _ = out.splitlines()
    assert first == (
        "SKIP a.yaml  (it cannot be simulated: 127.0.0.1:9 is no role's address; `explore --live` uses real sockets)"
    )
    assert second.startswith("SKIP b.yaml  (it cannot be simulated: it starts cat, and only roles can be simulated;")
    assert sockrun("explore", "a.yaml", "--replay", "plain").status == 2


def test_what_the_environment_refuses_is_no_fault(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", "processes: {p: {command: [no-such-program-of-ours], expect_exit: 0}}")
    status, out, _ = sockrun("explore", "--live", "a.yaml")
    assert (status, out.split()[0]) == (3, "REFUSED")
    assert out.splitlines()[-1].startswith("1 refused by the environment; ")


def test_a_single_run_says_how_it_went(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    status, out, _ = sockrun("explore", "--replay", "cut=0:1")
    assert status == 0
    assert "what was done\n    client -> server is cut after byte 1 of 12" in out
    assert "to see it again" not in out
    status, out, _ = sockrun("explore", "--replay", "reset=0:1")
    assert status == 0
    assert "it fails, as it may where a connection ends early" in out


def test_a_single_run_for_other_programs(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_faulty")
    status, out, _ = sockrun("explore", "--replay", "cut=0:1", "--format", "json")
    (one,) = json.loads(out)["scenarios"]
    assert (status, one["status"], one["fault"]["replay"]) == (1, "fault", "cut=0:1")


@pytest.mark.parametrize(
    "token",
    ["cut=0:12", "cut=7:1", "apart=2", "stall=0:99", "turn=99:0", "slow=99", "lost=0", "fin=1:99", "cut=0:1,lost=3"],
)
def test_a_decision_that_names_nothing_is_told(sockrun: CommandLine, token: str) -> None:
    """The scenario is another by now, or a digit is wrong: 'sound' would be no answer."""
    place(sockrun, "one_read_sound")
    status, _, err = sockrun("explore", "--replay", token)
    assert status == 2
    assert f"'{token.rpartition(',')[2]}' names nothing that happens in one_read_sound.yaml" in err


def test_the_last_of_a_kind_is_none_too_many(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    for decision in ("cut=0:11", "stall=0:0", "joined=1", "silence=0:12", "slow=0"):
        assert sockrun("explore", "--replay", decision).status == 0, decision


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", ""], "'' is no decision"),
        (["--faults", "split,rain"], "'rain' is none of split, order, loss, end"),
        (["--budget", "soon"], "'soon' is no budget"),
        (["--replay", "cut=1"], "'cut=1' is no decision"),
        (["--replay", "rain=1:2"], "'rain=1:2' is no decision"),
    ],
)
def test_a_wrong_word_is_told(sockrun: CommandLine, words: list[str], said: str) -> None:
    place(sockrun, "one_read_sound")
    status, _, err = sockrun("explore", *words)
    assert status == 2
    assert said in " ".join(err.replace("│", "").split())


def test_ctrl_c_ends_it_with_the_figures_so_far(sockrun: CommandLine) -> None:
    place(sockrun, "one_read_sound")
    sockrun.write("zz_many.yaml", (SCENARIOS / "many_clients.yaml").read_text())
    words = [*COMMAND, "explore", "--budget", "10m", "."]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=sockrun.folder) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert first.startswith("SOUND one_read_sound.yaml")
    assert rest.splitlines()[-1].startswith(("1 sound, 1 interrupted; ", "1 sound, 1 not begun; "))


def test_what_cannot_be_simulated_is_skipped(sockrun: CommandLine) -> None:
    sockrun.write("redis.yaml", (SCENARIOS / "redis.yaml").read_text())
    status, out, _ = sockrun("explore", "redis.yaml")
    assert status == 0
    assert out.startswith("SKIP redis.yaml")


def test_a_secret_is_shown_nowhere(sockrun: CommandLine) -> None:
    text = (FOLDER / "half_close_for_the_end_faulty.yaml").read_text().replace("Hello World", "hunter2 abcd")
    sockrun.write("secret.yaml", f"secrets: {{word: hunter2}}\n{text.replace('hunter2', '${word}')}")
    status, out, err = sockrun("explore", "secret.yaml")
    assert status == 1
    assert "hunter" not in out + err
