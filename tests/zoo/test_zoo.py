"""Every animal of the zoo is caught by the spec or the check named for it, and the rest of the run finishes."""

import re

import pytest

from canireuse.results import records

RIGHT = "scopes/reuse-true-finds-existing"


@pytest.mark.parametrize(
    ("backend", "spec", "label"),
    [
        ("zoo-copies", "scopes/reuse-true-finds-existing", "write-is-seen-through-the-other-name"),
        ("zoo-shares-everything", "creation/equal-start-values-are-two-variables", "write-is-not-seen"),
        ("zoo-forgets-a-use", "gradients/sum-over-uses", "gradient-sums-over-both-uses"),
        ("zoo-ignores-reuse-false", "refusals/existing-name-without-reuse", "existing-name-is-refused"),
        ("zoo-unties", "moves/cast-keeps-the-tie", "tied-after-the-cast"),
        ("zoo-unties", "moves/move-keeps-the-tie", "tied-after-the-move"),
        ("zoo-unties", "checkpoints/tie-survives-save-and-restore", "tied-after-restoring"),
        ("zoo-steps-twice", "gradients/optimizer-given-a-variable-twice-steps-once", "moved-once"),
        ("zoo-steps-twice", "gradients/weight-decay-counts-a-tie-once", "shrunk-once"),
        ("zoo-links", "copies/copied-tie-takes-one-step", "source-did-not-move"),
        ("zoo-thaws", "freezing/frozen-through-one-owner-does-not-move", "frozen-kernel-has-not-moved"),
        ("zoo-swallows-errors", "scopes/reuse-true-finds-existing", "missing-name-is-refused"),
        ("zoo-forgets", "scopes/reuse-true-finds-existing", "one-variable"),
    ],
)
def test_a_wrong_semantic_is_caught_by_its_spec(zoo, tmp_path, backend, spec, label):
    ran = zoo(spec, "--backend", f"{backend},reference")
    cases = records.read([tmp_path / "results.jsonl"]).cases
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert cases[f"{spec}@reference"].verdict == "conforms"
    wrong = cases[f"{spec}@{backend}"]
    assert wrong.verdict == "fails"
    assert label in {one.label for one in wrong.expectations if not one.holds}
    assert label in ran.stdout


def test_an_observation_nobody_asked_for_is_caught_by_the_judge(zoo, tmp_path):
    zoo(RIGHT, "--backend", "zoo-invents")
    case = records.read([tmp_path / "results.jsonl"]).cases[f"{RIGHT}@zoo-invents"]
    assert (case.verdict, case.blame) == ("fails", "adapter")
    assert "all-is-well" in case.reason


def test_rubbish_on_the_standard_output_changes_nothing(zoo, tmp_path):
    ran = zoo(RIGHT, "--backend", "zoo-prints-rubbish")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert records.read([tmp_path / "results.jsonl"]).cases[f"{RIGHT}@zoo-prints-rubbish"].verdict == "conforms"


def test_hangs_and_crashes_are_results_and_the_rest_finishes(zoo, tmp_path):
    backends = ("zoo-hangs", "zoo-segfaults", "zoo-unimportable", "reference")
    ran = zoo(RIGHT, "refusals/existing-name-without-reuse", "--backend", ",".join(backends), "--limit", "1")
    results = records.read([tmp_path / "results.jsonl"])
    assert ran.returncode == 1
    assert results.complete
    assert [results.cases[f"{RIGHT}@{backend}"].verdict for backend in backends] == [
        "timeout",
        "crash",
        "skipped",
        "conforms",
    ]
    assert results.cases["refusals/existing-name-without-reuse@reference"].verdict == "conforms"
    assert "SIGSEGV" in results.cases[f"{RIGHT}@zoo-segfaults"].reason
    assert "pip install a-framework" in results.cases[f"{RIGHT}@zoo-unimportable"].reason


#: backend -> why it is absent, and the last that it printed
ABSENT = {
    "zoo-unimportable": ("No module named 'a_framework_that_is_not_here'", "import a_framework_that_is_not_here"),
    "zoo-breaks-at-import": ("libframework.so: cannot open shared object file", "raise ImportError"),
    "zoo-hangs-at-import": (
        "was still importing after 4 s; give it more time with --import-limit",
        "looking for devices",
    ),
    "zoo-aborts-at-import": ("ended its process at import (killed by SIGABRT)", "the driver is too old"),
}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_backend_that_was_named_and_is_absent_fails_the_run(zoo, tmp_path, workers):
    spec = "refusals/existing-name-without-reuse"
    ran = zoo(RIGHT, spec, "--backend", ",".join([*ABSENT, "reference"]), "--import-limit", "4", *workers)
    results = records.read([tmp_path / "results.jsonl"])
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert results.cases[f"{spec}@reference"].verdict == "conforms"
    for backend, (reason, printed) in ABSENT.items():
        case = results.cases[f"{spec}@{backend}"]
        assert (case.verdict, case.blame) == ("skipped", "environment")
        assert reason in case.reason
        assert "pip install a-framework" in case.reason
        assert ran.stdout.count(f"failed: {backend} was named with --backend and cannot run: ") == 1
        assert reason in ran.stdout
        assert printed in results.environments[case.environment].last_output
        assert re.search(rf"^    \| *{printed}", ran.stdout, re.MULTILINE)
    assert str(tmp_path) not in ran.stdout.replace(f"records: {tmp_path}", "")


