"""Cases: a spec on a backend, in one way; how they are planned, and how one is run and judged."""

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import canireuse_adapters
from canireuse.emit import Adapter, Script, Unsupported, asking
from canireuse.emit.asking import AdapterFault
from canireuse.emit.formatting import all_formatted, formatted
from canireuse.judge.verdict import Judgement, judge
from canireuse.judge.wording import observed_in
from canireuse.results.known import KEPT, Known, KnownIn
from canireuse.results.records import Case, Environment, SpecLine, case_id, digest
from canireuse.run.hosts import Host
from canireuse.run.outcome import Outcome
from canireuse.spec.model import Located


@dataclass(frozen=True)
class Plan:
    """A case that is to be run."""

    located: Located
    backend: str
    adapter: type[Adapter]
    way: dict[str, str]
    #: why the ways of the spec are not known, if they are not
    fault: AdapterFault | None = None
    #: its record, where it ran before and nothing changed since
    known: Case | None = None
    #: how many cases the spec has on the same host
    ways: int = 0

    @property
    def name(self) -> str:
        """The backend and its way, as in `torch+pickle`."""
        return case_id("", self.backend, self.way, "cpu").removeprefix("@")

    @property
    def engine(self) -> str | None:
        """What the framework runs on, where it can run on several: such cases have a host of their own."""
        return self.way.get("engine")

    @property
    def group(self) -> str:
        """The cases that one host runs."""
        return group(self.backend, self.engine)


def group(backend: str, engine: str | None) -> str:
    """Return the name of the cases that one host runs: a backend, on one of its engines if it has any."""
    return f"{backend}+{engine}" if engine else backend


def recalled(located: Located, backend: str, adapter: type[Adapter], known: Known) -> Plan:
    """Return a case that ran before, with its record, which says when, if there is a script."""
    ran = known.ran if known.record.script is not None else ""
    return Plan(located, backend, adapter, known.way, known=known.record.model_copy(update={"reused": ran}))


def plan(specs: Iterable[Located], backends: Iterable[str]) -> Iterator[Plan]:
    """Yield every case of the specs on the backends; raise UsageError for an unknown backend."""
    known = [(name, canireuse_adapters.adapter(name)) for name in backends]
    for located in specs:
        for name, adapter in known:
            try:
                ways = asking.ways_of(adapter, located.spec)
                counted = Counter(way.get("engine") for way in ways)
                for way in ways:
                    yield Plan(located, name, adapter, way, ways=counted[way.get("engine")])
            except AdapterFault as fault:
                yield Plan(located, name, adapter, {}, fault)


def script_of(case: Plan, host: Host, layout: Callable[[str], str] = formatted) -> Script | Unsupported | AdapterFault:
    """Return the script of a case on a host that is ready, or why there is none."""
    packages = host.environment["packages"]
    try:
        return asking.script_of(case.adapter, host.device, case.way, packages, case.located.spec, layout)
    except (Unsupported, AdapterFault) as why_not:
        return why_not


def scripts_of(planned: Sequence[Plan], host: Host) -> list[Script | Unsupported | AdapterFault]:
    """Return the scripts of cases on a host that is ready, or why there is none, laid out by one process."""
    written = [script_of(case, host, layout=str) for case in planned]
    laid_out = iter(all_formatted([one.text for one in written if isinstance(one, Script)]))
    return [replace(one, text=next(laid_out)) if isinstance(one, Script) else one for one in written]


