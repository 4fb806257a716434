"""Reads to the end of each line."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        for line in self.request.makefile("rb"):
            self.request.sendall(line.upper())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
