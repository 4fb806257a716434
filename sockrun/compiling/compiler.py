"""From the model to the program: every role's steps become instructions, and everything that is known, bytes.

Lives here: what belongs to a role or the scenario as a whole. Must not live here: the kinds of step
(`steps.py`), and what roles have to do with each other (`checks.py`), apart from what the program needs:
whose turn it is, and what a role's start waits for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sockrun.commands import Await, Fact, Tell
from sockrun.compiling.builder import started_after
from sockrun.compiling.context import Context
from sockrun.compiling.faulting import faults, weather
from sockrun.compiling.gaps import may_bind, may_tell
from sockrun.compiling.model import Named, Role, Scenario, Step
from sockrun.compiling.scalars import Literal, converted_if_said, to_bytes, to_port
from sockrun.compiling.securing import certificates, needs_authority, tls_settings
from sockrun.compiling.steps import compile_step, compile_steps
from sockrun.compiling.workshop import Workshop, framing_of
from sockrun.program import (
    Block,
    CertificateProgram,
    Do,
    FileProgram,
    Instruction,
    Place,
    ProcessProgram,
    Program,
    RoleProgram,
    barriers_in,
    commands_in,
)
from sockrun.records import dataclass, replace
from sockrun.source import Node, Span
from sockrun.values import Operand, Value
from sockrun.wire.payloads import compile_payload


@dataclass(frozen=True)
class CompiledRole:
    """A role's program, beside what it was made of.

    `complete`: no step was left out that may bind a name; `tells`: none that may give a signal or be at a barrier.
    """

    role: Role
    program: RoleProgram
    context: Context
    complete: bool
    tells: bool

    @property
    def fixed(self) -> tuple[str, object] | None:
        """Protocol, and the path or port, as far as they are known before the scenario runs."""
        if self.role.protocol == "unix":
            return ("unix", self.role.path.value) if self.role.path else None
        port = self.program.port.constant if self.program.port else None
        return (self.role.protocol, port) if port else None

    @property
    def host(self) -> Value | None:
        """The host, where it is known before the scenario runs; a path has none."""
        if self.role.protocol == "unix":
            return b""
        return self.program.host.constant if self.program.host else b"127.0.0.1"


@dataclass(frozen=True)
class Compilation:
    """A scenario's program, beside what the checks need to know.

    `complete`: no role and no step was left out that may give a signal or be at a barrier.
    """

    scenario: Scenario
    program: Program
    roles: Mapping[str, CompiledRole]
    context: Context
    complete: bool


def compile_scenario(
    scenario: Scenario, context: Context, identity: str, scale: float = 1.0, timeout: float | None = None
) -> Compilation:
    """Compile all roles. `scale` multiplies timeouts; `timeout` (seconds) stands for the scenario's own.

    Problems go to `context.problems`.
    """
    compiled = {name: _compile_role(role, scenario, context, scale) for name, role in scenario.roles.items()}
    started = {name: _with_start(_pointed(one, compiled), scenario, compiled) for name, one in compiled.items()}
    files = tuple(_files(scenario, context))
    made = tuple(certificates(scenario.certificates, context))
    processes = _processes(scenario, started, context, scale)
    program = Program(
        id=identity,
        name=scenario.name,
        description=scenario.description,
        tags=scenario.tags,
        source=scenario.span.source,
        span=scenario.span,
        roles={name: one.program for name, one in started.items()},
        timeout=(scenario.timeout if timeout is None else timeout) * scale,
        requires=scenario.requires,
        expect_failure=scenario.expect_failure,
        constants=context.constants,
        late=context.late,
        ports=tuple(scenario.ports),
        files=files,
        certificates=made,
        authority=_signed_for(made, started),
        processes=processes,
        network=weather(scenario.network, context),
    )
    complete = scenario.complete and all(one.tells for one in started.values())
    return Compilation(scenario, program, started, context, complete)


def _signed_for(made: tuple[CertificateProgram, ...], roles: Mapping[str, CompiledRole]) -> Span | None:
    """The first that wants a certificate of the run."""
    spans = [one.span for one in made]
    spans += (one.program.span for one in roles.values() if needs_authority(one.program))
    return spans[0] if spans else None


# --- roles -------------------------------------------------------------------------------------


def _compile_role(role: Role, scenario: Scenario, shared: Context, scale: float) -> CompiledRole:
    context = replace(shared, references=[], binds={}, rebinds=[])
    shop = _workshop(role, scenario, context, scale)
    sequences = _sequences(scenario, shop)
    program = RoleProgram(
        name=role.name,
        span=role.span,
        protocol=role.protocol,
        side=role.side,
        sequences=sequences,
        datagram=role.datagram,
        host=_host(role, context),
        port=converted_if_said(role.port, context, to_port),
        path=converted_if_said(role.path, context, to_bytes),
        to=None if role.to is None else role.to.name,
        local_host=converted_if_said(role.local_host, context, to_bytes),
        local_port=converted_if_said(role.local_port, context, to_port),
        socket=role.socket,
        connections=role.connections,
        per_sender=role.datagram and (role.side == "proxy" or "connections" in role.keys),
        instances=role.instances,
        hold=role.hold,
        listen=role.listen,
        allow_unread=role.allow_unread,
        retry_for=role.retry_for,
        timeout=role.timeout * scale,
        tls=tls_settings(role.tls, role, context),
        network=faults(role, context),
        last=compile_steps(role.last, shop, "finally."),
        barriers=frozenset().union(*map(barriers_in, sequences)),
    )
    program = replace(program, hosts=frozenset(_hosts(program, shop)))
    complete, tells = not any(map(may_bind, shop.gaps)), not any(map(may_tell, shop.gaps))
    return CompiledRole(role, program, context, complete, tells)


def _hosts(program: RoleProgram, shop: Workshop) -> Iterator[str]:
    """The hosts that the role and its steps name, as far as they are known already."""
    for host in (program.host, program.local_host):
        if host is not None and isinstance(host.constant, bytes):
            yield host.constant.decode("utf-8", "replace")
    if program.socket.multicast_group is not None:
        yield program.socket.multicast_group
    yield from shop.hosts


def _host(role: Role, context: Context) -> Operand | None:
    """A server that joins a group listens on the group's address, unless it says another one."""
    group, interface = role.socket.multicast_group, role.socket.multicast_interface
    if role.host is not None or group is None or role.side != "server":
        return converted_if_said(role.host, context, to_bytes)
    zone = f"%{interface}" if interface and ":" in group and "%" not in group else ""
    return Literal(f"{group}{zone}".encode())


