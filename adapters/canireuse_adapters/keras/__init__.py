"""Keras 3 on its three engines: layers and models own variables, and a layer is used again by calling it again."""

from collections.abc import Iterator
from contextlib import contextmanager

from canireuse.spec import Spec
from canireuse.translation import Script, Unsupported
from canireuse.vocabulary import Move, Parallel, Shard
from canireuse_adapters.keras.devices import TWO_DEVICES
from canireuse_adapters.keras.measuring import KerasMeasuring
from canireuse_adapters.keras.owners import NeedsOwnClass
from canireuse_adapters.tf_text import has

#: what users import beside Keras, where they word gradients or compilation for the engine
ENGINE_IMPORTS = {
    "tensorflow": ("tf", "import tensorflow as tf"),
    "jax": ("jax", "import jax"),
    "torch": ("torch", "import torch"),
}


class Keras(KerasMeasuring):
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
        "tanh": "keras.ops.tanh({})", "relu": "keras.ops.relu({})", "sigmoid": "keras.ops.sigmoid({})",
        "exp": "keras.ops.exp({})", "log": "keras.ops.log({})", "square": "keras.ops.square({})",
        "sum": "keras.ops.sum({})", "mean": "keras.ops.mean({})", "transpose": "keras.ops.transpose({})",
        "softmax": "keras.ops.softmax({})", "stop_gradient": "keras.ops.stop_gradient({})", "ones": "keras.ops.ones([{}])",
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
        ),
        "not_found": (
            ("AttributeError", r"^'(?!Tensor|NoneType)\w+' object has no attribute '(?!assign)"),
            (
                "ValueError",
                r"No such layer|with a weight list of length|expected \d+ variables, but received|^Unknown variable",
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
            ("InvalidArgumentError", r"Incompatible shapes|size-incompatible|ndims must be"),
            ("TypeError", r"contracting dimensions to have the same shape|incompatible shapes"),
            ("RuntimeError", r"shapes cannot be multiplied|must match the size of tensor"),
        ),
        "dtype_mismatch": (("InvalidArgumentError", r"was expected to be a"),),
        "bad_argument": (
            ("AttributeError", r"object has no attribute 'assign'"),
            ("ValueError", r"(?i)unsupported type .*NoneType|None is not a valid value|Invalid dtype: object"),
        ),
    }
    ways = {
        "cast": ("config", "module"),
        "copy": ("deepcopy", "clone", "pickle"),
        "restore": ("keras", "h5", "weights", "config", "set-weights"),
    }
    options = frozenset(
        {
            "scope.dtype", "get.penalty", "layer.penalty", "layer.norm", "layer.cell", "layer.unnamed", "call.given",
            "call.training", "copy.shallow", "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered",
            "measure.fresh",
        }
    )  # fmt: skip
    missing = {
        "reuse_variables": "Keras has no reuse mode that could be switched: keep the object and call it again.",
        "placeholder": "Keras 3 has no placeholders for values: what is given later is an argument of a function, or a `keras.Input`.",
        "graph": "Keras builds no graph by hand: variables are Python objects, and the engine compiles functions itself.",
        "session": "Keras has no sessions: a variable holds its value itself.",
        "collection": "Keras has no collections: the layers that hold variables are the lists of them.",
        "default_scope": "Keras numbers the default names of layers by their class, over the whole process; a scope's name is an attribute that the user picks.",
        "reparametrize": "Keras has no reparametrization of a layer that is there: a subclass computes with a function of its kernel, or a `kernel_constraint` rewrites it after each step.",
        "paths": "A Keras variable has one `path`, that of the layer which made it; no call lists the other ways to it.",
        "get.local": "Keras has no local variables: what is neither trained nor saved is no variable of a layer.",
        "get.partitions": "Keras keeps a variable in one piece; `keras.distribution` lays it out over devices on JAX.",
        "scope.init": "Keras layers hand no initializer down to what is made inside: each `add_weight` says its own.",
        "scope.penalty": "Keras layers hand no regularizer down to what is made inside: each `add_weight` says its own.",
        "scope.auxiliary_name_scope": "A Keras layer always opens the name scope of its name when it makes variables.",
        "reenter.init": "Keras layers hand no initializer down to what is made inside: each `add_weight` says its own.",
        "reenter.dtype": "The dtype of a Keras layer is fixed when it is made, not when it is used again.",
        "reenter.penalty": "Keras layers hand no regularizer down to what is made inside: each `add_weight` says its own.",
        "reenter.auxiliary_name_scope": "A Keras layer always opens the name scope of its name when it makes variables.",
        "save.only": "Keras saves the weights of a whole object: save those of the layer or submodel that is wanted.",
        "function.template": "Keras has no templates: a layer makes its variables once, and each call of it uses them again.",
        "intercept": "Keras has no getter that could be exchanged: a layer computes with what its `call` reads.",
    }

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a variable and ask where it is."""
        return (
            f"{cls.imports}\n"
            f"with keras.device('{device}:0'):\n"
            "    variable = keras.Variable([1.0])\n"
            "observe('device', str(variable.value.device))\n"
        )

    def translate(self, spec: Spec) -> Script:
        """Return the script; where a layer's variable is replaced, begin anew with a class of the user's own."""
        try:
            return super().translate(spec)
        except NeedsOwnClass as need:
            if str(need) in self.own:
                raise Unsupported("Keras locks the state of a built layer: share the layer itself.") from None
            again = type(self)(self.device, self.way, self.versions)
            again.own = self.own | {str(need)}
            return again.translate(spec)

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Choose the engine, import it where its own words are used, and make the layers that stand for scopes."""
        self.look(spec)
        start = len(self.lines)
        with self.devices():
            self.opening(spec)
            yield
        name, line = ENGINE_IMPORTS[self.engine]
        if any(f"{name}." in written for written in self.lines[start:]):
            self.lines.insert(0, line)
        environ = [f"os.environ['KERAS_BACKEND'] = {self.engine!r}"]
        if self.engine == "jax" and any(isinstance(step, Move | Parallel | Shard) for step in self.spec):
            environ.append(f"os.environ['XLA_FLAGS'] = {self.environ['XLA_FLAGS']!r}")
        self.lines[:0] = [*environ, ""]
        self.import_first("import os")

    def array(self, values: str) -> str:
        """Return a constant tensor."""
        return f"keras.ops.array({values})"

    def data(self, value: str) -> str:
        """Read a value at once."""
        return f"keras.ops.convert_to_numpy({value}).tolist()"

    def name_of(self, place: str) -> str:
        """Return the path of a variable."""
        if place in self.tensors:
            raise Unsupported("A tensor of Keras has no name.")
        return f"{self.place(place)}.path"

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype."""
        if place in self.tensors:
            return f"keras.backend.standardize_dtype({place}.dtype)"
        return f"{self.place(place)}.dtype"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the variables that an object holds, or the root layer."""
        if inside is None and self.loose:
            raise Unsupported("Keras keeps no list of all variables: only the layers that hold them can be asked.")
        return (
            f"{self.holder_of(inside) if inside else 'root'}.{'trainable_variables' if only_trainable else 'weights'}"
        )

    def names(self, inside: str | None) -> str:
        """Return the paths of the variables inside an object, or below the root layer."""
        return f"sorted(variable.path for variable in {self.listing(inside, only_trainable=False)})"

    def penalties(self, inside: str | None) -> str:
        """Return the terms that regularizers add."""
        if inside is None and self.loose:
            raise Unsupported("Keras keeps no list of all penalties: each layer has its `losses`.")
        return f"{self.holder_of(inside) if inside else 'root'}.losses"

    def penalty(self, inside: str | None) -> str:
        """Return the sum of the terms."""
        return f"sum({self.penalties(inside)})"

    def offered(self, name: str) -> str:
        """Ask the top-level package, part by part."""
        return has("keras", name)
