"""Real programs, recorded and captured at the same time, become scenarios that nobody has to touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

import sockrun as library
from tests.command_line import CommandLine
from tests.playing import hold_that_nothing_is_lacking, lacking

NGINX = """
daemon off; worker_processes 1; user root; pid ${dir}/nginx.pid; error_log stderr warn;
events { worker_connections 64; }
http {
  access_log off;
  server { listen 127.0.0.1:${ports.server}; root ${dir}/www; }
}
"""


class Pair(NamedTuple):
    """A real server, and a client that is asked for something, with where to turn to in braces."""

    server: str
    client: Sequence[str]
    udp: bool = False


PAIRS = {
    "curl and nginx": Pair("[nginx, -e, stderr, -p, '${dir}', -c, '${dir}/nginx.conf']", ["curl", "-sS", "http://{address}/"]),
    "redis-cli and redis": Pair(
        "[redis-server, --port, '${ports.server}', --save, '']", ["redis-cli", "-p", "{port}", "INCR", "visits"]
    ),
    "dig and dnsmasq": Pair(
        "[dnsmasq, -k, -C, /dev/null, --user=, -p, '${ports.server}', --listen-address=127.0.0.1, --bind-interfaces,"
        " --no-resolv, --no-hosts, --pid-file=, --address=/www.test/192.0.2.7]",
        ["dig", "@127.0.0.1", "-p", "{port}", "www.test"],
        True,
    ),
    "swaks and a mail server": Pair(
        "[aiosmtpd, --nosetuid, --listen, '127.0.0.1:${ports.server}', --class, aiosmtpd.handlers.Sink]",
        ["swaks", "--server", "{address}", "--from", "ann@client.test", "--to", "bob@mail.test", "--body", "hello"],
    ),
}  # fmt: skip

SCENARIO = """
requires: {{command: [{server}, {client}]}}
timeout: 60s
ports: [server, recorder]
files: {{www/index.html: "<h1>Hello World</h1>\\n", nginx.conf: {nginx}}}
processes:
  server: {{command: {command}, ready: {{port: "${{ports.server}}", protocol: {protocol}}}}}
  capture:
    # Each packet takes as much room as the longest: of its own 2 MiB, 16 fill it while it waits for the processor.
    command: [tcpdump, -i, lo, -Z, root, -U, --immediate-mode, -B, "16384", -w, {folder}/all.pcap,
              "port ${{ports.recorder}}"]
    ready: {{output: "listening on"}}
    stop: INT
  record:
    command: [{sockrun}, record, --to, "127.0.0.1:${{ports.server}}", --listen, "127.0.0.1:${{ports.recorder}}",
              --times, "3", {udp} -o, {folder}/recorded.yaml, --, {words}]
    expect_exit: 0
  again:
    command: [{sockrun}, run, {folder}/recorded.yaml, --real, "server=127.0.0.1:${{ports.server}}"]
    start: {{after: record}}
    expect_exit: 0
"""


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_real_programs_say_becomes_a_scenario_that_passes_against_all_of_them(
    sockrun: CommandLine, pair: Pair
) -> None:
    record(sockrun.folder, pair)
    status, out, err = sockrun("import", "all.pcap", "--compare", "-o", "imported.yaml")
    assert status == 0, out + err
    assert steps_of("imported.yaml") == steps_of("recorded.yaml")
    for file in ("recorded.yaml", "imported.yaml"):
        status, out, err = sockrun("run", file)
        assert status == 0, Path(file).read_text() + out + err
        with library.play(file, roles=["server"]) as played:
            host, port = played.addresses["server"]
            words = [word.format(address=f"{host}:{port}", port=port) for word in pair.client]
            subprocess.run(words, check=True, capture_output=True, timeout=30)


def record(folder: Path, pair: Pair) -> None:
    """Write `recorded.yaml`, which has been played against the real server, and `all.pcap`."""
    if os.geteuid() != 0:
        lacking("only root may capture")
    text = SCENARIO.format(
        server=pair.server[1:].split(",")[0],
        client=pair.client[0],
        nginx=json.dumps(NGINX),
        command=pair.server,
        protocol="udp" if pair.udp else "tcp",
        folder=folder,
        sockrun=f"{sys.executable}, -m, sockrun",
        udp="--udp," if pair.udp else "",
        words=", ".join(f'"{word}"' for word in pair.client),
    )
    (folder / "all.yaml").write_text(text)
    programs = library.load(folder / "all.yaml")
    hold_that_nothing_is_lacking(programs)
    (result,) = library.run(programs)
    assert result.status is library.Status.PASSED, f"{result.reason}\n{result.output}"


def steps_of(file: str) -> str:
    """Everything but where it comes from, and which of two that close at the same time was seen to do so first."""
    return Path(file).read_text().partition("roles:")[2].replace("      - expect_close\n", "")
