"""Layers as classes over `tf.Module`: what TensorFlow 1 users write where a layer is to be an object that can be shared.

`tf.layers` and the cells of `tf.nn.rnn_cell` need Keras 2, which TensorFlow 2.16 and later do not bring.
"""

from collections.abc import Mapping, Sequence

from canireuse.vocabulary import Layer

RNN = """\
class RNN(tf.Module):
    def __init__(self, cell):
        super().__init__(name='rnn')
        self.cell = cell

    def __call__(self, inputs):
        return tf1.nn.dynamic_rnn(self.cell, inputs, dtype=inputs.dtype)[0]
"""
BIDIRECTIONAL = """\
class Bidirectional(tf.Module):
    def __init__(self, cell):
        super().__init__(name='bidirectional')
        self.cell = cell

    def __call__(self, inputs):
        outputs, _ = tf1.nn.bidirectional_dynamic_rnn(self.cell, self.cell, inputs, dtype=inputs.dtype)
        return tf.concat(outputs, axis=-1)
"""
#: what a cell is wrapped in -> the class that stands for it
WRAPPERS: Mapping[str, str] = {"rnn": RNN, "bidirectional": BIDIRECTIONAL}
#: kind of layer -> name of its class, what it is made with, and the shapes of its variables
LAYERS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "dense": ("Dense", "inputs, units, kernel", {"kernel": "[inputs, units]", "bias": "[units]"}),
    "embedding": ("Embedding", "inputs, units, kernel", {"kernel": "[inputs, units]"}),
    "norm": ("Norm", "features, kernel", {"kernel": "[features]", "bias": "[features]"}),
    "cell": (
        "Cell",
        "inputs, units, kernel, recurrent",
        {"kernel": "[inputs, units]", "recurrent": "[units, units]", "bias": "[units]"},
    ),
}
STATISTICS = """\
            self.mean = tf1.get_variable('mean', [features], initializer=tf1.zeros_initializer(), trainable=False)
            self.var = tf1.get_variable('var', [features], initializer=tf1.ones_initializer(), trainable=False)
"""
NORM_CALL = """\
    def __call__(self, inputs, training=False):
        mean, var = self.mean, self.var
        if training:
            mean, var = tf1.nn.moments(inputs, [0])
            for kept, now in [(self.mean, mean), (self.var, var)]:
                tf1.add_to_collection(tf1.GraphKeys.UPDATE_OPS, tf1.assign_sub(kept, 0.1 * (kept - now)))
        return tf.nn.batch_normalization(inputs, mean, var, {bias}, self.kernel, 0.001)
"""
CELL_CALL = """\
    def zero_state(self, batch_size, dtype):
        return tf.zeros([batch_size, self.state_size], dtype)

    def __call__(self, inputs, state, scope=None):
        outputs = tf.tanh(inputs @ self.kernel + state @ self.recurrent{bias})
        return outputs, outputs
"""
#: what stands behind a product where every layer of the class has a bias, where some have one, and where none has
ADDED = {"every": " + self.bias", "some": " + (0.0 if self.bias is None else self.bias)", "none": ""}


def call_of(kind: str, bias: str) -> str:
    """Return the method that computes."""
    if kind == "norm":
        return NORM_CALL.format(bias="None" if bias == "none" else "self.bias")
    if kind == "cell":
        return CELL_CALL.format(bias=ADDED[bias])
    words = "tf.gather(self.kernel, inputs)" if kind == "embedding" else f"inputs @ self.kernel{ADDED[bias]}"
    return f"    def __call__(self, inputs):\n        return {words}\n"


def layer_class(kind: str, layers: Sequence[Layer]) -> str:
    """Return the class for a kind of layer, with what the layers of a spec ask for."""
    name, takes, shapes = LAYERS[kind]
    biased = [layer.bias is not None for layer in layers]
    bias = "none" if not any(biased) or kind == "embedding" else "every" if all(biased) else "some"
    fixed = any(not layer.trainable for layer in layers)
    penalty = any(layer.penalty is not None for layer in layers)
    takes += {"every": ", bias", "some": ", bias=None", "none": ""}[bias]
    takes += ", regularizer=None" * penalty + ", trainable=True" * fixed
    lines = [
        f"class {name}(tf.Module):",
        f"    def __init__(self, name, {takes}):",
        "        super().__init__(name=name)",
    ]
    lines += ["        self.state_size = self.output_size = units"] if kind == "cell" else []
    lines += ["        self.bias = None"] if bias == "some" else []
    lines.append("        with tf1.variable_scope(None, default_name=name):")
    for part, shape in shapes.items():
        if part == "bias" and bias == "none":
            continue
        words = f"{part!r}, {shape}, initializer={part}"
        words += ", regularizer=regularizer" * (penalty and part == "kernel") + ", trainable=trainable" * fixed
        optional = part == "bias" and bias == "some"
        lines += ["            if bias is not None:"] * optional
        lines.append(f"{'    ' * optional}            self.{part} = tf1.get_variable({words})")
    statistics = STATISTICS if kind == "norm" else ""
    return "\n".join(lines) + f"\n{statistics}\n{call_of(kind, bias)}"
