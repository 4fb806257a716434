"""What the steps of a program send, and the same steps sending it with one byte changed.

The one theory: a byte that is changed when its role sends it is changed on its way. Under TLS it is so before it is
encrypted, and behind a frame's length the frame is what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sockrun.auditing.expectations import Mutant
from sockrun.auditing.matchers import Key, Spot, flipped, sampled
from sockrun.auditing.probe import Probe
from sockrun.auditing.sites import Alter, sites
from sockrun.commands import Command, Send, SendPieces
from sockrun.program import Do, Instruction, Make, Program
from sockrun.records import dataclass, replace

# Another character of text, and one that is none: what is of the right kind may still be looked at.
FLIPS = (0x01, 0x80)


def is_sent(key: Key) -> bool:
    """Whether a change with that key is one of what is sent."""
    return len(key) > 2 and key[2] == "sent"


def sendings(program: Program, probe: Probe) -> Iterator[Mutant]:
    """Every byte that was sent in the run that was looked at with `probe`; of many, some."""
    for site, step in sites(program):
        sent = probe.sent.get(site, b"")
        whole = probe.sizes.get(site, 0)
        words = f"of the {whole:,} that {site.role} sends in step {step.place.number}"
        for at in sampled(len(sent)):
            alters = tuple(_sending(Flip(at, xor)) for xor in FLIPS)
            yield Mutant((*site, "sent", "byte", at), site, step.place, words, alters, Spot(at, sent, words))


@dataclass(frozen=True, slots=True)
class Flip:
    """The byte at `at`, counted through all that a step sends, is combined with `xor`."""

    at: int
    xor: int

    def __call__(self, commands: Iterable[Command]) -> Iterator[Command]:
        before = 0
        for command in commands:
            if isinstance(command, Send):
                yield replace(command, data=self.inside(command.data, before))
                before += len(command.data)
            elif isinstance(command, SendPieces):
                yield replace(command, pieces=self._pieces(command.pieces, before))
                before += sum(map(len, command.pieces())) if before <= self.at else 0
            else:
                yield command

    def _pieces(self, pieces: Callable[[], Iterator[bytes]], start: int) -> Callable[[], Iterator[bytes]]:
        def flip() -> Iterator[bytes]:
            before = start
            for piece in pieces():
                yield self.inside(piece, before)
                before += len(piece)

        return flip

    def inside(self, data: bytes, before: int) -> bytes:
        """The data, which begins at `before`."""
        return flipped(data, self.at - before, self.xor) if 0 <= self.at - before < len(data) else data


def _sending(flip: Flip) -> Alter:
    def alter(step: Instruction) -> Instruction:
        if isinstance(step, Make):
            make = step.make
            return replace(step, make=lambda scope: flip(make(scope)))
        assert isinstance(step, Do)
        return replace(step, commands=tuple(flip(step.commands)))

    return alter
