"""Grants by the ten thousand: found without going through them, and never one missed (GR-6, GR-20)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    ANA,
    KEY_ARN,
    OTHER,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    decided,
    grant,
    key,
    words,
    world,
)

from kmssim.evaluator import grants as rules_of_grants
from kmssim.evaluator import outcome_grants
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.decision import Layer
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.permissions import legs_of
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Call, service_principal

SERVICE = "logs.us-east-1.amazonaws.com"


class Counted(tuple):
    """A tuple that counts how often an element is read or looked for."""

    __slots__ = ()
    reads = 0

    def __iter__(self):
        for element in super().__iter__():
            Counted.reads += 1
            yield element

    def __getitem__(self, index):
        Counted.reads += 1
        return super().__getitem__(index)

    def __contains__(self, element):
        Counted.reads += len(self)
        return super().__contains__(element)


def numbered(count, make):
    return Counted([replace(make(number), id=f"id-{number}", name=f"grant-{number}") for number in range(count)])


SHAPES = {
    "to as many roles": lambda n: grant("Decrypt", "RetireGrant", to=f"arn:aws:iam::{ACCOUNT}:role/r{n}"),
    "to one role, alike": lambda _n: grant("Decrypt", "RetireGrant"),
    "to one role, each its own exact context": lambda n: grant(
        "Decrypt", constraints={"encryption_context_equals": {"app": "a", "tenant": str(n)}}
    ),
    "to one role, each its own partial context": lambda n: grant(
        "Decrypt", constraints={"encryption_context_subset": {"app": "a", "tenant": str(n)}}
    ),
    "to one role, each for its own source": lambda n: grant("Decrypt", constraints={"source_arn": f"arn:of:{n}"}),
    "to one role, none consistent yet": lambda _n: grant("Decrypt", pending=True),
    "to sessions of one role": lambda n: grant("Decrypt", to=f"{WORKER_SESSION}-{n}"),
}


def operations_of(number):
    """Every call that looks for a grant: using, creating, retiring by token and by id, revoking."""
    by_id = {"KeyId": KEY_ARN, "GrantId": f"id-{number}"}
    context = {"KeyId": KEY_ARN, "EncryptionContext": {"app": "a", "tenant": str(number)}}
    return (
        call(parameters=context),
        call(grant_tokens=(f"id-{number}",)),
        call("kms:Encrypt"),
        call("kms:DescribeKey", principal=ANA),
        call("kms:CreateGrant", parameters={"KeyId": KEY_ARN, "GranteePrincipal": WORKER, "Operations": ["Decrypt"]}),
        call("kms:RetireGrant", parameters=by_id),
        call("kms:RetireGrant", parameters={}, grant_tokens=(f"id-{number}",)),
        call("kms:RevokeGrant", parameters=by_id),
        call("kms:RevokeGrant", parameters={"KeyId": KEY_ARN, "GrantId": "no-such"}),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_after_the_index_is_made_no_call_goes_through_the_grants(shape, monkeypatch):
    held = numbered(3000, SHAPES[shape])
    crowded = world(key(allow(["kms:RevokeGrant", "kms:CreateGrant"], to=WORKER), grants=held))
    looked_at = []
    mismatch = rules_of_grants._mismatch
    monkeypatch.setattr(
        rules_of_grants, "_mismatch", lambda found, *rest: looked_at.append(found) or mismatch(found, *rest)
    )
    decided(crowded, call())
    Counted.reads = 0
    for number in (0, 1500, 2999):
        for one in operations_of(number):
            looked_at.clear()
            trace = decide(crowded, one).permissions[0].layer(Layer.GRANT)
            assert len(trace.grants) <= 10
            assert len(looked_at) <= 60  # a handful, once for each reading of the open questions
    assert Counted.reads == 0


def test_the_last_of_many_is_found():
    for shape in ("to one role, each its own exact context", "to one role, each its own partial context"):
        crowded = world(key(grants=numbered(3000, SHAPES[shape])))
        fits = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"app": "a", "tenant": "2999"}})
        assert words(decided(crowded, fits)) == ("ALLOW", ("grant",), None)
        misses = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"app": "a", "tenant": "3000"}})
        assert words(decided(crowded, misses)) == ("DENY", ("key_policy",), "AccessDeniedException")


def random_grant(chosen: random.Random, number: int):
    pairs = {name: chosen.choice("12") for name in chosen.sample(["a", "A", "b"], chosen.randrange(3))}
    kind = chosen.choice([None, None, "encryption_context_equals", "encryption_context_subset"])
    constraints = {kind: pairs} if kind else {}
    if chosen.random() < 0.3:
        constraints["source_arn"] = chosen.choice(["arn:of:x", "arn:of:y"])
    to = chosen.choice([WORKER, WORKER, WORKER_SESSION, ROOT, ACCOUNT, ANA])
    operations = chosen.sample(["Decrypt", "DescribeKey", "CreateGrant", "Encrypt"], chosen.randrange(1, 4))
    made = grant(*operations, to=to, constraints=constraints, pending=chosen.random() < 0.2, name=f"g{number}")
    if chosen.random() < 0.2:
        made = replace(made, grantee=None, grantee_service=SERVICE)
    return made


def random_call(chosen: random.Random) -> Call:
    pairs = {name: chosen.choice("12") for name in chosen.sample(["a", "A", "b", "c"], chosen.randrange(4))}
    operation = chosen.choice(["Decrypt", "DescribeKey", "CreateGrant", "Encrypt"])
    parameters = {"KeyId": KEY_ARN, "EncryptionContext": pairs}
    if operation == "CreateGrant":
        kind = chosen.choice([None, "EncryptionContextEquals", "EncryptionContextSubset"])
        constraints = {kind: pairs} if kind else {}
        if chosen.random() < 0.4:
            constraints["SourceArn"] = chosen.choice(["arn:of:x", "arn:of:y"])
        wanted = chosen.sample(["Decrypt", "DescribeKey", "Encrypt"], chosen.randrange(1, 3))
        parameters = {"KeyId": KEY_ARN, "GranteePrincipal": ANA, "Operations": wanted, "Constraints": constraints}
    by = chosen.choice([caller(WORKER_SESSION), caller(ANA), service_principal(SERVICE, "arn:of:x", ACCOUNT)])
    tokens = tuple(f"id-of-g{chosen.randrange(12)}" for _ in range(chosen.randrange(2)))
    return call(f"kms:{operation}", by, parameters=parameters, grant_tokens=tokens)


@pytest.mark.parametrize("reading", [frozenset(), frozenset({"UN-3"}), frozenset({"UN-6"})], ids=str)
def test_the_index_misses_no_grant_that_fits(reading):
    """Against the plain way: ask every grant."""
    chosen = random.Random(20260101)  # noqa: S311 - a fixed sequence
    fits = 0
    for _ in range(1500):
        held = tuple(random_grant(chosen, number) for number in range(12))
        where, one = world(key(grants=held)), random_call(chosen)
        who, leg = find_caller(where, one.principal), legs_of(where, one)[0]
        source, questions = one.principal.source_arn, OpenQuestions(reading)
        paths, traces = rules_of_grants.granted_paths(one, who, leg, source, questions)
        plainly = {
            (found.id, limits, to_account)
            for text, limits, to_account in rules_of_grants.grantee_forms(who)
            for found in held
            if found.holder == text and leg.name in found.operations
            if rules_of_grants._mismatch(found, one, leg, source, questions) is None
        }
        found = {(path.grant.id, path.limits, path.to_account) for path in paths}
        assert found <= plainly
        assert {path[1:] for path in found} == {path[1:] for path in plainly}  # of grants that give the same a few do
        assert bool([trace for trace in traces if trace.mismatch is None]) == bool(plainly)
        fits += bool(plainly)
    assert fits > 200


def nearest(held, **parts):
    trace = decided(world(key(grants=held)), call(**parts)).permissions[0].layer(Layer.GRANT)
    return [(one.name, one.mismatch and (one.mismatch.element, one.mismatch.rule)) for one in trace.grants]


def test_a_grant_for_another_operation_is_near():
    assert nearest((grant("Encrypt"),)) == [("a-grant", ("Operations", "GR-20"))]


def test_a_grant_to_another_session_of_the_role_is_near():
    held = (grant("Decrypt", to=ANA, name="to-ana"), grant("Decrypt", to=f"{WORKER_SESSION}-2", name="to-session"))
    assert nearest(held) == [("to-session", ("GranteePrincipal", "GR-21"))]


def test_a_grant_to_somebody_of_the_account_is_the_next_best():
    assert nearest((grant("Decrypt", to=ANA),)) == [("a-grant", ("GranteePrincipal", "GR-20"))]


def test_a_grant_to_another_account_for_another_operation_is_far():
    assert nearest((grant("Encrypt", to=f"arn:aws:iam::{OTHER}:role/guest"),)) == []


def test_a_grant_that_names_the_caller_hides_those_to_others():
    held = (grant("Decrypt", to=ANA, name="to-ana"), grant("Decrypt", pending=True, name="fresh"))
    assert nearest(held) == [("fresh", ("GrantTokens", "GR-50"))]


MOST = 20
NEW_GRANT = {"KeyId": KEY_ARN, "GranteePrincipal": ANA, "Operations": ["Decrypt"]}


@pytest.mark.parametrize(
    ("count", "manager", "parameters", "error"),
    [
        (MOST, "CUSTOMER", NEW_GRANT, "LimitExceededException"),
        (MOST - 1, "CUSTOMER", NEW_GRANT, None),
        (MOST, "AWS", NEW_GRANT, None),
        (MOST, "CUSTOMER", {**NEW_GRANT, "Name": "grant-7", "GranteePrincipal": WORKER}, None),
        (MOST, "CUSTOMER", {**NEW_GRANT, "Name": "grant-7"}, "LimitExceededException"),
    ],
    ids=["full", "nearly full", "no quota on AWS managed keys", "a repetition makes no grant", "same name only"],
)
def test_a_key_holds_so_many_grants_and_no_more(count, manager, parameters, error, monkeypatch):
    """GR-6; a repetition with the same name and parameters returns the grant that is there (GR-7)."""
    assert outcome_grants.MOST_GRANTS == 50_000
    monkeypatch.setattr(outcome_grants, "MOST_GRANTS", MOST)
    held = numbered(count, lambda _n: grant("Decrypt"))
    full = world(key(allow("kms:CreateGrant", to=WORKER), grants=held, manager=manager))
    assert words(decided(full, call("kms:CreateGrant", parameters=parameters))) == ("ALLOW", ("key_policy",), error)


def test_an_account_grantee_is_found_in_every_partition():
    """PG-48: ARNs of the account carry the caller's partition."""
    china = f"arn:aws-cn:iam::{ACCOUNT}:root"
    here = world(key(grants=(grant("Decrypt", to=china),), partition="aws-cn", region="cn-north-1"))
    own = here.accounts[ACCOUNT].keys[0].arn
    asked = {"parameters": {"KeyId": own}, "region": "cn-north-1"}
    assert words(decided(here, call(principal=china, **asked))) == ("ALLOW", ("grant",), None)
    assert words(decided(here, call(principal=ROOT, **asked))) == ("DENY", ("key_policy",), "AccessDeniedException")


