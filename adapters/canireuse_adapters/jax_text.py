"""What the two Flax adapters say alike: JAX's arithmetic, its device, and pure functions that take the state as an argument."""

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from canireuse.spec import Spec
from canireuse.step import RESERVED, Array, Initial, Reuse, Step
from canireuse.translation import INDENT, Unsupported
from canireuse.vocabulary import (
    Expect,
    Function,
    Get,
    Invoke,
    NameScope,
    Optimizer,
    Read,
    Reenter,
    Scan,
    Scope,
    Train,
    Variable,
    Vectorize,
    walk,
)
from canireuse_adapters.waiting import Waiting

ERRORS = {
    "shape_mismatch": (
        (
            "TypeError",
            r"requires contracting dimensions|got incompatible shapes|matmul input operand|requires arguments to have",
        ),
        ("ValueError", r"Incompatible (types|shapes) for broadcasting"),
    ),
    "bad_argument": (("TypeError", r"^JAX arrays are immutable"),),
}
MISSING = {
    "graph": "JAX has no graph to build in: arithmetic runs at once, or is traced by a transformation.",
    "session": "JAX has no sessions: an array holds its value itself.",
    "placeholder": "JAX has no placeholders: what is given later is an argument of a function.",
    "reuse_variables": "Flax has no reuse mode that an open scope could be switched to.",
    "hook": "JAX has no hooks on variables: a gradient is a value that `jax.grad` returns, and the user scales it before the update.",
    "quantize": "JAX and its module libraries have no call that quantizes a module: libraries beside them, such as Qwix, do.",
    "penalties": "JAX's module libraries collect no regularization terms: a loss adds them up itself.",
    "penalty": "JAX's module libraries collect no regularization terms: a loss adds them up itself.",
    "get.penalty": "No module library of JAX takes a regularizer with a variable: a loss adds its terms up itself.",
    "layer.penalty": "No layer of JAX's module libraries takes a regularizer: a loss adds its terms up itself.",
    "get.partitions": "JAX cuts no variable into parts that are variables: one array may be sharded over devices, see `shard`.",
    "get.local": "JAX has no list of local variables that saving and training leave out: both are given what they are to take.",
}
#: What scripts say of devices -> the first version that has it.
SINCE_ON_DEVICES = {
    "jax.sharding.AxisType": "jax>=0.5.3", "jax.make_mesh(_, _, _)": "jax>=0.7.0", "jax.P": "jax>=0.7.0",
}  # fmt: skip
#: What scripts say of the paths of a tree -> the first version that has it.
SINCE_OF_PATHS = {
    "jax.tree.leaves_with_path": "jax>=0.4.38", "jax.tree_util.keystr(simple=_, separator=_)": "jax>=0.5.1",
}  # fmt: skip
#: What scripts ask Optax -> the first version that has it.
SINCE_OF_OPTAX = {"optax.tree": "optax>=0.2.5"}
#: What XLA is told so that the CPU counts as two devices.
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
#: kind of optimizer -> what Optax calls the state that it keeps for each variable
MOMENTS = {"sgd": "trace", "momentum": "trace", "adam": "mu", "adamw": "mu"}


#: what a tie is to survive: where a spec asks that, ways that share nothing in the first place have no answer
SURVIVED = frozenset({
    "copy", "save", "restore", "cast", "move", "materialize", "parallel", "shard", "average", "quantize", "replace", "scan", "optimizer",
})  # fmt: skip


def asks_what_survives(spec: Spec) -> bool:
    """Return whether a spec asks what becomes of a tie, not how one is made."""
    return any(step.verb in SURVIVED or getattr(step, "abstract", False) for step in walk(spec.steps))


