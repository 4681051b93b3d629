"""Taps: what catches the outputs of a layer while a model around it is called."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, Unsupported, expr, name, text
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Block, Name, Place
from canireuse.spec.vocabulary import Call, Copy, walk
from canireuse_adapters.haiku.layers import declare
from canireuse_adapters.nnx.layers import at

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2


class Tap(Block):
    """Catch the outputs of a layer or module in the calls inside, as the framework has it."""

    verb = "tap"
    binds = "tensor"
    probes = True
    uses = {"tap": OWNERS}
    tap: Place
    as_: Name = Field(alias="as", description="Bind the sum of what was caught: 0 if nothing was.")


def summed(emitter: Emitter, step: Block, caught: str) -> None:
    """Bind the sum of what is in a list."""
    zero = emitter.array(0.0)
    emitter.emit("$to = sum($caught, $zero)", to=step.binding, caught=name(caught), zero=zero)


#: way -> how a hook is registered; one on all modules has to ask which it is called for
HOOKED = {
    "module": "handle = $tap.register_forward_hook(lambda module, inputs, output: $caught.append(output))\n",
    "every-module": (
        "def $catch(module, inputs, output):\n    if module is $tap:\n        $caught.append(output)\n"
        "handle = nn.modules.module.register_module_forward_hook($catch)\n"
    ),
    "every-module-with-kwargs": (
        "def $catch(module, inputs, options, output):\n    if module is $tap:\n        $caught.append(output)\n"
        "handle = nn.modules.module.register_module_forward_hook($catch, with_kwargs=True)\n"
    ),
}


def in_torch(torch: Emitter, step: Tap) -> None:
    """Register a hook, and remove it."""
    caught = torch.fresh("caught")
    hooked = HOOKED[torch.way.get("tap", "module")]
    torch.fill(f"$caught = []\n{hooked}$*body\nhandle.remove()", step, caught=caught, catch=torch.fresh("catch"))
    summed(torch, step, caught)


def is_tapped(torch: Emitter, step: Copy) -> bool:
    """Return whether a copy is made while a hook is on what is copied."""
    if torch.way.get("tap", "module") != "module":
        return False
    return any(isinstance(one, Tap) and any(inner is step for inner in walk(one.steps)) for one in torch.facts.steps)


def only_call(step: Tap, reason: str) -> Call:
    """Return the one call inside; raise Unsupported if something else stands there."""
    if len(step.steps) != 1 or not isinstance(step.steps[0], Call):
        raise Unsupported(reason)
    return step.steps[0]


def in_keras(keras: "Keras | TF2", step: Tap) -> None:
    """Make a model of the same inputs whose output is the layer's, and call both."""
    only = "What Keras hands out is the output that a layer has in a functional model: another model is made of that."
    call = only_call(step, only)
    owner, _, part = step.tap.partition(".")
    if owner != call.call or not part or keras.style(keras.at(owner)) != "functional":
        raise Unsupported(only)
    keras.steps(step.steps)
    prefix = "keras" if keras.name == "keras" else "tf.keras"
    keras.emit(
        f"tapped = {prefix}.Model($model.inputs, $layer.output)\n$to = tapped($on)",
        model=keras.place(owner), layer=keras.place(step.tap), on=keras.expression(call.on), to=step.as_,
    )  # fmt: skip


CATCH = """\
$caught = []
def $catch(call, args, kwargs, context):
    output = call(*args, **kwargs)
    if context.method_name == '__call__' and context.module.$word == $path:
        $caught.append(output)
    return output
with $library.intercept_methods($catch):
    $*body
"""


def in_linen(linen: "Linen", step: Tap) -> None:
    """Intercept the calls of methods, and keep the outputs of those at the path."""
    tree, caught = linen.tree_at(step.tap), linen.fresh("caught")
    path = ast.Tuple([text(key) for key in linen.route(tree, step.tap)], ast.Load())
    linen.fill(CATCH, step, caught=caught, catch=linen.fresh("catch"), word="path", path=path, library=name("nn"))
    summed(linen, step, caught)


def captured(keys: Sequence[str]) -> ast.expr:
    """Return the code for what was captured under keys that lead to it."""
    found: ast.expr = name("captured")
    for key in keys:
        found = expr("$found['$key']", found=found, key=key)
    return found


