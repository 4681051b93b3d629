"""Making: steps that make variables, layers, modules and scopes, and that put one in another's place."""

from canireuse.fuzz.writing import MOST_INSIDE, PAIR, Said, Writing, dtype_of, shape_of
from canireuse.program import Object
from canireuse.spec.vocabulary import Layer

SHAPES = ((2, 2), PAIR)
#: how many scopes are open in one another
DEEPEST = 3
#: names that `get` asks for: few, so that many are asked for again
NAMES = ("a", "b", "c")


def variable(w: Writing) -> None:
    """Construct a variable."""
    shape = w.pick(SHAPES)
    name = w.pick(NAMES) if w.contract == "by-name" else w.fresh("v")
    given: Said = {"shape": list(shape), "init": w.number()} if w.chance(40) else {"init": w.values(shape)}
    collection = "kept" if w.contract == "by-name" and w.chance(10) else None
    trainable = False if w.chance(8) else None
    pairs = [place for place, one in w.named().items() if dtype_of(one) == "float32" and shape_of(one) == PAIR]
    if pairs and not w.open and w.chance(25):
        w.add(variable=name, start=f"0.5 * {w.pick(pairs)}", trainable=trainable, as_=w.fresh("var"))
        return
    w.add(variable=name, **given, trainable=trainable, collection=collection, as_=w.fresh("var"))


def layer(w: Writing) -> None:
    """Construct a layer; inside a scope a variable, since a layer is made where it is first called, and none once values are there."""
    if w.open:
        get(w)
    if w.open or w.initialized:
        return
    kind = w.pick(("dense", "dense", "dense", "embedding"))
    kernel = w.number() if w.chance(15) else w.values((2, 2))
    bias = None if kind == "embedding" or not w.chance(50) else w.values((2,))
    w.add(
        layer=kind, name=w.fresh("layer") if w.contract == "sharing" else None, inputs=2, units=2, kernel=kernel, bias=bias,
        trainable=False if w.chance(8) else None, as_=w.fresh("net"),
    )  # fmt: skip


