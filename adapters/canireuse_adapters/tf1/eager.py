"""What is said of learning and loops where the calls of TensorFlow 1 run at once."""

from typing import Any

from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Average,
    Compute,
    Function,
    Get,
    Gradient,
    Parallel,
    Scan,
    Track,
    Train,
    Update,
    Variable,
)
from canireuse_adapters.tf1.words import TF1Words
from canireuse_adapters.training import training_of


class EagerWords(TF1Words):
    """Says what acts at once."""

    #: on the CPU an operation is done when its call returns; on a GPU it is only under way
    fences = {"gpu": "tf.test.experimental.sync_devices"}

    def traces_usually(self) -> bool:
        """Return false: code that was ported call by call is not traced; TF1 code has no `tf.function`."""
        return False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: names bound to what a tape does not watch by itself
        self.unwatched: set[str] = set()
        #: the training step whose optimizer was made before the function around it
        self.hoisted: Train | None = None

    def traced(self, step: Function) -> None:
        """Have TensorFlow trace the function; an optimizer has variables, so it is made before."""
        train = training_of(step)
        if train:
            self.make_optimizer("optimizer", train.train, train.rate)
            self.hoisted = train
        self.write("@tf.function")

    # -- what a tape watches

    def get(self, step: Get) -> None:
        """Get a variable by name, and note one that no tape watches."""
        super().get(step)
        self.note(step)

    def is_cut(self, step: Get) -> bool:
        """Return whether a get asks for parts: nothing is found by name here."""
        return step.partitions is not None and step.shape != []

    def variable(self, step: Variable) -> None:
        """Construct a variable, and note one that no tape watches."""
        super().variable(step)
        self.note(step)

    def note(self, step: Get | Variable) -> None:
        """Note a variable that is not trainable."""
        if step.as_ and (step.trainable is False or (isinstance(step, Get) and step.local)):
            self.unwatched.add(step.as_)

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression, which no tape watches."""
        super().compute(step)
        self.unwatched.add(step.binding or "")

    # -- learning

    def gradient(self, step: Gradient) -> None:
        """Record on a tape."""
        if step.remat:
            self.write("@tf.recompute_grad")
            with self.body(step), self.block(self.header("loss", self.handed(step), step)):
                self.steps(step.steps)
                self.write(f"return {self.expression(step.of)}")
        with self.block("with tf.GradientTape() as tape:"):
            if step.wrt in self.unwatched:
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({step.wrt})")
            if step.remat:
                self.write(f"loss = loss({', '.join(self.handed(step))})")
            else:
                self.steps(step.steps)
                self.write(f"loss = {self.expression(step.of)}")
        self.write(f"{step.gradient} = {self.gradient_words(step.wrt)}")

    def handed(self, step: Gradient) -> list[str]:
        """Return what a recomputed function takes: the tensor that is differentiated, if it is no variable."""
        return [] if step.wrt in self.made or "." in step.wrt else [step.wrt]

    def gradient_words(self, wrt: str) -> str:
        """Return the gradient that a tape has; that of a variable in parts is put together."""
        if wrt in self.partitioned:
            return f"tf.concat(tape.gradient(loss, list({wrt})), axis=0)"
        words = f"tape.gradient(loss, {self.place(wrt)})"
        return f"tf.convert_to_tensor({words})" if self.is_table(wrt) else words

    def train(self, step: Train) -> None:
        """Hand the optimizer a function that computes the loss, as eager mode demands."""
        with self.body(step), self.block(self.header("loss", [], step)):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.minimize)}")
        if step is not self.hoisted:
            self.make_optimizer("optimizer", step.train, step.rate)
        with turns(self, step.times):
            self.write(f"optimizer.minimize(loss, var_list={self.owned(step.wrt)})")

    def update(self, step: Update) -> None:
        """Hand the optimizer a function that computes the loss; several are added up on a tape."""
        made, name = self.optimizers[step.update], step.update
        over = [made.over] if isinstance(made.over, str) else made.over
        if made.kind != "sgd" and self.partitioned & set(over):
            raise Unsupported("In eager mode an optimizer cannot name the slots of a variable in parts, and fails.")
        scalars, owned = self.scalars(step), self.owned(made.over)
        with self.body(step), self.block(self.header("loss", [], step)):
            self.steps(step.steps)
            self.write(f"return {scalars[0]}" if len(scalars) == 1 else f"return [{', '.join(scalars)}]")
        with turns(self, step.times):
            if made.clip is None and len(scalars) == 1:
                self.write(f"{name}.minimize(loss, var_list={owned})")
                return
            self.apply_by_hand(name, owned, several=len(scalars) > 1, clip=made.clip)

    def apply_by_hand(self, name: str, owned: str, *, several: bool, clip: float | None) -> None:
        """Compute gradients, which add up over scalars, clip them if asked, and apply them."""
        if several:
            with self.block("with tf.GradientTape() as tape:"):
                self.write(f"{name}_losses = loss()")
            self.write(f"{name}_variables = {owned}")
            self.write(f"{name}_gradients = tape.gradient({name}_losses, {name}_variables)")
        else:
            self.write(f"{name}_gradients, {name}_variables = zip(*{name}.compute_gradients(loss, {owned}))")
        if clip is not None:
            self.write(f"{name}_gradients, _ = tf.clip_by_global_norm({name}_gradients, {clip})")
        self.write(f"{name}.apply_gradients(zip({name}_gradients, {name}_variables))")

    def average(self, step: Average) -> None:
        """Make the shadows."""
        super().average(step)
        self.write(f"{step.as_}.apply({self.held(step.average)})")

    def track(self, step: Track) -> None:
        """Update the shadows."""
        self.write(f"{step.track}.apply({self.held(self.averages[step.track])})")

    def tower(self, step: Parallel) -> str:
        """Write a function that computes the loss, as eager mode demands."""
        with self.body(step), self.block(self.header("loss", [], step)):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.minimize)}")
        return "loss"

    def scan(self, step: Scan) -> None:
        """Run a loop, which is one of Python here."""
        with self.body(step), self.block(self.header(f"{step.scan}_turn", [step.scan], step)):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.to)}")
        turn = f"lambda {step.scan}: True, {step.scan}_turn, [{step.scan}], maximum_iterations={step.times}"
        self.write(f"{step.scan} = tf1.while_loop({turn})")
        self.unwatched.add(step.scan)

    def penalties(self, inside: str | None) -> str:
        """Return the collected terms of regularizers."""
        if inside is None:
            return super().penalties(inside)
        raise Unsupported("Penalties collected in eager mode carry no names by which those of an owner could be told.")