def captured_in_linen(linen: "Linen", step: Tap) -> None:
    """Have `apply` give the intermediates too, and read the layer's among them."""
    only = "`capture_intermediates` is an argument of `apply`: it is said of one call of a whole module."
    call = only_call(step, only)
    tree = linen.tree_at(step.tap)
    with linen.apart() as body:
        linen.steps(step.steps)
    *before, last = body
    applied = last.value if isinstance(last, ast.Assign) else None
    if not isinstance(applied, ast.Call) or not isinstance(applied.func, ast.Attribute) or applied.func.attr != "apply":
        raise Unsupported(only)
    applied.keywords.append(ast.keyword("capture_intermediates", ast.Constant(value=True)))
    linen.body += before
    keys = ["intermediates", *linen.route(tree, step.tap), "__call__"]
    linen.emit("$to, captured = $applied", to=call.as_ or "_", applied=applied)
    linen.emit("$to = sum($caught)", to=step.as_, caught=captured(keys))


def in_haiku(haiku: "Haiku", step: Tap) -> None:
    """Intercept the calls of methods, and keep the outputs of those of the name."""
    owner, caught = haiku.symbols.at(step.tap), haiku.fresh("caught")
    if owner is None or owner not in haiku.nets or not haiku.nets[owner].make:
        raise Unsupported("A module is a function here, and has no method whose calls could be intercepted.")
    if owner in haiku.frame.pending:
        declare(haiku)
    haiku.fill(
        CATCH, step, caught=caught, catch=haiku.function_name("catch"), word="module_name", path=text(haiku.nets[owner].path),
        library=name("hk"),
    )  # fmt: skip
    summed(haiku, step, caught)


def in_nnx(nnx: "NNX", step: Tap) -> None:
    """Capture what the methods of all layers give while a function runs, and read the layer's."""
    owner, _, part = step.tap.rpartition(".")
    holder, keys = nnx.place(step.tap), ["__call__"]
    if owner:
        nnx.idiom("`nnx.capture` is given a class of the user's own that holds the layers: here an `nnx.Dict`.")
        found = at(nnx, owner).parts
        holder = expr("nnx.Dict($**held)", held={one: nnx.place(f"{owner}.{one}") for one in found})
        keys = [part, "__call__"]
    names = [name(one.binding) for one in step.steps if one.binding]
    with nnx.apart() as body:
        nnx.steps(step.steps)
    nnx.emit(
        "def $forward(_):\n    $*body\n    return [$*names]\n"
        "[$*names], captured = nnx.capture($forward, nnx.Intermediate, method_outputs=nnx.Intermediate)($holder)\n"
        "$to = sum($caught.get_value())",
        forward=nnx.fresh("forward"), body=body, names=names, holder=holder, caught=captured(keys), to=step.as_,
    )  # fmt: skip


FEATURE = Feature(
    verbs=(Tap,),
    tables={
        "reference": Tables(missing={"tap": "The contract does not cover what looks into a call from outside."}),
        "torch": Tables(
            code={"tap": in_torch},
            ways={"tap": tuple(HOOKED)},
            lacks=(Lack("copy/pickle", is_tapped, "PyTorch pickles no module that has a function of the script as a hook."),),
        ),
        "keras": Tables(code={"tap": in_keras}),
        "tf2": Tables(code={"tap": in_keras}),
        "linen": Tables(
            code={"tap": in_linen, "tap/capture_intermediates": captured_in_linen},
            ways={"tap": ("intercept_methods", "capture_intermediates")},
        ),
        "haiku": Tables(code={"tap": in_haiku}),
        "nnx": Tables(
            code={"tap": in_nnx},
            lacks=(Lack("tap", lambda _, step: any(one.binds == "copy" for one in step.steps), "A capture hangs variables of its own on the layers: what is copied meanwhile has them too."),),
            since={"nnx.capture(method_outputs=_)": "flax>=0.12.5"},
        ),
        "equinox": Tables(missing={"tap": "Equinox has no hook: a layer that hands out what it gives is another layer, put in its place with `eqx.tree_at`."}),
        "tensorflow1": Tables(missing={"tap": "A graph has the output of each call as a tensor of its own, which is fetched by its name: nothing is caught while it runs."}),
    },
)  # fmt: skip
