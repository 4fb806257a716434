"""Whatever a file holds, the answer is a program or messages: no traceback, no hang, no more than 200 MB."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sockrun.compiling.loading import Loaded, load, load_text
from sockrun.diagnostics import MOST, render_all
from tests.command_line import CommandLine
from tests.hostile import judged
from tests.playing import SCENARIOS

TESTS = Path(__file__).parent
SEEDS = [path.read_text() for path in sorted([*SCENARIOS.glob("*.yaml"), *(TESTS / "invalid").glob("*.yaml")])]
BILLION = 10**9


def hold(loaded: Loaded) -> None:
    """What is true of any file: a program, or errors, or steps to be included, which may have errors too; and what is
    found can be shown."""
    assert bool(loaded.programs) != (bool(loaded.errors) or loaded.fragment)
    assert "\0" not in "".join(render_all(loaded.diagnostics))


# --- any bytes ---------------------------------------------------------------------------------


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff\xfer\0o\0")
@example("roles: \N{ARABIC-INDIC DIGIT ONE}".encode())
def test_any_bytes_are_a_program_or_messages(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.yaml"
    path.write_bytes(data)
    hold(load(path))


@settings(max_examples=200)
@given(st.text(st.sampled_from("\n\n  -:[]{}\"'|>&*!#%?,$ab01\t\\"), max_size=80))
def test_any_mix_of_yaml_signs_is_a_program_or_messages(text: str) -> None:
    hold(load_text(text, "any.yaml"))


# --- files that were changed at random ---------------------------------------------------------

SCALARS = [
    *("0", "-1", "70000", "1e99", "1e-99", ".5", "true", "null", "~", "''", '"\\0"', "[]", "{}", "[[]]", "{a: b}"),
    *("${", "${x}", '"${index}"', '"${1/0}"', "'${', '}'", "$${", "*a", "&a 1", "!!int 5", "!x y", "|\n  x", "- x"),
    *("{hex: '??*'}", "{regex: '(?P<x>.*)'}", "{length: -1}", "{struct: '0s', fields: {}}", "{join: []}", "10s", "5%"),
    *("{times: 0, of: x}", "{not: {not: x}}", "{one_of: []}", "{random: 5}", "127.0.0.1:80", "::1", "server", "any"),
]


@st.composite
def changed(draw: st.DrawFn) -> str:
    """One of the project's own files with up to four changes: a value, a character, a line, a piece elsewhere."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        text = draw(st.sampled_from(CHANGES))(draw, text)
    return text


def _another_value(draw: st.DrawFn, text: str) -> str:
    ends = [at for at in range(len(text) - 1) if text[at : at + 2] in (": ", "- ", ", ")]
    if not ends:
        return text
    at = draw(st.sampled_from(ends)) + 2
    stop = next((end for end in range(at, len(text)) if text[end] in ",}]\n"), len(text))
    return text[:at] + draw(st.sampled_from(SCALARS)) + text[stop:]


def _another_character(draw: st.DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.characters(codec="utf-8")) + text[at + draw(st.integers(0, 1)) :]


def _lines_moved(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    line = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return "\n".join(lines)


def _piece_of_another(draw: st.DrawFn, text: str) -> str:
    other = draw(st.sampled_from(SEEDS)).split("\n")
    at, size = draw(st.integers(0, len(other) - 1)), draw(st.integers(1, 5))
    lines = text.split("\n")
    place = draw(st.integers(0, len(lines)))
    return "\n".join([*lines[:place], *other[at : at + size], *lines[place:]])


CHANGES = [_another_value, _another_value, _another_character, _lines_moved, _piece_of_another]


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(changed())
@example("    steps:\n# Only a comment.\n")
def test_a_file_changed_at_random_is_a_program_or_messages(text: str) -> None:
    hold(load_text(text, "tests/changed.yaml"))


# --- files that ask for too much ---------------------------------------------------------------


def server(entries: str) -> str:
    return f"roles:\n  server: {{protocol: tcp, side: server, {entries}}}\n"


def step(written: str) -> str:
    return f"roles:\n  server:\n    protocol: tcp\n    side: server\n    steps:\n      - {written}\n"


def steps(*written: str) -> str:
    head = "roles:\n  server:\n    protocol: tcp\n    side: server\n    steps:\n"
    return head + "".join(f"    - {each}\n" for each in written)


def roles(count: int, entries: str, first: str = "protocol: tcp, side: server") -> str:
    others = (entries.format(next=(n + 1) % count, before=n - 1) for n in range(1, count))
    named = reversed([f"  r{n}: {{{each}}}\n" for n, each in enumerate([first, *others])])
    return "roles:\n" + "".join(named)


def matrix(columns: int) -> str:
    lines = (f"  m{n}: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n" for n in range(columns))
    return "matrix:\n" + "".join(lines) + server("port: 0")


def bomb(first: str, width: int, levels: int) -> str:
    lines = [f"a0: &a0 {first}", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels))]
    return "\n".join(lines)


