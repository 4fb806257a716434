"""`sockrun load`: a scenario's clients as many users, its servers once, and figures that add up."""

from __future__ import annotations

import csv
import json
import pickle
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.compiling.loading import Options
from sockrun.loadtest import data
from sockrun.loadtest.figures import INTERVALS, KINDS, OTHERS, Figures, merged
from sockrun.loadtest.halves import Halves, Order, halves
from sockrun.loadtest.latencies import Latencies
from sockrun.loadtest.page import page
from sockrun.loadtest.plan import Plan, Share
from sockrun.loadtest.running import Load
from sockrun.loadtest.summary import doubts
from sockrun.loadtest.thresholds import condition, duration
from sockrun.spreading.crews import Household
from tests.command_line import COMMAND, FAILS, CommandLine
from tests.playing import SCENARIOS

ECHO = """
vars: {word: hello}
roles:
  server:
    protocol: tcp
    side: server
    framing: line
    steps: [{expect: {regex: "(?P<line>.*)"}}, {send: "${line}!"}]
  client:
    side: client
    to: server
    framing: line
    steps: [{send: "${word} ${user} ${iteration}", note: ask}, {expect: "${word} ${user} ${iteration}!", note: answer}]
"""
DECLARED = ECHO.replace("{word: hello}", "{word: hello, user: 7, iteration: 8}")  # so that it can be run as well
# The server knows what it was sent, so that a test can be told of it.
COLLECTS = """
vars: {name: nobody, number: 0}
roles:
  server:
    protocol: udp
    side: server
    steps: [{expect: {regex: "(?P<name>.*) (?P<next>[0-9]+)"}}, {send: "${name} ${next}"}]
  client: {side: client, to: server, steps: [{send: "${name} ${number + 1}"}, {expect: {one_of: WANTED}}]}
"""


def figures_of(sockrun: CommandLine, *words: str, status: int = 0) -> dict[str, Any]:
    outcome = sockrun("load", *words, "--json", "figures.json")
    assert outcome.status == status, (outcome.out, outcome.err)
    found: dict[str, Any] = json.loads((sockrun.folder / "figures.json").read_text())
    return found


# --- what is played ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tcp_hello", "udp_reverse"])
def test_the_seed_examples_as_load(name: str, sockrun: CommandLine) -> None:
    told = figures_of(sockrun, str(SCENARIOS / f"{name}.yaml"), "--users", "4", "--iterations", "40")
    assert told["iterations"]["passed"] == 40
    assert told["errors"] == told["server_errors"] == {}


@pytest.mark.parametrize(
    "name", ["line_echo", "mock_server", "sip_call", "smtp_starttls", "unix_datagram", "websocket_handshake"]
)
def test_examples_as_load(name: str, sockrun: CommandLine) -> None:
    told = figures_of(sockrun, str(SCENARIOS / f"{name}.yaml"), "--users", "3", "--iterations", "12")
    assert (told["iterations"]["passed"], told["errors"], told["server_errors"]) == (12, {}, {})


def test_every_iteration_has_a_number_and_every_user_one(sockrun: CommandLine) -> None:
    """The server repeats what it was told, so that a wrong number fails."""
    sockrun.write("echo.yaml", ECHO)
    told = figures_of(sockrun, "echo.yaml", "--users", "5", "--iterations", "50")
    assert told["iterations"]["passed"] == told["connections"] == 50
    assert told["users"] == 5
    assert told["steps"]["ask"]["count"] == told["steps"]["answer"]["count"] == 50
    assert told["steps"]["client connect"]["count"] == 50


