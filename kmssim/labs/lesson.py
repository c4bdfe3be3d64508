"""What a failed check teaches, as data: the request, the layers, the lines of the learner's file, the rules.

Everything here is read off a finished result. Where it stands on the screen is `telling`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kmssim.access import Answers, Question
from kmssim.diff.changes import Change
from kmssim.evaluator.decision import Decision, LayerTrace, PermissionTrace, StatementTrace, Verdict
from kmssim.evaluator.match import ELEMENTS
from kmssim.evaluator.request import Call
from kmssim.evaluator.world import World
from kmssim.explain import deciding_permission
from kmssim.labs.collateral import short_name
from kmssim.labs.outcomes import Report, Result, Spot
from kmssim.labs.variants import Variant
from kmssim.positions import Place, Positions
from kmssim.rules import all_rules
from kmssim.wording import LAYER_NAMES

_MOST_PLACES = 2
_MOST_LINES = 8
_MOST_DECISIONS = 40
_MOST_RULES = 2
_LONGEST_RULE = 400
_REFERENCES = re.compile(r"(?:;|(?<=\.)) (?:Source|Status|Rules)[^;:]*: .*$")
"""What a rule ends in for those who keep the book: where it is from, and what it is related to."""
_KEY_PARAMETERS = ("KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId", "Bucket", "SecretId")


@dataclass(frozen=True)
class Quoted:
    """Some lines of a learner's file, from 1, and what is to be said of them."""

    spot: Spot
    lines: tuple[tuple[int, str], ...]
    remark: str


@dataclass(frozen=True)
class LayerRow:
    """One layer's verdict in a word, and what in it decided."""

    name: str
    verdict: str
    note: str
    decides: bool


def request_text(call: Call, world: World | None = None) -> str:
    """A call on one line: who, what, on which key, and what comes with it; keys as the world labels them."""
    labels = {key.arn: f"key {key.label}" for key in world.keys_by_arn.values()} if world else {}
    parts = [short_name(call.principal), call.operation]
    found = [str(call.parameters[name]) for name in _KEY_PARAMETERS if name in call.parameters]
    named = [labels.get(name, name) for name in found]
    if call.ciphertext is not None and not named:
        named = [f"ciphertext of {labels.get(call.ciphertext.key, call.ciphertext.key)}"]
    parts += named
    contexts = [value for name, value in call.parameters.items() if "EncryptionContext" in name]
    parts += [f"context {_pairs(value)}" for value in contexts if isinstance(value, Mapping)]
    if call.via:
        parts.append(f"through {call.via}")
    if call.network.vpc_endpoint:
        parts.append(f"by endpoint {call.network.vpc_endpoint}")
    if call.network.source_ip:
        parts.append(f"from {call.network.source_ip}")
    return "  ".join(parts)


def _pairs(context: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in context.items()) + "}"


def layer_rows(decision: Decision) -> list[LayerRow]:
    """Every layer of the permission that decided, in AWS's order; none where the call never got so far."""
    permission = deciding_permission(decision)
    if permission is None:
        return []
    return [_row(trace, trace.layer in permission.ruling.layers) for trace in permission.layers]


_WORDS = {
    Verdict.ALLOW: "ALLOW",
    Verdict.DENY: "DENY",
    Verdict.SILENT: "silent",
    Verdict.NOT_APPLICABLE: "not applicable",
}


def _row(trace: LayerTrace, decides: bool) -> LayerRow:  # noqa: FBT001 - a field of the row
    applying = [statement for statement in trace.statements if statement.applies]
    denying = [statement for statement in applying if statement.effect == "Deny"]
    named = [f'statement "{statement.sid}"' if statement.sid else statement.path for statement in denying or applying]
    named += [f"grant {grant.name or grant.grant}" for grant in trace.grants if grant.mismatch is None]
    return LayerRow(LAYER_NAMES[trace.layer], _WORDS[trace.verdict], ", ".join(named), decides)


