"""Since which version: what a script calls that a framework had not yet.

An adapter's table `since` holds what its scripts say, with `_` for anything, and the first version that has it:
`"nn.BatchNorm1d(bias=_)": "torch>=2.12"` is a call with that keyword, `"_.update(_, _)"` one with two arguments or more,
`"_[...] = _"` an assignment, `"nnx.grad(_)(_)._[...]"` an index of something inside what a call returned. A name of a script stands
for what was bound to it.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import groupby

from packaging.requirements import Requirement
from packaging.version import Version

#: how a reason begins that a case is unsupported by the version that is here
SINCE = "since "


def lacking(script: str, since: Mapping[str, str], versions: Mapping[str, str]) -> str | None:
    """Return what of a script came with later versions than those that are here, None if all of it is here.

    Of each package the newest version stands first, as that is the one which the whole script needs. Raises SyntaxError for a script
    that is no Python.
    """
    late = [(requirement, wording) for wording, text in since.items() if (requirement := unmet(text, versions))]
    if not late:
        return None
    found = said_by(script, [wording for _, wording in late])
    missing = [(one.name, first_of(one), wording) for one, wording in late if wording in found]
    missing.sort(key=lambda one: Version(one[1]), reverse=True)
    missing.sort(key=lambda one: one[0])
    told = "; ".join(
        f"{name} {version} (here is {versions[name]}): {', '.join(f'`{wording}`' for _, _, wording in each)}"
        for (name, version), each in groupby(missing, key=lambda one: one[:2])
    )
    return f"{SINCE}{told}" if missing else None


def first_of(requirement: Requirement) -> str:
    """Return the first version that a requirement allows."""
    return min((one.version for one in requirement.specifier), key=Version)


def unmet(text: str, versions: Mapping[str, str]) -> Requirement | None:
    """Return a requirement that the versions that are here do not meet; one on a package that is not here is another matter."""
    requirement = Requirement(text)
    here = versions.get(requirement.name)
    return requirement if here and not requirement.specifier.contains(here, prereleases=True) else None


def said_by(script: str, wordings: list[str]) -> set[str]:
    """Return which of some wordings a script says."""
    nodes = list(ast.walk(ast.parse(script)))
    bound: dict[str, list[ast.AST]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            for name in node.targets:
                if isinstance(name, ast.Name):
                    bound.setdefault(name.id, []).append(node.value)
    return {wording for wording in wordings if any(says(node, pattern(wording), bound) for node in nodes)}


@cache
def pattern(wording: str) -> ast.AST:
    """Return what is looked for in a script: an expression, or an assignment."""
    statement = ast.parse(wording).body[0]
    return statement.value if isinstance(statement, ast.Expr) else statement


def says(node: ast.AST, wanted: ast.AST, bound: Mapping[str, list[ast.AST]]) -> bool:  # noqa: PLR0911  # one case a kind of node
    """Return whether a part of a script is what is wanted: a name, also at the end of a longer one, a call, an index, an assignment.

    A name stands for what the script bound to it, too.
    """
    if isinstance(node, ast.Name) and node.id in bound and not isinstance(wanted, ast.Name):
        others = {name: values for name, values in bound.items() if name != node.id}
        return any(says(value, wanted, others) for value in bound[node.id])
    match wanted:
        case ast.Name(id="_"):
            return True
        case ast.Name(id=name):
            return (isinstance(node, ast.Name) and node.id == name) or (
                isinstance(node, ast.alias) and node.name == name
            )
        case ast.Attribute(value=value, attr=name):
            return any(says(owner, value, bound) for owner in owners(node, name)) or (
                isinstance(node, ast.ImportFrom)
                and any(alias.name == name for alias in node.names)
                and node.module == ast.unparse(value)
            )
        case ast.Call(func=function, args=arguments, keywords=keywords):
            return (
                isinstance(node, ast.Call)
                and says(node.func, function, bound)
                and len(node.args) >= len(arguments)
                and all(says(one, argument, bound) for one, argument in zip(node.args, arguments, strict=False))
                and {keyword.arg for keyword in keywords} <= {keyword.arg for keyword in node.keywords}
            )
        case ast.Subscript(value=value, slice=index):
            return isinstance(node, ast.Subscript) and says(node.value, value, bound) and says(node.slice, index, bound)
        case ast.Assign(targets=[target], value=value):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            return (
                isinstance(node, ast.Assign | ast.AugAssign)
                and says(node.value, value, {})
                and any(says(one, target, {}) for one in targets if one)
            )
        case ast.Lambda():
            return isinstance(node, ast.Lambda)
        case ast.Constant(value=constant):
            return isinstance(node, ast.Constant) and node.value == constant
    return False


def owners(node: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield what an attribute of a name is taken of; where the name is `_`, what any chain of attributes is taken of."""
    while isinstance(node, ast.Attribute) and name in {node.attr, "_"}:
        yield node.value
        if name != "_":
            return
        node = node.value
