"""What README.md and docs/ show is true: every block is played, run or checked, and every link leads somewhere.

A block of YAML is a scenario that passes, unless its first line says more behind the language: `fails` (and the
block of text that follows is part of the report), `fragment` (a piece of a file: only its shape is checked);
`file=NAME` gives it a name, for the commands of the same page. YAML that is no scenario is `yml`: it can be read, and
its commands exist. Python with a name is a file of tests, that with `fails` one that fails with the text behind it.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import pytest

from docs.generate import pages
from sockrun.diagnostics import Invalid
from sockrun.reading import document, schema
from sockrun.results import Status
from sockrun.source import Source
from tests.command_line import ROOT, CommandLine
from tests.playing import SCENARIOS, on_a_free_port, play, play_all, programs

TOP = SCENARIOS.parent
PAGES = [TOP / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += [TOP / "benchmarks" / "README.md", *sorted((TOP / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One block of code of a page; `text` is without the indentation of the page."""

    page: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str
    following: str  # the text of the block behind it, if that is plain text

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    @property
    def name(self) -> str | None:
        return next((word.removeprefix("file=") for word in self.words if word.startswith("file=")), None)


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    found = list(FENCE.finditer(text))
    for one, behind in zip_longest(found, found[1:]):
        following = dedent(behind[4]) if behind is not None and behind[2] == "text" else ""
        line = text.count("\n", 0, one.start()) + 1
        yield Block(page, line, one[2], tuple(one[3].split()), dedent(one[4]), following)


BLOCKS = [block for page in PAGES for block in blocks(page)]
YAML = [block for block in BLOCKS if block.language == "yaml"]


def of(language: str, *words: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and set(words) <= set(block.words)]


# --- scenarios ---------------------------------------------------------------------------------


def test_every_block_says_what_it_is() -> None:
    known = {"yaml", "yml", "text", "console", "sh", "python", "json"}
    assert [str(block) for block in BLOCKS if block.language not in known] == []
    said = [word for block in BLOCKS for word in block.words if not word.startswith("file=")]
    assert set(said) <= {"fails", "fragment"}


@pytest.mark.parametrize("block", [b for b in YAML if not {"fails", "fragment"} & set(b.words)], ids=str)
def test_a_scenario_of_the_documentation_passes(block: Block) -> None:
    results = play_all(programs(on_a_free_port(block.text)))
    fine = (Status.PASSED, Status.SKIPPED)  # where a program is not there
    assert [result.reason for result in results if result.status not in fine] == []


@pytest.mark.parametrize("block", of("yaml", "fails"), ids=str)
def test_a_scenario_that_shows_a_failure_fails_as_the_page_says(block: Block, sockrun: CommandLine) -> None:
    """It does not pass; each line of the text behind it is part of the report."""
    assert play(on_a_free_port(block.text)).status is Status.FAILED
    name = next((word.removeprefix("file=") for word in block.words if word.startswith("file=")), "block.yaml")
    sockrun.write(name, block.text)
    report = settled(sockrun("run", name).out)
    assert [line for line in settled(block.following).splitlines() if line.strip() not in report] == []


@pytest.mark.parametrize("block", of("yaml", "fragment"), ids=str)
def test_a_fragment_has_a_right_shape(block: Block) -> None:
    """As the steps of a role, as keys of a role, or as keys of a scenario."""
    indented = block.text.replace("\n", "\n      ")
    rest = "\nroles: {server: {protocol: tcp, side: server}}\n"
    places = [
        f"roles:\n  a:\n    protocol: tcp\n    side: server\n    steps:\n      {indented}\n",
        f"roles:\n  a:\n      {indented}\n",
        block.text + (rest if "roles:" not in block.text else ""),
    ]
    found = [list(_wrong(text)) for text in places]
    assert [] in found, found


def _wrong(text: str) -> Iterator[str]:
    try:
        yield from (diagnostic.message for diagnostic in schema.check(document.read(Source("fragment", text))))
    except Invalid as invalid:
        yield str(invalid)


@pytest.mark.parametrize("block", [b for b in [*YAML, *of("yml")] if b.name and "/" in b.name], ids=str)
def test_an_example_that_is_shown_is_the_example(block: Block) -> None:
    assert block.text == (TOP / str(block.name)).read_text("utf-8")


@pytest.mark.parametrize("block", of("yml"), ids=str)
def test_an_example_for_another_tool_is_yaml(block: Block) -> None:
    document.read(Source("block", block.text))


# --- commands ----------------------------------------------------------------------------------


def settled(text: str) -> str:
    """The text without what differs from run to run: times, who waited long enough for a bar, and ports."""
    text = re.sub(r"\(\d+ ms\)", "(N ms)", text)
    text = re.sub(r"\bin \d+\.\d\d s\b", "in N s", text)
    text = re.sub(r"(?m)^( *)\d+\.\d{3} ", r"\1N ", text)
    text = re.sub(r"(?m)^.*┊.*\n", "", text).replace("┃", "│")
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)


def sessions() -> Iterator[tuple[Block, str, str]]:
    """Each command of a console and what it prints."""
    for block in of("console"):
        for part in re.split(r"(?m)^\$ ", block.text)[1:]:
            command, _, shown = part.partition("\n")
            yield block, command, shown


