"""Files of policy documents that AWS refuses, and of neighbours that it accepts: cases for the policy reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, StrictStr

from kmssim.evaluator.policy import PolicyKind
from kmssim.scenario_file.models import Document, Name
from kmssim.scenario_file.places import Place
from kmssim.scenario_file.problems import validate
from kmssim.strict_json import read_json


class PolicyCaseDocument(Document):
    """A policy document by itself; `error` is the code with which AWS refuses it."""

    name: Name
    kind: Literal["key_policy", "identity", "scp", "rcp", "vpc_endpoint", "session", "boundary"]
    policy: dict[str, Any] | StrictStr
    error: StrictStr | None = None
    rules: list[StrictStr] = Field(default_factory=list)
    why: StrictStr = ""


class PolicyCasesDocument(Document):
    """Policies that AWS refuses, and neighbours that it accepts."""

    title: StrictStr = ""
    refused: list[PolicyCaseDocument] = Field(default_factory=list)
    accepted: list[PolicyCaseDocument] = Field(default_factory=list)


@dataclass(frozen=True)
class PolicyCase:
    """One policy: a document, or a text where the text itself is the point. `error` None: AWS accepts it.

    `path` is where the case stands in its file, e.g. `refused[0]`.
    """

    name: str
    kind: PolicyKind
    policy: Mapping[str, object] | str
    error: str | None
    rules: tuple[str, ...]
    why: str
    path: str


def load_policy_cases(path: Path) -> tuple[PolicyCase, ...]:
    """Read a file of refused and accepted policies, the refused ones first.

    Raises:
        InputError: it cannot be read, or a case in it is incomplete.

    """
    place = Place(str(path), path.parent)
    document = validate(PolicyCasesDocument, read_json(path), place)
    refused = [_read(case, place.at("refused", index), refused=True) for index, case in enumerate(document.refused)]
    accepted = [_read(case, place.at("accepted", index), refused=False) for index, case in enumerate(document.accepted)]
    return (*refused, *accepted)


def _read(case: PolicyCaseDocument, place: Place, *, refused: bool) -> PolicyCase:
    if refused != (case.error is not None):
        wanted = "names the `error` with which it is refused" if refused else "names no `error`"
        raise place.refusal(f"a policy listed here {wanted}")
    return PolicyCase(
        case.name, PolicyKind(case.kind), case.policy, case.error, tuple(case.rules), case.why, place.path
    )
