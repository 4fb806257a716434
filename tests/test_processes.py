"""Programs under test: when they count as ready, what their end means, and what the others may know of them."""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import textwrap
from pathlib import Path

import pytest

from sockrun.playing.output import KEPT, Output
from sockrun.results import Result, Status
from tests.playing import example, hold_that_nothing_is_lacking, play, play_all, programs

CLIENT = "roles: {client: {protocol: tcp, side: client, port: '${ports.p}', payload: 'hi', expect: 'hi'}}"
ECHO = """
    import socket, sys, time
    door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("listening", flush=True)
    peer, _ = door.accept()
    peer.sendall(peer.recv(100))
    time.sleep(60)
"""


def python(code: str, *words: str) -> str:
    """A command that runs the code, as a scenario says it."""
    return json.dumps([sys.executable, "-I", "-S", "-c", textwrap.dedent(code), *words])


def awaited(code: str, expectations: str = "expect_exit: 0", roles: str = "") -> Result:
    """A scenario of one program whose end is awaited; `expectations` stand beside its command."""
    return play(f"processes: {{p: {{command: {python(code)}, {expectations}}}}}\n{roles}")


def served(code: str, more: str, roles: str = CLIENT) -> Result:
    """A scenario of a service, given a free port as its argument, and of roles."""
    command = python(code, "${ports.p}")
    return play(f"ports: [p]\nprocesses: {{p: {{command: {command}, {more}}}}}\n{roles}")


def message_of(result: Result) -> str:
    assert result.status is Status.FAILED, result
    return result.reason


# --- being ready -------------------------------------------------------------------------------

UDP_ECHO = """
    import socket, sys
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", int(sys.argv[1])))
    data, sender = sock.recvfrom(100)
    sock.sendto(data, sender)
    sock.recv(1)
"""
PAUSE = """
    import signal
    print("set", flush=True)
    signal.pause()
"""
UNIX_ECHO = """
    import socket
    door = socket.socket(socket.AF_UNIX)
    door.bind("echo.sock")
    door.listen()
    peer, _ = door.accept()
    peer.sendall(peer.recv(100))
    peer.recv(1)
"""


@pytest.mark.parametrize(
    "ready",
    ["ready: {port: '${ports.p}'}", "ready: {port: '${ports.p}', protocol: tcp}", "ready: {output: '^lis.*g$'}"],
)
def test_a_service_is_spoken_to_when_it_is_ready(ready: str) -> None:
    assert served(ECHO, ready).passed


def test_a_udp_service_is_ready_when_its_port_is_bound() -> None:
    roles = CLIENT.replace("tcp", "udp")
    assert served(UDP_ECHO, "ready: {port: '${ports.p}', protocol: udp}", roles).passed


def test_a_service_is_ready_when_a_path_is_there() -> None:
    """The socket is there before it listens, so the client tries again."""
    client = "{protocol: unix, side: client, path: '${dir}/echo.sock', retry_for: 5s, payload: hi, expect: hi}"
    assert served(UNIX_ECHO, "ready: {path: echo.sock}", f"roles: {{client: {client}}}").passed


def test_a_service_counts_as_ready_after_a_time() -> None:
    client = CLIENT.replace("payload", "retry_for: 5s, payload")
    assert served(ECHO, "ready: {after: 10ms}", client).passed


def test_being_ready_makes_no_connection() -> None:
    """Who comes first to the program is the client: `ECHO` serves one connection only."""
    assert served(ECHO, "ready: {port: '${ports.p}'}").passed


def test_a_service_that_is_never_ready_says_what_is_missing() -> None:
    result = served(
        "import time; print('hm', flush=True); time.sleep(60)", "ready: {port: '${ports.p}'}, timeout: 300ms"
    )
    assert "p was not ready within 0.3 s: port " in message_of(result)
    assert 'is not in LISTEN; its last line: "hm"' in result.reason
    assert result.output == (("p stdout", b"hm\n"),)


