"""Worlds that Hypothesis makes: everything that a scenario can declare, small and in every combination.

Names, ids and tags are what AWS lets them be (`kmssim.scenario_file.models`); what AWS would not let stand beside each other,
such as two aliases of a name in one Region, is not made.
"""

from __future__ import annotations

from hypothesis import strategies as st

from kmssim.evaluator.operations import GRANT_OPERATIONS, KEY_SPECS, KeyKind, key_kind
from kmssim.evaluator.policy import PolicyKind, default_key_policy, parse_policy
from kmssim.evaluator.world import (
    Account,
    Bucket,
    Constraints,
    Grant,
    Group,
    Key,
    Organization,
    Role,
    Secret,
    Unit,
    User,
    VpcEndpoint,
    World,
)

ACCOUNTS = ("111122223333", "444455556666", "000000000001", "999900001111")
REGIONS = {"aws": ("us-east-1", "eu-west-1", "ap-southeast-2"), "aws-cn": ("cn-north-1", "cn-northwest-1")}
STATES = (
    "Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Unavailable", "Creating",
    "Updating",
)  # fmt: skip
KINDS = [(spec, usage) for usage, specs in KEY_SPECS.items() for spec in specs]
HOSTS = ("rds.amazonaws.com", "logs.eu-west-1.amazonaws.com")

_ACTIONS = ("kms:*", "kms:Decrypt", "kms:Re*", "*")
_CONDITIONS = (
    {"StringEquals": {"aws:PrincipalTag/team": ["shop", "${aws:username}"]}},
    {"Bool": {"aws:MultiFactorAuthPresent": True}, "NumericLessThan": {"aws:MultiFactorAuthAge": 60}},
    {"ForAllValues:StringLikeIfExists": {"kms:EncryptionContextKeys": "tenant*"}},
    {},
)

names = st.text("abXY09_+=,.@-", min_size=1, max_size=6)
paths = st.one_of(st.just("/"), st.text("ab!~%&+:", min_size=1, max_size=4).map("/{}/".format), st.just("/a/b/a/"))


def tags(letters="abC é:/=+-@._"):
    """Keys are unique whatever their case; none begins with `aws:` or is blank."""
    keys = st.text(letters, min_size=1, max_size=5).filter(lambda key: key.strip() == key)
    pairs = st.lists(
        st.tuples(keys, st.text(letters, max_size=5)), max_size=3, unique_by=lambda pair: pair[0].casefold()
    )
    return pairs.map(dict)


def named(values, **sizes):
    """Some of `values` by names that differ in more than their case."""
    found = st.lists(names, unique_by=str.lower, **sizes)
    return found.flatmap(lambda chosen: st.fixed_dictionaries({name: values(name) for name in chosen}))


def some(strategy):
    """The same, or nothing."""
    return st.none() | strategy


@st.composite
def policies(draw, kind, principals=("*",)):
    """A policy of the kind, its statements a list or one by itself."""
    statements = []
    for _ in range(draw(st.integers(1, 2))):
        effect = "Deny" if kind is PolicyKind.RCP else draw(st.sampled_from(["Allow", "Deny"]))
        body = {
            "Effect": effect,
            "Action": draw(st.sampled_from(_ACTIONS[:-1] if kind is PolicyKind.RCP else _ACTIONS)),
        }
        if kind is not PolicyKind.TRUST:
            body["Resource"] = draw(st.sampled_from(["*", ["*", "*"]]))
        if kind in _WITH_PRINCIPAL:
            body["Principal"] = "*" if kind is PolicyKind.RCP else draw(st.sampled_from(["*", *principals]))
        if condition := draw(st.sampled_from(_CONDITIONS)):
            body["Condition"] = condition
        if draw(st.booleans()):
            body["Sid"] = draw(st.text("abZ9", max_size=4))
        statements.append(body)
    alone = len(statements) == 1 and draw(st.booleans())
    document = {"Statement": statements[0] if alone else statements}
    if draw(st.integers(0, 5)):
        document = {"Version": "2012-10-17", **document}
    return parse_policy(document, kind)


_WITH_PRINCIPAL = {
    PolicyKind.KEY_POLICY, PolicyKind.TRUST, PolicyKind.RCP, PolicyKind.BUCKET, PolicyKind.SECRET,
    PolicyKind.VPC_ENDPOINT,
}  # fmt: skip


def unions(kind, most=2):
    """Policies that count together."""
    return st.lists(policies(kind), max_size=most).map(tuple)


class _Place:
    """Where ARNs of a world lie."""

    def __init__(self, partition, accounts):
        self.partition, self.accounts, self.regions = partition, accounts, REGIONS[partition]

    def iam(self, account, what):
        return f"arn:{self.partition}:iam::{account}:{what}"

    def principals(self):
        """Somebody whom a grant may name, declared or not."""
        whom = st.sampled_from(["root", "user/a/ana", "role/app", "role/aws:ec2-infrastructure"])
        by_iam = st.builds(self.iam, st.sampled_from(self.accounts), whom)
        session = st.sampled_from(["assumed-role/app/job", "federated-user/web"])
        by_sts = st.builds(
            lambda account, what: f"arn:{self.partition}:sts::{account}:{what}", st.sampled_from(self.accounts), session
        )
        return by_iam | by_sts

    def trusted(self):
        """Principals of policies."""
        return (
            {"AWS": self.iam(self.accounts[0], "root")},
            {"AWS": [self.accounts[-1], self.iam(self.accounts[0], "role/app")]},
            {"Service": "lambda.amazonaws.com"},
        )


