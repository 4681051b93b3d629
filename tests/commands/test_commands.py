"""The commands other than `run`: what they print, write and refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse.results import records
from tests.conformance.results.test_records import case, footer, header, write

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def canireuse(tmp_path):
    """Return a function that runs the command line in a folder of its own, which has a copy of some specs."""

    def call(*arguments, cwd=ROOT, stdout=subprocess.PIPE):
        environ = {**os.environ, "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "canireuse", *arguments],
            cwd=cwd,
            env=environ,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=200,
            check=False,
        )

    return call


def test_list_counts_facets_and_labels(canireuse):
    listed = json.loads(canireuse("list", "--json").stdout)
    assert (
        sum(listed["facets"].values())
        == len(listed["specs"])
        == len([path for path in (ROOT / "specs").glob("*/*.yaml") if path.parent.name not in {"claims", "reported"}])
    )
    counts = listed["counts"]
    assert counts["specs"] == len(listed["specs"])
    assert counts["facets"] == len(listed["facets"])
    assert (
        0
        < counts["core"]["said"]
        < counts["core"]["cells"]
        == sum(cells["cells"] for name, cells in counts["cells"].items() if name in counts["core"]["backends"])
    )
    one = next(spec for spec in listed["specs"] if spec["id"] == "scopes/reuse-true-finds-existing")
    assert "one-variable" in one["labels"]
    assert "scopes/reuse-true-finds-existing" in canireuse("list", "scopes").stdout


def test_list_says_what_each_spec_notices(canireuse):
    told = canireuse("list", "ties/tied-layers-are-one-kernel", "--kills").stdout
    assert "    wrong models: " in told
    assert "zoo-makes-anew" in told
    (entry,) = json.loads(canireuse("list", "ties/tied-layers-are-one-kernel", "--kills", "--json").stdout)["specs"]
    assert "zoo-makes-anew" in entry["kills"]["animals"]
    for path, faults in entry["kills"]["planted"].items():
        assert f"    {path}: {', '.join(faults)}\n" in told


def test_list_says_where_a_spec_of_somebody_notices_nothing_yet(canireuse, tmp_path):
    canireuse("new", "scopes/my-own", cwd=tmp_path)
    assert "\n    nothing yet\n" in canireuse("list", "scopes/my-own", "--kills", cwd=tmp_path).stdout


def test_show_prints_the_script_that_runs(canireuse):
    script = canireuse("show", "scopes/reuse-true-finds-existing", "--backend", "tf1").stdout
    assert "with tf1.variable_scope('tower', reuse=True):" in script
    standalone = canireuse("show", "scopes/reuse-true-finds-existing", "--backend", "tf1", "--standalone").stdout
    assert standalone.endswith(script)
    assert standalone.startswith("def observe(label, value):\n    print(")
    assert (
        json.loads(canireuse("show", "scopes/reuse-true-finds-existing", "--backend", "tf1", "--json").stdout)[0][
            "script"
        ]
        == script[:-1]
    )


def test_a_spec_is_found_by_the_id_of_one_that_was_merged_into_it(canireuse):
    (shown,) = json.loads(canireuse("show", "refusals/string-reuse-flag", "--backend", "tf1", "--json").stdout)
    assert shown["id"] == "refusals/reuse-flag-that-is-no-boolean@tf1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("show", "scopes/reuse-true-finds-exsting", "--backend", "tf1"),
            "did you mean 'scopes/reuse-true-finds-existing'?",
        ),
        (("show", "scopes", "--backend", "tf1"), "expected: one spec"),
        (("show", "scopes/reuse-true-finds-existing", "--backend", "tf3"), "there is no backend 'tf3'"),
        (
            ("show", "creation/auto-creates-then-gets", "--backend", "torch"),
            "torch cannot say creation/auto-creates-then-gets",
        ),
        (("report", "no-such.jsonl"), "cannot be read"),
        (("report", "{results}", "--output", "README.md/page.html"), "the page cannot be written"),
        (("claims", "--results", "no-such.jsonl"), "cannot be read"),
        (("new", "No Slug"), "is no id of a spec"),
        (("new", "scopes/reuse-true-finds-existing"), "is there already"),
        (("lint", "no-such-facet"), "there is no spec 'no-such-facet'"),
        (("dance",), "No such command"),
    ],
)
def test_bad_input_is_told_without_a_traceback(canireuse, tmp_path, arguments, words):
    results = tmp_path / "r.jsonl"
    results.write_text('{"kind": "header", "canireuse": "0", "started": "2026-01-01", "command": "canireuse run"}\n')
    ran = canireuse(*(argument.format(results=results) for argument in arguments))
    assert ran.returncode == 4
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_new_spec_runs_and_is_clean_but_for_its_blanks(canireuse, tmp_path):
    assert canireuse("new", "scopes/my-own", cwd=tmp_path).returncode == 0
    schema = (tmp_path / "specs" / "scopes" / "my-own.yaml").read_text().partition("\n")[0].rpartition("=")[2]
    assert (tmp_path / "specs" / "scopes" / schema).is_file()
    ran = canireuse("run", "scopes/my-own", "--backend", "reference", "--json", cwd=tmp_path)
    assert json.loads(ran.stdout)["verdicts"] == {"conforms": 1}, ran.stderr
    assert canireuse("lint", "scopes/my-own", cwd=tmp_path).returncode == 0


def test_a_new_spec_is_written_below_the_folder_one_stands_in(canireuse, tmp_path):
    (tmp_path / "specs").mkdir()
    places = {"from-above": tmp_path, "from-inside": tmp_path / "specs", "from-the-facet": tmp_path / "specs" / "ties"}
    for slug, folder in places.items():
        assert canireuse("new", f"ties/{slug}", cwd=folder).returncode == 0
        assert (tmp_path / "specs" / "ties" / f"{slug}.yaml").is_file()
        assert slug in canireuse("list", f"ties/{slug}", cwd=tmp_path).stdout
    assert canireuse("new", "ties/from-inside", cwd=tmp_path).returncode == 4


def test_a_folder_of_somebody_else_hides_no_spec(canireuse, tmp_path):
    for name in ("specs/ties.yaml", "specs/ties/one.yaml", "ties/notes.txt", "scopes.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("describe: something else\n")
    assert canireuse("list", cwd=tmp_path).stdout == canireuse("list").stdout
    assert canireuse("list", "ties", cwd=tmp_path).stdout == canireuse("list", "ties").stdout
    assert "has no key 'describe'" in canireuse("list", "specs/ties", cwd=tmp_path).stderr
    assert "0 specs in 0 facets" in canireuse("list", "./ties", cwd=tmp_path).stdout


def test_lint_tells_what_breaks_the_house_style(canireuse, tmp_path):
    canireuse("new", "scopes/my-own", cwd=tmp_path)
    path = tmp_path / "specs" / "scopes" / "my-own.yaml"
    path.write_text(path.read_text().replace("title: My own", "title: It should be my own"))
    ran = canireuse("lint", "scopes/my-own", cwd=tmp_path)
    assert ran.returncode == 1
    assert "[title]" in ran.stdout
    found = json.loads(canireuse("lint", "scopes/my-own", "--json", cwd=tmp_path).stdout)
    assert [problem["line"] for problem in found] == [2]


def test_our_own_specs_and_claims_are_clean(canireuse):
    ran = canireuse("lint")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_doctor_knows_what_is_here(canireuse):
    found = json.loads(canireuse("doctor", "--json").stdout)
    assert found["reference"]["absent"] is None
    assert found["reference"]["python"] == sys.version.split()[0]
    for backend in found.values():
        assert backend["absent"] is None or backend["install"] in backend["absent"]


def test_doctor_tells_of_a_feature_that_keeps_every_spec_from_being_read(tmp_path):
    package, info = tmp_path / "broken", tmp_path / "broken-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir()
    (package / "__init__.py").touch()
    (package / "verb.py").write_text("raise RuntimeError('boom')\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[canireuse.features]\nbroken = broken\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "canireuse", "doctor"]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 4
    assert "the feature 'broken.verb' cannot be loaded: RuntimeError: boom" in ran.stderr


def test_claims_are_judged_from_results(canireuse, tmp_path):
    results = tmp_path / "r.jsonl"
    canireuse("run", "--backend", "reference", "--results", str(results))
    ran = canireuse("claims", "--results", str(results), "--json")
    verdicts = {one["claim"]["id"]: one["verdict"] for one in json.loads(ran.stdout)}
    assert set(verdicts.values()) == {"undecided", "not checkable"}  # nothing of TensorFlow was run
    assert ran.returncode == 1
    assert canireuse("claims", "no-such-claim", "--results", str(results)).returncode == 4
    without = tmp_path / "without.jsonl"
    without.write_text("".join(line for line in results.open() if '"kind":"claim"' not in line))
    ran = canireuse("claims", "--results", str(without))
    assert ran.returncode == 4
    assert "these results hold no claims" in ran.stderr


def test_output_that_cannot_be_written_is_told_in_a_sentence(canireuse):
    for arguments in (
        ("list",),
        ("lint", "--rules"),
        ("show", "scopes/reuse-true-finds-existing", "--backend", "reference"),
    ):
        with Path("/dev/full").open("w") as full:
            ran = canireuse(*arguments, stdout=full)
        assert ran.returncode == 3
        assert ran.stderr == "error: the output cannot be written: No space left on device\n"


def test_brackets_of_results_are_no_markup(canireuse, tmp_path):
    path = tmp_path / "r.jsonl"
    document = records.DocumentLine(id="[red", title="t", stands="tf1")
    claim = records.ClaimLine(
        id="odd",
        document="[red",
        where="here",
        line=1,
        claim="It is [/]odd, it says.",
        not_checkable="nobody knows [/]",
    )
    write(path, header(), document, claim, case(spec="a/[/]b"), footer())
    assert "[/]odd" in canireuse("claims", "--results", str(path)).stdout
    failed = case(spec="a/[/]b").model_copy(update={"verdict": "fails"})
    other = write(tmp_path / "other.jsonl", header(), failed, footer())
    assert "a/[/]b@" in canireuse("diff", str(path), str(other)).stdout
