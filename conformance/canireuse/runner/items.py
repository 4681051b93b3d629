"""Items: a spec is a file that pytest collects, a case is a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from canireuse.results import cases, records
from canireuse.runner.session import Session
from canireuse.runner.summary import FAILING, alike, explain

SESSION = pytest.StashKey[Session]()
#: the first case that failed in each way
FAILED = pytest.StashKey[dict[tuple[str, ...], str]]()


class CaseFailure(Exception):
    """A case whose verdict is a failure; carries its record."""

    def __init__(self, record: records.Case) -> None:
        super().__init__(record.reason)
        self.record = record


class SpecFile(pytest.File):
    """A spec; its items are the cases."""

    def collect(self) -> Iterator["CaseItem"]:
        """Yield one item for each backend and way."""
        session = self.config.stash[SESSION]
        for case in session.plan([session.specs[self.path.resolve()]]):
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
        self.record = record = self.config.stash[SESSION].run(self.case)
        if record.verdict in {"unsupported", "skipped"}:
            pytest.skip(f"{record.verdict}: {record.reason}")
        if record.verdict == "differs":
            pytest.xfail(f"differs ({record.loudness}) as declared")
        if record.verdict in FAILING:
            raise CaseFailure(record)

    def known_report(self) -> pytest.TestReport:
        """Return the report of a case that passed before: pytest's three steps with an exception for each outcome take ten times as long."""
        self.record = record = self.case.known
        assert record
        why = f"{record.verdict}: {record.reason}"
        skipped = (str(self.path), 0, why) if record.verdict == "unsupported" else None
        outcome: Any = "passed" if record.verdict == "conforms" else "skipped"
        keywords: dict[str, Any] = dict.fromkeys(self.keywords, 1)
        report: Any = pytest.TestReport(self.nodeid, self.location, keywords, outcome, skipped, "call")
        if record.verdict == "differs":
            report.wasxfail = f"differs ({record.loudness}) as declared"
        return report  # type: ignore[no-any-return]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what was expected and observed, whom to blame, and how to see more; a declared divergence needs no traceback."""
        if isinstance(excinfo.value, CaseFailure):
            record = excinfo.value.record
            first = self.config.stash.setdefault(FAILED, {}).setdefault(alike(record), record.id)
            return (
                explain(record) if first == record.id else f"{record.id}: {record.verdict}, in the same way as {first}"
            )
        if isinstance(excinfo.value, pytest.xfail.Exception):
            return excinfo.value.msg
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the spec is, and its title."""
        return self.path, 0, f"{self.case.located.id} on {self.name}"
