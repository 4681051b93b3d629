"""The section on performance: what reuse and sharing cost, how that was measured, and what it does not tell."""

import statistics
from dataclasses import dataclass

from canireuse.measure.comparison import FEWEST_PROCESSES, HIGHEST_LOAD, LEAST_FLOOR
from canireuse.measure.quantities import percent, plural, seconds
from canireuse.results.records import Environment, Measuring, Results
from canireuse_reports.costs import Savings, savings
from canireuse_reports.devices import DeviceChart, device_charts
from canireuse_reports.growth import FirstChart, GrowthChart, first_chart, growth_chart
from canireuse_reports.loops import Itself, Loop, Measured, measured, name_of
from canireuse_reports.ratios import RatioChart, ratio_charts
from canireuse_reports.view import SpecView, View

#: words of a spec's name that set alike scenarios apart, in the order of their panels
SCALES = ("small", "large")


@dataclass
class Scenario:
    """A spec with measured loops."""

    spec: SpecView
    ratios: list[RatioChart]
    growth: GrowthChart | None
    first: FirstChart | None
    #: every measured loop, with those of the backend that was there twice
    loops: list[Loop]
    #: loops without samples, with the reason
    left_out: list[tuple[Loop, str]]
    #: cases that have no loop, with the reason
    absent: list[tuple[str, str, str]]

    @property
    def sentence(self) -> str:
        """What its charts say."""
        told = [f"{one.label.capitalize()} against {one.against}: {one.sentence}" for one in self.ratios]
        told += [self.growth.sentence] if self.growth else []
        return " ".join(told) or "Times alone."


@dataclass
class Family:
    """Scenarios that are alike but for their scale."""

    title: str
    scenarios: list[Scenario]


@dataclass
class Host:
    """One environment in which loops were timed."""

    environment: Environment
    name: str
    threads: str
    fence: str


@dataclass
class Method:
    """How the measurements of a results file were made."""

    line: Measuring

    @property
    def facts(self) -> dict[str, str]:
        """What was set, and what the machine was like."""
        line = self.line
        rounds = ", then ".join(str(one) for one in dict.fromkeys(line.rounds))
        return {
            "processes": f"{line.processes} of each backend, one after the other",
            "rounds in a process": rounds,
            "block": f"at least {seconds(line.block)} of turns a sample",
            "clock": f"monotonic; it tells {seconds(line.clock_resolution)} apart",
            "processor": line.processor or "not told",
            "core": "not pinned" if line.core is None else f"number {line.core}, for every thread of a process",
            "governor of the clock rate": line.governor or "not told",
            "load before, over 1, 5 and 15 minutes": ", ".join(map(str, line.load_before)) or "not told",
            "load after": ", ".join(map(str, line.load_after)) or "not told",
            "budget": f"{line.budget:.0f} s, of which {line.seconds:.0f} s were used",
            "there twice": line.twin or "no backend",
            "seed of the order": str(line.seed),
        }

    @property
    def warnings(self) -> list[str]:
        """What makes these figures weaker than they could be."""
        line, told = self.line, []
        if line.load_before and line.load_before[0] > HIGHEST_LOAD:
            told.append(
                f"The machine was busy before anything was measured: its load was {line.load_before[0]}, and should be below {HIGHEST_LOAD}."
            )
        if line.processes < FEWEST_PROCESSES:
            told.append(
                f"Measured in {plural(line.processes, 'process')}: an interval needs {FEWEST_PROCESSES}, so no difference is called. A larger `--budget` gives more."
            )
        return told


@dataclass
class Performance:
    """The whole section."""

    methods: list[Method]
    hosts: list[Host]
    itself: list[Itself]
    families: list[Family]
    savings: list[Savings]
    devices: list[DeviceChart]
    unreliable: list[tuple[str, str, bool]]
    on_gpu: bool
    has_model: bool

    @property
    def measured(self) -> bool:
        """Whether anything was measured."""
        return bool(self.families)

    @property
    def floor(self) -> str:
        """The floor of a device that no backend was on twice."""
        return percent(LEAST_FLOOR)

    @property
    def fewest(self) -> int:
        """How many processes an interval needs."""
        return FEWEST_PROCESSES


def performance(results: Results, shown: View) -> Performance:
    """Return the section on performance of results."""
    found = measured(results, shown)
    scenarios = [scenario(spec, found) for spec in shown.specs if found.loops_of(spec)]
    unreliable = {case: reason for line in results.measurings for case, reason in line.unreliable.items()}
    devices = {loop.case.case.device for one in scenarios for loop in one.loops}
    return Performance(
        methods=[Method(line) for line in results.measurings],
        hosts=hosts(scenarios, shown),
        itself=found.itself,
        families=families(scenarios),
        savings=savings(shown.specs),
        devices=device_charts(shown.specs, found),
        unreliable=[(case, reason, case in found.cases) for case, reason in sorted(unreliable.items())],
        on_gpu="gpu" in devices,
        has_model=any(loop.case.case.backend == "reference" for one in scenarios for loop in one.loops),
    )


def scenario(spec: SpecView, found: Measured) -> Scenario:
    """Return what was measured in a spec."""
    loops = found.loops_of(spec)
    twins = [found.loop(loop.timing.key, twin=True) for loop in loops if loop.timing.key in found.twins]
    timed = {loop.case.case.id for loop in loops}
    absent = [
        (case.case.id, name_of(case), case.case.reason or f"{case.case.verdict}, and not measured")
        for case in spec.cases
        if case.case.id not in timed
    ]
    left_out = [(loop, found.why_not(loop)) for loop in loops if not loop.measured]
    return Scenario(
        spec, ratio_charts(spec, found), growth_chart(spec, found), first_chart(spec, found), loops + twins, left_out,
        absent,
    )  # fmt: skip


def families(scenarios: list[Scenario]) -> list[Family]:
    """Return scenarios, those together that differ in their scale alone, the small one first."""
    grouped: dict[str, list[tuple[int, Scenario]]] = {}
    for one in scenarios:
        words = one.spec.slug.split("-")
        scale = next((word for word in words if word in SCALES), "")
        name = " ".join(word for word in words if word != scale)
        grouped.setdefault(name, []).append((SCALES.index(scale) if scale else 0, one))
    found = []
    for name, some in grouped.items():
        ordered = [one for _, one in sorted(some, key=lambda pair: pair[0])]
        found.append(Family(f"{name[0].upper()}{name[1:]}", ordered))
    return found


def hosts(scenarios: list[Scenario], shown: View) -> list[Host]:
    """Return where loops were timed, with what the fence took around nothing there."""
    fences: dict[str, list[float]] = {}
    names: dict[str, str] = {}
    for loop in (loop for one in scenarios for loop in one.loops):
        case = loop.case.case
        parts = [case.backend, case.way.get("engine", ""), "GPU" if case.device == "gpu" else ""]
        names[case.environment] = " ".join(filter(None, parts))
        fences.setdefault(case.environment, []).extend(loop.timing.fences)
    found = []
    for environment in shown.environments:
        if environment.id in fences:
            some = fences[environment.id]
            fence = seconds(statistics.median(some)) if some else "not told"
            found.append(Host(environment, names[environment.id], threads(environment), fence))
    order = [one.backend for one in shown.backends]
    return sorted(found, key=lambda host: order.index(host.environment.backend))


def threads(environment: Environment) -> str:
    """Return how many threads a library was told to use."""
    told = set(environment.threads.values())
    return "not limited" if not told else "one" if told == {"1"} else ", ".join(sorted(told))
