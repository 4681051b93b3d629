"""The table of two versions: it shows what differs, and not what only has other digits."""

from canireuse_reports.versions import page


def other(results, **observed):
    """Return results in which some cases answered otherwise."""
    cases = {name: case.model_copy(deep=True) for name, case in results.cases.items()}
    for name, answer in observed.items():
        case = cases[name.replace("__", "/").replace("_", "-") + "@tf1"]
        case.expectations[0].observed, case.expectations[0].holds = answer, answer is True
    return results.model_copy(update={"cases": cases})


def test_two_equal_runs_have_no_row(results):
    text = page("tf1", results, results)
    assert "- 0 cases differ, in 0 answers" in text
    assert "2 cases ran on both, 2 of them with the same script" in text


def test_another_answer_is_a_row(results):
    text = page("tf1", results, other(results, scopes__reuse_finds=False))
    assert "| `scopes/reuse-finds` |  | shared | True | False |" in text
    assert "- 1 cases differ" in text


def test_an_edition_is_aligned_with_the_usual_one(results):
    cases = {
        f"{name}+TensorFlow-1.15.5": case.model_copy(update={"way": {"edition": "TensorFlow 1.15.5"}})
        for name, case in results.cases.items()
        if case.backend == "tf1"
    }
    text = page("tf1", results.model_copy(update={"cases": cases}), results)
    assert "2 cases ran on both" in text


def test_ways_of_one_spec_are_rows_apart_and_what_did_not_run_has_its_reason(results):
    case = results.cases["scopes/reuse-finds@tf1"]
    two = {way: case.model_copy(update={"way": {"restore": way}}, deep=True) for way in ("saver", "checkpoint")}
    old = {
        **two,
        "saver": two["saver"].model_copy(update={"verdict": "unsupported", "reason": "since", "expectations": []}),
    }
    text = page("tf1", results.model_copy(update={"cases": old}), results.model_copy(update={"cases": two}))
    assert "| `scopes/reuse-finds` | saver |  | unsupported: since | conforms |" in text
    assert "- 1 cases differ, in 1 answers" in text
