"""The schema is sound, takes all that the language has, and a mistake is told at its own word."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from sockrun.diagnostics import Diagnostic
from sockrun.reading import schema
from sockrun.reading.document import read
from sockrun.reading.schema_errors import EXPLAIN
from sockrun.source import Node, Source, Span

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("**/*.yaml"))
SCHEMA: dict[str, Any] = json.loads(schema.text())


# --- the schema itself -------------------------------------------------------------------------


def closed_mappings(node: object, where: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each schema that lists all the keys a mapping may have."""
    if isinstance(node, dict):
        if node.get("additionalProperties") is False:
            yield where, node
        for key, value in node.items():
            if key not in ("examples", "enum"):
                yield from closed_mappings(value, f"{where}/{key}")


PROPERTIES = [
    pytest.param(entry, id=f"{where}/{key}")
    for where, node in closed_mappings(SCHEMA)
    for key, entry in node["properties"].items()
]


def test_the_schema_is_valid() -> None:
    """The run trusts the schema unseen, so a test has to look."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("entry", PROPERTIES)
def test_every_property_is_explained(entry: dict[str, Any]) -> None:
    """An editor shows a sentence and an example for every key, and each example is right."""
    assert entry["description"].endswith((".", "`."))
    assert entry["examples"]
    validator = Draft202012Validator({**entry, "$defs": SCHEMA["$defs"]})
    for example in entry["examples"]:
        assert not list(validator.iter_errors(example))


def test_no_branch_is_chosen_by_trial() -> None:
    """Nothing can be 'not valid under any of the given schemas'."""
    assert '"oneOf"' not in schema.text()
    assert '"anyOf"' not in schema.text()


def test_every_value_has_a_title_to_be_named_by() -> None:
    """Messages are made of titles: what holds a value against a pattern has one."""
    patterns = [node for node in walk(SCHEMA) if isinstance(node.get("pattern"), str) and "type" in node]
    assert patterns
    assert all("title" in node for node in patterns)


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Each schema in a schema."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key in ("properties", "$defs", "dependentSchemas"):
                for inner in value.values():
                    yield from walk(inner)
            elif key not in ("examples", "enum"):
                yield from walk(value)


def test_every_keyword_of_the_schema_has_its_words() -> None:
    """A new keyword in the schema needs an entry where errors are worded."""
    applied = {"$ref", "if", "properties", "items", "propertyNames", "dependentSchemas"}
    used = {key for node in walk(SCHEMA) for key in node if key in Draft202012Validator.VALIDATORS}
    assert used - applied == EXPLAIN.keys()


def test_references_are_local_definitions() -> None:
    """The check follows references itself, and knows only these."""
    references = [node["$ref"] for node in walk(SCHEMA) if isinstance(node.get("$ref"), str)]
    assert {reference.rpartition("/")[0] for reference in references} == {"#/$defs"}
    assert {reference.rpartition("/")[2] for reference in references} <= set(SCHEMA["$defs"])


def test_no_name_is_a_word_of_expressions() -> None:
    """Expressions are parsed as Python's, whose keywords can therefore name nothing."""
    assert sorted(SCHEMA["$defs"]["name"]["not"]["enum"]) == sorted(keyword.kwlist)


def test_tables_are_read_from_the_schema() -> None:
    """A few known members of each table, and who may stand beside whom."""
    assert {"send", "expect", "repeat", "include"} <= schema.verbs()
    assert schema.bare_verbs() < schema.verbs()
    assert {"hex", "struct", "join"} <= schema.payload_forms() < schema.matcher_forms()
    assert {"regex", "length", "not"} <= schema.matcher_forms() - schema.payload_forms()
    assert schema.framing_forms() == {"delimiter", "size", "length_prefix", "header"}
    assert schema.framing_names() == {"none", "line", "crlf", "close"}
    assert schema.ready_forms() == {"port", "path", "output", "after"}
    assert schema.companions("step", "expect") == {"as", "from", "optional", "framing", "timeout", "note"}
    assert schema.companions("step", "repeat") == {"steps", "timeout", "note"}
    assert schema.verbs() < schema.keys("step")


def test_every_step_may_have_a_timeout_and_a_note() -> None:
    """Beside every verb."""
    assert all({"timeout", "note"} <= schema.companions("step", verb) for verb in schema.verbs())


# --- files that are right ----------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_example_scenarios_are_well_formed(path: Path) -> None:
    """Every scenario that comes with the project."""
    assert schema.check(read(Source(path.name, path.read_text()))) == []


