"""`dataclass` and `NamedTuple`, as the standard library has them, at a third of what they cost to import.

Lives here: what is imported instead of `dataclasses` and `typing.NamedTuple`, by every module of ours. Must not live
here: anything that the originals do not do; to a type checker they are the originals.

The one theory: `dataclasses` writes and runs the text of six functions for each class, and `typing` compiles each
annotation of a named tuple. For the hundred and fifty classes of a run that was a third of its start-up, and most of
them are never made, compared and printed. So what compares, hashes and prints is the same function for every class;
what makes objects is written when it turns out that many are made; and what only others ask for
(`dataclasses.fields`) is left to the original, when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import fields as fields
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
else:
    import dataclasses
    from collections import _tuplegetter
    from dataclasses import MISSING, Field, FrozenInstanceError, field, fields  # noqa: F401 (for those who import it)
    from operator import attrgetter

    OFTEN = 100  # objects; writing costs as much as making so many without
    _set = object.__setattr__

    # --- data classes ---

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """The decorator, with those of its options that are used here."""
        if cls is None:
            return lambda cls: _made(cls, frozen, slots, eq)
        return _made(cls, frozen, slots, eq)

    def _made(cls, frozen, slots, eq):
        """The class with its methods; what they need to know of its fields is in `__record__`."""
        own = cls.__annotations__  # never those of a class above
        record = {}
        for base in reversed(cls.__mro__):
            record |= base.__dict__.get("__record__", {})
        record |= {name: (annotation, cls.__dict__.get(name, MISSING)) for name, annotation in own.items()}
        methods = _methods(cls, record, frozen, slots, eq)
        if slots:
            return _slotted(cls, methods)
        for name in own:
            if isinstance(record[name][1], Field):
                delattr(cls, name)
                if record[name][1].default is not MISSING:
                    setattr(cls, name, record[name][1].default)
        for name, value in methods.items():
            setattr(cls, name, value)
        return cls

    def _methods(cls, record, frozen, slots, eq):
        compared = [name for name, (_, value) in record.items() if not isinstance(value, Field) or value.compare]
        found = {
            "__record__": record,
            "__dataclass_fields__": _Fields(record),
            "__init__": _init(record, frozen),
            "__match_args__": tuple(name for name, (_, value) in record.items() if _is_given(value)),
            "__compared__": attrgetter(*compared) if compared else type,
            # Without one the original makes it, of a signature.
            "__doc__": cls.__doc__ or cls.__name__,
        }
        if "__repr__" not in cls.__dict__:
            found["__repr__"] = _repr
        if eq:
            if "__eq__" not in cls.__dict__:
                found["__eq__"] = _eq
            if cls.__dict__.get("__hash__") is None:
                found["__hash__"] = _hash if frozen else None
        if frozen:
            found |= {"__setattr__": _no_setattr, "__delattr__": _no_delattr}
        if frozen and slots:
            found |= {"__getstate__": _getstate, "__setstate__": _setstate}
        return found

    def _slotted(cls, methods):
        """Only a new class can have slots."""
        taken = {name for base in cls.__mro__ for name in base.__dict__.get("__slots__", ())}
        names = methods["__record__"]
        kept = {name: value for name, value in cls.__dict__.items() if name not in names}
        for name in ("__dict__", "__weakref__"):
            kept.pop(name, None)
        kept["__slots__"] = tuple(name for name in names if name not in taken)
        return type(cls)(cls.__name__, cls.__bases__, kept | methods | {"__qualname__": cls.__qualname__})

    class _Fields:
        """The fields as the original has them, made of a class that is thrown away."""

        def __init__(self, record):
            self._record = record
            self._found = None

        def __get__(self, instance, cls):
            if self._found is None:
                body = {name: value for name, (_, value) in self._record.items() if value is not MISSING}
                body["__annotations__"] = {name: annotation for name, (annotation, _) in self._record.items()}
                made = dataclasses.dataclass(type("Fields", (), body), init=False, repr=False, eq=False)
                self._found = made.__dataclass_fields__
            return self._found

    def replace(one, /, **changes):
        """Another one, with these values changed."""
        known = {name: getattr(one, name) for name in one.__match_args__} | changes
        if len(known) > len(one.__match_args__):
            for name in changes.keys() & one.__record__.keys() - set(one.__match_args__):
                raise ValueError(f"field {name} is declared with init=False, it cannot be specified with replace()")
        return type(one)(**known)

    # --- making objects ---

    def _is_given(value):
        return not isinstance(value, Field) or value.init

    def _default(value):
        return value.default if isinstance(value, Field) else value

    def _factory(value):
        return value.default_factory if isinstance(value, Field) else MISSING

    def _init(record, frozen):
        """An `__init__` for the first objects: few classes make more than `OFTEN` of them."""
        left = 0
        names = wanted = known = makers = None

        def prepare():
            nonlocal left, names, wanted, known, makers
            names = tuple(record)
            wanted = frozenset(names)
            known = {name: _default(one) for name, (_, one) in record.items() if _default(one) is not MISSING}
            makers = {name: _factory(one) for name, (_, one) in record.items() if _factory(one) is not MISSING}
            left = OFTEN if all(_is_given(one) for _, one in record.values()) else 0

        def init(self, /, *given, **named):
            nonlocal left
            if names is None:
                prepare()
            left -= 1
            if left >= 0 and len(given) + len(named) == len(names) and named.keys() == set(names[len(given) :]):
                for name, value in zip(names, given, strict=False):
                    _set(self, name, value)
                for name, value in named.items():
                    _set(self, name, value)
                return
            values = known | dict(zip(names, given, strict=False)) | named
            for name in makers.keys() - values.keys():
                values[name] = makers[name]()
            twice = not named.keys().isdisjoint(names[: len(given)])
            if left < 0 or len(given) > len(names) or values.keys() != wanted or twice:
                cls = next(one for one in type(self).__mro__ if one.__dict__.get("__record__") is record)
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
        for name, (_, one) in cls.__record__.items():
            value = name
            if _factory(one) is not MISSING:
                known[f"_new_{name}"], known[f"_default_{name}"] = _factory(one), MISSING
                value = f"_new_{name}() if {name} is _MISSING else {name}" if _is_given(one) else f"_new_{name}()"
            elif _default(one) is not MISSING:
                known[f"_default_{name}"] = _default(one)
                value = name if _is_given(one) else f"_default_{name}"
            if _is_given(one):
                parameters.append(f"{name}=_default_{name}" if f"_default_{name}" in known else name)
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
        exec(f"def __init__({', '.join(['self', *parameters])}):\n " + "\n ".join(lines), known)
        made = known["__init__"]
        made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        return made

    # --- the same for every class ---

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        compared = self.__compared__
        return compared(self) == compared(other)

    def _hash(self):
        return hash(self.__compared__(self))

    def _repr(self):
        shown = [name for name, (_, one) in self.__record__.items() if not isinstance(one, Field) or one.repr]
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _no_setattr(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _no_delattr(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in self.__record__]

    def _setstate(self, state):
        for name, value in zip(self.__record__, state, strict=True):
            _set(self, name, value)

    # --- named tuples ---

    class _Making(type):
        """Makes of what is derived from `NamedTuple` a tuple with names."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            names = tuple(body.get("__annotations__", ()))
            defaults = {one: body[one] for one in names if one in body}
            getters = {one: _tuplegetter(at, f"Field number {at}") for at, one in enumerate(names)}
            known = {"_fields": names, "_field_defaults": defaults, "__match_args__": names, "__slots__": ()}
            return type(name, (_Tuple,), body | getters | known | {"__new__": _new(names, defaults)})

    NamedTuple = _Making("NamedTuple", (), {})

    class _Tuple(tuple):
        """What all of them can do."""

        __slots__ = ()

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, /, **changes):
            unknown = changes.keys() - set(self._fields)
            if unknown:
                raise ValueError(f"Got unexpected field names: {[name for name in changes if name in unknown]!r}")
            return type(self)(*(changes.get(name, value) for name, value in zip(self._fields, self, strict=True)))

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            shown = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({shown})"

        def __getnewargs__(self):
            return tuple(self)

    def _new(names, defaults):
        """A `__new__` for the first objects, as `_init` makes an `__init__`."""
        left = OFTEN
        make = tuple.__new__

        def new(cls, /, *given, **named):
            nonlocal left
            left -= 1
            values = given
            if named or len(given) < len(names):
                known = defaults | dict(zip(names, given, strict=False)) | named
                values = [known[name] for name in names if name in known]
                left = left if known.keys() <= set(names) and named.keys().isdisjoint(names[: len(given)]) else -1
            if left < 0 or len(values) != len(names):
                owner = next(one for one in cls.__mro__ if one.__dict__.get("_fields") is names)
                owner.__new__ = staticmethod(_written_new(owner))
                return owner.__new__(cls, *given, **named)  # which also says what is wrong with the call
            return make(cls, values)

        return new

    def _written_new(cls):
        known = {f"_default_{name}": value for name, value in cls._field_defaults.items()} | {"_make": tuple.__new__}
        parameters = [f"{name}=_default_{name}" if name in cls._field_defaults else name for name in cls._fields]
        values = "".join(f"{name}, " for name in cls._fields)
        exec(f"def __new__({', '.join(['_cls', *parameters])}):\n return _make(_cls, ({values}))", known)
        made = known["__new__"]
        made.__qualname__, made.__module__ = f"{cls.__name__}.__new__", cls.__module__
        return made
