"""The combining rule, case by case; the laws over its whole domain are in `test_laws`."""

from __future__ import annotations

import pytest

from kmssim.evaluator.combine import combine
from kmssim.evaluator.decision import Facts, Layer, Limits, Source, Verdict

A, D, S, N = Verdict.ALLOW, Verdict.DENY, Verdict.SILENT, Verdict.NOT_APPLICABLE
BASE = {
    Layer.RCP: N,
    Layer.SCP: N,
    Layer.VPC_ENDPOINT: N,
    Layer.KEY_POLICY: S,
    Layer.GRANT: S,
    Layer.IDENTITY: S,
    Layer.BOUNDARY: N,
    Layer.SESSION: N,
}
NOTHING, SESSION, BOTH = Limits.NOTHING, Limits.SESSION, Limits.BOUNDARY_AND_SESSION


def facts(source=Source.KEY, *, same=True, direct=None, delegated=False, granted=None, to_account=False, **verdicts):
    found = BASE | {Layer(name): verdict for name, verdict in verdicts.items()}
    return Facts(found, source, same, direct, delegated, granted, to_account)


RULINGS = [
    # same account, no grant
    ("nobody is trusted", facts(identity=A), "deny key_policy"),
    ("nothing at all", facts(), "deny key_policy"),
    ("direct trust alone", facts(direct=NOTHING, key_policy=A), "allow key_policy"),
    ("delegation and IAM", facts(delegated=True, key_policy=A, identity=A), "allow key_policy identity"),
    ("delegation without IAM", facts(delegated=True, key_policy=A), "deny identity"),
    ("both ways open", facts(direct=NOTHING, delegated=True, key_policy=A, identity=A), "allow key_policy identity"),
    ("only the direct way open", facts(direct=NOTHING, delegated=True, key_policy=A), "allow key_policy"),
    # what limits which way
    ("boundary limits a role", facts(direct=BOTH, key_policy=A, boundary=S), "deny boundary"),
    ("session limits a role", facts(direct=BOTH, key_policy=A, session=S), "deny session"),
    ("both limit a role", facts(direct=BOTH, key_policy=A, boundary=S, session=S), "deny boundary session"),
    ("boundary does not limit a session", facts(direct=SESSION, key_policy=A, boundary=S), "allow key_policy"),
    ("nothing limits a user", facts(direct=NOTHING, key_policy=A, boundary=S, session=S), "allow key_policy"),
    ("boundary limits delegation", facts(delegated=True, key_policy=A, identity=A, boundary=S), "deny boundary"),
    (
        "beside a missing identity the limits are blamed too",
        facts(delegated=True, key_policy=A, boundary=S, session=S),
        "deny boundary identity session",
    ),
    (
        "of two blocked ways the union is blamed",
        facts(direct=BOTH, delegated=True, key_policy=A, session=S),
        "deny identity session",
    ),
    # guardrails
    ("an SCP that is silent", facts(direct=NOTHING, key_policy=A, scp=S), "deny scp"),
    ("an endpoint policy that is silent", facts(direct=NOTHING, key_policy=A, vpc_endpoint=S), "deny vpc_endpoint"),
    ("guardrail beside missing trust", facts(scp=S), "deny key_policy scp"),
    ("an RCP that allows gives nothing", facts(rcp=A, scp=A, vpc_endpoint=A), "deny key_policy"),
    # explicit denies
    ("a deny beats a direct trust", facts(direct=NOTHING, key_policy=A, identity=D), "explicit identity"),
    ("all denies are named and nothing else", facts(rcp=D, session=D, scp=S), "explicit rcp session"),
    ("a deny in the key policy beats a grant", facts(granted=NOTHING, grant=A, key_policy=D), "explicit key_policy"),
    # grants
    ("a grant alone", facts(granted=NOTHING, grant=A), "allow grant"),
    ("a grant limited by the boundary", facts(granted=BOTH, grant=A, boundary=S), "deny boundary"),
    ("a grant to the account and IAM", facts(granted=BOTH, to_account=True, grant=A, identity=A), "allow grant identity"),
    ("a grant to the account without IAM", facts(granted=BOTH, to_account=True, grant=A), "deny identity"),
    (
        "a grant beside direct trust",
        facts(granted=NOTHING, grant=A, direct=NOTHING, key_policy=A),
        "allow grant key_policy",
    ),
    ("a grant past an idle delegation", facts(granted=NOTHING, grant=A, delegated=True, key_policy=A), "allow grant"),
    # across accounts
    ("both sides", facts(same=False, delegated=True, key_policy=A, identity=A), "allow identity key_policy"),
    ("direct trust is not enough", facts(same=False, direct=NOTHING, key_policy=A), "deny identity"),
    ("the caller's side alone", facts(same=False, identity=A), "deny key_policy"),
    ("neither side", facts(same=False), "deny identity key_policy"),
    ("neither side, and limits", facts(same=False, boundary=S), "deny boundary identity key_policy"),
    ("a grant across accounts", facts(same=False, granted=NOTHING, grant=A), "allow grant"),
    (
        "a grant beside direct trust and IAM across accounts",
        facts(same=False, granted=NOTHING, grant=A, direct=NOTHING, key_policy=A, identity=A),
        "allow grant identity key_policy",
    ),
    (
        "a grant beside delegation and IAM across accounts",
        facts(same=False, granted=NOTHING, grant=A, delegated=True, key_policy=A, identity=A),
        "allow grant identity key_policy",
    ),
    ("a key policy that was not asked opens nothing", facts(same=False, key_policy=N, identity=A), "deny key_policy"),
    ("a blocked grant across accounts", facts(same=False, granted=BOTH, grant=A, session=S), "deny session"),
    # no key
    ("IAM alone", facts(Source.IDENTITY, key_policy=N, grant=N, identity=A), "allow identity"),
    ("IAM alone is silent", facts(Source.IDENTITY, key_policy=N, grant=N), "deny identity"),
    ("IAM alone within a boundary", facts(Source.IDENTITY, key_policy=N, grant=N, identity=A, boundary=S), "deny boundary"),
    ("a service has no IAM", facts(Source.IDENTITY, key_policy=N, grant=N, identity=N), "deny identity"),
    # retiring
    ("the grant itself", facts(Source.GRANT, key_policy=N, granted=NOTHING, grant=A), "allow grant"),
    ("no grant of the caller's", facts(Source.GRANT, key_policy=N, identity=A), "deny grant"),
    (
        "a delegate of the issuing account",
        facts(Source.GRANT, key_policy=N, granted=NOTHING, to_account=True, grant=A, identity=A),
        "allow grant identity",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "ruling"), [pytest.param(f, r, id=name) for name, f, r in RULINGS])
