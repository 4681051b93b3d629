"""The executable contract: what TensorFlow 1's variable scopes and shared variables do, and what is refused."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from canireuse.contract import Model, tape
from canireuse.contract.refusals import (
    AlreadyExists,
    BadArgument,
    DtypeMismatch,
    NotFound,
    ShapeMismatch,
    Uninitialized,
)

FOLDER = Path(tape.__file__).parent


def get(model, name="w", **words):
    return model.get(name, **{"shape": [2], "init": 1.0, **words})


# -- reuse modes


def test_get_creates_and_reuse_finds(model):
    with model.scope("a"):
        first = get(model)
    with model.scope("a", reuse=True):
        assert model.get("w") is first
    assert first.name == "a/w"


def test_get_without_reuse_refuses_what_exists(model):
    get(model)
    with pytest.raises(AlreadyExists):
        get(model)


def test_get_with_reuse_refuses_what_does_not_exist(model):
    with model.scope("a", reuse=True), pytest.raises(NotFound):
        get(model)


def test_auto_does_both(model):
    with model.scope("a", reuse=Model.AUTO):
        assert get(model) is get(model)


@pytest.mark.parametrize(
    ("outer", "inner", "mode"),
    [
        (None, None, False),
        (True, None, True),
        (True, False, True),
        (True, Model.AUTO, Model.AUTO),
        (Model.AUTO, None, Model.AUTO),
        (Model.AUTO, True, True),
        (Model.AUTO, False, Model.AUTO),
        (False, None, False),
    ],
)
def test_children_inherit_reuse(model, outer, inner, mode):
    with model.scope("a", reuse=outer), model.scope("b", reuse=inner) as scope:
        assert scope.reuse is mode
        assert scope.path == "a/b"


def test_a_scope_entered_again_by_object_jumps_and_keeps_its_own_mode(model):
    with model.scope("a") as plain, model.scope("b", reuse=True) as reusing:
        pass
    with model.scope("c", reuse=True):
        with model.scope(plain) as again:
            assert (again.path, again.reuse) == ("a", False)
        with model.scope(reusing, reuse=False) as again:
            assert (again.path, again.reuse) == ("a/b", True)
        with model.scope(plain, reuse=True) as again, model.scope("d") as below:
            assert (below.path, below.reuse) == ("a/d", True)


def test_reuse_variables_switches_the_open_scope_alone(model):
    with model.scope("a") as scope:
        with model.scope("b") as open_before:
            scope.reuse_variables()
            with model.scope("c") as below_that:
                assert below_that.reuse is False
        assert open_before.reuse is False
        with model.scope("d") as opened_after:
            assert opened_after.reuse is True
    with model.scope("a") as by_name:
        assert by_name.reuse is False
    with model.scope(scope) as by_object:
        assert by_object.reuse is True


def test_a_scope_closes_when_its_steps_raise(model):
    with pytest.raises(NotFound), model.scope("a", reuse=True), model.name_scope("n"):
        get(model)
    assert get(model).name == "w"


@pytest.mark.parametrize("flag", ["yes", "", 1, 0, 1.0, "True"])
def test_odd_reuse_flags_are_refused(model, flag):
    with pytest.raises(BadArgument), model.scope("a", reuse=flag):
        pass


def test_a_tensor_is_no_reuse_flag(model):
    with pytest.raises(BadArgument), model.scope("a", reuse=model.placeholder("flag", dtype="bool")):
        pass


@pytest.mark.parametrize("flag", [True, False, "yes"])
def test_get_itself_takes_no_reuse_flag(model, flag):
    with pytest.raises(BadArgument):
        get(model, reuse=flag)


# -- what a lookup checks


def test_a_lookup_refuses_another_shape_first_and_another_dtype_then(model):
    with model.scope("a"):
        get(model)
        get(model, "wide", dtype="float64")
    with model.scope("a", reuse=True):
        with pytest.raises(ShapeMismatch):
            get(model, shape=[3], dtype="int32")
        with pytest.raises(DtypeMismatch):
            get(model, dtype="int32")
        with pytest.raises(DtypeMismatch):  # no dtype means float32
            model.get("wide")


def test_a_lookup_ignores_what_only_creation_needs(model):
    with model.scope("a", reuse=Model.AUTO):
        first = get(model, trainable=False)
        assert model.get("w", init=[1.0, 2.0, 3.0], trainable=True, collection="more") is first
    assert model.trainable() == model.collection("more") == []


def test_creation_needs_a_shape(model):
    with pytest.raises(BadArgument):
        model.get("w")
    with pytest.raises(BadArgument):
        model.get("w", init=1.0)
    assert model.get("w", init=[1.0, 2.0]).shape == (2,)


# -- names


def test_constructed_variables_are_numbered_and_never_found(model):
    names = [model.variable("kernel").name, get(model, "kernel").name, model.variable("Kernel").name]
    assert names == ["kernel", "kernel_1", "Kernel_2"]
    model.variable("bias")
    with pytest.raises(NotFound), model.scope("x", reuse=True):
        model.get("bias")


def test_constructors_ignore_reuse(model):
    with model.scope("a", reuse=True):
        assert model.variable("w") is not model.variable("w")


def test_name_scopes_reach_constructors_alone(model):
    with model.scope("s"):
        model.variable("w")
    with model.scope("s"):
        model.variable("w")
        get(model, "g")
    with model.scope("s", reuse=True) as scope, model.name_scope("n"):
        model.variable("w")
        get(model, "g")
    with model.scope("o"), model.scope(scope):
        model.variable("w")
    assert [cell.name for cell in model.variables()] == ["s/w", "s_1/w", "s/g", "s_2/n/w", "o/s/w"]


def test_names_of_nested_scopes(model):
    with model.scope("p") as scope:
        with model.scope("q"):
            get(model)
        with model.scope("q"), model.scope(scope):
            get(model, "v")
            model.variable("u")
    with model.name_scope("n"), model.scope("p", reuse=Model.AUTO):
        get(model)
        model.variable("u")
    with model.name_scope("n"):
        model.variable("u")
    assert [cell.name for cell in model.variables()] == ["p/q/w", "p/v", "p/q_1/p/u", "p/w", "n/p/u", "n_1/u"]


def test_operations_are_named_in_scopes_too(model):
    with model.scope("tower"):
        w = get(model)
        assert [tape.tanh(w).name, tape.tanh(w).name, (w + 1).name] == ["tower/Tanh", "tower/Tanh_1", "tower/add"]


# -- values, sessions, graphs


def test_there_is_no_value_before_initialization(model):
    w = get(model)
    doubled = w * 2
    with pytest.raises(Uninitialized):
        model.value(doubled)
    model.initialize()
    assert model.value(doubled) == [2.0, 2.0]


def test_initialization_puts_back_the_initial_value(model):
    w, v = get(model), get(model, "v", init=[5.0, 6.0], shape=None)
    model.initialize()
    w.assign([3.0, 4.0])
    v.assign(w + 1.0)
    w.initialize()
    assert (model.value(w), model.value(v)) == ([1.0, 1.0], [4.0, 5.0])
    model.initialize()
    assert model.value(v) == [5.0, 6.0]


def test_sessions_hold_values(model):
    w = get(model)
    model.initialize()
    with model.session():
        with pytest.raises(Uninitialized):
            model.value(w)
        model.initialize()
        w.assign([9.0, 9.0])
    assert model.value(w) == [1.0, 1.0]


def test_graphs_hold_variables(model):
    w = get(model)
    model.initialize()
    with model.graph():
        assert get(model) is not w
        assert len(model.variables()) == 1
        with pytest.raises(BadArgument):
            get(model, "v") + w
        with pytest.raises(BadArgument):
            model.value(w)
    assert model.value(w) == [1.0, 1.0]


def test_an_assignment_fits_the_variable(model):
    w, n = get(model), get(model, "n", dtype="int32", init=0)
    for value in ([1.0, 2.0, 3.0], 1.0, tape.constant([1.0])):
        with pytest.raises(ShapeMismatch):
            w.assign(value)
    with pytest.raises(DtypeMismatch):
        n.assign([1.5, 2.0])
    model.initialize()
    with pytest.raises(DtypeMismatch):
        w.assign(n * 2)
    n.assign([3, 4])
    assert model.value(n) == [3, 4]


def test_dtypes_of_new_variables(model):
    assert [get(model).dtype, model.get("i", init=[1, 2]).dtype, model.variable("s", init=1).dtype] == [
        "float32",
        "int32",
        "int32",
    ]
    assert get(model, "b", dtype="bool", init=True).dtype == "bool"


def test_random_values_differ(model):
    first, second = get(model, "a", init="random"), get(model, "b", init=None)
    model.initialize()
    drawn = model.value(first)
    assert drawn != model.value(second)
    first.initialize()
    assert model.value(first) != drawn


def test_a_placeholder_has_no_value(model):
    with pytest.raises(BadArgument):
        model.value(model.placeholder("x") + 1.0)


def test_collections_count_what_was_put_there(model):
    w = get(model, collection="losses")
    assert model.collection("losses") == [w]
    assert model.collection("none") == []
    assert model.collection("trainable_variables") == model.collection("global_variables") == [w]


def test_the_model_computes_on_the_cpu_alone():
    with pytest.raises(BadArgument):
        Model(device="gpu")


# -- immediate models


def test_an_immediate_model_has_values_at_once():
    model = Model(immediate=True)
    w = get(model)
    tripled = w * 3.0
    slope = tape.gradient(tape.sum(w * tripled), w)
    w.assign([5.0, 6.0])
    assert (model.value(w), model.value(tripled), model.value(slope)) == ([5.0, 6.0], [3.0, 3.0], [6.0, 6.0])


def test_an_immediate_model_computes_the_loss_anew_for_each_step():
    model = Model(immediate=True)
    w = get(model)
    model.train("sgd", lambda: tape.sum(tape.square(w)), w, rate=0.25, times=2)
    assert model.value(w) == [0.25, 0.25]


def test_an_immediate_model_differentiates_through_constants():
    model = Model(immediate=True)
    w = get(model)
    assert model.value(tape.gradient(tape.sum(w * (tape.constant([1.0, 2.0]) + 1.0)), w)) == [2.0, 3.0]


# -- the modules themselves


MODULES = ("arrays", "batches", "graphs", "learning", "model", "optimizers", "ownership", "refusals", "tape")


@pytest.mark.parametrize("name", MODULES)
def test_python_3_7_can_read_it(name):
    ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_importing_it_imports_nothing_of_the_engine():
    code = "import sys, canireuse.contract; print(sorted(name for name in sys.modules if name.startswith(('canireuse', 'pydantic', 'yaml', 'numpy'))))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parent.parent, capture_output=True, text=True, check=True
    ).stdout
    assert ast.literal_eval(loaded) == [
        "canireuse",
        "canireuse.contract",
        *(f"canireuse.contract.{name}" for name in MODULES),
    ]
