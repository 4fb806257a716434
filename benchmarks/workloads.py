"""The table of what is measured: workloads, the programs that do each, and the ratios sockrun is to keep.

A target is a ratio to the workload's anchor, both taken in one run; absolute seconds say nothing about
another machine.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks import scenarios
from benchmarks.measuring import PROGRAMS, Clock, first_time, printed, reported, whole_process


@dataclass(frozen=True)
class Size:
    """How much is done; `repeats` is how often each program runs."""

    repeats: int
    round_trips: int
    connections: int
    rounds: int
    many: int  # connections at once
    pieces: int  # of 64 kB, in one transfer
    files: int
    calls: int


FULL = Size(
    repeats=7, round_trips=20_000, connections=1_000, rounds=20, many=9_900, pieces=16_384, files=200, calls=2_000
)
QUICK = Size(repeats=1, round_trips=200, connections=10, rounds=5, many=20, pieces=16, files=5, calls=5)


@dataclass(frozen=True)
class Program:
    """`target` is the ratio to the anchor that the program is to keep, for sockrun only.

    `needs` is a module or a program that no part of the project is made with: without it this one is left out.
    """

    name: str
    command: tuple[str, ...]
    clock: Clock
    target: float | None = None
    needs: str | None = None

    @property
    def compiled(self) -> bool:
        return self.command[0].startswith("./")


@dataclass(frozen=True)
class Workload:
    """`anchor` names the program whose median is 1.0."""

    name: str
    what: str
    anchor: str
    programs: tuple[Program, ...]


def workloads(size: Size) -> tuple[Workload, ...]:
    return (
        start_up(),
        version(),
        round_trips(size),
        datagrams(size),
        connections(size),
        many(size),
        bulk(size),
        files(size),
        calls(size),
    )


def scenario_files(size: Size) -> dict[str, str]:
    """Name to text of every scenario file the workloads play."""
    waits = {f"waits/{number:03}.yaml": scenarios.WAIT for number in range(size.files)}
    return waits | {
        "hello.yaml": scenarios.HELLO,
        "round-trips.yaml": scenarios.exchange(1, size.round_trips),
        "datagrams.yaml": scenarios.datagrams(size.round_trips),
        "connections.yaml": scenarios.exchange(size.connections, size.rounds),
        "many.yaml": scenarios.exchange(size.many, 2),
        "calls.yaml": scenarios.calls(size.calls),
        "bulk.yaml": scenarios.bulk(size.pieces * 65_536),
    }


def start_up() -> Workload:
    return Workload(
        "start-up",
        "one exchange as a whole process",
        "import typer, yaml",
        (
            Program("C, blocking", compiled("exchange_blocking", 1, 1), whole_process),
            Program("python -c pass", code("pass"), whole_process),
            Program("varnishtest", varnishtest("hello.vtc"), whole_process, needs="varnishtest"),
            Program("selectors", script("exchange_selectors", 1, 1), whole_process),
            Program("import typer, yaml", code("import typer, yaml"), whole_process),
            Program("sockrun", sockrun("run", "hello.yaml"), whole_process, target=1.3),
            Program("sockrun, first time", sockrun("run", "hello.yaml"), first_time, target=2.2),
        ),
    )


def version() -> Workload:
    return Workload(
        "version",
        "the shortest command as a whole process",
        "import typer",
        (
            Program("import typer", code("import typer"), whole_process),
            Program("sockrun", sockrun("--version"), whole_process, target=1.2),
        ),
    )


def round_trips(size: Size) -> Workload:
    return Workload(
        "round-trips",
        f"{size.round_trips:,} round trips of 64 bytes on one TCP connection",
        "C, blocking",
        (*exchanges(1, size.round_trips, "round-trips.yaml", target=2.0), sockperf(size.round_trips, "tcp")),
    )


def datagrams(size: Size) -> Workload:
    return Workload(
        "datagrams",
        f"{size.round_trips:,} round trips of 64 bytes over UDP",
        "C, blocking",
        (
            Program("C, blocking", compiled("datagrams_blocking", size.round_trips), printed),
            sockperf(size.round_trips, "udp"),
            Program("selectors", script("datagrams_selectors", size.round_trips), printed),
            Program("sockrun", sockrun("run", "datagrams.yaml"), reported, target=2.2),
        ),
    )


def connections(size: Size) -> Workload:
    return Workload(
        "connections",
        f"{size.connections:,} TCP connections with {size.rounds} round trips of 64 bytes each",
        "C, epoll",
        exchanges(size.connections, size.rounds, "connections.yaml", target=1.4),
    )


def many(size: Size) -> Workload:
    return Workload(
        "many",
        f"{size.many:,} TCP connections at the same time, with 2 round trips of 64 bytes each",
        "C, epoll",
        exchanges(size.many, 2, "many.yaml", target=1.7),
    )


def bulk(size: Size) -> Workload:
    return Workload(
        "bulk",
        f"{size.pieces * 64:,} kB through one TCP connection, and their number checked",
        "C, 64 kB pieces",
        (
            Program("C, 64 kB pieces", compiled("bulk_blocking", size.pieces), printed),
            Program("sockrun", sockrun("run", "bulk.yaml"), reported, target=1.5),
        ),
    )


def files(size: Size) -> Workload:
    return Workload(
        "files",
        f"{size.files} scenario files that each wait 50 ms, as a whole process",
        "selectors, no files",
        (
            Program("selectors, no files", script("waits_selectors", size.files, 0.05), whole_process),
            Program(
                "varnishtest, 16 at once",
                varnishtest("wait.vtc", "-j16", f"-n{size.files}"),
                whole_process,
                needs="varnishtest",
            ),
            Program("sockrun", sockrun("run", "waits"), whole_process, target=3.0),
        ),
    )


def calls(size: Size) -> Workload:
    return Workload(
        "calls",
        f"{size.calls:,} of SIPp's basic calls over UDP, of 6 messages each",
        "Python, straight",
        (
            Program("Python, straight", script("calls_straight", size.calls), printed),
            Program("SIPp, 2 processes", script("calls_sipp", size.calls), printed, needs="sipp"),
            Program("sockrun", sockrun("run", "calls.yaml"), reported, target=2.0),
        ),
    )


def exchanges(connections: int, rounds: int, scenario: str, target: float) -> tuple[Program, ...]:
    """The same exchange by every program, with both ends in one thread, without the start-up."""
    return (
        Program("C, blocking", compiled("exchange_blocking", connections, rounds), printed),
        Program("C, epoll", compiled("exchange_epoll", connections, rounds), printed),
        Program("selectors", script("exchange_selectors", connections, rounds), printed),
        Program("asyncio", script("exchange_asyncio", connections, rounds), printed),
        Program("uvloop", (*script("exchange_asyncio", connections, rounds), "uvloop"), printed, needs="uvloop"),
        Program("sockrun", sockrun("run", scenario), reported, target),
    )


def sockperf(rounds: int, protocol: str) -> Program:
    """Its ends are two processes, which wake each other."""
    return Program("sockperf, 2 processes", script("exchange_sockperf", rounds, protocol), printed, needs="sockperf")


def varnishtest(name: str, *words: str) -> tuple[str, ...]:
    return ("varnishtest", "-q", *words, str(PROGRAMS / name))


def compiled(name: str, *words: float) -> tuple[str, ...]:
    return (f"./{name}", *map(str, words))


def script(name: str, *words: float | str) -> tuple[str, ...]:
    return (sys.executable, str(PROGRAMS / f"{name}.py"), *map(str, words))


def code(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def sockrun(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "sockrun", *words)
