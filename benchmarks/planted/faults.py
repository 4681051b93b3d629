"""The frozen faults: a hundred a framework, drawn once from its own reuse code, the same on every machine."""

import ast
import hashlib
import importlib.util
import json
import math
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks.planted.operators import Place, places

FROZEN = Path(__file__).with_name("faults.jsonl")
MANY = 100
#: the code that is about reuse: backend -> the modules that faults are planted in
TARGETS = {
    "tf1": ("tensorflow.python.ops.variable_scope", "tensorflow.python.ops.resource_variable_ops"),
    "tf2": (
        "tensorflow.python.module.module",
        "tensorflow.python.eager.polymorphic_function.polymorphic_function",
        "tensorflow.python.eager.polymorphic_function.tracing_compilation",
    ),
    "keras": ("keras.src.layers.layer", "keras.src.backend.common.variables", "keras.src.models.cloning"),
    "linen": ("flax.core.scope", "flax.linen.module"),
    "nnx": ("flax.nnx.graphlib", "flax.nnx.variablelib"),
    "torch": ("torch.nn.modules.module", "torch.nn.parameter", "torch.optim.optimizer"),
}


def source_of(module: str) -> Path | None:
    """Return the file of a module, without importing anything of its package; None if the package is not here."""
    package, _, rest = module.partition(".")
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent.joinpath(*rest.split(".")).with_suffix(".py") if spec and spec.origin else None


def draw(found: Iterable[Place], module: str, many: int) -> list[Place]:
    """Return so many of the faults of a module: of each kind as many as of any other while there are some, one a statement."""
    kinds: dict[str, list[Place]] = {}
    for one in found:
        if re.search(r"\bf['\"]", one.original):  # versions of Python write these differently
            continue
        kinds.setdefault(one.operator, []).append(one)
    for of_kind in kinds.values():
        of_kind.sort(key=lambda one: hashlib.sha256(repr((module, one.key)).encode()).digest())
    drawn: dict[ast.stmt, Place] = {}
    for round_of in zip_longest(*(kinds[kind] for kind in sorted(kinds))):
        for one in filter(None, round_of):
            if len(drawn) < many:
                drawn.setdefault(one.statement, one)
    return list(drawn.values())


def freeze(backend: str) -> Iterator[dict[str, Any]]:
    """Yield the faults of a framework; a file has as many as the square root of those that it could have says."""
    trees = {module: ast.parse(path.read_bytes()) for module in TARGETS[backend] if (path := source_of(module))}
    found = {module: list(places(tree)) for module, tree in trees.items()}
    weights = {module: math.sqrt(len(of_module)) for module, of_module in found.items()}
    given, number = 0.0, 0
    for module, of_module in found.items():
        given += MANY * weights[module] / sum(weights.values())
        for one in sorted(draw(of_module, module, round(given) - number), key=lambda one: (one.line, one.key)):
            number += 1
            yield {
                "id": f"{backend}-{number:03}", "backend": backend, "module": module, "function": one.function,
                "line": one.line, "operator": one.operator, "original": one.original, "mutated": one.mutated,
            }  # fmt: skip


def frozen(backend: str | None = None) -> list[dict[str, Any]]:
    """Return the frozen faults, of one backend or of all."""
    faults = map(json.loads, FROZEN.read_text(encoding="utf-8").splitlines())
    return [fault for fault in faults if backend in (None, fault["backend"])]
