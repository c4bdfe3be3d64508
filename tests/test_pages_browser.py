"""The pages in a real browser, from files: they load without a word, fit a phone, and hinder nobody.

Debian's Chromium through playwright, and axe-core for what hinders a screen reader; `.ci/run` brings all three.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from page_texts import GOLDEN, data_of
from test_pages import LESSONS, PAGES, ROOT
from test_pages_audit import NOTHING
from test_pages_live import filled

from kmssim.audit.report import report_json
from kmssim.audit.run import audit_subject, put_off, subject_of
from kmssim.pages.audit_page import audit_page
from kmssim.pages.curriculum import index_page
from kmssim.pages.decision_page import decision_page
from kmssim.pages.live import LivePages

CHROMIUM = os.environ.get("KMSSIM_CHROMIUM") or shutil.which("chromium")
AXE = os.environ.get("KMSSIM_AXE")
PLAYWRIGHT = os.environ.get("KMSSIM_PLAYWRIGHT")
"""A folder with the package, where it is not in this environment."""
if PLAYWRIGHT:
    sys.path.append(PLAYWRIGHT)

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None,
        reason="playwright is not installed: pip install kmssim[browser]",
    ),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (KMSSIM_CHROMIUM names the program)"),
]
PHONE, TABLET, DESK = 360, 900, 1200
"""A tablet is just wide enough for tables that are tables."""


def audited() -> str:
    report = audit_subject(subject_of(LESSONS[2].scenario))
    return audit_page(report_json(put_off([report], None, None), "high"))


_OPEN = {"standing": "open", "hints": 0, "minutes": None, "gave_up": False, "current": False}
_ALL = {"standing": "stale", "hints": 3, "minutes": 90, "gave_up": True, "current": True}
STANDING = {
    "done": 1,
    "next": LESSONS[4].lab.id,
    "labs": dict.fromkeys((lesson.lab.id for lesson in LESSONS), _OPEN)
    | {LESSONS[0].lab.id: {**_OPEN, "standing": "done"}, LESSONS[3].lab.id: _ALL},
}
MADE = {
    **{f"decision_{name}": lambda name=name: decision_page(data_of(name)) for name in GOLDEN},
    "audit": audited,
    "audit_empty": lambda: audit_page(NOTHING),
    "labs_of_a_learner": lambda: index_page(LESSONS, STANDING),
    "live": lambda: filled(10, 9)("")[1],
    "live_empty": lambda: LivePages(10)("")[1],
    "live_missing": lambda: LivePages(10)("decisions/7")[1],
}
DRAWN = [f"decision_{name}" for name in GOLDEN if data_of(name)["permissions"]]
each_page = pytest.mark.parametrize("name", [*(str(path.relative_to(ROOT)) for path in PAGES), *MADE])
# Labs share their parts: what depends on the parts alone is asked of every fourth lab.
each_kind = pytest.mark.parametrize("name", [*(str(path.relative_to(ROOT)) for path in sorted(PAGES)[::4]), *MADE])
each_drawn = pytest.mark.parametrize("name", [str(LESSONS[0].lab.page.relative_to(ROOT)), *DRAWN])


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - where it is not installed, tests are skipped

    with sync_playwright() as playwright:
        # the pages are ours and reach nothing, so a container without user namespaces may run them, too
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser, tmp_path):
    contexts = []

    def open_it(name: str, width: int = DESK, **options):
        path = ROOT / name
        if name in MADE:
            path = tmp_path / "page.html"
            path.write_text(MADE[name](), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.said.append(request.url))
        page.goto(Path(path).as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")


@each_page
def test_a_page_loads_from_a_file_without_an_error_and_asks_for_nothing_else(name, open_page):
    page = open_page(name)
    assert page.said == [page.url]
    assert page.title()


@each_page
def test_nothing_is_wider_than_a_phone(name, open_page):
    assert_within(PHONE, name, open_page)


@each_kind
@pytest.mark.parametrize("width", [TABLET, DESK])
def test_nothing_is_wider_than_the_window(width, name, open_page):
    assert_within(width, name, open_page)


def assert_within(width, name, open_page):
    page = open_page(name, width)
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    beyond = page.evaluate(
        """width => [...document.querySelectorAll('main *, header *, footer *')]
            .filter(each => !each.closest('thead') && each.getClientRects().length)
            .filter(each => each.getBoundingClientRect().right > width + 1)
            .map(each => each.outerHTML.slice(0, 100))""",
        width,
    )
    assert beyond == []


@each_kind
def test_axe_finds_nothing_serious_in_light_and_dark(name, open_page):
    if AXE is None:
        pytest.skip("axe-core is not installed: set KMSSIM_AXE to its axe.min.js")
    page = open_page(name, bypass_csp=True)
    unfold(page)
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    # in the dark only colours differ
    for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("options => axe.run(options)", {"resultTypes": ["violations"], **rules})["violations"]
        nodes = [(each["impact"], each["id"], node["html"]) for each in found for node in each["nodes"]]
        assert [node for node in nodes if node[0] in {"serious", "critical"}] == [], scheme


@each_kind
def test_the_first_tab_offers_to_skip_to_the_content_and_does(name, open_page):
    page = open_page(name)
    page.keyboard.press("Tab")
    focused = page.evaluate_handle("document.activeElement")
    assert focused.evaluate("each => each.textContent") == "Skip to the content"
    assert focused.evaluate("each => each.getBoundingClientRect().left >= 0")
    assert focused.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@each_kind
def test_in_print_what_is_folded_can_be_read_and_links_are_left_out(name, open_page):
    page = open_page(name)
    page.emulate_media(media="print")
    folded = page.evaluate(
        """[...document.querySelectorAll('details:not(.answer) > :not(summary)')]
            .filter(each => !each.closest('details.answer'))
            .filter(each => !each.checkVisibility() || each.getBoundingClientRect().height === 0)
            .map(each => each.outerHTML.slice(0, 100))"""
    )
    assert folded == []
    assert page.evaluate("[...document.querySelectorAll('nav, .skip')].every(each => !each.checkVisibility())")
    assert page.pdf().startswith(b"%PDF-")


@each_drawn
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_word_of_a_drawing_sticks_out_of_its_box(width, name, open_page):
    page = open_page(name, width)
    unfold(page)
    outside = page.evaluate(
        """[...document.querySelectorAll('svg g')].filter(group => group.getClientRects().length).flatMap(group => {
            const box = group.querySelector('rect').getBBox()
            return [...group.querySelectorAll('text')]
                .filter(text => { const its = text.getBBox()
                    return its.x + its.width > box.x + box.width || its.y + its.height > box.y + box.height })
                .map(text => text.textContent)
        })"""
    )
    assert outside == []
    assert page.locator("svg:visible").count() > 0


@each_drawn
def test_a_drawing_is_read_aloud_once_with_its_title_and_words(name, open_page):
    page = open_page(name)
    drawing = page.locator("svg:visible").first
    label = drawing.get_attribute("aria-labelledby")
    described = drawing.get_attribute("aria-describedby")
    assert page.locator(f"#{label}").text_content().startswith("The path of kms:")
    assert "KMS Decision: DENY." in page.locator(f"#{described}").text_content()
    assert page.locator("svg:visible").count() * 2 == page.locator("svg").count()
