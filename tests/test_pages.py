"""The pages draw what the evaluator says, stand alone, and are what the committed files hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.labs import find_labs
from kmssim.pages.build import build_pages, stale_pages

ROOT = Path(__file__).resolve().parent.parent
LABS = find_labs(ROOT / "labs")
PAGES = build_pages(LABS)
each_page = pytest.mark.parametrize("page", PAGES.values(), ids=[str(path.relative_to(ROOT)) for path in PAGES])


def test_every_lab_and_the_list_of_labs_has_a_page():
    assert set(PAGES) == {*(lab.page for lab in LABS), ROOT / "labs" / "index.html"}


def test_the_committed_pages_are_fresh():
    assert stale_pages(PAGES) == {}


def test_a_changed_page_is_stale(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("old")
    assert stale_pages({path: "new"}) == {path: "new"}


@each_page
def test_a_page_refers_to_nothing_outside_its_folder_and_runs_no_script(page):
    assert not re.search(r'(?:src|href)="(?:https?:)?//(?!docs\.aws\.amazon\.com)', page)
    assert "<script" not in page
    assert "Content-Security-Policy" in page


@each_page
def test_a_page_has_a_language_one_heading_and_a_main_landmark(page):
    assert '<html lang="en"' in page
    assert page.count("<h1") == 1
    assert page.count("<main") == 1


def text_of(page: str) -> str:
    """What a reader sees: no tags, entities resolved, blanks folded."""
    body = page.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", "", body)).split())


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_a_page_shows_the_lines_of_every_decision(lab):
    scenario, shown = lab.read_scenario(), text_of(PAGES[lab.page])
    for request in scenario.requests:
        lines = explain(decide(scenario.world, request.call)).lines
        assert " ".join(f"{name}: {text}" for name, text in lines) in shown, request.name


@each_page
def test_a_page_loads_nothing_and_admits_its_own_style_alone(page):
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"\s(?:src|style|on\w+)=", page)
    assert "url(" not in style
    assert "@import" not in style


@each_page
def test_every_link_of_a_page_leads_somewhere(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    folder = next(path for path, text in PAGES.items() if text == page).parent
    for target in re.findall(r'href="([^"]+)"', page):
        assert target[1:] in ids if target.startswith("#") else (folder / target).is_file(), target


@pytest.mark.parametrize("part", ["Governance", "Runtime = source of truth", "OPA = decision authority", "Bridge"])
def test_the_first_page_has_the_parts_of_the_lab(part):
    assert part in PAGES[LABS[0].page]


def test_what_a_lab_says_about_itself_cannot_break_out_of_the_page(tmp_path):
    folder = tmp_path / LABS[0].id
    shutil.copytree(LABS[0].folder, folder)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["title"] = "</title><script>alert(1)</script><img src=x onerror=alert(1)>"
    (folder / "metadata.json").write_text(json.dumps(metadata))
    page = build_pages(find_labs(tmp_path))[folder / "index.html"]
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