TOO_MUCH = {
    "open brackets": ("[" * 100_000, "too-deep"),
    "open braces": ("{" * 100_000, "too-deep"),
    "nested lists": ("- " * 100_000, "too-deep"),
    "nested keys": ("? " * 100_000, "too-deep"),
    "a huge list": ("a: [" + "1," * 300_000 + "]", "too-many"),
    "a bomb of lists": (bomb("[1, 2]", 10, 12), "too-many"),
    "a bomb of text": (f'a: &a "{"x" * 900_000}"\n' + "".join(f"b{n}: *a\n" for n in range(5_000)), "too-much"),
    "equal keys": ("a: 1\n" * 40_000, "equal-keys"),
    "unknown keys": ("".join(f"wrong_key_{n}: 1\n" for n in range(10_000)), "unknown-key"),
    "unknown verbs": (steps(*(f"snd{n}: x" for n in range(10_000))), "unknown-key"),
    "unknown names": (steps(*(f'send: "${{nothing{n}}}"' for n in range(8_000))), "unbound-name"),
    "unknown names beside many known ones": (
        steps(*(part for n in range(4_000) for part in (f"set: {{n{n}: 1}}", f'send: "${{n{n}x}}"'))),
        "unbound-name",
    ),
    "a long key": ("x" * 900_000 + ": 1\n", "syntax"),
    "a long word": (f'"{"x" * 900_000}": 1\n', "syntax"),
    "a long number": (server(f"port: {'9' * 5_000}"), "scalar"),
    "a long number in text": (server(f'connections: "{"9" * 5_000}"'), "bad-value"),
    "a long number from a constant": (
        f'vars: {{n: "{"9" * 5_000}"}}\n' + server('connections: "${int(n)}"'),
        "expression",
    ),
    "combinations": (matrix(9), "too-many-combinations"),
    "combinations beyond any number": (matrix(40), "too-many-combinations"),
    "combinations of a large file": (
        matrix(3) + "".join(f"  r{n}: {{side: client, to: server}}\n" for n in range(900)),
        "too-many-combinations",
    ),
    "roles": (roles(5_000, "side: client, to: r0"), "too-many-roles"),
    "a chain of targets": (
        roles(1_000, "side: proxy, to: r{before}", "protocol: tcp, side: client, port: 1"),
        "to-a-client",
    ),
    "a ring of targets": (roles(1_000, "side: client, to: r{next}", "side: client, to: r1"), "to-a-circle"),
    "a ring of starts": (
        roles(1_000, "side: client, to: r0, start: {{after: r{next}}}").replace("after: r0", "after: r1"),
        "start-cycle",
    ),
    "a pattern written out": (step('expect: {regex: "(a{999}){999}"}'), "bad-pattern"),
    "a pattern doubled often": (step('expect: {regex: "' + "(?:" * 45 + "a" + "){3}" * 45 + '"}'), "bad-pattern"),
    "a deep pattern": (step('expect: {regex: "' + "(" * 20_000 + ")" * 20_000 + '"}'), "bad-pattern"),
    "deep sets in a pattern": (step('expect: {regex: "(?V1)' + "[" * 5_000 + "]" * 5_000 + '"}'), "bad-pattern"),
    "a long pattern": (step(f'expect: {{regex: "{"(a+)+" * 150_000}"}}'), "bad-pattern"),
    "a verbose repetition": (step('expect: {regex: "(?x)a{ 9 9 9 9 9 9 9 9 }"}'), "bad-pattern"),
    "patterns": (steps(*(f'expect: {{regex: "{n}a{{9999}}b"}}' for n in range(5_000))), "bad-pattern"),
    "constants": (
        "vars:\n" + "".join(f"  a{n}: \"${{'x' * 65000}}\"\n" for n in range(5_000)) + server("port: 0"),
        "too-large",
    ),
    "a large constant": ("vars: {a: \"${'x' * 16000000}\"}\n" + server("port: 0"), "not-constant"),
    "structs": (steps(*("send: {struct: 60000s, values: [x]}" for _ in range(4_000))), "too-large"),
    "a huge struct": (step("send: {struct: 999999999s, values: [x]}"), "bad-value"),
    "a struct of no size": (step('send: {struct: "99999999999999999999x", values: []}'), "bad-value"),
    "a huge header": (server("framing: {header: {struct: 16000000B, length: 0}}"), "bad-framing"),
    "a huge message": (server("framing: {size: 99999999999}"), "bad-value"),
    "wildcards": (steps(*('expect: {hex: "{65000}??"}' for _ in range(5_000))), "too-large"),
    "an endless pause": (step("pause: 1e400"), "scalar"),
    "an endless pause in text": (step("pause: 1e400s"), "bad-value"),
    "an endless timeout": (server("timeout: inf"), "bad-value"),
    "no number": (step("send: .nan"), "scalar"),
    "a deep join": (step("send: {join: [" * 1 + "{join: [" * 79 + "x" + "]}" * 80), "too-deep"),
    "a domain name": (step(f"send: {{text: {'x' * 300_000}, encoding: idna}}"), "bad-value"),
    "a length of random bytes": (step(f"send: {{length_prefix: '!H', of: {{random: {BILLION}}}}}"), "bad-value"),
}

