"""What build servers are given: JUnit, TAP, GitHub; retries, shards, and what is remembered between runs."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from xmlschema import XMLSchema

from sockrun.choosing import Shard, divide, shard, weigh
from sockrun.diagnostics import Diagnostic
from sockrun.playing.outcome import of_attempts
from sockrun.reporters import FILE_REPORTERS
from sockrun.reporters.base import Progress, Target
from sockrun.reporters.github import GitHub, _data, _property
from sockrun.reporters.terminal import Terminal
from sockrun.results import Result, Status
from tests.command_line import COMMAND, FAILS, INVALID, LONG, ROOT, CommandLine
from tests.test_reporters import FAILED, PASSED, SPAN, told

SCHEMA = XMLSchema(ROOT / "tests" / "junit" / "junit-10.xsd")
FLAKY = of_attempts((FAILED, FAILED), PASSED)
RERUN = of_attempts((FAILED,), FAILED)
EVERY = [replace(PASSED, status=status, reason="why", name=f"is {status}") for status in Status]
TEXTS = st.text(st.characters(codec=None), max_size=30)

# Fails the first time, and passes from then on: what stays is a file beside it.
FLAKY_SCENARIO = """
name: now and then
processes:
  p: {command: [sh, -c, "test -e '%s' || { : > '%s'; exit 1; }"], expect_exit: 0}
