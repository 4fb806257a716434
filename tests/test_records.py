"""`sockrun.records` has the standard library's classes, but for what it costs to import a module full of them."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from sockrun import records

# The original and ours, with the same classes. mypy takes the second for the first.
OFTEN: int = vars(records)["OFTEN"]
DECORATORS = {"original": dataclasses.dataclass, "ours": records.dataclass}


@records.dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: list[int] = records.field(default_factory=list, compare=False)


def classes(decorator: Any) -> dict[str, type[Any]]:
    @decorator(frozen=True, slots=True)
    class Frozen:
        """Told."""

        x: int
        y: str = "why"
        z: list[int] = dataclasses.field(default_factory=list)

        def doubled(self) -> int:
            return self.x * 2

    @decorator(frozen=True, slots=True)
    class Below(Frozen):
        deep: int = 4

    @decorator
    class Open:
        x: int
        seen: int = dataclasses.field(default=3, init=False)
        hidden: int = dataclasses.field(default=1, repr=False, compare=False)

    @decorator(frozen=True, eq=False)
    class Alone:
        x: int = 0

    @decorator(frozen=True)
    class Empty:
        pass

    @decorator(slots=True)
    class OwnWords:
        x: int

        def __repr__(self) -> str:
            return "mine"

    return {one.__name__: one for one in (Frozen, Below, Open, Alone, Empty, OwnWords)}


def told(work: Callable[[dict[str, type[Any]]], object], decorator: Any) -> object:
    """What it comes to, or the error."""
    try:
        return work(classes(decorator))
    except (AttributeError, TypeError, ValueError) as error:
        return type(error).__name__, str(error)


def replaced(one: Any, **changes: object) -> object:
    """By the function that belongs to the decorator."""
    return (records.replace if hasattr(one, "__record__") else dataclasses.replace)(one, **changes)


CASES: dict[str, Callable[[dict[str, type[Any]]], object]] = {
    "by position": lambda c: repr(c["Frozen"](1, "b", [3])),
    "by name": lambda c: repr(c["Frozen"](y="b", x=1)),
    "defaults": lambda c: repr(c["Frozen"](1)),
    "a new list each time": lambda c: c["Frozen"](1).z is c["Frozen"](1).z,
    "too few": lambda c: c["Frozen"](),
    "too many": lambda c: c["Frozen"](1, 2, 3, 4),
    "unknown": lambda c: c["Frozen"](1, w=2),
    "unknown and too few": lambda c: c["Frozen"](w=2),
    "twice": lambda c: c["Frozen"](1, x=2),
    "equal": lambda c: (c["Frozen"](1) == c["Frozen"](1), c["Frozen"](1) == c["Frozen"](2)),
    "not equal to another class": lambda c: c["Below"](1) == c["Frozen"](1),
    "hash": lambda c: len({c["Frozen"](1, "a", ()), c["Frozen"](1, "a", ()), c["Frozen"](2, "a", ())}),
    "hash of what has none": lambda c: hash(c["Frozen"](1)),
    "hash of an open one": lambda c: hash(c["Open"](1)),
    "equal by identity": lambda c: (c["Alone"](1) == c["Alone"](1), hash(c["Alone"](1)) == hash(c["Alone"](1))),
    "empty": lambda c: (repr(c["Empty"]()), c["Empty"]() == c["Empty"](), len({c["Empty"](), c["Empty"]()})),
    "own repr": lambda c: repr(c["OwnWords"](1)),
    "assigned": lambda c: setattr(c["Frozen"](1), "x", 2),
    "deleted": lambda c: delattr(c["Frozen"](1), "x"),
    "unknown attribute": lambda c: setattr(c["OwnWords"](1), "other", 2),
    "open": lambda c: setattr(c["Open"](1), "x", 2),
    "not in init": lambda c: (repr(c["Open"](1)), c["Open"](1, 5).hidden, c["Open"](1, 5) == c["Open"](1, 6)),
    "not in init, named": lambda c: c["Open"](1, seen=2),
    "inherited": lambda c: (repr(c["Below"](1, "b", [3], 5)), c["Below"](4).doubled()),
    "replaced": lambda c: repr(replaced(c["Below"](1), y="new", deep=2)),
    "replaced by what is unknown": lambda c: replaced(c["Below"](1), w=2),
    "replaced by what is not given": lambda c: replaced(c["Open"](1), seen=2),
    "replaced by the original": lambda c: repr(dataclasses.replace(c["Below"](1), y="new", deep=2)),
    "fields": lambda c: [(one.name, one.type) for one in records.fields(c["Below"])],
    "matched by position": lambda c: [getattr(one, "__match_args__", None) for one in c.values()],
    "slots": lambda c: [getattr(one, "__slots__", None) for one in c.values()],
    "docstring": lambda c: c["Frozen"].__doc__,
    "as a dictionary": lambda c: dataclasses.asdict(c["Below"](1)),
    "copied": lambda c: repr(copy.deepcopy(c["Frozen"](1, "b", [3]))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_class_behaves_as_the_standard_library_makes_it(case: str) -> None:
    expected, found = (told(CASES[case], decorator) for decorator in DECORATORS.values())
    assert found == expected


@pytest.mark.parametrize("case", CASES)
def test_it_behaves_so_when_many_were_made_before(case: str) -> None:
    """Then the class has an `__init__` of its own."""

    def busy(cls: type[Any], **options: Any) -> Any:
        made = records.dataclass(**options)(cls)
        for _ in range(2 * OFTEN):
            made(**{one.name: 1 for one in records.fields(made) if one.init})
        assert made.__init__.__name__ == "__init__"
        return made

    def decorator(cls: Any = None, **options: Any) -> Any:
        return busy(cls) if cls is not None else lambda cls: busy(cls, **options)

    assert told(CASES[case], decorator) == told(CASES[case], dataclasses.dataclass)


def test_objects_go_from_one_process_to_another() -> None:
    assert pickle.loads(pickle.dumps(Point(1, [2]))) == Point(1)
    assert pickle.loads(pickle.dumps(Point(1, [2]))).y == [2]


def test_a_class_that_makes_few_objects_gets_no_text_of_its_own() -> None:
    """It is the text of an `__init__` that costs: compiling it takes as long as making a hundred objects without."""
    made: Any = records.dataclass(type("Few", (), {"__annotations__": {"x": int}}))
    made(1)
    assert made.__init__.__module__ == "sockrun.records"
    assert inspect.getfile(made.__init__) == records.__file__


# --- named tuples ------------------------------------------------------------------------------


class Pair(records.NamedTuple):
    one: int
    two: object = None


def tuples(base: Any) -> dict[str, Any]:
    class Told(base):  # type: ignore[misc]
        """Told."""

        x: int
        y: str = "why"
        z: tuple[int, ...] = ()

        def doubled(self) -> int:
            return int(self.x * 2)

        @property
        def length(self) -> int:
            return len(self.z)

    class Bare(base):  # type: ignore[misc]
        x: int
        y: int

    return {one.__name__: one for one in (Told, Bare)}


def told_of_tuples(work: Callable[[dict[str, Any]], object], base: Any, before: int) -> object:
    """What it comes to, or the error, once so many objects were made."""
    made = tuples(base)
    for number in range(before):
        made["Told"](number)
        made["Bare"](number, y=number)
    try:
        return work(made)
    except (AttributeError, TypeError, ValueError) as error:
        return type(error).__name__, str(error)


TUPLES: dict[str, Callable[[dict[str, Any]], object]] = {
    "by position": lambda c: repr(c["Told"](1, "b", (3,))),
    "by name": lambda c: repr(c["Bare"](y=2, x=1)),
    "mixed": lambda c: repr(c["Told"](1, z=(2,))),
    "defaults": lambda c: (c["Told"](1), c["Told"]._field_defaults),
    "too few": lambda c: c["Bare"](1),
    "too many": lambda c: c["Bare"](1, 2, 3),
    "unknown": lambda c: c["Told"](1, w=2),
    "twice": lambda c: c["Told"](1, x=2),
    "fields": lambda c: (c["Told"]._fields, c["Bare"].__match_args__, c["Told"].__slots__),
    "attributes": lambda c: (c["Told"](1).y, c["Told"](4).doubled(), c["Told"](1, z=(1, 2)).length),
    "a tuple": lambda c: (c["Told"](1) == (1, "why", ()), hash(c["Bare"](1, 2)) == hash((1, 2)), [*c["Bare"](1, 2)]),
    "assigned": lambda c: setattr(c["Bare"](1, 2), "other", 2),
    "replaced": lambda c: c["Told"](1)._replace(y="new"),
    "replaced by what is unknown": lambda c: c["Told"](1)._replace(w="new"),
    "as a dictionary": lambda c: c["Told"](1)._asdict(),
    "made": lambda c: c["Bare"]._make([1, 2]),
    "docstring": lambda c: c["Told"].__doc__,
    "annotations": lambda c: list(c["Told"].__annotations__),
    "derived": lambda c: repr(type("Below", (c["Bare"],), {})(1, y=2)),
    "copied": lambda c: repr(copy.deepcopy(c["Told"](1, "b", (3,)))),
}


@pytest.mark.parametrize("before", [0, 2 * OFTEN])
@pytest.mark.parametrize("case", TUPLES)
def test_a_named_tuple_behaves_as_the_standard_library_makes_it(case: str, before: int) -> None:
    expected, found = (told_of_tuples(TUPLES[case], base, before) for base in (NamedTuple, records.NamedTuple))
    assert found == expected


def test_a_named_tuple_goes_from_one_process_to_another() -> None:
    assert pickle.loads(pickle.dumps(Pair(1, [2]))) == Pair(1, [2])
    assert type(pickle.loads(pickle.dumps(Pair(1)))) is Pair
