"""TensorFlow 2: objects own variables (`tf.Module`, Keras 3 layers and models), and no name finds them again."""

from collections.abc import Iterator
from contextlib import contextmanager

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import CurrentScope, Expect, Get, walk
from canireuse_adapters.tf2.devices import TWO_DEVICES
from canireuse_adapters.tf2.keeping import what_is_copied
from canireuse_adapters.tf2.measuring import MeasuringWords
from canireuse_adapters.tf2.things import is_model, units_of
from canireuse_adapters.tf_text import FUNCTIONS, has, operand

#: kinds of Keras layers that keep the state of random numbers beside their weights
KEEPS_SEEDS = {"cell", "rnn", "bidirectional"}
NO_DEFAULTS = (
    "A `tf.Module` hands no defaults down: what a variable starts from and its dtype are said where it is constructed."
)
NO_REGULARIZER = "A `tf.Variable` carries no regularizer, and a `tf.Module` collects none: the term is added to the loss, or the weight belongs to a Keras layer."
NO_COLLECTIONS = "TensorFlow 2 has no collections: the objects that hold variables are the lists of them."
SCOPES = ("scope", "default_scope", "reenter")


class TF2(MeasuringWords):
    """Eager TensorFlow 2 with `tf.Module`, `tf.function`, `tf.GradientTape` and Keras 3."""

    name = "tf2"
    title = "TensorFlow 2"
    about = (
        "TensorFlow 2 as its guides teach it: `tf.Module`, `tf.Variable`, `tf.function`, `tf.GradientTape` and Keras 3."
    )
    packages = ("tensorflow", "keras")
    install = "pip install tensorflow"
    requires = ("tensorflow>=2.16",)
    modules = ("tensorflow",)
    imports = "import tensorflow as tf"
    # virtual devices have to be asked for before anything runs: the host does, and scripts that need them do too
    reset = f"import tensorflow as tf\n{TWO_DEVICES}\ntf.keras.backend.clear_session(free_memory=False)\ntf.random.set_seed(0)"
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1"}}
    functions = FUNCTIONS
    errors = {
        "created_again": (("ValueError", r"only supports singleton tf\.Variables"),),
        "uninitialized": (
            ("AttributeError", r"must build the layer"),
            ("ValueError", r"has not yet been built|isn't yet built"),
        ),
        "not_found": (
            ("AttributeError", r"^'(Module|Dense|Embedding|BatchNormalization|SimpleRNNCell)' object has no attribute"),
            (
                "ValueError",
                r"No such layer|expected \d+ variables, but received|with a weight list of length|^Unknown variable: ",
            ),
            ("AssertionError", r"that were not bound to checkpointed values"),
        ),
        "already_exists": (("ValueError", r"should be unique|should have unique names|is already quantized"),),
        "sharing_refused": (
            ("ValueError", r"cannot add new elements of state|^You called `set_weights\(weights\)` on"),
        ),
        "not_trainable": (("ValueError", r"No gradients provided for any variable|not enough values to unpack"),),
        "shape_mismatch": (
            (
                "ValueError",
                r": Shape mismatch\.|value\.shape=|is incompatible with the layer|shape that matches the corresponding",
            ),
            ("ValueError", r"^Received incompatible tensor with shape|not compatible with provided weight shape"),
            ("InvalidArgumentError", r"Incompatible shapes|size-incompatible|ndims must be"),
        ),
        "dtype_mismatch": (
            ("ValueError", r"conversion requested dtype"),
            ("TypeError", r"to EagerTensor of dtype"),
            ("InvalidArgumentError", r"was expected to be a|expected dtype \w+ does not equal original dtype"),
        ),
        "bad_argument": (
            ("AttributeError", r"Tensor' object has no attribute 'assign'"),
            ("ValueError", r"^The `initial_value` arg to `tf\.Variable` must"),
        ),
    }
    ways = {
        "restore": ("checkpoint", "checkpoint-matched", "weights", "keras", "saved-model"),
        "copy": ("deepcopy", "clone"),
        "module": ("keras-model", "tf-module"),
    }
    options = frozenset({
        "layer.norm", "layer.cell", "layer.unnamed", "layer.penalty", "call.given", "call.training", "copy.shallow",
        "save.only", "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered", "measure.fresh",
    })  # fmt: skip
    missing = {
        "reuse_variables": "TensorFlow 2 has no reuse mode that could be switched: keep the object and use it again.",
        "placeholder": "TensorFlow 2 has no placeholders: what is given later is an argument of a function.",
        "graph": "TensorFlow 2 builds no graph by hand: variables are Python objects, and `tf.function` makes its graphs itself.",
        "session": "TensorFlow 2 has no sessions: a variable holds its value itself.",
        "collection": NO_COLLECTIONS,
        "default_scope": "TensorFlow 2 makes no scope names unique: a module is told apart by the attribute that holds it.",
        "intercept": "Nothing of TensorFlow 2 stands between a name and its variable: `tf.variable_creator_scope` steps in where a variable is made, not where it is read.",
        "hook": "A `tf.Variable` takes no hook: a gradient is changed by `tf.custom_gradient` around the value, or between the tape and the optimizer.",
        "reparametrize": "A place of a Keras layer or of a `tf.Module` holds a variable or a property, and TensorFlow 2 has no call that puts a function of the variable there.",
        "shard": "A DTensor variable has its layout from the start: `tf.experimental.dtensor` lays none out that is there already.",
        "function.template": "`make_template` works on variable scopes and is a word of `tf.compat.v1`; in TensorFlow 2 an object keeps what its method made in the first call.",
        "get.local": NO_COLLECTIONS,
        "get.partitions": "TensorFlow 2 cuts variables into parts in a `ParameterServerStrategy` alone, which needs servers.",
        "get.penalty": NO_REGULARIZER,
        "paths": "TensorFlow 2 lists a variable once: no public call gives the other paths that lead to it.",
        **{f"{verb}.{option}": NO_DEFAULTS for verb in SCOPES for option in ("init", "dtype")},
        **{f"{verb}.penalty": NO_REGULARIZER for verb in SCOPES},
        **{
            f"{verb}.auxiliary_name_scope": "A module opens no name scope by itself: `tf.name_scope` does, where it is written."
            for verb in SCOPES
        },
    }

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask it where it is; name the GPU."""
        lines = [cls.imports, f"with tf.device('/{device.upper()}:0'):", "    variable = tf.Variable([1.0])"]
        if device == "gpu":
            lines.append(
                "details = tf.config.experimental.get_device_details(tf.config.list_physical_devices('GPU')[0])"
            )
            lines.append("observe('device', variable.device + ' ' + details.get('device_name', ''))")
        else:
            lines.append("observe('device', variable.device)")
        return "\n".join(lines) + "\n"

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Open the GPU if asked for, and make the modules that stand for scopes."""
        self.spec = list(walk(spec.steps))
        for line in what_is_copied(self.spec):
            self.import_first(line)
        self.look()
        self.devices()
        self.classes()
        if self.device == "gpu":
            with self.block("with tf.device('/GPU:0'):"):
                self.opening(spec)
                yield
        else:
            self.opening(spec)
            yield

    def opening(self, spec: Spec) -> None:
        """Write the root module if variables hang on it, with a module for each scope that holds some."""
        counts = any(
            isinstance(step, Expect) and step.kind in {"variables", "trainable", "names"} and not step.inside
            for step in self.spec
        )
        if counts or any(isinstance(step, Get | CurrentScope) for step in self.spec):
            self.write("root = tf.Module()")
            self.submodules(spec.steps, "root", {})

    # -- observations

    def array(self, values: str) -> str:
        """Return a constant tensor."""
        return f"tf.constant({values})"

    def data(self, value: str) -> str:
        """Read a value at once."""
        return f"{operand(value)}.numpy().tolist()"

    def name_of(self, place: str) -> str:
        """Return the path of a Keras variable, or the name of a `tf.Variable` without its output number."""
        if place in self.tensors:
            raise Unsupported("An eager tensor has no name.")
        return f"{self.place(place)}.path" if self.is_keras(place) else f"{self.place(place)}.name.split(':')[0]"

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype."""
        return f"{self.place(place)}.dtype" if self.is_keras(place) else f"{self.place(place)}.dtype.name"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the variables that an object holds, or the root module."""
        if inside is None and self.loose:
            raise Unsupported(
                "TensorFlow 2 keeps no list of all variables: only the objects that hold them can be asked."
            )
        made = self.thing(inside or "")
        self.only_a_model(inside or "", "listed")
        words = self.place(inside) if inside else "root"
        if inside in self.bound_scopes:
            words = self.bound_scopes[inside][0]
        # the variables of a Keras cell are its weights and the state of its random numbers
        kind = "weights" if any(unit.kind in KEEPS_SEEDS for unit in units_of(made)) else "variables"
        return f"{words}.{'trainable_' if only_trainable else ''}{kind}"

    def names(self, inside: str | None) -> str:
        """Return the names of the variables below the root module or inside something."""
        name = "variable.path" if is_model(self.thing(inside or "")) else "variable.name.split(':')[0]"
        return f"sorted({name} for variable in {self.listing(inside, only_trainable=False)})"

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        return f"{function}.experimental_get_tracing_count()"

    def offered(self, name: str) -> str:
        """Ask the top-level package, part by part."""
        return has("tf", name)
