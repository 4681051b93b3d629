"""What is observed in Keras, counted and measured."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Emitter, Lack, Reads, expr, name
from canireuse.emit.fragments import alike
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    CurrentScope,
    Expect,
    Function,
    Get,
    Invoke,
    Layer,
    Measure,
    Module,
    NameScope,
    Reenter,
    Repeat,
    Scope,
    Variable,
)
from canireuse_adapters.captured import changes_variables, is_read_only
from canireuse_adapters.keras.functions import (
    Loop,
    called_in,
    held_in,
    made_by,
    state_called,
    together,
    trace_count,
)
from canireuse_adapters.keras.learning import ASSIGN_EACH, slot_count
from canireuse_adapters.keras.scopes import make_layers

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

#: engine -> device -> what waits until the device is done; JAX waits for arrays instead
FENCES = {
    "tensorflow": {"gpu": "tf.test.experimental.sync_devices"},
    "torch": {"gpu": "torch.cuda.synchronize"},
}
#: steps that move no variable, beside those that read, and those that say themselves what they move
UNMOVED = (CurrentScope, Function, Get, Invoke, Measure, Reenter, Scope)
WHOLE = frozenset({"variables", "trainable", "names", "penalties", "penalty"})
#: way of a checkpoint -> the code for its size, where that is not one of a file
SIZES = {
    "set-weights": "sum(array.nbytes for array in $kept)",
    "config": "len(json.dumps($kept[0])) + sum(array.nbytes for array in $kept[1])",
}


# -- measured loops


def measure(keras: "Keras", step: Measure) -> None:
    """Write the loop; where it holds the values of variables, read them before and write them back after."""
    outside, keras.loop = keras.loop, Loop(step)
    function = called_in(keras, step)
    state = state_called(keras, function.function) if function else ""
    if function:
        keras.idiom(
            "As Keras's guide for JAX has it, a loop holds the values of the variables itself and hands them from step to step; what has changed is written back after it."
        )
        keras.emit("values = [variable.value for variable in $state]", state=state)
    Emitter.measure(keras, step)
    if function and changes_variables(function):
        keras.emit(ASSIGN_EACH, variables=state, values=expr("values"))
    keras.loop = outside


def note_moved(keras: "Keras", step: Step) -> None:
    """Note of a step in a measured loop the variables that it may have moved."""
    if keras.loop and not (is_read_only(step) or isinstance(step, UNMOVED)) and (held := held_in(keras, step)):
        keras.loop.moved.append(expr("[variable.value for variable in [$*held]]", held=held))


def fence(keras: "Keras") -> ast.expr | None:
    """Wait for the device, or on JAX for what the loop made: arrays, and values of variables."""
    if keras.engine != "jax":
        code = FENCES[keras.engine].get(keras.device)
        return expr(code) if code else None
    assert keras.loop
    if function := called_in(keras, keras.loop.step):
        bound = keras.loop.step.steps[0].binding
        awaited = made_by(function, name(bound) if bound else expr("result"))
    else:
        awaited = [name(one) for one in bound_in(keras.loop.step.steps) if keras.is_tensor(one)] + keras.loop.moved
    distinct: list[ast.expr] = []
    for one in awaited:
        distinct += [] if any(alike(one, other) for other in distinct) else [one]
    return expr("lambda: jax.block_until_ready($made)", made=together(distinct)) if distinct else None


def bound_in(steps: list[Step]) -> list[str]:
    """Return the names that steps bind where they stand, not in a function that is written for some of them."""
    names = []
    for step in steps:
        names += [step.binding] if step.binding else []
        names += bound_in(step.steps) if isinstance(step, Repeat | Scope | Reenter | NameScope) else []
    return names


def start_afresh(keras: "Keras") -> None:
    """Make a new root, and in it the layers of the scopes; a root without variables needs to be no layer."""
    assert keras.loop
    if is_plain(keras, keras.loop.step):
        keras.idiom("A layer needs no parent: each turn begins with an empty namespace of Python's own.")
        keras.emit("root = SimpleNamespace()")
    else:
        keras.emit("root = keras.Layer(name='root')")
    bound = {one: found.path for one, found in keras.symbols.names.items() if found.kind == "scope"}
    make_layers(keras, keras.loop.step.steps, bound)


def is_plain(keras: "Keras", step: Measure) -> bool:
    """Return whether a new root holds scopes alone, and nobody asks later what is in it."""
    steps = keras.facts.steps
    later = steps[next(place for place, one in enumerate(steps) if one is step) :]
    return not any(map(asks_root, later)) and all(isinstance(one, Scope) for one in step.steps)


# -- what is read


def asks_root(step: Step) -> bool:
    """Return whether a step looks into the root layer."""
    return isinstance(step, Expect) and step.inside is None and step.kind in WHOLE


def dtype_of(keras: "Keras", step: Expect) -> ast.expr:
    """Return the name of the dtype."""
    is_tensor = keras.is_tensor(step.dtype or "")
    code = "keras.backend.standardize_dtype($x.dtype)" if is_tensor else "$x.dtype"
    return expr(code, x=keras.place(step.dtype or ""))


def bytes_of(keras: "Keras", step: Expect) -> ast.expr:
    """Add up the bytes of weights, or of an optimizer's variables, its iteration and its rate included; a shared one is listed once."""
    array = "variable.numpy()" if keras.engine == "tensorflow" else "variable.value"
    held = "weights" if step.parameter_bytes else "variables"
    owner = keras.place(step.parameter_bytes or step.slot_bytes or "")
    return expr(f"sum({array}.nbytes for variable in $owner.{held})", owner=owner)


def checkpoint_bytes(keras: "Keras", step: Expect) -> ast.expr:
    """Return the size of the file, or of the arrays and the config that stand for one."""
    code = SIZES.get(keras.way.get("restore", "weights"), "os.path.getsize($kept)")
    return expr(code, kept=step.checkpoint_bytes)


def is_loose(keras: "Keras") -> bool:
    """Return whether anything is made that hangs on no scope."""
    return any(isinstance(one, Layer | Module | Variable) for one in keras.facts.steps)


READS: Reads = {
    "value": "$value", "name": "$name.path", "shape": "list($shape.shape)", "dtype": dtype_of,
    "variables": "len($holder.weights)", "trainable": "len($holder.trainable_variables)",
    "frozen": "len($holder.non_trainable_variables)",
    "names": "sorted(variable.path for variable in $holder.weights)", "slots": slot_count,
    "elements": "sum(math.prod(variable.shape) for variable in $elements.weights)",
    "parameter_bytes": bytes_of, "slot_bytes": bytes_of, "checkpoint_bytes": checkpoint_bytes,
    "penalties": "len($holder.losses)",
    "penalty": "keras.ops.convert_to_numpy(sum($holder.losses)).tolist()",
    "traces": trace_count, "alive": "$watch() is not None",
}  # fmt: skip
LACKS = (
    Lack("expect", lambda keras, step: keras.is_tensor(step.name or ""), "A tensor of Keras has no name."),
    Lack(
        "expect",
        lambda keras, step: step.kind in {"variables", "trainable", "names"} and not step.inside and is_loose(keras),
        "Keras keeps no list of all variables: only the layers that hold them can be asked.",
    ),
    Lack(
        "expect", lambda keras, step: step.kind in {"penalties", "penalty"} and not step.inside and is_loose(keras),
        "Keras keeps no list of all penalties: each layer has its `losses`.",
    ),
)  # fmt: skip
