"""Fragments of code: Python's own nodes, made from templates with holes; text appears once, at the end.

A template is a line or more of Python with holes. `$x` is filled with a node, with a name or a dotted place (a `str`), or with
a plain value; `$*x` with several of them, as arguments, elements, parameters or statements; `$**x` with keyword arguments,
or with the entries of a dictionary; `'$x'` with plain data as a literal, texts too. `$x = value` is the value alone where nothing is
bound, and so is `with value as $x`. Braces are Python's own.

    statements("$to = nnx.clone($source)", to="copied", source=expr("$owner.encoder", owner="model"))

Names that stand in a template are the script's own, and give way where a spec binds the same one (`give_way`); names that
fill a hole are taken as they are.
"""

import ast
import builtins
import copy
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

HOLE = re.compile(r"\$(\*{0,2})([a-z_]+)")
KINDS = {"": "hole_", "*": "holes_", "**": "**keywords_"}
SEVERAL = ("holes__", "keywords__")
HOLES = ("hole__", *SEVERAL)
#: what a hole may be filled with: a node, a list of nodes, a mapping of them, or a plain value
Fill = Any
#: statements in order
Body = list[ast.stmt]


class Given(str):
    """A name that a hole was filled with: it is the spec's, or free already, and gives way to no other."""

    __slots__ = ()


#: makes what stands at one place of a template from what fills the holes
Make = Callable[[Mapping[str, Fill]], Any]


@cache
def template(text: str) -> Make:
    """Return what makes the statements of a template, which is parsed once.

    Scripts share the nodes in which there is no hole: what is to be changed, is copied first.
    """
    return listed(ast.parse(HOLE.sub(lambda hole: f"{KINDS[hole[1]]}_{hole[2]}", text)).body)


def has_hole(at: ast.AST) -> bool:
    """Return whether there is a hole in a node."""
    values = [one for _, value in ast.iter_fields(at) for one in (value if isinstance(value, list) else [value])]
    return any(
        has_hole(one) if isinstance(one, ast.AST) else isinstance(one, str) and one.startswith(HOLES) for one in values
    )


def node(value: Fill) -> ast.expr:
    """Return a value as a node: a text is a name or a dotted place, anything else a literal."""
    if isinstance(value, ast.AST):
        return value  # type: ignore[return-value]  # what fills an expression is one
    return name(value) if isinstance(value, str) else literal(value)


def name(place: str) -> ast.expr:
    """Return a name, or attributes of one."""
    first, *rest = place.split(".")
    return attribute(ast.Name(Given(first), ast.Load()), rest)


def attribute(around: ast.expr, parts: Iterable[str]) -> ast.expr:
    """Return attributes of an expression, one after the other; a number is an index, and a word in brackets a key."""
    for part in parts:
        if part.isdigit() or part.startswith("["):
            key = ast.Constant(int(part) if part.isdigit() else part.strip("[]"))
            around = ast.Subscript(around, key, ast.Load())
        else:
            around = ast.Attribute(around, part, ast.Load())
    return around


def text(value: str) -> ast.Constant:
    """Return a literal text."""
    return ast.Constant(value)


def literal(value: Fill) -> ast.expr:
    """Return plain data as Python writes it; texts inside of lists and dictionaries are texts, nodes are kept."""
    match value:
        case ast.expr():
            return value
        case list():
            return ast.List([literal(one) for one in value], ast.Load())
        case tuple():
            return ast.Tuple([literal(one) for one in value], ast.Load())
        case dict():
            return ast.Dict([literal(key) for key in value], [literal(one) for one in value.values()])
        case int() | float() if not isinstance(value, bool) and (value < 0 or str(value) == "-0.0"):
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


# -- what makes the parts of a template: each function returns one that is called with what fills the holes


def copied(old: Any) -> Make:  # noqa: PLR0911  # one case a kind of node
    """Make a node with its holes filled; itself, if it has none."""
    if not has_hole(old):
        return lambda _: old
    if type(old) is ast.Name and old.id.startswith(SEVERAL):
        raise ValueError(
            f"{old.id!r}: a hole for several stands where one fits: put it into a list of arguments, elements or statements"
        )
    if type(old) is ast.Name:
        key, context = old.id[6:], old.ctx
        if isinstance(context, ast.Load):
            return lambda fills: node(fills[key])
        return lambda fills: in_context(node(fills[key]), context)
    if type(old) is ast.Constant and isinstance(old.value, str) and old.value.startswith("hole__"):
        literally = old.value[6:]
        return lambda fills: literal(fills[literally])
    if type(old) is ast.arguments:
        return arguments(old)
    if type(old) is ast.Dict and None in old.keys:
        return entries(old)
    whole = fields(old)
    if type(old) is ast.Assign and (to := hole_in(old.targets[0])):
        value = copied(old.value)
        return lambda fills: ast.Expr(value(fills)) if fills[to] is None else whole(fills)
    if type(old) is ast.withitem and (to := hole_in(old.optional_vars)):
        entered = copied(old.context_expr)
        return lambda fills: ast.withitem(entered(fills)) if fills[to] is None else whole(fills)
    return whole


