"""What is asked of an adapter: which options it has to claim, its ways, and what its users trace as usual."""

import pytest

from canireuse.emit import Emitter, Unsupported
from canireuse.emit.translation import OPTIONS, options_of
from canireuse.spec.vocabulary import Get, Layer, verbs


class Plain(Emitter):
    """An adapter that claims no options."""

    name = title = "Plain"
    missing = {"get.local": "There are no local variables here."}
    code = {"get": "got()", "measure": "timed()"}


def test_an_option_that_is_not_claimed_is_not_passed_over():
    plain = Plain()
    with pytest.raises(Unsupported, match=r"no equivalent of `get\.penalty`"):
        plain.step(Get(get="v", penalty=0.1))
    with pytest.raises(Unsupported, match="no local variables here"):
        plain.step(Get(get="v", local=True))
    plain.step(Get(get="v"))
    assert len(plain.body) == 1


def test_kinds_of_layers_are_options_too():
    norm = Layer.model_validate({"layer": "norm", "inputs": 2, "units": 2, "as": "n"})
    assert options_of(norm) == ["layer.norm", "layer.unnamed"]
    dense = Layer.model_validate({"layer": "dense", "name": "d", "inputs": 2, "units": 2, "as": "d"})
    assert options_of(dense) == []


def test_every_option_is_a_key_of_its_verb():
    assert all(fields <= verbs()[verb].model_fields.keys() for verb, fields in OPTIONS.items())


def test_ways_are_taken_one_at_a_time_and_each_on_every_engine(load_spec):
    class Many(Plain):
        ways = {"variable": ("a", "b", "c"), "read": ("x", "y")}
        engines = {"one": {}, "two": {}}

    steps = "steps:\n  - {variable: v, init: [1.0], as: v}\n  - {read: v}\n  - {expect: one, variables: 1}\n"
    ways = [tuple(way.values()) for way in Many.ways_of(load_spec(steps).spec)]
    assert ways == [
        (engine, *way) for engine in ("one", "two") for way in (("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"))
    ]


TRACED = """
    steps:
      - repeat: 2
        steps:
          - {function: f, traced: usual, steps: [{function: g, traced: usual, steps: []}]}
      - {function: h, traced: true, steps: []}
      - {function: i, steps: []}
      - {variable: v, init: 1.0, as: v}
      - {expect: there, variables: 1}
"""


@pytest.mark.parametrize("usually", [True, False])
def test_what_is_traced_as_usual_is_what_users_of_the_framework_trace(load_spec, usually):
    class Tracing(Plain):
        def traces_usually(self):
            return usually

        code = {"variable": "pass", "expect": "pass"}

        def function(self, step):
            self.emit("$function('$traced')", function=step.function, traced=step.traced)
            self.steps(step.steps)

    located = load_spec(TRACED)
    before = located.spec.model_copy(deep=True)
    text = Tracing().translate(located.spec).text
    assert text.split("\n")[:-3] == [
        "for _ in range(2):", f"    f({usually})", f"    g({usually})", "h(True)", "i(False)",
    ]  # fmt: skip
    assert located.spec == before
