"""Learning in Flax Linen: gradients of functions of a tree, and Optax on the tree or a part of it."""

from dataclasses import dataclass
from typing import Any

from canireuse.step import Step
from canireuse.translation import INDENT, Unsupported, turns
from canireuse.vocabulary import Freeze, Function, Gradient, Optimizer, Train, Unfreeze, Update, walk
from canireuse_adapters.linen.changes import LinenChanges
from canireuse_adapters.linen.layers import Owner
from canireuse_adapters.linen.state import Entry, Path
from canireuse_adapters.linen.trees import after
from canireuse_adapters.training import TOO_LATE

FROZEN = "Linen has no flag on a parameter: what is frozen is left out of what the optimizer is given."


@dataclass
class Kept:
    """An optimizer: its words, those of its state, its kind, and the part of the tree that it was made for."""

    words: str
    state: str
    kind: str
    owner: Owner | None
    #: the key of each parameter in that part, and its entry
    entries: dict[str, Entry]


class LinenLearning(LinenChanges):
    """Words gradients and steps: `jax.grad` of a loss that takes the parameters, and an optimizer whose state the script keeps."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.optimizers: dict[str, Kept] = {}
        #: optimizer and state of each training step inside a function, made before the function
        self.hoisted: dict[int, tuple[str, str]] = {}
        #: optimizers that were made before something was frozen or unfrozen
        self.stale: set[str] = set()

    # -- gradients

    def objective(self, steps: list[Step], scalar: str, argument: str, *, mean: bool = False) -> tuple[str, list[str]]:
        """Write the function that leads up to a scalar; return its name, and the further state that it returns."""
        name, start = "loss", len(self.lines)
        with self.frame("loss", name, []):
            self.steps(steps)
            value = self.expression(scalar)
            further = self.changed()
            value = f"jax.lax.pmean({value}, 'parts')" if mean else value
            self.write(f"return {value}{', ' + values(further) if further else ''}")
        at = next(at for at in range(start, len(self.lines)) if self.lines[at].lstrip().startswith(f"def {name}("))
        self.lines[at] = f"{INDENT * self.depth}def {name}({', '.join([argument, *further])}):"
        return name, further

    def slopes(
        self, loss: str, argument: str, further: list[str], *, name: str | None = None, remat: bool = False
    ) -> str:
        """Return the words for a gradient; if the loss returns further state, write the call and take that over."""
        function = f"jax.checkpoint({loss})" if remat else loss
        if not further:
            words = f"jax.grad({function})({argument})"
            if name:
                self.write(f"{name} = {words}")
            return name or words
        name = name or self.free("slopes")
        call = f"jax.grad({function}, has_aux=True)({', '.join([argument, *further])})"
        trees = {tree: collection for collection, tree in self.trees().items()}
        if self.frames or not self.uses_scopes:
            self.write(f"{name}, {values(further)} = {call}")
            for state in further:
                self.note(state, rebound=True)
            return name
        fresh = {state: self.free(f"new_{state}") for state in further}
        self.write(f"{name}, {values(list(fresh.values()))} = {call}")
        for state, new in fresh.items():
            self.take_over(trees[state], new)
        return name

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of a tree and pick an entry."""
        known = step.wrt.partition(".")[0] in self.owners or step.wrt in self.variables
        argument, picked = step.wrt, ""
        if known and self.is_owner(step.wrt):
            words = self.held(self.owner(step.wrt)[0])
            if words.startswith("{"):
                raise Unsupported(
                    "`jax.grad` gives the gradient of a tree; of what has entries in several places, one entry is asked for."
                )
            argument = words.partition("[")[0]
            picked = words.removeprefix(argument)
        elif known:
            entry = self.entry_at(step.wrt)
            argument = self.tree_at(entry)
            picked = self.entry(entry).removeprefix(argument)
        loss, further = self.objective(step.steps, step.of, argument)
        if argument in further:
            raise Unsupported(
                "The tree that a loss is differentiated by is its argument; it cannot be what the loss writes."
            )
        words = self.slopes(loss, argument, further, remat=step.remat)
        self.write(f"{step.gradient} = {words}{picked}")

    # -- what is trained

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizer is to leave alone: Linen has no flag on a parameter."""
        self.refuse_late()
        self.idiom(FROZEN)
        self.froze += [path for _, path in self.entries_at(step.freeze)]

    def unfreeze(self, step: Unfreeze) -> None:
        """Note that the next optimizer is given it again."""
        self.refuse_late()
        thawed = [path for _, path in self.entries_at(step.unfreeze)]
        self.froze = [path for path in self.froze if path not in thawed]

    def refuse_late(self) -> None:
        """Refuse to freeze or unfreeze for a traced step; note which optimizers were made before it."""
        if self.hoisted:
            raise Unsupported(TOO_LATE)
        self.stale |= set(self.optimizers)

    def trained(self, places: str | list[str]) -> list[Entry]:
        """Return the parameters at some places that are not frozen, each once."""
        named = [places] if isinstance(places, str) else places
        entries = dict.fromkeys(entry for place in named for entry in self.entries_at(place))
        return [entry for entry in entries if entry[0] == "params" and entry[1] not in self.froze]

    # -- one training step

    def bodies(self, step: Function) -> None:
        """Make the optimizers of the training steps inside a function before it."""
        super().bodies(step)
        for train in [one for one in walk(step.steps) if isinstance(one, Train)]:
            if self.frames:
                raise Unsupported(
                    "An optimizer's state outlives the function that takes its steps; it is made outside of all functions."
                )
            number = len(self.hoisted) + 1
            words, state = "optimizer", "state"
            if self.hoisted:
                words, state = self.free(f"optimizer_{number}"), self.free(f"state_{number}")
            self.hoisted[id(train)] = (words, state)
            self.kept.append(state)
            self.make_optimizer(train, words, state)

    def train(self, step: Train) -> None:
        """Update the tree of parameters by an Optax optimizer."""
        optimizer, state = self.hoisted.get(id(step), ("optimizer", "state"))
        if self.frames and id(step) not in self.hoisted:
            raise Unsupported(
                "A training step of Linen returns new parameters; inside a loss or a loop they would be lost."
            )
        loss, further = self.objective(step.steps, step.minimize, "params")
        if not self.frames:
            self.make_optimizer(step, optimizer, state)
        with turns(self, step.times):
            words = self.slopes(loss, "params", further)
            self.write(f"updates, {state} = {optimizer}.update({words}, {state}, params)")
            if self.frames:
                self.note(state, rebound=True)
            self.take_over("params", "optax.apply_updates(params, updates)")

    def make_optimizer(self, step: Train, optimizer: str, state: str) -> None:
        """Make the optimizer for the parameters that are trained, and its state."""
        words = self.optax_words(step)
        paths = [path for _, path in self.trained(step.wrt)]
        everything = {
            path for path, collection in self.collections.items() if collection == "params" and path[0][0] != "<"
        }
        if set(paths) != everything:
            self.write(
                f"labels = flax.traverse_util.path_aware_map(lambda path, _: 'trained' if path in {paths} else 'frozen', params)"
            )
            words = f"optax.partition({{'trained': {words}, 'frozen': optax.set_to_zero()}}, labels)"
        self.write(f"{optimizer} = {words}")
        self.write(f"{state} = {optimizer}.init(params)")

    # -- optimizers that last

    def optimizer(self, step: Any) -> Any:
        """Make an optimizer for a part of the tree, and its state, which the script keeps."""
        if not isinstance(step, Optimizer):
            return self.optax_words(step)
        if self.frames:
            raise Unsupported(
                "An optimizer's state outlives the function that takes its steps; it is made outside of all functions."
            )
        places = [step.over] if isinstance(step.over, str) else step.over
        wanted = [entry for place in places for entry in self.entries_at(place)]
        if not isinstance(step.over, str) and any(collection != "params" for collection, _ in wanted):
            raise Unsupported(
                "What is not to be trained stands in another tree than the parameters, and `jax.grad` is not asked for it."
            )
        entries = self.trained(step.over)
        owner = self.owner(places[0])[0] if len(places) == 1 and self.is_owner(places[0]) else None
        rows = [entry for entry in self.rows(owner) if entry[0] == "params"] if owner else []
        whole = owner is not None and entries == rows and not self.held(owner).startswith("{")
        if entries and not whole and owner is not None:
            self.idiom(FROZEN)
        named = {"/".join(path): (collection, path) for collection, path in entries}
        kept = Kept(step.optimizer, self.free(f"{step.optimizer}_state"), step.kind, owner if whole else None, named)
        self.optimizers[step.optimizer] = kept
        self.kept = [*(state for state in self.kept if state != kept.state), kept.state]
        self.write(f"{kept.words} = {self.optax_words(step)}")
        self.write(f"{kept.state} = {kept.words}.init({self.part(kept, self.stepped(kept))})")
        return None

    def stepped(self, kept: Kept) -> str:
        """Return the name of the tree that an optimizer's steps change."""
        return self.held(kept.owner).partition("[")[0] if kept.owner is not None else "params"

    def part(self, kept: Kept, tree: str) -> str:
        """Return the words for the part of a tree that an optimizer is for."""
        if kept.owner is not None:
            return tree + self.held(kept.owner).removeprefix(self.stepped(kept))
        parts = [f"{key!r}: {tree}{self.entry(entry).removeprefix('params')}" for key, entry in kept.entries.items()]
        return f"{{{', '.join(parts)}}}"

    def update(self, step: Update) -> None:
        """Take steps with an optimizer: the part of the tree that it is for is replaced."""
        kept = self.optimizers[step.update]
        self.pure_only("take a step")
        if step.update in self.stale:
            raise Unsupported(TOO_LATE)
        if kept.owner is None and any(path not in self.collections for _, path in kept.entries.values()):
            raise Unsupported(
                "An optimizer's state in Optax has the shape of the tree that it was made for; after a tie or a move another is made."
            )
        tree = self.stepped(kept)
        scalars = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        with turns(self, step.times):
            name = self.free("slopes")
            for number, scalar in enumerate(scalars):
                loss, further = self.objective(step.steps, scalar, tree)
                if number == 0:
                    self.slopes(loss, tree, further, name=name)
                else:
                    more = self.slopes(loss, tree, further, name=self.free("more") if further else None)
                    self.write(f"{name} = jax.tree.map(jnp.add, {name}, {more})")
            part = self.part(kept, tree)
            self.write(f"updates, {kept.state} = {kept.words}.update({self.part(kept, name)}, {kept.state}, {part})")
            self.note(kept.state, rebound=True)
            if kept.owner is not None:
                self.write(f"{part} = optax.apply_updates({part}, updates)")
            else:
                fresh = self.free("stepped")
                self.write(f"{fresh} = optax.apply_updates({part}, updates)")
                for key, entry in kept.entries.items():
                    self.write(f"{self.entry(entry)} = {fresh}[{key!r}]")
            self.note(tree, rebound=part == tree)

    def slot_count(self, optimizer: str) -> str:
        """Count the leaves of the moments in the state."""
        kept = self.optimizers[optimizer]
        return self.slot_words(kept.kind, kept.state)

    def moved(self, old: Path, new: Path) -> None:
        """Have optimizers follow an entry that has moved."""
        super().moved(old, new)
        for kept in self.optimizers.values():
            kept.entries = {key: (name, after(path, old, new)) for key, (name, path) in kept.entries.items()}


def values(names: list[str]) -> str:
    """Return the words for one value, or for a tuple of several."""
    return names[0] if len(names) == 1 else f"({', '.join(names)})"
