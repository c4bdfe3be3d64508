"""Callers whom the policies treat alike share what is found, and nobody else does."""

from __future__ import annotations

import itertools
import random

import pytest
from building import (
    ACCOUNT,
    DELEGATION,
    KEY_ARN,
    OTHER,
    ROOT,
    allow,
    call,
    caller,
    deny,
    document,
    key,
    organization,
    policy,
)

from kmssim.evaluator.pdp import Authorizer, decide
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Session, parse_principal
from kmssim.evaluator.world import Account, Role, User, World

HR = {"StringEquals": {"kms:EncryptionContext:dept": "hr"}}
NAMES = [f"r{number}" for number in range(7)]
LINKED = "aws-service-role/rds.amazonaws.com/linked"
CONTEXTS = [{}, {"dept": "hr"}, {"dept": "it"}, {"dept": "hr", "app": "web"}]
OPERATIONS = ["Decrypt", "Encrypt"]

OWN = (
    document(allow(["kms:Decrypt", "kms:Encrypt"])),
    document(allow("kms:*", when=HR)),
    document(deny("kms:Decrypt", when={"StringEquals": {"kms:EncryptionContext:app": "web"}})),
    document(deny("kms:Encrypt")),
    document(allow("s3:*")),
)
"""The documents of which callers have some, as identity policies, boundaries and session policies."""


def arn_of(name):
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def session_of(name):
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{name.rpartition('/')[2]}/session"


class Drawing:
    """A world of callers who differ in little, drawn from a seed: each is of one of three sorts."""

    def __init__(self, seed):
        self.random = random.Random(seed)  # noqa: S311 - drawn, not secret
        self.sorts = [(self.own(PolicyKind.IDENTITY, 2), self.boundary(), self.session()) for _ in range(3)]

    def own(self, kind, most):
        count = self.random.randint(0, most)
        return tuple(parse_policy(self.random.choice(OWN), kind) for _ in range(count))

    def boundary(self):
        return next(iter(self.own(PolicyKind.BOUNDARY, 1)), None)

    def session(self):
        return Session(self.own(PolicyKind.SESSION, 1))

    def some(self):
        everybody = [*map(arn_of, NAMES), *map(session_of, NAMES), f"arn:aws:iam::{ACCOUNT}:user/u0", OTHER]
        return self.random.sample(everybody, self.random.randint(1, 4))

    def statement(self):
        when = self.random.choice([{}, {}, {"when": HR}])
        to = self.random.choice([ROOT, "*", self.some(), self.some()])
        by_exception = {"NotPrincipal": {"AWS": [*self.some(), *self.some(), ROOT]}}
        return self.random.choice([
            allow(["kms:Decrypt", "kms:Encrypt"], to=to, **when), allow("kms:Decrypt", to=to, **when),
            deny("kms:Decrypt", to=self.some(), **when), deny("kms:Decrypt", **by_exception, **when),
        ])  # fmt: skip

    def world(self):
        linked = f"arn:aws:iam::{ACCOUNT}:role/{LINKED}"
        roles = {name: self.role(arn_of(name), name) for name in NAMES}
        users = {name: self.user(name) for name in ("u0", "u1")}
        on_key = key(*(self.statement() for _ in range(self.random.randint(1, 3))))
        roles["linked"] = self.role(linked, "linked")
        here = Account(ACCOUNT, "root", users=users, roles=roles, keys=(on_key,))
        there = Account(OTHER, "root", roles={"r0": self.role(f"arn:aws:iam::{OTHER}:role/r0", "r0")})
        no_web = deny("kms:Encrypt", when={"StringEquals": {"kms:EncryptionContext:app": "web"}})
        return World({ACCOUNT: here, OTHER: there}, organization=organization(scps=(allow("*"), no_web)))

    def role(self, arn, name):
        policies, boundary, _ = self.random.choice(self.sorts)
        return Role(arn, name, policies=policies, boundary=boundary)

    def user(self, name):
        policies, boundary, _ = self.random.choice(self.sorts)
        return User(f"arn:aws:iam::{ACCOUNT}:user/{name}", name, policies, (), boundary)

    def callers(self):
        roles = [parse_principal(session_of(name), self.random.choice(self.sorts)[2]) for name in NAMES]
        users = [f"arn:aws:iam::{ACCOUNT}:user/u0", f"arn:aws:iam::{ACCOUNT}:user/u1"]
        others = [session_of(LINKED), f"arn:aws:sts::{OTHER}:assumed-role/r0/session", f"arn:aws:iam::{OTHER}:root"]
        return [*roles, *map(parse_principal, (*others, *users, ROOT))]


