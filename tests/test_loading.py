"""From paths and options to programs."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.compiling.loading import Loaded, Options, find, load, load_text
from sockrun.diagnostics import Invalid

HELLO = 'roles: {server: {protocol: tcp, side: server, payload: "hi"}}\n'


WRITTEN = [
    path.read_text()
    for folder in ("scenarios", "tests/invalid")
    for path in sorted((Path(__file__).parent.parent / folder).glob("*.yaml"))
]


def loaded(text: str, /, **variables: str) -> Loaded:
    return load_text(dedent(text), "scenario.yaml", Options(variables=variables))


def test_a_file_is_taken_as_it_is_given_and_a_folder_gives_what_is_below_it(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "sub/c.yaml", "sub/notes.txt", "odd.scenario"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(HELLO)
    below = [tmp_path / "a.yml", tmp_path / "b.yaml", tmp_path / "sub/c.yaml"]
    assert find([tmp_path]) == below
    assert find([tmp_path / "odd.scenario", tmp_path]) == [tmp_path / "odd.scenario", *below]


def test_a_file_that_is_named_twice_is_found_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HELLO)
    assert find([tmp_path / "a.yaml", tmp_path]) == [tmp_path / "a.yaml"]


def test_all_paths_that_do_not_exist_are_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        find([tmp_path / "one", tmp_path, tmp_path / "two"])
    assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["no-such-path"] * 2


def test_a_file_that_cannot_be_read_is_a_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    result = load(tmp_path / "latin.yaml")
    assert [diagnostic.code for diagnostic in result.diagnostics] == ["encoding"]
    assert result.programs == ()


def test_a_scenario_without_matrix_is_one_program_named_by_its_path() -> None:
    assert [program.id for program in loaded(HELLO).programs] == ["scenario.yaml"]


def test_each_combination_of_the_matrix_is_a_program() -> None:
    text = """
        name: over ${transport} to ${host}
        matrix:
          transport: [tcp, udp]
          host: [127.0.0.1, "::1"]
        roles:
          server: {protocol: "${transport}", side: server, host: "${host}"}
    """
    programs = loaded(text).programs
    assert [program.id.removeprefix("scenario.yaml") for program in programs] == [
        "[tcp,127.0.0.1]",
        "[tcp,::1]",
        "[udp,127.0.0.1]",
        "[udp,::1]",
    ]
    assert programs[1].name == "over tcp to ::1"
    assert [program.roles["server"].protocol for program in programs] == ["tcp", "tcp", "udp", "udp"]


VARS = """
    vars: {number: 1, share: 0.5, flag: false, text: "1"}
    roles: {server: {protocol: tcp, side: server}}
"""


def test_a_variable_of_the_command_line_has_the_declared_kind() -> None:
    (program,) = loaded(VARS, number="5", share="2", flag="true", text="5").programs
    assert program.constants == {"number": 5, "share": 2.0, "flag": True, "text": b"5"}


@pytest.mark.parametrize(("name", "value"), [("number", "five"), ("share", "x"), ("flag", "yes")])
def test_a_variable_that_does_not_fit_its_declaration_is_refused(name: str, value: str) -> None:
    assert [diagnostic.code for diagnostic in loaded(VARS, **{name: value}).diagnostics] == ["bad-value"]


def test_an_undeclared_variable_is_refused_with_the_nearest_one() -> None:
    (diagnostic,) = loaded(VARS, numbr="5").diagnostics
    assert diagnostic.code == "undeclared-variable"
    assert diagnostic.hint == "did you mean 'number'?"


def test_a_constant_may_use_those_before_it_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKRUN_TEST_WHO", "ann")
    text = """
        vars: {who: "${env.SOCKRUN_TEST_WHO}", greeting: "hello ${who}"}
        roles: {server: {protocol: tcp, side: server}}
    """
    assert loaded(text).programs[0].constants["greeting"] == b"hello ann"


def test_timeouts_are_scaled_and_the_given_one_stands_for_the_scenarios_own() -> None:
    text = """
        timeout: 10s
        roles: {server: {protocol: tcp, side: server, timeout: 3s}}
    """
    (program,) = load_text(dedent(text), "x.yaml", Options(time_scale=2.0)).programs
    assert (program.timeout, program.roles["server"].timeout) == (20.0, 6.0)
    (program,) = load_text(dedent(text), "x.yaml", Options(timeout=7.0)).programs
    assert program.timeout == 7.0


def test_programs_come_only_from_a_file_without_errors() -> None:
    result = loaded('roles: {server: {protocol: tcp, side: server, payload: "${x}"}}')
    assert result.programs == ()
    assert [diagnostic.code for diagnostic in result.diagnostics] == ["unbound-name"]


@settings(max_examples=150)
@given(
    text=st.sampled_from(WRITTEN),
    lost=st.sets(st.integers(0, 40), max_size=3),
    other=st.sampled_from(WRITTEN),
)
def test_a_file_with_lines_lost_or_strayed_is_loaded_or_diagnosed(text: str, lost: set[int], other: str) -> None:
    """Nothing that stands in a file is an exception to whoever loads it."""
    lines = text.splitlines()
    strayed = other.splitlines()
    mixed = [strayed[k % len(strayed)] if k in lost and k % 2 else line for k, line in enumerate(lines)]
    kept = [line for k, line in enumerate(mixed) if k not in lost or k % 2]
    result = loaded("\n".join(kept))
    assert result.programs or result.diagnostics
    assert all(1 <= diagnostic.span.line <= len(kept) + 1 for diagnostic in result.diagnostics)
