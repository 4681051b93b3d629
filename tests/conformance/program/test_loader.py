"""Loading specs: one clear error at its place, and nothing that is wrong gets through."""

import os
import time

import pytest

from canireuse.program.loader import load, load_all
from canireuse.spec.bounds import MOST_DIVERGENCES, MOST_PROBLEMS
from canireuse.spec.problems import InputError
from canireuse.spec.reading import spec_files

GOOD = """
    steps:
      - get: kernel
        shape: [2]
        init: 1.0
        as: first
      - initialize:
      - expect: reads-one
        value: first
        is: [1.0, 1.0]
"""


def refused(write_spec, steps):
    with pytest.raises(InputError) as error:
        load(write_spec(steps))
    return error.value.problems


def test_a_good_spec_loads(write_spec):
    located = load(write_spec(GOOD))
    assert located.id == "facet/spec"
    assert located.spec.expectations == {"reads-one": [1.0, 1.0]}
    assert located.lines == {"reads-one": 13}
    assert located.facet == "facet"


@pytest.mark.parametrize(
    ("broken", "by", "line", "column", "words", "advice"),
    [
        ("shape: [2]", "shap: [2]", 9, 5, "no key 'shap'", "did you mean 'shape'?"),
        ("get: kernel", "gett: kernel", 8, 5, "'gett' is no verb", "did you mean 'get'?"),
        ("get: kernel", "get: for", 8, 10, "`get` is 'for'", ""),
        ("get: kernel", "get: 'a b'", 8, 10, "`get` is 'a b'", ""),
        ("get: kernel", "get: observe", 8, 10, "`get` is 'observe'", ""),
        ("as: first", "as: rounds", 11, 9, "`as` is 'rounds'", ""),
        ("value: first", "value: frist", 14, 12, "nothing is bound to 'frist'", "did you mean 'first'?"),
        ("value: first", "value: first + open(first)", 14, 20, "'open' is no function", ""),
        ("value: first", "value: first.__class__", 14, 12, "outside the expression language", ""),
        ("is: [1.0, 1.0]", "close: 0.1", 13, 5, "", ""),
        ("expect: reads-one", "expect: Reads One", 13, 13, "`expect` is 'Reads One'", ""),
        ("shape: [2]", "shape: two", 9, 12, "`shape`", ""),
        ("init: 1.0", "init: '1.0'", 10, 11, "`init` is '1.0'", ""),
        ("init: 1.0", "init: true", 10, 11, "`init` is True", ""),
        ("init: 1.0", "trainable: no", 10, 16, "`trainable` is 'no'", ""),
        ("shape: [2]", "shape: [true]", 9, 13, "`0` is True", ""),
        ("value: first\n    is: [1.0, 1.0]", "variables: true", 14, 16, "`variables` is True", ""),
        ("is: [1.0, 1.0]", "is: [1.0, 1.0]\n    close: inf", 16, 12, "`close` is 'inf'", ""),
        ("is: [1.0, 1.0]", "is: [1.0, 1.0]\n    close: 1", 16, 12, "`close` is 1", ""),
        ("value: first", "value: -first" + " + first" * 40, 14, 12, "longer than", ""),
        ("as: first", "as: measure", 11, 9, "`as` is 'measure'", ""),
        ("init: 1.0", "init: lots", 10, 11, "`init` is 'lots'", ""),
        ("init: 1.0", "raises: not_found", 8, 5, "does not fit", ""),
        ("init: 1.0", "dtype: float31", 10, 12, "`dtype` is 'float31'", ""),
        ("initialize:", "initialise:", 12, 5, "'initialise' is no verb", "did you mean 'initialize'?"),
        (
            "    - initialize:\n",
            "    - initialize:\n    - reenter: first\n      steps: []\n",
            13,
            14,
            "'first' is a variable",
            "",
        ),
        ("    - initialize:\n", "    - initialize:\n    - compute: 'first * 2'\n", 13, 14, "", ""),
    ],
)
def test_each_fault_is_told_at_its_place(write_spec, broken, by, line, column, words, advice):
    import textwrap

    text = textwrap.dedent(GOOD)
    broken, by = (
        part.replace("    - ", "  - ").replace("      s", "    s") if part.startswith("    ") else part
        for part in (broken, by)
    )
    assert broken in text
    problem = refused(write_spec, text.replace(broken, by))[0]
    assert (problem.line, problem.column) == (line, column), str(problem)
    assert words in problem.happened, str(problem)
    assert advice in problem.advice
    assert problem.expected


