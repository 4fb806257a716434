"""One thread, one loop: which task runs next, and when a deadline has passed.

Tasks are generators that yield commands (`sockrun.commands`). This module resumes them, keeps the timers,
and knows nothing of sockets: a `poll` function given from outside waits for them. The kernel's and the
simulated network share it.

Facts a reader needs:

- A deadline is judged only after everything that was ready before it has been handled, so that a late loop
  fails nobody; and time that the loop itself lost (the process was stopped, the machine busy) is taken off
  the clock.
- One heap entry a task at most is live: a deadline that moves back leaves its entry where it is, and the
  entry is put off when it comes up. Entries of those that were stopped go once they are half of the heap: else
  each ended scenario would stay in memory until its timeout has passed.
- The ready queue goes first, but the sockets are asked at least every `FAIRNESS` runs.
- Whoever has been sent something runs next (`appendleft`), while all it needs is still in the processor's
  cache: with 1,000 connections that is a third of the time. After `FAIRNESS` runs the next in line goes first.
- A scenario counts as quiet when the sockets, asked twice without waiting, had nothing for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Protocol

from sockrun.commands import Close, Command, Event, Finish, Receive, Reset, Send, SendPieces, Shutdown, Sleep
from sockrun.network.interface import PENDING, Channel, Reply

if TYPE_CHECKING:
    from sockrun.masking import Mask

FAIRNESS = 256
TURNS = range(FAIRNESS)
STOPPED_TIMERS = 100  # entries of stopped tasks that are not worth a look through the heap
STALL = 0.05  # seconds that a step may take, or a wait last too long, before the rest counts as lost
CHANNEL_METHODS: dict[type, str] = {  # `send` and `receive` are called directly
    SendPieces: "send_pieces",
    Shutdown: "shutdown",
    Close: "close",
    Reset: "reset",
    Finish: "finish",
}


class Owner(Protocol):
    """The scenario that a task belongs to: it handles the commands that concern other roles.

    `polls` counts how often the sockets were asked since one of its tasks last ran (1 at first);
    `closed_world` says that nobody outside takes part, so that its standing still is worth a look. `mask` hides its
    secrets, where it has any.
    """

    polls: int
    closed_world: bool
    mask: Mask | None

    def handle(self, task: Task, command: Command) -> Reply:
        """Carry out a command that is not for a channel."""
        ...

    def finished(self, task: Task) -> None: ...
    def failed(self, task: Task | None, error: Exception) -> None: ...
    def quiet(self) -> None: ...

    def voice(self, task: Task) -> str:
        """Who does what with the task's socket now, in words for people, secrets hidden."""
        ...


class Task:
    """One copy of a role, or one connection of a server role, playing its steps."""

    __slots__ = (
        "channel",
        "command",
        "deadline",
        "done",
        "entry",
        "generator",
        "name",
        "on_expiry",
        "owner",
        "role",
    )

    def __init__(self, owner: Owner, role: str, name: str) -> None:
        self.owner = owner
        self.role = role
        self.name = name
        self.generator: Generator[Command, Event, None] | None = None
        self.channel: Channel | None = None
        self.command: Command | None = None  # the one outstanding
        self.done = False  # its steps are
        self.deadline = inf
        self.entry = inf  # when its live heap entry comes up
        self.on_expiry: Callable[[Task], None] | None = None  # None: its channel is told


