"""Learning in Equinox: gradients are trees like the model, and what is not trained is partitioned away."""

from dataclasses import dataclass, field, replace

from canireuse.step import Step
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Average,
    Freeze,
    Function,
    Gradient,
    Optimizer,
    Parallel,
    Track,
    Train,
    Unfreeze,
    Update,
)
from canireuse_adapters.equinox.places import LOST, Node
from canireuse_adapters.equinox.states import EquinoxStates
from canireuse_adapters.training import TOO_LATE, training_of


@dataclass
class Trained:
    """What is trained: trees, the leaves in them, and the words for both."""

    trees: list[str]
    #: (tree, accessor) of each leaf
    leaves: list[tuple[str, str]]
    whole: bool
    #: the name of the tree of booleans that says what is trained, if some is not
    spec: str = ""
    layout: dict[str, int] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The words for the trees: one, or a tuple."""
        return self.trees[0] if len(self.trees) == 1 else f"({', '.join(self.trees)})"

    @property
    def targets(self) -> str:
        """The words that the trees are bound by."""
        return ", ".join(self.trees)


@dataclass
class Optimized:
    """An optimizer of the script."""

    kind: str
    name: str
    state: str
    trained: Trained
    over: list[str]
    decays: bool


class EquinoxLearning(EquinoxStates):
    """Words gradients, optimizers and averages."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.optimizers: dict[str, Optimized] = {}
        self.hoisted: dict[int, Optimized] = {}
        self.averages: dict[str, tuple[str, float]] = {}

    # -- what is trained

    def freeze(self, step: Freeze) -> None:
        """Note what the filter leaves out: an array has no flag."""
        self.mark(step.freeze, frozen=True)

    def unfreeze(self, step: Unfreeze) -> None:
        """Note what the filter takes in again."""
        self.mark(step.unfreeze, frozen=False)

    def mark(self, place: str, *, frozen: bool) -> None:
        """Note of each array at a place whether the filter leaves it out."""
        if self.hoisted:
            raise Unsupported(TOO_LATE)
        self.idiom("An array has no flag: what is frozen is False in the tree that `eqx.partition` filters by.")
        if self.frames:
            raise Unsupported(
                "What is trained is said where the loss is differentiated, by a filter; a function that is called changes none."
            )
        for _, _, node in self.arrays(place):
            node.frozen = frozen

    def trained(self, wrt: str | list[str]) -> Trained:
        """Return what is trained: the arrays at the places that are not frozen."""
        given = [wrt] if isinstance(wrt, str) else wrt
        found = [one for place in given for one in self.arrays(place)]
        if not found:
            raise Unsupported("What is trained is an array in a tree; this place holds none.")
        trees = list(dict.fromkeys(tree for tree, _, _ in found))
        leaves = [(tree, words) for tree, words, node in found if not node.frozen and node.floating]
        leaves = list(dict.fromkeys(leaves))
        inside = {(tree, words) for name in trees for tree, words, node in self.arrays_of(name) if node.floating}
        return Trained(trees, leaves, set(leaves) == inside)

    def arrays_of(self, tree: str) -> list[tuple[str, str, Node]]:
        """Return each array of a tree."""
        node = self.trees[tree]
        found = [(tree, *self.leaf(tree, path)[:2]) for path in self.inside(node)]
        return list({words: (tree, words, node) for tree, words, node in found if node}.values())

    def filtered(self, trained: Trained, name: str = "filter_spec") -> Trained:
        """Write the tree of booleans that says what is trained, unless all is."""
        if trained.whole:
            return trained
        spec = self.free(name)
        trees, words = trained.trees, trained.words
        argument = trees[0] if len(trees) == 1 else "trees"
        start = {tree: argument if len(trees) == 1 else f"trees[{at}]" for at, tree in enumerate(trees)}
        everything = [(tree, one) for name in trees for tree, one, node in self.arrays_of(name) if node.floating]
        left_out = [one for one in everything if one not in trained.leaves]
        most = len(trained.leaves) > len(left_out)
        chosen = left_out if most else trained.leaves
        base = "eqx.is_inexact_array" if most else "lambda _: False"
        self.write(f"{spec} = jax.tree.map({base}, {words})")
        if chosen:
            where = ", ".join(f"{start[tree]}{one}" for tree, one in chosen)
            value = repr(not most) if len(chosen) == 1 else f"[{not most!r}] * {len(chosen)}"
            where = where if len(chosen) == 1 else f"[{where}]"
            self.write(f"{spec} = eqx.tree_at(lambda {argument}: {where}, {spec}, {value})")
        return replace(trained, spec=spec)

    def parted(self, trained: Trained) -> str:
        """Part what is trained from what is not; return the words for what is trained."""
        if not trained.spec:
            return trained.words
        chosen, rest = self.free("trained"), self.free("static")
        self.write(f"{chosen}, {rest} = eqx.partition({trained.words}, {trained.spec})")
        return chosen

    def loss_of(
        self,
        trained: Trained,
        steps: list[Step],
        scalar: str,
        *,
        remat: bool = False,
        name: str = "loss",
        takes: list[str] | None = None,
    ) -> list[str]:
        """Write a loss as a function of what is trained."""
        argument = (
            self.free("trained")
            if trained.spec
            else trained.words
            if len(trained.trees) == 1
            else self.free("variables")
        )
        if remat:
            self.write("@eqx.filter_checkpoint")
        before, self.differentiated, self.changed_states = self.differentiated, trained.trees, []
        start = len(self.lines)
        self.loss(steps, scalar, ", ".join([argument, *(takes or [])]), name)
        self.differentiated = before
        if self.rebound("\n".join(self.lines[start:])):
            raise Unsupported(
                "A function that binds a name anew does not see what the name stood for outside: users choose another name for it."
            )
        states = list(dict.fromkeys(self.changed_states))
        at = next(at for at in range(start, len(self.lines)) if self.lines[at].lstrip().startswith(f"def {name}("))
        indent = "    " * (self.depth + 1)
        if states:
            self.lines[at] = self.lines[at].replace("):", f", {', '.join(states)}):")
            value = self.lines[-1].removeprefix(f"{indent}return ")
            self.lines[-1] = f"{indent}return {value}, {states[0]}"
        if trained.spec:
            self.lines.insert(at + 1, f"{indent}{trained.targets} = eqx.combine({argument}, {self.free('static')})")
        elif len(trained.trees) > 1:
            self.lines.insert(at + 1, f"{indent}{trained.targets} = {argument}")
        return states

    def grads_of(self, name: str, chosen: str, states: list[str], grads: str) -> str:
        """Return the words for the gradients of a loss; one that changes a state gives it back beside them."""
        if not states:
            return f"eqx.filter_grad({name})({chosen})"
        self.writes(states[0])
        self.write(f"{grads}, {states[0]} = eqx.filter_grad({name}, has_aux=True)({chosen}, {states[0]})")
        return grads

    # -- gradients

    def gradient(self, step: Gradient) -> None:
        """Differentiate by a tree, and take the place out of the gradients."""
        name = "loss"
        if not self.is_variable(step.wrt):
            if step.remat:
                self.write("@eqx.filter_checkpoint")
            self.loss(step.steps, step.of, step.wrt, name)
            self.write(f"{step.gradient} = jax.grad({name})({step.wrt})")
            self.note_rank(step.gradient, self.ranks.get(step.wrt))
            return
        tree, path = self.locate(step.wrt)
        words, node, flipped = self.leaf(tree, path)
        trained = Trained([tree], [(tree, words)], whole=True)
        states = self.loss_of(trained, step.steps, step.of, remat=step.remat, name=name)
        turned = node is not None and node.transposed != flipped
        self.refs.pop(step.gradient, None)
        grads = self.grads_of(name, tree, states, self.free("grads"))
        self.write(f"{step.gradient} = {grads}{words}{'.T' if turned else ''}")

    # -- optimizers

    def function(self, step: Function) -> None:
        """Define a function; the state of the optimizer of one that is compiled and trains is made before it."""
        train = training_of(step)
        if train and step.traced and not self.frames:
            self.hoisted[id(train)] = self.make_optimizer(train, "optimizer", "state")
        super().function(step)

    def train(self, step: Train) -> None:
        """Update trees with an optimizer of their own."""
        self.pure_only("train")
        made = self.hoisted.get(id(step)) or self.make_optimizer(step, "optimizer", "state")
        self.take_steps(made, step.steps, [step.minimize], step.times)

    def optimizer(self, step: Train | Optimizer) -> None:
        """Make an optimizer, and its state for what is trained now."""
        assert isinstance(step, Optimizer)
        name = step.optimizer
        self.optimizers[name] = self.make_optimizer(step, name, self.free(f"{name}_state"))

    def make_optimizer(self, step: Train | Optimizer, name: str, state: str) -> Optimized:
        """Write an optimizer and its state."""
        over = step.wrt if isinstance(step, Train) else step.over
        kind = step.train if isinstance(step, Train) else step.kind
        trained = self.filtered(self.trained(over), "filter_spec" if name == "optimizer" else f"{name}_spec")
        self.write(f"{name} = {self.optax_words(step)}")
        bare = all(self.trees[tree].kind == "array" for tree in trained.trees)
        if trained.spec or not bare:
            arrays = f"eqx.filter({trained.words}, {trained.spec or 'eqx.is_inexact_array'})"
        else:
            arrays = trained.words
        self.write(f"{state} = {name}.init({arrays})")
        self.extras[state] = len(self.frames)
        decays = isinstance(step, Optimizer) and (step.decay is not None or kind == "adamw")
        return Optimized(kind, name, state, trained, [over] if isinstance(over, str) else list(over), decays)

    def update(self, step: Update) -> None:
        """Take steps with an optimizer made before."""
        if step.update not in self.optimizers:
            raise Unsupported(LOST)
        made = self.optimizers[step.update]
        now = self.trained(made.over)
        if (now.trees, now.leaves) != (made.trained.trees, made.trained.leaves):
            if made.kind != "sgd" and step.raises is None:
                raise Unsupported(
                    "The state of an Optax optimizer has the form of the tree that it was made for; after what is trained has changed, or has become part of another tree, users make a new one."
                )
            now = self.filtered(now, f"{made.name}_spec")
            made.trained = now
        scalars = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        self.take_steps(made, step.steps, scalars, step.times)

    def take_steps(self, made: Optimized, steps: list[Step], scalars: list[str], times: int) -> None:
        """Write the loss, and the steps down it."""
        trained = made.trained
        names = ["loss"] if len(scalars) == 1 else [self.free(f"loss_{at}") for at in range(1, len(scalars) + 1)]
        chosen = self.parted(trained)
        states = [self.loss_of(trained, steps, scalar, name=name) for name, scalar in zip(names, scalars, strict=True)]
        for tree in trained.trees:
            self.writes(tree)
        self.writes(made.state)
        with turns(self, times):
            grads, updates = self.free("grads"), "updates"
            parts = [grads] if len(names) == 1 else [self.free(f"grads_{at}") for at in range(1, len(names) + 1)]
            each = [self.grads_of(*one) for one in zip(names, [chosen] * len(names), states, parts, strict=True)]
            words = each[0] if len(each) == 1 else f"jax.tree.map(lambda *each: sum(each), {', '.join(each)})"
            if words != grads:
                self.write(f"{grads} = {words}")
            params = f", {self.params(trained, chosen)}" if made.decays else ""
            self.write(f"{updates}, {made.state} = {made.name}.update({grads}, {made.state}{params})")
            target = chosen if trained.spec else trained.targets
            self.write(f"{target} = eqx.apply_updates({chosen}, {updates})")
        if trained.spec:
            self.write(f"{trained.targets} = eqx.combine({chosen}, {self.free('static')})")

    def params(self, trained: Trained, chosen: str) -> str:
        """Return the words for the arrays that decay."""
        bare = all(self.trees[tree].kind == "array" for tree in trained.trees)
        return chosen if trained.spec or bare else f"eqx.filter({chosen}, eqx.is_inexact_array)"

    def slot_count(self, optimizer: str) -> str:
        """Return for how many variables the state has moments."""
        made = self.optimizers[optimizer]
        return self.slot_words(made.kind, made.state)

    # -- averages and devices

    def average(self, step: Average) -> None:
        """Keep a tree as it is now, to be moved after the model."""
        self.idiom("Arrays never change, so the model as it is now is a copy of it already.")
        self.derive(step.as_, step.average, self.averaged)
        self.trees[step.as_].restate("")
        self.averages[step.as_] = (step.average, step.decay)

    def averaged(self, tree: str) -> str:
        """Return the words for a tree that an average starts from."""
        return tree

    def track(self, step: Track) -> None:
        """Move the average by Optax."""
        if step.track not in self.averages:
            raise Unsupported(
                "Which model an average follows is known where it was made; a function returns a tree alone."
            )
        source, decay = self.averages[step.track]
        node, name = self.node(step.track), self.whole(step.track)
        if self.locate(step.track)[1]:
            raise Unsupported("An average that became part of another tree is tracked with it.")
        own = self.node(source)
        if node is None or own is None or node.shared != own.shared:
            raise Unsupported(
                "`optax.incremental_update` maps over two trees of one structure, and `eqx.nn.Shared` gave the model another since."
            )
        rate = round(1 - decay, 10)
        self.writes(name)
        if not self.has_functions(node):
            self.write(f"{name} = optax.incremental_update({self.whole(source)}, {name}, {rate})")
            return
        arrays, rest = self.free("arrays"), self.free("static")
        self.write(f"{arrays}, {rest} = eqx.partition({name}, eqx.is_array)")
        moved = f"optax.incremental_update(eqx.filter({self.whole(source)}, eqx.is_array), {arrays}, {rate})"
        self.write(f"{name} = eqx.combine({moved}, {rest})")

    def has_functions(self, node: Node) -> bool:
        """Return whether there are functions among the leaves of a tree."""
        return bool(node.shared) or any(map(self.has_functions, node.parts.values()))

    def parallel(self, step: Parallel) -> None:
        """Lay the examples out over two devices and the model on both; XLA parts the work."""
        self.pure_only("train")
        tree, path = self.locate(step.parallel)
        if path:
            raise Unsupported("What is updated is a tree by itself; this is part of another.")
        trained = self.filtered(self.trained(step.parallel))
        chosen, names = self.parted(trained), list(step.split)
        self.ranks |= {name: self.rank(parts[0]) or 0 for name, parts in step.split.items()}
        loss, mean, grads = "loss", self.free("mean_loss"), self.free("grads")
        if self.loss_of(trained, step.steps, step.minimize, name=loss, takes=names):
            raise Unsupported(
                "On several devices a norm takes its statistics over the examples of one, and the states of both would have to be put together."
            )
        inputs = ", ".join([chosen, *names])
        axes = ", ".join(["None", *["0"] * len(names)])
        with self.block(f"def {mean}({inputs}):"):
            self.write(f"return jnp.mean(eqx.filter_vmap({loss}, in_axes=({axes}))({inputs}))")
        self.writes(tree)
        for name, parts in step.split.items():
            self.write(f"{name} = {self.cut(f'jnp.array({parts})')}")
        laid = self.laid(step.parallel, chosen, f"jax.NamedSharding({self.mesh()}, jax.P())")
        self.write(f"{chosen} = {laid}")
        self.spread.add(tree)
        self.write(f"{grads} = eqx.filter_jit(eqx.filter_grad({mean}))({inputs})")
        self.write(f"{chosen} = eqx.apply_updates({chosen}, jax.tree.map(lambda grad: -{step.rate} * grad, {grads}))")
        if trained.spec:
            self.write(f"{tree} = eqx.combine({chosen}, {self.free('static')})")
