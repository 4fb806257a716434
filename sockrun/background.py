"""A scenario that is played beside the caller's own code, and asserted at its end.

Lives here: the only thread of sockrun. Must not live here: pytest (`testing/`), and reading files (`api.py`).

The one theory: the caller's code blocks in its own sockets, and a loop that it had to turn would stand still exactly
when it is needed. So the loop runs in a thread, for as long as a `with` block and no longer. All of the run belongs to
that thread. Over its edge go calls (`network/calls.py`) in one direction, and in the other addresses and a result,
each written once before an event or the thread's end says that it is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType

from sockrun.commands import Address
from sockrun.network.calls import Calls
from sockrun.network.guard import Guard
from sockrun.network.kernel import Kernel
from sockrun.network.turns import turn
from sockrun.playing.cast import reachable
from sockrun.playing.requirements import unmet
from sockrun.playing.scene import Scene
from sockrun.program import Program
from sockrun.records import replace
from sockrun.reporters.style import Style
from sockrun.reporters.terminal import in_full
from sockrun.results import Result


class ScenarioFailed(AssertionError):  # noqa: N818 (it says what happened)
    """Scenarios that did not pass; its text is what the command line shows of them."""

    def __init__(self, *results: Result) -> None:
        super().__init__("\n\n".join(map(_told, results)))
        self.results = results


class Played:
    """A scenario in the background, for one `with` block: all servers listen when the block begins.

    When the block ends, so does the part of whoever is no role: the scenario is awaited, for as long as its timeout
    allows, and it must have passed. A block that raises ends the scenario at once, with its `finally`; what the roles
    were doing is a note of the exception (`__notes__`). Whatever happens, no socket, thread or program is left.
    Two processes that play servers on the same fixed port wait for each other.

    Raises, at the beginning or the end of the block: ScenarioFailed. At its beginning: unittest.SkipTest, where the
    machine lacks what the scenario `requires`.
    """

    def __init__(self, program: Program, allow_hosts: Sequence[str] = ()) -> None:
        self._program = replace(program, outside=True)
        self._allow_hosts = allow_hosts
        self._servers = sum(role.side != "client" for role in program.roles.values())
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._given_back = ExitStack()  # what belongs to the caller's thread
        self.addresses: dict[str, tuple[str, int]] = {}
        """Host and port of each server role (and proxy) over TCP or UDP, as `socket.create_connection` takes them."""
        self.paths: dict[str, str] = {}
        """The path of each server role over a Unix socket, as `socket.connect` takes it."""

    def __enter__(self) -> Played:
        __tracebackhide__ = True
        reason = unmet(self._program)
        if reason is not None:
            from unittest import SkipTest

            raise SkipTest(reason)
        try:
            self._given_back.enter_context(turn(port for _, port in self._program.fixed_ports))
            self._begin()
            self._listening.wait()
            if self._over.is_set():
                self._assert_passed()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if error is None:
            self._assert_passed()
            return
        self._end(_interrupt)
        if self._result is not None and not self._result.passed:
            error.add_note(_told(self._result))

    @property
    def result(self) -> Result:
        """What came of it. Asked for within the block, it awaits the end, as the end of the block does."""
        if self._thread is None:
            raise RuntimeError("it has not begun: it is played in a `with` block")
        self._end(_leave)
        assert self._result is not None
        return self._result

    def _assert_passed(self) -> None:
        __tracebackhide__ = True
        result = self.result
        if not result.passed:
            raise ScenarioFailed(result)

    # --- the caller's thread ---

    def _begin(self) -> None:
        network = Kernel(guard=Guard(self._allow_hosts, untrusted=self._program.untrusted))
        self._calls = calls = Calls(network)
        self._given_back.callback(calls.close)
        # A daemon, so that even a bug of ours could not keep the interpreter from its end.
        self._thread = threading.Thread(target=self._play, args=(network,), name="sockrun", daemon=True)
        if not self._servers:
            self._listening.set()
        self._thread.start()

    def _end(self, how: Callable[[Scene], None]) -> None:
        """Await the end. Raises: what the thread has raised, a bug; KeyboardInterrupt, when nothing is left."""
        assert self._thread is not None
        try:
            self._call(how)
            self._join(self._thread)
        except BaseException:
            self.close()
            raise
        self._given_back.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End it now, whatever it does, and without a verdict; nothing, where it has ended or not begun."""
        try:
            if self._thread is not None and self._thread.ident is not None:
                self._call(Scene.abandon)
                self._join(self._thread)
        finally:
            self._given_back.close()

    def _call(self, what: Callable[[Scene], None]) -> None:
        if not self._over.is_set():
            self._calls.call_soon(partial(self._carry_out, what))

    def _join(self, thread: threading.Thread) -> None:
        """The event comes first: a `join` that Ctrl-C interrupts takes the thread for ended (CPython issue 90882)."""
        self._over.wait()
        thread.join()

    # --- the thread ---

    def _play(self, network: Kernel) -> None:
        try:
            with ExitStack() as ending:
                ending.callback(network.close)

                def ended(result: Result) -> None:
                    self._result = result
                    network.loop.hurry()

                self._scene = scene = Scene(self._program, network, ended, announce=self._announce)
                ending.callback(scene.abandon)
                scene.attended = True
                scene.start()
                while self._result is None:
                    network.loop.turn()
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()
            self._listening.set()

    def _carry_out(self, what: Callable[[Scene], None]) -> None:
        if self._result is None:
            what(self._scene)

    def _announce(self, role: str, bound: Address) -> None:
        address = reachable(bound)
        if address.path:
            self.paths[role] = f"\0{address.host[1:]}" if address.host.startswith("@") else address.host
        else:
            self.addresses[role] = (address.host, address.port)
        if len(self.addresses) + len(self.paths) == self._servers:
            self._listening.set()


def _told(result: Result) -> str:
    return "\n".join(in_full(result, Style(False)))


def _interrupt(scene: Scene) -> None:
    """Behind what has come at the same time: so the note tells of it."""
    scene.loop.ready.append(scene.interrupt)


def _leave(scene: Scene) -> None:
    scene.attended = False
    scene.somebody_ended()
