"""From the tree of a file to its model, for one combination of the matrix.

Lives here: the short forms become the long one, `defaults` are filled in, a role's protocol is found through
`to`, and what may take vars, matrix and env only becomes a plain value. Must not live here: shapes (the
schema has held them, so entries are taken apart without asking) and what steps, payloads or matchers mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from sockrun.compiling.context import Context
from sockrun.compiling.holes import is_whole
from sockrun.compiling.limits import ROLE_KEYS, Kind, Limit, obstacle
from sockrun.compiling.model import HOLE, VERBS, Case, File, Named, Role, Scenario, Step, Turn
from sockrun.compiling.scalars import settled, to_count, to_flag, to_integer, to_natural, to_seconds, to_text
from sockrun.diagnostics import Problems, did_you_mean, nearest
from sockrun.program import Protocol, Requires, Side, SocketOptions
from sockrun.records import dataclass
from sockrun.source import Node, Span
from sockrun.values import Value

MOST_ROLES = 1000
_PLAY = ("payload", "expect", "steps")
_ADDRESS = ("host", "port", "path")


@dataclass(frozen=True, slots=True)
class _Entries:
    """What one role says, itself and through `defaults`, before it is understood."""

    name: str
    span: Span
    nodes: dict[str, Node]
    keys: dict[str, Span]


def build(root: Node, context: Context) -> Scenario:
    """The model of a file that the schema has accepted. What is wrong is reported to `context.problems`.

    Raises: Invalid, where there are so many roles that to compare them with each other would take long.
    """
    _check_number(root, context.problems)
    roles = _Roles(root, context).build()
    processes = root.get("processes")
    written = root.get("roles")
    said = _items(root.get("steps"))
    turns = tuple(turn for node in said for turn in _turns(node, context))
    names = {**_keys(processes), **_keys(written)}
    return Scenario(
        name=settled(root.get("name"), context, to_text, ""),
        description=_text(root.get("description")),
        tags=tuple(_text(tag) for tag in _items(root.get("tags"))),
        span=root.span,
        roles=roles,
        names=names,
        processes=_mapping(processes),
        complete=is_whole(root) and roles.keys() == names.keys() - _keys(processes) and len(turns) == len(said),
        timeout=settled(root.get("timeout"), context, to_seconds, 30.0),
        requires=_requires(root.get("requires")),
        expect_failure=_expect_failure(root.get("expect_failure")),
        ports={_text(node): node.span for node in _items(root.get("ports"))},
        files=tuple(_files(root.get("files"))),
        certificates=root.get("certificates"),
        network=root.get("network"),
        turns=turns,
    )


def _check_number(root: Node, problems: Problems) -> None:
    roles = root.get("roles")
    if roles is not None and len(roles.keys) > MOST_ROLES:
        message = f"a scenario has {MOST_ROLES:,} roles at most, and this one has {len(roles.keys):,}"
        hint = "many of one kind are one role with 'instances' or 'connections'"
        problems.error("too-many-roles", message, root.keys["roles"], hint=hint)
        problems.raise_errors()


# --- steps -------------------------------------------------------------------------------------


def _step(node: Node) -> Step:
    if node.value is None:
        return Step(HOLE, HOLE, None, {}, node.span, node.keys)
    if not node.mapping:
        verb = str(node.value)
        return Step(verb, verb, None, {}, node.span, {verb: node.span})
    verbs = [key for key in node.mapping if key in VERBS]
    verb = next((key for key in verbs if key != "repeat"), "repeat")  # `send` may have `repeat` beside it
    options = {key: value for key, value in node.mapping.items() if key != verb}
    body = _steps(options.pop("steps", None))
    cases = tuple(map(_case, node.mapping[verb].items)) if verb == "react" else ()
    return Step(verb, verb, node.mapping[verb], options, node.span, node.keys, body, cases)


def _case(node: Node) -> Case:
    entries = node.mapping
    return Case(entries["expect"], entries.get("when"), _steps(entries.get("steps")), entries.get("leave"))


def _steps(node: Node | None) -> tuple[Step, ...]:
    return tuple(_step(item) for item in _items(node))


def _short_form(entries: _Entries, side: Side) -> tuple[Step, ...]:
    """A client sends and then awaits; a server awaits and then answers."""
    sent, expected = entries.nodes.get("payload"), entries.nodes.get("expect")
    send = [_short_step("send", "payload", sent)] if sent else []
    expect = [_short_step("expect", "expect", expected)] if expected else []
    return tuple(send + expect if side == "client" else expect + send)


def _short_step(verb: str, word: str, node: Node) -> Step:
    if node.value is None:
        return Step(HOLE, HOLE, None, {}, node.span, {verb: node.span})
    return Step(verb, word, node, {}, node.span)


def _turns(node: Node, context: Context) -> Iterator[Turn]:
    if len(node.mapping) != 1:
        message = "a step of the scenario names one role"
        context.problems.error("one-role", message, node.span, hint="write a step of its own for each role")
        return
    for name, step in node.mapping.items():
        yield Turn(Named(name, node.keys[name]), _step(step))


# --- roles -------------------------------------------------------------------------------------


class _Roles:
    """The roles of one scenario. What a role is may depend on another one, which it names with `to`."""

    def __init__(self, root: Node, context: Context) -> None:
        self.context = context
        self.problems = context.problems
        self.defaults = root.get("defaults")
        self.entries = {name: self._entries(root, name) for name in _mapping(root.get("roles"))}
        self.names = (root.get("roles") or root).keys  # also of roles whose shape is wrong
        self.targets = {name: self._target(entries) for name, entries in self.entries.items()}
        self.kinds: dict[str, Kind] = {}
        self.in_turns = {name for node in _items(root.get("steps")) for name in node.mapping}

    def build(self) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        for name, entries in self.entries.items():
            role = self._role(entries)
            if role is not None:
                roles[name] = role
        return roles

    def _entries(self, root: Node, name: str) -> _Entries:
        roles = cast(Node, root.get("roles"))
        node = roles.mapping[name]
        return _Entries(name, roles.keys[name], dict(node.mapping), dict(node.keys))

    def _kind(self, name: str) -> Kind:
        """The kind of a role, its protocol taken from the role it names with `to`, and that one's likewise."""
        for each in reversed(self._chain(name)):
            if each not in self.kinds:
                self.kinds[each] = self._own_kind(each)
        return self.kinds[name]

    def _chain(self, name: str) -> list[str]:
        """The roles that are reached by following `to`, the first one included, each once."""
        found: dict[str, None] = {}
        following: str | None = name
        while following in self.entries and following not in found:
            found[following] = None
            target = self.targets[following]
            following = None if target is None else self._meant(target)
        return list(found)

    def _own_kind(self, name: str) -> Kind:
        """The kind of a role whose target's kind is known already, where there is such a target."""
        nodes = self.entries[name].nodes
        fallback = _mapping(self.defaults)
        side = settled(nodes.get("side") or fallback.get("side"), self.context, to_text, "")
        target = self.targets[name]
        meant = None if target is None or side == "server" else self._meant(target)
        if meant in self.kinds:
            other = self.kinds[meant]
            return Kind(other.protocol, side, other.datagram)
        protocol = settled(nodes.get("protocol") or fallback.get("protocol"), self.context, to_text, "")
        flag = settled(nodes.get("datagram") or fallback.get("datagram"), self.context, to_flag, False)
        return Kind(protocol, side, protocol == "udp" or (protocol == "unix" and flag))

    def _meant(self, target: Named) -> str | None:
        """The role that `to` names, or the one that is near enough to be meant, so that its kind is known."""
        return target.name if target.name in self.names else nearest(target.name, self.entries)

    def _target(self, entries: _Entries) -> Named | None:
        """The role that `to` names, in the role or in `defaults`."""
        node = entries.nodes.get("to")
        if node is None and not any(key in entries.nodes for key in _ADDRESS):
            node = _mapping(self.defaults).get("to")
        return Named(settled(node, self.context, to_text, ""), node.span) if node else None

    def _role(self, entries: _Entries) -> Role | None:
        kind = self._kind(entries.name)
        if not self._kind_is_known(entries, kind):
            return None
        self._complain(entries, kind)
        self._fill_in_defaults(entries, kind)
        nodes, context = entries.nodes, self.context
        connections, sequences = self._conversations(entries, kind)
        return Role(
            name=entries.name,
            span=entries.span,
            protocol=cast(Protocol, kind.protocol),
            side=cast(Side, kind.side),
            keys=entries.keys,
            datagram=kind.datagram,
            to=self.targets[entries.name] if "to" in nodes else None,
            host=nodes.get("host"),
            port=nodes.get("port"),
            path=nodes.get("path"),
            local_host=nodes.get("local_host"),
            local_port=nodes.get("local_port"),
            framing=nodes.get("framing"),
            sequences=sequences,
            tls=nodes.get("tls"),
            network=nodes.get("network"),
            last=_steps(nodes.get("finally")),
            connections=connections,
            instances=settled(nodes.get("instances"), context, to_count, 1),
            start=tuple(started_after(nodes.get("start"))),
            hold=settled(nodes.get("hold"), context, to_flag, False),
            listen=settled(nodes.get("listen"), context, to_flag, True),
            allow_unread=settled(nodes.get("unread"), context, to_text, "fail") == "allow",
            retry_for=settled(nodes.get("retry_for"), context, to_seconds, 0.0),
            timeout=settled(nodes.get("timeout"), context, to_seconds, 5.0),
            socket=_socket(nodes.get("socket"), context),
        )

    def _kind_is_known(self, entries: _Entries, kind: Kind) -> bool:
        name, problems = entries.name, self.problems
        if not kind.side and "side" not in entries.keys:
            hint = "say 'side: server' or 'side: client'"
            problems.error("no-side", f"role {name!r} does not say its side", entries.span, hint=hint)
        elif kind.side and kind.side not in ("server", "client", "proxy"):
            message, span = f"{kind.side!r} is no side", entries.keys.get("side", entries.span)
            problems.error("bad-side", message, span, hint="say server or client")
        if not kind.protocol and "protocol" not in entries.keys:
            self._no_protocol(entries, kind)
        elif kind.protocol and kind.protocol not in ("tcp", "udp", "unix"):
            message = f"{kind.protocol!r} is no protocol"
            span = entries.keys.get("protocol", entries.span)
            problems.error("bad-protocol", message, span, hint="say tcp, udp or unix")
        return kind.side in ("server", "client", "proxy") and kind.protocol in ("tcp", "udp", "unix")

    def _no_protocol(self, entries: _Entries, kind: Kind) -> None:
        target = self.targets[entries.name]
        if target is not None and kind.side != "server":
            self._no_target(entries.name, target)
            return
        hint = "say 'protocol: tcp', udp or unix" + ("" if kind.side == "server" else ", or name a server with 'to'")
        message = f"role {entries.name!r} does not say its protocol"
        self.problems.error("no-protocol", message, entries.span, hint=hint)

    def _no_target(self, name: str, target: Named) -> None:
        """Why no protocol comes from `to`; where the target itself says none, that role is told."""
        if target.name not in self.names:
            hint = did_you_mean(target.name, self.names) or "name a role of this scenario"
            message = f"there is no role {target.name!r}"
            self.problems.error("unknown-role", message, target.span, hint=hint)
        elif name in self._chain(target.name):
            message = f"role {name!r} is its own target in the end"
            self.problems.error("to-a-circle", message, target.span, hint="name a server role")

    def _fill_in_defaults(self, entries: _Entries, kind: Kind) -> None:
        if self.defaults is None:
            return
        taken = set(entries.nodes)
        if entries.name in self.in_turns or taken.intersection(_PLAY):
            taken.update(_PLAY)
        if "to" in taken:
            taken.update(_ADDRESS)
        if taken.intersection(_ADDRESS):
            taken.add("to")
        for key, node in self.defaults.mapping.items():
            if key not in taken and obstacle(key, ROLE_KEYS.get(key, Limit()), kind) is None:
                entries.nodes[key] = node
                entries.keys[key] = self.defaults.keys[key]

    def _complain(self, entries: _Entries, kind: Kind) -> None:
        """Keys that cannot stand beside each other."""
        keys, problems = entries.keys, self.problems
        if "to" in keys and kind.side != "proxy":
            for key in _ADDRESS:
                if key in keys:
                    message = f"{key!r} stands beside 'to', which already says where to connect"
                    problems.error("to-and-address", message, keys[key], hint="leave one of them out")
        if "protocol" in keys and settled(entries.nodes["protocol"], self.context, to_text, "") != kind.protocol:
            message = f"role {entries.name!r} says another protocol than its target, which speaks {kind.protocol}"
            hint = "leave it out: 'to' gives the protocol"
            problems.error("other-protocol", message, keys["protocol"], hint=hint)
        own = [key for key in _PLAY if key in keys]
        if "steps" in own and len(own) > 1:
            message = f"{own[0]!r} cannot stand beside 'steps'"
            hint = "write it as a step: " + ("send" if own[0] == "payload" else "expect")
            problems.error("short-and-long", message, keys[own[0]], hint=hint, related=[(keys["steps"], "steps")])
        if own and entries.name in self.in_turns:
            message = f"role {entries.name!r} has steps of its own and steps in the scenario's order"
            problems.error("two-orders", message, keys[own[0]], hint="move its steps into one of the two places")

    def _conversations(self, entries: _Entries, kind: Kind) -> tuple[int | None, tuple[tuple[Step, ...], ...]]:
        """How many connections are served, and the steps: one sequence for all, or one for each."""
        side = cast(Side, kind.side)
        steps = _steps(entries.nodes.get("steps")) or _short_form(entries, side)
        node = entries.nodes.get("connections")
        if node is None:
            return 1, (steps,)
        if isinstance(node.value, tuple):
            if steps:
                message = "steps are given twice: for all connections, and for each one"
                related = [(entries.keys["connections"], "for each one")]
                self.problems.error("two-orders", message, steps[0].span, related=related)
            sequences = tuple(_steps(item) for item in node.items)
            return len(sequences), sequences
        once: int | None = 1
        return settled(node, self.context, _to_connections, once), (steps,)


