"""The names that expressions may use, held against what the scenario can ever give them.

A name that nothing ever binds would make its reader wait until the scenario's timeout: it is told here.
Where a role or a step could not be compiled its names are not known, and nothing is said about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from sockrun.compiling.compiler import Compilation, CompiledRole
from sockrun.compiling.context import Context
from sockrun.diagnostics import Problems, did_you_mean
from sockrun.expressions import Reference
from sockrun.records import dataclass
from sockrun.source import Span

_OF_A_CONNECTION: Mapping[str, frozenset[str]] = {
    "peer": frozenset({"host", "port"}),
    "local": frozenset({"host", "port"}),
    "tls": frozenset({"version", "alpn", "cipher", "server_name", "peer"}),
}
_OF_A_SERVER = frozenset({"host", "port", "connections"})
_OF_A_PROCESS = frozenset({"exit", "stdout", "stderr", "pid"})


@dataclass(frozen=True)
class _Place:
    """Where a reference stands: inside a role, or (`own` is None) in something of the whole scenario."""

    own: CompiledRole | None
    compilation: Compilation

    @property
    def constants(self) -> Iterable[str]:
        return {*self.compilation.context.constants, *self.compilation.context.late}

    @cached_property
    def names(self) -> set[str]:
        """All names that stand alone."""
        role = {"received", "index", *self.own.context.binds} if self.own else set()
        return {*self.constants, *role, "dir"}


def check_names(compilation: Compilation, problems: Problems) -> None:
    """Report every name in an expression that nothing ever binds."""
    for one in compilation.roles.values():
        _check(one.context, _Place(one, compilation), problems)
    _check(compilation.context, _Place(None, compilation), problems)


def _check(context: Context, place: _Place, problems: Problems) -> None:
    for reference, span in context.references:
        if reference.attribute is None:
            _check_word(reference.base, span, place, problems)
        else:
            _check_attribute(reference, reference.attribute, span, place, problems)


def _check_word(word: str, span: Span, place: _Place, problems: Problems) -> None:
    known = place.names
    if word in known or word in place.compilation.context.unknown or (place.own is not None and not place.own.complete):
        return
    if word == "round":
        problems.error("unbound-name", "'round' has a value only inside repeat", span)
    elif word in place.compilation.scenario.names:
        hint = f"write ${{{word}.host}}, ${{{word}.port}} or a variable of it"
        problems.error("unbound-name", f"{word!r} is a role or process, not a value", span, hint=hint)
    else:
        hint = did_you_mean(word, known) or "bind it with 'set', 'as' or a named group, or declare it in 'vars'"
        problems.error("unbound-name", f"nothing ever binds {word!r}", span, hint=hint)


def _check_attribute(reference: Reference, attribute: str, span: Span, place: _Place, problems: Problems) -> None:
    base, scenario = reference.base, place.compilation.scenario
    if base == "env" or base in place.compilation.context.unknown:
        return
    if base in place.compilation.roles:
        _check_role(place.compilation.roles[base], reference, attribute, span, problems)
        return
    if base in scenario.names and base not in scenario.processes:
        return  # a role that could not be built
    known = _attributes(base, place)
    if known is None:
        near = did_you_mean(base, {*scenario.names, *_OF_A_CONNECTION, "ports", "env"})
        hint = near or "a role, a process, or one of peer, local, tls, ports, env can stand there"
        problems.error("unbound-name", f"there is no {base!r} that has a {attribute!r}", span, hint=hint)
    elif attribute not in known:
        hint = did_you_mean(attribute, known) or f"it has {', '.join(sorted(known)) or 'nothing'}"
        problems.error("unbound-name", f"{base!r} has no {attribute!r}", span, hint=hint)


def _attributes(base: str, place: _Place) -> frozenset[str] | None:
    """What `base` has; None where there is no such thing."""
    scenario = place.compilation.scenario
    if base in scenario.processes:
        return _OF_A_PROCESS
    if base == "ports":
        return frozenset(scenario.ports)
    return _OF_A_CONNECTION.get(base) if place.own is not None else None


def _check_role(one: CompiledRole, reference: Reference, attribute: str, span: Span, problems: Problems) -> None:
    name, binds = one.role.name, one.context.binds
    always = frozenset() if one.role.side == "client" else _OF_A_SERVER
    if attribute in always:
        return
    if attribute not in binds:
        if one.complete:
            known = always | set(binds)
            hint = did_you_mean(attribute, known) or f"bind it there with 'set', 'as' or a named group of role {name!r}"
            message = f"role {name!r} never binds {attribute!r}"
            problems.error("unbound-name", message, span, hint=hint, related=[(one.role.span, "this role")])
    elif one.role.copies and not reference.indexed:
        hint = f"say which one: {name}[0].{attribute} is the first one's"
        message = f"role {name!r} has copies, and each has a {attribute!r} of its own"
        problems.error("which-copy", message, span, hint=hint, related=[(one.role.span, "this role")])
