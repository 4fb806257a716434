"""One process of a running scenario: its start, its being ready, its end, and what is expected of it.

Must not live here: what a process is for the system (`network/processes.py`), and what all of them mean for the
scenario (`company.py`). Like a role, a process plays as a generator that yields commands.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sockrun.commands import Await, Command, Event, Fact, Match, Matcher, Mismatch, Sleep, Tell
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Spawn
from sockrun.network.loop import Task
from sockrun.network.processes import Child, Stream, how_it_ended, number_of, searched
from sockrun.playing.frame import StepFailed, refusal
from sockrun.playing.output import Output, Pace
from sockrun.program import Place, ProcessProgram, Ready
from sockrun.records import replace
from sockrun.results import Failure, FailureKind
from sockrun.values import ExpressionError, NotYet, Operand, Scope, Value

if TYPE_CHECKING:
    from sockrun.playing.company import Company

T = TypeVar("T")
Life = Generator[Command, Event, None]

READY_WITHIN = 10.0  # seconds, for a process that says no `timeout`
LOOK_AGAIN = 0.005  # seconds between two looks whether it is ready
LAST = 2048  # bytes of its output that a failure shows
MOST_OF_A_FILE = 16 * 1024 * 1024  # bytes
PROXIES = frozenset({b"http_proxy", b"https_proxy", b"ftp_proxy", b"all_proxy", b"no_proxy"})


class Run:
    """One command being run, the process itself or one of its `setup`; satisfies `processes.Observer`."""

    def __init__(self, member: Member, name: str, kept: frozenset[str]) -> None:
        self._member = member
        self._company = member.company
        self.name = name
        self.outputs: dict[Stream, Output] = {
            "stdout": Output("stdout" in kept),
            "stderr": Output("stderr" in kept),
        }
        self._paces: dict[Stream, Pace] = {"stdout": Pace(), "stderr": Pace()}
        self.child: Child | None = None
        self.pid: int | None = None
        self.status: int | None = None
        self.over = False

    @property
    def running(self) -> bool:
        return self.pid is not None and self.status is None

    def started(self, pid: int) -> None:
        self.pid = pid
        self._company.tell(Fact("started", self.name))

    def refused(self, reason: str) -> None:
        refused = EnvironmentRefused(f"{self.name} cannot be started: {reason}")
        self._company.failed(refusal(self.name, refused, self._member.place))

    def wrote(self, stream: Stream, data: bytes) -> None:
        if self._company.scene.tap is not None:
            self._company.scene.tap.wrote(self.name, stream, data)
        self.outputs[stream].add(data)
        for line in self._paces[stream].told(self.outputs[stream].lines(data), self._company.scene.loop.moment):
            self._say(stream, line)

    def ended(self, status: int) -> None:
        self.status = status
        for stream, output in self.outputs.items():
            for line in (*self._paces[stream].rest(), *output.rest()):
                self._say(stream, line)
        self._company.record(self.name, how_it_ended(status))
        self._company.tell(Fact("ended", self.name))
        self._member.has_ended(self)

    def empty(self) -> None:
        if self.child is not None:
            self.child.end()  # nothing is left that a keeper is needed for

    def closed(self) -> None:
        self.over = True
        self._company.one_is_over()

    def broken(self, error: Exception) -> None:
        self._company.failed(error)

    def _say(self, stream: Stream, line: str) -> None:
        self._company.record(self.name, f"{'|' if stream == 'stdout' else '||'} {line}")

    def last_words(self) -> str:
        """', its last line: "..."', where it wrote anything."""
        written = b"\n".join(output.last(LAST) for output in self.outputs.values())
        lines = [line for line in written.decode("utf-8", "replace").splitlines() if line.strip()]
        return f'; its last line: "{lines[-1].strip()}"' if lines else "; it wrote nothing"


class Member:
    """A process of the scenario."""

    def __init__(self, program: ProcessProgram, company: Company) -> None:
        self.program = program
        self.company = company
        self.task = Task(company.scene, program.name, program.name)
        self.place = Place("", "process", program.span)
        self.main = Run(self, program.name, program.kept)
        self.runs: list[Run] = []
        self.ready = False
        self.done = False  # it has been awaited, and all was as expected
        self.killed = False  # by a step, so that its end is no surprise

    @property
    def seconds(self) -> float:
        """How long it may take to be ready, and each command of its `setup`."""
        return READY_WITHIN if self.program.timeout is None else self.program.timeout

    def life(self, begin_after: Sequence[Fact]) -> Life:
        """From its start to its being ready (a service), or to its end."""
        if begin_after:
            yield Await(tuple(begin_after))
        for k, words in enumerate(self.program.setup, 1):
            yield from self._set_up(Run(self, f"{self.program.name} setup {k}", frozenset()), words)
        is_ready = yield from self._test(self.program.ready)
        yield from self._spawn(self.main, self.program.command)
        yield from self._until_ready(self.program.ready, is_ready)
        self.ready = True
        yield Tell((Fact("ready", self.program.name),))
        self.company.one_is_ready()
        if not self.program.service:
            yield from self._until_ended()

    # --- starting ---

    def _set_up(self, run: Run, words: tuple[Operand, ...]) -> Life:
        yield from self._spawn(run, words)
        yield from self._awaited(run, self.seconds)
        if run.status != 0:
            self._fail("process", f"{run.name} {how_it_ended(run.status or 0)}, not 0{run.last_words()}")

    def _spawn(self, run: Run, words: tuple[Operand, ...]) -> Life:
        spawn = yield from self._made(lambda scope: self._order(words, scope))
        if run is self.main:
            stdin = self.program.stdin
            pieces = None if stdin is None else (yield from self._made(stdin.pieces))
            spawn = replace(spawn, stdin=pieces, stdin_open=self.program.stdin_open)
        self.company.record(run.name, "starts: " + shlex.join(map(os.fsdecode, spawn.words)))
        run.child = self.company.scene.network.spawn(spawn, run)
        self.runs.append(run)
        yield Await((Fact("started", run.name),))

    def _order(self, words: tuple[Operand, ...], scope: Scope) -> Spawn:
        folder = os.fsencode(self.company.folder())
        cwd = folder if self.program.cwd is None else _bytes(self.program.cwd, scope)
        asked = None if self.program.user_if_root and os.geteuid() != 0 else self.program.user
        user = b"" if asked is None else _bytes(asked, scope)
        if user:
            with suppress(LookupError, OSError):  # without the permission the change of user tells it
                shutil.chown(folder, user.decode())
        given = {name.encode(): _bytes(value, scope) for name, value in self.program.env}
        return Spawn(
            words=[_bytes(word, scope) for word in words],
            env={**_environment(folder), **given},
            cwd=os.path.join(folder, cwd),
            folder=folder,
            user=user.decode(),
        )

    # --- being ready ---

    def _test(self, ready: Ready | None) -> Generator[Command, Event, Callable[[], str | None]]:
        """A function that says what is still missing, or None once it is ready."""
        network = self.company.scene.network
        if ready is not None and ready.port is not None:
            protocol = ready.protocol
            port = yield from self._made(ready.port.evaluate)
            assert isinstance(port, int)
            if protocol == "tcp" and network.bound(protocol, port):
                reason = f"{self.program.name} cannot listen on port {port}: somebody does already"
                raise refusal(self.program.name, EnvironmentRefused(reason), self.place)
            missing = f"port {port} is not {'in LISTEN' if protocol == 'tcp' else 'bound'}"
            return lambda: None if network.bound(protocol, port) else missing
        if ready is not None and ready.path is not None:
            name = _bytes_of((yield from self._made(ready.path.evaluate)))
            path = os.path.join(self.company.folder(), os.fsdecode(name))
            return lambda: None if os.path.exists(path) else f"{path} is not there"
        if ready is not None and ready.output is not None:
            return self._written((yield from self._made(ready.output)), ready.summary)
        return lambda: None

    def _written(self, matcher: Matcher, summary: str) -> Callable[[], str | None]:
        outputs = self.main.outputs.values()

        def missing() -> str | None:
            found = any(isinstance(matcher.judge(output.kept), Match) for output in outputs)
            return None if found else f"there is no {summary}"

        return missing

    def _until_ready(self, ready: Ready | None, missing: Callable[[], str | None]) -> Life:
        loop = self.company.scene.loop
        if ready is not None and ready.after is not None:
            yield Sleep(ready.after)
        deadline = loop.now() + self.seconds
        name = self.program.name
        while (what := missing()) is not None:
            if self.main.status is not None:
                return  # of a service that is the end of the scenario, of another one its exit status is judged
            if loop.now() > deadline:
                self._fail("timeout", f"{name} was not ready within {self.seconds:g} s: {what}{self.main.last_words()}")
            yield Sleep(LOOK_AGAIN)

    # --- the end ---

    def has_ended(self, run: Run) -> None:
        """A service that dies while the others play ends the scenario, unless a step has killed it.

        So does an awaited process that ends otherwise than it was expected to.
        """
        if run is not self.main or (self.killed and self.program.service):
            return
        failure = self._death() if self.program.service else self._unexpected_end()
        if failure is not None:
            self.company.died(failure)

    def _death(self) -> Failure:
        when = "while it was still needed" if self.ready else "before it was ready"
        message = f"{self.main.name} {how_it_ended(self.main.status or 0)} {when}{self.main.last_words()}"
        return Failure("process", self.main.name, self.place, message)

    def _unexpected_end(self) -> Failure | None:
        status, ends = self.main.status or 0, self.program.ends or ()
        if not ends or status in [-number_of(end) if isinstance(end, str) else end for end in ends]:
            return None
        names = " or ".join(f"by {end}" if isinstance(end, str) else str(end) for end in ends)
        message = f"{self.program.name} {how_it_ended(status)}, not {names}{self.main.last_words()}"
        return Failure("process", self.program.name, self._place_of("expect_exit"), message)

    def _until_ended(self) -> Life:
        yield from self._awaited(self.main, inf if self.program.timeout is None else self.program.timeout)
        yield from self.judge()
        self.done = True
        self.company.one_has_ended()

    def _awaited(self, run: Run, seconds: float) -> Life:
        loop = self.company.scene.loop
        if seconds < inf:
            loop.arm(self.task, seconds, lambda _: self._too_late(run, seconds))
        yield Await((Fact("ended", run.name),))
        loop.disarm(self.task)

    def _too_late(self, run: Run, seconds: float) -> None:
        message = f"{run.name} did not end within {seconds:g} s{run.last_words()}"
        self.company.failed(StepFailed(Failure("timeout", run.name, self.place, message)))

    def judge(self) -> Life:
        """Hold what it wrote, and the files, against what is expected. Raises: StepFailed."""
        for stream, output in self.main.outputs.items():
            make = self.program.expect.get(stream)
            if make is not None:
                self.place = self._place_of(f"expect_{stream}")
                if output.left_out:
                    self._fail("process", f"{self.program.name} wrote more to {stream} than is kept: 16 MiB")
                matcher = yield from self._made(make)
                self._hold(f"its {stream}", matcher.judge(output.kept))
        for operand, make, span in self.program.expect_files:
            self.place = Place("", "expect_files", span)
            name = os.fsdecode(_bytes_of((yield from self._made(operand.evaluate))))
            matcher = yield from self._made(make)
            self._hold(f"the file {name}", matcher.judge(self._read(name)))

    def _place_of(self, key: str) -> Place:
        return Place("", key, self.program.marks.get(key, self.program.span))

    def _read(self, name: str) -> bytes:
        try:
            with open(os.path.join(self.company.folder(), name), "rb") as file:
                data = file.read(MOST_OF_A_FILE + 1)
        except OSError as error:
            self._fail("process", f"the file {name} cannot be read: {error.strerror}")
        if len(data) > MOST_OF_A_FILE:
            self._fail("process", f"the file {name} has more than the 16 MiB that can be looked at")
        return data

    def _hold(self, what: str, verdict: object) -> None:
        if isinstance(verdict, Mismatch):
            message = f"{what}: {verdict.reason}"
            more = {"expected": verdict.expected, "received": verdict.received, "offset": verdict.offset}
            self._fail("mismatch", message, **more)

    # --- the rest ---

    def _fail(self, kind: FailureKind, message: str, **more: object) -> NoReturn:
        raise StepFailed(Failure(kind, self.program.name, self.place, message, **more))  # type: ignore[arg-type]

    def _made(self, make: Callable[[Scope], T]) -> Generator[Command, Event, T]:
        """What `make` gives, once all that it asks of others is there."""
        while True:
            try:
                return make(self.company.scope)
            except NotYet as missing:
                waited = Await((Fact(missing.kind, missing.name),))  # type: ignore[arg-type]
            except ExpressionError as error:
                self._fail("step", error.message)
            yield waited


def _bytes(operand: Operand, scope: Scope) -> bytes:
    return _bytes_of(operand.evaluate(scope))


def _bytes_of(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _environment(folder: bytes) -> Mapping[bytes, bytes]:
    """Ours, but for what makes a program's behaviour depend on who plays the scenario."""
    kept = {name: value for name, value in os.environb.items() if name.lower() not in PROXIES}
    path = searched(os.environ.get("PATH", os.defpath))
    return {**kept, b"HOME": folder, b"LC_ALL": b"C", b"PATH": os.fsencode(path)}