def test_a_pattern_that_never_comes_is_said_to_be_missing() -> None:
    result = served("import time; time.sleep(60)", "ready: {output: 'never'}, timeout: 300ms")
    told = "p was not ready within 0.3 s: there is no output that matches /never/; it wrote nothing"
    assert message_of(result) == told


def test_one_that_dies_before_it_is_ready_fails_at_once_with_its_last_output() -> None:
    result = served("import sys; sys.exit('no such option')", "ready: {port: '${ports.p}'}, timeout: 60s")
    assert message_of(result) == 'p ended with exit status 1 before it was ready; its last line: "no such option"'
    assert result.seconds < 30


def test_one_that_dies_while_a_role_still_waits_ends_the_scenario_at_once() -> None:
    code = ECHO.replace("time.sleep(60)", "sys.exit(3)")
    roles = CLIENT.replace("expect: 'hi'", "steps: [{send: hi}, {expect: hi}, {pause: 60s}]").replace(
        "payload: 'hi', ", ""
    )
    result = served(code, "ready: {output: listening}", roles)
    assert message_of(result) == 'p ended with exit status 3 while it was still needed; its last line: "listening"'


def test_the_cause_is_told_where_a_death_is_seen_as_a_closed_connection() -> None:
    """The client sees a FIN before anybody knows that the program is dead."""
    code = ECHO.replace("peer.sendall(peer.recv(100))", "import os; peer.recv(100); os.abort()")
    result = served(code, "ready: {output: listening}")
    assert "p was ended by ABRT while it was still needed" in message_of(result)


def test_the_cause_is_told_where_an_awaited_program_has_failed_before_its_peer_has() -> None:
    """The server sees a FIN, or a RST, before anybody knows how the program has ended."""
    code = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close(); sys.exit('no more')"
    result = play(f"""
processes: {{p: {{command: [python3, -c, "{code}", "${{server.port}}"], expect_exit: 0}}}}
roles: {{server: {{protocol: tcp, side: server, steps: [{{expect: "a"}}]}}}}
""")
    assert message_of(result) == 'p ended with exit status 1, not 0; its last line: "no more"'
    assert result.failure is not None
    assert result.failure.place is not None
    assert result.failure.place.label == "expect_exit"


