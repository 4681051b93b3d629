"""Layers, modules and learning: what owns variables, what one training step does to them, and what is refused."""

import pytest

from canireuse.contract import Model, tape
from canireuse.contract.refusals import (
    BadArgument,
    NotFound,
    NotTrainable,
    ShapeMismatch,
    SharingRefused,
)


def get(model, name="w", **words):
    return model.get(name, **{"shape": [2], "init": 1.0, **words})


# -- layers and modules


def test_a_layer_makes_its_variables_once_at_its_first_call(model):
    layer = model.layer("dense", "d", inputs=2, units=1, kernel=2.0, bias=1.0)
    assert model.variables(layer) == model.variables() == []
    answers = [layer([[1.0, 1.0]]), layer([[0.0, 1.0]])]
    model.initialize()
    assert [model.value(answer) for answer in answers] == [[[5.0]], [[3.0]]]
    assert [cell.name for cell in model.variables(layer)] == ["d/kernel", "d/bias"]


def test_layers_of_one_name_have_scopes_of_their_own(model):
    with model.scope("d"):
        get(model)
    layers = [model.layer("embedding", "d", inputs=2, units=1) for _ in range(2)]
    for layer in layers:
        layer([0])
    assert model.names() == ["d/w", "d_1/kernel", "d_2/kernel"]
    with model.scope("a"):
        late = model.layer("dense", "d", inputs=1, units=1)
    late([[1.0]])
    assert "d_3/kernel" in model.names()
    with model.scope("b", reuse=True), pytest.raises(NotFound):
        model.layer("dense", "d", inputs=1, units=1)._build()


def test_a_tie_is_one_variable(model):
    first, second = (model.layer("dense", name, inputs=2, units=2, bias=0.0) for name in ("a", "b"))
    second.kernel = first.kernel
    both = model.module(first=first, second=second)
    model.initialize()
    assert second.kernel is first.kernel
    assert (len(model.variables(both)), len(model.variables())) == (3, 3)
    scalar = tape.sum(both([[1.0, 0.0]]))
    assert model.value(tape.gradient(scalar, first.kernel)) == [[3.0, 3.0], [1.0, 1.0]]


def test_a_tie_fits_the_place(model):
    layer, w = model.layer("dense", "a", inputs=2, units=2), get(model)
    with pytest.raises(ShapeMismatch):
        layer.kernel = w
    with pytest.raises(NotFound):
        layer.bias = w


def test_a_copy_keeps_ties_inside_and_none_to_the_source(model):
    w = get(model)
    inner = model.module(w=w)
    source = model.module(one=inner, two=inner, three=w)
    model.initialize()
    w.assign([7.0, 8.0])
    twin = model.copy(source)
    assert twin.one.w is twin.two.w is twin.three
    assert twin.one is twin.two
    assert twin.three is not w
    assert model.value(twin.three) == [7.0, 8.0]
    w.assign([0.0, 0.0])
    assert model.value(twin.three) == [7.0, 8.0]


def test_a_copied_layer_is_a_layer_of_its_own(model):
    layer = model.layer("dense", "d", inputs=1, units=1, kernel=3.0)
    twin = model.copy(layer)
    model.initialize()
    layer.kernel.assign([[5.0]])
    assert model.value(twin([[1.0]])) == [[3.0]]


def test_a_restored_tie_is_a_tie(model):
    layers = [model.layer("embedding", name, inputs=2, units=1) for name in ("a", "b")]
    layers[1].kernel = layers[0].kernel
    module = model.module(a=layers[0], b=layers[1])
    model.initialize()
    saved = model.save(module)
    module.a.kernel.assign([[5.0], [6.0]])
    model.restore(module, saved)
    assert module.a.kernel is module.b.kernel
    assert model.value(module.b.kernel) == [[1.0], [1.0]]
    with pytest.raises(NotFound):
        model.restore(model.module(c=layers[0]), saved)


def test_a_module_calls_its_members_in_order_and_no_variable(model):
    w = get(model)
    with pytest.raises(BadArgument):
        model.module(w=w)([1.0])
    with pytest.raises(NotFound):
        _ = model.module(w=w).missing


# -- learning


def test_one_step_for_all_uses_and_names(model):
    w = get(model, shape=[], init=1.0)
    model.initialize()
    model.train("sgd", lambda: w * 2.0 + w * 3.0, [w, w], rate=0.1)
    assert model.value(w) == pytest.approx(0.5)


def test_adam_moves_by_its_rate(model):
    w = get(model)
    model.initialize()
    model.train("adam", lambda: tape.sum(w * tape.constant([2.0, -50.0])), w, rate=0.1, times=2)
    assert model.value(w) == pytest.approx([0.8, 1.2], abs=1e-6)


def test_what_is_frozen_stays(model):
    layer, w = model.layer("dense", "d", inputs=1, units=1), get(model, shape=[])
    model.freeze(layer)
    model.initialize()
    model.train("sgd", lambda: tape.sum(layer([[1.0]])) * w, [layer.kernel, w], rate=0.5)
    assert (model.value(layer.kernel), model.value(w)) == ([[1.0]], 0.5)
    assert model.trainable() == [w]
    with pytest.raises(NotTrainable):
        model.train("sgd", lambda: tape.sum(layer([[1.0]])), layer)


def test_a_shallow_copy_holds_the_same_variables():
    model = Model(immediate=True)
    w = model.variable("w", init=[1.0])
    source = model.module(a=w)
    copied = model.copy(source, shallow=True)
    assert copied.a is w
    model.replace(copied, "a", model.variable("v", init=[2.0, 3.0]))
    assert source.a is w


