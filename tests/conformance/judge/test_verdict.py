"""The judge, above all what it must refuse."""

from types import MappingProxyType

import pytest

from canireuse.emit import Adapter
from canireuse.judge.verdict import INCONCLUSIVE, applies, judge, what_a_write_shows
from canireuse.run.outcome import Outcome
from canireuse.spec.model import Divergence, Spec


class Backend(Adapter):
    """An adapter that knows one kind of error."""

    name = title = "backend"
    errors = {"not_found": (("LookupError", "no such"),)}


def spec(**more) -> Spec:
    return Spec.model_validate(
        {
            "title": "A spec to be judged",
            "about": "It has a value, a write and a refusal in it, which is enough.",
            "sources": ["convention: a test"],
            "contract": "by-name",
            "steps": [
                {"variable": "v", "as": "a"},
                {"variable": "w", "as": "b"},
                {"expect": "value", "value": "a", "is": [1.0]},
                {"expect": "shared", "same": ["a", "b"]},
                {"get": "x", "raises": "not_found", "expect": "refused"},
            ],
            **more,
        }
    )


def error(
    kind: str = "KeyError", message: str = "no such name", bases=("KeyError", "LookupError", "Exception"), by="torch"
):
    through = [by] if by else []
    described = {"type": kind, "module": "builtins", "bases": list(bases), "message": message, "line": 3}
    return {"error": {**described, "through": through, "by": by, "name": None}}


def outcome(**changed) -> Outcome:
    observations = {
        "value": [1.0],
        "shared": {"before": [0.0], "after": [1.0], "written": [1.0]},
        "refused": error(),
    } | changed
    return Outcome(
        "finished", observations={label: value for label, value in observations.items() if value != "left out"}
    )


def verdict(result: Outcome, packages=MappingProxyType({"tensorflow": "2.21.0"}), **more):
    return judge(spec(**more), "backend", Backend, {}, result, packages)


def divergence(answers, **more):
    return [
        {
            "backends": ["backend"],
            "answers": answers,
            "because": "it is so by design, as was seen",
            "source": "observed",
            **more,
        }
    ]


def test_what_holds_conforms():
    judged = verdict(outcome())
    assert (judged.verdict, judged.blame, judged.loudness) == ("conforms", None, None)
    assert all(one.holds for one in judged.expectations)


@pytest.mark.parametrize(
    ("changed", "observed"),
    [
        ({"value": [1.1]}, [1.1]),
        ({"value": 1.0}, 1.0),
        ({"value": [1.0, 1.0]}, [1.0, 1.0]),
        ({"value": ["1.0"]}, ["1.0"]),
        ({"value": [True]}, [True]),
        ({"value": None}, None),
        ({"value": {"float": "nan"}}, "nan"),
        ({"value": [[{"float": "nan"}]]}, [["nan"]]),
        ({"shared": {"before": [0.0], "after": [0.0], "written": [1.0]}}, False),
        ({"shared": {"before": [0.0], "after": [0.0], "written": [0.0]}}, INCONCLUSIVE),
        ({"refused": None}, "nothing"),
        ({"refused": error("ValueError", bases=["ValueError", "Exception"])}, "unknown_error"),
        ({"refused": error(message="something else")}, "unknown_error"),
        ({"value": "left out"}, "unobserved"),
    ],
)
def test_what_does_not_hold_fails(changed, observed):
    judged = verdict(outcome(**changed))
    assert judged.verdict == "fails"
    assert [one.observed for one in judged.expectations if not one.holds] == [observed]
    assert judged.reason
    assert judged.blame


def test_an_observation_nobody_asked_for_fails():
    assert verdict(outcome(extra=1)).blame == "adapter"


def test_a_divergence_of_which_a_part_is_stale_fails():
    declared = divergence({"value": [2.0], "refused": "nothing"})
    judged = verdict(outcome(value=[2.0]), divergences=declared)
    assert (judged.verdict, judged.blame) == ("fails", "spec")
    assert judged.reason == "refused: the declared divergence is stale; the contract's answer was observed"
    assert verdict(outcome(value=[2.0], refused=None), divergences=declared).verdict == "differs"


ALIKE = {"steps": [
    {"variable": "v", "as": "a"},
    {"expect": "value", "value": "a", "is": [1.0]},
    {"expect": "one-object", "identical": ["a", "a"], "is": True},
]}  # fmt: skip