def _workshop(role: Role, scenario: Scenario, context: Context, scale: float) -> Workshop:
    own = [step for sequence in (*role.sequences, role.last) for step in sequence]
    turns = [turn.step for turn in scenario.turns if turn.role.name == role.name]
    return Workshop(
        role=role,
        roles=scenario.roles,
        context=context,
        framing=None if role.framing is None or role.datagram else framing_of(role.framing, context),
        scale=scale,
        keeps=any(map(_mentions_received, (*own, *turns))),
    )


def _sequences(scenario: Scenario, shop: Workshop) -> tuple[Block, ...]:
    turns = [(k, turn.step) for k, turn in enumerate(scenario.turns) if turn.role.name == shop.role.name]
    if turns:
        return (tuple(_in_turn(turns, scenario, shop)),)
    return tuple(compile_steps(sequence, shop) for sequence in shop.role.sequences)


def _in_turn(turns: list[tuple[int, Step]], scenario: Scenario, shop: Workshop) -> Iterator[Instruction]:
    """The steps that the scenario gives to one role, each behind the one before, whoever does that."""
    order = [turn.role.name for turn in scenario.turns]
    for k, step in turns:
        block = compile_step(step, str(k + 1), shop)
        place = block[0].place if block else Place(str(k + 1), step.word, step.span)
        if k > 0 and order[k - 1] != shop.role.name:
            yield Do(place, (Await((Fact("turn", str(k)),)),))
        yield from block
        if k + 1 < len(order) and order[k + 1] != shop.role.name:
            yield Do(place, (Tell((Fact("turn", str(k + 1)),)),))


