"""Keeps only what has come whole."""

import socketserver
import sys

kept: set[bytes] = set()


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        stream = self.request.makefile("rb")
        for line in stream:
            verb, _, argument = line.decode().strip().partition(" ")
            body = stream.read(int(argument)) if verb == "PUT" else b""
            if verb == "PUT":
                if len(body) < int(argument):
                    return
                kept.add(body)
            self.request.sendall(b" ".join(sorted(kept)) + b"\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
