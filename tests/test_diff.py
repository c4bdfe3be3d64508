"""Two worlds compared: the same as deciding every question in both, and told in few words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kmssim.access import Question, actions_on, call_for
from kmssim.circumstances import Circumstance
from kmssim.diff.changes import Change, ChangeKind, Worlds
from kmssim.diff.circumstances import Circumstantial, actions_of
from kmssim.diff.keys import pair_keys
from kmssim.diff.report import comparison_json, comparison_text
from kmssim.diff.rows import shortened
from kmssim.diff.sides import read_sides, with_policy
from kmssim.diff.unstated import unstated_keys
from kmssim.diff.when import when
from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.policy import parse_policy
from kmssim.evaluator.statements import Policy, PolicyKind
from kmssim.evaluator.world import Account, World
from kmssim.scenario import load_scenario, parse_scenario

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted(
    path for path in (ROOT / "tests" / "cases").rglob("*.json") if not path.name.startswith("refused-policies")
)
ACCOUNT = "111122223333"
ORDERS = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def nothing(steps: int = 1) -> None:
    """No progress is shown."""


def compared(old: World, new: World, **options):
    return Worlds(old, new).compare(nothing, **options)


# ---- the same as asking `decide` -------------------------------------------------------------------------------------


def is_allowed(world: World, question: Question) -> bool:
    """What plain `decide` says; of half a ReEncrypt, what it says of that half."""
    decision = decide(world, call_for(question, world))
    if question.action.startswith("kms:ReEncrypt"):
        halves = [trace for trace in decision.permissions if trace.action == question.action]
        return all(trace.ruling.allowed for trace in halves)
    return decision.allowed


MOST_CALLERS = 6
"""Of so many callers a file everything is asked again, which takes a while."""


def asked_again(worlds: Worlds):
    return worlds.callers[:: 1 + len(worlds.callers) // MOST_CALLERS]


def every_answer(old: World, new: World) -> set[tuple[str, ...]]:
    """Each question whose answer differs, found by asking all of them, without a short cut."""
    found = set()
    for pair in pair_keys(old, new):
        for caller in asked_again(Worlds(old, new)):
            asks = Circumstantial(pair, caller, old, new)
            for action in actions_of(pair):
                for circumstances in asks.of(action):
                    before = answer(old, pair.old, caller, action, circumstances)
                    now = answer(new, pair.new, caller, action, circumstances)
                    if before != now:
                        found.add(("gained" if now else "lost", caller.arn, pair.key.arn, action, circumstances))
    return found


def answer(world, key, caller, action, circumstances):
    """Without a key nobody may do anything; a token of a grant that is not there is not passed."""
    if key is None or action not in actions_on(key):
        return False
    has_grant = circumstances.grant in {grant.id for grant in key.grants}
    if action == "kms:RetireGrant" and not has_grant:
        return False
    context, via, grant = circumstances.encryption_context, circumstances.via, circumstances.grant
    return is_allowed(world, Question(caller, action, key.arn, context, via, grant if has_grant else None))


def as_set(changes: tuple[Change, ...]) -> set[tuple[str, ...]]:
    return {
        (one.kind.value, one.principal.arn, one.pair.key.arn, one.action, one.circumstances)
        for one in changes
        if one.kind is not ChangeKind.REROUTED
    }


def with_account_changed(world: World, change) -> World:
    return replace(world, accounts={name: change(account) for name, account in world.accounts.items()})


def without_grants(account: Account) -> Account:
    return replace(account, keys=tuple(replace(key, grants=()) for key in account.keys))


def without_first_statement(account: Account) -> Account:
    return replace(account, keys=tuple(replace(key, policy=shorter(key.policy)) for key in account.keys))


def shorter(policy: Policy) -> Policy:
    left = {**policy.document, "Statement": as_list(policy.document["Statement"])[1:]}
    return parse_policy(left, PolicyKind.KEY_POLICY) if left["Statement"] else replace(policy, statements=())


def as_list(value):
    return value if isinstance(value, list) else [value]


def with_powerful_roles(account: Account) -> Account:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": statement}, PolicyKind.IDENTITY)
    return replace(account, roles={name: replace(role, policies=(policy,)) for name, role in account.roles.items()})


def without_first_user(account: Account) -> Account:
    return replace(account, users=dict(list(account.users.items())[1:]))


def without_last_key(account: Account) -> Account:
    return replace(account, keys=account.keys[:-1])


def without_scps(account: Account) -> Account:
    return replace(account, scps=())


MUTATIONS = (
    without_grants,
    without_first_statement,
    with_powerful_roles,
    without_first_user,
    without_last_key,
    without_scps,
)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_world_does_not_differ_from_itself(path):
    world = load_scenario(path).world
    comparison = compared(world, load_scenario(path).world, with_paths=True)
    assert comparison.changes == ()
    assert comparison_text("a", "b", comparison, color=False).startswith("a -> b\n\nNobody gains or loses access.")


@pytest.mark.parametrize("path", CASES[::2], ids=lambda path: path.stem)
def test_the_difference_is_what_decide_says_of_every_question(path):
    world = load_scenario(path).world
    mutated = with_account_changed(world, MUTATIONS[CASES.index(path) % len(MUTATIONS)])
    comparison = compared(world, mutated, with_paths=True)
    callers = {caller.arn for caller in asked_again(Worlds(world, mutated))}
    found = {one for one in as_set(comparison.changes) if one[1] in callers}
    assert found == every_answer(world, mutated)
    check_what_is_shown(comparison)


@pytest.mark.parametrize("path", CASES[::5], ids=lambda path: path.stem)
def test_the_other_way_round_gained_is_lost(path):
    world = load_scenario(path).world
    mutated = with_account_changed(world, MUTATIONS[(1 + CASES.index(path)) % len(MUTATIONS)])
    there, back = compared(world, mutated), compared(mutated, world)
    mirror = {"gained": "lost", "lost": "gained"}
    assert {(mirror[kind], *rest) for kind, *rest in as_set(back.changes)} == as_set(there.changes)


def check_what_is_shown(comparison):
    data = comparison_json("a", "b", comparison)
    assert len(data["changes"]) == len(comparison.changes)
    assert json.loads(json.dumps(data)) == data
    text = comparison_text("a", "b", comparison, color=False)
    assert "\x1b" not in text
    assert all(change.kind.value in text for change in comparison.changes)


def test_the_mutations_of_the_case_files_make_a_difference():
    """So that the tests above compare more than nothing with nothing."""
    for change in MUTATIONS:
        assert any(compared(world, with_account_changed(world, change)).has("any") for world in small_worlds())


def small_worlds():
    return [load_scenario(path).world for path in CASES if path.stat().st_size < 15_000]


# ---- what is asked ---------------------------------------------------------------------------------------------------


def world_with(*statements, grants=(), policies=None, label="orders", key_id=ORDERS[-36:], boundary=None) -> World:
    """One account with the role `worker` and one key."""
    role = {"policies": policies or {}, "boundary": boundary}
    key = {"id": key_id, "policy": document(*statements), "grants": list(grants)}
    account = {"roles": {"worker": role}, "keys": {label: key}}
    return parse_scenario({"accounts": {ACCOUNT: account}}).world


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def may(*actions, who="role/worker", **more):
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:{who}"}
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*", **more}


ADMIN = may("kms:*", who="root")


def changes_of(old: World, new: World, **options):
    return [
        (one.kind.value, one.principal.arn.split(":", 5)[-1], one.action, one.circumstances)
        for one in compared(old, new, **options).changes
    ]


PLAIN = Circumstance()
WORKER = "assumed-role/worker/session"


def test_a_new_statement_gives_what_it_allows_and_nothing_else():
    assert changes_of(world_with(ADMIN), world_with(ADMIN, may("kms:Verify", "kms:DescribeKey"))) == [
        ("gained", WORKER, "kms:DescribeKey", PLAIN)
    ]


def test_the_encryption_contexts_of_both_worlds_are_asked_for():
    def asking(tenant):
        condition = {"StringEquals": {"kms:EncryptionContext:tenant": tenant}}
        return world_with(ADMIN, may("kms:Decrypt", Condition=condition))

    assert changes_of(asking("a"), asking("b")) == [
        ("lost", WORKER, "kms:Decrypt", Circumstance((("tenant", "a"),))),
        ("gained", WORKER, "kms:Decrypt", Circumstance((("tenant", "b"),))),
    ]


def test_the_services_of_both_worlds_are_asked_for():
    through_s3 = may("kms:Decrypt", Condition={"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}})
    assert changes_of(world_with(ADMIN), world_with(ADMIN, through_s3)) == [
        ("gained", WORKER, "kms:Decrypt", Circumstance(via="s3.us-east-1.amazonaws.com"))
    ]


GRANT = {"Name": "g", "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:role/worker", "Operations": ["Decrypt"]}


def test_a_grant_that_is_pending_gives_access_with_its_token_only():
    old, new = world_with(ADMIN), world_with(ADMIN, grants=[{**GRANT, "pending": True}])
    (grant,) = new.keys_by_arn[ORDERS].grants
    assert changes_of(old, new) == [
        ("gained", "root", "kms:RetireGrant", Circumstance(grant=grant.id)),
        ("gained", WORKER, "kms:Decrypt", Circumstance(grant=grant.id)),
    ]


def test_keys_are_paired_by_arn_else_by_label():
    other = "99999999-12ab-34cd-56ef-1234567890ab"
    renamed = world_with(ADMIN, label="new name")
    (pair,) = pair_keys(world_with(ADMIN), renamed)
    assert (pair.old.arn, pair.new.arn, pair.name) == (ORDERS, ORDERS, "new name")
    (pair,) = pair_keys(world_with(ADMIN), world_with(ADMIN, key_id=other))
    assert (pair.old.id, pair.new.id) == (ORDERS[-36:], other)
    gone, come = pair_keys(world_with(ADMIN), world_with(ADMIN, key_id=other, label="third"))[::-1]
    assert (gone.new, come.old) == (None, None)


def test_who_may_use_a_key_loses_that_with_the_key():
    old = world_with(may("kms:Decrypt"))
    new = with_account_changed(old, lambda account: replace(account, keys=()))
    assert changes_of(old, new) == [("lost", WORKER, "kms:Decrypt", PLAIN)]
    assert changes_of(new, old) == [("gained", WORKER, "kms:Decrypt", PLAIN)]


IAM = {"own": document({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})}


def test_what_is_still_allowed_by_another_path_is_told_when_asked_for():
    old, new = world_with(ADMIN, policies=IAM), world_with(ADMIN, grants=[GRANT])
    assert ("gained", WORKER, "kms:Decrypt", PLAIN) not in changes_of(old, new)
    rerouted = [change for change in compared(old, new, with_paths=True).changes if change.kind is ChangeKind.REROUTED]
    assert [(one.action, {way.value for way in one.ways_before}, {way.value for way in one.ways_now}) for one in rerouted] == [
        ("kms:Decrypt", {"delegation"}, {"grant"})
    ]  # fmt: skip


def test_what_no_question_states_is_named():
    at_home = may("kms:Decrypt", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    by_tag = may("kms:Encrypt", Condition={"StringEquals": {"aws:PrincipalTag/team": "shop"}})
    old, new = world_with(ADMIN), world_with(at_home, ADMIN, by_tag)
    assert unstated_keys(old, new) == unstated_keys(new, old) == ("aws:SourceIp",)
    assert unstated_keys(new, world_with(ADMIN, by_tag, at_home)) == ()


def test_what_cannot_differ_is_not_asked():
    assert compared(world_with(ADMIN), world_with(ADMIN)).asked == 0
    assert compared(world_with(ADMIN), world_with(ADMIN, may("kms:Decrypt"))).asked > 0


# ---- how it is told --------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_caller_and_manner():
    condition = {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}
    old = world_with(ADMIN, may("kms:Encrypt"), policies=IAM)
    new = world_with(may("kms:GenerateDataKey*", "kms:DescribeKey"), may("kms:Decrypt", Condition=condition))
    assert comparison_text("old", "new", compared(old, new, with_paths=True), color=False) == TABLE


TABLE = """\
old -> new

