"""Takes the end of a stream for 'nothing yet', and reads on for ever."""

import socketserver
import sys


class Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        rest = b""
        while rest != b"bye\n":
            rest += self.request.recv(1024)
            if rest.endswith(b"\n") and rest != b"bye\n":
                self.request.sendall(rest)
                rest = b""


class Server(socketserver.TCPServer):
    allow_reuse_address = True


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Conversation) as server:
        server.serve_forever()
