"""Learning in PyTorch: autograd, optimizers and hooks."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Unsupported, expr, literal
from canireuse.program import free_names
from canireuse.spec.vocabulary import Function, Gradient, Optimizer, Train, Update
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}


def gradient(torch: "Torch", step: Gradient) -> None:
    """Ask autograd for one gradient; with `remat`, of a function that keeps nothing of what it makes."""
    if step.remat:
        function, carried = torch.own(f"{step.gradient}_loss"), free_names(step.steps)
        with torch.apart() as body:
            torch.steps(step.steps)
            torch.emit("return $of", of=torch.expression(step.of))
        torch.emit("def $function($*carried):\n    $*body", function=function, carried=carried, body=body)
        code = "torch.utils.checkpoint.checkpoint($*given, use_reentrant=False)"
        scalar = expr(code, given=[function, *carried])
    else:
        torch.steps(step.steps)
        scalar = torch.expression(step.of)
    code = "$to = torch.autograd.grad($scalar, $wrt)[0]" + (".T" if torch.transposed(step.wrt) else "")
    torch.emit(code, to=step.gradient, scalar=scalar, wrt=torch.place(step.wrt))


def train(torch: "Torch", step: Train) -> None:
    """Write the training loop; inside a compiled function the optimizer was made before it."""
    if any(isinstance(one, Function) and one.traced and training_of(one) is step for one in torch.around):
        to, _ = torch.hoisted[id(step)]
    else:
        to, kept = "optimizer", {one for one, _ in torch.hoisted.values()}
        while to in kept:
            to += "_"
        make_optimizer(torch, step, to)
    with torch.apart() as body:
        torch.steps(step.steps)
        code = "loss = $loss\n$to.zero_grad()\nloss.backward()\n$to.step()"
        torch.emit(code, loss=torch.expression(step.minimize), to=to)
    torch.turns(step.times, body)


def make_optimizer(torch: "Torch", step: Train, to: str) -> None:
    """Make the optimizer of a training loop."""
    code = f"$to = torch.optim.{KINDS[step.train]}($owned, lr=$rate)"
    torch.emit(code, to=to, owned=owned(torch, step.wrt), rate=step.rate)


def optimizer(torch: "Torch", step: Optimizer) -> None:
    """Make an optimizer over what it is to own, whether it is frozen or not; how it steps, it decides itself."""
    make(torch, step, grouped(torch, step))


def optimizer_of_lists(torch: "Torch", step: Optimizer) -> None:
    """Make an optimizer that steps all parameters by operations on lists, as it does on a GPU if nothing is asked for."""
    make(torch, step, grouped(torch, step), foreach=True)


def optimizer_of_one_kernel(torch: "Torch", step: Optimizer) -> None:
    """Make an optimizer whose whole step is one operation on lists."""
    make(torch, step, grouped(torch, step), fused=True)


def optimizer_of_trainable(torch: "Torch", step: Optimizer) -> None:
    """Make an optimizer over those parameters alone that are not frozen now."""
    if step.rates or step.undecayed or step.named:
        raise Unsupported("A filter goes over a list of parameters: groups of them are lists that are made one by one.")
    code = "filter(lambda parameter: parameter.requires_grad, $owned)"
    make(torch, step, expr(code, owned=owned(torch, step.over)))


def make(torch: "Torch", step: Optimizer, given: ast.expr, **implementation: Fill) -> None:
    """Write the constructor; AdamW decays by 0.01 by default."""
    options: dict[str, Fill] = {"lr": step.rate}
    if step.kind == "momentum":
        options["momentum"] = 0.9
    if step.decay is not None or step.kind == "adamw":
        options["weight_decay"] = step.decay or 0.0
    options.update(implementation)
    code = f"$to = torch.optim.{KINDS[step.kind]}($owned, $**options)"
    torch.emit(code, to=step.optimizer, owned=given, options=options)


def grouped(torch: "Torch", step: Optimizer) -> ast.expr:
    """Return what an optimizer is given: parameters, or groups of them with options of their own."""
    if step.rates:
        each = [owned(torch, [one]) for one in step.over]
        groups = [
            expr("{'params': $owned, 'lr': $rate}", owned=one, rate=rate)
            for one, rate in zip(each, step.rates, strict=True)
        ]
        return expr("[$*groups]", groups=groups)
    if step.named:
        return expr("$owner.named_parameters()", owner=torch.place(str(step.over)))
    if not step.undecayed:
        return owned(torch, step.over)
    chosen = "[parameter for name, parameter in $owner.named_parameters() if {}any(word in name for word in $words)]"
    code = f"[{{'params': {chosen.format('not ')}}}, {{'params': {chosen.format('')}, 'weight_decay': 0.0}}]"
    return expr(code, owner=torch.place(str(step.over)), words=literal(step.undecayed))


def update(torch: "Torch", step: Update) -> None:
    """Write steps with an optimizer that is there; gradients of several losses are accumulated."""
    losses = step.losses
    made = torch.symbols.names[step.update].made
    with torch.apart() as body:
        torch.steps(step.steps)
        torch.emit("$optimizer.zero_grad()", optimizer=step.update)
        for number, loss in enumerate(losses, 1):
            # what the losses have in common is needed until the last of them
            keep = {"retain_graph": True} if step.steps and number < len(losses) else {}
            torch.emit("loss = $loss\nloss.backward($**keep)", loss=torch.expression(loss), keep=keep)
        if isinstance(made, Optimizer) and made.clip is not None:
            torch.emit("nn.utils.clip_grad_norm_($owned, $clip)", owned=owned(torch, made.over), clip=made.clip)
        torch.emit("$optimizer.step()", optimizer=step.update)
    torch.turns(step.times, body)


def owned(torch: "Torch", places: str | list[str]) -> ast.expr:
    """Return what an optimizer is given: a module's own parameters, or a list of them."""
    given = [parameters(torch, one) for one in ([places] if isinstance(places, str) else places)]
    if isinstance(places, str) and isinstance(given[0], ast.Starred):
        return given[0].value
    return expr("[$*given]", given=given)


def parameters(torch: "Torch", place: str) -> ast.expr:
    """Return the code for the parameters of an owner, each an element of a list, or for the one parameter."""
    found = torch.symbols.at(place)
    if found and found.is_owner:
        return ast.Starred(expr("$place.parameters()", place=torch.place(place)), ast.Load())
    return torch.place(place)


CODE: Code = {
    "gradient": gradient,
    "train": train,
    "optimizer": optimizer,
    "optimizer/trainable-parameters": optimizer_of_trainable,
    "optimizer/foreach": optimizer_of_lists,
    "optimizer/fused": optimizer_of_one_kernel,
    "update": update,
    "freeze": "$freeze.requires_grad_(False)",
    "unfreeze": "$unfreeze.requires_grad_(True)",
}
