"""What is recalled is what would be found anew, whatever was asked before."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from bench import workload
from building import (
    ACCOUNT,
    ANA,
    KEY_ARN,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    deny,
    key,
    policy,
    with_account,
    world,
)

from kmssim.evaluator import layers, open_statements, pdp, recall, views
from kmssim.evaluator.combine import PYTHON, combine
from kmssim.evaluator.decision import Authority, Layer, RuledBy
from kmssim.evaluator.pdp import Authorizer, decide
from kmssim.evaluator.questions import OpenQuestions
from kmssim.evaluator.request import Ciphertext, Network
from kmssim.evaluator.world import VpcEndpoint

MANY, FEW = 100_000, 6_000


def compare(count, seed=11):
    here = workload.world()
    remembering = Authorizer(here)
    for one in workload.calls(count, seed=seed):
        assert remembering.decide(one) == Authorizer(here).decide(one)


def test_a_world_that_remembers_decides_as_one_that_does_not():
    compare(FEW)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(11, 15))
def test_a_world_that_remembers_decides_a_hundred_thousand_calls_as_one_that_does_not(seed):
    compare(MANY // 4, seed)


def counting(monkeypatch):
    asked = []
    real = recall.judge_all
    monkeypatch.setattr(recall, "judge_all", lambda one: asked.append(one) or real(one))
    return asked


def test_layers_are_asked_once_for_each_answer_of_the_open_conditions(monkeypatch):
    asked = counting(monkeypatch)
    when = {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}
    authorizer = Authorizer(world(key(allow("kms:Decrypt", to=WORKER, when=when))))

    def word(dept):
        return authorizer.decide(call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"dept": dept}})).word

    assert [word(dept) for dept in ("hr", "it", "ops", "hr", "law")] == ["ALLOW", "DENY", "DENY", "ALLOW", "DENY"]
    assert len(asked) == 2


def test_what_else_a_layer_looks_at_makes_another_question():
    here = world(key(allow("kms:*", to=WORKER)))
    endpoint = VpcEndpoint("vpce-1", ACCOUNT, "vpc-1", Authorizer(here).world.keys_by_arn[KEY_ARN].policy)
    shut = replace(here, vpc_endpoints={"vpce-1": endpoint})
    authorizer, through = Authorizer(shut), Network(vpc_endpoint="vpce-1")
    calls = [
        call(network=through), call(), call(network=through, via="s3.us-east-1.amazonaws.com"),
        call("kms:Encrypt", network=through), call(principal=caller(f"arn:aws:iam::{ACCOUNT}:root")),
    ]  # fmt: skip
    for one in (*calls, *reversed(calls)):
        assert authorizer.decide(one) == decide(shut, one)


@pytest.mark.parametrize(
    "statement",
    [
        allow("kms:*", to=WORKER, on=f"{KEY_ARN[:-4]}*"),
        allow("kms:*", to=WORKER, when={"Null": {"kms:EncryptionContext:dept": "false"}}),
        allow("kms:*", to=WORKER, when={"StringEquals": {"aws:username": "${aws:PrincipalTag/name}"}}),
        allow("kms:*", to=WORKER, when={"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "dept"}}),
        allow("kms:*", to=WORKER, when={"StringEquals": {"aws:ResourceTag/dept": "hr"}}),
        allow("kms:*", to=WORKER, when={"StringNotEquals": {"kms:EncryptionContext:dept": "it"}}),
    ],
    ids=["resource", "null", "variable", "several values", "tag", "absent"],
)
def test_conditions_that_look_at_more_than_one_text_are_asked_in_full(statement):
    here = world(key(statement, allow("kms:DescribeKey", to="*")))
    authorizer = Authorizer(here)
    contexts = [None, {"dept": "hr"}, {"dept": "it"}, {"Dept": "hr", "dept": "it"}]
    for context in contexts * 2:
        parameters = {"KeyId": KEY_ARN, **({"EncryptionContext": context} if context else {})}
        one = call(parameters=parameters)
        assert authorizer.decide(one) == decide(here, one)


def test_not_principal_is_asked_in_full():
    here = world(key(allow("kms:*", to=WORKER), deny("kms:Decrypt", NotPrincipal={"AWS": [WORKER, WORKER_SESSION]})))
    authorizer = Authorizer(here)
    for one in (call(), call(), call(principal=caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/other"))):
        assert authorizer.decide(one) == decide(here, one)


def test_a_world_forgets_its_questions_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(recall, "_MOST_KEPT", 2)
    authorizer = Authorizer(world(key(allow("kms:*", to=WORKER))))
    names = ["Decrypt", "Encrypt", "DescribeKey", "ListGrants"]
    assert [authorizer.decide(call(f"kms:{name}")).word for name in names * 2] == ["ALLOW"] * 8
    assert len(authorizer._recall._of_callers) <= 2


def test_what_is_remembered_of_a_caller_that_is_gone_is_not_said_of_the_next(monkeypatch):
    """One that is made after another was let go may stand where that stood in memory."""
    monkeypatch.setattr(pdp, "_CALLERS_KEPT", 1)
    authorizer = Authorizer(world(key(allow("kms:Decrypt", to=WORKER))))
    words = [authorizer.decide(call(principal=one)).word for one in (WORKER_SESSION, ANA) * 50]
    assert words == ["ALLOW", "DENY"] * 50


def test_the_open_questions_that_were_met_are_recalled_too():
    """UN-28: whether a silent boundary limits a statement that names the role."""
    here = world(key(allow(to=WORKER)), boundary=(allow("s3:*"),))
    authorizer = Authorizer(here, PYTHON)
    found = [authorizer.decide(call()).uncertain for _ in range(3)]
    assert found == [("UN-28",)] * 3


def test_a_question_that_is_read_otherwise_is_another_one():
    """UN-28, as above: what was found by the default reading is not found by the other."""
    here = world(key(allow(to=WORKER)), boundary=(allow("s3:*"),))
    authorizer = Authorizer(here)
    (asked,) = authorizer.requests(call())
    otherwise = asked._replace(questions=OpenQuestions(frozenset({"UN-28"})))
    found = [authorizer.rule(one).allowed for one in (asked, otherwise) * 2]
    assert found == [False, True] * 2


def test_a_question_that_an_earlier_part_of_the_same_call_met_is_recalled_for_later_calls():
    """UN-28 is met for both keys of the first call; in the second one only what is recalled of the last key meets it."""
    ids = [f"1234abcd-12ab-34cd-56ef-12345678900{number}" for number in range(3)]
    arns = [KEY_ARN.replace(KEY_ARN.rpartition("/")[2], one) for one in ids]
    named = [WORKER, WORKER, WORKER_SESSION]
    keys = [key(allow(to=to), id=one) for to, one in zip(named, ids, strict=True)]
    here = world(*keys, boundary=(allow("s3:*"),))
    authorizer = Authorizer(here)

    def from_one_to_another(source, destination):
        parameters = {"DestinationKeyId": arns[destination]}
        return authorizer.decide(call("kms:ReEncrypt", parameters=parameters, ciphertext=Ciphertext(arns[source])))

    assert from_one_to_another(0, 1).uncertain == ("UN-28",)
    assert from_one_to_another(2, 1).uncertain == ("UN-28",)


def test_evidence_is_written_down_once_for_what_each_open_condition_comes_to(monkeypatch):
    asked = counting(monkeypatch)
    when = {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}
    authorizer = Authorizer(world(key(allow("kms:Decrypt", to=WORKER, when=when))))

    def found(**context):
        parameters = {"KeyId": KEY_ARN, "EncryptionContext": context}
        (trace,) = authorizer.decide(call(parameters=parameters)).permissions
        (statement,) = trace.layer(Layer.KEY_POLICY).statements
        return statement.mismatch.found if statement.mismatch else None

    many = [{"dept": "hr"}, {"dept": "it"}, {"dept": "ops"}, {"app": "it"}, {"dept": "it", "app": "x"}, {"dept": "hr"}]
    key_name = "kms:EncryptionContext:dept"
    it, ops, absent = f"{key_name} = it", f"{key_name} = ops", f"{key_name} is absent"
    assert [found(**context) for context in many] == [None, it, ops, absent, it, None]
    assert sum(one.traced for one in asked) == sum(not one.traced for one in asked) == 2


def test_only_the_layer_that_has_something_else_to_tell_is_asked_again(monkeypatch):
    asked = []
    for layer, judge in layers.JUDGES.items():
        monkeypatch.setitem(
            layers.JUDGES, layer, lambda one, layer=layer, judge=judge: asked.append(layer) or judge(one)
        )
    when = {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}
    authorizer = Authorizer(world(key(allow(to=ROOT)), mine=(allow(on="*"), deny(on="*", when=when))))
    (question,) = authorizer.requests(asked_with("it"))
    before = authorizer.trace(question).evidence.layers
    asked.clear()
    (question,) = authorizer.requests(asked_with("ops"))
    after = authorizer.trace(question).evidence.layers
    assert asked == [Layer.IDENTITY]
    found = [[one.mismatch and one.mismatch.found for one in each.statements] for each in (before[5], after[5])]
    assert found == [[None, f"kms:EncryptionContext:dept = {dept}"] for dept in ("it", "ops")]
    assert [each for each in before if each.layer is not Layer.IDENTITY] == [
        each for each in after if each.layer is not Layer.IDENTITY
    ]


def test_a_world_forgets_its_evidence_when_there_is_too_much(monkeypatch):
    monkeypatch.setattr(recall, "_MOST_VALUES", 4)  # a decision takes one, its evidence another
    authorizer = Authorizer(world(key(allow("kms:*", to=WORKER))))
    for name in ["Decrypt", "Encrypt", "DescribeKey", "ListGrants"] * 2:
        (trace,) = authorizer.decide(call(f"kms:{name}")).permissions
        assert trace.layer(Layer.KEY_POLICY).statements[0].applies
        assert len(authorizer._recall._told_by_values) <= 2
        assert len(authorizer._recall._told_by_answers) <= 2


def asked_with(dept):
    return call(parameters={"KeyId": KEY_ARN, "EncryptionContext": {"dept": dept}})


WHEN_HR = allow("kms:Decrypt", to=WORKER, when={"StringLike": {"kms:EncryptionContext:dept": ["hr*", "h?"]}})


def test_the_same_texts_are_not_compared_again(monkeypatch):
    compared = []
    real = open_statements._unmet_line
    monkeypatch.setattr(open_statements, "_unmet_line", lambda *given: compared.append(given) or real(*given))
    authorizer = Authorizer(world(key(WHEN_HR)))
    for _ in range(3):
        assert [authorizer.decide(asked_with(dept)).word for dept in ("hr-1", "it", "hr-2")] == [
            "ALLOW",
            "DENY",
            "ALLOW",
        ]
    assert len(compared) == 3
    for _ in range(3):
        found = [authorizer.decide(asked_with(dept)).permissions[0].evidence for dept in ("hr-1", "it")]
        assert [one.layers[0].layer for one in found]
        assert found[1].context["kms:encryptioncontext:dept"] == "it"
    assert len(compared) == 5


@pytest.mark.parametrize(
    "statement",
    [
        allow("kms:Decrypt", on=KEY_ARN.rpartition("/")[0] + "/${kms:EncryptionContext:id}"),
        allow("kms:Decrypt", on="*", when={"StringEquals": {"kms:EncryptionContext:id": "${kms:EncryptionContext:dept}"}}),
        allow("kms:Decrypt", on="*", when={"StringLike": {"kms:EncryptionContextKeys": ["i?", "x"]}}),
    ],
    ids=["resource", "condition", "several values"],
)  # fmt: skip
def test_what_variables_stand_for_is_among_the_values(statement):
    delegating = allow("kms:*", to=ROOT)
    here = world(key(delegating), mine=(statement,))
    authorizer = Authorizer(here)
    ids = (KEY_ARN.rpartition("/")[2], "other", "hr")
    contexts = [{"id": one, "dept": dept} for one in ids for dept in ("hr", "other")] + [{"dept": "hr"}, {"ID": "hr"}]
    decisions = []
    for context in contexts * 2:
        one = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": context})
        decisions.append(authorizer.decide(one))
        assert decisions[-1] == decide(here, one)
        assert decisions[-1].permissions[0].evidence == decide(here, one).permissions[0].evidence
    assert {decision.allowed or bool(decision.uncertain) for decision in decisions} == {True, False}


def test_an_open_question_that_only_the_values_meet_is_not_lost():
    """UN-32: no context at all comes to the same as one with the key, on which hangs more."""
    here = world(key(allow("kms:Decrypt", to=WORKER, when={"StringEquals": {"kms:EncryptionContextKeys": "dept"}})))
    authorizer = Authorizer(here)
    for _ in range(2):
        assert authorizer.decide(call()).uncertain == ()
        assert authorizer.decide(asked_with("hr")).uncertain == ("UN-32",)


def test_values_that_a_library_states_as_a_list_are_recalled_as_well():
    statement = allow("kms:Decrypt", to=WORKER, when={"ForAnyValue:StringEquals": {"aws:TagKeys": "dept"}})
    authorizer = Authorizer(world(key(statement)))
    words = [authorizer.decide(call(context={"aws:tagkeys": keys})).word for keys in (["dept"], ["x"], ["dept", "x"])]
    assert words == ["ALLOW", "DENY", "ALLOW"]


def test_a_world_forgets_what_came_of_values_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(recall, "_MOST_VALUES", 5)
    authorizer = Authorizer(world(key(WHEN_HR)))
    for number in range(20):
        assert authorizer.decide(asked_with(f"hr-{number}")).allowed
        assert not authorizer.decide(asked_with(f"it-{number}")).allowed
        kept = [len(question.by_values) for question in authorizer._recall._questions.values()]
        assert sum(kept) <= 5


def test_values_that_are_more_than_texts_are_read_each_time():
    """Names that differ in case only, in one request and not in the next."""
    here = world(key(WHEN_HR))
    authorizer = Authorizer(here)
    contexts = [{"dept": "hr-1"}, {"dept": "hr-1", "Dept": "it"}, {"Dept": "hr-1"}, {"dept": "it", "DEPT": "hr-1"}]
    for context in contexts * 3:
        one = call(parameters={"KeyId": KEY_ARN, "EncryptionContext": context})
        assert authorizer.decide(one) == decide(here, one)
        assert authorizer.decide(one).permissions[0].evidence == decide(here, one).permissions[0].evidence


def test_what_is_remembered_does_not_travel_between_processes():
    """Callers are known by their identity, which is another one there."""
    authorizer = Authorizer(world(key(allow("kms:*", to=WORKER))), Authority(RuledBy("python"), combine))
    decision = authorizer.decide(call())
    there = pickle.loads(pickle.dumps(decision))  # noqa: S301 - written a moment ago
    assert there == decision
    assert there.permissions[0].evidence == decision.permissions[0].evidence
    assert pickle.loads(pickle.dumps(authorizer._recall))._questions == {}  # noqa: S301


def test_one_change_to_a_world_compiles_again_what_changed_and_nothing_else(monkeypatch):
    made = []
    real = views._make
    monkeypatch.setattr(views, "_make", lambda policy, *rest: made.append(policy) or real(policy, *rest))
    own = (allow("kms:Decrypt", on=KEY_ARN), deny("s3:*"))
    here = world(key(allow(to=ROOT)), mine=own, boundary=(allow("kms:*"),))
    assert Authorizer(here).decide(call()).allowed
    on_key, role = here.keys_by_arn[KEY_ARN].policy, here.accounts[ACCOUNT].roles["worker"]
    assert {id(one) for one in made} == {id(one) for one in (on_key, role.boundary, *role.policies)}
    made.clear()
    changed = (policy("identity", allow("kms:Encrypt")),)
    after = with_account(here, ACCOUNT, roles={"worker": replace(role, policies=changed)})
    assert not Authorizer(after).decide(call()).allowed
    assert made == list(changed)
