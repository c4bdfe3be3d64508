"""What a lab promises to check, as `metadata.json` writes it: checks, wrong answers, mutants that may live, hints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kmssim.access import actions_on_keys
from kmssim.errors import InputError
from kmssim.evaluator.decision import Layer
from kmssim.labs.fields import (
    TEXT,
    TEXTS,
    Field,
    Fields,
    known_text,
    list_of,
    map_of,
    number_from,
    object_of,
    object_schema,
    one_of,
    optional,
    or_null,
    read_fields,
    shaped,
)
from kmssim.rules import all_rules
from kmssim.strict_json import join_path

LAYER_WORDS = tuple(layer.value for layer in Layer)
EDIT_KINDS = (
    "key_policy", "identity", "scp", "rcp", "boundary", "session", "vpc_endpoint", "trust", "bucket", "secret",
    "code", "answers",
)  # fmt: skip
POLICY_KINDS = frozenset(EDIT_KINDS) - {"code", "answers"}
WORLDS = ("answer", "shipped")
"""In which world a check looks: with the documents of the answer, or with those that the lab ships."""


@dataclass(frozen=True)
class Edit:
    """A file in `exercise/` that the learner edits; `about` says what it is, e.g. `the policy of key orders`."""

    path: str
    kind: str
    about: str


@dataclass(frozen=True)
class MayChange:
    """Which part of the access matrix a task may change. Globs; `principal` over ARN and name, `key` over the label.

    `context`: each pair must be met; {} means calls without one; None any. `change`: `gained`, `lost` or `any`.
    """

    principal: str
    action: str
    key: str
    context: Mapping[str, str] | None
    via: str | None
    change: str


@dataclass(frozen=True)
class Reach:
    """How many paths may lead a principal to an action on a key (its label, alias, id or ARN)."""

    principal: str
    action: str
    key: str
    paths: int


@dataclass(frozen=True)
class Check:
    """One check, in the order in which they are looked at. Which fields count depends on `kind`; see `_BY_KIND`.

    `has_error` tells an expected success (`error` None, stated) from an error that is left open.
    """

    id: str
    kind: str
    claim: str
    because: str = ""
    rules: tuple[str, ...] = ()
    request: str = ""
    expect: str = ""
    layers: tuple[str, ...] | None = None
    error: str | None = None
    has_error: bool = False
    may_change: tuple[MayChange, ...] = ()
    asks: tuple[str, ...] = ()
    function: str = ""
    reach: Reach | None = None
    world: str = "answer"


@dataclass(frozen=True)
class Wrong:
    """A believable wrong answer: its folder, the check that it must trip first, and the belief behind it."""

    path: str
    trips: str
    belief: str
    misconception: str | None

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Survivor:
    """A mutant that no check catches, in the words of the tool, and why that is right."""

    mutant: str
    why: str


@dataclass(frozen=True)
class Hint:
    """One of three; `show` is `diff_with_hole` where the hint shows a part of the way to the solution."""

    level: int
    text: str
    show: str | None


@dataclass(frozen=True)
class LabLimits:
    """What each check may take."""

    seconds: int = 10
    memory_mb: int = 512


@dataclass(frozen=True)
class Fidelity:
    """What the simulation's answers rest on."""

    status: str
    note: str


