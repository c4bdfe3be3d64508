"""What is proposed for which obstacle, in which words and in which order; and what the command line makes of it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from kmssim.advise import Advice, Kind, NoFix, Proposal, advise
from kmssim.advise.edits import call_again, lessened, with_edit
from kmssim.advise.lens import Gone, get, put
from kmssim.advise.proposal import Add, CallAgain, Change, Give, SetState
from kmssim.advise.render import advice_text
from kmssim.advise.running import apply_to_running
from kmssim.advise.wording import NO_FIX, NOTES, POLICIES, WHAT, title
from kmssim.cli import main
from kmssim.errors import InputError, SetupError
from kmssim.evaluator.pdp import decide
from kmssim.scenario import Scenario, load_scenario, parse_scenario
from kmssim.scenario_file.document import write_scenario

ROOT = Path(__file__).resolve().parent.parent
CASE = "tests/cases/same-account-key-policy.json"
NAME = "an administrator without a key-policy statement"
ACCOUNT, OTHER = "111122223333", "444455556666"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY_ID}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/app"
DECRYPT = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}
DELEGATION = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def policy(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def world(request: dict, *, role: dict | None = None, key: dict | None = None, **more) -> Scenario:
    """One key, one role in its account, and one request, to decrypt, as that role."""
    account = {
        "roles": {"app": role or {}},
        "keys": {"main": {"id": KEY_ID, "policy": policy(DELEGATION), "aliases": ["alias/main"], **(key or {})}},
    }
    asked = {
        "name": "asked",
        "principal": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/job",
        "operation": "kms:Decrypt",
        "parameters": {"KeyId": KEY},
    }
    accounts = {ACCOUNT: account, **more.pop("accounts", {})}
    return parse_scenario({"accounts": accounts, "requests": [asked | request], **more})


def advice(scenario: Scenario, wish: str = "allow") -> Advice:
    request = scenario.requests[0]
    return advise(scenario.world, request.call, name=request.name, wish=wish, limit=12)


def kinds(scenario: Scenario, wish: str = "allow") -> list[Kind]:
    return [proposal.kind for proposal in advice(scenario, wish).proposals]


def of_kind(scenario: Scenario, kind: Kind, wish: str = "allow") -> Proposal:
    return next(one for one in advice(scenario, wish).proposals if one.kind is kind)


def test_a_silent_identity_policy_is_helped_by_a_grant_a_key_policy_or_an_identity_statement_in_that_order():
    assert kinds(world({})) == [Kind.GRANT, Kind.KEY_POLICY, Kind.IDENTITY]


def test_a_grant_and_a_statement_carry_the_encryption_context_of_the_call():
    scenario = world({"parameters": {"KeyId": KEY, "EncryptionContext": {"Tenant": "a"}}})
    (give,) = of_kind(scenario, Kind.GRANT).edits
    assert isinstance(give, Give)
    assert give.grant.constraints.encryption_context_equals == {"Tenant": "a"}
    (add,) = of_kind(scenario, Kind.IDENTITY).edits
    assert isinstance(add, Add)
    assert add.statement == {
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": KEY,
        "Condition": {"StringEquals": {"kms:EncryptionContext:Tenant": "a"}},
    }


def test_a_value_that_looks_like_a_variable_is_compared_as_it_is():
    scenario = world({"parameters": {"KeyId": KEY, "EncryptionContext": {"tenant": "${aws:username}*"}}})
    (add,) = of_kind(scenario, Kind.IDENTITY).edits
    assert isinstance(add, Add)
    assert add.statement["Condition"] == {"StringEquals": {"kms:EncryptionContext:tenant": "${$}{aws:username}*"}}


def test_a_missing_delegation_comes_below_because_it_opens_more():
    other = {"policies": {"use": policy(DECRYPT)}}
    scenario = world({}, role={"policies": {"use": policy(DECRYPT)}}, key={"policy": policy(nobody())})
    shared = with_second_role(scenario, other)
    assert kinds(shared) == [Kind.GRANT, Kind.KEY_POLICY, Kind.DELEGATION]
    last = advice(shared).proposals[-1]
    assert last.opens_more
    assert {effect.principal for effect in last.side_effects} >= {f"arn:aws:sts::{ACCOUNT}:assumed-role/other/session"}


def nobody() -> dict:
    return {**DELEGATION, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/nobody"}}


def with_second_role(scenario: Scenario, role: dict) -> Scenario:
    added = parse_scenario({"accounts": {ACCOUNT: {"roles": {"other": role}}}}).world.accounts[ACCOUNT].roles
    account = scenario.world.accounts[ACCOUNT]
    changed = replace(account, roles={**account.roles, **added})
    return replace(scenario, world=replace(scenario.world, accounts={**scenario.world.accounts, ACCOUNT: changed}))


def test_across_accounts_both_sides_are_in_one_proposal():
    caller = {"principal": f"arn:aws:sts::{OTHER}:assumed-role/far/job"}
    proposal = of_kind(world(caller, accounts={OTHER: {"roles": {"far": {}}}}), Kind.IDENTITY)
    assert {edit.kind for edit in proposal.edits} == {Kind.KEY_POLICY, Kind.IDENTITY}
    assert {edit.home.path[1] for edit in proposal.edits if isinstance(edit, Add)} == {ACCOUNT, OTHER}


def test_a_role_of_an_account_that_is_not_declared_is_declared_with_its_statement():
    caller = {"principal": f"arn:aws:sts::{OTHER}:assumed-role/far/job"}
    proposal = of_kind(world(caller), Kind.IDENTITY)
    assert proposal.world.accounts[OTHER].roles["far"].policies


def test_a_users_group_is_proposed_where_its_rights_come_from_there_and_says_that_all_members_gain():
    users = {"ana": {"groups": ["staff"]}, "bob": {"groups": ["staff"]}}
    account = {
        "users": users,
        "groups": {"staff": {"policies": {"describe": policy(DECRYPT | {"Action": "kms:DescribeKey"})}}},
        "keys": {"main": {"id": KEY_ID, "policy": policy(DELEGATION)}},
    }
    asked = {"name": "asked", "principal": f"arn:aws:iam::{ACCOUNT}:user/ana", "operation": "kms:Decrypt"}
    scenario = parse_scenario({"accounts": {ACCOUNT: account}, "requests": [asked | {"parameters": {"KeyId": KEY}}]})
    proposal = of_kind(scenario, Kind.GROUP)
    assert [effect.principal for effect in proposal.side_effects] == [f"arn:aws:iam::{ACCOUNT}:user/bob"]


def test_a_missing_encryption_context_is_first_a_corrected_call_then_a_changed_condition():
    conditioned = DECRYPT | {"Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}}
    parameters = {"KeyId": KEY, "EncryptionContext": {"tenant": "b"}}
    role = {"policies": {"use": policy(conditioned | {"Action": "kms:Encrypt"})}}
    scenario = world({"operation": "kms:Encrypt", "parameters": parameters}, role=role)
    assert kinds(scenario)[:3] == [Kind.CORRECTED_CALL, Kind.GRANT, Kind.CONDITION]
    (edit,) = of_kind(scenario, Kind.CORRECTED_CALL).edits
    assert isinstance(edit, CallAgain)
    assert edit.members == ((("parameters", "EncryptionContext"), {"tenant": "a"}),)
    (change,) = of_kind(scenario, Kind.CONDITION).edits
    assert isinstance(change, Change)
    assert change.after["Condition"] == {"StringEquals": {"kms:EncryptionContext:tenant": ["a", "b"]}}


@pytest.mark.parametrize("ciphertext", [{"key": KEY, "encryption_context": {"tenant": "b"}}, None])
def test_a_correction_that_the_ciphertext_contradicts_is_none(ciphertext: dict | None):
    request = {"parameters": {"KeyId": KEY, "EncryptionContext": {"tenant": "b"}}, "ciphertext": ciphertext}
    assert Kind.CORRECTED_CALL not in kinds(world(request, role={"policies": {"use": policy(FOR_TENANT_A)}}))


def test_a_context_that_was_forgotten_helps_if_the_ciphertext_has_it():
    found = advice(world({}, role={"policies": {"use": policy(FOR_TENANT_A)}}))
    assert found.proposals[0].kind is Kind.CORRECTED_CALL
    assert NOTES["ciphertext"] in " ".join(advice_text(found, None).split())


@pytest.mark.parametrize(
    ("condition", "member"),
    [
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, ("principal", "session", "mfa")),
        ({"StringEquals": {"aws:PrincipalTag/team": "shop"}}, ("principal", "session", "tags")),
        ({"StringEquals": {"aws:SourceIdentity": "ana"}}, ("principal", "session", "source_identity")),
        ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, ("via",)),
        ({"StringEquals": {"kms:RequestAlias": "alias/main"}}, ("parameters", "KeyId")),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, ("network", "source_ip")),
    ],
)
def test_a_call_can_bring_what_a_condition_asks_for(condition: dict, member: tuple):
    role = {"policies": {"use": policy(DECRYPT | {"Condition": condition})}}
    (edit,) = advice(world({}, role=role)).proposals[0].edits
    assert isinstance(edit, CallAgain)
    assert [path for path, _ in edit.members] == [member]


@pytest.mark.parametrize(
    ("request_", "member", "value"),
    [
        ({"operation": "kms:GetKeyPolicy", "parameters": {"KeyId": "alias/main"}}, ("parameters", "KeyId"), KEY),
        ({"parameters": {"KeyId": KEY}, "region": "eu-west-1"}, ("region",), "us-east-1"),
        ({"parameters": {"KeyId": "alias/mian"}}, ("parameters", "KeyId"), KEY.partition(":key/")[0] + ":alias/main"),
    ],
)
def test_a_key_that_is_named_wrongly_is_a_corrected_call(request_: dict, member: tuple, value: str):
    scenario = world(request_, role={"policies": {"use": policy(DECRYPT | {"Action": "kms:*"})}})
    (edit,) = advice(scenario).proposals[0].edits
    assert isinstance(edit, CallAgain)
    assert dict(edit.members) == {member: value}


def test_a_pending_grant_needs_its_token():
    grant = {"Name": "new", "GranteePrincipal": ROLE, "Operations": ["Decrypt"], "pending": True}
    best = advice(world({}, key={"grants": [grant]})).proposals[0]
    assert title(best) == "Make the call with the grant's token"
    assert best.call.grant_tokens == (best.world.keys_by_arn[KEY].grants[0].id,)


def test_a_boundary_that_blocks_gets_a_statement():
    role = {"policies": {"use": policy(DECRYPT)}, "boundary": policy(DECRYPT | {"Action": "s3:*"})}
    assert Kind.BOUNDARY in kinds(world({}, role=role))


def test_a_session_policy_that_blocks_gets_a_statement_in_the_call():
    session = {"session": {"policy": policy(DECRYPT | {"Action": "s3:*"})}}
    proposal = of_kind(world(session, role={"policies": {"use": policy(DECRYPT)}}), Kind.SESSION)
    assert len(proposal.call.principal.session.policies[0].statements) == 2


def test_a_silent_scp_is_the_administrators_and_nothing_else_helps():
    organization = {"id": "o-a1b2c3d4e5", "management_account": "999900001111"}
    scenario = world({}, role={"policies": {"use": policy(DECRYPT)}}, organization=organization)
    account = scenario.world.accounts[ACCOUNT]
    bound = replace(scenario.world, accounts={ACCOUNT: replace(account, scps=())})
    found = advice(replace(scenario, world=bound))
    assert [proposal.kind for proposal in found.proposals] == [Kind.SCP]
    assert found.reason is NoFix.ADMINISTRATOR_ONLY
    assert found.proposals[0].needs_administrator


def test_a_deny_is_narrowed_before_it_is_removed_and_both_are_marked():
    deny = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    scenario = world({}, role={"policies": {"use": policy(DECRYPT, deny)}})
    found = advice(scenario).proposals
    assert [one.kind for one in found] == [Kind.NARROWED_DENY, Kind.REMOVED_DENY]
    assert all(one.touches_deny for one in found)
    assert NOTES["deny"] in " ".join(advice_text(advice(scenario), None).split())


def test_reencrypt_between_two_keys_of_one_policy_is_one_statement_with_both_actions():
    parameters = {"SourceKeyId": KEY, "DestinationKeyId": KEY}
    (add,) = of_kind(world({"operation": "kms:ReEncrypt", "parameters": parameters}), Kind.IDENTITY).edits
    assert isinstance(add, Add)
    assert add.statement["Action"] == ["kms:ReEncryptFrom", "kms:ReEncryptTo"]


def test_a_key_that_is_about_to_be_deleted_is_kept_and_enabled():
    scenario = world({}, role={"policies": {"use": policy(DECRYPT)}}, key={"state": "PendingDeletion"})
    (proposal,) = advice(scenario).proposals
    assert [edit.operation for edit in proposal.edits if isinstance(edit, SetState)] == [
        "CancelKeyDeletion",
        "EnableKey",
    ]


@pytest.mark.parametrize(
    ("request_", "key", "reason"),
    [
        ({"parameters": {"KeyId": "alias/nowhere-at-all"}}, {}, NoFix.NOTHING_THERE),
        (
            {"operation": "kms:GenerateDataKey", "parameters": {"KeyId": KEY, "NumberOfBytes": 0}},
            {},
            NoFix.INVALID_PARAMETER,
        ),
        (
            {"operation": "kms:DisableKey", "principal": f"arn:aws:sts::{OTHER}:assumed-role/far/job"},
            {},
            NoFix.NOT_ACROSS_ACCOUNTS,
        ),
        ({"principal": f"arn:aws:sts::{OTHER}:assumed-role/far/job"}, {"manager": "AWS"}, NoFix.AWS_MANAGED_KEY),
    ],
)
def test_what_has_no_fix_says_why(request_: dict, key: dict, reason: NoFix):
    found = advice(world(request_, key=key))
    assert found.proposals == ()
    assert found.reason is reason
    first = NO_FIX[reason].split(":")[0].capitalize()
    assert first in advice_text(found, None)


def test_an_answer_that_is_the_wanted_one_needs_nothing():
    allowed = world({}, role={"policies": {"use": policy(DECRYPT)}})
    assert advice(allowed).reason is NoFix.ALREADY
    assert advice(world({}), "deny").reason is NoFix.ALREADY


def test_closing_closes_all_paths_or_denies_exactly_this():
    grant = {"Name": "g", "GranteePrincipal": ROLE, "Operations": ["Decrypt"]}
    scenario = world({}, role={"policies": {"use": policy(DECRYPT)}}, key={"grants": [grant]})
    found = advice(scenario, "deny").proposals
    assert {Kind.EXPLICIT_DENY, Kind.REMOVED_ALLOW} <= {one.kind for one in found}
    both = next(one for one in found if one.kind is Kind.REMOVED_ALLOW)
    assert {edit.kind for edit in both.edits} == {Kind.REVOKED_GRANT, Kind.REMOVED_ALLOW}
    exact = found[0].edits[0]
    assert isinstance(exact, Add)
    assert exact.statement["Condition"] == {"Null": {"kms:EncryptionContextKeys": "true"}}


def test_a_grant_alone_is_revoked():
    grant = {"Name": "g", "GranteePrincipal": ROLE, "Operations": ["Decrypt"]}
    assert Kind.REVOKED_GRANT in kinds(world({}, key={"grants": [grant]}), "deny")


def test_a_pattern_admits_a_value_as_it_is_written():
    conditioned = DECRYPT | {"Condition": {"StringLike": {"kms:EncryptionContext:tenant": "shop-*"}}}
    parameters = {"KeyId": KEY, "EncryptionContext": {"tenant": "a*"}}
    scenario = world({"parameters": parameters}, role={"policies": {"use": policy(conditioned)}})
    (change,) = of_kind(scenario, Kind.CONDITION).edits
    assert isinstance(change, Change)
    assert change.after["Condition"] == {"StringLike": {"kms:EncryptionContext:tenant": ["shop-*", "a${*}"]}}


def test_the_authority_that_was_named_gives_the_proof():
    assert {one.after.authority for one in advice(world({})).proposals} == {"rego"}


WITH_TENANT = {"parameters": {"KeyId": KEY, "EncryptionContext": {"tenant": "b"}}}
FOR_TENANT_A = DECRYPT | {"Condition": {"StringEquals": {"kms:EncryptionContext:tenant": "a"}}}
DENIED = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
MAY = {"policies": {"use": policy(DECRYPT)}}
TITLES = [
    (world({}), "allow", Kind.GRANT, "Grant Decrypt on key main to role/app"),
    (
        world(WITH_TENANT),
        "allow",
        Kind.GRANT,
        "Grant Decrypt on key main to role/app, for the encryption context tenant=b only",
    ),
    (
        world(WITH_TENANT),
        "allow",
        Kind.KEY_POLICY,
        "Allow kms:Decrypt to role/app in the key policy of key main, where EncryptionContext:tenant is b",
    ),
    (world({}), "allow", Kind.IDENTITY, f"Allow kms:Decrypt on key/{KEY_ID} in an IAM policy of role app"),
    (
        world({}, role=MAY, key={"policy": policy(nobody())}),
        "allow",
        Kind.DELEGATION,
        "Hand kms:Decrypt over to IAM in the key policy of key main; IAM policies of the account then decide",
    ),
    (
        world({}, role={"policies": {"use": policy(FOR_TENANT_A)}}),
        "allow",
        Kind.CORRECTED_CALL,
        "Make the call with EncryptionContext tenant=a",
    ),
    (
        world(WITH_TENANT, role={"policies": {"use": policy(FOR_TENANT_A)}}),
        "allow",
        Kind.CONDITION,
        "Change a condition in an IAM policy of role app: kms:EncryptionContext:tenant admits this call's value",
    ),
    (world({}, role=MAY, key={"state": "Disabled"}), "allow", Kind.KEY_STATE, "EnableKey on key main"),
    (
        world({}, role={"policies": {"use": policy(DECRYPT, DENIED)}}),
        "allow",
        Kind.NARROWED_DENY,
        "Narrow a Deny in an IAM policy of role app: all but this caller",
    ),
    (
        world({}, role={"policies": {"use": policy(DECRYPT, DENIED)}}),
        "allow",
        Kind.REMOVED_DENY,
        "Remove the Deny of kms:* from an IAM policy of role app",
    ),
    (
        world({}, role={**MAY, "boundary": policy(DECRYPT | {"Action": "s3:*"})}),
        "allow",
        Kind.BOUNDARY,
        f"Allow kms:Decrypt on key/{KEY_ID} in the permissions boundary of role app",
    ),
    (
        world({}, role=MAY),
        "deny",
        Kind.EXPLICIT_DENY,
        "Deny kms:Decrypt in the key policy of key main, where EncryptionContextKeys is absent",
    ),
    (
        world({}, role=MAY),
        "deny",
        Kind.REMOVED_ALLOW,
        "Remove the statement that allows kms:Decrypt from an IAM policy of role app",
    ),
    (
        world({}, role=MAY),
        "deny",
        Kind.NARROWED_ALLOW,
        "Narrow a statement in the key policy of key main: for all but this caller",
    ),
    (
        world({}, key={"grants": [{"Name": "g", "GranteePrincipal": ROLE, "Operations": ["Decrypt"]}]}),
        "deny",
        Kind.REVOKED_GRANT,
        "Revoke the grant g on key main",
    ),
]


@pytest.mark.parametrize(
    ("scenario", "wish", "kind", "text"),
    TITLES,
    ids=[f"{wish}-{kind.value}-{at}" for at, (_, wish, kind, _) in enumerate(TITLES)],
)
def test_a_proposal_says_in_plain_words_what_it_is(scenario: Scenario, wish: str, kind: Kind, text: str):
    assert title(of_kind(scenario, kind, wish)) == text


def test_every_kind_reason_and_policy_has_its_words():
    assert set(WHAT) == set(Kind)
    assert set(NO_FIX) == set(NoFix)
    assert {
        edit.home.kind for one in advice(world({})).proposals for edit in one.edits if isinstance(edit, Add)
    } <= set(POLICIES)


def test_a_value_is_read_and_put_by_its_path():
    scenario = world({})
    path = ("accounts", ACCOUNT, "keys", 0, "state")
    assert get(scenario.world, path) == "Enabled"
    assert get(put(scenario.world, path, "Disabled"), path) == "Disabled"
    assert put({"a": 1, "b": 2}, ("b",), Gone.GONE) == {"a": 1}
    assert put((1,), (1,), 2) == (1, 2)
    assert get(scenario.world, ("accounts", "0", "keys", 3)) is None


def test_corrections_that_take_each_other_back_are_none():
    call = world({}).requests[0].call
    there, back = (
        call_again(call, replace(call, region="eu-west-1")),
        call_again(replace(call, region="eu-west-1"), call),
    )
    (joined,) = with_edit((there,), back)
    assert isinstance(joined, CallAgain)
    assert joined.members == ((("region",), "us-east-1"),)
    assert not list(lessened(joined))


GOLDEN = """\
an administrator without a key-policy statement
Now: DENY (AccessDeniedException), because the key policy neither names the role
nor hands the account over to IAM, so the IAM Allow has nothing to attach to.

  1. Grant Decrypt on key closed to role/admin.
     where: accounts.111122223333.keys.closed.grants in
     tests/cases/same-account-key-policy.json
     paste:
       {
         "GranteePrincipal": "arn:aws:iam::111122223333:role/admin",
         "Operations": [
           "Decrypt"
         ]
       }
     run:
       aws kms create-grant \\
         --region us-east-1 \\
         --key-id arn:aws:kms:us-east-1:111122223333:key/018d5504-be94-5c4e-a7a6-c440408ff90e \\
         --grantee-principal arn:aws:iam::111122223333:role/admin \\
         --operations Decrypt
     proof: DENY (AccessDeniedException) → ALLOW, by rego
     opens: nothing else on the key
     note: The call names no encryption context, so this holds for every one.

