"""Functions in PyTorch, compiled or not, loops and batches."""

import ast
from collections.abc import Iterable
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Effects, Lack, Names, Unsupported, expr, name
from canireuse.program import Mode, Object, free_names, is_place
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Function, Get, Invoke, Layer, Module, Scan, Thread, Train, walk
from canireuse_adapters.torch.learning import make_optimizer
from canireuse_adapters.torch_compile import compiled
from canireuse_adapters.training import MADE_BEFORE, training_of

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


#: way -> in what a model is made that takes no memory
EMPTIED = {
    "device": "torch.device('meta')", "init_empty_weights": "init_empty_weights()",
    "init_empty_weights-buffers": "init_empty_weights(include_buffers=True)",
}  # fmt: skip


def function(torch: "Torch", step: Function) -> None:
    """Define a Python function; `torch.compile` traces it where asked."""
    decorators: list[ast.expr] = []
    if step.traced:
        if hoisted := training_of(step):
            to = torch.fresh("optimizer")  # that of another function goes on under its own name
            make_optimizer(torch, hoisted, to)
            torch.hoisted[id(hoisted)] = to, trained_by(torch, hoisted)
        decorators = [compiled(torch, step)]
    before = set(torch.symbols.names)
    with torch.apart() as body:
        torch.steps(step.steps)
        if step.returns:
            torch.emit("return $value", value=returned(torch, step.returns))
    # what the body reads before it binds it anew is handed in: to Python it would be a name of the function's own
    bound = Names(body).bound
    anew = [(one, name(one)) for one in free_names(step.steps, step.takes) if one in bound and one in before]
    code = "@$*decorators\ndef $function($*takes):\n    $*body"
    torch.emit(code, decorators=decorators, function=step.function, takes=[*step.takes, *anew], body=body)


def trained_by(torch: "Torch", step: Train) -> set[Object]:
    """Return what stands at the places that a training step is with respect to."""
    places = [step.wrt] if isinstance(step.wrt, str) else step.wrt
    return {one for place in places if (found := torch.symbols.at(place)) for one in found.variables()}


def trained(torch: "Torch", step: Train) -> None:
    """Refuse a step whose optimizer, which was made before the compiled function, would not train what it says now."""
    torch.symbols.happen(step)
    known = torch.hoisted.get(id(step))
    if known is not None and known[1] != trained_by(torch, step):
        raise Unsupported(MADE_BEFORE)


def returned(torch: "Torch", returns: str) -> ast.expr:
    """Return the code for what a function returns: the thing itself, or the value of an expression."""
    itself = is_place(returns) and torch.symbols.at(returns) and not torch.is_packed(returns)
    return torch.place(returns) if itself else torch.expression(returns)


def invoke(torch: "Torch", step: Invoke) -> None:
    """Call a function; on the meta device, tensors have shape and dtype and no memory, and so have fake ones of what is there; Accelerate moves parameters there."""
    given = [torch.expression(one) for one in step.given]
    made = torch.symbols.names[step.invoke].returns
    lazy = EMPTIED[torch.way.get("invoke", "device")]
    if not (made and made.is_owner):
        lazy = "FakeTensorMode(allow_non_fake_inputs=True)"
    with torch.apart() as body:
        torch.bind(step.as_, expr("$function($*given)", function=step.invoke, given=given))
    torch.emit(f"with {lazy}:\n    $*body" if step.abstract else "$*body", body=body)


def makes_without_memory(steps: Iterable[Step]) -> bool:
    """Return whether a function is called for a layer or module that takes no memory."""
    steps = list(steps)
    abstract = {step.invoke for step in steps if isinstance(step, Invoke) and step.abstract}
    made = [step for step in steps if isinstance(step, Function) and step.function in abstract]
    return any(step.returns in map(owner_of, walk(step.steps)) for step in made)


def owner_of(step: Step) -> str | None:
    """Return the name that a step binds to a layer or module."""
    return step.binding if isinstance(step, Layer | Module) else None


def gets_in_another_mode(torch: "Torch", step: Invoke | Thread) -> bool:
    """Return whether a function is called that gets parameters where the scope around says reuse."""
    found = torch.symbols.names.get(step.invoke if isinstance(step, Invoke) else step.thread)
    made = found.made if found else None
    gets = isinstance(made, Function) and any(isinstance(one, Get) for one in walk(made.steps))
    return gets and torch.symbols.scope.mode is not Mode.MAKE


def scan(torch: "Torch", step: Scan) -> None:
    """Loop with `torch.while_loop`, which lives in compiled functions; the turns are counted by a tensor."""
    if carried := [one for one in free_names(step.steps) if one != step.scan]:
        raise Unsupported(f"The body of `torch.while_loop` takes all that it changes as arguments, {carried[0]!r} too.")
    if torch.is_compiled():
        torch.body += loop(torch, step, "_, $carried = $loop")
        return
    torch.idiom("`torch.while_loop` is made for compiled functions: the loop stands in one.")
    code = "@torch.compile(backend='eager')\ndef $function($carried):\n    $*body\n$carried = $function($carried)"
    torch.emit(
        code, function=torch.own(f"{step.scan}_loop"), carried=step.scan, body=loop(torch, step, "return $loop[1]")
    )


def loop(torch: "Torch", step: Scan, code: str) -> Body:
    """Return the loop itself, its body as a function where it takes several steps."""
    with torch.apart() as written:
        if step.steps:
            turn: str | ast.expr = torch.own(f"{step.scan}_turn")
            with torch.apart() as body:
                torch.steps(step.steps)
                torch.emit("return turn + 1, $to", to=torch.expression(step.to))
            torch.emit("def $function(turn, $carried):\n    $*body", function=turn, carried=step.scan, body=body)
        else:
            turn = expr("lambda turn, $carried: (turn + 1, $to)", carried=step.scan, to=torch.expression(step.to))
        made = expr(
            "torch.while_loop(lambda turn, $carried: turn < $times, $turn, (torch.tensor(0), $carried))",
            carried=step.scan, times=step.times, turn=turn,
        )  # fmt: skip
        torch.emit(code, carried=step.scan, loop=made)
    return written


CODE: Code = {
    "function": function,
    "invoke": invoke,
    "scan": scan,
}
EFFECTS: Effects = {"train": trained}
LACKS = tuple(
    Lack(
        verb, gets_in_another_mode,
        "PyTorch modules pass no reuse mode on to the functions called: each lookup is written as one.",
    )
    for verb in ("invoke", "thread")
)  # fmt: skip
