"""Layers and modules: objects that live while a transformed function runs, noted until it is written."""

import ast
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Fill, Lack, Names, Unsupported, expr, literal, name, statements, text
from canireuse.program import Object, Slot
from canireuse.spec.vocabulary import Call, Layer, Module, Wrap
from canireuse_adapters.haiku.frames import Known
from canireuse_adapters.haiku.scopes import within
from canireuse_adapters.haiku.transforms import unbind

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

#: what is noted until the function is written that it stands in
MAKERS = (Layer, Wrap, Module)
#: kind of layer -> the default name that Haiku derives from the class
DEFAULT_NAMES = {"dense": "linear", "embedding": "embed", "norm": "batch_norm", "cell": "cell"}
#: kind of layer -> part -> the module below the layer's own, and the name there
LAYERS = {
    "dense": {"kernel": Slot("w"), "bias": Slot("b")},
    "embedding": {"kernel": Slot("embeddings")},
    "norm": {
        "kernel": Slot("scale"), "bias": Slot("offset"),
        "mean": Slot("~.mean_ema.average", kind="buffer"), "var": Slot("~.var_ema.average", kind="buffer"),
    },
    "cell": {"kernel": Slot("input_to_hidden.w"), "bias": Slot("input_to_hidden.b"), "recurrent": Slot("hidden_to_hidden.w")},
}  # fmt: skip
#: kind of layer -> the code that makes it, what they call the start of its bias, and what they say where there is none
MAKE: dict[str, tuple[str, str, dict[str, Fill]]] = {
    "dense": ("hk.Linear($units, $**bias, w_init=$kernel)", "b_init", {"with_bias": False}),
    "embedding": ("hk.Embed($inputs, $units, w_init=$kernel)", "", {}),
    "norm": (
        "hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9, eps=1e-3, scale_init=$kernel, $**bias)", "offset_init", {},
    ),
    "cell": ("Cell($units, $kernel, $recurrent, $**bias)", "bias", {}),
}  # fmt: skip
CELL = """\
class Cell(hk.RNNCore):
    def __init__(self, units, kernel, recurrent, bias=None, name=None):
        super().__init__(name)
        self.units, self.kernel, self.recurrent, self.bias = units, kernel, recurrent, bias

    def __call__(self, inputs, hidden):
        moved = hk.Linear(self.units, self.bias is not None, self.kernel, self.bias, name='input_to_hidden')(inputs)
        kept = hk.Linear(self.units, False, self.recurrent, name='hidden_to_hidden')(hidden)
        hidden = jnp.tanh(moved + kept)
        return hidden, hidden

    def initial_state(self, batch_size):
        return jnp.zeros([batch_size, self.units])
"""


@dataclass
class Net:
    """How functions make a layer or a module, and what applies it."""

    word: str
    #: the code that makes a layer, up to its name; none of a module, which is made of layers
    make: ast.expr | None = None
    #: an input of the right shape
    sample: ast.expr | None = None
    #: the scope that a layer was made in, and the path that it got, in Haiku's words
    scope: tuple[str, ...] = ()
    path: str = ""
    #: the trees that its parameters and its state are in
    trees: tuple[str, str] = ("params", "state")
    #: the contexts around its calls
    around: tuple[ast.expr, ...] = ()
    #: part -> where the layer's own variable was, and the contexts that hand out another in its place
    handed: dict[str, tuple[tuple[str, ...], tuple[ast.expr, ...]]] = field(default_factory=dict)
    #: the code for the function that applies it, and whether that keeps state
    function: ast.expr | None = None
    keeps: bool = False
    #: the function that made the model
    builder: Known | None = None


