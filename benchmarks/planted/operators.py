"""Small faults in the code of a framework: where one could be, what it is, and the import hook that plants it.

A host process imports this before the framework; it needs the standard library alone. The tree of a module is changed
between reading and compiling it: no file of a framework is touched, and none is written.
"""

import ast
import copy
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

#: what says how a thing is shown is no reuse code
SHOWN = ("__repr__", "__str__", "_repr", "repr_", "_get_name", "_ipython")
#: calls that tell the makers of the framework, not its users
TOLD = ("log", "logging", "tf_logging", "_log_api_usage_once")
TURNED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
#: what a statement over several lines shows of itself
HEADERS = ("test", "iter", "items", "subject")


@dataclass(frozen=True)
class Place:
    """A fault that could be planted: where, of which kind, the text before and after, and how the tree is changed."""

    function: str
    line: int
    operator: str
    original: str
    mutated: str
    #: the statement that has to be reached for the fault to matter
    statement: ast.stmt
    plant: Callable[[], None]

    @property
    def key(self) -> tuple[str, int, str, str, str]:
        """What a frozen fault says of its place."""
        return self.function, self.line, self.operator, self.original, self.mutated


def places(tree: ast.Module) -> Iterator[Place]:
    """Yield every fault that could be planted in the functions of a module, in the order of its lines."""
    yield from in_body(tree, "", None)