def test_a_port_that_somebody_listens_on_already_is_refused() -> None:
    """Else somebody else would be taken for the program."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = served("import time; time.sleep(60)", f"ready: {{port: {port}}}", "")
    assert result.status is Status.REFUSED
    assert "somebody does already" in result.reason
    assert result.failure is not None
    assert result.failure.place is not None


def test_a_program_that_is_not_there_is_refused() -> None:
    result = play("processes: {p: {command: [no-such-program-anywhere], expect_exit: 0}}")
    assert result.status is Status.REFUSED
    assert result.reason == "p cannot be started: there is no such program"
    assert result.failure is not None
    assert result.failure.place is not None  # the report shows where it stands in the file


# --- what is expected --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", "3"),
        ("raise SystemExit(3)", "[0, 3]"),
        ("raise SystemExit(3)", "any"),
        ("import os; os.kill(os.getpid(), 15)", "TERM"),
        ("import os; os.kill(os.getpid(), 15)", "[0, TERM]"),
    ],
)
def test_it_may_end_as_it_is_expected_to(code: str, expected: str) -> None:
    assert awaited(code, f"expect_exit: {expected}").passed


@pytest.mark.parametrize(
    ("code", "expected", "told"),
    [
        ("raise SystemExit('oh')", "0", 'p ended with exit status 1, not 0; its last line: "oh"'),
        ("import os; os.kill(os.getpid(), 9)", "[0, TERM]", "p was ended by KILL, not 0 or by TERM; it wrote nothing"),
        ("pass", "TERM", "p ended with exit status 0, not by TERM; it wrote nothing"),
    ],
)
def test_another_end_is_a_failure(code: str, expected: str, told: str) -> None:
    assert message_of(awaited(code, f"expect_exit: {expected}")) == told


def test_what_it_writes_is_held_against_what_is_expected() -> None:
    code = "import sys; print('out'); print('err 7', file=sys.stderr); open('a.txt', 'w').write('file')"
    good = r"expect_exit: 0, expect_stdout: 'out\n', expect_stderr: {regex: 'err \d'}, expect_files: {a.txt: file}"
    good = good.replace("'out\\n'", '"out\\n"')
    assert awaited(code, good).passed
    result = awaited(code, good.replace("a.txt: file", "a.txt: other"))
    assert message_of(result).startswith("the file a.txt: ")
    assert "expect_files" not in result.reason
    assert message_of(awaited(code, good.replace('"out\\n"', '"in\\n"'))).startswith("its stdout: ")
    assert "the file b.txt cannot be read" in message_of(awaited(code, good.replace("a.txt", "b.txt")))


def marked(text: str) -> tuple[str, str]:
    """What failed, and the key of the file that is marked for it: `text` is what stands below `p`."""
    result = play("processes:\n  p:\n" + textwrap.indent(textwrap.dedent(text), "    "))
    assert result.failure is not None, result
    assert result.failure.span is not None, result
    span = result.failure.span
    return message_of(result), span.source.lines[span.line - 1][span.column - 1 : span.end_column - 1]


@pytest.mark.parametrize(
    ("code", "expectation", "key"),
    [
        ("print('one')", "expect_stdout: two", "expect_stdout"),
        ("print('one')", "expect_stdout:\n  regex: two", "expect_stdout"),
        ("print('one')", "expect_stderr: two", "expect_stderr"),
        ("open('a', 'w')", "expect_files:\n  a: ''\n  b: two", "b"),
        ("open('a', 'w')", "expect_files:\n  a: two", "a"),
    ],
)
def test_an_expectation_that_does_not_hold_is_marked(code: str, expectation: str, key: str) -> None:
    assert marked(f"command: {python(code)}\nexpect_exit: 0\n{expectation}")[1] == key


def test_an_exit_status_that_was_not_expected_is_marked() -> None:
    assert marked(f"command: {python('raise SystemExit(1)')}\nexpect_exit: 0")[1] == "expect_exit"


def test_an_expectation_of_a_service_is_marked_too() -> None:
    told, key = marked(f"command: {python(PAUSE)}\nready: {{output: set}}\nexpect_stdout: other")
    assert "its stdout" in told
    assert key == "expect_stdout"


def test_what_a_service_writes_is_judged_when_it_has_been_stopped() -> None:
    assert served(ECHO, 'ready: {output: listening}, expect_stdout: "listening\\n"').passed
    result = served(ECHO, 'ready: {output: listening}, expect_stdout: "deaf\\n"')
    assert message_of(result).startswith("its stdout: ")


def test_one_that_has_ended_is_not_said_to_go_on() -> None:
    result = awaited("raise SystemExit(1)")
    assert [(one.role, one.doing) for one in result.waiting] == [("p", "has ended")]


def test_one_that_has_ended_says_what_it_is_judged_by_and_waits_for() -> None:
    roles = """
roles:
  s: {protocol: tcp, side: server, steps: [{send: no}]}
  c: {side: client, to: s, start: {after: p}, steps: [{expect: {regex: "y(?P<x>.)"}}]}
"""
    result = awaited("print('one')", "expect_exit: 0, expect_stdout: '${c.x}'", roles)
    doing = {one.role: one.doing for one in result.waiting}
    assert doing["p"] == "has ended, and waits for the variable c.x to be judged", result


def test_one_that_has_ended_is_not_stopped_any_more() -> None:
    """What it has started goes on, and is ended in silence."""
    code = """
        import os, subprocess, sys
        subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
        print("set", flush=True)
        sys.stdin.read()
    """
    text = f"""
processes:
  p: {{command: {python(code)}, stdin_open: true, ready: {{output: set}}}}
  q: {{command: {python("pass")}, start: {{after: p}}, expect_exit: 1}}
