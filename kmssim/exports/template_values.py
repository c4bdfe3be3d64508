"""The values of a CloudFormation template: intrinsic functions worked out as far as the template alone tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kmssim.exports.notes import Spot
from kmssim.exports.parts import Part

_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
_NO_VALUE = "AWS::NoValue"

Attribute = Callable[[str, str | None], str | None]
"""A resource's attribute by logical id; with None what `Ref` gives. None: the template alone does not tell."""


@dataclass
class Values:
    """Works out values.

    `pseudo`: what `AWS::Region` and its like stand for; `parameters`: the defaults by name; `open_parameters`: those
    without one.

    Raises InputError, at its place, for what only a deployment would know.
    """

    pseudo: Mapping[str, str]
    parameters: Mapping[str, object]
    mappings: Mapping[str, object]
    conditions: Mapping[str, Part]
    attribute: Attribute
    open_parameters: frozenset[str] = frozenset()
    _asked: list[str] = field(default_factory=list)

    def resolve(self, part: Part) -> object:
        """The value with every function in it worked out; a member that is AWS::NoValue is left out."""
        value = part.value
        if isinstance(value, list):
            worked = [self.resolve(each) for each in part.items()]
            return [each for each in worked if each is not _ABSENT]
        if not isinstance(value, Mapping):
            return value
        if len(value) == 1:
            [(name, argument)] = part.members()
            if name in {"Ref", "Condition"} or name.startswith("Fn::"):
                function = _FUNCTIONS.get(name)
                if function is not None:
                    return function(self, argument)
                if name != "Condition":
                    raise part.spot.refusal(f"`{name}` is known only after deployment, or not to kmssim")
        resolved = {name: self.resolve(each) for name, each in part.members()}
        return {name: each for name, each in resolved.items() if each is not _ABSENT}

    def reference(self, name: str, spot: Spot) -> object:
        """What `Ref` gives."""
        if name == _NO_VALUE:
            return _ABSENT
        for known in (self.pseudo, self.parameters):
            if name in known:
                return known[name]
        if name in self.open_parameters:
            raise spot.refusal(f"the parameter `{name}` has no default, so its value is known only at deployment")
        return self.named(name, None, spot)

    def named(self, name: str, attribute: str | None, spot: Spot) -> str:
        """An attribute of a resource."""
        found = self.attribute(name, attribute)
        if found is None:
            shown = f"{name}.{attribute}" if attribute else name
            raise spot.refusal(f"`{shown}` is known only after deployment")
        return found

    def is_true(self, part: Part) -> bool:
        """A condition of the template, by its name or as it stands."""
        if isinstance(part.value, bool):
            return part.value
        if isinstance(part.value, str):
            return self._named_condition(part)
        [(name, argument)] = part.members() if len(part.mapping()) == 1 else [("", part)]
        if name == "Condition":
            return self._named_condition(argument)
        if name == "Fn::Not":
            return not self.is_true(argument.exactly(1)[0])
        if name in {"Fn::And", "Fn::Or"}:
            join = all if name == "Fn::And" else any
            return join([self.is_true(each) for each in argument.items()])
        if name == "Fn::Equals":
            one, other = (self.resolve(each) for each in argument.exactly(2))
            return str(one) == str(other)
        raise part.spot.refusal("this is no condition that kmssim knows")

    def _named_condition(self, part: Part) -> bool:
        name = part.text()
        if name not in self.conditions or name in self._asked:
            raise part.spot.refusal(f"no condition `{name}` that can be worked out")
        self._asked.append(name)
        try:
            return self.is_true(self.conditions[name])
        finally:
            self._asked.pop()


class _Absent:
    """What AWS::NoValue stands for: as if the member were not there."""


_ABSENT = _Absent()


def _ref(values: Values, part: Part) -> object:
    return values.reference(part.text(), part.spot)


def _get_att(values: Values, part: Part) -> object:
    if isinstance(part.value, str):
        name, _, attribute = part.value.partition(".")
        return values.named(name, attribute, part.spot)
    name, attribute = (str(values.resolve(each)) for each in part.exactly(2))
    return values.named(name, attribute, part.spot)


def _sub(values: Values, part: Part) -> object:
    """Text with `${Name}`, `${Name.Attribute}`, or names of its own; `${!Name}` stands for `${Name}`."""
    own: Mapping[str, object] = {}
    template = part
    if isinstance(part.value, list):
        template, names = part.exactly(2)
        own = {name: values.resolve(each) for name, each in names.members()}

    def fill(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if literal:
            return f"${{{name}}}"
        if name in own:
            return str(own[name])
        resource, dot, attribute = name.strip().partition(".")
        if dot:
            return values.named(resource, attribute, part.spot)
        return str(values.reference(name.strip(), part.spot))

    return _VARIABLE.sub(fill, template.text())


def _join(values: Values, part: Part) -> object:
    between, parts = part.exactly(2)
    joined = values.resolve(parts)
    if not isinstance(joined, list):
        raise parts.spot.refusal("Fn::Join joins a list")
    return between.text().join(str(each) for each in joined)


def _if(values: Values, part: Part) -> object:
    condition, then, otherwise = part.exactly(3)
    return values.resolve(then if values.is_true(condition) else otherwise)


def _select(values: Values, part: Part) -> object:
    index, items = (values.resolve(each) for each in part.exactly(2))
    if not isinstance(items, list) or not str(index).isdecimal() or int(str(index)) >= len(items):
        raise part.spot.refusal("Fn::Select takes a place in a list, and the list")
    return items[int(str(index))]


def _split(values: Values, part: Part) -> object:
    between, text = (str(values.resolve(each)) for each in part.exactly(2))
    if not between:
        raise part.spot.refusal("Fn::Split needs something to split at")
    return text.split(between)


def _find_in_map(values: Values, part: Part) -> object:
    found: object = values.mappings
    for step in (values.resolve(each) for each in part.items()):
        if not isinstance(found, Mapping) or str(step) not in found:
            raise part.spot.refusal(f"no `{step}` in the template's Mappings")
        found = found[str(step)]
    return found


_FUNCTIONS: Mapping[str, Callable[[Values, Part], object]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
}
