"""How far the times can be believed: `python benchmarks/measuring.py false-alarms|planted|agreement [--runs N]`.

false-alarms   one backend is measured against itself under another name, again and again: how often is that
               called different? (The floor comes from the run's own twin, a third host of the same backend.)
planted        the same backend does 10, 3 and 0 percent more work: is 10 found, and does the interval of 3 cover it?
agreement      the stopwatch beside `torch.utils.benchmark` and beside `timeit` with a fence, on the same lines of the same
               script, round by round in one process; as many turns before each warm the processor, as the stopwatch has it.
"""

import argparse
import ast
import os
import statistics
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import canireuse_adapters
from canireuse.emit import Adapter, Names, Script
from canireuse.measure.comparison import agreement, ratio, timings
from canireuse.measure.machine import ONE_THREAD
from canireuse.measure.measuring import BLOCK, Measuring
from canireuse.program.loader import load
from canireuse.results import records
from canireuse.results.cases import Plan, plan, script_of
from canireuse.run.hosts import Host
from canireuse.run.stopwatch import WARM
from canireuse.spec.model import Located
from canireuse.spec.vocabulary import Measure, Repeat
from canireuse_adapters.torch import Torch

#: 100 calls of a layer: a repetition more is exactly a hundredth more work
WORK = """
title: A layer is called a hundred times, {units} by {units}
about: What the benchmark of the measuring itself measures, at a size where overhead or arithmetic dominates.
sources: [none]
contract: sharing
steps:
  - {{layer: dense, inputs: {units}, units: {units}, kernel: {kernel}, bias: 0.0, name: dense, as: dense}}
  - {{compute: "x = ones({batch}, {units})"}}
  - measure: calls
    steps:
      - {{compute: h = x}}
      - {{repeat: 100, steps: [{{call: dense, on: h, as: h}}]}}
  - {{expect: one-pair-of-parameters, trainable: 2, inside: dense}}
"""
SIZES = {"small": (16, 8), "large": (256, 32)}


class Again(Torch):
    """The same backend under another name."""

    name = "torch-again"


class Slower(Torch):
    """The backend with more of the same work in its measured loops."""

    more = 0.0

    def measure(self, step: Measure) -> None:
        """Repeat what is repeated so many times more."""
        steps = [
            inner.model_copy(update={"repeat": round(inner.repeat * (1 + self.more))})
            if isinstance(inner, Repeat)
            else inner
            for inner in step.steps
        ]
        super().measure(step.model_copy(update={"steps": steps}))


class Slower10(Slower):
    """Ten percent more work."""

    name, more = "torch-10-percent", 0.10


class Slower3(Slower):
    """Three percent more work."""

    name, more = "torch-3-percent", 0.03


def work(folder: Path) -> Iterator[Located]:
    """Yield the specs that are measured here."""
    for name, (units, batch) in SIZES.items():
        path = folder / "work" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(WORK.format(units=units, batch=batch, kernel=1 / units))
        yield load(path)


def run(specs: list[Located], variants: list[type[Adapter]], budget: float) -> list[records.Measurement]:
    """Measure the specs on variants of a backend, and return what was written."""
    cases = [Plan(located, adapter.name, adapter, {}) for located in specs for adapter in variants]
    written: list[records.Line] = []
    Measuring(
        cases, lambda case, environ: Host(case.adapter, device="cpu", environ=environ), written.append, budget=budget
    ).run()
    return [line for line in written if isinstance(line, records.Measurement)]


def compare(measurements: list[records.Measurement], backend: str) -> Iterator[tuple[str, object, bool]]:
    """Yield the ratio of a variant to the backend for each loop, and whether it is called different."""
    floor = agreement(measurements).floor
    found = timings(measurements)
    for (case, label, size), timing in found.items():
        spec, _, name = case.partition("@")
        if name == backend:
            one = ratio(timing.series, found[f"{spec}@torch", label, size].series)
            assert one is not None
            yield f"{spec}#{label}, floor {floor:.1%}", one, one.differs(floor)


def false_alarms(runs: int, budget: float) -> None:
    """Print how often a backend is called different from itself."""
    called = total = 0
    with tempfile.TemporaryDirectory() as folder:
        specs = list(work(Path(folder)))
        for number in range(runs):
            for name, one, different in compare(run(specs, [Torch, Again], budget), "torch-again"):
                total, called = total + 1, called + different
                print(f"run {number + 1:2} {name}: {one}{'  CALLED DIFFERENT' * different}", flush=True)
    print(f"called different: {called} of {total} comparisons of a backend with itself, {called / total:.1%}")


def planted(runs: int, budget: float) -> None:
    """Print how often 10 percent are found, how often the interval of 3 percent covers them, and how often each is called different."""
    found = dict.fromkeys((Slower10, Slower3), 0)
    covered, total = dict.fromkeys(found, 0), 0
    with tempfile.TemporaryDirectory() as folder:
        specs = list(work(Path(folder)))
        for number in range(runs):
            measurements = run(specs, [Torch, Slower10, Slower3], budget)
            total += len(specs)
            for variant in found:
                for name, one, different in compare(measurements, variant.name):
                    found[variant] += different
                    covered[variant] += one.low <= 1 + variant.more <= one.high
                    print(f"run {number + 1:2} {variant.more:.0%} {name}: {one}{'  found' * different}", flush=True)
    for variant, count in found.items():
        print(
            f"{variant.more:.0%} more work: called different in {count} of {total}, interval covers it in {covered[variant]} of {total}"
        )