def test_names_of_load_are_unknown_elsewhere(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    assert "nothing ever binds 'iteration'" in sockrun("run", "echo.yaml").out


def test_a_file_that_declares_the_numbers_can_be_run_as_well(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", DECLARED)
    assert sockrun("run", "echo.yaml").status == 0
    assert figures_of(sockrun, "echo.yaml", "--iterations", "5")["iterations"]["passed"] == 5


def test_a_name_that_is_text_is_no_number(sockrun: CommandLine) -> None:
    """`user: anna` means somebody else's user."""
    sockrun.write("echo.yaml", ECHO.replace("{word: hello}", "{word: hello, user: anna}"))
    outcome = sockrun("load", "echo.yaml", "--iterations", "1", "-k", "echo")
    assert outcome.status == 0
    sockrun.write(
        "anna.yaml",
        ECHO.replace("{word: hello}", "{word: hello, user: anna}").replace('"${word} ${user} ${iteration}!"', '"x"'),
    )
    assert "hello anna 0!" not in sockrun("load", "anna.yaml", "--iterations", "1").err


def test_rows_of_data_are_the_values_of_iterations(sockrun: CommandLine) -> None:
    wanted = json.dumps(["anna 2", "bo, b 3", "cyd 4"])
    sockrun.write("collects.yaml", COLLECTS.replace("WANTED", wanted))
    sockrun.write("rows.csv", 'name,number,other\nanna,1,x\n"bo, b",2,y\ncyd,3,z\n')
    told = figures_of(sockrun, "collects.yaml", "--users", "2", "--iterations", "9", "--data", "rows.csv")
    assert (told["iterations"]["passed"], told["errors"]) == (9, {})
    sockrun.write("rows.csv", "name,number\ndora,1\n")
    told = figures_of(sockrun, "collects.yaml", "--iterations", "2", "--data", "rows.csv", status=1)
    assert told["iterations"]["failed"] == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "has no row of values"),
        ("name,number\n", "has no row of values"),
        ("name,1st\nanna,1\n", "rows.csv:1: '1st' is no name of a variable"),
        ("name,name\na,b\n", "two columns have the same name"),
        ("name,number\nanna\n", "rows.csv:2: this line has 1 values, and the first 2 names"),
        ('name,number\n"anna,1\n', "is no CSV file"),
        ("name,number\nanna,one\n", "row 1: the value of 'number' does not fit: 'one' is not a whole number"),
    ],
)
def test_wrong_data_is_told(text: str, why: str, sockrun: CommandLine) -> None:
    sockrun.write("collects.yaml", COLLECTS.replace("WANTED", "[x]"))
    sockrun.write("rows.csv", text)
    outcome = sockrun("load", "collects.yaml", "--iterations", "1", "--data", "rows.csv")
    assert outcome.status == 2
    assert why in outcome.err


def test_a_secret_is_no_column(sockrun: CommandLine) -> None:
    sockrun.write("secret.yaml", "secrets: {word: swordfish}\n" + ECHO.replace("vars: {word: hello}", ""))
    sockrun.write("rows.csv", "word\nherring\n")
    outcome = sockrun("load", "secret.yaml", "--data", "rows.csv")
    assert outcome.status == 2
    assert "the secret 'word' would have values that nobody hides" in outcome.err
    assert "swordfish" not in outcome.err


def test_secrets_are_hidden_in_errors(sockrun: CommandLine) -> None:
    text = ECHO.replace("vars: {word: hello}", "secrets: {word: swordfish}").replace('iteration}!"', 'iteration}?"')
    sockrun.write("secret.yaml", text)
    outcome = sockrun("load", "secret.yaml", "--iterations", "2", "--json", "figures.json", "--html", "page.html")
    told = outcome.out + outcome.err + (sockrun.folder / "figures.json").read_text()
    assert outcome.status == 1
    assert "swordfish" not in told + (sockrun.folder / "page.html").read_text()


def test_a_real_server_is_loaded(sockrun: CommandLine) -> None:
    """The scenario's own server is not played: another process has its place."""
    server = sockrun.write("server.yaml", DECLARED.replace("side: server", "side: server\n    connections: 30"))
    playing = subprocess.Popen([*COMMAND, "run", str(server), "--play", "server"], stdout=subprocess.PIPE, text=True)
    with playing:
        try:
            assert playing.stdout is not None
            address = re.search(r"127\.0\.0\.1:\d+", playing.stdout.readline())
            assert address is not None
            sockrun.write("echo.yaml", ECHO)
            told = figures_of(
                sockrun, "echo.yaml", "--real", f"server={address[0]}", "--users", "3", "--iterations", "30"
            )
        finally:
            playing.kill()
    assert told["iterations"]["passed"] == 30


