"""Gradients and optimizers in Keras, which users word for the engine that Keras runs on."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Unsupported, expr, literal
from canireuse.spec.step import Block
from canireuse.spec.vocabulary import (
    Assign,
    Call,
    Expect,
    Function,
    Get,
    Gradient,
    Optimizer,
    Train,
    Update,
    Variable,
    walk,
)
from canireuse_adapters.keras.layers import build_for
from canireuse_adapters.keras_layers import is_table
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}
#: how many variables an optimizer keeps for each that it trains
SLOTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}
TAPE = "with tf.GradientTape() as tape:\n    $*body"
#: what a loss on JAX says of variables that change by themselves
STATE = "[(variable, variable.value) for variable in state]"
CHANGED = f"[*zip(params, values), *{STATE}]"
CURRENT = "[scope.get_current_value(variable) for variable in $state]"
NO_GRADIENTS = "for param in params:\n    param.value.grad = None"
TORCH_APPLIES = "with torch.no_grad():\n    $optimizer.apply([param.value.grad for param in params], params)"
ASSIGN_EACH = "for variable, value in zip($variables, $values):\n    variable.assign(value)"


# -- gradients


def gradient(keras: "Keras", step: Gradient) -> None:
    """Bind a gradient, in the words of the engine."""
    build_for(keras, step, calls_build=keras.engine != "jax" and not step.remat)
    {"tensorflow": tape_gradient, "jax": jax_gradient, "torch": torch_gradient}[keras.engine](keras, step)


def leading(keras: "Keras", step: Gradient) -> ast.expr:
    """Write the steps up to the scalar and return its expression; with `remat`, as a function that is run twice."""
    if not step.remat:
        keras.steps(step.steps)
        return keras.expression(step.of)
    with keras.apart() as body:
        keras.steps(step.steps)
        keras.emit("return $of", of=keras.expression(step.of))
    keras.emit("@keras.remat\ndef forward():\n    $*body", body=body)
    return expr("forward()")


def is_untrained(keras: "Keras", place: str) -> bool:
    """Return whether a variable was made to be left out of training."""
    made = keras.at(place).made
    return isinstance(made, Get | Variable) and made.trainable is False


def tape_gradient(keras: "Keras", step: Gradient) -> None:
    """Record on a tape, which watches trainable variables by itself and all else when told."""
    is_tensor = keras.is_tensor(step.wrt)
    with keras.apart() as body:
        if is_tensor or is_untrained(keras, step.wrt):
            keras.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
            keras.emit("tape.watch($x)" if is_tensor else "tape.watch($x.value)", x=keras.place(step.wrt))
        keras.emit("loss = $loss", loss=leading(keras, step))
    keras.emit(TAPE, body=body)
    code = "tape.gradient(loss, $wrt)"
    if is_table(keras, keras.at(step.wrt)):
        code = f"tf.convert_to_tensor({code})"
    keras.bind(step.gradient, expr(code, wrt=keras.place(step.wrt)))


def jax_gradient(keras: "Keras", step: Gradient) -> None:
    """Differentiate a function of the value, in a scope where the variable has that value; what changes by itself is written back."""
    wrt = keras.place(step.wrt)
    if keras.is_tensor(step.wrt):
        with keras.apart() as body:
            keras.emit("return $loss", loss=leading(keras, step))
        keras.emit("def loss($wrt):\n    $*body\n$to = jax.grad(loss)($wrt)", wrt=step.wrt, body=body, to=step.gradient)
        return
    if changed := changed_in(keras, step):
        keras.emit("state = [$*changed]", changed=changed)
    pairs = expr(f"[($wrt, value), *{STATE}]" if changed else "($wrt, value)", wrt=wrt)
    held = expr("[$wrt, *state]" if changed else "[$wrt]", wrt=wrt)
    with keras.apart() as body, keras.stateless(mapping(keras, pairs), held, scope=bool(changed)):
        code = f"return $loss, {CURRENT}" if changed else "return $loss"
        keras.emit(code, loss=leading(keras, step), state=expr("state"))
    code = "$to, updates = jax.grad(loss, has_aux=True)" if changed else "$to = jax.grad(loss)"
    keras.emit(f"def loss(value):\n    $*body\n{code}($wrt.value)", wrt=wrt, body=body, to=step.gradient)
    if changed:
        keras.emit(ASSIGN_EACH, variables=expr("state"), values=expr("updates"))


def mapping(keras: "Keras", pairs: ast.expr) -> ast.expr:
    """Return which values variables have in a scope, by one pair or several; those that another scope gave values keep them."""
    is_one = isinstance(pairs, ast.Tuple)
    if not keras.carried:
        return expr("[$pairs]", pairs=pairs) if is_one else pairs
    code = f"[*[(variable, variable.value) for variable in $carried], {'' if is_one else '*'}$pairs]"
    return expr(code, carried=keras.carried, pairs=pairs)


def torch_gradient(keras: "Keras", step: Gradient) -> None:
    """Ask autograd for the gradient."""
    wrt, is_tensor = keras.place(step.wrt), keras.is_tensor(step.wrt)
    value = wrt if is_tensor else expr("$wrt.value", wrt=wrt)
    if is_tensor or is_untrained(keras, step.wrt):
        keras.emit("$value.requires_grad_()", value=value)
    keras.emit("loss = $loss", loss=leading(keras, step))
    keras.emit("$to = torch.autograd.grad(loss, $value, allow_unused=True)[0]", to=step.gradient, value=value)


# -- training


def train(keras: "Keras", step: Train) -> None:
    """Take steps with an optimizer made for them; one that a traced function uses was made before it."""
    build_for(keras, step, calls_build=keras.engine != "jax")
    functions = [one for one in keras.facts.steps if isinstance(one, Function) and one.traced]
    if not any(training_of(function) is step for function in functions):
        keras.emit("optimizer = $made", made=optimizer_call(step.train, step.rate))
    learn(keras, step, expr("optimizer"), step.wrt)


def optimizer_call(kind: str, rate: float, decay: float | None = None, clip: float | None = None) -> ast.expr:
    """Return the call that makes an optimizer."""
    options: dict[str, Fill] = {"momentum": 0.9} if kind == "momentum" else {}
    options |= {} if decay is None else {"weight_decay": decay}
    options |= {} if clip is None else {"global_clipnorm": clip}
    return expr(f"keras.optimizers.{KINDS[kind]}($rate, $**options)", rate=rate, options=options)


def owned(keras: "Keras", over: str | list[str]) -> ast.expr:
    """Return the list of variables that are trained: those named, or all that is trainable in an owner."""
    if isinstance(over, str) and keras.at(over).is_owner:
        return expr("$owner.trainable_variables", owner=keras.place(over))
    return expr("[$*places]", places=[keras.place(place) for place in ([over] if isinstance(over, str) else over)])


def optimizer(keras: "Keras", step: Optimizer) -> None:
    """Make an optimizer and have it make what it keeps for each variable."""
    build_for(keras, step, calls_build=False)
    keras.bind(step.optimizer, optimizer_call(step.kind, step.rate, step.decay, step.clip))
    if step.undecayed:
        code = "$optimizer.exclude_from_weight_decay(var_names=$undecayed)"
        keras.emit(code, optimizer=step.optimizer, undecayed=literal(step.undecayed))
    keras.emit("$optimizer.build($owned)", optimizer=step.optimizer, owned=owned(keras, step.over))


def update(keras: "Keras", step: Update) -> None:
    """Take steps with an optimizer that is there."""
    build_for(keras, step, calls_build=keras.engine != "jax")
    learn(keras, step, step.update, made_of(keras, step.update).over)


def made_of(keras: "Keras", optimizer: str) -> Optimizer:
    """Return the step that made an optimizer."""
    made = keras.at(optimizer).made
    if not isinstance(made, Optimizer):
        raise Unsupported("An optimizer that a function made is known inside that function alone.")
    return made


def learn(keras: "Keras", step: Train | Update, optimizer: Fill, over: str | list[str]) -> None:
    """Write the steps of a loop of the user's own, as the guide for the engine has it."""
    losses = [step.minimize] if isinstance(step.minimize, str) else step.minimize
    if len(losses) > 1:
        keras.idiom(
            "Gradients are accumulated by adding up: the optimizer's own `gradient_accumulation_steps` takes their mean."
        )
    if keras.engine == "jax":
        jax_learn(keras, step, optimizer, over, losses)
        return
    with keras.apart() as body:
        (tape_learn if keras.engine == "tensorflow" else torch_learn)(keras, step, optimizer, over, losses)
    keras.turns(step.times, body)


