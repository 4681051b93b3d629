"""The section on performance: what it calls a difference and what it refuses to, where each figure comes from."""

import re
from html.parser import HTMLParser

import pytest

import canireuse_adapters
from canireuse.measure.comparison import Ratio
from canireuse.measure.quantities import growth_words, number, ratio_words, seconds, share
from canireuse.results.records import Results
from canireuse_reports import build
from canireuse_reports.charts import log_axis
from canireuse_reports.costs import parsed, times_first_call
from canireuse_reports.loops import round_up
from canireuse_reports.performance import performance
from canireuse_reports.view import view
from tests.reports.measurements import UNRELIABLE, made

TRAINING = "performance/training-step-through-large-layers"
BY_NAME = "performance/variables-by-name"
COMPILED = "performance/calls-in-a-compiled-function"


@pytest.fixture(scope="module")
def results():
    return made()


@pytest.fixture(scope="module")
def told(results):
    return performance(results, view(results))


@pytest.fixture(scope="module")
def text(results, tmp_path_factory):
    return section_of(build(results, tmp_path_factory.mktemp("report") / "index.html"))


def section_of(page):
    return page.read_text(encoding="utf-8").split('<section id="performance"')[1].split("</section>")[0]


def scenario(told, name):
    return next(one for family in told.families for one in family.scenarios if one.spec.line.id == name)


def words_of(told, name):
    (chart,) = scenario(told, name).ratios
    return {row.name: row.words for row in chart.rows}


def test_a_difference_is_told_with_its_interval_and_none_is_called_where_none_is(told):
    words = words_of(told, TRAINING)
    assert re.fullmatch(r"0\.\d+ times as long \[0\.\d+, 0\.\d+\]", words["torch"])
    assert words["keras jax"].startswith("no difference seen [")
    assert words["A/A: torch"].startswith("no difference seen [")


@pytest.mark.parametrize(
    ("ratio", "floor", "words"),
    [
        (Ratio(1.45, 1.41, 1.49, 6), 0.05, "1.45 times as long [1.41, 1.49]"),
        (Ratio(1.04, 1.03, 1.05, 6), 0.05, "no difference seen [1.03, 1.05]"),  # below the floor
        (Ratio(0.97, 0.96, 0.98, 6), 0.05, "no difference seen [0.960, 0.980]"),
        (Ratio(1.45, 0.99, 1.9, 6), 0.05, "no difference seen [0.990, 1.90]"),  # the interval holds 1
        (Ratio(0.5, None, None, 1), 0.05, "0.500 times as long; measured in 1 process: no interval"),
        (Ratio(0.5, None, None, 4), 0.05, "0.500 times as long; measured in 4 processes: no interval"),
    ],
)
def test_what_a_ratio_says(ratio, floor, words):
    assert ratio_words(ratio, floor) == words


def test_rows_stand_in_the_order_of_backends_and_not_of_speed(told):
    (chart,) = scenario(told, TRAINING).ratios
    names = [row.name for row in chart.rows]
    assert names == ["reference", "tf1", "keras jax", "keras tensorflow", "nnx", "torch", "torch GPU", "A/A: torch"]
    order = [canireuse_adapters.ORDER.index(row.loop.case.case.backend) for row in chart.rows]
    assert order == sorted(order)
    ratios = [row.ratio.value for row in chart.rows]
    assert ratios != sorted(ratios)
    assert ratios != sorted(ratios, reverse=True)


def test_no_word_of_a_mean_and_none_of_a_winner(text):
    plain = re.sub(r"<[^>]+>", " ", text).lower()
    for word in ("mean", "average", "fastest", "slowest", "faster", "slower", "winner", "best", "worst"):
        assert not re.search(rf"\b{word}\b", plain), word
    assert "no ranking of frameworks" in plain


def test_median_and_minimum_are_those_of_the_samples(told):
    (loop,) = [one for one in scenario(told, TRAINING).loops if one.name == "torch, shared"]
    assert loop.timing.minimum == min(loop.timing.samples)
    assert (loop.median, loop.minimum) == (seconds(loop.timing.median), seconds(loop.timing.minimum))
    assert loop.facts.startswith(f"median {loop.median}, minimum {loop.minimum}; 100 to 105 turns a sample; 48 samples in 6 processes")  # fmt: skip


