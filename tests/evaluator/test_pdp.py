"""`decide` as a whole: laws on generated policies, and that it answers whatever it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import (
    ACCOUNT,
    ANA,
    DELEGATION,
    GUEST_SESSION,
    KEY_ARN,
    KEY_ID,
    OTHER,
    REGION,
    ROOT,
    WORKER,
    WORKER_SESSION,
    allow,
    call,
    caller,
    decided,
    deny,
    grant,
    key,
    organization,
    policy,
    with_account,
    words,
    world,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kmssim.evaluator.decision import Authority, Decision, Layer, Reason, RuledBy, Ruling, Verdict
from kmssim.evaluator.operations import OPERATIONS
from kmssim.evaluator.pdp import decide
from kmssim.evaluator.request import Call, Ciphertext, Network, service_principal
from kmssim.evaluator.states import KEY_STATES
from kmssim.evaluator.world import Bucket, Secret, VpcEndpoint
from kmssim.explain import explain
from kmssim.render import decision_json, decision_text

# ---- policies that are often relevant to the one key and its callers -------------------------------------------------

EFFECTS = st.sampled_from(["Allow", "Allow", "Allow", "Deny"])
ACTIONS = st.sampled_from(
    ["kms:*", "*", "kms:Decrypt", "kms:De*", "kms:Encrypt", "kms:ReEncrypt*", "s3:*", ["kms:Get*"]]
)
RESOURCES = st.sampled_from(["*", KEY_ARN, "arn:aws:kms:*:*:key/*", f"arn:aws:kms:{REGION}:{OTHER}:key/*"])
NAMED = st.sampled_from(["*", ROOT, ACCOUNT, WORKER, WORKER_SESSION, ANA, f"arn:aws:iam::{OTHER}:root"])
KEYS = st.sampled_from(["aws:PrincipalArn", "kms:EncryptionContext:tenant", "aws:SourceIp", "kms:CallerAccount", "x:y"])
OPERATORS = st.sampled_from(
    ["StringEquals", "StringNotEquals", "StringLikeIfExists", "ForAnyValue:StringLike", "ArnLike", "Bool", "Null"]
)
VALUES = st.sampled_from(["a", "*", "true", "false", ACCOUNT, "arn:aws:iam::*:role/*", "${aws:PrincipalAccount}"])
CONDITIONS = st.dictionaries(OPERATORS, st.dictionaries(KEYS, st.lists(VALUES, max_size=2), max_size=2), max_size=2)


@st.composite
def statements(draw, *, principal=False, effects=EFFECTS):
    body = {"Effect": draw(effects)}
    body[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(ACTIONS)
    body[draw(st.sampled_from(["Resource", "Resource", "NotResource"]))] = draw(RESOURCES)
    if draw(st.booleans()):
        body["Condition"] = draw(CONDITIONS)
    if principal:
        named = draw(NAMED)
        not_named = body["Effect"] == "Deny" and draw(st.booleans())
        body["NotPrincipal" if not_named else "Principal"] = named if named == "*" else {"AWS": named}
    return body


KEY_STATEMENTS = st.lists(statements(principal=True), min_size=1, max_size=3)
IAM_STATEMENTS = st.lists(statements(), max_size=3)
CALLERS = st.sampled_from([WORKER_SESSION, ANA, ROOT, GUEST_SESSION])
CONTEXTS = st.sampled_from([{}, {"tenant": "a"}, {"tenant": "b", "x": "y"}])
GRANTS = st.lists(
    st.builds(
        grant,
        st.sampled_from(["Decrypt", "Encrypt", "ReEncryptFrom", "CreateGrant"]),
        to=st.sampled_from([WORKER, WORKER_SESSION, ANA, ROOT, f"arn:aws:iam::{OTHER}:role/guest"]),
        constraints=st.sampled_from([{}, {"encryption_context_subset": {"tenant": "a"}}]),
    ),
    max_size=2,
)


@st.composite
def situations(draw):
    """A world's parts and a call."""
    parts = {
        "key": draw(st.sampled_from([[], [*DELEGATION]])) + draw(KEY_STATEMENTS),
        "mine": draw(st.sampled_from([[], [allow()]])) + draw(IAM_STATEMENTS),
        "boundary": draw(st.none() | IAM_STATEMENTS),
        "grants": tuple(draw(GRANTS)),
    }
    operation = draw(st.sampled_from(["kms:Decrypt", "kms:Encrypt", "kms:GetKeyPolicy", "kms:CreateGrant"]))
    parameters = {"KeyId": KEY_ARN, "EncryptionContext": draw(CONTEXTS), "Operations": ["Decrypt"]}
    return parts, call(operation, draw(CALLERS), parameters=parameters)