roles:
  s: {{protocol: tcp, side: server}}
  c: {{side: client, to: s, steps: [{{kill: {{p: KILL}}}}, {{check: p.exit == -9}}, {{signal: dead}}]}}
""".replace("after: p}", "after: dead}")
    told = [entry.command for entry in play(text).trace if entry.role == "p"]
    assert "was ended by KILL" in told
    assert not [text for text in told if "is stopped" in str(text)]


def test_it_may_not_take_longer_than_its_timeout() -> None:
    result = awaited("import time; time.sleep(60)", "expect_exit: 0, timeout: 200ms")
    assert message_of(result) == "p did not end within 0.2 s; it wrote nothing"


def test_the_scenario_waits_for_it_no_longer_than_its_own_timeout() -> None:
    code = python("import time; time.sleep(60)")
    result = play(f"timeout: 300ms\nprocesses: {{p: {{command: {code}, expect_exit: 0}}}}")
    passed = "the scenario's timeout of 0.3 s has passed: p has not "
    assert message_of(result) in (passed + "ended", passed + "started")  # where the machine is slow to start it


def test_a_role_that_holds_waits_for_it() -> None:
    """The server's connection is there as long as the awaited program reads from it."""
    code = """
        import socket, sys, time
        peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        peer.settimeout(0.3)
        try:
            print("closed" if not peer.recv(1) else "sent")
        except TimeoutError:
            print("open")
    """
    command = python(code, "${s.port}")
    hold = "roles: {s: {protocol: tcp, side: server, hold: true, steps: []}}"
    assert play(f'processes: {{p: {{command: {command}, expect_exit: 0, expect_stdout: "open\\n"}}}}\n{hold}').passed


# --- input, environment, folder ----------------------------------------------------------------


def test_it_reads_its_input_to_the_end() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read().upper())"
    assert awaited(code, "stdin: 'hello', expect_exit: 0, expect_stdout: HELLO").passed


def test_its_input_is_produced_in_pieces() -> None:
    """32 MiB through a pipe that holds 64 KiB, to a program that reads slowly at first."""
    code = "import sys, hashlib; print(len(sys.stdin.buffer.read()))"
    stdin = "{times: 33554432, of: 'x'}"
    assert awaited(code, f'stdin: {stdin}, expect_exit: 0, expect_stdout: "33554432\\n"').passed


def test_one_that_does_not_read_its_input_is_not_waited_for() -> None:
    assert awaited("pass", "stdin: {times: 1000000, of: x}, expect_exit: 0").passed


def test_its_input_stays_open_where_that_is_said() -> None:
    code = "import select, sys; sys.stdin.buffer.raw.read(2); print(select.select([sys.stdin], [], [], 0.2)[0])"
    assert awaited(code, 'stdin: "hi", stdin_open: true, expect_exit: 0, expect_stdout: "[]\\n"').passed


def test_without_input_it_reads_nothing() -> None:
    assert awaited("import sys; assert sys.stdin.read() == ''", "expect_exit: 0").passed


def test_its_environment_is_ours_but_for_what_depends_on_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://somewhere")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("OURS", "yes")
    code = """
        import os
        here = os.environ
        print(os.getcwd() == here["HOME"], here["LC_ALL"], here["OURS"], here["GIVEN"])
        print("/usr/sbin" in here["PATH"].split(":"), [name for name in here if "proxy" in name.lower()])
    """
    expected = json.dumps("True C yes 7 bytes\nTrue []\n")
    result = awaited(code, f"env: {{GIVEN: '7 bytes'}}, expect_exit: 0, expect_stdout: {expected}")
    assert result.passed, result.reason


def test_it_starts_in_the_folder_that_it_says() -> None:
    code = "import os; print(os.getcwd())"
    assert awaited(code, 'cwd: /, expect_exit: 0, expect_stdout: "/\\n"').passed
    result = awaited(code, "cwd: nowhere, expect_exit: 0")
    assert result.status is Status.REFUSED
    assert "its folder cannot be entered" in result.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_it_runs_as_another_user_and_can_write_in_the_folder() -> None:
    command = "[sh, -c, touch mine && id -un]"
    result = play(f'processes: {{p: {{command: {command}, user: nobody, expect_exit: 0, expect_stdout: "nobody\\n"}}}}')
    assert result.passed, result.reason


