"""A stream that has ended is a conversation that has ended."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        rest = b""
        while rest != b"bye\n" and (data := self.request.recv(1024)):
            rest += data
            if rest.endswith(b"\n") and rest != b"bye\n":
                self.request.sendall(rest)
                rest = b""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