class Loop:
    """`poll(timeout)` waits `timeout` seconds at most (None: for ever), calls `woke` with that, and handles what
    the sockets have."""

    def __init__(self, poll: Callable[[float | None], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._poll = poll
        self._clock = clock
        self._lost = 0.0
        self._looked = self.moment = clock()  # when the sockets were last asked
        self._serial = count()
        self._timers: list[tuple[float, int, Task]] = []
        self._stopped = 0  # so many of them, at most, belong to tasks that were stopped
        self._restless: set[Owner] = set()  # closed worlds that moved since they were last found quiet
        self._hurried = False
        self._marked = False  # whether `_marked_ran` is in the queue
        self._current: Task | None = None  # the one that runs: it cannot be closed from inside
        self.ready: deque[Callable[[], None]] = deque()

    def now(self) -> float:
        """Seconds on a clock that stands still while the loop is held up.

        `moment` is that clock when the present task was resumed: near enough for deadlines and the trace,
        and reading the clock is a tenth of what a step costs.
        """
        moment = self._clock() - self._lost
        if moment - self.moment > STALL:
            moment = self._held_up(moment, self.moment + STALL)
        self.moment = moment
        return moment

    def woke(self, timeout: float | None) -> None:
        """`poll` has waited, as it was asked to, and handles now what it found: the wait itself is not lost."""
        moment = self._clock() - self._lost
        if timeout is not None and moment - self.moment > timeout + STALL:
            moment = self._held_up(moment, self.moment + timeout + STALL)
        self._looked = self.moment = moment

    def _held_up(self, moment: float, at_most: float) -> float:
        """Take off the clock what it is beyond `at_most`; so it never runs backwards."""
        self._lost += moment - at_most
        return at_most

    # --- tasks ---

    def start(self, task: Task, generator: Generator[Command, Event, None]) -> None:
        """Play `generator` from the loop's next turn on."""
        task.generator = generator
        self.wake(task)

    def wake(self, task: Task, event: Event = None) -> None:
        """Resume the task in a coming turn, not now: the caller is in the middle of another one."""
        self.ready.append(partial(self.resume, task, event))

    def resume(self, task: Task, event: Event) -> None:
        """Run the task until a command is pending or it ends. It may have been stopped in the meantime."""
        generator = task.generator
        if generator is None:
            return
        self._current = task
        moment = self._clock() - self._lost
        self.moment = moment if moment - self.moment <= STALL else self._held_up(moment, self.moment + STALL)
        owner = task.owner
        if owner.polls:
            owner.polls = 0
            if owner.closed_world:
                self._restless.add(owner)
        send = generator.send
        try:
            for _ in TURNS:
                command = task.command = send(event)
                # These two are nearly all there is: a look-up costs a tenth of a round trip.
                if type(command) is Receive:
                    reply = task.channel.receive(task, command)  # type: ignore[union-attr]
                elif type(command) is Send:
                    reply = task.channel.send(task, command)  # type: ignore[union-attr]
                else:
                    reply = self._carry_out(task, command)
                if reply is PENDING:
                    return
                event = reply
            self.wake(task, event)  # others want to run too
        except StopIteration:
            task.generator = None
            owner.finished(task)
        except Exception as error:
            self.fail(task, error)

    def _carry_out(self, task: Task, command: Command) -> Reply:
        """A command goes to the channel, to the timers, or to the scenario."""
        method = CHANNEL_METHODS.get(command.__class__)
        if method is not None:
            reply: Reply = getattr(task.channel, method)(task, command)
            return reply
        if isinstance(command, Sleep):
            if command.seconds > 0:
                self.arm(task, command.seconds, self._slept)
            else:
                self.wake(task)  # the others have their turn, also where the clock stands still
            return PENDING
        return task.owner.handle(task, command)

    def fail(self, task: Task | None, error: Exception) -> None:
        """What the task waited for has raised: its owner is told."""
        if task is not None:
            task.generator = None
            task.owner.failed(task, error)

    def stop(self, task: Task) -> None:
        """The task is never resumed again; its generator is closed."""
        generator, task.generator = task.generator, None
        self.disarm(task)
        if task.entry < inf:
            self._leave(task)
        if generator is not None and task is not self._current:
            generator.close()

    def watch(self, owner: Owner) -> None:
        """Tell the owner when it has become quiet, though none of its tasks moves."""
        self._restless.add(owner)

    def forget(self, owner: Owner) -> None:
        """The owner has ended."""
        self._restless.discard(owner)

    def _slept(self, task: Task) -> None:
        self.resume(task, None)

    # --- deadlines ---

    def arm(self, task: Task, seconds: float, on_expiry: Callable[[Task], None] | None = None) -> None:
        """Call `on_expiry(task)` (None: the channel's `expired`) in `seconds`, unless disarmed or armed anew before."""
        task.on_expiry = on_expiry
        task.deadline = deadline = self.moment + seconds
        if deadline < task.entry:
            self.enter(task)

    def disarm(self, task: Task) -> None:
        task.deadline = inf

    def enter(self, task: Task) -> None:
        """Give the task's deadline a heap entry."""
        task.entry = task.deadline
        heappush(self._timers, (task.deadline, next(self._serial), task))

    def _leave(self, task: Task) -> None:
        """The task's entry is of no use any more."""
        task.entry = inf
        self._stopped += 1
        if self._stopped > max(STOPPED_TIMERS, len(self._timers) // 2):
            # In place: whoever ends a scenario in `_expire` comes here while that goes through the same list.
            self._timers[:] = [timer for timer in self._timers if timer[0] == timer[2].entry]
            heapify(self._timers)
            self._stopped = 0

    def _expire(self, moment: float) -> None:
        timers = self._timers
        while timers and timers[0][0] <= moment:
            entry, _, task = heappop(timers)
            if entry != task.entry:
                continue  # an earlier deadline has taken its place
            task.entry = inf
            if task.deadline > moment:
                if task.deadline < inf:
                    self.enter(task)
                continue
            task.deadline = inf
            if task.on_expiry is not None:
                task.on_expiry(task)
            elif task.channel is not None:
                task.channel.expired(task)

    # --- turns ---

    def turn(self) -> None:
        """Run what is ready, ask the sockets once, and judge the deadlines."""
        ready = self.ready
        for _ in range(FAIRNESS):
            if not ready:
                break
            ready.popleft()()
        ready.rotate(-1)
        asked = self.now()
        timeout = self._timeout(asked)
        self._poll(timeout)
        if not ready:
            self._judge(asked if timeout == 0 else self._looked)
        elif not self._marked:
            self._marked = True
            ready.append(partial(self._marked_ran, asked))

    def _marked_ran(self, moment: float) -> None:
        """All that was ready at that moment has run, though the queue is never empty: somebody is always busy."""
        self._marked = False
        self._judge(moment)

    def _judge(self, moment: float) -> None:
        """Who is quiet, and whose deadline had passed at that moment."""
        if self._restless:
            self._count_polls()
        self._expire(moment)

    def hurry(self) -> None:
        """The next poll does not wait: somebody outside the loop wants to go on."""
        self._hurried = True

    def _timeout(self, now: float) -> float | None:
        if self.ready or self._restless or self._hurried:
            self._hurried = False
            return 0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - now)

    def _count_polls(self) -> None:
        for owner in list(self._restless):
            owner.polls += 1
            if owner.polls >= 2:
                self._restless.discard(owner)
                owner.quiet()