def test_only_root_becomes_another_user_where_that_is_asked_for() -> None:
    """So that one file serves root and everybody else."""
    own = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    keys = f'user: {{if_root: nobody}}, expect_exit: 0, expect_stdout: "{own}\\n"'
    result = play(f"processes: {{p: {{command: [id, -un], {keys}}}}}")
    assert result.passed, result.reason


def test_a_user_that_nobody_is_is_refused() -> None:
    result = awaited("pass", "user: no-such-user, expect_exit: 0")
    assert result.status is Status.REFUSED
    assert "there is no such user" in result.reason


def test_setup_runs_before_it_one_after_the_other() -> None:
    writes = python("open('data/a', 'w').write('x')")
    setup = f"[[mkdir, data], {writes}]"
    assert awaited("print(open('data/a').read())", f'setup: {setup}, expect_exit: 0, expect_stdout: "x\\n"').passed


def test_setup_must_succeed() -> None:
    result = awaited("print('never')", "setup: [['false']], expect_exit: 0")
    assert message_of(result) == "p setup 1 ended with exit status 1, not 0; it wrote nothing"
    assert not [entry for entry in result.trace if entry.command == "| never"]


# --- between processes and roles ---------------------------------------------------------------


def test_services_start_one_after_the_other_in_the_order_of_the_file() -> None:
    first = python("open('first', 'w').close(); print('up', flush=True); import time; time.sleep(60)")
    second = python("import os, time; assert os.path.exists('first'); print('up', flush=True); time.sleep(60)")
    ready = "ready: {output: up}"
    assert play(f"processes: {{a: {{command: {first}, {ready}}}, b: {{command: {second}, {ready}}}}}").passed


def test_a_start_may_wait_for_the_end_of_another_one() -> None:
    writes, reads = python("print(open('a', 'w').write('x'))"), python("open('a')")
    text = f"""
        processes:
          second: {{command: {reads}, expect_exit: 0, start: {{after: first}}}}
          first: {{command: {writes}, expect_exit: 0}}
    """
    assert play(text).passed


def test_expressions_know_its_end_its_output_and_its_number() -> None:
    code = "import os, sys; print(os.getpid()); print('e', end='', file=sys.stderr); sys.exit(3)"
    text = f"""
        processes: {{p: {{command: {python(code)}, expect_exit: any}}}}
        roles:
          s: {{protocol: tcp, side: server}}
          c:
            side: client
            to: s
            steps:
              - check: p.exit == 3
              - check: int(p.stdout[0:-1]) == p.pid
              - check: p.stderr == 'e'
    """
    result = play(text)
    assert result.passed, result.reason


def test_the_output_of_a_service_is_what_has_come_so_far() -> None:
    roles = CLIENT.replace(
        "payload: 'hi', expect: 'hi'", "steps: [{check: \"p.stdout == 'listening\\n'\"}, {send: hi}, {expect: hi}]"
    )
    result = served(ECHO, "ready: {output: listening}", roles.replace("\\n", "\\\\n"))
    assert result.passed, result.reason


def test_a_step_sends_a_signal() -> None:
    """A service that a step has killed is no surprise, and its peers see its end."""
    steps = "steps: [{send: hi}, {expect: hi}, {kill: {p: KILL}}, expect_close]"
    roles = f"roles: {{client: {{protocol: tcp, side: client, port: '${{ports.p}}', {steps}}}}}"
    result = served(ECHO, "ready: {output: listening}", roles)
    assert result.passed, result.reason