RULE = known_text(lambda text: text in all_rules(), "the rule book has no {}")
_REQUEST_KINDS = {"positive": "ALLOW", "negative": "DENY", "absence": "DENY"}
_ID = shaped("[a-z][a-z0-9_]*", "a check's id: small letters, digits and _")
_OF_ALL: Fields = {
    "id": _ID,
    "kind": one_of(("positive", "negative", "collateral", "prediction", "code", "path", "absence")),
    "claim": TEXT,
    "because": optional(TEXT, ""),
    "rules": optional(list_of(RULE), ()),
}
_OF_REQUEST: Fields = {
    "request": TEXT,
    "expect": one_of(("ALLOW", "DENY")),
    "layers": optional(list_of(one_of(LAYER_WORDS))),
    "error": optional(or_null(TEXT)),
}
_WORLD = one_of(WORLDS)
_CONTEXT = optional(or_null(map_of(TEXT)))
_MAY_CHANGE = object_of(
    {
        "principal": optional(TEXT, "*"),
        "action": optional(TEXT, "*"),
        "key": optional(TEXT, "*"),
        "context": _CONTEXT,
        "via": optional(TEXT),
        "change": optional(one_of(("gained", "lost", "any")), "any"),
    },
    MayChange,
)
_REACH = object_of(
    {
        "principal": TEXT,
        "action": known_text(lambda text: text in actions_on_keys(), "KMS has no action {} on a key"),
        "key": TEXT,
        "paths": optional(number_from(0), 0),
    },
    Reach,
)
_BY_KIND: Mapping[str, Fields] = {
    "positive": _OF_REQUEST,
    "negative": _OF_REQUEST,
    "collateral": {"may_change": optional(list_of(_MAY_CHANGE), ())},
    "prediction": {
        "request": TEXT,
        "asks": list_of(one_of(("decision", "layer", "error")), 1),
        "world": optional(_WORLD, "shipped"),
    },
    "code": {"function": TEXT, "world": optional(_WORLD, "answer")},
    "path": {"function": TEXT, "world": optional(_WORLD, "shipped")},
    "absence": {
        "request": optional(TEXT, ""),
        "expect": optional(one_of(("DENY",)), "DENY"),
        "layers": optional(list_of(one_of(LAYER_WORDS))),
        "error": optional(or_null(TEXT)),
        "reach": optional(_REACH),
    },
}


def _read_check(value: object, path: str) -> Check:
    kind = value.get("kind") if isinstance(value, dict) else None
    fields = {**_OF_ALL, **_BY_KIND.get(str(kind), {})}
    read = read_fields(fields, value, path)
    assert isinstance(value, dict)  # noqa: S101 - read_fields refuses all else
    wanted = _REQUEST_KINDS.get(str(kind))
    if wanted and read["expect"] != wanted:
        raise InputError(f"a {kind} check expects {wanted}", path=join_path(path, "expect"))
    if kind == "absence" and bool(read["request"]) is bool(read["reach"]):
        raise InputError("an absence is that of a `request` or of a `reach`, one of them", path=path)
    return Check(**read, has_error="error" in value)


def _check_schema() -> dict[str, object]:
    """Each kind has fields of its own."""
    kinds = [object_schema({**_OF_ALL, "kind": one_of((kind,)), **fields}) for kind, fields in _BY_KIND.items()]
    return {"type": "object", "oneOf": kinds}


def _three_hints(value: object, path: str) -> tuple[Hint, ...]:
    hints: tuple[Hint, ...] = _HINTS.read(value, path)
    if tuple(hint.level for hint in hints) != (1, 2, 3):
        raise InputError("must be three hints, of level 1, 2 and 3", path=path)
    return hints


_HINTS = list_of(
    object_of(
        {"level": number_from(1), "text": TEXT, "show": optional(one_of(("diff_with_hole",)))},
        Hint,
    )
)
CHECK = Field(_read_check, _check_schema())
EDIT = object_of(
    {
        "path": shaped(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.(json|py)", "a path of a .json or .py file in `exercise/`"),
        "kind": one_of(EDIT_KINDS),
        "about": TEXT,
    },
    Edit,
)
WRONG = object_of(
    {
        "path": shaped("wrong/[a-z0-9_]+", "a folder `wrong/some_name`"),
        "trips": _ID,
        "belief": TEXT,
        "misconception": optional(RULE),
    },
    Wrong,
)
SURVIVORS = object_of(
    {
        "survivors": optional(list_of(object_of({"mutant": TEXT, "why": TEXT}, Survivor)), ()),
        "operators": optional(TEXTS, ()),
    },
    lambda survivors, operators: survivors,  # noqa: ARG005 - all operators are used on every lab
)
HINTS = Field(_three_hints, {**_HINTS.schema, "minItems": 3, "maxItems": 3})
LIMITS = object_of({"seconds": optional(number_from(1), 10), "memory_mb": optional(number_from(64), 512)}, LabLimits)
FIDELITY = object_of(
    {"status": one_of(("documented", "observed", "open")), "note": optional(TEXT, "")},
    Fidelity,
)
