"""`python -m benchmarks.load`: `sockrun load` beside redis-benchmark and wrk, on the same servers and requests.

Both take turns, A B A B; each figure is the median of its runs. Two of the requests are answered at once, so that the
tools are what is compared; two are held back by the server, so that both tools ask at the same rate and must measure
the same.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

PROGRAMS = ("redis-server", "redis-benchmark", "nginx", "wrk")
CONNECTIONS = 10
REQUESTS = 200  # on one connection before the next iteration connects anew
SECONDS = 3  # of a run
HELD = 0.02  # seconds that redis waits for an element
HTTP = "GET /{file} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n"
SMALL, LARGE, RATE = 100, 105_000, 100_000  # bytes; bytes a second


@dataclass(frozen=True)
class Measured:
    """Requests a second; latencies in seconds."""

    rate: float
    p50: float
    p99: float


Tool: TypeAlias = Callable[[], Measured]


@dataclass(frozen=True)
class Comparison:
    name: str
    other: str
    theirs: Tool
    ours: Tool


# --- servers -------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(command: Sequence[str], port: int, folder: Path) -> Iterator[int]:
    """The port, once somebody listens there."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(500):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.terminate()


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    port = free_port()
    with running(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder), "--hz", "500"], port, folder
    ):
        subprocess.run(["redis-cli", "-p", str(port), "SET", "key", "xxx"], check=True, capture_output=True)
        yield port


@contextmanager
def nginx(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "small").write_bytes(b"x" * SMALL)
    (folder / "large").write_bytes(b"x" * LARGE)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log /dev/null; worker_processes 1; events {{ worker_connections 512; }}\n"
        f"http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:{port}; root {folder};\n"
        f"location /large {{ limit_rate {RATE}; }} }} }}\n"
    )
    folder.chmod(0o755)
    command = ["nginx", "-p", str(folder), "-e", "/dev/null", "-c", str(folder / "nginx.conf")]
    with running(command, port, folder):
        yield port


# --- tools ---------------------------------------------------------------------------------------


def sockrun(folder: Path, port: int, request: str, answer: str, times: int, seconds: int) -> Measured:
    scenario = folder / "load.yaml"
    scenario.write_text(
        f"roles:\n  client: {{protocol: tcp, side: client, port: {port}, steps: [{{repeat: {times}, steps: [\n"
        f'    {{send: "{request}"}}, {{expect: {answer}, note: answer}}]}}]}}\n'
    )
    words = ["--users", str(CONNECTIONS), "--duration", f"{seconds}s", "--json", "-"]
    command = [sys.executable, "-m", "sockrun", "load", str(scenario), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    told = json.loads(done.stdout)
    answers = told["steps"]["answer"]
    return Measured(answers["count"] / told["seconds"], answers["p50"], answers["p99"])


def redis_benchmark(port: int, words: Sequence[str], requests: int) -> Measured:
    command = ["redis-benchmark", "-p", str(port), "-c", str(CONNECTIONS), "-n", str(requests), "--csv", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    return Measured(float(row["rps"]), float(row["p50_latency_ms"]) / 1e3, float(row["p99_latency_ms"]) / 1e3)


def wrk(port: int, file: str, seconds: int) -> Measured:
    url = f"http://127.0.0.1:{port}/{file}"
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--latency", url]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = dict(re.findall(r"^\s+(50|99)%\s+(\S+)", told, re.MULTILINE))
    rate = re.search(r"Requests/sec:\s+(\S+)", told)
    assert rate is not None, told
    return Measured(float(rate[1]), in_seconds(found["50"]), in_seconds(found["99"]))


def in_seconds(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[unit]


def size_of(port: int, request: str) -> int:
    """Bytes of the whole answer: its header is as long each time."""
    with socket.create_connection(("127.0.0.1", port)) as sock, sock.makefile("rb") as answer:
        sock.sendall(request.encode().decode("unicode_escape").encode())
        header = b"".join(iter(answer.readline, b"\r\n")) + b"\r\n"
    length = re.search(rb"Content-Length: (\d+)", header)
    assert length is not None, header
    return len(header) + int(length[1])


# --- what is compared ----------------------------------------------------------------------------


def comparisons(ending: ExitStack, folder: Path, seconds: int) -> Iterator[Comparison]:
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise SystemExit(
                f"there is no {program}: the Debian packages are redis-server, redis-tools, nginx-light, wrk"
            )
    redis_port = ending.enter_context(redis(folder))
    nginx_port = ending.enter_context(nginx(folder))
    get = r"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
    pop = rf"*3\r\n$5\r\nBLPOP\r\n$4\r\nnone\r\n${len(str(HELD))}\r\n{HELD}\r\n"
    small, large = HTTP.format(file="small"), HTTP.format(file="large")
    small_size, large_size = size_of(nginx_port, small), size_of(nginx_port, large)
    held = int(seconds * CONNECTIONS / HELD)
    yield Comparison(
        "redis, GET",
        "redis-benchmark",
        lambda: redis_benchmark(redis_port, ["GET", "key"], int(seconds * 30_000)),
        lambda: sockrun(folder, redis_port, get, r'"$3\r\nxxx\r\n"', REQUESTS, seconds),
    )
    yield Comparison(
        "nginx, 100 bytes",
        "wrk",
        lambda: wrk(nginx_port, "small", seconds),
        lambda: sockrun(folder, nginx_port, small, f"{{length: {small_size}}}", REQUESTS, seconds),
    )
    yield Comparison(
        "redis, held 20 ms",
        "redis-benchmark",
        lambda: redis_benchmark(redis_port, ["BLPOP", "none", str(HELD)], held),
        lambda: sockrun(folder, redis_port, pop, r'"*-1\r\n"', 20, seconds),
    )
    yield Comparison(
        "nginx, held 1 s",
        "wrk",
        lambda: wrk(nginx_port, "large", seconds),
        lambda: sockrun(folder, nginx_port, large, f"{{length: {large_size}}}", 2, seconds),
    )


def measure(comparison: Comparison, repeats: int) -> tuple[Measured, Measured]:
    """Medians of theirs and ours, in turn."""
    runs = [(comparison.theirs(), comparison.ours()) for _ in range(repeats)]
    return median([one for one, _ in runs]), median([other for _, other in runs])


def median(runs: Sequence[Measured]) -> Measured:
    return Measured(
        *(statistics.median(values) for values in zip(*((r.rate, r.p50, r.p99) for r in runs), strict=True))
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="how often each tool runs")
    parser.add_argument("--seconds", type=int, default=SECONDS, metavar="S", help="how long a run is")
    options = parser.parse_args(words)
    print(f"{CONNECTIONS} connections at a time\n")
    print("| request | tool | requests a second | ratio | p50 | p99 |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="sockrun-bench-") as folder, ExitStack() as ending:
        for one in comparisons(ending, Path(folder), options.seconds):
            theirs, ours = measure(one, options.repeats)
            for tool, found in ((one.other, theirs), ("sockrun load", ours)):
                ratio, p50, p99 = found.rate / theirs.rate, 1e3 * found.p50, 1e3 * found.p99
                print(f"| {one.name} | {tool} | {found.rate:,.0f} | {ratio:.2f} | {p50:.2f} ms | {p99:.2f} ms |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