def test_a_signal_may_ask_an_awaited_program_to_end() -> None:
    code = """
        import signal, socket, sys
        signal.signal(signal.SIGUSR1, lambda *_: sys.exit(4))
        peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        signal.pause()
    """
    text = f"""
        processes: {{p: {{command: {python(code, "${s.port}")}, expect_exit: 4}}}}
        roles: {{s: {{protocol: tcp, side: server, steps: [{{kill: {{p: USR1}}}}, expect_close]}}}}
    """
    result = play(text)
    assert result.passed, result.reason


def test_an_awaited_program_that_a_step_has_killed_ends_as_it_is_expected_to_or_fails() -> None:
    """Else 'it ends in order when it is told to' would hold of every program."""
    text = f"""
        processes: {{p: {{command: {python(PAUSE)}, ready: {{output: set}}, expect_exit: WANTED}}}}
        roles:
          s: {{protocol: tcp, side: server}}
          c: {{side: client, to: s, start: {{after: up}}, steps: [{{kill: {{p: TERM}}}}]}}
          s2: {{protocol: tcp, side: server}}
          c2: {{side: client, to: s2, steps: [{{set: {{pid: "${{p.pid}}"}}}}, {{signal: up}}]}}
    """
    assert play(text.replace("WANTED", "TERM")).passed
    assert message_of(play(text.replace("WANTED", "0"))).startswith("p was ended by TERM, not 0")


def test_a_signal_waits_for_the_start_of_its_process() -> None:
    """A peer may be there before anybody has told that the program, which is that peer, was started."""
    text = f"""
        processes: {{p: {{command: {python(PAUSE)}, start: {{after: go}}, expect_exit: KILL}}}}
        roles:
          s: {{protocol: tcp, side: server, steps: [{{kill: {{p: KILL}}}}, {{send: "x"}}]}}
          c: {{side: client, to: s, steps: [{{signal: go}}, {{expect: "x"}}]}}
    """
    assert play(text).passed


def test_what_has_ended_cannot_be_sent_a_signal() -> None:
    text = f"""
        processes: {{p: {{command: {python("pass")}, expect_exit: 0}}}}
        roles:
          s: {{protocol: tcp, side: server}}
          c: {{side: client, to: s, start: {{after: p}}, steps: [{{kill: {{p: TERM}}}}]}}
    """
    assert message_of(play(text)) == "p has ended already"


def test_output_stands_in_the_transcript_beside_what_roles_do() -> None:
    result = awaited("import sys; print('one'); print('two', file=sys.stderr, end=''); sys.exit(1)")
    told = [entry.command for entry in result.trace if entry.role == "p"]
    assert "| one" in told
    assert "|| two" in told
    assert told[-1] == "ended with exit status 1"
    assert dict(result.output) == {"p stdout": b"one\n", "p stderr": b"two"}


def test_megabytes_of_output_are_read_and_not_kept() -> None:
    code = "import sys; [sys.stdout.write('x' * 99 + chr(10)) for _ in range(300_000)]; sys.exit(1)"
    result = awaited(code, "expect_exit: 0")
    assert message_of(result).startswith("p ended with exit status 1, not 0")
    assert len(result.trace) < 300_000 / 50  # how many lines come at once is the system's affair
    assert any("more lines" in str(entry.command) for entry in result.trace)


def test_output_that_is_expected_is_kept_whole() -> None:
    code = "import sys; sys.stdout.write('x' * 5_000_000)"
    assert awaited(code, "expect_exit: 0, expect_stdout: {length: 5000000}").passed
    result = awaited(code.replace("5_000_000", "20_000_000"), "expect_exit: 0, expect_stdout: {length: 20000000}")
    assert "more to stdout than is kept" in message_of(result)


def test_of_a_long_output_the_start_and_the_end_are_kept() -> None:
    output = Output(whole=False)
    for k in range(100):
        output.add(bytes([k]) * KEPT)
    assert output.kept[:KEPT] == b"\0" * KEPT
    assert output.kept[-KEPT:] == bytes([99]) * KEPT
    assert len(output.kept) + output.left_out == 100 * KEPT


