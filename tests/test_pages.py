"""The pages of the labs draw what the evaluator says, stand alone, and are what the committed files hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from page_texts import embedded, shown, words

from kmssim.evaluator.pdp import decide
from kmssim.explain import explain
from kmssim.labs.folder import find_labs
from kmssim.pages.build import lab_page, pages_of, stale_pages
from kmssim.pages.lesson import content, prepare_all
from kmssim.rules import all_rules

ROOT = Path(__file__).resolve().parent.parent
LABS = find_labs(ROOT / "labs")
LESSONS, PROBLEMS = prepare_all(LABS)
PAGES = pages_of(LESSONS)
INDEX = PAGES[ROOT / "labs" / "index.html"]
FIRST = LESSONS[0]
each_page = pytest.mark.parametrize("page", PAGES.values(), ids=[str(path.relative_to(ROOT)) for path in PAGES])
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.lab.id)


def test_every_lab_and_the_list_of_labs_has_a_page():
    assert PROBLEMS == []
    assert set(PAGES) == {*(lab.page for lab in LABS), ROOT / "labs" / "index.html"}


def test_the_committed_pages_are_fresh():
    assert list(stale_pages(PAGES)) == []


def test_a_changed_page_is_stale(tmp_path):
    path = tmp_path / "index.html"
    path.write_text("old")
    assert stale_pages({path: "new"}) == {path: "new"}


@each_page
def test_a_page_refers_to_nothing_outside_its_folder_and_runs_no_script(page):
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    assert set(re.findall(r"<script[^>]*>", page)) <= {
        '<script type="application/json" id="decisions">',
        '<script type="application/json" id="examples">',
    }
    assert "Content-Security-Policy" in page


@each_page
def test_a_page_has_a_language_one_heading_and_a_main_landmark(page):
    assert '<html lang="en"' in page
    assert page.count("<h1") == 1
    assert page.count("<main") == 1


@each_page
def test_a_page_loads_nothing_and_admits_its_own_style_alone(page):
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not re.search(r"\s(?:src|style|on\w+)=", shown(page))
    assert "url(" not in style
    assert "@import" not in style


@each_page
def test_every_link_of_a_page_leads_somewhere(page):
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    folder = next(path for path, text in PAGES.items() if text == page).parent
    for target in re.findall(r'href="([^"]+)"', page):
        assert target[1:] in ids if target.startswith("#") else (folder / target).is_file(), target


@each_lesson
def test_a_page_shows_the_lines_of_every_decision_that_is_not_to_be_predicted(lesson):
    page = words(PAGES[lesson.lab.page])
    for request in lesson.scenario.requests:
        if request.name not in lesson.asked or request.name == lesson.metadata.example.request:
            lines = explain(decide(lesson.scenario.world, request.call)).lines
            assert " ".join(f"{name}: {text}" for name, text in lines) in page, request.name


@each_lesson
def test_a_page_does_not_tell_what_the_learner_is_to_predict(lesson):
    data = embedded(PAGES[lesson.lab.page])["decisions"]
    told = {data["example"]["name"], *(other["name"] for other in data["others"])}
    assert lesson.metadata.example.request in told
    assert not told & (lesson.asked - {lesson.metadata.example.request})


@pytest.mark.parametrize("lesson", [one for one in LESSONS if one.asks_example], ids=lambda lesson: lesson.lab.id)
def test_where_the_example_is_to_be_predicted_its_end_is_behind_a_fold(lesson):
    page = shown(PAGES[lesson.lab.page])
    unfolded = re.sub(r"<details.*?</details>", "", page, flags=re.DOTALL)
    assert len(unfolded) < len(page)
    assert lesson.example["because"] in words(page)
    assert lesson.example["because"] not in words(unfolded)
    assert "Final decision" not in words(unfolded)
    assert "The path of" not in words(unfolded)
    assert f"{lesson.example['name']}: yours to predict" in words(INDEX)


def plain(text):
    return " ".join(text.replace("`", "").split())


@each_lesson
def test_a_page_says_what_is_checked_and_gives_no_reason_or_hint_away(lesson):
    page, known = words(PAGES[lesson.lab.page]), lesson.metadata
    for check in known.checks:
        assert plain(check.claim) in page
    for hint in known.hints:
        assert plain(hint.text) not in page
    if known.task:
        assert plain(known.task) in page
        assert plain(known.story) in page


@each_lesson
def test_a_page_links_no_solution(lesson):
    assert not re.search(r'href="(?:solution|wrong|checks)', PAGES[lesson.lab.page])


MODEL = """
Expand these concepts when studying KMS key policies or explaining data-protection access decisions.
What is a KMS key policy?
Why is KMS different from ordinary resource policies?
What is a KMS grant?
What is encryption context?
What should executives understand?
KMS access is easiest to understand as a cryptographic decision path.
User, role, workload, AWS service, or external account
Principal-side request authority
Key-side trust and usage authority
Encrypt, decrypt, generate data key, or deny
The principal may request kms:Decrypt
The key trusts the principal or account path
Unless grant, context, SCP, or deny blocks it
The principal has an apparent allow
The key does not permit the path
Cryptographic access fails
A grant delegates key usage
Request metadata must match policy expectations
Allow or deny based on context match
A workload role has an IAM policy allowing kms:Decrypt, but the KMS key policy does not trust that role.
IAM policy: kms:Decrypt allowed KMS key policy: workload role not trusted Grant: none
Encryption context: not applicable Final decision: DENY
KMS access often becomes valuable after identity escalation.
A principal that can assume, pass, or chain into a role with KMS authority may gain access to encrypted data.
This lab connects cryptographic access control to the broader L2 authorization model.
This lab is read-only and deterministic.
Runtime = source of truth
OPA = decision authority
Aegis = bounded intelligence
Frontend = rendering only
Does not exploit AWS
Does not mutate infrastructure
Does not deploy live resources
Does not enumerate real keys
Does not decrypt real data
Does not issue runtime tokens
Does not override OPA
AWS · Security · Cryptographic Authorization
Status Intermediate Cloud AWS Domain Security Track L2 Applied
L2 Intermediate Cryptographic authorization Key policy reasoning No live mutation
metadata.json architecture.md index.html
""".strip().splitlines()
"""What the page of the first lab must say, each in its place."""


@pytest.mark.parametrize("part", MODEL)
def test_the_first_page_says_what_a_lab_page_is_to_say(part):
    assert part in words(PAGES[FIRST.lab.page])


@pytest.mark.parametrize("part", [part for part in MODEL if part.startswith(("KMS access", "This lab", "A principal"))])
@each_lesson
def test_every_page_has_the_sentences_that_all_labs_share(part, lesson):
    assert part in words(PAGES[lesson.lab.page])


def test_every_concept_and_layer_names_rules_and_each_of_them_exists():
    texts = content()
    cited = {*re.findall(r"[A-Z]{2}-\d+", " ".join(texts["layers"].values()))}
    for dive in texts["deep_dives"].values():
        assert dive["rules"], dive
        cited |= {*dive["rules"]}
    assert all(re.search(r"\([A-Z]{2}-\d+", text) for text in texts["layers"].values())
    assert cited <= {*all_rules()}


def test_every_concept_is_explained_by_a_lab():
    assert {name for lesson in LESSONS for name in lesson.metadata.deep_dives} == {*content()["deep_dives"]}


def test_the_index_lists_every_lab_in_its_part_and_explains_progress():
    page = words(INDEX)
    places = [page.index(f"{lesson.lab.id[:2]} {lesson.metadata.title}") for lesson in LESSONS]
    assert places == sorted(places)
    for lesson in LESSONS:
        assert f": {lesson.metadata.part}" in page
    for state in ("open", "done", "stale", "skipped"):
        assert f"{state}: " in page


PICTURES = [(0, "ALLOW", {"IAM policy", "KMS key policy"}), (1, "DENY", {"KMS key policy"}), (2, "ALLOW", {"Grant"})]


def test_every_picture_is_tested():
    assert len(content()["pictures"]) == len(PICTURES)


@pytest.mark.parametrize(("number", "decision", "deciding"), PICTURES)
def test_a_picture_is_made_real_by_the_lab_that_it_names(number, decision, deciding):
    picture = content()["pictures"][number]
    lesson = next(lesson for lesson in LESSONS if lesson.lab.id == picture["lab"])
    assert (lesson.example["decision"], set(lesson.example["decided_by"])) == (decision, deciding)
    assert f"This lab shows it: {lesson.example['name']}. {decision}" in words(PAGES[lesson.lab.page])


def leaves(data, path=()):
    if isinstance(data, dict):
        return [leaf for name, value in data.items() for leaf in leaves(value, (*path, name))]
    if isinstance(data, list):
        return [leaf for at, value in enumerate(data) for leaf in leaves(value, (*path, at))]
    return [path]


def altered(data, path):
    """A copy with one leaf changed: a text by a letter, a number by one, a truth value to the other."""
    copy = json.loads(json.dumps(data))
    *way, last = path
    place = copy
    for step in way:
        place = place[step]
    value = place[last]
    place[last] = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value or ''}x"
    return copy


def test_a_changed_byte_of_the_embedded_data_changes_the_picture():
    before = shown(PAGES[FIRST.lab.page])
    assert embedded(PAGES[FIRST.lab.page])["decisions"] == json.loads(json.dumps(FIRST.data))
    undrawn = []
    for path in leaves(FIRST.data["example"]):
        if path[-1] == "mismatch":
            continue  # null where a statement applies: there is no text to change
        lesson = replace(FIRST, example=altered(FIRST.data["example"], path))
        if shown(lab_page(lesson, LESSONS)) == before:
            undrawn.append(path)
    assert undrawn == []


def test_what_a_lab_says_about_itself_cannot_break_out_of_the_page(tmp_path):
    folder = tmp_path / FIRST.lab.id
    shutil.copytree(FIRST.lab.folder, folder)
    evil = "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["title"] = evil
    (folder / "metadata.json").write_text(json.dumps(metadata))
    scenario = json.loads((folder / "scenario.json").read_text())
    scenario["requests"][1]["name"] = evil
    (folder / "scenario.json").write_text(json.dumps(scenario))
    lessons, problems = prepare_all(find_labs(tmp_path))
    page = pages_of(lessons)[folder / "index.html"]
    assert problems == []
    assert page.count("<script") == 1
    assert page.count("</script") == 1
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kmssim", "pages", "build", *arguments], capture_output=True, text=True, check=False
    )


def test_build_writes_what_is_stale_and_check_only_names_it(tmp_path):
    folder = tmp_path / FIRST.lab.id
    shutil.copytree(FIRST.lab.folder, folder)
    (folder / "index.html").write_text("old")
    checked = build(str(tmp_path), "--check")
    assert checked.returncode == 1
    assert f"stale: {folder / 'index.html'}\n" in checked.stdout
    assert (folder / "index.html").read_text() == "old"
    assert build(str(tmp_path)).returncode == 0
    again = build(str(tmp_path), "--check")
    assert (again.returncode, again.stdout) == (0, "")


def test_a_broken_lab_is_told_and_holds_up_no_other(tmp_path):
    for lesson in LESSONS[:2]:
        shutil.copytree(lesson.lab.folder, tmp_path / lesson.lab.id)
    (tmp_path / FIRST.lab.id / "metadata.json").write_text("{}")
    ran = build(str(tmp_path))
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert f"{FIRST.lab.id}/metadata.json" in ran.stderr
    assert (tmp_path / "index.html").is_file()
    assert LESSONS[1].lab.id in (tmp_path / "index.html").read_text()
