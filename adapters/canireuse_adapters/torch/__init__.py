"""PyTorch: parameters registered on `nn.Module`s, shared by holding one object in several places.

Scopes are worded as submodules of a root module, and names as attributes of them.
"""

import ast
from typing import Any

from canireuse.emit import Code, Effects, Emitter, Slot, Unsupported, attribute, expr, name, statements
from canireuse.program import Object
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    CurrentScope,
    Expect,
    Freeze,
    Function,
    Get,
    Layer,
    Measure,
    Reenter,
    Repeat,
    Save,
    Scope,
    Variable,
    walk,
)
from canireuse_adapters.kinds import NAME_ALONE, NO_LIST_BY_NAME
from canireuse_adapters.torch import checkpoints, functions, layers, learning, scopes, variables
from canireuse_adapters.torch.measuring import READS, UNLISTED
from canireuse_adapters.torch.variables import NO_COLLECTIONS, PACKED

SCOPES = ("scope", "default_scope", "reenter")
NO_DEFAULTS = "PyTorch modules hand no initializer down: each parameter is made from the values it starts with."
NO_DTYPE = "PyTorch modules hand no dtype down: it is said at each parameter, or of all tensors with `torch.set_default_dtype`."
NO_PENALTIES = "PyTorch parameters carry no regularizer: a penalty is a term that the user adds to the loss, or an optimizer's `weight_decay`."

CODE: Code = {
    **scopes.CODE, **variables.CODE, **layers.CODE, **checkpoints.CODE, **learning.CODE,
    **functions.CODE,
}  # fmt: skip
EFFECTS: Effects = {**checkpoints.EFFECTS, **functions.EFFECTS}
LACKS = (
    *scopes.LACKS, *variables.LACKS, *checkpoints.LACKS, *functions.LACKS,
    UNLISTED,
)  # fmt: skip


