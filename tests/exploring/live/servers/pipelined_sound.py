"""Keeps the beginning of a request for the segment that brings its end."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        rest = b""
        while segment := self.request.recv(1024):
            *requests, rest = (rest + segment).split(b";")
            for request in requests:
                self.request.sendall(b"did " + request + b";")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
