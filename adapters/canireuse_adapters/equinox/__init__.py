"""Equinox: models are trees of arrays; a model with other arrays is another model, bound to the same name."""

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from canireuse.emit import Body, Code, Fill, Names, Unsupported, attribute, expr, statements
from canireuse.program import Object, Slot, free_names
from canireuse.spec import expression
from canireuse.spec.model import Spec
from canireuse.spec.step import Array, Step
from canireuse.spec.vocabulary import Assign, Call, Expect, Function, Layer, Module, Scan, Tie, Variable, walk
from canireuse_adapters.equinox import checkpoints, functions, layers, learning, measuring, modules
from canireuse_adapters.equinox.places import (
    STATISTICS,
    TREES,
    Spot,
    Tensor,
    around,
    buffers,
    inside,
    is_floating,
    numbers,
    shape_of,
    spelled,
    value_of,
)
from canireuse_adapters.jax import (
    DELETED,
    ERRORS,
    KEYS,
    MISSING,
    OPEN_SHAPES,
    SINCE_OF_OPTAX,
    SINCE_OF_PATHS,
    TWICE,
    Jax,
    asks_what_survives,
)
from canireuse_adapters.training import training_of

BY_NAME = "Equinox has no scopes and no lookup by name: a variable is a field of a module, and is reached as an attribute of it."
CODE: Code = {
    **Jax.code, **layers.CODE, **modules.CODE, **checkpoints.CODE, **learning.CODE, **functions.CODE,
}  # fmt: skip


def moves(step: Step) -> bool:
    """Return whether a step puts a tree into another, or makes a tree of one: its words and its effect are one, bit by bit."""
    return step.verb in modules.CODE or step.binds == "copy"


class Frame(NamedTuple):
    """A function that is being written: plain, traced, loss or loop; and what names stood for outside."""

    kind: str
    outside: dict[str, Object]