def asked(principal, operation, context):
    return call(f"kms:{operation}", principal, parameters={"KeyId": KEY_ARN, "EncryptionContext": context})


def hold(seeds):
    """How many questions there are for one of a caller; every decision in a world that knows the other callers is the one in a world that knows nobody else."""
    questions = callers = 0
    for seed in seeds:
        drawing = Drawing(seed)
        world = drawing.world()
        authorizer = Authorizer(world)
        calls = [asked(*one) for one in itertools.product(drawing.callers(), OPERATIONS, CONTEXTS)]
        drawing.random.shuffle(calls)
        for one in calls:
            assert authorizer.decide(one) == decide(world, one), (seed, one)
        questions += len(authorizer._recall._questions)
        callers += len(authorizer._recall._of_callers)
    return questions / callers


def test_callers_who_differ_in_little_are_decided_as_each_for_itself():
    assert hold(range(120)) < 0.9


@pytest.mark.exhaustive
def test_thirty_thousand_calls_of_callers_who_differ_in_little_are_decided_as_each_for_itself():
    assert hold(range(1000, 1300)) < 0.9


def questions_of(world, *principals):
    authorizer = Authorizer(world)
    for principal in principals:
        assert authorizer.decide(asked(principal, "Decrypt", {"dept": "hr"})) == decide(
            world, asked(principal, "Decrypt", {"dept": "hr"})
        )
    return len(authorizer._recall._questions)


def roles_with(*documents, accounts=(ACCOUNT,), **on_key):
    policies = tuple(policy("identity", *one["Statement"]) for one in documents)
    made = {
        account: Account(
            account,
            roles={name: Role(f"arn:aws:iam::{account}:role/{name}", name, policies=policies) for name in ("a", "b")},
            keys=(key(*on_key.get("trusting", DELEGATION)),) if account == ACCOUNT else (),
        )
        for account in accounts
    }
    return World(made)


A, B = caller(session_of("a")), caller(session_of("b"))


def test_two_roles_with_the_same_policies_ask_one_question():
    assert questions_of(roles_with(OWN[0], OWN[2]), A, B) == 1


def test_evidence_of_callers_who_share_a_question_names_each_of_them():
    named = allow("kms:Decrypt", to=arn_of("nobody"))
    authorizer = Authorizer(roles_with(OWN[0], trusting=(*DELEGATION, named)))
    for principal in (A, B, A):
        (permission,) = authorizer.decide(asked(principal, "Decrypt", {})).permissions
        found = [one.mismatch.found for layer in permission.layers for one in layer.statements if one.mismatch]
        assert found == [principal.arn]
    assert len(authorizer._recall._questions) == 1


EXEMPT = {"AWS": [arn_of("a"), session_of("a"), ROOT]}


@pytest.mark.parametrize(
    ("trusting", "questions"),
    [
        ((allow(to=arn_of("a")), allow("kms:Encrypt", to=arn_of("b"))), 2),
        ((allow(to=[arn_of("a"), session_of("b")]),), 2),
        ((allow(to=[arn_of("a"), session_of("b")], when=HR),), 2),
        ((*DELEGATION, deny(NotPrincipal=EXEMPT)), 2),
        ((*DELEGATION, deny("kms:Encrypt", NotPrincipal=EXEMPT)), 1),
    ],
    ids=["one is trusted", "in another form", "in another form, if", "an exception", "an exception to something else"],
)
def test_two_roles_ask_two_questions_if_a_key_policy_tells_them_apart(trusting, questions):
    assert questions_of(roles_with(OWN[0], trusting=trusting), A, B) == questions


def test_roles_of_two_accounts_ask_two_questions():
    world = roles_with(OWN[0], accounts=(ACCOUNT, OTHER), trusting=(allow(to=[ROOT, OTHER]),))
    assert questions_of(world, A, caller(f"arn:aws:sts::{OTHER}:assumed-role/a/session")) == 2
