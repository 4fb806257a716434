"""SIPp as its own peer: its basic call over UDP, by two processes.

    python calls_sipp.py CALLS

Prints the seconds of the caller's process, from its start to the end of the last call.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time

LISTENS = 0.5  # seconds; SIPp does not say when
AT_ONCE = "10"  # calls: of a hundred at a time some failed


def main() -> None:
    (calls,) = sys.argv[1:]
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        common = ["-nostdin", "-i", "127.0.0.1"]
        server = subprocess.Popen(["sipp", "-sn", "uas", *common, "-p", port], **quiet)  # type: ignore[call-overload]
        try:
            time.sleep(LISTENS)
            words = ["sipp", "-sn", "uac", *common, "-m", calls, "-r", "100000", "-l", AT_ONCE, f"127.0.0.1:{port}"]
            begun = time.perf_counter()
            subprocess.run(words, check=True, **quiet)  # type: ignore[call-overload]
            print(time.perf_counter() - begun)
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
