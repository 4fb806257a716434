"""A small program that stands between sockrun and one program under test, and outlives neither's descendants.

Run as `python -I -S keeper.py CONTROL ORDER`, two inherited descriptors: a socket to sockrun, and a file with what
to start. It imports nothing of sockrun, so that it starts in a few milliseconds.

The one theory: on Linux the keeper is a 'child subreaper' (prctl(2)): whatever the program starts, a daemon that
forked twice and left its session included, is its descendant until the end. When the socket is closed, in order
or because sockrun was killed, it ends all of them. Elsewhere only the program's process group is known.

It says on the socket, a line each: `pid N`, `failed STAGE ERRNO`, `exit STATUS` (negative: a signal's number),
`gone` (no descendant is left). It is told, a byte each: a signal's number for the program, the same plus 128 for
its process group, and 0: what comes next is no crash.
"""

from __future__ import annotations

import contextlib
import ctypes
import marshal
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
GROUP = 128
PATIENCE = 2.0  # seconds for KILL to end everything
LINUX = sys.platform.startswith("linux")


class Order:
    """What to start: words, environment and folder as bytes; `user` may be empty. `folder` is removed on a crash."""

    def __init__(self, file: int) -> None:
        with open(file, "rb") as source:
            self.words, self.env, self.cwd, self.user, self.folder = marshal.load(source)


class Keeper:
    def __init__(self, control: int, order: Order) -> None:
        self._control = control
        self._order = order
        self._child = 0
        self._running = False
        self._gone = False
        self._in_order = False
        self._woken, wake = os.pipe()
        for end in (self._woken, wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def keep(self) -> None:
        """Start the program, and stay until sockrun has closed the socket."""
        if LINUX:
            _prctl(PR_SET_CHILD_SUBREAPER, 1)
        failure = self._start()
        self._leave_its_pipes()
        if failure:
            self._say(f"failed {failure}")
            return
        self._say(f"pid {self._child}")
        while self._turn():
            pass
        self._end_all()
        if not self._in_order and self._order.folder:
            _remove(self._order.folder)

    def _start(self) -> str:
        """Fork and execute; why that is impossible, if it is."""
        told, tell = os.pipe()  # closed by a successful execve(2)
        self._child = os.fork()
        if not self._child:
            os.close(told)
            _become(self._order, tell)
        self._running = True
        os.close(tell)
        with open(told, "rb") as failure:
            return failure.read().decode()

    def _leave_its_pipes(self) -> None:
        """So that sockrun sees their end when the program and its descendants have closed them."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nothing, number)

    def _turn(self) -> bool:
        """Wait for something and handle it; False: the socket is closed."""
        ready, _, _ = select.select([self._control, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, 512)
            self._reap()
        if self._control not in ready:
            return True
        with contextlib.suppress(ConnectionError):
            if orders := os.read(self._control, 64):
                for order in orders:
                    self._obey(order)
                return True
        return False

    def _obey(self, order: int) -> None:
        if not order:
            self._in_order = True
        elif order > GROUP:
            self._kill_group(order - GROUP)
            self._kill_group(signal.SIGCONT)  # one that is stopped would not hear of it
        elif self._running:
            os.kill(self._child, order)

    def _kill_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, number)

    def _reap(self) -> None:
        """Take note of all that have ended."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._child:
                    self._running = False
                    self._say(f"exit {os.waitstatus_to_exitcode(status)}")
        except ChildProcessError:
            if not self._gone:
                self._gone = True
                self._say("gone")

    def _end_all(self) -> None:
        """KILL until nothing is left; what may not be ended, since it has become another user's, is left."""
        deadline = time.monotonic() + PATIENCE
        self._reap()
        while not self._gone and time.monotonic() < deadline:
            self._kill_group(signal.SIGKILL)
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            select.select([self._woken], [], [], 0.005)
            with contextlib.suppress(BlockingIOError):
                os.read(self._woken, 512)
            self._reap()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be there any more
            os.write(self._control, f"{text}\n".encode())


def _become(order: Order, tell: int) -> NoReturn:
    """In the forked child: become the program, or say at which stage that failed, and with which errno."""
    stage = "exec"
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)  # Python ignores some, a shell's `&` others
        os.setsid()
        if order.user:
            stage = "user"
            os.get_exec_path(order.env)  # what `execvpe` imports for it, the other user may not be allowed to read
            _change_user(order.user)
        stage = "cwd"
        os.chdir(order.cwd)
        stage = "exec"
        if LINUX:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.execvpe(order.words[0], order.words, order.env)
    except KeyError:
        os.write(tell, b"nobody 0")
    except OSError as error:
        os.write(tell, f"{stage} {error.errno}".encode())
    finally:
        os._exit(127)


def _change_user(name: str) -> None:
    """Raises: KeyError, for a name that nobody has; PermissionError."""
    import pwd

    entry = pwd.getpwnam(name)
    if os.geteuid() != entry.pw_uid:
        os.initgroups(name, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def descendants(root: int) -> list[int]:
    """All processes below `root`, as /proc tells them (proc(5)); none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in filter(str.isdigit, names):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            yield int(name), int(file.read().rpartition(b")")[2].split()[1])  # the name in brackets may hold anything


def _remove(folder: bytes) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    Keeper(int(sys.argv[1]), Order(int(sys.argv[2]))).keep()
