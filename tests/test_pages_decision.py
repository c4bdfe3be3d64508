"""The page of a decision is a function of the data that it embeds: golden texts, and nothing that is not drawn."""

from __future__ import annotations

import json
import re

import pytest
from page_texts import GOLDEN, SCENARIO, blocks, data_of, embedded, golden, shown, words
from test_cli import kmssim, refused
from test_pages import altered, leaves

from kmssim.evaluator.combine import PYTHON
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.match import ELEMENTS
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Call, parse_principal
from kmssim.evaluator.world import Account, Key, Role, World
from kmssim.explain import explain
from kmssim.pages.decision_data import decision_data, ruled_by
from kmssim.pages.decision_page import decision_page

FILE = "tests/pages/every_layer.json"
each_decision = pytest.mark.parametrize("name", GOLDEN)
COMPARISON = {
    "predicted": {"decision": "DENY", "layers": ["key_policy"], "error": "AccessDeniedException"},
    "sandbox": {"decision": "DENY", "error": "AccessDeniedException", "message": "no"},
    "moto": {"decision": "ALLOW", "error": None, "message": None},
    "moto_iam": {"decision": "DENY", "error": "403", "message": "no"},
    "agrees": True,
    "moto_differs_because": "moto evaluates no key policy",
}


def whole_data(name):
    """With what a page may have besides the decision itself."""
    decision = decide(SCENARIO.world, SCENARIO.request(GOLDEN[name]).call, PYTHON)
    beside = {"ruled_by": {"authority": "rego", "engine": "regopy", "policy": "0123456789ab"}, "back": "../"}
    return {**decision_data(GOLDEN[name], decision, "every_layer.json"), **beside, "comparison": COMPARISON}


@each_decision
def test_the_words_of_the_page_are_the_golden_ones(name):
    assert blocks(decision_page(data_of(name))) == golden(name).read_text(encoding="utf-8").splitlines()


@each_decision
def test_a_page_is_made_from_its_own_data_alone(name):
    page = decision_page(whole_data(name))
    assert decision_page(embedded(page)["decision"]) == page


NOT_DRAWN = re.compile(
    r"comparison/(?:predicted/layers|(?:sandbox|moto|moto_iam)/message)"  # where the table says how a call ended
    r"|.*/mismatch"  # null where a statement applies
)


@each_decision
def test_a_changed_byte_of_the_embedded_data_changes_the_picture(name):
    data = whole_data(name)
    before = shown(decision_page(data))
    undrawn = [
        "/".join(map(str, path))
        for path in leaves(data)
        if not NOT_DRAWN.match("/".join(map(str, path))) and shown(decision_page(altered(data, path))) == before
    ]
    if data["permissions"]:
        assert undrawn == []
    else:  # nothing was drawn from the caller to the key, and the table says "not reached"
        assert {path.partition("/")[0] for path in undrawn} <= {"who", "comparison"}


@pytest.mark.parametrize("verdict", ["allow", "silent", "not_applicable", "deny"])
def test_another_verdict_in_the_data_draws_another_box(verdict):
    data = json.loads(json.dumps(data_of("denied_explicitly")))
    data["permissions"][0]["layers"][0]["verdict"] = verdict
    drawing = re.search(r'<svg class="drawing across".*?</svg>', decision_page(data), re.DOTALL)[0]
    second = re.findall(r'<g class="box ([a-z_]+)', drawing)[1]
    assert second == verdict


def test_every_layer_that_applies_stands_on_the_path_and_those_that_decided_have_a_thick_frame():
    drawing = re.search(r'<svg class="drawing across".*?</svg>', decision_page(data_of("denied_explicitly")), re.DOTALL)
    boxes = re.findall(r'<g class="box ([a-z_ ]+)"', drawing[0])
    assert len(boxes) == 1 + 8 + 1
    assert [box for box in boxes if box.endswith("decides")] == ["deny decides", "deny decides"]


@each_decision
def test_the_page_says_what_the_explanation_says(name):
    explanation = explain(decide(SCENARIO.world, SCENARIO.request(GOLDEN[name]).call))
    page = words(decision_page(data_of(name)))
    assert explanation.because in page
    for label, text in explanation.lines:
        assert f"{label}: {text}" in page


