"""Scopes in PyTorch: submodules of a root module."""

from typing import TYPE_CHECKING

from canireuse.emit import Code, Lack, statements
from canireuse.program import Mode
from canireuse.spec.step import OddFlag
from canireuse.spec.vocabulary import CurrentScope, Reenter, Scope

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

NO_MODE = "PyTorch has no reuse mode: `register_parameter` makes, `get_parameter` looks up, and the caller says which."


def scope(torch: "Torch", step: Scope) -> None:
    """Add a submodule, unless it is there or is to be looked up, and work in it; where the line may run twice, ask first."""
    opened, around = torch.symbols.scope, torch.here(-1)
    if opened.mode is Mode.LOOK_UP and not opened.there:
        torch.symbols.there.discard(opened.path)  # what is looked up is not made
    elif not opened.there:
        made = statements("$around.add_module('$scope', nn.Module())", around=around, scope=step.scope)
        if torch.runs_again() or opened.path in torch.symbols.perhaps:
            torch.idiom(
                "A scope that may be there already is asked for with `hasattr`, since `add_module` replaces in silence."
            )
            code = "if not hasattr($around, '$scope'):\n    $*made"
            made = statements(code, around=around, scope=step.scope, made=made)
        torch.body += made
    enter(torch, step)


def enter(torch: "Torch", step: Scope | Reenter) -> None:
    """Write the steps inside a scope."""
    if step.as_:
        torch.emit("$to = $here", to=step.as_, here=torch.here())
    torch.steps(step.steps)


def current_scope(torch: "Torch", step: CurrentScope) -> None:
    """Bind the module that is worked in."""
    torch.emit("$to = $here", to=step.current_scope, here=torch.here())


CODE: Code = {"scope": scope, "reenter": enter, "current_scope": current_scope}
LACKS = tuple(Lack(verb, lambda _, step: isinstance(step.reuse, OddFlag), NO_MODE) for verb in ("scope", "reenter"))