def in_body(node: ast.AST, function: str, statement: ast.stmt | None) -> Iterator[Place]:
    """Yield the faults of what stands below a node, which is inside a function or holds some."""
    for holder, key, child in children(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if not any(word in child.name for word in SHOWN):
                name = f"{function}.{child.name}".lstrip(".")
                yield from in_defaults(child, name)
                yield from in_body(child, name, child.body[0])
        elif isinstance(child, ast.ClassDef):
            yield from in_body(child, f"{function}.{child.name}".lstrip("."), None)
        elif not isinstance(child, ast.Raise | ast.Assert | ast.JoinedStr | ast.arguments | ast.AnnAssign):
            inside = child if isinstance(child, ast.stmt) and statement is not None else statement
            if inside is not None:
                for operator, changed in changes(child, node):
                    yield place(function, operator, inside, child, changed, holder, key)
            yield from in_body(child, function, inside)


def children(node: ast.AST) -> Iterator[tuple[Any, Any, ast.AST]]:
    """Yield each child of a node with what holds it there, without decorators and annotations."""
    for name, value in ast.iter_fields(node):
        if name in {"decorator_list", "returns", "annotation", "type_params", "bases", "keywords"} and not isinstance(
            node, ast.Call
        ):
            continue
        if isinstance(value, list):
            yield from ((value, at, one) for at, one in enumerate(value) if isinstance(one, ast.AST))
        elif isinstance(value, ast.AST):
            yield vars(node), name, value


def changes(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901, PLR0912  # one case a kind
    """Yield the faults of one node: the operator, and what would stand there instead."""
    match node:
        case ast.Compare(ops=[turned]) if type(turned) in TURNED:
            yield "comparison turned", changed(node, ops=[TURNED[type(turned)]()])
        case ast.BoolOp(op=ast.And()):
            yield "and for or", changed(node, op=ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield "and for or", changed(node, op=ast.And())
        case ast.BinOp(op=ast.Add() | ast.Sub(), left=left, right=ast.Constant(value=1)):
            yield "one dropped", left
        case ast.AugAssign(op=ast.Add() | ast.Sub(), value=ast.Constant(value=1)):
            yield "one dropped", ast.Pass()
        case ast.Expr(value=ast.Call() as call) if ast.unparse(call.func).split(".")[0] not in TOLD:
            yield "call dropped", ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "assignment dropped", ast.Pass()
        case ast.Return(value=value) if value is not None and not isinstance(value, ast.Constant):
            yield "nothing returned", changed(node, value=ast.Constant(None))
        case ast.Constant(value=bool(value)):
            yield "constant flipped", ast.Constant(not value)
        case ast.Break():
            yield "loop goes on", ast.Continue()
        case ast.Continue():
            yield "loop ends", ast.Break()
        case ast.Call(keywords=keywords):
            for at, keyword in enumerate(keywords):
                if keyword.arg and isinstance(keyword.value, ast.Name | ast.Attribute):
                    yield "argument not handed on", changed(node, keywords=keywords[:at] + keywords[at + 1 :])
    if isinstance(parent, ast.If | ast.IfExp) and node is parent.test and not isinstance(node, ast.Compare):
        negated = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) else None
        yield "condition negated", negated or ast.UnaryOp(ast.Not(), node)


def changed(node: ast.AST, **fields: Any) -> ast.AST:
    """Return a node with other fields."""
    made = copy.copy(node)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def in_defaults(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Iterator[Place]:
    """Yield the faults of the defaults of a function; they matter where it is called."""
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    first = next((one for one in function.body if not is_text(one)), function.body[-1])
    with_defaults = plain[len(plain) - len(given.defaults) :]
    for arguments, holder in ((with_defaults, given.defaults), (given.kwonlyargs, given.kw_defaults)):
        for at, (argument, value) in enumerate(zip(arguments, holder, strict=True)):
            match value:
                case ast.Constant(value=bool(told)):
                    other: Any = not told
                case ast.Constant(value=int(told) | float(told)):
                    other = told + 1
                case ast.Constant(value=str(told)) if told:
                    other = ""
                case ast.Constant(value=None):
                    other = True
                case _:
                    continue
            made = ast.Constant(other)
            yield Place(
                name, argument.lineno, "default changed", f"{argument.arg}={ast.unparse(value)}",
                f"{argument.arg}={ast.unparse(made)}", first, putting(holder, at, made, value),
            )  # fmt: skip


def is_text(statement: ast.stmt) -> bool:
    """Return whether a statement is a text alone, as docstrings are."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def putting(holder: Any, key: Any, new: ast.AST, old: ast.AST) -> Callable[[], None]:
    """Return what puts a node in the place of another."""

    def put() -> None:
        holder[key] = ast.fix_missing_locations(ast.copy_location(new, old))

    return put


def place(
    function: str, operator: str, statement: ast.stmt, old: ast.AST, new: ast.AST, holder: Any, key: Any
) -> Place:
    """Return a place with the text of its statement before and after the change; of a longer one, of its first line."""
    put = putting(holder, key, new, old)
    original = shown(statement)
    if old is statement:
        mutated = shown(new)
    else:
        holder[key] = new
        mutated = shown(statement)
        holder[key] = old
    return Place(function, getattr(old, "lineno", statement.lineno), operator, original, mutated, statement, put)


def shown(statement: ast.AST) -> str:
    """Return the text of a statement; of one that holds others, its condition or what it goes through."""
    for name in HEADERS:
        if value := getattr(statement, name, None):
            parts = value if isinstance(value, list) else [value]
            return f"{type(statement).__name__.lower()} {', '.join(map(ast.unparse, parts))}"
    return ast.unparse(statement) if not hasattr(statement, "body") else type(statement).__name__.lower()


class Planter(importlib.machinery.SourceFileLoader):
    """Loads a module with one fault in it, or with marks where faults would be."""

    def __init__(self, name: str, path: str, change: Callable[[ast.Module], None]) -> None:
        super().__init__(name, path)
        self.change = change

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the changed tree; what was compiled before is not looked at."""
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        self.change(tree)
        return compile(tree, path, "exec", dont_inherit=True)


class Finder:
    """Finds the modules that are changed, and leaves all others to Python."""

    def __init__(self, changed: Mapping[str, Callable[[ast.Module], None]]) -> None:
        self.changed = changed

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Return where a changed module is, with a loader that changes it."""
        if fullname not in self.changed:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin:
            spec.loader = Planter(fullname, spec.origin, self.changed[fullname])
        return spec


def found(tree: ast.Module, faults: Iterable[Mapping[str, Any]]) -> list[Place]:
    """Return the places of frozen faults in a module; raise LookupError where its code is not the one they were frozen for."""
    there = {one.key: one for one in places(tree)}
    keys = [tuple(fault[name] for name in ("function", "line", "operator", "original", "mutated")) for fault in faults]
    if lost := [key for key in keys if key not in there]:
        raise LookupError(f"{len(lost)} frozen faults are not in this version of the code, the first: {lost[0]}")
    return [there[key] for key in keys]


def plant(fault: Mapping[str, Any]) -> None:
    """Have the module of a fault imported with the fault in it."""

    def change(tree: ast.Module) -> None:
        found(tree, [fault])[0].plant()

    sys.meta_path.insert(0, Finder({fault["module"]: change}))


#: the numbers of the faults whose statements were reached since the last script began, and where they are written
REACHED: set[int] = set()
CHANNEL: list[int] = []
BEGAN = b"began\n"


def watch(faults: Sequence[Mapping[str, Any]], path: str) -> None:
    """Have the modules of faults imported with a mark at each, which writes the number of the fault when it is reached."""
    CHANNEL.append(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT))

    def change_of(module: str) -> Callable[[ast.Module], None]:
        own = {at: fault for at, fault in enumerate(faults) if fault["module"] == module}

        def change(tree: ast.Module) -> None:
            marked: dict[ast.stmt, list[ast.stmt]] = {}
            for at, one in zip(own, found(tree, own.values()), strict=True):
                mark = ast.parse(f"__import__('sys').modules[{__name__!r}].reached({at})").body[0]
                marked.setdefault(one.statement, []).append(ast.copy_location(mark, one.statement))
            for node in list(ast.walk(tree)):
                for body in vars(node).values():
                    if isinstance(body, list) and any(one in marked for one in body):
                        body[:] = [new for one in body for new in (*marked.get(one, []), one)]
            ast.fix_missing_locations(tree)

        return change

    sys.meta_path.insert(0, Finder({module: change_of(module) for module in {one["module"] for one in faults}}))


def reached(number: int) -> None:
    """Write the number of a fault whose statement is about to run, the first time in a script."""
    if number not in REACHED:
        REACHED.add(number)
        os.write(CHANNEL[0], b"%d\n" % number)


def began() -> None:
    """Say that a script begins, behind importing and behind what puts things back, and forget what was reached."""
    REACHED.clear()
    os.write(CHANNEL[0], BEGAN)