@dataclass(frozen=True)
class Lesson:
    """A failed check of an answer."""

    report: Report
    result: Result

    @property
    def variant(self) -> Variant:
        """The answer."""
        return self.report.variant

    @cached_property
    def places(self) -> tuple[Quoted, ...]:
        """The lines of the learner's files that the failure is about; none where the reason lies elsewhere."""
        if self.result.spot is not None:
            return lines_around(self.variant, self.result.spot)
        found = [quoted for decision in self.decisions for quoted in self._of_decision(decision)]
        first = {quoted.spot: quoted for quoted in reversed(found)}
        places = [quoted for quoted in found if quoted is first[quoted.spot]]
        return tuple(places)[:_MOST_PLACES]

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """The decision of the request; of a changed matrix, those behind its first changes."""
        if self.result.decision is not None:
            return (self.result.decision,)
        return tuple(self._of_change(change) for change in self._gravest_first[:_MOST_DECISIONS])

    @cached_property
    def rules(self) -> tuple[tuple[str, str], ...]:
        """The rules behind it, each with its sentence: those that the check names first."""
        found = list(self.result.check.rules)
        for decision in self.decisions[:1]:
            found += [decision.failure.rule] if decision.failure and decision is self.result.decision else []
            found += [rule for _, _, rule in self._statements(decision)[:1] if rule]
        known = [name for name in dict.fromkeys(found) if name in all_rules()]
        return tuple((name, _sentence_of(name)) for name in known[:_MOST_RULES])

    @property
    def _gravest_first(self) -> list[Change]:
        return sorted(self.result.changes, key=lambda change: _gravity(change.action))

    def _of_change(self, change: Change) -> Decision:
        """The decision of one changed question in the world of the answer."""
        circumstances = change.circumstances
        question = Question(
            change.principal,
            change.action,
            (change.pair.new or change.pair.key).arn,
            circumstances.encryption_context,
            circumstances.via,
            circumstances.grant,
        )
        return self._answers.decide(question)

    @cached_property
    def _answers(self) -> Answers:
        world = self.report.world
        assert world is not None  # noqa: S101 - there are changes
        return Answers(world)

    def _of_decision(self, decision: Decision) -> Iterator[Quoted]:
        for statement, remark, _ in self._statements(decision):
            file = self.variant.file_of(statement.policy)
            if file is not None:
                yield self._quote(file, statement, remark)

    def _statements(self, decision: Decision) -> list[tuple[StatementTrace, str, str]]:
        """Statements that decided or came near, each with its remark and its rule; the best first."""
        permission = deciding_permission(decision)
        if permission is None:
            return []
        blamed = [trace for trace in permission.layers if trace.layer in permission.ruling.layers]
        applying = [
            each for trace in blamed for each in trace.statements if each.applies and _decided(each, permission)
        ]
        if applying:
            return [(each, _why_it_applies(each, permission.action), each.rule or "") for each in applying]
        others = [each for trace in blamed for each in trace.statements if each.mismatch and each.effect == "Allow"]
        others.sort(key=_distance)
        others = [each for each in others if _distance(each) == _distance(others[0]) or _distance(each) < _OF_OTHERS]
        return [(each, _why_not(each), each.mismatch.rule if each.mismatch else "") for each in others]

    def _quote(self, file: Path, statement: StatementTrace, remark: str) -> Quoted:
        positions = Positions(file.read_text(encoding="utf-8"))
        place = _place_of(positions, statement) or Place(0, 0, 1)
        line, column = positions.line_and_column(place.name)
        last, _ = positions.line_and_column(place.end)
        name = f"exercise/{file.name}"
        return Quoted(Spot(name, line, column), _lines(positions.text, line, last), remark)


def lines_around(variant: Variant, spot: Spot) -> tuple[Quoted, ...]:
    """The line of a spot and the one before it; nothing where the file is not there."""
    file = variant.file(spot.path)
    if not file.is_file():
        return ()
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = _lines(text, max(1, spot.line - 1), spot.line)
    return (Quoted(Spot(f"exercise/{spot.path}", spot.line, spot.column), lines, ""),)


