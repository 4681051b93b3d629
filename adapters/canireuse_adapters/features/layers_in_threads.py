"""Layers in threads: a model has threads make its layers while it is built."""

from pydantic import Field

from canireuse.emit import Emitter, Fill, Tables, expr, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class LayersInThreads(Step):
    """Make a model of two dense layers without names, each made in a thread of its own while the model is built, one after the other."""

    verb = "layers_in_threads"
    binds = "tensor"
    bound_by = "layers_in_threads"
    layers_in_threads: Name = Field(description="Bind how many different names or paths its kernels have.")


TWO = "with futures.ThreadPoolExecutor(1) as pool:\n    first = pool.submit(make).result()\nwith futures.ThreadPoolExecutor(1) as pool:\n    second = pool.submit(make).result()\n"


def inside(method: str, *, last: str = "") -> str:
    """Return a method that has two threads make a layer each."""
    lines = "\n".join(f"    {line}" for line in (TWO + last).splitlines())
    return "\n".join(f"    {line}" for line in f"{method}\n{lines}".splitlines())


IN_LINEN = "class $word(nn.Module):\n    @nn.compact\n" + inside(
    "def __call__(self, inputs):\n    def make():\n        return nn.Dense(1, use_bias=False)(inputs)",
    last="return first + second",
)
IN_NNX = "class $word(nnx.Module):\n" + inside(
    "def __init__(self, rngs):\n    def make():\n        return nnx.Linear(1, 1, use_bias=False, rngs=rngs)",
    last="self.first, self.second = first, second",
)
IN_EQUINOX = "class $word(eqx.Module):\n    first: eqx.nn.Linear\n    second: eqx.nn.Linear\n" + inside(
    "def __init__(self, key):\n    def make():\n        return eqx.nn.Linear(1, 1, use_bias=False, key=key)",
    last="self.first, self.second = first, second",
)
IN_TORCH = "class $word(nn.Module):\n" + inside(
    "def __init__(self):\n    super().__init__()\n    def make():\n        return nn.Linear(1, 1, bias=False)",
    last="self.first, self.second = first, second",
)
IN_HAIKU = "def $word(inputs):\n    def make():\n        return hk.Linear(1, with_bias=False)(inputs)\n" + "\n".join(
    f"    {line}" for line in f"{TWO}return first + second".splitlines()
)
IN_KERAS = (
    "def make():\n    return $keras.layers.Dense(1, use_bias=False)\n"
    + TWO
    + ("inputs = $keras.Input([1])\n$word = $keras.Model(inputs, first(inputs) + second(inputs))")
)
IN_GRAPH = """\
def make():
    with session.graph.as_default(), tf1.variable_scope(None, default_name='dense'):
        return tf1.get_variable('kernel', [1, 1])
"""
EAGERLY = "def make():\n    with tf1.variable_scope(None, default_name='dense'):\n        return tf1.get_variable('kernel', [1, 1])\n"


def said(code: str, names: str, **fills: str) -> Tables:
    """Return what a framework says: the model, and how many names there are."""

    def make(emitter: Emitter, step: LayersInThreads) -> None:
        words: dict[str, Fill] = {one: expr(word) for one, word in fills.items()}
        words["word"] = emitter.fresh("threaded" if "def $word" in code or "$word =" in code else "Threaded")
        emitter.body += statements(code, **words)
        emitter.bind(step.layers_in_threads, emitter.array(expr(names, **words)))

    return Tables(code={"layers_in_threads": make})


FEATURE = Feature(
    verbs=(LayersInThreads,),
    tables={
        "reference": Tables(missing={"layers_in_threads": "The contract names what is asked for by name, and no layers of a model."}),
        "linen": said(IN_LINEN, "len(jax.tree.leaves($word().init(jax.random.key(0), jnp.ones([1, 1]))))"),
        "haiku": said(IN_HAIKU, "len(jax.tree.leaves(hk.transform($word).init(jax.random.key(0), jnp.ones([1, 1]))))"),
        "nnx": said(IN_NNX, "len(nnx.to_flat_state(nnx.state($word(nnx.Rngs(0)))))"),
        "equinox": said(IN_EQUINOX, "len(jax.tree.leaves(eqx.filter($word(jax.random.key(0)), eqx.is_array)))"),
        "torch": said(IN_TORCH, "len(dict($word().named_parameters()))"),
        "keras": said(IN_KERAS, "len({weight.path for weight in $word.weights})", keras="keras"),
        "tf2": said(IN_KERAS, "len({weight.path for weight in $word.weights})", keras="tf.keras"),
        "tf1": said(IN_GRAPH + TWO, "len({first.name, second.name})"),
        "tf1-eager": said(EAGERLY + TWO, "len({first.name, second.name})"),
    },
)  # fmt: skip
