"""TensorFlow 1: variable scopes of `tf.compat.v1`, in graph mode (`tf1`) and in TF2's eager mode (`tf1-eager`).

The same wording runs on TensorFlow 1.15 and on `tf.compat.v1` of TensorFlow 2.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.tf1_words import TF1Words, operand
from adapters.training import training_of
from conformance.spec import Spec
from conformance.step import Step
from conformance.translation import Unsupported, turns
from conformance.vocabulary import (
    Assign,
    Compute,
    Function,
    Get,
    Gradient,
    Graph,
    Placeholder,
    Read,
    Reinitialize,
    Restore,
    Save,
    Session,
    Train,
    Variable,
)


def name_the_gpu(device: str) -> str:
    """Return the lines of a probe that bind `gpu` to what TensorFlow calls the GPU; none for another device."""
    if device != "gpu":
        return ""
    listed = "device.physical_device_desc for device in device_lib.list_local_devices() if device.device_type == 'GPU'"
    return f"from tensorflow.python.client import device_lib\ngpu = ' ' + ' '.join({listed})\n"


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
        self.import_what_is_needed(spec)
        with self.block(self.opening()):
            yield

    @classmethod
    def edition(cls, versions: Mapping[str, str]) -> str:
        """Tell the real TensorFlow 1 from `tf.compat.v1`."""
        version = versions.get("tensorflow", "")
        return f"TensorFlow {version}" if version.startswith("1.") else ""

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask the session where it ran."""
        return (
            f"{cls.imports}\n{name_the_gpu(device)}with tf.Graph().as_default(), tf.device('/{device.upper()}:0'), tf1.Session() as session:\n"
            "    variable = tf1.get_variable('probe', shape=[1])\n"
            "    session.run(tf1.global_variables_initializer())\n"
            "    metadata = tf1.RunMetadata()\n"
            "    session.run(variable + 1.0, options=tf1.RunOptions(output_partition_graphs=True), run_metadata=metadata)\n"
            f"    observe('device', metadata.partition_graphs[0].node[0].device{' + gpu' if device == 'gpu' else ''})\n"
        )

    def data(self, value: str) -> str:
        """Fetch a value from the session."""
        return f"session.run({value}).tolist()"

    def graph(self, step: Graph) -> None:
        """Open another graph with a session of its own; the first session's name is taken meanwhile."""
        self.write("outer = session")
        with self.block(self.opening()):
            self.steps(step.steps)
        self.write("session = outer")

    def session(self, step: Session) -> None:
        """Open another session over the same graph."""
        self.write("outer = session")
        with self.block("with tf1.Session() as session:"):
            self.steps(step.steps)
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
        self.write(f"session.run(tf1.assign({self.place(step.assign)}, {self.values(step)}))")

    def increment(self, place: str) -> None:
        """Run an assignment of the value plus one."""
        self.write(f"session.run(tf1.assign_add({self.place(place)}, tf.ones_like({self.place(place)})))")

    def read(self, step: Read) -> None:
        """Fetch a variable."""
        self.write(f"session.run({self.place(step.read)})")

    def gradient(self, step: Gradient) -> None:
        """Build the gradient into the graph."""
        self.steps(step.steps)
        words = f"tf.gradients({self.expression(step.of)}, {self.place(step.wrt)})[0]"
        self.write(f"{step.gradient} = {f'tf.convert_to_tensor({words})' if self.is_table(step.wrt) else words}")

    def train(self, step: Train) -> None:
        """Build one optimizer step into the graph and run it as often as asked."""
        self.steps(step.steps)
        optimizer = {"sgd": "GradientDescentOptimizer", "adam": "AdamOptimizer"}[step.train]
        self.write(f"optimizer = tf1.train.{optimizer}({step.rate})")
        self.write(f"minimize = optimizer.minimize({self.expression(step.minimize)}, var_list={self.owned(step.wrt)})")
        self.write("session.run(tf1.variables_initializer(optimizer.variables()))")
        with turns(self, step.times):
            self.write("session.run(minimize)")

    def save(self, step: Save) -> None:
        """Save the variables of a template by name."""
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
    reset = "import tensorflow as tf\ntf.compat.v1.reset_default_graph()\ntf.random.set_seed(0)"
    missing = {
        **TF1Words.missing,
        "graph": "Eager mode has no graph of its own: to open one is to leave eager mode, and `tf1` is asked for that.",
        "placeholder": "`tf.placeholder` refuses to run in eager mode.",
        "copy": "The calls of TF1 have no word for a copy; `copy.deepcopy`, which graph mode refuses, copies a template and its variables here.",
    }

    errors = {
        **TF1Words.errors,
        "bad_argument": (
            *TF1Words.errors["bad_argument"],
            ("RuntimeError", r"The Session graph is empty"),
            ("TypeError", r"^Argument `fetch` = .* has invalid type"),
        ),
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: whether a session is open, which is asked for values then
        self.in_session = False
        #: names bound to what a tape does not watch by itself
        self.unwatched: set[str] = set()
        #: the training step whose optimizer was made before the function around it
        self.hoisted: Train | None = None

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Write nothing on the CPU; else open the device."""
        self.import_what_is_needed(spec)
        if self.device == "cpu":
            yield
            return
        with self.block("with tf.device('/GPU:0'):"):
            yield

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask it where it is; refuse a TensorFlow that starts in graph mode."""
        return (
            f"{cls.imports}\nif not tf.executing_eagerly():\n"
            "    raise RuntimeError('this TensorFlow starts in graph mode; eager mode is the default from TensorFlow 2 on')\n"
            f"with tf.device('/{device.upper()}:0'):\n    variable = tf1.Variable([1.0])\n{name_the_gpu(device)}"
            f"observe('device', variable.device{' + gpu' if device == 'gpu' else ''})\n"
        )

    def data(self, value: str) -> str:
        """Read a value at once."""
        return f"session.run({value}).tolist()" if self.in_session else f"{operand(value)}.numpy().tolist()"

    def session(self, step: Session) -> None:
        """Open a session, as TF1 code does; an eager variable is in no graph that it could run."""
        with self.block("with tf1.Session() as session:"):
            self.in_session = True
            self.steps(step.steps)
            self.in_session = False

    def run(self, words: str) -> str:
        """Return what acts by itself in eager mode, and is run where a session is open."""
        return f"session.run({words})" if self.in_session else words

    def initialize(self, step: Step) -> None:
        """Say what TF1 code says; it has nothing to do."""
        self.write(self.run("tf1.global_variables_initializer()"))

    def reinitialize(self, step: Reinitialize) -> None:
        """Refuse: an eager variable has no initializer operation."""
        raise Unsupported("An eager variable keeps no initializer to run again; assign the value instead.")

    def traced(self, step: Function) -> None:
        """Have TensorFlow trace the function; an optimizer has variables, so it is made before."""
        train = training_of(step)
        if train:
            self.optimizer(train)
            self.hoisted = train
        self.write("@tf.function")

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        return f"{function}.experimental_get_tracing_count()"

    def assign(self, step: Assign) -> None:
        """Assign at once."""
        self.write(self.run(f"tf1.assign({self.place(step.assign)}, {self.values(step)})"))

    def increment(self, place: str) -> None:
        """Add at once."""
        self.write(self.run(f"tf1.assign_add({self.place(place)}, tf.ones_like({self.place(place)}))"))

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(self.run(self.place(step.read)) if self.in_session else f"{self.place(step.read)}.numpy()")

    def gradient(self, step: Gradient) -> None:
        """Record on a tape."""
        with self.block("with tf.GradientTape() as tape:"):
            if step.wrt in self.unwatched:
                self.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
                self.write(f"tape.watch({step.wrt})")
            self.steps(step.steps)
            self.write(f"loss = {self.expression(step.of)}")
        words = f"tape.gradient(loss, {self.place(step.wrt)})"
        self.write(f"{step.gradient} = {f'tf.convert_to_tensor({words})' if self.is_table(step.wrt) else words}")

    def optimizer(self, step: Train) -> None:
        """Make the optimizer."""
        kind = {"sgd": "GradientDescentOptimizer", "adam": "AdamOptimizer"}[step.train]
        self.write(f"optimizer = tf1.train.{kind}({step.rate})")

    def train(self, step: Train) -> None:
        """Hand the optimizer a function that computes the loss, as eager mode demands."""
        with self.block("def loss():"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.minimize)}")
        if step is not self.hoisted:
            self.optimizer(step)
        with turns(self, step.times):
            self.write(f"optimizer.minimize(loss, var_list={self.owned(step.wrt)})")

    def get(self, step: Get) -> None:
        """Get a variable by name, and note one that no tape watches."""
        super().get(step)
        self.note(step)

    def variable(self, step: Variable) -> None:
        """Construct a variable, and note one that no tape watches."""
        super().variable(step)
        self.note(step)

    def note(self, step: Get | Variable) -> None:
        """Note a variable that is not trainable."""
        if step.trainable is False and step.as_:
            self.unwatched.add(step.as_)

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression, which no tape watches."""
        super().compute(step)
        self.unwatched.add(step.binding or "")

    def save(self, step: Save) -> None:
        """Save the variables of a template by name; there is no session to hand over."""
        self.write(f"{step.to} = tf1.train.Saver({step.save}.variables).save(None, tempfile.mkdtemp() + '/model')")

    def restore(self, step: Restore) -> None:
        """Restore the variables of a template by name."""
        self.write(f"tf1.train.Saver({step.restore}.variables).restore(None, {step.given_by})")
