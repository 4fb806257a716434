"""Keeps all that has come behind the last CRLF."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        rest = b""
        while segment := self.request.recv(1024):
            *lines, rest = (rest + segment).split(b"\r\n")
            for line in lines:
                self.request.sendall(line[::-1] + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
