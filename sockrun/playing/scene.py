"""A scenario being played: its roles' tasks, and when it is over.

Order (LANGUAGE, 'Order'): ports are reserved, servers bind and listen, files are written, clients start.
End: it passes when every role's steps are done, every connection has been read to its end, and nothing is
left that no step took; the first failure ends it. Whatever happens, `_close` gives everything back.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable
from math import inf

from sockrun.commands import (
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Done,
    Event,
    Fact,
    Match,
    Send,
    Tell,
)
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import PENDING, Channel, Endpoint, Listener, Network, Reply
from sockrun.network.loop import Task
from sockrun.playing import quiet
from sockrun.playing.cast import Cast, local_address, own_address, reachable, same_place
from sockrun.playing.interpreter import Frame, StepFailed, after, fail_unread, life
from sockrun.playing.sharing import Sharing
from sockrun.playing.workspace import Workspace
from sockrun.program import Place, Program
from sockrun.results import Failure, Result, Status, Trace
from sockrun.values import ExpressionError, NotYet

OUTSIDE_PATIENCE = 0.1  # seconds that an ended role listens for what an outside peer still sends
REMEMBERED = 10_000  # entries of the trace; the older ones go, so that a long scenario's memory stays flat
KEPT = 4096  # bytes of a message that the trace keeps, at its start and at its end
Watcher = Callable[[str, Trace], None]
TraceEntry = tuple[float, str, Place | None, Command | str, Event]  # `Trace` costs three times as much to make


class Scene:
    """Plays one program; satisfies `loop.Owner` and `interpreter.Stage`.

    `ended` is called once, with the result, when everything has been given back. `watcher` sees every
    entry of the trace as it is made.
    """

    def __init__(
        self, program: Program, network: Network, ended: Callable[[Result], None], watcher: Watcher | None = None
    ) -> None:
        self.program = program
        self.network = network
        self.loop = network.loop
        self.workspace = Workspace()
        self.sharing = Sharing(program, self.loop.wake, self.workspace.folder)
        self.constant = self.sharing.constant
        self.attribute = self.sharing.attribute
        self.publish = self.sharing.publish
        self.casts = {name: Cast(role) for name, role in program.roles.items()}
        self.frames: dict[Task, Frame] = {}
        self.polls = 1
        self.closed_world = True  # until a role turns to somebody who is none
        self.failure: Failure | None = None
        self._ended = ended
        self._watcher = watcher
        self._trace: deque[TraceEntry] = deque(maxlen=REMEMBERED)
        self._listeners: list[Listener] = []
        self._sockets: list[Task] = []  # those that play on datagrams
        self._starters: list[Task] = []  # of servers that begin to listen late
        self._unfinished = 0  # tasks that have not come to their end
        self._holding: list[Task] = []
        self._closing = False  # only `connections: any` are left
        self._over = False
        self._started = self.loop.catch_up()
        self._clock = Task(self, "", "")

    # --- the beginning ---

    def start(self) -> None:
        """Set the stage and begin; what the machine refuses ends the scenario at once."""
        try:
            for name in self.program.ports:
                self.sharing.ports[name] = self.network.reserve()
            self._bind_servers()
            scope = Frame(next(iter(self.program.roles.values())), "", 0, self, self._clock)
            for file in self.program.files:
                self.workspace.write(file, scope)
        except EnvironmentRefused as error:
            self._end(Status.REFUSED, str(error))
        except ExpressionError as error:
            self._end(Status.FAILED, error.message)
        else:
            self.loop.arm(self._clock, self.program.timeout, self._timed_out)
            self._start_roles()

    def _bind_servers(self) -> None:
        """Bind every server; one may name the address of another, so those that wait are tried again."""
        left = [cast for cast in self.casts.values() if cast.program.side == "server"]
        while left:
            waiting = [cast for cast in left if not self._bind(cast)]
            if len(waiting) == len(left):
                names = ", ".join(cast.program.name for cast in waiting)
                raise ExpressionError(f"the address of {names} depends on what is known only later")
            left = waiting

    def _bind(self, cast: Cast) -> bool:
        role = cast.program
        endpoint = Endpoint(role.protocol, role.datagram, role.socket)
        try:
            address = own_address(role, Frame(role, role.name, 0, self, self._clock))
        except NotYet:
            return False
        if not role.listen:
            listener = self.network.hold(endpoint, address)
        elif role.datagram:
            channel = self.network.bind(endpoint, address)
            self.sharing.addresses[role.name] = channel.local or address
            self._add(cast, channel)
            return True
        else:
            listener = self.network.listen(endpoint, address, _Door(self, cast), not role.start_after)
        self._listeners.append(listener)
        self.sharing.addresses[role.name] = listener.address
        if role.start_after:
            starter = Task(self, role.name, role.name)
            self._starters.append(starter)
            self.loop.start(starter, after(role.start_after, listener.listen))
        return True

    def _start_roles(self) -> None:
        for cast in self.casts.values():
            if cast.over:
                self.sharing.tell((Fact("ended", cast.program.name),))
            if cast.program.side == "client":
                for _ in range(cast.program.instances):
                    self._add(cast, None)

    def _add(self, cast: Cast, channel: Channel | None) -> None:
        """One more copy or connection of a role."""
        role = cast.program
        index = cast.begun
        cast.begun += 1
        self.sharing.connections[role.name] = cast.begun
        task = Task(self, role.name, cast.name(index))
        task.channel = channel
        frame = Frame(role, task.name, index, self, task)
        block = role.sequences[index if len(role.sequences) > 1 else 0]
        cast.tasks.append(task)
        if role.datagram:
            self._sockets.append(task)
        self.frames[task] = frame
        self._unfinished += 1
        self.loop.start(task, life(frame, block, self._connect if role.side == "client" else None))

    def accepted(self, cast: Cast, channel: Channel) -> None:
        """A connection has come for a server role."""
        if cast.wanted is None or cast.begun < cast.wanted:
            self.record(cast.name(cast.begun), None, "accept", None)
            self._add(cast, channel)
            return
        channel.abandon()
        if not cast.program.allow_unread:
            role, wanted = cast.program, cast.wanted
            what = f"one connection more than the {wanted} asked for, from {channel.peer}"
            self._fail(Failure("connection", role.name, None, f"{what}; say `connections: {wanted + 1}` or `any`"))

    # --- addresses ---

    def _connect(self, frame: Frame) -> Connect:
        role = frame.role
        if role.to is None or role.port is not None or role.path is not None:
            return Connect(own_address(role, frame), role.retry_for)
        return Connect(reachable(self.sharing.addresses[role.to]), role.retry_for)

    def _open(self, task: Task, command: Connect) -> Reply:
        """Connect a client; whoever listens at an address of no role is somebody outside."""
        frame = self.frames[task]
        role = frame.role
        if task.channel is not None:
            task.channel.close(task, Close())
            if task.channel.unread and not role.allow_unread:
                fail_unread(frame, task.channel.unread)
        inside = any(same_place(command.to, address) for address in self.sharing.addresses.values())
        self.closed_world = self.closed_world and inside
        try:
            local = local_address(role, frame)
        except ExpressionError as error:
            frame.fail("step", error.message)
        endpoint = Endpoint(role.protocol, role.datagram, role.socket)
        return self.network.connect(task, endpoint, command, local, inside)

    # --- commands that concern others (loop.Owner) ---

    def handle(self, task: Task, command: Command) -> Reply:
        match command:
            case Tell():
                self.sharing.tell(command.facts)
                return None
            case Await():
                return self.sharing.wait(task, command)
            case Barrier():
                return self._arrive(task, command.name)
            case Connect():
                return self._open(task, command)
            case Done():
                return self._done(task)
            case _:
                raise AssertionError(f"{command} is no command for a scene")

    def _arrive(self, task: Task, name: str) -> Reply:
        for cast in self.casts.values():
            if name in cast.program.barriers and cast.ended:
                self.frames[task].fail("deadlock", _barrier_lost(name, cast.program.name))
        return self.sharing.arrive(task, name)

    def _done(self, task: Task) -> Reply:
        task.done = True
        cast = self.casts[task.role]
        cast.ended += 1
        for name in cast.program.barriers:
            for other in self.sharing.at_barrier(name):
                self.frames[other].fail("deadlock", _barrier_lost(name, task.name))
        if cast.over:
            self.sharing.tell((Fact("ended", task.role),))
        if cast.program.datagram:
            self.loop.ready.append(self._look_for_end)  # its socket stays open; nothing else would tell
        if cast.program.hold:
            self._holding.append(task)
        self._release_holders()
        return PENDING if task in self._holding else None

    def _release_holders(self) -> None:
        if all(cast.over for cast in self.casts.values() if cast.wanted is not None):
            holding, self._holding = self._holding, []
            for task in holding:
                self.loop.wake(task)

    # --- the end ---

    def finished(self, task: Task) -> None:
        if task in self.frames:
            self._unfinished -= 1
            self._look_for_end()

    def _look_for_end(self) -> None:
        """Past all steps, what is left are datagram sockets, to be read out, and `connections: any`."""
        if self._over or not all(cast.over for cast in self.casts.values() if cast.wanted is not None):
            return
        if any(cast.wanted is None for cast in self.casts.values()) and not self._closing:
            self._closing = True  # `quiet` goes on, once nothing comes any more
            self.closed_world = True
            self.polls = 0
            self.loop.watch(self)
            return
        if self._closing and any(not task.done for task in self.frames):
            return
        sockets = [task for task in self._sockets if task.generator is not None]
        if self._unfinished > len(sockets):
            return
        for task in sockets:
            if task.channel is not None and not self._over:
                self.loop.resume(task, task.channel.conclude())
        if not self._unfinished:
            self._end(Status.PASSED)

    def quiet(self) -> None:
        """Nothing is ready for this scenario and nothing comes: it ends, or nobody can go on."""
        if self._over:
            return
        if self._closing:
            self._forget_idle()
            self._look_for_end()
        else:
            failure = quiet.deadlock(self)
            if failure is not None:
                self._fail(failure)

    def _forget_idle(self) -> None:
        for task in [task for task in self.frames if not task.done]:
            if task.channel is not None and not task.channel.heard:
                self.loop.stop(task)
                task.done = True
                task.channel.abandon()
                self._unfinished -= 1

    def failed(self, task: Task | None, error: Exception) -> None:
        """Something raised: a step does not hold, the machine refused, or there is a bug in sockrun."""
        if isinstance(error, StepFailed):
            self._fail(error.failure)
        elif isinstance(error, EnvironmentRefused):
            self._end(Status.REFUSED, str(error))
        else:
            detail = "".join(traceback.format_exception(error))
            self._end(Status.BUG, f"{type(error).__name__}: {error}", detail)

    def _timed_out(self, task: Task) -> None:
        waiting = [who for who in quiet.waiting(self) if who.doing != quiet.ENDED]
        what = "; ".join(f"{who.role} {who.doing}" for who in waiting) or "its connections did not end"
        place = waiting[0].place if waiting else None
        message = f"the scenario's timeout of {self.program.timeout:g} s has passed: {what}"
        self._fail(Failure("timeout", waiting[0].role if waiting else "", place, message))

    def interrupt(self) -> None:
        """Ctrl-C: end now, and say what was running."""
        self._end(Status.INTERRUPTED, "interrupted")

    def _fail(self, failure: Failure) -> None:
        self.failure = failure
        self._end(Status.REFUSED if failure.environment else Status.FAILED, failure.message)

    def _end(self, status: Status, reason: str = "", detail: str = "") -> None:
        if self._over:
            return
        self._over = True
        failed = status is not Status.PASSED
        waiting = tuple(quiet.waiting(self)) if failed else ()
        unread = tuple(quiet.unread(self)) if failed else ()
        seconds = self.loop.now() - self._started
        status, reason = _expected(self.program.expect_failure, status, reason)
        self._close()
        self._ended(
            Result(
                id=self.program.id,
                name=self.program.name,
                path=self.program.source.path,
                tags=self.program.tags,
                status=status,
                seconds=seconds,
                reason=reason,
                failure=self.failure,
                waiting=waiting,
                unread=unread,
                trace=[Trace(*entry) for entry in self._trace] if failed else (),
                detail=detail,
            )
        )

    def _close(self) -> None:
        for task in self.frames:
            self.loop.stop(task)
            if task.channel is not None:
                task.channel.abandon()
        self.loop.stop(self._clock)
        self.loop.forget(self)
        for task in self._starters:
            self.loop.stop(task)
        for listener in self._listeners:
            listener.close()
        for port in self.sharing.ports.values():
            self.network.release(port)
        self.workspace.remove()

    # --- what roles see (interpreter.Stage) ---

    def patience(self, channel: Channel | None) -> float:
        inside = self.closed_world or channel is None or channel.paired
        return inf if inside else OUTSIDE_PATIENCE

    def record(self, name: str, place: Place | None, command: Command | str, event: Event) -> None:
        if event.__class__ is Match:
            if len(event.data) > 2 * KEPT:
                event = Match(_clipped(event.data))
        elif command.__class__ is Send and len(command.data) > 2 * KEPT:
            command = Send(_clipped(command.data), command.to)
        entry = (self.loop.moment - self._started, name, place, command, event)
        self._trace.append(entry)
        if self._watcher is not None:
            self._watcher(self.program.id, Trace(*entry))

    def now(self) -> float:
        return self.loop.now()

    def random_bytes(self, size: int) -> bytes:
        return self.network.random_bytes(size)


class _Door:
    """A server role's `interface.Acceptor`."""

    def __init__(self, scene: Scene, cast: Cast) -> None:
        self._scene = scene
        self._cast = cast

    def accepted(self, channel: Channel) -> None:
        self._scene.accepted(self._cast, channel)

    def failed(self, error: Exception) -> None:
        self._scene.failed(None, error)


def _clipped(data: bytes) -> bytes:
    return data[:KEPT] + data[-KEPT:]


def _barrier_lost(name: str, role: str) -> str:
    return f"the barrier {name!r} will never open: {role} has ended before it"


def _expected(wanted: bool | str, status: Status, reason: str) -> tuple[Status, str]:
    """Turn the verdict round where the scenario is expected to fail."""
    if wanted is False or status not in (Status.PASSED, Status.FAILED):
        return status, reason
    if status is Status.PASSED:
        return Status.FAILED, "it was expected to fail, and passed"
    if wanted is True or wanted in reason:
        return Status.PASSED, reason
    return Status.FAILED, f"it was expected to fail with {wanted!r}, and failed with: {reason}"
