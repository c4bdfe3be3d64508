"""Advice → JSON and plain text that reads well in 80 columns. No rule is held here."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from kmssim.advise.commands import command, document, policy_after, where
from kmssim.advise.proposal import Advice, Edit, Proposal
from kmssim.advise.wording import NO_FIX, notes, side_effects, title, what
from kmssim.evaluator.decision import Decision
from kmssim.explain import explain

Json = dict[str, Any]

_WIDTH = 80
_INDENT = "     "
_NAMES = {"where": "where", "paste": "paste", "command": "run", "proof": "proof"}
_MOST_EFFECTS = 8
_GOES_ON = " \\"


def advice_json(advice: Advice, file: str | None) -> Json:
    """The advice in the words that tools read: the same as the text, and each whole policy."""
    return {
        "request": advice.request,
        "wish": advice.wish,
        "now": _decision_json(advice.before),
        "because": explain(advice.before).because,
        "proposals": [
            _proposal_json(number, proposal, advice.wish, file) for number, proposal in enumerate(advice.proposals, 1)
        ],
        "left_out": advice.left_out,
        "reason": None if advice.reason is None else advice.reason.value,
        "reason_text": None if advice.reason is None else NO_FIX[advice.reason],
        "detail": advice.detail or None,
    }


def _decision_json(decision: Decision) -> Json:
    return {
        "decision": decision.word,
        "error": decision.failure.code if decision.failure else None,
        "uncertain": list(decision.uncertain),
        "authority": decision.authority,
    }


def _proposal_json(number: int, proposal: Proposal, wish: str, file: str | None) -> Json:
    return {
        "number": number,
        "kind": proposal.kind.value,
        "what": title(proposal),
        "edits": [_edit_json(edit, proposal, file) for edit in proposal.edits],
        "proof": {"before": _decision_json(proposal.before), "after": _decision_json(proposal.after)},
        "notes": notes(proposal, wish),
        "opens_more": proposal.opens_more,
        "needs_administrator": proposal.needs_administrator,
        "touches_deny": proposal.touches_deny,
        "side_effects": [
            {
                "principal": effect.principal,
                "action": effect.action,
                "key": effect.key,
                "encryption_context": None if effect.encryption_context is None else dict(effect.encryption_context),
                "before": "DENY" if effect.allowed else "ALLOW",
                "after": "ALLOW" if effect.allowed else "DENY",
            }
            for effect in proposal.side_effects
        ],
    }


def _edit_json(edit: Edit, proposal: Proposal, file: str | None) -> Json:
    return {
        "kind": edit.kind.value,
        "what": what(edit, proposal.world),
        "file": file,
        "path": where(edit, proposal.world) or None,
        "document": document(edit, proposal.call),
        "policy": policy_after(edit, proposal),
        "command": command(edit, proposal),
    }


def advice_text(advice: Advice, file: str | None) -> str:
    """The advice for a person."""
    return "\n".join(_lines(advice, file)) + "\n"


def _lines(advice: Advice, file: str | None) -> Iterator[str]:
    yield advice.request
    explanation = explain(advice.before)
    why = explanation.failed or f"{_told(advice.before)}, because {explanation.because}"
    yield from _wrapped(f"Now: {why}".rstrip(".") + ".", "")
    if advice.reason is not None:
        reason = NO_FIX[advice.reason]
        yield from _wrapped(f"{reason[0].upper()}{reason[1:]}{f' ({advice.detail})' if advice.detail else ''}.", "")
    for number, proposal in enumerate(advice.proposals, 1):
        yield ""
        yield from _proposal_lines(number, proposal, advice.wish, file)
    if advice.left_out:
        yield ""
        yield from _wrapped(f"{advice.left_out} more were proven; --limit shows them.", "")


def _proposal_lines(number: int, proposal: Proposal, wish: str, file: str | None) -> Iterator[str]:
    start = f"{number:>3}. "
    yield from textwrap.wrap(f"{title(proposal)}.", _WIDTH, initial_indent=start, subsequent_indent=_INDENT)
    for edit in proposal.edits:
        path = where(edit, proposal.world)
        if path:
            yield from _wrapped(f"{_NAMES['where']}: {path}{f' in {file}' if file else ''}")
        pasted = document(edit, proposal.call)
        if pasted is not None:
            yield f"{_INDENT}{_NAMES['paste']}:"
            yield from textwrap.indent(json.dumps(pasted, indent=2, ensure_ascii=False), _INDENT + "  ").splitlines()
        yield f"{_INDENT}{_NAMES['command']}:"
        yield from _command_lines(command(edit, proposal))
    proof = f"{_told(proposal.before)} → {_told(proposal.after)}, by {proposal.after.authority}"
    yield from _wrapped(f"{_NAMES['proof']}: {proof}")
    yield from _effect_lines(proposal, wish)
    for note in notes(proposal, wish):
        yield from _wrapped(f"note: {note}")


def _effect_lines(proposal: Proposal, wish: str) -> Iterator[str]:
    verb = "closes" if wish == "deny" else "opens"
    effects = side_effects(proposal.side_effects)
    if not effects:
        yield f"{_INDENT}{verb}: nothing else on the key"
        return
    yield f"{_INDENT}side effects:"
    for line in effects[:_MOST_EFFECTS]:
        yield from _wrapped(line, _INDENT + "  ")
    if len(effects) > _MOST_EFFECTS:
        yield f"{_INDENT}  and {len(effects) - _MOST_EFFECTS} more, see --json"


def _told(decision: Decision) -> str:
    return f"{decision.word} ({decision.failure.code})" if decision.failure else decision.word


def _wrapped(text: str, indent: str = _INDENT) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _command_lines(text: str) -> Iterator[str]:
    """A command broken before its options, as a shell reads it."""
    first, *options = text.split(" --")
    for at, part in enumerate([first, *(f"  --{option}" for option in options)]):
        yield f"{_INDENT}  {part}{_GOES_ON if at < len(options) else ''}"