#: lines that time the same statement with another tool in each round, after the stopwatch
THEIRS = {
    "torch": """
        from torch.utils import benchmark
        timer = benchmark.Timer({body!r}, globals=globals(), num_threads=1)
        timer.timeit({warm})
        theirs.append(timer.timeit({loops}).median)
    """,
    "linen": """
        import timeit
        block = 'for _ in range({loops}):\\n    ' + {body!r} + '\\n{fence}'
        # what a step gives back is what the next one takes
        before = {made!r} + '\\nfor _ in range({warm}):\\n    ' + {body!r} + '\\n{fence}'
        theirs.append(timeit.timeit(block, setup=before, globals=globals(), number=1) / {loops})
    """,
}


def side_by_side(backend: str, located: Located, rounds: int) -> Iterator[tuple[str, float, float, float]]:
    """Yield for each measured loop of a spec the medians of the stopwatch and of the other tool, and how far they are apart, round by round."""
    adapter = canireuse_adapters.adapter(backend)
    for wanted in (step.measure for step in located.spec.steps if isinstance(step, Measure)):
        host = Host(adapter, device="cpu", environ=ONE_THREAD)
        host.core = max(os.sched_getaffinity(0))
        host.ready()
        (case,) = plan([located], [backend])
        script = script_of(case, host)
        settings = {"block": BLOCK, "patience": 60.0, "spend": 60.0, "skip": []}
        warm = host.begin(script, "<calibration>", settings)
        loops = next(one["loops"] for one in warm.waiting["warm"] if one["label"] == wanted)
        ended = host.turn(None, warm)
        assert ended.ending == "finished", "a script with several groups of loops"
        outcome = host.begin(Script(with_theirs(script.text, backend, wanted, loops)), "<side by side>", settings)
        ours = []
        for number in range(rounds):
            outcome = host.turn(number, outcome)
            assert outcome.ending == "waiting", outcome.error
            ours += [one["seconds"] for one in outcome.waiting["samples"] if one["label"] == wanted]
        outcome = host.turn(None, outcome)
        host.stop()
        assert not outcome.error, outcome.error
        theirs = outcome.observations["theirs"][1:]  # the first belongs to the calibration
        apart = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
        yield wanted, statistics.median(ours), statistics.median(theirs), apart - 1


def with_theirs(text: str, backend: str, label: str, loops: int) -> str:
    """Return a script with the other tool's lines behind a measured loop."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if f"measure({label!r}" in line)
    end = next((number for number in range(at + 1, len(lines)) if not lines[number].startswith(" " * 8)), len(lines))
    body = "\n    ".join(line.strip() for line in lines[at + 1 : end])
    _, _, fence = lines[at].partition("fence=")
    waiting = fence.removesuffix("):").removeprefix("lambda: ")
    made = f"global {', '.join(Names(ast.parse(textwrap.dedent(f'    {body}')).body).bound)}"
    more = textwrap.dedent(
        THEIRS[backend].format(body=body, loops=loops, warm=WARM * loops, fence=waiting, made=made)
    ).strip()
    # who comes first finds colder caches: they take turns
    for place, when in ((end, "not number % 2"), (at, "number % 2")):
        lines[place:place] = textwrap.indent(f"if {when}:\n{textwrap.indent(more, ' ' * 4)}", " " * 4).splitlines()
    text = "\n".join(["theirs = []", *lines, "observe('theirs', theirs)"]) + "\n"
    return text.replace("for _ in rounds():", "for number in rounds():")


def agree(rounds: int) -> None:
    """Print the figures of the stopwatch and of the other tool, and how far they are apart."""
    specs = ("forward-through-small-layers", "forward-through-large-layers", "training-step-through-small-layers")
    tools = {"torch": "torch.utils.benchmark", "linen": "timeit with a fence"}
    for backend, tool in tools.items():
        for name in specs:
            located = load(Path("specs", "performance", f"{name}.yaml"))
            for label, ours, theirs, apart in side_by_side(backend, located, rounds):
                print(
                    f"{backend:6} {name:36} {label:9} ours {ours * 1e6:10.2f} µs   {tool} {theirs * 1e6:10.2f} µs   {apart:+.1%}",
                    flush=True,
                )


def main() -> None:
    """Run the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("false-alarms", "planted", "agreement"))
    parser.add_argument("--runs", type=int, default=20, help="runs of false-alarms and planted; rounds of agreement")
    parser.add_argument("--budget", type=float, default=40.0, help="seconds of each run")
    asked = parser.parse_args()
    if asked.part == "agreement":
        agree(asked.runs)
    elif asked.part == "planted":
        planted(asked.runs, asked.budget)
    else:
        false_alarms(asked.runs, asked.budget)


if __name__ == "__main__":
    main()
