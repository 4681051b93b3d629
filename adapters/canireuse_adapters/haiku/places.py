"""Places in Haiku's layers and modules, and the transformed functions that layers and modules are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Assign
from canireuse_adapters.haiku.layers import DEFAULT_NAMES, Owner
from canireuse_adapters.haiku.names import Bound, Opened
from canireuse_adapters.haiku.sections import HaikuSections


class HaikuPlaces(HaikuSections):
    """Words layers and modules.

    A run of layers and modules is one function: `hk.transform` for a single one, `hk.multi_transform` for
    several, so that a module object may be called by itself and by a module that holds it. A later function
    that calls a layer made before makes it again under the same name: what is shared are its parameters.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owners: dict[str, Owner] = {}
        self.pending: list[Owner] = []

    # -- places

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place leads to, and what is left of the place."""
        first, *rest = place.split(".")
        if first not in self.owners:
            raise Unsupported("An array in JAX is a value: it has no name, and nothing can be written into it.")
        owner = self.owners[first]
        while rest and isinstance(owner.members.get(rest[0]), Owner):
            inner = owner.members[rest.pop(0)]
            assert isinstance(inner, Owner)
            owner = inner
        return owner, rest

    def owned(self, place: str) -> bool:
        """Return whether a place begins with a layer or module."""
        return place.partition(".")[0] in self.owners

    def spot(self, place: str) -> Bound:
        """Return where the variable at a place is."""
        if place in self.variables:
            return self.variables[place]
        owner, rest = self.owner(place)
        found = owner.leaves.get(rest[0]) or owner.members.get(rest[0]) if len(rest) == 1 else None
        if not isinstance(found, Bound):
            raise Unsupported(f"`{place}` is no variable of its own in Haiku.")
        return found

    def spots(self, place: str) -> list[Bound]:
        """Return the variables at a place: one, or all that a layer or module owns."""
        if self.owned(place):
            owner, rest = self.owner(place)
            if not rest:
                return owner.spots()
        return [self.spot(place)]

    def place(self, place: str) -> str:
        """Return the words for a variable, or for the function that a layer or module is."""
        if not self.owned(place):
            return super().place(place)
        owner, rest = self.owner(place)
        if not rest:
            return owner.function or owner.word
        known = self.spot(place)
        top = self.owners[place.partition(".")[0]]
        if rest[0] in owner.leaves or not top.holder:
            return known.entry
        path = "".join(f"[{part!r}]" for part in place.split(".")[1:])
        return f"{top.holder}{path}"

    def value(self, place: str) -> str:
        """Return the words for the value of a variable; a norm keeps its own as a matrix of one row."""
        words = self.place(place)
        return f"{words}[0]" if self.in_a_row(place) else words

    def in_a_row(self, place: str) -> bool:
        """Return whether Haiku keeps a variable with a further axis in front."""
        if not self.owned(place):
            return False
        owner, rest = self.owner(place)
        return len(rest) == 1 and rest[0] in owner.leaves and owner.leaves[rest[0]].row

    def written(self, step: Assign) -> str:
        """Return the words for what is written."""
        return f"{super().written(step)}[None]" if self.in_a_row(step.assign) else super().written(step)

    def entry(self, place: str) -> str:
        """Return the words for what a write goes to."""
        if place in self.variables:
            return super().entry(place)
        if self.owned(place):
            return self.spot(place).entry
        return f"{place}[...]"

    # -- writing functions

    def declare(self) -> None:
        """Write the function that makes the layers noted so far, and have its `init` make their variables."""
        pending, self.pending = self.pending, []
        fresh = [one for one in pending if one.make]
        called = [one for one in pending if not one.held()]
        layers = [layer for one in [*self.namesakes(fresh), *called] for layer in one.layers()]
        known = list({id(one): one for one in layers if all(one is not new for new in fresh)}.values())
        needed = [*known, *fresh]  # names are given in the order in which layers are made
        self.settle(known, fresh)
        if len(called) == 1 and len(needed) == max(1, len(called[0].layers())):
            self.single(called[0], fresh)
        elif called:
            self.several(called, needed, fresh)
        for owner in pending:
            if owner.held():
                self.hold(owner)

    def namesakes(self, fresh: list[Owner]) -> list[Owner]:
        """Return the layers made before that a function with new ones of their names makes too, so that these are numbered."""
        if self.way.get("layer") == "transforms-apart":
            return []
        names = {(one.path, one.given or DEFAULT_NAMES[one.kind]) for one in fresh}
        known = {id(layer): layer for owner in self.owners.values() for layer in owner.layers()}.values()
        made = [one for one in known if all(one is not new for new in fresh) and one.trees == ("params", "state")]
        return [one for one in made if (one.scope, one.given or DEFAULT_NAMES[one.kind]) in names]

    def settle(self, known: list[Owner], fresh: list[Owner]) -> None:
        """Give layers that are made for the first time the paths that Haiku gives them."""
        scope = Opened()
        for owner in known:
            scope.unique(owner.path)
        for owner in fresh:
            inner = scope if not owner.path else Opened(owner.path)
            owner.scope = owner.path
            owner.path = inner.unique(owner.given or DEFAULT_NAMES[owner.kind])
            for leaf in owner.leaves.values():
                leaf.module = owner.path + leaf.module

    def constructors(self, layers: list[Owner], fresh: list[Owner]) -> None:
        """Write how a function makes its layers; two of one name are one object."""
        made: dict[str, str] = {}
        for layer in layers:
            again = made.get(layer.path) if all(layer is not one for one in fresh) else None
            self.write(f"{layer.word} = {again or self.constructor(layer, fresh)}")
            made.setdefault(layer.path, layer.word)

    def constructor(self, owner: Owner, fresh: list[Owner]) -> str:
        """Return the words that make a layer: with the name it was given, or, when made again, the one it got."""
        if "/" in owner.path:
            name = f"hk.force_name({owner.path!r})"
        elif any(owner is one for one in fresh):
            name = repr(owner.given) if owner.given else ""
        else:
            name = repr(owner.path)
        return f"{owner.make}, name={name})" if name else f"{owner.make})"

    def single(self, owner: Owner, fresh: list[Owner]) -> None:
        """Write a function that is transformed by itself."""
        function = self.function_name(owner.word, own=True)
        layers = owner.layers()
        self.write("@hk.transform_with_state" if owner.stateful else "@hk.transform")
        with self.block(f"def {function}(inputs{', is_training' if owner.stateful else ''}):"):
            if owner.make and not owner.around and owner.kind != "cell":
                self.write(f"return {self.call_of(owner, 'inputs', 'is_training', self.constructor(owner, fresh))}")
            else:
                self.constructors(layers, fresh)
                self.calls(owner)
                self.write("return inputs")
        self.write()
        owner.function, owner.keeps = f"{function}.apply", owner.stateful
        if fresh:
            sample = f", {layers[0].sample}{', True' if owner.stateful else ''}"
            self.initialise(f"{function}.init({self.key()}{sample})", stateful=owner.stateful)

    def several(self, called: list[Owner], needed: list[Owner], fresh: list[Owner]) -> None:
        """Write one function for several layers and modules, each of which can be applied by itself."""
        function = self.function_name("net")
        stateful = any(one.stateful for one in called)
        self.write("@hk.multi_transform_with_state" if stateful else "@hk.multi_transform")
        with self.block(f"def {function}():"):
            self.constructors(needed, fresh)
            for owner in called:
                if not owner.make or owner.around or owner.kind == "cell":
                    self.inner_function(owner)
            self.write()
            with self.block("def make(*_):"):
                for layer in fresh:
                    self.write(self.call_of(layer, layer.sample, "True"))
            self.write()
            names = ", ".join(f"{one.word!r}: {self.inner_name(one)}" for one in called)
            self.write(f"return make, {{{names}}}")
        self.write()
        for owner in called:
            owner.function, owner.keeps = f"{function}.apply[{owner.word!r}]", stateful
        if fresh:
            self.initialise(f"{function}.init({self.key()})", stateful=stateful)

    def inner_name(self, owner: Owner) -> str:
        """Return the name of what applies an owner inside a function for several."""
        return f"call_{owner.word}" if owner.make and (owner.around or owner.kind == "cell") else owner.word

    def inner_function(self, owner: Owner) -> None:
        """Write a function of the layers that stand around it."""
        self.write()
        with self.block(f"def {self.inner_name(owner)}(inputs{', is_training' if owner.stateful else ''}):"):
            self.calls(owner)
            self.write("return inputs")

    def calls(self, owner: Owner) -> None:
        """Write the calls of what is inside, one after the other."""
        if owner.kind == "module":
            for member in owner.members.values():
                if isinstance(member, Owner):
                    self.calls(member)
            return
        with self.contexts(owner):
            self.write(f"inputs = {self.call_of(owner, 'inputs', 'is_training')}")

    @contextmanager
    def contexts(self, owner: Owner) -> Iterator[None]:
        """Write the getters around a call."""
        around = list(dict.fromkeys(context for one in owner.within() for context in one.around))
        if not around:
            yield
            return
        with self.block(f"with {', '.join(around)}:"):
            yield

    def call_of(self, owner: Owner, inputs: str, training: str, layer: str = "") -> str:
        """Return the words for the call of a layer inside a function: of its name there, or of the words that make it."""
        layer = layer or owner.word
        inner = next((one for one in owner.members.values() if isinstance(one, Owner)), owner)
        match owner.kind:
            case "norm":
                return f"{layer}({inputs}, {training})"
            case "cell":
                return f"{owner.word}({inputs}, {owner.word}.initial_state({inputs}.shape[0]))[0]"
            case "rnn":
                start = f"{inner.word}.initial_state({inputs}.shape[0])"
                return f"hk.dynamic_unroll({inner.word}, {inputs}, {start}, time_major=False)[0]"
            case "time_distributed":
                return f"hk.BatchApply({inner.word})({inputs}{f', {training}' if inner.kind == 'norm' else ''})"
            case _:
                return f"{layer}({inputs})"

    def hold(self, owner: Owner) -> None:
        """Write the function that gets the variables among a module's members."""
        function = self.function_name(owner.word, own=True)
        held = owner.held()
        stateful = any(one.tree == "state" for one in held)
        self.write("@hk.transform_with_state" if stateful else "@hk.transform")
        local: dict[int, str] = {}
        with self.block(f"def {function}():"):
            for known in held:
                name = known.name
                while name in local.values():
                    name += "_"
                local[id(known)] = name
                self.get_again(known, name)
            self.write(f"return {self.held_words(owner, local)}")
        self.write()
        for one in owner.within():
            one.holder = one.holder if one is not owner else self.applied(function, stateful=stateful)

    def get_again(self, known: Bound, name: str) -> None:
        """Write how a function gets a variable that was made before."""
        contexts = [] if known.module == "~" else [f"hk.name_scope(hk.force_name({known.module!r}))"]
        if not contexts:
            self.write(f"{name} = {known.words}")
            return
        with self.block(f"with {', '.join(contexts)}:"):
            self.write(f"{name} = {known.words}")

    def held_words(self, owner: Owner, local: dict[int, str]) -> str:
        """Return the words for the variables among the members, as a dictionary."""
        entries = []
        for name, member in owner.members.items():
            if isinstance(member, Bound):
                entries.append(f"{name!r}: {local[id(member)]}")
            elif member.held():
                entries.append(f"{name!r}: {self.held_words(member, local)}")
        return f"{{{', '.join(entries)}}}"
