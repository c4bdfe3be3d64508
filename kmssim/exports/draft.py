"""What has been found so far, in the words of a scenario document, each thing with the place that it comes from.

The reader of scenarios is the judge of it: what it refuses is taken out again and listed, and the rest stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kmssim.errors import InputError
from kmssim.evaluator.request import Arn
from kmssim.exports.notes import Notes, Spot
from kmssim.scenario import Scenario, parse_scenario

Document = dict[str, object]
Steps = tuple[str | int, ...]

_STEP = re.compile(r'\.?([A-Za-z0-9_-]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]')


@dataclass
class KeyDraft:
    """A key. `about` are the fields of a scenario that say what it is; `described`: somebody said so.

    `policy` None: nobody stated one. `own_label` is what a template calls it.
    """

    arn: Arn
    spot: Spot
    about: Document = field(default_factory=dict)
    described: bool = False
    policy: Document | None = None
    aliases: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    grants: dict[str, Document] = field(default_factory=dict)
    spots: dict[Steps, Spot] = field(default_factory=dict)
    own_label: str | None = None

    @property
    def id(self) -> str:
        """The key id."""
        return self.arn.resource.removeprefix("key/")

    @property
    def label(self) -> str:
        """What a person would call it: by its first alias of its own, else by its id."""
        return self.own_label or next((alias.removeprefix("alias/") for alias in self.aliases), self.id)


@dataclass
class Draft:
    """Accounts with their identities (documents of a scenario by kind and name), keys by ARN, the organization."""

    region: str
    notes: Notes
    accounts: dict[str, Document] = field(default_factory=dict)
    keys: dict[str, KeyDraft] = field(default_factory=dict)
    organization: Document | None = None
    spots: dict[Steps, Spot] = field(default_factory=dict)

    def account(self, account: str) -> Document:
        """The account's document, made when first asked for."""
        return self.accounts.setdefault(account, {})

    def add_identity(self, account: str, kind: str, name: str, document: Document, spot: Spot) -> None:
        """A user, group or role; of two that differ the first one counts."""
        things = self.account(account).setdefault(kind, {})
        assert isinstance(things, dict)  # noqa: S101 - made in the line above
        known = things.setdefault(name, document)
        steps = ("accounts", account, kind, name)
        if known != document:
            self.notes.add(spot, f"differs from what {self.spots[steps].file} says of it, which counts")
        self.spots.setdefault(steps, spot)

    def key(self, arn: Arn, spot: Spot) -> KeyDraft:
        """The key of this ARN, noted when first met."""
        return self.keys.setdefault(str(arn), KeyDraft(arn, spot))

    def document(self, title: str) -> Document:
        """The whole as a scenario document."""
        for account, found in self._keys().items():
            self.account(account)["keys"] = found
        document: Document = {"title": title, "region": self.region}
        if self.organization is not None:
            document["organization"] = self.organization
        return document | {"accounts": self.accounts}

    def _keys(self) -> dict[str, Document]:
        found: dict[str, Document] = {}
        for key in self.keys.values():
            if key.policy is None:
                what = "the key is left out: nobody states its key policy (add the output of kms get-key-policy)"
                self.notes.add(key.spot, what)
                continue
            named = found.setdefault(key.arn.account, {})
            label = key.label if key.label not in named else f"{key.label} {key.id} {key.arn.region}"
            here = ("accounts", key.arn.account, "keys", label)
            self.spots[here] = key.spot
            self.spots |= {(*here, *steps): spot for steps, spot in key.spots.items()}
            named[label] = self._key(key)
        return found

    def _key(self, key: KeyDraft) -> Document:
        if not key.described:
            what = "taken for an enabled symmetric encryption key: nobody describes it (add kms describe-key)"
            self.notes.add(key.spot, what)
        grants = list(key.grants.values())
        stated = {"aliases": key.aliases, "tags": key.tags, "grants": grants}
        region = {} if key.arn.region == self.region else {"region": key.arn.region}
        filled = {name: value for name, value in stated.items() if value}
        return {"id": key.id, **region, **key.about, "policy": key.policy, **filled}


def read_draft(document: Document, spots: dict[Steps, Spot], notes: Notes) -> Scenario:
    """Read the document as a scenario; what is refused is taken out of it and listed.

    Raises:
        InputError: something is wrong that nothing can be taken out for.

    """
    try:
        return parse_scenario(document)
    except InputError:
        for thing in list(_things(document)):
            _weed(document, thing, spots, notes)
    return _read_without_mistakes(document, spots, notes)


