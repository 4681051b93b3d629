"""Learning in TensorFlow 2: tapes, Keras optimizers, what is frozen, averages, and what regularizers add."""

from collections.abc import Iterable
from typing import Any

from canireuse.step import Step
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Average,
    Block,
    Freeze,
    Get,
    Gradient,
    Layer,
    Optimizer,
    Track,
    Train,
    Unfreeze,
    Update,
    Variable,
)
from canireuse_adapters.tf2.keeping import KeepingWords
from canireuse_adapters.tf2.things import Mean, Net, Part, Unit, is_model
from canireuse_adapters.tf_text import operand

NO_SWITCH = "A `tf.Variable` is trainable or not from the start, and a `tf.Module` has no switch; only Keras objects are frozen later."
MIRRORED = "Keras steps the variables of a `MirroredStrategy` inside `strategy.run` alone, and keeps its optimizers' state there."
KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}


class LearningWords(KeepingWords):
    """What TensorFlow 2 says about learning."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: optimizers by their names
        self.optimizers: dict[str, Optimizer] = {}
        #: names of what several devices have copies of
        self.mirrored: set[str] = set()
        #: the training step whose optimizer was made before the function around it
        self.hoisted: Train | None = None

    # -- gradients

    def gradient(self, step: Gradient) -> None:
        """Record on a tape, which watches trainable variables by itself and all else when told."""
        made = self.thing(step.wrt)
        watched = step.wrt in self.tensors or (isinstance(made, Get | Variable) and made.trainable is False)
        if step.remat:
            self.build_called(step)
        wrt = self.place(step.wrt)
        forward = self.recomputed(step, watched=watched) if step.remat else None
        with self.block("with tf.GradientTape() as tape:"):
            if watched:
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({wrt})")
            if forward is None:
                self.steps(step.steps)
                self.write(f"loss = {self.expression(step.of)}")
            else:
                self.write(f"loss = {forward}")
        words = f"tape.gradient(loss, {wrt})"
        self.write(f"{step.gradient} = {f'tf.convert_to_tensor({words})' if self.is_table(made) else words}")
        self.tensors.add(step.gradient)

    def recomputed(self, step: Gradient, *, watched: bool) -> str:
        """Write what leads up to the scalar as a function that is computed again in the backward pass; return its call."""
        if watched and step.wrt not in self.tensors:
            raise Unsupported(
                "`tf.recompute_grad` takes gradients of its arguments and of trainable variables, and of no others."
            )
        argument = step.wrt if watched else ""
        name = self.free("forward")
        self.write("@tf.recompute_grad")
        with self.block(f"def {name}({argument}):"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.of)}")
        return f"{name}({argument})"

    def is_table(self, made: Any) -> bool:
        """Return whether the gradient of a variable may come as rows of a table, which are no tensor yet."""
        if not isinstance(made, Part):
            return False
        tables = made.unit.own and any(isinstance(step, Layer) and step.layer == "embedding" for step in self.spec)
        return made.name == "kernel" and (made.unit.kind == "embedding" or tables)

    # -- training

    def owned(self, over: str | list[str]) -> str:
        """Return the words for what is trained: all that is trainable in an object, or a list of variables."""
        places = [over] if isinstance(over, str) else over
        if self.mirrored & {place.partition(".")[0] for place in places}:
            raise Unsupported(MIRRORED)
        for place in places:
            self.only_a_model(place, "trained")
        if isinstance(over, str) and isinstance(self.thing(over), Unit | Net):
            self.build_inside(self.thing(over))
            return f"{self.place(over)}.trainable_variables"
        return f"[{', '.join(map(self.place, places))}]"

    def step_with(self, optimizer: str, owned: str, losses: str | list[str], steps: Iterable[Step]) -> None:
        """Record the loss on a tape and hand the gradients to an optimizer."""
        with self.block("with tf.GradientTape() as tape:"):
            self.steps(list(steps))
            if isinstance(losses, str):
                self.write(f"loss = {self.expression(losses)}")
            else:
                self.write(f"loss = [{', '.join(map(self.expression, losses))}]")
        self.write(f"{optimizer}.apply_gradients(zip(tape.gradient(loss, {owned}), {owned}))")

    def train_with(self, step: Train) -> None:
        """Make the optimizer; it has variables, so that none is made inside a traced function."""
        self.write(f"optimizer = tf.keras.optimizers.{KINDS[step.train]}({step.rate})")

    def train(self, step: Train) -> None:
        """Train with an optimizer that lives as long as the step."""
        self.build_for(step)
        if step is not self.hoisted:
            self.train_with(step)
        owned = self.owned(step.wrt)
        with turns(self, step.times):
            self.step_with("optimizer", owned, step.minimize, step.steps)

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer and have it make its state now, for what is trainable now."""
        words = [str(step.rate)]
        words += ["momentum=0.9"] if step.kind == "momentum" else []
        if step.decay is not None or step.kind == "adamw":
            words.append(f"weight_decay={step.decay or 0.0}")
        words += [f"global_clipnorm={step.clip}"] if step.clip is not None else []
        owned = self.owned(step.over)
        self.write(f"{step.optimizer} = tf.keras.optimizers.{KINDS[step.kind]}({', '.join(words)})")
        self.write(f"{step.optimizer}.build({owned})")
        self.optimizers[step.optimizer] = step

    def update(self, step: Update) -> None:
        """Take a step on what is trainable now; the gradients of several losses add up."""
        made = self.optimizers.get(step.update)
        if made is None:
            raise Unsupported("An optimizer that a function made is known inside that function alone.")
        self.build_for(step)
        owned = self.owned(made.over)
        with turns(self, step.times):
            self.step_with(step.update, owned, step.minimize, step.steps)

    def build_for(self, step: Block) -> None:
        """Build what an optimizer steps too, since its variables are asked for before anything is called."""
        super().build_for(step)
        if isinstance(step, Update) and step.update in self.optimizers:
            over = self.optimizers[step.update].over
            for place in [over] if isinstance(over, str) else over:
                self.build_inside(self.thing(place))

    # -- freezing

    def freeze(self, step: Freeze) -> None:
        """Turn a Keras object's `trainable` off."""
        self.switch(step.freeze, on=False)

    def unfreeze(self, step: Unfreeze) -> None:
        """Turn a Keras object's `trainable` on."""
        self.switch(step.unfreeze, on=True)

    def switch(self, place: str, *, on: bool) -> None:
        """Set `trainable`, which Keras variables, layers and models have."""
        if not self.is_keras(place) and not is_model(self.thing(place)):
            raise Unsupported(NO_SWITCH)
        self.write(f"{self.place(place)}.trainable = {on}")

    # -- averages

    def average(self, step: Average) -> None:
        """Make averages, which begin with what the variables hold now."""
        if step.average in self.mirrored:
            raise Unsupported(MIRRORED)
        self.only_a_model(step.average, "averaged")
        self.build_inside(self.thing(step.average))
        self.write(f"{step.as_} = tf.train.ExponentialMovingAverage({step.decay})")
        self.made[step.as_] = Mean(step.average)
        self.apply(step.as_)

    def track(self, step: Track) -> None:
        """Move the averages once."""
        if not isinstance(self.thing(step.track), Mean):
            raise Unsupported("What a function returned is not known to be an average.")
        self.apply(step.track)

    def apply(self, name: str) -> None:
        """Hand the averages the variables: of Keras, the `tf.Variable`s that its variables hold."""
        of = self.thing(name).of
        if is_model(self.thing(of)):
            self.idiom(
                "`tf.train.ExponentialMovingAverage` takes a `tf.Variable`, which a Keras variable holds as its `value`."
            )
            self.write(f"{name}.apply([variable.value for variable in {self.place(of)}.weights])")
        else:
            self.write(f"{name}.apply({self.place(of)}.variables)")

    # -- what can be asked

    def slot_count(self, optimizer: str) -> str:
        """Count the variables that hold a momentum."""
        self.idiom("An optimizer lists its state; the name of each slot ends with what it is.")
        return f"sum(variable.path.endswith('_momentum') for variable in {optimizer}.variables)"

    def penalties(self, inside: str | None) -> str:
        """Return the losses that Keras collects."""
        made = self.thing(inside or "")
        if not is_model(made):
            raise Unsupported(
                "Terms of regularizers are listed by the Keras layer or model whose they are, and by nothing else."
            )
        self.build_inside(made)
        return f"{operand(self.place(inside or ''))}.losses"

    def penalty(self, inside: str | None) -> str:
        """Add the losses up."""
        return f"tf.reduce_sum({self.penalties(inside)})"
