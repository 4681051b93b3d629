"""Learning in the reference model: one step a variable, however many names, with what an optimizer keeps."""

import pytest

from canireuse.contract import Model, tape
from canireuse.contract.refusals import NotFound, NotTrainable, SharingRefused, Uninitialized


@pytest.fixture
def model():
    return Model(immediate=True)


def test_a_variable_given_twice_takes_one_step(model):
    w = model.variable("w", init=[1.0])
    optimizer = model.optimizer("sgd", [w, w], rate=0.1)
    model.update(optimizer, lambda: tape.sum(w))
    assert model.value(w) == [pytest.approx(0.9)]


def test_momentum_lasts_from_update_to_update(model):
    w = model.variable("w", init=[1.0])
    optimizer = model.optimizer("momentum", [w], rate=0.1)
    model.update(optimizer, lambda: tape.sum(w))
    model.update(optimizer, lambda: tape.sum(w))
    assert model.value(w) == [pytest.approx(1.0 - 0.1 - 0.19)]
    assert optimizer.slots == 1


def test_gradients_of_several_losses_are_one_step(model):
    w = model.variable("w", init=[1.0])
    model.update(model.optimizer("sgd", [w], rate=0.1), lambda: tape.sum(w), lambda: tape.sum(2 * w))
    assert model.value(w) == [pytest.approx(0.7)]


def test_clipping_counts_a_variable_once_in_the_norm(model):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    optimizer = model.optimizer("sgd", [w, v, w], rate=1.0, clip=1.0)
    model.update(optimizer, lambda: tape.sum(3 * w + 4 * v))
    assert model.value(w) == [pytest.approx(1.0 - 3 / 5)]
    assert model.value(v) == [pytest.approx(1.0 - 4 / 5)]


@pytest.mark.parametrize(("kind", "after"), [("sgd", 1.0 - 0.1 * (1.0 + 0.5)), ("adamw", 1.0 - 0.1 * 0.5 - 0.1)])
def test_decay_joins_the_gradient_or_goes_its_own_way(model, kind, after):
    w = model.variable("w", init=[1.0])
    model.update(model.optimizer(kind, [w], rate=0.1, decay=0.5), lambda: tape.sum(w))
    assert model.value(w) == [pytest.approx(after, abs=1e-6)]


def test_what_is_frozen_later_stays_where_it_is(model):
    w = model.variable("w", init=[1.0])
    optimizer = model.optimizer("sgd", [w], rate=0.1)
    model.freeze(w)
    with pytest.raises(NotTrainable):
        model.update(optimizer, lambda: tape.sum(w))
    model.unfreeze(w)
    model.update(optimizer, lambda: tape.sum(w))
    assert model.value(w) == [pytest.approx(0.9)]


def test_one_step_on_several_parts_follows_the_mean(model):
    w = model.variable("w", init=[0.0])
    tied = model.module(a=w, b=w)
    model.parallel(tied, {"x": [[1.0], [3.0]]}, lambda x: tape.sum(x * tied.a), rate=1.0)
    assert model.value(w) == [pytest.approx(-2.0)]


def test_an_average_keeps_the_tie_and_moves_once(model):
    w = model.variable("w", init=[0.0])
    tied = model.module(a=w, b=w)
    average = model.average(tied, 0.5)
    w.assign([4.0])
    model.track(average)
    assert model.value(average.a) == [2.0]
    assert average.a is average.b
    assert average.a is not w


def test_an_average_of_what_has_no_value_yet_begins_at_its_initial_value():
    model = Model()
    model.initialize()
    layer = model.layer("dense", "late", inputs=1, units=1, kernel=2.0)
    average = model.average(layer, 0.5)
    assert model.value(average.kernel) == [[2.0]]
    with pytest.raises(Uninitialized):
        model.value(layer.kernel)


def test_no_gradient_goes_through_a_stop(model):
    w = model.variable("w", init=[3.0])
    assert model.value(tape.gradient(tape.sum(tape.stop_gradient(w) * w), w)) == [3.0]


@pytest.mark.parametrize(("kind", "numbers"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_an_optimizer_keeps_so_many_numbers_for_each_number_of_a_variable(model, kind, numbers):
    first, second = model.variable("first", init=[1.0, 2.0, 3.0]), model.variable("second", init=1.0)
    optimizer = model.optimizer(kind, [first, second, first])
    assert optimizer.slot_bytes == 0
    model.update(optimizer, lambda: tape.sum(first) + second)
    model.update(optimizer, lambda: tape.sum(first) + second)
    assert optimizer.slot_bytes == numbers * 4 * 4


def test_an_optimizer_takes_further_variables_once(model):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    optimizer = model.optimizer("momentum", model.module(w=w), rate=0.1)
    optimizer.add(model.module(w=w, v=v))
    model.update(optimizer, lambda: tape.sum(w) + tape.sum(v))
    assert model.value(w) == model.value(v) == [pytest.approx(0.9)]
    assert optimizer.slots == 2


def test_what_an_optimizer_remembers_goes_to_the_variable_of_its_names(model):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    before, after = model.module(tail=v, head=w, tied=w), model.module(tied=w, head=w, tail=v)
    optimizer = model.optimizer("momentum", before, rate=1.0)
    model.update(optimizer, lambda: tape.sum(w) + 3 * tape.sum(v))
    saved = optimizer.saved()
    model.update(optimizer, lambda: tape.sum(w))
    another = model.optimizer("momentum", after, rate=1.0)
    another.load(saved)
    w.assign([0.0])
    model.update(another, lambda: tape.sum(w) + 3 * tape.sum(v))
    assert model.value(w) == [pytest.approx(-1.9)]
    assert another.slots == 2


def test_what_was_remembered_of_a_tie_is_refused_by_two_variables(model):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    tied = model.optimizer("momentum", model.module(one=w, other=w))
    untied = model.optimizer("momentum", model.module(one=w, other=v))
    with pytest.raises(NotFound, match=r"expected that of \[\('one',\), \('other',\)\]"):
        untied.load(tied.saved())


@pytest.mark.parametrize(("kind", "after"), [("sgd", [0.9, 0.6]), ("momentum", [0.9, 0.6]), ("adamw", [0.9, 0.6])])
def test_each_group_moves_by_a_rate_of_its_own(model, kind, after):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    optimizer = model.optimizer(kind, [model.module(one=w), model.module(one=v)], rates=[0.1, 0.4])
    model.update(optimizer, lambda: tape.sum(w) + tape.sum(v))
    assert [*model.value(w), *model.value(v)] == pytest.approx(after, abs=1e-6)


def test_a_variable_of_two_groups_is_refused(model):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    with pytest.raises(SharingRefused, match="one variable is in two groups"):
        model.optimizer("sgd", [model.module(one=w), model.module(one=v, other=w)], rates=[0.1, 0.4])


@pytest.mark.parametrize(("word", "after"), [("one", [1.0, 0.5]), ("other", [1.0, 0.5]), ("rest", [0.5, 1.0])])
def test_what_any_of_its_names_leaves_out_is_not_decayed(model, word, after):
    w, v = model.variable("w", init=[1.0]), model.variable("v", init=[1.0])
    owner = model.module(one=w, other=w, rest=v)
    optimizer = model.optimizer("sgd", owner, rate=1.0, decay=0.5, undecayed=[word])
    model.update(optimizer, lambda: tape.sum(0 * w) + tape.sum(0 * v))
    assert [*model.value(w), *model.value(v)] == pytest.approx(after)
