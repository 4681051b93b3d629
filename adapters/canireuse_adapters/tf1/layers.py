"""Layers of TensorFlow 1: templates, which share by name, and classes over `tf.Module` where a layer is to be an object.

`tf1.layers.Dense` and its like are no wording for both versions: they are there in TensorFlow 1.15, and in TensorFlow 2 with Keras 2
alone (`scopes/v1-shims-are-offered`). On 1.15 they answer as templates do.
"""

import ast
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Fill, Lack, Names, Unsupported, attribute, expr, statements, text
from canireuse.emit.fragments import kept
from canireuse.program import Facts, Object, places_of
from canireuse.spec.vocabulary import Call, Invoke, Layer
from canireuse_adapters.keras_layers import construct
from canireuse_adapters.tf1.scopes import initializer

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1

OFFERED = "which TensorFlow 1.15 and 2 have alike: `tf1.layers` and `tf1.nn.rnn_cell` are there in 1.15, and in TensorFlow 2 with Keras 2 (`tf_keras`), but not with Keras 3, which 2.16 and later bring."
#: verbs that are about objects, beside those that make copies: where a spec has one, layers are classes over `tf.Module`, else templates
OBJECT_VERBS = frozenset({
    "module", "tie", "replace", "wrap", "freeze", "unfreeze", "parallel",
})  # fmt: skip
#: kind of layer, or what a cell is wrapped in -> its class
NAMES = {
    "dense": "Dense", "embedding": "Embedding", "norm": "Norm", "cell": "Cell", "rnn": "RNN", "bidirectional": "Bidirectional",
}  # fmt: skip
CLASS = """
class $called(tf.Module):
    def __init__(self, name, $*takes):
        super().__init__(name=name)
        $*first
        with tf1.variable_scope(None, default_name=name):
            $*variables
    $*methods
"""
FUNCTION = """
def $called(inputs, $*takes):
    $*variables
    return $returned
"""
WRAPPER = """
class $called(tf.Module):
    def __init__(self, cell):
        super().__init__(name='$wrapped')
        self.cell = cell
    def __call__(self, inputs):
        $*methods
"""
#: kind of layer -> part -> its shape
SHAPES = {
    "dense": {"kernel": "[input_dim, units]", "bias": "[units]"},
    "embedding": {"kernel": "[input_dim, units]"},
    "norm": {"kernel": "[features]", "bias": "[features]"},
    "cell": {"kernel": "[input_dim, units]", "recurrent": "[units, units]", "bias": "[units]"},
}
STATISTICS = """
self.mean = tf1.get_variable('mean', [features], initializer=tf1.zeros_initializer(), trainable=False)
self.var = tf1.get_variable('var', [features], initializer=tf1.ones_initializer(), trainable=False)
"""
#: kind of layer that may be a template -> what its function returns, without a bias
RETURNED = {"dense": "inputs @ kernel", "embedding": "tf.nn.embedding_lookup(kernel, inputs)"}
METHODS = {
    "dense": "def __call__(self, inputs):\n    return $product",
    "embedding": "def __call__(self, inputs):\n    return tf.nn.embedding_lookup(self.kernel, inputs)",
    "norm": """
def __call__(self, inputs, training=False):
    mean, var = self.mean, self.var
    if training:
        mean, var = tf1.nn.moments(inputs, [0])
        for kept, now in [(self.mean, mean), (self.var, var)]:
            tf1.add_to_collection(tf1.GraphKeys.UPDATE_OPS, tf1.assign_sub(kept, 0.1 * (kept - now)))
    return tf.nn.batch_normalization(inputs, mean, var, $bias, self.kernel, 0.001)
""",
    "cell": """
def zero_state(self, batch_size, dtype):
    return tf.zeros([batch_size, self.state_size], dtype)
def __call__(self, inputs, state, scope=None):
    outputs = tf.tanh($product)
    return outputs, outputs
""",
    "rnn": "return tf1.nn.dynamic_rnn(self.cell, inputs, dtype=inputs.dtype)[0]",
    "bidirectional": """
outputs, _ = tf1.nn.bidirectional_dynamic_rnn(self.cell, self.cell, inputs, dtype=inputs.dtype)
return tf.concat(outputs, axis=-1)
""",
}
#: whether layers are objects -> how they are worded
NO_LAYERS = {
    False: "A layer is worded as a template, " + OFFERED,
    True: "Where a layer is to be an object, users write a class over `tf.Module`, " + OFFERED,
}
LACKS = (
    Lack("layer", lambda tf1, step: step.keras and (step.layer != "dense" or tf1.objects),
         "In a program of variable scopes this project words of Keras the dense layer alone, and not where other layers are objects."),
    Lack("wrap", lambda _, step: step.inside == "time_distributed",
         "TF1 has no layer that calls another at each step: `inputs @ kernel` takes a time axis as it is, and other layers are given a reshaped input."),
    Lack("wrap", lambda tf1, step: kind_of(tf1.symbols.at(step.wrap)) != "cell",
         "`tf1.nn.dynamic_rnn` and `bidirectional_dynamic_rnn` take cells; a layer that keeps no state, or a loop over a cell, is none."),
    Lack("call", lambda tf1, step: kind_of(tf1.symbols.at(step.call)) == "cell",
         "A cell of TF1 is called with its state too, by what runs it over time."),
    Lack("call", lambda tf1, step: (found := tf1.symbols.at(step.call)) and found.kind == "module" and not found.only_layers(),
         "A `tf.Module` of bare variables has no call of its own."),
)  # fmt: skip


