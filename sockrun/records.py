"""`dataclass`, as the standard library has it, with methods that are made when they are first needed.

Lives here: what is imported instead of `dataclasses`, by every module of ours. Must not live here: anything that the
original does not do; to a type checker it is the original.

The one theory: `dataclasses` writes and runs the text of six functions for each class. For the hundred classes of a
run that was a third of its start-up, and most of them are never made, compared and printed. So the original finds the
fields and makes the slots; what compares, hashes and prints is the same function for every class; and a class's own
`__init__` is written when it turns out that many of its objects are made.
"""

from __future__ import annotations

from dataclasses import field as field
from dataclasses import fields as fields
from dataclasses import replace as replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from dataclasses import MISSING, FrozenInstanceError
    from operator import attrgetter

    OFTEN = 100  # objects; writing costs as much as making so many without
    _set = object.__setattr__

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """The decorator, with those of its options that are used here."""
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq)
        return _made(cls, frozen, slots, eq)

    def _made(cls, frozen, slots, eq):
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else the original makes one, of a signature: that is dear
        cls = dataclasses.dataclass(cls, init=False, repr=False, eq=False, slots=slots)
        cls.__init__ = _init(cls, frozen)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = _repr
        if eq:
            _compare(cls, frozen)
        if frozen:
            cls.__setattr__, cls.__delattr__ = _no_setattr, _no_delattr
        if frozen and slots:
            cls.__getstate__, cls.__setstate__ = _getstate, _setstate
        return cls

    # --- making objects ---

    def _init(cls, frozen):
        """An `__init__` for the first objects: few classes make more than `OFTEN` of them."""
        shown = fields(cls)
        names = tuple(one.name for one in shown)
        wanted = frozenset(names)
        known = {one.name: one.default for one in shown if one.default is not MISSING}
        makers = {one.name: one.default_factory for one in shown if one.default_factory is not MISSING}
        left = OFTEN if all(one.init for one in shown) else 0

        def init(self, /, *given, **named):
            nonlocal left
            left -= 1
            values = known | dict(zip(names, given, strict=False)) | named
            for name in makers.keys() - values.keys():
                values[name] = makers[name]()
            twice = not named.keys().isdisjoint(names[: len(given)])
            if left < 0 or len(given) > len(names) or values.keys() != wanted or twice:
                cls.__init__ = _written(cls, frozen)
                cls.__init__(self, *given, **named)  # which also says what is wrong with the call
            else:
                for name, value in values.items():
                    _set(self, name, value)

        return init

    def _written(cls, frozen):
        """The `__init__` that the original would have written."""
        known = {"_set": _set, "_MISSING": MISSING}
        parameters, lines = [], ["pass"]
        for one in fields(cls):
            name, value = one.name, one.name
            if one.default_factory is not MISSING:
                known[f"_new_{name}"], known[f"_default_{name}"] = one.default_factory, MISSING
                value = f"_new_{name}() if {name} is _MISSING else {name}" if one.init else f"_new_{name}()"
            elif one.default is not MISSING:
                known[f"_default_{name}"] = one.default
                value = name if one.init else f"_default_{name}"
            if one.init:
                parameters.append(f"{name}=_default_{name}" if f"_default_{name}" in known else name)
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
        exec(f"def __init__({', '.join(['self', *parameters])}):\n " + "\n ".join(lines), known)
        made = known["__init__"]
        made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        return made

    # --- the same for every class ---

    def _compare(cls, frozen):
        names = [one.name for one in fields(cls) if one.compare]
        cls.__compared__ = attrgetter(*names) if names else type
        if "__eq__" not in cls.__dict__:
            cls.__eq__ = _eq
        if cls.__dict__.get("__hash__") is None:  # assigning `__eq__` does not take the inherited one away
            cls.__hash__ = _hash if frozen else None

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        compared = self.__compared__
        return compared(self) == compared(other)

    def _hash(self):
        return hash(self.__compared__(self))

    def _repr(self):
        shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
        return f"{type(self).__qualname__}({shown})"

    def _no_setattr(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _no_delattr(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, one.name) for one in fields(self)]

    def _setstate(self, state):
        for one, value in zip(fields(self), state, strict=True):
            _set(self, one.name, value)