roles: {}
"""


def flaky(sockrun: CommandLine, name: str = "flaky.yaml") -> None:
    mark = sockrun.folder / f"{name}.mark"
    sockrun.write(name, FLAKY_SCENARIO.replace("%s", str(mark)))


def written(kind: str, folder: Path, *results: Result) -> str:
    path = folder / "report"
    told(FILE_REPORTERS[kind](str(path)), *results)
    return path.read_text("utf-8")


# --- JUnit -------------------------------------------------------------------------------------


def test_junit_keeps_to_the_schema_of_jenkins(tmp_path: Path) -> None:
    """Whatever has ended how, with attempts before it, and with invalid files."""
    path = tmp_path / "r.xml"
    reporter = FILE_REPORTERS["junit"](str(path))
    reporter.begin(Progress(seconds=1234.5))
    for result in [*EVERY, FAILED, FLAKY, RERUN]:
        reporter.result(result)
    reporter.invalid("y.yaml", [Diagnostic("unknown-key", "no such key", SPAN)])
    reporter.end()
    assert [str(error) for error in SCHEMA.iter_errors(str(path))] == []


@given(TEXTS, TEXTS)
def test_junit_keeps_to_the_schema_whatever_texts_there_are(
    tmp_path_factory: pytest.TempPathFactory, a: str, b: str
) -> None:
    text = written("junit", tmp_path_factory.mktemp("junit"), replace(FLAKY, name=a, reason=b), replace(RERUN, name=b))
    assert [str(error) for error in SCHEMA.iter_errors(text.partition("\n")[2])] == []


def test_a_suite_is_a_file_and_the_numbers_are_the_sum_of_its_cases(tmp_path: Path) -> None:
    other = replace(FAILED, id="z.yaml", path="z.yaml")
    root = ET.fromstring(written("junit", tmp_path, PASSED, other, replace(other, status=Status.SKIPPED), FAILED))
    numbers = [(suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in root]
    assert numbers == [("x.yaml", "2", "1", "0"), ("z.yaml", "2", "1", "1")]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "2", "0")


def test_no_two_cases_have_the_same_name(tmp_path: Path) -> None:
    """GitLab keeps the first of such cases only; `--repeat` gives them."""
    root = ET.fromstring(written("junit", tmp_path, *[PASSED] * 3))
    assert [case.get("name") for case in root.iter("testcase")] == [
        "one[1]",
        "one[1] (repetition 2)",
        "one[1] (repetition 3)",
    ]


@pytest.mark.parametrize(("path", "name"), [("a/b/c.yaml", "a.b.c"), ("./a.yaml", "a"), ("../x/a.yml", "x.a")])
def test_folders_are_packages_to_jenkins(tmp_path: Path, path: str, name: str) -> None:
    root = ET.fromstring(written("junit", tmp_path, replace(PASSED, id=path, path=path)))
    assert [case.get("classname") for case in root.iter("testcase")] == [name]


def test_why_it_was_skipped_is_text_too(tmp_path: Path) -> None:
    """GitLab shows the text of elements only."""
    root = ET.fromstring(written("junit", tmp_path, replace(PASSED, status=Status.SKIPPED, reason="no redis")))
    assert root.findtext(".//skipped") == "no redis"


def test_junit_has_a_flaky_one_as_passed_with_what_failed_before(tmp_path: Path) -> None:
    root = ET.fromstring(written("junit", tmp_path, FLAKY))
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    (case,) = root.iter("testcase")
    assert [child.tag for child in case] == ["flakyFailure", "flakyFailure"]
    assert 'expected "abc"' in (case.findtext("flakyFailure/stackTrace") or "")
    assert [child.tag for child in ET.fromstring(written("junit", tmp_path, RERUN)).iter("testcase").__next__()] == [
        "failure",
        "rerunFailure",
        "system-out",
    ]


# --- TAP ---------------------------------------------------------------------------------------

POINT = re.compile(r"(ok|not ok) (\d+) - ((?:[^\\#]|\\[\\#])*?)(?: # SKIP ((?:[^\\#]|\\[\\#])*))?")


def points(text: str) -> Iterator[tuple[bool, str, str | None, dict[str, object]]]:
    """Each test point: whether it is ok, its description, why it was skipped, its block of YAML."""
    version, plan, *lines = text.split("\n")
    assert version == "TAP version 14"
    count = int(plan.partition(" ")[0].removeprefix("1.."))
    found = 0
    while lines and not lines[0].startswith("Bail out!") and lines[0]:
        point = POINT.fullmatch(lines.pop(0))
        assert point
        found += 1
        assert int(point[2]) == found
        block: list[str] = []
        if lines and lines[0] == "  ---":
            end = lines.index("  ...")
            block, lines = lines[1:end], lines[end + 1 :]
        plain = [text and re.sub(r"\\(.)", r"\1", text) for text in (point[3], point[4])]
        yield point[1] == "ok", plain[0], plain[1], yaml.safe_load("\n".join(block)) or {}
    assert found == count


def test_tap_has_a_point_for_each_scenario_and_says_what_is_not_ok(tmp_path: Path) -> None:
    found = list(points(written("tap", tmp_path, *EVERY)))
    assert [ok for ok, *_ in found] == [status in ("passed", "flaky", "skipped") for status in Status]
    assert [why for *_, why, _ in found if why] == ["why"]
    assert [block["status"] for ok, _, _, block in found if not ok] == ["failed", "refused", "bug", "interrupted"]


def test_tap_says_what_went_wrong_and_where(tmp_path: Path) -> None:
    ((ok, name, _, block),) = points(written("tap", tmp_path, RERUN))
    assert (ok, name) == (False, "x.yaml[1]: one")
    assert block["message"] == "byte 1 is 0x78, not 0x62"
    assert (block["file"], block["line"], block["column"], block["attempts"]) == ("x.yaml", 2, 5, 2)
    assert 'expected "abc"' in str(block["explanation"])
    assert '> "hi\\n"' in str(block["explanation"])


def test_tap_has_a_flaky_one_as_ok_and_says_so(tmp_path: Path) -> None:
    ((ok, _, _, block),) = points(written("tap", tmp_path, FLAKY))
    assert (ok, block["status"], block["attempts"]) == (True, "flaky", 3)


@given(TEXTS, TEXTS)
def test_tap_can_be_read_whatever_texts_there_are(tmp_path_factory: pytest.TempPathFactory, a: str, b: str) -> None:
    results = replace(FAILED, name=a, reason=b), replace(PASSED, status=Status.SKIPPED, name=b, reason=a)
    (_, _, _, block), (_, _, why, _) = points(written("tap", tmp_path_factory.mktemp("tap"), *results))
    assert len(str(block["message"])) == len(b)
    assert len(why or "") == len(a)


def test_a_run_that_was_cut_off_bails_out(tmp_path: Path) -> None:
    """So that no harness takes what is there for all."""
    for progress in (Progress(interrupted=True), Progress(broken=3), Progress(cut_short=True)):
        reporter = FILE_REPORTERS["tap"](str(tmp_path / "r.tap"))
        reporter.begin(progress)
        reporter.result(PASSED)
        reporter.end()
        assert (tmp_path / "r.tap").read_text().splitlines()[-1].startswith("Bail out! ")


def test_an_invalid_file_is_not_ok_in_tap(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    status, out, _ = sockrun("run", "a.yaml", "--tap", "-")
    ((ok, name, _, block),) = points(out)
    assert (status, ok, name, block["status"]) == (2, False, "a.yaml", "invalid")


# --- GitHub ------------------------------------------------------------------------------------


def annotated(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As GitHub's runner reads them: level, properties, message."""
    found = []
    for line in text.splitlines():
        if command := re.fullmatch("::(error|warning) ([^:]*)::(.*)", line):
            properties = dict(one.partition("=")[::2] for one in command[2].split(","))
            plain = {name: _unescaped(value) for name, value in properties.items()}
            found.append((command[1], plain, _unescaped(command[3])))
    return found


