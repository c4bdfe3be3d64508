"""The index of a key's grants is held to a plain scan, however it came about: built, or by one change after another."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import groupby

import pytest
from building import ACCOUNT, ANA, ROOT, WORKER, WORKER_SESSION, grant, key
from hypothesis import given, settings
from hypothesis import strategies as st

from kmssim.evaluator import persistent
from kmssim.evaluator.grant_index import FEW, WITH_CONTEXT, Grant, GrantIndex, fold, index_after, kin_of
from kmssim.evaluator.persistent import PersistentMap, alone, extended, reduced, things_of

SERVICE = "logs.us-east-1.amazonaws.com"
HOLDERS = (WORKER, WORKER_SESSION, f"{WORKER_SESSION}-2", ANA, ROOT, ACCOUNT, SERVICE, f"arn:aws:iam::{ACCOUNT}:role")
OPERATIONS = ("Decrypt", "DescribeKey", "CreateGrant")
SOURCES = (None, "arn:of:x", "arn:of:y")

contexts = st.dictionaries(st.sampled_from("aAbc"), st.sampled_from("12"), max_size=3)


@pytest.fixture(scope="module", autouse=True)
def _small_parts():
    """A few grants already fill blocks and make rows of parts."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(persistent, "_BLOCK", 4)
        patched.setattr(persistent, "_SMALL", 3)
        yield


@st.composite
def grants(draw):
    holder = draw(st.sampled_from(HOLDERS))
    kind = draw(st.sampled_from([None, None, "encryption_context_equals", "encryption_context_subset"]))
    constraints = {kind: draw(contexts)} if kind else {}
    source = draw(st.sampled_from(SOURCES))
    if source:
        constraints["source_arn"] = source
    operations = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=2, unique=True))
    made = grant(*operations, to=holder, constraints=constraints, pending=draw(st.integers(0, 5)) == 0)
    made = replace(made, name=draw(st.sampled_from([None, "n", "m"])))
    return replace(made, grantee=None, grantee_service=holder) if holder == SERVICE else made


def numbered(made):
    return tuple(replace(one, id=f"id-{number}") for number, one in enumerate(made))


many_grants = st.lists(grants(), max_size=30).map(numbered)
requests = st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(HOLDERS), st.sampled_from(SOURCES), contexts)


def kind_of(one: Grant):
    equals, subset = one.constraints.encryption_context_equals, one.constraints.encryption_context_subset
    return ("equals", equals) if equals is not None else ("subset", subset) if subset else ("free", {})


def can_fit(one: Grant, operation, holder, source, pairs):
    if one.pending or one.holder != holder or operation not in one.operations:
        return False
    if one.constraints.source_arn is not None and source not in (None, one.constraints.source_arn):
        return False
    kind, wanted = kind_of(one)
    if kind == "free" or operation not in {*WITH_CONTEXT, "CreateGrant"}:
        return True
    return fold(wanted) == fold(pairs) if kind == "equals" else fold(wanted) <= fold(pairs)


def plainly_fitting(held, operation, holder, source, pairs):
    """The least constrained first, then in order; of those that ask for the very same a few."""
    found = [one for one in held if can_fit(one, operation, holder, source, pairs)]
    bound = operation in {*WITH_CONTEXT, "CreateGrant"}

    def constrained(one):
        kind, wanted = kind_of(one)
        context = (("free", "equals", "subset").index(kind), len(fold(wanted)), sorted(fold(wanted)))
        return (one.constraints.source_arn is not None, *(context if bound else ()))

    def sort(one):
        kind, wanted = kind_of(one)
        return set(one.operations), wanted if bound else (kind, len(fold(wanted)) if kind == "subset" else 0)

    told = []
    for _, alike in groupby(sorted(found, key=constrained), constrained):
        seen = []
        for one in alike:
            if seen.count(sort(one)) < FEW:
                told.append(one)
            seen.append(sort(one))
    return told


def check(index: GrantIndex, held, request):
    operation, holder, *_ = request
    assert index.that_can_fit(*request) == plainly_fitting(held, *request)
    named = [one for one in held if one.holder == holder]
    lists = [one for one in held if operation in one.operations]
    assert index.holding(None, holder) == named[:FEW]
    assert index.holding(operation, holder) == [one for one in lists if one in named][:FEW]
    for relation in kin_of(holder):
        assert index.of_kin(operation, relation) == [one for one in lists if relation in kin_of(one.holder)][:FEW]
    assert len(index) == len(held)
    for name in ("n", "m", "no-such"):
        assert index.named(name) == [one for one in held if one.name == name]
    for number in range(40):
        assert index.find(f"id-{number}") == next((one for one in held if one.id == f"id-{number}"), None)


