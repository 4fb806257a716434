"""From Python's syntax tree to closures: the white list that is the language of expressions.

Lives here: which syntax is allowed (`_FORMS`), and the names that an expression refers to. Must not live
here: what operators and functions do (`operators.py`, `functions.py`).

The one theory: each node of the tree becomes a closure, once, and an evaluation only calls closures. A kind
of node that is not in `_FORMS` does not exist in the language. Nothing is ever given to `eval`, and no
attribute of a Python object is ever looked up by a name of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from sockrun.diagnostics import did_you_mean, quoted
from sockrun.expressions import operators
from sockrun.expressions.functions import FUNCTIONS, Function
from sockrun.expressions.syntax import MAX_DEPTH, Line, parse
from sockrun.records import NamedTuple
from sockrun.values import ExpressionError, Scope, Value

if TYPE_CHECKING:
    import ast  # imported where text is parsed: most texts of a scenario hold no expression

Run: TypeAlias = Callable[[Scope], Value]


class Reference(NamedTuple):
    """A free name: `word`, `base.attribute`, or `base[index].attribute` (`indexed`).

    `offset` is the character where it stands in the text of the expression or template.
    """

    base: str
    attribute: str | None = None
    indexed: bool = False
    offset: int = 0

    @property
    def key(self) -> str:
        """What a constant of that name is called: 'word', 'env.HOME'."""
        return self.base if self.attribute is None else f"{self.base}.{self.attribute}"


class Program(NamedTuple):
    """A compiled expression. `names` holds, for every name in it, its text and how to get its value."""

    run: Run
    references: tuple[Reference, ...]
    names: Mapping[str, Run]
    foldable: bool


def compile_line(line: Line, constants: Mapping[str, Value]) -> Program:
    """Raises: ExpressionError, when the expression is not of the language."""
    tree = parse(line)
    compiler = _Compiler(line, constants)
    run = compiler.run(tree)
    return Program(run, tuple(compiler.references), compiler.names, compiler.foldable)


def _placed(function: Callable[..., Value], offset: int) -> Callable[..., Value]:
    """The same function, with its errors placed."""

    def call(*values: Any) -> Value:
        try:
            return function(*values)
        except ExpressionError as error:
            raise type(error)(error.message, offset) from None

    return call


def _itself(scope: Scope) -> Any:
    return scope


def _constant_of(value: Value) -> Run:
    """A constant of the file. To work on a long one costs as much as to make it."""
    if not isinstance(value, bytes) or len(value) <= operators.MAX_EARLY:
        return _always(value)

    def run(scope: Scope) -> Value:
        operators.check_size(len(value))
        return value

    return run


def _always(value: Any) -> Callable[[Scope], Any]:
    return lambda scope: value


class _Compiler:
    """Turns the nodes of one expression into closures, and collects the names it meets."""

    def __init__(self, line: Line, constants: Mapping[str, Value]) -> None:
        self.line = line
        self.constants = constants
        self.references: list[Reference] = []
        self.names: dict[str, Run] = {}
        self.foldable = True
        self.depth = 0

    def run(self, node: ast.expr) -> Run:
        """The closure that computes `node`. Raises: ExpressionError."""
        name = type(node).__name__
        form = _FORMS.get(name)
        if form is None:
            raise self.refusal(node, f"{_REFUSED.get(name, 'this')} cannot stand in an expression")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.refusal(node, f"more than {MAX_DEPTH} operations are nested in each other")
        run = form(self, node)
        self.depth -= 1
        return run

    def refusal(self, node: ast.expr, message: str) -> ExpressionError:
        return ExpressionError(message, self.place(node))

    def place(self, node: ast.expr) -> int:
        return self.line.place(node.col_offset)

    def apply(self, node: ast.expr, function: Callable[..., Value], operands: Sequence[Run]) -> Run:
        """Computes all operands, then the function of them; the function's errors are told at `node`."""
        call = _placed(function, self.place(node))
        return lambda scope: call(*[operand(scope) for operand in operands])

    def optional(self, node: ast.expr | None) -> Callable[[Scope], Any]:
        return _always(None) if node is None else self.run(node)

    def refer(self, node: ast.expr, reference: Reference, run: Run) -> Run:
        """A name of the scope, or a constant of that name."""
        if reference.base.startswith("__") or (reference.attribute or "").startswith("__"):
            raise self.refusal(node, "a name cannot begin with two underscores")
        if not any(known[:3] == reference[:3] for known in self.references):
            self.references.append(reference)
        if not reference.indexed and reference.key in self.constants:
            run = _constant_of(self.constants[reference.key])
        else:
            self.foldable = False
        label = self.line.python.encode()[node.col_offset : node.end_col_offset].decode()
        self.names[label] = run
        return run


def _constant(compiler: _Compiler, node: ast.Constant) -> Run:
    value = node.value
    try:
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes | int | float):
            operators.check_number(value)
            return _always(value)
    except UnicodeEncodeError:
        raise compiler.refusal(node, "half of a surrogate pair is no text") from None
    except ExpressionError as error:
        raise compiler.refusal(node, error.message) from None
    raise compiler.refusal(node, f"{value!r} is no value of an expression")


def _name(compiler: _Compiler, node: ast.Name) -> Run:
    name = node.id
    if name in ("true", "false") and name not in compiler.constants:
        return _always(name == "true")
    reference = Reference(name, offset=compiler.place(node))
    return compiler.refer(node, reference, _placed(lambda scope: scope.name(name), reference.offset))


