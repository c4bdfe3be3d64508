"""A proposal applied to a sandbox that `kmssim serve` runs: the changed world is put in place of the one it holds."""

from __future__ import annotations

from collections.abc import Sequence

from kmssim.advise.proposal import Advice, CallAgain, Proposal
from kmssim.errors import InputError
from kmssim.running_world import is_url, seed_running
from kmssim.scenario_file.document import write_scenario


def apply_to_running(named: str, advices: Sequence[Advice], number: int) -> str:
    """Apply the proposal of this number, from 1, to the sandbox at the URL `named`; returns what to tell.

    Raises:
        InputError: `named` is no URL, there is not one request with such a proposal, or it is about the call alone; the
            sandbox refuses the world.
        SetupError: no sandbox answers there.

    """
    if not is_url(named):
        hint = "start one with `kmssim serve --scenario FILE`, and name its http://127.0.0.1:PORT"
        raise InputError(f"--apply needs a running sandbox, and `{named}` is none", hint=hint)
    seed_running(named, write_scenario(_chosen(advices, number).world))
    return f"applied proposal {number} to {named}"


def _chosen(advices: Sequence[Advice], number: int) -> Proposal:
    if len(advices) != 1:
        raise InputError("--apply takes a proposal of one request", hint="name it with --request")
    proposals = advices[0].proposals
    if number > len(proposals):
        raise InputError(f"there is no proposal {number}", hint=f"there are {len(proposals)}")
    proposal = proposals[number - 1]
    if all(isinstance(edit, CallAgain) for edit in proposal.edits):
        raise InputError(f"proposal {number} changes the call only, and nothing in the sandbox")
    return proposal
