"""sockperf as its own peer: round trips of 64 bytes, by two processes.

    python exchange_sockperf.py ROUNDS tcp|udp

Prints the seconds that so many take, at the average latency of a second of them.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time

LISTENS = 0.3  # seconds; sockperf does not say when


def main() -> None:
    rounds, protocol = int(sys.argv[1]), sys.argv[2]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    where = ["-i", "127.0.0.1", "-p", port, *(["--tcp"] if protocol == "tcp" else [])]
    server = subprocess.Popen(["sockperf", "server", *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(LISTENS)
        words = ["sockperf", "ping-pong", *where, "--msg-size", "64", "--time", "1"]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    finally:
        server.kill()
        server.wait()
    found = re.search(r"Latency is ([\d.]+) usec", told)
    if found is None:
        raise SystemExit(told)
    print(rounds * 2 * float(found[1]) / 1e6)  # its latency is that of one way


if __name__ == "__main__":
    main()