2 more were proven; --limit shows them.
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_text_is_numbered_with_place_document_command_proof_and_side_effects(capsys: pytest.CaptureFixture[str]):
    assert run(capsys, "advise", CASE, "--request", NAME, "--limit", "1") == (0, GOLDEN, "")


def test_the_json_says_the_same(capsys: pytest.CaptureFixture[str]):
    code, out, _ = run(capsys, "advise", CASE, "--request", NAME, "--json", "--limit", "2")
    (found,) = json.loads(out)["requests"]
    assert code == 0
    assert (found["now"]["decision"], found["left_out"]) == ("DENY", 1)
    second = found["proposals"][1]
    assert second["what"] == "Allow kms:Decrypt to role/admin in the key policy of key closed"
    assert second["edits"][0]["path"] == "accounts.111122223333.keys.closed.policy"
    assert second["edits"][0]["policy"]["Statement"][-1] == second["edits"][0]["document"]
    assert second["proof"]["after"]["decision"] == "ALLOW"


def test_without_names_only_the_requests_with_another_answer_are_shown(capsys: pytest.CaptureFixture[str]):
    denied = [one.name for one in load_scenario(ROOT / CASE).requests if one.expect and one.expect.decision == "DENY"]
    _, out, _ = run(capsys, "advise", CASE, "--limit", "1", "--json")
    assert [one["request"] for one in json.loads(out)["requests"]] == denied


