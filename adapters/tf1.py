"""TensorFlow 1: variable scopes of `tf.compat.v1`, in graph mode (`tf1`) and in TF2's eager mode (`tf1-eager`).

The same wording runs on TensorFlow 1.15 and on `tf.compat.v1` of TensorFlow 2.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from conformance.spec import Spec
from conformance.translation import Adapter, Unsupported
from conformance.vocabulary import (
    Assign, Block, Call, Expect, Freeze, Function, Get, Gradient, Graph, Invoke, Layer, Module, NameScope, OddFlag, Placeholder,
    Read, Reenter, Reinitialize, Restore, Reuse, ReuseVariables, Save, Scope, Session, Step, Train, Variable,
)  # fmt: skip

FUNCTIONS = {
    "tanh": "tf.tanh({})", "relu": "tf.nn.relu({})", "sigmoid": "tf.sigmoid({})", "exp": "tf.exp({})",
    "log": "tf.math.log({})", "square": "tf.square({})", "sum": "tf.reduce_sum({})", "mean": "tf.reduce_mean({})",
    "transpose": "tf.transpose({})", "softmax": "tf.nn.softmax({})",
}  # fmt: skip


def operand(value: str) -> str:
    """Return an expression as it stands before a dot: in brackets if it is an operation."""
    return f"({value})" if isinstance(ast.parse(value, mode="eval").body, ast.BinOp | ast.UnaryOp) else value


class TF1Words(Adapter):
    """What graph mode and eager mode of `tf.compat.v1` say alike."""

    packages = ("tensorflow",)
    install = "pip install tensorflow"
    imports = "import tensorflow as tf\n\ntf1 = tf.compat.v1"
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    functions = FUNCTIONS
    errors = {
        "uninitialized": (("FailedPreconditionError", ""),),
        "not_found": (("ValueError", r"does not exist, or was not created"), ("NotFoundError", r"not found in checkpoint")),
        "already_exists": (("ValueError", r"already exists, disallowed"),),
        "shape_mismatch": (("ValueError", r"specified shape .* and found shape|[Ss]hapes? .*(must be equal|compatible|equal rank)|must have the same shape|Dimensions must be equal"), ("InvalidArgumentError", r"Matrix size-incompatible")),
        "dtype_mismatch": (("ValueError", r"specified dtype .* and found dtype|with a different dtype"),),
        "created_again": (("ValueError", r"only supports singleton tf\.Variables"),),
        "bad_argument": (("TypeError", ""), ("AttributeError", r"has no attribute 'assign'"), ("ValueError", r"must be|must specify|not understood|must not")),
    }
    missing = {
        "module": "TF1 groups variables by scope names; it has no objects that own variables.",
        "tie": "TF1 ties by asking for the same name again; a variable cannot be put in the place of another.",
        "copy": "A TF1 graph has no copy: variables belong to their graph.",
        "freeze": "TF1 fixes `trainable` when a variable is made; what is frozen later is left out of `var_list`.",
    }

    #: where a template's variables stand in its list: in the order in which it made them
    parts: ClassVar[dict[str, str]] = {"kernel": ".variables[0]", "bias": ".variables[1]"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.templates: set[str] = set()

    def array(self, values: str) -> str:
        """Return a constant tensor."""
        return f"tf.constant({values})"

    # -- scopes and variables

    def flag(self, reuse: Reuse) -> str:
        """Return the words for a reuse flag."""
        if isinstance(reuse, OddFlag):
            return repr(reuse.text if reuse.text is not None else reuse.number) if reuse.tensor is None else reuse.tensor
        return "tf1.AUTO_REUSE" if reuse == "auto" else repr(reuse)

    def open_scope(self, step: Scope | Reenter, where: str) -> None:
        """Open a variable scope given by name or by object."""
        reuse = f", reuse={self.flag(step.reuse)}" if step.reuse is not None else ""
        with self.block(f"with tf1.variable_scope({where}{reuse}){f' as {step.as_}' if step.as_ else ''}:"):
            self.inside(step)

    def scope(self, step: Scope) -> None:
        """Open a variable scope by name."""
        self.open_scope(step, repr(step.scope))

    def reenter(self, step: Reenter) -> None:
        """Re-enter a variable scope by the object that stands for it."""
        self.open_scope(step, step.reenter)

    def name_scope(self, step: NameScope) -> None:
        """Open a name scope."""
        with self.block(f"with tf1.name_scope({step.name_scope!r}):"):
            self.inside(step)

    def reuse_variables(self, step: ReuseVariables) -> None:
        """Switch an open scope to reuse."""
        self.write(f"{step.reuse_variables}.reuse_variables()")

    def get(self, step: Get) -> None:
        """Get a variable by name."""
        self.bind(step.as_, self.get_words(step))

    def get_words(self, step: Get) -> str:
        """Return the call that gets a variable."""
        words = [repr(step.get)]
        values = isinstance(step.init, list)
        if step.shape is not None and not values:
            words.append(f"shape={step.shape}")
        if step.dtype:
            words.append(f"dtype=tf.{step.dtype}")
        if values:
            words.append(f"initializer=tf.constant({step.init})")
        elif step.init == "random":
            words.append("initializer=tf1.random_normal_initializer()")
        elif step.init is not None:
            words.append(f"initializer=tf1.constant_initializer({step.init})")
        if step.reuse is not None:
            words.append(f"reuse={self.flag(step.reuse)}")
        return f"tf1.get_variable({', '.join(words + self.registration(step))})"

    def registration(self, step: Get | Variable) -> list[str]:
        """Return the words for trainable and collections."""
        words = [] if step.trainable is None else [f"trainable={step.trainable}"]
        if step.collection:
            words.append(f"collections=[tf1.GraphKeys.GLOBAL_VARIABLES, {step.collection!r}]")
        return words

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        dtype = [f"dtype=tf.{step.dtype}"] if step.dtype else []
        if isinstance(step.init, list):
            value = repr(step.init)
        elif step.init == "random":
            value = f"tf1.random_normal({step.shape or []})"
        else:
            value = f"tf.fill({step.shape}, {step.init})" if step.shape else repr(step.init)
        words = [value, f"name={step.variable!r}", *dtype, *self.registration(step)]
        self.bind(step.as_, f"{self.constructor}({', '.join(words)})")

    constructor = "tf.Variable"

    def function(self, step: Function) -> None:
        """Define a Python function; in a graph it builds anew whenever it is called."""
        if step.traced:
            self.traced(step)
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.inside(step)
            if step.returns:
                self.write(f"return {self.expression(step.returns)}")

    def traced(self, step: Function) -> None:
        """Mark a function as traced."""
        raise Unsupported("TF1 has no traced functions: Python code builds the graph each time it runs.")

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

    def layer(self, step: Layer) -> None:
        """Make a template: a function whose variables are made at its first call and reused after."""
        self.idiom("A layer is worded as `tf1.make_template`; `tf.layers` needs Keras 2, which TensorFlow 2 lacks.")
        kernel = self.get_words(Get(get="kernel", shape=[step.inputs, step.units], init=step.kernel, trainable=step.trainable))
        bias = self.get_words(Get(get="bias", shape=[step.units], init=step.bias, trainable=step.trainable))
        if step.layer == "dense":
            body = f"inputs @ {kernel}" + (f" + {bias}" if step.bias is not None else "")
        else:
            body = f"tf.gather({kernel}, inputs)"
        self.templates.add(step.as_)
        self.write(f"{step.as_} = tf1.make_template({step.name!r}, lambda inputs: {body})")

    def call(self, step: Call) -> None:
        """Call a template."""
        self.bind(step.as_, f"{self.place(step.call)}({self.expression(step.on)})")

    def place(self, place: str) -> str:
        """Return a variable; those of a template are found by where they stand in its list."""
        first, _, rest = place.partition(".")
        index = {"": "", **self.parts}
        return first + index[rest] if rest in index else place

    def owned(self, wrt: str | list[str]) -> str:
        """Return the list of variables that are trained: those named, or a template's own."""
        if isinstance(wrt, list):
            return f"[{', '.join(map(self.place, wrt))}]"
        return f"{wrt}.trainable_variables" if wrt in self.templates else f"[{self.place(wrt)}]"

    # -- observations

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
        parts = name.split(".")
        return f"hasattr({'.'.join(['tf', *parts[:-1]])}, {parts[-1]!r})"


    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the collection of variables, or what a template made."""
        if inside:
            return f"{inside}.{'trainable_' if only_trainable else ''}variables"
        return f"tf1.{'trainable' if only_trainable else 'global'}_variables()"

    def names(self) -> str:
        """Return the names in the collection of variables."""
        return "sorted(variable.name.split(':')[0] for variable in tf1.global_variables())"

    def collected(self, collection: str) -> str:
        """Return a collection by its key."""
        return f"tf1.get_collection({collection!r})"


class TF1(TF1Words):
    """Graph mode: the contract of by-name reuse."""

    name = "tf1"
    title = "TensorFlow 1 graph mode"
    about = "Variable scopes of `tf.compat.v1` in a graph with a session; runs on TensorFlow 1.15 and on TensorFlow 2."

    def opening(self) -> str:
        """Return the line that opens a graph with a session on the device."""
        where = ", tf.device('/GPU:0')" if self.device == "gpu" else ""
        return f"with tf.Graph().as_default(){where}, tf1.Session() as session:"

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Build in a fresh graph, with a session."""
        with self.block(self.opening()):
            yield

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask the session where it ran."""
        return (
            f"{cls.imports}\nwith tf.Graph().as_default(), tf.device('/{device.upper()}:0'), tf1.Session() as session:\n"
            "    variable = tf1.get_variable('probe', shape=[1])\n"
            "    session.run(tf1.global_variables_initializer())\n"
            "    metadata = tf1.RunMetadata()\n"
            "    session.run(variable + 1.0, options=tf1.RunOptions(output_partition_graphs=True), run_metadata=metadata)\n"
            "    observe('device', metadata.partition_graphs[0].node[0].device)\n"
        )

    def data(self, value: str) -> str:
        """Fetch a value from the session."""
        return f"session.run({value}).tolist()"

    def graph(self, step: Graph) -> None:
        """Open another graph with a session of its own; the first session's name is taken meanwhile."""
        self.write("outer = session")
        with self.block(self.opening()):
            self.inside(step)
        self.write("session = outer")

    def session(self, step: Session) -> None:
        """Open another session over the same graph."""
        self.write("outer = session")
        with self.block("with tf1.Session() as session:"):
            self.inside(step)
        self.write("session = outer")

    def placeholder(self, step: Placeholder) -> None:
        """Make a placeholder."""
        self.write(f"{step.placeholder} = tf1.placeholder(tf.{step.dtype}, {step.shape})")

    def initialize(self, step: Step) -> None:
        """Run the initializers of all variables made so far."""
        self.write("session.run(tf1.global_variables_initializer())")

    def reinitialize(self, step: Reinitialize) -> None:
        """Run one variable's initializer again."""
        self.write(f"session.run({self.place(step.reinitialize)}.initializer)")

    def assign(self, step: Assign) -> None:
        """Run an assignment."""
        self.write(f"session.run(tf1.assign({self.place(step.assign)}, {self.expression(step.to)}))")

    def increment(self, place: str) -> None:
        """Run an assignment of the value plus one."""
        self.write(f"session.run(tf1.assign_add({self.place(place)}, tf.ones_like({self.place(place)})))")

    def read(self, step: Read) -> None:
        """Fetch a variable."""
        self.write(f"session.run({self.place(step.read)})")

    def gradient(self, step: Gradient) -> None:
        """Build the gradient into the graph."""
        self.steps(step.steps)
        self.write(f"{step.gradient} = tf.gradients({self.expression(step.of)}, {self.place(step.wrt)})[0]")

    def train(self, step: Train) -> None:
        """Build one optimizer step into the graph and run it as often as asked."""
        self.steps(step.steps)
        optimizer = {"sgd": "GradientDescentOptimizer", "adam": "AdamOptimizer"}[step.train]
        self.write(f"optimizer = tf1.train.{optimizer}({step.rate})")
        self.write(f"minimize = optimizer.minimize({self.expression(step.minimize)}, var_list={self.owned(step.wrt)})")
        self.write("session.run(tf1.variables_initializer(optimizer.variables()))")
        with self.block(f"for _ in range({step.times}):"):
            self.write("session.run(minimize)")

    def save(self, step: Save) -> None:
        """Save the variables of a template by name."""
        self.write("import tempfile")
        self.write(f"{step.to} = tf1.train.Saver({step.save}.variables).save(session, tempfile.mkdtemp() + '/model')")

    def restore(self, step: Restore) -> None:
        """Restore the variables of a template by name."""
        self.write(f"tf1.train.Saver({step.restore}.variables).restore(session, {step.given_by})")


