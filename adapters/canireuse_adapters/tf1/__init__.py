"""TensorFlow 1: variable scopes of `tf.compat.v1`, in graph mode (`tf1`) and in TF2's eager mode (`tf1-eager`).

The same wording runs on TensorFlow 1.15 and on `tf.compat.v1` of TensorFlow 2.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import takewhile
from typing import Any, ClassVar

from canireuse.emit import Body, Effects, Emitter, Fill, Names, attribute, expr, name, statements, text
from canireuse.program import free_names
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Block, Function, Get, Layer, Measure, Restore, Save, Scan, Scope, Thread, walk
from canireuse_adapters.tensorflow import FUNCTIONS, TWO_DEVICES, asks_what_matched
from canireuse_adapters.tf1 import checkpoints, functions, layers, learning, measuring, modules, scopes

NO_LIST = "`trainable` is fixed when a variable is made, and eager variables are in no collection that could be changed; leave them out of `var_list`."
NO_ABSTRACT = (
    "An eager variable has its memory and its value from the start; a graph that is not yet initialized has not."
)
ERRORS = {
    "sharing_refused": (("ValueError", r"will be restored with two names"),),
    "uninitialized": (("FailedPreconditionError", r"Attempting to use uninitialized value|Could not find variable"),),
    "not_found": (
        ("ValueError", r"does not exist, or was not created"),
        ("NotFoundError", r"not found in checkpoint"),
        ("InvalidArgumentError", r"indices\[\d+\] = \d+ is not in \["),
        ("AssertionError", r"not bound to checkpointed values|Object not assigned a value from checkpoint"),
    ),
    "already_exists": (("ValueError", r"already exists, disallowed|^At least two variables have the same name|^Two different \w+ objects with the same shared_name"),),
    "shape_mismatch": (
        ("ValueError", r"specified shape .* and found shape|must have the same shape|^Dimensions must be equal"),
        ("ValueError", r"^Shapes must be equal rank|: Shape mismatch\.|in both shapes must be equal|^Received incompatible tensor with shape"),
        ("ValueError", r"^Trying to reuse partitioned variable .* but specified shape"),
        ("InvalidArgumentError", r"Matrix size-incompatible|requires shapes of both tensors to match|do not have the same shape|tensor with wrong shape"),
    ),
    "dtype_mismatch": (
        ("ValueError", r"specified dtype .* and found dtype|with a different dtype|conversion requested dtype|explicit dtype .* don't match"),
        ("TypeError", r"that does not match type"),
        ("InvalidArgumentError", r"expected dtype \w+ does not equal original dtype"),
    ),
    "created_again": (("ValueError", r"only supports singleton tf\.Variables|tried to create variables on non-first call"),),
    "not_trainable": (("ValueError", r"No variables to optimize|No gradients provided"),),
    "bad_argument": (
        ("TypeError", r"^get_variable\(\) got an unexpected keyword argument 'reuse'|^Argument `fetch` = .* has invalid type"),
        ("AttributeError", r"Tensor' object has no attribute 'assign'|Tensor\.op is undefined when eager"),
        ("ValueError", r"^The reuse parameter must be|^reuse=True cannot be used without|`?shape`? .*must be specified"),
        ("ValueError", r"use_resource cannot be set to false|^The initializer passed is not valid|^Trying to reuse partitioned variable .* but specified partitions|^Partitioner returned a different partitioning"),
        ("ValueError", r"is not a valid (root )?scope name|must be from the same graph as"),
        ("ValueError", r"^Attempt to convert a value \(None\)|None values not supported|^(?i:inputs) must be an? .* of at least one Tensor"),
        ("NotImplementedError", r"only available when eager execution"), ("OutOfRangeError", r"Reached limit of"),
        # TensorFlow 1.15 makes the operation in the variable's graph
        ("RuntimeError", r"The Session graph is empty|^Improper nesting of variable_scope"),
    ),
}  # fmt: skip
MISSING = {
    "optimizer.rates": "An optimizer of `tf1.train` has one rate for all that it trains: users make one for each part.",
    "layer.activity": "`tf1.get_variable` takes a regularizer of what it makes; of what a network returns, a user adds the term to the loss.",
    "call.given": "A network of TF1 reads the variables that were got when it was built; a custom getter can hand out other values there (`intercept`), a call cannot.",
    "paths": "A `tf.Module` lists each variable once, and has no public call for the other paths to it.",
}
CODE = {
    **scopes.CODE, **layers.CODE, **modules.CODE, **learning.CODE, **checkpoints.CODE, **functions.CODE,
}  # fmt: skip
IN_GRAPH = {
    **CODE, **scopes.IN_GRAPH, **modules.IN_GRAPH, **learning.IN_GRAPH, **functions.IN_GRAPH, "measure": measuring.measure,
}  # fmt: skip
EAGER = {**CODE, **scopes.EAGER, **learning.EAGER, **functions.EAGER}
LACKS = (*layers.LACKS, *modules.LACKS, *learning.LACKS, *functions.LACKS)
IN_GRAPH_LACKS = (*LACKS, *modules.IN_GRAPH_LACKS, *learning.IN_GRAPH_LACKS, *functions.IN_GRAPH_LACKS)
EAGER_LACKS = (*LACKS, *learning.EAGER_LACKS)
NOT_FROZEN = "[variable for variable in $x if variable in tf1.trainable_variables()]"


def make(tf1: "TF1Eager", step: Get) -> None:
    """Bind a variable: eager mode keeps no store in which it would be found by name."""
    tf1.symbols.found.clear()
    tf1.symbols.happen(step)


#: binds `gpu` to what TensorFlow calls the GPU
GPU = """
from tensorflow.python.client import device_lib
gpu = ' ' + ' '.join(device.physical_device_desc for device in device_lib.list_local_devices() if device.device_type == 'GPU')
"""


class TensorFlow1(Emitter):
    """What graph mode and eager mode of `tf.compat.v1` say alike."""

    family = "tensorflow1"
    packages = ("tensorflow",)
    install = "pip install tensorflow"
    requires: ClassVar[tuple[str, ...]] = ("tensorflow>=1.15",)
    imports = "import tensorflow as tf\n\ntf1 = tf.compat.v1"
    preamble = {
        "tf1": "tf1 = tf.compat.v1",
        "initializer": "initializer = tf1.random_normal_initializer()",
        "seeded_initializer": "seeded_initializer = tf1.random_normal_initializer(seed=1)",
    }
    imported_as = {"tensorflow": "tensorflow.compat.v1"}
    since: ClassVar[Mapping[str, str]] = {"tf.keras.layers": "tensorflow>=2.16"}
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1"}}
    package, functions, array_code = "tf", FUNCTIONS, "tf.constant($x)"
    ways = {"restore": ("saver", "checkpoint", "checkpoint-matched"), "scope": ("unseeded", "seeded")}
    options = frozenset({
        "layer.keras", "layer.lazy",
        *(f"{verb}.{option}" for verb in ("scope", "default_scope", "reenter") for option in scopes.SCOPE[1:]),
        "get.penalty", "get.local", "get.partitions", "layer.penalty", "layer.norm", "layer.cell", "layer.unnamed", "layer.shared_initializer",
        "call.training", "copy.shallow", "save.only", "save.in_memory", "restore.partial", "gradient.remat", "optimizer.undecayed", "optimizer.named", "function.template",
        "get.numbered", "get.shape_as", "get.uniform", "get.asks",
    })  # fmt: skip
    errors = ERRORS
    missing: ClassVar[Mapping[str, str]] = MISSING
    keywords = {**scopes.KEYWORDS, **layers.KEYWORDS}
    notes = modules.NOTES
    argument = scopes.argument
    reads = measuring.READS
    #: whether what is written acts at once
    eager: ClassVar[bool]
    #: part of a layer -> where a template's list of variables has it
    numbers: ClassVar[Mapping[str, int]]

    nesting = ("around",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: the steps that are being worded, the outermost first
        self.around: list[Step] = []

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Leave out scopes but where one is given an initializer that draws, with a seed of its own or without."""
        drawn = any(isinstance(step, Scope) and step.init == "shared-initializer" for step in walk(spec.steps))
        return [verb for verb in super().verbs_with_ways(spec) if drawn or verb != "scope"]

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways; what saves an object whole leaves nothing out, and is asked what it matched where that may be less."""
        ways, steps = super().ways_of(spec), list(walk(spec.steps))
        idle = set()
        if any(isinstance(step, Save) and step.only for step in steps):
            idle = {"checkpoint", "checkpoint-matched"}
        elif any(isinstance(step, Restore) and step.partial for step in steps) or not asks_what_matched(steps):
            idle = {"checkpoint-matched"}
        return [way for way in ways if way.get("restore") not in idle] or ways

    def traces_usually(self) -> bool:
        """Return false: TF1 code has no `tf.function`; a graph is run as often as it is to."""
        return False

    def says(self, verb: str) -> bool:
        """Return whether a verb is anywhere in the spec."""
        return any(step.verb == verb for step in self.facts.steps)

    @cached_property
    def objects(self) -> bool:
        """Whether layers are objects: a template is asked for its variables after its first call, and looks them up at each call."""
        return (self.eager and self.facts.timed) or layers.needs_objects(self.facts)

    # -- steps

    def above(self, body: Body) -> Body:
        """Write the classes or functions of layers above all steps."""
        return super().above([*layers.layers_above(self, body), *body])

    def step(self, step: Step) -> None:
        """Emit one step, and know of it meanwhile."""
        self.around.append(step)
        super().step(step)
        self.around.pop()

    def within(self, *verbs: str) -> bool:
        """Return whether what is being worded stands inside a step of one of these verbs, or is one."""
        return any(step.verb in verbs for step in self.around)

    def given(self, step: Step) -> dict[str, ast.expr]:
        """Return keyword arguments as TensorFlow calls them; values that are said in full have their shape."""
        whole = isinstance(step, Get) and isinstance(step.init, list)
        said = super().given(step)
        return {
            scopes.CALLED.get(field, field): value for field, value in said.items() if field != "shape" or not whole
        }

    def fill(self, code: str, step: Step, /, **more: Fill) -> None:
        """Add statements; `$held` are the variables of what the step is about."""
        held = {"held": self.listing(getattr(step, step.verb))} if "$held" in code and "held" not in more else {}
        super().fill(code, step, **held, **more)

    @contextmanager
    def defining(self, function: str, step: Block, takes: Sequence[str] = (), decorator: str = "") -> Iterator[None]:
        """Write a function of the steps inside a step, and of what is written meanwhile; a name that is read before it is bound anew is handed in."""
        taken = [*takes, *((one, name(one)) for one in free_names(step.steps, takes) if one in self.symbols.names)]
        with self.apart() as body:
            self.steps(step.steps)
            yield
        self.emit(f"{decorator}def $function($*taken):\n    $*body", function=function, taken=taken, body=body)

    @property
    def inside(self) -> str:
        """Where no session runs what is written; empty where one does, and in eager mode."""
        return ""

    @property
    def in_session(self) -> bool:
        """Whether a session is to run what acts: eager mode asks one that is open."""
        return self.within("session")

    def data(self, value: Fill) -> ast.expr:
        """Return the code that fetches a value as plain numbers and lists."""
        fetched = not self.eager or self.in_session
        return expr("session.run($x).tolist()" if fetched else "$x.numpy().tolist()", x=value)

    def act(self, code: str, /, **fills: Fill) -> None:
        """Write what acts by itself, or what a session is to run."""
        self.emit(f"session.run({code})" if self.in_session else code, **fills)

    def write(self, place: str, call: str, value: Fill) -> None:
        """Write into a variable, or add to it."""
        code = "$x.$call($value)" if self.in_parts(place) else "tf1.$call($x, $value)"
        self.act(code, x=self.place(place), call=call, value=value)

    def increment(self, place: str) -> None:
        """Add one."""
        self.write(place, "assign_add", expr("tf.ones_like($x)", x=self.value(place)))

    # -- places and lists

    def made(self, place: str) -> Any:
        """Return the step that made what stands at a place, None if that is not known."""
        found = self.symbols.at(place)
        return found.made if found else None

    def is_template(self, place: str) -> bool:
        """Return whether a place is a layer that is a template."""
        found = self.symbols.at(place)
        return not self.objects and found is not None and found.kind == "layer" and not layers.is_keras(found)

    def in_parts(self, place: str) -> bool:
        """Return whether a variable is in parts; a scalar has no axis to cut."""
        made = self.made(place)
        return isinstance(made, Get) and made.partitions is not None and made.shape != [] and made.numbered is None

    def is_table(self, place: str) -> bool:
        """Return whether a place may be the table of an embedding, whose gradient holds only the rows looked up."""
        if self.objects:
            return any(isinstance(step, Layer) and step.layer == "embedding" for step in self.facts.steps)
        owner, part = self.symbols.above(place)
        return part == "kernel" and layers.kind_of(owner) == "embedding"

    def spelled(self, place: str, *, reading: bool = False) -> ast.expr:
        """Return a place; a template has its variables in a list."""
        first, _, rest = place.partition(".")
        if rest in self.numbers and self.is_template(first):
            return expr("$x.variables[$number]", x=first, number=self.numbers[rest])
        code = super().spelled(place, reading=reading)
        if rest and (found := self.symbols.at(first)) and layers.is_keras(found):
            return expr("$x.value", x=code)
        return expr("$x.as_tensor()", x=code) if reading and self.in_parts(place) else code

    def in_list(self, place: str) -> ast.expr:
        """Return a variable as it stands in a list: one in parts is all of them."""
        code = self.place(place)
        return ast.Starred(code, ast.Load()) if self.in_parts(place) else code

    def listing(self, inside: str | None, *, trainable: bool = False, under: str | None = None) -> ast.expr:
        """Return the collection of variables, whole or by the name of a scope, or what an owner holds; what is frozen later leaves a collection."""
        kind = "trainable" if trainable else "global"
        found = self.symbols.at(inside) if inside else None
        if inside is None:
            return expr(f"tf1.{kind}_variables($**given)", given={"scope": text(under)} if under else {})
        if trainable and self.says("freeze"):
            return expr(NOT_FROZEN, x=self.listing(inside))
        if found and found.kind == "scope":
            return expr(f"$scope.{kind}_variables()", scope=inside)
        if not found or found.kind in {"variable", "buffer"}:
            return expr("[$x]", x=self.in_list(inside))
        return attribute(self.place(inside), ["trainable_variables" if trainable else "variables"])

    def owned(self, over: str | list[str]) -> ast.expr:
        """Return the list of variables that are trained: those named, or an owner's own."""
        if isinstance(over, str):
            return self.listing(over, trainable=True)
        code = expr("[$*x]", x=[self.in_list(place) for place in over])
        return expr(NOT_FROZEN, x=code) if self.says("freeze") else code