def _read_without_mistakes(document: Document, spots: dict[Steps, Spot], notes: Notes) -> Scenario:
    while True:
        try:
            return parse_scenario(document)
        except InputError as error:
            _take_out(document, spots, notes, error)


def _things(document: Document) -> Iterator[tuple[str, str, str]]:
    """Account, kind and name of each user, group, role and key."""
    for account, things in _mapping(document["accounts"]).items():
        for kind in ("users", "groups", "roles", "keys"):
            yield from ((account, kind, name) for name in _mapping(_mapping(things).get(kind, {})))


def _mapping(value: object) -> Document:
    assert isinstance(value, dict)  # noqa: S101 - our own documents
    return value


def _weed(document: Document, thing: tuple[str, str, str], spots: dict[Steps, Spot], notes: Notes) -> None:
    """Take the mistakes out of one thing by itself: the whole would be read anew for each of them."""
    account, kind, name = thing
    holder = _mapping(_mapping(_mapping(document["accounts"])[account])[kind])
    alone: Document = {kind: {name: holder[name]}}
    if kind == "users":
        groups = _mapping(_mapping(_mapping(document["accounts"])[account]).get("groups", {}))
        alone["groups"] = {group: {} for group in groups}
    small: Document = {"region": document["region"], "accounts": {account: alone}}
    _read_without_mistakes(small, spots, notes)
    if name not in _mapping(alone[kind]):
        del holder[name]


def _take_out(document: Document, spots: dict[Steps, Spot], notes: Notes, error: InputError) -> None:
    where = tuple(_steps(error.path))
    target = _removable(where)
    spot = next((spots[where[:end]] for end in range(len(where), 0, -1) if where[:end] in spots), None)
    if target is None or not _remove(document, target, spots):
        if spot is not None:
            error.file, error.path = spot.file, spot.path
        raise error
    hint = re.sub(r"; and \d+ more problems?$|^and \d+ more problems?$", "", error.hint)
    what = f"{error.what} ({hint})" if hint else error.what
    notes.add(spot or Spot("the scenario made of these files", error.path), f"left out, {_word(target)}: {what}")


def _steps(path: str) -> Iterator[str | int]:
    for plain, index, odd in _STEP.findall(path):
        yield int(index) if index else json.loads(odd) if odd else plain


def _removable(where: Steps) -> Steps | None:
    """The smallest thing around a mistake that can be left out by itself."""
    match where:
        case ("accounts", _, "keys", _, "grants" | "aliases", int(), *_):
            return where[:6]
        case ("accounts", _, "users" | "groups" | "roles", _, "policies", _, *_):
            return where[:6]
        case ("accounts", _, "users", _, "groups", int(), *_):
            return where[:6]
        case ("accounts", _, "users" | "groups" | "roles" | "keys", _, *_):
            return where[:4]  # a boundary, too: without it the identity could do more than it can
        case _:
            return None


def _word(target: Steps) -> str:
    kind = next(str(step) for step in reversed(target[:-1]) if isinstance(step, str) and step in _WORDS)
    return f"{_WORDS[kind]} `{target[-1]}`" if isinstance(target[-1], str) else f"{_WORDS[kind]} {target[-1] + 1}"


_WORDS = {
    "grants": "grant",
    "aliases": "alias",
    "policies": "policy",
    "users": "user",
    "groups": "group",
    "roles": "role",
    "keys": "key",
}


def _remove(document: Document, target: Steps, spots: dict[Steps, Spot]) -> bool:
    """Take it out; what follows in a list moves up, and so do the places that it comes from."""
    *outer, last = target
    holder: object = document
    for step in outer:
        holder = holder[step]  # type: ignore[index]
    if isinstance(holder, dict):
        return holder.pop(last, None) is not None
    if not isinstance(holder, list) or not isinstance(last, int):
        return False
    del holder[last]
    around = len(outer)
    for steps in sorted((each for each in spots if each[:around] == target[:-1] and len(each) > around), key=str):
        index = steps[around]
        if isinstance(index, int) and index >= last:
            spot = spots.pop(steps)
            if index > last:
                spots[(*outer, index - 1, *steps[around + 1 :])] = spot
    return True