def test_a_request_that_cannot_be_helped_is_a_finding(capsys: pytest.CaptureFixture[str]):
    name = "GetKeyPolicy has no effect across accounts"
    code, out, _ = run(capsys, "advise", "tests/cases/cross-account-operations.json", "--request", name)
    assert code == 1
    assert "There is no fix: this operation does not work on keys of another account" in " ".join(out.split())


def test_apply_needs_a_running_sandbox(capsys: pytest.CaptureFixture[str]):
    code, _, err = run(capsys, "advise", CASE, "--request", NAME, "--limit", "1", "--apply", "1")
    assert code == 2
    assert "--apply needs a running sandbox" in err


class _Served(BaseHTTPRequestHandler):
    """Takes a world, as a sandbox that is served does."""

    status, taken, holds = 200, [], {}

    def do_GET(self) -> None:
        self.answer(self.holds)

    def do_PUT(self) -> None:
        self.taken.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.answer({"seeded": {}, "message": "no such world"})

    def answer(self, data: dict) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def served():
    server = HTTPServer(("127.0.0.1", 0), type("Served", (_Served,), {"taken": []}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_running_sandbox_is_given_the_changed_world(served: HTTPServer):
    found = advice(world({}))
    told = apply_to_running(f"http://127.0.0.1:{served.server_port}", [found], 1)
    assert told == f"applied proposal 1 to http://127.0.0.1:{served.server_port}"
    ((path, document),) = served.RequestHandlerClass.taken
    assert path == "/_kmssim/world"
    assert parse_scenario(document).world == found.proposals[0].world


def test_the_requests_of_a_file_are_asked_of_a_running_sandbox(served: HTTPServer, capsys: pytest.CaptureFixture[str]):
    scenario = load_scenario(ROOT / CASE)
    served.RequestHandlerClass.holds = write_scenario(scenario.world)
    url = f"http://127.0.0.1:{served.server_port}"
    code, out, _ = run(capsys, "advise", url, "--requests", CASE, "--request", NAME, "--apply", "2")
    assert code == 0
    assert out.endswith(f"applied proposal 2 to {url}\n")
    ((_, document),) = served.RequestHandlerClass.taken
    assert decide(parse_scenario(document).world, scenario.request(NAME).call).allowed


def test_a_sandbox_that_refuses_or_is_not_there_is_told(served: HTTPServer):
    found = advice(world({}))
    served.RequestHandlerClass.status = 400
    with pytest.raises(InputError, match="no such world"):
        apply_to_running(f"http://127.0.0.1:{served.server_port}", [found], 1)
    with pytest.raises(SetupError, match="no `kmssim serve` answers"):
        apply_to_running("http://127.0.0.1:1", [found], 1)


def test_apply_takes_one_request_and_a_proposal_that_changes_the_world():
    found = advice(world({}))
    with pytest.raises(InputError, match="one request"):
        apply_to_running("http://127.0.0.1:9", [found, found], 1)
    with pytest.raises(InputError, match="no proposal 9"):
        apply_to_running("http://127.0.0.1:9", [found], 9)
    alone = advice(
        world({"parameters": {"KeyId": KEY}, "region": "eu-west-1"}, role={"policies": {"use": policy(DECRYPT)}})
    )
    with pytest.raises(InputError, match="changes the call only"):
        apply_to_running("http://127.0.0.1:9", [alone], 1)