def test_what_a_shallow_copy_holds_is_not_given_up_by_its_source():
    model = Model(immediate=True)
    other = model.variable("w", init=[[1.0]])
    source = model.layer("dense", "d", 1, 1, kernel=3.0)
    copied = model.copy(source, shallow=True)
    kept = source.kernel
    for tied in (other, copied.kernel, other):
        source.kernel = tied
        assert {kept, other} <= {*model.now.cells}


def test_given_values_hold_wherever_the_variable_does_and_for_that_call_alone():
    model = Model(immediate=True)
    layer = model.layer("dense", "d", 1, 1, kernel=3.0)
    both = model.module(a=layer, b=layer)
    assert model.value(model.given(both, {"a.kernel": [[2.0]]})([[1.0]])) == [[4.0]]
    assert model.value(both([[1.0]])) == [[9.0]]
    with pytest.raises(NotFound):
        model.given(both, {"a.kernle": [[2.0]]})


def test_one_variable_is_given_one_value_under_all_its_names():
    model = Model(immediate=True)
    layer = model.layer("dense", "d", 1, 1, kernel=3.0)
    both = model.module(a=layer, b=layer)
    assert model.value(model.given(both, {"a.kernel": [[2.0]], "b.kernel": [[2.0]]})([[1.0]])) == [[4.0]]
    with pytest.raises(SharingRefused):
        model.given(both, {"a.kernel": [[2.0]], "b.kernel": [[5.0]]})


def test_only_a_part_is_saved_and_a_part_is_enough_where_that_is_said():
    model = Model(immediate=True)
    module = model.module(a=model.variable("a", init=[1.0]), b=model.variable("b", init=[2.0]))
    saved = model.save(module, only=["a"])
    module.a.assign([5.0])
    with pytest.raises(NotFound):
        model.restore(module, saved)
    model.restore(module, saved, partial=True)
    assert [model.value(module.a), model.value(module.b)] == [[1.0], [2.0]]


def test_a_cast_keeps_the_tie_and_paths_tell_it():
    model = Model(immediate=True)
    w = model.variable("w", init=[1.0])
    module = model.cast(model.module(a=w, b=w), "float16")
    assert module.a is module.b
    assert module.a.dtype == "float16"
    assert model.paths(module.a, module) == ["a", "b"]
    assert model.names(module) == ["a"]


def test_rows_are_mapped_and_stacked_and_their_gradients_added_up():
    model = Model(immediate=True)
    w = model.variable("w", init=[2.0])
    rows = model.vectorize([[1.0], [3.0]], lambda row: row * w)
    assert model.value(rows) == [[2.0], [6.0]]
    assert model.value(tape.gradient(tape.sum(rows), w)) == [4.0]


@pytest.mark.parametrize(
    ("dtype", "each"), [("float32", 4), ("float64", 8), ("float16", 2), ("bfloat16", 2), ("int32", 4), ("bool", 1)]
)
def test_numbers_and_bytes_count_a_tied_variable_once(model, dtype, each):
    one = model.variable("one", shape=[2, 3], init=1, dtype=dtype)
    other = model.variable("other", init=1, dtype=dtype)
    owner = model.module(first=one, again=one, inside=model.module(third=one, other=other))
    assert model.elements(owner) == 7
    assert model.parameter_bytes(owner) == 7 * each


def test_a_layer_that_was_not_called_yet_is_counted_whole(model):
    assert model.elements(model.layer("dense", "d", 3, 2, bias=0.0)) == 8


def test_a_layer_that_was_not_called_has_its_variables_from_initialize_on(model):
    layer = model.layer("dense", "d", inputs=1, units=1, kernel=2.0)
    assert model.variables(layer) == []
    model.initialize()
    assert model.value(layer.kernel) == [[2.0]]


def test_an_optimizer_over_a_layer_that_was_not_called_trains_its_variables(model):
    layer = model.layer("dense", "d", inputs=1, units=1, kernel=2.0)
    optimizer = model.optimizer("sgd", layer, rate=1.0)
    model.initialize()
    model.update(optimizer, lambda: tape.sum(layer.kernel))
    assert model.value(layer.kernel) == [[1.0]]


@pytest.mark.parametrize("member", ["held", "build", "paths", "made", "averages", "give_up"])
def test_a_member_may_have_any_name(model, member):
    one, other = (model.variable(name, init=[number]) for name, number in (("a", 1.0), ("b", 2.0)))
    inner = model.module(x=one)
    net = model.module(**{member: inner})
    model.replace(getattr(net, member), "x", other)
    model.initialize()
    assert model.value(getattr(net, member).x) == [2.0]
    assert model.names(net) == [f"{member}/x"]


def test_a_load_that_is_refused_writes_nothing(model):
    kept, lacking = get(model), get(model, "lacking")
    model.initialize()
    saved = model.save(model.module(kept=kept))
    kept.assign([5.0, 5.0])
    with pytest.raises(NotFound):
        model.restore(model.module(kept=kept, lacking=lacking), saved)
    assert model.value(kept) == [5.0, 5.0]


def test_what_was_made_untrainable_trains_once_it_is_unfrozen(model):
    layer = model.layer("dense", "d", inputs=1, units=1, trainable=False)
    model.freeze(layer)
    assert model.trainable(layer) == []
    model.unfreeze(layer)
    assert model.trainable(layer) == [layer.kernel]
