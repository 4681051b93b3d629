"""Scheduling on workers: the cases of one host stay together, and a case that ends a worker ends no other."""

from collections import OrderedDict

import pytest

from canireuse.runner.scheduling import Scheduling


class Node:
    """A worker that notes what it is given."""

    shutting_down = False

    def __init__(self):
        self.given = []

    def send_runtest_some(self, indices):
        self.given += indices


@pytest.fixture
def scheduling():
    made = object.__new__(Scheduling)
    made.workqueue, made.assigned_work, made.registered_collections = OrderedDict(), {}, {}
    made.log = lambda *_: None
    return made


@pytest.mark.parametrize(
    ("node", "scope"),
    [
        ("specs/ties/a.yaml::torch", "torch"),
        ("specs/ties/a.yaml::torch+pickle", "torch"),
        ("specs/ties/a.yaml::keras+jax+file", "keras+jax"),
        ("specs/ties/a.yaml::keras+torch", "keras+torch"),
        ("tests/test_a.py::test_of_mine[torch]", "tests/test_a.py::test_of_mine[torch]"),
        ("tests/test_a.py::TestA::test", "tests/test_a.py::TestA::test"),
    ],
)
def test_the_cases_of_one_host_run_together(scheduling, node, scope):
    assert scheduling._split_scope(node) == scope


def test_what_a_worker_leaves_goes_to_the_others_but_for_the_case_that_ended_it(scheduling):
    cases = [f"specs/a/{name}.yaml::torch" for name in ("one", "two", "three")]
    gone, other = Node(), Node()
    scheduling.registered_collections[other] = cases
    scheduling.assigned_work = {gone: {"torch": dict(zip(cases, (True, False, False), strict=True))}, other: {}}
    assert scheduling.remove_node(gone) == cases[1]
    assert other.given == [2]


def test_a_worker_that_ends_with_nothing_to_do_leaves_nothing(scheduling):
    gone = Node()
    scheduling.assigned_work = {gone: {"torch": {"specs/a/one.yaml::torch": True}}}
    assert scheduling.remove_node(gone) is None
    assert not scheduling.workqueue