def _unescaped(text: str) -> str:
    for code, character in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, character)
    return text


@given(st.text())
def test_what_is_written_for_github_is_what_it_reads(text: str) -> None:
    for escaped in (_data(text), _property(text)):
        assert _unescaped(escaped) == text
        assert not {"\r", "\n"} & set(escaped)
    assert not {",", ":"} & set(_property(text))


def test_a_failure_is_an_annotation_at_its_line(sockrun: CommandLine) -> None:
    sockrun.write("a,b/wrong: 100%.yaml", FAILS)
    status, out, _ = sockrun("run", ".", "--github")
    ((level, where, message),) = annotated(out)
    assert (status, level, where["file"], where["line"], where["col"]) == (
        1,
        "error",
        "a,b/wrong: 100%.yaml",
        "10",
        "9",
    )
    assert where["title"] == "a,b/wrong: 100%.yaml: wrong answer failed"
    assert message.startswith('client, step 2: expect "pang\\n"\nbyte 1 is 0x6f, not 0x61\nexpected "pang\\n"\n')


def test_each_error_of_an_invalid_file_is_an_annotation(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", INVALID)
    ((level, where, message),) = annotated(sockrun("run", "a.yaml", "--github").out)
    assert (level, where["file"], where["line"]) == ("error", "a.yaml", "1")
    assert "did you mean 'payload'?" in message


def test_paths_are_those_of_the_workspace(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they were written; GitHub knows no others."""
    sockrun.write("pack/a.yaml", FAILS)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(sockrun.folder))
    monkeypatch.chdir(sockrun.folder / "pack")
    for path in ("a.yaml", str(sockrun.folder / "pack" / "a.yaml")):
        ((_, where, _),) = annotated(sockrun("run", path, "--github").out)
        assert where["file"] == "pack/a.yaml"


def test_github_is_noticed_and_can_be_switched_off(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    sockrun.write("a.yaml", FAILS)
    assert annotated(sockrun("run", "a.yaml").out) == []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert len(annotated(sockrun("run", "a.yaml").out)) == 1
    assert annotated(sockrun("run", "a.yaml", "--no-github").out) == []


def test_annotations_are_never_in_the_middle_of_a_report(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    _, out, err = sockrun("run", "a.yaml", "--github", "--junit", "-")
    ET.fromstring(out)
    assert len(annotated(err)) == 1


def test_a_flaky_one_is_a_warning(tmp_path: Path) -> None:
    stream = io.StringIO()
    told(GitHub(Target(stream, "it"), {"GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")}), FLAKY, PASSED)
    ((level, where, message),) = annotated(stream.getvalue())
    assert (level, where["title"]) == ("warning", "x.yaml[1]: one is flaky")
    assert message.startswith("attempt 1 did not pass: byte 1 is")


def test_the_summary_of_the_job_is_added_to_what_is_there(
    sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockrun.write("a.yaml", FAILS.replace("wrong answer", "wrong | <b>answer"))
    sockrun.passing("b.yaml")
    sockrun.write("summary.md", "before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(sockrun.folder / "summary.md"))
    sockrun("run", ".", "--github")
    before, head, _, _, _, row, *_ = (sockrun.folder / "summary.md").read_text().splitlines()
    assert before == "before"
    assert head.startswith("### sockrun: 1 passed, 1 failed in ")
    assert row == "| failed | a.yaml: wrong \\| \\<b\\>answer | a.yaml:10 | byte 1 is 0x6f, not 0x61 |"


def test_a_summary_that_cannot_be_written_is_status_3(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    sockrun.passing("a.yaml")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/dev/full")
    status, _, err = sockrun("run", "a.yaml", "--github")
    assert (status, err) == (3, "sockrun: /dev/full cannot be written: No space left on device\n")


# --- retries -----------------------------------------------------------------------------------


def test_what_fails_and_then_passes_is_flaky_and_no_failure(sockrun: CommandLine) -> None:
    """Every report says so, and what went wrong."""
    flaky(sockrun)
    reports = ("--junit", "r.xml", "--tap", "r.tap", "--json", "r.json")
    status, out, _ = sockrun("run", "flaky.yaml", "--retries", "2", "--github", *reports)
    assert status == 0
    assert re.search(r"(?m)^FLAKY flaky.yaml  now and then  \(.*, attempt 2\)$", out)
    assert "attempt 1 did not pass:" in out
    assert "\n1 flaky in " in out
    assert [level for level, _, _ in annotated(out)] == ["warning"]
    assert "<flakyFailure " in Path("r.xml").read_text()
    assert [block["status"] for *_, block in points(Path("r.tap").read_text())] == ["flaky"]
    event, end = map(json.loads, Path("r.json").read_text().splitlines()[1:])
    assert (event["status"], [attempt["status"] for attempt in event["earlier"]]) == ("flaky", ["failed"])
    assert (end["flaky"], end["failed"], end["exit_status"]) == (1, 0, 0)


def test_what_never_passes_is_played_so_often_and_fails_once(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    sockrun.passing("b.yaml")
    status, out, _ = sockrun("run", ".", "--retries", "2")
    assert status == 1
    assert "1 passed, 1 failed in" in out
    assert ", attempt 3)" in out
    assert [line.split(":")[0].strip() for line in out.splitlines() if " did not pass" in line] == [
        "attempt 1 did not pass",
        "attempt 2 did not pass",
        "attempt 3 did not pass",
    ]


def test_what_the_machine_refuses_is_tried_again(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", "roles: {server: {protocol: tcp, side: server, host: 192.0.2.1, payload: x}}")
    status, out, _ = sockrun("run", "a.yaml", "--retries", "1", "--allow-host", "192.0.2.1")
    assert (status, ", attempt 2)" in out) == (3, True)


def test_fail_fast_waits_for_the_last_attempt(sockrun: CommandLine) -> None:
    flaky(sockrun)
    assert sockrun("run", ".", "--retries", "1", "--fail-fast").status == 0


def test_repetitions_are_retried_each_for_itself(sockrun: CommandLine) -> None:
    flaky(sockrun)
    assert "2 passed, 1 flaky in" in sockrun("run", ".", "--retries", "1", "--repeat", "3", "--parallel", "1").out


def test_flaky_ones_are_not_counted_as_bad_on_a_terminal() -> None:
    stream = io.StringIO()
    told(Terminal(Target(stream, "it")), FLAKY)
    assert "1 flaky in" in stream.getvalue()


# --- shards ------------------------------------------------------------------------------------

KEYS = st.lists(st.text("abc", min_size=1), unique=True, max_size=40)


@given(KEYS, st.dictionaries(st.text("abc", min_size=1), st.floats(0, 100)), st.integers(1, 9), st.randoms())
def test_every_scenario_is_in_one_shard_whatever_the_order(keys, durations, total, random) -> None:  # type: ignore[no-untyped-def]
    def parts(names: list[str]) -> dict[str, int]:
        return dict(zip(names, divide(names, weigh(names, durations), total), strict=True))

    found = parts(keys)
    assert set(found.values()) <= set(range(1, total + 1))
    shuffled = random.sample(keys, len(keys))
    assert parts(shuffled) == found


@given(st.lists(st.integers(1, 1000), max_size=40), st.integers(1, 9))
def test_no_shard_is_ahead_by_more_than_one_scenario(weights: list[int], total: int) -> None:
    """The heaviest and the lightest differ by no more than the heaviest scenario."""
    loads = Counter(dict.fromkeys(range(1, total + 1), 0))
    for part, weight in zip(divide([str(n) for n in range(len(weights))], weights, total), weights, strict=True):
        loads[part] += weight
    assert max(loads.values()) - min(loads.values()) <= max(weights, default=0)


def test_without_times_all_weigh_the_same_and_unknown_ones_the_mean() -> None:
    assert weigh(["a", "b"], {}) == [1, 1]
    assert weigh(["a", "b", "c"], {"a": 1.0, "b": 2.0, "gone": 9.0}) == [1000, 2000, 1500]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/2", "1/0", "-1/2", "1/2/3", "\u0661/2"])
def test_a_shard_that_is_none_is_told(sockrun: CommandLine, text: str) -> None:
    sockrun.passing("a.yaml")
    with pytest.raises(ValueError, match=r"is not I/N|has no such part"):
        shard(text)
    assert sockrun("run", f"--shard={text}").status == 2
    assert shard("2/3") == Shard(2, 3)


def test_shards_play_everything_once_and_agree_on_the_plan(sockrun: CommandLine) -> None:
    """Balanced by what earlier runs took; their own times change nothing."""
    for name in "abcde":
        sockrun.passing(f"{name}.yaml")
    sockrun("run")
    cache = Path(".sockrun_cache/runs")
    known = re.sub(r"(?m)^\S+ a\.yaml$", "9.000 a.yaml", cache.read_text())
    cache.write_text(known)
    outs = [sockrun("run", "--shard", f"{number}/2").out for number in (1, 2)]
    assert Counter(re.findall(r"PASS (\w)\.yaml", "".join(outs))) == Counter("abcde")
    assert [len(re.findall("PASS", out)) for out in outs] == [1, 4]
    assert len(set(re.findall(r"plan (\w+)", "".join(outs)))) == 1
    assert cache.read_text() == known


def test_an_empty_shard_is_no_error(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    status, out, err = sockrun("run", "--shard", "2/2")
    assert (status, err) == (0, "")
    assert out.startswith("shard 2 of 2: 0 of 1 scenarios (plan ")
    assert sockrun("run", "--shard", "2/2", "-k", "nothing of that name").status == 2


# --- what is remembered ------------------------------------------------------------------------


def test_only_what_failed_last_is_played_until_it_passes(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    sockrun.write("b.yaml", INVALID)
    sockrun.passing("c.yaml")
    sockrun("run")
    sockrun.passing("b.yaml")
    out = sockrun("run", "--last-failed").out
    assert out.startswith("last failed: 2 of 3 scenarios\n")
    assert "1 passed, 1 failed in" in out
    assert "last failed: 1 of 3" in sockrun("run", "--last-failed", str(sockrun.folder)).out
    sockrun.passing("a.yaml")
    assert "1 passed in" in sockrun("run", "--last-failed").out
    out = sockrun("run", "--last-failed").out
    assert out.startswith("no failure is remembered among these scenarios: all are played\n")
    assert "3 passed in" in out


def test_a_name_may_have_any_letters(sockrun: CommandLine) -> None:
    for name in ("two words", "g\u00fcnther", "a\nb", "c\\\\d", "tab\there"):
        sockrun.write(f"{name}.yaml", FAILS)
    sockrun.passing("passes.yaml")
    sockrun("run", ".")
    assert sockrun("run", ".", "--last-failed").out.startswith("last failed: 5 of 6 scenarios\n")


def test_what_was_not_played_stays_remembered(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    sockrun.passing("b.yaml")
    sockrun("run")
    sockrun("run", "b.yaml")
    assert "last failed: 1 of 2 scenarios" in sockrun("run", "--last-failed").out


def test_the_cache_is_a_folder_that_git_ignores(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    sockrun("run")
    assert sorted(path.name for path in Path(".sockrun_cache").iterdir()) == [".gitignore", "runs", "shapes"]
    assert "*" in Path(".sockrun_cache/.gitignore").read_text().splitlines()
    sockrun("run", "--cache", "elsewhere/it")
    assert Path("elsewhere/it/runs").exists()


def test_without_a_cache_nothing_is_left(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert sockrun("run", "--no-cache").status == 0
    assert [path.name for path in sockrun.folder.iterdir()] == ["a.yaml"]
    assert sockrun("run", "--no-cache", "--last-failed").status == 2


BEGINNING = b"sockrun remembers 1\n"
LINES = [b"x a.yaml\n", b"1e999 a.yaml\n", b"-1 a.yaml\n", b"nan a.yaml\n", b"1.0\n", b"\n", b"1.0 \\u12\n"]
BROKEN = [b"", b"{}", b"sockrun remembers 7\n", b"\xff", *(BEGINNING + line for line in LINES)]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_cache_is_told_in_one_line_and_made_anew(sockrun: CommandLine, text: bytes) -> None:
    sockrun.passing("a.yaml")
    path = sockrun.write(".sockrun_cache/runs", "")
    path.write_bytes(text)
    status, _, err = sockrun("run", "--last-failed")
    assert status == 0
    assert err == "sockrun: warning: .sockrun_cache/runs is damaged: what it remembered is lost\n"
    assert sockrun("run", "--last-failed").err == ""


def test_a_cache_that_cannot_be_written_is_told_in_one_line(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    status, _, err = sockrun("run", "--cache", "a.yaml/cache", "--last-failed")
    assert status == 0
    assert err == "sockrun: warning: a.yaml/cache/runs cannot be read: Not a directory\n"
    status, _, err = sockrun("run", "--cache", "/proc/cache")
    assert status == 0
    assert err == "sockrun: warning: /proc/cache/runs cannot be written: No such file or directory\n"


def test_the_slowest_are_named(sockrun: CommandLine) -> None:
    for name in "abc":
        sockrun.passing(f"{name}.yaml")
    roles = "{server: {protocol: tcp, side: server, steps: []}, c: {side: client, to: server, steps: [{pause: 9ms}]}}"
    sockrun.write("d.yaml", f"roles: {roles}")
    *_, head, first, second, _ = sockrun("run", "--durations", "2").out.splitlines()
    assert head == "the slowest 2"
    times = [int(re.fullmatch(r" +(\d+) ms  \w\.yaml", line)[1]) for line in (first, second)]  # type: ignore[index]
    assert times == sorted(times, reverse=True)


# --- watching ----------------------------------------------------------------------------------


def test_without_its_package_watch_says_what_to_type(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    sockrun.passing("a.yaml")
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    status, out, err = sockrun("run", "--watch")
    assert (status, out) == (3, "")
    assert err == "sockrun: --watch needs the package 'watchfiles': type `pip install 'sockrun[watch]'`\n"


def _listen_to_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_watch_plays_again_when_a_file_changes_until_ctrl_c(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    words = [*COMMAND, "run", ".", "--watch", "--junit", "r.xml"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=_listen_to_signals) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        first = list(_until(lines, "watching "))
        sockrun.passing("a.yaml")
        second = list(_until(lines, "watching "))
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert any(line.startswith("1 failed in") for line in first)
    assert "changed: a.yaml\n" in second
    assert any(line.startswith("1 passed in") for line in second)
    assert rest == ""


def _until(lines: Iterator[str], words: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.startswith(words):
            return


@pytest.mark.parametrize(
    ("path", "reason"), [("a.yaml", True), ("b/x.bin", True), (".git/x", False), ("b/__pycache__/x.pyc", False)]
)
def test_hidden_files_are_no_reason_to_play_again(tmp_path: Path, path: str, reason: bool) -> None:
    from sockrun.watching import counts

    assert counts(str(tmp_path / path), [tmp_path]) is reason
    assert not counts(str(tmp_path.parent / "elsewhere.yaml"), [tmp_path])


# --- reports are written whole or not at all ---------------------------------------------------


def test_ctrl_c_still_writes_every_report(sockrun: CommandLine) -> None:
    sockrun.write("long.yaml", LONG)
    words = [*COMMAND, "run", "long.yaml", "-v", "--tap", "r.tap", "--github", "--retries", "3"]
    environment = os.environ | {"GITHUB_STEP_SUMMARY": str(sockrun.folder / "s.md")}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, preexec_fn=_listen_to_signals, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '< "x"' in line:
                break
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    report = Path("r.tap").read_text()
    assert report.startswith("TAP version 14\n1..1\nnot ok 1 - long.yaml: long\n")
    assert report.endswith("\nBail out! interrupted\n")
    assert [where["title"] for _, where, _ in annotated(rest)] == ["long.yaml: long was interrupted"]
    assert "1 interrupted" in Path("s.md").read_text()


def test_a_full_disk_leaves_the_old_report(sockrun: CommandLine) -> None:
    """What is written is a draft until it is whole."""
    sockrun.passing("a.yaml")
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))\n"
        "sys.dont_write_bytecode = True\n"  # else a module's is cut off, and stays so
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from sockrun.cli import main; sys.argv = ['sockrun', *sys.argv[1:]]; main()"
    )
    for option in ("--tap", "--junit"):
        Path("report").write_text("old")
        words = [sys.executable, "-c", program, "run", "a.yaml", option, "report", "--no-cache"]
        ended = subprocess.run(words, capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (3, "sockrun: report cannot be written: File too large\n")
        assert Path("report").read_text() == "old"
        assert sorted(path.name for path in sockrun.folder.iterdir()) == ["a.yaml", "report"]


@pytest.mark.parametrize("words", [["--tap", "-"], ["--github"], ["--shard", "1/1"], ["--durations", "1"]])
def test_a_reader_that_went_away_is_status_3_without_a_word(sockrun: CommandLine, words: list[str]) -> None:
    sockrun.write("a.yaml", FAILS)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        ended = subprocess.run([*COMMAND, "run", "a.yaml", *words], stdout=gone, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (3, "")


# --- pre-commit --------------------------------------------------------------------------------


def test_the_hooks_are_what_pre_commit_takes() -> None:
    words = [sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"]
    subprocess.run(words, cwd=ROOT, check=True)


def test_each_hook_runs_a_command_that_there_is(sockrun: CommandLine) -> None:
    sockrun.passing("scenarios/a.yaml")
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text()):
        program, *words = hook["entry"].split()
        assert program == "sockrun"
        assert re.search(hook["files"], "scenarios/a.yaml")
        assert sockrun(*words, "scenarios/a.yaml").status == 0
