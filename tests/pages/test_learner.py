"""The list of labs in a learner's folder draws the progress file, and the pages beside it tell what was shipped."""

from __future__ import annotations

import json

import pytest
from page_texts import embedded, words

from kmssim.errors import InputError
from kmssim.labs.checking import check_answer
from kmssim.labs.variants import solution_of
from kmssim.labs.workspace import start
from kmssim.pages.learner import index_of, learner_pages


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Lab 01 solved, 02 solved and then changed, 03 skipped, a hint asked for in 04, which is current."""
    found, _ = start(tmp_path_factory.mktemp("home") / "kmssim-labs")
    labs = found.labs()
    for lab in labs[:2]:
        for edit in lab.read_metadata().edit:
            text = (lab.solution / edit.path).read_text(encoding="utf-8")
            (found.copy_of(lab) / "exercise" / edit.path).write_text(text, encoding="utf-8")
        assert found.note_check(lab, check_answer(found.answer(lab), simulated=False)).digest
    (found.copy_of(labs[1]) / "exercise" / labs[1].read_metadata().edit[0].path).write_text("{}", encoding="utf-8")
    found.note(labs[2], skipped=True)
    found.note(labs[3], hints=1, gave_up=True)
    found.go_to(labs[3])
    return found


@pytest.fixture(scope="module")
def pages(workspace):
    return learner_pages(workspace)


def test_each_lab_says_where_the_learner_stands(workspace, pages):
    page = words(pages[index_of(workspace)])
    assert "1 of 24 labs are done" in page
    for said in ("✓ done, 1 minute", "↻ stale", "» skipped", "○ open, 1 hint, solution seen before, current"):
        assert said in page, said
    assert page.count("○ open") == 24 - 3 + 1  # and once in the legend


def test_what_is_next_can_be_reached(workspace, pages):
    following = workspace.next().id
    assert f'Next: <a href="{following}/index.html">{following}</a>' in pages[index_of(workspace)]


def test_the_page_is_drawn_from_the_data_that_it_embeds(workspace, pages):
    data = embedded(pages[index_of(workspace)])["standing"]
    assert data["done"] == 1
    assert data["labs"]["03_only_the_application"]["standing"] == "skipped"


def test_a_page_of_a_lab_tells_what_was_shipped_whatever_the_learner_wrote(workspace, pages):
    lab = workspace.labs()[1]
    assert pages[workspace.copy_of(lab) / "index.html"] == lab.page.read_text(encoding="utf-8")
    assert solution_of(lab).digest != workspace.answer(lab).digest


def test_a_broken_progress_file_is_told_by_its_path(workspace):
    file = workspace.folder / "kmssim-labs.json"
    known = file.read_text(encoding="utf-8")
    try:
        file.write_text(json.dumps({"format": 1, "labs": []}), encoding="utf-8")
        with pytest.raises(InputError, match=r"kmssim-labs\.json: \$\.labs"):
            learner_pages(workspace)
    finally:
        file.write_text(known, encoding="utf-8")
