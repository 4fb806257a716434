"""How tests call the command line: in this process where that is enough, else in one of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import sockrun
from sockrun.cli import main

PASSES = """
name: {name}
tags: [{tag}]
roles:
  server: {{protocol: tcp, side: server, expect: "ping", payload: "pong"}}
  client: {{side: client, to: server, payload: "ping", expect: "pong"}}
"""
FAILS = """
name: wrong answer
roles:
  server: {protocol: tcp, side: server, expect: "ping\\n", payload: "pong\\n"}
  client:
    side: client
    to: server
    steps:
      - send: "ping\\n"
      - expect: "pang\\n"
        note: the answer
"""
INVALID = "roles: {server: {protocol: tcp, side: server, paylod: x}}\n"
# Waits long enough that only an interruption ends it; `-v` shows when it waits.
LONG = """
name: long
roles:
  server: {protocol: tcp, side: server, steps: [{send: "x"}, {pause: 60s}]}
  client: {side: client, to: server, steps: [{expect: "x"}, {pause: 60s}]}
"""
ROOT = Path(sockrun.__file__).parent.parent  # of the package that is tested
COMMAND = (sys.executable, "-m", "sockrun")


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


class CommandLine:
    """A new user's folder, and the command in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for name in ("COLUMNS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
            monkeypatch.delenv(name, raising=False)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def passing(self, name: str, title: str = "a good one", tag: str = "smoke") -> Path:
        return self.write(name, PASSES.format(name=title, tag=tag))

    def __call__(self, *words: str) -> Outcome:
        self._monkeypatch.setattr(sys, "argv", ["sockrun", *words])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = self._capsys.readouterr()
        return Outcome(int(end.value.code or 0), out, err)