_OF_OTHERS = len(ELEMENTS) - 1 - ELEMENTS.index("Principal")
"""The distance of a statement that speaks of other callers."""


def _distance(statement: StatementTrace) -> int:
    """How near a statement came: the later the element that does not match, the nearer."""
    element = statement.mismatch.element.removeprefix("Not") if statement.mismatch else ""
    return len(ELEMENTS) - 1 - ELEMENTS.index(element) if element in ELEMENTS else _OF_OTHERS


def _sentence_of(rule: str) -> str:
    """A rule in a few lines: its sentences, or the cells of its row, as far as there is room; a whole table is none."""
    text = all_rules()[rule].text
    if "\n" in text:
        return f"see `kmssim rule {rule}`"
    said = _REFERENCES.sub("", text)
    if len(said) <= _LONGEST_RULE:
        return said
    kept = said[:_LONGEST_RULE]
    end = max(kept.rfind(". ") + 1, kept.rfind("; ")) or kept.rfind(" ")
    return f"{kept[:end]} … (`kmssim rule {rule}`)"


def _decided(statement: StatementTrace, permission: PermissionTrace) -> bool:
    return (statement.effect == "Deny") is permission.ruling.explicit


def _why_it_applies(statement: StatementTrace, action: str) -> str:
    verb = "denies" if statement.effect == "Deny" else "allows"
    conditions = "its conditions are met" if statement.condition_keys else "it has no Condition"
    return f"{verb} {action}: {conditions}"


def _why_not(statement: StatementTrace) -> str:
    mismatch = statement.mismatch
    return f"{mismatch.element} wants {mismatch.wanted}; found {mismatch.found}" if mismatch else ""


def _place_of(positions: Positions, statement: StatementTrace) -> Place | None:
    """The element that does not match, down to the line of a condition; of one that applies, what it applies by."""
    here = positions.nearest(statement.path)
    steps = next((steps for steps, place in positions.places.items() if place == here), ())
    if statement.mismatch is None:
        return positions.of((*steps, "Condition")) or here
    element = statement.mismatch.element
    wanted = statement.mismatch.wanted
    lines = [
        place
        for found, place in positions.places.items()
        if found[: len(steps) + 1] == (*steps, element)
        and len(found) == len(steps) + 3
        and wanted.startswith(f"{found[-2]} {found[-1]}: ")
    ]
    return next(iter(lines), None) or positions.of((*steps, element)) or here


def _lines(text: str, first: int, last: int) -> tuple[tuple[int, str], ...]:
    lines = text.splitlines()
    shown = range(first, min(last, first + _MOST_LINES - 1, len(lines)) + 1)
    return tuple((number, lines[number - 1]) for number in shown)


_GRAVEST = ("kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy", "kms:ReEncryptFrom", "kms:GenerateDataKey")


@dataclass(frozen=True)
class Changed:
    """What one caller gained or lost on one key under the same circumstances: the gravest actions first."""

    who: str
    where: str
    actions: tuple[str, ...]


def grouped_changes(changes: Iterable[Change]) -> tuple[Changed, ...]:
    """Changes by caller, key and circumstances, in the order in which they were found."""
    groups: dict[tuple[str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((short_name(change.principal), _circumstances(change)), []).append(change.action)
    return tuple(Changed(who, where, tuple(sorted(found, key=_gravity))) for (who, where), found in groups.items())


def _gravity(action: str) -> tuple[int, str]:
    return (_GRAVEST.index(action) if action in _GRAVEST else len(_GRAVEST), action)


def _circumstances(change: Change) -> str:
    parts = [f"key {change.pair.name}"]
    circumstances = change.circumstances
    if circumstances.encryption_context is not None:
        parts.append(f"context {_pairs(dict(circumstances.encryption_context))}")
    if circumstances.via:
        parts.append(f"through {circumstances.via}")
    if circumstances.grant:
        parts.append(f"grant {circumstances.grant}")
    return "  ".join(parts)
