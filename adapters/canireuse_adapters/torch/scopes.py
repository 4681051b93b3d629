"""Scopes in PyTorch: submodules of a root module."""

from typing import TYPE_CHECKING

from canireuse.emit import Lack, Words, statements
from canireuse.program import Mode
from canireuse.step import OddFlag
from canireuse.vocabulary import CurrentScope, Reenter, Scope

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

FLOATS = {None, "float16", "float32", "float64"}
NO_MODE = "PyTorch has no reuse mode: `register_parameter` makes, `get_parameter` looks up, and the caller says which."
ONLY_FLOATS = "`torch.set_default_dtype` takes floating-point types alone; another is said at each tensor."


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
            words = "if not hasattr($around, '$scope'):\n    $*made"
            made = statements(words, around=around, scope=step.scope, made=made)
        torch.body += made
    enter(torch, step)


def enter(torch: "Torch", step: Scope | Reenter) -> None:
    """Write the steps inside a scope; another default dtype is global, and is put back afterwards."""
    if step.as_:
        torch.emit("$to = $here", to=step.as_, here=torch.here())
    if step.dtype is None:
        torch.steps(step.steps)
        return
    torch.idiom("PyTorch's default dtype is global: it is set before, and put back afterwards.")
    words, around = "torch.set_default_dtype(torch.$dtype)", torch.symbols.opened[-2].dtype or "float32"
    torch.emit(words, dtype=step.dtype)
    if step.raises is None:
        torch.steps(step.steps)
        torch.emit(words, dtype=around)
    else:
        torch.block("try:\n    $*body\nfinally:\n    $*back", step.steps, back=statements(words, dtype=around))


def current_scope(torch: "Torch", step: CurrentScope) -> None:
    """Bind the module that is worked in."""
    torch.emit("$to = $here", to=step.current_scope, here=torch.here())


WORDS: Words = {"scope": scope, "reenter": enter, "current_scope": current_scope}
LACKS = tuple(
    Lack(verb, when, reason)
    for verb in ("scope", "reenter")
    for when, reason in (
        (lambda _, step: isinstance(step.reuse, OddFlag), NO_MODE),
        (lambda _, step: step.dtype not in FLOATS, ONLY_FLOATS),
    )
)
