"""Owners in PyTorch: layers and modules, what ties their parameters, and what is put in a parameter's place."""

from dataclasses import replace

from canireuse.step import Array
from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Layer, Module, Quantize, Reparametrize, Replace, Tie
from canireuse_adapters.torch.places import Thing, TorchPlaces, within

OWNERS = frozenset({"layer", "sequence", "module"})


class TorchOwners(TorchPlaces):
    """Words layers, modules and ties."""

    #: names of what the spec calls
    called: frozenset[str] = frozenset()
    #: what is called in place of a module, as inside `DistributedDataParallel`
    replicas: dict[str, str] = {}

    # -- layers

    def layer(self, step: Layer) -> None:
        """Make a layer as an attribute of the module, and set what it starts from."""
        made, parts = {"dense": self.dense, "embedding": self.embedding, "norm": self.norm, "cell": self.cell}[
            step.layer
        ](step)
        loose = step.name is None or (step.as_ in self.dropped and not self.rooted)
        self.loose |= loose
        holder = "" if loose else f"{self.open[-1].words}.{step.name} = "
        self.write(f"{step.as_} = {holder}{made}")
        for thing in parts.values():
            thing.loose = loose
        self.things[step.as_] = Thing("layer", parts, moody=step.layer == "norm", loose=loose)
        if step.layer == "cell" and step.bias is not None:
            self.idiom("`nn.RNNCell` adds two biases: the second is taken away.")
            self.write(f"{step.as_}.bias_hh = None")
        for part, thing in parts.items():
            if thing.initial != "random" and part not in {"mean", "var"}:
                self.set_initial(self.place(f"{step.as_}.{part}"), thing)
        if not step.trainable:
            self.write(f"{step.as_}.requires_grad_(False)")

    def dense(self, step: Layer) -> tuple[str, dict[str, Thing]]:
        """Return the words for a linear layer, and its parts."""
        self.idiom(
            "`nn.Linear` keeps its weight as [units, inputs]: `kernel` is read and written through its transpose."
        )
        parts = {"kernel": Thing("kernel", native="weight", initial=step.kernel, transposed=True)}
        if step.bias is None:
            return f"nn.Linear({step.inputs}, {step.units}, bias=False)", parts
        return f"nn.Linear({step.inputs}, {step.units})", parts | {"bias": Thing("bias", initial=step.bias)}

    def embedding(self, step: Layer) -> tuple[str, dict[str, Thing]]:
        """Return the words for an embedding, and its parts."""
        if step.bias is not None:
            raise Unsupported("`nn.Embedding` looks rows up and adds no bias.")
        parts = {"kernel": Thing("kernel", native="weight", initial=step.kernel)}
        return f"nn.Embedding({step.inputs}, {step.units})", parts

    def norm(self, step: Layer) -> tuple[str, dict[str, Thing]]:
        """Return the words for a batch normalization, and its parts; momentum is what is taken of the new."""
        parts = {
            "kernel": Thing("kernel", native="weight", initial=step.kernel),
            "mean": Thing("buffer", native="running_mean", initial=0.0),
            "var": Thing("buffer", native="running_var", initial=1.0),
        }
        if step.bias is None:
            return f"nn.BatchNorm1d({step.inputs}, eps=0.001, momentum=0.1, bias=False)", parts
        parts["bias"] = Thing("bias", initial=step.bias)
        return f"nn.BatchNorm1d({step.inputs}, eps=0.001, momentum=0.1)", parts

    def cell(self, step: Layer) -> tuple[str, dict[str, Thing]]:
        """Return the words for a recurrent cell, and its parts."""
        self.idiom("`nn.RNNCell` keeps its weights as [units, inputs]: they are read and written transposed.")
        parts = {
            "kernel": Thing("kernel", native="weight_ih", initial=step.kernel, transposed=True),
            "recurrent": Thing("kernel", native="weight_hh", initial=step.recurrent, transposed=True),
        }
        if step.bias is None:
            return f"nn.RNNCell({step.inputs}, {step.units}, bias=False)", parts
        parts["bias"] = Thing("bias", native="bias_ih", initial=step.bias)
        return f"nn.RNNCell({step.inputs}, {step.units})", parts

    # -- modules

    def module(self, step: Module) -> None:
        """Make a module and assign its members: a sequence where it is called, and all of them can be."""
        parts = {name: self.as_member(place) for name, place in step.members.items()}
        callable_ = step.module in self.called and all(part.kind in {"layer", "sequence"} for part in parts.values())
        self.write(f"{step.module} = nn.{'Sequential' if callable_ else 'Module'}()")
        for name, place in step.members.items():
            self.write(f"{step.module}.{name} = {self.place(place)}")
        self.things[step.module] = Thing("sequence" if callable_ else "module", parts)

    def as_member(self, place: str) -> Thing:
        """Return what is known of a thing under another name: an owner stays itself, a variable loses its old name."""
        thing = self.find(place) or Thing("tensor")
        return thing if thing.kind in OWNERS else replace(thing, native=None, reads=None)

    def call(self, step: Call) -> None:
        """Call a module, in the mode that its norms need."""
        thing = self.find(step.call)
        if thing and thing.kind == "module":
            raise Unsupported(
                "An `nn.Module` that holds parameters of its own has no `forward` until somebody writes one."
            )
        callee = self.replicas.get(step.call, self.place(step.call))
        if any(one.moody for one in (thing.walk() if thing else self.things.values())):
            self.write(f"{callee}.{'train' if step.training else 'eval'}()")
        on = self.input(step.on, thing)
        if step.given:
            given = ", ".join(self.given(step.call, path, value) for path, value in step.given.items())
            self.bind(step.as_, f"torch.func.functional_call({callee}, {{{given}}}, ({on},))")
        else:
            self.bind(step.as_, f"{callee}({on})")
        self.note_tensor(step.as_)

    def input(self, on: str | Array, thing: Thing | None) -> str:
        """Return the words for what is given to a module; what is literal has the dtype that the module was cast to."""
        if isinstance(on, list) and thing and thing.dtype and not self.holds_integers(on):
            return f"torch.tensor({on}, dtype=torch.{thing.dtype})"
        return self.expression(on)

    def holds_integers(self, values: Array) -> bool:
        """Return whether an input is made of integers, which look rows up."""
        return all(map(self.holds_integers, values)) if isinstance(values, list) else isinstance(values, int)

    def given(self, owner: str, path: str, value: Array | str) -> str:
        """Return one entry of what a stateless call is given."""
        place = f"{owner}.{path}"
        key = self.place(place).removeprefix(f"{self.place(owner)}.")
        words = self.input(value, self.find(place))
        return f"{key!r}: {f'{within(words)}.T' if self.is_transposed(place) else words}"

    # -- ties

    def tie(self, step: Tie) -> None:
        """Assign one parameter object to another place."""
        self.put(step.tie, step.to)

    def replace(self, step: Replace) -> None:
        """Assign to an attribute."""
        self.put(step.replace, step.by)

    def put(self, place: str, value: str) -> None:
        """Assign what one place holds to another, and note what it holds from here on."""
        owner, _, part = place.rpartition(".")
        if not owner:
            raise Unsupported(
                "PyTorch ties by assigning to an attribute of a module; a Python name on its own is no place."
            )
        old, new, parent = self.find(place), self.find(value), self.find(owner)
        if old and new and old.transposed and not new.transposed:
            if new.kind == "variable":
                raise Unsupported(
                    "`nn.Linear` keeps its weight as [units, inputs], so it cannot hold a variable laid out as [inputs, units]."
                )
            self.idiom("`nn.Linear` multiplies by its weight transposed, so an embedding's table fits as it is.")
        self.write(f"{self.place(place)} = {self.place(value)}")
        if new and parent:
            parent.parts[part] = self.put_there(old, new)

    def put_there(self, old: Thing | None, new: Thing) -> Thing:
        """Return what a place holds after an assignment: an owner itself, a variable under the place's own name."""
        if new.kind in OWNERS or old is None:
            return new
        # a place of a layer is read as the layer reads it, whatever it holds
        transposed = old.transposed if old.native else new.transposed
        return Thing(old.kind, new.parts, old.native, old.reads, old.inner, new.initial, transposed=transposed)

    def reparametrize(self, step: Reparametrize) -> None:
        """Register a parametrization: the parameter moves away, and its place gives what the module returns."""
        owner, _, part = step.reparametrize.rpartition(".")
        thing, parent = self.find(step.reparametrize), self.find(owner) if owner else None
        if not thing or not parent:
            raise Unsupported("A parametrization is registered on a module, by the name that a parameter has there.")
        if thing.reads:
            raise Unsupported("A second parametrization is applied to what the first one gives, not to the parameter.")
        name = thing.native or part
        made = self.free(f"Times{len([line for line in self.lines if 'class Times' in line]) + 1}")
        with self.block(f"class {made}(nn.Module):"), self.block("def forward(self, parameter):"):
            self.write(f"return {step.times} * parameter")
        self.idiom("A parametrization is an `nn.Module` that the user writes.")
        self.write(f"nn.utils.parametrize.register_parametrization({self.place(owner)}, {name!r}, {made}())")
        parent.parts[part] = replace(thing, native=f"parametrizations.{name}.original", reads=name)

    # -- quantization

    def quantize(self, step: Quantize) -> None:
        """Quantize the linear layers of a copy, or one linear layer in its place."""
        if self.device == "gpu":
            raise Unsupported("PyTorch's dynamic quantization computes on the CPU alone.")
        owner, _, path = step.quantize.partition(".")
        thing = self.find(step.quantize)
        if thing is None or thing.kind not in OWNERS or not any(map(is_linear, thing.walk())):
            raise Unsupported("Dynamic quantization has words for `nn.Linear` layers and the modules that hold them.")
        quantized = packed(thing)
        if path:
            native = self.place(step.quantize).partition(".")[2]
            self.write(f"torch.ao.quantization.quantize_dynamic({self.place(owner)}, {{{native!r}}}, inplace=True)")
            self.write(f"{step.as_} = {self.place(step.quantize)}")
            above = self.find(step.quantize.rpartition(".")[0])
            assert above
            above.parts[path.rpartition(".")[2]] = quantized
        elif thing.kind == "layer":
            self.write(f"{step.as_} = torch.ao.nn.quantized.dynamic.Linear.from_float({step.quantize})")
        else:
            self.write(f"{step.as_} = torch.ao.quantization.quantize_dynamic({step.quantize}, {{nn.Linear}})")
        self.things[step.as_] = quantized


def is_linear(thing: Thing) -> bool:
    """Return whether a thing is a linear layer that holds a parameter."""
    kernel = thing.parts.get("kernel")
    return thing.kind == "layer" and kernel is not None and kernel.native == "weight" and kernel.transposed


def packed(thing: Thing) -> Thing:
    """Return what is known of the quantized copy; of a layer under two names in one module the first is quantized."""
    if is_linear(thing):
        parts = {
            "kernel": Thing("packed", native="weight()", reads="weight().dequantize()", transposed=True),
            "bias": Thing("packed", native="bias()", reads="bias()"),
        }
        return replace(thing, parts={name: part for name, part in parts.items() if name in thing.parts})
    seen: list[Thing] = []
    parts = {}
    for name, part in thing.parts.items():
        again = any(part is one for one in seen)
        seen.append(part)
        parts[name] = replace(part) if again or part.kind not in OWNERS else packed(part)
    return replace(thing, parts=parts)