@pytest.mark.parametrize("field", ["GranteePrincipal", "RetiringPrincipal"])
@pytest.mark.parametrize("named", [f"arn:aws:iam::{ACCOUNT}:group/staff", "lambda.amazonaws.com", "o-a1b2c3d4e5"])
def test_groups_services_and_organizations_are_no_principals_of_a_grant(field, named):
    """GR-3, with the only code that CreateGrant declares for such an ARN (OP-5)."""
    trusting = world(key(allow("kms:CreateGrant", to=WORKER)))
    asked = call("kms:CreateGrant", parameters={**NEW_GRANT, field: named})
    assert words(decided(trusting, asked)) == ("ALLOW", ("key_policy",), "InvalidArnException")


def test_names_that_differ_in_case_alone_are_an_open_question_for_each_pair():
    """UN-3: two names that fall together stand for two pairs, not for the last of them."""
    held = world(key(grants=(grant("Decrypt", constraints={"encryption_context_subset": {"team": "1"}}),)))
    both = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"Team": "1", "TEAM": "2"}})
    assert decided(held, both).uncertain == ("UN-3",)
    neither = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"Team": "3", "TEAM": "2"}})
    assert decided(held, neither).uncertain == ()


def test_a_grant_without_a_name_is_found_and_told():
    unnamed = grant("Decrypt", name=None)
    assert words(decided(world(key(grants=(unnamed,))))) == ("ALLOW", ("grant",), None)
    assert nearest((unnamed,)) == [(None, None)]


