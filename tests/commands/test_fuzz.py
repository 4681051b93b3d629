"""`canireuse fuzz`: what it prints, and what it says where Hypothesis is not there."""

import pytest
from click.testing import CliRunner

from canireuse.commands import fuzz as command
from canireuse.commands.fuzz import fuzz, told
from canireuse.fuzz.campaign import Campaign
from canireuse.program.loader import load
from canireuse.spec.problems import UsageError
from tests.conformance.fuzz.ring import Ring
from tests.conformance.fuzz.test_agreement import PROGRAM
from tests.zoo.animals import ANIMALS


def test_programs_on_the_reference_model_agree():
    ran = CliRunner().invoke(fuzz, ["--backend", "reference", "--examples", "5", "--seed", "3"], standalone_mode=False)
    assert ran.exception is None
    assert ran.return_value == 0
    assert "5 programs of seed 3" in ran.output
    assert "0 cases disagree, of 0 kinds" in ran.output


def test_what_is_printed_can_be_saved_and_run(monkeypatch, tmp_path):
    ring = Ring(ANIMALS["zoo-unties-at-tie"])
    program = ring.answered(PROGRAM)
    (case,) = ring.cases(program)
    monkeypatch.setattr(Campaign, "run", lambda *_: [ring.compared(program, case)])
    ran = CliRunner().invoke(fuzz, ["--backend", "zoo-unties-at-tie"], standalone_mode=False)
    assert ran.return_value == 1
    assert "# count: reference 1, zoo-unties-at-tie 2" in ran.output
    path = tmp_path / "found.yaml"
    path.write_text(ran.output[ran.output.index("title:") :])
    assert load(path).spec == program.spec


def test_the_seed_tells_where_disagreements_come_from():
    campaign = Campaign("torch", examples=10, seed=7, written=10, compared=8, said=4, ran=12, seconds=2.0)
    campaign.holds.update({"tie": 4})
    campaign.declared.update({"ties/some-spec": 3})
    campaign.unsaid.update({"It has no such thing.": 5})
    campaign.left_out.update({"It has no such verb.": 6})
    assert told(campaign).splitlines() == [
        "10 programs of seed 7 in 2 s (5.0 a second)",
        "8 compared; torch said 4 of them, in 12 cases",
        "in programs: tie 50%",
        "declared, 3 cases: ties/some-spec",
        "cannot say, 5 cases: It has no such thing.",
        "cannot say, left out 6 times: It has no such verb.",
        "0 cases disagree, of 0 kinds",
    ]


def test_without_hypothesis_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    with pytest.raises(UsageError) as refused:
        fuzz.main(["--backend", "reference"], standalone_mode=False)
    happened, expected, advice = str(refused.value).splitlines()
    assert "Hypothesis, which is not installed" in happened
    assert expected == "    expected: the package `hypothesis`"
    assert advice == "    to do: pip install 'canireuse[fuzz]'"
