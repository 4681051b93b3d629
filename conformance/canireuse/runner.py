"""The runner: pytest collects specs as tests, one item a case; `canireuse run` is this runner too.

A folder is a folder of specs if the ini option `canireuse_specs` names it; `canireuse.plugin` registers this module then. Verdicts become outcomes:
conforms passes, differs is an expected failure, unsupported and skipped are skipped with the reason,
everything else fails.
"""

import math
import signal
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import canireuse_adapters
from canireuse import cases, records
from canireuse.asking import AdapterFault
from canireuse.hosts import IMPORT_LIMIT, Host, check_platform
from canireuse.loader import load_all
from canireuse.measuring import DEFAULT_BUDGET, Measuring, is_measured
from canireuse.problems import FileTaken, InputError, UsageError
from canireuse.script import Script, Unsupported
from canireuse.spec import Located
from canireuse.summary import alike, printable
from canireuse.translation import Adapter

FAILING = frozenset({"fails", "error", "crash", "timeout"})
#: the signals that end a run as Ctrl-C does
ENDING = (signal.SIGTERM, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGTERM,)
STATE = pytest.StashKey["State"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `pytest` and `canireuse run` share; a project without specs may have its own of these names."""
    group = parser.getgroup("canireuse", "variable reuse and weight sharing")
    group.addoption(
        "--backend",
        action="append",
        default=[],
        metavar="NAME[,NAME]",
        help="backends to run: the run fails if one of them is absent; all that are installed if left out",
    )
    group.addoption(
        "--device",
        choices=("cpu", "gpu", "auto"),
        default="auto",
        help="where scripts place variables; auto: a GPU where there is one",
    )
    group.addoption(
        "--python",
        action="append",
        default=[],
        metavar="BACKEND=PATH",
        help="the interpreter that runs a backend's scripts",
    )
    group.addoption("--results", type=Path, default=None, metavar="FILE", help="where the records go (results.jsonl)")
    group.addoption(
        "--replace",
        action="store_true",
        help="replace a results file that holds more cases than the run has, or a file of another kind",
    )
    group.addoption(
        "--limit",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="time a script may take before its host is replaced",
    )
    group.addoption(
        "--import-limit",
        type=float,
        default=IMPORT_LIMIT,
        metavar="SECONDS",
        help="time a framework may take to import before its backend counts as absent",
    )
    group.addoption(
        "--measure",
        action="store_true",
        help="time the measured loops, one at a time; no time is kept of what does not pass",
    )
    group.addoption(
        "--budget",
        type=float,
        default=DEFAULT_BUDGET,
        metavar="SECONDS",
        help="time that measuring takes; more gives more processes, more rounds and larger sizes",
    )


class Hooks:
    """What plugins can be told of a run."""

    def pytest_canireuse_progress(self, text: str, share: float) -> None:
        """Take note of what is being measured, and of which share of the budget is gone."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks of this plugin."""
    pluginmanager.add_hookspecs(Hooks)


class CaseFailure(Exception):
    """A case whose verdict is a failure; carries its record."""

    def __init__(self, record: records.Case) -> None:
        super().__init__(record.reason)
        self.record = record


class State:
    """What one process of the run knows: the specs, the backends, and its warm hosts."""

    def __init__(self, config: pytest.Config) -> None:
        check_platform()
        self.specs: dict[Path, Located] = {}
        self.named = split_backends(config.getoption("--backend"))
        self.measures, self.budget = config.getoption("--measure"), config.getoption("--budget")
        self.backends = self.named
        #: why each backend that was not named and whose adapter cannot be loaded is left out
        self.unloadable: dict[str, str] = {}
        if not self.named:
            found, self.unloadable = canireuse_adapters.loadable()
            self.backends = list(found)
        if self.measures and not self.named:
            self.backends = [name for name in self.backends if name in canireuse_adapters.CORE]
        self.pythons = interpreters(config.getoption("--python"))
        self.device, self.limit = config.getoption("--device"), config.getoption("--limit")
        self.import_limit = config.getoption("--import-limit")
        self.hosts: dict[str, Host] = {}
        #: the case that comes next in this process, and a case whose script was written ahead
        self.following: cases.Plan | None = None
        self.ahead: tuple[cases.Plan, Script | Unsupported | AdapterFault] | None = None
        self.measuring: Measuring | None = None
        #: the first case that failed in each way
        self.failed: dict[tuple[str, ...], str] = {}
        if self.measures:
            measure_in_one_process(config)
        if not 0 < self.budget < math.inf:
            raise UsageError(
                f"--budget is {self.budget}\n    expected: a number of seconds above zero\n    to do: leave it out for {DEFAULT_BUDGET:.0f} seconds"
            )
        check_seconds(self.limit, self.import_limit)

    def load(self, paths: Iterable[Path]) -> None:
        """Load and check every spec below paths."""
        self.specs = {located.path.resolve(): located for located in load_all(paths)}

    def start_named(self) -> None:
        """Start the hosts of the backends that were named: their frameworks are imported while specs are read."""
        for backend in self.named:
            adapter = canireuse_adapters.adapter(backend)
            for engine in adapter.engines or (None,):
                self.warm(backend, adapter, engine)

    def plan(self, specs: Iterable[Located]) -> Iterator[cases.Plan]:
        """Yield the cases of specs; five minutes of measuring suffice for the core backends, each on its first engine, if none is named."""
        for case in cases.plan(specs, self.backends):
            if not self.measures or self.named or case.engine in (None, next(iter(case.adapter.engines), None)):
                yield case

    def measure(self, planned: Iterable[cases.Plan], **arguments: Any) -> None:
        """Measure what asks for it in one process of each backend, from which the verdicts come; `measuring` measures on."""
        if timed := [case for case in planned if is_measured(case.located)]:

            def bring_up(case: cases.Plan, environ: Mapping[str, str]) -> Host:
                return self.new_host(case.backend, case.adapter, case.engine, environ)

            self.measuring = Measuring(timed, bring_up, budget=self.budget, device=self.device, **arguments)
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
        """Return the record of a case; while its script runs, that of the case after it is written."""
        host, following = self.host(case), self.following
        outcome = self.measuring.outcomes.get((case.located.id, case.name)) if self.measuring else None
        script = self.ahead[1] if self.ahead and self.ahead[0] is case else None

        def write_ahead() -> None:
            if following is not None and following.group == case.group:
                self.ahead = following, cases.script_of(following, host)

        return cases.run_case(case, host, outcome, script, write_ahead)

    def new_host(
        self, backend: str, adapter: type[Adapter], engine: str | None, environ: Mapping[str, str] | None = None
    ) -> Host:
        """Return a host of a backend that nobody else has; it is not started."""
        python = self.pythons.get(backend)
        return Host(adapter, python, self.device, self.limit, engine, environ, self.import_limit)

    def stop(self) -> None:
        """Stop every host."""
        for host in (*self.hosts.values(), *(self.measuring.hosts.values() if self.measuring else ())):
            host.stop()
        self.hosts.clear()


def check_seconds(limit: float, import_limit: float) -> None:
    """Raise UsageError for a limit that is no time."""
    for option, seconds, usual in (("--limit", limit, 60), ("--import-limit", import_limit, IMPORT_LIMIT)):
        if not seconds > 0:
            raise UsageError(
                f"{option} is {seconds}\n    expected: a number of seconds above zero\n    to do: leave it out for {usual:.0f} seconds"
            )


def measure_in_one_process(config: pytest.Config) -> None:
    """Have this process measure where one worker was asked for; raise UsageError for several, side by side while the clock is read."""
    workers = sum(int(tx.partition("*")[0]) if "*" in tx else 1 for tx in getattr(config.option, "tx", None) or [])
    if workers > 1:
        raise UsageError(
            f"--measure with {workers} workers: scripts that run side by side share caches, memory and the clock of the processor, and the times of each depend on the others\n"
            "    expected: one worker at most\n    to do: leave out -n; run the other specs without --measure"
        )
    if workers:
        config.option.dist, config.option.tx, config.option.numprocesses = "no", [], None


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


def pytest_configure(config: pytest.Config) -> None:
    """Load and check every spec before anything runs."""
    asked = asked_for(config)
    if not asked or config.option.help:
        return
    try:
        if not hasattr(config, "workerinput"):
            end_as_by_ctrl_c()
        state = config.stash[STATE] = State(config)
        if is_alone(config) and not state.measures:
            state.start_named()
        state.load(asked)
        if not hasattr(config, "workerinput"):
            from canireuse.recording import Recorder

            config.pluginmanager.register(Recorder(config, state), "canireuse-recorder")
    except InputError as error:
        count = len(error.problems)
        raise pytest.UsageError(
            f"{count} problem{'s' * (count > 1)} in the specs; nothing was run\n\n{error}"
        ) from None
    except FileTaken as error:
        pytest.exit(str(error), pytest.ExitCode.INTERNAL_ERROR)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def end_as_by_ctrl_c() -> None:
    """Have SIGTERM, and the end of the terminal, end the run as Ctrl-C does: hosts stopped, old results whole; who else asked for them keeps them."""
    for number in ENDING:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def end_as_before() -> None:
    """Give the signals back that `end_as_by_ctrl_c` took."""
    for number in ENDING:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(number) is signal.default_int_handler
        ):
            signal.signal(number, signal.SIG_DFL)