SOURCE = "arn:aws:logs:us-east-1:111122223333:log-group:orders"


def test_a_grant_to_a_service_is_told_once():
    held = replace(grant("Decrypt"), grantee=None, grantee_service=SERVICE)
    assert nearest((held,), principal=service_principal(SERVICE, SOURCE, ACCOUNT)) == [("a-grant", None)]


SPELLINGS = ("Team", "TEAM", "tEam", "teAm", "teaM", "TEam", "TeAm")


def test_of_many_grants_that_do_not_fit_a_few_are_told_and_the_one_that_helps_before_them():
    spelled = tuple(
        grant("Decrypt", name=name, constraints={"encryption_context_equals": {name: "a", "x": "1"}})
        for name in SPELLINGS
    )
    helps = grant("Decrypt", name="helps", constraints={"encryption_context_subset": {"x": "1"}})
    asked = {"parameters": {"KeyId": KEY_ARN, "EncryptionContext": {"team": "a", "x": "1"}}}
    assert nearest(spelled, **asked) == [(name, ("EncryptionContextEquals", "GR-10")) for name in SPELLINGS[:5]]
    assert nearest((*spelled, helps), **asked)[0] == ("helps", None)


def test_of_many_grants_that_fit_a_few_are_told():
    others = ("Encrypt", "DescribeKey", "GenerateDataKey", "CreateGrant", "RetireGrant", "ReEncryptTo", "ReEncryptFrom")
    assert nearest([grant("Decrypt", other, name=other) for other in others]) == [(other, None) for other in others[:5]]


def test_a_parent_grant_is_found_by_the_source_of_the_new_grant():
    """GR-17, UN-6: of as many parents as there are sources the one that the new grant narrows."""
    parents = numbered(
        20, lambda n: grant("CreateGrant", "Decrypt", constraints={"source_arn": SOURCE.replace("orders", f"n{n:02}")})
    )
    for name, uncertain in (("n19", ("UN-6",)), ("n20", ())):
        narrowed = {**NEW_GRANT, "Constraints": {"SourceArn": SOURCE.replace("orders", name)}}
        decision = decided(world(key(grants=parents)), call("kms:CreateGrant", parameters=narrowed))
        assert (decision.allowed, decision.uncertain) == (False, uncertain)


def test_the_last_of_many_fresh_grants_is_usable_with_its_token():
    """GR-50."""
    fresh = world(key(grants=numbered(20, lambda _n: grant("Decrypt", pending=True))))
    assert decided(fresh, call(grant_tokens=("id-19",))).allowed
    assert not decided(fresh, call()).allowed
