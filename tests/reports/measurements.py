"""Measurements made in code: several backends, six processes, one backend twice, one on a GPU too, a loop left out."""

import random
from pathlib import Path

from canireuse.judge.verdict import Judged
from canireuse.measure.loops import measured_loops
from canireuse.program import loader
from canireuse.results.records import (
    Case,
    Environment,
    Footer,
    Header,
    Measurement,
    Measuring,
    Results,
    SpecLine,
    case_id,
    digest,
)

SPECS = Path(__file__).parents[2] / "specs" / "performance"
#: backend -> its ways; how many times as long a turn takes as that of the others; the fence
BACKENDS = {
    "reference": ([{}], 9.0, ""),
    "tf1": ([{}], 2.0, ""),
    "keras": ([{"engine": "jax"}, {"engine": "tensorflow"}], 1.6, ""),
    "nnx": ([{}], 1.2, "jax.block_until_ready"),
    "torch": ([{}], 1.0, ""),
}
TITLES = {"reference": "Reference model", "tf1": "TensorFlow 1 graph mode", "keras": "Keras", "nnx": "Flax NNX", "torch": "PyTorch"}  # fmt: skip
SECONDS = {"separate": 1e-4, "shared": 0.7e-4, "create": 5e-6, "reuse": 1e-6, "compiled": 2e-5, "gradient": 4e-5}
LEFT_OUT = ("performance/variables-by-name", "nnx", 10000)
UNRELIABLE = "performance/building-a-graph@tf1"
SCRIPT = "observe('shared', 1.0)\n"


def environment(backend, device, engine=""):
    title, fence = TITLES[backend], BACKENDS[backend][2] or ("torch.cuda.synchronize" if device == "gpu" else "")
    return Environment(
        id=f"{backend}{engine}@{device}", backend=backend, title=title, about="About it.", asked_device=device, device=device, fence=fence,
        device_name="Some GPU" if device == "gpu" else "cpu", python="3.11.7", platform="Linux", packages={"framework": "1.2"}, threads={"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def spec_line(located):
    spec = located.spec
    return SpecLine(
        id=located.id, title=spec.title, about=spec.about, sources=spec.sources, contract=spec.contract, text=located.text,
        digest=digest(located.text), lines=located.lines,
    )  # fmt: skip


def cases_of(located):
    for backend, (ways, factor, _) in BACKENDS.items():
        for way in ways:
            for device in ("cpu", "gpu") if backend == "torch" else ("cpu",):
                graph = located.id == "performance/building-a-graph" and backend != "tf1"
                judged = [
                    Judged(label=label, contract=answer, observed=answer, holds=True)
                    for label, answer in located.spec.expectations.items()
                ]
                case = Case(
                    id=case_id(located.id, backend, way, device), spec=located.id, backend=backend, way=way, device=device,
                    environment="+".join([backend, *way.values()]) + f"@{device}", verdict="unsupported" if graph else "conforms",
                    reason="It has no graph." if graph else None, expectations=[] if graph else judged,
                    script=None if graph else SCRIPT, script_digest=digest(SCRIPT), spec_digest="d",
                )  # fmt: skip
                yield case, factor * (0.2 if device == "gpu" else 1.0)


def seconds_of(loop, spec, backend, factor):
    """Return what a turn takes: sharing makes a difference in a training step, and none on Keras."""
    label = loop.measure
    if label == "shared" and ("training" not in spec or backend == "keras"):
        label = "separate"
    return SECONDS[label] * factor * (loop.size or 1) ** (1.4 if backend == "nnx" else 1.0)


def measured(case, factor, loop, process, draw, *, twin=False):
    """Return what was timed of a loop in one process."""
    more = {"case": case.id, "label": loop.measure, "size": loop.size, "against": loop.against, "twin": twin}
    turn = seconds_of(loop, case.spec, case.backend, factor)
    if (case.spec, case.backend, loop.size) == LEFT_OUT:
        return Measurement(process=process, left_out=True, skipped=8.0 if loop.measure == "create" else 0.1, **more)
    turn *= draw.lognormvariate(0, 0.012)
    return Measurement(
        process=process, first=turn * 900, loops=100 + process, fence=8e-8, rounds=list(range(8)),
        seconds=[turn * draw.lognormvariate(0.005, 0.01) for _ in range(8)], **more,
    )  # fmt: skip


def made(processes=6, *, gpu=True, load=0.4, backends=tuple(BACKENDS), specs=None):
    """Return results with measurements; of a few specs, where they are named."""
    draw = random.Random(7)
    lines, cases, measurements = {}, {}, {}
    for located in loader.load_all([SPECS / f"{name}.yaml" for name in specs] if specs else [SPECS]):
        lines[located.id] = spec_line(located)
        for case, factor in cases_of(located):
            if case.backend not in backends or (case.device == "gpu" and not gpu):
                continue
            cases[case.id] = case
            if case.verdict != "conforms" or case.id == UNRELIABLE:
                continue
            for loop in measured_loops(located):
                for process in range(processes):
                    twins = (False, True) if case.backend == "torch" and case.device == "cpu" else (False,)
                    for twin in twins:
                        one = measured(case, factor, loop, process, draw, twin=twin)
                        measurements[one.id] = one
    how = Measuring(
        budget=270, seconds=260.4, processes=processes, rounds=[7, *[8] * (processes - 1)], block=0.01, core=1, twin="torch", seed=7,
        processor="Some processor", load_before=[load, 0.3, 0.2], load_after=[0.9, 0.5, 0.4], clock_resolution=1e-9,
        unreliable={UNRELIABLE: "error when it was measured: it did not come again"},
    )  # fmt: skip
    places = [
        environment(name, device, "".join(f"+{engine}" for engine in way.values()))
        for name in backends
        for way in BACKENDS[name][0]
        for device in ("cpu", "gpu")
    ]
    return Results(
        headers=[Header(canireuse="0.1", started="2026-01-01T00:00:00+00:00", command="canireuse run --measure")],
        environments={one.id: one for one in places if one.device == "cpu" or (gpu and one.backend == "torch")},
        specs=lines, cases=cases, measurements=measurements, measurings=[how],
        footers=[Footer(cases=len(cases), seconds=1.0, verdicts={})],
    )  # fmt: skip