def users(place, account, groups):
    """Users of an account who joined some of its groups, in any order."""
    joined = st.permutations(groups).flatmap(lambda order: st.integers(0, len(order)).map(lambda n: tuple(order[:n])))
    return named(
        lambda name: st.builds(
            User,
            paths.map(lambda path: place.iam(account, f"user{path}{name}")),
            st.just(name),
            unions(PolicyKind.IDENTITY),
            joined,
            some(policies(PolicyKind.BOUNDARY)),
            tags(),
        ),
        max_size=2,
    )


def roles(place, account):
    """Roles of an account, of which some are a service's own."""

    def make(name):
        return st.builds(
            Role,
            st.one_of(paths, st.just("/aws-service-role/rds.amazonaws.com/")).map(
                lambda path: place.iam(account, f"role{path}{name}")
            ),
            st.just(name),
            some(policies(PolicyKind.TRUST, place.trusted())),
            unions(PolicyKind.IDENTITY),
            some(policies(PolicyKind.BOUNDARY)),
            tags(),
        )

    by_aws = st.fixed_dictionaries({"aws:ec2-infrastructure": make("aws:ec2-infrastructure")})
    return st.builds(lambda own, theirs: {**own, **theirs}, named(make, max_size=2), st.just({}) | by_aws)


@st.composite
def grants(draw, place, account, serial, kind):
    """A grant to somebody or to a service, with any constraints that its key takes."""
    to_service, retired_by_service = draw(st.booleans()), draw(st.booleans())
    pairs = {"keys": st.text("abé ", min_size=1, max_size=3), "values": st.text('ab"\\é', max_size=3), "max_size": 2}
    operations = st.lists(st.sampled_from(sorted(GRANT_OPERATIONS[kind])), min_size=1, max_size=4, unique=True)
    operations = operations.filter(lambda chosen: chosen != ["CreateGrant"])  # GR-18
    constraints = draw(
        st.one_of(
            st.just(Constraints()),
            st.builds(lambda context: Constraints(encryption_context_equals=context), st.dictionaries(**pairs)),
            st.builds(
                lambda context: Constraints(encryption_context_subset=context), st.dictionaries(**pairs, min_size=1)
            ),
        )
        if kind is KeyKind.SYMMETRIC
        else st.just(Constraints())
    )
    if to_service and draw(st.booleans()):
        arn = f"arn:{place.partition}:rds:{place.regions[0]}:{account}:cluster:main"
        constraints = Constraints(
            constraints.encryption_context_equals, constraints.encryption_context_subset, source_arn=arn
        )
    return Grant(
        id=f"{draw(st.integers(0, 255)):02x}{account}{serial:050x}",  # in no order, and never twice
        name=draw(some(st.just(f"grant:{serial}/_-"))),
        operations=tuple(draw(operations)),
        issuing_account=draw(st.sampled_from(place.accounts)),
        grantee=None if to_service else draw(place.principals()),
        grantee_service=draw(st.sampled_from(HOSTS)) if to_service else None,
        retiring=None if retired_by_service else draw(some(place.principals())),
        retiring_service=draw(st.sampled_from(HOSTS)) if retired_by_service else None,
        constraints=constraints,
        pending=draw(st.booleans()),
    )


@st.composite
def keys(draw, place, account):
    """Keys of an account: single ones, and primaries with or without a replica in another Region."""
    found = []
    free = {region: iter(draw(st.permutations(_ALIASES))) for region in place.regions}
    for number in range(draw(st.integers(0, 3))):
        digits = f"{number:08}-0000-4000-8000-{account}"
        kind = draw(st.sampled_from(["single", "single", "primary", "pair", "replica"]))
        regions = draw(st.permutations(place.regions))
        spec, usage = draw(st.sampled_from(KINDS))
        origin = draw(st.sampled_from(["AWS_KMS", "AWS_KMS", "EXTERNAL"]))
        for region, part in zip(regions, _PARTS[kind], strict=False):
            managed = part is None and draw(st.integers(0, 7)) == 0
            aliases = [next(free[region]) for _ in range(draw(st.integers(0, 2)))]
            if managed:
                aliases = [f"alias/aws/{name.rpartition('/')[2]}" for name in aliases]
            key_id = f"mrk-{digits.replace('-', '')}" if part else digits
            count = draw(st.integers(0, 3))
            key = Key(
                id=key_id,
                region=region,
                account=account,
                policy=draw(
                    st.just(default_key_policy(account, place.partition))
                    | policies(PolicyKind.KEY_POLICY, place.trusted())
                ),
                partition=place.partition,
                spec=spec,
                usage=usage,
                origin=origin,
                manager="AWS" if managed else "CUSTOMER",
                state=draw(st.sampled_from(STATES)),
                multi_region=part,
                ram_policy=draw(some(policies(PolicyKind.KEY_POLICY, place.trusted()))),
                aliases=tuple(aliases),
                tags=draw(tags()),
                grants=tuple(
                    draw(grants(place, account, len(found) * 3 + index, key_kind(spec, usage)))
                    for index in range(count)
                ),
            )
            found.append(key)
    return tuple(draw(st.permutations(found)))