def without(label, *listed, **more):
    result = Outcome("finished", observations={"value": [1.0], "one-object": True})
    result.observations.pop(label, None)
    return judge(spec(**ALIKE, **more), "backend", Backend, {}, result, {}, listed)


def test_what_is_one_place_is_neither_held_nor_missing():
    judged = without("one-object", "one-object")
    assert (judged.verdict, [one.label for one in judged.expectations]) == ("conforms", ["value"])


def test_what_is_left_out_and_not_listed_fails():
    judged = without("one-object")
    assert (judged.verdict, judged.blame, judged.reason) == (
        "fails", "adapter", "one-object: the script never observed it",
    )  # fmt: skip
    assert without("value", "one-object").verdict == "fails"


def test_what_is_listed_as_left_out_and_observed_fails():
    assert (without("nothing", "one-object").verdict, without("nothing").verdict) == ("fails", "conforms")


def test_a_declared_answer_is_asked_for_though_it_is_listed():
    judged = without("one-object", "one-object", divergences=divergence({"one-object": False}))
    assert (judged.verdict, judged.blame) == ("fails", "adapter")


def test_an_observation_made_twice_fails():
    result = outcome()
    result.repeated.append("value")
    assert verdict(result).verdict == "fails"


def test_a_missing_observation_is_the_adapters_fault():
    assert verdict(outcome(value="left out")).blame == "adapter"


def test_a_declared_divergence_differs():
    judged = verdict(outcome(refused=None), divergences=divergence({"refused": "nothing"}))
    assert (judged.verdict, judged.loudness) == ("differs", "silent")


def test_a_stale_divergence_fails_and_the_spec_is_to_blame():
    judged = verdict(outcome(), divergences=divergence({"refused": "nothing"}))
    assert (judged.verdict, judged.blame) == ("fails", "spec")
    assert "stale" in judged.reason


def test_a_divergence_with_another_answer_fails():
    judged = verdict(outcome(value=[3.0]), divergences=divergence({"value": [2.0]}))
    assert (judged.verdict, judged.blame) == ("fails", "spec")


def test_a_divergence_of_another_backend_or_version_does_not_excuse():
    other = divergence({"refused": "nothing"})
    other[0]["backends"] = ["another"]
    assert verdict(outcome(refused=None), divergences=other).verdict == "fails"
    assert (
        verdict(outcome(refused=None), divergences=divergence({"refused": "nothing"}, versions="tensorflow<2")).verdict
        == "fails"
    )
    assert (
        verdict(outcome(refused=None), divergences=divergence({"refused": "nothing"}, versions="tensorflow>=2")).verdict
        == "differs"
    )


def test_a_divergence_of_another_way_does_not_apply():
    one = Divergence.model_validate(divergence({"refused": "nothing"}, ways=["pickle"])[0])
    assert applies(one, {"restore": "pickle"}, {})
    assert not applies(one, {"restore": "load_state_dict"}, {})
    assert not applies(one, {}, {})
    both = one.model_copy(update={"ways": ["ddp+reentrant"]})
    assert applies(both, {"parallel": "ddp", "remat": "reentrant"}, {})
    assert not applies(both, {"parallel": "ddp", "remat": "not-reentrant"}, {})
    twice = one.model_copy(update={"ways": ["config+config"]})
    assert applies(twice, {"cast": "config", "restore": "config"}, {})
    assert not applies(twice, {"cast": "config", "restore": "weights"}, {})


def test_a_script_that_raises_is_an_error_whatever_it_observed():
    result = outcome()
    result.error = error("RuntimeError")["error"]
    judged = verdict(result)
    assert (judged.verdict, judged.blame) == ("error", "backend")
    assert "line 3" in judged.reason


def test_a_script_that_is_worded_wrongly_is_the_adapters_fault():
    result = outcome()
    result.error = error("NameError", by="")["error"]
    assert verdict(result).blame == "adapter"
    result.error = error("NameError", by="torch")["error"]
    assert verdict(result).blame == "backend"