def tape_learn(keras: "Keras", step: Block, optimizer: Fill, over: str | list[str], losses: list[str]) -> None:
    """Record the loss on a tape; the gradient of several losses is that of their sum."""
    with keras.apart() as body:
        keras.steps(step.steps)
        found = [keras.expression(one) for one in losses]
        keras.emit("loss = $loss", loss=found[0] if len(found) == 1 else expr("[$*found]", found=found))
    keras.emit(TAPE, body=body)
    keras.emit("$optimizer.apply(tape.gradient(loss, $owned), $owned)", optimizer=optimizer, owned=owned(keras, over))


def torch_learn(keras: "Keras", step: Block, optimizer: Fill, over: str | list[str], losses: list[str]) -> None:
    """Run backward and hand on what is in `grad`."""
    keras.steps(step.steps)
    found = [keras.expression(one) for one in losses]
    if len(found) == 1:
        keras.emit("loss = $loss", loss=found[0])
    keras.emit("params = $owned", owned=owned(keras, over))
    if isinstance(over, str) and keras.at(over).is_owner:
        keras.emit("$owner.zero_grad()", owner=keras.place(over))
    else:
        keras.emit(NO_GRADIENTS)
    keras.emit("loss.backward()" if len(found) == 1 else "torch.autograd.backward([$*found])", found=found)
    keras.emit(TORCH_APPLIES, optimizer=optimizer)