def is_alone(config: pytest.Config) -> bool:
    """Return whether this process runs all the cases itself: no workers beside it, and it does not only collect."""
    return getattr(config.option, "dist", "no") == "no" and not (
        hasattr(config, "workerinput") or config.option.collectonly
    )


def asked_for(config: pytest.Config) -> list[Path]:
    """Return the paths of the command line that lie in a folder of specs, or hold one."""
    folders = [folder.resolve() for folder in config.getini("canireuse_specs")]
    asked = []
    for argument in config.args:
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        asked += [path for folder in folders if path == folder or folder in path.parents]
        asked += [folder for folder in folders if path in folder.parents and path != config.rootpath]
    return list(dict.fromkeys(asked))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SpecFile | None":
    """Collect a spec that was loaded."""
    state = parent.config.stash.get(STATE, None)
    if state is None or file_path.resolve() not in state.specs:
        return None
    return SpecFile.from_parent(parent, path=file_path)


class SpecFile(pytest.File):
    """A spec; its items are the cases."""

    def collect(self) -> Iterator["CaseItem"]:
        """Yield one item for each backend and way."""
        state = self.config.stash[STATE]
        for case in state.plan([state.specs[self.path.resolve()]]):
            yield CaseItem.from_parent(self, name=case.name, case=case)


