"""A policy as one caller, action and resource see it: what is left out, what surely applies, what must be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    ANA,
    EVERYTHING,
    GUEST,
    KEY_ARN,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    deny,
    key,
    organization,
    policy,
    with_account,
    words,
    world,
)

from kmssim.evaluator import layers, statements, views
from kmssim.evaluator.caller import find_caller
from kmssim.evaluator.decision import Layer, Verdict
from kmssim.evaluator.pdp import Authorizer
from kmssim.evaluator.questions import OpenQuestions

SECOND_ID = "9999abcd-12ab-34cd-56ef-1234567890ab"
SECOND_ARN = KEY_ARN.rpartition("/")[0] + "/" + SECOND_ID
CALLER = find_caller(world(), caller(WORKER_SESSION))
MAYBE = {"Bool": {"aws:SecureTransport": "true"}}


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


def seen(found, resource=KEY_ARN):
    view = views.view_of(found, CALLER, "kms:Decrypt", resource)
    return view.denies, view.allows, len(view.open_denies), len(view.open_allows)


STATEMENTS = [
    ("identity", allow(), "sure"),
    ("identity", allow("kms:Encrypt"), "out"),
    ("identity", allow("kms:Encrypt", when=MAYBE), "out"),
    ("identity", allow(when=MAYBE), "open"),
    ("identity", allow(on=KEY_ARN), "sure"),
    ("identity", allow(on=SECOND_ARN), "out"),
    ("identity", allow(on=SECOND_ARN, when=MAYBE), "out"),
    ("identity", allow(on=KEY_ARN, when=MAYBE), "open"),
    ("identity", {**without(allow(), "Resource"), "NotResource": SECOND_ARN}, "sure"),
    ("identity", {**without(allow(), "Resource"), "NotResource": KEY_ARN}, "out"),
    ("identity", allow(on="arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"), "open"),
    ("key_policy", allow(to=WORKER), "sure"),
    ("key_policy", allow(to=[GUEST, WORKER]), "sure"),
    ("key_policy", allow(to="*"), "sure"),
    ("key_policy", allow(to=ANA), "out"),
    ("key_policy", allow(to=ANA, when=MAYBE), "out"),
    ("key_policy", allow(to=WORKER, when=MAYBE), "open"),
    ("key_policy", allow(to=ANA, on=KEY_ARN), "out"),
    ("key_policy", allow(to=WORKER, on=KEY_ARN), "open"),  # UN-12
    ("key_policy", without(allow(to=WORKER), "Resource"), "open"),
    ("key_policy", without(allow(to=WORKER), "Action"), "out"),
]


@pytest.mark.parametrize(("kind", "body", "expected"), STATEMENTS)
def test_a_view_leaves_out_what_is_about_others_and_tells_the_sure_from_the_open(kind, body, expected):
    sure, still_open = expected == "sure", int(expected == "open")
    assert seen(policy(kind, body)) == (False, sure, 0, still_open)
    assert seen(policy(kind, {**body, "Effect": "Deny"})) == (sure, False, still_open, 0)


@pytest.mark.parametrize("named", [ANA, WORKER])
def test_a_not_principal_is_always_asked(named):
    """PG-46: it looks at the caller's boundary as well."""
    body = {**deny(), "NotPrincipal": {"AWS": named}}
    assert seen(policy("key_policy", body)) == (False, False, 1, 0)


def test_the_allows_of_a_key_policy_that_are_sure_say_whom_they_trust():
    trusting = policy("key_policy", allow(to=WORKER), allow(to=WORKER, when=MAYBE), deny("kms:Encrypt", to=WORKER))
    assert views.view_of(trusting, CALLER, "kms:Decrypt", KEY_ARN).trust == {("direct", "DA-21")}
    assert views.view_of(trusting, find_caller(world(), caller(ANA)), "kms:Decrypt", KEY_ARN).trust == frozenset()


def test_a_view_is_made_once_and_for_every_caller_where_no_principal_is_named():
    ana = find_caller(world(), caller(ANA))
    own, on_key = policy("identity", allow()), policy("key_policy", allow(to=WORKER))
    first = views.view_of(own, CALLER, "kms:Decrypt", KEY_ARN)
    assert views.view_of(own, CALLER, "kms:Decrypt", KEY_ARN) is first
    assert views.view_of(own, ana, "kms:Decrypt", KEY_ARN) is first
    assert views.view_of(on_key, CALLER, "kms:Decrypt", KEY_ARN).allows
    assert not views.view_of(on_key, ana, "kms:Decrypt", KEY_ARN).allows


def two_keys(**parts):
    return world(key(allow(to=WORKER)), key(allow(to=WORKER), id=SECOND_ID), **parts)


def answers(here, *arns):
    authorizer = Authorizer(here)
    return [words(authorizer.decide(call(parameters={"KeyId": arn}))) for arn in arns]


ALLOWED = ("ALLOW", ("key_policy",), None)


def test_what_a_policy_says_of_one_key_is_not_said_of_the_next():
    """OR-4: an RCP names principals and resources, and is asked of many keys."""
    rcp = deny("kms:Decrypt", to="*", on=KEY_ARN)
    here = with_account(two_keys(organization=organization(rcps=(rcp,))), ACCOUNT, scps=(policy("scp", *EVERYTHING),))
    denied = ("DENY", ("rcp",), "AccessDeniedException")
    assert answers(here, KEY_ARN, SECOND_ARN, KEY_ARN) == [denied, ALLOWED, denied]