RIGHT_STEPS = [
    "expect_close",
    "starttls",
    "{close: , timeout: 2s}",
    "{shutdown: true, note: that is all}",
    "{send: x, repeat: 3, every: 1ms, chunk: 1, to: '127.0.0.1:${p}', framing: none}",
    "{repeat: '${n}', steps: [{send: x}, expect_close]}",
    "{expect: {length: {min: 1, max: '${n}'}}, as: body, optional: 0.5}",
    "{expect: {json: {a: null, b: [1, true]}}}",
    "{expect: {not: {one_of: ['a', [1, 2], {hex: '?? *'}]}}}",
    "{expect: {struct: '!H', values: [1]}}",
    "{expect_close: {discard: true, reset: allow, notify: required}}",
    "{reset: now}",
    "{connect: {to: other, tls: {verify: false}}}",
    "{expect_tls: {version: TLSv1.3, alpn: h2}}",
    "{check: {value: '${x}', is: {json: {}}}}",
    "{kill: {redis: TERM}}",
    "{include: login.yaml, with: {user: ann, port: 5}}",
    "{signal: [a b, c]}",
    "{expect_in_any_order: [a, {regex: b}]}",
    "{expect: x, framing: {header: {struct: '!cI', length: 1, adjust: -4}}}",
    "{expect: x, framing: {header: {size: 9, at: 0, length: u24}}}",
]
RIGHT_ROLES = [
    "{protocol: '${p}', side: '${s}', port: '${n}', tls: '${t}', connections: '${c}', unread: '${u}'}",
    "{side: server, connections: any}",
    "{side: server, connections: [[expect_close], []], finally: [close], hold: true}",
    "{side: proxy, to: b, network: {loss: 0.5, corrupt: {at: 1, xor: 255}, direction: to_client}}",
    "{side: client, to: '${target}', socket: {linger: 0, ttl: 1}, start: {after: [a, b c]}}",
]
RIGHT_FILES = [
    "{processes: {p: {command: [ls], expect_exit: [0, TERM], stdin: [1], user: nobody}}}",
    "{processes: {p: {command: [ls], expect_exit: any, expect_files: {a/b: {suffix: x}}, setup: [[ls]]}}}",
    "{processes: {p: {command: [ls], ready: {port: 5, protocol: udp}, stop: INT, cwd: '${dir}'}}}",
    "{roles: {}, vars: {a: [1, [x, true]]}, secrets: {b: x}, expect_failure: the peer closed, sockrun: 1}",
    "{roles: {}, files: {a: text, b/c: {content: {hex: aa}, mode: '600'}}}",
    "{roles: {}, certificates: {web-1: {expired: true}, other: {}}}",
    "{roles: {}, requires: {command: curl, platform: [linux], env: [A], ipv6: true}, matrix: {a: [1, true]}}",
    "{roles: {}, requires: {root: true, file: [/a, b], module: ssl}}",
    "{processes: {p: {command: [ls], user: {if_root: nobody}}}}",
    "{roles: {}, defaults: {timeout: 90}, network: {buffer: 1, bandwidth: 5 MiB/s}}",
    "{roles: {}, steps: [{a: {send: x}}, {b: close}]}",
]


def in_step(text: str) -> str:
    return f"roles: {{a: {{side: server, steps: [{text}]}}}}"


def in_role(text: str) -> str:
    return f"roles: {{a: {text}}}"


@pytest.mark.parametrize("text", [*map(in_step, RIGHT_STEPS), *map(in_role, RIGHT_ROLES), *RIGHT_FILES])
def test_the_language_is_well_formed(text: str) -> None:
    """What the examples do not use."""
    assert found(text) == []


def test_a_file_of_steps_has_its_own_shape() -> None:
    """A file for `include` is no scenario, and a scenario no such file."""
    text = "{steps: [{send: x}, {snd: y}]}"
    assert [d.message for d in schema.check(tree(text), "fragment")] == ["unknown key 'snd' in a step"]
    assert [d.message for d in schema.check(tree("{roles: {}}"), "fragment")] == [
        "a file of steps needs 'steps'",
        "unknown key 'roles' in a file of steps",
    ]


# --- files that are wrong ----------------------------------------------------------------------


def tree(text: str) -> Node:
    return read(Source("file.yaml", text))


def marked(span: Span) -> str:
    assert span.line == span.end_line
    return span.source.lines[span.line - 1][span.column - 1 : span.end_column - 1]


def told(diagnostic: Diagnostic) -> tuple[str, str]:
    """What is marked, and message and hint as one text."""
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return marked(diagnostic.span), diagnostic.message + hint


def found(text: str) -> list[tuple[str, str]]:
    return [told(diagnostic) for diagnostic in schema.check(tree(text))]