def hole_in(target: ast.expr | None) -> str:
    """Return the hole that is assigned to, empty if that is none."""
    return target.id[6:] if isinstance(target, ast.Name) and target.id.startswith("hole__") else ""


def fields(old: ast.AST) -> Make:
    """Make a node of the same kind, field by field."""
    kind, makes = type(old), [(name, field(value)) for name, value in ast.iter_fields(old)]
    # `ast.unparse` looks at the line of a statement
    fixed = {"lineno": old.lineno} if isinstance(old, ast.stmt) else {}

    def made(fills: Mapping[str, Fill]) -> ast.AST:
        new = kind.__new__(kind)
        kept = vars(new)
        kept.update(fixed)
        for name, make in makes:
            kept[name] = make(fills)
        return new

    return made


def field(value: Any) -> Make:
    """Make what stands in a field of a node."""
    if isinstance(value, list):
        return listed(value)
    if isinstance(value, ast.AST):
        return copied(value)
    if isinstance(value, str) and value.startswith("hole__"):  # an attribute, or the name of a function
        key = value[6:]
        return lambda fills: Given(fills[key]) if isinstance(fills[key], str) else fills[key]
    if isinstance(value, str) and value.startswith("keywords__"):
        raise ValueError(f"{value!r}: keywords are given in a call, and no parameters of a function")
    return lambda _: value


def listed(values: list[Any]) -> Make:
    """Make a list; a hole for several is replaced by all that fill it."""
    makes = [(several_at(inner), one_of(inner)) for inner in values]

    def made(fills: Mapping[str, Fill]) -> list[Any]:
        found: list[Any] = []
        for several, make in makes:
            if several:
                found += make(fills)
            else:
                found.append(make(fills))
        return found

    return made


def several_at(inner: Any) -> str:
    """Return the hole for several that an element of a list is, with its kind; empty if it is none."""
    at = inner.value if isinstance(inner, ast.Expr | ast.keyword) else inner
    word = at.id if isinstance(at, ast.Name) else at if isinstance(at, str) else ""
    return word if word.startswith("keywords__" if isinstance(inner, ast.keyword) else "holes__") else ""


def one_of(inner: Any) -> Make:
    """Make an element of a list, or all elements that stand for it."""
    several = several_at(inner)
    if not several:
        return field(inner)
    key = several.partition("__")[2]
    if isinstance(inner, str):  # a name that is declared global
        return lambda fills: [Given(one) for one in fills[key]]
    if isinstance(inner, ast.keyword):
        return lambda fills: [ast.keyword(word, node(one)) for word, one in fills[key].items()]
    at: Any = inner.value if isinstance(inner, ast.Expr) else inner
    context = at.ctx
    return lambda fills: [in_context(standing(inner, one), context) for one in fills[key]]


def arguments(old: ast.arguments) -> Make:
    """Make parameters; what fills `$*x` are names, or pairs of a name and the node it is set to where none is given."""
    makes = [(several_in(one.arg), copied(one)) for one in old.args]
    whole = fields(ast.arguments(**{**dict(ast.iter_fields(old)), "args": []}))

    def made(fills: Mapping[str, Fill]) -> ast.arguments:
        new = whole(fills)
        defaults: list[ast.expr] = []  # the template's own come after: no parameter without one may follow them
        for several, make in makes:
            for given in fills[several] if several else ():
                named, default = given if isinstance(given, tuple) else (given, None)
                new.args.append(ast.arg(Given(named)))
                defaults += [node(default)] if default is not None else []
            new.args += [] if several else [make(fills)]
        new.defaults = [*defaults, *new.defaults]
        return new  # type: ignore[no-any-return]  # of the kind that was copied

    return made


def several_in(parameter: str) -> str:
    """Return the hole for several parameters, empty if it is one."""
    return parameter[7:] if parameter.startswith("holes__") else ""


