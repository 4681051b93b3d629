"""Measured loops in Haiku, a tree of parameters for each model, and what is observed of trees."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Reads, Unsupported, expr, name, statements
from canireuse.program import places_of
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Compute, Expect, Get, Layer, Measure, NameScope, Optimizer, Repeat, Variable, walk
from canireuse_adapters.haiku.checkpoints import tupled
from canireuse_adapters.haiku.frames import Reader
from canireuse_adapters.haiku.functions import looks_up
from canireuse_adapters.haiku.layers import MAKERS
from canireuse_adapters.haiku.learning import slots
from canireuse_adapters.haiku.paths import SCOPES, TOP, finds
from canireuse_adapters.haiku.transforms import transformed_steps

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

BY_NAME = (Get, Variable, *SCOPES, NameScope, Repeat)
NOT_BESIDE = (
    "What is timed with names in Haiku is an `init` or an `apply` alone: other steps beside them stand in the function "
    "that is transformed."
)


def hoist(haiku: "Haiku", step: Measure) -> None:
    """Write what a measured loop initialises or applies above the loop, which holds nothing but the call."""
    inside = list(walk(step.steps))
    for one in inside:
        known = haiku.function_of(one)
        if known is not None and known.kind in {"body", "transformed"}:
            if known.kind == "body" or not (known.ready or (known.step and looks_up(known.step))):
                raise Unsupported(NOT_BESIDE)
            known.compiled = haiku.own(f"compiled_{known.word}")
            haiku.emit("$compiled = jax.jit($word.apply)", compiled=known.compiled, word=known.word)
    if not any(isinstance(one, Get | Variable) for one in inside):
        return
    if not all(isinstance(one, BY_NAME) for one in inside):
        raise Unsupported(NOT_BESIDE)
    if all(map(finds, step.steps)):
        finder(haiku, step)
        return
    if step.fresh:
        start_afresh(haiku)
    with haiku.apart() as above:
        drawn = haiku.key()
        made, _ = transformed_steps(haiku, step.steps, expr("key"), returns=False)
    haiku.body += above
    if not haiku.frame.hoisted:
        haiku.emit("key = $drawn", drawn=drawn)
    haiku.frame.hoisted[id(step)] = made


def start_afresh(haiku: "Haiku") -> None:
    """Forget what there was: each `init` returns a tree of its own."""
    haiku.symbols.names = {word: one for word, one in haiku.symbols.names.items() if not haiku.has_entry(one)}
    haiku.symbols.found = {}
    haiku.frames[0].bound -= {"params", "state"}


def finder(haiku: "Haiku", step: Measure) -> None:
    """Write a function that looks up what is got inside, and note the line that applies it."""
    word = haiku.function_name("find")
    with haiku.function_frame("body", haiku.symbols.scope.path, looking=True) as frame:
        frame.timed = True
        haiku.steps(step.steps)
    bound = list(dict.fromkeys(one.as_ for one in walk(step.steps) if isinstance(one, Get | Variable) and one.as_))
    names = [name(one) for one in bound]
    body = [*frame.body, *(statements("return $names", names=tupled(names)) if names else [])]
    haiku.body += haiku.transformed(word, body, stateful=frame.stateful)
    code = haiku.applied(Reader(word, stateful=frame.stateful), "params")
    line = "$names = $code" if names else "$code"
    haiku.frame.hoisted[id(step)] = statements(line, names=tupled(names) if names else None, code=code)


def measure(haiku: "Haiku", step: Measure) -> None:
    """Write the loop that the host turns and times; where names are looked up, nothing is computed that could be waited for."""
    hoisted = haiku.frame.hoisted.get(id(step))
    if hoisted is None:
        haiku.measure(step)
        return
    more: dict[str, Fill] = {"size": step.size} if step.size else {}
    fence = None if all(map(finds, step.steps)) else haiku.fence(hoisted)
    more |= {} if fence is None else {"fence": fence}
    haiku.emit("for _ in measure('$label', $**more):\n    $*body", label=step.measure, more=more, body=hoisted)


# -- a tree for each model


def models_of(spec: Spec) -> dict[str, str]:
    """Return the tree of each layer where there are several models that no step uses together.

    Where a spec speaks of all that there is in one tree, nothing is parted.
    """
    steps = list(walk(spec.steps))
    if not any(isinstance(step, Measure) for step in steps) or any(map(of_one_tree, steps)):
        return {}
    layers = [step.as_ for step in steps if isinstance(step, Layer)]
    owners = {step.binding or "" for step in steps if isinstance(step, (*MAKERS, Optimizer))}
    model = {name: {name} for name in owners}
    for step in spec.steps:
        if isinstance(step, Layer | Expect | Compute):
            continue
        read = {place.partition(".")[0] for one in walk([step]) for place in places_of(one)}
        together = (read | {one.binding or "" for one in walk([step])}) & owners
        joined = set[str]().union(*(model[name] for name in together))
        model |= dict.fromkeys(joined, joined)
    of_one = list(dict.fromkeys(tuple(name for name in layers if name in model[layer]) for layer in layers))
    largest = max(of_one, key=len, default=())
    if largest == tuple(layers):
        return {}
    return {name: "params" if names is largest else f"{names[0]}_params" for names in of_one for name in names}


def of_one_tree(step: Step) -> bool:
    """Return whether a step is worded for one tree of everything: by name, in the state, or as a list of all."""
    if isinstance(step, Expect):
        return step.kind in {"variables", "trainable", "names"} and step.inside is None
    return step.verb in {"get", "variable", "reinitialize"} or (isinstance(step, Layer) and step.layer == "norm")


# -- observations


def everything(haiku: "Haiku", inside: str | None, *, trained: bool = False) -> list[ast.expr]:
    """Return the parts of the trees that an owner or a scope holds, or all of them; of what is trained, the parameters."""
    found = haiku.symbols.at(inside) if inside else None
    if inside and (found is None or found.kind != "scope"):
        owner = haiku.owner(inside)
        parts = [haiku.part(haiku.entries_of(owner), tree) for tree in haiku.trees_of(owner)]
        return parts[:1] if trained else parts
    trees = [
        name(one) for one in ("params", "state") if one == "params" or (one in haiku.frames[0].bound and not trained)
    ]
    path = "/".join(found.path) if found else ""
    if path in {"", TOP}:
        return trees
    haiku.idiom("A scope keeps no list: what it holds is filtered out of the tree by its path.")
    code = "hk.data_structures.filter(lambda module, *_: f'{module}/'.startswith('$path'), $tree)"
    return [expr(code, path=f"{path}/", tree=tree) for tree in trees]


def listed(haiku: "Haiku", step: Expect) -> ast.expr:
    """Return how many leaves the tree has."""
    frozen = any(one.frozen or (not one.trainable and one.kind == "variable") for one in haiku.entries().values())
    trained = step.kind == "trainable"
    if trained and frozen:
        raise Unsupported("Haiku has no flag on a parameter: what is frozen, only the user's own filter knows.")
    return expr("len(jax.tree.leaves($parts))", parts=tupled(everything(haiku, step.inside, trained=trained)))


def names_in(haiku: "Haiku", step: Expect) -> ast.expr:
    """Return the paths in the tree."""
    parts = everything(haiku, step.inside)
    whole = parts[0] if len(parts) == 1 else expr("hk.data_structures.merge($*parts)", parts=parts)
    code = "sorted(f'{module}/{name}' for module, name, _ in hk.data_structures.traverse($whole))"
    return expr(code, whole=whole)


def path_of(haiku: "Haiku", step: Expect) -> ast.expr:
    """Return the path under which the tree has an array."""
    haiku.idiom("An array knows no name: its path is found by going through the tree.")
    place = step.name or ""
    code = "next(f'{module}/{name}' for module, name, value in hk.data_structures.traverse($tree) if value is $array)"
    return expr(code, tree=haiku.spot(place).path[0], array=haiku.place(place))


def size_of(haiku: "Haiku", step: Expect) -> ast.expr:
    """Have Haiku add up the elements, or the bytes, of the parameters."""
    owner = haiku.owner(step.elements or step.parameter_bytes or "")
    tree = haiku.part(haiku.entries_of(owner), haiku.nets[owner].trees[0])
    return expr(f"hk.data_structures.tree_{'size' if step.elements else 'bytes'}($tree)", tree=tree)


def slot_bytes(haiku: "Haiku", step: Expect) -> ast.expr:
    """Have Haiku add up the bytes of the optimizer's state, the count of its steps included."""
    return expr("hk.data_structures.tree_bytes($state)", state=haiku.optimizers[step.slot_bytes or ""].moments)


def traces(_haiku: "Haiku", step: Expect) -> ast.expr:
    """Return how often Python ran the body of a function."""
    return expr("len($counter)", counter=f"traces_of_{step.traces}")


CODE: Code = {"measure": measure}
READS: Reads = {
    "variables": listed, "trainable": listed, "names": names_in, "name": path_of, "elements": size_of,
    "parameter_bytes": size_of, "slot_bytes": slot_bytes, "slots": slots, "traces": traces,
    "value": "$value", "shape": "list($shape_value.shape)", "dtype": "str($dtype_value.dtype)",
    "checkpoint_bytes": "len($checkpoint_bytes)",
}  # fmt: skip
