"""TensorFlow 2: objects own variables (`tf.Module`, Keras 3 layers and models), and no name finds them again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapters.tf1_words import FUNCTIONS, has, number, operand
from adapters.tf2_objects import Net, ObjectWords
from adapters.training import training_of
from conformance.spec import Spec
from conformance.step import OddFlag, Reuse, Step
from conformance.translation import Unsupported, turns
from conformance.vocabulary import (
    Assign,
    Block,
    Compute,
    Expect,
    Function,
    Get,
    Gradient,
    Invoke,
    Layer,
    NameScope,
    Read,
    Reenter,
    Reinitialize,
    Repeat,
    Scope,
    Train,
    Variable,
    walk,
)

NO_FLAG = "TensorFlow 2 takes no reuse flag anywhere: an attribute is read or assigned."


class TF2(ObjectWords):
    """Eager TensorFlow 2 with `tf.Module`, `tf.function`, `tf.GradientTape` and Keras 3."""

    name = "tf2"
    title = "TensorFlow 2"
    about = (
        "TensorFlow 2 as its guides teach it: `tf.Module`, `tf.Variable`, `tf.function`, `tf.GradientTape` and Keras 3."
    )
    packages = ("tensorflow", "keras")
    install = "pip install tensorflow"
    imports = "import tensorflow as tf"
    reset = "import tensorflow as tf\ntf.keras.backend.clear_session(free_memory=False)\ntf.random.set_seed(0)"
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1"}}
    functions = FUNCTIONS
    errors = {
        "created_again": (("ValueError", r"only supports singleton tf\.Variables"),),
        "uninitialized": (("AttributeError", r"must build the layer"), ("ValueError", r"has not yet been built")),
        "not_found": (
            ("AttributeError", r"^'(Module|Dense|Embedding)' object has no attribute"),
            ("ValueError", r"No such layer"),
        ),
        "already_exists": (("ValueError", r"should be unique|should have unique names"),),
        "not_trainable": (("ValueError", r"No gradients provided for any variable|not enough values to unpack"),),
        "shape_mismatch": (
            (
                "ValueError",
                r": Shape mismatch\.|value\.shape=|is incompatible with the layer",
            ),
            ("InvalidArgumentError", r"Incompatible shapes|size-incompatible|ndims must be"),
        ),
        "dtype_mismatch": (
            ("ValueError", r"conversion requested dtype"),
            ("TypeError", r"to EagerTensor of dtype"),
            ("InvalidArgumentError", r"was expected to be a"),
        ),
        "bad_argument": (
            ("AttributeError", r"Tensor' object has no attribute 'assign'"),
            ("ValueError", r"^The `initial_value` arg to `tf\.Variable` must"),
        ),
    }
    ways = {"restore": ("checkpoint", "weights", "keras", "saved-model")}
    missing = {
        "reuse_variables": "TensorFlow 2 has no reuse mode that could be switched: keep the object and use it again.",
        "placeholder": "TensorFlow 2 has no placeholders: what is given later is an argument of a function.",
        "graph": "TensorFlow 2 builds no graph by hand: variables are Python objects, and `tf.function` makes its graphs itself.",
        "session": "TensorFlow 2 has no sessions: a variable holds its value itself.",
        "collection": "TensorFlow 2 has no collections: the objects that hold variables are the lists of them.",
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: path of the open scope and its reuse mode (`inherited` from an outer scope), innermost last
        self.open: list[tuple[str, Reuse | str | None]] = [("root", None)]
        #: scopes bound by `as`
        self.bound_scopes: dict[str, tuple[str, Reuse | str | None]] = {}
        #: functions that get variables, with the scope they stand in
        self.getters: dict[str, str] = {}
        #: the training step whose optimizer was made before the function around it
        self.hoisted: Train | None = None

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
        verbs = {step.verb for step in self.spec}
        if "copy" in verbs:
            self.import_first("from copy import deepcopy")
        if "save" in verbs:
            self.import_first("import tempfile")
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
        if counts or any(isinstance(step, Get) for step in self.spec):
            self.write("root = tf.Module()")
            self.submodules(spec.steps, "root", set())

    def submodules(self, steps: list[Step], path: str, known: set[str]) -> None:
        """Write a module for each scope below the path that something is made in."""
        for step in steps:
            below = path
            if isinstance(step, Scope):
                below = f"{path}.{step.scope}"
                makes = step.reuse is not True and any(isinstance(one, Get) for one in walk(step.steps))
                if makes and below not in known:
                    known.add(below)
                    self.write(f"{below} = tf.Module(name={step.scope!r})")
            elif isinstance(step, Reenter):
                continue
            if isinstance(step, Block):
                self.submodules(step.steps, below, known)

    # -- scopes and variables

    def open_scope(self, step: Scope | Reenter, path: str, before: Reuse | str | None) -> None:
        """Write what stands in a scope; a mode that is not this scope's own counts as inherited."""
        self.idiom(
            "A scope is a `tf.Module`, a name in it an attribute: to assign it makes or replaces, to read it looks up."
        )
        if isinstance(step.reuse, OddFlag):
            raise Unsupported(NO_FLAG)
        own = step.reuse if step.reuse is not None and step.reuse is not False else ("inherited" if before else None)
        if step.as_:
            self.bound_scopes[step.as_] = (path, own)
        self.open.append((path, own))
        self.steps(step.steps)
        self.open.pop()

    def scope(self, step: Scope) -> None:
        """Stand in the module of that name."""
        path, mode = self.open[-1]
        self.open_scope(step, f"{path}.{step.scope}", mode)

    def reenter(self, step: Reenter) -> None:
        """Stand in a module that was bound before."""
        self.open_scope(step, *self.bound_scopes[step.reenter])

    def name_scope(self, step: NameScope) -> None:
        """Open a name scope, which prefixes the names of variables too."""
        with self.block(f"with tf.name_scope({step.name_scope!r}):"):
            self.steps(step.steps)

    def get(self, step: Get) -> None:
        """Assign an attribute of the module, or read it where the scope says reuse."""
        scope, mode = self.open[-1]
        path = f"{scope}.{step.get}"
        if step.reuse is not None:
            raise Unsupported(NO_FLAG)
        if mode == "auto":
            raise Unsupported("`tf.Module` has no get-or-create: keep the object and reuse it.")
        if mode == "inherited":
            raise Unsupported(
                "Modules hand no reuse mode down: each place says for itself whether it makes or looks up."
            )
        if mode is not True:
            self.write(f"{path} = {self.new(step.get, step)}")
            self.made[path] = step
        if step.as_:
            self.made[step.as_] = self.made.get(path)
        if step.as_ or mode is True:
            self.bind(step.as_, path)

    def variable(self, step: Variable) -> None:
        """Construct a variable that nothing but its Python name holds."""
        self.loose = True
        self.bind(step.as_, self.new(step.variable, step))
        if step.as_:
            self.made[step.as_] = step

    def new(self, name: str, step: Get | Variable) -> str:
        """Return the call that makes a variable."""
        if step.collection:
            raise Unsupported(self.missing["collection"])
        initial = self.initial(step)
        words = [] if initial is None else [initial]
        words.append(f"name={name!r}")
        if isinstance(step.init, list) and step.dtype:
            words.append(f"dtype=tf.{step.dtype}")
        if step.trainable is not None:
            words.append(f"trainable={step.trainable}")
        return f"tf.Variable({', '.join(words)})"

    def initial(self, step: Get | Variable) -> str | None:
        """Return the words for an initial value; None where the spec gives neither value nor shape."""
        dtype = f", dtype=tf.{step.dtype}" if step.dtype else ""
        if isinstance(step, Variable) and step.start is not None:
            return self.expression(step.start)
        if step.init is None:
            return None if step.shape is None else f"tf.keras.initializers.GlorotUniform()({step.shape}{dtype})"
        if step.init == "random":
            return f"tf.random.normal({step.shape or []}{dtype})"
        if isinstance(step.init, list):
            return repr(step.init)
        value = number(step.init, step.dtype)
        if step.shape:
            return f"tf.constant({value}, shape={step.shape}{dtype})"
        return f"tf.constant({value}{dtype})" if dtype else value

    # -- state and learning

    def assign(self, step: Assign) -> None:
        """Assign at once."""
        value = repr(step.to) if isinstance(step.to, list) else self.expression(step.to)
        self.write(f"{self.place(step.assign)}.assign({value})")

    def increment(self, place: str) -> None:
        """Add one at once."""
        self.write(f"{self.place(place)}.assign_add(tf.ones_like({self.place(place)}))")

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(self.data(self.place(step.read)))

    def reinitialize(self, step: Reinitialize) -> None:
        """Assign the initial value once more."""
        words, made = self.place(step.reinitialize), self.thing(step.reinitialize)
        self.idiom("No call puts a variable back; users assign the initial value again.")
        if self.is_keras(step.reinitialize):
            owner, _, last = words.rpartition(".")
            self.write(f"{words}.assign({owner}.{last}_initializer({words}.shape))")
            return
        if not isinstance(made, Get | Variable) or made.init is None or made.init == "random":
            raise Unsupported("A `tf.Variable` keeps no initializer: a random initial value is gone.")
        self.write(f"{words}.assign({self.initial(made)})")

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        super().compute(step)
        self.tensors.add(step.binding or "")

    def gradient(self, step: Gradient) -> None:
        """Record on a tape, which watches trainable variables by itself and all else when told."""
        wrt, made = self.place(step.wrt), self.thing(step.wrt)
        with self.block("with tf.GradientTape() as tape:"):
            if step.wrt in self.tensors or (isinstance(made, Get | Variable) and made.trainable is False):
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({wrt})")
            self.steps(step.steps)
            self.write(f"loss = {self.expression(step.of)}")
        words = f"tape.gradient(loss, {wrt})"
        self.write(f"{step.gradient} = {f'tf.convert_to_tensor({words})' if wrt.endswith('.embeddings') else words}")
        self.tensors.add(step.gradient)

    def optimizer(self, step: Train) -> None:
        """Make the optimizer; it has variables, so that none is made inside a traced function."""
        kind = {"sgd": "SGD", "adam": "Adam"}[step.train]
        self.write(f"optimizer = tf.keras.optimizers.{kind}({step.rate})")

    def train(self, step: Train) -> None:
        """Record the loss on a tape and hand the gradients to a Keras optimizer."""
        self.build_for(step)
        if step is not self.hoisted:
            self.optimizer(step)
        if isinstance(step.wrt, str) and isinstance(self.thing(step.wrt), Layer | Net):
            owned = f"{self.place(step.wrt)}.trainable_variables"
        else:
            owned = f"[{', '.join(map(self.place, [step.wrt] if isinstance(step.wrt, str) else step.wrt))}]"
        with turns(self, step.times):
            with self.block("with tf.GradientTape() as tape:"):
                self.steps(step.steps)
                self.write(f"loss = {self.expression(step.minimize)}")
            self.write(f"optimizer.apply_gradients(zip(tape.gradient(loss, {owned}), {owned}))")

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        self.build_for(step)
        super().repeat(step)

    def function(self, step: Function) -> None:
        """Define a function; TensorFlow traces it if asked."""
        self.build_for(step)
        if any(isinstance(one, Get) for one in walk(step.steps)):
            self.getters[step.function] = self.open[-1][0]
        if step.traced:
            train = training_of(step)
            if train:
                self.optimizer(train)
                self.hoisted = train
            self.write("@tf.function")
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                self.write(f"return {self.expression(step.returns)}")

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        if self.getters.get(step.invoke, self.open[-1][0]) != self.open[-1][0]:
            raise Unsupported(
                "A module is no ambient scope: a function finds its variables on the object it was written for, wherever it is called."
            )
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

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
        if inside and self.thing(inside) == "loaded":
            raise Unsupported("What a SavedModel loads as has its attributes, but no list of its variables.")
        return f"{self.place(inside) if inside else 'root'}.{'trainable_' if only_trainable else ''}variables"

    def names(self, inside: str | None) -> str:
        """Return the names of the variables below the root module."""
        return f"sorted(variable.name.split(':')[0] for variable in {self.listing(None, only_trainable=False)})"

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        return f"{function}.experimental_get_tracing_count()"

    def offered(self, name: str) -> str:
        """Ask the top-level package, part by part."""
        return has("tf", name)
