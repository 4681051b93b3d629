"""TensorFlow 1: variable scopes of `tf.compat.v1`, in graph mode (`tf1`) and in TF2's eager mode (`tf1-eager`).

The same wording runs on TensorFlow 1.15 and on `tf.compat.v1` of TensorFlow 2.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign, Graph, Placeholder, Read, Reinitialize, Restore, Save, Session
from canireuse_adapters.tf1.eager import EagerWords
from canireuse_adapters.tf1.measuring import GraphMeasuring
from canireuse_adapters.tf1.words import TF1Words, operand
from canireuse_adapters.tf_text import TWO_DEVICES


def name_the_gpu(device: str) -> str:
    """Return the lines of a probe that bind `gpu` to what TensorFlow calls the GPU; none for another device."""
    if device != "gpu":
        return ""
    listed = "device.physical_device_desc for device in device_lib.list_local_devices() if device.device_type == 'GPU'"
    return f"from tensorflow.python.client import device_lib\ngpu = ' ' + ' '.join({listed})\n"


class TF1(GraphMeasuring):
    """Graph mode: the contract of by-name reuse."""

    name = "tf1"
    title = "TensorFlow 1 graph mode"
    about = "Variable scopes of `tf.compat.v1` in a graph with a session; runs on TensorFlow 1.15 and on TensorFlow 2."
    modules = ("tensorflow",)
    # as TensorFlow's guide to migration has it
    before_blocks = "import tensorflow.compat.v1 as tf\n\ntf.disable_v2_behavior()"

    def opening(self) -> str:
        """Return the line that opens a graph on the device, with a session."""
        return f"with tf.Graph().as_default(){self.on_device()}, {self.new_session()} as session:"

    def new_session(self) -> str:
        """Return the words for a session, with two virtual devices where a spec needs them."""
        devices = "config=tf1.ConfigProto(device_count={'CPU': 2})" if "parallel" in self.verbs else ""
        return f"tf1.Session({devices})"

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Build in a fresh graph, with a session."""
        self.prepare(spec)
        with self.fresh_graph():
            yield

    @contextmanager
    def fresh_graph(self) -> Iterator[None]:
        """Open a graph."""
        with self.block(self.opening()):
            self.use_resources()
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
        if self.timing:
            self.timed_graph(step)
            return
        self.write("outer = session")
        with self.fresh_graph():
            self.steps(step.steps)
        self.write("session = outer")

    def session(self, step: Session) -> None:
        """Open another session over the same graph."""
        self.write("outer = session")
        with self.block(f"with {self.new_session()} as session:"):
            self.steps(step.steps)
        self.write("session = outer")

    def placeholder(self, step: Placeholder) -> None:
        """Make a placeholder."""
        self.write(f"{step.placeholder} = tf1.placeholder(tf.{step.dtype}, {step.shape})")

    def initialize(self, step: Step) -> None:
        """Run the initializers of all variables made so far."""
        if self.has_locals:
            self.write("session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])")
        else:
            self.write("session.run(tf1.global_variables_initializer())")

    def reinitialize(self, step: Reinitialize) -> None:
        """Run one variable's initializer again."""
        place = self.place(step.reinitialize)
        words = f"[part.initializer for part in {place}]" if place in self.partitioned else f"{place}.initializer"
        self.write(f"session.run({words})")

    def assign(self, step: Assign) -> None:
        """Run an assignment."""
        self.write(self.run(self.assignment(step.assign, self.values(step))))

    def increment(self, place: str) -> None:
        """Run an assignment of the value plus one."""
        self.write(self.run(self.assignment(place, self.ones(place), adds=True)))

    def read(self, step: Read) -> None:
        """Fetch a variable."""
        self.write(f"session.run({self.value(step.read)})")

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        if self.edition(self.versions):
            raise Unsupported("TensorFlow 1.15 does not say how often it has traced a function.")
        return f"{function}.experimental_get_tracing_count()"

    def save(self, step: Save) -> None:
        """Save the variables of an owner."""
        self.save_with(step, "session")

    def restore(self, step: Restore) -> None:
        """Restore the variables of an owner."""
        self.restore_with(step, "session")


NO_LIST = "`trainable` is fixed when a variable is made, and eager variables are in no collection that could be changed; leave them out of `var_list`."
NO_NAMES = "In eager mode `tf1.get_variable` keeps no store of variables: each call makes a new one, and there is none that a look-up by name could be timed on; a graph has one."
NO_ABSTRACT = (
    "An eager variable has its memory and its value from the start; a graph that is not yet initialized has not."
)


class TF1Eager(EagerWords):
    """The same calls in TensorFlow 2's default mode: the classic trap."""

    name = "tf1-eager"
    title = "TensorFlow 1 calls, eager"
    requires = ("tensorflow>=2.16",)
    about = "The same `tf.compat.v1` calls in TensorFlow 2's default eager mode, where ported code often ends up."
    #: eager templates sort their variables by name
    parts = {"kernel": ".variables[-1]", "bias": ".variables[0]"}
    #: devices are named before anything runs; eager templates add to the collections of the default graph
    reset = f"import tensorflow as tf\n{TWO_DEVICES}\ntf.compat.v1.reset_default_graph()\ntf.random.set_seed(0)"
    missing = {
        **TF1Words.missing,
        "measure.fresh": NO_NAMES,
        "graph": "Eager mode has no graph of its own: to open one is to leave eager mode, and `tf1` is asked for that.",
        "placeholder": "`tf.placeholder` refuses to run in eager mode.",
        "freeze": NO_LIST,
        "unfreeze": NO_LIST,
        "materialize": NO_ABSTRACT,
        "invoke.abstract": NO_ABSTRACT,
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

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Write nothing on the CPU; else open the device. What is timed holds its variables: a template looks them up at each call."""
        self.objects = self.objects or "measure" in self.verbs
        self.prepare(spec)
        if "parallel" in self.verbs:
            self.write(TWO_DEVICES)
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
        if self.has_locals:
            self.write(self.run("tf1.local_variables_initializer()"))

    def reinitialize(self, step: Reinitialize) -> None:
        """Refuse: an eager variable has no initializer operation."""
        raise Unsupported("An eager variable keeps no initializer to run again; assign the value instead.")

    def trace_count(self, function: str) -> str:
        """Ask the traced function."""
        return f"{function}.experimental_get_tracing_count()"

    def assign(self, step: Assign) -> None:
        """Assign at once."""
        self.write(self.run(self.assignment(step.assign, self.values(step))))

    def increment(self, place: str) -> None:
        """Add at once."""
        self.write(self.run(self.assignment(place, self.ones(place), adds=True)))

    def read(self, step: Read) -> None:
        """Read a variable."""
        words = self.value(step.read)
        self.write(self.run(words) if self.in_session else f"{words}.numpy()")

    def save(self, step: Save) -> None:
        """Save the variables of an owner; there is no session to hand over."""
        self.save_with(step, "None")

    def restore(self, step: Restore) -> None:
        """Restore the variables of an owner."""
        self.restore_with(step, "None")
