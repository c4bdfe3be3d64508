"""What a policy says: kinds, statements and their elements. Frozen data, and what can be found out of them once.

An element remembers what it was asked: whether it covers an action, whether it names an ARN. The answers follow from
the element alone, so a policy that decides often is read once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from kmssim.evaluator.conditions import Condition
from kmssim.evaluator.patterns import Pattern, Template, Variable, Wild, matches, matches_resource
from kmssim.evaluator.principals import PrincipalEntry, PrincipalName
from kmssim.evaluator.unlocked import cached_property

_MOST_KEPT = 1024
"""How many ARNs an element remembers its answers for."""


class PolicyKind(Enum):
    """Where a policy is attached; it decides what the document may hold and who refuses it."""

    __hash__ = object.__hash__  # looked up often; each member exists once

    KEY_POLICY = "key_policy"
    IDENTITY = "identity"
    BOUNDARY = "boundary"
    SESSION = "session"
    SCP = "scp"
    RCP = "rcp"
    VPC_ENDPOINT = "vpc_endpoint"
    TRUST = "trust"
    BUCKET = "bucket"
    SECRET = "secret"  # noqa: S105 - a kind of policy, not a password


class Effect(Enum):
    """What a statement does when it applies; the values are case-sensitive (PG-5)."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Element:
    """`Action`, `NotAction`, `Resource` or `NotResource`: texts as written and parsed; `negated` for the Not forms."""

    texts: tuple[str, ...]
    templates: tuple[Template, ...]
    negated: bool
    _named: dict[str, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def names(self, resource: str) -> bool:
        """Whether one of the patterns matches an ARN; of texts without variables, and found once for each ARN."""
        found = self._named.get(resource)
        if found is None:
            if len(self._named) >= _MOST_KEPT:
                self._named.clear()
            found = any(matches_resource(pattern, resource) for pattern in self.patterns or ())
            self._named[resource] = found
        return found

    @cached_property
    def written(self) -> str:
        """The texts as people read them."""
        return ", ".join(self.texts)

    @cached_property
    def patterns(self) -> tuple[Pattern, ...] | None:
        """The templates as patterns; None where one has a variable, which each request fills in."""
        return None if self.variables else cast("tuple[Pattern, ...]", self.templates)

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The condition keys for which its variables stand."""
        return tuple(token.key for template in self.templates for token in template if isinstance(token, Variable))

    @cached_property
    def is_anything(self) -> bool:
        """Whether a lone star is among the texts."""
        return not self.negated and (Wild.ANY,) in self.templates


@dataclass(frozen=True)
class PrincipalElement:
    """`Principal` or `NotPrincipal`."""

    entries: tuple[PrincipalEntry, ...]
    negated: bool

    @cached_property
    def written(self) -> str:
        """The entries as people read them."""
        return ", ".join(entry.written for entry in self.entries)

    @cached_property
    def names(self) -> frozenset[PrincipalName]:
        """The names of all entries: who has one of them is listed."""
        return frozenset(entry.name for entry in self.entries)


@dataclass(frozen=True)
class Statement:
    """One statement. `path` is its JSON path inside the document, e.g. `Statement[0]`.

    In a key policy `action` or `resource` may be None: KMS accepts the statement and never applies it (PG-4).
    """

    path: str
    sid: str | None
    effect: Effect
    action: Element | None
    resource: Element | None
    principal: PrincipalElement | None
    conditions: tuple[Condition, ...]
    _covered: dict[str, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def covers(self, action: str) -> bool:
        """Whether Action or NotAction covers an action, whose case does not matter (PG-10, PG-13).

        Found once for each action, since actions take no variables (CO-40).
        """
        found = self._covered.get(action)
        if found is None:
            element, lowered = self.action, action.lower()
            patterns = element.patterns if element else None
            named = any(matches(pattern, lowered) for pattern in patterns or ())
            found = element is not None and named != element.negated
            self._covered[action] = found
        return found

    @cached_property
    def condition_keys(self) -> tuple[str, ...]:
        """The condition keys that it looks at, in lower case."""
        return tuple(condition.key for condition in self.conditions)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """All condition keys that may have a say on whether it applies: also those for which variables stand."""
        of_conditions = (key for condition in self.conditions for key in (condition.key, *condition.variables))
        of_resource = self.resource.variables if self.resource is not None else ()
        return tuple(dict.fromkeys((*of_conditions, *of_resource)))

    @cached_property
    def effect_word(self) -> str:
        """`Allow` or `Deny`."""
        return self.effect.value


@dataclass(frozen=True)
class Policy:
    """An accepted policy. `document` is the JSON that it was read from, `source` where that stands (a JSON path)."""

    kind: PolicyKind
    version: str
    statements: tuple[Statement, ...]
    document: Mapping[str, object] = field(compare=False, repr=False)
    source: str = field(default="", compare=False)
    views: dict[Hashable, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What the policy has shown before; see `views`."""

    @cached_property
    def names_principals(self) -> bool:
        """Whether one of the statements says whom it means."""
        return any(statement.principal is not None for statement in self.statements)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as what was read, without what was found out since."""
        return Policy, (self.kind, self.version, self.statements, self.document, self.source)
