"""`secrets`: no output of any kind shows one, in whatever form and however it was cut."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sockrun import api
from sockrun.compiling.loading import Options, load_text
from sockrun.diagnostics import as_dict, render
from sockrun.masking import Mask
from sockrun.outline import outline
from sockrun.reporters.base import Progress
from sockrun.reporters.failures import explain
from sockrun.reporters.jsonl import as_json
from sockrun.reporters.junit import JUnit
from sockrun.reporters.style import Style
from sockrun.reporters.transcript import transcript
from sockrun.results import Result
from tests.command_line import CommandLine
from tests.playing import play, programs

SECRET = "hunter2-\u00e9 &x"
PAIR = """
name: with ${{password}}
secrets: {{password: {secret}}}
roles:
  server:
    protocol: tcp
    side: server
    framing: {framing}
    steps: {server}
  client:
    side: client
    to: server
    framing: {framing}
    steps: {client}
"""


def pair(server: str, client: str, secret: str = SECRET, framing: str = "none") -> str:
    return PAIR.format(server=server, client=client, secret=json.dumps(secret, ensure_ascii=False), framing=framing)


def forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it is, in hex, percent-encoded, and in base64 at each place of a group of three."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield quote(secret, safe="").encode()
    yield "".join(f"%{byte:02x}" for byte in secret).encode()
    for before in range(3):
        text = base64.b64encode(b"\xff" * before + secret + b"\xff\xff")
        yield text[-(-8 * before // 6) : 8 * (before + len(secret)) // 6]


def written(result: Result, folder: Path) -> Iterator[str]:
    """All that is said of a result, by each reporter."""
    yield "\n".join(explain(result, Style(False)))
    yield "\n".join(transcript(result.trace))
    document = as_json(result)
    yield json.dumps(document, ensure_ascii=False)
    yield from _decoded(document)
    report = JUnit(str(folder / "report.xml"))
    report.begin(Progress())
    report.result(result)
    report.end()
    yield (folder / "report.xml").read_text()


def _decoded(document: object) -> Iterator[str]:
    """What JSON holds in base64."""
    if isinstance(document, dict):
        if isinstance(document.get("base64"), str):
            yield base64.b64decode(document["base64"]).decode("latin-1")
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            yield from _decoded(item)


def shown(texts: Iterator[str], secret: str = SECRET) -> list[str]:
    """The texts in which the secret stands in some form; there must be none."""
    wanted = list(forms(secret.encode()))
    return [
        text
        for text in texts
        if any(form in text.encode() or form in text.encode("latin-1", "replace") for form in wanted)
    ]


# --- every way to fail -------------------------------------------------------------------------

SENDS = '[{send: "PASS ${password}\\r\\n"}]'
FAILING = {
    "another value": pair('[{expect: "PASS ${password}\\r\\n"}]', '[{send: "PASS hunter2-x\\r\\n"}]'),
    "other bytes around it": pair('[{expect: "LOGIN ${password}\\r\\n"}]', SENDS),
    "more than expected": pair('[{expect: "PASS ${password}"}]', SENDS),
    "less than expected": pair('[{expect: "PASS ${password}\\r\\n"}]', '[{send: "PASS hunter2-"}]'),
    "unread": pair('[{expect: "PASS "}]', SENDS),
    "a pattern": pair('[{expect: {regex: "PASS ${password}!\\r\\n"}}]', SENDS),
    "a suffix": pair('[{expect: {suffix: "${password}"}}]', '[{send: "x"}]', framing="line"),
    "a prefix": pair('[{expect: {prefix: "${password}"}}]', '[{send: "hunter3"}]', framing="line"),
    "contains": pair('[{expect: {contains: "${password}"}}]', '[{send: "hunter3"}]', framing="line"),
    "json": pair(
        '[{expect: {json: {a: "${password}"}}}]', '[{send: {json: {a: "hunter3", b: "${password}"}}}]', framing="line"
    ),
    "a timeout": pair('[{expect: "${password}", timeout: 10ms}]', '[{send: "hunt"}, {pause: 50ms}]'),
    "a deadlock": pair('[{expect: "${password}"}]', '[{expect: "${password}"}]'),
    "a check": pair('[{set: {x: "${password}"}}, {check: x == "a" + password}]', "[]"),
    "a value that is checked": pair('[{check: {value: "${password}", is: "hunter3"}}]', "[]"),
    "an error of an expression": pair("[{check: int(received + password) == 5}]", "[]"),
    "silence": pair("[{expect_silence: 1s}]", SENDS),
    "close": pair("[expect_close]", SENDS),
    "no address": pair("[]", '[{connect: {host: "${password}", port: 1}}]'),
    "hex": pair('[{expect: "x"}]', '[{send: "${hex(password)}"}]'),
    "HEX": pair('[{expect: "x"}]', '[{send: "${upper(hex(password))}"}]'),
    "base64": pair('[{expect: "x"}]', '[{send: "${base64(password)}"}]'),
    "base64 of more": pair('[{expect: "x"}]', "[{send: \"${base64('ann:' + password)}\"}]"),
    "byte by byte": pair('[{expect: "x"}]', '[{send: "PASS ${password}", chunk: 1}]'),
    "taken byte by byte": pair('[{repeat: 9, steps: [{expect: {length: 1}}]}, {expect: "x"}]', SENDS),
    "among binary": pair('[{expect: "x"}]', '[{send: {join: [{hex: "00 01 02 fe"}, "${password}", {hex: "00"}]}}]'),
    "cut in a label": pair(f'[{{expect: "{"a" * 50}{SECRET}bbb"}}]', '[{send: "aaa"}]'),
    "in the middle of a large message": pair(
        '[{expect: {length: 9000}}, {expect: "x"}]',
        '[{send: {join: [{times: 4090, of: "a"}, "${password}", {times: 8000, of: "b"}]}}]',
    ),
    "expected to fail": pair('[{expect: "${password}"}]', '[{send: "x"}]') + "expect_failure: not this\n",
    "in a note and a name": pair(f'[{{expect: "x", note: {json.dumps(SECRET)}}}]', '[{send: "y"}]'),
}


@pytest.mark.parametrize("name", FAILING)
def test_no_report_shows_a_secret(name: str, tmp_path: Path) -> None:
    result = play(FAILING[name])
    assert not result.passed
    assert shown(written(result, tmp_path)) == []
    assert SECRET not in repr([result.id, result.name, result.reason, result.failure, result.unread])


@pytest.mark.parametrize("name", FAILING)
def test_no_command_shows_a_secret(name: str, sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILING[name])
    outcomes = [
        sockrun("run", "a.yaml", "-v", "--json", "report.json", "--junit", "report.xml", "--html", "report.html"),
        sockrun("show", "a.yaml"),
        sockrun("list", "a.yaml"),
        sockrun("validate", "a.yaml"),
        sockrun("validate", "--format", "json", "a.yaml"),
    ]
    files = [(sockrun.folder / name).read_text() for name in ("report.json", "report.xml", "report.html")]
    assert shown(iter([text for one in outcomes for text in (one.out, one.err)] + files)) == []
    assert outcomes[0].status in (1, 3)  # the machine refuses a host without an address


alphabet = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secret=st.text(alphabet, min_size=1, max_size=20).map("Zq9~{}".format),  # no word of a report
    chunk=st.integers(1, 9),
    encode=st.sampled_from(["password", "hex(password)", "base64('a' + password)", "'<' + password + '>'"]),
)
@example(secret="a$b{c}d\"'\\%", chunk=2, encode="password")
def test_a_secret_is_hidden_however_its_bytes_are_cut(secret: str, chunk: int, encode: str, tmp_path: Path) -> None:
    """Sent in pieces, taken in pieces, left unread at the end: the whole stream never shows it."""
    escaped = secret.replace("${", "$${")
    text = pair(
        "[{expect: {length: 3}}, {expect: {length: 2}}, {expect: {hex: '00 00 00'}}]",
        f"[{{set: {{all: \"${{'12345' + {encode} + '67'}}\"}}}}, {{send: '${{all}}', chunk: {chunk}}}]",
        escaped,
    )
    result = play(text)
    assert not result.passed
    assert shown(written(result, tmp_path), secret) == []
    stream = b"".join(entry.command.data for entry in result.trace if hasattr(entry.command, "data"))
    assert not any(form in stream for form in forms(secret.encode()))


# --- what may be seen --------------------------------------------------------------------------


def test_lengths_stay() -> None:
    mask = Mask({"password": [b"hunter2"]})
    assert mask.text("PASS hunter2.") == "PASS *******."
    assert mask.data(b"PASS hunter2.") == b"PASS *******."
    assert mask.data(b"PASS 68756E74657232.") == b"PASS **************."


def test_a_difference_inside_a_secret_is_only_said_to_be_one() -> None:
    """Neither where, nor what came instead; also not by way of what is left unread."""
    result = play(pair('[{expect: "PASS ${password}\\r\\n"}]', '[{send: "PASS hunter3-x\\r\\n"}]'))
    failure = result.failure
    assert failure is not None
    assert (failure.message, result.reason, failure.offset) == ("differs", "differs", 5)
    assert failure.expected == b"PASS " + b"*" * len(SECRET.encode()) + b"\r\n"
    assert failure.received == b"PASS *********\r\n"
    assert dict(result.unread)["server"].strip(b"*") == b""
    assert [entry.event.reason for entry in result.trace if entry.event and entry.role == "server"] == ["differs"]  # type: ignore[union-attr]


def test_a_difference_inside_a_secret_that_came_is_only_said_to_be_one() -> None:
    """The byte that was not expected is one of the secret's."""
    wrong = play(pair('[{expect: "PASS hunter3\\r\\n"}]', '[{send: "PASS ${password}\\r\\n"}]'))
    failure = wrong.failure
    assert failure is not None
    assert (failure.message, wrong.reason, failure.offset) == ("differs", "differs", 5)
    assert failure.received == b"PASS " + b"*" * len(SECRET.encode()) + b"\r\n"


