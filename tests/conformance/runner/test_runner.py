"""One runner: pytest and `canireuse run` give the same records, refuse the same input, in any order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse.results import records
from canireuse.results.cases import Plan, run_case
from canireuse.run.hosts import Host
from canireuse_adapters.reference import Reference

ROOT = Path(__file__).parents[3]
SOME = ("scopes", "gradients")
FAST = "reference"
SPEC = "scopes/reuse-true-finds-existing"
#: what may differ between two runs of one case
VOLATILE = {"seconds", "output"}


def call(*command, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env=dict(os.environ),
    )


def cases(path):
    return {name: case.model_dump(exclude=VOLATILE) for name, case in records.read([path]).cases.items()}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_pytest_and_run_give_the_same_records(tmp_path, workers):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    by_pytest = call(
        "pytest", "specs/scopes", "specs/gradients", f"--backend={FAST}", "-q", *workers, f"--results={one}"
    )
    by_run = call("canireuse", "run", *SOME, "--backend", FAST, *workers, "--results", str(two))
    assert by_pytest.returncode == by_run.returncode == 0, by_pytest.stdout + by_run.stdout + by_run.stderr
    assert cases(one) == cases(two)
    assert len(cases(one)) > 30
    assert set(records.read([one]).specs) == set(records.read([two]).specs)


def test_the_order_of_specs_does_not_matter(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    call("canireuse", "run", "scopes", "gradients", "--backend", FAST, "--results", str(one))
    files = [
        str(path)
        for facet in ("gradients", "scopes")
        for path in sorted((ROOT / "specs" / facet).glob("*.yaml"), reverse=True)
    ]
    call("canireuse", "run", *files, "--backend", FAST, "--results", str(two))
    assert cases(one) == cases(two)


def test_a_keyword_selects_cases(tmp_path):
    ran = call(
        "canireuse",
        "run",
        "scopes",
        "--backend",
        FAST,
        "-k",
        "reuse-true-finds-existing",
        "--results",
        str(tmp_path / "r.jsonl"),
    )
    assert ran.returncode == 0
    assert list(cases(tmp_path / "r.jsonl")) == ["scopes/reuse-true-finds-existing@reference"]


def test_verdicts_are_outcomes_of_pytest(tmp_path, write_spec):
    good = "steps:\n  - get: k\n    shape: []\n    init: 1.0\n    as: a\n  - initialize:\n  - expect: one\n    value: a\n    is: 1.0\n"
    write_spec(good, "facet/conforms")
    write_spec(good.replace("is: 1.0", "is: 2.0"), "facet/fails")
    declared = "divergences:\n  - backends: [reference]\n    answers: {one: 1.0}\n    because: it is made up so that it differs\n    source: a test\n"
    write_spec(good.replace("is: 1.0", "is: 2.0") + declared, "facet/differs")
    write_spec(good + declared.replace("one: 1.0", "one: 3.0"), "facet/stale")
    (tmp_path / "pytest.ini").write_text("[pytest]\ncanireuse_specs = specs\n")
    xml = tmp_path / "junit.xml"
    ran = call("pytest", "specs", "--backend", FAST, "-rA", f"--junitxml={xml}", cwd=tmp_path)
    assert "2 failed, 1 passed, 1 xfailed" in ran.stdout, ran.stdout
    assert "one: expected 2.0, observed 1.0" in ran.stdout
    assert "stale" in ran.stdout
    assert 'failures="2"' in xml.read_text()
    assert ran.returncode == 1


@pytest.mark.parametrize("command", [("pytest", "specs/scopes", "-q"), ("canireuse", "run", "scopes")])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backend", "touch"), "there is no backend 'touch'"),
        (("--backend", ""), "names no backend"),
        (("--backend", "reference,"), "--backend 'reference,' names no backend in one place"),
        (("--import-limit", "-1"), "--import-limit is -1.0\n    expected: a number of seconds above zero"),
        (("--device", "tpu"), "tpu"),
        (("--limit", "0"), "above zero"),
        (
            ("--measure", "--budget", "0"),
            "--budget is 0.0\n    expected: a number of seconds above zero\n    to do: leave it out",
        ),
        (("--measure", "--budget", "-1"), "above zero"),
        (("--measure", "--budget", "inf"), "--budget is inf"),
        (("--measure", "--budget", "nan"), "--budget is nan"),
        (("--measure", "-n", "2"), "--measure with 2 workers: scripts that run side by side share caches"),
        (("--measure", "-n", "2"), "\n    expected: one worker at most\n    to do: leave out -n"),
        (("--python", "tf1"), "names no interpreter"),
        (("--python", "tf9=/bin/sh"), "there is no backend 'tf9'"),
        (("--python", "tf1=/no/such/python"), "there is no such file"),
        (("--backed", "torch"), "--backed"),
    ],
)
def test_unknown_options_and_values_are_refused(tmp_path, command, arguments, words):
    results = tmp_path / "r.jsonl"
    results.write_text("what was there before")
    ran = call(*command, *arguments, "--results", str(results))
    assert ran.returncode in {2, 4}
    assert words in ran.stdout + ran.stderr
    assert results.read_text() == "what was there before"


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title: [", "this is not YAML"),
        ("title: a\ntitle: b\n", "a second time"),
        ("title: !!python/object/apply:os.system ['touch owned']\n", "the tag"),
        ("steps:\n  - gett: x\n", "'gett' is no verb"),
        ("steps:\n  - get: x\n    as: a\n  - expect: e\n    value: b\n    is: 1\n", "nothing is bound to 'b'"),
        ("steps:\n  - get: x\n    as: a\n  - compute: b = exec(a)\n", "'exec' is no function"),
        ("steps:\n  - get: 9lives\n", "`get` is '9lives'"),
    ],
)
def test_bad_specs_run_nothing_and_leave_results_alone(tmp_path, write_spec, text, words, workers):
    write_spec(
        "steps:\n  - get: k\n    init: 1.0\n    as: a\n  - initialize:\n  - expect: one\n    value: a\n    is: 1.0\n",
        "facet/good",
    )
    path = write_spec(text, "facet/bad")
    if text.startswith("title"):
        path.write_text(text)
    results = tmp_path / "r.jsonl"
    results.write_text("what was there before")
    ran = call("canireuse", "run", str(tmp_path / "specs"), "--backend", FAST, "--results", str(results), *workers)
    said = ran.stdout + ran.stderr
    assert ran.returncode == 4, said
    assert words in said
    assert f"{path}:" in said
    assert "1 problem in the specs; nothing was run" in said
    assert results.read_text() == "what was there before"
    assert not (tmp_path / "r.jsonl.partial").exists()
    assert "Traceback" not in said


def test_a_run_that_selects_nothing_says_so(tmp_path):
    ran = call(
        "canireuse",
        "run",
        "scopes",
        "--backend",
        FAST,
        "-k",
        "nothing-like-it",
        "--results",
        str(tmp_path / "r.jsonl"),
    )
    assert ran.returncode == 5
    assert not (tmp_path / "r.jsonl").exists()


WAITS = "steps:\n  - get: k\n    init: 1.0\n    as: a\n  - initialize:\n  - expect: one\n    value: a\n    is: {}\n"


def test_a_run_that_is_interrupted_leaves_the_old_results_and_no_process(tmp_path):
    results, pids = tmp_path / "r.jsonl", tmp_path / "pids"
    results.write_text("what was there before")
    patch = (
        "import os, pathlib, signal, sys\nfrom canireuse.results import cases\nran, count = cases.run_case, []\n"
        "def run_case(case, host, *arguments):\n    record = ran(case, host, *arguments)\n    count.append(host.process.pid)\n"
        f"    if len(count) == 3:\n        pathlib.Path({str(pids)!r}).write_text(str(count[0]))\n"
        "        signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background ignores it\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n    return record\n"
        "cases.run_case = run_case\nfrom canireuse.commands import main\nmain()"
    )
    command = [sys.executable, "-c", patch, "run", "scopes", "--backend", FAST, "--results", str(results), "--replace"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert results.read_text() == "what was there before"
    assert f"what had come is in {results}.partial" in ran.stdout
    cut_off = records.read([tmp_path / "r.jsonl.partial"])
    assert len(cut_off.cases) == 2
    assert not cut_off.complete
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_run_that_stops_at_the_first_failure_is_not_whole(tmp_path, write_spec, workers):
    for number in range(3):
        write_spec(WAITS.format("2.0"), f"facet/fails-{number}")
    (tmp_path / "pytest.ini").write_text("[pytest]\ncanireuse_specs = specs\n")
    ran = call("pytest", "specs", "--backend", FAST, "-x", *workers, cwd=tmp_path)
    assert ran.returncode in {1, 2}, ran.stdout
    assert "stopped before its end" in ran.stdout
    assert not (tmp_path / "results.jsonl").exists()
    assert not records.read([tmp_path / "results.jsonl.partial"]).complete


@pytest.mark.parametrize("place", ["file/r.jsonl", "folder"])
def test_results_that_could_not_be_written_stop_the_run_before_it_begins(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    ran = call("canireuse", "run", "scopes", "--backend", FAST, "--results", str(tmp_path / place))
    assert ran.returncode == 4
    assert "no results can be written" in ran.stderr
    assert "to do: name another with --results" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_results_may_go_into_a_new_folder(tmp_path):
    results = tmp_path / "a" / "b" / "r.jsonl"
    ran = call("pytest", "specs/scopes/reuse-true-finds-existing.yaml::reference", f"--results={results}")
    assert ran.returncode == 0, ran.stdout
    assert list(cases(results)) == ["scopes/reuse-true-finds-existing@reference"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_results_are_not_lost_to_a_smaller_run_unasked(tmp_path, workers):
    results = tmp_path / "r.jsonl"
    run = ("canireuse", "run", "--backend", FAST, "--results", str(results), *workers)
    assert call(*run, "ties", "gradients").returncode == 0
    before = results.read_text()
    ran = call(*run, "ties")
    assert ran.returncode == 4
    words = (
        f"r.jsonl holds {len(cases(results))} cases, and this run has {len(list((ROOT / 'specs' / 'ties').iterdir()))}"
    )
    assert words in ran.stderr
    assert "replace this one with --replace" in ran.stderr
    assert results.read_text() == before
    assert call(*run, "ties", "--replace").returncode == 0
    assert len(cases(results)) < before.count('"kind":"case"')
    assert call(*run, "ties", "gradients").returncode == 0  # more replace fewer


def test_a_run_that_selects_nothing_is_not_told_of_lost_results(tmp_path):
    results = tmp_path / "r.jsonl"
    assert call("canireuse", "run", "ties", "--backend", FAST, "--results", str(results)).returncode == 0
    ran = call(
        "canireuse", "run", "ties", "--backend", FAST, "--results", str(results), "-n", "2", "-k", "no-such-case"
    )
    assert ran.returncode == 5, ran.stdout + ran.stderr


def test_what_is_no_regular_file_is_not_replaced_and_a_link_is_followed(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("fifo", "dangling"):
        ran = call("canireuse", "run", SPEC, "--backend", FAST, "--results", str(tmp_path / name))
        assert ran.returncode == 4
        assert "it is no regular file" in ran.stderr
    assert (tmp_path / "fifo").is_fifo()
    (tmp_path / "real.jsonl").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real.jsonl")
    assert call("canireuse", "run", SPEC, "--backend", FAST, "--results", str(tmp_path / "link")).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert len(cases(tmp_path / "real.jsonl")) == 1


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_project_around_is_not_read(tmp_path, write_spec, workers):
    folder = tmp_path / "we $HOME"
    folder.mkdir()
    for name in ("py.py", "click.py", "conftest.py"):
        (folder / name).write_text("raise RuntimeError('this is mine')\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    spec = write_spec(WAITS.format("1.0").replace("get: k", "get: k\n    shape: []"), "build/good")
    (spec.parent / "test_mine.py").write_text("def test_mine():\n    raise RuntimeError('this is mine')\n")
    environ = {**os.environ, "PYTEST_ADDOPTS": "--no-such-option", "PYTEST_PLUGINS": "no_such_module"}
    command = [sys.executable, "-P", "-m", "canireuse", "run", str(spec.parent.parent), "--backend", FAST, *workers]
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(cases(folder / "results.jsonl")) == ["build/good@reference"]


def test_a_file_of_another_kind_is_not_lost(tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    ran = call("pytest", "specs/ties", "--backend", FAST, f"--results={notes}")
    assert ran.returncode == 4
    assert "notes.txt is no results file; nothing was run" in ran.stderr + ran.stdout
    assert notes.read_text() == "mine"
    notes.write_text("")
    assert call("pytest", "specs/ties", "--backend", FAST, f"--results={notes}").returncode == 0


def test_what_only_collects_writes_nothing(tmp_path):
    ran = call(
        "pytest", "specs/scopes", "--backend", FAST, "--collect-only", "-q", f"--results={tmp_path / 'a' / 'r.jsonl'}"
    )
    assert "reuse-true-finds-existing.yaml::reference" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_an_adapter_is_a_result(load_spec):
    class Faulty(Reference):
        def variable(self, step):
            return {}["no such word"]

    host = Host(Faulty, device="cpu")
    located = load_spec("steps:\n  - variable: v\n    as: a\n  - expect: one\n    value: a\n    is: 0.0\n")
    record = run_case(Plan(located, "faulty", Faulty, {}), host)
    host.stop()
    assert (record.verdict, record.blame) == ("error", "adapter")
    assert "no such word" in record.reason
    assert "in variable" in record.output


def test_our_own_tests_are_no_specs():
    ran = call("pytest", "tests/conformance/spec/test_yaml.py", "-q")
    assert ran.returncode == 0
    assert "What holds where" not in ran.stdout
