# METADATA
# title: KMS decision authority
# description: |
#   The combining rule: facts in, ruling out. It never looks at policy documents; the evaluator has read them, and the
#   facts say what each layer found. kmssim.evaluator.combine is the same rule in Python; the two agree on every input.
#
#   1. An explicit deny in any layer beats everything (DA-1).
#   2. A guardrail that applies and does not allow closes every path: SCP, VPC endpoint policy (OR-1, OR-7).
#   3. Otherwise one open path is enough. A path names the layers that give it and those that must not be silent on it.
#
#   What cannot be read is denied, with the reason invalid_input.
# scope: package
package kmssim.authz

# Written in a subset of Rego that every engine reads alike, because each stumbles over something ordinary:
#   no "some k, v in" in a comprehension, no sprintf, no set handed to a function (rego-cpp);
#   no comprehension as the value of a rule that has a body as well (older regorus);
#   no string interpolation (regorus);
#   no "not builtin(reference)" where the reference may be undefined (OPA lets such a check pass).
import rego.v1

# Raised whenever an answer changes; a server that holds another version is not asked.
version := "kmssim.authz/1"

# In the order in which AWS documents them (DA-2).
layers := ["rcp", "scp", "vpc_endpoint", "key_policy", "grant", "identity", "boundary", "session"]

guardrails := ["scp", "vpc_endpoint"]

caller_side := ["identity", "boundary", "session"]

kinds := ["iam", "grant", "direct", "delegation", "across"]

limited_by := {
	"nothing": [],
	"session": ["session"],
	"boundary_and_session": ["boundary", "session"],
}

# The verdicts with which a layer blocks a path that needs it. Identity and key policy must say allow; elsewhere a layer
# that does not apply does not block.
blocks := {
	"scp": ["silent"],
	"vpc_endpoint": ["silent"],
	"key_policy": ["silent", "not_applicable"],
	"identity": ["silent", "not_applicable"],
	"boundary": ["silent"],
	"session": ["silent"],
}

# ---------------------------------------------------------------- entry points

default decision := {"allowed": false, "reason": "invalid_input", "layers": [], "paths": []}

decision := decide(input)

batch := [decide(facts) | some facts in input.requests]

# ---------------------------------------------------------------- the ruling

decide(facts) := answer if {
	not readable(facts)
	answer := {"allowed": false, "reason": "invalid_input", "layers": [], "paths": []}
} else := answer if {
	denying := [layer | some layer in layers; facts.verdicts[layer] == "deny"]
	count(denying) > 0
	answer := {"allowed": false, "reason": "explicit_deny", "layers": denying, "paths": []}
} else := answer if {
	found := paths(facts)
	closed := blocking(facts, guardrails)
	open := [way | some way in found; count(way.blocked_by) == 0]
	answer := rule(facts, found, closed, open)
}

rule(_, _, [], open) := answer if {
	count(open) > 0
	giving := [layer | some way in open; some layer in way.given_by]
	answer := {"allowed": true, "reason": "allowed", "layers": in_order(giving), "paths": names(open)}
}

rule(_, _, closed, open) := answer if {
	count(closed) > 0
	count(open) > 0
	answer := {"allowed": false, "reason": "guardrail_silent", "layers": closed, "paths": names(open)}
}

rule(_, found, closed, []) := answer if {
	count(found) > 0
	blocked := [layer | some way in found; some layer in way.blocked_by]
	blamed := in_order(array.concat(closed, blocked))
	answer := {"allowed": false, "reason": "paths_blocked", "layers": blamed, "paths": names(found)}
}

rule(facts, [], closed, []) := answer if {
	blamed := in_order(array.concat(closed, [missing(facts.source)]))
	answer := {"allowed": false, "reason": "no_path", "layers": blamed, "paths": []}
}

# No path at all: the layer that would have had to open one.
missing("grant") := "grant"

missing("key") := "key_policy"

in_order(wanted) := [layer | some layer in layers; layer in wanted]

names(ways) := [way.name | some way in ways]

# ---------------------------------------------------------------- paths

paths(facts) := [way |
	some kind in kinds
	found := path(facts, kind)
	way := {"name": kind, "given_by": found.given_by, "blocked_by": blocking(facts, found.needs)}
]

blocking(facts, needed) := [layer | some layer in needed; facts.verdicts[layer] in blocks[layer]]

# No key takes part (DA-38, DA-39).
path(facts, "iam") := {"given_by": ["identity"], "needs": caller_side} if {
	facts.source == "identity"
}

# A grant helps, and is limited as its grantee's form is (GR-33, GR-35, GR-40); it is also what retires one (GR-60).
path(facts, "grant") := {"given_by": ["grant"], "needs": limited_by[facts.granted]} if {
	facts.source != "identity"
	facts.granted_to_account == false
}

# A grant to the whole account: the account's IAM must allow too (GR-22).
path(facts, "grant") := {"given_by": ["grant", "identity"], "needs": needed} if {
	facts.source != "identity"
	facts.granted_to_account == true
	needed := array.concat(["identity"], limited_by[facts.granted])
}

# The key policy names the caller; what its form leaves standing (DA-20 to DA-26).
path(facts, "direct") := {"given_by": ["key_policy"], "needs": limited_by[facts.direct]} if {
	facts.source == "key"
	facts.same_account == true
}

# The key policy hands the account to IAM (DA-27).
path(facts, "delegation") := {"given_by": ["key_policy", "identity"], "needs": caller_side} if {
	facts.source == "key"
	facts.same_account == true
	facts.delegated == true
}

# The key is another account's: both sides must allow (XA-1, XA-2).
path(facts, "across") := {"given_by": ["key_policy", "identity"], "needs": needed} if {
	facts.source == "key"
	facts.same_account == false
	takes_part(facts)
	needed := array.concat(["key_policy"], caller_side)
}

# The key policy of another account's key is asked where it trusts the caller, or where no grant spares the asking.
takes_part(facts) if facts.direct != null

takes_part(facts) if facts.delegated == true

takes_part(facts) if facts.granted == null

# ---------------------------------------------------------------- input check

# All of it is positive: a field that is missing or of another type leaves the rule undefined, and "not readable" then
# holds on every engine.
readable(facts) if {
	is_object(facts)
	count(facts) == 7
	is_object(facts.verdicts)
	count(facts.verdicts) == count(layers)
	count([layer | some layer in layers; facts.verdicts[layer] in verdict_words]) == count(layers)
	facts.source in ["key", "identity", "grant"]
	is_boolean(facts.same_account)
	facts.direct in limit_words
	is_boolean(facts.delegated)
	facts.granted in limit_words
	is_boolean(facts.granted_to_account)
}

verdict_words := ["allow", "deny", "silent", "not_applicable"]

limit_words := [null, "nothing", "session", "boundary_and_session"]