def test_the_ruling(given, ruling):
    found = combine(given)
    word = "allow" if found.allowed else "explicit" if found.explicit else "deny"
    assert " ".join([word, *sorted(layer.value for layer in found.layers)]) == _sorted(ruling)


WAYS = [
    (facts(direct=NOTHING, key_policy=A, session=D), "explicit_deny", ""),
    (facts(Source.IDENTITY, key_policy=N, grant=N, identity=A), "allowed", "iam"),
    (facts(direct=NOTHING, key_policy=A), "allowed", "direct"),
    (facts(delegated=True, key_policy=A, identity=A), "allowed", "delegation"),
    (facts(granted=NOTHING, grant=A, direct=NOTHING, delegated=True, key_policy=A, identity=A), "allowed",
     "grant direct delegation"),
    (facts(granted=NOTHING, grant=A, delegated=True, key_policy=A), "allowed", "grant"),
    (facts(same=False, delegated=True, key_policy=A, identity=A), "allowed", "across"),
    (facts(direct=NOTHING, delegated=True, key_policy=A, scp=S), "guardrail_silent", "direct"),
    (facts(direct=BOTH, delegated=True, key_policy=A, session=S, scp=S), "paths_blocked", "direct delegation"),
    (facts(same=False), "paths_blocked", "across"),
    (facts(scp=S), "no_path", ""),
    (facts(Source.GRANT, key_policy=N), "no_path", ""),
]  # fmt: skip


@pytest.mark.parametrize(("given", "reason", "ways"), WAYS)
def test_the_reason_and_the_ways_that_are_open_or_else_blocked(given, reason, ways):
    found = combine(given)
    assert (found.reason.value, " ".join(kind.value for kind in found.paths)) == (reason, ways)


def _sorted(ruling):
    word, *layers = ruling.split()
    return " ".join([word, *sorted(layers)])
