"""Gradients and optimizers in Keras, which users word for the engine that Keras runs on."""

from typing import Any

from canireuse.step import Block
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Assign,
    Average,
    Call,
    Copy,
    Freeze,
    Gradient,
    Hook,
    Optimizer,
    Track,
    Train,
    Unfreeze,
    Update,
    walk,
)
from canireuse_adapters.keras.places import TENSOR, KerasPlaces, Thing

KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}
#: how many variables an optimizer keeps for each that it trains
SLOTS = {"sgd": 0, "momentum": 1, "adam": 2, "adamw": 2}


class KerasLearning(KerasPlaces):
    """What Keras says about gradients, optimizers and what they leave out."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: optimizers by the name they are bound to
        self.optimizers: dict[str, Optimizer] = {}
        #: averages by the name they are bound to
        self.averages: dict[str, Average] = {}
        #: the training step whose optimizer was made before the function around it
        self.hoisted: Train | None = None

    def copy(self, step: Copy) -> None:
        """Copy an object; said with the other words for copies."""
        raise NotImplementedError

    # -- gradients

    def gradient(self, step: Gradient) -> None:
        """Bind a gradient, in the words of the engine."""
        self.build_for(step, calls_build=self.engine != "jax" and not step.remat)
        {"tensorflow": self.tape_gradient, "jax": self.jax_gradient, "torch": self.torch_gradient}[self.engine](step)
        self.things[step.gradient] = Thing(TENSOR)
        self.tensors.add(step.gradient)

    def leading(self, step: Gradient) -> str:
        """Write the steps up to the scalar and return its expression; with `remat`, as a function that is run twice."""
        if not step.remat:
            self.steps(step.steps)
            return self.expression(step.of)
        forward = self.free("forward")
        self.write("@keras.remat")
        with self.block(f"def {forward}():"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.of)}")
        return f"{forward}()"

    def tape_gradient(self, step: Gradient) -> None:
        """Record on a tape, which watches trainable variables by itself and all else when told."""
        made, thing = self.made_by(step.wrt), self.thing(step.wrt)
        with self.block("with tf.GradientTape() as tape:"):
            if thing and thing.kind == TENSOR:
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({self.place(step.wrt)})")
            elif made and made.trainable is False:
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({self.place(step.wrt)}.value)")
            self.write(f"loss = {self.leading(step)}")
        words = f"tape.gradient(loss, {self.place(step.wrt)})"
        layer = self.of_layer(step.wrt)
        rows = layer is not None and layer.layer == "embedding"
        self.write(f"{step.gradient} = {f'tf.convert_to_tensor({words})' if rows else words}")

    def jax_gradient(self, step: Gradient) -> None:
        """Differentiate a function of the value, in a scope where the variable has that value."""
        wrt, thing = self.place(step.wrt), self.thing(step.wrt)
        if thing and thing.kind == TENSOR:
            with self.block(f"def loss({wrt}):"):
                self.write(f"return {self.leading(step)}")
            self.write(f"{step.gradient} = jax.grad(loss)({wrt})")
            return
        with self.block("def loss(value):"), self.stateless_block(self.mapping(f"({wrt}, value)"), f"[{wrt}]"):
            self.write(f"return {self.leading(step)}")
        self.write(f"{step.gradient} = jax.grad(loss)({wrt}.value)")

    def mapping(self, pairs: str) -> str:
        """Return which values variables have in a scope; those that another scope gave values keep them."""
        single = pairs.startswith("(")
        if not self.carried:
            return f"[{pairs}]" if single else pairs
        carried = f"*[(variable, variable.value) for variable in {self.carried}]"
        return f"[{carried}, {'' if single else '*'}{pairs}]"

    def torch_gradient(self, step: Gradient) -> None:
        """Ask autograd for the gradient."""
        wrt, thing = self.place(step.wrt), self.thing(step.wrt)
        tensor = thing is not None and thing.kind == TENSOR
        if tensor:
            self.write(f"{wrt}.requires_grad_()")
        elif (made := self.made_by(step.wrt)) and made.trainable is False:
            self.write(f"{wrt}.value.requires_grad_()")
        self.write(f"loss = {self.leading(step)}")
        self.write(
            f"{step.gradient} = torch.autograd.grad(loss, {wrt if tensor else f'{wrt}.value'}, allow_unused=True)[0]"
        )

    # -- training

    def train(self, step: Train) -> None:
        """Take steps with an optimizer made for them."""
        self.build_for(step, calls_build=self.engine != "jax")
        if step is not self.hoisted:
            self.write(f"optimizer = {self.optimizer_call(step.train, step.rate)}")
        self.learn("optimizer", step, step.wrt, [step.minimize], step.times)

    def optimizer_call(self, kind: str, rate: float, decay: float | None = None, clip: float | None = None) -> str:
        """Return the call that makes an optimizer."""
        words = [f"{rate}"]
        words += ["momentum=0.9"] if kind == "momentum" else []
        words += [] if decay is None else [f"weight_decay={decay}"]
        words += [] if clip is None else [f"global_clipnorm={clip}"]
        return f"keras.optimizers.{KINDS[kind]}({', '.join(words)})"

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer and have it make what it keeps for each variable."""
        self.build_for(step, calls_build=False)
        self.optimizers[step.optimizer] = step
        self.write(f"{step.optimizer} = {self.optimizer_call(step.kind, step.rate, step.decay, step.clip)}")
        self.write(f"{step.optimizer}.build({self.owned(step.over)})")

    def update(self, step: Update) -> None:
        """Take steps with an optimizer that is there."""
        made = self.optimizers[step.update]
        self.build_for(step, calls_build=self.engine != "jax")
        minimized = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        self.learn(step.update, step, made.over, minimized, step.times)

    def learn(self, optimizer: str, step: Block, over: str | list[str], minimized: list[str], times: int) -> None:
        """Write the steps of a loop of the user's own, as the guide for the engine has it."""
        words = {"tensorflow": self.tape_learn, "jax": self.jax_learn, "torch": self.torch_learn}[self.engine]
        if len(minimized) > 1:
            self.idiom(
                "Gradients are accumulated by adding up: the optimizer's own `gradient_accumulation_steps` takes their mean."
            )
        with turns(self, times):
            words(optimizer, step, over, minimized)

    def tape_learn(self, optimizer: str, step: Block, over: str | list[str], minimized: list[str]) -> None:
        """Record the loss on a tape; the gradient of several losses is that of their sum."""
        with self.block("with tf.GradientTape() as tape:"):
            self.steps(step.steps)
            losses = [self.expression(text) for text in minimized]
            self.write(f"loss = {losses[0]}" if len(losses) == 1 else f"loss = [{', '.join(losses)}]")
        owned = self.owned(over)
        self.write(f"{optimizer}.apply(tape.gradient(loss, {owned}), {owned})")

    def torch_learn(self, optimizer: str, step: Block, over: str | list[str], minimized: list[str]) -> None:
        """Run backward and hand on what is in `grad`."""
        self.steps(step.steps)
        losses = [self.expression(text) for text in minimized]
        if len(losses) == 1:
            self.write(f"loss = {losses[0]}")
        params = self.free("params")
        self.write(f"{params} = {self.owned(over)}")
        with self.block(f"for param in {params}:"):
            self.write("param.value.grad = None")
        if len(losses) == 1:
            self.write("loss.backward()")
        else:
            self.write(f"torch.autograd.backward([{', '.join(losses)}])")
        with self.block("with torch.no_grad():"):
            self.write(f"{optimizer}.apply([param.value.grad for param in {params}], {params})")

    def jax_learn(self, optimizer: str, step: Block, over: str | list[str], minimized: list[str]) -> None:
        """Differentiate a function of the values, in a scope where the variables have them."""
        params, state = self.free("params"), self.free("state")
        self.write(f"{params} = {self.owned(over)}")
        changed = self.changed_in(step)
        pairs = f"zip({params}, values)"
        if changed:
            self.write(f"{state} = {changed}")
            pairs = f"[*zip({params}, values), *[(variable, variable.value) for variable in {state}]]"
        scope = self.free("scope") if changed else ""
        held = f"[*{params}, *{state}]" if changed else params
        with self.block("def loss(values):"), self.stateless_block(self.mapping(pairs), held, scope):
            self.steps(step.steps)
            total = (
                " + ".join(f"({self.expression(text)})" for text in minimized)
                if len(minimized) > 1
                else self.expression(minimized[0])
            )
            changes = f"[{scope}.get_current_value(variable) for variable in {state}]"
            self.write(f"return {total}, {changes}" if changed else f"return {total}")
        values = f"[param.value for param in {params}]"
        if not changed:
            self.write(f"{optimizer}.apply(jax.grad(loss)({values}), {params})")
            return
        updates = self.free("updates")
        slopes = self.free("slopes")
        self.write(f"{slopes}, {updates} = jax.grad(loss, has_aux=True)({values})")
        self.write(f"{optimizer}.apply({slopes}, {params})")
        self.assign_each(state, updates)

    def changed_in(self, step: Block) -> str:
        """Return the list of variables that the steps change by themselves: running statistics, and what is assigned to."""
        found: list[str] = []
        for one in walk(step.steps):
            if isinstance(one, Call) and one.training:
                found.append(f"*{self.place(one.call)}.non_trainable_variables")
            elif isinstance(one, Assign):
                found.append(self.place(one.assign))
        return f"[{', '.join(dict.fromkeys(found))}]" if found else ""

    # -- what is left out, and copies that follow

    def freeze(self, step: Freeze) -> None:
        """Turn `trainable` off."""
        self.write(f"{self.place(step.freeze)}.trainable = False")

    def unfreeze(self, step: Unfreeze) -> None:
        """Turn `trainable` on."""
        self.write(f"{self.place(step.unfreeze)}.trainable = True")

    def average(self, step: Average) -> None:
        """Copy what is averaged."""
        self.idiom(
            "A copy whose variables follow is moved by hand: Keras's own average lives inside an optimizer, for `fit`."
        )
        self.averages[step.as_] = step
        self.copy(Copy.model_validate({"copy": step.average, "as": step.as_}))

    def track(self, step: Track) -> None:
        """Move each variable of the copy."""
        made = self.averages[step.track]
        with self.block(f"for averaged, variable in zip({step.track}.weights, {self.place(made.average)}.weights):"):
            self.write(f"averaged.assign({made.decay} * averaged + {1 - made.decay:g} * variable)")

    def hook(self, step: Hook) -> None:
        """Register a hook on PyTorch's parameter; other engines have none."""
        if self.engine != "torch":
            raise Unsupported(
                f"Keras has no hook on a variable, and {'JAX' if self.engine == 'jax' else 'TensorFlow'} has none either: change the gradients before `optimizer.apply`."
            )
        self.write(f"{self.place(step.hook)}.value.register_hook(lambda slope: {step.times} * slope)")

    def slot_count(self, optimizer: str) -> str:
        """Count the variables of the optimizer beside its iteration and its rate."""
        each = SLOTS[self.optimizers[optimizer].kind]
        words = f"len({optimizer}.variables) - 2"
        return f"({words}) // {each}" if each > 1 else words
