"""`scenarios/sip_call.yaml` is SIPp's basic call: either of its ends speaks to SIPp's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import sockrun as library
from tests.playing import SCENARIOS, hold_that_nothing_is_lacking, lacking

CALL = SCENARIOS / "sip_call.yaml"
SERVER = f"""
requires: {{command: [sipp]}}
ports: [sipp]
processes:
  sipp:
    command: [sipp, -sn, uas, -nostdin, -i, 127.0.0.1, -p, "${{ports.sipp}}"]
    ready: {{port: "${{ports.sipp}}", protocol: udp}}
  caller:
    command: [{sys.executable}, -m, sockrun, run, {CALL}, --real, "uas=127.0.0.1:${{ports.sipp}}", --no-cache]
    expect_exit: 0
"""


def test_our_caller_calls_sipp(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVER)
    programs = library.load(tmp_path / "a.yaml")
    hold_that_nothing_is_lacking(programs)
    (result,) = library.run(programs)
    assert result.passed, f"{result.reason}\n{result.output}"


def test_sipp_calls_us(tmp_path: Path) -> None:
    if shutil.which("sipp") is None:
        lacking("there is no program sipp")
    with library.play(CALL, roles=["uas"]) as played:
        host, port = played.addresses["uas"]
        words = ["sipp", "-sn", "uac", "-nostdin", "-m", "1", "-i", "127.0.0.1", f"{host}:{port}"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