def module(w: Writing) -> None:
    """Put things together that have names of their own, one of them twice now and then."""
    known = {**w.owners(top=True), **{place: one for place, one in w.places().items() if "." not in place}}
    known = {place: one for place, one in known.items() if one.extent()[0] < MOST_INSIDE // 2}
    if w.contract == "sharing" or w.chance(60):  # what can be called is made of layers alone
        known = {place: one for place, one in known.items() if one.is_owner and one.only_layers()} or known
    if not known or w.open:
        layer(w)
        return
    members: dict[str, str] = {}
    for part in ("first", "second", "third")[: w.pick((2, 2, 3, 1))]:
        others = [one for one in known if one not in members.values()]
        members[part] = w.pick([*known] if w.chance(30) else others or [*known])
    w.add(module=w.fresh("module"), members=members)


def tie(w: Writing) -> None:
    """Have a place of an owner hold what stands at another place."""
    places = w.places()
    pairs = [
        (tied, to)
        for tied, one in places.items()
        for to, other in places.items()
        if "." in tied and one is not other and shape_of(one) == shape_of(other) and fits(w, tied, other)
    ]
    # what a layer gives up before variables are initialized was made on some frameworks, and is listed; on others it never is
    if not pairs or w.open or (w.contract == "by-name" and not w.initialized):
        layer(w)
        return
    tied, to = w.pick(pairs)
    w.add(tie=tied, to=to)


def fits(w: Writing, place: str, variable: Object) -> bool:
    """Return whether a variable is laid out as a place has it: of an embedding and a dense layer, some frameworks keep one transposed."""
    owner, _ = w.symbols.above(place)
    kinds = {one.made.layer for one in (owner, variable) if one and isinstance(one.made, Layer)}
    return len(kinds) < len(("dense", "embedding"))


def replace(w: Writing) -> None:
    """Put something else of the same kind in a member's place."""
    modules = {place: one for place, one in w.owners().items() if one.kind == "module"}
    tops = {**w.owners(top=True), **{place: one for place, one in w.places().items() if "." not in place}}
    pairs = [
        (f"{place}.{part}", by)
        for place, owner in modules.items()
        for part, held in owner.parts.items()
        for by, other in tops.items()
        if held is not other and alike(held, other) and not other.holds(owner)
    ]
    if pairs:
        place, by = w.pick(pairs)
        w.add(replace=place, by=by)


def alike(one: Object, other: Object) -> bool:
    """Return whether one may stand where the other does: layers of a kind, variables of a shape, modules with the same parts."""
    if one.kind != other.kind or one.parts.keys() != other.parts.keys():
        return False
    if isinstance(one.made, Layer) and isinstance(other.made, Layer) and one.made.layer != other.made.layer:
        return False
    if one.kind == "variable":
        return shape_of(one) == shape_of(other)
    return all(alike(one.parts[part], other.parts[part]) for part in one.parts)


# -- by name


def get(w: Writing) -> None:
    """Get a variable by name: what there is says whether it is made, found or refused."""
    name, reuse, init = w.pick(NAMES), *w.around
    shape, dtype = w.pick(((2,), (2,), (2,), (2,), (2, 2))), w.pick((None, None, None, None, None, None, "int32"))
    path = (*w.symbols.scope.path, name)
    found = w.by_name.get(path)
    if found:
        shape, dtype = found[0], None if found[1] == "float32" else found[1]
        if w.chance(30):
            shape, dtype = w.pick((((3,), dtype), (shape, None if dtype else "int32")))
    # what variables of a scope start from is said in floats
    own = init is None or dtype is not None or w.chance(30)
    given = {"shape": list(shape), "init": w.pick((1, 2, -1, 3)) if own else None, "dtype": dtype}
    if dtype is None and w.chance(20):
        given = {"init": w.values(shape)}
    more = {
        "trainable": False if w.chance(10) else None, "collection": "kept" if w.chance(10) else None, "penalty": 0.5 if w.chance(30) and dtype is None else None,
    }  # fmt: skip
    kind = refusal(found, reuse, shape if "shape" in given else None, dtype or "float32")
    if kind:
        w.add(get=name, **given, **more, raises=kind, expect=w.label())
        return
    w.by_name.setdefault(path, (shape, dtype or "float32"))
    w.add(get=name, **given, **more, as_=w.fresh("var"))


def refusal(
    found: tuple[tuple[int, ...], str] | None, reuse: bool | str, shape: tuple[int, ...] | None, dtype: str
) -> str | None:
    """Return how `get` is refused, None if it is not."""
    if found is None:
        return "not_found" if reuse is True else None
    if reuse is False:
        return "already_exists"
    if shape is not None and shape != found[0]:
        return "shape_mismatch"
    return "dtype_mismatch" if dtype != found[1] else None


def scope(w: Writing) -> None:
    """Open a scope by name."""
    if len(w.open) == DEEPEST:
        leave(w)
    reuse = w.pick((None, True, "auto", None, False))
    init = w.pick((1, 2)) if w.chance(15) else None
    w.enter(scope=w.pick(("tower", "head")), reuse=reuse, init=init, as_=w.fresh("scope"))


def reenter(w: Writing) -> None:
    """Enter a scope again that was opened before."""
    if not w.scopes or len(w.open) == DEEPEST:
        scope(w)
        return
    reuse = w.pick((True, None, "auto"))
    w.enter(reenter=w.pick([*w.scopes]), reuse=reuse, as_=w.fresh("scope"))


def default_scope(w: Writing) -> None:
    """Open a scope under a name made unique."""
    if len(w.open) == DEEPEST:
        leave(w)
    w.enter(default_scope=w.pick(("tower", "block")), as_=w.fresh("scope"))


def name_scope(w: Writing) -> None:
    """Open a scope for names alone."""
    if len(w.open) == DEEPEST:
        leave(w)
    w.enter(name_scope=w.pick(("tower", "ops")))


def intercept(w: Writing) -> None:
    """Get a variable with a getter around that hands out something else."""
    reuse, path = w.around[0], (*w.symbols.scope.path, "a")
    if refusal(w.by_name.get(path), reuse, (2,), "float32"):
        scope(w)
        return
    w.by_name.setdefault(path, ((2,), "float32"))
    tensor, got = w.fresh("got"), {"get": "a", "shape": [2], "init": 1.0}
    w.add(intercept="raw", returns="2 * raw", steps=[{**got, "as": tensor}])
    w.symbols.names[tensor] = Object("tensor")
    w.tensors[tensor] = (2,)


def odd_flag(w: Writing) -> None:
    """Open a scope with a reuse flag that is none."""
    w.add(
        scope="tower", reuse=w.pick(({"text": "yes"}, {"number": 1})), steps=[], raises="bad_argument", expect=w.label()
    )


def graph(w: Writing) -> None:
    """Build in another graph, in which nothing is known of the first."""
    if w.open:
        return
    name, init = w.pick(NAMES), w.number()
    there = w.fresh("there")
    inner = [{"get": name, "shape": [2], "init": init, "as": there}, {"expect": w.label(), "names": ["all"]}]
    w.add(graph=w.fresh("graph"), steps=inner)
    w.symbols.names.pop(there)


def leave(w: Writing) -> None:
    """Leave the scope that was opened last, if one is open."""
    if w.open:
        w.leave()


def reuse_variables(w: Writing) -> None:
    """Switch an open scope to looking up."""
    named = [one for one in w.open if "as" in one.step]
    if not named or named[-1] is not w.open[-1]:
        scope(w)
        return
    named[-1].reuse = True
    w.add(reuse_variables=named[-1].step["as"])
    w.scopes[named[-1].step["as"]] = True, named[-1].init


def read(w: Writing) -> None:
    """Read a variable that has no value yet."""
    if places := w.named():
        w.add(read=w.pick([*places]), raises="uninitialized", expect=w.label())