def index_of(held):
    return GrantIndex().changed(added=held)


@given(many_grants, requests)
def test_an_index_finds_what_a_plain_scan_finds(held, request_):
    check(index_of(held), held, request_)


@settings(max_examples=200)
@given(many_grants, st.data())
def test_after_every_change_the_old_index_and_the_new_one_find_what_a_plain_scan_finds(made, data):
    """Grants come one by one and go in any order."""
    waiting, held, index = list(made), (), GrantIndex()
    versions = [(index, held)]
    for _ in range(data.draw(st.integers(0, 2 * len(made)), "steps")):
        if held and (not waiting or data.draw(st.booleans(), "one goes")):
            gone = data.draw(st.sampled_from(held), "gone")
            index, held = index.without(gone.id), tuple(one for one in held if one is not gone)
        elif waiting:
            index, held = index.with_grant(waiting[0]), (*held, waiting.pop(0))
        versions.append((index, held))
    request_ = data.draw(requests, "request")
    for one, grants_then in versions:
        check(one, grants_then, request_)


@settings(max_examples=200)
@given(many_grants, st.data(), requests)
def test_an_index_follows_from_any_other_by_the_difference(made, data, request_):
    """Whatever went, came or changed its place."""
    before = tuple(data.draw(st.lists(st.sampled_from(made), unique_by=id))) if made else ()
    after = tuple(data.draw(st.lists(st.sampled_from(made), unique_by=id))) if made else ()
    check(index_after(index_of(before), before, after), after, request_)


def test_a_grant_that_is_not_there_is_taken_out_without_a_change():
    index = index_of((grant("Decrypt"),))
    assert index.without("no-such") is index


def test_of_grants_that_share_an_id_one_goes_at_a_time():
    twice = (grant("Decrypt"), grant("Decrypt"), grant("Encrypt"))
    index = index_of(twice)
    assert index.find(twice[0].id) == twice[0]
    assert index_after(index, twice, twice[2:]).find(twice[0].id) == twice[2]
    assert len(index_after(index, twice, twice[1:])) == 2


def test_a_key_takes_over_its_index_by_what_came_and_went():
    first, second, third = numbered([grant("Decrypt")] * 3)
    before, unread = key(grants=(first, second)), key(grants=(first, second))
    after = replace(before, grants=(second, third))
    after.index_from(unread)
    assert "grant_index" not in vars(after)
    assert before.grant_index.find(first.id) == first
    after.index_from(before)
    assert [vars(after)["grant_index"].find(one.id) for one in (first, second, third)] == [None, second, third]
    again = replace(after)
    again.index_from(after)
    assert again.grant_index is after.grant_index


def test_a_change_copies_a_few_parts_and_shares_the_others():
    index = index_of(numbered([grant("Decrypt", to=f"arn:aws:iam::{ACCOUNT}:role/r{n}") for n in range(3000)]))
    after = index.with_grant(replace(grant("Decrypt"), id="one-more")).without("id-17")
    for name in ("_by_id", "_usable", "_kin"):
        old, new = ({id(part) for row in getattr(one, name)._rows for part in row} for one in (index, after))
        assert len(old) > 1000
        assert len(new - old) <= 4


def test_a_run_does_not_fall_to_pieces_when_many_things_go():
    things = [(number, f"thing {number}") for number in range(200)]
    run = None
    for one in things:
        run = extended(run, alone(one))
    assert len(run[0]) == 49
    for one in things[:150]:
        if one[0] % 4:
            run = reduced(run, alone(one))
    left = [one for one in things if one[0] >= 150 or one[0] % 4 == 0]
    assert list(things_of(run)) == left
    assert len(run[0]) < 35


def test_a_map_is_pickled_for_processes_that_hash_otherwise():
    numbers = PersistentMap().updated({f"key {number}": number + 1 for number in range(500)})
    script = (
        "import pickle, sys; found = pickle.load(sys.stdin.buffer); "
        "assert [found.get(f'key {n}') for n in range(501)] == [*range(1, 501), None]"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    subprocess.run([sys.executable, "-c", script], input=pickle.dumps(numbers), check=True, env=environment)


def test_a_block_that_lost_its_last_thing_is_gone(monkeypatch):
    monkeypatch.setattr(persistent, "_BLOCK", 2)
    full, small = ((1, "a"), (2, "b")), ((5, "e"),)
    assert persistent._joined(full, ()) == [full]
    assert persistent._joined((), small) == [small]
    assert persistent._joined(small, ()) == [small]
