"""What a schema cannot say: everything that is wrong only because of something else in the file.

Two tables of checks. Those of `ALWAYS` are about what is there; those of `WHEN_COMPLETE` say 'nothing ever
...', and are asked only where nothing was left out for another error.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from sockrun.commands import Await, Barrier, Command, Kill
from sockrun.compiling.builder import started_after
from sockrun.compiling.compiler import Compilation, CompiledRole, signals_given
from sockrun.compiling.limits import ROLE_KEYS, Kind, obstacle
from sockrun.compiling.model import RESERVED, Named, Role
from sockrun.compiling.names import check_names
from sockrun.compiling.reach import check_reach
from sockrun.diagnostics import Problems, did_you_mean
from sockrun.program import FileProgram, Place, commands_in, file_name
from sockrun.source import Node, Span

_EVERYWHERE = frozenset({b"0.0.0.0", b"::", b""})


def check(root: Node, compilation: Compilation) -> None:
    """Report what the pieces of a scenario have against each other to its `context.problems`."""
    problems = compilation.context.problems
    _check_declared_names(root, compilation, problems)
    check_names(compilation, problems)
    for each in ALWAYS:
        each(compilation, problems)
    if compilation.complete:
        for each in WHEN_COMPLETE:
            each(compilation, problems)


# --- names -------------------------------------------------------------------------------------


def _check_declared_names(root: Node, compilation: Compilation, problems: Problems) -> None:
    """One name, one meaning: constants, roles and processes may not hide each other."""
    seen: dict[str, tuple[str, Span]] = {}
    for section, what in (
        ("vars", "a variable"),
        ("secrets", "a secret"),
        ("matrix", "a name of the matrix"),
        ("processes", "a process"),
        ("roles", "a role"),
    ):
        node = root.get(section)
        for name, span in (node.keys if node else {}).items():
            if name in RESERVED:
                message = f"{name!r} cannot be the name of {what}: expressions use it for something else"
                problems.error("reserved-name", message, span, hint="choose another name")
            elif name in seen:
                other, place = seen[name]
                message = f"{name!r} is the name of {what} and of {other}"
                hint, related = "choose another name for one of them", [(place, other)]
                problems.error("name-clash", message, span, hint=hint, related=related)
            seen.setdefault(name, (what, span))


def _check_variables(compilation: Compilation, problems: Problems) -> None:
    for one in compilation.roles.values():
        for name, span in one.context.binds.items():
            if name in RESERVED:
                message = f"{name!r} cannot be the name of a variable: expressions use it for something else"
                problems.error("reserved-name", message, span, hint="choose another name")
            elif name in compilation.context.constants:
                message = f"{name!r} is a constant already, and a role cannot change it"
                problems.error("name-clash", message, span, hint="choose another name for the role's variable")


# --- who talks to whom -------------------------------------------------------------------------


def _roles(compilation: Compilation) -> Iterator[Role]:
    return (one.role for one in compilation.roles.values())


def _unknown(kind: str, named: Named, compilation: Compilation, problems: Problems) -> None:
    names = compilation.scenario.names
    hint = did_you_mean(named.name, names) or f"the roles are {', '.join(sorted(names))}"
    problems.error(kind, f"there is no role {named.name!r}", named.span, hint=hint)


def _check_somebody(compilation: Compilation, problems: Problems) -> None:
    scenario = compilation.scenario
    if not scenario.names:
        message = "this scenario has no role, so there is nothing to play"
        problems.error("no-role", message, scenario.span, hint="add a server and a client to 'roles'")


def _check_targets(compilation: Compilation, problems: Problems) -> None:
    for role in _roles(compilation):
        if role.to is None or "to" not in role.keys:
            continue
        target = compilation.roles.get(role.to.name)
        if role.to.name not in compilation.scenario.names or role.to.name in compilation.scenario.processes:
            _unknown("unknown-role", role.to, compilation, problems)
        elif target is not None and target.role.side == "client":
            message = f"{role.to.name!r} is a client: nobody listens there"
            related = [(target.role.span, "this role")]
            problems.error("to-a-client", message, role.to.span, hint="name a server role", related=related)


def _check_addresses(compilation: Compilation, problems: Problems) -> None:
    """Every client has somebody to connect to, and every unix role a path."""
    for role in _roles(compilation):
        if role.side == "proxy":
            _check_proxy(role, problems)
            continue
        addressed = role.to is not None or (role.path if role.protocol == "unix" else role.port) is not None
        if addressed or (role.side == "server" and role.protocol != "unix"):
            continue
        wanted = "path" if role.protocol == "unix" else "port"
        if role.side == "server":
            hint = "say 'path: ${dir}/name.sock'"
            problems.error("no-path", f"unix server {role.name!r} has no path", role.span, hint=hint)
        else:
            message = f"{role.side} {role.name!r} does not say whom it connects to"
            problems.error("no-target", message, role.span, hint=f"name a server with 'to', or give a {wanted!r}")


def _check_proxy(role: Role, problems: Problems) -> None:
    """A proxy has a target, and over unix sockets a path of its own."""
    if role.to is None:
        message = f"proxy {role.name!r} does not say whom it stands before"
        problems.error("no-target", message, role.span, hint="name a server with 'to'")
    elif role.protocol == "unix" and role.path is None:
        hint = "say 'path: ${dir}/name.sock'"
        problems.error("no-path", f"unix proxy {role.name!r} has no path", role.span, hint=hint)


def _check_files(compilation: Compilation, problems: Problems) -> None:
    """Every file can be written beside the others, as far as its name is known before the scenario runs."""
    files: dict[str, FileProgram] = {}
    folders: dict[str, FileProgram] = {}
    for file in compilation.program.files:
        if file.name.constant is None:
            continue
        name = file_name(file.name.constant)
        path = posixpath.normpath(name)
        above = [str(folder) for folder in PurePosixPath(path).parents]
        other = folders.get(path) or next((files[folder] for folder in above if folder in files), None)
        if "\0" in name or path == ".":
            problems.error("bad-name", f"{name!r} is no name of a file", file.span, hint="choose another name")
        elif other is not None:
            message = f"{name!r} cannot be written: one of two files would be the folder of the other"
            hint = "choose another name for one of them"
            problems.error("bad-name", message, file.span, hint=hint, related=[(other.span, "the other one")])
        else:
            files[path] = file
            folders.update((folder, file) for folder in above if folder not in folders)


def _check_fixed_addresses(compilation: Compilation, problems: Problems) -> None:
    """No two servers on one port or path."""
    taken: dict[tuple[str, object], list[CompiledRole]] = defaultdict(list)
    for one in compilation.roles.values():
        if one.role.side == "client" or _shares(one.role):
            continue
        key = one.fixed
        if key is None:
            continue
        for other in taken[key]:
            if _overlap(one, other):
                where = f"{key[0]} {_noun(one)} {key[1]}"
                message = f"{one.role.name!r} and {other.role.name!r} listen on the same {where}"
                hint = "leave one 'port' out, and a free one is taken" if one.role.port else "choose another path"
                related = [(other.role.span, "the other one")]
                span = one.role.keys.get("port" if one.role.port else "path", one.role.span)
                problems.error("same-address", message, span, hint=hint, related=related)
                break
        taken[key].append(one)


def _shares(role: Role) -> bool:
    """Whether its socket lets others have the same port, as members of a multicast group do."""
    return role.socket.reuse_port or (role.protocol == "udp" and bool(role.socket.reuse_address))


def _noun(one: CompiledRole) -> str:
    return "path" if one.role.protocol == "unix" else "port"


def _overlap(one: CompiledRole, other: CompiledRole) -> bool:
    hosts = {one.host, other.host}
    return None not in hosts and (len(hosts) == 1 or not _EVERYWHERE.isdisjoint(hosts))


# --- keys and steps that do not fit their role -------------------------------------------------


def _check_keys(compilation: Compilation, problems: Problems) -> None:
    for role in _roles(compilation):
        kind = Kind(role.protocol, role.side, role.datagram)
        for key, span in role.keys.items():
            limit = ROLE_KEYS.get(key)
            why = obstacle(key, limit, kind) if limit else None
            if limit and why:
                problems.error("misplaced-key", f"{why}: role {role.name!r}", span, hint=limit.instead)


def _check_idle_servers(compilation: Compilation, problems: Problems) -> None:
    """A server that nobody can connect to has nothing to do."""
    for role in _roles(compilation):
        reason = "'listen: false'" if not role.listen else "'connections: 0'" if role.connections == 0 else None
        steps = [step for sequence in role.sequences for step in sequence]
        if reason is not None and steps:
            message = f"the steps of {role.name!r} are never played, since it says {reason}"
            problems.error("never-reached", message, steps[0].span, hint=f"leave out the steps, or {reason}")


def _check_reach(compilation: Compilation, problems: Problems) -> None:
    for role in _roles(compilation):
        kind = Kind(role.protocol, role.side, role.datagram)
        for sequence in (*role.sequences, role.last):
            check_reach(sequence, kind, problems)
        own = [turn.step for turn in compilation.scenario.turns if turn.role.name == role.name]
        check_reach(own, kind, problems)


def _check_finally(compilation: Compilation, problems: Problems) -> None:
    """What is done in any case cannot wait for others that may have failed."""
    for one in compilation.roles.values():
        for place, command in commands_in(one.program.last):
            if isinstance(command, Barrier):
                message = "'barrier' cannot stand in 'finally': the others may have ended before"
                problems.error("misplaced-step", message, place.span, hint="put it behind the role's other steps")


# --- order -------------------------------------------------------------------------------------


def _check_turns(compilation: Compilation, problems: Problems) -> None:
    seen: set[str] = set()
    for turn in compilation.scenario.turns:
        named = turn.role
        if named.name not in compilation.scenario.names or named.name in compilation.scenario.processes:
            _unknown("unknown-role", named, compilation, problems)
        elif named.name in compilation.roles and named.name not in seen:
            seen.add(named.name)
            role = compilation.roles[named.name].role
            if role.copies:
                message = f"role {role.name!r} has copies, and a step of the scenario is done once"
                hint, related = "leave out 'instances' or 'connections'", [(role.span, "this role")]
                problems.error("copies-in-turn", message, named.span, hint=hint, related=related)


def _commands(compilation: Compilation) -> Iterator[tuple[Role, Place, Command]]:
    for one in compilation.roles.values():
        for block in one.program.blocks:
            yield from ((one.role, place, command) for place, command in commands_in(block))


def _check_signals(compilation: Compilation, problems: Problems) -> None:
    """A wait for a signal that nobody ever gives lasts as long as the scenario."""
    given = signals_given(compilation.roles)
    for _, place, command in _commands(compilation):
        for fact in command.facts if isinstance(command, Await) else ():
            if fact.kind == "signal" and fact.name not in given:
                hint = did_you_mean(fact.name, given) or f"give it somewhere: 'signal: {fact.name}'"
                problems.error("signal-never-given", f"nobody ever gives signal {fact.name!r}", place.span, hint=hint)


def _check_barriers(compilation: Compilation, problems: Problems) -> None:
    """A barrier is for several: roles that name it, or copies of one."""
    parties: dict[str, dict[str, tuple[Role, Span]]] = defaultdict(dict)
    for role, place, command in _commands(compilation):
        if isinstance(command, Barrier):
            parties[command.name].setdefault(role.name, (role, place.span))
    for name, found in parties.items():
        for role, span in found.values():
            if role.connections is None:
                message = f"barrier {name!r} in a role with 'connections: any': how many there are is not known"
                problems.error("barrier-any", message, span, hint="say how many connections there are")
        (role, span), *others = found.values()
        if not others and not role.copies:
            hint = "name it in another role too, or leave it out"
            problems.error("lonely-barrier", f"nobody else has barrier {name!r}", span, hint=hint)


def _check_starts(compilation: Compilation, problems: Problems) -> None:
    given = signals_given(compilation.roles)
    names = {*compilation.scenario.names, *given}
    starts = dict(_starts(compilation))
    for name, start in starts.items():
        for named in start:
            if named.name not in names:
                hint = did_you_mean(named.name, names) or "name a role, a process or a signal that some step gives"
                message = f"there is no role, process or signal {named.name!r}"
                problems.error("unknown-start", message, named.span, hint=hint)
            elif name in _waited_for(named.name, starts):
                what = "role" if name in compilation.roles else "process"
                message = f"{what} {name!r} would wait for its own end"
                problems.error("start-cycle", message, named.span, hint="start one of them at once")


def _starts(compilation: Compilation) -> Iterator[tuple[str, Sequence[Named]]]:
    """Every role and process, and what its start waits for."""
    for role in _roles(compilation):
        yield role.name, role.start
    for name, node in compilation.scenario.processes.items():
        yield name, tuple(started_after(node.get("start")))


def _waited_for(name: str, starts: Mapping[str, Sequence[Named]]) -> set[str]:
    """The roles and processes that must have started, or ended, before `name` does, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one in starts and one not in found:
            found.add(one)
            waiting.extend(named.name for named in starts[one])
    return found


def _check_kills(compilation: Compilation, problems: Problems) -> None:
    """Only what the scenario itself has started may be sent a signal."""
    processes = compilation.scenario.processes
    left_out = compilation.scenario.names.keys() - compilation.roles.keys()  # of a wrong shape
    for _, place, command in _commands(compilation):
        if isinstance(command, Kill) and command.process not in processes and command.process not in left_out:
            hint = did_you_mean(command.process, processes) or "name one of 'processes'"
            message = f"there is no process {command.process!r}"
            problems.error("unknown-process", message, place.span, hint=hint)


Check = Callable[[Compilation, Problems], None]

ALWAYS: Sequence[Check] = (
    _check_somebody,
    _check_variables,
    _check_targets,
    _check_addresses,
    _check_files,
    _check_fixed_addresses,
    _check_keys,
    _check_idle_servers,
    _check_reach,
    _check_finally,
    _check_turns,
    _check_kills,
)
WHEN_COMPLETE: Sequence[Check] = (_check_signals, _check_barriers, _check_starts)