def _attribute(compiler: _Compiler, node: ast.Attribute) -> Run:
    import ast

    match node.value:
        case ast.Name(id=base):
            index = None
        case ast.Subscript(value=ast.Name(id=base), slice=index) if not isinstance(index, ast.Slice):
            pass
        case _:
            raise compiler.refusal(node, f"only a name, or name[number], can stand before '.{node.attr}'")
    reference = Reference(base, node.attr, index is not None, compiler.place(node))

    def look_up(scope: Scope, position: Any) -> Value:
        return scope.attribute(base, None if index is None else operators.whole(position), node.attr)

    return compiler.refer(node, reference, compiler.apply(node, look_up, [_itself, compiler.optional(index)]))


def _call(compiler: _Compiler, node: ast.Call) -> Run:
    function = _function(compiler, node)
    name = getattr(node.func, "id", "")
    if node.keywords or not function.accepts(len(node.args)):
        raise compiler.refusal(node, f"{name}() is called as {name}{function.usage}")
    compiler.foldable &= function.pure

    def call(scope: Scope, *values: Value) -> Value:
        function.check(name, values)
        return function.call(*values) if function.pure else function.call(scope, *values)

    return compiler.apply(node, call, [_itself, *map(compiler.run, node.args)])


def _function(compiler: _Compiler, node: ast.Call) -> Function:
    import ast

    if isinstance(node.func, ast.Attribute):
        method = node.func.attr
        raise compiler.refusal(node, f"values have no methods: write {method}(value), not value.{method}()")
    if not isinstance(node.func, ast.Name):
        raise compiler.refusal(node, "only a function's name can stand before '('")
    name = node.func.id
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    hint = did_you_mean(name, FUNCTIONS) or f"there are {', '.join(FUNCTIONS)}"
    raise compiler.refusal(node, f"there is no function {quoted(name)}: {hint}")


def _binary(compiler: _Compiler, node: ast.BinOp) -> Run:
    name = type(node.op).__name__
    if name not in operators.BINARY:
        raise compiler.refusal(node, f"{_REFUSED[name]} cannot stand in an expression")
    return compiler.apply(node, operators.BINARY[name], [compiler.run(node.left), compiler.run(node.right)])


def _unary(compiler: _Compiler, node: ast.UnaryOp) -> Run:
    return compiler.apply(node, operators.UNARY[type(node.op).__name__], [compiler.run(node.operand)])


def _logic(compiler: _Compiler, node: ast.BoolOp) -> Run:
    """`and` and `or` give their deciding operand, and do not look at what comes after it."""
    *firsts, last = map(compiler.run, node.values)
    decisive = type(node.op).__name__ == "Or"

    def run(scope: Scope) -> Value:
        for operand in firsts:
            value = operand(scope)
            if bool(value) is decisive:
                return value
        return last(scope)

    return run


def _compare(compiler: _Compiler, node: ast.Compare) -> Run:
    """`a < b < c` holds when each pair does; a later operand is not looked at when an earlier pair fails."""
    for operator in node.ops:
        if type(operator).__name__ not in operators.COMPARE:
            raise compiler.refusal(node, "'is' cannot stand in an expression: '==' compares")
    offset = compiler.place(node)
    tests = [_placed(operators.COMPARE[type(operator).__name__], offset) for operator in node.ops]
    first = compiler.run(node.left)
    links = list(zip(tests, map(compiler.run, node.comparators), strict=True))

    def run(scope: Scope) -> Value:
        left = first(scope)
        for test, operand in links:
            right = operand(scope)
            if not test(left, right):
                return False
            left = right
        return True

    return run


def _conditional(compiler: _Compiler, node: ast.IfExp) -> Run:
    test, yes, no = compiler.run(node.test), compiler.run(node.body), compiler.run(node.orelse)
    return lambda scope: yes(scope) if test(scope) else no(scope)


def _subscript(compiler: _Compiler, node: ast.Subscript) -> Run:
    import ast

    value = compiler.run(node.value)
    if isinstance(node.slice, ast.Slice):
        bounds = [node.slice.lower, node.slice.upper, node.slice.step]
        return compiler.apply(node, operators.cut, [value, *map(compiler.optional, bounds)])
    return compiler.apply(node, operators.index, [value, compiler.run(node.slice)])


def _list(compiler: _Compiler, node: ast.Tuple | ast.List) -> Run:
    return compiler.apply(node, operators.make_list, [compiler.run(item) for item in node.elts])


# Keyed by the class's name, so that this module can be imported without `ast`.
_FORMS: Mapping[str, Callable[[_Compiler, Any], Run]] = {
    "Constant": _constant,
    "Name": _name,
    "Attribute": _attribute,
    "Call": _call,
    "BinOp": _binary,
    "UnaryOp": _unary,
    "BoolOp": _logic,
    "Compare": _compare,
    "IfExp": _conditional,
    "Subscript": _subscript,
    "Tuple": _list,
    "List": _list,
}

_REFUSED = {
    "Pow": "'**'",
    "MatMult": "'@'",
    "Lambda": "a lambda",
    "ListComp": "a comprehension",
    "SetComp": "a comprehension",
    "DictComp": "a comprehension",
    "GeneratorExp": "a comprehension",
    "NamedExpr": "':='",
    "Starred": "'*' before a value",
    "Dict": "a mapping",
    "Set": "a set",
    "Slice": "a slice in a list",
    "Await": "'await'",
    "Yield": "'yield'",
    "YieldFrom": "'yield'",
}
