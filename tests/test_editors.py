"""The schema in an editor: yaml-language-server itself completes, explains and finds what is wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from sockrun.diagnostics import Invalid
from sockrun.reading import document, schema
from sockrun.source import Source
from tests.command_line import ROOT
from tests.playing import SCENARIOS, lacking

SERVER = ROOT / "tests" / "node" / "node_modules" / ".bin" / "yaml-language-server"
INVALID = ROOT / "tests" / "invalid"


class Editor:
    """An editor with one server behind it, for files whose first line names the schema as the README says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.client = LanguageClient("an editor", "1")
        self.found: dict[str, asyncio.Future[list[lsp.Diagnostic]]] = {}
        self.runner = asyncio.Runner()
        (folder / "scenario.schema.json").write_text(schema.text(), "utf-8")

        def published(given: lsp.PublishDiagnosticsParams) -> None:
            if not self.found[given.uri].done():
                self.found[given.uri].set_result(list(given.diagnostics))

        self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(published)

    def start(self) -> None:
        self.runner.run(self._start())

    async def _start(self) -> None:
        await self.client.start_io(str(SERVER), "--stdio")
        can = lsp.ClientCapabilities()
        root = self.folder.as_uri()
        await self.client.initialize_async(lsp.InitializeParams(capabilities=can, root_uri=root))
        self.client.initialized(lsp.InitializedParams())
        settings = {"yaml": {"schemaStore": {"enable": False}, "completion": True, "hover": True, "validate": True}}
        self.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams(settings=settings))

    def stop(self) -> None:
        self.runner.run(self._stop())
        self.runner.close()

    async def _stop(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)
        await self.client.stop()  # type: ignore[no-untyped-call]

    def wrong(self, texts: Mapping[str, str]) -> dict[str, set[int]]:
        """The lines that are marked in each of these texts, from 1, all opened at once."""
        return self.runner.run(self._wrong(texts))

    async def _wrong(self, texts: Mapping[str, str]) -> dict[str, set[int]]:
        found = await asyncio.gather(*(self._open(text)[1] for text in texts.values()))
        return {name: {one.range.start.line for one in each} for name, each in zip(texts, found, strict=True)}

    def _open(self, text: str) -> tuple[str, asyncio.Future[list[lsp.Diagnostic]]]:
        """The address of a file with this text below the line that names the schema, and what will be marked."""
        uri = (self.folder / f"{len(self.found)}.yaml").as_uri()
        self.found[uri] = asyncio.get_running_loop().create_future()
        document = lsp.TextDocumentItem(
            uri=uri,
            language_id="yaml",
            version=1,
            text=f"# yaml-language-server: $schema=scenario.schema.json\n{text}",
        )
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(text_document=document))
        return uri, self.found[uri]

    def complete(self, text: str) -> set[str]:
        """What is offered where `|` stands."""
        return self.runner.run(self._complete(text))

    async def _complete(self, text: str) -> set[str]:
        given = await self.client.text_document_completion_async(lsp.CompletionParams(*self._place(text)))
        items = given.items if isinstance(given, lsp.CompletionList) else given or []
        return {item.label for item in items}

    def hover(self, text: str) -> str:
        """What is shown for the word that `|` stands in."""
        return self.runner.run(self._hover(text))

    async def _hover(self, text: str) -> str:
        given = await self.client.text_document_hover_async(lsp.HoverParams(*self._place(text)))
        assert given is not None
        assert isinstance(given.contents, lsp.MarkupContent)
        return given.contents.value

    def _place(self, text: str) -> tuple[lsp.TextDocumentIdentifier, lsp.Position]:
        before, _, after = text.partition("|")
        uri, _ = self._open(before + after)
        return lsp.TextDocumentIdentifier(uri), lsp.Position(before.count("\n") + 1, len(before.rpartition("\n")[2]))


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    if not SERVER.exists() or shutil.which("node") is None:
        lacking("yaml-language-server is not there: npm ci --prefix tests/node")
    started = Editor(tmp_path_factory.mktemp("editor"))
    started.start()
    yield started
    started.stop()


def test_nothing_is_wrong_in_an_example(editor: Editor) -> None:
    texts = {path.name: path.read_text("utf-8") for path in SCENARIOS.glob("**/*.yaml")}
    assert len(texts) > 50
    assert {name: lines for name, lines in editor.wrong(texts).items() if lines} == {}


def test_each_line_of_a_wrong_shape_is_marked_in_the_editor_too(editor: Editor) -> None:
    """Whatever `sockrun validate` finds by the schema, while it is being typed."""
    texts = {path.name: path.read_text("utf-8", "replace") for path in INVALID.glob("*.yaml")}
    ours = {name: lines for name, text in texts.items() if (lines := lines_of_a_wrong_shape(text))}
    assert len(ours) > 10
    theirs = editor.wrong({name: texts[name] for name in ours})
    assert {name: lines - theirs[name] for name, lines in ours.items() if lines - theirs[name]} == {}


def lines_of_a_wrong_shape(text: str) -> set[int]:
    try:
        return {found.span.line for found in schema.check(document.read(Source("", text)))}
    except Invalid:
        return set()  # no YAML that we take


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("|", {"name", "roles", "processes", "matrix", "network"}),
        ("roles:\n  server:\n    |", {"protocol", "side", "port", "payload", "expect", "steps", "tls"}),
        ("roles:\n  server:\n    side: |", {"server", "client", "proxy"}),
        ("roles:\n  server:\n    framing: |", {"none", "line", "crlf", "close"}),
        ("roles:\n  server:\n    steps:\n      - |", {"send", "expect", "react", "repeat", "close", "starttls"}),
        ("roles:\n  server:\n    steps:\n      - expect:\n          |", {"regex", "hex", "json", "one_of", "not"}),
        ("processes:\n  redis:\n    |", {"command", "ready", "expect_exit"}),
    ],
)
def test_what_may_stand_there_is_offered(text: str, offered: set[str], editor: Editor) -> None:
    assert offered - editor.complete(text) == set()


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("r|oles: {}\n", ("properties", "roles")),
        ("roles:\n  server:\n    retry_f|or: 2s\n", ("$defs", "role", "properties", "retry_for")),
        ("roles:\n  a:\n    steps:\n      - expect_si|lence: 1s\n", ("$defs", "step", "properties", "expect_silence")),
        ("processes:\n  redis:\n    rea|dy: {}\n", ("$defs", "process", "properties", "ready")),
    ],
)
def test_a_key_is_explained(text: str, pointer: tuple[str, ...], editor: Editor) -> None:
    """What the schema says of it is shown."""
    entry = reduce(getitem, pointer, json.loads(schema.text()))
    shown = editor.hover(text)
    assert entry["description"].replace("`", "") in shown.replace("`", "").replace("\\", "")
    assert "Example" in shown
