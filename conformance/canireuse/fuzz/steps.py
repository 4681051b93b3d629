"""Steps that act on what was made: writes, calls, learning, copies, checkpoints, functions, and observations."""

from typing import Any

from canireuse.fuzz.writing import Said, Writing, shape_of, trains
from canireuse.program import Object
from canireuse.spec.bounds import LONGEST_EXPRESSION
from canireuse.spec.vocabulary import Layer

#: the shape of what can be multiplied with itself
SQUARE = (2, 2)
INPUT = [[1.0, 0.5]]
#: what losses draw variables to: no number of steps leads there exactly, where the direction of Adam is that of rounding
TARGET = 0.28125
#: how far numbers may be apart: float32 in another order, through several steps
CLOSE = 1e-3
#: kind of optimizer -> its rate, 0.0625 of the others; the first step of Adam is the rate, up or down by the sign of a gradient, and
#: must not lead to where a gradient is zero but for rounding
RATES = {"adam": 0.02, "adamw": 0.02}


def initialize(w: Writing) -> None:
    """Give every variable its initial value."""
    w.wrote()
    w.initialized = True
    w.add(initialize=None)


def assign(w: Writing) -> None:
    """Write numbers, or what an expression is worth."""
    if not (places := w.places()):
        return
    if w.contract == "by-name" and w.chance(15):
        place = w.pick([*places])
        w.add(assign=place, to=w.values((3,)), raises="shape_mismatch", expect=w.label())
        return
    step = written_to(w, places)
    w.wrote()
    w.add(**step)


def written_to(w: Writing, places: dict[str, Object]) -> Said:
    """Return a step that writes to one of the places."""
    place = w.pick([*places])
    shape = shape_of(places[place])
    others = [other for other, one in places.items() if shape_of(one) == shape]
    if w.chance(50):
        return {"assign": place, "to": w.pick([f"{w.pick(others)} + 0.375", f"0.5 * {place}", w.pick(others)])}
    return {"assign": place, "to": w.values(shape)}


def compute(w: Writing) -> None:
    """Compute with variables, and look at what comes of it."""
    if not (places := w.places()):
        return
    place = w.pick([*places])
    shape = shape_of(places[place])
    other = w.pick([name for name, one in places.items() if shape_of(one) == shape])
    options = [(f"sum(square({place}))", ()), (f"{place} * {other}", shape), (f"{place} + 0.375", shape)]
    options += [(f"{place} @ {other}", shape)] if shape == SQUARE else []
    options += [(f"{tensor} + 0.375", known) for tensor, known in w.tensors.items()]
    text, shape = w.pick(options)
    bind(w, shape, lambda name: w.add(compute=f"{name} = {text}"))


def bind(w: Writing, shape: tuple[int, ...], add: Any) -> None:
    """Have a step bind a tensor, and look at it."""
    name = w.fresh("tensor")
    add(name)
    w.tensors[name] = shape
    value(w, name)


def given_to(owner: Object) -> Any:
    """Return an input of what is called."""
    first = next(iter(owner.layers()))[1].made
    return [1, 0] if isinstance(first, Layer) and first.layer == "embedding" else INPUT


def call(w: Writing) -> None:
    """Call a layer or a module."""
    if not (owners := w.callables()):
        return
    place = w.pick([*owners])
    on = given_to(owners[place])
    given = None
    if w.chance(15):
        path = w.pick([one[0] for one in w.signature(owners[place]).paths])
        found = owners[place].at(path)
        assert found
        given = {path: w.values(shape_of(found))} if len([*owners[place].routes(found)]) == 1 else None
    bind(w, (len(on), 2), lambda name: w.add(call=place, on=on, given=given, as_=name))


# -- learning


