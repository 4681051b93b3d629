"""The runner: pytest collects specs as tests, one item a case; `canireuse run` is this runner too.

A folder is a folder of specs if the ini option `canireuse_specs` names it; `canireuse.plugin` registers this module then. Verdicts become outcomes:
conforms passes, differs is an expected failure, unsupported and skipped are skipped with the reason,
everything else fails.
"""

from collections.abc import Generator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from canireuse.measure.machine import load_average
from canireuse.measure.measuring import DEFAULT_BUDGET
from canireuse.results.known import KEPT
from canireuse.run.hosts import IMPORT_LIMIT
from canireuse.runner.ending import end_as_before, end_as_by_ctrl_c
from canireuse.runner.items import SESSION, CaseItem, SpecFile
from canireuse.runner.recording import BROKEN_OFF, DEFAULT_RESULTS, Recorder
from canireuse.runner.session import DEFAULT_LIMIT, Asked, Session
from canireuse.spec.problems import FileTaken, InputError, UsageError


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
        "--again",
        action="store_true",
        help="run what ran before in this environment too, whose results would be used",
    )
    group.addoption(
        "--resume",
        action="store_true",
        help="go on with the run that was stopped before the results file was whole",
    )
    group.addoption(
        "--shard",
        default="",
        metavar="PART/PARTS",
        help="run one part of the specs, as in 2/8; a spec's id alone says in which part it is",
    )
    group.addoption(
        "--limit",
        type=float,
        default=DEFAULT_LIMIT,
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


class Clock:
    """Measures in the controller: in the first processes before anything else runs, and in further ones when all cases have run."""

    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.config, self.session = config, session
        #: the load of the machine before this run began to work itself
        self.load = load_average()
        self.recorder: Any = config.pluginmanager.get_plugin("canireuse-recorder")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Measure in the first processes: they also tell what the cases with measured loops do."""
        if self.session.asked.measures and not session.config.option.collectonly:
            planned = [item.case for item in session.items if isinstance(item, CaseItem)]
            self.session.measure(planned, write=self.recorder.write, tell=self.tell, load=self.load)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Measure in further processes, unless the run was stopped before its end."""
        if not self.session.measuring or exitstatus in BROKEN_OFF or session.shouldstop or session.shouldfail:
            return
        self.session.stop()  # the hosts that ran the cases make room
        try:
            self.recorder.measured = self.session.measuring.rest()
        except KeyboardInterrupt:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        except pytest.exit.Exception:  # what was measured cannot be written
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def tell(self, text: str, share: float) -> None:
        """Tell plugins how far the measuring has come."""
        self.config.hook.pytest_canireuse_progress(text=text, share=share)


def measure_in_one_process(config: pytest.Config) -> None:
    """Have this process measure where one worker was asked for; raise UsageError for several, side by side while the clock is read."""
    workers = sum(int(tx.partition("*")[0]) if "*" in tx else 1 for tx in getattr(config.option, "tx", None) or [])
    if workers > 1:
        raise UsageError(
            f"--measure with {workers} workers: scripts that run side by side share caches, memory and the clock of the processor, and the times of each depend on the others\n"
            "    expected: one worker at most\n    to do: leave out -n; run the other specs without --measure"
        )
    if workers:
        run_in_one_process(config)


def run_in_one_process(config: pytest.Config) -> None:
    """Start no workers."""
    config.option.dist, config.option.tx, config.option.numprocesses = "no", [], None


def pytest_configure(config: pytest.Config) -> None:
    """Load and check every spec before anything runs."""
    asked = asked_for(config)
    if not asked or config.option.help:
        return
    try:
        if not hasattr(config, "workerinput"):
            end_as_by_ctrl_c()
        session = config.stash[SESSION] = session_of(config)
        session.look_up(asked)
        if config.option.resume:
            session.resume(config.getoption("--results") or DEFAULT_RESULTS)
        if all(map(session.recall.knows_all, session.groups)) and is_of_specs_alone(config):
            run_in_one_process(config)
        if is_alone(config) and not session.asked.measures:
            session.start_named()
        session.load(asked)
        if not hasattr(config, "workerinput"):
            config.pluginmanager.register(Recorder(config, session), "canireuse-recorder")
            config.pluginmanager.register(Clock(config, session), "canireuse-clock")
    except InputError as error:
        count = len(error.problems)
        raise pytest.UsageError(
            f"{count} problem{'s' * (count > 1)} in the specs; nothing was run\n\n{error}"
        ) from None
    except FileTaken as error:
        pytest.exit(str(error), pytest.ExitCode.INTERNAL_ERROR)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def session_of(config: pytest.Config) -> Session:
    """Return the session that the options ask for."""
    option = config.option
    asked = Asked(
        option.backend, option.device, option.python, option.limit, option.import_limit, option.measure, option.budget,
        option.again, option.shard,
    )  # fmt: skip
    session = Session(asked)
    if asked.measures:
        measure_in_one_process(config)
    return session


def is_alone(config: pytest.Config) -> bool:
    """Return whether this process runs all the cases itself: no workers beside it, and it does not only collect."""
    return getattr(config.option, "dist", "no") == "no" and not (
        hasattr(config, "workerinput") or config.option.collectonly
    )


def is_of_specs_alone(config: pytest.Config) -> bool:
    """Return whether each path of the command line is a spec or a folder of specs: workers may have other tests to run."""
    folders = [folder.resolve() for folder in config.getini("canireuse_specs")]
    paths = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    return all(any(path == folder or folder in path.parents for folder in folders) for path in paths)


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
    session = parent.config.stash.get(SESSION, None)
    if session is None or file_path.resolve() not in session.specs:
        return None
    return SpecFile.from_parent(parent, path=file_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Put the record on the report, as plain data where it travels from a worker to the controller."""
    report: Any = yield
    if isinstance(item, CaseItem) and call.when == "call" and item.record is not None:
        put_record(item, report)
    return report


def put_record(item: CaseItem, report: Any) -> None:
    """Put the record of a case on its report, as plain data where it travels from a worker to the controller."""
    assert item.record
    report.canireuse_case = item.record
    report.canireuse_environment = item.config.stash[SESSION].environment_line(item.case)
    if hasattr(item.config, "workerinput"):
        report.canireuse_case = {**item.record.model_dump(mode="json"), "script": item.record.script}
        report.canireuse_environment = report.canireuse_environment.model_dump(mode="json")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Start the host of the case that comes next while this one's script runs; tell at once what is known of a case that passed before."""
    session = item.config.stash.get(SESSION, None)
    if session is not None and isinstance(nextitem, CaseItem):
        session.warm_up(nextitem.case)
    if isinstance(item, CaseItem) and item.case.known and item.case.known.verdict in KEPT:
        report = item.known_report()
        put_record(item, report)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
    return None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note in which order cases run."""
    ours = session.config.stash.get(SESSION, None)
    if ours is not None:
        planned = [item.case for item in session.items if isinstance(item, CaseItem)]
        ours.following = {id(case): following for case, following in pairwise(planned)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run one backend after the other, and bring all hosts up at once where nothing else runs beside."""
    session = config.stash.get(SESSION, None)
    if session is None:
        return
    order = {name: number for number, name in enumerate(session.backends)}
    items.sort(key=lambda item: (order[item.case.backend], item.case.group) if isinstance(item, CaseItem) else (-1, ""))
    if is_alone(config) and not session.asked.measures:
        for item in items:
            if isinstance(item, CaseItem):
                session.warm_up(item.case)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the hosts of this process, and give the signals back."""
    session = config.stash.get(SESSION, None)
    if session is not None:
        session.stop()
        end_as_before()