def test_a_difference_outside_is_told_as_ever() -> None:
    failure = play(pair('[{expect: "LOGIN ${password}"}]', '[{send: "LOGON ${password}"}]')).failure
    assert failure is not None
    assert (failure.message, failure.offset) == ("byte 3 is 0x4f, not 0x49", 3)


def test_a_pattern_that_fails_inside_a_secret_does_not_tell_how_far_it_came() -> None:
    failure = play(pair('[{expect: {regex: "PASS ${password}\\r\\n"}}]', '[{send: "PASS hunted\\r\\n"}]')).failure
    assert failure is not None
    assert (failure.message, failure.offset) == ("differs", None)
    assert failure.received is not None
    assert failure.received.startswith(b"PASS *****")


def test_a_short_secret_is_hidden_where_it_stands_alone_and_warned_of(tmp_path: Path) -> None:
    text = pair('[{expect: "${password}"}]', '[{send: "41"}]', "42", "line")
    loaded = load_text(text, "a.yaml")
    assert [(found.code, found.severity) for found in loaded.diagnostics] == [("short-secret", "warning")]
    assert "{password: ****}" in render(loaded.diagnostics[0])
    failure = play(text).failure
    assert failure is not None
    assert failure.expected == b"**"
    assert "password = **" in "\n".join(outline(loaded.programs[0]))
    mask = Mask({"pin": [b"42"]})
    assert mask.text("42 of 142 bytes, 'a' is \"42\"") == "42 of 142 bytes, 'a' is \"**\""