def scalar(w: Writing, place: str, owner: Object) -> tuple[str, list[Said]]:
    """Return a scalar to which all that stands at a place contributes, as far as it can be said, and the steps that lead up to it."""
    if place in w.callables():
        output = w.fresh("out")
        stopped = f" + sum(stop_gradient({output}) * {output})" if w.chance(20) else ""
        return f"sum(square({output})){stopped}", [{"call": place, "on": given_to(owner), "as": output}]
    places = {
        one: f"{place}.{path}" if path else place
        for path, one in ((".".join(route), one) for one in owner.variables() for route in owner.routes(one))
    }
    terms = [f"sum(square({at} - {TARGET}))" for at in places.values()]
    while len(minimize := " + ".join(terms)) > LONGEST_EXPRESSION:
        terms.pop()
    return minimize, []


def trained(w: Writing) -> dict[str, Object]:
    """Return the places at which something stands that training changes."""
    places = {place: one for place, one in w.places().items() if trains(one)}
    return {**{place: one for place, one in w.owners().items() if any(map(trains, one.variables()))}, **places}


def gradient(w: Writing) -> None:
    """Differentiate with respect to one variable, and look at the gradient."""
    if not (owners := trained(w)):
        return
    callables = w.callables()
    chains = [place for place in owners if place in callables and len({one for _, one in owners[place].layers()}) > 1]
    if chains and w.chance(30):  # a frozen layer lets the gradient of those before it through
        owner = w.pick(chains)
        w.add(freeze=".".join((owner, [*callables[owner].layers()][-1][0][0])))
        owners = trained(w)
    if not owners:
        return
    before = [
        place for place, one in owners.items() if place in callables and any(each.frozen for each in one.variables())
    ]
    place = w.pick(before or [*owners])
    of, leading = scalar(w, place, owners[place])
    inner = {at: one for at, one in w.places().items() if one in owners[place].variables() and trains(one)}
    name, wrt = w.fresh("slope"), w.pick([*inner])
    w.add(gradient=name, of=of, wrt=wrt, steps=leading or None)
    w.tensors[name] = shape_of(inner[wrt])
    value(w, name)


def over(w: Writing) -> tuple[str | list[str], str, Object] | None:
    """Return what is trained, and the place whose scalar is minimized: an owner, a variable, or a list of variables."""
    if not (owners := trained(w)):
        return None
    place = w.pick([*owners])
    owner = owners[place]
    places = [at for at, one in w.places().items() if one in owner.variables() and trains(one)]
    if owner.is_owner and w.chance(25):
        # each variable once: what is done with one that is given twice, a spec asks
        first = w.pick(places)
        others = [at for at in places if w.symbols.at(at) is not w.symbols.at(first)]
        return [first, *([w.pick(others)] if others else [])], place, owner
    return place, place, owner


def train(w: Writing) -> None:
    """Take steps with an optimizer that is made for them."""
    if not (found := over(w)):
        return
    wrt, place, owner = found
    minimize, leading = scalar(w, place, owner)
    kind = w.pick(("sgd", "sgd", "adam"))
    w.wrote()
    w.add(
        train=kind,
        minimize=minimize,
        wrt=wrt,
        rate=RATES.get(kind, 0.0625),
        times=w.pick((1, 1, 2)),
        steps=leading or None,
    )


def optimizer(w: Writing) -> None:
    """Make an optimizer."""
    if not (found := over(w)):
        return
    wrt, place, _ = found
    name, kind = w.fresh("opt"), w.pick(("adam", "momentum", "sgd", "adam", "momentum", "sgd", "adam"))
    if w.contract == "sharing" and w.chance(12):
        kind = "adamw"
    decay = 0.125 if kind == "adamw" or w.chance(10) else None
    clip = 0.5 if w.chance(10) else None
    w.add(optimizer=name, kind=kind, over=wrt, rate=RATES.get(kind, 0.0625), decay=decay, clip=clip)
    cells = [
        found
        for at in ([wrt] if isinstance(wrt, str) else wrt)
        if (top := w.symbols.at(at))
        for found in top.variables()
    ]
    w.optimizers[name] = wrt if isinstance(wrt, str) else place, [one for one in cells if one.trainable]
    step_with(w, name)


def update(w: Writing) -> None:
    """Take steps with an optimizer that was made before."""
    if w.optimizers:
        step_with(w, w.pick([*w.optimizers]))
    else:
        optimizer(w)


