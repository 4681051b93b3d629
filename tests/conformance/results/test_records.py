"""Records: written line by line, read strictly, merged by id."""

import json

import pytest

from canireuse.results import records
from canireuse.results.records import now
from canireuse.results.writer import Writer
from canireuse.spec.problems import InputError


def header():
    return records.Header(canireuse="0", started=now(), command="canireuse run")


def case(spec="facet/spec", backend="torch", **more):
    if "script" in more:
        more["script_digest"] = records.digest(more["script"])
    return records.Case(
        id=f"{spec}@{backend}",
        spec=spec,
        backend=backend,
        device="cpu",
        environment=f"{backend}@cpu",
        verdict="conforms",
        spec_digest="d",
        **more,
    )


def footer(cases=1):
    return records.Footer(cases=cases, seconds=1.0, verdicts={"conforms": cases})


def write(path, *lines):
    writer = Writer(path)
    for line in lines:
        writer.write(line)
    writer.close()
    return path


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_a_line_ends_where_json_lines_do(tmp_path, separator):
    path = write(tmp_path / "r.jsonl", header(), case(reason=f"one{separator}two"), footer())
    assert records.read([path]).cases["facet/spec@torch"].reason == f"one{separator}two"


def test_what_is_written_is_read(tmp_path):
    path = write(tmp_path / "r.jsonl", header(), case(script="x = 'ä'\n"), footer())
    results = records.read([path])
    assert results.complete
    assert results.cases["facet/spec@torch"].script == "x = 'ä'\n"


def test_a_file_without_footer_is_not_complete(tmp_path):
    assert not records.read([write(tmp_path / "r.jsonl", header(), case())]).complete


@pytest.mark.parametrize("end", [b'{"kind":"case","id":"facet/sp', b'{"kind":"case","id":"\xc3', b"\0\0\0\0"])
def test_a_file_that_was_cut_off_in_a_line_is_read_up_to_there(tmp_path, end):
    path = write(tmp_path / "r.jsonl", header(), case())
    path.write_bytes(path.read_bytes() + end)
    results = records.read([path])
    assert list(results.cases) == ["facet/spec@torch"]
    assert not results.complete
    assert results.cut == [f"{path}:3: the file was cut off in this line; it is read up to there"]


def test_what_is_no_record_in_the_middle_of_a_file_is_refused(tmp_path):
    path = write(tmp_path / "r.jsonl", header(), case(), footer())
    path.write_bytes(path.read_bytes().replace(b'"verdict":"conforms"', b'"verdict":', 1))
    with pytest.raises(InputError, match=r"r.jsonl:2:1: this line is no record"):
        records.read([path])


def test_lines_that_were_lost_are_missed(tmp_path):
    results = records.read([path := write(tmp_path / "r.jsonl", header(), case(), footer(2))])
    assert not results.complete
    assert results.cut == [f"{path}:3: 2 cases were recorded, and 1 are in the file"]


def test_what_was_planned_and_has_no_record_is_named(tmp_path):
    last = footer().model_copy(update={"missing": ["facet/spec@nnx"]})
    results = records.read([write(tmp_path / "r.jsonl", header(), case(), last)])
    assert not results.complete
    assert results.missing == ["facet/spec@nnx"]


def test_files_merge_by_id(tmp_path):
    one = write(tmp_path / "1.jsonl", header(), case(), footer())
    two = write(tmp_path / "2.jsonl", header(), case(backend="nnx"), footer())
    assert set(records.read([one, two]).cases) == {"facet/spec@torch", "facet/spec@nnx"}


def test_a_case_that_says_the_same_twice_is_one(tmp_path):
    one = write(tmp_path / "1.jsonl", header(), case(script="s", seconds=1.0), footer())
    two = write(tmp_path / "2.jsonl", header(), case(script="s", seconds=2.0), footer())
    assert len(records.read([one, two]).cases) == 1


@pytest.mark.parametrize("other", [{"verdict": "error"}, {"script": "t", "script_digest": records.digest("t")}])
def test_a_case_that_says_two_things_is_refused(tmp_path, other):
    one = write(tmp_path / "1.jsonl", header(), case(script="s"), footer())
    two = write(
        tmp_path / "2.jsonl",
        header(),
        case().model_copy(update={"script": "s", "script_digest": records.digest("s"), **other}),
        footer(),
    )
    with pytest.raises(InputError, match=r"2.jsonl:3:1: the case facet/spec@torch is here twice"):
        records.read([one, two])


def test_a_spec_in_two_versions_is_refused(tmp_path):
    line = {
        "kind": "spec",
        "id": "a/b",
        "title": "t",
        "about": "a",
        "sources": [],
        "contract": "by-name",
        "text": "x",
        "lines": {},
    }
    paths = []
    for digest in ("1", "2"):
        path = tmp_path / f"{digest}.jsonl"
        path.write_text(header().model_dump_json() + "\n" + json.dumps({**line, "digest": digest}) + "\n")
        paths.append(path)
    with pytest.raises(InputError, match="two versions"):
        records.read(paths)