def entries(old: ast.Dict) -> Make:
    """Make a dictionary; what fills `$**x` are entries, the keys as texts or nodes."""
    makes: list[tuple[str, Make, Make]] = []
    for key, value in zip(old.keys, old.values, strict=True):
        at = value.id if key is None and isinstance(value, ast.Name) else ""
        several = at.partition("__")[2] if at.startswith("keywords__") else ""
        makes.append((several, field(key), field(None if several else value)))

    def made(fills: Mapping[str, Fill]) -> ast.Dict:
        keys: list[ast.expr | None] = []
        values: list[ast.expr] = []
        for several, make_key, make_value in makes:
            if several:
                keys += [literal(one) for one in fills[several]]
                values += [node(one) for one in fills[several].values()]
            else:
                keys.append(make_key(fills))
                values.append(make_value(fills))
        return ast.Dict(keys, values)

    return made


def standing(around: ast.AST, one: Fill) -> ast.AST:
    """Return what fills a list: a statement as it is, a value as a node."""
    return one if isinstance(one, ast.stmt) else ast.Expr(node(one)) if isinstance(around, ast.Expr) else node(one)


def in_context(made: Any, wanted: ast.expr_context) -> Any:
    """Return a node to be bound or deleted, where a hole stands on the left."""
    if isinstance(wanted, ast.Load) or not hasattr(made, "ctx"):
        return made
    fields = {**dict(ast.iter_fields(made)), "ctx": type(wanted)()}
    if isinstance(made, ast.Tuple | ast.List):
        fields["elts"] = [in_context(one, wanted) for one in made.elts]
    if isinstance(made, ast.Starred):
        fields["value"] = in_context(made.value, wanted)
    return type(made)(**fields)


def filled(code: str, fills: Mapping[str, Fill]) -> list[ast.stmt]:
    """Return the statements of a template, its holes filled from a mapping that is asked for those that there are."""
    made: list[ast.stmt] = template(code)(fills)
    return made


def statements(code: str, /, **fills: Fill) -> list[ast.stmt]:
    """Return the statements of a template."""
    return filled(code, fills)


def expression_of(made: list[ast.stmt]) -> ast.expr:
    """Return the one expression that a template is."""
    (found,) = made
    assert isinstance(found, ast.Expr)
    return found.value


def expr(code: str, /, **fills: Fill) -> ast.expr:
    """Return the expression of a template."""
    return expression_of(filled(code, fills))


# -- questions to nodes


#: nodes in which no name stands
LEAVES = frozenset({
    ast.Constant,
    *(kind for group in (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop) for kind in group.__subclasses__()),
})  # fmt: skip


#: fields in which no node stands, or one in which no name can
NAMELESS = frozenset({
    "arg", "asname", "attr", "conversion", "ctx", "id", "is_async", "kind", "lineno", "module", "name", "names", "op", "ops", "simple",
    "type_comment", "type_ignores", "type_params", "level",
})  # fmt: skip