class Torch(Emitter):
    """Modules and parameters."""

    name = "torch"
    title = "PyTorch"
    about = "Parameters of `torch.nn` modules: one is shared by assigning it, as an object, to several places."
    packages = ("torch", "safetensors", "accelerate", "onnx", "onnxscript", "torchinfo", "torchsummary")
    install = "pip install torch safetensors accelerate onnx onnxscript torchinfo torchsummary"
    requires = ("torch>=2.4",)
    since = {
        "nn.BatchNorm1d(bias=_)": "torch>=2.12",
        "torch.while_loop": "torch>=2.5",
    }
    modules = ("torch",)
    imports = "import torch\nfrom torch import nn"
    also = (
        "import safetensors.torch\nfrom accelerate import init_empty_weights\nfrom accelerate import load_checkpoint_and_dispatch\n"
        "from accelerate.utils import find_tied_parameters\nfrom torch._subclasses.fake_tensor import FakeTensorMode"
    )
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
            ("AttributeError", r"^'(Module|Sequential|Linear|Embedding|BatchNorm1d|RNNCell|AveragedModel)' object has no attribute|^\w+ has no attribute `|is not (an nn\.(Parameter|Module)|a buffer)"),
            ("RuntimeError", r"(Missing|Unexpected) key\(s\) in state_dict"),
            ("IndexError", r"^index out of range in self"),
            ("ValueError", r"^loaded state dict (contains a parameter group|has a different number of parameter groups)"),
        ),
        "shape_mismatch": (("AssertionError", r"^The in_features inferred from input"), ("TorchRuntimeError", r"attempting to expand a dimension"), ("RuntimeError", r"must match the size of tensor|size mismatch|shapes cannot be multiplied|inconsistent tensor size|doesn't match the broadcast shape|running_mean should contain")),
        "dtype_mismatch": (("RuntimeError", r"have (the )?same dtype|expected scalar type|expected dtype \w+ for `end`|can't be cast to the desired output type"),),
        "not_trainable": (
            ("RuntimeError", r"does(n't| not) require grad|floating point and complex dtype can require gradients|any parameters that require a gradient"),
            ("ProcessRaisedException", r"does(n't| not) require grad|any parameters that require a gradient"),
        ),
        "bad_argument": (
            ("AttributeError", r"^cannot assign module before Module\.__init__\(\) call"),
            ("RecursionError", ""),
            ("TypeError", r"^cannot assign '.*' as parameter|^nn\.Module\.to only accepts floating point"),
            ("AssertionError", r"^Torch not compiled with CUDA"),
            ("RuntimeError", r"only for scalar outputs|requires_grad flags of leaf|not have been used in the graph|Found no NVIDIA driver|No CUDA GPUs are available|must return None or a tuple of \(new_args, new_kwargs\)|^a leaf Variable that requires grad is being used in an in-place"),
            ("UncapturedHigherOrderOpError", r"Unsafe side effect|Encountered input mutation|unless it is captured completely"),
        ),
        "uninitialized": (("NotImplementedError", r"meta tensor; no data"),),
        "sharing_refused": (
            ("ValueError", r"which are tied|appear in more than one parameter group"),
            ("RuntimeError", r"Some tensors share memory|Couldn't swap"),
            ("ProcessRaisedException", r"is shared with a parameter already managed by another FSDP group"),
        ),
    }  # fmt: skip
    ways = {
        "copy": ("deepcopy", "pickle"),
        "restore": ("load_state_dict", "load_state_dict-assign", "unpickle", "safetensors-model", "safetensors-file"),
        "optimizer": ("all-parameters", "trainable-parameters", "foreach", "fused"),
        "expect": ("named_parameters", "find_tied_parameters"),
        "invoke": ("device", "init_empty_weights", "init_empty_weights-buffers"),
    }
    options = frozenset({
        "get.local", "layer.norm", "layer.padding", "layer.cell", "layer.lazy", "layer.unnamed", "layer.shared_initializer", "call.given",
        "call.training", "copy.shallow", "save.only", "save.in_memory", "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered", "measure.fresh", "optimizer.rates", "optimizer.undecayed", "optimizer.named",
    })  # fmt: skip
    missing = {
        "name_scope": "PyTorch has no name scopes: operations carry no names, and a parameter's path is that of the modules that hold it.",
        "reuse_variables": "PyTorch modules have no reuse mode that could be switched: `get_parameter` looks up, `register_parameter` makes.",
        "placeholder": "PyTorch runs eagerly and has no placeholders: values are given as arguments.",
        "graph": "PyTorch has no graph that variables live in: a parameter belongs to whatever object holds it.",
        "collection": NO_COLLECTIONS,
        **{f"{verb}.init": NO_DEFAULTS for verb in SCOPES},
        **{f"{verb}.dtype": NO_DTYPE for verb in SCOPES},
        **dict.fromkeys((*(f"{verb}.penalty" for verb in (*SCOPES, "get", "layer")), "layer.activity", "penalties", "penalty"), NO_PENALTIES),
        **{f"{verb}.auxiliary_name_scope": "PyTorch has no name scopes, so that a module opens none beside." for verb in SCOPES},
        "default_scope": "PyTorch makes no name unique: `add_module` replaces a module of that name in silence.",
        "intercept": "`get_parameter` takes no getter: what a parameter is read through is registered on it, with `torch.nn.utils.parametrize`.",
        "expect.under": NO_LIST_BY_NAME,
        "get.asks": NAME_ALONE,
        "layer.keras": "PyTorch has no layers of Keras beside its own.",
        "thread.outside": "PyTorch has no graph that a thread would have to enter.",
        "get.partitions": "A parameter is one tensor; one in parts is a DTensor, which several processes hold together.",
        "wrap": "No layer of PyTorch takes another to run it over time: `nn.RNN` owns its weights, users write the loop over a cell, and `nn.Linear` works on the last axis as it is.",
        "function.template": "PyTorch has no templates: parameters live on from call to call in a module that the user makes.",
    }  # fmt: skip
    functions = {
        "tanh": "torch.tanh($x)", "relu": "torch.relu($x)", "sigmoid": "torch.sigmoid($x)", "exp": "torch.exp($x)",
        "log": "torch.log($x)", "square": "torch.square($x)", "sum": "torch.sum($x)", "mean": "torch.mean($x)",
        "transpose": "torch.t($x)", "softmax": "torch.softmax($x, dim=-1)", "stop_gradient": "$x.detach()",
        "ones": "torch.ones([$*x])", "gather_nd": "$x[$rows, $columns]",
    }  # fmt: skip
    array_code = "torch.tensor($x)"
    everything = "root"
    head = {"gpu": "torch.set_default_device('cuda')"}
    preamble = {"root": "root = nn.Module()"}
    fences = {"gpu": "torch.cuda.synchronize"}
    layers = layers.LAYERS
    code, effects, lacks, reads = CODE, EFFECTS, LACKS, READS

    nesting = ("around",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: the steps that are being written, the innermost last
        self.around: list[Step] = []
        #: a training step whose optimizer is made before the function around -> what that is called, and what it trains
        self.hoisted: dict[int, tuple[str, set[Object]]] = {}

    def step(self, step: Step) -> None:
        """Emit one step, knowing which stand around it."""
        self.around.append(step)
        super().step(step)
        self.around.pop()

    def runs_again(self) -> bool:
        """Return whether what is written may run more than once."""
        return any(
            isinstance(one, Function | Repeat | Measure) and not getattr(one, "fresh", False) for one in self.around
        )

    def is_compiled(self) -> bool:
        """Return whether what is written stands in a function that is compiled."""
        return any(isinstance(one, Function) and one.traced for one in self.around)

    def traces_usually(self) -> bool:
        """Return false: a training loop in PyTorch runs eagerly unless somebody compiles it."""
        return False

    def start_afresh(self) -> None:
        """Make a new root module, where there is one."""
        self.body += statements("root = nn.Module()") if self.has_root() else []
        self.symbols.there.clear()
        self.symbols.perhaps.clear()

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Leave out verbs whose ways are alike: optimizers where something is timed, calls that make no module without memory, ..."""
        steps = list(walk(spec.steps))
        apart = {
            "optimizer": not any(isinstance(step, Measure) for step in steps),
            "expect": any(isinstance(step, Expect) and step.paths for step in steps),
            "invoke": functions.makes_without_memory(steps),
        }
        return [verb for verb in super().verbs_with_ways(spec) if apart.get(verb, True)]

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways of each verb.

        Who empties a model with Accelerate loads it so; what is kept in memory alone is a state dict, loaded in two ways; and
        where nothing is frozen, the list of what is trainable is that of all parameters, and no way of its own.
        """
        frozen = any(isinstance(step, Freeze) for step in walk(spec.steps))
        ways = [way for way in super().ways_of(spec) if frozen or way.get("optimizer") != "trainable-parameters"]
        for way in ways:
            if "materialize" in way and way.get("invoke", "device") != "device":
                way["materialize"] = "load_checkpoint_and_dispatch"
        saves = [step for step in walk(spec.steps) if isinstance(step, Save)]
        if not saves or not all(step.in_memory for step in saves):
            return ways
        copied, taken = "load_state_dict", "load_state_dict-assign"
        return [{**way, "restore": copied} for way in ways] + [{**ways[0], "restore": taken}]

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

    # -- places and values

    def here(self, end: int | None = None) -> ast.expr:
        """Return the code for the module of the open scope, or of one around it."""
        code = expr("root")
        for opened in self.symbols.opened[1:end]:
            code = name(opened.by) if opened.by else attribute(code, [opened.path[-1]])
        return code

    def kept(self, owner: ast.expr, slot: Slot, *, reading: bool) -> ast.expr:
        """Return the attributes of a slot; a packed weight is asked for with a call."""
        code = super().kept(owner, slot, reading=reading)
        if slot.kind != "packed":
            return code
        return expr("$code().dequantize()" if reading and slot.transposed else "$code()", code=code)

    def value(self, place: str) -> ast.expr:
        """Return the parameter as it stands in arithmetic, laid out as [inputs, units]."""
        code = super().value(place)
        return expr("$code.T", code=code) if self.transposed(place) else code

    def transposed(self, place: str) -> bool:
        """Return whether a place holds a weight laid out as [units, inputs]: the layer says so, or the one that made it."""
        owner, part = self.symbols.above(place)
        if owner and part in owner.slots:
            return owner.slots[part].transposed
        found = self.symbols.at(place)
        if not found or not found.part or not isinstance(found.made, Layer):
            return False
        return self.layers[found.made.layer].get(found.part, Slot("")).transposed

    def is_packed(self, place: str) -> bool:
        """Return whether a place holds a quantized weight."""
        found = self.symbols.at(place)
        return found is not None and found.kind == "packed"

    def has_root(self) -> bool:
        """Return whether something asks for the root module: a scope, a listing, or a name."""
        steps = self.facts.steps
        return self.facts.lists_all or any(isinstance(one, Scope | Reenter | CurrentScope | Get) for one in steps)

    def is_loose(self, made: Layer | Variable) -> bool:
        """Return whether no module holds what is made but its Python name: none need, or it is to be dropped."""
        unnamed = isinstance(made, Layer) and made.name is None
        if unnamed or not self.has_root():
            return True
        return not self.facts.lists_all and any(vars(step).get("drop") == made.as_ for step in self.facts.steps)

    def key(self, owner: str, path: str) -> str:
        """Return the key in an owner's state dict of what stands at a path inside."""
        found = self.symbols.at(owner) or Object("unknown")
        return ".".join(found.spelled(path.split("."))) if path else ""

    def increment(self, place: str) -> None:
        """Add in place."""
        if self.is_packed(place):
            raise Unsupported(PACKED)
        self.emit("with torch.no_grad():\n    $place.add_(1)", place=self.place(place))

    def seen(self, place: str) -> ast.expr:
        """Return what is observed of a parameter as it is, whichever way round a layer reads it."""
        return self.data(self.spelled(place, reading=self.is_packed(place)))