def test_raw_samples_are_on_the_page_to_four_digits(told, text):
    (loop,) = [one for one in scenario(told, TRAINING).loops if one.name == "torch, shared"]
    process, samples = loop.raw[0]
    exact = list(loop.timing.series[process].values())
    shown = [float(one) for one in samples.split()]
    assert shown == pytest.approx([one * 1e6 for one in exact], rel=1e-3)
    assert samples in text
    assert f'<li id="{loop.id}">' in text


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links = [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []


def test_ids_are_unique_and_every_figure_leads_to_its_script_and_samples(results, tmp_path):
    page = Links()
    page.feed(build(results, tmp_path / "index.html").read_text(encoding="utf-8"))
    assert len(page.ids) == len(set(page.ids))
    inside = {link[1:] for link in page.links if link.startswith("#") and not link.startswith("#?")}
    assert inside <= set(page.ids)
    for one in results.measurements.values():
        assert one.case in inside
        if not one.left_out and not one.twin:
            size = "" if one.size is None else f":{one.size}"
            assert f"samples:{one.case}:{one.label}{size}" in inside


def test_an_a_a_row_and_an_empty_fence_stand_in_every_run(told, text):
    (itself,) = told.itself
    assert (itself.name, itself.device) == ("torch", "cpu")
    assert "A/A: torch against itself, CPU" in text
    assert f"<strong>{itself.floor}</strong>, the floor" in text
    for name in ("reference", "tf1", "keras jax", "nnx", "torch GPU"):
        assert f"Empty fence: {name}</th>" in text
    assert "jax.block_until_ready, with nothing to wait for</td><td>80.0 ns" in text
    assert all(any(row.itself for row in chart.rows) for one in told.families for spec in one.scenarios for chart in spec.ratios if spec.spec.slug != "building-a-graph")  # fmt: skip


def test_the_floor_is_what_the_backend_shows_against_itself(results):
    apart = {
        name: one.model_copy(update={"seconds": [1.3 * value for value in one.seconds]}) if one.twin else one
        for name, one in results.measurements.items()
    }
    changed = results.model_copy(update={"measurements": apart})
    seen = performance(changed, view(changed))
    assert seen.itself[0].agreement.floor == pytest.approx(0.3, abs=0.04)
    assert words_of(seen, TRAINING)["torch"].startswith("0.")
    assert not [row for row in scenario(seen, TRAINING).ratios[0].rows if row.itself and row.differs]


def test_few_processes_give_no_interval_and_nothing_is_called(tmp_path):
    few = made(2, gpu=False, load=1.9)
    seen = performance(few, view(few))
    assert words_of(seen, TRAINING)["torch"].endswith("measured in 2 processes: no interval")
    rows = [row for family in seen.families for one in family.scenarios for chart in one.ratios for row in chart.rows]
    assert not any(row.differs for row in rows)
    page = section_of(build(few, tmp_path / "index.html"))
    assert "an interval needs 3, so no difference is called" in page
    assert "The machine was busy before anything was measured: its load was 1.9" in page
    assert "none can be called different, as there are no intervals" in page


@pytest.mark.parametrize(("sizes", "shown"), [((), 1000), ((1000,), 100), ((10, 100, 1000, 10000), 1000)])
def test_a_ratio_without_interval_is_not_told_as_no_difference(results, sizes, shown):
    some = {
        name: one
        for name, one in results.measurements.items()
        if not (one.case == f"{BY_NAME}@nnx" and one.size in sizes and one.process)
    }
    few = results.model_copy(update={"measurements": some})
    (chart,) = scenario(performance(few, view(few)), BY_NAME).ratios
    assert chart.size == shown  # the largest at which most have an interval
    told = "times as long in 1 row, with fewer than 3 processes no difference is called"
    assert (told in chart.sentence) is (len(sizes) == 4)


def test_a_quiet_machine_and_enough_processes_are_no_warning(text):
    assert "Careful" not in text


def test_what_was_left_out_says_how_to_have_it(told, text):
    left_out = {loop.name: reason for loop, reason in scenario(told, BY_NAME).left_out}
    assert left_out["nnx, create, size 10,000"] == (
        "not measured: a turn would take about 8.0 s, more than this run's budget allows; `--budget 1500`"
    )
    assert "a turn of create, beside which it stands, would take about 8.0 s" in left_out["nnx, reuse, size 10,000"]
    assert "<code>--budget 1500</code>" in text


def test_unreliable_and_unsaid_cases_are_told(text):
    assert f'<a href="#{UNRELIABLE}">{UNRELIABLE}</a>: error when it was measured' in text


def test_growth_is_a_power_with_its_interval(told):
    chart = scenario(told, BY_NAME).growth
    curves = {(one.name, curve.name): curve for one in chart.multiples for curve in one.curves}
    assert curves["torch", "create"].growth.slope == pytest.approx(1.0, abs=0.05)
    assert curves["nnx", "create"].growth.slope == pytest.approx(1.4, abs=0.1)
    assert re.fullmatch(r"1\.\d+ \[\S+, \S+\]", curves["nnx", "create"].slope)
    assert growth_words(None) == "one size: no slope"
    assert "create" in chart.sentence
    assert chart.sizes == [10, 100, 1000, 10000]


def test_a_first_call_is_told_apart_from_later_ones_only_where_it_is_one(told, results):
    seen = scenario(told, COMPILED)
    assert {curve.name for one in seen.growth.multiples for curve in one.curves} == {"first call", "later calls"}
    assert [row.name for row in seen.first.rows][:2] == ["reference", "tf1"]
    first = seen.growth.multiples[0].curves[0]
    assert first.growth.points[0][0] == 4  # the smallest size pays for what a process sets up once
    assert scenario(told, TRAINING).first is None  # the function was called before the clock ran
    assert times_first_call(results.specs[COMPILED], "compiled")
    assert not times_first_call(results.specs[TRAINING], "shared")


def test_savings_are_the_observed_numbers_and_where_they_are_other_it_says_so(results, tmp_path):
    seen = performance(results, view(results))
    assert seen.savings[0].sentence == "The contract asks for 1/8, and every row has it, as closely as the spec asks."
    changed = results.model_copy(deep=True)
    case = changed.cases["performance/what-sharing-saves@nnx"]
    one = next(judged for judged in case.expectations if judged.label == "slots-of-one-layer")
    one.observed = 4 * one.contract
    seen = performance(changed, view(changed))
    assert seen.savings[0].sentence == "The contract asks for 1/8; another fraction was observed on nnx."
    page = section_of(build(changed, tmp_path / "index.html"))
    assert '<strong>1/2</strong> <span>≠ 1/8</span> <small class="muted">2,105,344 of 4,210,688</small>' in page
    assert page.count("≠ 1/8") == 1


def test_a_case_that_lacks_a_cost_has_none_in_the_table(results):
    changed = results.model_copy(deep=True)
    changed.cases["performance/what-sharing-saves@nnx"].expectations = []
    seen = performance(changed, view(changed))
    assert "nnx" not in [name for _, name, _ in seen.savings[0].rows]


def test_cpu_stands_beside_gpu(told, text):
    (chart,) = told.devices
    assert chart.title == "torch"
    assert {row.state for row in chart.rows} == {"seen"}
    assert "variables by name, 10,000" in [row.name for row in chart.rows]
    assert "No GPU run is published" not in text


def test_without_a_gpu_run_the_page_says_so_and_how_to_make_one(tmp_path):
    page = section_of(build(made(5, gpu=False), tmp_path / "index.html"))
    assert "No GPU run is published yet" in page
    assert "<code>python3 -m tox -e gpu</code>" in page


def test_without_measurements_the_section_says_how_to_make_some(results, tmp_path):
    none = results.model_copy(update={"measurements": {}, "measurings": []})
    page = section_of(build(none, tmp_path / "index.html"))
    assert "No loop was timed" in page
    assert "canireuse run performance --measure" in page
    assert "Empty fence" not in page
    assert "1/8" in page  # costs without noise need no clock
    assert "No loop was timed" in section_of(build(Results(), tmp_path / "empty.html"))


def test_measurements_of_cases_that_are_not_here_are_passed_over(results):
    specs = {name: line for name, line in results.specs.items() if name != TRAINING}
    cut = results.model_copy(update={"specs": specs, "environments": {}})
    names = [one.spec.line.id for family in performance(cut, view(cut)).families for one in family.scenarios]
    assert TRAINING not in names
    assert BY_NAME in names


def test_alike_scenarios_stand_together_the_small_one_first(told):
    family = next(one for one in told.families if one.title == "Training step through layers")
    assert [one.spec.slug for one in family.scenarios] == ["training-step-through-small-layers", "training-step-through-large-layers"]  # fmt: skip


def test_a_text_that_is_no_spec_is_passed_over():
    assert parsed("a/b", "steps: [") is None
    assert parsed("a/b", "") is None
    assert parsed("a/b", "title: x\nsteps:\n  - expect: shared\n") is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(8e-8, "80.0 ns"), (9.994e-5, "99.9 µs"), (0.99999, "1.00 s"), (1.5, "1.50 s"), (123.4, "123 s"), (None, "")],
)
def test_a_time_has_a_unit(value, words):
    assert seconds(value) == words


def test_numbers_have_the_digits_that_say_something():
    assert [number(one) for one in (0.0694, 0.9996, 12.34, 123456, 0)] == ["0.0694", "1.00", "12.3", "123,000", "0"]
    assert [round_up(one) for one in (1600.0, 1601, 7, 99.5)] == [1600, 1700, 7, 100]
    assert (share(1, 8), share(265061, 2110515), share(2, 3)) == ("1/8", "1/7.962", "1/1.5")
    assert share(1, 1) == "the same"


@pytest.mark.parametrize(("low", "high"), [(0.98, 1.02), (0.5, 2), (0.01, 1), (1e-8, 10), (1, 10000), (3e-7, 3.1e-7)])
def test_an_axis_holds_its_values_and_has_ticks(low, high):
    axis = log_axis([low, high])
    assert 0 <= axis.at(low) <= axis.at(high) <= 100
    assert axis.from_above(high) == pytest.approx(100 - axis.at(high))
    assert 1 <= len(axis.ticks) <= 5
    assert all(0 <= axis.at(tick) <= 100 for tick in axis.ticks)
