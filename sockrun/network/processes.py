"""Programs under test: started, fed, listened to and ended by the selector that serves the sockets too.

Must not live here: when a program starts and what its end means (`playing/company.py`). Imported only when a
scenario has processes.

The one theory: each program has a keeper (`keeper.py`) that ends it with all its descendants as soon as the
socket between us is closed, so that a crash of ours leaves nothing behind. Nothing here waits, but for
`abandon`, which is for the time when no loop turns any more.
"""

from __future__ import annotations

import errno
import marshal
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import IO, ClassVar, Literal, Protocol, TypeAlias

from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Spawn
from sockrun.records import dataclass

KEEPER = str(Path(__file__).with_name("keeper.py"))
GROUP = 128
PIECE = 64 * 1024  # bytes
ABANDONED = 3.0  # seconds that a keeper may take to end everything when nobody turns the loop
Stream: TypeAlias = Literal["stdout", "stderr"]


class Observer(Protocol):
    """Whoever has started a program; all are called from the loop."""

    def started(self, pid: int) -> None: ...
    def refused(self, reason: str) -> None:
        """It cannot be started here."""
        ...

    def wrote(self, stream: Stream, data: bytes) -> None: ...
    def ended(self, status: int) -> None:
        """With this exit status, or by a signal, then negative; what it wrote has been told before."""
        ...

    def empty(self) -> None:
        """Nothing is left of it, nor of all that it started."""
        ...

    def closed(self) -> None:
        """The same, and everything has been given back: this is the last call."""
        ...

    def broken(self, error: Exception) -> None: ...


@dataclass(frozen=True, slots=True)
class _Handler:
    """What the selector calls; whatever it raises concerns the program's owner alone."""

    call: Callable[[], None]
    observer: Observer

    def handle(self, mask: int) -> None:
        try:
            self.call()
        except Exception as error:  # a bug, which must not end the whole run
            self.observer.broken(error)


class Child:
    """One program and its keeper. Raises, when it is made: EnvironmentRefused."""

    def __init__(self, selector: BaseSelector, spawn: Spawn, observer: Observer) -> None:
        self._selector = selector
        self._observer = observer
        self._said = b""
        self._pid = 0
        self._over = False
        self.status: int | None = None
        try:
            self._keeper, self._control = _start_keeper(spawn)
        except OSError as error:
            raise EnvironmentRefused(f"no process can be started: {error.strerror}") from None
        selector.register(self._control, EVENT_READ, _Handler(self._hear, observer))
        self._pipes: dict[Stream, IO[bytes]] = {}
        self._listen("stdout", self._keeper.stdout)
        self._listen("stderr", self._keeper.stderr)
        self._feed = _Feed(selector, self._keeper.stdin, spawn, observer)

    # --- what the keeper says ---

    def _hear(self) -> None:
        try:
            data = self._control.recv(4096)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            word, *rest = line.decode().split()
            self._SAYS[word](self, *rest)
        if not data:
            self._finish()

    def _has_pid(self, pid: str) -> None:
        self._pid = int(pid)
        self._observer.started(self._pid)

    def _failed(self, stage: str, number: str) -> None:
        self._observer.refused(_STAGES[stage](os.strerror(int(number)), int(number)))

    def _exited(self, status: str) -> None:
        for stream in list(self._pipes):
            self._read(stream, 16)  # more than a pipe holds (pipe(7)); what descendants write may never end
        self.status = int(status)
        self._observer.ended(self.status)

    def _nothing_left(self) -> None:
        self._observer.empty()

    _SAYS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "pid": _has_pid,
        "failed": _failed,
        "exit": _exited,
        "gone": _nothing_left,
    }

    # --- pipes ---

    def _listen(self, stream: Stream, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipes[stream] = pipe
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, EVENT_READ, _Handler(partial(self._read, stream), self._observer))

    def _read(self, stream: Stream, times: int = 1) -> None:
        pipe = self._pipes.get(stream)
        for _ in range(times):
            data = None if pipe is None else pipe.read(PIECE)
            if data is None or pipe is None:
                return  # nothing there, or closed earlier in this batch
            if not data:
                self._unlisten(stream)
                return
            self._observer.wrote(stream, data)

    def _unlisten(self, stream: Stream) -> None:
        pipe = self._pipes.pop(stream)
        self._selector.unregister(pipe)
        pipe.close()

    # --- signals and the end ---

    def signal(self, name: str) -> None:
        """Send a signal to the program itself."""
        self._order(number_of(name))

    def signal_group(self, name: str) -> None:
        """Send a signal to its process group: to all that it started and that has not left it."""
        self._order(GROUP + number_of(name))

    def _order(self, byte: int) -> None:
        with suppress(OSError):  # the keeper is gone: there is nobody to be told
            self._control.send(bytes([byte]))

    def end(self) -> None:
        """End it, and all that it started, at once (KILL); `closed` is called when that is done."""
        self._order(0)
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def abandon(self) -> None:
        """The same, and wait for it: for the time when the loop does not turn any more. May be called twice."""
        if self._over:
            return
        self.end()
        deadline = time.monotonic() + ABANDONED
        self._control.settimeout(ABANDONED)
        with suppress(OSError):
            while time.monotonic() < deadline and self._control.recv(4096):
                pass
        self._close()

    def _finish(self) -> None:
        """The keeper is gone. One that was killed has left its program: that has ended with it (prctl(2))."""
        if self._over:
            return
        for stream in list(self._pipes):
            self._read(stream, 16)
        self._close()
        if self._pid and self.status is None:
            self.status = -signal.SIGKILL
            self._observer.ended(self.status)
        self._observer.closed()

    def _close(self) -> None:
        self._over = True
        self._selector.unregister(self._control)
        self._control.close()
        for stream in list(self._pipes):
            self._unlisten(stream)
        self._feed.close()
        try:
            self._keeper.wait(1.0)
        except subprocess.TimeoutExpired:  # it hangs on something that even KILL does not end
            self._keeper.kill()
            self._keeper.wait()


