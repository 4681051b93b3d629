"""What graph mode and eager mode of `tf.compat.v1` say alike; and what TensorFlow 2 shares with them."""

from typing import Any

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, Average, Get, Optimizer, Parallel, Restore, Save, Update, Vectorize, walk
from canireuse_adapters.tf1.objects import TF1Objects
from canireuse_adapters.tf_text import FUNCTIONS, has, number, operand

__all__ = ["FUNCTIONS", "TF1Words", "has", "number", "operand"]

SCOPE_OPTIONS = frozenset(
    f"{verb}.{option}"
    for verb in ("scope", "default_scope", "reenter")
    for option in ("init", "dtype", "penalty", "auxiliary_name_scope")
)
NO_DTYPE = "A variable of TensorFlow keeps the dtype it was made with: users make the network anew in the other dtype and assign the cast values."
NO_MOVE = "A variable of TensorFlow stays on the device it was made on: users open `tf.device` around what makes it."
ONLY_DECOUPLED = "`tf1.train` has no optimizer with decoupled weight decay: AdamW was in `tf.contrib`, which TensorFlow 2 does not bring."


def session_argument(session: str) -> str:
    """Return the argument that hands a session over, where there is one."""
    return "" if session == "None" else f", session={session}"


class TF1Words(TF1Objects):
    """What graph mode and eager mode of `tf.compat.v1` say alike."""

    packages = ("tensorflow",)
    install = "pip install tensorflow"
    requires = ("tensorflow>=1.15",)
    imports = "import tensorflow as tf\n\ntf1 = tf.compat.v1"
    imported_as = {"tensorflow": "tensorflow.compat.v1"}
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1"}}
    functions = FUNCTIONS
    ways = {"restore": ("saver", "checkpoint")}
    options = SCOPE_OPTIONS | {
        "get.penalty", "get.local", "get.partitions", "layer.penalty", "layer.norm", "layer.cell", "layer.unnamed",
        "call.training", "copy.shallow", "save.only", "restore.partial", "gradient.remat", "function.template",
        "get.numbered", "get.shape_as", "get.uniform",
    }  # fmt: skip
    errors = {
        "uninitialized": (
            ("FailedPreconditionError", r"Attempting to use uninitialized value|Could not find variable"),
        ),
        "not_found": (
            ("ValueError", r"does not exist, or was not created"),
            ("NotFoundError", r"not found in checkpoint"),
            ("AssertionError", r"not bound to checkpointed values|Object not assigned a value from checkpoint"),
        ),
        "already_exists": (
            ("ValueError", r"already exists, disallowed"),
            ("ValueError", r"^At least two variables have the same name"),
        ),
        "shape_mismatch": (
            ("ValueError", r"specified shape .* and found shape|must have the same shape|^Dimensions must be equal"),
            ("ValueError", r"^Shapes must be equal rank|: Shape mismatch\.|in both shapes must be equal"),
            ("ValueError", r"^Received incompatible tensor with shape"),
            ("ValueError", r"^Trying to reuse partitioned variable .* but specified shape"),
            ("InvalidArgumentError", r"Matrix size-incompatible|requires shapes of both tensors to match"),
        ),
        "dtype_mismatch": (
            ("ValueError", r"specified dtype .* and found dtype|with a different dtype"),
            ("ValueError", r"conversion requested dtype|explicit dtype .* don't match"),
            ("TypeError", r"that does not match type"),
            ("InvalidArgumentError", r"expected dtype \w+ does not equal original dtype"),
        ),
        "created_again": (
            ("ValueError", r"only supports singleton tf\.Variables|tried to create variables on non-first call"),
        ),
        "not_trainable": (("ValueError", r"No variables to optimize|No gradients provided"),),
        "bad_argument": (
            ("TypeError", r"^get_variable\(\) got an unexpected keyword argument 'reuse'"),
            ("AttributeError", r"Tensor' object has no attribute 'assign'"),
            (
                "ValueError",
                r"^The reuse parameter must be|^reuse=True cannot be used without|`?shape`? .*must be specified|^The initializer passed is not valid",
            ),
            ("ValueError", r"^Trying to reuse partitioned variable .* but specified partitions"),
            ("ValueError", r"is not a valid (root )?scope name"),
            ("ValueError", r"must be from the same graph as"),
            (
                "RuntimeError",
                r"^The Session graph is empty",
            ),  # TensorFlow 1.15 makes the operation in the variable's graph
        ),
    }
    missing = {
        "cast": NO_DTYPE,
        "move": NO_MOVE,
        "call.given": "A network of TF1 reads the variables that were got when it was built; a custom getter can hand out other values there (`intercept`), a call cannot.",
        "reparametrize": "TF1 has no word that changes how a variable is read once a layer has it; a custom getter does so when it is got (`intercept`).",
        "quantize": "TensorFlow quantizes when it converts a saved model for TensorFlow Lite; `tf.compat.v1` has no call that quantizes the weights of a network in place.",
        "hook": "A variable of TensorFlow has no hooks: gradients are values that `compute_gradients` hands out, and users change them before `apply_gradients`.",
        "shard": "TF1 cuts a variable by a partitioner when it is got (`partitions`), and never afterwards.",
        "paths": "A `tf.Module` lists each variable once, and has no public call for the other paths to it.",
    }

    def prepare(self, spec: Spec) -> None:
        """Import what stands above TensorFlow, and note where classes go."""
        if "save" in self.verbs:
            self.import_first("import tempfile")
        self.has_locals = any(isinstance(step, Get) and step.local for step in self.spec)
        self.preamble = len(self.lines)

    def array(self, values: str) -> str:
        """Return a constant tensor."""
        return f"tf.constant({values})"

    def is_table(self, place: str) -> bool:
        """Return whether a place is the table of an embedding, whose gradient holds only the rows looked up."""
        if self.objects:
            return any(getattr(step, "layer", None) == "embedding" for step in self.spec)
        first, _, rest = place.partition(".")
        return rest == "kernel" and first in self.templates and self.templates[first].layer == "embedding"

    def values(self, step: Assign) -> str:
        """Return the new values of a variable; one in parts is written as a tensor that is cut."""
        if not isinstance(step.to, list):
            return self.expression(step.to)
        return self.array(repr(step.to)) if step.assign in self.partitioned else repr(step.to)

    def assignment(self, place: str, values: str, *, adds: bool = False) -> str:
        """Return the call that writes into a variable, or adds to it."""
        call = "assign_add" if adds else "assign"
        if place in self.partitioned:
            return f"{self.place(place)}.{call}({values})"
        return f"tf1.{call}({self.place(place)}, {values})"

    def ones(self, place: str) -> str:
        """Return ones in the shape of a variable."""
        return f"tf.ones_like({self.value(place)})"

    def vectorize(self, step: Vectorize) -> None:
        """Map over the first axis."""
        over = self.expression(step.over)
        outer, self.bound = self.bound, self.bound - {step.each}
        self.write(f"{step.vectorize} = tf.vectorized_map(lambda {step.each}: {self.expression(step.returns)}, {over})")
        self.bound = outer

    # -- optimizers

    def make_optimizer(self, name: str, kind: str, rate: float) -> None:
        """Write the line that makes an optimizer."""
        call = {
            "sgd": f"GradientDescentOptimizer({rate})",
            "momentum": f"MomentumOptimizer({rate}, momentum=0.9)",
            "adam": f"AdamOptimizer({rate})",
        }[kind]
        self.write(f"{name} = tf1.train.{call}")

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer; what it trains is said at each update."""
        if step.kind == "adamw":
            raise Unsupported(ONLY_DECOUPLED)
        if step.decay is not None and step.clip is not None:
            raise Unsupported(
                "`tf1.train` has no weight decay: the term that users add to the loss is clipped with the rest of its gradient."
            )
        self.make_optimizer(step.optimizer, step.kind, step.rate)
        self.optimizers[step.optimizer] = step

    def scalars(self, update: Update) -> list[str]:
        """Return the scalars that an update minimizes, with the term for weight decay."""
        step = self.optimizers[update.update]
        words = [
            self.expression(one) for one in ([update.minimize] if isinstance(update.minimize, str) else update.minimize)
        ]
        if step.decay is not None:
            self.idiom("`tf1.train` has no weight decay; users add half the squares of the variables to the loss.")
            squares = f"{step.decay} * tf.add_n([tf.nn.l2_loss(variable) for variable in {self.owned(step.over)}])"
            words[0] = f"{words[0]} + {squares}"
        return words

    def slot_count(self, optimizer: str) -> str:
        """Ask the optimizer for the slot of each variable."""
        step = self.optimizers[optimizer]
        if step.kind == "sgd":
            return f"len({optimizer}.get_slot_names())"
        slot = {"momentum": "momentum", "adam": "m"}[step.kind]
        over = self.held(step.over) if isinstance(step.over, str) else f"[{', '.join(map(self.parts_of, step.over))}]"
        return f"len({{id(variable) for variable in {over} if {optimizer}.get_slot(variable, {slot!r}) is not None}})"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up the optimizer's variables: the slots, and what it keeps once for all."""
        return self.bytes_in(f"{optimizer}.variables()")

    def average(self, step: Average) -> None:
        """Make an average, which keeps a shadow of each variable."""
        self.idiom(
            "An average is no module in TF1: it keeps a shadow variable for each variable, and is asked by that."
        )
        self.averages[step.as_] = step.average
        self.write(f"{step.as_} = tf1.train.ExponentialMovingAverage({step.decay})")

    def parallel(self, step: Parallel) -> None:
        """Write a tower for each device, over the same variables, and apply the mean of their gradients."""
        self.idiom(
            "Data parallelism by hand: a tower on each device, all over the same variables, and the mean of their gradients."
        )
        name, count = step.parallel, len(next(iter(step.split.values())))
        self.write(f"optimizer = tf1.train.GradientDescentOptimizer({step.rate})")
        self.write(f"{name}_towers = []")
        devices = str([f"/cpu:{number}" for number in range(count)])
        parts = [f"[{', '.join(self.array(repr(value)) for value in values)}]" for values in step.split.values()]
        each = f"for {', '.join([f'{name}_device', *step.split])} in zip({', '.join([devices, *parts])}):"
        with self.block(each), self.block(f"with tf.device({name}_device):"):
            scalar = self.tower(step)
            self.write(f"{name}_towers.append(optimizer.compute_gradients({scalar}, {self.owned(name)}))")
        mean = f"(tf.add_n([gradient for gradient, _ in pairs]) / {float(count)}, pairs[0][1])"
        used = f"for pairs in zip(*{name}_towers) if pairs[0][0] is not None"
        self.write(self.run(f"optimizer.apply_gradients([{mean} {used}])"))

    def tower(self, step: Parallel) -> str:
        """Write what leads up to the scalar on one device; return what gradients are computed of."""
        raise NotImplementedError

    def run(self, words: str) -> str:
        """Return what acts, or has a session act."""
        raise NotImplementedError

    # -- checkpoints

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways; what saves an object whole leaves nothing out."""
        ways = super().ways_of(spec)
        only = any(isinstance(step, Save) and step.only for step in walk(spec.steps))
        return [way for way in ways if not only or way.get("restore") != "checkpoint"] or ways

    @property
    def by_name(self) -> bool:
        """Whether checkpoints are keyed by the names of variables, not by the paths of objects."""
        return self.way.get("restore", "saver") == "saver"

    def save_with(self, step: Save, session: str) -> None:
        """Save by name, or the object."""
        if step.only:
            chosen = f"[{', '.join(map(self.among_saved, (f'{step.save}.{path}' for path in step.only)))}]"
        else:
            chosen = self.listing(step.save, only_trainable=False)
        target = "tempfile.mkdtemp() + '/model'"
        if self.by_name:
            self.write(f"{step.to} = tf1.train.Saver({chosen}).save({session}, {target})")
        else:
            self.write(
                f"{step.to} = tf1.train.Checkpoint(root={self.place(step.save)}).save({target}{session_argument(session)})"
            )

    def among_saved(self, place: str) -> str:
        """Return a variable, or all of an owner's, as they stand in a list."""
        return f"*{self.listing(place, only_trainable=False)}" if self.owns(place) else self.parts_of(place)

    def restore_with(self, step: Restore, session: str) -> None:
        """Restore by name, or the object."""
        if self.by_name:
            chosen = self.listing(step.restore, only_trainable=False)
            if step.partial:
                self.idiom("A Saver has no partial mode; users ask the checkpoint for its names.")
                self.write(f"{step.given_by}_names = [name for name, _ in tf1.train.list_variables({step.given_by})]")
                chosen = f"[variable for variable in {chosen} if variable.name.split(':')[0] in {step.given_by}_names]"
            self.write(f"tf1.train.Saver({chosen}).restore({session}, {step.given_by})")
            return
        words = f"tf1.train.Checkpoint(root={self.place(step.restore)}).restore({step.given_by})"
        words += "" if step.partial else ".assert_existing_objects_matched()"
        self.write(f"{words}.run_restore_ops({session})" if session != "None" else words)

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Add up the files with the index and the values; the graph that a Saver writes beside them is no part of these."""
        files = f"[{checkpoint} + '.index', {checkpoint} + '.data-*']"
        return f"sum(tf.io.gfile.stat(file).length for file in tf.io.gfile.glob({files}))"

    # -- observations

    def elements_of(self, owner: str) -> str:
        """Add up the elements of the trainable variables; a shared one is listed once."""
        owned = self.listing(owner, only_trainable=True)
        return f"sum(variable.shape.num_elements() for variable in {owned})"

    def bytes_of(self, owner: str) -> str:
        """Add up the bytes of the trainable variables."""
        return self.bytes_in(self.listing(owner, only_trainable=True))

    def bytes_in(self, variables: str) -> str:
        """Return the words that add up the bytes of a list of variables."""
        return f"sum(variable.shape.num_elements() * variable.dtype.size for variable in {variables})"

    def name_of(self, place: str) -> str:
        """Return the variable's name without the output number that TensorFlow puts behind it."""
        return f"{self.place(place)}.name.split(':')[0]"

    def shape_of(self, place: str) -> str:
        """Return the static shape."""
        return f"{self.place(place)}.shape.as_list()"

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype."""
        return f"{self.place(place)}.dtype.base_dtype.name"

    def offered(self, name: str) -> str:
        """Ask the top-level package, with no compat in between."""
        return has("tf", name)

    def names(self, inside: str | None) -> str:
        """Return the names of all variables, or of an owner's."""
        return f"sorted(variable.name.split(':')[0] for variable in {self.listing(inside, only_trainable=False)})"

    def collected(self, collection: str) -> str:
        """Return a collection by its key."""
        return f"tf1.get_collection({collection!r})"

    def penalties(self, inside: str | None) -> str:
        """Return the collected terms of regularizers, or those named after an owner's variables."""
        if inside is None:
            return "tf1.losses.get_regularization_losses()"
        if inside in self.scopes:
            return f"{inside}.get_collection(tf1.GraphKeys.REGULARIZATION_LOSSES)"
        self.idiom("Penalties are collected by graph; those of an owner are found by the names of its variables.")
        owned = self.listing(inside, only_trainable=False) if self.owns(inside) else f"[{self.parts_of(inside)}]"
        return f"[term for variable in {owned} for term in tf1.losses.get_regularization_losses(variable.name.split(':')[0] + '/')]"

    def penalty(self, inside: str | None) -> str:
        """Return their sum."""
        if inside is None:
            return "tf1.losses.get_regularization_loss()"
        return f"tf.reduce_sum({self.penalties(inside)})"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: optimizers by the name they are bound to
        self.optimizers: dict[str, Optimizer] = {}
        #: where in the script classes are written
        self.preamble = 0
        #: whether the spec has local variables
        self.has_locals = False
