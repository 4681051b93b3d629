"""The difference of two results: by id, with times that changed beyond the floor."""

import pytest

from canireuse.measure.difference import difference
from canireuse.results.records import Case, Environment, Measurement, Measuring, Results, SpecLine

STEADY = {0: 1.0, 1: 1.01, 2: 0.99, 3: 1.005, 4: 0.995, 5: 1.0}


def case(name, verdict="conforms", loudness=None, script="1"):
    return Case(
        id=name, spec="f/s", backend="torch", device="cpu", environment="torch@cpu", verdict=verdict,
        loudness=loudness, spec_digest="0", script_digest=script,
    )  # fmt: skip


def loop(name, factor=1.0, *, twin=False, processes=STEADY):
    return [
        Measurement(
            case=name, label="work", process=process, twin=twin, loops=10, first=1.0, fence=0.0, rounds=[0, 1],
            seconds=[factor * noise, factor * noise],
        )
        for process, noise in processes.items()
    ]  # fmt: skip


def results(*cases, loops=(), packages=None):
    return Results(
        cases={one.id: one for one in cases},
        measurements={one.id: one for one in loops},
        environments={
            "torch@cpu": Environment(
                id="torch@cpu", backend="torch", title="t", about="a", asked_device="cpu", device="cpu", packages=packages or {}
            )
        },
    )  # fmt: skip


def test_nothing_changed():
    same = results(case("a"), loops=loop("a"))
    found = difference(same, same)
    assert not found.changed
    assert [time.ratio.value for time in found.times] == [1.0]


def test_verdicts_align_by_id_and_not_by_position():
    found = difference(results(case("a"), case("b", "fails")), results(case("b", "fails"), case("a", "error")))
    assert [(change.case, change.old, change.new) for change in found.verdicts] == [("a", "conforms", "error")]
    assert found.changed


def test_a_departure_that_became_silent_is_a_change():
    found = difference(results(case("a", "differs", "refused")), results(case("a", "differs", "silent")))
    assert [(change.old, change.new) for change in found.verdicts] == [("differs (refused)", "differs (silent)")]


def spec(name, *aliases):
    return SpecLine(
        id=name, title="t", about="a", sources=[], contract="none", text="", digest="0", lines={}, aliases=aliases
    )


def test_cases_of_a_merged_spec_are_compared_with_those_it_became_part_of():
    old = results(case("f/old@torch"), case("f/twin@torch"), loops=loop("f/old@torch"))
    new = results(case("f/new@torch", "fails"), loops=loop("f/new@torch", 2.0))
    new.specs = {"f/new": spec("f/new", "f/old")}
    found = difference(old, new)
    assert [(change.case, change.new) for change in found.verdicts] == [("f/new@torch", "fails")]
    assert (found.gone, found.added) == (["f/twin@torch"], [])
    assert [(time.case, time.changed) for time in found.times] == [("f/new@torch", True)]
    back = difference(new, old)
    assert [(change.case, change.new) for change in back.verdicts] == [("f/new@torch", "conforms")]


def test_a_case_that_stood_beside_the_one_it_was_merged_into_is_told_apart():
    old, new = results(case("f/old@torch", "fails"), case("f/new@torch")), results(case("f/new@torch"))
    new.specs = {"f/new": spec("f/new", "f/old")}
    found = difference(old, new)
    assert (found.verdicts, found.gone) == ([], ["f/old@torch"])


def test_what_one_side_alone_holds_is_told_and_changes_nothing():
    found = difference(results(case("a"), case("old")), results(case("a"), case("new")))
    assert (found.gone, found.added, found.changed) == (["old"], ["new"], False)


@pytest.mark.parametrize(("factor", "changed"), [(1.1, True), (0.9, True), (1.015, False), (1.0, False)])
def test_a_time_changes_beyond_the_floor(factor, changed):
    found = difference(results(case("a"), loops=loop("a")), results(case("a"), loops=loop("a", factor)))
    assert [time.changed for time in found.times] == [changed]
    assert found.times[0].ratio.value == pytest.approx(factor)


def test_the_floor_is_that_of_the_worse_run():
    shaky = loop("a", 1.1) + loop("a", 1.3, twin=True)
    found = difference(results(case("a"), loops=loop("a")), results(case("a"), loops=shaky))
    assert found.floor == pytest.approx(0.3 / 1.1 - 0.1 / 1.1, rel=0.01)
    assert not found.changed


def test_few_processes_call_nothing():
    few = {0: 1.0, 1: 1.0}
    found = difference(
        results(case("a"), loops=loop("a", processes=few)), results(case("a"), loops=loop("a", 2.0, processes=few))
    )
    assert not found.changed
    assert found.times[0].ratio.low is None


def test_a_loop_without_samples_is_not_compared():
    left_out = Measurement(case="a", label="work", process=0, left_out=True, skipped=9.0)
    assert not difference(results(case("a"), loops=[left_out]), results(case("a"), loops=loop("a"))).times


def test_what_changed_around_the_scripts_is_told():
    found = difference(
        results(packages={"torch": "2.13.0", "numpy": "2"}), results(packages={"torch": "2.14.0", "numpy": "2"})
    )
    assert found.surroundings == ["torch@cpu: torch 2.13.0 → 2.14.0"]


def how(block):
    return Measuring(budget=1, seconds=1, processes=5, rounds=[3], block=block, seed=1, clock_resolution=1e-9)


def test_what_was_measured_otherwise_is_told():
    old, new = (Results(measurings=[how(block)]) for block in (0.005, 0.02))
    assert difference(old, new).surroundings == ["measured with block 0.005 → 0.02"]
    assert difference(old, old).surroundings == []


def test_scripts_that_are_others_are_told():
    found = difference(results(case("a"), case("b")), results(case("a"), case("b", script="2")))
    assert found.surroundings == ["1 of 2 scripts, such as that of b"]


@pytest.mark.parametrize(("factor", "slower"), [(1.3, 12), (1.3, 3), (1.01, 12)])
def test_where_most_times_change_alike_the_machine_is_named(factor, slower):
    names = [f"c{number}" for number in range(12)]
    old = results(*map(case, names), loops=[one for name in names for one in loop(name)])
    new = results(
        *map(case, names),
        loops=[one for number, name in enumerate(names) for one in loop(name, factor if number < slower else 1.0)],
    )
    told = difference(old, new).surroundings
    expected = ["the machine, it seems: half of all times are beyond 1.300 times what they were"]
    assert told == (expected if (factor, slower) == (1.3, 12) else [])
