"""TensorFlow 2: objects own variables (`tf.Module`, Keras 3 layers and models), and no name finds them again."""

import ast
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any

from canireuse.emit import Body, Emitter, Lack, Names, Slot, attribute, expr, name, statements
from canireuse.program import Object, places_of
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Get, Layer, Module, Update, Variable, Wrap, walk
from canireuse_adapters.keras_layers import LAYERS
from canireuse_adapters.kinds import NAME_ALONE, NO_LIST_BY_NAME, fitting
from canireuse_adapters.tensorflow import FUNCTIONS, TWO_DEVICES
from canireuse_adapters.tf2 import (
    checkpoints,
    classes,
    functions,
    layers,
    learning,
    measuring,
    modules,
    parallel,
    scopes,
)
from canireuse_adapters.tf2.scopes import NO_COLLECTIONS

NO_DEFAULTS = (
    "A `tf.Module` hands no defaults down: what a variable starts from and its dtype are said where it is constructed."
)
NO_REGULARIZER = "A `tf.Variable` carries no regularizer, and a `tf.Module` collects none: the term is added to the loss, or the weight belongs to a Keras layer."
SCOPES = ("scope", "default_scope", "reenter")
CODE = {
    **scopes.CODE, **layers.CODE, **modules.CODE, **checkpoints.CODE, **learning.CODE, **functions.CODE,
}  # fmt: skip
EFFECTS = {**layers.EFFECTS, **modules.EFFECTS, **checkpoints.EFFECTS, **functions.EFFECTS}
#: verb -> what cannot be done with what is no model of its own, as what a SavedModel loads as
MODELS_ALONE = {
    "call": "called", "module": "held by another", "copy": "copied", "cast": "cast", "move": "moved", "quantize": "quantized",
    "save": "saved", "restore": "restored", "train": "trained", "optimizer": "trained", "update": "trained",
    "average": "averaged", "parallel": "replicated", "expect": "listed",
}  # fmt: skip
LOADED = "What a SavedModel loads as has the attributes of what was saved, but neither its methods nor a list of its variables: it cannot be {}."


def uses(kind: str) -> Callable[["TF2", Step], bool]:
    """Return what asks whether a step uses an object of a kind, or updates what an optimizer was made for that is one."""

    def used(tf: "TF2", step: Step) -> bool:
        made = tf.at(step.update).made if isinstance(step, Update) else None
        return any(tf.at(place).kind == kind for one in (step, made) if one for place in places_of(one))

    return used


LACKS = (
    *scopes.LACKS, *modules.LACKS, *learning.LACKS, *functions.LACKS, *parallel.LACKS,
    *measuring.LACKS,
    *(
        Lack(verb, uses("loaded"), LOADED.format(asked))
        for verb, asked in MODELS_ALONE.items()
        if verb not in {"save", "restore"}
    ),
)  # fmt: skip


