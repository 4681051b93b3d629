"""What the adapters on JAX say alike: arithmetic, devices, optimizers of Optax, and what JAX has no words for."""

import ast
from collections.abc import Iterable, Mapping
from typing import ClassVar

from canireuse.emit import (
    Body,
    Code,
    Emitter,
    Fill,
    Lack,
    Script,
    Unsupported,
    attribute,
    expr,
    literal,
    name,
    node,
    text,
)
from canireuse.program import Object
from canireuse.spec.model import Spec
from canireuse.spec.step import Array, Drawn, Initial
from canireuse.spec.vocabulary import Expect, Freeze, Layer, Optimizer, Scan, Train, walk
from canireuse_adapters.captured import WAYS, is_asked_again
from canireuse_adapters.kinds import NAME_ALONE, NO_LIST_BY_NAME

#: how an array says that a compiled step was given its memory
DELETED = tuple(
    (kind, r"^Array has been deleted|Buffer has been deleted or donated")
    for kind in ("RuntimeError", "ValueError", "JaxRuntimeError")
)
ERRORS = {
    "shape_mismatch": (
        (
            "TypeError",
            r"requires contracting dimensions|got incompatible shapes|matmul input operand|^cannot reshape array of shape|requires arguments to have",
        ),
        (
            "ValueError",
            r"Incompatible (types|shapes) for broadcasting|Inconsistent batch axis sizes|got inconsistent sizes for array axes",
        ),
    ),
    "bad_argument": (
        ("TypeError", r"^JAX arrays are immutable"),
        ("ValueError", r"^output array is read-only|^Non-hashable static arguments"),
        ("RuntimeError", r"^Unknown backend: 'gpu' requested"),
    ),
}
MISSING = {
    "graph": "JAX has no graph to build in: arithmetic runs at once, or is traced by a transformation.",
    "placeholder": "JAX has no placeholders: what is given later is an argument of a function.",
    "reuse_variables": "Flax has no reuse mode that an open scope could be switched to.",
    "penalties": "JAX's module libraries collect no regularization terms: a loss adds them up itself.",
    "penalty": "JAX's module libraries collect no regularization terms: a loss adds them up itself.",
    "get.penalty": "No module library of JAX takes a regularizer with a variable: a loss adds its terms up itself.",
    "layer.activity": "No layer of JAX's module libraries takes a regularizer of its output: a loss adds the term up itself.",
    "layer.penalty": "No layer of JAX's module libraries takes a regularizer: a loss adds its terms up itself.",
    "get.partitions": "JAX cuts no variable into parts that are variables: one array may be sharded over devices, see `shard`.",
    "expect.under": NO_LIST_BY_NAME,
    "get.asks": NAME_ALONE,
    "layer.padding": "The embeddings of JAX's module libraries have no row for padding: users mask what is looked up.",
    "layer.keras": "JAX's module libraries have no layers of Keras beside its own.",
    "thread.outside": "JAX has no graph that a thread would have to enter.",
    "get.local": "JAX has no list of local variables that saving and training leave out: both are given what they are to take.",
}
#: what scripts say of the paths of a tree -> the first version that has it
SINCE_OF_PATHS = {
    "jax.tree.leaves_with_path": "jax>=0.4.38", "jax.tree_util.keystr(simple=_, separator=_)": "jax>=0.5.1",
}  # fmt: skip
#: what scripts ask Optax -> the first version that has it
SINCE_OF_OPTAX = {"optax.tree": "optax>=0.2.5"}
#: what XLA is told so that the CPU counts as two devices
TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
#: kind of optimizer -> what Optax calls the state that it keeps for each variable
MOMENTS = {"sgd": "trace", "momentum": "trace", "adam": "mu", "adamw": "mu"}
#: what a tie is to survive, beside copies: where a spec asks that, ways that share nothing in the first place have no answer
SURVIVED = frozenset({"save", "restore", "replace", "scan", "optimizer"})


