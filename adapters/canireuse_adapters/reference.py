"""The reference model: the contract without a framework, in pure Python."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from canireuse.emit import Body, Emitter, Fill, Lack, Script, Unsupported, expr, literal, name, statements, text
from canireuse.program import free_names
from canireuse.spec.model import Spec
from canireuse.spec.step import OddFlag
from canireuse.spec.vocabulary import (
    Assign,
    Block,
    Call,
    DefaultScope,
    Function,
    Get,
    Gradient,
    Invoke,
    Module,
    Optimizer,
    Reenter,
    Replace,
    Scan,
    Scope,
    ScopeOptions,
    Step,
    Train,
    Update,
    Variable,
)

KINDS = {
    "already_exists": "AlreadyExists", "not_found": "NotFound", "shape_mismatch": "ShapeMismatch", "dtype_mismatch": "DtypeMismatch",
    "bad_argument": "BadArgument", "uninitialized": "Uninitialized", "not_trainable": "NotTrainable", "sharing_refused": "SharingRefused",
}  # fmt: skip
FUNCTIONS = ("tanh", "relu", "sigmoid", "exp", "log", "square", "sum", "mean", "transpose", "softmax", "stop_gradient")
#: numbers that a layer may hold: products take plain Python a fifth of a microsecond for each
MOST_NUMBERS = 4096


class Reference(Emitter):
    """What the contract itself answers."""

    name = "reference"
    title = "Reference model"
    about = "A small pure-Python model of the contract, without a framework; it predicts every observation the contract covers."
    install = "nothing: it is part of canireuse"
    imports = "from canireuse.contract import Model, tape"
    functions = {
        **{function: f"tape.{function}($x)" for function in FUNCTIONS},
        "ones": "tape.ones($*x)",
        "gather_nd": "tape.gather_nd($x, $pairs)",
    }
    errors = {kind: ((name, ""),) for kind, name in KINDS.items()}
    options = frozenset({
        *(f"{verb}.{option}" for verb in ("scope", "default_scope", "reenter") for option in ("init", "dtype", "penalty", "auxiliary_name_scope")),
        "get.penalty", "get.local", "get.numbered", "get.asks", "get.shape_as", "layer.penalty", "layer.lazy", "layer.unnamed", "layer.shared_initializer", "call.given", "copy.shallow", "save.only", "save.in_memory", "restore.partial",
        "gradient.remat", "remat.nested", "function.template", "invoke.abstract", "measure.fresh", "train_by.donate", "optimizer.rates", "optimizer.undecayed", "optimizer.named",
    })  # fmt: skip
    missing = {
        "get.uniform": "The contract does not cover from which distribution a random start is drawn.",
        "get.partitions": "The contract does not cover in how many parts a variable is kept.",
        "layer.norm": "The contract does not cover normalization: what a layer keeps besides its weights is a matter of each framework.",
        "layer.cell": "The contract does not cover what a framework's layers do with a cell.",
        "wrap": "The contract does not cover what a framework's layers do with a layer that is put into them.",
        "offers": "The contract does not cover what a framework's package offers.",
        "checkpoint_bytes": "The contract does not cover how many bytes a checkpoint takes: files have heads and forms of their own.",
        "traces": "The contract does not cover how often a function is traced: a traced function behaves as the Python function.",
    }
    lacks = (
        Lack(
            "layer", lambda _, step: step.inputs * step.units > MOST_NUMBERS,
            "The model computes in plain Python, for which layers of this size take minutes: see the specs with small ones.",
        ),
        Lack(
            "replace", lambda _, step: "." not in step.replace,
            "A name of the script is no place: a member of a module is replaced.",
        ),
    )  # fmt: skip
    code = {
        "name_scope": "with model.name_scope('$name_scope'):\n    $*body",
        "reuse_variables": "$reuse_variables.reuse_variables()",
        "current_scope": "$current_scope = model.current_scope()",
        "intercept": "with model.intercept(lambda $intercept: $returns):\n    $*body",
        "placeholder": "$placeholder = model.placeholder('$placeholder', $shape, '$dtype')",
        "graph": "with model.graph():\n    $*body",
        "initialize": "model.initialize()",
        "read": "model.value($read)",
        "layer": "$as = model.layer('$layer', '$name', inputs=$inputs, units=$units, kernel='$kernel', $**given)",
        "tie": "$tie = $to",
        "copy": "$as = model.copy($copy, $**given)",
        "freeze": "model.freeze($freeze)",
        "unfreeze": "model.unfreeze($unfreeze)",
        "save": "$to = model.save($save, $**given)",
        "restore": "model.restore($restore, $from, $**given)",
    }
    keywords = {
        **dict.fromkeys(
            ("scope", "default_scope", "reenter"), ("reuse", "init", "dtype", "penalty", "auxiliary_name_scope")
        ),
        "get": ("shape", "dtype", "init", "trainable", "collection", "reuse", "penalty", "local"),
        "variable": ("shape", "dtype", "trainable", "collection"),
        "layer": ("bias", "penalty", "trainable"),
        "optimizer": ("decay", "clip", "rates", "undecayed"),
        "copy": ("shallow",),
        "save": ("only",),
        "restore": ("partial",),
    }
    reads = {
        "name": "$name.name", "dtype": "$dtype.dtype",
        "variables": "len(model.variables($*within))", "trainable": "len(model.trainable($*within))",
        "frozen": "len(model.variables($*within)) - len(model.trainable($*within))",
        "names": "model.names($*within)", "paths": "model.paths($paths, $holder)", "slots": "$slots.slots",
        "elements": "model.elements($elements)", "parameter_bytes": "model.parameter_bytes($parameter_bytes)",
        "slot_bytes": "$slot_bytes.slot_bytes", "penalties": "len(model.penalties($*within))",
        "penalty": "model.value(model.penalty($*within))", "collection": "len(model.collection('$collection'))",
    }  # fmt: skip
    array_code, data_code = "tape.constant($x)", "model.value($x)"

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script; what is a framework's own feature is outside the contract."""
        if spec.contract == "none":
            raise Unsupported("The contract does not cover this: it is a matter of each framework.")
        return super().translate(spec)

    def above(self, body: Body) -> Body:
        """Make a model: deferred where the spec speaks of initialization, else with values at once."""
        deferred = any(step.verb == "initialize" or step.raises == "uninitialized" for step in self.facts.steps)
        options = {} if deferred else {"immediate": True}
        return super().above([*statements("model = Model($**options)", options=options), *body])

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a variable; the model refuses any device but the CPU."""
        return (
            f"{cls.imports}\nmodel = Model(device={device!r})\nvariable = model.get('probe', shape=[1], init=1.0)\n"
            "model.initialize()\nmodel.value(variable)\nobserve('device', model.device)\n"
        )

    # -- scopes and variables

    def argument(self, step: Step, field: str, value: Any) -> ast.expr:
        """Say a reuse flag as it is given."""
        if field != "reuse":
            return super().argument(step, field, value)
        if isinstance(value, OddFlag):
            return name(value.tensor) if value.tensor else literal(value.number if value.text is None else value.text)
        return expr("Model.AUTO") if value == "auto" else literal(value)

    def scope(self, step: Scope) -> None:
        """Open a scope by name."""
        self.open_scope(step, [text(step.scope)])

    def reenter(self, step: Reenter) -> None:
        """Open a scope again by the object that stands for it."""
        self.open_scope(step, [name(step.reenter)])

    def default_scope(self, step: DefaultScope) -> None:
        """Open a scope under a name made unique."""
        self.open_scope(step, [text(step.default_scope)], {"unique": True})

    def open_scope(self, step: ScopeOptions, where: list[Fill], unique: Mapping[str, Fill] = {}) -> None:
        """Open a scope, with what holds inside."""
        opening = "with model.scope($*where, $**options)" + (" as $as:" if step.as_ else ":")
        self.fill(f"{opening}\n    $*body", step, where=where, options={**unique, **self.given(step)})

    def get(self, step: Get) -> None:
        """Get a variable, or one after the other."""
        if step.numbered is None:
            self.bind(step.as_, expr("model.get('$get', $**given)", get=step.get, given=self.given(step)))
            return
        numbered = ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
        code = "[model.get($name, $**given) for number in range($times)]"
        self.bind(step.as_, expr(code, name=numbered, given=self.given(step), times=step.numbered))

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        said = self.given(step)
        said["init"] = literal(step.init) if step.start is None else self.expression(step.start)
        given = {field: said[field] for field in ("shape", "dtype", "init", "trainable", "collection") if field in said}
        self.bind(step.as_, expr("model.variable('$name', $**given)", name=step.variable, given=given))

    def assign(self, step: Assign) -> None:
        """Assign numbers, or what an expression is worth."""
        value = self.expression(step.to) if isinstance(step.to, str) else literal(step.to)
        self.emit("$variable.assign($value)", variable=self.place(step.assign), value=value)

    def increment(self, place: str) -> None:
        """Add one."""
        self.emit("$variable.assign($variable + 1)", variable=self.place(place))

    def start_afresh(self) -> None:
        """Go on in an empty graph."""
        self.emit("model.start_afresh()")

    # -- owners

    def call(self, step: Call) -> None:
        """Call a layer or a module."""
        called = self.place(step.call)
        if step.given:
            values = {place: self.expression(value) for place, value in step.given.items()}
            called = expr("model.given($owner, {$**values})", owner=called, values=values)
        self.bind(step.as_, expr("$called($on)", called=called, on=self.expression(step.on)))

    def module(self, step: Module) -> None:
        """Put members together."""
        members = {member: self.place(place) for member, place in step.members.items()}
        self.emit("$module = model.module($**members)", module=step.module, members=members)

    def replace(self, step: Replace) -> None:
        """Put something else in a member's place."""
        owner, _, part = step.replace.rpartition(".")
        self.emit("model.replace($owner, '$part', $by)", owner=self.place(owner), part=part, by=self.place(step.by))

    # -- functions, loops and learning

    def define(
        self, function: str, step: Block, takes: Sequence[str] = (), returns: str | None = None, *, traced: bool = False
    ) -> None:
        """Write a function; what it binds is its own, so that names bound outside and rebound inside are handed in."""
        rebound = [one for one in free_names(step.steps, takes) if one in self.symbols.names]
        with self.apart() as body:
            self.steps(step.steps)
            if returns:
                self.emit("return $value", value=self.expression(returns))
        self.emit(
            ("@model.traced\n" if traced else "") + "def $function($*taken):\n    $*body",
            function=function, taken=[*takes, *((one, name(one)) for one in rebound)], body=body,
        )  # fmt: skip

    def function(self, step: Function) -> None:
        """Define a Python function: to the contract, a traced one is no other."""
        self.define(step.function, step, step.takes, step.returns, traced=bool(step.traced))
        if step.template:
            self.emit("$function = model.template('$function', $function)", function=step.function)

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        given = [self.expression(one) for one in step.given]
        self.bind(step.as_, expr("$function($*given)", function=step.invoke, given=given))

    def gradient(self, step: Gradient) -> None:
        """Differentiate a scalar; steps that lead up to it stand in a function, so that what they bind is their own."""
        scalar = expr("loss()") if step.steps else self.expression(step.of)
        if step.steps:
            self.define("loss", step, (), step.of)
        self.emit("$to = tape.gradient($scalar, $wrt)", to=step.gradient, scalar=scalar, wrt=self.place(step.wrt))

    def owned(self, over: str | list[str]) -> ast.expr:
        """Return the code for what is trained."""
        return self.place(over) if isinstance(over, str) else expr("[$*over]", over=[self.place(one) for one in over])

    def train(self, step: Train) -> None:
        """Minimize a scalar."""
        self.define("loss", step, (), step.minimize)
        self.emit(
            "model.train('$kind', loss, $over, rate=$rate, $**times)",
            kind=step.train, over=self.owned(step.wrt), rate=step.rate, times=several(step.times),
        )  # fmt: skip

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer."""
        self.fill(
            "$optimizer = model.optimizer('$kind', $owned, rate=$rate, $**given)", step, owned=self.owned(step.over)
        )

    def update(self, step: Update) -> None:
        """Take steps with an optimizer; a function leads up to each scalar."""
        losses = step.losses
        names = ["loss"] if len(losses) == 1 else [self.own(f"loss_{number}") for number, _ in enumerate(losses, 1)]
        for function, loss in zip(names, losses, strict=True):
            self.define(function, step, (), loss)
        self.emit(
            "model.update($optimizer, $*losses, $**times)",
            optimizer=step.update,
            losses=names,
            times=several(step.times),
        )

    def scan(self, step: Scan) -> None:
        """Carry a value from turn to turn."""
        turn = self.own(f"{step.scan}_turn")
        self.define(turn, step, [step.scan], step.to)
        self.turns(step.times, statements("$carried = $turn($carried)", carried=step.scan, turn=turn))


def several(times: int) -> dict[str, Fill]:
    """Return the argument that says how often, where it is more than once."""
    return {"times": times} if times > 1 else {}