#: kind of node -> the fields in which names can stand
INNER: Mapping[type[ast.AST], tuple[str, ...]] = {
    kind: () if kind in LEAVES else tuple(one for one in kind._fields if one not in NAMELESS)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def children(at: ast.AST) -> list[ast.AST]:
    """Return the nodes right inside a node, but for those in which no name can stand."""
    found: list[ast.AST] = []
    for field in INNER[type(at)]:
        value = getattr(at, field, None)
        if type(value) is list:
            found += [one for one in value if type(one) not in LEAVES and isinstance(one, ast.AST)]
        elif value is not None and type(value) not in LEAVES and isinstance(value, ast.AST):
            found.append(value)
    return found


class Names:
    """The names that nodes read and bind, as Python resolves names: one walk for both."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        self.read: dict[str, None] = {}
        self.bound: dict[str, None] = {}
        #: what is declared global or nonlocal, and what scopes inside read from around them
        self.declared: dict[str, None] = {}
        self.inner: dict[str, None] = {}
        for one in nodes:
            self.see(one)

    @property
    def free(self) -> dict[str, None]:
        """The names that are read and not bound, in the order of reading."""
        return {one: None for one in self.read if one not in self.bound}

    def inside(self, nodes: Iterable[ast.AST], own: Collection[str] = (), *, of_class: bool = False) -> None:
        """Add what a scope of its own reads from around it, and what it declares global; methods do not see what a class binds."""
        found = Names(nodes)
        hidden = {*found.bound, *own} - found.declared.keys()
        reads = [one for one in found.read if one not in hidden or (of_class and one in found.inner)]
        self.read |= dict.fromkeys(reads)
        self.inner |= dict.fromkeys(reads)
        self.bound |= {one: None for one in found.bound if one in found.declared}

    def see(self, at: ast.AST) -> None:
        """Add the names of a node."""
        while type(at) is ast.Attribute:
            at = at.value
        if type(at) is ast.Name:
            self.see_name(at)
            return
        seen = SCOPES.get(type(at)) or BINDING.get(type(at))
        if seen:
            seen(self, at)
            if type(at) in SCOPES:
                return
        for one in children(at):
            self.see(one)

    def see_function(self, at: ast.FunctionDef | ast.Lambda) -> None:
        """Add a function's name, what its defaults and annotations read, and its body."""
        given = at.args
        around = [*given.defaults, *given.kw_defaults, *(one.annotation for one in every(given))]
        if isinstance(at, ast.FunctionDef):
            around += [*at.decorator_list, at.returns]
            self.bound[at.name] = None
        for one in filter(None, around):
            self.see(one)
        self.inside(at.body if isinstance(at.body, list) else [at.body], parameters(given))

    def see_class(self, at: ast.ClassDef) -> None:
        """Add a class's name, its bases, and its body."""
        for one in (*at.decorator_list, *at.bases, *at.keywords):
            self.see(one)
        self.inside(at.body, of_class=True)
        self.bound[at.name] = None

    def see_comprehension(self, at: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        """Add what the first iterable reads, and the rest as a scope of its own."""
        first, *more = at.generators
        self.see(first.iter)
        elements = [at.key, at.value] if isinstance(at, ast.DictComp) else [at.elt]
        self.inside([first.target, *first.ifs, *more, *elements])

    def see_name(self, at: ast.Name) -> None:
        """Add a name that is read or bound."""
        (self.read if isinstance(at.ctx, ast.Load) else self.bound)[at.id] = None

    def see_augmented(self, at: ast.AugAssign) -> None:
        """Add a name that is read before it is bound."""
        if isinstance(at.target, ast.Name):
            self.read[at.target.id] = None

    def see_handler(self, at: ast.ExceptHandler) -> None:
        """Add the name of a caught exception."""
        self.bound |= {at.name: None} if at.name else {}

    def see_declared(self, at: ast.Global | ast.Nonlocal) -> None:
        """Add names that are those of a scope around."""
        self.declared |= dict.fromkeys(at.names)

    def see_import(self, at: ast.Import | ast.ImportFrom) -> None:
        """Add the names that an import binds."""
        self.bound |= dict.fromkeys(imported(one) for one in at.names)


#: nodes that are scopes of their own, and others that bind or read a name
SCOPES: Mapping[type[ast.AST], Callable[[Names, Any], None]] = {
    ast.FunctionDef: Names.see_function, ast.Lambda: Names.see_function, ast.ClassDef: Names.see_class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp), Names.see_comprehension),
}  # fmt: skip
BINDING: Mapping[type[ast.AST], Callable[[Names, Any], None]] = {
    ast.Name: Names.see_name, ast.AugAssign: Names.see_augmented, ast.ExceptHandler: Names.see_handler,
    **dict.fromkeys((ast.Global, ast.Nonlocal), Names.see_declared), **dict.fromkeys((ast.Import, ast.ImportFrom), Names.see_import),
}  # fmt: skip


def every(arguments: ast.arguments) -> list[ast.arg]:
    """Return all parameters of a function."""
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*given, *filter(None, (arguments.vararg, arguments.kwarg))]


def parameters(arguments: ast.arguments) -> list[str]:
    """Return the names of all parameters of a function."""
    return [one.arg for one in every(arguments)]


def imported(alias: ast.alias) -> str:
    """Return the name that an import binds."""
    return alias.asname or alias.name.partition(".")[0]


def alike(one: ast.expr, other: ast.expr) -> bool:
    """Return whether two expressions are the same code."""
    return ast.dump(one) == ast.dump(other)


# -- names that give way


def give_way(groups: Sequence[Body], taken: Collection[str]) -> tuple[list[Body], dict[str, str]]:
    """Rename the script's own names that are among those `taken`; return the statements, and the old name of each with its new one.

    A name that filled a hole stays, and so do attributes, methods and what a class binds. A name that is read and bound nowhere in the
    statements, such as a module or a builtin, is renamed too: what imports it imports it under the new one.
    """
    if not has_own(chain(*groups), taken):
        return [*groups], {}
    copied = copy.deepcopy([*groups])
    found = [name for one in chain(*copied) for name in names_of(one)]
    used = {word for at, field in found for word in several(getattr(at, field))}
    renamed: dict[str, str] = {}

    def other(word: str) -> str:
        if word not in taken or isinstance(word, Given):
            return word
        if word not in renamed:
            free = f"{word}_"
            while free in used or free in taken:
                free += "_"
            renamed[word] = free
        return renamed[word]

    for at, field in found:
        code = getattr(at, field)
        setattr(at, field, [other(one) for one in code] if isinstance(code, list) else other(code))
    return copied, renamed