def test_a_label_that_stands_twice_is_refused(write_spec):
    (problem,) = refused(write_spec, GOOD + "      - expect: reads-one\n        variables: 1\n")
    assert "second time" in problem.happened


def test_an_expectation_of_two_kinds_is_refused(write_spec):
    (problem,) = refused(write_spec, GOOD + "      - expect: two\n        variables: 1\n        trainable: 1\n")
    assert "exactly one of" in problem.expected


def test_a_divergence_from_an_unknown_label_is_refused(write_spec):
    divergence = "    divergences:\n      - backends: [torch]\n        answers: {reads-two: 1}\n        because: it is long enough to be a reason\n        source: observed\n"
    (problem,) = refused(write_spec, GOOD + divergence)
    assert "no step has the label 'reads-two'" in problem.happened
    assert "reads-one" in problem.advice


def test_a_divergence_that_states_the_contract_is_refused(write_spec):
    divergence = "    divergences:\n      - backends: [torch]\n        answers: {reads-one: [1.0, 1.0]}\n        because: it is long enough to be a reason\n        source: observed\n"
    (problem,) = refused(write_spec, GOOD + divergence)
    assert "the contract's own" in problem.happened


DIVERGENCE = """
    divergences:
      - backends: [torch]
        answers: {reads-one: [2.0, 2.0]}
        because: it is long enough to be a reason
        source: observed
"""


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("", "", True),
        ("", "        ways: [pickle]\n", True),
        ("        ways: [pickle]\n", "        ways: [pickle, assign]\n", True),
        ("        ways: [pickle]\n", "        ways: [assign]\n", False),
        ("        versions: torch<2\n", "        versions: torch>=2\n", False),
    ],
)
def test_a_second_divergence_for_one_backend_and_label_is_refused(write_spec, first, second, clash):
    both = (
        DIVERGENCE
        + first
        + DIVERGENCE.replace("    divergences:\n", "").lstrip("\n").replace("2.0, 2.0", "3.0, 3.0")
        + second
    )
    path = write_spec(GOOD + both)
    if not clash:
        assert len(load(path).spec.divergences) == 2
        return
    with pytest.raises(InputError, match="has an answer for one of these backends already"):
        load(path)


@pytest.mark.parametrize("answer", ["[1, 1.0]", "[1.000001, 1.0]"])
def test_a_divergence_that_agrees_with_the_contract_is_refused(write_spec, answer):
    (problem,) = refused(write_spec, GOOD + DIVERGENCE.replace("[2.0, 2.0]", answer))
    assert "the contract's own" in problem.happened


def test_what_is_refused_binds_nothing(write_spec):
    steps = """
    steps:
      - get: kernel
        raises: not_found
        expect: missing-is-refused
        as: kernel
      - expect: reads-one
        value: kernel
        is: 1.0
    """
    (problem,) = refused(write_spec, steps)
    assert "nothing is bound to 'kernel'" in problem.happened
    assert load(write_spec(steps.replace("not_found", "nothing"))).lines


def test_a_file_that_is_no_mapping_is_refused(write_spec):
    path = write_spec(GOOD)
    path.write_text("- 1\n")
    with pytest.raises(InputError, match="this is no spec\n    expected: a mapping"):
        load(path)


def test_all_problems_of_all_files_come_at_once(write_spec, tmp_path):
    write_spec(GOOD.replace("get:", "gett:"), "facet/one")
    write_spec(GOOD.replace("first\n", "for\n"), "facet/two")
    with pytest.raises(InputError) as error:
        load_all([tmp_path / "specs"])
    assert {problem.path.stem for problem in error.value.problems} == {"one", "two"}


def test_two_specs_with_one_title_are_refused(write_spec, tmp_path):
    write_spec(GOOD, "facet/one", title="One and the same title")
    write_spec(GOOD, "facet/two", title="One and the same title")
    with pytest.raises(InputError, match="title is that of"):
        load_all([tmp_path / "specs"])


