"""`sockrun run --simulate`: what people see of it, and that a seed repeats it to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.command_line import CommandLine
from tests.playing import SCENARIOS
from tests.test_simulation import neutral

CHATTING = """\
network: {latency: 10ms, jitter: 30ms, loss: 20%}
timeout: 10s
roles:
  server:
    protocol: udp
    side: server
    unread: allow
    steps: [{repeat: 20, steps: [{expect: {any: true}, optional: 100ms}]}]
  client:
    side: client
    to: server
    steps: [{repeat: 20, steps: [{send: "${hex(random_bytes(8))} ${now()}"}, {pause: 3ms}]}]
"""
PAIR = """\
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "ping"}, {send: "pong"}]}
  client: {side: client, to: server, steps: [{send: "ping"}, {expect: "ANSWER"}]}
"""


def another_process(folder: Path, *words: str, hash_seed: str) -> str:
    """Standard output of a run, less the line that has the real time in it."""
    command = [sys.executable, "-m", "sockrun", "run", "--simulate", "-v", *words]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "simulated with seed" in lines[-1]
    return "\n".join(lines[:-1])


def test_the_same_seed_is_the_same_run_in_another_process(tmp_path: Path) -> None:
    """Times, random bytes and what the network loses, byte for byte; another seed is another run."""
    (tmp_path / "chatting.yaml").write_text(CHATTING)
    first = another_process(tmp_path, "chatting.yaml", "--seed", "7", hash_seed="1")
    assert first == another_process(tmp_path, "chatting.yaml", "--seed", "7", hash_seed="2")
    assert first != another_process(tmp_path, "chatting.yaml", "--seed", "8", hash_seed="1")


def test_the_examples_too(tmp_path: Path) -> None:
    """TLS included, whose certificates and keys are new each time."""
    files = [str(path) for path in sorted(SCENARIOS.glob("*.yaml")) if "processes:" not in path.read_text()]
    first, second = (another_process(tmp_path, *files, hash_seed=number) for number in "12")
    assert first == second


@pytest.fixture
def pair(sockrun: CommandLine) -> CommandLine:
    sockrun.write("good.yaml", PAIR.replace("ANSWER", "pong"))
    sockrun.write("bad.yaml", PAIR.replace("ANSWER", "pang"))
    return sockrun


def test_the_summary_says_that_it_was_simulated(pair: CommandLine) -> None:
    assert pair("run", "--simulate", "good.yaml").out.splitlines()[-1].endswith(", simulated with seed 0")
    assert "simulated" not in pair("run", "good.yaml").out


def test_the_reports_have_the_seed(pair: CommandLine) -> None:
    pair("run", "--simulate", "--seed", "5", "good.yaml", "bad.yaml", "--junit", "r.xml", "--json", "r.jsonl")
    found = [(one.get("name"), one.get("value")) for one in ElementTree.parse("r.xml").iter("property")]
    assert found == [("sockrun.seed", "5")] * 2
    events = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert events[0]["seed"] == 5
    assert [event["status"] for event in events if event["event"] == "scenario"] == ["passed", "failed"]


def test_a_failure_is_told_as_on_real_sockets(pair: CommandLine) -> None:
    real, simulated = pair("run", "bad.yaml"), pair("run", "bad.yaml", "--simulate")
    assert (real.status, simulated.status) == (1, 1)
    start = "expected"
    told = [neutral(one.out[one.out.index(start) :].partition("diagram")[0]) for one in (real, simulated)]
    assert told[0] == told[1]


def test_it_may_be_repeated_and_cut_short(pair: CommandLine) -> None:
    assert "3 passed" in pair("run", "--simulate", "good.yaml", "--repeat", "3").out
    outcome = pair("run", "--simulate", "bad.yaml", "good.yaml", "--fail-fast")
    assert outcome.status == 1
    assert "1 failed, stopped at the first failure" in outcome.out


OUTSIDE = {
    "processes: {cat: {command: [cat], expect_exit: 0}}\nroles: {}": "it starts cat, and only roles can be simulated",
    "roles: {client: {protocol: tcp, side: client, port: 9, steps: []}}": "127.0.0.1:9 is no role's address",
}


@pytest.mark.parametrize(("text", "why"), OUTSIDE.items(), ids=["a process", "an address of no role"])
def test_who_is_outside_cannot_be_simulated(sockrun: CommandLine, text: str, why: str) -> None:
    """Such a scenario is skipped, and says why."""
    sockrun.write("outside.yaml", text + "\n")
    outcome = sockrun("run", "--simulate", "outside.yaml")
    assert outcome.status == 0
    assert f"SKIP outside.yaml  (it cannot be simulated: {why}" in outcome.out


REFUSED = {
    "--simulate --real server=127.0.0.1:1": "leave out --real and --play",
    "--simulate --play server": "leave out --real and --play",
    "--seed 3": "add --simulate",
}


@pytest.mark.parametrize(("words", "why"), REFUSED.items(), ids=REFUSED)
def test_options_that_do_not_go_together(pair: CommandLine, words: str, why: str) -> None:
    outcome = pair("run", "good.yaml", *words.split())
    assert outcome.status == 2
    assert why in " ".join(outcome.err.replace("│", " ").split())
