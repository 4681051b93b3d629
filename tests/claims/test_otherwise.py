"""Every observation that decides a claim was seen to come out both ways, and what a refuted claim is told to write instead does so.

Nothing here believes what a claims file says: the deciding spec runs where the document stands, and the run that the claim names
for the other answer runs too.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from canireuse.judge.verdict import RAN
from canireuse.program.loader import load
from canireuse.results import records
from canireuse.results.deciding import ClaimVerdict, as_claimed, judge_claims
from canireuse.spec.claims import Document, Shown, load_claims, observations
from canireuse.spec.model import UNOBSERVED
from canireuse.spec.problems import InputError
from tests.claims.counters import counters
from tests.zoo.conftest import installed

ROOT = Path(__file__).parent.parent.parent
SPECS = ROOT / "specs"
DOCUMENTS = [document for _, document, _ in load_claims(SPECS / "claims")]


def backend_of(document, shown: Shown) -> str:
    return shown.backend or document.stands


def counter_id(name: str, spec: str) -> str:
    """Return the id under which the counter-spec of that name runs."""
    return f"{spec.partition('/')[0]}/{name.partition('#')[2]}"


def planned(document: Document, folder: Path) -> tuple[dict[str, set[str]], list[str]]:
    """Write the counter-specs and return which specs every backend is to run, and what is wrong with what claims name."""
    runs, wrong, known = defaultdict(set), [], counters()
    for _, shown in observations(document):
        runs[backend_of(document, shown)].add(str(SPECS / f"{shown.spec}.yaml"))
        name = getattr(shown, "otherwise", "")
        if name.startswith("@"):
            runs[name[1:].partition("+")[0]].add(str(SPECS / f"{shown.spec}.yaml"))
        elif name:
            try:
                counter = known[name]
                path = folder / f"{counter_id(name, shown.spec)}.yaml"
                path.parent.mkdir(exist_ok=True)
                path.write_text(counter.apply((SPECS / f"{counter.spec}.yaml").read_text()))
                load(path)
                assert counter.spec == shown.spec, f"it is of {counter.spec}, not of {shown.spec}"
                runs[backend_of(document, shown)].add(str(path))
            except (KeyError, ValueError, AssertionError, InputError) as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
    return runs, wrong


def run(document: Document, folder: Path) -> tuple[records.Results, list[str]]:
    """Return the records of the specs and counter-specs that decide a document's claims, and what is wrong with what claims name."""
    runs, wrong = planned(document, folder)
    environ = installed(folder / "site")
    files = []
    for backend, paths in runs.items():
        files.append(folder / f"{backend}.jsonl")
        command = [
            sys.executable,
            "-m",
            "canireuse",
            "run",
            *sorted(paths),
            "--backend",
            backend,
            "--results",
            str(files[-1]),
        ]
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=900, check=False)
        assert done.returncode in {0, 1}, done.stdout + done.stderr
    return records.read(files), wrong


def answers(results: records.Results, case: str, label: str, asserts) -> set[bool]:
    """Return whether a case, in each of its ways unless one is named, observed what is asserted.

    What was observed counts also where the script stopped later: where a get is refused, a counter-spec has no variable to go on with.
    That something was not reached counts only where the spec says so: there the refusal before it was observed.
    """
    cases = [one for name, one in results.cases.items() if name == case or name.startswith(f"{case}+")]
    judged = [
        next((one for one in case.expectations if one.label == label), None)
        for case in cases
        if case.verdict in {*RAN, "error"}
    ]
    return {as_claimed(asserts, one) for one in judged if one is not None and (one.holds or one.observed != UNOBSERVED)}


def both_ways(document: Document, results: records.Results) -> list[str]:
    """Return the deciding observations that did not come out both ways, in words."""
    wrong = []
    for place, shown in observations(document):
        if not hasattr(shown, "otherwise"):
            continue
        backend, name = backend_of(document, shown), shown.otherwise
        here = answers(results, f"{shown.spec}@{backend}", shown.expect, shown.asserts)
        other = f"{shown.spec}{name}" if name.startswith("@") else f"{counter_id(name, shown.spec)}@{backend}"
        there = answers(results, other, shown.expect, shown.asserts)
        if not here or not there or len(here | there) < 2:
            owner = document.claims[place[1]].id if place[0] == "claims" else f"remark {place[1]}"
            said = (
                f"{shown.spec}@{backend} {shown.expect}: {here or 'not observed'}; {other}: {there or 'not observed'}"
            )
            wrong.append(f"{owner}: {said}")
    return wrong


def corrections(verdicts: list[ClaimVerdict]) -> list[str]:
    """Return the refuted claims that do not say what to write instead, or whose run does not show it, and those that need not say it."""
    wrong = []
    for one in verdicts:
        if one.verdict == "refuted" and one.instead is None:
            wrong.append(f"{one.claim.id} is refuted and does not say what to write instead")
        if one.instead is not None and one.verdict not in {"refuted", "depends"}:
            wrong.append(f"{one.claim.id} is {one.verdict} and says what to write instead")
        if one.instead is not None and not one.instead.holds:
            found = "; ".join(piece.found for piece in one.instead.shown) or "not run"
            wrong.append(f"{one.claim.id}: what to write instead is not shown by its run: {found}")
    return wrong


def code_in(text: str) -> str:
    """Return code without what does not tell it apart: quotes, how it is laid out, and by which name TensorFlow's package goes."""
    words = re.sub(r"\s+", " ", re.sub(r"\btf(1|\.compat\.v1)?\.", "", text.replace('"', "'")))
    return re.sub(r",? ?([)\]}])", r"\1", re.sub(r"([(\[{]) ", r"\1", words))


def unshown_code(results: records.Results, verdicts: list[ClaimVerdict]) -> list[str]:
    """Return the code that readers are told to write instead and that the script which shows it does not have."""
    wrong = []
    for one in verdicts:
        scripts = [results.cases[piece.case_id].script or "" for piece in one.instead.shown] if one.instead else []
        for code in re.findall(r"`([^`]*[(=][^`]*)`", one.instead.write) if one.instead else ():
            pattern = re.escape(code_in(code).rstrip(":")).replace(re.escape("..."), ".*")
            if not any(re.search(pattern, code_in(script)) for script in scripts):
                wrong.append(f"{one.claim.id}: the script that shows what to write has no {code}")
    return wrong


def by_offers_alone(results: records.Results, verdicts: list[ClaimVerdict]) -> list[str]:
    """Return the claims that are decided by nothing but whether a package has a name."""
    kinds = {
        one.claim.id: {results.specs[each.spec].observes[each.expect].kind for each in one.claim.decided_by}
        for one in verdicts
        if one.verdict in {"refuted", "depends"}
    }
    return [
        f"{claim} is decided by the names of a package alone" for claim, found in kinds.items() if found == {"offers"}
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.document)
def test_every_claim_is_decided_by_what_can_come_out_otherwise(document, tmp_path):
    results, wrong = run(document, tmp_path)
    verdicts = [one for one in judge_claims(results) if one.document.id == document.document]
    wrong += [*both_ways(document, results), *corrections(verdicts), *unshown_code(results, verdicts)]
    wrong += by_offers_alone(results, verdicts)
    wrong += [f"{one.claim.id} is undecided: {one.why}" for one in verdicts if one.verdict == "undecided"]
    assert not wrong, "\n" + "\n".join(wrong)