# What is large only when it is played, and then comes piece by piece.
FINE = {
    "sends": step(f"{{send: x, repeat: {BILLION}}}"),
    "sends in time": step(f"{{send: x, repeat: {10**12}, every: 1ms}}"),
    "chunks": step("{send: {random: 60000}, chunk: 1, repeat: 1000000000}"),
    "chunks of many steps": steps(*("{send: {random: 60000}, chunk: 1}" for _ in range(2_000))),
    "many kept payloads": steps(*("send: {random: 65536}" for _ in range(4_000))),
    "repeats in repeats": step("{repeat: 10, steps: [" * 25 + "{send: x}" + "]}" * 25),
    "times": step(f"send: {{times: {10**12}, of: abc}}"),
    "times in times": step("send: " + "{times: 1000000, of: " * 20 + "abc" + "}" * 20),
    "nothing many times": f"files: {{a: {{content: {{times: {10**12}, of: {{join: []}}}}}}}}\n" + server("port: 0"),
    "random bytes": step(f"send: {{random: {10**18}}}"),
    "connections": server(f"connections: {BILLION}"),
    "instances": roles(2, f"side: client, to: r0, instances: {BILLION}"),
    "length": step(f"expect: {{length: {10**30}}}"),
    "expressions of long texts": step("send: \"" + "${sha256('x' * 16000000)}" * 2_000 + '"'),
    "lists of expressions": step("send: \"" + "${unpack('60000B', 'x' * 60000)[0]}" * 500 + '"'),
    "variables": steps(*(part for n in range(3_000) for part in (f"set: {{n{n}: 1}}", f'send: "${{n{n}}}"'))),
    "turns": roles(2, "side: client, to: r0") + "steps:\n" + "  - r0: {send: x}\n  - r1: {expect: x}\n" * 3_000,
    "fields": step("expect: {struct: 3000B, fields: {" + ", ".join(f"f{n}: any" for n in range(3_000)) + "}}"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_asks_for_too_much_is_a_message(text: str, code: str) -> None:
    verdict = judged(text)
    assert verdict.programs == 0
    assert code in verdict.codes
    assert verdict.megabytes < 200
    assert len(verdict.shown) < 100_000


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_what_is_large_only_when_it_is_played_is_loaded_as_it_is(text: str) -> None:
    verdict = judged(text)
    assert verdict.programs == 1
    assert verdict.megabytes < 200


def test_ten_thousand_mistakes_are_not_shown_one_by_one() -> None:
    shown = judged(TOO_MUCH["unknown keys"][0]).shown
    assert shown.count("error:") == 100
    assert shown.endswith("\n... and at least 900 more")


def test_the_rest_of_a_few_mistakes_is_counted() -> None:
    text = server(", ".join(f"wrong{n}: 1" for n in range(130)))
    assert render_all(load_text(text, "x.yaml").diagnostics)[-1] == "... and 30 more"
    assert len(load_text(text, "x.yaml").diagnostics) == 130 < MOST


# --- what is no ordinary file ------------------------------------------------------------------


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path / "pipe.yaml"


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket.yaml")
        yield tmp_path / "socket.yaml"


def told(path: Path) -> str:
    (diagnostic,) = load(path).diagnostics
    return diagnostic.message


def test_a_named_pipe_is_refused_without_waiting_for_its_writer(pipe: Path) -> None:
    assert told(pipe) == "this is a named pipe, not a regular file"


def test_a_socket_and_a_device_are_refused(listener: Path) -> None:
    assert told(listener) == "this is a socket, not a regular file"
    assert told(Path("/dev/zero")) == "this is a device, not a regular file"


def test_a_folder_that_is_called_like_a_file_is_searched(sockrun: CommandLine) -> None:
    sockrun.passing("folder.yaml/good.yaml")
    outcome = sockrun("validate", "folder.yaml")
    assert (outcome.status, outcome.out) == (0, "1 file, no errors\n")
    assert told(sockrun.folder / "folder.yaml") == "this is a folder, not a regular file"


def test_folders_that_link_to_themselves_are_searched_once(sockrun: CommandLine) -> None:
    sockrun.passing("pack/good.yaml")
    (sockrun.folder / "pack/again").symlink_to(sockrun.folder / "pack")
    (sockrun.folder / "pack/round.yaml").symlink_to("round.yaml")
    assert sockrun("validate", "pack").out == "1 file, no errors\n"


@pytest.mark.parametrize("name", ["round.yaml", "x" * 300 + ".yaml", "a\nb\x1b[31m.yaml", "no/such.yaml"])
def test_a_path_that_cannot_be_read_is_a_message(sockrun: CommandLine, name: str) -> None:
    (sockrun.folder / "round.yaml").symlink_to("round.yaml")
    outcome = sockrun("validate", name)
    assert outcome.status == 2
    assert "\x1b" not in outcome.err
    assert len(outcome.err.splitlines()) == 1


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, and is `nobody` meanwhile."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)


def test_an_unreadable_file_is_a_message() -> None:
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # that of `tmp_path` is closed to others
        (path := Path(folder, "secret.yaml")).touch(0)
        with as_nobody():
            assert told(path) == "the file cannot be read: Permission denied"


def test_of_a_file_of_100_mb_no_more_than_its_beginning_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    assert told(tmp_path / "large.yaml") == "the file is larger than 1 MiB"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "/dev/zero", ".", "x" * 5_000, '"a\\0b"'])
def test_a_payload_comes_from_no_file_outside_the_pack(tmp_path: Path, name: str) -> None:
    (tmp_path / "pack").mkdir()
    path = tmp_path / "pack/scenario.yaml"
    path.write_text(step(f"send: {{file: {name}}}"))
    (diagnostic,) = load(path).diagnostics
    assert diagnostic.code == "bad-value"
    assert "file" in diagnostic.message
    assert len(diagnostic.message) < 500


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(tmp_path: Path, coding: str) -> None:
    (tmp_path / "x.yaml").write_bytes(server("port: 0").encode(coding))
    assert told(tmp_path / "x.yaml") == "the file is UTF-16 or UTF-32, not UTF-8"