def _mentions_received(step: Step) -> bool:
    """Whether the bytes that the role's last `expect` took are asked for, so that they have to be kept."""
    nodes = [*step.options.values(), *([step.argument] if step.argument else [])]
    return any(map(_node_mentions_received, nodes)) or any(map(_mentions_received, step.inside))


def _node_mentions_received(node: Node) -> bool:
    if isinstance(node.value, str):
        return "received" in node.value
    return any(map(_node_mentions_received, node.items or node.mapping.values()))


def _pointed(one: CompiledRole, compiled: Mapping[str, CompiledRole]) -> CompiledRole:
    """A client whose address is the one that a server role listens on counts as `to` it."""
    if one.role.side != "client" or one.program.to is not None or one.fixed is None or one.host is None:
        return one
    for other in compiled.values():
        if other.role.side != "client" and (other.fixed, other.host) == (one.fixed, one.host):
            return replace(one, program=replace(one.program, to=other.role.name))
    return one


# --- the start ---------------------------------------------------------------------------------


def _with_start(one: CompiledRole, scenario: Scenario, compiled: Mapping[str, CompiledRole]) -> CompiledRole:
    """What `start: {after: NAME}` waits for depends on what NAME is: a role, a process, or a signal."""
    if not one.role.start:
        return one
    given = signals_given(compiled)
    return replace(one, program=replace(one.program, start_after=_start_facts(one.role.start, scenario, given)))


def _processes(
    scenario: Scenario, roles: Mapping[str, CompiledRole], context: Context, scale: float
) -> dict[str, ProcessProgram]:
    """The programs that take part, with what their start waits for, and what roles want to know of them."""
    if not scenario.processes:
        return {}
    from sockrun.compiling.processes import compile_processes, with_kept  # few scenarios have any

    given = signals_given(roles)
    compiled = {
        name: replace(one, start_after=_start_facts(tuple(started_after(node.get("start"))), scenario, given))
        for (name, node), one in zip(
            scenario.processes.items(), compile_processes(scenario, context, scale).values(), strict=True
        )
    }
    contexts = [context, *(one.context for one in roles.values())]
    referred = {(reference.base, reference.attribute or "") for each in contexts for reference, _ in each.references}
    return with_kept(compiled, referred)


def _start_facts(names: Sequence[Named], scenario: Scenario, given: Mapping[str, Span]) -> tuple[Fact, ...]:
    facts = (_fact(named, scenario, given) for named in names)
    return tuple(fact for fact in facts if fact is not None)


def signals_given(compiled: Mapping[str, CompiledRole]) -> dict[str, Span]:
    """Every signal that some step gives, and where."""
    return {
        fact.name: place.span
        for one in compiled.values()
        for block in one.program.blocks
        for place, command in commands_in(block)
        if isinstance(command, Tell)
        for fact in command.facts
        if fact.kind == "signal"
    }


def _fact(named: Named, scenario: Scenario, given: Mapping[str, Span]) -> Fact | None:
    process = scenario.processes.get(named.name)
    if process is not None:
        from sockrun.compiling.processes import is_awaited

        if not is_awaited(process):
            return Fact("ready", named.name)
    if named.name in scenario.names:
        return Fact("ended", named.name)
    return Fact("signal", named.name) if named.name in given else None  # the checks report what is unknown


# --- files -------------------------------------------------------------------------------------


def _files(scenario: Scenario, context: Context) -> Iterator[FileProgram]:
    for file in scenario.files:
        name = context.text(file.name)
        content = compile_payload(file.content, context.for_messages(True))
        if name is not None and content is not None:
            yield FileProgram(name, content, file.name.span, file.mode)
