"""Layers and modules of the reference model: owners that hold variables in places, which can be shared.

What an owner holds is found by walking it; a variable that is reached twice is one variable. An owner
can be looked into by attribute, and a tie is an assignment to such an attribute.
"""

from canireuse.contract import tape
from canireuse.contract.refusals import BadArgument, NotFound, ShapeMismatch


class Owner:
    """Something that holds variables and other owners in named places."""

    def __init__(self, held):
        object.__setattr__(self, "_held", held)

    def _build(self):
        """Make the variables that are still to be made."""

    def __getattr__(self, place):
        if place.startswith("__"):
            raise AttributeError(place)
        self._build()
        if place not in self._held:
            raise NotFound(f"the place {place!r} is looked up", f"one of {', '.join(self._held)}", "correct it")
        return self._held[place]

    def __setattr__(self, place, value):
        old = getattr(self, place)
        if getattr(old, "shape", None) != getattr(value, "shape", None):
            raise ShapeMismatch(
                f"another shape is tied to {place!r}", "that of what it holds", "tie variables of one shape"
            )
        self._held[place] = value
        self._give_up(old)

    def __delattr__(self, place):
        old = getattr(self, place)
        del self._held[place]
        self._give_up(old)

    def _give_up(self, old):
        """Let go of what a place held before it was tied."""

    def _paths(self):
        """Return every variable with its path; one that is reached twice has two."""
        self._build()
        found = []
        for place, value in self._held.items():
            if isinstance(value, Owner):
                found += [(f"{place}/{path}", cell) for path, cell in value._paths()]
            else:
                found.append((place, value))
        return found


class Layer(Owner):
    """A layer: its variables are made once, in a scope of its own, when it is first called or looked into, or at `initialize`."""

    def __init__(self, model, kind, name, inputs, units, kernel, bias, trainable, penalty=None):
        super().__init__({})
        wanted = {"kernel": ([inputs, units], kernel)}
        if bias is not None:
            wanted["bias"] = ([units], bias)
        self.__dict__.update(
            model=model, kind=kind, name=name or kind, wanted=wanted, trainable=trainable, penalty=penalty, made=[]
        )

    def _build(self):
        """Make kernel and bias, unless they are there."""
        if self.made:
            return
        with self.model.scope(self.name, unique=True):
            for place, (shape, init) in self.wanted.items():
                self._held[place] = self.model.get(
                    place,
                    None if isinstance(init, list) else shape,
                    init=init,
                    trainable=self.trainable,
                    penalty=self.penalty if place == "kernel" else None,
                )
        self.made.extend(self._held.values())

    def _give_up(self, old):
        """Drop a variable that this layer made and that has no value yet, unless it or another owner holds it still."""
        held = any(old in owner._held.values() for owner in old.graph.owners)
        if old in self.made and not held and old not in self.model.current.values:
            old.graph.cells.remove(old)

    def __call__(self, value):
        """Return the layer's answer to an input."""
        self._build()
        if self.kind == "embedding":
            return tape.gather(self._held["kernel"], value)
        answer = tape.tensor(value) @ self._held["kernel"]
        return answer + self._held["bias"] if "bias" in self._held else answer


class Module(Owner):
    """An owner of what it is given; called, it calls its members one after another."""

    def __call__(self, value):
        """Return what the last member makes of what the one before made."""
        for place, member in self._held.items():
            if not isinstance(member, Owner):
                raise BadArgument(f"the member {place!r} is called", "a layer or module", "call what can be called")
            value = member(value)
        return value


def cells_of(owner, build=False):
    """Return the variables that are in a layer, a module, or are it; each once."""
    if not isinstance(owner, Owner):
        return [owner]
    if build:
        owner._build()
    found = []
    for value in owner._held.values():
        found += cells_of(value, build)
    return list(dict.fromkeys(found))


def clone(owner, twin, memory=None, deep=True):
    """Return a copy of an owner, in which `twin` makes each variable once; or one that holds the same members."""
    memory = {} if memory is None else memory
    if owner not in memory:
        if not isinstance(owner, Owner):
            memory[owner] = twin(owner)
        else:
            owner._build()
            memory[owner] = copied = object.__new__(type(owner))
            copied.__dict__.update(owner.__dict__)
            copied.__dict__["_held"] = {
                place: clone(value, twin, memory) if deep else value for place, value in owner._held.items()
            }
            if "made" in owner.__dict__:
                copied.__dict__["made"] = list(copied._held.values())
    return memory[owner]