def kind_of(found: Object | None) -> str | None:
    """Return of which kind a layer is; None if it is none."""
    return found.made.layer if found and found.kind == "layer" and isinstance(found.made, Layer) else None


def is_keras(found: Object) -> bool:
    """Return whether what stands somewhere is a layer of Keras."""
    return isinstance(found.made, Layer) and found.made.keras


def of_keras(value: Any) -> ast.expr:
    """Return the code for an initializer of Keras."""
    return text("random_normal") if value == "random" else expr("tf.keras.initializers.Constant($x)", x=value)


def needs_objects(facts: Facts) -> bool:
    """Return whether layers are to be objects: what is done with them asks that, or their variables before a first call."""
    waiting: set[str] = set()
    for step in facts.running:
        waiting -= {step.call} if isinstance(step, Call) else set()
        asked = {owner for owner, dot, _ in (place.partition(".") for place in places_of(step)) if dot}
        if waiting and (step.verb == "initialize" or waiting & asked):
            return True
        waiting |= {step.as_} if isinstance(step, Layer) else set()
    return any(
        step.verb in OBJECT_VERBS
        or step.binds == "copy"
        or (isinstance(step, Invoke) and step.abstract)
        or (isinstance(step, Layer) and step.layer in {"norm", "cell"})
        for step in facts.steps
    )


def variables_of(kind: str, layers: Sequence[Layer], owner: str = "") -> tuple[list[Fill], Body]:
    """Return what is handed to a kind of layer, and the statements that get its variables, with what the layers of a spec ask for."""
    penalty, fixed = any(layer.penalty is not None for layer in layers), any(not layer.trainable for layer in layers)
    takes: list[Fill] = [*(["features"] if kind == "norm" else ["input_dim", "units"])]
    body: Body = []
    for part, shape in SHAPES[kind].items():
        more = {"regularizer": "regularizer"} if penalty and part == "kernel" else {}
        more |= {"trainable": "trainable"} if fixed else {}
        code = f"{owner}{part} = tf1.get_variable('{part}', {shape}, initializer={part}_initializer, $**more)"
        if part != "bias" or biased(layers) == {True}:
            takes, body = [*takes, f"{part}_initializer"], [*body, *statements(code, more=more)]
        elif True in biased(layers):
            takes = [*takes, ("bias_initializer", expr("None"))]
            body += statements(f"{owner}bias = None\nif bias_initializer is not None:\n    {code}", more=more)
    takes += [("regularizer", expr("None"))] if penalty else []
    takes += [("trainable", expr("True"))] if fixed else []
    return takes, body


def biased(layers: Sequence[Layer]) -> set[bool]:
    """Return whether layers of one kind have a bias: all, none, or some."""
    return {layer.layer != "embedding" and layer.bias is not None for layer in layers}


def with_bias(product: str, bias: str, layers: Sequence[Layer]) -> ast.expr:
    """Return a product and the bias that is added to it, in all layers of one kind or in those that have one."""
    if True not in biased(layers):
        return expr(product)
    both = f"{product} + {bias}"
    return expr(f"{product} if {bias} is None else {both}" if False in biased(layers) else both)