def test_each_statement_says_what_matched_and_what_did_not():
    statements = {
        statement["sid"]: statement
        for layer in data_of("denied_explicitly")["permissions"][0]["layers"]
        for statement in layer["statements"]
    }
    describe = statements["DescribeEverything"]
    assert (describe["matched"], describe["mismatch"]["element"], describe["unasked"]) == ([], "Action", ["Resource"])
    regions = statements["OnlyOurRegions"]
    assert (regions["matched"], regions["mismatch"]["element"]) == (["Action", "Resource"], "Condition")
    denial = statements["NobodyOutsideOfTheNightlyRun"]
    assert denial["matched"] == ["Principal", "Action", "Resource", "Condition"]
    assert denial["applies"]


def test_a_policy_that_stands_at_several_levels_is_shown_once():
    found = [
        statement["times"]
        for layer in data_of("denied_explicitly")["permissions"][0]["layers"]
        for statement in layer["statements"]
        if statement["where"].startswith("FullAWSAccess")
    ]
    assert found == [3]


def test_text_that_a_caller_chose_cannot_break_out():
    data = {**data_of("never_authorized"), "name": "</script><script>alert(1)</script>", "caller": '"><img src=x>'}
    page = decision_page(data)
    assert page.count("<script") == 1
    assert page.count("</script") == 1
    assert "<img" not in page
    assert embedded(page)["decision"]["name"] == data["name"]


def test_who_ruled_is_told():
    decision = decide(SCENARIO.world, SCENARIO.requests[0].call, PYTHON)
    page = decision_page({**decision_data("", decision), "ruled_by": ruled_by(decision)})
    assert "The layers were joined by the decision authority: python." in words(page)


def test_the_verb_writes_a_page_with_what_moto_alone_says(tmp_path):
    out = tmp_path / "page.html"
    request = GOLDEN["denied_explicitly"]
    ran = kmssim("pages", "decision", FILE, "--request", request, "--compare", "--out", str(out))
    assert (ran.returncode, ran.stdout) == (0, f"written: {out}\n"), ran.stderr
    page = words(out.read_text(encoding="utf-8"))
    assert "Simulated in the sandbox DENY AccessDeniedException moto alone ALLOW success" in page
    assert "The prediction and the sandbox agree." in page
    assert "Why moto alone ends otherwise: moto evaluates no key policy." in page


def test_without_a_file_the_page_goes_to_standard_output():
    ran = kmssim("pages", "decision", FILE, "--request", GOLDEN["never_authorized"])
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("<!doctype html>\n")
    assert "No layer was asked" in ran.stdout


def test_an_unknown_request_is_named_with_those_that_are_near():
    assert "no request is named" in refused(kmssim("pages", "decision", FILE, "--request", "the worker"))


def test_a_page_that_cannot_be_written_is_a_message(tmp_path):
    where = str(tmp_path / "no" / "page.html")
    ran = kmssim("pages", "decision", FILE, "--request", GOLDEN["never_authorized"], "--out", where)
    assert "cannot write" in refused(ran)


def test_elements_are_looked_at_in_the_order_that_the_page_takes():
    right = {
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/worker"},
        "Action": "kms:Decrypt",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/other"},
        "Action": "kms:Encrypt",
        "Resource": "arn:aws:kms:us-east-1:111122223333:key/other",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    first = []
    while len(first) <= len(ELEMENTS):
        key = Key("k", "us-east-1", "111122223333", parse_policy({"Statement": statement}, PolicyKind.KEY_POLICY))
        role = Role("arn:aws:iam::111122223333:role/worker", "worker")
        world = World({"111122223333": Account("111122223333", roles={"worker": role}, keys=(key,))})
        caller = parse_principal("arn:aws:sts::111122223333:assumed-role/worker/job")
        decision = decide(world, Call(caller, "kms:Decrypt", "us-east-1", {"KeyId": key.arn}))
        (traced,) = decision.permissions[0].layer(Layer.KEY_POLICY).statements
        if traced.mismatch is None:
            break
        first.append(traced.mismatch.element)
        statement = {**statement, first[-1]: right[first[-1]]}
    assert tuple(first) == ELEMENTS
