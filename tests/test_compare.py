"""Predicted beside simulated: what a row says, and when the two count as different."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import kmssim.compare
from kmssim.compare import compare_scenario, summarize
from kmssim.evaluator.pdp import decide
from kmssim.scenario import load_scenario, parse_scenario
from kmssim.tables import comparisons_json, comparisons_text

ROOT = Path(__file__).resolve().parent.parent
ROLE = "arn:aws:sts::111122223333:assumed-role/app/job"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}


def scenario(*requests: dict, **key):
    roles = {"app": {"policies": {"all": EVERYTHING}}}
    accounts = {"111122223333": {"roles": roles, "keys": {"k": {"aliases": ["alias/k"], **key}}}}
    return parse_scenario({"title": "one key", "accounts": accounts, "requests": list(requests)})


def request(operation: str, expect: dict | None = None, **parameters) -> dict:
    stated = {"expect": expect} if expect else {}
    name = f"{operation} {len(parameters)}"
    return {"name": name, "principal": ROLE, "operation": operation, "parameters": parameters, **stated}


def only_row(*requests: dict, **key):
    (row,) = compare_scenario(scenario(*requests, **key)).rows
    return row


def test_an_allowed_call_is_allowed_in_all_four_answers():
    row = only_row(request("kms:Encrypt", KeyId="alias/k"))
    assert (row.predicted.decision, row.sandbox.decision, row.moto.decision) == ("ALLOW", "ALLOW", "ALLOW")
    assert (row.agrees, row.as_expected, row.moto_differs_because) == (True, None, None)


def test_a_disabled_key_shows_that_moto_checks_no_state():
    row = only_row(request("kms:Encrypt", KeyId="alias/k"), state="Disabled")
    assert row.predicted.error == row.sandbox.error == "DisabledException"
    assert row.moto.error is None
    assert row.moto_differs_because == "moto checks no key state"


def test_requests_do_not_build_on_each_other():
    rows = compare_scenario(
        scenario(
            request("kms:ScheduleKeyDeletion", KeyId=key_id(), PendingWindowInDays=7),
            request("kms:Encrypt", KeyId="alias/k"),
            request("kms:DisableKey", KeyId=key_id()),
            request("kms:Encrypt", KeyId="alias/k", EncryptionContext={"a": "b"}),
        )
    ).rows
    assert [row.sandbox.error for row in rows] == [None, None, None, None]
    assert all(row.agrees for row in rows)


def key_id() -> str:
    return scenario().world.accounts["111122223333"].keys[0].id


def test_a_session_name_of_one_letter_is_a_row_that_no_client_can_make():
    short = {**request("kms:ListKeys"), "principal": "arn:aws:sts::111122223333:assumed-role/app/x"}
    row = only_row(short)
    assert (row.predicted.decision, row.agrees) == ("ALLOW", None)
    for observed in (row.sandbox, row.moto, row.moto_iam):
        assert (observed.decision, observed.error) == (None, None)
        assert observed.message == (
            "no client can make this call: nobody can sign in as arn:aws:sts::111122223333:assumed-role/app/x: "
            "Invalid length for parameter RoleSessionName, value: 1, valid min length: 2 "
            "(change the request's `principal` or `session`)"
        )


def test_parameters_that_botocore_refuses_are_told_in_one_line():
    row = only_row(request("kms:ListKeys", Limit=0, Marker=""))
    assert row.agrees is None
    assert row.sandbox.message == (
        "no client can make this call: Invalid value for parameter Limit, value: 0, valid min value: 1; "
        "Invalid length for parameter Marker, value: 0, valid min length: 1"
    )


def test_a_call_about_no_key_agrees_by_its_error():
    row = only_row(request("kms:Encrypt", KeyId="alias/gone"))
    assert row.predicted.error == row.sandbox.error == "NotFoundException"
    assert row.agrees is True


def test_what_no_client_can_make_is_not_counted_as_a_difference():
    comparison = compare_scenario(scenario(request("kms:DescribeCustomKeyStores")))
    (row,) = comparison.rows
    assert row.sandbox.decision is None
    assert "does not simulate DescribeCustomKeyStores" in row.sandbox.message
    totals = summarize([comparison])
    assert (totals.requests, totals.made, totals.agree, totals.fine) == (1, 0, 0, True)


def test_a_wrong_prediction_is_shown_and_fails(monkeypatch):
    def wrong(world, call):
        decision = decide(world, call)
        return replace(decision, allowed=not decision.allowed)

    monkeypatch.setattr(kmssim.compare, "decide", wrong)
    comparison = compare_scenario(scenario(request("kms:Encrypt", {"decision": "ALLOW"}, KeyId="alias/k")))
    (row,) = comparison.rows
    assert (row.agrees, row.as_expected) == (False, False)
    totals = summarize([comparison])
    assert not totals.fine
    text = comparisons_text([comparison], totals, color=False)
    assert "THE SANDBOX ANSWERED OTHERWISE" in text
    assert "NOT AS THE SCENARIO EXPECTS" in text


def test_colour_is_added_only_when_asked_for(monkeypatch):
    monkeypatch.setattr(kmssim.compare, "agree", lambda *_: False)
    comparison = compare_scenario(scenario(request("kms:Encrypt", KeyId="alias/k")))
    totals = summarize([comparison])
    assert "\x1b" in comparisons_text([comparison], totals, color=True)
    assert "\x1b" not in comparisons_text([comparison], totals, color=False)


def test_the_json_has_the_words_that_tools_read():
    comparison = compare_scenario(
        scenario(request("kms:Encrypt", {"decision": "ALLOW", "error": None}, KeyId="alias/k"))
    )
    data = json.loads(json.dumps(comparisons_json([comparison], summarize([comparison]))))
    (row,) = data["scenarios"][0]["rows"]
    assert {"name", "predicted", "sandbox", "moto", "moto_iam", "agrees", "moto_differs_because"} <= set(row)
    assert row["predicted"] == {"decision": "ALLOW", "layers": ["key_policy", "identity"], "error": None}
    assert row["sandbox"] == {"decision": "ALLOW", "error": None, "message": None}
    totals = data["totals"]
    assert (totals["requests"], totals["agree"], totals["expected"], totals["as_expected"]) == (1, 1, 1, 1)


OF_SERVICES = (
    "services",
    "more-services-guardrails",
    "by_rule/services-2",
    "by_rule/services-2-china",
    "by_rule/combinations-2",
    "by_rule/organization",
    "by_rule/outcomes-3",
)


@pytest.mark.parametrize("name", OF_SERVICES)
def test_every_request_to_s3_and_secrets_manager_is_made_for_real_and_agrees(name: str):
    loaded = load_scenario(ROOT / "tests" / "cases" / f"{name}.json")
    theirs = tuple(one for one in loaded.requests if one.call.service != "kms")
    rows = compare_scenario(replace(loaded, requests=theirs)).rows
    assert theirs
    assert [(row.name, row.predicted, row.sandbox) for row in rows if row.agrees is not True] == []


def test_no_other_case_file_has_requests_to_a_service():
    found = {
        str(path.relative_to(ROOT / "tests" / "cases").with_suffix(""))
        for path in (ROOT / "tests" / "cases").rglob("*.json")
        if any(call in path.read_text(encoding="utf-8") for call in ('"operation": "s3:', '"operation": "secretsm'))
    }
    assert found == set(OF_SERVICES)


def test_a_failure_behind_a_service_shows_that_moto_never_asks_kms():
    names = {"a bucket whose key is disabled", "a secret whose key is disabled"}
    loaded = load_scenario(ROOT / "tests" / "cases" / "more-services-guardrails.json")
    rows = compare_scenario(replace(loaded, requests=tuple(one for one in loaded.requests if one.name in names))).rows
    assert [row.moto_differs_because for row in rows] == [
        "moto's s3 never asks KMS",
        "moto's secretsmanager never asks KMS",
    ]
