"""Takes it for granted that a length prefix comes whole."""

import socket
import socketserver
import struct
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while prefix := self.request.recv(4):
            (size,) = struct.unpack("!I", prefix)
            body = self.request.recv(size, socket.MSG_WAITALL)
            self.request.sendall(prefix + body[::-1])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
