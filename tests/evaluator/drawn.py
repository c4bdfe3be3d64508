"""Worlds and calls drawn from a seed, so that every layer and every condition operator has its say.

A world is small and dense: two accounts in one organization, a few principals of every kind, keys of two accounts with
grants and shared policies, an endpoint, a bucket. What AWS would refuse is drawn again. Values are few, so that
conditions are met about as often as not.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from building import ACCOUNT, ANA, GUEST, GUEST_SESSION, OTHER, REGION, ROOT, WORKER, WORKER_SESSION

from kmssim.errors import PolicyError
from kmssim.evaluator.conditions import OPERATORS
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.evaluator.request import Call, Ciphertext, Network, Principal, Session, parse_principal, service_principal
from kmssim.evaluator.world import (
    Account,
    Bucket,
    Constraints,
    Grant,
    Group,
    Key,
    Organization,
    Role,
    Unit,
    User,
    VpcEndpoint,
    World,
)

LINKED = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/rds.amazonaws.com/linked"
FEDERATED = f"arn:aws:sts::{ACCOUNT}:federated-user/fred"
SERVICE = "logs.us-east-1.amazonaws.com"
ENDPOINT, VIA = "vpce-1", "s3.us-east-1.amazonaws.com"
SOURCE = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g"
KEY_IDS = tuple(f"1234abcd-12ab-34cd-56ef-12345678900{number}" for number in range(4))
OWNERS = (ACCOUNT, ACCOUNT, OTHER, ACCOUNT)
KEYS = tuple(f"arn:aws:kms:{REGION}:{owner}:key/{name}" for name, owner in zip(KEY_IDS, OWNERS, strict=True))
WORDS = ("hr", "it", "ops")
BLOBS = tuple(base64.b64encode(word.encode()).decode() for word in WORDS)
MOMENTS = ("2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z")
ADDRESSES = ("203.0.113.7", "10.1.2.3", "2001:db8::1")
USES = ("Decrypt", "Encrypt", "GenerateDataKey", "DescribeKey", "CreateGrant", "ReEncrypt", "ScheduleKeyDeletion")
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OTHERS = ("TagResource", "CreateKey", "ListKeys", "CreateAlias", "RetireGrant", "Sign")

_TEXTS = (
    "kms:EncryptionContext:dept", "kms:EncryptionContext:Dept", "aws:PrincipalTag/dept", "aws:ResourceTag/dept",
    "aws:RequestTag/dept", "kms:EncryptionContextKeys", "aws:TagKeys", "made:up",
)  # fmt: skip
_TEXT_VALUES = (*WORDS, "HR", "h*", "?t", "dept", "app", "${aws:PrincipalTag/dept}", "${aws:PrincipalTag/no, 'it'}")
_ARN_VALUES = (
    WORKER, ANA, GUEST, f"arn:aws:iam::{ACCOUNT}:role/*", "arn:aws:iam::*:*/?na", SOURCE, "no arn",
    "arn:aws:iam::${aws:PrincipalAccount}:*",
)  # fmt: skip
_OF_OPERATORS: dict[str, tuple[tuple[str, ...], tuple[object, ...]]] = {
    "String": ((*_TEXTS, "kms:ViaService", "kms:CallerAccount", "aws:ResourceOrgPaths"), (*_TEXT_VALUES, VIA, ACCOUNT)),
    "Arn": (("aws:PrincipalArn", "aws:SourceArn", "aws:TagKeys"), _ARN_VALUES),
    "Bool": (
        ("aws:SecureTransport", "kms:GrantIsForAWSResource", "aws:MultiFactorAuthPresent"),
        ("true", "False", True),
    ),
    "Binary": (("made:blob", "aws:PrincipalTag/dept"), (*BLOBS, "no base64")),
    "Ip": (("aws:SourceIp", "aws:VpcSourceIp"), ("203.0.113.0/24", "10.0.0.0/8", "2001:db8::/32", "nowhere")),
    "Numeric": (
        ("kms:ScheduleKeyDeletionPendingWindowInDays", "aws:MultiFactorAuthAge", "aws:EpochTime"),
        (7, "14", 1.5e9, "many"),
    ),
    "Date": (("aws:CurrentTime", "aws:TokenIssueTime", "aws:EpochTime"), (*MOMENTS, "2026", "1770000000", "soon")),
    "Null": (
        ("kms:EncryptionContext:dept", "aws:SourceIp", "aws:TagKeys", "kms:ViaService", "aws:SourceVpce"),
        ("true", "false"),
    ),
}
_OPERATORS = sorted(OPERATORS)


class Drawing:
    """One seed's worlds and calls."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - drawn, not secret
        self.one: Callable[[Sequence[Any]], Any] = self.random.choice

    def rarely(self, chance: float = 0.2) -> bool:
        return self.random.random() < chance

    def some(self, among: Sequence[Any], most: int) -> list[Any]:
        return [self.one(among) for _ in range(self.random.randint(1, most))]

    # ---- policies ----------------------------------------------------------------------------------------------------

    def condition(self) -> dict[str, object]:
        """A block of one line or two."""
        block: dict[str, dict[str, object]] = {}
        for _ in range(1 + self.rarely(0.3)):
            name = self.one(_OPERATORS)
            family = next(start for start in _OF_OPERATORS if start in name.removeprefix("Not"))
            keys, values = _OF_OPERATORS[family]
            written = name
            if name != "Null":
                qualifier = self.one(["", "", "", "", "ForAnyValue:", "ForAllValues:"])
                written = qualifier + name + ("IfExists" if self.rarely() else "")
            block.setdefault(written, {})[self.one(keys)] = self.some(values, 3)
        return block

    def statement(self, kind: PolicyKind) -> dict[str, object]:
        """One statement of a policy of that kind."""
        names = [f"kms:{name}" for name in (*USES, *OTHERS, "ReEncryptFrom")]
        wide = ["kms:*", "kms:*", "kms:De*", "kms:?ecrypt", "kms:ReEncrypt*", "s3:*", "s3:GetObject"]
        denying = kind is PolicyKind.RCP or self.rarely(0.25)
        body: dict[str, object] = {"Effect": "Deny" if denying else "Allow"}
        body["NotAction" if self.rarely(0.1) else "Action"] = self.some(names if denying else wide + names[:6], 4)
        named = ["*", "*", KEYS[0], KEYS[2], f"arn:aws:kms:*:{ACCOUNT}:key/*", "arn:aws:s3:::${aws:PrincipalTag/dept}*"]
        body["NotResource" if self.rarely(0.1) else "Resource"] = "*" if self.rarely(0.6) else self.some(named, 2)
        if kind is PolicyKind.RCP:
            body["Principal"] = "*"
        elif kind in {PolicyKind.KEY_POLICY, PolicyKind.VPC_ENDPOINT, PolicyKind.BUCKET}:
            body.update(self.principals(denying=denying))
        if denying or self.rarely(0.6):
            body["Condition"] = self.condition()
        return body

    def principals(self, *, denying: bool) -> dict[str, object]:
        """Whom a statement means: mostly somebody who calls."""
        texts = self.some([ROOT, WORKER, ANA, GUEST, WORKER_SESSION, FEDERATED, OTHER, LINKED, GUEST_SESSION], 4)
        if denying and self.rarely():
            return {"NotPrincipal": {"AWS": [*texts, ROOT]}}
        if self.rarely(0.3):
            return {"Principal": "*"}
        return {"Principal": {"AWS": texts, **({"Service": SERVICE} if self.rarely(0.3) else {})}}

    def policy(self, kind: PolicyKind, source: str, *first: dict[str, object]) -> Policy:
        """A policy: what is given first, and a few statements more."""
        version = "2008-10-17" if self.rarely(0.1) else "2012-10-17"
        statements = [*first, *(self.acceptable(kind) for _ in range(self.random.randint(1, 4)))]
        return parse_policy({"Version": version, "Statement": statements}, kind, source)

    def acceptable(self, kind: PolicyKind) -> dict[str, object]:
        """A statement that AWS accepts."""
        while True:
            body = self.statement(kind)
            try:
                parse_policy({"Statement": body}, kind)
            except PolicyError:
                continue
            return body

    # ---- the world ---------------------------------------------------------------------------------------------------

    def world(self) -> World:
        """Two accounts, in an organization or not."""
        scps = tuple(self.policy(PolicyKind.SCP, f"scp-{level}", EVERYTHING) for level in range(2))
        rcps = (self.policy(PolicyKind.RCP, "rcp"),) if self.rarely(0.6) else ()
        root, team = Unit("root", None, scps[:1], rcps), Unit("team", "root", scps[1:])
        managing = OTHER if self.rarely(0.3) else "999900001111"
        organization = Organization("o-drawn", managing, {"root": root, "team": team}) if self.rarely(0.7) else None
        open_door = [{**EVERYTHING, "Principal": "*"}] if self.rarely(0.7) else []
        endpoint = self.policy(PolicyKind.VPC_ENDPOINT, "endpoint", *open_door)
        return World(
            {name: self.account(name, organization is not None) for name in (ACCOUNT, OTHER)},
            REGION,
            organization,
            {ENDPOINT: VpcEndpoint(ENDPOINT, ACCOUNT, "vpc-1", None if self.rarely() else endpoint)},
        )

    def account(self, name: str, organized: bool) -> Account:  # noqa: FBT001
        """Everybody of one account, and its keys."""
        keys = tuple(self.key(number) for number, owner in enumerate(OWNERS) if owner == name)
        unit = self.one(["root", "team"]) if organized else None
        scps = (self.policy(PolicyKind.SCP, f"scp-{name}", *([EVERYTHING] if self.rarely(0.8) else [])),)
        if name == OTHER:
            guest = Role(GUEST, "guest", policies=self.own("guest"))
            return Account(OTHER, unit, scps, roles={"guest": guest}, keys=keys)
        tags = {"dept": self.one(WORDS)}
        worker = Role(WORKER, "worker", policies=self.own("worker"), boundary=self.boundary(), tags=tags)
        groups = {"group": Group("group", self.own("group"))}
        ana = User(ANA, "ana", self.own("ana"), ("group",) if self.rarely(0.5) else (), self.boundary(), tags)
        on_bucket = self.policy(PolicyKind.BUCKET, "bucket") if self.rarely(0.5) else None
        bucket = Bucket("bucket", ACCOUNT, REGION, KEYS[self.random.randrange(3)], self.rarely(0.3), on_bucket)
        roles = {"worker": worker, "linked": Role(LINKED, "linked", policies=self.own("linked"))}
        return Account(ACCOUNT, unit, scps, (), {"ana": ana}, groups, roles, keys, {"bucket": bucket})

    def own(self, name: str) -> tuple[Policy, ...]:
        count = self.random.randint(0, 2)
        return tuple(self.policy(PolicyKind.IDENTITY, f"{name}-{number}") for number in range(count))

    def boundary(self) -> Policy | None:
        return self.policy(PolicyKind.BOUNDARY, "boundary") if self.rarely(0.5) else None

    def key(self, number: int) -> Key:
        """A key: half of them with grants; the last one is AWS's."""
        shared = self.policy(PolicyKind.KEY_POLICY, f"shared-{number}") if self.rarely() else None
        grants = tuple(self.grant(number, one) for one in range(4)) if self.rarely(0.5) else ()
        return Key(
            KEY_IDS[number], REGION, OWNERS[number], self.policy(PolicyKind.KEY_POLICY, f"key-{number}"),
            manager="AWS" if number == len(KEY_IDS) - 1 else "CUSTOMER",
            state="Disabled" if self.rarely(0.1) else "Enabled",
            ram_policy=shared, aliases=(f"alias/k{number}",) if self.rarely(0.5) else (),
            tags={"dept": self.one(WORDS)} | ({"Dept": "hr"} if self.rarely() else {}), grants=grants,
        )  # fmt: skip

    def grant(self, key: int, number: int) -> Grant:
        pairs = {"dept": self.one(WORDS)}
        constraints = [
            Constraints(), Constraints(), Constraints(encryption_context_equals=pairs),
            Constraints(encryption_context_subset=pairs), Constraints(source_arn=SOURCE),
        ]  # fmt: skip
        operations = tuple(dict.fromkeys(self.some([*USES[:5], "RetireGrant", "ReEncryptFrom"], 4)))
        to = self.one([WORKER, WORKER_SESSION, ANA, GUEST, FEDERATED, ROOT, LINKED])
        service = SERVICE if self.rarely(0.1) else None
        return Grant(
            f"grant-{key}-{number}", None, operations, OWNERS[key], None if service else to, service,
            self.one([None, WORKER, ANA]), constraints=self.one(constraints), pending=self.rarely(0.1),
        )  # fmt: skip

    # ---- calls -------------------------------------------------------------------------------------------------------

    def callers(self) -> list[Principal]:
        """Everybody who calls in one world, some with a session of their own making."""
        passed = (self.policy(PolicyKind.SESSION, "session"),)
        limited = Session(passed, {"dept": self.one(WORDS)}, mfa=self.rarely(0.5))
        plain = [ROOT, ANA, WORKER_SESSION, GUEST_SESSION, LINKED]
        found = [parse_principal(text) for text in plain] + [parse_principal(WORKER_SESSION, limited)]
        federated = (Session(passed, federated_by=ANA), Session(federated_by=ANA))
        found += [parse_principal(FEDERATED, session) for session in federated]
        return [one for one in found if one] + [service_principal(SERVICE, SOURCE, ACCOUNT)]

    def call(self, callers: Sequence[Principal]) -> Call:
        """One call by one of them."""
        if self.rarely(0.05):
            name, parameters = self.one(["GetObject", "PutObject"]), {"Bucket": "bucket", "Key": self.one(WORDS)}
            return Call(self.one(callers), f"s3:{name}", REGION, parameters)
        name = self.one(OTHERS) if self.rarely(0.15) else self.one(USES)
        network = Network(self.one([None, *ADDRESSES]), ENDPOINT if self.rarely(0.3) else None, not self.rarely(0.1))
        return Call(
            self.one(callers), f"kms:{name}", REGION, self.parameters(name), self.ciphertext(name),
            (f"grant-0-{self.random.randrange(4)}",) if self.rarely(0.05) else (),
            VIA if self.rarely(0.15) else None, network, self.stated(),
        )  # fmt: skip

    def ciphertext(self, name: str) -> Ciphertext | None:
        return Ciphertext(self.one(KEYS)) if name in {"Decrypt", "ReEncrypt"} else None

    def stated(self) -> dict[str, Any]:
        """Condition keys that a call states outright."""
        stated: dict[str, Any] = {"aws:currenttime": self.one(MOMENTS)} if self.rarely(0.4) else {}
        for key, values in (("made:up", WORDS), ("made:blob", BLOBS), ("aws:tagkeys", [("dept",), ("app", WORKER)])):
            if self.rarely():
                stated[key] = self.one(values)
        return stated

    def parameters(self, name: str) -> dict[str, object]:
        """What boto3 would be given."""
        key: dict[str, object] = {"KeyId": self.one([*KEYS, KEYS[0], KEYS[0], KEY_IDS[1], "alias/k0"])}
        pairs = {part: self.one(WORDS) for part in ("dept", "app", "Dept") if self.rarely(0.4)}
        context: dict[str, object] = {"EncryptionContext": pairs} if pairs else {}
        tags = [{"TagKey": "dept", "TagValue": self.one(WORDS)}]
        made: dict[str, dict[str, object]] = {
            "DescribeKey": key,
            "CreateGrant": {**key, "GranteePrincipal": self.one([WORKER, GUEST]), "Operations": ["Decrypt"]}
            | ({"Constraints": {"EncryptionContextSubset": pairs}} if pairs else {}),
            "ReEncrypt": {"DestinationKeyId": self.one(KEYS), "SourceEncryptionContext": pairs},
            "ScheduleKeyDeletion": {**key, "PendingWindowInDays": self.one([7, 14, 30])},
            "TagResource": {**key, "Tags": tags},
            "CreateKey": {"Tags": tags} if self.rarely(0.5) else {},
            "ListKeys": {},
            "CreateAlias": {"AliasName": "alias/new", "TargetKeyId": key["KeyId"]},
            "RetireGrant": {"KeyId": KEYS[0], "GrantId": f"grant-0-{self.random.randrange(4)}"},
            "Sign": {**key, "SigningAlgorithm": "ECDSA_SHA_256"},
        }
        return made.get(name, {**key, **context})


def drawn(seed: int, worlds: int, calls: int) -> Iterator[tuple[World, list[Call]]]:
    """That many worlds, each with that many calls."""
    drawing = Drawing(seed)
    for _ in range(worlds):
        world, callers = drawing.world(), drawing.callers()
        yield world, [drawing.call(callers) for _ in range(calls)]