class TF2(Emitter):
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
        "uninitialized": (("AttributeError", r"must build the layer|has no attribute '_momentums'"), ("ValueError", r"has not yet been built|isn't yet built")),
        "not_found": (
            ("AttributeError", r"^'(Module|Dense|Embedding|BatchNormalization|SimpleRNNCell)' object has no attribute"),
            ("ValueError", r"No such layer|is not connected to `inputs`|expected \d+ variables, but received|with a weight list of length|^Unknown variable: "),
            ("AssertionError", r"that were not bound to checkpointed values"),
        ),
        "already_exists": (("ValueError", r"should be unique|should have unique names|is already quantized"),),
        "sharing_refused": (("ValueError", r"cannot add new elements of state|^You called `set_weights\(weights\)` on"),),
        "not_trainable": (("ValueError", r"No gradients provided for any variable|not enough values to unpack"),),
        "shape_mismatch": (
            ("ValueError", r": Shape mismatch\.|value\.shape=|is incompatible with the layer|shape that matches the corresponding"),
            ("ValueError", r"^Received incompatible tensor with shape|not compatible with provided weight shape"),
            ("InvalidArgumentError", r"Incompatible shapes|size-incompatible|ndims must be|tensor with wrong shape"),
        ),
        "dtype_mismatch": (
            ("ValueError", r"conversion requested dtype"),
            ("TypeError", r"to EagerTensor of dtype"),
            ("InvalidArgumentError", r"was expected to be a|expected dtype \w+ does not equal original dtype"),
        ),
        "bad_argument": (
            ("RuntimeError", r"you forgot to call `super\(\)\.__init__\(\)`"),
            ("RecursionError", ""),
            ("AttributeError", r"Tensor' object has no attribute 'assign'|object has no setter"),
            ("OutOfRangeError", r"Reached limit of"),
            ("ValueError", r"^Arguments `clone_function` and `input_tensors` are only supported"),
            ("ValueError", r"^as_list\(\) is not defined on an unknown TensorShape|^The `initial_value` arg to `tf\.Variable` must|^Attempt to convert a value \(None\)"),
        ),
    }  # fmt: skip
    ways = {
        "restore": ("checkpoint", "checkpoint-matched", "weights", "keras", "saved-model"),
        "copy": ("deepcopy", "clone"),
        "module": ("keras-model", "tf-module"),
    }
    options = frozenset({
        "layer.keras", "layer.lazy",
        "layer.norm", "layer.cell", "layer.unnamed", "layer.shared_initializer", "layer.penalty", "layer.activity", "call.given", "call.training", "copy.shallow",
        "save.only", "save.in_memory", "restore.partial", "gradient.remat", "optimizer.undecayed", "invoke.abstract", "get.numbered", "get.shape_as", "get.uniform", "measure.fresh",
    })  # fmt: skip
    missing = {
        "optimizer.named": "A Keras optimizer keeps and loads its variables by position: no names of what it trains are handed over.",
        "optimizer.rates": "An optimizer of Keras has one rate for all that it trains: users make one for each part, and apply each to its own.",
        "reuse_variables": "TensorFlow 2 has no reuse mode that could be switched: keep the object and use it again.",
        "placeholder": "TensorFlow 2 has no placeholders: what is given later is an argument of a function.",
        "graph": "TensorFlow 2 builds no graph by hand: variables are Python objects, and `tf.function` makes its graphs itself.",
        "collection": NO_COLLECTIONS,
        "default_scope": "TensorFlow 2 makes no scope names unique: a module is told apart by the attribute that holds it.",
        "intercept": "Nothing of TensorFlow 2 stands between a name and its variable: `tf.variable_creator_scope` steps in where a variable is made, not where it is read.",
        "function.template": "`make_template` works on variable scopes and is a word of `tf.compat.v1`; in TensorFlow 2 an object keeps what its method made in the first call.",
        "expect.under": NO_LIST_BY_NAME,
        "get.asks": NAME_ALONE,
        "thread.outside": "TensorFlow 2 has no graph that a thread would have to enter.",
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
    array_code, data_code = "tf.constant($x)", "$x.numpy().tolist()"
    package, everything = "tf", "root"
    # on a CPU, TensorFlow returns from a call once it has run, unless a program asks for asynchronous execution
    fences = {"gpu": "tf.test.experimental.sync_devices"}
    preamble = {"initializer": "initializer = tf.keras.initializers.RandomNormal(stddev=1.0)"}
    layers = LAYERS
    code, effects, lacks, reads = CODE, EFFECTS, LACKS, measuring.READS

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: how each module is worded, by its step
        self.styles: dict[int, str] = {}
        #: paths of the modules that stand for scopes, and those that are made above all steps
        self.standing: set[tuple[str, ...]] = set()
        self.scopes: Body = []
        #: whether a measured loop has put a new root in the place of the first
        self.begun_afresh = False

    @classmethod
    def probe(cls, device: str) -> str:
        """Place a variable and ask it where it is; name the GPU."""
        details = "tf.config.experimental.get_device_details(tf.config.list_physical_devices('GPU')[0])"
        where = f" + ' ' + {details}.get('device_name', '')" if device == "gpu" else ""
        return (
            f"{cls.imports}\nwith tf.device('/{device.upper()}:0'):\n    variable = tf.Variable([1.0])\n"
            f"observe('device', variable.device{where})\n"
        )

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Return the verbs with ways; a module is said in two only if it holds a layer beside a bare variable."""
        steps = list(walk(spec.steps))
        layers = {step.binding for step in steps if isinstance(step, Layer | Wrap)}
        variables = {step.binding for step in steps if isinstance(step, Get | Variable)}
        held = [set(step.members.values()) for step in steps if isinstance(step, Module)]
        is_mixed = any(places & layers and places & variables for places in held)
        return [verb for verb in super().verbs_with_ways(spec) if verb != "module" or is_mixed]

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways that are about the kind of object which the spec makes, copies or saves; one if none is."""
        return fitting(cls, spec, super().ways_of(spec), set())

    # -- the whole script

    def above(self, body: Body) -> Body:
        """Put above all steps what they need: classes, the root with modules for scopes; open the GPU if asked for."""
        head: Body = []
        if self.has_own_layers:
            self.idioms.insert(0, classes.OWN)
            head = classes.written(self)
        body = [*self.scopes, *body]
        if "root" in Names(body).read:
            body = [*statements("root = tf.Module()"), *body]
        if self.device == "gpu":
            body = statements("with tf.device('/GPU:0'):\n    $*body", body=body)
        return super().above([*head, *body])

    def set_up(self, body: Body) -> Body:
        """Ask for two devices first where they are needed."""
        return [*(statements(TWO_DEVICES) if self.facts.on_devices else []), *super().set_up(body)]

    def start_afresh(self) -> None:
        """Make a new root module; the modules below it are made where their scopes are opened."""
        self.emit("root = tf.Module()")
        self.begun_afresh = True
        self.standing.clear()

    def steps(self, steps: Sequence[Step]) -> None:
        """Emit every step in turn; what is to be mirrored is constructed in the strategy's scope."""
        names = parallel.mirrored(self)
        for inside, group in groupby(steps, key=lambda step: parallel.is_constructed(step, names)):
            if not inside:
                super().steps(list(group))
                continue
            with self.apart() as body:
                for step in group:
                    self.step(step)
                    layers.build(self, layers.inside(self, step.binding or ""))
            self.emit("with strategy.scope():\n    $*body", body=body)

    def emit_verb(self, step: Step) -> None:
        """Emit one step; layers that are to have their variables before are built."""
        layers.build(self, layers.needed(self, step))
        super().emit_verb(step)

    def effect(self, step: Step) -> None:
        """Have the effect of a step, before which layers were built."""
        for found in filter(layers.waits, map(self.at, layers.needed(self, step))):
            layers.has_variables(found)
        super().effect(step)

    # -- what stands at a place

    def at(self, place: str | None) -> Object:
        """Return what stands at a place, of which nothing may be known."""
        return self.symbols.at(place or "") or Object("unknown")

    @cached_property
    def has_own_layers(self) -> bool:
        """Whether layers are worded as classes of the script's own."""
        return classes.are_needed(self)

    def style(self, found: Object) -> str | None:
        """Return how a module is worded: plain, functional or subclass; None for what is none."""
        return self.styles.get(id(found.made)) if found.kind == "module" else None

    def is_model(self, found: Object) -> bool:
        """Return whether something is an object of Keras that holds variables."""
        return self.style(found) in {"functional", "subclass"} or (found.kind == "layer" and not self.has_own_layers)

    def is_keras(self, found: Object) -> bool:
        """Return whether something is a variable of a Keras layer."""
        return bool(found.part) and not self.has_own_layers

    # -- code for places

    def here(self) -> ast.expr:
        """Return the code for the module of the open scope."""
        return attribute(expr("root"), self.symbols.scope.path)

    def top(self, first: str) -> ast.expr:
        """Return the code for a name; a scope is reached from the root."""
        found = self.symbols.names.get(first)
        return attribute(expr("root"), found.path) if found and found.kind == "scope" else name(first)

    def kept(self, owner: ast.expr, slot: Slot, *, reading: bool) -> ast.expr:
        """Return the code for what an owner keeps in a slot: the layers of a functional model are found by name or number."""
        if slot.kind == "listed":
            number = int(slot.attribute) if slot.attribute.isdigit() else None
            code = "$owner.get_layer('$name')" if number is None else "$owner.layers[$number]"
            return expr(code, owner=owner, name=slot.attribute, number=number)
        return super().kept(owner, slot, reading=reading)

    # -- observations

    def increment(self, place: str) -> None:
        """Add one at once."""
        self.emit("$place.assign_add(tf.ones_like($place))", place=self.place(place))
