"""A scenario being played: its roles' tasks, and when it is over.

Order (LANGUAGE, 'Order'): ports are reserved, servers bind and listen, files are written, clients start.
End: it passes when every role's steps are done, every connection has been read to its end, and nothing is
left that no step took; the first failure ends it, once `finally` is done. Whatever happens, `_close` gives
everything back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from sockrun.commands import Await, Barrier, Command, Connect, Done, Fact, Kill, StartTls, Tell
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import PENDING, Channel, Listener, Network, Reply
from sockrun.network.loop import Task
from sockrun.playing import lingering, outcome
from sockrun.playing.assembling import company_of, proxies_of
from sockrun.playing.cast import Cast
from sockrun.playing.frame import Frame, StepFailed
from sockrun.playing.interpreter import life
from sockrun.playing.opening import Announce, set_the_stage
from sockrun.playing.outcome import Verdict
from sockrun.playing.parting import PARTING, part
from sockrun.playing.reaching import connect, target
from sockrun.playing.recorder import Recorder, Records, Tap, Watcher
from sockrun.playing.securing import Securing
from sockrun.playing.sharing import Sharing
from sockrun.playing.verdicts import barrier_lost, one_too_many
from sockrun.playing.workspace import Workspace
from sockrun.program import Program
from sockrun.results import Failure, Result, Status, Trace, step_text
from sockrun.values import ExpressionError

if TYPE_CHECKING:
    from sockrun.playing.surroundings import Surroundings

OUTSIDE_PATIENCE = 0.1  # seconds that an ended role listens for what an outside peer still sends


class Scene:
    """Plays one program; satisfies `loop.Owner` and `interpreter.Stage`.

    `ended` is called once, with the result, when everything has been given back. `watcher` sees every
    entry of the trace as it is made. `announce` is told where a server listens that somebody outside may turn to.
    `sealed`: on this network there is nobody who is no role. `tap` hears what proxies pass on and programs write.
    `traced`: the result has a trace also if it passed. `within`: what another scene has made, who plays the servers.
    `records` is told what happens instead of a recorder.
    """

    def __init__(
        self,
        program: Program,
        network: Network,
        ended: Callable[[Result], None],
        watcher: Watcher | None = None,
        announce: Announce | None = None,
        workspace: Workspace | None = None,
        sealed: bool = False,
        tap: Tap | None = None,
        traced: bool = False,
        within: Surroundings | None = None,
        records: Records | None = None,
    ) -> None:
        self.program = program
        self.mask = program.mask
        self.network, self.loop = network, network.loop
        self.workspace = workspace or (Workspace() if within is None else within.workspace())
        self.within = within
        self.sealed, self.tap = sealed, tap
        self.strayed = ""  # which address of nobody somebody has turned to, where it is sealed
        self.sharing = Sharing(program, self.loop.wake, self.workspace.folder)
        self.constant = self.sharing.constant
        self.attribute = self.sharing.attribute
        self.publish = self.sharing.publish
        if within is not None:
            self.sharing.ports.update(within.ports)
            self.sharing.addresses.update(within.addresses)
        self._recorder = records or Recorder(self.loop, program.id, watcher, program.mask)
        self.record, self.keep = self._recorder.record, self._recorder.keep
        self.connected, self.linked = self._recorder.connected, self._recorder.linked
        self.company = company_of(self)
        self.casts = {name: Cast(role) for name, role in program.roles.items()}
        self.frames: dict[Task, Frame] = {}
        self.securing = Securing(self)
        self.proxies = proxies_of(self)
        self.polls = 1
        self.outsiders = program.outside or bool(program.processes)  # whether somebody takes part who is no role
        self.closed_world = not self.outsiders  # whether its standing still is worth a look
        self.attended = False  # somebody outside takes part until it is false and `somebody_ended` was called
        self._ended, self._traced, self._announce = ended, traced, announce
        self.listeners: list[Listener] = []
        self.sockets: dict[Task, None] = {}  # those that play on datagrams
        self.starters: list[Task] = []  # of servers that begin to listen late
        self._unfinished = 0  # tasks that have not come to their end
        self._holding: list[Task] = []
        self._closing = False  # only `connections: any` are left
        self._concluding = False  # only datagram sockets are left, and are read out
        self._over = False  # the verdict is known
        self._verdict = outcome.PASSED
        self.given_back = False
        self._clock = Task(self, "", "")

    # --- the beginning ---

    def start(self) -> None:
        """Set the stage and begin; what the machine refuses ends the scenario at once."""
        try:
            set_the_stage(self, self._clock, self._announce)
        except (EnvironmentRefused, StepFailed) as error:
            self._conclude(outcome.of_error(error))
        except ExpressionError as error:
            self._conclude(Verdict(Status.FAILED, error.message))
        else:
            self._set_up()

    @property
    def _passing(self) -> bool:
        """Whether something is under way through a proxy."""
        return self.proxies is not None and self.proxies.busy

    def _set_up(self) -> None:
        """Services come first: until they are ready, their own timeouts count."""
        if self.company is None:
            self._begin()
            return
        self.loop.arm(self._clock, self.program.timeout + self.company.setting_up, self._timed_out)
        self.company.begin(self._begin)

    def _begin(self) -> None:
        if self._over:
            return
        self.loop.arm(self._clock, self.program.timeout, self._timed_out)
        self._start_roles()
        if self.company is not None:
            self.company.start_awaited()

    def _start_roles(self) -> None:
        for cast in self.casts.values():
            if cast.over:
                self.sharing.tell((Fact("ended", cast.program.name),))
            if cast.program.side == "client":
                for _ in range(cast.program.instances):
                    self._add(cast, None)
        if self.company is not None or not self.outsiders:
            self.loop.ready.append(self._look_for_end)  # where nobody has anything to do, nobody tells

    def _add(self, cast: Cast, channel: Channel | None) -> None:
        """One more copy or connection of a role."""
        role = cast.program
        index = cast.begun
        cast.begun += 1
        self.sharing.connections[role.name] = cast.begun
        task = Task(self, role.name, cast.name(index))
        task.channel = channel
        if channel is not None:
            self.network.belongs(channel, task)
        frame = Frame(role, task.name, index, self, task)
        cast.tasks[task] = None
        if role.datagram:
            self.sockets[task] = None
        self.frames[task] = frame
        self._unfinished += 1
        self.loop.start(task, life(frame, cast.block(index), partial(target, self) if role.side == "client" else None))

    def accepted(self, cast: Cast, channel: Channel) -> None:
        """A connection has come for a server role."""
        if self._over:
            channel.abandon()
            return
        if cast.wanted is None or cast.begun < cast.wanted:
            name = cast.name(cast.begun)
            self.connected(name, channel)
            if not cast.program.datagram:
                self.record(name, None, "accept", None)
            self._add(cast, channel)
            return
        channel.abandon()
        if not cast.program.allow_unread:
            message = one_too_many(cast.program, cast.wanted, channel.peer)
            self._fail(Failure("connection", cast.program.name, None, message))

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
                return connect(self, task, command)
            case Kill() if self.company is not None:
                return self.company.kill(command)
            case StartTls():
                return self.securing.start(task, self.frames[task], command)
            case Done():
                return self._done(task)
            case _:
                raise AssertionError(f"{command} is no command for a scene")

    def _arrive(self, task: Task, name: str) -> Reply:
        for cast in self.casts.values():
            if name in cast.left:
                self.frames[task].fail("deadlock", barrier_lost(name, cast.program.name))
        return self.sharing.arrive(task, name)

    def _done(self, task: Task) -> Reply:
        task.done = True
        if self._over:
            self._end_if_parted()
            return PENDING
        cast = self.casts[task.role]
        cast.ended += 1
        left = cast.barriers(self.frames[task].index)
        cast.left.update(left)
        for name in left:
            for other in self.sharing.at_barrier(name):
                self.frames[other].fail("deadlock", barrier_lost(name, task.name))
        if cast.over:
            self.sharing.tell((Fact("ended", task.role),))
        if cast.program.datagram:
            self.loop.ready.append(self._look_for_end)  # its socket stays open; nothing else would tell
        if cast.program.hold:
            self._holding.append(task)
        self._release_holders()
        return PENDING if task in self._holding else None

    def _release_holders(self) -> None:
        if self.is_played():
            holding, self._holding = self._holding, []
            for task in holding:
                self.loop.wake(task)

    # --- the end ---

    def somebody_ended(self) -> None:
        """A process whose end was awaited has come to it, or who attended has left."""
        self._release_holders()
        self.loop.ready.append(self._look_for_end)

    def finished(self, task: Task) -> None:
        if task in self.frames:
            self._unfinished -= 1
            self._look_for_end()

    def _look_for_end(self) -> None:
        """Past all steps, what is left are datagram sockets, to be read out, and `connections: any`."""
        if self._over or self._concluding or not self.is_played():
            return
        if any(cast.left_open and not cast.over for cast in self.casts.values()) and not self._closing:
            self._closing = True  # `quiet` goes on, once nothing comes any more
            self.closed_world = True
            self.polls = 0
            self.loop.watch(self)
            return
        if self._closing and any(not task.done for task in self.frames):
            return
        sockets = [task for task in self.sockets if task.generator is not None]
        if self._unfinished > len(sockets) or self._somebody_came() or self._passing:
            return
        self._concluding = True
        for task in sockets:
            if task.channel is not None and not self._over:
                self.loop.resume(task, task.channel.conclude())
        if not self._unfinished:
            self._conclude(outcome.PASSED)

    def is_played(self) -> bool:
        """Whether every role has done its steps, but for those whose end the others decide, and awaited processes."""
        if self.attended or (self.company is not None and not self.company.over):
            return False
        return all(cast.over or cast.left_open for cast in self.casts.values())

    def _somebody_came(self) -> bool:
        """The last look at the doors: one more connection than asked for may have come unnoticed."""
        before = self._unfinished
        for listener in self.listeners:
            listener.look()
        return self._over or self._unfinished > before

    def quiet(self) -> None:
        """Nothing is ready for this scenario and nothing comes: it ends, or nobody can go on."""
        if self._passing:
            return
        from sockrun.playing import quiet  # start-up

        if self._over:
            if not self.outsiders and not any(quiet.may_go_on(task) for task in self.frames if not task.done):
                self._end()
            return
        if self._closing:
            if lingering.release_listeners(self):
                return
            lingering.forget_idle(self)
            self._look_for_end()
        failure = None if self._over or self.outsiders else quiet.deadlock(self)
        if failure is not None:
            self._fail(failure)

    def forget(self, task: Task, channel: Channel) -> None:
        """The task does not count any more."""
        self.loop.stop(task)
        task.done = True
        channel.abandon()
        self._unfinished -= 1

    def failed(self, task: Task | None, error: Exception) -> None:
        """Something raised: see `outcome.of_error`. What fails in `finally`, past the verdict, is only shown."""
        channel = task.channel if task is not None else None
        if self._over:
            self._part_badly(task, error)
        elif task is not None and channel is not None and lingering.came_to_nothing(self, task, channel, error):
            self.forget(task, channel)
            self._look_for_end()
        else:
            self._conclude(outcome.of_error(error, None if task is None else self.frames.get(task)))

    def _timed_out(self, task: Task) -> None:
        from sockrun.playing import quiet

        self._fail(quiet.out_of_time(self))

    def interrupt(self) -> None:
        """Ctrl-C: end soon, and say what was running; the second time end at once."""
        if self._over:
            self._end_now()
        else:
            self._conclude(outcome.INTERRUPTED)

    def give_up(self, why: str) -> None:
        """End at once, because it does not end by itself."""
        self._conclude(Verdict(Status.FAILED, why))
        self._end_now()

    def voice(self, task: Task) -> str:
        """'udp_reverse: client, step 2: send', where the step is under way."""
        frame = self.frames.get(task)
        words = f"{self.program.id}: {task.name}"
        if frame is not None and frame.place is not None and not (task.done or self._over):
            words += f", {step_text(frame.place, frame.rounds)}: {frame.place.label}"
        return words if self.mask is None else self.mask.text(words)

    def trace(self) -> list[Trace]:
        """What has happened so far."""
        return self._recorder.trace()

    def abandon(self) -> None:
        """End at once, since nobody turns the loop any more."""
        self.interrupt()
        self._end_now()

    def _fail(self, failure: Failure) -> None:
        self._conclude(outcome.of_failure(failure))

    # --- past the verdict ---

    def _conclude(self, verdict: Verdict) -> None:
        """The verdict is known, and the first one stands: what is done in any case is done, then all is given back."""
        if self._over:
            return
        self._over = True
        if verdict is outcome.PASSED:
            self._end()
            return
        from sockrun.playing import quiet

        self._verdict = quiet.with_surroundings(verdict, self)
        if self.company is not None:
            self.company.leave()
        for starter in self.starters:
            self.loop.stop(starter)
        part(self)
        self.loop.arm(self._clock, PARTING, lambda _: self._end())
        self._end_if_parted()

    def _part_badly(self, task: Task | None, error: Exception) -> None:
        verdict = outcome.of_error(error)
        if verdict.status is Status.BUG:
            self._verdict = verdict
        if task is not None:
            task.done = True
            frame = self.frames[task]
            self.record(task.name, frame.place, f"fails in 'finally': {verdict.reason}", None, frame.rounds)
        self._end_if_parted()

    def _end_if_parted(self) -> None:
        if all(task.done for task in self.frames):
            self._end()

    def _end(self) -> None:
        """Give everything back, and tell the result, once all processes have ended."""
        if self.company is None:
            self._end_now()
        elif not self.given_back:
            self.company.end(self._verdict, self._end_with)

    def _end_with(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._end_now()

    def _end_now(self) -> None:
        if self.given_back:
            return
        self.given_back = True
        if self.company is not None:
            self.company.abandon()
        seconds = self._recorder.seconds
        self._close()
        told = self._traced or self._verdict is not outcome.PASSED
        trace, connections = (self.trace(), self._recorder.connections()) if told else ((), ())
        self._ended(outcome.result(self.program, self._verdict, seconds, trace, connections))

    def _close(self) -> None:
        for task in self.frames:
            self.loop.stop(task)
            if task.channel is not None:
                task.channel.abandon()
        if self.proxies is not None:
            self.proxies.close()
        self.loop.stop(self._clock)
        self.loop.forget(self)
        for task in self.starters:
            self.loop.stop(task)
        for listener in self.listeners:
            listener.close()
        for port in self.sharing.ports.values() if self.within is None else ():
            self.network.release(port)
        self.workspace.remove()

    # --- what roles see (interpreter.Stage) ---

    def patience(self, channel: Channel | None) -> float:
        inside = not self.outsiders or channel is None or channel.paired
        return inf if inside else OUTSIDE_PATIENCE

    def now(self) -> float:
        return self.loop.now()

    def random_bytes(self, size: int) -> bytes:
        return self.network.random_bytes(size)
