"""The diagram of a scenario that is not played, from the steps of its roles.

The one theory: each role goes on until it waits for something that another role has still to do; where that never
comes, it goes on all the same. What processes and people outside do is not known, so they do what the roles wait for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sockrun.commands import Await, Fact, Tell
from sockrun.program import Block, Do, Include, Instruction, Place, Program, React, Repeat, RoleProgram, Wait
from sockrun.reporters.pictures.diagram import Diagram, Row, Step
from sockrun.reporters.pictures.peers import Peers
from sockrun.reporters.pictures.tracing import lifelines, outside
from sockrun.results import parties

_SENDING = ("send", "payload")
_ORDER = ("signal", "turn")  # the facts that are known to come from a step


def of_program(program: Program) -> Diagram:
    """Its steps in an order in which they may be played."""
    drawing = _Plan(program)
    drawing.draw()
    rows = drawing.rows if program.mask is None else [_masked(row, program) for row in drawing.rows]
    return Diagram(drawing.lifelines, rows, timed=False)


def _masked(row: Row, program: Program) -> Row:
    assert program.mask is not None
    row.words, row.note = program.mask.text(row.words), program.mask.text(row.note)
    return row


class _Plan:
    def __init__(self, program: Program) -> None:
        taking_part = parties(program)
        self.lifelines, self._line_of = lifelines(taking_part, (), 0)
        self.rows: list[Row] = []
        self._peers = Peers(taking_part, (), ())
        self._roles = {name: deque(_steps(role)) for name, role in program.roles.items()}
        self._under_way: dict[str, deque[Row]] = {name: deque() for name in program.roles}  # to that role
        self._facts: set[Fact] = set()
        for name, role in program.roles.items():
            if role.side == "client" and not role.datagram:
                self._arrow(name, None, "connect").kind = "control"

    def draw(self) -> None:
        while any(self._roles.values()):
            moved = [name for name in self._roles if self._go_on(name)]
            if not moved:
                name = next(name for name, steps in self._roles.items() if steps)
                step = self._roles[name].popleft()
                self._event(name, step.place)

    def _go_on(self, name: str) -> bool:
        """Whether it could do anything."""
        steps, before = self._roles[name], len(self._roles[name])
        while steps and self._play(name, steps[0]):
            steps.popleft()
        return len(steps) < before

    def _play(self, name: str, step: Instruction) -> bool:
        """Do it; False: it waits."""
        verb, _, words = step.place.label.partition(" ")
        facts = (
            [command for command in step.commands if isinstance(command, Tell | Await)] if isinstance(step, Do) else []
        )
        if facts:
            return all(self._fact(name, step.place, command) for command in facts)
        if isinstance(step, Wait) and step.wanted in ("bytes", "fin"):
            return self._take(name, step, words if step.wanted == "bytes" else "FIN")
        if verb in _SENDING:
            row = self._arrow(name, step.place, words)
            if self._other(name) in self._under_way:
                self._under_way[str(self._other(name))].append(row)
        else:
            self._event(name, step.place)
        return True

    def _fact(self, name: str, place: Place, command: Tell | Await) -> bool:
        known = [fact for fact in command.facts if fact.kind in _ORDER]
        if isinstance(command, Tell):
            self._facts.update(known)
        elif not self._facts.issuperset(known):
            return False
        if any(fact.kind != "turn" for fact in command.facts):
            self._event(name, place)
        return True

    def _take(self, name: str, step: Wait, words: str) -> bool:
        other = self._other(name)
        if other in self._under_way:
            if not self._under_way[name]:
                return False
            self._under_way[name].popleft().taken = Step(0.0, name, step.place)
        else:
            row = Row("bytes" if step.wanted == "bytes" else "control", Step(0.0, other or "", None), words=words)
            row.by, row.to = self._line(other), self._line_of[name]
            row.taken = Step(0.0, name, step.place)
            self.rows.append(row)
        return True

    # --- rows ---

    def _other(self, name: str) -> str | None:
        return self._peers.turned_to(name)

    def _line(self, name: str | None) -> int:
        return self._line_of[name] if name in self._line_of else outside(self.lifelines, self._line_of)

    def _arrow(self, name: str, place: Place | None, words: str) -> Row:
        to = self._line(self._other(name))
        via = self._line_of.get(self._peers.proxy(name) or "")
        row = Row("bytes", Step(0.0, name, place), self._line_of[name], to, via, words)
        self.rows.append(row)
        return row

    def _event(self, name: str, place: Place) -> None:
        self.rows.append(Row("event", Step(0.0, name, place), self._line_of[name], note=place.label))


def _steps(role: RoleProgram) -> Iterator[Instruction]:
    for block in role.blocks:
        yield from _flat(block)


def _flat(block: Block) -> Iterator[Instruction]:
    """Each step once, in order; of a repetition the first round, of what may come the step that waits for it."""
    last = ""
    for step in block:
        if step.place.number != last or isinstance(step, Do):
            yield step
        last = step.place.number
        if isinstance(step, Repeat | Include):
            yield from _flat(step.body)
        if isinstance(step, React):
            for case in step.cases:
                yield from _flat(case.body)
