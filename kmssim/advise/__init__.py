"""Advice: the smallest changes that give a wanted answer, each proven by the decision authority.

    advice = advise(world, call)
    advice.proposals[0].edits, advice.proposals[0].after.word, advice.proposals[0].side_effects

Read `advice` first, then `search`, `opening` and `closing`.
"""

from kmssim.advise.advice import advise
from kmssim.advise.apply import apply
from kmssim.advise.proposal import Advice, Kind, NoFix, Proposal, SideEffect

__all__ = ["Advice", "Kind", "NoFix", "Proposal", "SideEffect", "advise", "apply"]