def built(parts, **key_parts):
    one = key(*parts["key"], grants=parts["grants"], **key_parts)
    return world(one, mine=parts["mine"], theirs=parts["mine"], boundary=parts["boundary"])


def answer(parts, a_call, **key_parts):
    return words(decide(built(parts, **key_parts), a_call))


@given(situations(), st.randoms())
def test_order_and_duplicates_of_statements_change_nothing(situation, random):
    parts, a_call = situation
    changed = dict(parts)
    for name in ("key", "mine", "boundary"):
        if parts[name] is not None:
            doubled = parts[name] + parts[name][:1]
            changed[name] = random.sample(doubled, len(doubled))
    assert answer(changed, a_call) == answer(parts, a_call)


@given(situations(), st.sampled_from(["key", "mine", "boundary"]), st.data())
def test_adding_a_deny_never_allows_and_removing_one_never_denies(situation, where, data):
    parts, a_call = situation
    further = data.draw(statements(principal=where == "key", effects=st.just("Deny")))
    without = parts if parts[where] is not None else {**parts, where: [allow()]}
    at = data.draw(st.integers(0, len(without[where])))
    with_deny = {**without, where: [*without[where][:at], further, *without[where][at:]]}
    before, after = decide(built(without), a_call), decide(built(with_deny), a_call)
    assert before.allowed or not after.allowed
    assert after.explicit or not before.explicit


@given(situations(), st.sampled_from(KEY_STATES))
def test_the_key_state_never_changes_who_is_authorized(situation, state):
    """ST-5."""
    parts, a_call = situation
    plain, other = decide(built(parts), a_call), decide(built(parts, state=state), a_call)
    assert (other.allowed, other.explicit, other.layers) == (plain.allowed, plain.explicit, plain.layers)
    assert [trace.facts for trace in other.permissions] == [trace.facts for trace in plain.permissions]


def verdicts(decision):
    return [trace.facts for trace in decision.permissions]


@given(situations(), st.sampled_from(["key", "operation", "principal"]))
def test_a_grant_never_helps_another_key_operation_or_principal(situation, another):
    parts, a_call = situation
    a_call = replace(a_call, principal=caller(WORKER_SESSION))
    bare = {**parts, "grants": ()}
    further = {
        "key": grant("Decrypt", "Encrypt", "CreateGrant", to=WORKER),
        "operation": grant("GenerateMac", "Verify", to=WORKER),
        "principal": grant("Decrypt", "Encrypt", "CreateGrant", to=f"arn:aws:iam::{ACCOUNT}:role/somebody"),
    }[another]
    plain = built(bare)
    if another == "key":
        second = key(id="ffffffff-12ab-34cd-56ef-1234567890ab", grants=(further,))
        with_grant = with_account(plain, ACCOUNT, keys=(*plain.accounts[ACCOUNT].keys, second))
    else:
        with_grant = built({**bare, "grants": (further,)})
    assert verdicts(decide(with_grant, a_call)) == verdicts(decide(plain, a_call))
    assert words(decide(with_grant, a_call)) == words(decide(plain, a_call))


@given(situations())
def test_a_further_grant_never_closes_a_call(situation):
    """GR-1: a grant only allows."""
    parts, a_call = situation
    before, after = decide(built({**parts, "grants": ()}), a_call), decide(built(parts), a_call)
    assert after.allowed or not before.allowed


@given(situations())
def test_every_decision_can_be_told(situation):
    parts, a_call = situation
    decision = decide(built(parts), a_call)
    assert decision_text("one", decision, None, trace=True)
    assert decision_json("one", decision)["decision"] == decision.word
    assert (decision.failure is None) or not decision.allowed or decision.failure.code != "AccessDeniedException"
    assert bool(explain(decision).rules)


# ---- whatever it is asked, it answers --------------------------------------------------------------------------------