#: which keys layers are made with that draw their start: users choose them, and one key draws one row of numbers
KEYS = ("keys-apart", "one-key")
#: an optimizer over a list that has one array twice
TWICE = Lack(
    "optimizer",
    lambda _, step: not isinstance(step.over, str) and len(set(step.over)) < len(step.over),
    "A list that has one array twice is two leaves for Optax, each with a state of its own: `[w, w]` is two arrays after a step on "
    "the first (0.9 and 1.0 from 1.0), and neither of them is the one in the model.",
)
EACH_SHAPE = "JAX compiles for each shape: no option of `jax.jit` leaves a length open."
OPEN_SHAPES = Lack("function", lambda _, step: step.traced == "relaxed", EACH_SHAPE)
#: the path of a leaf, as a text
PATH = "jax.tree_util.keystr(path)"
#: what marks a script whose mask leaves out what was frozen
MASKED = "JAX has no call that freezes: a mask, made with the optimizer, leaves out what is frozen."
#: Why a spec that freezes needs a mask in its script: without one, nothing in the script could be seen to be frozen.
NO_MASK = (
    "No array of JAX says that it is frozen: what is frozen is left out by a mask, where an optimizer is made, "
    "and here none is made of what was frozen."
)


def draws_twice(spec: Spec) -> bool:
    """Return whether several layers draw what they start from, and it is asked what that is."""
    steps = list(walk(spec.steps))
    drawn = [step for step in steps if isinstance(step, Layer) and isinstance(step.kernel, str)]
    return len(drawn) > 1 and any(isinstance(step, Expect) and step.value for step in steps)


def asks_what_survives(spec: Spec) -> bool:
    """Return whether a spec asks what becomes of a tie, not how one is made."""
    steps = walk(spec.steps)
    return any(
        step.verb in SURVIVED or step.on_devices or step.binds == "copy" or getattr(step, "abstract", False)
        for step in steps
    )