# --- the examples ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redis", "curl_client", "haproxy_retry"])
def test_the_examples_with_programs_pass(name: str) -> None:
    """Twice, and several copies at the same time: each has ports of its own."""
    given = example(name)
    hold_that_nothing_is_lacking(given)
    for _ in range(2):
        results = play_all(given * 4)
        assert [result.reason for result in results if not result.passed] == []


def test_many_at_once_never_meet_on_a_port() -> None:
    service = f"{{command: {python(ECHO, '${ports.p}')}, ready: {{port: '${{ports.p}}'}}, timeout: 60s}}"
    results = play_all(programs(f"ports: [p]\nprocesses: {{p: {service}}}\n{CLIENT}") * 64)
    assert [result.reason for result in results if not result.passed] == []


# --- what is wrong with a file -----------------------------------------------------------------


def errors_of(text: str) -> list[str]:
    from sockrun.compiling.loading import load_text

    return [diagnostic.message for diagnostic in load_text(textwrap.dedent(text), "test.yaml").errors]


ROLES = "roles: {s: {protocol: tcp, side: server}, c: {side: client, to: s, steps: [%s]}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"processes: {{p: {{command: [x]}}}}\n{ROLES % '{kill: {q: TERM}}'}", "there is no process 'q'"),
        (f"processes: {{s: {{command: [x]}}}}\n{ROLES % ''}", "'s' is the name of a role and of a process"),
        ("processes: {p: {command: [x], start: {after: q}}}", "there is no role, process or signal 'q'"),
        ("processes: {p: {command: [x], start: {after: p}}}", "process 'p' would wait for its own end"),
        ("processes: {p: {command: ['${q.port}']}}", "there is no 'q' that has a 'port'"),
        (f"processes: {{p: {{command: [x]}}}}\n{ROLES % '{check: p.out}'}", "'p' has no 'out'"),
        ("processes: {p: {command: [x], ready: {output: '('}}}", ""),
        ('processes: {p: {command: ["a\\0b"]}}', "a program cannot be given a zero byte in a word of its command"),
    ],
)
def test_what_is_wrong_is_told_before_anything_starts(text: str, message: str) -> None:
    assert message in errors_of(text)[0]


def test_ready_with_nothing_is_an_error() -> None:
    assert errors_of("processes: {p: {command: [x], ready: {}}}")


def test_it_is_shown_before_it_is_played() -> None:
    from sockrun.outline import outline

    (program,) = programs("processes: {p: {command: [prog, --fast], expect_exit: 0}, s: {command: [serve]}}")
    lines = "\n".join(outline(program))
    assert "p: runs prog --fast, and its end is awaited" in lines
    assert "s: runs serve, until all others have ended" in lines


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert awaited("open('a', 'w')").passed
    assert list(tmp_path.iterdir()) == []


def test_the_transcript_shows_a_command_as_a_shell_would_take_it() -> None:
    result = play("""processes: {p: {command: ["false", "", two words, "it's", plain], expect_exit: 0}}""")
    assert result.status is Status.FAILED
    starts = [entry.command for entry in result.trace if "starts" in str(entry.command)]
    assert starts == ["""starts: false '' 'two words' 'it'"'"'s' plain"""]


# --- files beside it ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ('{"${ports.x}/b": "", "${ports.x}": ""}', "a file and a folder would have the same name"),
        ('{"${ports.x}": "", "${ports.x}/b": ""}', "a file and a folder would have the same name"),
        ('{"${ports.x}\\0": ""}', "is no name of a file"),
        ('{"${\'../\' if ports.x else 1}b": ""}', "would lie outside of ${dir}"),
    ],
)
def test_a_file_that_cannot_be_written_is_marked(files: str, message: str) -> None:
    """Its name is known only when it is played, and the temporary folder's is nobody's concern."""
    result = play(f"ports: [x]\nfiles: {files}\nroles: {{s: {{protocol: tcp, side: server, connections: 0}}}}")
    assert message in message_of(result)
    assert "sockrun-" not in result.reason
    assert result.failure is not None
    assert result.failure.span is not None
    assert result.failure.span.line == 2