IN_QUOTES = "put it in quotes for its digits, or write [1, 2] for bytes"

WRONG_STEPS = {
    # keys
    "{snd: x}": [("snd", "unknown key 'snd' in a step (did you mean 'send'?)")],
    "{send: x, chnk: 1}": [("chnk", "unknown key 'chnk' in a step (did you mean 'chunk'?)")],
    "{send: x, expect: y}": [
        ("expect", "a step has one verb, here are two: send, expect (write a step of its own for each)")
    ],
    "{send: x, expect: y, chunk: 1, repeat: 2}": [
        ("expect", "a step has one verb, here are two: send, expect (write a step of its own for each)")
    ],
    "{repeat: 3, expect: x}": [
        ("expect", "a step has one verb, here are two: repeat, expect (write a step of its own for each)")
    ],
    "{expect: x, chunk: 1}": [("chunk", "'chunk' does not go with 'expect' (it goes with 'send')")],
    "{wait: x, framing: none}": [
        (
            "framing",
            "'framing' does not go with 'wait' (it goes with 'send', 'expect', 'expect_in_any_order' or 'react')",
        )
    ],
    "{send: x, steps: []}": [("steps", "'steps' does not go with 'send' (it goes with 'repeat')")],
    "{chunk: 3}": [("chunk", "a step needs a verb ('chunk' goes with 'send')")],
    "{timeout: 3}": [("timeout", "a step needs a verb (say what is done, for example 'send' or 'expect')")],
    "{}": [("{}", "a step needs a verb (say what is done, for example 'send' or 'expect')")],
    "{repeat: 3}": [("repeat", "'repeat' needs 'steps' beside it")],
    "{repeat: 3, step: []}": [("step", "unknown key 'step' in a step (did you mean 'steps'?)")],
    "{connect: {timeout: 2s}}": [
        ("timeout", "unknown key 'timeout' in 'connect' (it stands beside 'connect', one level up)")
    ],
    "{expect: {regex: x, as: y}}": [("as", "unknown key 'as' in 'expect' (it stands beside 'expect', one level up)")],
    "{react: [{when: a == 1}]}": [("when", "a case of react needs 'expect'")],
    "{react: [{expect: x, chunk: 1}]}": [
        ("chunk", "unknown key 'chunk' in a case of react (allowed here: expect, when, steps, leave)")
    ],
    "{expect_tls: {}}": [("{}", "'expect_tls' is empty")],
    "{set: {class: 1}}": [("class", "'class' is a word of the expression language and cannot be a name")],
    "{expect: x, as: in}": [("in", "'in' is a word of the expression language and cannot be a name")],
    # words
    "send": [("send", "nothing stands after 'send' (write 'send: ...')")],
    "expct_close": [("expct_close", "'expct_close' is not a step (did you mean 'expect_close'?)")],
    '"send:x"': [('"send:x"', "'send:x' is text, not a step (put a space after the colon of 'send:')")],
    "7": [("7", "expected a step, found the number 7")],
    "null": [("null", "this entry is empty")],
    "{close: now}": [("now", "expected nothing, found text")],
    "{reset: later}": [("later", "'later' is not one of true, now")],
    "{expect_close: false}": [("false", "'expect_close' must be true")],
    "{expect_close: {reset: yes}}": [("yes", "'reset' must be allow")],
    "{kill: {a: TRM}}": [
        (
            "TRM",
            "'TRM' is not one of HUP, INT, QUIT, ABRT, KILL, USR1, SEGV, USR2, PIPE, ALRM, TERM, CONT, STOP, "
            "TSTP, WINCH (did you mean 'TERM'?)",
        )
    ],
    # payloads and matchers
    "{send: 5}": [
        (
            "5",
            f"expected a payload, found the number 5 ({IN_QUOTES})",
        )
    ],
    "{expect: true}": [("true", "expected a matcher, found true (put it in quotes for its word)")],
    "{send: }": [("send", "nothing stands after 'send'")],
    "{send: [1, 256, x, -1]}": [
        ("256", "256 is not between 0 and 255"),
        ("x", "'x' is not a byte, a number from 0 to 255"),
        ("-1", "-1 is not between 0 and 255"),
    ],
    "{send: {hex: aa, base64: aa, text: x, encoding: x}}": [
        ("base64", "a payload has one form, here are three: hex, base64, text")
    ],
    "{send: {hex: aa, encoding: x}}": [("encoding", "'encoding' does not go with 'hex' (it goes with 'text')")],
    "{send: {of: x}}": [("send", "a payload needs a form ('of' goes with 'times' or 'length_prefix')")],
    "{send: {}}": [
        (
            "send",
            "a payload needs a form "
            "(allowed here: hex, base64, text, file, struct, json, random, join, times, length_prefix)",
        )
    ],
    "{send: {times: 3}}": [("times", "'times' needs 'of' beside it")],
    "{send: {times: 3, off: x}}": [("off", "unknown key 'off' in 'send' (did you mean 'of'?)")],
    "{send: {regex: x}}": [("regex", "unknown key 'regex' in 'send' (only a matcher has it, and this is a payload)")],
    "{send: {hex: 12}}": [("12", "expected text, found the number 12 (put it in quotes)")],
    "{send: {join: [{hex: aa}, 1]}}": [
        (
            "1",
            f"expected a payload, found the number 1 ({IN_QUOTES})",
        )
    ],
    "{expect: {struct: '!H'}}": [("struct", "'struct' needs 'fields' beside it")],
    "{expect: {struct: '!H', fields: {a: any}, values: [1]}}": [
        ("fields", "'fields' does not go with 'values' (it goes with 'struct')")
    ],
    "{expect: {length: 5, sha256: abc}}": [("abc", "'abc' is not a SHA-256 of 64 hexadecimal digits")],
    "{expect: {length: -1}}": [("-1", "length -1 is less than 0")],
    "{expect: {any: false}}": [("false", "'any' must be true")],
    "{expect: {one_of: []}}": [("[]", "'one_of' is empty")],
    "{expect: {one_of: {a: b}}}": [
        (
            "{a: b}",
            "expected a list of matchers, found a mapping (begin each entry with '-', or write [one, two])",
        )
    ],
    # durations, addresses and other values
    "{pause: 5 sec}": [("5 sec", "'5 sec' is not a duration such as 250ms, 2s or 1m")],
    "{pause: -1}": [("-1", "pause -1 is less than 0")],
    "{pause: true}": [("true", "expected a duration such as 250ms, 2s or 1m, found true")],
    "{send: x, to: localhost}": [("localhost", "'localhost' is not an address such as 127.0.0.1:5353 or [::1]:5353")],
    "{barrier: 1}": [("1", "expected text, found the number 1 (put it in quotes)")],
    "{signal: []}": [("[]", "'signal' is empty")],
    "{check: {value: 1}}": [("check", "'check' needs 'is'")],
}