def test_nobody_listens(sockrun: CommandLine) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        sockrun.write("echo.yaml", ECHO)
        told = figures_of(sockrun, "echo.yaml", "--real", f"server=127.0.0.1:{port}", "--iterations", "3", status=1)
    assert told["iterations"]["failed"] == 3
    ((kind, times),) = told["errors"].items()
    assert times == 3
    assert kind.startswith("client, step ")
    assert "nobody listens" in kind


def test_a_server_that_fails_a_user_is_told_and_goes_on(sockrun: CommandLine) -> None:
    text = ECHO.replace('{regex: "(?P<line>.*)"}', '{regex: "(?P<line>.* .* [02468])"}').replace(
        "framing: line\n    steps", "timeout: 1s\n    framing: line\n    steps"
    )
    sockrun.write("even.yaml", text)
    told = figures_of(sockrun, "even.yaml", "--iterations", "10", status=1)
    assert (told["iterations"]["passed"], told["iterations"]["failed"]) == (5, 5)
    assert sum(told["server_errors"].values()) == 5


def test_servers_that_cannot_be_bound_end_it(sockrun: CommandLine) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        sockrun.write("echo.yaml", ECHO.replace("side: server", f"side: server\n    port: {port}"))
        outcome = sockrun("load", "echo.yaml")
    assert outcome.status == 3
    assert f"127.0.0.1:{port}" in outcome.err


def test_a_process_that_dies_ends_it(sockrun: CommandLine) -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', int(PORT))); s.accept()[0].recv(9); exit(7)"
    sockrun.write(
        "dies.yaml",
        f"""
ports: [web]
processes:
  web:
    command: ["{sys.executable}", -c, "{code.replace("PORT", "'${ports.web}'")}"]
    ready: {{port: "${{ports.web}}"}}
roles:
  client: {{protocol: tcp, side: client, port: "${{ports.web}}", steps: [{{send: hello}}, {{expect: hello}}]}}
""",
    )
    outcome = sockrun("load", "dies.yaml", "--duration", "60s")
    assert outcome.status == 1
    assert "web ended with exit status 7" in outcome.err


# --- what cannot be loaded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("roles: {server: {protocol: tcp, side: server, payload: x}}", "it has no client"),
        (
            "roles:\n  server: {protocol: tcp, side: server, steps: [{signal: go}, {send: x}]}\n"
            "  client: {side: client, to: server, steps: [{wait: go}, {expect: x}]}",
            "this waits for the signal 'go', which only 'server' could provide, and under load clients and servers",
        ),
        (
            "roles:\n  server: {protocol: tcp, side: server, steps: [{send: '${user}'}]}\n"
            "  client: {side: client, to: server, steps: [{expect: x}]}",
            "this needs user, which each user has for itself",
        ),
        ("expect_failure: true\n" + FAILS, "is expected to fail"),
        ("matrix: {word: [a, b]}\n" + ECHO.replace("vars: {word: hello}", ""), "has 2 scenarios that fit"),
    ],
)
def test_what_is_no_load_is_told_before_anything_starts(text: str, why: str, sockrun: CommandLine) -> None:
    sockrun.write("wrong.yaml", text)
    outcome = sockrun("load", "wrong.yaml")
    assert outcome.status == 2
    assert why in outcome.err
    assert "Traceback" not in outcome.err


