"""The processes of a running scenario: who starts when, what the others may know of them, and their end.

Must not live here: one process (`member.py`). Imported only when a scenario has processes.

The one theory: services start one after the other, each ready before the next (`start` takes one out of this
row); then the roles and the awaited processes begin. At the end services are sent their `stop`, and what is left
of anything after `STOPPING` seconds is killed; the scenario is given back when nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sockrun.commands import Await, Fact, Failed, Kill
from sockrun.network.interface import Reply
from sockrun.network.loop import Task
from sockrun.playing import outcome, quiet
from sockrun.playing.frame import Common, StepFailed
from sockrun.playing.member import LAST, Member, Run
from sockrun.playing.outcome import Verdict
from sockrun.records import replace
from sockrun.results import Failure, Waiting
from sockrun.values import ExpressionError, NotYet, Value

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene

STOPPING = 2.0  # seconds between `stop` and KILL
DYING = 0.1  # seconds between the end of a program's connections and its own, at most


class Company:
    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.scope = Common(scene)
        self.members = {name: Member(program, self) for name, program in scene.program.processes.items()}
        self.leaving = False  # the verdict is known, so that ends are no surprise
        self._waited_for = [one for one in self.members.values() if one.program.service and not one.program.start_after]
        self.death: Failure | None = None  # noticed when the verdict was known already
        self._stopping = False
        self._begun: Callable[[], None] | None = None
        self._ended: Callable[[], None] | None = None
        self._clock = Task(scene, "", "")
        scene.sharing.of_process = self.attribute

    # --- the beginning ---

    def begin(self, then: Callable[[], None]) -> None:
        """Start the services; `then` is called when all of them are ready that nothing else is waited for."""
        self._begun = then
        before: tuple[Fact, ...] = ()
        for member in self.members.values():
            if not member.program.service:
                continue
            self._start(member, member.program.start_after or before)
            if member in self._waited_for:
                before = (Fact("ready", member.program.name),)
        self.one_is_ready()

    def start_awaited(self) -> None:
        """Start the processes whose end is awaited."""
        for member in self.members.values():
            if not member.program.service:
                self._start(member, member.program.start_after)

    def _start(self, member: Member, after: tuple[Fact, ...]) -> None:
        self.scene.loop.start(member.task, member.life(after))

    def one_is_ready(self) -> None:
        if self._begun is not None and all(member.ready for member in self._waited_for):
            begun, self._begun = self._begun, None
            self.scene.loop.ready.append(begun)

    @property
    def setting_up(self) -> float:
        """Seconds that it may take at most until the roles begin."""
        return sum(member.seconds * (1 + len(member.program.setup)) for member in self._waited_for)

    # --- what they tell ---

    def tell(self, fact: Fact) -> None:
        self.scene.sharing.tell((fact,))

    def record(self, name: str, text: str) -> None:
        self.scene.record(name, None, text, None)

    def failed(self, error: Exception) -> None:
        if not self.leaving:
            self.scene.failed(None, error)

    def died(self, failure: Failure) -> None:
        """A process has ended as it should not. Roles may have seen that before as a connection that was closed."""
        if not self.leaving:
            self.scene.failed(None, StepFailed(failure))
        elif not self._stopping:
            self.death = failure
            if self._ended is not None:
                self._stop()

    def one_has_ended(self) -> None:
        self.scene.somebody_ended()

    def folder(self) -> str:
        return self.scene.workspace.folder()

    # --- what others ask ---

    @property
    def over(self) -> bool:
        """Whether all that is awaited has ended as expected."""
        return self._begun is None and all(one.done or one.program.service for one in self.members.values())

    def attribute(self, name: str, attribute: str) -> Value:
        """`process.attribute` in an expression. Raises: NotYet, ExpressionError.

        What an awaited process writes is known when it has ended; of a service it is what has come so far.
        """
        member = self.members[name]
        run = member.main
        if attribute == "pid":
            if run.pid is None:
                raise NotYet("started", name)
            return run.pid
        if run.status is None and (attribute == "exit" or not member.program.service):
            raise NotYet("ended", name)
        if attribute == "exit":
            return run.status or 0
        output = run.outputs["stdout" if attribute == "stdout" else "stderr"]
        if output.left_out:
            raise ExpressionError(f"{name} wrote more to {attribute} than is kept: 16 MiB")
        return output.kept

    def kill(self, command: Kill) -> Reply:
        member = self.members[command.process]
        run = member.main
        if run.status is not None:
            return Failed(f"{command.process} has ended already")
        assert run.child is not None, "a step waits for its start first"
        member.killed = True
        run.child.signal(command.signal)
        return None

    def waiting(self) -> Iterator[Waiting]:
        """Who of them the scenario still waits for."""
        for name, member in self.members.items():
            needed = member in self._waited_for and not member.ready
            if needed or not (member.program.service or member.done):
                doing = self._doing(member, "is not ready" if needed else "has not ended")
                yield Waiting(name, doing, None, role_span=member.program.span)

    def _doing(self, member: Member, running: str) -> str:
        """What a process is doing; `running` says it of one that has started and not ended."""
        if member.main.pid is None:
            return "has not started"
        if member.main.status is None:
            return running
        command = member.task.command
        missing = self.scene.sharing.missing(command.facts) if isinstance(command, Await) else ()
        return f"{quiet.ENDED}, and {quiet.waits_for(missing)} to be judged" if missing else quiet.ENDED

    def output(self) -> Iterator[tuple[str, bytes]]:
        """The end of what each of them wrote."""
        for run in self._runs():
            for stream, output in run.outputs.items():
                last = output.last(LAST)
                if last:
                    yield f"{run.name} {stream}", last

    # --- the end ---

    def leave(self) -> None:
        """The verdict is known: nothing that they do changes it any more."""
        self.leaving = True
        for member in self.members.values():
            self.scene.loop.stop(member.task)

    def end(self, verdict: Verdict, then: Callable[[Verdict], None]) -> None:
        """Stop the services, end whatever is left, and call `then` with the last word when nothing is.

        A verdict that may have its cause in the death of a process gives it time to be noticed.
        """
        if self._ended is not None:
            return
        self.leave()
        self._ended = lambda: then(self._last_word(verdict))
        if _is_doubtful(verdict) and self.death is None and any(one.main.running for one in self.members.values()):
            self.scene.loop.arm(self._clock, DYING, lambda _: self._stop())
        else:
            self._stop()

    def _stop(self) -> None:
        self._stopping = True
        for member in self.members.values():
            for run in member.runs:
                if run.child is None or run.over:
                    continue
                if member.program.service and run is member.main:
                    if run.running:  # else only what it has started is left
                        self.record(run.name, f"is stopped with {member.program.stop}")
                    run.child.signal_group(member.program.stop)
                else:
                    run.child.end()
        self.scene.loop.arm(self._clock, STOPPING, lambda _: self._kill())
        self.one_is_over()

    def _kill(self) -> None:
        for run in self._runs():
            if run.child is not None and not run.over:
                run.child.end()

    def one_is_over(self) -> None:
        if self._ended is not None and all(run.over for run in self._runs()):
            self.scene.loop.stop(self._clock)
            self.scene.loop.ready.append(self._ended)

    def abandon(self) -> None:
        """End everything at once, and wait for it: nobody may turn the loop any more."""
        self.leave()
        self.scene.loop.stop(self._clock)
        for run in self._runs():
            if run.child is not None and not run.over:
                run.child.abandon()
                run.over = True

    def _last_word(self, verdict: Verdict) -> Verdict:
        """What is expected of services is judged when they have ended; the death of one is a cause of its own."""
        if verdict is outcome.PASSED:
            failure = self._judge()
            return verdict if failure is None else quiet.with_surroundings(outcome.of_failure(failure), self.scene)
        if self.death is not None and _is_doubtful(verdict):
            return replace(verdict, reason=self.death.message, failure=self.death)
        return verdict

    def _judge(self) -> Failure | None:
        try:
            for member in self.members.values():
                if member.program.service:
                    for _ in member.judge():
                        raise ExpressionError(f"what is expected of {member.program.name} was never known")
        except StepFailed as failed:
            return failed.failure
        except ExpressionError as error:
            return Failure("process", "", None, error.message)
        return None

    def _runs(self) -> Iterator[Run]:
        return (run for member in self.members.values() for run in member.runs)


def _is_doubtful(verdict: Verdict) -> bool:
    """Whether a role has seen what the death of a program looks like from outside."""
    failure = verdict.failure
    return failure is not None and failure.kind in ("closed", "reset", "refused") and not failure.environment
