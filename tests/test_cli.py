"""What somebody is told who types `sockrun` and its commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from sockrun import __version__
from sockrun.network.interrupts import interrupts
from sockrun.network.kernel import Kernel
from tests.command_line import COMMAND, FAILS, INVALID, LONG, CommandLine

# --- run ---------------------------------------------------------------------------------------


def test_what_passes_is_a_line_each_and_a_summary(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml", "first")
    status, out, err = sockrun("run", "a.yaml")
    line, summary = out.splitlines()
    assert line.startswith("PASS a.yaml  first  (")
    assert summary.startswith("1 passed in ")
    assert (status, err) == (0, "")


def test_a_failure_shows_step_place_bytes_and_a_diagram(sockrun: CommandLine) -> None:
    sockrun.write("bad.yaml", FAILS)
    status, out, _ = sockrun("run", "bad.yaml")
    assert status == 1
    for part in (
        "FAIL bad.yaml  wrong answer",
        "client, step 2: expect",
        "(the answer)",
        "bad.yaml:10:9",
        '- expect: "pang\\n"',
        'expected "pang\\n"\n  received "pong\\n"\n             ^',
        "server  has ended",
        '├─ "ping\\n" ─▶',
        "1 failed",
    ):
        assert part in out


def test_a_failure_shows_a_transcript_where_no_diagram_fits(
    sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockrun.write("bad.yaml", FAILS)
    monkeypatch.setenv("COLUMNS", "40")
    out = sockrun("run", "bad.yaml").out
    assert "  transcript\n" in out
    assert '> "ping\\n"   step 1' in out


def test_without_paths_the_folder_scenarios_is_played_else_this_one(sockrun: CommandLine) -> None:
    sockrun.passing("here.yaml")
    assert "PASS here.yaml" in sockrun("run").out
    sockrun.passing("scenarios/there.yaml")
    out = sockrun("run").out
    assert "PASS scenarios/there.yaml" in out
    assert "here.yaml  " not in out.replace("there.yaml", "")


def test_an_invalid_file_does_not_keep_the_others_from_being_played(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    sockrun.passing("b.yaml")
    status, out, _ = sockrun("run", ".")
    assert status == 2
    assert "a.yaml:1:" in out
    assert "'payload'" in out  # the word that was meant
    assert "PASS b.yaml" in out
    assert "1 passed, 1 invalid file" in out


def test_of_several_statuses_the_gravest_counts(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    sockrun.write("b.yaml", FAILS)
    assert sockrun("run", ".").status == 2


def test_what_the_machine_refuses_is_told_plainly(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", "roles: {server: {protocol: tcp, side: server, host: 192.0.2.1, payload: x}}")
    status, out, _ = sockrun("run", "a.yaml")
    assert status == 3
    assert "REFUSED a.yaml" in out
    assert "192.0.2.1" in out
    assert "Traceback" not in out


def test_what_is_required_and_missing_skips_with_the_reason(sockrun: CommandLine) -> None:
    text = sockrun.passing("a.yaml").read_text()
    needs = (
        "command: [no-such-command], env: [NO_SUCH_NAME], platform: [win32], file: [a.txt, /no/such], module: no_such"
    )
    sockrun.write("a.yaml", f"requires: {{{needs}}}\n{text}")
    status, out, _ = sockrun("run", "a.yaml")
    assert status == 0
    for part in ("SKIP a.yaml", "'no-such-command'", "NO_SUCH_NAME is not set", "it is for win32", "1 skipped"):
        assert part in out
    for part in ("there is no file a.txt", "there is no file /no/such", "there is no Python module 'no_such'"):
        assert part in out


def test_what_is_required_and_there_is_played(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_NAME", "x")
    text = sockrun.passing("a.yaml").read_text()
    sockrun.write("folder/data.txt", "")
    needs = f"command: [sh], env: [A_NAME], platform: [{sys.platform}], file: [data.txt, ., /], module: [yaml, json]"
    sockrun.write("folder/a.yaml", f"requires: {{{needs}}}\n{text}")
    assert "1 passed" in sockrun("run", "folder/a.yaml").out


def test_what_only_root_can_play_is_skipped_by_others(sockrun: CommandLine) -> None:
    text = sockrun.passing("a.yaml").read_text()
    sockrun.write("a.yaml", f"requires: {{root: true}}\n{text}")
    told = "1 passed" if os.geteuid() == 0 else "it has to be played by root"
    assert told in sockrun("run", "a.yaml").out


@pytest.mark.parametrize("module", ["a-b", "xml.dom", ""])
def test_a_module_that_is_required_has_a_simple_name(sockrun: CommandLine, module: str) -> None:
    """Looking for a part of a package would import the package, and so run it."""
    text = sockrun.passing("a.yaml").read_text()
    sockrun.write("a.yaml", f"requires: {{module: [{module!r}]}}\n{text}")
    assert sockrun("run", "a.yaml").status == 2


def test_tags_and_text_choose(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml", "Reverse", "slow")
    sockrun.passing("b.yaml", "echo", "smoke")
    assert "1 passed" in sockrun("run", ".", "--tag", "slow").out
    assert "2 passed" in sockrun("run", ".", "--tag", "slow", "--tag", "smoke").out
    assert "PASS a.yaml" in sockrun("run", ".", "-k", "reverse").out
    assert "PASS b.yaml" in sockrun("run", ".", "-k", "B.YAML").out


def test_nothing_selected_is_status_2_and_says_what_was_asked_for(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    status, _, err = sockrun("run", ".", "--tag", "nobody", "-k", "else")
    assert status == 2
    assert "--tag nobody -k else" in err


def test_repeat_plays_everything_so_often(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    sockrun.passing("b.yaml")
    assert "6 passed" in sockrun("run", ".", "--repeat", "3").out


def test_fail_fast_stops_and_counts_nobody_as_interrupted(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    sockrun.write("b.yaml", LONG)
    status, out, _ = sockrun("run", ".", "--fail-fast")
    assert status == 1
    assert "1 failed, stopped at the first failure" in out
    assert "b.yaml" not in out


def test_variables_are_overridden(sockrun: CommandLine) -> None:
    text = sockrun.passing("a.yaml").read_text().replace('payload: "ping"', 'payload: "${word}"')
    sockrun.write("a.yaml", f"vars: {{word: ping}}\n{text}")
    assert sockrun("run", "a.yaml").status == 0
    assert sockrun("run", "a.yaml", "--var", "word=pung").status == 1


def test_the_timeout_of_the_command_line_stands_for_the_scenarios_own(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", LONG)
    status, out, _ = sockrun("run", "a.yaml", "--timeout", "20ms")
    assert status == 1
    assert "timeout of 0.02 s" in out


def test_quiet_shows_only_what_does_not_pass_and_the_summary(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert len(sockrun("run", ".", "-q").out.splitlines()) == 1
    sockrun.write("b.yaml", FAILS)
    assert "FAIL b.yaml" in sockrun("run", ".", "-q").out


def test_verbose_shows_the_transcript_under_the_scenarios_id(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    out = sockrun("run", "a.yaml", "-v").out
    assert out.startswith("--- a.yaml\n")
    assert '> "ping"   step 1' in out
    assert '< "pong"   step 2' in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--timeout", "5x"], "'5x' is not a duration"),
        (["run", "--var", "name"], "'name' is not NAME=VALUE"),
        (["run", "--time-scale", "0"], "a number above 0"),
        (["run", "--repeat", "0"], "--repeat"),
        (["run", "-v", "-q"], "exclude each other"),
        (["run", "--json", "-", "--junit", "-"], "only one of --junit and --json"),
        (["run", "nowhere.yaml", "nobody"], "nowhere.yaml: there is no such file or folder"),
        (["frobnicate"], "No such command"),
        (["show", "nowhere.yaml"], "there is no such file"),
    ],
)
def test_a_wrong_command_line_is_status_2_with_a_sentence(sockrun: CommandLine, words: list[str], message: str) -> None:
    sockrun.passing("a.yaml")
    status, out, err = sockrun(*words)
    assert status == 2
    assert message in err
    assert out == ""


@pytest.mark.parametrize("command", ["run", "validate", "list"])
def test_an_empty_folder_is_status_2(sockrun: CommandLine, command: str) -> None:
    status, _, err = sockrun(command)
    assert status == 2
    assert err == (
        "sockrun: there is no scenario file (*.yaml, *.yml) in this folder: name one, as in `sockrun run hello.yaml`\n"
    )


# --- reports -----------------------------------------------------------------------------------


def test_reports_are_written_beside_what_the_terminal_shows(sockrun: CommandLine) -> None:
    sockrun.write("bad.yaml", FAILS)
    assert "FAIL" in sockrun("run", ".", "--junit", "r.xml", "--json", "e.jsonl").out
    assert ET.parse(sockrun.folder / "r.xml").getroot().get("failures") == "1"
    events = [json.loads(line)["event"] for line in Path("e.jsonl").read_text().splitlines()]
    assert events == ["run-start", "scenario", "run-end"]


def test_a_report_on_standard_output_is_alone_there(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    for line in sockrun("run", ".", "--json", "-").out.splitlines():
        json.loads(line)
    ET.fromstring(sockrun("run", ".", "--junit", "-").out)


def test_when_one_report_cannot_be_written_the_other_says_so(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert sockrun("run", "a.yaml", "--junit", "/dev/full", "--json", "e.jsonl").status == 3
    assert json.loads(Path("e.jsonl").read_text().splitlines()[-1])["event"] == "run-end"


@pytest.mark.parametrize("option", ["--junit", "--json", "--html"])
@pytest.mark.parametrize("file", ["nowhere/report", "/dev/full", "."])
def test_a_report_that_cannot_be_written_is_status_3(sockrun: CommandLine, option: str, file: str) -> None:
    sockrun.passing("a.yaml")
    status, _, err = sockrun("run", "a.yaml", option, file)
    assert status == 3
    assert err.startswith(f"sockrun: {file} cannot be written: ")


# --- the other commands ------------------------------------------------------------------------


def test_validate_shows_all_errors_of_all_files_and_counts_them(sockrun: CommandLine) -> None:
    sockrun.write("b.yaml", INVALID)
    sockrun.write("a.yaml", INVALID)
    sockrun.passing("c.yaml")
    status, out, _ = sockrun("validate", ".")
    assert status == 2
    assert out.index("a.yaml:1:") < out.index("b.yaml:1:")
    assert out.splitlines()[-1] == "3 files, 2 errors"


def test_validate_of_a_good_file_says_so(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert sockrun("validate") == (0, "1 file, no errors\n", "")


def test_validate_speaks_json_to_tools(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    status, out, _ = sockrun("validate", "--format", "json")
    report = json.loads(out)
    assert status == 2
    assert (report["files"], report["errors"], report["warnings"]) == (1, 1, 0)
    assert report["diagnostics"][0]["file"] == "a.yaml"


def test_list_names_what_run_would_play(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml", "first", "slow")
    sockrun.passing("b.yaml", "second")
    assert sockrun("list") == (0, "a.yaml  first  [slow]\nb.yaml  second  [smoke]\n", "")
    assert sockrun("list", "--tag", "slow").out == "a.yaml  first  [slow]\n"
    assert sockrun("list", "-k", "nothing").status == 2


def test_list_goes_on_beside_an_invalid_file(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    sockrun.passing("b.yaml")
    status, out, err = sockrun("list")
    assert (status, out) == (2, "b.yaml  a good one  [smoke]\n")
    assert "a.yaml:1:" in err


def test_show_takes_a_folder_and_tells_what_is_wrong_beside_it(sockrun: CommandLine) -> None:
    sockrun.passing("some/a.yaml")
    sockrun.passing("some/b.yaml")
    sockrun.write("some/c.yaml", INVALID)
    status, out, err = sockrun("show", "some")
    assert status == 2
    assert [line for line in out.splitlines() if line.startswith("some/")] == ["some/a.yaml", "some/b.yaml"]
    assert "some/c.yaml:1:" in err


def test_show_tells_roles_and_numbered_steps(sockrun: CommandLine) -> None:
    sockrun.write(
        "a.yaml",
        """
        name: shown
        roles:
          server: {protocol: tcp, side: server, host: "::1", port: 4711, connections: any, steps: [{expect: "x"}]}
          client:
            side: client
            to: server
            instances: 3
            steps:
              - repeat: 2
                steps:
                  - pause: 1ms
              - send: "x"
        """,
    )
    status, out, _ = sockrun("show", "a.yaml")
    assert status == 0
    assert "server: tcp server at [::1]:4711, any number of connections" in out
    assert "client: tcp client to server, 3 copies" in out
    assert '      1  repeat 2\n      1.1  pause 1ms\n      2  send "x"' in out


def test_schema_prints_the_schema(sockrun: CommandLine) -> None:
    assert json.loads(sockrun("schema").out)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("command", ["run", "validate", "list", "show", "schema"])
def test_every_command_explains_itself_with_examples(sockrun: CommandLine, command: str) -> None:
    status, out, _ = sockrun(command, "--help")
    assert status == 0
    assert f"  sockrun {command}" in out.partition("Examples:")[2]


def test_the_version_is_told_without_loading_anything_heavy() -> None:
    program = (
        "import sys; sys.argv = ['sockrun', '--version']\n"
        "from sockrun.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'yaml', 'jsonschema', 'rich', 'sockrun.playing.runner'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == f"sockrun {__version__}\n[]\n"


def test_a_run_that_passes_again_loads_only_what_it_needs(sockrun: CommandLine) -> None:
    """Half of what a short run takes is imports. OpenSSL is for what hashes, warnings are for `validate`."""
    sockrun.passing("a.yaml")
    assert sockrun("run", "a.yaml").status == 0
    others = ("jsonschema", "rich", "regex", "ssl", "_hashlib", "json", "random")
    ours = """compiling.traps compiling.swapping compiling.processes masking matching.patterns matching.wildcards
              network.processes playing.proxying reading.yaml_errors reporters.failures reporters.transcript"""
    dear = (*others, *(f"sockrun.{name}" for name in ours.split()))
    program = (
        "import sys; sys.argv = ['sockrun', 'run', 'a.yaml']\n"
        "from sockrun.cli import main\n"
        "try: main()\n"
        f"finally: print(sorted({set(dear)} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.splitlines()[-1] == "[]"


# --- endings of another kind -------------------------------------------------------------------


def test_a_bug_of_ours_says_so_with_its_traceback(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("sockrun.reading.schema.text", broken)
    status, _, err = sockrun("schema")
    assert status == 70
    assert "this is a bug in sockrun" in err
    assert "ZeroDivisionError" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_order_and_reports_it(sockrun: CommandLine, number: signal.Signals) -> None:
    sockrun.write("long.yaml", LONG)
    words = [*COMMAND, "run", "long.yaml", "-v", "--junit", "r.xml", "--html", "r.html"]
    # A shell may have it ignored for what runs in the background, and then it stays so.
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=_listen_to_signals) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '< "x"' in line:
                break
        process.send_signal(number)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert "STOPPED long.yaml" in rest
    assert "pauses" in rest
    assert "1 interrupted" in rest
    assert ET.parse(sockrun.folder / "r.xml").getroot().get("errors") == "1"
    assert (sockrun.folder / "r.html").read_text().endswith("</html>\n")


def _listen_to_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_second_signal_does_not_wait_for_an_order() -> None:
    network = Kernel()
    with interrupts(network, lambda: None):
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    network.close()


def test_the_first_signal_wakes_a_waiting_loop() -> None:
    network, calls = Kernel(), []
    with interrupts(network, lambda: calls.append("stop")):
        signal.raise_signal(signal.SIGTERM)
        network.loop.turn()
    network.close()
    assert calls == ["stop"]


@pytest.mark.parametrize(
    "words", [["run", "a.yaml"], ["list"], ["validate"], ["schema"], ["show", "a.yaml"], ["--help"]]
)
def test_a_full_disk_behind_standard_output_is_status_3(sockrun: CommandLine, words: list[str]) -> None:
    sockrun.passing("a.yaml")
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.stderr == "sockrun: standard output cannot be written: No space left on device\n"
    assert ended.returncode == 3


@pytest.mark.parametrize("words", [["run", "a.yaml"], ["run", "a.yaml", "--json", "-"], ["list"], ["schema"]])
def test_a_reader_that_went_away_is_status_3_without_a_word(sockrun: CommandLine, words: list[str]) -> None:
    sockrun.passing("a.yaml")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        ended = subprocess.run([*COMMAND, *words], stdout=gone, stderr=subprocess.PIPE, text=True)
    assert ended.stderr == ""  # as with `| head`: who went away knows
    assert ended.returncode == 3
