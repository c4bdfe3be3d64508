"""A part of an exported file that knows where it stands, and refuses to be read as what it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from kmssim.errors import PolicyError
from kmssim.evaluator.policy import PolicyKind, parse_policy
from kmssim.evaluator.request import Arn, parse_arn
from kmssim.exports.notes import Spot
from kmssim.scenario_file.problems import describe


@dataclass(frozen=True)
class Part:
    """A JSON value at its place. Reading it as something else raises InputError with file and JSON path."""

    value: object
    spot: Spot

    def get(self, name: str) -> Part | None:
        """A member of an object; None where it is missing or null."""
        found = self.mapping().get(name)
        return None if found is None else Part(found, self.spot.at(name))

    def __getitem__(self, name: str) -> Part:
        """A member that must be there."""
        found = self.get(name)
        if found is None:
            raise self.spot.refusal(f"the member `{name}` is missing")
        return found

    def mapping(self) -> Mapping[str, object]:
        """An object."""
        if not isinstance(self.value, Mapping):
            raise self.spot.refusal(f"expected an object; found {describe(self.value)}")
        return self.value

    def members(self) -> Iterator[tuple[str, Part]]:
        """The members of an object."""
        for name, value in self.mapping().items():
            yield name, Part(value, self.spot.at(name))

    def items(self) -> list[Part]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self.spot.refusal(f"expected a list; found {describe(self.value)}")
        return [Part(value, self.spot.at(index)) for index, value in enumerate(self.value)]

    def exactly(self, count: int) -> list[Part]:
        """The elements of a list that must have so many."""
        found = self.items()
        if len(found) != count:
            raise self.spot.refusal(f"expected a list of {count}; found {len(found)}")
        return found

    def listed(self, name: str) -> list[Part]:
        """The elements of a list that is a member; none where it is missing."""
        found = self.get(name)
        return [] if found is None else found.items()

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self.spot.refusal(f"expected a string; found {describe(self.value)}")
        return self.value

    def optional_text(self, name: str) -> str | None:
        """A string that is a member; None where it is missing or empty."""
        found = self.get(name)
        return None if found is None else found.text() or None

    def arn(self) -> Arn:
        """An ARN."""
        found = parse_arn(self.text())
        if found is None:
            raise self.spot.refusal(f"expected an ARN; found {describe(self.value)}")
        return found

    def tags(self, key: str = "Key", value: str = "Value") -> dict[str, str]:
        """A list of tags, each an object with its key and its value."""
        return {each[key].text(): each[value].text() for each in self.items()}

    def policy(self, kind: PolicyKind) -> dict[str, object]:
        """A policy document: as JSON, as its text, or as its text in the form in which IAM's own API sends it.

        Raises PolicyError, an InputError, where AWS would refuse it.
        """
        content = self.value
        if isinstance(content, str) and content.lstrip().startswith("%7B"):
            content = unquote(content)
        if not isinstance(content, str | Mapping):
            raise self.spot.refusal(f"expected a policy document; found {describe(content)}")
        try:
            return dict(parse_policy(content, kind).document)
        except PolicyError as error:
            separator = "." if self.spot.path and error.path and not error.path.startswith("[") else ""
            path = f"{self.spot.path}{separator}{error.path}"
            moved = PolicyError(error.what, path=path, code=error.code, rule=error.rule)
            moved.file = self.spot.file
            raise moved from None