def test_a_text_that_was_cut_within_a_secret_hides_its_beginning() -> None:
    mask = Mask({"password": [b"hunter2"]})
    assert mask.text('> "PASS hun" ... 9 more bytes') == '> "PASS ***" ... 9 more bytes'
    assert mask.text("expect hunte…") == "expect *****…"
    assert mask.text("expect hunte") == "expect hunte"


def test_a_live_transcript_hides_what_may_become_a_secret(sockrun: CommandLine) -> None:
    """Once four bytes of it are there; what follows them is hidden in any case."""
    sockrun.write("a.yaml", pair("[{expect: {length: 8}}]", '[{send: "hunter2x", chunk: 1}]', "hunter2"))
    lines = [line for line in sockrun("run", "a.yaml", "-v").out.splitlines() if " client " in line and ">" in line]
    assert [re.findall('"(.)"', line)[0] for line in lines] == [*"hun", *"****", "x"]


def test_secrets_of_the_command_line_and_of_the_environment_are_hidden(
    sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCKRUN_TEST_TOKEN", "swordfish")
    sockrun.write("a.yaml", pair('[{expect: "x"}]', '[{send: "${password}"}]', "${env.SOCKRUN_TEST_TOKEN}"))
    assert "swordfish" not in (out := sockrun("run", "a.yaml").out)
    assert '├─ "*********" ─' in out
    out = sockrun("run", "a.yaml", "-v", "--secret", "password=trustno1").out
    assert "trustno1" not in out
    assert '> "********"' in out


def test_a_secret_without_a_name_is_not_repeated(sockrun: CommandLine) -> None:
    status, out, err = sockrun("run", "--secret", "hunter2")
    assert status == 2
    assert "NAME=VALUE" in err
    assert "hunter2" not in out + err


def test_a_secret_of_the_command_line_must_be_declared(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", pair("[]", "[]"))
    status, out, _ = sockrun("run", "a.yaml", "--secret", "pasword=swordfish")
    assert status == 2
    assert "did you mean 'password'?" in out
    assert "swordfish" not in out


def test_the_api_takes_secrets(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(pair('[{expect: "${password}"}]', '[{send: "trustno1"}]'))
    assert [result.passed for result in api.run(path, secrets={"password": "trustno1"})] == [True]
    assert [len(program.roles) for program in api.load(path, secrets={"password": "trustno1"})] == [2]


def test_a_scenario_without_secrets_has_no_mask() -> None:
    (program,) = programs("roles: {server: {protocol: tcp, side: server}}")
    assert program.mask is None


def test_lists_and_numbers_are_secrets_too() -> None:
    text = pair("[]", "[]").replace("secrets: {", "secrets: {codes: [1234567, [alpha, bravo]], ")
    text += "description: codes 1234567, alpha and bravo\n"
    (program,) = programs(text)
    assert program.description == "codes *******, ***** and *****"


# --- files that are wrong ----------------------------------------------------------------------

WRONG = {
    "an unknown key": "secrets: {password: hunter2, b: [hunter2}",
    "an unknown key beside it": "secrets: {password: hunter2}\nhunter2: 5\n",
    "a wrong kind": "secrets: {password: {a: hunter2}}\n",
    "a list": "secrets: [hunter2]\n",
    "no YAML": "secrets:\n  # comment\n  password: hunter2\nroles: {server: hunter2, ]\n",
    "no YAML, quoted": "secrets:\n  password: 'hunter2'\nname: [hunter2\n",
    "a bad value": "secrets: {password: hunter2}\nroles: {server: {protocol: tcp, side: server, port: hunter2}}\n",
    "a bad port": 'secrets: {password: hunter2}\nroles: {s: {protocol: tcp, side: server, port: "${password}"}}\n',
    "too large": f"secrets: {{password: hunter2}}\nvars: {{a: {'x' * 5_000_00}}}\ntimeout: hunter2\n",
    "a block": "secrets:\n  password: |\n    hunter2\nname: 5\ntimeout: hunter2\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_told_without_its_secrets(name: str, sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", WRONG[name])
    for words in (["validate"], ["validate", "--format", "json"], ["run"], ["list"], ["run", "--json", "-"]):
        status, out, err = sockrun(*words, "a.yaml")
        assert status == 2
        assert "hunter2" not in out + err


def test_a_file_of_another_encoding_is_told_without_its_secrets(sockrun: CommandLine) -> None:
    (sockrun.folder / "a.yaml").write_bytes(b"secrets: {password: hunter2} # \xe9\n")
    status, out, _ = sockrun("validate", "a.yaml")
    assert (status, "hunter2" in out, "0xe9" in out) == (2, False, True)


def test_no_secret_at_all_is_no_reason_to_hide_anything() -> None:
    for text in ("secrets: {}\n", 'secrets: {a: ""}\n'):
        loaded = load_text(text + "roles: {server: {protocol: tcp, side: server, payload: x}}\n", "a.yaml")
        assert "payload" in "\n".join(outline(loaded.programs[0]))


def test_places_stay_where_they_are() -> None:
    text = dedent("""
        secrets: {password: "hun\\x74er2", other: hunter2}
        roles: {server: {protocol: tcp, side: server, payload: ["hunter2", 300]}}
    """)
    for found in load_text(text, "a.yaml", Options(secrets={"other": "swordfish"})).diagnostics:
        line = text.split("\n")[found.span.line - 1]
        excerpt = render(found).split("\n")[1].partition("| ")[2]
        assert len(excerpt) == len(line)
        assert "hunter2" not in json.dumps(as_dict(found))
        assert "hun" not in excerpt


@settings(max_examples=60)
@given(
    secret=st.binary(min_size=4, max_size=24),
    before=st.binary(max_size=12),
    after=st.binary(max_size=12),
    cut=st.integers(0, 40),
)
def test_no_form_of_a_secret_is_left_in_bytes(secret: bytes, before: bytes, after: bytes, cut: int) -> None:
    mask = Mask({"password": [secret]})
    for form in forms(secret):
        data = before + form + after
        hidden = mask.data(data)
        assert len(hidden) == len(data)
        assert form not in hidden or set(form) == {ord("*")}
        assert b"".join(mask.pieces([data[:cut], data[cut:]])) == mask.pieces([data])[0]
    everything = base64.b64encode(before + secret + after)
    start = len(before)
    core = everything[-(-8 * start // 6) : 8 * (start + len(secret)) // 6]
    assert core not in mask.data(everything)
