"""Small changes to Python source, each of which some test should notice.

Pure: text in, text out. A mutation is told apart by the text of its line, so that it is still known when lines above it
come and go. Go on with `tests.torture.mutants`.
"""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_REMOVABLE = (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: the number of its node in the walk over the tree, which of its variants, and what it is in words."""

    node: int
    variant: int
    line: int
    text: str
    """The line as it stands, without its indentation."""
    what: str


def mutations(source: str) -> list[Mutation]:
    """Return every mutation of a module, in the order of its lines."""
    tree = ast.parse(source)
    lines = source.splitlines()
    skipped = _skipped(tree)
    found = []
    for number, node in enumerate(ast.walk(tree)):
        if id(node) in skipped:
            continue
        for variant, (what, _) in enumerate(_variants(node)):
            line = getattr(node, "lineno", 0)
            found.append(Mutation(number, variant, line, lines[line - 1].strip(), what))
    return sorted(found, key=lambda each: (each.line, each.node, each.variant))


def mutated(source: str, mutation: Mutation) -> str:
    """Return the source with this change made."""
    tree = ast.parse(source)
    node = next(node for number, node in enumerate(ast.walk(tree)) if number == mutation.node)
    replacement = list(_variants(node))[mutation.variant][1]
    changed = _Swap(node, replacement).visit(tree)
    return ast.unparse(ast.fix_missing_locations(changed)) + "\n"


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self._new if node is self._old else super().generic_visit(node)


def _skipped(tree: ast.Module) -> set[int]:
    """Return the nodes of which nothing depends on a test: docstrings, annotations, constants that say how long."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        for part in _without_meaning(node):
            skipped |= {id(each) for each in ast.walk(part)}
    return skipped


def _without_meaning(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Module):
        yield from (each for each in node.body if isinstance(each, ast.Assign | ast.AnnAssign))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
        yield from (each for each in node.body if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    if isinstance(node, ast.ClassDef):  # the page of the configuration shows the defaults, and is compared with them
        yield from (each for each in node.body if isinstance(each, ast.AnnAssign))
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield from node.decorator_list
    if isinstance(node, ast.FunctionDef):
        yield from [*node.args.defaults, *(each for each in [*node.args.kw_defaults, node.returns] if each)]
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
        yield node.annotation
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        yield node
    if isinstance(node, ast.Raise | ast.Assert):  # what a message says
        yield from (each for each in [getattr(node, "exc", None), getattr(node, "cause", None)] if each)


def _variants(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Yield what can become of a node, each with its description."""
    if isinstance(node, ast.Compare):
        yield from _comparisons(node)
    elif isinstance(node, ast.BoolOp):
        yield from _conditions(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"{_short(node)} -> {_short(node.operand)}", node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        changed_op = ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
        yield f"{_short(node)} -> {_short(changed_op)}", changed_op
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.Compare | ast.UnaryOp):
        changed_if = copy.copy(node)
        changed_if.test = ast.UnaryOp(ast.Not(), node.test)
        yield f"if {_short(node.test)} -> not", changed_if
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from _calls(node)
    elif isinstance(node, _REMOVABLE) and not _is_only_string(node):
        yield f"without `{_short(node)}`", ast.copy_location(ast.Pass(), node)


def _comparisons(node: ast.Compare) -> Iterator[tuple[str, ast.AST]]:
    for index, operator in enumerate(node.ops):
        if other := _COMPARISONS.get(type(operator)):
            changed = copy.deepcopy(node)
            changed.ops[index] = other()
            yield f"{_short(node)} -> {_short(changed)}", changed


def _conditions(node: ast.BoolOp) -> Iterator[tuple[str, ast.AST]]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield f"{type(node.op).__name__.lower()} -> {type(other).__name__.lower()}", ast.BoolOp(other, node.values)
    for index, value in enumerate(node.values):
        rest = node.values[:index] + node.values[index + 1 :]
        yield f"without `{_short(value)}`", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{value} -> {not value}", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield f"{value} -> {value + 1}", ast.Constant(value + 1)


def _calls(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    assert isinstance(node.func, ast.Name)
    other = {"min": "max", "max": "min", "any": "all", "all": "any"}.get(node.func.id)
    if other:
        yield f"{node.func.id} -> {other}", ast.Call(ast.Name(other, ast.Load()), node.args, node.keywords)
    if node.func.id == "replace":
        for index, keyword in enumerate(node.keywords):
            rest = node.keywords[:index] + node.keywords[index + 1 :]
            yield f"replace without {keyword.arg}", ast.Call(node.func, node.args, rest)


def _is_only_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Yield)


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
