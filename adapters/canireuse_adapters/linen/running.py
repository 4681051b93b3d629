"""Loops and devices in Flax Linen: what XLA runs takes a tree and returns one."""

import re

from canireuse.step import Array
from canireuse.translation import INDENT, Unsupported
from canireuse.vocabulary import Layer, Parallel, Replace, Scan, Shard, Variable, walk
from canireuse_adapters.linen.learning import FROZEN, LinenLearning


class LinenRunning(LinenLearning):
    """Words loops that carry the state they change, and steps on two devices."""

    def scan(self, step: Scan) -> None:
        """Run a loop that is traced once; it carries the trees that a turn writes into."""
        if any(isinstance(inner, Variable | Layer) for inner in walk(step.steps)):
            raise Unsupported(
                "What a turn of `jax.lax.fori_loop` carries has one structure: no turn can add a variable to it."
            )
        if any(isinstance(inner, Replace) for inner in walk(step.steps)):
            raise Unsupported(
                "The turn of `jax.lax.fori_loop` is a pure function of what it carries, which is arrays: a definition with another member ends with the turn."
            )
        turn, start = self.free("turn"), len(self.lines)
        with self.frame("scan", turn, []):
            self.steps(step.steps)
            to = self.expression(step.to)
            carried = [step.scan, *self.changed()]
            self.write(f"return {', '.join([to, *carried[1:]])}")
        at = next(at for at in range(start, len(self.lines)) if self.lines[at].lstrip().startswith(f"def {turn}("))
        inner = self.free("carried")
        self.lines[at] = f"{INDENT * self.depth}def {turn}(_, {step.scan if len(carried) == 1 else inner}):"
        if len(carried) > 1:
            self.lines.insert(at + 1, f"{INDENT * (self.depth + 1)}{', '.join(carried)} = {inner}")
        self.carry(carried, f"jax.lax.fori_loop(0, {step.times}, {turn}, {{}})")

    def carry(self, carried: list[str], loop: str) -> None:
        """Write a loop over what is carried, and take over what it returns."""
        given = carried[0] if len(carried) == 1 else f"({', '.join(carried)})"
        trees = {tree: collection for collection, tree in self.trees().items()}
        fresh = (
            {}
            if self.frames or not self.uses_scopes
            else {
                state: self.free("updated" if state == "params" else f"new_{state}")
                for state in carried[1:]
                if state in trees
            }
        )
        self.write(f"{', '.join(fresh.get(state, state) for state in carried)} = {loop.format(given)}")
        for state in carried[1:]:
            if state in fresh:
                self.take_over(trees[state], fresh[state])
            else:
                self.note(state, rebound=True)

    def shard(self, step: Shard) -> None:
        """Lay an array out over the mesh."""
        if self.committed:
            # what was put on one device, by `pmap` or Orbax, goes with nothing that is laid out over two
            self.committed = False
            self.take_over("params", self.everywhere("params"))
        self.write(f"{self.target(step.shard)} = {self.cut(self.value(step.shard))}")
        self.note(self.tree_of(self.entry_at(step.shard)[0]))

    def everywhere(self, value: str) -> str:
        """Return the words for a value of which each device of the mesh has a copy."""
        return f"jax.device_put({value}, jax.NamedSharding({self.mesh()}, jax.P()))"

    def parallel(self, step: Parallel) -> None:
        """Take a step on replicas, or on one program over a mesh, with the mean of the gradients."""
        if self.frames:
            raise Unsupported(
                "A function over several devices is called by the program itself, from no function that is traced."
            )
        owner = self.owner(step.parallel)[0]
        trained = {f"{'/'.join(path)}": (collection, path) for collection, path in self.trained(step.parallel)}
        whole = len(trained) == sum(collection == "params" for collection, _ in self.rows(owner))
        tree = (
            self.held(owner)
            if whole
            else f"{{{', '.join(f'{key!r}: {self.entry(one)}' for key, one in trained.items())}}}"
        )
        mapped = self.way.get("parallel") == "pmap"
        names = list(step.split)
        stacked = all(not isinstance(value, list) for one in step.split.values() for value in one)
        start, name = len(self.lines), self.free("step")
        with self.frame("step", name, []):
            if not mapped and stacked:
                self.write(f"{', '.join(names)} = {', '.join(f'{one}[0]' for one in names)}")
            loss, further = self.objective(step.steps, step.minimize, "params", mean=not mapped)
            if further:
                raise Unsupported(
                    "Running statistics on several devices are several; the user says how they are brought together."
                )
            words = f"jax.grad({loss})(params)"
            slopes = self.free("slopes")
            self.write(f"{slopes} = jax.lax.pmean({words}, 'parts')" if mapped else f"{slopes} = {words}")
            moved = f"lambda value, slope: value - {step.rate} * slope"
            by = re.sub(r"(?<!')\bparams\b", slopes, tree)
            self.write(f"return jax.tree.map({moved}, {tree}, {by})")
        at = next(at for at in range(start, len(self.lines)) if self.lines[at].lstrip().startswith(f"def {name}("))
        self.lines[at] = f"{INDENT * self.depth}def {name}({', '.join(['params', *names])}):"
        if mapped:
            self.committed = True
            self.idiom("`flax.jax_utils` copies the parameters to each device, and takes one copy back.")
            parts = ", ".join(f"jnp.array({values})" for values in step.split.values())
            words = f"jax.pmap({name}, axis_name='parts')(flax.jax_utils.replicate(params), {parts})"
            words = f"flax.jax_utils.unreplicate({words})"
        else:
            parts = ", ".join(self.cut(f"jnp.array({together(values)})") for values in step.split.values())
            specs = ", ".join(["jax.P()", *("jax.P('parts')" for _ in names)])
            words = f"jax.shard_map({name}, mesh={self.mesh()}, in_specs=({specs}), out_specs=jax.P())"
            words = f"jax.jit({words})({self.everywhere('params')}, {parts})"
        if whole:
            self.store(owner, "params", words)
            return
        self.idiom(FROZEN)
        self.write(f"{self.free('fresh')} = {words}")
        for key, entry in trained.items():
            self.write(f"{self.entry(entry)} = {self.free('fresh')}[{key!r}]")


def together(values: list[Array]) -> list[object]:
    """Return the parts of a value as one, that is cut along its first axis."""
    if all(isinstance(value, list) for value in values):
        return [row for value in values if isinstance(value, list) for row in value]
    return list(values)