_ALIASES = tuple(f"alias/{name}" for name in ("a", "B", "a/b", "a_-9", "z", "y", "x", "w", "v", "u", "t", "s"))
_PARTS = {
    "single": (None,),
    "primary": ("PRIMARY",),
    "pair": ("PRIMARY", "REPLICA"),
    "replica": ("REPLICA",),
}


def references(place, account):
    """A key as a bucket or a secret names it."""
    arn = f"arn:{place.partition}:kms:{place.regions[0]}:{account}"
    return st.sampled_from([None, f"{arn}:key/00000000-0000-4000-8000-{account}", f"{arn}:alias/a", "alias/a"])


def buckets(place, account):
    """Buckets, whose names are one set for all accounts."""

    def make(name):
        return st.builds(
            Bucket,
            st.just(name),
            st.just(account),
            st.sampled_from(place.regions),
            references(place, account),
            st.booleans(),
            some(policies(PolicyKind.BUCKET, place.trusted())),
        )

    chosen = st.sets(st.sampled_from([f"bucket-{account}", f"b.{account}-logs"]), max_size=2)
    return chosen.flatmap(lambda found: st.fixed_dictionaries({name: make(name) for name in sorted(found)}))


def secrets(place, account):
    """Secrets in any Region; names are unique in an account here, since a world has them by name."""

    def make(name):
        return st.builds(
            Secret,
            st.just(name),
            st.just(account),
            st.sampled_from(place.regions),
            references(place, account) | st.just("alias/aws/secretsmanager"),
            some(policies(PolicyKind.SECRET, place.trusted())),
        )

    chosen = st.sets(st.sampled_from(["db", "db/a", "web_+=.@-"]), max_size=2)
    return chosen.flatmap(lambda found: st.fixed_dictionaries({name: make(name) for name in sorted(found)}))


@st.composite
def organizations(draw, accounts):
    """An organization with units that hang on each other, and a management account that is declared or not; or none."""
    if draw(st.integers(0, 2)) == 0:
        return None
    units = {"root": Unit("root", None, draw(unions(PolicyKind.SCP)), draw(unions(PolicyKind.RCP)))}
    for name in draw(st.lists(st.sampled_from(["ou", "Team A", "deep-1"]), unique=True, max_size=3)):
        parent = draw(st.sampled_from(sorted(units)))
        units[name] = Unit(name, parent, draw(unions(PolicyKind.SCP)), draw(unions(PolicyKind.RCP)))
    management = draw(st.sampled_from([None, "123456789012", accounts[0]]))
    shuffled = draw(st.permutations(list(units)))
    return Organization(
        draw(st.sampled_from(["o-a1b2c3d4e5", "o-zzzzzzzzzz0"])), management, {n: units[n] for n in shuffled}
    )


@st.composite
def endpoints(draw, place):
    """VPC endpoints, with a policy or with the default one."""
    ids = draw(st.sets(st.sampled_from(["vpce-1", "vpce-0a1b2c3d"]), max_size=2))
    return {
        one: VpcEndpoint(
            one,
            draw(st.sampled_from(place.accounts)),
            "vpc-1",
            draw(some(policies(PolicyKind.VPC_ENDPOINT, place.trusted()))),
        )
        for one in sorted(ids)
    }


@st.composite
def worlds(draw):
    """A world with one to three accounts."""
    chosen = draw(st.lists(st.sampled_from(ACCOUNTS), min_size=1, max_size=3, unique=True))
    place = _Place(draw(st.sampled_from(["aws", "aws", "aws", "aws-cn"])), tuple(chosen))
    organization = draw(organizations(chosen))
    accounts = {}
    for account in chosen:
        managing = organization is not None and account == organization.management_account
        units = [*(organization.units if organization else ())]
        groups = draw(named(lambda name: st.builds(Group, st.just(name), unions(PolicyKind.IDENTITY)), max_size=2))
        accounts[account] = Account(
            id=account,
            unit=draw(st.sampled_from(units if managing else [None, *units])),
            scps=draw(unions(PolicyKind.SCP)),
            rcps=draw(unions(PolicyKind.RCP)),
            users=draw(users(place, account, list(groups))),
            groups=groups,
            roles=draw(roles(place, account)),
            keys=draw(keys(place, account)),
            buckets=draw(buckets(place, account)),
            secrets=draw(secrets(place, account)),
        )
    region = draw(st.sampled_from(place.regions))
    return World(accounts, region, organization, draw(endpoints(place)))
