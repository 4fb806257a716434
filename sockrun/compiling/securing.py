"""TLS in a file: `tls`, `starttls`, `expect_tls`, `certificates`, and what `expect_close` asks of the end of TLS.

Must not live here: what the settings mean for OpenSSL, and when hands are shaken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sockrun.commands import Matcher, Mismatch, Receive
from sockrun.compiling.context import Context
from sockrun.compiling.endings import Nothing
from sockrun.compiling.model import Role
from sockrun.compiling.scalars import converted, converted_if_said, settled, to_bytes, to_flag
from sockrun.compiling.workshop import Job
from sockrun.matching import compile_matcher
from sockrun.program import (
    Block,
    CertificateProgram,
    Check,
    Instruction,
    RoleProgram,
    Secure,
    TlsSettings,
    Wait,
    instructions_in,
)
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import Operand, Scope, Value

FAILURE = frozenset({"failed", "alert"})  # the keys of `expect_tls` that want it to fail
_MISPLACED: Mapping[str, tuple[str, str]] = {  # key -> the side that it is not for, and what to do
    "client_ca": ("client", "only a server asks for the other's certificate: say 'ca'"),
    "server_name": ("server", "only a client asks for a name: hold what it asked for with 'expect_tls'"),
}


def tls_settings(node: Node | None, role: Role, context: Context) -> TlsSettings | None:
    """What stands under `tls`; None where TLS is not wanted, as far as that is known before the scenario runs."""
    if node is None:
        return None
    if not isinstance(node.value, dict):
        wanted = converted(node, context, to_flag)
        if wanted is None or wanted.constant is False:
            return None
        return TlsSettings(node.span, wanted=None if wanted.constant else wanted)
    for key, (side, hint) in _MISPLACED.items():
        if key in node.keys and role.side == side:
            context.problems.error("misplaced-key", f"{key!r} is not for a {side}", node.keys[key], hint=hint)
    found = {key: _setting(key, value, context) for key, value in node.mapping.items() if key != "alpn"}
    alpn = node.get("alpn")
    protocols = [converted(item, context, to_bytes) for item in alpn.items] if alpn else []
    return TlsSettings(
        node.span,
        values={key: operand for key, operand in found.items() if operand is not None},
        alpn=tuple(operand for operand in protocols if operand is not None),
    )


def _setting(key: str, node: Node, context: Context) -> Operand | None:
    return converted(node, context, to_flag if key == "verify" else to_bytes)


# --- certificates ------------------------------------------------------------------------------


def certificates(node: Node | None, context: Context) -> Iterator[CertificateProgram]:
    """The certificates that are made for the run."""
    for name, entry in (node.mapping if node else {}).items():
        names = entry.get("names")
        found = [converted(item, context, to_bytes) for item in names.items] if names else []
        yield CertificateProgram(
            name=name,
            span=entry.span,
            names=tuple(operand for operand in found if operand is not None),
            common_name=converted_if_said(entry.get("common_name"), context, to_bytes),
            expired=settled(entry.get("expired"), context, to_flag, False),
        )


def needs_authority(role: RoleProgram) -> bool:
    """Whether it is a server that shows a certificate without naming one."""
    every = [role.tls, *(step.settings for block in role.blocks for step in _secured(block))]
    return role.side == "server" and any(one is not None and "cert" not in one.values for one in every)


def _secured(block: Block) -> Iterator[Secure]:
    return (step for step in instructions_in(block) if isinstance(step, Secure))


# --- steps -------------------------------------------------------------------------------------


def starttls(job: Job) -> Block:
    argument = job.step.argument
    settings = tls_settings(argument, job.role, job.context) if argument else TlsSettings(job.step.span)
    return () if settings is None else (Secure(job.place(), settings, job.seconds(), upgrade=True),)


def expect_tls(job: Job) -> Block:
    """That it fails may be told only when more is read (TLS 1.3), so that this waits for it."""
    place = job.place(", ".join(job.node.mapping))
    block: list[Instruction] = []
    if FAILURE.intersection(job.node.mapping):
        block.append(Check(place, _secured_at_all, lambda _: []))
        block.append(Wait(place, "tls", Receive(Nothing("the failure of TLS"), job.seconds(), "tls")))
    for key, node in job.node.mapping.items():
        test = _pattern(node, job.context) if key == "failed" else _fact(key, node, job.context)
        if test is not None:
            block.append(Check(place, test, lambda _: []))
    return tuple(block)


def _secured_at_all(scope: Scope) -> None:
    """Raises: ExpressionError, where nobody tried."""
    scope.attribute("tls", None, "notified")


Test = Callable[[Scope], Mismatch | None]


def _pattern(node: Node, context: Context) -> Test | None:
    """A match anywhere in the sentence that tells the failure."""
    anywhere = Node(f"(?s:.*?)(?:{node.value})", node.span, node.keys, node.style)
    regex = Node({"regex": anywhere}, node.span, {"regex": node.span})
    expectation = compile_matcher(regex, context.for_messages(True), keep=True)
    return None if expectation is None else _Failed(str(node.value), expectation.evaluate)


@dataclass(frozen=True, slots=True)
class _Failed:
    pattern: str
    matcher: Callable[[Scope], Matcher]

    def __call__(self, scope: Scope) -> Mismatch | None:
        told = scope.attribute("tls", None, "failed")
        assert isinstance(told, bytes)
        if not isinstance(self.matcher(scope).judge(told), Mismatch):
            return None
        return Mismatch(f"TLS failed in another way than {self.pattern!r}: {told.decode()}", told)


def _fact(key: str, node: Node, context: Context) -> Test | None:
    wanted = converted(node, context, to_bytes)
    return None if wanted is None else _Agreed(key, wanted)


@dataclass(frozen=True, slots=True)
class _Agreed:
    key: str
    wanted: Operand

    def __call__(self, scope: Scope) -> Mismatch | None:
        found, wanted = scope.attribute("tls", None, self.key), self.wanted.evaluate(scope)
        if found == wanted or (isinstance(found, tuple) and wanted in found):
            return None
        assert isinstance(wanted, bytes)
        return Mismatch(f"the {_NAMES[self.key]} is {_words(found)}, not {_words(wanted)}", b"")


_NAMES = {
    "version": "version of TLS",
    "alpn": "application protocol (ALPN)",
    "cipher": "cipher",
    "server_name": "name that the client asked for",
    "peer": "peer's certificate",
    "alert": "alert of the peer",
}


def _words(value: Value) -> str:
    if isinstance(value, tuple):
        return f"for {', '.join(map(_words, value))}" if value else "none, or nobody has looked at it"
    return value.decode(errors="replace") if isinstance(value, bytes) and value else "none"


def notified(scope: Scope) -> Mismatch | None:
    """Holds that the peer said close_notify before its FIN (RFC 8446 section 6.1)."""
    said = scope.attribute("tls", None, "notified")
    return None if said else Mismatch("the peer closed without close_notify", b"")
