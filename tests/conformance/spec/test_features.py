"""What features are loaded, what is refused as one, and which of their words an adapter says."""

import sys

import pytest

from canireuse.emit import Emitter, Lack, Tables
from canireuse.spec import features
from canireuse.spec.features import Feature, feature_in, modules_of
from canireuse.spec.problems import UsageError
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import VERBS, verbs


class Plain(Emitter):
    name = "plain"
    family = "all-kinds"
    code = {"get": "got"}
    also = "import first"


class Derived(Plain):
    name = "derived"
    code = {**Plain.code, "swap": "own"}


IMPORTS = "from canireuse.spec.features import Feature\nfrom canireuse.spec.step import Step\n"
LACK = Lack("swap", lambda _adapter, _step: True, "never")


@pytest.fixture
def said(monkeypatch):
    """Say what the one feature there is says, by backend."""

    def say(**tables):
        monkeypatch.setattr("canireuse.emit.translation.features", lambda: (Feature((), tables),))
        for one in (Plain, Derived):
            one.table.cache_clear()

    yield say
    Plain.table.cache_clear()


def test_a_feature_of_this_project_is_in_a_file_of_its_own():
    names = {name.rpartition(".")[2] for name in modules_of("canireuse_adapters.features")}
    assert {"hook", "quantize", "session"} <= names
    assert {"hook", "quantize", "session"} <= verbs().keys() - VERBS.keys()


def test_no_verb_has_two_models():
    models = [*VERBS.values(), *(model for feature in features.features() for model in feature.verbs)]
    assert len({model.verb for model in models}) == len(models)


class Swap(Step):
    verb = "swap"


class Freeze(Step):
    verb = "freeze"


@pytest.mark.parametrize(("models", "verb"), [((Freeze,), "freeze"), ((Swap, Swap), "swap")])
def test_a_verb_that_is_there_already_is_refused(monkeypatch, models, verb):
    """The second of two models would win, and the first of two codes."""
    found = tuple(Feature((one,), {}) for one in models)
    monkeypatch.setattr("canireuse.spec.vocabulary.features", lambda: found)
    with pytest.raises(UsageError, match=f"(?s)cannot be loaded: .* has the verb {verb!r} already.*to do: "):
        verbs.__wrapped__()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "has no attribute 'FEATURE'"),
        ("FEATURE = 1", "1 is no Feature"),
        ("import nowhere", "No module named"),
        ("raise SystemExit(5)", "SystemExit: 5"),
        (f"{IMPORTS}FEATURE = Feature((Step,), {{}})", "Step'> is no Step that says its `verb`"),
        (f"{IMPORTS}FEATURE = Feature(('swap',), {{}})", "'swap' is no Step that says its `verb`"),
    ],
)
def test_what_is_no_feature_is_refused(tmp_path, monkeypatch, source, reason):
    (tmp_path / "no_feature.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "no_feature", raising=False)
    with pytest.raises(UsageError, match=f"(?s)'no_feature' cannot be loaded: .*{reason}.*expected: .*to do: "):
        feature_in("no_feature")


def test_a_package_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="'nowhere_at_all' cannot be loaded"):
        modules_of("nowhere_at_all")


def test_the_nearest_words_hide_those_further_away(said):
    said(plain=Tables(code={"swap": "plain"}), **{"all-kinds": Tables(code={"swap": "all", "turn": "all"})})
    assert Plain.table("code") == {"get": "got", "swap": "plain"}


def test_a_family_speaks_for_those_that_say_nothing(said):
    said(**{"all-kinds": Tables(code={"swap": "all"}), "python": Tables(code={"swap": "python"})})
    assert Plain.table("code")["swap"] == "all"
    said(python=Tables(code={"swap": "python"}))
    assert Plain.table("code")["swap"] == "python"


def test_the_words_of_an_adapter_hide_code_and_reasons_of_a_feature(monkeypatch):
    class Turn(Step):
        verb = "turn"

    class Fill(Step):
        verb = "fill"  # a method of the engine, which is nobody's words for it

    class Own(Plain):
        name = "own"
        code = {"swap": "own"}

        def turn(self, step):
            self.emit("own_turn()")

    words = {"swap": "feature", "turn": "feature", "fill": "feature"}
    found = Feature((Swap, Turn, Fill), {"own": Tables(code=words, missing={**words, "alive": "feature"})})
    monkeypatch.setattr("canireuse.emit.translation.features", lambda: (found,))
    assert Own.table("code") == {"swap": "own", "fill": "feature"}
    assert Own.table("missing") == {"fill": "feature", "alive": "feature"}


def test_an_adapter_that_is_derived_says_what_its_base_says_and_its_own_first(said):
    said(plain=Tables(code={"swap": "plain", "turn": "plain"}))
    assert Derived.table("code") == {"get": "got", "swap": "own", "turn": "plain"}


def test_tables_that_are_no_mappings_add_up(said):
    said(plain=Tables(lacks=(LACK,), also="import second"))
    assert Plain.table("lacks") == (LACK,)
    assert Plain.table("also") == "import first\nimport second"
    said(other=Tables(lacks=(LACK,)))
    assert (Plain.table("lacks"), Plain.table("also")) == ((), "import first")