def jax_learn(keras: "Keras", step: Train | Update, optimizer: Fill, over: str | list[str], losses: list[str]) -> None:
    """Differentiate a function of the values, written once, in a scope where the variables have them."""
    listed = [over] if isinstance(over, str) else over
    once = list({keras.at(place): place for place in reversed(listed)}.values())[::-1]
    keras.emit("params = $owned", owned=owned(keras, once if once[1:] or listed[1:] else over))
    changed = changed_in(keras, step)
    if changed:
        keras.emit("state = [$*changed]", changed=changed)
    pairs = mapping(keras, expr(CHANGED if changed else "zip(params, values)"))
    held = expr("[*params, *state]" if changed else "params")
    with keras.apart() as body, keras.stateless(pairs, held, scope=bool(changed)):
        keras.steps(step.steps)
        total, *more = [keras.expression(one) for one in losses]
        for one in more:
            total = ast.BinOp(total, ast.Add(), one)
        keras.emit(f"return $total, {CURRENT}" if changed else "return $total", total=total, state=expr("state"))
    keras.emit("def loss(values):\n    $*body", body=body)
    code = "slopes, updates = $grad\n$optimizer.apply(slopes, params)" if changed else "$optimizer.apply($grad, params)"
    if len(once) < len(listed):
        code = f"slopes{', updates' if changed else ''} = $grad\n$optimizer.apply([$*each], $owned)"
    grad = f"jax.grad(loss{', has_aux=True' if changed else ''})([param.value for param in params])"
    with keras.apart() as turn:
        each = [expr("slopes[$at]", at=[keras.at(one) for one in once].index(keras.at(place))) for place in listed]
        keras.emit(code, optimizer=optimizer, grad=expr(grad), each=each, owned=owned(keras, over))
        if changed:
            keras.emit(ASSIGN_EACH, variables=expr("state"), values=expr("updates"))
    keras.turns(step.times, turn)


def changed_in(keras: "Keras", step: Block) -> list[ast.expr]:
    """Return the variables that the steps change by themselves: running statistics, and what is assigned to."""
    found: dict[str, ast.expr] = {}
    for one in walk(step.steps):
        if isinstance(one, Call) and one.training:
            found[f"*{one.call}"] = expr("*$owner.non_trainable_variables", owner=keras.place(one.call))
        elif isinstance(one, Assign):
            found[one.assign] = keras.place(one.assign)
    return list(found.values())


def slot_count(keras: "Keras", step: Expect) -> ast.expr:
    """Count the variables of the optimizer beside its iteration and its rate."""
    each = SLOTS[made_of(keras, step.slots or "").kind]
    code = "(len($x.variables) - 2) // $each" if each > 1 else "len($x.variables) - 2"
    return expr(code, x=keras.place(step.slots or ""), each=literal(each))


CODE: Code = {
    "gradient": gradient, "train": train, "optimizer": optimizer, "update": update,
    "freeze": "$freeze.trainable = False", "unfreeze": "$unfreeze.trainable = True",
}  # fmt: skip