def note(haiku: "Haiku", step: Layer | Wrap | Module) -> None:
    """Note a layer, a way to call one, or a module, for the function that is to make it."""
    for place in step.members.values() if isinstance(step, Module) else ():
        if haiku.symbols.at(place) not in haiku.nets:
            haiku.spot(place)
    haiku.effect(step)
    word = step.binding or ""
    net, made = Net(word), haiku.symbols.names[word]
    if isinstance(step, Layer):
        net.make, net.sample = constructed(haiku, step)
        net.scope, net.trees = haiku.symbols.scope.path, (haiku.models.get(word, "params"), "state")
        if step.layer == "norm":
            made.parts.setdefault("bias", Object("variable", made=step, part="bias"))
    else:
        inside = {haiku.nets[one].trees for one in made.walk() if one in haiku.nets}
        trees = {one.path[0] for one in haiku.entries_of(made) if one.path[0] not in net.trees}
        net.trees = inside.pop() if inside else (trees.pop(), "state") if trees else net.trees
        if inside or trees - {*net.trees}:
            raise Unsupported(
                "A Haiku function is applied to one tree of parameters; these members have theirs in two."
            )
    haiku.nets[made] = net
    haiku.frame.pending.append(made)


def kind_of(owner: Object) -> str:
    """Return which kind of layer this is, which kind of wrapper, or `module`."""
    made = owner.made
    return made.layer if isinstance(made, Layer) else made.inside if isinstance(made, Wrap) else "module"


def constructed(haiku: "Haiku", step: Layer) -> tuple[ast.expr, ast.expr]:
    """Return the code that makes a layer, and an input of the right shape."""
    code, option, none = MAKE[step.layer]
    if step.layer == "cell":
        haiku.idiom("`hk.VanillaRNN` applies relu, so a core with tanh is a subclass of `hk.RNNCore`.")
    kernel, recurrent = haiku.initializer(step.kernel), haiku.initializer(step.recurrent)
    bias = none if step.bias is None else {option: haiku.initializer(step.bias)}
    made = expr(code, inputs=step.inputs, units=step.units, kernel=kernel, recurrent=recurrent, bias=bias)
    sample = "jnp.zeros([1], int)" if step.layer == "embedding" else "jnp.zeros([1, $inputs])"
    return made, expr(sample, inputs=step.inputs)


# -- the functions that make and apply them


def declare(haiku: "Haiku") -> None:
    """Write a function for what was noted, one for each tree, and have its `init` make the variables."""
    pending, haiku.frame.pending = haiku.frame.pending, []
    nets = haiku.nets
    for tree in dict.fromkeys(nets[one].trees[0] for one in pending):
        noted = [one for one in pending if nets[one].trees[0] == tree]
        fresh = [one for one in noted if nets[one].make]
        called = [one for one in noted if one.only_layers()]
        known = [
            one for top in [*namesakes(haiku, fresh), *called] for one in layers_of(haiku, top) if one not in fresh
        ]
        needed = [*dict.fromkeys(known), *fresh]  # names are given in the order in which layers are made
        with haiku.symbols.at_path(()):
            for one in dict.fromkeys(known):
                haiku.symbols.free(nets[one].path)
            for one in fresh:
                settle(haiku, one, tree)
        if called:
            write(haiku, called, needed, fresh)


def namesakes(haiku: "Haiku", fresh: list[Object]) -> list[Object]:
    """Return the layers made before that a function with new ones of their names makes too, so that these are numbered."""
    if haiku.way.get("layer") == "transforms-apart":
        return []
    nets = haiku.nets
    names = {(name_of(one), nets[one].scope) for one in fresh}
    made = [one for one in made_layers(haiku) if one not in fresh and nets[one].trees[0] == "params"]
    return [one for one in made if (name_of(one), nets[one].scope) in names]


def made_layers(haiku: "Haiku") -> list[Object]:
    """Return all layers that there are."""
    return [one for one in haiku.symbols.objects() if one in haiku.nets and haiku.nets[one].make]


def name_of(layer: Object) -> str:
    """Return the name that a layer is made with: the one given, or the default one."""
    return (layer.made.name if isinstance(layer.made, Layer) else None) or DEFAULT_NAMES[kind_of(layer)]


def layers_of(haiku: "Haiku", owner: Object) -> list[Object]:
    """Return the layers inside that functions make, each once."""
    return list(dict.fromkeys(one for one in owner.walk() if one in haiku.nets and haiku.nets[one].make))