def step_with(w: Writing, name: str) -> None:
    """Take steps with an optimizer, unless what it was given has gone or is frozen."""
    place, cells = w.optimizers[name]
    assert isinstance(place, str)
    owner = w.symbols.at(place)
    if owner is None or not any(map(trains, owner.variables().keys() & set(cells))):
        return
    minimize, leading = scalar(w, place, owner)
    w.wrote()
    w.add(update=name, minimize=minimize, times=w.pick((1, 1, 2)), steps=leading or None)


def freeze(w: Writing) -> None:
    """Take something out of training."""
    if places := [*trained(w)]:
        w.add(freeze=w.pick(places))
        if w.chance(40):
            look(w)
            unfreeze(w)


def unfreeze(w: Writing) -> None:
    """Take into training again what was frozen."""
    frozen = [
        place for place, one in {**w.owners(), **w.places()}.items() if any(each.frozen for each in one.variables())
    ]
    if frozen:
        w.add(unfreeze=w.pick(frozen))


# -- copies and checkpoints


def copy(w: Writing) -> None:
    """Copy an owner."""
    if owners := [*w.owners(top=True)]:
        w.add(copy=w.pick(owners), shallow=True if w.chance(20) else None, as_=w.fresh("copied"))


def save(w: Writing) -> None:
    """Save an owner."""
    if owners := w.owners(top=True):
        owner, word = w.pick([*owners]), w.fresh("file")
        w.saved[word] = w.signature(owners[owner])
        w.add(save=owner, to=word, in_memory=True if w.chance(20) else None)


def restore(w: Writing) -> None:
    """Restore an owner that is like what was saved; save one first if there is none."""
    if not w.saved:
        save(w)
        assign(w)
    pairs = [
        (word, name)
        for word, kept in w.saved.items()
        for name, one in w.owners(top=True).items()
        if w.signature(one) == kept
    ]
    if pairs:
        word, name = w.pick(pairs)
        w.wrote()
        w.add(restore=name, from_=word)


def restore_elsewhere(w: Writing) -> None:
    """Restore an owner of which nothing was saved."""
    if not w.saved:
        save(w)
    lacking = [
        (word, name)
        for word, kept in w.saved.items()
        for name, one in w.owners(top=True).items()
        if not {path for path, *_ in w.signature(one).paths} & {path for path, *_ in kept.paths}
    ]
    if lacking:
        word, name = w.pick(lacking)
        w.add(restore=name, from_=word, raises="not_found", expect=w.label())


# -- functions and loops


def function(w: Writing) -> None:
    """Define a function that calls something, or writes to a variable, and call it."""
    name, traced = w.fresh("run"), True if w.chance(40) else None
    owners, places = w.callables(), w.places()
    if owners and w.chance(60):
        place = w.pick([*owners])
        takes = given_to(owners[place]) == INPUT and w.chance(50)
        inner = {"call": place, "on": "x" if takes else given_to(owners[place]), "as": "y"}
        w.add(function=name, traced=traced, takes=["x"] if takes else None, steps=[inner], returns="sum(square(y))")
        w.functions[name] = takes, ()
    elif places:
        w.add(function=name, traced=traced, steps=[written_to(w, places)])
        w.functions[name] = False, None
    else:
        return
    invoke(w)


def invoke(w: Writing) -> None:
    """Call a function."""
    if not w.functions:
        function(w)
        return
    name = w.pick([*reversed(w.functions)])
    takes, shape = w.functions[name]
    given = [INPUT] if takes else None
    if shape is None:
        w.wrote()
        w.add(invoke=name)
    else:
        bind(w, shape, lambda bound: w.add(invoke=name, given=given, as_=bound))


def repeat(w: Writing) -> None:
    """Write, or call a function, in a loop."""
    writers = [name for name, (_, shape) in w.functions.items() if shape is None]
    if writers and w.chance(40):
        inner: Said = {"invoke": w.pick(writers)}
    elif places := w.places():
        inner = written_to(w, places)
    else:
        return
    w.wrote()
    w.add(repeat=w.pick((2, 3)), steps=[inner])