def test_one_of_a_matrix_can_be_named(sockrun: CommandLine) -> None:
    sockrun.write("matrix.yaml", "matrix: {word: [a, b]}\n" + ECHO.replace("vars: {word: hello}", ""))
    assert figures_of(sockrun, "matrix.yaml", "-k", "[b]", "--iterations", "2")["scenario"] == "matrix.yaml[b]"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--rate", "x"], "'x' is no rate such as 500/s"),
        (["--rate", "inf"], "'inf' is no rate such as 500/s"),
        (["--duration", "0s"], "it must be more than nothing"),
        (["--ramp", "soon"], "'soon' is not a duration"),
        (["--fail-if", "p99"], "'p99' is no condition"),
        (["--fail-if", "p99(anser) > 5ms"], "there is no step 'anser': did you mean 'answer'?"),
        (["--fail-if", "p101 > 5ms"], "'p101' is nothing that can be compared"),
        (["--fail-if", "p99 > 5kg"], "'5kg' is not a duration"),
        (["--data", "there-is-no-such.csv"], "cannot be read"),
        (["--json", "-", "--csv", "-"], "only one of --csv and --json can go to standard output"),
    ],
)
def test_wrong_options_are_told(words: list[str], why: str, sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", *words)
    assert outcome.status == 2
    assert why in outcome.err


def test_more_users_than_sockets_are_refused_with_the_numbers(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", "--users", "100000000")
    assert outcome.status == 3
    assert "100,000,000 users would need 200,000,000 sockets, and only" in outcome.err
    assert "ulimit -n 2000" in outcome.err


# --- when iterations begin -----------------------------------------------------------------------


def test_a_rate_is_kept_and_a_late_start_counts(sockrun: CommandLine) -> None:
    """Each iteration takes 50 ms and one user can play: of ten that are due at once the last has waited nine times."""
    sockrun.write("slow.yaml", ECHO.replace('{send: "${line}!"}', '{pause: 50ms}, {send: "${line}!"}'))
    told = figures_of(sockrun, "slow.yaml", "--rate", "10000/s", "--users", "1", "--iterations", "10")
    assert told["iterations"]["passed"] == 10
    assert told["iterations"]["delayed"] == 9
    assert told["iterations"]["latency"]["max"] >= 0.499
    assert told["users"] == 1


def test_with_a_rate_there_are_as_many_users_as_it_takes(sockrun: CommandLine) -> None:
    sockrun.write("slow.yaml", ECHO.replace('{send: "${line}!"}', '{pause: 100ms}, {send: "${line}!"}'))
    told = figures_of(sockrun, "slow.yaml", "--rate", "100000/s", "--iterations", "20")
    assert (told["iterations"]["passed"], told["iterations"]["delayed"]) == (20, 0)
    assert told["users"] == 20


def test_a_duration_ends_it(sockrun: CommandLine) -> None:
    """What is under way comes to its end; nothing begins any more."""
    sockrun.write("echo.yaml", ECHO)
    told = figures_of(sockrun, "echo.yaml", "--duration", "200ms", "--users", "2")
    assert told["iterations"]["passed"] > 0
    assert told["seconds"] >= 0.2
    assert told["iterations"]["unfinished"] == 0


RATES = st.floats(0.1, 1e5)
RAMPS = st.floats(0, 100)


@given(RATES, RAMPS, st.integers(0, 10_000))
def test_due_moments_never_run_backwards(rate: float, ramp: float, number: int) -> None:
    plan = Plan(rate=rate, ramp=ramp)
    assert 0 <= plan.due(number) <= plan.due(number + 1) + 1e-9


@given(RATES, RAMPS, st.floats(0, 100))
def test_behind_the_ramp_the_rate_is_kept(rate: float, ramp: float, seconds: float) -> None:
    """Of the ramp's time half as many are due as without it."""
    number = round(rate * (ramp / 2 + seconds)) + 1
    assert Plan(rate=rate, ramp=ramp).due(number) == pytest.approx(ramp / 2 + number / rate)


@given(st.integers(1, 8), st.integers(0, 200))
def test_shares_together_are_all(of: int, most: int) -> None:
    numbers = [number for index in range(of) for number in Share(index, of).numbers(most)]
    assert sorted(numbers) == list(range(most))


# --- workers -------------------------------------------------------------------------------------


def test_workers_play_every_iteration_once(sockrun: CommandLine) -> None:
    """Each row belongs to one iteration, and the server, who plays here, repeats it."""
    wanted = json.dumps([f"user{number} 1" for number in range(40)])
    sockrun.write("collects.yaml", COLLECTS.replace("WANTED", wanted))
    sockrun.write("rows.csv", "name\n" + "".join(f"user{number}\n" for number in range(40)))
    words = ["collects.yaml", "--users", "4", "--iterations", "40", "--data", "rows.csv", "--jobs", "2"]
    told = figures_of(sockrun, *words)
    assert (told["iterations"]["passed"], told["errors"], told["workers"]) == (40, {}, 2)
    assert sum(interval["iterations"] for interval in told["intervals"]) == 40


def test_no_worker_is_without_a_user(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    told = figures_of(sockrun, "echo.yaml", "--users", "1", "--iterations", "5", "--jobs", "3")
    assert (told["iterations"]["passed"], told["workers"]) == (5, 1)


def test_workers_trust_the_authority_of_the_run(sockrun: CommandLine) -> None:
    pytest.importorskip("trustme", reason="sockrun[tls] is not installed")
    words = [str(SCENARIOS / "smtp_starttls.yaml"), "--users", "2", "--iterations", "4", "--jobs", "2"]
    assert figures_of(sockrun, *words)["iterations"]["passed"] == 4


class Dying(Household):
    """One of the workers is killed once it has been heard of."""

    def said(self) -> dict[int, bytes]:
        found = super().said()
        if 1 in found:
            for process in self._pools[1].executor._processes.values():  # type: ignore[attr-defined]
                process.kill()
        return found


def test_what_a_dead_worker_was_heard_of_counts_and_its_death_is_told(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    order = Order(Path("echo.yaml"), Options())
    both = halves(order)
    assert isinstance(both, Halves)
    figures = Load(order, both, Plan(users=2, duration=4.0), make_crew=lambda: Dying(2)).run().figures
    assert (figures.lost, figures.workers) == (1, 2)
    assert figures.iterations > 0
    assert figures.latencies.count == figures.iterations == figures.step("answer").count
    assert "1 worker died" in " ".join(doubts(figures))


def test_an_interruption_ends_the_workers_in_order(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    arguments = [
        "load",
        "echo.yaml",
        "--duration",
        "60s",
        "--users",
        "2",
        "--jobs",
        "2",
        "--json",
        "load.json",
        "--real",
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"server=127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen([*COMMAND, *arguments, address], stdout=subprocess.DEVNULL) as process:
            for _ in range(2):
                connection, _ = server.accept()
                connection.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 130
    assert json.loads((sockrun.folder / "load.json").read_text())["workers"] == 2


def test_servers_of_a_cluster_are_real(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", "--cluster", "tcp://127.0.0.1:1")
    assert outcome.status == 2
    assert "workers elsewhere cannot reach servers that are played here" in outcome.err


# --- figures -------------------------------------------------------------------------------------

SECONDS = st.lists(st.floats(1e-6, 100), max_size=30)


@settings(max_examples=20)
@given(SECONDS)
def test_percentiles_are_true_to_three_digits(values: list[float]) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    assert latencies.count == len(values)
    if values:
        assert latencies.most == pytest.approx(max(values), rel=2e-3, abs=1e-6)
        assert latencies.at(100) == pytest.approx(max(values), rel=2e-3, abs=1e-6)
        assert latencies.least == pytest.approx(min(values), rel=2e-3, abs=1e-6)


@settings(max_examples=20)
@given(SECONDS, SECONDS)
def test_histograms_of_workers_add_up(ours: list[float], theirs: list[float]) -> None:
    one, other, whole = Latencies(), Latencies(), Latencies()
    for latencies, values in ((one, ours), (other, theirs), (whole, [*ours, *theirs])):
        for value in values:
            latencies.add(value)
    one.merge(pickle.loads(pickle.dumps(other)))
    assert [one.at(percent) for percent in (50, 90, 99, 100)] == [whole.at(p) for p in (50, 90, 99, 100)]
    assert one.count == whole.count


def counted(iterations: list[tuple[float, float]]) -> Figures:
    """Each: when it ended, and how long it took."""
    figures = Figures()
    for end, seconds in iterations:
        figures.iterations += 1
        figures.latencies.add(seconds)
        figures.step("answer").add(seconds)
        figures.error("why")
        interval = figures.interval(end)
        interval.iterations += 1
        interval.latencies.add(seconds)
        figures.seconds = max(figures.seconds, end)
    return figures


ITERATIONS = st.lists(st.tuples(st.floats(0, 5_000), st.floats(1e-6, 10)), max_size=20)


@settings(max_examples=20)
@given(ITERATIONS, ITERATIONS)
def test_figures_of_workers_add_up(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    found = merged([counted(ours), pickle.loads(pickle.dumps(counted(theirs)))])
    whole = counted([*ours, *theirs])
    assert (found.iterations, found.errors, found.workers) == (whole.iterations, whole.errors, 2)
    assert found.span == whole.span
    assert [one.iterations for one in found.intervals] == [one.iterations for one in whole.intervals]
    assert found.step("answer").count == whole.step("answer").count


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_a_long_load_needs_no_more_memory(moments: list[float]) -> None:
    figures = counted([(moment, 0.001) for moment in moments])
    assert len(figures.intervals) <= INTERVALS
    assert sum(one.iterations for one in figures.intervals) == len(moments)


def test_errors_of_endless_kinds_need_no_endless_memory() -> None:
    figures = Figures()
    for number in range(10 * KINDS):
        figures.error(f"kind {number}")
    assert figures.errors[OTHERS] == 9 * KINDS
    assert figures.errors.total() == 10 * KINDS


def test_who_is_the_bottleneck_says_so() -> None:
    figures = Figures(seconds=10.0, iterations=100, busy=9.9)
    assert "sockrun itself is the bottleneck: it was busy 99% of the time" in " ".join(doubts(figures))
    assert list(doubts(Figures(seconds=10.0, iterations=100, busy=0.5))) == []


# --- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("p50 > 50ms", True),
        ("p50>200ms", False),
        ("p99.9 >= 99ms", True),
        ("max(answer) < 1ms", False),
        ("mean > 0.09s", True),
        ("min < 200ms", True),
        ("errors > 10%", True),
        ("errors > 49%", False),
        ("errors >= 2", True),
        ("rate < 100", True),
        ("rate < 0.1/s", False),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    figures = counted([(1.0, 0.1), (2.0, 0.1), (4.0, 0.1)])
    figures.failed = 2
    assert condition(text, ["answer"]).holds(figures) is holds


def test_a_condition_that_holds_is_status_1(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun(
        "load", "echo.yaml", "--iterations", "3", "--fail-if", "p99(answer) > 1us", "--fail-if", "rate < 1"
    )
    assert outcome.status == 1
    assert re.search(r"^FAIL  p99\(answer\) > 1us \(it is .* [mµ]?s\)$", outcome.out, re.MULTILINE)
    assert re.search(r"^pass  not rate < 1 \(it is .*/s\)$", outcome.out, re.MULTILINE)


def test_errors_may_be_allowed(sockrun: CommandLine) -> None:
    sockrun.write("wrong.yaml", FAILS)
    assert sockrun("load", "wrong.yaml", "--iterations", "2", "--fail-if", "errors > 100%").status == 1, "none was good"
    assert "no iteration came to a good end" in sockrun("load", "wrong.yaml", "--iterations", "2").out


@given(st.floats(1e-6, 1e4))
def test_durations_keep_three_digits(seconds: float) -> None:
    number, unit = duration(seconds).split()
    assert float(number) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] == pytest.approx(seconds, rel=6e-3)


# --- what is said of it --------------------------------------------------------------------------


def test_the_report(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", "--iterations", "7", "--users", "2")
    lines = outcome.out.splitlines()
    assert lines[0] == "load echo.yaml"
    assert re.fullmatch(r"7 iterations in .* \(.*/s\), 0 failed \(0%\), up to 2 users", lines[1])
    assert lines[2].startswith("7 connections, ")
    assert lines[4].split() == ["count", "p50", "p90", "p99", "p99.9", "max", "mean"]
    assert [line.split()[0] for line in lines[5:9]] == ["iteration", "client", "ask", "answer"]


def test_a_check_that_fails_leaves_the_steps_before_it_in_the_figures(sockrun: CommandLine) -> None:
    """They came to their end, and the check takes no time of its own."""
    sockrun.write("echo.yaml", ECHO.replace("note: answer}]", 'note: answer}, {check: "iteration < 4"}]'))
    told = figures_of(sockrun, "echo.yaml", "--iterations", "10", status=1)
    assert told["iterations"]["failed"] == 6
    assert told["steps"]["answer"]["count"] == 10


def test_the_step_that_failed_has_no_latency(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO.replace('${iteration}!", note', '${iteration % 2}!", note'))
    told = figures_of(sockrun, "echo.yaml", "--iterations", "10", status=1)
    assert (told["iterations"]["failed"], told["steps"]["ask"]["count"], told["steps"]["answer"]["count"]) == (8, 10, 2)


def test_bytes_are_counted_over_streams_and_datagrams_alike(sockrun: CommandLine) -> None:
    sockrun.write(
        "both.yaml",
        """
        roles:
          stream: {protocol: tcp, side: server, payload: "12345", expect: "123"}
          packet: {protocol: udp, side: server, expect: "1234567", payload: "12"}
          reader: {side: client, to: stream, payload: "123", expect: "12345", start: {after: asker}}
          asker: {side: client, to: packet, payload: "1234567", expect: "12"}
          writer: {side: client, to: packet, payload: "1234567", expect: "12", start: {after: reader}}
        """,
    )
    told = figures_of(sockrun, "both.yaml", "--iterations", "5")
    assert told["bytes"] == {"sent": 5 * (3 + 7 + 7), "received": 5 * (5 + 2 + 2)}


def test_csv_has_a_line_for_each_second(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    assert sockrun("load", "echo.yaml", "--iterations", "9", "--csv", "load.csv").status == 0
    with (sockrun.folder / "load.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert sum(int(line["iterations"]) for line in lines) == 9
    assert [float(line["seconds"]) for line in lines] == [float(number) for number in range(len(lines))]


def test_a_report_on_standard_output_is_alone_there(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", "--iterations", "2", "--json", "-")
    assert json.loads(outcome.out)["iterations"]["passed"] == 2


def test_the_page_shows_plots_and_escapes_what_it_shows() -> None:
    figures = counted([(0.5, 0.1), (1.5, 0.2)])
    figures.error("<script>alert(1)</script>")
    text = page("<b>.yaml", figures, [condition("p99 > 1ms", [])])
    assert text.count("<svg ") == 3
    assert text.count("<polyline ") == 6
    assert "<script" not in text
    assert "&lt;b&gt;.yaml" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_a_report_that_cannot_be_written_is_told_before_anything_starts(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    outcome = sockrun("load", "echo.yaml", "--html", "there/is/no/such.html", "--duration", "60s")
    assert outcome.status == 3
    assert "there is no folder" in outcome.err


def test_an_interruption_tells_the_figures_so_far(sockrun: CommandLine) -> None:
    """The sixth iteration never ends; those before it have, as the server has heard."""
    sockrun.write("echo.yaml", ECHO)
    arguments = ["load", "echo.yaml", "--duration", "60s", "--users", "2", "--csv", "load.csv", "--real"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"server=127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen([*COMMAND, *arguments, address], stdout=subprocess.PIPE, text=True) as process:
            for _ in range(5):
                connection, _ = server.accept()
                with connection, connection.makefile("rwb") as file:
                    file.write(file.readline().strip() + b"!\n")
            with server.accept()[0]:
                process.send_signal(signal.SIGINT)
                out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"unfinished, up to 2 users$", out, re.MULTILINE)
    assert (sockrun.folder / "load.csv").exists()


def test_without_the_library_it_says_what_to_install(sockrun: CommandLine) -> None:
    sockrun.write("echo.yaml", ECHO)
    sockrun.write("hdrh/__init__.py", "raise ImportError\n")
    outcome = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.'); sys.argv = ['sockrun', 'load', 'echo.yaml']\n"
         "from sockrun.__main__ import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert outcome.returncode == 3
    assert "pip install 'sockrun[load]'" in outcome.stderr


def test_data_is_read_as_it_stands(tmp_path: Path) -> None:
    """With the byte order mark and the line ends that spreadsheets write (RFC 4180)."""
    path = tmp_path / "rows.csv"
    path.write_bytes(b'\xef\xbb\xbfname,word\r\n"a ""b""",\xc3\xa9\r\n\r\n')
    found = data.read(str(path))
    assert found.columns == ["name", "word"]
    assert Counter(map(tuple, (row.items() for row in found.rows))) == {(("name", 'a "b"'), ("word", "é")): 1}
