"""Which variables there are where places let go of them."""

from canireuse.contract import Model


def two_layers():
    model = Model()
    one, other = (model.layer("dense", name, inputs=2, units=2) for name in ("one", "other"))
    return model, one, other


def test_a_variable_that_its_layer_gave_up_is_initialized_where_another_module_holds_it():
    model, one, other = two_layers()
    holder = model.module(kept=one.kernel)
    one.kernel = other.kernel
    model.initialize()
    assert model.value(holder.kept) == [[1.0, 1.0], [1.0, 1.0]]
    assert len(model.variables()) == 2


def test_a_variable_that_nothing_holds_is_gone():
    model, one, other = two_layers()
    model.module(kept=one)
    one.kernel = other.kernel
    model.initialize()
    assert model.names() == ["other/kernel"]


def test_a_variable_that_had_its_value_stays_in_the_graph():
    model, one, other = two_layers()
    model.initialize()
    one.kernel = other.kernel
    assert model.names() == ["one/kernel", "other/kernel"]
    assert len(model.variables(one)) == 1
