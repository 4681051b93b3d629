"""The matrix: which spec of the contract notices which animal of the zoo, on the reference model.

`python -m tests.zoo.matrix` prints how many specs notice each animal, and the specs that notice none.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

from canireuse.contract import Model, tape
from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.program.loader import load_all
from canireuse.run import host
from canireuse.run.outcome import Outcome
from canireuse.run.stopwatch import Untimed
from canireuse.spec.model import Located
from canireuse_adapters.reference import Reference
from tests.zoo.animals import ANIMALS, Animal

ROOT = Path(__file__).parent.parent.parent
IMPORT = "from canireuse.contract import "


def code_of(text: str) -> CodeType:
    """Return the code of a script of the reference model, without the lines that import that model."""
    lines = text.splitlines(keepends=True)
    return compile("".join("\n" if line.startswith(IMPORT) else line for line in lines), "script", "exec")


def outcome_of(code: CodeType, model: type[Model], with_tape: Any) -> Outcome:
    """Return what a script of the reference model observes, with a model and a tape in place of its own."""
    outcome = Outcome("finished")

    def observe(label: str, value: object) -> None:
        if label in outcome.observations:
            outcome.repeated.append(label)
        outcome.observations[label] = host.observation(label, value)["value"]

    timer = Untimed()
    names = {
        "__name__": "__script__", "observe": observe, "Model": model, "tape": with_tape,
        "rounds": timer.rounds, "measure": timer.measure,
    }  # fmt: skip
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, names)
    except Exception as error:  # noqa: BLE001  # whatever a script raises is its outcome
        outcome.error = host.describe(error, "script")
    return outcome


def notices(located: Located, code: CodeType, animal: Animal | None) -> bool:
    """Return whether a spec does not conform with an animal, or with the model itself where there is none."""
    model, with_tape = (animal.load(), import_module(animal.tape)) if animal else (Model, tape)
    outcome = outcome_of(code, model, with_tape)
    error = outcome.error or {"module": "", "bases": ()}
    ours = error["module"].startswith("canireuse.contract") or "NameError" in error["bases"]
    assert not outcome.error or ours, f"{located.id}: the animal breaks: {outcome.error}"
    return judge(located.spec, "reference", Reference, {}, outcome, {}).verdict != "conforms"


def scripts() -> Iterator[tuple[Located, CodeType]]:
    """Yield the specs of the contract that the reference model says, each with the code of its script."""
    for located in load_all([ROOT / "specs"]):
        if located.spec.contract == "none":
            continue
        try:
            yield located, code_of(Reference("cpu", {}, {}).translate(located.spec).text)
        except Unsupported:
            continue


def matrix() -> dict[str, list[str]]:
    """Return spec -> the animals that it notices; raise AssertionError where a spec does not hold on the model itself."""
    made = {}
    for located, code in scripts():
        assert not notices(located, code, None), located.id
        made[located.id] = [name for name, animal in ANIMALS.items() if notices(located, code, animal)]
    return made


def both_ways(noticed: list[str]) -> bool:
    """Return whether a spec notices a copier and a sharer."""
    return {"copies", "shares"} <= {ANIMALS[name].kind for name in noticed}


def summary(made: Mapping[str, list[str]]) -> str:
    """Return how many specs notice each animal, and the specs that notice none."""
    counts = Counter(name for noticed in made.values() for name in noticed)
    none = [spec for spec, noticed in made.items() if not noticed]
    both = sum(map(both_ways, made.values()))
    lines = [f"{len(made)} specs; {len(none)} notice no animal; {both} notice a copier and a sharer"]
    lines += [f"{counts[name]:4} {name} ({animal.kind}): {animal.does}" for name, animal in ANIMALS.items()]
    return "\n".join([*lines, "", *none])


if __name__ == "__main__":
    sys.stdout.write(summary(matrix()) + "\n")