change    principal                 operations
--------  ------------------------  --------------------------------------------
gained    111122223333:role/worker  kms:DescribeKey, kms:GenerateDataKey* (5)
lost      111122223333:root         kms:* (30)
lost      111122223333:role/worker  kms:Decrypt; only without encryption context
lost      111122223333:role/worker  kms:Encrypt
rerouted  111122223333:role/worker  kms:Decrypt; only with tenant=a; was by the
                                    key policy's delegation to IAM, now by the
                                    key policy itself

9 gained, 41 lost. 1 still allowed, by other paths. 1 key, 3 callers, 114
questions.
"""


@pytest.mark.parametrize(
    ("operations", "known", "told"),
    [
        ("a b", "a b", "kms:*"),
        ("kms:ReEncryptFrom kms:ReEncryptTo", "kms:ReEncryptFrom kms:ReEncryptTo kms:Sign", "kms:ReEncrypt*"),
        ("kms:ReEncryptFrom", "kms:ReEncryptFrom kms:ReEncryptTo", "kms:ReEncryptFrom"),
        ("a b c d", "a b c d e", "kms:* but e"),
        ("a", "a", "a"),
    ],
)
def test_operations_are_told_in_few_words(operations, known, told):
    assert shortened(operations.split(), known.split()) == told


A, B = (("tenant", "a"),), (("tenant", "b"),)
HOST = "s3.us-east-1.amazonaws.com"
CONTEXTS = (PLAIN, Circumstance(A))
SERVED = (*CONTEXTS, Circumstance(via=HOST), Circumstance(A, HOST))
PAIR = pair_keys(world_with(ADMIN), world_with(ADMIN, grants=[GRANT]))[0]


@pytest.mark.parametrize(
    ("found", "asked", "told"),
    [
        (CONTEXTS, CONTEXTS, ()),
        (CONTEXTS[:1], CONTEXTS, ("without encryption context",)),
        (CONTEXTS[1:], CONTEXTS, ("with tenant=a",)),
        (CONTEXTS, SERVED, ("called directly",)),
        (SERVED[2:], SERVED, (f"via {HOST}",)),
        (SERVED[3:], SERVED, (f"via {HOST} with tenant=a",)),
        (SERVED[:3], SERVED, ("called directly", f"via {HOST} without encryption context")),
        ([Circumstance(grant=PAIR.new.grants[0].id)], (PLAIN, Circumstance(grant=PAIR.new.grants[0].id)), ("by grant g",)),
        ([PLAIN], (PLAIN, Circumstance(grant=PAIR.new.grants[0].id)), ("without a grant token",)),
    ],
)  # fmt: skip
def test_circumstances_are_told_in_few_words(found, asked, told):
    assert when(found, asked, PAIR) == told


# ---- key policies by themselves, and the command line ----------------------------------------------------------------


def written(tmp_path: Path, name: str, content) -> str:
    path = tmp_path / name
    path.write_text(json.dumps(content))
    return str(path)


def one_key_world(tmp_path: Path) -> str:
    """A world in a file: the key `orders`, which trusts its administrator only."""
    keys = {"orders": {"policy": document(may("kms:Describe*", who="role/key-admin"))}}
    return written(tmp_path, "world.json", {"accounts": {ACCOUNT: {"roles": {"key-admin": {}}, "keys": keys}}})


def read_world(named: str) -> World:
    return load_scenario(named).world


def test_a_key_policy_is_put_into_the_world_on_the_other_side_or_the_one_named(tmp_path):
    policy = document(ADMIN)
    world = one_key_world(tmp_path)
    base = read_world(world)
    key = next(iter(base.keys_by_arn.values()))
    changed = with_policy(base, key, parse_policy(policy, PolicyKind.KEY_POLICY))
    bare = written(tmp_path, "policy.json", policy)
    exported = written(tmp_path, "exported.json", {"Policy": json.dumps(policy), "PolicyName": "default"})
    assert read_sides(world, bare, read_world) == (base, changed)
    assert read_sides(bare, world, read_world, key="orders") == (changed, base)
    assert read_sides(bare, exported, read_world, base=world) == (changed, changed)


def test_a_key_policy_without_a_world_and_a_world_too_many_are_refused(tmp_path):
    policy = written(tmp_path, "policy.json", document(ADMIN))
    broken = written(tmp_path, "broken.json", document({**ADMIN, "Effect": "allow"}))
    world = one_key_world(tmp_path)
    several = str(ROOT / "tests/cases/grants-matching.json")
    with pytest.raises(InputError, match="--world"):
        read_sides(policy, policy, read_world)
    with pytest.raises(InputError, match="--world and --key are for key policies"):
        read_sides(world, world, read_world, base=world)
    with pytest.raises(InputError, match="say with --key"):
        read_sides(several, policy, read_world)
    with pytest.raises(InputError, match=r"no key is named `order`.*did you mean `orders`"):
        read_sides(world, policy, read_world, key="order")
    with pytest.raises(PolicyError, match=r"broken.json: \$.Statement\[0\].Effect"):
        read_sides(world, broken, read_world)


def diff(*arguments: str):
    return subprocess.run(
        [sys.executable, "-m", "kmssim", "diff", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_the_exit_code_tells_whether_access_was_gained_or_lost(tmp_path):
    world = one_key_world(tmp_path)
    more = written(tmp_path, "more.json", document(ADMIN, may("kms:*", who="role/key-admin")))
    for options, code in {
        (): 1,
        ("--fail-on", "gained"): 1,
        ("--fail-on", "lost"): 0,
        ("--fail-on", "never"): 0,
    }.items():
        ran = diff(world, more, *options)
        assert (ran.returncode, ran.stderr) == (code, ""), options
        assert "kms:* (30)" in ran.stdout
    back = diff(more, world, "--fail-on", "lost", "--json")
    assert back.returncode == 1
    data = json.loads(back.stdout)
    assert data["totals"]["gained"] == 0
    assert {change["change"] for change in data["changes"]} == {"lost"}
    same = diff(world, world)
    assert (same.returncode, same.stderr) == (0, "")
    wrong = diff(more, more)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"kmssim: {more}: both are key policies")