class Jax(Emitter):
    """The words of JAX; an adapter of a module library adds how variables are kept."""

    family = "jax"
    ways: ClassVar[Mapping[str, tuple[str, ...]]] = WAYS
    packages: ClassVar[tuple[str, ...]] = ("flax", "jax", "jaxlib", "optax")
    install = "pip install flax optax"
    functions = {
        "tanh": "jnp.tanh($x)", "relu": "jax.nn.relu($x)", "sigmoid": "jax.nn.sigmoid($x)", "exp": "jnp.exp($x)",
        "log": "jnp.log($x)", "square": "jnp.square($x)", "sum": "jnp.sum($x)", "mean": "jnp.mean($x)",
        "transpose": "jnp.transpose($x)", "softmax": "jax.nn.softmax($x)",
        "stop_gradient": "jax.lax.stop_gradient($x)", "ones": "jnp.ones([$*x])",
        "gather_nd": "$x[jnp.array($rows), jnp.array($columns)]",
    }  # fmt: skip
    missing = MISSING
    environ = {**TWO_DEVICES, "JAX_TRACEBACK_FILTERING": "off"}  # an error then says that it came through jax
    fences = {"cpu": "jax.block_until_ready", "gpu": "jax.block_until_ready"}
    array_code = "jnp.array($x)"
    head = {device: f"jax.config.update('jax_default_device', jax.devices('{device}')[0])" for device in ("cpu", "gpu")}
    code: ClassVar[Code] = {
        "read": "$read_data",
        "name_scope": "with jax.named_scope('$name_scope'):\n    $*body",
    }
    #: the module that has initializers
    library: ClassVar[str] = "nn"

    def translate(self, spec: Spec) -> Script:
        """Return the script; one that freezes says so in a mask."""
        script = super().translate(spec)
        if MASKED not in script.idioms and any(isinstance(step, Freeze) for step in self.facts.steps):
            raise Unsupported(NO_MASK)
        return script

    def masked(self, left_out: Iterable[Object]) -> None:
        """Note that a mask was written that leaves out what was frozen, if it does."""
        if any(one.frozen for one in left_out):
            self.idiom(MASKED)

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Leave out functions where to be given the variables and to capture them are alike, and layers whose keys matter to nothing."""
        told_apart = {"function": is_asked_again, "layer": draws_twice}
        return [verb for verb in super().verbs_with_ways(spec) if verb not in told_apart or told_apart[verb](spec)]

    @classmethod
    def probe(cls, device: str) -> str:
        """Make an array on the device and ask it where it is."""
        return (
            "import jax\nimport jax.numpy as jnp\n\n"
            f"jax.config.update('jax_default_device', jax.devices({device!r})[0])\n"
            "where = next(iter(jnp.ones([1]).devices()))\n"
            "observe('device', f'{where.platform}:{where.id} {where.device_kind}')\n"
        )

    # -- values

    def new_value(self, to: str | Array) -> ast.expr:
        """Return the code for a value that is written into a variable: an array."""
        return self.expression(to) if isinstance(to, str) else self.array(literal(to))

    def initial(self, init: Initial | None, shape: list[int] | None, dtype: str | None) -> ast.expr:
        """Return the array that a variable starts from, if that is not random."""
        kind = [text(dtype)] if dtype else []
        if init is None:
            raise Unsupported(
                "An array is made from numbers: JAX has no value that a variable would start from when none is given."
            )
        if isinstance(init, list):
            return expr("jnp.array($init, $*kind)", init=init, kind=kind)
        value = literal(init if dtype or isinstance(init, str) else float(init))
        code = "jnp.full($shape, $init, $*kind)" if shape else "jnp.array($init, $*kind)"
        return expr(code, shape=shape, init=value, kind=kind)

    def initializer(self, init: Drawn) -> ast.expr:
        """Return the initializer of a layer's variable."""
        initializers = attribute(name(self.library), ["initializers"])
        if init == "shared-initializer":
            return expr("initializer")
        if init == "random":
            return expr("$initializers.normal()", initializers=initializers)
        return expr("$initializers.constant($x)", initializers=initializers, x=self.expression(init))

    # -- optimizers

    def optax(self, step: Train | Optimizer) -> ast.expr:
        """Return the optimizer as Optax makes it; one of several rates is made of several, by labels of the paths."""
        if isinstance(step, Train) or not step.rates:
            return self.chain(step, step.rate)
        words = [place.rpartition(".")[2] for place in step.over]
        label = f"lambda path, _: next((word for word in $first if word in {PATH}), '$last')"
        code = f"optax.multi_transform({{$**made}}, lambda params: jax.tree_util.tree_map_with_path({label}, params))"
        made = {word: self.chain(step, rate) for word, rate in zip(words, step.rates, strict=True)}
        return expr(code, made=made, first=literal(words[:-1]), last=words[-1])

    def chain(self, step: Train | Optimizer, rate: float) -> ast.expr:
        """Return an optimizer of one rate: clipping and classic weight decay are links of a chain before it."""
        kind = step.train if isinstance(step, Train) else step.kind
        decay, clip = (step.decay, step.clip) if isinstance(step, Optimizer) else (None, None)
        mask: dict[str, Fill] = {}
        if isinstance(step, Optimizer) and step.undecayed:
            decays = f"lambda path, _: not any(word in {PATH} for word in $words)"
            code = f"lambda params: jax.tree_util.tree_map_with_path({decays}, params)"
            mask = {"mask": expr(code, words=literal(step.undecayed))}
        options: dict[str, Fill] = {"momentum": 0.9} if kind == "momentum" else {}
        if kind == "adamw" and decay is not None:
            options, decay = {"weight_decay": decay, **mask}, None
        made = expr(f"optax.{'sgd' if kind == 'momentum' else kind}($rate, $**options)", rate=rate, options=options)
        links = [] if clip is None else [expr("optax.clip_by_global_norm($x)", x=clip)]
        links += [] if decay is None else [expr("optax.add_decayed_weights($x, $**mask)", x=decay, mask=mask)]
        return expr("optax.chain($*links)", links=[*links, made]) if links else made

    def slot_count(self, kind: str, state: Fill) -> ast.expr:
        """Return the code for how many variables an optimizer's state holds moments for."""
        return expr("len(jax.tree.leaves(optax.tree.get($state, '$moment')))", state=state, moment=MOMENTS[kind])

    # -- loops and devices

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once."""
        turn = self.own("turn")
        with self.apart() as body:
            self.steps(step.steps)
            self.emit("return $to", to=self.expression(step.to))
        self.emit(
            "def $turn(_, $carried):\n    $*body\n$carried = jax.lax.fori_loop(0, $times, $turn, $carried)",
            turn=turn, carried=step.scan, body=body, times=step.times,
        )  # fmt: skip

    def device_code(self, index: int) -> ast.expr:
        """Return the code for a device."""
        return expr("jax.devices('$device')[$index]", device=self.device, index=index)

    def fence(self, body: Body) -> ast.expr | None:
        """Wait for the arrays that a measured loop binds: a call returns before they are computed.

        A device computes in the order in which it was told to, so what the last turn bound is ready when all turns are done.
        """
        made = [name(one) for one in self.awaited(body)]
        if not made:
            return None
        return expr("lambda: jax.block_until_ready($made)", made=made[0] if len(made) == 1 else node(tuple(made)))

    def awaited(self, body: Body) -> list[str]:
        """Return the names that the statements of a loop bind."""
        targets = [target for one in body if isinstance(one, ast.Assign) for target in one.targets]
        return list(dict.fromkeys(at.id for target in targets for at in ast.walk(target) if isinstance(at, ast.Name)))
