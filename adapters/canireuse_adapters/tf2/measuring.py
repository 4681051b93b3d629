"""Measured loops in TensorFlow 2, variables by the hundred, and what parameters, optimizers and checkpoints take."""

from canireuse.vocabulary import Get, Measure
from canireuse_adapters.tf2.scopes import ScopeWords
from canireuse_adapters.tf2.things import is_model

#: way of a checkpoint -> the words for its size: the files of one prefix, one file, or a folder of files
SIZES = {
    "checkpoint": "sum(tf.io.gfile.stat(part).length for part in tf.io.gfile.glob({} + '.*'))",
    "weights": "tf.io.gfile.stat({}).length",
    "keras": "tf.io.gfile.stat({}).length",
    "saved-model": (
        "sum(tf.io.gfile.stat(f'{{folder}}/{{part}}').length "
        "for folder, _, parts in tf.io.gfile.walk({}) for part in parts)"
    ),
}


class MeasuringWords(ScopeWords):
    """Words what is timed and counted."""

    # on a CPU, TensorFlow returns from a call once it has run, unless a program asks for asynchronous execution
    fences = {"gpu": "tf.test.experimental.sync_devices"}

    def measure(self, step: Measure) -> None:
        """Write the loop; layers whose variables are named in it have them before it begins."""
        self.build_for(step)
        super().measure(step)

    def start_afresh(self) -> None:
        """Make a new root module; the modules below it are made where their scopes are opened."""
        self.write("root = tf.Module()")
        self.standing = set()

    def get(self, step: Get) -> None:
        """Assign or read one attribute of the module, or one after the other."""
        if step.numbered is None:
            super().get(step)
            return
        scope, number = self.open[-1][0], "number"
        name, turns = f"f'{step.get}_{{{number}}}'", f"for {number} in range({step.numbered})"
        if not self.looks_up(step):
            with self.block(f"{turns}:"):
                self.write(f"setattr({scope}, {name}, {self.new(name, step)})")
            if step.as_ is None:
                return
        self.bind(step.as_, f"[getattr({scope}, {name}) {turns}]")
        if step.as_:
            self.made[step.as_] = None

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Ask a Keras object; add up the elements that a `tf.Module` holds, which lists a shared variable once."""
        if is_model(self.thing(owner)):
            return f"{self.place(owner)}.count_params()"
        return f"sum(variable.numpy().size for variable in {self.listing(owner, only_trainable=False)})"

    def bytes_of(self, owner: str) -> str:
        """Add up the bytes of the values; a shared variable is listed once."""
        return f"sum(variable.numpy().nbytes for variable in {self.listing(owner, only_trainable=False)})"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up what the optimizer holds: its slots, the count of its steps and its rate."""
        return f"sum(variable.numpy().nbytes for variable in {optimizer}.variables)"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Add up the sizes of the files that were written."""
        way = self.way.get("restore", "checkpoint").removesuffix("-matched")
        return SIZES[way].format(checkpoint)
