"""`include` and `with`: the steps of other files, and what is told when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from sockrun import api
from sockrun.compiling.includes import MAX_DEPTH
from sockrun.compiling.loading import Loaded, Options, find, load, load_scenario
from sockrun.diagnostics import render
from sockrun.outline import outline
from sockrun.program import Include, Wait
from sockrun.results import Result, Status
from tests.command_line import CommandLine
from tests.playing import play_all

PAIR = """
roles:
  server:
    protocol: tcp
    side: server
    framing: line
    steps: {server}
  client:
    side: client
    to: server
    framing: line
    steps: {client}
"""
LOGIN = """
description: Logs in as ${user}.
steps:
  - send: "USER ${user}"
  - expect: "+OK ${user}"
"""


def pack(folder: Path, **files: str) -> Path:
    """Files below a folder: `lib__login` is `lib/login.yaml`. Returns the path of `main`."""
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder / "main.yaml"


def played(path: Path, options: Options | None = None) -> Result:
    loaded = load(path, options)
    assert not loaded.errors, loaded.errors
    (result,) = play_all(loaded.programs)
    return result


def told(path: Path, options: Options | None = None) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in load(path, options).errors]


def pair(server: str, client: str) -> str:
    return PAIR.format(server=server, client=client)


# --- what is played ----------------------------------------------------------------------------


def test_the_steps_of_another_file_are_played_in_its_place(tmp_path: Path) -> None:
    server = '[{expect: "USER ann"}, {send: "+OK ann"}, {expect: "QUIT"}]'
    client = '[{include: lib/login.yaml, with: {user: ann}}, {send: "QUIT"}]'
    main = pack(tmp_path, main=pair(server, client), lib__login=LOGIN)
    assert played(main).passed


def test_a_file_is_included_with_other_values_each_time(tmp_path: Path) -> None:
    server = """
      - {expect: "USER ann"}
      - {send: "+OK ann"}
      - {expect: "USER bob"}
      - {send: "+OK bob"}"""
    client = "[{include: login.yaml, with: {user: ann}}, {include: login.yaml, with: {user: bob}}]"
    assert played(pack(tmp_path, main=pair(server, client), login=LOGIN)).passed


def test_a_path_is_relative_to_the_file_that_says_it(tmp_path: Path) -> None:
    main = pack(
        tmp_path,
        main=pair('[{include: lib/outer.yaml}, {expect: "b"}]', '[{send: "a"}, {send: "b"}]'),
        lib__outer="steps: [{include: deeper/inner.yaml}]",
        lib__deeper__inner='steps: [{expect: {file: "data.txt"}}]',
    )
    (tmp_path / "lib/deeper/data.txt").write_text("a")
    assert played(main).passed


def test_with_takes_values_that_only_the_run_knows(tmp_path: Path) -> None:
    server = """
      - {expect: {regex: "(?P<who>.*)"}}
      - {include: answer.yaml, with: {user: "${upper(who)}"}}"""
    client = '[{send: "ann"}, {expect: "hello ANN"}]'
    main = pack(tmp_path, main=pair(server, client), answer='steps: [{send: "hello ${user}"}]')
    assert played(main).passed


def test_a_value_given_by_with_hides_a_variable_inside_and_only_there(tmp_path: Path) -> None:
    server = """
      - {expect: {regex: "(?P<who>.*)"}}
      - {include: answer.yaml, with: {who: "${upper(who)}"}}
      - {send: "${who}"}"""
    client = '[{send: "ann"}, {expect: "ANN"}, {expect: "then ANN!"}, {expect: "ann"}]'
    main = pack(
        tmp_path,
        main=pair(server, client),
        answer='steps: [{send: "${who}"}, {include: more.yaml, with: {mark: "${received}!"}}]',
        more='steps: [{send: "then ${who}!"}]',
    )
    assert played(main).passed


def waits(main: Path) -> list[float]:
    """The seconds of the steps that the server includes with its only step."""
    (include,) = load(main).programs[0].roles["server"].sequences[0]
    assert isinstance(include, Include)
    return [step.command.seconds for step in include.body if isinstance(step, Wait) and step.command]


def test_a_constant_given_by_with_may_stand_where_only_constants_may(tmp_path: Path) -> None:
    main = pack(
        tmp_path,
        main=pair("[{include: slow.yaml, with: {limit: 50ms}}]", "[]"),
        slow='steps: [{expect: "a"}, {expect: "b", timeout: "${limit}"}]',
    )
    assert waits(main) == [5.0, 0.05]


def test_the_timeout_beside_include_is_that_of_its_steps(tmp_path: Path) -> None:
    main = pack(
        tmp_path,
        main=pair("[{include: slow.yaml, timeout: 30ms}]", "[]"),
        slow='steps: [{expect: "a"}, {expect: "b", timeout: 1s}]',
    )
    assert waits(main) == [0.03, 1.0]


def test_what_included_steps_bind_and_signal_is_known_to_all(tmp_path: Path) -> None:
    server = '[{include: take.yaml}, {send: "${user}"}]'
    client = '[{send: "ann"}, {wait: taken}, {expect: "ann"}, {check: server.user == "ann"}]'
    main = pack(
        tmp_path,
        main=pair(server, client),
        take='steps: [{expect: {regex: "(?P<user>.*)"}}, {signal: taken}]',
    )
    assert played(main).passed


def test_files_are_included_inside_repeat_and_in_the_scenarios_own_order(tmp_path: Path) -> None:
    main = pack(
        tmp_path,
        main="""
            roles:
              server: {protocol: tcp, side: server, framing: line}
              client: {side: client, to: server, framing: line}
            steps:
              - client: {repeat: 2, steps: [{include: ask.yaml, with: {n: "${round}"}}]}
              - server: {include: answer.yaml}
        """,
        ask='steps: [{send: "q${n}"}]',
        answer='steps: [{expect: "q0"}, {expect: "q1"}]',
    )
    assert played(main).passed


def test_a_failure_names_the_step_its_file_and_who_includes_it(tmp_path: Path) -> None:
    client = '[{send: "USER ann"}, {include: login.yaml, with: {user: bob}}]'
    main = pack(tmp_path, main=pair('[{expect: "USER ann"}, {expect: "USER ann"}]', client), login=LOGIN)
    result = played(main)
    assert result.status is Status.FAILED
    numbers = [entry.place.number for entry in result.trace if entry.role == "client" and entry.place]
    assert numbers[-1].startswith("2.")
    main = pack(
        tmp_path, main=pair('[{expect: "USER ann"}, {send: "-NO"}]', "[{include: login.yaml, with: {user: ann}}]")
    )
    failure = played(main).failure
    assert failure is not None
    assert failure.place is not None
    assert failure.place.number == "1.2"
    assert failure.place.span.file_line == f"{tmp_path / 'login.yaml'}:5"
    assert failure.place.span.source.included is not None
    assert failure.place.span.source.included.source.path == str(main)


def test_an_outline_shows_included_steps_below_theirs(tmp_path: Path) -> None:
    main = pack(tmp_path, main=pair("[]", "[{include: login.yaml, with: {user: ann}}]"), login=LOGIN)
    lines = [line.strip() for line in outline(load(main).programs[0])]
    assert lines[-3:] == ["1  include login.yaml", '1.1  send "USER ${user}"', '1.2  expect "+OK ${user}"']


# --- what is wrong -----------------------------------------------------------------------------


def including(name: str) -> str:
    return pair("[]", f"[{{include: {json.dumps(name)}}}]")


def test_a_missing_file_is_told_where_it_is_named(tmp_path: Path) -> None:
    (found,) = load(pack(tmp_path, main=including("lib/nothing.yaml"))).errors
    assert (found.code, found.span.line) == ("no-such-file", 12)
    assert found.message == f"there is no file '{tmp_path}/lib/nothing.yaml' to include"


@pytest.mark.parametrize("name", ["../secret.yaml", "/etc/passwd", "lib/../../secret.yaml", "link.yaml", "a\0b"])
def test_no_file_outside_the_pack_is_read(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "pack"
    main = pack(folder, main=including(name), lib__other=LOGIN)
    (tmp_path / "secret.yaml").write_text("steps: [")
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    assert [code for code, _ in told(main)] == ["cannot-include"]


def test_the_pack_is_the_folder_that_was_named(tmp_path: Path) -> None:
    pack(tmp_path, sub__main=pair("[]", "[{include: ../login.yaml, with: {user: ann}}]"), login=LOGIN)
    main = tmp_path / "sub/main.yaml"
    assert [code for code, _ in told(main)] == ["cannot-include"]
    assert told(main, Options(folders=[tmp_path])) == []


def test_files_that_include_each_other_are_a_circle(tmp_path: Path) -> None:
    main = pack(tmp_path, main=including("a.yaml"), a="steps: [{include: b.yaml}]", b="steps: [{include: ./a.yaml}]")
    (found,) = load(main).errors
    assert found.message == "the file './a.yaml' includes itself in the end"
    text = render(found)
    places = [line for line in text.splitlines() if "included here" in line]
    assert [place.partition(":")[0].rpartition("/")[2] for place in places] == ["a.yaml", "main.yaml"]


def test_a_chain_of_files_has_an_end(tmp_path: Path) -> None:
    files = {f"f{k}": f"steps: [{{include: f{k + 1}.yaml}}]" for k in range(MAX_DEPTH + 2)}
    main = pack(tmp_path, main=including("f0.yaml"), **files)
    assert told(main) == [("cannot-include", f"more than {MAX_DEPTH} files include each other here")]


def test_files_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    """A hundred includes a file, five files deep, would be ten thousand million steps."""
    hundred = "steps: [" + ", ".join(["{include: NEXT}"] * 100) + "]"
    files = {f"f{k}": hundred.replace("NEXT", f"f{k + 1}.yaml") for k in range(5)}
    main = pack(tmp_path, main=including("f0.yaml"), **files, f5="steps: [{pause: 1s}]")
    assert [code for code, _ in told(main)] == ["too-much-included"]


def test_mistakes_in_an_included_file_are_told_there_with_the_place_that_includes_it(tmp_path: Path) -> None:
    client = "[{include: login.yaml, with: {user: ann}}, {include: login.yaml, with: {user: bob}}]"
    main = pack(tmp_path, main=pair("[]", client), login="steps:\n  - sned: x\n  - expect: {hex: xx}\n")
    (found,) = load(main).errors
    assert (found.message, found.span.file_line) == ("unknown key 'sned' in a step", f"{tmp_path / 'login.yaml'}:2")
    assert "main.yaml:12:23: note: included here" in render(found)
    pack(tmp_path, login="steps:\n  - send: ${usr}\n  - pause: ${user}\n")
    lines = [found.span.line for found in load(main).errors]
    assert lines == [2, 3, 3]  # the last once for each value of `user`


@pytest.mark.parametrize(
    ("text", "code"),
    [("steps: [", "syntax"), ("roles: {}", "unknown-key"), ("", "empty"), ("steps: 5", "wrong-kind")],
)
def test_a_file_that_is_no_list_of_steps_is_told_once(tmp_path: Path, text: str, code: str) -> None:
    main = pack(tmp_path, main=pair("[{include: a.yaml}]", "[{include: a.yaml}]"), a=text)
    errors = load(main).errors
    assert errors
    assert {found.span.source.path for found in errors} == {str(tmp_path / "a.yaml")}
    assert all("included here" in render(found) for found in errors)


def test_a_name_given_by_with_is_unknown_outside(tmp_path: Path) -> None:
    client = '[{include: login.yaml, with: {user: ann}}, {send: "${user}"}]'
    main = pack(tmp_path, main=pair("[]", client), login=LOGIN)
    assert told(main) == [("unbound-name", "nothing ever binds 'user'")]


def test_a_name_given_by_with_cannot_be_bound_inside(tmp_path: Path) -> None:
    main = pack(tmp_path, main=pair("[]", "[{include: a.yaml, with: {n: 1}}]"), a="steps: [{set: {n: 2}}]")
    assert told(main) == [("name-clash", "'n' is given by 'with', and a step of the file cannot change it")]


def test_a_name_given_by_with_cannot_be_one_of_the_languages_own(tmp_path: Path) -> None:
    main = pack(tmp_path, main=pair("[]", "[{include: a.yaml, with: {received: 1}}]"), a="steps: [{pause: 1s}]")
    assert [code for code, _ in told(main)] == ["reserved-name"]


def test_a_step_that_is_never_reached_is_told_across_files(tmp_path: Path) -> None:
    main = pack(tmp_path, main=pair("[]", '[{include: a.yaml}, {send: "x"}]'), a="steps: [close]")
    assert [code for code, _ in told(main)] == ["never-reached"]


# --- files of steps beside scenarios -----------------------------------------------------------


def test_files_of_steps_are_passed_over_in_a_folder(sockrun: CommandLine) -> None:
    sockrun.passing("pack/a.yaml")
    sockrun.write("pack/lib/login.yaml", LOGIN)
    status, out, _ = sockrun("run", "pack")
    assert (status, "login" in out, "1 passed" in out) == (0, False, True)
    assert sockrun("list", "pack").out.splitlines() == ["pack/a.yaml  a good one  [smoke]"]
    assert sockrun("validate", "pack").status == 0


def test_a_file_of_steps_that_is_named_itself_is_no_scenario(sockrun: CommandLine) -> None:
    sockrun.write("login.yaml", LOGIN)
    status, out, _ = sockrun("run", "login.yaml")
    assert status == 2
    assert "this is a file of steps, and no scenario: it has no 'roles'" in out
    assert sockrun("show", "login.yaml").status == 2
    assert sockrun("validate", "login.yaml").status == 0


def test_validate_looks_at_files_of_steps(sockrun: CommandLine) -> None:
    sockrun.write("pack/login.yaml", "steps: [{sned: x}]")
    status, out, _ = sockrun("validate", "pack")
    assert status == 2
    assert "unknown key 'sned' in a step" in out
    assert [found.code for found in api.validate("pack")] == ["unknown-key"]


def test_a_scenario_whose_roles_are_mistyped_is_not_passed_over(tmp_path: Path) -> None:
    main = pack(tmp_path, main="name: x\nrolse: {}\nsteps: []\n")
    assert load_scenario(main, Options(folders=[tmp_path])).errors


def test_folders_of_other_tools_and_hidden_ones_are_not_looked_into(tmp_path: Path) -> None:
    for name in (
        ".git/a.yaml",
        ".venv/lib/b.yaml",
        "node_modules/c.yaml",
        "env/pyvenv.cfg",
        "env/lib/d.yaml",
        "sub/.cache/d.yaml",
        ".hidden.yaml",
        "e.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find([tmp_path]) == [tmp_path / "e.yaml"]
    assert find([tmp_path / ".git"]) == [tmp_path / ".git/a.yaml"]


def test_the_api_takes_a_folder_as_the_pack(tmp_path: Path) -> None:
    server = '[{expect: "USER ann"}, {send: "+OK ann"}]'
    pack(tmp_path, sub__main=pair(server, "[{include: ../login.yaml, with: {user: ann}}]"), login=LOGIN)
    assert [result.passed for result in api.run(tmp_path)] == [True]
    assert api.validate(tmp_path) == []


def test_a_fragment_has_no_programs(tmp_path: Path) -> None:
    pack(tmp_path, main=LOGIN)
    loaded: Loaded = load(tmp_path / "main.yaml")
    assert (loaded.fragment, loaded.programs, loaded.diagnostics) == (True, (), ())