def layer_class(kind: str, layers: Sequence[Layer]) -> Body:
    """Return the class for a kind of layer."""
    if kind not in SHAPES:
        return kept(statements(WRAPPER, called=NAMES[kind], wrapped=kind, methods=statements(METHODS[kind])))
    takes, variables = variables_of(kind, layers, "self.")
    first = statements("self.state_size = self.output_size = units") if kind == "cell" else []
    variables += statements(STATISTICS) if kind == "norm" else []
    product = "inputs @ self.kernel + state @ self.recurrent" if kind == "cell" else "inputs @ self.kernel"
    bias = expr("self.bias" if True in biased(layers) else "None")
    methods = statements(METHODS[kind], product=with_bias(product, "self.bias", layers), bias=bias)
    made = statements(CLASS, called=NAMES[kind], takes=takes, first=first, variables=variables, methods=methods)
    return kept(made)


def layer_function(tf1: "TensorFlow1", kind: str, layers: Sequence[Layer]) -> Body:
    """Return the function that templates of a kind of layer share."""
    takes, variables = variables_of(kind, layers)
    returned = with_bias(RETURNED[kind], "bias", layers)
    return kept(statements(FUNCTION, called=tf1.own(kind), takes=takes, variables=variables, returned=returned))


def layers_above(tf1: "TensorFlow1", body: Body) -> Body:
    """Return the classes or functions of the layers that statements make."""
    made = [step for step in tf1.facts.steps if isinstance(step, Layer)]
    kinds = {NAMES[kind] if tf1.objects else tf1.own(kind): kind for kind in (NAMES if tf1.objects else RETURNED)}
    found = {
        kinds[one]: [layer for layer in made if layer.layer == kinds[one]] for one in Names(body).read if one in kinds
    }
    write = layer_class if tf1.objects else partial(layer_function, tf1)
    return [line for kind, layers in found.items() for line in write(kind, layers)]


def layer(tf1: "TensorFlow1", step: Layer) -> None:
    """Make an object of a class, or a template: a function whose variables are made at its first call and reused after."""
    sizes = {"features": step.inputs} if step.layer == "norm" else {"input_dim": step.inputs, "units": step.units}
    starts = {"kernel": step.kernel, **({"recurrent": step.recurrent} if step.layer == "cell" else {})}
    given = {f"{part}_initializer": initializer(value) for part, value in starts.items()} | tf1.given(step)
    called = step.name or step.layer
    if step.keras:
        construct(tf1, step, "tf.keras", of_keras, {"name": text(step.name)} if step.name else {})
        return
    tf1.idiom(NO_LAYERS[tf1.objects])
    if tf1.objects:
        code = f"$as = {NAMES[step.layer]}('$called', $*sizes, $**given)"
        tf1.fill(code, step, called=called, sizes=[*sizes.values()], given=given)
    else:
        code = "$as = tf1.make_template('$called', $function, $**given)"
        tf1.fill(code, step, called=called, function=tf1.own(step.layer), given={**sizes, **given})


def call(tf1: "TensorFlow1", step: Call) -> None:
    """Call a layer, or the layers of a module in turn; a norm that is trained leaves updates, which are run at once or with the training step around."""
    found, code, given, norms = tf1.symbols.at(step.call), tf1.place(step.call), tf1.expression(step.on), 0
    module = found is not None and found.kind == "module"
    for route, layer in found.layers() if found and module else [((), found)]:
        trained = {"training": True} if step.training and kind_of(layer) == "norm" else {}
        norms += len(trained)
        given = expr("$called($given, $**trained)", called=attribute(code, route), given=given, trained=trained)
    if module:
        tf1.idiom("A `tf.Module` has no call of its own; its members are called in turn.")
    tf1.bind(step.as_, given)
    if norms and not tf1.eager:
        if tf1.inside not in {"", "step"}:
            raise Unsupported("A traced function has no collection of updates that a session could run.")
        code = expr("tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)[-$count:]", count=2 * norms)
        tf1.emit("updates = $x" if tf1.within("train", "update") else "session.run($x)", x=code)


CODE: dict[str, Any] = {
    "layer": layer,
    "wrap": lambda tf1, step: tf1.fill(f"$as = {NAMES[step.inside]}($wrap)", step),
    "call": call,
}
KEYWORDS = {"layer": ("bias", "penalty", "trainable")}
