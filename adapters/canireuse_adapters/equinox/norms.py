"""Batch normalization in Equinox: its running statistics are in an `eqx.nn.State` beside the model, which calls take and return."""

from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Layer, Module
from canireuse_adapters.equinox.owners import EquinoxOwners
from canireuse_adapters.equinox.places import LAYERS, Node, Path

STATISTICS = ("mean", "var")
#: a `State` belongs to the model that `make_with_state` made it with
ONE_STATE = (
    "`eqx.nn.make_with_state` makes a model and the one state of all its norms; norms made one by one have states of "
    "their own, whose keys are the same, so that they cannot be put together."
)


class EquinoxNorms(EquinoxOwners):
    """Words norms, and what holds them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: the states that the open loss has changed
        self.changed_states: list[str] = []

    def layer(self, step: Layer) -> None:
        """Make a layer; a norm with its state."""
        if step.layer != "norm":
            super().layer(step)
            return
        name, state = step.as_, self.free(f"{step.as_}_state")
        given = f"{step.inputs}, axis_name='batch', eps=0.001, momentum=0.9, mode='batch'"
        self.write(f"{name}, {state} = eqx.nn.make_with_state(eqx.nn.BatchNorm)({given})")
        starts = [(".weight", step.kernel, 1.0), (".bias", step.bias or 0.0, 0.0)]
        self.replace_parameters(
            name,
            [(place, self.start(init, name + place)) for place, init, own in starts if init not in (own, "random")],
        )
        parts = {
            part: Node("array", accessor, shape=(step.inputs,), frozen=not step.trainable)
            for part, accessor in (("kernel", ".weight"), ("bias", ".bias"))
        } | {part: Node("statistic", state=state) for part in STATISTICS}
        self.extras[state] = len(self.frames)
        self.hold(name, Node("norm", parts=parts, type=LAYERS["norm"], callable=True, state=state))

    def module(self, step: Module) -> None:
        """Make a module; one that holds norms has their state."""
        states = {node.state for place in step.members.values() if (node := self.node(place)) and node.state}
        if len(states) > 1:
            raise Unsupported(ONE_STATE)
        super().module(step)

    def statistic(self, place: str) -> tuple[str, str, int] | None:
        """Return the state that holds a running statistic, the key there and which of the two it is; None for other places."""
        tree, path = self.locate(place)
        node = self.trees[tree].at(path) if tree in self.trees else None
        if node is None or node.kind != "statistic":
            return None
        if not node.state:
            raise Unsupported("What follows a model here is its tree; running statistics are in the state beside it.")
        around = self.trees[tree].at(path[:-1])
        words = self.words(tree, path[:-1]) + "()" * (around.shared if around else 0)
        return node.state, f"{words}.batch_state_index", STATISTICS.index(path[-1])

    def place(self, place: str) -> str:
        """Return the words for a place; for a running statistic, what the state has under its key."""
        found = self.statistic(place)
        return f"{found[0]}.get({found[1]})[{found[2]}]" if found else super().place(place)

    def whole(self, place: str) -> str:
        """Return the words for a tree as it is kept."""
        return self.place(place) if self.statistic(place) else super().whole(place)

    def put(self, tree: str, path: Path, value: str) -> None:
        """Put another array in a place, or in the state."""
        node = self.trees[tree].at(path) if tree in self.trees else None
        if node is None or node.kind != "statistic":
            super().put(tree, path, value)
            return
        around = self.trees[tree].at(path[:-1])
        key = self.words(tree, path[:-1]) + "()" * (around.shared if around else 0) + ".batch_state_index"
        both = [f"{node.state}.get({key})[0]", f"{node.state}.get({key})[1]"]
        both[STATISTICS.index(path[-1])] = value
        self.writes(node.state)
        self.write(f"{node.state} = {node.state}.set({key}, ({', '.join(both)}))")

    def call(self, step: Call) -> None:
        """Call a layer or module; one with norms takes a state and returns the next."""
        node = self.node(step.call)
        if node is None or not node.state:
            super().call(step)
            return
        if not node.callable or step.given:
            raise Unsupported("A call with other values in place of running statistics is one with another state.")
        if self.rank(step.on) not in {None, 2}:
            raise Unsupported(
                "`eqx.nn.BatchNorm` takes the features of one example first; a batch of them has two axes here."
            )
        words = self.place(step.call)
        if not step.training:
            words = f"eqx.nn.inference_mode({words})"
        elif "loss" in self.frames:
            self.changed_states.append(node.state)
        else:
            self.writes(node.state)
        call = f"jax.vmap({words}, in_axes=(0, None), out_axes=(0, None), axis_name='batch')"
        state = node.state if step.training else "_"
        self.write(f"{step.as_ or '_'}, {state} = {call}({self.on(step.on, 1)}, {node.state})")
        if step.as_:
            self.bind_tensor(step.as_)
        self.note_rank(step.as_, 2)
