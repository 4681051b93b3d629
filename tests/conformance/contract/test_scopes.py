"""Scopes of the reference model beyond reuse: defaults, getters, default names, templates, threads."""

import threading

import pytest

from canireuse.contract import Model, tape
from canireuse.contract.refusals import AlreadyExists, BadArgument, NotFound


@pytest.fixture
def model():
    return Model(immediate=True)


def test_what_a_scope_says_holds_inside_unless_said_otherwise(model):
    with model.scope("s", init=3.0, penalty=0.5) as s, model.scope("wide", dtype="float64"):
        wide = model.get("a", shape=[2], penalty=0.0)
    with model.scope(s):
        first = model.get("a", shape=[2])
        with model.scope("t"):
            model.get("b", shape=[1], init=1.0, penalty=2.0)
    outside = model.get("c", shape=[1], init=0.0)
    with model.scope(s):
        model.get("d", shape=[1])
    assert (wide.dtype, first.dtype, outside.dtype) == ("float64", "float32", "float32")
    assert model.value(wide) == [3.0, 3.0]
    model.now.penalties.pop(0)
    assert model.value(first) == [3.0, 3.0]
    assert [model.value(term) for term in model.penalties()] == [9.0, 2.0, 4.5]
    assert model.value(model.penalty()) == 15.5


def test_a_regularizer_is_added_once(model):
    model.get("v", shape=[1], init=2.0, penalty=1.0)
    with model.scope(model.current_scope(), reuse=True):
        model.get("v", shape=[1], penalty=1.0)
    assert len(model.penalties()) == 1


def test_the_innermost_getter_comes_last(model):
    with model.intercept(lambda raw: raw + 1), model.intercept(lambda raw: 2 * raw):
        got = model.get("v", shape=[1], init=3.0)
    assert model.value(got) == [8.0]
    assert len(model.variables()) == 1
    with pytest.raises(BadArgument):
        got.assign([1.0])


def test_a_name_made_unique_cannot_be_looked_up(model):
    with pytest.raises(BadArgument), model.scope("layer", reuse=True, unique=True):
        pass
    with pytest.raises(BadArgument), model.scope("layer", reuse=Model.AUTO, unique=True):
        pass


def test_a_template_finds_what_its_first_call_made(model):
    first, second = (model.template("t", lambda: model.get("w", shape=[1], init=1.0)) for _ in range(2))
    assert first() is first()
    assert second() is not first()
    assert [cell.name for cell in model.variables()] == ["t/w", "t_1/w"]


def test_a_template_makes_nothing_later(model):
    names = iter("ab")
    template = model.template("t", lambda: model.get(next(names), shape=[1], init=1.0))
    template()
    with pytest.raises(NotFound):
        template()


def test_a_thread_begins_at_the_root(model):
    found = []

    def work():
        found.append(model.get("v", shape=[1], init=1.0).name)
        try:
            model.get("v", shape=[1])
        except AlreadyExists:
            found.append("refused")

    with model.scope("main", reuse=True):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == ["v", "refused"]


def test_without_an_auxiliary_name_scope_operations_keep_their_names(model):
    with model.scope("s", auxiliary_name_scope=False):
        cell = model.get("w", shape=[1], init=1.0)
        assert tape.tanh(cell).name == "Tanh"
        assert model.variable("k", init=[1.0]).name == "k"
    assert cell.name == "s/w"


def test_a_local_variable_is_neither_trained_nor_listed_with_the_others(model):
    local = model.get("v", shape=[1], init=1.0, local=True)
    model.get("w", shape=[1], init=1.0)
    assert model.names() == ["w"]
    assert model.collection("local_variables") == [local]
    assert local not in model.trainable()


def test_a_scope_lists_what_is_under_it_and_nothing_of_a_sibling_that_begins_alike(model):
    with model.scope("foo") as foo:
        model.get("a", shape=[1], init=1.0)
        with model.scope("bar"):
            model.get("b", shape=[1], init=1.0, trainable=False)
    with model.scope("foo_"):
        model.get("c", shape=[1], init=1.0)
    assert model.names(foo) == ["foo/a", "foo/bar/b"]
    assert len(model.trainable(foo)) == 1
    assert len(model.variables(model.current_scope())) == 3


def test_default_names_are_counted_in_each_thread(model):
    found = []

    def work():
        with model.scope("layer", unique=True):
            try:
                model.get("w", shape=[1], init=1.0)
            except AlreadyExists:
                found.append("refused")

    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == ["refused"]
    assert model.names() == ["layer/w"]


def test_an_empty_place_knows_no_name_and_what_comes_after_stands_in_it(model):
    with model.scope("tower"):
        first = model.get("w", shape=[2], init=1.0)
    model.start_afresh()
    assert model.variables() == []
    with model.scope("tower"):
        second = model.get("w", shape=[2], init=2.0)
    model.initialize()
    assert (second is first, second.name) == (False, "tower/w")
    assert model.value(second) == [2.0, 2.0]
    with model.scope("tower", reuse=True):
        assert model.get("w", shape=[2]) is second
