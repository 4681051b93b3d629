"""A session: the specs of a run, its backends, their warm hosts, and what is measured; it knows no pytest."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import canireuse_adapters
from canireuse.emit import Adapter, Script, Unsupported
from canireuse.emit.asking import AdapterFault, case_name
from canireuse.emit.divergences import with_declared
from canireuse.measure.loops import is_measured
from canireuse.measure.measuring import DEFAULT_BUDGET, Measuring
from canireuse.program.loader import load_all
from canireuse.results import cases, records
from canireuse.results.known import KnownResults, folder, state_of
from canireuse.results.writer import left_of
from canireuse.run.hosts import IMPORT_LIMIT, Host, check_platform
from canireuse.run.outcome import AskedDevice
from canireuse.runner.recall import Recall
from canireuse.spec.model import Located
from canireuse.spec.problems import InputError, UsageError
from canireuse.spec.reading import spec_files

DEFAULT_LIMIT = 60.0
#: scripts that are written at a time, while another one runs
AHEAD = 8


@dataclass(frozen=True)
class Asked:
    """What is asked of a session; raise UsageError for what cannot be meant."""

    #: backends that were named, some with commas between; all that are installed if there are none
    backends: list[str] = field(default_factory=list)
    device: AskedDevice = "auto"
    #: `BACKEND=PATH`, the interpreter that runs a backend's scripts
    pythons: list[str] = field(default_factory=list)
    #: seconds that a script may take, and importing a framework
    limit: float = DEFAULT_LIMIT
    import_limit: float = IMPORT_LIMIT
    measures: bool = False
    #: seconds that measuring takes
    budget: float = DEFAULT_BUDGET
    #: whether what ran before runs again
    again: bool = False
    #: which part of the specs is run, as in `2/8`; all if it is empty
    shard: str = ""


class Session:
    """What one process of a run knows: the specs, the backends, and its warm hosts."""

    def __init__(self, asked: Asked) -> None:
        check_platform()
        self.specs: dict[Path, Located] = {}
        self.asked, self.named = asked, split_backends(asked.backends)
        self.backends = self.named
        #: why each backend that was not named and whose adapter cannot be loaded is left out
        self.unloadable: dict[str, str] = {}
        if not self.named:
            found, self.unloadable = canireuse_adapters.loadable()
            self.backends = list(found)
        if asked.measures and not self.named:
            self.backends = [name for name in self.backends if name in canireuse_adapters.CORE]
        self.pythons = interpreters(asked.pythons)
        self.hosts: dict[str, Host] = {}
        #: by the `id` of a case, the one that comes next, and the script that was written ahead
        self.following: dict[int, cases.Plan] = {}
        self.ahead: dict[int, Script | Unsupported | AdapterFault] = {}
        self.measuring: Measuring | None = None
        self.recall = Recall(KnownResults(None if asked.measures else folder()), again=asked.again)
        if not 0 < asked.budget < math.inf:
            raise UsageError(
                f"--budget is {asked.budget}\n    expected: a number of seconds above zero\n    to do: leave it out for {DEFAULT_BUDGET:.0f} seconds"
            )
        check_seconds(asked.limit, asked.import_limit)
        self.part, self.parts = part_of(asked.shard)
        #: spec -> its text
        self.texts: dict[str, str] = {}
        #: the file of the run that this one goes on with, and what is in it
        self.left: Path | None = None
        self.came = records.Results()

    def look_up(self, paths: Iterable[Path]) -> None:
        """Find out what is known of the specs below paths, as their texts are now; no framework is imported for that."""
        if self.asked.measures:
            return
        for backend, adapter, engine in self.groups.values():
            self.recall.ask(self.of(backend, adapter, engine).python)
        with suppress(InputError, OSError, ValueError):  # who loads them says so
            self.texts = {spec: path.read_text(encoding="utf-8") for spec, path in spec_files(paths).items()}
        texts = {spec: text for spec, text in self.texts.items() if part_that_has(spec, self.parts) == self.part}
        for group, (backend, adapter, engine) in self.groups.items():
            self.recall.look_up(group, self.of(backend, adapter, engine), texts)

    def resume(self, path: Path) -> None:
        """Go on with the run that was stopped before the results file at the path was whole; raise UsageError if that cannot be."""
        if self.asked.measures:
            raise UsageError(
                "--resume with --measure: a time is taken while all backends are up, and what is missing of a comparison cannot be added\n    expected: one of the two\n    to do: measure anew"
            )
        self.left = left_of(path)
        self.came = records.read([self.left])
        self.recall.go_on(self.came, self.state, self.texts)

    @property
    def state(self) -> str:
        """The digest of all that this run is made of beside specs and environments."""
        return state_of([canireuse_adapters.adapter(backend) for backend in self.backends])

    @property
    def groups(self) -> dict[str, tuple[str, type[Adapter], str | None]]:
        """The groups of cases that a host runs each: group -> backend, adapter, and engine if it has any."""
        return {
            cases.group(backend, engine): (backend, adapter, engine)
            for backend in self.backends
            for adapter in (canireuse_adapters.adapter(backend),)
            for engine in adapter.engines or (None,)
        }

    def load(self, paths: Iterable[Path]) -> None:
        """Load and check every spec below paths."""
        loaded = with_declared(load_all(paths), map(canireuse_adapters.adapter, self.backends))
        self.specs = {located.path.resolve(): located for located in loaded}

    def start_named(self) -> None:
        """Start the hosts of the backends that were named, where they have something to run: frameworks are imported while specs are read."""
        for group, (backend, adapter, engine) in self.groups.items():
            if backend in self.named and not self.recall.knows_all(group):
                start(self.of(backend, adapter, engine))

    def plan(self, specs: Iterable[Located]) -> Iterator[cases.Plan]:
        """Yield the cases of specs; five minutes of measuring suffice for the core backends, each on its first engine, if none is named."""
        for located in specs:
            if part_that_has(located.id, self.parts) != self.part:
                continue
            for backend in self.backends:
                for case in self.plan_one(located, backend):
                    first = next(iter(case.adapter.engines), None)
                    if not self.asked.measures or self.named or case.engine in (None, first):
                        yield case

    def plan_one(self, located: Located, backend: str) -> Iterator[cases.Plan]:
        """Yield the cases of a spec on a backend; where all of them ran before, the adapter is not asked which there are."""
        adapter = canireuse_adapters.adapter(backend)
        groups = [cases.group(backend, engine) for engine in adapter.engines or (None,)]
        known = [self.recall.known(group, located.id) for group in groups]
        before = [one for records in known for one in records or ()]
        named = {case_name(one.way): cases.recalled(located, backend, adapter, one) for one in before}
        planned = named.values() if None not in known else cases.plan([located], [backend])
        for case in planned:
            came = self.recall.came(case)
            yield replace(case, known=came) if came else named.get(case_name(case.way), case)

    def measure(self, planned: Iterable[cases.Plan], **arguments: Any) -> None:
        """Measure what asks for it in one process of each backend, from which the verdicts come; `measuring` measures on."""
        if timed := [case for case in planned if is_measured(case.located)]:

            def bring_up(case: cases.Plan, environ: Mapping[str, str]) -> Host:
                return self.new_host(case.backend, case.adapter, case.engine, environ)

            self.measuring = Measuring(timed, bring_up, budget=self.asked.budget, device=self.asked.device, **arguments)
            self.measuring.first()

    def host(self, case: cases.Plan) -> Host:
        """Return the host that a case belongs to, or that measured it; it may be that it is not started."""
        if self.measuring and is_measured(case.located):
            return self.measuring.hosts[case.group]
        return self.of(case.backend, case.adapter, case.engine)

    def environment_line(self, case: cases.Plan) -> records.Environment:
        """Return the record of where a case ran, or would."""
        known_in = self.recall.known_in(case.group)
        return cases.environment_line(case.backend, self.host(case), known_in.identity if known_in else "")

    def warm_up(self, case: cases.Plan) -> None:
        """Start the host that is to run a case, if it is not up and the case did not run before."""
        if case.known is None and not (self.measuring and is_measured(case.located)):
            start(self.host(case))

    def of(self, backend: str, adapter: type[Adapter], engine: str | None) -> Host:
        """Return the host of a backend on one of its engines."""
        group = cases.group(backend, engine)
        if group not in self.hosts:
            self.hosts[group] = self.new_host(backend, adapter, engine)
        return self.hosts[group]

    def run(self, case: cases.Plan) -> records.Case:
        """Return the record of a case; while its script runs, those of the cases after it are written, some at a time."""
        if case.known:
            return case.known
        host = self.host(case)
        outcome = self.measuring.outcomes.get((case.located.id, case.name)) if self.measuring else None

        def write(coming: list[cases.Plan]) -> None:
            if coming and id(coming[0]) not in self.ahead:
                self.ahead = dict(zip(map(id, coming), cases.scripts_of(coming, host), strict=True))

        if host.environment and not host.absent:
            write([case, *self.after(case)])
        script, before = self.ahead.pop(id(case), None), self.recall.known_in(case.group)
        record = cases.run_case(case, host, outcome, script, lambda: write(self.after(case)), before)
        self.recall.keep(case, host, record)
        return record

    def after(self, case: cases.Plan) -> list[cases.Plan]:
        """Return the cases that run next on the host of one, as many as are written at a time."""
        found: list[cases.Plan] = []
        following = self.following.get(id(case))
        while len(found) < AHEAD and following and following.group == case.group:
            found += [] if following.known else [following]
            following = self.following.get(id(following))
        return found

    def new_host(
        self, backend: str, adapter: type[Adapter], engine: str | None, environ: Mapping[str, str] | None = None
    ) -> Host:
        """Return a host of a backend that nobody else has; it is not started."""
        python, asked = self.pythons.get(backend), self.asked
        return Host(adapter, python, asked.device, asked.limit, engine, environ, asked.import_limit)

    def stop(self) -> None:
        """Stop every host."""
        for host in (*self.hosts.values(), *(self.measuring.hosts.values() if self.measuring else ())):
            host.stop()
        self.hosts.clear()
        self.recall.store.close()


def start(host: Host) -> None:
    """Start a host that is not up; `ready` says why that failed, as a result of each case."""
    if not host.started:
        with suppress(OSError, ValueError):
            host.start()


def part_of(shard: str) -> tuple[int, int]:
    """Return which part of how many a text like `2/8` names, the first if it is empty; raise UsageError for what is none."""
    part, _, parts = (shard or "1/1").partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UsageError(
            f"--shard {shard!r} is no part\n    expected: PART/PARTS, from 1/PARTS to PARTS/PARTS\n    to do: write it as in --shard 2/8"
        )
    return int(part), int(parts)


def part_that_has(spec: str, parts: int) -> int:
    """Return which part of so many a spec is in: by its id alone, so that other specs move none."""
    return int(records.digest(spec), 16) % parts + 1


def check_seconds(limit: float, import_limit: float) -> None:
    """Raise UsageError for a limit that is no time."""
    for option, seconds, usual in (("--limit", limit, DEFAULT_LIMIT), ("--import-limit", import_limit, IMPORT_LIMIT)):
        if not seconds > 0:
            raise UsageError(
                f"{option} is {seconds}\n    expected: a number of seconds above zero\n    to do: leave it out for {usual:.0f} seconds"
            )


def split_backends(given: list[str]) -> list[str]:
    """Return the backends that were named, each known and once; an empty name is no wish for all of them."""
    named = [name for part in given for name in part.split(",")]
    for name in named:
        if not name:
            raise UsageError(
                f"--backend {','.join(given)!r} names no backend in one place\n    expected: one of {', '.join(canireuse_adapters.names())}, or several with commas between\n    to do: name it, or leave --backend out for all that are installed"
            )
        canireuse_adapters.adapter(name)
    return list(dict.fromkeys(named))


def interpreters(given: list[str]) -> dict[str, str]:
    """Return backend -> interpreter; raise UsageError for what is not `BACKEND=PATH`."""
    found = {}
    for text in given:
        backend, equals, path = text.partition("=")
        if not equals or not path:
            raise UsageError(
                f"--python {text!r} names no interpreter\n    expected: BACKEND=PATH\n    to do: write it as in --python tf1=.venv/bin/python"
            )
        canireuse_adapters.adapter(backend)
        if not Path(path).exists():
            raise UsageError(
                f"--python {text!r}: there is no such file\n    expected: the path of a Python interpreter\n    to do: make the environment first; `canireuse doctor` says how"
            )
        found[backend] = path
    return found
