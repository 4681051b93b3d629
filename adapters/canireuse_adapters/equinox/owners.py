"""Layers of Equinox: how they are made and called, and the parameters they start from."""

from typing import Any

from canireuse.step import Initial
from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Layer
from canireuse_adapters.equinox.places import LAYERS, Node, Path
from canireuse_adapters.equinox.sharing import EquinoxSharing


class EquinoxOwners(EquinoxSharing):
    """Words layers and calls."""

    def layer(self, step: Layer) -> None:
        """Make a layer, and put its first parameters in their places."""
        node = self.embedding(step) if step.layer == "embedding" else self.dense(step)
        node.type, node.callable = LAYERS[step.layer], True
        for part in node.parts.values():
            part.frozen = not step.trainable
        self.hold(step.as_, node)

    def dense(self, step: Layer) -> Node:
        """Make a dense layer: its initializers are its own, so other start values are put in afterwards."""
        name = step.as_
        bias = "" if step.bias is not None else "use_bias=False, "
        self.write(f"{name} = eqx.nn.Linear({step.inputs}, {step.units}, {bias}key={self.key(step.kernel, step.bias)})")
        parts = {"kernel": Node("array", ".weight", transposed=True, shape=(step.units, step.inputs))}
        starts = [(".weight", self.start(step.kernel, f"{name}.weight", turned=True))]
        if step.bias is not None:
            parts["bias"] = Node("array", ".bias", shape=(step.units,))
            starts.append((".bias", self.start(step.bias, f"{name}.bias")))
        self.replace_parameters(name, [(place, words) for place, words in starts if words])
        self.idiom(
            "`eqx.nn.Linear` keeps its weight as [units, inputs]: `kernel` is read and written through its transpose."
        )
        return Node("dense", parts=parts)

    def embedding(self, step: Layer) -> Node:
        """Make an embedding, which takes its table."""
        if step.kernel == "random":
            made = f"eqx.nn.Embedding({step.inputs}, {step.units}, key=next(keys))"
        else:
            table = self.filled(self.numbers(step.kernel, floating=True), [step.inputs, step.units], None)
            made = f"eqx.nn.Embedding(weight={table})"
        self.write(f"{step.as_} = {made}")
        return Node("embedding", parts={"kernel": Node("array", ".weight", shape=(step.inputs, step.units))})

    def key(self, *starts: Any) -> str:
        """Return the key that a layer draws its parameters with; where all are replaced, any will do."""
        return "next(keys)" if "random" in starts else "jax.random.key(0)"

    def start(self, init: Initial, place: str, *, turned: bool = False) -> str:
        """Return the words for what a parameter starts from; nothing where the layer's own draw is kept."""
        if init == "random":
            return ""
        if isinstance(init, list):
            return f"jnp.array({self.numbers(init, floating=True)}){'.T' if turned else ''}"
        return f"jnp.full_like({place}, {float(init)!r})"

    def replace_parameters(self, name: str, starts: list[tuple[str, str]]) -> None:
        """Put parameters in their places."""
        if not starts:
            return
        self.idiom("The layers of Equinox take no initializers: users put other start values in by `eqx.tree_at`.")
        if len(starts) == 1:
            place, words = starts[0]
            self.write(f"{name} = eqx.tree_at(lambda {name}: {name}{place}, {name}, {words})")
            return
        where = ", ".join(f"{name}{place}" for place, _ in starts)
        self.write(
            f"{name} = eqx.tree_at(lambda {name}: ({where}), {name}, ({', '.join(words for _, words in starts)}))"
        )

    # -- calls

    def call(self, step: Call) -> None:
        """Call a layer on each example."""
        node = self.node(step.call)
        if node is None or not node.callable:
            raise Unsupported(
                "An `eqx.Module` that holds arrays of its own has no `__call__` until somebody writes one."
            )
        words = self.with_given(step) if step.given else self.place(step.call)
        rank = self.rank(step.on)
        example = 0 if self.first_layer(node) == "embedding" else 1
        deep = 1 if rank is None else max(0, rank - example)
        for _ in range(deep):
            words = f"jax.vmap({words})"
        self.bind(step.as_, f"{words}({self.on(step.on, example)})")
        self.note_rank(step.as_, deep + 1)

    def on(self, value: Any, example: int) -> str:
        """Return the words for the input: of an embedding, indices."""
        if isinstance(value, str):
            return self.expression(value)
        return f"jnp.array({value})" if example == 0 else f"jnp.array({self.numbers(value, floating=True)})"

    def first_layer(self, node: Node) -> str:
        """Return the kind of the layer that a module gives its input to."""
        while node.kind in {"module", "pair"}:
            node = self.member(node, self.members(node)[0])[1]
        return node.kind

    def with_given(self, step: Call) -> str:
        """Return the words for a layer or module with other arrays in some places; leaves that are tied change together."""
        node = self.node(step.call)
        assert node is not None
        given: dict[str, str] = {}
        for name, value in step.given.items():
            path, inner = self.path_inside(node, name)
            words = (
                self.expression(value) if isinstance(value, str) else f"jnp.array({self.numbers(value, floating=True)})"
            )
            place, leaf, flipped = self.leaf_of(node, path) if inner else (f".{name}", None, False)
            if place in given:
                raise Unsupported("A leaf that `eqx.nn.Shared` gives to several places can be given one value only.")
            given[place] = f"{self.closed(words)}.T" if leaf is not None and leaf.transposed != flipped else words
        where, values = ", ".join(f"tree{place}" for place in given), ", ".join(given.values())
        if len(given) > 1:
            where, values = f"({where})", f"({values})"
        made = f"eqx.tree_at(lambda tree: {where}, {self.whole(step.call)}, {values})"
        return made + "()" * node.shared

    def path_inside(self, node: Node, place: str) -> tuple[Path, Node | None]:
        """Return the path of a place inside a layer or module, and what is there."""
        path: Path = ()
        inner: Node | None = node
        for part in place.split("."):
            more = inner.via.get(part, (part,)) if inner else (part,)
            path += more
            inner = inner.at(more) if inner else None
        return path, inner
