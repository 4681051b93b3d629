"""Names: what a script calls things of its own is no name that a spec can bind."""

import symtable
from functools import cache
from pathlib import Path

import pytest

import canireuse_adapters
from canireuse.loader import load, load_all
from canireuse.problems import InputError
from canireuse.program import names_bound
from canireuse.program.places import words_saved
from canireuse.references import names_derived
from canireuse.step import DERIVED, RESERVED, check_identifier
from canireuse.translation import TextAdapter, Unsupported

SPECS = Path(__file__).parent.parent.parent / "specs"


def global_names(table, top=True):
    """Yield the names that a script binds, imports or uses, but for those that are a function's or a class's own."""
    yield from (symbol.get_name() for symbol in table.get_symbols() if top or symbol.is_global())
    for inner in table.get_children():
        yield from global_names(inner, top=False)


@cache
def specs():
    return load_all([SPECS])


#: the backends whose scripts are text: names of those that are emitted as nodes give way to those of a spec
WRITTEN = [name for name, adapter in canireuse_adapters.loadable()[0].items() if issubclass(adapter, TextAdapter)]


@pytest.mark.parametrize("backend", WRITTEN)
def test_names_of_scripts_are_reserved(backend, monkeypatch):
    adapter = canireuse_adapters.loadable()[0][backend]
    given = set()

    free = TextAdapter.free

    def noted(self, name):
        given.add(free(self, name))
        return free(self, name)

    monkeypatch.setattr(TextAdapter, "free", noted)
    for located in specs():
        steps = located.spec.steps
        known = {*RESERVED, *names_bound(steps), *words_saved(steps), *names_derived(steps)}
        for way in adapter.ways_of(located.spec):
            given.clear()
            try:
                script = adapter("cpu", way).translate(located.spec).text
            except Unsupported:
                continue
            names = set(global_names(symtable.symtable(script, located.id, "exec"))) - known - given
            numbered = {
                name for name in names if name.rpartition("_")[0] in known and name.rpartition("_")[2].isdigit()
            }
            assert not names - numbered, f"{located.id}: reserve these in `step`, or ask `free` for them"


@pytest.mark.parametrize(
    "name", ["sum", "safetensors", "ocp", "os", "_", "Scope", "SimpleNamespace", "fully_shard", "observe", "measure"]
)
def test_a_name_that_scripts_use_for_themselves_is_refused(name):
    with pytest.raises(ValueError, match="scripts use for themselves"):
        check_identifier(name)


@pytest.mark.parametrize(
    ("steps", "line", "column", "words"),
    [
        *(
            ([f"{{variable: v, as: {pattern.format('v')}}}", "{variable: v, as: v}"], 8, 23, "make of 'v'") for pattern in DERIVED
        ),
        (["{variable: v, as: v}", "{variable: v, as: v_2}"], 9, 23, "make of 'v'"),
        (["{variable: v, as: loss_1}"], 8, 23, "make of 'loss'"),
        (["{variable: v, as: v}", "{module: my_net, members: {a: v}}", "{module: MyNet, members: {a: v}}"], 10, 14, "make of 'my_net'"),
        (["{variable: v, as: v}", "{compute: v_of = v}"], 9, 5, "make of 'v'"),
        (["{variable: v, as: v}", "{function: f, takes: [v_of], steps: []}"], 9, 5, "make of 'v'"),
        (["{variable: v, collection: kept, as: Kept}"], 8, 41, "make of 'kept'"),
    ],
)  # fmt: skip
def test_a_name_that_scripts_make_of_another_is_refused_at_its_place(write_spec, steps, line, column, words):
    with pytest.raises(InputError) as refused:
        load(write_spec("steps:\n" + "".join(f"  - {step}\n" for step in steps)))
    (problem,) = refused.value.problems
    assert (problem.line, problem.column) == (line, column), problem
    assert words in problem.happened


def test_a_name_like_another_is_accepted(write_spec):
    steps = ["{variable: v, as: v}", "{variable: v, as: v2}", "{variable: v, as: V}", "{variable: v, as: step_shared}"]
    assert load(write_spec("steps:\n" + "".join(f"  - {step}\n" for step in steps)))