# -- observations


def value(w: Writing, text: str) -> None:
    """Look at what something is worth."""
    w.add(expect=w.label(), value=text, is_=0, close=CLOSE)


def look(w: Writing) -> None:
    """Look at one thing."""
    pairs = shared_and_apart(w)
    owners, tops, places = [*w.owners()], [*w.owners(top=True)], w.all_places()
    # some frameworks make the variables of a layer with it, others where it is first called or looked into
    unmade = bool(owners) and not w.initialized
    if w.open or unmade:
        owners, tops, places = [], [], w.named()
    options: list[Said] = [{"value": place, "is_": 0, "close": CLOSE} for place in (places if w.initialized else ())]
    options = [w.pick(options)] if options else []
    options += [w.pick(pairs)] * 3 if pairs and w.initialized else []
    options += [{w.pick(("variables", "trainable")): 0, "inside": w.pick(owners)}] * 2 if owners else []
    if tops:
        top = w.pick(tops)
        # what layers call their variables is a matter of each framework
        routes = {at: w.symbols.above(at)[0] for at in places if at.partition(".")[0] == top}
        inner = [
            at
            for at, owner in routes.items()
            if owner and owner.kind == "module" and in_modules([*w.owners(top=True).values()], places[at])
        ]
        options += [{"paths": w.pick(inner), "inside": top, "is_": 0}] if inner else []
        options += [{"elements": w.pick(owners), "is_": 0}]
        first, second = w.pick(owners), w.pick(owners)
        options += [{"identical": [first, second], "is_": False}] if first != second else []
    options += [{"slots": w.pick([*w.optimizers]), "is_": 0}] if w.optimizers else []
    if w.contract == "by-name":
        lists: list[Said] = [{"names": ["all"]}, {"variables": 0}, {"trainable": 0}, {"collection": "kept", "is_": 0}]
        options += [] if unmade else lists
        options += [{w.pick(("name", "dtype", "shape")): w.pick([*places]), "is_": 0}] if places else []
        options += [] if unmade else [{"penalties": 0}]
        options += [{"penalty": 0, "close": CLOSE}] if w.initialized else []
    if options:
        observe(w, w.pick(options))


def in_modules(owners: list[Object], variable: Object) -> bool:
    """Return whether no layer holds a variable, under whose own name for it it would be listed."""
    return not any(one.kind == "layer" and one.holds(variable) for owner in owners for one in owner.walk())


def observe(w: Writing, seen: Said) -> None:
    """Add an observation; `same` and `distinct` write."""
    if "same" in seen or "distinct" in seen:
        w.wrote()
    w.add(expect=w.label(), **seen)


def shared_and_apart(w: Writing) -> list[Said]:
    """Return what is the same under two names, and what is not."""
    places = [*w.places().items()]
    return [
        {"same" if one is other else "distinct": [first, second]}
        for first, one in places
        for second, other in places
        if first != second and shape_of(one) == shape_of(other)
    ]


def look_at_all(w: Writing) -> None:
    """Look at the value of every variable, at ties, and at how many variables there are."""
    places = w.all_places()
    for place in {one: place for place, one in places.items()}.values():
        value(w, place)
    for tensor in w.tensors:
        value(w, tensor)
    for owner in w.owners(top=True):
        observe(w, {"variables": 0, "inside": owner})
        if w.contract == "by-name" or all(map(trains, w.symbols.names[owner].variables())):
            observe(w, {"trainable": 0, "inside": owner})  # of what is frozen, not all frameworks have a list
    if w.contract == "by-name":
        observe(w, {"names": ["all"]})
        observe(w, {"penalties": 0})
    pairs = shared_and_apart(w)
    for kind in ("same", "distinct"):
        for seen in [one for one in pairs if kind in one][-3:]:
            observe(w, seen)
    for place in {one: place for place, one in places.items()}.values():
        value(w, place)