def test_a_statement_forgets_its_resources_when_they_are_too_many(monkeypatch):
    monkeypatch.setattr(statements, "_MOST_KEPT", 2)
    many = [SECOND_ID.replace("9999", f"{number:04}") for number in range(5)]
    arns = [SECOND_ARN.replace(SECOND_ID, one) for one in many]
    here = world(*(key(allow(to=WORKER), id=one) for one in many), mine=(deny(on=arns[::2]),))
    denied = ("DENY", ("identity",), "AccessDeniedException")
    assert answers(here, *arns, *arns) == [denied, ALLOWED, denied, ALLOWED, denied] * 2
    (own,) = here.accounts[ACCOUNT].roles["worker"].policies
    assert len(own.statements[0].resource._named) <= 2


def test_a_policy_keeps_so_many_views_and_no_more(monkeypatch):
    monkeypatch.setattr(views, "_MOST_KEPT", 3)
    own = policy("identity", allow())
    kept = []
    for number in range(7):
        views.view_of(own, CALLER, f"kms:Made{number}", KEY_ARN)
        kept.append(len(own.views))
    assert kept == [1, 2, 3, 1, 2, 3, 1]


def evidence_of(authorizer, **context):
    """The mismatch of each statement of the key policy, in words."""
    (permission,) = authorizer.decide(call(parameters={"KeyId": KEY_ARN, "EncryptionContext": context})).permissions
    return [one.mismatch and one.mismatch.found for one in permission.layer(Layer.KEY_POLICY).statements]


@pytest.fixture
def traced(monkeypatch):
    """The statements that were traced."""
    found, real = [], views._trace
    monkeypatch.setattr(views, "_trace", lambda *given: found.append(given[1].sid) or real(*given))
    return found


HR = {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}
WEB = {"StringEquals": {"kms:EncryptionContext:app": "web"}}


def test_a_statement_is_traced_once_for_the_values_of_its_own_keys(traced):
    statements = allow(to=WORKER, when=HR, Sid="hr"), deny(to=WORKER, when=WEB, Sid="web"), allow(to=ANA, Sid="ana")
    authorizer = Authorizer(world(key(*statements)))
    hr_only, web_only = "kms:EncryptionContext:dept = it", "kms:EncryptionContext:app = {}"
    for app in ("a", "b", "c"):
        assert evidence_of(authorizer, dept="it", app=app) == [hr_only, web_only.format(app), WORKER_SESSION]
    assert sorted(traced) == ["ana", "hr", "web", "web", "web"]
    assert evidence_of(authorizer, dept="hr", app="web") == [None, None, WORKER_SESSION]
    assert sorted(traced) == ["ana", "hr", "hr", "web", "web", "web", "web"]


def test_a_statement_with_not_principal_is_traced_for_each_caller(traced):
    """PG-46: of two callers with the same names the one with a boundary is denied."""
    excepting = {**deny(Sid="all"), "NotPrincipal": {"AWS": [ACCOUNT, WORKER, WORKER_SESSION]}}
    free = world(key(allow(to=WORKER, when=HR, Sid="hr"), excepting))
    worker = free.accounts[ACCOUNT].roles["worker"]
    bound = with_account(free, ACCOUNT, roles={"worker": replace(worker, boundary=policy("boundary", allow()))})
    for here, found in ((free, WORKER_SESSION), (bound, None)):
        authorizer = Authorizer(here)
        for dept in ("hr", "it"):
            assert evidence_of(authorizer, dept=dept)[1] == found
    assert sorted(filter(None, traced)) == ["all", "all", "hr", "hr"]


def test_a_trace_that_is_kept_meets_the_open_questions_that_it_met():
    """UN-12: whether the key's own ARN is a Resource of its policy."""
    authorizer = Authorizer(world(key(allow(to=WORKER, on=KEY_ARN))))
    met = []
    for _ in range(2):
        (asked,) = authorizer.requests(call())
        layers.judge_all(asked._replace(traced=True))
        met.append(set(asked.questions.met))
    assert met == [{"UN-12"}] * 2


def test_a_trace_by_another_reading_is_another_one():
    """UN-12, as above."""
    authorizer = Authorizer(world(key(allow(to=WORKER, on=KEY_ARN))))
    (asked,) = authorizer.requests(call())
    otherwise = asked._replace(questions=OpenQuestions(frozenset({"UN-12"})))
    for _ in range(2):
        verdicts = [
            layers.judge_all(one._replace(traced=True))[0][Layer.KEY_POLICY].verdict for one in (asked, otherwise)
        ]
        assert verdicts == [Verdict.ALLOW, Verdict.SILENT]


def test_a_policy_keeps_so_many_traces_and_no_more(monkeypatch):
    monkeypatch.setattr(views, "_MOST_KEPT", 3)
    here = world(key(allow(to=WORKER, when=HR)))
    authorizer = Authorizer(here)
    for number in range(7):
        assert evidence_of(authorizer, dept=str(number)) == [f"kms:EncryptionContext:dept = {number}"]
        assert len(here.keys_by_arn[KEY_ARN].policy.views) <= 3