class Jax(Waiting):
    """The words of JAX; a Flax adapter adds how variables are kept.

    A function that is differentiated or compiled is pure: variables that it captures are constants to
    it. So every function of a script takes the state as arguments of its own, and inside it a variable
    that was bound outside is read by its path in that state.
    """

    packages: ClassVar[tuple[str, ...]] = ("flax", "jax", "jaxlib", "optax")
    install = "pip install flax optax"
    functions = {
        "tanh": "jnp.tanh({})", "relu": "jax.nn.relu({})", "sigmoid": "jax.nn.sigmoid({})", "exp": "jnp.exp({})",
        "log": "jnp.log({})", "square": "jnp.square({})", "sum": "jnp.sum({})", "mean": "jnp.mean({})",
        "transpose": "jnp.transpose({})", "softmax": "jax.nn.softmax({})",
        "stop_gradient": "jax.lax.stop_gradient({})", "ones": "jnp.ones([{}])",
    }  # fmt: skip
    missing = MISSING
    environ = {**TWO_DEVICES, "JAX_TRACEBACK_FILTERING": "off"}  # an error then says that it came through jax
    #: the names under which functions take the state, in the order of the arguments
    state: tuple[str, ...] = ()
    compiled: ClassVar[str] = "@jax.jit"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: what each open function is: plain, traced or loss
        self.frames: list[str] = []
        #: the names of the open functions
        self.writing: list[str] = []
        #: for each name that holds a variable, how many functions were open where it was bound
        self.bound_at: dict[str, int] = {}
        #: places that a later step froze or that were made frozen
        self.frozen: list[str] = []
        #: for each function, the state it takes, what it returns if that is a variable, and whether it makes some
        self.takes: dict[str, list[str]] = {}
        self.returned: dict[str, str] = {}
        self.makes: set[str] = set()
        self.counted: set[str] = set()
        self.called_in_scopes = False
        #: whether the script uses the mesh of two devices
        self.meshed = False

    # -- the whole script

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """State the device, then what the steps turn out to need."""
        steps = list(walk(spec.steps))
        self.taken |= RESERVED
        self.counted = {step.traces for step in steps if isinstance(step, Expect) and step.traces}
        scopes = [step for step in steps if isinstance(step, Scope | Reenter)]
        self.called_in_scopes = any(isinstance(inner, Invoke) for scope in scopes for inner in walk(scope.steps))
        self.write(f"jax.config.update('jax_default_device', jax.devices({self.device!r})[0])")
        start = len(self.lines)
        yield
        made = self.opening("\n".join(self.lines[start:]))
        self.lines[start:start] = [*self.mesh_lines(), *made]
        self.settle_imports()

    def settle_imports(self) -> None:
        """Leave out the imports that the script turned out not to use."""
        count = len(self.imports.splitlines())
        text = "\n".join(self.lines[count:])
        used = [line for line in self.lines[:count] if re.search(rf"\b{line.split()[-1]}\b", text)]
        self.lines[:count] = used

    def opening(self, text: str) -> list[str]:
        """Return the lines that make the state which the script uses."""
        raise NotImplementedError

    @classmethod
    def probe(cls, device: str) -> str:
        """Make an array on the device and ask it where it is."""
        return (
            "import jax\nimport jax.numpy as jnp\n\n"
            f"jax.config.update('jax_default_device', jax.devices({device!r})[0])\n"
            "where = next(iter(jnp.ones([1]).devices()))\n"
            "observe('device', f'{where.platform}:{where.id} {where.device_kind}')\n"
        )

    def array(self, values: str) -> str:
        """Return an array."""
        return f"jnp.array({values})"

    def data(self, value: str) -> str:
        """Turn an array into numbers and lists."""
        bare = isinstance(ast.parse(value, mode="eval").body, ast.BinOp | ast.UnaryOp)
        return f"({value}).tolist()" if bare else f"{value}.tolist()"

    def new_value(self, to: str | Array) -> str:
        """Return the words for a value that is written into a variable."""
        return self.expression(to) if isinstance(to, str) else f"jnp.array({to})"

    def filling(self, init: Initial | None, shape: list[int] | None, dtype: str | None) -> tuple[str, str]:
        """Return the function that makes an initial value, and its arguments."""
        if isinstance(init, list):
            return "jnp.array", ", ".join([repr(init), *([repr(dtype)] if dtype else [])])
        kind = f", {dtype!r}" if dtype else ""
        if init is None:
            raise Unsupported(
                "An array is made from numbers: JAX has no value that a variable would start from when nothing is said."
            )
        value = init if dtype or isinstance(init, str) else float(init)
        return ("jnp.full", f"{shape}, {value!r}{kind}") if shape else ("jnp.array", f"{value!r}{kind}")

    def initializer(self, init: Initial) -> str:
        """Return the initializer of a layer's variable."""
        if init == "random":
            return "nn.initializers.normal()".replace("nn.", f"{self.layers}.")
        return f"{self.layers}.initializers.constant({self.array(repr(init)) if isinstance(init, list) else init})"

    layers: ClassVar[str] = "nn"

    # -- functions

    @contextmanager
    def frame(self, kind: str, name: str, takes: list[str]) -> Iterator[None]:
        """Write a function whose arguments begin with the state that its body turns out to use."""
        start = len(self.lines)
        self.frames.append(kind)
        self.writing.append(name)
        self.depth += 1
        yield
        self.depth -= 1
        self.frames.pop()
        self.writing.pop()
        body = self.lines[start:] or [INDENT * (self.depth + 1) + "pass"]
        del self.lines[start:]
        used, first = self.state_of(kind, "\n".join(body))
        self.takes[name] = used
        self.write(f"def {name}({', '.join(used + takes)}):")
        self.lines += [INDENT * (self.depth + 1) + line for line in first] + body

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Return which state a function takes, and the lines that its body begins with."""
        return self.used(body), []

    def used(self, text: str) -> list[str]:
        """Return the names of the state that occur in a text, other than quoted."""
        return [name for name in self.state if re.search(rf"(?<![\w'.]){name}\b(?!')", text)]

    def outer(self, name: str) -> bool:
        """Return whether a variable was bound outside of the function that is being written."""
        return self.bound_at.get(name, len(self.frames)) < len(self.frames)

    def function(self, step: Function) -> None:
        """Define a function; compile it if it is traced."""
        counter = ""
        if step.function in self.counted:
            self.idiom("JAX has no public count of traces: a line of Python in the body runs once for each trace.")
            counter = f"traces_of_{step.function}"
            self.write(f"{counter} = []")
        self.bodies(step)
        if step.traced:
            self.write(self.compiled)
        with self.frame("traced" if step.traced else "plain", step.function, step.takes), self.function_scope():
            if counter:
                self.write(f"{counter}.append('traced')")
            self.steps(step.steps)
            self.answer(step)

    def answer(self, step: Function) -> None:
        """Write what a function returns."""
        if step.returns:
            self.write(f"return {self.result(step)}")

    def bodies(self, step: Function) -> None:
        """Note what calls need to know about a function's body."""
        if any(isinstance(inner, Get | Variable | Scope) for inner in step.steps):
            self.makes.add(step.function)

    def result(self, step: Function) -> str:
        """Return the words for what a function returns: a plain one may return a variable itself."""
        if step.returns in self.bound_at and not step.traced:
            self.returned[step.function] = step.returns
            return self.place(step.returns)
        return self.expression(step.returns or "")

    @contextmanager
    def function_scope(self) -> Iterator[None]:
        """Make the state that a function takes the current scope of its body."""
        yield

    def invoke(self, step: Invoke) -> None:
        """Call a function with the state it takes."""
        given = [*self.given_state(step.invoke), *(self.new_value(value) for value in step.given)]
        self.bind(step.as_, f"{step.invoke}({', '.join(given)})")
        if step.as_ and step.invoke in self.returned:
            self.alias(step.as_, self.returned[step.invoke])

    def given_state(self, function: str) -> list[str]:
        """Return the state that a function is called with."""
        return self.takes.get(function, [])

    def alias(self, name: str, variable: str) -> None:
        """Note that a name was bound to a variable that another name holds."""
        self.bound_at[name] = len(self.frames)

    def trace_count(self, function: str) -> str:
        """Return how often the body of a function was run by Python."""
        return f"len(traces_of_{function})"

    def name_scope(self, step: NameScope) -> None:
        """Open a scope for the names of operations."""
        with self.block(f"with jax.named_scope({step.name_scope!r}):"):
            self.steps(step.steps)

    # -- losses

    def loss(self, steps: list[Step], scalar: str, argument: str, name: str = "loss") -> None:
        """Write the function that leads up to a scalar."""
        start = len(self.lines)
        with self.frame("loss", name, []):
            self.steps(steps)
            self.write(f"return {self.expression(scalar)}")
        at = next(at for at in range(start, len(self.lines)) if self.lines[at].lstrip().startswith(f"def {name}("))
        self.lines[at] = f"{INDENT * self.depth}def {name}({argument}):"

    def pure_only(self, doing: str) -> None:
        """Refuse what a function under a transformation cannot do."""
        if "loss" in self.frames:
            raise Unsupported(f"A loss that is differentiated is a pure function of its parameters; it cannot {doing}.")

    def optimizer(self, step: Any) -> Any:
        """Return the optimizer of a training step; adapters word the verb `optimizer` here."""
        if isinstance(step, Optimizer):
            raise Unsupported(f"The words of {self.title} for an optimizer by itself are not written yet.")
        return self.optax_words(step)

    def optax_words(self, step: Train | Optimizer) -> str:
        """Return the optimizer as Optax makes it: clipping and classic weight decay are links of a chain before it."""
        kind, rate = (step.train if isinstance(step, Train) else step.kind), step.rate
        decay, clip = (step.decay, step.clip) if isinstance(step, Optimizer) else (None, None)
        made = f"optax.{'sgd' if kind == 'momentum' else kind}({rate}{', momentum=0.9' if kind == 'momentum' else ''})"
        if kind == "adamw" and decay is not None:
            made, decay = f"optax.adamw({rate}, weight_decay={decay})", None
        links = [] if clip is None else [f"optax.clip_by_global_norm({clip})"]
        links += [] if decay is None else [f"optax.add_decayed_weights({decay})"]
        return f"optax.chain({', '.join([*links, made])})" if links else made

    def slot_words(self, kind: str, state: str) -> str:
        """Return the words for how many variables an optimizer's state holds moments for."""
        return f"len(jax.tree.leaves(optax.tree.get({state}, {MOMENTS[kind]!r})))"

    # -- loops, batches and devices

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once."""
        turn = self.free("turn")
        with self.block(f"def {turn}(_, {step.scan}):"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.to)}")
        self.write(f"{step.scan} = jax.lax.fori_loop(0, {step.times}, {turn}, {step.scan})")

    def vectorize(self, step: Vectorize) -> None:
        """Map an expression over the first axis."""
        words = f"jax.vmap(lambda {step.each}: {self.expression(step.returns)})({self.expression(step.over)})"
        self.write(f"{step.vectorize} = {words}")

    def device_words(self, index: int) -> str:
        """Return the words for a device."""
        return f"jax.devices({self.device!r})[{index}]"

    def mesh(self) -> str:
        """Return the name of the mesh of two devices, which is made at the top of a script that uses it."""
        self.meshed = True
        return self.free("mesh")

    def mesh_lines(self) -> list[str]:
        """Return the line that makes the mesh, if the script uses one."""
        # automatic axes: XLA moves data where an operation needs it, also along an axis that is cut
        made = (
            f"jax.make_mesh((2,), ('parts',), (jax.sharding.AxisType.Auto,), devices=jax.devices({self.device!r})[:2])"
        )
        return [f"{self.free('mesh')} = {made}"] if self.meshed else []

    def cut(self, value: str) -> str:
        """Return the words for a value laid out over the mesh, cut along its first axis."""
        return f"jax.device_put({value}, jax.NamedSharding({self.mesh()}, jax.P('parts')))"

    # -- the rest

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(self.data(self.value(step.read)))

    def offered(self, name: str) -> str:
        """Ask the top-level package, one attribute after another."""
        parts = ["flax", *name.split(".")]
        return " and ".join(f"hasattr({'.'.join(parts[:end])}, {parts[end]!r})" for end in range(1, len(parts)))

    def scope_mode(
        self, reuse: Reuse | Literal["inherited"] | None, outer: Reuse | Literal["inherited"] | None
    ) -> Reuse | Literal["inherited"] | None:
        """Return a scope's reuse flag, or `inherited` where only a scope around it has one."""
        if reuse is None or reuse is False:
            return None if outer is None else "inherited"
        return reuse

    def outside_functions(self) -> None:
        """Refuse layers where a function or a loop would make one anew each time."""
        if self.frames:
            raise Unsupported(
                "In Flax a layer is made once, before the function that calls it; a function that made one would make another at each call."
            )
