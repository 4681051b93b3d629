"""The reference model: the contract without a framework, in pure Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.variable_scopes import VariableScopes
from conformance.spec import Spec
from conformance.step import Step
from conformance.translation import Script, Unsupported
from conformance.vocabulary import (
    Assign,
    Block,
    Call,
    Copy,
    Freeze,
    Function,
    Get,
    Gradient,
    Graph,
    Invoke,
    Layer,
    Module,
    Placeholder,
    Read,
    Reinitialize,
    Restore,
    Save,
    Session,
    Tie,
    Train,
    Variable,
    walk,
)

KINDS = {
    "already_exists": "AlreadyExists", "not_found": "NotFound", "shape_mismatch": "ShapeMismatch", "dtype_mismatch": "DtypeMismatch",
    "bad_argument": "BadArgument", "uninitialized": "Uninitialized", "not_trainable": "NotTrainable",
}  # fmt: skip
FUNCTIONS = ("tanh", "relu", "sigmoid", "exp", "log", "square", "sum", "mean", "transpose", "softmax")


class Reference(VariableScopes):
    """What the contract itself answers."""

    scope_call, name_scope_call, auto_flag = "model.scope", "model.name_scope", "Model.AUTO"

    name = "reference"
    title = "Reference model"
    about = "A small pure-Python model of the contract, without a framework; it predicts every observation the contract covers."
    install = "nothing: it is part of canireuse"
    imports = "from conformance.contract import Model, tape"
    functions = {name: f"tape.{name}({{}})" for name in FUNCTIONS}
    errors = {kind: ((name, ""),) for kind, name in KINDS.items()}
    missing = {
        "offers": "The contract does not cover what a framework's package offers.",
        "traces": "The contract does not cover how often a function is traced: a traced function behaves as the Python function.",
    }

    def translate(self, spec: Spec) -> Script:
        """Return the script; what is a framework's own feature is outside the contract."""
        if spec.contract == "none":
            raise Unsupported("The contract does not cover this: it is a matter of each framework.")
        self.bound: set[str] = set()
        return super().translate(spec)

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Make a world: deferred where the spec speaks of initialization, else with values at once."""
        deferred = any(step.verb == "initialize" or step.raises == "uninitialized" for step in walk(spec.steps))
        self.write(f"model = Model({'' if deferred else 'immediate=True'})")
        yield

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a variable; the model refuses any device but the CPU."""
        return (
            f"{cls.imports}\nmodel = Model(device={device!r})\nvariable = model.get('probe', shape=[1], init=1.0)\n"
            "model.initialize()\nmodel.value(variable)\nobserve('device', model.device)\n"
        )

    # -- scopes and variables

    def say(self, step: Step) -> None:
        """Write one step and remember what it binds."""
        super().say(step)
        if step.binding:
            self.bound.add(step.binding)

    def registration(self, step: Get | Variable) -> list[str]:
        """Return the words for what a variable is created with."""
        words = {
            "shape": step.shape,
            "dtype": step.dtype,
            "init": step.init,
            "trainable": step.trainable,
            "collection": step.collection,
        }
        if isinstance(step, Variable) and step.start is not None:
            return [f"init={self.expression(step.start)}"] + [
                f"{word}={words[word]!r}" for word in ("trainable", "collection") if words[word] is not None
            ]
        return [f"{word}={value!r}" for word, value in words.items() if value is not None]

    def get(self, step: Get) -> None:
        """Get a variable."""
        reuse = [f"reuse={self.flag(step.reuse)}"] if step.reuse is not None else []
        self.bind(step.as_, f"model.get({', '.join([repr(step.get), *self.registration(step), *reuse])})")

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        self.bind(step.as_, f"model.variable({', '.join([repr(step.variable), *self.registration(step)])})")

    def placeholder(self, step: Placeholder) -> None:
        """Make a placeholder."""
        self.write(f"{step.placeholder} = model.placeholder({step.placeholder!r}, {step.shape}, {step.dtype!r})")

    def graph(self, step: Graph) -> None:
        """Open another graph."""
        with self.block("with model.graph():"):
            self.steps(step.steps)

    def session(self, step: Session) -> None:
        """Open another session."""
        with self.block("with model.session():"):
            self.steps(step.steps)

    # -- layers, modules, functions

    def layer(self, step: Layer) -> None:
        """Construct a layer."""
        words = [
            repr(step.layer),
            repr(step.name),
            f"inputs={step.inputs}",
            f"units={step.units}",
            f"kernel={step.kernel!r}",
        ]
        words += [f"bias={step.bias!r}"] if step.bias is not None else []
        words += [] if step.trainable else ["trainable=False"]
        self.write(f"{step.as_} = model.layer({', '.join(words)})")

    def call(self, step: Call) -> None:
        """Call a layer or a module."""
        self.bind(step.as_, f"{step.call}({self.expression(step.on)})")

    def module(self, step: Module) -> None:
        """Put members together."""
        self.write(
            f"{step.module} = model.module({', '.join(f'{name}={place}' for name, place in step.members.items())})"
        )

    def tie(self, step: Tie) -> None:
        """Have a place hold another's variable."""
        self.write(f"{step.tie} = {step.to}")

    def copy(self, step: Copy) -> None:
        """Copy a layer or a module."""
        self.write(f"{step.as_} = model.copy({step.copy_})")

    def freeze(self, step: Freeze) -> None:
        """Freeze a variable, a layer or a module."""
        self.write(f"model.freeze({step.freeze})")

    def save(self, step: Save) -> None:
        """Keep the values of a module."""
        self.write(f"{step.to} = model.save({step.save})")

    def restore(self, step: Restore) -> None:
        """Put kept values back."""
        self.write(f"model.restore({step.restore}, {step.given_by})")

    def header(self, name: str, takes: list[str], step: Block) -> str:
        """Return the line that defines a function; names bound outside and rebound inside are handed in."""
        rebound = sorted({inner.binding for inner in walk(step.steps) if inner.binding in self.bound} - set(takes))
        return f"def {name}({', '.join([*takes, *(f'{word}={word}' for word in rebound)])}):"

    def function(self, step: Function) -> None:
        """Define a Python function: to the contract, a traced one is no other."""
        self.define(self.header(step.function, step.takes, step), step, step.returns)

    def define(self, header: str, step: Block, returns: str | None) -> None:
        """Write a function; what it binds is its own."""
        outer, self.bound = self.bound, set(self.bound)
        with self.block(header):
            self.steps(step.steps)
            if returns:
                self.write(f"return {self.expression(returns)}")
        self.bound = outer

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

    # -- state and learning

    def initialize(self, step: Step) -> None:
        """Give all variables their initial values."""
        self.write("model.initialize()")

    def reinitialize(self, step: Reinitialize) -> None:
        """Give one variable its initial value again."""
        self.write(f"{step.reinitialize}.initialize()")

    def assign(self, step: Assign) -> None:
        """Assign numbers, or what an expression is worth."""
        self.write(f"{step.assign}.assign({self.expression(step.to) if isinstance(step.to, str) else step.to})")

    def increment(self, place: str) -> None:
        """Add one."""
        self.write(f"{place}.assign({place} + 1)")

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(f"model.value({step.read})")

    def gradient(self, step: Gradient) -> None:
        """Differentiate a scalar; steps that lead up to it stand in a function, so that what they bind is their own."""
        if step.steps:
            self.define(self.header("loss", [], step), step, step.of)
        scalar = "loss()" if step.steps else self.expression(step.of)
        self.write(f"{step.gradient} = tape.gradient({scalar}, {step.wrt})")

    def train(self, step: Train) -> None:
        """Minimize a scalar."""
        self.define(self.header("loss", [], step), step, step.minimize)
        wrt = f"[{', '.join(step.wrt)}]" if isinstance(step.wrt, list) else step.wrt
        times = f", times={step.times}" if step.times > 1 else ""
        self.write(f"model.train({step.train!r}, loss, {wrt}, rate={step.rate}{times})")

    # -- observations

    def array(self, values: str) -> str:
        """Return numbers as a tensor."""
        return f"tape.constant({values})"

    def data(self, value: str) -> str:
        """Return the value as numbers."""
        return f"model.value({value})"

    def name_of(self, place: str) -> str:
        """Return a variable's name."""
        return f"{place}.name"

    def dtype_of(self, place: str) -> str:
        """Return a variable's dtype."""
        return f"{place}.dtype"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the variables of the graph, or those in a layer or module."""
        return f"model.{'trainable' if only_trainable else 'variables'}({inside or ''})"

    def names(self, inside: str | None) -> str:
        """Return the names of all variables."""
        return "model.names()"

    def collected(self, collection: str) -> str:
        """Return a collection."""
        return f"model.collection({collection!r})"
