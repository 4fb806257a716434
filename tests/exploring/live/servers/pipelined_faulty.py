"""Handles every whole request of a segment, and forgets the beginning of the next."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while segment := self.request.recv(1024):
            for request in segment.split(b";")[:-1]:
                self.request.sendall(b"did " + request + b";")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
