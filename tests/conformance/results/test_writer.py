"""The writer of a results file: the old file stays until the new one is whole, and nobody else writes there."""

import os
from pathlib import Path

import pytest

from canireuse.results.writer import Writer, check_place
from canireuse.spec.problems import FileTaken, UsageError
from tests.conformance.results.test_records import case, footer, header, write


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = write(tmp_path / "r.jsonl", header(), case(), footer())
    before = path.read_text()
    writer = Writer(path)
    writer.write(header())
    writer.write(case(backend="nnx"))
    assert path.read_text() == before
    assert len(writer.partial.read_text().splitlines()) == 2  # flushed line by line: a kill loses nothing written
    writer.close()
    assert path.read_text() != before


def test_one_writes_at_a_time(tmp_path):
    path = tmp_path / "r.jsonl"
    first = Writer(path)
    with pytest.raises(FileTaken, match="another run is writing to"):
        Writer(path)
    first.write(header())
    with pytest.raises(FileTaken, match="another run is writing to"):
        Writer(path)
    assert first.partial.read_text().count("\n") == 1
    first.close()
    second = Writer(path)
    second.close(keep=False)
    assert [found.name for found in tmp_path.iterdir()] == ["r.jsonl"]


def test_a_run_that_is_over_leaves_the_file_of_the_next_alone(tmp_path):
    first = Writer(tmp_path / "r.jsonl")
    first.write(header())
    first.close()
    second = Writer(tmp_path / "r.jsonl")
    first.close(keep=False)  # as at the end of pytest
    with pytest.raises(UsageError, match="another run is writing to"):
        Writer(tmp_path / "r.jsonl")
    second.write(header())
    second.write(footer(0))
    second.close()
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 2


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_stands_where_the_partial_file_goes_is_not_written_through(tmp_path, kind):
    precious, partial = tmp_path / "precious", tmp_path / "r.jsonl.partial"
    precious.write_text("precious")
    {"link": lambda: partial.symlink_to(precious), "pipe": lambda: os.mkfifo(partial), "folder": partial.mkdir}[kind]()
    with pytest.raises(UsageError, match="partial is no regular file"):
        check_place(tmp_path / "r.jsonl")
    if kind == "link":
        with pytest.raises(OSError, match="symbolic links"):
            Writer(tmp_path / "r.jsonl")
    assert precious.read_text() == "precious"


def test_what_a_run_before_left_stays_until_the_first_line(tmp_path):
    killed = Writer(tmp_path / "r.jsonl")
    killed.write(header())
    killed.close(keep=False)
    refused = Writer(tmp_path / "r.jsonl")
    refused.close(keep=False)
    assert killed.partial.read_text().count("\n") == 1
    whole = Writer(tmp_path / "r.jsonl")
    whole.write(header())
    whole.write(footer(0))
    whole.close()
    assert (tmp_path / "r.jsonl").read_text().count("\n") == 2
    assert not whole.partial.exists()


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path):
    path = write(tmp_path / "r.jsonl", header(), case(), footer())
    before = path.read_text()
    writer = Writer(path)
    writer.write(header())
    writer._file.close()
    writer._file = Path("/dev/full").open("w")  # noqa: SIM115  # the writer closes it
    with pytest.raises(OSError, match="No space left"):
        writer.write(case())
    writer.close(keep=False)
    assert path.read_text() == before
