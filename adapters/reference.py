"""The reference model: the contract without a framework, in pure Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.variable_scopes import VariableScopes
from conformance.spec import Spec
from conformance.step import Step
from conformance.translation import Script, Unsupported, turns
from conformance.vocabulary import (
    Assign,
    Average,
    Block,
    Call,
    Cast,
    Copy,
    CurrentScope,
    DefaultScope,
    Freeze,
    Function,
    Get,
    Gradient,
    Graph,
    Hook,
    Intercept,
    Invoke,
    Layer,
    Materialize,
    Module,
    Move,
    Optimizer,
    Parallel,
    Placeholder,
    Read,
    Reinitialize,
    Replace,
    Restore,
    Save,
    Scan,
    ScopeOptions,
    Session,
    Shard,
    Tie,
    Track,
    Train,
    Unfreeze,
    Update,
    Variable,
    Vectorize,
    walk,
)

KINDS = {
    "already_exists": "AlreadyExists", "not_found": "NotFound", "shape_mismatch": "ShapeMismatch", "dtype_mismatch": "DtypeMismatch",
    "bad_argument": "BadArgument", "uninitialized": "Uninitialized", "not_trainable": "NotTrainable",
}  # fmt: skip
#: numbers that a layer may hold: products take plain Python a fifth of a microsecond for each
MOST_NUMBERS = 4096
FUNCTIONS = (
    "tanh",
    "relu",
    "sigmoid",
    "exp",
    "log",
    "square",
    "sum",
    "mean",
    "transpose",
    "softmax",
    "stop_gradient",
    "ones",
)


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
    options = frozenset({
        *(f"{verb}.{option}" for verb in ("scope", "default_scope", "reenter") for option in ("init", "dtype", "penalty", "auxiliary_name_scope")),
        "get.penalty", "get.local", "layer.penalty", "layer.unnamed", "call.given", "copy.shallow", "save.only", "restore.partial",
        "gradient.remat", "function.template", "invoke.abstract",
    })  # fmt: skip
    missing = {
        "get.partitions": "The contract does not cover in how many parts a variable is kept.",
        "layer.norm": "The contract does not cover normalization: what a layer keeps besides its weights is a matter of each framework.",
        "layer.cell": "The contract does not cover what a framework's layers do with a cell.",
        "wrap": "The contract does not cover what a framework's layers do with a layer that is put into them.",
        "reparametrize": "The contract does not cover places that give a function of the variable they hold.",
        "quantize": "The contract does not cover numbers of 8 bits.",
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
        reuse += [f"penalty={step.penalty!r}"] if step.penalty is not None else []
        reuse += ["local=True"] if step.local else []
        self.bind(step.as_, f"model.get({', '.join([repr(step.get), *self.registration(step), *reuse])})")

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        self.bind(step.as_, f"model.variable({', '.join([repr(step.variable), *self.registration(step)])})")

    def open_scope(self, step: ScopeOptions, where: str) -> None:
        """Open a scope given by name or by object, with what holds inside."""
        words = {
            "init": step.init,
            "dtype": step.dtype,
            "penalty": step.penalty,
            "auxiliary_name_scope": step.auxiliary_name_scope,
        }
        given = [where] + ([f"reuse={self.flag(step.reuse)}"] if step.reuse is not None else [])
        given += [f"{word}={value!r}" for word, value in words.items() if value is not None]
        with self.block(f"with model.scope({', '.join(given)}){f' as {step.as_}' if step.as_ else ''}:"):
            self.steps(step.steps)

    def default_scope(self, step: DefaultScope) -> None:
        """Open a scope under a name made unique."""
        self.open_scope(step, f"{step.default_scope!r}, unique=True")

    def current_scope(self, step: CurrentScope) -> None:
        """Bind the scope that is open."""
        self.write(f"{step.current_scope} = model.current_scope()")

    def intercept(self, step: Intercept) -> None:
        """Have a function hand out what is got."""
        with self.block(f"with model.intercept(lambda {step.intercept}: {self.expression(step.returns)}):"):
            self.steps(step.steps)

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
        if step.inputs * step.units > MOST_NUMBERS:
            raise Unsupported(
                "The model computes in plain Python, for which layers of this size take minutes: see the same spec with small ones."
            )
        words = [
            repr(step.layer),
            repr(step.name),
            f"inputs={step.inputs}",
            f"units={step.units}",
            f"kernel={step.kernel!r}",
        ]
        words += [f"bias={step.bias!r}"] if step.bias is not None else []
        words += [f"penalty={step.penalty!r}"] if step.penalty is not None else []
        words += [] if step.trainable else ["trainable=False"]
        self.write(f"{step.as_} = model.layer({', '.join(words)})")

    def call(self, step: Call) -> None:
        """Call a layer or a module."""
        values = {
            place: self.array(repr(value)) if not isinstance(value, str) else self.expression(value)
            for place, value in step.given.items()
        }
        words = ", ".join(f"{place!r}: {value}" for place, value in values.items())
        called = f"model.given({step.call}, {{{words}}})" if values else step.call
        self.bind(step.as_, f"{called}({self.expression(step.on)})")

    def module(self, step: Module) -> None:
        """Put members together."""
        self.write(
            f"{step.module} = model.module({', '.join(f'{name}={place}' for name, place in step.members.items())})"
        )

    def tie(self, step: Tie) -> None:
        """Have a place hold another's variable."""
        self.write(f"{step.tie} = {step.to}")

    def replace(self, step: Replace) -> None:
        """Put something else in a member's place."""
        owner, _, place = step.replace.rpartition(".")
        if not owner:
            raise Unsupported("A name of the script is no place: a member of a module is replaced.")
        self.write(f"model.replace({owner}, {place!r}, {step.by})")

    def copy(self, step: Copy) -> None:
        """Copy a layer or a module."""
        self.write(f"{step.as_} = model.copy({step.copy_}{', shallow=True' if step.shallow else ''})")

    def cast(self, step: Cast) -> None:
        """Change the dtype of what a layer or a module holds."""
        self.write(f"{step.as_} = model.cast({step.cast}, {step.to!r})")

    def move(self, step: Move) -> None:
        """Move what a layer or a module holds."""
        self.write(f"{step.as_} = model.move({step.move}, {step.device})")

    def shard(self, step: Shard) -> None:
        """Lay a variable out."""
        self.write(f"model.shard({step.shard})")

    def hook(self, step: Hook) -> None:
        """Hang something on a gradient."""
        self.write(f"model.hook({step.hook}, {step.times})")

    def materialize(self, step: Materialize) -> None:
        """Go on with the module: it had its memory all the time, as the contract knows no other module."""
        self.write(f"{step.as_} = {step.materialize}")

    def unfreeze(self, step: Unfreeze) -> None:
        """Take a variable, a layer or a module into training again."""
        self.write(f"model.unfreeze({step.unfreeze})")

    def freeze(self, step: Freeze) -> None:
        """Freeze a variable, a layer or a module."""
        self.write(f"model.freeze({step.freeze})")

    def save(self, step: Save) -> None:
        """Keep the values of a module."""
        self.write(f"{step.to} = model.save({step.save}{f', only={step.only}' if step.only else ''})")

    def restore(self, step: Restore) -> None:
        """Put kept values back."""
        self.write(f"model.restore({step.restore}, {step.given_by}{', partial=True' if step.partial else ''})")

    def header(self, name: str, takes: list[str], step: Block) -> str:
        """Return the line that defines a function; names bound outside and rebound inside are handed in."""
        rebound = sorted({inner.binding for inner in walk(step.steps) if inner.binding in self.bound} - set(takes))
        return f"def {name}({', '.join([*takes, *(f'{word}={word}' for word in rebound)])}):"

    def function(self, step: Function) -> None:
        """Define a Python function: to the contract, a traced one is no other."""
        self.define(self.header(step.function, step.takes, step), step, step.returns)
        if step.template:
            self.write(f"{step.function} = model.template({step.function!r}, {step.function})")

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
        times = f", times={step.times}" if step.times > 1 else ""
        self.write(f"model.train({step.train!r}, loss, {self.owned(step.wrt)}, rate={step.rate}{times})")

    def owned(self, over: str | list[str]) -> str:
        """Return the words for what is trained."""
        return f"[{', '.join(over)}]" if isinstance(over, list) else over

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer."""
        words = [repr(step.kind), self.owned(step.over), f"rate={step.rate}"]
        words += [f"{name}={value}" for name in ("decay", "clip") if (value := getattr(step, name)) is not None]
        self.write(f"{step.optimizer} = model.optimizer({', '.join(words)})")

    def update(self, step: Update) -> None:
        """Take steps with an optimizer; a function leads up to each scalar."""
        losses = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        names = ["loss"] if len(losses) == 1 else [f"loss_{number}" for number in range(1, len(losses) + 1)]
        for name, loss in zip(names, losses, strict=True):
            self.define(self.header(name, [], step), step, loss)
        times = f", times={step.times}" if step.times > 1 else ""
        self.write(f"model.update({', '.join([step.update, *names])}{times})")

    def parallel(self, step: Parallel) -> None:
        """Take one step on the mean over the parts."""
        self.define(self.header("loss", list(step.split), step), step, step.minimize)
        self.write(f"model.parallel({step.parallel}, {step.split}, loss, rate={step.rate})")

    def average(self, step: Average) -> None:
        """Make a copy that keeps averages."""
        self.write(f"{step.as_} = model.average({step.average}, {step.decay})")

    def track(self, step: Track) -> None:
        """Move averages towards what is held now."""
        self.write(f"model.track({step.track})")

    # -- loops

    def scan(self, step: Scan) -> None:
        """Carry a value from turn to turn."""
        self.define(self.header("turn", [step.scan], step), step, step.to)
        with turns(self, step.times):
            self.write(f"{step.scan} = turn({step.scan})")

    def vectorize(self, step: Vectorize) -> None:
        """Map over rows."""
        over, returns = self.expression(step.over), self.expression(step.returns)
        self.write(f"{step.vectorize} = model.vectorize({over}, lambda {step.each}: {returns})")

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
        """Return the names of all variables, or paths in a layer or module."""
        return f"model.names({inside or ''})"

    def paths_of(self, place: str, inside: str) -> str:
        """Return every path of a variable in a layer or module."""
        return f"model.paths({place}, {inside})"

    def slot_count(self, optimizer: str) -> str:
        """Return for how many variables an optimizer keeps state."""
        return f"{optimizer}.slots"

    def penalties(self, inside: str | None) -> str:
        """Return the terms of regularizers."""
        return f"model.penalties({inside or ''})"

    def penalty(self, inside: str | None) -> str:
        """Return the sum of these terms."""
        return f"model.penalty({inside or ''})"

    def collected(self, collection: str) -> str:
        """Return a collection."""
        return f"model.collection({collection!r})"