class CaseItem(pytest.Item):
    """One case as a test."""

    def __init__(self, *, case: cases.Plan, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.case = case
        self.record: records.Case | None = None
        self.extra_keyword_matches.update({case.backend, case.located.id, case.located.facet})

    def runtest(self) -> None:
        """Run the script and turn the verdict into an outcome."""
        self.record = record = self.config.stash[STATE].run(self.case)
        if record.verdict in {"unsupported", "skipped"}:
            pytest.skip(f"{record.verdict}: {record.reason}")
        if record.verdict == "differs":
            pytest.xfail(f"differs ({record.loudness}) as declared")
        if record.verdict in FAILING:
            raise CaseFailure(record)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what was expected and observed, whom to blame, and how to see more; a declared divergence needs no traceback."""
        if isinstance(excinfo.value, CaseFailure):
            record = excinfo.value.record
            first = self.config.stash[STATE].failed.setdefault(alike(record), record.id)
            return (
                explain(record) if first == record.id else f"{record.id}: {record.verdict}, in the same way as {first}"
            )
        if isinstance(excinfo.value, pytest.xfail.Exception):
            return excinfo.value.msg
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the spec is, and its title."""
        return self.path, 0, f"{self.case.located.id} on {self.name}"


def explain(record: records.Case) -> str:
    """Return a failed case in words: the reason, every broken expectation, and what to do."""
    lines = []
    for one in record.expectations:
        if not one.holds:
            wanted = (
                f"{one.declared!r} (declared; the contract says {one.contract!r})"
                if one.is_declared
                else repr(one.contract)
            )
            lines.append(f"    {one.label}: expected {wanted}, observed {one.observed!r}")
    head = [f"{record.id}: {record.verdict}, blame: {record.blame}"]
    head += [f"    {record.reason}"] if f"    {record.reason}" not in lines else []
    lines = head + lines
    lines += (
        [f"    output: {record.output.strip()[-1500:]}"] if record.output.strip() and record.verdict != "fails" else []
    )
    lines.append(f"    to do: read the script with `canireuse show {record.spec} --backend {record.backend}`")
    return printable("\n".join(lines))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Put the record on the report, as plain data where it travels from a worker to the controller."""
    report: Any = yield
    if isinstance(item, CaseItem) and call.when == "call" and item.record is not None:
        host = item.config.stash[STATE].host(item.case)
        report.canireuse_case = item.record
        report.canireuse_environment = cases.environment_line(item.case.backend, host)
        if hasattr(item.config, "workerinput"):
            report.canireuse_case = report.canireuse_case.model_dump(mode="json")
            report.canireuse_environment = report.canireuse_environment.model_dump(mode="json")
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Note which case comes next, and start its host while this one's script runs."""
    state = item.config.stash.get(STATE, None)
    if state is not None:
        state.following = nextitem.case if isinstance(nextitem, CaseItem) else None
        if state.following is not None:
            state.host(state.following)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run one backend after the other, and bring all hosts up at once where nothing else runs beside."""
    state = config.stash.get(STATE, None)
    if state is None:
        return
    order = {name: number for number, name in enumerate(state.backends)}
    items.sort(key=lambda item: (order[item.case.backend], item.case.group) if isinstance(item, CaseItem) else (-1, ""))
    if is_alone(config) and not state.measures:
        for item in items:
            if isinstance(item, CaseItem):
                state.host(item.case)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the hosts of this process, and give the signals back."""
    state = config.stash.get(STATE, None)
    if state is not None:
        state.stop()
        end_as_before()