@pytest.mark.parametrize(
    ("kind", "part"), [("document", {"title": "Another title"}), ("claim", {"claim": "It says something else now."})]
)
def test_one_claim_or_document_in_two_versions_is_refused(tmp_path, kind, part):
    document = records.DocumentLine(id="doc", title="Doc", stands="tf1")
    claim = records.ClaimLine(
        id="doc-one", document="doc", where="here", line=1, claim="It says something.", not_checkable="it is an opinion"
    )
    changed = {"document": document, "claim": claim}
    lines = list(changed.values())
    changed[kind] = changed[kind].model_copy(update=part)
    one = write(tmp_path / "1.jsonl", header(), *lines, footer(0))
    two = write(tmp_path / "2.jsonl", header(), *changed.values(), footer(0))
    records.read([one, one])
    with pytest.raises(InputError, match=f"the {kind} .* is here in two versions"):
        records.read([one, two])


@pytest.mark.parametrize("error", [{"type": "ValueError"}, {"message": "m"}, {"type": "E", "message": None}, "text"])
def test_an_error_without_a_class_or_a_message_is_refused(tmp_path, error):
    raw = {"label": "a", "contract": "nothing", "observed": "not_found", "holds": False, "raw": {"error": error}}
    lines = [case().model_dump() | {"error": error}, case().model_dump() | {"expectations": [raw]}]
    for line in lines:
        path = write(tmp_path / "r.jsonl", header())
        path.write_text(path.read_text() + json.dumps(line) + "\n" + footer().model_dump_json() + "\n")
        with pytest.raises(InputError, match=r"r.jsonl:2:1: this line is no record"):
            records.read([path])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rubbish\n",
        '{"kind": "nothing"}\n',
        '{"kind": "header", "canireuse": "0", "started": "x", "command": "y", "more": 1}\n',
    ],
)
def test_a_line_that_is_no_record_is_refused(tmp_path, text):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    with pytest.raises(InputError):
        records.read([path])


def test_a_file_that_does_not_begin_with_its_header_is_refused(tmp_path):
    with pytest.raises(InputError, match="the first line is no header"):
        records.read([write(tmp_path / "r.jsonl", case(), footer())])


def test_another_schema_version_is_refused(tmp_path):
    newer = header().model_copy(update={"schema_version": 99})
    with pytest.raises(InputError, match="schema version 99"):
        records.read([write(tmp_path / "r.jsonl", newer)])


def test_ids_name_ways_and_devices():
    assert records.case_id("a/b", "torch", {}, "cpu") == "a/b@torch"
    assert records.case_id("a/b", "torch", {"restore": "pickle"}, "gpu") == "a/b@torch+pickle@gpu"


def measurement(process=0, backend="torch", **more):
    return records.Measurement(
        case=f"facet/spec@{backend}", label="loop", process=process, rounds=[0], seconds=[1e-6], **more
    )


def measuring(**unreliable):
    return records.Measuring(
        budget=1.0, seconds=1.0, processes=2, rounds=[7, 7], block=0.01, seed=1, clock_resolution=1e-9,
        unreliable={f"facet/spec@{backend}": reason for backend, reason in unreliable.items()},
    )  # fmt: skip


def test_measurements_are_told_apart_by_case_label_size_host_and_process(tmp_path):
    lines = [measurement(), measurement(1), measurement(size=10), measurement(twin=True), measurement(backend="nnx")]
    path = write(tmp_path / "r.jsonl", header(), *lines, measuring(), footer())
    assert list(records.read([path]).measurements) == [
        "facet/spec@torch#loop~0", "facet/spec@torch#loop~1", "facet/spec@torch#loop-10~0",
        "facet/spec@torch#loop+twin~0", "facet/spec@nnx#loop~0",
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"the measurement facet/spec@torch#loop~0 is here twice"):
        records.read([write(tmp_path / "r.jsonl", header(), measurement(), measurement())])


def test_what_was_timed_before_the_case_went_wrong_is_not_counted(tmp_path):
    lines = [measurement(), measurement(twin=True), measurement(backend="nnx"), measurement(1, backend="nnx")]
    path = write(tmp_path / "r.jsonl", header(), *lines, measuring(torch="crash in the second process"), footer())
    results = records.read([path])
    assert {one.case for one in results.measurements.values()} == {"facet/spec@nnx"}
    assert results.measurings[0].unreliable == {"facet/spec@torch": "crash in the second process"}


def test_a_run_that_was_broken_off_while_times_were_taken_keeps_what_it_has(tmp_path):
    results = records.read([write(tmp_path / "r.jsonl", header(), case(), measurement())])
    assert not results.complete
    assert len(results.measurements) == 1
    assert results.measurings == []
