"""`sockrun explore --live`: servers with a planted fault, each beside a sound one, are told apart over real sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from sockrun.compiling.loading import Options, load
from sockrun.exploring.decisions import Kind
from sockrun.exploring.live import FAULTS, variants
from sockrun.exploring.live_search import LiveExplorer, LiveFinding
from sockrun.exploring.searching import Budget, Explored
from sockrun.network.kernel import Kernel
from sockrun.program import Program
from tests.command_line import CommandLine
from tests.playing import programs

FOLDER = Path(__file__).parent / "exploring" / "live"
BUDGET = Budget(60.0)  # seconds, as the command line has it

# Each server, and the cause to which the faulty one's failure comes down. Which of several cuts it is may hang on the
# machine: a program that is slow to be scheduled reads two pieces as one.
CAUSES = {
    "lines": r"what client sends in step [13] is cut after byte \d of 6",
    "length_prefix": r"what client sends in step 1 is cut after byte \d of 9",
    "pipelined": r"what client sends in step 1 is cut after byte \d of 10",
    "crlf": "what client sends in step 1 is cut after byte 4 of 5",
    "reset": "before the others comes a client that connects, and resets the connection",
    "silent": "before the others comes a client that connects, and says nothing more, and stays",
    "truncated": "before the others comes a client that connects, sends 5 bytes of the next, and closes",
    "end": "before the others comes a client that connects, and closes",
}


def program(name: str, twin: str) -> Program:
    (found,) = load(FOLDER / f"{name}.yaml", Options({"twin": twin})).programs
    return found


@contextmanager
def explorer(faults: Sequence[Kind], interrupted: Callable[[], bool] = lambda: False) -> Iterator[LiveExplorer]:
    network = Kernel()
    try:
        yield LiveExplorer(network, faults, BUDGET, interrupted=interrupted)
        assert not network.selector.get_map(), "sockets are left in the selector"
    finally:
        network.close()


def explored(name: str, twin: str) -> Explored:
    with explorer(FAULTS) as live:
        return live.explore(program(name, twin))


def test_there_is_a_cause_for_every_server() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(CAUSES)


@pytest.mark.parametrize("name", CAUSES)
def test_a_faulty_server_is_found_and_the_cause_is_short(name: str) -> None:
    found = explored(name, "faulty").finding
    assert isinstance(found, LiveFinding)
    (cause,) = found.causes(program(name, "faulty"))
    assert re.fullmatch(CAUSES[name], cause)


@pytest.mark.parametrize("name", CAUSES)
def test_its_sound_twin_passes_whatever_is_tried(name: str) -> None:
    done = explored(name, "sound")
    assert done.finding is None
    assert done.whole
    assert set(done.tried) == {"plain", "split", "end"}


def test_what_is_tried_has_a_name_that_plays_it_again(sockrun: CommandLine) -> None:
    server = FOLDER / "reset.yaml"
    status, out, _ = sockrun(
        "explore", "--live", str(server), "--var", "twin=faulty", "--replay", "end-client-0-x-reset"
    )
    assert status == 1
    assert CAUSES["reset"] in out
    status, out, _ = sockrun("explore", "--live", str(server), "--replay", "end-client-0-x-reset")
    assert (status, out.split()[0]) == (0, "SOUND")
    status, _, err = sockrun("explore", "--live", str(server), "--replay", "cut-9-9")
    assert status == 2
    assert "'cut-9-9' names nothing that is tried" in err


COUNTING = """
ports: [server]
files:
  server.py: |
    import itertools, pathlib, socketserver, sys
    starts = pathlib.Path(sys.argv[2])
    with starts.open("a") as file:
        file.write("x")
    visits = itertools.count(VISITS)
    class Conversation(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(1024):
                self.request.sendall(b"visit %d" % next(visits))
    socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Conversation).serve_forever()
processes:
  program:
    command: [python3, "${dir}/server.py", "${ports.server}", STARTS]
    ready: {port: "${ports.server}"}
roles:
  client: {protocol: tcp, side: client, port: "${ports.server}", payload: "?", expect: "visit 1"}
"""


def counting(starts: Path, visits: str = "1") -> str:
    """A server that counts its visits, and in a file how often it was started."""
    return COUNTING.replace("STARTS", json.dumps(str(starts))).replace("VISITS", visits)


def test_where_the_first_visit_counts_nothing_is_said_of_how_it_ends(sockrun: CommandLine) -> None:
    sockrun.write("count.yaml", counting(sockrun.folder / "starts"))
    status, out, _ = sockrun("explore", "--live", "count.yaml")
    assert status == 0
    assert "no 'end', since it passes only for who comes first" in out


def test_a_guest_that_fails_only_once_was_the_machine(tmp_path: Path) -> None:
    """The second start, which is for the first guest, is made to count wrongly; all others never count."""
    text = counting(tmp_path / "starts", "1, 0 if len(starts.read_text()) != 2 else 1")
    with explorer(["end"]) as live:
        done = live.explore(programs(text)[0])
    assert done.finding is None
    assert done.note == ""
    assert done.tried["end"] > 0


def test_an_interruption_says_nothing_of_who_comes_first(tmp_path: Path) -> None:
    with explorer(["end"], interrupted=lambda: True) as live:
        done = live.explore(programs(counting(tmp_path / "starts"))[0])
    assert (done.interrupted, done.note) == (True, "")


def test_names_are_different() -> None:
    tokens = [one.token for one in variants(program("reset", "sound"), (), FAULTS)]
    assert len(set(tokens)) == len(tokens) > 0


def test_a_real_peer_is_explored(sockrun: CommandLine) -> None:
    """Here it is nobody, so that the plain run fails, and says so."""
    sockrun.write("a.yaml", "roles: {s: {protocol: tcp, side: server}, c: {side: client, to: s, payload: abc}}")
    status, out, _ = sockrun("explore", "--live", "a.yaml", "--real", "s=127.0.0.1:1")
    assert (status, out.split()[0]) == (1, "FAULT")
    assert "it does not pass, though nothing was done to it" in out


def test_a_real_peer_is_no_part_of_a_simulation(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    status, _, err = sockrun("explore", "a.yaml", "--real", "server=127.0.0.1:1")
    assert status == 2
    assert "say --live" in err


def test_only_what_can_be_done_on_real_sockets_is_tried(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    status, _, err = sockrun("explore", "--live", "a.yaml", "--faults", "loss")
    assert status == 2
    assert "'loss' is none of split, end" in err