@pytest.mark.parametrize(
    ("by", "blame", "told"),
    [
        ("flax", "environment", "flax 0.10.2 and jax 0.10.2 do not fit each other"),
        ("", "adapter", "no attribute"),
        ("jax", "adapter", "no attribute"),
        ("haiku", "backend", "no attribute"),
    ],
)
@pytest.mark.parametrize("said", ["module 'jax.lax' has no attribute 'pad'", "jax.pad is deprecated: no attribute"])
def test_who_asks_a_module_for_what_it_has_not_is_to_blame(said, by, blame, told):
    result = outcome()
    result.error = error("AttributeError", said, by=by)["error"]
    judged = verdict(result, {"flax": "0.10.2", "jax": "0.10.2"})
    assert (judged.verdict, judged.blame) == ("error", blame)
    assert told in judged.reason


@pytest.mark.parametrize("declared", [[], divergence({"refused": "nothing"})])
@pytest.mark.parametrize(("by", "blame"), [("", "adapter"), ("torch", "backend")])
def test_an_error_of_no_kind_is_the_doing_of_who_raised_it_also_where_it_was_observed(declared, by, blame):
    judged = verdict(outcome(refused=error("TypeError", "no such keyword", ("TypeError",), by)), divergences=declared)
    assert (judged.verdict, judged.blame) == ("fails", blame)
    assert judged.reason.endswith("observed 'unknown_error' (TypeError: no such keyword)")


def test_of_an_error_in_another_process_its_last_line_is_told():
    result = outcome()
    result.error = error(
        "ProcessRaisedException", "\n\n-- Process 1:\nTraceback (most recent call last):\n  in f\nOSError: no\n"
    )["error"]
    assert verdict(result).reason == "ProcessRaisedException at line 3 of the script: OSError: no"


def test_a_script_may_stop_only_where_that_is_declared():
    result = outcome(refused="left out")
    result.error = error("RuntimeError")["error"]
    judged = verdict(result, divergences=divergence({"refused": "unobserved"}))
    assert (judged.verdict, judged.loudness) == ("differs", "refused")
    assert verdict(outcome(), divergences=divergence({"refused": "unobserved"})).verdict == "fails"


def test_silence_is_excused_by_a_refusal_alone():
    declared = divergence({"value": "unobserved"})
    assert verdict(outcome(value="left out"), divergences=declared).verdict == "differs"  # `refused` was observed
    forgotten = outcome(value="left out", refused=None)
    declared = divergence({"value": "unobserved"}) + divergence({"refused": "nothing"})
    assert verdict(forgotten, divergences=declared).blame == "adapter"


@pytest.mark.parametrize(("kind", "refused", "found"), [
    ("SyntaxError", "left out", "error"),
    ("NameError", "left out", "error"),
    ("NameError", error(), "differs"),
    ("ValueError", "left out", "fails"),
])  # fmt: skip
def test_a_script_worded_wrongly_is_no_divergence(kind, refused, found):
    result = outcome(value="left out", refused=refused)
    result.error = error(kind)["error"]
    assert verdict(result, divergences=divergence({"value": "unobserved"})).verdict == found


def test_an_answer_within_the_contract_and_the_divergence_is_stale():
    steps = [{"variable": "v", "as": "a"}, {"expect": "value", "value": "a", "is": 1.0, "close": 0.1}]
    result = Outcome("finished", observations={"value": 1.08})
    judged = verdict(result, steps=steps, divergences=divergence({"value": 1.15}))
    assert (judged.verdict, judged.blame) == ("fails", "spec")


def test_tolerance_is_that_of_the_expectation():
    steps = [{"variable": "v", "as": "a"}, {"expect": "value", "value": "a", "is": 1.0, "close": 0.1}]
    assert verdict(Outcome("finished", observations={"value": 1.09}), steps=steps).verdict == "conforms"
    assert verdict(Outcome("finished", observations={"value": 1.2}), steps=steps).verdict == "fails"


@pytest.mark.parametrize(("version", "wanted", "applied"), [
    ("2.13.0+cpu", "torch==2.13.0", True), ("2.13.0+cpu", "torch<=2.13.0", True), ("2.13.0+cpu", "torch>2.13.0", False),
    ("2.14.0.dev20260101+cu129", "torch>=2.13", True), ("1.15.5", "torch<2", True),
])  # fmt: skip
def test_versions_are_compared_without_their_local_part(version, wanted, applied):
    one = Divergence.model_validate(divergence({"refused": "nothing"}, versions=wanted)[0])
    assert applies(one, {}, {"torch": version}) is applied


