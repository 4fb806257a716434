"""A reset of one client ends the program."""

import selectors
import socket
import sys


def serve(listener: socket.socket) -> None:
    with selectors.PollSelector() as selector:  # it tells of who came first, first
        selector.register(listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket):
                    converse(selector, key.fileobj)


def converse(selector: selectors.BaseSelector, client: socket.socket) -> None:
    data = client.recv(1024)
    if data:
        client.sendall(data)
    else:
        selector.unregister(client)
        client.close()


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        serve(server)
