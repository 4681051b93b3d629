"""Since which version: what a script calls that a framework had not yet.

An adapter's table `since` holds what its scripts say, with `_` for anything, and the first version that has it:
`"nn.BatchNorm1d(bias=_)": "torch>=2.12"` is a call with that keyword, `"_.update(_, _)"` one with two arguments or more.
"""

import ast
from collections.abc import Mapping
from functools import cache

from packaging.requirements import Requirement
from packaging.version import Version

#: how a reason begins that a case is unsupported by the version that is here
SINCE = "since "


def lacking(script: str, since: Mapping[str, str], versions: Mapping[str, str]) -> str | None:
    """Return what of a script came with a later version than the one that is here, None if all of it is here.

    Raises SyntaxError for a script that is no Python.
    """
    late = {wording: requirement for wording, text in since.items() if (requirement := unmet(text, versions))}
    if not late:
        return None
    nodes = list(ast.walk(ast.parse(script)))
    for wording, requirement in late.items():
        wanted = pattern(wording)
        if any(says(node, wanted) for node in nodes):
            version = min((one.version for one in requirement.specifier), key=Version)
            return f"{SINCE}{requirement.name} {version}: `{wording}`; here is {versions[requirement.name]}"
    return None


def unmet(text: str, versions: Mapping[str, str]) -> Requirement | None:
    """Return a requirement that the versions that are here do not meet; one on a package that is not here is another matter."""
    requirement = Requirement(text)
    here = versions.get(requirement.name)
    return requirement if here and not requirement.specifier.contains(here, prereleases=True) else None


@cache
def pattern(wording: str) -> ast.AST:
    """Return what is looked for in a script."""
    return ast.parse(wording, mode="eval").body


def says(node: ast.AST, wanted: ast.AST) -> bool:  # noqa: PLR0911  # one case a kind of node
    """Return whether a part of a script is what is wanted: a name, also at the end of a longer one, a call, an index."""
    match wanted:
        case ast.Name(id="_"):
            return True
        case ast.Name(id=name):
            return (isinstance(node, ast.Name) and node.id == name) or (
                isinstance(node, ast.alias) and node.name == name
            )
        case ast.Attribute(value=value, attr=name):
            if isinstance(node, ast.ImportFrom):
                return any(alias.name == name for alias in node.names) and node.module == ast.unparse(value)
            return isinstance(node, ast.Attribute) and node.attr == name and says(node.value, value)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            return (
                isinstance(node, ast.Call)
                and says(node.func, function)
                and len(node.args) >= len(arguments)
                and all(map(says, node.args, arguments))
                and {keyword.arg for keyword in keywords} <= {keyword.arg for keyword in node.keywords}
            )
        case ast.Subscript(value=value, slice=index):
            return isinstance(node, ast.Subscript) and says(node.value, value) and says(node.slice, index)
        case ast.Constant(value=constant):
            return isinstance(node, ast.Constant) and node.value == constant
    return False
