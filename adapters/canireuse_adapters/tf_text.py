"""What the adapters of TensorFlow and Keras write alike."""

import ast

from canireuse.translation import TextAdapter
from canireuse.vocabulary import Assign, Read

FUNCTIONS = {
    "tanh": "tf.tanh({})", "relu": "tf.nn.relu({})", "sigmoid": "tf.sigmoid({})", "exp": "tf.exp({})",
    "log": "tf.math.log({})", "square": "tf.square({})", "sum": "tf.reduce_sum({})", "mean": "tf.reduce_mean({})",
    "transpose": "tf.transpose({})", "softmax": "tf.nn.softmax({})", "stop_gradient": "tf.stop_gradient({})", "ones": "tf.ones([{}])",
}  # fmt: skip
#: must be said before TensorFlow runs anything; said again, it changes nothing
TWO_DEVICES = (
    "tf.config.set_logical_device_configuration("
    "tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)"
)


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


class WritesAtOnce(TextAdapter):
    """Words a variable that is written when it is told to, and read when it is asked."""

    def assign(self, step: Assign) -> None:
        """Assign at once."""
        value = repr(step.to) if isinstance(step.to, list) else self.expression(step.to)
        self.write(f"{self.place(step.assign)}.assign({value})")

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(self.data(self.place(step.read)))
