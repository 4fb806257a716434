"""A scenario, or some of its roles, played beside the caller's own blocking code."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import SkipTest

import pytest

import sockrun
from tests.command_line import ROOT

HELLO = """
roles:
  server: {protocol: tcp, side: server, expect: "ping\\n", payload: "pong\\n"}
  client: {side: client, to: server, payload: "ping\\n", expect: "pong\\n"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "s.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Whatever a block does, no thread and no file descriptor of it is left."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "sockrun"] == []
    assert set(os.listdir("/proc/self/fd")) <= before


def ping(address: tuple[str, int], question: bytes = b"ping\n") -> bytes:
    with socket.create_connection(address) as sock:
        sock.sendall(question)
        return sock.makefile("rb").read()


def beside(played: sockrun.Played, block: Callable[[sockrun.Played], None]) -> None:
    with played:
        block(played)


# --- one side each -----------------------------------------------------------------------------


def test_a_server_role_plays_beside_a_client_of_the_caller(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(HELLO), roles=["server"]) as played:
        assert ping(played.addresses["server"]) == b"pong\n"
    assert played.result.status is sockrun.Status.PASSED


@pytest.mark.parametrize("named", ["roles", "real"])
def test_a_client_role_plays_beside_a_server_of_the_caller(file: Callable[[str], Path], named: str) -> None:
    """The server's address is what `getsockname` gives, for the client itself or for whom it turns to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = listener.getsockname()
        played = (
            sockrun.play(file(HELLO), roles={"client": where})
            if named == "roles"
            else sockrun.play(file(HELLO), real={"server": where})
        )
        with played, listener.accept()[0] as sock:
            assert sock.recv(9) == b"ping\n"
            sock.sendall(b"pong\n")
    assert played.result.passed


def test_a_role_may_be_named_without_a_list(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(HELLO), roles="server") as played:
        assert ping(played.addresses["server"]) == b"pong\n"


@pytest.mark.parametrize("path", ["${dir}/s", "@sockrun-test-${random}"])
def test_a_server_on_a_unix_socket_tells_its_path(path: str) -> None:
    text = HELLO.replace("protocol: tcp", f'protocol: unix, path: "{path.replace("${random}", str(os.getpid()))}"')
    (program,) = sockrun.loads(text, play={"server": None})
    with sockrun.play(program) as played, socket.socket(socket.AF_UNIX) as sock:
        sock.connect(played.paths["server"])
        sock.sendall(b"ping\n")
        assert sock.recv(9) == b"pong\n"


def test_who_listens_everywhere_is_told_as_an_address_to_connect_to(file: Callable[[str], Path]) -> None:
    text = HELLO.replace("side: server", "side: server, host: 0.0.0.0")
    with sockrun.play(file(text), roles=["server"], allow_hosts=["0.0.0.0"]) as played:
        assert played.addresses["server"][0] == "127.0.0.1"
        assert ping(played.addresses["server"]) == b"pong\n"


def test_all_roles_may_play_and_the_caller_be_one_more(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(HELLO.replace("side: server", "side: server, connections: 2"))) as played:
        assert ping(played.addresses["server"]) == b"pong\n"


def test_a_server_that_serves_whoever_comes_does_so_until_the_block_ends(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(HELLO.replace("side: server", "side: server, connections: any")), roles="server") as played:
        for _ in range(5):
            assert ping(played.addresses["server"]) == b"pong\n"


def test_one_connection_more_than_asked_for_is_a_failure_until_the_block_ends(file: Callable[[str], Path]) -> None:
    def block(played: sockrun.Played) -> None:
        assert ping(played.addresses["server"]) == b"pong\n"
        socket.create_connection(played.addresses["server"]).close()

    with pytest.raises(sockrun.ScenarioFailed, match="one connection more than the 1 asked for"):
        beside(sockrun.play(file(HELLO), roles="server"), block)


# --- the verdict -------------------------------------------------------------------------------


def test_a_wrong_answer_is_an_assertion_with_the_report(file: Callable[[str], Path]) -> None:
    with (
        pytest.raises(AssertionError) as raised,
        sockrun.play(file(HELLO), roles=["server"]) as played,
    ):
        ping(played.addresses["server"], b"pang\n")
    text = str(raised.value)
    assert "server, step 1" in text
    assert 'received "pang\\n"' in text
    assert "transcript" in text
    assert "Traceback" not in text
    assert isinstance(raised.value, sockrun.ScenarioFailed)
    assert raised.value.results == (played.result,)


def test_the_result_may_be_looked_at_before_the_block_ends(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(HELLO), roles=["server"]) as played:
        ping(played.addresses["server"])
        assert played.result.passed
    with pytest.raises(RuntimeError, match="it has not begun"):
        _ = sockrun.play(file(HELLO)).result


def test_a_failure_that_is_expected_passes(file: Callable[[str], Path]) -> None:
    with sockrun.play(file("expect_failure: byte 1\n" + HELLO), roles=["server"]) as played:
        ping(played.addresses["server"], b"pang\n")


def test_who_never_comes_is_told_when_the_time_has_passed(file: Callable[[str], Path]) -> None:
    with (
        pytest.raises(AssertionError, match=r"quiet, waiting for a connection \(server\)"),
        sockrun.play(file(HELLO), roles=["server"], timeout=0.05),
    ):
        pass


def test_a_block_that_outlives_the_timeout_is_told_as_what_it_is(file: Callable[[str], Path]) -> None:
    def block(played: sockrun.Played) -> None:
        ping(played.addresses["server"])
        next(thread for thread in threading.enumerate() if thread.name == "sockrun").join()

    with pytest.raises(AssertionError, match="the code that it is played beside has not ended"):
        beside(sockrun.play(file(HELLO), roles=["server"], timeout=0.2), block)


def test_what_the_machine_refuses_is_told_before_the_block(file: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = HELLO.replace("side: server", f"side: server, port: {other.getsockname()[1]}")
        with pytest.raises(AssertionError, match="is taken by another program"):
            sockrun.play(file(taken), roles=["server"]).__enter__()


def test_what_the_scenario_requires_and_is_not_there_skips_the_test(file: Callable[[str], Path]) -> None:
    played = sockrun.play(file("requires: {command: [no-such-program]}\n" + HELLO))
    with pytest.raises(SkipTest, match="there is no command 'no-such-program'"):
        played.__enter__()


# --- a block that does not come to its end -----------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_the_block_raises_goes_on_and_tells_what_the_roles_were_doing(
    file: Callable[[str], Path], kind: type[BaseException]
) -> None:
    with socket.socket() as sock:

        def block(played: sockrun.Played) -> None:
            sock.connect(played.addresses["server"])
            sock.sendall(b"pi")
            raise kind

        played = sockrun.play(file(HELLO), roles=["server"])
        with pytest.raises(kind) as raised:
            beside(played, block)
    (note,) = raised.value.__notes__
    assert "what each role was doing" in note
    assert played.result.status is sockrun.Status.INTERRUPTED


def test_the_cause_of_what_the_block_saw_is_in_its_note(file: Callable[[str], Path]) -> None:
    with (
        pytest.raises(AssertionError) as raised,
        sockrun.play(file(HELLO), roles=["server"]) as played,
    ):
        assert ping(played.addresses["server"], b"pang\n") == b"pong\n"
    assert "byte 1 is 0x61, not 0x69" in raised.value.__notes__[0]


def test_what_is_done_in_any_case_is_done_when_the_block_raises(file: Callable[[str], Path]) -> None:
    text = HELLO.replace('payload: "pong', 'finally: [{send: "bye\\n"}], payload: "pong', 1)
    with socket.socket() as sock:

        def block(played: sockrun.Played) -> None:
            sock.connect(played.addresses["server"])
            sock.sendall(b"pi")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            beside(sockrun.play(file(text), roles=["server"]), block)
        assert sock.recv(9) == b"bye\n"


INTERRUPTED = """
import os, sys, threading, sockrun
os.environ["CALLER"] = str(os.getpid())
before = set(os.listdir("/proc/self/fd"))
try:
    with sockrun.play(sys.argv[1]):
        print("within")
