"""Keras 3 on its three engines: layers and models own variables, and a layer is used again by calling it again."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.emit import Body, Emitter, Script, Slot, expr, name, statements
from canireuse.program import Object
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Get, walk
from canireuse_adapters.captured import WAYS, is_asked_again
from canireuse_adapters.keras import checkpoints, functions, layers, learning, measuring, modules, scopes
from canireuse_adapters.keras.functions import Loop
from canireuse_adapters.keras.layers import build
from canireuse_adapters.keras.scopes import NO_COLLECTIONS, layer_at, make_layers
from canireuse_adapters.keras_layers import LAYERS
from canireuse_adapters.kinds import NAME_ALONE, NO_LIST_BY_NAME, fitting
from canireuse_adapters.tensorflow import TWO_DEVICES

NO_DEFAULTS = {
    "init": "Keras layers hand no initializer down to what is made inside: each `add_weight` says its own.",
    "penalty": "Keras layers hand no regularizer down to what is made inside: each `add_weight` says its own.",
    "auxiliary_name_scope": "A Keras layer always opens the name scope of its name when it makes variables.",
}
CODE = {
    **scopes.CODE, **layers.CODE, **modules.CODE, **checkpoints.CODE, **learning.CODE, **functions.CODE,
    "measure": measuring.measure,
}  # fmt: skip
EFFECTS = {**layers.EFFECTS, **modules.EFFECTS, **checkpoints.EFFECTS, **functions.EFFECTS}
LACKS = (*scopes.LACKS, *modules.LACKS, *functions.LACKS, *measuring.LACKS)
FRAMEWORKS = ("jax", "keras", "tensorflow", "torch")
CHOSEN = "os.environ['KERAS_BACKEND'] = '$engine'"
ON_TWO = "os.environ['XLA_FLAGS'] = '$flags'"


class Keras(Emitter):
    """Keras 3 with TensorFlow, JAX or PyTorch below."""

    name = "keras"
    title = "Keras 3"
    about = "Keras 3 as its own guides teach it: layers, models, optimizers and files, on TensorFlow, JAX and PyTorch in turn."
    packages = ("keras", "tensorflow", "jax", "torch")
    install = "pip install keras tensorflow jax torch"
    requires = ("keras>=3.5", "tensorflow>=2.16", "torch>=2.4")
    since = {"keras.remat": "keras>=3.9"}
    modules = ("keras",)
    imports = "import keras"
    also = "import jax\nimport tensorflow as tf\nimport torch"
    reset = (
        "import keras\n"
        "if keras.backend.backend() == 'tensorflow':\n"
        "    import tensorflow as tf\n"
        f"    {TWO_DEVICES}\n"
        "keras.distribution.set_distribution(None)\n"
        "keras.utils.clear_session(free_memory=False)\n"
        "keras.utils.set_random_seed(0)\n"
        "import sys\n"
        "if 'torch._dynamo' in sys.modules:\n    import torch\n    torch.compiler.reset()"
    )
    environ = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_TRACEBACK_FILTERING": "off",  # an error then says that it came through jax
    }
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}}
    engines = {
        "tensorflow": {"KERAS_BACKEND": "tensorflow"},
        "jax": {"KERAS_BACKEND": "jax"},
        "torch": {"KERAS_BACKEND": "torch"},
    }
    functions = {
        "tanh": "keras.ops.tanh($x)", "relu": "keras.ops.relu($x)", "sigmoid": "keras.ops.sigmoid($x)",
        "exp": "keras.ops.exp($x)", "log": "keras.ops.log($x)", "square": "keras.ops.square($x)",
        "sum": "keras.ops.sum($x)", "mean": "keras.ops.mean($x)", "transpose": "keras.ops.transpose($x)",
        "softmax": "keras.ops.softmax($x)", "stop_gradient": "keras.ops.stop_gradient($x)", "ones": "keras.ops.ones([$*x])",
    }  # fmt: skip
    errors = {
        "created_again": (
            ("ValueError", r"only supports singleton tf\.Variables|create a variable while in a stateless scope"),
        ),
        "uninitialized": (
            (
                "AttributeError",
                r"must build the layer|^'(Dense|Embedding)' object has no attribute '_?(kernel|embeddings)'",
            ),
            ("ValueError", r"has not yet been built|isn't yet built"),
            ("UnexpectedTracerError", ""),
            ("TracerArrayConversionError", ""),
            ("NotImplementedError", r"Cannot copy out of meta tensor"),
        ),
        "not_found": (
            ("AttributeError", r"^'(?!Tensor|NoneType)\w+' object has no attribute '(?!assign)"),
            (
                "ValueError",
                r"No such layer|is not connected to `inputs`|with a weight list of length|expected \d+ variables, but received|^Unknown variable",
            ),
        ),
        "already_exists": (("ValueError", r"should be unique|should have unique names|is already quantized"),),
        "not_trainable": (
            ("ValueError", r"No gradients provided for any variable|not enough values to unpack"),
            ("RuntimeError", r"does not require grad"),
        ),
        "sharing_refused": (("ValueError", r"cannot add new elements of state"),),
        "shape_mismatch": (
            (
                "ValueError",
                r"must match\. variable\.shape=|is incompatible with the layer|weight shape|^Shape mismatch|must be tensors with a shape",
            ),
            ("InvalidArgumentError", r"Incompatible shapes|size-incompatible|ndims must be|tensor with wrong shape"),
            ("TypeError", r"contracting dimensions to have the same shape|incompatible shapes"),
            ("RuntimeError", r"shapes cannot be multiplied|must match the size of tensor"),
        ),
        "dtype_mismatch": (("InvalidArgumentError", r"was expected to be a"),),
        "bad_argument": (
            ("TypeError", r"^cannot assign '.*' as child module"),
            ("RecursionError", ""),
            ("RuntimeError", r"you forgot to call `super\(\)\.__init__\(\)`"),
            ("AttributeError", r"^cannot assign module before Module\.__init__\(\) call"),
            ("RuntimeError", r"^Unknown backend: 'gpu' requested|Found no NVIDIA driver|No CUDA GPUs are available"),
            ("AssertionError", r"^Torch not compiled with CUDA"),
            ("ValueError", r"^Arguments `clone_function` and `input_tensors` are only supported"),
            ("AttributeError", r"object has no attribute 'assign'|object has no setter"),
            ("ProcessRaisedException", r"got <class 'NoneType'> instead"),
            (
                "ValueError",
                r"(?i)unsupported type .*NoneType|^output array is read-only|None is not a valid value|Invalid dtype: object|corresponding 1:1 to the trainable",
            ),
        ),
    }
    ways = {
        "copy": ("deepcopy", "clone", "pickle"),
        "restore": ("keras", "h5", "weights", "config", "set-weights"),
    }
    options = frozenset(
        {
            "layer.keras", "layer.lazy",
            "scope.dtype", "get.penalty", "layer.penalty", "layer.activity", "layer.norm", "layer.cell", "layer.unnamed", "layer.shared_initializer", "call.given",
            "call.training", "copy.shallow", "restore.partial", "save.in_memory", "gradient.remat", "optimizer.undecayed", "invoke.abstract", "get.numbered",
            "measure.fresh",
        }
    )  # fmt: skip
    missing = {
        "optimizer.named": "A Keras optimizer keeps and loads its variables by position: no names of what it trains are handed over.",
        "optimizer.rates": "An optimizer of Keras has one rate for all that it trains: users make one for each part, and apply each to its own.",
        "reuse_variables": "Keras has no reuse mode that could be switched: keep the object and call it again.",
        "placeholder": "Keras 3 has no placeholders for values: what is given later is an argument of a function, or a `keras.Input`.",
        "graph": "Keras builds no graph by hand: variables are Python objects, and the engine compiles functions itself.",
        "collection": NO_COLLECTIONS,
        "default_scope": "Keras numbers the default names of layers by their class, over the whole process; a scope's name is an attribute that the user picks.",
        "paths": "A Keras variable has one `path`, that of the layer which made it; no call lists the other ways to it.",
        "expect.under": NO_LIST_BY_NAME,
        "get.asks": NAME_ALONE,
        "thread.outside": "Keras has no graph that a thread would have to enter.",
        "get.local": "Keras has no local variables: what is neither trained nor saved is no variable of a layer.",
        "get.partitions": "Keras keeps a variable in one piece; `keras.distribution` lays it out over devices on JAX.",
        "reenter.dtype": "The dtype of a Keras layer is fixed when it is made, not when it is used again.",
        "save.only": "Keras saves the weights of a whole object: save those of the layer or submodel that is wanted.",
        "function.template": "Keras has no templates: a layer makes its variables once, and each call of it uses them again.",
        "intercept": "Keras has no getter that could be exchanged: a layer computes with what its `call` reads.",
        **{f"{verb}.{option}": reason for verb in ("scope", "reenter") for option, reason in NO_DEFAULTS.items()},
    }
    array_code, data_code = "keras.ops.array($x)", "keras.ops.convert_to_numpy($x).tolist()"
    everything = "root"
    fences = {
        "cpu": "on JAX: jax.block_until_ready; on TensorFlow and PyTorch a call returns when it is done",
        "gpu": "on TensorFlow: tf.test.experimental.sync_devices; on JAX: jax.block_until_ready; on PyTorch: torch.cuda.synchronize",
    }
    layers, setup = LAYERS, {"layer": layers.shared}
    code, notes, effects, lacks, reads = CODE, scopes.NOTES, EFFECTS, LACKS, measuring.READS
    start_afresh = measuring.start_afresh

    nesting = ("carried", "loop")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: how each module is worded, by its step
        self.styles: dict[int, str] = {}
        #: paths of the scopes that have a layer
        self.standing: set[tuple[str, ...]] = set()
        #: list of the variables that have given values where the script stands, none outside of stateless scopes
        self.carried: ast.expr | None = None
        #: the measured loop that is being written
        self.loop: Loop | None = None

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a variable and ask where it is."""
        return (
            f"{cls.imports}\n"
            f"with keras.device('{device}:0'):\n"
            "    variable = keras.Variable([1.0])\n"
            "observe('device', str(variable.value.device))\n"
        )

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways that fit the kind of object which the spec copies or saves, one if none does; with those of one engine alone."""
        ways = super().ways_of(spec)
        if any("restore" in way for way in ways):  # each way of copying with each of restoring would be many
            ways = [way for way in ways if way.get("copy", "deepcopy") == "deepcopy"]
        found: list[dict[str, str]] = []
        for engine in cls.engines:
            told = set[str]()
            of_engine = [way for way in ways if way["engine"] == engine]
            fitted = fitting(cls, spec, of_engine, told)
            if engine == "jax" and is_asked_again(spec):
                given, *others = WAYS["function"]
                fitted = [
                    *({**way, "function": given} for way in fitted),
                    *({**fitted[0], "function": one} for one in others),
                ]
            if engine == "tensorflow" and modules.holds_plain_module(spec):
                fitted = [*fitted, {**fitted[0], "module": "tf-module"}]
            found += fitted
        return found

    @property
    def engine(self) -> str:
        """The engine that Keras runs on."""
        return self.way.get("engine", "tensorflow")

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script, which makes the layers of its scopes first."""
        if any(isinstance(step, Get) for step in walk(spec.steps)):
            make_layers(self, spec.steps, {})
        return super().translate(spec)

    def above(self, body: Body) -> Body:
        """Put above all steps the root layer, what is said of devices, and between Python's own imports and all others the engine."""
        if any(isinstance(step, Get) or measuring.asks_root(step) for step in self.facts.steps):
            body = [*statements("root = keras.Layer(name='root')"), *body]
        whole = super().above(body)
        start = next(number for number, line in enumerate(whole) if not isinstance(line, ast.Import | ast.ImportFrom))
        end = start + len(self.told())
        first = [line for line in whole[:start] if not is_import_of(line, FRAMEWORKS)]
        after = [line for line in whole[:start] if line not in first]
        after.sort(key=lambda line: is_import_of(line, ("keras",)))  # below its engine, as in Keras's guides
        return [*first, *whole[start:end], *after, *whole[end:]]

    def set_up(self, body: Body) -> Body:
        """Say first what is told before an import, and ask TensorFlow for two devices where they are needed."""
        two = statements(TWO_DEVICES) if self.engine == "tensorflow" and self.facts.on_devices else []
        return [*self.told(), *two, *super().set_up(body)]

    def told(self) -> Body:
        """Return what is told by the environment: the engine, and on JAX that a CPU is to count as two devices."""
        on_two = statements(ON_TWO, flags=self.environ["XLA_FLAGS"]) if self.facts.on_devices else []
        return [*statements(CHOSEN, engine=self.engine), *(on_two if self.engine == "jax" else [])]

    def traces_usually(self) -> bool:
        """Return whether the engine compiles: a loop in PyTorch runs eagerly, in Keras as well, unless somebody compiles it."""
        return self.engine != "torch"

    def fence(self, body: Body) -> ast.expr | None:  # asked of the steps
        """Return what waits until the loop is done."""
        return measuring.fence(self)

    def step(self, step: Step) -> None:
        """Emit one step, and note what it moves in a measured loop."""
        super().step(step)
        measuring.note_moved(self, step)

    # -- what stands at a place

    def at(self, place: str | None) -> Object:
        """Return what stands at a place, of which nothing may be known."""
        return self.symbols.at(place or "") or Object("unknown")

    def style(self, found: Object) -> str | None:
        """Return how a module is worded: holder, functional or subclass; None for what is none."""
        return self.styles.get(id(found.made)) if found.kind == "module" else None

    def is_tensor(self, place: str) -> bool:
        """Return whether a tensor stands at a place."""
        return self.at(place).kind == "tensor"

    # -- code for places

    def top(self, first: str) -> ast.expr:
        """Return the code for a name; a scope is reached from the root."""
        found = self.symbols.names.get(first)
        return layer_at(found.path) if found and found.kind == "scope" else name(first)

    def spelled(self, place: str, *, reading: bool = False) -> ast.expr:
        """Return the code for a place along its own path; a layer whose variables are named before its first call is built."""
        first, *rest = place.split(".")
        found, code = self.symbols.names.get(first), self.top(first)
        for part in rest:
            if found and found.kind == "layer":
                build(self, code, found)
            code = self.kept(code, found.slot(part) if found else Slot(part), reading=reading)
            found = found.parts.get(part) if found else None
        return code

    def kept(self, owner: ast.expr, slot: Slot, *, reading: bool) -> ast.expr:
        """Return the code for what an owner keeps in a slot: a functional model hands out its layers by name, or by where they stand."""
        if slot.kind == "named":
            return expr("$owner.get_layer('$name')", owner=owner, name=slot.attribute)
        if slot.kind == "numbered":
            return expr("$owner.layers[$number]", owner=owner, number=int(slot.attribute))
        return super().kept(owner, slot, reading=reading)

    @contextmanager
    def stateless(self, mapping: ast.expr, variables: ast.expr, *, scope: bool = False) -> Iterator[None]:
        """Write what stands in a scope in which variables have given values."""
        before = self.carried
        self.carried = expr("[*$before, *$variables]", before=before, variables=variables) if before else variables
        with self.apart() as body:
            yield
        self.carried = before
        opening = "with keras.StatelessScope(state_mapping=$mapping)" + (" as scope:" if scope else ":")
        self.emit(f"{opening}\n    $*body", mapping=mapping, body=body)

    # -- observations

    def increment(self, place: str) -> None:
        """Add one at once."""
        self.emit("$place.assign($place + 1)", place=self.place(place))


def is_import_of(line: ast.stmt, modules: tuple[str, ...]) -> bool:
    """Return whether a line imports one of the modules."""
    return isinstance(line, ast.Import) and line.names[0].name in modules
