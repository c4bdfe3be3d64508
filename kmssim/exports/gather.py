"""Gather: recognise each file by what it holds, let the module of its source read it, and make one world of all.

The order of the files does not matter, nor how many pages an answer came on: what names things is read before what
goes by the names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from kmssim.errors import InputError
from kmssim.evaluator.world import World
from kmssim.exports.draft import Document, Draft, read_draft
from kmssim.exports.identities import ManagedPolicies, is_details, read_identities
from kmssim.exports.keys import KeyReader, is_key_policy
from kmssim.exports.notes import Notes, NotUnderstood
from kmssim.exports.organizations import OrganizationReader
from kmssim.exports.sources import ACCOUNT, KEY_ID, ROOT, UNIT, Source, Told, find_sources, parse_part
from kmssim.exports.template import is_template, read_template
from kmssim.exports.terraform import is_plan, read_plan
from kmssim.scenario_file.document import write_scenario

__all__ = ["Imported", "Told", "import_files"]


@dataclass(frozen=True)
class Imported:
    """What the files show: the world, the same as a scenario document, and what they hold beside it."""

    world: World
    document: Document
    not_understood: tuple[NotUnderstood, ...]


Watch = Callable[[int, str], AbstractContextManager[Callable[[], object]]]
"""Shows how many files of how many are done: the block calls what it is given after each."""


@contextmanager
def _unwatched(total: int, what: str) -> Iterator[Callable[[], object]]:
    del total, what
    yield lambda: None


def import_files(
    paths: Iterable[Path], told: Told | None = None, title: str = "imported", watch: Watch = _unwatched
) -> Imported:
    """Read files and folders, written by the AWS CLI, CloudFormation or Terraform, into one world.

    Raises:
        InputError: a file cannot be read, or was named and is nothing that can be imported; or nothing was found.

    """
    notes, told = Notes(), told or Told()
    sources = find_sources(paths, told, notes)
    draft = Draft(told.region, notes)
    with watch(len(sources), "reading") as advance:
        _read_all(sources, draft, told, advance)
    if not draft.accounts and not draft.keys:
        raise _nothing(notes)
    document = draft.document(title)
    scenario = read_draft(document, draft.spots, notes)
    written = write_scenario(scenario.world, title)
    return Imported(scenario.world, written, tuple(notes.found))


def _nothing(notes: Notes) -> InputError:
    first = next((f": {note}" for note in notes.found), "")
    hint = "kmssim import --help lists what it reads"
    return InputError(f"no account, user, role or key in these files{first}", hint=hint)


_MORE = ("IsTruncated", "Truncated", "NextToken", "NextMarker")
"""The members by which an answer says that it goes on."""

Recognize = Callable[[Mapping[str, object]], bool]
Read = Callable[[Source], object]


def _read_all(sources: Sequence[Source], draft: Draft, told: Told, advance: Callable[[], object]) -> None:
    managed, keys, organization = ManagedPolicies(), KeyReader(draft, told), OrganizationReader(draft)
    unwrapped = [_unwrapped(source) for source in sources]
    table: Sequence[tuple[Recognize, Read]] = (
        (is_details, lambda source: read_identities(source, managed, draft)),
        (_has("KeyMetadata"), keys.describe),
        (_lists("Keys", "KeyArn"), keys.list_keys),
        (_lists("Grants", "GrantId"), keys.grants),
        (_lists("Aliases", "AliasName"), keys.aliases),
        (is_key_policy, keys.policy),
        (_lists("Tags", "TagKey"), keys.tags),
        (is_template, lambda source: read_template(source, draft, told)),
        (is_plan, lambda source: read_plan(source, draft, told)),
        (_has("Organization"), organization.organization),
        (_lists("Roots", "Id"), organization.roots),
        (_describes_policy, organization.policy),
        (_lists("OrganizationalUnits", "Id"), organization.units),
        (_lists("Accounts", "Id"), organization.members),
        (_lists("Parents", "Id"), organization.parent),
        (_lists("Policies", "Type"), organization.policies_of),
        (_lists("Targets", "TargetId"), organization.targets_of),
    )
    by_kind: dict[int, list[Source]] = {}
    for source in unwrapped:
        kind = _kind(source, [fits for fits, _ in table])
        if kind is None:
            _refuse_foreign(source, draft.notes)
        else:
            by_kind.setdefault(kind, []).append(source)
    for kind, pages in by_kind.items():
        _list_missing_pages(kind, pages, draft.notes)
    for source in by_kind.get(0, ()):  # any page may hold the managed policies that another one attaches
        with draft.notes.noted():
            managed.learn(source.part)
    for kind in sorted(by_kind):
        for source in by_kind[kind]:
            with draft.notes.noted():
                table[kind][1](source)
            advance()
    with draft.notes.noted():
        organization.finish()


def _list_missing_pages(kind: int, sources: Sequence[Source], notes: Notes) -> None:
    """Of the pages of one answer, those in one folder and about one thing, one says that it is the last."""
    answers: dict[tuple[int, PurePath, str | None], list[Source]] = {}
    for source in sources:
        about = source.named(KEY_ID, UNIT, ROOT, ACCOUNT)
        answers.setdefault((kind, PurePath(source.spot.file).parent, about), []).append(source)
    for pages in answers.values():
        if all(_goes_on(page) for page in pages):
            notes.add(
                pages[-1].spot, "another page follows, and no file beside it is the last one (add the pages after it)"
            )


def _goes_on(source: Source) -> bool:
    content = source.part.mapping()
    return any(content.get(member) for member in _MORE)


def _kind(source: Source, recognizers: Sequence[Recognize]) -> int | None:
    """Which of the recognizers the content fits first."""
    content = source.part.value
    if not isinstance(content, Mapping):
        return None
    return next((kind for kind, fits in enumerate(recognizers) if fits(content)), None)


def _unwrapped(source: Source) -> Source:
    """`cloudformation get-template` puts the template into its answer, as JSON or as text."""
    content = source.part.value
    if not isinstance(content, Mapping) or "TemplateBody" not in content:
        return source
    body = source.part["TemplateBody"]
    return replace(source, part=parse_part(body.text(), body.spot) if isinstance(body.value, str) else body)


def _refuse_foreign(source: Source, notes: Notes) -> None:
    """A file that was named is a mistake; in a folder it is one more thing that was not understood."""
    what = "nothing that can be imported is recognised in it"
    content = source.part.value
    if isinstance(content, Mapping) and isinstance(content.get("accounts"), Mapping):
        what = "this is a scenario already; every verb takes it as it is"
    if source.is_named:
        raise source.spot.refusal(what, "kmssim import --help lists what it reads")
    notes.add(source.spot, what)


def _has(member: str) -> Recognize:
    return lambda content: isinstance(content.get(member), Mapping)


def _lists(member: str, field: str) -> Recognize:
    """Whether a list of that name holds things with that field; an empty one tells nothing, whatever it is."""

    def fits(content: Mapping[str, object]) -> bool:
        found = content.get(member)
        return isinstance(found, list) and all(isinstance(each, Mapping) and field in each for each in found)

    return fits


def _describes_policy(content: Mapping[str, object]) -> bool:
    policy = content.get("Policy")
    return isinstance(policy, Mapping) and "PolicySummary" in policy