def test_a_backend_that_was_not_named_and_is_absent_is_skipped_with_the_reason(zoo, tmp_path):
    ran = zoo(RIGHT, "-k", " or ".join([*ABSENT, "reference"]), "--import-limit", "4")
    cases = records.read([tmp_path / "results.jsonl"]).cases
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert cases[f"{RIGHT}@reference"].verdict == "conforms"
    for backend, (reason, printed) in ABSENT.items():
        assert cases[f"{RIGHT}@{backend}"].verdict == "skipped"
        (line,) = [line for line in ran.stdout.splitlines() if line.startswith(f"skipped: {backend}: ")]
        assert reason in line
        assert f"| {printed}" not in ran.stdout
    assert (
        "skipped: the backend 'zoo-is-no-adapter' cannot be loaded: 'an entry point may lead to anything' is no"
        in ran.stdout
    )
    assert "skipped: the backend 'zoo-is-not-there' cannot be loaded: AttributeError" in ran.stdout
    assert "skipped: the backend 'zoo-exits-at-load' cannot be loaded: SystemExit: it needs a licence" in ran.stdout


@pytest.mark.parametrize("backend", ["zoo-is-no-adapter", "zoo-is-not-there", "zoo-exits-at-load"])
def test_a_backend_that_was_named_and_cannot_be_loaded_is_refused(zoo, tmp_path, backend):
    ran = zoo(RIGHT, "--backend", f"reference,{backend}")
    assert ran.returncode == 4
    assert f"the backend {backend!r} cannot be loaded" in ran.stderr
    assert not (tmp_path / "results.jsonl").exists()


def test_an_adapter_that_exits_spoils_no_case_but_its_own(zoo, tmp_path):
    zoo("ties", "state", "--backend", "zoo-exits-while-translating,reference")
    cases = records.read([tmp_path / "results.jsonl"]).cases
    exits = [case for case in cases.values() if case.backend == "zoo-exits-while-translating"]
    faults = [case for case in exits if case.verdict == "error"]
    assert 0 < len(faults) < len(exits) == len(cases) / 2
    assert {(case.blame, case.reason) for case in faults} == {
        ("adapter", "the adapter's `translate` raised SystemExit: no script today")
    }
    for case in exits:
        if case not in faults:
            assert case.verdict == cases[f"{case.spec}@reference"].verdict


def test_an_adapter_that_cannot_say_where_its_device_is_has_none(zoo, tmp_path):
    ran = zoo(RIGHT, "--backend", "zoo-probes-nothing", "--device", "gpu")
    case = records.read([tmp_path / "results.jsonl"]).cases[f"{RIGHT}@zoo-probes-nothing@gpu"]
    assert (ran.returncode, case.verdict, case.blame) == (1, "skipped", "adapter")
    assert "the adapter's `probe` raised NotImplementedError" in case.reason


def test_the_zoo_is_caught_on_workers_too(zoo, tmp_path):
    zoo(RIGHT, "--backend", "zoo-segfaults,zoo-copies,reference", "-n", "2")
    cases = records.read([tmp_path / "results.jsonl"]).cases
    assert [cases[f"{RIGHT}@{name}"].verdict for name in ("zoo-segfaults", "zoo-copies", "reference")] == [
        "crash",
        "fails",
        "conforms",
    ]


def test_no_time_is_kept_of_who_is_fast_because_he_does_less(zoo, tmp_path):
    spec = "performance/forward-through-small-layers"
    ran = zoo(spec, "--backend", "zoo-skimps,zoo-two-faced,reference", "--measure", "--budget", "15")
    results = records.read([tmp_path / "results.jsonl"])
    skimps, two_faced, right = (
        results.cases[f"{spec}@{name}"] for name in ("zoo-skimps", "zoo-two-faced", "reference")
    )
    assert (skimps.verdict, two_faced.verdict, right.verdict) == ("fails", "fails", "conforms"), ran.stdout
    assert "four-calls-of-one-layer" in ran.stdout
    assert {line.case for line in results.measurements.values()} == {right.id}
    assert set(results.measurings[0].unreliable) == {skimps.id, two_faced.id}
    assert "four-calls-of-one-layer: expected 0.0625, observed 1.0" in results.measurings[0].unreliable[two_faced.id]
