"""What graph mode and eager mode of `tf.compat.v1` say alike; and what TensorFlow 2 shares with them."""

import ast
from typing import Any, ClassVar

from adapters.variable_scopes import VariableScopes
from conformance.spec import Spec
from conformance.translation import Unsupported
from conformance.vocabulary import (
    Assign,
    Call,
    Function,
    Get,
    Invoke,
    Layer,
    Save,
    Variable,
    walk,
)

FUNCTIONS = {
    "tanh": "tf.tanh({})", "relu": "tf.nn.relu({})", "sigmoid": "tf.sigmoid({})", "exp": "tf.exp({})",
    "log": "tf.math.log({})", "square": "tf.square({})", "sum": "tf.reduce_sum({})", "mean": "tf.reduce_mean({})",
    "transpose": "tf.transpose({})", "softmax": "tf.nn.softmax({})", "stop_gradient": "tf.stop_gradient({})",
}  # fmt: skip


def operand(value: str) -> str:
    """Return an expression as it stands before a dot: in brackets if it is an operation."""
    return f"({value})" if isinstance(ast.parse(value, mode="eval").body, ast.BinOp | ast.UnaryOp) else value


def number(value: float, dtype: str | None) -> str:
    """Return a number as the dtype writes it; a variable is made of floats if none is given."""
    kind = {"int": int, "boo": bool}.get((dtype or "float")[:3], float)
    return repr(kind(value))


def has(package: str, name: str) -> str:
    """Return the words that ask a package for a dotted name, part by part."""
    parts = name.split(".")
    owners = [".".join([package, *parts[:index]]) for index in range(len(parts))]
    return " and ".join(f"hasattr({owner}, {part!r})" for owner, part in zip(owners, parts, strict=True))