def has_own(nodes: Iterable[ast.AST], taken: Collection[str]) -> bool:
    """Return whether a name of the script's own that is among those taken is bound or read somewhere, attributes of classes too."""
    left = [*nodes]
    while left:
        at = left.pop()
        while type(at) is ast.Attribute:
            at = at.value
        named = NAMED.get(type(at))
        for word in several(getattr(at, named) or []) if named else ():
            if word in taken and not isinstance(word, Given):
                return True
        if type(at) is not ast.Name:
            left += children(at)
    return False


def several(code: str | list[str]) -> list[str]:
    """Return the names of a field: of one or of several."""
    return code if isinstance(code, list) else [code]


def kept(body: Body) -> Body:
    """Return statements in which no name gives way: those of a class that says nothing of the spec, and is called by keywords."""
    body = copy.deepcopy(body)
    for at, field in [name for one in body for name in names_of(one)]:
        code = getattr(at, field)
        setattr(at, field, [Given(one) for one in code] if isinstance(code, list) else Given(code))
    return body


#: kind of node that binds or reads a name itself -> the field that it stands in
NAMED: Mapping[type[ast.AST], str] = {
    ast.Name: "id", ast.arg: "arg", ast.FunctionDef: "name", ast.ClassDef: "name", ast.ExceptHandler: "name",
    ast.Global: "names", ast.Nonlocal: "names",
}  # fmt: skip


def names_of(at: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Yield each node inside that binds or reads names, with the field that has them; not what is an attribute of a class."""
    field = NAMED.get(type(at))
    if field and getattr(at, field):
        yield at, field
    for one in children(at):
        if isinstance(at, ast.ClassDef) and one in at.body:
            yield from (name for name in names_of(one) if name[0] not in attributes_of(one))
        else:
            yield from names_of(one)


def attributes_of(statement: ast.AST) -> list[ast.AST]:
    """Return the nodes by which a statement of a class's body binds attributes of the class."""
    match statement:
        case ast.FunctionDef() | ast.ClassDef():
            return [statement]
        case ast.Assign():
            return [at for target in statement.targets for at in ast.walk(target)]
        case ast.AnnAssign():
            return [statement.target]
    return []


# -- import lines


@cache
def import_lines(text: str) -> list[ast.Import | ast.ImportFrom]:
    """Return the import lines of a text."""
    return [line for line in ast.parse(text).body if isinstance(line, ast.Import | ast.ImportFrom)]


def imports_of(names: Names, tables: Sequence[str], renamed: Mapping[str, str]) -> Body:
    """Return the imports of names that are read and not bound, in the order of the tables.

    What gave way is imported under its new name; so is a builtin.
    """
    free = names.free
    lines: Body = []
    known: set[str] = set()
    for line in (line for table in tables for line in import_lines(table)):
        known |= {imported(alias) for alias in line.names}
        wanted = [alias for alias in line.names if imported(alias) in free]
        if wanted:
            lines.append(with_names(line, wanted))
        for alias in line.names:
            if renamed.get(imported(alias)) in free:
                lines += imported_as(line, alias, renamed[imported(alias)])
    taken = {
        one: other for one, other in renamed.items() if other in free and one not in known and hasattr(builtins, one)
    }
    return [
        *(line for one, other in taken.items() for line in statements(f"from builtins import {one} as {other}")),
        *lines,
    ]


def with_names(line: ast.Import | ast.ImportFrom, names: list[ast.alias]) -> ast.stmt:
    """Return an import line with some of its names."""
    return ast.Import(names) if isinstance(line, ast.Import) else ast.ImportFrom(line.module, names, line.level)


def imported_as(line: ast.Import | ast.ImportFrom, alias: ast.alias, to: str) -> Body:
    """Return what imports under another name what a line imports under one."""
    first, dot, _ = alias.name.partition(".")
    if isinstance(line, ast.Import) and dot and not alias.asname:  # `import a.b` binds `a`
        return [with_names(line, [alias]), ast.Import([ast.alias(first, to)])]
    return [with_names(line, [ast.alias(alias.name, to)])]