def _to_connections(value: Value) -> int | None:
    """`any` is None: as many as come."""
    return None if value == b"any" else to_natural(value)


# --- small entries -----------------------------------------------------------------------------


def _mapping(node: Node | None) -> dict[str, Node]:
    return node.mapping if node else {}


def _keys(node: Node | None) -> Mapping[str, Span]:
    return node.keys if node else {}


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if node else ()


def _text(node: Node | None) -> str:
    return "" if node is None or node.value is None else str(node.value)


def _texts(node: Node | None) -> tuple[str, ...]:
    """A list of texts, or one text for a list of one."""
    if node is None:
        return ()
    return tuple(_text(item) for item in node.items) if isinstance(node.value, tuple) else (_text(node),)


def started_after(node: Node | None) -> Iterator[Named]:
    """What `start` waits for."""
    after = node.get("after") if node else None
    for named in () if after is None else after.items or (after,):
        yield Named(_text(named), named.span)


def _requires(node: Node | None) -> Requires:
    found = _mapping(node)
    ipv6, root = found.get("ipv6"), found.get("root")
    return Requires(
        command=_texts(found.get("command")),
        ipv6=ipv6 is not None and ipv6.value is True,
        root=root is not None and root.value is True,
        platform=_texts(found.get("platform")),
        env=_texts(found.get("env")),
        file=_texts(found.get("file")),
        module=_texts(found.get("module")),
    )


def _expect_failure(node: Node | None) -> bool | str:
    if node is None:
        return False
    return node.value if isinstance(node.value, bool) else _text(node)


def _files(node: Node | None) -> Iterator[File]:
    for name, value in _mapping(node).items():
        key = Node(name, node.keys[name]) if node else value
        content, mode = value.get("content"), value.get("mode")
        if content is None:
            yield File(key, value)
        else:
            yield File(key, content, int(_text(mode), 8) if mode else None)


_SOCKET_VALUES: Mapping[str, Callable[[Value], Any]] = {
    "nodelay": to_flag,
    "reuse_address": to_flag,
    "reuse_port": to_flag,
    "linger": to_seconds,
    "ttl": to_integer,
    "send_buffer": to_integer,
    "receive_buffer": to_integer,
    "backlog": to_integer,
    "broadcast": to_flag,
    "multicast_group": to_text,
    "multicast_interface": to_text,
    "max_segment": to_integer,
    "connected": to_flag,
}


def _socket(node: Node | None, context: Context) -> SocketOptions:
    given: dict[str, Any] = {}
    for key, value in _mapping(node).items():
        given[key] = settled(value, context, _SOCKET_VALUES[key], None)
    return SocketOptions(**{key: value for key, value in given.items() if value is not None})
