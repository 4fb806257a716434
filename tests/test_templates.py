"""`sockrun new`: a template is valid at once, tests what it says, and never replaces a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockrun.templates import TEMPLATES
from tests.command_line import CommandLine
from tests.playing import SCENARIOS

FOLDER = Path(SCENARIOS.parent, "sockrun", "templates")


def test_every_template_is_listed(sockrun: CommandLine) -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == TEMPLATES.keys()
    told = sockrun("new").out.splitlines()
    assert [line.split()[0] for line in told] == list(TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_valid_at_once_and_passes(template: str, sockrun: CommandLine) -> None:
    made = sockrun("new", template)
    assert (made.status, made.out) == (0, f"wrote {template}.yaml; play it: sockrun run {template}.yaml\n")
    assert sockrun("validate", "--strict", f"{template}.yaml").status == 0
    played = sockrun("run", f"{template}.yaml")
    assert played.status == 0, played
    text = Path(sockrun.folder, f"{template}.yaml").read_text()
    assert "FILE" not in text
    assert "#" in text


@pytest.mark.parametrize("template", [name for name in TEMPLATES if name not in ("program", "haproxy")])
def test_what_a_template_expects_is_noticed(template: str, sockrun: CommandLine) -> None:
    sockrun("new", template)
    assert sockrun("audit", "--min-score", "90%", f"{template}.yaml").status == 0


def test_it_goes_where_it_is_told(sockrun: CommandLine) -> None:
    assert sockrun("new", "mock", "-o", "pop3.yaml").status == 0
    assert "sockrun run pop3.yaml --play server" in Path(sockrun.folder, "pop3.yaml").read_text()
    assert sockrun("new", "mock", "-o", "-").out.startswith("# A server that answers")


def test_a_file_is_replaced_only_by_force(sockrun: CommandLine) -> None:
    sockrun.write("tcp.yaml", "mine")
    refused = sockrun("new", "tcp")
    assert (refused.status, Path(sockrun.folder, "tcp.yaml").read_text()) == (3, "mine")
    assert refused.err == "sockrun: tcp.yaml is there already: choose another name, or say --force to replace it\n"
    assert sockrun("new", "tcp", "--force").status == 0
    assert sockrun("run", "tcp.yaml").status == 0


def test_a_wrong_name_is_told(sockrun: CommandLine) -> None:
    wrong = sockrun("new", "tpc")
    assert wrong.status == 2
    assert "there is no template 'tpc': did you mean 'tcp'?" in wrong.err
    assert "length-prefix" in sockrun("new", "carrier-pigeon").err
