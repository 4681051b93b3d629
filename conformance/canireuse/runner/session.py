"""A session: the specs of a run, its backends, their warm hosts, and what is measured; it knows no pytest."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import canireuse_adapters
from canireuse.emit import Adapter, Script, Unsupported
from canireuse.emit.asking import AdapterFault
from canireuse.emit.divergences import with_declared
from canireuse.measure.loops import is_measured
from canireuse.measure.measuring import DEFAULT_BUDGET, Measuring
from canireuse.program.loader import load_all
from canireuse.results import cases, records
from canireuse.run.hosts import IMPORT_LIMIT, Host, check_platform
from canireuse.run.outcome import AskedDevice
from canireuse.spec.model import Located
from canireuse.spec.problems import UsageError

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
        if not 0 < asked.budget < math.inf:
            raise UsageError(
                f"--budget is {asked.budget}\n    expected: a number of seconds above zero\n    to do: leave it out for {DEFAULT_BUDGET:.0f} seconds"
            )
        check_seconds(asked.limit, asked.import_limit)

    def load(self, paths: Iterable[Path]) -> None:
        """Load and check every spec below paths."""
        loaded = with_declared(load_all(paths), map(canireuse_adapters.adapter, self.backends))
        self.specs = {located.path.resolve(): located for located in loaded}

    def start_named(self) -> None:
        """Start the hosts of the backends that were named: their frameworks are imported while specs are read."""
        for backend in self.named:
            adapter = canireuse_adapters.adapter(backend)
            for engine in adapter.engines or (None,):
                self.warm(backend, adapter, engine)

    def plan(self, specs: Iterable[Located]) -> Iterator[cases.Plan]:
        """Yield the cases of specs; five minutes of measuring suffice for the core backends, each on its first engine, if none is named."""
        for case in cases.plan(specs, self.backends):
            if not self.asked.measures or self.named or case.engine in (None, next(iter(case.adapter.engines), None)):
                yield case

    def measure(self, planned: Iterable[cases.Plan], **arguments: Any) -> None:
        """Measure what asks for it in one process of each backend, from which the verdicts come; `measuring` measures on."""
        if timed := [case for case in planned if is_measured(case.located)]:

            def bring_up(case: cases.Plan, environ: Mapping[str, str]) -> Host:
                return self.new_host(case.backend, case.adapter, case.engine, environ)

            self.measuring = Measuring(timed, bring_up, budget=self.asked.budget, device=self.asked.device, **arguments)
            self.measuring.first()

    def host(self, case: cases.Plan) -> Host:
        """Return the warm host that a case belongs to, or that measured it; start it if it is not up."""
        if self.measuring and is_measured(case.located):
            return self.measuring.hosts[case.group]
        return self.warm(case.backend, case.adapter, case.engine)

    def warm(self, backend: str, adapter: type[Adapter], engine: str | None) -> Host:
        """Return the warm host of a backend on one of its engines; start it if it is not up."""
        group = cases.group(backend, engine)
        if group not in self.hosts:
            self.hosts[group] = host = self.new_host(backend, adapter, engine)
            with suppress(OSError, ValueError):  # `ready` says so, as a result of each case
                host.start()
        return self.hosts[group]

    def run(self, case: cases.Plan) -> records.Case:
        """Return the record of a case; while its script runs, those of the cases after it are written, some at a time."""
        host = self.host(case)
        outcome = self.measuring.outcomes.get((case.located.id, case.name)) if self.measuring else None
        script = self.ahead.pop(id(case), None)

        def write_ahead() -> None:
            coming = self.after(case)
            if coming and id(coming[0]) not in self.ahead:
                self.ahead = dict(zip(map(id, coming), cases.scripts_of(coming, host), strict=True))

        return cases.run_case(case, host, outcome, script, write_ahead)

    def after(self, case: cases.Plan) -> list[cases.Plan]:
        """Return the cases that come next on the host of one, as many as are written at a time."""
        found = [case]
        while (
            len(found) <= AHEAD and (following := self.following.get(id(found[-1]))) and following.group == case.group
        ):
            found.append(following)
        return found[1:]

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
