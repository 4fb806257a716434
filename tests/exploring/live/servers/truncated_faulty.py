"""Keeps what a client has left unfinished as if it were whole."""

import socketserver
import sys

kept: set[bytes] = set()


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        stream = self.request.makefile("rb")
        for line in stream:
            verb, _, argument = line.decode().strip().partition(" ")
            if verb == "PUT":
                kept.add(stream.read(int(argument)))
            self.request.sendall(b" ".join(sorted(kept)) + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