WRONG_ROLES = {
    "{side: servr}": [("servr", "'servr' is not one of server, client, proxy (did you mean 'server'?)")],
    "{protcol: tcp}": [("protcol", "unknown key 'protcol' in 'a' (did you mean 'protocol'?)")],
    "{protocol: 6}": [("6", "expected a protocol, found the number 6")],
    "{port: 70000}": [("70000", "port 70000 is not between 0 and 65535")],
    "{port: http}": [("http", "'http' is not a port, a number from 0 to 65535")],
    "{port: 1.5}": [("1.5", "expected a port, a number from 0 to 65535, found the number 1.5")],
    "{listen: no}": [("no", "'no' is not true or false")],
    "{instances: 0}": [("0", "instances 0 is less than 1")],
    "{connections: some}": [("some", "'some' is not a number of connections, any, or a list of step lists")],
    "{connections: [{send: x}]}": [
        (
            "{send: x}",
            "expected a list of steps, found a mapping (begin each entry with '-', or write [one, two])",
        )
    ],
    "{framing: crfl}": [("crfl", "'crfl' is not one of none, line, crlf, close (did you mean 'crlf'?)")],
    "{framing: {size: 4, delimiter: x}}": [("delimiter", "a framing has one form, here are two: size, delimiter")],
    "{framing: {header: {size: 4}}}": [("size", "'size' needs 'length' beside it")],
    "{framing: {header: {struct: '!I', length: u24}}}": [("u24", "'u24' is not a whole number from 0")],
    "{tls: {min_version: TLS1.2}}": [
        ("TLS1.2", "'TLS1.2' is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 (did you mean 'TLSv1.2'?)")
    ],
    "{tls: {alpn: h2}}": [
        ("h2", "expected a list of protocols, found text (begin each entry with '-', or write [one, two])")
    ],
    "{start: server}": [("server", "expected a mapping such as {after: server}, found text")],
    "{network: {loss: 200%}}": [("200%", "'200%' is not a share such as 10% or 0.1")],
    "{network: {bandwidth: 0}}": [("0", "bandwidth 0 must be more than 0")],
    "{network: {corrupt: {at: 1}}}": [("corrupt", "'corrupt' needs 'xor'")],
}