class TF1(TensorFlow1):
    """Graph mode: the contract of by-name reuse."""

    name = "tf1"
    title = "TensorFlow 1 graph mode"
    about = "Variable scopes of `tf.compat.v1` in a graph with a session; runs on TensorFlow 1.15 and on TensorFlow 2."
    since: ClassVar[Mapping[str, str]] = {**TensorFlow1.since, "_.experimental_get_tracing_count": "tensorflow>=2.4"}
    modules = ("tensorflow",)
    # as TensorFlow's guide to migration has it
    before_blocks = "import tensorflow.compat.v1 as tf\n\ntf.disable_v2_behavior()"
    options = TensorFlow1.options | {"invoke.abstract", "measure.fresh", "thread.outside", "expect.under"}
    lacks = IN_GRAPH_LACKS
    code = IN_GRAPH
    eager, numbers = False, {"kernel": 0, "bias": 1}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: optimizers that have had an update
        self.stepped: set[str] = set()
        #: traced functions that make variables, and were not called yet
        self.makers: set[str] = set()
        #: calls, each with the name that is bound to what it built
        self.built: list[tuple[ast.expr, str]] = []
        #: what a session runs in a measured loop, by the identity of the step
        self.fetches: dict[int, ast.expr] = {}

    @classmethod
    def edition(cls, versions: Mapping[str, str]) -> str:
        """Tell the real TensorFlow 1 from `tf.compat.v1`."""
        version = versions.get("tensorflow", "")
        return f"TensorFlow {version}" if version.startswith("1.") else ""

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask the session where it ran."""
        return (
            f"{cls.imports}\n{GPU if device == 'gpu' else 'gpu = str()'}\n"
            f"with tf.Graph().as_default(), tf.device('/{device.upper()}:0'), tf1.Session() as session:\n"
            "    variable = tf1.get_variable('probe', shape=[1])\n"
            "    session.run(tf1.global_variables_initializer())\n"
            "    metadata = tf1.RunMetadata()\n"
            "    session.run(variable + 1.0, options=tf1.RunOptions(output_partition_graphs=True), run_metadata=metadata)\n"
            "    observe('device', metadata.partition_graphs[0].node[0].device + gpu)\n"
        )

    # -- graphs and sessions

    def above(self, body: Body) -> Body:
        """Build in a fresh graph, with a session."""
        return super().above(self.in_graph(body))

    def in_graph(self, body: Body) -> Body:
        """Return statements in a graph of their own, with a session where one is used."""
        session = f", {self.new_session} as session" if "session" in Names(body).read else ""
        code = f"with tf.Graph().as_default(){self.on_device}{session}:\n    $*body"
        return statements(code, body=[*self.resources(), *body])

    @property
    def on_device(self) -> str:
        """The words that open the device beside a graph."""
        return ", tf.device('/GPU:0')" if self.device == "gpu" else ""

    @property
    def new_session(self) -> str:
        """The code for a session, with two virtual devices where a spec needs them."""
        two = "config=tf1.ConfigProto(device_count={'CPU': 2})"
        return f"tf1.Session({two if self.facts.on_devices else ''})"

    def resources(self) -> Body:
        """Make resources in a graph or thread: functions that are traced or recomputed take no others in TensorFlow 1.15."""
        asked = any(getattr(one, "traced", False) is True or getattr(one, "remat", False) for one in self.facts.steps)
        return statements("tf1.get_variable_scope().set_use_resource(True)") if asked else []

    @property
    def inside(self) -> str:
        """Where no session runs what is written: in a loop of the graph, in a traced function, where a step is built."""
        for one in reversed(self.around):
            if isinstance(one, Scan):
                return "loop"
            if isinstance(one, Function) and one.traced:
                return "function"
            if measuring.builds_step(self, one):
                return "step"
        return ""

    @property
    def in_session(self) -> bool:
        """Whether a session is to run what acts."""
        return not self.inside

    @property
    def traced(self) -> bool:
        """Whether what is being worded stands in a traced function."""
        return any(isinstance(one, Function) and one.traced for one in self.around[:-1])

    @property
    def again(self) -> bool:
        """Whether a line may run more often than it is written."""
        return self.within("repeat", "function")

    def steps(self, steps: Sequence[Step]) -> None:
        """Emit every step; above measured loops stands what they run, below an emptied graph all that follows is in it."""
        first = next((number for number, step in enumerate(steps) if step.verb == "measure"), len(steps))
        loops = [
            one for one in takewhile(lambda step: step.verb == "measure", steps[first:]) if isinstance(one, Measure)
        ]
        super().steps(steps[:first])
        measuring.build(self, loops)
        super().steps(loops)
        rest = steps[first + len(loops) :]
        if rest and any(loop.fresh for loop in loops):
            self.block(f"with graph.as_default(), {self.new_session} as session:\n    $*body", rest)
        elif rest:
            self.steps(rest)

    def emit_verb(self, step: Step) -> None:
        """Emit one step; what was built is forgotten where the step may change what it was built of."""
        self.built = [(call, to) for call, to in self.built if step.binding not in {to, *Names([call]).read}]
        super().emit_verb(step)
        if step.verb not in measuring.HARMLESS:
            self.built.clear()

    def threaded(self, function: str) -> list[ast.expr]:
        """Return the function that enters the graph, or the one that is called outside of it."""
        step = self.around[-1]
        outside = isinstance(step, Thread) and step.outside
        return [expr("$x", x=function if outside else self.own(f"{function}_in_thread"))]


class TF1Eager(TensorFlow1):
    """The same calls in TensorFlow 2's default mode: the classic trap."""

    name = "tf1-eager"
    title = "TensorFlow 1 calls, eager"
    requires = ("tensorflow>=2.16",)
    about = "The same `tf.compat.v1` calls in TensorFlow 2's default eager mode, where ported code often ends up."
    #: devices are named before anything runs; eager templates add to the collections of the default graph
    # a variable scope that is refused leaves its name scope open (2.21)
    reset = (
        "import tensorflow as tf\nfrom tensorflow.python.eager import context\n"
        f"{TWO_DEVICES}\ntf.compat.v1.reset_default_graph()\ntf.random.set_seed(0)\ncontext.context().scope_name = ''"
    )
    #: on the CPU an operation is done when its call returns; on a GPU it is only under way
    fences = {"gpu": "tf.test.experimental.sync_devices"}
    missing = {
        **MISSING,
        "measure.fresh": "In eager mode `tf1.get_variable` keeps no store of variables: each call makes a new one, and there is none that a look-up by name could be timed on; a graph has one.",
        "graph": "Eager mode has no graph of its own: to open one is to leave eager mode, and `tf1` is asked for that.",
        "placeholder": "`tf.placeholder` refuses to run in eager mode.",
        "thread.outside": "Eager mode has no graph that a thread would have to enter.",
        **dict.fromkeys(("freeze", "unfreeze"), NO_LIST),
        "invoke.abstract": NO_ABSTRACT,
    }
    lacks = EAGER_LACKS
    code = EAGER
    effects: ClassVar[Effects] = {"get": make}
    # eager templates sort their variables by name
    eager, numbers = True, {"kernel": -1, "bias": 0}

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask it where it is; refuse a TensorFlow that starts in graph mode."""
        return (
            f"{cls.imports}\nif not tf.executing_eagerly():\n"
            "    raise RuntimeError('this TensorFlow starts in graph mode; eager mode is the default from TensorFlow 2 on')\n"
            f"with tf.device('/{device.upper()}:0'):\n    variable = tf1.Variable([1.0])\n"
            f"{GPU if device == 'gpu' else 'gpu = str()'}\nobserve('device', variable.device + gpu)\n"
        )

    def above(self, body: Body) -> Body:
        """Open the device, and name two where they are needed."""
        opened = statements("with tf.device('/GPU:0'):\n    $*body", body=body) if self.device == "gpu" else body
        return super().above([*(statements(TWO_DEVICES) if self.facts.on_devices else []), *opened])