class TF1Eager(TF1Words):
    """The same calls in TensorFlow 2's default mode: the classic trap."""

    name = "tf1-eager"
    title = "TensorFlow 1 calls, eager"
    about = "The same `tf.compat.v1` calls in TensorFlow 2's default eager mode, where ported code often ends up."
    #: eager templates sort their variables by name
    parts = {"kernel": ".variables[-1]", "bias": ".variables[0]"}
    #: eager templates add to the collections of the default graph
    reset = "import tensorflow as tf\ntf.compat.v1.reset_default_graph()"
    missing = {
        **TF1Words.missing,
        "graph": "Eager mode has no graph to open.",
        "session": "Eager mode has no sessions: a variable holds its value itself.",
        "placeholder": "`tf.placeholder` refuses to run in eager mode.",
        "save": "`tf1.train.Saver` takes no eager variables without names of their own.",
        "restore": "`tf1.train.Saver` takes no eager variables without names of their own.",
    }

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Write nothing on the CPU; else open the device."""
        if self.device == "cpu":
            yield
            return
        with self.block("with tf.device('/GPU:0'):"):
            yield

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask it where it is."""
        return f"{cls.imports}\nwith tf.device('/{device.upper()}:0'):\n    observe('device', tf.Variable([1.0]).device)\n"

    def data(self, value: str) -> str:
        """Read a value at once."""
        return f"{operand(value)}.numpy().tolist()"

    def initialize(self, step: Step) -> None:
        """Say what TF1 code says; it has nothing to do."""
        self.write("tf1.global_variables_initializer()")

    def reinitialize(self, step: Reinitialize) -> None:
        """Refuse: an eager variable has no initializer operation."""
        raise Unsupported("An eager variable keeps no initializer to run again; assign the value instead.")

    def traced(self, step: Function) -> None:
        """Have TensorFlow trace the function."""
        self.write("@tf.function")

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        return f"{function}.experimental_get_tracing_count()"

    def assign(self, step: Assign) -> None:
        """Assign at once."""
        self.write(f"tf1.assign({self.place(step.assign)}, {self.expression(step.to)})")

    def increment(self, place: str) -> None:
        """Add at once."""
        self.write(f"tf1.assign_add({self.place(place)}, tf.ones_like({self.place(place)}))")

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(f"{self.place(step.read)}.numpy()")

    def gradient(self, step: Gradient) -> None:
        """Record on a tape."""
        with self.block("with tf.GradientTape() as tape:"):
            self.steps(step.steps)
            self.write(f"{step.gradient} = {self.expression(step.of)}")
        self.write(f"{step.gradient} = tape.gradient({step.gradient}, {self.place(step.wrt)})")

    def train(self, step: Train) -> None:
        """Hand the optimizer a function that computes the loss, as eager mode demands."""
        with self.block("def loss():"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.minimize)}")
        optimizer = {"sgd": "GradientDescentOptimizer", "adam": "AdamOptimizer"}[step.train]
        self.write(f"optimizer = tf1.train.{optimizer}({step.rate})")
        with self.block(f"for _ in range({step.times}):"):
            self.write(f"optimizer.minimize(loss, var_list={self.owned(step.wrt)})")