@pytest.mark.parametrize("taken", ["facet/two", "facet/one", "facet/former"])
def test_an_alias_that_names_another_spec_already_is_refused(write_spec, tmp_path, taken):
    one, two = (
        write_spec(GOOD, "facet/one", title="A title of one"),
        write_spec(GOOD, "facet/two", title="A title of two"),
    )
    one.write_text(one.read_text().replace("contract:", f"aliases: [facet/old, {taken}]\ncontract:"))
    assert load(one).spec.aliases == ["facet/old", taken]
    two.write_text(two.read_text().replace("contract:", "aliases: [facet/former]\ncontract:"))
    with pytest.raises(InputError, match=f"'{taken}' names .*one.yaml already|'{taken}' names .*two.yaml already"):
        load_all([tmp_path / "specs"])
    one.write_text(one.read_text().replace(f", {taken}", ""))
    assert len(load_all([tmp_path / "specs"])) == 2


def test_names_bound_inside_a_function_are_not_bound_outside(write_spec):
    steps = """
    steps:
      - function: make
        steps:
          - variable: v
            as: inner
        returns: inner
      - invoke: make
        as: made
      - expect: inner-is-local
        value: inner
        is: 0.0
    """
    (problem,) = refused(write_spec, steps)
    assert "nothing is bound to 'inner'" in problem.happened


def test_restoring_what_was_not_saved_is_refused(write_spec):
    steps = """
    steps:
      - layer: dense
        name: head
        inputs: 2
        units: 2
        as: head
      - restore: head
        from: nowhere
    """
    (problem,) = refused(write_spec, steps)
    assert "nothing was saved under 'nowhere'" in problem.happened


def test_claims_are_no_specs(write_spec, tmp_path):
    write_spec(GOOD, "facet/one")
    write_spec("x: 1", "claims/document")
    assert list(spec_files([tmp_path / "specs"])) == ["facet/one"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("[{vectorize: y, over: v, each: row, returns: row * v}, {compute: z = row}]", "nothing is bound to 'row'"),
        ("[{intercept: raw, returns: other * 2, steps: [{get: k, shape: [1]}]}]", "nothing is bound to 'other'"),
        ("[{intercept: raw, returns: raw * 2, steps: [{compute: z = raw}]}]", "nothing is bound to 'raw'"),
        ("[{scan: v, times: 2, to: v + w, steps: [{compute: w = v}]}, {compute: z = w}]", "nothing is bound to 'w'"),
        ("[{module: m, members: {a: v}}, {parallel: m, split: {x: [[1.0], [2.0]]}, minimize: sum(x)}, {compute: z = x}]",
         "nothing is bound to 'x'"),
        ("[{optimizer: o, over: v}, {update: v, minimize: sum(v)}]", "'v' is a variable"),
        ("[{optimizer: o, over: v}, {update: o, minimize: [sum(v), sum(w)]}]", "nothing is bound to 'w'"),
        ("[{drop: v}, {expect: gone, value: v, is: [1.0]}]", "'v' is a dropped"),
        ("[{expect: gone, alive: v, is: true}]", "'v' is a variable"),
    ],
)  # fmt: skip
def test_names_of_a_step_of_its_own_are_told_from_those_outside(write_spec, steps, words):
    first = "steps:\n  - {variable: v, init: [1.0], as: v}\n"
    rest = "".join(f"  - {step}\n" for step in split(steps))
    problems = refused(write_spec, f"{first}{rest}  - {{expect: there, variables: 1}}\n")
    assert any(words in problem.happened for problem in problems), problems


def split(steps):
    """Return the steps of a list in YAML's flow style, each as its own text."""
    import json

    import yaml

    return [json.dumps(step) for step in yaml.safe_load(steps)]


LOOPS = """
    steps:
      - {variable: v, init: [1.0], as: v}
      - {function: f, steps: [{read: v}]}
      - {layer: dense, inputs: 2, units: 2, name: d, as: d}
      - {optimizer: o, over: v}
      - {measure: one, size: 10, steps: [{invoke: f}]}
      - {measure: one, size: 100, steps: [{invoke: f}]}
      - {measure: other, size: 10, against: one, fresh: true, steps: [{get: w, numbered: 10, shape: [2], init: 1.0, as: w}]}
      - {measure: plain, steps: [{compute: "x = ones(2, 3)"}]}
      - {expect: there, elements: d, is: 6}
      - {expect: bytes, parameter_bytes: d, is: 24, against: there}
      - {save: d, to: file}
      - {expect: kept, checkpoint_bytes: file, is: 24, close: 0.5}
"""


