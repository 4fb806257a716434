"""What the options of the commands look like: each is written once, whichever commands have it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Files and folders; if none is named, ./scenarios, or else this folder."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only scenarios with this tag (repeatable: any of them)."),
]
Text = Annotated[str, typer.Option("-k", metavar="TEXT", help="Only scenarios with TEXT in their id or name.")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Override one of `vars` (repeatable).")
]

Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret", metavar="NAME=VALUE", help="Override one of `secrets`, which no output shows (repeatable)."
    ),
]


Real = Annotated[
    list[str] | None,
    typer.Option(
        "--real",
        metavar="ROLE=ADDRESS",
        help="Do not play this server role: the others turn to the real one, at HOST:PORT or a path (repeatable).",
    ),
]
Play = Annotated[
    list[str] | None,
    typer.Option(
        "--play",
        metavar="ROLE[=ADDRESS]",
        help="Play only this role (repeatable). A server prints where it listens and waits for a real client; a "
        "client connects to the address.",
    ),
]


Simulate = Annotated[
    bool,
    typer.Option(
        "--simulate", help="Over a network in memory, on a virtual clock: no sockets, no waiting. `network` shapes it."
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", help="What decides all that is random in a simulation: the same seed, the same run.")
]
RunSeed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="With --simulate: what decides all that is random, 0 if not said."),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first scenario that does not pass.")]
Repeat = Annotated[int, typer.Option(min=1, metavar="N", help="Play everything N times.")]
Timeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Each scenario's timeout, instead of its own: 500ms, 10s, 1m."),
]
TimeScale = Annotated[float, typer.Option(metavar="X", help="Multiply every timeout by X: for slow machines.")]
Parallel = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many scenarios to play at the same time, 64 if it is not said."),
]
Untrusted = Annotated[
    bool,
    typer.Option(
        "--untrusted",
        help="For files of strangers: no processes, no `env`, no files but theirs, no peers but their roles.",
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="Allow this host beyond loopback, by name or address (repeatable)."),
]
MaxMessage = Annotated[
    str, typer.Option(metavar="SIZE", help="The longest message that may be kept in memory: 64kB, 1GiB.")
]
Jobs = Annotated[
    str, typer.Option("--jobs", "-j", metavar="N|auto", help="Play with N worker processes; auto: one a processor.")
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Play on a Dask cluster, tcp://HOST:PORT of its scheduler (needs `sockrun[dask]`).",
    ),
]
JUnitFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write a JUnit XML report; - is standard output.")]
JsonFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write each event as a line of JSON; - is standard output.")
]
PcapFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write what passes the sockets as pcapng, for Wireshark; keys of TLS are in it."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the transcript as it happens.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only what does not pass, and the summary.")]
