"""Flax NNX: layers and modules, and what puts variables in several places of them."""

from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Copy, Drop, Freeze, Layer, Module, Reparametrize, Replace, Tie, Wrap
from canireuse_adapters.nnx.accounts import Owner
from canireuse_adapters.nnx.variables import NNXVariables

LEAVES = {
    "dense": {"kernel": "kernel", "bias": "bias"},
    "embedding": {"kernel": "embedding"},
    "norm": {"kernel": "scale", "bias": "bias", "mean": "mean", "var": "var"},
    "cell": {"kernel": "dense_i.kernel", "recurrent": "dense_h.kernel", "bias": "dense_i.bias"},
}


class NNXOwners(NNXVariables):
    """Words layers, modules and copies of them."""

    # -- layers

    def outside_functions(self) -> None:
        """Refuse what a function would make anew at each call, unless it is there to make and return it."""
        if not self.making:
            super().outside_functions()

    def layer(self, step: Layer) -> None:
        """Construct a layer as an attribute of the root."""
        self.outside_functions()
        self.write(f"{self.attached(step.as_)} = {self.constructor(step)}")
        leaves = {part: words for part, words in LEAVES[step.layer].items() if part != "bias" or step.bias is not None}
        if step.layer == "cell" and step.bias is None:
            self.idiom("`nnx.SimpleCell` has a bias always: its input layer is replaced by one without.")
            made = f"nnx.Linear({step.inputs}, {step.units}, kernel_init={self.initializer(step.kernel)}, use_bias=False, rngs=nnx.Rngs(0))"
            self.write(f"{step.as_}.dense_i = {made}")
        owner = self.own(step.as_, step.layer, leaves)
        for leaf in leaves:
            if leaf in {"mean", "var"}:
                self.fixed.add(f"{owner.key}.{leaf}")
            else:
                self.trainable.append(f"{owner.key}.{leaf}")
        if not step.trainable:
            self.say(Freeze(freeze=step.as_))

    def constructor(self, step: Layer) -> str:
        """Return the words that make a layer."""
        kernel = self.initializer(step.kernel)
        # numbers that are drawn come from one stream, so that no two layers draw the same
        rngs = "rngs" if "random" in (step.kernel, step.recurrent, step.bias) else "nnx.Rngs(0)"
        bias = f"bias_init={self.initializer(step.bias)}" if step.bias is not None else "use_bias=False"
        match step.layer:
            case "dense":
                return f"nnx.Linear({step.inputs}, {step.units}, kernel_init={kernel}, {bias}, rngs={rngs})"
            case "embedding":
                return f"nnx.Embed({step.inputs}, {step.units}, embedding_init={kernel}, rngs={rngs})"
            case "norm":
                given = f"momentum=0.9, epsilon=1e-3, scale_init={kernel}, {bias}, use_running_average=True"
                return f"nnx.BatchNorm({step.inputs}, {given}, rngs={rngs})"
            case _:
                starts = f"kernel_init={kernel}, recurrent_kernel_init={self.initializer(step.recurrent)}"
                starts += f", {bias}" if step.bias is not None else ""
                return f"nnx.SimpleCell({step.inputs}, {step.units}, {starts}, rngs={rngs})"

    def wrap(self, step: Wrap) -> None:
        """Put a cell into an RNN, or an RNN and a copy of it into a bidirectional one."""
        if step.inside == "time_distributed":
            raise Unsupported(
                "NNX has no wrapper for time steps: a layer works on the last axis, whatever stands before it."
            )
        self.outside_functions()
        inner, _ = self.owner(step.wrap)
        if step.inside == "rnn":
            self.refuse_unless(inner, "cell", "`nnx.RNN` runs a cell over time; this layer is none.")
            self.write(f"{self.attached(step.as_)} = nnx.RNN({self.place(step.wrap)})")
            owner = self.own(step.as_, "rnn", {leaf: f"cell.{words}" for leaf, words in inner.leaves.items()})
            owner.members["cell"] = inner
            self.ties |= {f"{owner.key}.{leaf}": self.made_as(f"{step.wrap}.{leaf}") for leaf in inner.leaves}
            self.ties_variables = True
            return
        self.both_ways(step, inner)

    def both_ways(self, step: Wrap, inner: Owner) -> None:
        """Put an RNN into a bidirectional one; NNX wants the backward one too, which is a copy."""
        if inner.kind == "cell":
            raise Unsupported("`nnx.Bidirectional` takes two `nnx.RNN`: put the cell into one first.")
        self.refuse_unless(inner, "rnn", "`nnx.Bidirectional` takes two `nnx.RNN`; this layer is none.")
        self.idiom("`nnx.Bidirectional` is given its backward part by the user: here a clone, as Keras makes one.")
        words = self.place(step.wrap)
        self.write(f"{self.attached(step.as_)} = nnx.Bidirectional({words}, nnx.clone({words}))")
        backward = self.free(f"{step.as_}_backward")
        self.stand(self.record(step.wrap), backward)
        owner = self.own(step.as_, "rnn")
        owner.attributes = {"forward": "forward_rnn", "backward": "backward_rnn"}
        owner.members = {"forward": inner, "backward": self.owners.pop(backward)}
        self.trainable += [made for made in self.variables_at(f"{step.as_}.backward") if made not in self.trainable]

    def refuse_unless(self, owner: Owner, kind: str, reason: str) -> None:
        """Refuse a layer of another kind."""
        if owner.kind != kind:
            raise Unsupported(reason)

    # -- calls

    def call(self, step: Call) -> None:
        """Call a layer, or the layers of a module in turn; with given values, on a copy that holds them."""
        owner, _ = self.owner(step.call)
        called = self.given_values(step) if step.given else self.place(step.call)
        words = self.expression(step.on)
        for layer, kind in owner.layers(called):
            if kind.kind == "cell":
                raise Unsupported("A cell is called with the state before: put it into an `nnx.RNN`, which does.")
            training = ", use_running_average=False" if step.training and kind.kind == "norm" else ""
            words = f"{layer}({words}{training})"
        self.bind(step.as_, words)

    def given_values(self, step: Call) -> str:
        """Write a module that holds other values; return its name."""
        paths = {path: self.spelled(f"{step.call}.{path}", "").strip(".") for path in step.given}
        below = len(step.call.split(".")) - 1
        tree: dict[str, Any] = {}
        for path, words in paths.items():
            *around, leaf = words.split(".")[below:]
            inner = tree
            for part in around:
                inner = inner.setdefault(part, {})
            inner[leaf] = self.new_value(step.given[path])
        name, called, values = self.free("given"), self.place(step.call), literal(tree)
        if self.way["call"] == "clone":
            self.idiom("The values are written into a clone, which is called in the module's place.")
            self.write(f"{name} = nnx.clone({called})")
            self.write(f"nnx.update({name}, {values})")
        else:
            graph = self.free("graphdef")
            self.write(f"{graph}, state = nnx.split({called})")
            self.write(f"{name} = nnx.merge({graph}, nnx.merge_state(state, nnx.State({values})))")
        return name

    # -- modules

    def module(self, step: Module) -> None:
        """Make a module and set its attributes."""
        self.write(f"{self.attached(step.module)} = nnx.Module()")
        members = {name: (self.place(place), place) for name, place in step.members.items()}
        owner = self.own(step.module, "module")
        for name, (words, place) in members.items():
            self.write(f"{step.module}.{name} = {words}")
            self.hold(owner, name, place)
        self.ties_variables = True

    def hold(self, owner: Owner, name: str, place: str) -> None:
        """Note what stands under a name of an owner."""
        owner.members.pop(name, None)
        owner.leaves.pop(name, None)
        if self.is_owner(place):
            owner.members[name] = self.owner(place)[0]
        else:
            owner.leaves[name] = name
            self.ties[f"{owner.key}.{name}"] = self.made_as(place)

    def tie(self, step: Tie) -> None:
        """Set an attribute to the variable that another attribute holds."""
        if self.is_owner(step.to) or (self.is_owner(step.tie) and "." in step.tie):
            self.put(step.tie, step.to)
            return
        self.write(f"{self.place(step.tie)} = {self.place(step.to)}")
        kept = self.made_as(step.to)
        if step.tie.partition(".")[0] in self.owners:
            owner, rest = self.owner(step.tie)
            self.ties[".".join([owner.key, *rest])] = kept
        else:
            self.ties[self.paths.get(step.tie, step.tie)] = kept
        self.settle()
        self.relist()
        self.ties_variables = True

    def replace(self, step: Replace) -> None:
        """Set a member to something else."""
        self.put(step.replace, step.by)

    def put(self, place: str, by: str) -> None:
        """Set an attribute of a module to a layer, a module or a variable."""
        around, _, name = place.rpartition(".")
        if not around or not self.is_owner(around):
            raise Unsupported("A Python name is no place: NNX replaces an attribute of a module.")
        owner, _ = self.owner(around)
        if owner.kind != "module":
            raise Unsupported("What stands in a layer of NNX is a variable: another one is tied to its place.")
        self.write(f"{self.place(around)}.{name} = {self.place(by)}")
        self.hold(owner, name, by)
        self.settle()
        self.relist()
        self.ties_variables = True

    def reparametrize(self, step: Reparametrize) -> None:
        """Have the variable itself give a function of its value, wherever it is read."""
        self.pure_only("change how a variable is read")
        hook = f"lambda _, value: {step.times} * value"
        self.write(f"{self.place(step.reparametrize)}.set_metadata(on_get_value={hook})")

    # -- copies and the end

    def copy(self, step: Copy) -> None:
        """Copy a module with all it holds, or the outermost object alone."""
        way = "shallow" if step.shallow else self.way["copy"]
        if way in {"deepcopy", "shallow"}:
            self.import_first(f"from copy import {'copy as shallow_copy' if step.shallow else 'deepcopy'}")
        call = {
            "clone": "nnx.clone({})",
            "clone-tree-mode": "nnx.clone({}, graph=False)",
            "deepcopy": "deepcopy({})",
            "split-merge": "nnx.merge(*nnx.split({}))",
            "tree-map": "jax.tree.map(jnp.copy, {})",
            "shallow": "shallow_copy({})",
        }[way]
        record = self.record(step.copy_)
        made = call.format(self.place(step.copy_))
        if step.copy_ in self.rootless:
            self.rootless.add(step.as_)
        self.write(f"{self.attached(step.as_)} = {made}")
        if way != "shallow":
            self.stand(record, step.as_, kept=way == "split-merge", tied=way != "tree-map")
            return
        owner = self.own(step.as_, record.owner.kind, dict(record.owner.leaves))
        owner.members, owner.attributes = dict(record.owner.members), dict(record.owner.attributes)
        self.ties |= {f"{owner.key}.{leaf}": self.made_as(f"{step.copy_}.{leaf}") for leaf in owner.leaves}
        self.ties_variables = True

    def drop(self, step: Drop) -> None:
        """Delete a name, and the attribute of the root that stands for it, unless a scope registered the variable."""
        if self.frames:
            raise Unsupported("A name of the script is dropped outside of functions, which are given the root anew.")
        for module in ("gc", "weakref"):
            self.import_first(f"import {module}")
        watched, path = step.drop, ""
        if step.drop in self.owners:
            rooted = step.drop not in self.rootless and self.owners[step.drop].words == step.drop
            path = f"root.{step.drop}" if rooted else ""
        elif step.drop in self.bound_at:
            self.idiom("A variable of NNX takes no weak reference: its array is watched in its place.")
            watched = f"{step.drop}[...]"
            path = self.paths.get(step.drop, "") if self.paths.get(step.drop) in self.constructed else ""
            self.deleted |= {path} - {""}
            self.paths.pop(step.drop, None)
        self.write(f"{step.drop}_watch = weakref.ref({watched})")
        self.write(f"del {', '.join(filter(None, [step.drop, path]))}")
        self.write("gc.collect()")
        self.dropped.add(step.drop)
        self.settle()


def literal(tree: "dict[str, Any] | str") -> str:
    """Return the words for a tree of values that are words already."""
    if isinstance(tree, str):
        return tree
    return f"{{{', '.join(f'{name!r}: {literal(inner)}' for name, inner in tree.items())}}}"
