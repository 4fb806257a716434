"""Scenarios to begin with, for `sockrun new`: valid at once, and complete. `FILE` in one stands for its own name."""

from __future__ import annotations

from importlib.resources import files

# Each with what it shows, in the order in which they are told.
TEMPLATES = {
    "tcp": "a TCP server and its client",
    "udp": "datagrams, there and back",
    "lines": "a protocol of lines",
    "length-prefix": "a binary protocol, messages behind their length",
    "tls": "TLS, with a certificate that is made for the run",
    "program": "a program under test, started on a free port",
    "haproxy": "a program in the middle: its client and its servers are played",
    "mock": "a server that answers what it is asked, for a client under test",
}


def text(template: str, file: str) -> str:
    """The scenario, in which its own name is `file`."""
    return files(__name__).joinpath(f"{template}.yaml").read_text("utf-8").replace("FILE", file)