SESSIONS = list(sessions())


@pytest.mark.parametrize(("block", "command", "shown"), SESSIONS, ids=[f"{b}-{c}" for b, c, _ in SESSIONS])
def test_a_command_prints_what_the_page_shows(block: Block, command: str, shown: str, sockrun: CommandLine) -> None:
    """Line by line, whatever their order: two roles may speak in either."""
    for example in SCENARIOS.glob("*.yaml"):
        sockrun.write(f"scenarios/{example.name}", on_a_free_port(example.read_text("utf-8")))
    for named in [other for other in YAML if other.page == block.page and other.name and "/" not in other.name]:
        sockrun.write(str(named.name), named.text)
    program, *words = shlex.split(command)
    assert program == "sockrun"
    outcome = sockrun(*words)
    assert Counter(settled(outcome.out + outcome.err).splitlines()) == Counter(settled(shown).splitlines())


def test_a_taken_port_is_told_as_the_readme_says(sockrun: CommandLine) -> None:
    (shown,) = [block.text for block in BLOCKS if block.text.startswith("REFUSED ")]
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        sockrun.write("taken.yaml", f"name: taken\nroles: {{server: {{protocol: tcp, side: server, port: {port}}}}}\n")
        outcome = sockrun("run", "taken.yaml")
    assert outcome.status == 3
    assert settled(shown.replace("12321", str(port))).strip() in settled(outcome.out)


def shell_commands() -> Iterator[tuple[Block, str]]:
    for block in [*of("sh"), *of("yml")]:
        for line in block.text.splitlines():
            for command in re.findall(r"(?:^|[ /(])sockrun ([a-z](?:'[^']*'|[^&|;>#'])*)", line):
                yield block, command


@pytest.mark.parametrize(("block", "command"), [pytest.param(b, c, id=f"{b}-{c}") for b, c in shell_commands()])
def test_a_command_of_the_shell_examples_exists(block: Block, command: str, sockrun: CommandLine) -> None:
    """The command and each of its options are in the help."""
    name, *words = shlex.split(command.partition(" -- ")[0], comments=True)
    told = sockrun(name, "--help").out
    assert f"sockrun {name}" in told
    options = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-z]", word)]
    assert [option for option in options if not re.search(rf"(?m)^ .*{option}\b", told)] == []


@pytest.mark.parametrize("block", [block for block in of("python") if not block.name], ids=str)
def test_a_python_example_prints_what_it_says(block: Block, tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (shown.stderr, shown.stdout) == ("", block.following)


@pytest.mark.parametrize("block", [block for block in of("python") if block.name], ids=str)
def test_a_file_of_tests_gives_what_the_page_says(block: Block, tmp_path: Path) -> None:
    """It passes, or fails with each line of the text behind it."""
    for other in BLOCKS:
        if other.page == block.page and other.name and other.language in ("yaml", "python"):
            (tmp_path / other.name).write_text(other.text)
    plugin = ("-p", "sockrun.testing.plugin")
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *plugin, str(block.name)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    fails = "fails" in block.words
    assert shown.returncode == (pytest.ExitCode.TESTS_FAILED if fails else pytest.ExitCode.OK), shown.stdout
    assert [line for line in (block.following.splitlines() if fails else []) if line not in shown.stdout] == []


# --- pages that are made ----------------------------------------------------------------------


@pytest.mark.parametrize(("page", "text"), [pytest.param(*made, id=made[0].name) for made in pages().items()])
def test_a_page_that_is_made_is_up_to_date(page: Path, text: str) -> None:
    """`python docs/generate.py` writes it."""
    assert page.read_text("utf-8") == text


def test_the_documentation_is_built_without_a_warning(tmp_path: Path) -> None:
    """Every page is in the contents, every link and heading is found, and nothing is loaded from elsewhere."""
    options = ("-q", "-W", "-c", "docs", "-d", str(tmp_path / "state"))
    command = [sys.executable, "-m", "sphinx", *options, ".", str(tmp_path / "site")]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    for page in PAGES:
        assert (tmp_path / "site" / page.relative_to(ROOT)).with_suffix(".html").exists()
    built = "".join(page.read_text("utf-8") for page in (tmp_path / "site").rglob("*.html"))
    assert re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"https?:[^>]*>", built) == []


# --- links and lists ---------------------------------------------------------------------------


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text("utf-8"))):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(("page", "target"), sorted(set(links())), ids=lambda value: getattr(value, "name", value))
def test_a_link_leads_to_a_file_and_a_heading_that_exist(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists()
    if anchor:
        headings = re.findall(r"(?m)^#+ (.+)$", FENCE.sub("", there.read_text("utf-8")))
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_names_every_key_verb_and_form() -> None:
    page = (TOP / "docs" / "language.md").read_text("utf-8")
    words = {*json.loads(schema.text())["properties"], *schema.keys("role"), *schema.keys("socket"), *schema.verbs()}
    words |= schema.payload_forms() | schema.matcher_forms() | schema.framing_forms() | schema.framing_names()
    code = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", FENCE.sub("", page)))))
    assert sorted(words - code) == []