class Equinox(Jax):
    """Words a spec in Equinox."""

    name = "equinox"
    title = "Equinox"
    about = "Models as trees of arrays, for JAX: an array in two places is two variables, unless `eqx.nn.Shared` keeps one leaf for both."
    packages = ("equinox", "jax", "jaxlib", "optax")
    install = "pip install equinox optax"
    since = {**SINCE_OF_PATHS, **SINCE_OF_OPTAX}
    modules = ("equinox",)
    imports = "import equinox as eqx\nimport jax\nimport jax.numpy as jnp\nimport optax"
    ways = {**Jax.ways, "copy": ("tree-map", "deepcopy"), "layer": KEYS}
    options = frozenset({
        "call.given", "copy.shallow", "save.only", "save.in_memory", "restore.partial", "gradient.remat", "invoke.abstract", "layer.unnamed", "layer.shared_initializer", "layer.norm", "call.training", "train_by.donate", "optimizer.rates", "optimizer.undecayed", "optimizer.named",
    })  # fmt: skip
    errors = {
        "sharing_refused": (
            ("TypeError", r"abstract array.* type <class 'equinox.nn._shared"),
            ("JaxRuntimeError", "donate the same buffer twice"),
        ),
        "uninitialized": (
            ("AttributeError", r"^'ShapeDtypeStruct' object"),
            ("TypeError", r"ShapeDtypeStruct"),
            *DELETED,
        ),
        "bad_argument": (
            ("ValueError", r"^pytree structure error|[Cc]ustom node"),
            ("FrozenInstanceError", ""),
            ("TypeError", r"^unsupported operand type\(s\) for \*: 'float' and 'NoneType'"),
            *ERRORS["bad_argument"],
        ),
        "dtype_mismatch": (("RuntimeError", r"^Deserialised leaf .* has changed dtype"),),
        "not_found": (
            ("AttributeError", r"^'\w+' object has no attribute"),
            ("TreePathError", ""),
        ),
        "shape_mismatch": (
            ("ValueError", r"^Every node being shared together must have the same"),
            ("RuntimeError", r"^Deserialised leaf .* has changed shape"),
            *ERRORS["shape_mismatch"],
        ),
    }
    missing = {
        **MISSING,
        "collection": "Equinox has no collections of variables: what belongs together is a tree of its own.",
        **dict.fromkeys(("scope", "default_scope", "reenter", "current_scope", "get"), BY_NAME),
        "reuse_variables": "Equinox has no reuse mode: what has a module uses its variables again, and what has none makes its own.",
        "intercept": "Equinox has no getter that something could be put before: an attribute of a module is what the field holds.",
        "wrap": "Equinox has no layers that call another over time: users write `jax.lax.scan` over a cell, or `jax.vmap` over steps.",
        "layer.lazy": "A layer of Equinox makes its arrays where it is made, and has to be told the size of its input.",
        "layer.cell": "Equinox has `GRUCell` and `LSTMCell`, and no plain recurrent cell.",
        "function.template": "Equinox has no templates: what a function made is kept by who called it, and handed to the next call.",
    }
    code: ClassVar[Code] = CODE
    preamble = {"initializer": "initializer = jax.nn.initializers.normal()"}
    layers = {
        "dense": {"kernel": Slot("weight", transposed=True)},
        "embedding": {"kernel": Slot("weight")},
        "norm": {"kernel": Slot("weight"), **dict.fromkeys(("mean", "var"), Slot("", kind="buffer"))},
    }
    reads = measuring.READS
    effects = {**learning.EFFECTS, "restore": checkpoints.restored}
    lacks = (TWICE, OPEN_SHAPES, measuring.NO_PATH)
    lost = "What a function makes is its own: another part of the program has what the function returns."

    nesting = ("frames",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: the functions that are being written, the innermost last
        self.frames: list[Frame] = []
        #: the functions that are there
        self.known: dict[str, functions.Known] = {}
        #: by the name of an optimizer, or by the number of a training step whose optimizer is made above a function
        self.optimizers: dict[str | int, learning.Optimized] = {}
        #: the classes of modules that the script defines, by the number of the step
        self.classes: dict[int, ast.ClassDef] = {}
        #: owners, each with a part that gave its leaf up, which somebody froze: the filter has no leaf there
        self.nowhere: set[tuple[Object, str]] = set()
        #: the names of trees that were put on devices
        self.spread: set[str] = set()

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways, and for a spec that shares both ways to do so."""
        combinations = super().ways_of(spec)
        steps = list(walk(spec.steps))
        ties = any(isinstance(step, Tie) for step in steps)
        handed = [place for step in steps if isinstance(step, Module) for place in step.members.values()]
        if not ties and len(set(handed)) == len(handed):
            return combinations
        survives = asks_what_survives(spec)
        verb = "tie" if ties else "module"
        return [{**made, verb: way} for made in combinations for way in ("same-array", "shared")[survives:]]

    @property
    def sharing(self) -> bool:
        """Whether what is handed to several is put into `eqx.nn.Shared`."""
        return "shared" in {self.way.get("tie"), self.way.get("module")}

    def above(self, body: Body) -> Body:
        """Define the script's modules above all steps, and make what it draws with."""
        if "keys" in Names(body).free:
            body = [*statements("keys = iter(jax.random.split(jax.random.key(0), 100))"), *body]
        return super().above([*{id(one): one for one in self.classes.values()}.values(), *body])

    # -- where things are

    def locate(self, place: str) -> Spot:
        """Return where a place is: in the tree that holds what its name stands for, which may be another's part by now."""
        first, *rest = place.split(".")
        wanted = self.symbols.names.get(first)
        if not wanted or wanted.kind == "dropped":
            raise Unsupported(self.lost)
        spot = self.outermost(Spot(first, wanted))
        return spot._replace(route=(*spot.route, *rest))

    def outermost(self, spot: Spot) -> Spot:
        """Return where something is in the tree that is a part of no other."""
        trees = {top: tree for top, tree in self.symbols.names.items() if tree.kind in TREES and tree is not spot.tree}
        ways = (Spot(top, tree, (*way, *spot.route)) for top, tree in trees.items() for way in tree.routes(spot.tree))
        found = next(ways, None)
        return self.outermost(found) if found else spot

    def tree(self, place: str) -> Object | None:
        """Return what stands at a place, if that is a tree or an array of one."""
        found = self.locate(place).found
        return found if found and found.kind in TREES else None

    def state_of(self, one: Object | None) -> str | None:
        """Return the name of the `eqx.nn.State` that has the running statistics of norms inside."""
        states = {top: state.parts.values() for top, state in self.symbols.names.items() if state.kind == "state"}
        return next((top for top, kept in states.items() if not buffers(one).keys().isdisjoint(kept)), None)

    # -- words

    def whole(self, place: str) -> ast.expr:
        """Return the code for a tree as it is kept, `eqx.nn.Shared` around it or not."""
        spot = self.locate(place)
        if spot.found is None or spot.found.kind != "buffer":
            return spot.code
        return expr("$state.get($key)[$index]", index=STATISTICS.index(spot.route[-1]), **self.state_and_key(spot))

    def place(self, place: str) -> ast.expr:
        """Return the code for what stands at a place; of a tied tree, what it is with everything in its place."""
        return spelled(self.whole(place), around(self.locate(place).found))

    def value(self, place: str) -> ast.expr:
        """Return an array laid out as [inputs, units]."""
        return self.turned(self.place(place), self.locate(place).slot.transposed)

    @staticmethod
    def turned(code: ast.expr, turn: bool) -> ast.expr:
        """Return an array, or its transpose."""
        return attribute(code, ["T"]) if turn else code

    def state_and_key(self, spot: Spot) -> dict[str, Fill]:
        """Return the state that has a running statistic, and the key there."""
        state, norm = self.state_of(spot.found), spot._replace(route=spot.route[:-1])
        if state is None:
            raise Unsupported("What follows a model here is its tree; running statistics are in the state beside it.")
        return {"state": state, "key": spelled(norm.code, (*around(norm.found), "batch_state_index"))}

    def looked_into(self, step: Expect) -> dict[str, Fill]:
        """Return what fills the holes of a reading."""
        return super().looked_into(step) | measuring.holes(self, step)

    # -- writing

    def pure_only(self, doing: str) -> None:
        """Refuse what a function under a transformation cannot do."""
        if any(frame.kind == "loss" for frame in self.frames):
            raise Unsupported(f"A loss that is differentiated is a pure function of its parameters; it cannot {doing}.")

    def writing(self) -> None:
        """Refuse to bind trees anew where a function is pure."""
        self.pure_only("write variables")
        if any(frame.kind == "loop" for frame in self.frames):
            raise Unsupported(
                "The body of `jax.lax.fori_loop` is a pure function of what is carried: a variable that it changes would have to be carried too."
            )

    def put(self, spot: Spot, value: Fill) -> None:
        """Bind a tree's name to a tree with something else in one place."""
        self.writing()
        if spot.found and spot.found.kind == "buffer":
            fills = self.state_and_key(spot)
            both: list[Fill] = [expr("$state.get($key)[$index]", index=index, **fills) for index in (0, 1)]
            both[STATISTICS.index(spot.route[-1])] = value
            self.emit("$state = $state.set($key, ($*both,))", both=both, **fills)
        elif spot.route:
            if spot.leaf != spot:
                self.idiom(
                    "`eqx.nn.Shared` keeps one leaf for both places: what is written is that one, whichever is meant."
                )
            where = spelled(spot.name, spot.leaf.path, leaf=True)
            code = "$tree = eqx.tree_at(lambda $tree: $where, $tree, $value)"
            self.emit(code, tree=spot.name, where=where, value=value)
        else:
            self.bind(spot.name, value)

    def assign(self, step: Assign) -> None:
        """Put another array in a place."""
        spot, to = self.locate(step.assign), step.to
        found = spot.leaf.found
        floating = found is None or is_floating(found)
        parsed = expression.parse(to) if isinstance(to, str) else None
        to = numbers(parsed.value if isinstance(parsed, ast.Constant) else to, floating=floating)
        if isinstance(to, int | float):
            self.put(spot, expr("jnp.full_like($place, $x)", place=self.place(step.assign), x=to))
        else:
            self.put(spot, self.turned(self.new_value(to), spot.transposed))

    def increment(self, place: str) -> None:
        """Write one more."""
        spot = self.locate(place)
        self.put(spot, expr("$x + 1", x=self.turned(self.place(place), spot.transposed != spot.slot.transposed)))

    # -- functions that are being written

    @contextmanager
    def framed(self, kind: str, takes: Sequence[str] = ()) -> Iterator[Body]:
        """Collect the body of a function."""
        outside = {one: found for one, found in self.symbols.names.items() if one not in takes}
        with self.apart() as body:
            self.frames.append(Frame(kind, outside))
            yield body
            self.frames.pop()

    def outer(self, top: str) -> bool:
        """Return whether a name was bound outside of the function that is being written, and still stands for the same."""
        return bool(self.frames) and self.frames[-1].outside.get(top) is self.symbols.names.get(top)

    def rebound(self, steps: Sequence[Step], takes: Sequence[str] = ()) -> list[str]:
        """Return the tensors from outside that a body reads and then binds its own value to: a function takes them."""
        outside = self.frames[-1].outside
        return [one for one in free_names(steps, takes) if one in outside and outside[one].kind == "tensor"]

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once; its body changes nothing but what is carried."""
        self.frames.append(Frame("loop", dict(self.symbols.names)))
        super().scan(step)
        self.frames.pop()

    # -- steps and their effects

    def emit_verb(self, step: Step) -> None:
        """Emit one step; where its words come with its effect, put all back, since that comes after."""
        if not moves(step):
            super().emit_verb(step)
            return
        before = self.symbols.standing()
        super().emit_verb(step)
        self.symbols.put_back(before)

    def handed(self, step: Step) -> None:
        """Have the trees that a function takes be values by themselves, as they were when it was written."""
        known = self.known.get(step.function) if isinstance(step, Function) else None
        if any(one.verb in {"gradient", "train", "update"} for one in walk([step])):
            return  # to differentiate by a value in which a tie is undone is no gradient of what is tied
        for one, slots in known.takes.items() if known else ():
            found = self.locate(one).found
            if found and len(around(found)) >= len(inside(slots)):  # else the body calls what no `Shared` is around
                handed = found.again(dict(found.parts))  # a value by itself, of whichever tree it is a part by now
                handed.slots, self.symbols.names[one] = dict(slots), handed

    def effect(self, step: Step) -> None:
        """Have the effect of a step: what is handed on is a value, and another name for it holds other variables."""
        if moves(step):
            with self.apart():
                super().emit_verb(step)
            return
        axes, symbols = self.axes_of(step), self.symbols
        if not isinstance(step, Scan):  # what is carried stays what it is
            super().effect(step)
        made = symbols.names.get(step.binding or "")
        if made is None or not step.binding:
            return
        if isinstance(step, Layer | Variable):
            self.start(step, made)
        elif isinstance(step, Function) and id(training_of(step)) in self.optimizers:
            symbols.names["state"] = Object("state")
        elif step.verb in {"invoke", "thread"}:
            symbols.names[step.binding] = value_of(made)
        elif made.kind == "tensor" and axes is not None:
            symbols.names[step.binding] = Tensor("tensor", axes=axes)

    def start(self, step: Layer | Variable, made: Object) -> None:
        """Note what is not trained, and where running statistics are; a norm has a bias in any case."""
        if isinstance(step, Layer) and step.layer == "norm":
            made.parts.setdefault("bias", Object("variable", made=step, part="bias", trainable=step.trainable))
            self.symbols.names[self.own(f"{step.as_}_state")] = Object(
                "state", {one: made.parts[one] for one in STATISTICS}
            )
        for one in made.variables():
            one.frozen = not one.trainable

    # -- axes

    def axes_of(self, step: Step) -> int | None:
        """Return how many axes the tensor has that a step makes; None if it is not known."""
        if isinstance(step, Call):
            return layers.depth(self, step) + 1
        said = {"compute": "compute", "gradient": "wrt", "vectorize": "over"}.get(step.verb)
        return self.axes(getattr(step, said).rpartition("=")[2]) if said else None

    def axes(self, value: str | Array) -> int | None:
        """Return the number of axes of an expression, None if it is not known."""
        return self.axes_at(expression.parse(value)) if isinstance(value, str) else len(shape_of(value))

    def axes_at(self, at: ast.expr) -> int | None:  # noqa: C901, PLR0911  # one case a kind of node
        """Return the number of axes of a part of an expression."""
        match at:
            case ast.Constant():
                return 0
            case ast.List():
                return len(shape_of(ast.literal_eval(at)))
            case ast.Name():
                found = self.symbols.names.get(at.id)
                return found.axes if isinstance(found, Tensor) else None
            case ast.Call(func=ast.Name(id="sum" | "mean")):
                return 0
            case ast.Call(func=ast.Name(id="ones"), args=sizes):
                return len(sizes)
            case ast.Call(func=ast.Name(id="gather_nd")):
                return 1
            case ast.Call(args=[argument]) | ast.UnaryOp(operand=argument):
                return self.axes_at(argument)
            case ast.Subscript(value=inner):
                axes = self.axes_at(inner)
                return None if axes is None else axes - 1
            case ast.BinOp(left=left, op=operator, right=right):
                both = [self.axes_at(left), self.axes_at(right)]
                if isinstance(operator, ast.MatMult):
                    return both[0]
                return max((one for one in both if one is not None), default=None)
        return None
