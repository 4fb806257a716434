"""`python -m benchmarks.growth`: how cost grows with the work, and what one more of each thing takes.

Cost is the processor time of the whole process, less that of a run that does next to nothing. Where cost is
`a * n ** e`, it is a line of slope `e` on logarithmic scales, and that slope is fitted by least squares: 1 is linear.
Sizes whose cost is lost in the noise say nothing about `e`, and are left out.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import NamedTuple

from benchmarks import scenarios
from benchmarks.measuring import TIMEOUT, ProgramError, environment
from benchmarks.run import allow_many_files, positive

NOISE = 0.05  # seconds of processor time
HEAD = (
    "| more of | sizes | seconds | exponent | one more takes | memory for it |",
    "| --- | --- | --- | --- | --- | --- |",
)


class Used(NamedTuple):
    """What a process took: processor time in seconds, and the memory that it had at most, in bytes."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class Growth:
    """`files` gives the files of a run of a size, name to text; all of them are played."""

    name: str
    one: str
    sizes: tuple[int, ...]
    files: Callable[[int], dict[str, str]]


# The scenarios of a pack speak UDP: each TCP connection leaves a port in TIME_WAIT for a minute, and with ten thousand
# of them the system looks long for a free one, which says nothing about sockrun.
GROWTHS = (
    Growth(
        "scenarios",
        "file",
        (10, 100, 1_000, 10_000),
        lambda number: {f"{one:05}.yaml": scenarios.ASK for one in range(number)},
    ),
    Growth(
        "connections",
        "connection with both its ends",
        (10, 100, 1_000, 9_900),
        lambda number: {"one.yaml": scenarios.exchange(number, 2)},
    ),
    Growth(
        "rounds",
        "round trip",
        (10, 100, 1_000, 10_000, 100_000),
        lambda number: {"one.yaml": scenarios.exchange(1, number)},
    ),
    Growth(
        "steps",
        "step, and its counterpart",
        (10, 100, 1_000, 10_000),
        lambda number: {"one.yaml": scenarios.steps(number)},
    ),
    Growth(
        "bytes",
        "MiB",
        (1, 4, 16, 64, 256, 1_024),
        lambda number: {"one.yaml": scenarios.bulk(number * 1_048_576)},
    ),
    Growth(
        "one byte at a time",
        "byte",
        (1_600, 16_000, 160_000),
        lambda number: {"one.yaml": scenarios.bulk(number, chunk=1)},
    ),
)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description="How the cost of sockrun grows.")
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes: does it run at all?")
    parser.add_argument("--only", default="", metavar="NAME", help="one kind of growth")
    parser.add_argument(
        "--repeats", type=positive, default=3, metavar="N", help="how often each size runs; the least counts"
    )
    options = parser.parse_args(words)
    chosen = [growth for growth in GROWTHS if options.only in ("", growth.name)]
    if not chosen:
        print(f"nothing is named {options.only!r}: {', '.join(growth.name for growth in GROWTHS)}", file=sys.stderr)
        return 2
    print("\n".join(HEAD))
    try:
        base = measure({"hello.yaml": scenarios.HELLO}, options.repeats)
        for growth in chosen:
            print(row(growth, growth.sizes[: 2 if options.quick else None], base, options.repeats), flush=True)
    except ProgramError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def row(growth: Growth, sizes: Sequence[int], base: Used, repeats: int) -> str:
    """A growth as a row of the table. Raises: ProgramError."""
    used = [measure(growth.files(size), repeats) for size in sizes]
    costs = [one.seconds - base.seconds for one in used]
    slope = exponent([(size, cost) for size, cost in zip(sizes, costs, strict=True) if cost > NOISE])
    largest, most = sizes[-1], used[-1]
    cells = (
        growth.name,
        " ".join(f"{size:,}" for size in sizes),
        " ".join(f"{cost:.2f}" for cost in costs),
        "" if slope is None else f"{slope:.2f}",
        f"{costs[-1] / largest * 1e6:,.1f} µs a {growth.one}",
        f"{(most.memory - base.memory) / largest:,.0f} bytes",
    )
    return f"| {' | '.join(cells)} |"


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of the line through the points on logarithmic scales; None for fewer than two."""
    if len(points) < 2:
        return None
    across, up = ([math.log(point[axis]) for point in points] for axis in (0, 1))
    centre, height = sum(across) / len(across), sum(up) / len(up)
    spread = sum((x - centre) ** 2 for x in across)
    return sum((x - centre) * (y - height) for x, y in zip(across, up, strict=True)) / spread


def measure(files: dict[str, str], repeats: int) -> Used:
    """What a run of the files takes at the least, after one that is not counted. Raises: ProgramError."""
    with tempfile.TemporaryDirectory(prefix="sockrun-growth-") as name:
        folder = Path(name)
        scenarios.write(folder, {f"pack/{file}": text for file, text in files.items()})
        runs = [run(folder) for _ in range(repeats + 1)][1:]
    return Used(min(one.seconds for one in runs), min(one.memory for one in runs))


def run(folder: Path) -> Used:
    """Plays `pack` in the folder. Raises: ProgramError."""
    command = [sys.executable, "-m", "sockrun", "run", "-q", "pack"]
    with tempfile.TemporaryFile() as written:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=written, stderr=written)
        late = Timer(TIMEOUT, process.kill)  # wait4(2) tells what one child has used, and knows no timeout
        late.start()
        _, status, usage = os.wait4(process.pid, 0)
        late.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            written.seek(0)
            raise ProgramError(
                f"{' '.join(command)}\nended with {process.returncode}\n{written.read().decode()[:2000]}"
            )
    return Used(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)  # getrusage(2): kilobytes on Linux


if __name__ == "__main__":
    allow_many_files()
    sys.exit(main())