WRONG_FILES = {
    "[]": [("[]", "expected a scenario, found a list")],
    "name: x": [("name", "a scenario needs 'roles'")],
    "role: {}": [("role", "unknown key 'role' in a scenario (did you mean 'roles'?)")],
    "roles:": [("roles", "nothing stands after 'roles'")],
    "roles: {class: {}}": [("class", "'class' is a word of the expression language and cannot be a name")],
    "roles: {a-b: {}}": [("a-b", "'a-b' is not a name of letters, digits and '_', no digit first")],
    "{roles: {}, sockrun: 2}": [("2", "'sockrun' must be 1")],
    "{roles: {}, ports: [a, b, a]}": [("a", "'a' stands in this list twice")],
    "{roles: {}, matrix: {a: [1, true, 1]}}": [("1", "1 stands in this list twice")],
    "{roles: {}, steps: [{a: close, b: close}]}": [
        (
            "b",
            "an entry of the scenario's steps names one role, here are two: a, b (begin an entry of its own for each)",
        )
    ],
    "{roles: {}, files: {../x: y}}": [("../x", "'../x' is not a relative path that stays in the scenario's folder")],
    "{roles: {}, files: {x: {content: y, mode: 600}}}": [
        ("600", 'expected a mode in octal, in quotes, such as "600", found the number 600 (put it in quotes)')
    ],
    "{roles: {}, certificates: {ca: {}}}": [
        ("ca", "'ca' is not a name of letters, digits, '_', '.' and '-', other than ca")
    ],
    "{roles: {}, requires: {platform: linx}}": [
        (
            "linx",
            "'linx' is not one of linux, darwin, freebsd, openbsd, netbsd, win32 (did you mean 'linux'?)",
        )
    ],
    "processes: {a: {command: curl x}}": [
        (
            "curl x",
            "expected a list of the program and its arguments, found text "
            "(begin each entry with '-', or write [one, two])",
        )
    ],
    "processes: {a: {expect_exit: 256}}": [
        ("a", "'a' needs 'command'"),
        ("256", "expect_exit 256 is not between 0 and 255"),
    ],
    "processes: {a: {command: [ls], ready: {protocol: udp}}}": [
        ("ready", "a condition for being ready needs a form ('protocol' goes with 'port')")
    ],
}

WRONG = {
    **{in_step(text): wanted for text, wanted in WRONG_STEPS.items()},
    **{in_role(text): wanted for text, wanted in WRONG_ROLES.items()},
    **WRONG_FILES,
}


@pytest.mark.parametrize(("text", "wanted"), WRONG.items())
def test_a_mistake_is_told_once_and_at_its_place(text: str, wanted: list[tuple[str, str]]) -> None:
    """The whole of what is told: the marked words, the message, the hint."""
    assert found(text) == wanted


def test_five_mistakes_are_five_messages_in_the_order_of_the_file() -> None:
    """Nobody has to run it five times."""
    text = """\
nme: five mistakes
roles:
  server:
    protocol: tpc
    side: server
    port: 99999
    steps:
      - send: 5
      - exepct: x
"""
    assert [(d.span.line, d.code) for d in schema.check(tree(text))] == [
        (1, "unknown-key"),
        (4, "bad-value"),
        (6, "out-of-range"),
        (8, "wrong-type"),
        (9, "unknown-key"),
    ]


def test_a_value_over_several_lines_is_marked_by_its_key() -> None:
    """A mark is a place, not a page."""
    text = "roles:\n  a:\n    side: server\n    steps:\n      send: x\n      expect: y\n"
    assert [(marked(d.span), d.span.line) for d in schema.check(tree(text))] == [("steps", 4)]


# --- laws --------------------------------------------------------------------------------------

PLACE = Span(Source("file.yaml", ""), 1, 1, 1, 1)
WORDS = sorted(schema.keys("step") | schema.keys("matcher") | schema.keys("role") | {"any", "tcp", "${x}", "5s", "?"})
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 300) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=12,
)


def noded(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: noded(entry) for key, entry in value.items()}, PLACE, dict.fromkeys(value, PLACE))
    return Node(tuple(map(noded, value)) if isinstance(value, list) else value, PLACE)


@given(step=values, role=st.dictionaries(st.sampled_from(sorted(schema.keys("role"))), values, max_size=3))
@settings(max_examples=300)
def test_what_the_schema_refuses_is_told(step: Any, role: dict[str, Any]) -> None:
    """Finding the best of several errors never ends with none, and no shape at all breaks the telling."""
    plain = {"roles": {"a": {"steps": [step], **role}}}
    valid = Draft202012Validator(SCHEMA).is_valid(plain)
    assert (schema.check(noded(plain)) == []) == valid