def _start_keeper(spawn: Spawn) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A keeper with its order, and our end of the socket to it. Raises: OSError."""
    fed = spawn.stdin is not None or spawn.stdin_open
    ours, theirs = socket.socketpair()
    with theirs, ExitStack() as undoing, tempfile.TemporaryFile() as order:
        undoing.enter_context(ours)
        marshal.dump((list(spawn.words), dict(spawn.env), spawn.cwd, spawn.user, spawn.folder), order)
        order.seek(0)
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", KEEPER, str(theirs.fileno()), str(order.fileno())],
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(theirs.fileno(), order.fileno()),
            start_new_session=True,
        )
        ours.setblocking(False)
        undoing.pop_all()
    return keeper, ours


class _Feed:
    """What a program reads on its standard input, in pieces, as it has room for them."""

    def __init__(self, selector: BaseSelector, pipe: IO[bytes] | None, spawn: Spawn, observer: Observer) -> None:
        self._selector = selector
        self._pipe = pipe
        self._pieces: Iterator[bytes] = iter(()) if spawn.stdin is None else spawn.stdin
        self._left_open = spawn.stdin_open
        self._rest = memoryview(b"")
        self._registered = False
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, EVENT_WRITE, _Handler(self._write, observer))
            self._registered = True

    def _write(self) -> None:
        if self._pipe is None:
            return
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                self._finish()
                return
            self._rest = memoryview(piece)
        try:
            written = self._pipe.write(self._rest)
        except BrokenPipeError:  # it reads no more: whether that is right, its exit status says
            self.close()
            return
        self._rest = self._rest[written or 0 :]

    def _finish(self) -> None:
        if not self._left_open:
            self.close()
            return
        self._selector.unregister(self._pipe)  # type: ignore[arg-type]  # a pipe is there
        self._registered = False

    def close(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is None:
            return
        if self._registered:
            self._selector.unregister(pipe)
        pipe.close()


# --- words -------------------------------------------------------------------------------------


def number_of(name: str) -> int:
    """The number of the signal TERM, KILL, ... on this system."""
    return int(signal.Signals[f"SIG{name}"])


def how_it_ended(status: int) -> str:
    """'ended with exit status 1', 'was killed by SEGV'."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        name = signal.Signals(-status).name.removeprefix("SIG")
    except ValueError:
        name = f"signal {-status}"
    return f"was ended by {name}"


def _cannot_execute(reason: str, number: int) -> str:
    if number == errno.ENOENT:
        return "there is no such program"
    return "its arguments are too long" if number == errno.E2BIG else f"it cannot be executed: {reason}"


_STAGES: dict[str, Callable[[str, int], str]] = {
    "exec": _cannot_execute,
    "cwd": lambda reason, _: f"its folder cannot be entered: {reason}",
    "user": lambda reason, _: f"its user cannot be changed to: {reason}",
    "nobody": lambda *_: "there is no such user",
}


def searched(path: str) -> str:
    """The folders in which programs are looked for: servers live in two that few people have on their PATH."""
    have = path.split(os.pathsep)
    return os.pathsep.join([*have, *(folder for folder in ("/usr/sbin", "/sbin") if folder not in have)])
