"""Documents run as printed, on the page: how each block ended, and what came of what it promises."""

import re

from canireuse_reports.blocks import run_documents


def test_a_document_has_its_blocks_in_order_with_how_each_ended(results):
    (document,) = run_documents(results)
    assert [block.ended for block in document.blocks] == ["completed", "raised", "skipped"]
    assert document.as_it_says == 1
    assert document.mode(document.blocks[0]) == "PyTorch, framework 1.2"


def test_every_promise_is_told_as_kept_come_otherwise_or_not_reached(page):
    text = page.read_text(encoding="utf-8")
    block = text.partition('id="tutorial#2@torch"')[2].partition('id="tutorial#3@torch"')[0]
    told = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", line)).strip()
        for line in re.findall(r"<li>(.*?)</li>", block, re.DOTALL)
    ]
    assert told[0] == "line 11 prints 1: kept"
    assert told[1].startswith("line 12 prints 2: came 3 ")
    assert told[2] == "line 14 prints 4: not reached"
    assert "at line 13, 1 of 3 promises kept" in block
    assert "Line 13: ValueError: It is refused" in block


def test_a_page_without_such_runs_has_no_such_section(results, tmp_path):
    from canireuse_reports import build

    page = build(results.model_copy(update={"blocks": {}}), tmp_path / "index.html")
    assert "#blocks" not in page.read_text(encoding="utf-8")