@pytest.mark.parametrize("ending", ["crash", "timeout"])
def test_a_script_that_ends_its_host_is_a_result(ending):
    assert verdict(Outcome(ending)).verdict == ending


def test_loudness():
    wanted = {"value": [9.0]}
    assert verdict(outcome(value=[9.0]), divergences=divergence(wanted)).loudness == "silent"
    refused = outcome(value=error("TypeError", bases=["TypeError"]))
    assert verdict(refused, divergences=divergence({"value": "unknown_error"})).loudness == "refused"
    stopped = Outcome("finished", error=error("ValueError")["error"])
    unobserved = dict.fromkeys(("value", "shared", "refused"), "unobserved")
    assert verdict(stopped, divergences=divergence(unobserved)).loudness == "refused"
    lacks = error("AttributeError", "'NoneType' object has no attribute 'numpy'", by="")["error"]
    tripped = Outcome("finished", error=lacks)
    assert verdict(tripped, divergences=divergence(unobserved)).loudness == "late"
    late = Outcome("finished", observations={"value": [9.0]}, error=error("ValueError")["error"])
    declared = {"value": [9.0], "shared": "unobserved", "refused": "unobserved"}
    assert verdict(late, divergences=divergence(declared)).loudness == "late"


def test_another_refusal_than_the_contracts_is_not_what_a_silent_departure_led_to():
    two = outcome(value=[9.0], refused=error("TypeError", bases=["TypeError"]))
    judged = verdict(two, divergences=divergence({"value": [9.0], "refused": "unknown_error"}))
    assert (judged.verdict, judged.loudness) == ("differs", "silent")


def warned(text, value=(9.0,)):
    found = outcome(value=list(value))
    found.warnings += [{"category": "UserWarning", "message": message, "line": 1} for message in ("old format", text)]
    return found


def test_a_warning_counts_if_it_is_about_the_departure():
    declares = divergence({"value": [9.0]}, warns="duplicate parameters")
    judged = verdict(warned("group with duplicate parameters; see"), divergences=declares)
    assert (judged.verdict, judged.loudness) == ("differs", "warned")
    assert [warning["message"] for warning in judged.warnings] == ["group with duplicate parameters; see"]
    assert [warning["message"] for warning in judged.other_warnings] == ["old format"]
    judged = verdict(warned("look out"), divergences=divergence({"value": [9.0]}))
    assert (judged.verdict, judged.loudness, judged.warnings) == ("differs", "silent", [])
    assert len(judged.other_warnings) == 2


def test_a_warning_is_checked_in_both_directions():
    declares = divergence({"value": [9.0]}, warns="duplicate parameters")
    judged = verdict(warned("look out"), divergences=declares)
    assert (judged.verdict, judged.blame, judged.loudness) == ("fails", "spec", "silent")
    assert "the declared warning is stale: nothing warned of 'duplicate parameters'" in judged.reason
    elsewhere = divergence({"value": [9.0]}) + divergence(
        {"value": [9.0]}, warns="duplicate parameters", backends=["nnx"]
    )
    judged = verdict(warned("group with duplicate parameters"), divergences=elsewhere)
    assert (judged.verdict, judged.blame) == ("fails", "spec")
    assert "which only another divergence declares" in judged.reason


def test_a_warning_that_came_with_a_version_is_asked_for_since_then():
    both = divergence({"value": [9.0]}, warns="duplicate parameters", versions="torch>=2") + divergence(
        {"value": [9.0]}, versions="torch<2"
    )
    assert verdict(warned("duplicate parameters"), divergences=both, packages={"torch": "2.1"}).loudness == "warned"
    assert verdict(outcome(value=[9.0]), divergences=both, packages={"torch": "1.9"}).verdict == "differs"
    assert verdict(outcome(value=[9.0]), divergences=both, packages={"torch": "2.1"}).verdict == "fails"


def test_what_a_write_shows():
    assert what_a_write_shows([0.0], [1.0], [1.0]) is True
    assert what_a_write_shows([0.0], [0.0], [5.0]) is False
    assert what_a_write_shows([0.0], [0.0], [0.0]) == INCONCLUSIVE
    assert what_a_write_shows([0.0], [2.0], [1.0]) == INCONCLUSIVE