NAMES = [
    "KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId", "AliasName", "EncryptionContext", "GrantId", "GrantToken",
    "SourceEncryptionContext", "DestinationEncryptionContext", "EncryptionAlgorithm", "SigningAlgorithm", "MacAlgorithm",
    "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm", "MessageType", "KeySpec", "KeyUsage", "Origin",
    "CustomerMasterKeySpec", "MultiRegion", "Policy", "PolicyName", "BypassPolicyLockoutSafetyCheck", "Tags", "TagKeys",
    "ReplicaRegion", "PrimaryRegion", "Operations", "Constraints", "GranteePrincipal", "RetiringPrincipal", "ValidTo",
    "PendingWindowInDays", "RotationPeriodInDays", "DryRun", "KeyPairSpec", "ExpirationModel", "WrappingKeySpec",
    "KeyAgreementAlgorithm", "Bucket", "Key", "SecretId", "SSEKMSKeyId", "GrantTokens", "Description", "Limit",
]  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([
        KEY_ARN, KEY_ID, "alias/orders", "alias/", "alias/aws/s3", f"arn:aws:kms:{REGION}:{OTHER}:key/{KEY_ID}", "arn:aws:kms",
        f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{KEY_ID}", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/orders", "arn:" * 30, "é\ud800\0",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mrk-" + "0" * 32, "a" * 9000, "eu-west-1", "SYMMETRIC_DEFAULT", "RSA_2048", "id-of-a-grant",
        '{"Version": "2012-10-17", "Statement": []}', "{", "[" * 5000, "1" * 5000, "default", "PRIMARY", -1, 10**400, b"bytes",
    ])
)  # fmt: skip
ODD = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "EncryptionContextEquals",
                    "EncryptionContextSubset",
                    "SourceArn",
                    "TagKey",
                    "TagValue",
                    "tenant",
                    "Tenant",
                    "",
                ]
            ),
            inner,
            max_size=3,
        )
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)
SERVICE_CALLS = ["s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
ALL_OPERATIONS = sorted(f"kms:{name}" for name in OPERATIONS) + SERVICE_CALLS
ODD_CONTEXT = st.dictionaries(
    st.sampled_from(["aws:currenttime", "aws:epochtime", "aws:sourceip", "aws:sourcearn", "kms:viaservice", "x"]),
    st.text(max_size=12) | st.sampled_from(["2026", "0", "nan", "1e300x"]) | st.lists(st.text(max_size=3)).map(tuple),
    max_size=3,
)


@pytest.fixture(scope="module")
def busy_world():
    """Of everything one: keys of several kinds and states, grants, aliases, bucket, secret, endpoint, organization."""
    keys = (
        key(allow(to="*", when={"StringLike": {"kms:EncryptionContext:tenant": "*"}}), allow(to=ROOT), aliases=("alias/orders",),
            grants=(grant("Decrypt", "CreateGrant", "RetireGrant", constraints={"encryption_context_subset": {"tenant": "a"}}),)),
        key(*DELEGATION, id="mrk-" + "0" * 32, multi_region="PRIMARY", state="PendingDeletion"),
        key(*DELEGATION, id="mrk-" + "0" * 32, multi_region="REPLICA", region="eu-west-1"),
        key(*DELEGATION, id="22222222-12ab-34cd-56ef-1234567890ab", spec="RSA_2048", usage="SIGN_VERIFY", aliases=("alias/sign",)),
        key(*DELEGATION, id="33333333-12ab-34cd-56ef-1234567890ab", spec="HMAC_256", usage="GENERATE_VERIFY_MAC", origin="EXTERNAL"),
    )  # fmt: skip
    plain = world(
        *keys,
        mine=(allow("*"),),
        theirs=(allow("kms:*"),),
        organization=organization(
            rcps=(deny("kms:*", to="*", when={"StringEquals": {"aws:PrincipalOrgID": "o-other"}}),)
        ),
        vpc_endpoints={"vpce-1": VpcEndpoint("vpce-1", ACCOUNT, "vpc-1", policy("vpc_endpoint", allow(to="*")))},
    )
    return with_account(
        plain,
        ACCOUNT,
        scps=(policy("scp", allow("*")),),
        buckets={"reports": Bucket("reports", ACCOUNT, REGION, "alias/orders")},
        secrets={"db": Secret("db", ACCOUNT, REGION, KEY_ARN)},
    )


@st.composite
def odd_calls(draw, operation):
    principal = draw(
        st.sampled_from([
            caller(), caller(ANA), caller(ROOT), caller(GUEST_SESSION), caller(f"arn:aws:iam::{OTHER}:user/nobody"),
            caller(f"arn:aws:sts::{ACCOUNT}:federated-user/fed", federated_by=ANA),
            caller(f"arn:aws:sts::{ACCOUNT}:federated-user/fed", federated_by="no arn"),
            caller("arn:aws:iam::999999999999:root"), service_principal("logs.us-east-1.amazonaws.com"),
            service_principal("s3.amazonaws.com", "arn:aws:s3:::b", ACCOUNT),
        ])
    )  # fmt: skip
    relevant = st.sampled_from(NAMES)
    parameters = draw(st.dictionaries(relevant, ODD, max_size=5))
    for permission in OPERATIONS[operation.removeprefix("kms:")].permissions if operation.startswith("kms:") else ():
        if permission.parameter and draw(st.booleans()):
            parameters[permission.parameter] = draw(
                st.sampled_from([KEY_ARN, "alias/orders", KEY_ID, "mrk-" + "0" * 32])
            )
    return Call(
        principal,
        operation,
        draw(st.sampled_from([REGION, "eu-west-1", ""])),
        parameters,
        draw(
            st.none()
            | st.sampled_from([Ciphertext(KEY_ARN), Ciphertext("", {}), Ciphertext("alias/orders", {"tenant": "b"})])
        ),
        draw(st.lists(st.sampled_from(["id-of-a-grant", "no grant"]), max_size=2).map(tuple)),
        draw(st.sampled_from([None, None, "s3.us-east-1.amazonaws.com", ""])),
        draw(
            st.builds(
                Network,
                st.sampled_from([None, "203.0.113.7", "no address"]),
                st.sampled_from([None, "vpce-1", "vpce-2"]),
            )
        ),
        draw(ODD_CONTEXT),
    )


@pytest.mark.parametrize("operation", ALL_OPERATIONS)
def test_any_call_at_all_is_answered_and_can_be_told(operation, busy_world):
    @settings(max_examples=20, suppress_health_check=list(HealthCheck))
    @given(odd_calls(operation))
    def answered(a_call):
        decision = decide(busy_world, a_call)
        assert isinstance(decision, Decision)
        assert decision.allowed or decision.failure is not None
        assert decision_text("odd", decision, None, trace=True)
        assert decision_json("odd", decision)

    answered()


@pytest.mark.parametrize("moment", ["253402300800", "-1e20", "1e300", "-62135596801"])
@pytest.mark.parametrize("operation", ["kms:Decrypt", "s3:GetObject"])
def test_a_moment_beyond_the_calendar_is_answered(moment, operation, busy_world):
    assert isinstance(decide(busy_world, call(operation, context={"aws:epochtime": moment})), Decision)


def test_a_decision_has_no_truth_value():
    with pytest.raises(TypeError, match=r"decision\.allowed"):
        bool(decided(world()))


def test_the_authority_can_be_another_and_is_shown():
    shown = RuledBy("somebody", "some engine", "1234")
    somebody = Authority(shown, lambda _facts: Ruling(Reason.ALLOWED, frozenset({Layer.GRANT})))
    decision = decide(world(), call(), somebody)
    assert (decision.allowed, decision.layers, decision.authority) == (True, {Layer.GRANT}, "somebody")
    assert decision.ruled_by == shown


def test_of_several_permissions_the_explicitly_denied_ones_are_blamed():
    both = world(key(*DELEGATION), mine=(allow("kms:ReEncryptFrom"), deny("kms:ReEncryptTo")))
    parameters = {"SourceKeyId": KEY_ARN, "DestinationKeyId": KEY_ARN}
    decision = decided(both, operation="kms:ReEncrypt", parameters=parameters)
    assert words(decision) == ("DENY", ("identity",), "AccessDeniedException")
    assert decision.kind == "explicit"
    assert "kms:ReEncryptTo" in decision.failure.message


def test_a_call_about_nothing_never_reaches_authorization():
    missing = KEY_ARN.replace("1234abcd", "00000000")
    decision = decided(world(mine=(allow(),)), parameters={"KeyId": missing})
    assert words(decision) == ("DENY", (), "NotFoundException")
    assert (decision.kind, decision.permissions) == ("implicit", ())


def test_each_layer_is_asked_even_when_another_has_denied():
    denied = decided(world(key(deny(to="*")), mine=(allow(),), boundary=()))
    trace = denied.permissions[0]
    assert [layer.layer for layer in trace.layers] == list(Layer)
    assert trace.layer(Layer.IDENTITY).verdict is Verdict.ALLOW
    assert trace.layer(Layer.BOUNDARY).verdict is Verdict.SILENT