def run_case(
    case: Plan,
    host: Host,
    outcome: Outcome | None = None,
    script: Script | Unsupported | AdapterFault | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    before: KnownIn | None = None,
) -> Case:
    """Run one case on a host that belongs to its backend, and return its record.

    Where it was measured there, its `outcome` is known; where its `script` was written ahead, it is given. `meanwhile` is
    called while the script runs. What the script did `before` in this environment is not run again, and what it does now is
    kept there if the case passes.
    """
    absent = host.absent if host.environment else host.ready()
    way = way_on(case, host)
    record = Case(
        id=case_id(case.located.id, case.backend, way, host.device), spec=case.located.id, backend=case.backend,
        way=way, device=host.device, environment=environment_id(case.backend, host), verdict="skipped",
        spec_digest=digest(case.located.text),
    )  # fmt: skip
    if absent:
        return record.model_copy(update={"blame": host.blame, "reason": absent})
    script = case.fault or script or script_of(case, host)
    if isinstance(script, Unsupported):
        return record.model_copy(update={"verdict": "unsupported", "reason": str(script)})
    if isinstance(script, AdapterFault):
        return record.model_copy(update=faulty(script))
    filename, ran, runs = f"<{record.id}>", "", False
    if outcome is None and before and (known := before.outcome(filename, script.text)):
        outcome, ran = known
    if outcome is None:
        if host.ready() or host.device != record.device:  # absent now, or on another device than before
            return run_case(case, host, meanwhile=meanwhile)
        outcome, runs = host.run(script, filename, meanwhile), True
    packages = host.environment["packages"]
    try:
        judgement: Judgement = judge(
            case.located.spec, case.backend, case.adapter, case.way, outcome, packages, script.one_place
        )
    except AdapterFault as fault:
        return record.model_copy(update={**faulty(fault), "script": script.text, "script_digest": digest(script.text)})
    if runs and before and judgement.verdict in KEPT and outcome.ending == "finished" and not outcome.again:
        before.keep_outcome(filename, script.text, outcome)
    return record.model_copy(
        update={
            **dict(judgement),
            "script": script.text,
            "script_digest": digest(script.text),
            "idioms": list(script.idioms),
            "one_place": list(script.one_place),
            "error": outcome.error,
            "output": outcome.output,
            "again": outcome.again,
            "reused": ran,
            "seconds": outcome.seconds,
        }
    )


def faulty(fault: AdapterFault) -> dict[str, str]:
    """Return verdict, blame, reason and traceback of a case whose adapter raised, or answered what it must not."""
    trace = "".join(traceback.format_exception(fault.__cause__ or fault)[-3:])
    return {"verdict": "error", "blame": "adapter", "reason": str(fault), "output": trace}


def way_on(case: Plan, host: Host) -> dict[str, str]:
    """Return the way of a case on a host: an edition of the framework is one more way."""
    return {**case.way, "edition": host.edition} if host.edition else case.way


def environment_id(backend: str, host: Host) -> str:
    """Return the id under which the host's environment is recorded."""
    edition = host.edition or host.engine
    return f"{backend}@{host.device}" + (f"+{edition}" if edition else "")


def planned_name(record: Case) -> str:
    """Return the name of a case as it was planned, from its record."""
    way = {verb: said for verb, said in record.way.items() if verb != "edition"}
    return case_id("", record.backend, way, "cpu").removeprefix("@")


def environment_line(backend: str, host: Host, identity: str = "") -> Environment:
    """Return the record of where a backend's scripts ran."""
    return Environment(
        id=environment_id(backend, host), backend=backend, identity=identity, title=host.adapter.title, about=host.adapter.about,
        install=host.adapter.install, asked_device=host.asked, device=host.device, device_name=host.device_name,
        absent=host.absent, last_output=host.last_output if host.absent else "", warm_up_seconds=host.warm_up_seconds,
        fence=host.adapter.fences.get(host.device, ""), **host.environment,
    )  # fmt: skip


def spec_line(located: Located) -> SpecLine:
    """Return the record of a spec, with all that a report shows of it."""
    spec = located.spec
    return SpecLine(
        id=located.id, title=spec.title, about=spec.about.strip(), symptom=spec.symptom, aliases=spec.aliases,
        sources=spec.sources, contract=spec.contract, text=located.text, digest=digest(located.text), lines=located.lines,
        divergences=[divergence.model_dump(exclude_none=True) for divergence in spec.divergences],
        observes=observed_in(spec),
    )  # fmt: skip