def test_measured_loops_and_costs_load(write_spec):
    spec = load(write_spec(LOOPS)).spec
    assert [step.size for step in spec.steps if step.verb == "measure"] == [10, 100, 10, None]


@pytest.mark.parametrize(
    ("broken", "by", "words"),
    [
        ("{measure: one, size: 100,", "{measure: one, size: 10,", "'one' is measured here a second time"),
        ("{measure: plain,", "{measure: one, size: 100,", "'one' is measured here a second time"),
        ("against: one, fresh", "against: two, fresh", "'two' is not measured before this at size 10"),
        ("other, size: 10", "other, size: 20", "'one' is not measured before this at size 20"),
        ("{measure: plain,", "{measure: plain, against: other,", "'other' is not measured before this"),
        ("size: 100,", "size: 0,", "`size`"),
        ("{measure: plain,", "{measure: Plain Words,", "`measure` is 'Plain Words'"),
        ("{measure: plain,", "{measure: plain, raises: not_found, expect: no,", "what is measured is not refused"),
        ('[{compute: "x = ones(2, 3)"}]', "[{expect: inside, variables: 1}]", "observed or measured while the clock runs"),
        ('[{compute: "x = ones(2, 3)"}]', "[{measure: inner, steps: [{invoke: f}]}]", "observed or measured while the clock runs"),
        ('[{compute: "x = ones(2, 3)"}]', "[{get: u, raises: not_found, expect: no}]", "observed or measured while the clock runs"),
        ('[{compute: "x = ones(2, 3)"}]', "[{repeat: 2, steps: [{expect: deep, variables: 1}]}]", "observed or measured while"),
        ("{measure: plain, steps", "{repeat: 2, steps: [{measure: plain, steps", "`measure` stands in `repeat`"),
        ("{measure: plain, steps", "{function: g, steps: [{scope: s, steps: [{measure: plain, steps", "`measure` stands in `function`"),
        ("elements: d,", "elements: v,", "'v' is a variable"),
        ("parameter_bytes: d,", "parameter_bytes: nobody,", "nothing is bound to 'nobody'"),
        ("parameter_bytes: d,", "slot_bytes: d,", "'d' is a layer"),
        ("checkpoint_bytes: file", "checkpoint_bytes: other", "nothing was saved under 'other'"),
        ("against: there", "against: nowhere", "'nowhere' is not expected before this"),
        ("numbered: 10", "numbered: 0", "`numbered`"),
        ("{expect: there,", "{expect: late, value: w, is: 1.0}\n      - {expect: there,", "nothing is bound to 'w'"),
        ("ones(2, 3)", "ones()", "outside the expression language"),
        ("ones(2, 3)", "ones(2, v)", "outside the expression language"),
        ("ones(2, 3)", "ones(0)", "outside the expression language"),
        ("ones(2, 3)", "ones(2.0)", "outside the expression language"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_told(write_spec, broken, by, words):
    assert broken in LOOPS
    text = LOOPS.replace(broken, by, 1)
    open_ones = next((line for line in text.splitlines() if line.count("{") > line.count("}")), "")
    closed = open_ones + "]}" * (open_ones.count("{") - open_ones.count("}"))
    problems = refused(write_spec, text.replace(open_ones, closed) if open_ones else text)
    assert any(words in str(problem) for problem in problems), problems
    assert all(problem.expected and problem.advice for problem in problems)


#: a step, with a mark before what is refused in it
VALUES = [
    ("{variable: w, init: [1.0, ^null], as: w}", "a finite number"),
    ("{variable: w, init: [1.0, ^'x'], as: w}", "a finite number"),
    ("{variable: w, init: [1.0, ^true], as: w}", "a finite number"),
    ("{variable: w, init: [1.0, ^1e39], as: w}", "a finite number that float32 can hold"),
    ("{variable: w, init: [[1.0], ^[1.0, 2.0]], as: w}", "as many numbers as in the rows before"),
    ("{variable: w, init: [[1.0], ^2.0], as: w}", "as many numbers as in the rows before"),
    ("{variable: w, init: ^[], as: w}", "1 to 10000 numbers"),
    ("{variable: w, init: [[[[[[[[^[1.0]]]]]]]]], as: w}", "at most 8 axes"),
    ("{variable: w, init: ^[" + "1, " * 10_000 + "1], as: w}", "at most 10000 numbers"),
    ("{variable: w, init: [^{a: 1}], as: w}", "a finite number"),
    ("{variable: w, init: ^1e39, as: w}", "less than or equal to 3402823"),
    ("{variable: w, shape: [2, ^0], as: w}", "greater than or equal to 1"),
    ("{variable: w, shape: [^-1], as: w}", "greater than or equal to 1"),
    ("{variable: w, shape: [^1000000000000], as: w}", "less than or equal to 16777216"),
    ("{variable: w, shape: ^[4096, 4097], as: w}", "at most 16777216"),
    ("{variable: w, shape: ^[1, 1, 1, 1, 1, 1, 1, 1, 1], as: w}", "at most 8 items"),
    ("{assign: v, to: [^null]}", "a finite number"),
    ("{assign: v, ^to: null}", "valid string"),
    ("{call: d, on: [[^'1.0']]}", "a finite number"),
    ("{call: d, on: [[1.0]], given: {kernel: [[^'x']]}}", "a finite number"),
    ("{call: d, on: [[1.0]], given: {^kernel.__class__: [[1.0]]}}", "is no path"),
    ("{call: d, on: [[1.0]], given: {^'kernel, x=1': [[1.0]]}}", "is no path"),
    ("{save: d, only: [^'kernel\\n'], to: w}", "is no path"),
    ("{invoke: f, given: [[^null]]}", "a finite number"),
    ("{parallel: d, split: {x: [[1.0], ^null]}, minimize: sum(x)}", "a finite number"),
    ("^{parallel: d, split: {x: [1.0], y: [1.0, 2.0]}, minimize: sum(x)}", "the same number for all"),
    ("{parallel: d, split: ^{}, minimize: sum(v)}", "at least 1 item"),
    ("{module: m, members: ^{}}", "at least 1 item"),
    ("{train: sgd, minimize: sum(v), wrt: ^[]}", "at least 1 item"),
    ("{train: sgd, minimize: sum(v), wrt: v, rate: ^1e39}", "less than or equal to 3402823"),
    ("{train: sgd, minimize: sum(v), wrt: v, times: ^10001}", "less than or equal to 10000"),
    ("{optimizer: o, over: v, clip: ^0}", "greater than 0"),
    ("{repeat: ^1000000000000, steps: []}", "less than or equal to 10000"),
    ("{get: w, numbered: ^1000000, shape: [1]}", "less than or equal to 50000"),
    ("^{get: w, numbered: 10000, shape: [10000]}", "at most 16777216"),
    ("{get: w, partitions: ^1001, shape: [1]}", "less than or equal to 1000"),
    ("{get: ^" + "k" * 61 + "}", "at most 60 characters"),
    ("{get: w, reuse: {text: ^" + "k" * 61 + "}}", "at most 60 characters"),
    ("{get: w, reuse: {^txt: x}}", "one of text, number, tensor"),
    ("{get: w, reuse: ^no}", "write `false`"),
    ("{get: w, trainable: ^On}", "write `true`"),
    ("{move: d, device: ^8, as: e}", "less than 8"),
    ("^{layer: dense, inputs: 4096, units: 4097, as: e}", "at most 16777216"),
    ("{layer: dense, inputs: ^0, units: 1, as: e}", "greater than or equal to 1"),
    ("{measure: m, size: ^1000000000, steps: []}", "less than or equal to 16777216"),
    ("^{function: g, takes: [x, x], steps: []}", "each name once"),
    ("{expect: e, offers: ^__import__, is: true}", "is no path"),
    ("{expect: e, offers: ^nn..Module, is: true}", "is no path"),
    ("{expect: e, offers: ^import, is: true}", "is no path"),
    ("{expect: e, checkpoint_bytes: ^'a b', is: 1}", "is not a name"),
    ("{expect: e, value: v, is: ^{a: 1}}", "an answer consists of"),
    ("{read: ^v.__class__}", "is no path"),
    ("{read: ^v.k\u00e9rnel}", "is no path"),
    ("^initialize", "write `- initialize:`"),
    ("^read", "write `- read:`"),
    ("^17", "17 is no step"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "words"), VALUES, ids=[step[:60] for step, _ in VALUES])
def test_what_no_script_should_hold_is_refused_at_its_place(write_spec, step, words):
    before = "steps:\n  - {variable: v, as: v}\n  - {layer: dense, inputs: 1, units: 1, as: d}\n  - {function: f, takes: [x], steps: []}\n"
    (problem,) = refused(write_spec, f"{before}  - {step.replace('^', '', 1)}\n")
    assert (problem.line, problem.column) == (11, 5 + step.index("^")), problem
    assert words in str(problem)


def test_a_key_that_a_divergence_does_not_have_is_told_as_one(write_spec):
    (problem,) = refused(write_spec, GOOD + DIVERGENCE.replace("source:", "sorce:") + "        source: observed\n")
    assert problem.happened == "a divergence has no key 'sorce'"
    assert problem.advice == "did you mean 'source'?"


LONG = "a" * 50
#: files as large as a file may be, with as many faults as there is room for
FULL_OF_FAULTS = {
    "steps": "steps:\n" + "  - 1\n" * 30_000,
    "keys": "steps: []\n" + "".join(f"k{n}: 1\n" for n in range(18_000)),
    "numbers": f"steps:\n  - {{assign: w, to: [{', '.join(['a'] * 60_000)}]}}\n",
    "places": "steps:\n" + "".join(f"  - {{variable: v{LONG}{n}, as: v{LONG}{n}}}\n" for n in range(450))
    + "".join(f"  - {{read: w{LONG}{n}}}\n" for n in range(500)),
    "labels": "steps:\n" + "".join(f"  - {{expect: {LONG}{n}, variables: 1}}\n" for n in range(900))
    + "divergences:\n  - backends: [torch]\n    because: it is known to do so everywhere\n    source: pytorch/pytorch#1\n    answers: {"
    + ", ".join(f"{LONG[:6]}{n}: 1" for n in range(8_000)) + "}\n",
}  # fmt: skip


@pytest.mark.parametrize("name", FULL_OF_FAULTS)
def test_of_many_faults_the_first_are_told_and_the_rest_takes_no_time(write_spec, name):
    path = write_spec(FULL_OF_FAULTS[name])
    started = time.process_time()
    with pytest.raises(InputError) as refused:
        load(path)
    assert time.process_time() - started < 8  # they took up to two minutes
    assert len(refused.value.problems) == MOST_PROBLEMS + 1
    assert "others are not told" in str(refused.value)
    assert len(str(refused.value)) < 100_000


def test_as_many_divergences_as_there_may_be_are_compared_in_no_time(write_spec):
    labels = [f"l{n}" for n in range(100)]
    expected = "".join(f"  - {{expect: {label}, variables: 1}}\n" for label in labels)
    answers = ", ".join(f"{label}: 2" for label in labels)
    divergences = "".join(
        f"  - {{backends: [b{n}], because: it is known to do so everywhere, source: pytorch/pytorch#1, answers: {{{answers}}}}}\n"
        for n in range(MOST_DIVERGENCES)
    )
    path = write_spec(f"steps:\n{expected}divergences:\n{divergences}")
    started = time.process_time()
    assert load(path)
    assert time.process_time() - started < 8
    path.write_text(path.read_text() + divergences.partition("\n")[0] + "\n")
    with pytest.raises(InputError, match=f"at most {MOST_DIVERGENCES}"):
        load(path)


@pytest.mark.parametrize("name", [b"a\xff", b"a\x1b[31m", b"a\nb"])
def test_a_file_whose_name_cannot_be_printed_is_refused(write_spec, name):
    path = write_spec(GOOD)
    path.rename(path.with_name(f"{os.fsdecode(name)}.yaml"))
    with pytest.raises(InputError, match="this name cannot be an id") as refused:
        spec_files([path.parent])
    assert str(refused.value).isascii()
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{module: net, members: {_parameters: w}}", "begins with an underscore"),
        (f"{{train: sgd, minimize: w, wrt: [{', '.join(['w'] * 201)}]}}", "at most 200"),
        (f"{{update: sgd, minimize: [{', '.join(['w'] * 201)}]}}", "at most 200"),
    ],
)
def test_lists_and_members_have_bounds(write_spec, step, words):
    steps = f"steps:\n  - {{variable: w, init: 1.0, as: w}}\n  - {{optimizer: sgd, over: w}}\n  - {step}\n"
    assert any(words in problem.expected for problem in refused(write_spec, steps))