except KeyboardInterrupt:
    print("interrupted")
print(threading.active_count(), set(os.listdir("/proc/self/fd")) - before)
"""


def test_ctrl_c_while_the_end_is_awaited_leaves_nothing(file: Callable[[str], Path], tmp_path: Path) -> None:
    """No thread, no socket, no program."""
    path = file(
        "processes:\n"
        "  one:\n"
        f"    command: [sh, -c, 'echo $$ > {tmp_path}/pid; kill -INT ${{env.CALLER}}; sleep 99']\n"
        "    expect_exit: 0\n"
        "roles: {server: {protocol: tcp, side: server, connections: 0}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2:] == ["interrupted", "1 set()"]
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# --- what is played ----------------------------------------------------------------------------

MATRIX = "matrix: {word: [ping, pang]}\n" + HELLO.replace('payload: "ping', 'payload: "${word}').replace(
    'expect: "ping', 'expect: "${word}'
)


def test_one_combination_of_a_matrix_is_chosen_by_its_id(file: Callable[[str], Path]) -> None:
    with sockrun.play(file(MATRIX), roles=["server"], text="pang") as played:
        assert ping(played.addresses["server"], b"pang\n") == b"pong\n"
    with pytest.raises(ValueError, match="and one is needed"):
        sockrun.play(file(MATRIX), roles=["server"])
    with pytest.raises(ValueError, match=r"none of these has '\[pong\]' in its id"):
        sockrun.play(file(MATRIX), roles=["server"], text="[pong]")


def test_options_of_files_are_not_for_programs() -> None:
    (program,) = sockrun.loads(HELLO)
    with pytest.raises(TypeError, match="where the program is loaded"):
        sockrun.play(program, roles=["server"])
    with pytest.raises(TypeError, match="where the program is loaded"):
        sockrun.play(program, timeout=1)


def test_an_option_that_does_not_exist_is_told(file: Callable[[str], Path]) -> None:
    with pytest.raises(TypeError, match="variable"):
        sockrun.play(file(HELLO), variable={})  # type: ignore[call-arg]


def test_text_is_loaded_as_a_file_of_that_name_would_be(tmp_path: Path) -> None:
    """What it names is looked for in that folder."""
    (tmp_path / "more.txt").write_text("pong\n")
    text = HELLO.replace('payload: "pong\\n"', "payload: {file: more.txt}")
    assert text != HELLO
    (result,) = sockrun.run(sockrun.loads(text, tmp_path / "s.yaml"))
    assert result.passed, result.reason
    with pytest.raises(sockrun.Invalid, match=r"scenario:1:1: "):
        sockrun.loads("rules: {}")