def settle(haiku: "Haiku", layer: Object, tree: str) -> None:
    """Give a layer that is made for the first time the path that Haiku gives it, and its variables theirs."""
    net = haiku.nets[layer]
    with haiku.symbols.at_path(net.scope) if net.scope else nullcontext():
        net.path = "/".join(haiku.symbols.free(name_of(layer)))
    for part, one in layer.parts.items():
        slot = layer.slot(part)
        *below, word = slot.attribute.split(".")
        one.path = ("state" if slot.kind == "buffer" else tree, "/".join((net.path, *below)), word)


def stateful(owner: Object) -> bool:
    """Return whether a call reads and writes state."""
    return any(kind_of(one) == "norm" for one in owner.walk() if one.is_owner)


def constructor(haiku: "Haiku", layer: Object, fresh: Sequence[Object]) -> ast.expr:
    """Return the code that makes a layer: with the name it was given, or, when made again, the one it got."""
    path, made = haiku.nets[layer].path, haiku.nets[layer].make
    assert isinstance(made, ast.Call)
    assert isinstance(layer.made, Layer)
    named: list[ast.expr] = [text(path)]
    if "/" in path:
        named = [expr("hk.force_name('$path')", path=path)]
    elif layer in fresh:
        named = [text(layer.made.name)] if layer.made.name else []
    return ast.Call(made.func, made.args, [*made.keywords, *(ast.keyword("name", one) for one in named)])


def write(haiku: "Haiku", called: list[Object], needed: list[Object], fresh: Sequence[Object] = ()) -> None:
    """Write a function that makes layers: one for several of them and modules, each of which can be applied by itself, or for one alone."""
    first, keeps = haiku.nets[called[0]], any(map(stateful, called))
    alone = len(called) == 1 and len(needed) == max(1, len(layers_of(haiku, called[0])))
    word = haiku.function_name(first.word, own=True) if alone else haiku.function_name("net")
    body: Body = []
    made: dict[str, str] = {}
    for layer in needed:  # two of one name are one object
        net = haiku.nets[layer]
        again = made.get(net.path) if layer not in fresh else None
        body += statements("$word = $made", word=net.word, made=again or constructor(haiku, layer, fresh))
        made.setdefault(net.path, net.word)
    sample: list[Fill] = []
    if alone:
        sample = [first.sample or haiku.nets[needed[0]].sample, *([expr("True")] if keeps else [])]
        body += [*calls(haiku, called[0]), *statements("return inputs")]
        if plainly(haiku, called[0]):
            made_here = constructor(haiku, called[0], fresh)
            body = statements("return $call", call=call_of(haiku, called[0], made=made_here))
    else:
        names: dict[str, ast.expr] = {}
        for owner in called:
            net = haiku.nets[owner]
            inner = f"call_{net.word}" if net.make and not plainly(haiku, owner) else net.word
            names[net.word] = name(inner)
            if not plainly(haiku, owner):
                inside = [*calls(haiku, owner), *statements("return inputs")]
                body += statements(f"def $inner({inputs(owner)}):\n    $*inside", inner=inner, inside=inside)
        calling: list[ast.AST] = [call_of(haiku, one, haiku.nets[one].sample, expr("True")) for one in fresh]
        code = "def make(*_):\n    $*calling\nreturn make, {$**names}"
        body += statements(code, calling=calling or [ast.Pass()], names=names)
        unbind(body, Names(body).read)
    haiku.body += haiku.transformed(word, body, own=inputs(called[0]) if alone else "", stateful=keeps, multi=not alone)
    for owner in called:
        apply = "$word.apply" if alone else "$word.apply['$owner']"
        haiku.nets[owner].function = expr(apply, word=word, owner=haiku.nets[owner].word)
        haiku.nets[owner].keeps = keeps
    haiku.defined[word] = Known(word, "net", stateful=keeps)
    if fresh:
        init = expr("$word.init($key, $*sample)", word=word, key=haiku.key(), sample=sample)
        haiku.body += haiku.initialised(init, stateful=keeps, tree=first.trees[0])


def plainly(haiku: "Haiku", owner: Object) -> bool:
    """Return whether an owner is a layer that is called as it is."""
    net = haiku.nets[owner]
    return net.make is not None and not net.around and kind_of(owner) != "cell"


def inputs(owner: Object) -> str:
    """Return what a function that applies an owner takes."""
    return "inputs, is_training" if stateful(owner) else "inputs"


