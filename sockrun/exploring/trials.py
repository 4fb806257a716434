"""One run under some decisions, and what it has shown.

Lives here: how a program is made ready to be explored, and played. Must not live here: what is demanded of a run
(`demands.py`).

The one theory: the dice of `network` are taken away. What they could do is decided instead, one thing at a time, so
that a failure has a cause that can be named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sockrun.commands import Connect, Match, Receive, Sleep
from sockrun.exploring.decisions import (
    Apart,
    Befalls,
    Cut,
    Decision,
    Decisions,
    Ends,
    Joined,
    Slow,
    Slowest,
    Stall,
    Turn,
)
from sockrun.exploring.steering import Steered
from sockrun.hexdump import brief, size_text
from sockrun.masking import Mask
from sockrun.network.simulated.pipes import Pipe
from sockrun.playing.simulation import Simulation
from sockrun.program import AnyOrder, Faults, Program, Wait, commands_in, instructions_in
from sockrun.records import dataclass, replace
from sockrun.results import Result, Trace

LITTLE = 0.01  # seconds that a slow one takes longer than the longest pause
SHARE = 4  # of the shortest timeout that a slow one may take: so several are not too slow together
Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Stream:
    """`size`: bytes that arrived; `lost`: those that did not, for an end that nobody sent."""

    number: int
    sender: str
    receiver: str
    size: int
    lost: int
    to_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """`took`: what each role's steps took, message by message; `told`: how often one was told of something else.

    `strayed`: why it could not be simulated after all.
    """

    decisions: Decisions
    result: Result
    streams: Sequence[Stream]
    steered: Steered
    trace: Sequence[Trace]
    took: Mapping[str, Sequence[bytes]]
    told: Mapping[str, int]
    mask: Mask | None = None
    strayed: str = ""

    def came_up(self, decision: Decision) -> bool:
        """Whether what the decision names was there to be decided."""
        sizes = {stream.number: stream.size + stream.lost for stream in self.streams}
        match decision:
            case Cut(stream, offset):
                return 0 < offset < sizes.get(stream, 0)
            case Stall(stream, offset):
                return offset < sizes.get(stream, 0)
            case Ends(stream, offset, _):
                return offset <= sizes.get(stream, -1)
            case Apart(which) | Joined(which):
                return which is None or which in sizes
            case Befalls(number, _):
                return number < self.steered.datagrams
            case Turn(choice, _):
                return choice in self.steered.taken
            case Slow(turn):
                return turn < len(self.steered.turns)
            case Slowest():
                return True

    def shown(self, data: bytes) -> str:
        """Bytes in a few words; where there are secrets, their number alone: a part of one is known to nobody."""
        return brief(data) if self.mask is None else size_text(len(data))


class Stage:
    """A program as it is explored. `seed` decides what is random in its roles."""

    def __init__(self, program: Program, seed: int = 0) -> None:
        self.program = program
        self.seed = seed
        self.network = program.network
        self.pace = pace(program)
        steady = replace(program.network, loss=0.0, duplicate=0.0, reorder=0.0, jitter=0.0)
        self._steady = replace(program, network=steady)
        self._slowest = replace(program, network=slowest(program.network))
        self.runs = 0

    def play(
        self,
        decisions: Decisions = (),
        steered: Steered | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> Trial:
        """One run. `steered` carries the decisions out, where more than them is wanted of it."""
        self.runs += 1
        steered = steered or Steered(decisions, self.pace)
        program = self._slowest if any(isinstance(one, Slowest) for one in decisions) else self._steady
        connected: dict[Name, str] = {}

        def watch(_: str, entry: Trace) -> None:
            if isinstance(entry.command, Connect):
                connected.update(_connection(simulation, entry.role))

        simulation = Simulation(program, self.seed, steered, watch)
        world = simulation.world
        steered.later = world.wake_after
        if not self.network.reorder:
            world.late = self.network.jitter
        moved = world.moved

        def passed() -> None:
            steered.time_passes()
            moved()

        world.moved = passed
        result = simulation.run(interrupted)
        trace = simulation.scene.trace()
        names = _Names(simulation, connected)
        streams = tuple(names.stream(pipe) for pipe in world.pipes)
        took, told = _heard(trace)
        return Trial(decisions, result, streams, steered, trace, took, told, program.mask, simulation.strayed)


def slowest(faults: Faults) -> Faults:
    """All that passes takes as long as it may."""
    latency = faults.latency + faults.jitter
    return replace(faults, latency=latency, loss=0.0, duplicate=0.0, reorder=0.0, jitter=0.0)


def pace(program: Program) -> float:
    """Seconds that a slow role may take: more than any pause of the others, and too little for any timeout; 0: none."""
    timeouts, pauses = [program.timeout], [0.0]
    for role in program.roles.values():
        timeouts.append(role.timeout)
        for block in role.blocks:
            pauses += [command.seconds for _, command in commands_in(block) if isinstance(command, Sleep)]
            for step in instructions_in(block):
                if isinstance(step, AnyOrder):
                    timeouts.append(step.seconds)
                elif isinstance(step, Wait) and step.command is not None and _presses(step.command):
                    timeouts.append(step.command.seconds)
    seconds = max(pauses) + LITTLE
    return seconds if seconds <= min(timeouts) / SHARE else 0.0


def _presses(command: Receive) -> bool:
    """Whether it is a failure if nothing comes in time."""
    return command.expects != "silence" and not command.optional


def _heard(trace: Sequence[Trace]) -> tuple[dict[str, list[bytes]], dict[str, int]]:
    took: dict[str, list[bytes]] = {}
    told: dict[str, int] = {}
    for entry in trace:
        if not isinstance(entry.command, Receive):
            continue
        if isinstance(entry.event, Match):
            took.setdefault(entry.role, []).append(entry.event.data)
        else:
            told[entry.role] = told.get(entry.role, 0) + 1
    return took, told


# --- who is who --------------------------------------------------------------------------------


def _connection(simulation: Simulation, name: str) -> dict[Name, str]:
    """The address of a client that has just connected."""
    for task in simulation.scene.frames:
        local = task.channel.local if task.name == name and task.channel is not None else None
        if local is not None and not local.path:
            return {(local.host, local.port): name}
    return {}


class _Names:
    """Which roles have the two ends of a stream."""

    def __init__(self, simulation: Simulation, connected: Mapping[Name, str]) -> None:
        scene = simulation.scene
        self._roles = scene.program.roles
        self._clients = connected
        self._servers: dict[Name, str] = {}  # by the client's address
        self._doors = {
            (address.host, address.port): name
            for name, address in scene.sharing.addresses.items()
            if name in self._roles
        }
        for task in scene.frames:
            peer = task.channel.peer if task.channel is not None else None
            if peer is not None and self._roles[task.role].side == "server" and not peer.path:
                self._servers[peer.host, peer.port] = task.name

    def stream(self, pipe: Pipe) -> Stream:
        back = pipe.number % 2 == 1
        client, server = reversed(pipe.ends) if back else pipe.ends
        door = self._doors.get(server) or self._doors.get((_any(server[0]), server[1]), "the server")
        names = [self._client(client, door, pipe.number // 2), self._servers.get(client, door)]
        sender, receiver = reversed(names) if back else names
        side = self._roles[receiver].side if receiver in self._roles else None
        return Stream(pipe.number, sender, receiver, pipe.arrived, pipe.lost, side == "proxy")

    def _client(self, address: Name, server: str, connection: int) -> str:
        if address in self._clients:
            return self._clients[address]
        there = [name for name, role in self._roles.items() if role.to == server and role.side != "server"]
        proxies = [name for name in there if self._roles[name].side == "proxy"]
        if len(proxies) == 1 or len(there) == 1:
            return (proxies or there)[0]
        return f"client {connection}"


def _any(host: str) -> str:
    return "::" if ":" in host else "0.0.0.0"