class TF1Words(VariableScopes):
    """What graph mode and eager mode of `tf.compat.v1` say alike."""

    scope_call, name_scope_call, auto_flag = "tf1.variable_scope", "tf1.name_scope", "tf1.AUTO_REUSE"

    packages = ("tensorflow",)
    install = "pip install tensorflow"
    imports = "import tensorflow as tf\n\ntf1 = tf.compat.v1"
    environ = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environ_on = {"cpu": {"CUDA_VISIBLE_DEVICES": "-1"}}
    functions = FUNCTIONS
    errors = {
        "uninitialized": (
            ("FailedPreconditionError", r"Attempting to use uninitialized value|Could not find variable"),
        ),
        "not_found": (
            ("ValueError", r"does not exist, or was not created"),
            ("NotFoundError", r"not found in checkpoint"),
        ),
        "already_exists": (("ValueError", r"already exists, disallowed"),),
        "shape_mismatch": (
            ("ValueError", r"specified shape .* and found shape|must have the same shape|^Dimensions must be equal"),
            ("ValueError", r"^Shapes must be equal rank|: Shape mismatch\.|in both shapes must be equal"),
            ("InvalidArgumentError", r"Matrix size-incompatible"),
        ),
        "dtype_mismatch": (
            ("ValueError", r"specified dtype .* and found dtype|with a different dtype"),
            ("ValueError", r"conversion requested dtype|explicit dtype .* don't match"),
            ("TypeError", r"that does not match type"),
        ),
        "created_again": (("ValueError", r"only supports singleton tf\.Variables"),),
        "not_trainable": (("ValueError", r"No variables to optimize|No gradients provided"),),
        "bad_argument": (
            ("TypeError", r"^get_variable\(\) got an unexpected keyword argument 'reuse'"),
            ("AttributeError", r"Tensor' object has no attribute 'assign'"),
            (
                "ValueError",
                r"^The reuse parameter must be|`?shape`? .*must be specified|^The initializer passed is not valid",
            ),
        ),
    }
    missing = {
        "module": "Variable scopes are names and own nothing; the objects that own variables, `tf.Module` and Keras, are TensorFlow 2's way.",
        "tie": "TF1 ties by asking for the same name again; a variable cannot be put in the place of another.",
        "copy": "A variable of a graph cannot be copied: `copy.deepcopy` refuses it, and TF1 has no other word for a copy of a layer.",
        "freeze": "TF1 fixes `trainable` when a variable is made; what is frozen later is left out of `var_list`.",
    }

    #: where a template's variables stand in its list: in the order in which it made them
    parts: ClassVar[dict[str, str]] = {"kernel": ".variables[0]", "bias": ".variables[1]"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: layers by the name they are bound to
        self.templates: dict[str, Layer] = {}

    def import_what_is_needed(self, spec: Spec) -> None:
        """Import what stands above TensorFlow."""
        if any(isinstance(step, Save) for step in walk(spec.steps)):
            self.import_first("import tempfile")

    def array(self, values: str) -> str:
        """Return a constant tensor."""
        return f"tf.constant({values})"

    # -- scopes and variables

    def get(self, step: Get) -> None:
        """Get a variable by name."""
        self.bind(step.as_, self.get_words(step))

    def get_words(self, step: Get) -> str:
        """Return the call that gets a variable."""
        words = [repr(step.get)]
        if step.shape is not None and not isinstance(step.init, list):
            words.append(f"shape={step.shape}")
        if step.dtype:
            words.append(f"dtype=tf.{step.dtype}")
        if isinstance(step.init, list):
            words.append(f"initializer=tf.constant({step.init}{f', dtype=tf.{step.dtype}' if step.dtype else ''})")
        elif step.init == "random":
            words.append("initializer=tf1.random_normal_initializer()")
        elif step.init is not None:
            words.append(f"initializer=tf1.constant_initializer({number(step.init, step.dtype)})")
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
        if step.start is not None:
            value = self.expression(step.start)
        elif isinstance(step.init, list):
            value = repr(step.init)
        elif step.init == "random":
            value = f"tf1.random_normal({', '.join([str(step.shape or []), *dtype])})"
        elif step.shape:
            value = f"tf.constant({', '.join([number(step.init, step.dtype), f'shape={step.shape}', *dtype])})"
        else:
            value = number(step.init, step.dtype)
        words = [value, f"name={step.variable!r}", *dtype, *self.registration(step)]
        self.bind(step.as_, f"tf1.Variable({', '.join(words)})")

    def function(self, step: Function) -> None:
        """Define a Python function; in a graph it builds anew whenever it is called."""
        if step.traced:
            self.traced(step)
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                self.write(f"return {self.expression(step.returns)}")

    def traced(self, step: Function) -> None:
        """Mark a function as traced."""
        raise Unsupported(
            "Graph mode traces by itself: Python builds the graph once and a session runs it; `tf.function` is the word for that in eager code."
        )

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

    def layer(self, step: Layer) -> None:
        """Make a template: a function whose variables are made at its first call and reused after."""
        self.idiom(
            "A layer is worded as `tf1.make_template`: `tf.layers` needs Keras 2, which TensorFlow 2.16 and later do not bring."
        )
        kernel = self.get_words(
            Get(
                get="kernel",
                shape=[step.inputs, step.units],
                init=step.kernel,
                trainable=None if step.trainable else False,
            )
        )
        bias = self.get_words(
            Get(get="bias", shape=[step.units], init=step.bias, trainable=None if step.trainable else False)
        )
        added = f" + {bias}" if step.bias is not None else ""
        body = f"inputs @ {kernel}{added}" if step.layer == "dense" else f"tf.gather({kernel}, inputs)"
        self.templates[step.as_] = step
        self.write(f"{step.as_} = tf1.make_template({step.name!r}, lambda inputs: {body})")

    def call(self, step: Call) -> None:
        """Call a template."""
        self.bind(step.as_, f"{self.place(step.call)}({self.expression(step.on)})")

    def is_table(self, place: str) -> bool:
        """Return whether a place is the table of an embedding, whose gradient holds only the rows looked up."""
        first, _, rest = place.partition(".")
        return rest == "kernel" and first in self.templates and self.templates[first].layer == "embedding"

    def values(self, step: Assign) -> str:
        """Return the new values of a variable."""
        return repr(step.to) if isinstance(step.to, list) else self.expression(step.to)

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
        return has("tf", name)

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the collection of variables, or what a template made."""
        if inside:
            return f"{inside}.{'trainable_' if only_trainable else ''}variables"
        return f"tf1.{'trainable' if only_trainable else 'global'}_variables()"

    def names(self, inside: str | None) -> str:
        """Return the names in the collection of variables."""
        return "sorted(variable.name.split(':')[0] for variable in tf1.global_variables())"

    def collected(self, collection: str) -> str:
        """Return a collection by its key."""
        return f"tf1.get_collection({collection!r})"
