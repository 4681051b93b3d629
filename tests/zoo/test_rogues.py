"""Whatever an adapter or its script does, its own case says so, and no other case has another record for it."""

import pytest

from canireuse.results import records
from tests.zoo.rogues import CLASSES, EVERYWHERE, ROGUES, SCRIPTS, TRANSLATIONS

WRONG = "gradients/sum-over-uses"
#: one before it on the same host, two after it
GOOD = (
    "creation/equal-start-values-are-two-variables",
    "refusals/existing-name-without-reuse",
    "scopes/reuse-true-finds-existing",
)
TOLD = {name: how[1:] for name, how in {**SCRIPTS, **TRANSLATIONS, **CLASSES}.items()}


def told(case):
    """Return what a record says, without what is another each time."""
    return case.model_dump(include={"verdict", "blame", "loudness", "reason", "expectations", "script_digest", "error"})


@pytest.fixture(scope="module", params=["0", "2"])
def ran(request, run_zoo):
    """Run all rogues among good specs, in one process or with two workers; return what was printed, and the results."""
    backends = ",".join(["reference", *(f"rogue-{name}" for name in ROGUES)])
    ran, path = run_zoo(*GOOD, WRONG, "--backend", backends, "--limit", "2", "-n", request.param)
    return ran, records.read([path])


def test_every_planned_case_has_its_record(ran):
    process, results = ran
    assert process.returncode == 1, process.stdout[-4000:] + process.stderr[-4000:]
    assert results.complete
    assert len(results.cases) == (len(ROGUES) + 1) * (len(GOOD) + 1)


@pytest.mark.parametrize("name", TOLD)
def test_its_own_case_says_what_it_did(ran, name):
    case = ran[1].cases[f"{WRONG}@rogue-{name}"]
    verdict, blame = TOLD[name]
    assert (case.verdict, blame or case.blame) == (verdict, case.blame), case.reason


@pytest.mark.parametrize("name", TOLD)
def test_no_other_case_has_another_record(ran, name):
    cases = ran[1].cases
    for spec in GOOD:
        case, usual = cases[f"{spec}@rogue-{name}"], cases[f"{spec}@reference"]
        assert told(case) == told(usual), (spec, case.reason)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_is_wrong_everywhere_is_the_adapters(ran, name):
    cases = [case for case in ran[1].cases.values() if case.backend == f"rogue-{name}" and case.verdict != "conforms"]
    assert cases
    assert {case.blame for case in cases} == {"adapter"}
    assert {case.verdict for case in cases} <= {"skipped", "error"}


def test_what_ran_a_second_time_says_why(ran):
    case = ran[1].cases[f"{WRONG}@rogue-segfaults"]
    assert "SIGSEGV" in case.again  # a good spec ran before it on that host, and was not to blame
    assert "SIGSEGV" in case.reason
    assert not ran[1].cases[f"{GOOD[0]}@rogue-segfaults"].again