def calls(haiku: "Haiku", owner: Object) -> Body:
    """Return the calls of what is inside, one after the other."""
    if kind_of(owner) == "module":
        return [one for member in owner.parts.values() if member.is_owner for one in calls(haiku, member)]
    body = statements("inputs = $call", call=call_of(haiku, owner))
    contexts = [context for one in owner.walk() if one in haiku.nets for context in haiku.nets[one].around]
    return within(list(dict.fromkeys(contexts)), body)


def call_of(
    haiku: "Haiku", owner: Object, on: Fill = None, training: Fill = None, made: ast.expr | None = None
) -> ast.expr:
    """Return the code for the call of a layer inside a function: of its name there, or of the code that makes it."""
    inner = next((one for one in owner.parts.values() if one.is_owner), owner)
    kind = kind_of(owner) + ("/norm" if inner is not owner and kind_of(inner) == "norm" else "")
    code = {
        "norm": "$layer($on, $training)",
        "cell": "$layer($on, $layer.initial_state($on.shape[0]))[0]",
        "rnn": "hk.dynamic_unroll($inner, $on, $inner.initial_state($on.shape[0]), time_major=False)[0]",
        "time_distributed": "hk.BatchApply($inner)($on)",
        "time_distributed/norm": "hk.BatchApply($inner)($on, $training)",
    }  # fmt: skip
    return expr(
        code.get(kind, "$layer($on)"), layer=made or haiku.nets[owner].word, inner=haiku.nets[inner].word,
        on=on or expr("inputs"), training=training or expr("is_training"),
    )  # fmt: skip


def call(haiku: "Haiku", step: Call) -> None:
    """Apply a layer or module to the parameters."""
    owner = haiku.symbols.at(step.call)
    if owner is None or owner not in haiku.nets or not owner.only_layers():
        raise Unsupported("A Haiku module that gets parameters itself says in its own code what a call computes.")
    net = haiku.nets[owner]
    if net.function is None:
        write(haiku, [owner], layers_of(haiku, owner))
    given = {tree: name(tree) for tree in net.trees}
    for path, value in step.given.items():
        misspelt = owner.kind == "layer" and "." not in path and path not in owner.parts
        if misspelt:  # it stands beside the others
            tree, module, word = (*next(iter(owner.parts.values())).path[:2], path)
        else:
            tree, module, word = haiku.spot(f"{step.call}.{path}").path
        handed = haiku.row(f"{step.call}.{path}", haiku.new_value(value), "$value[None]")
        merged = "hk.data_structures.merge($tree, {'$module': {'$word': $value}})"
        given[tree] = expr(merged, tree=given[tree], module=module, word=word, value=handed)
    params, state = given.values()
    flag = [literal(step.training)] if stateful(owner) else []
    taken = [params, *([state] if net.keeps else []), literal(None), haiku.expression(step.on), *flag]
    code = expr("$function($*taken)", function=net.function, taken=taken)
    if not (net.keeps and step.training and flag):
        haiku.bind_here(step.as_, expr("$code[0]" if net.keeps else "$code", code=code))
        return
    if haiku.in_function:
        raise Unsupported(
            "Under `jax.jit` and `jax.grad` a norm's new state is a result of its own; this project has no words yet that take it out."
        )
    haiku.emit("$to, $state = $code", to=step.as_ or "_", state=net.trees[1], code=code)


LACKS = (
    Lack("layer", lambda haiku, _: haiku.in_function or haiku.frame.is_body or haiku.frame.loops,
        "A Haiku layer is made anew inside each run of a transformed function and finds its parameters by name; "
        "`init` makes them once, before the function that applies it."),
    Lack("wrap", lambda _, step: step.inside == "bidirectional",
        "Haiku has no bidirectional wrapper: users unroll two cores and turn the time of one around."),
    Lack("wrap", lambda haiku, step: (kind_of(haiku.owner(step.wrap)) == "cell") != (step.inside == "rnn"),
        "`hk.dynamic_unroll` runs a core over time, and no other layer."),
)  # fmt: skip
CODE: Code = {"call": call, "layer": note, "wrap": note, "module": note}
