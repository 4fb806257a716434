"""Waits for the whole length prefix, and for the whole body."""

import socketserver
import struct
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        stream = self.request.makefile("rb")
        while prefix := stream.read(4):
            (size,) = struct.unpack("!I", prefix)
            self.request.sendall(prefix + stream.read(size)[::-1])


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
