"""Policies in a scenario: documents, files beside the scenario, and AWS managed policies by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath

from kmssim.errors import InputError, PolicyError
from kmssim.evaluator.policy import Policy, PolicyKind, parse_policy
from kmssim.scenario_file.places import Place
from kmssim.strict_json import printable, read_json

_FOLDER = Path(__file__).with_name("managed_policies")

Reference = Mapping[str, object] | str
"""A policy document, the path of a file that ends in `.json`, or the name of an AWS managed policy."""

_IAM_KINDS = frozenset({PolicyKind.IDENTITY, PolicyKind.BOUNDARY, PolicyKind.SESSION})

MANAGED_POLICIES: Mapping[str, frozenset[PolicyKind]] = {
    "FullAWSAccess": frozenset({PolicyKind.SCP}),
    "RCPFullAWSAccess": frozenset({PolicyKind.RCP}),
    "AdministratorAccess": _IAM_KINDS,
    "AWSKeyManagementServicePowerUser": _IAM_KINDS,
}
"""The AWS managed policies that a scenario may name, and where each can be attached."""


def key_policy_in(content: object) -> Mapping[str, object] | str | None:
    """The key policy that a file holds: by itself, or as `aws kms get-key-policy` wrote it. None: something else."""
    if not isinstance(content, Mapping):
        return None
    written = content.get("Policy")
    if isinstance(written, str) and content.keys() <= {"Policy", "PolicyName"}:
        return written
    return content if "Statement" in content and "accounts" not in content else None


@cache
def managed_policy(name: str, kind: PolicyKind) -> Policy:
    """An AWS managed policy, parsed for the place where it is attached."""
    document = read_json(_FOLDER / f"{name}.json")
    assert isinstance(document, dict)  # noqa: S101 - our own file
    return parse_policy(document, kind, name)


def read_policy(reference: Reference, kind: PolicyKind, place: Place) -> Policy:
    """Read the policy that stands, or is named, at `place`.

    Its `source` is the JSON path of a document, the path of a file as written, or the managed policy's name.

    Raises:
        InputError: no such file or managed policy, or one that cannot be attached there.
        PolicyError: AWS would refuse the document; file and JSON path say where.

    """
    if not isinstance(reference, str):
        return _parse(reference, kind, place, place.path)
    if reference.endswith(".json"):
        document = read_document(reference, place)
        return _parse(document, kind, Place(_shown(reference, place)), reference)
    fitting = [name for name, kinds in MANAGED_POLICIES.items() if kind in kinds]
    if reference in fitting:
        return managed_policy(reference, kind)
    raise _no_policy(reference, fitting, place)


def _no_policy(reference: str, fitting: Sequence[str], place: Place) -> InputError:
    """Say why a name that is no path leads to no policy here."""
    if reference.lstrip().startswith("{"):
        return place.refusal("expected a policy document, found its text", "leave out the quotation marks around it")
    what = f"`{reference[:100]}` is no path ending in .json and no managed policy that the project knows"
    if reference in MANAGED_POLICIES:
        what = f"the managed policy `{reference}` cannot be attached here"
    if not fitting:
        return place.refusal(what, "write the policy document, or the path of its file")
    return place.unknown(what, reference, fitting)


def read_policies(references: Mapping[str, Reference], kind: PolicyKind, place: Place) -> tuple[Policy, ...]:
    """Read named policies in the order in which they stand."""
    return tuple(read_policy(reference, kind, place.at(name)) for name, reference in references.items())


def read_document(reference: str, place: Place) -> Mapping[str, object]:
    """Read the policy file that is named at `place`, without looking into the policy.

    Raises:
        InputError: an absolute path, no such file, no JSON object.

    """
    if PurePosixPath(reference).is_absolute() or PureWindowsPath(reference).drive or "\\" in reference:
        hint = "write a path relative to the scenario file, with forward slashes"
        raise place.refusal(f"`{reference}` is no relative path", hint)
    if place.folder is None:
        hint = "put the document itself here, or save the scenario as a file and load that"
        raise place.refusal(f"`{reference}` cannot be found, this scenario is no file", hint)
    target = place.target(reference)
    if not _is_file(target):
        raise place.refusal(f"no such file: `{reference}`", f"looked in {target.parent}")
    document = read_json(target, _shown(reference, place))
    if not isinstance(document, dict):
        raise Place(_shown(reference, place)).refusal("a policy is a JSON object", f"named at $.{place.path}")
    return document


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file system takes
        return False


def _shown(reference: str, place: Place) -> str:
    return str(place.target(reference))


def _parse(document: Mapping[str, object], kind: PolicyKind, place: Place, source: str) -> Policy:
    try:
        return parse_policy(document, kind, source)
    except PolicyError as error:
        raise placed(error, place) from None


def placed(error: PolicyError, place: Place) -> PolicyError:
    """The same refusal with the file, and the document's own path before the path inside it."""
    separator = "." if place.path and error.path and not error.path.startswith("[") else ""
    path = printable(f"{place.path}{separator}{error.path}")
    moved = PolicyError(printable(error.what), path=path, code=error.code, rule=error.rule)
    moved.file = place.file
    return moved
