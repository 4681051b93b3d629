"""PyTorch: parameters registered on `nn.Module`s, shared by holding one object in several places.

Scopes are worded as submodules of a root module, and names as attributes of them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Average,
    Call,
    Cast,
    Copy,
    Drop,
    Expect,
    Function,
    Invoke,
    Materialize,
    Measure,
    Module,
    Move,
    Quantize,
    Replace,
    Thread,
    walk,
)
from canireuse_adapters.torch.measuring import TorchMeasuring
from canireuse_adapters.torch.parallel import TorchParallel
from canireuse_adapters.torch.places import NO_COLLECTIONS

#: what gives a thing another name -> the field that holds the old one
RENAMING = {
    Copy: "copy_", Cast: "cast", Move: "move", Materialize: "materialize", Average: "average", Quantize: "quantize",
    Invoke: "invoke", Thread: "thread",
}  # fmt: skip


def called_in(steps: list[Step]) -> frozenset[str]:
    """Return the names of what is called: by itself, inside a module that is called, or under another name."""
    called = {part for step in steps if isinstance(step, Call) for part in step.call.split(".")}
    before = -1
    while len(called) > before:
        before = len(called)
        for step in steps:
            if type(step) in RENAMING and step.binding in called:
                called |= set(getattr(step, RENAMING[type(step)]).split("."))
            if isinstance(step, Function) and step.function in called:
                called |= set((step.returns or "").split("."))
            if isinstance(step, Replace) and set(step.replace.split(".")) <= called:
                called.add(step.by)
            if isinstance(step, Module):
                called |= {place for name, place in step.members.items() if step.module in called or name in called}
    return frozenset(called)


def looks_at_root(step: Step) -> bool:
    """Return whether a step asks for names or lists that the root module has."""
    return isinstance(step, Expect) and (
        step.kind == "name" or (step.kind in {"variables", "trainable", "names"} and not step.inside)
    )


NO_DEFAULTS = "PyTorch modules hand no initializer down: each parameter is made from the values it starts with."


class Torch(TorchMeasuring, TorchParallel):
    """Modules and parameters."""

    name = "torch"
    title = "PyTorch"
    about = "Parameters of `torch.nn` modules: one is shared by assigning it, as an object, to several places."
    packages = ("torch", "safetensors")
    install = "pip install torch safetensors"
    requires = ("torch>=2.4",)
    since = {
        "nn.BatchNorm1d(bias=_)": "torch>=2.12",
        "torch.distributed.fsdp.fully_shard": "torch>=2.6",
        "torch.while_loop": "torch>=2.5",
    }
    modules = ("torch",)
    imports = "import torch\nfrom torch import nn"
    # importing Dynamo costs a second; what was never imported has nothing to put back
    reset = (
        "import sys\nimport torch\ntorch.set_default_device(None)\ntorch.set_default_dtype(torch.float32)\n"
        "torch.manual_seed(0)\ntorch.__future__.set_swap_module_params_on_conversion(False)\n"
        "torch.__future__.set_overwrite_module_params_on_conversion(False)\n"
        "if 'torch._dynamo' in sys.modules:\n    torch.compiler.reset()"
    )
    errors = {
        "already_exists": (("KeyError", r"attribute .* already exists"),),
        "not_found": (
            (
                "AttributeError",
                r"^'(Module|Sequential|Linear|Embedding|BatchNorm1d|RNNCell|AveragedModel)' object has no attribute|^\w+ has no attribute `|is not (an nn\.(Parameter|Module)|a buffer)",
            ),
            ("RuntimeError", r"(Missing|Unexpected) key\(s\) in state_dict"),
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
            (
                "RuntimeError",
                r"does(n't| not) require grad|floating point and complex dtype can require gradients|any parameters that require a gradient",
            ),
            ("ProcessRaisedException", r"does(n't| not) require grad|any parameters that require a gradient"),
        ),
        "bad_argument": (
            ("TypeError", r"^cannot assign '.*' as parameter|^nn\.Module\.to only accepts floating point"),
            ("RuntimeError", r"only for scalar outputs|requires_grad flags of leaf"),
            (
                "UncapturedHigherOrderOpError",
                r"Unsafe side effect|Encountered input mutation|unless it is captured completely",
            ),
        ),
        "uninitialized": (("NotImplementedError", r"meta tensor; no data"),),
        "sharing_refused": (
            ("ValueError", r"which are tied|appear in more than one parameter group"),
            ("RuntimeError", r"Some tensors share memory|Couldn't swap"),
            ("ProcessRaisedException", r"is shared with a parameter already managed by another FSDP group"),
        ),
    }
    ways = {
        "copy": ("deepcopy", "pickle"),
        "restore": ("load_state_dict", "load_state_dict-assign", "unpickle", "safetensors-model", "safetensors-file"),
        "cast": ("to", "to-swap", "to-overwrite"),
        "materialize": ("to_empty", "to_empty-swap", "load-assign"),
        "parallel": ("ddp", "ddp-find-unused", "fsdp", "fsdp-each-layer"),
    }
    options = frozenset({
        "scope.dtype", "reenter.dtype", "get.local", "layer.norm", "layer.cell", "layer.unnamed", "call.given",
        "call.training", "copy.shallow", "save.only", "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered", "measure.fresh",
    })  # fmt: skip
    missing = {
        "name_scope": "PyTorch has no name scopes: operations carry no names, and a parameter's path is that of the modules that hold it.",
        "reuse_variables": "PyTorch modules have no reuse mode that could be switched: `get_parameter` looks up, `register_parameter` makes.",
        "placeholder": "PyTorch runs eagerly and has no placeholders: values are given as arguments.",
        "graph": "PyTorch has no graph that variables live in: a parameter belongs to whatever object holds it.",
        "session": "PyTorch has no sessions: a parameter holds its value itself.",
        "collection": NO_COLLECTIONS,
        **dict.fromkeys(("scope.init", "default_scope.init", "reenter.init"), NO_DEFAULTS),
        **dict.fromkeys(
            (
                "scope.penalty",
                "default_scope.penalty",
                "reenter.penalty",
                "get.penalty",
                "layer.penalty",
                "penalties",
                "penalty",
            ),
            "PyTorch parameters carry no regularizer: a penalty is a term that the user adds to the loss, or an optimizer's `weight_decay`.",
        ),
        **dict.fromkeys(
            ("scope.auxiliary_name_scope", "default_scope.auxiliary_name_scope", "reenter.auxiliary_name_scope"),
            "PyTorch has no name scopes, so that a module opens none beside.",
        ),
        "default_scope": "PyTorch makes no name unique: `add_module` replaces a module of that name in silence.",
        "default_scope.dtype": "PyTorch makes no name unique: `add_module` replaces a module of that name in silence.",
        "intercept": "`get_parameter` takes no getter: what a parameter is read through is registered on it, with `torch.nn.utils.parametrize`.",
        "get.partitions": "A parameter is one tensor; one in parts is a DTensor, which several processes hold together.",
        "wrap": "No layer of PyTorch takes another to run it over time: `nn.RNN` owns its weights, users write the loop over a cell, and `nn.Linear` works on the last axis as it is.",
        "function.template": "PyTorch has no templates: parameters live on from call to call in a module that the user makes.",
        "shard": "A DTensor is cut over several processes, each of which runs the whole script: in one process nothing can be laid out over two devices.",
    }

    # -- the whole script

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Import what the steps need, choose the device, and make the root module."""
        steps = list(walk(spec.steps))
        self.called = called_in(steps)
        self.dropped = frozenset(step.drop for step in steps if isinstance(step, Drop))
        self.rooted = any(looks_at_root(step) for step in steps)
        self.timed = any(isinstance(step, Measure) for step in steps)
        self.counted = frozenset(step.traces for step in steps if isinstance(step, Expect) and step.traces)
        if self.device == "gpu":
            self.write("torch.set_default_device('cuda')")
        start = len(self.lines)
        yield
        if any(re.search(r"\broot\b", line) for line in self.lines[start:]):
            self.lines.insert(start, "root = nn.Module()")
        if not any(re.search(r"\bnn\.", line) for line in self.lines):
            self.lines.remove("from torch import nn")
        end = self.lines.index("")
        self.lines[:end] = sorted([*self.lines[:end], *self.further], key=lambda line: (line.startswith("from"), line))

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

    # -- observations

    def observe_write(self, step: Expect) -> None:
        """Observe a write through the parameters as they are, whichever way round a layer reads them."""
        first, second = (self.seen(place) for place in step.same or step.distinct or [])
        self.write(f"before = {first}.tolist()")
        self.increment((step.same or step.distinct or [])[1])
        self.write(
            f"observe({step.expect!r}, {{'before': before, 'after': {first}.tolist(), 'written': {second}.tolist()}})"
        )

    def seen(self, place: str) -> str:
        """Return the words for the tensor at a place that shows a write, whichever way round it lies."""
        thing = self.find(place)
        return self.words(place, reading=thing is not None and thing.kind == "packed")

    def name_of(self, place: str) -> str:
        """Look the object up among the named parameters."""
        thing = self.find(place)
        if thing and thing.kind == "tensor":
            raise Unsupported("PyTorch tensors carry no name, and only parameters and buffers have a path.")
        if thing and thing.loose:
            raise Unsupported("A layer carries no name: a parameter's path is that of the modules that hold it.")
        self.idiom(
            "A parameter carries no name: its path is found by looking for the object among the named parameters."
        )
        kind = "buffers" if thing and thing.kind == "buffer" else "parameters"
        return (
            f"next((path.replace('.', '/') for path, each in root.named_{kind}() if each is {self.place(place)}), None)"
        )

    def shape_of(self, place: str) -> str:
        """Return the shape, laid out as [inputs, units]."""
        return f"list({self.value(place)}.shape)"

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype, without the package in front."""
        return f"str({self.place(place)}.dtype).removeprefix('torch.')"

    def holder(self, inside: str | None) -> str:
        """Return the module whose parameters are listed, the root where none is given."""
        if inside is None and self.loose:
            raise Unsupported("PyTorch keeps no list of all parameters: only the modules that hold them can be asked.")
        return self.place(inside) if inside else "root"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the parameters of the root or of a module; each object counts once."""
        parameters = f"{self.holder(inside)}.parameters()"
        return (
            f"[parameter for parameter in {parameters} if parameter.requires_grad]"
            if only_trainable
            else f"list({parameters})"
        )

    def names(self, inside: str | None) -> str:
        """Return the paths of a module's parameters."""
        return f"sorted(path.replace('.', '/') for path, _ in {self.holder(inside)}.named_parameters())"

    def paths_of(self, place: str, inside: str) -> str:
        """Return every path of a parameter; duplicates are listed on request."""
        thing = self.find(place)
        if thing and thing.kind == "packed":
            raise Unsupported("A quantized weight is packed, and is listed among no parameters.")
        listed = f"{self.place(inside)}.named_{'buffers' if thing and thing.kind == 'buffer' else 'parameters'}"
        return (
            f"sorted(path.replace('.', '/') for path, each in {listed}(remove_duplicate=False) "
            f"if each is {self.place(place)})"
        )

    def offered(self, name: str) -> str:
        """Ask the package, one attribute after another."""
        parts = ["torch", *name.split(".")]
        return " and ".join(f"hasattr({'.'.join(parts[:end])}, {parts[end]!r})" for end in range(1, len(parts)))
