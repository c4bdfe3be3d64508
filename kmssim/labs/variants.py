"""Answers to a lab: the exercise as shipped, the solution, the wrong answers, and a learner's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmssim.errors import InputError
from kmssim.labs.folder import Lab
from kmssim.labs.metadata import Metadata
from kmssim.labs.promises import Edit
from kmssim.labs.texts import in_language

if TYPE_CHECKING:
    from kmssim.scenario import Scenario

_IN_SCENARIO = "exercise/"
"""How a scenario calls the files that a learner edits."""


@dataclass(frozen=True)
class Variant:
    """One answer: its files lie in `folder`; those of a wrong answer that are not there are as shipped.

    `lab` is the lab as shipped, with its checks. `name` is what messages call the answer.
    """

    lab: Lab
    metadata: Metadata
    name: str
    folder: Path
    rest: Path | None = None

    def file(self, path: str) -> Path:
        """Where an edited file of this answer lies."""
        own = self.folder / path
        return self.rest / path if self.rest is not None and not own.exists() else own

    def file_of(self, source: str) -> Path | None:
        """The file behind the source of a policy, as a trace has it; None where it stands in the scenario."""
        name = source.removeprefix(_IN_SCENARIO)
        known = {edit.path for edit in self.metadata.edit}
        return self.file(name) if source != name and name in known else None

    def read_scenario(self) -> Scenario:
        """The lab's scenario with the documents of this answer. Raises InputError, PolicyError."""
        from kmssim.scenario import load_scenario  # noqa: PLC0415 - who lists labs needs no pydantic

        moved = {_IN_SCENARIO + edit.path: self.file(edit.path) for edit in self.metadata.edit}
        return load_scenario(self.lab.scenario, moved)

    @property
    def moved(self) -> dict[str, str]:
        """Where the edited files lie that the scenario names, as another process is told."""
        return {_IN_SCENARIO + edit.path: str(self.file(edit.path).resolve()) for edit in self.metadata.edit}

    def only(self, *kinds: str) -> tuple[Edit, ...]:
        """The edited files of some kinds."""
        return tuple(edit for edit in self.metadata.edit if edit.kind in kinds)

    @property
    def digest(self) -> str:
        """The same as long as no edited file of the answer changes."""
        digest = hashlib.sha256()
        for edit in self.metadata.edit:
            file = self.file(edit.path)
            digest.update(edit.path.encode() + b"\0")
            digest.update(file.read_bytes() if file.is_file() else b"\0missing")
        return digest.hexdigest()

    def blames(self, error: InputError) -> bool:
        """Whether a mistake lies in a file of this answer, and not in the lab's own."""
        files = {str(self.file(edit.path)) for edit in self.metadata.edit}
        return error.file in files or any(f"`{_IN_SCENARIO}{edit.path}`" in error.what for edit in self.metadata.edit)


def exercise_of(lab: Lab) -> Variant:
    """The exercise as shipped. Raises InputError for broken metadata."""
    return Variant(lab, lab.read_metadata(), "exercise", lab.exercise)


def solution_of(lab: Lab) -> Variant:
    """The solution. Raises InputError for broken metadata."""
    return Variant(lab, lab.read_metadata(), "solution", lab.solution)


def wrong_answers(lab: Lab) -> tuple[Variant, ...]:
    """The wrong answers, in the order of the metadata. Raises InputError for broken metadata."""
    metadata = lab.read_metadata()
    return tuple(Variant(lab, metadata, wrong.path, lab.folder / wrong.path, lab.exercise) for wrong in metadata.wrong)


def answer_in(folder: Path, lab: Lab) -> Variant:
    """A learner's answer to a lab as shipped, in the learner's language: `folder` is the learner's `exercise`."""
    return Variant(lab, in_language(lab, lab.read_metadata()), "answer", folder)
