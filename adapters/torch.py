"""PyTorch: parameters registered on `nn.Module`s, shared by holding one object in several places.

Scopes are worded as submodules of a root module, and names as attributes of them.
"""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager

from adapters.torch_places import NO_COLLECTIONS, Thing, TorchPlaces
from adapters.training import training_of
from conformance.spec import Spec
from conformance.step import Step
from conformance.translation import Unsupported, turns
from conformance.vocabulary import (
    Call,
    Copy,
    Expect,
    Freeze,
    Function,
    Gradient,
    Invoke,
    Layer,
    Module,
    Repeat,
    Restore,
    Save,
    Train,
    walk,
)


def called_in(steps: list[Step]) -> frozenset[str]:
    """Return the names of what is called: by itself, inside a module that is called, or as a copy."""
    called = {part for step in steps if isinstance(step, Call) for part in step.call.split(".")}
    for step in reversed(steps):
        if isinstance(step, Copy) and step.as_ in called:
            called.add(step.copy_)
        if isinstance(step, Module):
            called |= {place for name, place in step.members.items() if step.module in called or name in called}
    return frozenset(called)


class Torch(TorchPlaces):
    """Modules and parameters."""

    name = "torch"
    title = "PyTorch"
    about = "Parameters of `torch.nn` modules: one is shared by assigning it, as an object, to several places."
    packages = ("torch",)
    install = "pip install torch"
    imports = "import torch\nfrom torch import nn"
    # importing Dynamo costs a second; what was never imported has nothing to put back
    reset = (
        "import sys\nimport torch\ntorch.set_default_device(None)\ntorch.manual_seed(0)\n"
        "if 'torch._dynamo' in sys.modules:\n    torch.compiler.reset()"
    )
    errors = {
        "already_exists": (("KeyError", r"attribute .* already exists"),),
        "not_found": (
            (
                "AttributeError",
                r"^'(Module|Sequential|Linear|Embedding)' object has no attribute|^\w+ has no attribute `|is not an nn\.(Parameter|Module)",
            ),
            ("RuntimeError", r"Missing key\(s\) in state_dict"),
        ),
        "shape_mismatch": (
            (
                "RuntimeError",
                r"must match the size of tensor|size mismatch|shapes cannot be multiplied|inconsistent tensor size|doesn't match the broadcast shape",
            ),
        ),
        "dtype_mismatch": (
            ("RuntimeError", r"have (the )?same dtype|expected scalar type|can't be cast to the desired output type"),
        ),
        "not_trainable": (
            ("RuntimeError", r"does not require grad|floating point and complex dtype can require gradients"),
        ),
        "bad_argument": (
            ("TypeError", r"^cannot assign '.*' as parameter"),
            ("RuntimeError", r"only for scalar outputs|requires_grad flags of leaf"),
        ),
    }
    ways = {"restore": ("load_state_dict", "load_state_dict-assign", "unpickle")}
    missing = {
        "name_scope": "PyTorch has no name scopes: operations carry no names, and a parameter's path is that of the modules that hold it.",
        "reuse_variables": "PyTorch modules have no reuse mode that could be switched: `get_parameter` looks up, `register_parameter` makes.",
        "placeholder": "PyTorch runs eagerly and has no placeholders: values are given as arguments.",
        "graph": "PyTorch has no graph that variables live in: a parameter belongs to whatever object holds it.",
        "session": "PyTorch has no sessions: a parameter holds its value itself.",
        "collection": NO_COLLECTIONS,
    }

    #: functions whose traces the spec asks for
    counted: frozenset[str] = frozenset()
    #: names of what the spec calls
    called: frozenset[str] = frozenset()
    #: the training step whose optimizer was made before the function around it
    hoisted: Train | None = None

    # -- the whole script

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Import what the steps need, choose the device, and make the root module."""
        steps = list(walk(spec.steps))
        verbs = {step.verb for step in steps}
        if "copy" in verbs:
            self.import_first("from copy import deepcopy")
        if "save" in verbs:
            self.import_first("from io import BytesIO")
        self.called = called_in(steps)
        self.counted = frozenset(step.traces for step in steps if isinstance(step, Expect) and step.traces)
        if self.device == "gpu":
            self.write("torch.set_default_device('cuda')")
        start = len(self.lines)
        yield
        if any(re.search(r"\broot\b", line) for line in self.lines[start:]):
            self.lines.insert(start, "root = nn.Module()")
        if not any(re.search(r"\bnn\.", line) for line in self.lines):
            self.lines.remove("from torch import nn")

    @classmethod
    def probe(cls, device: str) -> str:
        """Make a parameter on the default device and ask it where it is."""
        kind = {"cpu": "cpu", "gpu": "cuda"}[device]
        name = (
            "str(parameter.device)"
            if device == "cpu"
            else "f'{parameter.device} {torch.cuda.get_device_name(parameter.device)}'"
        )
        return f"{cls.imports}\ntorch.set_default_device({kind!r})\nparameter = nn.Parameter(torch.ones(1))\nobserve('device', {name})\n"

    # -- layers and modules

    def layer(self, step: Layer) -> None:
        """Make a layer as an attribute of the module, and set what it starts from."""
        here = self.open[-1]
        dense = step.layer == "dense"
        parts = {"kernel": Thing("kernel", native="weight", initial=step.kernel, transposed=dense)}
        if step.bias is not None:
            parts["bias"] = Thing("bias", initial=step.bias)
        bias = ", bias=False" if step.bias is None else ""
        made = (
            f"nn.Linear({step.inputs}, {step.units}{bias})" if dense else f"nn.Embedding({step.inputs}, {step.units})"
        )
        if dense:
            self.idiom(
                "`nn.Linear` keeps its weight as [units, inputs]: `kernel` is read and written through its transpose."
            )
        self.write(f"{step.as_} = {here.words}.{step.name} = {made}")
        self.things[step.as_] = Thing("layer", parts)
        for part, thing in parts.items():
            if thing.initial != "random":
                self.set_initial(self.place(f"{step.as_}.{part}"), thing)
        if not step.trainable:
            self.write(f"{step.as_}.requires_grad_(False)")

    def call(self, step: Call) -> None:
        """Call a module."""
        thing = self.find(step.call)
        if thing and thing.kind == "module":
            raise Unsupported(
                "An `nn.Module` that holds parameters of its own has no `forward` until somebody writes one."
            )
        self.bind(step.as_, f"{self.place(step.call)}({self.expression(step.on)})")
        self.note_tensor(step.as_)

    def module(self, step: Module) -> None:
        """Make a module and assign its members: a sequence where it is called, and all of them can be."""
        parts = {name: self.find(place) or Thing("tensor") for name, place in step.members.items()}
        callable_ = step.module in self.called and all(part.kind in {"layer", "sequence"} for part in parts.values())
        self.write(f"{step.module} = nn.{'Sequential' if callable_ else 'Module'}()")
        for name, place in step.members.items():
            self.write(f"{step.module}.{name} = {self.place(place)}")
        self.things[step.module] = Thing("sequence" if callable_ else "module", parts)

    def freeze(self, step: Freeze) -> None:
        """Switch gradients off, for a parameter or all parameters of a module."""
        self.write(f"{self.place(step.freeze)}.requires_grad_(False)")

    def copy(self, step: Copy) -> None:
        """Copy as Python does."""
        self.write(f"{step.as_} = deepcopy({step.copy_})")
        if step.copy_ in self.things:
            self.things[step.as_] = copy.deepcopy(self.things[step.copy_])

    def save(self, step: Save) -> None:
        """Save the state dict, or the whole module where it is to be unpickled."""
        whole = self.way.get("restore") == "unpickle"
        self.write(f"{step.to} = BytesIO()")
        self.write(f"torch.save({step.save}{'' if whole else '.state_dict()'}, {step.to})")

    def restore(self, step: Restore) -> None:
        """Load a state dict into the module, or bind the name to an unpickled module."""
        way = self.way.get("restore", self.ways["restore"][0])
        self.write(f"{step.given_by}.seek(0)")
        if way == "unpickle":
            self.write(f"{step.restore} = torch.load({step.given_by}, weights_only=False)")
        else:
            assign = ", assign=True" if way == "load_state_dict-assign" else ""
            self.write(f"{step.restore}.load_state_dict(torch.load({step.given_by}){assign})")

    # -- learning

    def gradient(self, step: Gradient) -> None:
        """Ask autograd for one gradient."""
        self.steps(step.steps)
        turned = ".T" if self.is_transposed(step.wrt) else ""
        self.write(
            f"{step.gradient} = torch.autograd.grad({self.expression(step.of)}, {self.place(step.wrt)})[0]{turned}"
        )
        self.note_tensor(step.gradient)

    def train(self, step: Train) -> None:
        """Write the training loop."""
        if step is not self.hoisted:
            self.optimizer(step)
        with turns(self, step.times):
            self.steps(step.steps)
            self.write(f"loss = {self.expression(step.minimize)}")
            self.write("optimizer.zero_grad()")
            self.write("loss.backward()")
            self.write("optimizer.step()")

    def optimizer(self, step: Train) -> None:
        """Make the optimizer."""
        kind = {"sgd": "SGD", "adam": "Adam"}[step.train]
        self.write(f"optimizer = torch.optim.{kind}({self.owned(step.wrt)}, lr={step.rate})")

    def owned(self, wrt: str | list[str]) -> str:
        """Return what an optimizer is given: a module's own parameters, or a list of them."""
        if isinstance(wrt, list):
            return f"[{', '.join(map(self.place, wrt))}]"
        thing = self.find(wrt)
        owns = thing is not None and thing.kind in {"layer", "sequence", "module"}
        return f"{self.place(wrt)}.parameters()" if owns else f"[{self.place(wrt)}]"

    # -- functions

    def function(self, step: Function) -> None:
        """Define a Python function; `torch.compile` traces it where asked."""
        if step.traced:
            self.hoisted = training_of(step)
            if self.hoisted:
                self.optimizer(self.hoisted)
            self.compiled(step)
        there = set(self.there)
        self.guarded += 1
        with self.block(f"def {step.function}({', '.join(step.takes)}):"):
            self.steps(step.steps)
            if step.returns:
                self.write(f"return {self.expression(step.returns)}")
        self.guarded -= 1
        # Nobody knows yet whether the function will be called, so its scopes may be there or not.
        self.perhaps |= self.there - there
        self.there = there
        returned = self.things.get(step.returns or "")
        if returned:
            self.things[step.function] = returned

    def compiled(self, step: Function) -> None:
        """Write the decorator that compiles a function, with a backend that keeps the graphs where they are counted."""
        if step.function not in self.counted:
            self.write("@torch.compile(backend='eager')")
            return
        self.idiom("Traces are counted as the graphs that `torch.compile` hands to a backend of the user's own.")
        graphs = f"graphs_of_{step.function}"
        self.write(f"{graphs} = []")
        with self.block(f"def keep_{graphs}(graph, inputs):"):
            self.write(f"{graphs}.append(graph)")
            self.write("return graph.forward")
        self.write(f"@torch.compile(backend=keep_{graphs})")

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        if step.as_ and step.invoke in self.things:
            self.things[step.as_] = self.things[step.invoke]
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

    def repeat(self, step: Repeat) -> None:
        """Write a loop; what stands in it may run again."""
        self.guarded += 1
        super().repeat(step)
        self.guarded -= 1

    # -- observations

    def observe_write(self, step: Expect) -> None:
        """Observe a write through the parameters as they are, whichever way round a layer reads them."""
        first, second = map(self.place, step.same or step.distinct or [])
        self.write(f"before = {first}.tolist()")
        self.increment(second)
        self.write(
            f"observe({step.expect!r}, {{'before': before, 'after': {first}.tolist(), 'written': {second}.tolist()}})"
        )

    def name_of(self, place: str) -> str:
        """Look the object up among the named parameters."""
        thing = self.find(place)
        if thing and thing.kind == "tensor":
            raise Unsupported("PyTorch tensors carry no name, and only parameters and buffers have a path.")
        self.idiom(
            "A parameter carries no name: its path is found by looking for the object among the named parameters."
        )
        return (
            "next((path.replace('.', '/') for path, each in root.named_parameters() "
            f"if each is {self.place(place)}), None)"
        )

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype, without the package in front."""
        return f"str({self.place(place)}.dtype).removeprefix('torch.')"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the parameters of the root or of a module; each object counts once."""
        parameters = f"{self.place(inside) if inside else 'root'}.parameters()"
        return (
            f"[parameter for parameter in {parameters} if parameter.requires_grad]"
            if only_trainable
            else f"list({parameters})"
        )

    def names(self, inside: str | None) -> str:
        """Return the paths of the root's parameters."""
        return "sorted(path.replace('.', '/') for path, _ in root.named_parameters())"

    def trace_count(self, function: str) -> str:
        """Count the graphs that were compiled."""
        return f"len(graphs_of_{function})"

    def offered(self, name: str) -> str:
        """Ask the package, one attribute after another."""
        parts = ["torch", *name.split(".")]
        return " and ".join(f"hasattr({'.'.join(parts[:end])}, {parts[end]!r})" for end in range(1, len(parts)))
